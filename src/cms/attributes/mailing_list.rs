//! mlExpansionHistory: the lists that a message has been through (RFC 2634 §4.4).

use super::names::CertificateName;
use super::names::GeneralName;
use super::names::describe_lists;
use super::names::generalized_time;
use super::names::list;
use super::names::lists_of_names;
use super::names::unexpected;
use super::time;
use super::value::Value;
use super::value::map;
use super::value::map_of_present;
use crate::cms::error::CmsError;
use crate::cms::tlv;
use crate::cms::tlv::Element;
use crate::tlv::tag;

/// MLExpansionHistory, the first list first (RFC 2634 §4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MlExpansionHistory<'a>(pub Vec<MlData<'a>>);

/// MLData: one list (RFC 2634 §4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MlData<'a> {
    /// mailListIdentifier.
    pub list: CertificateName<'a>,
    /// expansionTime, in seconds since 1970.
    pub expansion_time: i64,
    /// mlReceiptPolicy.
    pub receipt_policy: Option<MlReceiptPolicy<'a>>,
}

/// MLReceiptPolicy: what becomes of the originator's receipt request (RFC 2634 §4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MlReceiptPolicy<'a> {
    /// Receipts go to these too.
    InAdditionTo(Vec<Vec<GeneralName<'a>>>),
    /// Receipts go to these alone.
    InsteadOf(Vec<Vec<GeneralName<'a>>>),
    /// No receipts.
    None,
}

impl<'a> MlExpansionHistory<'a> {
    /// Reads the value of a mlExpansionHistory attribute: one list at least, 64 at most.
    pub fn decode(value: &'a [u8]) -> Result<Self, CmsError> {
        let sequence = tlv::single(value, tag::SEQUENCE, "mlExpansionHistory")?;
        let lists = list(sequence.content, "number of MLData", LISTS, MlData::decode)?;
        if lists.is_empty() {
            return Err(CmsError::field("mlExpansionHistory", "it holds no MLData"));
        }
        Ok(Self(lists))
    }

    pub(crate) fn describe(&self) -> Value {
        Value::List(self.0.iter().map(MlData::describe).collect())
    }
}

/// ub-ml-expansion-history (RFC 2634 appendix A).
const LISTS: usize = 64;

impl<'a> MlData<'a> {
    fn decode(element: Element<'a>) -> Result<Self, CmsError> {
        if element.tag != tag::SEQUENCE {
            return Err(unexpected("MLData", element.tag, tag::SEQUENCE));
        }
        let mut fields = tlv::Reader::new(element.content, "MLData");
        let list = CertificateName::read(&mut fields, tag::OCTET_STRING, "mailListIdentifier")?;
        let expansion_time = generalized_time(&mut fields, "expansionTime")?;
        let receipt_policy = fields.next()?.map(receipt_policy).transpose()?;
        fields.end()?;
        Ok(Self {
            list,
            expansion_time,
            receipt_policy,
        })
    }

    fn describe(&self) -> Value {
        let policy = |policy: &MlReceiptPolicy<'_>| match policy {
            MlReceiptPolicy::InAdditionTo(names) => {
                map([("in_addition_to", describe_lists(names))])
            }
            MlReceiptPolicy::InsteadOf(names) => map([("instead_of", describe_lists(names))]),
            MlReceiptPolicy::None => Value::Text("none".to_owned()),
        };
        map_of_present([
            ("list", Some(self.list.describe())),
            (
                "expansion_time",
                Some(Value::Text(time::rfc3339(self.expansion_time))),
            ),
            ("receipt_policy", self.receipt_policy.as_ref().map(policy)),
        ])
    }
}

