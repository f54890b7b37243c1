//! Is the one in From, as readers show it, the one who signed?

use crate::cli::Verified;
use crate::cli::verify;
use crate::cli::verify_with;
use crate::cms::Signed;
use crate::cms::Signer;
use crate::mail::letter;
use crate::mail::message;
use crate::mail::message_with;
use crate::mail::multipart_signed;
use crate::mail::opaque;
use crate::mail::raw_message;
use crate::pki::Issue;

fn signed_by(name: &'static str) -> Vec<u8> {
    let content = letter();
    multipart_signed(
        &content,
        &Signed::by([Signer::of(name)], &content).detached(),
    )
}

/// Verifies a message with these header fields.
fn with_fields(fields: &str, signer: &'static str) -> Verified {
    verify(&message_with(fields, &signed_by(signer)))
}

/// Verifies a message with this From.
fn from(from: &str, signer: &'static str) -> Verified {
    verify(&message(from, &signed_by(signer)))
}

#[test]
fn somebody_elses_good_signature_is_invalid() {
    from("alice@a.example", "alice")
        .is("valid")
        .originator("match")
        .signature(0, "binds", true);
    for other in [
        "mallory@evil.example",
        "alice@b.example",
        "bob@a.example",
        "alice@sub.a.example",
    ] {
        from(other, "alice")
            .is("invalid")
            .originator("mismatch")
            .signature(0, "binds", false);
    }
    from("alice@a.example", "mallory")
        .is("invalid")
        .originator("mismatch");
    // Case counts for the local part alone (RFC 5321 §2.4), and a dot at the end for nothing.
    from("alice@A.Example", "alice").is("valid");
    from("Alice@a.example.evil.example", "alice").is("invalid");
    from("alice@a.examples", "alice").is("invalid");
    from("xalice@a.example", "alice").is("invalid");
}

#[test]
fn two_from_fields_are_invalid_in_either_order() {
    let alice = "From: Alice <alice@a.example>\r\n";
    let mallory = "From: Mallory <mallory@evil.example>\r\n";
    with_fields(alice, "alice").is("valid");
    for fields in [
        [alice, mallory].concat(),
        [mallory, alice].concat(),
        [alice, alice].concat(),
    ] {
        with_fields(&fields, "alice").is("invalid");
        with_fields(&fields, "mallory").is("invalid");
        // Nor does a certificate for both help.
        with_fields(&fields, "alice-mallory").is("invalid");
    }
}

#[test]
fn a_second_from_in_another_spelling_is_a_second_from() {
    for second in [
        "FROM: alice@a.example\r\n",
        "from:alice@a.example\r\n",
        "From : alice@a.example\r\n",
        "From\t: alice@a.example\r\n",
        "From:\r\n alice@a.example\r\n",
    ] {
        let mallory = "From: mallory@evil.example\r\n";
        with_fields(&[mallory, second].concat(), "mallory").is_not_valid();
        with_fields(&[second, mallory].concat(), "mallory").is_not_valid();
    }
}

#[test]
fn every_one_of_several_addresses_must_have_signed() {
    for several in [
        "alice@a.example, mallory@evil.example",
        "mallory@evil.example, alice@a.example",
        "Alice <alice@a.example>,\r\n Mallory <mallory@evil.example>",
    ] {
        from(several, "alice").is("invalid").originator("mismatch");
        from(several, "mallory")
            .is("invalid")
            .originator("mismatch");
    }
}

#[test]
fn a_display_name_that_looks_like_an_address_is_not_valid() {
    from("Alice <alice@a.example>", "alice").is("valid");
    from("\"Alice (Sales)\" <alice@a.example>", "alice").is("valid");
    for name in [
        "\"alice@a.example\" <mallory@evil.example>",
        "\"alice@a.example <alice@a.example>\" <mallory@evil.example>",
        "alice@a.example <mallory@evil.example>",
        "\"alice @ a.example\" <mallory@evil.example>",
        "=?utf-8?q?alice=40a.example?= <mallory@evil.example>",
        "=?utf-8?b?YWxpY2VAYS5leGFtcGxl?= <mallory@evil.example>",
        "=?utf-8?q?alice?= =?utf-8?q?=40a.example?= <mallory@evil.example>",
        "=?utf-8?q?=3Calice=40a.example=3E?= <mallory@evil.example>",
        "=?utf-8?q?alice=EF=BC=A0a.example?= <mallory@evil.example>",
    ] {
        // Neither who wrote it nor whose name it uses.
        from(name, "alice").is("invalid");
        from(name, "mallory").is_not_valid();
    }
    // The same address twice deceives nobody.
    from("\"alice@a.example\" <alice@a.example>", "alice").is("valid");
}

