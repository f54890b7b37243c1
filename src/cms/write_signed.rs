//! Writing SignedData (RFC 5652 §5): digest, sign, read back, verify, and only then hand out.
//!
//! The content is read twice, hashed once and never held: what stands around it is made first, and
//! its length is known before the first octet is written.

use std::io;

use crate::cms::attributes::AttributeError;
use crate::cms::attributes::Capability;
use crate::cms::attributes::SignatureTypeError;
use crate::cms::attributes::SignatureTypeOid;
use crate::cms::attributes::build;
use crate::cms::content_info::Cms;
use crate::cms::content_info::ContentInfo;
use crate::cms::content_info::ID_DATA;
use crate::cms::content_info::ID_SIGNED_DATA;
use crate::cms::error::CmsError;
use crate::cms::signed_data::SignedData;
use crate::cms::signed_data::SignerInfo;
use crate::cms::tlv;
use crate::cms::verify;
use crate::cms::verify::ContentDigests;
use crate::cms::verify::SignatureError;
use crate::cms::verify::SignedContent;
use crate::crypto::CryptoError;
use crate::crypto::Curve;
use crate::crypto::DigestAlgorithm;
use crate::crypto::Message;
use crate::crypto::PrivateKey;
use crate::crypto::Provider;
use crate::crypto::PssParameters;
use crate::crypto::SignatureAlgorithm;
use crate::crypto::identifiers;
use crate::crypto::public_key::PublicKey;
use crate::crypto::public_key::RsaScheme;
use crate::limits::Budget;
use crate::limits::Limits;
use crate::notation::SignatureType;
use crate::octets::Chain;
use crate::octets::Octets;
use crate::octets::View;
use crate::tlv::tag;
use crate::x509::Certificate;
use crate::x509::Time;

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The attributes asked for break a rule of their standard.
    #[error(transparent)]
    Attribute(#[from] AttributeError),
    /// Something that we put into it is malformed: our own fault.
    #[error(transparent)]
    Cms(#[from] CmsError),
    /// What must encapsulate other signatures cannot be detached (draft §3.2).
    #[error("a detached signature cannot encapsulate, as a {0} signature must")]
    Detached(&'static str),
    /// A signature without signers covers nothing when it is detached.
    #[error("an empty signature cannot be detached")]
    EmptyDetached,
    /// The key did not sign.
    #[error("key of {certificate} did not sign with {algorithm}")]
    Key {
        /// The subject of its certificate.
        certificate: String,
        /// The signature algorithm.
        algorithm: String,
        /// What the key store says.
        #[source]
        source: CryptoError,
    },
    /// The content could not be read, or the result not written.
    #[error("octets of the content could not be read")]
    Read(#[from] io::Error),
    /// What we made cannot be read back: our own fault.
    #[error("our own SignedData does not read back")]
    ReadBack(#[source] CmsError),
    /// The signature types asked for break the draft's section 3.2.
    #[error(transparent)]
    SignatureType(#[from] SignatureTypeError),
    /// The signature algorithm is one that we read and do not write.
    #[error("{0} is not written, only verified")]
    Unwritten(String),
    /// A signature that was just made does not verify: certificate and key do not belong together,
    /// or the signing hardware errs.
    #[error("our own signature by {certificate} does not verify")]
    VerifyBack {
        /// The subject of the certificate.
        certificate: String,
        /// Why not.
        #[source]
        source: SignatureError,
    },
}

/// What one SignerInfo is to be made of.
#[derive(Clone, Debug)]
pub struct SignerPlan<'a> {
    /// The signer's certificate, which is named by issuer and serial number.
    pub certificate: &'a Certificate,
    /// Its key.
    pub key: &'a dyn PrivateKey,
    /// How to sign; [`SignerPlan::default_algorithm`] is the key's own.
    pub algorithm: SignatureAlgorithm,
    /// The SignatureType to write; empty for none. One order for all signers of a layer.
    pub types: &'a [SignatureType],
    /// Under which identifier SignatureType is written (DESIGN, decision 1).
    pub type_oid: SignatureTypeOid,
    /// signingTime, which is left out where `None`.
    pub signing_time: Option<Time>,
    /// SMIMECapabilities, the one that we like best first; empty for none.
    pub capabilities: &'a [Capability<'a>],
    /// Further attributes, each the DER of one Attribute, written byte for byte.
    pub attributes: &'a [Vec<u8>],
}

impl SignerPlan<'_> {
    /// The algorithm that a key with this DER SubjectPublicKeyInfo signs with where nothing else is
    /// asked for: its own scheme, with the hash that suits its strength (RFC 8551 §2.2, RFC 8419 §3.1).
    pub fn default_algorithm(spki: &[u8]) -> Result<SignatureAlgorithm, CryptoError> {
        Ok(match PublicKey::decode(spki)? {
            PublicKey::Ec { curve, .. } => SignatureAlgorithm::Ecdsa(match curve {
                Curve::P256 => DigestAlgorithm::Sha256,
                Curve::P384 => DigestAlgorithm::Sha384,
                Curve::P521 => DigestAlgorithm::Sha512,
                Curve::X25519 => return Err(CryptoError::Unsupported),
            }),
            PublicKey::Ed25519(_) => SignatureAlgorithm::Ed25519,
            PublicKey::Rsa(key) => match key.scheme {
                RsaScheme::Any => SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256),
                RsaScheme::Pss(parameters) => SignatureAlgorithm::RsaPss(
                    parameters.unwrap_or(PssParameters::plain(DigestAlgorithm::Sha256)),
                ),
                RsaScheme::Oaep => return Err(CryptoError::Unsupported),
            },
            // Verified, never written.
            PublicKey::Dsa(_) | PublicKey::X25519(_) => return Err(CryptoError::Unsupported),
        })
    }
}

/// One SignedData to be made.
#[derive(Clone, Debug)]
pub struct SignedDataPlan<'a> {
    /// Without signers this is the empty signature of the draft's section 2.5.
    pub signers: &'a [SignerPlan<'a>],
    /// DER certificates to send along.
    pub certificates: &'a [&'a [u8]],
    /// Whether the content stays outside.
    pub detached: bool,
}

