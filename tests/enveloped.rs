//! EnvelopedData and AuthEnvelopedData by both providers: what one writes the other opens, and what
//! was changed on its way does not open as something else.

#![expect(
    clippy::panic,
    reason = "tests state what must hold; a panic there is the report"
)]

mod keys;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use const_oid::ObjectIdentifier;
use domsec::cms::CmsError;
use domsec::cms::content_info::Cms;
use domsec::cms::content_info::ContentInfo;
use domsec::cms::content_key::EnvelopeCause;
use domsec::cms::content_key::UnwrapError;
use domsec::cms::content_key::content_key;
use domsec::cms::decrypt::DecryptError;
use domsec::cms::decrypt::decrypt;
use domsec::cms::enveloped_data::EnvelopedData;
use domsec::cms::recipient_info::RecipientInfo;
use domsec::cms::write_enveloped::Envelope;
use domsec::cms::write_enveloped::SealError;
use domsec::cms::write_recipient::KeyEncryption;
use domsec::crypto::ContentEncryption;
use domsec::crypto::CryptoError;
use domsec::crypto::DigestAlgorithm;
use domsec::crypto::KeyAgreement;
use domsec::crypto::KeyName;
use domsec::crypto::KeyWrap;
use domsec::crypto::Keys;
use domsec::crypto::Message;
use domsec::crypto::OaepParameters;
use domsec::crypto::PrivateKey;
use domsec::crypto::Provider;
use domsec::crypto::RsaEncryption;
use domsec::crypto::Secret;
use domsec::crypto::SignatureAlgorithm;
use domsec::crypto::algorithms::KeyDerivation;
use domsec::crypto::aws_lc;
use domsec::crypto::provider;
use domsec::crypto::rust_crypto;
use domsec::limits::Budget;
use domsec::limits::LimitError;
use domsec::limits::Limits;
use domsec::octets::Octets;
use domsec::octets::View;
use keys::Identity;
use keys::Ring;

const PEOPLE: &[&str] = &["bob", "carol", "frank", "grace", "erin", "heidi"];
const CONTENT: &[u8] = b"Content-Type: text/plain\r\n\r\nSome content.\r\n";

fn written_ciphers() -> impl Iterator<Item = ContentEncryption> {
    ContentEncryption::ALL
        .into_iter()
        .filter(|cipher| !cipher.is_weak())
}

fn read(der: &[u8]) -> Result<EnvelopedData, CmsError> {
    let view = View::owned(der.to_vec());
    let info = ContentInfo::read(&view, &Limits::default())?;
    match info.cms {
        Cms::Enveloped(enveloped) if info.trailing == 0 => Ok(enveloped),
        Cms::Enveloped(_) => Err(CmsError::ContentType {
            name: "with a tail".to_owned(),
        }),
        Cms::Compressed(_) | Cms::Signed(_) => Err(CmsError::ContentType {
            name: "other".to_owned(),
        }),
    }
}

/// The content, or the chain of what went wrong.
fn open(der: &[u8], keys: &dyn Keys, provider: &Provider) -> Result<Vec<u8>, String> {
    let enveloped = read(der).map_err(|error| error.to_string())?;
    open_read(&enveloped, keys, provider)
}

