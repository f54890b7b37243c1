//! What was measured, against what, and the bound that it is held to.

use std::process::ExitCode;

/// How a ratio is held to its bound.
#[derive(Clone, Copy)]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

#[derive(Default)]
pub(crate) struct Table {
    rows: usize,
    missed: usize,
}

impl Table {
    pub(crate) fn new() -> Self {
        let ([ours, against], ratio, bound) = (["ours", "against"], "ratio", "bound");
        println!("{:<58}{ours:>15}{against:>15}{ratio:>8}{bound:>10}", "");
        Self::default()
    }

    /// Prints the ratio of two values of one `unit`.
    pub(crate) fn row(&mut self, name: &str, unit: &str, ours: f64, against: f64, bound: Bound) {
        let ratio = ours / against;
        let (is_kept, limit) = match bound {
            Bound::AtLeast(least) => (ratio >= least, format!(">= {least:.2}")),
            Bound::AtMost(most) => (ratio <= most, format!("<= {most:.2}")),
        };
        let [ours, against] = [ours, against].map(|value| format!("{} {unit}", digits(value)));
        let word = if is_kept { "" } else { " MISSED" };
        println!("{name:<58}{ours:>15}{against:>15}{ratio:>8.2}{limit:>10}{word}");
        self.rows += 1;
        self.missed += usize::from(!is_kept);
    }

    /// Ends the table; a failure when a bound was missed.
    pub(crate) fn report(&self) -> ExitCode {
        if self.missed == 0 {
            return ExitCode::SUCCESS;
        }
        println!("{} of {} bounds missed", self.missed, self.rows);
        ExitCode::FAILURE
    }
}

/// Three significant digits.
fn digits(value: f64) -> String {
    if value < 10.0 {
        format!("{value:.2}")
    } else if value < 100.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}
