//! `[attributes.NAME]`: what an additional-attributes signature says (draft §3.4, RFC 2634 §3).
//!
//! Written once, when the policy is loaded. Refused: attributes that we write ourselves, values that
//! are not DER, and labels that would not read back.

use const_oid::ObjectIdentifier;

use super::error::PolicyFileError;
use super::rule::check_name;
use super::table::Entry;
use super::table::Table;
use crate::cms::attributes::ALGORITHM_PROTECTION;
use crate::cms::attributes::CONTENT_HINTS;
use crate::cms::attributes::CONTENT_TYPE;
use crate::cms::attributes::COUNTER_SIGNATURE;
use crate::cms::attributes::ContentHints;
use crate::cms::attributes::ENCRYPTION_KEY_PREFERENCE;
use crate::cms::attributes::EQUIVALENT_LABELS;
use crate::cms::attributes::MESSAGE_DIGEST;
use crate::cms::attributes::MICROSOFT_ENCRYPTION_KEY_PREFERENCE;
use crate::cms::attributes::ML_EXPANSION_HISTORY;
use crate::cms::attributes::Oid;
use crate::cms::attributes::RECEIPT_REQUEST;
use crate::cms::attributes::SECURITY_LABEL;
use crate::cms::attributes::SIGNATURE_TIME_STAMP_TOKEN;
use crate::cms::attributes::SIGNATURE_TYPE;
use crate::cms::attributes::SIGNATURE_TYPE_DRAFT;
use crate::cms::attributes::SIGNING_CERTIFICATE;
use crate::cms::attributes::SIGNING_CERTIFICATE_V2;
use crate::cms::attributes::SIGNING_TIME;
use crate::cms::attributes::SMIME_CAPABILITIES;
use crate::cms::attributes::SecurityCategory;
use crate::cms::attributes::SecurityLabel;
use crate::cms::attributes::build;
use crate::cms::content_info::ID_DATA;
use crate::limits::Limits;
use crate::tlv::element;
use crate::tlv::tag;

/// The attributes of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeSet {
    /// Its name in the policy.
    pub name: String,
    /// The security label.
    pub security_label: Option<Label>,
    /// Labels of other security policies that mean the same.
    pub equivalent_labels: Vec<Label>,
    /// What the content is about (RFC 2634 §2.9).
    pub content_hint: Option<String>,
    /// Other attributes, by type.
    pub other: Vec<OtherAttribute>,
    encoded: Vec<Vec<u8>>,
}

/// A security label (RFC 2634 §3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The security policy that gives the rest its meaning.
    pub policy: ObjectIdentifier,
    /// 0 to 256; up to 5 the standard has names.
    pub classification: Option<u64>,
    /// Text that means nothing to a program.
    pub privacy_mark: Option<String>,
    /// Type and value, which is DER.
    pub categories: Vec<OtherAttribute>,
}

/// A type with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherAttribute {
    /// The type.
    pub oid: ObjectIdentifier,
    /// The value, as DER.
    pub value: Vec<u8>,
}

impl AttributeSet {
    /// Each attribute as DER, to be signed as it is.
    #[must_use]
    pub fn encoded(&self) -> &[Vec<u8>] {
        &self.encoded
    }

    /// Reads every table of `[attributes]`.
    pub(super) fn read_all(entry: &Entry<'_, '_>) -> Result<Vec<Self>, PolicyFileError> {
        let all = entry.names("[attributes]")?;
        let mut sets = Vec::new();
        for (entry, name, offset) in all.named() {
            check_name(name).map_err(|reason| all.bad_name(offset, name, reason))?;
            sets.push(Self::read(&entry, name)?);
        }
        Ok(sets)
    }

    fn read(entry: &Entry<'_, '_>, name: &str) -> Result<Self, PolicyFileError> {
        let table = entry.table(format!("[attributes.{name}]"), KEYS)?;
        let mut set = Self {
            name: name.to_owned(),
            security_label: None,
            equivalent_labels: Vec::new(),
            content_hint: None,
            other: Vec::new(),
            encoded: Vec::new(),
        };
        if let Some(entry) = table.get("security_label") {
            let label = Label::read(&entry)?;
            let der = build::security_label(&label.as_cms());
            set.encoded
                .push(der.map_err(|error| entry.bad(error.to_string()))?);
            set.security_label = Some(label);
        }
        if let Some(entry) = table.get("equivalent_labels") {
            for element in entry.list(VALUES)? {
                set.equivalent_labels.push(Label::read(&element)?);
            }
            let labels: Vec<_> = set.equivalent_labels.iter().map(Label::as_cms).collect();
            let der = build::equivalent_labels(&labels);
            set.encoded
                .push(der.map_err(|error| entry.bad(error.to_string()))?);
        }
        if let Some(entry) = table.get("content_hint") {
            let description = entry.text()?;
            set.encoded.push(build::content_hints(&ContentHints {
                description: Some(description),
                // What is innermost in S/MIME is a MIME entity (RFC 8551 §2.4.1).
                content_type: Oid::from(ID_DATA),
            }));
            set.content_hint = Some(description.to_owned());
        }
        if let Some(entry) = table.get("other") {
            set.read_other(&entry)?;
        }
        if set.encoded.is_empty() {
            return Err(table.conflict("name", "it holds no attribute"));
        }
        Ok(set)
    }

