//! The tables of the configuration that only the service needs: sockets, bounds, spool, log.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use serde::Deserializer;
use serde::de::Error as _;
use serde::de::IgnoredAny;

use super::parsed_list;
use crate::policy::facts::Direction;
use crate::telemetry::logging::LogFormat;

/// `[listen]`: how MTAs and people reach us.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// Milter sockets. Default `127.0.0.1:8891` and `unix:domsec.sock`.
    pub milter: Vec<MilterListener>,
    /// SMTP proxy sockets: none yet, and an empty list is all that is accepted.
    #[serde(deserialize_with = "no_proxy")]
    pub proxy: (),
    /// Admin sockets. Default `127.0.0.1:8892`.
    #[serde(deserialize_with = "parsed_list")]
    pub admin: Vec<SocketAddr>,
    /// MCEK sockets: none yet, as `proxy`.
    #[serde(deserialize_with = "no_mcek")]
    pub mcek: (),
    /// Longest silence of an MTA within a message, in seconds. Default 600: above Postfix's
    /// `smtpd_timeout` (300), which rules how long a client may pause.
    #[serde(deserialize_with = "seconds")]
    pub idle_timeout: Duration,
}

impl Default for Listen {
    fn default() -> Self {
        let tcp = Socket::Tcp(SocketAddr::from(([127, 0, 0, 1], 8891)));
        let unix = Socket::Unix(PathBuf::from("domsec.sock"));
        Self {
            milter: [tcp, unix].map(MilterListener::from).into(),
            proxy: (),
            admin: vec![SocketAddr::from(([127, 0, 0, 1], 8892))],
            mcek: (),
            idle_timeout: Duration::from_secs(600),
        }
    }
}

/// One milter socket: its name alone, or a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MilterListener {
    /// The socket.
    pub socket: Socket,
    /// The direction of all that comes by it. Default `auto`: the session and the recipient tell.
    pub direction: Option<Direction>,
    /// Permissions of a unix socket. Default 0660.
    pub mode: u32,
    /// Whose a unix socket is. Default: theirs who we are, once we are whom `user` says.
    pub owner: Owner,
}

impl MilterListener {
    /// Whether it is a unix socket whose mode gives others than owner and group any access.
    #[must_use]
    pub fn is_open_to_all(&self) -> bool {
        matches!(self.socket, Socket::Unix(_)) && self.mode & 0o007 != 0
    }
}

/// User and group of a file, by name or number; what is not said is ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub user: Option<String>,
    /// The group.
    pub group: Option<String>,
}

impl From<Socket> for MilterListener {
    fn from(socket: Socket) -> Self {
        Self {
            socket,
            direction: None,
            mode: 0o660,
            owner: Owner::default(),
        }
    }
}

impl<'de> Deserialize<'de> for MilterListener {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(
            untagged,
            expecting = "a socket as \"127.0.0.1:8891\" or \"unix:domsec.sock\", \
            or a table { socket = \"..\", direction = \"auto|inbound|internal|outbound\", mode = \"0660\", \
            owner = \"..\", group = \"..\" }"
        )]
        enum Written {
            Name(String),
            Table(Table),
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            socket: String,
            direction: Option<String>,
            mode: Option<String>,
            owner: Option<String>,
            group: Option<String>,
        }
        let table = match Written::deserialize(deserializer)? {
            Written::Table(table) => table,
            Written::Name(socket) => Table {
                socket,
                direction: None,
                mode: None,
                owner: None,
                group: None,
            },
        };
        let direction = match table.direction.as_deref() {
            None | Some("auto") => None,
            Some("inbound") => Some(Direction::Inbound),
            Some("internal") => Some(Direction::Internal),
            Some("outbound") => Some(Direction::Outbound),
            Some(other) => {
                let known = &["auto", "inbound", "internal", "outbound"];
                return Err(D::Error::unknown_variant(other, known));
            }
        };
        let mode = match table.mode {
            None => 0o660,
            Some(mode) => u32::from_str_radix(&mode, 8)
                .ok()
                .filter(|mode| *mode <= 0o777)
                .ok_or_else(|| {
                    D::Error::custom(format!(
                        "mode {mode:?} is none: write octal digits, as 0660"
                    ))
                })?,
        };
        let socket = table.socket.parse().map_err(D::Error::custom)?;
        let owner = Owner {
            user: table.owner,
            group: table.group,
        };
        if owner != Owner::default() && !matches!(socket, Socket::Unix(_)) {
            return Err(D::Error::custom(format!(
                "{socket} has no owner: owner and group are those of unix: sockets"
            )));
        }
        Ok(Self {
            socket,
            direction,
            mode,
            owner,
        })
    }
}

