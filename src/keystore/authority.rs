//! A small certification authority: keys and certificates for a demonstration (draft §2.6; RFC 5280).
//!
//! What it makes names itself a demonstration in every subject. It keeps no list of what it issued and
//! revokes nothing: a domain that sends real mail gets its certificates elsewhere.

use std::time::Duration;

use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::DistinguishedName;
use rcgen::DnType;
use rcgen::ExtendedKeyUsagePurpose;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyIdMethod;
use rcgen::KeyPair;
use rcgen::KeyUsagePurpose;
use rcgen::PKCS_ECDSA_P256_SHA256;
use rcgen::PKCS_RSA_SHA256;
use rcgen::RsaKeySize;
use rcgen::SanType;
use rcgen::SerialNumber;
use zeroize::Zeroizing;

use crate::address::Domain;
use crate::address::Mailbox;
use crate::crypto;
use crate::crypto::CryptoError;
use crate::x509::Certificate;
use crate::x509::CertificateError;
use crate::x509::Time;

/// Why there is no key or certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// The certificate that was made is not what we read.
    #[error("the certificate that was made cannot be read")]
    Certificate(#[from] CertificateError),
    /// There is no randomness.
    #[error("no serial number can be drawn")]
    Crypto(#[from] CryptoError),
    /// The CA's certificate has another subject than the one that is written as issuer.
    #[error(
        "the CA is {subject:?}, and only certificates of {:?} can be made here",
        COMMON_NAME
    )]
    OtherAuthority {
        /// The subject that it has.
        subject: String,
    },
    /// A key or certificate could not be made or read.
    #[error("the key or certificate could not be made")]
    Rcgen(#[from] rcgen::Error),
    /// The clock, or the end of the certificate, is outside the years 1970 to 9999.
    #[error("no certificate can begin at {0}")]
    Time(Time),
}

/// Whose certificate, and so what it is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Owner<'a> {
    /// The Domain Confidentiality Authority of a domain (draft §4.1).
    Dca(&'a Domain),
    /// A user for whom the domain signs (draft §3.7).
    Delegated(&'a Mailbox),
    /// The domain, for its signatures (draft §3.3).
    Domain(&'a Domain),
    /// A reviewer of the domain (draft §3.4).
    Reviewer(&'a Domain),
}

/// A CA that can issue.
pub(crate) struct CertificateAuthority {
    key: KeyPair,
    certificate: Certificate,
}

/// A new key for a CA: P-256, PKCS#8 PEM. It signs, and nobody encrypts to it.
pub(crate) fn authority_key() -> Result<Zeroizing<String>, AuthorityError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    Ok(Zeroizing::new(key.serialize_pem()))
}

/// A new key for everybody else: RSA, 2,048 bits, PKCS#8 PEM. Every mail program reads it.
pub(crate) fn key() -> Result<Zeroizing<String>, AuthorityError> {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?;
    Ok(Zeroizing::new(key.serialize_pem()))
}

/// The certificate, PEM, that makes the owner of `key` (PEM) a CA for ten years.
pub(crate) fn authority_certificate(key: &str, now: Time) -> Result<String, AuthorityError> {
    let key = KeyPair::from_pem(key)?;
    let mut parameters = parameters(COMMON_NAME, None, (now, AUTHORITY_YEARS))?;
    // It issues to owners of keys, never to another CA (RFC 5280 §4.2.1.9).
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(parameters.self_signed(&key)?.pem())
}

impl CertificateAuthority {
    /// The CA of `certificate`, whose private key is `key` (PEM).
    pub(crate) fn new(key: &str, certificate: Certificate) -> Result<Self, AuthorityError> {
        let key = KeyPair::from_pem(key)?;
        Ok(Self { key, certificate })
    }

    /// The certificate, PEM, of `owner`, whose private key is `key` (PEM); for two years.
    pub(crate) fn issue(
        &self,
        owner: Owner<'_>,
        key: &str,
        now: Time,
    ) -> Result<String, AuthorityError> {
        let key = KeyPair::from_pem(key)?;
        let mut wanted = parameters(owner.title(), Some(owner.domain()), (now, YEARS))?;
        wanted.subject_alt_names = owner.names()?;
        wanted.is_ca = IsCa::ExplicitNoCa;
        wanted.key_usages = vec![owner.usage()];
        wanted.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
        wanted.use_authority_key_identifier_extension = true;
        let mut issuer = parameters(COMMON_NAME, None, (now, AUTHORITY_YEARS))?;
        let identifier = self.certificate.key_identifier();
        issuer.key_identifier_method = KeyIdMethod::PreSpecified(identifier);
        let made = wanted.signed_by(&key, &Issuer::from_params(&issuer, &self.key))?;
        let read = Certificate::parse(made.der())?;
        if read.folded_issuer() != self.certificate.folded_subject() {
            return Err(AuthorityError::OtherAuthority {
                subject: self.certificate.subject_name().to_owned(),
            });
        }
        Ok(made.pem())
    }
}

impl Owner<'_> {
    fn domain(&self) -> &Domain {
        match self {
            Self::Dca(domain) | Self::Domain(domain) | Self::Reviewer(domain) => domain,
            Self::Delegated(user) => user.domain(),
        }
    }

    const fn title(&self) -> &'static str {
        match self {
            Self::Dca(_) => "Confidentiality authority (demonstration)",
            Self::Delegated(_) => "User, signed for by the domain (demonstration)",
            Self::Domain(_) => "Domain signatures (demonstration)",
            Self::Reviewer(_) => "Reviewer (demonstration)",
        }
    }

    const fn usage(&self) -> KeyUsagePurpose {
        match self {
            // keyUsage tells a DCA's certificate from the one that signs (draft §2.6).
            Self::Dca(_) => KeyUsagePurpose::KeyEncipherment,
            Self::Delegated(_) | Self::Domain(_) | Self::Reviewer(_) => {
                KeyUsagePurpose::DigitalSignature
            }
        }
    }

    /// The names of draft §2.6.
    fn names(&self) -> Result<Vec<SanType>, AuthorityError> {
        let uri = |scheme: &str| format!("{scheme}://{}", self.domain()).try_into();
        Ok(match self {
            Self::Dca(domain) | Self::Domain(domain) | Self::Reviewer(domain) => vec![
                SanType::URI(uri("smtp")?),
                SanType::DnsName(domain.as_str().try_into()?),
            ],
            // An rfc822Name beside a submit: URI is what makes it a delegated one (DESIGN, decision 12).
            Self::Delegated(user) => vec![
                SanType::URI(uri("submit")?),
                SanType::Rfc822Name(user.to_string().try_into()?),
            ],
        })
    }
}

