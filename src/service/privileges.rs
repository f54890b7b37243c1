//! Who we are: root gives its rights up once it has its sockets, and cannot take them back.
//!
//! Before there is a second thread: what the kernel calls a process is one of its threads.

use std::ffi::CString;

use nix::errno::Errno;
use nix::sys::prctl::set_no_new_privs;
use nix::sys::stat::Mode;
use nix::sys::stat::umask;
use nix::unistd::Gid;
use nix::unistd::Uid;
use nix::unistd::getegid;
use nix::unistd::geteuid;
use nix::unistd::getgrouplist;
use nix::unistd::getgroups;
use nix::unistd::getresgid;
use nix::unistd::getresuid;
use nix::unistd::setgid;
use nix::unistd::setgroups;
use nix::unistd::setuid;

use crate::config::Config;
use crate::serve::accounts;
use crate::serve::accounts::AccountError;
use crate::serve::listen::OwnerIds;

/// Why we are not whom the configuration says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrivilegeError {
    /// There is no such user or group.
    #[error("user or group")]
    Account(#[from] AccountError),
    /// A group alone.
    #[error("group = {0:?} has no user: write user = \"..\" as well")]
    GroupAlone(String),
    /// It looks done, and is not.
    #[error(
        "rights that are not those of the configuration's user are left ({0}), which is refused: start domsec \
         as root, or as that user and nobody else besides"
    )]
    Kept(&'static str),
    /// A number without a group.
    #[error(
        "user = {0:?} is a number without a name, and so has no group: write group = \"..\" as well"
    )]
    NoGroup(String),
    /// Another user cannot become this one.
    #[error(
        "we were started by user {is} and cannot become user = {wanted:?}: start domsec as root, or as \
         that user, or take user out of the configuration"
    )]
    NotRoot {
        /// Who is to be become.
        wanted: String,
        /// The number of the user who we are.
        is: Uid,
    },
    /// The system refuses.
    #[error(
        "{step} for user = {wanted:?} is refused by the system: start domsec as that user, or let root keep \
         CAP_SETUID and CAP_SETGID"
    )]
    Refused {
        /// Who is to be become.
        wanted: String,
        /// What was refused.
        step: &'static str,
        /// How.
        #[source]
        source: Errno,
    },
    /// The user is root.
    #[error("user = {0:?} has the rights of root: name a user of its own for domsec")]
    Root(String),
}

/// Whom we become.
#[derive(Clone, Debug)]
pub struct Servant {
    name: String,
    uid: Uid,
    gid: Gid,
    /// All that it is in, `gid` with them.
    groups: Vec<Gid>,
}

impl Servant {
    /// Whom `config` says; `None` where it says nothing.
    pub fn of(config: &Config) -> Result<Option<Self>, PrivilegeError> {
        let Some(name) = &config.user else {
            return match &config.group {
                Some(group) => Err(PrivilegeError::GroupAlone(group.clone())),
                None => Ok(None),
            };
        };
        let user = accounts::user(name)?;
        let group = config.group.as_deref().map(accounts::group).transpose()?;
        let own = user.known.as_ref().map(|(_, gid)| *gid);
        let no_group = || PrivilegeError::NoGroup(name.clone());
        let gid = group.or(own).ok_or_else(no_group)?;
        let groups = match user.known.and_then(|(name, _)| CString::new(name).ok()) {
            None => vec![gid],
            Some(known) => {
                getgrouplist(&known, gid).map_err(refused(name, "the list of groups"))?
            }
        };
        let is_root = user.uid.is_root() || groups.contains(&Gid::from_raw(0));
        if is_root {
            return Err(PrivilegeError::Root(name.clone()));
        }
        Ok(Some(Self {
            name: name.clone(),
            uid: user.uid,
            gid,
            groups,
        }))
    }

    /// The user's name, as it is configured.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whose its files are.
    #[must_use]
    pub fn owner(&self) -> OwnerIds {
        // Who is not root has no need to give anything to himself.
        if is_root() {
            OwnerIds {
                user: Some(self.uid.as_raw()),
                group: Some(self.gid.as_raw()),
            }
        } else {
            OwnerIds::default()
        }
    }

