//! The milter protocol, version 6: packets in, actions out; no socket and no clock.
//!
//! There is no RFC. The sources are Sendmail's `libmilter/mfdef.h` as others have described it, and
//! Postfix's MILTER_README. [`packet`] frames, [`command`] reads what the MTA says, [`action`] writes
//! what we answer, [`session`] knows what may follow what; [`edits`] says how one header becomes another.

pub mod action;
pub mod command;
pub mod edits;
pub mod macros;
pub mod options;
pub mod packet;
pub mod session;

/// A header field as the protocol has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// What stands before the colon.
    pub name: Vec<u8>,
    /// What follows the colon, its leading white space included, without the line end. Folded lines
    /// end with LF alone.
    pub value: Vec<u8>,
}
