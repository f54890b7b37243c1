//! The arguments of `domsec certs`.

use std::path::PathBuf;

use clap::Args;
use clap::Subcommand;

use crate::address::Domain;
use crate::address::Mailbox;
use crate::gateway::search::Owner;
use crate::policy::facts::LookupSource;
use crate::policy::partner::Fingerprint;
use crate::store::State;

#[derive(Debug, Subcommand)]
pub(in super::super) enum Certs {
    /// List the certificates of others that the gateway has met, and what stands between each and its use
    #[command(after_help = "Example: domsec certs list --config domsec.toml --state pending")]
    List(List),
    /// Show all that is known of one certificate
    #[command(after_help = "Example: domsec certs show --config domsec.toml FINGERPRINT")]
    Show(Show),
    /// Use a certificate from now on, in the place of the one that was in use
    #[command(
        after_help = "Example: domsec certs approve --config domsec.toml --reason \"asked Bob on the phone\" FINGERPRINT"
    )]
    Approve(Change),
    /// Never use a certificate, or its key; a gateway that runs obeys at once
    #[command(
        after_help = "Example: domsec certs reject --config domsec.toml --key --reason \"his laptop is stolen\" \
                      FINGERPRINT"
    )]
    Reject(Reject),
    /// Use a certificate from now on, whatever is published
    #[command(after_help = "Example: domsec certs pin --config domsec.toml FINGERPRINT")]
    Pin(Change),
    /// Let a pinned certificate be replaced by what is published
    #[command(after_help = "Example: domsec certs unpin --config domsec.toml FINGERPRINT")]
    Unpin(Change),
    /// List the domains in whose servers or records something was found, so that no answer from there means that it could
    /// not be had, and not that there is none
    #[command(
        after_help = "Example: domsec certs publishers --config domsec.toml --domain b.example"
    )]
    Publishers(Publishers),
    /// Forget that something was found for a domain: it publishes there no more, and mail to it waits; a gateway that runs
    /// obeys within a minute
    #[command(
        after_help = "Example: domsec certs forget --config domsec.toml --source smtp b.example"
    )]
    Forget(Forget),
}

#[derive(Debug, Args)]
pub(in super::super) struct List {
    /// Configuration file, which names the store
    #[arg(long, value_name = "FILE")]
    pub(in super::super) config: PathBuf,
    /// Only those in this state
    #[arg(long, value_name = "active|pending|pinned|rejected|retired", value_parser = state)]
    pub(in super::super) state: Option<State>,
    /// Only those of this domain: its DCA and its addresses
    #[arg(long, value_name = "DOMAIN")]
    pub(in super::super) domain: Option<Domain>,
    #[command(flatten)]
    pub(in super::super) subject: SubjectArguments,
    /// Print one JSON object
    #[arg(long)]
    pub(in super::super) json: bool,
}

#[derive(Debug, Args)]
pub(in super::super) struct Show {
    /// Configuration file, which names the store
    #[arg(long, value_name = "FILE")]
    pub(in super::super) config: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(in super::super) json: bool,
    /// SHA-256 of the certificate: 64 hex digits
    #[arg(value_parser = fingerprint)]
    pub(in super::super) fingerprint: Fingerprint,
}

#[derive(Debug, Args)]
pub(in super::super) struct Change {
    /// Configuration file, which names the store
    #[arg(long, value_name = "FILE")]
    pub(in super::super) config: PathBuf,
    #[command(flatten)]
    pub(in super::super) subject: SubjectArguments,
    /// Why, for who looks at it later
    #[arg(long, value_name = "TEXT")]
    pub(in super::super) reason: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub(in super::super) json: bool,
    /// SHA-256 of the certificate: 64 hex digits
    #[arg(value_parser = fingerprint)]
    pub(in super::super) fingerprint: Fingerprint,
}

#[derive(Debug, Args)]
pub(in super::super) struct Reject {
    #[command(flatten)]
    pub(in super::super) change: Change,
    /// Never use its key either, in whatever certificate it comes: renewed, or issued by somebody else
    #[arg(long)]
    pub(in super::super) key: bool,
}

#[derive(Debug, Args)]
pub(in super::super) struct Publishers {
    /// Configuration file, which names the store
    #[arg(long, value_name = "FILE")]
    pub(in super::super) config: PathBuf,
    /// Only this domain
    #[arg(long, value_name = "DOMAIN")]
    pub(in super::super) domain: Option<Domain>,
    /// Print one JSON object
    #[arg(long)]
    pub(in super::super) json: bool,
}

#[derive(Debug, Args)]
pub(in super::super) struct Forget {
    /// Configuration file, which names the store
    #[arg(long, value_name = "FILE")]
    pub(in super::super) config: PathBuf,
    /// Only that it was found there; else wherever it was
    #[arg(long, value_name = "mcek|smimea|ldap|smtp", value_parser = source)]
    pub(in super::super) source: Option<LookupSource>,
    /// Print one JSON object
    #[arg(long)]
    pub(in super::super) json: bool,
    /// The domain
    pub(in super::super) domain: Domain,
}

/// Whose certificate; nobody in particular where neither is given.
#[derive(Debug, Args)]
pub(in super::super) struct SubjectArguments {
    /// Only for this address
    #[arg(long = "for", value_name = "ADDRESS")]
    address: Option<Mailbox>,
    /// Only for the domain confidentiality authority of this domain
    #[arg(long, value_name = "DOMAIN", conflicts_with = "address")]
    dca: Option<Domain>,
}

impl SubjectArguments {
    /// The subject that they name, as the store has it.
    pub(in super::super) fn owner(&self) -> Option<Owner> {
        let address = self.address.clone().map(Owner::Recipient);
        let owner = address.or_else(|| self.dca.clone().map(Owner::Dca));
        owner.map(|owner| owner.folded())
    }
}

fn state(name: &str) -> Result<State, String> {
    let names = State::ALL.map(State::as_str).join(", ");
    State::named(name).ok_or_else(|| format!("it is one of {names}"))
}

fn source(name: &str) -> Result<LookupSource, String> {
    let names = "it is one of mcek, smimea, ldap, smtp";
    LookupSource::named(name).ok_or_else(|| names.to_owned())
}

fn fingerprint(text: &str) -> Result<Fingerprint, String> {
    let why = "a fingerprint is the SHA-256 of the certificate: 64 hex digits";
    Fingerprint::parse(text).ok_or_else(|| why.to_owned())
}
