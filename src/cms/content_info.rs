//! ContentInfo (RFC 5652 §3): which structure a layer is.

use const_oid::ObjectIdentifier;

use crate::cms::ber::Cursor;
use crate::cms::compressed_data::CompressedData;
use crate::cms::enveloped_data::EnvelopedData;
use crate::cms::error::CmsError;
use crate::cms::signed_data::SignedData;
use crate::cms::signed_data::object_identifier;
use crate::limits::Limits;
use crate::octets::Octets;
use crate::octets::View;
use crate::tlv::tag;

/// id-data (RFC 5652 §4).
pub const ID_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
/// id-signedData (RFC 5652 §5.1).
pub const ID_SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
/// id-envelopedData (RFC 5652 §6.1).
pub const ID_ENVELOPED_DATA: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.3");
/// id-ct-authEnvelopedData (RFC 5083 §2.1).
pub const ID_AUTH_ENVELOPED_DATA: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.23");
/// id-ct-compressedData (RFC 3274 §1.1).
pub const ID_COMPRESSED_DATA: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.9");

/// One CMS layer.
#[derive(Debug)]
pub enum Cms {
    /// CompressedData.
    Compressed(CompressedData),
    /// EnvelopedData or AuthEnvelopedData.
    Enveloped(EnvelopedData),
    /// SignedData.
    Signed(SignedData),
}

/// A ContentInfo and what follows it.
#[derive(Debug)]
pub struct ContentInfo {
    /// The structure.
    pub cms: Cms,
    /// How many octets stand after it: none, in what is well made.
    pub trailing: u64,
}

impl ContentInfo {
    /// Reads the ContentInfo that `view` begins with.
    ///
    /// Content types other than the three kinds of layers are refused by name.
    pub fn read(view: &View, limits: &Limits) -> Result<Self, CmsError> {
        let mut top = Cursor::new(view, limits);
        let sequence = top.expect(tag::SEQUENCE, "ContentInfo")?;
        let mut info = top.enter(&sequence, "ContentInfo")?;
        let content_type = object_identifier(&mut info, "ContentInfo.contentType")?;
        let explicit = info.expect(tag::context(0), "ContentInfo.content")?;
        let mut content = info.enter(&explicit, "ContentInfo.content")?;
        let cms = match content_type {
            ID_SIGNED_DATA => Cms::Signed(SignedData::read(&mut content, limits)?),
            ID_ENVELOPED_DATA => Cms::Enveloped(EnvelopedData::read(&mut content, false, limits)?),
            ID_AUTH_ENVELOPED_DATA => {
                Cms::Enveloped(EnvelopedData::read(&mut content, true, limits)?)
            }
            ID_COMPRESSED_DATA => Cms::Compressed(CompressedData::read(&mut content)?),
            other => {
                return Err(CmsError::ContentType {
                    name: content_type_name(other),
                });
            }
        };
        info.leave(&content, "ContentInfo.content")?;
        top.leave(&info, "ContentInfo")?;
        Ok(Self {
            cms,
            trailing: view.len() - top.position(),
        })
    }
}

/// The name of a content type, or the dotted identifier.
#[must_use]
pub fn content_type_name(oid: ObjectIdentifier) -> String {
    let name = match oid {
        ID_DATA => "data",
        ID_SIGNED_DATA => "signedData",
        ID_ENVELOPED_DATA => "envelopedData",
        ID_AUTH_ENVELOPED_DATA => "authEnvelopedData",
        ID_COMPRESSED_DATA => "compressedData",
        _ => match oid.to_string().as_str() {
            "1.2.840.113549.1.7.5" => "digestedData",
            "1.2.840.113549.1.7.6" => "encryptedData",
            "1.2.840.113549.1.9.16.1.1" => "receipt",
            "1.2.840.113549.1.9.16.1.2" => "authData",
            "1.2.840.113549.1.9.16.1.4" => "TSTInfo",
            other => return other.to_owned(),
        },
    };
    name.to_owned()
}
