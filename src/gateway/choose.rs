//! To whom a message is encrypted for one recipient, and how (draft §4; DESIGN, decision 3).

use crate::cms::write_enveloped::Envelope;
use crate::cms::write_recipient::KeyEncryption;
use crate::cms::write_recipient::Recipient;
use crate::crypto::ContentEncryption;
use crate::crypto::CryptoError;
use crate::crypto::DigestAlgorithm;
use crate::crypto::OaepParameters;
use crate::crypto::RsaEncryption;
use crate::gateway::announced::Announced;
use crate::gateway::choice::Finding;
use crate::gateway::unmet::Unmet;
use crate::mime::smime::CmsEncoding;
use crate::policy::profile::Profile;
use crate::policy::profile::RsaKeyEncryption;
use crate::policy::rule::EncryptTo;
use crate::policy::rule::Readers;
use crate::x509::Certificate;

/// What was found for one recipient.
#[derive(Clone, Debug)]
pub struct Findings {
    /// Its own certificate.
    pub own: Finding,
    /// That of its domain's DCA.
    pub dca: Finding,
    /// What the recipient's own software can read, by what it has signed last; `None` where nobody knows.
    pub announced: Option<Announced>,
}

/// Who can read an encryption for one recipient.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadersFound {
    /// They.
    pub readers: Vec<Reader>,
    /// Whether one is the recipient's own: its RecipientInfo names the recipient.
    pub individual: bool,
}

/// One who can read an encryption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    /// To which it is encrypted.
    pub certificate: Certificate,
    /// What its software can read; `None` where nobody knows.
    pub announced: Option<Announced>,
}

impl Reader {
    /// What its owner has signed in mail counts before what stands in the certificate, which is older (RFC 4262 §3).
    #[must_use]
    pub fn new(certificate: &Certificate, signed: Option<&Announced>) -> Self {
        let in_certificate = || Announced::of(certificate.smime_capabilities()?);
        Self {
            certificate: certificate.clone(),
            announced: signed.cloned().or_else(in_certificate),
        }
    }

    /// Whether nothing is known that would keep it from reading `cipher`.
    #[must_use]
    pub fn may_read(&self, cipher: ContentEncryption) -> bool {
        let announced = self.announced.as_ref();
        announced.is_none_or(|announced| announced.reads(cipher))
    }

    fn has_announced(&self, cipher: ContentEncryption) -> bool {
        let announced = self.announced.as_ref();
        announced.is_some_and(|announced| announced.reads(cipher))
    }
}

impl Findings {
    /// What is asked for before anything is looked up: nothing is there.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            own: Finding::Absent,
            dca: Finding::Absent,
            announced: None,
        }
    }

    /// The certificates to encrypt to as `wanted` says; which of the four answers there is instead.
    ///
    /// Without a good certificate of the recipient's own the DCA's takes its place, whatever the reason: the rule allows
    /// either to read, so neither is plaintext, and whoever keeps one answer away would else hold up all mail. A rule
    /// that wants the recipient alone says so ([`Readers::Recipient`]).
    pub fn readers(&self, wanted: EncryptTo) -> Result<ReadersFound, Unmet> {
        let own = |certificate: &Certificate| Reader::new(certificate, self.announced.as_ref());
        let authority = |certificate: &Certificate| Reader::new(certificate, None);
        match (wanted.readers, &self.own, &self.dca) {
            (Readers::Recipient | Readers::RecipientElseDca, Finding::Found(found), _) => {
                Ok(ReadersFound {
                    readers: vec![own(found)],
                    individual: true,
                })
            }
            (Readers::Dca | Readers::RecipientElseDca, _, Finding::Found(dca)) => {
                Ok(ReadersFound {
                    readers: vec![authority(dca)],
                    individual: false,
                })
            }
            (Readers::Both, Finding::Found(found), Finding::Found(dca)) => Ok(ReadersFound {
                readers: vec![own(found), authority(dca)],
                individual: true,
            }),
            (Readers::Recipient, own, _) => Err(missing(&[("the recipient", own)])),
            (Readers::Dca, _, dca) => Err(missing(&[("the DCA", dca)])),
            (Readers::Both, own, dca) | (Readers::RecipientElseDca, own, dca) => {
                Err(missing(&[("the recipient", own), ("the DCA", dca)]))
            }
        }
    }
}

