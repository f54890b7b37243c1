//! Peels a message layer by layer with the `openssl cms` command, and says what it is made of.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::process::Output;

use domsec::notation::Layer;
use domsec::notation::Layers;
use domsec::notation::Marks;
use domsec::notation::SignatureType;

use super::stack::NOW;
use super::stack::certs;

const PROGRAM: &str = "/usr/bin/openssl";

/// id-sti of the draft, section 3.2, with the type that the last arc says.
const TYPES: [(&str, SignatureType); 5] = [
    ("1.2.840.113549.1.9.16.9.1", SignatureType::Originator),
    ("1.2.840.113549.1.9.16.9.2", SignatureType::Domain),
    (
        "1.2.840.113549.1.9.16.9.3",
        SignatureType::AdditionalAttributes,
    ),
    ("1.2.840.113549.1.9.16.9.4", SignatureType::Review),
    ("1.2.840.113549.1.9.16.9.5", SignatureType::Delegated),
];
const ML_EXPANSION_HISTORY: &str = "(1.2.840.113549.1.9.16.2.3)";

/// What openssl finds in a message.
#[derive(Debug)]
pub(crate) struct Peeled {
    pub(crate) layers: Layers,
    /// The entity of each layer, the outermost first.
    pub(crate) entities: Vec<Vec<u8>>,
    /// The CMS of each S and E, as DER; empty for the content.
    pub(crate) der: Vec<Vec<u8>>,
}

/// Whether the command is there. Where it must be, it fails if not.
pub(crate) fn installed() -> bool {
    if Path::new(PROGRAM).exists() {
        return true;
    }
    let required = std::env::var_os("DOMSEC_REQUIRE_PEERS").is_some_and(|value| value == "1");
    assert!(!required, "{PROGRAM} is not installed");
    eprintln!("skipped: {PROGRAM} is not installed");
    false
}

/// Peels `message` with the keys of our DCA and that of b.example; every signature must verify.
pub(crate) fn peel(message: &[u8], folder: &Path) -> Result<Peeled, String> {
    let mut entities = vec![message.to_vec()];
    let mut layers = Vec::new();
    let mut der = Vec::new();
    loop {
        let entity = entities.last().unwrap().clone();
        fs::write(folder.join("entity"), in_base64(&entity, folder)?).unwrap();
        let head = header(&entity);
        let at = entities.len() - 1;
        let failed = |error: String| format!("openssl, layer {at}: {error}");
        let inside = if head.contains("multipart/signed") || head.contains("signed-data") {
            let marks = marks(folder).map_err(failed)?;
            layers.push(Layer::Signed(marks));
            der.push(whole(folder).map_err(failed)?);
            let read = if marks == Marks::EMPTY {
                unsigned
            } else {
                verified
            };
            Some(read(folder).map_err(failed)?)
        } else if head.contains("enveloped-data") {
            layers.push(Layer::Enveloped);
            der.push(whole(folder).map_err(failed)?);
            decrypted(folder)
        } else {
            layers.push(Layer::Content);
            der.push(Vec::new());
            None
        };
        match inside {
            Some(inside) => entities.push(inside),
            None => break,
        }
    }
    Ok(Peeled {
        layers: Layers::new(layers).map_err(|error| error.to_string())?,
        entities,
        der,
    })
}

/// Whether an entity says that its body has no transfer encoding, and may have any octets.
pub(crate) fn is_binary(entity: &[u8]) -> bool {
    header(entity).contains("\r\ncontent-transfer-encoding: binary")
}

/// The same entity as `openssl cms` takes one, which reads base64 alone.
fn in_base64(entity: &[u8], folder: &Path) -> Result<Vec<u8>, String> {
    if !is_binary(entity) {
        return Ok(entity.to_vec());
    }
    let end = entity.windows(4).position(|octets| octets == b"\r\n\r\n");
    let (head, body) = entity.split_at(end.ok_or("no empty line")? + 4);
    let head = String::from_utf8_lossy(head).replace("Encoding: binary", "Encoding: base64");
    fs::write(folder.join("body"), body).map_err(|error| error.to_string())?;
    let mut encode = Command::new(PROGRAM);
    encode.current_dir(folder).args(["base64", "-in", "body"]);
    Ok([head.into_bytes(), run(&mut encode)?.stdout].concat())
}

