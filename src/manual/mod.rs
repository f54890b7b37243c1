//! Long prose, compiled into the documentation so that it is found and kept.

#[doc = include_str!("demonstration.md")]
pub mod demonstration {}

#[doc = include_str!("draft.md")]
pub mod draft {}

#[doc = include_str!("install-postfix.md")]
pub mod install_postfix {}

#[doc = include_str!("install-sendmail.md")]
pub mod install_sendmail {}

#[doc = include_str!("lookup.md")]
pub mod lookup {}

#[doc = include_str!("message.md")]
pub mod message {}

#[doc = include_str!("metrics.md")]
pub mod metrics {}

#[doc = include_str!("performance.md")]
pub mod performance {}

#[doc = include_str!("policy.md")]
pub mod policy {}

#[doc = include_str!("rfcs.md")]
pub mod rfcs {}
