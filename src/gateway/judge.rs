//! Judges what was opened: each signature, each path, and what they say together.
//!
//! Finds certificates by their identifiers, never by position; time, anchors and further
//! certificates are arguments. The rules themselves stand in [`crate::domsec::verdict`].

use crate::address::Domain;
use crate::address::Mailbox;
use crate::cms::attributes;
use crate::cms::signed_data::SignerInfo;
use crate::cms::verify;
use crate::cms::verify::ContentDigests;
use crate::cms::verify::SignedContent;
use crate::cms::verify::SignerVerified;
use crate::crypto::Provider;
use crate::domsec::naming::Names;
use crate::domsec::verdict;
use crate::domsec::verdict::Answer;
use crate::domsec::verdict::Facts;
use crate::domsec::verdict::From;
use crate::domsec::verdict::LayerFacts;
use crate::domsec::verdict::Naming;
use crate::domsec::verdict::PathFacts;
use crate::domsec::verdict::SignatureFault;
use crate::domsec::verdict::SignerFacts;
use crate::domsec::verdict::Verdict;
use crate::gateway::open::Kind;
use crate::gateway::open::Node;
use crate::gateway::open::OpenError;
use crate::gateway::open::Opened;
use crate::gateway::open::SignedNode;
use crate::gateway::shown;
use crate::limits::Budget;
use crate::limits::Limits;
use crate::mime::SmimeType;
use crate::x509::Certificate;
use crate::x509::Crl;
use crate::x509::PathOutcome;
use crate::x509::PathRequest;
use crate::x509::PathValidation;
use crate::x509::Time;
use crate::x509::Verdict as PathVerdict;
use crate::x509::path::InitialPolicies;
use crate::x509::path::Purpose;
use crate::x509::path::RevocationMode;
use crate::x509::path::effective_spki;
use crate::x509::path::lacks_parameters;
use crate::x509::purpose::may_sign_mail;

/// What judging needs.
#[derive(Clone, Copy, Debug)]
pub struct Judge<'a> {
    /// Validates paths, and knows the anchors.
    pub paths: &'a dyn PathValidation,
    /// Cryptography.
    pub provider: &'a Provider,
    /// Bounds.
    pub limits: &'a Limits,
    /// Certificates that may help to build paths or be a signer's own.
    pub certificates: &'a [Certificate],
    /// CRLs beside those in the message.
    pub crls: &'a [Crl],
    /// The time for which to judge.
    pub at: Time,
    /// What certificates must be for.
    pub purpose: Purpose,
    /// How revocation counts.
    pub revocation: RevocationMode,
    /// Who the message is from, instead of its From.
    pub from: Option<&'a Mailbox>,
    /// The domains with which the former names of RFC 3183 are agreed (draft §2.6).
    pub former_names: &'a [Domain],
}

/// All that was found out about a message.
#[derive(Debug)]
pub struct Judgement<'a> {
    /// What it comes to.
    pub verdict: Verdict,
    /// The signed layers around the content, outermost first, as [`Verdict::signers`] counts them.
    pub layers: Vec<JudgedLayer<'a>>,
    /// Signed layers in parts of the content.
    pub parts: Vec<JudgedLayer<'a>>,
    /// What the verdict was made of; its layers are those of [`Judgement::layers`], and what could
    /// not be read.
    pub facts: Facts,
    /// The same of each of [`Judgement::parts`].
    pub part_facts: Vec<LayerFacts>,
}

/// One signed layer.
#[derive(Debug)]
pub struct JudgedLayer<'a> {
    /// Which layer of the notation it is; 0 is the outermost.
    pub layer: usize,
    /// The layer itself.
    pub node: &'a SignedNode,
    /// Its signers, in message order.
    pub signers: Vec<JudgedSigner<'a>>,
}

