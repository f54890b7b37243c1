//! The octets that were signed, where a message is stored with other line ends (RFC 8551 §3.1.1).
//!
//! Signers sign CRLF. A message with LF alone comes from a store of Unix, so CR is put back; what has
//! any CR is taken octet for octet.

use std::io;

use memchr::memchr;

use super::scan::Scan;
use crate::octets::Octets;
use crate::octets::View;

/// A part as its signer saw it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Canonical {
    /// The octets as they are.
    AsIs(View),
    /// Every LF stands for CRLF.
    LineFeeds(View),
}

impl Canonical {
    /// How `part` is to be digested.
    pub fn of(part: &View) -> io::Result<Self> {
        Ok(if Scan::of(part)?.has_line_feeds_alone() {
            Self::LineFeeds(part.clone())
        } else {
            Self::AsIs(part.clone())
        })
    }

    /// Whether CR was put before each LF, so that the octets are not those of the message.
    #[must_use]
    pub fn is_converted(&self) -> bool {
        matches!(self, Self::LineFeeds(_))
    }

    /// Hands the canonical octets in order to `visit`.
    pub fn windows<E: From<io::Error>>(
        &self,
        mut visit: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let part = match self {
            Self::AsIs(part) => return part.windows(visit),
            Self::LineFeeds(part) => part,
        };
        let mut converted = Vec::with_capacity(part.len().min(1 << 17).try_into().unwrap_or(0));
        part.windows(|window| {
            converted.clear();
            let mut rest = window;
            while let Some(feed) = memchr(b'\n', rest) {
                let (line, after) = rest.split_at(feed);
                converted.extend_from_slice(line);
                converted.extend_from_slice(b"\r\n");
                rest = after.get(1..).unwrap_or_default();
            }
            converted.extend_from_slice(rest);
            visit(&converted)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::window::both;

    #[test]
    fn only_a_part_without_any_cr_is_converted() {
        for (text, canonical, converted) in [
            ("a\nb\n\n", "a\r\nb\r\n\r\n", true),
            ("a\r\nb\n", "a\r\nb\n", false),
            ("a\rb\n", "a\rb\n", false),
            ("a\r\n", "a\r\n", false),
            ("a", "a", false),
        ] {
            for view in both(text.as_bytes()) {
                let part = Canonical::of(&view).unwrap();
                let mut octets = Vec::new();
                part.windows(|window| {
                    octets.extend_from_slice(window);
                    Ok::<_, io::Error>(())
                })
                .unwrap();
                assert_eq!(
                    (octets.as_slice(), part.is_converted()),
                    (canonical.as_bytes(), converted)
                );
            }
        }
    }
}
