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
use crate::gateway::open::is_entity;
use crate::limits::Limits;
use crate::mime::Entity;
use crate::mime::Field;
use crate::mime::Header;
use crate::mime::MimeError;
use crate::mime::base64;
use crate::mime::protected::ComposeError;
use crate::mime::smime;
use crate::mime::smime::Boundary;
use crate::mime::smime::CmsEncoding;
use crate::mime::smime::CmsType;
use crate::mime::transit::Left;
use crate::mime::transit::Reason;
use crate::mime::transit::TransitPlan;
use crate::octets::Chain;
use crate::octets::Spool;
use crate::octets::View;

/// Why a layer could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The header fields cannot be bound to the content (RFC 9788).
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// The encryption failed.
    #[error(transparent)]
    Encrypt(#[from] write_enveloped::SealError),
    /// The message cannot be read, or not be brought into transit form.
    #[error(transparent)]
    Mime(#[from] MimeError),
    /// What was decided names a layer that is not there: our own fault.
    #[error("there is no layer {0} in the message")]
    NoSuchLayer(usize),
    /// A part that must not be changed is not in transit form: a detached signature over it would
    /// break on its way (RFC 8551 §3.1.3).
    #[error(
        "the part at octet {start} may not be changed and would not survive its way: sign opaque instead"
    )]
    NotInTransitForm {
        /// Where it starts in the entity.
        start: u64,
        /// Why it is as it is.
        #[source]
        reason: Reason,
    },
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
    /// The first part that may not be changed and is not in transit form. Inside base64 it is safe;
    /// beside a detached signature it is not.
    pub left: Option<Left>,
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
        self.payload_of(Entity::parse(message, self.limits)?)
    }

    /// The same of a message that was parsed.
    pub(super) fn payload_of(&self, entity: Entity) -> Result<Payload, SealError> {
        let stays = |field: &Field<'_>| !field.is_content() && !field.is("MIME-Version");
        let outside = with_crlf(&entity.header.raw_of(stays));
        let mut content = entity.header.raw_of(|field| field.is_content());
        if content.is_empty() {
            // The defaults of RFC 2045 §5.2, said aloud: inside a layer, an entity without a
            // header could not be told from octets that are none.
            content.extend_from_slice(b"Content-Type: text/plain; charset=us-ascii\r\n");
        }
        content.extend_from_slice(b"\r\n");
        let joined = Chain::of([View::owned(content), entity.body]);
        let plan = TransitPlan::of(&joined, self.limits)?;
        let left = plan.left().first().cloned();
        if plan.is_needless() {
            return Ok(Payload {
                outside,
                inside: joined,
                left,
            });
        }
        let mut inside = self.spool.start()?;
        plan.write(&mut inside)?;
        Ok(Payload {
            outside,
            inside: View::whole(inside.finish()?),
            left,
        })
    }

    /// Signs the payload; the result as an entity: opaque as application/pkcs7-mime, detached as
    /// multipart/signed (RFC 8551 §3.5), which is always in base64. What was signed stays where it lies.
    pub fn signed(
        &self,
        payload: &Payload,
        plan: &SignedDataPlan<'_>,
        encoding: CmsEncoding,
    ) -> Result<View, SealError> {
        let layer = plan.sign(&payload.inside, self.provider, self.limits)?;
        if plan.detached {
            if let Some(Left { start, reason }) = payload.left {
                return Err(SealError::NotInTransitForm { start, reason });
            }
            return self.multipart(&payload.inside, layer);
        }
        Ok(entity(CmsType::SignedData, layer.into_view(), encoding))
    }

    /// The same in base64, written.
    pub fn sign(
        &self,
        payload: &Payload,
        plan: &SignedDataPlan<'_>,
        sink: &mut dyn Write,
    ) -> Result<(), SealError> {
        let entity = self.signed(payload, plan, CmsEncoding::Base64)?;
        entity.windows(|window| sink.write_all(window))?;
        Ok(())
    }

    /// Encrypts the payload; the result as an entity (RFC 8551 §3.3, §3.4), whose ciphertext lies in
    /// the spool.
    pub fn encrypted(
        &self,
        inside: &View,
        envelope: &Envelope,
        encoding: CmsEncoding,
    ) -> Result<View, SealError> {
        let mut spool = self.spool.start()?;
        envelope.write(inside, self.provider, self.randomness, &mut *spool)?;
        let cms = View::whole(spool.finish()?);
        Ok(entity(enveloped(envelope), cms, encoding))
    }

    /// The same in base64, written, and nothing spooled.
    pub fn encrypt(
        &self,
        inside: &View,
        envelope: &Envelope,
        sink: &mut dyn Write,
    ) -> Result<(), SealError> {
        let header = enveloped(envelope).header(CmsEncoding::Base64);
        write!(sink, "{header}\r\n")?;
        let mut body = base64::Encoder::new(sink);
        envelope.write(inside, self.provider, self.randomness, &mut body)?;
        body.finish()?;
        Ok(())
    }

    fn multipart(&self, inside: &View, layer: SignedLayer) -> Result<View, SealError> {
        let boundary = self.boundary(inside)?;
        let digests: Vec<&str> = layer.digests.iter().map(|digest| digest.as_str()).collect();
        let header = smime::multipart_signed_header(&digests, &boundary);
        let before = format!("{header}\r\n{}", boundary.opening());
        let between = format!("{}{}\r\n", boundary.between(), smime::SIGNATURE_HEADER);
        Ok(Chain::of([
            View::owned(before.into_bytes()),
            inside.clone(),
            View::owned(between.into_bytes()),
            base64::Text::of(layer.into_view()),
            View::owned(boundary.closing().as_bytes().to_vec()),
        ]))
    }

    /// A boundary that `inside` has not got; the second draw would have to collide with 128 bits.
    fn boundary(&self, inside: &View) -> Result<Boundary, SealError> {
        loop {
            let mut random = [0; 16];
            self.randomness
                .fill(&mut random)
                .map_err(SealError::Randomness)?;
            if let Some(boundary) = Boundary::absent_from(inside, random)? {
                return Ok(boundary);
            }
        }
    }
}

