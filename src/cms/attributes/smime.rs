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
use crate::cms::error::CmsError;
use crate::cms::tlv;
use crate::tlv::tag;

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
            sequence.content,
            "number of SMIMECapabilities",
            CAPABILITIES,
            |capability| {
                if capability.tag != tag::SEQUENCE {
                    return Err(unexpected("SMIMECapability", capability.tag, tag::SEQUENCE));
                }
                let mut fields = tlv::Reader::new(capability.content, "SMIMECapability");
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
            ISSUER_AND_SERIAL => Self::by_issuer(choice.content),
            RECIPIENT_KEY_ID => {
                let mut fields = tlv::Reader::new(choice.content, FIELD);
                let key = fields.expect(tag::OCTET_STRING, "subjectKeyIdentifier")?;
                let date = match fields.optional(time::GENERALIZED_TIME)? {
                    Some(date) => Some(time::decode(&date, "date")?),
                    None => None,
                };
                // OtherKeyAttribute has no meaning here (RFC 5652 §10.2.7).
                fields.optional(tag::SEQUENCE)?;
                fields.end()?;
                Ok(Self {
                    certificate: by_key(key.content),
                    date,
                })
            }
            SUBJECT_KEY_ID => Ok(Self {
                certificate: by_key(choice.content),
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
        Self::by_issuer(tlv::single(value, tag::SEQUENCE, FIELD)?.content)
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

#[cfg(test)]
mod tests {
    use super::super::build;
    use super::super::fixtures;
    use super::super::fixtures::mutilated;
    use super::super::fixtures::name;
    use super::super::fixtures::parse;
    use super::super::fixtures::sequence;
    use super::super::value::map;
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn capabilities_keep_their_order_names_and_parameters() {
        let capability = |dotted, parameters| Capability {
            oid: Oid::from(fixtures::oid(dotted)),
            parameters,
        };
        let ours = [
            capability("2.16.840.1.101.3.4.1.42", None),
            // RC2 with 128 bits: its parameter is an INTEGER (RFC 8551 appendix A).
            capability("1.2.840.113549.3.2", Some(&[2, 2, 0, 0x80][..])),
            capability("1.2.3.4", None),
        ];
        let attribute = parse(&build::smime_capabilities(&ours));
        let decoded = Capabilities::decode(attribute.value().unwrap()).unwrap();
        assert_eq!(decoded.0, ours);
        assert_eq!(
            attribute.describe(),
            Value::List(vec![
                map([
                    ("oid", text("2.16.840.1.101.3.4.1.42")),
                    ("name", text("aes-256-cbc"))
                ]),
                map([
                    ("oid", text("1.2.840.113549.3.2")),
                    ("name", text("rc2-cbc")),
                    ("parameters", Value::Hex("02020080".into()))
                ]),
                map([("oid", text("1.2.3.4"))]),
            ])
        );
    }

    #[test]
    fn capabilities_are_bounded() {
        let one = sequence(&[&Oid::from(fixtures::oid("1.2.3")).to_der()]);
        let of =
            |count| Capabilities::decode(&sequence(&[&one.repeat(count)])).map(|all| all.0.len());
        assert_eq!(of(CAPABILITIES).unwrap(), CAPABILITIES);
        assert_eq!(of(0).unwrap(), 0);
        assert_eq!(
            of(CAPABILITIES + 1).unwrap_err().to_string(),
            "number of SMIMECapabilities is 257, more than the limit of 256"
        );
    }

    #[test]
    fn the_three_ways_to_name_the_encryption_key_are_read() {
        let issuer = name("CA");
        let by_issuer = tlv::element(ISSUER_AND_SERIAL, &[&issuer, &[2, 1, 9]]);
        let expected = CertificateName::IssuerAndSerialNumber(IssuerAndSerial {
            issuer: &issuer,
            serial: &[9],
        });
        let decoded = EncryptionKeyPreference::decode(&by_issuer).unwrap();
        assert_eq!(decoded.certificate, expected);
        let microsoft = sequence(&[&issuer, &[2, 1, 9]]);
        let decoded = EncryptionKeyPreference::decode_microsoft(&microsoft).unwrap();
        assert_eq!(decoded.certificate, expected);
        assert_eq!(
            decoded.describe(),
            map([
                ("issuer", text("CN=CA")),
                ("serial", Value::Hex("09".into()))
            ])
        );

        let by_key = EncryptionKeyPreference::decode(&[SUBJECT_KEY_ID, 2, 7, 8]).unwrap();
        assert_eq!(
            by_key.certificate,
            CertificateName::SubjectKeyIdentifier(&[7, 8])
        );
        let date = tlv::element(time::GENERALIZED_TIME, &[b"19700101000001Z"]);
        let recipient = tlv::element(RECIPIENT_KEY_ID, &[&[4, 2, 7, 8], &date]);
        let decoded = EncryptionKeyPreference::decode(&recipient).unwrap();
        assert_eq!(
            decoded.describe(),
            map([
                ("ski", Value::Hex("0708".into())),
                ("date", text("1970-01-01T00:00:01Z"))
            ])
        );
    }

    #[test]
    fn other_choices_are_refused() {
        for value in [&[0x83, 0][..], &[0x30, 0], &[], &[SUBJECT_KEY_ID, 0, 5, 0]] {
            assert!(
                EncryptionKeyPreference::decode(value).is_err(),
                "{value:02x?}"
            );
        }
    }

    #[test]
    fn mutilated_values_never_panic() {
        let preference = tlv::element(ISSUER_AND_SERIAL, &[&name("CA"), &[2, 1, 9]]);
        mutilated(&preference, |octets| {
            if let Ok(decoded) = EncryptionKeyPreference::decode(octets) {
                let _ = decoded.describe();
            }
        });
        let capabilities = sequence(&[&sequence(&[&[6, 2, 0x2a, 3], &[2, 1, 1]])]);
        mutilated(&capabilities, |octets| {
            if let Ok(decoded) = Capabilities::decode(octets) {
                let _ = decoded.describe();
            }
        });
    }
}
