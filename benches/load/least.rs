//! The least that a large message with its layers costs: nothing but its way through a socket and back, base64, a
//! digest and a cipher. No MIME, no CMS, no policy.
//!
//! E(S(S(C))), each layer in base64 within the next, makes 12 MB of 5, and 7 MB where those inside are binary. What comes
//! of it bounds what any program can do that writes these layers on this machine, whoever wrote it. One that also signs, and
//! holds in 64 MiB what 32 connections bring at once, has its [`Keeping::File`] as well.

use std::io;
use std::io::Read as _;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::UnixStream;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use aws_lc_rs::aead;
use aws_lc_rs::cipher;
use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;

/// Octets of a packet's data.
const PACKET: usize = 65_535;
/// Octets that become whole groups of base64 and whole blocks of the cipher at every layer.
const GROUP: usize = 27 * 16;
/// Octets that are worked on at a time.
const PIECE: usize = 114 * GROUP;
const KEY: [u8; 32] = [7; 32];

/// Which layers.
#[derive(Clone, Copy)]
pub(crate) struct Layers {
    /// Encrypted by AES-256 in GCM; else in CBC.
    pub(crate) is_gcm: bool,
    /// Those inside are not in base64.
    pub(crate) is_binary: bool,
}

/// Where a message is until all of it is there.
#[derive(Clone, Copy)]
pub(crate) enum Keeping {
    /// In memory that each connection has for itself, 40 MB for eight, from the first message to the last.
    Memory,
    /// In an unlinked file, written once and read once. RSA-2048 signs each message besides.
    File,
}

/// Messages a second with `octets` of body on `connections` at a time.
pub(crate) fn messages_a_second(
    octets: usize,
    (layers, keeping): (Layers, Keeping),
    connections: usize,
    time: Duration,
) -> f64 {
    let octets = octets - octets % GROUP;
    let stop = AtomicBool::new(false);
    let begun = super::load::now();
    let sent: u32 = thread::scope(|scope| {
        let mtas: Vec<_> = (0..connections)
            .map(|_| {
                let (mta, milter) = UnixStream::pair().expect("two sockets");
                scope.spawn(move || answers(milter, octets, layers, keeping).expect("an MTA"));
                scope.spawn(|| sends(mta, octets, &stop).expect("a milter"))
            })
            .collect();
        thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
        let sent = |mta: thread::ScopedJoinHandle<'_, u32>| mta.join().expect("no panic");
        mtas.into_iter().map(sent).sum()
    });
    f64::from(sent) / begun.elapsed().as_secs_f64()
}

/// An MTA: how many messages it had answered.
fn sends(mut milter: UnixStream, octets: usize, stop: &AtomicBool) -> io::Result<u32> {
    let (body, mut answer) = (vec![b'm'; octets], vec![0; PACKET]);
    let mut sent = 0;
    while !stop.load(Ordering::Relaxed) {
        for packet in body.chunks(PACKET) {
            milter.write_all(packet)?;
        }
        let mut length = [0; 8];
        milter.read_exact(&mut length)?;
        let mut left = usize::try_from(u64::from_be_bytes(length)).map_err(io::Error::other)?;
        while left > 0 {
            let room = left.min(PACKET);
            let packet = answer.get_mut(..room).unwrap_or_default();
            milter.read_exact(packet)?;
            left -= room;
        }
        sent += 1;
    }
    Ok(sent)
}

