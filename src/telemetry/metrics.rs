//! All metrics of the gateway, for Prometheus; `manual/metrics.md` says what to do about each.
//!
//! Labels are closed sets of words: never a domain, an address, a serial number or the text of an
//! error, which peers choose.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use prometheus::Error;
use prometheus::Registry;

use crate::domsec::naming::Names;
use crate::gateway::choice::Event;
use crate::gateway::outcome::Edition;
use crate::gateway::outcome::Fate;
use crate::gateway::outcome::Outcome;
use crate::gateway::roles::Roles;
use crate::notation::Layer;
use crate::notation::Layers;
use crate::policy::facts::Direction;
use crate::policy::facts::LookupResult;
use crate::policy::facts::LookupSource;
use crate::policy::facts::MessageVerdict;
use crate::reply::Class;
use crate::reply::Reply;
use crate::telemetry::family::Counters;
use crate::telemetry::family::Described;
use crate::telemetry::family::Durations;
use crate::telemetry::family::Gauges;
use crate::telemetry::family::Open;
use crate::telemetry::family::Register;
use crate::telemetry::labels::CacheResult;
use crate::telemetry::labels::CertificateEvent;
use crate::telemetry::labels::Ending;
use crate::telemetry::labels::Front;
use crate::telemetry::labels::KeyOperation;
use crate::telemetry::labels::KeyResult;
use crate::telemetry::labels::KeyRole;
use crate::telemetry::labels::LayerOperation;
use crate::telemetry::labels::LayerResult;
use crate::telemetry::labels::Limit;
use crate::telemetry::labels::RecipientFate;
use crate::telemetry::labels::ReloadResult;
use crate::telemetry::labels::SubmissionResult;
use crate::telemetry::labels::Treatment;
use crate::x509::Identity;

/// What the gateway counts. A clone counts into the same.
#[derive(Clone, Debug)]
pub struct Metrics {
    described: Arc<[Described]>,
    aborted_transactions: Counters<(Front,)>,
    certificate_cache: Gauges<()>,
    certificate_cache_answers: Counters<(CacheResult,)>,
    certificate_cache_entries: Gauges<()>,
    certificate_cache_refreshes: Counters<()>,
    certificate_events: Counters<(CertificateEvent,)>,
    certificate_lookup_duration: Durations<(LookupSource,)>,
    certificate_lookups: Counters<(LookupSource, LookupResult)>,
    certificate_store_failures: Counters<()>,
    certificates_pending: Gauges<()>,
    config_reloads: Counters<(ReloadResult,)>,
    connections: Counters<(Front,)>,
    editions: Counters<(Direction, Treatment)>,
    harvested_addresses: Gauges<()>,
    key_operations: Counters<(KeyOperation, KeyResult)>,
    layers: Counters<(LayerOperation, LayerResult)>,
    limit_refusals: Counters<(Limit,)>,
    message_verdicts: Counters<(Direction, MessageVerdict)>,
    naming_violations: Counters<()>,
    open_certificate_searches: Gauges<()>,
    open_connections: Gauges<(Front,)>,
    open_transactions: Gauges<(Front,)>,
    own_certificate_not_after: Gauges<(KeyRole,)>,
    panics: Counters<()>,
    recipients: Counters<(Direction, RecipientFate)>,
    repeated_deferrals: Counters<()>,
    resting_domains: Gauges<()>,
    review_held: Gauges<()>,
    review_oldest_age: Gauges<()>,
    spool: Gauges<()>,
    submissions: Counters<(SubmissionResult,)>,
    transaction_duration: Durations<(Front, Direction)>,
    transactions: Counters<(Front, Direction, Ending)>,
}

/// What is known of other people's certificates at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Answers of sources in memory.
    pub cached: usize,
    /// About how many octets they take.
    pub cached_octets: usize,
    /// Searches under way.
    pub searches: usize,
    /// Domains that are left alone, each counted once for each source.
    pub resting: usize,
    /// Addresses of which mail has taught something.
    pub harvested: usize,
    /// Certificates that wait for an administrator; `None` where nobody knows.
    pub pending: Option<u64>,
}

