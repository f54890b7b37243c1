//! Messages that others made, through the `domsec` command as a script would run it.
//!
//! A module for each folder of the corpora, with the rows of what its maker says of each file. Where
//! we do otherwise stands in a table beside them with the reason; an unexpected pass fails, too.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests state what must hold; a panic is the report"
)]

mod corpora_dir;

mod corpora {
    mod asn1crypto;
    mod bouncy_castle;
    mod command;
    mod everything;
    mod folder;
    mod libksba;
    mod openssl;
    mod pkits;
    mod pqc;
    mod pyca;
    mod realworld;
    mod rfc4134;
    mod rfc9216;
    mod rows;
    mod thunderbird;
}
