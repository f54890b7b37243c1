//! One message from arrival to outcome.
//!
//! So far: [`open`] peels its layers, [`judge`] says what they are worth, [`seal`] makes new ones.

pub mod judge;
pub mod open;
mod parts;
pub mod seal;
pub mod shown;
