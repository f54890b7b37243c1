//! Certificates and CRLs from the octets of a file: PEM with any number of them (RFC 7468), or DER.
//!
//! What stands between the blocks, and blocks of other labels, are passed over: a file may hold a
//! key too. What follows the certificate in OpenSSL's `TRUSTED CERTIFICATE` is ignored.

use super::asn1::Asn1Error;
use super::asn1::Reader;
use super::certificate::Certificate;
use super::certificate::CertificateError;
use super::revocation::Crl;
use super::revocation::CrlError;
use crate::limits::LimitError;
use crate::limits::Limits;

/// Why a file gives no certificates or CRLs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PemError {
    /// Base64 that is none, or a block that does not end.
    #[error("PEM block {number} ({label}) is malformed")]
    Block {
        /// Counted from 1, among all blocks.
        number: usize,
        /// As in its BEGIN line.
        label: String,
    },
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
    let parse = |(index, block): (usize, &Block)| {
        let number = index + 1;
        let der = match block.label.as_str() {
            "TRUSTED CERTIFICATE" => first_element(&block.der)?,
            _ => &block.der,
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
    let parse = |(index, block): (usize, &Block)| {
        let number = index + 1;
        Crl::parse(&block.der, limits).map_err(|source| PemError::Crl { number, source })
    };
    let found: Vec<Crl> = blocks
        .iter()
        .enumerate()
        .map(parse)
        .collect::<Result<_, _>>()?;
    at_least_one(found, "CRL")
}

/// What stood between BEGIN and END, or one element of a DER file.
struct Block {
    label: String,
    der: Vec<u8>,
}

fn at_least_one<T>(found: Vec<T>, what: &'static str) -> Result<Vec<T>, PemError> {
    if found.is_empty() {
        return Err(PemError::Nothing(what));
    }
    Ok(found)
}

fn blocks(
    file: &[u8],
    limits: &Limits,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Block>, PemError> {
    LimitError::check("length of the file", file.len(), limits.structure_octets)?;
    // A SEQUENCE's identifier is the digit 0, which no text of this kind begins with.
    if file.first() == Some(&0x30) && memchr::memmem::find(file, b"-----BEGIN ").is_none() {
        return der_blocks(file);
    }
    pem_blocks(file, wanted)
}

fn der_blocks(file: &[u8]) -> Result<Vec<Block>, PemError> {
    Reader::new(file)
        .map(|element| {
            Ok(Block {
                label: String::new(),
                der: element.map_err(PemError::Der)?.raw.to_vec(),
            })
        })
        .collect()
}

fn pem_blocks(file: &[u8], wanted: impl Fn(&str) -> bool) -> Result<Vec<Block>, PemError> {
    let mut blocks = Vec::new();
    let mut number = 0;
    let mut lines = file.split(|octet| *octet == b'\n').map(<[u8]>::trim_ascii);
    while let Some(line) = lines.next() {
        let Some(label) = label_of(line, b"-----BEGIN ") else {
            continue;
        };
        number += 1;
        let malformed = || PemError::Block {
            number,
            label: label.clone(),
        };
        let mut base64 = Vec::new();
        loop {
            let line = lines.next().ok_or_else(malformed)?;
            if let Some(end) = label_of(line, b"-----END ") {
                if end != label {
                    return Err(malformed());
                }
                break;
            }
            base64.extend(line.iter().filter(|octet| !octet.is_ascii_whitespace()));
        }
        if wanted(&label) {
            let der = base64_simd::STANDARD
                .decode_to_vec(&base64)
                .map_err(|_| malformed())?;
            blocks.push(Block { label, der });
        }
    }
    Ok(blocks)
}

fn label_of(line: &[u8], prefix: &[u8]) -> Option<String> {
    let label = line.strip_prefix(prefix)?.strip_suffix(b"-----")?;
    Some(String::from_utf8_lossy(label).into_owned())
}

fn first_element(der: &[u8]) -> Result<&[u8], PemError> {
    let element = Reader::new(der).element().map_err(PemError::Der)?;
    Ok(element.raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_other_labels_are_passed_over() {
        let file = b"text\r\n-----BEGIN PRIVATE KEY-----\r\n!!\r\n-----END PRIVATE KEY-----\r\n\
                     -----BEGIN CERTIFICATE-----\r\nMA\r\nA=\r\n-----END CERTIFICATE-----\r\n";
        let blocks = pem_blocks(file, |label| label == "CERTIFICATE").unwrap();
        assert_eq!(blocks.len(), 1);
        assert_eq!(blocks[0].der, [0x30, 0x00]);
    }

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
