//! MIME around what [`crate::cms`] makes.

/// A text part.
pub(crate) fn text(body: &str) -> Vec<u8> {
    let header =
        "Content-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n";
    format!("{header}\r\n{body}\r\n").into_bytes()
}

/// The content of most messages here.
pub(crate) fn letter() -> Vec<u8> {
    text("Bob,\r\n\r\npay 100 to Alice.")
}

/// A message from `from`, by what stands in its From field.
pub(crate) fn message(from: &str, entity: &[u8]) -> Vec<u8> {
    message_with(&format!("From: {from}\r\n"), entity)
}

/// A message from alice.
pub(crate) fn from_alice(entity: &[u8]) -> Vec<u8> {
    message("Alice <alice@a.example>", entity)
}

/// A message whose header begins with `fields`.
pub(crate) fn message_with(fields: &str, entity: &[u8]) -> Vec<u8> {
    raw_message(fields.as_bytes(), entity)
}

/// As [`message_with`], for fields that are no text.
pub(crate) fn raw_message(fields: &[u8], entity: &[u8]) -> Vec<u8> {
    let common = "To: Bob <bob@b.example>\r\nSubject: Figures\r\n\
                  Date: Mon, 01 Jun 2026 09:00:00 +0000\r\nMIME-Version: 1.0\r\n";
    [fields, common.as_bytes(), entity].concat()
}

/// application/pkcs7-mime around `der`.
pub(crate) fn opaque(der: &[u8]) -> Vec<u8> {
    pkcs7_mime("signed-data", der)
}

/// application/pkcs7-mime around `der`, by its smime-type.
pub(crate) fn pkcs7_mime(smime_type: &str, der: &[u8]) -> Vec<u8> {
    let header = format!(
        "Content-Type: application/pkcs7-mime; smime-type={smime_type}; name=smime.p7m\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n"
    );
    [header.into_bytes(), base64(der)].concat()
}

/// As [`pkcs7_mime`], without base64, so that many layers stay small.
pub(crate) fn binary(smime_type: &str, der: &[u8]) -> Vec<u8> {
    let header = format!(
        "Content-Type: application/pkcs7-mime; smime-type={smime_type}; name=smime.p7m\r\n\
         Content-Transfer-Encoding: binary\r\n\r\n"
    );
    [header.as_bytes(), der].concat()
}

/// multipart/signed of `content` and the signature `der`.
pub(crate) fn multipart_signed(content: &[u8], der: &[u8]) -> Vec<u8> {
    multipart(SIGNED, &[content.to_vec(), signature_part(der)])
}

/// The media type of multipart/signed, with its parameters but for the boundary.
pub(crate) const SIGNED: &str =
    "multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=sha-256";

/// The second part of multipart/signed.
pub(crate) fn signature_part(der: &[u8]) -> Vec<u8> {
    let header = "Content-Type: application/pkcs7-signature; name=smime.p7s\r\n\
                  Content-Transfer-Encoding: base64\r\n\r\n";
    [header.as_bytes(), &base64(der)].concat()
}

/// A multipart of that media type. Its boundary is no part of the boundary of another.
pub(crate) fn multipart(media_type: &str, parts: &[Vec<u8>]) -> Vec<u8> {
    let kind = media_type.split(';').next().unwrap().replace('/', "-");
    let length: usize = parts.iter().map(Vec::len).sum();
    let boundary = format!("{kind}={length}");
    let mut out =
        format!("Content-Type: {media_type}; boundary=\"{boundary}\"\r\n\r\n").into_bytes();
    for part in parts {
        out.extend(format!("--{boundary}\r\n").into_bytes());
        out.extend(part);
        out.extend(b"\r\n");
    }
    out.extend(format!("--{boundary}--\r\n").into_bytes());
    out
}

/// message/rfc822 around a whole message.
pub(crate) fn attached(message: &[u8]) -> Vec<u8> {
    [b"Content-Type: message/rfc822\r\n\r\n", message].concat()
}

/// Base64 in lines.
pub(crate) fn base64(octets: &[u8]) -> Vec<u8> {
    let text = base64_simd::STANDARD.encode_to_string(octets);
    let lines = text.as_bytes().chunks(76);
    lines.flat_map(|line| [line, b"\r\n"].concat()).collect()
}

/// `octets` with every `from` replaced by `to`, of which there must be one at least.
pub(crate) fn replaced(octets: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(octets.to_vec()).unwrap();
    assert!(
        text.contains(from),
        "the message has no {from:?} to replace"
    );
    text.replace(from, to).into_bytes()
}
