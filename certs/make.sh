#!/bin/bash
# Makes the throw-away PKI of the samples and tests beside itself, with the openssl command (3.0).
#
# A key that is there is kept; every certificate and CRL is issued again, and comes out the same,
# because names, serial numbers and dates are fixed and the CAs sign with RSA PKCS#1 v1.5. Two things
# differ from run to run and so are kept too: erin's certificate and the PKCS#12 files.
set -euo pipefail
cd "$(dirname "$0")"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

from=20260101000000Z # when the certificates of people begin
ca_from=20200101000000Z # the CAs are older, so that an expired certificate once was valid
until=20560101000000Z

config() { # CA
    local db=$work/$1
    mkdir -p "$db"
    touch "$db/index.txt"
    cat >"$db/ca.cnf" <<CNF
[ca]
default_ca = this
[this]
database = $db/index.txt
new_certs_dir = $db
serial = $db/serial
crlnumber = $db/crlnumber
default_md = sha256
policy = any
unique_subject = no
email_in_dn = yes
[any]
commonName = supplied
organizationName = optional
emailAddress = optional
CNF
    [ -e "$db/crlnumber" ] || echo 01 >"$db/crlnumber"
}

key() { # name algorithm [option...]
    local name=$1 algorithm=$2 option options=()
    [ -e "$name.key" ] && return
    shift 2
    for option in "$@"; do options+=(-pkeyopt "$option"); done
    openssl genpkey -algorithm "$algorithm" "${options[@]}" -out "$name.key" 2>/dev/null
}

dsa_key() { # name
    [ -e "$1.key" ] && return
    openssl genpkey -genparam -algorithm DSA -pkeyopt dsa_paramgen_bits:2048 \
        -pkeyopt dsa_paramgen_q_bits:256 -out "$work/dsa.pem" 2>/dev/null
    openssl genpkey -paramfile "$work/dsa.pem" -out "$1.key"
}

issue() { # CA name serial subject begin end extension...
    local ca=$1 name=$2 serial=$3 subject=$4 begin=$5 end=$6 self=()
    shift 6
    config "$ca"
    printf '%s\n' "$serial" >"$work/$ca/serial"
    {
        printf '%s\n' "$@"
        echo "subjectKeyIdentifier=hash"
        [ "$ca" = "$name" ] || echo "authorityKeyIdentifier=keyid"
    } >"$work/$name.ext"
    [ "$ca" = "$name" ] && self=(-selfsign)
    openssl req -new -key "$name.key" -subj "$subject" -out "$work/$name.csr"
    openssl ca -config "$work/$ca/ca.cnf" -batch -notext -preserveDN "${self[@]}" \
        -cert "$ca.pem" -keyfile "$ca.key" -in "$work/$name.csr" -extfile "$work/$name.ext" \
        -startdate "$begin" -enddate "$end" -out "$work/$name.pem" 2>"$work/log" \
        || { cat "$work/log" >&2; exit 1; }
    mv "$work/$name.pem" "$name.pem"
}

authority() { # issuer name serial subject path-length
    key "$2" RSA rsa_keygen_bits:2048
    issue "$1" "$2" "$3" "$4" "$ca_from" "$until" \
        "basicConstraints=critical,CA:TRUE${5:+,pathlen:$5}" "keyUsage=critical,keyCertSign,cRLSign"
}

person() { # CA name serial subject alternative-names key-usage [begin end]
    local names=${5:+subjectAltName=$5}
    issue "$1" "$2" "$3" "$4" "${7:-$from}" "${8:-$until}" ${names:+"$names"} \
        "basicConstraints=CA:FALSE" "keyUsage=critical,$6" "extendedKeyUsage=${purpose:-emailProtection}"
}

revoke() { # CA serial, at a fixed time: openssl ca -revoke would write the time of day
    sed -i -E "s/^V\t([^\t]*)\t\t$2\t/R\t\1\t260301000000Z,keyCompromise\t$2\t/" "$work/$1/index.txt"
}

crl() { # CA output begin end
    openssl ca -config "$work/$1/ca.cnf" -gencrl -cert "$1.pem" -keyfile "$1.key" \
        -crl_lastupdate "$3" -crl_nextupdate "$4" -out "$2" 2>/dev/null
}

both=digitalSignature,keyEncipherment
curve=ec_paramgen_curve

authority root root 01 "/O=domsec throw-away PKI/CN=Root CA" ""
authority root intermediate 02 "/O=domsec throw-away PKI/CN=Intermediate CA" 0
authority impostor-root impostor-root 01 "/O=domsec throw-away PKI/CN=Root CA of nobody" ""

