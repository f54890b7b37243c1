//! What is flagged about a message, and what is said of its signatures (draft §2.6, §7; CONTRACT).

use std::cell::OnceCell;
use std::collections::HashSet;

use crate::address::Mailbox;
use crate::address::list::AddressList;
use crate::crypto::sha256;
use crate::domsec::layering::ArrivedLayer;
use crate::domsec::verdict::Answer;
use crate::domsec::verdict::From;
use crate::domsec::verdict::Naming;
use crate::domsec::verdict::PathFacts;
use crate::domsec::verdict::SignatureFault;
use crate::gateway::arrival::Arrival;
use crate::gateway::judged::SignerSummary;
use crate::gateway::marks;
use crate::gateway::marks::Marks;
use crate::gateway::marks::Said;
use crate::gateway::marks::SaidBy;
use crate::gateway::open::Kind;
use crate::gateway::open::Node;
use crate::gateway::open::OpenError;
use crate::gateway::record::RecipientRecord;
use crate::gateway::replay::Delivery;
use crate::gateway::replay::Seen;
use crate::gateway::site::Gateway;
use crate::mime::Header;
use crate::mime::authentication_results::SmimeOutcome;
use crate::mime::protected::Difference;
use crate::mime::protected::Envelope;
use crate::mime::protected::Protected;
use crate::mime::protected::Scheme;
use crate::mime::protected::compare;
use crate::notation::SignatureType;
use crate::policy::facts::Direction;

/// What is said about a message to whoever reads it. Mail that leaves needs little of it, and so each is
/// found out when it is first asked for.
#[derive(Debug)]
pub(super) struct Flags<'a> {
    arrival: &'a Arrival<'a>,
    /// What is flagged whoever the recipient is.
    warnings: OnceCell<Vec<String>>,
    /// What is said of the signatures.
    results: OnceCell<String>,
    /// The addresses in To and Cc, outside and protected, folded.
    named: OnceCell<HashSet<Mailbox>>,
    /// The protected ones, folded, where the envelope is to be compared with them.
    addressed: OnceCell<Option<HashSet<Mailbox>>>,
}

impl<'a> Flags<'a> {
    pub(super) const fn of(arrival: &'a Arrival<'a>) -> Self {
        Self {
            arrival,
            warnings: OnceCell::new(),
            results: OnceCell::new(),
            named: OnceCell::new(),
            addressed: OnceCell::new(),
        }
    }

    fn results(&self, gateway: &Gateway) -> &str {
        let said = || marks::results(&gateway.authserv_id, &said(self.arrival));
        self.results.get_or_init(said)
    }

    /// Whether a recipient stands in a field that all recipients read.
    pub(super) fn is_named(&self, mailbox: &Mailbox) -> bool {
        let named = || {
            let outer = self.arrival.opened.header.as_ref();
            let protected = self.arrival.protected.as_ref().map(Protected::fields);
            let headers = outer.into_iter().chain(protected);
            headers.flat_map(mailboxes).collect()
        };
        self.named.get_or_init(named).contains(&mailbox.folded())
    }

    /// Whether the author bound the message to others than this one.
    fn is_for_others(&self, mailbox: &Mailbox) -> bool {
        let addressed = || {
            let protected = self.arrival.protected.as_ref().map(Protected::fields);
            let addressed = protected.filter(|_| is_addressed(self.arrival));
            addressed.map(mailboxes)
        };
        let addressed = self.addressed.get_or_init(addressed);
        let folded = mailbox.folded();
        addressed
            .as_ref()
            .is_some_and(|known| !known.contains(&folded))
    }

    /// The warnings for one recipient: what the envelope contradicts, and those of the message.
    pub(super) fn warnings(&self, gateway: &Gateway, record: &RecipientRecord) -> Vec<String> {
        let mut warnings = Vec::new();
        if record.direction == Direction::Outbound {
            return warnings;
        }
        // Ours first: a sender can provoke as many of the others as fill a header.
        let delivery = delivery(gateway, self.arrival, &record.mailbox);
        let seen = delivery.map(|delivery| gateway.deliveries.seen(&delivery));
        if seen == Some(Seen::Elsewhere) {
            let warning = "the same signed content was delivered before under another envelope";
            warnings.push(warning.to_owned());
        }
        if self.is_for_others(&record.mailbox) {
            // Without the address: all to whom it is said share an edition.
            let warning = "the recipient is not among the protected To and Cc";
            warnings.push(warning.to_owned());
        }
        let of_message = self.warnings.get_or_init(|| self::warnings(self.arrival));
        warnings.extend(of_message.iter().cloned());
        warnings
    }

