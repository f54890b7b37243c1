//! Zones that are signed with NSEC and NSEC3, unsigned, bogus, tampered with, and what is asked for in them.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use crate::processes::run;
use crate::processes::wait_for;
use crate::zones;
use crate::zones::Served;
use crate::zones::Zone;
use crate::zones::hex;
use crate::zones::label;

/// Names of zones, how they are signed, and their records, of which `{der}` is Bob's certificate.
#[rustfmt::skip]
const ZONES: &[(&str, Option<&str>, &str)] = &[
    ("b.example", Some("nsec3"), "
        @ MX 10 mx\n@ MX 20 mx.n.example.
        mx A 192.0.2.1\nmx AAAA 2001:db8::1\nmx TXT only-text
        _ldap._tcp SRV 1 2 389 mx
        _25._tcp.mx TLSA 3 1 1 {digest}
        to-mx CNAME mx\nto-to-mx CNAME to-mx
        to-n CNAME mx.n.example.\n_25._tcp.to-n TLSA 3 1 1 {digest}
        to-u CNAME mx.u.example.\n_25._tcp.to-u TLSA 3 1 1 {digest}
        null MX 0 .
        {bob} SMIMEA 3 0 0 {der}
        {two} SMIMEA 1 0 0 {der}\n{two} SMIMEA 3 0 1 {digest}
        {unusable} SMIMEA 9 0 0 {der}\n{unusable} SMIMEA 3 0 0 {digest}
        {alias} CNAME {bob}
        {toward-n} CNAME {bob}.n.example.
        {toward-u} CNAME {bob}.u.example.
        {toward-nothing} CNAME nothing
        {toward-bogus} CNAME {bob}.bogus.example.
        {chain} CNAME {alias}
        circle CNAME elcric\nelcric CNAME circle
        *.wild SMIMEA 3 0 0 {der}
        exact.wild TXT not-the-wildcard
        *.wildalias CNAME {bob}
        *.wildnothing CNAME nothing
        large TLSA 3 0 0 {large}
        user._smimecert SMIMEA 3 0 0 {der}
    "),
    ("n.example", Some("nsec"), "
        mx A 192.0.2.2
        {bob} SMIMEA 3 0 0 {der}
        *.wild SMIMEA 3 0 0 {der}
        exact.wild TXT not-the-wildcard
        {toward-nothing} CNAME nothing
        *.wildalias CNAME {bob}
    "),
    ("o.example", Some("optout"), "
        {bob} SMIMEA 3 0 0 {der}
        mx A 192.0.2.3
        sub NS ns
    "),
    ("u.example", None, "
        {bob} SMIMEA 3 0 0 {der}
        {toward-b} CNAME {bob}.b.example.
        @ MX 10 mx.b.example.
        mx A 192.0.2.4
        _25._tcp.mx TLSA 3 1 1 {digest}
        to-mx CNAME mx.b.example.
    "),
    ("bogus.example", Some("nsec3"), "
        {bob} SMIMEA 3 0 0 {der}
    "),
    ("tampered.example", Some("nsec"), "
        {bob} SMIMEA 3 0 1 {digest}
        {carol} SMIMEA 3 0 1 {digest}
    "),
    ("stranger.test", None, "
        {bob} SMIMEA 3 0 0 {der}
    "),
];

/// A knotd and an unbound that validates, both ended with this.
pub(crate) struct World {
    served: Served,
    /// unbound, with the anchor of `example`.
    pub(crate) resolver: SocketAddr,
    /// Certificate of bob@b.example, DER.
    pub(crate) bob: Vec<u8>,
}

impl World {
    /// `None` where a peer is not installed.
    pub(crate) fn start() -> Option<Self> {
        if !zones::can_run() {
            return None;
        }
        let bob = rcgen_certificate();
        let words = [
            ("der", hex(&bob)),
            ("digest", hex(&[7; 32])),
            ("large", hex(&[7; 3000])),
        ];
        let zones = ZONES.iter().map(|(name, signed, records)| Zone {
            name,
            signed: *signed,
            vouched_for: match *name {
                "bogus.example" => "b.example",
                itself => itself,
            },
            records: (*records).to_owned(),
        });
        let served = Served::start(zones.collect(), &words);
        let world = Self {
            resolver: served.resolver(),
            served,
            bob,
        };
        world.tamper();
        Some(world)
    }

    /// The file with the key of `example` as a DNSKEY or DS record.
    pub(crate) fn anchor(&self, kind: &str) -> PathBuf {
        self.served.anchor(kind)
    }

    /// The digests of the key of `zone`.
    pub(crate) fn ds_of(&self, zone: &str) -> String {
        self.served.keymgr(&[zone, "ds"])
    }

    /// A port of 127.0.0.1 that nobody else takes.
    pub(crate) fn spare(&self, number: u16) -> SocketAddr {
        self.served.ports.address(4 + number)
    }

    /// Serves a signed zone with one digit of a record changed after it was signed.
    fn tamper(&self) {
        const NAME: &str = "tampered.example";
        let served = &self.served;
        let transfer = served.kdig(&[NAME, "AXFR", "+noall", "+answer"]);
        let mut zone: Vec<&str> = transfer.lines().collect();
        // A transfer ends as it begins.
        assert_eq!(zone.pop(), zone.first().copied());
        let bob = label("bob");
        let tampered: Vec<String> = zone
            .iter()
            .map(|line| match line.split_once("\tSMIMEA\t") {
                Some((name, data)) if name.starts_with(&bob) => {
                    format!("{name}\tSMIMEA\t{}", data.replacen("07", "08", 1))
                }
                _ => (*line).to_owned(),
            })
            .collect();
        assert_ne!(tampered, zone);
        fs::write(served.path(NAME), tampered.join("\n") + "\n").expect("a zone");
        served.write_knot_config(&[NAME]);
        for operation in [
            &["reload"][..],
            &["-f", "zone-purge", "+journal", NAME],
            &["zone-reload", NAME],
        ] {
            run(Command::new("/usr/sbin/knotc")
                .arg("-c")
                .arg(served.knot_config())
                .args(operation));
        }
        wait_for("the tampered zone", || {
            let name = format!("{bob}.{NAME}");
            let answer = served.kdig(&[&name, "SMIMEA", "+short"]).to_lowercase();
            answer.contains("08").then_some(())
        });
    }
}

fn rcgen_certificate() -> Vec<u8> {
    use rcgen::CertificateParams;
    use rcgen::KeyPair;
    use rcgen::SanType;
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    let address = "bob@b.example".try_into().expect("IA5");
    params.subject_alt_names = vec![SanType::Rfc822Name(address)];
    let key = KeyPair::generate().expect("a key");
    params
        .self_signed(&key)
        .expect("a certificate")
        .der()
        .to_vec()
}
