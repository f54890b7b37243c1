//! EnvelopedData (RFC 5652 §6.1) and AuthEnvelopedData (RFC 5083 §2.1), read around their content.
//!
//! The content stays where it is and is a [`View`]; everything else is small and becomes DER.

use const_oid::ObjectIdentifier;

use crate::cms::ber::Cursor;
use crate::cms::ber::Element;
use crate::cms::error::CmsError;
use crate::cms::recipient_info;
use crate::cms::recipient_info::RecipientInfo;
use crate::cms::signed_data::object_identifier;
use crate::cms::signed_data::version;
use crate::cms::tlv;
use crate::cms::to_der::Strings;
use crate::limits::LimitError;
use crate::limits::Limits;
use crate::octets::View;
use crate::tlv::tag;

/// Content that is encrypted for some recipients.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EnvelopedData {
    /// Whether it is AuthEnvelopedData.
    pub authenticated: bool,
    /// The syntax version: 0, 2, 3 or 4; always 0 for AuthEnvelopedData.
    pub version: u8,
    /// Certificates of the originatorInfo, DER as they came.
    pub originator_certificates: Vec<Vec<u8>>,
    /// Revocation lists of the originatorInfo, DER as they came.
    pub originator_crls: Vec<Vec<u8>>,
    /// At least one.
    pub recipients: Vec<RecipientInfo>,
    /// The type of what is encrypted.
    pub content_type: ObjectIdentifier,
    /// contentEncryptionAlgorithm, AlgorithmIdentifier in DER.
    pub content_encryption: Vec<u8>,
    /// What is encrypted. `None` when it lies elsewhere (RFC 5652 §6.1).
    pub encrypted_content: Option<View>,
    /// The tag of an AuthEnvelopedData, empty otherwise.
    pub mac: Vec<u8>,
    /// authAttrs, DER with their tag `[1]`.
    pub authenticated_attributes: Option<Vec<u8>>,
    /// unprotectedAttrs or unauthAttrs, DER with their tag.
    pub unprotected_attributes: Option<Vec<u8>>,
}

impl EnvelopedData {
    /// Reads the structure at which `inner` stands, and goes past it.
    ///
    /// `inner` is the level inside the `[0] EXPLICIT` of a ContentInfo. Fails when a field is
    /// malformed, when there are more than `limits.recipients` (each RecipientEncryptedKey counts)
    /// or more than `limits.structure_octets` around the content.
    pub fn read(
        inner: &mut Cursor<'_>,
        authenticated: bool,
        limits: &Limits,
    ) -> Result<Self, CmsError> {
        let what = if authenticated {
            "AuthEnvelopedData"
        } else {
            "EnvelopedData"
        };
        let element = inner.expect(tag::SEQUENCE, what)?;
        let mut fields = Fields {
            cursor: inner.enter(&element, what)?,
            limits,
        };
        let version = version(&mut fields.cursor, what)?;
        let originator = fields.originator_info()?;
        let recipients = fields.recipients()?;
        let content = fields.encrypted_content_info()?;
        let mut authenticated_attributes = None;
        let mut mac = Vec::new();
        let unprotected_attributes = if authenticated {
            authenticated_attributes = fields.attributes(tag::context(1), "authAttrs")?;
            mac = fields.mac()?;
            fields.attributes(tag::context(2), "unauthAttrs")?
        } else {
            fields.attributes(tag::context(1), "unprotectedAttrs")?
        };
        inner.leave(&fields.cursor, what)?;
        Ok(Self {
            authenticated,
            version,
            originator_certificates: originator.certificates,
            originator_crls: originator.crls,
            recipients,
            content_type: content.content_type,
            content_encryption: content.algorithm,
            encrypted_content: content.octets,
            mac,
            authenticated_attributes,
            unprotected_attributes,
        })
    }
}

