//! Sentences of the draft that only a whole gateway can obey: mail between a.example and b.example,
//! each with a gateway of its own (draft §2 to §5, §7).
//!
//! What single modules obey is tested there; `src/manual/draft.md` says which sentence is shown where.

#![cfg(feature = "daemon")]
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests state what must hold; a panic there is the report"
)]

use std::fs;
use std::path::Path;
use std::pin::pin;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;
use std::time::Duration;

use domsec::address::Mailbox;
use domsec::cms::attributes::ML_EXPANSION_HISTORY;
use domsec::cms::attributes::SignatureTypeOid;
use domsec::cms::write_signed::SignedDataPlan;
use domsec::cms::write_signed::SignerPlan;
use domsec::config::Config;
use domsec::config::build;
use domsec::domsec::verdict::Answer;
use domsec::gateway::open::Kind;
use domsec::gateway::outcome::Edition;
use domsec::gateway::outcome::Fate;
use domsec::gateway::outcome::Share;
use domsec::gateway::seal::Sealer;
use domsec::gateway::site::Gateway;
use domsec::gateway::transaction::Transaction;
use domsec::octets::Memory;
use domsec::octets::View;
use domsec::policy::Policy;
use domsec::policy::facts::Session;
use domsec::x509::Certificate;
use domsec::x509::Time;

const ALICE: &str = "alice@a.example";
const BOB: &str = "bob@b.example";

/// A key of a gateway: its role, its name in `certs/`, and what else stands in its table.
type Key = (&'static str, &'static str, &'static str);

const KEYS_OF_A: &[Key] = &[
    ("domain", "domain-a", ""),
    ("dca", "dca-a", ""),
    ("reviewer", "reviewer-a", ""),
    ("attributes", "attributes-a", ""),
    (
        "delegated",
        "delegated-alice",
        "address = 'alice@a.example'",
    ),
];
const KEYS_OF_B: &[Key] = &[("domain", "domain-b", ""), ("dca", "dca-b", "")];

/// Opens, delivers in clear, and says what is wrong.
const CLEAR: &str = "decrypt = true\ndeliver = 'clear'";

/// The gateway of `domain` with these keys, whose only rule has the keys `rule`.
fn gateway(domain: &str, keys: &[Key], rule: &str) -> Gateway {
    let keys = keys.iter().map(|(role, name, more)| {
        format!("[[key]]\nrole = '{role}'\ncert = '{name}.pem'\nkey = '{name}.key'\n{more}\n")
    });
    let text = format!(
        "domains = ['{domain}']\nauthserv_id = 'gw.{domain}'\n{}[trust]\nanchors = ['root.pem']\n\
         intermediates = ['intermediate.pem']\n[certificates]\ndirectory = '.'\n",
        keys.collect::<String>()
    );
    let certs = Path::new(env!("CARGO_MANIFEST_DIR")).join("certs");
    let config = Config::parse(&text, &certs.join("gateway.toml")).unwrap();
    let policy = format!(
        "[[rule]]\nname = 'all'\nwhen = 'true'\n{rule}\n[attributes.label]\n\
         security_label = {{ policy = '1.2.3', classification = 'secret' }}\n\
         equivalent_labels = [{{ policy = '1.2.5', classification = 4 }}]\n"
    );
    // A table of attributes that no rule names is no fault.
    let policy = Policy::parse(&policy, "policy.toml").unwrap_or_else(|error| panic!("{error}"));
    Gateway {
        policy,
        ..build::gateway(&config).unwrap()
    }
}

fn a(rule: &str) -> Gateway {
    gateway("a.example", KEYS_OF_A, rule)
}

fn b(rule: &str) -> Gateway {
    gateway("b.example", KEYS_OF_B, rule)
}

fn sample(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("certs/samples");
    fs::read(path.join(name)).unwrap()
}

fn certificate(name: &str) -> Certificate {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("certs");
    let limits = domsec::limits::Limits::default();
    let file = path.join(format!("{name}.pem"));
    let mut all = domsec::keystore::files::certificates(&file, &limits).unwrap();
    all.remove(0)
}

fn now() -> Time {
    // 2026-10-01, when the samples were written.
    Time::from_unix(1_790_845_200).unwrap()
}

fn transaction(message: &[u8], from: &str, to: &str, login: Option<&str>) -> Transaction {
    Transaction {
        mail_from: Some(from.parse().unwrap()),
        recipients: vec![to.parse::<Mailbox>().unwrap()],
        session: Session {
            login: login.map(str::to_owned),
            ..Session::default()
        },
        direction: None,
        message: View::owned(message.to_vec()),
        waited: Duration::ZERO,
    }
}

/// What becomes of a message for its one recipient.
fn processed(gateway: &Gateway, transaction: &Transaction) -> Share<Edition> {
    let mut answer = pin!(gateway.process(transaction, now(), &Memory));
    // Certificates come from a directory, which never waits.
    match answer
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(mut outcome) => outcome.shares.remove(0),
        Poll::Pending => panic!("the gateway waits"),
    }
}

