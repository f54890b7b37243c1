//! The naming convention for certificates of domains (draft §2.6; DESIGN, decision 12).
//!
//! A domain's certificate names it as `smtp://domain`, `submit://domain` or dNSName. The match is
//! by labels: the named domain is the originator's, or an ascendant of it, and no public suffix.

mod former;
mod reach;

use std::collections::BTreeMap;
use std::collections::HashSet;

use crate::address::Domain;
use crate::address::Mailbox;
use crate::notation::SignatureType;
use crate::uri::MailUri;
use crate::uri::Scheme;
use crate::x509::Certificate;
use crate::x509::purpose::may_receive_mail;

pub use former::Authority;

use reach::Reach;

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
    /// commonName attributes of the subject.
    pub common_names: Vec<String>,
    /// domainComponent attributes of the subject, the top-level domain first.
    pub domain_components: Vec<String>,
    /// Whether the extended key usage permits emailProtection (RFC 8550 §4.4.4).
    pub may_protect_mail: bool,
    /// Whether keyUsage and extended key usage permit that mail is encrypted to the key
    /// (RFC 8550 §4.4.2).
    pub may_receive_mail: bool,
    /// The partner domains with whom the former names are agreed; none by default.
    ///
    /// The subject names of RFC 3183 are a "locally defined convention" now, which "MUST be agreed
    /// between sender and recipient domains" (draft §2.6): it counts for these domains alone.
    pub former_names_with: Vec<Domain>,
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
    /// keyUsage tells signing from encrypting certificates (draft §2.6).
    #[error("the certificate's key usage does not permit that mail is encrypted to it")]
    KeyUsage,
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
    #[error(
        "the certificate is for {}, but the originator is {originator}",
        some_of(addresses)
    )]
    OtherAddress {
        /// Its rfc822Names.
        addresses: Vec<String>,
        /// From.
        originator: String,
    },
    /// It names other domains.
    #[error(
        "the certificate is for {}, but the originator is of {originator}",
        some_of(domains)
    )]
    OtherDomain {
        /// What it names.
        domains: Vec<String>,
        /// The domain of From.
        originator: String,
    },
    /// A DCA's certificate names other domains (draft §4.1).
    #[error(
        "the certificate is for {}, but the recipient is of {recipient}",
        some_of(domains)
    )]
    OtherRecipient {
        /// What it names.
        domains: Vec<String>,
        /// The domain of the recipient.
        recipient: String,
    },
    /// It names nothing but suffixes beneath which anybody may have a domain.
    #[error("the certificate is for {0}, a public suffix, for which nobody speaks as a whole")]
    PublicSuffix(String),
    /// Any web server's certificate would do otherwise.
    #[error("the certificate's extended key usage does not permit emailProtection")]
    Purpose,
}

impl Names {
    /// The names in `certificate`, with no former name agreed.
    #[must_use]
    pub fn of(certificate: &Certificate) -> Self {
        Self {
            emails: certificate.emails().map(ToOwned::to_owned).collect(),
            uris: certificate.uris().map(ToOwned::to_owned).collect(),
            dns: certificate.dns_names().map(ToOwned::to_owned).collect(),
            subject_emails: certificate.subject_emails().to_vec(),
            common_names: certificate.common_names().to_vec(),
            domain_components: certificate.domain_components().to_vec(),
            may_protect_mail: certificate.allows_email_protection(),
            may_receive_mail: may_receive_mail(certificate).is_ok(),
            former_names_with: Vec::new(),
        }
    }

    /// The domains for which the certificate's owner may act as `authority`: equal names once, in
    /// the order of the certificate, public suffixes left out.
    #[must_use]
    pub fn domains(&self, authority: Authority) -> Vec<Domain> {
        let named = self.named_domains(authority);
        let mut named: Vec<Domain> = named
            .filter(|domain| Reach::of(domain) != Reach::Nothing)
            .collect();
        if named.len() > 1 {
            let mut seen = HashSet::new();
            named.retain(|domain| seen.insert(domain.clone()));
        }
        named
    }

    /// Whether it is the certificate of a delegated originator: `submit:` beside any rfc822Name.
    #[must_use]
    pub fn are_delegated(&self) -> bool {
        !self.emails.is_empty() && self.submission_domains().next().is_some()
    }

    /// Whether an rfc822Name is `mailbox`.
    #[must_use]
    pub fn include(&self, mailbox: &Mailbox) -> bool {
        self.mailboxes()
            .any(|email| email.same_ignoring_case(mailbox))
    }

