//! What a message's signatures are worth, as values that stay when the structures are gone.
//!
//! Beside the verdict of [`crate::gateway::judge`] it holds what the policy adds: pinned certificates, and
//! which encryption is not to be believed.

use std::io;

use crate::address::Domain;
use crate::address::Mailbox;
use crate::crypto::DigestAlgorithm;
use crate::domsec::layering::ArrivedLayer;
use crate::domsec::layering::Standing;
use crate::domsec::layering::remembered::History;
use crate::domsec::naming::Authority;
use crate::domsec::naming::Names;
use crate::domsec::verdict::Answer;
use crate::domsec::verdict::Facts;
use crate::domsec::verdict::LayerFacts;
use crate::domsec::verdict::Naming;
use crate::domsec::verdict::PathFacts;
use crate::domsec::verdict::SignatureFault;
use crate::domsec::verdict::Verdict;
use crate::gateway::judge::JudgedLayer;
use crate::gateway::judge::JudgedSigner;
use crate::gateway::judge::Judgement;
use crate::gateway::learned::Learned;
use crate::gateway::open::Kind;
use crate::gateway::open::Node;
use crate::gateway::open::Opened;
use crate::gateway::site::Gateway;
use crate::gateway::transaction::Transaction;
use crate::gateway::transaction::is_of;
use crate::limits::Budget;
use crate::notation::Layer;
use crate::notation::SignatureType;
use crate::policy::partner::Partner;
use crate::x509::Certificate;
use crate::x509::Time;

/// What was found out about the signatures of a message.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    pub(super) facts: Facts,
    pub(super) part_facts: Vec<LayerFacts>,
    /// One for each node of the chain.
    pub(super) layers: Vec<ArrivedLayer>,
    pub(super) signers: Vec<SignerSummary>,
    pub(super) learned: Learned,
    /// SHA-256 of the innermost content that a trusted signer signed, where it is for one of ours.
    pub(super) signed_content: Option<[u8; 32]>,
    /// The E that must be as if no key had opened it.
    pub(super) unprotected: Option<usize>,
}

/// One signer, as far as others want to know.
#[derive(Clone, Debug)]
pub struct SignerSummary {
    /// Index of the layer; 0 is the outermost.
    pub layer: usize,
    /// Whether digest, attributes and signature are right; else why not.
    pub signature: Result<(), SignatureFault>,
    /// What is known of the path.
    pub path: PathFacts,
    /// Signature types, as far as they could be read.
    pub types: Vec<SignatureType>,
    /// Whether the certificate adheres to the naming convention.
    pub naming: Naming,
    /// Whether the signature binds the message to From.
    pub binds: bool,
    /// The certificate's rfc822Names.
    pub emails: Vec<String>,
    /// The domains for which the certificate's owner may review.
    pub review_domains: Vec<Domain>,
    /// Whether all that is not known of the path is revocation.
    pub revocation_unknown: bool,
    /// What the certificate is told by, where it is known.
    pub certificate: Option<CertificateSummary>,
}

/// What a certificate is told by.
#[derive(Clone, Debug)]
pub struct CertificateSummary {
    /// RFC 4514.
    pub issuer: String,
    /// Octets of the serial number.
    pub serial: Vec<u8>,
}

impl SignerSummary {
    /// Whether the signature verifies with a valid path.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.signature.is_ok() && self.path == PathFacts::Valid
    }
}

impl Gateway {
    /// Judges `opened`; what that costs is taken from the budget.
    pub(super) fn judged(
        &self,
        transaction: &Transaction,
        opened: &Opened,
        (now, budget): (Time, &mut Budget),
    ) -> Judged {
        let judge = self.judge(now);
        let mut judgement = judge.judge(opened, budget);
        self.hold_to_pins(&mut judgement);
        Judged {
            learned: Learned::from_judgement(&judgement, &judge, budget),
            layers: arrived_layers(opened, &judgement),
            signers: summaries(&judgement),
            signed_content: self.signed_content(transaction, &judgement),
            unprotected: self.unprotected(opened, &judgement),
            verdict: judgement.verdict,
            facts: judgement.facts,
            part_facts: judgement.part_facts,
        }
    }

