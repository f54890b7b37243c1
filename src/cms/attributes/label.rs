//! Security labels (RFC 2634 §3): eSSSecurityLabel and equivalentLabels.

use super::build::set_of;
use super::ess::UTF8_STRING;
use super::ess::utf8;
use super::names::list;
use super::names::number;
use super::names::unexpected;
use super::oid::Oid;
use super::value::Value;
use super::value::hex;
use super::value::map;
use super::value::map_of_present;
use crate::cms::error::CmsError;
use crate::cms::tlv;
use crate::tlv::element;
use crate::tlv::tag;

/// ESSSecurityLabel (RFC 2634 §3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityLabel<'a> {
    /// The security policy that gives the rest its meaning.
    pub policy: Oid,
    /// security-classification, 0 to 256; up to 5 the standard has names.
    pub classification: Option<u64>,
    /// privacy-mark: text that means nothing to a program.
    pub privacy_mark: Option<&'a str>,
    /// security-categories; empty when absent.
    pub categories: Vec<SecurityCategory<'a>>,
}

/// SecurityCategory (RFC 2634 §3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityCategory<'a> {
    /// Its type.
    pub oid: Oid,
    /// Its value, as DER.
    pub value: &'a [u8],
}

impl<'a> SecurityLabel<'a> {
    /// Reads the value of an eSSSecurityLabel attribute.
    ///
    /// The members of a SET are told apart by their tags, and their order is not looked at.
    pub fn decode(value: &'a [u8]) -> Result<Self, CmsError> {
        Self::from_content(tlv::single(value, tag::SET, "eSSSecurityLabel")?.content)
    }

    /// Its DER, the members of each SET sorted (X.690 §10.3, §11.6); the privacy mark as UTF8String.
    pub(crate) fn to_der(&self) -> Vec<u8> {
        let mut members = vec![self.policy.to_der()];
        members.extend(self.classification.map(integer));
        members.extend(
            self.privacy_mark
                .map(|mark| element(UTF8_STRING, &[mark.as_bytes()])),
        );
        if !self.categories.is_empty() {
            members.push(set_of(
                self.categories
                    .iter()
                    .map(SecurityCategory::to_der)
                    .collect(),
            ));
        }
        set_of(members)
    }

    fn from_content(content: &'a [u8]) -> Result<Self, CmsError> {
        let (mut policy, mut classification, mut privacy_mark, mut categories) =
            (None, None, None, None);
        let mut members = tlv::Reader::new(content, "eSSSecurityLabel");
        while let Some(member) = members.next()? {
            match member.tag {
                tag::OBJECT_IDENTIFIER => set(
                    &mut policy,
                    Oid::from_content(member.content, "security-policy-identifier")?,
                    "security-policy-identifier",
                )?,
                tag::INTEGER => set(
                    &mut classification,
                    self::classification(&member)?,
                    "security-classification",
                )?,
                UTF8_STRING | PRINTABLE_STRING => set(
                    &mut privacy_mark,
                    utf8(member.content, "privacy-mark")?,
                    "privacy-mark",
                )?,
                tag::SET => set(
                    &mut categories,
                    self::categories(member.content)?,
                    "security-categories",
                )?,
                other => {
                    return Err(CmsError::field(
                        "eSSSecurityLabel",
                        format!("tag {other:#04x} is none of its members"),
                    ));
                }
            }
        }
        Ok(Self {
            policy: policy
                .ok_or_else(|| CmsError::field("security-policy-identifier", "it is missing"))?,
            classification,
            privacy_mark,
            categories: categories.unwrap_or_default(),
        })
    }

    pub(crate) fn describe(&self) -> Value {
        let name = match self.classification {
            Some(0) => Some("unmarked"),
            Some(1) => Some("unclassified"),
            Some(2) => Some("restricted"),
            Some(3) => Some("confidential"),
            Some(4) => Some("secret"),
            Some(5) => Some("top-secret"),
            Some(_) | None => None,
        };
        let category = |category: &SecurityCategory<'_>| {
            map([
                ("type", Value::Text(category.oid.to_string())),
                ("value", hex(category.value)),
            ])
        };
        let categories = || Value::List(self.categories.iter().map(category).collect());
        map_of_present([
            ("policy", Some(Value::Text(self.policy.to_string()))),
            ("classification", self.classification.map(Value::Number)),
            (
                "classification_name",
                name.map(|name| Value::Text(name.to_owned())),
            ),
            (
                "privacy_mark",
                self.privacy_mark.map(|mark| Value::Text(mark.to_owned())),
            ),
            ("categories", (!self.categories.is_empty()).then(categories)),
        ])
    }
}

