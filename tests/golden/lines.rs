//! Files of `key: value` lines. Empty lines part sections, `#` begins a comment line.

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) number: usize,
    pub(crate) key: String,
    pub(crate) value: String,
}

/// The sections of `text`, none of them empty. Fails at the first line that is no `key: value`, or
/// whose key is none of `keys`.
pub(crate) fn sections(text: &str, keys: &[&str]) -> Result<Vec<Vec<Line>>, String> {
    let mut all = vec![Vec::new()];
    for (index, text) in text.lines().enumerate() {
        let number = index + 1;
        if text.starts_with('#') {
            continue;
        }
        if text.trim().is_empty() {
            all.push(Vec::new());
            continue;
        }
        let (key, value) = text
            .split_once(':')
            .ok_or_else(|| format!("line {number}: no \"key: value\": {text:?}"))?;
        if !keys.contains(&key) {
            let keys = keys.join(", ");
            return Err(format!(
                "line {number}: unknown key {key:?}; keys are {keys}"
            ));
        }
        if let Some(section) = all.last_mut() {
            section.push(Line {
                number,
                key: key.to_owned(),
                value: value.trim().to_owned(),
            });
        }
    }
    all.retain(|section| !section.is_empty());
    Ok(all)
}

/// The values of `key` in a section.
pub(crate) fn values(section: &[Line], key: &str) -> Vec<String> {
    let of_key = section.iter().filter(|line| line.key == key);
    of_key.map(|line| line.value.clone()).collect()
}

/// The value of `key`, which stands there once at most.
pub(crate) fn value(section: &[Line], key: &str) -> Result<Option<String>, String> {
    let mut all = section.iter().filter(|line| line.key == key);
    let first = all.next().map(|line| line.value.clone());
    match all.next() {
        None => Ok(first),
        Some(line) => Err(format!("line {}: a second {key}", line.number)),
    }
}

mod rules {
    use super::*;

    #[test]
    fn sections_are_parted_by_empty_lines() {
        let text = "# comment\na: 1\n\n\nb: x: y\na:\n";
        let found = sections(text, &["a", "b"]).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(values(&found[1], "b"), ["x: y"]);
        assert_eq!(value(&found[1], "a"), Ok(Some(String::new())));
    }

    #[test]
    fn an_unknown_key_is_refused_by_its_line() {
        let error = sections("a: 1\nlayer: C\n", &["a", "layers"]).unwrap_err();
        assert_eq!(error, "line 2: unknown key \"layer\"; keys are a, layers");
        assert!(sections("a\n", &["a"]).is_err());
    }

    #[test]
    fn what_stands_once_stands_there_once() {
        let found = sections("a: 1\na: 2\n", &["a"]).unwrap();
        assert_eq!(value(&found[0], "a"), Err("line 2: a second a".to_owned()));
    }
}
