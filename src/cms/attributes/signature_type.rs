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
use crate::cms::error::CmsError;
use crate::cms::tlv;
use crate::notation::SignatureType;
use crate::tlv::tag;

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
            sequence.content,
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
                let oid = Oid::from_content(element.content, "signatureType")?;
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

// id-sti 1 to 5 (draft §3.2).
const ORIGINATOR: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.9.1");
const DOMAIN: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.9.2");
const ADDITIONAL_ATTRIBUTES: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.9.3");
const REVIEW: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.9.4");
/// The draft's alone: RFC 3183 and the registry end at 4.
const DELEGATED: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.9.5");

const fn identifier(signature_type: SignatureType) -> ObjectIdentifier {
    match signature_type {
        SignatureType::Originator => ORIGINATOR,
        SignatureType::Domain => DOMAIN,
        SignatureType::AdditionalAttributes => ADDITIONAL_ATTRIBUTES,
        SignatureType::Review => REVIEW,
        SignatureType::Delegated => DELEGATED,
    }
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

#[cfg(test)]
mod tests {
    use SignatureType::AdditionalAttributes;
    use SignatureType::Delegated;
    use SignatureType::Domain;
    use SignatureType::Originator;
    use SignatureType::Review;

    use super::super::build;
    use super::super::fixtures::hex;
    use super::super::fixtures::list;
    use super::super::fixtures::mutilated;
    use super::super::fixtures::oid;
    use super::super::fixtures::sequence;
    use super::super::fixtures::with_values;
    use super::*;

    fn attribute(types: &[ObjectIdentifier]) -> Vec<u8> {
        let types: Vec<u8> = types
            .iter()
            .flat_map(|one| Oid::from(*one).to_der())
            .collect();
        with_values(SIGNATURE_TYPE, &[&sequence(&[&types])])
    }

    #[test]
    fn types_are_read_under_both_identifiers_and_written_under_the_one_asked_for() {
        for (form, dotted) in [
            (SignatureTypeOid::Registered, "1.2.840.113549.1.9.16.2.28"),
            (SignatureTypeOid::Draft, "1.2.840.113549.1.9.28"),
        ] {
            for types in [
                &[Originator][..],
                &[AdditionalAttributes],
                &[Domain, Review],
                &[Review, Domain, Delegated, Originator],
            ] {
                let signed = list(&[build::signature_type(types, form).unwrap()]);
                assert_eq!(signed.iter().next().unwrap().oid().to_string(), dotted);
                let read = signature_types(&signed, None).unwrap();
                assert_eq!(read.known().collect::<Vec<_>>(), types);
                assert_eq!(read.other().count(), 0);
            }
        }
    }

    #[test]
    fn the_registered_attribute_is_these_octets() {
        // Erratum 3757 for the type, draft §3.2 for the value.
        assert_eq!(
            build::signature_type(&[Domain], SignatureTypeOid::default()).unwrap(),
            hex("30 1e 06 0b 2a864886f70d010910 02 1c 31 0f 30 0d 06 0b 2a864886f70d010910 09 02")
        );
    }

    #[test]
    fn absence_is_no_error_and_no_type() {
        let types = signature_types(&Attributes::default(), Some(&Attributes::default())).unwrap();
        assert!(types.is_empty());
        assert!(!types.contains(Originator));
    }

    #[test]
    fn an_unsigned_signature_type_is_refused() {
        for form in [SignatureTypeOid::Registered, SignatureTypeOid::Draft] {
            let one = list(&[build::signature_type(&[Domain], form).unwrap()]);
            assert!(matches!(
                signature_types(&Attributes::default(), Some(&one)),
                Err(SignatureTypeError::Unsigned)
            ));
            assert!(matches!(
                signature_types(&one, Some(&one)),
                Err(SignatureTypeError::Unsigned)
            ));
        }
    }

    #[test]
    fn two_attributes_are_refused_under_one_identifier_and_under_both() {
        let registered = build::signature_type(&[Domain], SignatureTypeOid::Registered).unwrap();
        let draft = build::signature_type(&[Domain], SignatureTypeOid::Draft).unwrap();
        for pair in [
            [&registered, &registered],
            [&draft, &draft],
            [&draft, &registered],
        ] {
            assert!(matches!(
                signature_types(&list(&pair.map(Clone::clone)), None),
                Err(SignatureTypeError::Repeated(2))
            ));
        }
    }

    #[test]
    fn exactly_one_value_is_wanted() {
        let value = sequence(&[&Oid::from(identifier(Domain)).to_der()]);
        for values in [&[][..], &[&value[..], &value[..]]] {
            let signed = list(&[with_values(SIGNATURE_TYPE, values)]);
            assert!(matches!(
                signature_types(&signed, None),
                Err(SignatureTypeError::Attribute(AttributeError::Values { .. }))
            ));
        }
    }

    #[test]
    fn nothing_stands_beside_attributes() {
        for types in [
            [AdditionalAttributes, Domain],
            [Review, AdditionalAttributes],
        ] {
            assert!(matches!(
                build::signature_type(&types, SignatureTypeOid::Registered),
                Err(SignatureTypeError::NotAlone)
            ));
            let signed = list(&[attribute(&types.map(identifier))]);
            assert!(matches!(
                signature_types(&signed, None),
                Err(SignatureTypeError::NotAlone)
            ));
        }
        let with_unknown = [identifier(AdditionalAttributes), oid("1.2.3.4")];
        assert!(matches!(
            signature_types(&list(&[attribute(&with_unknown)]), None),
            Err(SignatureTypeError::NotAlone)
        ));
    }

    #[test]
    fn an_empty_sequence_and_a_repeated_type_are_refused() {
        assert!(matches!(
            build::signature_type(&[], SignatureTypeOid::Registered),
            Err(SignatureTypeError::Empty)
        ));
        assert!(matches!(
            signature_types(&list(&[attribute(&[])]), None),
            Err(SignatureTypeError::Empty)
        ));
        let error = build::signature_type(&[Review, Review], SignatureTypeOid::Draft).unwrap_err();
        assert_eq!(error.to_string(), "signatureType holds review twice");
        let twice = [oid("1.2.3.4"), oid("1.2.3.4")];
        let error = signature_types(&list(&[attribute(&twice)]), None).unwrap_err();
        assert_eq!(error.to_string(), "signatureType holds 1.2.3.4 twice");
    }

    #[test]
    fn unknown_types_are_kept_apart() {
        let unknown = oid("1.2.840.113549.1.9.16.9.6");
        let signed = list(&[attribute(&[identifier(Review), unknown])]);
        let types = signature_types(&signed, None).unwrap();
        assert_eq!(types.known().collect::<Vec<_>>(), [Review]);
        assert_eq!(
            types.other().map(Oid::to_string).collect::<Vec<_>>(),
            ["1.2.840.113549.1.9.16.9.6"]
        );
        assert_eq!(
            types.describe(),
            Value::List(vec![
                Value::Text("review".into()),
                Value::Text("1.2.840.113549.1.9.16.9.6".into())
            ])
        );
    }

    #[test]
    fn all_signer_infos_have_the_same_content() {
        let of = |types: &[SignatureType]| {
            SignatureTypes(types.iter().copied().map(Entry::Known).collect())
        };
        same_in_all(&[]).unwrap();
        same_in_all(&[of(&[Domain])]).unwrap();
        same_in_all(&[of(&[Domain, Review]), of(&[Domain, Review])]).unwrap();
        same_in_all(&[of(&[]), of(&[])]).unwrap();
        for different in [
            vec![of(&[Domain]), of(&[Review])],
            vec![of(&[Domain]), of(&[])],
            vec![of(&[Domain, Review]), of(&[Review, Domain])],
            vec![of(&[Domain]), of(&[Domain]), of(&[Domain, Review])],
        ] {
            assert!(matches!(
                same_in_all(&different),
                Err(SignatureTypeError::Differs)
            ));
        }
    }

    #[test]
    fn mutilated_attributes_never_panic() {
        let seed = build::signature_type(&[Domain, Review], SignatureTypeOid::Draft).unwrap();
        mutilated(&seed, |octets| {
            if let Ok(list) = Attributes::parse(octets, &crate::limits::Limits::default()) {
                let _ = signature_types(&list, None);
            }
        });
    }
}
