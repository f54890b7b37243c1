//! PKCS#12 files in password modes (RFC 7292), their integrity by the old MAC or by PBMAC1 (RFC 9579).
//!
//! A file that is signed or encrypted to a public key is refused. CRLs and other secrets in it are
//! passed over.

use const_oid::ObjectIdentifier;
use der::Decode;
use der::Encode;
use der::Sequence;
use spki::AlgorithmIdentifierRef;
use subtle::ConstantTimeEq;

use super::Secret;
use super::derivation;
use super::identifiers;
use super::password;
use super::password::Iterations;
use super::password::PasswordError;
use super::password::Pkcs12Derivation;
use super::password::Purpose;
use super::provider;
use crate::limits::LimitError;
use crate::limits::Limits;
use crate::pem;
use crate::pem::PemError;
use crate::tlv::Asn1Error;
use crate::tlv::Element;
use crate::tlv::Reader;
use crate::tlv::tag;

/// Why a PKCS#12 file gives nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Pkcs12Error {
    /// Too large.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// Not the structure of RFC 7292.
    #[error("{0} of the PKCS#12 is malformed")]
    Malformed(&'static str),
    /// What is in it does not open.
    #[error("{what} of the PKCS#12 does not open")]
    Password {
        /// Which part.
        what: &'static str,
        /// Why.
        #[source]
        source: PasswordError,
    },
    /// The PEM around it is broken.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// A mode or kind that we do not have.
    #[error("{0} in PKCS#12 is not supported")]
    Unsupported(String),
    /// The MAC does not verify.
    #[error("password is wrong, or the PKCS#12 is damaged")]
    Wrong,
}

/// What is in a PKCS#12 file.
#[derive(Debug, Default)]
pub struct Pkcs12 {
    /// Private keys, in order.
    pub keys: Vec<Bag>,
    /// Certificates, in order.
    pub certificates: Vec<Bag>,
}

/// A key or certificate with its names.
#[derive(Debug)]
pub struct Bag {
    /// DER: PKCS#8 for a key.
    pub der: Secret,
    /// Pairs a key with its certificate, where the file says so (RFC 2985 §5.5.2).
    pub local_key_id: Option<Vec<u8>>,
    /// A name for people (RFC 2985 §5.5.1).
    pub friendly_name: Option<String>,
}

impl Pkcs12 {
    /// The certificate that has the localKeyId of `key`.
    #[must_use]
    pub fn certificate_of(&self, key: &Bag) -> Option<&Bag> {
        let id = key.local_key_id.as_ref()?;
        self.certificates
            .iter()
            .find(|certificate| certificate.local_key_id.as_ref() == Some(id))
    }
}

macro_rules! oids {
    ($($name:ident = $dotted:literal;)*) => {
        $(const $name: ObjectIdentifier = ObjectIdentifier::new_unwrap($dotted);)*
    };
}

oids! {
    DATA = "1.2.840.113549.1.7.1";
    SIGNED_DATA = "1.2.840.113549.1.7.2";
    ENVELOPED_DATA = "1.2.840.113549.1.7.3";
    ENCRYPTED_DATA = "1.2.840.113549.1.7.6";
    PBMAC1 = "1.2.840.113549.1.5.14";
    KEY_BAG = "1.2.840.113549.1.12.10.1.1";
    SHROUDED_KEY_BAG = "1.2.840.113549.1.12.10.1.2";
    CERTIFICATE_BAG = "1.2.840.113549.1.12.10.1.3";
    SAFE_CONTENTS_BAG = "1.2.840.113549.1.12.10.1.6";
    X509_CERTIFICATE = "1.2.840.113549.1.9.22.1";
    FRIENDLY_NAME = "1.2.840.113549.1.9.20";
    LOCAL_KEY_ID = "1.2.840.113549.1.9.21";
}

/// Reads a PKCS#12 file, PEM or BER, with one password for integrity and privacy.
pub fn read(file: &[u8], password: &str, limits: &Limits) -> Result<Pkcs12, Pkcs12Error> {
    let password = password.as_bytes();
    LimitError::check("length of the file", file.len(), limits.structure_octets)?;
    if !pem::is_pem(file) {
        return read_ber(file, password, limits);
    }
    let blocks = pem::blocks(file, |label| label == "PKCS12")?;
    let block = blocks.first().ok_or(Pkcs12Error::Malformed("PEM"))?;
    read_ber(&block.octets, password, limits)
}

