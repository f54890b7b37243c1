//! One GET over HTTPS (RFC 9110, RFC 9112): bounded in octets, in hops and in time.
//!
//! Redirects stay on the host; encodings of the content are neither asked for nor taken. What HTTP says of the
//! answer's lifetime (RFC 9111) goes to the caller, who keeps it.

use std::time::Duration;
use std::time::SystemTime;

use http_body_util::BodyExt;
use http_body_util::Empty;
use hyper::Request;
use hyper::Response;
use hyper::StatusCode;
use hyper::Uri;
use hyper::body::Body;
use hyper::body::Bytes;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header;
use hyper::header::HeaderMap;
use hyper::header::HeaderName;
use hyper::http;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::time::Instant;
use tokio::time::timeout_at;

use super::names::DnsFailure;
use super::stream::ConnectFailure;
use super::stream::Connector;
use super::tls;
use super::tls::Demand;
use super::tls::Roots;
use super::tls::Server;
use super::tls::TlsFailure;
use crate::address::Domain;
use crate::gateway::search::Authentication;
use crate::limits::LimitError;

/// The port of HTTPS.
const PORT: u16 = 443;

/// Octets of an answer's header; what proxies in use allow.
const HEADER_OCTETS: usize = 16 * 1024;

/// Fields of an answer's header.
const HEADER_FIELDS: usize = 100;

/// Octets of an answer's body: some twenty large certificates in base64.
pub const BODY_OCTETS: usize = 256 * 1024;

/// Redirects that are followed.
const HOPS: usize = 3;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Where.
    pub host: Domain,
    /// Path and query, percent-encoded: `/.well-known/mcek?username=..`.
    pub target: String,
}

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Got {
    /// The status code; none of the redirects that were followed.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    /// What the handshake proves of the host.
    pub authentication: Authentication,
    /// What the body is, in lower case and without parameters (RFC 9110 §8.3.1).
    pub media_type: Option<String>,
    /// How long it may be kept; `None` where nothing is said, zero where it may not be.
    pub lifetime: Option<Duration>,
    /// How long the host wants to be left alone.
    pub retry_after: Option<Duration>,
}

