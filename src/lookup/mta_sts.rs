//! MTA-STS (RFC 8461): the mail exchangers that a domain names by HTTPS, where it does not name them by DNSSEC.
//!
//! Only what a policy proves of a name is used here: that the host is the domain's own choice. One that is missing, or
//! that cannot be had, proves nothing, and takes nothing away.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;
use tokio::time::timeout_at;

use super::http::Https;
use super::http::Resource;
use super::names::Data;
use super::names::Kind;
use crate::address::Domain;
use crate::gateway::search::Authentication;

/// Octets of a policy (§3.3).
const POLICY_OCTETS: usize = 64 * 1024;
/// More patterns than anybody has; those beyond name nobody.
const PATTERNS: usize = 32;
/// How long a policy is used before it is asked for again, and how long it is not asked for that nobody has. Longer
/// would be of no use: whoever suppresses a policy makes answers worth less, and nothing else.
const KEPT: Duration = Duration::from_secs(3600);
/// The same where it could not be had.
const PAUSE: Duration = Duration::from_secs(60);
/// The longest that the search for one may take of the time of a question.
const PATIENCE: Duration = Duration::from_secs(5);
/// Domains that are remembered: mostly some 500 octets each, and 10 KiB where names are as long and as many as can be.
const MOST: usize = 4_000;

/// Finds policies, and remembers them.
#[derive(Clone, Debug)]
pub struct MtaSts {
    https: Https,
    known: Arc<Mutex<HashMap<Domain, Known>>>,
}

/// What is known of a domain, or is being found out.
#[derive(Clone, Debug)]
struct Known {
    policy: Arc<OnceCell<Found>>,
    begun: Instant,
}

#[derive(Debug)]
struct Found {
    vouched: Option<Arc<Vouched>>,
    lifetime: Duration,
}

/// The exchangers that a domain vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouched {
    patterns: Vec<Pattern>,
    /// What the policy's host has proved, and so the most that an exchanger's word is worth.
    pub authentication: Authentication,
}

/// One `mx` of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Host(Domain),
    /// One label more than this.
    Below(Domain),
}

impl Vouched {
    /// Whether the domain vouches for that host (§4.1).
    #[must_use]
    pub fn names(&self, host: &Domain) -> bool {
        self.patterns.iter().any(|pattern| match pattern {
            Pattern::Host(named) => named == host,
            Pattern::Below(parent) => {
                let label = host.as_str().split_once('.');
                label.is_some_and(|(_, rest)| rest == parent.as_str())
            }
        })
    }
}

impl MtaSts {
    /// Policies are fetched by `https`, whose resolver is asked for their records.
    #[must_use]
    pub fn new(https: Https) -> Self {
        Self {
            https,
            known: Arc::default(),
        }
    }

    /// Whom `domain` vouches for, as far as that is known by `deadline`; `now` is in seconds since 1970.
    pub async fn vouched(
        &self,
        domain: &Domain,
        deadline: Instant,
        now: u64,
    ) -> Option<Arc<Vouched>> {
        let begun = Instant::now();
        let policy = self.known_of(domain, begun);
        let finding = policy.get_or_init(|| self.found(domain, begun + PATIENCE, now));
        let found = timeout_at(deadline, finding).await.ok()?;
        found.vouched.clone()
    }

