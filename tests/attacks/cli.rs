//! The binary, run as a script would run it.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;

use serde_json::Value;

use crate::pki;
use crate::pki::path;

/// The exit codes of CONTRACT that these commands may end with; 70 is never right.
const EXIT_CODES: [i32; 6] = [0, 1, 64, 65, 66, 74];

/// Within the dates of everybody in `certs/` who shall be valid.
pub(crate) const AT: &str = "2026-06-02T00:00:00Z";

/// What came out of a command.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The message that it was given.
    pub(crate) file: PathBuf,
    pub(crate) exit: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

/// Runs `domsec` with these arguments.
pub(crate) fn run(arguments: &[&str]) -> Ran {
    run_on(Path::new(""), &mut command(arguments))
}

/// `domsec` with these arguments, to be run by [`run_on`].
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_domsec"));
    command
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// Runs `command`, and insists on an exit code of CONTRACT.
#[track_caller]
pub(crate) fn run_on(file: &Path, command: &mut Command) -> Ran {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("domsec runs");
    let stderr = String::from_utf8_lossy(&stderr).into_owned();
    let exit = status.code().unwrap_or_else(|| {
        panic!("{status} for {command:?} on {}: {stderr}", file.display());
    });
    assert!(
        EXIT_CODES.contains(&exit),
        "exit code {exit} for {command:?} on {}: {stderr}",
        file.display()
    );
    assert!(!stderr.contains("panicked"), "{}: {stderr}", file.display());
    Ran {
        file: file.to_owned(),
        exit,
        stdout,
        stderr,
    }
}

/// The arguments that name bob's key.
pub(crate) fn bob() -> [String; 4] {
    [
        "--key".to_owned(),
        path("bob.key"),
        "--cert".to_owned(),
        path("bob.pem"),
    ]
}

/// `domsec decrypt` with bob's key, to standard output.
pub(crate) fn decrypt(message: &[u8]) -> Ran {
    let file = pki::file(".eml", message);
    let bob = bob();
    let mut arguments = vec!["decrypt"];
    arguments.extend(bob.iter().map(String::as_str));
    run_on(&file, command(&arguments).arg(&file))
}

/// `domsec inspect --json`, with bob's key.
pub(crate) fn inspect(message: &[u8]) -> Inspected {
    let file = pki::file(".eml", message);
    let bob = bob();
    let mut arguments = vec!["inspect", "--json"];
    arguments.extend(bob.iter().map(String::as_str));
    let ran = run_on(&file, command(&arguments).arg(&file));
    assert_eq!(ran.exit, 0, "{}: {}", file.display(), ran.stderr);
    Inspected {
        report: json(&ran),
        file,
    }
}

/// What `inspect` said.
#[derive(Debug)]
pub(crate) struct Inspected {
    pub(crate) file: PathBuf,
    pub(crate) report: Value,
}

impl Inspected {
    #[track_caller]
    pub(crate) fn layers(&self, layers: &str) -> &Self {
        assert_eq!(self.report["layers"], layers, "{}", self.file.display());
        self
    }

    /// The values of `key` in every node of the tree, from the root on.
    pub(crate) fn all(&self, key: &str) -> Vec<Value> {
        let mut found = Vec::new();
        let mut open = vec![&self.report["tree"]];
        while let Some(node) = open.pop() {
            found.extend(node.get(key).cloned());
            open.extend(node["parts"].as_array().into_iter().flatten().rev());
            open.extend(node.get("child"));
        }
        found
    }
}

/// `domsec verify --json`, with the root as the only anchor.
pub(crate) fn verify(message: &[u8]) -> Verified {
    verify_with(message, &[])
}

