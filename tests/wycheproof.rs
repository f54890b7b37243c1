//! Project Wycheproof's vectors, over both providers and over the two together.
//!
//! [`FILES`] says how many vectors of a file a provider answers with `Unsupported`: all others must
//! come out as their `result` says, so that nothing is skipped in silence.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests state what must hold; a panic there is the report"
)]

mod corpora_dir;

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::HashSet;
use std::path::Path;

use der::Decode;
use serde::Deserialize;
use serde_json::Value;
use spki::AlgorithmIdentifierRef;

use domsec::crypto::ContentEncryption;
use domsec::crypto::CryptoError;
use domsec::crypto::DigestAlgorithm;
use domsec::crypto::KeyWrap;
use domsec::crypto::Message;
use domsec::crypto::OaepParameters;
use domsec::crypto::PrivateKey;
use domsec::crypto::Provider;
use domsec::crypto::PssParameters;
use domsec::crypto::RsaEncryption;
use domsec::crypto::SignatureAlgorithm;
use domsec::crypto::aws_lc;
use domsec::crypto::derivation;
use domsec::crypto::password;
use domsec::crypto::password::Iterations;
use domsec::crypto::provider;
use domsec::crypto::public_key::PublicKey;
use domsec::crypto::rust_crypto;
use domsec::limits::Limits;

/// A file, and the vectors that are `Unsupported` by aws-lc, by RustCrypto, and by both together.
struct File {
    name: &'static str,
    run: Option<Run>,
    unsupported: [usize; 3],
}

type Run = fn(&Provider, &Group, &Vector) -> Answer;

#[rustfmt::skip]
const FILES: &[File] = &[
    File { name: "aes_cbc_pkcs5_test",                        run: Some(cbc),       unsupported: [0, 0, 0] },
    File { name: "aes_gcm_test",                              run: Some(gcm),       unsupported: [119, 0, 0] },
    File { name: "aes_wrap_test",                             run: Some(wrap),      unsupported: [55, 0, 0] },
    File { name: "chacha20_poly1305_test",                    run: Some(chacha20),  unsupported: [325, 0, 0] },
    File { name: "ecdh_secp256r1_test",                       run: Some(ecdh),      unsupported: [0, 0, 0] },
    File { name: "ecdh_secp384r1_test",                       run: Some(ecdh),      unsupported: [0, 0, 0] },
    File { name: "ecdh_secp521r1_test",                       run: Some(ecdh),      unsupported: [0, 0, 0] },
    File { name: "ecdsa_secp256r1_sha256_test",               run: Some(signature), unsupported: [0, 0, 0] },
    File { name: "ecdsa_secp384r1_sha384_test",               run: Some(signature), unsupported: [0, 0, 0] },
    File { name: "ecdsa_secp521r1_sha512_test",               run: Some(signature), unsupported: [0, 0, 0] },
    File { name: "ed25519_test",                              run: Some(signature), unsupported: [0, 0, 0] },
    File { name: "hkdf_sha256_test",                          run: Some(hkdf),      unsupported: [0, 0, 0] },
    File { name: "rsa_oaep_2048_sha1_mgf1sha1_test",          run: Some(oaep),      unsupported: [0, 0, 0] },
    File { name: "rsa_oaep_2048_sha256_mgf1sha1_test",        run: Some(oaep),      unsupported: [31, 0, 0] },
    File { name: "rsa_oaep_2048_sha256_mgf1sha256_test",      run: Some(oaep),      unsupported: [0, 0, 0] },
    File { name: "rsa_oaep_2048_sha512_mgf1sha512_test",      run: Some(oaep),      unsupported: [0, 0, 0] },
    File { name: "rsa_oaep_misc_test",                        run: Some(oaep),      unsupported: [330, 0, 0] },
    File { name: "rsa_pkcs1_2048_test",                       run: Some(pkcs1),     unsupported: [0, 0, 0] },
    File { name: "rsa_pkcs1_3072_test",                       run: Some(pkcs1),     unsupported: [0, 0, 0] },
    File { name: "rsa_pss_2048_sha256_mgf1_32_params_test",   run: Some(signature), unsupported: [0, 0, 0] },
    File { name: "rsa_pss_2048_sha512_mgf1sha256_32_params_test", run: Some(signature), unsupported: [178, 0, 0] },
    File { name: "rsa_pss_misc_params_test",                  run: Some(signature), unsupported: [147, 0, 0] },
    File { name: "rsa_signature_2048_sha256_test",            run: Some(signature), unsupported: [0, 0, 0] },
    File { name: "rsa_signature_2048_sha512_test",            run: Some(signature), unsupported: [0, 0, 0] },
    File { name: "rsa_signature_3072_sha256_test",            run: Some(signature), unsupported: [0, 0, 0] },
    File { name: "x25519_asn_test",                           run: Some(x25519),    unsupported: [0, 0, 0] },
    File { name: "x25519_test",                               run: Some(x25519),    unsupported: [0, 0, 0] },
    // Not ours: CMS key wrap with padding, curve 448, and what comes after RSA.
    File { name: "aes_kwp_test",                              run: None,            unsupported: [0, 0, 0] },
    File { name: "ed448_test",                                run: None,            unsupported: [0, 0, 0] },
    File { name: "mldsa_65_verify_test",                      run: None,            unsupported: [0, 0, 0] },
    File { name: "mlkem_768_test",                            run: None,            unsupported: [0, 0, 0] },
    File { name: "x448_test",                                 run: None,            unsupported: [0, 0, 0] },
    File { name: "pbes2_hmacsha256_aes_256_test",             run: Some(pbes2),     unsupported: [0, 0, 0] },
];

