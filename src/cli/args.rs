//! The arguments of the command line, as CONTRACT has them.

mod certs;

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use clap::Parser;
use clap::Subcommand;
use clap::ValueEnum;

use crate::address::Domain;
use crate::crypto::ContentEncryption;
use crate::notation::SignatureType;
use crate::x509::Time;
use crate::x509::path::RevocationMode;

pub(super) use certs::Certs;
pub(super) use certs::Change;
pub(super) use certs::Forget;
pub(super) use certs::List;
pub(super) use certs::Publishers;
pub(super) use certs::Show;

/// A domain security gateway: S/MIME signatures and encryption for a whole mail domain.
#[derive(Debug, Parser)]
#[command(name = "domsec", version, about, subcommand_required = true)]
pub(super) struct Arguments {
    /// When to colour what is printed for people. NO_COLOR in the environment means never.
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto)]
    pub(super) color: Colour,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Colour {
    /// Always.
    Always,
    /// On a terminal.
    Auto,
    /// Never.
    Never,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show what a message is made of, layer by layer
    #[command(after_help = "Example: domsec inspect --key bob.key --cert bob.pem message.eml")]
    Inspect(Inspect),
    /// Say whether a message is signed, by whom, and whether that is so
    #[command(after_help = "Example: domsec verify --anchor ca.pem message.eml")]
    Verify(Verify),
    /// Sign a message
    #[command(
        after_help = "Example: domsec sign --key a.key --cert a.pem --type domain -o out.eml in.eml"
    )]
    Sign(Sign),
    /// Encrypt a message
    #[command(after_help = "Example: domsec encrypt --to bob.pem -o out.eml in.eml")]
    Encrypt(Encrypt),
    /// Make a gateway to try, send a message through it, and run it
    ///
    /// Under DIR it makes, where absent, a certification authority for demonstrations, keys and
    /// certificates of the domain and of a partner, configuration and policy. Nothing that is there is
    /// changed.
    #[command(after_help = "Example: domsec quickstart --dir ./domsec-data --domain a.example")]
    Quickstart(Quickstart),
    /// Run the gateway: serve the MTAs of the configuration until told to stop
    #[command(after_help = "Example: domsec serve --config /etc/domsec/domsec.toml")]
    Serve(Serve),
    /// Run one message through the gateway: sign, encrypt, decrypt and judge as the policy says
    #[command(
        after_help = "Example: domsec process --config domsec.toml --direction outbound --auth alice@a.example \
                      --mail-from alice@a.example --rcpt-to bob@b.example in.eml > out.eml"
    )]
    Process(Process),
    /// Say what `process` would do with a message, by which rule, and why; nothing is changed
    #[command(
        after_help = "Example: domsec explain --config domsec.toml --direction inbound \
                      --mail-from bob@b.example --rcpt-to alice@a.example in.eml"
    )]
    Explain(Process),
    /// Show the whole search for the certificates of an address, and what is chosen and why
    ///
    /// Asks what the gateway would ask for a message to that address, and changes nothing. Exit code: 0 found, 1 none or
    /// no good one, 75 nobody knows now.
    #[command(after_help = "Example: domsec lookup --config /etc/domsec/domsec.toml bob@b.example")]
    Lookup(Lookup),
    /// Look at the certificates of others that the gateway has met, and say which may be used
    #[command(
        after_help = "Example: domsec certs list --config domsec.toml --state pending",
        subcommand_required = true
    )]
    Certs {
        #[command(subcommand)]
        command: Certs,
    },
    /// Look at a configuration and all that it names, and say what is wrong and what to do
    #[command(after_help = "Example: domsec check --config domsec.toml")]
    Check(Check),
    /// Print the default configuration, with every key explained
    #[command(after_help = "Example: domsec config --default > domsec.toml")]
    Config(ConfigArguments),
    /// Decrypt a message: remove its layers down to the outermost one that opens
    #[command(after_help = "Example: domsec decrypt --p12 bob.p12 --password-file pw in.eml")]
    Decrypt(Decrypt),
    /// Check a policy file, or list what its conditions can be about
    #[command(
        after_help = "Example: domsec policy check policy.toml",
        subcommand_required = true
    )]
    Policy {
        #[command(subcommand)]
        command: Policy,
    },
}

