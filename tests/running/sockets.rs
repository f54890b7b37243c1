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

#[test]
fn a_socket_that_lets_everybody_in_is_warned_of_at_the_start() {
    let laid = Laid::out();
    let mut running = laid.start(&mut laid.serve());
    let warning = "lets every user of this host in";
    assert!(!running.log().contains(warning), "{}", running.log());
    running.terminate();
    laid.edit(
        "\"unix:domsec.sock\"",
        "{ socket = \"unix:domsec.sock\", mode = \"0666\" }",
    );
    let mut running = laid.start(&mut laid.serve());
    running.wait_log(warning);
    running.terminate();
}

#[test]
fn a_spool_that_is_not_there_keeps_the_service_from_starting() {
    let laid = Laid::out();
    laid.edit("[reinject]", "[spool]\ndirectory = \"none\"\n\n[reinject]");
    let (code, said) = laid.refused(&mut laid.serve());
    assert_eq!(code, 78, "{said}");
    for wanted in ["no file can be made in", "/none: make the folder"] {
        assert!(said.contains(wanted), "no {wanted:?} in {said}");
    }
    assert!(!laid.path("domsec.sock").exists());
}
