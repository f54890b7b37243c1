//! CompressedData (RFC 3274): zlib, read with a bound on what it may grow to, and written.

use std::io;
use std::io::Write;

use const_oid::ObjectIdentifier;
use flate2::Compress;
use flate2::Compression;
use flate2::Decompress;
use flate2::FlushCompress;
use flate2::FlushDecompress;
use flate2::Status;

use crate::cms::ber::Cursor;
use crate::cms::content_info::ID_COMPRESSED_DATA;
use crate::cms::content_info::ID_DATA;
use crate::cms::error::CmsError;
use crate::cms::signed_data::object_identifier;
use crate::cms::signed_data::version;
use crate::cms::tlv;
use crate::cms::tlv::Reader;
use crate::cms::to_der::Strings;
use crate::limits::Budget;
use crate::limits::LimitError;
use crate::octets::View;
use crate::octets::WINDOW;
use crate::octets::length;
use crate::tlv::tag;

/// Content that is compressed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CompressedData {
    /// The compression, as dotted OID where it is not zlib, which alone we read.
    pub algorithm: Compressor,
    /// The type of what is compressed.
    pub content_type: ObjectIdentifier,
    /// What is compressed. `None` when it lies elsewhere.
    pub content: Option<View>,
}

/// A compression algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compressor {
    /// One that we do not read.
    Other(ObjectIdentifier),
    /// RFC 1950, id-alg-zlibCompress.
    Zlib,
}

/// Why content could not be decompressed. What was written until then must be discarded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecompressError {
    /// An algorithm other than zlib.
    #[error("compression algorithm {0} is not supported")]
    Algorithm(ObjectIdentifier),
    /// There is no content (RFC 5652 §5.2 lets it be absent).
    #[error("compressed content is not in the message")]
    Absent,
    /// It grows to more than it may.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// It is not zlib, is cut off, or something follows it.
    #[error("compressed content is malformed: {0}")]
    Malformed(&'static str),
    /// The message could not be read, or the content not be written; the same may work later.
    #[error("compressed content could not be read, or what it holds not be written")]
    Io(#[from] io::Error),
}

impl CompressedData {
    /// Reads the structure at which `inner`, inside the `[0]` of a ContentInfo, stands; goes past it.
    pub fn read(inner: &mut Cursor<'_>) -> Result<Self, CmsError> {
        let what = "CompressedData";
        let element = inner.expect(tag::SEQUENCE, what)?;
        let mut fields = inner.enter(&element, what)?;
        version(&mut fields, "version")?;
        let algorithm = fields.expect(tag::SEQUENCE, "compressionAlgorithm")?;
        let algorithm = fields.take_der(&algorithm, Strings::Universal, "compressionAlgorithm")?;
        let algorithm = compressor(&algorithm)?;
        let info = fields.expect(tag::SEQUENCE, "encapContentInfo")?;
        let mut info_fields = fields.enter(&info, "encapContentInfo")?;
        let content_type = object_identifier(&mut info_fields, "eContentType")?;
        let content = match info_fields.peek_tag(tag::context(0), "eContent")? {
            Some(explicit) => {
                let mut explicit_fields = info_fields.enter(&explicit, "eContent")?;
                let content = take_octet_string(&mut explicit_fields)?;
                info_fields.leave(&explicit_fields, "eContent")?;
                Some(content)
            }
            None => None,
        };
        fields.leave(&info_fields, "encapContentInfo")?;
        inner.leave(&fields, what)?;
        Ok(Self {
            algorithm,
            content_type,
            content,
        })
    }

    /// Writes the content into `sink`, at most what `budget` has; returns how many octets.
    ///
    /// On `Err` what was written must be discarded; it is spent all the same.
    pub fn decompress(
        &self,
        budget: &mut Budget,
        sink: &mut dyn Write,
    ) -> Result<u64, DecompressError> {
        if let Compressor::Other(oid) = self.algorithm {
            return Err(DecompressError::Algorithm(oid));
        }
        let content = self.content.as_ref().ok_or(DecompressError::Absent)?;
        let mut inflation = Inflation {
            state: Decompress::new(true),
            output: Vec::with_capacity(WINDOW),
            ended: false,
            budget,
        };
        content.windows(|window| inflation.window(window, sink))?;
        if !inflation.ended {
            return Err(DecompressError::Malformed("it is cut off"));
        }
        Ok(inflation.state.total_out())
    }
}

struct Inflation<'a> {
    state: Decompress,
    output: Vec<u8>,
    ended: bool,
    budget: &'a mut Budget,
}