fn read_ber(file: &[u8], password: &[u8], limits: &Limits) -> Result<Pkcs12, Pkcs12Error> {
    let malformed = |_| Pkcs12Error::Malformed("outer structure");
    let mut iterations = Iterations::new(limits);
    let mut pfx = Reader::ber(file)
        .expect(tag::SEQUENCE)
        .map_err(malformed)?
        .reader();
    pfx.expect(tag::INTEGER).map_err(malformed)?;
    let auth_safe = pfx.expect(tag::SEQUENCE).map_err(malformed)?;
    let (kind, content) = content_info(auth_safe).map_err(malformed)?;
    if kind != DATA {
        return Err(unsupported(kind));
    }
    let content = content.and_then(|content| content.octets(tag::OCTET_STRING).ok());
    let content = content.ok_or(Pkcs12Error::Malformed("outer structure"))?;
    // Without it the file is not protected, but not unreadable (RFC 7292 §4).
    if !pfx.is_empty() {
        let mac_data = pfx.expect(tag::SEQUENCE).map_err(malformed)?;
        verify_mac(mac_data, &content, password, &mut iterations)?;
    }
    let mut found = Pkcs12::default();
    let mut safes = Reader::ber(&content)
        .expect(tag::SEQUENCE)
        .map_err(malformed)?
        .reader();
    while !safes.is_empty() {
        let safe = safes.expect(tag::SEQUENCE).map_err(malformed)?;
        let bags = open_safe(safe, password, &mut iterations)?;
        read_bags(&bags, password, &mut iterations, &mut found)?;
    }
    Ok(found)
}

/// contentType, and what stands in the `[0]` after it.
fn content_info(info: Element<'_>) -> Result<(ObjectIdentifier, Option<Element<'_>>), Asn1Error> {
    let mut fields = info.reader();
    let kind = oid(fields.expect(tag::OBJECT_IDENTIFIER)?)?;
    let content = fields
        .optional(tag::context(0))?
        .map(|content| content.reader().element())
        .transpose()?;
    Ok((kind, content))
}

fn oid(element: Element<'_>) -> Result<ObjectIdentifier, Asn1Error> {
    ObjectIdentifier::from_bytes(element.content).map_err(|_| Asn1Error::Value)
}

fn unsupported(kind: ObjectIdentifier) -> Pkcs12Error {
    let name = match kind {
        SIGNED_DATA => "public-key integrity mode".to_owned(),
        ENVELOPED_DATA => "public-key privacy mode".to_owned(),
        kind => identifiers::shown(kind),
    };
    Pkcs12Error::Unsupported(name)
}

/// The SafeContents within one ContentInfo of the AuthenticatedSafe (RFC 7292 §4.1).
fn open_safe(
    safe: Element<'_>,
    password: &[u8],
    iterations: &mut Iterations,
) -> Result<Secret, Pkcs12Error> {
    let malformed = |_| Pkcs12Error::Malformed("safe");
    let (kind, content) = content_info(safe).map_err(malformed)?;
    let content = content.ok_or(Pkcs12Error::Malformed("safe"))?;
    match kind {
        DATA => {
            let octets = content.octets(tag::OCTET_STRING).map_err(malformed)?;
            Ok(Secret::new(octets.into_owned()))
        }
        ENCRYPTED_DATA => {
            let mut fields = content.reader();
            fields.expect(tag::INTEGER).map_err(malformed)?;
            let info = fields.expect(tag::SEQUENCE).map_err(malformed)?;
            let mut fields = info.reader();
            fields.expect(tag::OBJECT_IDENTIFIER).map_err(malformed)?;
            let algorithm = fields.expect(tag::SEQUENCE).map_err(malformed)?;
            let octets = fields.element().map_err(malformed)?;
            let octets = octets
                .octets(tag::context_primitive(0))
                .map_err(malformed)?;
            decrypt("safe", algorithm, &octets, password, iterations)
        }
        kind => Err(unsupported(kind)),
    }
}

