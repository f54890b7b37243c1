//! `domsec`: a domain security gateway.
//!
//! The library is built in floors; a module uses only modules of lower floors, and of its own floor
//! where `tests/floors.rs` says so. Floors 0 to 3 know no clock, randomness, file or socket.

pub mod address;
#[cfg(feature = "daemon")]
pub mod cli;
pub mod cms;
#[cfg(feature = "daemon")]
pub mod config;
pub mod crypto;
pub mod domsec;
pub mod gateway;
#[cfg(feature = "daemon")]
pub mod keystore;
pub mod limits;
#[cfg(feature = "daemon")]
pub mod lookup;
pub mod manual;
pub mod milter;
pub mod mime;
pub mod notation;
pub mod octets;
pub mod pem;
pub mod policy;
pub mod reply;
#[cfg(feature = "daemon")]
pub mod serve;
#[cfg(feature = "daemon")]
pub mod service;
pub mod smtp;
#[cfg(feature = "daemon")]
pub mod store;
#[cfg(feature = "daemon")]
pub mod telemetry;
pub mod tlv;
pub mod uri;
pub mod x509;
