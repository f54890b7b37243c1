//! Sockets on one side, sessions without any on the other.
pub mod answer;
pub mod journal;
pub mod replace;
pub mod spool;
pub mod stream;
