//! Certificates in whatever form a server hands them out: DER, PEM (RFC 7468), PKCS#7 (RFC 5652 §5), or base64 of one.
//!
//! What it is is seen in the octets: the media types that servers give are often wrong. Signatures of a PKCS#7 are
//! not looked at, since it is only the wrapping; its signers and its content are passed over.

use crate::cms::content_info::Cms;
use crate::cms::content_info::ContentInfo;
use crate::cms::error::CmsError;
use crate::limits::LimitError;
use crate::limits::Limits;
use crate::octets::View;
use crate::pem;
use crate::tlv::Asn1Error;
use crate::tlv::Reader;
use crate::tlv::tag;
use crate::x509::Certificate;
use crate::x509::certificate::CertificateError;
use crate::x509::pem::PemError;
use crate::x509::pem::certificates as of_pem_certificates;

/// The labels of PKCS#7 (RFC 7468 §8 and §9), with the one that SSLeay wrote.
const PKCS7_LABELS: [&str; 3] = ["CMS", "PKCS #7 SIGNED DATA", "PKCS7"];

/// Why octets give no certificates.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// One of them is malformed.
    #[error("certificate {number} of what was sent is malformed")]
    Certificate {
        /// Counted from 1.
        number: usize,
        /// What is wrong with it.
        #[source]
        source: CertificateError,
    },
    /// A PKCS#7 that is none.
    #[error("PKCS#7 with certificates is malformed")]
    Cms(#[from] CmsError),
    /// DER that does not end where the octets do.
    #[error("DER of a certificate is malformed")]
    Der(#[source] Asn1Error),
    /// Too large, or too many.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A PKCS#7 of another kind, or with octets after it.
    #[error("PKCS#7 is not one signedData alone")]
    NotSignedData,
    /// Well-formed, and without any certificate.
    #[error("there is no X.509 certificate in what was sent")]
    Nothing,
    /// PEM that cannot be read.
    #[error("PEM with certificates is malformed")]
    Pem(#[source] PemError),
    /// Something else: a web page, say.
    #[error("what was sent is neither DER, PEM, PKCS#7 nor base64; it begins with {0:?}")]
    Unknown(String),
}

/// All certificates in `octets`, at least one, in their order.
///
/// No more than `limits.structure_octets` octets and `limits.certificates` certificates are read. Of PEM the labels
/// count that [`crate::x509::pem`] knows, and those of PKCS#7; text around the blocks is passed over. A malformed
/// certificate among good ones is an error: half a chain is not what its owner published.
pub fn certificates(octets: &[u8], limits: &Limits) -> Result<Vec<Certificate>, BlobError> {
    let asked = octets.len();
    LimitError::check("number of octets sent", asked, limits.structure_octets)?;
    let found = match decoded(octets) {
        // Once: nobody encodes twice.
        Some(inner) => of_plain(&inner, limits)?,
        None => of_plain(octets, limits)?,
    };
    if found.is_empty() {
        return Err(BlobError::Nothing);
    }
    Ok(found)
}

/// What base64 says, where `octets` are nothing else but base64 and white space.
fn decoded(octets: &[u8]) -> Option<Vec<u8>> {
    // A binary form is seen at its first octets; do not copy it.
    if is_binary(octets) || pem::is_pem(octets) {
        return None;
    }
    let is_text = |octet: &&u8| !octet.is_ascii_whitespace();
    let text: Vec<u8> = octets.iter().filter(is_text).copied().collect();
    let decoded = base64_simd::STANDARD.decode_to_vec(text).ok()?;
    (!decoded.is_empty()).then_some(decoded)
}

fn of_plain(octets: &[u8], limits: &Limits) -> Result<Vec<Certificate>, BlobError> {
    if is_binary(octets) {
        return of_binary(octets, limits);
    }
    if pem::is_pem(octets) {
        return of_pem(octets, limits);
    }
    let begins = String::from_utf8_lossy(octets.get(..16).unwrap_or(octets));
    Err(BlobError::Unknown(begins.into_owned()))
}

fn of_binary(octets: &[u8], limits: &Limits) -> Result<Vec<Certificate>, BlobError> {
    // A ContentInfo begins with an OBJECT IDENTIFIER, a certificate with a SEQUENCE.
    match first_within(octets) {
        Some(tag::OBJECT_IDENTIFIER) => of_pkcs7(octets, limits),
        _ => of_der(octets, limits),
    }
}

/// Certificates one after another.
fn of_der(octets: &[u8], limits: &Limits) -> Result<Vec<Certificate>, BlobError> {
    let mut found = Vec::new();
    for element in Reader::new(octets) {
        let element = element.map_err(BlobError::Der)?;
        push(&mut found, element.raw, limits)?;
    }
    Ok(found)
}

/// The certificates of a SignedData in a ContentInfo, which may be BER.
fn of_pkcs7(octets: &[u8], limits: &Limits) -> Result<Vec<Certificate>, BlobError> {
    let info = ContentInfo::read(&View::owned(octets.to_vec()), limits)?;
    let (Cms::Signed(data), 0) = (info.cms, info.trailing) else {
        return Err(BlobError::NotSignedData);
    };
    let mut found = Vec::new();
    for der in &data.certificates {
        push(&mut found, der, limits)?;
    }
    Ok(found)
}

fn of_pem(octets: &[u8], limits: &Limits) -> Result<Vec<Certificate>, BlobError> {
    let mut found = match of_pem_certificates(octets, limits) {
        Ok(found) => found,
        Err(PemError::Nothing(_)) => Vec::new(),
        Err(error) => return Err(BlobError::Pem(error)),
    };
    let wanted = |label: &str| PKCS7_LABELS.contains(&label);
    let blocks = pem::blocks(octets, wanted).map_err(|error| BlobError::Pem(error.into()))?;
    for block in blocks {
        for certificate in of_pkcs7(&block.octets, limits)? {
            found.push(certificate);
            check_number(found.len(), limits)?;
        }
    }
    Ok(found)
}

fn push(found: &mut Vec<Certificate>, der: &[u8], limits: &Limits) -> Result<(), BlobError> {
    let number = found.len() + 1;
    check_number(number, limits)?;
    let certificate = Certificate::parse(der);
    found.push(certificate.map_err(|source| BlobError::Certificate { number, source })?);
    Ok(())
}

fn check_number(number: usize, limits: &Limits) -> Result<(), LimitError> {
    LimitError::check("number of certificates sent", number, limits.certificates)
}

/// Whether `octets` begin as DER or BER does, and no text: with a length above 127, or an OBJECT IDENTIFIER within.
fn is_binary(octets: &[u8]) -> bool {
    match octets {
        [tag::SEQUENCE, length, within, ..] => *length >= 0x80 || *within == tag::OBJECT_IDENTIFIER,
        _ => false,
    }
}

/// The tag of what stands first within the first element.
fn first_within(octets: &[u8]) -> Option<u8> {
    let length_octets = match octets.get(1)? {
        long @ 0x80.. => usize::from(long & 0x7f),
        _ => 0,
    };
    octets.get(length_octets + 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &[u8] = include_bytes!("../../certs/alice.pem");
    const ROOT: &[u8] = include_bytes!("../../certs/root.pem");

    fn read(octets: &[u8]) -> Result<Vec<Certificate>, BlobError> {
        certificates(octets, &Limits::default())
    }

    fn one(octets: &[u8]) -> Certificate {
        let mut found = read(octets).unwrap();
        assert_eq!(found.len(), 1);
        found.remove(0)
    }

    fn base64(octets: &[u8]) -> Vec<u8> {
        base64_simd::STANDARD.encode_to_string(octets).into_bytes()
    }

    fn pem_of(label: &str, der: &[u8]) -> Vec<u8> {
        let text = String::from_utf8(base64(der)).unwrap();
        format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n").into_bytes()
    }

    /// A degenerate SignedData with these certificates (RFC 5652 §5.1, RFC 8551 §3.8).
    fn pkcs7(certificates: &[&Certificate]) -> Vec<u8> {
        use crate::tlv::element;
        let octets: Vec<&[u8]> = certificates.iter().map(|one| one.der()).collect();
        let data = element(
            tag::SEQUENCE,
            &[&[
                0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01,
            ]],
        );
        let signed = element(
            tag::SEQUENCE,
            &[
                &[0x02, 0x01, 0x01, 0x31, 0x00],
                &data,
                &element(tag::context(0), &octets),
                &[0x31, 0x00],
            ],
        );
        let oid = [
            0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02,
        ];
        element(
            tag::SEQUENCE,
            &[&oid, &element(tag::context(0), &[&signed])],
        )
    }

    #[test]
    fn every_form_gives_the_same_certificate() {
        let alice = one(ALICE);
        let trusted = [alice.der(), &[0x30, 0x00]].concat();
        let forms = [
            alice.der().to_vec(),
            pkcs7(&[&alice]),
            pem_of("CERTIFICATE", alice.der()),
            pem_of("X509 CERTIFICATE", alice.der()),
            pem_of("TRUSTED CERTIFICATE", &trusted),
            pem_of("PKCS7", &pkcs7(&[&alice])),
            pem_of("CMS", &pkcs7(&[&alice])),
            pem_of("PKCS #7 SIGNED DATA", &pkcs7(&[&alice])),
        ];
        for form in &forms {
            assert_eq!(one(form), alice);
            let mut lines = b"\r\n".to_vec();
            for line in base64(form).chunks(76) {
                lines.extend_from_slice(line);
                lines.extend_from_slice(b"\r\n");
            }
            assert_eq!(one(&lines), alice);
        }
    }

    #[test]
    fn a_chain_keeps_its_order() {
        let (alice, root) = (one(ALICE), one(ROOT));
        let both = [alice.clone(), root.clone()];
        assert_eq!(read(&[ALICE, ROOT].concat()).unwrap(), both);
        assert_eq!(read(&[alice.der(), root.der()].concat()).unwrap(), both);
        assert_eq!(read(&pkcs7(&[&alice, &root])).unwrap(), both);
        let mixed = [ALICE, &pem_of("PKCS7", &pkcs7(&[&root]))].concat();
        assert_eq!(read(&mixed).unwrap(), both);
    }

    #[test]
    fn what_holds_no_certificate_is_an_error_that_says_what_it_is() {
        let alice = one(ALICE);
        let cut = alice.der().split_last().unwrap().1;
        let web_page = b"<!DOCTYPE html><html>".as_slice();
        let key = pem_of("PRIVATE KEY", b"secret");
        let twice = base64(&base64(alice.der()));
        let after = [pkcs7(&[&alice]), vec![0]].concat();
        for (octets, said) in [
            (&b""[..], "it begins with \"\""),
            (b" \n", "it begins with"),
            (web_page, "it begins with \"<!DOCTYPE html><\""),
            (&twice, "neither DER"),
            (&key, "no X.509 certificate"),
            (&pkcs7(&[]), "no X.509 certificate"),
            (cut, "DER of a certificate is malformed"),
            (&pem_of("CERTIFICATE", cut), "PEM with certificates"),
            (&after, "not one signedData alone"),
            (&pkcs7(&[&alice])[..200], "PKCS#7 with certificates"),
        ] {
            let error = read(octets).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn more_than_the_bounds_allow_is_refused() {
        let alice = one(ALICE);
        let few = Limits {
            certificates: 2,
            ..Limits::default()
        };
        let three = [alice.der(), alice.der(), alice.der()].concat();
        let pem = [ALICE, &pem_of("CMS", &pkcs7(&[&alice, &alice]))].concat();
        for octets in [&three, &pem] {
            let error = certificates(octets, &few).unwrap_err();
            assert!(matches!(error, BlobError::Limit(_)), "{error}");
        }
        let short = Limits {
            structure_octets: 100,
            ..Limits::default()
        };
        let error = certificates(&base64(alice.der()), &short).unwrap_err();
        assert!(matches!(error, BlobError::Limit(_)), "{error}");
    }
}
