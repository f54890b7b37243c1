//! Decides what becomes of a message for each recipient: policy, then draft §3 to §5.
//!
//! Pure and total: no clock, no waiting, no key is used. What cannot be met follows the rule's
//! `otherwise`, and never goes on in silence.

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;

use crate::address::Mailbox;
use crate::crypto::public_key::PublicKey;
use crate::domsec::conditions::MaySign;
use crate::domsec::conditions::WhyNot;
use crate::domsec::layering;
use crate::domsec::layering::Added;
use crate::domsec::layering::LayerPlan;
use crate::domsec::layering::Wanted;
use crate::domsec::verdict::Naming;
use crate::gateway::announced::Announced;
use crate::gateway::arrival::Arrival;
use crate::gateway::choose::Findings;
use crate::gateway::choose::Reader;
use crate::gateway::choose::ReadersFound;
use crate::gateway::edition::EditionPlan;
use crate::gateway::flags::Flags;
use crate::gateway::gather::Gathered;
use crate::gateway::outcome::Fate;
use crate::gateway::outcome::Share;
use crate::gateway::record::RecipientRecord;
use crate::gateway::record::Record;
use crate::gateway::roles::NoSigner;
use crate::gateway::shares::Draft;
use crate::gateway::shares::Fated;
use crate::gateway::site::Gateway;
use crate::gateway::unmet::Unmet;
use crate::notation::Layer;
use crate::notation::SignatureType;
use crate::policy::facts::MessageVerdict;
use crate::policy::profile::Profile;
use crate::policy::rule::Encryption;
use crate::policy::rule::Need;
use crate::policy::rule::Otherwise;
use crate::policy::rule::Rule;
use crate::policy::rule::Verification;
use crate::x509::Certificate;

/// What was decided, before anything is made.
#[derive(Debug)]
pub struct Decision<'a> {
    /// What was known.
    pub record: Record,
    /// The shares, which together hold each recipient once.
    pub shares: Vec<Share<EditionPlan<'a>>>,
}

/// What is the same for all recipients of a message.
pub(super) struct Common<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) arrival: &'a Arrival<'a>,
    pub(super) flags: Flags<'a>,
    /// Found out when a rule first asks.
    may_sign: OnceCell<Result<MaySign, WhyNot>>,
}

impl Gateway {
    /// Decides for every recipient.
    #[must_use]
    pub fn decide<'a>(&'a self, arrival: &'a Arrival<'a>, gathered: &Gathered) -> Decision<'a> {
        let common = Common {
            gateway: self,
            arrival,
            flags: Flags::of(arrival),
            may_sign: OnceCell::new(),
        };
        let recipients = gathered.records.iter().zip(&gathered.findings);
        let fated: Vec<Fated<'_>> = recipients
            .map(|(record, findings)| common.fate(record, findings))
            .collect();
        let record = Record {
            layers_in: arrival.layers_in.clone(),
            content: Arc::clone(&arrival.content),
            authentication_results: fated
                .iter()
                .any(Fated::is_marked)
                .then(|| common.flags.results_text(self)),
            recipients: gathered.records.clone(),
            naming_violations: arrival
                .signers
                .iter()
                .filter(|signer| signer.naming == Naming::Mismatch)
                .count(),
        };
        Decision {
            record,
            shares: common.shared(fated),
        }
    }
}

impl Gateway {
    /// The algorithms to write: the rule's, else those of the recipient's partner entry.
    pub(super) fn profile(&self, rule: &Rule, recipient: &Mailbox) -> Option<&Profile> {
        let of_partner = || self.policy.partner(recipient.domain())?.profile.as_deref();
        self.policy
            .profile(rule.profile.as_deref().or_else(of_partner)?)
    }
}

impl<'a> Common<'a> {
    /// The proof that a domain or delegated signature may be made, or why not (draft §3.3).
    fn may_sign(&self) -> &Result<MaySign, WhyNot> {
        self.may_sign
            .get_or_init(|| self.gateway.may_sign(self.arrival))
    }

