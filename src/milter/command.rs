//! What the MTA says: packets read as commands.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

use super::options::Options;
use super::packet::Packet;

/// One command of the MTA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// The message at hand is gone; the connection stays.
    Abort,
    /// A piece of the body.
    Body(&'a [u8]),
    /// A client; no address where there is none.
    Connect(Option<IpAddr>),
    /// DATA.
    Data,
    /// The header has ended.
    EndOfHeader,
    /// The message has ended, after this last piece of it.
    EndOfMessage(&'a [u8]),
    /// A header field: name, and value.
    Header(&'a [u8], &'a [u8]),
    /// HELO or EHLO.
    Helo(&'a [u8]),
    /// Macros for the stage of a command: names and values, in turn.
    Macros(u8, Vec<&'a [u8]>),
    /// MAIL: the address as it was given, and ESMTP parameters.
    Mail(&'a [u8], Vec<&'a [u8]>),
    /// What the MTA offers.
    Negotiate(Options),
    /// The connection ends.
    Quit,
    /// The client has gone; another one follows on the same connection.
    QuitNewConnection,
    /// RCPT: the address as it was given, and ESMTP parameters.
    Recipient(&'a [u8], Vec<&'a [u8]>),
    /// A command that the MTA does not know.
    Unknown,
}

/// What cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// No such command.
    #[error("the MTA sent the milter command {:?}, which there is not", char::from(*.0))]
    Letter(u8),
    /// Its data are not what they must be.
    #[error("the data of the MTA's milter command {:?} are malformed: {reason}", char::from(*.letter))]
    Malformed {
        /// The command.
        letter: u8,
        /// Why.
        reason: &'static str,
    },
}

impl<'a> Command<'a> {
    /// Reads a packet.
    pub fn decode(packet: Packet<'a>) -> Result<Self, CommandError> {
        let data = packet.data;
        let malformed = |reason| CommandError::Malformed {
            letter: packet.command,
            reason,
        };
        match packet.command {
            b'A' => Ok(Self::Abort),
            b'B' => Ok(Self::Body(data)),
            b'C' => client(data).map(Self::Connect).map_err(malformed),
            b'D' => {
                let (stage, rest) = data.split_first().ok_or_else(|| malformed("it is empty"))?;
                let strings = strings(rest).map_err(malformed)?;
                if strings.len() % 2 != 0 {
                    return Err(malformed("a macro has no value"));
                }
                Ok(Self::Macros(*stage, strings))
            }
            b'E' => Ok(Self::EndOfMessage(data)),
            b'H' => Ok(Self::Helo(string(data).map_err(malformed)?)),
            b'K' => Ok(Self::QuitNewConnection),
            b'L' => match strings(data).map_err(malformed)?.as_slice() {
                [name, value] if !name.is_empty() => Ok(Self::Header(name, value)),
                _ => Err(malformed("it is no name and value")),
            },
            b'M' => {
                let (address, parameters) = address(data).map_err(malformed)?;
                Ok(Self::Mail(address, parameters))
            }
            b'N' => Ok(Self::EndOfHeader),
            b'O' => match data.as_chunks::<4>() {
                ([version, actions, protocol, ..], _) => Ok(Self::Negotiate(Options {
                    version: u32::from_be_bytes(*version),
                    actions: u32::from_be_bytes(*actions),
                    protocol: u32::from_be_bytes(*protocol),
                })),
                _ => Err(malformed("it has fewer than 12 octets")),
            },
            b'Q' => Ok(Self::Quit),
            b'R' => {
                let (address, parameters) = address(data).map_err(malformed)?;
                Ok(Self::Recipient(address, parameters))
            }
            b'T' => Ok(Self::Data),
            b'U' => Ok(Self::Unknown),
            other => Err(CommandError::Letter(other)),
        }
    }

    /// Its letter.
    #[must_use]
    pub const fn letter(&self) -> u8 {
        match self {
            Self::Abort => b'A',
            Self::Body(_) => b'B',
            Self::Connect(_) => b'C',
            Self::Data => b'T',
            Self::EndOfHeader => b'N',
            Self::EndOfMessage(_) => b'E',
            Self::Header(..) => b'L',
            Self::Helo(_) => b'H',
            Self::Macros(..) => b'D',
            Self::Mail(..) => b'M',
            Self::Negotiate(_) => b'O',
            Self::Quit => b'Q',
            Self::QuitNewConnection => b'K',
            Self::Recipient(..) => b'R',
            Self::Unknown => b'U',
        }
    }
}

/// Strings that each end with NUL.
fn strings(data: &[u8]) -> Result<Vec<&[u8]>, &'static str> {
    let Some(data) = data.strip_suffix(b"\0") else {
        return if data.is_empty() {
            Ok(Vec::new())
        } else {
            Err("its last string does not end")
        };
    };
    Ok(data.split(|octet| *octet == 0).collect())
}

/// A string that ends with NUL, and nothing after it.
fn string(data: &[u8]) -> Result<&[u8], &'static str> {
    match strings(data)?.as_slice() {
        [only] => Ok(only),
        _ => Err("it is not one string"),
    }
}