fn decrypt(
    what: &'static str,
    algorithm: Element<'_>,
    ciphertext: &[u8],
    password: &[u8],
    iterations: &mut Iterations,
) -> Result<Secret, Pkcs12Error> {
    let algorithm = identifier(algorithm, what)?;
    password::decrypt(&algorithm, password, ciphertext, iterations)
        .map_err(|source| Pkcs12Error::Password { what, source })
}

fn identifier<'a>(
    element: Element<'a>,
    what: &'static str,
) -> Result<AlgorithmIdentifierRef<'a>, Pkcs12Error> {
    AlgorithmIdentifierRef::from_der(element.raw).map_err(|_| Pkcs12Error::Malformed(what))
}

/// Adds the keys and certificates of a SafeContents (RFC 7292 §4.2) to `found`.
fn read_bags(
    bags: &[u8],
    password: &[u8],
    iterations: &mut Iterations,
    found: &mut Pkcs12,
) -> Result<(), Pkcs12Error> {
    let malformed = |_| Pkcs12Error::Malformed("bag");
    let mut bags = Reader::ber(bags)
        .expect(tag::SEQUENCE)
        .map_err(malformed)?
        .reader();
    while !bags.is_empty() {
        let mut bag = bags.expect(tag::SEQUENCE).map_err(malformed)?.reader();
        let kind =
            oid(bag.expect(tag::OBJECT_IDENTIFIER).map_err(malformed)?).map_err(malformed)?;
        let value = bag.expect(tag::context(0)).map_err(malformed)?;
        let value = value.reader().element().map_err(malformed)?;
        let attributes = bag.optional(tag::SET).map_err(malformed)?;
        let names = names(attributes).map_err(malformed)?;
        match kind {
            KEY_BAG => found.keys.push(names.bag(Secret::new(value.raw.to_vec()))),
            SHROUDED_KEY_BAG => {
                let mut fields = value.reader();
                let algorithm = fields.expect(tag::SEQUENCE).map_err(malformed)?;
                let octets = fields.element().map_err(malformed)?;
                let octets = octets.octets(tag::OCTET_STRING).map_err(malformed)?;
                let key = decrypt("private key", algorithm, &octets, password, iterations)?;
                found.keys.push(names.bag(key));
            }
            CERTIFICATE_BAG => {
                if let Some(certificate) = certificate(value).map_err(malformed)? {
                    found.certificates.push(names.bag(certificate));
                }
            }
            // Nobody writes them, and reading them would want a bound on their depth.
            SAFE_CONTENTS_BAG => {
                return Err(Pkcs12Error::Unsupported("safeContentsBag".to_owned()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The certificate of a CertBag; `None` when it is an SDSI one.
fn certificate(bag: Element<'_>) -> Result<Option<Secret>, Asn1Error> {
    let mut fields = bag.reader();
    let kind = oid(fields.expect(tag::OBJECT_IDENTIFIER)?)?;
    let value = fields.expect(tag::context(0))?.reader().element()?;
    if kind != X509_CERTIFICATE {
        return Ok(None);
    }
    let octets = value.octets(tag::OCTET_STRING)?;
    Ok(Some(Secret::new(octets.into_owned())))
}

#[derive(Default)]
struct Names {
    local_key_id: Option<Vec<u8>>,
    friendly_name: Option<String>,
}

impl Names {
    fn bag(self, der: Secret) -> Bag {
        Bag {
            der,
            local_key_id: self.local_key_id,
            friendly_name: self.friendly_name,
        }
    }
}

fn names(attributes: Option<Element<'_>>) -> Result<Names, Asn1Error> {
    let mut names = Names::default();
    let mut attributes = Reader::ber(attributes.map_or(&[], |set| set.content));
    while !attributes.is_empty() {
        let mut attribute = attributes.expect(tag::SEQUENCE)?.reader();
        let kind = oid(attribute.expect(tag::OBJECT_IDENTIFIER)?)?;
        let mut values = attribute.expect(tag::SET)?.reader();
        match kind {
            FRIENDLY_NAME if !values.is_empty() => {
                let name = values.expect(tag::BMP_STRING)?.content;
                let (units, _) = name.as_chunks::<2>();
                let units = units.iter().map(|unit| u16::from_be_bytes(*unit));
                names.friendly_name = Some(char::decode_utf16(units).map(or_replaced).collect());
            }
            LOCAL_KEY_ID if !values.is_empty() => {
                let id = values.element()?.octets(tag::OCTET_STRING)?;
                names.local_key_id = Some(id.into_owned());
            }
            _ => {}
        }
    }
    Ok(names)
}

fn or_replaced(unit: Result<char, std::char::DecodeUtf16Error>) -> char {
    unit.unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Checks the MAC (RFC 7292 §4, RFC 9579 §4): the first thing that shows a wrong password.
fn verify_mac(
    mac_data: Element<'_>,
    content: &[u8],
    password: &[u8],
    iterations: &mut Iterations,
) -> Result<(), Pkcs12Error> {
    let malformed = |_| Pkcs12Error::Malformed("MAC");
    let mut fields = mac_data.reader();
    let mut mac = fields.expect(tag::SEQUENCE).map_err(malformed)?.reader();
    let algorithm = identifier(mac.expect(tag::SEQUENCE).map_err(malformed)?, "MAC")?;
    let expected = mac.expect(tag::OCTET_STRING).map_err(malformed)?.content;
    let salt = fields.expect(tag::OCTET_STRING).map_err(malformed)?.content;
    let count = fields.optional(tag::INTEGER).map_err(malformed)?;
    let count = count
        .map_or(Ok(1), |count| count.unsigned())
        .map_err(malformed)?;
    let password_error = |source| Pkcs12Error::Password {
        what: "MAC",
        source,
    };
    if algorithm.oid == PBMAC1 {
        let computed = pbmac1(&algorithm, content, password, iterations);
        return compare(&computed.map_err(password_error)?, expected);
    }
    let algorithm = algorithm
        .to_der()
        .map_err(|_| Pkcs12Error::Malformed("MAC"))?;
    let digest = identifiers::digest(&algorithm)
        .map_err(|source| password_error(PasswordError::Identifier(source)))?;
    let derivation = Pkcs12Derivation {
        digest,
        salt,
        iterations: count,
    };
    let mut check = |password: &[u8]| {
        let octets = digest.output_octets();
        let key = derivation
            .derive(password, Purpose::Mac, octets, iterations)
            .map_err(password_error)?;
        let computed = derivation::hmac(provider().digests, digest, &key, &[content])
            .map_err(|_| Pkcs12Error::Malformed("MAC"))?;
        compare(&computed, expected)
    };
    match check(&password::bmp(password)) {
        // Some write an empty password as nothing at all, without its end.
        Err(Pkcs12Error::Wrong) if password.is_empty() => check(&[]),
        outcome => outcome,
    }
}

fn compare(computed: &[u8], expected: &[u8]) -> Result<(), Pkcs12Error> {
    if bool::from(computed.ct_eq(expected)) {
        Ok(())
    } else {
        Err(Pkcs12Error::Wrong)
    }
}

/// The MAC of RFC 9579 §3: HMAC with a key from PBKDF2, of the length that it names.
fn pbmac1(
    algorithm: &AlgorithmIdentifierRef<'_>,
    content: &[u8],
    password: &[u8],
    iterations: &mut Iterations,
) -> Result<Secret, PasswordError> {
    let parameters: Pbmac1Params<'_> = algorithm
        .parameters
        .and_then(|any| any.decode_as().ok())
        .ok_or(PasswordError::Malformed)?;
    let digest = password::hmac_digest(parameters.mac.oid)?;
    let octets = password::key_octets(&parameters.derivation)?;
    let key = password::derive(&parameters.derivation, password, octets, iterations)?;
    derivation::hmac(provider().digests, digest, &key, &[content])
        .map_err(|_| PasswordError::Malformed)
}

#[derive(Sequence)]
struct Pbmac1Params<'a> {
    derivation: AlgorithmIdentifierRef<'a>,
    mac: AlgorithmIdentifierRef<'a>,
}
