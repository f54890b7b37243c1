//! What one gateway is: its domains, keys, anchors, policy, and whom it asks.

use std::sync::Arc;

use crate::address::Domain;
use crate::cms::attributes::SignatureTypeOid;
use crate::crypto::Provider;
use crate::crypto::Randomness;
use crate::gateway::certificates::Certificates;
use crate::gateway::chooser::Chooser;
use crate::gateway::judge::Judge;
use crate::gateway::open::Opener;
use crate::gateway::replay::Deliveries;
use crate::gateway::roles::Roles;
use crate::gateway::seal::Sealer;
use crate::limits::Limits;
use crate::mime::authentication_results::AuthservId;
use crate::octets::Spool;
use crate::policy::Policy;
use crate::x509::Certificate;
use crate::x509::Crl;
use crate::x509::PathValidation;
use crate::x509::Time;
use crate::x509::path::Purpose;
use crate::x509::path::RevocationMode;

/// Everything that a gateway knows before a message comes.
#[derive(Debug)]
pub struct Gateway {
    /// Our domains.
    pub domains: Vec<Domain>,
    /// Our name in Authentication-Results.
    pub authserv_id: AuthservId,
    /// The officer's rules.
    pub policy: Policy,
    /// Our keys.
    pub roles: Roles,
    /// Validates paths, and knows the anchors.
    pub paths: Box<dyn PathValidation>,
    /// Certificates that paths may lead through.
    pub intermediates: Vec<Certificate>,
    /// CRLs at hand.
    pub crls: Vec<Crl>,
    /// How revocation counts.
    pub revocation: RevocationMode,
    /// The partners with whom the former names of RFC 3183 are agreed (draft §2.6).
    pub former_names: Vec<Domain>,
    /// The DCA certificates that the policy names by file, with the partner's domain.
    pub partner_dcas: Vec<(Domain, Certificate)>,
    /// Whether decisions are made and nothing is changed.
    pub monitor: bool,
    /// Under which identifier SignatureType is written (DESIGN, decision 1).
    pub signature_type_oid: SignatureTypeOid,
    /// Where other people's certificates are found.
    pub certificates: Box<dyn Certificates>,
    /// What has been delivered before.
    pub deliveries: Arc<dyn Deliveries>,
    /// Cryptography.
    pub provider: &'static Provider,
    /// Random octets.
    pub randomness: &'static dyn Randomness,
    /// Bounds.
    pub limits: Limits,
}

impl Gateway {
    pub(super) fn opener<'a>(&'a self, spool: &'a dyn Spool) -> Opener<'a> {
        Opener {
            keys: &self.roles,
            provider: self.provider,
            limits: &self.limits,
            spool,
        }
    }

    pub(super) fn judge(&self, now: Time) -> Judge<'_> {
        Judge {
            paths: &*self.paths,
            provider: self.provider,
            limits: &self.limits,
            certificates: &self.intermediates,
            crls: &self.crls,
            at: now,
            purpose: Purpose::Smime,
            revocation: self.revocation,
            from: None,
            former_names: &self.former_names,
        }
    }

    pub(super) fn sealer<'a>(&'a self, spool: &'a dyn Spool) -> Sealer<'a> {
        Sealer {
            provider: self.provider,
            randomness: self.randomness,
            limits: &self.limits,
            spool,
        }
    }

    pub(super) fn chooser(&self, now: Time) -> Chooser<'_> {
        Chooser {
            paths: &*self.paths,
            intermediates: &self.intermediates,
            crls: &self.crls,
            now,
            revocation: self.revocation,
            former_names: &self.former_names,
            provider: self.provider,
            limits: &self.limits,
        }
    }
}
