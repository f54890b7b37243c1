//! `domsec serve` as an MTA loads it, against OpenDKIM that signs with RSA-2048 on the same machine.
//!
//! `cargo bench --bench load` prints a table and exits with 1 when a bound is missed. Absolute figures
//! drift with the machine, so each ratio is of one run, both sides in turn, the best round of each. Without
//! Debian's package `opendkim` the rows that need it are left out. `-- --quick` takes shorter rounds; any
//! other argument is a part of the names of the rows that are wanted.

#![expect(
    clippy::expect_used,
    reason = "a bench measures what works; a panic there is the report"
)]

mod client;
mod credentials;
mod least;
mod load;
mod message;
mod server;
mod table;

use std::net::Ipv4Addr;
use std::net::TcpListener;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use client::Address;
use client::Connection;
use least::Keeping;
use least::Layers;
use load::Load;
use load::Round;
use message::Change;
use message::Message;
use message::Reader;
use server::Cipher;
use server::Inside;
use server::Server;
use server::Work;
use table::Bound;
use table::Table;

/// Octets of the bodies.
const SMALL: usize = 4096;
const LARGE: usize = 5_000_000;
/// Connections that wait for their next message.
const IDLE: usize = 10_000;
/// Messages that wait for certificates.
const WAITING: u32 = 1_000;

const SIGN: Work = Work {
    elliptic: false,
    encrypts: false,
    cipher: Cipher::Cbc,
    inside: Inside::Base64,
    directory: None,
};
const SEAL: Work = Work {
    encrypts: true,
    ..SIGN
};
const GCM: Work = Work {
    cipher: Cipher::Gcm,
    ..SEAL
};

const SIGNED: Change = Change::Smime("signed-data");
const ENVELOPED: Change = Change::Smime("enveloped-data");
const AUTHENVELOPED: Change = Change::Smime("authEnveloped-data");

/// What the command line asks for.
struct Session {
    /// How often both sides are measured, and for how long.
    rounds: u32,
    time: Duration,
    wanted: Vec<String>,
    table: Table,
}

/// One comparison with OpenDKIM.
struct Comparison {
    name: &'static str,
    work: Work,
    reader: Reader,
    octets: usize,
    change: Change,
    /// Messages on one connection.
    each: usize,
    /// Times OpenDKIM's messages a second.
    least: f64,
    /// Times OpenDKIM's processor time.
    most_processor: Option<f64>,
    /// Of the messages a second that the bare work of these layers makes, where they are large.
    of_bare_work: Option<f64>,
}

const LARGE_CBC: Comparison = Comparison {
    name: "5 MB: sign, encrypt to RSA-2048, CBC",
    work: SEAL,
    reader: Reader::Bob,
    octets: LARGE,
    change: ENVELOPED,
    each: 1,
    least: 1.0,
    most_processor: None,
    of_bare_work: Some(0.4),
};

const LARGE_GCM: Comparison = Comparison {
    name: "5 MB: sign, encrypt to RSA-2048, GCM",
    work: GCM,
    change: AUTHENVELOPED,
    least: 1.5,
    of_bare_work: Some(0.3),
    ..LARGE_CBC
};

const COMPARISONS: &[Comparison] = &[
    Comparison {
        name: "4 KB: sign",
        work: SIGN,
        reader: Reader::Bob,
        octets: SMALL,
        change: SIGNED,
        each: 1,
        least: 3.0,
        most_processor: Some(1.0 / 3.0),
        of_bare_work: None,
    },
    Comparison {
        name: "4 KB, 100 on a connection: sign",
        work: SIGN,
        reader: Reader::Bob,
        octets: SMALL,
        change: SIGNED,
        each: 100,
        least: 3.0,
        most_processor: Some(1.0 / 3.0),
        of_bare_work: None,
    },
    Comparison {
        name: "4 KB: sign, encrypt to RSA-2048",
        work: SEAL,
        reader: Reader::Bob,
        octets: SMALL,
        change: ENVELOPED,
        each: 1,
        least: 2.5,
        most_processor: None,
        of_bare_work: None,
    },
    Comparison {
        name: "4 KB: sign with P-256, encrypt by ECDH",
        work: Work {
            elliptic: true,
            ..SEAL
        },
        reader: Reader::Carol,
        octets: SMALL,
        change: ENVELOPED,
        each: 1,
        least: 5.0,
        most_processor: None,
        of_bare_work: None,
    },
    LARGE_CBC,
    LARGE_GCM,
    Comparison {
        name: "5 MB: sign, encrypt to RSA-2048, CBC, binary inside",
        work: Work {
            inside: Inside::Binary,
            ..SEAL
        },
        ..LARGE_CBC
    },
    Comparison {
        name: "5 MB: sign, encrypt to RSA-2048, GCM, binary inside",
        work: Work {
            inside: Inside::Binary,
            ..GCM
        },
        ..LARGE_GCM
    },
];

