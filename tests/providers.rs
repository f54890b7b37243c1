//! The two providers against each other, and the table of `crypto/mod.rs` that says who does what.

use std::collections::BTreeMap;
use std::path::Path;

use aws_lc_rs::encoding::AsBigEndian;
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::encoding::Curve25519SeedBin;
use domsec::crypto::ContentEncryption;
use domsec::crypto::CryptoError;
use domsec::crypto::Curve;
use domsec::crypto::DigestAlgorithm;
use domsec::crypto::KeyWrap;
use domsec::crypto::Message;
use domsec::crypto::OaepParameters;
use domsec::crypto::PrivateKey;
use domsec::crypto::Provider;
use domsec::crypto::PssParameters;
use domsec::crypto::RsaEncryption;
use domsec::crypto::SignatureAlgorithm;
use domsec::crypto::SystemRandomness;
use domsec::crypto::aws_lc;
use domsec::crypto::private_key_file;
use domsec::crypto::provider;
use domsec::crypto::public_key::PublicKey;
use domsec::crypto::rust_crypto;
use domsec::crypto::transport;
use domsec::limits::Limits;

const PROVIDERS: [&Provider; 2] = [&aws_lc::PROVIDER, &rust_crypto::PROVIDER];

use DigestAlgorithm::{Sha1, Sha224, Sha256, Sha384, Sha512, Sha512_224, Sha512_256};

/// Keys of every kind, by name, as PKCS#8.
fn keys() -> BTreeMap<&'static str, Vec<u8>> {
    use aws_lc_rs::agreement;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa;
    use aws_lc_rs::signature;
    let rsa = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
    let ec = |algorithm| {
        let pair = signature::EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new());
        pair.unwrap().as_ref().to_vec()
    };
    let x25519 = agreement::PrivateKey::generate(&agreement::X25519).unwrap();
    let x25519: Curve25519SeedBin<'_> = x25519.as_be_bytes().unwrap();
    let prefix = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x6e\x04\x22\x04\x20";
    let ed25519 = signature::Ed25519KeyPair::generate().unwrap();
    BTreeMap::from([
        ("rsa", rsa.as_der().unwrap().as_ref().to_vec()),
        ("rsa1024", small_rsa()),
        ("p256", ec(&signature::ECDSA_P256_SHA256_ASN1_SIGNING)),
        ("p384", ec(&signature::ECDSA_P384_SHA384_ASN1_SIGNING)),
        ("p521", ec(&signature::ECDSA_P521_SHA512_ASN1_SIGNING)),
        ("ed25519", ed25519.to_pkcs8v1().unwrap().as_ref().to_vec()),
        ("x25519", [prefix, x25519.as_ref()].concat()),
    ])
}

fn file(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/key_files");
    std::fs::read(folder.join(name)).unwrap()
}

fn small_rsa() -> Vec<u8> {
    let keys = private_key_file::read(&file("rsa.pem"), None, &Limits::default());
    keys.unwrap()[0].to_vec()
}

fn pss(digest: DigestAlgorithm, mask: DigestAlgorithm, salt: u32) -> SignatureAlgorithm {
    SignatureAlgorithm::RsaPss(PssParameters { digest, mask, salt })
}

fn oaep(digest: DigestAlgorithm, mask: DigestAlgorithm, label: &[u8]) -> RsaEncryption {
    RsaEncryption::Oaep(OaepParameters {
        digest,
        mask,
        label: label.to_vec(),
    })
}

/// All signature algorithms that go with a kind of key.
fn signature_algorithms(key: &str) -> Vec<SignatureAlgorithm> {
    let digests = DigestAlgorithm::ALL.into_iter();
    match key {
        "rsa" | "rsa1024" => digests
            .flat_map(|digest| {
                let plain = PssParameters::plain(digest);
                [
                    SignatureAlgorithm::RsaPkcs1(digest),
                    SignatureAlgorithm::RsaPss(plain),
                    pss(digest, Sha1, plain.salt),
                    pss(digest, digest, 0),
                    pss(digest, Sha512_256, 11),
                ]
            })
            .collect(),
        "p256" | "p384" | "p521" => digests.map(SignatureAlgorithm::Ecdsa).collect(),
        "ed25519" => vec![SignatureAlgorithm::Ed25519],
        _ => vec![],
    }
}

