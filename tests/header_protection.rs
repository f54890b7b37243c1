//! Header protection over the vectors of RFC 9788, and there and back over mail that others made.

#![expect(
    clippy::unwrap_used,
    reason = "tests state what must hold; a panic is the report"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use domsec::crypto::provider;
use domsec::gateway::open::Kind;
use domsec::gateway::open::Opener;
use domsec::limits::Budget;
use domsec::limits::Limits;
use domsec::mime::Entity;
use domsec::mime::Header;
use domsec::mime::protected::Candidate;
use domsec::mime::protected::Change;
use domsec::mime::protected::ConfidentialityPolicy;
use domsec::mime::protected::Difference;
use domsec::mime::protected::Protected;
use domsec::mime::protected::Protection;
use domsec::mime::protected::Restoration;
use domsec::mime::protected::Role;
use domsec::mime::protected::Scheme;
use domsec::mime::protected::compare;
use domsec::mime::protected::compose;
use domsec::mime::protected::legacy_display;
use domsec::mime::protected::restore;
use domsec::mime::safe::SafePlan;
use domsec::mime::scan::Scan;
use domsec::octets::Memory;
use domsec::octets::View;

mod corpora_dir;
mod keys;

const ALL: Restoration = Restoration {
    hidden: true,
    bound: true,
};

fn vector(name: &str) -> View {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rfc9788");
    View::owned(fs::read(folder.join(name)).unwrap())
}

fn entity(view: &View) -> Entity {
    Entity::parse(view, &Limits::default()).unwrap()
}

fn header(octets: Vec<u8>) -> Header {
    entity(&View::owned(octets)).header
}

fn octets(view: &View) -> Vec<u8> {
    view.to_vec(usize::MAX).unwrap().unwrap()
}

fn text(view: &View) -> String {
    String::from_utf8(octets(view)).unwrap()
}

fn read(payload: &Entity, encrypted: bool) -> Protected {
    let candidate = Candidate {
        header: &payload.header,
        raw: &payload.raw,
        encrypted,
    };
    Protected::read(&[candidate], &Limits::default()).unwrap()
}

/// Name and value of each field, in order of the names, however it is folded.
fn fields(header: &Header, keep: impl Fn(&str) -> bool) -> Vec<(String, Vec<u8>)> {
    let mut fields: Vec<_> = header
        .fields()
        .filter(|field| keep(field.name()))
        .map(|field| (field.name().to_ascii_lowercase(), words(&field.value())))
        .collect();
    fields.sort();
    fields
}

fn words(value: &[u8]) -> Vec<u8> {
    let words = value
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(&b' ')
}

fn is_authors(name: &str) -> bool {
    Role::of(name) == Role::Author
}

#[test]
fn the_message_of_appendix_d_is_composed() {
    let limits = Limits::default();
    let original = entity(&vector("jones.original.eml"));
    let policy = ConfidentialityPolicy::default();
    let protection = Protection::Encrypted(&policy);
    let composed = compose(&original.header, &original.header, protection, &limits).unwrap();
    let payload = [composed.inner, octets(&original.body)].concat();
    let payload = legacy_display::add(&View::owned(payload), &composed.hidden, &limits).unwrap();
    let (ours, theirs) = (entity(&payload), entity(&vector("jones.payload.eml")));
    assert_eq!(text(&ours.body), text(&theirs.body));
    let but_type = |name: &str| !name.eq_ignore_ascii_case("Content-Type");
    assert_eq!(
        fields(&ours.header, but_type),
        fields(&theirs.header, but_type)
    );
    for name in ["hp", "hp-legacy-display", "charset"] {
        let parameter = |entity: &Entity| {
            entity
                .media_type()
                .unwrap()
                .parameter(name)
                .map(str::to_owned)
        };
        assert_eq!(parameter(&ours), parameter(&theirs), "{name}");
    }
    let outer = entity(&vector("jones.outer.eml")).header;
    assert_eq!(
        fields(&header(composed.outer), is_authors),
        fields(&outer, is_authors)
    );
}