/// An address to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Socket {
    /// Those that systemd hands over under a name (`FileDescriptorName=`).
    Systemd(String),
    /// Address and port.
    Tcp(SocketAddr),
    /// A path.
    Unix(PathBuf),
}

/// What is no socket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no socket: write an address with its port, as 127.0.0.1:8891, or unix: and a path, or \
    systemd: and the name of a socket unit's FileDescriptorName"
)]
pub struct SocketError(String);

impl FromStr for Socket {
    type Err = SocketError;

    fn from_str(text: &str) -> Result<Self, SocketError> {
        let bad = || SocketError(text.to_owned());
        match (text.strip_prefix("unix:"), text.strip_prefix("systemd:")) {
            (Some(""), _) | (_, Some("")) => Err(bad()),
            (Some(path), _) => Ok(Self::Unix(PathBuf::from(path))),
            (None, Some(name)) => Ok(Self::Systemd(name.to_owned())),
            (None, None) => text.parse().map(Self::Tcp).map_err(|_| bad()),
        }
    }
}

impl std::fmt::Display for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Systemd(name) => write!(f, "systemd:{name}"),
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// `[reinject]`: where further editions of a message go.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reinject {
    /// As `smtp://127.0.0.1:10026`. Without it a message whose recipients need different editions is
    /// deferred.
    pub to: Option<String>,
    /// Whether the connection is protected by STARTTLS. Default `none`: `to` is on the same host.
    pub starttls: ReinjectTls,
    /// Certificates of the authorities one of which vouches for the server. Default none, which
    /// `require` does not accept.
    pub anchors: Vec<PathBuf>,
    /// The name that the server's certificate has. Default: the host of `to`.
    pub server_name: Option<String>,
    /// The file that keeps a retry from sending an edition twice. Default `domsec.journal`.
    pub journal: PathBuf,
}

impl Default for Reinject {
    fn default() -> Self {
        Self {
            to: None,
            starttls: ReinjectTls::default(),
            anchors: Vec::new(),
            server_name: None,
            journal: PathBuf::from("domsec.journal"),
        }
    }
}

/// `[reinject] starttls`. There is no "where it is offered": who stands between us and the server
/// would take the offer away (RFC 3207 §6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReinjectTls {
    /// In clear.
    #[default]
    None,
    /// Protected, by a server whose certificate is good, or nothing is sent.
    Require,
}

/// `[limits]`: what one message and all of them may take.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceLimits {
    /// Octets of a message; what is larger is refused with 552. Default 50 MiB: above Postfix's
    /// `message_size_limit` (10 MB), which refuses first.
    pub message_octets: u64,
    /// Octets of a message that we have signed or encrypted; what has grown beyond is refused with
    /// 552. Default what the server of `[reinject]` says of SIZE.
    pub edition_octets: Option<u64>,
    /// Octets of a header. Default 1 MiB.
    pub header_octets: usize,
    /// Fields of a header. Default 2,000.
    pub header_fields: usize,
    /// Recipients of a message. Default 10,000: above Postfix's `smtpd_recipient_limit` (1,000).
    pub recipients: usize,
    /// Connections of MTAs, 1 to 1,000,000. Default 10,000; further ones are closed, and the MTA defers.
    #[serde(deserialize_with = "places")]
    pub connections: usize,
    /// Messages that are worked on at one time, 1 to 1,000,000. Default 4; others wait in turn, for `wait`.
    #[serde(deserialize_with = "places")]
    pub transactions: usize,
    /// How long a message waits for its turns before it is deferred, in seconds: for the first one, and for those that it
    /// needs to go on where certificates were waited for. Default 60.
    #[serde(deserialize_with = "seconds")]
    pub wait: Duration,
    /// How long the work on one message may take before it is deferred, in seconds, with the search for certificates and
    /// without `wait`. Default 240: both together as Postfix's `milter_content_timeout` (300).
    #[serde(deserialize_with = "seconds")]
    pub work: Duration,
}

