//! Makes messages with the layers that a notation names, and sends them through a gateway.

use std::path::Path;
use std::pin::pin;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;
use std::time::Duration;

use domsec::cms::attributes::SignatureTypeOid;
use domsec::cms::compressed_data;
use domsec::cms::write_enveloped::Envelope;
use domsec::cms::write_signed::SignedDataPlan;
use domsec::cms::write_signed::SignerPlan;
use domsec::config::Config;
use domsec::config::build;
use domsec::crypto::ContentEncryption;
use domsec::crypto::provider;
use domsec::gateway::choose;
use domsec::gateway::outcome::Edition;
use domsec::gateway::outcome::Fate;
use domsec::gateway::outcome::Outcome;
use domsec::gateway::seal::Payload;
use domsec::gateway::seal::Sealer;
use domsec::gateway::site::Gateway;
use domsec::gateway::transaction::Transaction;
use domsec::keystore::files;
use domsec::limits::Limits;
use domsec::notation::Layer;
use domsec::notation::Layers;
use domsec::notation::Marks;
use domsec::notation::SignatureType;
use domsec::octets::Memory;
use domsec::octets::View;
use domsec::policy::Policy;
use domsec::policy::facts::Session;
use domsec::tlv::element;
use domsec::tlv::tag;
use domsec::x509::Identity;
use domsec::x509::Time;

/// The innermost entity. Its lines are in transit form, so that nothing needs to change them.
pub(crate) const CONTENT: &str = "Content-Type: text/plain; charset=us-ascii\r\n\r\n\
    Bob,\r\n\r\nthe figures for September are 17 and 4.\r\n\r\nAlice\r\n";

/// What stands around it where it is a message.
pub(crate) const FIELDS: &str = "From: Alice <alice@a.example>\r\nTo: Bob <bob@b.example>\r\n\
    Subject: Figures\r\nDate: Thu, 01 Oct 2026 09:00:00 +0000\r\n\
    Message-ID: <figures@a.example>\r\nMIME-Version: 1.0\r\n";

/// When everything here happens, in seconds since 1970: an hour after it was written.
pub(crate) const NOW: i64 = 1_790_848_800;

/// How the signatures of an arriving message stand to what they sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// multipart/signed, wherever it may be.
    Detached,
    /// application/pkcs7-mime.
    Opaque,
}

/// A message that is made to arrive.
#[derive(Debug)]
pub(crate) struct Made {
    /// The entity of each layer, the outermost first; the last is the content, or an E that no key
    /// of the gateway opens.
    pub(crate) entities: Vec<Vec<u8>>,
}

impl Made {
    pub(crate) fn message(&self) -> Vec<u8> {
        [FIELDS.as_bytes(), &self.entities[0]].concat()
    }
}

/// Who makes the layers.
#[derive(Debug)]
pub(crate) struct People {
    alice: Identity,
    attributes: Identity,
    delegated: Identity,
    domain: Identity,
    /// The agent of a mailing list, in another domain.
    pub(crate) list: Identity,
    /// Another agent of the same list.
    pub(crate) second_list: Identity,
    reviewer: Identity,
    /// Ours, and so opened.
    dca: Identity,
    /// Of b.example.
    reader: Identity,
    limits: Limits,
}

impl People {
    pub(crate) fn new() -> Self {
        Self {
            alice: identity("alice"),
            attributes: identity("attributes-a"),
            delegated: identity("delegated-alice"),
            domain: identity("domain-a"),
            list: identity("carol"),
            second_list: identity("frank"),
            reviewer: identity("reviewer-a"),
            dca: identity("dca-a"),
            reader: identity("bob"),
            limits: Limits::default(),
        }
    }

