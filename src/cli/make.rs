//! `domsec sign`, `encrypt` and `decrypt`: messages in, messages out.

use std::io::Write;
use std::path::Path;

use crate::cms::attributes::Capability;
use crate::cms::attributes::SignatureTypeOid;
use crate::cms::write_enveloped;
use crate::cms::write_enveloped::Envelope;
use crate::cms::write_recipient::KeyEncryption;
use crate::cms::write_recipient::Recipient;
use crate::cms::write_signed::SignError;
use crate::cms::write_signed::SignedDataPlan;
use crate::cms::write_signed::SignerPlan;
use crate::crypto;
use crate::crypto::DigestAlgorithm;
use crate::crypto::OaepParameters;
use crate::crypto::RsaEncryption;
use crate::gateway::edition;
use crate::gateway::judge::chain;
use crate::gateway::open::Kind;
use crate::gateway::open::Node;
use crate::gateway::seal::Payload;
use crate::gateway::seal::SealError;
use crate::gateway::seal::Sealer;
use crate::limits::Limits;
use crate::octets::Memory;
use crate::octets::Octets;
use crate::octets::SpoolWriter;
use crate::octets::View;
use crate::x509::Certificate;
use crate::x509::Identities;
use crate::x509::Identity;
use crate::x509::Time;
use crate::x509::purpose::may_receive_mail;
use crate::x509::purpose::may_sign_mail;

use super::args;
use super::args::Decrypt;
use super::args::Encrypt;
use super::args::Sign;
use super::colour::printable;
use super::failure::Exit;
use super::failure::Failure;
use super::input;
use super::output;

/// Signs a message: a layer for each call, not for each type.
pub(super) fn sign(arguments: &Sign) -> Result<Exit, Failure> {
    let mut types = arguments.types.iter();
    if let Some(kind) = types.find(|kind| arguments.detached && kind.must_encapsulate()) {
        return Err(Failure::usage(format!(
            "--detached with --type {kind}: such a signature must encapsulate other signatures"
        )));
    }
    let limits = Limits::default();
    let identities = input::keys(&arguments.keys)?;
    if identities.0.is_empty() {
        return Err(Failure::usage(
            "no key to sign with: give --key and --cert, or --p12",
        ));
    }
    let more = input::certificates(&arguments.chain, &limits)?;
    let sealer = sealer(&limits);
    let payload = payload_to_sign(&sealer, arguments)?;
    let now = input::now()?;
    let capabilities = edition::capabilities();
    let signers = signer_plans(&identities, arguments, &capabilities, now)?;
    let certificates = certificates(&identities, &more);
    let certificates: Vec<&[u8]> = certificates.iter().map(Certificate::der).collect();
    let plan = SignedDataPlan {
        signers: &signers,
        certificates: &certificates,
        detached: arguments.detached,
    };
    write(arguments.output.as_deref(), &payload.outside, |sink| {
        sealer
            .sign(&payload, &plan, sink)
            .map_err(|error| failed(&arguments.file, &error))
    })
}

/// The message; in the empty signature where the types must encapsulate one, and it has none
/// (draft §2.5).
fn payload_to_sign(sealer: &Sealer<'_>, arguments: &Sign) -> Result<Payload, Failure> {
    let message = input::message(&arguments.file)?;
    let payload = payload(sealer, &message, &arguments.file)?;
    let encapsulates = arguments.types.iter().any(|kind| kind.must_encapsulate());
    if !encapsulates || is_signed(&message) {
        return Ok(payload);
    }
    let empty = SignedDataPlan {
        signers: &[],
        certificates: &[],
        detached: false,
    };
    rewrap(payload, |payload, sink| {
        sealer
            .sign(payload, &empty, sink)
            .map_err(|error| failed(&arguments.file, &error))
    })
}

/// Encrypts a message.
pub(super) fn encrypt(arguments: &Encrypt) -> Result<Exit, Failure> {
    let Some((to, path)) = arguments.certificates_and_file() else {
        return Err(Failure::usage(
            "no message to encrypt: give FILE, or - for standard input",
        ));
    };
    let limits = Limits::default();
    let certificates = input::certificates(to, &limits)?;
    warn_of(&certificates)?;
    let recipients = certificates
        .iter()
        .map(|certificate| recipient(certificate, arguments));
    let envelope = Envelope::new(arguments.cipher, recipients.collect::<Result<_, _>>()?);
    let sealer = sealer(&limits);
    let message = input::message(path)?;
    let payload = payload(&sealer, &message, path)?;
    write(arguments.output.as_deref(), &payload.outside, |sink| {
        let sealed = sealer.encrypt(&payload.inside, &envelope, sink);
        sealed.map_err(|error| failed(path, &error))
    })
}