#[test]
fn what_one_provider_signs_the_other_verifies() {
    let mut verified = BTreeMap::new();
    for (name, pkcs8) in keys() {
        for signer in PROVIDERS {
            let Ok(key) = signer.private_keys.read(&pkcs8) else {
                assert_eq!((name, signer.name), ("rsa1024", "aws-lc"));
                continue;
            };
            for algorithm in signature_algorithms(name) {
                let signature = match key.sign(&algorithm, Message::Octets(b"text")) {
                    Ok(signature) => signature,
                    Err(error) => {
                        assert_eq!(error, CryptoError::Unsupported, "{name} {algorithm}");
                        continue;
                    }
                };
                for verifier in PROVIDERS {
                    let who = (signer.name, verifier.name);
                    if verify(verifier, key.spki(), &algorithm, &signature) {
                        *verified.entry(who).or_insert(0) += 1;
                    }
                }
            }
        }
    }
    // RSA 2048: 6 digests of PKCS#1 and 4 times 6 of PSS; 1024 the same, but for SHA-512 with a
    // salt of its length, which does not fit; EC 3 times 6; Ed25519.
    let expected = [
        (("aws-lc", "aws-lc"), 13),
        (("aws-lc", "rust-crypto"), 13),
        (("rust-crypto", "aws-lc"), 19),
        (("rust-crypto", "rust-crypto"), 77),
    ];
    assert_eq!(verified, BTreeMap::from(expected));
}

/// Whether `verifier` verifies it; it must refuse another text then, and by digest do the same.
fn verify(
    verifier: &Provider,
    spki: &[u8],
    algorithm: &SignatureAlgorithm,
    signature: &[u8],
) -> bool {
    let check = |message| {
        let verification = verifier.verification;
        let verdict = verification.verify(spki, algorithm, message, signature);
        verdict.map(|_valid| ())
    };
    let verdict = check(Message::Octets(b"text"));
    if verdict == Err(CryptoError::Unsupported) {
        return false;
    }
    assert_eq!(verdict, Ok(()), "{algorithm} by {}", verifier.name);
    assert_eq!(check(Message::Octets(b"next")), Err(CryptoError::Failed));
    if let Some(digest) = algorithm.digest() {
        let mut digester = provider().digests.start(digest).unwrap();
        digester.update(b"text");
        let hashed = digester.finish();
        assert_eq!(check(Message::Digest(digest, &hashed)), Ok(()));
        let cut = &hashed[..hashed.len() - 1];
        assert_eq!(
            check(Message::Digest(digest, cut)),
            Err(CryptoError::Malformed)
        );
        let other = if digest == Sha256 { Sha384 } else { Sha256 };
        let by_other = check(Message::Digest(other, &hashed));
        assert_eq!(by_other, Err(CryptoError::Malformed));
    }
    true
}

#[test]
fn a_key_has_the_same_public_half_with_both_providers() {
    for (name, pkcs8) in keys() {
        let ours = provider().private_keys.read(&pkcs8).unwrap();
        for provider in PROVIDERS {
            match provider.private_keys.read(&pkcs8) {
                Ok(key) => assert_eq!(key.spki(), ours.spki(), "{name} by {}", provider.name),
                Err(error) => assert_eq!(
                    (error, name, provider.name),
                    (CryptoError::Unsupported, "rsa1024", "aws-lc")
                ),
            }
        }
    }
}

#[test]
fn weak_signatures_of_openssl_are_verified() {
    let algorithms = |name: &str, digest| match name {
        "rsa" => SignatureAlgorithm::RsaPkcs1(digest),
        "dsa" | "dsa1024" => SignatureAlgorithm::Dsa(digest),
        _ => SignatureAlgorithm::Ecdsa(digest),
    };
    let mut by = BTreeMap::new();
    for name in ["rsa", "ec", "p384", "p521", "dsa", "dsa1024"] {
        let spki = file(&format!("{name}.spki"));
        for (digest, suffix) in [(Sha1, "sha1"), (Sha256, "sha256")] {
            let algorithm = algorithms(name, digest);
            let signature = file(&format!("{name}-{suffix}.sig"));
            for provider in PROVIDERS {
                let check = |text| {
                    let message = Message::Octets(text);
                    let verification = provider.verification;
                    let verdict = verification.verify(&spki, &algorithm, message, &signature);
                    verdict.map(|_valid| ())
                };
                match check(b"weak") {
                    Err(CryptoError::Unsupported) => continue,
                    verdict => assert_eq!(verdict, Ok(()), "{name} {algorithm}"),
                }
                assert_eq!(
                    check(b"week"),
                    Err(CryptoError::Failed),
                    "{name} {algorithm}"
                );
                *by.entry(provider.name).or_insert(0) += 1;
            }
        }
    }
    assert_eq!(by, BTreeMap::from([("aws-lc", 7), ("rust-crypto", 12)]));
}

