//! What a verified message teaches of its author: a certificate to encrypt to, and what can be read (RFC 8551 §2.5).
//!
//! Whoever can sign for an address, by a path to an anchor, says which certificate is to be used for it. Nothing is
//! learned from a message whose verdict is less than valid, and of nobody but those in its From.

use crate::address::Mailbox;
use crate::cms::attributes::Attributes;
use crate::cms::attributes::Capabilities;
use crate::cms::attributes::CertificateName;
use crate::cms::attributes::ENCRYPTION_KEY_PREFERENCE;
use crate::cms::attributes::EncryptionKeyPreference;
use crate::cms::attributes::MICROSOFT_ENCRYPTION_KEY_PREFERENCE;
use crate::cms::attributes::SMIME_CAPABILITIES;
use crate::crypto::KeyName;
use crate::domsec::naming::Names;
use crate::domsec::verdict::Answer;
use crate::domsec::verdict::Naming;
use crate::domsec::verdict::PathFacts;
use crate::gateway::judge::Judge;
use crate::gateway::judge::JudgedLayer;
use crate::gateway::judge::JudgedSigner;
use crate::gateway::judge::Judgement;
use crate::limits::Budget;
use crate::notation::SignatureType;
use crate::x509::Certificate;
use crate::x509::Crl;
use crate::x509::Time;
use crate::x509::Verdict;
use crate::x509::purpose::may_receive_mail;

/// Lessons of one message. From has one address, signed by one or two.
const MOST_LESSONS: usize = 16;

/// Certificates that are tried for one author: those that somebody sends along under a name cost a validation each.
const MOST_TRIED: usize = 4;

/// Octets of a certificate with those that its path leads through. Three of today take five thousand, and three with
/// post-quantum signatures twenty-five: more than this is not remembered.
const MOST_PATH: usize = 32 * 1024;

/// Octets of SMIMECapabilities. Every algorithm that we know of, each with parameters, takes two thousand.
const MOST_CAPABILITIES: usize = 4 * 1024;

/// What a message teaches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Learned {
    /// One for each author and signature.
    pub lessons: Vec<Lesson>,
}

/// What one signature teaches of one author.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lesson {
    /// The author, as From and the certificates name them.
    pub mailbox: Mailbox,
    /// To be encrypted to; `None` where the signer named none that is good, or has none.
    pub certificate: Option<PathTo>,
    /// DER of the signer's SMIMECapabilities (RFC 8551 §2.5.2), where they are signed.
    pub capabilities: Option<Vec<u8>>,
    /// When it was signed, by its own words and never later than now; `None` where it does not say.
    pub signed_at: Option<Time>,
}

/// A certificate with those that its path leads through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTo {
    /// It.
    pub certificate: Certificate,
    /// Its issuer, and the issuer of that, without the anchor.
    pub intermediates: Vec<Certificate>,
}

impl Learned {
    /// What `judgement` teaches. Each path that is validated is taken from `budget`; where that is spent, less is
    /// learned.
    pub(super) fn from_judgement(
        judgement: &Judgement<'_>,
        judge: &Judge<'_>,
        budget: &mut Budget,
    ) -> Self {
        let mut lessons = Vec::new();
        if judgement.verdict.answer != Answer::Valid {
            return Self { lessons };
        }
        for layer in &judgement.layers {
            let mut material = None;
            for (index, signer) in layer.signers.iter().enumerate() {
                let Some(own) = signer.certificate.as_ref() else {
                    continue;
                };
                if !speaks(signer, judgement.naming(layer.layer, index)) {
                    continue;
                }
                let names = Names::of(own);
                let authors = judgement.facts.mailboxes().iter();
                for mailbox in authors.filter(|mailbox| names.include(mailbox)) {
                    if lessons.len() == MOST_LESSONS {
                        return Self { lessons };
                    }
                    let material = material.get_or_insert_with(|| Material::of(layer, judge));
                    lessons.push(Lesson {
                        mailbox: mailbox.clone(),
                        certificate: material.certificate_for(
                            mailbox,
                            (signer, own),
                            judge,
                            budget,
                        ),
                        capabilities: capabilities(signer),
                        signed_at: signer.info.signing_time().map(|time| time.min(judge.at)),
                    });
                }
            }
        }
        Self { lessons }
    }
}

impl PathTo {
    fn octets(&self) -> usize {
        let all = std::iter::once(&self.certificate).chain(&self.intermediates);
        all.map(|one| one.der().len()).sum()
    }
}

