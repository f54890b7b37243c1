//! Names of algorithms, those that we refuse included, for reports.

use const_oid::ObjectIdentifier;

use crate::crypto::oids;

/// The name of an algorithm; `None` for one that reports show as its dotted OID.
#[must_use]
pub fn name_of(oid: ObjectIdentifier) -> Option<&'static str> {
    NAMES
        .iter()
        .find(|(named, _)| *named == oid)
        .map(|(_, name)| *name)
}

const fn dotted(oid: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(oid)
}

#[rustfmt::skip]
const NAMES: &[(ObjectIdentifier, &str)] = &[
    // What we do, wholly or in part.
    (oids::SHA_1, "sha-1"),
    (oids::SHA_224, "sha-224"),
    (oids::SHA_256, "sha-256"),
    (oids::SHA_384, "sha-384"),
    (oids::SHA_512, "sha-512"),
    (oids::SHA_512_224, "sha-512-224"),
    (oids::SHA_512_256, "sha-512-256"),
    (oids::RSA_ENCRYPTION, "rsa-pkcs1"),
    (oids::RSAES_OAEP, "rsa-oaep"),
    (oids::RSASSA_PSS, "rsa-pss"),
    (oids::MGF1, "mgf1"),
    (oids::SHA_1_WITH_RSA, "rsa-pkcs1-sha1"),
    (oids::SHA_1_WITH_RSA_OIW, "rsa-pkcs1-sha1"),
    (oids::SHA_224_WITH_RSA, "rsa-pkcs1-sha224"),
    (oids::SHA_256_WITH_RSA, "rsa-pkcs1-sha256"),
    (oids::SHA_384_WITH_RSA, "rsa-pkcs1-sha384"),
    (oids::SHA_512_WITH_RSA, "rsa-pkcs1-sha512"),
    (oids::SHA_512_224_WITH_RSA, "rsa-pkcs1-sha512-224"),
    (oids::SHA_512_256_WITH_RSA, "rsa-pkcs1-sha512-256"),
    (oids::EC_PUBLIC_KEY, "ecdsa"),
    (oids::EC_DH, "ecdh"),
    (oids::ECDSA_WITH_SHA_1, "ecdsa-sha1"),
    (oids::ECDSA_WITH_SHA_224, "ecdsa-sha224"),
    (oids::ECDSA_WITH_SHA_256, "ecdsa-sha256"),
    (oids::ECDSA_WITH_SHA_384, "ecdsa-sha384"),
    (oids::ECDSA_WITH_SHA_512, "ecdsa-sha512"),
    (oids::ED25519, "ed25519"),
    (oids::X25519, "x25519"),
    (oids::DSA, "dsa"),
    (oids::DSA_WITH_SHA_1, "dsa-sha1"),
    (oids::DSA_WITH_SHA_224, "dsa-sha224"),
    (oids::DSA_WITH_SHA_256, "dsa-sha256"),
    (oids::STD_DH_SHA_1_KDF, "ecdh-sha1"),
    (oids::STD_DH_SHA_224_KDF, "ecdh-sha224"),
    (oids::STD_DH_SHA_256_KDF, "ecdh-sha256"),
    (oids::STD_DH_SHA_384_KDF, "ecdh-sha384"),
    (oids::STD_DH_SHA_512_KDF, "ecdh-sha512"),
    (oids::COFACTOR_DH_SHA_1_KDF, "ecdh-sha1"),
    (oids::COFACTOR_DH_SHA_224_KDF, "ecdh-sha224"),
    (oids::COFACTOR_DH_SHA_256_KDF, "ecdh-sha256"),
    (oids::COFACTOR_DH_SHA_384_KDF, "ecdh-sha384"),
    (oids::COFACTOR_DH_SHA_512_KDF, "ecdh-sha512"),
    (oids::STD_DH_HKDF_SHA_256, "ecdh-hkdf-sha256"),
    (oids::STD_DH_HKDF_SHA_384, "ecdh-hkdf-sha384"),
    (oids::STD_DH_HKDF_SHA_512, "ecdh-hkdf-sha512"),
    (oids::AES_128_WRAP, "aes128wrap"),
    (oids::AES_192_WRAP, "aes192wrap"),
    (oids::AES_256_WRAP, "aes256wrap"),
    (oids::AES_128_CBC, "aes-128-cbc"),
    (oids::AES_192_CBC, "aes-192-cbc"),
    (oids::AES_256_CBC, "aes-256-cbc"),
    (oids::AES_128_GCM, "aes-128-gcm"),
    (oids::AES_192_GCM, "aes-192-gcm"),
    (oids::AES_256_GCM, "aes-256-gcm"),
    (oids::CHACHA20_POLY1305, "chacha20-poly1305"),
    (oids::DES_EDE3_CBC, "des-ede3-cbc"),
    // Digests that we refuse.
    (dotted("1.2.840.113549.2.2"), "md2"),
    (dotted("1.2.840.113549.2.4"), "md4"),
    (oids::MD5, "md5"),
    (dotted("1.3.36.3.2.1"), "ripemd-160"),
    (dotted("2.16.840.1.101.3.4.2.7"), "sha3-224"),
    (dotted("2.16.840.1.101.3.4.2.8"), "sha3-256"),
    (dotted("2.16.840.1.101.3.4.2.9"), "sha3-384"),
    (dotted("2.16.840.1.101.3.4.2.10"), "sha3-512"),
    (dotted("2.16.840.1.101.3.4.2.11"), "shake128"),
    (dotted("2.16.840.1.101.3.4.2.12"), "shake256"),
    (dotted("2.16.840.1.101.3.4.2.18"), "shake256-len"),
    (dotted("1.2.643.2.2.9"), "gost-r34.11-94"),
    (dotted("1.2.643.7.1.1.2.2"), "gost-r34.11-2012-256"),
    (dotted("1.2.643.7.1.1.2.3"), "gost-r34.11-2012-512"),
    (dotted("1.2.156.10197.1.401"), "sm3"),
    // Signatures that we refuse.
    (dotted("1.2.840.113549.1.1.2"), "rsa-pkcs1-md2"),
    (dotted("1.2.840.113549.1.1.3"), "rsa-pkcs1-md4"),
    (oids::MD5_WITH_RSA, "rsa-pkcs1-md5"),
    (dotted("1.3.36.3.3.1.2"), "rsa-pkcs1-ripemd160"),
    (dotted("2.16.840.1.101.3.4.3.13"), "rsa-pkcs1-sha3-224"),
    (dotted("2.16.840.1.101.3.4.3.14"), "rsa-pkcs1-sha3-256"),
    (dotted("2.16.840.1.101.3.4.3.15"), "rsa-pkcs1-sha3-384"),
    (dotted("2.16.840.1.101.3.4.3.16"), "rsa-pkcs1-sha3-512"),
    (dotted("1.3.6.1.5.5.7.6.30"), "rsa-pss-shake128"),
    (dotted("1.3.6.1.5.5.7.6.31"), "rsa-pss-shake256"),
    (dotted("1.3.6.1.5.5.7.6.32"), "ecdsa-shake128"),
    (dotted("1.3.6.1.5.5.7.6.33"), "ecdsa-shake256"),
    (dotted("2.16.840.1.101.3.4.3.3"), "dsa-sha384"),
    (dotted("2.16.840.1.101.3.4.3.4"), "dsa-sha512"),
    (dotted("2.16.840.1.101.3.4.3.9"), "ecdsa-sha3-224"),
    (dotted("2.16.840.1.101.3.4.3.10"), "ecdsa-sha3-256"),
    (dotted("2.16.840.1.101.3.4.3.11"), "ecdsa-sha3-384"),
    (dotted("2.16.840.1.101.3.4.3.12"), "ecdsa-sha3-512"),
    (dotted("1.3.101.113"), "ed448"),
    (dotted("2.16.840.1.101.3.4.3.17"), "ml-dsa-44"),
    (dotted("2.16.840.1.101.3.4.3.18"), "ml-dsa-65"),
    (dotted("2.16.840.1.101.3.4.3.19"), "ml-dsa-87"),
    (dotted("1.2.840.113549.1.9.16.3.17"), "hss-lms"),
    (dotted("1.2.643.7.1.1.1.1"), "gost-r34.10-2012-256"),
    (dotted("1.2.643.7.1.1.1.2"), "gost-r34.10-2012-512"),
    (dotted("1.2.156.10197.1.501"), "sm2-sm3"),
    // Key establishment that we refuse.
    (dotted("1.3.101.111"), "x448"),
    (dotted("1.2.840.10046.2.1"), "dh"),
    (dotted("1.2.840.113549.1.9.16.3.5"), "dh-ephemeral-static"),
    (dotted("1.2.840.113549.1.9.16.3.10"), "dh-static-static"),
    (dotted("1.2.840.113549.1.9.16.3.14"), "rsa-kem"),
    (dotted("1.3.133.16.840.63.0.16"), "ecmqv-sha1"),
    (dotted("1.3.132.1.15.0"), "ecmqv-sha224"),
    (dotted("1.3.132.1.15.1"), "ecmqv-sha256"),
    (dotted("1.3.132.1.15.2"), "ecmqv-sha384"),
    (dotted("1.3.132.1.15.3"), "ecmqv-sha512"),
    (dotted("2.16.840.1.101.3.4.4.1"), "ml-kem-512"),
    (dotted("2.16.840.1.101.3.4.4.2"), "ml-kem-768"),
    (dotted("2.16.840.1.101.3.4.4.3"), "ml-kem-1024"),
    (oids::DES_EDE3_WRAP, "des-ede3-wrap"),
    (dotted("1.2.840.113549.1.9.16.3.7"), "rc2-wrap"),
    (dotted("2.16.840.1.101.3.4.1.8"), "aes128wrap-pad"),
    (dotted("2.16.840.1.101.3.4.1.28"), "aes192wrap-pad"),
    (dotted("2.16.840.1.101.3.4.1.48"), "aes256wrap-pad"),
    (dotted("1.2.392.200011.61.1.1.3.2"), "camellia128wrap"),
    (dotted("1.2.392.200011.61.1.1.3.3"), "camellia192wrap"),
    (dotted("1.2.392.200011.61.1.1.3.4"), "camellia256wrap"),
    (dotted("1.2.840.113549.1.9.16.3.9"), "pwri-kek"),
    (dotted("1.2.840.113549.1.5.12"), "pbkdf2"),
    // Content encryption that we refuse.
    (oids::RC2_CBC, "rc2-cbc"),
    (dotted("1.2.840.113549.3.4"), "rc4"),
    (dotted("1.2.840.113549.3.9"), "rc5-cbc"),
    (dotted("1.3.14.3.2.7"), "des-cbc"),
    (dotted("1.2.840.113533.7.66.10"), "cast5-cbc"),
    (dotted("1.3.6.1.4.1.188.7.1.1.2"), "idea-cbc"),
    (dotted("1.2.392.200011.61.1.1.1.2"), "camellia-128-cbc"),
    (dotted("1.2.392.200011.61.1.1.1.3"), "camellia-192-cbc"),
    (dotted("1.2.392.200011.61.1.1.1.4"), "camellia-256-cbc"),
    (dotted("1.2.410.200004.1.4"), "seed-cbc"),
    (dotted("2.16.840.1.101.3.4.1.1"), "aes-128-ecb"),
    (dotted("2.16.840.1.101.3.4.1.21"), "aes-192-ecb"),
    (dotted("2.16.840.1.101.3.4.1.41"), "aes-256-ecb"),
    (dotted("2.16.840.1.101.3.4.1.7"), "aes-128-ccm"),
    (dotted("2.16.840.1.101.3.4.1.27"), "aes-192-ccm"),
    (dotted("2.16.840.1.101.3.4.1.47"), "aes-256-ccm"),
    (dotted("1.2.643.2.2.21"), "gost-28147-89"),
    (dotted("1.2.156.10197.1.104.2"), "sm4-cbc"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_identifier_is_named_twice() {
        let mut oids: Vec<_> = NAMES.iter().map(|(oid, _)| *oid).collect();
        oids.sort();
        oids.dedup();
        assert_eq!(oids.len(), NAMES.len());
    }
}
