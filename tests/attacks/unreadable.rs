//! What calls itself S/MIME and cannot be read is never valid, and never mere unsigned mail.

use crate::cli::Verified;
use crate::cli::bob;
use crate::cli::inspect;
use crate::cli::verify;
use crate::cli::verify_with;
use crate::cms::CIPHERTEXT;
use crate::cms::Signed;
use crate::cms::Signer;
use crate::cms::compressed;
use crate::cms::compressed_octets;
use crate::cms::empty_signature;
use crate::cms::encrypted;
use crate::der;
use crate::mail::SIGNED;
use crate::mail::attached;
use crate::mail::binary;
use crate::mail::from_alice;
use crate::mail::letter;
use crate::mail::multipart;
use crate::mail::multipart_signed;
use crate::mail::opaque;
use crate::mail::pkcs7_mime;
use crate::mail::replaced;
use crate::mail::signature_part;
use crate::mail::text;

fn by_alice(content: &[u8]) -> Signed<'_> {
    Signed::by([Signer::of("alice")], content)
}

fn to_bob(content: &[u8]) -> Vec<u8> {
    encrypted(content, "-aes-256-gcm", &["bob"])
}

fn verify_as_bob(message: &[u8]) -> Verified {
    let bob = bob();
    let arguments: Vec<&str> = bob.iter().map(String::as_str).collect();
    verify_with(message, &arguments)
}

