//! Which signed attributes of an ml layer go into the new outermost layer (DESIGN, decision 9).
//!
//! All but those that say something of the signature they stand in, or of its signer.

use crate::cms::attributes::ALGORITHM_PROTECTION;
use crate::cms::attributes::Attribute;
use crate::cms::attributes::Attributes;
use crate::cms::attributes::CONTENT_TYPE;
use crate::cms::attributes::ENCRYPTION_KEY_PREFERENCE;
use crate::cms::attributes::MESSAGE_DIGEST;
use crate::cms::attributes::MICROSOFT_ENCRYPTION_KEY_PREFERENCE;
use crate::cms::attributes::ML_EXPANSION_HISTORY;
use crate::cms::attributes::MSG_SIG_DIGEST;
use crate::cms::attributes::Oid;
use crate::cms::attributes::RECEIPT_REQUEST;
use crate::cms::attributes::SIGNATURE_TYPE;
use crate::cms::attributes::SIGNATURE_TYPE_DRAFT;
use crate::cms::attributes::SIGNING_CERTIFICATE;
use crate::cms::attributes::SIGNING_CERTIFICATE_V2;
use crate::cms::attributes::SIGNING_TIME;
use crate::cms::attributes::SMIME_CAPABILITIES;

/// What becomes of one signed attribute of an ml layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes into the new layer byte for byte.
    Copied,
    /// The new layer has none: it is the list's, or belongs into inner layers.
    LeftOut,
    /// The new layer has one of its own.
    Recomputed,
}

impl Fate {
    /// The fate of an attribute of type `oid`.
    #[must_use]
    pub fn of(oid: &Oid) -> Self {
        let is_one_of = |list: &[_]| list.iter().any(|one| oid == one);
        if is_one_of(&RECOMPUTED) {
            Self::Recomputed
        } else if is_one_of(&LEFT_OUT) {
            Self::LeftOut
        } else {
            Self::Copied
        }
    }
}

const RECOMPUTED: [const_oid::ObjectIdentifier; 6] = [
    ALGORITHM_PROTECTION,
    CONTENT_TYPE,
    MESSAGE_DIGEST,
    SIGNING_CERTIFICATE,
    SIGNING_CERTIFICATE_V2,
    SIGNING_TIME,
];

const LEFT_OUT: [const_oid::ObjectIdentifier; 7] = [
    // Departs from draft §5, which adds all signedAttributes: a stranger's review would become ours.
    SIGNATURE_TYPE,
    SIGNATURE_TYPE_DRAFT,
    // They are the list's, and would be taken for ours (RFC 8551 §2.5.2, §2.5.3).
    ENCRYPTION_KEY_PREFERENCE,
    MICROSOFT_ENCRYPTION_KEY_PREFERENCE,
    SMIME_CAPABILITIES,
    // Of inner layers alone (RFC 2634 §2.3, §2.4).
    MSG_SIG_DIGEST,
    RECEIPT_REQUEST,
];

/// The mlExpansionHistory of one signed layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum History<'a> {
    /// No signer has one.
    Absent,
    /// All signers that have one agree: what is copied, in the order of the message.
    Agreed(Vec<&'a Attribute>),
    /// They do not: the message is invalid.
    Differing,
}

