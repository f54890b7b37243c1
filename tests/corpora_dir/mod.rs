//! Finds the corpora that others made. They are not part of the repository.

use std::path::PathBuf;

/// The folder of the corpora, or `None` with a line on standard error when it is not given.
///
/// With `DOMSEC_REQUIRE_CORPORA=1` its absence is a failure.
pub(crate) fn corpora() -> Option<PathBuf> {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests learn from the environment where the corpora are"
    )]
    let (folder, require) = (
        std::env::var("DOMSEC_CORPORA").ok(),
        std::env::var("DOMSEC_REQUIRE_CORPORA").ok(),
    );
    let folder = folder.map(PathBuf::from).filter(|folder| folder.is_dir());
    if folder.is_none() {
        assert_ne!(
            require.as_deref(),
            Some("1"),
            "DOMSEC_CORPORA does not name a folder"
        );
        eprintln!("skipped: DOMSEC_CORPORA does not name the folder of the corpora");
    }
    folder
}
