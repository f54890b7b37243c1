//! Is the signer's certificate one to be believed, for this purpose and at this time?

use crate::cli::verify;
use crate::cli::verify_with;
use crate::cms::Signed;
use crate::cms::Signer;
use crate::der;
use crate::mail::from_alice;
use crate::mail::letter;
use crate::mail::multipart_signed;
use crate::mail::opaque;
use crate::pki;
use crate::pki::Identity;
use crate::pki::Issue;
use crate::pki::certificate;
use crate::pki::path;

const ALICE: [&str; 1] = ["alice@a.example"];

fn by(signer: Signer) -> Vec<u8> {
    from_alice(&opaque(&Signed::by([signer], &letter()).opaque()))
}

fn by_one_of(issue: &Issue) -> Vec<u8> {
    by(Signer::with(issue.identity()))
}

fn alice() -> Issue {
    Issue {
        emails: ALICE.to_vec(),
        ..Issue::default()
    }
}

#[test]
fn a_certificate_that_is_not_for_mail_is_invalid() {
    verify(&by_one_of(&alice())).is("valid");
    for purpose in ["1", "2", "3", "8", "9"] {
        let message = by_one_of(&Issue { purpose, ..alice() });
        verify(&message)
            .is("invalid")
            .signature(0, "path", "invalid");
        verify_with(&message, &["--purpose", "any"]).is("valid");
    }
}

#[test]
fn a_certificate_whose_key_may_not_sign_is_invalid() {
    for (key_usage, verdict) in [
        (0x80, "valid"),
        // RFC 8550 §4.4.2: either of the two.
        (0x40, "valid"),
        (0xc0, "valid"),
        (0xa0, "valid"),
        (0x20, "invalid"),
        (0x08, "invalid"),
        (0x06, "invalid"),
    ] {
        verify(&by_one_of(&Issue {
            key_usage,
            ..alice()
        }))
        .is(verdict);
    }
}

#[test]
fn a_certificate_counts_within_its_dates_only_now_and_when_it_signed() {
    let then = "2020-06-02T00:00:00Z";
    let expired = |signing_time| {
        by(Signer {
            signing_time,
            ..Signer::of("alice-expired")
        })
    };
    let signed_then = expired("200601000000Z");
    verify_with(&signed_then, &["--at", then]).is("valid");
    verify(&signed_then)
        .is("invalid")
        .signature(0, "path", "invalid");
    verify_with(&signed_then, &["--at", "2021-01-01T00:00:01Z"]).is("invalid");
    verify_with(&signed_then, &["--at", "2020-01-31T23:59:59Z"]).is("invalid");
    for outside in [
        "260601000000Z",
        "210101000001Z",
        "200131235959Z",
        "700101000000Z",
    ] {
        verify_with(&expired(outside), &["--at", then])
            .is("invalid")
            .signature(0, "path", "invalid");
    }
    let future = by(Signer {
        signing_time: "550601000000Z",
        ..Signer::of("alice-future")
    });
    verify(&future).is("invalid");
    let future = by(Signer {
        signing_time: "260601000000Z",
        ..Signer::of("alice-future")
    });
    verify(&future).is("invalid");
    verify_with(&future, &["--at", "2055-06-01T00:00:00Z"]).is("invalid");
    // Dates of CAs count as well.
    verify_with(&by(Signer::of("alice")), &["--at", "2057-01-01T00:00:00Z"]).is("invalid");
}

#[test]
fn a_signing_time_that_cannot_be_read_is_not_passed_over() {
    let signer = |signing_time| {
        by(Signer {
            signing_time,
            ..Signer::of("alice")
        })
    };
    verify(&signer("260601000000Z")).is("valid");
    for bad in [
        "261301000000Z",
        "2606010000Z",
        "260601000000+0100",
        "yesterday",
        "",
    ] {
        verify(&signer(bad)).is_not_valid();
    }
}

#[test]
fn a_revoked_certificate_is_invalid_where_a_list_says_so() {
    let (root, list) = (path("root.crl"), path("intermediate.crl"));
    let both = ["--crl", &root, "--crl", &list];
    let revoked = by(Signer::of("alice-revoked"));
    let alice = by(Signer::of("alice"));
    verify_with(&alice, &both).is("valid");
    verify_with(&revoked, &both)
        .is("invalid")
        .signature(0, "path", "invalid")
        .because("revoked");
    // No list is no failure, unless one is required.
    verify(&revoked).is("valid");
    verify_with(&revoked, &["--revocation", "prefer"]).is("valid");
    verify_with(&alice, &["--revocation", "require"]).is("indeterminate");
    verify_with(
        &alice,
        &["--revocation", "require", "--crl", &root, "--crl", &list],
    )
    .is("valid");
    verify_with(
        &revoked,
        &["--revocation", "require", "--crl", &root, "--crl", &list],
    )
    .is("invalid");
    verify_with(
        &revoked,
        &["--revocation", "off", "--crl", &root, "--crl", &list],
    )
    .is("valid");
}