impl ServiceLimits {
    /// How long messages at hand may take when the service ends: what the last of them may wait and be
    /// worked on, and 10 s to answer; at most 320 s, below `TimeoutStopSec` (330) of the unit that we ship.
    #[must_use]
    pub fn drain(&self) -> Duration {
        const ANSWER: Duration = Duration::from_secs(10);
        const MOST: Duration = Duration::from_secs(320);
        let time = self.wait.saturating_add(self.work).saturating_add(ANSWER);
        time.min(MOST)
    }
}

impl Default for ServiceLimits {
    fn default() -> Self {
        Self {
            message_octets: 50 * 1024 * 1024,
            edition_octets: None,
            header_octets: 1024 * 1024,
            header_fields: 2_000,
            recipients: 10_000,
            connections: 10_000,
            // Public-key operations fill a core each; the other half overlaps reading and writing.
            transactions: 4,
            wait: Duration::from_secs(60),
            work: Duration::from_secs(240),
        }
    }
}

/// `[spool]`: where messages lie while we work on them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpoolSettings {
    /// A directory for files that never have a name. Default: that of the system (`TMPDIR`).
    pub directory: Option<PathBuf>,
    /// Octets of one message, and of each of its layers, that stay in memory. Default 256 KiB: ten
    /// thousand messages in one GB hold more mail than one MTA hands over at a time.
    pub memory_octets: usize,
    /// Octets that all messages at one time may take, in memory and in files. Default 2 GiB.
    pub octets: u64,
}

impl Default for SpoolSettings {
    fn default() -> Self {
        Self {
            directory: None,
            memory_octets: 256 * 1024,
            octets: 2 * 1024 * 1024 * 1024,
        }
    }
}

/// `[log]`: what is told to standard error.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `text` (default) or `json`.
    pub format: LogFormat,
    /// Whether the verdict line names sender and recipients. Default false.
    pub addresses: bool,
    /// Whether decisions and protocol are told as well. Default false.
    pub debug: bool,
}

pub(super) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    match u64::deserialize(deserializer)? {
        0 => Err(D::Error::custom("a time of 0 seconds never comes")),
        seconds => Ok(Duration::from_secs(seconds)),
    }
}

/// How many may go on at one time: with 0 no message ever would, and far above this a semaphore panics.
fn places<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    const MOST: usize = 1_000_000;
    match usize::deserialize(deserializer)? {
        places @ 1..=MOST => Ok(places),
        other => Err(D::Error::custom(format!(
            "{other} at one time cannot be served: write a number from 1 to {MOST}"
        ))),
    }
}

fn no_proxy<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    let advice =
        "this version has no SMTP proxy: take proxy out, and let the MTA ask a milter socket";
    nothing(deserializer, advice)
}

fn no_mcek<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    let advice =
        "this version has no MCEK server: take mcek out, and give partners your certificates";
    nothing(deserializer, advice)
}

