//! The naming convention for certificates of domains (draft §2.6; DESIGN, decision 12).
//!
//! A domain's certificate names it as `smtp://domain`, `submit://domain` or dNSName. The match is
//! by labels: the named domain is the originator's, or an ascendant of it.

use crate::address::Domain;
use crate::address::Mailbox;
use crate::uri::MailUri;
use crate::uri::Scheme;

/// What a certificate says of its owner, as far as the convention looks at it.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// rfc822Names (and SmtpUTF8Mailbox names).
    pub emails: Vec<String>,
    /// uniformResourceIdentifiers.
    pub uris: Vec<String>,
    /// dNSNames.
    pub dns: Vec<String>,
    /// emailAddress attributes of the subject, which name nobody here.
    pub subject_emails: Vec<String>,
    /// Whether the extended key usage permits emailProtection (RFC 8550 §4.4.4).
    pub may_protect_mail: bool,
}

/// How a certificate breaks the convention. The message is flagged (draft §2.6).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NamingError {
    /// A delegated certificate signs as a domain (DESIGN, decision 12).
    #[error(
        "the certificate is one of a delegated originator ({email}), and cannot speak for a domain"
    )]
    Delegated {
        /// Its rfc822Name.
        email: String,
    },
    /// Nothing to compare with: the message has no originator.
    #[error("the message names no originator with whom the certificate could be compared")]
    NoOriginator,
    /// It names no domain in any of the ways of the convention.
    #[error(
        "the certificate names no domain: it has no smtp:// or submit:// URI and no dNSName in its \
         subjectAltName"
    )]
    NoDomain,
    /// It has no rfc822Name at all; those in the subject do not count, since name constraints and
    /// readers do not reach them alike.
    #[error("the certificate has no address in its subjectAltName{}", in_subject(.0))]
    NoAddress(Vec<String>),
    /// It names the wrong address.
    #[error("the certificate is for {}, but the originator is {originator}", addresses.join(", "))]
    OtherAddress {
        /// Its rfc822Names.
        addresses: Vec<String>,
        /// From.
        originator: String,
    },
    /// It names other domains.
    #[error("the certificate is for {}, but the originator is of {originator}", domains.join(", "))]
    OtherDomain {
        /// What it names.
        domains: Vec<String>,
        /// The domain of From.
        originator: String,
    },
    /// Any web server's certificate would do otherwise.
    #[error("the certificate's extended key usage does not permit emailProtection")]
    Purpose,
}

impl Names {
    /// The domains that the certificate is for: equal names once, in the order of the certificate.
    #[must_use]
    pub fn domains(&self) -> Vec<Domain> {
        let of_uris = self.uris.iter().filter_map(|uri| {
            let uri: MailUri = uri.parse().ok()?;
            uri.domain()?.parse::<Domain>().ok()
        });
        let of_dns = self.dns.iter().filter(|name| !name.contains('*'));
        let mut domains: Vec<Domain> = Vec::new();
        // A single label is a top-level domain, under which nobody speaks for all.
        for domain in of_uris.chain(of_dns.filter_map(|name| name.parse().ok())) {
            if domain.labels().count() > 1 && !domains.contains(&domain) {
                domains.push(domain);
            }
        }
        domains
    }

    /// Whether it is the certificate of a delegated originator: `submit:` beside any rfc822Name.
    #[must_use]
    pub fn are_delegated(&self) -> bool {
        !self.emails.is_empty() && self.submission_domains().next().is_some()
    }

    /// Whether an rfc822Name is `mailbox`.
    #[must_use]
    pub fn include(&self, mailbox: &Mailbox) -> bool {
        self.emails
            .iter()
            .filter_map(|email| email.parse::<Mailbox>().ok())
            .any(|email| email == *mailbox)
    }

    /// Checks a domain signature's certificate against each of `originators`.
    pub fn check_domain(&self, originators: &[Mailbox]) -> Result<(), NamingError> {
        self.check_agent()?;
        self.check_ascendant(&self.domains(), originators)
    }

    /// Checks the certificate of a review or attributes signature: a domain's, of whichever.
    pub fn check_agent(&self) -> Result<(), NamingError> {
        if !self.may_protect_mail {
            return Err(NamingError::Purpose);
        }
        if let (true, Some(email)) = (self.are_delegated(), self.emails.first()) {
            return Err(NamingError::Delegated {
                email: email.clone(),
            });
        }
        if self.domains().is_empty() {
            Err(NamingError::NoDomain)
        } else {
            Ok(())
        }
    }

    /// Checks a delegated originator's certificate: `submit://domain` and exactly the From address.
    pub fn check_delegated(&self, originators: &[Mailbox]) -> Result<(), NamingError> {
        if !self.may_protect_mail {
            return Err(NamingError::Purpose);
        }
        let domains: Vec<Domain> = self.submission_domains().collect();
        self.check_ascendant(&domains, originators)?;
        self.check_address(originators)
    }

    /// Checks an originator's own certificate: an rfc822Name is the From address.
    pub fn check_address(&self, originators: &[Mailbox]) -> Result<(), NamingError> {
        if originators.is_empty() {
            return Err(NamingError::NoOriginator);
        }
        if self.emails.is_empty() {
            return Err(NamingError::NoAddress(self.subject_emails.clone()));
        }
        match originators
            .iter()
            .find(|originator| !self.include(originator))
        {
            None => Ok(()),
            Some(other) => Err(NamingError::OtherAddress {
                addresses: self.emails.clone(),
                originator: other.to_string(),
            }),
        }
    }