    pub(crate) fn made(&self, layers: &Layers, form: Form) -> Made {
        let mut entities = vec![CONTENT.as_bytes().to_vec()];
        for (index, layer) in layers.iter().enumerate().rev() {
            let inside = entities.last().unwrap();
            let made = match layer {
                Layer::Content => continue,
                Layer::Compressed => compressed(inside),
                Layer::Enveloped => {
                    let last = index + 1 == layers.as_slice().len();
                    let reader = if last { &self.reader } else { &self.dca };
                    self.encrypted(inside, reader, cipher(&layers.as_slice()[index + 1..]))
                }
                Layer::Signed(marks) => self.signed(inside, marks, index, form),
            };
            entities.push(made);
        }
        // Nobody sees what is inside an E that no key opens.
        let closed = layers.as_slice().last() == Some(&Layer::Enveloped);
        entities.drain(..usize::from(closed));
        entities.reverse();
        Made { entities }
    }

    fn signed(&self, inside: &[u8], marks: Marks, index: usize, form: Form) -> Vec<u8> {
        let types: Vec<SignatureType> = marks.signature_types().collect();
        let attributes = if marks.contains(Marks::ML) {
            vec![history(index), label(index)]
        } else {
            Vec::new()
        };
        let signer = match types.first() {
            Some(SignatureType::AdditionalAttributes) => &self.attributes,
            Some(SignatureType::Delegated) => &self.delegated,
            Some(SignatureType::Domain) => &self.domain,
            Some(SignatureType::Review) => &self.reviewer,
            Some(SignatureType::Originator) => &self.alice,
            None if marks.contains(Marks::ML) => &self.list,
            None => &self.alice,
        };
        let must_encapsulate = types.iter().any(|kind| kind.must_encapsulate());
        let signers = [(signer, attributes)];
        let empty = marks.contains(Marks::EMPTY);
        let signers = if empty { &[][..] } else { &signers };
        let form = if empty || must_encapsulate {
            Form::Opaque
        } else {
            form
        };
        self.signed_by(inside, signers, &types, form)
    }

    /// A layer with these signers, each with attributes of its own.
    pub(crate) fn signed_by(
        &self,
        inside: &[u8],
        signers: &[(&Identity, Vec<Vec<u8>>)],
        types: &[SignatureType],
        form: Form,
    ) -> Vec<u8> {
        self.signed_with(inside, signers, (types, &[]), form)
    }

    /// The same, with certificates of others that come along.
    pub(crate) fn signed_with(
        &self,
        inside: &[u8],
        signers: &[(&Identity, Vec<Vec<u8>>)],
        (types, others): (&[SignatureType], &[&Identity]),
        form: Form,
    ) -> Vec<u8> {
        let now = Time::from_unix(NOW);
        let plans: Vec<SignerPlan<'_>> = signers
            .iter()
            .map(|(identity, attributes)| SignerPlan {
                certificate: identity.certificate(),
                key: identity.key(),
                algorithm: SignerPlan::default_algorithm(identity.certificate().spki()).unwrap(),
                types,
                type_oid: SignatureTypeOid::Registered,
                signing_time: now,
                capabilities: &[],
                attributes,
            })
            .collect();
        let identities = signers.iter().map(|(identity, _)| *identity);
        let certificates: Vec<&[u8]> = identities
            .chain(others.iter().copied())
            .map(|identity| identity.certificate().der())
            .collect();
        let plan = SignedDataPlan {
            signers: &plans,
            certificates: &certificates,
            detached: form == Form::Detached,
        };
        let payload = Payload {
            outside: Vec::new(),
            inside: View::owned(inside.to_vec()),
            left: None,
        };
        let mut out = Vec::new();
        self.sealer().sign(&payload, &plan, &mut out).unwrap();
        out
    }

    pub(crate) fn encrypted(
        &self,
        inside: &[u8],
        reader: &Identity,
        cipher: ContentEncryption,
    ) -> Vec<u8> {
        let readers = [choose::Reader::new(reader.certificate(), None)];
        let envelope = Envelope {
            cipher,
            ..choose::envelope(&readers, None, None).unwrap()
        };
        let mut out = Vec::new();
        let inside = View::owned(inside.to_vec());
        self.sealer().encrypt(&inside, &envelope, &mut out).unwrap();
        out
    }

