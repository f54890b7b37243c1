//! The message that is sent, and how the answer shows that the milter has done its work.

/// Who gets it, and with him what kind of key it is encrypted to: Bob has RSA-2048, Carol P-256.
#[derive(Clone, Copy)]
pub(crate) enum Reader {
    Bob,
    Carol,
}

impl Reader {
    pub(crate) const fn address(self) -> &'static str {
        match self {
            Self::Bob => "bob@b.example",
            Self::Carol => "carol@b.example",
        }
    }
}

/// One message, as an MTA hands it over.
pub(crate) struct Message {
    pub(crate) reader: Reader,
    /// Names and values of its fields.
    pub(crate) header: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// Text of `octets` octets, in lines of 78.
    pub(crate) fn of(octets: usize, reader: Reader) -> Self {
        let line =
            b"The quick brown fox jumps over the lazy dog, and then it does so once more.\r\n";
        let mut body: Vec<u8> = line.iter().copied().cycle().take(octets).collect();
        body.truncate(octets.saturating_sub(2));
        body.extend_from_slice(b"\r\n");
        let header = [
            (
                "Received",
                "from pc.a.example by mx.a.example; Fri, 1 May 2026 12:00:00 +0000",
            ),
            ("Date", "Fri, 1 May 2026 12:00:00 +0000"),
            ("From", "Alice <alice@a.example>"),
            ("To", reader.address()),
            ("Subject", "a message for the bench"),
            ("Message-ID", "<load@a.example>"),
            ("User-Agent", "load"),
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "7bit"),
        ];
        Self {
            reader,
            header: header.map(|(name, value)| (name, value.to_owned())).into(),
            body,
        }
    }
}

/// What the answer must bring.
#[derive(Clone, Copy)]
pub(crate) enum Change {
    /// A DKIM-Signature field, and the body as it was.
    Dkim,
    /// This S/MIME type (RFC 8551 §3.2.2), and a body of base64 that is longer than the old one.
    Smime(&'static str),
}

/// All that an answer has changed.
#[derive(Default)]
pub(crate) struct Answer {
    /// Fields that were added, inserted or changed: name, zero, value, zero.
    pub(crate) fields: Vec<Vec<u8>>,
    /// The first octets of the new body.
    pub(crate) body: Vec<u8>,
    pub(crate) body_octets: usize,
}

impl Answer {
    /// What is missing in it.
    pub(crate) fn missing(&self, message: &Message, change: Change) -> Option<&'static str> {
        let has = |name: &[u8], part: &[u8]| {
            self.fields.iter().any(|field| {
                let value = field.strip_prefix(name).unwrap_or_default();
                memchr::memmem::find(value, part).is_some()
            })
        };
        match change {
            Change::Dkim if !has(b"DKIM-Signature\0", b"b=") => Some("a DKIM-Signature"),
            Change::Dkim if self.body_octets > 0 => Some("the body as it was"),
            Change::Smime(kind) if !has(b"Content-Type\0", kind.as_bytes()) => Some(kind),
            // A SEQUENCE of many octets, in base64.
            Change::Smime(_) if !self.body.starts_with(b"MI") => Some("a body that is CMS"),
            Change::Smime(_) if self.body_octets <= message.body.len() => Some("the whole body"),
            Change::Dkim | Change::Smime(_) => None,
        }
    }
}
