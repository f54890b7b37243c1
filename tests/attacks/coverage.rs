//! Is what is signed the whole of what a reader is shown?

use crate::cli::inspect;
use crate::cli::verify;
use crate::cli::verify_with;
use crate::cms::Signed;
use crate::cms::Signer;
use crate::cms::compressed;
use crate::cms::empty_signature;
use crate::mail::SIGNED;
use crate::mail::attached;
use crate::mail::from_alice;
use crate::mail::letter;
use crate::mail::message;
use crate::mail::message_with;
use crate::mail::multipart;
use crate::mail::multipart_signed;
use crate::mail::opaque;
use crate::mail::pkcs7_mime;
use crate::mail::replaced;
use crate::mail::signature_part;
use crate::mail::text;

/// multipart/signed by alice.
fn detached(content: &[u8]) -> Vec<u8> {
    multipart_signed(
        content,
        &Signed::by([Signer::of("alice")], content).detached(),
    )
}

/// application/pkcs7-mime by alice.
fn enclosed(content: &[u8]) -> Vec<u8> {
    opaque(&Signed::by([Signer::of("alice")], content).opaque())
}

#[test]
fn plain_signatures_cover_the_whole() {
    for entity in [detached(&letter()), enclosed(&letter())] {
        let verified = verify(&from_alice(&entity));
        verified
            .is("valid")
            .originator("match")
            .covers("whole")
            .layers("S(C)");
        verified
            .signature(0, "signature", "valid")
            .signature(0, "path", "valid");
        verified
            .signature(0, "binds", true)
            .signature(0, "layer", 0);
        verified.signature(0, "naming", "not-applicable");
        assert_eq!(verified.report["originator_name"], "alice@a.example");
    }
}

#[test]
fn content_inside_a_detached_signature_is_invalid_whether_the_same_or_other() {
    let signed = letter();
    let other = text("Bob,\r\n\r\npay 9000 to Mallory.");
    let by_alice = Signed::by([Signer::of("alice")], &signed);
    verify(&from_alice(&multipart_signed(
        &signed,
        &by_alice.detached(),
    )))
    .is("valid");
    // RFC 8551 §3.5.3.2: eContent MUST be absent. Which of both a client shows, nobody knows.
    for (outside, inside) in [(&other, &signed), (&signed, &other), (&signed, &signed)] {
        let der = by_alice.with_content(Some(inside));
        let verified = verify(&from_alice(&multipart_signed(outside, &der)));
        verified.is("invalid");
    }
    // Empty, but there.
    let der = by_alice.with_content(Some(b""));
    verify(&from_alice(&multipart_signed(&signed, &der))).is("invalid");
}

#[test]
fn a_signature_that_lacks_its_content_is_not_valid() {
    let by_alice = Signed::by([Signer::of("alice")], b"");
    verify(&from_alice(&opaque(&by_alice.detached()))).is_not_valid();
    let content = letter();
    let detached = Signed::by([Signer::of("alice")], &content).detached();
    // What such a message shows its reader is nothing, and that is not what was signed.
    verify(&from_alice(&opaque(&detached)))
        .is("invalid")
        .originator("absent")
        .covers("none");
    // Alone, it has its content elsewhere.
    verify_with(&detached, &["--from", "alice@a.example"])
        .is("indeterminate")
        .originator("absent")
        .covers("none");
}

#[test]
fn signed_data_without_signers_signs_nothing() {
    let content = letter();
    verify(&from_alice(&opaque(&empty_signature(&content))))
        .is("unsigned")
        .covers("none");
    let nobody = Signed {
        signers: Vec::new(),
        ..Signed::by([Signer::of("alice")], &content)
    };
    verify(&from_alice(&multipart_signed(&content, &nobody.detached()))).is("unsigned");
    verify(&from_alice(&opaque(&nobody.opaque()))).is("unsigned");
    // Certificates alone (RFC 8551 §3.8).
    verify(&from_alice(&pkcs7_mime("certs-only", &nobody.detached()))).is("unsigned");
    verify(&from_alice(&content))
        .is("unsigned")
        .covers("none")
        .layers("C");
}

#[test]
fn a_signature_without_a_second_part_or_with_a_third_is_invalid() {
    let content = letter();
    let signature = signature_part(&Signed::by([Signer::of("alice")], &content).detached());
    let of = |parts: &[&Vec<u8>]| {
        let parts: Vec<Vec<u8>> = parts.iter().copied().cloned().collect();
        verify(&from_alice(&multipart(SIGNED, &parts)))
    };
    of(&[&content, &signature]).is("valid");
    let other = text("and 9000 to Mallory");
    of(&[&content, &signature, &other]).is("invalid");
    of(&[&content, &other, &signature]).is("invalid");
    of(&[&other, &content, &signature]).is("invalid");
    of(&[&content, &signature, &signature]).is("invalid");
    of(&[&signature]).is_not_valid();
    of(&[&content]).is_not_valid();
    of(&[&signature, &content]).is_not_valid();
}

