//! `smtp:` and `submit:` URIs (draft §6), and the domains that certificates name (draft §2.6).
//!
//! A URI may be well-formed and still name no domain: userinfo, a port, a path, a query, a wildcard
//! or an address make it an endpoint, and §2.6 has no use for endpoints.

use std::fmt;
use std::str::FromStr;

/// The scheme of a [`MailUri`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// `smtp`: an MTA (draft §6.1).
    Smtp,
    /// `submit`: an MSA (draft §6.2).
    Submit,
}

impl Scheme {
    /// The port where the URI names none (draft §6).
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Smtp => 25,
            Self::Submit => 587,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Smtp => "smtp",
            Self::Submit => "submit",
        })
    }
}

/// A `smtp:` or `submit:` URI.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MailUri {
    scheme: Scheme,
    userinfo: Option<String>,
    host: String,
    port: Option<u16>,
    path: String,
    query: Option<String>,
}

/// Why a text is no [`MailUri`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// Another scheme, or none.
    #[error("URI {0:?} has neither the scheme smtp nor submit")]
    Scheme(String),
    /// An octet that no URI contains (RFC 3986 §2).
    #[error("URI {0:?} has a character that must be percent-encoded")]
    Character(String),
    /// No authority, or no host in it (RFC 3986 §3.2).
    #[error("URI {0:?} names no host")]
    Host(String),
    /// The port is no number below 65536.
    #[error("port of URI {0:?} is not a number up to 65535")]
    Port(String),
    /// Something other than a query stands after the authority's slash, or a fragment is there (draft §6).
    #[error("URI {0:?} has a path or fragment")]
    Path(String),
}

impl MailUri {
    /// Its scheme.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Its host in lower case: a name, or an address (in brackets when IPv6).
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its port, or the scheme's.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or_else(|| self.scheme.default_port())
    }

    /// The domain that a certificate with this URI is for, in lower case (draft §2.6).
    ///
    /// `None` unless the URI is a scheme and a fully-qualified domain and nothing else, not even a
    /// slash (DESIGN, decision 12).
    #[must_use]
    pub fn domain(&self) -> Option<&str> {
        let bare = self.userinfo.is_none()
            && self.port.is_none()
            && self.path.is_empty()
            && self.query.is_none();
        (bare && is_fully_qualified(&self.host)).then_some(self.host.as_str())
    }
}

impl FromStr for MailUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let fail = |error: fn(String) -> UriError| error(text.to_owned());
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| fail(UriError::Scheme))?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "smtp" => Scheme::Smtp,
            "submit" => Scheme::Submit,
            _ => return Err(fail(UriError::Scheme)),
        };
        if !rest.bytes().all(is_uri_octet) {
            return Err(fail(UriError::Character));
        }
        let authority = Authority::of(rest);
        if authority.host.is_empty() {
            return Err(fail(UriError::Host));
        }
        let port = match authority.port {
            None => None,
            Some(digits) => Some(port(digits).ok_or_else(|| fail(UriError::Port))?),
        };
        let (path, query) = match authority.rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (authority.rest, None),
        };
        // smtpuri = "smtp://" authority ["/" ["?" query]]
        if !matches!((path, query), ("/", _) | ("", None)) || authority.rest.contains('#') {
            return Err(fail(UriError::Path));
        }
        Ok(Self {
            scheme,
            userinfo: authority.userinfo.map(str::to_owned),
            host: authority.host.to_ascii_lowercase(),
            port,
            path: path.to_owned(),
            query: query.map(str::to_owned),
        })
    }
}

impl fmt::Display for MailUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme)?;
        if let Some(userinfo) = &self.userinfo {
            write!(f, "{userinfo}@")?;
        }
        f.write_str(&self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str(&self.path)?;
        if let Some(query) = &self.query {
            write!(f, "?{query}")?;
        }
        Ok(())
    }
}

/// The host of a URI of any scheme, `None` when it has no authority or an empty host (RFC 3986 §3.2.2).
#[must_use]
pub fn host(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once("://")?;
    let named = !scheme.is_empty() && !scheme.contains(['/', '?', '#']);
    let host = Authority::of(rest).host;
    (named && !host.is_empty()).then_some(host)
}

/// Whether `text` is a fully-qualified domain name: at least two labels, no wildcard, no address,
/// no dot at the end.
#[must_use]
pub fn is_fully_qualified(text: &str) -> bool {
    // RFC 1035 §2.3.4: 255 octets on the wire are 253 in text; labels have at most 63.
    if text.len() > 253 || !text.contains('.') {
        return false;
    }
    let labels_good = text.split('.').all(|label| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_')
    });
    // RFC 3696 §2: top-level domains are not all-numeric, so this is an IPv4 address or a typing error.
    let numeric_end = text
        .rsplit('.')
        .next()
        .is_some_and(|label| label.bytes().all(|octet| octet.is_ascii_digit()));
    labels_good && !numeric_end
}

