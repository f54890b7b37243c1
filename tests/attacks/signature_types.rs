//! SignatureType, the naming convention, and who may speak for whom (draft §2.6, §3).

use crate::cli::Verified;
use crate::cli::verify;
use crate::cms::SIGNATURE_TYPE;
use crate::cms::SIGNATURE_TYPE_OF_DRAFT;
use crate::cms::Signed;
use crate::cms::Signer;
use crate::cms::attribute;
use crate::cms::empty_signature;
use crate::cms::signature_type;
use crate::cms::signature_types;
use crate::der;
use crate::mail::from_alice;
use crate::mail::letter;
use crate::mail::message;
use crate::mail::opaque;
use crate::pki::Issue;

/// What one gets by signing `entity`, opaque.
fn around(entity: &[u8], signers: impl IntoIterator<Item = Signer>) -> Vec<u8> {
    opaque(&Signed::by(signers, entity).opaque())
}

/// Content with the empty signature.
fn nobody_signed() -> Vec<u8> {
    opaque(&empty_signature(&letter()))
}

fn alice_signed() -> Vec<u8> {
    around(&letter(), [Signer::of("alice")])
}

/// A message from alice, signed by her and then by `signers`.
fn over_alice(signers: impl IntoIterator<Item = Signer>) -> Verified {
    verify(&from_alice(&around(&alice_signed(), signers)))
}

/// A message from alice that nobody signed but `signers`.
fn over_nobody(signers: impl IntoIterator<Item = Signer>) -> Verified {
    verify(&from_alice(&around(&nobody_signed(), signers)))
}

fn domain() -> Signer {
    Signer::of("domain-a").typed(&["domain"])
}

/// A certificate of the intermediate CA with these names, and mallory's key.
fn named(uris: &[&'static str], dns: &[&'static str]) -> Issue {
    let (uris, dns) = (uris.to_vec(), dns.to_vec());
    Issue {
        key: "mallory",
        uris,
        dns,
        ..Issue::default()
    }
}

#[test]
fn a_domain_signature_speaks_for_its_originators() {
    let verified = over_nobody([domain()]);
    verified
        .is("valid")
        .originator("match")
        .covers("whole")
        .layers("S[domain](S[empty](C))");
    verified
        .signature(0, "naming", "match")
        .signature(0, "binds", true);
    verified.signature(0, "types", vec!["domain"]);
    over_alice([domain()]).is("valid").layers("S[domain](S(C))");
}

#[test]
fn a_domain_signature_over_bare_content_breaks_section_3_2() {
    over_nobody([domain()]).is("valid");
    for kind in ["domain", "review", "attributes"] {
        let name = match kind {
            "domain" => "domain-a",
            "review" => "reviewer-a",
            _ => "attributes-a",
        };
        let message = from_alice(&around(&letter(), [Signer::of(name).typed(&[kind])]));
        verify(&message).is("invalid");
    }
}

#[test]
fn a_domain_signature_of_another_domain_is_invalid() {
    let foreign = || [Signer::of("domain-b").typed(&["domain"])];
    for verified in [over_nobody(foreign()), over_alice(foreign())] {
        verified
            .is("invalid")
            .originator("mismatch")
            .signature(0, "naming", "mismatch");
        verified
            .signature(0, "signature", "valid")
            .signature(0, "path", "valid");
    }
    let bobs = message("bob@b.example", &around(&nobody_signed(), foreign()));
    verify(&bobs).is("valid").originator("match");
}

#[test]
fn a_domain_signature_by_a_certificate_that_is_no_domains_is_invalid() {
    over_nobody([domain()]).is("valid");
    // A web server's: its purpose and its naming are both wrong.
    over_nobody([Signer::of("web-a").typed(&["domain"])])
        .is("invalid")
        .signature(0, "naming", "mismatch");
    // One user's agent does not speak for all.
    let delegated = over_nobody([Signer::of("delegated-alice").typed(&["domain"])]);
    delegated
        .is("invalid")
        .signature(0, "naming", "mismatch")
        .originator("mismatch");
    // The user herself does not, and her address is no name of a domain.
    over_nobody([Signer::of("alice").typed(&["domain"])])
        .is("invalid")
        .signature(0, "naming", "mismatch");
    // The key for encryption may not sign.
    over_nobody([Signer::of("dca-a").typed(&["domain"])]).is("invalid");
}

