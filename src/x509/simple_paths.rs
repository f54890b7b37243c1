//! Path building and validation without policies (RFC 5280 §6.1, RFC 4158).
//!
//! Names lead up from the target to anchors; then paths are walked down from an anchor, each step
//! checked before the next, so that only what a trusted CA signed can cost another signature.

use std::collections::HashMap;
use std::collections::HashSet;

use super::certificate::Certificate;
use super::name::FoldedName;
use super::name_constraints;
use super::name_constraints::COMPARISONS;
use super::path::PathError;
use super::path::PathFault;
use super::path::PathOutcome;
use super::path::PathRequest;
use super::path::PathValidation;
use super::path::Purpose;
use super::path::RevocationMode;
use super::path::Verdict;
use super::path_state::Link;
use super::path_state::State;
use super::purpose::allows_mail;
use super::revocation::CrlSigner;
use super::revocation::RevocationStatus;
use super::revocation::Revocations;
use super::revocation::UnknownStatus;
use crate::crypto;
use crate::crypto::Remembered;
use crate::crypto::SignatureVerification;
use crate::limits::Budget;
use crate::limits::LimitError;
use crate::limits::Limits;

/// Builds and validates paths to a set of anchors.
///
/// An anchor is a certificate that is believed without a signature; its dates, basicConstraints,
/// keyUsage and nameConstraints hold all the same (RFC 5937).
#[derive(Debug)]
pub struct SimplePaths {
    anchors: HashMap<FoldedName, Vec<Certificate>>,
    verification: Remembered,
    path_length: usize,
}

impl SimplePaths {
    /// Paths to `anchors`, of at most `limits.path_length` certificates.
    #[must_use]
    pub fn new(
        anchors: Vec<Certificate>,
        verification: &'static dyn SignatureVerification,
        limits: &Limits,
    ) -> Self {
        let mut by_subject: HashMap<FoldedName, Vec<Certificate>> = HashMap::new();
        for anchor in anchors {
            let same_name = by_subject
                .entry(anchor.folded_subject().clone())
                .or_default();
            if !same_name.contains(&anchor) {
                same_name.push(anchor);
            }
        }
        Self {
            anchors: by_subject,
            verification: Remembered::new(verification, crypto::provider().digests),
            path_length: limits.path_length,
        }
    }

    fn anchors_named(&self, name: &FoldedName) -> &[Certificate] {
        self.anchors.get(name).map_or(&[], Vec::as_slice)
    }

    fn is_anchor(&self, certificate: &Certificate) -> bool {
        self.anchors_named(certificate.folded_subject())
            .contains(certificate)
    }
}

impl PathValidation for SimplePaths {
    fn validate(&self, request: &PathRequest<'_>, budget: &mut Budget) -> PathOutcome {
        Search::new(self, request, CrlIssuers::PathAndOthers).run(budget)
    }
}

/// Whose keys CRLs are tried with (RFC 5280 §6.3.3 f).
#[derive(Clone, Copy, PartialEq, Eq)]
enum CrlIssuers {
    /// Those in the path, which is so when the path is that of a CRL issuer: without this, two of
    /// them could wait for each other.
    Path,
    /// Other certificates of the same name too.
    PathAndOthers,
}

/// One validation.
struct Search<'a> {
    paths: &'a SimplePaths,
    request: &'a PathRequest<'a>,
    crl_issuers: CrlIssuers,
    /// What names reach from the target upwards, by issuer.
    children: HashMap<&'a FoldedName, Vec<&'a Certificate>>,
    /// The same, the target first, each with the index of the one that it was reached from.
    reached: Vec<(&'a Certificate, Option<usize>)>,
    /// The anchors above them.
    tops: Vec<&'a Certificate>,
    closest: Option<Failure>,
    comparisons: usize,
}

/// A path that failed, and how far it came.
struct Failure {
    /// Certificates that were found good; ties go to faults other than a signature's, then to what
    /// is unknown rather than wrong.
    rank: (usize, bool, bool),
    error: PathError,
    chain: Vec<Certificate>,
}

impl<'a> Search<'a> {
    fn new(paths: &'a SimplePaths, request: &'a PathRequest<'a>, crl_issuers: CrlIssuers) -> Self {
        Self {
            paths,
            request,
            crl_issuers,
            children: HashMap::new(),
            reached: Vec::new(),
            tops: Vec::new(),
            closest: None,
            comparisons: COMPARISONS,
        }
    }

