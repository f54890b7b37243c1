//! Keys and sources of certificates that count what they are asked.

use std::fmt;
use std::sync::Arc;

use tokio::time::Instant;

use crate::crypto::CryptoError;
use crate::crypto::Message;
use crate::crypto::PrivateKey;
use crate::crypto::RsaEncryption;
use crate::crypto::Secret;
use crate::crypto::SignatureAlgorithm;
use crate::crypto::SignatureVerification;
use crate::gateway::certificates::Answer;
use crate::gateway::certificates::Certificates;
use crate::gateway::certificates::Subject;
use crate::gateway::certificates::Unavailable;
use crate::gateway::roles::Roles;
use crate::gateway::site::Gateway;
use crate::policy::facts::LookupResult;
use crate::policy::facts::LookupSource;
use crate::telemetry::labels::KeyOperation;
use crate::telemetry::labels::KeyResult;
use crate::telemetry::metrics::Metrics;
use crate::x509::Certificate;
use crate::x509::Identity;

/// A private key whose uses are counted.
pub struct CountedKey {
    /// The key.
    pub key: Arc<dyn PrivateKey>,
    /// Where they are counted.
    pub metrics: Metrics,
}

/// A source of certificates whose answers are counted.
///
/// *Invalid* is not among them: a source says what is published, and the gateway judges it.
#[derive(Debug)]
pub struct CountedSource<S> {
    /// The source.
    pub source: S,
    /// Its name.
    pub name: LookupSource,
    /// Where they are counted.
    pub metrics: Metrics,
}

/// The same gateway, whose keys and source of certificates are counted.
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
        certificates: Box::new(CountedSource {
            source: gateway.certificates,
            name: LookupSource::Directory,
            metrics: metrics.clone(),
        }),
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

impl<S: Certificates> Certificates for CountedSource<S> {
    fn find<'a>(
        &'a self,
        subject: Subject<'a>,
    ) -> Answer<'a, Result<Vec<Certificate>, Unavailable>> {
        Box::pin(async move {
            let asked = Instant::now();
            let answer = self.source.find(subject).await;
            let result = match &answer {
                Ok(found) if found.is_empty() => LookupResult::Absent,
                Ok(_) => LookupResult::Found,
                Err(_) => LookupResult::Unavailable,
            };
            let elapsed = asked.elapsed();
            self.metrics
                .certificate_looked_up(self.name, result, elapsed);
            answer
        })
    }
}