/// A milter, until the MTA is gone.
fn answers(mut mta: UnixStream, octets: usize, layers: Layers, keeping: Keeping) -> io::Result<()> {
    let (mut body, mut packet) = (vec![0; octets], Vec::with_capacity(PACKET));
    let encoded = |octets: usize| octets.div_ceil(3) * 4;
    let pieces = body.chunks(PIECE).map(|piece| match layers.is_binary {
        true => encoded(piece.len()),
        false => encoded(encoded(encoded(piece.len()))),
    });
    let length = u64::try_from(pieces.sum::<usize>()).map_err(io::Error::other)?;
    let signer = Signer::new();
    loop {
        let is_there = match keeping {
            Keeping::Memory => mta.read_exact(&mut body).is_ok(),
            Keeping::File => is_spooled(&mut mta, &mut body)?,
        };
        if !is_there {
            return Ok(());
        }
        if let Keeping::File = keeping {
            signer.sign();
        }
        mta.write_all(&length.to_be_bytes())?;
        let mut work = Work::new(layers);
        for piece in body.chunks(PIECE) {
            packet.extend(work.sealed(piece));
            let whole = packet.len() - packet.len() % PACKET;
            for packet in packet.chunks_exact(PACKET) {
                mta.write_all(packet)?;
            }
            packet.drain(..whole);
        }
        mta.write_all(&packet)?;
        packet.clear();
    }
}

/// Reads a body by way of a file; `false` where the MTA is gone.
fn is_spooled(mta: &mut UnixStream, body: &mut [u8]) -> io::Result<bool> {
    let file = tempfile::tempfile()?;
    let mut at = 0;
    for piece in body.chunks_mut(4 * PACKET) {
        if mta.read_exact(piece).is_err() {
            return Ok(false);
        }
        file.write_all_at(piece, at)?;
        at += u64::try_from(piece.len()).map_err(io::Error::other)?;
    }
    file.read_exact_at(body, 0)?;
    Ok(true)
}

struct Signer {
    key: KeyPair,
    random: SystemRandom,
}

impl Signer {
    fn new() -> Self {
        Self {
            key: KeyPair::generate(KeySize::Rsa2048).expect("a key"),
            random: SystemRandom::new(),
        }
    }

    fn sign(&self) {
        let mut signature = vec![0; self.key.public_modulus_len()];
        let signed = self
            .key
            .sign(&RSA_PKCS1_SHA256, &self.random, &KEY, &mut signature);
        signed.expect("a signature");
    }
}

/// What is done with one message.
struct Work {
    layers: Layers,
    digest: digest::Context,
    key: Key,
}

enum Key {
    Cbc(cipher::StreamingEncryptingKey),
    Gcm(aead::LessSafeKey),
}

impl Work {
    fn new(layers: Layers) -> Self {
        let key = if layers.is_gcm {
            let key = aead::UnboundKey::new(&aead::AES_256_GCM, &KEY).expect("a key");
            Key::Gcm(aead::LessSafeKey::new(key))
        } else {
            let key = cipher::UnboundCipherKey::new(&cipher::AES_256, &KEY).expect("a key");
            let key = cipher::StreamingEncryptingKey::cbc_pkcs7(key);
            Key::Cbc(key.expect("a cipher"))
        };
        Self {
            layers,
            digest: digest::Context::new(&digest::SHA256),
            key,
        }
    }

    /// Base64 of the ciphertext of the signed `piece`.
    fn sealed(&mut self, piece: &[u8]) -> Vec<u8> {
        let encoded = |octets: &[u8]| base64_simd::STANDARD.encode_type::<Vec<u8>>(octets);
        let mut clear = if self.layers.is_binary {
            self.digest.update(piece);
            piece.to_vec()
        } else {
            let signed = encoded(piece);
            self.digest.update(&signed);
            encoded(&signed)
        };
        match &mut self.key {
            Key::Cbc(key) => {
                // Room for a block that it has kept.
                let mut ciphertext = vec![0; clear.len() + 16];
                let update = key.update(&clear, &mut ciphertext);
                let written = update.expect("a ciphertext").written().len();
                ciphertext.truncate(written);
                encoded(&ciphertext)
            }
            Key::Gcm(key) => {
                let nonce = aead::Nonce::assume_unique_for_key([0; 12]);
                let tag = key.seal_in_place_separate_tag(nonce, aead::Aad::empty(), &mut clear);
                drop(tag.expect("a tag"));
                encoded(&clear)
            }
        }
    }
}
