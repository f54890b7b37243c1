//! Digests: all but SHA-512/224.

use aws_lc_rs::digest;

use super::AwsLc;
use crate::crypto::CryptoError;
use crate::crypto::DigestAlgorithm;
use crate::crypto::Digester;
use crate::crypto::Digests;
use crate::crypto::Message;

impl Digests for AwsLc {
    fn start(&self, algorithm: DigestAlgorithm) -> Result<Box<dyn Digester>, CryptoError> {
        Ok(Box::new(Running(digest::Context::new(named(algorithm)?))))
    }
}

struct Running(digest::Context);

impl Digester for Running {
    fn update(&mut self, octets: &[u8]) {
        self.0.update(octets);
    }

    fn finish(self: Box<Self>) -> Vec<u8> {
        self.0.finish().as_ref().to_vec()
    }
}

/// aws-lc-rs' own name for `algorithm`.
pub(super) fn named(algorithm: DigestAlgorithm) -> Result<&'static digest::Algorithm, CryptoError> {
    match algorithm {
        DigestAlgorithm::Sha1 => Ok(&digest::SHA1_FOR_LEGACY_USE_ONLY),
        DigestAlgorithm::Sha224 => Ok(&digest::SHA224),
        DigestAlgorithm::Sha256 => Ok(&digest::SHA256),
        DigestAlgorithm::Sha384 => Ok(&digest::SHA384),
        DigestAlgorithm::Sha512 => Ok(&digest::SHA512),
        DigestAlgorithm::Sha512_256 => Ok(&digest::SHA512_256),
        DigestAlgorithm::Sha512_224 => Err(CryptoError::Unsupported),
    }
}

/// The digest in `message`, or that of its octets.
///
/// `Malformed` when it is one by another algorithm than `algorithm`, or of another length.
pub(super) fn of(
    message: Message<'_>,
    algorithm: DigestAlgorithm,
) -> Result<digest::Digest, CryptoError> {
    let named = named(algorithm)?;
    match message {
        Message::Octets(octets) => Ok(digest::digest(named, octets)),
        Message::Digest(made_by, octets) if made_by == algorithm => {
            digest::Digest::import_less_safe(octets, named).map_err(super::malformed)
        }
        Message::Digest(..) => Err(CryptoError::Malformed),
    }
}