#[test]
fn names_match_by_whole_labels_from_the_right() {
    let of = |from: &str, uris: &[&'static str], dns: &[&'static str]| {
        let signer = Signer::with(named(uris, dns).identity()).typed(&["domain"]);
        verify(&message(from, &around(&nobody_signed(), [signer])))
    };
    of("x@a.example", &["smtp://a.example"], &[]).is("valid");
    of("x@sub.a.example", &["smtp://a.example"], &[]).is("valid");
    of("x@a.example", &["submit://a.example"], &[]).is("valid");
    of("x@a.example", &[], &["a.example"]).is("valid");
    of("x@people.example", &["smtp://people.example"], &[]).is("valid");
    for (from, uri) in [
        ("x@people.example", "smtp://le.example"),
        ("x@a.example", "smtp://sub.a.example"),
        ("x@a.example", "smtp://example"),
        ("x@a.example", "smtp://"),
        ("x@a.example", "smtp://*.example"),
        ("x@a.example", "smtp://.example"),
        ("x@a.example", "smtp://a.example:25"),
        ("x@a.example", "smtp://a.example/"),
        ("x@a.example", "smtp://user@a.example"),
        ("x@a.example", "smtp://evil.example/a.example"),
        ("x@a.example", "smtp://evil.example#a.example"),
        ("x@a.example", "smtp://evil.example?a.example"),
        ("x@a.example", "https://a.example"),
        ("x@a.example", "smtps://a.example"),
        ("x@a.example", "a.example"),
        ("x@a.example", "smtp:a.example"),
        ("x@a.example", "smtp://a.example.evil.example"),
        ("x@a.example", "smtp://a.example\0.evil.example"),
    ] {
        of(from, &[uri], &[])
            .is("invalid")
            .originator("mismatch")
            .signature(0, "naming", "mismatch");
    }
    of("x@people.example", &[], &["le.example"]).is("invalid");
    of("x@b.a.example", &[], &["*.a.example"]).is("invalid");
    of("x@a.example", &[], &["example"]).is("invalid");
}

#[test]
fn a_domain_certificate_without_the_mail_purpose_is_invalid() {
    let with_purpose = |purpose| {
        let issue = Issue {
            purpose,
            ..named(&["smtp://a.example"], &["a.example"])
        };
        over_nobody([Signer::with(issue.identity()).typed(&["domain"])])
    };
    with_purpose("4").is("valid");
    with_purpose("1").is("invalid");
}

#[test]
fn a_review_or_attributes_signature_speaks_for_nobody() {
    for (name, kind, layers) in [
        ("reviewer-a", "review", "S[review](S[empty](C))"),
        ("attributes-a", "attributes", "S[attributes](S[empty](C))"),
    ] {
        let signer = || [Signer::of(name).typed(&[kind])];
        let verified = over_nobody(signer());
        verified
            .is("indeterminate")
            .originator("absent")
            .layers(layers);
        verified
            .signature(0, "binds", false)
            .signature(0, "naming", "match");
        over_alice(signer()).is("valid").originator("match");
        // It does not lend its voice to whoever is below.
        let mallory = around(&letter(), [Signer::of("mallory")]);
        verify(&from_alice(&around(&mallory, signer())))
            .is("invalid")
            .originator("mismatch");
        // Nor may just anyone review: the naming convention holds for them, too.
        over_alice([Signer::of("mallory").typed(&[kind])])
            .is("invalid")
            .signature(0, "naming", "mismatch");
        over_alice([Signer::of("delegated-alice").typed(&[kind])]).is("invalid");
    }
}

#[test]
fn a_broken_review_over_a_good_signature_is_invalid() {
    let reviewed = Signed::by(
        [Signer::of("reviewer-a").typed(&["review"])],
        &alice_signed(),
    )
    .opaque();
    verify(&from_alice(&opaque(&reviewed))).is("valid");
    let broken = crate::cms::edit_signer(&reviewed, 0, &[5], |octets| octets[9] ^= 1);
    verify(&from_alice(&opaque(&broken))).is("invalid");
}

#[test]
fn a_delegated_signature_is_for_one_address_exactly() {
    let delegated = || [Signer::of("delegated-alice").typed(&["delegated"])];
    let verified = over_nobody(delegated());
    verified
        .is("valid")
        .originator("match")
        .signature(0, "naming", "match");
    let for_bob = message("bob@a.example", &around(&nobody_signed(), delegated()));
    verify(&for_bob)
        .is("invalid")
        .originator("mismatch")
        .signature(0, "naming", "mismatch");
    for other in ["alice", "domain-a", "reviewer-a", "web-a"] {
        over_nobody([Signer::of(other).typed(&["delegated"])]).is("invalid");
    }
    // The right address under another domain's agent.
    let issue = Issue {
        emails: vec!["alice@a.example"],
        ..named(&["submit://b.example"], &[])
    };
    over_nobody([Signer::with(issue.identity()).typed(&["delegated"])]).is("invalid");
}

#[test]
fn an_originator_type_needs_the_originator() {
    let of = |signer: Signer| verify(&from_alice(&around(&letter(), [signer])));
    of(Signer::of("alice").typed(&["originator"]))
        .is("valid")
        .layers("S[originator](C)");
    of(Signer::of("mallory").typed(&["originator"])).is("invalid");
    of(Signer::of("domain-a").typed(&["originator"])).is("invalid");
    // Without a type it is the originator's, and a domain is no originator.
    of(Signer::of("domain-a"))
        .is("invalid")
        .originator("mismatch");
}