fn open_read(
    enveloped: &EnvelopedData,
    keys: &dyn Keys,
    provider: &Provider,
) -> Result<Vec<u8>, String> {
    let mut budget = Budget::new(&Limits::default());
    let key = content_key(enveloped, keys, &mut budget, provider)
        .ok_or("no recipientInfo names a key")?
        .map_err(|error| chain(&error))?;
    let mut content = Vec::new();
    decrypt(enveloped, &key, provider, &mut content).map_err(|error| chain(&error))?;
    Ok(content)
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

fn seal(envelope: &Envelope, content: &[u8], provider: &Provider) -> Vec<u8> {
    let mut der = Vec::new();
    envelope
        .write(
            &View::owned(content.to_vec()),
            provider,
            provider.randomness,
            &mut der,
        )
        .unwrap_or_else(|error| panic!("{}", chain(&error)));
    der
}

fn ring(provider: &Provider) -> Ring {
    Ring(
        PEOPLE
            .iter()
            .map(|name| Identity::ours(name, provider))
            .collect(),
    )
}

fn only(ring: Ring, index: usize) -> Ring {
    Ring(ring.0.into_iter().skip(index).take(1).collect())
}

#[test]
fn what_one_provider_writes_every_provider_opens_for_every_recipient() {
    let providers = [provider(), &aws_lc::PROVIDER, &rust_crypto::PROVIDER];
    for cipher in written_ciphers() {
        for writer in providers {
            let people = ring(provider());
            let recipients = people
                .0
                .iter()
                .map(|one| one.recipient(cipher, None))
                .collect();
            let envelope = Envelope::new(cipher, recipients);
            let mut der = Vec::new();
            let content = View::owned(CONTENT.to_vec());
            match envelope.write(&content, writer, writer.randomness, &mut der) {
                Ok(()) => {}
                // aws-lc-rs has no 192-bit wrap and no ChaCha20-Poly1305 by windows.
                Err(error) if writer.name == aws_lc::PROVIDER.name && is_unsupported(&error) => {
                    let lacks =
                        cipher.key_octets() == 24 || cipher == ContentEncryption::ChaCha20Poly1305;
                    assert!(lacks, "{cipher}: {}", chain(&error));
                    continue;
                }
                Err(error) => panic!("{cipher} by {}: {}", writer.name, chain(&error)),
            }
            for reader in [provider(), &rust_crypto::PROVIDER] {
                for (index, person) in PEOPLE.iter().enumerate() {
                    let keys = only(ring(reader), index);
                    let opened = open(&der, &keys, reader);
                    assert!(
                        opened.as_deref() == Ok(CONTENT),
                        "{cipher} by {} for {} by {}: {opened:?}",
                        writer.name,
                        person,
                        reader.name,
                    );
                }
            }
        }
    }
}

fn is_unsupported(error: &SealError) -> bool {
    matches!(
        error,
        SealError::Recipient {
            source: CryptoError::Unsupported,
            ..
        } | SealError::Encrypt(CryptoError::Unsupported)
    )
}

#[test]
fn every_oaep_and_every_agreement_opens() {
    let cipher = ContentEncryption::Aes256Cbc;
    let people = ring(provider());
    let mut ways = Vec::new();
    for digest in DigestAlgorithm::ALL {
        for mask in [DigestAlgorithm::Sha1, DigestAlgorithm::Sha256, digest] {
            for label in [&b""[..], b"label"] {
                let parameters = OaepParameters {
                    digest,
                    mask,
                    label: label.to_vec(),
                };
                ways.push((
                    0,
                    KeyEncryption::KeyTransport(RsaEncryption::Oaep(parameters)),
                ));
            }
        }
    }
    let digests = [
        DigestAlgorithm::Sha1,
        DigestAlgorithm::Sha224,
        DigestAlgorithm::Sha256,
        DigestAlgorithm::Sha384,
        DigestAlgorithm::Sha512,
    ];
    for digest in digests {
        for wrap in [KeyWrap::Aes128, KeyWrap::Aes192, KeyWrap::Aes256] {
            for derivation in [KeyDerivation::X963(digest), KeyDerivation::Hkdf(digest)] {
                for cofactor in [false, true] {
                    let agreement = KeyAgreement {
                        derivation,
                        wrap,
                        cofactor,
                    };
                    ways.extend((1..5).map(|one| (one, KeyEncryption::KeyAgreement(agreement))));
                }
            }
        }
    }
    let mut opened = 0;
    for (index, way) in ways {
        let recipient = people.0[index].recipient(cipher, Some(way.clone()));
        let envelope = Envelope::new(cipher, vec![recipient]);
        let mut der = Vec::new();
        let content = View::owned(CONTENT.to_vec());
        let written = envelope.write(&content, provider(), provider().randomness, &mut der);
        if let Err(error) = written {
            // HKDF has an identifier for three hashes and without cofactor alone (RFC 8418 §7).
            assert!(is_unsupported(&error), "{way:?}: {}", chain(&error));
            assert!(
                matches!(
                    way,
                    KeyEncryption::KeyAgreement(KeyAgreement {
                        derivation: KeyDerivation::Hkdf(_),
                        ..
                    })
                ),
                "{way:?}"
            );
            continue;
        }
        assert_eq!(
            open(&der, &people, provider()).as_deref(),
            Ok(CONTENT),
            "{way:?}"
        );
        opened += 1;
    }
    // 7 hashes of OAEP by 3 masks by 2 labels; 4 curves by 3 wraps by 10 X9.63 and 3 HKDF.
    assert_eq!(opened, 42 + 4 * 3 * 13);
}

#[test]
fn content_of_any_length_comes_back() {
    let bob = Identity::ours("bob", provider());
    for cipher in written_ciphers() {
        for octets in [0, 1, 15, 16, 17, 65_535, 65_536, 65_537, 300_000] {
            let content: Vec<u8> = (0..octets).map(|n: u32| n.to_le_bytes()[0] ^ 3).collect();
            let envelope = Envelope::new(cipher, vec![bob.recipient(cipher, None)]);
            let der = seal(&envelope, &content, provider());
            let keys = Ring(vec![Identity::ours("bob", provider())]);
            assert!(
                open(&der, &keys, provider()) == Ok(content),
                "{cipher}, {octets}"
            );
        }
    }
}

#[test]
fn the_version_is_that_of_rfc_5652_and_recipients_are_sorted() {
    let bob = Identity::ours("bob", provider());
    let carol = Identity::ours("carol", provider());
    let heidi = Identity::ours("heidi", provider());
    let cbc = ContentEncryption::Aes128Cbc;
    let mut envelope = Envelope::new(
        cbc,
        vec![heidi.recipient(cbc, None), bob.recipient(cbc, None)],
    );
    let version = |envelope: &Envelope| read(&seal(envelope, CONTENT, provider())).unwrap().version;
    assert_eq!(version(&envelope), 0);
    envelope.originator_certificates = vec![bob.certificate.der().to_vec()];
    assert_eq!(version(&envelope), 2);
    envelope.originator_certificates.push(vec![0xa2, 0]);
    assert_eq!(version(&envelope), 3);
    envelope.originator_certificates.push(vec![0xa3, 0]);
    assert_eq!(version(&envelope), 4);
    envelope.cipher = ContentEncryption::Aes128Gcm;
    assert_eq!(version(&envelope), 0);
    let agreed = Envelope::new(
        cbc,
        vec![carol.recipient(cbc, None), bob.recipient(cbc, None)],
    );
    assert_eq!(version(&agreed), 2);
    let kinds: Vec<_> = read(&seal(&agreed, CONTENT, provider()))
        .unwrap()
        .listed_recipients()
        .map(|listed| (listed.kind, listed.key_encryption.unwrap()))
        .collect();
    // SEQUENCE sorts before [1] (X.690 §11.6).
    assert_eq!(
        kinds,
        [
            ("ktri", "rsa-pkcs1".to_owned()),
            ("kari", "ecdh-sha256-aes128wrap".to_owned())
        ]
    );
}

#[test]
fn reports_have_the_names_of_the_contract() {
    let cipher = ContentEncryption::Aes256Gcm;
    let oaep = RsaEncryption::Oaep(OaepParameters::plain(DigestAlgorithm::Sha256));
    let x963 = KeyAgreement {
        derivation: KeyDerivation::X963(DigestAlgorithm::Sha256),
        wrap: KeyWrap::Aes256,
        cofactor: false,
    };
    for (name, way, expected) in [
        ("bob", Some(KeyEncryption::KeyTransport(oaep)), "rsa-oaep"),
        ("carol", None, "ecdh-sha256-aes256wrap"),
        ("frank", None, "ecdh-sha384-aes256wrap"),
        ("grace", None, "ecdh-sha512-aes256wrap"),
        (
            "erin",
            Some(KeyEncryption::KeyAgreement(x963)),
            "x25519-sha256-aes256wrap",
        ),
        ("erin", None, "x25519-sha256-aes256wrap"),
    ] {
        let person = Identity::ours(name, provider());
        let envelope = Envelope::new(cipher, vec![person.recipient(cipher, way)]);
        let enveloped = read(&seal(&envelope, CONTENT, provider())).unwrap();
        let listed: Vec<_> = enveloped.listed_recipients().collect();
        assert_eq!(listed[0].key_encryption.as_deref(), Some(expected));
        assert_eq!(listed[0].issuer(), Some(person.certificate.issuer()));
        assert_eq!(listed[0].serial(), Some(person.certificate.serial_hex()));
        assert_eq!(enveloped.content_encryption_name(), "aes-256-gcm");
    }
}

#[test]
fn triple_des_is_never_written() {
    let bob = Identity::ours("bob", provider());
    let cipher = ContentEncryption::DesEde3Cbc;
    let mut sink = Vec::new();
    let error = Envelope::new(cipher, vec![bob.recipient(cipher, None)])
        .write(
            &View::owned(vec![1]),
            provider(),
            provider().randomness,
            &mut sink,
        )
        .unwrap_err();
    assert!(matches!(
        error,
        SealError::Cipher(ContentEncryption::DesEde3Cbc)
    ));
    assert!(sink.is_empty());
}

#[test]
fn a_signing_key_and_no_recipient_are_refused() {
    let dave = Identity::ours("dave", provider());
    let cipher = ContentEncryption::Aes128Cbc;
    assert_eq!(
        KeyEncryption::for_key(dave.certificate.spki(), cipher),
        Err(CryptoError::Unsupported)
    );
    let empty = View::owned(Vec::new());
    let refused = |envelope: Envelope| {
        let mut sink = Vec::new();
        let error = envelope
            .write(&empty, provider(), provider().randomness, &mut sink)
            .unwrap_err();
        assert!(sink.is_empty());
        error.to_string()
    };
    assert_eq!(
        refused(Envelope::new(cipher, Vec::new())),
        "content has no recipient to be encrypted to"
    );
    let transport = KeyEncryption::KeyTransport(RsaEncryption::Pkcs1);
    let recipient = dave.recipient(cipher, Some(transport));
    assert_eq!(
        refused(Envelope::new(cipher, vec![recipient])),
        "content-encryption key could not be encrypted to recipient number 1"
    );
}

#[test]
fn another_content_type_is_authenticated() {
    let bob = Identity::ours("bob", provider());
    let cipher = ContentEncryption::Aes256Gcm;
    let mut envelope = Envelope::new(cipher, vec![bob.recipient(cipher, None)]);
    envelope.content_type = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
    let der = seal(&envelope, CONTENT, provider());
    let keys = Ring(vec![bob]);
    let mut enveloped = read(&der).unwrap();
    assert_eq!(
        open_read(&enveloped, &keys, provider()).as_deref(),
        Ok(CONTENT)
    );
    enveloped.content_type = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
    assert_eq!(
        open_read(&enveloped, &keys, provider()).unwrap_err(),
        "content could not be decrypted: authAttrs are malformed: contentType is another"
    );
    enveloped.authenticated_attributes = None;
    assert!(open_read(&enveloped, &keys, provider()).is_err());
    enveloped.content_type = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
    assert_eq!(
        open_read(&enveloped, &keys, provider()).unwrap_err(),
        "content could not be decrypted: authAttrs are malformed: they are absent"
    );
}

#[test]
fn a_changed_bit_of_an_authenticated_message_never_opens_as_other_content() {
    for (person, cipher) in [
        ("bob", ContentEncryption::Aes128Gcm),
        ("carol", ContentEncryption::ChaCha20Poly1305),
        ("erin", ContentEncryption::Aes256Gcm),
    ] {
        let identity = Identity::ours(person, provider());
        let envelope = Envelope::new(cipher, vec![identity.recipient(cipher, None)]);
        let der = seal(&envelope, CONTENT, provider());
        let keys = Ring(vec![identity]);
        assert_eq!(open(&der, &keys, provider()).as_deref(), Ok(CONTENT));
        let mut opened = 0;
        for at in 0..der.len() {
            let mut changed = der.clone();
            changed[at] ^= 1 << (at % 8);
            if let Ok(content) = open(&changed, &keys, provider()) {
                // The version, which authenticates nothing.
                assert_eq!(content, CONTENT, "octet {at}");
                opened += 1;
            }
        }
        assert!(opened < 10, "{person}: {opened}");
    }
}

#[test]
fn a_message_cut_off_anywhere_does_not_open() {
    for cipher in [ContentEncryption::Aes128Cbc, ContentEncryption::Aes128Gcm] {
        let carol = Identity::ours("carol", provider());
        let envelope = Envelope::new(cipher, vec![carol.recipient(cipher, None)]);
        let der = seal(&envelope, CONTENT, provider());
        let keys = Ring(vec![carol]);
        for cut in 0..der.len() {
            assert!(read(&der[..cut]).is_err(), "{cut}");
        }
        assert!(open(&der, &keys, provider()).is_ok());
    }
}

#[test]
fn bad_pkcs1_padding_fails_as_a_wrong_key_does() {
    let bob = Identity::ours("bob", provider());
    for cipher in [ContentEncryption::Aes128Cbc, ContentEncryption::Aes128Gcm] {
        let envelope = Envelope::new(cipher, vec![bob.recipient(cipher, None)]);
        // Long enough that a random key does not by chance give good padding to all.
        let der = seal(&envelope, &[7; 1000], provider());
        for reader in [provider(), &rust_crypto::PROVIDER] {
            let keys = Ring(vec![Identity::ours("bob", reader)]);
            for bad in [
                &[1; 256][..],
                &[0; 256],
                &[255; 256],
                &[],
                &[3; 17],
                &[4; 300],
            ] {
                let mut enveloped = read(&der).unwrap();
                let RecipientInfo::KeyTransport { encrypted_key, .. } =
                    &mut enveloped.recipients[0]
                else {
                    panic!();
                };
                *encrypted_key = bad.to_vec();
                let mut budget = Budget::new(&Limits::default());
                let key = content_key(&enveloped, &keys, &mut budget, reader)
                    .expect("the recipientInfo names bob")
                    .expect("a random key stands in");
                let mut content = Vec::new();
                match decrypt(&enveloped, &key, reader, &mut content) {
                    Err(DecryptError::Failed(EnvelopeCause::Crypto(CryptoError::Failed))) => {}
                    // CBC: one random key of 255 gives good padding.
                    Ok(()) if !cipher.is_authenticated() => assert_ne!(content, [7; 1000]),
                    outcome => panic!("{cipher} by {}: {outcome:?}", reader.name),
                }
            }
        }
    }
}

#[test]
fn a_key_of_another_length_becomes_a_random_one_in_pkcs1_and_fails_in_oaep() {
    let bob = Identity::ours("bob", provider());
    let of_16 = ContentEncryption::Aes128Cbc;
    let of_32 = ContentEncryption::Aes256Cbc;
    let oaep = RsaEncryption::Oaep(OaepParameters::plain(DigestAlgorithm::Sha256));
    for scheme in [RsaEncryption::Pkcs1, oaep] {
        let way = || Some(KeyEncryption::KeyTransport(scheme.clone()));
        let short = Envelope::new(of_16, vec![bob.recipient(of_16, way())]);
        let long = Envelope::new(of_32, vec![bob.recipient(of_32, way())]);
        let mut enveloped = read(&seal(&long, CONTENT, provider())).unwrap();
        enveloped.recipients = read(&seal(&short, CONTENT, provider())).unwrap().recipients;
        let keys = Ring(vec![Identity::ours("bob", provider())]);
        let mut budget = Budget::new(&Limits::default());
        let outcome = content_key(&enveloped, &keys, &mut budget, provider()).unwrap();
        match scheme {
            RsaEncryption::Pkcs1 => assert!(outcome.is_ok()),
            RsaEncryption::Oaep(_) => assert_eq!(
                chain(&outcome.unwrap_err()),
                "content-encryption key could not be recovered: \
                 content-encryption key has 16 octets, aes-256-cbc has 32"
            ),
        }
    }
}

#[test]
fn a_cipher_of_the_other_content_type_is_refused() {
    let bob = Identity::ours("bob", provider());
    let gcm = ContentEncryption::Aes128Gcm;
    let envelope = Envelope::new(gcm, vec![bob.recipient(gcm, None)]);
    let mut enveloped = read(&seal(&envelope, CONTENT, provider())).unwrap();
    enveloped.authenticated = false;
    enveloped.mac = Vec::new();
    let keys = Ring(vec![bob]);
    assert_eq!(
        open_read(&enveloped, &keys, provider()).unwrap_err(),
        "content-encryption key could not be recovered: \
         aes-128-gcm does not belong into this content type"
    );
}

#[test]
fn a_shortened_mac_is_refused() {
    let bob = Identity::ours("bob", provider());
    let gcm = ContentEncryption::Aes128Gcm;
    let envelope = Envelope::new(gcm, vec![bob.recipient(gcm, None)]);
    let mut enveloped = read(&seal(&envelope, CONTENT, provider())).unwrap();
    enveloped.mac.truncate(12);
    assert_eq!(
        open_read(&enveloped, &Ring(vec![bob]), provider()).unwrap_err(),
        "content could not be decrypted: mac has 12 octets, the parameters say 16"
    );
}

/// A key store that counts, and may be out of order.
#[derive(Debug)]
struct Store {
    ring: Ring,
    unavailable: bool,
    asked: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Down;

impl PrivateKey for Down {
    fn spki(&self) -> &[u8] {
        &[]
    }
    fn sign(&self, _: &SignatureAlgorithm, _: Message<'_>) -> Result<Vec<u8>, CryptoError> {
        Err(CryptoError::Unavailable)
    }
    fn decrypt(&self, _: &RsaEncryption, _: &[u8]) -> Result<Secret, CryptoError> {
        Err(CryptoError::Unavailable)
    }
    fn agree(&self, _: &[u8]) -> Result<Secret, CryptoError> {
        Err(CryptoError::Unavailable)
    }
}

impl Keys for Store {
    fn find(&self, name: KeyName<'_>) -> Option<&dyn PrivateKey> {
        let found = self.ring.find(name)?;
        self.asked.fetch_add(1, Ordering::Relaxed);
        Some(if self.unavailable { &Down } else { found })
    }
}

fn store(unavailable: bool) -> Store {
    Store {
        ring: ring(provider()),
        unavailable,
        asked: Arc::default(),
    }
}

#[test]
fn nobody_of_ours_is_none_and_a_dead_key_store_is_unavailable() {
    let heidi = Identity::ours("heidi", provider());
    let cipher = ContentEncryption::Aes128Cbc;
    let envelope = Envelope::new(cipher, vec![heidi.recipient(cipher, None)]);
    let enveloped = read(&seal(&envelope, CONTENT, provider())).unwrap();
    let mut budget = Budget::new(&Limits::default());
    let none = content_key(&enveloped, &Ring::default(), &mut budget, provider());
    assert!(none.is_none());
    let dead = content_key(&enveloped, &store(true), &mut budget, provider());
    assert!(matches!(dead, Some(Err(UnwrapError::KeyStore))), "{dead:?}");
}

#[test]
fn each_trial_costs_one_key_operation_and_the_first_that_works_counts() {
    let carol = Identity::ours("carol", provider());
    let cipher = ContentEncryption::Aes128Cbc;
    let envelope = Envelope::new(cipher, vec![carol.recipient(cipher, None)]);
    let mut enveloped = read(&seal(&envelope, CONTENT, provider())).unwrap();
    // Two that do not unwrap before the one that does.
    let mut bad = enveloped.recipients[0].clone();
    let RecipientInfo::KeyAgreement { keys, .. } = &mut bad else {
        panic!();
    };
    keys[0].encrypted_key[0] ^= 1;
    keys.push(keys[0].clone());
    enveloped.recipients.insert(0, bad);
    let limits = |key_operations| Limits {
        key_operations,
        ..Limits::default()
    };
    let store = store(false);
    let mut enough = Budget::new(&limits(3));
    let found = content_key(&enveloped, &store, &mut enough, provider());
    assert!(matches!(found, Some(Ok(_))), "{found:?}");
    assert_eq!(store.asked.load(Ordering::Relaxed), 3);
    assert!(enough.key_operation().is_err());
    let mut short = Budget::new(&limits(2));
    let refused = content_key(&enveloped, &store, &mut short, provider());
    assert!(
        matches!(
            refused,
            Some(Err(UnwrapError::Budget(LimitError { asked: 3, .. })))
        ),
        "{refused:?}"
    );
    enveloped.recipients.pop();
    let failed = content_key(&enveloped, &store, &mut Budget::new(&limits(9)), provider());
    assert_eq!(
        chain(&failed.unwrap().unwrap_err()),
        "content-encryption key could not be recovered: cryptographic check failed"
    );
}

#[test]
fn five_thousand_recipients_are_written_listed_and_opened() {
    let people = ring(provider());
    let cipher = ContentEncryption::Aes256Cbc;
    let stranger = Identity::ours("carol", provider());
    let mut recipients = vec![people.0[0].recipient(cipher, None)];
    for serial in 0..4_999_u16 {
        let mut recipient = stranger.recipient(cipher, None);
        recipient.serial = [&[1][..], &serial.to_be_bytes()].concat();
        recipients.push(recipient);
    }
    let der = seal(&Envelope::new(cipher, recipients), CONTENT, provider());
    let enveloped = read(&der).unwrap();
    assert_eq!(enveloped.listed_recipients().count(), 5_000);
    assert_eq!(
        open_read(&enveloped, &people, provider()).as_deref(),
        Ok(CONTENT)
    );
}

#[test]
fn encrypted_content_that_is_elsewhere_is_named() {
    let bob = Identity::ours("bob", provider());
    let cipher = ContentEncryption::Aes128Cbc;
    let envelope = Envelope::new(cipher, vec![bob.recipient(cipher, None)]);
    let mut enveloped = read(&seal(&envelope, CONTENT, provider())).unwrap();
    assert!(
        enveloped
            .encrypted_content
            .as_ref()
            .is_some_and(|content| !content.is_empty())
    );
    enveloped.encrypted_content = None;
    assert_eq!(
        open_read(&enveloped, &Ring(vec![bob]), provider()).unwrap_err(),
        "content could not be decrypted: encrypted content is not in the message"
    );
}

/// A generator that gives the same every time (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or(0) % bound
    }
}