impl Metrics {
    /// Registers them all on `registry`. Fails where one of the same name is there.
    #[rustfmt::skip]
    pub fn new(registry: &Registry) -> Result<Self, Error> {
        let mut on = Register::on(registry);
        on.fact("domsec_build_info", "always 1; which version runs", ("version", env!("CARGO_PKG_VERSION")))?;
        Ok(Self {
            aborted_transactions: on.counters("domsec_aborted_transactions_total",
                "transactions that the MTA gave up before their end")?,
            certificate_cache: on.gauges("domsec_certificate_cache_bytes",
                "octets, about, of the answers of sources that are kept in memory")?,
            certificate_cache_answers: on.counters("domsec_certificate_cache_answers_total",
                "questions to sources before which answers are kept, by where the answer came from")?,
            certificate_cache_entries: on.gauges("domsec_certificate_cache_entries",
                "answers of sources that are kept in memory")?,
            certificate_cache_refreshes: on.counters("domsec_certificate_cache_refreshes_total",
                "searches that nobody waited for, begun because an answer was about to lapse")?,
            certificate_events: on.counters("domsec_certificate_events_total",
                "what happened to other people's keys, once for each message that met it")?,
            certificate_lookup_duration: on.durations("domsec_certificate_lookup_duration_seconds",
                "how long a source took to answer")?,
            certificate_lookups: on.counters("domsec_certificate_lookups_total",
                "questions for other people's certificates")?,
            certificate_store_failures: on.counters("domsec_certificate_store_failures_total",
                "searches that failed because the store of certificates did not answer")?,
            certificates_pending: on.gauges_once_known("domsec_certificates_pending",
                "certificates with another key than the one in use, which wait for an administrator")?,
            config_reloads: on.counters("domsec_config_reloads_total",
                "times that the configuration was read again")?,
            connections: on.counters("domsec_connections_total",
                "connections that were accepted")?,
            editions: on.counters("domsec_editions_total",
                "editions of messages that were delivered, by what was done to them; the first that is true")?,
            harvested_addresses: on.gauges("domsec_harvested_addresses",
                "addresses of which verified mail has taught something")?,
            key_operations: on.counters("domsec_key_operations_total",
                "uses of our private keys")?,
            layers: on.counters("domsec_layers_total",
                "encrypted layers that were met or made")?,
            limit_refusals: on.counters("domsec_limit_refusals_total",
                "what was refused or deferred because a bound was reached")?,
            message_verdicts: on.counters("domsec_message_verdicts_total",
                "what the signatures of messages that came were worth, as domsec verify says it")?,
            naming_violations: on.counters("domsec_naming_violations_total",
                "domain and delegated signatures whose certificate breaks the naming convention")?,
            open_certificate_searches: on.gauges("domsec_open_certificate_searches",
                "searches for certificates that go on now")?,
            open_connections: on.gauges("domsec_open_connections",
                "connections that are open now")?,
            open_transactions: on.gauges("domsec_open_transactions",
                "transactions that go on now")?,
            own_certificate_not_after: on.gauges_once_known("domsec_own_certificate_not_after_seconds",
                "when the first of our certificates expires that no newer one of the same names replaces, as seconds since 1970")?,
            panics: on.counters("domsec_panics_total",
                "panics; each is a fault of ours and defers its message")?,
            recipients: on.counters("domsec_recipients_total",
                "recipients of messages, by what became of the message for them, at RCPT or at the end")?,
            repeated_deferrals: on.counters("domsec_repeated_deferrals_total",
                "messages that something unforeseen has deferred three times")?,
            resting_domains: on.gauges("domsec_resting_domains",
                "domains that are left alone for a while in one source, because they did not answer several times")?,
            review_held: on.gauges("domsec_review_held",
                "messages that wait for a review")?,
            review_oldest_age: on.gauges("domsec_review_oldest_age_seconds",
                "how long the oldest of them has waited; 0 for none")?,
            spool: on.gauges("domsec_spool_bytes",
                "octets of messages that lie in the spool, in memory and in files")?,
            submissions: on.counters("domsec_submissions_total",
                "editions that were submitted to the re-injection address")?,
            transaction_duration: on.durations("domsec_transaction_duration_seconds",
                "how long it took from the end of a message to our answer")?,
            transactions: on.counters("domsec_transactions_total",
                "messages that were decided")?,
            described: on.described().into(),
        })
    }

