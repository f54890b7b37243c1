//! Puts recipients together who get the same edition (DESIGN, "Outcome").

use std::collections::HashMap;
use std::collections::HashSet;

use crate::address::Mailbox;
use crate::cms::write_signed::SignerPlan;
use crate::crypto::CryptoError;
use crate::crypto::PssParameters;
use crate::crypto::SignatureAlgorithm;
use crate::domsec::layering::Added;
use crate::domsec::layering::LayerPlan;
use crate::gateway::choose::Reader;
use crate::gateway::choose::ReadersFound;
use crate::gateway::choose::Written;
use crate::gateway::choose::envelope;
use crate::gateway::choose::inside;
use crate::gateway::decide::Common;
use crate::gateway::decide::otherwise;
use crate::gateway::delivery::remembered;
use crate::gateway::edition::Course;
use crate::gateway::edition::EditionPlan;
use crate::gateway::edition::HeaderPlan;
use crate::gateway::edition::NewLayer;
use crate::gateway::edition::Signer;
use crate::gateway::marks::Marks;
use crate::gateway::outcome::Fate;
use crate::gateway::outcome::Share;
use crate::gateway::unmet::SealBlame;
use crate::gateway::unmet::Unmet;
use crate::notation::SignatureType;
use crate::policy::profile::Profile;
use crate::policy::profile::RsaSignature;
use crate::policy::rule::Form;
use crate::policy::rule::Rule;
use crate::x509::Certificate;

/// What one recipient gets, before others join in.
#[derive(Clone, Debug)]
pub(super) struct Draft<'a> {
    pub(super) rule: &'a Rule,
    /// The algorithms to write: the rule's, else those of the recipient's partner entry.
    pub(super) profile: Option<&'a Profile>,
    pub(super) course: DraftCourse,
    /// Who can read the encryption, where there is one.
    pub(super) readers: Option<ReadersFound>,
    /// Whether results and warnings are written into the header.
    pub(super) marked: bool,
}

/// What becomes of the layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DraftCourse {
    AsCame,
    Layered(LayerPlan),
    Opened { remove: usize },
}

/// What becomes of the message for one recipient.
#[derive(Debug)]
pub(super) struct Fated<'a> {
    pub(super) mailbox: Mailbox,
    pub(super) rule: Option<String>,
    pub(super) fate: Fate<Draft<'a>>,
    pub(super) reasons: Vec<String>,
    pub(super) warnings: Vec<String>,
}

impl<'a> Draft<'a> {
    pub(super) const fn as_came(rule: &'a Rule, marked: bool) -> Self {
        Self {
            rule,
            profile: None,
            course: DraftCourse::AsCame,
            readers: None,
            marked,
        }
    }

    pub(super) const fn layered(
        (rule, profile): (&'a Rule, Option<&'a Profile>),
        plan: LayerPlan,
        readers: Option<ReadersFound>,
        marked: bool,
    ) -> Self {
        Self {
            rule,
            profile,
            course: DraftCourse::Layered(plan),
            readers,
            marked,
        }
    }
}

/// What recipients must have in common to share a fate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    rule: Option<String>,
    fate: String,
    reasons: Vec<String>,
    warnings: Vec<String>,
    /// The recipient, where a RecipientInfo would tell others of somebody who stands in no field.
    alone: Option<String>,
}

