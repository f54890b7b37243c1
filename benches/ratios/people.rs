//! Who signs and who reads, from `certs/`, and what they write and read with.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use domsec::cms::attributes::SignatureTypeOid;
use domsec::cms::write_enveloped::Envelope;
use domsec::cms::write_recipient::KeyEncryption;
use domsec::cms::write_recipient::Recipient;
use domsec::cms::write_signed::SignedDataPlan;
use domsec::cms::write_signed::SignerPlan;
use domsec::crypto;
use domsec::crypto::ContentEncryption;
use domsec::crypto::SystemRandomness;
use domsec::gateway::judge::Judge;
use domsec::gateway::open::Opened;
use domsec::gateway::open::Opener;
use domsec::gateway::seal::Payload;
use domsec::gateway::seal::Sealer;
use domsec::limits::Budget;
use domsec::limits::Limits;
use domsec::octets::Memory;
use domsec::octets::View;
use domsec::pem;
use domsec::x509::Certificate;
use domsec::x509::Identities;
use domsec::x509::Identity;
use domsec::x509::SimplePaths;
use domsec::x509::Time;
use domsec::x509::path::Purpose;
use domsec::x509::path::RevocationMode;

/// 2027: all of `certs/` is valid.
const NOW: i64 = 1_800_000_000;

/// The people of `certs/`, and the bounds.
pub(crate) struct People {
    pub(crate) alice: Identity,
    pub(crate) carol: Identity,
    pub(crate) bob: Identities,
    pub(crate) root: Certificate,
    pub(crate) limits: Limits,
    paths: SimplePaths,
}

impl People {
    pub(crate) fn new() -> Self {
        let limits = Limits::default();
        let root = certificate("root");
        let verification = crypto::provider().verification;
        let paths = SimplePaths::new(vec![root.clone()], verification, &limits);
        Self {
            alice: identity("alice", vec![certificate("intermediate")]),
            carol: identity("carol", Vec::new()),
            bob: Identities(vec![identity("bob", Vec::new())]),
            root,
            limits,
            paths,
        }
    }

    pub(crate) fn sealer(&self) -> Sealer<'_> {
        Sealer {
            provider: crypto::provider(),
            randomness: &SystemRandomness,
            limits: &self.limits,
            spool: &Memory,
        }
    }

    /// Bob's.
    pub(crate) fn opener(&self) -> Opener<'_> {
        Opener {
            keys: &self.bob,
            provider: crypto::provider(),
            limits: &self.limits,
            spool: &Memory,
        }
    }

    pub(crate) fn judge(&self) -> Judge<'_> {
        Judge {
            paths: &self.paths,
            provider: crypto::provider(),
            limits: &self.limits,
            certificates: &[],
            crls: &[],
            at: Time::from_unix(NOW).expect("a time"),
            purpose: Purpose::Smime,
            revocation: RevocationMode::Prefer,
            from: None,
            former_names: &[],
        }
    }

    /// Opens and judges `message`; all signers must be good.
    pub(crate) fn verify(&self, message: &View) -> Opened {
        let mut budget = Budget::new(&self.limits);
        let opened = self.opener().open(message, &mut budget);
        let judgement = self.judge().judge(&opened, &mut budget);
        let signers = judgement.layers.iter().flat_map(|layer| &layer.signers);
        let mut good = 0;
        for signer in signers {
            assert!(signer.signature.is_ok(), "{:?}", signer.signature);
            good += 1;
        }
        assert!(good > 0, "no signature in {}", opened.root.layers());
        drop(judgement);
        opened
    }

    /// `message` taken apart, signed and put together again.
    pub(crate) fn signed(&self, message: &View, by: &Identity, detached: bool) -> View {
        let payload = self.payload(message);
        let mut signed = outside(&payload);
        self.sign(&payload, by, detached, &mut signed);
        View::owned(signed)
    }

    /// The same, encrypted to Bob.
    pub(crate) fn encrypted(&self, message: &View, cipher: ContentEncryption) -> View {
        let payload = self.payload(message);
        let mut encrypted = outside(&payload);
        let envelope = Envelope::new(cipher, vec![self.to_bob(cipher)]);
        self.sealer()
            .encrypt(&payload.inside, &envelope, &mut encrypted)
            .expect("encrypts");
        View::owned(encrypted)
    }

    pub(crate) fn payload(&self, message: &View) -> Payload {
        self.sealer().payload(message).expect("a message")
    }

    pub(crate) fn sign(
        &self,
        payload: &Payload,
        by: &Identity,
        detached: bool,
        sink: &mut dyn std::io::Write,
    ) {
        let certificate = by.certificate();
        let signers = [SignerPlan {
            certificate,
            key: by.key(),
            algorithm: SignerPlan::default_algorithm(certificate.spki()).expect("signs"),
            types: &[],
            type_oid: SignatureTypeOid::Registered,
            signing_time: Time::from_unix(NOW),
            capabilities: &[],
            attributes: &[],
        }];
        let chain = std::iter::once(certificate).chain(by.chain());
        let certificates: Vec<&[u8]> = chain.map(Certificate::der).collect();
        let plan = SignedDataPlan {
            signers: &signers,
            certificates: &certificates,
            detached,
        };
        self.sealer().sign(payload, &plan, sink).expect("signs");
    }

    pub(crate) fn to_bob(&self, cipher: ContentEncryption) -> Recipient {
        let [bob] = self.bob.0.as_slice() else {
            panic!("one Bob");
        };
        let certificate = bob.certificate();
        Recipient {
            issuer: certificate.issuer().to_vec(),
            serial: certificate.serial().to_vec(),
            spki: certificate.spki().to_vec(),
            key_encryption: KeyEncryption::for_key(certificate.spki(), cipher).expect("encrypts"),
        }
    }
}

/// A message of Alice's to Bob in transit form: `octets` of text, or a line more.
pub(crate) fn message(octets: usize) -> View {
    let mut message = b"From: alice@a.example\r\nTo: bob@b.example\r\nSubject: a bench\r\n\
        MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
        .to_vec();
    message.reserve_exact(octets + 80);
    let end = message.len() + octets;
    let mut line = 0_u32;
    while message.len() < end {
        message.extend_from_slice(format!("{line:>10} ").as_bytes());
        message.extend_from_slice(&[b'a'; 61]);
        message.extend_from_slice(b"\r\n");
        line += 1;
    }
    View::owned(message)
}

fn outside(payload: &Payload) -> Vec<u8> {
    [payload.outside.as_slice(), b"MIME-Version: 1.0\r\n"].concat()
}

fn identity(name: &str, chain: Vec<Certificate>) -> Identity {
    let blocks = pem::blocks(&file(name, "key"), |_| true).expect("PEM");
    let pkcs8 = &blocks.first().expect("a key").octets;
    let key = crypto::provider().private_keys.read(pkcs8).expect("a key");
    Identity::new(certificate(name), chain, Arc::from(key)).expect("the certificate's key")
}

pub(crate) fn certificate(name: &str) -> Certificate {
    let blocks = pem::blocks(&file(name, "pem"), |_| true).expect("PEM");
    Certificate::parse(&blocks.first().expect("a certificate").octets).expect("a certificate")
}

fn file(name: &str, ending: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("certs");
    fs::read(folder.join(format!("{name}.{ending}"))).expect("certs/")
}
