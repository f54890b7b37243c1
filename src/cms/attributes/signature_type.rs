//! SignatureType: who signs, and what for (draft §3.2), read and written under the same rules.
//!
//! Read under both object identifiers (DESIGN.md, decision 1). Refused: unsigned, repeated, empty,
//! anything beside `attributes`, and a content that differs between SignerInfos.

use const_oid::ObjectIdentifier;

use super::AttributeError;
use super::Attributes;
use super::known::SIGNATURE_TYPE;
use super::known::SIGNATURE_TYPE_DRAFT;
use super::names::list;
use super::names::unexpected;
use super::oid::Oid;
use super::value::Value;
use crate::cms::ber::tag;
use crate::cms::error::CmsError;
use crate::cms::tlv;
use crate::notation::SignatureType;

/// What the SignatureType attribute of one SignerInfo holds, in its order; empty when it is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignatureTypes(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    Known(SignatureType),
    /// An identifier that the draft does not define.
    Other(Oid),
}

impl SignatureTypes {
    /// The types that the draft defines, in the order of the attribute.
    pub fn known(&self) -> impl Iterator<Item = SignatureType> {
        self.0.iter().filter_map(|entry| match entry {
            Entry::Known(known) => Some(*known),
            Entry::Other(_) => None,
        })
    }

    /// Identifiers that the draft does not define. They give the signature no meaning.
    pub fn other(&self) -> impl Iterator<Item = &Oid> {
        self.0.iter().filter_map(|entry| match entry {
            Entry::Known(_) => None,
            Entry::Other(oid) => Some(oid),
        })
    }

    /// Whether `signature_type` is among them.
    #[must_use]
    pub fn contains(&self, signature_type: SignatureType) -> bool {
        self.0.contains(&Entry::Known(signature_type))
    }

    /// Whether the SignerInfo has no SignatureType attribute.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads the value of the attribute, without the rules on what it may hold.
    pub(crate) fn decode(value: &[u8]) -> Result<Self, CmsError> {
        let sequence = tlv::single(value, tag::SEQUENCE, "signatureType")?;
        let entries = list(
            sequence.value,
            "number of signature types",
            TYPES,
            |element| {
                if element.tag != tag::OBJECT_IDENTIFIER {
                    return Err(unexpected(
                        "signatureType",
                        element.tag,
                        tag::OBJECT_IDENTIFIER,
                    ));
                }
                let oid = Oid::from_content(element.value, "signatureType")?;
                let known = SignatureType::ALL
                    .into_iter()
                    .find(|known| oid == identifier(*known));
                Ok(known.map_or_else(|| Entry::Other(oid), Entry::Known))
            },
        )?;
        Ok(Self(entries))
    }

    fn check(&self) -> Result<(), SignatureTypeError> {
        if self.0.is_empty() {
            return Err(SignatureTypeError::Empty);
        }
        // At most TYPES entries: this is not quadratic in the message.
        for (index, entry) in self.0.iter().enumerate() {
            if self.0.iter().take(index).any(|earlier| earlier == entry) {
                return Err(SignatureTypeError::Duplicate(entry.name()));
            }
        }
        match self.contains(SignatureType::AdditionalAttributes) {
            true if self.0.len() > 1 => Err(SignatureTypeError::NotAlone),
            _ => Ok(()),
        }
    }

    pub(crate) fn describe(&self) -> Value {
        let one = |entry: &Entry| Value::Text(entry.name());
        Value::List(self.0.iter().map(one).collect())
    }
}

impl Entry {
    fn name(&self) -> String {
        match self {
            Self::Known(known) => known.as_str().to_owned(),
            Self::Other(oid) => oid.to_string(),
        }
    }
}

/// The draft has five; this leaves room for those of others.
const TYPES: usize = 32;