#[test]
fn the_sender_does_not_stand_for_from() {
    let from = "From: alice@a.example\r\n";
    for other in [
        "Sender: mallory@evil.example\r\n",
        "Reply-To: mallory@evil.example\r\n",
        "Resent-From: mallory@evil.example\r\n",
        "Return-Path: <mallory@evil.example>\r\n",
        "X-From: mallory@evil.example\r\n",
    ] {
        for fields in [[from, other].concat(), [other, from].concat()] {
            with_fields(&fields, "mallory")
                .is("invalid")
                .originator("mismatch");
            with_fields(&fields, "alice")
                .is("valid")
                .originator("match");
        }
    }
}

#[test]
fn comments_and_groups_do_not_move_the_address() {
    from("alice@a.example (Alice)", "alice").is("valid");
    from("(alice@a.example) mallory@evil.example", "alice").is("invalid");
    from("mallory@evil.example (alice@a.example)", "alice").is("invalid");
    from("mallory@evil.example (<alice@a.example>)", "alice").is("invalid");
    from("(\\) <alice@a.example> () mallory@evil.example", "alice").is("invalid");
    from("Mallory <mallory@evil.example> (alice@a.example)", "alice").is("invalid");
    from("<alice@a.example>mallory@evil.example", "alice").is("invalid");
    from("mallory@evil.example<alice@a.example>", "alice").is("invalid");
    from("<alice@a.example> <mallory@evil.example>", "alice").is("invalid");
    from("<@a.example:mallory@evil.example>", "alice").is("invalid");
    from("<mallory@evil.example@a.example>", "mallory").is("invalid");
    from("Friends: alice@a.example, mallory@evil.example;", "alice").is("invalid");
    from("Friends: mallory@evil.example;, alice@a.example", "alice").is("invalid");
    from("alice@a.example: mallory@evil.example;", "alice").is("invalid");
}

#[test]
fn a_from_that_names_nobody_is_not_the_same_as_no_from() {
    let nobody = with_fields("", "mallory");
    nobody.is("valid").originator("absent");
    for names_nobody in [
        "",
        " ",
        "undisclosed-senders:;",
        "alice",
        "Alice <>",
        "<>",
        "\"alice@a.example\"",
        "=?utf-8?b?YWxpY2VAYS5leGFtcGxl?=",
        "=?utf-8?q?alice=40a=2Eexample?=",
        "alice@",
        "@a.example",
        "alice@a.example,",
        "(alice@a.example)",
        ",,,",
        "alice@[a.example]",
    ] {
        from(names_nobody, "mallory").is_not_valid();
    }
    // One was given, and it counts.
    let message = message("undisclosed-senders:;", &signed_by("alice"));
    verify_with(&message, &["--from", "mallory@evil.example"]).is("invalid");
}

#[test]
fn encoded_words_do_not_make_addresses() {
    for from_mallory in [
        "=?utf-8?b?YWxpY2VAYS5leGFtcGxlAA==?=@evil.example",
        "=?utf-8?q?alice=40a.example=00?=@evil.example",
        "=?utf-8?q?alice=40a.example=0A=0A?= <mallory@evil.example>",
        "<=?utf-8?q?alice=40a.example=3E?=@evil.example>",
        "\"alice@a.example\\\0\"@evil.example",
        "\"alice@a.example>\"@evil.example",
    ] {
        from(from_mallory, "alice").is("invalid");
        from(from_mallory, "mallory").is_not_valid();
    }
}