# People. Those of a.example are certified by the intermediate CA, those of b.example by the root.
key alice RSA rsa_keygen_bits:2048
person intermediate alice 1001 "/CN=Alice" email:alice@a.example $both
key dave ED25519
person intermediate dave 1002 "/CN=Dave" email:dave@a.example digitalSignature
key bob RSA rsa_keygen_bits:2048
person root bob 2001 "/CN=Bob" email:bob@b.example $both
key carol EC $curve:P-256
person root carol 2002 "/CN=Carol" email:carol@b.example digitalSignature,keyAgreement
key frank EC $curve:P-384
person root frank 2003 "/CN=Frank" email:frank@b.example digitalSignature,keyAgreement
key grace EC $curve:P-521
person root grace 2004 "/CN=Grace" email:grace@b.example digitalSignature,keyAgreement
key heidi RSA rsa_keygen_bits:3072
person root heidi 2005 "/CN=Heidi" email:heidi@b.example $both
dsa_key judy
person root judy 2006 "/CN=Judy" email:judy@b.example digitalSignature

# X25519 cannot sign a request, and openssl ca takes no other key: the date is that of the day.
key erin X25519
if [ ! -e erin.pem ]; then
    openssl pkey -in erin.key -pubout -out "$work/erin.pub"
    openssl req -new -key bob.key -subj "/CN=Erin" -out "$work/erin.csr"
    printf '%s\n' subjectAltName=email:erin@b.example basicConstraints=CA:FALSE \
        keyUsage=critical,keyAgreement extendedKeyUsage=emailProtection \
        subjectKeyIdentifier=hash authorityKeyIdentifier=keyid >"$work/erin.ext"
    openssl x509 -req -in "$work/erin.csr" -force_pubkey "$work/erin.pub" -extfile "$work/erin.ext" \
        -CA root.pem -CAkey root.key -set_serial 0x2007 -days 10957 -out erin.pem 2>/dev/null
fi

# Gateways: the names of draft §2.6.
for domain in a b; do
    [ $domain = a ] && ca=intermediate || ca=root
    names=URI:smtp://$domain.example,DNS:$domain.example
    key domain-$domain RSA rsa_keygen_bits:2048
    person $ca domain-$domain 3${domain}01 "/CN=domain-signing-authority" $names digitalSignature
    key dca-$domain RSA rsa_keygen_bits:2048
    person $ca dca-$domain 3${domain}02 "/CN=domain-confidentiality-authority" $names keyEncipherment
done
key reviewer-a RSA rsa_keygen_bits:2048
person intermediate reviewer-a 3a03 "/CN=review-authority" URI:smtp://a.example digitalSignature
key attributes-a RSA rsa_keygen_bits:2048
person intermediate attributes-a 3a04 "/CN=attribute-authority" URI:smtp://a.example digitalSignature
key delegated-alice RSA rsa_keygen_bits:2048
person intermediate delegated-alice 3a05 "/CN=Alice, by her submission agent" \
    URI:submit://a.example,email:alice@a.example digitalSignature

# What must not pass.
for name in alice-expired alice-future alice-mallory alice-subject alice-revoked alice-impostor \
    mallory web-a; do
    key $name RSA rsa_keygen_bits:2048
done
person intermediate alice-expired 4001 "/CN=Alice" email:alice@a.example $both \
    20200201000000Z 20210101000000Z
person intermediate alice-future 4002 "/CN=Alice" email:alice@a.example $both \
    20550101000000Z $until
person intermediate alice-mallory 4003 "/CN=Alice" email:alice@a.example,email:mallory@evil.example $both
person intermediate alice-subject 4004 "/CN=Alice/emailAddress=alice@a.example" "" $both
person intermediate alice-revoked 4005 "/CN=Alice" email:alice@a.example $both
person impostor-root alice-impostor 4006 "/CN=Alice" email:alice@a.example $both
person root mallory 4007 "/CN=Mallory" email:mallory@evil.example $both
purpose=serverAuth person intermediate web-a 4008 "/CN=a.example" DNS:a.example $both

revoke intermediate 4005
crl root root.crl $ca_from $until
crl intermediate intermediate.crl $from $until
crl intermediate intermediate-expired.crl 20260101000000Z 20260201000000Z

for name in alice bob carol; do
    [ -e $name.p12 ] && continue
    case $name in alice) chain=(intermediate.pem root.pem) ;; *) chain=(root.pem) ;; esac
    openssl pkcs12 -export -in $name.pem -inkey $name.key -certfile <(cat "${chain[@]}") \
        -name "$name" -passout pass:x -out $name.p12
done
