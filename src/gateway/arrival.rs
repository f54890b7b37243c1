//! What arrived: peeled and judged, before any rule is asked.

use std::sync::Arc;

use const_oid::ObjectIdentifier;

use crate::address::Domain;
use crate::address::Mailbox;
use crate::cms::attributes::Attribute;
use crate::cms::attributes::HeaderFieldStatus;
use crate::cms::attributes::SECURE_HEADER_FIELDS;
use crate::cms::attributes::SecureHeaderFields;
use crate::cms::signed_data::SignerInfo;
use crate::domsec::conditions::Authenticated;
use crate::domsec::conditions::Evidence;
use crate::domsec::conditions::MaySign;
use crate::domsec::conditions::Means;
use crate::domsec::conditions::WhyNot;
use crate::domsec::conditions::authenticity;
use crate::domsec::layering::ArrivedLayer;
use crate::domsec::layering::Standing;
use crate::domsec::verdict;
use crate::domsec::verdict::Answer;
use crate::domsec::verdict::Binding;
use crate::domsec::verdict::LayerFacts;
use crate::domsec::verdict::Naming;
use crate::domsec::verdict::Verdict;
use crate::gateway::content;
use crate::gateway::judge::parts_in;
use crate::gateway::judged::SignerSummary;
use crate::gateway::learned::Learned;
use crate::gateway::open::Kind;
use crate::gateway::open::Node;
use crate::gateway::open::Opened;
use crate::gateway::site::Gateway;
use crate::gateway::transaction::Transaction;
use crate::gateway::transaction::is_of;
use crate::limits::Budget;
use crate::mime::protected::Candidate;
use crate::mime::protected::Protected;
use crate::mime::protected::Scheme;
use crate::mime::protected::SecureField;
use crate::mime::protected::compare;
use crate::notation::Layer;
use crate::notation::Layers;
use crate::notation::Marks;
use crate::notation::SignatureType;
use crate::octets::Spool;
use crate::policy::facts::Content;
use crate::policy::facts::Session;
use crate::x509::Time;

/// A message that was peeled and judged.
#[derive(Debug)]
pub struct Arrival<'t> {
    /// As it was handed over.
    pub transaction: &'t Transaction,
    /// When.
    pub now: Time,
    /// Its layers.
    pub opened: Opened,
    /// The layers as far as our keys open them.
    pub layers_in: Layers,
    /// The layers as section 5 looks at them, outermost first; one for each node.
    pub layers: Vec<ArrivedLayer>,
    /// What its signatures are worth.
    pub verdict: Verdict,
    /// What the verdict was made of.
    pub facts: verdict::Facts,
    /// The signers of all layers around the content, outermost layer first.
    pub signers: Vec<SignerSummary>,
    /// What it teaches of its authors.
    pub learned: Learned,
    /// What conditions may ask about it.
    pub content: Arc<Content>,
    /// The header fields that are bound to the content (RFC 9788); `None` where they pass a bound,
    /// since nobody reads them then.
    pub protected: Option<Protected>,
    /// The layer right above the entity on which these fields stand, where it is one: they are worth what
    /// covers that entity, and not what lies beneath it.
    protected_at: Option<usize>,
    /// SHA-256 of the innermost content that a trusted signer signed, where it is for one of ours.
    pub signed_content: Option<[u8; 32]>,
    part_facts: Vec<LayerFacts>,
    closed_part: bool,
}