/// The parts of what follows `://`.
struct Authority<'a> {
    userinfo: Option<&'a str>,
    host: &'a str,
    port: Option<&'a str>,
    /// Path, query and fragment.
    rest: &'a str,
}

impl<'a> Authority<'a> {
    fn of(text: &'a str) -> Self {
        let end = text.find(['/', '?', '#']).unwrap_or(text.len());
        let (authority, rest) = text.split_at_checked(end).unwrap_or((text, ""));
        let (userinfo, endpoint) = match authority.rsplit_once('@') {
            Some((userinfo, endpoint)) => (Some(userinfo), endpoint),
            None => (None, authority),
        };
        let (host, port) = match endpoint.rsplit_once(':') {
            // The colons of an IPv6 address are inside the brackets.
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (endpoint, None),
        };
        Self {
            userinfo,
            host,
            port,
            rest,
        }
    }
}

fn port(digits: &str) -> Option<u16> {
    digits
        .bytes()
        .all(|octet| octet.is_ascii_digit())
        .then(|| digits.parse().ok())
        .flatten()
}

/// RFC 3986 §2: unreserved, reserved, and the percent sign.
const fn is_uri_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || matches!(
            octet,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'%'
                | b':'
                | b'/'
                | b'?'
                | b'#'
                | b'['
                | b']'
                | b'@'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_and_a_domain_name_the_domain() {
        let uri: MailUri = "SMTP://Mail.Example.COM".parse().unwrap();
        assert_eq!(uri.scheme(), Scheme::Smtp);
        assert_eq!(uri.domain(), Some("mail.example.com"));
        assert_eq!(uri.port(), 25);
        let uri: MailUri = "submit://a.example".parse().unwrap();
        assert_eq!(
            (uri.scheme(), uri.domain()),
            (Scheme::Submit, Some("a.example"))
        );
        assert_eq!(uri.port(), 587);
    }

    #[test]
    fn anything_beside_the_host_makes_it_no_name() {
        for text in [
            "smtp://user@a.example",
            "smtp://@a.example",
            "smtp://a.example:25",
            "smtp://a.example/",
            "smtp://a.example/?x",
            "smtp://*.a.example",
            "smtp://192.0.2.1",
            "smtp://[2001:db8::1]",
            "smtp://a.example.",
            "smtp://localhost",
            "smtp://a..example",
            "smtp://%61.example",
            "smtp://-a.example",
        ] {
            let uri: MailUri = text.parse().unwrap();
            assert_eq!(uri.domain(), None, "{text}");
            assert_eq!(uri.to_string(), text);
        }
    }

    #[test]
    fn what_draft_section_6_does_not_allow_is_refused() {
        let parse = |text: &str| text.parse::<MailUri>().unwrap_err();
        assert!(matches!(parse("https://a.example"), UriError::Scheme(_)));
        assert!(matches!(parse("smtp:a.example"), UriError::Scheme(_)));
        assert!(matches!(parse("smtp://"), UriError::Host(_)));
        assert!(matches!(parse("smtp://:25"), UriError::Host(_)));
        assert!(matches!(parse("smtp://a.example:"), UriError::Port(_)));
        assert!(matches!(parse("smtp://a.example:+25"), UriError::Port(_)));
        assert!(matches!(parse("smtp://a.example:70000"), UriError::Port(_)));
        assert!(matches!(parse("smtp://a.example/inbox"), UriError::Path(_)));
        assert!(matches!(parse("smtp://a.example?x"), UriError::Path(_)));
        assert!(matches!(parse("smtp://a.example/#x"), UriError::Path(_)));
        assert!(matches!(parse("smtp://ä.example"), UriError::Character(_)));
        assert!(matches!(
            parse("smtp://a.example\0.b"),
            UriError::Character(_)
        ));
    }

    #[test]
    fn the_host_of_any_uri_is_found() {
        assert_eq!(host("http://u:p@a.example:80/x?y#z"), Some("a.example"));
        assert_eq!(host("ldap://[2001:db8::1]:389/"), Some("[2001:db8::1]"));
        assert_eq!(host("mailto:a@b.example"), None);
        assert_eq!(host("file:///etc"), None);
        assert_eq!(host("/x://a.example"), None);
    }
}