/// id-sti 1 to 5 (draft §3.2).
const fn identifier(signature_type: SignatureType) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(match signature_type {
        SignatureType::Originator => "1.2.840.113549.1.9.16.9.1",
        SignatureType::Domain => "1.2.840.113549.1.9.16.9.2",
        SignatureType::AdditionalAttributes => "1.2.840.113549.1.9.16.9.3",
        SignatureType::Review => "1.2.840.113549.1.9.16.9.4",
        // The draft's alone: RFC 3183 and the registry end at 4.
        SignatureType::Delegated => "1.2.840.113549.1.9.16.9.5",
    })
}

/// The signature types of one SignerInfo, after all rules of draft §3.2 on a single SignerInfo.
///
/// Empty when there is no such attribute. [`same_in_all`] has the rule on several SignerInfos.
pub fn signature_types(
    signed: &Attributes,
    unsigned: Option<&Attributes>,
) -> Result<SignatureTypes, SignatureTypeError> {
    let under_both = |attributes: &Attributes| {
        let registered = attributes.all(SIGNATURE_TYPE).count();
        registered + attributes.all(SIGNATURE_TYPE_DRAFT).count()
    };
    if unsigned.is_some_and(|unsigned| under_both(unsigned) > 0) {
        return Err(SignatureTypeError::Unsigned);
    }
    match under_both(signed) {
        0 => return Ok(SignatureTypes::default()),
        1 => {}
        count => return Err(SignatureTypeError::Repeated(count)),
    }
    let registered = signed.only(SIGNATURE_TYPE)?;
    let attribute = match registered {
        Some(attribute) => Some(attribute),
        None => signed.only(SIGNATURE_TYPE_DRAFT)?,
    };
    let Some(attribute) = attribute else {
        return Ok(SignatureTypes::default());
    };
    let types = SignatureTypes::decode(attribute.value()?).map_err(AttributeError::from)?;
    types.check()?;
    Ok(types)
}

/// Checks that every SignerInfo of a SignedData has the same signature types, in the same order, or
/// that none has any (draft §3.2: "MUST contain the same content").
pub fn same_in_all(of_signers: &[SignatureTypes]) -> Result<(), SignatureTypeError> {
    let mut pairs = of_signers.iter().zip(of_signers.iter().skip(1));
    if pairs.all(|(one, next)| one == next) {
        Ok(())
    } else {
        Err(SignatureTypeError::Differs)
    }
}

/// Under which object identifier SignatureType is written (DESIGN.md, decision 1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignatureTypeOid {
    /// What the draft prints.
    Draft,
    /// What RFC 7107 registers.
    #[default]
    Registered,
}

/// The DER of a SignatureType attribute. Fails where reading it back would (draft §3.2).
pub(crate) fn encode(
    types: &[SignatureType],
    oid: SignatureTypeOid,
) -> Result<Vec<u8>, SignatureTypeError> {
    SignatureTypes(types.iter().copied().map(Entry::Known).collect()).check()?;
    let types: Vec<Vec<u8>> = types
        .iter()
        .map(|one| Oid::from(identifier(*one)).to_der())
        .collect();
    let value = tlv::element(tag::SEQUENCE, &[&types.concat()]);
    let oid = match oid {
        SignatureTypeOid::Draft => SIGNATURE_TYPE_DRAFT,
        SignatureTypeOid::Registered => SIGNATURE_TYPE,
    };
    Ok(super::build::attribute(oid, &value))
}

/// A rule of draft §3.2 on SignatureType is broken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureTypeError {
    /// It is malformed, or has not exactly one value.
    #[error(transparent)]
    Attribute(#[from] AttributeError),
    /// The SignerInfos of one SignedData differ.
    #[error("signatureType differs between the SignerInfos")]
    Differs,
    /// One type stands twice.
    #[error("signatureType holds {0} twice")]
    Duplicate(String),
    /// It holds no type.
    #[error("signatureType is empty")]
    Empty,
    /// Something stands beside `attributes`.
    #[error("signatureType holds another type beside attributes")]
    NotAlone,
    /// It occurs several times, under either object identifier.
    #[error("signatureType occurs {0} times in one SignerInfo, and may occur once")]
    Repeated(usize),
    /// It is not signed.
    #[error("signatureType is an unsigned attribute, and must be a signed one")]
    Unsigned,
}
