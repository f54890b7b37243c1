//! Unix sockets of the gateway, between processes.

use std::os::unix::net::UnixListener;
use std::os::unix::net::UnixStream;

use crate::process::Laid;

#[test]
fn a_second_gateway_does_not_take_the_socket_of_the_first() {
    let laid = Laid::out();
    let mut first = laid.start(&mut laid.serve());
    let (code, said) = laid.refused(&mut laid.serve());
    assert_eq!(code, 75, "{said}");
    assert!(said.contains("another process listens there"), "{said}");
    UnixStream::connect(laid.path("domsec.sock")).expect("the first still answers");
    first.terminate();
    assert!(!laid.path("domsec.sock").exists());
}

#[test]
fn a_socket_that_a_crash_left_is_replaced() {
    let laid = Laid::out();
    drop(UnixListener::bind(laid.path("domsec.sock")).expect("a socket"));
    let mut killed = laid.start(&mut laid.serve());
    killed.signal("KILL");
    killed.ended();
    assert!(laid.path("domsec.sock").exists());
    let mut next = laid.spawn(&mut laid.serve());
    crate::process::wait_for("answer", || {
        UnixStream::connect(laid.path("domsec.sock")).ok()
    });
    next.terminate();
    assert!(!laid.path("domsec.sock").exists());
}
