//! The log: one line an event, on standard error; one verdict line a transaction.
//!
//! What peers write can be in any of them, and cannot end a line, begin one or colour it: characters
//! that control anything are escaped in whatever is written. Never a subject, a body or a key.

use std::fmt;
use std::io;
use std::panic;
use std::time::Duration;

use serde::Deserialize;
use tracing::Event;
use tracing::Level;
use tracing::Span;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::FormatEvent;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

use crate::address::Mailbox;
use crate::gateway::outcome::Fate;
use crate::gateway::outcome::Outcome;
use crate::notation::Layers;
use crate::policy::facts::Direction;
use crate::telemetry::labels::Ending;
use crate::telemetry::labels::Front;
use crate::telemetry::labels::Label;
use crate::telemetry::metrics::Metrics;

/// How an error is printed: with its sources, once, where it is logged.
pub use crate::gateway::judge::chain;

/// What a line of the log looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// A JSON object.
    Json,
    /// Words and `name=value`.
    #[default]
    Text,
}

/// The log was begun before.
#[derive(Debug, thiserror::Error)]
#[error("the log could not be begun")]
pub struct LogError(#[from] tracing::subscriber::SetGlobalDefaultError);

/// What became of one transaction, for its line in the log.
#[derive(Clone, Debug)]
pub struct Verdict<'a> {
    /// The MTA's queue id; empty where there is none.
    pub id: &'a str,
    /// How it came.
    pub front: Front,
    /// Which way it went; `None` where it was not known yet.
    pub direction: Option<Direction>,
    /// What became of it.
    pub outcome: Ending,
    /// The rules that decided, each once.
    pub rules: Vec<&'a str>,
    /// Its layers as it came, where they are known.
    pub layers: Option<&'a Layers>,
    /// The layers of each edition that was changed.
    pub sealed: Vec<&'a Layers>,
    /// How many recipients it has.
    pub recipients: usize,
    /// From its last octet to our answer.
    pub elapsed: Duration,
    /// Why, each once.
    pub reasons: Vec<&'a str>,
    /// What was flagged, each once.
    pub warnings: Vec<&'a str>,
    /// Its addresses; only where the configuration says so.
    pub envelope: Option<Envelope<'a>>,
}

/// The addresses of a transaction.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// MAIL FROM; `None` is the null sender.
    pub mail_from: Option<&'a Mailbox>,
    /// RCPT TO.
    pub recipients: &'a [Mailbox],
}

/// Begins the log of the process: ours from `level` on, that of libraries from warnings on.
///
/// Without colours, also on a terminal. Fails when it was begun before.
pub fn init(format: LogFormat, level: Level) -> Result<(), LogError> {
    let subscriber = subscriber(format, level, io::stderr);
    tracing::subscriber::set_global_default(subscriber)?;
    Ok(())
}

/// Counts panics and logs where they are, not what they say: that can quote a message.
pub fn report_panics(metrics: Metrics) {
    panic::set_hook(Box::new(move |panic| {
        metrics.panicked();
        let place = panic.location().map(ToString::to_string);
        tracing::error!(target: TARGET, place = place.unwrap_or_default(), "panic, a fault of ours");
    }));
}

/// The span of one transaction, which all lines about it stand in.
#[must_use]
pub fn transaction(id: &str, front: Front) -> Span {
    tracing::info_span!(target: TARGET, "transaction", id, front = front.as_str())
}

impl<'a> Verdict<'a> {
    /// What `outcome` says of the transaction; without addresses.
    #[must_use]
    pub fn of(id: &'a str, front: Front, outcome: &'a Outcome, elapsed: Duration) -> Self {
        let shares = &outcome.shares;
        let changed = shares.iter().filter_map(|share| match &share.fate {
            Fate::Deliver(edition) => edition.changed.then_some(edition),
            Fate::Defer(_) | Fate::Hold(_) | Fate::Refuse(_) => None,
        });
        let reasons = shares.iter().flat_map(|share| &share.reasons);
        let warnings = shares.iter().flat_map(|share| &share.warnings);
        let rules = shares.iter().filter_map(|share| share.rule.as_deref());
        Self {
            id,
            front,
            direction: Some(outcome.record.direction()),
            outcome: Ending::of(shares),
            rules: once(rules),
            layers: Some(&outcome.record.layers_in),
            sealed: once(changed.map(|edition| &edition.layers)),
            recipients: shares.iter().map(|share| share.recipients.len()).sum(),
            elapsed,
            reasons: once(reasons.map(String::as_str)),
            warnings: once(warnings.map(String::as_str)),
            envelope: None,
        }
    }

