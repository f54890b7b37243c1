//! Transparency of DATA: a dot more where a line begins with one (RFC 5321 §4.5.2).

use memchr::memmem;

/// Doubles the dots at the beginnings of lines, window by window.
#[derive(Clone, Copy, Debug)]
pub struct DotStuffing {
    /// Whether the next octet is the first of a line.
    line_begins: bool,
}

impl Default for DotStuffing {
    fn default() -> Self {
        Self { line_begins: true }
    }
}

impl DotStuffing {
    /// Appends `window`, which follows the last one, to `out`.
    ///
    /// Only CRLF ends a line; a [`super::Content`] has no LF elsewhere.
    pub fn stuff(&mut self, window: &[u8], out: &mut Vec<u8>) {
        let Some(last) = window.last() else {
            return;
        };
        if self.line_begins && window.first() == Some(&b'.') {
            out.push(b'.');
        }
        let mut rest = window;
        while let Some(at) = memmem::find(rest, b"\n.") {
            // Both octets are there, so there is a place between them.
            let (line, next) = rest.split_at(at + 1);
            out.extend_from_slice(line);
            out.push(b'.');
            // What begins with a dot cannot begin with the pattern: it is not found again.
            rest = next;
        }
        out.extend_from_slice(rest);
        self.line_begins = *last == b'\n';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stuffed<'a>(windows: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
        let mut dots = DotStuffing::default();
        let mut out = Vec::new();
        for window in windows {
            dots.stuff(window, &mut out);
        }
        out
    }

    #[test]
    fn dots_are_doubled_where_lines_begin_and_nowhere_else() {
        for (content, sent) in [
            ("", ""),
            (".", ".."),
            ("a.b\r\n.\r\n", "a.b\r\n..\r\n"),
            ("..\r\n..\r\n", "...\r\n...\r\n"),
            ("\r\n.\r\n\r\n.a", "\r\n..\r\n\r\n..a"),
        ] {
            let out = stuffed([content.as_bytes()]);
            assert_eq!(String::from_utf8(out).unwrap(), sent, "{content:?}");
        }
    }

    #[test]
    fn windows_may_end_anywhere() {
        let content = b".a\r\n.\r\n..\r\nb.\r\n.c";
        let whole = stuffed([&content[..]]);
        for one in 0..content.len() {
            for two in one..content.len() {
                let parts = [&content[..one], &content[one..two], &content[two..]];
                assert_eq!(stuffed(parts), whole, "{one} {two}");
            }
        }
        assert_eq!(stuffed(content.chunks(1)), whole);
    }
}