/// A SignedData that was made, read back and verified, ready to be written.
#[derive(Debug)]
pub struct SignedLayer {
    head: Vec<u8>,
    content: Option<View>,
    tail: Vec<u8>,
    /// The digest algorithms of its signers, for the micalg parameter (RFC 8551 §3.5.3.2).
    pub digests: Vec<DigestAlgorithm>,
}

impl SignedLayer {
    /// The ContentInfo, DER; the content stays where it lies.
    #[must_use]
    pub fn into_view(self) -> View {
        let (head, tail) = (View::owned(self.head), View::owned(self.tail));
        Chain::of([Some(head), self.content, Some(tail)].into_iter().flatten())
    }
}

impl SignedDataPlan<'_> {
    /// Signs `content`, which is already in the form in which it is to be signed.
    ///
    /// Reads `content` once; whoever reads [`SignedLayer::into_view`] reads it again where it is not detached. The
    /// structures around the content are read back by our own parser, and each signature is verified
    /// over its encoded attributes, before anything is handed out.
    pub fn sign(
        &self,
        content: &View,
        provider: &Provider,
        limits: &Limits,
    ) -> Result<SignedLayer, SignError> {
        self.check()?;
        let digests = self.digest_algorithms();
        let made = ContentDigests::of(content, digests.iter().copied(), provider)?;
        let mut infos = Vec::with_capacity(self.signers.len());
        for signer in self.signers {
            infos.push(signer_info(signer, &made, limits)?);
        }
        let layer = self.assemble(content, digests, infos);
        self.check_back(&layer, content, &made, (provider, limits))?;
        Ok(layer)
    }

    fn check(&self) -> Result<(), SignError> {
        if self.detached && self.signers.is_empty() {
            return Err(SignError::EmptyDetached);
        }
        let mut types = self.signers.iter().flat_map(|signer| signer.types);
        if let Some(kind) = types.find(|kind| self.detached && kind.must_encapsulate()) {
            return Err(SignError::Detached(kind.as_str()));
        }
        let mut pairs = self.signers.iter().zip(self.signers.iter().skip(1));
        if pairs.all(|(one, next)| one.types == next.types) {
            Ok(())
        } else {
            Err(SignatureTypeError::Differs.into())
        }
    }

    fn digest_algorithms(&self) -> Vec<DigestAlgorithm> {
        let mut digests: Vec<_> = self
            .signers
            .iter()
            .map(|signer| digest_to_write(&signer.algorithm))
            .collect();
        digests.sort_unstable();
        digests.dedup();
        digests
    }

    fn assemble(
        &self,
        content: &View,
        digests: Vec<DigestAlgorithm>,
        infos: Vec<Vec<u8>>,
    ) -> SignedLayer {
        let content = (!self.detached).then(|| content.clone());
        let tail = self.tail(infos);
        let around = (fields_before(&digests), crate::octets::length(&tail));
        SignedLayer {
            head: head(around, content.as_ref().map(Octets::len)),
            content,
            tail,
            digests,
        }
    }

    /// certificates and signerInfos.
    fn tail(&self, infos: Vec<Vec<u8>>) -> Vec<u8> {
        let mut tail = Vec::new();
        if !self.certificates.is_empty() {
            let certificates = self.certificates.iter().map(|der| der.to_vec()).collect();
            tail = build::set_of(certificates);
            if let Some(first) = tail.first_mut() {
                *first = tag::context(0);
            }
        }
        tail.append(&mut build::set_of(infos));
        tail
    }

    /// Reads back what stands around the content, and verifies each signature.
    fn check_back(
        &self,
        layer: &SignedLayer,
        content: &View,
        digests: &ContentDigests,
        (provider, limits): (&Provider, &Limits),
    ) -> Result<(), SignError> {
        let signed = self.read_back(layer, limits).map_err(SignError::ReadBack)?;
        let mut budget = Budget::new(limits);
        let against = SignedContent {
            content_type: signed.content_type,
            octets: content,
            digests,
        };
        let mut unchecked: Vec<&SignerInfo> = signed.signers.iter().collect();
        for plan in self.signers {
            let named = |info: &&SignerInfo| plan.certificate.is_named(info.sid.key_name());
            // Two of one certificate are two signatures, each of which is checked.
            let Some(place) = unchecked.iter().position(named) else {
                let lost = CmsError::field("SignedData.signerInfos", "a signer of ours is lost");
                return Err(SignError::ReadBack(lost));
            };
            let info = unchecked.swap_remove(place);
            let spki = plan.certificate.spki();
            let own = plan.key.own_verification(&plan.algorithm);
            let verification = own
                .filter(|_| plan.key.spki() == spki)
                .unwrap_or(provider.verification);
            let key = (plan.certificate, spki);
            let _verified =
                verify::verify_signer_by(verification, info, against, key, provider, &mut budget)
                    .map_err(|source| SignError::VerifyBack {
                    certificate: plan.certificate.subject_name().to_owned(),
                    source,
                })?;
        }
        Ok(())
    }

    fn read_back(&self, layer: &SignedLayer, limits: &Limits) -> Result<SignedData, CmsError> {
        // The parser reads what stands around the content, and nothing of the content itself.
        let head = View::owned(layer.head.clone());
        let tail = View::owned(layer.tail.clone());
        let pieces = [Some(head), layer.content.clone(), Some(tail)];
        let around = Chain::of(pieces.into_iter().flatten());
        let Cms::Signed(signed) = ContentInfo::read(&around, limits)?.cms else {
            return Err(CmsError::field("ContentInfo", "it is no SignedData"));
        };
        if signed.signers.len() != self.signers.len() || signed.content.is_some() == self.detached {
            return Err(CmsError::field("SignedData", "a part of it is lost"));
        }
        Ok(signed)
    }
}