#[derive(Debug, Args)]
pub(super) struct Check {
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    pub(super) config: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Lookup {
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    pub(super) config: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
    /// The address
    #[arg(value_name = "ADDR")]
    pub(super) address: String,
}

#[derive(Debug, Args)]
pub(super) struct ConfigArguments {
    /// Print the default configuration; there is nothing else to print
    #[arg(long, required = true)]
    pub(super) default: bool,
}

/// What quickstart makes, and where.
#[derive(Debug, Args)]
pub(super) struct Quickstart {
    /// Folder of the gateway
    #[arg(long, value_name = "DIR", default_value = "./domsec-data")]
    pub(super) dir: PathBuf,
    /// Domain of the gateway
    #[arg(long, value_name = "DOMAIN", default_value = "a.example")]
    pub(super) domain: Domain,
}

/// Where the gateway's configuration is.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    pub(super) config: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(super) enum Policy {
    /// Say whether a policy file is in order, and if not, where
    #[command(after_help = "Example: domsec policy check policy.toml")]
    Check {
        /// Policy file; - is standard input
        file: PathBuf,
    },
    /// List the facts that conditions can be about, with their types
    #[command(after_help = "Example: domsec policy facts")]
    Facts,
}

/// Our private keys with their certificates.
#[derive(Debug, Args)]
pub(super) struct Keys {
    /// Private key, PEM or DER; the first belongs to the first --cert, and so on
    #[arg(long = "key", value_name = "FILE")]
    pub(super) keys: Vec<PathBuf>,
    /// Certificate of a key, PEM or DER
    #[arg(long = "cert", value_name = "FILE")]
    pub(super) certs: Vec<PathBuf>,
    /// Key and certificate in one PKCS#12 file
    #[arg(long, value_name = "FILE")]
    pub(super) p12: Vec<PathBuf>,
    /// File whose first line is the password of the PKCS#12 or encrypted key files
    #[arg(long, value_name = "FILE")]
    pub(super) password_file: Option<PathBuf>,
}

/// What is trusted, and how far.
#[derive(Debug, Args)]
pub(super) struct Trust {
    /// Certificates that paths may end in, PEM or DER
    #[arg(long = "anchor", value_name = "FILE")]
    pub(super) anchors: Vec<PathBuf>,
    /// Certificates that paths may lead through
    #[arg(long = "intermediate", value_name = "FILE")]
    pub(super) intermediates: Vec<PathBuf>,
    /// Certificate revocation lists, PEM or DER
    #[arg(long = "crl", value_name = "FILE")]
    pub(super) crls: Vec<PathBuf>,
    /// Judge as of this time instead of now
    #[arg(long, value_name = "RFC3339")]
    pub(super) at: Option<Time>,
    /// What the signer's certificate must be for
    #[arg(long, value_enum, default_value_t = Purpose::Smime)]
    pub(super) purpose: Purpose,
    /// The originator, instead of the From field
    #[arg(long = "from", value_name = "ADDRESS")]
    pub(super) from: Option<String>,
    /// How revocation counts: require an answer, prefer one, or do not ask
    #[arg(long, value_name = "require|prefer|off", default_value = "prefer", value_parser = revocation)]
    pub(super) revocation: RevocationMode,
}

/// What a certificate must be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Purpose {
    /// Anything.
    Any,
    /// Mail (RFC 8550 §4.4).
    Smime,
}