    /// The place where the policy of `domain` is, or will be. Who asks meanwhile waits for the same answer.
    fn known_of(&self, domain: &Domain, now: Instant) -> Arc<OnceCell<Found>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = |one: &Known| {
            let lifetime = one.policy.get().map_or(PAUSE, |found| found.lifetime);
            now.saturating_duration_since(one.begun) < lifetime
        };
        if let Some(there) = known.get(domain).filter(|one| is_fresh(one)) {
            return Arc::clone(&there.policy);
        }
        if known.len() >= MOST {
            known.retain(|_, one| is_fresh(one));
        }
        let policy = Arc::new(OnceCell::new());
        if known.len() < MOST {
            let policy = Arc::clone(&policy);
            known.insert(domain.clone(), Known { policy, begun: now });
        }
        policy
    }

    async fn found(&self, domain: &Domain, deadline: Instant, now: u64) -> Found {
        let finding = self.fetched(domain, deadline, now);
        match timeout_at(deadline, finding).await {
            Ok(Ok(vouched)) => Found {
                vouched: vouched.map(Arc::new),
                lifetime: KEPT,
            },
            Ok(Err(Unknown)) | Err(_) => Found {
                vouched: None,
                lifetime: PAUSE,
            },
        }
    }

    async fn fetched(
        &self,
        domain: &Domain,
        deadline: Instant,
        now: u64,
    ) -> Result<Option<Vouched>, Unknown> {
        let dns = self.https.connector.dns.as_ref();
        let records = dns.records(&format!("_mta-sts.{domain}"), Kind::Text).await;
        let records = records.map_err(|_| Unknown)?;
        if !announces(&records.data) {
            return Ok(None);
        }
        let Ok(host) = Domain::parse(&format!("mta-sts.{domain}")) else {
            return Ok(None);
        };
        let resource = Resource {
            host,
            target: "/.well-known/mta-sts.txt".to_owned(),
        };
        let getting = self.https.get_in_place(resource, domain, deadline, now);
        let got = getting.await.map_err(|_| Unknown)?;
        // Users of a web server may have put there what is not text.
        if got.status != 200 || got.media_type.as_deref() != Some("text/plain") {
            return Err(Unknown);
        }
        let patterns = patterns(&got.body).ok_or(Unknown)?;
        Ok((!patterns.is_empty()).then_some(Vouched {
            patterns,
            // Nobody has signed which host it is.
            authentication: got.authentication.min(Authentication::PartnerTls),
        }))
    }
}

/// Nobody knows whether there is a policy, or it is none.
struct Unknown;

/// Whether the records say that there is a policy (§3.1).
fn announces(records: &[Data]) -> bool {
    let texts = records.iter().filter_map(|data| match data {
        Data::Text(text) => Some(text.as_slice()),
        Data::Address(_) | Data::Association { .. } | Data::Mx { .. } | Data::Srv { .. } => None,
    });
    let mut ours = texts.filter(|text| {
        let rest = text.strip_prefix(b"v=STSv1");
        rest.is_some_and(|rest| rest.trim_ascii_start().starts_with(b";"))
    });
    let (Some(text), None) = (ours.next(), ours.next()) else {
        return false;
    };
    let fields = text.split(|octet| *octet == b';').map(<[u8]>::trim_ascii);
    let mut ids = fields.filter_map(|field| field.strip_prefix(b"id="));
    ids.next()
        .is_some_and(|id| (1..=32).contains(&id.len()) && id.iter().all(u8::is_ascii_alphanumeric))
}

/// Whom a policy names that is in force; nobody where it is being tested or withdrawn, `None` where it is malformed
/// (§3.2).
fn patterns(policy: &[u8]) -> Option<Vec<Pattern>> {
    if policy.len() > POLICY_OCTETS {
        return None;
    }
    let text = std::str::from_utf8(policy).ok()?;
    let mut first: HashMap<&str, &str> = HashMap::new();
    let mut patterns = Vec::new();
    for line in text.split_terminator('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        // Text editors leave one at the end.
        if line.is_empty() {
            continue;
        }
        let (key, value) = line.split_once(':')?;
        let value = value.trim_matches([' ', '\t']);
        match key {
            "mx" if patterns.len() < PATTERNS => patterns.push(Pattern::read(value)?),
            "mx" => {}
            _ => {
                first.entry(key).or_insert(value);
            }
        }
    }
    let max_age = first.get("max_age")?;
    let is_number =
        (1..=10).contains(&max_age.len()) && max_age.bytes().all(|c| c.is_ascii_digit());
    if first.get("version") != Some(&"STSv1") || !is_number {
        return None;
    }
    match *first.get("mode")? {
        "enforce" if patterns.is_empty() => None,
        "enforce" => Some(patterns),
        "testing" | "none" => Some(Vec::new()),
        _ => None,
    }
}

