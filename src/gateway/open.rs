//! Peels a message: MIME and CMS in turn, from the outermost layer to the content.
//!
//! Nothing is judged here, and nothing merged: what stood in an encrypted layer is the whole of what
//! it holds, and parts beside it stay beside it (EFAIL). Every layer, part and key operation is
//! counted against [`Limits`].

use std::io;
use std::io::Write;

use crate::cms::CmsError;
use crate::cms::compressed_data::CompressedData;
use crate::cms::compressed_data::DecompressError;
use crate::cms::content_info::Cms;
use crate::cms::content_info::ContentInfo;
use crate::cms::content_info::ID_DATA;
use crate::cms::content_info::content_type_name;
use crate::cms::content_key::content_key;
use crate::cms::decrypt::decrypt;
use crate::cms::enveloped_data::EnvelopedData;
use crate::cms::signed_data::SignedData;
use crate::crypto::Keys;
use crate::crypto::Provider;
use crate::limits::Budget;
use crate::limits::LimitError;
use crate::limits::Limits;
use crate::mime::Entity;
use crate::mime::Field;
use crate::mime::Header;
use crate::mime::InputKind;
use crate::mime::MimeError;
use crate::mime::SmimeType;
use crate::mime::canonical::Canonical;
use crate::mime::multipart::MultipartDefect;
use crate::notation::Layer;
use crate::notation::Layers;
use crate::notation::Marks;
use crate::octets::Octets;
use crate::octets::Spool;
use crate::octets::View;

/// A message, entity or bare CMS, taken apart.
#[derive(Debug)]
pub struct Opened {
    /// The header of the message or entity; `None` for bare CMS.
    pub header: Option<Header>,
    /// The outermost layer, or the content where there is none.
    pub root: Node,
}

/// One layer, or the content.
#[derive(Debug)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// The header that it came with; `None` where it is no MIME entity.
    pub header: Option<Header>,
    /// Its media type in lower case, where it is a MIME entity that has one.
    pub media_type: Option<String>,
    /// Octets of the content, of the signed content, or of the ciphertext.
    pub octets: u64,
    /// All of it as it stands in what holds it: entity, structure or octets.
    pub raw: View,
    /// What is wrong with this layer.
    pub error: Option<OpenError>,
}

/// What a [`Node`] is.
#[derive(Debug)]
pub enum Kind {
    /// CompressedData.
    Compressed(Option<Box<Node>>),
    /// Neither signed, enveloped nor compressed as a whole; with the S/MIME inside its parts.
    Content(Vec<Node>),
    /// EnvelopedData or AuthEnvelopedData, with what was inside if a key of ours opened it.
    Enveloped(Box<EnvelopedData>, Option<Box<Node>>),
    /// SignedData.
    Signed(Box<SignedNode>),
}

/// A signed layer.
#[derive(Debug)]
pub struct SignedNode {
    /// The structure.
    pub data: SignedData,
    /// What readers could differ about in the multipart/signed.
    pub defects: Vec<MultipartDefect>,
    /// Whether the content stands outside of it (`multipart/signed`, or a bare detached signature).
    pub detached: bool,
    /// What the signatures cover; `None` when the content is not at hand.
    pub covered: Option<View>,
    /// What is inside; `None` when the content is not at hand.
    pub child: Option<Box<Node>>,
}

