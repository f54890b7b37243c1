#!/bin/bash
# Makes the in.eml that have layers, and certificates that only vectors need, with the openssl command
# and the domsec binary (DOMSEC, else target/debug/domsec).
#
#   tests/vectors/make.sh          those that are not there
#   tests/vectors/make.sh NAME...  those named, anew: encryption is random, so they differ each time
set -euo pipefail
cd "$(dirname "$0")"

domsec=${DOMSEC:-../../target/debug/domsec}
certs=../../certs
text='the figures for September are 17 and 4.'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

crlf() { # every line end as SMTP has it
    sed 's/\r$//; s/$/\r/'
}

fields() { # [subject [from [to]]]
    printf '%s\r\n' "From: ${2:-Alice <alice@a.example>}" "To: ${3:-Bob <bob@b.example>}" \
        "Subject: ${1:-Figures}" "Date: Thu, 01 Oct 2026 09:00:00 +0000" \
        "Message-ID: <figures@a.example>"
}

entity() {
    printf '%s\r\n' "Content-Type: text/plain; charset=us-ascii" "" \
        "Bob," "" "$text" "" "Alice"
}

plain() { # [subject [from [to]]]
    fields "$@"
    printf 'MIME-Version: 1.0\r\n'
    entity
}

sign() { # name option...
    "$domsec" sign --key "$certs/$1.key" --cert "$certs/$1.pem" --chain "$certs/intermediate.pem" \
        "${@:2}" -
}

encrypt() { # name [option...]
    "$domsec" encrypt --to "$certs/$1.pem" "${@:2}" -
}

# What the gateway of a.example sends to Bob: sign = ["$1"], and what else the rule says.
gateway_a() { # type [line...]
    {
        printf '[[rule]]\nname = "all"\nwhen = "true"\nsign = ["%s"]\n' "$1"
        printf '%s\n' "${@:2}"
    } >"$work/policy.toml"
    {
        printf 'policy = "%s"\n' "$work/policy.toml"
        sed "s|\"\.\./\.\./|\"$PWD/$certs/|; s|\"recipients\"|\"$PWD/$certs/demo/a/recipients\"|" \
            "$certs/demo/a/domsec.toml"
    } >"$work/domsec.toml"
    "$domsec" process --config "$work/domsec.toml" --mail-from alice@a.example \
        --rcpt-to bob@b.example --auth alice - 2>"$work/said" || { cat "$work/said" >&2; return 1; }
}

partner() { # what arrives at b.example in most vectors: domain-signed, encrypted to its DCA
    plain | gateway_a domain 'encrypt = "required"'
}

spoil() { # the text under a signature
    sed 's/17 and 4/71 and 4/'
}

renamed() { # field value: of the outer header
    sed "1,/^\r*$/ s/^$1: .*/$1: $2\r/"
}

# A certificate that only a vector needs, with the key of dca-b.
certificate() { # output serial subject line...
    rm -rf "$work/ca"
    mkdir "$work/ca"
    : >"$work/ca/index.txt"
    echo "$2" >"$work/ca/serial"
    printf '%s\n' '[ca]' 'default_ca = this' '[this]' "database = $work/ca/index.txt" \
        "new_certs_dir = $work/ca" "serial = $work/ca/serial" 'default_md = sha256' \
        'policy = any' '[any]' 'commonName = supplied' 'domainComponent = optional' >"$work/ca/ca.cnf"
    printf '%s\n' 'keyUsage=critical,keyEncipherment' 'extendedKeyUsage=emailProtection' \
        "${@:4}" >"$work/ca/ext"
    openssl req -new -key "$certs/dca-b.key" -subj "$3" -out "$work/ca/csr"
    openssl ca -config "$work/ca/ca.cnf" -batch -notext -preserveDN -cert "$certs/root.pem" \
        -keyfile "$certs/root.key" -in "$work/ca/csr" -extfile "$work/ca/ext" \
        -startdate 20260101000000Z -enddate 20560101000000Z -out "$1" 2>/dev/null
}

certificates() { # those that are not there
    local former=/DC=example/DC=b/CN=domain-confidentiality-authority folder
    [ -e 39-encrypt-public-suffix/dca-co.uk.pem ] ||
        certificate 39-encrypt-public-suffix/dca-co.uk.pem 4A01 '/CN=DCA of all of co.uk' \
            'subjectAltName=URI:smtp://co.uk,DNS:co.uk'
    for folder in 45-* 46-*; do
        [ -e "$folder/dca-former.pem" ] || certificate "$folder/dca-former.pem" 4A02 "$former"
    done
}

