"""Puts a MAC of RFC 9579 (PBMAC1, HMAC-SHA-256) in the place of a PKCS#12 file's own."""

import hashlib
import hmac
import sys


def tlv(tag, *parts):
    content = b"".join(parts)
    length = len(content)
    if length < 128:
        return bytes([tag, length]) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def element(der):
    length, at = der[1], 2
    if length > 127:
        at += length - 128
        length = int.from_bytes(der[2:at], "big")
    return der[at : at + length], der[: at + length], der[at + length :]


def oid(hexadecimal):
    return tlv(6, bytes.fromhex(hexadecimal))


pfx, _, _ = element(open(sys.argv[1], "rb").read())
_, version, rest = element(pfx)
info, auth_safe, _ = element(rest)
_, _, rest = element(info)
explicit, _, _ = element(rest)
content, _, _ = element(explicit)

salt, iterations, null = b"domsec salt", 2048, tlv(5)
key = hashlib.pbkdf2_hmac("sha256", b"wonderland", salt, iterations, 32)
hmac_sha256 = tlv(0x30, oid("2a864886f70d0209"), null)
derivation = tlv(
    0x30,
    oid("2a864886f70d01050c"),
    tlv(0x30, tlv(4, salt), tlv(2, iterations.to_bytes(2, "big")), tlv(2, b"\x20"), hmac_sha256),
)
algorithm = tlv(0x30, oid("2a864886f70d01050e"), tlv(0x30, derivation, hmac_sha256))
digest = hmac.new(key, content, "sha256").digest()
mac_data = tlv(0x30, tlv(0x30, algorithm, tlv(4, digest)), tlv(4, b"unused"), tlv(2, b"\x01"))
open(sys.argv[2], "wb").write(tlv(0x30, version, auth_safe, mac_data))
