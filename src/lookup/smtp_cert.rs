//! Certificates and keys of addresses, asked of the domain's mail exchangers by SMTP (CERS, CERT, GETK, PKEY).
//!
//! Always behind STARTTLS. A server for which nobody vouches is asked all the same: that an address is written to is
//! told to it anyhow. But its answer then proves nothing.

use std::io;
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;
use tokio::time::timeout_at;

use super::blob;
use super::exchangers::Exchangers;
use super::hosts;
use super::hosts::Denial;
use super::hosts::HostSaid;
use super::hosts::Wanted;
use super::hosts::candidates;
use super::hosts::together;
use super::mta_sts::MtaSts;
use super::source::Missing;
use super::source::Question;
use super::source::Reply;
use super::source::Source;
use super::stream::ConnectFailure;
use super::stream::Connector;
use super::tls;
use super::tls::Demand;
use super::tls::Roots;
use super::tls::Server;
use super::tls::TlsFailure;
use super::words::chain;
use crate::address::Domain;
use crate::address::Mailbox;
use crate::crypto::public_key::PublicKey;
use crate::gateway::certificates::Answer;
use crate::gateway::search::Authentication;
use crate::gateway::search::BareKey;
use crate::gateway::search::Candidate;
use crate::gateway::search::Provenance;
use crate::gateway::search::Said;
use crate::gateway::search::Subject;
use crate::limits::Limits;
use crate::pem;
use crate::policy::facts::LookupSource;
use crate::smtp::ServerReply;
use crate::smtp::inquiry::Action;
use crate::smtp::inquiry::Answers;
use crate::smtp::inquiry::Inquiry;
use crate::smtp::inquiry::InquiryError;
use crate::smtp::inquiry::Step;
use crate::smtp::inquiry::is_unknown;

/// The port of SMTP.
const PORT: u16 = 25;

/// Octets that are read at once.
const READ: usize = 4096;

/// The longest wait for the reply to QUIT, when the result is known.
const QUIT: Duration = Duration::from_secs(2);

/// Certificates and keys of addresses on mail exchangers.
#[derive(Clone, Debug)]
pub struct SmtpCert {
    /// How they are reached.
    pub connector: Connector,
    /// Who vouches for them.
    pub roots: Roots,
    /// Who the exchangers of a domain are, where DNSSEC does not say so.
    pub sts: MtaSts,
    /// Who we say we are in EHLO.
    pub name: Domain,
    /// Bounds on what they send.
    pub limits: Limits,
    /// The longest that one host may take.
    pub timeout: Duration,
}

impl Source for SmtpCert {
    fn name(&self) -> LookupSource {
        LookupSource::Smtp
    }

    /// Addresses alone: the commands have no other argument.
    fn covers(&self, subject: Subject<'_>) -> bool {
        hosts::cover(subject)
    }

    fn ask<'a>(&'a self, question: &'a Question) -> Answer<'a, Reply> {
        hosts::ask(question, |wanted| self.search(wanted))
    }
}

/// What a server answered, and what its word is worth.
struct Spoken {
    answers: Answers,
    authentication: Authentication,
}

/// Why a server did not answer.
enum Silence {
    Missing(Missing, String),
    Unavailable(String),
}

impl SmtpCert {
    /// Asks one exchanger after another, until one has something.
    async fn search(&self, wanted: Wanted<'_>) -> Reply {
        let dns = self.connector.dns.as_ref();
        let exchangers = match wanted.exchangers(dns, &self.sts).await {
            Ok(exchangers) => exchangers,
            Err(unknown) => return together(wanted.question, vec![unknown]),
        };
        let mut said = Vec::new();
        for host in &exchangers.hosts {
            let one = self.host(wanted, host, &exchangers).await;
            let found = one.is_found();
            said.push(one);
            if found {
                break;
            }
        }
        if said.is_empty() {
            said.push(takes_no_mail(wanted.domain(), exchangers.authentic));
        }
        together(wanted.question, said)
    }