impl Gateway {
    /// Peels and judges a message. Never fails: what is wrong with it is part of what is known.
    #[must_use]
    pub fn open<'t>(
        &self,
        transaction: &'t Transaction,
        now: Time,
        spool: &dyn Spool,
    ) -> Arrival<'t> {
        let mut budget = Budget::new(&self.limits);
        let mut opened = self.opener(spool).open(&transaction.message, &mut budget);
        // What is told to administrators, and to nobody else.
        let layers_in = opened.root.layers();
        opened.root.close_parts();
        let before = budget.clone();
        let mut judged = self.judged(transaction, &opened, (now, &mut budget));
        if let Some(layer) = judged.unprotected {
            opened.root.close(layer);
            // As if this were the first time: what it cost to find out must not show either.
            budget = before;
            judged = self.judged(transaction, &opened, (now, &mut budget));
        }
        let closed = |node: &&Node| matches!(node.kind, Kind::Enveloped(_, None));
        let closed_part = parts_in(&opened.root).iter().any(closed);
        let (protected, protected_at) = self.protected(&opened, &judged.layers);
        let content = content::content(
            &transaction.message,
            &opened,
            (&judged.verdict, protected.as_ref()),
            &self.limits,
        );
        Arrival {
            transaction,
            now,
            layers_in,
            layers: judged.layers,
            verdict: judged.verdict,
            facts: judged.facts,
            signers: judged.signers,
            learned: judged.learned,
            content: Arc::new(content),
            protected,
            protected_at,
            signed_content: judged.signed_content,
            part_facts: judged.part_facts,
            closed_part,
            opened,
        }
    }

    /// The fields that stand beneath a layer which somebody answers for: an S that verified, or an E.
    fn protected(
        &self,
        opened: &Opened,
        layers: &[ArrivedLayer],
    ) -> (Option<Protected>, Option<usize>) {
        let mut encrypted = false;
        let mut covered = false;
        let mut candidates = Vec::new();
        let mut above = Vec::new();
        for (index, (node, arrived)) in opened.root.chain().zip(layers).enumerate() {
            if let (Some(header), true) = (&node.header, covered) {
                above.push(index.saturating_sub(1));
                candidates.push(Candidate {
                    header,
                    raw: &node.raw,
                    encrypted,
                });
            }
            encrypted |= matches!(node.kind, Kind::Enveloped(..));
            let signed = arrived.layer != Layer::Signed(Marks::EMPTY)
                && matches!(arrived.layer, Layer::Signed(_))
                && arrived.standing == Standing::Verified;
            covered |= signed || encrypted;
        }
        let Ok(read) = Protected::read(&candidates, &self.limits) else {
            return (None, None);
        };
        if read.scheme() == Scheme::None
            && let Some(secured) = self.secured(opened, layers)
        {
            return (Some(secured), None);
        }
        let at = read.at().and_then(|at| above.get(at).copied());
        (Some(read), at)
    }

    /// The fields that a verified layer binds by an attribute (RFC 7508): the innermost such layer's,
    /// where all of its signers have the same.
    fn secured(&self, opened: &Opened, layers: &[ArrivedLayer]) -> Option<Protected> {
        let verified = opened
            .root
            .chain()
            .zip(layers)
            .filter(|(_, arrived)| arrived.standing == Standing::Verified);
        let attributes = verified.filter_map(|(node, _)| match &node.kind {
            Kind::Signed(signed) => same_in_all(&signed.data.signers, SECURE_HEADER_FIELDS),
            Kind::Compressed(_) | Kind::Content(_) | Kind::Enveloped(..) => None,
        });
        let attribute = attributes.last()?;
        let secured = SecureHeaderFields::decode(attribute.value().ok()?).ok()?;
        let fields = secured.fields.iter().map(|field| SecureField {
            name: field.name,
            value: field.value,
            hidden: field.status == HeaderFieldStatus::Deleted,
        });
        Protected::secured(fields, &self.limits).ok()
    }

    /// The proof that a domain or delegated signature may be made over this message, or why not.
    pub(super) fn may_sign(&self, arrival: &Arrival<'_>) -> Result<MaySign, WhyNot> {
        authenticity(&Evidence {
            facts: &arrival.facts,
            parts: &arrival.part_facts,
            closed_part: arrival.closed_part,
            session: &self.authenticated(arrival),
        })
    }

    /// Whether somebody is answerable for what the client says (DESIGN, "Direction").
    pub(super) fn is_accountable(&self, session: &Session) -> bool {
        let subject = session.tls_subject.as_deref();
        session.login.is_some()
            || session.trusted
            || subject.is_some_and(|subject| self.is_named_by_subject(subject))
    }

    /// Whether the common name of a TLS client certificate is one of ours: any server of the Internet
    /// has a certificate that verifies, and its name is no login. It must have a row in the policy's
    /// `[originators]`, or be an address of ours.
    fn is_named_by_subject(&self, subject: &str) -> bool {
        let address = || {
            subject
                .parse::<Mailbox>()
                .is_ok_and(|one| is_of(&one, &self.domains))
        };
        self.policy.originators().has_row(subject) || address()
    }

    /// Whether somebody answers for the header of the message, and not for its content alone: who is
    /// authenticated may use From, or the author bound the header to what is signed (RFC 9788).
    pub(super) fn header_is_vouched_for(&self, arrival: &Arrival<'_>) -> bool {
        if self.session_may_use_from(arrival) {
            return true;
        }
        let (Some(protected), Some(outer)) = (&arrival.protected, &arrival.opened.header) else {
            return false;
        };
        let marked = matches!(
            protected.scheme(),
            Scheme::Rfc9788Cipher | Scheme::Rfc9788Clear
        );
        // Whoever wraps signed mail can put any header above the signature.
        let speaker = arrival.verdict.speaker.as_ref().map(|(layer, _)| *layer);
        let signed = speaker.is_some_and(|speaker| arrival.protected_at >= Some(speaker));
        marked && signed && arrival.speaks() && compare(protected, outer, None).is_empty()
    }

    /// Whether who is authenticated in the session may use every address of From.
    pub(super) fn session_may_use_from(&self, arrival: &Arrival<'_>) -> bool {
        let from = arrival.facts.mailboxes();
        let all = |client: &Authenticated| from.iter().all(|one| client.may_use.contains(one));
        !from.is_empty() && self.authenticated(arrival).iter().any(all)
    }

    /// Whom the session has authenticated, and which of From's addresses they may use.
    fn authenticated(&self, arrival: &Arrival<'_>) -> Vec<Authenticated> {
        let session = &arrival.transaction.session;
        let from = arrival.facts.mailboxes();
        let allowed = |means, may_use: &dyn Fn(&&Mailbox) -> bool| Authenticated {
            means,
            may_use: from.iter().filter(may_use).cloned().collect(),
        };
        let originators = self.policy.originators();
        let by_login = |login: &str| {
            let login = login.to_owned();
            move |from: &&Mailbox| originators.may_use(&login, from, &self.domains)
        };
        let login = session
            .login
            .as_deref()
            .map(|login| allowed(Means::Login, &by_login(login)));
        let subject = session.tls_subject.as_deref().map(|subject| {
            allowed(Means::ClientCertificate, &|from| {
                self.is_named_by_subject(subject) && by_login(subject)(from)
            })
        });
        // Trusted to say who they are: any of ours.
        let ours = |from: &&Mailbox| is_of(from, &self.domains);
        let network = session
            .trusted
            .then(|| allowed(Means::TrustedNetwork, &ours));
        login.into_iter().chain(subject).chain(network).collect()
    }
}