    fn run(mut self, budget: &mut Budget) -> PathOutcome {
        let target = self.request.target;
        if self.paths.is_anchor(target) {
            let state = State::new(target, self.request);
            let checked = self
                .check_alone(target)
                .and_then(|()| self.finish_alone(target))
                .and_then(|()| state.finish());
            return match checked {
                Ok(()) => valid(&state),
                Err(fault) => failed(PathError::new(target, fault), vec![target.clone()]),
            };
        }
        let dead_end = self.climb();
        let tops = std::mem::take(&mut self.tops);
        for top in &tops {
            match self.start(top).map(|state| self.descend(&state, budget)) {
                Some(Ok(Some(outcome))) => return outcome,
                Some(Ok(None)) | None => {}
                Some(Err(limit)) => {
                    return failed(PathError::new(target, limit), vec![target.clone()]);
                }
            }
        }
        match self.closest.take() {
            Some(Failure { error, chain, .. }) => failed(error, chain),
            None => self.explain(dead_end, budget),
        }
    }

    /// Finds everything that names reach from the target upwards, breadth first and each once.
    ///
    /// Gives the shortest way that ends before an anchor, target first; empty when all go in circles.
    fn climb(&mut self) -> Vec<&'a Certificate> {
        let paths = self.paths;
        let mut by_subject: HashMap<&FoldedName, Vec<&'a Certificate>> = HashMap::new();
        let mut seen: HashSet<&[u8]> = HashSet::from([self.request.target.der()]);
        for certificate in self.request.intermediates {
            if seen.insert(certificate.der()) && !paths.is_anchor(certificate) {
                let same_name = by_subject.entry(certificate.folded_subject());
                same_name.or_default().push(certificate);
            }
        }
        let mut expanded: HashSet<&FoldedName> = HashSet::new();
        let mut reached = vec![(self.request.target, None)];
        let mut dead_end: Option<usize> = None;
        let mut next = 0;
        while let Some((certificate, _)) = reached.get(next).copied() {
            let issuer = certificate.folded_issuer();
            self.children.entry(issuer).or_default().push(certificate);
            let anchors = paths.anchors_named(issuer);
            let candidates = by_subject.get(issuer).map_or(&[][..], Vec::as_slice);
            // One self-issued certificate above another of its name leads nowhere.
            let ends = certificate.is_self_issued();
            let leads_on = candidates
                .iter()
                .any(|above| !(ends && above.is_self_issued()));
            if dead_end.is_none() && anchors.is_empty() && !leads_on {
                dead_end = Some(next);
            }
            if expanded.insert(issuer) {
                self.tops.extend(anchors);
                reached.extend(candidates.iter().map(|above| (*above, Some(next))));
            }
            next += 1;
        }
        self.reached = reached;
        dead_end.map_or_else(Vec::new, |end| way_to(&self.reached, end))
    }

    /// The path that is one anchor; `None`, with the failure noted, when the anchor may not issue.
    fn start(&mut self, top: &'a Certificate) -> Option<State<'a>> {
        let mut state = State::new(top, self.request);
        let checked = self
            .check_alone(top)
            .and_then(|()| state.prepare(self.request.purpose));
        match checked {
            Ok(()) => Some(state),
            Err(fault) => {
                self.note(&[], top, fault);
                None
            }
        }
    }

    /// Walks down from `state`; gives the outcome when the target is reached validly.
    ///
    /// Recurses once for each certificate, at most `path_length` times.
    fn descend(
        &mut self,
        state: &State<'a>,
        budget: &mut Budget,
    ) -> Result<Option<PathOutcome>, LimitError> {
        let Some(issuer) = state.links.last() else {
            return Ok(None);
        };
        let children = self.children.get(issuer.certificate.folded_subject());
        let mut children = children.cloned().unwrap_or_default();
        children.sort_by_key(|child| key_mismatch(child, issuer.certificate));
        for child in children {
            let is_target = std::ptr::eq(child, self.request.target);
            if !is_target && state.contains(child) {
                continue;
            }
            let length = state.links.len() + 1;
            LimitError::check("length of the path", length, self.paths.path_length)?;
            match self.step(state, child, is_target, budget) {
                Ok(next) if is_target => return Ok(Some(valid(&next))),
                Ok(next) => {
                    if let Some(outcome) = self.descend(&next, budget)? {
                        return Ok(Some(outcome));
                    }
                }
                Err(PathFault::Limit(limit)) => return Err(limit),
                Err(fault) => self.note(&state.links, child, fault),
            }
        }
        Ok(None)
    }

    /// One certificate more: everything that RFC 5280 §6.1.3 to §6.1.5 asks of it.
    fn step(
        &mut self,
        state: &State<'a>,
        child: &'a Certificate,
        is_target: bool,
        budget: &mut Budget,
    ) -> Result<State<'a>, PathFault> {
        let mut next = state.clone();
        self.check_alone(child)?;
        if is_target || !child.is_self_issued() {
            name_constraints::check(child, &state.constraints, &mut self.comparisons)?;
        }
        next.verify(child, &self.paths.verification, budget)?;
        if is_target {
            self.finish_alone(child)?;
            next.finish()?;
            self.check_revocation(&next, budget)?;
        } else {
            next.prepare(self.request.purpose)?;
        }
        Ok(next)
    }

    /// What must hold for every certificate by itself.
    fn check_alone(&self, certificate: &Certificate) -> Result<(), PathFault> {
        let at = self.request.at;
        let (not_before, not_after) = (certificate.not_before(), certificate.not_after());
        if at < not_before {
            return Err(PathFault::NotYetValid { not_before, at });
        }
        if not_after < at {
            return Err(PathFault::Expired { not_after, at });
        }
        match certificate.unknown_critical_extensions().pop() {
            Some(oid) => Err(PathFault::CriticalExtension(oid)),
            None => Ok(()),
        }
    }

    fn finish_alone(&self, target: &Certificate) -> Result<(), PathFault> {
        match self.request.purpose {
            Purpose::Any => Ok(()),
            Purpose::Smime => Ok(allows_mail(target)?),
        }
    }

    fn check_revocation(&self, state: &State<'a>, budget: &mut Budget) -> Result<(), PathFault> {
        match self.request.revocation {
            RevocationMode::Off => return Ok(()),
            RevocationMode::Prefer if self.request.crls.is_empty() => return Ok(()),
            RevocationMode::Prefer | RevocationMode::Require => {}
        }
        let mut unknown = None;
        for pair in state.links.windows(2) {
            let [issuer, subject] = pair else { continue };
            match self.revocation(state, issuer, subject.certificate, budget) {
                RevocationStatus::Good => {}
                RevocationStatus::Revoked { at, reason } => {
                    return Err(PathFault::Revoked { at, reason });
                }
                RevocationStatus::Unknown(UnknownStatus::Absent(_))
                    if self.request.revocation == RevocationMode::Prefer
                        && !std::ptr::eq(subject.certificate, self.request.target) => {}
                RevocationStatus::Unknown(status) => unknown = unknown.or(Some(status)),
            }
        }
        match unknown {
            Some(status) => Err(PathFault::RevocationUnknown(status)),
            None => Ok(()),
        }
    }

    /// With the keys of the issuer's name in this path, whose own revocation is looked at too; where
    /// none of them signed a CRL, with others of that name.
    fn revocation(
        &self,
        state: &State<'a>,
        issuer: &Link<'a>,
        certificate: &Certificate,
        budget: &mut Budget,
    ) -> RevocationStatus {
        let revocations = Revocations {
            crls: self.request.crls,
            at: self.request.at,
            verification: &self.paths.verification,
        };
        let in_path = state.links.iter().filter(|link| {
            !std::ptr::eq(*link, issuer)
                && link.certificate.folded_subject() == issuer.certificate.folded_subject()
                && names_crl_sign(link.certificate)
        });
        let signer = |link: &'_ Link<'a>| (link.certificate.clone(), link.spki.clone());
        let mut signers: Vec<(Certificate, Vec<u8>)> =
            std::iter::once(issuer).chain(in_path).map(signer).collect();
        let status = revocations.status(certificate, &crl_signers(&signers), budget);
        let another_key = matches!(
            status,
            RevocationStatus::Unknown(UnknownStatus::CrlSign(_) | UnknownStatus::Signature { .. })
        );
        if !another_key || self.crl_issuers == CrlIssuers::Path {
            return status;
        }
        let others = self.other_crl_issuers(state, issuer.certificate, budget);
        if others.is_empty() {
            return status;
        }
        signers.extend(others);
        revocations.status(certificate, &crl_signers(&signers), budget)
    }

    /// Certificates of `issuer`'s name that may sign CRLs and have a valid path from this path's
    /// anchor, with their keys.
    fn other_crl_issuers(
        &self,
        state: &State<'a>,
        issuer: &Certificate,
        budget: &mut Budget,
    ) -> Vec<(Certificate, Vec<u8>)> {
        let anchor = state.links.first().map(|link| link.certificate);
        let candidates = self.request.intermediates.iter().filter(|candidate| {
            candidate.folded_subject() == issuer.folded_subject()
                && *candidate != issuer
                && names_crl_sign(candidate)
        });
        let mut found = Vec::new();
        for candidate in candidates {
            let request = PathRequest {
                target: candidate,
                purpose: Purpose::Any,
                ..*self.request
            };
            let outcome = Search::new(self.paths, &request, CrlIssuers::Path).run(budget);
            if outcome.verdict == Verdict::Valid && outcome.chain.last() == anchor {
                found.push((
                    candidate.clone(),
                    super::path::effective_spki(&outcome.chain),
                ));
            }
        }
        found
    }

    /// Keeps a failure of `certificate`, which stands beneath `good`, when it came closest so far.
    fn note(&mut self, good: &[Link<'a>], certificate: &'a Certificate, fault: PathFault) {
        let is_signature = matches!(fault, PathFault::Signature(_));
        let unknown = fault.verdict() == Verdict::Indeterminate;
        let rank = (good.len(), !is_signature, unknown);
        if self.closest.as_ref().is_some_and(|best| best.rank >= rank) {
            return;
        }
        let mut chain = self.way_up_to(certificate);
        for link in good.iter().rev() {
            // The way down that was tried may be another than the shortest way up.
            if !chain.contains(&link.certificate) {
                chain.push(link.certificate);
            }
        }
        self.closest = Some(Failure {
            rank,
            error: PathError::new(certificate, fault),
            chain: chain.into_iter().cloned().collect(),
        });
    }

    /// The shortest way from the target to `certificate`, which was reached or is an anchor.
    fn way_up_to(&self, certificate: &'a Certificate) -> Vec<&'a Certificate> {
        let index = |found: &dyn Fn(&Certificate) -> bool| {
            self.reached
                .iter()
                .position(|(certificate, _)| found(certificate))
        };
        if let Some(end) = index(&|reached| std::ptr::eq(reached, certificate)) {
            return way_to(&self.reached, end);
        }
        let name = certificate.folded_subject();
        let below = index(&|reached| reached.folded_issuer() == name);
        let mut way = below.map_or_else(Vec::new, |end| way_to(&self.reached, end));
        way.push(certificate);
        way
    }

    /// Why there is no anchor above: something is wrong on the way to `dead_end`'s last, or that is
    /// self-issued, or its issuer is missing.
    fn explain(mut self, dead_end: Vec<&'a Certificate>, budget: &mut Budget) -> PathOutcome {
        let Some((top, rest)) = dead_end.split_last() else {
            let target = self.request.target;
            let error = PathError::new(target, PathFault::NotAnchored);
            return failed(error, vec![target.clone()]);
        };
        let chain = dead_end.iter().copied().cloned().collect();
        let mut state = State::new(top, self.request);
        let mut checked = self.check_alone(top);
        if !rest.is_empty() {
            checked = checked.and_then(|()| state.prepare(self.request.purpose));
        }
        let mut at = top;
        for below in rest.iter().rev() {
            if checked.is_err() || state.links.len() >= self.paths.path_length {
                break;
            }
            at = below;
            let is_target = std::ptr::eq(*below, self.request.target);
            checked = self
                .step(&state, below, is_target, budget)
                .map(|next| state = next);
        }
        match checked {
            Err(fault) if fault.verdict() == Verdict::Invalid => {
                failed(PathError::new(at, fault), chain)
            }
            Ok(()) | Err(_) if top.is_self_issued() => {
                failed(PathError::new(top, PathFault::NotAnchored), chain)
            }
            Ok(()) | Err(_) => {
                let issuer = top.issuer_name().to_owned();
                failed(PathError::new(top, PathFault::MissingIssuer(issuer)), chain)
            }
        }
    }
}

fn crl_signers(signers: &[(Certificate, Vec<u8>)]) -> Vec<CrlSigner<'_>> {
    signers
        .iter()
        .map(|(certificate, spki)| CrlSigner { certificate, spki })
        .collect()
}