    /// The outermost E that was opened, whose encryption does not protect its integrity and right inside
    /// of which nobody signed.
    ///
    /// What becomes of such content must not depend on what is in it, not even on whether it decrypts:
    /// EFAIL and padding oracles live on the difference. So it is as if no key had opened it (DESIGN,
    /// decision 4), unless the policy trusts the partner to send it.
    fn unprotected(&self, opened: &Opened, judgement: &Judgement<'_>) -> Option<usize> {
        if self.trusts_cbc(judgement.facts.mailboxes()) {
            return None;
        }
        let nodes: Vec<&Node> = opened.root.chain().collect();
        let signed = |layer: usize| {
            let judged = judgement.layers.iter().find(|judged| judged.layer == layer);
            let holds = |judged: &JudgedLayer<'_>| {
                judged.signers.iter().any(|signer| signer.signature.is_ok())
            };
            let whole = nodes.get(layer).is_some_and(|node| node.error.is_none());
            whole && judged.is_some_and(holds)
        };
        nodes.iter().enumerate().find_map(|(index, node)| {
            let Kind::Enveloped(enveloped, Some(_)) = &node.kind else {
                return None;
            };
            let inside = opened.root.right_inside(index);
            (!enveloped.authenticated && !inside.is_some_and(signed)).then_some(index)
        })
    }

    /// Whether the policy trusts everybody in From to send CBC content that nobody signed.
    pub(super) fn trusts_cbc(&self, from: &[Mailbox]) -> bool {
        let trusted = |from: &Mailbox| {
            let partner = self.policy.partner(from.domain());
            partner.is_some_and(|partner| partner.trust_cbc_unsigned)
        };
        !from.is_empty() && from.iter().all(trusted)
    }

    /// Where the policy names the certificates with which a partner signs, no others speak for it.
    fn hold_to_pins(&self, judgement: &mut Judgement<'_>) {
        let from = judgement.facts.mailboxes().iter();
        let pinned: Vec<&Partner> = from
            .filter_map(|from| self.policy.partner(from.domain()))
            .filter(|partner| !partner.certificates.is_empty())
            .collect();
        if pinned.is_empty() {
            return;
        }
        let mut wrong = Vec::new();
        for judged in &judgement.layers {
            for (index, signer) in judged.signers.iter().enumerate() {
                let (naming, _) = judgement.naming(judged.layer, index);
                // One that names another domain is no signature of this partner.
                let speaks =
                    naming == Naming::Match && signer.info.types().contains(&SignatureType::Domain);
                let certificate = signer.certificate.as_ref();
                let known = |partner: &&Partner| {
                    let mut pins = partner.certificates.iter();
                    pins.any(|pin| certificate.is_some_and(|one| pin.is_of(one)))
                };
                if speaks && !pinned.iter().all(known) {
                    let fingerprint = certificate.map(Certificate::fingerprint);
                    let fingerprint = fingerprint.unwrap_or_default();
                    let reason = format!(
                        "the domain signature is by {fingerprint}, and the policy names others"
                    );
                    wrong.push((judged.layer, reason));
                }
            }
        }
        for (layer, reason) in wrong {
            let mut layers = judgement.facts.layers.iter_mut();
            if let Some(facts) = layers.find(|facts| facts.layer == layer) {
                facts.error = Some(reason.clone());
            }
            judgement.verdict.answer = Answer::Invalid;
            judgement
                .verdict
                .reasons
                .push(format!("layer {layer}: {reason}"));
        }
    }

    /// What an attacker wraps around signed content does not make it new: the innermost counts.
    fn signed_content(
        &self,
        transaction: &Transaction,
        judgement: &Judgement<'_>,
    ) -> Option<[u8; 32]> {
        let mut recipients = transaction.recipients.iter();
        if !recipients.any(|one| is_of(one, &self.domains)) {
            return None;
        }
        let verified = |layer: &&JudgedLayer<'_>| {
            let good = |signer: &JudgedSigner<'_>| {
                signer.signature.is_ok() && signer.path == PathFacts::Valid
            };
            layer.signers.iter().any(good)
        };
        let layer = judgement.layers.iter().rfind(verified)?;
        let mut digester = self.provider.digests.start(DigestAlgorithm::Sha256).ok()?;
        let read = layer.node.covered.as_ref()?.windows(|window| {
            digester.update(window);
            Ok::<(), io::Error>(())
        });
        read.ok()?;
        digester.finish().try_into().ok()
    }
}

