//! nginx with TLS at port 443 of addresses of its own, which answers as a host of MCEK does.

use std::fmt::Write as _;
use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::peers::installed;
use crate::pki::Issued;
use crate::processes::Foreground;
use crate::processes::own_loopback;
use crate::processes::wait_for_listener;

/// Whether nginx is installed.
pub(crate) fn can_run() -> bool {
    installed("nginx", &["/usr/sbin/nginx", "/usr/bin/openssl"])
}

/// An address of b.example whose local part is the name of a case.
pub(crate) fn at_b(case: &str) -> String {
    format!("{case}@b.example")
}

/// nginx in a folder of its own, which is what it serves.
pub(crate) struct Nginx {
    // Ended before its folder goes.
    running: Option<Foreground>,
    folder: TempDir,
    addresses: Vec<Ipv4Addr>,
    /// What the server blocks have beside their listeners.
    locations: String,
}

impl Nginx {
    /// A server with `locations`, in nginx's words: those of `/case/NAME` answer for the address NAME@b.example.
    pub(crate) fn new(locations: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        fs::create_dir(folder.path().join("case")).expect("a folder");
        Self {
            running: None,
            folder,
            addresses: Vec::new(),
            locations: locations.to_owned(),
        }
    }

    /// Adds an address on which it shows this certificate, with what else is sent of the chain.
    pub(crate) fn listen(&mut self, shown: &Issued, chain: &str) -> Ipv4Addr {
        let address = own_loopback();
        let certificate = format!("{}{chain}", shown.pem);
        fs::write(self.path(&format!("{address}.pem")), certificate).expect("a file");
        fs::write(self.path(&format!("{address}.key")), &shown.key).expect("a file");
        self.addresses.push(address);
        address
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, octets: impl AsRef<[u8]>) {
        fs::write(self.path(name), octets).expect("a file");
    }

    /// Starts it, with answers for those addresses.
    pub(crate) fn start(&mut self, cases: &[&str]) {
        self.write("nginx.conf", self.configuration(cases));
        let mut command = Command::new("/usr/sbin/nginx");
        command
            .arg("-p")
            .arg(self.folder.path())
            .args(["-c", "nginx.conf", "-e", "error.log"]);
        self.running = Some(Foreground::start(&command, &self.path("nginx.out")));
        for address in &self.addresses {
            wait_for_listener((*address, 443).into(), || {
                fs::read_to_string(self.path("error.log")).unwrap_or_default()
            });
        }
    }

    /// Kills it.
    pub(crate) fn stop(&mut self) {
        self.running = None;
    }

    fn configuration(&self, cases: &[&str]) -> String {
        let mut map = "default none;".to_owned();
        for case in cases {
            let base64 = base64_simd::STANDARD.encode_to_string(at_b(case));
            let username = base64
                .replace('+', "%2B")
                .replace('/', "%2F")
                .replace('=', "%3D");
            write!(map, " \"{username}\" {case};").expect("memory");
        }
        let mut servers = String::new();
        for address in &self.addresses {
            write!(
                servers,
                "server {{ listen {address}:443 ssl; ssl_certificate {address}.pem;
                 ssl_certificate_key {address}.key;
                 location = / {{ rewrite ^ /case/$case last; }}
                 location = /.well-known/mcek {{ rewrite ^ /case/$case last; }}
                 {} }}\n",
                self.locations
            )
            .expect("memory");
        }
        format!(
            "daemon off; master_process off; pid nginx.pid;
             events {{}}
             http {{ access_log access.log; default_type application/octet-stream; root {};
             map $arg_username $case {{ {map} }} {servers} }}",
            self.folder.path().display()
        )
    }
}
