//! a.example and b.example, each a Postfix with its gateway, and the wire between them.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;

use tempfile::TempDir;

use crate::gateway;
use crate::gateway::Disk;
use crate::gateway::Gateway;
use crate::layers;
use crate::layers::Peeled;
use crate::postfix;
use crate::postfix::Postfix;
use crate::processes::wait_for;
use crate::smtp::Options;
use crate::smtp::Sent;
use crate::wire::Carried;
use crate::wire::Wire;

/// How the two domains are to be; tests change what they need.
pub(crate) struct Plan {
    pub(crate) a: postfix::Config,
    pub(crate) b: postfix::Config,
    /// The configurations of the gateways.
    pub(crate) gateway_a: String,
    pub(crate) gateway_b: String,
    /// The milter of a, where it is not its gateway itself.
    pub(crate) milter_a: Option<SocketAddr>,
    /// The disk of each gateway, where it is to have one for itself.
    pub(crate) disk: Option<Disk>,
    /// Where configurations and what they name will lie.
    folder: TempDir,
}

/// The running domains, which end with their value.
pub(crate) struct Domains {
    pub(crate) a: Postfix,
    pub(crate) b: Postfix,
    pub(crate) gateway_a: Gateway,
    pub(crate) gateway_b: Gateway,
    pub(crate) wire: Wire,
    _folder: TempDir,
}

impl Plan {
    /// The domains of the README's tour. To b nobody is trusted: its mail comes from the same host.
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let (a, b) = (
            postfix::Config::of("a.example"),
            postfix::Config::of("b.example"),
        );
        let gateway_a = gateway::configuration("a", a.reinject);
        let networks = "networks = [\"127.0.0.0/8\", \"::1\"]";
        let gateway_b = gateway::configuration("b", b.reinject);
        assert!(gateway_b.contains(networks), "{gateway_b}");
        let gateway_b = gateway_b.replace(networks, "networks = []");
        let plan = Self {
            a,
            b,
            gateway_a,
            gateway_b,
            milter_a: None,
            disk: None,
            folder,
        };
        for name in ["a", "b"] {
            fs::create_dir(plan.path(name)).expect("a folder");
        }
        plan
    }

    /// Where the configuration of `a` or `b` will lie.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where the gateway of a listens.
    pub(crate) fn listen(&self) -> SocketAddr {
        let table: toml::Table = self.gateway_a.parse().expect("a configuration is TOML");
        let listen = table
            .get("listen")
            .and_then(|listen| listen.get("milter")?.get(0)?.as_str());
        listen
            .and_then(|text| text.parse().ok())
            .expect("an address")
    }

    /// Has Postfix at b.example deliver for c.example too, which has no gateway, and everything to the
    /// Maildir of `all`.
    pub(crate) fn serve_everybody(&mut self) {
        self.b.main.push_str(
            "virtual_mailbox_domains = b.example, c.example\nvirtual_mailbox_maps = static:all/\n",
        );
    }

    pub(crate) fn start(self) -> Domains {
        let Self {
            mut a,
            mut b,
            gateway_a,
            gateway_b,
            milter_a,
            disk,
            folder,
        } = self;
        let wire = Wire::before(b.address);
        let [gateway_a, gateway_b] = [("a", gateway_a), ("b", gateway_b)].map(|(name, text)| {
            let folder = folder.path().join(name);
            fs::write(folder.join(gateway::CONFIGURATION), text).expect("a configuration");
            Gateway::start_with(&folder, disk)
        });
        let relayed = milter_a.map(|address| format!("inet:{address}"));
        a.milters = vec![relayed.unwrap_or_else(|| gateway_a.milter())];
        a.routes = vec![("b.example", wire.address()), ("c.example", wire.address())];
        b.milters = vec![gateway_b.milter()];
        let (a, b) = thread::scope(|scope| {
            let a = scope.spawn(move || Postfix::start(&a));
            let b = Postfix::start(&b);
            (a.join().expect("Postfix at a.example"), b)
        });
        Domains {
            a,
            b,
            gateway_a,
            gateway_b,
            wire,
            _folder: folder,
        }
    }
}

impl Domains {
    /// Starts them as the plan has them at first; `None` where they cannot be run here.
    pub(crate) fn start() -> Option<Self> {
        postfix::can_run().then(|| Plan::new().start())
    }

    /// alice sends to bob, and nothing else.
    pub(crate) fn send(&self, octets: &[u8]) -> Sent {
        let (from, to) = ("alice@a.example", ["bob@b.example"]);
        self.a.send(from, &to, octets, &Options::default())
    }

    /// alice sends to bob, who gets it: as it went over the wire, and as it was delivered.
    pub(crate) fn exchanged(&self, octets: &[u8]) -> (Carried, Vec<u8>) {
        let carried = self.wire.messages().len();
        let before = self.b.delivered("bob");
        self.send(octets).expect_accepted();
        let delivered = self.arrived("bob", &before);
        let carried = self.wire.messages().into_iter().nth(carried);
        (carried.expect("one message on the wire"), delivered)
    }

    /// The one message that `user` of b has got beside those of `before`.
    pub(crate) fn arrived(&self, user: &str, before: &[Vec<u8>]) -> Vec<u8> {
        self.b.wait_delivered(user, before.len() + 1);
        // Names of files in a Maildir do not ascend within a second.
        let delivered = self.b.delivered(user);
        let mut new = delivered
            .into_iter()
            .filter(|message| !before.contains(message));
        let message = new.next().expect("a new message");
        assert!(new.next().is_none(), "more than one new message");
        message
    }

    /// Peels what went over the wire, with b's key of the DCA.
    pub(crate) fn peeled(&self, carried: &Carried) -> Peeled {
        layers::peeled(&carried.octets, &["dca-b"])
    }

    /// Waits until a gateway has logged `text`; returns its log.
    pub(crate) fn wait_logged(gateway: &Gateway, text: &str) -> String {
        wait_for(&format!("{text:?} in the gateway's log"), || {
            let log = gateway.log();
            log.contains(text).then_some(log)
        })
    }
}
