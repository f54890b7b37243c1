//! The names that RFC 3183 gave the certificates of domains: the role as commonName of the subject.
//!
//! No part of the convention any more; a partner entry may switch them on for its domain. What
//! breaks one of the rules of RFC 3183 §3.1.1 and §4.1 names nobody.

use crate::address::Domain;
use crate::address::Mailbox;

use super::Names;

/// The roles that have a former name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Authority {
    /// Makes additional attributes signatures.
    Attributes,
    /// The Domain Confidentiality Authority.
    Confidentiality,
    /// Makes review signatures.
    Review,
    /// Makes domain signatures.
    Signing,
}

impl Authority {
    /// Its commonName under RFC 3183.
    #[must_use]
    pub const fn former_name(self) -> &'static str {
        match self {
            Self::Attributes => "attribute-authority",
            Self::Confidentiality => "domain-confidentiality-authority",
            Self::Review => "review-authority",
            Self::Signing => "domain-signing-authority",
        }
    }
}

/// The domain for which `names` are those of `authority` under RFC 3183, if that is agreed with it.
///
/// The domain part is that of the rfc822Name, or the domain components of the subject. Country,
/// organization and the like are a domain part too (RFC 3183 §3.1.1), but From has none to compare.
pub(super) fn domain(names: &Names, authority: Authority) -> Option<Domain> {
    if names.former_names_with.is_empty() {
        return None;
    }
    let is_name = |text: &str| text.eq_ignore_ascii_case(authority.former_name());
    // "There MUST be only one CN component present."
    let [common_name] = names.common_names.as_slice() else {
        return None;
    };
    if !is_name(common_name) {
        return None;
    }
    let mut parts = Vec::new();
    for email in &names.emails {
        // If it contains an address, "this name shall appear" as its local part.
        let mailbox: Mailbox = email.parse().ok()?;
        if !is_name(mailbox.local()) {
            return None;
        }
        parts.push(mailbox.domain().clone());
    }
    // One label each (RFC 4514 §3), or one value could pass for a whole domain.
    if names
        .domain_components
        .iter()
        .any(|label| label.contains('.'))
    {
        return None;
    }
    if !names.domain_components.is_empty() {
        let labels = names.domain_components.iter().rev();
        let labels: Vec<&str> = labels.map(String::as_str).collect();
        parts.push(labels.join(".").parse().ok()?);
    }
    // An originator must be below each part, so the lowest counts, where one is below all others.
    let lowest = parts.iter().max_by_key(|part| part.labels().count())?;
    let one_line = parts.iter().all(|part| lowest.is_or_is_under(part));
    let mut agreed = names.former_names_with.iter();
    let is_agreed = agreed.any(|partner| lowest.is_or_is_under(partner));
    (one_line && is_agreed).then(|| lowest.clone())
}
