//! Messages that are made to cost much: they end, in time and within memory, by an exit code.

use std::process::Command;

use flate2::Compress;
use flate2::Compression;
use flate2::FlushCompress;
use serde_json::Value;

use crate::cli::AT;
use crate::cli::Ran;
use crate::cli::bob;
use crate::cli::run_on;
use crate::cms::RECIPIENTS;
use crate::cms::Signed;
use crate::cms::Signer;
use crate::cms::compressed;
use crate::cms::compressed_head;
use crate::cms::compressed_octets;
use crate::cms::empty_signature;
use crate::cms::encrypted;
use crate::der;
use crate::mail::attached;
use crate::mail::base64;
use crate::mail::binary;
use crate::mail::from_alice;
use crate::mail::letter;
use crate::mail::message_with;
use crate::mail::multipart_signed;
use crate::mail::opaque;
use crate::mail::pkcs7_mime;
use crate::pki;
use crate::pki::Identity;
use crate::pki::certificate;
use crate::pki::path;

/// Seconds that one command may take here; the tests share two cores and are not optimised.
const SECONDS: &str = "20";

/// KiB of address space; the messages are some MB at most.
const KIBIBYTES: &str = "1500000";

/// Runs a command on `message`, and kills it when it takes too long or too much.
#[track_caller]
fn bounded(arguments: &[&str], message: &[u8]) -> Ran {
    bounded_to(KIBIBYTES, arguments, message)
}

#[track_caller]
fn bounded_to(kibibytes: &str, arguments: &[&str], message: &[u8]) -> Ran {
    let file = pki::file(".eml", message);
    let script = r#"ulimit -v "$1" && shift && exec timeout -s KILL "$@""#;
    let mut shell = Command::new("sh");
    shell.args([
        "-c",
        script,
        "sh",
        kibibytes,
        SECONDS,
        env!("CARGO_BIN_EXE_domsec"),
    ]);
    shell
        .args(arguments)
        .arg(&file)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    run_on(&file, &mut shell)
}

/// What each of the commands says of `message`: inspect, verify, decrypt.
#[track_caller]
fn all_three(message: &[u8]) -> [Ran; 3] {
    let (bob, root) = (bob(), path("root.pem"));
    let bob: Vec<&str> = bob.iter().map(String::as_str).collect();
    let verify = ["verify", "--json", "--anchor", &root, "--at", AT];
    let all = [
        bounded(&[&["inspect", "--json"], &bob[..]].concat(), message),
        bounded(&[&verify, &bob[..]].concat(), message),
        bounded(&[&["decrypt"], &bob[..]].concat(), message),
    ];
    assert!(
        [0, 65].contains(&all[0].exit),
        "inspect {}: {}",
        all[0].file.display(),
        all[0].stderr
    );
    all
}

/// None of the commands believes it, or takes anything out of it.
#[track_caller]
fn refused_by_all(message: &[u8]) -> [Ran; 3] {
    let all = all_three(message);
    assert_ne!(all[1].exit, 0, "verify {}", all[1].file.display());
    assert_eq!(
        all[2].exit,
        65,
        "decrypt {}: {}",
        all[2].file.display(),
        all[2].stderr
    );
    assert!(all[2].stdout.is_empty());
    all
}

fn verdict(ran: &Ran) -> Value {
    let report: Value = serde_json::from_slice(&ran.stdout).expect("a report");
    report["verdict"].clone()
}

#[test]
fn signatures_in_signatures_end() {
    let nested = |count, layer: fn(&[u8]) -> Vec<u8>| {
        from_alice(&(0..count).fold(letter(), |inner, _| layer(&inner)))
    };
    let empty = |inner: &[u8]| binary("signed-data", &empty_signature(inner));
    assert_eq!(verdict(&all_three(&nested(4, empty))[1]), "unsigned");
    let all = refused_by_all(&nested(64, empty));
    let report: Value = serde_json::from_slice(&all[0].stdout).expect("a report");
    assert!(
        report.to_string().contains("limit"),
        "{}: no word of the bound",
        all[0].file.display()
    );
    refused_by_all(&nested(1_000, empty));
    refused_by_all(&nested(64, |inner| {
        binary("compressed-data", &compressed(inner))
    }));
    refused_by_all(&nested(1_000, attached_message));
    refused_by_all(&nested(64, |inner| {
        multipart_signed(
            inner,
            &Signed {
                certificates: Vec::new(),
                ..Signed::by([], inner)
            }
            .detached(),
        )
    }));
}

fn attached_message(inner: &[u8]) -> Vec<u8> {
    attached(inner)
}

