//! A message as its reader sees it, taken apart with no code of `domsec`.

/// A message: the fields of its header, unfolded, and its body.
#[derive(Debug)]
pub(crate) struct Mail {
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Mail {
    pub(crate) fn read(octets: &[u8]) -> Self {
        let text = String::from_utf8_lossy(octets);
        let (head, body) = match text.split_once("\r\n\r\n") {
            Some((head, body)) => (head, body),
            None => text.split_once("\n\n").unwrap_or((&text, "")),
        };
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in head.lines() {
            match (line.starts_with([' ', '\t']), fields.last_mut()) {
                (true, Some((_, value))) => value.push_str(line),
                _ => {
                    let (name, value) = line.split_once(':').unwrap_or((line, ""));
                    fields.push((name.trim().to_owned(), value.to_owned()));
                }
            }
        }
        for (_, value) in &mut fields {
            *value = value.trim().to_owned();
        }
        Self {
            fields,
            body: body.to_owned(),
        }
    }

    /// The values of all fields with this name, whatever its case.
    pub(crate) fn all<'a>(&'a self, name: &str) -> Vec<&'a str> {
        let named = self
            .fields
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }
}

/// What must not reach the next hop (RFC 5321 §2.3.8, §4.5.3.1.6): `None` where nothing of it is there.
pub(crate) fn unsafe_octets(octets: &[u8]) -> Option<&'static str> {
    if octets.contains(&0) {
        return Some("a NUL");
    }
    let mut last = 0;
    let mut column = 0_usize;
    for &octet in octets {
        if (octet == b'\n') != (last == b'\r') {
            return Some("a bare CR or LF");
        }
        column = if octet == b'\n' { 0 } else { column + 1 };
        // 998 octets and the CR.
        if column > 999 {
            return Some("a line over 998 octets");
        }
        last = octet;
    }
    (last != b'\n').then_some("no line end at its end")
}

mod rules {
    use super::*;

    #[test]
    fn a_folded_field_is_one_value() {
        let mail = Mail::read(b"To: a,\r\n\tb\r\nSubject:x\r\nto: c\r\n\r\nbody\r\n");
        assert_eq!(mail.all("to"), ["a,\tb", "c"]);
        assert_eq!(mail.all("Subject"), ["x"]);
        assert_eq!(mail.body, "body\r\n");
    }

    #[test]
    fn what_smtp_does_not_carry_is_found() {
        assert_eq!(unsafe_octets(b"a\r\nb\r\n"), None);
        for bad in [
            &b"a\rb\r\n"[..],
            b"a\nb\r\n",
            b"a\0\r\n",
            b"a\r\nb",
            b"a\r\n\r",
        ] {
            assert!(unsafe_octets(bad).is_some(), "{bad:?}");
        }
        let long = |length| [vec![b'x'; length], b"\r\n".to_vec()].concat();
        assert_eq!(unsafe_octets(&long(998)), None);
        assert!(unsafe_octets(&long(999)).is_some());
    }
}