    /// Every family, as the manual has to tell it.
    #[must_use]
    pub fn described(&self) -> &[Described] {
        &self.described
    }

    /// A connection was accepted; it is open until what this returns is dropped.
    pub fn connection_opened(&self, front: Front) -> Open {
        self.connections.count((front,));
        self.open_connections.open((front,))
    }

    /// A transaction began; it goes on until what this returns is dropped.
    pub fn transaction_begun(&self, front: Front) -> Open {
        self.open_transactions.open((front,))
    }

    /// A message was decided, `elapsed` after its last octet.
    pub fn transaction_ended(
        &self,
        front: Front,
        direction: Direction,
        outcome: Ending,
        elapsed: Duration,
    ) {
        self.transactions.count((front, direction, outcome));
        self.transaction_duration.took((front, direction), elapsed);
    }

    /// The MTA gave a transaction up.
    pub fn transaction_aborted(&self, front: Front) {
        self.aborted_transactions.count((front,));
    }

    /// What is in the outcome of a message beside its word: recipients, editions, layers, the verdict.
    pub fn message_decided(&self, outcome: &Outcome) {
        let record = &outcome.record;
        let direction = record.direction();
        let verdict = record.content.verdict;
        self.message_verdicts.count((direction, verdict));
        self.layers_met(&record.layers_in);
        for _ in 0..record.naming_violations {
            self.naming_violated();
        }
        for share in &outcome.shares {
            let fate = RecipientFate::from(&share.fate);
            for mailbox in &share.recipients {
                let known = record.recipients.iter();
                let known = known.filter(|one| one.mailbox == *mailbox);
                let own = known.map(|one| one.direction).next();
                self.recipients.count((own.unwrap_or(direction), fate));
            }
            if let Fate::Deliver(edition) = &share.fate {
                let treatment = Treatment::of(edition);
                self.editions.count((direction, treatment));
                if edition.encrypted {
                    let made = (LayerOperation::Encrypt, LayerResult::Done);
                    self.layers.count(made);
                }
            }
        }
    }

    /// A recipient was refused or deferred at RCPT, and is none of its message.
    pub fn recipient_not_taken(&self, direction: Direction, reply: &Reply) {
        let fate = match reply.class() {
            Class::Permanent => RecipientFate::Refuse,
            Class::Temporary => RecipientFate::Defer,
        };
        self.recipients.count((direction, fate));
    }

    /// A source answered the question for a certificate after `elapsed`.
    pub fn certificate_looked_up(
        &self,
        source: LookupSource,
        result: LookupResult,
        elapsed: Duration,
    ) {
        self.certificate_lookups.count((source, result));
        self.certificate_lookup_duration.took((source,), elapsed);
    }

    /// A search came to something that an administrator should hear of.
    pub fn certificate_event(&self, event: &Event) {
        self.certificate_events.count((match event {
            Event::Contradicted(_) => CertificateEvent::Contradicted,
            Event::Conflict(..) => CertificateEvent::Conflict,
            Event::KeyChanged(_, true) => CertificateEvent::KeyChanged,
            Event::KeyChanged(_, false) => CertificateEvent::KeyPending,
        },));
    }

    /// What is known of other people's certificates now.
    pub fn certificates_held(&self, held: &Held) {
        let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.certificate_cache.set((), number(held.cached_octets));
        self.certificate_cache_entries.set((), number(held.cached));
        self.open_certificate_searches
            .set((), number(held.searches));
        self.resting_domains.set((), number(held.resting));
        self.harvested_addresses.set((), number(held.harvested));
        match held.pending {
            Some(pending) => self.certificates_pending.set((), signed(pending)),
            None => self.certificates_pending.forget(()),
        }
    }

