//! The layers of a message as OpenSSL finds them, with the keys of `certs/`.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::journey::contains;
use crate::processes::run;
use crate::wire::Carried;

/// A message that has been peeled.
#[derive(Debug)]
pub(crate) struct Peeled {
    /// Its layers in the notation of domsec, without the types of signatures: `E(S(S[empty](C)))`. `S!` is
    /// a signature that does not hold, and the last letter, as an E that no key opens.
    pub(crate) layers: String,
    /// The innermost entity.
    pub(crate) content: Vec<u8>,
}

/// Peels `message` with the private keys of `names`: `dca-b`, `bob`; or a path, without `.pem` and `.key`.
pub(crate) fn peeled(message: &[u8], names: &[&str]) -> Peeled {
    let folder = TempDir::new().expect("a folder");
    let (mut letters, mut content) = (Vec::new(), message.to_vec());
    loop {
        let from = folder.path().join("in");
        fs::write(&from, &content).expect("a file");
        let to = folder.path().join("out");
        match layer(&header(&content)) {
            Some('E') => {
                letters.push("E");
                let opened = names.iter().any(|name| {
                    let (cert, key) = (pem(name), key(name));
                    cms(&from, &to, &["-decrypt", "-recip", &cert, "-inkey", &key])
                });
                if !opened {
                    return Peeled {
                        layers: joined(&letters),
                        content,
                    };
                }
            }
            Some(_) if is_empty(&from) => {
                letters.push("S[empty]");
                extract(&from, &to);
            }
            Some(_) => {
                let (root, intermediate) = (pem("root"), pem("intermediate"));
                let verify = ["-verify", "-CAfile", &root, "-certfile", &intermediate];
                // Certificates of gateways name no person.
                let valid = cms(&from, &to, &[&verify[..], &["-purpose", "any"]].concat());
                if !valid {
                    letters.push("S!");
                    return Peeled {
                        layers: joined(&letters),
                        content,
                    };
                }
                letters.push("S");
            }
            None => {
                letters.push("C");
                return Peeled {
                    layers: joined(&letters),
                    content,
                };
            }
        }
        content = fs::read(&to).expect("what OpenSSL wrote");
    }
}

/// What messages of the tests say, and nobody may read on the wire.
pub(crate) const SECRET: &[u8] = b"the figures for September";

/// Fails unless only b can read what went over the wire, and finds the signature of a's domain in it,
/// over mail that nobody had signed.
pub(crate) fn expect_sealed(name: &str, carried: &Carried) {
    let text = String::from_utf8_lossy(&carried.octets);
    let layers = peeled(&carried.octets, &["dca-b"]).layers;
    assert_eq!(layers, "E(S(S[empty](C)))", "{name}\n{text}");
    assert!(!contains(&carried.octets, SECRET), "{name}\n{text}");
}

/// Fails unless the reader gets `body` in clear, under its Subject, and is told that all is right.
pub(crate) fn expect_verified(name: &str, delivered: &[u8], body: &str) {
    let (header, text) = halves(delivered);
    assert_eq!(String::from_utf8_lossy(&text), body, "{name}\n{header}");
    let subject = field(delivered, "Subject");
    assert_eq!(subject.as_deref(), Some("figures"), "{name}");
    assert!(!header.contains("Domsec-Warning"), "{name}\n{header}");
    let results = field(delivered, "Authentication-Results").unwrap_or_default();
    assert!(results.starts_with("gw.b.example;"), "{name}\n{header}");
    assert!(results.contains("smime=pass"), "{name}\n{header}");
}

/// How many readers an outermost E has, by what OpenSSL prints of it.
pub(crate) fn recipient_infos(message: &[u8]) -> usize {
    let folder = TempDir::new().expect("a folder");
    let from = folder.path().join("in");
    fs::write(&from, message).expect("a file");
    let mut openssl = Command::new("openssl");
    let printed = run(openssl
        .args(["cms", "-cmsout", "-print", "-noout", "-in"])
        .arg(from));
    let printed = String::from_utf8_lossy(&printed);
    printed.matches("d.ktri:").count() + printed.matches("d.kari:").count()
}

