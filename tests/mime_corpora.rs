//! Mail that others made, valid and odd: every octet is in the index, and the trees are theirs.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests state what must hold; a panic is the report"
)]

use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use domsec::limits::Limits;
use domsec::mime::Header;
use domsec::mime::InputKind;
use domsec::mime::SmimeType;
use domsec::mime::Walk;
use domsec::mime::transit;
use domsec::mime::walk::Structure;
use domsec::mime::walk::Visit;
use domsec::octets::Memory;
use domsec::octets::Octets;
use domsec::octets::View;
use serde_json::Value;

mod corpora_dir;

/// Octets that are read by windows alone, as those of a file.
#[derive(Debug)]
struct AsFile(Vec<u8>);

impl Octets for AsFile {
    fn len(&self) -> u64 {
        self.0.len().try_into().unwrap()
    }

    fn read_at(&self, offset: u64, window: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, window)
    }
}

fn files(folder: &Path, keep: &dyn Fn(&Path) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if keep(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}

/// Mail of the three MIME corpora, and every other .eml there is.
fn mails() -> Vec<PathBuf> {
    let Some(corpora) = corpora_dir::corpora() else {
        return Vec::new();
    };
    let mut mails = files(&corpora, &|path| {
        has_extension(path, "eml") || has_extension(path, "msg")
    });
    mails.extend(files(&corpora.join("mime-jsmime"), &|path| {
        path.extension().is_none()
    }));
    assert!(mails.len() > 80, "only {} mails", mails.len());
    mails
}

fn octets(view: &View) -> Vec<u8> {
    view.to_vec(usize::MAX).unwrap().unwrap()
}

fn walk(view: &View) -> Vec<Visit> {
    Walk::new(view, &Limits::default())
        .map(Result::unwrap)
        .collect()
}

#[test]
fn every_octet_of_a_mail_is_in_its_index_once() {
    let mut multiparts = 0;
    for path in mails() {
        let bytes = fs::read(&path).unwrap();
        for view in [
            View::owned(bytes.clone()),
            View::whole(Arc::new(AsFile(bytes.clone()))),
        ] {
            for visit in walk(&view) {
                let entity = &visit.entity;
                let raw = octets(&entity.raw);
                let start = usize::try_from(visit.start).unwrap();
                assert_eq!(raw, bytes[start..start + raw.len()], "{}", path.display());
                assert_eq!(
                    [entity.header.raw(), &octets(&entity.body)].concat(),
                    raw,
                    "{}",
                    path.display()
                );
                assert_header(&entity.header, &path);
                if let Structure::Multipart(multipart) = &visit.structure {
                    multiparts += 1;
                    let pieces: Vec<u8> = multipart.pieces().flat_map(octets).collect();
                    assert_eq!(pieces, octets(&entity.body), "{}", path.display());
                    let close = usize::from(multipart.complete);
                    assert_eq!(
                        multipart.delimiters.len(),
                        multipart.parts.len() + close,
                        "{}",
                        path.display()
                    );
                }
                // Whatever it is, it does not panic.
                drop(entity.decoded(&Memory));
                drop(entity.header.from_addresses());
            }
        }
    }
    assert!(multiparts == 0 || multiparts > 100, "{multiparts}");
}

fn assert_header(header: &Header, path: &Path) {
    let fields: Vec<u8> = header
        .fields()
        .flat_map(|field| field.raw().to_vec())
        .collect();
    let rest = header.raw_fields().strip_suffix(fields.as_slice());
    let rest = rest.unwrap_or_else(|| panic!("{}: fields are not the header", path.display()));
    assert!(
        rest.is_empty() || rest.starts_with(b"From "),
        "{}",
        path.display()
    );
}

#[test]
fn transit_form_changes_no_content_and_is_stable() {
    let limits = Limits::default();
    for path in mails() {
        let view = View::owned(fs::read(&path).unwrap());
        let mut once = Vec::new();
        let left = transit::to_transit_form(&view, &mut once, &limits).unwrap();
        let once = View::owned(once);
        let mut twice = Vec::new();
        transit::to_transit_form(&once, &mut twice, &limits).unwrap();
        assert_eq!(twice, octets(&once), "{}", path.display());
        if transit::is_transit_form(&view).unwrap() {
            assert_eq!(left, [], "{}", path.display());
        }
        if left.is_empty() {
            assert!(
                transit::is_transit_form(&once).unwrap(),
                "{}",
                path.display()
            );
        }
        assert_eq!(contents(&once), contents(&view), "{}", path.display());
    }
}

#[test]
fn mutilated_mail_never_panics_and_keeps_its_octets() {
    let limits = Limits {
        parts: 100,
        multipart_depth: 4,
        ..Limits::default()
    };
    let mut state = 5_u32;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        usize::try_from(state >> 8).unwrap() % below.max(1)
    };
    let strings: &[&[u8]] = &[
        b"", b"\r", b"\n", b"\r\n", b"--", b"\0", b"\xff", b"=", b"\"", b"(", b":", b"\n\n",
        b"*0*=",
    ];
    for path in mails() {
        let original = fs::read(&path).unwrap();
        for _ in 0..if original.len() < 50_000 { 60 } else { 2 } {
            let mut bytes = original.clone();
            for _ in 0..random(20) {
                let at = random(bytes.len());
                let end = (at + random(4)).min(bytes.len());
                bytes.splice(at..end, strings[random(strings.len())].iter().copied());
            }
            let view = View::whole(Arc::new(AsFile(bytes.clone())));
            for visit in Walk::new(&view, &limits) {
                let Ok(visit) = visit else { break };
                let body = octets(&visit.entity.body);
                assert_eq!(
                    [visit.entity.header.raw(), &body].concat(),
                    octets(&visit.entity.raw)
                );
                if let Structure::Multipart(multipart) = &visit.structure {
                    assert_eq!(
                        multipart.pieces().flat_map(octets).collect::<Vec<u8>>(),
                        body
                    );
                }
                drop(visit.entity.decoded(&Memory));
                drop(visit.entity.header.file_name());
                drop(visit.entity.header.from_addresses());
                drop(SmimeType::of(&visit.entity));
            }
            let mut once = Vec::new();
            if transit::to_transit_form(&view, &mut once, &limits).is_ok() {
                let mut twice = Vec::new();
                if transit::to_transit_form(&View::owned(once.clone()), &mut twice, &limits).is_ok()
                {
                    assert_eq!(
                        String::from_utf8_lossy(&twice),
                        String::from_utf8_lossy(&once),
                        "{}: {:?}",
                        path.display(),
                        String::from_utf8_lossy(&bytes)
                    );
                }
            }
            drop(InputKind::of(&view, &Memory, &limits));
        }
    }
}

