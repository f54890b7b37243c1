//! The `domsec` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    domsec::cli::run(std::env::args_os())
}
