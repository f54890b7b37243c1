//! Messages whose certificates a server does not tell, and everybody else.

use std::fs;
use std::io::Read;
use std::net::Shutdown;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;

use crate::mail::outbound;
use crate::mta::Mta;
use crate::service::Running;
use crate::service::eventually;

const POLICY: &str = r#"
    [[rule]]
    name = "c"
    when = 'recipient.domain == "c.example" && message.size > 0'
    sign = ["domain"]
    encrypt = "required"
    encrypt_to = ["recipient"]
    [[rule]]
    name = "rest"
    when = "true"
"#;

/// A directory that takes questions and does not answer.
struct Silent {
    port: u16,
    heard: Arc<Mutex<Heard>>,
}

#[derive(Default)]
struct Heard {
    connections: Vec<TcpStream>,
    octets: Vec<u8>,
}

impl Silent {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::<Mutex<Heard>>::default();
        let of_all = Arc::clone(&heard);
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let heard = Arc::clone(&of_all);
                let reading = stream.try_clone().unwrap();
                of_all.lock().unwrap().connections.push(stream);
                thread::spawn(move || listen(reading, &heard));
            }
        });
        Self { port, heard }
    }

    /// Whether it was asked for that address.
    fn was_asked(&self, address: &str) -> bool {
        let heard = self.heard.lock().unwrap();
        let mut places = heard.octets.windows(address.len());
        places.any(|octets| octets == address.as_bytes())
    }

    /// Ends all connections.
    fn stop(&self) {
        for stream in &self.heard.lock().unwrap().connections {
            // The other end may have gone already.
            let _ended = stream.shutdown(Shutdown::Both);
        }
    }
}

fn listen(mut stream: TcpStream, heard: &Mutex<Heard>) {
    let mut octets = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut octets) {
        heard.lock().unwrap().octets.extend(&octets[..count]);
    }
}

#[test]
fn a_server_that_does_not_answer_keeps_back_nobody_but_who_asked_it() {
    let silent = Silent::start();
    let policy = tempfile::NamedTempFile::new().unwrap();
    fs::write(policy.path(), POLICY).unwrap();
    let tables = format!(
        "[limits]\ntransactions = 1\nwait = 10\n[dns]\nservers = [\"127.0.0.1:9\"]\n\
         [[ldap]]\nurl = \"ldap://127.0.0.1:{}\"\nbase = \"dc=c,dc=example\"\n\
         domains = [\"c.example\"]\nin_clear = true\n",
        silent.port
    );
    let a = Running::start("a", &format!("policy = {:?}", policy.path()), &tables);
    let large = b"0123456789 0123456789 0123456789 0123456789\r\n".repeat(3_000);
    thread::scope(|scope| {
        let mut waiting = Vec::new();
        for (recipient, body) in [("carl@c.example", None), ("cleo@c.example", Some(large))] {
            let mut mail = outbound(&[recipient]);
            mail.body = body.unwrap_or(mail.body);
            let a = &a;
            waiting.push(scope.spawn(move || Mta::connect(a).offer(&mail).reply()));
        }
        // The directory was asked for each, and neither has an answer: the only turn is free.
        for address in ["carl@c.example", "cleo@c.example"] {
            eventually("the directory is asked", || silent.was_asked(address));
        }
        let mail = outbound(&["dave@d.example"]);
        assert_eq!(Mta::connect(&a).offer(&mail).taken().body, mail.body);
        assert!(waiting.iter().all(|one| !one.is_finished()));
        silent.stop();
        for one in waiting {
            let reply = one.join().unwrap();
            assert!(reply.starts_with("451 4.7.5 "), "{reply}");
        }
    });
    a.holds_nothing();
}
