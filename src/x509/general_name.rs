//! GeneralName: the names beside the subject (RFC 5280 §4.2.1.6), and the bases of name constraints.
//!
//! A name that cannot be read as its form demands is kept as [`GeneralName::Other`], so that it
//! matches nothing, and constraints on its form still refuse it.

use super::name::FoldedName;
use super::name::string;
use super::oids;
use crate::tlv::Asn1Error;
use crate::tlv::Element;
use crate::tlv::only;
use crate::tlv::tag;

/// One GeneralName.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GeneralName {
    /// directoryName, as it is compared.
    Directory(FoldedName),
    /// dNSName.
    Dns(String),
    /// rfc822Name.
    Email(String),
    /// iPAddress: 4 or 16 octets, or twice as many with the mask of a constraint.
    Ip(Vec<u8>),
    /// Any other form, or one of the above that is malformed: tag and content octets.
    Other(u8, Vec<u8>),
    /// SmtpUTF8Mailbox, an otherName (RFC 9598 §3).
    SmtpUtf8Mailbox(String),
    /// uniformResourceIdentifier.
    Uri(String),
}

const OTHER_NAME: u8 = tag::context(0);
const RFC822_NAME: u8 = tag::context_primitive(1);
const DNS_NAME: u8 = tag::context_primitive(2);
const DIRECTORY_NAME: u8 = tag::context(4);
const URI: u8 = tag::context_primitive(6);
const IP_ADDRESS: u8 = tag::context_primitive(7);

impl GeneralName {
    pub(super) fn read(element: &Element<'_>) -> Result<Self, Asn1Error> {
        let content = element.content;
        let other = || Self::Other(element.tag, content.to_vec());
        Ok(match element.tag {
            RFC822_NAME => ia5(content).map_or_else(other, Self::Email),
            DNS_NAME => ia5(content).map_or_else(other, Self::Dns),
            URI => ia5(content).map_or_else(other, Self::Uri),
            IP_ADDRESS => Self::Ip(content.to_vec()),
            DIRECTORY_NAME => Self::Directory(FoldedName::of(content)?),
            OTHER_NAME => smtp_utf8_mailbox(element)?.map_or_else(other, Self::SmtpUtf8Mailbox),
            // Context-specific, whichever it is.
            tag if tag & 0xC0 == 0x80 => other(),
            found => {
                return Err(Asn1Error::Tag {
                    expected: RFC822_NAME,
                    found,
                });
            }
        })
    }

    /// The tag of its form in GeneralName.
    pub(super) const fn form(&self) -> u8 {
        match self {
            Self::Directory(_) => DIRECTORY_NAME,
            Self::Dns(_) => DNS_NAME,
            Self::Email(_) => RFC822_NAME,
            Self::Ip(_) => IP_ADDRESS,
            Self::Other(tag, _) => *tag,
            Self::SmtpUtf8Mailbox(_) => OTHER_NAME,
            Self::Uri(_) => URI,
        }
    }
}

/// The names of a GeneralNames SEQUENCE.
pub(super) fn general_names(value: &[u8]) -> Result<Vec<GeneralName>, Asn1Error> {
    only(value, tag::SEQUENCE)?
        .reader()
        .map(|name| GeneralName::read(&name?))
        .collect()
}

/// Printable ASCII: a NUL or line end inside a name has been an attack and nothing else.
fn ia5(content: &[u8]) -> Option<String> {
    let printable = content.iter().all(|octet| (b' '..=b'~').contains(octet));
    printable.then(|| String::from_utf8_lossy(content).into_owned())
}

/// `None` for other types of otherName, and for a mailbox that is no UTF8String of visible letters.
fn smtp_utf8_mailbox(element: &Element<'_>) -> Result<Option<String>, Asn1Error> {
    let mut fields = element.reader();
    let oid = fields.expect(tag::OBJECT_IDENTIFIER)?.content;
    let value = fields.expect(tag::context(0))?;
    fields.finish()?;
    if oid != oids::SMTP_UTF8_MAILBOX.as_bytes() {
        return Ok(None);
    }
    let mailbox = only(value.content, tag::UTF8_STRING)?;
    Ok(string(&mailbox).filter(|text| !text.chars().any(char::is_control)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tlv::Reader;

    fn read(der: &[u8]) -> GeneralName {
        GeneralName::read(&Reader::new(der).element().unwrap()).unwrap()
    }

    #[test]
    fn a_name_with_a_nul_inside_is_no_name_of_its_form() {
        assert_eq!(read(b"\x81\x03a@b"), GeneralName::Email("a@b".into()));
        let odd = read(b"\x81\x05a@b\0c");
        assert_eq!(odd, GeneralName::Other(0x81, b"a@b\0c".to_vec()));
        assert_eq!(odd.form(), RFC822_NAME);
    }

    #[test]
    fn smtp_utf8_mailbox_is_read() {
        let der = b"\xA0\x14\x06\x08\x2B\x06\x01\x05\x05\x07\x08\x09\xA0\x08\x0C\x06\xC3\xA4@a.b";
        assert_eq!(read(der), GeneralName::SmtpUtf8Mailbox("ä@a.b".into()));
    }
}
