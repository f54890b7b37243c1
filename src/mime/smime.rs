//! The S/MIME media types: told when read, and written around CMS (RFC 8551 §3.2, §3.5, §3.10).
//!
//! What an entity says about itself, no more: the CMS inside may be something else.

use std::fmt;
use std::io;

use super::MimeError;
use super::entity::Entity;
use super::header::Header;
use super::window;
use crate::octets::View;

/// What an entity claims to be, if it claims to be S/MIME.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SmimeType {
    /// multipart/signed with an S/MIME protocol (RFC 8551 §3.5.3).
    MultipartSigned {
        /// The micalg parameter, in lower case: a hint (RFC 8551 §3.5.3.2).
        micalg: Option<String>,
    },
    /// application/pkcs7-mime, or a file that is named like one.
    Pkcs7Mime {
        /// The smime-type parameter, in lower case, or what the name of the file says: a hint.
        smime_type: Option<String>,
    },
    /// application/pkcs7-signature, or a file that is named like one: the CMS of a multipart/signed.
    Pkcs7Signature,
}

impl SmimeType {
    /// What `entity` claims to be; `None` when that is nothing of S/MIME.
    ///
    /// The `x-` types of old senders count as well. Fails when the media type cannot be read.
    pub fn of(entity: &Entity) -> Result<Option<Self>, MimeError> {
        let media_type = entity.media_type()?;
        let parameter = |name| media_type.parameter(name).map(str::to_ascii_lowercase);
        Ok(match (media_type.kind(), media_type.subtype()) {
            ("multipart", "signed") => {
                let protocol = parameter("protocol").unwrap_or_default();
                let ours = matches!(
                    protocol.as_str(),
                    "application/pkcs7-signature" | "application/x-pkcs7-signature"
                );
                ours.then(|| Self::MultipartSigned {
                    micalg: parameter("micalg"),
                })
            }
            ("application", "pkcs7-mime" | "x-pkcs7-mime") => Some(Self::Pkcs7Mime {
                smime_type: parameter("smime-type"),
            }),
            ("application", "pkcs7-signature" | "x-pkcs7-signature") => Some(Self::Pkcs7Signature),
            ("application", "octet-stream") => Self::of_file_name(entity),
            _ => None,
        })
    }

    /// Whether `header` says anywhere in its Content-Type or Content-Disposition, however malformed,
    /// that this is S/MIME.
    #[must_use]
    pub fn is_claimed(header: &Header) -> bool {
        const WORDS: [&str; 5] = ["pkcs7", "multipart/signed", ".p7m", ".p7s", ".p7z"];
        let types = header.all("Content-Type");
        let mut types = types.chain(header.all("Content-Disposition"));
        types.any(|field| {
            let text = field.text().to_ascii_lowercase();
            WORDS.iter().any(|word| text.contains(word))
        })
    }

    /// The names of RFC 8551 §3.2.1; that they count is §3.10.
    fn of_file_name(entity: &Entity) -> Option<Self> {
        let name = entity.header.file_name()?.to_ascii_lowercase();
        let smime_type = |name: &str| {
            Some(Self::Pkcs7Mime {
                smime_type: Some(name.to_owned()),
            })
        };
        match name.rsplit_once('.')?.1.trim_end() {
            "p7m" => Some(Self::Pkcs7Mime { smime_type: None }),
            "p7c" => smime_type(CmsType::CertsOnly.smime_type()),
            "p7z" => smime_type(CmsType::CompressedData.smime_type()),
            "p7s" => Some(Self::Pkcs7Signature),
            _ => None,
        }
    }
}

/// What application/pkcs7-mime holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CmsType {
    /// AuthEnvelopedData.
    AuthEnvelopedData,
    /// SignedData with certificates or CRLs alone.
    CertsOnly,
    /// CompressedData.
    CompressedData,
    /// EnvelopedData.
    EnvelopedData,
    /// SignedData with its content.
    SignedData,
}

