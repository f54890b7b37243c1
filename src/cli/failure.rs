//! Exit codes, and the failures that lead to them.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use crate::gateway::judge::chain;
use crate::keystore::files::FileError;
use crate::keystore::files::FileFault;

/// The exit codes of CONTRACT that the commands so far can end with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// Yes, or done.
    Yes = 0,
    /// The answer is no.
    No = 1,
    /// Usage.
    Usage = 64,
    /// The input is not what it should be.
    Data = 65,
    /// No such file.
    NoInput = 66,
    /// Our own fault.
    Software = 70,
    /// Input or output failed.
    Io = 74,
    /// Temporary: try again.
    Temporary = 75,
    /// Refused by policy.
    Refused = 77,
    /// Configuration.
    Configuration = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        // The discriminants are the codes.
        let code = match exit {
            Exit::Yes => 0,
            Exit::No => 1,
            Exit::Usage => 64,
            Exit::Data => 65,
            Exit::NoInput => 66,
            Exit::Software => 70,
            Exit::Io => 74,
            Exit::Temporary => 75,
            Exit::Refused => 77,
            Exit::Configuration => 78,
        };
        Self::from(code)
    }
}

/// Why a command did not do its work: what is printed, and the exit code.
#[derive(Debug)]
pub(super) struct Failure {
    exit: Exit,
    text: String,
}

impl Failure {
    /// The words of the command are off.
    pub(super) fn usage(text: impl Into<String>) -> Self {
        Self {
            exit: Exit::Usage,
            text: text.into(),
        }
    }

    /// The input is not what it should be.
    pub(super) fn data(text: impl Into<String>) -> Self {
        Self {
            exit: Exit::Data,
            text: text.into(),
        }
    }

    /// The configuration, or what it names, is off.
    pub(super) fn configuration(text: impl Into<String>) -> Self {
        Self {
            exit: Exit::Configuration,
            text: text.into(),
        }
    }

    /// It may work later.
    pub(super) fn temporary(text: impl Into<String>) -> Self {
        Self {
            exit: Exit::Temporary,
            text: text.into(),
        }
    }

    /// A file is not what it should be.
    pub(super) fn file(path: &Path, error: &dyn Error) -> Self {
        Self::data(format!("{}: {}", path.display(), chain(error)))
    }

    /// Something that we made is wrong.
    pub(super) fn software(error: &dyn Error) -> Self {
        Self {
            exit: Exit::Software,
            text: chain(error),
        }
    }

    /// A file could not be read or written.
    pub(super) fn io(path: &Path, error: &io::Error) -> Self {
        let exit = if error.kind() == io::ErrorKind::NotFound {
            Exit::NoInput
        } else {
            Exit::Io
        };
        Self {
            exit,
            text: format!("{}: {error}", path.display()),
        }
    }

    /// A result could not be written.
    pub(super) fn output(path: &Path, error: &io::Error) -> Self {
        Self {
            exit: Exit::Io,
            text: format!("{}: {error}", path.display()),
        }
    }

    pub(super) fn exit(&self) -> Exit {
        self.exit
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        if let FileFault::Read(source) = &error.fault {
            return Self::io(&error.path, source);
        }
        Self::file(&error.path, &error.fault)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