#[test]
fn layers_that_are_signed_each_end() {
    let mut entity = letter();
    for _ in 0..64 {
        let signed = Signed {
            certificates: Vec::new(),
            ..Signed::by([Signer::of("alice")], &entity)
        };
        entity = binary("signed-data", &signed.opaque());
    }
    refused_by_all(&from_alice(&entity));
}

#[test]
fn layers_that_open_one_after_the_other_end() {
    let mut entity = letter();
    for _ in 0..24 {
        entity = binary(
            "enveloped-data",
            &encrypted(&entity, "-aes-128-cbc", &["bob"]),
        );
    }
    let all = all_three(&from_alice(&entity));
    assert_ne!(all[1].exit, 0);
}

#[test]
fn twenty_thousand_parts_end() {
    let part = "--b\r\nContent-Type: text/plain\r\n\r\nx\r\n";
    let flat = |count: usize| {
        let body = part.repeat(count);
        format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{body}--b--\r\n").into_bytes()
    };
    assert_eq!(all_three(&from_alice(&flat(100)))[0].exit, 0);
    refused_by_all(&from_alice(&flat(20_000)));
    let empty_parts = format!(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n{}",
        "--b\r\n".repeat(500_000)
    );
    refused_by_all(&from_alice(empty_parts.as_bytes()));
    // As one signed content, too.
    let content = flat(20_000);
    all_three(&from_alice(&opaque(
        &Signed::by([Signer::of("alice")], &content).opaque(),
    )));
}

#[test]
fn twenty_thousand_multiparts_in_each_other_end() {
    let nested = |boundary: fn(usize) -> String, close: bool| {
        let mut out = String::new();
        for level in 0..20_000 {
            let own = boundary(level);
            out.push_str(&format!(
                "Content-Type: multipart/mixed; boundary=\"{own}\"\r\n\r\n--{own}\r\n"
            ));
        }
        out.push_str("Content-Type: text/plain\r\n\r\nx\r\n");
        if close {
            for level in (0..20_000).rev() {
                out.push_str(&format!("--{}--\r\n", boundary(level)));
            }
        }
        from_alice(out.as_bytes())
    };
    refused_by_all(&nested(|level| format!("b{level}"), true));
    refused_by_all(&nested(|level| format!("b{level}"), false));
    // All the same, so that each line could end every one of them.
    refused_by_all(&nested(|_| "b".to_owned(), true));
}

#[test]
fn large_headers_end() {
    let many = "X-Field: value\r\n".repeat(100_000);
    refused_by_all(&message_with(&many, &letter()));
    let long = format!("Subject: {}\r\n", "x".repeat(8_000_000));
    refused_by_all(&message_with(&long, &letter()));
    let folded = format!(
        "From: alice@a.example\r\nSubject: x\r\n{}",
        " x\r\n".repeat(500_000)
    );
    refused_by_all(&message_with(&folded, &letter()));
    let from = format!(
        "From: {}alice@a.example\r\n",
        "mallory@evil.example, ".repeat(40_000)
    );
    refused_by_all(&message_with(&from, &letter()));
    let comment = format!("From: {}alice@a.example\r\n", "(".repeat(900_000));
    refused_by_all(&message_with(&comment, &letter()));
    let groups = format!("From: {}alice@a.example\r\n", "a:".repeat(400_000));
    refused_by_all(&message_with(&groups, &letter()));
    let parameters = format!(
        "Content-Type: multipart/signed{}\r\n",
        "; a=b".repeat(100_000)
    );
    refused_by_all(&from_alice(&[parameters.as_bytes(), b"\r\nx"].concat()));
    let words = format!(
        "From: {} <alice@a.example>\r\n",
        "=?utf-8?q?x?= ".repeat(60_000)
    );
    refused_by_all(&message_with(&words, &letter()));
}

/// zlib that grows to `mebibytes` of zeros after `start`.
fn bomb(start: &[u8], mebibytes: usize) -> Vec<u8> {
    let zeros = vec![0; 1 << 20];
    let mut zlib = Compress::new(Compression::best(), true);
    let mut out = Vec::new();
    let mut feed = |octets: &[u8]| {
        let mut block = Vec::with_capacity(octets.len() + 1024);
        zlib.compress_vec(octets, &mut block, FlushCompress::Full)
            .unwrap();
        block
    };
    out.extend(feed(start));
    out.extend(feed(&zeros));
    // A full flush makes blocks that can stand several times.
    let block = feed(&zeros);
    (1..mebibytes).for_each(|_| out.extend(&block));
    out
}

#[test]
fn what_grows_without_end_is_refused() {
    let small = compressed(&letter());
    assert_eq!(
        verdict(&all_three(&from_alice(&pkcs7_mime("compressed-data", &small)))[1]),
        "unsigned"
    );
    let header = b"Content-Type: text/plain\r\n\r\n";
    let all = refused_by_all(&from_alice(&pkcs7_mime(
        "compressed-data",
        &compressed_octets(&bomb(header, 4_000)),
    )));
    assert!(all[0].stdout.len() < 1 << 20, "{}", all[0].file.display());
}