#[test]
fn a_signed_part_beside_unsigned_text_is_invalid() {
    let unsigned = text("The new account is 666.");
    for part in [detached(&letter()), enclosed(&letter())] {
        verify(&from_alice(&part)).is("valid");
        for kind in [
            "multipart/mixed",
            "multipart/alternative",
            "multipart/related",
            "multipart/x-any",
        ] {
            for parts in [
                vec![unsigned.clone(), part.clone()],
                vec![part.clone(), unsigned.clone()],
                vec![unsigned.clone(), part.clone(), unsigned.clone()],
                vec![part.clone(), part.clone()],
            ] {
                verify(&from_alice(&multipart(kind, &parts)))
                    .is("invalid")
                    .covers("part")
                    .layers("C");
            }
        }
    }
}

#[test]
fn a_signed_part_deep_among_others_is_invalid() {
    let inner = multipart(
        "multipart/alternative",
        &[text("plain"), detached(&letter())],
    );
    let middle = multipart("multipart/related", &[inner, text("beside")]);
    let outer = from_alice(&multipart("multipart/mixed", &[text("before"), middle]));
    verify(&outer).is("invalid").covers("part");
    let inspected = inspect(&outer);
    inspected.layers("C");
    assert_eq!(
        inspected.report["tree"]["parts"][0]["kind"],
        "signed",
        "{}",
        inspected.file.display()
    );
}

#[test]
fn a_footer_that_a_list_appends_is_not_covered() {
    let signed = detached(&letter());
    let footer = text("_______\r\nlist@b.example, to leave: http://evil.example");
    verify(&from_alice(&multipart(
        "multipart/mixed",
        &[signed, footer],
    )))
    .is("invalid")
    .covers("part");
    // The whole of several parts, signed as one, is.
    let all = multipart("multipart/mixed", &[letter(), text("footer")]);
    verify(&from_alice(&detached(&all)))
        .is("valid")
        .covers("whole");
    verify(&from_alice(&enclosed(&all)))
        .is("valid")
        .covers("whole");
}

#[test]
fn a_forwarded_signed_message_says_nothing_of_who_forwards_it() {
    let original = from_alice(&detached(&letter()));
    verify(&original).is("valid");
    let parts = [text("See what Alice writes:"), attached(&original)];
    verify(&message(
        "ceo@a.example",
        &multipart("multipart/mixed", &parts),
    ))
    .is("invalid")
    .covers("part");
    verify(&from_alice(&multipart("multipart/mixed", &parts)))
        .is("invalid")
        .covers("part");
    verify(&from_alice(&multipart(
        "multipart/digest",
        &[attached(&original)],
    )))
    .is("invalid");
    // The whole body is the forwarded message.
    verify(&message("ceo@a.example", &attached(&original)))
        .is("invalid")
        .covers("part");
    verify(&from_alice(&attached(&original)))
        .is("invalid")
        .covers("part");
    // What is forwarded in a signature of one's own is covered by that.
    verify(&from_alice(&detached(&attached(&original)))).is("valid");
}

#[test]
fn parts_of_a_digest_are_messages_where_they_do_not_say_what_they_are() {
    // RFC 2046 §5.1.5: the part begins with an empty header, and then comes the message.
    let untyped = [b"\r\n".to_vec(), from_alice(&enclosed(&letter()))].concat();
    let of = |kind| {
        from_alice(&multipart(
            kind,
            &[attached(&from_alice(&letter())), untyped.clone()],
        ))
    };
    verify(&of("multipart/digest")).is("invalid").covers("part");
    // Elsewhere it is text, which nobody shows as signed.
    verify(&of("multipart/mixed")).is("unsigned");
    let inspected = inspect(&of("multipart/digest"));
    assert_eq!(inspected.report["tree"]["parts"][0]["kind"], "signed");
}

#[test]
fn a_signed_multipart_that_lacks_its_protocol_is_judged_and_not_valid() {
    let good = from_alice(&detached(&letter()));
    verify(&good).is("valid");
    let protocol = " protocol=\"application/pkcs7-signature\";";
    for other in [
        "",
        " protocol=\"application/pgp-signature\";",
        " protocol=x;",
    ] {
        let message = replaced(&good, protocol, other);
        verify(&message)
            .is("invalid")
            .because("protocol")
            .covers("whole")
            .layers("S(C)")
            .signature(0, "signature", "valid");
        let defects = inspect(&message).all("defects");
        assert!(defects[0].to_string().contains("protocol"), "{defects:?}");
        verify(&replaced(&message, "pay 100", "pay 900"))
            .is("invalid")
            .signature(0, "signature", "invalid");
        let entity = replaced(&detached(&letter()), protocol, other);
        let mixed = multipart("multipart/mixed", &[text("before"), entity]);
        verify(&from_alice(&mixed)).is("invalid").covers("part");
    }
    // Without a signature of S/MIME it is another's.
    let pgp = replaced(
        &good,
        "application/pkcs7-signature",
        "application/pgp-signature",
    );
    verify(&pgp).is("unsigned").layers("C");
}