/// One signer.
#[derive(Debug)]
pub struct JudgedSigner<'a> {
    /// The structure.
    pub info: &'a SignerInfo,
    /// The signer's certificate, if it was at hand.
    pub certificate: Option<Certificate>,
    /// The proof, or why there is none.
    pub signature: Result<SignerVerified, SignatureFault>,
    /// What is known of the path.
    pub path: PathFacts,
    /// Whether all that is not known of the path is revocation: an answer may come.
    pub revocation_unknown: bool,
}

impl Judgement<'_> {
    /// The naming of a signer, and whether it binds the message to From.
    #[must_use]
    pub fn naming(&self, layer: usize, signer: usize) -> (Naming, bool) {
        let found = self.layers.iter().position(|judged| judged.layer == layer);
        let named = found.and_then(|index| self.verdict.signers.get(index)?.get(signer).copied());
        named.unwrap_or((Naming::NotApplicable, false))
    }
}

impl Judge<'_> {
    /// Judges `opened`. Each verification is taken from `budget`.
    #[must_use]
    pub fn judge<'o>(&self, opened: &'o Opened, budget: &mut Budget) -> Judgement<'o> {
        let mut facts = Facts {
            from: self.from(opened),
            closed: is_closed(&opened.root),
            defects: shown::defects(opened, self.limits),
            ..Facts::default()
        };
        let mut unknown = Vec::new();
        let mut layers = Vec::new();
        for (layer, node) in opened.root.chain().enumerate() {
            match &node.kind {
                Kind::Signed(signed) => {
                    let judged = self.judge_layer(layer, signed, budget);
                    facts.layers.push(self.facts_of(&judged, node));
                    layers.push(judged);
                }
                Kind::Compressed(_) | Kind::Content(_) | Kind::Enveloped(..) => {
                    facts.layers.extend(unread(layer, node, &mut unknown));
                }
            }
        }
        if let (Some(_), Some(header)) = (self.from, &opened.header)
            && let From::Ambiguous(reason) = shown::from(header)
        {
            // The originator is given, but the reader is shown the field.
            facts.defects.push(reason);
        }
        let below = opened.root.chain().count();
        let (parts, part_facts) = self.judge_parts(&opened.root, below, budget);
        facts.signed_parts = parts.iter().any(|layer| !layer.signers.is_empty());
        // Whoever signs the whole answers for its parts, readable or not.
        if layers.iter().all(|layer| layer.signers.is_empty()) {
            let unread = |node| unread(below, node, &mut unknown);
            facts
                .layers
                .extend(parts_in(&opened.root).into_iter().filter_map(unread));
        }
        Judgement {
            verdict: weakened(verdict::judge(&facts), unknown),
            layers,
            parts,
            facts,
            part_facts,
        }
    }

    fn from(&self, opened: &Opened) -> From {
        match self.from {
            Some(mailbox) => From::Mailboxes(vec![mailbox.clone()]),
            None => opened.header.as_ref().map_or(From::Absent, shown::from),
        }
    }

    fn judge_parts<'o>(
        &self,
        root: &'o Node,
        first: usize,
        budget: &mut Budget,
    ) -> (Vec<JudgedLayer<'o>>, Vec<LayerFacts>) {
        let mut judged = Vec::new();
        let mut facts = Vec::new();
        for node in parts_in(root) {
            if let Kind::Signed(signed) = &node.kind {
                let layer = self.judge_layer(first + judged.len(), signed, budget);
                facts.push(self.facts_of(&layer, node));
                judged.push(layer);
            }
        }
        (judged, facts)
    }

    /// One of ours with these octets: senders send along what we have.
    fn known(&self, der: &[u8]) -> Option<Certificate> {
        let mut known = self.certificates.iter();
        known.find(|one| one.der() == der).cloned()
    }

    /// The certificates that came along with a layer, and those at hand.
    pub(super) fn certificates_with(&self, node: &SignedNode) -> Vec<Certificate> {
        let sent = node
            .data
            .certificates
            .iter()
            .filter_map(|der| self.known(der).or_else(|| Certificate::parse(der).ok()));
        sent.chain(self.certificates.iter().cloned()).collect()
    }

    /// The CRLs that came along with a layer, and those at hand.
    pub(super) fn crls_with(&self, node: &SignedNode) -> Vec<Crl> {
        let sent = node
            .data
            .crls
            .iter()
            .filter_map(|der| Crl::parse(der, self.limits).ok());
        sent.chain(self.crls.iter().cloned()).collect()
    }

    fn judge_layer<'o>(
        &self,
        layer: usize,
        node: &'o SignedNode,
        budget: &mut Budget,
    ) -> JudgedLayer<'o> {
        let certificates = self.certificates_with(node);
        let crls = self.crls_with(node);
        let digests = node.covered.as_ref().map(|covered| {
            ContentDigests::for_signers(covered, &node.data.signers, self.provider)
                .map_err(|error| format!("octets of the content could not be read: {error}"))
        });
        let content = match (&node.covered, &digests) {
            (Some(octets), Some(Ok(digests))) => Ok(SignedContent {
                content_type: node.data.content_type,
                octets,
                digests,
            }),
            (_, Some(Err(error))) => Err(error.clone()),
            (_, None) | (None, _) => Err(OpenError::ContentElsewhere.to_string()),
        };
        let material = Material {
            content,
            certificates: &certificates,
            crls: &crls,
        };
        let judge_one = |info| self.judge_signer(info, &material, budget);
        let signers = node.data.signers.iter().map(judge_one).collect();
        JudgedLayer {
            layer,
            node,
            signers,
        }
    }

    /// Judges one signer with each certificate that its identifier names, until one is right.
    ///
    /// Anybody may send a certificate with the identifier of another along: only the key can tell
    /// which is meant (RFC 5035 §1).
    fn judge_signer<'o>(
        &self,
        info: &'o SignerInfo,
        material: &Material<'_>,
        budget: &mut Budget,
    ) -> JudgedSigner<'o> {
        let mut best: Option<JudgedSigner<'o>> = None;
        for certificate in material.certificates {
            if !certificate.is_named(info.sid.key_name()) {
                continue;
            }
            let judged = self.judge_with(info, certificate, material, budget);
            let known = best.as_ref().map(JudgedSigner::rank);
            if known.is_none_or(|known| judged.rank() > known) {
                best = Some(judged);
            }
            if best.as_ref().is_some_and(|best| best.rank() == RIGHT) {
                break;
            }
        }
        best.unwrap_or_else(|| JudgedSigner {
            revocation_unknown: false,
            info,
            certificate: None,
            signature: Err(SignatureFault::Unknown(no_certificate(info))),
            path: PathFacts::Indeterminate(no_certificate(info)),
        })
    }

    fn judge_with<'o>(
        &self,
        info: &'o SignerInfo,
        certificate: &Certificate,
        material: &Material<'_>,
        budget: &mut Budget,
    ) -> JudgedSigner<'o> {
        let request = self.request(certificate, material.certificates, material.crls);
        let outcome = self.paths.validate(&request, budget);
        // Another validation may give no path at all.
        let of_this = Some(&outcome.chain).filter(|chain| chain.first() == Some(certificate));
        let spki = of_this.map(|chain| effective_spki(chain));
        let spki = spki.as_deref().unwrap_or(certificate.spki());
        let signature = match &material.content {
            Err(error) => Err(SignatureFault::Unknown(error.clone())),
            Ok(_) if lacks_parameters(spki) => {
                Err(SignatureFault::Unknown(no_parameters(certificate)))
            }
            Ok(content) => {
                let key = (certificate, spki);
                verify::verify_signer(info, *content, key, self.provider, budget).map_err(|error| {
                    let text = chain(&error);
                    if error.is_unknown() {
                        SignatureFault::Unknown(text)
                    } else {
                        SignatureFault::Wrong(text)
                    }
                })
            }
        };
        JudgedSigner {
            revocation_unknown: outcome.is_about_revocation(),
            info,
            path: self.path_facts(info, certificate, outcome),
            certificate: Some(certificate.clone()),
            signature,
        }
    }

    /// How the path of `target` is validated.
    pub(super) fn request<'r>(
        &'r self,
        target: &'r Certificate,
        certificates: &'r [Certificate],
        crls: &'r [Crl],
    ) -> PathRequest<'r> {
        PathRequest {
            target,
            intermediates: certificates,
            crls,
            at: self.at,
            purpose: self.purpose,
            revocation: self.revocation,
            policies: InitialPolicies::default(),
        }
    }

    fn path_facts(
        &self,
        info: &SignerInfo,
        certificate: &Certificate,
        outcome: PathOutcome,
    ) -> PathFacts {
        let reason = || match &outcome.error {
            Some(error) => chain(error),
            None => "no reason was given".to_owned(),
        };
        match outcome.verdict {
            PathVerdict::Invalid => return PathFacts::Invalid(reason()),
            PathVerdict::Indeterminate => return PathFacts::Indeterminate(reason()),
            PathVerdict::Valid => {}
        }
        if let (Purpose::Smime, Err(error)) = (self.purpose, may_sign_mail(certificate)) {
            return PathFacts::Invalid(chain(&error));
        }
        // It must have been valid when it signed, too.
        match info.signing_time() {
            Some(time) if time < certificate.not_before() || time > certificate.not_after() => {
                PathFacts::Invalid(format!(
                    "signingTime {time} is outside the validity of {}: {} to {}",
                    certificate.subject_name(),
                    certificate.not_before(),
                    certificate.not_after(),
                ))
            }
            Some(_) | None => PathFacts::Valid,
        }
    }

    fn names_of(&self, certificate: &Certificate) -> Names {
        Names {
            former_names_with: self.former_names.to_vec(),
            ..Names::of(certificate)
        }
    }

    fn facts_of(&self, judged: &JudgedLayer<'_>, node: &Node) -> LayerFacts {
        let signers = judged.signers.iter().map(|signer| SignerFacts {
            signature: signer.signature.as_ref().map(|_| ()).map_err(Clone::clone),
            path: signer.path.clone(),
            types: signer.info.types(),
            names: signer.certificate.as_ref().map(|one| self.names_of(one)),
        });
        // One that cannot be read is reported with its signature.
        let types = judged
            .signers
            .iter()
            .filter_map(|signer| signer.info.signature_types().ok());
        let types: Vec<_> = types.collect();
        let differ = attributes::same_in_all(&types)
            .err()
            .map(|error| chain(&error));
        // A bare signature may have its content elsewhere, and each signer says so. In a message,
        // what it covers is what the reader is shown: nothing.
        let elsewhere = |error: &&OpenError| {
            node.header.is_none() && matches!(error, OpenError::ContentElsewhere)
        };
        let error = node.error.as_ref().filter(|error| !elsewhere(error));
        LayerFacts {
            layer: judged.layer,
            ml: judged
                .signers
                .iter()
                .any(|signer| signer.info.has_ml_expansion_history()),
            content_elsewhere: judged.node.covered.is_none(),
            error: error.map(|error| chain(error)).or(differ),
            signers: signers.collect(),
        }
    }
}

