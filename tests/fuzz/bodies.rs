//! What each fuzz target does with its octets: it never panics, never passes a bound, and what was
//! not changed comes out byte for byte.
//!
//! One file for cargo-fuzz and for `tests/fuzz_corpus.rs`, which runs the same over all the corpora.

use std::sync::OnceLock;

use domsec::address::AddressList;
use domsec::address::Domain;
use domsec::address::Mailbox;
use domsec::address::words;
use domsec::cms::attributes;
use domsec::cms::attributes::Attribute;
use domsec::cms::attributes::Attributes;
use domsec::cms::ber;
use domsec::cms::content_info::Cms;
use domsec::cms::content_info::ContentInfo;
use domsec::cms::content_key::content_key;
use domsec::cms::decrypt::decrypt;
use domsec::cms::verify::ContentDigests;
use domsec::cms::verify::SignedContent;
use domsec::cms::verify::verify_signer;
use domsec::crypto;
use domsec::crypto::KeyName;
use domsec::crypto::Keys;
use domsec::crypto::PrivateKey;
use domsec::limits::Budget;
use domsec::limits::Limits;
use domsec::mime::Walk;
use domsec::mime::walk::Structure;
use domsec::octets::Memory;
use domsec::octets::Octets;
use domsec::octets::View;
use domsec::x509::Certificate;