/// version and digestAlgorithms.
fn fields_before(digests: &[DigestAlgorithm]) -> Vec<u8> {
    let algorithms = digests.iter().copied().map(identifiers::encode_digest);
    // id-data, and only issuerAndSerialNumber: version 1 (RFC 5652 §5.1).
    let version = tlv::element(tag::INTEGER, &[&[1]]);
    [version, build::set_of(algorithms.collect())].concat()
}

/// All that stands before `content` octets of content, with the lengths of all that follows: the
/// fields before it, and as many octets as come after it.
fn head((before, after): (Vec<u8>, u64), content: Option<u64>) -> Vec<u8> {
    let content_type = tlv::element(tag::OBJECT_IDENTIFIER, &[ID_DATA.as_bytes()]);
    let string = content.map_or(0, wrapped);
    let explicit = content.map_or(0, |_| wrapped(string));
    let encapsulated = crate::octets::length(&content_type) + explicit;
    let signed_data = crate::octets::length(&before) + wrapped(encapsulated) + after;
    let oid = tlv::element(tag::OBJECT_IDENTIFIER, &[ID_SIGNED_DATA.as_bytes()]);
    let info = crate::octets::length(&oid) + wrapped(wrapped(signed_data));
    let mut head = Vec::new();
    tlv::write_wide_header(&mut head, tag::SEQUENCE, info);
    head.extend(oid);
    tlv::write_wide_header(&mut head, tag::context(0), wrapped(signed_data));
    tlv::write_wide_header(&mut head, tag::SEQUENCE, signed_data);
    head.extend(before);
    tlv::write_wide_header(&mut head, tag::SEQUENCE, encapsulated);
    head.extend(content_type);
    if let Some(octets) = content {
        tlv::write_wide_header(&mut head, tag::context(0), string);
        tlv::write_wide_header(&mut head, tag::OCTET_STRING, octets);
    }
    head
}

