//! Users and groups of this host, by name or by number.

use nix::errno::Errno;
use nix::unistd::Gid;
use nix::unistd::Group;
use nix::unistd::Uid;
use nix::unistd::User;

/// Who cannot be found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// No group has that name.
    #[error("there is no group {0:?} on this host: make it, or name another one")]
    NoGroup(String),
    /// No user has that name.
    #[error("there is no user {0:?} on this host: make it, or name another one")]
    NoUser(String),
    /// The host does not say.
    #[error("{name:?} cannot be looked up among the users and groups of this host")]
    Unknown {
        /// Who was asked for.
        name: String,
        /// Why not.
        #[source]
        source: Errno,
    },
}

/// A user; a number alone may be nobody's whom this host knows, as in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user's number.
    pub uid: Uid,
    /// Name and first group, of one whom this host knows.
    pub known: Option<(String, Gid)>,
}

/// The user of that name or number.
pub fn user(name: &str) -> Result<Account, AccountError> {
    let known = |user: User| Account {
        uid: user.uid,
        known: Some((user.name, user.gid)),
    };
    if let Some(user) = User::from_name(name).map_err(unknown(name))? {
        return Ok(known(user));
    }
    let uid = name.parse().map(Uid::from_raw);
    let uid = uid.map_err(|_| AccountError::NoUser(name.to_owned()))?;
    let user = User::from_uid(uid).map_err(unknown(name))?;
    Ok(user.map_or(Account { uid, known: None }, known))
}

/// The group of that name or number.
pub fn group(name: &str) -> Result<Gid, AccountError> {
    if let Some(group) = Group::from_name(name).map_err(unknown(name))? {
        return Ok(group.gid);
    }
    let gid = name.parse().map(Gid::from_raw);
    gid.map_err(|_| AccountError::NoGroup(name.to_owned()))
}

fn unknown(name: &str) -> impl Fn(Errno) -> AccountError {
    let name = name.to_owned();
    move |source| AccountError::Unknown {
        name: name.clone(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_found_by_name_and_by_number() {
        let root = user("root").unwrap();
        assert_eq!(root.uid, Uid::from_raw(0));
        assert_eq!(root.known, Some(("root".to_owned(), Gid::from_raw(0))));
        assert_eq!(user("0").unwrap(), root);
        assert_eq!(user("4000000000").unwrap().known, None);
        assert_eq!(group("root").unwrap(), Gid::from_raw(0));
        assert_eq!(group("4000000000").unwrap(), Gid::from_raw(4_000_000_000));
    }

    #[test]
    fn who_is_not_there_is_named() {
        let none = user("no-such-user").unwrap_err().to_string();
        assert!(none.contains("\"no-such-user\""), "{none}");
        let none = group("-1").unwrap_err().to_string();
        assert!(none.contains("no group \"-1\""), "{none}");
    }
}
