//! Digests: all of them.

use digest::Digest;
use sha1::Sha1;
use sha2::Sha224;
use sha2::Sha256;
use sha2::Sha384;
use sha2::Sha512;
use sha2::Sha512_224;
use sha2::Sha512_256;

use super::RustCrypto;
use crate::crypto::CryptoError;
use crate::crypto::DigestAlgorithm;
use crate::crypto::Digester;
use crate::crypto::Digests;
use crate::crypto::Message;

impl Digests for RustCrypto {
    fn start(&self, algorithm: DigestAlgorithm) -> Result<Box<dyn Digester>, CryptoError> {
        Ok(match algorithm {
            DigestAlgorithm::Sha1 => Box::new(Running(Sha1::new())),
            DigestAlgorithm::Sha224 => Box::new(Running(Sha224::new())),
            DigestAlgorithm::Sha256 => Box::new(Running(Sha256::new())),
            DigestAlgorithm::Sha384 => Box::new(Running(Sha384::new())),
            DigestAlgorithm::Sha512 => Box::new(Running(Sha512::new())),
            DigestAlgorithm::Sha512_224 => Box::new(Running(Sha512_224::new())),
            DigestAlgorithm::Sha512_256 => Box::new(Running(Sha512_256::new())),
        })
    }
}

struct Running<D>(D);

impl<D: Digest + Send> Digester for Running<D> {
    fn update(&mut self, octets: &[u8]) {
        self.0.update(octets);
    }

    fn finish(self: Box<Self>) -> Vec<u8> {
        self.0.finalize().to_vec()
    }
}

/// The digest in `message`, or that of its octets.
///
/// `Malformed` when it is one by another algorithm than `algorithm`, or of another length.
pub(super) fn of(message: Message<'_>, algorithm: DigestAlgorithm) -> Result<Vec<u8>, CryptoError> {
    match message {
        Message::Octets(octets) => {
            let mut digester = RustCrypto.start(algorithm)?;
            digester.update(octets);
            Ok(digester.finish())
        }
        Message::Digest(made_by, octets)
            if made_by == algorithm && octets.len() == algorithm.output_octets() =>
        {
            Ok(octets.to_vec())
        }
        Message::Digest(..) => Err(CryptoError::Malformed),
    }
}
