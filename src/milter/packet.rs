//! Frames: a length of four octets, then a command and its data.

use crate::limits::LimitError;

/// The longest packet that is read, its command included.
///
/// A header field is one packet: Postfix cuts at `header_size_limit`, 102,400 octets by default, and
/// Sendmail at `MaxHeadersLength`. Body chunks have at most 65,535 octets, since we never ask for more.
pub const LONGEST_PACKET: usize = 1024 * 1024;

/// What remains of the stream after a read; holds no memory between packets.
#[derive(Debug, Default)]
pub struct Framer {
    octets: Vec<u8>,
    /// What was taken already.
    at: usize,
}

impl Framer {
    /// Takes what was read.
    pub fn push(&mut self, octets: &[u8]) {
        if self.at > 0 {
            self.octets.drain(..self.at);
            self.at = 0;
        }
        self.octets.extend_from_slice(octets);
    }

    /// The next whole packet: command and data. `None` until more is read.
    ///
    /// Fails when a packet says that it is longer than [`LONGEST_PACKET`], before it is read.
    pub fn next_packet(&mut self) -> Result<Option<Packet<'_>>, LimitError> {
        let rest = self.octets.get(self.at..).unwrap_or_default();
        let Some((length, rest)) = rest.split_first_chunk::<4>() else {
            self.release();
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        LimitError::check("length of a milter packet", length, LONGEST_PACKET)?;
        if rest.len() < length {
            return Ok(None);
        }
        let start = self.at + 4;
        self.at = start + length;
        let packet = self.octets.get(start..self.at).unwrap_or_default();
        // A packet of no octets has no command: zero is none.
        let (command, data) = packet.split_first().unwrap_or((&0, &[]));
        Ok(Some(Packet {
            command: *command,
            data,
        }))
    }

    /// How many octets wait for the rest of their packet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.octets.len().saturating_sub(self.at)
    }

    /// An idle connection costs no buffer.
    fn release(&mut self) {
        if self.pending() == 0 {
            self.octets = Vec::new();
            self.at = 0;
        }
    }
}

/// One packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The command's letter.
    pub command: u8,
    /// What follows it.
    pub data: &'a [u8],
}

/// Appends a packet of `command` and `parts` to `output`.
pub fn write(output: &mut Vec<u8>, command: u8, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let length = u32::try_from(length + 1).unwrap_or(u32::MAX);
    output.extend_from_slice(&length.to_be_bytes());
    output.push(command);
    for part in parts {
        output.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_the_same_however_they_are_cut() {
        let mut stream = Vec::new();
        write(&mut stream, b'H', &[b"mx.example\0"]);
        write(&mut stream, b'Q', &[]);
        for cut in 1..stream.len() {
            let mut framer = Framer::default();
            let mut seen = Vec::new();
            for piece in stream.chunks(cut) {
                framer.push(piece);
                while let Some(packet) = framer.next_packet().unwrap() {
                    seen.push((packet.command, packet.data.to_vec()));
                }
            }
            let want = vec![(b'H', b"mx.example\0".to_vec()), (b'Q', Vec::new())];
            assert_eq!(seen, want, "cut at {cut}");
            assert_eq!(framer.pending(), 0);
        }
    }

    #[test]
    fn a_packet_that_says_it_is_too_long_is_refused_before_it_is_read() {
        let mut framer = Framer::default();
        framer.push(&[0xff, 0xff, 0xff, 0xff, b'B']);
        assert_eq!(
            framer.next_packet().unwrap_err().to_string(),
            "length of a milter packet is 4294967295, more than the limit of 1048576"
        );
    }

    #[test]
    fn nothing_is_held_between_packets() {
        let mut framer = Framer::default();
        let mut stream = Vec::new();
        write(&mut stream, b'B', &[&[b'x'; 60_000]]);
        framer.push(&stream);
        assert!(framer.next_packet().unwrap().is_some());
        assert!(framer.next_packet().unwrap().is_none());
        assert_eq!(framer.octets.capacity(), 0);
    }
}
