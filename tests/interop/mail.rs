//! Messages as the scenarios need them, written and read with no code of `domsec`.

/// What every message says; each line is checked after every journey.
const TEXT: [&str; 3] = [
    "Bob,",
    "the figures of September: 1 + 1 = 2, and .. as ever",
    "Alice",
];

/// A MIME entity of a few lines of text, CRLF.
pub(crate) fn entity() -> Vec<u8> {
    let head =
        "Content-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\n";
    format!("{head}{}\r\n", TEXT.join("\r\n")).into_bytes()
}

/// The same as a message from `from`.
pub(crate) fn message(from: &str) -> Vec<u8> {
    let mut message = format!("{}MIME-Version: 1.0\r\n", fields(from)).into_bytes();
    message.extend(entity());
    message
}

/// The fields of a header that are no Content-* fields, and no MIME-Version.
pub(crate) fn fields(from: &str) -> String {
    format!(
        "From: <{from}>\r\nTo: <bob@b.example>\r\nSubject: figures\r\n\
         Date: Thu, 01 Oct 2026 09:00:00 +0000\r\nMessage-ID: <interop@a.example>\r\n"
    )
}

/// A message whose whole body is CMS.
pub(crate) fn pkcs7_mime(from: &str, smime_type: &str, der: &[u8]) -> Vec<u8> {
    format!(
        "{}MIME-Version: 1.0\r\nContent-Type: application/pkcs7-mime; smime-type={smime_type};\r\n \
         name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
        fields(from),
        base64(der)
    )
    .into_bytes()
}

/// A message whose entity is signed beside it.
pub(crate) fn multipart_signed(from: &str, entity: &[u8], micalg: &str, der: &[u8]) -> Vec<u8> {
    let mut message = format!(
        "{}MIME-Version: 1.0\r\nContent-Type: multipart/signed; micalg={micalg};\r\n \
         protocol=\"application/pkcs7-signature\"; boundary=\"=-=\"\r\n\r\n--=-=\r\n",
        fields(from)
    )
    .into_bytes();
    message.extend(entity);
    message.extend(
        format!(
            "\r\n--=-=\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{}\r\n--=-=--\r\n",
            base64(der)
        )
        .into_bytes(),
    );
    message
}

/// Every line end as CRLF: what a message is once SMTP has carried it.
pub(crate) fn crlf(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len());
    let mut last = 0;
    for &octet in octets {
        if octet == b'\n' && last != b'\r' {
            out.push(b'\r');
        }
        out.push(octet);
        last = octet;
    }
    out
}

/// `Err` with what is there where a line of [`entity`] is missing.
pub(crate) fn expect_text(octets: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(octets);
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    match TEXT.iter().find(|line| !lines.contains(*line)) {
        None => Ok(()),
        Some(line) => Err(format!("{line:?} is not in {text:?}")),
    }
}

/// The CMS that is the whole body of `message`, decoded.
pub(crate) fn der(message: &[u8]) -> Result<Vec<u8>, String> {
    let text = String::from_utf8_lossy(message);
    let (_, body) = text
        .split_once("\r\n\r\n")
        .ok_or("a message without a body")?;
    decoded(body)
}

/// The signed entity and the signature of a message that is multipart/signed.
pub(crate) fn signed_parts(message: &[u8]) -> Result<(Vec<u8>, Vec<u8>), String> {
    let text = String::from_utf8_lossy(message);
    let (header, body) = text
        .split_once("\r\n\r\n")
        .ok_or("a message without a body")?;
    let (_, after) = header.split_once("boundary=").ok_or("no boundary")?;
    let end = |c: char| c == ';' || c.is_whitespace();
    let boundary = after.split(end).next().unwrap_or("").trim_matches('"');
    let delimiter = format!("--{boundary}");
    let body = format!("\r\n{body}");
    let parts: Vec<&str> = body.split(&format!("\r\n{delimiter}")).collect();
    let [_, content, signature, _] = parts.as_slice() else {
        return Err(format!("{} parts in {text:?}", parts.len()));
    };
    let content = content.strip_prefix("\r\n").unwrap_or(content);
    let (_, encoded) = signature
        .split_once("\r\n\r\n")
        .ok_or("a part without a body")?;
    Ok((content.as_bytes().to_vec(), decoded(encoded)?))
}

fn base64(octets: &[u8]) -> String {
    let encoded = base64_simd::STANDARD.encode_to_string(octets);
    let lines: Vec<&str> = encoded
        .as_bytes()
        .chunks(64)
        .filter_map(|line| std::str::from_utf8(line).ok())
        .collect();
    lines.join("\r\n") + "\r\n"
}

fn decoded(text: &str) -> Result<Vec<u8>, String> {
    let bare: String = text.split_ascii_whitespace().collect();
    base64_simd::STANDARD
        .decode_to_vec(bare)
        .map_err(|error| format!("base64: {error}"))
}

mod rules {
    use super::*;

    #[test]
    fn what_is_put_into_a_message_comes_out_of_it() {
        let opaque = pkcs7_mime("alice@a.example", "signed-data", &[7; 100]);
        assert_eq!(der(&opaque), Ok(vec![7; 100]));
        let detached = multipart_signed("alice@a.example", &entity(), "sha-256", &[8; 100]);
        assert_eq!(signed_parts(&detached), Ok((entity(), vec![8; 100])));
    }

    #[test]
    fn text_that_is_not_whole_is_found() {
        assert_eq!(expect_text(&message("alice@a.example")), Ok(()));
        assert!(expect_text(b"Bob,\r\nAlice\r\n").is_err());
    }

    #[test]
    fn line_ends_become_crlf_once() {
        assert_eq!(crlf(b"a\nb\r\n\n"), b"a\r\nb\r\n\r\n");
    }
}