    fn read_other(&mut self, entry: &Entry<'_, '_>) -> Result<(), PolicyFileError> {
        for element in entry.list(VALUES)? {
            let table = element.table("an attribute of `other`", OTHER_KEYS)?;
            let other = OtherAttribute::read(&table)?;
            let need = table.need("oid", OTHER)?;
            if OURS.contains(&other.oid) {
                return Err(need.bad("this attribute has a key of its own, or is ours to write"));
            }
            if self.other.iter().any(|one| one.oid == other.oid) {
                return Err(need.bad("this attribute stands here already"));
            }
            self.encoded.push(other.encode(&table)?);
            self.other.push(other);
        }
        Ok(())
    }
}

impl Label {
    fn read(entry: &Entry<'_, '_>) -> Result<Self, PolicyFileError> {
        let table = entry.table("a security label", LABEL_KEYS)?;
        let policy = table.need("policy", "write the OID of the security policy, in quotes")?;
        let mut categories = Vec::new();
        if let Some(entry) = table.get("categories") {
            for element in entry.list(VALUES)? {
                let table = element.table("a category", OTHER_KEYS)?;
                let category = OtherAttribute::read(&table)?;
                // Checked as the value of an attribute would be: DER all the way down.
                category.encode(&table)?;
                categories.push(category);
            }
        }
        Ok(Self {
            policy: oid(&policy)?,
            classification: table
                .get("classification")
                .map(|entry| classification(&entry))
                .transpose()?,
            privacy_mark: table
                .get("privacy_mark")
                .map(|entry| entry.text().map(str::to_owned))
                .transpose()?,
            categories,
        })
    }

    /// The label as `cms` has it.
    #[must_use]
    pub fn as_cms(&self) -> SecurityLabel<'_> {
        SecurityLabel {
            policy: Oid::from(self.policy),
            classification: self.classification,
            privacy_mark: self.privacy_mark.as_deref(),
            categories: self
                .categories
                .iter()
                .map(OtherAttribute::as_category)
                .collect(),
        }
    }
}

impl OtherAttribute {
    fn read(table: &Table<'_, '_>) -> Result<Self, PolicyFileError> {
        let value = table.need("value", OTHER)?;
        let octets = octets(value.text()?);
        Ok(Self {
            oid: oid(&table.need("oid", OTHER)?)?,
            value: octets.ok_or_else(|| value.bad("a value is DER, written in hex digits"))?,
        })
    }

    fn as_category(&self) -> SecurityCategory<'_> {
        SecurityCategory {
            oid: Oid::from(self.oid),
            value: &self.value,
        }
    }

    /// The Attribute; refuses a value that is not one whole DER element.
    fn encode(&self, table: &Table<'_, '_>) -> Result<Vec<u8>, PolicyFileError> {
        let values = element(tag::SET, &[&self.value]);
        let der = element(tag::SEQUENCE, &[&Oid::from(self.oid).to_der(), &values]);
        let value = table.need("value", OTHER)?;
        let read = build::raw(&der, &Limits::default());
        read.map_err(|error| value.bad(format!("it is not DER: {error}")))
    }
}

fn oid(entry: &Entry<'_, '_>) -> Result<ObjectIdentifier, PolicyFileError> {
    let oid = ObjectIdentifier::new(entry.text()?);
    oid.map_err(|_| entry.bad("write an object identifier, as in \"1.2.840.113549\""))
}

/// A number, or one of the names that RFC 2634 §3.2 gives.
fn classification(entry: &Entry<'_, '_>) -> Result<u64, PolicyFileError> {
    if entry.raw().starts_with(['"', '\'']) {
        entry.word(CLASSIFICATIONS)
    } else {
        entry.number()
    }
}

/// The octets that `text` writes in hex, in either case and without separators.
pub(super) fn octets(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|c| c.to_digit(16)?.try_into().ok())
        .collect();
    let digits = digits?;
    let pairs = digits.chunks_exact(2);
    pairs.remainder().is_empty().then(|| {
        let octet = |pair: &[u8]| pair.iter().fold(0, |high, low| high << 4 | low);
        pairs.map(octet).collect()
    })
}

const KEYS: &[&str] = &[
    "security_label",
    "equivalent_labels",
    "content_hint",
    "other",
];
const LABEL_KEYS: &[&str] = &["policy", "classification", "privacy_mark", "categories"];
const OTHER_KEYS: &[&str] = &["oid", "value"];
const OTHER: &str = "write { oid = \"1.2.3\", value = \"hex digits\" }";

const CLASSIFICATIONS: &[(&str, u64)] = &[
    ("unmarked", 0),
    ("unclassified", 1),
    ("restricted", 2),
    ("confidential", 3),
    ("secret", 4),
    ("top-secret", 5),
];

/// Attributes that the signer writes, that only somebody else writes, or that have a key here.
const OURS: &[ObjectIdentifier] = &[
    ALGORITHM_PROTECTION,
    CONTENT_HINTS,
    CONTENT_TYPE,
    COUNTER_SIGNATURE,
    ENCRYPTION_KEY_PREFERENCE,
    EQUIVALENT_LABELS,
    MESSAGE_DIGEST,
    MICROSOFT_ENCRYPTION_KEY_PREFERENCE,
    ML_EXPANSION_HISTORY,
    RECEIPT_REQUEST,
    SECURITY_LABEL,
    SIGNATURE_TIME_STAMP_TOKEN,
    SIGNATURE_TYPE,
    SIGNATURE_TYPE_DRAFT,
    SIGNING_CERTIFICATE,
    SIGNING_CERTIFICATE_V2,
    SIGNING_TIME,
    SMIME_CAPABILITIES,
];

/// Elements of one array: RFC 2634 appendix A allows 64 categories.
const VALUES: usize = 64;