/// A message of alice's, as it leaves the gateway for bob.
fn sent(gateway: &Gateway, message: &[u8]) -> Share<Edition> {
    processed(gateway, &transaction(message, ALICE, BOB, Some("alice")))
}

/// A message as it arrives at the gateway for bob, from a stranger's session.
fn received(gateway: &Gateway, message: &[u8]) -> Share<Edition> {
    processed(gateway, &transaction(message, ALICE, BOB, None))
}

fn edition(share: &Share<Edition>) -> &Edition {
    match &share.fate {
        Fate::Deliver(edition) => edition,
        Fate::Defer(_) | Fate::Hold(_) | Fate::Refuse(_) => {
            panic!("{:?}: {:?}", share.fate, share.reasons)
        }
    }
}

fn layers(share: &Share<Edition>) -> String {
    edition(share).layers.to_string()
}

fn octets(share: &Share<Edition>) -> Vec<u8> {
    edition(share).message.to_vec(1 << 20).unwrap().unwrap()
}

fn text(share: &Share<Edition>) -> String {
    String::from_utf8(octets(share)).unwrap()
}

/// The header alone, unfolded.
fn header(share: &Share<Edition>) -> String {
    let text = text(share);
    let (header, _) = text
        .split_once("\r\n\r\n")
        .or(text.split_once("\n\n"))
        .unwrap();
    header
        .replace("\r\n", "\n")
        .replace("\n\t", " ")
        .replace("\n ", " ")
}

const BODY: &str = "the figures for September";

#[test]
fn the_domain_encrypts_for_the_recipient_and_for_its_domains_authority() {
    for (encrypt_to, readers) in [
        ("['recipient']", vec!["bob"]),
        ("['dca']", vec!["dca-b"]),
        ("['recipient', 'dca']", vec!["bob", "dca-b"]),
        ("['dca', 'own-dca']", vec!["dca-b", "dca-a"]),
    ] {
        let rule = format!("sign = ['domain']\nencrypt = 'required'\nencrypt_to = {encrypt_to}");
        let share = sent(&a(&rule), &sample("unsigned.eml"));
        // The signature before the encryption (draft §4).
        assert_eq!(layers(&share), "E(S[domain](S[empty](C)))", "{encrypt_to}");
        let wanted: Vec<String> = readers
            .iter()
            .map(|one| certificate(one).fingerprint())
            .collect();
        assert_eq!(share.encrypted_to, wanted, "{encrypt_to}");
        assert!(!text(&share).contains(BODY));
    }
}

#[test]
fn what_is_encrypted_to_our_authority_is_opened_and_then_verified() {
    // By the originator's domain, and by one signature of the originator's own.
    for sign in ["['domain']", "['delegated']"] {
        let rule = format!("sign = {sign}\nencrypt = 'required'\nencrypt_to = ['dca']");
        let there = sent(&a(&rule), &sample("unsigned.eml"));
        let share = received(&b(&format!("{CLEAR}\nverify = 'require'")), &octets(&there));
        assert_eq!(layers(&share), "C", "{sign}");
        assert!(share.warnings.is_empty(), "{sign}: {:?}", share.warnings);
        assert!(
            text(&share).contains(BODY) && header(&share).contains("smime=pass"),
            "{sign}"
        );
        assert!(edition(&share).decrypted);
        // The readers of one key are not those of another.
        let alone = format!("sign = {sign}\nencrypt = 'required'\nencrypt_to = ['recipient']");
        let there = sent(&a(&alone), &sample("unsigned.eml"));
        assert_eq!(layers(&received(&b(CLEAR), &octets(&there))), "E", "{sign}");
    }
}