fn arrived_layers(opened: &Opened, judgement: &Judgement<'_>) -> Vec<ArrivedLayer> {
    let letters = opened.root.layers();
    let arrived = letters.iter().enumerate().map(|(index, layer)| {
        let judged = judgement.layers.iter().find(|judged| judged.layer == index);
        match judged {
            Some(judged) if matches!(layer, Layer::Signed(_)) => ArrivedLayer {
                layer,
                standing: standing(judged, &judgement.facts.layers),
                histories_differ: history(judged) == History::Differing,
            },
            Some(_) | None => ArrivedLayer::sound(layer),
        }
    });
    arrived.collect()
}

/// Whether all signatures of a layer hold, and the layer as a whole.
fn standing(judged: &JudgedLayer<'_>, facts: &[LayerFacts]) -> Standing {
    let of_layer = facts.iter().find(|layer| layer.layer == judged.layer);
    let mut standing = Standing::Verified;
    if of_layer.is_some_and(|layer| layer.error.is_some()) {
        return Standing::Spoiled;
    }
    for signer in &judged.signers {
        match (&signer.signature, &signer.path) {
            (Err(SignatureFault::Wrong(_)), _) | (_, PathFacts::Invalid(_)) => {
                return Standing::Spoiled;
            }
            (Err(SignatureFault::Unknown(_)), _) | (_, PathFacts::Indeterminate(_)) => {
                standing = Standing::Unknown;
            }
            (Ok(_), PathFacts::Valid) => {}
        }
    }
    standing
}

/// What the signers of a layer that verified say of the lists that it has been through.
fn history<'a>(judged: &'a JudgedLayer<'_>) -> History<'a> {
    let verified = judged
        .signers
        .iter()
        .filter(|signer| signer.signature.is_ok());
    History::of(verified.filter_map(|signer| signer.info.signed_attributes.as_ref()))
}

fn summaries(judgement: &Judgement<'_>) -> Vec<SignerSummary> {
    let mut all = Vec::new();
    for judged in &judgement.layers {
        for (index, signer) in judged.signers.iter().enumerate() {
            let (naming, binds) = judgement.naming(judged.layer, index);
            let certificate = signer.certificate.as_ref();
            all.push(SignerSummary {
                layer: judged.layer,
                signature: signer.signature.as_ref().map(|_| ()).map_err(Clone::clone),
                path: signer.path.clone(),
                types: signer.info.types(),
                naming,
                binds,
                review_domains: certificate
                    .filter(|_| signer.info.types().contains(&SignatureType::Review))
                    .map(|one| Names::of(one).domains(Authority::Review))
                    .unwrap_or_default(),
                revocation_unknown: signer.revocation_unknown,
                emails: certificate
                    .map(|one| one.emails().map(ToOwned::to_owned).collect())
                    .unwrap_or_default(),
                certificate: certificate.map(|one| CertificateSummary {
                    issuer: one.issuer_name().to_owned(),
                    serial: one.serial().to_vec(),
                }),
            });
        }
    }
    all
}