fn main() -> ExitCode {
    let mut session = Session::from_arguments();
    match Server::opendkim() {
        None => println!("OpenDKIM is not installed: nothing is held against it"),
        Some(opendkim) => {
            for comparison in COMPARISONS {
                session.compare(comparison, &opendkim);
            }
        }
    }
    session.tcp();
    session.memory_of_large_messages();
    session.memory_of_idle_connections();
    session.memory_of_waiting_messages();
    session.table.report()
}

impl Session {
    fn from_arguments() -> Self {
        let arguments: Vec<String> = std::env::args()
            .skip(1)
            // Cargo's own.
            .filter(|argument| argument != "--bench")
            .collect();
        let (quick, wanted): (Vec<String>, Vec<String>) = arguments
            .into_iter()
            .partition(|argument| argument == "--quick");
        let (rounds, time) = if quick.is_empty() {
            (5, Duration::from_secs(3))
        } else {
            (2, Duration::from_secs(1))
        };
        Self {
            rounds,
            time,
            wanted,
            table: Table::new(),
        }
    }

    /// Eight connections, against OpenDKIM.
    fn compare(&mut self, comparison: &Comparison, opendkim: &Server) {
        if !self.is_wanted(comparison.name) {
            return;
        }
        let domsec = Server::domsec(comparison.work);
        let message = Message::of(comparison.octets, comparison.reader);
        let ours = Load {
            message: &message,
            change: comparison.change,
            connections: 8,
            each: comparison.each,
        };
        let theirs = Load {
            change: Change::Dkim,
            ..ours
        };
        let [ours, theirs] = self.in_turn(
            (&domsec, &domsec.unix, ours),
            (opendkim, &opendkim.unix, theirs),
        );
        let name = |what: &str| format!("{}: {what}", comparison.name);
        let table = &mut self.table;
        table.row(
            &name("messages a second"),
            "/s",
            ours.messages_a_second,
            theirs.messages_a_second,
            Bound::AtLeast(comparison.least),
        );
        if let Some(most) = comparison.most_processor {
            table.row(
                &name("processor time"),
                "ms",
                ours.processor_ms,
                theirs.processor_ms,
                Bound::AtMost(most),
            );
        }
        println!(
            "    p50 {:.2} ms, p99 {:.2} ms, {:.2} ms of processor time; theirs {:.2}, {:.2}, {:.2}",
            ours.p50_ms,
            ours.p99_ms,
            ours.processor_ms,
            theirs.p50_ms,
            theirs.p99_ms,
            theirs.processor_ms
        );
        if let Some(least) = comparison.of_bare_work {
            let rates = (ours.messages_a_second, theirs.messages_a_second);
            self.against_the_bare_work(comparison, rates, least);
        }
    }

    /// What any program could do that writes these layers, beside what we do and what OpenDKIM does.
    fn against_the_bare_work(
        &mut self,
        comparison: &Comparison,
        (ours, theirs): (f64, f64),
        least: f64,
    ) {
        let layers = Layers {
            is_gcm: comparison.work.cipher == Cipher::Gcm,
            is_binary: comparison.work.inside == Inside::Binary,
        };
        let most = |keeping| {
            let work = (layers, keeping);
            let round = |_| least::messages_a_second(comparison.octets, work, 8, self.time);
            (0..self.rounds).map(round).fold(0.0, f64::max)
        };
        let (in_memory, in_file) = (most(Keeping::Memory), most(Keeping::File));
        self.table.row(
            &format!("{}: against the bare work", comparison.name),
            "/s",
            ours,
            in_memory,
            Bound::AtLeast(least),
        );
        println!(
            "    the bare work of these layers is {:.2} of theirs; with a signature, and the message in a file until it is \
             there, {:.2}",
            in_memory / theirs,
            in_file / theirs
        );
    }

    /// TCP against the unix socket of the same process.
    fn tcp(&mut self) {
        for (name, connections) in [
            ("4 KB: sign, 1 connection: p50 by TCP / unix socket", 1),
            ("4 KB: sign, 8 connections: p50 by TCP / unix socket", 8),
        ] {
            if !self.is_wanted(name) {
                continue;
            }
            let domsec = Server::domsec(SIGN);
            let message = Message::of(SMALL, Reader::Bob);
            let load = Load {
                message: &message,
                change: SIGNED,
                connections,
                each: 1,
            };
            let tcp = domsec.tcp.as_ref().expect("a TCP socket");
            let [tcp, unix] = self.in_turn((&domsec, tcp, load), (&domsec, &domsec.unix, load));
            let bound = Bound::AtMost(1.3);
            self.table.row(name, "ms", tcp.p50_ms, unix.p50_ms, bound);
        }
    }

