//! Ratios of our work to the bare operations beneath it, each within one run.

fn main() {}
