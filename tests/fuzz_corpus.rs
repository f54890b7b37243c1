//! The fuzz targets as plain tests: over every seed, and over mutations of it that never change.
//!
//! Seeds are the samples, and all mail and CMS of the corpora where they are at hand.

#![expect(
    clippy::expect_used,
    reason = "the seeds are ours; a panic of a target is what is looked for"
)]

#[path = "fuzz/bodies.rs"]
mod bodies;
mod corpora_dir;
#[path = "fuzz/seeds.rs"]
mod seeds;

use std::collections::BTreeSet;
use std::fs;
use std::panic;
use std::path::Path;
use std::path::PathBuf;

use domsec::cms::content_info::Cms;
use domsec::cms::content_info::ContentInfo;
use domsec::cms::write_enveloped::Envelope;
use domsec::cms::write_recipient::KeyEncryption;
use domsec::cms::write_recipient::Recipient;
use domsec::config::Config;
use domsec::crypto::ContentEncryption;
use domsec::crypto::SystemRandomness;
use domsec::crypto::provider;
use domsec::limits::Limits;
use domsec::lookup::blob::certificates;
use domsec::milter::packet::write;
use domsec::mime::Walk;
use domsec::octets::Memory;
use domsec::octets::View;
use domsec::policy::Policy;

/// Longer seeds teach nothing that shorter ones do not.
const LONGEST_SEED: usize = 64 * 1024;

/// What conditions are made of, beside those of `policy/`.
const CONDITIONS: &[&str] = &[
    "message.headers['x'].exists(v, v.lowerAscii().matches('^[a-z]+$')) || from.count > 1 + 2 * 3",
    "message.attachments.filter(a, a.size() % 2 == 0).all(a, a in ['b', r'\\', \"c\"]) ? true : -1 < 2",
    "!session.tls && session.login.startsWith('a') && recipient.domain in ['b.example', '']",
];

/// Shapes that values of a configuration can have.
const CONFIGURATIONS: &[&str] = &[
    "domains = ['a.example', \"b\\u002eexample\"]\nauthserv_id = 'gw'\nlisten.milter = [\"[::1]:1\", \
     { socket = 'unix:a', direction = 'inbound', mode = '0600' }]\nlimits = { wait = 1, work = 2 }\n",
    "\"domains\" = []\nauthserv_id = \"\"\"\ngw\"\"\"\n[trust]\nnetworks = [\n'10.0.0.0/8', # a comment\n\
     '::/0',\n'192.0.2.1']\nrevocation = 'require'\n[[key]]\nrole = 'dca'\np12 = 'x'\n\
     [spool]\noctets = 1_000\nmemory_octets = 0x10\n[log]\nformat = 'json'\n",
];

/// What servers say in a session, from the greeting on.
const DIALOGUES: &[&str] = &[
    "220 mx ESMTP\r\n250-mx\r\n250-SIZE 1000\r\n250-PIPELINING\r\n250 DSN\r\n250 2.1.0 ok\r\n\
     250 ok\r\n251 ok\r\n354 go\r\n250 2.0.0 queued\r\n221 bye\r\n",
    "220 mx\r\n250-mx\r\n250 STARTTLS\r\n220 go\r\n250 mx\r\n250 ok\r\n250 ok\r\n250 ok\r\n\
     354 go\r\n250\r\n",
    "220-mx\r\n220 ready\r\n502 what\r\n250 mx\r\n250 ok\r\n550-5.1.1 no\r\n550 such user\r\n\
     450 later\r\n",
    "220 mx\r\n250-mx\r\n250 STARTTLS\r\n220 go\r\n250-mx\r\n250-CERS\r\n250-CERT\r\n250 GETK\r\n\
     502 what\r\n501 brackets\r\n250-----BEGIN CERTIFICATE-----\r\n250 OK\r\n550 none\r\n221 bye\r\n",
];