    fn sealer(&self) -> Sealer<'_> {
        Sealer {
            provider: provider(),
            randomness: provider().randomness,
            limits: &self.limits,
            spool: &Memory,
        }
    }
}

/// How `inside` is encrypted. CBC right inside of which nobody signed is not opened (DESIGN, decision 4).
fn cipher(inside: &[Layer]) -> ContentEncryption {
    let mut inside = inside.iter().filter(|layer| **layer != Layer::Compressed);
    match inside.next() {
        Some(Layer::Signed(marks)) if *marks != Marks::EMPTY => ContentEncryption::Aes256Cbc,
        _ => ContentEncryption::Aes256Gcm,
    }
}

fn compressed(inside: &[u8]) -> Vec<u8> {
    let mut der = Vec::new();
    compressed_data::compress(&View::owned(inside.to_vec()), &mut der).unwrap();
    let body = base64_simd::STANDARD.encode_to_string(der);
    let lines: Vec<&str> = body
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "Content-Type: application/pkcs7-mime; smime-type=compressed-data;\r\n name=smime.p7z\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}\r\n",
        lines.join("\r\n")
    )
    .into_bytes()
}

/// A mlExpansionHistory attribute (RFC 2634 §4.4), another for each `number`.
pub(crate) fn history(number: usize) -> Vec<u8> {
    let number = u8::try_from(number).unwrap();
    let list = element(tag::OCTET_STRING, &[&[number; 20]]);
    let time = element(tag::GENERALIZED_TIME, &[b"20261001090000Z"]);
    let data = element(tag::SEQUENCE, &[&list, &time]);
    attribute(3, &element(tag::SEQUENCE, &[&data]))
}

/// An eSSSecurityLabel attribute (RFC 2634 §3.2), another for each `number`.
pub(crate) fn label(number: usize) -> Vec<u8> {
    let number = u8::try_from(number).unwrap();
    // 1.3.6.1.4.1.99999.1
    let policy = [0x2b, 6, 1, 4, 1, 0x86, 0x8d, 0x1f, 1];
    let policy = element(tag::OBJECT_IDENTIFIER, &[&policy]);
    let classification = element(tag::INTEGER, &[&[number]]);
    attribute(2, &element(tag::SET, &[&classification, &policy]))
}

/// An attribute of the arc id-aa (RFC 2634).
pub(crate) fn attribute(number: u8, value: &[u8]) -> Vec<u8> {
    // 1.2.840.113549.1.9.16.2
    let mut oid = vec![0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 2];
    oid.push(number);
    let oid = element(tag::OBJECT_IDENTIFIER, &[&oid]);
    let values = element(tag::SET, &[value]);
    element(tag::SEQUENCE, &[&oid, &values])
}

pub(crate) fn certs() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/certs"))
}

pub(crate) fn identity(name: &str) -> Identity {
    let file = |ending| certs().join(format!("{name}.{ending}"));
    files::pair(&file("key"), &file("pem"), None, &Limits::default()).unwrap()
}

/// The gateway of `certs/demo/NAME` with the policy `policy`.
pub(crate) fn gateway(name: &str, policy: &str) -> Gateway {
    let file = certs().join("demo").join(name).join("domsec.toml");
    let mut gateway = build::gateway(&Config::read(&file).unwrap()).unwrap();
    gateway.policy = Policy::parse(policy, "policy of a test").unwrap();
    gateway
}

/// What came encrypted is sent on only where its originator has signed inside.
pub(crate) const SIGNED_INSIDE: &str = "require_signed_inside = true\n";