/// Removes every layer down to and including the outermost E that opens.
pub(super) fn decrypt(arguments: &Decrypt) -> Result<Exit, Failure> {
    let identities = input::keys(&arguments.keys)?;
    if identities.0.is_empty() {
        return Err(Failure::usage(
            "no key to decrypt with: give --key and --cert, or --p12",
        ));
    }
    let file = input::open(&arguments.file, &identities)?;
    let Some(inside) = outermost_opened(&file.opened.root) else {
        return Err(Failure::data(format!(
            "{}: {}",
            arguments.file.display(),
            why_closed(&file.opened.root)
        )));
    };
    let limits = Limits::default();
    let Some(header) = &file.opened.header else {
        // Bare CMS: what was inside, and nothing else.
        return output::message(arguments.output.as_deref(), |sink| copy(inside, sink))
            .map(|()| Exit::Yes);
    };
    let merged = crate::gateway::seal::unwrapped(header, inside, &limits)
        .map_err(|error| failed(&arguments.file, &error))?;
    output::message(arguments.output.as_deref(), |sink| copy(&merged, sink)).map(|()| Exit::Yes)
}

fn sealer(limits: &Limits) -> Sealer<'_> {
    let provider = crypto::provider();
    Sealer {
        provider,
        randomness: provider.randomness,
        limits,
        spool: &Memory,
    }
}

fn payload(sealer: &Sealer<'_>, message: &View, path: &Path) -> Result<Payload, Failure> {
    sealer
        .payload(message)
        .map_err(|error| failed(path, &error))
}

/// Puts a layer around what goes inside.
fn rewrap(
    payload: Payload,
    layer: impl FnOnce(&Payload, &mut dyn Write) -> Result<(), Failure>,
) -> Result<Payload, Failure> {
    let mut wrapped = Vec::new();
    layer(&payload, &mut wrapped)?;
    Ok(Payload {
        inside: View::owned(wrapped),
        left: None,
        ..payload
    })
}

/// Whether there is any signature in it, at any depth that can be seen, the empty one included.
fn is_signed(message: &View) -> bool {
    let opened = input::open_octets(message, &Identities::default());
    let mut open = vec![&opened.opened.root];
    while let Some(node) = open.pop() {
        match &node.kind {
            Kind::Signed(_) => return true,
            Kind::Content(parts) => open.extend(parts),
            Kind::Compressed(_) | Kind::Enveloped(..) => {}
        }
        open.extend(node.child());
    }
    false
}

fn signer_plans<'a>(
    identities: &'a Identities,
    arguments: &'a Sign,
    capabilities: &'a [Capability<'a>],
    now: Time,
) -> Result<Vec<SignerPlan<'a>>, Failure> {
    let plan = |identity: &'a Identity| {
        let certificate = identity.certificate();
        let algorithm = SignerPlan::default_algorithm(certificate.spki()).map_err(|_| {
            Failure::data(format!(
                "the key of {} cannot sign",
                certificate.subject_name()
            ))
        })?;
        Ok(SignerPlan {
            certificate,
            key: identity.key(),
            algorithm,
            types: &arguments.types,
            type_oid: SignatureTypeOid::Registered,
            signing_time: Some(now),
            capabilities,
            attributes: &[],
        })
    };
    signing(identities, arguments.keys.keys.len())?
        .into_iter()
        .map(plan)
        .collect()
}

/// Those that sign: the first `named`, which `--key` names, and of PKCS#12 files the keys whose
/// certificates let them. Such a file often holds one for encryption beside it (RFC 9216 §4.5).
fn signing(identities: &Identities, named: usize) -> Result<Vec<&Identity>, Failure> {
    let mut refused = None;
    let mut signing = Vec::new();
    for (index, identity) in identities.0.iter().enumerate() {
        match may_sign_mail(identity.certificate()) {
            Err(error) if index >= named => {
                refused = Some((identity.certificate().subject_name(), error));
            }
            Ok(()) | Err(_) => signing.push(identity),
        }
    }
    match refused {
        Some((name, error)) if signing.is_empty() => Err(Failure::data(format!(
            "the key of {name} is not for signing: {error}"
        ))),
        Some(_) | None => Ok(signing),
    }
}

/// The signers' certificates, their chains and `more`, each once.
fn certificates(identities: &Identities, more: &[Certificate]) -> Vec<Certificate> {
    let own = identities
        .0
        .iter()
        .flat_map(|identity| std::iter::once(identity.certificate()).chain(identity.chain()));
    let mut all: Vec<Certificate> = Vec::new();
    for certificate in own.chain(more) {
        if all.iter().all(|known| known.der() != certificate.der()) {
            all.push(certificate.clone());
        }
    }
    all
}