    /// The marks of an edition for recipients of ours.
    pub(super) fn marks(&self, gateway: &Gateway, warnings: &[String]) -> Marks {
        let flag = gateway.policy.flag();
        let flagged = !warnings.is_empty();
        Marks {
            authserv_id: gateway.authserv_id.clone(),
            results: Some(self.results(gateway).to_owned()),
            warnings: if flag.warning_header {
                warnings.to_vec()
            } else {
                Vec::new()
            },
            subject_tag: flag.subject_tag.clone().filter(|_| flagged),
        }
    }

    /// The value of our Authentication-Results field, unfolded.
    pub(super) fn results_text(&self, gateway: &Gateway) -> String {
        let value = self
            .results(gateway)
            .split_once(':')
            .map_or("", |(_, value)| value);
        value.replace("\r\n", "").trim().to_owned()
    }
}

/// What is flagged about a message, whoever its recipient is.
fn warnings(arrival: &Arrival<'_>) -> Vec<String> {
    let mut warnings = Vec::new();
    let chain = || arrival.opened.root.chain();
    let opened = chain().any(|node| matches!(node.kind, Kind::Enveloped(_, Some(_))));
    if opened && !arrival.speaks() {
        // Whoever has our certificate can encrypt to us, in anybody's name (draft §7).
        let warning = "encrypted, but without a valid signature that speaks for its originator";
        warnings.push(warning.to_owned());
    }
    if chain().any(is_unopened) {
        let warning =
            "encrypted to us, and it could not be opened or is not protected by a signature";
        warnings.push(warning.to_owned());
    }
    warnings.extend(differences(arrival));
    match (arrival.verdict.answer, &arrival.facts.from) {
        (Answer::Invalid, _) => warnings.extend(arrival.verdict.reasons.iter().cloned()),
        // Somebody signed, and nobody knows what it is worth: a reader who gets plain mail should
        // know that much (draft §7).
        (Answer::Indeterminate, _) if !arrival.signers.is_empty() => {
            warnings.extend(arrival.verdict.reasons.iter().cloned());
        }
        (_, From::Ambiguous(reason)) => warnings.push(reason.clone()),
        (Answer::Valid, _) if !arrival.speaks() => {
            warnings
                .push("signed, but it has no From for whom the signature could speak".to_owned());
        }
        (Answer::Indeterminate | Answer::Unsigned | Answer::Valid, _) => {}
    }
    warnings
}

/// What is remembered of a delivery: what was signed, for whom, and the envelope.
///
/// `None` for what nobody signed: it can be sent again by anybody, and says nothing.
pub(super) fn delivery(
    gateway: &Gateway,
    arrival: &Arrival<'_>,
    recipient: &Mailbox,
) -> Option<Delivery> {
    let signed = arrival.signed_content.as_ref()?;
    let sender = arrival.transaction.mail_from.as_ref();
    let sender = sender.map(|sender| sender.folded().to_string());
    let header = arrival.opened.header.as_ref();
    let id = header.and_then(|header| header.first("Message-ID"));
    let id = id.map(|id| id.text().into_owned()).unwrap_or_default();
    let recipient = recipient.folded().to_string();
    let digests = gateway.provider.digests;
    Some(Delivery {
        content: sha256(digests, &[signed, recipient.as_bytes()])?,
        envelope: sha256(
            digests,
            &[sender.unwrap_or_default().as_bytes(), id.as_bytes()],
        )?,
    })
}

/// Whether a mailing list has sent it on, in its own name and to its members.
fn is_by_list(arrival: &Arrival<'_>) -> bool {
    arrival.layers.iter().any(ArrivedLayer::is_ml)
}

/// Whether its author bound the message to those it is for.
fn is_addressed(arrival: &Arrival<'_>) -> bool {
    let bound =
        |protected: &Protected| protected.scheme() != Scheme::None && !protected.is_doubtful();
    arrival.protected.as_ref().is_some_and(bound) && !is_by_list(arrival)
}

/// How the protected fields differ from those outside and from the sender (DESIGN, decision 6).
fn differences(arrival: &Arrival<'_>) -> Vec<String> {
    let (Some(protected), Some(outer)) = (&arrival.protected, &arrival.opened.header) else {
        return Vec::new();
    };
    if protected.is_doubtful() {
        return Vec::new();
    }
    let envelope = Envelope {
        sender: arrival.transaction.mail_from.as_ref(),
        recipients: &[],
    };
    let envelope = Some(&envelope).filter(|_| !is_by_list(arrival));
    compare(protected, outer, envelope)
        .iter()
        .filter(|difference| is_flagged(difference, arrival))
        .map(ToString::to_string)
        .collect()
}