/// Why a layer could not be peeled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The CMS structure is malformed.
    #[error(transparent)]
    Cms(#[from] CmsError),
    /// The content does not decompress, or to more than is allowed.
    #[error(transparent)]
    Compression(#[from] DecompressError),
    /// A key of ours is named, and the layer does not open. Deliberately says no more: whoever sent
    /// it must not learn why (DESIGN, decision 4).
    #[error("a key of ours is named, but the layer cannot be decrypted")]
    Decryption,
    /// A bare signature without what it signs.
    #[error("the signature is detached, and its content is not here")]
    ContentElsewhere,
    /// RFC 8551 §3.5.3.1: readers would differ about which content is meant.
    #[error("the signature of a multipart/signed holds content of its own beside the signed part")]
    ContentTwice,
    /// A bound was passed.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The MIME around it is malformed.
    #[error(transparent)]
    Mime(#[from] MimeError),
    /// RFC 1847 §2.1: exactly two parts.
    #[error("multipart/signed has {found} parts, not the signed one and its signature")]
    Parts {
        /// How many it has.
        found: usize,
    },
    /// The octets could not be read or spooled; the same message may open later.
    #[error("octets of the message could not be read")]
    Read(#[from] io::Error),
    /// Octets that one reader passes over and another may show: they are in no layer.
    #[error("{octets} octets follow the CMS structure, which not all readers pass over")]
    Trailing {
        /// How many.
        octets: u64,
    },
    /// The CMS is not what the media type says.
    #[error("media type says {said}, but there is {found}")]
    Type {
        /// From the media type.
        said: &'static str,
        /// From the structure.
        found: &'static str,
    },
}

impl OpenError {
    /// Whether it says nothing about the message: a bound of ours, octets that could not be read, or
    /// a layer that does not open. What is inside is then not known, and not wrong.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        match self {
            Self::Cms(error) => matches!(error, CmsError::Limit(_) | CmsError::Read(_)),
            Self::Compression(error) => {
                matches!(error, DecompressError::Limit(_) | DecompressError::Io(_))
            }
            Self::Decryption | Self::Limit(_) | Self::Read(_) => true,
            Self::Mime(error) => matches!(error, MimeError::Limit(_) | MimeError::Io(_)),
            Self::ContentElsewhere
            | Self::ContentTwice
            | Self::Parts { .. }
            | Self::Trailing { .. }
            | Self::Type { .. } => false,
        }
    }
}

/// What peeling needs.
#[derive(Clone, Copy, Debug)]
pub struct Opener<'a> {
    /// Our private keys.
    pub keys: &'a dyn Keys,
    /// Cryptography.
    pub provider: &'a Provider,
    /// Bounds.
    pub limits: &'a Limits,
    /// Where decoded and decrypted octets go.
    pub spool: &'a dyn Spool,
}

