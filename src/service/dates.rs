//! Whether our own certificates are within their dates, and what to do where they are not.

use crate::gateway::roles::Roles;
use crate::x509::Certificate;
use crate::x509::Identity;
use crate::x509::Time;

/// What is wrong with the dates of a certificate of ours, and what to do.
#[must_use]
pub fn fault(certificate: &Certificate, now: Time) -> Option<String> {
    let (from, until) = (certificate.not_before(), certificate.not_after());
    if now < from {
        Some(format!(
            "not valid before {from}, and it is {now} here: look at the clock of this host, or wait; until \
             then nothing is signed with it"
        ))
    } else if now > until {
        Some(format!(
            "expired at {until}: get a new certificate and name it in another [[key]]"
        ))
    } else {
        None
    }
}

/// Every certificate of ours, with what it is called in the log.
pub(super) fn all(roles: &Roles) -> Vec<(String, &Certificate)> {
    let named = |role: &'static str| {
        move |identity: &'_ Identity| {
            format!("{role} key, {}", identity.certificate().subject_name())
        }
    };
    let lists = [
        (named("attributes"), &roles.attributes),
        (named("dca"), &roles.dca),
        (named("domain"), &roles.domain),
        (named("reviewer"), &roles.reviewers),
    ];
    let mut all = Vec::new();
    for (name, identities) in lists {
        all.extend(identities.iter().map(|one| (name(one), one.certificate())));
    }
    let users = roles.delegated.iter();
    all.extend(users.map(|(user, one)| (format!("delegated key of {user}"), one.certificate())));
    all
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn what_is_out_of_its_dates_is_told_with_advice() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("certs/alice-expired.pem");
        let pem = fs::read(path).unwrap();
        let all = crate::x509::pem::certificates(&pem, &crate::limits::Limits::default()).unwrap();
        let certificate = &all[0];
        let second = |time: Time, more: i64| Time::from_unix(time.unix() + more).unwrap();
        let (from, until) = (certificate.not_before(), certificate.not_after());
        assert_eq!(fault(certificate, from), None);
        assert_eq!(fault(certificate, until), None);
        let early = fault(certificate, second(from, -1)).unwrap();
        assert!(early.contains("look at the clock"), "{early}");
        let late = fault(certificate, second(until, 1)).unwrap();
        assert!(late.contains("get a new certificate"), "{late}");
    }
}
