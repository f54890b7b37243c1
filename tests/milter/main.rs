//! The service as an MTA sees it: milter version 6 over its sockets, edits applied as an MTA applies
//! them, with the two gateways of `certs/demo`.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests state what must hold; a panic there is the report"
)]

mod breaks;
mod editions;
mod harvest;
mod mail;
mod mta;
mod refusals;
mod service;
mod sink;
mod waiting;
