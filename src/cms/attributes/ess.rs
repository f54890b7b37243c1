//! Attributes about content and receipts (RFC 2634 §2): hints, references, receipt requests.
//!
//! Receipts are reported and never sent: a gateway that answered would confirm addresses.

use super::names::GeneralName;
use super::names::describe_lists;
use super::names::lists_of_names;
use super::names::number;
use super::oid::Oid;
use super::value::Value;
use super::value::describe_content_type;
use super::value::hex;
use super::value::map;
use super::value::map_of_present;
use crate::cms::error::CmsError;
use crate::cms::tlv;
use crate::limits::LimitError;
use crate::tlv::tag;

/// ContentHints (RFC 2634 §2.9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentHints<'a> {
    /// What the innermost content is about.
    pub description: Option<&'a str>,
    /// Its type.
    pub content_type: Oid,
}

impl<'a> ContentHints<'a> {
    /// Reads the value of a contentHints attribute.
    pub fn decode(value: &'a [u8]) -> Result<Self, CmsError> {
        let sequence = tlv::single(value, tag::SEQUENCE, "contentHints")?;
        let mut fields = tlv::Reader::new(sequence.content, "contentHints");
        let description = fields
            .optional(UTF8_STRING)?
            .map(|description| utf8(description.content, "contentDescription"))
            .transpose()?;
        let content_type = Oid::read(&mut fields, "contentType of contentHints")?;
        fields.end()?;
        Ok(Self {
            description,
            content_type,
        })
    }

    pub(crate) fn describe(&self) -> Value {
        let description = self.description.map(|text| Value::Text(text.to_owned()));
        map_of_present([
            ("description", description),
            (
                "content_type",
                Some(describe_content_type(&self.content_type)),
            ),
        ])
    }
}

/// ContentReference: the message that this one is about (RFC 2634 §2.11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentReference<'a> {
    /// Its content type.
    pub content_type: Oid,
    /// Its signedContentIdentifier.
    pub identifier: &'a [u8],
    /// Its originatorSignatureValue.
    pub signature: &'a [u8],
}

impl<'a> ContentReference<'a> {
    /// Reads the value of a contentReference attribute.
    pub fn decode(value: &'a [u8]) -> Result<Self, CmsError> {
        let sequence = tlv::single(value, tag::SEQUENCE, "contentReference")?;
        let mut fields = tlv::Reader::new(sequence.content, "contentReference");
        let content_type = Oid::read(&mut fields, "contentType of contentReference")?;
        let identifier = fields.expect(tag::OCTET_STRING, "signedContentIdentifier")?;
        let signature = fields.expect(tag::OCTET_STRING, "originatorSignatureValue")?;
        fields.end()?;
        Ok(Self {
            content_type,
            identifier: identifier.content,
            signature: signature.content,
        })
    }

    pub(crate) fn describe(&self) -> Value {
        map([
            ("content_type", describe_content_type(&self.content_type)),
            ("identifier", hex(self.identifier)),
            ("signature", hex(self.signature)),
        ])
    }
}

/// ReceiptRequest (RFC 2634 §2.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptRequest<'a> {
    /// signedContentIdentifier.
    pub identifier: &'a [u8],
    /// Who is asked.
    pub from: ReceiptsFrom<'a>,
    /// Where receipts go.
    pub to: Vec<Vec<GeneralName<'a>>>,
}

/// ReceiptsFrom (RFC 2634 §2.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiptsFrom<'a> {
    /// All recipients.
    All,
    /// Those who did not get the message through a mailing list.
    FirstTier,
    /// These.
    List(Vec<Vec<GeneralName<'a>>>),
}

impl<'a> ReceiptRequest<'a> {
    /// Reads the value of a receiptRequest attribute.
    pub fn decode(value: &'a [u8]) -> Result<Self, CmsError> {
        let sequence = tlv::single(value, tag::SEQUENCE, "receiptRequest")?;
        let mut fields = tlv::Reader::new(sequence.content, "receiptRequest");
        let identifier = fields.expect(tag::OCTET_STRING, "signedContentIdentifier")?;
        let from = Self::receipts_from(&mut fields)?;
        let to = fields.expect(tag::SEQUENCE, "receiptsTo")?;
        fields.end()?;
        let to = lists_of_names(to.content, "receiptsTo")?;
        LimitError::check("number of receiptsTo", to.len(), RECEIPTS_TO)?;
        Ok(Self {
            identifier: identifier.content,
            from,
            to,
        })
    }

