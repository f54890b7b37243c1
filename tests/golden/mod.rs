//! Golden messages: what a folder says, how it is run, and what came of it.

mod lines;
mod mail;
mod run;
mod want;

pub(crate) use run::Vector;
pub(crate) use want::Fault;
