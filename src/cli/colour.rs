//! Colours on a terminal, and nowhere else.

use std::env;
use std::io::IsTerminal;
use std::io::stdout;

use super::args::Colour;

/// Paints what is printed for people.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint {
    on: bool,
}

impl Paint {
    /// For standard output, as `--color` and NO_COLOR say.
    pub(super) fn new(colour: Colour) -> Self {
        let on = match colour {
            Colour::Always => true,
            Colour::Auto => {
                // https://no-color.org: present and not empty.
                let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                !refused && stdout().is_terminal()
            }
            Colour::Never => false,
        };
        Self { on }
    }

    /// What matters most.
    pub(super) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    /// What is right.
    pub(super) fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    /// What is wrong.
    pub(super) fn bad(self, text: &str) -> String {
        self.with("1;31", text)
    }

    /// What is doubtful.
    pub(super) fn doubtful(self, text: &str) -> String {
        self.with("33", text)
    }

    /// What names a field.
    pub(super) fn faint(self, text: &str) -> String {
        self.with("2", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.on {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Text from a message, made safe for a terminal: control characters become their escapes.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|character| {
            // Bidirectional controls can make a line read as what it is not.
            let reorders = matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            if character.is_control() || reorders {
                character.escape_default().to_string()
            } else {
                character.to_string()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_speak_to_the_terminal() {
        assert_eq!(printable("a\x1b[2Jb\u{202e}c"), "a\\u{1b}[2Jb\\u{202e}c");
    }
}