    async fn host(&self, wanted: Wanted<'_>, host: &Domain, exchangers: &Exchangers) -> HostSaid {
        let deadline = wanted.deadline(self.timeout);
        let place = (host, exchangers.authentic);
        match self.inquire(wanted.mailbox, place, deadline).await {
            Ok(mut spoken) => {
                // Whatever it proves of itself: who has named it?
                spoken.authentication = spoken.authentication.min(exchangers.most(host));
                self.heard(wanted, host, spoken)
            }
            Err(Silence::Missing(missing, reason)) => HostSaid::Missing(missing, reason),
            Err(Silence::Unavailable(reason)) => HostSaid::unavailable(reason),
        }
    }

    /// One session with an exchanger, of which it is known whether DNSSEC says that it is the domain's.
    async fn inquire(
        &self,
        mailbox: &Mailbox,
        (host, authentic): (&Domain, bool),
        deadline: Instant,
    ) -> Result<Spoken, Silence> {
        let connected = self.connector.connect(host, PORT, deadline).await;
        let mut connected = connected.map_err(|failure| unconnected(&failure))?;
        let mut inquiry = Inquiry::new(mailbox, &self.name);
        let mut authentication = Authentication::None;
        if drive(&mut inquiry, &mut connected.stream, deadline).await == Stopped::ForTls {
            let dns = self.connector.dns.as_ref();
            let asking = tls::associations(dns, (host, PORT), &connected);
            let associations = match timeout_at(deadline, asking).await {
                Ok(Ok(associations)) => associations,
                Ok(Err(failure)) => return Err(Silence::Unavailable(chain(&failure))),
                Err(_) => {
                    let reason = format!("TLSA records of {host} cannot be known in time");
                    return Err(Silence::Unavailable(reason));
                }
            };
            let has_associations = associations.is_some();
            let server = Server {
                host,
                domain: mailbox.domain(),
                associations,
                may_be_of_domain: authentic,
                demand: Demand::Anybody,
            };
            let shaken = tls::handshake(connected.stream, &self.roots, server, deadline).await;
            let (mut stream, proved) =
                shaken.map_err(|failure| unprotected(&failure, has_associations))?;
            authentication = proved;
            inquiry.handle_tls();
            drive(&mut inquiry, &mut stream, deadline).await;
        }
        match inquiry.finish() {
            Ok(answers) => Ok(Spoken {
                answers,
                authentication,
            }),
            Err(error) => Err(unanswered(host, &error)),
        }
    }

    /// What the answers come to.
    fn heard(&self, wanted: Wanted<'_>, host: &Domain, spoken: Spoken) -> HostSaid {
        let authentication = spoken.authentication;
        let provenance = Provenance {
            source: LookupSource::Smtp,
            authentication,
            seen: wanted.question.now,
        };
        let mut reply = Reply {
            authentic: authentication.is_authenticated(),
            ..Reply::without(Said::Found)
        };
        let Answers { certificate, key } = spoken.answers;
        let certificate = Answered::of(certificate);
        let key = Answered::of(key);
        if let Answered::Text(lines) = &certificate {
            match self.certificates(lines, wanted.mailbox, provenance) {
                Ok(candidates) => reply.candidates = candidates,
                Err(error) => {
                    let reason = format!("{host} sends no certificate: {}", chain(&error));
                    return HostSaid::unavailable(reason);
                }
            }
        }
        // The proposal was made for keys of any kind; one that is not of X.509 has nothing to say here.
        if let Answered::Text(lines) = &key
            && let Some(spki) = bare_key(lines)
        {
            reply.keys.push(BareKey {
                spki,
                source: LookupSource::Smtp,
                authentication,
            });
        }
        // A key beside a certificate that may be there says nothing of it.
        if let Answered::Failed(said) = certificate {
            return HostSaid::unavailable(format!("{host} says {}", quoted(&said)));
        }
        if !reply.candidates.is_empty() || !reply.keys.is_empty() {
            return HostSaid::Found(Box::new(reply));
        }
        // The certificate's answer counts where there is one.
        match (certificate, key) {
            (Answered::Unknown, Answered::Failed(said)) => {
                HostSaid::unavailable(format!("{host} says {}", quoted(&said)))
            }
            (Answered::Denied(said), _) | (_, Answered::Denied(said)) => HostSaid::Denied(Denial {
                reason: format!("{host} says that there is none: {}", quoted(&said)),
                lifetime: None,
                authentic: authentication.is_authenticated(),
                speaks_for_domain: authentication.is_authenticated(),
            }),
            _ => {
                let reason =
                    format!("{host} does not offer CERT or CERS, nor a key that can be read");
                HostSaid::Missing(Missing::NoKeyword, reason)
            }
        }
    }