    /// Writes the line. It says all there is to say, so that it is found with one search, and stands
    /// in no span.
    pub fn log(&self) {
        let addresses = self.envelope.as_ref();
        tracing::info!(
            target: TARGET,
            parent: None,
            id = self.id,
            front = %self.front.as_str(),
            direction = self.direction.map(Direction::as_str).map(tracing::field::display),
            outcome = %self.outcome.as_str(),
            rule = joined(self.rules.iter(), BOUND),
            layers = self.layers.map(tracing::field::display),
            sealed = joined(self.sealed.iter(), BOUND).map(tracing::field::display),
            recipients = self.recipients,
            elapsed_ms = u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX),
            reasons = joined(self.reasons.iter(), BOUND),
            warnings = joined(self.warnings.iter(), BOUND),
            mail_from = addresses.map(Envelope::sender),
            rcpt_to = addresses.and_then(|envelope| joined(envelope.recipients.iter(), ADDRESSES_BOUND)),
        );
    }
}

impl Envelope<'_> {
    fn sender(&self) -> String {
        self.mail_from
            .map_or_else(|| "<>".to_owned(), Mailbox::to_string)
    }
}

/// Each of them once, in their order.
fn once<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    for one in all {
        if !found.contains(&one) {
            found.push(one);
        }
    }
    found
}

/// Them in one text of about `bound` octets, which says how many did not fit; `None` for none.
fn joined<T: fmt::Display>(all: impl ExactSizeIterator<Item = T>, bound: usize) -> Option<String> {
    let number = all.len();
    let mut text = String::new();
    for (index, one) in all.enumerate() {
        if text.len() >= bound {
            text.push_str(&format!("; and {} more", number - index));
            break;
        }
        let separator = if index > 0 { "; " } else { "" };
        text.push_str(&format!("{separator}{one}"));
        if text.len() > bound {
            text.truncate(text.floor_char_boundary(bound));
            text.push('…');
        }
    }
    (number > 0).then_some(text)
}

fn subscriber<W>(format: LogFormat, level: Level, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let ours = LevelFilter::from_level(level);
    let levels = Targets::new()
        .with_target(TARGET, ours)
        .with_default(ours.min(LevelFilter::WARN));
    let registry = tracing_subscriber::registry().with(levels);
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        LogFormat::Json => {
            let json = format::format().json().flatten_event(true);
            let json = json.with_current_span(true).with_span_list(false);
            let layer = layer.fmt_fields(JsonFields::new());
            Box::new(registry.with(layer.event_format(OneLine(json))))
        }
        LogFormat::Text => {
            let text = format::format().with_ansi(false);
            Box::new(registry.with(layer.event_format(OneLine(text))))
        }
    }
}

/// Writes each event as `F` does, on one line and without control characters.
#[derive(Debug)]
struct OneLine<F>(F);

impl<S, N, F> FormatEvent<S, N> for OneLine<F>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.0
            .format_event(context, Writer::new(&mut line), event)?;
        for character in line.trim_end_matches('\n').chars() {
            if controls(character) {
                // As JSON writes them, so that one form is right in both formats.
                write!(writer, "\\u{:04x}", u32::from(character))?;
            } else {
                writer.write_char(character)?;
            }
        }
        writer.write_char('\n')
    }
}