impl Opener<'_> {
    /// Peels a message, a MIME entity, or CMS as DER, BER or PEM, told apart by content.
    #[must_use]
    pub fn open(&self, octets: &View, budget: &mut Budget) -> Opened {
        match InputKind::of(octets, self.spool, self.limits) {
            Ok(InputKind::Cms(der) | InputKind::Der(der) | InputKind::Pem { der, .. }) => Opened {
                header: None,
                root: self.peel_cms(der, 0, budget),
            },
            Ok(InputKind::Entity(entity) | InputKind::Message(entity)) => {
                let header = Some(entity.header.clone());
                Opened {
                    header,
                    root: self.peel_entity(entity, 0, budget),
                }
            }
            Ok(InputKind::Unknown) => Opened {
                header: None,
                root: plain(octets.clone()),
            },
            Err(error) => Opened {
                header: None,
                root: broken(octets.clone(), error.into()),
            },
        }
    }

    pub(super) fn peel_entity(&self, entity: Entity, depth: usize, budget: &mut Budget) -> Node {
        let header = entity.header.clone();
        let media_type = entity
            .media_type()
            .ok()
            .map(|media_type| media_type.essence());
        let (raw, octets) = (entity.raw.clone(), entity.body.len());
        let peeled = LimitError::check("number of layers", depth, self.limits.layers)
            .map_err(OpenError::from)
            .and_then(|()| self.peel_typed(entity, depth, budget));
        let node = peeled.unwrap_or_else(|error| Node {
            octets,
            ..broken(raw.clone(), error)
        });
        Node {
            header: Some(header),
            media_type,
            raw,
            ..node
        }
    }

    fn peel_typed(
        &self,
        entity: Entity,
        depth: usize,
        budget: &mut Budget,
    ) -> Result<Node, OpenError> {
        match self.smime_type(&entity)? {
            Some(SmimeType::MultipartSigned { .. }) => self.peel_multipart(&entity, depth, budget),
            Some(SmimeType::Pkcs7Mime { .. }) => {
                let decoded = entity.decoded(self.spool)?;
                Ok(self.peel_cms(decoded, depth, budget))
            }
            Some(SmimeType::Pkcs7Signature) | None => self.peel_parts(&entity, depth, budget),
        }
    }

    /// multipart/signed (RFC 1847 §2.1, RFC 8551 §3.5.3).
    fn peel_multipart(
        &self,
        entity: &Entity,
        depth: usize,
        budget: &mut Budget,
    ) -> Result<Node, OpenError> {
        let multipart = entity.multipart(self.limits)?;
        let found = multipart
            .as_ref()
            .map(|multipart| multipart.parts.as_slice());
        let (Some([content, signature]), Some(multipart)) = (found, &multipart) else {
            let found = found.map_or(0, <[View]>::len);
            return Err(OpenError::Parts { found });
        };
        let (data, trailing) = self.detached_signature(signature)?;
        let error = data.content.is_some().then_some(OpenError::ContentTwice);
        let mut defects = multipart.defects.clone();
        if SmimeType::of(entity)?.is_none() {
            defects.push(MultipartDefect::Protocol);
        }
        // The line ends that were signed are CRLF (RFC 8551 §3.1.1), however the file keeps them.
        let covered = self.canonical(content)?;
        let child = match Entity::parse(content, self.limits) {
            Ok(inner) => self.peel_entity(inner, depth + 1, budget),
            Err(error) => broken(content.clone(), error.into()),
        };
        let octets = covered.len();
        let signed = SignedNode {
            data,
            defects,
            detached: true,
            covered: Some(covered),
            child: Some(Box::new(child)),
        };
        Ok(Node {
            error: error.or(trailing),
            octets,
            ..bare(Kind::Signed(Box::new(signed)), entity.raw.clone())
        })
    }

    /// The SignedData of the second part, and the error of what follows it.
    fn detached_signature(
        &self,
        part: &View,
    ) -> Result<(SignedData, Option<OpenError>), OpenError> {
        let signature = Entity::parse(part, self.limits)?;
        if SmimeType::of(&signature)? != Some(SmimeType::Pkcs7Signature) {
            return Err(OpenError::Type {
                said: "multipart/signed with an S/MIME protocol",
                found: "a second part that is no application/pkcs7-signature",
            });
        }
        let signature = signature.decoded(self.spool)?;
        let info = ContentInfo::read(&signature, self.limits)?;
        let trailing = trailing(&signature, &info)?;
        let Cms::Signed(data) = info.cms else {
            return Err(OpenError::Type {
                said: "application/pkcs7-signature",
                found: "no SignedData",
            });
        };
        Ok((data, trailing))
    }

    /// The octets that a detached signature covers; a copy only where line ends must be changed.
    fn canonical(&self, content: &View) -> Result<View, OpenError> {
        let canonical = Canonical::of(content)?;
        if !canonical.is_converted() {
            return Ok(content.clone());
        }
        let mut spool = self.spool.start()?;
        canonical.windows(|window| spool.write_all(window))?;
        Ok(View::whole(spool.finish()?))
    }

    fn peel_cms(&self, octets: View, depth: usize, budget: &mut Budget) -> Node {
        let peeled = LimitError::check("number of layers", depth, self.limits.layers)
            .map_err(OpenError::from)
            .and_then(|()| {
                let info = ContentInfo::read(&octets, self.limits)?;
                Ok((trailing(&octets, &info)?, info.cms))
            });
        let (trailing, cms) = match peeled {
            Ok(peeled) => peeled,
            Err(error) => return broken(octets, error),
        };
        let node = match cms {
            Cms::Compressed(compressed) => self.peel_compressed(&compressed, depth, budget),
            Cms::Enveloped(enveloped) => self.peel_enveloped(enveloped, depth, budget),
            Cms::Signed(data) => self.peel_signed(data, depth, budget),
        };
        Node {
            raw: octets,
            // That something is wrong counts more than that something is missing.
            error: trailing.or(node.error),
            ..node
        }
    }

    fn peel_signed(&self, data: SignedData, depth: usize, budget: &mut Budget) -> Node {
        let covered = data.content.clone();
        let octets = covered.as_ref().map_or(0, Octets::len);
        // Certificates alone (RFC 8551 §3.8) have no content, and nobody who signs any.
        let error =
            (covered.is_none() && !data.signers.is_empty()).then_some(OpenError::ContentElsewhere);
        let is_data = data.content_type == ID_DATA;
        let child = covered.clone().map(|content| {
            Box::new(if is_data {
                self.peel_content(content, depth + 1, budget)
            } else {
                let media_type = Some(content_type_name(data.content_type));
                Node {
                    media_type,
                    ..plain(content)
                }
            })
        });
        let signed = SignedNode {
            detached: covered.is_none(),
            data,
            defects: Vec::new(),
            covered,
            child,
        };
        Node {
            error,
            octets,
            ..bare(Kind::Signed(Box::new(signed)), View::owned(Vec::new()))
        }
    }

    fn peel_enveloped(&self, enveloped: EnvelopedData, depth: usize, budget: &mut Budget) -> Node {
        let octets = enveloped.encrypted_content.as_ref().map_or(0, Octets::len);
        let (inside, error) = match self.decrypted(&enveloped, budget) {
            Ok(Some(content)) => (Some(self.peel_content(content, depth + 1, budget)), None),
            Ok(None) => (None, None),
            Err(error) => (None, Some(error)),
        };
        let kind = Kind::Enveloped(Box::new(enveloped), inside.map(Box::new));
        Node {
            error,
            octets,
            ..bare(kind, View::owned(Vec::new()))
        }
    }

    /// What is inside; `None` when no key of ours is named.
    fn decrypted(
        &self,
        enveloped: &EnvelopedData,
        budget: &mut Budget,
    ) -> Result<Option<View>, OpenError> {
        let Some(key) = content_key(enveloped, self.keys, budget, self.provider) else {
            return Ok(None);
        };
        // One outward error for every cause (RFC 3218, EFAIL).
        let key = key.map_err(|_| OpenError::Decryption)?;
        let ciphertext = enveloped.encrypted_content.as_ref();
        let mut spool = self.spool.start_for(ciphertext.map_or(0, Octets::len))?;
        decrypt(enveloped, &key, self.provider, &mut *spool).map_err(|_| OpenError::Decryption)?;
        Ok(Some(View::whole(spool.finish()?)))
    }

    fn peel_compressed(
        &self,
        compressed: &CompressedData,
        depth: usize,
        budget: &mut Budget,
    ) -> Node {
        let inflated = self
            .spool
            .start()
            .map_err(OpenError::from)
            .and_then(|mut spool| {
                compressed.decompress(budget, &mut *spool)?;
                Ok(View::whole(spool.finish()?))
            });
        let (inside, error) = match inflated {
            Ok(content) => (Some(self.peel_content(content, depth + 1, budget)), None),
            Err(error) => (None, Some(error)),
        };
        let octets = compressed.content.as_ref().map_or(0, Octets::len);
        Node {
            error,
            octets,
            ..bare(
                Kind::Compressed(inside.map(Box::new)),
                View::owned(Vec::new()),
            )
        }
    }

    /// What a CMS layer holds: a MIME entity (RFC 8551 §3.1), or octets that are none.
    fn peel_content(&self, content: View, depth: usize, budget: &mut Budget) -> Node {
        match Entity::parse(&content, self.limits) {
            Ok(entity) if is_entity(&entity) => self.peel_entity(entity, depth, budget),
            Ok(_) => plain(content),
            Err(error) => broken(content, error.into()),
        }
    }
}

