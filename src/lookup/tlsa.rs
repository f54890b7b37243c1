//! TLSA records: which certificates a TLS server may show (RFC 6698, RFC 7671).
//!
//! Usages 2 and 3 alone, as RFC 7672 §3.1.3 has it for mail: DNSSEC takes the place of the public authorities, and
//! what those vouch for is no question here.

use super::names::Data;
use super::names::Dns;
use super::names::DnsFailure;
use super::names::Kind;
use crate::address::Domain;
use crate::crypto;
use crate::gateway::search::Association;
use crate::gateway::search::Matching;
use crate::gateway::search::Selector;
use crate::gateway::search::Usage;
use crate::limits::Budget;
use crate::limits::Limits;
use crate::x509::Certificate;
use crate::x509::PathRequest;
use crate::x509::PathValidation;
use crate::x509::SimplePaths;
use crate::x509::Time;
use crate::x509::Verdict;
use crate::x509::path::InitialPolicies;
use crate::x509::path::Purpose;
use crate::x509::path::RevocationMode;

/// What the TLSA records of a server say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Associations {
    /// The TLSA base domain: the host, or its canonical name. It goes into SNI, and may be what the certificate names
    /// (RFC 7671 §7).
    pub base: Domain,
    /// Those that are usable, one at least.
    pub usable: Vec<Association>,
}

/// The associations of the TLS server at TCP `port` of `host` (RFC 6698 §3), for [`matches()`].
///
/// Where `host` is an alias, and DNSSEC proves that it is one of `canonical`, that one's come first (RFC 7671 §7, RFC
/// 7672 §2.2.3). `None` where there are none, none that is usable, or none that DNSSEC proves: TLS goes on as without
/// them (RFC 7671 §10.2). What cannot be known of one name is not looked for at the other.
pub async fn of(
    dns: &dyn Dns,
    (host, canonical): (&Domain, Option<&Domain>),
    port: u16,
) -> Result<Option<Associations>, DnsFailure> {
    for base in canonical.into_iter().chain([host]) {
        let name = format!("_{port}._tcp.{base}");
        let records = dns.records(&name, Kind::Tlsa).await?;
        if records.secure && !records.data.is_empty() {
            let usable: Vec<Association> = records.data.into_iter().filter_map(read).collect();
            let base = base.clone();
            return Ok((!usable.is_empty()).then_some(Associations { base, usable }));
        }
    }
    Ok(None)
}

fn read(data: Data) -> Option<Association> {
    match data {
        Data::Association {
            usage,
            selector,
            matching,
            data,
        } => Association::read(usage, selector, matching, data)
            .ok()
            .filter(|association| association.usage.replaces_anchors()),
        Data::Address(_) | Data::Mx { .. } | Data::Srv { .. } | Data::Text(_) => None,
    }
}

/// Whether the certificates that a TLS server showed, its own first, are what the associations say.
///
/// With usage 3 the server's own is one of them: its names and dates do not count (RFC 7671 §5.1). With usage 2 one
/// of its issuers is, and signatures lead from the server's own to that one; whether it names the host and is valid
/// now is for the caller to see (RFC 7671 §5.2.2), or for [`matches_at`]. False for a chain that does not parse.
#[must_use]
pub fn matches(chain_der: &[&[u8]], associations: &[Association]) -> bool {
    check(chain_der, associations, None)
}

/// As [`matches()`], and with usage 2 the path is valid at `now`.
#[must_use]
pub fn matches_at(chain_der: &[&[u8]], associations: &[Association], now: Time) -> bool {
    check(chain_der, associations, Some(now))
}