    /// So many more questions were answered so.
    pub fn cache_answered(&self, result: CacheResult, questions: u64) {
        self.certificate_cache_answers.add((result,), questions);
    }

    /// So many more answers were asked for again before they lapsed.
    pub fn answers_refreshed(&self, searches: u64) {
        self.certificate_cache_refreshes.add((), searches);
    }

    /// So many more questions were not answered by the store.
    pub fn store_failed(&self, questions: u64) {
        self.certificate_store_failures.add((), questions);
    }

    /// A private key of ours was used.
    pub fn key_used(&self, operation: KeyOperation, result: KeyResult) {
        self.key_operations.count((operation, result));
    }

    /// The keys that we have from now on.
    pub fn own_certificates(&self, roles: &Roles) {
        let delegated = roles.delegated.iter().map(|(_, identity)| identity);
        self.expires(KeyRole::Attributes, roles.attributes.iter());
        self.expires(KeyRole::Dca, roles.dca.iter());
        self.expires(KeyRole::Delegated, delegated);
        self.expires(KeyRole::Domain, roles.domain.iter());
        self.expires(KeyRole::Reviewer, roles.reviewers.iter());
    }

    /// Something was refused or deferred because a bound was reached.
    pub fn limit_refused(&self, limit: Limit) {
        self.limit_refusals.count((limit,));
    }

    /// That many octets more lie in the spool.
    pub fn spool_grew(&self, octets: u64) {
        self.spool.grow((), signed(octets));
    }

    /// That many octets left the spool.
    pub fn spool_shrank(&self, octets: u64) {
        self.spool.grow((), -signed(octets));
    }

    /// The re-injection address answered, or did not.
    pub fn submitted(&self, result: SubmissionResult) {
        self.submissions.count((result,));
    }

    /// A message was deferred for the third time by something unforeseen (DESIGN, "Outcome").
    pub fn deferred_repeatedly(&self) {
        self.repeated_deferrals.count(());
    }

    /// A signature's certificate breaks the naming convention (draft §2.6).
    pub fn naming_violated(&self) {
        self.naming_violations.count(());
    }

    /// The configuration was read again.
    pub fn config_reloaded(&self, result: ReloadResult) {
        self.config_reloads.count((result,));
    }

    /// That many messages wait for a review, the oldest for so long.
    pub fn review_holds(&self, messages: u64, oldest: Duration) {
        self.review_held.set((), signed(messages));
        self.review_oldest_age.set((), signed(oldest.as_secs()));
    }

    /// Something of ours panicked.
    pub fn panicked(&self) {
        self.panics.count(());
    }

    fn layers_met(&self, layers: &Layers) {
        let enveloped = layers.iter().filter(|layer| *layer == Layer::Enveloped);
        // An E that nothing opened is the last letter (DESIGN, "Notation of layers").
        let closed = usize::from(layers.as_slice().last() == Some(&Layer::Enveloped));
        let opened = enveloped.count() - closed;
        for (result, number) in [(LayerResult::Done, opened), (LayerResult::Failed, closed)] {
            let number = u64::try_from(number).unwrap_or(u64::MAX);
            self.layers.add((LayerOperation::Decrypt, result), number);
        }
    }

    /// Sets when a role first lacks a certificate. A DCA keeps old ones, to read old mail: of those
    /// with the same names the last to expire counts.
    fn expires<'a>(&self, role: KeyRole, identities: impl Iterator<Item = &'a Identity>) {
        let mut last: BTreeMap<_, i64> = BTreeMap::new();
        for identity in identities {
            let names = Names::of(identity.certificate());
            let not_after = identity.certificate().not_after().unix();
            let known = last.entry((names.emails, names.uris, names.dns));
            let known = known.or_insert(not_after);
            *known = not_after.max(*known);
        }
        match last.into_values().min() {
            Some(first) => self.own_certificate_not_after.set((role,), first),
            None => self.own_certificate_not_after.forget((role,)),
        }
    }
}

