//! The extensions that a server offers in its answer to EHLO (RFC 5321 §4.1.1.1).

use super::ServerReply;

/// What a server offers, as far as we use it. Nothing, where it answers HELO alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// 8BITMIME (RFC 6152).
    pub eight_bit_mime: bool,
    /// CERS: a recipient's certificate with its chain ("X.509 Certificate Service Extension for SMTP Servers").
    pub cers: bool,
    /// CERT: a recipient's certificate (the same).
    pub cert: bool,
    /// DSN (RFC 3461).
    pub dsn: bool,
    /// ENHANCEDSTATUSCODES (RFC 2034); [`ServerReply::status`] tells them by their form.
    pub enhanced_status_codes: bool,
    /// GETK: a recipient's public key ("Public Key Look Up", list ietf-smtp, 8 May 2021).
    pub getk: bool,
    /// PIPELINING (RFC 2920).
    pub pipelining: bool,
    /// PKEY: the other name that is proposed for GETK.
    pub pkey: bool,
    /// SIZE (RFC 1870).
    pub size: Option<Size>,
    /// SMTPUTF8 (RFC 6531).
    pub smtp_utf8: bool,
    /// STARTTLS (RFC 3207).
    pub start_tls: bool,
}

/// The longest message that a server takes (RFC 1870 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// So many octets.
    Fixed(u64),
    /// No number is given, or zero: no fixed maximum.
    Unstated,
}

impl Extensions {
    /// What the lines of `reply` offer after the first, which is the server's name.
    #[must_use]
    pub fn of(reply: &ServerReply) -> Self {
        let mut extensions = Self::default();
        for line in reply.lines().iter().skip(1) {
            let mut words = line.split(' ').filter(|word| !word.is_empty());
            let keyword = words.next().unwrap_or("").to_ascii_uppercase();
            match keyword.as_str() {
                "8BITMIME" => extensions.eight_bit_mime = true,
                "CERS" => extensions.cers = true,
                "CERT" => extensions.cert = true,
                "DSN" => extensions.dsn = true,
                "ENHANCEDSTATUSCODES" => extensions.enhanced_status_codes = true,
                "GETK" => extensions.getk = true,
                "PIPELINING" => extensions.pipelining = true,
                "PKEY" => extensions.pkey = true,
                "SIZE" => extensions.size = Some(Size::of(words.next())),
                "SMTPUTF8" => extensions.smtp_utf8 = true,
                "STARTTLS" => extensions.start_tls = true,
                _ => {}
            }
        }
        extensions
    }
}

impl Size {
    /// What is no number counts as none: the server then judges MAIL's SIZE itself.
    fn of(parameter: Option<&str>) -> Self {
        match parameter.and_then(|digits| digits.parse().ok()) {
            None | Some(0) => Self::Unstated,
            Some(octets) => Self::Fixed(octets),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reply::ReplyReader;
    use super::*;

    fn offered(lines: &str) -> Extensions {
        let mut reader = ReplyReader::default();
        reader.handle_octets(lines.as_bytes());
        Extensions::of(&reader.next_reply().unwrap().unwrap())
    }

    #[test]
    fn keywords_are_read_in_any_case_and_unknown_ones_are_passed_over() {
        let all = offered(
            "250-mx.b.example PIPELINING DSN\r\n250-8bitmime\r\n250-AUTH PLAIN\r\n250-Size 100\r\n\
             250-SMTPUTF8\r\n250-STARTTLS\r\n250-ENHANCEDSTATUSCODES\r\n250 DSN\r\n",
        );
        let size = Some(Size::Fixed(100));
        assert_eq!(
            all,
            Extensions {
                eight_bit_mime: true,
                dsn: true,
                enhanced_status_codes: true,
                pipelining: false,
                size,
                smtp_utf8: true,
                start_tls: true,
                ..Extensions::default()
            }
        );
        let certificates =
            offered("250-b.example\r\n250-cert\r\n250-CERS\r\n250-GETK\r\n250 PKEY\r\n");
        assert_eq!(
            certificates,
            Extensions {
                cers: true,
                cert: true,
                getk: true,
                pkey: true,
                ..Extensions::default()
            }
        );
        assert_eq!(offered("250 PIPELINING\r\n"), Extensions::default());
    }

    #[test]
    fn a_size_of_zero_or_without_a_number_is_no_maximum() {
        for line in [
            "SIZE",
            "SIZE 0",
            "SIZE many",
            "SIZE 99999999999999999999999",
        ] {
            let extensions = offered(&format!("250-b.example\r\n250 {line}\r\n"));
            assert_eq!(extensions.size, Some(Size::Unstated), "{line}");
        }
    }
}