/// Headers of a message before and after an edit.
const HEADERS: &[&str] = &[
    "Received: x\nSubject: one\nTo: b\n\0Results: ours\nReceived: x\nSubject: two\nTo: b\n",
    "A: 1\nB: 2\nA: 3\na: 4\nC:\n\0B: 2\nA: 3\nC:\nD: \nA: 5\n",
    "From: a\nContent-Type: text/plain\n\0MIME-Version: 1.0\nFrom: a\nContent-Type: application/x\n",
];

/// What MTAs say by the milter protocol: a letter each, and strings that end at bars.
const CONVERSATIONS: &[&[&str]] = &[
    &[
        "Cmx|4xx192.0.2.1|",
        "Hmx|",
        "DM{auth_authen}|a|i|4Q|",
        "M<a@a.example>|SIZE=9|",
        "R<b@b.example>|NOTIFY=NEVER|",
        "LSubject| one\n two|",
        "LTo| b|",
        "N",
        "Bbody\r\n",
        "E",
        "Q",
    ],
    &[
        "Cmx|6xxIPv6:2001:db8::1|",
        "DH{tls_version}|TLSv1.3|{verify}|OK|",
        "Hmx|",
        "M<>|",
        "Rb|",
        "A",
        "M<a>|",
        "R<\"b c\"@b.example>|",
        "T",
        "N",
        "Eend",
        "K",
        "CU|U",
        "M<>|",
        "N",
        "E",
    ],
];

/// Mutations of each seed.
const MUTATIONS: u64 = 400;

/// Folders of the corpora that hold vectors of primitives, in JSON, and no mail.
const NO_SEEDS: &[&str] = &["wycheproof", "x509-limbo"];

/// The seeds of all targets.
#[derive(Default)]
struct Seeds {
    entities: BTreeSet<Vec<u8>>,
    cms: BTreeSet<Vec<u8>>,
    /// Mail with CMS in it.
    smime: BTreeSet<Vec<u8>>,
    attributes: BTreeSet<Vec<u8>>,
    /// Certificates as servers send them, beside those of `cms`.
    blobs: BTreeSet<Vec<u8>>,
    addresses: BTreeSet<Vec<u8>>,
    dialogues: BTreeSet<Vec<u8>>,
    conversations: BTreeSet<Vec<u8>>,
    headers: BTreeSet<Vec<u8>>,
    /// Policy files, and conditions.
    policies: BTreeSet<Vec<u8>>,
    configurations: BTreeSet<Vec<u8>>,
    /// What servers send that are asked for certificates.
    dns_answers: BTreeSet<Vec<u8>>,
    http_answers: BTreeSet<Vec<u8>>,
    ldap_messages: BTreeSet<Vec<u8>>,
    /// Filters and URLs.
    ldap_texts: BTreeSet<Vec<u8>>,
}

impl Seeds {
    fn gather() -> Self {
        let mut seeds = Self::default();
        let ours = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (samples, vectors) = (ours.join("certs/samples"), ours.join("tests/rfc9788"));
        let folders = [Some(samples), Some(vectors), corpora_dir::corpora()];
        seeds.add_policies();
        seeds.add_configurations();
        seeds.add_blobs(&ours.join("certs"));
        let first = seeds.blobs.iter().find(|blob| blob.first() == Some(&0x30));
        let der = first.cloned().expect("a certificate");
        seeds.dns_answers.extend(seeds::dns_answers(&der));
        seeds.http_answers.extend(seeds::http_answers(&der));
        seeds.ldap_messages.extend(seeds::ldap_messages(&der));
        let texts = seeds::LDAP_TEXTS
            .iter()
            .map(|text| text.as_bytes().to_vec());
        seeds.ldap_texts.extend(texts);
        seeds.dialogues = DIALOGUES
            .iter()
            .map(|text| text.as_bytes().to_vec())
            .collect();
        seeds.headers = HEADERS
            .iter()
            .map(|text| text.as_bytes().to_vec())
            .collect();
        for conversation in CONVERSATIONS {
            seeds.conversations.extend(conversations(conversation));
        }
        for file in folders
            .into_iter()
            .flatten()
            .flat_map(|folder| files(&folder))
        {
            let octets = fs::read(&file).expect("a readable seed");
            if octets.len() <= LONGEST_SEED {
                seeds.add(octets);
            }
        }
        seeds
    }