/// Whether the signature is its author's own, or made in the author's name, and holds.
///
/// A domain's says who sent a message and not which key that person has; a reviewer's and a list's speak for nobody.
fn speaks(signer: &JudgedSigner<'_>, (naming, binds): (Naming, bool)) -> bool {
    let agent = [
        SignatureType::AdditionalAttributes,
        SignatureType::Domain,
        SignatureType::Review,
    ];
    let types = signer.info.types();
    signer.signature.is_ok()
        && signer.path == PathFacts::Valid
        && binds
        && naming != Naming::Mismatch
        && !types.iter().any(|kind| agent.contains(kind))
}

/// What came along with one layer.
struct Material {
    certificates: Vec<Certificate>,
    crls: Vec<Crl>,
}

impl Material {
    fn of(layer: &JudgedLayer<'_>, judge: &Judge<'_>) -> Self {
        Self {
            certificates: judge.certificates_with(layer.node),
            crls: judge.crls_with(layer.node),
        }
    }

    /// The certificate to encrypt to (RFC 8551 §2.5.3.1): the one that the signer prefers; else the signer's own, or
    /// another of the same subject.
    fn certificate_for(
        &self,
        mailbox: &Mailbox,
        (signer, own): (&JudgedSigner<'_>, &Certificate),
        judge: &Judge<'_>,
        budget: &mut Budget,
    ) -> Option<PathTo> {
        let preferred = match preference(signer) {
            Preference::Named(name) => Some(name),
            Preference::None => None,
            // Which one is meant is not known, and any other would be the wrong one.
            Preference::Malformed => return None,
        };
        let is_meant = |one: &&Certificate| match &preferred {
            Some(name) => one.is_named(key_name(name)),
            None => one.folded_subject() == own.folded_subject(),
        };
        let others = self.certificates.iter().filter(|one| *one != own);
        let candidates = std::iter::once(own).chain(others);
        let good = candidates
            .filter(is_meant)
            .filter(|one| may_receive_mail(one).is_ok() && Names::of(one).include(mailbox));
        good.take(MOST_TRIED)
            .find_map(|one| self.path_to(one, judge, budget))
    }

    fn path_to(
        &self,
        target: &Certificate,
        judge: &Judge<'_>,
        budget: &mut Budget,
    ) -> Option<PathTo> {
        let request = judge.request(target, &self.certificates, &self.crls);
        let outcome = judge.paths.validate(&request, budget);
        if outcome.verdict != Verdict::Valid {
            return None;
        }
        let anchor = outcome.chain.len().saturating_sub(1);
        let intermediates = outcome.chain.into_iter().take(anchor).skip(1);
        let path = PathTo {
            certificate: target.clone(),
            intermediates: intermediates.collect(),
        };
        (path.octets() <= MOST_PATH).then_some(path)
    }
}

/// What a signer says of the certificate to encrypt to.
enum Preference<'a> {
    /// What it says cannot be read.
    Malformed,
    /// This one.
    Named(CertificateName<'a>),
    /// Nothing.
    None,
}

/// The standard's attribute; else Microsoft's, which older clients write alone.
fn preference<'a>(signer: &'a JudgedSigner<'_>) -> Preference<'a> {
    let Some(signed) = &signer.info.signed_attributes else {
        return Preference::None;
    };
    let standard = value(signed, ENCRYPTION_KEY_PREFERENCE);
    let microsoft = || value(signed, MICROSOFT_ENCRYPTION_KEY_PREFERENCE);
    let read = match standard {
        Some(value) => value.and_then(|value| EncryptionKeyPreference::decode(value).ok()),
        None => match microsoft() {
            Some(value) => {
                value.and_then(|value| EncryptionKeyPreference::decode_microsoft(value).ok())
            }
            None => return Preference::None,
        },
    };
    match read {
        Some(preference) => Preference::Named(preference.certificate),
        None => Preference::Malformed,
    }
}

/// The one value of the attribute of that type: `None` where there is no such attribute, `Some(None)` where there are
/// several, or several values.
fn value(signed: &Attributes, oid: const_oid::ObjectIdentifier) -> Option<Option<&[u8]>> {
    match signed.only(oid) {
        Ok(None) => None,
        Ok(Some(attribute)) => Some(attribute.value().ok()),
        Err(_) => Some(None),
    }
}

fn key_name<'a>(name: &CertificateName<'a>) -> KeyName<'a> {
    match name {
        CertificateName::IssuerAndSerialNumber(name) => {
            KeyName::IssuerAndSerialNumber(name.issuer, name.serial)
        }
        CertificateName::SubjectKeyIdentifier(key) => KeyName::SubjectKeyIdentifier(key),
    }
}

/// SMIMECapabilities, as far as they can be read.
fn capabilities(signer: &JudgedSigner<'_>) -> Option<Vec<u8>> {
    let value = value(signer.info.signed_attributes.as_ref()?, SMIME_CAPABILITIES)??;
    let is_read = value.len() <= MOST_CAPABILITIES && Capabilities::decode(value).is_ok();
    is_read.then(|| value.to_vec())
}
