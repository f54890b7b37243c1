//! How attributes name certificates, entities and lists: IssuerAndSerialNumber, GeneralNames.
//!
//! Names are printed as RFC 4514; one that cannot be read is printed as the hex of its DER, since a
//! report must not stop at it.

use super::time;
use super::value::Value;
use super::value::hex;
use super::value::map;
use super::value::text;
use crate::cms::error::CmsError;
use crate::cms::tlv;
use crate::cms::tlv::Element;
use crate::limits::LimitError;
use crate::tlv::tag;
use crate::x509::name::to_rfc4514;

/// IssuerAndSerialNumber (RFC 5652 §10.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IssuerAndSerial<'a> {
    /// The issuer's Name, as DER.
    pub issuer: &'a [u8],
    /// The content octets of the serial number.
    pub serial: &'a [u8],
}

impl<'a> IssuerAndSerial<'a> {
    /// Reads the content of an IssuerAndSerialNumber, whatever its tag.
    pub(crate) fn from_content(content: &'a [u8], field: &'static str) -> Result<Self, CmsError> {
        let mut fields = tlv::Reader::new(content, field);
        let issuer = fields.expect(tag::SEQUENCE, "issuer")?.raw;
        let serial = integer(
            &fields.expect(tag::INTEGER, "serialNumber")?,
            "serialNumber",
        )?;
        fields.end()?;
        Ok(Self { issuer, serial })
    }

    pub(crate) fn describe(&self) -> Value {
        map([
            ("issuer", Value::Text(rfc4514(self.issuer))),
            ("serial", hex(self.serial)),
        ])
    }
}

