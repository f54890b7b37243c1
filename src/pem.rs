//! Blocks of text between BEGIN and END (RFC 7468), leniently: lines of any length, text between.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use zeroize::Zeroizing;

/// A block that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("PEM block {number} ({label}) is malformed")]
pub struct PemError {
    /// Counted from 1.
    pub number: usize,
    /// What its BEGIN line says.
    pub label: String,
}

/// One block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Counted from 1, among all blocks of the file.
    pub number: usize,
    /// What its BEGIN line says.
    pub label: String,
    /// Whether header lines stand before the base64, as in RFC 1421: a key in OpenSSL's old
    /// encryption. `octets` is empty then.
    pub has_headers: bool,
    /// What the base64 says.
    pub octets: Zeroizing<Vec<u8>>,
}

static BEGIN: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new("-----BEGIN "));

/// Whether there is any block in `file`.
#[must_use]
pub fn is_pem(file: &[u8]) -> bool {
    BEGIN.find(file).is_some()
}

/// The blocks of `file` whose label is `wanted`, in order.
///
/// What stands between them is passed over, and so is what others hold; but each must end.
pub fn blocks(file: &[u8], wanted: impl Fn(&str) -> bool) -> Result<Vec<Block>, PemError> {
    let mut blocks = Vec::new();
    let mut number = 0;
    let mut lines = file.split(|octet| *octet == b'\n').map(<[u8]>::trim_ascii);
    while let Some(line) = lines.next() {
        let Some(label) = label_of(line, b"-----BEGIN ") else {
            continue;
        };
        number += 1;
        let malformed = || PemError {
            number,
            label: label.clone(),
        };
        let body = body(&mut lines, &label).ok_or_else(malformed)?;
        if !wanted(&label) {
            continue;
        }
        // A key in OpenSSL's old encryption, which nobody here reads.
        let has_headers = body.contains(&b':');
        let octets = if has_headers {
            Vec::new()
        } else {
            let decoded = base64_simd::STANDARD.decode_to_vec(body.as_slice());
            decoded.map_err(|_| malformed())?
        };
        blocks.push(Block {
            number,
            label,
            has_headers,
            octets: octets.into(),
        });
    }
    Ok(blocks)
}

/// What stands before the END of `label`, without white space; `None` when another END or none
/// comes.
fn body<'a>(lines: &mut impl Iterator<Item = &'a [u8]>, label: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut body = Zeroizing::new(Vec::new());
    for line in lines {
        if let Some(end) = label_of(line, b"-----END ") {
            return (end == label).then_some(body);
        }
        body.extend(line.iter().filter(|octet| !octet.is_ascii_whitespace()));
    }
    None
}

fn label_of(line: &[u8], prefix: &[u8]) -> Option<String> {
    let label = line.strip_prefix(prefix)?.strip_suffix(b"-----")?;
    Some(String::from_utf8_lossy(label).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_among_other_text() {
        let file = b"Bag Attributes\r\n-----BEGIN A B-----\r\nMA\r\nA=\r\n-----END A B-----\r\n\
                     x\n-----BEGIN C-----\nProc-Type: 4,ENCRYPTED\n\n!!\n-----END C-----";
        assert!(is_pem(file));
        let found = blocks(file, |_| true).unwrap();
        let seen: Vec<_> = found
            .iter()
            .map(|block| {
                (
                    block.label.as_str(),
                    block.has_headers,
                    block.octets.as_slice(),
                )
            })
            .collect();
        assert_eq!(seen, [("A B", false, &[0x30, 0][..]), ("C", true, &[])]);
    }

    #[test]
    fn blocks_of_other_labels_are_passed_over_and_counted() {
        let file = b"text\r\n-----BEGIN PRIVATE KEY-----\r\n!!\r\n-----END PRIVATE KEY-----\r\n\
                     -----BEGIN CERTIFICATE-----\r\nMA\r\nA=\r\n-----END CERTIFICATE-----\r\n";
        let found = blocks(file, |label| label == "CERTIFICATE").unwrap();
        let [block] = found.as_slice() else {
            panic!("{} blocks", found.len());
        };
        assert_eq!((block.number, block.octets.as_slice()), (2, &[0x30, 0][..]));
        assert!(blocks(file, |_| true).is_err());
    }

    #[test]
    fn a_block_without_its_end_is_refused_by_number_and_label() {
        for file in [
            &b"-----BEGIN A-----\nMAA="[..],
            b"-----BEGIN A-----\nMAA=\n-----END B-----\n",
            b"-----BEGIN A-----\nMA*=\n-----END A-----\n",
        ] {
            let error = blocks(file, |_| true).unwrap_err().to_string();
            assert_eq!(error, "PEM block 1 (A) is malformed");
        }
    }
}