/// What is missing, the least certain first: what nobody knows is not absent, and what is invalid
/// is not absent either.
fn missing(findings: &[(&str, &Finding)]) -> Unmet {
    let mut unavailable = Vec::new();
    let mut invalid = Vec::new();
    let mut absent = Vec::new();
    let mut found = false;
    for (who, finding) in findings {
        match finding {
            Finding::Absent => absent.push(format!("{who} has published none")),
            Finding::Found(_) => found = true,
            Finding::Invalid(reasons) => invalid.push(reasons.join("; ")),
            Finding::Unavailable(reason) => unavailable.push(reason.clone()),
        }
    }
    match (unavailable.as_slice(), invalid.as_slice()) {
        // One is there and another is not: nobody has said that there is none.
        ([], []) if found => Unmet::CertificateMissing(absent.join(", and ")),
        ([], []) => Unmet::CertificateAbsent(absent.join(", and ")),
        ([], _) => Unmet::CertificateInvalid(invalid.join("; ")),
        _ => Unmet::CertificateUnavailable(unavailable.join("; ")),
    }
}

/// The cipher of content, and why, where what readers have announced decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// It.
    pub cipher: ContentEncryption,
    /// For people.
    pub why: Option<String>,
}

/// What shows changes, the best first: written where all readers have announced it.
const AUTHENTICATED: [ContentEncryption; 2] =
    [ContentEncryption::Aes256Gcm, ContentEncryption::Aes128Gcm];

/// What every client reads, the best first.
const USUAL: [ContentEncryption; 3] = [
    ContentEncryption::Aes256Cbc,
    ContentEncryption::Aes192Cbc,
    ContentEncryption::Aes128Cbc,
];

impl Written {
    /// What is written for `readers`: the cipher of `profile` unless one of them cannot read it, else one that shows
    /// changes where all have announced it, else AES in CBC (DESIGN, decision 3; RFC 8551 §2.7.1.1, whose order of
    /// preference comes after that). Never what we call weak, whatever they announce.
    #[must_use]
    pub fn of(readers: &[Reader], profile: Option<&Profile>) -> Self {
        let wanted = profile.and_then(|profile| profile.cipher);
        let all_may = |cipher| readers.iter().all(|reader| reader.may_read(cipher));
        let all_have = |cipher| readers.iter().all(|reader| reader.has_announced(cipher));
        if let Some(cipher) = wanted.filter(|cipher| all_may(*cipher)) {
            return Self { cipher, why: None };
        }
        let shown = AUTHENTICATED.into_iter().find(|cipher| all_have(*cipher));
        let cipher = shown
            .or_else(|| USUAL.into_iter().find(|cipher| all_may(*cipher)))
            .unwrap_or(ContentEncryption::Aes256Cbc);
        let why = match wanted {
            Some(wanted) => Some(format!(
                "content is encrypted in {}: not every reader has announced {}, which the profile names",
                cipher.as_str(),
                wanted.as_str()
            )),
            None if cipher == ContentEncryption::Aes256Cbc => None,
            None => Some(format!(
                "content is encrypted in {}, as the readers have announced",
                cipher.as_str()
            )),
        };
        Self { cipher, why }
    }
}

/// How layers within an encryption for `readers` are encoded: as `profile` says, else in binary where all have announced
/// that they prefer it, else in base64 (DESIGN, decision 2; RFC 8551 §3.1.2).
#[must_use]
pub fn inside(readers: &[Reader], profile: Option<&Profile>) -> CmsEncoding {
    let prefers = |reader: &Reader| {
        let announced = reader.announced.as_ref();
        announced.is_some_and(Announced::prefers_binary_inside)
    };
    let wanted = profile.and_then(|profile| profile.inside);
    wanted.unwrap_or_else(|| match readers.iter().all(prefers) {
        true if !readers.is_empty() => CmsEncoding::Binary,
        true | false => CmsEncoding::Base64,
    })
}