#[test]
fn control_characters_do_not_end_an_address() {
    for odd in [
        &b"From: alice@a.example\0@evil.example\r\n"[..],
        b"From: mallory@evil.example\0, alice@a.example\r\n",
        b"From: alice@a.example\rFrom: mallory@evil.example\r\n",
        b"From: mallory@evil.example\rFrom: alice@a.example\r\n",
        b"From: \ralice@a.example <mallory@evil.example>\r\n",
        b"From: alice@a.example\x0b <mallory@evil.example>\r\n",
        b"From: alice\0 <alice@a.example>\r\n",
        b"From: al\0ice@a.example\r\n",
        b"From: alice@a.exa\xe2\x80\x8bmple\r\n",
        b"From: alice@a.example\x08\x08\x08 <mallory@evil.example>\r\n",
        b"Fr\0om: mallory@evil.example\r\nFrom: alice@a.example, mallory@evil.example\r\n",
        b"From: mallory@evil.example\nFrom: alice@a.example\r\n",
    ] {
        for signer in ["alice", "mallory"] {
            let verified = verify(&raw_message(odd, &signed_by(signer)));
            verified.is_not_valid();
        }
    }
}

#[test]
fn a_from_below_the_header_is_no_from() {
    // A line that is no field ends the header for some readers.
    let broken = "this is no field\r\nFrom: alice@a.example\r\n";
    with_fields(
        &["From: mallory@evil.example\r\n", broken].concat(),
        "mallory",
    )
    .is_not_valid();
    let early_end = [
        b"From: mallory@evil.example\r\n\r\n".to_vec(),
        b"From: alice@a.example\r\n".to_vec(),
        signed_by("alice"),
    ];
    verify(&early_end.concat()).is_not_valid();
}

#[test]
fn mail_as_some_stores_keep_it_is_read() {
    let entity = signed_by("alice");
    let envelope =
        b"From mallory@evil.example Mon Jun  1 09:00:00 2026\r\nFrom: alice@a.example\r\n";
    verify(&raw_message(envelope, &entity)).is("valid");
    verify(&raw_message(envelope, &signed_by("mallory"))).is_not_valid();
}

#[test]
fn a_certificate_binds_every_address_it_names_and_no_other() {
    from("alice@a.example", "alice-mallory")
        .is("valid")
        .originator("match");
    from("mallory@evil.example", "alice-mallory")
        .is("valid")
        .originator("match");
    from("bob@b.example", "alice-mallory")
        .is("invalid")
        .originator("mismatch");
}

#[test]
fn an_address_in_a_certificate_counts_only_as_it_is_written() {
    let of = |email: &'static str| {
        let issue = Issue {
            key: "mallory",
            emails: vec![email],
            ..Issue::default()
        };
        let content = letter();
        let signed = Signed::by([Signer::with(issue.identity())], &content);
        verify(&message("alice@a.example", &opaque(&signed.opaque())))
    };
    of("alice@a.example").is("valid");
    of("alice@A.example").is("valid");
    for other in [
        "alice@a.example\0.evil.example",
        "alice@a.example\0",
        "alice@a.example@evil.example",
        "alice@a.example,mallory@evil.example",
        "mallory@evil.example,alice@a.example",
        "Alice <alice@a.example>",
        "<alice@a.example>",
        "alice@a.example (Mallory)",
        " alice@a.example",
        "alice@a.example\n",
        "mailto:alice@a.example",
        "*@a.example",
        "@a.example",
        "a.example",
        ".a.example",
        "",
    ] {
        of(other).is_not_valid().originator("mismatch");
    }
}

#[test]
fn an_address_in_the_subject_alone_does_not_bind() {
    let verified = from("alice@a.example", "alice-subject");
    verified
        .is("invalid")
        .originator("mismatch")
        .signature(0, "binds", false);
    verified
        .signature(0, "signature", "valid")
        .signature(0, "path", "valid");
    verified.because("subject");
}

#[test]
fn an_opaque_signature_is_bound_as_a_detached_one() {
    let entity = opaque(&Signed::by([Signer::of("alice")], &letter()).opaque());
    verify(&message("alice@a.example", &entity)).is("valid");
    verify(&message("mallory@evil.example", &entity))
        .is("invalid")
        .originator("mismatch");
}

#[test]
fn the_from_option_is_who_is_asked_about() {
    let message = message("alice@a.example", &signed_by("alice"));
    verify_with(&message, &["--from", "alice@a.example"]).is("valid");
    verify_with(&message, &["--from", "mallory@evil.example"])
        .is("invalid")
        .originator("mismatch");
}
