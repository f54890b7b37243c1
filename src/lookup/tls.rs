//! TLS to servers that are asked for certificates, and what a handshake proves of them.
//!
//! Three may vouch for a server: the anchors that are configured for a partner, its own TLSA records where DNSSEC
//! proves them (RFC 7671), and public authorities. Nothing is resumed, so that each connection is proved anew.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::OnceLock;

use rustls::AlertDescription;
use rustls::CertificateError;
use rustls::ClientConfig;
use rustls::DigitallySignedStruct;
use rustls::Error;
use rustls::RootCertStore;
use rustls::SignatureScheme;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::client::danger::ServerCertVerified;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::UnixTime;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::time::Instant;
use tokio::time::timeout_at;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::names::Dns;
use super::names::DnsFailure;
use super::stream::Connected;
use super::tlsa;
use super::tlsa::Associations;
use crate::address::Domain;
use crate::gateway::search::Association;
use crate::gateway::search::Authentication;
use crate::gateway::search::Matching;
use crate::gateway::search::Selector;
use crate::gateway::search::Usage;
use crate::x509::Certificate;

/// TLSA records of one server that are looked at; a rollover has four.
const MOST_ASSOCIATIONS: usize = 32;

/// Certificates of a server's chain that are compared with TLSA records.
const MOST_OF_CHAIN: usize = 12;

/// Why trust in servers cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootsError {
    /// A certificate cannot be an anchor.
    #[error("certificate of {subject:?} cannot be an anchor of TLS")]
    Anchor {
        /// Its subject.
        subject: String,
        /// Why not.
        #[source]
        source: Error,
    },
    /// A partner without any anchor.
    #[error("there is no anchor for the servers of {0}: name a file with one certificate at least")]
    NoAnchors(Domain),
    /// TLS cannot be done at all.
    #[error("TLS cannot be set up")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Who may vouch for servers.
#[derive(Clone, Debug)]
pub struct Roots {
    provider: Arc<CryptoProvider>,
    /// Public authorities; `None` where nobody is believed in general.
    public: Option<Arc<WebPkiServerVerifier>>,
    partners: Vec<(Domain, Arc<WebPkiServerVerifier>)>,
}

impl Roots {
    /// Those for everybody, as `/etc/ssl/certs/ca-certificates.crt` has them; none is allowed.
    ///
    /// Certificates that TLS cannot take for anchors are passed over: systems have odd ones among theirs.
    pub fn new(public: &[Certificate]) -> Result<Self, RootsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        let octets = public.iter().map(|one| CertificateDer::from(one.der()));
        roots.add_parsable_certificates(octets);
        let public = if roots.is_empty() {
            None
        } else {
            Some(verifier(roots, &provider).map_err(RootsError::Tls)?)
        };
        Ok(Self {
            provider,
            public,
            partners: Vec::new(),
        })
    }

    /// Adds the anchors of a partner. They alone vouch for names at and below `domain`, and beside public ones for the
    /// hosts of others that serve it.
    pub fn with_partner(
        mut self,
        domain: Domain,
        anchors: &[Certificate],
    ) -> Result<Self, RootsError> {
        let mut roots = RootCertStore::empty();
        for anchor in anchors {
            let added = roots.add(CertificateDer::from(anchor.der()));
            added.map_err(|source| RootsError::Anchor {
                subject: anchor.subject_name().to_owned(),
                source,
            })?;
        }
        if roots.is_empty() {
            return Err(RootsError::NoAnchors(domain));
        }
        let verifier = verifier(roots, &self.provider).map_err(RootsError::Tls)?;
        self.partners.push((domain, verifier));
        // The nearest one first.
        self.partners
            .sort_by_key(|(domain, _)| std::cmp::Reverse(domain.labels().count()));
        Ok(self)
    }

    /// Who vouches for `host`, which serves `domain`.
    fn of(&self, domain: &Domain, host: &Domain) -> Vouching {
        let partner = self
            .partners
            .iter()
            .find(|(partner, _)| domain.is_or_is_under(partner));
        let is_own = |(partner, _): &(Domain, _)| host.is_or_is_under(partner);
        let alone = partner.is_some_and(is_own);
        Vouching {
            partner: partner.map(|(_, verifier)| Arc::clone(verifier)),
            public: self.public.clone().filter(|_| !alone),
        }
    }
}