    fn receipts_from(fields: &mut tlv::Reader<'a>) -> Result<ReceiptsFrom<'a>, CmsError> {
        if let Some(choice) = fields.optional(tag::context_primitive(0))? {
            return match number(&choice, "allOrFirstTier")? {
                0 => Ok(ReceiptsFrom::All),
                1 => Ok(ReceiptsFrom::FirstTier),
                other => Err(CmsError::field(
                    "allOrFirstTier",
                    format!("{other} is neither 0 nor 1"),
                )),
            };
        }
        let list = fields.expect(tag::context(1), "receiptsFrom")?;
        Ok(ReceiptsFrom::List(lists_of_names(
            list.content,
            "receiptList",
        )?))
    }

    pub(crate) fn describe(&self) -> Value {
        let from = match &self.from {
            ReceiptsFrom::All => Value::Text("allReceipts".to_owned()),
            ReceiptsFrom::FirstTier => Value::Text("firstTierRecipients".to_owned()),
            ReceiptsFrom::List(list) => describe_lists(list),
        };
        map([
            ("identifier", hex(self.identifier)),
            ("receipts_from", from),
            ("receipts_to", describe_lists(&self.to)),
        ])
    }
}

/// ub-receiptsTo (RFC 2634 appendix A).
const RECEIPTS_TO: usize = 16;

/// Identifier octet of UTF8String.
pub(crate) const UTF8_STRING: u8 = 0x0c;

/// Text of a UTF8String.
pub(crate) fn utf8<'a>(octets: &'a [u8], field: &'static str) -> Result<&'a str, CmsError> {
    str::from_utf8(octets).map_err(|_| CmsError::field(field, "it is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::mutilated;
    use super::super::fixtures::sequence;
    use super::*;
    use crate::cms::tlv::element;

    const DATA: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];

    fn mail(address: &str) -> Vec<u8> {
        sequence(&[&element(0x81, &[address.as_bytes()])])
    }

    #[test]
    fn hints_are_read_with_and_without_a_description() {
        let with = sequence(&[&element(UTF8_STRING, &["Grüße".as_bytes()]), DATA]);
        let hints = ContentHints::decode(&with).unwrap();
        assert_eq!(hints.description, Some("Grüße"));
        assert_eq!(
            hints.describe(),
            map([
                ("description", Value::Text("Grüße".into())),
                ("content_type", Value::Text("data".into()))
            ])
        );
        let without = sequence(&[DATA]);
        assert_eq!(ContentHints::decode(&without).unwrap().description, None);
        for bad in [
            sequence(&[]),
            sequence(&[&[UTF8_STRING, 1, 0xff], DATA]),
            sequence(&[DATA, &[5, 0]]),
            DATA.to_vec(),
        ] {
            assert!(ContentHints::decode(&bad).is_err(), "{bad:02x?}");
        }
    }

    #[test]
    fn references_name_the_other_message() {
        let value = sequence(&[DATA, &[4, 1, 1], &[4, 2, 2, 2]]);
        let reference = ContentReference::decode(&value).unwrap();
        assert_eq!(reference.identifier, [1]);
        assert_eq!(reference.signature, [2, 2]);
        assert_eq!(
            ContentReference::decode(&sequence(&[DATA, &[4, 1, 1]]))
                .unwrap_err()
                .to_string(),
            "originatorSignatureValue is malformed: it is missing (tag 0x04)"
        );
    }

    #[test]
    fn receipts_are_asked_from_all_from_the_first_tier_or_from_a_list() {
        let to = sequence(&[&mail("a@a.example")]);
        let request = |from: &[u8]| sequence(&[&[4, 1, 1], from, &to]);
        let all = request(&[0x80, 1, 0]);
        assert_eq!(
            ReceiptRequest::decode(&all).unwrap().from,
            ReceiptsFrom::All
        );
        let first = request(&[0x80, 1, 1]);
        assert_eq!(
            ReceiptRequest::decode(&first).unwrap().from,
            ReceiptsFrom::FirstTier
        );
        let listed = request(&element(0xa1, &[&mail("b@b.example")]));
        let decoded = ReceiptRequest::decode(&listed).unwrap();
        assert_eq!(
            decoded.from,
            ReceiptsFrom::List(vec![vec![GeneralName::Email(b"b@b.example")]])
        );
        assert_eq!(decoded.to, [[GeneralName::Email(b"a@a.example")]]);
        let address = |text: &str| {
            Value::List(vec![Value::List(vec![map([(
                "email",
                Value::Text(text.into()),
            )])])])
        };
        assert_eq!(
            decoded.describe(),
            map([
                ("identifier", Value::Hex("01".into())),
                ("receipts_from", address("b@b.example")),
                ("receipts_to", address("a@a.example")),
            ])
        );
        for bad in [
            request(&[0x80, 1, 2]),
            request(&[]),
            request(&[0x80, 1, 0xff]),
        ] {
            assert!(ReceiptRequest::decode(&bad).is_err());
        }
    }

    #[test]
    fn receipts_go_to_sixteen_at_most() {
        let request = |count: usize| {
            let to = sequence(&[&mail("a@a.example").repeat(count)]);
            ReceiptRequest::decode(&sequence(&[&[4, 1, 1], &[0x80, 1, 0], &to])).map(drop)
        };
        assert!(request(RECEIPTS_TO).is_ok());
        assert!(request(RECEIPTS_TO + 1).is_err());
    }

    #[test]
    fn mutilated_values_never_panic() {
        let to = sequence(&[&mail("a@a.example")]);
        let from = element(0xa1, &[&mail("b@b.example")]);
        mutilated(&sequence(&[&[4, 1, 1], &from, &to]), |octets| {
            if let Ok(decoded) = ReceiptRequest::decode(octets) {
                let _ = decoded.describe();
            }
        });
        let hints = sequence(&[&[UTF8_STRING, 1, b'a'], DATA]);
        mutilated(&hints, |octets| drop(ContentHints::decode(octets)));
        let reference = sequence(&[DATA, &[4, 1, 1], &[4, 2, 2, 2]]);
        mutilated(&reference, |octets| drop(ContentReference::decode(octets)));
    }
}