/// Why nothing came.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpFailure {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectFailure),
    /// The TLSA records cannot be known.
    #[error("TLSA records cannot be known")]
    Dns(#[from] DnsFailure),
    /// The content is encoded, which was not asked for.
    #[error("{host} sends content-encoding {encoding:?}, though none was asked for")]
    Encoded {
        /// The host.
        host: Domain,
        /// As it says.
        encoding: String,
    },
    /// What came is no HTTP, or the connection broke.
    #[error("the answer of {host} is broken")]
    Exchange {
        /// The host.
        host: Domain,
        /// Why.
        #[source]
        source: hyper::Error,
    },
    /// The answer is too long.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A redirect that is not followed.
    #[error("{host} redirects to {location:?}, which is not followed: {reason}")]
    Redirect {
        /// The host.
        host: Domain,
        /// As it says, without the query, which may name a person.
        location: String,
        /// Why not.
        reason: &'static str,
    },
    /// The resource cannot be asked for.
    #[error("{host} cannot be asked by HTTP")]
    Request {
        /// The host.
        host: Domain,
        /// Why not.
        #[source]
        source: http::Error,
    },
    /// No TLS.
    #[error(transparent)]
    Tls(#[from] TlsFailure),
    /// No answer in time.
    #[error("{host} did not answer in time")]
    TooLate {
        /// The host.
        host: Domain,
    },
}

/// Gets resources from hosts that somebody vouches for.
#[derive(Clone, Debug)]
pub struct Https {
    /// Finds the hosts.
    pub connector: Connector,
    /// Who vouches for them.
    pub roots: Roots,
}

impl Https {
    /// Gets `resource` on behalf of `domain`; ends by `deadline`. Dates are compared with `now`, seconds since 1970.
    pub async fn get(
        &self,
        resource: Resource,
        domain: &Domain,
        deadline: Instant,
        now: u64,
    ) -> Result<Got, HttpFailure> {
        let followed = (HOPS, "there were three redirects before it");
        self.follow(resource, domain, (deadline, now), followed)
            .await
    }

    /// The same for what is there or nowhere: no redirect is followed.
    pub async fn get_in_place(
        &self,
        resource: Resource,
        domain: &Domain,
        deadline: Instant,
        now: u64,
    ) -> Result<Got, HttpFailure> {
        let followed = (0, "what is asked for is there or nowhere");
        self.follow(resource, domain, (deadline, now), followed)
            .await
    }

    /// Follows so many redirects; why the next one is not followed stands beside that.
    async fn follow(
        &self,
        Resource { host, mut target }: Resource,
        domain: &Domain,
        (deadline, now): (Instant, u64),
        (mut hops, enough): (usize, &'static str),
    ) -> Result<Got, HttpFailure> {
        loop {
            let hop = self.hop(&host, &target, domain, deadline);
            let (got, location) = match timeout_at(deadline, hop).await {
                Ok(done) => done?,
                Err(_) => return Err(HttpFailure::TooLate { host }),
            };
            let Some(location) = location else {
                return Ok(got.read(now));
            };
            let next = if hops == 0 {
                Err(enough)
            } else {
                followed(&host, &target, &location)
            };
            target = match next {
                Ok(target) => target,
                Err(reason) => return Err(redirect(host, &location, reason)),
            };
            hops = hops.saturating_sub(1);
        }
    }

    /// One connection and one answer, and where that leads.
    async fn hop(
        &self,
        host: &Domain,
        target: &str,
        domain: &Domain,
        deadline: Instant,
    ) -> Result<(Raw, Option<String>), HttpFailure> {
        let request = request(host, target).map_err(|source| HttpFailure::Request {
            host: host.clone(),
            source,
        })?;
        let connected = self.connector.connect(host, PORT, deadline).await?;
        let dns = self.connector.dns.as_ref();
        let associations = tls::associations(dns, (host, PORT), &connected).await?;
        let server = Server {
            host,
            domain,
            associations,
            may_be_of_domain: false,
            demand: Demand::Vouched,
        };
        let shaken = tls::handshake(connected.stream, &self.roots, server, deadline);
        let (stream, authentication) = shaken.await?;
        answered(stream, host, request, authentication).await
    }
}

/// What `octets` are as the answer of `host` to a request for `target`, without a network; and where it redirects to,
/// or why that is not followed.
pub async fn read_answer(
    octets: Vec<u8>,
    (host, target): (&Domain, &str),
    now: u64,
) -> Result<(Got, Option<Result<String, &'static str>>), HttpFailure> {
    let request = request(host, target).map_err(|source| HttpFailure::Request {
        host: host.clone(),
        source,
    })?;
    let stream = tokio::io::join(std::io::Cursor::new(octets), tokio::io::sink());
    let answered = answered(stream, host, request, Authentication::None).await?;
    let (raw, location) = answered;
    let location = location.map(|location| followed(host, target, &location));
    Ok((raw.read(now), location))
}

/// Sends the request over `stream`, and reads the answer, and where it leads.
async fn answered<S>(
    stream: S,
    host: &Domain,
    request: Request<Empty<Bytes>>,
    authentication: Authentication,
) -> Result<(Raw, Option<String>), HttpFailure>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (status, headers, body) = exchange(stream, host, request).await?;
    let location = headers
        .get(header::LOCATION)
        .filter(|_| is_redirect(status));
    let location = location.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let raw = Raw {
        status,
        headers,
        body,
        authentication,
    };
    Ok((raw, location))
}

/// An answer whose header is not read yet.
struct Raw {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    authentication: Authentication,
}

impl Raw {
    fn read(self, now: u64) -> Got {
        Got {
            status: self.status.as_u16(),
            lifetime: lifetime(&self.headers, now),
            retry_after: retry_after(&self.headers, now),
            media_type: media_type(&self.headers),
            body: self.body,
            authentication: self.authentication,
        }
    }
}

fn request(host: &Domain, target: &str) -> Result<Request<Empty<Bytes>>, http::Error> {
    Request::get(target)
        .header(header::HOST, host.as_str())
        .header(header::USER_AGENT, "domsec")
        .header(header::ACCEPT, "*/*")
        .header(header::ACCEPT_ENCODING, "identity")
        .header(header::CONNECTION, "close")
        .body(Empty::new())
}

/// Sends the request over `stream`, and reads the whole answer.
async fn exchange<S>(
    stream: S,
    host: &Domain,
    request: Request<Empty<Bytes>>,
) -> Result<(StatusCode, HeaderMap, Vec<u8>), HttpFailure>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let broken = |source| HttpFailure::Exchange {
        host: host.clone(),
        source,
    };
    let mut builder = http1::Builder::new();
    builder
        .max_buf_size(HEADER_OCTETS)
        .max_header_size(HEADER_OCTETS)
        .max_headers(HEADER_FIELDS);
    let (mut sender, connection) = builder
        .handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let answering = async {
        let response = sender.send_request(request).await.map_err(broken)?;
        read(host, response).await
    };
    tokio::pin!(answering);
    tokio::select! {
        biased;
        answer = &mut answering => return answer,
        // What went wrong with it is told to the answer, and what it had read is there.
        _ended = connection => {}
    }
    answering.await
}