impl SecurityCategory<'_> {
    fn to_der(&self) -> Vec<u8> {
        let oid = element(tag::context_primitive(0), &[self.oid.as_bytes()]);
        element(
            tag::SEQUENCE,
            &[&oid, &element(tag::context(1), &[self.value])],
        )
    }
}

/// A number that is never negative, as INTEGER.
fn integer(number: u64) -> Vec<u8> {
    let octets = number.to_be_bytes();
    // One octet stays, and a first bit that would be a sign has an octet of zeros before it.
    let zeros = octets
        .iter()
        .take_while(|octet| **octet == 0)
        .count()
        .min(7);
    let digits = octets.get(zeros..).unwrap_or_default();
    let sign: &[u8] = if digits.first().is_some_and(|first| *first >= 0x80) {
        &[0]
    } else {
        &[]
    };
    element(tag::INTEGER, &[sign, digits])
}

fn set<T>(member: &mut Option<T>, value: T, field: &'static str) -> Result<(), CmsError> {
    match member.replace(value) {
        None => Ok(()),
        Some(_) => Err(CmsError::field(field, "it stands twice in one label")),
    }
}

fn classification(member: &tlv::Element<'_>) -> Result<u64, CmsError> {
    match number(member, "security-classification")? {
        known @ 0..=HIGHEST_CLASSIFICATION => Ok(known),
        other => Err(CmsError::field(
            "security-classification",
            format!("{other} is over {HIGHEST_CLASSIFICATION}"),
        )),
    }
}

fn categories(content: &[u8]) -> Result<Vec<SecurityCategory<'_>>, CmsError> {
    list(
        content,
        "number of security-categories",
        CATEGORIES,
        |category| {
            if category.tag != tag::SEQUENCE {
                return Err(unexpected("SecurityCategory", category.tag, tag::SEQUENCE));
            }
            let mut fields = tlv::Reader::new(category.content, "SecurityCategory");
            let oid = fields.expect(tag::context_primitive(0), "type of SecurityCategory")?;
            let oid = Oid::from_content(oid.content, "type of SecurityCategory")?;
            let value = fields.expect(tag::context(1), "value of SecurityCategory")?;
            fields.end()?;
            Ok(SecurityCategory {
                oid,
                value: value.content,
            })
        },
    )
}

/// ub-integer-options (RFC 2634 appendix A).
const HIGHEST_CLASSIFICATION: u64 = 256;
/// ub-security-categories (RFC 2634 appendix A).
const CATEGORIES: usize = 64;
/// Identifier octet of PrintableString.
const PRINTABLE_STRING: u8 = 0x13;

/// EquivalentLabels (RFC 2634 §3.4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EquivalentLabels<'a>(pub Vec<SecurityLabel<'a>>);

impl<'a> EquivalentLabels<'a> {
    /// Reads the value of an equivalentLabels attribute: at least one label, and each of another
    /// security policy.
    pub fn decode(value: &'a [u8]) -> Result<Self, CmsError> {
        let sequence = tlv::single(value, tag::SEQUENCE, "equivalentLabels")?;
        let labels = list(
            sequence.content,
            "number of equivalentLabels",
            LABELS,
            |label| match label.tag {
                tag::SET => SecurityLabel::from_content(label.content),
                other => Err(unexpected("eSSSecurityLabel", other, tag::SET)),
            },
        )?;
        let mut policies: Vec<&Oid> = labels.iter().map(|label| &label.policy).collect();
        policies.sort_unstable();
        policies.dedup();
        match labels.len() {
            0 => Err(CmsError::field("equivalentLabels", "it holds no label")),
            all if all > policies.len() => Err(CmsError::field(
                "equivalentLabels",
                "two labels are of one security policy",
            )),
            _ => Ok(Self(labels)),
        }
    }

    pub(crate) fn describe(&self) -> Value {
        Value::List(self.0.iter().map(SecurityLabel::describe).collect())
    }
}