/// How a certificate is named: by issuer and serial number, or by its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateName<'a> {
    /// By issuer and serial number.
    IssuerAndSerialNumber(IssuerAndSerial<'a>),
    /// By the subjectKeyIdentifier extension's value.
    SubjectKeyIdentifier(&'a [u8]),
}

impl<'a> CertificateName<'a> {
    /// Reads an EntityIdentifier (RFC 2634 §4.4) or a SignerIdentifier (RFC 5652 §5.3); in the
    /// latter `key_tag` is 0x80, in the former 0x04.
    pub(crate) fn read(
        fields: &mut tlv::Reader<'a>,
        key_tag: u8,
        field: &'static str,
    ) -> Result<Self, CmsError> {
        if let Some(key) = fields.optional(key_tag)? {
            return Ok(Self::SubjectKeyIdentifier(key.content));
        }
        let name = fields.expect(tag::SEQUENCE, field)?;
        let name = IssuerAndSerial::from_content(name.content, field)?;
        Ok(Self::IssuerAndSerialNumber(name))
    }

    pub(crate) fn describe(&self) -> Value {
        match self {
            Self::IssuerAndSerialNumber(name) => name.describe(),
            Self::SubjectKeyIdentifier(key) => map([("ski", hex(key))]),
        }
    }
}

/// GeneralName (RFC 5280 §4.2.1.6), as far as reports show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GeneralName<'a> {
    /// directoryName: a Name, as DER.
    Directory(&'a [u8]),
    /// dNSName.
    Dns(&'a [u8]),
    /// rfc822Name.
    Email(&'a [u8]),
    /// Any other form, as DER.
    Other(&'a [u8]),
    /// uniformResourceIdentifier.
    Uri(&'a [u8]),
}

impl<'a> GeneralName<'a> {
    fn decode(name: Element<'a>) -> Result<Self, CmsError> {
        Ok(match name.tag {
            MAIL_NAME => Self::Email(name.content),
            DNS_NAME => Self::Dns(name.content),
            // Explicit, since Name is a CHOICE.
            DIRECTORY_NAME => {
                Self::Directory(tlv::single(name.content, tag::SEQUENCE, "directoryName")?.raw)
            }
            URI => Self::Uri(name.content),
            _ => Self::Other(name.raw),
        })
    }

    fn describe(&self) -> Value {
        match self {
            Self::Directory(name) => map([("directory", Value::Text(rfc4514(name)))]),
            Self::Dns(name) => map([("dns", text(name))]),
            Self::Email(name) => map([("email", text(name))]),
            Self::Other(name) => map([("other", hex(name))]),
            Self::Uri(name) => map([("uri", text(name))]),
        }
    }
}

const MAIL_NAME: u8 = tag::context_primitive(1);
const DNS_NAME: u8 = tag::context_primitive(2);
const DIRECTORY_NAME: u8 = tag::context(4);
const URI: u8 = tag::context_primitive(6);

/// Reads `content`, the inside of a GeneralNames: at least one (RFC 5280 §4.2.1.6).
pub(crate) fn general_names<'a>(
    content: &'a [u8],
    field: &'static str,
) -> Result<Vec<GeneralName<'a>>, CmsError> {
    let names = list(content, field, NAMES, GeneralName::decode)?;
    if names.is_empty() {
        return Err(CmsError::field(field, "it holds no name"));
    }
    Ok(names)
}

/// Reads `content`, the inside of a SEQUENCE OF GeneralNames.
pub(crate) fn lists_of_names<'a>(
    content: &'a [u8],
    field: &'static str,
) -> Result<Vec<Vec<GeneralName<'a>>>, CmsError> {
    list(content, field, NAMES, |names| match names.tag {
        tag::SEQUENCE => general_names(names.content, field),
        other => Err(unexpected(field, other, tag::SEQUENCE)),
    })
}

pub(crate) fn describe_names(names: &[GeneralName<'_>]) -> Value {
    Value::List(names.iter().map(GeneralName::describe).collect())
}

pub(crate) fn describe_lists(lists: &[Vec<GeneralName<'_>>]) -> Value {
    Value::List(lists.iter().map(|names| describe_names(names)).collect())
}

/// Names in one list. No standard has a maximum; a list of mailing lists has some ten.
const NAMES: usize = 256;

/// Reads each element of `content` with `read`; fails when there are more than `most`.
pub(crate) fn list<'a, T>(
    content: &'a [u8],
    field: &'static str,
    most: usize,
    mut read: impl FnMut(Element<'a>) -> Result<T, CmsError>,
) -> Result<Vec<T>, CmsError> {
    let mut reader = tlv::Reader::new(content, field);
    let mut list = Vec::new();
    while let Some(element) = reader.next()? {
        LimitError::check(field, list.len() + 1, most)?;
        list.push(read(element)?);
    }
    Ok(list)
}

/// The content octets of an INTEGER: at least one (X.690 §8.3.1).
///
/// Serial numbers with a superfluous octet are in use and are compared byte by byte, so that nothing
/// is gained by refusing them.
pub(crate) fn integer<'a>(
    integer: &Element<'a>,
    field: &'static str,
) -> Result<&'a [u8], CmsError> {
    match integer.content {
        [] => Err(CmsError::field(field, "it is an integer without octets")),
        value => Ok(value),
    }
}

/// An INTEGER from 0 to `u64::MAX`.
pub(crate) fn number(element: &Element<'_>, field: &'static str) -> Result<u64, CmsError> {
    let digits = match integer(element, field)? {
        [0, rest @ ..] => rest,
        [first, ..] if first & 0x80 != 0 => {
            return Err(CmsError::field(field, "it is negative"));
        }
        digits => digits,
    };
    if digits.len() > 8 {
        return Err(CmsError::field(field, "it is over 64 bits"));
    }
    Ok(digits
        .iter()
        .fold(0, |sum, digit| sum << 8 | u64::from(*digit)))
}

pub(crate) fn unexpected(field: &'static str, found: u8, expected: u8) -> CmsError {
    CmsError::field(
        field,
        format!("tag {found:#04x} stands where {expected:#04x} should"),
    )
}

/// Seconds since 1970 of a GeneralizedTime.
pub(crate) fn generalized_time(
    fields: &mut tlv::Reader<'_>,
    field: &'static str,
) -> Result<i64, CmsError> {
    time::decode(&fields.expect(time::GENERALIZED_TIME, field)?, field)
}

/// A Name as RFC 4514, or as the hex of its DER where it cannot be read.
fn rfc4514(name: &[u8]) -> String {
    to_rfc4514(name).unwrap_or_else(|_| super::value::to_hex(name))
}