/// Stored blocks of deflate that are empty: five octets for nothing, and compress well.
const EMPTY_BLOCK: [u8; 5] = [0, 0, 0, 0xff, 0xff];
/// How many of them stand in one piece of a layer, and how many pieces there are: 90 MB.
const BLOCKS: usize = 600_000;
const PIECES: usize = 30;

/// zlib of `content`, with 90 MB of empty blocks behind it; and the zlib of that, and so on: each
/// of `layers` layers inflates to 90 MB, and the whole is small. Returns the outermost entity.
fn growing(content: &[u8], layers: usize) -> Vec<u8> {
    let piece = EMPTY_BLOCK.repeat(BLOCKS);
    let small_piece = deflated(&piece);
    // What a layer is, in three parts, the second of which stands there PIECES times.
    let mut start = deflated(content);
    let mut sum = Adler::of(content);
    for _ in 0..layers {
        let padding = piece.len() * PIECES;
        let end = [&[3, 0][..], &sum.octets()].concat();
        let zlib = [&[0x78, 0x01][..], &start].concat();
        // Headers as around octets that long, without making them.
        let length = zlib.len() + padding + end.len();
        let head = [headers_for(length), zlib].concat();
        sum = Adler::default();
        sum.add(&head);
        (0..PIECES).for_each(|_| sum.add(&piece));
        sum.add(&end);
        start = [deflated(&head), small_piece.repeat(PIECES), deflated(&end)].concat();
    }
    let zlib = [&[0x78, 0x01][..], &start, &[3, 0], &sum.octets()].concat();
    pkcs7_mime("compressed-data", &compressed_octets(&zlib))
}

/// What stands before `length` octets of zlib in an entity of CompressedData.
fn headers_for(length: usize) -> Vec<u8> {
    binary("compressed-data", &compressed_head(length))
}

/// Blocks of deflate that can stand anywhere in a stream, and several times.
fn deflated(octets: &[u8]) -> Vec<u8> {
    let mut deflate = Compress::new(Compression::best(), false);
    let mut out = Vec::with_capacity(octets.len() + 1024);
    deflate
        .compress_vec(octets, &mut out, FlushCompress::Full)
        .unwrap();
    out
}

/// The checksum of zlib (RFC 1950 §8.2).
#[derive(Clone, Copy)]
struct Adler(u32, u32);

impl Default for Adler {
    fn default() -> Self {
        Self(1, 0)
    }
}

impl Adler {
    fn of(octets: &[u8]) -> Self {
        let mut sum = Self::default();
        sum.add(octets);
        sum
    }

    fn add(&mut self, octets: &[u8]) {
        // So many octets do not overflow 32 bits.
        for chunk in octets.chunks(5_552) {
            for octet in chunk {
                self.0 += u32::from(*octet);
                self.1 += self.0;
            }
            *self = Self(self.0 % 65_521, self.1 % 65_521);
        }
    }

    fn octets(self) -> [u8; 4] {
        (self.1 << 16 | self.0).to_be_bytes()
    }
}

#[test]
fn layers_that_each_grow_share_one_bound() {
    // One of them is what a message may grow to.
    let one = from_alice(&growing(&letter(), 1));
    let ran = bounded_to("700000", &["inspect", "--json"], &one);
    let report: Value = serde_json::from_slice(&ran.stdout).expect("a report");
    assert_eq!(report["layers"], "Z(Z(C))", "{}", ran.file.display());
    // Twelve are 1 GB, from a message of half a megabyte.
    let many = from_alice(&growing(&letter(), 12));
    assert!(many.len() < 1 << 20);
    let ran = bounded_to("700000", &["inspect", "--json"], &many);
    assert!(
        [0, 65].contains(&ran.exit),
        "{}: {}",
        ran.file.display(),
        ran.stderr
    );
}

/// `count` recipients, of whom the last is bob.
fn to_many(count: usize, other: impl Fn(&[u8], usize) -> Vec<u8>) -> Vec<u8> {
    let der = encrypted(&letter(), "-aes-128-gcm", &["bob"]);
    der::edit_content(&der, RECIPIENTS, |infos| {
        let bob = infos.clone();
        infos.clear();
        (1..count).for_each(|number| infos.extend(other(&bob, number)));
        infos.extend(bob);
    })
}

fn stranger(bob: &[u8], number: usize) -> Vec<u8> {
    der::edit(bob, &[1, 1], |_| {
        der::integer(u64::try_from(number).unwrap() + 1_000_000)
    })
}

