//! What goes out: reports to standard output, messages to a file or there.

use std::fs;
use std::fs::OpenOptions;
use std::io;
use std::io::BufWriter;
use std::io::Write;
use std::path::Path;
use std::process;

use serde::Serialize;

use super::failure::Failure;

/// A report as one JSON object with a line end.
pub(super) fn json(report: &impl Serialize) -> Result<String, Failure> {
    let mut text =
        serde_json::to_string_pretty(report).map_err(|error| Failure::software(&error))?;
    text.push('\n');
    Ok(text)
}

/// Prints to standard output.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let out = io::stdout();
    let mut out = out.lock();
    let printed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    printed.map_err(|error| Failure::output(Path::new("standard output"), &error))
}

/// Says something to people, on standard error.
pub(super) fn say(text: &str) {
    // Where it cannot be printed, nobody is there to read it.
    let _printed = writeln!(io::stderr(), "{text}");
}

/// Says on standard error what somebody should look at.
pub(super) fn warn(text: &str) {
    // Where it cannot be printed, nobody is there to read it.
    let _printed = writeln!(io::stderr(), "domsec: warning: {text}");
}

/// Writes a message to `path`, or to standard output where there is none.
///
/// A file appears under its name only when all of it has been written.
pub(super) fn message(
    path: Option<&Path>,
    write: impl FnOnce(&mut dyn Write) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let Some(path) = path else {
        let name = Path::new("standard output");
        let mut out = BufWriter::new(io::stdout().lock());
        write(&mut out)?;
        return out.flush().map_err(|error| Failure::output(name, &error));
    };
    let failed = |error: io::Error| Failure::output(path, &error);
    if path.exists() && !path.is_file() {
        // A terminal, a pipe, /dev/null: nothing can be put in its place.
        let mut out = BufWriter::new(OpenOptions::new().write(true).open(path).map_err(failed)?);
        write(&mut out)?;
        return out.flush().map_err(failed);
    }
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{}.partial", process::id()));
    let partial = Path::new(&partial);
    // A new file, or none: what lies there under that name may be a link to somewhere else.
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(partial);
    let mut out = BufWriter::new(file.map_err(failed)?);
    let written = write(&mut out).and_then(|()| out.flush().map_err(failed));
    let written = written.and_then(|()| out.get_ref().sync_all().map_err(failed));
    drop(out);
    let done = written.and_then(|()| fs::rename(partial, path).map_err(failed));
    if done.is_err() {
        // The failure itself is what the caller must hear of.
        let _removed = fs::remove_file(partial);
    }
    done
}