fn signer_info(
    plan: &SignerPlan<'_>,
    digests: &ContentDigests,
    limits: &Limits,
) -> Result<Vec<u8>, SignError> {
    let digest = digest_to_write(&plan.algorithm);
    let digest_identifier = identifiers::encode_digest(digest);
    let signature_identifier = identifiers::encode_signer_signature(&plan.algorithm)
        .ok_or_else(|| SignError::Unwritten(plan.algorithm.to_string()))?;
    let digest = digests.by(digest).unwrap_or_default();
    let identifiers = (&*digest_identifier, &*signature_identifier);
    let mut signed = signed_attributes(plan, digest, identifiers, limits)?;
    let message = Message::Octets(&signed);
    let signature = plan.key.sign(&plan.algorithm, message);
    let signature = signature.map_err(|source| SignError::Key {
        certificate: plan.certificate.subject_name().to_owned(),
        algorithm: plan.algorithm.to_string(),
        source,
    })?;
    if let Some(first) = signed.first_mut() {
        // [0] IMPLICIT in the message, SET OF in what is signed (RFC 5652 §5.4).
        *first = tag::context(0);
    }
    let serial = tlv::element(tag::INTEGER, &[plan.certificate.serial()]);
    let sid = tlv::element(tag::SEQUENCE, &[plan.certificate.issuer(), &serial]);
    let version = tlv::element(tag::INTEGER, &[&[1]]);
    let signature = tlv::element(tag::OCTET_STRING, &[&signature]);
    let parts: [&[u8]; 6] = [
        &version,
        &sid,
        &digest_identifier,
        &signed,
        &signature_identifier,
        &signature,
    ];
    Ok(tlv::element(tag::SEQUENCE, &parts))
}

