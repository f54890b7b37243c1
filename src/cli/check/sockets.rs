//! What is to be said of the places where we listen.

use std::io;
use std::path::Path;
use std::path::PathBuf;

use super::Finding;
use crate::config::MilterListener;
use crate::config::Socket;
use crate::serve::accounts;

/// The folder in which a socket is made, whose path is relative to `directory`.
pub(super) fn folder(socket: &Socket, directory: &Path) -> Option<PathBuf> {
    match socket {
        Socket::Systemd(_) | Socket::Tcp(_) => None,
        Socket::Unix(path) => directory.join(path).parent().map(Path::to_owned),
    }
}

/// What is to be said of a listener, whose folder, where it has one, can be written into or not.
pub(super) fn judged(
    kind: &str,
    listener: &Socket,
    folder: Option<(&Path, &io::Result<()>)>,
) -> Finding {
    let name = format!("[listen] {kind} {listener}");
    match (listener, folder) {
        (_, Some((folder, Err(error)))) => Finding::error(format!(
            "{name}: no socket can be made in {}: {error}: make the folder, or give it to the user \
             that runs domsec",
            shown(folder)
        )),
        // Who speaks milter says who has logged in, and so whose mail is signed.
        (Socket::Tcp(address), _) if !address.ip().is_loopback() => Finding::warning(format!(
            "{name}: other hosts can reach it: take 127.0.0.1 or ::1, or let a firewall keep all \
                 but the mail server away"
        )),
        (Socket::Systemd(unit), _) => Finding::ok(format!(
            "{name}: a socket unit with FileDescriptorName={unit} makes it"
        )),
        (Socket::Tcp(_) | Socket::Unix(_), _) => Finding::ok(name),
    }
}

/// What is to be said of a milter socket's owner and group.
pub(super) fn owner(listener: &MilterListener) -> Option<Finding> {
    let owner = &listener.owner;
    let user = owner.user.as_deref().map(accounts::user);
    let group = owner.group.as_deref().map(accounts::group);
    let unknown = user.and_then(Result::err).or(group.and_then(Result::err));
    unknown.map(|error| Finding::error(format!("[listen] milter {}: {error}", listener.socket)))
}

/// What is to be said of a milter socket's mode.
pub(super) fn mode(listener: &MilterListener) -> Option<Finding> {
    // Who speaks milter says what came by mail and who has logged in.
    listener.is_open_to_all().then(|| {
        Finding::warning(format!(
            "[listen] milter {}: its mode {:04o} lets every user of this host in, who can have mail decrypted \
             and signed: write mode = \"0660\" and the group of the mail server",
            listener.socket, listener.mode
        ))
    })
}

/// What is to be said of a socket that the user that domsec becomes may not remove at the end.
pub(super) fn stays(socket: &Socket, folder: &Path, user: &str) -> Finding {
    Finding::warning(format!(
        "[listen] milter {socket}: user {user} cannot remove it at the end, and a start that is not root's \
         cannot replace it: chown {user} {}",
        shown(folder)
    ))
}

fn shown(folder: &Path) -> String {
    if folder == Path::new("") {
        "this folder".to_owned()
    } else {
        folder.display().to_string()
    }
}