    /// What becomes of the message for one recipient.
    fn fate(&self, record: &RecipientRecord, findings: &Findings) -> Fated<'a> {
        let facts = record.facts(self.arrival.transaction, Some(&self.arrival.content));
        let rule = match self.gateway.policy.rule_for(&facts) {
            Ok(rule) => rule,
            // Uncertainty is no match and no mismatch.
            Err(error) => {
                let unmet = Unmet::Condition(error);
                return Fated::without_rule(record, Fate::Defer(unmet.deferral()), &unmet);
            }
        };
        let mut reasons = Vec::new();
        let decided = self
            .required(rule)
            .and_then(|()| self.draft(rule, record, findings, &mut reasons));
        let fate = match decided {
            Ok(draft) => Fate::Deliver(draft),
            Err(unmet) => {
                reasons.push(unmet.to_string());
                self.otherwise(rule, record, &unmet)
            }
        };
        Fated {
            mailbox: record.mailbox.clone(),
            rule: Some(rule.name.clone()),
            warnings: self.flags.warnings(self.gateway, record),
            fate,
            reasons,
        }
    }

    /// What a rule demands of the message as it came.
    fn required(&self, rule: &Rule) -> Result<(), Unmet> {
        if rule.require_review && !self.arrival.is_reviewed(&self.gateway.domains) {
            return Err(Unmet::NotReviewed);
        }
        match (rule.verify, self.arrival.content.verdict) {
            (Verification::Mark, _) => Ok(()),
            (Verification::Require, MessageVerdict::Valid) if self.arrival.speaks() => Ok(()),
            // Without a From there is nobody for whom the signature could speak.
            (Verification::Require, MessageVerdict::Valid) => Err(Unmet::NotVerified("nobody's")),
            (Verification::Require, other) => Err(Unmet::NotVerified(other.as_str())),
        }
    }

    fn draft(
        &self,
        rule: &'a Rule,
        record: &RecipientRecord,
        findings: &Findings,
        reasons: &mut Vec<String>,
    ) -> Result<Draft<'a>, Unmet> {
        let signatures = self.signatures(rule, reasons)?;
        let readers = readers(rule, findings, reasons)?;
        if signatures.is_empty() && readers.is_none() {
            return Ok(self.delivery(rule, record, reasons));
        }
        if signatures.is_empty() && !rule.encrypt_alone {
            return Err(Unmet::Unsigned);
        }
        let plan = layering::plan(
            &self.arrival.layers,
            &Wanted {
                signatures: &signatures,
                encrypt: readers.is_some(),
                may_sign: self.may_sign().as_ref().ok(),
            },
        )
        .map_err(Unmet::Layering)?;
        reasons.extend(plan.explain(&self.arrival.layers));
        self.check_release(rule, plan.removed)?;
        let readers = match readers {
            // An E beneath the domain signature demands one above it, whatever the rule says.
            None if plan.forces_encryption() => Some(findings.readers(rule.encrypt_to)?),
            readers => readers,
        };
        self.warn_of_plaintext(&plan, reasons);
        let readers = readers
            .map(|readers| self.with_own_dca(rule, readers))
            .transpose()?;
        let profile = self.gateway.profile(rule, &record.mailbox);
        if let Some(readers) = &readers {
            check_profile(readers, profile)?;
        }
        let marked = self.is_marked(record);
        Ok(Draft::layered((rule, profile), plan, readers, marked))
    }

    /// The signatures to make: those of the rule for which there is a key, in its order.
    fn signatures(
        &self,
        rule: &Rule,
        reasons: &mut Vec<String>,
    ) -> Result<Vec<SignatureType>, Unmet> {
        let from = self.arrival.facts.mailboxes();
        let of_originator =
            |kind: &SignatureType| matches!(kind, SignatureType::Domain | SignatureType::Delegated);
        let mut signatures = Vec::with_capacity(rule.sign.len());
        for kind in &rule.sign {
            match (
                self.gateway.roles.signer(*kind, from, self.arrival.now),
                rule.signing,
            ) {
                (Ok(_), _) => signatures.push(*kind),
                (Err(error @ NoSigner::Absent { .. }), Need::IfPossible) => {
                    reasons.push(format!("{error}, and the rule goes on without"));
                }
                // Where nobody knows who From is, there is no key for it either: not the news.
                (Err(error), _) => {
                    return Err(match self.may_sign() {
                        Err(why) if of_originator(kind) => Unmet::Conditions(why.clone()),
                        Ok(_) | Err(_) => Unmet::NoSigner(error),
                    });
                }
            }
        }
        if signatures.iter().any(of_originator)
            && let Err(why) = self.may_sign()
        {
            return Err(Unmet::Conditions(why.clone()));
        }
        Ok(signatures)
    }

    /// Where the rule says so, an E that is opened for others must hold what its originator signed:
    /// whoever has captured it is authentic too, as himself.
    fn check_release(&self, rule: &Rule, removed: usize) -> Result<(), Unmet> {
        let opened = self
            .arrival
            .layers
            .iter()
            .take(removed)
            .rposition(|one| one.layer == Layer::Enveloped);
        let Some(opened) = opened else {
            return Ok(());
        };
        let speaker = self.arrival.verdict.speaker.as_ref();
        let inside = speaker.is_some_and(|(layer, _)| *layer > opened);
        // Both: who has captured mail of somebody else can also send it in that one's name, to himself.
        let own = self.arrival.speaks() && self.gateway.session_may_use_from(self.arrival);
        if !rule.require_signed_inside || (inside && own) {
            Ok(())
        } else {
            Err(Unmet::NotReleased)
        }
    }

    /// With our own DCA among the readers, where the officer wants to read it again.
    fn with_own_dca(&self, rule: &Rule, mut readers: ReadersFound) -> Result<ReadersFound, Unmet> {
        if rule.encrypt_to.own_dca {
            let own = self.own_dca().ok_or_else(|| {
                Unmet::CertificateAbsent(
                    "encrypt_to names our own DCA, and we have none".to_owned(),
                )
            })?;
            readers.readers.push(Reader {
                certificate: own.clone(),
                announced: Some(Announced::ours()),
            });
        }
        Ok(readers)
    }

    /// The certificate of our DCA for From's domain, or for the first of our domains.
    pub(super) fn own_dca(&self) -> Option<&'a Certificate> {
        let from = self.arrival.facts.mailboxes().first();
        let domain = from.map(Mailbox::domain).or(self.gateway.domains.first())?;
        let own = self.gateway.roles.own_dca(domain, self.arrival.now)?;
        Some(own.certificate())
    }

    /// The draft allows it, and the officer should know (draft §5, example 3).
    fn warn_of_plaintext(&self, plan: &LayerPlan, reasons: &mut Vec<String>) {
        let removed = self.arrival.layers.iter().take(plan.removed);
        let opened = removed.filter(|one| one.layer == Layer::Enveloped).count() > 0;
        let encrypts = |added: &Added| matches!(added, Added::Encrypted { .. });
        if opened && !plan.added.iter().any(encrypts) {
            let reason = "it came encrypted to us and leaves without encryption, as the rule says";
            reasons.push(reason.to_owned());
        }
    }

    /// What becomes of mail for which its rule cannot be met.
    fn otherwise(
        &self,
        rule: &'a Rule,
        record: &RecipientRecord,
        unmet: &Unmet,
    ) -> Fate<Draft<'a>> {
        let marked = self.is_marked(record);
        let waited = self.arrival.transaction.waited;
        otherwise(rule, waited, unmet, || Draft::as_came(rule, marked))
    }
}