    /// Checks a domain signature's certificate against each of `originators` (draft §2.6).
    pub fn check_domain(&self, originators: &[Mailbox]) -> Result<(), NamingError> {
        let domains = self.check_authority(Authority::Signing)?;
        check_ascendant(&domains, originators)
    }

    /// Checks the certificate of a signature of type `kind` whose name need not match the
    /// originator's: a domain's, of whichever (draft §2.6, §3.4, §3.5).
    pub fn check_agent(&self, kind: SignatureType) -> Result<(), NamingError> {
        self.check_authority(match kind {
            SignatureType::AdditionalAttributes => Authority::Attributes,
            SignatureType::Review => Authority::Review,
            SignatureType::Delegated | SignatureType::Domain | SignatureType::Originator => {
                Authority::Signing
            }
        })
        .map(|_| ())
    }

    /// Checks a delegated originator's certificate: `submit://domain` and exactly the From address.
    pub fn check_delegated(&self, originators: &[Mailbox]) -> Result<(), NamingError> {
        if !self.may_protect_mail {
            return Err(NamingError::Purpose);
        }
        let named: Vec<Domain> = self.submission_domains().collect();
        check_ascendant(&with_reach(named)?, originators)?;
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
        // RFC 8550 §3: the case of the local part does not count.
        let named: HashSet<Mailbox> = self.mailboxes().map(|one| one.folded()).collect();
        match originators
            .iter()
            .find(|one| !named.contains(&one.folded()))
        {
            None => Ok(()),
            Some(other) => Err(NamingError::OtherAddress {
                addresses: self.emails.clone(),
                originator: other.to_string(),
            }),
        }
    }

    /// Checks the certificate of the Domain Confidentiality Authority of `recipient` (draft §4.1):
    /// named as a domain is, with a key to which mail may be encrypted.
    ///
    /// Fails for a delegated originator's certificate too: what is encrypted to one user is not
    /// for the domain to read.
    pub fn check_confidentiality(&self, recipient: &Domain) -> Result<(), NamingError> {
        let domains = self.check_authority(Authority::Confidentiality)?;
        if !self.may_receive_mail {
            return Err(NamingError::KeyUsage);
        }
        if Covered::by(&domains).includes(recipient) {
            Ok(())
        } else {
            Err(NamingError::OtherRecipient {
                domains: texts(&domains),
                recipient: recipient.to_string(),
            })
        }
    }

    /// The domains for which it may act as `authority`; one at least.
    fn check_authority(&self, authority: Authority) -> Result<Vec<Domain>, NamingError> {
        if !self.may_protect_mail {
            return Err(NamingError::Purpose);
        }
        if let (true, Some(email)) = (self.are_delegated(), self.emails.first()) {
            return Err(NamingError::Delegated {
                email: email.clone(),
            });
        }
        let domains = self.domains(authority);
        if domains.is_empty() {
            // Says which, if there were names that nobody may have.
            with_reach(self.named_domains(authority).collect())
        } else {
            Ok(domains)
        }
    }

    fn named_domains(&self, authority: Authority) -> impl Iterator<Item = Domain> {
        let of_uris = self.uris.iter().filter_map(|uri| uri_domain(uri, None));
        let of_dns = self.dns.iter().filter(|name| !name.contains('*'));
        let of_dns = of_dns.filter_map(|name| name.parse().ok());
        let former = former::domain(self, authority);
        of_uris.chain(of_dns).chain(former)
    }

    fn submission_domains(&self) -> impl Iterator<Item = Domain> {
        let uris = self.uris.iter();
        uris.filter_map(|uri| uri_domain(uri, Some(Scheme::Submit)))
    }

    fn mailboxes(&self) -> impl Iterator<Item = Mailbox> {
        self.emails.iter().filter_map(|email| email.parse().ok())
    }
}

/// The domain that a URI is for, if it has `scheme`, or any where that is `None`.
fn uri_domain(uri: &str, scheme: Option<Scheme>) -> Option<Domain> {
    let uri: MailUri = uri.parse().ok()?;
    if scheme.is_some_and(|scheme| scheme != uri.scheme()) {
        return None;
    }
    uri.domain()?.parse().ok()
}

/// The domains of `named` for which somebody may speak; one at least.
fn with_reach(named: Vec<Domain>) -> Result<Vec<Domain>, NamingError> {
    let suffix = named.first().map(ToString::to_string);
    let speaks = |domain: &Domain| Reach::of(domain) != Reach::Nothing;
    let domains: Vec<Domain> = named.into_iter().filter(speaks).collect();
    match suffix {
        None => Err(NamingError::NoDomain),
        Some(suffix) if domains.is_empty() => Err(NamingError::PublicSuffix(suffix)),
        Some(_) => Ok(domains),
    }
}

