//! Streams cut into whole blocks, and the padding of the last one (RFC 5652 §6.3).

use subtle::ConditionallySelectable;
use subtle::ConstantTimeEq;
use subtle::ConstantTimeGreater;
use subtle::ConstantTimeLess;
use zeroize::Zeroize;

use super::CryptoError;

/// Cuts a stream into blocks of `N` octets; holds less than one.
pub(super) struct Blocks<const N: usize> {
    partial: [u8; N],
    filled: usize,
}

impl<const N: usize> Blocks<N> {
    pub(super) fn new() -> Self {
        Self {
            partial: [0; N],
            filled: 0,
        }
    }

    /// Adds `input` and hands on what is whole by now, in one or two calls.
    pub(super) fn push(&mut self, mut input: &[u8], mut whole: impl FnMut(&[[u8; N]])) {
        if self.filled > 0 {
            let room = self.partial.get_mut(self.filled..).unwrap_or_default();
            let (now, later) = input.split_at(room.len().min(input.len()));
            if let Some(to) = room.get_mut(..now.len()) {
                to.copy_from_slice(now);
            }
            self.filled += now.len();
            input = later;
            if self.filled == N {
                whole(&[self.partial]);
                self.filled = 0;
            }
        }
        let (blocks, rest) = input.as_chunks();
        if !blocks.is_empty() {
            whole(blocks);
        }
        if let Some(to) = self.partial.get_mut(..rest.len())
            && !rest.is_empty()
        {
            to.copy_from_slice(rest);
            self.filled = rest.len();
        }
    }

    /// Octets of the block that is not whole.
    pub(super) fn filled(&self) -> usize {
        self.filled
    }

    /// The block that is not whole, with `pad` in what is missing; `None` when nothing is there.
    pub(super) fn padded(&mut self, pad: u8) -> Option<[u8; N]> {
        let missing = self.partial.get_mut(self.filled..)?;
        missing.fill(pad);
        (std::mem::take(&mut self.filled) > 0).then_some(self.partial)
    }
}

impl<const N: usize> Drop for Blocks<N> {
    fn drop(&mut self) {
        self.partial.zeroize();
    }
}

/// The octets of content in the last block of CBC; `Failed` when any octet of the padding is not
/// its length, and after the same time (RFC 5652 §6.3).
pub(super) fn unpad(block: &[u8]) -> Result<&[u8], CryptoError> {
    let size = u8::try_from(block.len()).map_err(|_| CryptoError::Malformed)?;
    let pad = *block.last().ok_or(CryptoError::Failed)?;
    let mut good = pad.ct_gt(&0) & !pad.ct_gt(&size);
    for (octet, from_end) in block.iter().rev().zip(0_u8..) {
        let content = !from_end.ct_lt(&pad);
        good &= octet.ct_eq(&pad) | content;
    }
    let pad = u8::conditional_select(&0, &pad, good);
    let content = block.len().saturating_sub(usize::from(pad));
    match block.get(..content) {
        Some(content) if bool::from(good) => Ok(content),
        Some(_) | None => Err(CryptoError::Failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_whole_and_in_order_however_the_stream_is_cut() {
        let stream: Vec<u8> = (0..100).collect();
        for size in 1..40 {
            let mut blocks = Blocks::<16>::new();
            let mut seen = Vec::new();
            for piece in stream.chunks(size) {
                blocks.push(piece, |whole| seen.extend_from_slice(whole.as_flattened()));
            }
            assert_eq!((seen.len(), blocks.filled()), (96, 4), "pieces of {size}");
            seen.extend_from_slice(&blocks.padded(0).unwrap()[..4]);
            assert_eq!(seen, stream, "pieces of {size}");
            assert_eq!(blocks.padded(0), None);
        }
    }

    #[test]
    fn only_whole_padding_is_taken_off() {
        for pad in 0..=255_u8 {
            let mut block = [0xAA; 16];
            let wide = usize::from(pad);
            block[16 - wide.min(16)..].fill(pad);
            block[15] = pad;
            let expected = (1..=16)
                .contains(&wide)
                .then(|| &block[..16 - wide.min(16)]);
            assert_eq!(unpad(&block).ok(), expected, "padding of {pad}");
            for wrong in 1..wide.min(16) {
                let mut block = block;
                block[15 - wrong] ^= 1;
                assert_eq!(unpad(&block), Err(CryptoError::Failed));
            }
        }
        assert_eq!(unpad(&[]), Err(CryptoError::Failed));
    }
}
