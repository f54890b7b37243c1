//! Signatures that verified are remembered: those on certificates and CRLs come again with every message.
//!
//! Whether a signature verifies depends on key, message and signature alone, so that a success holds for
//! ever. Failures are not kept: anybody can make as many as he likes.

use std::collections::HashSet;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::PoisonError;

use super::CryptoError;
use super::Digests;
use super::Message;
use super::SignatureAlgorithm;
use super::SignatureValid;
use super::SignatureVerification;
use super::sha256;

/// Verification that asks `inner` once for each signature that is good.
#[derive(Debug)]
pub struct Remembered {
    inner: &'static dyn SignatureVerification,
    digests: &'static dyn Digests,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    digests: HashSet<[u8; 32]>,
    order: VecDeque<[u8; 32]>,
}

impl Remembered {
    /// Signatures that are remembered, each in some 100 octets: more than a gateway's partners have CAs.
    pub const MOST: usize = 10_000;

    /// Nothing is known yet.
    #[must_use]
    pub fn new(inner: &'static dyn SignatureVerification, digests: &'static dyn Digests) -> Self {
        Self {
            inner,
            digests,
            known: Mutex::default(),
        }
    }

    /// SHA-256 of everything that the answer depends on; `None` for what cannot be told apart.
    fn key(
        &self,
        spki: &[u8],
        algorithm: &SignatureAlgorithm,
        message: Message<'_>,
        signature: &[u8],
    ) -> Option<[u8; 32]> {
        let (form, octets) = match message {
            Message::Octets(octets) => ("octets".to_owned(), octets),
            Message::Digest(digest, octets) => (format!("{digest:?}"), octets),
        };
        let algorithm = format!("{algorithm:?}");
        let parts = [
            spki,
            algorithm.as_bytes(),
            form.as_bytes(),
            octets,
            signature,
        ];
        sha256(self.digests, &parts)
    }
}

impl SignatureVerification for Remembered {
    fn verify(
        &self,
        spki: &[u8],
        algorithm: &SignatureAlgorithm,
        message: Message<'_>,
        signature: &[u8],
    ) -> Result<SignatureValid, CryptoError> {
        let key = self.key(spki, algorithm, message, signature);
        let lock = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if key.is_some_and(|key| lock().digests.contains(&key)) {
            return Ok(SignatureValid { _private: () });
        }
        let valid = self.inner.verify(spki, algorithm, message, signature)?;
        if let Some(key) = key {
            let mut known = lock();
            if known.digests.insert(key) {
                known.order.push_back(key);
            }
            if known.order.len() > Self::MOST
                && let Some(oldest) = known.order.pop_front()
            {
                known.digests.remove(&oldest);
            }
        }
        Ok(valid)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering;

    use super::*;

    /// Says yes to the signature 1, and counts how often it is asked.
    #[derive(Debug)]
    struct Counting(AtomicUsize);

    impl SignatureVerification for Counting {
        fn verify(
            &self,
            _: &[u8],
            _: &SignatureAlgorithm,
            _: Message<'_>,
            signature: &[u8],
        ) -> Result<SignatureValid, CryptoError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            if signature == [1] {
                Ok(SignatureValid { _private: () })
            } else {
                Err(CryptoError::Failed)
            }
        }
    }

    #[test]
    fn a_success_is_asked_for_once_and_a_failure_each_time() {
        let inner: &'static Counting = Box::leak(Box::new(Counting(AtomicUsize::new(0))));
        let remembered = Remembered::new(inner, crate::crypto::provider().digests);
        let ask = |spki: &[u8], message: &[u8], signature: &[u8]| {
            let algorithm = SignatureAlgorithm::Ed25519;
            remembered
                .verify(spki, &algorithm, Message::Octets(message), signature)
                .is_ok()
        };
        for _ in 0..3 {
            assert!(ask(b"key", b"message", &[1]));
        }
        assert_eq!(inner.0.load(Ordering::Relaxed), 1);
        for _ in 0..3 {
            assert!(!ask(b"key", b"message", &[2]));
        }
        assert_eq!(inner.0.load(Ordering::Relaxed), 4);
        // Where one part ends and the next begins counts.
        assert!(ask(b"keym", b"essage", &[1]));
        assert!(ask(b"other", b"message", &[1]));
        assert_eq!(inner.0.load(Ordering::Relaxed), 6);
    }
}