fn parameters(
    title: &str,
    domain: Option<&Domain>,
    (now, years): (Time, i64),
) -> Result<CertificateParams, AuthorityError> {
    let mut distinguished_name = DistinguishedName::new();
    distinguished_name.push(DnType::OrganizationName, "domsec quickstart");
    // A longer one would be no X520OrganizationalUnitName (RFC 5280, appendix A.1).
    if let Some(domain) = domain.filter(|domain| domain.as_str().len() <= UNIT_CHARACTERS) {
        distinguished_name.push(DnType::OrganizationalUnitName, domain.as_str());
    }
    distinguished_name.push(DnType::CommonName, title);
    let at = |seconds: i64| {
        let time = Time::from_unix(seconds).ok_or(AuthorityError::Time(now))?;
        let since_1970 = u64::try_from(time.unix()).map_err(|_| AuthorityError::Time(now))?;
        Ok::<_, AuthorityError>(rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(since_1970))
    };
    let mut parameters = CertificateParams::default();
    parameters.not_before = at(now.unix() - LEEWAY)?;
    parameters.not_after = at(now.unix() + years * YEAR)?;
    parameters.serial_number = Some(serial()?);
    parameters.distinguished_name = distinguished_name;
    Ok(parameters)
}

/// Positive, at most 20 octets, and never one that was given before (RFC 5280 §4.1.2.2).
fn serial() -> Result<SerialNumber, AuthorityError> {
    let mut octets = [0; 16];
    crypto::provider().randomness.fill(&mut octets)?;
    if let Some(first) = octets.first_mut() {
        *first = *first & 0x3f | 0x40;
    }
    Ok(SerialNumber::from_slice(&octets))
}