fn address(data: &[u8]) -> Result<(&[u8], Vec<&[u8]>), &'static str> {
    let mut strings = strings(data)?;
    if strings.is_empty() {
        return Err("it has no address");
    }
    let address = strings.remove(0);
    Ok((address, strings))
}

/// Host name, family, port and address of the client.
fn client(data: &[u8]) -> Result<Option<IpAddr>, &'static str> {
    let end = data.iter().position(|octet| *octet == 0);
    let (_, rest) = end
        .and_then(|end| data.split_at_checked(end + 1))
        .ok_or("its host name does not end")?;
    match rest {
        // A unix socket, or nothing known.
        [b'U' | b'L', ..] => Ok(None),
        [family @ (b'4' | b'6'), _, _, address @ ..] => {
            let text = str::from_utf8(string(address)?).map_err(|_| "its address is no text")?;
            // Sendmail writes IPv6 addresses with this tag, as in RFC 5321 §4.1.3.
            let text = text
                .strip_prefix("IPv6:")
                .or_else(|| text.strip_prefix("IPV6:"))
                .unwrap_or(text);
            let parsed = match family {
                b'4' => text.parse::<Ipv4Addr>().map(IpAddr::V4),
                _ => text.parse::<Ipv6Addr>().map(IpAddr::V6),
            };
            parsed.map(Some).map_err(|_| "its address is none")
        }
        _ => Err("its family is none of U, L, 4 and 6"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(command: u8, data: &[u8]) -> Result<Command<'_>, CommandError> {
        Command::decode(Packet { command, data })
    }

    #[test]
    fn clients_are_read_by_family() {
        for (data, want) in [
            (&b"mx\x004\x00\x19192.0.2.1\0"[..], Some("192.0.2.1")),
            (b"mx\x006\x00\x192001:db8::1\0", Some("2001:db8::1")),
            (b"mx\x006\x00\x19IPv6:2001:db8::1\0", Some("2001:db8::1")),
            (b"localhost\0U", None),
            (b"localhost\0L\0\0/run/x\0", None),
        ] {
            let want = want.map(|text| text.parse().unwrap());
            assert_eq!(decode(b'C', data), Ok(Command::Connect(want)));
        }
    }

    #[test]
    fn what_is_malformed_names_the_command() {
        for (command, data) in [
            (b'C', &b"mx"[..]),
            (b'C', b"mx\0"),
            (b'C', b"mx\x005\0\0x\0"),
            (b'C', b"mx\x004\x00\x19999.0.2.1\0"),
            (b'D', b""),
            (b'D', b"Mi\0"),
            (b'D', b"Mi\0x"),
            (b'H', b"mx"),
            (b'H', b"mx\0y\0"),
            (b'L', b"Subject\0"),
            (b'L', b"\0x\0"),
            (b'L', b"a\0b\0c\0"),
            (b'M', b""),
            (b'O', b"\0\0\0\x06"),
            (b'R', b"<a@b.example>"),
        ] {
            let error = decode(command, data).unwrap_err();
            let named =
                matches!(error, CommandError::Malformed { letter, .. } if letter == command);
            assert!(named, "{error}");
        }
        let unknown = decode(b'x', b"").unwrap_err();
        assert_eq!(
            unknown.to_string(),
            "the MTA sent the milter command 'x', which there is not"
        );
    }

    #[test]
    fn esmtp_parameters_follow_the_address() {
        let command = decode(b'M', b"<a@b.example>\0SIZE=10\0RET=HDRS\0").unwrap();
        let want: Vec<&[u8]> = vec![b"SIZE=10", b"RET=HDRS"];
        assert_eq!(command, Command::Mail(b"<a@b.example>", want));
    }
}