#[test]
fn a_signature_type_stands_there_once() {
    let registered = || signature_type(SIGNATURE_TYPE, &["domain"]);
    let drafts = || signature_type(SIGNATURE_TYPE_OF_DRAFT, &["domain"]);
    let of = |attributes: Vec<Vec<u8>>| {
        over_nobody([Signer {
            signed: Some(attributes),
            ..Signer::of("domain-a")
        }])
    };
    of(vec![registered()]).is("valid");
    of(vec![drafts()])
        .is("valid")
        .layers("S[domain](S[empty](C))");
    of(vec![registered(), registered()]).is("invalid");
    of(vec![registered(), drafts()]).is("invalid");
    of(vec![drafts(), drafts()]).is("invalid");
    of(vec![
        registered(),
        signature_type(SIGNATURE_TYPE, &["review"]),
    ])
    .is("invalid");
    // Two values in one attribute.
    let value = || signature_types(&["domain"]);
    let values =
        |values: Vec<Vec<u8>>| der::sequence([der::oid(SIGNATURE_TYPE), der::set_of(values)]);
    of(vec![values(vec![value()])]).is("valid");
    of(vec![values(vec![value(), signature_types(&["review"])])]).is("invalid");
    of(vec![values(vec![value(), value()])]).is("invalid");
    of(vec![values(Vec::new())]).is("invalid");
}

#[test]
fn a_signature_type_is_signed() {
    let unsigned = |id| {
        let unsigned = vec![signature_type(id, &["domain"])];
        over_nobody([Signer {
            unsigned,
            ..Signer::of("domain-a")
        }])
    };
    over_nobody([domain()]).is("valid");
    unsigned(SIGNATURE_TYPE).is("invalid");
    unsigned(SIGNATURE_TYPE_OF_DRAFT).is("invalid");
    let also = Signer {
        unsigned: vec![signature_type(SIGNATURE_TYPE, &["domain"])],
        ..domain()
    };
    over_nobody([also]).is("invalid");
    // Unsigned attributes of other kinds are nobody's business.
    let note = vec![attribute("1.2.3.4", der::octet_string(b"note"))];
    over_nobody([Signer {
        unsigned: note,
        ..domain()
    }])
    .is("valid");
    // Not even where there are no signed ones.
    let bare = Signer {
        signed: None,
        unsigned: vec![signature_type(SIGNATURE_TYPE, &["originator"])],
        ..Signer::of("alice")
    };
    verify(&from_alice(&around(&letter(), [bare.clone()]))).is("invalid");
    let bare = Signer {
        unsigned: Vec::new(),
        ..bare
    };
    verify(&from_alice(&around(&letter(), [bare]))).is("valid");
}

#[test]
fn nothing_stands_beside_attributes() {
    let attributes = |types: &[&str]| over_alice([Signer::of("attributes-a").typed(types)]);
    attributes(&["attributes"]).is("valid");
    attributes(&["attributes", "review"]).is("invalid");
    attributes(&["review", "attributes"]).is("invalid");
    attributes(&["domain", "attributes"]).is("invalid");
    attributes(&["attributes", "attributes"]).is("invalid");
    attributes(&[]).is("invalid");
    // Others may stand together.
    over_alice([Signer::of("domain-a").typed(&["domain", "review"])]).is("valid");
    over_alice([Signer::of("domain-a").typed(&["domain", "domain"])]).is("invalid");
}

#[test]
fn all_signers_of_one_layer_say_the_same() {
    let typed = |types: &[&str]| Signer::of("domain-a").typed(types);
    let other =
        |types: &[&str]| Signer::with(named(&["smtp://a.example"], &[]).identity()).typed(types);
    let untyped = Signer::with(named(&["smtp://a.example"], &[]).identity());
    over_alice([typed(&["domain"]), other(&["domain"])]).is("valid");
    over_alice([typed(&["domain"]), other(&["review"])]).is("invalid");
    over_alice([typed(&["domain"]), other(&["domain", "review"])]).is("invalid");
    over_alice([typed(&["domain"]), untyped.clone()]).is("invalid");
    over_alice([untyped, typed(&["domain"])]).is("invalid");
}

#[test]
fn a_signature_type_that_cannot_be_read_is_not_passed_over() {
    over_nobody([domain()]).is("valid");
    for value in [
        der::octet_string(b"domain"),
        der::null(),
        der::oid("1.2.840.113549.1.9.16.9.2"),
        der::sequence([der::integer(2)]),
    ] {
        let signer = Signer::of("domain-a").attribute(attribute(SIGNATURE_TYPE, value));
        over_nobody([signer]).is("invalid");
    }
}