#[test]
fn a_list_that_is_old_or_about_others_leaves_revocation_unknown() {
    let (root, old) = (path("root.crl"), path("intermediate-expired.crl"));
    let alice = by(Signer::of("alice"));
    let indeterminate = |more: &[&str]| {
        verify_with(&alice, more)
            .is("indeterminate")
            .signature(0, "path", "indeterminate");
    };
    indeterminate(&["--crl", &root]);
    indeterminate(&["--crl", &root, "--crl", &old]);
    indeterminate(&["--crl", &root, "--crl", &old, "--revocation", "require"]);
    verify_with(
        &alice,
        &["--crl", &root, "--crl", &old, "--revocation", "off"],
    )
    .is("valid");
    // It was current once.
    let signed_then = by(Signer {
        signing_time: "260110000000Z",
        ..Signer::of("alice")
    });
    let at = "2026-01-15T00:00:00Z";
    verify_with(&signed_then, &["--crl", &root, "--crl", &old, "--at", at]).is("valid");
    verify_with(
        &by(Signer::of("alice-revoked")),
        &["--crl", &root, "--crl", &old],
    )
    .is_not_valid();
}

#[test]
fn a_list_sent_along_does_not_unsay_what_another_says() {
    let (root, list) = (path("root.crl"), path("intermediate.crl"));
    let content = letter();
    let with_list = |crl: Vec<u8>, name| {
        let signed = Signed {
            crls: vec![crl],
            ..Signed::by([Signer::of(name)], &content)
        };
        from_alice(&opaque(&signed.opaque()))
    };
    let both = ["--crl", &root, "--crl", &list];
    for signed_by in ["intermediate", "mallory"] {
        let crl = pki::empty_crl_of_intermediate(signed_by);
        verify_with(&with_list(crl, "alice-revoked"), &both).is("invalid");
    }
    // A list that the CA did not sign is none.
    let forged = pki::empty_crl_of_intermediate("mallory");
    verify_with(&with_list(forged.clone(), "alice"), &["--crl", &root]).is("indeterminate");
    let genuine = pki::empty_crl_of_intermediate("intermediate");
    verify_with(&with_list(genuine, "alice"), &["--crl", &root]).is("valid");
    verify_with(
        &with_list(forged, "alice"),
        &["--crl", &root, "--crl", &list],
    )
    .is("valid");
}

#[test]
fn a_path_that_ends_elsewhere_is_not_valid() {
    let alice = by(Signer::of("alice"));
    verify(&alice).is("valid");
    let nobody = path("impostor-root.pem");
    verify_with(&alice, &["--anchor", &nobody]).is_not_valid();
    let impostor = by(Signer::of("alice-impostor"));
    verify(&impostor)
        .is_not_valid()
        .signature(0, "signature", "valid");
    verify_with(&impostor, &["--anchor", &nobody]).is("valid");
    // Sending one's root along makes nobody trust it.
    let content = letter();
    let mut with_root = Signed::by([Signer::of("alice-impostor")], &content);
    with_root.certificates.push(certificate("impostor-root"));
    verify(&from_alice(&opaque(&with_root.opaque()))).is_not_valid();
}

#[test]
fn a_missing_issuer_is_not_known_and_can_be_given() {
    let content = letter();
    let alone = Signed {
        certificates: vec![certificate("alice")],
        ..Signed::by([Signer::of("alice")], &content)
    };
    let message = from_alice(&opaque(&alone.opaque()));
    verify(&message)
        .is("indeterminate")
        .signature(0, "path", "indeterminate")
        .signature(0, "signature", "valid");
    verify_with(&message, &["--intermediate", &path("intermediate.pem")]).is("valid");
    verify_with(&message, &["--intermediate", &path("root.pem")]).is("indeterminate");
    let none = Signed {
        certificates: Vec::new(),
        ..alone
    };
    let message = from_alice(&opaque(&none.opaque()));
    verify(&message).is_not_valid();
    let given = [path("alice.pem"), path("intermediate.pem")];
    verify_with(
        &message,
        &["--intermediate", &given[0], "--intermediate", &given[1]],
    )
    .is("valid");
}