fn check(chain_der: &[&[u8]], associations: &[Association], now: Option<Time>) -> bool {
    let limits = Limits::default();
    let chain: Vec<Certificate> = chain_der
        .iter()
        .take(limits.path_length)
        .filter_map(|der| Certificate::parse(der).ok())
        .collect();
    let Some((server, issuers)) = chain.split_first() else {
        return false;
    };
    // A first one that does not parse is not replaced by the second.
    if chain_der.first().copied() != Some(server.der()) {
        return false;
    }
    associations
        .iter()
        .any(|association| match association.usage {
            Usage::DomainIssuedCertificate => association.matches(server),
            Usage::TrustAnchorAssertion => {
                let anchors = anchors(association, issuers);
                let at = now.or_else(|| chain.iter().map(Certificate::not_before).max());
                !anchors.is_empty() && at.is_some_and(|at| leads_to(server, issuers, anchors, at))
            }
            // Constraints on what public authorities vouch for, and unusable (RFC 7672 §3.1.3).
            Usage::CaConstraint | Usage::ServiceCertificateConstraint => false,
        })
}

/// The issuers that the association names; one that it holds whole need not have been shown (RFC 7671 §5.2.1).
fn anchors(association: &Association, issuers: &[Certificate]) -> Vec<Certificate> {
    let mut anchors: Vec<Certificate> = issuers
        .iter()
        .filter(|issuer| association.matches(issuer))
        .cloned()
        .collect();
    if (association.selector, association.matching) == (Selector::Full, Matching::Exact) {
        anchors.extend(Certificate::parse(&association.data).ok());
    }
    anchors
}