/// Empty where there is none.
#[derive(Default)]
struct OriginatorInfo {
    certificates: Vec<Vec<u8>>,
    crls: Vec<Vec<u8>>,
}

struct EncryptedContentInfo {
    content_type: ObjectIdentifier,
    algorithm: Vec<u8>,
    octets: Option<View>,
}

/// The fields one after another.
struct Fields<'c, 'l> {
    cursor: Cursor<'c>,
    limits: &'l Limits,
}

impl<'c> Fields<'c, '_> {
    fn originator_info(&mut self) -> Result<OriginatorInfo, CmsError> {
        let field = "originatorInfo";
        let Some(element) = self.cursor.peek_tag(tag::context(0), field)? else {
            return Ok(OriginatorInfo::default());
        };
        let mut info = self.cursor.enter(&element, field)?;
        let certificates = self.raw_set(&mut info, tag::context(0), "originatorInfo.certs")?;
        let crls = self.raw_set(&mut info, tag::context(1), "originatorInfo.crls")?;
        self.cursor.leave(&info, field)?;
        Ok(OriginatorInfo { certificates, crls })
    }

    /// The elements of a SET under `tag`, as they came.
    fn raw_set(
        &mut self,
        level: &mut Cursor<'c>,
        tag: u8,
        field: &'static str,
    ) -> Result<Vec<Vec<u8>>, CmsError> {
        let Some(element) = level.peek_tag(tag, field)? else {
            return Ok(Vec::new());
        };
        let mut set = level.enter(&element, field)?;
        let mut all = Vec::new();
        while let Some(member) = set.peek(field)? {
            LimitError::check(field, all.len() + 1, self.limits.certificates)?;
            all.push(set.take_raw(&member, field)?);
        }
        level.leave(&set, field)?;
        Ok(all)
    }

    fn recipients(&mut self) -> Result<Vec<RecipientInfo>, CmsError> {
        let field = "recipientInfos";
        let element = self.cursor.expect(tag::SET, field)?;
        // Not `Strings::KeyIdentifiers`: the rKeyId of a key agreement has the same tag, [0], and
        // also begins with an OCTET STRING, but is a SEQUENCE (RFC 5652 §6.2.2).
        let der = self.take(&element, field)?;
        let set = tlv::single(&der, tag::SET, field)?;
        recipient_info::read_recipient_infos(set.content, self.limits)
    }

    fn encrypted_content_info(&mut self) -> Result<EncryptedContentInfo, CmsError> {
        let field = "encryptedContentInfo";
        let element = self.cursor.expect(tag::SEQUENCE, field)?;
        let mut info = self.cursor.enter(&element, field)?;
        let content_type = object_identifier(&mut info, "contentType")?;
        let algorithm = info.expect(tag::SEQUENCE, "contentEncryptionAlgorithm")?;
        let algorithm =
            info.take_der(&algorithm, Strings::Universal, "contentEncryptionAlgorithm")?;
        let octets = match info.peek("encryptedContent")? {
            // [0] IMPLICIT OCTET STRING, in one piece or in several.
            Some(content) if content.tag & !tag::CONSTRUCTED == tag::context_primitive(0) => {
                Some(info.take_string(&content, "encryptedContent")?)
            }
            _ => None,
        };
        self.cursor.leave(&info, field)?;
        Ok(EncryptedContentInfo {
            content_type,
            algorithm,
            octets,
        })
    }

    fn mac(&mut self) -> Result<Vec<u8>, CmsError> {
        let Some(element) = self
            .cursor
            .peek("mac")?
            .filter(|element| element.tag & !tag::CONSTRUCTED == tag::OCTET_STRING)
        else {
            return Err(CmsError::field("mac", "it is missing"));
        };
        self.cursor
            .take_string(&element, "mac")?
            .to_vec(LONGEST_MAC)?
            .ok_or_else(|| CmsError::field("mac", "it is longer than that of any algorithm"))
    }

    fn attributes(&mut self, tag: u8, field: &'static str) -> Result<Option<Vec<u8>>, CmsError> {
        match self.cursor.peek_tag(tag, field)? {
            Some(element) => self.take(&element, field).map(Some),
            None => Ok(None),
        }
    }

    fn take(&mut self, element: &Element, field: &'static str) -> Result<Vec<u8>, CmsError> {
        self.cursor.take_der(element, Strings::Universal, field)
    }
}