#[test]
fn layers_inside_an_encryption_are_binary_where_agreed_and_in_base64_where_they_leave_it() {
    let large = [sample("unsigned.eml"), b"and so on\r\n".repeat(10_000)].concat();
    let sent_as = |inside: &str| {
        let rule = format!(
            "sign = ['domain']\nencrypt = 'required'\nencrypt_to = ['dca']\nprofile = 'x'\n\
             [profile.x]\ninside = '{inside}'"
        );
        octets(&sent(&a(&rule), &large))
    };
    let (base64, binary) = (sent_as("base64"), sent_as("binary"));
    // Two layers less in base64, of what is much longer than signatures.
    assert!(
        binary.len() * 16 < base64.len() * 10,
        "{} {}",
        binary.len(),
        base64.len()
    );
    for there in [base64, binary] {
        let share = received(&b(&format!("{CLEAR}\nverify = 'require'")), &there);
        assert_eq!(layers(&share), "C");
        assert!(header(&share).contains("smime=pass"));
        // The signatures alone go on through mail systems that take neither 8bit nor NUL.
        let signed = received(&b("decrypt = true\ndeliver = 'signed'"), &there);
        assert_eq!(layers(&signed), "S[domain](S[empty](C))");
        let on = octets(&signed);
        assert!(on.is_ascii() && !on.contains(&0));
        assert!(header(&signed).contains("Content-Transfer-Encoding: base64"));
        let read = received(&b("deliver = 'clear'\nverify = 'require'"), &on);
        assert_eq!(layers(&read), "C");
        assert!(header(&read).contains("smime=pass"), "{:?}", read.reasons);
    }
}

#[test]
fn the_originator_info_of_an_encryption_is_our_authority() {
    let rule = "sign = ['domain']\nencrypt = 'required'\nencrypt_to = ['dca']";
    let there = octets(&sent(&a(rule), &sample("unsigned.eml")));
    let gateway = b(CLEAR);
    let transaction = transaction(&there, ALICE, BOB, None);
    let arrival = gateway.open(&transaction, now(), &Memory);
    let Kind::Enveloped(enveloped, Some(_)) = &arrival.opened.root.kind else {
        panic!("{:?}", arrival.opened.root.kind);
    };
    assert_eq!(
        enveloped.originator_certificates,
        [certificate("dca-a").der()]
    );
    assert_eq!(enveloped.recipients.len(), 1);
}

#[test]
fn an_encryption_alone_is_flagged_and_is_not_delivered_in_clear() {
    let rule = "encrypt = 'required'\nencrypt_alone = true\nencrypt_to = ['dca']";
    let there = sent(&a(rule), &sample("unsigned.eml"));
    assert_eq!(layers(&there), "E(C)");
    let share = received(&b(CLEAR), &octets(&there));
    assert_eq!(layers(&share), "E(C)");
    let warning = "encrypted to us, and it could not be opened or is not protected by a signature";
    assert!(
        share.warnings.iter().any(|one| one == warning),
        "{:?}",
        share.warnings
    );
    let header = header(&share);
    assert!(
        header.contains("Domsec-Warning: encrypted to us"),
        "{header}"
    );
    assert!(header.contains("Subject: [unverified]"), "{header}");
}

#[test]
fn a_name_that_breaks_the_convention_is_flagged_to_the_user() {
    let good = octets(&sent(&a("sign = ['domain']"), &sample("unsigned.eml")));
    let share = received(&b("deliver = 'as-is'"), &good);
    assert!(share.warnings.is_empty(), "{:?}", share.warnings);
    assert!(!header(&share).contains("Domsec-Warning"));
    // The domain's signature as it is, and another domain in From.
    let text = String::from_utf8(good).unwrap();
    let renamed = text.replacen("alice@a.example>", "alice@c.example>", 1);
    let share = received(&b("deliver = 'as-is'"), renamed.as_bytes());
    let flagged = share.warnings.iter().any(|one| one.contains("a.example"));
    assert!(flagged, "{:?}", share.warnings);
    let header = header(&share);
    assert!(
        header.contains("Domsec-Warning: ") && header.contains("Subject: [unverified]"),
        "{header}"
    );
    assert!(header.contains("smime=policy"), "{header}");
}