/// The SET OF signed attributes, as it is signed; `digest` is that of the content.
fn signed_attributes(
    plan: &SignerPlan<'_>,
    digest: &[u8],
    (digest_identifier, signature_identifier): (&[u8], &[u8]),
    limits: &Limits,
) -> Result<Vec<u8>, SignError> {
    let certificate = plan.certificate;
    let mut signed = vec![
        build::content_type(ID_DATA),
        build::message_digest(digest),
        build::cms_algorithm_protection(digest_identifier, signature_identifier)?,
        build::signing_certificate_v2(
            certificate.sha256(),
            certificate.issuer(),
            certificate.serial(),
        )?,
    ];
    if let Some(time) = plan.signing_time {
        signed.push(build::signing_time(time.unix())?);
    }
    if !plan.capabilities.is_empty() {
        signed.push(build::smime_capabilities(plan.capabilities));
    }
    if !plan.types.is_empty() {
        signed.push(build::signature_type(plan.types, plan.type_oid)?);
    }
    for attribute in plan.attributes {
        signed.push(build::raw(attribute, limits)?);
    }
    Ok(build::set_of(signed))
}

/// The digest that stands beside a signature algorithm: its own; for Ed25519, SHA-512 (RFC 8419 §3.1).
fn digest_to_write(algorithm: &SignatureAlgorithm) -> DigestAlgorithm {
    algorithm.digest().unwrap_or(DigestAlgorithm::Sha512)
}