/// A server to which a connection was made.
#[derive(Clone, Debug)]
pub struct Server<'a> {
    /// Its name, which its certificate must have.
    pub host: &'a Domain,
    /// The domain on whose behalf it is asked.
    pub domain: &'a Domain,
    /// Its TLSA records, where [`associations`] found some.
    pub associations: Option<Associations>,
    /// Whether its certificate may have the name of `domain` alone where a TLSA record vouches for its issuer: that of an
    /// exchanger which DNSSEC says is the domain's (RFC 7672 §3.2.2).
    pub may_be_of_domain: bool,
    /// What happens where nobody vouches for it.
    pub demand: Demand,
}

/// What happens where nobody vouches for a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// The handshake goes on, and proves nothing. What contradicts its TLSA records is refused all the same.
    Anybody,
    /// The handshake fails.
    Vouched,
}

/// Why a handshake failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsFailure {
    /// The connection broke.
    #[error("TLS with {host} failed")]
    Broken {
        /// The server.
        host: Domain,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not, or does not prove to be, the one that was to be reached.
    #[error("{host} does not prove its name: {reason}")]
    NotProved {
        /// The server.
        host: Domain,
        /// What TLS says.
        reason: String,
    },
    /// What answers does not speak TLS, or none of 1.2 or later with ciphers that are still safe.
    #[error("{host} does not speak TLS as we do: {reason}")]
    NotTls {
        /// The server.
        host: Domain,
        /// What TLS says.
        reason: String,
    },
    /// It took too long.
    #[error("TLS with {host} took too long")]
    TooLate {
        /// The server.
        host: Domain,
    },
}

/// The TLSA records of a server that stand for it, as [`tlsa::of`] has them; `None` where there are none.
///
/// They stand at the end of the aliases that lead to the address that we are `connected` to, or at the host, and at the
/// host alone where it is only the end that is not secure. Not asked for where the host's own zone is not signed (RFC
/// 7672 §2.2.2). A failure to find out is one, since whoever wants to pass for the server would see to it.
pub async fn associations(
    dns: &dyn Dns,
    (host, port): (&Domain, u16),
    connected: &Connected,
) -> Result<Option<Associations>, DnsFailure> {
    let way = &connected.way;
    if !way.begins_secure {
        return Ok(None);
    }
    let canonical = way.canonical.as_ref().filter(|_| way.secure);
    let found = tlsa::of(dns, (host, canonical), port).await?;
    Ok(found.map(|mut found| {
        found.usable.truncate(MOST_ASSOCIATIONS);
        found
    }))
}

/// Shakes hands over `stream`, and says what that proves of the server.
///
/// Ends by `deadline`.
pub async fn handshake<S>(
    stream: S,
    roots: &Roots,
    server: Server<'_>,
    deadline: Instant,
) -> Result<(TlsStream<S>, Authentication), TlsFailure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let host = server.host;
    let not_proved = |reason: String| TlsFailure::NotProved {
        host: host.clone(),
        reason,
    };
    // Also names with underscores, which no public authority may certify.
    let named = |domain: &Domain| {
        ServerName::try_from(domain.as_str().to_owned())
            .map_err(|error| not_proved(error.to_string()))
    };
    let name = named(host)?;
    let base = match &server.associations {
        Some(associations) => named(&associations.base)?,
        None => name.clone(),
    };
    // A domain that no certificate can have is no name of the server, and no failure.
    let of_domain = server.may_be_of_domain.then(|| named(server.domain).ok());
    let verifier = Arc::new(Verifier {
        vouching: roots.of(server.domain, host),
        associations: server.associations.map(|found| found.usable),
        name,
        of_domain: of_domain.flatten(),
        demand: server.demand,
        provider: Arc::clone(&roots.provider),
        proved: OnceLock::new(),
    });
    let config = ClientConfig::builder_with_provider(Arc::clone(&roots.provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| not_proved(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier.clone())
        .with_no_client_auth();
    let connecting = TlsConnector::from(Arc::new(config)).connect(base, stream);
    match timeout_at(deadline, connecting).await {
        Err(_) => Err(TlsFailure::TooLate { host: host.clone() }),
        Ok(Err(error)) => Err(failure(host, error)),
        Ok(Ok(stream)) => {
            let proved = verifier.proved.get();
            Ok((stream, proved.copied().unwrap_or(Authentication::None)))
        }
    }
}

/// Who may vouch for one server.
#[derive(Debug)]
struct Vouching {
    partner: Option<Arc<WebPkiServerVerifier>>,
    public: Option<Arc<WebPkiServerVerifier>>,
}

/// Verifies the certificate of one connection, and notes what it proves.
struct Verifier {
    vouching: Vouching,
    associations: Option<Vec<Association>>,
    /// That of the host, whatever name was sent.
    name: ServerName<'static>,
    /// That of the domain that it serves, where it may have that instead.
    of_domain: Option<ServerName<'static>>,
    demand: Demand,
    provider: Arc<CryptoProvider>,
    proved: OnceLock<Authentication>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("demand", &self.demand)
            .field("proved", &self.proved)
            .finish_non_exhaustive()
    }
}

