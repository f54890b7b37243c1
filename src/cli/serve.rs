//! `domsec serve`: the gateway, until it is told to stop.

use std::io;

use crate::config::ConfigError;
use crate::gateway::judge::chain;
use crate::service;
use crate::service::ServiceError;

use super::args::Serve;
use super::failure::Exit;
use super::failure::Failure;

/// Serves, and returns when everything at hand has been ended.
pub(super) fn run(arguments: &Serve) -> Result<Exit, Failure> {
    match service::run(&arguments.config) {
        Ok(()) => Ok(Exit::Yes),
        Err(error) => Err(failure(&error)),
    }
}

/// What keeps a service from running, by whose fault it is.
pub(super) fn failure(error: &ServiceError) -> Failure {
    match error {
        ServiceError::Config(ConfigError::Read { path, source }) => Failure::io(path, source),
        // A socket that is taken may be free later; all else is for the administrator.
        ServiceError::Admin(_, source) if source.kind() == io::ErrorKind::AddrInUse => {
            Failure::temporary(chain(error))
        }
        ServiceError::Listen(_) => Failure::temporary(chain(error)),
        // A disk that is full may have room later.
        ServiceError::Spool { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
            Failure::temporary(chain(error))
        }
        ServiceError::Log(_)
        | ServiceError::Metrics(_)
        | ServiceError::Runtime(_)
        | ServiceError::Socket(_) => Failure::software(error),
        ServiceError::Admin(..)
        | ServiceError::Build(_)
        | ServiceError::Config(_)
        | ServiceError::Denied { .. }
        | ServiceError::HandedOver(_)
        | ServiceError::Privileges(_)
        | ServiceError::Reinject(_)
        | ServiceError::Spool { .. } => Failure::configuration(chain(error)),
    }
}
