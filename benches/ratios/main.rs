//! Speed and memory as ratios to the bare operations beneath, each within one run.
//!
//! `cargo bench --bench ratios` prints a table and exits with 1 when a ratio is over its bound;
//! `-- --quick` takes fewer rounds, and times that are half as long again pass. Any other argument is
//! a part of the names of the rows that are wanted.

#![expect(
    clippy::expect_used,
    reason = "a bench measures what works; a panic there is the report"
)]

mod growth;
mod large;
mod measure;
mod opening;
mod people;
mod primitives;
mod small;

use std::process::ExitCode;

use measure::Session;
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

fn main() -> ExitCode {
    let mut session = Session::default();
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            // Cargo's own.
            "--bench" => {}
            "--quick" => session.quick = true,
            part => session.wanted.push(part.to_owned()),
        }
    }
    small::rows(&mut session);
    large::rows(&mut session);
    opening::rows(&mut session);
    growth::rows(&mut session);
    session.report()
}
