//! Where a search begins, and what it means that a directory has no entry of that name (noSuchObject).

use super::discovery::distinguished_name;
use super::message::LdapResult;
use crate::address::Domain;

/// The name beneath which entries are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Base {
    /// A distinguished name.
    pub(super) name: String,
    origin: Origin,
}

/// Who says that there is such an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    /// Nobody: the name is that of a domain above the one that is asked for, whose authority may be the domain's (draft
    /// §2.6). That the directory does not have all of the domain above is no wonder, and a definite absence there.
    Above,
    /// Nobody, for the name is made of a domain under a configured one, whose own is `configured`: its people may have
    /// entries of their own domain's, or none. Where the directory has the configured domain it is a definite absence, also
    /// of what was there before, just as an answer without entries is.
    Beneath { configured: String },
    /// `base` of our configuration.
    Configured,
    /// Our configuration, which names this domain: whoever is asked for it has its tree.
    Named,
    /// Nobody: a directory for all domains, or one that the domain itself announces, does not have a tree of that name.
    /// By the only rule that a stranger can know (RFC 2247) nothing is published there; unless it is known to be.
    Unnamed { expected: bool },
}

/// Why it is not known whether there is an entry.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BaseError {
    #[error(
        "the directory shows us no entry {0:?} (noSuchObject), beneath which it is to be searched: correct `base` in \
         [[ldap]], or let us read there"
    )]
    Configured(String),
    #[error(
        "the directory shows us no entry {0:?} (noSuchObject), which stands for the domain: give `base` in [[ldap]], \
         or let us read there"
    )]
    Derived(String),
    #[error(
        "the directory has no entry {0:?} (noSuchObject), which stands for the domain, and the domain is known to \
         publish in a directory: if it does so no more, take `ldap` out of its `sources` in the policy, and say \
         `domsec certs forget`"
    )]
    Expected(String),
}

impl Base {
    /// Where the entries of `name` are, in a directory with that `base` and those `domains` of the configuration.
    /// `asked` is the domain that is asked for, of which it is known whether it is `expected` to publish there.
    pub(super) fn of(
        name: &Domain,
        (asked, expected): (&Domain, bool),
        (base, domains): (Option<&str>, &[Domain]),
    ) -> Self {
        let above = domains.iter().filter(|domain| name.is_or_is_under(domain));
        let nearest = above.max_by_key(|domain| domain.labels().count());
        let origin = match nearest {
            // Without `domains` there is one server, whose base it is. With them, what a domain above them announces is a
            // stranger's, and need not have it.
            _ if base.is_some() && (nearest.is_some() || domains.is_empty()) => Origin::Configured,
            Some(nearest) if nearest == name => Origin::Named,
            Some(nearest) => Origin::Beneath {
                configured: distinguished_name(nearest),
            },
            None if name == asked => Origin::Unnamed { expected },
            None => Origin::Above,
        };
        let name = base.map_or_else(|| distinguished_name(name), str::to_owned);
        Self { name, origin }
    }

    /// What it means that the directory has no such entry, as `result` says. `Ok` is a definite absence.
    ///
    /// `result` names the nearest entry above it that is there (RFC 4511 §4.1.9): where that is the configured domain's or
    /// under it, the directory has the tree of which this would be a part.
    pub(super) fn missing(&self, result: &LdapResult) -> Result<(), BaseError> {
        let name = || self.name.clone();
        match &self.origin {
            Origin::Above | Origin::Unnamed { expected: false } => Ok(()),
            Origin::Beneath { configured }
                if is_at_or_beneath(&result.matched, configured)
                    && is_at_or_beneath(&self.name, &result.matched) =>
            {
                Ok(())
            }
            Origin::Configured => Err(BaseError::Configured(name())),
            Origin::Beneath { .. } | Origin::Named => Err(BaseError::Derived(name())),
            Origin::Unnamed { expected: true } => Err(BaseError::Expected(name())),
        }
    }
}

