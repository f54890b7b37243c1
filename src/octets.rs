//! Bytes that are read by windows, so that a message in memory and one in a file look the same.
//!
//! [`Octets`] is the source, [`View`] a part of it that is cheap to clone, [`Spool`] the place where
//! what was decoded or decrypted comes to lie. Nothing here knows what the bytes mean.

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// How many octets a window holds: large enough that a call costs nothing, small enough to stay in
/// a level-2 cache beside the cipher's tables.
pub const WINDOW: usize = 64 * 1024;

/// A sequence of octets that does not change while it is read.
pub trait Octets: fmt::Debug + Send + Sync {
    /// How many octets there are.
    fn len(&self) -> u64;

    /// Fills `window` with the octets from `offset` on.
    ///
    /// Fails with [`io::ErrorKind::UnexpectedEof`] when fewer are there.
    fn read_at(&self, offset: u64, window: &mut [u8]) -> io::Result<()>;

    /// The whole as one slice, where it lies in memory in one piece.
    fn contiguous(&self) -> Option<&[u8]> {
        None
    }

    /// Some of the octets from `offset` on, at most `most`, where they lie in memory; never an empty
    /// slice.
    fn in_memory(&self, offset: u64, most: usize) -> Option<&[u8]> {
        let start = usize::try_from(offset).ok()?;
        let rest = self.contiguous()?.get(start..)?;
        rest.get(..most.min(rest.len()))
            .filter(|slice| !slice.is_empty())
    }

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Octets for Vec<u8> {
    fn len(&self) -> u64 {
        length(self)
    }

    fn read_at(&self, offset: u64, window: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(|_| past_the_end())?;
        let end = start.checked_add(window.len()).ok_or_else(past_the_end)?;
        window.copy_from_slice(self.get(start..end).ok_or_else(past_the_end)?);
        Ok(())
    }

    fn contiguous(&self) -> Option<&[u8]> {
        Some(self)
    }
}

/// Where derived octets are written, and read again afterwards.
pub trait Spool: fmt::Debug + Send + Sync {
    /// Starts an empty one.
    fn start(&self) -> io::Result<Box<dyn SpoolWriter>>;

    /// Starts an empty one that will hold `most` octets, or a little less: so room can be made at
    /// once. `most` comes from octets that are at hand, never from a length that somebody wrote.
    fn start_for(&self, most: u64) -> io::Result<Box<dyn SpoolWriter>> {
        let _ = most;
        self.start()
    }
}

/// One spool while it is written.
pub trait SpoolWriter: io::Write {
    /// Ends writing; what was written can now be read.
    fn finish(self: Box<Self>) -> io::Result<Arc<dyn Octets>>;
}

/// The spool that lies in memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory;

impl Spool for Memory {
    fn start(&self) -> io::Result<Box<dyn SpoolWriter>> {
        Ok(Box::new(Vec::new()))
    }

    fn start_for(&self, most: u64) -> io::Result<Box<dyn SpoolWriter>> {
        let most = usize::try_from(most).map_err(|_| io::ErrorKind::OutOfMemory)?;
        Ok(Box::new(Vec::with_capacity(most)))
    }
}

impl SpoolWriter for Vec<u8> {
    fn finish(self: Box<Self>) -> io::Result<Arc<dyn Octets>> {
        Ok(Arc::new(*self))
    }
}

/// A part of some [`Octets`]: one range of them, or several in order.
///
/// The content of a constructed OCTET STRING (X.690 §8.7.3) is a view of many ranges, and is read
/// as if it were one.
#[derive(Clone)]
pub struct View {
    source: Arc<dyn Octets>,
    pieces: Pieces,
    len: u64,
}

#[derive(Clone)]
enum Pieces {
    /// Where the only piece starts in the source.
    One(u64),
    /// Sorted by `at`.
    Many(Arc<[Piece]>),
}

#[derive(Clone, Copy)]
struct Piece {
    /// Where it starts in the view.
    at: u64,
    /// Where it starts in the source.
    start: u64,
    len: u64,
}

impl View {
    /// All of `source`.
    #[must_use]
    pub fn whole(source: Arc<dyn Octets>) -> Self {
        let len = source.len();
        Self {
            source,
            pieces: Pieces::One(0),
            len,
        }
    }

    /// The octets of `bytes`, which it owns.
    #[must_use]
    pub fn owned(bytes: Vec<u8>) -> Self {
        Self::whole(Arc::new(bytes))
    }