/// An empty list; who has written more believes that somebody listens there.
fn nothing<'de, D: Deserializer<'de>>(deserializer: D, advice: &str) -> Result<(), D::Error> {
    if Vec::<IgnoredAny>::deserialize(deserializer)?.is_empty() {
        Ok(())
    } else {
        Err(D::Error::custom(advice))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(text: &str) -> Result<Listen, String> {
        toml::from_str(text).map_err(|error: toml::de::Error| error.message().to_owned())
    }

    #[test]
    fn a_milter_socket_is_a_name_or_a_table() {
        let text = r#"milter = ["127.0.0.1:8891", { socket = "unix:a/b.sock", direction = "inbound", mode = "0600", group = "postfix" }]"#;
        let [first, second] =
            <[MilterListener; 2]>::try_from(listen(text).unwrap().milter).unwrap();
        assert_eq!(first, "127.0.0.1:8891".parse::<Socket>().unwrap().into());
        assert_eq!(second.socket, Socket::Unix(PathBuf::from("a/b.sock")));
        assert_eq!(second.direction, Some(Direction::Inbound));
        assert_eq!(second.mode, 0o600);
        assert_eq!(second.owner.group.as_deref(), Some("postfix"));
        assert_eq!(second.owner.user, None);
    }

    #[test]
    fn what_is_no_socket_is_refused_with_what_is_accepted() {
        for (text, says) in [
            ("milter = [\"8891\"]", "127.0.0.1:8891"),
            ("milter = [\"unix:\"]", "unix: and a path"),
            ("milter = [{ socket = \"unix:x\", mode = \"rw\" }]", "octal"),
            (
                "milter = [{ socket = \"unix:x\", direction = \"up\" }]",
                "outbound",
            ),
            ("milter = [{ path = \"x\" }]", "a table"),
            (
                "milter = [{ socket = \"127.0.0.1:1\", group = \"x\" }]",
                "127.0.0.1:1 has no owner",
            ),
            ("idle_timeout = 0", "never comes"),
            ("proxy = [\"127.0.0.1:10025\"]", "has no SMTP proxy"),
            ("mcek = [\"127.0.0.1:8893\"]", "has no MCEK server"),
        ] {
            let error = listen(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn as_many_go_on_at_one_time_as_can() {
        for key in ["connections", "transactions"] {
            for (number, good) in [
                ("0", false),
                ("1", true),
                ("1000000", true),
                ("1000001", false),
                ("9223372036854775807", false),
            ] {
                let limits = toml::from_str::<ServiceLimits>(&format!("{key} = {number}"));
                assert_eq!(limits.is_ok(), good, "{key} = {number}");
                if let Err(error) = limits {
                    assert!(error.message().contains("from 1 to 1000000"), "{error}");
                }
            }
        }
    }

    #[test]
    fn a_message_under_way_may_wait_and_be_worked_on_before_the_service_ends() {
        for (wait, work, seconds) in [(60, 240, 310), (1, 2, 13), (300, 300, 320)] {
            let limits = format!("wait = {wait}\nwork = {work}");
            let limits: ServiceLimits = toml::from_str(&limits).unwrap();
            assert_eq!(limits.drain(), Duration::from_secs(seconds));
        }
        let endless = ServiceLimits {
            wait: Duration::MAX,
            ..ServiceLimits::default()
        };
        assert_eq!(endless.drain(), Duration::from_secs(320));
    }

    #[test]
    fn defaults_are_those_of_the_manual() {
        let listen = listen("").unwrap();
        let sockets: Vec<String> = listen
            .milter
            .iter()
            .map(|listener| listener.socket.to_string())
            .collect();
        assert_eq!(sockets, ["127.0.0.1:8891", "unix:domsec.sock"]);
        assert_eq!(listen.idle_timeout, Duration::from_secs(600));
    }

    #[test]
    fn what_is_written_into_a_listener_is_an_address_or_a_path() {
        for (text, good) in [
            ("127.0.0.1:8891", true),
            ("[::1]:8891", true),
            ("unix:domsec.sock", true),
            ("unix:/run/domsec/milter", true),
            ("systemd:milter", true),
            ("systemd:", false),
            ("unix:", false),
            ("", false),
            ("8891", false),
            ("127.0.0.1", false),
            ("inet:8891@127.0.0.1", false),
        ] {
            let parsed = text.parse::<Socket>();
            assert_eq!(parsed.is_ok(), good, "{text}");
            if let Ok(listener) = parsed {
                assert_eq!(listener.to_string(), text);
            }
        }
    }
}