impl CmsType {
    /// The smime-type parameter (RFC 8551 §3.2.2).
    #[must_use]
    pub fn smime_type(self) -> &'static str {
        match self {
            Self::AuthEnvelopedData => "authEnveloped-data",
            Self::CertsOnly => "certs-only",
            Self::CompressedData => "compressed-data",
            Self::EnvelopedData => "enveloped-data",
            Self::SignedData => "signed-data",
        }
    }

    /// The name of the file (RFC 8551 §3.2.1).
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            Self::AuthEnvelopedData | Self::EnvelopedData | Self::SignedData => "smime.p7m",
            Self::CertsOnly => "smime.p7c",
            Self::CompressedData => "smime.p7z",
        }
    }

    /// The Content-* fields of the entity whose body is the CMS in that encoding, each line with CRLF,
    /// and without the empty line.
    #[must_use]
    pub fn header(self, encoding: CmsEncoding) -> String {
        let (smime_type, name) = (self.smime_type(), self.file_name());
        let encoding = encoding.as_str();
        format!(
            "Content-Type: application/pkcs7-mime; smime-type={smime_type};\r\n name=\"{name}\"\r\n\
             Content-Transfer-Encoding: {encoding}\r\n\
             Content-Disposition: attachment; filename=\"{name}\"\r\n"
        )
    }
}

/// How CMS lies in an entity (RFC 8551 §3.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CmsEncoding {
    /// Fit for every mail system, and a third longer.
    Base64,
    /// As it is, inside another layer alone.
    Binary,
}

impl CmsEncoding {
    /// Its name in Content-Transfer-Encoding and in the policy.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Base64 => "base64",
            Self::Binary => "binary",
        }
    }
}

/// The Content-* fields of the second part of multipart/signed, whose body is the CMS in base64
/// (RFC 8551 §3.5.3.3); without the empty line.
pub const SIGNATURE_HEADER: &str = "\
Content-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\n\
Content-Transfer-Encoding: base64\r\n\
Content-Disposition: attachment; filename=\"smime.p7s\"\r\n";

