//! Names between text and wire (RFC 1035 §3.1, §5.1).

use hickory_resolver::proto::rr::Name;

use crate::address::Domain;

/// The name of `text`, fully qualified without a final dot; `\.` and `\DDD` stand for octets within a label.
pub(super) fn parse(text: &str) -> Result<Name, String> {
    let wrong = |error: &dyn std::fmt::Display| {
        let start: String = text.chars().take(80).collect();
        format!("{start:?} is no domain name: {error}")
    };
    if text.is_empty() {
        return Ok(Name::root());
    }
    let labels = labels(text).ok_or_else(|| wrong(&"an escape in it is cut short"))?;
    if labels
        .iter()
        .any(|label| label.is_empty() || label.len() > 63)
    {
        return Err(wrong(&"a label is empty, or over 63 octets"));
    }
    Name::from_labels(labels.iter().map(Vec::as_slice)).map_err(|error| wrong(&error))
}

fn labels(text: &str) -> Option<Vec<Vec<u8>>> {
    let (mut labels, mut label) = (Vec::new(), Vec::new());
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        match octet {
            b'.' => labels.push(std::mem::take(&mut label)),
            b'\\' => match octets.next()? {
                first if first.is_ascii_digit() => {
                    let digits = [first, octets.next()?, octets.next()?];
                    label.push(std::str::from_utf8(&digits).ok()?.parse().ok()?);
                }
                other => label.push(other),
            },
            other => label.push(other),
        }
    }
    labels.push(label);
    Some(labels)
}

/// The host of `name`; `None` for the root. `Err` for what no host is called.
pub(super) fn host(name: &Name) -> Result<Option<Domain>, String> {
    if name.is_root() {
        return Ok(None);
    }
    let text = name.to_ascii();
    let domain = Domain::parse(&text)
        .ok()
        .filter(|domain| !domain.is_literal());
    domain.map_or_else(
        || Err(format!("{text:?} is no host name")),
        |domain| Ok(Some(domain)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_stay_within_a_label() {
        let name = parse(r"chris\.smith\032x\\._smimecert.b.example").unwrap();
        let labels: Vec<&[u8]> = name.iter().collect();
        let expected: [&[u8]; 4] = [br"chris.smith x\", b"_smimecert", b"b", b"example"];
        assert_eq!(labels, expected);
        assert!(name.is_fqdn());
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["a..b", ".b", "b.", r"b\", r"b\25", r"b\999"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&"a".repeat(64)).is_err());
        assert!(parse(&"aaaaaaa.".repeat(40)).is_err());
    }

    #[test]
    fn the_root_is_no_host() {
        assert_eq!(host(&Name::root()), Ok(None));
        let mx = parse("MX.b.example").unwrap();
        assert_eq!(host(&mx), Ok(Some("mx.b.example".parse().unwrap())));
        assert!(host(&parse(r"a\032b.example").unwrap()).is_err());
    }
}