impl Inflation<'_> {
    fn window(&mut self, window: &[u8], sink: &mut dyn Write) -> Result<(), DecompressError> {
        let mut rest = window;
        loop {
            if self.ended {
                return if rest.is_empty() {
                    Ok(())
                } else {
                    Err(DecompressError::Malformed("octets follow its end"))
                };
            }
            let before = self.state.total_in();
            let status = self
                .state
                .decompress_vec(rest, &mut self.output, FlushDecompress::None)
                .map_err(|_| DecompressError::Malformed("it is not zlib"))?;
            let taken = usize::try_from(self.state.total_in() - before).unwrap_or(usize::MAX);
            rest = rest.get(taken..).unwrap_or_default();
            self.budget.decompressed(length(&self.output))?;
            self.ended = status == Status::StreamEnd;
            let stalled = taken == 0 && self.output.is_empty();
            sink.write_all(&self.output)?;
            self.output.clear();
            if !self.ended && stalled {
                return if rest.is_empty() {
                    Ok(())
                } else {
                    Err(DecompressError::Malformed("it is not zlib"))
                };
            }
        }
    }
}

/// Writes a ContentInfo with the CompressedData of `content` (of type id-data) into `sink`.
///
/// Compresses twice, since DER has the length before the octets; memory does not grow with `content`.
pub fn compress(content: &View, sink: &mut dyn Write) -> Result<(), io::Error> {
    let mut compressed = 0;
    deflate(content, |octets| {
        compressed += length(octets);
        Ok(())
    })?;
    sink.write_all(&compressed_header(compressed))?;
    deflate(content, |octets| sink.write_all(octets))
}

fn deflate(
    content: &View,
    mut emit: impl FnMut(&[u8]) -> Result<(), io::Error>,
) -> Result<(), io::Error> {
    let mut state = Compress::new(Compression::default(), true);
    let mut output = Vec::with_capacity(WINDOW);
    let mut feed = |window: &[u8], last: bool| {
        let flush = if last {
            FlushCompress::Finish
        } else {
            FlushCompress::None
        };
        let mut rest = window;
        loop {
            let before = state.total_in();
            let status = state.compress_vec(rest, &mut output, flush)?;
            let taken = usize::try_from(state.total_in() - before).unwrap_or(usize::MAX);
            rest = rest.get(taken..).unwrap_or_default();
            let written = !output.is_empty();
            emit(&output)?;
            output.clear();
            let ended = status == Status::StreamEnd;
            if ended || (!last && rest.is_empty() && !written) {
                return Ok(());
            }
        }
    };
    content.windows::<io::Error>(|window| feed(window, false))?;
    feed(&[], true)
}

/// Everything before the compressed octets, which end all levels.
fn compressed_header(compressed: u64) -> Vec<u8> {
    // RFC 3274 §1.1: always 0.
    let fixed = tlv::element(tag::INTEGER, &[&[0]]);
    let algorithm = tlv::element(tag::OBJECT_IDENTIFIER, &[ID_ALG_ZLIB.as_bytes()]);
    let algorithm = tlv::element(tag::SEQUENCE, &[&algorithm]);
    let data = tlv::element(tag::OBJECT_IDENTIFIER, &[ID_DATA.as_bytes()]);
    let outer = tlv::element(tag::OBJECT_IDENTIFIER, &[ID_COMPRESSED_DATA.as_bytes()]);
    let total = |inner: u64| inner + tlv::wide_header_length(inner);
    let explicit = total(compressed);
    let info = length(&data) + total(explicit);
    let structure = length(&fixed) + length(&algorithm) + total(info);
    let content = total(structure);
    let mut der = Vec::new();
    tlv::write_wide_header(&mut der, tag::SEQUENCE, length(&outer) + total(content));
    der.extend(outer);
    tlv::write_wide_header(&mut der, tag::context(0), content);
    tlv::write_wide_header(&mut der, tag::SEQUENCE, structure);
    der.extend(fixed);
    der.extend(algorithm);
    tlv::write_wide_header(&mut der, tag::SEQUENCE, info);
    der.extend(data);
    tlv::write_wide_header(&mut der, tag::context(0), explicit);
    tlv::write_wide_header(&mut der, tag::OCTET_STRING, compressed);
    der
}

