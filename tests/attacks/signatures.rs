//! Does every SignerInfo say what its key signed, and nothing else?

use crate::cli::Verified;
use crate::cli::verify;
use crate::cms::E_CONTENT;
use crate::cms::Signed;
use crate::cms::Signer;
use crate::cms::algorithm_protection;
use crate::cms::attribute;
use crate::cms::edit_signer;
use crate::cms::sha256_identifier;
use crate::cms::sha512_identifier;
use crate::cms::signing_certificate_v2;
use crate::der;
use crate::der::octet_string;
use crate::der::oid;
use crate::mail::from_alice;
use crate::mail::letter;
use crate::mail::opaque;
use crate::mail::text;
use crate::pki;
use crate::pki::certificate;
use crate::pki::sha256;

/// Positions in a SignerInfo with signed attributes.
const SIGNED_ATTRIBUTES: usize = 3;
const SIGNATURE_ALGORITHM: usize = 4;
const SIGNATURE: usize = 5;

fn signed(signers: impl IntoIterator<Item = Signer>) -> Vec<u8> {
    Signed::by(signers, &letter()).opaque()
}

fn judged(der: &[u8]) -> Verified {
    verify(&from_alice(&opaque(der)))
}

fn with(attribute: Vec<u8>) -> Verified {
    judged(&signed([Signer::of("alice").attribute(attribute)]))
}

#[test]
fn one_bad_signer_among_several_makes_the_message_invalid() {
    let other = || Signer::of("alice-mallory");
    let good = signed([Signer::of("alice"), other()]);
    judged(&good).is("valid").layers("S(C)");
    for index in [0, 1] {
        let bad = edit_signer(&good, index, &[SIGNATURE], |octets| octets[7] ^= 1);
        judged(&bad)
            .is("invalid")
            .signature(index, "signature", "invalid");
    }
    let digest = Some(sha256(b"something else"));
    judged(&signed([
        Signer::of("alice"),
        Signer {
            message_digest: digest,
            ..other()
        },
    ]))
    .is("invalid");
    judged(&signed([Signer::of("alice"), Signer::of("alice-expired")])).is("invalid");
    judged(&signed([Signer::of("alice-impostor"), Signer::of("alice")])).is_not_valid();
    judged(&signed([Signer::of("alice"), Signer::of("alice-impostor")])).is_not_valid();
}

#[test]
fn a_second_signer_who_is_not_from_speaks_for_nobody() {
    judged(&signed([Signer::of("alice")])).is("valid");
    judged(&signed([Signer::of("mallory")]))
        .is("invalid")
        .originator("mismatch");
    // Whether all or one must be From, mallory alone never is: the words that alice signed stand.
    let both = judged(&signed([Signer::of("mallory"), Signer::of("alice")]));
    let index = both.report["signatures"]
        .as_array()
        .unwrap()
        .iter()
        .position(|one| one["signer"]["emails"][0] == "mallory@evil.example");
    both.signature(index.unwrap(), "binds", false);
}

#[test]
fn whatever_is_changed_after_signing_is_noticed() {
    let good = signed([Signer::of("alice")]);
    judged(&good).is("valid");
    let content = der::edit_content(&good, E_CONTENT, |octets| {
        *octets = text("pay 900 to Alice")
    });
    judged(&content)
        .is("invalid")
        .signature(0, "signature", "invalid");
    let signature = edit_signer(&good, 0, &[SIGNATURE], |octets| octets[100] ^= 0x80);
    judged(&signature)
        .is("invalid")
        .signature(0, "signature", "invalid");
    // Each of the three attributes: contentType, signingTime, messageDigest in some order.
    for index in 0..3 {
        let path = [SIGNED_ATTRIBUTES, index, 1, 0];
        let attribute = edit_signer(&good, 0, &path, |octets| *octets.last_mut().unwrap() ^= 1);
        judged(&attribute).is_not_valid();
    }
    let cut = edit_signer(&good, 0, &[SIGNATURE], |octets| octets.truncate(255));
    judged(&cut).is("invalid");
    let none = edit_signer(&good, 0, &[SIGNATURE], Vec::clear);
    judged(&none).is("invalid");
}