/// A target's name and body.
type Target = (&'static str, fn(&[u8]));

/// Every target; `fuzz_targets/` has a file for each.
pub(crate) const TARGETS: &[Target] = &[
    ("addresses", addresses),
    ("attributes", attributes),
    ("ber", ber),
    ("entity", entity),
    ("enveloped_data", enveloped_data),
    ("signed_data", signed_data),
];

/// Runs the target of that name.
pub(crate) fn run(name: &str, octets: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    let (_, body) = target.expect("a target of that name");
    body(octets);
}

/// An address field: what was read is written, and read again as the same.
fn addresses(octets: &[u8]) {
    for address in AddressList::parse(octets).unwrap_or_default() {
        let written = address.mailbox.to_string();
        let again = Mailbox::parse(&written);
        assert_eq!(again.as_ref(), Ok(&address.mailbox), "{written:?}");
        let _ = address.decoded_display_name();
        let _ = address.display_name_looks_like_address();
    }
    let text = String::from_utf8_lossy(octets);
    let _ = words::decode(&text);
    if let Ok(domain) = Domain::parse(&text) {
        assert_eq!(Domain::parse(domain.as_str()).as_ref(), Ok(&domain));
        assert!(domain.is_or_is_under(&domain));
    }
}

/// The attributes of a SignerInfo: each is described, and the rules on them are asked.
fn attributes(octets: &[u8]) {
    let limits = Limits::default();
    let lists = [
        Attributes::parse(octets, &limits),
        Attributes::parse_tagged(octets, 0xa0, &limits),
    ];
    for list in lists.into_iter().flatten() {
        assert!(list.len() <= limits.attributes);
        for attribute in list.iter() {
            let again = Attribute::parse(attribute.raw(), &limits);
            assert!(again.is_ok_and(|again| again.raw() == attribute.raw()));
            let _ = attribute.describe();
        }
        let _ = attributes::signature_types(&list, None);
    }
    let _ = attributes::looks_like_signed_attributes(octets);
}

/// BER to DER: the DER of DER is itself.
fn ber(octets: &[u8]) {
    let limits = Limits::default();
    for strings in [ber::Strings::Universal, ber::Strings::KeyIdentifiers] {
        if let Ok(der) = ber::to_der(octets.to_vec(), strings, &limits, "input") {
            assert!(der.len() <= octets.len(), "DER is longer than its BER");
            let again = ber::to_der(der.clone(), strings, &limits, "DER");
            assert_eq!(again.ok(), Some(der));
        }
    }
    let _ = ContentInfo::read(&View::owned(octets.to_vec()), &limits);
}

/// A MIME entity: fields, parts and what stands between them join to the octets that came.
fn entity(octets: &[u8]) {
    let limits = Limits::default();
    let view = View::owned(octets.to_vec());
    for (count, visit) in Walk::new(&view, &limits).enumerate() {
        assert!(count <= limits.parts + 1, "more parts than the limit");
        let Ok(visit) = visit else { break };
        assert!(visit.depth <= limits.multipart_depth);
        let entity = visit.entity;
        assert_eq!(
            joined(&[whole(&entity.body)], entity.header.raw()),
            whole(&entity.raw)
        );
        if let Structure::Multipart(multipart) = visit.structure {
            let mut pieces = vec![whole(&multipart.preamble)];
            for (index, delimiter) in multipart.delimiters.iter().enumerate() {
                pieces.push(whole(delimiter));
                pieces.extend(multipart.parts.get(index).map(whole));
            }
            pieces.push(whole(&multipart.epilogue));
            assert_eq!(pieces.concat(), whole(&entity.body));
        }
        if let Ok(decoded) = entity.decoded(&Memory) {
            assert!(decoded.len() <= entity.body.len());
        }
        let _ = entity.header.file_name();
        let _ = entity.header.from_addresses();
    }
}

/// EnvelopedData and AuthEnvelopedData, with a key for every recipientInfo; CompressedData.
fn enveloped_data(octets: &[u8]) {
    let limits = Limits::default();
    let view = View::owned(octets.to_vec());
    let Ok(info) = ContentInfo::read(&view, &limits) else {
        return;
    };
    match info.cms {
        Cms::Enveloped(data) => {
            assert!(data.recipients.len() <= limits.recipients);
            let budget = &mut Budget::new(&limits);
            let key = content_key(&data, &OneKey, budget, crypto::provider());
            if let Some(Ok(key)) = key {
                let mut content = Vec::new();
                let _ = decrypt(&data, &key, crypto::provider(), &mut content);
                assert!(
                    content.len() <= octets.len(),
                    "the content is longer than the message"
                );
            }
        }
        Cms::Compressed(data) => {
            // As much as a fuzzer's memory bears.
            let limits = Limits {
                decompressed_octets: 1 << 20,
                ..limits
            };
            let mut content = Vec::new();
            let _ = data.decompress(&limits, &mut content);
            assert!(
                content.len() <= 1 << 20,
                "the content is longer than the limit"
            );
        }
        _ => {}
    }
}

/// SignedData: all that is said of its signers, and each verified with every certificate.
fn signed_data(octets: &[u8]) {
    let limits = Limits::default();
    let view = View::owned(octets.to_vec());
    let Ok(info) = ContentInfo::read(&view, &limits) else {
        return;
    };
    let Cms::Signed(data) = info.cms else { return };
    assert!(data.signers.len() <= limits.signers);
    assert!(data.certificates.len() <= limits.certificates);
    let content = data.content.unwrap_or_else(|| View::owned(Vec::new()));
    let digests = ContentDigests::for_signers(&content, &data.signers, crypto::provider());
    let content = SignedContent {
        content_type: data.content_type,
        octets: &content,
        digests: &digests.expect("memory is readable"),
    };
    let mut budget = Budget::new(&limits);
    for signer in &data.signers {
        let _ = signer.types();
        let _ = signer.signing_time();
        let _ = signer.has_ml_expansion_history();
        for certificate in data
            .certificates
            .iter()
            .flat_map(|der| Certificate::parse(der))
        {
            let key = (&certificate, certificate.spki());
            let _ = verify_signer(signer, content, key, crypto::provider(), &mut budget);
        }
    }
}

fn whole(view: &View) -> Vec<u8> {
    let read = view.to_vec(usize::MAX).expect("memory is readable");
    read.expect("everything is under the limit")
}

fn joined(rest: &[Vec<u8>], start: &[u8]) -> Vec<u8> {
    [start, &rest.concat()].concat()
}

/// Bob's key, under every name.
#[derive(Debug)]
struct OneKey;

impl Keys for OneKey {
    fn find(&self, _: KeyName<'_>) -> Option<&dyn PrivateKey> {
        static KEY: OnceLock<Box<dyn PrivateKey>> = OnceLock::new();
        let key = KEY.get_or_init(|| {
            let pem = include_str!("../../certs/bob.key");
            let lines = pem.lines().filter(|line| !line.starts_with("-----"));
            let pkcs8 = base64_simd::STANDARD.decode_to_vec(lines.collect::<String>());
            let pkcs8 = pkcs8.expect("the sample key is PEM");
            let reader = crypto::provider().private_keys;
            reader.read(&pkcs8).expect("the sample key is PKCS#8")
        });
        Some(key.as_ref())
    }
}
