//! Our keys, by what they are for (draft §2, §3): which one signs a message, and which decrypt.

use crate::address::Domain;
use crate::address::Mailbox;
use crate::crypto::KeyName;
use crate::crypto::Keys;
use crate::crypto::PrivateKey;
use crate::domsec::naming::Authority;
use crate::domsec::naming::Names;
use crate::notation::SignatureType;
use crate::x509::Identity;
use crate::x509::Time;
use crate::x509::purpose::may_sign_mail;

/// Our identities.
#[derive(Clone, Debug, Default)]
pub struct Roles {
    /// For domain signatures.
    pub domain: Vec<Identity>,
    /// For review signatures.
    pub reviewers: Vec<Identity>,
    /// For additional attributes signatures.
    pub attributes: Vec<Identity>,
    /// Users with a key that the domain holds for them.
    pub delegated: Vec<(Mailbox, Identity)>,
    /// Decryption authorities, and who reads again what we encrypt.
    pub dca: Vec<Identity>,
}

/// Why no key of ours signs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoSigner {
    /// There is none for that.
    #[error("there is no key for a {kind} signature{}", of(.originator))]
    Absent {
        /// The signature.
        kind: SignatureType,
        /// From, where the key depends on it.
        originator: Option<String>,
    },
    /// There is one, and its certificate does not let it sign now.
    #[error("the certificate for a {kind} signature cannot be used: {reason}")]
    Unusable {
        /// The signature.
        kind: SignatureType,
        /// Why not.
        reason: String,
    },
}

impl Roles {
    /// The identity that makes a signature of type `kind` over a message from `from`.
    ///
    /// Its certificate follows the naming convention (draft §2.6), may sign mail and is within its
    /// dates; of several the newest.
    pub fn signer(
        &self,
        kind: SignatureType,
        from: &[Mailbox],
        now: Time,
    ) -> Result<&Identity, NoSigner> {
        let mut refused = None;
        let mut best: Option<&Identity> = None;
        for identity in self.candidates(kind, from) {
            match usable(kind, identity, from, now) {
                Ok(()) => {
                    let since = |one: &Identity| one.certificate().not_before();
                    if best.is_none_or(|known| since(identity) > since(known)) {
                        best = Some(identity);
                    }
                }
                // One of another domain is no candidate.
                Err(_) if kind == SignatureType::Domain && !speaks_for(identity, from) => {}
                Err(reason) => refused = Some(reason),
            }
        }
        match (best, refused) {
            (Some(identity), _) => Ok(identity),
            (None, Some(reason)) => Err(NoSigner::Unusable { kind, reason }),
            (None, None) => Err(NoSigner::Absent {
                kind,
                originator: from.first().map(ToString::to_string),
            }),
        }
    }

    /// The certificate that describes us as originator of an encryption, and to which we encrypt
    /// what we want to read again: the newest DCA's of `domain`.
    #[must_use]
    pub fn own_dca(&self, domain: &Domain, now: Time) -> Option<&Identity> {
        let ours = |identity: &&Identity| {
            let certificate = identity.certificate();
            let named = Names::of(certificate).check_confidentiality(domain).is_ok();
            named && certificate.not_before() <= now && now <= certificate.not_after()
        };
        let candidates = self.dca.iter().filter(ours);
        candidates.max_by_key(|identity| identity.certificate().not_before())
    }

    fn candidates(&self, kind: SignatureType, from: &[Mailbox]) -> Vec<&Identity> {
        match kind {
            // Several From addresses: one key cannot be that of each (draft §3.7).
            SignatureType::Delegated => {
                let of = |user: &Mailbox| matches!(from, [only] if only.same_mailbox(user));
                let own = self.delegated.iter().filter(|(user, _)| of(user));
                own.map(|(_, identity)| identity).collect()
            }
            SignatureType::Domain => self.domain.iter().collect(),
            SignatureType::Review => self.reviewers.iter().collect(),
            SignatureType::AdditionalAttributes => self.attributes.iter().collect(),
            // An originator signs for himself.
            SignatureType::Originator => Vec::new(),
        }
    }
}

impl Keys for Roles {
    fn find(&self, name: KeyName<'_>) -> Option<&dyn PrivateKey> {
        let found = self.dca.iter().find(|identity| identity.is_named(name));
        found.map(Identity::key)
    }
}

/// Whether its certificate names a domain of, or above, each of `from`.
fn speaks_for(identity: &Identity, from: &[Mailbox]) -> bool {
    let names = Names::of(identity.certificate()).domains(Authority::Signing);
    let above = |mailbox: &Mailbox| {
        let mut names = names.iter();
        names.any(|name| mailbox.domain().is_or_is_under(name))
    };
    from.iter().all(above)
}

fn usable(
    kind: SignatureType,
    identity: &Identity,
    from: &[Mailbox],
    now: Time,
) -> Result<(), String> {
    let certificate = identity.certificate();
    let named =
        |reason: &dyn std::fmt::Display| format!("{}: {reason}", certificate.subject_name());
    let names = Names::of(certificate);
    let checked = match kind {
        SignatureType::Delegated => names.check_delegated(from),
        SignatureType::Domain => names.check_domain(from),
        SignatureType::AdditionalAttributes | SignatureType::Originator | SignatureType::Review => {
            names.check_agent(kind)
        }
    };
    checked.map_err(|error| named(&error))?;
    may_sign_mail(certificate).map_err(|error| named(&error))?;
    let (since, until) = (certificate.not_before(), certificate.not_after());
    if now < since || now > until {
        return Err(named(&format!("valid from {since} to {until}, not now")));
    }
    Ok(())
}

fn of(originator: &Option<String>) -> String {
    let name = |originator: &String| format!(" of {originator}");
    originator.as_ref().map(name).unwrap_or_default()
}