impl Node {
    /// The layer beneath, where there is one that could be opened.
    #[must_use]
    pub fn child(&self) -> Option<&Self> {
        match &self.kind {
            Kind::Compressed(child) | Kind::Enveloped(_, child) => child.as_deref(),
            Kind::Content(..) => None,
            Kind::Signed(signed) => signed.child.as_deref(),
        }
    }

    /// Forgets what is inside the layer with that index, counted from this one: it is as if no key had
    /// opened it, and nothing tells the one from the other (DESIGN, decision 4).
    pub(super) fn close(&mut self, index: usize) {
        let mut node = self;
        for _ in 0..index {
            let child = match &mut node.kind {
                Kind::Compressed(child) | Kind::Enveloped(_, child) => child.as_deref_mut(),
                Kind::Content(..) => None,
                Kind::Signed(signed) => signed.child.as_deref_mut(),
            };
            let Some(child) = child else { return };
            node = child;
        }
        if let Kind::Enveloped(_, inside) = &mut node.kind {
            *inside = None;
            node.error = Some(OpenError::Decryption);
        }
    }

    /// Forgets what is inside every layer in the parts of the content whose encryption does not protect
    /// its integrity: nobody is shown it, and whether it decrypts is nobody's business.
    pub(super) fn close_parts(&mut self) {
        let mut open: Vec<(&mut Self, bool)> = vec![(self, false)];
        while let Some((node, in_part)) = open.pop() {
            match &mut node.kind {
                Kind::Enveloped(enveloped, inside) => {
                    if in_part && !enveloped.authenticated && inside.is_some() {
                        *inside = None;
                        node.error = Some(OpenError::Decryption);
                    } else {
                        open.extend(inside.as_deref_mut().map(|child| (child, in_part)));
                    }
                }
                Kind::Compressed(child) => {
                    open.extend(child.as_deref_mut().map(|child| (child, in_part)));
                }
                Kind::Signed(signed) => {
                    open.extend(signed.child.as_deref_mut().map(|child| (child, in_part)));
                }
                Kind::Content(parts) => open.extend(parts.iter_mut().map(|part| (part, true))),
            }
        }
    }