#[test]
fn five_thousand_recipients_open() {
    let all = all_three(&from_alice(&pkcs7_mime(
        "enveloped-data",
        &to_many(5_000, stranger),
    )));
    assert_eq!(
        all[2].exit,
        0,
        "{}: {}",
        all[2].file.display(),
        all[2].stderr
    );
    assert!(all[2].stdout.ends_with(b"pay 100 to Alice.\r\n"));
    let report: Value = serde_json::from_slice(&all[0].stdout).expect("a report");
    let recipients = report["tree"]["recipients"].as_array().expect("recipients");
    assert_eq!(recipients.len(), 5_000);
    assert_eq!(recipients[4_999]["ours"], true);
    assert_eq!(recipients[0]["ours"], false);
}

#[test]
fn recipients_beyond_the_bound_or_all_ours_end() {
    refused_by_all(&from_alice(&pkcs7_mime(
        "enveloped-data",
        &to_many(40_000, stranger),
    )));
    // Each names our key, and each is wrong: an operation with the private key for each.
    let wrong = |bob: &[u8], _| der::edit_content(bob, &[3], |key| key[200] ^= 1);
    all_three(&from_alice(&pkcs7_mime(
        "enveloped-data",
        &to_many(5_000, wrong),
    )));
}

#[test]
fn thousands_of_signers_end() {
    let content = letter();
    let one = Signed::by([Signer::of("alice")], &content);
    let info = one.signers[0].info(&content);
    let few = one.with_infos(Some(&content), vec![info.clone(); 3]);
    assert_eq!(verdict(&all_three(&from_alice(&opaque(&few)))[1]), "valid");
    refused_by_all(&from_alice(&opaque(
        &one.with_infos(Some(&content), vec![info; 5_000]),
    )));
}

#[test]
fn certificates_that_issue_each_other_end() {
    let content = letter();
    let mut signed = Signed::by([Signer::of("alice")], &content);
    // Names that go in circles: each claims to be issued by its like, with a serial of its own.
    let intermediate = certificate("intermediate");
    let name = der::at(&intermediate, &[0, 5]).to_vec();
    let like = |serial: u64| {
        let renamed = der::edit(&intermediate, &[0, 3], |_| name.clone());
        der::edit(&renamed, &[0, 1], |_| der::integer(serial))
    };
    let circle: Vec<Vec<u8>> = (0x9000..0x9000 + 450).map(like).collect();
    signed.certificates.splice(0..0, circle.clone());
    all_three(&from_alice(&opaque(&signed.opaque())));
    // The signer is one of them, and leads nowhere.
    let identity = Identity {
        certificate: circle[0].clone(),
        key: "alice",
    };
    let mut lost = Signed::by([Signer::with(identity)], &content);
    lost.certificates = circle;
    refused_by_all(&from_alice(&opaque(&lost.opaque())));
    // More than the bound.
    lost.certificates = (0..20_000).map(|_| intermediate.clone()).collect();
    refused_by_all(&from_alice(&opaque(&lost.opaque())));
}

#[test]
fn lengths_and_depths_of_asn1_that_promise_too_much_end() {
    let deep: Vec<u8> = [0x30, 0x80].repeat(200_000);
    let deep_definite = (0..5_000).fold(der::null(), |inner, _| der::sequence([inner]));
    let signed = crate::cms::DATA;
    let huge = |length: &[u8]| {
        let oid = der::oid("1.2.840.113549.1.7.2");
        [
            &[0x30, 0x84, 0x7f, 0xff, 0xff, 0xff][..],
            &oid,
            &[0xa0],
            length,
        ]
        .concat()
    };
    let constructed = [
        &[0x30, 0x80][..],
        &der::oid("1.2.840.113549.1.7.2"),
        &[
            0xa0, 0x80, 0x30, 0x80, 0x02, 0x01, 0x01, 0x31, 0x00, 0x30, 0x80,
        ],
        &der::oid(signed),
        &[0xa0, 0x80],
        &[0x24, 0x80].repeat(100_000),
    ]
    .concat();
    for der in [
        deep,
        deep_definite,
        huge(&[0x84, 0x7f, 0xff, 0xff, 0xff]),
        huge(&[0x88, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        huge(&[0xff]),
        constructed,
        vec![0x30],
        vec![0x30, 0x80],
        vec![0x30, 0x80, 0, 0],
    ] {
        refused_by_all(&from_alice(&opaque(&der)));
        // As it is, and as PEM.
        refused_by_all(&der);
        let pem = [
            b"-----BEGIN CMS-----\r\n".to_vec(),
            base64(&der),
            b"-----END CMS-----\r\n".to_vec(),
        ];
        refused_by_all(&pem.concat());
    }
}