impl<'a> Common<'a> {
    /// The shares of all recipients, in the order of their first recipients.
    pub(super) fn shared(&self, fated: Vec<Fated<'a>>) -> Vec<Share<EditionPlan<'a>>> {
        let groups = match fated.len() {
            // Nobody to share with.
            0 | 1 => fated.into_iter().map(|one| vec![one]).collect(),
            _ => self.grouped(fated),
        };
        groups
            .into_iter()
            .filter_map(|group| self.share(group))
            .collect()
    }

    fn grouped(&self, fated: Vec<Fated<'a>>) -> Vec<Vec<Fated<'a>>> {
        let mut places: HashMap<Key, usize> = HashMap::new();
        let mut groups: Vec<Vec<Fated<'a>>> = Vec::new();
        for one in fated {
            let place = *places.entry(self.key(&one)).or_insert(groups.len());
            match groups.get_mut(place) {
                Some(group) => group.push(one),
                None => groups.push(vec![one]),
            }
        }
        groups
    }

    fn key(&self, fated: &Fated<'_>) -> Key {
        let (fate, alone) = match &fated.fate {
            Fate::Defer(reply) => (format!("defer {reply}"), None),
            Fate::Refuse(reply) => (format!("refuse {reply}"), None),
            Fate::Hold(reason) => (format!("hold {reason}"), None),
            Fate::Deliver(draft) => {
                let individual = draft.readers.as_ref().is_some_and(|one| one.individual);
                let hidden = individual && !self.flags.is_named(&fated.mailbox);
                let course = format!(
                    "{:?} {:?} {} {}",
                    draft.course,
                    draft.profile.map(|profile| &profile.name),
                    draft.marked,
                    draft.readers.is_some()
                );
                (course, hidden.then(|| fated.mailbox.to_string()))
            }
        };
        Key {
            rule: fated.rule.clone(),
            fate,
            reasons: fated.reasons.clone(),
            warnings: fated.warnings.clone(),
            alone,
        }
    }

    fn share(&self, group: Vec<Fated<'a>>) -> Option<Share<EditionPlan<'a>>> {
        let recipients: Vec<Mailbox> = group.iter().map(|one| one.mailbox.clone()).collect();
        let mut readers: Vec<Reader> = Vec::new();
        let mut known: HashSet<&[u8]> = HashSet::new();
        for fated in &group {
            if let Fate::Deliver(draft) = &fated.fate {
                for reader in draft.readers.iter().flat_map(|found| &found.readers) {
                    if known.insert(reader.certificate.der()) {
                        readers.push(reader.clone());
                    }
                }
            }
        }
        let first = group.into_iter().next()?;
        let mut reasons = first.reasons;
        let fate = match first.fate {
            Fate::Defer(reply) => Fate::Defer(reply),
            Fate::Hold(reason) => Fate::Hold(reason),
            Fate::Refuse(reply) => Fate::Refuse(reply),
            Fate::Deliver(draft) => match self.planned(&draft, &readers, &first.warnings) {
                Ok(plan) => {
                    let written = plan
                        .encrypts()
                        .then(|| Written::of(&readers, draft.profile));
                    reasons.extend(written.and_then(|written| written.why));
                    Fate::Deliver(plan)
                }
                Err(unmet) => {
                    reasons.push(unmet.to_string());
                    let waited = self.arrival.transaction.waited;
                    otherwise(draft.rule, waited, &unmet, || EditionPlan {
                        course: Course::AsCame,
                        marks: self.marks(draft.marked, &first.warnings),
                    })
                }
            },
        };
        let is_encrypted = matches!(&fate, Fate::Deliver(plan) if plan.encrypts());
        Some(Share {
            recipients,
            rule: first.rule,
            fate,
            reasons,
            warnings: first.warnings,
            encrypted_to: readers
                .iter()
                .filter(|_| is_encrypted)
                .map(|reader| reader.certificate.fingerprint())
                .collect(),
        })
    }

    fn planned(
        &self,
        draft: &Draft<'a>,
        readers: &[Reader],
        warnings: &[String],
    ) -> Result<EditionPlan<'a>, Unmet> {
        let course = match &draft.course {
            DraftCourse::AsCame => Course::AsCame,
            DraftCourse::Opened { remove } => Course::Opened { remove: *remove },
            DraftCourse::Layered(plan) => Course::Layered {
                remove: plan.removed,
                header: HeaderPlan {
                    hide: draft.rule.hide.clone(),
                    is_bound: self.gateway.header_is_vouched_for(self.arrival),
                },
                add: plan
                    .added
                    .iter()
                    .map(|added| self.new_layer(draft, *added, readers))
                    .collect::<Result<_, _>>()?,
            },
        };
        let mut marks = self.marks(draft.marked, warnings);
        if matches!(course, Course::Layered { .. }) {
            // The Subject is bound to what we sign.
            marks.subject_tag = None;
        }
        Ok(EditionPlan { course, marks })
    }

    fn marks(&self, marked: bool, warnings: &[String]) -> Marks {
        if marked {
            self.flags.marks(self.gateway, warnings)
        } else {
            Marks::none(self.gateway.authserv_id.clone())
        }
    }

    fn new_layer(
        &self,
        draft: &Draft<'a>,
        added: Added,
        readers: &[Reader],
    ) -> Result<NewLayer<'a>, Unmet> {
        let Draft { rule, profile, .. } = *draft;
        Ok(match added {
            Added::Empty => NewLayer::Empty,
            Added::Encrypted { .. } => {
                let envelope = envelope(readers, profile, self.own_dca());
                NewLayer::Encrypted {
                    envelope: envelope.map_err(|_| {
                        let reason = "the key in a recipient's certificate cannot be encrypted to";
                        Unmet::CertificateInvalid(reason.to_owned())
                    })?,
                    inside: inside(readers, profile),
                }
            }
            Added::Remembered { from } => NewLayer::Remembered {
                attributes: remembered(self.arrival, from),
                signer: self.signer(SignatureType::Domain, profile)?,
            },
            Added::Signed(kind) => NewLayer::Signed {
                kind,
                detached: rule.form == Form::Detached,
                attributes: match (kind, &rule.attributes) {
                    (SignatureType::AdditionalAttributes, Some(name)) => self
                        .gateway
                        .policy
                        .attributes(name)
                        .map(|set| set.encoded().to_vec())
                        .unwrap_or_default(),
                    _ => Vec::new(),
                },
                signer: self.signer(kind, profile)?,
            },
        })
    }

    fn signer(&self, kind: SignatureType, profile: Option<&Profile>) -> Result<Signer<'a>, Unmet> {
        let from = self.arrival.facts.mailboxes();
        let identity = self
            .gateway
            .roles
            .signer(kind, from, self.arrival.now)
            .map_err(Unmet::NoSigner)?;
        let algorithm = algorithm(identity.certificate(), profile).map_err(|error| {
            let subject = identity.certificate().subject_name();
            Unmet::Seal(
                format!("the key of {subject} cannot sign: {error}"),
                SealBlame::Ours,
            )
        })?;
        Ok(Signer {
            identity,
            algorithm,
        })
    }
}

