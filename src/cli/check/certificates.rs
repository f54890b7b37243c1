//! What is to be said of certificates: their dates, and their paths.

use std::path::Path;

use super::Finding;
use crate::gateway::judge::chain;
use crate::limits::Budget;
use crate::limits::Limits;
use crate::service::dates;
use crate::x509::Certificate;
use crate::x509::Crl;
use crate::x509::Identity;
use crate::x509::PathRequest;
use crate::x509::PathValidation;
use crate::x509::Time;
use crate::x509::Verdict;
use crate::x509::path::InitialPolicies;
use crate::x509::path::Purpose;
use crate::x509::path::RevocationMode;

/// Where a certificate stands between its dates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dates {
    /// Its last second has passed.
    Expired,
    /// It has some time left, and not much.
    Ending,
    /// It will be valid.
    NotYet,
    /// It is, and for long enough.
    Valid,
}

impl Dates {
    pub(super) fn of(certificate: &Certificate, now: Time) -> Self {
        let until = certificate.not_after();
        if now < certificate.not_before() {
            Self::NotYet
        } else if now > until {
            Self::Expired
        } else if until.unix() - now.unix() < NOTICE {
            Self::Ending
        } else {
            Self::Valid
        }
    }
}

/// What is to be said of the dates of a certificate of ours, which is called `name`.
pub(super) fn dates(name: &str, certificate: &Certificate, now: Time) -> Finding {
    let until = certificate.not_after();
    if let Some(fault) = dates::fault(certificate, now) {
        return Finding::error(format!("{name}: {fault}"));
    }
    match Dates::of(certificate, now) {
        Dates::Ending => Finding::warning(format!(
            "{name}: expires at {until}, in {} days: get a new certificate now, and keep the old key \
             as long as mail may come that is encrypted to it",
            (until.unix() - now.unix()) / DAY
        )),
        Dates::Expired | Dates::NotYet | Dates::Valid => {
            Finding::ok(format!("{name}: valid until {until}"))
        }
    }
}

/// What is to be said of a certificate that stands above others: paths through it say the rest.
pub(super) fn above(kind: &str, certificate: &Certificate, now: Time) -> Finding {
    let name = format!("{kind} {}", certificate.subject_name());
    let (from, until) = (certificate.not_before(), certificate.not_after());
    match Dates::of(certificate, now) {
        Dates::Expired => Finding::warning(format!(
            "{name}: expired at {until}: take it out of [trust], or put its successor in"
        )),
        Dates::Ending => Finding::warning(format!(
            "{name}: expires at {until}: ask for its successor, and put that beside it in [trust]"
        )),
        Dates::NotYet => Finding::warning(format!("{name}: not valid before {from}")),
        Dates::Valid => Finding::ok(format!("{name}: valid until {until}")),
    }
}

/// What is to be said of a revocation list.
pub(super) fn crl(crl: &Crl, now: Time) -> Finding {
    let name = format!("CRL of {}", crl.issuer_name());
    match crl.next_update() {
        Some(until) if until < now => Finding::warning(format!(
            "{name}: expired at {until}: fetch the new one, else nobody knows whether its \
             certificates are revoked"
        )),
        Some(until) => Finding::ok(format!("{name}: the next is due at {until}")),
        None => Finding::ok(format!("{name}: from {}", crl.this_update())),
    }
}

/// What is to be said of a directory of certificates of others.
pub(super) fn directory(path: &Path, all: &[Certificate], now: Time) -> Finding {
    let expired = |one: &&Certificate| Dates::of(one, now) == Dates::Expired;
    let expired: Vec<&str> = all
        .iter()
        .filter(expired)
        .map(Certificate::subject_name)
        .collect();
    let name = format!("directory {}", path.display());
    match (all.len(), expired.as_slice()) {
        (0, _) => Finding::warning(format!(
            "{name}: no certificates in it: put those of your partners there, as *.pem, *.der or \
             *.crt"
        )),
        (count, []) => Finding::ok(format!("{name}: {count} certificates, none expired")),
        (count, some) => Finding::warning(format!(
            "{name}: {} of {count} certificates expired: ask for new ones: {}",
            some.len(),
            first(some)
        )),
    }
}

/// With what paths are judged.
pub(super) struct Trusted<'a> {
    pub(super) paths: &'a dyn PathValidation,
    /// Whether there is any: without, all paths fail alike.
    pub(super) has_anchors: bool,
    pub(super) intermediates: &'a [Certificate],
    pub(super) crls: &'a [Crl],
    pub(super) revocation: RevocationMode,
    pub(super) now: Time,
}

impl Trusted<'_> {
    /// What is to be said of the path of a certificate of ours, which is called `name`; nothing where
    /// there is no anchor, which is a finding of its own.
    pub(super) fn path(&self, name: &str, identity: &Identity) -> Option<Finding> {
        if !self.has_anchors {
            return None;
        }
        let own = identity.clone().completed(self.intermediates);
        let intermediates = [own.chain(), self.intermediates].concat();
        let request = PathRequest {
            target: identity.certificate(),
            intermediates: &intermediates,
            crls: self.crls,
            at: self.now,
            purpose: Purpose::Smime,
            revocation: self.revocation,
            policies: InitialPolicies::default(),
        };
        let outcome = self
            .paths
            .validate(&request, &mut Budget::new(&Limits::default()));
        let reason = outcome.error.as_ref().map(|error| chain(error));
        let reason = reason.unwrap_or_else(|| "no reason was given".to_owned());
        Some(match outcome.verdict {
            Verdict::Valid => Finding::ok(format!(
                "{name}: path to {}",
                outcome
                    .chain
                    .last()
                    .map_or("an anchor", Certificate::subject_name)
            )),
            Verdict::Indeterminate if outcome.is_about_revocation() => Finding::warning(format!(
                "{name}: path: {reason}: fetch the revocation list and name it in [trust] crls"
            )),
            Verdict::Indeterminate | Verdict::Invalid => Finding::error(format!(
                "{name}: path: {reason}: name what is above it in [trust] anchors or intermediates, or \
                 get another certificate"
            )),
        })
    }
}

/// A folder may hold as many as it likes; a line shows the first.
fn first(names: &[&str]) -> String {
    let shown: Vec<&str> = names.iter().take(SHOWN).copied().collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join("; "),
        more => format!("{} and {more} more", shown.join("; ")),
    }
}

const DAY: i64 = 24 * 60 * 60;
/// Thirty days: enough to get a certificate from an authority that looks at papers.
const NOTICE: i64 = 30 * DAY;
const SHOWN: usize = 5;
