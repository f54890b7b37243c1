//! Attributes of S/MIME itself: SMIMECapabilities, encryption key preference (RFC 8551 §2.5).

use super::names::CertificateName;
use super::names::IssuerAndSerial;
use super::names::list;
use super::names::unexpected;
use super::oid::Oid;
use super::time;
use super::value::Value;
use super::value::algorithm_name;
use super::value::hex;
use super::value::map_of_present;
use crate::cms::ber::tag;
use crate::cms::error::CmsError;
use crate::cms::tlv;

/// SMIMECapabilities, the signer's preference first (RFC 8551 §2.5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities<'a>(pub Vec<Capability<'a>>);

/// One SMIMECapability (RFC 8551 §2.5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability<'a> {
    /// capabilityID.
    pub oid: Oid,
    /// Its parameters as DER, compared byte for byte; absent unless the capability has some.
    pub parameters: Option<&'a [u8]>,
}

impl<'a> Capabilities<'a> {
    /// Reads the value of a SMIMECapabilities attribute, at most 256 of them.
    pub fn decode(value: &'a [u8]) -> Result<Self, CmsError> {
        let sequence = tlv::single(value, tag::SEQUENCE, "SMIMECapabilities")?;
        let capabilities = list(
            sequence.value,
            "number of SMIMECapabilities",
            CAPABILITIES,
            |capability| {
                if capability.tag != tag::SEQUENCE {
                    return Err(unexpected("SMIMECapability", capability.tag, tag::SEQUENCE));
                }
                let mut fields = tlv::Reader::new(capability.value, "SMIMECapability");
                let oid = Oid::read(&mut fields, "capabilityID")?;
                let parameters = fields.next()?.map(|parameters| parameters.raw);
                fields.end()?;
                Ok(Capability { oid, parameters })
            },
        )?;
        Ok(Self(capabilities))
    }

    pub(crate) fn describe(&self) -> Value {
        let one = |capability: &Capability<'_>| {
            map_of_present([
                ("oid", Some(Value::Text(capability.oid.to_string()))),
                (
                    "name",
                    algorithm_name(&capability.oid).map(|name| Value::Text(name.to_owned())),
                ),
                ("parameters", capability.parameters.map(hex)),
            ])
        };
        Value::List(self.0.iter().map(one).collect())
    }
}

/// Outlook lists 8, Thunderbird 5, Bouncy Castle's users some 20.
const CAPABILITIES: usize = 256;

/// Which certificate the signer wants to be encrypted to (RFC 8551 §2.5.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptionKeyPreference<'a> {
    /// How it names the certificate.
    pub certificate: CertificateName<'a>,
    /// When the key was chosen, in seconds since 1970, if it says so (RecipientKeyIdentifier's date).
    pub date: Option<i64>,
}

impl<'a> EncryptionKeyPreference<'a> {
    /// Reads the value of an id-aa-encrypKeyPref attribute.
    pub fn decode(value: &'a [u8]) -> Result<Self, CmsError> {
        const FIELD: &str = "encryptionKeyPreference";
        let mut reader = tlv::Reader::new(value, FIELD);
        let choice = reader
            .next()?
            .ok_or_else(|| CmsError::field(FIELD, "it is empty"))?;
        reader.end()?;
        let by_key = |key| CertificateName::SubjectKeyIdentifier(key);
        match choice.tag {
            ISSUER_AND_SERIAL => Self::by_issuer(choice.value),
            RECIPIENT_KEY_ID => {
                let mut fields = tlv::Reader::new(choice.value, FIELD);
                let key = fields.expect(tag::OCTET_STRING, "subjectKeyIdentifier")?;
                let date = match fields.optional(time::GENERALIZED_TIME)? {
                    Some(date) => Some(time::decode(&date, "date")?),
                    None => None,
                };
                // OtherKeyAttribute has no meaning here (RFC 5652 §10.2.7).
                fields.optional(tag::SEQUENCE)?;
                fields.end()?;
                Ok(Self {
                    certificate: by_key(key.value),
                    date,
                })
            }
            SUBJECT_KEY_ID => Ok(Self {
                certificate: by_key(choice.value),
                date: None,
            }),
            other => Err(CmsError::field(
                FIELD,
                format!("tag {other:#04x} is none of its choices"),
            )),
        }
    }

    /// Reads the value of Microsoft's attribute: an IssuerAndSerialNumber by itself.
    pub fn decode_microsoft(value: &'a [u8]) -> Result<Self, CmsError> {
        const FIELD: &str = "microsoftEncryptionKeyPreference";
        Self::by_issuer(tlv::single(value, tag::SEQUENCE, FIELD)?.value)
    }

    fn by_issuer(content: &'a [u8]) -> Result<Self, CmsError> {
        let name = IssuerAndSerial::from_content(content, "issuerAndSerialNumber")?;
        Ok(Self {
            certificate: CertificateName::IssuerAndSerialNumber(name),
            date: None,
        })
    }

    pub(crate) fn describe(&self) -> Value {
        let mut described = self.certificate.describe();
        if let (Value::Map(fields), Some(date)) = (&mut described, self.date) {
            fields.push(("date", Value::Text(time::rfc3339(date))));
        }
        described
    }
}

const ISSUER_AND_SERIAL: u8 = tag::context(0);
const RECIPIENT_KEY_ID: u8 = tag::context(1);
const SUBJECT_KEY_ID: u8 = tag::context_primitive(2);