impl Pattern {
    fn read(text: &str) -> Option<Self> {
        match text.strip_prefix("*.") {
            Some(parent) => Domain::parse(parent).ok().map(Self::Below),
            None => Domain::parse(text).ok().map(Self::Host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "version: STSv1\r\nmode: enforce\r\nmx: mail.b.example\r\n\
        mx: *.b.example\r\nmx:\tbackup.c.example  \r\nmax_age: 604800\r\n";

    fn names(policy: &str, host: &str) -> Option<bool> {
        let vouched = Vouched {
            patterns: patterns(policy.as_bytes())?,
            authentication: Authentication::PublicTls,
        };
        Some(vouched.names(&host.parse().unwrap()))
    }

    #[test]
    fn a_policy_names_hosts_and_one_label_below() {
        for (host, named) in [
            ("mail.b.example", true),
            ("MX1.B.example", true),
            ("backup.c.example", true),
            ("b.example", false),
            ("a.mx.b.example", false),
            ("c.example", false),
            ("evilb.example", false),
            ("mail.b.example.evil.example", false),
        ] {
            assert_eq!(names(POLICY, host), Some(named), "{host}");
        }
    }

    #[test]
    fn only_a_policy_in_force_names_anybody() {
        let host = "mail.b.example";
        let changed = |from: &str, to: &str| names(&POLICY.replace(from, to), host);
        assert_eq!(changed("\r\n", "\n"), Some(true));
        assert_eq!(changed("version", "extra: a b: c\r\nversion"), Some(true));
        assert_eq!(names(&format!("{POLICY}\r\n"), host), Some(true));
        // The first counts.
        assert_eq!(changed("mode", "mode: testing\r\nmode"), Some(false));
        assert_eq!(changed("enforce", "testing"), Some(false));
        assert_eq!(changed("enforce", "none"), Some(false));
        for (from, to) in [
            ("enforce", "Enforce"),
            ("STSv1", "STSv2"),
            ("version: STSv1\r\n", ""),
            ("mode: enforce\r\n", ""),
            ("max_age: 604800\r\n", ""),
            ("604800", "soon"),
            ("604800", "99999999999"),
            ("mode: ", "mode "),
            ("mail.b", "mail..b"),
            ("*.b", "m*.b"),
            (
                "\r\nmx: mail.b.example\r\nmx: *.b.example\r\nmx:\tbackup.c.example  ",
                "",
            ),
        ] {
            assert_eq!(changed(from, to), None, "{from:?} {to:?}");
        }
        assert_eq!(patterns(b"\xff: 1\r\n"), None);
        let long = format!("{POLICY}{}", "x: y\r\n".repeat(POLICY_OCTETS / 6));
        assert_eq!(patterns(long.as_bytes()), None);
        let many = POLICY.replace(
            "max_age",
            &format!("{}max_age", "mx: d.example\n".repeat(1_000)),
        );
        assert_eq!(
            patterns(many.as_bytes()).map(|all| all.len()),
            Some(PATTERNS)
        );
    }

    #[test]
    fn one_record_announces_a_policy() {
        let text = |text: &str| Data::Text(text.as_bytes().to_vec());
        for (records, announced) in [
            (&["v=STSv1; id=20160831085700Z;"][..], true),
            (&["v=STSv1;id=1"], true),
            (&["v=STSv1 ; x=y; id=1"], true),
            (&["v=spf1 -all", "v=STSv1; id=1"], true),
            (&["v=STSv1; id=1", "v=STSv1; id=1"], false),
            (&["v=STSv10; id=1"], false),
            (&["v=STSv1; id="], false),
            (&["v=STSv1; id=a-b"], false),
            (&["v=STSv1"], false),
            (&["id=1; v=STSv1"], false),
            (&[], false),
        ] {
            let records: Vec<Data> = records.iter().map(|one| text(one)).collect();
            assert_eq!(announces(&records), announced, "{records:?}");
        }
    }
}
