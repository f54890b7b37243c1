//! Rust source as tokens: enough to see what a file uses, without a parser's dependencies.
//!
//! Comments, strings and characters are dropped, so prose may name what code may not use. Items under
//! `#[cfg(test)]` are marked. Macro bodies are read like any other code.

pub(crate) mod files;

/// One word or sign of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// Its text; `::` is one token.
    pub(crate) text: String,
    /// The line it stands on, from 1.
    pub(crate) line: usize,
    /// Whether it belongs to an item under `#[cfg(test)]`.
    pub(crate) test: bool,
}

/// One path that the source names: `crate::cms::ber`, one for each leaf of a `use` group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// Its segments; `self` and `super` are resolved, and what is ours begins with `crate`.
    pub(crate) path: Vec<String>,
    /// The line of its first segment.
    pub(crate) line: usize,
    /// Whether it stands in an item under `#[cfg(test)]`.
    pub(crate) test: bool,
}

/// Splits `source` into tokens.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let characters: Vec<char> = source.chars().collect();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while let Some(&character) = characters.get(at) {
        let (end, text) = next(&characters, at);
        if let Some(text) = text {
            let test = false;
            tokens.push(Token { text, line, test });
        }
        debug_assert!(end > at, "no step at {character:?}");
        line += characters[at..end].iter().filter(|c| **c == '\n').count();
        at = end;
    }
    mark_tests(&mut tokens);
    tokens
}

/// Where the token that begins at `at` ends, and its text where it is not to be dropped.
fn next(characters: &[char], at: usize) -> (usize, Option<String>) {
    let here = |offset: usize| characters.get(at + offset).copied().unwrap_or('\0');
    let word = |c: char| c.is_alphanumeric() || c == '_';
    match here(0) {
        '/' if here(1) == '/' => (after(characters, at, |c| c != '\n'), None),
        '/' if here(1) == '*' => (after_block_comment(characters, at), None),
        '"' => (after_string(characters, at + 1), None),
        '\'' if here(1) == '\\' => (after_quote(characters, at + 3), None),
        '\'' if here(2) == '\'' => (at + 3, None),
        '\'' => (after(characters, at + 1, word), None),
        ':' if here(1) == ':' => (at + 2, Some("::".to_owned())),
        first if word(first) => {
            let end = after(characters, at, word);
            let text: String = characters[at..end].iter().collect();
            let prefix = matches!(text.as_str(), "b" | "br" | "c" | "cr" | "r");
            match (prefix, characters.get(end)) {
                (true, Some('"')) if text.ends_with('r') => (after_raw(characters, end), None),
                (true, Some('"')) => (after_string(characters, end + 1), None),
                (true, Some('\'')) if text == "b" => (after_quote(characters, end + 2), None),
                (true, Some('#')) if text == "r" && !raw_string(characters, end) => {
                    let last = after(characters, end + 1, word);
                    (last, Some(characters[end + 1..last].iter().collect()))
                }
                (true, Some('#')) if text.ends_with('r') => (after_raw(characters, end), None),
                _ => (end, Some(text)),
            }
        }
        space if space.is_whitespace() => (at + 1, None),
        sign => (at + 1, Some(sign.to_string())),
    }
}

fn after(characters: &[char], from: usize, keep: impl Fn(char) -> bool) -> usize {
    let rest = characters.get(from..).unwrap_or_default();
    from + rest.iter().take_while(|c| keep(**c)).count()
}

fn after_block_comment(characters: &[char], at: usize) -> usize {
    let (mut depth, mut end) = (0_usize, at);
    while end < characters.len() {
        match (characters[end], characters.get(end + 1)) {
            ('/', Some('*')) => (depth, end) = (depth + 1, end + 2),
            ('*', Some('/')) => (depth, end) = (depth - 1, end + 2),
            _ => end += 1,
        }
        if depth == 0 {
            break;
        }
    }
    end
}

fn after_string(characters: &[char], from: usize) -> usize {
    let mut end = from;
    while let Some(character) = characters.get(end) {
        match character {
            '"' => return end + 1,
            '\\' => end += 2,
            _ => end += 1,
        }
    }
    characters.len()
}

/// After a character literal, of which at most an escape has been passed.
fn after_quote(characters: &[char], from: usize) -> usize {
    (after(characters, from, |c| c != '\'') + 1).min(characters.len())
}

fn raw_string(characters: &[char], hashes: usize) -> bool {
    characters.get(after(characters, hashes, |c| c == '#')) == Some(&'"')
}

fn after_raw(characters: &[char], hashes: usize) -> usize {
    let open = after(characters, hashes, |c| c == '#');
    let close: Vec<char> = std::iter::once('"')
        .chain(std::iter::repeat_n('#', open - hashes))
        .collect();
    let body = characters.get(open + 1..).unwrap_or_default();
    match body.windows(close.len()).position(|window| window == close) {
        Some(length) => open + 1 + length + close.len(),
        None => characters.len(),
    }
}

