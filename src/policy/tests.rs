//! Worked policies, every refusal with its place, and the order of rules.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Policy;
use super::condition::ConditionError;
use super::facts::Content;
use super::facts::Direction;
use super::facts::Fact;
use super::facts::FactValue;
use super::facts::Facts;
use super::facts::LookupResult;
use super::facts::MessageVerdict;
use super::facts::Recipient;
use super::facts::Session;
use super::partner::PinnedCertificate;
use super::rule::Delivery;
use super::rule::Encryption;
use super::rule::Form;
use super::rule::Need;
use super::rule::Otherwise;
use super::rule::Readers;
use super::rule::Verification;
use crate::address::Domain;
use crate::address::Mailbox;
use crate::notation::SignatureType;

/// A message and a recipient of it, from which facts can be borrowed.
#[derive(Clone)]
struct Case {
    direction: Direction,
    sender: Option<Mailbox>,
    recipient: Mailbox,
    partner: bool,
    certificate: LookupResult,
    dca: LookupResult,
    session: Session,
    content: Content,
}

impl Case {
    fn new(direction: Direction) -> Self {
        let headers = [
            ("subject", vec!["Offer for Bücher"]),
            ("x-class", vec!["Secret", "internal"]),
            ("to", vec!["bob@b.example"]),
        ];
        let owned = |values: Vec<&str>| values.into_iter().map(str::to_owned).collect();
        Self {
            direction,
            sender: Some("alice@a.example".parse().unwrap()),
            recipient: "bob@b.example".parse().unwrap(),
            partner: false,
            certificate: LookupResult::Absent,
            dca: LookupResult::Absent,
            session: Session {
                login: Some("alice".into()),
                tls: true,
                client_ip: Some("192.0.2.7".parse().unwrap()),
                helo: Some("pc.a.example".into()),
                ..Session::default()
            },
            content: Content {
                from: vec!["alice@a.example".parse().unwrap()],
                size: 4_096,
                subject: "Offer for Bücher".into(),
                layers: "C".parse().unwrap(),
                verdict: MessageVerdict::Unsigned,
                media_type: "text/plain".into(),
                attachments: vec!["Offer.PDF".into(), String::new()],
                headers: headers
                    .into_iter()
                    .map(|(name, v)| (name.to_owned(), owned(v)))
                    .collect(),
            },
        }
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            direction: self.direction,
            sender: self.sender.as_ref(),
            recipient: Recipient {
                mailbox: &self.recipient,
                partner: self.partner,
                certificate: self.certificate,
                dca: self.dca,
            },
            session: &self.session,
            content: Some(&self.content),
        }
    }

    fn at_recipient(&self) -> Facts<'_> {
        Facts {
            content: None,
            ..self.facts()
        }
    }
}

