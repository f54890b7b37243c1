//! Our own certificates with their private keys.

use std::fmt;
use std::sync::Arc;

use super::certificate::Certificate;
use crate::crypto::KeyName;
use crate::crypto::Keys;
use crate::crypto::PrivateKey;
use crate::crypto::oids;
use crate::tlv::only;
use crate::tlv::tag;

/// A certificate, what leads from it to an anchor, and its private key.
#[derive(Clone)]
pub struct Identity {
    certificate: Certificate,
    chain: Vec<Certificate>,
    key: Arc<dyn PrivateKey>,
}

/// A private key that does not belong to the certificate beside it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("private key is not that of the certificate of {subject}")]
pub struct IdentityError {
    /// The certificate's subject.
    pub subject: String,
}

impl Identity {
    /// Fails when `key` is not the private half of the certificate's key.
    ///
    /// `chain` are the certificates that go out with signatures, the issuer first.
    pub fn new(
        certificate: Certificate,
        chain: Vec<Certificate>,
        key: Arc<dyn PrivateKey>,
    ) -> Result<Self, IdentityError> {
        if !is_same_key(certificate.spki(), key.spki()) {
            return Err(IdentityError {
                subject: certificate.subject_name().to_owned(),
            });
        }
        Ok(Self {
            certificate,
            chain,
            key,
        })
    }

    /// The same with what `around` makes of its key, which must use that key: one that counts, say.
    #[must_use]
    pub fn with_key(
        mut self,
        around: impl FnOnce(Arc<dyn PrivateKey>) -> Arc<dyn PrivateKey>,
    ) -> Self {
        self.key = around(self.key);
        self
    }

    /// The same with the certificates of `more` that lead on from the end of its chain, by name: readers
    /// who know the anchor alone can then build the path. What is an anchor to them is sent along too
    /// where `more` has it; nobody believes it for that.
    #[must_use]
    pub fn completed(mut self, more: &[Certificate]) -> Self {
        loop {
            let last = self.chain.last().unwrap_or(&self.certificate);
            let above = |one: &&Certificate| {
                one.folded_subject() == last.folded_issuer() && !last.is_self_issued()
            };
            let known = |one: &Certificate| one == &self.certificate || self.chain.contains(one);
            match more.iter().find(above) {
                Some(issuer) if !known(issuer) => self.chain.push(issuer.clone()),
                Some(_) | None => return self,
            }
        }
    }

    /// The certificate.
    #[must_use]
    pub const fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The certificates above it, the issuer first.
    #[must_use]
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// The private key.
    #[must_use]
    pub fn key(&self) -> &dyn PrivateKey {
        &*self.key
    }

    /// Whether a message that names its key so means this one.
    ///
    /// Where the certificate has no subjectKeyIdentifier, the SHA-1 of the key stands for it
    /// (RFC 5280 §4.2.1.2, method 1).
    #[must_use]
    pub fn is_named(&self, name: KeyName<'_>) -> bool {
        self.certificate.is_named(name)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

/// All of our identities.
#[derive(Clone, Debug, Default)]
pub struct Identities(pub Vec<Identity>);

impl Identities {
    /// The identity that a message names.
    #[must_use]
    pub fn find_identity(&self, name: KeyName<'_>) -> Option<&Identity> {
        self.0.iter().find(|identity| identity.is_named(name))
    }
}

impl Keys for Identities {
    fn find(&self, name: KeyName<'_>) -> Option<&dyn PrivateKey> {
        self.find_identity(name).map(Identity::key)
    }
}

/// Whether two SubjectPublicKeyInfos are one key. RSA keys may be held under another of their
/// identifiers (RFC 4055 §1.2); parameters may be absent on one side, as NULL and inherited DSA are.
fn is_same_key(left: &[u8], right: &[u8]) -> bool {
    let is_rsa = |oid: &[u8]| {
        [oids::RSA_ENCRYPTION, oids::RSASSA_PSS, oids::RSAES_OAEP]
            .iter()
            .any(|rsa| rsa.as_bytes() == oid)
    };
    let (Some(left), Some(right)) = (KeyParts::of(left), KeyParts::of(right)) else {
        return false;
    };
    let both_rsa = is_rsa(left.oid) && is_rsa(right.oid);
    let same_algorithm = left.oid == right.oid
        && (left.parameters == right.parameters
            || left.parameters.is_empty()
            || right.parameters.is_empty());
    left.key == right.key && (both_rsa || same_algorithm)
}

struct KeyParts<'a> {
    oid: &'a [u8],
    parameters: &'a [u8],
    key: &'a [u8],
}

impl<'a> KeyParts<'a> {
    fn of(spki: &'a [u8]) -> Option<Self> {
        let mut fields = only(spki, tag::SEQUENCE).ok()?.reader();
        let algorithm = fields.expect(tag::SEQUENCE).ok()?;
        let key = fields.expect(tag::BIT_STRING).ok()?;
        let oid = algorithm.reader().expect(tag::OBJECT_IDENTIFIER).ok()?;
        Some(Self {
            oid: oid.content,
            parameters: algorithm.content.strip_prefix(oid.raw)?,
            key: key.content,
        })
    }
}