impl<'a> History<'a> {
    /// The history that `verified` bring: the signed attributes of each signer that verified.
    ///
    /// Signers without the attribute are ignored; of those with it "the value of each MUST be
    /// identical" (RFC 2634 §4.1), and so must all be that is copied: of two labels, none could be
    /// chosen for the reader (DESIGN, decision 9).
    #[must_use]
    pub fn of(verified: impl IntoIterator<Item = &'a Attributes>) -> Self {
        let has_one = |one: &&Attributes| one.all(ML_EXPANSION_HISTORY).next().is_some();
        let copied = |one: &'a Attributes| -> Vec<&'a Attribute> {
            one.iter()
                .filter(|attribute| Fate::of(attribute.oid()) == Fate::Copied)
                .collect()
        };
        let mut all = verified.into_iter().filter(has_one).map(copied);
        let Some(first) = all.next() else {
            return Self::Absent;
        };
        let sorted = |attributes: &[&'a Attribute]| {
            let mut raw: Vec<&[u8]> = attributes.iter().map(|one| one.raw()).collect();
            raw.sort_unstable();
            raw
        };
        let agreed = sorted(&first);
        if all.all(|other| sorted(&other) == agreed) {
            Self::Agreed(first)
        } else {
            Self::Differing
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn attribute(oid: const_oid::ObjectIdentifier, value: u8) -> Vec<u8> {
        let oid = Oid::from(oid).to_der();
        let set = [0x31, 3, 0x02, 1, value];
        let length = u8::try_from(oid.len() + set.len()).unwrap();
        [&[0x30, length], oid.as_slice(), &set].concat()
    }

    fn signer(list: &[(const_oid::ObjectIdentifier, u8)]) -> Attributes {
        let der: Vec<Vec<u8>> = list
            .iter()
            .map(|(oid, value)| attribute(*oid, *value))
            .collect();
        Attributes::parse(&der.concat(), &Limits::default()).unwrap()
    }

    const HINTS: const_oid::ObjectIdentifier = crate::cms::attributes::CONTENT_HINTS;
    const LABEL: const_oid::ObjectIdentifier = crate::cms::attributes::SECURITY_LABEL;
    const UNKNOWN: const_oid::ObjectIdentifier =
        const_oid::ObjectIdentifier::new_unwrap("1.2.3.4.5");

    #[test]
    fn a_label_beside_the_history_is_copied_byte_for_byte_and_in_order() {
        let list = signer(&[
            (CONTENT_TYPE, 0),
            (LABEL, 1),
            (SIGNING_TIME, 0),
            (ML_EXPANSION_HISTORY, 2),
            (SIGNATURE_TYPE, 0),
            (UNKNOWN, 3),
            (HINTS, 4),
        ]);
        let History::Agreed(copied) = History::of([&list]) else {
            panic!("one signer agrees with itself");
        };
        let raw: Vec<&[u8]> = copied.iter().map(|one| one.raw()).collect();
        assert_eq!(
            raw,
            [
                attribute(LABEL, 1),
                attribute(ML_EXPANSION_HISTORY, 2),
                attribute(UNKNOWN, 3),
                attribute(HINTS, 4),
            ]
        );
    }

    #[test]
    fn what_is_of_the_signature_is_recomputed_and_what_is_of_the_list_is_left_out() {
        for (oid, fate) in RECOMPUTED
            .map(|oid| (oid, Fate::Recomputed))
            .into_iter()
            .chain(LEFT_OUT.map(|oid| (oid, Fate::LeftOut)))
            .chain([ML_EXPANSION_HISTORY, LABEL, HINTS, UNKNOWN].map(|oid| (oid, Fate::Copied)))
        {
            assert_eq!(Fate::of(&oid.into()), fate, "{oid}");
            let list = signer(&[(ML_EXPANSION_HISTORY, 1), (oid, 1)]);
            let History::Agreed(copied) = History::of([&list]) else {
                panic!("one signer agrees with itself");
            };
            let is_there = copied.iter().any(|one| *one.oid() == oid);
            assert_eq!(is_there, fate == Fate::Copied, "{oid}");
        }
    }

    #[test]
    fn several_signers_must_say_the_same() {
        let ml = (ML_EXPANSION_HISTORY, 1);
        let one = signer(&[(SIGNING_CERTIFICATE_V2, 1), ml, (LABEL, 1)]);
        let agrees = signer(&[
            (LABEL, 1),
            ml,
            (SIGNING_CERTIFICATE_V2, 2),
            (SIGNING_TIME, 9),
        ]);
        let without = signer(&[(LABEL, 7)]);
        let other_list = signer(&[(ML_EXPANSION_HISTORY, 2), (LABEL, 1)]);
        let other_label = signer(&[ml, (LABEL, 2)]);
        let no_label = signer(&[ml]);
        assert!(matches!(History::of([&one, &agrees]), History::Agreed(_)));
        // "SignerInfos that do not have an mlExpansionHistory attribute are ignored" (RFC 2634 §4.1).
        assert!(
            matches!(History::of([&without, &one]), History::Agreed(copied) if copied.len() == 2)
        );
        assert_eq!(History::of([&without]), History::Absent);
        assert_eq!(History::of([]), History::Absent);
        for other in [&other_list, &other_label, &no_label] {
            assert_eq!(History::of([&one, other]), History::Differing);
            assert_eq!(History::of([other, &one]), History::Differing);
        }
    }
}
