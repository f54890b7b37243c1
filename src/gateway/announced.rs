//! What a reader's software can read, in its owner's words: SMIMECapabilities (RFC 8551 §2.5.2), as they were signed in
//! mail, or as they stand in the certificate (RFC 4262).

use crate::cms::attributes::Capabilities;
use crate::cms::attributes::Capability;
use crate::crypto::ContentEncryption;
use crate::crypto::DigestAlgorithm;
use crate::crypto::OaepParameters;
use crate::crypto::RsaEncryption;
use crate::crypto::identifiers;
use crate::crypto::oids;
use crate::tlv::element;
use crate::tlv::tag;

/// The algorithms that a reader has announced.
///
/// A cipher that is missing is taken for one that cannot be read, though the list need not be complete. Key transport is
/// hardly ever listed, so that its absence says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    ciphers: Vec<ContentEncryption>,
    oaep: bool,
    binary_inside: bool,
}

impl Announced {
    /// Those of the DER of SMIMECapabilities; `None` where it cannot be read or names no cipher that we know, which is as
    /// good as no word.
    #[must_use]
    pub fn of(capabilities: &[u8]) -> Option<Self> {
        let capabilities = Capabilities::decode(capabilities).ok()?.0;
        let ciphers: Vec<ContentEncryption> = capabilities.iter().filter_map(cipher).collect();
        (!ciphers.is_empty()).then(|| Self {
            ciphers,
            oaep: capabilities.iter().any(is_oaep),
            binary_inside: capabilities
                .iter()
                .any(|one| one.oid == oids::PREFER_BINARY_INSIDE),
        })
    }

    /// Of our own gateway: all that we write.
    #[must_use]
    pub fn ours() -> Self {
        Self {
            ciphers: ContentEncryption::ALL.to_vec(),
            oaep: true,
            binary_inside: true,
        }
    }

    /// Whether content in `cipher` can be read.
    #[must_use]
    pub fn reads(&self, cipher: ContentEncryption) -> bool {
        self.ciphers.contains(&cipher)
    }

    /// Whether it says that RSAES-OAEP with SHA-256 can be read.
    #[must_use]
    pub const fn reads_oaep(&self) -> bool {
        self.oaep
    }

    /// Whether it says that layers within an encryption had better be binary (RFC 8551 §3.1.2).
    #[must_use]
    pub const fn prefers_binary_inside(&self) -> bool {
        self.binary_inside
    }

    /// The ciphers, for people.
    #[must_use]
    pub fn names(&self) -> String {
        let names: Vec<&str> = self.ciphers.iter().map(|cipher| cipher.as_str()).collect();
        names.join(", ")
    }
}

/// By the identifier alone: ciphers of ours have no parameters there (RFC 3565 §5).
fn cipher(capability: &Capability<'_>) -> Option<ContentEncryption> {
    identifiers::content_cipher(capability.oid.as_bytes())
}

/// What RFC 3560 §5 has senders announce for SHA-256. Its parameters are none: [0] and [1] around their fields are
/// missing (RFC 4055 §4.1), and software that took the text at its word writes them like this.
const OAEP_AS_PRINTED: &[u8] = b"\x30\x2b\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x30\x1a\x06\x09\
    \x2a\x86\x48\x86\xf7\x0d\x01\x01\x08\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00";

