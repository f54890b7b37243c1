//! Times two things in turn, counts what one allocates, and holds each ratio against its bound.

use std::hint::black_box;
use std::io;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;
use std::time::Instant;

use peak_alloc::PeakAlloc;

/// What times may be over their bound with `--quick`: its machine has others on it.
const RELAXED: f64 = 1.5;
/// How long the rounds of one row go on, and how many there are at least.
const ROUNDS: (Duration, u32) = (Duration::from_secs(4), 9);
const QUICK_ROUNDS: (Duration, u32) = (Duration::from_millis(600), 3);

/// All that was measured.
#[derive(Default)]
pub(crate) struct Session {
    pub(crate) quick: bool,
    /// Parts of names; none for all rows.
    pub(crate) wanted: Vec<String>,
    /// What counts allocations: then memory is measured, and time is not.
    allocated: Option<&'static PeakAlloc>,
    rows: Vec<Row>,
}

/// A row that is over the bound of the others of its kind, with a bound of its own.
struct Departure {
    /// All of the row's name.
    name: &'static str,
    bound: f64,
    reason: &'static str,
}

const TWO_PASSES: &str = "(aws-lc-rs has GCM by windows in two passes alone)";

/// The bounds of these stay what was asked for, and are printed; they fail at their own, and when
/// they keep what was asked for after all.
const DEPARTURES: &[Departure] = &[
    Departure {
        name: "25 MB: encrypt, aes-256-gcm / GCM whole, base64",
        bound: 3.0,
        reason: TWO_PASSES,
    },
    Departure {
        name: "25 MB: decrypt, aes-256-gcm / base64, GCM whole",
        bound: 4.0,
        reason: TWO_PASSES,
    },
];

struct Row {
    name: String,
    /// Ours and what it is held against, for reading.
    values: [String; 2],
    ratio: f64,
    bound: f64,
}

impl Session {
    /// What the command line asks for.
    pub(crate) fn from_arguments(allocated: Option<&'static PeakAlloc>) -> Self {
        let mut session = Self {
            allocated,
            ..Self::default()
        };
        for argument in std::env::args().skip(1) {
            match argument.as_str() {
                // Cargo's own.
                "--bench" => {}
                "--quick" => session.quick = true,
                part => session.wanted.push(part.to_owned()),
            }
        }
        session
    }

    /// Times `ours` against `bare`, in turn, and takes the shortest round of each: what is longer
    /// was disturbed. A round is `calls` calls.
    pub(crate) fn time(
        &mut self,
        name: &str,
        bound: f64,
        calls: u32,
        mut ours: impl FnMut(),
        mut bare: impl FnMut(),
    ) {
        self.time_scaled(name, bound, (calls, 1.0), &mut ours, &mut bare);
    }

    /// The same, where `bare` does the `scale`th part of the work.
    pub(crate) fn time_scaled(
        &mut self,
        name: &str,
        bound: f64,
        (calls, scale): (u32, f64),
        ours: &mut dyn FnMut(),
        bare: &mut dyn FnMut(),
    ) {
        let mut both = || (seconds(calls, ours), seconds(calls, bare) * scale);
        self.measured(name, bound, &mut both);
    }

    /// The same, where `both` measures itself: it gives the seconds of ours and of what that is held against, without
    /// what it takes to set them up.
    pub(crate) fn measured(
        &mut self,
        name: &str,
        bound: f64,
        both: &mut dyn FnMut() -> (f64, f64),
    ) {
        if !self.times(name) {
            return;
        }
        let (enough, rounds) = if self.quick { QUICK_ROUNDS } else { ROUNDS };
        let begin = now();
        let (mut least, mut bare_least) = (f64::MAX, f64::MAX);
        let mut done = 0;
        while done < rounds || begin.elapsed() < enough {
            let (ours, bare) = both();
            least = least.min(ours);
            bare_least = bare_least.min(bare);
            done += 1;
        }
        let micros = |seconds: f64| format!("{:.1} µs", seconds * 1e6);
        self.rows.push(Row {
            name: name.to_owned(),
            values: [micros(least), micros(bare_least)],
            ratio: least / bare_least,
            bound: bound * if self.quick { RELAXED } else { 1.0 },
        });
    }

    /// Holds the most that `run` has allocated at one time, beyond what there was before, against
    /// `allowed` octets. This does not depend on the machine: the bound is never relaxed.
    pub(crate) fn memory(&mut self, name: &str, allowed: usize, run: impl FnOnce()) {
        let Some(allocated) = self.allocated.filter(|_| self.is_wanted(name)) else {
            return;
        };
        let before = allocated.current_usage();
        allocated.reset_peak_usage();
        run();
        let most = allocated.peak_usage().saturating_sub(before);
        let kib = |octets: usize| format!("{} KiB", octets.div_ceil(1024));
        let float = |octets: usize| f64::from(u32::try_from(octets).expect("below 4 GiB"));
        self.rows.push(Row {
            name: name.to_owned(),
            values: [kib(most), kib(allowed)],
            ratio: float(most) / float(allowed),
            bound: 1.0,
        });
    }

    /// Prints the table; a failure when any ratio is over its bound.
    pub(crate) fn report(&self) -> ExitCode {
        let mut failed = 0;
        let head = ["ours", "against", "ratio", "bound"];
        let [ours, against, ratio, bound] = head;
        println!("{:<64}{ours:>14}{against:>14}{ratio:>8}{bound:>8}", "");
        for row in &self.rows {
            let [ours, against] = &row.values;
            let (ratio, bound) = (row.ratio, row.bound);
            let departure = DEPARTURES.iter().find(|known| known.name == row.name);
            let relaxed = if self.quick { RELAXED } else { 1.0 };
            let word = match departure {
                None if ratio > bound => "OVER".to_owned(),
                Some(known) if ratio > known.bound * relaxed => format!("OVER {}", known.bound),
                // With --quick it may be below by the relaxation alone.
                Some(_) if ratio <= bound && !self.quick => "no departure any more".to_owned(),
                None | Some(_) => String::new(),
            };
            failed += usize::from(!word.is_empty());
            let reason = departure.map_or("", |known| known.reason);
            let line = format!(
                "{:<64}{ours:>14}{against:>14}{ratio:>8.2}{bound:>8.2} {word} {reason}",
                row.name
            );
            println!("{}", line.trim_end());
        }
        if failed == 0 {
            ExitCode::SUCCESS
        } else {
            println!("{failed} of {} over the bound", self.rows.len());
            ExitCode::FAILURE
        }
    }

    /// Whether a row of that name is to be timed.
    pub(crate) fn times(&self, name: &str) -> bool {
        self.allocated.is_none() && self.is_wanted(name)
    }

    fn is_wanted(&self, name: &str) -> bool {
        self.wanted.is_empty() || self.wanted.iter().any(|part| name.contains(part.as_str()))
    }
}

/// Seconds of one call.
fn seconds(calls: u32, call: &mut dyn FnMut()) -> f64 {
    let begin = now();
    for _ in 0..calls {
        call();
    }
    begin.elapsed().as_secs_f64() / f64::from(calls)
}

#[expect(clippy::disallowed_methods, reason = "measures")]
fn now() -> Instant {
    Instant::now()
}

/// A sink that keeps nothing.
#[derive(Default)]
pub(crate) struct Counter(usize);

impl Write for Counter {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0 += black_box(octets).len();
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
