//! How far a name in a certificate reaches: never over a public suffix (draft §2.6).
//!
//! The Public Suffix List is compiled in (crate `psl`), so that the same certificate is judged alike
//! everywhere; it is as old as the release.

use crate::address::Domain;

/// For whom the owner of a domain may speak by the naming rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// For nobody: a suffix under which a registry gives domains to anybody (`co.uk`), a single
    /// label, or an address.
    Nothing,
    /// For itself, but for nothing below it: a suffix of the list's private section (`github.io`).
    /// Its owner has mail of its own; what is below belongs to customers.
    Itself,
    /// For itself and all below it.
    Below,
}

impl Reach {
    pub(super) fn of(domain: &Domain) -> Self {
        // Top-level domains are never all-numeric (RFC 3696 §2): this is an IPv4 address.
        let top = domain.labels().next_back().unwrap_or_default();
        if domain.is_literal() || top.bytes().all(|octet| octet.is_ascii_digit()) {
            return Self::Nothing;
        }
        // A top-level domain that the list does not know counts as a suffix, too.
        match psl::suffix(domain.as_str().as_bytes()) {
            Some(suffix) if suffix.as_bytes() != domain.as_str().as_bytes() => Self::Below,
            Some(suffix) if suffix.typ() == Some(psl::Type::Private) => Self::Itself,
            Some(_) | None => Self::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_of_registries_reach_nobody_and_those_of_companies_themselves() {
        for (text, want) in [
            ("com", Reach::Nothing),
            ("example", Reach::Nothing),
            ("co.uk", Reach::Nothing),
            ("CO.UK.", Reach::Nothing),
            ("xn--p1ai", Reach::Nothing),
            // One of Hong Kong's, in both forms.
            ("个人.hk", Reach::Nothing),
            ("xn--ciqpn.hk", Reach::Nothing),
            // *.ck, but not www.ck.
            ("anything.ck", Reach::Nothing),
            ("www.ck", Reach::Below),
            ("github.io", Reach::Itself),
            ("blogspot.com", Reach::Itself),
            ("domsec.github.io", Reach::Below),
            ("a.example", Reach::Below),
            ("example.com", Reach::Below),
            ("acme.co.uk", Reach::Below),
            ("[192.0.2.1]", Reach::Nothing),
            ("192.0.2.1", Reach::Nothing),
        ] {
            let domain: Domain = text.parse().unwrap();
            assert_eq!(Reach::of(&domain), want, "{text}");
        }
    }
}