    /// Takes a file for what it may be: DER, or a message and the CMS in its parts.
    fn add(&mut self, octets: Vec<u8>) {
        if octets.first() == Some(&0x30) {
            self.add_cms(octets);
            return;
        }
        let limits = Limits::default();
        let view = View::owned(octets.clone());
        let mut holds_cms = false;
        for visit in Walk::new(&view, &limits).map_while(Result::ok) {
            for name in ["From", "Sender", "To", "Cc", "Reply-To"] {
                let fields = visit.entity.header.all(name);
                self.addresses
                    .extend(fields.map(|field| field.body().to_vec()));
            }
            let body = visit.entity.decoded(&Memory).ok();
            let body = body.and_then(|body| body.to_vec(LONGEST_SEED).ok().flatten());
            if let Some(der) = body.filter(|body| body.first() == Some(&0x30)) {
                self.add_cms(der);
                holds_cms = true;
            }
        }
        if holds_cms {
            self.smime.insert(octets.clone());
        }
        self.entities.insert(octets);
    }

    fn add_policies(&mut self) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policy");
        for file in files(&folder) {
            let text = fs::read_to_string(&file).expect("a readable policy");
            if let Ok(policy) = Policy::parse(&text, "seed") {
                let conditions = policy.rules().iter().map(|rule| rule.when.text().into());
                self.policies.extend(conditions);
            }
            self.policies.insert(text.into_bytes());
        }
        let conditions = CONDITIONS.iter().map(|text| text.as_bytes().to_vec());
        self.policies.extend(conditions);
    }

    /// Certificates as PEM, as DER and as base64.
    fn add_blobs(&mut self, folder: &Path) {
        let is_certificate = |name: &str| ["alice.pem", "bob.pem", "root.pem"].contains(&name);
        let named = |file: &PathBuf| file.file_name()?.to_str().map(is_certificate);
        for file in files(folder) {
            if named(&file) != Some(true) {
                continue;
            }
            let text = fs::read(&file).expect("a readable certificate");
            let found = certificates(&text, &Limits::default()).expect("a certificate");
            for certificate in found {
                let der = certificate.der();
                let base64 = base64_simd::STANDARD.encode_to_string(der);
                self.blobs.extend([der.to_vec(), base64.into_bytes()]);
            }
            self.blobs.insert(text);
        }
    }

    /// Those that there are, and the documented default with every key switched on.
    fn add_configurations(&mut self) {
        let ours = Path::new(env!("CARGO_MANIFEST_DIR"));
        for folder in ["certs/demo", "src/cli/quickstart/templates"] {
            for file in files(&ours.join(folder)) {
                if file.extension().is_some_and(|ending| ending == "toml") {
                    let octets = fs::read(&file).expect("a readable configuration");
                    self.configurations.insert(octets);
                }
            }
        }
        let is_key = |rest: &str| rest.starts_with(|c: char| c == '[' || c.is_ascii_lowercase());
        let lines = Config::DOCUMENTED.lines().map(|line| {
            let rest = line.strip_prefix('#').filter(|rest| is_key(rest));
            format!("{}\n", rest.unwrap_or(line))
        });
        self.configurations.insert(lines.collect::<String>().into());
        let shapes = CONFIGURATIONS.iter().map(|text| text.as_bytes().to_vec());
        self.configurations.extend(shapes);
    }

    fn add_cms(&mut self, octets: Vec<u8>) {
        let view = View::owned(octets.clone());
        let info = ContentInfo::read(&view, &Limits::default());
        if let Ok(Cms::Signed(data)) = info.map(|info| info.cms) {
            for signer in data.signers {
                let lists = [signer.signed_attributes, signer.unsigned_attributes];
                for list in lists.iter().flatten() {
                    let raw: Vec<&[u8]> = list.iter().map(|attribute| attribute.raw()).collect();
                    self.attributes.insert(raw.concat());
                    self.attributes.extend(raw.iter().map(|one| one.to_vec()));
                }
            }
        }
        self.cms.insert(octets);
    }

    fn of(&self, target: &str) -> Vec<&Vec<u8>> {
        match target {
            "addresses" => self.addresses.iter().collect(),
            "attributes" => self.attributes.iter().collect(),
            "ber" => self.cms.iter().collect(),
            "blob" => self.blobs.iter().chain(&self.cms).collect(),
            "configuration" => self.configurations.iter().collect(),
            "dns_answer" => self.dns_answers.iter().collect(),
            "http_answer" => self.http_answers.iter().collect(),
            "ldap_filter" => self.ldap_texts.iter().collect(),
            "ldap_message" => self.ldap_messages.iter().collect(),
            "entity" | "protected" => self.entities.iter().collect(),
            "milter_edits" => self.headers.iter().collect(),
            "milter_session" | "milter_wire" => self.conversations.iter().collect(),
            "policy" => self.policies.iter().collect(),
            "smtp_reply" => self.dialogues.iter().collect(),
            _ => self.cms.iter().chain(&self.smime).collect(),
        }
    }
}