/// A policy of one rule, in which `more` stands besides.
pub(crate) fn policy(sign: &[SignatureType], encrypt: bool, more: &str) -> String {
    let mut text = format!("[[rule]]\nname = \"all\"\nwhen = \"true\"\n{more}");
    if !sign.is_empty() {
        let names: Vec<&str> = sign.iter().map(|kind| kind.as_str()).collect();
        text += &format!("sign = {names:?}\n");
    }
    if sign.contains(&SignatureType::Review) {
        text += "review = \"automatic\"\n";
    }
    if sign.contains(&SignatureType::AdditionalAttributes) {
        text += "attributes = \"label\"\n";
    }
    if encrypt {
        text += "encrypt = \"required\"\n";
    }
    if encrypt && sign.is_empty() {
        text += "encrypt_alone = true\n";
    }
    if sign.contains(&SignatureType::AdditionalAttributes) {
        text += "[attributes.label]\nsecurity_label = { policy = \"1.3.6.1.4.1.99999.1\", \
                 classification = \"restricted\" }\n";
    }
    if more.contains(BINARY_INSIDE) {
        text += "[profile.binary]\ninside = \"binary\"\n";
    }
    text
}

/// For `more` of [`policy`]: layers within an encryption are not in base64.
pub(crate) const BINARY_INSIDE: &str = "profile = \"binary\"\n";

/// Sends a message of alice's, who is logged in, to bob.
pub(crate) fn send(gateway: &Gateway, message: &[u8]) -> Outcome {
    let session = Session {
        login: Some("alice".to_owned()),
        ..Session::default()
    };
    process(gateway, message, "alice@a.example", session)
}

/// The same of a stranger who says that he is alice.
pub(crate) fn arrive(gateway: &Gateway, message: &[u8], sender: &str) -> Outcome {
    process(gateway, message, sender, Session::default())
}

/// A message from `sender` to bob.
pub(crate) fn transaction(message: View, sender: &str, session: Session) -> Transaction {
    Transaction {
        mail_from: Some(sender.parse().unwrap()),
        recipients: vec!["bob@b.example".parse().unwrap()],
        session,
        direction: None,
        message,
        waited: Duration::ZERO,
    }
}

pub(crate) fn process(
    gateway: &Gateway,
    message: &[u8],
    sender: &str,
    session: Session,
) -> Outcome {
    let transaction = transaction(View::owned(message.to_vec()), sender, session);
    let now = Time::from_unix(NOW).unwrap();
    let mut processed = pin!(gateway.process(&transaction, now, &Memory));
    // Files in a directory answer at once.
    match processed
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("a directory of files that does not answer"),
    }
}

/// The one edition of an outcome; else what it is instead.
pub(crate) fn edition(outcome: &Outcome) -> Result<&Edition, String> {
    match outcome.shares.as_slice() {
        [share] => match &share.fate {
            Fate::Deliver(edition) => Ok(edition),
            other => Err(format!("{other:?}, {:?}", share.reasons)),
        },
        several => Err(format!("{} shares", several.len())),
    }
}

pub(crate) fn octets(view: &View) -> Vec<u8> {
    view.to_vec(usize::MAX).unwrap().unwrap()
}

/// What follows the header.
pub(crate) fn body(entity: &[u8]) -> &[u8] {
    let at = entity.windows(4).position(|four| four == b"\r\n\r\n");
    &entity[at.expect("an entity with an empty line") + 4..]
}

/// Whether an entity is [`CONTENT`]. Where its Subject is hidden outside and the content was not signed,
/// that stands in front for readers who cannot restore it, and a parameter says so (RFC 9788 §5.2.2).
pub(crate) fn is_content(entity: &[u8]) -> bool {
    let marked = entity
        .windows(LEGACY_DISPLAY.len())
        .any(|octets| octets == LEGACY_DISPLAY);
    let hidden: &[u8] = if marked {
        b"Subject: Figures\r\n\r\n"
    } else {
        b""
    };
    [hidden, body(CONTENT.as_bytes())].concat() == body(entity)
}

const LEGACY_DISPLAY: &[u8] = b"hp-legacy-display=\"1\"";