/// An error and its sources, for a report.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// What an error of `node` says of the message; `None` for none, and for ordinary mail with a
/// malformed field.
fn fault(node: &Node) -> Option<SignatureFault> {
    let error = node.error.as_ref()?;
    match (error, &node.kind) {
        // Why it does not open is nobody's business (DESIGN, decision 4).
        (OpenError::Decryption, _) => Some(SignatureFault::Unknown(
            "what the encrypted layer holds is not known".to_owned(),
        )),
        _ if error.is_unknown() => Some(SignatureFault::Unknown(chain(error))),
        (_, Kind::Content(_)) if !claims_smime(node) => None,
        _ => Some(SignatureFault::Wrong(chain(error))),
    }
}

/// Whether a node that cannot be read says that it is S/MIME: what does so is not "unsigned", and
/// ordinary mail with a malformed field is.
fn claims_smime(node: &Node) -> bool {
    node.header.as_ref().is_none_or(SmimeType::is_claimed)
}

/// The facts of a layer that cannot be read; what is not known of it goes into `unknown`.
fn unread(layer: usize, node: &Node, unknown: &mut Vec<String>) -> Option<LayerFacts> {
    let error = match fault(node)? {
        SignatureFault::Wrong(reason) => Some(reason),
        SignatureFault::Unknown(reason) => {
            unknown.push(format!("layer {layer}: {reason}"));
            None
        }
    };
    Some(LayerFacts {
        layer,
        error,
        ..LayerFacts::default()
    })
}

