//! A MIME entity: its header, its body, and what the body decodes to (RFC 2045 §2.4).
//!
//! Bodies are views: a message in a file costs no memory. Decoding goes into a spool.

use std::io::Write;

use super::MimeError;
use super::base64;
use super::header::Header;
use super::header::TransferEncoding;
use super::media_type::MediaType;
use super::multipart;
use super::multipart::Multipart;
use super::multipart::MultipartDefect;
use super::quoted_printable;
use crate::limits::Limits;
use crate::octets::Octets;
use crate::octets::Spool;
use crate::octets::View;

/// An Internet message, or a part of one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entity {
    /// Its header.
    pub header: Header,
    /// Its body as it stands, encoded.
    pub body: View,
    /// All of it.
    pub raw: View,
    /// Whether it is a message where it does not say what it is (RFC 2046 §5.1.5).
    in_digest: bool,
}

impl Entity {
    /// The entity that `view` holds.
    pub fn parse(view: &View, limits: &Limits) -> Result<Self, MimeError> {
        let (header, start) = Header::parse(view, limits)?;
        Ok(Self {
            header,
            body: view.slice(start..view.len()),
            raw: view.clone(),
            in_digest: false,
        })
    }

    /// The entity of `part`, which is one of `multipart`.
    pub fn parse_part(
        part: &View,
        multipart: &Multipart,
        limits: &Limits,
    ) -> Result<Self, MimeError> {
        Ok(Self {
            in_digest: multipart.digest,
            ..Self::parse(part, limits)?
        })
    }

    /// Its media type, or the default where none is given (RFC 2045 §5.2, RFC 2046 §5.1.5).
    ///
    /// Fails on several Content-Type fields and on one that is malformed.
    pub fn media_type(&self) -> Result<MediaType, MimeError> {
        let default = || {
            if self.in_digest {
                MediaType::message()
            } else {
                MediaType::text_plain()
            }
        };
        Ok(self.header.media_type()?.unwrap_or_else(default))
    }

    /// Its parts; `None` when it is no multipart.
    ///
    /// Fails when the boundary is missing or malformed, or when there are more parts than `limits`
    /// allow. A transfer encoding other than none is forbidden (RFC 2045 §6.4), and is ignored and
    /// reported, as most readers do.
    pub fn multipart(&self, limits: &Limits) -> Result<Option<Multipart>, MimeError> {
        let media_type = self.media_type()?;
        if !media_type.is_multipart() {
            return Ok(None);
        }
        let boundary = media_type
            .parameter("boundary")
            // White space at the end was added on the way (RFC 2046 §5.1.1).
            .map(str::trim_end)
            .filter(|boundary| multipart::is_boundary(boundary))
            .ok_or_else(|| MimeError::Boundary {
                media_type: media_type.essence(),
            })?;
        let mut multipart = Multipart::split(&self.body, boundary, limits)?;
        multipart.digest = media_type.subtype() == "digest";
        if !self
            .header
            .transfer_encoding()
            .is_ok_and(TransferEncoding::is_identity)
        {
            multipart.defects.push(MultipartDefect::Encoded);
        }
        Ok(Some(multipart))
    }

    /// Its body without transfer encoding: a view of the body itself, or of `spool`.
    ///
    /// Fails on an unknown encoding, and where [`base64::Decoder`] or [`quoted_printable::Decoder`]
    /// do. The result is never longer than the body.
    pub fn decoded(&self, spool: &dyn Spool) -> Result<View, MimeError> {
        let encoding = self.header.transfer_encoding()?;
        if encoding.is_identity() {
            return Ok(self.body.clone());
        }
        let mut writer = match encoding {
            TransferEncoding::Base64 => spool.start_for(base64::decoded_length(self.body.len()))?,
            TransferEncoding::QuotedPrintable
            | TransferEncoding::SevenBit
            | TransferEncoding::EightBit
            | TransferEncoding::Binary => spool.start()?,
        };
        decode(&self.body, encoding, &mut writer)?;
        Ok(View::whole(writer.finish()?))
    }
}

/// Writes to `sink` what `body` encodes.
pub(super) fn decode(
    body: &View,
    encoding: TransferEncoding,
    sink: &mut dyn Write,
) -> Result<(), MimeError> {
    match encoding {
        TransferEncoding::Base64 => {
            let mut decoder = base64::Decoder::new(sink);
            body.windows(|window| decoder.push(window))?;
            decoder.finish().map(drop)
        }
        TransferEncoding::QuotedPrintable => {
            let mut decoder = quoted_printable::Decoder::new(sink);
            body.windows(|window| decoder.push(window))?;
            decoder.finish().map(drop)
        }
        TransferEncoding::SevenBit | TransferEncoding::EightBit | TransferEncoding::Binary => {
            body.windows(|window| sink.write_all(window).map_err(MimeError::from))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::window::both;
    use crate::octets::Memory;

    fn decoded(text: &str) -> Result<Vec<u8>, MimeError> {
        let [one, two] = both(text.as_bytes()).map(|view| {
            let entity = Entity::parse(&view, &Limits::default()).unwrap();
            entity
                .decoded(&Memory)
                .map(|view| view.to_vec(usize::MAX).unwrap().unwrap())
        });
        assert_eq!(one.as_ref().ok(), two.as_ref().ok());
        one
    }

    #[test]
    fn bodies_are_decoded() {
        assert_eq!(
            decoded("Content-Transfer-Encoding: base64\n\naGVs\nbG8=\n").unwrap(),
            b"hello"
        );
        assert_eq!(
            decoded("Content-Transfer-Encoding: quoted-printable\n\na=3Db\n").unwrap(),
            b"a=b\n"
        );
        assert_eq!(decoded("\na=3Db").unwrap(), b"a=3Db");
        assert!(decoded("Content-Transfer-Encoding: x-uue\n\nx").is_err());
        assert!(decoded("Content-Transfer-Encoding: base64\n\naGVs\nbG8=\n-- \nlist").is_err());
    }

    #[test]
    fn a_multipart_needs_one_boundary_that_a_line_can_hold() {
        for (value, good) in [
            ("multipart/mixed; boundary=b", true),
            ("multipart/mixed; boundary=\"b \"", true),
            ("multipart/mixed", false),
            ("multipart/mixed; boundary=\"\"", false),
            ("multipart/mixed; boundary*=''a%0ab", false),
        ] {
            let view = View::owned(format!("Content-Type: {value}\n\n--b\nx\n--b--").into_bytes());
            let entity = Entity::parse(&view, &Limits::default()).unwrap();
            assert_eq!(
                entity.multipart(&Limits::default()).is_ok(),
                good,
                "{value}"
            );
        }
        let two = "Content-Type: multipart/mixed; boundary=b\nContent-Type: text/plain\n\n";
        let entity = Entity::parse(&View::owned(two.into()), &Limits::default()).unwrap();
        assert!(matches!(
            entity.multipart(&Limits::default()),
            Err(MimeError::Repeated { count: 2, .. })
        ));
    }
}
