//! CMS structures, well-formed and otherwise.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use crate::der;
use crate::der::children;
use crate::der::context;
use crate::der::integer;
use crate::der::null;
use crate::der::octet_string;
use crate::der::oid;
use crate::der::sequence;
use crate::der::set_of;
use crate::der::tlv;
use crate::pki;
use crate::pki::Identity;
use crate::pki::certificate;
use crate::pki::identity;
use crate::pki::openssl;
use crate::pki::sha256;

pub(crate) const DATA: &str = "1.2.840.113549.1.7.1";
const SIGNED_DATA: &str = "1.2.840.113549.1.7.2";
const COMPRESSED_DATA: &str = "1.2.840.113549.1.9.16.1.9";

/// id-aa-signatureType as registered (RFC 7107), and as the draft prints it.
pub(crate) const SIGNATURE_TYPE: &str = "1.2.840.113549.1.9.16.2.28";
pub(crate) const SIGNATURE_TYPE_OF_DRAFT: &str = "1.2.840.113549.1.9.28";

/// The path from a ContentInfo of SignedData to its eContent, an OCTET STRING.
pub(crate) const E_CONTENT: &[usize] = &[1, 0, 2, 1, 0];
/// The paths from a ContentInfo of EnvelopedData, with no originatorInfo, to its parts.
pub(crate) const RECIPIENTS: &[usize] = &[1, 0, 1];
pub(crate) const ENCRYPTED_KEY: &[usize] = &[1, 0, 1, 0, 3];
pub(crate) const CIPHERTEXT: &[usize] = &[1, 0, 2, 2];
/// As above, for the mac of AuthEnvelopedData without authenticated attributes.
pub(crate) const MAC: &[usize] = &[1, 0, 3];

/// One SignerInfo to be.
#[derive(Clone, Debug)]
pub(crate) struct Signer {
    pub(crate) identity: Identity,
    /// Name the certificate by its subjectKeyIdentifier.
    pub(crate) by_key_identifier: bool,
    /// UTCTime.
    pub(crate) signing_time: &'static str,
    /// In messageDigest, instead of the digest of the content.
    pub(crate) message_digest: Option<Vec<u8>>,
    /// Signed attributes beside the usual three; `None` for no signed attributes at all.
    pub(crate) signed: Option<Vec<Vec<u8>>>,
    pub(crate) unsigned: Vec<Vec<u8>>,
}

impl Signer {
    /// The one of that name in `certs/`.
    pub(crate) fn of(name: &'static str) -> Self {
        Self::with(identity(name))
    }

    pub(crate) fn with(identity: Identity) -> Self {
        Self {
            identity,
            by_key_identifier: false,
            signing_time: "260601000000Z",
            message_digest: None,
            signed: Some(Vec::new()),
            unsigned: Vec::new(),
        }
    }

    /// With a SignatureType of these values: `domain`, `review` and so on.
    pub(crate) fn typed(self, types: &[&str]) -> Self {
        self.attribute(signature_type(SIGNATURE_TYPE, types))
    }

    /// With a further signed attribute.
    pub(crate) fn attribute(mut self, attribute: Vec<u8>) -> Self {
        self.signed.get_or_insert_default().push(attribute);
        self
    }

    /// The SET OF signed attributes, as it is signed; `None` when there are none.
    pub(crate) fn attributes(&self, content: &[u8]) -> Option<Vec<u8>> {
        let further = self.signed.clone()?;
        let digest = self
            .message_digest
            .clone()
            .unwrap_or_else(|| sha256(content));
        let usual = [
            attribute("1.2.840.113549.1.9.3", oid(DATA)),
            attribute("1.2.840.113549.1.9.4", octet_string(&digest)),
            attribute(
                "1.2.840.113549.1.9.5",
                tlv(der::UTC_TIME, self.signing_time.as_bytes()),
            ),
        ];
        Some(set_of(usual.into_iter().chain(further)))
    }