/// The CA's name, which says what it is worth.
const COMMON_NAME: &str = "Demonstration CA, never to be trusted";
/// X520OrganizationalUnitName's ub-organizational-unit-name (RFC 5280, appendix A.1).
const UNIT_CHARACTERS: usize = 64;
/// For a clock at the other side that is behind.
const LEEWAY: i64 = 60 * 60;
const YEAR: i64 = 365 * 24 * 60 * 60;
/// Within the 825 days of public S/MIME certificates (CA/Browser Forum, S/MIME BR §6.3.2).
const YEARS: i64 = 2;
/// Outlives several generations of what it issues.
const AUTHORITY_YEARS: i64 = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domsec::naming::Names;
    use crate::limits::Limits;
    use crate::notation::SignatureType;
    use crate::x509::pem;
    use crate::x509::purpose::may_receive_mail;
    use crate::x509::purpose::may_sign_mail;

    fn now() -> Time {
        "2026-05-01T12:00:00Z".parse().unwrap()
    }

    fn parsed(text: &str) -> Certificate {
        pem::certificates(text.as_bytes(), &Limits::default())
            .unwrap()
            .remove(0)
    }

    fn authority() -> CertificateAuthority {
        let key = authority_key().unwrap();
        let certificate = authority_certificate(&key, now()).unwrap();
        CertificateAuthority::new(&key, parsed(&certificate)).unwrap()
    }

    #[test]
    fn each_owner_gets_the_names_and_the_usage_of_its_role() {
        let authority = authority();
        let key = key().unwrap();
        let domain: Domain = "a.example".parse().unwrap();
        let alice: Mailbox = "alice@a.example".parse().unwrap();
        let of = |owner| parsed(&authority.issue(owner, &key, now()).unwrap());
        let dca = of(Owner::Dca(&domain));
        assert_eq!(Names::of(&dca).check_confidentiality(&domain), Ok(()));
        assert_eq!(may_receive_mail(&dca), Ok(()));
        assert!(may_sign_mail(&dca).is_err());
        let signer = of(Owner::Domain(&domain));
        let from = std::slice::from_ref(&alice);
        assert_eq!(Names::of(&signer).check_domain(from), Ok(()));
        assert_eq!(may_sign_mail(&signer), Ok(()));
        assert!(may_receive_mail(&signer).is_err());
        let reviewer = of(Owner::Reviewer(&domain));
        let checked = Names::of(&reviewer).check_agent(SignatureType::Review);
        assert_eq!(checked, Ok(()));
        let delegated = of(Owner::Delegated(&alice));
        assert_eq!(Names::of(&delegated).check_delegated(from), Ok(()));
        assert!(Names::of(&delegated).check_domain(from).is_err());
        assert_ne!(dca.serial(), signer.serial());
    }

    #[test]
    fn dates_begin_an_hour_ago_and_end_after_two_or_ten_years() {
        let authority = authority();
        let domain: Domain = "a.example".parse().unwrap();
        let made = authority.issue(Owner::Domain(&domain), &key().unwrap(), now());
        let made = parsed(&made.unwrap());
        assert_eq!(made.not_before().to_string(), "2026-05-01T11:00:00Z");
        assert_eq!(made.not_after().to_string(), "2028-04-30T12:00:00Z");
        let until = authority.certificate.not_after().to_string();
        assert_eq!(until, "2036-04-28T12:00:00Z");
    }

    #[test]
    fn a_time_for_which_no_certificate_can_be_written_is_refused() {
        let key = authority_key().unwrap();
        for time in ["1970-01-01T00:00:00Z", "9995-01-01T00:00:00Z"] {
            let error = authority_certificate(&key, time.parse().unwrap()).unwrap_err();
            assert!(matches!(error, AuthorityError::Time(_)), "{error}");
        }
    }

    #[test]
    fn a_long_domain_makes_no_overlong_subject() {
        let label = "x".repeat(60);
        let domain: Domain = format!("{label}.{label}.example").parse().unwrap();
        let made = authority().issue(Owner::Dca(&domain), &key().unwrap(), now());
        let made = parsed(&made.unwrap());
        assert!(!made.subject_name().contains(&label));
        assert_eq!(Names::of(&made).check_confidentiality(&domain), Ok(()));
    }

    #[test]
    fn another_ca_issues_nothing_here() {
        let other = include_str!("../../certs/root.pem");
        let key = authority_key().unwrap();
        let authority = CertificateAuthority::new(&key, parsed(other)).unwrap();
        let domain: Domain = "a.example".parse().unwrap();
        let error = authority.issue(Owner::Dca(&domain), &super::key().unwrap(), now());
        let error = error.unwrap_err();
        assert!(
            matches!(error, AuthorityError::OtherAuthority { .. }),
            "{error}"
        );
    }
}