/// AES-GCM and ChaCha20-Poly1305 have 16 (RFC 5084 §3.2, RFC 8103 §1.2); room for an HMAC.
const LONGEST_MAC: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cms::recipient_info::Originator;
    use crate::cms::recipient_info::RecipientIdentifier;
    use crate::octets::Octets;

    fn read_with(
        ber: &[u8],
        authenticated: bool,
        limits: &Limits,
    ) -> Result<EnvelopedData, CmsError> {
        let view = View::owned(ber.to_vec());
        let mut top = Cursor::new(&view, limits);
        let read = EnvelopedData::read(&mut top, authenticated, limits)?;
        assert!(top.peek("end")?.is_none());
        Ok(read)
    }

    fn read(ber: &[u8]) -> Result<EnvelopedData, CmsError> {
        read_with(ber, false, &Limits::default())
    }

    fn seq(parts: &[&[u8]]) -> Vec<u8> {
        tlv::element(tag::SEQUENCE, parts)
    }

    fn octets(value: &[u8]) -> Vec<u8> {
        tlv::element(tag::OCTET_STRING, &[value])
    }

    fn integer(value: u8) -> Vec<u8> {
        vec![tag::INTEGER, 1, value]
    }

    fn algorithm() -> Vec<u8> {
        vec![0x30, 4, 6, 2, 42, 3]
    }

    fn issuer_and_serial(serial: u8) -> Vec<u8> {
        seq(&[&[0x30, 0], &integer(serial)])
    }

    fn ktri(rid: &[u8]) -> Vec<u8> {
        seq(&[&integer(0), rid, &algorithm(), &octets(b"key")])
    }

    /// A kari whose RecipientEncryptedKeys are `keys`.
    fn kari(keys: &[&[u8]]) -> Vec<u8> {
        let bits = tlv::element(tag::BIT_STRING, &[&[0, 4, 5, 6]]);
        let key = tlv::element(tag::context(1), &[&algorithm(), &bits]);
        let originator = tlv::element(tag::context(0), &[&key]);
        let ukm = tlv::element(tag::context(1), &[&octets(b"ukm")]);
        let keys = seq(keys);
        tlv::element(
            tag::context(1),
            &[&integer(3), &originator, &ukm, &algorithm(), &keys],
        )
    }

    fn content(content: &[u8]) -> Vec<u8> {
        let data = [6, 9, 42, 134, 72, 134, 247, 13, 1, 7, 1];
        seq(&[&data, &algorithm(), content])
    }

    fn enveloped(recipients: &[&[u8]]) -> Vec<u8> {
        let recipients = tlv::element(tag::SET, recipients);
        let content = content(&[0x80, 2, 1, 2]);
        seq(&[&integer(2), &recipients, &content])
    }

    #[test]
    fn every_kind_of_recipient_is_read() {
        let named = issuer_and_serial(7);
        let key_id = [0xa0, 4, 4, 2, 8, 9];
        let dated = [
            0xa0, 21, 4, 2, 8, 9, 0x18, 15, b'2', b'0', b'2', b'6', b'0', b'1', b'0', b'1', b'0',
            b'0', b'0', b'0', b'0', b'0', b'Z',
        ];
        let keys = [&named[..], &key_id, &dated].map(|rid| seq(&[rid, &octets(b"key")]));
        let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let kekid = seq(&[&octets(b"kek")]);
        let kek = [&integer(4)[..], &kekid, &algorithm(), &octets(b"key")];
        let kdf = tlv::element(tag::context(0), &[&[6, 2, 42, 3]]);
        let password = [&integer(0)[..], &kdf, &algorithm(), &octets(b"key")];
        let kem = seq(&[
            &integer(0),
            &named,
            &algorithm(),
            &octets(b"ct"),
            &algorithm(),
            &integer(32),
            &algorithm(),
            &octets(b"key"),
        ]);
        let id_ori_kem = [6, 11, 42, 134, 72, 134, 247, 13, 1, 9, 16, 13, 3];
        let message = enveloped(&[
            &ktri(&named),
            &ktri(&[0x80, 2, 8, 9]),
            // A subjectKeyIdentifier in pieces (BER).
            &ktri(&[0xa0, 6, 4, 1, 8, 4, 1, 9]),
            &kari(&keys),
            &tlv::element(tag::context(2), &kek),
            &tlv::element(tag::context(3), &password),
            &tlv::element(tag::context(4), &[&id_ori_kem, &kem]),
            &tlv::element(tag::context(4), &[&[6, 2, 42, 4], &[5, 0]]),
            &tlv::element(tag::context(9), &[]),
            // A version to come.
            &seq(&[&integer(9), &named]),
        ]);
        let read = read(&message).unwrap();
        let by_name = RecipientIdentifier::IssuerAndSerialNumber {
            issuer: vec![0x30, 0],
            serial: vec![7],
        };
        let by_id = RecipientIdentifier::SubjectKeyIdentifier(vec![8, 9]);
        let kinds: Vec<_> = read
            .listed_recipients()
            .map(|listed| (listed.kind, listed.rid.cloned()))
            .collect();
        assert_eq!(
            kinds,
            [
                ("ktri", Some(by_name.clone())),
                ("ktri", Some(by_id.clone())),
                ("ktri", Some(by_id.clone())),
                ("kari", Some(by_name.clone())),
                ("kari", Some(by_id.clone())),
                ("kari", Some(by_id)),
                ("kekri", None),
                ("pwri", None),
                ("kem", Some(by_name)),
                ("ori", None),
                ("unknown", None),
                ("unknown", None),
            ]
        );
        let RecipientInfo::KeyAgreement {
            originator, ukm, ..
        } = &read.recipients[3]
        else {
            panic!("{:?}", read.recipients[3]);
        };
        assert_eq!(ukm.as_deref(), Some(&b"ukm"[..]));
        assert!(
            matches!(originator, Originator::PublicKey { public_key, .. } if *public_key == [4, 5, 6])
        );
    }

    #[test]
    fn each_recipient_encrypted_key_counts_for_the_limit() {
        let key = seq(&[&issuer_and_serial(1), &octets(b"key")]);
        let message = enveloped(&[&ktri(&issuer_and_serial(1)), &kari(&[&key, &key])]);
        let limits = |recipients| Limits {
            recipients,
            ..Limits::default()
        };
        assert!(read_with(&message, false, &limits(3)).is_ok());
        let error = read_with(&message, false, &limits(2)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "number of recipients is 3, more than the limit of 2"
        );
    }

    #[test]
    fn what_is_around_the_content_is_bounded() {
        let limits = Limits {
            structure_octets: 20,
            ..Limits::default()
        };
        let error = read_with(&enveloped(&[&ktri(&issuer_and_serial(1))]), false, &limits);
        assert!(matches!(error, Err(CmsError::Limit(_))));
    }

    #[test]
    fn a_message_without_recipients_is_refused() {
        let error = read(&enveloped(&[])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "recipientInfos is malformed: there is no recipient"
        );
    }

    #[test]
    fn encrypted_content_may_be_in_pieces_or_elsewhere() {
        let recipients = tlv::element(tag::SET, &[&ktri(&issuer_and_serial(1))]);
        for (encrypted, expected) in [
            (&[0x80, 2, 1, 2][..], Some(vec![1, 2])),
            (&[0xa0, 0x80, 4, 1, 1, 4, 1, 2, 0, 0], Some(vec![1, 2])),
            (&[0xa0, 6, 4, 1, 1, 4, 1, 2], Some(vec![1, 2])),
            (&[], None),
        ] {
            let message = seq(&[&integer(0), &recipients, &content(encrypted)]);
            let found = read(&message).unwrap().encrypted_content;
            let found = found.map(|view| view.to_vec(9).unwrap().unwrap());
            assert_eq!(found, expected, "{encrypted:02x?}");
        }
    }

    #[test]
    fn authenticated_data_has_a_mac_and_attributes_around_it() {
        let recipients = tlv::element(tag::SET, &[&ktri(&issuer_and_serial(1))]);
        let content = content(&[0x80, 2, 1, 2]);
        let attributes = [0xa1, 6, 0x30, 4, 6, 0, 0x31, 0];
        let unprotected = [0xa2, 0];
        let mac = octets(&[7; 16]);
        let fields: &[&[u8]] = &[
            &integer(0),
            &recipients,
            &content,
            &attributes,
            &mac,
            &unprotected,
        ];
        let read = read_with(&seq(fields), true, &Limits::default()).unwrap();
        assert_eq!(read.mac, [7; 16]);
        assert_eq!(
            read.authenticated_attributes.as_deref(),
            Some(&attributes[..])
        );
        assert_eq!(
            read.unprotected_attributes.as_deref(),
            Some(&unprotected[..])
        );
        let without = seq(&[&integer(0), &recipients, &content]);
        let error = read_with(&without, true, &Limits::default()).unwrap_err();
        assert_eq!(error.to_string(), "mac is malformed: it is missing");
        let long = octets(&[7; 65]);
        let long = seq(&[&integer(0), &recipients, &content, &long]);
        assert!(read_with(&long, true, &Limits::default()).is_err());
        // And EnvelopedData has none.
        assert!(super::tests::read(&seq(fields)).is_err());
    }

    #[test]
    fn originator_certificates_stay_as_they_came() {
        // A certificate with a length in long form, which is not DER.
        let certificate = [0x30, 0x81, 3, 2, 1, 5];
        let crl = [0x30, 3, 2, 1, 6];
        let certificates = tlv::element(tag::context(0), &[&certificate]);
        let crls = tlv::element(tag::context(1), &[&crl]);
        let info = tlv::element(tag::context(0), &[&certificates, &crls]);
        let recipients = tlv::element(tag::SET, &[&ktri(&issuer_and_serial(1))]);
        let message = seq(&[&integer(2), &info, &recipients, &content(&[0x80, 0])]);
        let read = read(&message).unwrap();
        assert_eq!(read.originator_certificates, [certificate]);
        assert_eq!(read.originator_crls, [crl]);
    }

    #[test]
    fn a_message_cut_off_anywhere_is_refused() {
        let key = seq(&[&issuer_and_serial(1), &octets(b"key")]);
        let message = enveloped(&[&ktri(&issuer_and_serial(1)), &kari(&[&key])]);
        for cut in 0..message.len() {
            assert!(read(&message[..cut]).is_err(), "{cut}");
        }
        assert!(read(&message).is_ok());
    }

    #[test]
    fn time_is_linear_in_the_number_of_recipients() {
        // Hundreds of thousands in one kari: something quadratic would not come back.
        let key = seq(&[&issuer_and_serial(1), &octets(b"key")]);
        let keys: Vec<&[u8]> = vec![&key; 300_000];
        let limits = Limits {
            recipients: 300_000,
            ..Limits::default()
        };
        let read = read_with(&enveloped(&[&kari(&keys)]), false, &limits).unwrap();
        assert_eq!(read.listed_recipients().count(), 300_000);
        assert!(!read.encrypted_content.unwrap().is_empty());
    }
}