#[test]
fn what_one_provider_encrypts_to_rsa_the_other_decrypts() {
    let keys = keys();
    let mut schemes = vec![RsaEncryption::Pkcs1];
    for digest in [Sha1, Sha256, Sha384, Sha512, Sha224, Sha512_256] {
        schemes.push(oaep(digest, digest, b""));
        schemes.push(oaep(digest, digest, b"label"));
        schemes.push(oaep(digest, Sha1, b""));
    }
    let mut opened = BTreeMap::new();
    for scheme in &schemes {
        for sender in PROVIDERS {
            for reader in PROVIDERS {
                let key = reader.private_keys.read(&keys["rsa"]).unwrap();
                let secret = [7; 32];
                let Ok(ciphertext) = sender.establishment.encrypt(key.spki(), scheme, &secret)
                else {
                    continue;
                };
                match key.decrypt(scheme, &ciphertext) {
                    Ok(opened) => assert_eq!(*opened, secret),
                    Err(error) => {
                        assert_eq!(error, CryptoError::Unsupported);
                        continue;
                    }
                }
                *opened.entry((sender.name, reader.name)).or_insert(0) += 1;
            }
        }
    }
    // PKCS#1; OAEP with one hash of four, with and without a label; SHA-1 over SHA-1 once more.
    let expected = [
        (("aws-lc", "aws-lc"), 10),
        (("aws-lc", "rust-crypto"), 10),
        (("rust-crypto", "aws-lc"), 10),
        (("rust-crypto", "rust-crypto"), 19),
    ];
    assert_eq!(opened, BTreeMap::from(expected));
}

#[test]
fn pkcs1_never_tells_with_either_provider() {
    let pkcs8 = &keys()["rsa"];
    for reader in PROVIDERS {
        let key = reader.private_keys.read(pkcs8).unwrap();
        let encrypt = |secret: &[u8]| {
            let establishment = provider().establishment;
            let scheme = &RsaEncryption::Pkcs1;
            establishment.encrypt(key.spki(), scheme, secret).unwrap()
        };
        let open = |ciphertext: &[u8]| {
            let key = key.as_ref();
            transport::unwrap_pkcs1(key, ciphertext, 32, &SystemRandomness).unwrap()
        };
        assert_eq!(*open(&encrypt(&[9; 32])), [9; 32]);
        let too_large = [0xFF; 256];
        for ciphertext in [
            &encrypt(&[9; 16])[..],
            &[5; 256],
            &[5; 255],
            &[],
            &too_large,
        ] {
            let (one, other) = (open(ciphertext), open(ciphertext));
            assert_eq!((one.len(), other.len()), (32, 32));
            assert_ne!(*one, [9; 32]);
        }
        // A key of another length becomes a new one each time.
        let short = encrypt(&[9; 16]);
        assert_ne!(open(&short), open(&short));
    }
}

#[test]
fn both_sides_of_an_agreement_have_the_same_secret() {
    let keys = keys();
    for (name, curve) in [
        ("p256", Curve::P256),
        ("p384", Curve::P384),
        ("p521", Curve::P521),
        ("x25519", Curve::X25519),
    ] {
        for sender in PROVIDERS {
            for reader in PROVIDERS {
                let key = reader.private_keys.read(&keys[name]).unwrap();
                let public = match PublicKey::decode(key.spki()).unwrap() {
                    PublicKey::Ec { point, .. } => point,
                    PublicKey::X25519(public) => public,
                    other => panic!("{other:?}"),
                };
                let agree = |peer| sender.establishment.agree_ephemeral(curve, peer);
                let (ephemeral, secret) = agree(public).unwrap();
                assert_eq!(key.agree(&ephemeral).unwrap(), secret, "{name}");
                assert_eq!(secret.len(), curve.octets());
                // What is not in the form of this curve's keys, and what is not on it.
                let malformed = Err(CryptoError::Malformed);
                assert_eq!(key.agree(key.spki()).map(|_| ()), malformed, "{name}");
                assert_eq!(key.agree(&public[1..]).map(|_| ()), malformed, "{name}");
                let off = [&public[..1], &vec![0xA5; public.len() - 1]].concat();
                if curve != Curve::X25519 {
                    assert_eq!(key.agree(&off).map(|_| ()), malformed, "{name}");
                    assert_eq!(agree(&off).map(|_| ()), malformed, "{name}");
                }
                let zeros = vec![0; public.len()];
                assert_eq!(key.agree(&zeros).map(|_| ()), malformed, "{name}");
            }
        }
    }
}

