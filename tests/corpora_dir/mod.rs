//! Where the corpora are: the folder that `DOMSEC_CORPORA` names.
//!
//! Where it is not set a test skips, with a line that says so; `DOMSEC_REQUIRE_CORPORA=1` makes
//! that a failure.

use std::path::PathBuf;

/// The folder of the corpora, `None` when there is none and none is required.
#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by the environment where data is"
)]
pub(crate) fn corpora() -> Option<PathBuf> {
    if let Ok(folder) = std::env::var("DOMSEC_CORPORA") {
        let folder = PathBuf::from(folder);
        assert!(folder.is_dir(), "DOMSEC_CORPORA is no folder: {folder:?}");
        return Some(folder);
    }
    let required = std::env::var("DOMSEC_REQUIRE_CORPORA").is_ok_and(|value| value == "1");
    assert!(!required, "DOMSEC_CORPORA is not set, and is required");
    eprintln!("skipped: DOMSEC_CORPORA is not set");
    None
}
