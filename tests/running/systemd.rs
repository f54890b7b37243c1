//! What systemd expects of a service, and gives it: its own `systemd-socket-activate` hands sockets over,
//! and a socket of ours is told what `Type=notify-reload` and `WatchdogSec=` want to hear.

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use crate::process::DOMSEC;
use crate::process::Laid;
use crate::process::Running;
use crate::process::is_installed;
use crate::process::wait_for;

const ACTIVATE: &str = "/usr/bin/systemd-socket-activate";

/// The service manager's end.
struct Manager(UnixDatagram);

impl Manager {
    fn listen(laid: &Laid) -> Self {
        let socket = UnixDatagram::bind(laid.path("notify")).expect("a socket");
        let limit = Some(Duration::from_secs(60));
        socket.set_read_timeout(limit).expect("a time");
        Self(socket)
    }

    /// The lines of the next datagram but for proofs of life.
    fn hear(&self) -> Vec<String> {
        loop {
            let lines = self.hear_anything();
            if lines != ["WATCHDOG=1"] {
                return lines;
            }
        }
    }

    fn hear_anything(&self) -> Vec<String> {
        let mut buffer = [0; 4096];
        let count = self.0.recv(&mut buffer).expect("a datagram in a minute");
        let text = String::from_utf8_lossy(buffer.get(..count).expect("octets")).into_owned();
        text.lines().map(str::to_owned).collect()
    }
}

#[test]
fn systemd_hears_of_every_turn_in_a_service_s_life() {
    let laid = Laid::out();
    let manager = Manager::listen(&laid);
    let mut command = laid.serve();
    let command = command.env("NOTIFY_SOCKET", laid.path("notify"));
    let mut running = laid.spawn(command);
    let ready = manager.hear();
    assert_eq!(ready.first().map(String::as_str), Some("READY=1"));
    assert!(
        ready
            .get(1)
            .is_some_and(|line| line.starts_with("STATUS=serving at unix:"))
    );

    running.signal("HUP");
    let reloading = manager.hear();
    let [word, time] = reloading.as_slice() else {
        panic!("{reloading:?}");
    };
    assert_eq!(word, "RELOADING=1");
    let time: u64 = time
        .strip_prefix("MONOTONIC_USEC=")
        .expect("a time")
        .parse()
        .expect("a number");
    // CLOCK_MONOTONIC and the kernel's uptime are the same but for sleep.
    let uptime = std::fs::read_to_string("/proc/uptime").expect("an uptime");
    let uptime: f64 = uptime
        .split(' ')
        .next()
        .expect("seconds")
        .parse()
        .expect("a number");
    let micros = Duration::from_secs_f64(uptime + 1.0).as_micros();
    assert!(time > 0 && u128::from(time) <= micros, "{time} of {micros}");
    assert_eq!(manager.hear(), ready);

    laid.edit("domains = [\"a.example\"]", "domains = [\"-\"]");
    running.signal("HUP");
    assert_eq!(
        manager.hear().first().map(String::as_str),
        Some("RELOADING=1")
    );
    let refused = manager.hear();
    assert_eq!(refused.first().map(String::as_str), Some("READY=1"));
    assert!(
        refused
            .get(1)
            .is_some_and(|line| line.contains("is refused")),
        "{refused:?}"
    );

    running.terminate();
    assert_eq!(
        manager.hear().first().map(String::as_str),
        Some("STOPPING=1")
    );
}

