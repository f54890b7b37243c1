//! Reads a [`View`] from any offset on, without a copy where it lies in memory in one piece.

use std::io;

use memchr::memmem;

use crate::octets::Octets;
use crate::octets::View;
use crate::octets::WINDOW;
use crate::octets::length;

/// A view with a window that moves over it.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    view: &'a View,
    slice: Option<&'a [u8]>,
    window: Vec<u8>,
    /// Where the window starts in the view.
    start: u64,
}

impl<'a> Reader<'a> {
    pub(super) fn new(view: &'a View) -> Self {
        Self {
            view,
            slice: view.contiguous(),
            window: Vec::new(),
            start: 0,
        }
    }

    /// The octets from `offset` on: at least `need` of them, or all that are there.
    ///
    /// All that are there when the view is in memory, else at most [`WINDOW`]; `need` is at most
    /// that. Empty at the end.
    pub(super) fn from(&mut self, offset: u64, need: usize) -> io::Result<&[u8]> {
        if let Some(all) = self.slice {
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            return Ok(all.get(start..).unwrap_or_default());
        }
        let rest = self.view.len().saturating_sub(offset);
        let need = u64::try_from(need).unwrap_or(u64::MAX).min(rest);
        let end = self.start + length(&self.window);
        if offset < self.start || offset.saturating_add(need) > end {
            let size = usize::try_from(rest).unwrap_or(WINDOW).min(WINDOW);
            self.window.resize(size, 0);
            self.start = offset;
            self.view.read_at(offset, &mut self.window)?;
        }
        let skip = usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        Ok(self.window.get(skip..).unwrap_or_default())
    }
}

/// Where `needle` first occurs in `view`; it is shorter than a window.
pub(super) fn find(view: &View, needle: &[u8]) -> io::Result<Option<u64>> {
    let finder = memmem::Finder::new(needle);
    let mut reader = Reader::new(view);
    let wide = |size| u64::try_from(size).unwrap_or(u64::MAX);
    let mut at = 0;
    loop {
        let window = reader.from(at, needle.len())?;
        match finder.find(window) {
            Some(found) => return Ok(Some(at + wide(found))),
            None if at + length(window) >= view.len() => return Ok(None),
            // What may be the start of it is looked at again.
            None => at += wide((window.len() + 1).saturating_sub(needle.len()).max(1)),
        }
    }
}

/// A source that is never contiguous, as a file is not: for tests.
#[cfg(test)]
#[derive(Debug)]
pub(super) struct Scattered(pub(super) Vec<u8>);

#[cfg(test)]
impl Octets for Scattered {
    fn len(&self) -> u64 {
        length(&self.0)
    }

    fn read_at(&self, offset: u64, window: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, window)
    }
}

/// The same octets in memory and as in a file: for tests.
#[cfg(test)]
pub(super) fn both(bytes: &[u8]) -> [View; 2] {
    [
        View::owned(bytes.to_vec()),
        View::whole(std::sync::Arc::new(Scattered(bytes.to_vec()))),
    ]
}