#[test]
fn a_signature_among_attachments_is_only_a_part() {
    let mut file = b"Content-Disposition: attachment; filename=smime.p7m\r\n".to_vec();
    file.extend(enclosed(&letter()));
    verify(&from_alice(&multipart(
        "multipart/mixed",
        &[text("read the attachment"), file.clone()],
    )))
    .is("invalid")
    .covers("part");
    // Alone it is the whole, whatever its disposition.
    verify(&from_alice(&file)).is("valid");
    let by_name = replaced(
        &enclosed(&letter()),
        "application/pkcs7-mime",
        "application/octet-stream",
    );
    verify(&from_alice(&by_name)).is("valid").layers("S(C)");
    verify(&from_alice(&multipart(
        "multipart/mixed",
        &[text("text"), by_name],
    )))
    .is("invalid");
}

#[test]
fn changed_content_is_invalid() {
    let message = from_alice(&detached(&letter()));
    verify(&message).is("valid");
    verify(&replaced(&message, "pay 100", "pay 900"))
        .is("invalid")
        .signature(0, "signature", "invalid");
    verify(&replaced(&message, "pay 100 to", "pay 100  to")).is("invalid");
    verify(&replaced(&message, "charset=us-ascii", "charset=utf-7")).is("invalid");
    // Headers of the signed part are signed.
    verify(&replaced(
        &message,
        "Content-Type: text/plain",
        "Content-Type: text/html ",
    ))
    .is("invalid");
    verify(&replaced(
        &message,
        "Encoding: 7bit\r\n",
        "Encoding: 7bit\r\nX-Extra: 1\r\n",
    ))
    .is("invalid");
}

#[test]
fn line_ends_may_change_in_transit_and_nothing_else() {
    let message = from_alice(&detached(&letter()));
    verify(&replaced(&message, "\r\n", "\n")).is("valid");
    verify(&replaced(
        &message,
        "100 to Alice.\r\n",
        "100 to Alice.\r\n\r\n",
    ))
    .is("invalid");
    verify(&replaced(
        &message,
        "100 to Alice.\r\n",
        "100 to Alice. \r\n",
    ))
    .is("invalid");
}

#[test]
fn header_fields_that_say_twice_how_to_read_the_body_are_refused() {
    let good = from_alice(&detached(&letter()));
    verify(&good).is("valid");
    let with = |field: &str| {
        let mut fields = format!("From: alice@a.example\r\n{field}\r\n").into_bytes();
        fields.extend(b"To: bob@b.example\r\n");
        let doubled = [fields, detached(&letter())].concat();
        verify(&doubled)
    };
    with("X-Other: text/html").is("valid");
    with("Content-Type: text/html").is("invalid");
    with("Content-type: text/plain").is("invalid");
    let encoding = [
        b"Content-Transfer-Encoding: 7bit\r\n".to_vec(),
        enclosed(&letter()),
    ]
    .concat();
    verify(&from_alice(&encoding)).is("invalid");
    let after = replaced(
        &good,
        "\r\n\r\n--multipart",
        "\r\nContent-Type: text/html\r\n\r\n--multipart",
    );
    verify(&after).is("invalid");
}

#[test]
fn a_boundary_that_can_be_read_in_two_ways_is_not_valid() {
    let content = letter();
    let der = Signed::by([Signer::of("alice")], &content).detached();
    let body = |boundary: &str, content: &[u8]| {
        let mut body = format!("--{boundary}\r\n").into_bytes();
        body.extend(content);
        body.extend(format!("\r\n--{boundary}\r\n").into_bytes());
        body.extend(signature_part(&der));
        body.extend(format!("\r\n--{boundary}--\r\n").into_bytes());
        body
    };
    let of = |parameters: &str, body: Vec<u8>| {
        let header = format!("Content-Type: {SIGNED}; {parameters}\r\n\r\n").into_bytes();
        verify(&from_alice(&[header, body].concat()))
    };
    let evil = text("pay 9000 to Mallory");
    let both = || [body("evil", &evil), body("good", &content)].concat();
    of("boundary=good", body("good", &content)).is("valid");
    of("boundary=evil", body("evil", &evil)).is("invalid");
    of("boundary=good; boundary=evil", both()).is_not_valid();
    of("boundary=evil; boundary=good", both()).is_not_valid();
    of("boundary*0=go; boundary*1=od; boundary=evil", both()).is_not_valid();
    of("boundary*=us-ascii''good; boundary=evil", both()).is_not_valid();
}