    /// This node and all beneath it, outermost first; parts are not followed.
    pub fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |node| node.child())
    }

    /// The index of the first layer right inside that with the index `layer`, compression passed over.
    pub(super) fn right_inside(&self, layer: usize) -> Option<usize> {
        let mut inside = self.chain().enumerate().skip(layer + 1);
        let found = inside.find(|(_, node)| !matches!(node.kind, Kind::Compressed(_)));
        found.map(|(index, _)| index)
    }

    /// The notation of the layers from here on.
    #[must_use]
    pub fn layers(&self) -> Layers {
        let letters = self.chain().map(|node| match &node.kind {
            Kind::Compressed(_) => Layer::Compressed,
            Kind::Content(..) => Layer::Content,
            Kind::Enveloped(..) => Layer::Enveloped,
            Kind::Signed(signed) => Layer::Signed(signed.marks()),
        });
        let mut letters: Vec<Layer> = letters.collect();
        // A signature without its content, or a layer that does not open otherwise, ends in C; an
        // E that no key opens is the last letter itself.
        if matches!(letters.last(), Some(Layer::Signed(_) | Layer::Compressed)) {
            letters.push(Layer::Content);
        }
        Layers::new(letters).unwrap_or_else(|_| Layers::content())
    }
}

impl SignedNode {
    /// What the notation puts into brackets.
    #[must_use]
    pub fn marks(&self) -> Marks {
        if self.data.signers.is_empty() {
            return Marks::EMPTY;
        }
        let mut marks = Marks::NONE;
        for signer in &self.data.signers {
            for kind in signer.types() {
                marks = marks.with(Marks::of(kind));
            }
            if signer.has_ml_expansion_history() {
                marks = marks.with(Marks::ML);
            }
        }
        marks
    }
}

/// The error of octets after the structure, but for line ends: mail systems end a body with one, and
/// no reader shows them.
fn trailing(octets: &View, info: &ContentInfo) -> Result<Option<OpenError>, OpenError> {
    let rest = octets.slice(octets.len() - info.trailing..octets.len());
    let mut is_blank = true;
    rest.windows(|window| {
        is_blank &= window.iter().all(|octet| matches!(octet, b'\r' | b'\n'));
        Ok::<(), OpenError>(())
    })?;
    let octets = info.trailing;
    Ok((!is_blank).then_some(OpenError::Trailing { octets }))
}

/// Whether it has fields that a MIME entity has, and is not just octets that happen to look so.
pub(super) fn is_entity(entity: &Entity) -> bool {
    let known =
        |field: Field<'_>| field.is_content() || field.is("MIME-Version") || field.is("From");
    entity.header.fields().any(known)
}

pub(super) fn bare(kind: Kind, raw: View) -> Node {
    let octets = raw.len();
    Node {
        kind,
        header: None,
        media_type: None,
        octets,
        raw,
        error: None,
    }
}

fn plain(octets: View) -> Node {
    bare(Kind::Content(Vec::new()), octets)
}

pub(super) fn broken(octets: View, error: OpenError) -> Node {
    Node {
        error: Some(error),
        ..plain(octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cms::compressed_data::compress;
    use crate::crypto;
    use crate::crypto::KeyName;
    use crate::crypto::PrivateKey;
    use crate::octets::Memory;

    #[derive(Debug)]
    struct NoKeys;

    impl Keys for NoKeys {
        fn find(&self, _: KeyName<'_>) -> Option<&dyn PrivateKey> {
            None
        }
    }

    #[test]
    fn parts_that_each_decompress_share_one_bound() {
        let mut der = Vec::new();
        compress(&View::owned(vec![b'x'; 1000]), &mut der).unwrap();
        let head = b"--b\r\nContent-Type: application/pkcs7-mime; smime-type=compressed-data\r\n\
                     Content-Transfer-Encoding: binary\r\n\r\n";
        let part = [head.as_slice(), &der, b"\r\n"].concat();
        let message = [
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\n".as_slice(),
            &part.repeat(4),
            b"--b--\r\n",
        ];
        let limits = Limits {
            decompressed_octets: 2500,
            ..Limits::default()
        };
        let opener = Opener {
            keys: &NoKeys,
            provider: crypto::provider(),
            limits: &limits,
            spool: &Memory,
        };
        let message = View::owned(message.concat());
        let opened = opener.open(&message, &mut Budget::new(&limits));
        let Kind::Content(parts) = opened.root.kind else {
            panic!("a multipart");
        };
        let refused: Vec<bool> = parts.iter().map(|part| part.error.is_some()).collect();
        assert_eq!(refused, [false, false, true, true]);
    }
}