fn check_ascendant(domains: &[Domain], originators: &[Mailbox]) -> Result<(), NamingError> {
    if originators.is_empty() {
        return Err(NamingError::NoOriginator);
    }
    let covered = Covered::by(domains);
    let mut others = originators.iter().map(Mailbox::domain);
    match others.find(|originator| !covered.includes(originator)) {
        None => Ok(()),
        Some(other) => Err(NamingError::OtherDomain {
            domains: texts(domains),
            originator: other.to_string(),
        }),
    }
}

/// What the domains of one certificate cover, none of which is a registry's: a look-up for each label of a name, however many
/// names the certificate has.
struct Covered<'a>(BTreeMap<&'a str, Reach>);

impl<'a> Covered<'a> {
    fn by(domains: &'a [Domain]) -> Self {
        let named = domains.iter();
        Self(named.map(|one| (one.as_str(), Reach::of(one))).collect())
    }

    /// Whether `domain` is one of them or below one, label by label (draft §2.6).
    fn includes(&self, domain: &Domain) -> bool {
        let name = domain.as_str();
        let ascendants = std::iter::successors(Some(name), |name| Some(name.split_once('.')?.1));
        let reaches_below = |one: &str| self.0.get(one) == Some(&Reach::Below);
        self.0.contains_key(name) || !domain.is_literal() && ascendants.skip(1).any(reaches_below)
    }
}

fn texts(domains: &[Domain]) -> Vec<String> {
    domains.iter().map(ToString::to_string).collect()
}

fn in_subject(emails: &[String]) -> String {
    match emails {
        [] => String::new(),
        some => format!(": {} stands in its subject alone", some_of(some)),
    }
}