    /// The octets of this view in `range`; what reaches past its end is cut off.
    #[must_use]
    pub fn slice(&self, range: Range<u64>) -> Self {
        let end = range.end.min(self.len);
        let start = range.start.min(end);
        self.join(std::iter::once(start..end))
    }

    /// The octets of this view in all of `ranges`, one after another; what reaches past its end is cut off.
    #[must_use]
    pub fn join(&self, ranges: impl IntoIterator<Item = Range<u64>>) -> Self {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut at = 0;
        for range in ranges {
            let end = range.end.min(self.len);
            self.pieces_in(range.start.min(end)..end, |start, len| {
                match pieces.last_mut() {
                    Some(last) if last.start + last.len == start => last.len += len,
                    _ => pieces.push(Piece { at, start, len }),
                }
                at += len;
            });
        }
        let pieces = match *pieces.as_slice() {
            [] => Pieces::One(0),
            [Piece { start, .. }] => Pieces::One(start),
            _ => Pieces::Many(pieces.into()),
        };
        Self {
            source: Arc::clone(&self.source),
            pieces,
            len: at,
        }
    }

    /// The octets in memory, at most `limit` of them; `None` when there are more.
    pub fn to_vec(&self, limit: usize) -> io::Result<Option<Vec<u8>>> {
        let Some(len) = usize::try_from(self.len).ok().filter(|len| *len <= limit) else {
            return Ok(None);
        };
        let mut bytes = vec![0; len];
        self.read_at(0, &mut bytes)?;
        Ok(Some(bytes))
    }

    /// Hands every octet in order to `visit`, a window at a time.
    ///
    /// A window is at most [`WINDOW`] octets, and lies in the source itself where that is in memory.
    pub fn windows<E: From<io::Error>>(
        &self,
        mut visit: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut outcome = Ok(());
        let mut buffer = Vec::new();
        self.pieces_in(0..self.len, |start, len| {
            if outcome.is_ok() {
                outcome = windows_of(&*self.source, start, len, &mut buffer, &mut visit);
            }
        });
        outcome
    }

    /// Calls `visit` with start and length, in the source, of each piece of `range` of this view.
    fn pieces_in(&self, range: Range<u64>, mut visit: impl FnMut(u64, u64)) {
        match &self.pieces {
            Pieces::One(start) => {
                if range.start < range.end {
                    visit(start + range.start, range.end - range.start);
                }
            }
            Pieces::Many(pieces) => {
                let first = pieces.partition_point(|piece| piece.at + piece.len <= range.start);
                for piece in pieces
                    .iter()
                    .skip(first)
                    .take_while(|piece| piece.at < range.end)
                {
                    let from = range.start.max(piece.at);
                    let to = range.end.min(piece.at + piece.len);
                    visit(piece.start + (from - piece.at), to - from);
                }
            }
        }
    }
}

impl Octets for View {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, window: &mut [u8]) -> io::Result<()> {
        let end = offset
            .checked_add(length(window))
            .ok_or_else(past_the_end)?;
        if end > self.len {
            return Err(past_the_end());
        }
        let mut rest = window;
        let mut outcome = Ok(());
        self.pieces_in(offset..end, |start, len| {
            let len = usize::try_from(len).unwrap_or(usize::MAX).min(rest.len());
            let (head, tail) = std::mem::take(&mut rest).split_at_mut(len);
            if outcome.is_ok() {
                outcome = self.source.read_at(start, head);
            }
            rest = tail;
        });
        outcome
    }

    fn in_memory(&self, offset: u64, most: usize) -> Option<&[u8]> {
        let wide = u64::try_from(most).unwrap_or(u64::MAX);
        let end = offset.saturating_add(wide).min(self.len);
        let mut first = None;
        self.pieces_in(offset..end, |start, len| {
            first.get_or_insert((start, len));
        });
        let (start, len) = first?;
        self.source
            .in_memory(start, usize::try_from(len).unwrap_or(most))
    }

    fn contiguous(&self) -> Option<&[u8]> {
        let Pieces::One(start) = self.pieces else {
            return None;
        };
        let start = usize::try_from(start).ok()?;
        let end = start.checked_add(usize::try_from(self.len).ok()?)?;
        self.source.contiguous()?.get(start..end)
    }
}

/// Several views, one after another, as one source.
#[derive(Debug)]
pub struct Chain {
    /// Where each starts, and it.
    links: Vec<(u64, View)>,
    len: u64,
}

impl Chain {
    /// `views`, one after another.
    #[must_use]
    pub fn of(views: impl IntoIterator<Item = View>) -> View {
        let mut len = 0;
        let mut links = Vec::new();
        for view in views.into_iter().filter(|view| !view.is_empty()) {
            let start = len;
            len += view.len();
            links.push((start, view));
        }
        View::whole(Arc::new(Self { links, len }))
    }

