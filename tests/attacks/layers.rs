//! Layers around layers: lists, triple wraps, encryption, and who speaks through them.

use crate::cli::bob;
use crate::cli::inspect;
use crate::cli::verify;
use crate::cli::verify_with;
use crate::cms::Signed;
use crate::cms::Signer;
use crate::cms::edit_signer;
use crate::cms::empty_signature;
use crate::cms::encrypted;
use crate::cms::ml_expansion_history;
use crate::mail::from_alice;
use crate::mail::letter;
use crate::mail::message;
use crate::mail::multipart;
use crate::mail::multipart_signed;
use crate::mail::opaque;
use crate::mail::pkcs7_mime;
use crate::mail::text;
use crate::pki::path;

fn around(entity: &[u8], signers: impl IntoIterator<Item = Signer>) -> Vec<u8> {
    opaque(&Signed::by(signers, entity).opaque())
}

fn alice_signed() -> Vec<u8> {
    around(&letter(), [Signer::of("alice")])
}

fn to_bob(entity: &[u8]) -> Vec<u8> {
    pkcs7_mime(
        "enveloped-data",
        &encrypted(entity, "-aes-256-cbc", &["bob"]),
    )
}

fn with_key(message: &[u8]) -> crate::cli::Verified {
    let bob = bob();
    let arguments: Vec<&str> = bob.iter().map(String::as_str).collect();
    verify_with(message, &arguments)
}

#[test]
fn a_list_passes_on_what_the_originator_signed() {
    let list = || [Signer::of("mallory").attribute(ml_expansion_history())];
    let verified = verify(&from_alice(&around(&alice_signed(), list())));
    verified
        .is("valid")
        .originator("match")
        .layers("S[ml](S(C))");
    verified.signature(0, "layer", 0).signature(1, "layer", 1);
    // A list is no originator, and speaks for none.
    verify(&from_alice(&around(&letter(), list())))
        .is("indeterminate")
        .layers("S[ml](C)");
    let own = message("mallory@evil.example", &around(&letter(), list()));
    verify(&own).is("indeterminate").originator("absent");
    let empty = opaque(&empty_signature(&letter()));
    verify(&from_alice(&around(&empty, list())))
        .is("indeterminate")
        .layers("S[ml](S[empty](C))");
    verify(&message(
        "mallory@evil.example",
        &around(&alice_signed(), list()),
    ))
    .is("invalid");
}

#[test]
fn a_lists_broken_signature_is_not_looked_through() {
    let list = Signer::of("mallory").attribute(ml_expansion_history());
    let layer = Signed::by([list], &alice_signed()).opaque();
    verify(&from_alice(&opaque(&layer))).is("valid");
    let broken = edit_signer(&layer, 0, &[5], |octets| octets[3] ^= 1);
    verify(&from_alice(&opaque(&broken))).is("invalid");
}

#[test]
fn the_attribute_of_a_list_counts_when_it_is_signed() {
    let unsigned = Signer {
        unsigned: vec![ml_expansion_history()],
        ..Signer::of("mallory")
    };
    let verified = verify(&from_alice(&around(&letter(), [unsigned])));
    // A list's, or mallory's own: alice's it is not.
    verified.is_not_valid();
}

#[test]
fn signing_what_another_signed_does_not_make_it_ones_own() {
    let taken = around(&alice_signed(), [Signer::of("mallory")]);
    verify(&message("mallory@evil.example", &taken))
        .is("invalid")
        .originator("mismatch");
    verify(&from_alice(&taken))
        .is("valid")
        .originator("match")
        .layers("S(S(C))");
    let wrapped = multipart_signed(
        &taken,
        &Signed::by([Signer::of("alice")], &taken).detached(),
    );
    verify(&from_alice(&wrapped))
        .is("valid")
        .layers("S(S(S(C)))");
}

#[test]
fn an_inner_signature_that_is_wrong_is_not_hidden_by_a_good_one_outside() {
    let inner = Signed::by([Signer::of("alice")], &letter()).opaque();
    let broken = opaque(&edit_signer(&inner, 0, &[5], |octets| octets[3] ^= 1));
    verify(&from_alice(&around(&opaque(&inner), [Signer::of("alice")]))).is("valid");
    verify(&from_alice(&around(&broken, [Signer::of("alice")]))).is("invalid");
    let domain = || [Signer::of("domain-a").typed(&["domain"])];
    verify(&from_alice(&around(&opaque(&inner), domain()))).is("valid");
    // CONTRACT: every SignerInfo of the layers that are visible verifies.
    verify(&from_alice(&around(&broken, domain()))).is("invalid");
}

#[test]
fn a_triple_wrap_is_judged_with_the_key_that_opens_it() {
    let middle = to_bob(&alice_signed());
    let wrap = from_alice(&around(&middle, [Signer::of("alice")]));
    with_key(&wrap)
        .is("valid")
        .originator("match")
        .layers("S(E(S(C)))");
    let closed = verify(&wrap);
    closed.layers("S(E)");
    assert_ne!(closed.verdict, "invalid", "{:#}", closed.report);
    // The one inside speaks.
    let other = around(
        &to_bob(&around(&letter(), [Signer::of("mallory")])),
        [Signer::of("alice")],
    );
    with_key(&from_alice(&other))
        .is("invalid")
        .originator("mismatch");
}

#[test]
fn what_no_key_opens_is_not_known() {
    let message = from_alice(&to_bob(&alice_signed()));
    with_key(&message)
        .is("valid")
        .originator("match")
        .layers("E(S(C))")
        .covers("whole");
    verify(&message).is("indeterminate").layers("E");
    with_key(&from_alice(&to_bob(&letter())))
        .is("unsigned")
        .layers("E(C)");
    let alice = [path("alice.key"), path("alice.pem")];
    verify_with(&message, &["--key", &alice[0], "--cert", &alice[1]]).is("indeterminate");
}

#[test]
fn a_signed_part_in_what_was_encrypted_is_still_only_a_part() {
    let mixed = multipart("multipart/mixed", &[text("unsigned"), alice_signed()]);
    let message = from_alice(&to_bob(&mixed));
    with_key(&message)
        .is("invalid")
        .covers("part")
        .layers("E(C)");
    with_key(&from_alice(&to_bob(&alice_signed()))).is("valid");
}

#[test]
fn an_encrypted_part_beside_others_is_no_layer() {
    let mixed = multipart(
        "multipart/mixed",
        &[text("unsigned"), to_bob(&alice_signed())],
    );
    let verified = with_key(&from_alice(&mixed));
    verified.is_not_valid().layers("C");
    let inspected = inspect(&from_alice(&mixed));
    inspected.layers("C");
    assert_eq!(inspected.report["tree"]["parts"][0]["kind"], "enveloped");
    // Signed as a whole it is what alice sent, with what she encrypted in it.
    let whole = around(&mixed, [Signer::of("alice")]);
    with_key(&from_alice(&whole)).layers("S(C)").covers("whole");
}