/// `verdict`, no better than it can be while `unknown` is not known.
fn weakened(mut verdict: Verdict, unknown: Vec<String>) -> Verdict {
    if !unknown.is_empty() && matches!(verdict.answer, Answer::Unsigned | Answer::Valid) {
        verdict.answer = Answer::Indeterminate;
    }
    verdict.reasons.extend(unknown);
    verdict
}

/// Every node in the parts of the content under `root`, each before what is in it.
pub(super) fn parts_in(root: &Node) -> Vec<&Node> {
    let mut found = Vec::new();
    let mut open: Vec<&Node> = Vec::new();
    let content = root.chain().last().map(|node| &node.kind);
    if let Some(Kind::Content(parts)) = content {
        open.extend(parts.iter().rev());
    }
    while let Some(part) = open.pop() {
        for node in part.chain() {
            found.push(node);
            if let Kind::Content(parts) = &node.kind {
                open.extend(parts.iter().rev());
            }
        }
    }
    found
}

/// What the signers of one layer are held against.
struct Material<'a> {
    /// What they sign, or why it is not at hand.
    content: Result<SignedContent<'a>, String>,
    /// Those in the message first.
    certificates: &'a [Certificate],
    crls: &'a [Crl],
}

/// The rank of a signer about whom nothing is wrong and all is known.
const RIGHT: (u8, u8) = (2, 2);