fn parse(text: &str) -> Policy {
    Policy::parse(text, "p.toml").unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn refusal(text: &str) -> String {
    match Policy::parse(text, "p.toml") {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(error) => error.to_string(),
    }
}

/// A policy with one rule of this condition, and one for all other mail.
fn conditional(when: &str) -> String {
    format!(
        "[[rule]]\nname = \"it\"\nwhen = '''{when}'''\n[[rule]]\nname = \"rest\"\nwhen = 'true'\n"
    )
}

fn holds(when: &str, case: &Case) -> Result<bool, ConditionError> {
    parse(&conditional(when))
        .rule_for(&case.facts())
        .map(|rule| rule.name == "it")
}

#[test]
fn conditions_are_about_the_facts() {
    let mut case = Case::new(Direction::Outbound);
    case.partner = true;
    for (when, expected) in [
        ("direction == 'outbound'", true),
        ("direction != 'outbound'", false),
        ("direction in ['inbound', 'internal']", false),
        (
            "sender.address == 'alice@a.example' && sender.local == 'alice'",
            true,
        ),
        (
            "sender.domain == 'a.example' && recipient.domain == 'b.example'",
            true,
        ),
        (
            "recipient.address == 'bob@b.example' && recipient.local == 'bob'",
            true,
        ),
        (
            "recipient.partner && recipient.certificate == 'absent'",
            true,
        ),
        ("recipient.dca in ['found', 'unavailable']", false),
        (
            "session.authenticated && session.tls && !session.trusted",
            true,
        ),
        (
            "session.login == 'alice' && session.tls_subject == ''",
            true,
        ),
        (
            "session.client_ip.startsWith('192.0.2.') && session.helo.endsWith('.example')",
            true,
        ),
        ("from.count == 1 && from.address == 'alice@a.example'", true),
        ("from.local == 'alice' && from.domain == 'a.example'", true),
        ("message.size > 4 * 1024 - 1 && message.size <= 4096", true),
        ("message.subject.contains('Bücher')", true),
        ("message.subject.lowerAscii().startsWith('offer')", true),
        ("message.subject.matches('(?i)^OFFER for b.cher$')", true),
        (
            "message.subject.matches('^fer') || message.subject.matches('Ü')",
            false,
        ),
        (
            "message.layers == 'C' && !message.signed && !message.encrypted",
            true,
        ),
        (
            "message.verdict == 'unsigned' && message.media_type == 'text/plain'",
            true,
        ),
        (
            "message.attachments.exists(name, name.lowerAscii().endsWith('.pdf'))",
            true,
        ),
        ("message.attachments.all(name, name != '')", false),
        ("message.attachments.exists_one(name, name == '')", true),
        (
            "message.attachments.filter(name, name.size() > 3).size() == 1",
            true,
        ),
        (
            "message.attachments.map(name, name.lowerAscii()).exists(name, name == 'offer.pdf')",
            true,
        ),
        (
            "size(message.attachments) == 2 && 'Offer.PDF' in message.attachments",
            true,
        ),
        (
            "message.headers['x-class'].exists(v, v == 'internal')",
            true,
        ),
        (
            "message.headers.subject.exists(v, v.contains('Offer'))",
            true,
        ),
        (
            "'x-class' in message.headers && !('x-none' in message.headers)",
            true,
        ),
        ("message.headers['x-none'].exists(v, true)", false),
        (
            "message.headers['x-none'].all(v, false) && size(message.headers['x-none']) == 0",
            true,
        ),
        (
            "message.headers.exists(n, n.startsWith('x-') && message.headers[n].size() > 1)",
            true,
        ),
        ("size(message.headers) == 3", true),
        (
            "message.size > 1000 ? recipient.partner : session.trusted",
            true,
        ),
        ("message.size in [1, 4096]", true),
        ("[1, 2].exists(n, n == 2)", true),
        ("sender.local + '@' + sender.domain == sender.address", true),
    ] {
        assert_eq!(holds(when, &case), Ok(expected), "{when}");
    }
}

#[test]
fn what_is_not_there_is_empty_and_what_is_several_is_no_one() {
    let mut case = Case::new(Direction::Inbound);
    case.sender = None;
    case.session = Session::default();
    case.content.from.push("eve@c.example".parse().unwrap());
    for when in [
        "sender.address == '' && sender.local == '' && sender.domain == ''",
        "from.count == 2 && from.address == '' && from.domain == ''",
        "!session.authenticated && session.login == '' && session.client_ip == ''",
    ] {
        assert_eq!(holds(when, &case), Ok(true), "{when}");
    }
}

#[test]
fn an_e_without_content_is_one_that_could_not_be_opened() {
    let mut case = Case::new(Direction::Outbound);
    for (layers, signed, encrypted, closed) in [
        ("C", false, false, false),
        ("S[empty](C)", false, false, false),
        ("S[domain](S[empty](C))", true, false, false),
        ("E(S(C))", true, true, false),
        ("S(E)", true, true, true),
        ("E", false, true, true),
    ] {
        case.content.layers = layers.parse().unwrap();
        assert_eq!(case.content.is_signed(), signed, "{layers}");
        assert_eq!(case.content.is_encrypted(), encrypted, "{layers}");
        assert_eq!(
            holds("!message.layers.contains('C')", &case),
            Ok(closed),
            "{layers}"
        );
    }
}

#[test]
fn a_condition_without_a_value_is_an_error_and_never_no() {
    let case = Case::new(Direction::Outbound);
    for when in [
        "message.size / 0 == 1",
        "message.size % (from.count - 1) == 1",
        "message.size * 9223372036854775807 > 1",
        "message.size / 0 == 1 || direction == 'inbound'",
    ] {
        let error = holds(when, &case).unwrap_err();
        assert!(
            matches!(error, ConditionError::Evaluation { .. }),
            "{when}: {error}"
        );
    }
    // An alternative that is true does not need the one that fails.
    assert_eq!(
        holds("message.size / 0 == 1 || direction == 'outbound'", &case),
        Ok(true)
    );
}

#[test]
fn too_many_values_are_an_error_where_they_are_asked_for_and_nowhere_else() {
    let mut case = Case::new(Direction::Inbound);
    case.content.attachments = vec!["a".into(); Facts::MOST_VALUES];
    assert_eq!(holds("'b' in message.attachments", &case), Ok(false));
    case.content.attachments.push("b".into());
    let error = holds("'b' in message.attachments", &case).unwrap_err();
    assert_eq!(
        error.to_string(),
        "condition \"'b' in message.attachments\" asks for `message.attachments`: \
         number of its values is 501, more than the limit of 500"
    );
    assert_eq!(holds("message.size == 4096", &case), Ok(true));
    let values = vec![String::new(); Facts::MOST_VALUES];
    case.content.headers = BTreeMap::from([("a".into(), values), ("b".into(), vec!["".into()])]);
    assert!(holds("'b' in message.headers", &case).is_err());
}

#[test]
fn the_most_costly_condition_stays_within_a_second() {
    let mut case = Case::new(Direction::Inbound);
    case.content.attachments = vec!["a".into(); Facts::MOST_VALUES];
    let when = "message.attachments.exists(a, message.attachments.exists(b, a != b))";
    assert_eq!(holds(when, &case), Ok(false));
}

#[test]
fn facts_of_the_table_are_those_of_the_contract() {
    let case = Case::new(Direction::Outbound);
    let (facts, early) = (case.facts(), case.at_recipient());
    for fact in Fact::all() {
        assert!(fact.value(&facts).is_some(), "{}", fact.name);
        let known = fact.origin == super::facts::Origin::Envelope;
        assert_eq!(fact.value(&early).is_some(), known, "{}", fact.name);
    }
    let names: Vec<&str> = Fact::all().iter().map(|fact| fact.name).collect();
    let contract = "direction sender.address sender.local sender.domain recipient.address \
        recipient.local recipient.domain recipient.partner recipient.certificate recipient.dca \
        session.authenticated session.login session.trusted session.tls session.tls_subject \
        session.client_ip session.helo from.address from.local from.domain from.count message.size \
        message.subject message.layers message.signed message.encrypted message.verdict \
        message.media_type message.attachments message.headers";
    assert_eq!(names, contract.split_whitespace().collect::<Vec<_>>());
    let words = |name| Fact::named(name).unwrap().fact_type.describe();
    assert_eq!(words("direction"), "outbound|internal|inbound");
    assert_eq!(words("message.headers"), "map(string, list(string))");
    let size = Fact::named("message.size").unwrap();
    assert_eq!(size.value(&facts), Some(FactValue::Int(4_096)));
}

#[test]
fn every_word_of_a_fact_is_in_the_table() {
    for direction in Direction::ALL {
        assert_eq!(
            holds(
                &format!("direction == '{}'", direction.as_str()),
                &Case::new(direction)
            ),
            Ok(true)
        );
    }
    let mut case = Case::new(Direction::Outbound);
    use LookupResult::{Absent, Found, Invalid, Unavailable};
    for result in [Absent, Found, Invalid, Unavailable] {
        case.certificate = result;
        case.dca = result;
        let when = format!(
            "recipient.certificate == '{0}' && recipient.dca == '{0}'",
            result.as_str()
        );
        assert_eq!(holds(&when, &case), Ok(true), "{when}");
    }
    use MessageVerdict::{Indeterminate, Unsigned, Valid};
    for verdict in [Indeterminate, MessageVerdict::Invalid, Unsigned, Valid] {
        case.content.verdict = verdict;
        let when = format!("message.verdict == '{}'", verdict.as_str());
        assert_eq!(holds(&when, &case), Ok(true), "{when}");
    }
}

/// Conditions that are refused: the condition, the column of the mistake in it, and a part of what
/// is said.
#[rustfmt::skip]
const BAD_CONDITIONS: &[(&str, usize, &str)] = &[
    ("direction = 'outbound'", 11, ""),
    ("", 1, ""),
    ("direction == ", 14, ""),
    ("direction", 1, "it must be true or false, and is a text"),
    ("message.size + 1", 14, "is a number"),
    ("direktion == 'outbound'", 1, "there is no fact `direktion`; `domsec policy facts` lists them"),
    ("true || message.sise > 1", 16, "no fact `message.sise`; there are message.size, message.subject,"),
    ("message == 'x'", 1, "there is no fact `message`"),
    ("sender.domain.size == 2", 14, "there is no fact `sender.domain.size`"),
    ("direction == 'outbond'", 14, "it is never \"outbond\"; it is one of outbound, internal, inbound"),
    ("'vallid' != message.verdict", 1, "it is never \"vallid\""),
    ("recipient.dca in ['found', 'none']", 28, "it is never \"none\""),
    ("recipient.domain == 'B.example'", 21, "a domain is never \"B.example\"; write \"b.example\""),
    ("recipient.domain in ['bücher.example']", 22, "write \"xn--bcher-kva.example\""),
    ("recipient.domain == 'b..example'", 21, "has an empty label"),
    ("message.size > '1'", 14, "`>` does not apply to a number and a text"),
    ("message.size > 1.5", 16, "numbers are whole"),
    ("message.size > 1u", 16, "numbers are whole"),
    ("message.subject == null", 20, "an absent text is \"\""),
    ("session.tls == 'yes'", 13, "`==` does not apply to true or false and a text"),
    ("session.tls && message.size", 13, "`&&` does not apply to true or false and a number"),
    ("message.subject > 'a'", 17, "`>` does not apply"),
    ("message.subject.upperAscii() == 'A'", 27, "there is no function `upperAscii`; there are all, contains"),
    ("type(message.size) == int", 5, "there is no function `type`"),
    ("message.subject.contains(1)", 25, "`contains` does not apply to a text and a number"),
    ("message.subject.matches('(')", 25, "the pattern is no regular expression"),
    ("message.subject.matches(sender.local)", 31, "the pattern must stand here in quotes"),
    ("matches(message.subject, 'a')", 8, "write text.matches"),
    ("message.size.matches('a')", 21, "`matches` does not apply to a number"),
    ("message.headers['Subject'].exists(v, true)", 17, "write \"subject\""),
    ("'X-Class' in message.headers", 1, "write \"x-class\""),
    ("message.headers.Subject.size() > 0", 16, "write \"subject\""),
    ("has(message.headers.subject)", 4, "has() has no use"),
    ("message.attachments[0] == 'a'", 20, "`[ ]` does not apply to a list of texts and a number"),
    ("message.attachments == ['a']", 21, "`==` does not apply"),
    ("message.attachments.exists(a, a)", 31, "must be true or false"),
    ("message.attachments.exists(a, a.name == 'b')", 32, "`a` is a text and has no fields"),
    ("message.attachments.exists(message, true)", 27, "`message` cannot be used as a name here"),
    ("message.size.exists(a, true)", 8, "it goes through a list, and this is a number"),
    ("message.attachments.exists(a, b == 'c')", 31, "there is no fact `b`"),
    ("message.attachments.exists(a, message.attachments.exists(b, message.attachments.exists(c, true)))",
        87, "no more than two lists"),
    ("{'a': 1}['a'] == 1", 1, "maps and messages have no use"),
    ("[1, 'a'].exists(n, true)", 5, "of one type"),
    ("recipient.domain in []", 18, "`in` does not apply to a text and an empty list"),
    ("b'a' == b'a'", 1, "no fact is bytes"),
];

#[test]
fn conditions_that_are_not_about_the_facts_are_refused_with_their_place() {
    let mut wrong = Vec::new();
    for (when, column, reason) in BAD_CONDITIONS {
        let error = refusal(&conditional(when));
        // Line 3 is `when = '''...`, and the condition begins in column 11.
        let place = format!("p.toml:3:{}: condition of rule \"it\": ", column + 10);
        if !error.starts_with(&place) || !error.contains(reason) {
            wrong.push(format!(
                "{when}\n  is      {error}\n  and not {place}{reason}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn conditions_that_nest_too_deeply_are_refused_and_long_ones_are_not() {
    let case = Case::new(Direction::Outbound);
    for unit in [
        "!", "-", "(", "[", "1+", "true?", "a.", "f(", "{", "true||(", "[0,[0,",
    ] {
        for count in [20, 70, 700, 5_000] {
            let _ = Policy::parse(&conditional(&unit.repeat(count)), "p.toml").unwrap_err();
        }
    }
    let sum = format!("0 < {}", ["1"; 20].join("+"));
    assert_eq!(holds(&sum, &case), Ok(true));
    assert!(
        refusal(&conditional(&format!("0 < {}", ["1"; 30].join("+")))).contains("nests too deeply")
    );
    let domains: Vec<String> = (0..800).map(|n| format!("'d{n}.example'")).collect();
    let list = format!("recipient.domain in [{}, 'b.example']", domains.join(","));
    assert_eq!(holds(&list, &case), Ok(true));
    let alternatives: Vec<String> = (0..300)
        .map(|n| format!("sender.domain == 'd{n}.example'"))
        .collect();
    assert_eq!(holds(&alternatives.join(" || "), &case), Ok(false));
    let error = refusal(&conditional(&" ".repeat(20_000)));
    assert!(error.contains("octets of a condition is 20000"), "{error}");
}

/// Policies that are refused: the text, the place, and what is said.
#[rustfmt::skip]
const REFUSED: &[(&str, &str, &str)] = &[
    ("[[rule]\n", "1:8", "not TOML: "),
    ("a = 1\na = 2\n", "2:1", "not TOML: duplicate key"),
    ("rules = []", "1:1", "a policy file has no key `rules`; its keys are rule, profile, attributes, partner, originators, flag"),
    ("rule = 1", "1:8", "rule must be an array, and is a number"),
    ("rule = [1]", "1:9", "rule must be a table, and is a number"),
    ("[[rule]]\nname = 'a'\n", "1:1", "rule \"a\" has no `when`"),
    ("[[rule]]\nwhen = 'true'\n", "1:1", "[[rule]] has no `name`"),
    ("[[rule]]\nname = 'a b'\n", "2:8", "name = 'a b': a name is 1 to 64 letters"),
    ("[[rule]]\nname = ''\n", "2:8", "name = '': a name is 1 to 64"),
    ("[[rule]]\nname = 'é'\n", "2:8", "a name is 1 to 64"),
    ("[[rule]]\nname = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'\n", "2:8", "a name is 1 to 64"),
    ("[[rule]]\nname = 1\n", "2:8", "name must be a string, and is a number"),
    ("[[rule]]\nname = 'a'\nwhen = 'true'\ncolour = 1\n", "4:1", "[[rule]] has no key `colour`; its keys are name, when, sign"),
    ("[[rule]]\nname = 'a'\nwhen = true\n", "3:8", "when must be a string, and is true or false"),
    ("[[rule]]\nname = 'a'\nwhen = \"direction == \\\"outbond\\\"\"\n", "3:22", "condition of rule \"a\": it is never"),
    ("[[rule]]\nname = 'a'\nwhen = '''\ntrue ||\n  x'''\n", "5:3", "there is no fact `x`"),
    ("[[rule]]\nname = 'a'\nwhen = 'true'\nsign = 'domain'\n", "4:8", "sign must be an array, and is a string"),
    ("[[rule]]\nname = 'a'\nwhen = 'true'\nsign = ['domain', 'originator']\n", "4:19", "sign = 'originator': accepted are domain, review, attributes, delegated"),
    ("[[rule]]\nname = 'a'\nwhen = 'true'\nsign = ['domain', 'domain']\n", "4:19", "sign = 'domain': it stands here already"),
    ("[[rule]]\nname = 'a'\nwhen = 'true'\nsigning = 'maybe'\n", "4:11", "signing = 'maybe': accepted are required, if-possible"),
    ("[[rule]]\nname = 'a'\nwhen = 'true'\nreview = 'desk'\n", "4:10", "review = 'desk': accepted are automatic"),
    ("[[rule]]\nname = 'a'\nwhen = 'true'\nsign = ['review']\n", "4:8", "rule \"a\": `review` needs `review = \"automatic\"`"),
    ("[[rule]]\nname = 'a'\nwhen = 'true'\nform = 'clear'\n", "4:8", "form = 'clear': accepted are opaque, detached"),
    ("[[rule]]\nname = 'a'\nwhen = 'true'\nsign = ['domain']\nform = 'detached'\n", "5:8", "a signature of type domain must encapsulate"),
    ("[[rule]]\nname = 'a'\nwhen = 'true'\nform = 'detached'\nreview = 'automatic'\nsign = ['delegated', 'review']\n", "4:8", "a signature of type review must encapsulate"),
    ("[attributes.x]\ncontent_hint = 'x'\n[[rule]]\nname = 'a'\nwhen = 'true'\nattributes = 'x'\nsign = ['attributes']\nform = 'detached'\n", "8:8", "a signature of type attributes must encapsulate"),
    ("[[rule]]\nname = 'a'\nwhen = 'true'\nencrypt = 'always'\n", "4:11", "encrypt = 'always': accepted are required, if-possible, never"),
    ("[[rule]]\nname = 'a'\nwhen = 'true'\nencrypt = 'required'\n", "4:11", "encryption without a signature; give `sign`, or say `encrypt_alone = true`"),
    ("[[rule]]\nname = 'a'\nwhen = 'true'\nencrypt = 'if-possible'\nencrypt_alone = false\n", "4:11", "encryption without a signature"),
    ("[[rule]]\nname = 'a'\nwhen = 'true'\nencrypt_alone = 'yes'\n", "4:17", "encrypt_alone must be true or false, and is a string"),
    ("[[rule]]\nname = 'a'\nwhen = 'true'\nencrypt_to = []\n", "4:14", "encrypt_to = []: it names nobody"),
    ("[[rule]]\nname = 'a'\nwhen = 'true'\nencrypt_to = ['me']\n", "4:15", "encrypt_to = 'me': accepted are recipient, dca, own-dca"),
    ("[[rule]]\nname = 'a'\nwhen = 'true'\nencrypt_to = ['dca', 'dca']\n", "4:22", "it stands here already"),
    ("[[rule]]\nname = 'a'\nwhen = 'true'\nprofile = 'x'\n", "4:11", "profile = \"x\": there is no [profile.x]; the file has no [profile.NAME] at all"),
    ("[profile.y]\n[[rule]]\nname = 'a'\nwhen = 'true'\nprofile = 'x'\n", "5:11", "there is no [profile.x]; known are y"),
    ("[[rule]]\nname = 'a'\nwhen = 'true'\nattributes = 'x'\n", "4:14", "there is no [attributes.x]"),
    ("[[rule]]\nname = 'a'\nwhen = 'true'\nsign = ['attributes']\n", "4:8", "`attributes` needs `attributes = \"NAME\"`"),
    ("[attributes.x]\ncontent_hint = 'x'\n[[rule]]\nname = 'a'\nwhen = 'true'\nattributes = 'x'\n", "6:14", "the attributes are written nowhere"),
    ("[[rule]]\nname = 'a'\nwhen = 'true'\notherwise = 'drop'\n", "4:13", "otherwise = 'drop': accepted are refuse, hold, defer, pass"),
    ("[[rule]]\nname = 'a'\nwhen = 'true'\ndefer_for = '4'\n", "4:13", "defer_for = '4': write a whole number and s, m, h or d"),
    ("[[rule]]\nname = 'a'\nwhen = 'true'\ndefer_for = '+4h'\n", "4:13", "write a whole number"),
    ("[[rule]]\nname = 'a'\nwhen = 'true'\ndefer_for = '4é'\n", "4:13", "write a whole number"),
    ("[[rule]]\nname = 'a'\nwhen = 'true'\ndefer_for = '99999999999999999999d'\n", "4:13", "write a whole number"),
    ("[[rule]]\nname = 'a'\nwhen = 'true'\ndefer_for = '6d'\n", "4:13", "longer than 5d"),
    ("[[rule]]\nname = 'a'\nwhen = 'true'\ndefer_for = 4\n", "4:13", "defer_for must be a string, and is a number"),
    ("[[rule]]\nname = 'a'\nwhen = 'true'\nverify = 'no'\n", "4:10", "verify = 'no': accepted are mark, require"),
    ("[[rule]]\nname = 'a'\nwhen = 'true'\ndeliver = 'no'\n", "4:11", "deliver = 'no': accepted are clear, signed, as-is"),
    ("[[rule]]\nname = 'a'\nwhen = 'true'\n[[rule]]\nname = 'a'\nwhen = 'true'\n", "5:8", "name = 'a': another rule has this name"),
    ("", "1:1", "no rule holds for all inbound mail"),
    ("[[rule]]\nname = 'a'\nwhen = 'direction != \"outbound\"'\n", "1:1", "no rule holds for all inbound mail; end the file with a rule whose condition is `direction == \"inbound\"` or `true`"),
    ("[[rule]]\nname = 'a'\nwhen = 'direction in [\"inbound\", \"internal\"]'\n", "1:1", "no rule holds for all outbound mail"),
    ("[[rule]]\nname = 'a'\nwhen = 'session.tls || !session.tls'\n", "1:1", "no rule holds for all inbound mail"),
    ("[[rule]]\nname = 'a'\nwhen = 'direction == \"inbound\" && true'\n", "1:1", "no rule holds for all inbound mail"),
    ("[profile]\nx = 1\n", "2:5", "x must be a table, and is a number"),
    ("[profile.'a b']\n", "1:10", "name of the table = \"a b\": a name is 1 to 64"),
    ("[profile.x]\ncolour = 1\n", "2:1", "[profile.x] has no key `colour`; its keys are cipher, key_encryption, digest, rsa_signature, minimum_rsa_bits, inside, demand"),
    ("[profile.x]\ncipher = 'des-ede3-cbc'\n", "2:10", "accepted are aes-128-cbc, aes-192-cbc, aes-256-cbc, aes-128-gcm, aes-256-gcm, chacha20-poly1305"),
    ("[profile.x]\nkey_encryption = 'oaep'\n", "2:18", "accepted are rsa-pkcs1, rsa-oaep"),
    ("[profile.x]\ndigest = 'sha-1'\n", "2:10", "accepted are sha-256, sha-384, sha-512"),
    ("[profile.x]\nrsa_signature = 'pss'\n", "2:17", "accepted are rsa-pkcs1, rsa-pss"),
    ("[profile.x]\nminimum_rsa_bits = 512\n", "2:20", "accepted are 1024 to 16384"),
    ("[profile.x]\nminimum_rsa_bits = -1\n", "2:20", "a whole number, not negative"),
    ("[partner.'b..example']\n", "1:10", "has an empty label"),
    ("[partner.'[192.0.2.1]']\n", "1:10", "an address literal is no domain"),
    ("[partner.'b.example']\n[partner.'B.Example']\n", "2:10", "b.example has an entry already"),
    ("[partner.'b.example']\ncolour = 1\n", "2:1", "[partner.\"b.example\"] has no key `colour`"),
    ("[partner.'b.example']\ncertificates = ['ab']\n", "2:17", "64 hex digits"),
    ("[partner.'b.example']\ndca = ''\n", "2:7", "write the name of a certificate's file"),
    ("[partner.'b.example']\nprofile = 'x'\n", "2:11", "there is no [profile.x]"),
    ("[originators]\nalice = 'a@a.example'\n", "2:9", "alice must be an array"),
    ("[originators]\nalice = ['a.example']\n", "2:10", "write an address, or @ and a domain"),
    ("[originators]\nalice = []\nAlice = []\n", "3:1", "it has a row already"),
    ("[attributes.x]\n", "1:1", "it holds no attribute"),
    ("[attributes.x]\nsecurity_label = { classification = 1 }\n", "2:18", "a security label has no `policy`"),
    ("[attributes.x]\nsecurity_label = { policy = '1.2.3', classification = 257 }\n", "2:18", "257 is over 256"),
    ("[attributes.x]\nsecurity_label = { policy = '1.2.3', classification = 'hidden' }\n", "2:55", "accepted are unmarked, unclassified, restricted, confidential, secret, top-secret"),
    ("[attributes.x]\nsecurity_label = { policy = '1', classification = 1 }\n", "2:29", "write an object identifier"),
    ("[attributes.x]\nequivalent_labels = []\n", "2:21", "it holds no label"),
    ("[attributes.x]\nother = [{ oid = '1.2.3', value = '05' }]\n", "2:35", "it is not DER"),
    ("[attributes.x]\nother = [{ oid = '1.2.3', value = '050' }]\n", "2:35", "written in hex digits"),
    ("[attributes.x]\nother = [{ oid = '1.2.840.113549.1.9.16.2.28', value = '0500' }]\n", "2:18", "ours to write"),
    ("[attributes.x]\nother = [{ oid = '1.2.3', value = '0500' }, { oid = '1.2.3', value = '0500' }]\n", "2:53", "stands here already"),
    ("[flag]\ntag = 'a\\r'\nwarning_header = 1\n", "3:18", "warning_header must be true or false"),
    ("[flag]\ntag = \"a\\r\"\n", "2:7", "a tag is 1 to 32 printable ASCII characters"),
    ("[flag]\ntag = ''\n", "2:7", "a tag is 1 to 32"),
    ("[flag]\nsubject = 1\n", "2:1", "[flag] has no key `subject`; its keys are subject_tag, tag, warning_header"),
];

#[test]
fn files_that_are_wrong_are_refused_with_their_place() {
    let mut wrong = Vec::new();
    for (text, place, reason) in REFUSED {
        let error = refusal(text);
        let expected = format!("p.toml:{place}: ");
        if !error.starts_with(&expected) || !error.contains(reason) {
            wrong.push(format!(
                "{text}\n  is      {error}\n  and not {expected}{reason}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_direction_is_covered_by_plain_forms_alone() {
    for rules in [
        &["true"][..],
        &[
            "direction == 'outbound'",
            "'internal' == direction",
            "direction == 'inbound'",
        ],
        &["direction in ['outbound', 'internal', 'inbound']"],
        &["direction == 'outbound' || direction in ['internal', 'inbound']"],
        &[
            "session.trusted || direction == 'outbound'",
            "session.tls || direction != 'outbound' || true",
        ],
    ] {
        let text: Vec<String> = rules
            .iter()
            .enumerate()
            .map(|(index, when)| format!("[[rule]]\nname = 'r{index}'\nwhen = \"{when}\"\n"))
            .collect();
        let policy = parse(&text.concat());
        for direction in Direction::ALL {
            policy.rule_for(&Case::new(direction).facts()).unwrap();
        }
    }
}

/// A policy that somebody could have, mail, and the rule that is for it.
struct Worked {
    policy: &'static str,
    rows: &'static [Row],
}

/// What makes a message of [`Case::new`] this one, and the name of its rule.
type Row = (fn(&mut Case), &'static str);

#[rustfmt::skip]
const WORKED: &[Worked] = &[
    // A ministry: nothing leaves that a reviewer has not signed; secret mail only to one partner, encrypted.
    Worked {
        policy: r#"
            [[rule]]
            name = "secret"
            when = 'direction == "outbound" && message.headers["x-class"].exists(c, c.lowerAscii() == "secret")'
            sign = ["review", "attributes", "domain"]
            review = "automatic"
            attributes = "secret"
            encrypt = "required"
            encrypt_to = ["dca", "own-dca"]
            profile = "strong"
            otherwise = "hold"
            [[rule]]
            name = "reviewed"
            when = 'direction == "outbound"'
            require_review = true
            [[rule]]
            name = "rest"
            when = 'true'
            [attributes.secret]
            security_label = { policy = "1.2.3", classification = "secret", privacy_mark = "for the ministry", categories = [{ oid = "1.2.4", value = "0500" }] }
            equivalent_labels = [{ policy = "1.2.5", classification = 4 }]
            content_hint = "offers"
            other = [{ oid = "1.2.6", value = "0c026f6b" }]
            [profile.strong]
            cipher = "aes-256-gcm"
            key_encryption = "rsa-oaep"
            digest = "sha-512"
            rsa_signature = "rsa-pss"
            minimum_rsa_bits = 3072
            demand = true
        "#,
        rows: &[
            (|_| {}, "secret"),
            (|c| { c.content.headers.clear(); }, "reviewed"),
            (|c| c.direction = Direction::Inbound, "rest"),
        ],
    },
    // A hospital: partners by entry, encryption demanded, others in the clear but signed.
    Worked {
        policy: r#"
            [partner."clinic.example"]
            [partner."lab.clinic.example"]
            dca = "lab.pem"
            [[rule]]
            name = "partners"
            when = 'direction == "outbound" && recipient.partner'
            sign = ["domain"]
            encrypt = "required"
            otherwise = "defer"
            defer_for = "2d"
            [[rule]]
            name = "in"
            when = "direction in ['inbound', 'internal']"
            decrypt = true
            deliver = "signed"
            verify = "require"
            otherwise = "hold"
            [[rule]]
            name = "out"
            when = "direction == 'outbound'"
            sign = ["delegated"]
            form = "detached"
        "#,
        rows: &[
            (|_| {}, "out"),
            (|c| c.partner = true, "partners"),
            (|c| c.direction = Direction::Internal, "in"),
        ],
    },
    // An order desk: large mail and mail with programs is held, newsletters leave unsigned.
    Worked {
        policy: r#"
            [[rule]]
            name = "programs"
            when = 'message.attachments.exists(a, a.matches("(?i)[.](exe|js|pdf)$"))'
            verify = "require"
            otherwise = "hold"
            [[rule]]
            name = "newsletter"
            when = 'sender.local == "news" || message.headers["list-id"].size() > 0'
            [[rule]]
            name = "large"
            when = 'message.size > 10 * 1024 * 1024 && direction == "outbound"'
            sign = ["domain"]
            encrypt = "never"
            [[rule]]
            name = "rest"
            when = 'true'
            sign = ["domain"]
            signing = "if-possible"
            encrypt = "if-possible"
        "#,
        rows: &[
            (|_| {}, "programs"),
            (|c| { c.content.attachments.clear(); c.sender = Some("news@a.example".parse().unwrap()); }, "newsletter"),
            (|c| { c.content.attachments.clear(); c.content.size = 11 << 20; }, "large"),
            (|c| c.content.attachments.clear(), "rest"),
        ],
    },
    // Departments in one file: by login, by network, by TLS certificate.
    Worked {
        policy: r#"
            [[rule]]
            name = "board"
            when = 'session.login in ["ceo", "cfo"]'
            sign = ["domain"]
            encrypt = "required"
            encrypt_to = ["recipient"]
            [[rule]]
            name = "machines"
            when = 'session.trusted && !session.authenticated || session.tls_subject == "CN=scanner"'
            encrypt_alone = true
            encrypt = "if-possible"
            otherwise = "pass"
            [[rule]]
            name = "rest"
            when = 'true'
            [originators]
            "scanner" = ["@scan.a.example", "alice@a.example"]
        "#,
        rows: &[
            (|_| {}, "rest"),
            (|c| c.session.login = Some("cfo".into()), "board"),
            (|c| { c.session.login = None; c.session.trusted = true; }, "machines"),
            (|c| c.session.tls_subject = Some("CN=scanner".into()), "machines"),
        ],
    },
    // Strict reception: what is not valid is refused, except from one domain.
    Worked {
        policy: r#"
            [[rule]]
            name = "bank"
            when = 'direction == "inbound" && sender.domain == "bank.example" && message.verdict != "valid"'
            verify = "require"
            otherwise = "refuse"
            [[rule]]
            name = "broken"
            when = 'direction == "inbound" && message.verdict == "invalid"'
            verify = "require"
            otherwise = "hold"
            [[rule]]
            name = "rest"
            when = 'true'
            [flag]
            tag = "[!]"
            warning_header = false
        "#,
        rows: &[
            (|c| c.direction = Direction::Inbound, "rest"),
            (|c| { c.direction = Direction::Inbound; c.content.verdict = MessageVerdict::Invalid; }, "broken"),
            (|c| { c.direction = Direction::Inbound; c.sender = Some("x@Bank.Example".parse().unwrap()); }, "bank"),
            (|c| c.content.verdict = MessageVerdict::Invalid, "rest"),
        ],
    },
    // The one that is compiled in.
    Worked {
        policy: super::BUILTIN,
        rows: &[
            (|_| {}, "everyone-else"),
            (|c| c.dca = LookupResult::Found, "partners"),
            (|c| c.dca = LookupResult::Unavailable, "partners"),
            (|c| c.dca = LookupResult::Invalid, "partners"),
            (|c| c.certificate = LookupResult::Found, "own-certificates"),
            (|c| c.certificate = LookupResult::Unavailable, "own-certificates"),
            (|c| c.partner = true, "partners"),
            (|c| { c.partner = true; c.content.layers = "S(E)".parse().unwrap(); }, "end-to-end"),
            (|c| c.content.layers = "E".parse().unwrap(), "end-to-end"),
            (|c| c.content.layers = "E(S(C))".parse().unwrap(), "encrypted-by-users"),
            (|c| { c.partner = true; c.content.layers = "E(S(C))".parse().unwrap(); }, "encrypted-partners"),
            (|c| { c.direction = Direction::Internal; c.content.layers = "E".parse().unwrap(); }, "internal"),
            (|c| { c.direction = Direction::Inbound; c.content.layers = "E".parse().unwrap(); }, "inbound"),
        ],
    },
];

#[test]
fn worked_policies_choose_the_rule_that_they_say() {
    for (index, worked) in WORKED.iter().enumerate() {
        let policy = parse(worked.policy);
        for (row, (change, expected)) in worked.rows.iter().enumerate() {
            let mut case = Case::new(Direction::Outbound);
            change(&mut case);
            let rule = policy.rule_for(&case.facts()).unwrap();
            assert_eq!(rule.name, *expected, "policy {index}, row {row}");
        }
    }
}

fn rule<'p>(policy: &'p Policy, name: &str) -> &'p super::rule::Rule {
    policy
        .rules()
        .iter()
        .find(|rule| rule.name == name)
        .unwrap()
}

#[test]
fn every_key_of_a_rule_is_read() {
    let ministry = parse(WORKED[0].policy);
    let secret = rule(&ministry, "secret");
    use SignatureType::{AdditionalAttributes, Review};
    assert_eq!(
        secret.sign,
        [Review, AdditionalAttributes, SignatureType::Domain]
    );
    assert!(secret.review_automatic && !secret.require_review);
    assert!(rule(&ministry, "reviewed").require_review);
    assert_eq!(secret.encrypt, Encryption::Required);
    assert_eq!(
        (secret.encrypt_to.readers, secret.encrypt_to.own_dca),
        (Readers::Dca, true)
    );
    assert_eq!(secret.otherwise, Otherwise::Hold);
    let strong = ministry
        .profile(secret.profile.as_deref().unwrap())
        .unwrap();
    assert_eq!(
        strong.cipher,
        Some(crate::crypto::ContentEncryption::Aes256Gcm)
    );
    assert_eq!(
        strong.key_encryption,
        Some(super::profile::RsaKeyEncryption::Oaep)
    );
    assert_eq!(strong.digest, Some(crate::crypto::DigestAlgorithm::Sha512));
    assert_eq!(
        strong.rsa_signature,
        Some(super::profile::RsaSignature::Pss)
    );
    assert_eq!(
        (strong.minimum_rsa_bits, strong.demand),
        (Some(3_072), true)
    );

    let hospital = parse(WORKED[1].policy);
    let partners = rule(&hospital, "partners");
    assert_eq!(
        (partners.otherwise, partners.defer_for),
        (Otherwise::Defer, Duration::from_secs(172_800))
    );
    let inbound = rule(&hospital, "in");
    assert_eq!(
        (inbound.deliver, inbound.verify),
        (Delivery::Signed, Verification::Require)
    );
    assert!(inbound.decrypt);
    assert_eq!(rule(&hospital, "out").form, Form::Detached);

    let desk = parse(WORKED[2].policy);
    let rest = rule(&desk, "rest");
    assert_eq!(
        (rest.signing, rest.encrypt),
        (Need::IfPossible, Encryption::IfPossible)
    );
    let departments = parse(WORKED[3].policy);
    assert_eq!(
        rule(&departments, "board").encrypt_to.readers,
        Readers::Recipient
    );
    assert!(rule(&departments, "machines").encrypt_alone);
    assert_eq!(rule(&departments, "machines").otherwise, Otherwise::Pass);
    let strict = parse(WORKED[4].policy);
    assert_eq!(
        (
            strict.flag().subject_tag.as_deref(),
            strict.flag().warning_header
        ),
        (Some("[!]"), false)
    );
    let silent = parse("flag = { subject_tag = false }\nrule = [{ name = 'a', when = 'true' }]");
    assert_eq!(
        (
            silent.flag().subject_tag.as_deref(),
            silent.flag().warning_header
        ),
        (None, true)
    );
}

#[test]
fn defaults_of_a_rule_are_those_of_the_contract() {
    let policy = parse("[[rule]]\nname = 'a'\nwhen = 'true'\n");
    let rule = rule(&policy, "a");
    assert!(rule.sign.is_empty() && !rule.encrypt_alone && !rule.decrypt);
    assert!(!rule.review_automatic && !rule.require_review);
    assert_eq!((rule.signing, rule.form), (Need::Required, Form::Opaque));
    assert_eq!(
        (rule.encrypt, rule.otherwise),
        (Encryption::Never, Otherwise::Refuse)
    );
    assert_eq!(rule.encrypt_to.readers, Readers::RecipientElseDca);
    assert_eq!(
        (rule.verify, rule.deliver),
        (Verification::Mark, Delivery::AsIs)
    );
    assert_eq!(rule.defer_for, Duration::from_secs(4 * 3_600));
    assert_eq!(
        (&rule.profile, &rule.attributes, rule.encrypt_to.own_dca),
        (&None, &None, false)
    );
    let policy = parse("rule = [{ name = 'a', when = 'true', encrypt_to = ['own-dca'] }]");
    let to = policy.rules()[0].encrypt_to;
    assert_eq!((to.readers, to.own_dca), (Readers::RecipientElseDca, true));
    let policy = parse("rule = [{ name = 'a', when = 'true', encrypt_to = ['dca', 'recipient'] }]");
    assert_eq!(policy.rules()[0].encrypt_to.readers, Readers::Both);
}

#[test]
fn the_policy_that_is_compiled_in_lets_no_plaintext_pass_a_failed_search() {
    let policy = Policy::builtin();
    for rule in policy.rules() {
        assert_ne!(rule.otherwise, Otherwise::Pass, "{}", rule.name);
    }
    let partners = rule(&policy, "partners");
    // Goes on without only where every answer is `absent`; all else follows `otherwise`.
    assert_eq!(
        (partners.encrypt, partners.otherwise),
        (Encryption::IfPossible, Otherwise::Refuse)
    );
    assert_eq!(
        (&*partners.sign, partners.form),
        (&[SignatureType::Domain][..], Form::Opaque)
    );
    let others = rule(&policy, "everyone-else");
    assert_eq!(
        (&*others.sign, others.form),
        (&[SignatureType::Delegated][..], Form::Detached)
    );
    assert_eq!(others.signing, Need::IfPossible);
    let inbound = rule(&policy, "inbound");
    assert_eq!(
        (inbound.decrypt, inbound.verify),
        (true, Verification::Mark)
    );
    assert_eq!(inbound.deliver, Delivery::Clear);
    for name in ["end-to-end", "internal"] {
        let rule = rule(&policy, name);
        assert!(rule.sign.is_empty() && rule.encrypt == Encryption::Never && !rule.decrypt);
        assert_eq!(rule.deliver, Delivery::AsIs);
    }
}

#[test]
fn the_first_rule_whose_condition_is_true_is_the_one_in_every_order() {
    // Five conditions of which each message meets some; all their orders.
    let conditions = [
        ("a", "session.tls"),
        ("b", "message.size > 1000"),
        ("c", "recipient.partner"),
        ("d", "direction == 'outbound'"),
        ("e", "sender.local == 'alice'"),
    ];
    for order in 0..120_usize {
        let (mut left, mut sorted, mut number) = (conditions.to_vec(), Vec::new(), order);
        while !left.is_empty() {
            sorted.push(left.remove(number % left.len()));
            number /= left.len() + 1;
        }
        let rules: Vec<String> = sorted
            .iter()
            .chain(&[("rest", "true")])
            .map(|(name, when)| format!("[[rule]]\nname = '{name}'\nwhen = \"{when}\"\n"))
            .collect();
        let policy = parse(&rules.concat());
        for bits in 0..32_u8 {
            let mut case = Case::new(if bits & 8 == 0 {
                Direction::Inbound
            } else {
                Direction::Outbound
            });
            case.session.tls = bits & 1 != 0;
            case.content.size = if bits & 2 == 0 { 1 } else { 2_000 };
            case.partner = bits & 4 != 0;
            if bits & 16 == 0 {
                case.sender = None;
            }
            let met = |name: &str| match name {
                "a" => bits & 1 != 0,
                "b" => bits & 2 != 0,
                "c" => bits & 4 != 0,
                "d" => bits & 8 != 0,
                _ => bits & 16 != 0,
            };
            let expected = sorted
                .iter()
                .find(|(name, _)| met(name))
                .map_or("rest", |(name, _)| name);
            assert_eq!(
                policy.rule_for(&case.facts()).unwrap().name,
                expected,
                "{sorted:?} {bits:05b}"
            );
            // Before the message is there, the same, or nobody knows.
            let early = policy.rule_at_recipient(&case.at_recipient());
            let before = sorted.iter().position(|(name, _)| *name == "b").unwrap();
            let decided = sorted
                .iter()
                .position(|(name, _)| met(name))
                .is_some_and(|at| at < before);
            assert_eq!(
                early.map(|rule| rule.unwrap().name.as_str()),
                decided.then_some(expected)
            );
        }
    }
}

#[test]
fn content_is_not_guessed_before_it_is_there() {
    let policy = parse(&conditional("message.size < 10"));
    let case = Case::new(Direction::Outbound);
    let error = policy.rule_for(&case.at_recipient()).unwrap_err();
    assert!(
        matches!(
            error,
            ConditionError::ContentUnknown {
                fact: "message.size",
                ..
            }
        ),
        "{error}"
    );
    assert!(policy.rule_at_recipient(&case.at_recipient()).is_none());
}

#[test]
fn a_rule_that_has_no_value_is_not_skipped() {
    let policy = parse(&conditional("1 / (message.size - 4096) == 1"));
    assert!(
        policy
            .rule_for(&Case::new(Direction::Outbound).facts())
            .is_err()
    );
    let policy = parse(&conditional("1 / size(sender.local) == 1"));
    let mut case = Case::new(Direction::Outbound);
    case.sender = None;
    assert!(
        policy
            .rule_at_recipient(&case.at_recipient())
            .unwrap()
            .is_err()
    );
}

#[test]
fn partners_are_found_for_subdomains_the_nearest_first() {
    let policy = parse(&format!(
        "{}\n[partner.'b.example']\ncertificates = ['{}', '{}']\nold_naming = true\n\
         [partner.'x.b.example']\ndca = 'x.pem'\ntrust_cbc_unsigned = true\nprofile = 'p'\n\
         [partner.'bücher.example']\ndca = '{}'\n[profile.p]\n",
        "rule = [{ name = 'a', when = 'true' }]",
        "0a".repeat(32),
        ["AB"; 32].join(":"),
        "00".repeat(32),
    ));
    let found = |text: &str| policy.partner(&Domain::parse(text).unwrap());
    let domain = |text| found(text).map(|partner| partner.domain.to_string());
    assert_eq!(domain("b.example").as_deref(), Some("b.example"));
    assert_eq!(domain("y.B.example").as_deref(), Some("b.example"));
    assert_eq!(domain("a.x.b.example").as_deref(), Some("x.b.example"));
    assert_eq!(
        domain("BÜCHER.example").as_deref(),
        Some("xn--bcher-kva.example")
    );
    for stranger in ["example", "xb.example", "b.example.com", "[192.0.2.1]"] {
        assert_eq!(domain(stranger), None, "{stranger}");
    }
    let b = found("b.example").unwrap();
    assert_eq!(b.certificates.len(), 2);
    assert_eq!(b.certificates[1].to_string(), "ab".repeat(32));
    assert!(b.old_naming && !b.trust_cbc_unsigned && b.dca.is_none() && b.profile.is_none());
    let x = found("x.b.example").unwrap();
    assert_eq!(x.dca, Some(PinnedCertificate::File("x.pem".into())));
    assert!(x.trust_cbc_unsigned && !x.old_naming && x.profile.as_deref() == Some("p"));
    let books = found("bücher.example").unwrap();
    assert!(matches!(books.dca, Some(PinnedCertificate::Fingerprint(_))));
    assert_eq!(policy.partners().count(), 3);
}

#[test]
fn a_login_may_use_what_its_row_says_or_else_what_equals_it() {
    let ours: Vec<Domain> = ["a.example", "b.example"]
        .iter()
        .map(|d| d.parse().unwrap())
        .collect();
    let without = Policy::builtin();
    let with = parse(
        "rule = [{ name = 'a', when = 'true' }]\n[originators]\n\
         Alice = ['sales@a.example', 'alice@a.example']\nlists = ['@lists.a.example']\nmute = []\n",
    );
    #[rustfmt::skip]
    let rows = [
        ("alice", "alice@a.example", true, true),
        ("ALICE", "sales@A.example", false, true),
        ("alice", "alice@b.example", true, false),
        ("alice", "alice@c.example", false, false),
        ("alice", "alice@mail.a.example", false, false),
        ("bob", "Bob@a.example", true, true),
        ("bob", "alice@a.example", false, false),
        ("bob@c.example", "bob@C.example", true, true),
        ("bob@a.example", "bob@b.example", false, false),
        ("lists", "anybody@lists.a.example", false, true),
        ("lists", "anybody@x.lists.a.example", false, false),
        ("lists", "lists@a.example", true, false),
        ("mute", "mute@a.example", true, false),
        ("", "bob@a.example", false, false),
        ("@a.example", "bob@a.example", false, false),
        ("bob@", "bob@a.example", false, false),
    ];
    for (login, from, plain, table) in rows {
        let from: Mailbox = from.parse().unwrap();
        assert_eq!(
            without.originators().may_use(login, &from, &ours),
            plain,
            "{login} {from}"
        );
        assert_eq!(
            with.originators().may_use(login, &from, &ours),
            table,
            "{login} {from}"
        );
    }
}

#[test]
fn attributes_are_written_when_the_policy_is_loaded() {
    use crate::cms::attributes::Attribute;
    use crate::cms::attributes::name_of;
    let policy = parse(WORKED[0].policy);
    let set = policy.attributes("secret").unwrap();
    let label = set.security_label.as_ref().unwrap();
    assert_eq!(
        (label.classification, label.privacy_mark.as_deref()),
        (Some(4), Some("for the ministry"))
    );
    let limits = crate::limits::Limits::default();
    let names: Vec<String> = set
        .encoded()
        .iter()
        .map(|der| {
            let attribute = Attribute::parse(der, &limits).unwrap();
            name_of(attribute.oid()).map_or_else(|| attribute.oid().to_string(), str::to_owned)
        })
        .collect();
    assert_eq!(
        names,
        [
            "eSSSecurityLabel",
            "equivalentLabels",
            "contentHints",
            "1.2.6"
        ]
    );
    assert_eq!(
        set.encoded()[3],
        [0x30, 0x0a, 6, 2, 0x2a, 6, 0x31, 4, 0x0c, 2, b'o', b'k']
    );
}

#[test]
fn a_policy_is_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Policy>();
    shared::<Facts<'static>>();
}