/// Whether the entry of that name is `of` or beneath it. `of`, or the name, is made of a domain, and has nothing escaped: who
/// writes the other one otherwise than servers do is not believed.
fn is_at_or_beneath(name: &str, of: &str) -> bool {
    let parts = |name: &str| -> Vec<String> {
        let parts = name.rsplit(',').map(|part| {
            let (kind, value) = part.split_once('=').unwrap_or((part, ""));
            let kind = match kind.trim() {
                DOMAIN_COMPONENT => "dc",
                other => other,
            };
            format!("{kind}={}", value.trim()).to_ascii_lowercase()
        });
        parts.collect()
    };
    parts(name).starts_with(&parts(of))
}

/// The type of `dc`, where a server writes it as a number (RFC 4519 §2.4).
const DOMAIN_COMPONENT: &str = "0.9.2342.19200300.100.1.25";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookup::ldap::message::code;

    /// What it means that the tree of `name` is not there when `asked` is asked for, and above it `matched` is.
    fn missing(
        name: &str,
        (asked, expected): (&str, bool),
        (base, domains): (Option<&str>, &[&str]),
        matched: &str,
    ) -> Result<(), BaseError> {
        let domain = |text: &str| -> Domain { text.parse().unwrap() };
        let domains: Vec<Domain> = domains.iter().map(|one| domain(one)).collect();
        let asked = (&domain(asked), expected);
        let base = Base::of(&domain(name), asked, (base, &domains));
        base.missing(&LdapResult {
            code: code::NO_SUCH_OBJECT,
            matched: matched.to_owned(),
            text: String::new(),
        })
    }

    #[test]
    fn no_tree_is_absence_only_where_nobody_said_that_there_is_one() {
        let b = (None, &["b.example"][..]);
        let of = "sub.b.example";
        let tree = "dc=b,dc=example";
        for matched in [
            tree,
            "DC=B, DC=Example",
            "0.9.2342.19200300.100.1.25=b,dc=example",
        ] {
            assert_eq!(missing(of, (of, true), b, matched), Ok(()), "{matched}");
        }
        let derived = Err(BaseError::Derived("dc=sub,dc=b,dc=example".to_owned()));
        // What is above the configured domain is not it, nor is what is not above the name.
        for matched in [
            "",
            "dc=example",
            "dc=c,dc=example",
            "ou=Deleted,ou=Objects",
            "dc=other,dc=b,dc=example",
            "dc=b\\,dc=example",
            "xdc=b,dc=example",
        ] {
            assert_eq!(missing(of, (of, true), b, matched), derived, "{matched}");
        }
        // Of nested ones the nearest is meant.
        let nested = (None, &["example", "b.example"][..]);
        assert_eq!(missing(of, (of, false), nested, "dc=example"), derived);
        assert_eq!(missing(of, (of, false), nested, tree), Ok(()));
        let derived = Err(BaseError::Derived(tree.to_owned()));
        for asked in ["b.example", of] {
            let found = missing("b.example", (asked, false), b, "dc=example");
            assert_eq!(found, derived);
        }
        // Its authority may be that of a domain above, of which such a directory need have nothing.
        let sub = (None, &[of][..]);
        assert_eq!(missing("b.example", (of, true), sub, ""), Ok(()));
        let everybody = (None, &[][..]);
        assert_eq!(missing(of, (of, false), everybody, ""), Ok(()));
        assert!(matches!(
            missing(of, (of, true), everybody, tree),
            Err(BaseError::Expected(_))
        ));
        for domains in [&[][..], &["b.example"]] {
            let configured = missing(of, (of, false), (Some("o=B"), domains), tree);
            assert_eq!(configured, Err(BaseError::Configured("o=B".to_owned())));
        }
        // What a domain above the configured one announces is not ours.
        let elsewhere = (Some("o=B"), &[of][..]);
        assert_eq!(missing("b.example", (of, true), elsewhere, ""), Ok(()));
    }
}
