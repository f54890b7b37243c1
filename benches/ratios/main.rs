//! Speed as ratios to the bare operations beneath, each within one run; memory is in `memory.rs`, since an
//! allocator that counts takes its time.
//!
//! `cargo bench --bench ratios` prints a table and exits with 1 when a ratio is over its bound;
//! `-- --quick` takes fewer rounds, and times that are half as long again pass. Any other argument is
//! a part of the names of the rows that are wanted.

#![expect(
    clippy::expect_used,
    reason = "a bench measures what works; a panic there is the report"
)]

mod gateway;
mod growth;
mod large;
mod lookups;
mod measure;
mod opening;
mod people;
mod primitives;
mod remembered;
mod small;

use std::process::ExitCode;

use measure::Session;

fn main() -> ExitCode {
    let mut session = Session::from_arguments(None);
    small::rows(&mut session);
    large::rows(&mut session);
    opening::rows(&mut session);
    growth::rows(&mut session);
    gateway::rows(&mut session);
    remembered::rows(&mut session);
    lookups::rows(&mut session);
    session.report()
}