    /// The links from the one that holds `offset` on, each with where it starts.
    fn from(&self, offset: u64) -> impl Iterator<Item = &(u64, View)> {
        let first = self
            .links
            .partition_point(|(start, view)| start + view.len() <= offset);
        self.links.iter().skip(first)
    }
}

impl Octets for Chain {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, window: &mut [u8]) -> io::Result<()> {
        let mut rest = window;
        for (start, view) in self.from(offset) {
            let within = offset.saturating_sub(*start);
            let there = usize::try_from(view.len() - within).unwrap_or(usize::MAX);
            let (now, later) = rest.split_at_mut(there.min(rest.len()));
            view.read_at(within, now)?;
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        if rest.is_empty() {
            Ok(())
        } else {
            Err(past_the_end())
        }
    }

    fn in_memory(&self, offset: u64, most: usize) -> Option<&[u8]> {
        let (start, view) = self.from(offset).next()?;
        view.in_memory(offset - start, most)
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the octets: they may be plaintext.
        f.debug_struct("View")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

/// The length of a slice as the 64-bit number that offsets in a message are.
#[must_use]
pub fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// Lower-case hexadecimal without separators, as in all reports.
#[must_use]
pub fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn windows_of<E: From<io::Error>>(
    source: &dyn Octets,
    start: u64,
    len: u64,
    buffer: &mut Vec<u8>,
    visit: &mut impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut done = 0;
    while done < len {
        let size = usize::try_from(len - done).unwrap_or(WINDOW).min(WINDOW);
        if let Some(window) = source.in_memory(start + done, size) {
            visit(window)?;
            done += length(window);
            continue;
        }
        if buffer.len() < size {
            // Most messages are shorter than a window.
            buffer.resize(size, 0);
        }
        let window = buffer.get_mut(..size).ok_or_else(past_the_end)?;
        source.read_at(start + done, window)?;
        visit(window)?;
        done += length(window);
    }
    Ok(())
}

fn past_the_end() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "read past the end of the octets",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_ranges_read_as_one() {
        let view = View::owned(b"0123456789".to_vec()).join([1..3, 5..5, 7..9]);
        assert_eq!(view.len(), 4);
        assert_eq!(view.to_vec(4).unwrap().unwrap(), b"1278");
        assert_eq!(view.slice(1..3).to_vec(9).unwrap().unwrap(), b"27");
        assert!(view.contiguous().is_none());
        assert_eq!(view.slice(2..4).contiguous(), Some(&b"78"[..]));
    }

    #[test]
    fn adjacent_ranges_become_one_piece() {
        let view = View::owned(b"0123456789".to_vec()).join([1..3, 3..5]);
        assert_eq!(view.contiguous(), Some(&b"1234"[..]));
    }

    #[test]
    fn windows_visit_every_octet_in_order() {
        let bytes: Vec<u8> = (0..=255).cycle().take(3 * WINDOW + 7).collect();
        let view = View::owned(bytes.clone());
        let mut seen = Vec::new();
        view.windows(|window| {
            assert!(window.len() <= WINDOW);
            seen.extend_from_slice(window);
            Ok::<_, io::Error>(())
        })
        .unwrap();
        assert_eq!(seen, bytes);
    }

    #[test]
    fn chained_views_read_as_one() {
        let view = |text: &str| View::owned(text.as_bytes().to_vec());
        let chain = Chain::of([
            view("012"),
            view(""),
            view("3456").join([0..1, 2..4]),
            view("7"),
        ]);
        assert_eq!(chain.to_vec(9).unwrap().unwrap(), b"0123567");
        let mut seen = Vec::new();
        chain
            .slice(1..6)
            .windows(|window| {
                seen.extend_from_slice(window);
                Ok::<_, io::Error>(())
            })
            .unwrap();
        assert_eq!(seen, b"12356");
        for at in 0..7 {
            let mut one = [0];
            chain.read_at(at, &mut one).unwrap();
            assert_eq!(one[0], b"0123567"[usize::try_from(at).unwrap()]);
        }
        assert!(chain.read_at(6, &mut [0; 2]).is_err());
    }

    #[test]
    fn reading_past_the_end_is_an_error() {
        let view = View::owned(vec![0; 4]).slice(1..3);
        assert_eq!(
            view.read_at(1, &mut [0; 2]).unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
        assert_eq!(view.to_vec(1).unwrap(), None);
    }
}
