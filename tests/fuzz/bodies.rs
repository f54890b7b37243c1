//! What each fuzz target does with its octets: it never panics, never passes a bound, and what was
//! not changed comes out byte for byte.
//!
//! One file for the fuzzer and for `tests/fuzz_corpus.rs`, which runs the same over all the corpora.

use std::io::Write;
use std::sync::OnceLock;

use domsec::address::AddressList;
use domsec::address::Domain;
use domsec::address::Mailbox;
use domsec::address::words;
use domsec::cms::attributes;
use domsec::cms::attributes::Attribute;
use domsec::cms::attributes::Attributes;
use domsec::cms::content_info::Cms;
use domsec::cms::content_info::ContentInfo;
use domsec::cms::content_key::content_key;
use domsec::cms::decrypt::decrypt;
use domsec::cms::signed_data::SignerInfo;
use domsec::cms::to_der;
use domsec::cms::verify::ContentDigests;
use domsec::cms::verify::SignedContent;
use domsec::cms::verify::verify_signer;
use domsec::gateway::judge::Judge;
use domsec::gateway::open::Kind;
use domsec::gateway::open::Node;
use domsec::gateway::open::Opener;
use domsec::limits::Budget;
use domsec::limits::Limits;
use domsec::lookup;
use domsec::milter::Field;
use domsec::milter::command::Command;
use domsec::milter::edits;
use domsec::milter::packet::Framer;
use domsec::milter::packet::Packet;
use domsec::milter::session::Event;
use domsec::milter::session::MessageLimits;
use domsec::milter::session::Session as MilterSession;
use domsec::mime::Canonical;
use domsec::mime::Entity;
use domsec::mime::Header;
use domsec::mime::InputKind;
use domsec::mime::TransferEncoding;
use domsec::mime::Walk;
use domsec::mime::authentication_results;
use domsec::mime::authentication_results::AuthservId;
use domsec::mime::authentication_results::Signer;
use domsec::mime::authentication_results::SmimeOutcome;
use domsec::mime::authentication_results::SmimeResult;
use domsec::mime::base64;
use domsec::mime::mark::tagged_subject;
use domsec::mime::mark::warning;
use domsec::mime::media_type::MediaType;
use domsec::mime::multipart::Multipart;
use domsec::mime::protected::Candidate;
use domsec::mime::protected::Change;
use domsec::mime::protected::ConfidentialityPolicy;
use domsec::mime::protected::Difference;
use domsec::mime::protected::Protected;
use domsec::mime::protected::Protection;
use domsec::mime::protected::Restoration;
use domsec::mime::protected::compare;
use domsec::mime::protected::compose;
use domsec::mime::protected::legacy_display;
use domsec::mime::protected::restore;
use domsec::mime::quoted_printable;
use domsec::mime::safe::SafePlan;
use domsec::mime::scan::Scan;
use domsec::mime::transit::TransitPlan;
use domsec::mime::transit::is_transit_form;
use domsec::mime::walk::Structure;
use domsec::notation::Layers;
use domsec::octets::Memory;
use domsec::octets::Octets;
use domsec::octets::View;
use domsec::policy::Policy;
use domsec::policy::condition::ConditionError;
use domsec::policy::facts::Content;
use domsec::policy::facts::Direction;
use domsec::policy::facts::Facts;
use domsec::policy::facts::LookupResult;
use domsec::policy::facts::MessageVerdict;
use domsec::policy::facts::Recipient;
use domsec::policy::facts::Session;
use domsec::reply::Reply;
use domsec::smtp;
use domsec::smtp::inquiry;
use domsec::smtp::inquiry::Inquiry;
use domsec::smtp::reply::ReplyReader;
use domsec::x509::Certificate;
use domsec::x509::SimplePaths;
use domsec::x509::Time;
use domsec::x509::path::Purpose;
use domsec::x509::path::RevocationMode;
use ring::COUNTED;
use ring::OPERATIONS;
use ring::PROVIDER;
use ring::Ring;
use ring::people;

#[path = "configuration.rs"]
mod configuration;
#[path = "ring.rs"]
pub(crate) mod ring;
#[path = "servers.rs"]
pub(crate) mod servers;

