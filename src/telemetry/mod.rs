//! What the gateway tells of its work: metrics and the log.

pub mod counted;
pub mod family;
pub mod labels;
pub mod logging;
pub mod metrics;
