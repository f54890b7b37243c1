//! What is to be said of `[reinject]`.

use std::path::Path;

use super::Finding;
use super::is_writable;
use crate::config::Config;
use crate::gateway::judge::chain;
use crate::service::reinjection::submission;

/// The server's name, how its connection is protected, and the journal's folder.
pub(super) fn judged(config: &Config) -> Vec<Finding> {
    let (target, settings) = match submission(config) {
        Ok(None) => return Vec::new(),
        Ok(Some(there)) => there,
        Err(error) => return vec![Finding::error(chain(&error))],
    };
    let name = format!("[reinject] to {target}");
    let connection = match (settings.start_tls.is_clear(), target.is_loopback()) {
        (true, false) => Finding::warning(format!(
            "{name}: mail goes there in clear, and some of it was decrypted: write starttls = \"require\" \
             and anchors, or take a server on this host"
        )),
        (true, true) => Finding::ok(format!("{name}: on this host, in clear")),
        (false, _) => Finding::ok(format!("{name}: protected by STARTTLS")),
    };
    vec![connection, journal(config)]
}

fn journal(config: &Config) -> Finding {
    let path = config.path(&config.reinject.journal);
    let name = format!("[reinject] journal {}", path.display());
    match is_writable(path.parent().unwrap_or(Path::new(""))) {
        Ok(()) => Finding::ok(name),
        Err(error) => Finding::error(format!(
            "{name}: it cannot be written in its folder: {error}: name a file in a folder of the user that runs \
             domsec, as /var/lib/domsec/domsec.journal"
        )),
    }
}