/// Two domains that translate labels for each other have one or two.
const LABELS: usize = 64;

#[cfg(test)]
mod tests {
    use super::super::fixtures::mutilated;
    use super::super::fixtures::sequence;
    use super::*;

    const POLICY: &[u8] = &[6, 2, 0x2a, 3];
    const SECRET: &[u8] = &[2, 1, 4];
    const MARK: &[u8] = &[PRINTABLE_STRING, 2, b'o', b'k'];
    const CATEGORY: &[u8] = &[0x30, 8, 0x80, 2, 0x2a, 4, 0xa1, 2, 5, 0];

    fn label(members: &[&[u8]]) -> Vec<u8> {
        element(tag::SET, members)
    }

    #[test]
    fn members_are_told_apart_by_tag_in_any_order() {
        let categories = label(&[CATEGORY]);
        let der = label(&[SECRET, POLICY, MARK, &categories]);
        let decoded = SecurityLabel::decode(&der).unwrap();
        assert_eq!(decoded.classification, Some(4));
        assert_eq!(decoded.privacy_mark, Some("ok"));
        let other = label(&[&categories, MARK, POLICY, SECRET]);
        assert_eq!(SecurityLabel::decode(&other).unwrap(), decoded);
        assert_eq!(
            decoded.describe(),
            map([
                ("policy", Value::Text("1.2.3".into())),
                ("classification", Value::Number(4)),
                ("classification_name", Value::Text("secret".into())),
                ("privacy_mark", Value::Text("ok".into())),
                (
                    "categories",
                    Value::List(vec![map([
                        ("type", Value::Text("1.2.4".into())),
                        ("value", Value::Hex("0500".into()))
                    ])])
                ),
            ])
        );
        let least = label(&[POLICY]);
        assert_eq!(
            SecurityLabel::decode(&least).unwrap().describe(),
            map([("policy", Value::Text("1.2.3".into()))])
        );
    }

    #[test]
    fn labels_without_policy_or_with_a_member_twice_are_refused() {
        for (members, field) in [
            (vec![SECRET], "security-policy-identifier"),
            (vec![POLICY, POLICY], "security-policy-identifier"),
            (vec![POLICY, SECRET, SECRET], "security-classification"),
            (vec![POLICY, MARK, MARK], "privacy-mark"),
            (vec![POLICY, &[2, 2, 1, 1]], "security-classification"),
            (vec![POLICY, &[2, 1, 0xff]], "security-classification"),
            (vec![POLICY, &[5, 0]], "eSSSecurityLabel"),
            (vec![POLICY, &[tag::SET, 2, 5, 0]], "SecurityCategory"),
        ] {
            let error = SecurityLabel::decode(&label(&members)).unwrap_err();
            assert!(error.to_string().starts_with(field), "{error}");
        }
        let highest = label(&[POLICY, &[2, 2, 1, 0]]);
        assert_eq!(
            SecurityLabel::decode(&highest).unwrap().classification,
            Some(256)
        );
    }

    #[test]
    fn categories_are_bounded() {
        let of = |count: usize| {
            let categories = label(&[&CATEGORY.repeat(count)]);
            SecurityLabel::decode(&label(&[POLICY, &categories])).map(drop)
        };
        assert!(of(CATEGORIES).is_ok());
        assert!(of(CATEGORIES + 1).is_err());
    }

    #[test]
    fn equivalent_labels_are_of_different_policies() {
        let one = label(&[POLICY]);
        let other = label(&[&[6, 2, 0x2a, 4]]);
        let both = sequence(&[&one, &other]);
        assert_eq!(EquivalentLabels::decode(&both).unwrap().0.len(), 2);
        assert!(EquivalentLabels::decode(&sequence(&[&one, &one])).is_err());
        assert!(EquivalentLabels::decode(&sequence(&[])).is_err());
        assert!(EquivalentLabels::decode(&sequence(&[POLICY])).is_err());
    }

    #[test]
    fn mutilated_labels_never_panic() {
        let der = label(&[SECRET, POLICY, MARK, &label(&[CATEGORY])]);
        mutilated(&sequence(&[&der]), |octets| {
            if let Ok(decoded) = EquivalentLabels::decode(octets) {
                let _ = decoded.describe();
            }
        });
    }
}