#[test]
fn what_the_signed_part_says_of_the_header_must_be_what_is_shown() {
    let inside = |fields: &str| [fields.as_bytes(), &letter()].concat();
    let of = |outside: &str, inner: &str| {
        let entity = detached(&inside(inner));
        verify(&message_with(
            &format!("From: alice@a.example\r\n{outside}"),
            &entity,
        ))
    };
    of("", "From: alice@a.example\r\nSubject: Figures\r\n").is("valid");
    of("", "Subject: Pay at once\r\n")
        .is("invalid")
        .because("Subject");
    of("", "From: ceo@a.example\r\n")
        .is("invalid")
        .because("From");
    of("", "To: carol@b.example\r\n")
        .is("invalid")
        .because("To");
    of("", "Date: Mon, 01 Jun 2020 09:00:00 +0000\r\n")
        .is("invalid")
        .because("Date");
    of("Cc: bob@b.example\r\n", "Cc: carol@b.example\r\n")
        .is("invalid")
        .because("Cc");
    of("", "X-Own: anything\r\n").is("valid");
}

#[test]
fn a_certificate_for_both_names_does_not_excuse_two_froms() {
    let content = [b"From: alice@a.example\r\n".to_vec(), letter()].concat();
    let entity = opaque(&Signed::by([Signer::of("alice-mallory")], &content).opaque());
    verify(&message("alice@a.example", &entity)).is("valid");
    verify(&message("mallory@evil.example", &entity))
        .is("invalid")
        .because("From");
}

#[test]
fn an_smime_type_that_lies_changes_nothing_of_what_is_there() {
    let der = Signed::by([Signer::of("alice")], &letter()).opaque();
    verify(&from_alice(&pkcs7_mime("signed-data", &der)))
        .is("valid")
        .layers("S(C)");
    for lie in [
        "enveloped-data",
        "certs-only",
        "compressed-data",
        "authEnveloped-data",
        "receipt",
    ] {
        let inspected = inspect(&from_alice(&pkcs7_mime(lie, &der)));
        inspected.layers("S(C)");
    }
    let nobody = pkcs7_mime("signed-data", &empty_signature(&letter()));
    verify(&from_alice(&nobody)).is("unsigned");
    verify(&from_alice(&pkcs7_mime(
        "signed-data",
        &compressed(&letter()),
    )))
    .is("unsigned");
    verify(&from_alice(&pkcs7_mime("signed-data", b"no CMS at all"))).is_not_valid();
}

#[test]
fn a_signature_of_another_standard_under_the_name_of_this_one_is_not_valid() {
    let good = from_alice(&detached(&letter()));
    verify(&replaced(
        &good,
        "Content-Type: application/pkcs7-signature",
        "Content-Type: text/plain",
    ))
    .is_not_valid();
    let message = replaced(
        &good,
        "protocol=\"application/pkcs7-signature\"",
        "protocol=\"application/pgp-signature\"",
    );
    verify(&message).is_not_valid();
}

#[test]
fn compression_between_signature_and_reader_is_looked_through() {
    let signed_inside = pkcs7_mime("compressed-data", &compressed(&enclosed(&letter())));
    verify(&from_alice(&signed_inside))
        .is("valid")
        .layers("Z(S(C))");
    let signed_outside = enclosed(&pkcs7_mime("compressed-data", &compressed(&letter())));
    verify(&from_alice(&signed_outside))
        .is("valid")
        .layers("S(Z(C))");
}

#[test]
fn damaged_base64_is_never_valid() {
    let good = from_alice(&enclosed(&letter()));
    let text = String::from_utf8(good.clone()).unwrap();
    let start = text.rfind("\r\n\r\n").unwrap() + 4;
    for cut in [
        start,
        start + 1,
        start + 3,
        start + 400,
        text.len() - 200,
        text.len() - 7,
    ] {
        verify(&good[..cut]).is_not_valid();
    }
    // Characters that base64 does not have are passed over by some decoders, and end others.
    let mut dirty = good.clone();
    dirty.splice(start + 40..start + 41, *b"\0");
    verify(&dirty).is_not_valid();
}

#[test]
fn bare_cms_has_no_from_to_be_bound_to() {
    let der = Signed::by([Signer::of("mallory")], &letter()).opaque();
    verify(&der).is("valid").originator("absent").layers("S(C)");
    verify_with(&der, &["--from", "mallory@evil.example"])
        .is("valid")
        .originator("match");
    verify_with(&der, &["--from", "alice@a.example"])
        .is("invalid")
        .originator("mismatch");
}