#[test]
fn no_key_of_ours_signs_whose_certificate_breaks_the_convention() {
    for (kind, role, more) in [
        ("domain", "domain", ""),
        ("delegated", "delegated", "address = 'alice@a.example'"),
        ("review", "reviewer", "review = 'automatic'"),
        ("attributes", "attributes", "attributes = 'label'"),
    ] {
        let of_key = if role == "delegated" { more } else { "" };
        let of_rule = if role == "delegated" { "" } else { more };
        let rule = format!("sign = ['{kind}']\n{of_rule}");
        let good = sent(&a(&rule), &sample("signed-opaque.eml"));
        assert_eq!(layers(&good), format!("S[{kind}](S(C))"));
        // Alice's own certificate names neither a domain nor a submission agent.
        let wrong = gateway("a.example", &[(role, "alice", of_key)], &rule);
        let share = sent(&wrong, &sample("signed-opaque.eml"));
        assert!(
            // Refused where it is none for From at all; else our own fault, and the sender tries again.
            matches!(share.fate, Fate::Defer(_) | Fate::Refuse(_)),
            "{kind}: {:?}",
            share.fate
        );
    }
}

#[test]
fn each_user_signs_by_delegation_with_a_key_of_their_own() {
    let rule = "sign = ['delegated']\nform = 'detached'";
    let share = sent(&a(rule), &sample("unsigned.eml"));
    assert_eq!(layers(&share), "S[delegated](C)");
    assert!(text(&share).contains(BODY));
    let read = received(&b("verify = 'require'"), &octets(&share));
    assert!(header(&read).contains("smime=pass"));
    // Dave has no such key, and alice's is not his.
    let dave = String::from_utf8(sample("unsigned.eml")).unwrap();
    let dave = dave.replace("Alice <alice@", "Dave <dave@");
    let transaction = transaction(dave.as_bytes(), "dave@a.example", BOB, Some("dave"));
    let share = processed(&a(rule), &transaction);
    assert!(matches!(share.fate, Fate::Refuse(_)), "{:?}", share.fate);
}

#[test]
fn a_message_that_may_not_be_signed_is_not_sent_in_silence() {
    for sign in ["['domain']", "['delegated']"] {
        let gateway = a(&format!("sign = {sign}"));
        let unsigned = sample("unsigned.eml");
        // Nobody has shown who sends it.
        let share = processed(
            &Gateway {
                domains: vec!["a.example".parse().unwrap()],
                ..gateway
            },
            &Transaction {
                direction: Some(domsec::policy::facts::Direction::Outbound),
                ..transaction(&unsigned, ALICE, BOB, None)
            },
        );
        assert!(
            matches!(share.fate, Fate::Refuse(_)),
            "{sign}: {:?}",
            share.fate
        );
        // A signature that is present is wrong.
        let spoiled = String::from_utf8(sample("signed-detached.eml")).unwrap();
        let spoiled = spoiled.replace("the figures", "the numbers");
        let share = sent(&a(&format!("sign = {sign}")), spoiled.as_bytes());
        assert!(
            matches!(share.fate, Fate::Refuse(_)),
            "{sign}: {:?}",
            share.fate
        );
        // One is encrypted, and we cannot check it.
        let share = sent(&a(&format!("sign = {sign}")), &sample("three-layers.eml"));
        assert!(
            matches!(share.fate, Fate::Refuse(_)),
            "{sign}: {:?}",
            share.fate
        );
    }
}

