//! signingCertificate and signingCertificateV2: which certificate verifies (RFC 5035 §5.4).
//!
//! The first identifier must be the signer's certificate, by its digest and, where it says them, by
//! issuer and serial number. A digest that we cannot compute is a failure, not a pass.

use super::Attribute;
use super::AttributeError;
use super::Attributes;
use super::known::SIGNING_CERTIFICATE;
use super::known::SIGNING_CERTIFICATE_V2;
use super::names::GeneralName;
use super::names::describe_names;
use super::names::general_names;
use super::names::integer;
use super::names::list;
use super::names::unexpected;
use super::oid::Oid;
use super::value::Value;
use super::value::algorithm_name;
use super::value::describe_algorithm;
use super::value::hex;
use super::value::map_of_present;
use crate::cms::error::CmsError;
use crate::cms::tlv;
use crate::cms::tlv::Element;
use crate::crypto::CryptoError;
use crate::crypto::Digests;
use crate::crypto::identifiers;
use crate::crypto::oids::SHA_1;
use crate::crypto::oids::SHA_256;
use crate::tlv::tag;
use crate::x509::name;

/// SigningCertificate or SigningCertificateV2 (RFC 5035 §5.4.1, §5.4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningCertificate<'a> {
    /// certs: at least one; the first is the signer's.
    pub certs: Vec<CertId<'a>>,
    /// policies, without their qualifiers; empty when absent.
    pub policies: Vec<Oid>,
}

/// ESSCertID or ESSCertIDv2 (RFC 5035 §5.4.1.1, §5.4.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertId<'a> {
    /// hashAlgorithm: SHA-1 in ESSCertID, SHA-256 by default in ESSCertIDv2.
    pub hash_algorithm: Oid,
    /// certHash.
    pub hash: &'a [u8],
    /// issuerSerial.
    pub issuer_serial: Option<IssuerSerial<'a>>,
}

/// IssuerSerial (RFC 5035 §5.4.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerSerial<'a> {
    /// issuer: for a public-key certificate one directoryName.
    pub issuer: Vec<GeneralName<'a>>,
    /// The content octets of serialNumber.
    pub serial: &'a [u8],
}

impl<'a> SigningCertificate<'a> {
    /// Reads the value of a signingCertificate attribute.
    pub fn decode(value: &'a [u8]) -> Result<Self, CmsError> {
        Self::read(value, "signingCertificate", CertId::decode)
    }

    /// Reads the value of a signingCertificateV2 attribute.
    pub fn decode_v2(value: &'a [u8]) -> Result<Self, CmsError> {
        Self::read(value, "signingCertificateV2", CertId::decode_v2)
    }

    fn read(
        value: &'a [u8],
        field: &'static str,
        cert_id: fn(Element<'a>) -> Result<CertId<'a>, CmsError>,
    ) -> Result<Self, CmsError> {
        let sequence = tlv::single(value, tag::SEQUENCE, field)?;
        let mut fields = tlv::Reader::new(sequence.content, field);
        let certs = fields.expect(tag::SEQUENCE, "certs")?;
        let policies = fields.optional(tag::SEQUENCE)?;
        fields.end()?;
        let certs = list(certs.content, "number of certs", CERTS, cert_id)?;
        if certs.is_empty() {
            return Err(CmsError::field(
                "certs",
                "it holds no certificate identifier",
            ));
        }
        let policies = policies.map_or(&[][..], |policies| policies.content);
        let policies = list(policies, "number of policies", CERTS, |policy| {
            let mut fields = tlv::Reader::new(policy.content, "policies");
            Oid::read(&mut fields, "policyIdentifier")
        })?;
        Ok(Self { certs, policies })
    }

    pub(crate) fn describe(&self) -> Value {
        let policy = |policy: &Oid| Value::Text(policy.to_string());
        let policies = || Value::List(self.policies.iter().map(policy).collect());
        let certs = self.certs.iter().map(CertId::describe).collect();
        map_of_present([
            ("certs", Some(Value::List(certs))),
            ("policies", (!self.policies.is_empty()).then(policies)),
        ])
    }
}

/// A path with attribute certificates beside it; no standard has a maximum.
const CERTS: usize = 64;

impl<'a> CertId<'a> {
    fn decode(element: Element<'a>) -> Result<Self, CmsError> {
        let mut fields = Self::fields(element, "ESSCertID")?;
        Self::rest(&mut fields, Oid::from(SHA_1))
    }

    fn decode_v2(element: Element<'a>) -> Result<Self, CmsError> {
        let mut fields = Self::fields(element, "ESSCertIDv2")?;
        let hash_algorithm = match fields.optional(tag::SEQUENCE)? {
            Some(identifier) => {
                let mut identifier = tlv::Reader::new(identifier.content, "hashAlgorithm");
                Oid::read(&mut identifier, "hashAlgorithm")?
            }
            None => Oid::from(SHA_256),
        };
        Self::rest(&mut fields, hash_algorithm)
    }

