//! SMTP (RFC 5321): lines in, lines out; no socket and no clock.
