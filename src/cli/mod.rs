//! The command line: arguments in, exit code out (CONTRACT, "Commands" and "Exit codes").
//!
//! The only place so far that asks the clock or opens a file.

mod args;
mod certs;
mod check;
mod colour;
mod failure;
mod input;
mod inspect;
mod lookup;
mod make;
mod output;
mod policy;
mod process;
pub mod quickstart;
mod report;
mod serve;
mod verify;

use std::ffi::OsString;
use std::io;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::config::Config;

use args::Arguments;
use args::Command;
use colour::printable;
use failure::Exit;

/// Runs the command that `arguments` say, the program's name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    let colour = arguments.color;
    let done = match arguments.command {
        Command::Certs { command } => certs::run(&command, colour),
        Command::Check(arguments) => check::run(&arguments, colour),
        Command::Config(_) => output::print(Config::DOCUMENTED).map(|()| Exit::Yes),
        Command::Decrypt(arguments) => make::decrypt(&arguments),
        Command::Encrypt(arguments) => make::encrypt(&arguments),
        Command::Explain(arguments) => process::explain(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments, colour),
        Command::Lookup(arguments) => lookup::run(&arguments),
        Command::Policy { command } => policy::run(&command, colour),
        Command::Process(arguments) => process::process(&arguments),
        Command::Quickstart(arguments) => quickstart::run(&arguments, colour),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Sign(arguments) => make::sign(&arguments),
        Command::Verify(arguments) => verify::run(&arguments, colour),
    };
    match done {
        Ok(exit) => exit.into(),
        Err(failure) => {
            // Where not even that can be printed, the exit code still speaks.
            let _printed = writeln!(io::stderr(), "domsec: {}", printable(&failure.to_string()));
            failure.exit().into()
        }
    }
}

/// Help and version are no errors; all else that clap refuses is a matter of usage.
fn usage(error: &clap::Error) -> ExitCode {
    // Where not even that can be printed, the exit code still speaks.
    let _printed = error.print();
    if error.use_stderr() {
        Exit::Usage.into()
    } else {
        Exit::Yes.into()
    }
}