/// Where a layer can stand: the name, and the message with it there.
type Position = (&'static str, fn(&[u8]) -> Vec<u8>);

const WHOLE: &[Position] = &[
    ("outermost", |entity| from_alice(entity)),
    ("under S", |entity| {
        from_alice(&opaque(&by_alice(entity).opaque()))
    }),
    ("under E", |entity| {
        from_alice(&pkcs7_mime("enveloped-data", &to_bob(entity)))
    }),
    ("under Z", |entity| {
        from_alice(&pkcs7_mime("compressed-data", &compressed(entity)))
    }),
];

const PARTS: &[Position] = &[
    ("in a part", |entity| {
        from_alice(&multipart(
            "multipart/mixed",
            &[text("before"), entity.to_vec()],
        ))
    }),
    ("in a part of a part", |entity| {
        let inner = multipart("multipart/related", &[entity.to_vec(), text("after")]);
        let message = from_alice(&multipart("multipart/mixed", &[inner]));
        from_alice(&multipart("multipart/mixed", &[attached(&message)]))
    }),
];

/// Entities with something wrong about them, by what `OpenError` it is.
fn wrong() -> Vec<(&'static str, Vec<u8>)> {
    let letter = letter();
    let signed = by_alice(&letter);
    let [opaque_der, detached_der] = [signed.opaque(), signed.detached()];
    let other_type = der::edit(&opaque_der, &[0], |_| der::oid("1.2.840.113549.1.7.5"));
    let followed = |der: &[u8]| [der, b"and pay 9000 to Mallory"].concat();
    let good = multipart_signed(&letter, &detached_der);
    let three = [letter.clone(), signature_part(&detached_der), text("more")];
    vec![
        ("malformed CMS", opaque(b"no CMS at all")),
        ("empty CMS", opaque(b"")),
        ("a content type that is no layer", opaque(&other_type)),
        (
            "no zlib",
            pkcs7_mime("compressed-data", &compressed_octets(b"no zlib")),
        ),
        ("content elsewhere", opaque(&detached_der)),
        (
            "content twice",
            multipart_signed(&letter, &signed.with_content(Some(&letter))),
        ),
        (
            "damaged base64",
            replaced(&opaque(&opaque_der), "base64\r\n\r\n", "base64\r\n\r\n!"),
        ),
        (
            "an unknown encoding",
            replaced(&opaque(&opaque_der), "base64", "x-uuencode"),
        ),
        (
            "two media types",
            [b"Content-Type: text/plain\r\n", &opaque(&opaque_der)[..]].concat(),
        ),
        (
            "a malformed media type",
            replaced(&opaque(&opaque_der), "pkcs7-mime;", "pkcs7-mime/x;"),
        ),
        ("no boundary", replaced(&good, "boundary=", "bound=")),
        ("three parts", multipart(SIGNED, &three)),
        (
            "another type in the second part",
            replaced(&good, "Content-Type: application/pkcs7", "Content-Type: x/"),
        ),
        (
            "an envelope as the signature",
            multipart_signed(&letter, &to_bob(&letter)),
        ),
        ("octets after S", opaque(&followed(&opaque_der))),
        (
            "octets after the empty signature",
            opaque(&followed(&empty_signature(&letter))),
        ),
        (
            "octets after a detached S",
            multipart_signed(&letter, &followed(&detached_der)),
        ),
        (
            "octets after E",
            pkcs7_mime("enveloped-data", &followed(&to_bob(&opaque(&opaque_der)))),
        ),
        (
            "octets after Z",
            pkcs7_mime("compressed-data", &followed(&compressed(&letter))),
        ),
        (
            "one structure after another",
            opaque(&[&opaque_der[..], &opaque_der].concat()),
        ),
    ]
}

/// Entities about which a bound, or a key that does not fit, leaves something unknown.
fn unknown() -> Vec<(&'static str, Vec<u8>)> {
    let letter = letter();
    let signed = by_alice(&letter);
    let info = Signer::of("alice").info(&letter);
    let signers = signed.with_infos(Some(&letter), vec![info; 101]);
    let garbled = der::edit_content(&to_bob(&letter), CIPHERTEXT, |octets| octets[0] ^= 1);
    let deep = (0..17).fold(letter.clone(), |inner, _| {
        binary("signed-data", &empty_signature(&inner))
    });
    let long_header = [
        "X: 1\r\n".repeat(2_001).into_bytes(),
        opaque(&signed.opaque()),
    ];
    let parts = vec![b"\r\n.".to_vec(); 10_001];
    vec![
        ("more signers than allowed", opaque(&signers)),
        (
            "an envelope that does not open",
            pkcs7_mime("enveloped-data", &garbled),
        ),
        ("more layers than allowed", deep),
        ("more fields than allowed", long_header.concat()),
        (
            "more parts than allowed",
            multipart("multipart/mixed", &parts),
        ),
    ]
}

#[test]
fn what_cannot_be_read_is_neither_valid_nor_unsigned_wherever_it_stands() {
    let good = opaque(&by_alice(&letter()).opaque());
    for (position, message) in WHOLE {
        let verified = verify_as_bob(&message(&good));
        assert_eq!(verified.verdict, "valid", "{position}");
    }
    for (answer, entities) in [("invalid", wrong()), ("indeterminate", unknown())] {
        for (what, entity) in entities {
            for (position, message) in WHOLE.iter().chain(PARTS) {
                let verified = verify_as_bob(&message(&entity));
                assert_eq!(
                    verified.verdict, answer,
                    "{what}, {position}: {:#}",
                    verified.report
                );
            }
        }
    }
}

#[test]
fn whoever_signs_the_whole_answers_for_a_part_that_cannot_be_read() {
    let (_, in_a_part) = PARTS[0];
    let mixed = in_a_part(&opaque(b"no CMS at all"));
    let signed = opaque(&by_alice(&attached(&mixed)).opaque());
    verify(&from_alice(&signed)).is("valid").covers("whole");
    verify(&from_alice(&opaque(&empty_signature(&attached(&mixed))))).is("invalid");
}

#[test]
fn octets_after_a_structure_are_named_and_line_ends_are_none() {
    let der = by_alice(&letter()).opaque();
    let followed = |rest: &[u8]| [&der[..], rest].concat();
    for end in [&b""[..], b"\n", b"\r\n", b"\r\n\r\n"] {
        verify(&followed(end)).is("valid");
        verify(&from_alice(&binary("signed-data", &followed(end)))).is("valid");
    }
    for rest in [&b"\0"[..], b" ", b"\r\nPay 9000", &der] {
        for message in [
            followed(rest),
            from_alice(&binary("signed-data", &followed(rest))),
        ] {
            verify(&message).is("invalid").because("follow");
            let errors = inspect(&message).all("error");
            let named = format!("{} octets follow", rest.len());
            assert!(
                errors
                    .iter()
                    .any(|error| error.to_string().contains(&named)),
                "{errors:?}"
            );
        }
    }
}