/// The key's own scheme, with hash and padding as the profile has them (DESIGN, decision 3).
fn algorithm(
    certificate: &Certificate,
    profile: Option<&Profile>,
) -> Result<SignatureAlgorithm, CryptoError> {
    let default = SignerPlan::default_algorithm(certificate.spki())?;
    let Some(profile) = profile else {
        return Ok(default);
    };
    Ok(match default {
        SignatureAlgorithm::RsaPkcs1(digest) => {
            let digest = profile.digest.unwrap_or(digest);
            match profile.rsa_signature {
                Some(RsaSignature::Pss) => SignatureAlgorithm::RsaPss(PssParameters::plain(digest)),
                Some(RsaSignature::Pkcs1) | None => SignatureAlgorithm::RsaPkcs1(digest),
            }
        }
        SignatureAlgorithm::RsaPss(parameters) => match profile.digest {
            Some(digest) => SignatureAlgorithm::RsaPss(PssParameters::plain(digest)),
            None => SignatureAlgorithm::RsaPss(parameters),
        },
        SignatureAlgorithm::Ecdsa(digest) => {
            SignatureAlgorithm::Ecdsa(profile.digest.unwrap_or(digest))
        }
        other @ (SignatureAlgorithm::Dsa(_) | SignatureAlgorithm::Ed25519) => other,
    })
}