/// A certificate may have as many names as fit into it; a message shows the first.
fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
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
            may_protect_mail: true,
            may_receive_mail: true,
            ..Names::default()
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

    #[test]
    fn forms_of_one_domain_are_alike_and_other_forms_are_no_names() {
        let by_uri = |uri: &str| names(&[], &[uri], &[]);
        let by_dns = |dns: &str| names(&[], &[], &[dns]);
        for (names, address, matches) in [
            (
                by_uri("smtp://xn--bcher-kva.example"),
                "alice@b\u{fc}cher.example",
                true,
            ),
            (
                by_uri("smtp://XN--BCHER-KVA.example"),
                "alice@mail.B\u{dc}CHER.example",
                true,
            ),
            (
                by_dns("xn--bcher-kva.example"),
                "alice@xn--bcher-kva.example",
                true,
            ),
            (
                by_dns("b\u{fc}cher.example"),
                "alice@xn--bcher-kva.example",
                true,
            ),
            // RFC 5280 \u{a7}7.4: a host stands in a certificate's URI as A-labels, never encoded.
            (
                by_uri("smtp://b%C3%BCcher.example"),
                "alice@b\u{fc}cher.example",
                false,
            ),
            // Full-width letters look like one domain and are another.
            (by_dns("\u{ff41}.example"), "alice@a.example", false),
            (by_dns("xn--a.example"), "alice@a.example", false),
            (by_dns("a.example."), "alice@a.example", true),
            (by_dns(".a.example"), "alice@b.a.example", false),
            (by_dns("192.0.2.1"), "alice@192.0.2.1", false),
            (by_dns("2.1"), "alice@192.0.2.1", false),
            (by_dns("[192.0.2.1]"), "alice@[192.0.2.1]", false),
            (by_uri("smtp://192.0.2.1"), "alice@192.0.2.1", false),
            (by_uri("smtp://a.example/"), "alice@a.example", false),
            (by_uri("smtp://a.example?x"), "alice@a.example", false),
            (by_uri("smtp://*.a.example"), "alice@b.a.example", false),
            (by_uri("SMTP://a.example"), "alice@a.example", true),
        ] {
            let check = names.check_domain(&from(address));
            assert_eq!(check.is_ok(), matches, "{names:?} for {address}: {check:?}");
        }
    }

    #[test]
    fn nobody_speaks_for_a_public_suffix() {
        let check = |name: &str, address: &str| {
            let uri = format!("smtp://{name}");
            let by_uri = names(&[], &[&uri], &[]).check_domain(&from(address));
            let by_dns = names(&[], &[], &[name]).check_domain(&from(address));
            assert_eq!(by_uri, by_dns, "{name}");
            by_uri
        };
        for (name, address) in [("co.uk", "alice@acme.co.uk"), ("co.uk", "alice@co.uk")] {
            let error = check(name, address).unwrap_err();
            assert_eq!(error, NamingError::PublicSuffix("co.uk".to_owned()));
        }
        assert_eq!(check("acme.co.uk", "alice@mail.acme.co.uk"), Ok(()));
        // A company's: for its own addresses, not for its customers'.
        assert_eq!(check("github.io", "alice@github.io"), Ok(()));
        let error = check("github.io", "alice@acme.github.io").unwrap_err();
        assert!(matches!(error, NamingError::OtherDomain { .. }), "{error}");
        assert_eq!(check("acme.github.io", "alice@acme.github.io"), Ok(()));
        // A delegated certificate is no way round, and a good name beside a bad one counts.
        let delegated = names(&["alice@acme.co.uk"], &["submit://co.uk"], &[]);
        let checked = delegated.check_delegated(&from("alice@acme.co.uk"));
        assert_eq!(checked, Err(NamingError::PublicSuffix("co.uk".to_owned())));
        let both = names(&[], &["smtp://co.uk", "smtp://acme.co.uk"], &[]);
        assert_eq!(both.check_domain(&from("alice@acme.co.uk")), Ok(()));
        assert!(both.check_domain(&from("alice@other.co.uk")).is_err());
    }

    /// Every name of one to three labels over a small alphabet, as a certificate's and as From's.
    #[test]
    fn a_match_is_of_whole_labels_and_never_of_characters() {
        let labels = ["a", "aa", "ba", "le", "e-a"];
        let mut under_test: Vec<Vec<&str>> = Vec::new();
        for first in labels {
            under_test.push(vec![first, "example"]);
            for second in labels {
                under_test.push(vec![first, second, "example"]);
            }
        }
        for named in &under_test {
            let cert = names(&[], &[&format!("smtp://{}", named.join("."))], &[]);
            for sender in &under_test {
                let is_or_is_below = sender.ends_with(named);
                let checked = cert.check_domain(&from(&format!("u@{}", sender.join("."))));
                assert_eq!(checked.is_ok(), is_or_is_below, "{named:?} for {sender:?}");
            }
        }
    }

    #[test]
    fn a_dca_is_named_for_the_domain_and_has_a_key_for_encryption() {
        let domain = |text: &str| text.parse::<Domain>().unwrap();
        let dca = names(&[], &["smtp://b.example"], &[]);
        assert_eq!(dca.check_confidentiality(&domain("b.example")), Ok(()));
        assert_eq!(dca.check_confidentiality(&domain("x.b.example")), Ok(()));
        let error = dca
            .check_confidentiality(&domain("ab.example"))
            .unwrap_err();
        assert!(
            matches!(error, NamingError::OtherRecipient { .. }),
            "{error}"
        );
        let signs = Names {
            may_receive_mail: false,
            ..dca.clone()
        };
        let error = signs.check_confidentiality(&domain("b.example"));
        assert_eq!(error, Err(NamingError::KeyUsage));
        // It is no matter of encryption whether its key signs.
        assert_eq!(signs.check_domain(&from("bob@b.example")), Ok(()));
        let web = Names {
            may_protect_mail: false,
            ..dca
        };
        let error = web.check_confidentiality(&domain("b.example"));
        assert_eq!(error, Err(NamingError::Purpose));
        let user = names(&["bob@b.example"], &["submit://b.example"], &[]);
        let error = user
            .check_confidentiality(&domain("b.example"))
            .unwrap_err();
        assert!(matches!(error, NamingError::Delegated { .. }), "{error}");
        let person = names(&["bob@b.example"], &[], &[]);
        let error = person.check_confidentiality(&domain("b.example"));
        assert_eq!(error, Err(NamingError::NoDomain));
    }

    #[test]
    fn reviewers_and_attribute_authorities_may_be_of_any_domain() {
        let guard = names(&[], &["smtp://guard.example"], &[]);
        assert!(guard.check_domain(&from("alice@a.example")).is_err());
        let person = names(&["guard@guard.example"], &[], &[]);
        let delegated = names(&["guard@guard.example"], &["submit://guard.example"], &[]);
        let web = Names {
            may_protect_mail: false,
            ..guard.clone()
        };
        for kind in [SignatureType::AdditionalAttributes, SignatureType::Review] {
            assert_eq!(guard.check_agent(kind), Ok(()), "{kind}");
            // But of some: the convention itself holds for them, too.
            assert_eq!(
                person.check_agent(kind),
                Err(NamingError::NoDomain),
                "{kind}"
            );
            assert_eq!(web.check_agent(kind), Err(NamingError::Purpose), "{kind}");
            let error = delegated.check_agent(kind).unwrap_err();
            assert!(matches!(error, NamingError::Delegated { .. }), "{error}");
        }
    }

    /// A certificate as RFC 3183 named it.
    fn former(common_names: &[&str], emails: &[&str], components: &[&str]) -> Names {
        let owned = |list: &[&str]| list.iter().map(ToString::to_string).collect();
        Names {
            common_names: owned(common_names),
            domain_components: owned(components),
            former_names_with: vec!["acme.example".parse().unwrap()],
            ..names(emails, &[], &[])
        }
    }

    const FORMER: &str = "domain-signing-authority";

    #[test]
    fn former_names_count_where_they_are_agreed_and_not_otherwise() {
        let by_address = |address: &str| former(&[FORMER], &[address], &[]);
        let signing = by_address("domain-signing-authority@acme.example");
        assert_eq!(signing.check_domain(&from("john@acme.example")), Ok(()));
        assert_eq!(
            signing.check_domain(&from("john@defence.acme.example")),
            Ok(())
        );
        assert!(signing.check_domain(&from("john@other.example")).is_err());
        let off = Names {
            former_names_with: Vec::new(),
            ..signing
        };
        let checked = off.check_domain(&from("john@acme.example"));
        assert_eq!(checked, Err(NamingError::NoDomain));
        // Agreed with acme.example, and so with nobody else.
        let other = by_address("domain-signing-authority@other.example");
        assert!(other.check_domain(&from("john@other.example")).is_err());
        let above = by_address("domain-signing-authority@example");
        assert!(above.check_domain(&from("john@acme.example")).is_err());
    }

    #[test]
    fn former_names_follow_rfc_3183() {
        let acme = &["example", "acme"];
        let address = "domain-signing-authority@acme.example";
        for (names, matches) in [
            (former(&[FORMER], &[], acme), true),
            (former(&["Domain-Signing-Authority"], &[], acme), true),
            (former(&[FORMER], &[address], acme), true),
            // An X.500 name alone: From has no country or organization to compare.
            (former(&[FORMER], &[], &[]), false),
            // "Only one CN component".
            (former(&[FORMER, FORMER], &[], acme), false),
            (former(&[FORMER, "x"], &[], acme), false),
            (former(&[], &[address], acme), false),
            // The name is in every address, or none of it counts.
            (former(&[FORMER], &["john@acme.example"], acme), false),
            (
                former(&[FORMER], &[address, "john@acme.example"], &[]),
                false,
            ),
            // Each part of the name must be an ascendant of the originator.
            (
                former(&[FORMER], &[address], &["example", "acme", "sales"]),
                false,
            ),
            (former(&[FORMER], &[address], &["example", "other"]), false),
            // One label each.
            (former(&[FORMER], &[], &["acme.example"]), false),
            // Another role.
            (former(&["review-authority"], &[], acme), false),
            (
                former(&["domain-confidentiality-authority"], &[], acme),
                false,
            ),
        ] {
            let checked = names.check_domain(&from("john@acme.example"));
            assert_eq!(checked.is_ok(), matches, "{names:?}: {checked:?}");
        }
    }

    #[test]
    fn each_role_has_its_own_former_name() {
        let recipient: Domain = "sales.acme.example".parse().unwrap();
        for authority in [
            Authority::Attributes,
            Authority::Confidentiality,
            Authority::Review,
            Authority::Signing,
        ] {
            let names = former(&[authority.former_name()], &[], &["example", "acme"]);
            let checks = [
                (
                    Authority::Attributes,
                    names.check_agent(SignatureType::AdditionalAttributes),
                ),
                (
                    Authority::Confidentiality,
                    names.check_confidentiality(&recipient),
                ),
                (Authority::Review, names.check_agent(SignatureType::Review)),
                (
                    Authority::Signing,
                    names.check_domain(&from("john@acme.example")),
                ),
            ];
            for (asked, checked) in checks {
                assert_eq!(
                    checked.is_ok(),
                    asked == authority,
                    "{authority:?} as {asked:?}"
                );
            }
        }
    }

    #[test]
    fn a_certificate_with_many_names_is_checked_in_linear_time_and_told_of_briefly() {
        let many: Vec<String> = (0..20_000).map(|n| format!("d{n}.example")).collect();
        let names = Names {
            dns: many,
            ..names(&[], &[], &[])
        };
        let sender = |n: usize| from(&format!("alice@x.d{n}.example"));
        let all: Vec<Mailbox> = (0..20_000).flat_map(sender).collect();
        assert_eq!(names.check_domain(&all), Ok(()));
        let error = names.check_domain(&from("alice@b.example")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the certificate is for d0.example, d1.example, d2.example, d3.example, d4.example and \
             19995 more, but the originator is of b.example"
        );
    }
}