impl Treatment {
    /// What was done for that edition.
    #[must_use]
    pub const fn of(edition: &Edition) -> Self {
        match (edition.encrypted, edition.decrypted, edition.changed) {
            (true, true, _) => Self::Reencrypted,
            (true, false, _) => Self::Encrypted,
            (false, true, _) => Self::Decrypted,
            (false, false, true) => Self::Changed,
            (false, false, false) => Self::Unchanged,
        }
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;
    use std::panic::catch_unwind;
    use std::path::Path;

    use prometheus::TextEncoder;

    use super::*;
    use crate::crypto;
    use crate::crypto::PrivateKey;
    use crate::gateway::learned::Learned;
    use crate::gateway::outcome::Share;
    use crate::gateway::record::RecipientRecord;
    use crate::gateway::record::Record;
    use crate::keystore::files;
    use crate::limits::Limits;
    use crate::octets::View;
    use crate::pem;
    use crate::policy::facts::Content;
    use crate::policy::partner::Fingerprint;
    use crate::telemetry::counted::CountedKey;

    fn metrics() -> (Registry, Metrics) {
        let registry = Registry::new();
        let metrics = Metrics::new(&registry).unwrap();
        (registry, metrics)
    }

    /// The lines of what Prometheus reads that are not 0 and begin so.
    fn lines(registry: &Registry, prefix: &str) -> Vec<String> {
        let text = TextEncoder::new()
            .encode_to_string(&registry.gather())
            .unwrap();
        let lines = text.lines().filter(|line| line.starts_with(prefix));
        let lines = lines.filter(|line| !line.ends_with(" 0"));
        lines.map(str::to_owned).collect()
    }

    #[test]
    fn every_combination_of_labels_is_there_from_the_start() {
        let (registry, _metrics) = metrics();
        let text = TextEncoder::new()
            .encode_to_string(&registry.gather())
            .unwrap();
        for line in [
            r#"domsec_transactions_total{direction="inbound",front="proxy",outcome="mixed"} 0"#,
            r#"domsec_limit_refusals_total{limit="stage_time"} 0"#,
            r#"domsec_certificate_lookups_total{result="unavailable",source="ldap"} 0"#,
            "domsec_panics_total 0",
            concat!(
                "domsec_build_info{version=\"",
                env!("CARGO_PKG_VERSION"),
                "\"} 1"
            ),
        ] {
            assert!(text.lines().any(|one| one == line), "{line}\n{text}");
        }
        assert!(!text.contains("domsec_own_certificate_not_after_seconds"));
    }

    #[test]
    fn help_lists_the_values_of_every_label() {
        let (registry, metrics) = metrics();
        for family in registry.gather() {
            let described = metrics.described().iter();
            let mut described = described.filter(|one| one.name == family.name());
            let described = described.next().unwrap();
            for value in described.labels.iter().flat_map(|(_, values)| values) {
                assert!(family.help().contains(value), "{}", family.name());
            }
        }
    }

    #[test]
    fn names_end_as_their_kind_demands() {
        let (_registry, metrics) = metrics();
        for family in metrics.described() {
            let counter = family.kind == crate::telemetry::family::Kind::Counter;
            assert_eq!(family.name.ends_with("_total"), counter, "{}", family.name);
            assert!(family.name.starts_with("domsec_"), "{}", family.name);
        }
    }

    #[test]
    fn two_sets_on_one_registry_are_refused() {
        let (registry, _metrics) = metrics();
        assert!(Metrics::new(&registry).is_err());
    }

    #[test]
    fn what_is_open_ends_with_its_guard_also_in_a_panic() {
        let (registry, metrics) = metrics();
        let _one = metrics.connection_opened(Front::Milter);
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            let _two = metrics.connection_opened(Front::Milter);
            let _three = metrics.transaction_begun(Front::Milter);
            panic!("as it should");
        }));
        assert!(unwound.is_err());
        assert_eq!(
            lines(&registry, "domsec_open_"),
            [r#"domsec_open_connections{front="milter"} 1"#]
        );
        assert_eq!(
            lines(&registry, "domsec_connections_total"),
            [r#"domsec_connections_total{front="milter"} 2"#]
        );
    }

    #[test]
    fn the_spool_grows_and_shrinks() {
        let (registry, metrics) = metrics();
        metrics.spool_grew(70);
        metrics.spool_shrank(28);
        assert_eq!(lines(&registry, "domsec_spool"), ["domsec_spool_bytes 42"]);
    }

    fn outcome() -> Outcome {
        let content = Content {
            from: Vec::new(),
            size: 0,
            subject: "hidden".to_owned(),
            layers: "S(C)".parse().unwrap(),
            verdict: MessageVerdict::Valid,
            media_type: String::new(),
            attachments: Vec::new(),
            headers: BTreeMap::new(),
        };
        let recipient = |mailbox: &str, direction| RecipientRecord {
            mailbox: mailbox.parse().unwrap(),
            direction,
            partner: false,
            certificate: LookupResult::Absent,
            dca: LookupResult::Absent,
        };
        let share = |recipients: &[&str], fate| Share {
            recipients: recipients.iter().map(|one| one.parse().unwrap()).collect(),
            rule: Some("partners".to_owned()),
            fate,
            reasons: vec!["why".to_owned()],
            warnings: Vec::new(),
            encrypted_to: Vec::new(),
        };
        let edition = Edition {
            message: View::owned(Vec::new()),
            layers: "E(S(C))".parse().unwrap(),
            changed: true,
            encrypted: true,
            decrypted: false,
        };
        Outcome {
            record: Record {
                layers_in: "E(S(E))".parse().unwrap(),
                content: Arc::new(content),
                recipients: vec![
                    recipient("a@a.example", Direction::Internal),
                    recipient("b@b.example", Direction::Outbound),
                    recipient("c@b.example", Direction::Outbound),
                ],
                authentication_results: None,
                naming_violations: 1,
            },
            shares: vec![
                share(&["b@b.example", "c@b.example"], Fate::Deliver(edition)),
                share(&["a@a.example"], Fate::Hold("review".to_owned())),
            ],
            learned: Learned::default(),
        }
    }

    #[test]
    fn an_outcome_is_counted_by_recipient_edition_and_layer() {
        let (registry, metrics) = metrics();
        metrics.message_decided(&outcome());
        for line in [
            r#"domsec_editions_total{direction="outbound",treatment="encrypted"} 1"#,
            r#"domsec_layers_total{operation="decrypt",result="done"} 1"#,
            r#"domsec_layers_total{operation="decrypt",result="failed"} 1"#,
            r#"domsec_layers_total{operation="encrypt",result="done"} 1"#,
            r#"domsec_message_verdicts_total{direction="outbound",verdict="valid"} 1"#,
            r#"domsec_naming_violations_total 1"#,
            r#"domsec_recipients_total{direction="internal",fate="hold"} 1"#,
            r#"domsec_recipients_total{direction="outbound",fate="deliver"} 2"#,
        ] {
            assert_eq!(lines(&registry, line), [line]);
        }
        let all = lines(&registry, "domsec_");
        assert_eq!(all.len(), 9, "with the version: {all:?}");
    }

    #[test]
    fn a_verdict_line_is_made_from_an_outcome() {
        use crate::telemetry::logging::Verdict;
        let outcome = outcome();
        let verdict = Verdict::of("4bX", Front::Milter, &outcome, Duration::ZERO);
        assert_eq!(verdict.outcome, Ending::Mixed);
        assert_eq!((verdict.recipients, verdict.sealed.len()), (3, 1));
        assert_eq!(
            (verdict.rules, verdict.reasons),
            (vec!["partners"], vec!["why"])
        );
    }

    #[test]
    fn a_duration_is_counted_in_seconds() {
        let (registry, metrics) = metrics();
        let elapsed = Duration::from_millis(40);
        metrics.transaction_ended(Front::Milter, Direction::Inbound, Ending::Defer, elapsed);
        let sum = r#"domsec_transaction_duration_seconds_sum{direction="inbound",front="milter"}"#;
        assert_eq!(lines(&registry, sum), [format!("{sum} 0.04")]);
        assert_eq!(lines(&registry, "domsec_transactions_total").len(), 1);
    }

    fn identity(name: &str) -> Identity {
        let file = |kind| format!("{}/certs/{name}.{kind}", env!("CARGO_MANIFEST_DIR"));
        let (key, certificate) = (file("key"), file("pem"));
        let (key, certificate) = (Path::new(&key), Path::new(&certificate));
        files::pair(key, certificate, None, &Limits::default()).unwrap()
    }

    #[test]
    fn what_expires_first_and_is_not_replaced_is_told() {
        let (registry, metrics) = metrics();
        let (old, new) = (identity("alice-expired"), identity("alice"));
        let line = |identity: &Identity| {
            let not_after = identity.certificate().not_after().unix();
            format!(r#"domsec_own_certificate_not_after_seconds{{role="domain"}} {not_after}"#)
        };
        for (domain, told) in [
            (vec![&new, &old], vec![line(&new)]),
            (vec![&old], vec![line(&old)]),
            (vec![&identity("bob"), &old], vec![line(&old)]),
            (vec![], vec![]),
        ] {
            metrics.own_certificates(&Roles {
                domain: domain.into_iter().cloned().collect(),
                ..Roles::default()
            });
            assert_eq!(lines(&registry, "domsec_own_certificate"), told);
        }
    }

    #[test]
    fn absent_and_unavailable_are_counted_apart() {
        let (registry, metrics) = metrics();
        for result in [
            LookupResult::Absent,
            LookupResult::Found,
            LookupResult::Unavailable,
        ] {
            metrics.certificate_looked_up(LookupSource::Ldap, result, Duration::from_millis(3));
            let line = format!(
                r#"domsec_certificate_lookups_total{{result="{}",source="ldap"}} 1"#,
                result.as_str()
            );
            assert_eq!(lines(&registry, &line), [line]);
        }
        let all = lines(&registry, "domsec_certificate_lookups_total");
        assert_eq!(all.len(), 3);
    }

    #[test]
    fn a_changed_key_is_counted_by_what_became_of_it() {
        let (registry, metrics) = metrics();
        let changed = |used| Event::KeyChanged(Fingerprint([7; 32]), used);
        let conflict = Event::Conflict(LookupSource::Ldap, LookupSource::Mcek);
        for event in [changed(true), changed(false), changed(false), conflict] {
            metrics.certificate_event(&event);
        }
        assert_eq!(
            lines(&registry, "domsec_certificate_events_total"),
            [
                r#"domsec_certificate_events_total{event="conflict"} 1"#,
                r#"domsec_certificate_events_total{event="key-changed"} 1"#,
                r#"domsec_certificate_events_total{event="key-pending"} 2"#,
            ]
        );
    }

    #[test]
    fn uses_of_keys_are_counted_by_their_result() {
        let (registry, metrics) = metrics();
        let reader = crypto::provider().private_keys;
        let file = format!("{}/certs/bob.key", env!("CARGO_MANIFEST_DIR"));
        let file = std::fs::read(file).unwrap();
        let der = pem::blocks(&file, |_| true).unwrap().remove(0).octets;
        let counted = CountedKey {
            key: reader.read(&der).unwrap().into(),
            metrics,
        };
        let _ours = counted.agree(b"nonsense").unwrap_err();
        assert_eq!(
            lines(&registry, "domsec_key_operations_total"),
            [r#"domsec_key_operations_total{operation="agree",result="failed"} 1"#]
        );
    }
}
