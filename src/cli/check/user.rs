//! Who domsec is when it serves, and who looks at its files here.

use std::path::Path;

use super::Finding;
use crate::config::Config;
use crate::gateway::judge::chain;
use crate::service::privileges::PrivilegeError;
use crate::service::privileges::Servant;
use crate::service::privileges::is_root;

/// Becomes the user of `config`, so that what is found after this is what that user would find; with
/// its name where it is another one than before.
pub(super) fn judged(config: &Config) -> (Option<String>, Option<Finding>) {
    let servant = match Servant::of(config) {
        Ok(Some(servant)) => servant,
        Ok(None) => return (None, Some(nobody_named(is_root()))),
        Err(error) => return (None, Some(Finding::error(chain(&error)))),
    };
    let name = servant.name().to_owned();
    match servant.become_it() {
        Ok(()) => {
            let text = format!("what follows is as user {name} finds it");
            (Some(name), Some(Finding::ok(text)))
        }
        Err(PrivilegeError::NotRoot { is, .. }) => {
            let text = format!(
                "domsec is to be user {name} and check was started by user {is}, who may find other things: \
                 run check as root"
            );
            (None, Some(Finding::warning(text)))
        }
        Err(error) => (None, Some(Finding::error(chain(&error)))),
    }
}

/// What is to be said of a configuration that names no user. The unit of systemd may (`User=`), and we do
/// not see it: what is found then holds for whoever runs us, and root can read everything.
fn nobody_named(as_root: bool) -> Finding {
    if as_root {
        Finding::warning(
            "check is run by root and the configuration names no user, so that what follows is as root finds \
             it, who can read every key: where the service has a user of its own (User= of its unit), run check \
             as that user, as by runuser -u domsec -- domsec check",
        )
    } else {
        Finding::ok(
            "there is no user in the configuration: domsec stays who starts it, which should not be root",
        )
    }
}

/// What is to be said of a configuration that `user`, whom we have become, cannot read again.
pub(super) fn reads(user: &str, path: &Path) -> Option<Finding> {
    let error = Config::read(path).err()?;
    Some(Finding::error(format!(
        "user {user} cannot read the configuration, so that domsec does not start: {}: chgrp it to a group of \
         that user and chmod 640",
        chain(&error)
    )))
}