#[test]
fn what_one_provider_wraps_the_other_unwraps() {
    for wrap in [KeyWrap::Aes128, KeyWrap::Aes192, KeyWrap::Aes256] {
        let kek = vec![3; wrap.key_octets()];
        let ours = provider().establishment.wrap(wrap, &kek, &[7; 32]).unwrap();
        for provider in PROVIDERS {
            let establishment = provider.establishment;
            let Ok(made) = establishment.wrap(wrap, &kek, &[7; 32]) else {
                assert_eq!((wrap, provider.name), (KeyWrap::Aes192, "aws-lc"));
                continue;
            };
            assert_eq!(made, ours);
            let mut damaged = made.clone();
            assert_eq!(*establishment.unwrap(wrap, &kek, &made).unwrap(), [7; 32]);
            damaged[0] ^= 1;
            let failed = establishment.unwrap(wrap, &kek, &damaged);
            assert_eq!(failed, Err(CryptoError::Failed));
            let wrong = establishment.unwrap(wrap, &kek[1..], &made);
            assert_eq!(wrong, Err(CryptoError::Malformed));
            assert!(establishment.wrap(wrap, &kek, &[7; 8]).is_err());
            assert!(establishment.wrap(wrap, &kek, &[7; 17]).is_err());
        }
    }
}

#[test]
fn what_one_provider_encrypts_the_other_decrypts() {
    let plaintext: Vec<u8> = (0..=255).cycle().take(150_001).collect();
    let mut opened = BTreeMap::new();
    for cipher in ContentEncryption::ALL {
        let key = vec![5; cipher.key_octets()];
        let nonce = vec![6; cipher.nonce_octets()];
        for sender in PROVIDERS {
            let start = sender.ciphers.encryptor(cipher, &key, &nonce, &[]);
            let Ok(mut encryptor) = start else { continue };
            let mut ciphertext = Vec::new();
            for window in plaintext.chunks(65_536) {
                encryptor.update(window, &mut ciphertext).unwrap();
            }
            let tag = encryptor.finish(&mut ciphertext).unwrap();
            let expected = cipher.ciphertext_octets(150_001).unwrap();
            assert_eq!(u64::try_from(ciphertext.len()), Ok(expected));
            for reader in PROVIDERS {
                let decrypt = |ciphertext: &[u8]| {
                    let start = reader.ciphers.decryptor(cipher, &key, &nonce, &[]);
                    let mut decryptor = start?;
                    let mut output = Vec::new();
                    for window in ciphertext.chunks(65_536) {
                        decryptor.update(window, &mut output)?;
                    }
                    decryptor.finish(&tag, &mut output)?;
                    Ok(output)
                };
                match decrypt(&ciphertext) {
                    Err(CryptoError::Unsupported) => continue,
                    decrypted => assert!(decrypted.as_ref() == Ok(&plaintext), "{cipher}"),
                }
                let cut = decrypt(&ciphertext[..ciphertext.len() - 1]);
                assert_eq!(cut.unwrap_err(), CryptoError::Failed, "{cipher}");
                assert_eq!(decrypt(&[]).unwrap_err(), CryptoError::Failed, "{cipher}");
                *opened.entry((sender.name, reader.name)).or_insert(0) += 1;
            }
        }
    }
    let expected = [
        (("aws-lc", "aws-lc"), 6),
        (("aws-lc", "rust-crypto"), 6),
        (("rust-crypto", "aws-lc"), 6),
        (("rust-crypto", "rust-crypto"), 7),
    ];
    assert_eq!(opened, BTreeMap::from(expected));
}