#[test]
fn only_reviewed_messages_leave_where_the_rule_says_so() {
    let boundary = a("require_review = true");
    let share = sent(&boundary, &sample("signed-opaque.eml"));
    assert!(matches!(share.fate, Fate::Refuse(_)), "{:?}", share.fate);
    let reviewer = a("sign = ['review']\nreview = 'automatic'");
    let reviewed = octets(&sent(&reviewer, &sample("signed-opaque.eml")));
    let share = sent(&boundary, &reviewed);
    assert_eq!(layers(&share), "S[review](S(C))");
    // Another signature is no review.
    let text = octets(&sent(&a("sign = ['domain']"), &sample("signed-opaque.eml")));
    let share = sent(&boundary, &text);
    assert!(matches!(share.fate, Fate::Refuse(_)), "{:?}", share.fate);
}

#[test]
fn the_originators_name_is_told_beside_the_domains() {
    let with = octets(&sent(&a("sign = ['domain']"), &sample("signed-opaque.eml")));
    let told = header(&received(&b("verify = 'require'"), &with));
    assert!(
        told.contains("body.smime-identifier=alice@a.example"),
        "{told}"
    );
    assert!(told.contains("body.smime-serial="), "{told}");
    // Without one, the domain is all that is known, and no address of a user is named.
    let without = octets(&sent(&a("sign = ['domain']"), &sample("unsigned.eml")));
    let told = header(&received(&b("verify = 'require'"), &without));
    assert!(told.contains("body.smime-serial="), "{told}");
    assert!(!told.contains("body.smime-identifier"), "{told}");
}

#[test]
fn attributes_are_added_as_the_policy_gives_them() {
    let rule = "sign = ['attributes']\nattributes = 'label'";
    let share = sent(&a(rule), &sample("signed-opaque.eml"));
    let message = octets(&share);
    let gateway = b("");
    let transaction = transaction(&message, ALICE, BOB, None);
    let arrival = gateway.open(&transaction, now(), &Memory);
    let Kind::Signed(signed) = &arrival.opened.root.kind else {
        panic!("{:?}", arrival.opened.root.kind);
    };
    let attributes = signed.data.signers[0].signed_attributes.as_ref().unwrap();
    for oid in [
        domsec::cms::attributes::SECURITY_LABEL,
        domsec::cms::attributes::EQUIVALENT_LABELS,
    ] {
        assert_eq!(attributes.all(oid).count(), 1, "{oid}");
    }
}

#[test]
fn signatures_may_be_left_for_the_recipient_when_the_encryption_is_opened() {
    let rule = "sign = ['domain']\nencrypt = 'required'\nencrypt_to = ['dca']";
    let there = octets(&sent(&a(rule), &sample("signed-opaque.eml")));
    let share = received(&b("decrypt = true\ndeliver = 'signed'"), &there);
    assert_eq!(layers(&share), "S[domain](S(C))");
    // A rule that says nothing opens nothing.
    assert_eq!(layers(&received(&b(""), &there)), "E(S[domain](S(C)))");
}

#[test]
fn what_is_encrypted_within_the_domain_leaves_as_section_5_says() {
    // Encrypted to our own authority inside, as draft §4 allows, and signed by nobody's gateway yet.
    let inside = a("sign = ['delegated']\nencrypt = 'required'\nencrypt_to = ['dca', 'own-dca']");
    let message = octets(&sent(&inside, &sample("unsigned.eml")));
    for (rule, leaves) in [
        ("sign = ['domain']", "S[domain](S[delegated](C))"),
        (
            "sign = ['domain']\nencrypt = 'required'\nencrypt_to = ['dca']",
            "E(S[domain](S[delegated](C)))",
        ),
    ] {
        let share = sent(&a(rule), &message);
        assert_eq!(layers(&share), leaves);
        let read = received(&b(&format!("{CLEAR}\nverify = 'require'")), &octets(&share));
        assert_eq!(layers(&read), "C", "{:?}", read.warnings);
    }
}