/// The Content-Type field of a multipart/signed, with CRLF (RFC 8551 §3.5.3.2).
///
/// `digests` are the digest algorithms of its signers by their names in reports (`sha-256`), which
/// are the names that micalg has; what has none there is written as `unknown`.
#[must_use]
pub fn multipart_signed_header(digests: &[&str], boundary: &Boundary) -> String {
    let mut names: Vec<&str> = Vec::new();
    for digest in digests {
        let known = ["sha-1", "sha-224", "sha-256", "sha-384", "sha-512"];
        let name = known
            .into_iter()
            .find(|known| known == digest)
            .unwrap_or("unknown");
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let micalg = match names.as_slice() {
        [] => "unknown".to_owned(),
        [name] => (*name).to_owned(),
        // A comma makes quotes necessary (RFC 2045 §5.1).
        names => format!("\"{}\"", names.join(",")),
    };
    format!(
        "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\";\r\n \
         micalg={micalg};\r\n boundary=\"{boundary}\"\r\n"
    )
}

/// A boundary that does not occur in the content that it was made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boundary(String);

impl Boundary {
    /// The boundary of these random octets; `None` when `content` has it, so that the caller must
    /// draw again.
    ///
    /// It begins with `=_`, which neither base64 nor quoted-printable can make (RFC 2045 §6.7).
    pub fn absent_from(content: &View, random: [u8; 16]) -> io::Result<Option<Self>> {
        let text: String = random.iter().map(|octet| format!("{octet:02x}")).collect();
        let boundary = format!("=_{text}");
        Ok(window::find(content, boundary.as_bytes())?
            .is_none()
            .then_some(Self(boundary)))
    }

    /// The line before the first part.
    #[must_use]
    pub fn opening(&self) -> String {
        format!("--{self}\r\n")
    }

    /// The line end and the line before each further part.
    #[must_use]
    pub fn between(&self) -> String {
        format!("\r\n--{self}\r\n")
    }

    /// The line end and the line after the last part.
    #[must_use]
    pub fn closing(&self) -> String {
        format!("\r\n--{self}--\r\n")
    }
}

impl fmt::Display for Boundary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::mime::window::both;
    use crate::octets::WINDOW;

    fn entity(text: &str) -> Entity {
        Entity::parse(&View::owned(text.as_bytes().to_vec()), &Limits::default()).unwrap()
    }

    #[test]
    fn smime_entities_are_told_by_type_and_octet_streams_by_name() {
        let mime = |smime_type: Option<&str>| {
            Some(SmimeType::Pkcs7Mime {
                smime_type: smime_type.map(str::to_owned),
            })
        };
        for (fields, expected) in [
            (
                "Content-Type: application/pkcs7-mime; smime-type=Signed-Data",
                mime(Some("signed-data")),
            ),
            ("Content-Type: application/x-pkcs7-mime", mime(None)),
            (
                "Content-Type: Application/X-PKCS7-Signature",
                Some(SmimeType::Pkcs7Signature),
            ),
            (
                "Content-Type: application/octet-stream; name=SMIME.P7M",
                mime(None),
            ),
            (
                "Content-Type: application/octet-stream\nContent-Disposition: attachment; filename=\"smime.p7c\"",
                mime(Some("certs-only")),
            ),
            (
                "Content-Type: application/octet-stream; name=a.p7s",
                Some(SmimeType::Pkcs7Signature),
            ),
            ("Content-Type: application/octet-stream; name=p7m", None),
            ("Content-Type: text/plain; name=a.p7m", None),
            (
                "Content-Type: multipart/signed; protocol=\"application/x-pkcs7-signature\"; micalg=SHA1; boundary=b",
                Some(SmimeType::MultipartSigned {
                    micalg: Some("sha1".to_owned()),
                }),
            ),
            (
                "Content-Type: multipart/signed; protocol=\"application/pgp-signature\"; boundary=b",
                None,
            ),
            ("Content-Type: multipart/signed; boundary=b", None),
        ] {
            assert_eq!(
                SmimeType::of(&entity(&format!("{fields}\n\n"))).unwrap(),
                expected,
                "{fields:?}"
            );
        }
    }

    #[test]
    fn what_is_written_is_read_as_the_same() {
        for cms_type in [
            CmsType::AuthEnvelopedData,
            CmsType::CertsOnly,
            CmsType::CompressedData,
            CmsType::EnvelopedData,
            CmsType::SignedData,
        ] {
            let entity = entity(&format!("{}\r\n", cms_type.header(CmsEncoding::Base64)));
            let smime_type = Some(cms_type.smime_type().to_ascii_lowercase());
            assert_eq!(
                SmimeType::of(&entity).unwrap(),
                Some(SmimeType::Pkcs7Mime { smime_type })
            );
            assert_eq!(
                entity.header.file_name().as_deref(),
                Some(cms_type.file_name())
            );
            assert!(entity.header.defects().is_empty());
        }
        let boundary = Boundary::absent_from(&View::owned(Vec::new()), [7; 16])
            .unwrap()
            .unwrap();
        for (digests, micalg) in [
            (&["sha-256"][..], "sha-256"),
            (&["sha-256", "sha-512", "sha-256"], "sha-256,sha-512"),
            (&["shake-256"], "unknown"),
            (&[], "unknown"),
        ] {
            let entity = entity(&format!(
                "{}\r\n",
                multipart_signed_header(digests, &boundary)
            ));
            let micalg = Some(micalg.to_owned());
            assert_eq!(
                SmimeType::of(&entity).unwrap(),
                Some(SmimeType::MultipartSigned { micalg })
            );
            assert_eq!(
                entity.media_type().unwrap().parameter("boundary"),
                Some(boundary.to_string().as_str())
            );
        }
        assert_eq!(
            SmimeType::of(&entity(&format!("{SIGNATURE_HEADER}\r\n"))).unwrap(),
            Some(SmimeType::Pkcs7Signature)
        );
    }

    #[test]
    fn a_boundary_that_the_content_has_is_not_given() {
        let text = "=_07070707070707070707070707070707";
        for at in [
            0,
            1,
            WINDOW - 40,
            WINDOW - 20,
            WINDOW - 1,
            WINDOW,
            2 * WINDOW - 7,
        ] {
            let content = format!("{}{text}", "x".repeat(at));
            for view in both(content.as_bytes()) {
                assert_eq!(Boundary::absent_from(&view, [7; 16]).unwrap(), None, "{at}");
                assert!(Boundary::absent_from(&view, [8; 16]).unwrap().is_some());
            }
        }
    }
}
