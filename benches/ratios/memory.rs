//! The most that each operation allocates at one time, beyond what there was before.
//!
//! `cargo bench --bench memory`; arguments as of `ratios`.

#![expect(
    clippy::expect_used,
    reason = "a bench measures what works; a panic there is the report"
)]
#![expect(dead_code, reason = "what measures time alone is of the other bench")]

mod large;
mod measure;
mod opening;
mod people;
mod primitives;
mod remembered;

use std::process::ExitCode;

use measure::Session;
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

fn main() -> ExitCode {
    let mut session = Session::from_arguments(Some(&ALLOCATED));
    large::rows(&mut session);
    opening::rows(&mut session);
    remembered::rows(&mut session);
    session.report()
}
