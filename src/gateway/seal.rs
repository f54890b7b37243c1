//! Makes layers: takes a message apart into what stays outside and what goes inside, signs or
//! encrypts the inside, and writes the MIME around it (RFC 8551 §3).
//!
//! Results go into a sink by windows. No RFC 9788 fields are written here.

use std::io;
use std::io::Write;

use crate::cms::write_enveloped;
use crate::cms::write_enveloped::Envelope;
use crate::cms::write_signed::SignError;
use crate::cms::write_signed::SignedDataPlan;
use crate::cms::write_signed::SignedLayer;
use crate::crypto::CryptoError;
use crate::crypto::Provider;
use crate::crypto::Randomness;
use crate::limits::Limits;
use crate::mime::Entity;
use crate::mime::Field;
use crate::mime::MimeError;
use crate::mime::base64;
use crate::mime::smime;
use crate::mime::smime::Wrapper;
use crate::mime::transit;
use crate::octets::Octets;
use crate::octets::Spool;
use crate::octets::View;
use crate::octets::length;

/// Why a layer could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The encryption failed.
    #[error(transparent)]
    Encrypt(#[from] write_enveloped::SealError),
    /// The message cannot be read, or not be brought into transit form.
    #[error(transparent)]
    Mime(#[from] MimeError),
    /// There were no random octets for a boundary.
    #[error("no random octets for a boundary")]
    Randomness(#[source] CryptoError),
    /// The signature failed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The result could not be written.
    #[error("the result could not be written")]
    Write(#[from] io::Error),
}

/// A message taken apart.
#[derive(Clone, Debug)]
pub struct Payload {
    /// The header fields that stay outside, as they came, CRLF at their ends.
    pub outside: Vec<u8>,
    /// The MIME entity that goes inside: Content-* fields and body, in transit form.
    pub inside: View,
}

/// What making needs.
#[derive(Clone, Copy, Debug)]
pub struct Sealer<'a> {
    /// Cryptography.
    pub provider: &'a Provider,
    /// Random octets.
    pub randomness: &'a dyn Randomness,
    /// Bounds.
    pub limits: &'a Limits,
    /// Where what is between two layers lies.
    pub spool: &'a dyn Spool,
}

impl Sealer<'_> {
    /// Takes a message or entity apart, and brings what goes inside into transit form
    /// (RFC 8551 §3.1.2, §3.1.3): 7bit, CRLF, no line over 998 octets.
    pub fn payload(&self, message: &View) -> Result<Payload, SealError> {
        let entity = Entity::parse(message, self.limits)?;
        let stays = |field: &Field<'_>| !field.is_content() && !field.is("MIME-Version");
        let outside = with_crlf(&entity.header.raw_of(stays));
        let mut content = entity.header.raw_of(Field::is_content);
        if content.is_empty() {
            // The defaults of RFC 2045 §5.2, said aloud: inside a layer, an entity without a
            // header could not be told from octets that are none.
            content.extend_from_slice(b"Content-Type: text/plain; charset=us-ascii\r\n");
        }
        content.extend_from_slice(b"\r\n");
        let mut joined = self.spool.start()?;
        joined.write_all(&content)?;
        entity.body.windows(|window| joined.write_all(window))?;
        let joined = View::whole(joined.finish()?);
        if transit::is_transit_form(&joined)? {
            return Ok(Payload { outside, inside: joined });
        }
        let mut inside = self.spool.start()?;
        transit::to_transit_form(&joined, &mut inside, self.limits)?;
        Ok(Payload { outside, inside: View::whole(inside.finish()?) })
    }

    /// Signs the payload and writes the result as an entity: opaque as application/pkcs7-mime,
    /// detached as multipart/signed (RFC 8551 §3.5).
    pub fn sign(
        &self,
        inside: &View,
        plan: &SignedDataPlan<'_>,
        sink: &mut dyn Write,
    ) -> Result<(), SealError> {
        let layer = plan.sign(inside, self.provider, self.limits)?;
        if plan.detached {
            return self.write_multipart(inside, &layer, sink);
        }
        sink.write_all(&smime::header(Wrapper::Signed))?;
        let mut body = base64::Encoder::new(sink);
        layer.write(&mut body)?;
        body.finish()?;
        Ok(())
    }

    /// Encrypts the payload and writes the result as an entity (RFC 8551 §3.3, §3.4).
    pub fn encrypt(
        &self,
        inside: &View,
        envelope: &Envelope,
        sink: &mut dyn Write,
    ) -> Result<(), SealError> {
        let wrapper = if envelope.cipher.is_authenticated() {
            Wrapper::AuthEnveloped
        } else {
            Wrapper::Enveloped
        };
        sink.write_all(&smime::header(wrapper))?;
        let mut body = base64::Encoder::new(sink);
        envelope.write(inside, self.provider, self.randomness, &mut body)?;
        body.finish()?;
        Ok(())
    }

    fn write_multipart(
        &self,
        inside: &View,
        layer: &SignedLayer,
        sink: &mut dyn Write,
    ) -> Result<(), SealError> {
        let boundary = self.boundary(inside)?;
        sink.write_all(&smime::multipart_signed_header(&boundary, &layer.digests))?;
        write!(sink, "--{boundary}\r\n")?;
        inside.windows(|window| sink.write_all(window))?;
        // The line end before the delimiter belongs to the delimiter (RFC 2046 §5.1.1).
        write!(sink, "\r\n--{boundary}\r\n")?;
        sink.write_all(&smime::header(Wrapper::Signature))?;
        let mut body = base64::Encoder::new(&mut *sink);
        layer.write(&mut body)?;
        body.finish()?;
        write!(sink, "\r\n--{boundary}--\r\n")?;
        Ok(())
    }

    fn boundary(&self, inside: &View) -> Result<String, SealError> {
        let mut random = [0; 16];
        self.randomness.fill(&mut random).map_err(SealError::Randomness)?;
        Ok(smime::boundary(&random, inside)?)
    }
}