/// A target's name and body.
type Target = (&'static str, fn(&[u8]));

/// Every target; `fuzz_targets/` has a file for each.
pub(crate) const TARGETS: &[Target] = &[
    ("addresses", addresses),
    ("attributes", attributes),
    ("ber", ber),
    ("blob", blob),
    ("configuration", configuration::configuration),
    ("dns_answer", servers::dns_answer),
    ("entity", entity),
    ("enveloped_data", enveloped_data),
    ("http_answer", servers::http_answer),
    ("ldap_filter", servers::ldap_filter),
    ("ldap_message", servers::ldap_message),
    ("milter_edits", milter_edits),
    ("milter_session", milter_session),
    ("milter_wire", milter_wire),
    ("policy", policy),
    ("protected", protected),
    ("signed_data", signed_data),
    ("smtp_reply", smtp_reply),
];

/// Runs the target of that name.
pub(crate) fn run(name: &str, octets: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    let (_, body) = target.expect("a target of that name");
    body(octets);
}

/// Small ones, so that 64 KiB reach every one of them.
fn limits() -> Limits {
    Limits {
        layers: 4,
        parts: 40,
        multipart_depth: 6,
        header_octets: 16 * 1024,
        header_fields: 100,
        segments: 1000,
        signers: 8,
        recipients: 20,
        certificates: 20,
        attributes: 20,
        key_operations: 12,
        decompressed_octets: 1 << 20,
        ..Limits::default()
    }
}

/// An address field: what was read is written, and read again as the same.
fn addresses(octets: &[u8]) {
    for address in AddressList::parse(octets).unwrap_or_default() {
        let written = address.mailbox.to_string();
        let again = Mailbox::parse(&written);
        assert_eq!(again.as_ref(), Ok(&address.mailbox), "{written:?}");
        assert!(address.mailbox.same_mailbox(&address.mailbox));
        let listed = AddressList::parse(written.as_bytes()).unwrap_or_default();
        assert!(listed.len() == 1, "{written:?} is no list of one");
        assert!(listed.iter().all(|one| one.mailbox == address.mailbox));
        let _ = address.decoded_display_name();
        let _ = address.display_name_looks_like_address();
    }
    let text = String::from_utf8_lossy(octets);
    let _ = words::decode(&text);
    if let Ok(domain) = Domain::parse(&text) {
        assert_eq!(Domain::parse(domain.as_str()).as_ref(), Ok(&domain));
        assert!(domain.is_or_is_under(&domain));
        // U-labels are for people to read; what they read must be the same domain.
        let _ = domain.to_unicode();
    }
}

/// What a server sends: the same replies wherever it is split, and a session that ends, and claims no
/// success without having sent the message.
fn smtp_reply(octets: &[u8]) {
    let read = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let mut reader = ReplyReader::default();
        let mut replies = Vec::new();
        for piece in pieces {
            reader.handle_octets(piece);
            loop {
                match reader.next_reply() {
                    Ok(Some(reply)) => replies.push(reply),
                    Ok(None) => break,
                    Err(_) => return (replies, false),
                }
            }
        }
        (replies, true)
    };
    let whole = read(&mut std::iter::once(octets));
    assert_eq!(whole, read(&mut octets.chunks(1)), "split otherwise");

    let mailbox = Mailbox::parse("a@a.example").expect("a mailbox");
    let content = smtp::Content::of(View::owned(b"a: b\r\n".to_vec())).expect("a message");
    let submission = smtp::Submission {
        sender: None,
        recipients: vec![mailbox.clone().into(), mailbox.into()],
        content,
        returns: None,
        envelope_id: None,
        smtp_utf8: true,
    };
    let name = Domain::parse("a.example").expect("a domain");
    for tls in [smtp::Tls::Never, smtp::Tls::Required] {
        let mut session = smtp::Session::new(&submission, &name, tls);
        // One reply a read, or the session would end at the first that comes too early.
        let mut lines = octets.split_inclusive(|octet| *octet == b'\n');
        let (mut sent, mut protected) = (false, false);
        loop {
            match session.next_action() {
                smtp::Action::Done => break,
                smtp::Action::Read(_) => match lines.next() {
                    Some(line) => drop(session.handle_octets(line)),
                    None => session.handle_lost(std::io::ErrorKind::UnexpectedEof.into()),
                },
                smtp::Action::SendContent => {
                    sent = true;
                    session.handle_content_sent();
                }
                smtp::Action::StartTls => {
                    protected = true;
                    session.handle_tls();
                }
                smtp::Action::Write(command) => {
                    assert!(command.ends_with(b"\r\n"), "half a command")
                }
            }
        }
        if let Ok(accepted) = session.finish() {
            assert!(
                sent && accepted.reply.is_positive(),
                "accepted without a message"
            );
            assert_eq!(accepted.tls, protected);
            assert!(protected || tls != smtp::Tls::Required, "sent in clear");
        }
    }
    certificate_asked(octets, &name);
}

