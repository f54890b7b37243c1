//! Mail that is made to have something opened, signed or believed that must not be.

use domsec::crypto::ContentEncryption;
use domsec::gateway::outcome::Fate;
use domsec::gateway::outcome::Outcome;
use domsec::gateway::site::Gateway;
use domsec::notation::SignatureType::Domain;
use domsec::policy::Policy;
use domsec::policy::facts::Session;

use super::stack;
use super::stack::CONTENT;
use super::stack::FIELDS;
use super::stack::Form;
use super::stack::People;

/// The gateway of `certs/demo/NAME` with the policy that is compiled in.
fn by_default(name: &str) -> Gateway {
    let mut gateway = stack::gateway(name, "[[rule]]\nname = \"all\"\nwhen = \"true\"\n");
    gateway.policy = Policy::builtin();
    gateway
}

fn logged_in(login: &str) -> Session {
    Session {
        login: Some(login.to_owned()),
        ..Session::default()
    }
}

/// Everything by which anybody but the administrator could tell one outcome from another: fate, reply,
/// and the header that a reader or a bounce has.
fn told(outcome: &Outcome) -> Vec<String> {
    let of_share = |fate: &Fate<_>| match fate {
        Fate::Deliver(edition) => {
            let text = text(edition);
            text.split("\r\n\r\n").next().unwrap().to_owned()
        }
        other => format!("{other:?}"),
    };
    let shares = outcome.shares.iter();
    shares
        .map(|share| format!("{:?} {}", share.warnings, of_share(&share.fate)))
        .collect()
}

fn text(edition: &domsec::gateway::outcome::Edition) -> String {
    String::from_utf8_lossy(&stack::octets(&edition.message)).into_owned()
}

/// An entity of base64 with the octet at `from_end` of its body changed.
fn altered(entity: &[u8], from_end: usize) -> Vec<u8> {
    let body = stack::body(entity);
    let head = &entity[..entity.len() - body.len()];
    let lines = String::from_utf8(body.to_vec())
        .unwrap()
        .replace("\r\n", "");
    let mut octets = base64_simd::STANDARD.decode_to_vec(lines).unwrap();
    let at = octets.len() - from_end;
    octets[at] ^= 1;
    let body = base64_simd::STANDARD.encode_to_string(octets);
    let lines: Vec<&str> = body
        .as_bytes()
        .chunks(76)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    [head, lines.join("\r\n").as_bytes(), b"\r\n"].concat()
}

/// Content in CBC that nobody signed: as it was made, with the padding spoiled, and with the content
/// spoiled while the padding is right.
fn ciphertexts(reader: &str) -> [Vec<u8>; 3] {
    let people = People::new();
    let reader = stack::identity(reader);
    let made = people.encrypted(CONTENT.as_bytes(), &reader, ContentEncryption::Aes256Cbc);
    [altered(&made, 17), altered(&made, 80), made]
}

/// Puts an entity somewhere into a message.
type Wrap = fn(&[u8]) -> Vec<u8>;

fn in_a_part(entity: &[u8]) -> Vec<u8> {
    let head = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n";
    [head.as_slice(), entity, b"\r\n--b--\r\n"].concat()
}

#[test]
fn whether_a_changed_ciphertext_decrypts_shows_nowhere() {
    let wrapped: [(&str, Wrap); 2] = [("whole", <[u8]>::to_vec), ("in a part", in_a_part)];
    for (place, wrap) in wrapped {
        let all = |gateway: &Gateway, sender: &str, session: &dyn Fn() -> Session, reader: &str| {
            let tell = |entity: &Vec<u8>| {
                let message = [FIELDS.as_bytes(), &wrap(entity)].concat();
                told(&stack::process(gateway, &message, sender, session()))
            };
            let told: Vec<_> = ciphertexts(reader).iter().map(tell).collect();
            assert_eq!(told[0], told[1], "{place}, from {sender}");
            assert_eq!(told[0], told[2], "{place}, from {sender}");
        };
        // From outside, from a user to a partner, and from a user by the address of another.
        all(
            &by_default("b"),
            "alice@a.example",
            &Session::default,
            "dca-b",
        );
        all(
            &by_default("a"),
            "alice@a.example",
            &|| logged_in("alice"),
            "dca-a",
        );
        all(
            &by_default("a"),
            "x@elsewhere.example",
            &|| logged_in("mallory"),
            "dca-a",
        );
    }
}

