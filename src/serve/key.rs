//! By what a message is known again when the MTA offers it once more (DESIGN, "Outcome").
//!
//! Sender and original message, but for the fields that an MTA writes anew for each attempt. What is
//! left out wrongly could take two messages for one, and lose the second; what is kept wrongly sends one
//! message twice. Hence a field is left out only where the MTA has written it.

use std::io;

use super::journal::Key;
use crate::address::Mailbox;
use crate::crypto;
use crate::limits::Limits;
use crate::mime::header::Field;
use crate::mime::header::Header;
use crate::octets::Octets;
use crate::octets::View;

/// A message as the MTA offers it.
#[derive(Clone, Debug)]
pub struct Offer {
    /// MAIL FROM.
    pub sender: Option<Mailbox>,
    /// All of it.
    pub message: View,
    /// The MTA's queue identifier.
    pub queue_id: Option<String>,
}

impl Offer {
    /// The digest of it, without its recipients. `None` where its header cannot be read.
    pub fn key(&self, limits: &Limits) -> io::Result<Option<Key>> {
        let Ok((header, body)) = Header::parse(&self.message, limits) else {
            return Ok(None);
        };
        let written = Written::of(&header, self.queue_id.as_deref());
        let mut place = 0_usize;
        let kept = header.raw_of(|field| {
            place += 1;
            !written.by_mta(field, place)
        });
        let digests = crypto::provider().digests;
        let Ok(mut digester) = digests.start(crypto::DigestAlgorithm::Sha256) else {
            return Ok(None);
        };
        let rest = self.message.slice(body..self.message.len());
        rest.windows::<io::Error>(|window| {
            digester.update(window);
            Ok(())
        })?;
        let body = digester.finish();
        let sender = self.sender.as_ref().map(ToString::to_string);
        let sender = sender.unwrap_or_default();
        Ok(crypto::sha256(digests, &[sender.as_bytes(), &kept, &body]))
    }
}

/// The key for one recipient of the message with that key.
#[must_use]
pub fn of_recipient(message: &Key, recipient: &str) -> Option<Key> {
    crypto::sha256(crypto::provider().digests, &[message, recipient.as_bytes()])
}

/// The key for the report that one recipient of that message is refused.
#[must_use]
pub fn of_report(message: &Key, recipient: &str) -> Option<Key> {
    crypto::sha256(
        crypto::provider().digests,
        &[message, b"report ", recipient.as_bytes()],
    )
}

/// Who has written Message-ID and Date. Where they are missing, Postfix adds them at the end of the
/// header, in this order, before it shows that to a milter; its Message-ID holds the queue identifier.
enum MessageId {
    /// The client: it tells the message from all others, whatever Date says.
    Client,
    /// The MTA; the place in the header.
    Mta(usize),
    /// Nobody.
    None,
}

struct Written(MessageId);

impl Written {
    fn of(header: &Header, queue_id: Option<&str>) -> Self {
        let mut fields = header.fields().zip(1_usize..);
        let Some((field, place)) = fields.find(|(field, _)| field.is("Message-ID")) else {
            return Self(MessageId::None);
        };
        let holds = |id: &str| !id.is_empty() && field.text().contains(id);
        Self(match queue_id.is_some_and(holds) {
            true => MessageId::Mta(place),
            false => MessageId::Client,
        })
    }

    /// Whether the MTA has written the field at `place`, counted from 1, or would if it were missing.
    fn by_mta(&self, field: &Field<'_>, place: usize) -> bool {
        if field.is("Received") {
            return true;
        }
        match self.0 {
            MessageId::Client => field.is("Date"),
            MessageId::Mta(id) => place == id || (place > id && field.is("Date")),
            MessageId::None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(header: &str, queue_id: &str) -> Key {
        let text = format!("{header}\r\n\r\nbody\r\n");
        let offer = Offer {
            sender: Some("alice@a.example".parse().unwrap()),
            message: View::owned(text.into_bytes()),
            queue_id: Some(queue_id.to_owned()),
        };
        offer.key(&Limits::default()).unwrap().unwrap()
    }

    #[test]
    fn what_an_mta_writes_anew_for_each_attempt_does_not_count() {
        for (name, first, second) in [
            (
                "trace",
                "Received: a\r\nFrom: x\r\nDate: 1",
                "Received: b\r\nReceived: c\r\nFrom: x\r\nDate: 1",
            ),
            (
                "Date and Message-ID",
                "From: x\r\nMessage-Id: <2026.4Q@mx>\r\nDate: 1",
                "From: x\r\nMessage-Id: <2027.5Q@mx>\r\nDate: 2",
            ),
            (
                "Date alone",
                "Message-ID: <1@client>\r\nFrom: x\r\nDate: 1",
                "Message-ID: <1@client>\r\nFrom: x\r\nDate: 2",
            ),
            (
                "Message-ID alone",
                "Date: 1\r\nFrom: x\r\nMessage-Id: <2026.4Q@mx>",
                "Date: 1\r\nFrom: x\r\nMessage-Id: <2027.5Q@mx>",
            ),
        ] {
            assert_eq!(key(first, "4Q"), key(second, "5Q"), "{name}");
        }
    }

    #[test]
    fn what_a_client_has_written_counts() {
        for (name, first, second) in [
            ("From", "From: x\r\nDate: 1", "From: y\r\nDate: 1"),
            (
                "Date without Message-ID",
                "From: x\r\nDate: 1",
                "From: x\r\nDate: 2",
            ),
            (
                "Message-ID",
                "From: x\r\nMessage-ID: <1@client>",
                "From: x\r\nMessage-ID: <2@client>",
            ),
            (
                "Date before the MTA's Message-ID",
                "Date: 1\r\nFrom: x\r\nMessage-Id: <2026.4Q@mx>",
                "Date: 2\r\nFrom: x\r\nMessage-Id: <2027.5Q@mx>",
            ),
        ] {
            assert_ne!(key(first, "4Q"), key(second, "5Q"), "{name}");
        }
    }

    #[test]
    fn recipients_and_reports_have_keys_of_their_own() {
        let message = key("From: x", "4Q");
        let keys = [
            of_recipient(&message, "a@x.example"),
            of_recipient(&message, "b@x.example"),
            of_report(&message, "a@x.example"),
        ];
        let [first, second, third] = keys.map(Option::unwrap);
        assert!(first != second && second != third && first != third);
    }
}