async fn read(
    host: &Domain,
    response: Response<Incoming>,
) -> Result<(StatusCode, HeaderMap, Vec<u8>), HttpFailure> {
    let (head, mut incoming) = response.into_parts();
    if let Some(encoding) = head.headers.get(header::CONTENT_ENCODING)
        && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        return Err(HttpFailure::Encoded {
            host: host.clone(),
            encoding: String::from_utf8_lossy(encoding.as_bytes()).into_owned(),
        });
    }
    let said = usize::try_from(incoming.size_hint().lower()).unwrap_or(usize::MAX);
    check_body(said)?;
    let mut body = Vec::new();
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|source| HttpFailure::Exchange {
            host: host.clone(),
            source,
        })?;
        if let Some(octets) = frame.data_ref() {
            check_body(body.len().saturating_add(octets.len()))?;
            body.extend_from_slice(octets);
        }
    }
    Ok((head.status, head.headers, body))
}

fn check_body(octets: usize) -> Result<(), LimitError> {
    LimitError::check(
        "number of octets in the body of an HTTP answer",
        octets,
        BODY_OCTETS,
    )
}

fn redirect(host: Domain, location: &str, reason: &'static str) -> HttpFailure {
    let location = location.split('?').next().unwrap_or_default();
    HttpFailure::Redirect {
        host,
        location: location.chars().take(200).collect(),
        reason,
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The target on the same host to which `location` leads from `base` (RFC 9110 §10.2.2), or why it is not followed.
fn followed(host: &Domain, base: &str, location: &str) -> Result<String, &'static str> {
    const NO_URI: &str = "it is no URI";
    let location = location.split('#').next().unwrap_or_default();
    let target = if let Some(rest) = location.strip_prefix("//") {
        on_host(host, &format!("https://{rest}"))?
    } else if location.starts_with('/') {
        location.to_owned()
    } else if location.contains("://") {
        on_host(host, location)?
    } else {
        let path = base.split('?').next().unwrap_or_default();
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        match location.strip_prefix('?') {
            Some(query) => format!("{path}?{query}"),
            None => format!("{folder}/{location}"),
        }
    };
    let uri: Uri = target.parse().map_err(|_| NO_URI)?;
    let path_and_query = uri.path_and_query().ok_or(NO_URI)?;
    Ok(path_and_query.as_str().to_owned())
}

/// Path and query of an absolute URI on that host.
fn on_host(host: &Domain, location: &str) -> Result<String, &'static str> {
    let uri: Uri = location.parse().map_err(|_| "it is no URI")?;
    let parts = uri.into_parts();
    let is_https = parts.scheme == Some(http::uri::Scheme::HTTPS);
    let authority = parts.authority.ok_or("it has no host")?;
    let names = |name: &str| authority.as_str().eq_ignore_ascii_case(name);
    if !is_https {
        return Err("it is not of HTTPS");
    }
    if !names(host.as_str()) && !names(&format!("{host}:{PORT}")) {
        return Err("it is on another host or port");
    }
    let path = parts.path_and_query;
    Ok(path.map_or_else(|| "/".to_owned(), |path| path.as_str().to_owned()))
}

/// How long the answer may be kept (RFC 9111 §4.2), without any that it has been kept already.
fn lifetime(headers: &HeaderMap, now: u64) -> Option<Duration> {
    let directives = || {
        let values = headers.get_all(header::CACHE_CONTROL).iter();
        values.flat_map(|value| value.as_bytes().split(|octet| *octet == b','))
    };
    let mut max_age: Option<u64> = None;
    for directive in directives() {
        let text = String::from_utf8_lossy(directive)
            .trim()
            .to_ascii_lowercase();
        let (name, value) = text.split_once('=').unwrap_or((text.as_str(), ""));
        match name.trim() {
            "no-store" | "no-cache" => return Some(Duration::ZERO),
            // What is no number is the same as an answer that has lapsed (RFC 9111 §4.2.1).
            "max-age" => {
                let seconds = seconds(value.trim().trim_matches('"')).unwrap_or(0);
                max_age = Some(max_age.map_or(seconds, |least| least.min(seconds)));
            }
            _ => {}
        }
    }
    let fresh = match (max_age, headers.get(header::EXPIRES)) {
        (Some(seconds), _) => seconds,
        (None, Some(_)) => {
            let expires = date(headers, header::EXPIRES).unwrap_or(0);
            expires.saturating_sub(date(headers, header::DATE).unwrap_or(now))
        }
        (None, None) => return None,
    };
    let age = text(headers, header::AGE).and_then(seconds).unwrap_or(0);
    Some(Duration::from_secs(fresh.saturating_sub(age)))
}