#[test]
fn the_watchdog_hears_of_a_gateway_that_lives_and_of_no_other() {
    let laid = Laid::out();
    let manager = Manager::listen(&laid);
    let mut command = laid.serve();
    let command = command
        .env("NOTIFY_SOCKET", laid.path("notify"))
        .env("WATCHDOG_USEC", "400000");
    let mut running = laid.spawn(command);
    assert_eq!(manager.hear().first().map(String::as_str), Some("READY=1"));
    for _ in 0..3 {
        assert_eq!(manager.hear_anything(), ["WATCHDOG=1"]);
    }
    running.signal("STOP");
    wait_for("stop", || state(&running).starts_with('T').then_some(()));
    // What was on its way has been heard when nothing more comes.
    let silence = Some(Duration::from_millis(1200));
    manager.0.set_read_timeout(silence).expect("a time");
    let mut heard = 0_usize;
    while manager.0.recv(&mut [0; 64]).is_ok() {
        heard += 1;
        assert!(heard < 10, "it still says that it lives");
    }
    running.signal("CONT");
    running.terminate();

    // Another process is meant.
    let mut command = laid.serve();
    let command = command
        .env("NOTIFY_SOCKET", laid.path("notify"))
        .env("WATCHDOG_USEC", "400000")
        .env("WATCHDOG_PID", "1");
    while manager.0.recv(&mut [0; 64]).is_ok() {}
    let mut running = laid.spawn(command);
    let limit = Some(Duration::from_secs(60));
    manager.0.set_read_timeout(limit).expect("a time");
    assert_eq!(
        manager.hear_anything().first().map(String::as_str),
        Some("READY=1")
    );
    manager.0.set_read_timeout(silence).expect("a time");
    assert!(manager.0.recv(&mut [0; 64]).is_err());
    running.terminate();
}

fn state(running: &Running) -> String {
    let text = std::fs::read_to_string(format!("/proc/{}/status", running.id()));
    let text = text.unwrap_or_default();
    let state = text.lines().find_map(|line| line.strip_prefix("State:\t"));
    state.unwrap_or_default().to_owned()
}

/// `domsec serve` behind `systemd-socket-activate`, which starts it with the first connection.
fn activated(laid: &Laid, sockets: &[&str], names: &str) -> Running {
    let mut command = Command::new(ACTIVATE);
    for socket in sockets {
        command.args(["--listen", socket]);
    }
    command.args(["--fdname", names, DOMSEC, "serve", "--config"]);
    laid.spawn(command.arg(laid.config()))
}

/// An address that was free a moment ago, below those that clients get.
fn free() -> SocketAddr {
    let start = 9_000 + u16::try_from(std::process::id() % 2_000).expect("a small number");
    let free = (start..12_000).find_map(|port| {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        TcpListener::bind(address).ok().map(|_| address)
    });
    free.expect("a free port")
}

#[test]
fn sockets_of_systemd_are_taken_by_name_and_by_address() {
    if !is_installed(ACTIVATE) {
        return;
    }
    let laid = Laid::out();
    let address = free();
    let unix = laid.path("handed.sock");
    laid.edit(
        "\"unix:domsec.sock\"",
        "\"systemd:mail\", { socket = \"unix:handed.sock\", direction = \"inbound\" }, \"unix:domsec.sock\"",
    );
    let sockets = [&address.to_string(), unix.to_str().expect("text")];
    let mut running = activated(&laid, &sockets, "mail:other");
    wait_for("listener", || TcpStream::connect(address).ok());
    running.wait_log("ready");
    UnixStream::connect(&unix).expect("the socket of systemd");
    UnixStream::connect(laid.path("domsec.sock")).expect("our own socket");
    running.terminate();
    // Ours is gone with us; the other is systemd's.
    assert!(!laid.path("domsec.sock").exists());
    assert!(unix.exists());
}

#[test]
fn a_socket_of_systemd_that_nobody_asked_for_is_an_error() {
    if !is_installed(ACTIVATE) {
        return;
    }
    let laid = Laid::out();
    let address = free();
    let mut running = activated(&laid, &[&address.to_string()], "web");
    wait_for("listener", || TcpStream::connect(address).ok());
    assert_eq!(running.ended().code(), Some(78));
    let said = running.log();
    assert!(
        said.contains(&format!("write {address} or systemd:web")),
        "{said}"
    );
    assert!(!laid.path("domsec.sock").exists());
}

#[test]
fn a_socket_that_systemd_does_not_hand_over_is_an_error() {
    let laid = Laid::out();
    laid.edit("unix:domsec.sock", "systemd:mail");
    let (code, said) = laid.refused(&mut laid.serve());
    assert_eq!(code, 75, "{said}");
    assert!(said.contains("FileDescriptorName="), "{said}");
}