/// Flags whose "acceptable" vectors may be accepted or refused, with the reason.
#[rustfmt::skip]
const EITHER_WAY: &[(&str, &str)] = &[
    ("CompressedPublic", "RFC 5480 §2.2 lets implementations refuse compressed points"),
    ("InvalidAsn", "not DER; it may be refused before the point is looked at"),
    ("LowOrderPublic", "RFC 7748 §6.1: an all-zero secret may be refused, and is here"),
    ("MissingNull", "RFC 8017 §9.2 note 1: a DigestInfo without NULL may be refused"),
    ("NonCanonicalPublic", "RFC 7748 §5: accepted, and reduced"),
    ("ShortKey", "RFC 3394 §2 wraps 128 bits or more"),
    ("SmallIntegerCiphertext", "the ciphertext is honest but for one in 2^2000; none is refused"),
    ("Twist", "RFC 7748 §5 asks for no check of the twist"),
    ("UnnamedCurve", "RFC 5480 §2.1.1: explicit parameters must not be used"),
];

#[derive(Debug, PartialEq)]
enum Answer {
    Accepted,
    Refused,
    Unsupported,
}

impl From<Result<bool, CryptoError>> for Answer {
    fn from(outcome: Result<bool, CryptoError>) -> Self {
        match outcome {
            Ok(true) => Self::Accepted,
            Err(CryptoError::Unsupported) => Self::Unsupported,
            Ok(false) | Err(_) => Self::Refused,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vectors {
    test_groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    tests: Vec<Vector>,
    #[serde(default)]
    key_size: usize,
    sha: Option<String>,
    mgf_sha: Option<String>,
    s_len: Option<u32>,
    #[serde(rename = "type")]
    kind: String,
    curve: Option<String>,
    public_key_der: Option<String>,
    private_key_pkcs8: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    tc_id: u32,
    comment: String,
    flags: Vec<String>,
    result: String,
    #[serde(flatten)]
    fields: serde_json::Map<String, Value>,
}

impl Vector {
    fn hex(&self, field: &str) -> Vec<u8> {
        from_hex(self.fields[field].as_str().unwrap())
    }
}

type Read = Result<Box<dyn PrivateKey>, CryptoError>;

thread_local! {
    /// Keys that have been read, by provider and PKCS#8: a key serves many vectors.
    static KEYS: RefCell<HashMap<(&'static str, String), Read>> = RefCell::default();
}

#[test]
fn every_vector_comes_out_as_its_result_says() {
    let Some(corpora) = corpora_dir::corpora() else {
        return;
    };
    let providers = [&aws_lc::PROVIDER, &rust_crypto::PROVIDER, provider()];
    let mut departures = Vec::new();
    let mut met = HashSet::new();
    println!(
        "{:50} vectors  unsupported by aws-lc, RustCrypto, both",
        "file"
    );
    for file in FILES {
        let Some(run) = file.run else { continue };
        let vectors = read(&corpora, file.name);
        let total: usize = vectors
            .test_groups
            .iter()
            .map(|group| group.tests.len())
            .sum();
        let unsupported =
            providers.map(|provider| judge(provider, file, run, &vectors, &mut departures));
        let groups = vectors.test_groups.into_iter();
        met.extend(
            groups
                .flat_map(|group| group.tests)
                .flat_map(|vector| vector.flags),
        );
        println!("{:50} {total:7}  {unsupported:?}", file.name);
        if unsupported != file.unsupported {
            departures.push(format!(
                "{}: unsupported are {unsupported:?}, expected {:?}",
                file.name, file.unsupported
            ));
        }
    }
    for (flag, _) in EITHER_WAY {
        assert!(met.contains(*flag), "no vector has the flag {flag}");
    }
    assert!(departures.is_empty(), "{}", departures.join("\n"));
}

#[test]
fn every_file_of_the_folder_is_in_the_table() {
    let Some(corpora) = corpora_dir::corpora() else {
        return;
    };
    let mut found = 0;
    for entry in corpora.join("wycheproof").read_dir().unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(name) = name.strip_suffix(".json") {
            assert!(
                FILES.iter().any(|file| file.name == name),
                "{name} is not in the table"
            );
            found += 1;
        }
    }
    assert_eq!(found, FILES.len());
}

/// Runs all vectors of a file and gives the number that `provider` does not support.
fn judge(
    provider: &Provider,
    file: &File,
    run: Run,
    vectors: &Vectors,
    departures: &mut Vec<String>,
) -> usize {
    let mut unsupported = 0;
    for group in &vectors.test_groups {
        for vector in &group.tests {
            let answer = run(provider, group, vector);
            let either = |flag: &String| EITHER_WAY.iter().any(|(listed, _)| listed == flag);
            let fits = match (vector.result.as_str(), &answer) {
                (_, Answer::Unsupported) => {
                    unsupported += 1;
                    true
                }
                ("valid", Answer::Accepted) | ("invalid", Answer::Refused) => true,
                ("acceptable", _) => vector.flags.iter().any(either),
                _ => false,
            };
            if !fits {
                departures.push(format!(
                    "{} {} of {} ({}, {:?}) is {} and was {answer:?}",
                    provider.name,
                    vector.tc_id,
                    file.name,
                    vector.comment,
                    vector.flags,
                    vector.result,
                ));
            }
        }
    }
    unsupported
}

fn read(corpora: &Path, name: &str) -> Vectors {
    let path = corpora.join("wycheproof").join(name).with_extension("json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn cbc(provider: &Provider, group: &Group, vector: &Vector) -> Answer {
    let algorithm = match group.key_size {
        128 => ContentEncryption::Aes128Cbc,
        192 => ContentEncryption::Aes192Cbc,
        256 => ContentEncryption::Aes256Cbc,
        other => panic!("no AES with {other} bits"),
    };
    content(provider, algorithm, vector, &[], &[]).into()
}

fn gcm(provider: &Provider, group: &Group, vector: &Vector) -> Answer {
    let algorithm = match group.key_size {
        128 => ContentEncryption::Aes128Gcm,
        192 => ContentEncryption::Aes192Gcm,
        256 => ContentEncryption::Aes256Gcm,
        other => panic!("no AES with {other} bits"),
    };
    content(
        provider,
        algorithm,
        vector,
        &vector.hex("aad"),
        &vector.hex("tag"),
    )
    .into()
}

fn chacha20(provider: &Provider, _: &Group, vector: &Vector) -> Answer {
    let algorithm = ContentEncryption::ChaCha20Poly1305;
    content(
        provider,
        algorithm,
        vector,
        &vector.hex("aad"),
        &vector.hex("tag"),
    )
    .into()
}

/// Decrypts in pieces of several sizes, and encrypts what is valid.
fn content(
    provider: &Provider,
    algorithm: ContentEncryption,
    vector: &Vector,
    associated: &[u8],
    tag: &[u8],
) -> Result<bool, CryptoError> {
    let (key, nonce) = (vector.hex("key"), vector.hex("iv"));
    let (plaintext, ciphertext) = (vector.hex("msg"), vector.hex("ct"));
    let mut outcomes = Vec::new();
    for size in [1, 7, 16, 1000] {
        let decrypt = || {
            let mut decryptor = provider
                .ciphers
                .decryptor(algorithm, &key, &nonce, associated)?;
            let mut output = Vec::new();
            for piece in ciphertext.chunks(size) {
                decryptor.update(piece, &mut output)?;
            }
            decryptor.finish(tag, &mut output)?;
            Ok(output == plaintext)
        };
        outcomes.push(decrypt());
        if vector.result == "valid" && outcomes[0] != Err(CryptoError::Unsupported) {
            let mut encryptor = provider
                .ciphers
                .encryptor(algorithm, &key, &nonce, associated)?;
            let mut output = Vec::new();
            for piece in plaintext.chunks(size) {
                encryptor.update(piece, &mut output)?;
            }
            let made = encryptor.finish(&mut output)?;
            assert_eq!((output, made.as_slice()), (ciphertext.clone(), tag));
        }
    }
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]));
    outcomes[0]
}

fn wrap(provider: &Provider, group: &Group, vector: &Vector) -> Answer {
    let wrap = match group.key_size {
        128 => KeyWrap::Aes128,
        192 => KeyWrap::Aes192,
        256 => KeyWrap::Aes256,
        other => panic!("no AES with {other} bits"),
    };
    let (key, secret, wrapped) = (vector.hex("key"), vector.hex("msg"), vector.hex("ct"));
    let unwrapped = provider.establishment.unwrap(wrap, &key, &wrapped);
    if vector.result == "valid" && unwrapped != Err(CryptoError::Unsupported) {
        let made = provider.establishment.wrap(wrap, &key, &secret).unwrap();
        assert_eq!(made, wrapped);
    }
    unwrapped.map(|unwrapped| *unwrapped == secret).into()
}

fn signature(provider: &Provider, group: &Group, vector: &Vector) -> Answer {
    let digest = group.sha.as_deref().map(digest);
    let algorithm = match (group.kind.as_str(), digest) {
        ("EcdsaVerify", Some(digest)) => SignatureAlgorithm::Ecdsa(digest),
        ("EddsaVerify", None) => SignatureAlgorithm::Ed25519,
        ("RsassaPkcs1Verify", Some(digest)) => SignatureAlgorithm::RsaPkcs1(digest),
        ("RsassaPssWithParametersVerify", Some(digest)) => {
            SignatureAlgorithm::RsaPss(PssParameters {
                digest,
                mask: self::digest(group.mgf_sha.as_deref().unwrap()),
                salt: group.s_len.unwrap(),
            })
        }
        other => panic!("no such test: {other:?}"),
    };
    let spki = from_hex(group.public_key_der.as_deref().unwrap());
    let message = vector.hex("msg");
    let signature = vector.hex("sig");
    let verify = |message| {
        provider
            .verification
            .verify(&spki, &algorithm, message, &signature)
            .map(|_valid| true)
    };
    let outcome = verify(Message::Octets(&message));
    if let Some(digest) = digest {
        let mut digester = rust_crypto::PROVIDER.digests.start(digest).unwrap();
        digester.update(&message);
        assert_eq!(verify(Message::Digest(digest, &digester.finish())), outcome);
    }
    outcome.into()
}

fn hkdf(provider: &Provider, _: &Group, vector: &Vector) -> Answer {
    let okm = derivation::hkdf(
        provider.digests,
        DigestAlgorithm::Sha256,
        &vector.hex("ikm"),
        &vector.hex("salt"),
        &vector.hex("info"),
        usize::try_from(vector.fields["size"].as_u64().unwrap()).unwrap(),
    );
    okm.map(|okm| *okm == vector.hex("okm")).into()
}

/// Password-based decryption has one implementation, over the two providers together.
fn pbes2(_: &Provider, _: &Group, vector: &Vector) -> Answer {
    let count = u16::try_from(vector.fields["iterationCount"].as_u64().unwrap()).unwrap();
    let count = count.to_be_bytes();
    assert!((1..0x80).contains(&count[0]), "two octets of DER");
    let hmac_sha256 = tlv(0x30, &[&from_hex("06082a864886f70d02090500")]);
    let derivation = [
        &tlv(4, &[&vector.hex("salt")]),
        &tlv(2, &[&count]),
        &hmac_sha256[..],
    ];
    let derivation = [
        &from_hex("06092a864886f70d01050c")[..],
        &tlv(0x30, &derivation),
    ];
    let encryption = [
        &from_hex("060960864801650304012a")[..],
        &tlv(4, &[&vector.hex("iv")]),
    ];
    let scheme = [tlv(0x30, &derivation), tlv(0x30, &encryption)].concat();
    let identifier = tlv(
        0x30,
        &[&from_hex("06092a864886f70d01050d"), &tlv(0x30, &[&scheme])],
    );
    let plaintext = password::decrypt(
        &AlgorithmIdentifierRef::from_der(&identifier).unwrap(),
        &vector.hex("password"),
        &vector.hex("ct"),
        &mut Iterations::new(&Limits::default()),
    );
    Answer::from(Ok(
        plaintext.is_ok_and(|plaintext| *plaintext == vector.hex("msg"))
    ))
}

fn oaep(provider: &Provider, group: &Group, vector: &Vector) -> Answer {
    let scheme = RsaEncryption::Oaep(OaepParameters {
        digest: digest(group.sha.as_deref().unwrap()),
        mask: digest(group.mgf_sha.as_deref().unwrap()),
        label: vector.hex("label"),
    });
    decrypt(provider, group, vector, &scheme)
}

fn pkcs1(provider: &Provider, group: &Group, vector: &Vector) -> Answer {
    decrypt(provider, group, vector, &RsaEncryption::Pkcs1)
}

fn decrypt(provider: &Provider, group: &Group, vector: &Vector, scheme: &RsaEncryption) -> Answer {
    let pkcs8 = group.private_key_pkcs8.as_deref().unwrap();
    KEYS.with_borrow_mut(|keys| {
        let mut decrypt = || {
            let key = keys
                .entry((provider.name, pkcs8.to_owned()))
                .or_insert_with(|| provider.private_keys.read(&from_hex(pkcs8)))
                .as_ref()
                .map_err(|error| *error)?;
            let secret = key.decrypt(scheme, &vector.hex("ct"))?;
            Ok(*secret == vector.hex("msg"))
        };
        decrypt().into()
    })
}

fn ecdh(provider: &Provider, group: &Group, vector: &Vector) -> Answer {
    let public = vector.hex("public");
    let Ok(PublicKey::Ec { curve, point }) = PublicKey::decode(&public) else {
        return Answer::Refused;
    };
    let (oid, octets) = match group.curve.as_deref().unwrap() {
        "secp256r1" => ("06082a8648ce3d030107", 32),
        "secp384r1" => ("06052b81040022", 48),
        "secp521r1" => ("06052b81040023", 66),
        other => panic!("no curve {other}"),
    };
    let private = vector.hex("private");
    let mut padded = vec![0; octets + 1];
    padded.extend_from_slice(&private);
    let private = &padded[padded.len() - octets..];
    let pkcs8 = tlv(
        0x30,
        &[
            &[2, 1, 0],
            &tlv(0x30, &[&from_hex("06072a8648ce3d0201"), &from_hex(oid)]),
            &tlv(4, &[&tlv(0x30, &[&[2, 1, 1], &tlv(4, &[private])])]),
        ],
    );
    let key = provider.private_keys.read(&pkcs8).unwrap();
    // A point on another curve is refused by the recipient, who compares the identifiers.
    if curve.octets() != octets {
        return Answer::Refused;
    }
    key.agree(point)
        .map(|secret| *secret == vector.hex("shared"))
        .into()
}

fn x25519(provider: &Provider, group: &Group, vector: &Vector) -> Answer {
    let (public, private) = (vector.hex("public"), vector.hex("private"));
    let (public, pkcs8) = if group.kind == "XdhAsnComp" {
        match PublicKey::decode(&public) {
            Ok(PublicKey::X25519(public)) => (public.to_vec(), private),
            _ => return Answer::Refused,
        }
    } else {
        let identifier = tlv(0x30, &[&from_hex("06032b656e")]);
        let private = tlv(4, &[&tlv(4, &[&private])]);
        (public, tlv(0x30, &[&[2, 1, 0], &identifier, &private]))
    };
    let agree = || {
        let secret = provider.private_keys.read(&pkcs8)?.agree(&public)?;
        Ok(*secret == vector.hex("shared"))
    };
    agree().into()
}

fn digest(name: &str) -> DigestAlgorithm {
    let ours = name.to_lowercase().replace('/', "-");
    *DigestAlgorithm::ALL
        .iter()
        .find(|digest| digest.as_str() == ours)
        .unwrap_or_else(|| panic!("no digest {name}"))
}

fn from_hex(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// A DER value of less than 64 KiB.
fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut der = vec![tag];
    match content.len() {
        len @ 0..=127 => der.push(u8::try_from(len).unwrap()),
        len => der.extend([vec![0x82], len.to_be_bytes()[6..].to_vec()].concat()),
    }
    der.extend(content);
    der
}
