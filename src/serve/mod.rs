//! Sockets on one side, sessions without any on the other.

pub mod submission;