/// The message that a list sends on: signed by its agent, with a history of one expansion.
fn through_a_list(message: &[u8]) -> Vec<u8> {
    let list = gateway("a.example", &[("domain", "mallory", "")], "");
    let identity = &list.roles.domain[0];
    let plan = SignerPlan {
        certificate: identity.certificate(),
        key: identity.key(),
        algorithm: SignerPlan::default_algorithm(identity.certificate().spki()).unwrap(),
        types: &[],
        type_oid: SignatureTypeOid::Registered,
        signing_time: Some(now()),
        capabilities: &[],
        attributes: &[HISTORY.to_vec()],
    };
    let sealer = Sealer {
        provider: list.provider,
        randomness: list.randomness,
        limits: &list.limits,
        spool: &Memory,
    };
    let payload = sealer.payload(&View::owned(message.to_vec())).unwrap();
    let signed = SignedDataPlan {
        signers: &[plan],
        certificates: &[identity.certificate().der()],
        detached: false,
    };
    let mut entity = Vec::new();
    sealer.sign(&payload, &signed, &mut entity).unwrap();
    [&*payload.outside, b"MIME-Version: 1.0\r\n", &entity].concat()
}

/// mlExpansionHistory with the expansion of one list (RFC 2634 §4.4): key identifier 01, one time.
const HISTORY: &[u8] =
    b"\x30\x27\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x02\x03\x31\x18\x30\x16\
    \x30\x14\x04\x01\x01\x18\x0f20260101000000Z";

#[test]
fn what_a_list_has_said_leaves_around_the_domain_signature() {
    let signed = sample("signed-opaque.eml");
    let inside = a(
        "sign = ['review']\nreview = 'automatic'\nencrypt = 'required'\n\
        encrypt_to = ['dca', 'own-dca']",
    );
    let encrypted = octets(&sent(&inside, &signed));
    let domain = "sign = ['domain']";
    let both = "sign = ['domain']\nencrypt = 'required'\nencrypt_to = ['dca']";
    for (message, rule, leaves) in [
        (&signed, domain, "S[ml](S[domain](S(C)))"),
        (&signed, both, "S[ml](E(S[domain](S(C))))"),
        (&encrypted, domain, "S[ml](S[domain](S[review](S(C))))"),
        (&encrypted, both, "S[ml](E(S[domain](S[review](S(C)))))"),
    ] {
        let share = sent(&a(rule), &through_a_list(message));
        assert_eq!(layers(&share), leaves);
        let message = octets(&share);
        let gateway = b("");
        let transaction = transaction(&message, ALICE, BOB, None);
        let arrival = gateway.open(&transaction, now(), &Memory);
        assert_eq!(arrival.content.layers.to_string(), leaves);
        assert_eq!(
            arrival.verdict.answer,
            Answer::Valid,
            "{:?}",
            arrival.verdict.reasons
        );
        let Kind::Signed(outermost) = &arrival.opened.root.kind else {
            panic!("{:?}", arrival.opened.root.kind);
        };
        let attributes = outermost.data.signers[0]
            .signed_attributes
            .as_ref()
            .unwrap();
        let history: Vec<&[u8]> = attributes
            .all(ML_EXPANSION_HISTORY)
            .map(|attribute| attribute.raw())
            .collect();
        assert_eq!(history, [HISTORY]);
    }
}

#[test]
fn an_encryption_further_down_demands_one_around_the_domain_signature() {
    let inside = a("sign = ['delegated']\nencrypt = 'required'\nencrypt_to = ['dca', 'own-dca']");
    let once = octets(&sent(&inside, &sample("unsigned.eml")));
    let outside = a(
        "sign = ['review']\nreview = 'automatic'\nencrypt = 'required'\n\
        encrypt_to = ['dca', 'own-dca']",
    );
    let twice = sent(&outside, &once);
    assert_eq!(layers(&twice), "E(S[review](E(S[delegated](C))))");
    let rule = "sign = ['domain']\nencrypt = 'ENCRYPT'\nencrypt_to = ['dca']";
    let leaves = "E(S[domain](S[review](E(S[delegated](C)))))";
    let share = sent(&a(&rule.replace("ENCRYPT", "if-possible")), &octets(&twice));
    assert_eq!(layers(&share), leaves);
    let share = sent(&a(&rule.replace("ENCRYPT", "never")), &octets(&twice));
    // Certificates are looked for where a rule encrypts; without one it does not leave at all.
    if let Fate::Deliver(edition) = &share.fate {
        assert_eq!(edition.layers.to_string(), leaves);
    }
}