/// As [`verify`], with more arguments; `--anchor` and `--at` replace those that [`verify`] gives.
pub(crate) fn verify_with(message: &[u8], more: &[&str]) -> Verified {
    let file = pki::file(".eml", message);
    let root = path("root.pem");
    let mut arguments = vec!["verify", "--json"];
    for (option, value) in [("--anchor", root.as_str()), ("--at", AT)] {
        if !more.contains(&option) {
            arguments.extend([option, value]);
        }
    }
    arguments.extend(more);
    let ran = run_on(&file, command(&arguments).arg(&file));
    let report = json(&ran);
    let verdict = report["verdict"].as_str().expect("a verdict").to_owned();
    let verified = Verified {
        file,
        report,
        verdict,
    };
    verified.check_form(ran.exit);
    verified
}

/// What `verify` said.
#[derive(Debug)]
pub(crate) struct Verified {
    file: PathBuf,
    pub(crate) report: Value,
    pub(crate) verdict: String,
}

impl Verified {
    /// What CONTRACT says of every report.
    #[track_caller]
    fn check_form(&self, exit: i32) {
        let about = self.about();
        let words = ["valid", "invalid", "indeterminate", "unsigned"];
        assert!(words.contains(&self.verdict.as_str()), "{about}");
        assert_eq!(
            exit == 0,
            self.verdict == "valid",
            "exit code {exit} for {about}"
        );
        assert!(exit <= 1, "exit code {exit} for {about}");
        let reasons = self.report["reasons"].as_array().expect("reasons");
        match self.verdict.as_str() {
            "valid" => assert!(reasons.is_empty(), "{about}"),
            "unsigned" => {}
            _ => assert!(!reasons.is_empty(), "no reason is given: {about}"),
        }
        assert!(
            ["match", "mismatch", "absent"]
                .map(Value::from)
                .contains(&self.report["originator"])
        );
        assert!(
            ["whole", "part", "none"]
                .map(Value::from)
                .contains(&self.report["covers"])
        );
    }

    #[track_caller]
    pub(crate) fn is(&self, verdict: &str) -> &Self {
        assert_eq!(self.verdict, verdict, "{}", self.about());
        self
    }

    /// Whether wrong or unknown: never to be believed.
    #[track_caller]
    pub(crate) fn is_not_valid(&self) -> &Self {
        assert_ne!(self.verdict, "valid", "{}", self.about());
        self
    }

    #[track_caller]
    pub(crate) fn originator(&self, originator: &str) -> &Self {
        assert_eq!(self.report["originator"], originator, "{}", self.about());
        self
    }

    #[track_caller]
    pub(crate) fn covers(&self, covers: &str) -> &Self {
        assert_eq!(self.report["covers"], covers, "{}", self.about());
        self
    }

    #[track_caller]
    pub(crate) fn layers(&self, layers: &str) -> &Self {
        assert_eq!(self.report["layers"], layers, "{}", self.about());
        self
    }

    /// The value of `key` in the report on signature `index`.
    #[track_caller]
    pub(crate) fn signature(&self, index: usize, key: &str, value: impl Into<Value>) -> &Self {
        let found = &self.report["signatures"][index][key];
        assert_eq!(
            *found,
            value.into(),
            "{key} of signature {index}: {}",
            self.about()
        );
        self
    }

    /// Whether some reason holds `word`, whatever the case.
    #[track_caller]
    pub(crate) fn because(&self, word: &str) -> &Self {
        let reasons = self.report["reasons"].to_string().to_lowercase();
        assert!(
            reasons.contains(&word.to_lowercase()),
            "no reason names {word:?}: {}",
            self.about()
        );
        self
    }

    fn about(&self) -> String {
        let key = |name| format!("{name} {}", self.report[name]);
        let keys = ["verdict", "layers", "originator", "covers", "reasons"].map(key);
        format!("{}: {}", self.file.display(), keys.join(", "))
    }
}

#[track_caller]
fn json(ran: &Ran) -> Value {
    serde_json::from_slice(&ran.stdout).unwrap_or_else(|error| {
        let (file, said) = (ran.file.display(), String::from_utf8_lossy(&ran.stdout));
        panic!("no JSON for {file}: {error}: {said} {}", ran.stderr)
    })
}