/// One row of the table: what it says, and everything that it says it of.
type Row = (&'static str, Vec<Box<dyn Fn(&Provider) -> bool>>);

/// Whether an outcome, of whatever kind, says that the provider has got the algorithm.
fn has<T>(outcome: Result<T, CryptoError>) -> bool {
    !matches!(outcome, Err(CryptoError::Unsupported))
}

fn digests(algorithms: &[DigestAlgorithm]) -> Vec<Box<dyn Fn(&Provider) -> bool>> {
    algorithms
        .iter()
        .map(|algorithm| -> Box<dyn Fn(&Provider) -> bool> {
            let algorithm = *algorithm;
            Box::new(move |provider| has(provider.digests.start(algorithm)))
        })
        .collect()
}

fn verifies(
    spki: &[u8],
    algorithms: impl IntoIterator<Item = SignatureAlgorithm>,
) -> Vec<Box<dyn Fn(&Provider) -> bool>> {
    algorithms
        .into_iter()
        .map(|algorithm| -> Box<dyn Fn(&Provider) -> bool> {
            let spki = spki.to_vec();
            Box::new(move |provider| {
                let message = Message::Octets(b"text");
                let verification = provider.verification;
                has(verification.verify(&spki, &algorithm, message, &[0; 8]))
            })
        })
        .collect()
}

/// What a provider's own key does; a key that it does not read does nothing.
fn with_key<F>(pkcs8: &[u8], act: F) -> Box<dyn Fn(&Provider) -> bool>
where
    F: Fn(&dyn PrivateKey) -> bool + 'static,
{
    let pkcs8 = pkcs8.to_vec();
    Box::new(move |provider| {
        let key = provider.private_keys.read(&pkcs8);
        key.is_ok_and(|key| act(key.as_ref()))
    })
}

fn signs(
    pkcs8: &[u8],
    algorithms: impl IntoIterator<Item = SignatureAlgorithm>,
) -> Vec<Box<dyn Fn(&Provider) -> bool>> {
    let probe = |algorithm: SignatureAlgorithm| {
        with_key(pkcs8, move |key| {
            has(key.sign(&algorithm, Message::Octets(b"text")))
        })
    };
    algorithms.into_iter().map(probe).collect()
}

fn transports(
    pkcs8: &[u8],
    schemes: impl IntoIterator<Item = RsaEncryption>,
) -> Vec<Box<dyn Fn(&Provider) -> bool>> {
    let probe = |scheme: RsaEncryption| with_key(pkcs8, move |key| has(key.decrypt(&scheme, &[0])));
    schemes.into_iter().map(probe).collect()
}

fn ciphers(
    algorithms: &[ContentEncryption],
    nonce: Option<usize>,
    decrypts: bool,
) -> Vec<Box<dyn Fn(&Provider) -> bool>> {
    algorithms
        .iter()
        .map(|algorithm| -> Box<dyn Fn(&Provider) -> bool> {
            let algorithm = *algorithm;
            let key = vec![1; algorithm.key_octets()];
            let nonce = vec![2; nonce.unwrap_or(algorithm.nonce_octets())];
            Box::new(move |provider| {
                let ciphers = provider.ciphers;
                if decrypts {
                    has(ciphers.decryptor(algorithm, &key, &nonce, &[]))
                } else {
                    has(ciphers.encryptor(algorithm, &key, &nonce, &[]))
                }
            })
        })
        .collect()
}

fn wraps(wraps: &[KeyWrap]) -> Vec<Box<dyn Fn(&Provider) -> bool>> {
    wraps
        .iter()
        .map(|wrap| -> Box<dyn Fn(&Provider) -> bool> {
            let wrap = *wrap;
            let kek = vec![1; wrap.key_octets()];
            Box::new(move |provider| has(provider.establishment.wrap(wrap, &kek, &[2; 16])))
        })
        .collect()
}

fn agrees(curve: Curve) -> Box<dyn Fn(&Provider) -> bool> {
    Box::new(move |provider| has(provider.establishment.agree_ephemeral(curve, &[])))
}

fn rows() -> Vec<Row> {
    use ContentEncryption::*;
    let keys = keys();
    let spki = |name: &str| {
        let key = provider().private_keys.read(&keys[name]).unwrap();
        key.spki().to_vec()
    };
    let (rsa, small) = (spki("rsa"), spki("rsa1024"));
    let pkcs1 = |digests: &[DigestAlgorithm]| -> Vec<_> {
        digests
            .iter()
            .copied()
            .map(SignatureAlgorithm::RsaPkcs1)
            .collect()
    };
    let plain_pss = |digests: &[DigestAlgorithm]| -> Vec<_> {
        let plain = digests.iter().copied().map(PssParameters::plain);
        plain.map(SignatureAlgorithm::RsaPss).collect()
    };
    let other_pss = [
        pss(Sha1, Sha1, 20),
        pss(Sha224, Sha224, 28),
        pss(Sha512_256, Sha512_256, 32),
        pss(Sha256, Sha1, 32),
        pss(Sha256, Sha256, 20),
    ];
    let ecdsa = |digests: &[DigestAlgorithm]| -> Vec<_> {
        digests
            .iter()
            .copied()
            .map(SignatureAlgorithm::Ecdsa)
            .collect()
    };
    let dsa = [
        SignatureAlgorithm::Dsa(Sha1),
        SignatureAlgorithm::Dsa(Sha256),
    ];
    let one_hash = [Sha1, Sha256, Sha384, Sha512];
    let one_hash = one_hash.map(|digest| oaep(digest, digest, b"label"));
    let other_oaep = [
        oaep(Sha224, Sha224, b""),
        oaep(Sha512_224, Sha512_224, b""),
        oaep(Sha256, Sha1, b""),
    ];
    vec![
        (
            "digests SHA-1, SHA-224, SHA-256, SHA-384, SHA-512, SHA-512/256",
            digests(&[Sha1, Sha224, Sha256, Sha384, Sha512, Sha512_256]),
        ),
        ("digest SHA-512/224", digests(&[Sha512_224])),
        (
            "verify RSA PKCS#1 v1.5 with SHA-1, SHA-256, SHA-384, SHA-512",
            verifies(&rsa, pkcs1(&[Sha1, Sha256, Sha384, Sha512])),
        ),
        (
            "verify the same with a key of 1024 bits, but for SHA-384",
            verifies(&small, pkcs1(&[Sha1, Sha256, Sha512])),
        ),
        (
            "verify RSA PKCS#1 v1.5 with other digests",
            verifies(&rsa, pkcs1(&[Sha224, Sha512_224, Sha512_256])),
        ),
        (
            "verify RSA PSS, one hash of SHA-256, SHA-384, SHA-512, salt of its length",
            verifies(&rsa, plain_pss(&[Sha256, Sha384, Sha512])),
        ),
        (
            "verify RSA PSS with other or unequal hashes, other salts, keys below 2048 bits",
            [
                verifies(&rsa, other_pss.clone()),
                verifies(&small, plain_pss(&[Sha256])),
            ]
            .into_iter()
            .flatten()
            .collect(),
        ),
        (
            "verify ECDSA P-256 with SHA-1 and SHA-2, P-384 with SHA-2, both but for SHA-224; P-521 with all",
            [
                verifies(&spki("p256"), ecdsa(&[Sha1, Sha256, Sha384, Sha512])),
                verifies(&spki("p384"), ecdsa(&[Sha256, Sha384, Sha512])),
                verifies(
                    &spki("p521"),
                    ecdsa(&[Sha1, Sha224, Sha256, Sha384, Sha512]),
                ),
            ]
            .into_iter()
            .flatten()
            .collect(),
        ),
        (
            "verify ECDSA with other digests",
            [
                verifies(&spki("p256"), ecdsa(&[Sha224])),
                verifies(&spki("p384"), ecdsa(&[Sha1, Sha224])),
            ]
            .into_iter()
            .flatten()
            .collect(),
        ),
        (
            "verify Ed25519",
            verifies(&spki("ed25519"), [SignatureAlgorithm::Ed25519]),
        ),
        ("verify DSA", verifies(&file("dsa.spki"), dsa.clone())),
        (
            "sign RSA PKCS#1 v1.5 with SHA-256, SHA-384, SHA-512",
            signs(&keys["rsa"], pkcs1(&[Sha256, Sha384, Sha512])),
        ),
        (
            "sign RSA PSS, one hash of these, salt of its length",
            signs(&keys["rsa"], plain_pss(&[Sha256, Sha384, Sha512])),
        ),
        (
            "sign RSA with other digests, hashes, salts, or a key below 2048 bits",
            [
                signs(&keys["rsa"], pkcs1(&[Sha224, Sha512_224, Sha512_256])),
                signs(&keys["rsa"], other_pss[1..].to_vec()),
                signs(&keys["rsa1024"], pkcs1(&[Sha256])),
            ]
            .into_iter()
            .flatten()
            .collect(),
        ),
        (
            "sign ECDSA P-256 with SHA-256, P-384 with SHA-384, P-521 with SHA-2",
            [
                signs(&keys["p256"], ecdsa(&[Sha256])),
                signs(&keys["p384"], ecdsa(&[Sha384])),
                signs(&keys["p521"], ecdsa(&[Sha224, Sha256, Sha384, Sha512])),
            ]
            .into_iter()
            .flatten()
            .collect(),
        ),
        (
            "sign ECDSA with other digests",
            [
                signs(&keys["p256"], ecdsa(&[Sha224, Sha384, Sha512])),
                signs(&keys["p384"], ecdsa(&[Sha224, Sha256, Sha512])),
            ]
            .into_iter()
            .flatten()
            .collect(),
        ),
        (
            "sign Ed25519",
            signs(&keys["ed25519"], [SignatureAlgorithm::Ed25519]),
        ),
        (
            "sign with SHA-1, or by DSA",
            [
                signs(&keys["rsa"], pkcs1(&[Sha1])),
                signs(&keys["rsa"], plain_pss(&[Sha1])),
                signs(&keys["p256"], ecdsa(&[Sha1])),
                signs(&keys["rsa"], dsa),
            ]
            .into_iter()
            .flatten()
            .collect(),
        ),
        (
            "RSA PKCS#1 v1.5 transport",
            transports(&keys["rsa"], [RsaEncryption::Pkcs1]),
        ),
        (
            "RSA OAEP, one hash of SHA-1, SHA-256, SHA-384, SHA-512, any label",
            transports(&keys["rsa"], one_hash),
        ),
        (
            "RSA OAEP with other or unequal hashes; transport with a key below 2048 bits",
            [
                transports(&keys["rsa"], other_oaep),
                transports(&keys["rsa1024"], [RsaEncryption::Pkcs1]),
            ]
            .into_iter()
            .flatten()
            .collect(),
        ),
        (
            "ECDH P-256, P-384, P-521, X25519",
            vec![
                agrees(Curve::P256),
                agrees(Curve::P384),
                agrees(Curve::P521),
                agrees(Curve::X25519),
            ],
        ),
        (
            "AES key wrap, 128 and 256 bits",
            wraps(&[KeyWrap::Aes128, KeyWrap::Aes256]),
        ),
        ("AES key wrap, 192 bits", wraps(&[KeyWrap::Aes192])),
        (
            "AES-CBC",
            ciphers(&[Aes128Cbc, Aes192Cbc, Aes256Cbc], None, false),
        ),
        (
            "AES-GCM, nonce of 96 bits",
            ciphers(&[Aes128Gcm, Aes192Gcm, Aes256Gcm], None, false),
        ),
        (
            "AES-GCM, other nonces",
            ciphers(&[Aes128Gcm, Aes192Gcm, Aes256Gcm], Some(16), true),
        ),
        (
            "ChaCha20-Poly1305",
            ciphers(&[ChaCha20Poly1305], None, false),
        ),
        ("decrypt 3DES", ciphers(&[DesEde3Cbc], None, true)),
        ("encrypt 3DES", ciphers(&[DesEde3Cbc], None, false)),
    ]
}

#[test]
fn the_table_in_the_documentation_says_who_does_what() {
    let documentation = include_str!("../src/crypto/mod.rs");
    let written: Vec<&str> = documentation
        .lines()
        .filter_map(|line| line.strip_prefix("//! |"))
        // The heading and its line.
        .skip(2)
        .collect();
    let mut rows_as_they_are = Vec::new();
    for (name, probes) in rows() {
        let does = PROVIDERS.map(|provider| {
            let answers: Vec<bool> = probes.iter().map(|probe| probe(provider)).collect();
            let first = answers[0];
            assert!(
                answers.iter().all(|answer| *answer == first),
                "{name}: {answers:?}"
            );
            if first { "yes" } else { "no" }
        });
        let both = probes.iter().all(|probe| probe(provider()));
        assert_eq!(both, does.contains(&"yes"), "{name}");
        rows_as_they_are.push(format!(" {name} | {} | {} |", does[0], does[1]));
    }
    assert_eq!(written, rows_as_they_are);
}