/// An envelope for `readers`, in the algorithms of `profile`, else in what they have announced, else in what every client
/// reads (DESIGN, decision 3). `originator` describes us.
///
/// Fails when a key is of a kind that nothing is encrypted to.
pub fn envelope(
    readers: &[Reader],
    profile: Option<&Profile>,
    originator: Option<&Certificate>,
) -> Result<Envelope, CryptoError> {
    let cipher = Written::of(readers, profile).cipher;
    let scheme = profile.and_then(|profile| profile.key_encryption);
    let mut recipients = Vec::with_capacity(readers.len());
    for Reader {
        certificate,
        announced,
    } in readers
    {
        let default = KeyEncryption::for_key(certificate.spki(), cipher)?;
        let announced = announced.as_ref().is_some_and(Announced::reads_oaep);
        let scheme = scheme.or(announced.then_some(RsaKeyEncryption::Oaep));
        let key_encryption = match (&default, scheme) {
            (KeyEncryption::KeyTransport(_), Some(RsaKeyEncryption::Oaep)) => {
                let parameters = OaepParameters::plain(DigestAlgorithm::Sha256);
                KeyEncryption::KeyTransport(RsaEncryption::Oaep(parameters))
            }
            _ => default,
        };
        recipients.push(Recipient {
            issuer: certificate.issuer().to_vec(),
            serial: certificate.serial().to_vec(),
            spki: certificate.spki().to_vec(),
            key_encryption,
        });
    }
    Ok(Envelope {
        originator_certificates: originator
            .map(|one| one.der().to_vec())
            .into_iter()
            .collect(),
        ..Envelope::new(cipher, recipients)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::x509::pem;

    fn found(file: &[u8]) -> Finding {
        let mut read = pem::certificates(file, &Limits::default()).unwrap();
        Finding::Found(Box::new(read.remove(0)))
    }

    fn wanted(readers: Readers) -> EncryptTo {
        EncryptTo {
            readers,
            own_dca: false,
        }
    }

    /// What is the matter with a certificate that is not found.
    fn others() -> [Finding; 3] {
        [
            Finding::Absent,
            Finding::Invalid(vec!["another key waits".to_owned()]),
            Finding::Unavailable("two sources name different keys".to_owned()),
        ]
    }

    #[test]
    fn the_dca_reads_for_a_recipient_without_a_good_certificate_whatever_the_reason() {
        let bob = || found(include_bytes!("../../certs/bob.pem"));
        let dca = || found(include_bytes!("../../certs/dca-b.pem"));
        let either = wanted(Readers::RecipientElseDca);
        for own in others() {
            let findings = Findings {
                own,
                dca: dca(),
                announced: None,
            };
            let readers = findings.readers(either).unwrap();
            assert!(!readers.individual, "{findings:?}");
            assert!(matches!(dca(), Finding::Found(one) if readers.readers[0].certificate == *one));
            // Where the rule wants the recipient, nobody else will do.
            assert!(findings.readers(wanted(Readers::Recipient)).is_err());
            assert!(findings.readers(wanted(Readers::Both)).is_err());
        }
        for dca in others() {
            let findings = Findings {
                own: bob(),
                dca,
                announced: None,
            };
            let readers = findings.readers(either).unwrap();
            assert!(readers.individual);
        }
    }

    #[test]
    fn of_two_that_are_missing_the_less_certain_counts() {
        for (place, own) in others().into_iter().enumerate() {
            for (other, dca) in others().into_iter().enumerate() {
                let findings = Findings {
                    own: own.clone(),
                    dca,
                    announced: None,
                };
                let unmet = findings
                    .readers(wanted(Readers::RecipientElseDca))
                    .unwrap_err();
                let expected = match place.max(other) {
                    0 => matches!(unmet, Unmet::CertificateAbsent(_)),
                    1 => matches!(unmet, Unmet::CertificateInvalid(_)),
                    _ => matches!(unmet, Unmet::CertificateUnavailable(_)),
                };
                assert!(expected, "{findings:?}: {unmet:?}");
            }
        }
    }

    /// A reader whose software reads these, or of which nothing is known.
    fn reader(announced: Option<&[ContentEncryption]>) -> Reader {
        let Finding::Found(bob) = found(include_bytes!("../../certs/bob.pem")) else {
            panic!("bob has a certificate");
        };
        Reader::new(&bob, announced.map(Announced::with).as_ref())
    }

    fn profile(cipher: ContentEncryption) -> Profile {
        Profile {
            cipher: Some(cipher),
            ..Profile::default()
        }
    }

    #[test]
    fn content_is_written_as_all_readers_have_announced() {
        use ContentEncryption::{
            Aes128Cbc, Aes128Gcm, Aes256Cbc, Aes256Gcm, ChaCha20Poly1305, DesEde3Cbc,
        };
        let cases: &[(&[Option<&[ContentEncryption]>], Option<_>, _)] = &[
            (&[None], None, Aes256Cbc),
            (&[Some(&[Aes256Cbc, Aes256Gcm])], None, Aes256Gcm),
            (&[Some(&[Aes128Gcm, Aes256Cbc])], None, Aes128Gcm),
            (&[Some(&[Aes256Cbc, Aes128Cbc])], None, Aes256Cbc),
            (&[Some(&[Aes128Cbc, DesEde3Cbc])], None, Aes128Cbc),
            // Nothing weak, though they ask for it.
            (&[Some(&[DesEde3Cbc])], None, Aes256Cbc),
            // What one cannot read is for nobody.
            (&[Some(&[Aes256Gcm]), None], None, Aes256Cbc),
            (
                &[Some(&[Aes256Gcm, Aes128Cbc]), Some(&[Aes128Cbc])],
                None,
                Aes128Cbc,
            ),
            // The officer's word, unless somebody is known not to read it.
            (&[None], Some(ChaCha20Poly1305), ChaCha20Poly1305),
            (&[Some(&[Aes256Cbc, Aes256Gcm])], Some(Aes256Cbc), Aes256Cbc),
            (&[Some(&[Aes256Cbc])], Some(Aes256Gcm), Aes256Cbc),
            (&[Some(&[Aes256Gcm])], Some(ChaCha20Poly1305), Aes256Gcm),
        ];
        for (announced, wanted, expected) in cases {
            let readers: Vec<Reader> = announced.iter().map(|one| reader(*one)).collect();
            let profile = wanted.map(profile);
            let written = Written::of(&readers, profile.as_ref());
            assert_eq!(written.cipher, *expected, "{announced:?} {wanted:?}");
            let usual = wanted.unwrap_or(Aes256Cbc);
            assert_eq!(written.why.is_some(), *expected != usual, "{written:?}");
        }
    }

    #[test]
    fn layers_inside_are_binary_where_all_readers_prefer_it_or_the_profile_says_so() {
        use CmsEncoding::Base64;
        use CmsEncoding::Binary;
        let prefers = || Reader {
            announced: Some(Announced::ours()),
            ..reader(None)
        };
        let silent = || reader(Some(&[ContentEncryption::Aes256Gcm]));
        let profile = |encoding| Profile {
            inside: Some(encoding),
            ..Profile::default()
        };
        for (readers, wanted, expected) in [
            (vec![prefers()], None, Binary),
            (vec![prefers(), silent()], None, Base64),
            (vec![reader(None)], None, Base64),
            (vec![], None, Base64),
            (vec![prefers()], Some(Base64), Base64),
            (vec![reader(None)], Some(Binary), Binary),
        ] {
            let profile = wanted.map(profile);
            assert_eq!(inside(&readers, profile.as_ref()), expected, "{readers:?}");
        }
    }

    #[test]
    fn a_content_key_is_encrypted_by_oaep_where_the_reader_has_announced_it_or_the_profile_says_so()
    {
        let is_oaep = |reader: Reader, profile: Option<&Profile>| {
            let envelope = envelope(&[reader], profile, None).unwrap();
            matches!(
                envelope.recipients[0].key_encryption,
                KeyEncryption::KeyTransport(RsaEncryption::Oaep(_))
            )
        };
        let of = |scheme| Profile {
            key_encryption: Some(scheme),
            ..Profile::default()
        };
        let ours = || Reader {
            announced: Some(Announced::ours()),
            ..reader(None)
        };
        assert!(!is_oaep(reader(None), None));
        assert!(is_oaep(ours(), None));
        assert!(!is_oaep(ours(), Some(&of(RsaKeyEncryption::Pkcs1))));
        assert!(is_oaep(reader(None), Some(&of(RsaKeyEncryption::Oaep))));
        // Nobody announces it to say that the rest cannot be read.
        let silent = reader(Some(&[ContentEncryption::Aes256Cbc]));
        assert!(is_oaep(silent, Some(&of(RsaKeyEncryption::Oaep))));
    }
}