/// The media type without its parameters.
fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = text(headers, header::CONTENT_TYPE)?;
    let essence = value.split_once(';').map_or(value, |(essence, _)| essence);
    Some(essence.trim().to_ascii_lowercase())
}

/// How long the host wants to be left alone (RFC 9110 §10.2.3).
fn retry_after(headers: &HeaderMap, now: u64) -> Option<Duration> {
    let delay = text(headers, header::RETRY_AFTER).and_then(seconds);
    let at = || Some(date(headers, header::RETRY_AFTER)?.saturating_sub(now));
    delay.or_else(at).map(Duration::from_secs)
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// delta-seconds (RFC 9111 §1.2.2), no more than its largest.
fn seconds(text: &str) -> Option<u64> {
    const MOST: u64 = 1 << 31;
    let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(MOST).min(MOST))
}

/// An HTTP-date as seconds since 1970; `None` for one before that, or for what is none.
fn date(headers: &HeaderMap, name: HeaderName) -> Option<u64> {
    let date = httpdate::parse_http_date(text(headers, name)?).ok()?;
    let since = date.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn kept(fields: &[(&'static str, &str)]) -> Option<u64> {
        lifetime(&headers(fields), NOW).map(|lifetime| lifetime.as_secs())
    }

    #[test]
    fn an_answer_is_kept_as_long_as_it_says() {
        assert_eq!(kept(&[]), None);
        assert_eq!(kept(&[("cache-control", "public, max-age=600")]), Some(600));
        assert_eq!(kept(&[("cache-control", "Max-Age=\"600\"")]), Some(600));
        let two = [
            ("cache-control", "max-age=600"),
            ("cache-control", "max-age=60"),
        ];
        assert_eq!(kept(&two), Some(60));
        let aged = [("cache-control", "max-age=600"), ("age", "500")];
        assert_eq!(kept(&aged), Some(100));
        let old = [("cache-control", "max-age=600"), ("age", "601")];
        assert_eq!(kept(&old), Some(0));
        for never in [
            "no-store",
            "max-age=600, no-cache",
            "max-age=soon",
            "max-age",
        ] {
            assert_eq!(kept(&[("cache-control", never)]), Some(0), "{never}");
        }
        let long = "max-age=99999999999999999999999";
        assert_eq!(kept(&[("cache-control", long)]), Some(1 << 31));
    }

    #[test]
    fn a_date_at_which_an_answer_lapses_counts_from_its_own() {
        let expires = ("expires", "Fri, 15 Jan 2027 08:10:00 GMT");
        assert_eq!(kept(&[expires]), Some(600));
        let date = ("date", "Fri, 15 Jan 2027 08:09:00 GMT");
        assert_eq!(kept(&[expires, date]), Some(60));
        // max-age is the stronger one (RFC 9111 §5.3).
        assert_eq!(kept(&[expires, ("cache-control", "max-age=5")]), Some(5));
        assert_eq!(kept(&[("expires", "0")]), Some(0));
    }

    #[test]
    fn a_host_says_in_two_ways_when_it_is_to_be_asked_again() {
        let after = |value| retry_after(&headers(&[("retry-after", value)]), NOW);
        assert_eq!(after("120"), Some(Duration::from_secs(120)));
        let date = "Fri, 15 Jan 2027 08:01:00 GMT";
        assert_eq!(after(date), Some(Duration::from_secs(60)));
        assert_eq!(after("soon"), None);
    }

    #[test]
    fn redirects_stay_on_scheme_host_and_port() {
        let host = "keys._mcek.b.example".parse().unwrap();
        let to = |location: &str| followed(&host, "/a/b?x=1", location);
        for (location, target) in [
            ("/c?x=2#there", "/c?x=2"),
            ("https://keys._mcek.b.example/c", "/c"),
            ("https://KEYS._mcek.b.example:443/c", "/c"),
            ("https://keys._mcek.b.example", "/"),
            ("//keys._mcek.b.example/c", "/c"),
            ("c", "/a/c"),
            ("?y=1", "/a/b?y=1"),
        ] {
            assert_eq!(to(location).as_deref(), Ok(target), "{location}");
        }
        for location in [
            "http://keys._mcek.b.example/c",
            "https://keys._mcek.b.example:8443/c",
            "https://keys._mcek.b.example.evil.example/c",
            "https://keys._mcek.b.example@evil.example/c",
            "https://evil@keys._mcek.b.example/c",
            "//evil.example/c",
            "https://127.0.0.1/",
            "file:///etc/passwd",
            "/\u{7f}\u{0}",
            "/a b",
        ] {
            assert!(to(location).is_err(), "{location}: {:?}", to(location));
        }
    }
}