/// What the leaves decode to, with LF alone for every line end.
fn contents(view: &View) -> Vec<Option<Vec<u8>>> {
    walk(view)
        .iter()
        .filter(|visit| matches!(visit.structure, Structure::Leaf | Structure::Unreadable(_)))
        .map(|visit| {
            let mut content = octets(&visit.entity.decoded(&Memory).ok()?);
            content.retain(|octet| *octet != b'\r');
            // Base64 cannot leave out a last line end, and text of mail has one.
            Some(
                content
                    .strip_suffix(b"\n")
                    .map(<[u8]>::to_vec)
                    .unwrap_or(content),
            )
        })
        .collect()
}

/// A mail whose tree differs from that of its makers.
struct Departure {
    file: &'static str,
    reason: &'static str,
}

/// Runs `check` over `paths`: it must fail for the departures, and for nothing else.
fn judge(paths: &[PathBuf], departures: &[Departure], check: impl Fn(&Path) -> Result<(), String>) {
    let mut wrong = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap().to_str().unwrap();
        let departure = departures.iter().find(|departure| departure.file == name);
        match (check(path), departure) {
            (Ok(()), Some(departure)) => wrong.push(format!(
                "{name} passes now, and was expected to differ: {}",
                departure.reason
            )),
            (Err(difference), None) => wrong.push(format!("{name}: {difference}")),
            (Ok(()), None) | (Err(_), Some(_)) => {}
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// One line for each entity: depth, where it starts, where its body does, where it ends.
type Tree = Vec<(usize, u64, u64, u64)>;

const STALWART: &[Departure] = &[Departure {
    file: "008.eml",
    reason: "a message/rfc822 in base64, which RFC 2046 §5.2.1 forbids, is a leaf to us: its content is not bytes of the mail",
}];

#[test]
fn parts_are_where_mail_parser_says() {
    let Some(corpora) = corpora_dir::corpora() else {
        return;
    };
    let paths = files(&corpora.join("mime-stalwart"), &|path| {
        has_extension(path, "eml")
    });
    assert_eq!(paths.len(), 10);
    judge(&paths, STALWART, |path| {
        for (bytes, json) in [("\n", "json"), ("\r\n", "crlf.json")] {
            let text = fs::read_to_string(path).unwrap().replace('\n', bytes);
            let expected: Value =
                serde_json::from_str(&fs::read_to_string(path.with_extension(json)).unwrap())
                    .unwrap();
            let mut tree = Tree::new();
            stalwart_tree(&expected, 0, 0, &mut tree);
            let view = View::owned(text.into_bytes());
            let ours: Tree = walk(&view)
                .iter()
                .map(|visit| {
                    let end = visit.start + visit.entity.raw.len();
                    (visit.depth, visit.start, end - visit.entity.body.len(), end)
                })
                .collect();
            if ours != tree {
                return Err(format!("{json}: expected {tree:?}, found {ours:?}"));
            }
        }
        Ok(())
    });
}

/// Adds part `id` of `message`, and what is in it.
fn stalwart_tree(message: &Value, id: usize, depth: usize, tree: &mut Tree) {
    let part = &message["parts"][id];
    let offset = |name: &str| part[name].as_u64().unwrap();
    tree.push((
        depth,
        offset("offset_header"),
        offset("offset_body"),
        offset("offset_end"),
    ));
    if let Some(children) = part["body"]["Multipart"].as_array() {
        for child in children {
            stalwart_tree(
                message,
                child.as_u64().unwrap().try_into().unwrap(),
                depth + 1,
                tree,
            );
        }
    } else if part["body"]["Message"].is_object() {
        stalwart_tree(&part["body"]["Message"], 0, depth + 1, tree);
    }
}

#[rustfmt::skip]
const MIME4J: &[Departure] = &[
    Departure { file: "bad-newlines-multiple-parts-base64.msg", reason: "a message/rfc822 in base64, which RFC 2046 §5.2.1 forbids, is a leaf to us: its content is not bytes of the mail" },
    Departure { file: "base64encoded-rfc822message-nested.msg", reason: "a message/rfc822 in base64, which RFC 2046 §5.2.1 forbids, is a leaf to us: its content is not bytes of the mail" },
    Departure { file: "base64encoded-rfc822message.msg", reason: "a message/rfc822 in base64, which RFC 2046 §5.2.1 forbids, is a leaf to us: its content is not bytes of the mail" },
    Departure { file: "ending-boundaries.msg", reason: "a delimiter with text after it is content to us, and reported, since readers differ" },
    Departure { file: "malformedHeader-nocrlfcrlf.msg", reason: "mime4j passes over the line that is no field and goes on; to us it ends the header, and is reported" },
    Departure { file: "obsolete.msg", reason: "a field name that is not ASCII ends the header" },
    Departure { file: "very-long-boundary.msg", reason: "RFC 2046 §5.1.1 allows 70 characters in a boundary; we allow 200, and this one is longer" },
    Departure { file: "very-very-long-boundary.msg", reason: "RFC 2046 §5.1.1 allows 70 characters in a boundary; we allow 200, and this one is longer" },
    Departure { file: "weird-boundary.msg", reason: "white space at the end of a boundary was added on the way and does not count (RFC 2046 §5.1.1)" },
];

#[test]
fn trees_are_those_of_mime4j() {
    let Some(corpora) = corpora_dir::corpora() else {
        return;
    };
    let paths = files(&corpora.join("mime-mime4j"), &|path| {
        has_extension(path, "msg")
    });
    assert!(paths.len() > 30);
    judge(&paths, MIME4J, |path| {
        let xml = fs::read(path.with_extension("xml")).unwrap();
        let expected = mime4j_shape(&String::from_utf8_lossy(&xml));
        let view = View::owned(fs::read(path).unwrap());
        let ours = shape(&walk(&view));
        if ours == expected {
            Ok(())
        } else {
            Err(format!("expected {expected}, found {ours}"))
        }
    });
}

/// For each entity its number of fields and its kind: `3M(1L 1R(2L))`.
fn shape(visits: &[Visit]) -> String {
    let mut shape = String::new();
    let mut depth = 0;
    for visit in visits {
        for _ in visit.depth..depth {
            shape.push(')');
        }
        if visit.depth > 0 && !shape.ends_with('(') {
            shape.push(' ');
        }
        depth = visit.depth;
        shape.push_str(&visit.entity.header.fields().count().to_string());
        match &visit.structure {
            Structure::Message => shape.push_str("R("),
            Structure::Multipart(_) => shape.push_str("M("),
            _ => shape.push('L'),
        }
        if shape.ends_with('(') {
            depth += 1;
        }
    }
    shape.extend(std::iter::repeat_n(')', depth));
    shape
}

fn mime4j_shape(xml: &str) -> String {
    let mut shape = String::new();
    let mut messages = 0;
    let mut fields = 0;
    for tag in xml.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap();
        let space = if shape.is_empty() || shape.ends_with('(') {
            ""
        } else {
            " "
        };
        match tag {
            "header" => fields = 0,
            "field" => fields += 1,
            "/header" => shape.push_str(&format!("{space}{fields}")),
            "body" => shape.push('L'),
            "multipart" => shape.push_str("M("),
            "message" => {
                messages += 1;
                if messages > 1 {
                    shape.push_str("R(");
                }
            }
            "/multipart" => shape.push(')'),
            "/message" => {
                messages -= 1;
                if messages > 0 {
                    shape.push(')');
                }
            }
            _ => {}
        }
    }
    shape
}