/// Whether keyUsage is there and allows cRLSign.
fn names_crl_sign(certificate: &Certificate) -> bool {
    certificate
        .key_usage()
        .is_some_and(|usage| usage.crl_sign())
}

/// 0 when the child names its issuer's key, 1 when it names none, 2 when it names another: a hint
/// for the order and no more (RFC 4158 §3.5.12).
fn key_mismatch(child: &Certificate, issuer: &Certificate) -> u8 {
    let named = child.authority_key().identifier.as_deref();
    match (named, issuer.subject_key_identifier()) {
        (Some(named), Some(own)) if named == own => 0,
        (Some(_), Some(_)) => 2,
        (None, _) | (_, None) => 1,
    }
}

/// The certificates from the target (the first reached) to the one at `end`.
fn way_to<'a>(reached: &[(&'a Certificate, Option<usize>)], end: usize) -> Vec<&'a Certificate> {
    let mut way = Vec::new();
    let mut next = Some(end);
    // Each was reached from one before it, so this ends.
    while let Some((certificate, below)) = next.and_then(|index| reached.get(index)) {
        way.push(*certificate);
        next = *below;
    }
    way.reverse();
    way
}

fn valid(state: &State<'_>) -> PathOutcome {
    let links = state.links.iter().rev();
    PathOutcome {
        verdict: Verdict::Valid,
        chain: links.map(|link| link.certificate.clone()).collect(),
        error: None,
        warnings: state.warnings.clone(),
    }
}

fn failed(error: PathError, chain: Vec<Certificate>) -> PathOutcome {
    PathOutcome {
        verdict: error.fault.verdict(),
        chain,
        error: Some(error),
        warnings: Vec::new(),
    }
}
