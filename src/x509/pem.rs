//! Certificates and CRLs from the octets of a file: PEM with any number of them (RFC 7468), or DER.
//!
//! What stands between the blocks, and blocks of other labels, are passed over: a file may hold a
//! key too. What follows the certificate in OpenSSL's `TRUSTED CERTIFICATE` is ignored.

use super::certificate::Certificate;
use super::certificate::CertificateError;
use super::revocation::Crl;
use super::revocation::CrlError;
use crate::limits::LimitError;
use crate::limits::Limits;
use crate::pem;
use crate::tlv::Asn1Error;
use crate::tlv::Reader;
use crate::tlv::tag;

/// Why a file gives no certificates or CRLs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PemError {
    /// Base64 that is none, or a block that does not end.
    #[error(transparent)]
    Block(#[from] pem::PemError),
    /// One of them is malformed.
    #[error("certificate {number} of the file is malformed")]
    Certificate {
        /// Counted from 1.
        number: usize,
        /// What is wrong with it.
        #[source]
        source: CertificateError,
    },
    /// One of them is malformed.
    #[error("CRL {number} of the file is malformed")]
    Crl {
        /// Counted from 1.
        number: usize,
        /// What is wrong with it.
        #[source]
        source: CrlError,
    },
    /// The file is neither PEM with such blocks nor DER.
    #[error("there is no {0} in the file")]
    Nothing(&'static str),
    /// DER that does not end where the file does.
    #[error("DER of the file is malformed")]
    Der(#[source] Asn1Error),
    /// Too large, or too many.
    #[error(transparent)]
    Limit(#[from] LimitError),
}

/// All certificates of a file, at least one.
pub fn certificates(file: &[u8], limits: &Limits) -> Result<Vec<Certificate>, PemError> {
    let blocks = blocks(file, limits, |label| {
        matches!(
            label,
            "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE"
        )
    })?;
    // A system's store of roots has some 150.
    LimitError::check(
        "number of certificates in a file",
        blocks.len(),
        limits.certificates,
    )?;
    let parse = |(index, (label, octets)): (usize, &(String, Vec<u8>))| {
        let number = index + 1;
        let der = match label.as_str() {
            "TRUSTED CERTIFICATE" => first_element(octets)?,
            _ => octets,
        };
        Certificate::parse(der).map_err(|source| PemError::Certificate { number, source })
    };
    let found: Vec<Certificate> = blocks
        .iter()
        .enumerate()
        .map(parse)
        .collect::<Result<_, _>>()?;
    at_least_one(found, "certificate")
}

/// All CRLs of a file, at least one.
pub fn crls(file: &[u8], limits: &Limits) -> Result<Vec<Crl>, PemError> {
    let blocks = blocks(file, limits, |label| label == "X509 CRL")?;
    let parse = |(index, (_, der)): (usize, &(String, Vec<u8>))| {
        let number = index + 1;
        Crl::parse(der, limits).map_err(|source| PemError::Crl { number, source })
    };
    let found: Vec<Crl> = blocks
        .iter()
        .enumerate()
        .map(parse)
        .collect::<Result<_, _>>()?;
    at_least_one(found, "CRL")
}

fn at_least_one<T>(found: Vec<T>, what: &'static str) -> Result<Vec<T>, PemError> {
    if found.is_empty() {
        return Err(PemError::Nothing(what));
    }
    Ok(found)
}

/// The DER of what is `wanted`, or each element of a DER file; with the label, which DER has not.
fn blocks(
    file: &[u8],
    limits: &Limits,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<(String, Vec<u8>)>, PemError> {
    LimitError::check("length of the file", file.len(), limits.structure_octets)?;
    // A SEQUENCE's identifier is the digit 0, which no text of this kind begins with.
    if file.first() == Some(&tag::SEQUENCE) && !pem::is_pem(file) {
        return Reader::new(file)
            .map(|element| Ok((String::new(), element.map_err(PemError::Der)?.raw.to_vec())))
            .collect();
    }
    let of_block = |block: pem::Block| {
        let pem::Block { number, label, .. } = block;
        if block.has_headers {
            // They belong to keys, and to mail of RFC 1421.
            return Err(PemError::Block(pem::PemError { number, label }));
        }
        Ok((label, block.octets.to_vec()))
    };
    pem::blocks(file, wanted)?
        .into_iter()
        .map(of_block)
        .collect()
}

fn first_element(der: &[u8]) -> Result<&[u8], PemError> {
    let element = Reader::new(der).element().map_err(PemError::Der)?;
    Ok(element.raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_without_its_end_is_refused() {
        for file in [
            &b"-----BEGIN CERTIFICATE-----\nMAA="[..],
            b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END X509 CRL-----\n",
            b"-----BEGIN CERTIFICATE-----\nMA*=\n-----END CERTIFICATE-----\n",
        ] {
            let error = certificates(file, &Limits::default()).unwrap_err();
            let number_and_label = "PEM block 1 (CERTIFICATE) is malformed";
            assert_eq!(error.to_string(), number_and_label);
        }
    }

    #[test]
    fn a_file_without_any_says_so() {
        let error = certificates(b"", &Limits::default()).unwrap_err();
        assert_eq!(error, PemError::Nothing("certificate"));
        let error = crls(b"hello\n", &Limits::default()).unwrap_err();
        assert_eq!(error, PemError::Nothing("CRL"));
    }
}