fn leads_to(
    server: &Certificate,
    issuers: &[Certificate],
    anchors: Vec<Certificate>,
    at: Time,
) -> bool {
    let limits = Limits::default();
    let paths = SimplePaths::new(anchors, crypto::provider().verification, &limits);
    let request = PathRequest {
        target: server,
        intermediates: issuers,
        crls: &[],
        at,
        purpose: Purpose::Any,
        revocation: RevocationMode::Off,
        policies: InitialPolicies::default(),
    };
    let outcome = paths.validate(&request, &mut Budget::new(&limits));
    outcome.verdict == Verdict::Valid && outcome.chain.len() > 1
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Context;
    use std::task::Poll;
    use std::task::Waker;

    use sha2::Digest as _;
    use sha2::Sha256;

    use super::*;
    use crate::lookup::names::FixedDns;

    struct Chain {
        server: Vec<u8>,
        issuer: Vec<u8>,
    }

    fn chain() -> Chain {
        let ca_key = rcgen::KeyPair::generate().unwrap();
        let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        ca.distinguished_name = rcgen::DistinguishedName::new();
        ca.distinguished_name.push(rcgen::DnType::CommonName, "CA");
        let issuer = ca.self_signed(&ca_key).unwrap().der().to_vec();
        let signer = rcgen::Issuer::from_params(&ca, &ca_key);
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["mx.b.example".to_owned()]).unwrap();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "mx");
        let server = params.signed_by(&key, &signer).unwrap().der().to_vec();
        Chain { server, issuer }
    }

    fn sha256_of(usage: u8, der: &[u8]) -> Association {
        Association::read(usage, 0, 1, Sha256::digest(der).to_vec()).unwrap()
    }

    #[test]
    fn usage_3_is_the_servers_own_certificate_whoever_issued_it() {
        let chain = chain();
        let shown: [&[u8]; 2] = [&chain.server, &chain.issuer];
        assert!(matches(&shown, &[sha256_of(3, &chain.server)]));
        assert!(matches(&shown[..1], &[sha256_of(3, &chain.server)]));
        assert!(!matches(&shown, &[sha256_of(3, &chain.issuer)]));
        let other = self::chain();
        assert!(!matches(
            &[&other.server, &chain.server],
            &[sha256_of(3, &chain.server)]
        ));
        let garbage: [&[u8]; 2] = [b"garbage", &chain.server];
        assert!(!matches(&garbage, &[sha256_of(3, &chain.server)]));
        assert!(!matches(&[], &[sha256_of(3, &chain.server)]));
    }

    #[test]
    fn usage_2_wants_signatures_up_to_the_named_issuer() {
        let chain = chain();
        let named = [sha256_of(2, &chain.issuer)];
        assert!(matches(&[&chain.server, &chain.issuer], &named));
        // Shown by somebody whom it has not issued.
        let other = self::chain();
        assert!(!matches(&[&other.server, &chain.issuer], &named));
        assert!(!matches(&[&chain.server], &named));
        assert!(!matches(
            &[&chain.server, &chain.issuer],
            &[sha256_of(2, &chain.server)]
        ));
        let whole = Association::read(2, 0, 0, chain.issuer.clone()).unwrap();
        assert!(matches(&[&chain.server], &[whole]));
    }

    #[test]
    fn usage_2_is_bound_to_dates_where_now_is_given() {
        let chain = chain();
        let named = [sha256_of(2, &chain.issuer)];
        let shown: [&[u8]; 2] = [&chain.server, &chain.issuer];
        let at = |seconds| Time::from_unix(seconds).unwrap();
        assert!(matches_at(&shown, &named, at(1_800_000_000)));
        assert!(!matches_at(&shown, &named, at(0)));
    }

    #[test]
    fn usages_0_and_1_are_unusable() {
        let chain = chain();
        let shown: [&[u8]; 2] = [&chain.server, &chain.issuer];
        let constraints = [sha256_of(0, &chain.issuer), sha256_of(1, &chain.server)];
        assert!(!matches(&shown, &constraints));
    }

    fn asked(dns: &FixedDns, canonical: Option<&str>) -> Result<Option<Associations>, DnsFailure> {
        let host = "mx.b.example".parse().unwrap();
        let canonical = canonical.map(|name| name.parse().unwrap());
        let mut answer = pin!(of(dns, (&host, canonical.as_ref()), 25));
        match answer
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(answer) => answer,
            Poll::Pending => panic!("fixed answers do not wait"),
        }
    }

    #[test]
    fn only_secure_and_usable_records_count() {
        const NAME: &str = "_25._tcp.mx.b.example";
        let record = |usage| Data::Association {
            usage,
            selector: 1,
            matching: 1,
            data: vec![7; 32],
        };
        let dns = |secure, usages: &[u8]| {
            let records = usages.iter().copied().map(record).collect();
            FixedDns::default().with(NAME, Kind::Tlsa, secure, records)
        };
        let found = asked(&dns(true, &[0, 3, 255, 2]), None).unwrap().unwrap();
        let usages: Vec<Usage> = found.usable.iter().map(|one| one.usage).collect();
        assert_eq!(
            usages,
            [Usage::DomainIssuedCertificate, Usage::TrustAnchorAssertion]
        );
        assert_eq!(asked(&dns(false, &[3]), None), Ok(None));
        assert_eq!(asked(&dns(true, &[0, 1, 255]), None), Ok(None));
        assert_eq!(asked(&dns(true, &[]), None), Ok(None));
        assert!(asked(&FixedDns::default().failing(NAME, Kind::Tlsa), None).is_err());
    }

    #[test]
    fn the_records_at_the_end_of_the_aliases_come_first() {
        const HOST: &str = "_25._tcp.mx.b.example";
        const CANONICAL: &str = "_25._tcp.mx.provider.example";
        let record = |usage| {
            vec![Data::Association {
                usage,
                selector: 1,
                matching: 1,
                data: vec![7; 32],
            }]
        };
        let with =
            |dns: FixedDns, name, secure, usage| dns.with(name, Kind::Tlsa, secure, record(usage));
        let host = || with(FixedDns::default(), HOST, true, 3);
        let base = |dns: &FixedDns| {
            let found = asked(dns, Some("mx.provider.example"));
            found.map(|found| found.map(|found| found.base.to_string()))
        };
        let of = |name: &str| Ok(Some(name.to_owned()));
        let canonical = |secure, usage| with(host(), CANONICAL, secure, usage);
        assert_eq!(base(&canonical(true, 2)), of("mx.provider.example"));
        // None there, or none that is proven.
        assert_eq!(base(&host()), of("mx.b.example"));
        assert_eq!(base(&canonical(false, 2)), of("mx.b.example"));
        // Secure ones make it the base domain, though they be of no use.
        assert_eq!(base(&canonical(true, 1)), Ok(None));
        assert!(base(&host().failing(CANONICAL, Kind::Tlsa)).is_err());
    }
}
