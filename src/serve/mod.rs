//! Sockets on one side, sessions without any on the other.

pub mod accounts;
pub mod admin;
pub mod answer;
mod disk;
mod failure;
pub mod holdings;
pub mod journal;
pub mod key;
pub mod listen;
pub mod lookups;
pub mod milter;
pub mod next_hop;
pub mod offered;
pub mod offers;
pub mod onward;
mod queue;
pub mod recipient;
pub mod replace;
pub mod report;
pub mod site;
pub mod spool;
pub mod stream;
pub mod submission;
mod turns;
