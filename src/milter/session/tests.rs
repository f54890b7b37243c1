//! Sessions by packets: what is due, what is collected, what is refused.
