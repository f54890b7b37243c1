//! The JSON reports of `inspect` and `verify`, key by key as CONTRACT has them.

use serde::Serialize;
use serde_json::Value as Json;

use crate::cms::attributes::Attribute;
use crate::cms::attributes::Attributes;
use crate::cms::attributes::Value;
use crate::cms::recipient_list::ListedRecipient;
use crate::cms::signed_data::SignerIdentifier;
use crate::cms::signed_data::SignerInfo;
use crate::crypto::Keys;
use crate::crypto::identifiers;
use crate::domsec::verdict::Answer;
use crate::domsec::verdict::Binding;
use crate::domsec::verdict::Covers;
use crate::domsec::verdict::Naming;
use crate::domsec::verdict::PathFacts;
use crate::domsec::verdict::SignatureFault;
use crate::gateway::judge::JudgedLayer;
use crate::gateway::judge::JudgedSigner;
use crate::gateway::judge::Judgement;
use crate::gateway::judge::chain;
use crate::gateway::open::Kind;
use crate::gateway::open::Node;
use crate::gateway::open::Opened;
use crate::gateway::open::SignedNode;
use crate::gateway::shown;
use crate::octets::hex;
use crate::x509::Certificate;
use crate::x509::name;
use crate::x509::serial_hex;

/// `inspect --json`.
#[derive(Debug, Serialize)]
pub(super) struct InspectReport {
    pub(super) layers: String,
    pub(super) tree: NodeReport,
}

/// NODE of CONTRACT.
#[derive(Debug, Default, Serialize)]
pub(super) struct NodeReport {
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) detached: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) authenticated: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) media_type: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) digest_algorithms: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) signers: Option<Vec<SignerReport>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) recipients: Option<Vec<RecipientReport>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_encryption: Option<String>,
    /// How many certificates and CRLs are sent along.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) certificates: Option<usize>,
    /// Algorithms that are read and no longer written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) weak: Vec<String>,
    /// What not all readers of a multipart/signed read in one way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) defects: Vec<String>,
    pub(super) octets: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) parts: Vec<Self>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) child: Option<Box<Self>>,
}

/// SIGNER of CONTRACT.
#[derive(Debug, Serialize)]
pub(super) struct SignerReport {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) issuer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) serial: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ski: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fingerprint: Option<String>,
    pub(super) emails: Vec<String>,
    pub(super) uris: Vec<String>,
    pub(super) dns: Vec<String>,
    pub(super) signature_algorithm: String,
    pub(super) digest_algorithm: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) signing_time: Option<String>,
    pub(super) types: Vec<&'static str>,
    pub(super) attributes: Vec<AttributeReport>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) unsigned_attributes: Vec<AttributeReport>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) weak: Vec<String>,
}

/// One attribute.
#[derive(Debug, Serialize)]
pub(super) struct AttributeReport {
    pub(super) oid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'static str>,
    pub(super) value: Json,
}

/// One recipient.
#[derive(Debug, Serialize)]
pub(super) struct RecipientReport {
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) issuer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) serial: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ski: Option<String>,
    pub(super) key_encryption: String,
    pub(super) ours: bool,
}

/// `verify --json`.
#[derive(Debug, Serialize)]
pub(super) struct VerifyReport {
    pub(super) verdict: &'static str,
    pub(super) reasons: Vec<String>,
    pub(super) originator: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) originator_name: Option<String>,
    pub(super) covers: &'static str,
    pub(super) layers: String,
    pub(super) signatures: Vec<SignatureReport>,
}

/// One signature of a verification.
#[derive(Debug, Serialize)]
pub(super) struct SignatureReport {
    pub(super) layer: usize,
    /// Absent where that is not known: certificate or content are not at hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) signature: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) signature_error: Option<String>,
    pub(super) path: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path_error: Option<String>,
    pub(super) types: Vec<&'static str>,
    pub(super) naming: &'static str,
    pub(super) binds: bool,
    pub(super) signer: SignerReport,
}

/// Reports what was opened.
pub(super) fn inspect(opened: &Opened, keys: &dyn Keys) -> InspectReport {
    InspectReport {
        layers: opened.root.layers().to_string(),
        tree: node(&opened.root, keys),
    }
}