#[test]
fn the_shy_policy_leaves_outside_what_the_vector_says() {
    let payload = entity(&vector("shy-legacy-reply.payload.eml"));
    let policy = ConfidentialityPolicy::shy();
    let protection = Protection::Encrypted(&policy);
    let composed = compose(
        &payload.header,
        &payload.header,
        protection,
        &Limits::default(),
    )
    .unwrap();
    let is_outer = |name: &str| name.eq_ignore_ascii_case("HP-Outer");
    assert_eq!(
        fields(&header(composed.inner), is_outer),
        fields(&payload.header, is_outer)
    );
    // Its legacy display has the same fields, in the same order.
    let names: Vec<String> = composed
        .hidden
        .iter()
        .map(|field| {
            String::from_utf8_lossy(field)
                .split(':')
                .next()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(names, ["Subject", "From", "To", "Date"]);
}

#[test]
fn vectors_arrive_unchanged_and_give_their_fields_back() {
    for (name, scheme, subject) in [
        (
            "jones",
            Scheme::Rfc9788Cipher,
            "Handling the Jones contract",
        ),
        (
            "jones-reply",
            Scheme::Rfc9788Cipher,
            "Re: Handling the Jones contract",
        ),
        (
            "rfc8551",
            Scheme::MessageRfc822,
            "smime-enc-signed-complex-rfc8551hp-baseline",
        ),
    ] {
        let payload = entity(&vector(&format!("{name}.payload.eml")));
        let outer = entity(&vector(&format!("{name}.outer.eml"))).header;
        let protected = read(&payload, true);
        assert_eq!(protected.scheme(), scheme, "{name}");
        assert_eq!(compare(&protected, &outer, None), [], "{name}");
        let restored = header([restore(&outer, &protected, ALL), b"\r\n".to_vec()].concat());
        assert_eq!(restored.first("Subject").unwrap().text(), subject);
        assert_eq!(
            fields(&restored, is_authors),
            fields(protected.fields(), is_authors)
        );
        let hiding = Restoration {
            hidden: false,
            ..ALL
        };
        let hidden = header([restore(&outer, &protected, hiding), b"\r\n".to_vec()].concat());
        assert_eq!(
            fields(&hidden, is_authors),
            fields(&outer, is_authors),
            "{name}"
        );
    }
}

#[test]
fn legacy_display_is_taken_out_of_the_vectors() {
    let limits = Limits::default();
    let removed = |name: &str| text(&legacy_display::remove(&vector(name), &limits).unwrap());
    for name in ["plain-display.payload.eml", "html-display.payload.eml"] {
        let text = removed(name);
        assert_eq!(text.matches("Dinner plans").count(), 1, "{text}");
        assert!(text.contains("hp=\"cipher\"") && !text.contains("hp-legacy-display"));
        assert!(text.contains(
            "Let's meet at Rama's Roti Shop at 8pm and go to the park\r\nfrom there.\r\n"
        ));
    }
    let text = removed("shy-legacy-reply.payload.eml");
    assert!(
        text.contains("\r\n\r\nThis is the\r\nsmime-signed-enc"),
        "{text}"
    );
    assert!(
        text.contains("<body>\r\n<p>This is the\r\n<b>smime"),
        "{text}"
    );
    assert!(!text.contains("legacy-display"));
    let before = vector("jones.original.eml");
    assert_eq!(
        octets(&legacy_display::remove(&before, &limits).unwrap()),
        octets(&before)
    );
}

#[test]
fn fields_are_read_beneath_a_signature_of_the_vectors() {
    let limits = Limits::default();
    let keys = keys::Ring::default();
    let opener = Opener {
        keys: &keys,
        provider: provider(),
        limits: &limits,
        spool: &Memory,
    };
    let mut budget = Budget::new(&limits);
    let opened = opener.open(&vector("baseline-reply.signed.eml"), &mut budget);
    let Kind::Signed(signed) = &opened.root.kind else {
        panic!("not signed");
    };
    let payload = signed.child.as_ref().unwrap();
    let candidate = Candidate {
        header: payload.header.as_ref().unwrap(),
        raw: &payload.raw,
        // The vector's outermost layer, which was taken off.
        encrypted: true,
    };
    let protected = Protected::read(&[candidate], &limits).unwrap();
    let outer = entity(&vector("baseline-reply.outer.eml")).header;
    assert_eq!(protected.scheme(), Scheme::Rfc9788Cipher);
    assert_eq!(compare(&protected, &outer, None), []);
    let hidden: Vec<&str> = protected
        .fields()
        .fields()
        .filter(|field| protected.is_hidden(field) == Some(true))
        .map(|field| field.name())
        .collect();
    assert_eq!(hidden, ["Subject"]);
}

fn mails() -> Vec<PathBuf> {
    let Some(corpora) = corpora_dir::corpora() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut folders = vec![corpora];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|end| end == "eml" || end == "msg")
            {
                found.push(path);
            }
        }
    }
    assert!(found.len() > 80, "only {} mails", found.len());
    found.sort();
    found
}

