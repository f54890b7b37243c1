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
use crate::cms::ber::tag;
use crate::cms::error::CmsError;
use crate::cms::tlv;
use crate::cms::tlv::Tlv;

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
        let lists = list(sequence.value, "number of MLData", LISTS, MlData::decode)?;
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
    fn decode(element: Tlv<'a>) -> Result<Self, CmsError> {
        if element.tag != tag::SEQUENCE {
            return Err(unexpected("MLData", element.tag, tag::SEQUENCE));
        }
        let mut fields = tlv::Reader::new(element.value, "MLData");
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

fn receipt_policy(choice: Tlv<'_>) -> Result<MlReceiptPolicy<'_>, CmsError> {
    const FIELD: &str = "mlReceiptPolicy";
    let names = || match lists_of_names(choice.value, FIELD)? {
        names if names.is_empty() => Err(CmsError::field(FIELD, "it names nobody")),
        names => Ok(names),
    };
    match (choice.tag, choice.value) {
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