fn node(from: &Node, keys: &dyn Keys) -> NodeReport {
    let report = NodeReport {
        media_type: from.media_type.clone(),
        octets: from.octets,
        error: from.error.as_ref().map(|error| chain(error)),
        child: from.child().map(|child| Box::new(node(child, keys))),
        ..NodeReport::default()
    };
    match &from.kind {
        Kind::Compressed(_) => NodeReport {
            kind: "compressed",
            ..report
        },
        Kind::Content(parts) => {
            let parts = parts.iter().map(|part| node(part, keys)).collect();
            NodeReport {
                kind: "content",
                parts,
                ..report
            }
        }
        Kind::Enveloped(data, _) => {
            let cipher = identifiers::content_encryption(&data.content_encryption).ok();
            let weak = cipher.filter(|cipher| cipher.algorithm.is_weak());
            let recipients = data
                .listed_recipients()
                .map(|listed| recipient(&listed, keys));
            NodeReport {
                kind: "enveloped",
                authenticated: Some(data.authenticated),
                recipients: Some(recipients.collect()),
                content_encryption: Some(data.content_encryption_name()),
                weak: weak
                    .map(|cipher| cipher.algorithm.to_string())
                    .into_iter()
                    .collect(),
                ..report
            }
        }
        Kind::Signed(signed) => signed_node(signed, report),
    }
}

fn signed_node(signed: &SignedNode, report: NodeReport) -> NodeReport {
    let certificates: Vec<Certificate> = signed
        .data
        .certificates
        .iter()
        .filter_map(|der| Certificate::parse(der).ok())
        .collect();
    let signers = signed.data.signers.iter().map(|info| {
        let named = |certificate: &&Certificate| certificate.is_named(info.sid.key_name());
        signer(info, certificates.iter().find(named))
    });
    NodeReport {
        kind: "signed",
        detached: Some(signed.detached),
        digest_algorithms: signed
            .data
            .digest_algorithms
            .iter()
            .map(|der| digest_name(der))
            .collect(),
        signers: Some(signers.collect()),
        certificates: Some(signed.data.certificates.len() + signed.data.other_certificates),
        defects: shown::doubtful_multipart(signed).collect(),
        ..report
    }
}

/// Reports one signer; `certificate` is its own, if it is at hand.
pub(super) fn signer(info: &SignerInfo, certificate: Option<&Certificate>) -> SignerReport {
    let (issuer, serial, ski) = match &info.sid {
        SignerIdentifier::IssuerAndSerialNumber { issuer, serial } => (
            name::to_rfc4514(issuer).ok(),
            Some(serial_hex(serial)),
            None,
        ),
        SignerIdentifier::SubjectKeyIdentifier(identifier) => (None, None, Some(hex(identifier))),
    };
    let digest = identifiers::digest(&info.digest_algorithm).ok();
    let signature = digest
        .and_then(|digest| identifiers::signer_signature(&info.signature_algorithm, digest).ok());
    let mut weak = Vec::new();
    weak.extend(
        digest
            .filter(|digest| digest.is_weak())
            .map(|digest| digest.to_string()),
    );
    weak.extend(
        signature
            .as_ref()
            .filter(|signature| signature.is_weak())
            .map(ToString::to_string),
    );
    SignerReport {
        subject: certificate.map(|certificate| certificate.subject_name().to_owned()),
        issuer: certificate
            .map(|certificate| certificate.issuer_name().to_owned())
            .or(issuer),
        serial: certificate.map(Certificate::serial_hex).or(serial),
        ski,
        fingerprint: certificate.map(Certificate::fingerprint),
        emails: certificate.map_or_else(Vec::new, |found| owned(found.emails())),
        uris: certificate.map_or_else(Vec::new, |found| owned(found.uris())),
        dns: certificate.map_or_else(Vec::new, |found| owned(found.dns_names())),
        signature_algorithm: signature.map_or_else(
            || identifiers::shown_identifier(&info.signature_algorithm),
            |algorithm| algorithm.to_string(),
        ),
        digest_algorithm: digest_name(&info.digest_algorithm),
        signing_time: info.signing_time().map(|time| time.to_string()),
        types: info.types().into_iter().map(|kind| kind.as_str()).collect(),
        attributes: info
            .signed_attributes
            .as_ref()
            .map_or_else(Vec::new, attribute_list),
        unsigned_attributes: info
            .unsigned_attributes
            .as_ref()
            .map_or_else(Vec::new, attribute_list),
        weak,
    }
}

