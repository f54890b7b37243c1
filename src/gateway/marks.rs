//! What the gateway writes into the header of a message, and takes out of it (CONTRACT, "Headers").

use crate::limits::Limits;
use crate::mime::Header;
use crate::mime::MimeError;
use crate::mime::authentication_results;
use crate::mime::authentication_results::AuthservId;
use crate::mime::authentication_results::Signer;
use crate::mime::authentication_results::SmimeOutcome;
use crate::mime::authentication_results::SmimeResult;
use crate::mime::mark;
use crate::mime::safe;
use crate::octets::View;

/// The marks of one edition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marks {
    /// Fields in our name are removed, whoever wrote them (RFC 8601 §5).
    pub authserv_id: AuthservId,
    /// Our Authentication-Results field, with its name and CRLF.
    pub results: Option<String>,
    /// Texts of Domsec-Warning fields.
    pub warnings: Vec<String>,
    /// What is put in front of Subject.
    pub subject_tag: Option<String>,
}

/// Results in one field: each can have an issuer's name, and the outermost layers come first.
const MOST_RESULTS: usize = 20;

/// Warnings in one header; more say nothing more.
const MOST_WARNINGS: usize = 10;

impl Marks {
    /// No marks: only what is forged is removed.
    #[must_use]
    pub const fn none(authserv_id: AuthservId) -> Self {
        Self {
            authserv_id,
            results: None,
            warnings: Vec::new(),
            subject_tag: None,
        }
    }

    /// Whether nothing is written.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.results.is_none() && self.warnings.is_empty() && self.subject_tag.is_none()
    }

    /// `fields`, a header without its empty line, with these marks; ours stand at the front, as
    /// trace fields do (RFC 8601 §4.1).
    pub fn applied(&self, fields: &[u8], limits: &Limits) -> Result<Vec<u8>, MimeError> {
        let (header, _) = Header::parse(&View::owned([fields, b"\r\n"].concat()), limits)?;
        let foreign = |field: &crate::mime::Field<'_>| {
            let warning = !self.warnings.is_empty() || self.results.is_some();
            self.authserv_id.forged(field).is_none() && !(warning && field.is(mark::WARNING))
        };
        let mut kept = Vec::new();
        for field in header.fields().filter(foreign) {
            let text = field.raw();
            let text = text.strip_suffix(b"\n").unwrap_or(text);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            // A carriage return alone is a line's end to some, and could hide a field from us.
            let stray = |pair: &[u8]| matches!(pair, [b'\r', next] if *next != b'\n');
            if text.contains(&0) || text.ends_with(b"\r") || text.windows(2).any(stray) {
                kept.extend_from_slice(&safe::field(field.raw()));
            } else {
                kept.extend_from_slice(field.raw());
            }
        }
        if let Some(tag) = &self.subject_tag {
            let (header, _) = Header::parse(&View::owned([&*kept, b"\r\n"].concat()), limits)?;
            kept = mark::tagged(&header, tag);
            kept.truncate(kept.len().saturating_sub(header.empty_line().len()));
        }
        // The `From ` line of an mbox file is no field, and comes first.
        let lines: usize = header.fields().map(|field| field.raw().len()).sum();
        let mbox = header.raw_fields().len().saturating_sub(lines);
        let mut all = header.raw_fields().get(..mbox).unwrap_or_default().to_vec();
        all.extend_from_slice(self.results.as_deref().unwrap_or_default().as_bytes());
        for warning in self.warnings.iter().take(MOST_WARNINGS) {
            all.extend_from_slice(mark::warning(warning).as_bytes());
        }
        all.append(&mut kept);
        Ok(all)
    }
}

/// What is said of one signature in Authentication-Results.
#[derive(Clone, Debug)]
pub struct Said {
    /// What was found.
    pub outcome: SmimeOutcome,
    /// Why.
    pub reason: Option<String>,
    /// Whom it is told by.
    pub by: Option<SaidBy>,
}

/// Whom a signature is told by.
#[derive(Clone, Debug)]
pub enum SaidBy {
    /// Serial number and issuer: a domain's signature proves no user's address.
    Certificate {
        /// Octets.
        serial: Vec<u8>,
        /// RFC 4514.
        issuer: String,
    },
    /// The user's address.
    Mailbox(crate::address::Mailbox),
}

/// The field for `said`, with CRLF.
#[must_use]
pub fn results(authserv_id: &AuthservId, said: &[Said]) -> String {
    let results: Vec<SmimeResult<'_>> = said
        .iter()
        .take(MOST_RESULTS)
        .map(|one| SmimeResult {
            outcome: one.outcome,
            reason: one.reason.as_deref(),
            part: None,
            signer: one.by.as_ref().map(|by| match by {
                SaidBy::Certificate { serial, issuer } => Signer::Certificate { serial, issuer },
                SaidBy::Mailbox(mailbox) => Signer::Mailbox(mailbox),
            }),
        })
        .collect();
    authentication_results::field(authserv_id, &results)
}
