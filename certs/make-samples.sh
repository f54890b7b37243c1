#!/bin/bash
# Makes samples/*.eml with the openssl command: messages from alice@a.example to bob@b.example, each
# read again by openssl before it is put in place. All are written anew, since keys and vectors of
# encryption are random.
set -euo pipefail
cd "$(dirname "$0")"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

header() { # subject
    printf '%s\r\n' "From: Alice <alice@a.example>" "To: Bob <bob@b.example>" "Subject: $1" \
        "Date: Thu, 01 Oct 2026 09:00:00 +0000" "Message-ID: <$2@a.example>"
}

entity() {
    printf '%s\r\n' "Content-Type: text/plain; charset=us-ascii" "Content-Transfer-Encoding: 7bit" \
        "" "Bob," "" "the figures for September are signed by me and sealed for you." "" "Alice"
}

crlf() { # input output: openssl writes some lines with LF alone
    sed 's/\r$//; s/$/\r/' "$1" >"$2"
}

sign() { # entity output option...
    openssl cms -sign -in "$1" -out "$work/lf" -signer alice.pem -inkey alice.key \
        -certfile intermediate.pem -md sha256 "${@:3}"
    crlf "$work/lf" "$2"
}

encrypt() { # entity output
    openssl cms -encrypt -binary -aes-256-cbc -in "$1" -out "$work/lf" bob.pem
    crlf "$work/lf" "$2"
}

message() { # name subject entity
    { header "$2" "$1"; cat "$3"; } >"$work/$1.eml"
}

verify() { # message output
    openssl cms -verify -in "$1" -CAfile root.pem -out "$2" 2>/dev/null
}

decrypt() { # message output
    openssl cms -decrypt -in "$1" -recip bob.pem -inkey bob.key -out "$2"
}

inner() { # entity output: without the MIME-Version that belongs to a message alone
    grep -v '^MIME-Version:' "$1" >"$2"
}

entity >"$work/content"
sign "$work/content" "$work/detached"
sign "$work/content" "$work/opaque" -nodetach
encrypt "$work/content" "$work/sealed"
inner "$work/opaque" "$work/first"
encrypt "$work/first" "$work/second"
inner "$work/second" "$work/second.entity"
sign "$work/second.entity" "$work/third"

{ printf 'MIME-Version: 1.0\r\n'; cat "$work/content"; } >"$work/plain"
message unsigned "Figures" "$work/plain"
message signed-detached "Figures, signed" "$work/detached"
message signed-opaque "Figures, signed opaquely" "$work/opaque"
message encrypted "Figures, sealed" "$work/sealed"
message three-layers "Figures, signed, sealed and signed again" "$work/third"

verify "$work/signed-detached.eml" "$work/read"
cmp "$work/content" "$work/read"
verify "$work/signed-opaque.eml" "$work/read"
cmp "$work/content" "$work/read"
decrypt "$work/encrypted.eml" "$work/read"
cmp "$work/content" "$work/read"
verify "$work/three-layers.eml" "$work/read2"
decrypt "$work/read2" "$work/read1"
verify "$work/read1" "$work/read"
cmp "$work/content" "$work/read"

mkdir -p samples
mv "$work"/*.eml samples/
