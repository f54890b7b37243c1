//! What is to be said of our keys: whether their certificates are named for their roles (draft §2.6),
//! and whether each domain of ours has what it needs.

use super::Finding;
use crate::address::Domain;
use crate::address::Mailbox;
use crate::config::KeyEntry;
use crate::config::Role;
use crate::domsec::naming::Names;
use crate::domsec::naming::NamingError;
use crate::notation::SignatureType;
use crate::x509::Certificate;
use crate::x509::purpose::may_receive_mail;
use crate::x509::purpose::may_sign_mail;

/// How a key is called in the findings.
pub(super) fn name(entry: &KeyEntry, certificate: &Certificate) -> String {
    let role = word(entry.role);
    match &entry.address {
        Some(user) => format!("{role} key of {user}"),
        None => format!("{role} key, {}", certificate.subject_name()),
    }
}

/// The domains for which there are good certificates, by role.
#[derive(Debug, Default)]
pub(super) struct Served {
    signed: Vec<Domain>,
    read: Vec<Domain>,
}

impl Served {
    /// What is to be said of the names and usages of a certificate, which is remembered where they are
    /// right.
    pub(super) fn judge(
        &mut self,
        entry: &KeyEntry,
        certificate: &Certificate,
        ours: &[Domain],
    ) -> Finding {
        let name = name(entry, certificate);
        match self.named_for(entry, certificate, ours) {
            Ok(whom) => Finding::ok(format!("{name}: named for {whom}")),
            Err(reason) => Finding::error(format!(
                "{name}: {reason}: get a certificate that is named and allowed for this role, or \
                 correct the role"
            )),
        }
    }

    fn named_for(
        &mut self,
        entry: &KeyEntry,
        certificate: &Certificate,
        ours: &[Domain],
    ) -> Result<String, String> {
        let names = Names::of(certificate);
        let agent = |kind| names.check_agent(kind).map_err(|error| error.to_string());
        let usage = match entry.role {
            Role::Dca => may_receive_mail(certificate),
            Role::Attributes | Role::Delegated | Role::Domain | Role::Reviewer => {
                may_sign_mail(certificate)
            }
        };
        usage.map_err(|error| error.to_string())?;
        match entry.role {
            Role::Attributes => agent(SignatureType::AdditionalAttributes),
            Role::Reviewer => agent(SignatureType::Review),
            Role::Dca => {
                let check = |domain: &Domain| names.check_confidentiality(domain);
                return some_of_ours(ours, &mut self.read, check);
            }
            Role::Delegated => {
                let user = entry.address.clone();
                let of = user
                    .as_ref()
                    .map_or("nobody".to_owned(), Mailbox::to_string);
                let users: Vec<Mailbox> = user.into_iter().collect();
                let checked = names.check_delegated(&users);
                return checked.map(|()| of).map_err(|error| error.to_string());
            }
            Role::Domain => {
                let check = |domain: &Domain| names.check_domain(&anybody_of(domain));
                return some_of_ours(ours, &mut self.signed, check);
            }
        }
        .map(|()| "the role".to_owned())
    }

    /// The domains of ours that have no key to sign, or none to decrypt.
    pub(super) fn unserved(&self, ours: &[Domain]) -> Vec<Finding> {
        let mut findings = Vec::new();
        if ours.is_empty() {
            findings.push(Finding::warning(
                "there are no domains, so that no mail is ours: list them in domains",
            ));
        }
        for domain in ours {
            if !self.signed.contains(domain) {
                findings.push(Finding::warning(format!(
                    "{domain} has no key for domain signatures: add a [[key]] with role = \"domain\""
                )));
            }
            if !self.read.contains(domain) {
                findings.push(Finding::warning(format!(
                    "{domain} has no key to decrypt with: add a [[key]] with role = \"dca\""
                )));
            }
        }
        findings
    }
}

/// Those of `ours` for which the certificate is good, which go into `served`; one at least.
fn some_of_ours(
    ours: &[Domain],
    served: &mut Vec<Domain>,
    check: impl Fn(&Domain) -> Result<(), NamingError>,
) -> Result<String, String> {
    let mut good = Vec::new();
    let mut refused = None;
    for domain in ours {
        match check(domain) {
            Ok(()) => good.push(domain.clone()),
            Err(error) => refused = Some(error.to_string()),
        }
    }
    if good.is_empty() {
        return Err(refused.unwrap_or_else(|| "there is no domain of ours".to_owned()));
    }
    let names: Vec<&str> = good.iter().map(Domain::as_str).collect();
    let names = names.join(", ");
    served.extend(good);
    Ok(names)
}

/// Every domain has this one (RFC 5321 §4.5.1). None for a domain that leaves no room for it.
fn anybody_of(domain: &Domain) -> Vec<Mailbox> {
    let postmaster = Mailbox::new("postmaster".to_owned(), domain.clone());
    postmaster.into_iter().collect()
}

const fn word(role: Role) -> &'static str {
    match role {
        Role::Attributes => "attributes",
        Role::Dca => "dca",
        Role::Delegated => "delegated",
        Role::Domain => "domain",
        Role::Reviewer => "reviewer",
    }
}