/// The octets of an element around content of `length` octets.
fn wrapped(length: u64) -> u64 {
    length + tlv::wide_header_length(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto;

    struct Owner {
        certificate: Certificate,
        key: Box<dyn PrivateKey>,
    }

    fn pem(text: &str) -> Vec<u8> {
        let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
        base64_simd::STANDARD.decode_to_vec(body).unwrap()
    }

    macro_rules! owner {
        ($name:literal) => {{
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/certs/", $name);
            let read = |ending| std::fs::read_to_string(format!("{path}{ending}")).unwrap();
            let key = crypto::provider()
                .private_keys
                .read(&pem(&read(".key")))
                .unwrap();
            Owner {
                certificate: Certificate::parse(&pem(&read(".pem"))).unwrap(),
                key,
            }
        }};
    }

    fn plan<'a>(owner: &'a Owner, types: &'a [SignatureType]) -> SignerPlan<'a> {
        SignerPlan {
            certificate: &owner.certificate,
            key: &*owner.key,
            algorithm: SignerPlan::default_algorithm(owner.certificate.spki()).unwrap(),
            types,
            type_oid: SignatureTypeOid::Registered,
            signing_time: Time::from_unix(1_800_000_000),
            capabilities: &[],
            attributes: &[],
        }
    }

    fn sign(plan: &SignedDataPlan<'_>, content: &View) -> Result<Vec<u8>, SignError> {
        let layer = plan.sign(content, crypto::provider(), &Limits::default())?;
        Ok(layer.into_view().to_vec(usize::MAX).unwrap().unwrap())
    }

    fn read(der: &[u8]) -> SignedData {
        let info = ContentInfo::read(&View::owned(der.to_vec()), &Limits::default()).unwrap();
        assert_eq!(info.trailing, 0);
        match info.cms {
            Cms::Signed(signed) => signed,
            other @ (Cms::Compressed(_) | Cms::Enveloped(_)) => {
                panic!("{other:?} is no SignedData")
            }
        }
    }

    fn verify_all(
        signed: &SignedData,
        content: &View,
        owners: &[&Owner],
    ) -> Result<(), SignatureError> {
        let provider = crypto::provider();
        let digests = ContentDigests::for_signers(content, &signed.signers, provider).unwrap();
        let mut budget = Budget::new(&Limits::default());
        for (info, owner) in signed.signers.iter().zip(owners) {
            let against = SignedContent {
                content_type: signed.content_type,
                octets: content,
                digests: &digests,
            };
            let key = (&owner.certificate, owner.certificate.spki());
            let _verified = verify::verify_signer(info, against, key, provider, &mut budget)?;
        }
        Ok(())
    }

    const CONTENT: &[u8] = b"Content-Type: text/plain\r\n\r\nHello\r\n";

    #[test]
    fn every_kind_of_key_signs_what_verifies() {
        let content = View::owned(CONTENT.to_vec());
        for owner in [
            owner!("alice"),
            owner!("carol"),
            owner!("dave"),
            owner!("frank"),
            owner!("grace"),
        ] {
            for detached in [false, true] {
                let signers = [plan(&owner, &[])];
                let certificates = [owner.certificate.der()];
                let plan = SignedDataPlan {
                    signers: &signers,
                    certificates: &certificates,
                    detached,
                };
                let signed = read(&sign(&plan, &content).unwrap());
                assert_eq!(signed.content.is_none(), detached);
                assert_eq!(signed.certificates, [owner.certificate.der()]);
                verify_all(&signed, &content, &[&owner]).unwrap();
                let changed = View::owned(b"Content-Type: text/plain\r\n\r\nhello\r\n".to_vec());
                let error = verify_all(&signed, &changed, &[&owner]).unwrap_err();
                assert!(matches!(error, SignatureError::Digest { .. }), "{error}");
            }
        }
    }

    /// Those that a key does not check for itself as well.
    #[test]
    fn a_key_signs_with_every_digest_that_its_library_has() {
        use crate::crypto::DigestAlgorithm::{Sha256, Sha384, Sha512};
        let content = View::owned(CONTENT.to_vec());
        let (rsa, p256) = (owner!("alice"), owner!("carol"));
        for digest in [Sha256, Sha384, Sha512] {
            for (owner, algorithm) in [
                (&rsa, SignatureAlgorithm::RsaPkcs1(digest)),
                (
                    &rsa,
                    SignatureAlgorithm::RsaPss(PssParameters::plain(digest)),
                ),
                (&p256, SignatureAlgorithm::Ecdsa(digest)),
            ] {
                let signers = [SignerPlan {
                    algorithm,
                    ..plan(owner, &[])
                }];
                let plan = SignedDataPlan {
                    signers: &signers,
                    certificates: &[],
                    detached: false,
                };
                let signed = read(&sign(&plan, &content).unwrap());
                verify_all(&signed, &content, &[owner]).unwrap();
            }
        }
    }

    #[test]
    fn a_signature_by_another_key_does_not_verify() {
        let content = View::owned(CONTENT.to_vec());
        let (alice, bob) = (owner!("alice"), owner!("bob"));
        let signers = [SignerPlan {
            key: &*bob.key,
            ..plan(&alice, &[])
        }];
        let plan = SignedDataPlan {
            signers: &signers,
            certificates: &[],
            detached: false,
        };
        let error = sign(&plan, &content).unwrap_err();
        assert!(matches!(error, SignError::VerifyBack { .. }), "{error}");
        // Not even beside a good one of the same certificate, whichever comes first.
        for good in [0, 1] {
            let mut signers = [plan.signers, plan.signers].concat();
            signers[good].key = &*alice.key;
            let plan = SignedDataPlan {
                signers: &signers,
                ..plan.clone()
            };
            let error = sign(&plan, &content).unwrap_err();
            assert!(matches!(error, SignError::VerifyBack { .. }), "{error}");
        }
    }

    #[test]
    fn the_empty_signature_has_content_and_no_signers() {
        let content = View::owned(CONTENT.to_vec());
        let plan = SignedDataPlan {
            signers: &[],
            certificates: &[],
            detached: false,
        };
        let signed = read(&sign(&plan, &content).unwrap());
        assert!(signed.signers.is_empty() && signed.digest_algorithms.is_empty());
        assert_eq!((signed.content_type, signed.version), (ID_DATA, 1));
        assert_eq!(
            signed.content.unwrap().to_vec(99).unwrap().unwrap(),
            CONTENT
        );
        let plan = SignedDataPlan {
            detached: true,
            ..plan
        };
        assert!(matches!(
            sign(&plan, &content),
            Err(SignError::EmptyDetached)
        ));
    }

    #[test]
    fn several_signers_stand_side_by_side() {
        let content = View::owned(CONTENT.to_vec());
        let (alice, carol) = (owner!("alice"), owner!("carol"));
        let types = [SignatureType::Originator];
        let signers = [plan(&alice, &types), plan(&carol, &types)];
        let plan = SignedDataPlan {
            signers: &signers,
            certificates: &[],
            detached: false,
        };
        let signed = read(&sign(&plan, &content).unwrap());
        assert_eq!(signed.signers.len(), 2);
        for info in &signed.signers {
            assert_eq!(info.types(), types);
            assert_eq!(info.signing_time(), Time::from_unix(1_800_000_000));
        }
    }

    #[test]
    fn what_must_encapsulate_is_never_detached() {
        let content = View::owned(CONTENT.to_vec());
        let alice = owner!("alice");
        for kind in SignatureType::ALL {
            let types = [kind];
            let signers = [plan(&alice, &types)];
            let plan = SignedDataPlan {
                signers: &signers,
                certificates: &[],
                detached: true,
            };
            assert_eq!(
                sign(&plan, &content).is_err(),
                kind.must_encapsulate(),
                "{kind:?}"
            );
        }
    }

    #[test]
    fn nothing_stands_beside_attributes_and_signers_do_not_differ() {
        let content = View::owned(CONTENT.to_vec());
        let alice = owner!("alice");
        let both = [SignatureType::AdditionalAttributes, SignatureType::Review];
        let signers = [plan(&alice, &both)];
        let beside = SignedDataPlan {
            signers: &signers,
            certificates: &[],
            detached: false,
        };
        assert!(matches!(
            sign(&beside, &content),
            Err(SignError::SignatureType(_))
        ));
        let carol = owner!("carol");
        let signers = [plan(&alice, &[SignatureType::Domain]), plan(&carol, &[])];
        let differ = SignedDataPlan {
            signers: &signers,
            certificates: &[],
            detached: false,
        };
        assert!(matches!(
            sign(&differ, &content),
            Err(SignError::SignatureType(_))
        ));
    }

    #[test]
    fn attributes_of_the_caller_are_written_byte_for_byte() {
        let content = View::owned(CONTENT.to_vec());
        let alice = owner!("alice");
        // contentHints with a description, as anybody might have made it.
        let hints = build::raw(
            &tlv::element(
                tag::SEQUENCE,
                &[
                    &tlv::element(
                        tag::OBJECT_IDENTIFIER,
                        &[&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 0x10, 2, 4]],
                    ),
                    &tlv::element(
                        tag::SET,
                        &[&tlv::element(
                            tag::SEQUENCE,
                            &[&tlv::element(tag::OBJECT_IDENTIFIER, &[ID_DATA.as_bytes()])],
                        )],
                    ),
                ],
            ),
            &Limits::default(),
        )
        .unwrap();
        let attributes = [hints.clone()];
        let signers = [SignerPlan {
            attributes: &attributes,
            ..plan(&alice, &[])
        }];
        let plan = SignedDataPlan {
            signers: &signers,
            certificates: &[],
            detached: false,
        };
        let signed = read(&sign(&plan, &content).unwrap());
        let written = signed.signers[0].signed_attributes.as_ref().unwrap();
        assert!(written.iter().any(|attribute| attribute.raw() == hints));
    }

    #[test]
    fn signed_attributes_passed_off_as_content_are_refused() {
        let content = View::owned(CONTENT.to_vec());
        let alice = owner!("alice");
        let signers = [plan(&alice, &[])];
        let plan = SignedDataPlan {
            signers: &signers,
            certificates: &[],
            detached: false,
        };
        let mut forged = read(&sign(&plan, &content).unwrap());
        let attributes = forged.signers[0]
            .signed_attributes
            .take()
            .unwrap()
            .der_for_signature();
        let error = verify_all(&forged, &View::owned(attributes), &[&alice]).unwrap_err();
        assert!(
            matches!(error, SignatureError::LooksLikeAttributes),
            "{error}"
        );
    }

    #[test]
    fn content_in_many_pieces_is_read_back_without_a_copy() {
        let content = View::owned(vec![7; 300_000]).join([0..1000, 5000..5001, 70_000..270_000]);
        let alice = owner!("alice");
        let signers = [plan(&alice, &[])];
        let plan = SignedDataPlan {
            signers: &signers,
            certificates: &[],
            detached: false,
        };
        let signed = read(&sign(&plan, &content).unwrap());
        verify_all(&signed, &content, &[&alice]).unwrap();
    }
}