impl Arrival<'_> {
    /// The nodes of the layers, outermost first; the last is the content, or what could not be opened.
    #[must_use]
    pub fn nodes(&self) -> Vec<&Node> {
        self.opened.root.chain().collect()
    }

    /// Whether a verified review signature by a reviewer of one of `ours` is among the layers that can
    /// be seen (draft §3.5): a stranger can review for himself.
    #[must_use]
    pub fn is_reviewed(&self, ours: &[Domain]) -> bool {
        let is_ours = |signer: &SignerSummary| {
            let covers = |named: &Domain| ours.iter().any(|own| own.is_or_is_under(named));
            signer.review_domains.iter().any(covers)
        };
        let is_review = |signer: &&SignerSummary| signer.types.contains(&SignatureType::Review);
        let good = |signer: &SignerSummary| {
            signer.is_verified() && signer.naming == Naming::Match && is_ours(signer)
        };
        self.signers.iter().filter(is_review).any(good)
    }

    /// Whether a signature in a part of the content is wrong.
    #[must_use]
    pub(super) fn has_wrong_part(&self) -> bool {
        let wrong = |signer: &verdict::SignerFacts| {
            matches!(signer.signature, Err(verdict::SignatureFault::Wrong(_)))
        };
        let layers = self.part_facts.iter().chain(&self.facts.layers);
        layers.flat_map(|layer| &layer.signers).any(wrong)
    }

    /// Whether all is right with the signatures, and one of them speaks for From.
    #[must_use]
    pub fn speaks(&self) -> bool {
        self.verdict.answer == Answer::Valid && self.verdict.originator == Binding::Match
    }

    /// Whether the layer with that index has signers, all of whom verify.
    #[must_use]
    pub fn is_verified(&self, layer: usize) -> bool {
        let mut of_layer = self
            .signers
            .iter()
            .filter(|signer| signer.layer == layer)
            .peekable();
        of_layer.peek().is_some() && of_layer.all(SignerSummary::is_verified)
    }
}

/// The attribute of that type, where every signer has it with the same octets.
fn same_in_all(signers: &[SignerInfo], oid: ObjectIdentifier) -> Option<&Attribute> {
    fn of(signer: &SignerInfo, oid: ObjectIdentifier) -> Option<&Attribute> {
        signer.signed_attributes.as_ref()?.all(oid).next()
    }
    let first = of(signers.first()?, oid)?;
    let same = |signer: &SignerInfo| of(signer, oid).is_some_and(|one| one.raw() == first.raw());
    signers.iter().all(same).then_some(first)
}