/// Whether a difference is for the reader to know.
fn is_flagged(difference: &Difference, arrival: &Arrival<'_>) -> bool {
    match difference {
        Difference::EnvelopeRecipient(_) => false,
        // Bounce addresses of one's own domain are common (VERP); another domain's is another's mail.
        Difference::EnvelopeSender(sender) => {
            let from = arrival.facts.mailboxes();
            let related = |from: &Mailbox| {
                let (one, other) = (from.domain(), sender.domain());
                one.is_or_is_under(other) || other.is_or_is_under(one)
            };
            !from.iter().any(related)
        }
        // What is signed was compared by the judge, and its verdict says so.
        Difference::Field { .. } => arrival.verdict.answer != Answer::Invalid,
    }
}

/// Whether a key of ours is named, and the layer does not open.
fn is_unopened(node: &Node) -> bool {
    matches!(node.error, Some(OpenError::Decryption))
}

/// The addresses in To and Cc, folded.
fn mailboxes(header: &Header) -> HashSet<Mailbox> {
    let fields = header.all("To").chain(header.all("Cc"));
    let lists = fields.filter_map(|field| AddressList::parse(field.body()).ok());
    lists
        .flatten()
        .map(|address| address.mailbox.folded())
        .collect()
}

/// One result for each signer around the content (CONTRACT, "Headers").
fn said(arrival: &Arrival<'_>) -> Vec<Said> {
    let alone = |outcome, reason: Option<&str>| {
        vec![Said {
            outcome,
            reason: reason.map(ToOwned::to_owned),
            by: None,
        }]
    };
    if !arrival.signers.is_empty() {
        return arrival
            .signers
            .iter()
            .map(|signer| said_of(signer, arrival))
            .collect();
    }
    match arrival.verdict.answer {
        Answer::Unsigned => alone(SmimeOutcome::None, None),
        Answer::Invalid => alone(
            if arrival.has_wrong_part() {
                SmimeOutcome::Fail
            } else {
                SmimeOutcome::Policy
            },
            arrival.verdict.reasons.first().map(String::as_str),
        ),
        // What could not be opened or read.
        Answer::Indeterminate | Answer::Valid => alone(SmimeOutcome::Neutral, None),
    }
}

fn said_of(signer: &SignerSummary, arrival: &Arrival<'_>) -> Said {
    let (outcome, reason) = match (&signer.signature, &signer.path) {
        (Err(SignatureFault::Wrong(reason)), _) => (SmimeOutcome::Fail, Some(reason.clone())),
        (Err(SignatureFault::Unknown(reason)), _) => (SmimeOutcome::Neutral, Some(reason.clone())),
        (Ok(()), PathFacts::Indeterminate(reason)) if signer.revocation_unknown => {
            (SmimeOutcome::Temperror, Some(reason.clone()))
        }
        (Ok(()), PathFacts::Indeterminate(reason) | PathFacts::Invalid(reason)) => {
            (SmimeOutcome::Policy, Some(reason.clone()))
        }
        (Ok(()), PathFacts::Valid) if signer.naming == Naming::Mismatch => (
            SmimeOutcome::Policy,
            Some("the certificate breaks the naming convention".to_owned()),
        ),
        // Right in itself, and not what the reader is shown, or not the originator's.
        (Ok(()), PathFacts::Valid) if !arrival.speaks() => {
            let reason = arrival.verdict.reasons.first().cloned();
            let nobody = || "it does not speak for the originator".to_owned();
            (SmimeOutcome::Policy, Some(reason.unwrap_or_else(nobody)))
        }
        (Ok(()), PathFacts::Valid) => (SmimeOutcome::Pass, None),
    };
    Said {
        outcome,
        reason,
        by: said_by(signer, arrival.facts.mailboxes()),
    }
}

/// By the address where it is that of From, which the signature proves; else by the certificate.
fn said_by(signer: &SignerSummary, from: &[Mailbox]) -> Option<SaidBy> {
    let of_user =
        |kind: &SignatureType| matches!(kind, SignatureType::Delegated | SignatureType::Originator);
    let proves_user = signer.binds && signer.types.iter().all(of_user);
    let emails = signer.emails.iter().filter_map(|email| email.parse().ok());
    let own = emails
        .filter(|email: &Mailbox| from.iter().any(|from| from.same_ignoring_case(email)))
        .find(|_| proves_user);
    match (own, &signer.certificate) {
        (Some(mailbox), _) => Some(SaidBy::Mailbox(mailbox)),
        (None, Some(certificate)) => Some(SaidBy::Certificate {
            serial: certificate.serial.clone(),
            issuer: certificate.issuer.clone(),
        }),
        (None, None) => None,
    }
}
