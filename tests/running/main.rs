//! The gateway as a process: what systemd, root and other processes make of it.
//!
//! What only root can do is skipped, and said, for anybody else.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "processes are waited for, by the clock; a panic names what did not come"
)]

mod descriptors;
mod harvest;
mod passwords;
mod privileges;
mod process;
mod sockets;
mod systemd;