/// What a server shows.
#[derive(Clone, Copy)]
struct Shown<'a> {
    end_entity: &'a CertificateDer<'a>,
    intermediates: &'a [CertificateDer<'a>],
    /// What it must name.
    name: &'a ServerName<'a>,
    now: UnixTime,
}

impl Verifier {
    /// What the certificate proves. `base` is the TLSA base domain, where there are such records.
    fn judge(&self, shown: Shown<'_>, base: &ServerName<'_>) -> Result<Authentication, Error> {
        let by_partner = self.vouching.partner.as_ref().map(|one| vouch(one, shown));
        if let Some(Ok(())) = by_partner {
            return Ok(Authentication::PartnerTls);
        }
        if let Some(associations) = &self.associations {
            // Who has such records is no other than what they say, whoever vouches for it (RFC 7671 §4).
            return if self.is_associated(associations, shown, base) {
                Ok(Authentication::Dnssec)
            } else {
                Err(CertificateError::ApplicationVerificationFailure.into())
            };
        }
        let by_public = self.vouching.public.as_ref().map(|one| vouch(one, shown));
        match (by_public, by_partner, self.demand) {
            (Some(Ok(())), _, _) => Ok(Authentication::PublicTls),
            (_, _, Demand::Anybody) => Ok(Authentication::None),
            (Some(Err(error)), _, Demand::Vouched) | (None, Some(Err(error)), Demand::Vouched) => {
                Err(error)
            }
            (None, _, Demand::Vouched) => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn is_associated(
        &self,
        associations: &[Association],
        shown: Shown<'_>,
        base: &ServerName<'_>,
    ) -> bool {
        // Any name will do, the base domain's first (RFC 7671 §7, RFC 7672 §3.2.2).
        let names = [Some(base), Some(shown.name), self.of_domain.as_ref()];
        associations
            .iter()
            .any(|association| match association.usage {
                // Neither its names nor its dates count (RFC 7671 §5.1).
                Usage::DomainIssuedCertificate => is_of(association, shown.end_entity),
                Usage::TrustAnchorAssertion => {
                    let mut names = names.into_iter().flatten();
                    names.any(|name| self.leads_to(association, Shown { name, ..shown }))
                }
                Usage::CaConstraint | Usage::ServiceCertificateConstraint => false,
            })
    }

    /// Whether the path leads to an anchor that the record is of, with names and dates (RFC 7671 §5.2).
    fn leads_to(&self, association: &Association, shown: Shown<'_>) -> bool {
        let mut roots = RootCertStore::empty();
        let sent = shown.intermediates.iter().take(MOST_OF_CHAIN);
        let mut anchors: Vec<CertificateDer<'_>> = sent
            .filter(|one| is_of(association, one))
            .cloned()
            .collect();
        // One that is in the record itself need not be sent.
        if (association.selector, association.matching) == (Selector::Full, Matching::Exact) {
            anchors.push(CertificateDer::from(association.data.as_slice()));
        }
        roots.add_parsable_certificates(anchors);
        let verifier = verifier(roots, &self.provider);
        verifier.is_ok_and(|one| vouch(&one, shown).is_ok())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = Shown {
            end_entity,
            intermediates,
            name: &self.name,
            now,
        };
        let proved = self.judge(shown, server_name)?;
        // Called once for each connection.
        let _first = self.proved.set(proved);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

/// What a client of TLS needs that believes `anchors` and nobody else.
pub fn client(anchors: &[Certificate]) -> Result<Arc<ClientConfig>, RootsError> {
    let tls = |error: rustls::Error| RootsError::Tls(Box::new(error));
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(anchors.iter().map(|one| CertificateDer::from(one.der())));
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(tls)?;
    Ok(Arc::new(
        builder.with_root_certificates(roots).with_no_client_auth(),
    ))
}

fn verifier(
    roots: RootCertStore,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, Box<dyn std::error::Error + Send + Sync>> {
    let builder =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    Ok(builder.build()?)
}

fn vouch(verifier: &WebPkiServerVerifier, shown: Shown<'_>) -> Result<(), Error> {
    let Shown {
        end_entity,
        intermediates,
        name,
        now,
    } = shown;
    let verified = verifier.verify_server_cert(end_entity, intermediates, name, &[], now);
    verified.map(|_| ())
}

/// Whether the record is of that certificate. One that we cannot read is nobody's.
fn is_of(association: &Association, der: &[u8]) -> bool {
    Certificate::parse(der).is_ok_and(|certificate| association.matches(&certificate))
}

/// What a failed handshake says of the server.
fn failure(host: &Domain, source: io::Error) -> TlsFailure {
    let host = host.clone();
    let inner = source.get_ref();
    let Some(error) = inner.and_then(|inner| inner.downcast_ref::<Error>()) else {
        return TlsFailure::Broken { host, source };
    };
    let reason = error.to_string();
    if matches!(
        error,
        Error::InvalidCertificate(_)
            | Error::NoCertificatesPresented
            // A server that has no certificate of that name says so (RFC 6066 §3).
            | Error::AlertReceived(AlertDescription::UnrecognisedName)
    ) {
        TlsFailure::NotProved { host, reason }
    } else if matches!(
        error,
        Error::InvalidMessage(_)
            | Error::PeerIncompatible(_)
            | Error::AlertReceived(
                AlertDescription::HandshakeFailure
                    | AlertDescription::InsufficientSecurity
                    | AlertDescription::ProtocolVersion
            )
    ) {
        TlsFailure::NotTls { host, reason }
    } else {
        TlsFailure::Broken { host, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::x509::pem;

    fn root() -> Vec<Certificate> {
        let file = include_bytes!("../../certs/root.pem");
        pem::certificates(file, &Limits::default()).unwrap()
    }

    fn domain(text: &str) -> Domain {
        text.parse().unwrap()
    }

    #[test]
    fn a_partner_without_an_anchor_is_an_error_of_the_administrator() {
        let roots = Roots::new(&[]).unwrap();
        let error = roots.with_partner(domain("b.example"), &[]).unwrap_err();
        assert!(error.to_string().contains("b.example"), "{error}");
    }

    #[test]
    fn public_authorities_do_not_vouch_for_the_names_of_a_partner() {
        let roots = Roots::new(&root()).unwrap();
        let roots = roots.with_partner(domain("b.example"), &root()).unwrap();
        // Served domain, host, and who may vouch for it: the partner's anchors, public authorities.
        for (served, host, partner, public) in [
            ("b.example", "keys._mcek.b.example", true, false),
            ("sub.b.example", "keys._mcek.sub.b.example", true, false),
            ("b.example", "mx.provider.example", true, true),
            ("c.example", "mx.b.example", false, true),
            ("c.example", "keys._mcek.c.example", false, true),
        ] {
            let vouching = roots.of(&domain(served), &domain(host));
            let found = (vouching.partner.is_some(), vouching.public.is_some());
            assert_eq!(found, (partner, public), "{host} for {served}");
        }
    }
}
