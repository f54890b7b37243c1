//! Keys and a provider for the targets: all is counted, and nothing left to chance.
//!
//! The keys are those of the throw-away PKI in `certs/`.

use std::cell::Cell;
use std::sync::LazyLock;
use std::sync::OnceLock;

use domsec::crypto;
use domsec::crypto::CryptoError;
use domsec::crypto::KeyName;
use domsec::crypto::Keys;
use domsec::crypto::Message;
use domsec::crypto::PrivateKey;
use domsec::crypto::Provider;
use domsec::crypto::Randomness;
use domsec::crypto::RsaEncryption;
use domsec::crypto::Secret;
use domsec::crypto::SignatureAlgorithm;
use domsec::crypto::SignatureValid;
use domsec::crypto::SignatureVerification;
use domsec::crypto::private_key_file;
use domsec::limits::Limits;
use domsec::x509::Certificate;
use domsec::x509::pem;

thread_local! {
    /// Public-key operations, since it was set to 0.
    pub(crate) static OPERATIONS: Cell<usize> = const { Cell::new(0) };
}

fn count_operation() {
    OPERATIONS.set(OPERATIONS.get() + 1);
}

/// The gateway's own provider, with its operations counted and nothing left to chance.
pub(crate) static PROVIDER: LazyLock<Provider> = LazyLock::new(|| Provider {
    verification: &COUNTED,
    randomness: &Same,
    ..*crypto::provider()
});

pub(crate) static COUNTED: Counted = Counted;

/// Verification that is counted.
#[derive(Debug)]
pub(crate) struct Counted;

impl SignatureVerification for Counted {
    fn verify(
        &self,
        spki: &[u8],
        algorithm: &SignatureAlgorithm,
        message: Message<'_>,
        signature: &[u8],
    ) -> Result<SignatureValid, CryptoError> {
        count_operation();
        let verification = crypto::provider().verification;
        verification.verify(spki, algorithm, message, signature)
    }
}

/// Randomness that is the same in every run.
#[derive(Debug)]
struct Same;

impl Randomness for Same {
    fn fill(&self, octets: &mut [u8]) -> Result<(), CryptoError> {
        octets.fill(7);
        Ok(())
    }
}

/// Somebody of the throw-away PKI in `certs/`.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) certificate: Certificate,
    key: Box<dyn PrivateKey>,
}

/// One person for every kind of key that opens an envelope.
pub(crate) fn people() -> &'static [Person] {
    static PEOPLE: OnceLock<Vec<Person>> = OnceLock::new();
    PEOPLE.get_or_init(|| {
        let files = [
            (
                include_str!("../../certs/bob.pem"),
                include_str!("../../certs/bob.key"),
            ),
            (
                include_str!("../../certs/carol.pem"),
                include_str!("../../certs/carol.key"),
            ),
            (
                include_str!("../../certs/erin.pem"),
                include_str!("../../certs/erin.key"),
            ),
            (
                include_str!("../../certs/frank.pem"),
                include_str!("../../certs/frank.key"),
            ),
            (
                include_str!("../../certs/grace.pem"),
                include_str!("../../certs/grace.key"),
            ),
        ];
        let limits = Limits::default();
        files
            .map(|(certificate, key)| {
                let certificates = pem::certificates(certificate.as_bytes(), &limits);
                let keys = private_key_file::read(key.as_bytes(), None, &limits);
                let pkcs8 = keys.expect("the sample key is PEM").remove(0);
                let reader = crypto::provider().private_keys;
                Person {
                    certificate: certificates.expect("the sample is PEM").remove(0),
                    key: reader.read(&pkcs8).expect("the sample key is PKCS#8"),
                }
            })
            .into()
    })
}

/// Everyone's keys under their own names, and under every other name one of them.
#[derive(Debug)]
pub(crate) struct Ring;

impl Keys for Ring {
    fn find(&self, name: KeyName<'_>) -> Option<&dyn PrivateKey> {
        let people = people();
        let (KeyName::IssuerAndSerialNumber(_, identifier)
        | KeyName::SubjectKeyIdentifier(identifier)) = name;
        let own = people.iter().find(|person| match name {
            KeyName::IssuerAndSerialNumber(issuer, serial) => {
                person.certificate.issuer() == issuer && person.certificate.serial() == serial
            }
            KeyName::SubjectKeyIdentifier(identifier) => {
                person.certificate.key_identifier() == identifier
            }
        });
        let last = usize::from(identifier.last().copied().unwrap_or_default());
        let person = own.or_else(|| people.get(last % people.len()))?;
        Some(person)
    }
}

impl PrivateKey for Person {
    fn spki(&self) -> &[u8] {
        self.key.spki()
    }

    fn sign(
        &self,
        algorithm: &SignatureAlgorithm,
        message: Message<'_>,
    ) -> Result<Vec<u8>, CryptoError> {
        count_operation();
        self.key.sign(algorithm, message)
    }

    fn decrypt(&self, scheme: &RsaEncryption, ciphertext: &[u8]) -> Result<Secret, CryptoError> {
        count_operation();
        self.key.decrypt(scheme, ciphertext)
    }

    fn agree(&self, peer: &[u8]) -> Result<Secret, CryptoError> {
        count_operation();
        self.key.agree(peer)
    }
}
