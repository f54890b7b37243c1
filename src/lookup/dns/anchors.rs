//! Trust anchors: the keys at which DNSSEC validation begins (RFC 4033 §2, RFC 4035 §5).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use hickory_resolver::proto::dnssec::Algorithm;
use hickory_resolver::proto::dnssec::DigestType;
use hickory_resolver::proto::dnssec::PublicKey;
use hickory_resolver::proto::dnssec::PublicKeyBuf;
use hickory_resolver::proto::dnssec::TrustAnchors;
use hickory_resolver::proto::dnssec::rdata::DNSKEY;
use hickory_resolver::proto::dnssec::rdata::DS;
use hickory_resolver::proto::rr::Name;

use super::name;

/// Octets of one file: the root's is under one kilobyte.
const FILE_OCTETS: u64 = 1024 * 1024;

/// Why a file of trust anchors could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnchorsError {
    /// It holds no DNSKEY and no DS record.
    #[error("{} has no DNSKEY and no DS record", .0.display())]
    Empty(PathBuf),
    /// It could not be read.
    #[error("{} could not be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A record in it is malformed, or of another type.
    #[error("{}: {record:?} is no DNSKEY or DS record: {reason}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Its beginning.
        record: String,
        /// What is wrong.
        reason: String,
    },
}

/// The zones with an anchor, and their keys.
#[derive(Clone, Debug)]
pub struct Anchors {
    zones: BTreeMap<Name, Anchor>,
}

/// What is trusted for one zone.
#[derive(Clone, Debug, Default)]
pub(super) struct Anchor {
    keys: Vec<PublicKeyBuf>,
    digests: Vec<DS>,
}

impl Anchor {
    /// Whether `key` of `zone` is one of them.
    pub(super) fn trusts(&self, zone: &Name, key: &DNSKEY) -> bool {
        let same = |ours: &PublicKeyBuf| {
            ours.algorithm() == key.public_key().algorithm()
                && ours.public_bytes() == key.public_key().public_bytes()
        };
        let digested = |ds: &DS| {
            ds.algorithm() == key.public_key().algorithm()
                && key.calculate_key_tag().is_ok_and(|tag| tag == ds.key_tag())
                && ds.covers(zone, key).unwrap_or(false)
        };
        key.zone_key()
            && !key.revoke()
            && (self.keys.iter().any(same) || self.digests.iter().any(digested))
    }
}

impl Anchors {
    /// The keys of the root zone that hickory has compiled in (KSK-2017 and KSK-2024).
    #[must_use]
    pub fn root() -> Self {
        let built_in = TrustAnchors::default();
        let keys = (0..built_in.len()).filter_map(|index| built_in.get(index).cloned());
        let anchor = Anchor {
            keys: keys.collect(),
            digests: Vec::new(),
        };
        Self {
            zones: BTreeMap::from([(Name::root(), anchor)]),
        }
    }

    /// Those in `files`, and no others: DNSKEY and DS records as zone files have them (RFC 4034 §2.2, §5.3), of
    /// any zones, with or without TTL and class.
    ///
    /// Names that are in none of these zones are not validated, and so never secure. The keys do not follow a
    /// rollover by themselves (RFC 5011).
    pub fn of_files(files: &[PathBuf]) -> Result<Self, AnchorsError> {
        let mut anchors = Self {
            zones: BTreeMap::new(),
        };
        for path in files {
            let text = read(path)?;
            anchors.add(path, &text)?;
        }
        Ok(anchors)
    }

    /// The zone nearest above `name`, or at it, that has an anchor.
    pub(super) fn nearest(&self, name: &Name) -> Option<(&Name, &Anchor)> {
        self.zones
            .iter()
            .filter(|(zone, _)| zone.zone_of(name))
            .max_by_key(|(zone, _)| zone.num_labels())
    }

    fn add(&mut self, path: &Path, text: &str) -> Result<(), AnchorsError> {
        let mut found = false;
        for record in records(text) {
            let wrong = |reason: String| AnchorsError::Record {
                path: path.to_owned(),
                record: record.join(" ").chars().take(60).collect(),
                reason,
            };
            let (zone, trusted) = read_record(&record).map_err(wrong)?;
            let anchor = self.zones.entry(zone).or_default();
            match trusted {
                Trusted::Digest(ds) => anchor.digests.push(ds),
                Trusted::Key(key) => anchor.keys.push(key),
            }
            found = true;
        }
        if found {
            Ok(())
        } else {
            Err(AnchorsError::Empty(path.to_owned()))
        }
    }
}

fn read(path: &Path) -> Result<String, AnchorsError> {
    let failed = |source| AnchorsError::Read {
        path: path.to_owned(),
        source,
    };
    let length = fs::metadata(path).map_err(failed)?.len();
    if length > FILE_OCTETS {
        let why = format!("{length} octets, where {FILE_OCTETS} are allowed");
        return Err(failed(io::Error::other(why)));
    }
    fs::read_to_string(path).map_err(failed)
}