/// Says on standard error which certificates nobody should encrypt to: whoever names a certificate
/// may know better, but shall know it.
fn warn_of(certificates: &[Certificate]) -> Result<(), Failure> {
    let now = input::now()?;
    for certificate in certificates {
        let name = printable(certificate.subject_name());
        if let Err(error) = may_receive_mail(certificate) {
            output::warn(&format!(
                "the certificate of {name} is not for encrypted mail: {error}"
            ));
        }
        let (from, until) = (certificate.not_before(), certificate.not_after());
        if now < from || now > until {
            let dates = format!("is valid from {from} to {until}, not now");
            output::warn(&format!("the certificate of {name} {dates}"));
        }
    }
    Ok(())
}

fn recipient(certificate: &Certificate, arguments: &Encrypt) -> Result<Recipient, Failure> {
    let unusable = |_| {
        let name = certificate.subject_name();
        Failure::data(format!("the key of {name} cannot be encrypted to"))
    };
    let default = KeyEncryption::for_key(certificate.spki(), arguments.cipher).map_err(unusable)?;
    let oaep = || {
        KeyEncryption::KeyTransport(RsaEncryption::Oaep(OaepParameters::plain(
            DigestAlgorithm::Sha256,
        )))
    };
    let key_encryption = match (&default, arguments.key_encryption) {
        (KeyEncryption::KeyTransport(_), args::KeyEncryption::RsaOaep) => oaep(),
        _ => default,
    };
    Ok(Recipient {
        issuer: certificate.issuer().to_vec(),
        serial: certificate.serial().to_vec(),
        spki: certificate.spki().to_vec(),
        key_encryption,
    })
}

/// What is inside the outermost E that a key opened.
fn outermost_opened(root: &Node) -> Option<&View> {
    root.chain().find_map(|node| match &node.kind {
        Kind::Enveloped(_, inside) => inside.as_ref().map(|child| &child.raw),
        Kind::Compressed(_) | Kind::Content(_) | Kind::Signed(_) => None,
    })
}

fn why_closed(root: &Node) -> String {
    let error = root.chain().find_map(|node| node.error.as_ref());
    let closed = root
        .chain()
        .any(|node| matches!(node.kind, Kind::Enveloped(..)));
    match (error, closed) {
        (Some(error), _) => chain(error),
        (None, true) => "none of the keys is one that it is encrypted to".to_owned(),
        (None, false) => "there is no encrypted layer".to_owned(),
    }
}

fn copy(view: &View, sink: &mut dyn Write) -> Result<(), Failure> {
    view.windows(|window| sink.write_all(window))
        .map_err(|error: std::io::Error| Failure::io(Path::new("output"), &error))
}

/// Writes the outer header and what `entity` writes.
fn write(
    path: Option<&Path>,
    outside: &[u8],
    entity: impl FnOnce(&mut dyn Write) -> Result<(), Failure>,
) -> Result<Exit, Failure> {
    // Nothing is printed before all of it has been made: half a message is none.
    let mut made: Box<dyn SpoolWriter> = Box::new(Vec::new());
    let io = |error| Failure::io(Path::new("spool"), &error);
    made.write_all(outside).map_err(io)?;
    made.write_all(b"MIME-Version: 1.0\r\n").map_err(io)?;
    entity(&mut made)?;
    let made = View::whole(made.finish().map_err(io)?);
    debug_assert!(!made.is_empty());
    output::message(path, |sink| copy(&made, sink)).map(|()| Exit::Yes)
}

/// Whose fault it is that nothing was made: the message's, our own, or the disk's.
fn failed(path: &Path, error: &SealError) -> Failure {
    match error {
        SealError::Sign(
            SignError::Cms(_) | SignError::ReadBack(_) | SignError::VerifyBack { .. },
        )
        | SealError::Encrypt(write_enveloped::SealError::Check(_))
        | SealError::Encrypt(write_enveloped::SealError::Differs(_))
        | SealError::NoSuchLayer(_)
        | SealError::Randomness(_) => Failure::software(error),
        SealError::Write(source)
        | SealError::Sign(SignError::Read(source))
        | SealError::Encrypt(write_enveloped::SealError::Io(source)) => {
            Failure::output(path, source)
        }
        SealError::Compose(_)
        | SealError::Encrypt(_)
        | SealError::Mime(_)
        | SealError::NotInTransitForm { .. }
        | SealError::Sign(_) => Failure::file(path, error),
    }
}