#[test]
fn mutilated_messages_are_refused_or_opened_without_a_panic() {
    let people = ring(provider());
    let mut dice = Dice(0x5eed);
    for cipher in [
        ContentEncryption::Aes256Cbc,
        ContentEncryption::Aes128Gcm,
        ContentEncryption::ChaCha20Poly1305,
    ] {
        let recipients = people.0[1..5]
            .iter()
            .map(|one| one.recipient(cipher, None))
            .collect();
        let der = seal(&Envelope::new(cipher, recipients), CONTENT, provider());
        for _ in 0..3_000 {
            let mut message = der.clone();
            for _ in 0..=dice.below(4) {
                let at = dice.below(message.len());
                match dice.below(5) {
                    0 => message[at] = 0x80,
                    1 => message[at] = u8::try_from(dice.below(256)).unwrap(),
                    2 => message.truncate(at.max(1)),
                    3 => message.insert(at, 0),
                    _ => message[at] |= 0x20,
                }
            }
            let Ok(enveloped) = read(&message) else {
                continue;
            };
            assert!(enveloped.listed_recipients().count() < 100);
            let opened = open_read(&enveloped, &people, provider());
            if enveloped.authenticated && opened.is_ok() {
                assert_eq!(opened.as_deref(), Ok(CONTENT));
            }
        }
    }
}

#[test]
fn a_changed_bit_of_cbc_never_panics() {
    let carol = Identity::ours("carol", provider());
    let cipher = ContentEncryption::Aes128Cbc;
    let der = seal(
        &Envelope::new(cipher, vec![carol.recipient(cipher, None)]),
        CONTENT,
        provider(),
    );
    let keys = Ring(vec![carol]);
    for at in 0..der.len() * 8 {
        let mut changed = der.clone();
        changed[at / 8] ^= 1 << (at % 8);
        // CBC authenticates nothing: what opens is not to be trusted.
        let _ = open(&changed, &keys, provider());
    }
}