/// The words of each record: lines without comments, joined where brackets are open (RFC 1035 §5.1).
fn records(text: &str) -> Vec<Vec<String>> {
    let mut records = Vec::new();
    let (mut words, mut open): (Vec<String>, usize) = (Vec::new(), 0);
    for line in text.lines() {
        let line = line.split(';').next().unwrap_or_default();
        for word in line
            .replace('(', " ( ")
            .replace(')', " ) ")
            .split_ascii_whitespace()
        {
            match word {
                "(" => open += 1,
                ")" => open = open.saturating_sub(1),
                _ => words.push(word.to_owned()),
            }
        }
        if open == 0 && !words.is_empty() {
            records.push(std::mem::take(&mut words));
        }
    }
    if !words.is_empty() {
        records.push(words);
    }
    records
}

enum Trusted {
    Digest(DS),
    Key(PublicKeyBuf),
}

fn read_record(words: &[String]) -> Result<(Name, Trusted), String> {
    let missing = || "it ends too early".to_owned();
    let mut words = words.iter().map(String::as_str);
    let zone = words.next().ok_or_else(missing)?;
    let zone = name::parse(zone.strip_suffix('.').unwrap_or(zone))?;
    let is_ttl_or_class =
        |word: &&str| word.eq_ignore_ascii_case("IN") || word.bytes().all(|b| b.is_ascii_digit());
    let kind = words
        .find(|word| !is_ttl_or_class(word))
        .ok_or_else(missing)?;
    let mut number = || {
        let word = words.next().ok_or_else(missing)?;
        let wrong = |_| format!("{word:?} is no number that can stand there");
        word.parse::<u16>().map_err(wrong)
    };
    let [first, second, third] = [number()?, number()?, number()?];
    let octet = |number: u16| u8::try_from(number).map_err(|_| format!("{number} is over 255"));
    let rest: String = words.collect();
    if kind.eq_ignore_ascii_case("DNSKEY") {
        let algorithm = supported(Algorithm::from_u8(octet(third)?))?;
        let key = base64_simd::STANDARD.decode_to_vec(&rest);
        let key = key.map_err(|error| format!("the key is not base64: {error}"))?;
        Ok((zone, Trusted::Key(PublicKeyBuf::new(key, algorithm))))
    } else if kind.eq_ignore_ascii_case("DS") {
        let algorithm = supported(Algorithm::from_u8(octet(second)?))?;
        let digest_type = DigestType::from(octet(third)?);
        if !digest_type.is_supported() {
            return Err(format!("digest type {third} is not supported"));
        }
        let digest = from_hex(&rest).ok_or_else(|| "the digest is not hexadecimal".to_owned())?;
        let ds = DS::new(first, algorithm, digest_type, digest);
        Ok((zone, Trusted::Digest(ds)))
    } else {
        Err(format!("its type is {kind:?}"))
    }
}

fn supported(algorithm: Algorithm) -> Result<Algorithm, String> {
    if algorithm.is_supported() {
        Ok(algorithm)
    } else {
        let number = u8::from(algorithm);
        Err(format!("algorithm {number} is not supported"))
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect::<Option<Vec<u8>>>()
        .filter(|octets| octets.len() * 2 == text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(text: &str) -> Result<Anchors, AnchorsError> {
        let mut anchors = Anchors {
            zones: BTreeMap::new(),
        };
        anchors.add(Path::new("anchors"), text)?;
        Ok(anchors)
    }

    const DS: &str = "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D";

    #[test]
    fn the_nearest_anchor_above_a_name_counts() {
        let text = format!(
            "; the root, as IANA publishes it\n. 86400 IN DS 20326 8 2 (\n {DS} ; KSK-2017\n )\n\
             b.Example. DS 1 13 2 {DS}\n"
        );
        let anchors = add(&text).unwrap();
        let nearest = |name: &str| {
            let name = name::parse(name).unwrap();
            anchors.nearest(&name).map(|(zone, _)| zone.to_ascii())
        };
        assert_eq!(nearest("x.b.example").unwrap().to_lowercase(), "b.example.");
        assert_eq!(nearest("b.example").unwrap().to_lowercase(), "b.example.");
        assert_eq!(nearest("xb.example").unwrap(), ".");
        let island = add(&format!("b.example. DS 1 13 2 {DS}")).unwrap();
        assert!(island.nearest(&name::parse("c.example").unwrap()).is_none());
    }

    #[test]
    fn what_is_no_anchor_is_an_error_that_quotes_it() {
        for (text, reason) in [
            ("b.example. A 192.0.2.1", "is no number"),
            ("b.example. TXT 1 2 3 x", "\"TXT\""),
            ("b.example. DS 1 13 2", "not hexadecimal"),
            ("b.example. DS 1 13 9 00", "digest type 9"),
            ("b.example. DS 1 3 2 00", "algorithm 3"),
            ("b.example. DNSKEY 257 3 13 ***", "base64"),
            ("b.example. DS 1", "ends too early"),
        ] {
            let error = add(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert!(matches!(add("; nothing\n"), Err(AnchorsError::Empty(_))));
    }

    #[test]
    fn the_root_is_built_in() {
        let root = Anchors::root();
        let (zone, anchor) = root.nearest(&name::parse("example").unwrap()).unwrap();
        assert!(zone.is_root());
        assert_eq!(anchor.keys.len(), 2);
    }
}
