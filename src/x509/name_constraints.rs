//! Name constraints (RFC 5280 §4.2.1.10, §6.1.3 b and c; RFC 9598 §6 for SmtpUTF8Mailbox).
//!
//! What cannot be judged is refused: a malformed name or base of a constrained form, and forms that
//! are not evaluated (x400Address, ediPartyName, registeredID, otherName).

use super::certificate::Certificate;
use super::extensions::NameConstraints;
use super::general_name::GeneralName;
use crate::limits::LimitError;
use crate::uri;

/// How many comparisons of a name with a subtree one path may take: as webpki.
pub(super) const COMPARISONS: usize = 250_000;

/// Why a certificate is not allowed by the name constraints above it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameFault {
    /// The extension has a minimum or maximum, which must not be (RFC 5280 §4.2.1.10).
    #[error("nameConstraints has a subtree with a minimum or maximum")]
    Distances,
    /// The name lies in an excluded subtree, or it cannot be shown that it does not.
    #[error("name {0} is in an excluded subtree")]
    Excluded(String),
    /// The name lies in no permitted subtree, or it cannot be shown that it does.
    #[error("name {0} is in no permitted subtree")]
    NotPermitted(String),
    /// Too many names and subtrees.
    #[error(transparent)]
    Limit(#[from] LimitError),
}

/// Checks every name of `certificate` against all of `constraints`; uses up `comparisons`.
pub(super) fn check(
    certificate: &Certificate,
    constraints: &[&NameConstraints],
    comparisons: &mut usize,
) -> Result<(), NameFault> {
    if constraints.is_empty() {
        return Ok(());
    }
    for name in names(certificate) {
        for constraint in constraints {
            let bases = constraint.permitted.len() + constraint.excluded.len();
            *comparisons = comparisons.checked_sub(bases).ok_or_else(too_many)?;
            check_name(&name, constraint)?;
        }
    }
    Ok(())
}

fn too_many() -> LimitError {
    let wide = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    LimitError {
        what: "number of name constraint comparisons",
        asked: wide(COMPARISONS + 1),
        allowed: wide(COMPARISONS),
    }
}

/// The subject, the alternative names, and the addresses in the subject: RFC 5280 asks for the last
/// where there are no alternative names, and RFC 8550 §3 lets readers use them in any case.
fn names(certificate: &Certificate) -> Vec<GeneralName> {
    let mut names = certificate.alternative_names().to_vec();
    if !certificate.folded_subject().is_empty() {
        names.push(GeneralName::Directory(certificate.folded_subject().clone()));
    }
    let emails = certificate.subject_emails().iter().cloned();
    names.extend(emails.map(GeneralName::Email));
    names
}

fn check_name(name: &GeneralName, constraint: &NameConstraints) -> Result<(), NameFault> {
    let concerns = |base: &&GeneralName| {
        base.form() == name.form()
            || matches!(
                (base, name),
                (GeneralName::Email(_), GeneralName::SmtpUtf8Mailbox(_))
            )
    };
    let mut excluded = constraint.excluded.iter().filter(concerns);
    if excluded.any(|base| within(name, base, Side::Excluded).unwrap_or(true)) {
        return Err(NameFault::Excluded(shown(name)));
    }
    let mut permitted = constraint.permitted.iter().filter(concerns).peekable();
    if permitted.peek().is_some()
        && !permitted.any(|base| within(name, base, Side::Permitted).unwrap_or(false))
    {
        return Err(NameFault::NotPermitted(shown(name)));
    }
    Ok(())
}

/// On which side a subtree stands: where a comparison could go either way, it refuses.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Excluded,
    Permitted,
}