impl JudgedSigner<'_> {
    /// How right it is: the signature first, then the path.
    fn rank(&self) -> (u8, u8) {
        let signature = match &self.signature {
            Ok(_) => 2,
            Err(SignatureFault::Unknown(_)) => 1,
            Err(SignatureFault::Wrong(_)) => 0,
        };
        let path = match &self.path {
            PathFacts::Valid => 2,
            PathFacts::Indeterminate(_) => 1,
            PathFacts::Invalid(_) => 0,
        };
        (signature, path)
    }
}

fn no_certificate(info: &SignerInfo) -> String {
    format!(
        "the certificate of the signer ({}) is not in the message and was not given",
        info.sid
    )
}

fn no_parameters(certificate: &Certificate) -> String {
    format!(
        "the key of {} has the parameters of its issuer's, which was not found",
        certificate.subject_name()
    )
}

/// Whether the layers end in an E that no key opened.
fn is_closed(root: &Node) -> bool {
    let last = root.chain().last().map(|node| &node.kind);
    matches!(last, Some(Kind::Enveloped(_, None)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cms::compressed_data::compress;
    use crate::crypto;
    use crate::domsec::verdict::Binding;
    use crate::gateway::open::Opener;
    use crate::octets::Memory;
    use crate::octets::Spool;
    use crate::octets::SpoolWriter;
    use crate::octets::View;
    use crate::x509::Identities;
    use crate::x509::SimplePaths;

    /// The verdict on a message without trusting or having anything.
    fn verdict(message: &str) -> Verdict {
        verdict_within(message, &Limits::default(), &Memory)
    }

    fn verdict_within(message: &str, limits: &Limits, spool: &dyn Spool) -> Verdict {
        let provider = crypto::provider();
        let keys = Identities::default();
        let mut budget = Budget::new(limits);
        let opener = Opener {
            keys: &keys,
            provider,
            limits,
            spool,
        };
        let opened = opener.open(&View::owned(message.as_bytes().to_vec()), &mut budget);
        let paths = SimplePaths::new(Vec::new(), provider.verification, limits);
        let judge = Judge {
            paths: &paths,
            provider,
            limits,
            certificates: &[],
            crls: &[],
            at: Time::from_unix(1_800_000_000).unwrap(),
            purpose: Purpose::Smime,
            revocation: RevocationMode::Prefer,
            from: None,
            former_names: &[],
        };
        judge.judge(&opened, &mut budget).verdict
    }

    #[test]
    fn what_calls_itself_smime_and_cannot_be_read_is_invalid_and_nobodys() {
        for body in ["AAAA", "MIIB", "!!", ""] {
            let message = format!(
                "From: alice@a.example\r\nContent-Type: application/pkcs7-mime\r\n\
                 Content-Transfer-Encoding: base64\r\n\r\n{body}\r\n"
            );
            let verdict = verdict(&message);
            assert_eq!(verdict.answer, Answer::Invalid, "{body:?}");
            assert_eq!(verdict.originator, Binding::Absent, "{body:?}");
        }
    }

    #[test]
    fn ordinary_mail_with_a_malformed_attachment_is_unsigned() {
        for part in [
            "Content-Type: application/; bad",
            "Content-Type: multipart/mixed",
            "X",
        ] {
            let message = format!(
                "From: a@a.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
                 --b\r\n\r\nHello\r\n--b\r\n{part}\r\n\r\nx\r\n--b--\r\n"
            );
            assert_eq!(verdict(&message).answer, Answer::Unsigned, "{part:?}");
        }
    }

    #[test]
    fn armour_in_the_body_of_a_message_with_a_long_header_is_not_the_message() {
        let fields = "X: 1\r\n".repeat(Limits::default().header_fields + 1);
        let message = format!(
            "From: ceo@a.example\r\n{fields}\r\nPay.\r\n-----BEGIN CMS-----\r\nMAA=\r\n\
             -----END CMS-----\r\n"
        );
        let verdict = verdict(&message);
        // A bound of ours: what is in it is not known.
        assert_eq!(verdict.answer, Answer::Indeterminate);
        assert!(
            verdict.reasons[0].contains("number of"),
            "{:?}",
            verdict.reasons
        );
    }

    #[test]
    fn what_does_not_decompress_is_not_unsigned() {
        // CompressedData around octets that are no zlib stream.
        let message = "From: alice@a.example\r\nContent-Type: application/pkcs7-mime; \
                       smime-type=compressed-data\r\nContent-Transfer-Encoding: base64\r\n\r\n\
                       MDcGCyqGSIb3DQEJEAEJoCgwJgIBADANBgsqhkiG9w0BCRADCDASBgkqhkiG9w0BBwGgBQQD\r\n\
                       AQID\r\n";
        let verdict = verdict(message);
        assert_eq!(verdict.answer, Answer::Invalid, "{:?}", verdict.reasons);
    }

    /// A disk that is full.
    #[derive(Debug)]
    struct Full;

    impl Spool for Full {
        fn start(&self) -> std::io::Result<Box<dyn SpoolWriter>> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
    }

    #[test]
    fn bounds_and_faults_of_ours_leave_it_unknown() {
        let mut der = Vec::new();
        compress(&View::owned(vec![b'x'; 1000]), &mut der).unwrap();
        let entity = format!(
            "Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n",
            base64_simd::STANDARD.encode_to_string(&der)
        );
        let mixed =
            format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n{entity}--b--\r\n");
        let good = Limits::default();
        let small = Limits {
            decompressed_octets: 999,
            ..good
        };
        let plain = "Content-Type: text/plain\r\n\r\nHello\r\n";
        assert_eq!(verdict(plain).answer, Answer::Unsigned);
        for entity in [&entity, &mixed] {
            assert_eq!(verdict(entity).answer, Answer::Unsigned);
            let faults: [(&Limits, &dyn Spool); 2] = [(&small, &Memory), (&good, &Full)];
            for (limits, spool) in faults {
                let verdict = verdict_within(entity, limits, spool);
                assert_eq!(verdict.answer, Answer::Indeterminate, "{spool:?}");
                assert_eq!(verdict.reasons.len(), 1, "{:?}", verdict.reasons);
            }
        }
    }
}