/// A message whose outermost layers were removed: the fields of `outer`, but Content-* as `inside`
/// has them, and the body of `inside`.
///
/// Where `inside` is no MIME entity, its octets become the body, without any Content-* field.
pub fn unwrapped(outer: &Header, inside: &View, limits: &Limits) -> Result<View, SealError> {
    let mut fields = with_crlf(&outer.raw_of(|field| !field.is_content()));
    let entity = Entity::parse(inside, limits)?;
    let body = if is_entity(&entity) {
        fields.extend(with_crlf(&entity.header.raw_of(|field| field.is_content())));
        entity.body
    } else {
        inside.clone()
    };
    fields.extend_from_slice(b"\r\n");
    Ok(Chain::of([View::owned(fields), body]))
}

fn entity(cms_type: CmsType, cms: View, encoding: CmsEncoding) -> View {
    let header = format!("{}\r\n", cms_type.header(encoding));
    let body = match encoding {
        CmsEncoding::Base64 => base64::Text::of(cms),
        CmsEncoding::Binary => cms,
    };
    Chain::of([View::owned(header.into_bytes()), body])
}

fn enveloped(envelope: &Envelope) -> CmsType {
    if envelope.cipher.is_authenticated() {
        CmsType::AuthEnvelopedData
    } else {
        CmsType::EnvelopedData
    }
}

/// The same fields with CRLF at every line's end, and at the end.
fn with_crlf(fields: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(fields.len() + 64);
    for line in fields.split_inclusive(|octet| *octet == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        out.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        out.extend_from_slice(b"\r\n");
    }
    out
}