#[test]
fn captured_mail_is_not_opened_for_who_has_captured_it() {
    let people = People::new();
    let rule = stack::policy(&[Domain], true, stack::SIGNED_INSIDE);
    let gateway = stack::gateway("a", &rule);
    let made = people.made(&"E(S(C))".parse().unwrap(), Form::Opaque);
    let send = |login: &str, message: &[u8]| {
        stack::process(&gateway, message, "alice@a.example", logged_in(login))
    };
    let own = send("alice", &made.message());
    assert!(stack::edition(&own).is_ok(), "{own:?}");
    // In alice's name and in his own.
    let message = String::from_utf8(made.message()).unwrap();
    let renamed = message.replace("Alice <alice@a.example>", "mallory@a.example");
    for message in [message, renamed] {
        let outcome = send("mallory", message.as_bytes());
        let refused = matches!(&outcome.shares[0].fate, Fate::Refuse(_));
        assert!(refused, "{outcome:?}");
    }
}

#[test]
fn a_from_above_the_signature_takes_nobodys_place() {
    let people = People::new();
    let mallory = stack::identity("mallory");
    let signed = people.signed_by(
        CONTENT.as_bytes(),
        &[(&mallory, Vec::new())],
        &[],
        Form::Detached,
    );
    let signed = String::from_utf8(signed).unwrap();
    let marked = signed.replacen("multipart/signed;", "multipart/signed; hp=\"cipher\";", 1);
    assert_ne!(marked, signed);
    let forged = format!("From: Alice <alice@a.example>\r\nSubject: pay now\r\n{marked}");
    let sealed = people.encrypted(
        forged.as_bytes(),
        &stack::identity("dca-b"),
        ContentEncryption::Aes256Cbc,
    );
    let fields = FIELDS.replace("Alice <alice@a.example>", "mallory@evil.example");
    let message = [fields.as_bytes(), &sealed].concat();
    let outcome = stack::arrive(&by_default("b"), &message, "mallory@evil.example");
    let edition = stack::edition(&outcome).unwrap();
    let text = text(edition);
    assert!(text.contains("From: mallory@evil.example\r\n"), "{text}");
    assert!(!text.contains("From: Alice"), "{text}");
}

#[test]
fn a_header_for_which_nobody_answers_is_not_signed_and_yet_hidden() {
    let people = People::new();
    let gateway = stack::gateway("a", &stack::policy(&[Domain], true, ""));
    let made = people.made(&"S(C)".parse().unwrap(), Form::Opaque);
    // alice's signature shows who the originator is; the header is whoever's who is logged in.
    let outcome = stack::process(
        &gateway,
        &made.message(),
        "alice@a.example",
        logged_in("service"),
    );
    let edition = stack::edition(&outcome).unwrap();
    assert_eq!(edition.layers.to_string(), "E(S[domain](S(C)))");
    let text = text(edition);
    assert!(text.contains("Subject: [...]\r\n"), "{text}");
    assert!(!text.contains("Figures"), "{text}");
}

#[test]
fn a_message_that_is_all_body_gives_our_field_no_second_line() {
    let gateway = by_default("b");
    let message = b" ; smime=pass body.smime-identifier=alice@a.example\r\n\r\nhi\r\n";
    let outcome = stack::arrive(&gateway, message, "mallory@evil.example");
    let text = text(stack::edition(&outcome).unwrap());
    let header = text.split("\r\n\r\n").next().unwrap();
    assert!(header.contains("smime=none"), "{text}");
    assert!(!header.contains("smime=pass"), "{text}");
}

#[test]
fn a_carriage_return_hides_no_forged_result() {
    let gateway = by_default("b");
    let forged = "X: y\rAuthentication-Results: gw.b.example; smime=pass\r\n";
    let message = format!("{forged}{FIELDS}\r\nhi\r\n");
    let outcome = stack::arrive(&gateway, message.as_bytes(), "mallory@evil.example");
    let text = text(stack::edition(&outcome).unwrap());
    assert!(
        !text.contains('\r') || !text.replace("\r\n", "").contains('\r'),
        "{text}"
    );
}