#[test]
fn mail_goes_there_and_back_under_every_policy() {
    let limits = Limits::default();
    let policies = [
        ConfidentialityPolicy::baseline(),
        ConfidentialityPolicy::shy(),
        ConfidentialityPolicy::no_confidentiality()
            .removing("To")
            .and_then(|policy| policy.obscuring("Message-ID", "<x@invalid>"))
            .unwrap(),
    ];
    let protections = policies
        .iter()
        .map(Protection::Encrypted)
        .chain([Protection::Signed]);
    let protections: Vec<Protection<'_>> = protections.collect();
    let mut done = 0;
    for path in mails() {
        let mail = entity(&View::owned(fs::read(&path).unwrap()));
        for protection in &protections {
            let Ok(composed) = compose(&mail.header, &mail.header, *protection, &limits) else {
                assert!(mail.header.media_type().is_err(), "{}", path.display());
                continue;
            };
            let payload = entity(&View::owned([composed.inner, octets(&mail.body)].concat()));
            assert_eq!(
                octets(&payload.body),
                octets(&mail.body),
                "{}",
                path.display()
            );
            let encrypted = matches!(protection, Protection::Encrypted(_));
            let protected = read(&payload, encrypted);
            let outer = header([composed.outer, b"\r\n".to_vec()].concat());
            for difference in compare(&protected, &outer, None) {
                let repeated = matches!(
                    difference,
                    Difference::Field {
                        change: Change::Repeated,
                        ..
                    }
                );
                assert!(repeated, "{}: {difference}", path.display());
            }
            let restored = header([restore(&outer, &protected, ALL), b"\r\n".to_vec()].concat());
            if composed.repaired.is_empty() {
                let others = |name: &str| Role::of(name) != Role::Structural;
                assert_eq!(
                    fields(&restored, others),
                    fields(&mail.header, others),
                    "{}",
                    path.display()
                );
                done += 1;
            }
        }
    }
    assert!(done == 0 || done > 200, "{done}");
}

#[test]
fn mail_is_safe_to_hand_on_afterwards() {
    let limits = Limits::default();
    let mut swept = BTreeMap::new();
    for path in mails() {
        let view = View::owned(fs::read(&path).unwrap());
        let plan = SafePlan::of(&view, &limits).unwrap();
        let mut written = Vec::new();
        plan.write(&mut written).unwrap();
        let view_again = View::owned(written);
        let scan = Scan::of(&view_again).unwrap();
        let stray = scan.bare_carriage_returns + scan.bare_line_feeds;
        assert!(
            stray == 0 && !scan.nul && !scan.long_lines,
            "{}",
            path.display()
        );
        assert!(
            plan.changes() || octets(&view_again) == octets(&view),
            "{}",
            path.display()
        );
        for left in plan.swept() {
            *swept.entry(left.reason.to_string()).or_insert(0) += 1;
        }
        let again = SafePlan::of(&view_again, &limits).unwrap();
        assert!(!again.changes(), "{}", path.display());
    }
    println!("swept: {swept:?}");
}