    fn check_ascendant(
        &self,
        domains: &[Domain],
        originators: &[Mailbox],
    ) -> Result<(), NamingError> {
        if domains.is_empty() {
            return Err(NamingError::NoDomain);
        }
        if originators.is_empty() {
            return Err(NamingError::NoOriginator);
        }
        let covered = |originator: &&Mailbox| {
            domains
                .iter()
                .any(|domain| originator.domain().is_or_is_under(domain))
        };
        match originators.iter().find(|originator| !covered(originator)) {
            None => Ok(()),
            Some(other) => Err(NamingError::OtherDomain {
                domains: domains.iter().map(ToString::to_string).collect(),
                originator: other.domain().to_string(),
            }),
        }
    }

    fn submission_domains(&self) -> impl Iterator<Item = Domain> {
        self.uris.iter().filter_map(|uri| {
            let uri: MailUri = uri.parse().ok()?;
            if uri.scheme() == Scheme::Submit {
                uri.domain()?.parse().ok()
            } else {
                None
            }
        })
    }
}

fn in_subject(emails: &[String]) -> String {
    match emails {
        [] => String::new(),
        some => format!(": {} stands in its subject alone", some.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(emails: &[&str], uris: &[&str], dns: &[&str]) -> Names {
        let owned = |list: &[&str]| list.iter().map(ToString::to_string).collect();
        Names {
            emails: owned(emails),
            uris: owned(uris),
            dns: owned(dns),
            subject_emails: Vec::new(),
            may_protect_mail: true,
        }
    }

    fn from(address: &str) -> Vec<Mailbox> {
        vec![address.parse().unwrap()]
    }

    #[test]
    fn a_domain_name_matches_itself_and_what_is_below_it() {
        for (names, address, matches) in [
            (
                names(&[], &["smtp://a.example"], &[]),
                "alice@a.example",
                true,
            ),
            (
                names(&[], &["smtp://A.EXAMPLE"], &[]),
                "alice@sub.a.example",
                true,
            ),
            (
                names(&[], &["submit://a.example"], &[]),
                "alice@a.example",
                true,
            ),
            (names(&[], &[], &["a.example"]), "alice@a.example", true),
            (
                names(&[], &[], &["le.example"]),
                "alice@ab.le-example.example",
                false,
            ),
            (
                names(&[], &["smtp://le.example"], &[]),
                "alice@people.example",
                false,
            ),
            (
                names(&[], &["smtp://sub.a.example"], &[]),
                "alice@a.example",
                false,
            ),
            (
                names(&[], &["smtp://example"], &[]),
                "alice@a.example",
                false,
            ),
            (
                names(&[], &["https://a.example"], &[]),
                "alice@a.example",
                false,
            ),
            (
                names(&[], &["smtp://user@a.example"], &[]),
                "alice@a.example",
                false,
            ),
            (
                names(&[], &["smtp://a.example/path"], &[]),
                "alice@a.example",
                false,
            ),
            (
                names(&[], &["smtp://a.example:25"], &[]),
                "alice@a.example",
                false,
            ),
            (
                names(&[], &[], &["*.a.example"]),
                "alice@b.a.example",
                false,
            ),
        ] {
            let check = names.check_domain(&from(address));
            assert_eq!(check.is_ok(), matches, "{names:?} for {address}: {check:?}");
        }
    }

    #[test]
    fn a_delegated_certificate_never_speaks_for_a_domain() {
        let delegated = names(
            &["alice@a.example"],
            &["submit://a.example"],
            &["a.example"],
        );
        let error = delegated
            .check_domain(&from("alice@a.example"))
            .unwrap_err();
        assert!(matches!(error, NamingError::Delegated { .. }), "{error}");
        assert_eq!(delegated.check_delegated(&from("alice@a.example")), Ok(()));
        assert!(delegated.check_delegated(&from("bob@a.example")).is_err());
    }

    #[test]
    fn a_web_server_is_no_domain_signer() {
        let web = Names {
            may_protect_mail: false,
            ..names(&[], &[], &["a.example"])
        };
        assert_eq!(
            web.check_domain(&from("alice@a.example")),
            Err(NamingError::Purpose)
        );
    }

    #[test]
    fn several_originators_must_all_match() {
        let domain = names(&[], &["smtp://a.example"], &[]);
        let both = [from("alice@a.example"), from("bob@b.example")].concat();
        assert!(matches!(
            domain.check_domain(&both),
            Err(NamingError::OtherDomain { .. })
        ));
        let person = names(&["alice@a.example", "bob@b.example"], &[], &[]);
        assert_eq!(person.check_address(&both), Ok(()));
    }

    #[test]
    fn the_former_name_in_the_address_is_no_name_of_a_domain() {
        let former = names(&["domain-confidentiality-authority@a.example"], &[], &[]);
        assert_eq!(
            former.check_domain(&from("alice@a.example")),
            Err(NamingError::NoDomain)
        );
    }
}