/// Whether `name` lies in the subtree at `base`; `None` when that cannot be said.
fn within(name: &GeneralName, base: &GeneralName, side: Side) -> Option<bool> {
    match (name, base) {
        (GeneralName::Directory(name), GeneralName::Directory(base)) => Some(name.is_within(base)),
        (GeneralName::Dns(name), GeneralName::Dns(base)) => Some(dns_within(name, base, side)),
        (
            GeneralName::Email(name) | GeneralName::SmtpUtf8Mailbox(name),
            GeneralName::Email(base),
        ) => email_within(name, base, side),
        (GeneralName::Ip(name), GeneralName::Ip(base)) => ip_within(name, base),
        (GeneralName::Uri(name), GeneralName::Uri(base)) => uri_within(name, base),
        _ => None,
    }
}

fn dns_within(name: &str, base: &str, side: Side) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    if let (Some(parent), Side::Excluded) = (name.strip_prefix("*."), side) {
        // The wildcard also names hosts that are excluded one by one.
        if is_below_or_equal(base, parent) {
            return true;
        }
    }
    match base.strip_prefix('.') {
        // Not in RFC 5280, which has the dot for URIs and addresses only; CAs write it here too.
        Some(parent) => is_below(name, parent),
        None => is_below_or_equal(name, base),
    }
}

fn email_within(name: &str, base: &str, side: Side) -> Option<bool> {
    let (local, host) = name.rsplit_once('@')?;
    if let Some((base_local, base_host)) = base.rsplit_once('@') {
        // The local part counts with its case (RFC 5280 §4.2.1.10); to exclude, without.
        let same_local = match side {
            Side::Excluded => local.eq_ignore_ascii_case(base_local),
            Side::Permitted => local == base_local,
        };
        return Some(same_local && host.eq_ignore_ascii_case(base_host));
    }
    // Domains are in their ASCII form (RFC 9598 §3), or cannot be compared.
    host.is_ascii().then(|| host_within(host, base))
}

fn uri_within(name: &str, base: &str) -> Option<bool> {
    let host = uri::host(name)?;
    let host = host.strip_suffix('.').unwrap_or(host);
    // An address, or a name without dots, cannot be constrained (RFC 5280 §4.2.1.10).
    uri::is_fully_qualified(host).then(|| host_within(host, base))
}

/// A base with a leading dot is all below a domain, without it one host; empty, everything.
fn host_within(host: &str, base: &str) -> bool {
    match base.strip_prefix('.') {
        Some(parent) => is_below(host, parent),
        None => base.is_empty() || host.eq_ignore_ascii_case(base),
    }
}

fn is_below_or_equal(name: &str, base: &str) -> bool {
    base.is_empty() || name.eq_ignore_ascii_case(base) || is_below(name, base)
}

fn is_below(name: &str, parent: &str) -> bool {
    let Some(split) = name.len().checked_sub(parent.len()) else {
        return false;
    };
    let Some((labels, end)) = name.split_at_checked(split) else {
        return false;
    };
    labels.len() > 1 && labels.ends_with('.') && end.eq_ignore_ascii_case(parent)
}

fn ip_within(address: &[u8], base: &[u8]) -> Option<bool> {
    if !matches!(address.len(), 4 | 16) || !matches!(base.len(), 8 | 32) {
        return None;
    }
    let (network, mask) = base.split_at_checked(base.len() / 2)?;
    let mut octets = address.iter().zip(network).zip(mask);
    let same = octets.all(|((address, network), mask)| address & mask == network & mask);
    Some(address.len() == network.len() && same)
}