    fn fields(element: Element<'a>, field: &'static str) -> Result<tlv::Reader<'a>, CmsError> {
        match element.tag {
            tag::SEQUENCE => Ok(tlv::Reader::new(element.content, field)),
            other => Err(unexpected(field, other, tag::SEQUENCE)),
        }
    }

    fn rest(fields: &mut tlv::Reader<'a>, hash_algorithm: Oid) -> Result<Self, CmsError> {
        let hash = fields.expect(tag::OCTET_STRING, "certHash")?.content;
        let issuer_serial = match fields.optional(tag::SEQUENCE)? {
            Some(element) => Some(IssuerSerial::from_content(element.content)?),
            None => None,
        };
        fields.end()?;
        Ok(Self {
            hash_algorithm,
            hash,
            issuer_serial,
        })
    }

    fn describe(&self) -> Value {
        let named = self.issuer_serial.as_ref();
        map_of_present([
            (
                "hash_algorithm",
                Some(describe_algorithm(&self.hash_algorithm)),
            ),
            ("hash", Some(hex(self.hash))),
            ("issuer", named.map(|named| describe_names(&named.issuer))),
            ("serial", named.map(|named| hex(named.serial))),
        ])
    }
}

impl<'a> IssuerSerial<'a> {
    fn from_content(content: &'a [u8]) -> Result<Self, CmsError> {
        let mut fields = tlv::Reader::new(content, "issuerSerial");
        let issuer = fields.expect(tag::SEQUENCE, "issuer of issuerSerial")?;
        let serial = fields.expect(tag::INTEGER, "serialNumber of issuerSerial")?;
        fields.end()?;
        Ok(Self {
            issuer: general_names(issuer.content, "issuer of issuerSerial")?,
            serial: integer(&serial, "serialNumber of issuerSerial")?,
        })
    }
}

/// Checks every signing-certificate attribute of `signed` as [`check_signing_certificate`] does, each
/// for itself (RFC 5035 §5.4). `Ok(false)` when there is none: nothing says which certificate.
pub fn check_signing_certificates(
    signed: &Attributes,
    certificate: &[u8],
    issuer: &[u8],
    serial: &[u8],
    digests: &dyn Digests,
) -> Result<bool, SigningCertificateError> {
    let mut found = false;
    for oid in [SIGNING_CERTIFICATE, SIGNING_CERTIFICATE_V2] {
        if let Some(attribute) = signed.only(oid)? {
            check_signing_certificate(attribute, certificate, issuer, serial, digests)?;
            found = true;
        }
    }
    Ok(found)
}

/// Checks that `attribute`, of either version, names the signer's certificate first.
///
/// `certificate` is its DER, `issuer` the DER of its issuer's Name, `serial` the content octets of its
/// serial number. Fails with [`SigningCertificateError::Digest`] and its like when they differ: the
/// caller may then look for another certificate of the same key (RFC 5035 §5.4, case 2).
pub fn check_signing_certificate(
    attribute: &Attribute,
    certificate: &[u8],
    issuer: &[u8],
    serial: &[u8],
    digests: &dyn Digests,
) -> Result<(), SigningCertificateError> {
    let value = attribute.value()?;
    let decoded = if *attribute.oid() == SIGNING_CERTIFICATE {
        SigningCertificate::decode(value)
    } else {
        SigningCertificate::decode_v2(value)
    };
    let decoded = decoded.map_err(AttributeError::from)?;
    let Some(first) = decoded.certs.first() else {
        return Err(SigningCertificateError::Digest);
    };
    if digest_of(certificate, &first.hash_algorithm, digests)? != first.hash {
        return Err(SigningCertificateError::Digest);
    }
    match &first.issuer_serial {
        Some(named) if !names_issuer(named, issuer) => Err(SigningCertificateError::Issuer),
        Some(named) if named.serial != serial => Err(SigningCertificateError::SerialNumber),
        Some(_) | None => Ok(()),
    }
}

/// Whether it is one directoryName, and the issuer's (RFC 5035 §5.4.1.1).
fn names_issuer(named: &IssuerSerial<'_>, issuer: &[u8]) -> bool {
    matches!(named.issuer[..], [GeneralName::Directory(directory)] if name::same(directory, issuer))
}

fn digest_of(
    certificate: &[u8],
    algorithm: &Oid,
    digests: &dyn Digests,
) -> Result<Vec<u8>, SigningCertificateError> {
    let identifier = tlv::element(tag::SEQUENCE, &[&algorithm.to_der()]);
    let algorithm = identifiers::digest(&identifier).map_err(|_| {
        let name = algorithm_name(algorithm).map_or_else(|| algorithm.to_string(), str::to_owned);
        SigningCertificateError::HashAlgorithm(name)
    })?;
    let mut digester = digests
        .start(algorithm)
        .map_err(SigningCertificateError::Crypto)?;
    digester.update(certificate);
    Ok(digester.finish())
}

