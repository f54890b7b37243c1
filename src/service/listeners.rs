//! The sockets of `[listen]`: ours, or those that systemd hands over.

use std::net;

use crate::config::Config;
use crate::config::MilterListener;
use crate::config::Socket;
use crate::policy::facts::Direction;
use crate::serve::listen;
use crate::serve::listen::Bound;
use crate::serve::listen::OwnerIds;

use super::ServiceError;
use super::systemd::HandedOver;

/// Every socket, bound.
#[derive(Debug)]
pub struct Listeners {
    pub(super) milters: Vec<(Bound, Option<Direction>)>,
    pub(super) admins: Vec<net::TcpListener>,
}

impl Listeners {
    /// Takes those of `handed_over` that `config` names, and binds the others; unix sockets are
    /// given to `owner` where their listener says nothing else.
    pub fn bind(
        config: &Config,
        owner: OwnerIds,
        mut handed_over: HandedOver,
    ) -> Result<Self, ServiceError> {
        let mut milters = Vec::new();
        for listener in &config.listen.milter {
            if listener.is_open_to_all() {
                tracing::warn!(
                    "[listen] milter {}: its mode {:04o} lets every user of this host in, who can have mail \
                     decrypted and signed: write mode = \"0660\" and the group of the mail server",
                    listener.socket,
                    listener.mode
                );
            }
            let listener = placed(config, listener);
            let there = match &listener.socket {
                Socket::Systemd(name) => handed_over.named(name),
                Socket::Tcp(_) | Socket::Unix(_) => {
                    handed_over.at(&listener.socket).into_iter().collect()
                }
            };
            let bound = if there.is_empty() {
                vec![Bound::new(&listener, owner)?]
            } else {
                there
            };
            milters.extend(bound.into_iter().map(|bound| (bound, listener.direction)));
        }
        let mut admins = Vec::new();
        for address in &config.listen.admin {
            let bound = match handed_over.tcp(*address) {
                Some(there) => Ok(there),
                None => listen::tcp(*address),
            };
            admins.push(bound.map_err(|error| ServiceError::Admin(*address, error))?);
        }
        handed_over.all_claimed()?;
        Ok(Self { milters, admins })
    }
}

/// A unix socket's path, relative to the configuration.
fn placed(config: &Config, listener: &MilterListener) -> MilterListener {
    let socket = match &listener.socket {
        Socket::Systemd(name) => Socket::Systemd(name.clone()),
        Socket::Tcp(address) => Socket::Tcp(*address),
        Socket::Unix(path) => Socket::Unix(config.path(path)),
    };
    MilterListener {
        socket,
        ..listener.clone()
    }
}
