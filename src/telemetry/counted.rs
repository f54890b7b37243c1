//! Keys that count what they are asked.

use std::fmt;
use std::sync::Arc;

use crate::crypto::CryptoError;
use crate::crypto::Message;
use crate::crypto::PrivateKey;
use crate::crypto::RsaEncryption;
use crate::crypto::Secret;
use crate::crypto::SignatureAlgorithm;
use crate::crypto::SignatureVerification;
use crate::gateway::roles::Roles;
use crate::gateway::site::Gateway;
use crate::telemetry::labels::KeyOperation;
use crate::telemetry::labels::KeyResult;
use crate::telemetry::metrics::Metrics;
use crate::x509::Identity;

/// A private key whose uses are counted.
pub struct CountedKey {
    /// The key.
    pub key: Arc<dyn PrivateKey>,
    /// Where they are counted.
    pub metrics: Metrics,
}

/// The same gateway, whose keys are counted.
#[must_use]
pub fn counted(gateway: Gateway, metrics: &Metrics) -> Gateway {
    let key = |identity: Identity| {
        identity.with_key(|key| {
            Arc::new(CountedKey {
                key,
                metrics: metrics.clone(),
            })
        })
    };
    let keys = |identities: Vec<Identity>| identities.into_iter().map(key).collect();
    let roles = gateway.roles;
    let users = roles.delegated.into_iter();
    Gateway {
        roles: Roles {
            domain: keys(roles.domain),
            reviewers: keys(roles.reviewers),
            attributes: keys(roles.attributes),
            delegated: users
                .map(|(user, identity)| (user, key(identity)))
                .collect(),
            dca: keys(roles.dca),
        },
        ..gateway
    }
}

impl CountedKey {
    fn counted<T>(
        &self,
        operation: KeyOperation,
        result: Result<T, CryptoError>,
    ) -> Result<T, CryptoError> {
        let word = match &result {
            Ok(_) => KeyResult::Done,
            Err(CryptoError::Unavailable) => KeyResult::Unavailable,
            Err(CryptoError::Failed | CryptoError::Malformed | CryptoError::Unsupported) => {
                KeyResult::Failed
            }
        };
        self.metrics.key_used(operation, word);
        result
    }
}

impl PrivateKey for CountedKey {
    fn spki(&self) -> &[u8] {
        self.key.spki()
    }

    fn sign(
        &self,
        algorithm: &SignatureAlgorithm,
        message: Message<'_>,
    ) -> Result<Vec<u8>, CryptoError> {
        self.counted(KeyOperation::Sign, self.key.sign(algorithm, message))
    }

    fn decrypt(&self, scheme: &RsaEncryption, ciphertext: &[u8]) -> Result<Secret, CryptoError> {
        self.counted(KeyOperation::Decrypt, self.key.decrypt(scheme, ciphertext))
    }

    fn agree(&self, peer: &[u8]) -> Result<Secret, CryptoError> {
        self.counted(KeyOperation::Agree, self.key.agree(peer))
    }

    fn own_verification(
        &self,
        algorithm: &SignatureAlgorithm,
    ) -> Option<&dyn SignatureVerification> {
        self.key.own_verification(algorithm)
    }
}

impl fmt::Debug for CountedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)
    }
}