/// A session that asks for a certificate: it ends, and tells nobody the address in clear.
fn certificate_asked(octets: &[u8], name: &Domain) {
    let mailbox = Mailbox::parse("secret@b.example").expect("a mailbox");
    let mut session = Inquiry::new(&mailbox, name);
    let mut lines = octets.split_inclusive(|octet| *octet == b'\n');
    let (mut asked, mut protected) = (false, false);
    loop {
        match session.next_action() {
            inquiry::Action::Done => break,
            inquiry::Action::Read => match lines.next() {
                Some(line) => session.handle_octets(line),
                None => session.handle_lost(std::io::ErrorKind::UnexpectedEof.into()),
            },
            inquiry::Action::StartTls => {
                protected = true;
                session.handle_tls();
            }
            inquiry::Action::Write(command) => {
                let names = command.windows(6).any(|octets| octets == b"secret");
                assert!(protected || !names, "asked in clear");
                asked |= names;
            }
        }
    }
    if let Ok(answers) = session.finish() {
        let answered = answers.certificate.is_some() || answers.key.is_some();
        assert!(
            protected && asked >= answered,
            "an answer without a question"
        );
    }
}

/// What an MTA sends: the same packets wherever the stream is split, and no command from what is none.
fn milter_wire(octets: &[u8]) {
    let read = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let mut framer = Framer::default();
        let mut packets = Vec::new();
        for piece in pieces {
            framer.push(piece);
            loop {
                match framer.next_packet() {
                    Ok(Some(packet)) => packets.push((packet.command, packet.data.to_vec())),
                    Ok(None) => break,
                    Err(_) => return (packets, None),
                }
            }
        }
        (packets, Some(framer.pending()))
    };
    let whole = read(&mut std::iter::once(octets));
    assert_eq!(whole, read(&mut octets.chunks(1)), "split otherwise");
    for (command, data) in whole.0 {
        let packet = Packet {
            command,
            data: &data,
        };
        match Command::decode(packet) {
            Ok(read) => assert_eq!(read.letter(), command),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

/// A session: what is collected is within its limits, the body comes after its header alone, and no
/// message outlives its end.
fn milter_session(octets: &[u8]) {
    let limits = MessageLimits {
        octets: 4096,
        header_octets: 1024,
        header_fields: 20,
        recipients: 5,
    };
    let mut framer = Framer::default();
    framer.push(octets);
    let mut session = MilterSession::new(limits, true);
    let mut spooled: Option<usize> = None;
    while let Ok(Some(packet)) = framer.next_packet() {
        let Ok(event) = session.handle(packet) else {
            break;
        };
        match event {
            Event::Aborted => {
                assert!(!session.is_within_message());
                spooled = None;
            }
            Event::Body(piece) => {
                let before = spooled.as_mut().expect("a body without a header");
                *before += piece.len();
            }
            Event::Closed => break,
            Event::Header(header) => {
                assert!(spooled.is_none(), "two headers");
                // With the empty line.
                assert!(header.len() <= limits.header_octets + 2, "{}", header.len());
                assert!(header.ends_with(b"\r\n"));
                spooled = Some(header.len());
            }
            Event::Message(message, piece) => {
                assert!(!session.is_within_message());
                assert!(message.recipients.len() <= limits.recipients);
                assert!(message.header.len() <= limits.header_fields);
                let spooled = spooled.take();
                if message.unacceptable.is_none() {
                    let octets = spooled.expect("a header") + piece.len();
                    assert!(u64::try_from(octets).is_ok_and(|octets| octets <= limits.octets));
                }
            }
            Event::Nothing => {}
            Event::Recipient => {
                let asked = session.asked();
                let [recipient] = asked.recipients.as_slice() else {
                    panic!("one recipient is asked about");
                };
                let is_refused = recipient.given.len() % 2 == 0;
                session.answer_recipient(is_refused.then(Reply::unavailable).as_ref());
            }
        }
        // Each answer is one packet, and nobody is answered twice.
        let due = session.output();
        let mut answers = Framer::default();
        answers.push(&due);
        let _first = answers.next_packet().expect("an answer of ours");
        assert_eq!(answers.pending(), 0, "more than one answer");
    }
}

/// Two headers, with a NUL between them: the edits turn one into the other in the hands of an MTA.
fn milter_edits(octets: &[u8]) {
    let mut halves = octets.split(|octet| *octet == 0);
    let (old, new) = (halves.next(), halves.next());
    for spaced in [true, false] {
        // An MTA that adds a space has one after every colon.
        let space: &[u8] = if spaced { b"" } else { b" " };
        let header = |octets: Option<&[u8]>| -> Vec<Field> {
            let lines = octets.unwrap_or_default().split(|octet| *octet == b'\n');
            let fields = lines.filter_map(|line| {
                let mut parts = line.splitn(2, |octet| *octet == b':');
                let name = parts.next().filter(|name| !name.is_empty())?;
                Some(Field {
                    name: name.to_vec(),
                    value: [space, parts.next()?].concat(),
                })
            });
            fields.take(200).collect()
        };
        let (old, new) = (header(old), header(new));
        let mut packets = Vec::new();
        edits::write(&mut packets, &old, &new, spaced);
        assert!(old != new || packets.is_empty(), "an edit of nothing");
        let mut framer = Framer::default();
        framer.push(&packets);
        let mut edited = old;
        while let Some(packet) = framer.next_packet().expect("packets of ours") {
            edit(&mut edited, packet, space);
        }
        assert_eq!(edited, new);
    }
}

/// What an MTA does at an edit of its header.
fn edit(header: &mut Vec<Field>, packet: Packet<'_>, space: &[u8]) {
    let (at, strings) = match packet.command {
        b'h' => (0, packet.data),
        _ => {
            let (at, strings) = packet.data.split_first_chunk::<4>().expect("an index");
            (u32::from_be_bytes(*at), strings)
        }
    };
    let at = usize::try_from(at).expect("an index");
    let mut strings = strings.split(|octet| *octet == 0);
    let mut string = || strings.next().expect("a string");
    let (name, value) = (string(), string());
    let field = Field {
        name: name.to_vec(),
        value: [space, value].concat(),
    };
    match packet.command {
        b'h' => header.push(field),
        b'i' => {
            assert_eq!(
                at, 0,
                "any other place is counted by each MTA in its own way"
            );
            header.insert(0, field);
        }
        b'm' => {
            let same = |(_, other): &(usize, &Field)| other.name.eq_ignore_ascii_case(name);
            let nth = header.iter().enumerate().filter(same).nth(at - 1);
            let (at, _) = nth.expect("a field that is there");
            if value.trim_ascii().is_empty() {
                header.remove(at);
            } else {
                *header.get_mut(at).expect("it is there") = field;
            }
        }
        other => panic!("no edit of a header: {other}"),
    }
}

/// A policy file, and a condition: what is refused has its place in the file, and what is not is
/// either true of a message or not, whatever is in it.
fn policy(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let escaped: String = text
        .chars()
        .map(|c| format!("\\U{:08X}", u32::from(c)))
        .collect();
    let condition = format!(
        "[[rule]]\nname = 'it'\nwhen = \"{escaped}\"\n[[rule]]\nname = 'rest'\nwhen = 'true'\n"
    );
    for file in [&*text, &condition] {
        match Policy::parse(file, "fuzz") {
            Ok(policy) => policy_decides(&policy, &text),
            Err(error) => {
                let place = error.place;
                let line = file
                    .split('\n')
                    .nth(place.line - 1)
                    .expect("a line of the file");
                assert!(place.column <= line.chars().count() + 1, "{error}");
                assert!(!error.to_string().is_empty());
            }
        }
    }
}

fn policy_decides(policy: &Policy, text: &str) {
    let mailbox = Mailbox::parse("bob@b.example").expect("a mailbox");
    let session = Session::default();
    let value: String = text.chars().take(100).collect();
    let content = Content {
        from: vec![mailbox.clone()],
        size: 7,
        subject: value.clone(),
        layers: "S(E)".parse().expect("layers"),
        verdict: MessageVerdict::Unsigned,
        media_type: "text/plain".to_owned(),
        attachments: vec![value.clone(); 3],
        headers: [("subject".to_owned(), vec![value])].into(),
    };
    for direction in Direction::ALL {
        let facts = Facts {
            direction,
            sender: None,
            recipient: Recipient {
                mailbox: &mailbox,
                partner: policy.partner(mailbox.domain()).is_some(),
                certificate: LookupResult::Absent,
                dca: LookupResult::Unavailable,
            },
            session: &session,
            content: Some(&content),
        };
        match policy.rule_for(&facts) {
            Ok(rule) => assert!(policy.rules().iter().any(|one| one.name == rule.name)),
            Err(ConditionError::Evaluation { reason, .. }) => {
                assert!(!reason.contains("fault of ours"), "{reason}");
            }
            Err(error) => panic!("{error}"),
        }
        let early = Facts {
            content: None,
            ..facts
        };
        if let Some(Ok(rule)) = policy.rule_at_recipient(&early) {
            let late = policy.rule_for(&facts).expect("the rule of the envelope");
            assert_eq!(rule.name, late.name);
        }
    }
}

/// The attributes of a SignerInfo: each is described, and the rules on them are asked.
fn attributes(octets: &[u8]) {
    let limits = limits();
    let lists = [
        Attributes::parse(octets, &limits),
        Attributes::parse_tagged(octets, 0xa0, &limits),
    ];
    for (tagged, list) in lists.into_iter().enumerate() {
        let Ok(list) = list else { continue };
        assert!(list.len() <= limits.attributes);
        let raw: Vec<&[u8]> = list.iter().map(Attribute::raw).collect();
        if tagged == 0 {
            assert_eq!(raw.concat(), octets);
        }
        for attribute in list.iter() {
            let again = Attribute::parse(attribute.raw(), &limits);
            assert!(again.is_ok_and(|again| again.raw() == attribute.raw()));
            assert!(attribute.values().len() <= limits.attributes);
            let _ = attribute.describe();
        }
        let signed = list.der_for_signature();
        let sorted = Attributes::parse_tagged(&signed, 0x31, &limits);
        let sorted = sorted.expect("the DER of attributes is a SET OF attributes");
        assert_eq!(sorted.der_for_signature(), signed);
        assert_eq!(sorted.len(), list.len());
        let _ = list.signing_time();
        let _ = list.capabilities();
        let _ = list.ml_expansion_history();
        let _ = attributes::check_occurrence(Some(&list), Some(&list));
        let _ = attributes::signature_types(&list, Some(&list));
        let _ = attributes::signature_types(&list, None);
    }
    let _ = attributes::looks_like_signed_attributes(octets);
}

/// BER to DER: the DER of DER is itself, and has the same meaning for the readers of CMS.
fn ber(octets: &[u8]) {
    let limits = limits();
    for strings in [to_der::Strings::Universal, to_der::Strings::KeyIdentifiers] {
        if let Ok(der) = to_der::to_der(octets.to_vec(), strings, &limits, "input") {
            assert!(der.len() <= octets.len(), "DER is longer than its BER");
            let again = to_der::to_der(der.clone(), strings, &limits, "DER");
            assert_eq!(again.ok(), Some(der));
        }
    }
    let view = View::owned(octets.to_vec());
    if let Ok(info) = ContentInfo::read(&view, &limits) {
        assert!(info.trailing <= view.len());
        // What follows is not of it.
        let exact = view.slice(0..view.len() - info.trailing);
        let exact = ContentInfo::read(&exact, &limits).expect("without what follows it");
        assert_eq!(exact.trailing, 0);
        assert_eq!(format!("{:?}", exact.cms), format!("{:?}", info.cms));
    }
    let _ = SignerInfo::from_der(octets, &limits);
    if let Ok(certificate) = Certificate::parse(octets) {
        assert_eq!(certificate.der(), octets);
    }
}

/// A MIME entity: fields, parts and what stands between them join to the octets that came; its
/// transit form is in transit form, and stays as it is when it is put into it again.
fn entity(octets: &[u8]) {
    let limits = limits();
    let view = View::owned(octets.to_vec());
    for (count, visit) in Walk::new(&view, &limits).enumerate() {
        assert!(count <= limits.parts, "more parts than the limit");
        let Ok(visit) = visit else { break };
        assert!(visit.depth <= limits.multipart_depth);
        let entity = visit.entity;
        assert_eq!(
            [entity.header.raw(), &whole(&entity.body)].concat(),
            whole(&entity.raw)
        );
        let at = visit.start..visit.start + entity.raw.len();
        assert_eq!(whole(&view.slice(at)), whole(&entity.raw));
        if let Structure::Multipart(multipart) = visit.structure {
            assert_eq!(joined(&multipart), whole(&entity.body));
        }
        if let Ok(decoded) = entity.decoded(&Memory) {
            assert!(decoded.len() <= entity.body.len());
        }
        let _ = entity.header.file_name();
        let _ = entity.header.from_addresses();
        for field in entity.header.fields() {
            let _ = (field.value(), field.text());
        }
    }
    let _ = InputKind::of(&view, &Memory, &limits);
    let _ = MediaType::parse(&String::from_utf8_lossy(octets));
    transit_form(&view, &limits);
    encodings(octets);
    line_ends(&view);
}

fn transit_form(view: &View, limits: &Limits) {
    let Ok(plan) = TransitPlan::of(view, limits) else {
        return;
    };
    let mut written = Vec::new();
    if plan.write(&mut written).is_err() {
        return;
    }
    let again = View::owned(written);
    if plan.is_needless() {
        assert_eq!(whole(&again), whole(view), "needless, and yet changed");
    }
    // In transit form, but labelled 8bit: then only the label changes.
    if plan.left().is_empty() {
        let done = is_transit_form(&again).expect("memory is readable");
        assert!(done, "nothing is left, but it is not in transit form");
        if let Ok(second) = TransitPlan::of(&again, limits) {
            assert!(second.is_needless(), "transit form does not stay as it is");
        }
    }
}

/// What is encoded decodes to itself.
fn encodings(octets: &[u8]) {
    let mut encoder = base64::Encoder::new(Vec::new());
    encoder.write_all(octets).expect("memory is writable");
    let encoded = encoder.finish().expect("memory is writable");
    let length = base64::encoded_length(View::owned(octets.to_vec()).len());
    assert_eq!(View::owned(encoded.clone()).len(), length);
    let mut decoder = base64::Decoder::new(Vec::new());
    decoder.push(&encoded).expect("it is base64");
    assert_eq!(decoder.finish().ok().as_deref(), Some(octets));

    let mut encoder = quoted_printable::Encoder::new(Vec::new());
    encoder.write_all(octets).expect("memory is writable");
    let encoded = encoder.finish().expect("memory is writable");
    let encoded = View::owned(encoded);
    assert!(is_transit_form(&encoded).expect("memory is readable"));
    let mut decoder = quoted_printable::Decoder::new(Vec::new());
    let decoded = decoder
        .push(&whole(&encoded))
        .and_then(|()| decoder.finish());
    // Its line breaks are CRLF, whatever they were.
    let unix = |octets: &[u8]| octets.to_vec().join_lines();
    assert_eq!(
        decoded.ok().map(|decoded| unix(&decoded)),
        Some(unix(octets))
    );

    // In pieces or at once: the same.
    for encoding in [TransferEncoding::Base64, TransferEncoding::QuotedPrintable] {
        let at_once = decoded_in_pieces(octets, octets.len().max(1), encoding);
        assert_eq!(decoded_in_pieces(octets, 7, encoding), at_once);
    }
}

/// What `octets` decode to, pushed in pieces of `size`; `None` when they are malformed.
fn decoded_in_pieces(octets: &[u8], size: usize, encoding: TransferEncoding) -> Option<Vec<u8>> {
    let mut pieces = octets.chunks(size);
    if encoding == TransferEncoding::Base64 {
        let mut decoder = base64::Decoder::new(Vec::new());
        pieces.try_for_each(|piece| decoder.push(piece)).ok()?;
        return decoder.finish().ok();
    }
    let mut decoder = quoted_printable::Decoder::new(Vec::new());
    pieces.try_for_each(|piece| decoder.push(piece)).ok()?;
    decoder.finish().ok()
}

trait JoinLines {
    /// Every CRLF is LF.
    fn join_lines(self) -> Self;
}

impl JoinLines for Vec<u8> {
    fn join_lines(self) -> Self {
        let mut joined = Self::with_capacity(self.len());
        for octet in self {
            if octet == b'\n' && joined.last() == Some(&b'\r') {
                joined.pop();
            }
            joined.push(octet);
        }
        joined
    }
}

/// The canonical form of the canonical form is itself.
fn line_ends(view: &View) {
    let canonical = |view: &View| {
        let mut octets = Vec::new();
        let canonical = Canonical::of(view).expect("memory is readable");
        let done = canonical.windows(|window| octets.write_all(window));
        done.expect("memory is readable and writable");
        octets
    };
    let once = canonical(view);
    assert_eq!(canonical(&View::owned(once.clone())), once);
}

/// EnvelopedData and AuthEnvelopedData, with a key for every recipientInfo; CompressedData.
fn enveloped_data(octets: &[u8]) {
    let limits = limits();
    let view = View::owned(octets.to_vec());
    opened_and_judged(&view, &limits);
    let Ok(info) = ContentInfo::read(&view, &limits) else {
        return;
    };
    match info.cms {
        Cms::Enveloped(data) => {
            assert!(data.recipients.len() <= limits.recipients);
            assert!(data.listed_recipients().count() <= limits.recipients);
            let _ = data.content_encryption_name();
            OPERATIONS.set(0);
            let budget = &mut Budget::new(&limits);
            let key = content_key(&data, &Ring, budget, &PROVIDER);
            assert!(OPERATIONS.get() <= limits.key_operations);
            if let Some(Ok(key)) = key {
                let mut content = Vec::new();
                let _ = decrypt(&data, &key, &PROVIDER, &mut content);
                assert!(
                    content.len() <= octets.len(),
                    "the content is longer than the message"
                );
            }
        }
        Cms::Compressed(data) => {
            let mut content = Vec::new();
            let done = data.decompress(&mut Budget::new(&limits), &mut content);
            let length = View::owned(content).len();
            assert!(
                length <= limits.decompressed_octets,
                "the content is longer than the limit"
            );
            assert!(done.is_err() || done.is_ok_and(|octets| octets == length));
        }
        Cms::Signed(_) => {}
    }
}

/// What a server sends for certificates: each of them is one for itself, in every form.
fn blob(octets: &[u8]) {
    let limits = limits();
    let Ok(found) = lookup::blob::certificates(octets, &limits) else {
        return;
    };
    assert!((1..=limits.certificates).contains(&found.len()));
    for certificate in found {
        let mut encoder = base64::Encoder::new(Vec::new());
        encoder
            .write_all(certificate.der())
            .expect("memory takes all");
        let base64 = encoder.finish().expect("memory takes all");
        let (begin, end) = (
            "-----BEGIN CERTIFICATE-----\n",
            "-----END CERTIFICATE-----\n",
        );
        let pem = [begin.as_bytes(), &base64, end.as_bytes()].concat();
        for form in [certificate.der(), &base64, &pem] {
            let again = lookup::blob::certificates(form, &limits);
            let again = again.expect("a certificate that was read before");
            assert_eq!(again.as_slice(), std::slice::from_ref(&certificate));
        }
    }
}

/// SignedData: all that is said of its signers, and each verified with every certificate.
fn signed_data(octets: &[u8]) {
    let limits = limits();
    let view = View::owned(octets.to_vec());
    opened_and_judged(&view, &limits);
    let Ok(info) = ContentInfo::read(&view, &limits) else {
        return;
    };
    let Cms::Signed(data) = info.cms else { return };
    assert!(data.signers.len() <= limits.signers);
    assert!(data.certificates.len() <= limits.certificates);
    let content = data.content.unwrap_or_else(|| View::owned(Vec::new()));
    let digests = ContentDigests::for_signers(&content, &data.signers, &PROVIDER);
    let content = SignedContent {
        content_type: data.content_type,
        octets: &content,
        digests: &digests.expect("memory is readable"),
    };
    OPERATIONS.set(0);
    let mut budget = Budget::new(&limits);
    for signer in &data.signers {
        let _ = signer.types();
        let _ = signer.signing_time();
        let _ = signer.has_ml_expansion_history();
        let _ = signer.sid.to_string();
        let certificates = data.certificates.iter();
        for certificate in certificates.flat_map(|der| Certificate::parse(der)) {
            let key = (&certificate, certificate.spki());
            let _ = verify_signer(signer, content, key, &PROVIDER, &mut budget);
        }
    }
    assert!(OPERATIONS.get() <= limits.key_operations);
}

/// The way of a whole message: every layer peeled, every signature judged, all of one budget.
fn opened_and_judged(view: &View, limits: &Limits) {
    let opener = Opener {
        keys: &Ring,
        provider: &PROVIDER,
        limits,
        spool: &Memory,
    };
    OPERATIONS.set(0);
    let mut budget = Budget::new(limits);
    let opened = opener.open(view, &mut budget);
    let layers = opened.root.layers();
    assert_eq!(layers.to_string().parse::<Layers>().as_ref(), Ok(&layers));
    let mut decompressed = 0;
    let mut open = vec![(&opened.root, 0)];
    while let Some((node, depth)) = open.pop() {
        // The content of the last layer may be broken at the bound itself.
        assert!(depth <= limits.layers + 1, "more layers than the limit");
        let parts = match &node.kind {
            Kind::Content(parts) => parts.as_slice(),
            Kind::Compressed(child) => {
                decompressed += child.as_deref().map_or(0, |child| child.raw.len());
                &[]
            }
            Kind::Enveloped(..) | Kind::Signed(_) => &[],
        };
        open.extend(
            parts
                .iter()
                .chain(node.child())
                .map(|node| (node, depth + 1)),
        );
    }
    assert!(
        decompressed <= limits.decompressed_octets,
        "all layers together decompress to more than the limit"
    );
    let anchors = people().iter().map(|person| person.certificate.clone());
    static PATHS: OnceLock<SimplePaths> = OnceLock::new();
    let paths = PATHS.get_or_init(|| SimplePaths::new(anchors.collect(), &COUNTED, limits));
    let judge = Judge {
        paths,
        provider: &PROVIDER,
        limits,
        certificates: &[],
        crls: &[],
        at: Time::from_unix(1_800_000_000).expect("a year of four digits"),
        purpose: Purpose::default(),
        revocation: RevocationMode::default(),
        from: None,
        former_names: &[],
    };
    let judgement = judge.judge(&opened, &mut budget);
    let signed = opened.root.chain().filter(|node| is_signed(node)).count();
    assert_eq!(judgement.layers.len(), signed);
    assert!(OPERATIONS.get() <= limits.key_operations);
}

fn is_signed(node: &Node) -> bool {
    matches!(node.kind, Kind::Signed(_))
}

fn whole(view: &View) -> Vec<u8> {
    let read = view.to_vec(usize::MAX).expect("memory is readable");
    read.expect("everything is under the limit")
}

fn joined(multipart: &Multipart) -> Vec<u8> {
    let mut pieces = vec![whole(&multipart.preamble)];
    for (index, delimiter) in multipart.delimiters.iter().enumerate() {
        pieces.push(whole(delimiter));
        pieces.extend(multipart.parts.get(index).map(whole));
    }
    pieces.push(whole(&multipart.epilogue));
    pieces.concat()
}

/// A header with its fields protected: read again as they were, restored, safe to hand on; and the
/// fields that are judged or written beside it.
fn protected(octets: &[u8]) {
    let limits = limits();
    let view = View::owned(octets.to_vec());
    let id = AuthservId::parse("gw.a.example").expect("an identifier");
    if let Ok(entity) = Entity::parse(&view, &limits) {
        let policy = ConfidentialityPolicy::shy();
        for protection in [Protection::Signed, Protection::Encrypted(&policy)] {
            there_and_back(&entity, protection, &limits);
        }
        for field in entity.header.fields() {
            let _ = id.forged(&field);
            if let Some(tagged) = tagged_subject(Some(&field), "[x]") {
                assert!(is_one_field(&tagged), "a tag made a field of its own");
            }
        }
        let _ = legacy_display::remove(&view, &limits);
    }
    let text = String::from_utf8_lossy(octets);
    assert!(
        is_one_field(warning(&text).as_bytes()),
        "a warning is more than its field"
    );
    let signer = Signer::Certificate {
        serial: octets,
        issuer: &text,
    };
    let result = SmimeResult {
        outcome: SmimeOutcome::Pass,
        reason: Some(&text),
        part: Some(&text),
        signer: Some(signer),
    };
    let written = authentication_results::field(&id, &[result]);
    assert!(
        is_one_field(written.as_bytes()),
        "a result is more than its field"
    );
    handed_on(&view, &limits);
}

fn there_and_back(entity: &Entity, protection: Protection<'_>, limits: &Limits) {
    let Ok(composed) = compose(&entity.header, &entity.header, protection, limits) else {
        return;
    };
    let encrypted = matches!(protection, Protection::Encrypted(_));
    // Each field may have an HP-Outer beside it, and those of MIME are added.
    let limits = &Limits {
        header_fields: 2 * limits.header_fields + 10,
        header_octets: 4 * limits.header_octets + 1000,
        ..*limits
    };
    let body = whole(&entity.body);
    let payload = View::owned([composed.inner, body.clone()].concat());
    let payload = legacy_display::add(&payload, &composed.hidden, limits).unwrap_or(payload);
    let payload = Entity::parse(&payload, limits).expect("a header within the bounds");
    let candidate = Candidate {
        header: &payload.header,
        raw: &payload.raw,
        encrypted,
    };
    let protected = Protected::read(&[candidate], limits).expect("fields within the bounds");
    let outer = View::owned([composed.outer, b"\r\n".to_vec()].concat());
    let (outer, _) = Header::parse(&outer, limits).expect("a header within the bounds");
    for difference in compare(&protected, &outer, None) {
        let repeated = matches!(
            difference,
            Difference::Field {
                change: Change::Repeated,
                ..
            }
        );
        assert!(repeated, "{difference}");
    }
    let restored = restore(
        &outer,
        &protected,
        Restoration {
            hidden: true,
            bound: false,
        },
    );
    handed_on(&View::owned([restored, b"\r\n".to_vec()].concat()), limits);
}

/// Whether these octets are one field that can be handed on.
fn is_one_field(octets: &[u8]) -> bool {
    let view = View::owned([octets, b"\r\n"].concat());
    let (header, _) = Header::parse(&view, &Limits::default()).expect("a header");
    header.fields().count() == 1 && header.defects().is_empty() && header.raw_fields() == octets
}

fn handed_on(view: &View, limits: &Limits) {
    let Ok(plan) = SafePlan::of(view, limits) else {
        return;
    };
    let mut written = Vec::new();
    if plan.write(&mut written).is_err() {
        return;
    }
    let scan = Scan::of(&View::owned(written)).expect("memory is readable");
    let stray = scan.bare_carriage_returns + scan.bare_line_feeds;
    assert!(
        stray == 0 && !scan.nul && !scan.long_lines,
        "unsafe to hand on"
    );
}