#[test]
fn an_attribute_that_is_taken_away_or_added_is_noticed() {
    let extra = attribute("1.2.3.4.5", octet_string(b"note"));
    let good = signed([Signer::of("alice").attribute(extra.clone())]);
    judged(&good).is("valid");
    let without = edit_signer(&good, 0, &[SIGNED_ATTRIBUTES], |octets| {
        let set = der::tlv(der::SET, octets);
        let rest = der::children(&set).into_iter().filter(|one| *one != extra);
        *octets = rest.flatten().copied().collect();
    });
    judged(&without).is("invalid");
    let plain = signed([Signer::of("alice")]);
    let added = edit_signer(&plain, 0, &[SIGNED_ATTRIBUTES], |octets| {
        octets.extend(&extra)
    });
    judged(&added).is("invalid");
}

#[test]
fn a_right_digest_does_not_make_up_for_a_wrong_signature() {
    let other = text("another letter");
    let of_other = Signer {
        message_digest: Some(sha256(&letter())),
        ..Signer::of("alice")
    };
    // Whoever signed it meant this content: the twin.
    judged(&Signed::by([of_other.clone()], &letter()).opaque()).is("valid");
    // The signature of one message under the attributes of another.
    let one = Signed::by([Signer::of("alice")], &other).opaque();
    let foreign = der::children(der::at(&one, &[1, 0]))
        .last()
        .copied()
        .unwrap()
        .to_vec();
    let foreign = der::content(der::at(&foreign, &[0, SIGNATURE])).to_vec();
    let mixed = edit_signer(&signed([Signer::of("alice")]), 0, &[SIGNATURE], |octets| {
        octets.clone_from(&foreign);
    });
    judged(&mixed)
        .is("invalid")
        .signature(0, "signature", "invalid");
}

#[test]
fn a_digest_that_is_missing_or_there_twice_is_invalid() {
    let digest = attribute("1.2.840.113549.1.9.4", octet_string(&sha256(&letter())));
    with(attribute("1.2.3.4", octet_string(b"x"))).is("valid");
    with(digest).is("invalid");
    with(attribute(
        "1.2.840.113549.1.9.3",
        oid("1.2.840.113549.1.7.1"),
    ))
    .is("invalid");
    let wrong = Signer {
        message_digest: Some(Vec::new()),
        ..Signer::of("alice")
    };
    judged(&signed([wrong])).is("invalid");
    let prefix = Signer {
        message_digest: Some(sha256(&letter())[..4].to_vec()),
        ..Signer::of("alice")
    };
    judged(&signed([prefix])).is("invalid");
}

#[test]
fn a_signing_certificate_must_be_the_one_that_verifies() {
    with(signing_certificate_v2(&certificate("alice"))).is("valid");
    // The same key in another certificate, with other names.
    let other = pki::Issue {
        emails: vec!["alice@a.example"],
        ..pki::Issue::default()
    };
    with(signing_certificate_v2(&other.der())).is("invalid");
    with(signing_certificate_v2(&certificate("mallory"))).is("invalid");
    with(signing_certificate_v2(b"")).is("invalid");
    let empty = attribute(
        "1.2.840.113549.1.9.16.2.47",
        der::sequence([der::sequence([])]),
    );
    with(empty).is_not_valid();
}

#[test]
fn a_signature_cannot_be_given_to_another_certificate_of_the_same_key() {
    let sold = pki::Issue {
        emails: vec!["ceo@a.example"],
        ..pki::Issue::default()
    };
    let content = letter();
    let attributed = Signer::of("alice").attribute(signing_certificate_v2(&certificate("alice")));
    let good = Signed::by([attributed], &content).opaque();
    let own = crate::cms::issuer_and_serial(&certificate("alice"));
    let given = crate::cms::issuer_and_serial(&sold.der());
    let der = edit_signer(&good, 0, &[1], |octets| {
        *octets = der::content(&given).to_vec()
    });
    assert_ne!(own, given);
    let der = der::edit_content(&der, &[1, 0, 3], |octets| octets.extend(sold.der()));
    verify(&crate::mail::message("ceo@a.example", &opaque(&der))).is("invalid");
    judged(&good).is("valid");
}

