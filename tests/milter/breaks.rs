//! Connections that end before they should, or say what they must not.

use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::thread;

use crate::mail::TEXT;
use crate::mail::inbound;
use crate::mail::outbound;
use crate::mta::Mta;
use crate::mta::POSTFIX;
use crate::mta::hello;
use crate::service::Running;
use crate::service::eventually;

fn alive(service: &Running) {
    let mail = inbound(TEXT.as_bytes());
    let taken = Mta::connect(service).offer(&mail).taken();
    assert_eq!(taken.body, mail.body);
    service.holds_nothing();
}

#[test]
fn a_connection_may_vanish_at_every_octet() {
    let b = Running::start("b", "", "");
    let mut conversation = hello(POSTFIX, "192.0.2.1");
    conversation.extend(inbound(TEXT.as_bytes()).packets(true).concat());
    conversation.extend_from_slice(b"\0\0\0\x01A\0\0\0\x01Q");
    for end in 0..=conversation.len() {
        let mut stream = TcpStream::connect(b.address).unwrap();
        stream.write_all(&conversation[..end]).unwrap();
    }
    alive(&b);
}

#[test]
fn what_breaks_the_protocol_ends_the_connection_and_no_other() {
    let b = Running::start("b", "", "");
    let other = Mta::connect(&b);
    for octets in [
        &b"\0\0\0\x01B"[..],
        b"\0\0\0\x01x",
        b"\0\0\0\0",
        b"\xff\xff\xff\xffL",
        b"\0\0\0\x05M<a@b",
    ] {
        let mut mta = Mta::connect(&b);
        mta.write(octets);
        assert_eq!(mta.packet(), None, "{octets:?}");
    }
    let mut stream = TcpStream::connect(b.address).unwrap();
    stream.write_all(b"EHLO mx.example\r\n").unwrap();
    let mut read = Vec::new();
    let _reset = stream.read_to_end(&mut read);
    assert!(read.is_empty());
    other.quit();
    alive(&b);
}

#[test]
fn silence_within_a_message_ends_the_connection_and_between_messages_does_not() {
    let b = Running::start("b", "", "idle_timeout");
    let mut idle = Mta::connect(&b);
    let mut silent = Mta::connect(&b);
    let packets = inbound(TEXT.as_bytes()).packets(true);
    silent.write(&packets[..packets.len() - 1].concat());
    eventually("the message is spooled", || b.spool.used() > 0);
    assert_eq!(silent.packet(), None);
    b.holds_nothing();
    idle.offer(&inbound(TEXT.as_bytes())).taken();
    idle.quit();
}

#[test]
fn an_mta_that_does_not_read_is_given_up() {
    let a = Running::start("a", "", "idle_timeout");
    let mut mail = outbound(&["bob@b.example"]);
    mail.body = b"0123456789 0123456789 0123456789 0123456789\r\n".repeat(60_000);
    let mut deaf = Mta::by_unix(&a);
    deaf.write(&mail.packets(true).concat());
    eventually("the message is spooled", || a.spool.used() > 0);
    a.holds_nothing();
    drop(deaf);
}

#[test]
fn the_end_of_the_service_ends_idle_connections_and_lets_messages_finish() {
    let mut b = Running::start("b", "", "");
    let mut idle = Mta::connect(&b);
    let mut busy = Mta::connect(&b);
    let mail = inbound(TEXT.as_bytes());
    let packets = mail.packets(true);
    let (last, first) = packets.split_last().unwrap();
    busy.write(&first.concat());
    eventually("the message is spooled", || b.spool.used() > 0);
    b.stop();
    assert_eq!(idle.packet(), None);
    eventually("nobody listens", || TcpStream::connect(b.address).is_err());
    thread::sleep(std::time::Duration::from_millis(50));
    busy.write(last);
    assert_eq!(busy.answer(&mail).taken().body, mail.body);
    assert_eq!(busy.packet(), None);
    b.ended();
    assert!(!b.file("milter.sock").exists());
}