    /// The recipient's certificate comes first; one of somebody else is left to be refused with its reason.
    fn certificates(
        &self,
        lines: &[String],
        mailbox: &Mailbox,
        provenance: Provenance,
    ) -> Result<Vec<Candidate>, blob::BlobError> {
        let text = lines.join("\n");
        let certificates = blob::certificates(text.as_bytes(), &self.limits)?;
        let found = candidates(&certificates, mailbox, provenance);
        if !found.is_empty() {
            return Ok(found);
        }
        let mut rest = certificates.into_iter();
        let first = rest.next().map(|certificate| Candidate {
            certificate,
            chain: rest.collect(),
            provenance,
        });
        Ok(first.into_iter().collect())
    }
}

/// A reply to one of the commands.
enum Answered {
    Denied(ServerReply),
    Failed(ServerReply),
    Text(Vec<String>),
    /// There is no such command.
    Unknown,
}

impl Answered {
    fn of(reply: Option<ServerReply>) -> Self {
        match reply {
            None => Self::Unknown,
            Some(reply) if is_unknown(&reply) => Self::Unknown,
            Some(reply) if reply.code() == 550 => Self::Denied(reply),
            Some(reply) if reply.code() == 250 => Self::Text(reply.lines().to_vec()),
            Some(reply) => Self::Failed(reply),
        }
    }
}

/// Why a driver has stopped.
#[derive(PartialEq, Eq)]
enum Stopped {
    AtTheEnd,
    ForTls,
}

/// Reads and writes until the session is over or wants a handshake.
async fn drive<S>(inquiry: &mut Inquiry<'_>, stream: &mut S, deadline: Instant) -> Stopped
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let action = inquiry.next_action();
        let until = match inquiry.step() {
            Step::Quit => deadline.min(Instant::now() + QUIT),
            Step::Certificate(_) | Step::Ehlo | Step::Greeting | Step::Key(_) | Step::StartTls => {
                deadline
            }
        };
        let done = match action {
            Action::Done => return Stopped::AtTheEnd,
            Action::StartTls => return Stopped::ForTls,
            Action::Read => read(stream, until)
                .await
                .map(|octets| inquiry.handle_octets(&octets)),
            Action::Write(octets) => write(stream, &octets, until).await,
        };
        if let Err(error) = done {
            inquiry.handle_lost(error);
        }
    }
}

