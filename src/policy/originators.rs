//! `[originators]`: the From addresses that a login may use (draft §3.3: the originator is authentic).
//!
//! `"alice" = ["alice@a.example", "sales@a.example"]`, `"list-server" = ["@lists.a.example"]`. A login
//! without a row, and every login without the table, may use only the From that equals it.

use std::collections::BTreeMap;

use super::error::PolicyFileError;
use super::table::Entry;
use crate::address::Domain;
use crate::address::Mailbox;

/// Who may write in whose name. Logins are kept in lower case: whether case counts in them, only the
/// MTA knows, and a row must not be evaded by writing it otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Originators(BTreeMap<String, Vec<Originator>>);

/// What a login may write as From.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Originator {
    /// Any address of this domain, and of none beneath it.
    Any(Domain),
    /// This address.
    Mailbox(Mailbox),
}

impl Originators {
    /// Whether who authenticated as `login` may use `from`; `ours` are our domains.
    ///
    /// A row of the table says all that its login may use. Without one the login must be the address
    /// itself or, where it has no `@`, its local part in one of `ours`. Case does not count, as it
    /// does not where certificates are compared with addresses (RFC 8550 §3).
    #[must_use]
    pub fn may_use(&self, login: &str, from: &Mailbox, ours: &[Domain]) -> bool {
        if let Some(allowed) = self.0.get(&login.to_ascii_lowercase()) {
            return allowed.iter().any(|one| match one {
                Originator::Any(domain) => domain == from.domain(),
                Originator::Mailbox(mailbox) => mailbox.same_ignoring_case(from),
            });
        }
        if let Ok(mailbox) = Mailbox::parse(login) {
            return mailbox.same_ignoring_case(from);
        }
        let bare = Mailbox::new(login.to_owned(), from.domain().clone());
        !login.contains('@')
            && ours.contains(from.domain())
            && bare.is_ok_and(|mailbox| mailbox.same_ignoring_case(from))
    }

    /// Whether the table has a row for `login`.
    #[must_use]
    pub fn has_row(&self, login: &str) -> bool {
        self.0.contains_key(&login.to_ascii_lowercase())
    }

    /// Reads the table.
    pub(super) fn read(entry: &Entry<'_, '_>) -> Result<Self, PolicyFileError> {
        let table = entry.names("[originators]")?;
        let mut rows = BTreeMap::new();
        for (entry, login, offset) in table.named() {
            let elements = entry.list(ADDRESSES)?;
            let allowed = elements.iter().map(Originator::read);
            let allowed = allowed.collect::<Result<_, _>>()?;
            if rows.insert(login.to_ascii_lowercase(), allowed).is_some() {
                let reason = "it has a row already; case does not count".to_owned();
                return Err(table.bad_name(offset, login, reason));
            }
        }
        Ok(Self(rows))
    }
}

impl Originator {
    fn read(element: &Entry<'_, '_>) -> Result<Self, PolicyFileError> {
        let text = element.text()?;
        let found = match text.strip_prefix('@') {
            Some(domain) => Domain::parse(domain).map(Self::Any).ok(),
            None => Mailbox::parse(text).map(Self::Mailbox).ok(),
        };
        found.ok_or_else(|| {
            element.bad("write an address, or @ and a domain for every address of that domain")
        })
    }
}

/// Addresses of one login.
const ADDRESSES: usize = 1_000;