/// Marks each item under `#[cfg(test)]`, from the attribute to its closing brace or semicolon.
fn mark_tests(tokens: &mut [Token]) {
    const ATTRIBUTE: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut at = 0;
    while at < tokens.len() {
        if !starts_with(&tokens[at..], &ATTRIBUTE) {
            at += 1;
            continue;
        }
        let length = item_length(&tokens[at..]);
        for token in &mut tokens[at..at + length] {
            token.test = true;
        }
        at += length;
    }
}

pub(crate) fn starts_with(tokens: &[Token], texts: &[&str]) -> bool {
    tokens.len() >= texts.len() && texts.iter().zip(tokens).all(|(a, b)| *a == b.text)
}

/// How many tokens the item is that begins here, its attributes included.
fn item_length(tokens: &[Token]) -> usize {
    let mut depth = 0_usize;
    let mut import = false;
    for (index, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            "}" => {
                depth = depth.saturating_sub(1);
                if depth == 0 && !import {
                    return index + 1;
                }
            }
            ";" if depth == 0 => return index + 1,
            // The brace of `use a::{b};` does not end the item.
            "use" if depth == 0 => import = true,
            _ => {}
        }
    }
    tokens.len()
}

/// Every path in `tokens`, a file whose module is `module` (`["cms", "ber"]`).
///
/// A path is at least two segments, or a group. `library` is the name under which the crate's own
/// paths begin besides `crate`, in the binary's file.
pub(crate) fn named(tokens: &[Token], module: &[&str], library: Option<&str>) -> Vec<Named> {
    let mut paths = Vec::new();
    let mut scope: Vec<(String, usize)> = Vec::new();
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let opens_path = is_word(&token.text)
            && tokens.get(at + 1).is_some_and(|next| next.text == "::")
            && (at == 0 || tokens[at - 1].text != "::");
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                if scope.last().is_some_and(|(_, opened)| *opened == depth) {
                    scope.pop();
                }
            }
            "mod" if tokens.get(at + 2).is_some_and(|brace| brace.text == "{") => {
                scope.push((tokens[at + 1].text.clone(), depth));
            }
            _ if opens_path => {
                let mut leaves = Vec::new();
                let end = tree(tokens, at, &[], &mut leaves);
                let inner = scope.iter().map(|(name, _)| name.as_str());
                let place: Vec<&str> = module.iter().copied().chain(inner).collect();
                paths.extend(leaves.into_iter().map(|(path, line)| Named {
                    path: resolve(path, &place, library),
                    line,
                    test: token.test,
                }));
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    paths
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Reads `a::b::{c, d::*}` from `at` on; returns where it ends.
fn tree(
    tokens: &[Token],
    at: usize,
    before: &[String],
    leaves: &mut Vec<(Vec<String>, usize)>,
) -> usize {
    let mut path = before.to_vec();
    let mut end = at;
    let line = tokens.get(at).map_or(0, |token| token.line);
    loop {
        match tokens.get(end).map(|token| token.text.as_str()) {
            Some("{") => {
                end += 1;
                while tokens.get(end).is_some_and(|token| token.text != "}") {
                    let next = tree(tokens, end, &path, leaves);
                    // A comma, or what is no path at all: step over it.
                    end = next.max(end + 1);
                    let comma = tokens.get(end).is_some_and(|token| token.text == ",");
                    end += usize::from(comma);
                }
                return end + 1;
            }
            Some(text) if is_word(text) || text == "*" => {
                path.push(text.to_owned());
                end += 1;
            }
            _ => break,
        }
        if tokens.get(end).is_none_or(|token| token.text != "::") {
            break;
        }
        end += 1;
    }
    if tokens.get(end).is_some_and(|token| token.text == "as") {
        end += 2;
    }
    if path.len() > before.len() {
        leaves.push((path, line));
    }
    end
}

/// Turns `self`, `super` and the library's name at the head of `path` into `crate::...`.
fn resolve(path: Vec<String>, place: &[&str], library: Option<&str>) -> Vec<String> {
    let mut place = place.to_vec();
    let mut rest = path.as_slice();
    let ours = match rest.first().map(String::as_str) {
        Some("crate") => {
            place.clear();
            rest = &rest[1..];
            true
        }
        Some(first) if library == Some(first) => {
            place.clear();
            rest = &rest[1..];
            true
        }
        Some("self" | "super") => true,
        _ => false,
    };
    if !ours {
        return path;
    }
    while let Some(first) = rest.first() {
        match first.as_str() {
            "self" => {}
            "super" => {
                place.pop();
            }
            _ => break,
        }
        rest = &rest[1..];
    }
    std::iter::once("crate".to_owned())
        .chain(place.into_iter().map(str::to_owned))
        .chain(rest.iter().cloned())
        .collect()
}