/// Some octets, at least one.
async fn read<S: AsyncRead + Unpin>(stream: &mut S, until: Instant) -> io::Result<Vec<u8>> {
    let mut octets = Vec::with_capacity(READ);
    match timeout_at(until, stream.read_buf(&mut octets)).await {
        Ok(Ok(0)) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(Ok(_)) => Ok(octets),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

async fn write<S>(stream: &mut S, octets: &[u8], until: Instant) -> io::Result<()>
where
    S: AsyncWrite + Unpin,
{
    let writing = async {
        stream.write_all(octets).await?;
        stream.flush().await
    };
    let written = timeout_at(until, writing).await;
    written.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn unconnected(failure: &ConnectFailure) -> Silence {
    let reason = chain(failure);
    match failure {
        ConnectFailure::NoHost { .. } => Silence::Missing(Missing::NoHost, reason),
        ConnectFailure::NotListening { .. } => Silence::Missing(Missing::NotListening, reason),
        ConnectFailure::Unavailable { .. } => Silence::Unavailable(reason),
    }
}

fn unprotected(failure: &TlsFailure, has_associations: bool) -> Silence {
    let reason = chain(failure);
    match failure {
        // No better than a server that does not offer STARTTLS.
        TlsFailure::NotTls { .. } => Silence::Missing(Missing::NoKeyword, reason),
        // Nothing had to be proved: its certificate is so old or odd that TLS cannot be done with it.
        TlsFailure::NotProved { .. } if !has_associations => {
            Silence::Missing(Missing::NoKeyword, reason)
        }
        TlsFailure::Broken { .. } | TlsFailure::NotProved { .. } | TlsFailure::TooLate { .. } => {
            Silence::Unavailable(reason)
        }
    }
}

fn unanswered(host: &Domain, error: &InquiryError) -> Silence {
    let reason = format!("{host}: {}", chain(error));
    match error {
        InquiryError::AddressNeedsUtf8 | InquiryError::TlsMissing => {
            Silence::Missing(Missing::NoKeyword, reason)
        }
        // There is no SMTP service here (RFC 5321 §3.1).
        InquiryError::Refused {
            step: Step::Greeting,
            reply,
        } if reply.is_permanent() => Silence::Missing(Missing::NotListening, reason),
        InquiryError::Lost { .. }
        | InquiryError::Refused { .. }
        | InquiryError::Reply { .. }
        | InquiryError::Unsolicited { .. } => Silence::Unavailable(reason),
    }
}

/// A reply as it stands within a sentence of ours; its characters are printable, and at most 404.
fn quoted(reply: &ServerReply) -> String {
    format!("{:?}", reply.to_string())
}

/// A domain with a null MX (RFC 7505 §3).
fn takes_no_mail(domain: &Domain, authentic: bool) -> HostSaid {
    let reason = format!("{domain} takes no mail");
    if authentic {
        HostSaid::Denied(Denial {
            reason,
            lifetime: None,
            authentic,
            speaks_for_domain: true,
        })
    } else {
        HostSaid::Missing(Missing::InsecureAnswer, reason)
    }
}

/// The SubjectPublicKeyInfo that the lines have: PEM, or base64 before the closing `OK`. The proposal of GETK does not
/// say which.
fn bare_key(lines: &[String]) -> Option<Vec<u8>> {
    let text = lines.join("\n");
    let spki = if pem::is_pem(text.as_bytes()) {
        let blocks = pem::blocks(text.as_bytes(), |label| label == "PUBLIC KEY").ok()?;
        blocks.first()?.octets.to_vec()
    } else {
        // A reply of one line has nothing to close.
        let kept = lines.len().saturating_sub(1).max(1);
        let base64: String = lines.iter().take(kept).map(|line| line.trim()).collect();
        base64_simd::STANDARD.decode_to_vec(base64).ok()?
    };
    PublicKey::decode(&spki).ok()?;
    Some(spki)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::x509::pem::certificates;

    #[test]
    fn a_certificate_that_tls_cannot_use_is_as_good_as_no_tls_unless_records_say_which_it_is() {
        let host = || "mx.b.example".parse().unwrap();
        let not_proved = TlsFailure::NotProved {
            host: host(),
            reason: "UnsupportedCertVersion".to_owned(),
        };
        let late = TlsFailure::TooLate { host: host() };
        for (failure, has_associations, missing) in [
            (&not_proved, false, true),
            (&not_proved, true, false),
            (&late, false, false),
        ] {
            let silence = unprotected(failure, has_associations);
            let is_missing = matches!(silence, Silence::Missing(Missing::NoKeyword, _));
            assert_eq!(is_missing, missing, "{failure}");
        }
    }

    #[test]
    fn a_key_is_read_from_pem_and_from_base64_alone() {
        let file = include_bytes!("../../certs/bob.pem");
        let certificate = certificates(file, &Limits::default()).unwrap().remove(0);
        let spki = certificate.spki();
        let base64 = base64_simd::STANDARD.encode_to_string(spki);
        let lines = |lines: &[&str]| {
            lines
                .iter()
                .map(|line| (*line).to_owned())
                .collect::<Vec<_>>()
        };
        let (begin, end) = ("-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----");
        let (first, second) = base64.split_at(64);
        for told in [
            lines(&[begin, first, second, end, "OK"]),
            lines(&[first, second, "OK"]),
            lines(&[&base64]),
        ] {
            assert_eq!(bare_key(&told).as_deref(), Some(spki));
        }
        for told in [
            lines(&[]),
            lines(&["OK"]),
            lines(&["AAAA", "OK"]),
            lines(&[begin, first, end, "OK"]),
            lines(&[begin, first]),
        ] {
            assert_eq!(bare_key(&told), None);
        }
    }
}
