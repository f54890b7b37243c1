//! The content of EnvelopedData and AuthEnvelopedData, decrypted by windows (RFC 5652 §6.3, RFC 5083).
//!
//! What is written is worth nothing before the end: a tag is checked last, and CBC has none.

use std::io;
use std::io::Write;

use const_oid::ObjectIdentifier;
use zeroize::Zeroizing;

use crate::cms::content_info::ID_DATA;
use crate::cms::content_key::ContentKey;
use crate::cms::content_key::EnvelopeCause;
use crate::cms::enveloped_data::EnvelopedData;
use crate::cms::tlv;
use crate::cms::tlv::Reader;
use crate::crypto::CryptoError;
use crate::crypto::Provider;
use crate::octets::Octets;
use crate::octets::WINDOW;
use crate::tlv::tag;

/// Why content was not decrypted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecryptError {
    /// It does not decrypt. The source is for the log alone: nobody outside may tell one from another.
    #[error("content could not be decrypted")]
    Failed(#[source] EnvelopeCause),
    /// The message could not be read, or the content not be written; the same may work later.
    #[error("encrypted content could not be read, or what it holds not be written")]
    Io(#[from] io::Error),
}

impl From<EnvelopeCause> for DecryptError {
    fn from(cause: EnvelopeCause) -> Self {
        Self::Failed(cause)
    }
}

impl From<CryptoError> for DecryptError {
    fn from(error: CryptoError) -> Self {
        Self::Failed(error.into())
    }
}

/// Decrypts the content of `enveloped` into `sink`.
///
/// On `Err` what was written must be discarded unread (RFC 5083 §2, EFAIL). `Ok` for CBC says no
/// more than that the padding is right.
pub fn decrypt(
    enveloped: &EnvelopedData,
    key: &ContentKey,
    provider: &Provider,
    sink: &mut dyn Write,
) -> Result<(), DecryptError> {
    let cipher = enveloped.cipher()?;
    if enveloped.mac.len() != cipher.tag_octets {
        return Err(DecryptError::Failed(EnvelopeCause::TagLength {
            octets: enveloped.mac.len(),
            expected: cipher.tag_octets,
        }));
    }
    let content = enveloped
        .encrypted_content
        .as_ref()
        .ok_or(EnvelopeCause::Absent)?;
    let associated = associated_data(enveloped)?;
    let mut decryptor =
        provider
            .ciphers
            .decryptor(cipher.algorithm, key.octets(), &cipher.nonce, &associated)?;
    let most = usize::try_from(content.len()).unwrap_or(WINDOW).min(WINDOW);
    let mut output = Zeroizing::new(Vec::with_capacity(most + LONGEST_BLOCK));
    content.windows::<DecryptError>(|window| {
        decryptor.update(window, &mut output)?;
        sink.write_all(&output)?;
        output.clear();
        Ok(())
    })?;
    decryptor.finish(&enveloped.mac, &mut output)?;
    sink.write_all(&output)?;
    Ok(())
}

/// The DER of authAttrs as a SET OF, none for none (RFC 5083 §2.2).
///
/// A content type other than id-data must stand there (RFC 5083 §2.1), and where one stands it must
/// be the one that the message names (RFC 5652 §11.1): else it is not authenticated.
fn associated_data(enveloped: &EnvelopedData) -> Result<Vec<u8>, EnvelopeCause> {
    let attributes = match &enveloped.authenticated_attributes {
        None if enveloped.authenticated && enveloped.content_type != ID_DATA => {
            return Err(EnvelopeCause::Attributes("they are absent"));
        }
        None => return Ok(Vec::new()),
        Some(attributes) => attributes,
    };
    let malformed = |_| EnvelopeCause::Attributes("they are no SET OF Attribute");
    let set = tlv::single(attributes, tag::context(1), "authAttrs").map_err(malformed)?;
    let mut reader = Reader::new(set.content, "authAttrs");
    let mut members = Vec::new();
    let mut content_type = None;
    while let Some(attribute) = reader.optional(tag::SEQUENCE).map_err(malformed)? {
        let mut fields = Reader::new(attribute.content, "authAttrs");
        let oid = fields
            .expect(tag::OBJECT_IDENTIFIER, "attrType")
            .map_err(malformed)?;
        let values = fields.expect(tag::SET, "attrValues").map_err(malformed)?;
        fields.end().map_err(malformed)?;
        if oid.content == ID_CONTENT_TYPE.as_bytes()
            && content_type.replace(values.content).is_some()
        {
            return Err(EnvelopeCause::Attributes("contentType occurs twice"));
        }
        members.push(attribute.raw);
    }
    reader.end().map_err(malformed)?;
    let expected = tlv::element(tag::OBJECT_IDENTIFIER, &[enveloped.content_type.as_bytes()]);
    match content_type {
        Some(found) if found != expected => {
            return Err(EnvelopeCause::Attributes("contentType is another"));
        }
        None if enveloped.content_type != ID_DATA => {
            return Err(EnvelopeCause::Attributes("contentType is absent"));
        }
        Some(_) | None => {}
    }
    // X.690 §11.6: a SET OF is sorted by its members' octets.
    members.sort_unstable();
    Ok(tlv::element(tag::SET, &members))
}

/// That of AES: what a decryptor may hold back and give out with the next window.
const LONGEST_BLOCK: usize = 16;
/// id-contentType (RFC 5652 §11.1).
const ID_CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