#[derive(Debug, Args)]
pub(super) struct Inspect {
    #[command(flatten)]
    pub(super) keys: Keys,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
    /// Message, MIME entity, or CMS as DER, BER or PEM; - is standard input
    pub(super) file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    pub(super) trust: Trust,
    #[command(flatten)]
    pub(super) keys: Keys,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
    /// Message, MIME entity, or CMS as DER, BER or PEM; - is standard input
    pub(super) file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Sign {
    #[command(flatten)]
    pub(super) keys: Keys,
    /// Further certificates to send along
    #[arg(long = "chain", value_name = "FILE")]
    pub(super) chain: Vec<PathBuf>,
    /// Write a SignatureType; may be given several times
    #[arg(long = "type", value_name = "originator|domain|review|attributes|delegated", value_parser = signature_type)]
    pub(super) types: Vec<SignatureType>,
    /// Leave the content readable beside the signature (multipart/signed)
    #[arg(long)]
    pub(super) detached: bool,
    /// Write here instead of to standard output
    #[arg(short = 'o', value_name = "OUT")]
    pub(super) output: Option<PathBuf>,
    /// Message, MIME entity, or CMS as DER, BER or PEM; - is standard input
    pub(super) file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Encrypt {
    /// Certificates of those who shall read it, PEM or DER
    #[arg(long = "to", value_name = "CERT", required = true, num_args = 1..)]
    pub(super) to: Vec<PathBuf>,
    /// Content encryption
    #[arg(long, value_name = "CIPHER", default_value = "aes-256-cbc", value_parser = cipher)]
    pub(super) cipher: ContentEncryption,
    /// How the content-encryption key is encrypted to RSA keys
    #[arg(long, value_enum, default_value_t = KeyEncryption::RsaPkcs1)]
    pub(super) key_encryption: KeyEncryption,
    /// Write here instead of to standard output
    #[arg(short = 'o', value_name = "OUT")]
    pub(super) output: Option<PathBuf>,
    /// Message, MIME entity, or CMS as DER, BER or PEM; - is standard input
    pub(super) file: Option<PathBuf>,
}

impl Encrypt {
    /// The certificates and the message: the last word after `--to` is the message, where nothing
    /// else stands for it.
    pub(super) fn certificates_and_file(&self) -> Option<(&[PathBuf], &PathBuf)> {
        match (&self.file, self.to.split_last()) {
            (Some(file), _) => Some((&self.to, file)),
            (None, Some((file, certificates))) if !certificates.is_empty() => {
                Some((certificates, file))
            }
            (None, _) => None,
        }
    }
}

/// How a content-encryption key is encrypted to an RSA key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum KeyEncryption {
    /// RSAES-OAEP with SHA-256.
    RsaOaep,
    /// RSAES-PKCS1-v1_5.
    RsaPkcs1,
}

#[derive(Debug, Args)]
pub(super) struct Decrypt {
    #[command(flatten)]
    pub(super) keys: Keys,
    /// Write here instead of to standard output
    #[arg(short = 'o', value_name = "OUT")]
    pub(super) output: Option<PathBuf>,
    /// Message, MIME entity, or CMS as DER, BER or PEM; - is standard input
    pub(super) file: PathBuf,
}

/// A message with its envelope and session.
#[derive(Debug, Args)]
pub(super) struct Process {
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    pub(super) config: PathBuf,
    /// Which way the message goes; auto tells it from the session, the sender and each recipient
    #[arg(long, value_enum, default_value_t = DirectionArgument::Auto)]
    pub(super) direction: DirectionArgument,
    /// Envelope sender; <> is the null sender
    #[arg(long, value_name = "ADDRESS")]
    pub(super) mail_from: String,
    /// Envelope recipients
    #[arg(long, value_name = "ADDRESS", required = true, num_args = 1..)]
    pub(super) rcpt_to: Vec<String>,
    /// The login of the session, if it is authenticated
    #[arg(long, value_name = "USER")]
    pub(super) auth: Option<String>,
    /// The client's address
    #[arg(long, value_name = "IP")]
    pub(super) client_ip: Option<IpAddr>,
    /// The common name of the client's verified TLS certificate
    #[arg(long, value_name = "CN")]
    pub(super) tls_subject: Option<String>,
    /// What the client called itself
    #[arg(long, value_name = "NAME")]
    pub(super) helo: Option<String>,
    /// Write each edition into this directory, which is made
    #[arg(long, value_name = "DIR")]
    pub(super) out_dir: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
    /// The message; - is standard input
    pub(super) file: Option<PathBuf>,
}

impl Process {
    /// The recipients and the message: the last word after `--rcpt-to` is the message, where
    /// nothing else stands for it.
    pub(super) fn recipients_and_file(&self) -> Option<(&[String], PathBuf)> {
        match (&self.file, self.rcpt_to.split_last()) {
            (Some(file), _) => Some((&self.rcpt_to, file.clone())),
            (None, Some((file, recipients))) if !recipients.is_empty() => {
                Some((recipients, PathBuf::from(file)))
            }
            (None, _) => None,
        }
    }
}

/// `--direction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum DirectionArgument {
    /// By the session, the sender and each recipient.
    Auto,
    /// From outside.
    Inbound,
    /// From ours to ours.
    Internal,
    /// From ours to others.
    Outbound,
}

fn signature_type(text: &str) -> Result<SignatureType, String> {
    text.parse()
        .map_err(|error: crate::notation::UnknownSignatureType| error.to_string())
}

/// What we write: 3DES is read and never written.
fn cipher(text: &str) -> Result<ContentEncryption, String> {
    let cipher: ContentEncryption = text
        .parse()
        .map_err(|error: crate::crypto::algorithms::UnknownCipher| error.to_string())?;
    if cipher.is_weak() {
        return Err(format!(
            "{cipher} is weak: it is decrypted and never written"
        ));
    }
    Ok(cipher)
}

fn revocation(text: &str) -> Result<RevocationMode, String> {
    match text {
        "require" => Ok(RevocationMode::Require),
        "prefer" => Ok(RevocationMode::Prefer),
        "off" => Ok(RevocationMode::Off),
        other => Err(format!("{other:?} is not one of require, prefer, off")),
    }
}
