//! Sockets on one side, sessions without any on the other.

pub mod accounts;
pub mod admin;
pub mod answer;
pub mod journal;
pub mod listen;
pub mod milter;
pub mod offered;
pub mod offers;
pub mod replace;
pub mod site;
pub mod spool;
pub mod stream;
pub mod submission;
