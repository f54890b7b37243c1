//! Object identifiers of algorithms, those that we refuse by name included.

use const_oid::ObjectIdentifier;

macro_rules! oids {
    ($($(#[$doc:meta])* $name:ident = $dotted:literal;)*) => {
        $($(#[$doc])* pub const $name: ObjectIdentifier = ObjectIdentifier::new_unwrap($dotted);)*
    };
}

oids! {
    /// SHA-1.
    SHA_1 = "1.3.14.3.2.26";
    /// SHA-224.
    SHA_224 = "2.16.840.1.101.3.4.2.4";
    /// SHA-256.
    SHA_256 = "2.16.840.1.101.3.4.2.1";
    /// SHA-384.
    SHA_384 = "2.16.840.1.101.3.4.2.2";
    /// SHA-512.
    SHA_512 = "2.16.840.1.101.3.4.2.3";
    /// SHA-512/224.
    SHA_512_224 = "2.16.840.1.101.3.4.2.5";
    /// SHA-512/256.
    SHA_512_256 = "2.16.840.1.101.3.4.2.6";

    /// rsaEncryption: keys, key transport and, in SignerInfo, PKCS#1 v1.5 signatures (RFC 3370 §3.2).
    RSA_ENCRYPTION = "1.2.840.113549.1.1.1";
    /// id-RSAES-OAEP.
    RSAES_OAEP = "1.2.840.113549.1.1.7";
    /// id-mgf1.
    MGF1 = "1.2.840.113549.1.1.8";
    /// id-pSpecified.
    P_SPECIFIED = "1.2.840.113549.1.1.9";
    /// id-RSASSA-PSS.
    RSASSA_PSS = "1.2.840.113549.1.1.10";
    /// sha1WithRSAEncryption.
    SHA_1_WITH_RSA = "1.2.840.113549.1.1.5";
    /// The same in OIW's arc; old Microsoft software writes it.
    SHA_1_WITH_RSA_OIW = "1.3.14.3.2.29";
    /// sha256WithRSAEncryption.
    SHA_256_WITH_RSA = "1.2.840.113549.1.1.11";
    /// sha384WithRSAEncryption.
    SHA_384_WITH_RSA = "1.2.840.113549.1.1.12";
    /// sha512WithRSAEncryption.
    SHA_512_WITH_RSA = "1.2.840.113549.1.1.13";
    /// sha224WithRSAEncryption.
    SHA_224_WITH_RSA = "1.2.840.113549.1.1.14";

    /// id-ecPublicKey.
    EC_PUBLIC_KEY = "1.2.840.10045.2.1";
    /// id-ecDH: a key that only agrees (RFC 5480 §2.1.2).
    EC_DH = "1.3.132.1.12";
    /// ecdsa-with-SHA1.
    ECDSA_WITH_SHA_1 = "1.2.840.10045.4.1";
    /// ecdsa-with-SHA224.
    ECDSA_WITH_SHA_224 = "1.2.840.10045.4.3.1";
    /// ecdsa-with-SHA256.
    ECDSA_WITH_SHA_256 = "1.2.840.10045.4.3.2";
    /// ecdsa-with-SHA384.
    ECDSA_WITH_SHA_384 = "1.2.840.10045.4.3.3";
    /// ecdsa-with-SHA512.
    ECDSA_WITH_SHA_512 = "1.2.840.10045.4.3.4";
    /// secp256r1.
    P256 = "1.2.840.10045.3.1.7";
    /// secp384r1.
    P384 = "1.3.132.0.34";
    /// secp521r1.
    P521 = "1.3.132.0.35";
    /// id-X25519.
    X25519 = "1.3.101.110";
    /// id-Ed25519.
    ED25519 = "1.3.101.112";

    /// id-dsa.
    DSA = "1.2.840.10040.4.1";
    /// id-dsa-with-sha1.
    DSA_WITH_SHA_1 = "1.2.840.10040.4.3";
    /// id-dsa-with-sha224.
    DSA_WITH_SHA_224 = "2.16.840.1.101.3.4.3.1";
    /// id-dsa-with-sha256.
    DSA_WITH_SHA_256 = "2.16.840.1.101.3.4.3.2";

    /// sha512-224WithRSAEncryption (RFC 8017 appendix A.2.4).
    SHA_512_224_WITH_RSA = "1.2.840.113549.1.1.15";
    /// sha512-256WithRSAEncryption.
    SHA_512_256_WITH_RSA = "1.2.840.113549.1.1.16";

    /// dhSinglePass-stdDH-sha1kdf-scheme (RFC 5753 §7.1.4).
    STD_DH_SHA_1_KDF = "1.3.133.16.840.63.0.2";
    /// dhSinglePass-stdDH-sha224kdf-scheme.
    STD_DH_SHA_224_KDF = "1.3.132.1.11.0";
    /// dhSinglePass-stdDH-sha256kdf-scheme.
    STD_DH_SHA_256_KDF = "1.3.132.1.11.1";
    /// dhSinglePass-stdDH-sha384kdf-scheme.
    STD_DH_SHA_384_KDF = "1.3.132.1.11.2";
    /// dhSinglePass-stdDH-sha512kdf-scheme.
    STD_DH_SHA_512_KDF = "1.3.132.1.11.3";
    /// dhSinglePass-cofactorDH-sha1kdf-scheme.
    COFACTOR_DH_SHA_1_KDF = "1.3.133.16.840.63.0.3";
    /// dhSinglePass-cofactorDH-sha224kdf-scheme.
    COFACTOR_DH_SHA_224_KDF = "1.3.132.1.14.0";
    /// dhSinglePass-cofactorDH-sha256kdf-scheme.
    COFACTOR_DH_SHA_256_KDF = "1.3.132.1.14.1";
    /// dhSinglePass-cofactorDH-sha384kdf-scheme.
    COFACTOR_DH_SHA_384_KDF = "1.3.132.1.14.2";
    /// dhSinglePass-cofactorDH-sha512kdf-scheme.
    COFACTOR_DH_SHA_512_KDF = "1.3.132.1.14.3";
    /// dhSinglePass-stdDH-hkdf-sha256-scheme (RFC 8418 §2.2).
    STD_DH_HKDF_SHA_256 = "1.2.840.113549.1.9.16.3.19";
    /// dhSinglePass-stdDH-hkdf-sha384-scheme.
    STD_DH_HKDF_SHA_384 = "1.2.840.113549.1.9.16.3.20";
    /// dhSinglePass-stdDH-hkdf-sha512-scheme.
    STD_DH_HKDF_SHA_512 = "1.2.840.113549.1.9.16.3.21";

    /// id-aes128-wrap.
    AES_128_WRAP = "2.16.840.1.101.3.4.1.5";
    /// id-aes192-wrap.
    AES_192_WRAP = "2.16.840.1.101.3.4.1.25";
    /// id-aes256-wrap.
    AES_256_WRAP = "2.16.840.1.101.3.4.1.45";
    /// id-alg-CMS3DESwrap: refused.
    DES_EDE3_WRAP = "1.2.840.113549.1.9.16.3.6";

    /// id-aes128-CBC.
    AES_128_CBC = "2.16.840.1.101.3.4.1.2";
    /// id-aes192-CBC.
    AES_192_CBC = "2.16.840.1.101.3.4.1.22";
    /// id-aes256-CBC.
    AES_256_CBC = "2.16.840.1.101.3.4.1.42";
    /// id-cap-preferBinaryInside (RFC 8551 appendix A).
    PREFER_BINARY_INSIDE = "1.2.840.113549.1.9.16.11.1";
    /// id-aes128-GCM.
    AES_128_GCM = "2.16.840.1.101.3.4.1.6";
    /// id-aes192-GCM.
    AES_192_GCM = "2.16.840.1.101.3.4.1.26";
    /// id-aes256-GCM.
    AES_256_GCM = "2.16.840.1.101.3.4.1.46";
    /// id-alg-AEADChaCha20Poly1305.
    CHACHA20_POLY1305 = "1.2.840.113549.1.9.16.3.18";
    /// des-ede3-cbc.
    DES_EDE3_CBC = "1.2.840.113549.3.7";

    /// MD5: refused.
    MD5 = "1.2.840.113549.2.5";
    /// md5WithRSAEncryption: refused.
    MD5_WITH_RSA = "1.2.840.113549.1.1.4";
    /// rc2-cbc: refused but for the import of old PKCS#12 files.
    RC2_CBC = "1.2.840.113549.3.2";
}