fn attribute_list(list: &Attributes) -> Vec<AttributeReport> {
    let report = |attribute: &Attribute| AttributeReport {
        oid: attribute.oid().to_string(),
        name: attribute.name(),
        value: json(&attribute.describe()),
    };
    list.iter().map(report).collect()
}

fn json(value: &Value) -> Json {
    match value {
        Value::Bool(truth) => Json::Bool(*truth),
        Value::Number(number) => Json::from(*number),
        Value::Text(text) | Value::Hex(text) => Json::String(text.clone()),
        Value::List(values) => Json::Array(values.iter().map(json).collect()),
        Value::Map(entries) => Json::Object(
            entries
                .iter()
                .map(|(key, value)| ((*key).to_owned(), json(value)))
                .collect(),
        ),
    }
}

fn recipient(listed: &ListedRecipient<'_>, keys: &dyn Keys) -> RecipientReport {
    RecipientReport {
        kind: listed.kind,
        issuer: listed
            .issuer()
            .map(|issuer| name::to_rfc4514(issuer).unwrap_or_else(|_| hex(issuer))),
        serial: listed.serial(),
        ski: listed.ski(),
        key_encryption: listed.key_encryption.clone().unwrap_or_default(),
        ours: listed
            .rid
            .is_some_and(|rid| keys.find(rid.key_name()).is_some()),
    }
}

/// Reports a judgement.
pub(super) fn verify(opened: &Opened, judgement: &Judgement<'_>) -> VerifyReport {
    let verdict = &judgement.verdict;
    let mut signatures = Vec::new();
    for layer in &judgement.layers {
        for (position, signer) in layer.signers.iter().enumerate() {
            let (naming, binds) = judgement.naming(layer.layer, position);
            signatures.push(signature(layer, signer, naming, binds));
        }
    }
    for layer in &judgement.parts {
        for signer in &layer.signers {
            signatures.push(signature(layer, signer, Naming::NotApplicable, false));
        }
    }
    VerifyReport {
        verdict: answer(verdict.answer),
        reasons: verdict.reasons.clone(),
        originator: match verdict.originator {
            Binding::Absent => "absent",
            Binding::Match => "match",
            Binding::Mismatch => "mismatch",
        },
        originator_name: verdict
            .speaker
            .as_ref()
            .map(|(_, name)| name.clone())
            .filter(|name| !name.is_empty()),
        covers: match verdict.covers {
            Covers::None => "none",
            Covers::Part => "part",
            Covers::Whole => "whole",
        },
        layers: opened.root.layers().to_string(),
        signatures,
    }
}

/// The word for an answer.
pub(super) fn answer(answer: Answer) -> &'static str {
    match answer {
        Answer::Indeterminate => "indeterminate",
        Answer::Invalid => "invalid",
        Answer::Unsigned => "unsigned",
        Answer::Valid => "valid",
    }
}

fn signature(
    layer: &JudgedLayer<'_>,
    judged: &JudgedSigner<'_>,
    naming: Naming,
    binds: bool,
) -> SignatureReport {
    let (path, path_error) = match &judged.path {
        PathFacts::Indeterminate(reason) => ("indeterminate", Some(reason.clone())),
        PathFacts::Invalid(reason) => ("invalid", Some(reason.clone())),
        PathFacts::Valid => ("valid", None),
    };
    SignatureReport {
        layer: layer.layer,
        signature: match &judged.signature {
            Ok(_) => Some("valid"),
            Err(SignatureFault::Unknown(_)) => None,
            Err(SignatureFault::Wrong(_)) => Some("invalid"),
        },
        signature_error: judged
            .signature
            .as_ref()
            .err()
            .map(|fault| fault.reason().to_owned()),
        path,
        path_error,
        types: judged
            .info
            .types()
            .into_iter()
            .map(|kind| kind.as_str())
            .collect(),
        naming: match naming {
            Naming::Match => "match",
            Naming::Mismatch => "mismatch",
            Naming::NotApplicable => "not-applicable",
        },
        binds,
        signer: signer(judged.info, judged.certificate.as_ref()),
    }
}

fn digest_name(der: &[u8]) -> String {
    let known = identifiers::digest(der).map(|digest| digest.to_string());
    known.unwrap_or_else(|_| identifiers::shown_identifier(der))
}

fn owned<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    names.map(ToOwned::to_owned).collect()
}