fn compressor(der: &[u8]) -> Result<Compressor, CmsError> {
    let field = "compressionAlgorithm";
    let algorithm = tlv::single(der, tag::SEQUENCE, field)?;
    let oid = Reader::new(algorithm.content, field).expect(tag::OBJECT_IDENTIFIER, field)?;
    let oid = ObjectIdentifier::from_bytes(oid.content)
        .map_err(|error| CmsError::field(field, error.to_string()))?;
    // Its parameters are absent, or NULL (RFC 3274 §2).
    Ok(if oid == ID_ALG_ZLIB {
        Compressor::Zlib
    } else {
        Compressor::Other(oid)
    })
}

fn take_octet_string(level: &mut Cursor<'_>) -> Result<View, CmsError> {
    let element = level
        .peek("eContent")?
        .filter(|element| element.tag & !tag::CONSTRUCTED == tag::OCTET_STRING)
        .ok_or_else(|| CmsError::field("eContent", "it is not an OCTET STRING"))?;
    level.take_string(&element, "eContent")
}

const ID_ALG_ZLIB: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.3.8");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cms::content_info::Cms;
    use crate::cms::content_info::ContentInfo;
    use crate::limits::Limits;
    use crate::octets::Octets;

    fn read(der: &[u8]) -> Result<CompressedData, CmsError> {
        let view = View::owned(der.to_vec());
        let info = ContentInfo::read(&view, &Limits::default())?;
        assert_eq!(info.trailing, 0);
        let Cms::Compressed(compressed) = info.cms else {
            panic!("{:?}", info.cms);
        };
        Ok(compressed)
    }

    fn compressed(content: &[u8]) -> Vec<u8> {
        let mut der = Vec::new();
        compress(&View::owned(content.to_vec()), &mut der).unwrap();
        der
    }

    fn decompressed(der: &[u8], limits: &Limits) -> Result<Vec<u8>, DecompressError> {
        let mut content = Vec::new();
        let octets = read(der)
            .unwrap()
            .decompress(&mut Budget::new(limits), &mut content)?;
        assert_eq!(octets, length(&content));
        Ok(content)
    }

    #[test]
    fn what_was_compressed_comes_back() {
        let noise: Vec<u8> = (0_u32..300_000)
            .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0] ^ n.to_le_bytes()[0])
            .collect();
        for content in [&b""[..], b"x", &[7; 1_000_000], &noise] {
            let back = decompressed(&compressed(content), &Limits::default()).unwrap();
            assert!(back == content, "{} octets", content.len());
        }
    }

    #[test]
    fn a_bomb_stops_at_the_bound() {
        let der = compressed(&vec![0; 20_000_000]);
        assert!(der.len() < 50_000, "{}", der.len());
        let limits = Limits {
            decompressed_octets: 1_000_000,
            ..Limits::default()
        };
        let mut sink = Vec::new();
        let error = read(&der)
            .unwrap()
            .decompress(&mut Budget::new(&limits), &mut sink)
            .unwrap_err();
        assert!(matches!(error, DecompressError::Limit(_)), "{error}");
        assert!(sink.len() <= 1_000_000);
    }

    #[test]
    fn a_stream_that_is_cut_off_is_refused() {
        let der = compressed(b"some content, some content, some content");
        let whole = read(&der).unwrap();
        let octets = whole.content.clone().unwrap();
        for cut in 0..octets.len() {
            let cut_off = CompressedData {
                content: Some(octets.slice(0..cut)),
                ..whole.clone()
            };
            let outcome = cut_off.decompress(&mut Budget::new(&Limits::default()), &mut Vec::new());
            assert!(outcome.is_err(), "{cut}");
        }
    }

    #[test]
    fn octets_after_the_stream_are_refused() {
        let mut octets = read(&compressed(b"content")).unwrap();
        let mut longer = octets.content.unwrap().to_vec(1000).unwrap().unwrap();
        longer.push(0);
        octets.content = Some(View::owned(longer));
        let error = octets
            .decompress(&mut Budget::new(&Limits::default()), &mut Vec::new())
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "compressed content is malformed: octets follow its end"
        );
    }
}