/// Who can read the encryption that the rule asks for; `None` where there shall be none.
pub(super) fn readers(
    rule: &Rule,
    findings: &Findings,
    reasons: &mut Vec<String>,
) -> Result<Option<ReadersFound>, Unmet> {
    if !rule.encrypts() {
        return Ok(None);
    }
    match (rule.encrypt, findings.readers(rule.encrypt_to)) {
        (_, Ok(readers)) => Ok(Some(readers)),
        // Every answer is "none published": the one way to go on without (CONTRACT).
        (Encryption::IfPossible, Err(unmet @ Unmet::CertificateAbsent(_))) => {
            reasons.push(format!("{unmet}; the rule goes on without encryption"));
            Ok(None)
        }
        (_, Err(unmet)) => Err(unmet),
    }
}

/// What becomes of mail for which its rule cannot be met, after `waited`.
pub(super) fn otherwise<E>(
    rule: &Rule,
    waited: Duration,
    unmet: &Unmet,
    as_came: impl FnOnce() -> E,
) -> Fate<E> {
    // Where all that is missing is an answer, it may come (DESIGN, "Four different things").
    if unmet.is_temporary() && waited < rule.defer_for {
        return Fate::Defer(unmet.deferral());
    }
    match rule.otherwise {
        Otherwise::Defer => Fate::Defer(unmet.deferral()),
        Otherwise::Hold => Fate::Hold(unmet.to_string()),
        Otherwise::Pass => Fate::Deliver(as_came()),
        Otherwise::Refuse => Fate::Refuse(unmet.refusal()),
    }
}

impl<'a> Fated<'a> {
    fn without_rule(record: &RecipientRecord, fate: Fate<Draft<'a>>, unmet: &Unmet) -> Self {
        Self {
            mailbox: record.mailbox.clone(),
            rule: None,
            fate,
            reasons: vec![unmet.to_string()],
            warnings: Vec::new(),
        }
    }

    fn is_marked(&self) -> bool {
        match &self.fate {
            Fate::Deliver(draft) => draft.marked,
            Fate::Defer(_) | Fate::Hold(_) | Fate::Refuse(_) => false,
        }
    }
}

/// Keys that the profile holds to be too small are not encrypted to, nor is a reader who cannot read what it demands.
pub(super) fn check_profile(found: &ReadersFound, profile: Option<&Profile>) -> Result<(), Unmet> {
    let Some(profile) = profile else {
        return Ok(());
    };
    let demanded = profile.cipher.filter(|_| profile.demand);
    for reader in &found.readers {
        let certificate = &reader.certificate;
        if let (Some(least), Ok(PublicKey::Rsa(key))) = (
            profile.minimum_rsa_bits,
            PublicKey::decode(certificate.spki()),
        ) && key.bits() < least
        {
            return Err(Unmet::CertificateInvalid(format!(
                "the RSA key of {} has {} bits, and the profile demands {least}",
                certificate.subject_name(),
                key.bits()
            )));
        }
        if let (Some(cipher), Some(announced)) = (demanded, &reader.announced)
            && !announced.reads(cipher)
        {
            return Err(Unmet::CannotRead(format!(
                "it demands {}, and {} has announced {}",
                cipher.as_str(),
                certificate.subject_name(),
                announced.names()
            )));
        }
    }
    Ok(())
}