/// The octets of a conversation: with an answer due to everything, and with none.
fn conversations(lines: &[&str]) -> [Vec<u8>; 2] {
    [0, 0x1f_ffff].map(|protocol: u32| {
        let mut octets = Vec::new();
        let offer = [6, 0x1ff, protocol].map(u32::to_be_bytes);
        write(&mut octets, b'O', &[offer.as_flattened()]);
        for line in lines {
            let (command, data) = line.as_bytes().split_first().expect("a letter");
            let data: Vec<u8> = data
                .iter()
                .map(|octet| if *octet == b'|' { 0 } else { *octet })
                .collect();
            write(&mut octets, *command, &[&data]);
        }
        octets
    })
}

/// Every file below `folder`, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            let named = |name: &&str| path.file_name().is_some_and(|file| file == *name);
            if !path.is_dir() {
                files.push(path);
            } else if !NO_SEEDS.iter().any(named) {
                folders.push(path);
            }
        }
    }
    files.sort();
    files
}

/// The `number`th mutation of `seed`: the same in every run.
fn mutation(seed: &[u8], number: u64) -> Vec<u8> {
    let mut state = number
        .wrapping_add(1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(u64::try_from(seed.len()).unwrap_or(0));
    let mut below = |bound: usize| {
        // xorshift64; the quality of these numbers does not matter.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let bound = u64::try_from(bound.max(1)).unwrap_or(1);
        usize::try_from(state % bound).unwrap_or(0)
    };
    let mut octets = seed.to_vec();
    for _ in 0..=below(4) {
        let at = below(octets.len());
        let end = (at + 1 + below(32)).min(octets.len());
        match below(7) {
            0 => octets.truncate(at),
            1 => drop(octets.drain(at..end)),
            2 => {
                let copy = octets.get(at..end).unwrap_or_default().to_vec();
                let to = below(octets.len() + 1);
                drop(octets.splice(to..to, copy));
            }
            3 => {
                // What lengths, tags and line ends are made of.
                let odd = [
                    0x00, 0x01, 0x0a, 0x0d, 0x22, 0x2d, 0x30, 0x7f, 0x80, 0x84, 0xa0, 0xff,
                ];
                if let (Some(octet), Some(odd)) = (octets.get_mut(at), odd.get(below(odd.len()))) {
                    *octet = *odd;
                }
            }
            4 => octets.extend(seed.iter().take(end)),
            _ => {
                if let Some(octet) = octets.get_mut(at) {
                    *octet ^= 1 << below(8);
                }
            }
        }
    }
    octets
}

/// Runs `target` over its seeds and their mutations; names what it does not bear.
fn hold(target: &str) {
    let seeds = Seeds::gather();
    let seeds = seeds.of(target);
    assert!(!seeds.is_empty(), "no seed for {target}");
    for seed in seeds {
        let mutations = (0..MUTATIONS).map(|number| mutation(seed, number));
        for octets in std::iter::once(seed.clone()).chain(mutations) {
            let done = panic::catch_unwind(|| bodies::run(target, &octets));
            if done.is_err() {
                let name = format!("fuzz-{target}-{}", octets.len());
                let kept = std::env::temp_dir().join(name);
                fs::write(&kept, &octets).expect("a writable folder for findings");
                panic!("{target} does not bear {}", kept.display());
            }
        }
    }
}

#[test]
fn addresses_hold() {
    hold("addresses");
}

#[test]
fn attributes_hold() {
    hold("attributes");
}

#[test]
fn ber_holds() {
    hold("ber");
}

#[test]
fn blob_holds() {
    hold("blob");
}

#[test]
fn configuration_holds() {
    hold("configuration");
}

#[test]
fn dns_answer_holds() {
    hold("dns_answer");
}

#[test]
fn entity_holds() {
    hold("entity");
}

#[test]
fn enveloped_data_holds() {
    hold("enveloped_data");
}

#[test]
fn http_answer_holds() {
    hold("http_answer");
}

#[test]
fn ldap_filter_holds() {
    hold("ldap_filter");
}

#[test]
fn ldap_message_holds() {
    hold("ldap_message");
}

#[test]
fn milter_edits_hold() {
    hold("milter_edits");
}

#[test]
fn milter_session_holds() {
    hold("milter_session");
}

#[test]
fn milter_wire_holds() {
    hold("milter_wire");
}

#[test]
fn policy_holds() {
    hold("policy");
}

#[test]
fn protected_holds() {
    hold("protected");
}

#[test]
fn signed_data_holds() {
    hold("signed_data");
}

#[test]
fn smtp_reply_holds() {
    hold("smtp_reply");
}

#[test]
fn every_target_has_a_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/fuzz_targets");
    let files: BTreeSet<String> = files(&folder)
        .iter()
        .filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned()))
        .collect();
    let targets: BTreeSet<String> = bodies::TARGETS
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    assert_eq!(files, targets);
}