fn shown(name: &GeneralName) -> String {
    match name {
        GeneralName::Directory(_) => "of the subject or a directoryName".to_owned(),
        GeneralName::Dns(text)
        | GeneralName::Email(text)
        | GeneralName::SmtpUtf8Mailbox(text)
        | GeneralName::Uri(text) => format!("{text:?}"),
        GeneralName::Ip(octets) => format!("of the address {octets:?}"),
        GeneralName::Other(tag, _) => format!("of form {}", tag & 0x1F),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dns(name: &str) -> GeneralName {
        GeneralName::Dns(name.into())
    }

    fn email(name: &str) -> GeneralName {
        GeneralName::Email(name.into())
    }

    fn uri(name: &str) -> GeneralName {
        GeneralName::Uri(name.into())
    }

    fn permits(base: GeneralName, name: &GeneralName) -> bool {
        let permitted = vec![base];
        check_name(
            name,
            &NameConstraints {
                permitted,
                excluded: Vec::new(),
                has_distances: false,
            },
        )
        .is_ok()
    }

    fn excludes(base: GeneralName, name: &GeneralName) -> bool {
        let excluded = vec![base];
        check_name(
            name,
            &NameConstraints {
                permitted: Vec::new(),
                excluded,
                has_distances: false,
            },
        )
        .is_err()
    }

    #[test]
    fn a_dns_base_covers_itself_and_all_below() {
        assert!(permits(dns("a.example"), &dns("A.example")));
        assert!(permits(dns("a.example"), &dns("x.a.example")));
        assert!(!permits(dns("a.example"), &dns("xa.example")));
        assert!(!permits(dns(".a.example"), &dns("a.example")));
        assert!(permits(dns(""), &dns("a.example")));
        assert!(excludes(dns("a.example"), &dns("a.example.")));
        assert!(excludes(dns("x.a.example"), &dns("*.a.example")));
    }

    #[test]
    fn an_email_base_is_a_mailbox_a_host_or_a_domain() {
        let name = email("Al@mail.a.example");
        assert!(permits(email("Al@MAIL.a.example"), &name));
        assert!(!permits(email("al@mail.a.example"), &name));
        assert!(excludes(email("al@mail.a.example"), &name));
        assert!(permits(email("mail.a.example"), &name));
        assert!(!permits(email("a.example"), &name));
        assert!(permits(email(".a.example"), &name));
        assert!(!permits(email(".mail.a.example"), &name));
    }

    #[test]
    fn email_constraints_rule_international_mailboxes_too() {
        let name = GeneralName::SmtpUtf8Mailbox("ä@a.example".into());
        assert!(permits(email("a.example"), &name));
        assert!(!permits(email("b.example"), &name));
        assert!(excludes(email("a.example"), &name));
        let odd = GeneralName::SmtpUtf8Mailbox("a@ä.example".into());
        assert!(!permits(email(".example"), &odd));
        assert!(excludes(email("b.example"), &odd));
    }

    #[test]
    fn a_uri_base_is_a_host_or_a_domain() {
        assert!(permits(uri(".a.example"), &uri("smtp://mx.a.example")));
        assert!(!permits(uri(".a.example"), &uri("smtp://a.example")));
        assert!(permits(uri("a.example"), &uri("smtp://u@a.example:25/x")));
        assert!(!permits(uri("a.example"), &uri("smtp://x.a.example")));
        assert!(!permits(uri("192.0.2.1"), &uri("smtp://192.0.2.1")));
        assert!(excludes(uri("a.example"), &uri("urn:x")));
    }

    #[test]
    fn an_address_base_has_a_mask() {
        let base = GeneralName::Ip(vec![192, 0, 2, 0, 255, 255, 255, 0]);
        assert!(permits(base.clone(), &GeneralName::Ip(vec![192, 0, 2, 9])));
        assert!(!permits(base.clone(), &GeneralName::Ip(vec![192, 0, 3, 9])));
        assert!(!permits(base.clone(), &GeneralName::Ip(vec![0; 16])));
        assert!(!permits(base, &GeneralName::Ip(vec![192])));
    }

    #[test]
    fn names_of_other_forms_are_free_and_unread_ones_of_the_form_are_not() {
        assert!(permits(dns("a.example"), &email("x@b.example")));
        let malformed = GeneralName::Other(0x81, b"\xFF".to_vec());
        assert!(!permits(email("a.example"), &malformed));
        assert!(excludes(email("a.example"), &malformed));
        let x400 = GeneralName::Other(0xA3, Vec::new());
        assert!(excludes(x400.clone(), &x400));
    }
}