/// The signing-certificate attribute does not name the certificate that verifies.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SigningCertificateError {
    /// The attribute is malformed, repeated or without a single value.
    #[error(transparent)]
    Attribute(#[from] AttributeError),
    /// The digest could not be computed.
    #[error("digest of the signer's certificate could not be computed")]
    Crypto(#[source] CryptoError),
    /// The digest is of another certificate.
    #[error("certHash is not the digest of the signer's certificate")]
    Digest,
    /// A hash algorithm that we do not compute.
    #[error("hashAlgorithm {0} is not supported")]
    HashAlgorithm(String),
    /// issuerSerial has another issuer.
    #[error("issuer of issuerSerial is not the issuer of the signer's certificate")]
    Issuer,
    /// issuerSerial has another serial number.
    #[error("serialNumber of issuerSerial is not that of the signer's certificate")]
    SerialNumber,
}

#[cfg(test)]
mod tests {
    use super::super::build;
    use super::super::fixtures;
    use super::super::fixtures::list;
    use super::super::fixtures::mutilated;
    use super::super::fixtures::parse;
    use super::super::fixtures::sequence;
    use super::super::fixtures::with_values;
    use super::super::known::SIGNING_CERTIFICATE;
    use const_oid::ObjectIdentifier;

    use super::*;
    use crate::crypto::DigestAlgorithm;
    use crate::crypto::oids;
    use crate::crypto::provider;

    const CERTIFICATE: &[u8] = b"any octets: the digest is over the whole certificate";
    const SERIAL: &[u8] = &[0x0a, 0x55];

    fn digest(algorithm: DigestAlgorithm, octets: &[u8]) -> Vec<u8> {
        let mut digester = provider().digests.start(algorithm).unwrap();
        digester.update(octets);
        digester.finish()
    }

    fn ours() -> Vec<u8> {
        let sha256 = digest(DigestAlgorithm::Sha256, CERTIFICATE);
        build::signing_certificate_v2(&sha256, &fixtures::name("CA"), SERIAL).unwrap()
    }

    fn check(attribute: &[u8]) -> Result<(), SigningCertificateError> {
        check_signing_certificate(
            &parse(attribute),
            CERTIFICATE,
            &fixtures::name("CA"),
            SERIAL,
            provider().digests,
        )
    }

    /// An attribute of either version with these certificate identifiers.
    fn attribute(oid: ObjectIdentifier, certs: &[Vec<u8>]) -> Vec<u8> {
        with_values(oid, &[&sequence(&[&sequence(&[&certs.concat()])])])
    }

    fn octets(value: &[u8]) -> Vec<u8> {
        tlv::element(tag::OCTET_STRING, &[value])
    }

    #[test]
    fn what_we_write_names_the_certificate_and_no_other() {
        check(&ours()).unwrap();
        let other = |certificate: &[u8], issuer: &[u8], serial: &[u8]| {
            let digests = provider().digests;
            check_signing_certificate(&parse(&ours()), certificate, issuer, serial, digests)
        };
        assert!(matches!(
            other(b"another", &fixtures::name("CA"), SERIAL),
            Err(SigningCertificateError::Digest)
        ));
        assert!(matches!(
            other(CERTIFICATE, &fixtures::name("CB"), SERIAL),
            Err(SigningCertificateError::Issuer)
        ));
        assert!(matches!(
            other(CERTIFICATE, &fixtures::name("CA"), &[1]),
            Err(SigningCertificateError::SerialNumber)
        ));
    }

    #[test]
    fn version_one_is_checked_with_sha_1_and_each_version_for_itself() {
        let sha1 = sequence(&[&octets(&digest(DigestAlgorithm::Sha1, CERTIFICATE))]);
        let v1 = attribute(SIGNING_CERTIFICATE, &[sha1]);
        check(&v1).unwrap();
        let stranger = attribute(SIGNING_CERTIFICATE, &[sequence(&[&octets(&[0; 20])])]);
        let all = |attributes: &[Vec<u8>]| {
            let digests = provider().digests;
            let signed = list(attributes);
            check_signing_certificates(&signed, CERTIFICATE, &fixtures::name("CA"), SERIAL, digests)
        };
        assert!(!all(&[]).unwrap());
        assert!(all(&[v1.clone(), ours()]).unwrap());
        assert!(all(&[stranger, ours()]).is_err());
        assert!(all(&[v1.clone(), v1]).is_err());
    }

    #[test]
    fn only_the_first_identifier_is_the_signers() {
        let right = sequence(&[&octets(&digest(DigestAlgorithm::Sha256, CERTIFICATE))]);
        let wrong = sequence(&[&octets(&[0; 32])]);
        check(&attribute(
            SIGNING_CERTIFICATE_V2,
            &[right.clone(), wrong.clone()],
        ))
        .unwrap();
        assert!(check(&attribute(SIGNING_CERTIFICATE_V2, &[wrong, right])).is_err());
        assert!(check(&attribute(SIGNING_CERTIFICATE_V2, &[])).is_err());
    }

    #[test]
    fn other_hashes_are_computed_or_named() {
        let with = |oid: ObjectIdentifier, hash: &[u8]| {
            let algorithm = sequence(&[&Oid::from(oid).to_der(), &[5, 0]]);
            let cert_id = sequence(&[&algorithm, &octets(hash)]);
            check(&attribute(SIGNING_CERTIFICATE_V2, &[cert_id]))
        };
        for (oid, algorithm) in [
            (oids::SHA_1, DigestAlgorithm::Sha1),
            (oids::SHA_256, DigestAlgorithm::Sha256),
            (oids::SHA_384, DigestAlgorithm::Sha384),
            (oids::SHA_512, DigestAlgorithm::Sha512),
        ] {
            with(oid, &digest(algorithm, CERTIFICATE)).unwrap();
            assert!(with(oid, &digest(algorithm, b"another")).is_err());
        }
        let md5 = fixtures::oid("1.2.840.113549.2.5");
        assert_eq!(
            with(md5, &[0; 16]).unwrap_err().to_string(),
            "hashAlgorithm md5 is not supported"
        );
        // An empty or shortened hash matches nothing.
        assert!(with(SHA_256, &[]).is_err());
        let sha256 = digest(DigestAlgorithm::Sha256, CERTIFICATE);
        assert!(with(SHA_256, &sha256[..31]).is_err());
    }

    #[test]
    fn the_issuer_is_one_directory_name() {
        let hash = octets(&digest(DigestAlgorithm::Sha256, CERTIFICATE));
        let directory = tlv::element(tag::context(4), &[&fixtures::name("CA")]);
        let mail = tlv::element(0x81, &[b"ca@a.example"]);
        let with = |names: &[u8]| {
            let issuer_serial =
                sequence(&[&sequence(&[names]), &tlv::element(tag::INTEGER, &[SERIAL])]);
            check(&attribute(
                SIGNING_CERTIFICATE_V2,
                &[sequence(&[&hash, &issuer_serial])],
            ))
        };
        with(&directory).unwrap();
        assert!(matches!(with(&mail), Err(SigningCertificateError::Issuer)));
        assert!(with(&[directory, mail].concat()).is_err());
        assert!(with(&[]).is_err());
    }

    #[test]
    fn reports_name_hash_issuer_and_serial_number() {
        let described = parse(&ours()).describe();
        let expected = format!(
            "{:?}",
            map_of_present([(
                "certs",
                Some(Value::List(vec![map_of_present([
                    ("hash_algorithm", Some(Value::Text("sha-256".into()))),
                    (
                        "hash",
                        Some(hex(&digest(DigestAlgorithm::Sha256, CERTIFICATE)))
                    ),
                    (
                        "issuer",
                        Some(Value::List(vec![map_of_present([(
                            "directory",
                            Some(Value::Text("CN=CA".into()))
                        )])]))
                    ),
                    ("serial", Some(Value::Hex("0a55".into()))),
                ])]))
            )])
        );
        assert_eq!(format!("{described:?}"), expected);
    }

    #[test]
    fn policies_are_listed() {
        let cert_id = sequence(&[&octets(&[0; 20])]);
        let policy = sequence(&[&Oid::from(fixtures::oid("2.5.29.32.0")).to_der()]);
        let value = sequence(&[&sequence(&[&cert_id]), &sequence(&[&policy])]);
        let decoded = SigningCertificate::decode(&value).unwrap();
        assert_eq!(decoded.policies[0].to_string(), "2.5.29.32.0");
    }

    #[test]
    fn mutilated_attributes_never_panic_and_never_pass_with_another_hash() {
        let whole = ours();
        let value = parse(&whole).value().unwrap().to_vec();
        mutilated(&value, |octets| {
            let _ = SigningCertificate::decode(octets);
            if let Ok(decoded) = SigningCertificate::decode_v2(octets) {
                let _ = decoded.describe();
            }
        });
        mutilated(&whole, |octets| {
            let Ok(attribute) = Attribute::parse(octets, &crate::limits::Limits::default()) else {
                return;
            };
            let verdict = check_signing_certificate(
                &attribute,
                b"another",
                &fixtures::name("CA"),
                SERIAL,
                provider().digests,
            );
            assert!(verdict.is_err());
        });
    }
}
