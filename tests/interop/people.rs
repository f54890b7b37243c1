//! Who writes to whom: the names of `certs/`.

use std::path::Path;
use std::path::PathBuf;

/// The folder of the throw-away PKI.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("certs")
}

pub(crate) fn certificate(name: &str) -> PathBuf {
    folder().join(format!("{name}.pem"))
}

pub(crate) fn key(name: &str) -> PathBuf {
    folder().join(format!("{name}.key"))
}

/// The address in the certificate of `name`, a person.
pub(crate) fn address(name: &str) -> String {
    let domain = match name {
        "alice" | "dave" => "a.example",
        _ => "b.example",
    };
    format!("{name}@{domain}")
}