    /// 32 messages of 5 MB at once, again and again.
    fn memory_of_large_messages(&mut self) {
        for (name, work, change) in [
            (
                "5 MB, 32 at once, CBC: resident memory / 64 MiB",
                SEAL,
                ENVELOPED,
            ),
            (
                "5 MB, 32 at once, GCM: resident memory / 64 MiB",
                GCM,
                AUTHENVELOPED,
            ),
        ] {
            if !self.is_wanted(name) {
                continue;
            }
            let domsec = Server::domsec(work);
            let message = Message::of(LARGE, Reader::Bob);
            let load = Load {
                message: &message,
                change,
                connections: 32,
                each: 4,
            };
            load::round(&domsec, &domsec.unix, load, self.time);
            let most = domsec.resident_mib("VmHWM:");
            self.table.row(name, "MiB", most, 64.0, Bound::AtMost(1.0));
        }
    }

    /// Connections that wait, each after a message.
    fn memory_of_idle_connections(&mut self) {
        let name = "10,000 idle connections: resident memory / 200 MiB";
        if !self.is_wanted(name) {
            return;
        }
        let domsec = Server::domsec(SIGN);
        let message = Message::of(SMALL, Reader::Bob);
        let load = Load {
            message: &message,
            change: SIGNED,
            connections: 1,
            each: 1,
        };
        let open = |address: &Address| {
            let mut connection = Connection::open(address)?;
            load::send(&mut connection, load)?;
            Ok::<_, std::io::Error>(connection)
        };
        let opened: Result<Vec<Connection>, _> = (0..IDLE).map(|_| open(&domsec.unix)).collect();
        match opened {
            Ok(idle) => {
                let now = domsec.resident_mib("VmRSS:");
                self.table.row(name, "MiB", now, 200.0, Bound::AtMost(1.0));
                drop(idle);
            }
            // Most often `ulimit -n`.
            Err(error) => println!("{name}: not measured: {error}"),
        }
    }

    /// Messages to as many recipients, whose directory takes questions and does not answer: what each of them takes
    /// beyond the connection that brought it. All together may take what 32 large ones may.
    fn memory_of_waiting_messages(&mut self) {
        let name = "1,000 messages of 4 KB that wait for certificates: each";
        if !self.is_wanted(name) {
            return;
        }
        let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = silent.local_addr().expect("a port").port();
        let domsec = Server::domsec(Work {
            directory: Some(port),
            ..SEAL
        });
        let message = Message::of(SMALL, Reader::Bob);
        let load = Load {
            message: &message,
            change: ENVELOPED,
            connections: 1,
            each: 1,
        };
        let mut connections: Vec<Connection> = (0..WAITING)
            .map(|_| {
                let mut connection = Connection::open(&domsec.unix).expect("a connection");
                load::send(&mut connection, load).expect("an answer");
                connection
            })
            .collect();
        let before = domsec.resident_mib("VmRSS:");
        for (number, connection) in connections.iter_mut().enumerate() {
            let recipient = format!("u{number}@c.example");
            let handed = connection.hand_over(&message, &recipient);
            handed.expect("a message that is taken");
        }
        // Who is asked takes the connection, and no more: it lies in the backlog.
        let waits = || domsec.metric("domsec_open_certificate_searches");
        for _ in 0..600 {
            if waits() >= f64::from(WAITING) {
                break;
            }
            thread::sleep(Duration::from_millis(50));
        }
        assert!(waits() >= f64::from(WAITING), "{}", domsec.log());
        let each = (domsec.resident_mib("VmRSS:") - before) * 1024.0 / f64::from(WAITING);
        self.table.row(name, "KiB", each, 64.0, Bound::AtMost(1.0));
        drop(silent);
    }

    /// Rounds of both in turn; of each the best, by each figure for itself.
    fn in_turn(
        &self,
        ours: (&Server, &Address, Load<'_>),
        theirs: (&Server, &Address, Load<'_>),
    ) -> [Round; 2] {
        let run = |(server, address, load)| load::round(server, address, load, self.time);
        let mut best = [run(ours), run(theirs)];
        for _ in 1..self.rounds {
            best = [best[0].best(run(ours)), best[1].best(run(theirs))];
        }
        best
    }

    fn is_wanted(&self, name: &str) -> bool {
        self.wanted.is_empty() || self.wanted.iter().any(|part| name.contains(part.as_str()))
    }
}