/// Signs an entity as a user does, who names in `certs/`: the entity of the signed layer.
pub(crate) fn signed(entity: &[u8], name: &str, opaque: bool) -> Vec<u8> {
    let (cert, key) = (pem(name), key(name));
    let intermediate = pem("intermediate");
    let mut arguments = vec!["-sign", "-md", "sha256", "-signer", &cert, "-inkey", &key];
    arguments.extend(["-certfile", &intermediate]);
    if opaque {
        arguments.push("-nodetach");
    }
    made(entity, &arguments)
}

/// Encrypts an entity to somebody in `certs/`: the entity of the encrypted layer.
pub(crate) fn encrypted(entity: &[u8], name: &str) -> Vec<u8> {
    let cert = pem(name);
    made(entity, &["-encrypt", "-binary", "-aes-256-cbc", &cert])
}

/// An entity within another: without the MIME-Version that belongs to a message alone.
pub(crate) fn bare(entity: &[u8]) -> Vec<u8> {
    entity
        .strip_prefix(b"MIME-Version: 1.0\r\n")
        .unwrap_or(entity)
        .to_vec()
}

fn made(entity: &[u8], arguments: &[&str]) -> Vec<u8> {
    let folder = TempDir::new().expect("a folder");
    let (from, to) = (folder.path().join("in"), folder.path().join("out"));
    fs::write(&from, entity).expect("a file");
    // The certificate of a recipient stands at the end.
    let (first, rest) = arguments.split_at(1);
    let mut openssl = Command::new("openssl");
    openssl.arg("cms").args(first).arg("-in").arg(&from);
    run(openssl.arg("-out").arg(&to).args(rest));
    let made = fs::read(&to).expect("what OpenSSL wrote");
    // It ends some lines with LF alone.
    crlf(&made)
}

/// With CRLF at the end of every line.
pub(crate) fn crlf(text: &[u8]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|octet| *octet == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(line) => {
                lines.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
                lines.extend_from_slice(b"\r\n");
            }
            None => lines.extend_from_slice(line),
        }
    }
    lines
}

/// A message with LF alone, cut at its first empty line.
pub(crate) fn halves(message: &[u8]) -> (String, Vec<u8>) {
    let text: Vec<u8> = message
        .iter()
        .copied()
        .filter(|octet| *octet != b'\r')
        .collect();
    let end = text.windows(2).position(|pair| pair == b"\n\n");
    let end = end.unwrap_or(text.len());
    let (header, body) = text.split_at(end);
    let body = body.get(2..).unwrap_or_default().to_vec();
    (String::from_utf8_lossy(header).into_owned(), body)
}

/// The header without its folds.
pub(crate) fn header(message: &[u8]) -> String {
    let (header, _) = halves(message);
    header.replace("\n ", " ").replace("\n\t", " ")
}

/// Fields of messages whose order each MTA could spoil, as it counts what is inserted, changed and removed in its own way.
pub(crate) const IN_ORDER: [&str; 3] = [
    "X-One: 1\nMIME-Version: 1.0\nX-Two: 2\nContent-Type: text/plain\nX-Two: 3\n\
     Content-Transfer-Encoding: 7bit\nX-Three: 4\n",
    // Less is changed where those of MIME stay, and what follows them comes to stand before them.
    "X-One: 1\nMIME-Version: 1.0\nContent-Type: text/plain\nContent-Transfer-Encoding: 7bit\nX-One: 2\n",
    "MIME-Version: 1.0\nX-One: 1\nContent-Type: text/plain\nContent-Transfer-Encoding: 7bit\nX-One: 2\n",
];

/// The fields from From on, without what a layer changes: those of MIME, and the value of Subject.
pub(crate) fn in_order(message: &[u8]) -> Vec<String> {
    let header = header(message);
    let fields = header.lines().skip_while(|line| !line.starts_with("From:"));
    let fields = fields.filter(|line| !line.starts_with("MIME-") && !line.starts_with("Content-"));
    let shown = |line: &str| match line.strip_prefix("Subject:") {
        Some(_) => "Subject".to_owned(),
        None => line.trim_end().to_owned(),
    };
    fields.map(shown).collect()
}

/// The value of the first field of that name.
pub(crate) fn field(message: &[u8], name: &str) -> Option<String> {
    let header = header(message);
    header.lines().find_map(|line| {
        let (own, value) = line.split_once(':')?;
        own.eq_ignore_ascii_case(name)
            .then(|| value.trim().to_owned())
    })
}