fn receipt_policy(choice: Element<'_>) -> Result<MlReceiptPolicy<'_>, CmsError> {
    const FIELD: &str = "mlReceiptPolicy";
    let names = || match lists_of_names(choice.content, FIELD)? {
        names if names.is_empty() => Err(CmsError::field(FIELD, "it names nobody")),
        names => Ok(names),
    };
    match (choice.tag, choice.content) {
        (NONE, []) => Ok(MlReceiptPolicy::None),
        (INSTEAD_OF, _) => Ok(MlReceiptPolicy::InsteadOf(names()?)),
        (IN_ADDITION_TO, _) => Ok(MlReceiptPolicy::InAdditionTo(names()?)),
        (other, _) => Err(CmsError::field(
            FIELD,
            format!("tag {other:#04x} is none of its choices"),
        )),
    }
}

const NONE: u8 = tag::context_primitive(0);
const INSTEAD_OF: u8 = tag::context(1);
const IN_ADDITION_TO: u8 = tag::context(2);

#[cfg(test)]
mod tests {
    use super::super::fixtures::mutilated;
    use super::super::fixtures::name;
    use super::super::fixtures::sequence;
    use super::super::value::hex;
    use super::*;
    use crate::cms::tlv::element;

    fn expansion_time() -> Vec<u8> {
        element(time::GENERALIZED_TIME, &[b"19700101000001Z"])
    }

    fn data(list: &[u8], policy: &[u8]) -> Vec<u8> {
        sequence(&[list, &expansion_time(), policy])
    }

    fn names() -> Vec<u8> {
        sequence(&[&element(0x81, &[b"a@a.example"])])
    }

    #[test]
    fn lists_are_named_by_key_or_by_issuer() {
        let issuer = sequence(&[&name("CA"), &[2, 1, 9]]);
        let value = sequence(&[&data(&[4, 1, 7], &[]), &data(&issuer, &[0x80, 0])]);
        let history = MlExpansionHistory::decode(&value).unwrap();
        let [first, second] = history.0.as_slice() else {
            panic!("{history:?}");
        };
        assert_eq!(first.list, CertificateName::SubjectKeyIdentifier(&[7]));
        assert_eq!(first.expansion_time, 1);
        assert_eq!(first.receipt_policy, None);
        assert_eq!(second.receipt_policy, Some(MlReceiptPolicy::None));
        assert_eq!(
            second.describe(),
            map([
                (
                    "list",
                    map([
                        ("issuer", Value::Text("CN=CA".into())),
                        ("serial", hex(&[9]))
                    ])
                ),
                ("expansion_time", Value::Text("1970-01-01T00:00:01Z".into())),
                ("receipt_policy", Value::Text("none".into())),
            ])
        );
    }

    #[test]
    fn receipt_policies_name_somebody() {
        let of = |policy: &[u8]| {
            let value = sequence(&[&data(&[4, 1, 7], policy)]);
            MlExpansionHistory::decode(&value)
                .map(|history| history.describe())
                .map_err(|error| error.to_string())
        };
        for (tag, key) in [
            (INSTEAD_OF, "instead_of"),
            (IN_ADDITION_TO, "in_addition_to"),
        ] {
            let shown = format!("{:?}", of(&element(tag, &[&names()])).unwrap());
            assert!(
                shown.contains(key) && shown.contains("a@a.example"),
                "{shown}"
            );
            assert!(of(&element(tag, &[])).is_err());
            assert!(of(&element(tag, &[&sequence(&[])])).is_err());
        }
        assert!(of(&[0x80, 1, 0]).is_err());
        assert!(of(&[0x83, 0]).is_err());
        assert!(of(&[0x80, 0, 0x80, 0]).is_err());
    }

    #[test]
    fn histories_hold_one_to_sixty_four() {
        let one = data(&[4, 1, 7], &[]);
        let of =
            |count: usize| MlExpansionHistory::decode(&sequence(&[&one.repeat(count)])).map(drop);
        assert!(of(0).is_err());
        assert!(of(1).is_ok());
        assert!(of(LISTS).is_ok());
        assert!(of(LISTS + 1).is_err());
    }

    #[test]
    fn a_utc_time_is_no_expansion_time() {
        let utc = element(time::UTC_TIME, &[b"700101000001Z"]);
        let value = sequence(&[&sequence(&[&[4, 1, 7], &utc])]);
        let error = MlExpansionHistory::decode(&value).unwrap_err();
        assert!(error.to_string().starts_with("expansionTime"), "{error}");
    }

    #[test]
    fn mutilated_histories_never_panic() {
        let issuer = sequence(&[&name("CA"), &[2, 1, 9]]);
        let policy = element(IN_ADDITION_TO, &[&names()]);
        mutilated(&sequence(&[&data(&issuer, &policy)]), |octets| {
            if let Ok(decoded) = MlExpansionHistory::decode(octets) {
                let _ = decoded.describe();
            }
        });
    }
}