    /// Becomes it, for good. Must be called while the process has one thread, since `no_new_privs` is
    /// of a thread and those that it makes.
    pub fn become_it(&self) -> Result<(), PrivilegeError> {
        let refused = |step| refused(&self.name, step);
        let groups = if is_root() {
            // In this order: whoever is not root any more changes no groups.
            setgroups(&self.groups).map_err(refused("setgroups"))?;
            setgid(self.gid).map_err(refused("setgid"))?;
            setuid(self.uid).map_err(refused("setuid"))?;
            self.groups.clone()
        } else if (geteuid(), getegid()) == (self.uid, self.gid) {
            // More groups are for whoever started us to give (SupplementaryGroups=), but not root's.
            let mut groups = getgroups().map_err(refused("getgroups"))?;
            groups.retain(|gid| *gid != Gid::from_raw(0));
            groups
        } else {
            return Err(PrivilegeError::NotRoot {
                wanted: self.name.clone(),
                is: geteuid(),
            });
        };
        // A program that is root's by its file's mode gives nothing back either.
        set_no_new_privs().map_err(refused("no_new_privs"))?;
        self.verify(&groups)
    }

    /// All three of each identity are the new one, no group is left but `groups`, and there is no way back.
    fn verify(&self, groups: &[Gid]) -> Result<(), PrivilegeError> {
        let users = getresuid().map_err(refused(&self.name, "getresuid"))?;
        if [users.real, users.effective, users.saved] != [self.uid; 3] {
            return Err(PrivilegeError::Kept("user"));
        }
        let own = getresgid().map_err(refused(&self.name, "getresgid"))?;
        if [own.real, own.effective, own.saved] != [self.gid; 3] {
            return Err(PrivilegeError::Kept("group"));
        }
        let mut left = getgroups().map_err(refused(&self.name, "getgroups"))?;
        left.retain(|gid| !groups.contains(gid));
        if !left.is_empty() {
            return Err(PrivilegeError::Kept("supplementary groups"));
        }
        let root = (setuid(Uid::from_raw(0)), setgid(Gid::from_raw(0)));
        if root.0.is_ok() || root.1.is_ok() {
            return Err(PrivilegeError::Kept("setuid or setgid"));
        }
        Ok(())
    }
}

/// Whether we have the rights of root.
#[must_use]
pub fn is_root() -> bool {
    geteuid().is_root()
}

/// Files that this process makes are its owner's alone, until it says otherwise of one.
pub(super) fn close_umask() {
    let _before = umask(Mode::from_bits_truncate(0o077));
}

fn refused(wanted: &str, step: &'static str) -> impl Fn(Errno) -> PrivilegeError {
    let wanted = wanted.to_owned();
    move |source| PrivilegeError::Refused {
        wanted: wanted.clone(),
        step,
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn servant(lines: &str) -> Result<Option<Servant>, PrivilegeError> {
        let text = format!("domains = []\nauthserv_id = \"x\"\n{lines}");
        Servant::of(&Config::parse(&text, Path::new("f")).unwrap())
    }

    #[test]
    fn a_user_brings_its_groups() {
        assert!(servant("").unwrap().is_none());
        let nobody = servant("user = \"nobody\"").unwrap().unwrap();
        assert!(nobody.groups.contains(&nobody.gid));
        assert_eq!(nobody.uid, accounts::user("nobody").unwrap().uid);
        let in_group = servant("user = \"nobody\"\ngroup = \"4242\"")
            .unwrap()
            .unwrap();
        assert_eq!(in_group.gid, Gid::from_raw(4242));
        assert!(in_group.groups.contains(&in_group.gid));
        let number = servant("user = \"4000000000\"\ngroup = \"4242\"")
            .unwrap()
            .unwrap();
        assert_eq!(number.groups, [Gid::from_raw(4242)]);
    }

    #[test]
    fn who_cannot_or_must_not_be_become_is_refused_with_advice() {
        for (lines, said) in [
            ("group = \"nogroup\"", "write user"),
            ("user = \"root\"", "a user of its own"),
            ("user = \"0\"", "a user of its own"),
            ("user = \"nobody\"\ngroup = \"0\"", "a user of its own"),
            ("user = \"4000000000\"", "write group"),
            ("user = \"no-such-user\"", "user or group"),
        ] {
            let error = servant(lines).unwrap_err().to_string();
            assert!(error.contains(said), "{lines}: {error}");
        }
    }
}