message() { # name: writes its in.eml to standard output
    case $1 in
        01-*) plain | encrypt bob ;;
        07-*) partner ;;
        24-*) plain | sign alice ;;
        25-*) plain | sign alice --detached | spoil ;;
        26-*) plain | sign alice --detached | spoil | encrypt dca-a --cipher aes-256-gcm ;;
        27-* | 28-* | 29-* | 30-*) plain | sign alice | encrypt bob ;;
        60-* | 61-* | 62-* | 93-*) partner ;;
        63-*) plain | sign alice --detached ;;
        64-*) plain | sign domain-b --type domain ;;
        65-*) plain | sign alice --detached | spoil ;;
        66-* | 68-*) plain | encrypt dca-b ;;
        67-*) plain | encrypt dca-b --cipher aes-256-gcm ;;
        69-*) plain | sign alice | encrypt bob ;;
        # Octets of the tag, and of the block that ends in the padding.
        70-*) plain | encrypt dca-b --cipher aes-256-gcm | sed '$ s/^..../AAAA/' ;;
        98-*) plain | encrypt dca-b | sed '$ s/^..../AAAA/' ;;
        71-*) unsafe ;;
        72-*) plain | sign reviewer-a --type review ;;
        73-*) plain | sign alice ;;
        75-* | 77-*) plain | sign alice --detached ;;
        76-*) plain | sign alice | encrypt dca-b | sign alice ;;
        82-*) { printf 'Authentication-Results: gw.b.example; smime=pass (forged)\r\n'; plain; } |
            wrapped ;;
        89-*) printf 'From: mallory@evil.example\r\n'; plain | sign alice --detached ;;
        91-*) plain | gateway_a delegated 'form = "detached"' | renamed To "Carol <carol@b.example>" ;;
        92-*) plain | gateway_a delegated 'form = "detached"' | renamed Subject "Other figures" ;;
        95-*) plain Figures dave@a.example alice@a.example | sign domain-b --type domain ;;
        96-*) partner | renamed Subject "Lunch?" ;;
        97-*) { printf 'Subject: Figures\r\n'; entity; } | wrapped "Lunch?" ;;
        *) echo "$1 has nothing to make" >&2; return 1 ;;
    esac
}

# Octets that SMTP does not carry, signed by the openssl command as they are, and encrypted.
unsafe() {
    {
        printf 'Content-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: binary\r\n\r\n'
        printf 'Figures of September\r\nnul \0 and \r alone\r\n'
        head -c 3000 /dev/zero | tr '\0' x
        printf '\r\n'
    } >"$work/entity"
    openssl cms -sign -binary -nodetach -in "$work/entity" -signer "$certs/alice.pem" \
        -inkey "$certs/alice.key" -certfile "$certs/intermediate.pem" -md sha256 -out "$work/signed"
    grep -v '^MIME-Version' "$work/signed" | crlf >"$work/inner"
    openssl cms -encrypt -binary -aes-256-cbc -in "$work/inner" "$certs/dca-b.pem" >"$work/sealed"
    fields
    crlf <"$work/sealed"
}

# An entity with fields of a message, signed and encrypted as it is.
wrapped() { # [subject]
    cat >"$work/entity"
    openssl cms -sign -binary -nodetach -in "$work/entity" -signer "$certs/alice.pem" \
        -inkey "$certs/alice.key" -certfile "$certs/intermediate.pem" -md sha256 -out "$work/signed"
    grep -v '^MIME-Version' "$work/signed" | crlf >"$work/inner"
    openssl cms -encrypt -binary -aes-256-cbc -in "$work/inner" "$certs/dca-b.pem" >"$work/sealed"
    fields "$@"
    crlf <"$work/sealed"
}

make() { # name
    message "$1" >"$work/in.eml"
    mv "$work/in.eml" "$1/in.eml"
}

certificates
if [ $# -gt 0 ]; then
    for name in "$@"; do make "$name"; done
else
    for name in [0-9]*; do
        [ -e "$name/in.eml" ] || make "$name"
    done
fi