/// With SHA-256 for both label and mask, as we write it.
fn is_oaep(capability: &Capability<'_>) -> bool {
    let parameters = capability.parameters.unwrap_or_default();
    let identifier = element(tag::SEQUENCE, &[&capability.oid.to_der(), parameters]);
    let ours = RsaEncryption::Oaep(OaepParameters::plain(DigestAlgorithm::Sha256));
    identifiers::key_transport(&identifier) == Ok(ours)
        || (parameters == OAEP_AS_PRINTED && capability.oid == oids::RSAES_OAEP)
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Announced {
        /// One that names these ciphers.
        pub(in crate::gateway) fn with(ciphers: &[ContentEncryption]) -> Self {
            Self {
                ciphers: ciphers.to_vec(),
                oaep: false,
                binary_inside: false,
            }
        }
    }

    /// SMIMECapabilities of these capabilities, in hex.
    fn of(capabilities: &[&str]) -> Option<Announced> {
        let octets: Vec<u8> = capabilities
            .concat()
            .split_whitespace()
            .map(|octet| u8::from_str_radix(octet, 16).unwrap())
            .collect();
        Announced::of(&element(tag::SEQUENCE, &[&octets]))
    }

    const AES_256_CBC: &str = "30 0b 06 09 60 86 48 01 65 03 04 01 2a ";
    const AES_256_GCM: &str = "30 0b 06 09 60 86 48 01 65 03 04 01 2e ";
    /// RC2 with 128 bits.
    const RC2: &str = "30 0e 06 08 2a 86 48 86 f7 0d 03 02 02 02 00 80 ";
    const SHA_256: &str = "30 0b 06 09 60 86 48 01 65 03 04 02 01 ";
    const BINARY_INSIDE: &str = "30 0d 06 0b 2a 86 48 86 f7 0d 01 09 10 0b 01 ";
    /// As RFC 3560 §5 has them.
    const OAEP_SHA_1: &str = "30 0d 06 09 2a 86 48 86 f7 0d 01 01 07 30 00 ";
    const OAEP_SHA_256: &str = "30 38 06 09 2a 86 48 86 f7 0d 01 01 07 30 2b 30 0d 06 09 60 86 48 01 65 03 04 02 01 \
        05 00 30 1a 06 09 2a 86 48 86 f7 0d 01 01 08 30 0d 06 09 60 86 48 01 65 03 04 02 01 05 00 ";

    #[test]
    fn capabilities_are_read_as_the_rfcs_write_them() {
        let announced = of(&[AES_256_CBC, RC2, SHA_256, OAEP_SHA_256]).unwrap();
        assert!(announced.reads(ContentEncryption::Aes256Cbc));
        assert!(!announced.reads(ContentEncryption::Aes256Gcm));
        assert!(announced.reads_oaep());
        assert_eq!(announced.names(), "aes-256-cbc");
        let tagged = OAEP_SHA_256
            .replace("30 38 ", "30 3c ")
            .replace("30 2b 30 0d", "30 2f a0 0f 30 0d");
        let tagged = tagged.replace("05 00 30 1a", "05 00 a1 1c 30 1a");
        assert!(of(&[AES_256_CBC, &tagged]).unwrap().reads_oaep());
        let announced = of(&[OAEP_SHA_1, AES_256_GCM]).unwrap();
        assert!(announced.reads(ContentEncryption::Aes256Gcm));
        // We write SHA-256 alone, and SHA-1 is what they read.
        assert!(!announced.reads_oaep());
        assert!(!announced.prefers_binary_inside());
        let announced = of(&[AES_256_GCM, BINARY_INSIDE]).unwrap();
        assert!(announced.prefers_binary_inside());
    }

    #[test]
    fn what_names_no_cipher_or_cannot_be_read_is_no_word() {
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[SHA_256, OAEP_SHA_256, RC2, BINARY_INSIDE]), None);
        assert_eq!(Announced::of(b""), None);
        assert_eq!(Announced::of(b"\x30\x03\x06\x01"), None);
    }

    #[test]
    fn our_own_list_is_read_again() {
        let ours = crate::gateway::edition::capabilities();
        assert!(ours.iter().any(|one| one.oid == oids::AES_256_GCM));
        let announced = Announced::ours();
        for cipher in ours.iter().filter_map(cipher) {
            assert!(announced.reads(cipher));
        }
        let inside = |one: &Capability<'_>| one.oid == oids::PREFER_BINARY_INSIDE;
        assert!(announced.prefers_binary_inside() && ours.iter().any(inside));
    }
}
