//! The `domsec` command.

fn main() {}
