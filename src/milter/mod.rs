//! The milter protocol, version 6: packets in, actions out; no socket and no clock.