fn layer(header: &str) -> Option<char> {
    let content_type = header
        .lines()
        .find(|line| line.to_ascii_lowercase().starts_with("content-type:"))?
        .to_ascii_lowercase();
    if content_type.contains("enveloped-data") {
        Some('E')
    } else if content_type.contains("signed-data") || content_type.contains("multipart/signed") {
        Some('S')
    } else {
        None
    }
}

/// Whether a signed layer has no signature: OpenSSL can show it, but takes it for no signature at all.
fn is_empty(from: &Path) -> bool {
    let mut openssl = Command::new("openssl");
    openssl
        .args(["cms", "-cmsout", "-print", "-noout", "-in"])
        .arg(from);
    let printed = openssl.output().expect("openssl").stdout;
    let printed = String::from_utf8_lossy(&printed);
    let infos = printed.split_once("signerInfos:");
    infos.is_some_and(|(_, infos)| infos.trim_start().starts_with("<EMPTY>"))
}

/// The content of a signed layer, without a look at its signatures.
fn extract(from: &Path, to: &Path) {
    let der = from.with_extension("der");
    let mut openssl = Command::new("openssl");
    openssl
        .args(["cms", "-cmsout", "-outform", "DER", "-in"])
        .arg(from);
    run(openssl.arg("-out").arg(&der));
    let listing = run(Command::new("openssl")
        .args(["asn1parse", "-inform", "DER", "-in"])
        .arg(&der));
    let listing = String::from_utf8_lossy(&listing).into_owned();
    // `   48:d=5  hl=4 l= 300 prim: OCTET STRING`: the first after the type of the content.
    let (_, content) = listing.split_once("pkcs7-data").expect("encapsulated data");
    let line = content
        .lines()
        .find(|line| line.contains("OCTET STRING"))
        .expect("content");
    assert!(line.contains("prim:"), "a constructed string: {line}");
    let (offset, _) = line.trim_start().split_once(':').expect("an offset");
    let mut openssl = Command::new("openssl");
    openssl.args([
        "asn1parse",
        "-inform",
        "DER",
        "-noout",
        "-strparse",
        offset,
        "-in",
    ]);
    run(openssl.arg(&der).arg("-out").arg(to));
}

fn joined(letters: &[&str]) -> String {
    letters.join("(") + &")".repeat(letters.len().saturating_sub(1))
}

fn cms(from: &Path, to: &Path, arguments: &[&str]) -> bool {
    let mut openssl = Command::new("openssl");
    openssl.args(["cms", "-in"]).arg(from).arg("-out").arg(to);
    openssl
        .args(arguments)
        .output()
        .expect("openssl")
        .status
        .success()
}

pub(crate) fn pem(name: &str) -> String {
    certs(&format!("{name}.pem"))
}

pub(crate) fn key(name: &str) -> String {
    certs(&format!("{name}.key"))
}

fn certs(name: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "certs", name].iter().collect();
    path.display().to_string()
}

/// The body of a message of one part, without its transfer encoding, with LF.
pub(crate) fn decoded(message: &[u8]) -> Vec<u8> {
    let (_, body) = halves(message);
    let encoding = field(message, "Content-Transfer-Encoding").unwrap_or_default();
    match encoding.to_ascii_lowercase().as_str() {
        "quoted-printable" => unquoted(&body),
        "base64" => {
            let folder = TempDir::new().expect("a folder");
            let from = folder.path().join("in");
            fs::write(&from, &body).expect("a file");
            let mut openssl = Command::new("openssl");
            let decoded = run(openssl.args(["base64", "-d", "-in"]).arg(from));
            decoded
                .into_iter()
                .filter(|octet| *octet != b'\r')
                .collect()
        }
        _ => body,
    }
}

/// RFC 2045 §6.7, for text that is well-formed.
fn unquoted(body: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'=' {
            text.push(*first);
        } else if let Some(after) = rest.strip_prefix(b"\n") {
            rest = after;
        } else if let Some((digits, after)) = rest.split_at_checked(2) {
            let digits = std::str::from_utf8(digits).expect("ASCII");
            text.push(u8::from_str_radix(digits, 16).expect("two digits"));
            rest = after;
        }
    }
    text
}