    pub(crate) fn info(&self, content: &[u8]) -> Vec<u8> {
        let own = &self.identity.certificate;
        let (version, sid) = if self.by_key_identifier {
            (3, tlv(der::primitive(0), &pki::key_identifier(own)))
        } else {
            (1, issuer_and_serial(own))
        };
        let signed = self.attributes(content);
        let covered = signed.as_deref().unwrap_or(content);
        let mut fields = vec![integer(version), sid, sha256_identifier()];
        fields.extend(
            signed
                .as_ref()
                .map(|set| tlv(context(0), der::content(set))),
        );
        fields.push(self.signature_algorithm());
        fields.push(octet_string(&pki::sign(self.identity.key, covered)));
        if !self.unsigned.is_empty() {
            fields.push(tlv(
                context(1),
                der::content(&set_of(self.unsigned.clone())),
            ));
        }
        sequence(fields)
    }

    pub(crate) fn signature_algorithm(&self) -> Vec<u8> {
        let rsa = oid("1.2.840.113549.1.1.1");
        let key = der::at(&self.identity.certificate, &[0, 6, 0, 0]);
        if key == rsa {
            sequence([rsa, null()])
        } else {
            // The others that sign here have keys on a curve.
            sequence([oid("1.2.840.10045.4.3.2")])
        }
    }
}

pub(crate) fn issuer_and_serial(certificate: &[u8]) -> Vec<u8> {
    sequence([
        pki::issuer(certificate).to_vec(),
        pki::serial(certificate).to_vec(),
    ])
}

/// A SignedData to be.
#[derive(Clone, Debug)]
pub(crate) struct Signed<'a> {
    pub(crate) content: &'a [u8],
    pub(crate) certificates: Vec<Vec<u8>>,
    pub(crate) crls: Vec<Vec<u8>>,
    pub(crate) signers: Vec<Signer>,
}

impl<'a> Signed<'a> {
    /// With the signers' certificates and the intermediate CA's.
    pub(crate) fn by(signers: impl IntoIterator<Item = Signer>, content: &'a [u8]) -> Self {
        let signers: Vec<Signer> = signers.into_iter().collect();
        let own = signers
            .iter()
            .map(|signer| signer.identity.certificate.clone());
        let certificates = own.chain([certificate("intermediate")]).collect();
        Self {
            content,
            certificates,
            crls: Vec::new(),
            signers,
        }
    }

    /// With the content inside.
    pub(crate) fn opaque(&self) -> Vec<u8> {
        self.with_content(Some(self.content))
    }

    /// Without the content.
    pub(crate) fn detached(&self) -> Vec<u8> {
        self.with_content(None)
    }

    /// With any content inside, whatever was signed.
    pub(crate) fn with_content(&self, inside: Option<&[u8]>) -> Vec<u8> {
        let infos = self.signers.iter().map(|signer| signer.info(self.content));
        self.with_infos(inside, infos.collect())
    }

    /// With SignerInfos that are there already.
    pub(crate) fn with_infos(&self, inside: Option<&[u8]>, infos: Vec<Vec<u8>>) -> Vec<u8> {
        let mut encapsulated = vec![oid(DATA)];
        encapsulated.extend(inside.map(|inside| tlv(context(0), &octet_string(inside))));
        let digests = if infos.is_empty() {
            Vec::new()
        } else {
            vec![sha256_identifier()]
        };
        let mut fields = vec![integer(1), set_of(digests), sequence(encapsulated)];
        if !self.certificates.is_empty() {
            // In this order: no DER, but nothing may depend on it.
            fields.push(tlv(context(0), &self.certificates.concat()));
        }
        if !self.crls.is_empty() {
            fields.push(tlv(context(1), &self.crls.concat()));
        }
        // In the order of the test, too.
        fields.push(tlv(der::SET, &infos.concat()));
        content_info(SIGNED_DATA, sequence(fields))
    }
}

/// The draft's empty signature.
pub(crate) fn empty_signature(content: &[u8]) -> Vec<u8> {
    Signed {
        content,
        certificates: Vec::new(),
        crls: Vec::new(),
        signers: Vec::new(),
    }
    .opaque()
}

fn content_info(content_type: &str, structure: Vec<u8>) -> Vec<u8> {
    sequence([oid(content_type), tlv(context(0), &structure)])
}

pub(crate) fn attribute(id: &str, value: Vec<u8>) -> Vec<u8> {
    sequence([oid(id), set_of([value])])
}

/// A SignatureType attribute under that identifier.
pub(crate) fn signature_type(id: &str, types: &[&str]) -> Vec<u8> {
    attribute(id, signature_types(types))
}