#[test]
fn algorithm_protection_must_agree() {
    let alice = Signer::of("alice");
    let signature = alice.signature_algorithm();
    with(algorithm_protection(sha256_identifier(), &signature)).is("valid");
    with(algorithm_protection(sha512_identifier(), &signature)).is("invalid");
    let other = pki::sha256_with_rsa();
    with(algorithm_protection(sha256_identifier(), &other)).is("invalid");
    let curve = Signer::of("carol").signature_algorithm();
    with(algorithm_protection(sha256_identifier(), &curve)).is("invalid");
}

#[test]
fn algorithms_outside_of_the_signature_cannot_be_exchanged() {
    let good = signed([Signer::of("alice")]);
    let sha512 = edit_signer(&good, 0, &[2], |octets| {
        *octets = der::content(&sha512_identifier()).to_vec();
    });
    judged(&sha512).is("invalid");
    let md5 = edit_signer(&good, 0, &[2], |octets| *octets = oid("1.2.840.113549.2.5"));
    judged(&md5).is("invalid");
    let sha1 = edit_signer(&good, 0, &[SIGNATURE_ALGORITHM], |octets| {
        *octets = [oid("1.2.840.113549.1.1.5"), der::null()].concat();
    });
    judged(&sha1).is("invalid");
    let curve = edit_signer(&good, 0, &[SIGNATURE_ALGORITHM], |octets| {
        *octets = oid("1.2.840.10045.4.3.2");
    });
    judged(&curve).is("invalid");
    let unknown = edit_signer(&good, 0, &[SIGNATURE_ALGORITHM], |octets| {
        *octets = oid("1.2.3.4")
    });
    judged(&unknown).is("invalid");
}

/// draft-ietf-lamps-cms-euf-cma-signeddata, first attack.
#[test]
fn attributes_cannot_be_passed_off_as_content() {
    let alice = Signer::of("alice");
    let without = Signer {
        signed: None,
        ..alice.clone()
    };
    judged(&signed([without.clone()])).is("valid");
    let attributes = alice.attributes(&letter()).unwrap();
    let stolen = Signed::by([without], &attributes);
    // The very signature that alice put over her attributes.
    judged(&stolen.opaque())
        .is("invalid")
        .signature(0, "signature", "invalid");
    let detached = stolen.detached();
    let outside = [attributes.clone(), b"\r\n".to_vec()].concat();
    verify(&from_alice(&crate::mail::multipart_signed(
        &outside, &detached,
    )))
    .is_not_valid();
}

/// The second attack: a signature without attributes, over what looks like attributes.
#[test]
fn content_without_attributes_cannot_become_attributes() {
    let alice = Signer {
        signed: None,
        ..Signer::of("alice")
    };
    let good = signed([alice]);
    judged(&good).is("valid");
    // Attributes that the signature does not cover are put before it.
    let attributes = Signer::of("alice").attributes(&letter()).unwrap();
    let last = der::children(der::at(&good, &[1, 0])).len() - 1;
    let forged = der::edit(&good, &[1, 0, last, 0], |info| {
        let mut fields: Vec<Vec<u8>> = der::children(info)
            .into_iter()
            .map(<[u8]>::to_vec)
            .collect();
        fields.insert(3, der::tlv(der::context(0), der::content(&attributes)));
        der::sequence(fields)
    });
    judged(&forged).is("invalid");
}

#[test]
fn content_that_is_no_data_needs_attributes() {
    // RFC 5652 §5.3; the type is not covered otherwise.
    let without = Signer {
        signed: None,
        ..Signer::of("alice")
    };
    let good = signed([without]);
    judged(&good).is("valid");
    let other = der::edit(&good, &[1, 0, 2, 0], |_| oid("1.2.840.113549.1.9.16.1.4"));
    judged(&other).is("invalid");
    // With attributes, contentType says what it was.
    let other = der::edit(&signed([Signer::of("alice")]), &[1, 0, 2, 0], |_| {
        oid("1.2.840.113549.1.9.16.1.4")
    });
    judged(&other).is("invalid");
}