/// The header of an entity in lower case, unfolded.
fn header(entity: &[u8]) -> String {
    let text = String::from_utf8_lossy(entity);
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    head.replace("\r\n ", " ").to_ascii_lowercase()
}

fn verified(folder: &Path) -> Result<Vec<u8>, String> {
    // Gateways send their own certificate alone, and openssl looks for issuers here.
    let trusted: Vec<u8> = ["root.pem", "intermediate.pem"]
        .into_iter()
        .flat_map(|name| fs::read(certs().join(name)).unwrap())
        .collect();
    fs::write(folder.join("trusted"), trusted).unwrap();
    let now = NOW.to_string();
    run(cms(folder)
        .args(["-verify", "-in", "entity", "-out", "inside"])
        .args(["-CAfile", "trusted", "-attime", &now]))?;
    read(folder, "inside")
}

/// The content of an empty signature, which `openssl cms` reads and does not hand out: "no signers".
fn unsigned(folder: &Path) -> Result<Vec<u8>, String> {
    let asn1parse = |arguments: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command
            .current_dir(folder)
            .args(["asn1parse", "-inform", "DER", "-in", "der"]);
        run(command.args(arguments))
    };
    let printed = asn1parse(&[])?;
    let printed = String::from_utf8_lossy(&printed.stdout).into_owned();
    let content = printed.lines().find(|line| line.contains("OCTET STRING"));
    let offset = content
        .and_then(|line| line.split(':').next())
        .ok_or_else(|| format!("no eContent in {printed}"))?;
    asn1parse(&["-noout", "-strparse", offset.trim(), "-out", "inside"])?;
    read(folder, "inside")
}

/// What is inside; `None` where none of the two keys is a recipient's.
fn decrypted(folder: &Path) -> Option<Vec<u8>> {
    for name in ["dca-b", "dca-a"] {
        let done = run(cms(folder)
            .args(["-decrypt", "-in", "entity", "-out", "inside", "-recip"])
            .arg(certs().join(format!("{name}.pem")))
            .arg("-inkey")
            .arg(certs().join(format!("{name}.key"))));
        if done.is_ok() {
            return read(folder, "inside").ok();
        }
    }
    None
}

/// What the notation puts into brackets, of what openssl prints.
fn marks(folder: &Path) -> Result<Marks, String> {
    let printed = run(cms(folder).args(["-cmsout", "-print", "-noout", "-in", "entity"]))?;
    let printed = String::from_utf8_lossy(&printed.stdout).into_owned();
    let (_, signers) = printed
        .rsplit_once("signerInfos:")
        .ok_or_else(|| format!("no signerInfos in {printed}"))?;
    if signers.contains("<EMPTY>") && !signers.contains("signedAttrs") {
        return Ok(Marks::EMPTY);
    }
    let (_, attributes) = signers
        .split_once("signedAttrs:")
        .ok_or_else(|| format!("no signedAttrs in {signers}"))?;
    let mut marks = Marks::NONE;
    for (oid, kind) in TYPES {
        let named = |line: &str| line.split([':', ' ', '(', ')']).any(|word| word == oid);
        if attributes.lines().any(named) {
            marks = marks.with(Marks::of(kind));
        }
    }
    if attributes.contains(ML_EXPANSION_HISTORY) {
        marks = marks.with(Marks::ML);
    }
    Ok(marks)
}

/// The CMS of the entity as DER.
fn whole(folder: &Path) -> Result<Vec<u8>, String> {
    run(cms(folder).args(["-cmsout", "-in", "entity", "-outform", "DER", "-out", "der"]))?;
    read(folder, "der")
}

fn cms(folder: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.current_dir(folder).arg("cms");
    command
}

fn run(command: &mut Command) -> Result<Output, String> {
    let done = command.output().map_err(|error| error.to_string())?;
    if done.status.success() {
        Ok(done)
    } else {
        let said = String::from_utf8_lossy(&done.stderr);
        Err(format!("{:?}: {}", command.get_args().nth(1), said.trim()))
    }
}

fn read(folder: &Path, name: &str) -> Result<Vec<u8>, String> {
    fs::read(folder.join(name)).map_err(|error| format!("{name}: {error}"))
}