/// The value of a SignatureType attribute.
pub(crate) fn signature_types(types: &[&str]) -> Vec<u8> {
    let arc = |name: &&str| match *name {
        "originator" => 1,
        "domain" => 2,
        "attributes" => 3,
        "review" => 4,
        "delegated" => 5,
        other => panic!("{other} is no signature type"),
    };
    let oids = types
        .iter()
        .map(|name| oid(&format!("1.2.840.113549.1.9.16.9.{}", arc(name))));
    sequence(oids)
}

/// An mlExpansionHistory of one list.
pub(crate) fn ml_expansion_history() -> Vec<u8> {
    let list = sequence([
        octet_string(b"list"),
        tlv(der::GENERALIZED_TIME, b"20260601120000Z"),
    ]);
    attribute("1.2.840.113549.1.9.16.2.3", sequence([list]))
}

/// A signingCertificateV2 that names `certificate` by its digest.
pub(crate) fn signing_certificate_v2(certificate: &[u8]) -> Vec<u8> {
    let id = sequence([octet_string(&sha256(certificate))]);
    attribute("1.2.840.113549.1.9.16.2.47", sequence([sequence([id])]))
}

/// A cmsAlgorithmProtection.
pub(crate) fn algorithm_protection(digest: Vec<u8>, signature: &[u8]) -> Vec<u8> {
    let signature = tlv(context(1), der::content(signature));
    attribute("1.2.840.113549.1.9.52", sequence([digest, signature]))
}

pub(crate) fn sha256_identifier() -> Vec<u8> {
    sequence([oid("2.16.840.1.101.3.4.2.1")])
}

pub(crate) fn sha512_identifier() -> Vec<u8> {
    sequence([oid("2.16.840.1.101.3.4.2.3")])
}

/// Changes SignerInfo `index` of a SignedData.
pub(crate) fn edit_signer(
    signed: &[u8],
    index: usize,
    path: &[usize],
    change: impl Fn(&mut Vec<u8>),
) -> Vec<u8> {
    let last = children(der::at(signed, &[1, 0])).len() - 1;
    let path = [&[1, 0, last, index], path].concat();
    der::edit_content(signed, &path, change)
}

/// `content` encrypted by openssl to certificates of `certs/`, with a cipher by openssl's name.
pub(crate) fn encrypted(content: &[u8], cipher: &str, to: &[&str]) -> Vec<u8> {
    let to: Vec<String> = to
        .iter()
        .map(|name| pki::path(&format!("{name}.pem")))
        .collect();
    let mut arguments = vec!["cms", "-encrypt", "-binary", "-outform", "DER", cipher];
    arguments.extend(to.iter().map(String::as_str));
    openssl(&arguments, content)
}

/// `key` encrypted to bob with PKCS#1 v1.5.
pub(crate) fn key_to_bob(key: &[u8]) -> Vec<u8> {
    openssl(
        &[
            "pkeyutl",
            "-encrypt",
            "-certin",
            "-inkey",
            &pki::path("bob.pem"),
        ],
        key,
    )
}

/// CompressedData of `content`.
pub(crate) fn compressed(content: &[u8]) -> Vec<u8> {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(content).unwrap();
    compressed_octets(&zlib.finish().unwrap())
}

/// CompressedData around octets that are said to be zlib's.
pub(crate) fn compressed_octets(zlib: &[u8]) -> Vec<u8> {
    [&compressed_head(zlib.len()), zlib].concat()
}

/// What stands before `length` octets of zlib in CompressedData: they are its end.
pub(crate) fn compressed_head(length: usize) -> Vec<u8> {
    let before = |head: Vec<u8>, tag: u8, fields: &[Vec<u8>]| {
        let head = [fields.concat(), head].concat();
        [der::header(tag, head.len() + length), head].concat()
    };
    let octets = der::header(der::OCTET_STRING, length);
    let content = before(octets, context(0), &[]);
    let encapsulated = before(content, der::SEQUENCE, &[oid(DATA)]);
    let algorithm = sequence([oid("1.2.840.113549.1.9.16.3.8")]);
    let compressed = before(encapsulated, der::SEQUENCE, &[integer(0), algorithm]);
    before(
        before(compressed, context(0), &[]),
        der::SEQUENCE,
        &[oid(COMPRESSED_DATA)],
    )
}