/// Whether a character ends lines for some reader, moves a terminal's cursor, or turns the direction
/// of what follows it, so that a line looks like another one. All of them fit four digits.
fn controls(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// What our lines are told by.
const TARGET: &str = "domsec";
/// Octets of each field that peers have a say in. Syslog takes 2,048 of a line everywhere
/// (RFC 5424 §6.1); two such fields and the rest of a verdict stay near that.
const BOUND: usize = 800;
/// Octets of the recipients, which whoever asks for addresses wants to see whole: a hundred of them.
const ADDRESSES_BOUND: usize = 4_000;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::Mutex;

    use prometheus::Registry;

    use super::*;

    /// What was logged.
    #[derive(Clone, Debug, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Paper {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(octets)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, level: Level, work: impl FnOnce()) -> String {
        let paper = Paper::default();
        let out = paper.clone();
        let subscriber = subscriber(format, level, move || out.clone());
        tracing::subscriber::with_default(subscriber, work);
        let octets = paper.0.lock().unwrap().clone();
        String::from_utf8(octets).unwrap()
    }

    fn with_verdict(work: impl FnOnce(Verdict<'_>)) {
        let layers: Layers = "S(C)".parse().unwrap();
        let sealed: Layers = "E(S(S(C)))".parse().unwrap();
        work(Verdict {
            id: "4bXyz",
            front: Front::Milter,
            direction: Some(Direction::Outbound),
            outcome: Ending::Deliver,
            rules: vec!["partners"],
            layers: Some(&layers),
            sealed: vec![&sealed],
            recipients: 3,
            elapsed: Duration::from_millis(41),
            reasons: Vec::new(),
            warnings: Vec::new(),
            envelope: None,
        });
    }

    #[test]
    fn a_verdict_is_one_line_with_the_fields_of_the_type() {
        let line = logged(LogFormat::Text, Level::INFO, || {
            with_verdict(|verdict| transaction("4bXyz", Front::Milter).in_scope(|| verdict.log()));
        });
        let (_, fields) = line.split_once("INFO ").unwrap();
        assert_eq!(
            fields,
            "domsec: id=\"4bXyz\" front=milter direction=outbound outcome=deliver \
             rule=\"partners\" layers=S(C) sealed=E(S(S(C))) recipients=3 elapsed_ms=41\n"
        );
    }

    #[test]
    fn a_verdict_in_json_is_an_object_of_the_same_fields() {
        let line = logged(LogFormat::Json, Level::INFO, || {
            with_verdict(|verdict| {
                Verdict {
                    reasons: vec!["no certificate", "\"quoted\"\n\u{85}"],
                    ..verdict
                }
                .log();
            });
        });
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        for (name, value) in [
            ("id", "4bXyz"),
            ("outcome", "deliver"),
            ("sealed", "E(S(S(C)))"),
            ("reasons", "no certificate; \"quoted\"\n\u{85}"),
        ] {
            assert_eq!(object[name], value, "{line}");
        }
        assert_eq!(object["recipients"], 3);
        assert!(object.get("warnings").is_none());
        assert_eq!(line.lines().count(), 1);
        assert!(!line.contains('\u{85}'));
    }

    #[test]
    fn what_a_peer_writes_cannot_break_a_line() {
        let hostile = "a\r\nERROR forged\u{1b}[2J\u{7f}\u{85}\u{2028}\u{202e}\0\t";
        for format in [LogFormat::Json, LogFormat::Text] {
            let lines = logged(format, Level::TRACE, || {
                transaction(hostile, Front::Proxy).in_scope(|| {
                    tracing::warn!(quoted = hostile, shown = %hostile, debug = ?hostile, "{hostile}");
                    with_verdict(|verdict| {
                        Verdict {
                            id: hostile,
                            rules: vec![hostile],
                            reasons: vec![hostile],
                            warnings: vec![hostile],
                            ..verdict
                        }
                        .log();
                    });
                });
            });
            assert_eq!(lines.matches('\n').count(), 2, "{lines}");
            for line in lines.trim_end().split('\n') {
                assert!(!line.chars().any(controls), "{line:?}");
            }
        }
    }

    #[test]
    fn addresses_are_in_the_line_only_where_they_are_asked_for() {
        let mailbox: Mailbox = "alice@a.example".parse().unwrap();
        let recipients: Vec<Mailbox> = (0..1000)
            .map(|number| format!("user{number}@b.example").parse().unwrap())
            .collect();
        for mail_from in [Some(&mailbox), None] {
            let line = logged(LogFormat::Text, Level::INFO, || {
                with_verdict(|verdict| {
                    let recipients = &recipients;
                    let envelope = Some(Envelope {
                        mail_from,
                        recipients,
                    });
                    Verdict {
                        envelope,
                        ..verdict
                    }
                    .log();
                });
            });
            let sender = mail_from.map_or("<>".to_owned(), Mailbox::to_string);
            assert!(line.contains(&format!("mail_from=\"{sender}\"")), "{line}");
            assert!(
                line.contains("rcpt_to=\"user0@b.example; user1@b"),
                "{line}"
            );
            assert!(line.contains("; and "), "{line}");
            assert!(line.len() < 5_000, "{}", line.len());
        }
        let line = logged(LogFormat::Text, Level::INFO, || {
            with_verdict(|v| v.log());
        });
        assert!(!line.contains("mail_from"), "{line}");
    }

    #[test]
    fn a_long_reason_is_cut_and_the_rest_counted() {
        let long = "é".repeat(1_000);
        let text = joined([long.as_str(), "b", "c"].iter(), 799).unwrap();
        assert!(text.len() < 850, "{}", text.len());
        assert!(text.ends_with("é…; and 2 more"), "{text}");
        assert_eq!(joined(["a", "b"].iter(), 800).unwrap(), "a; b");
        assert_eq!(joined([""; 0].iter(), 800), None);
    }

    #[test]
    fn libraries_are_heard_from_warnings_on() {
        let lines = logged(LogFormat::Text, Level::DEBUG, || {
            tracing::info!(target: "hyper", "one");
            tracing::warn!(target: "hyper", "two");
            tracing::debug!("three");
            tracing::trace!("four");
        });
        let words = lines.lines().map(|line| line.rsplit(' ').next().unwrap());
        assert_eq!(words.collect::<Vec<_>>(), ["two", "three"]);
        let lines = logged(LogFormat::Text, Level::ERROR, || {
            tracing::warn!(target: "hyper", "two");
            tracing::warn!("three");
        });
        assert_eq!(lines, "");
    }

    #[test]
    fn a_panic_is_counted_and_says_where_and_not_what() {
        let registry = Registry::new();
        report_panics(Metrics::new(&registry).unwrap());
        let line = logged(LogFormat::Text, Level::INFO, || {
            let unwound = panic::catch_unwind(|| panic!("Dear Bob"));
            assert!(unwound.is_err());
        });
        let _ours = panic::take_hook();
        assert!(line.contains("ERROR domsec: panic"), "{line}");
        assert!(line.contains("logging.rs:"), "{line}");
        assert!(!line.contains("Bob"), "{line}");
        let families = registry.gather();
        let family = families.iter().find(|f| f.name() == "domsec_panics_total");
        let count = family.unwrap().get_metric()[0].get_counter().get_value();
        assert!((count - 1.0).abs() < f64::EPSILON);
    }
}