#[test]
fn a_certificate_that_names_an_issuer_without_its_signature_is_invalid() {
    verify(&by_one_of(&Issue {
        key: "mallory",
        ..alice()
    }))
    .is("valid");
    verify(&by_one_of(&Issue {
        key: "mallory",
        signed_by: "mallory",
        ..alice()
    }))
    .is_not_valid();
    verify(&by_one_of(&Issue {
        signed_by: "impostor-root",
        ..alice()
    }))
    .is_not_valid();
    // Nor is an end entity a CA: mallory's own certificate issues nothing.
    let issue = Issue {
        issuer: "mallory",
        signed_by: "mallory",
        ..alice()
    };
    let content = letter();
    let mut signed = Signed::by([Signer::with(issue.identity())], &content);
    signed.certificates.push(certificate("mallory"));
    verify(&from_alice(&opaque(&signed.opaque()))).is_not_valid();
}

/// A certificate that claims to be `of`, and is about mallory's key.
fn forged_twin_of(of: &str) -> Vec<u8> {
    let genuine = certificate(of);
    let key = certificate("mallory");
    let spki = der::at(&key, &[0, 6]).to_vec();
    der::edit(&genuine, &[0, 6], |_| spki.clone())
}

#[test]
fn the_certificate_is_found_by_its_name_and_not_by_its_place() {
    let content = letter();
    let genuine = certificate("alice");
    let intermediate = certificate("intermediate");
    let twin = forged_twin_of("alice");
    for by_key_identifier in [false, true] {
        let signer = || Signer {
            by_key_identifier,
            ..Signer::of("alice")
        };
        let forger = || {
            let identity = Identity {
                certificate: genuine.clone(),
                key: "mallory",
            };
            Signer {
                by_key_identifier,
                ..Signer::with(identity)
            }
        };
        let with = |signer: Signer, certificates: &[&Vec<u8>]| {
            let certificates = certificates.iter().copied().cloned().collect();
            let signed = Signed {
                certificates,
                ..Signed::by([signer], &content)
            };
            verify(&from_alice(&multipart_signed(&content, &signed.detached())))
        };
        with(signer(), &[&genuine, &intermediate]).is("valid");
        with(
            signer(),
            &[&intermediate, &certificate("mallory"), &genuine],
        )
        .is("valid");
        // Certificates are not signed: whoever adds one more must not spoil the signature.
        with(signer(), &[&genuine, &twin, &intermediate]).is("valid");
        with(signer(), &[&twin, &genuine, &intermediate]).is("valid");
        // And one with another key must not pass as alice, in whatever place.
        with(forger(), &[&twin, &intermediate]).is_not_valid();
        with(forger(), &[&genuine, &intermediate]).is("invalid");
        with(forger(), &[&genuine, &twin, &intermediate]).is_not_valid();
        with(forger(), &[&twin, &genuine, &intermediate]).is_not_valid();
    }
}

#[test]
fn a_key_identifier_that_another_shares_does_not_lend_names() {
    // Whoever issues a certificate chooses its identifier: mallory's has alice's.
    let borrowed = pki::key_identifier(&certificate("alice"));
    let mallory = Issue {
        issuer: "root",
        signed_by: "root",
        key: "mallory",
        emails: vec!["mallory@evil.example"],
        key_identifier: Some(borrowed),
        ..Issue::default()
    };
    let content = letter();
    for alice_first in [true, false] {
        let signer = Signer {
            by_key_identifier: true,
            ..Signer::with(mallory.identity())
        };
        let mut signed = Signed::by([signer], &content);
        let place = if alice_first { 0 } else { 1 };
        signed.certificates.insert(place, certificate("alice"));
        verify(&from_alice(&opaque(&signed.opaque()))).is("invalid");
        let genuine = Signer {
            by_key_identifier: true,
            ..Signer::of("alice")
        };
        let mut signed = Signed::by([genuine], &content);
        signed.certificates.insert(place, mallory.der());
        verify(&from_alice(&opaque(&signed.opaque()))).is("valid");
    }
}

#[test]
fn a_signature_on_a_curve_is_bound_as_one_of_rsa() {
    let carol = by(Signer::of("carol"));
    let carol = crate::mail::replaced(&carol, "Alice <alice@a.example>", "carol@b.example");
    verify(&carol).is("valid");
    verify_with(&carol, &["--from", "alice@a.example"]).is("invalid");
}
