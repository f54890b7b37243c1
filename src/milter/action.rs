//! What we answer: packets of answers and of changes to the message.

use super::packet::write;
use crate::reply::Reply;

/// The most octets of a body in one packet: Postfix and Sendmail take no more.
pub const BODY_CHUNK: usize = 65_535;

/// The answer to the MTA's offer.
pub(super) fn negotiated(output: &mut Vec<u8>, numbers: [u32; 3], macros: &[u8]) {
    let octets = numbers.map(u32::to_be_bytes);
    write(output, b'O', &[octets.as_flattened(), macros]);
}

/// Go on; at the end of a message: it is accepted, with the changes that were sent before.
pub fn go_on(output: &mut Vec<u8>) {
    write(output, b'c', &[]);
}

/// The work goes on: the MTA starts its time-out anew.
pub fn progress(output: &mut Vec<u8>) {
    write(output, b'p', &[]);
}

/// The command, or the message, is answered with this reply.
pub fn reply(output: &mut Vec<u8>, reply: &Reply) {
    // Both MTAs read the text as a format in which a percent sign stands for itself when doubled.
    let text = reply.to_string().replace('%', "%%");
    write(output, b'y', &[text.as_bytes(), b"\0"]);
}

/// The rest of the body is not needed before the end of the message.
pub fn skip(output: &mut Vec<u8>) {
    write(output, b's', &[]);
}

/// Adds a field at the end of the header.
pub fn add_header(output: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    write(output, b'h', &[name, b"\0", value, b"\0"]);
}

/// Inserts a field above all others, the MTA's own Received field among them. MTAs count places in different ways, but for
/// this one.
pub fn insert_first(output: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    let place = 0_u32.to_be_bytes();
    write(output, b'i', &[&place, name, b"\0", value, b"\0"]);
}

/// Changes the field that is the `index`th of its name, counted from 1; an empty value removes it.
pub fn change_header(output: &mut Vec<u8>, index: u32, name: &[u8], value: &[u8]) {
    let index = index.to_be_bytes();
    write(output, b'm', &[&index, name, b"\0", value, b"\0"]);
}

/// A piece of the new body, of at most [`BODY_CHUNK`] octets; the first replaces the old one.
pub fn replace_body(output: &mut Vec<u8>, chunk: &[u8]) {
    write(output, b'b', &[chunk]);
}

/// Removes a recipient, who is named as the MTA named him.
pub fn delete_recipient(output: &mut Vec<u8>, recipient: &[u8]) {
    write(output, b'-', &[recipient, b"\0"]);
}

/// Replaces the envelope sender and its ESMTP parameters.
pub fn change_from(output: &mut Vec<u8>, sender: &[u8], parameters: &[u8]) {
    write(output, b'e', &[sender, b"\0", parameters, b"\0"]);
}