/// For `tests/fuzz/run`: one folder a target below `DOMSEC_SEEDS`.
#[test]
#[ignore = "writes files; tests/fuzz/run asks for it"]
fn seeds_are_written_for_the_fuzzer() {
    let folder = std::env::var_os("DOMSEC_SEEDS").expect("DOMSEC_SEEDS names a folder");
    let seeds = Seeds::gather();
    for (target, _) in bodies::TARGETS {
        let folder = Path::new(&folder).join(target);
        fs::create_dir_all(&folder).expect("a writable folder");
        for (number, seed) in seeds.of(target).into_iter().enumerate() {
            fs::write(folder.join(format!("seed-{number:05}")), seed).expect("a writable folder");
        }
    }
    for (number, seed) in envelopes().into_iter().enumerate() {
        let name = format!("enveloped_data/envelope-{number:05}");
        fs::write(Path::new(&folder).join(name), seed).expect("a writable folder");
    }
}

/// Mail to each of the people whose keys the targets have, in every cipher: other than those of the
/// corpora, these open. Not among the seeds of the tests, since they differ in each run.
fn envelopes() -> Vec<Vec<u8>> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("certs/samples");
    let content = fs::read(samples.join("signed-opaque.eml")).expect("the sample");
    let content = View::owned(content);
    let mut envelopes = Vec::new();
    for cipher in ContentEncryption::ALL
        .iter()
        .filter(|cipher| !cipher.is_weak())
    {
        for person in bodies::ring::people() {
            let certificate = &person.certificate;
            let recipient = Recipient {
                issuer: certificate.issuer().to_vec(),
                serial: certificate.serial().to_vec(),
                spki: certificate.spki().to_vec(),
                key_encryption: KeyEncryption::for_key(certificate.spki(), *cipher)
                    .expect("a key to encrypt to"),
            };
            let mut envelope = Vec::new();
            Envelope::new(*cipher, vec![recipient])
                .write(&content, provider(), &SystemRandomness, &mut envelope)
                .expect("an envelope");
            envelopes.push(envelope);
        }
    }
    envelopes
}
