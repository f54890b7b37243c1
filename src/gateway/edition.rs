//! Makes an edition: a message as it leaves for some recipients (draft §2.5, §4, §5; RFC 9788).
//!
//! What was decided is carried out here, step by step, and nothing is decided. Layers that stay keep
//! their octets; each new one is a MIME entity in base64 (DESIGN, decision 2), which is made where
//! it is read, or in binary within an encryption whose readers take that.

use std::io::Write;

use crate::cms::attributes::Capability;
use crate::cms::attributes::Oid;
use crate::cms::attributes::SignatureTypeOid;
use crate::cms::write_enveloped::Envelope;
use crate::cms::write_signed::SignedDataPlan;
use crate::cms::write_signed::SignerPlan;
use crate::crypto::SignatureAlgorithm;
use crate::crypto::oids;
use crate::gateway::marks::Marks;
use crate::gateway::open::Node;
use crate::gateway::open::is_entity;
use crate::gateway::seal::Payload;
use crate::gateway::seal::SealError;
use crate::gateway::seal::Sealer;
use crate::mime::Entity;
use crate::mime::Field;
use crate::mime::Header;
use crate::mime::protected::ConfidentialityPolicy;
use crate::mime::protected::Protection;
use crate::mime::protected::compose;
use crate::mime::protected::legacy_display;
use crate::mime::protected::unmarked;
use crate::mime::safe;
use crate::mime::safe::SafePlan;
use crate::mime::smime::CmsEncoding;
use crate::mime::transit::TransitPlan;
use crate::notation::Layer;
use crate::notation::Layers;
use crate::notation::Marks as Brackets;
use crate::notation::SignatureType;
use crate::octets::Chain;
use crate::octets::Octets;
use crate::octets::View;
use crate::octets::WINDOW;
use crate::x509::Identity;
use crate::x509::Time;

/// What is to be made of a message for some recipients.
#[derive(Clone, Debug)]
pub struct EditionPlan<'a> {
    /// What becomes of its layers.
    pub course: Course<'a>,
    /// What is written into its header.
    pub marks: Marks,
}

/// What becomes of the layers of a message.
#[derive(Clone, Debug)]
pub enum Course<'a> {
    /// They stay as they came.
    AsCame,
    /// So many outermost layers are removed, for delivery to a recipient of ours.
    Opened {
        /// How many.
        remove: usize,
    },
    /// So many outermost layers are removed, and others put around what stays.
    Layered {
        /// How many are removed.
        remove: usize,
        /// Whether the header goes inside too.
        header: HeaderPlan,
        /// What is added, the innermost first.
        add: Vec<NewLayer<'a>>,
    },
}

/// What becomes of the header of a message (RFC 9788).
#[derive(Clone, Debug)]
pub struct HeaderPlan {
    /// What an encryption hides of it.
    pub hide: ConfidentialityPolicy,
    /// Whether our signature is to cover it: somebody answers for it. Else it goes into an encryption
    /// around the signature, and only where there is one.
    pub is_bound: bool,
}

/// A layer to be made.
#[derive(Clone, Debug)]
pub enum NewLayer<'a> {
    /// The empty signature (draft §2.5).
    Empty,
    /// An encryption.
    Encrypted {
        /// For whom, and how.
        envelope: Envelope,
        /// How new layers within it are encoded.
        inside: CmsEncoding,
    },
    /// The outer layer of a mailing list, signed by us with the attributes that it had (draft §5).
    Remembered {
        /// The attributes, each as DER.
        attributes: Vec<Vec<u8>>,
        /// Who signs.
        signer: Signer<'a>,
    },
    /// A signature of one type.
    Signed {
        /// Which.
        kind: SignatureType,
        /// Whether the content stays readable beside it.
        detached: bool,
        /// Further attributes, each as DER.
        attributes: Vec<Vec<u8>>,
        /// Who signs.
        signer: Signer<'a>,
    },
}

impl EditionPlan<'_> {
    /// The layers of the edition, of a message that came with the layers `arrived`.
    #[must_use]
    pub fn layers(&self, arrived: &Layers) -> Layers {
        let (remove, added) = match &self.course {
            Course::AsCame => (0, Vec::new()),
            Course::Opened { remove } => (*remove, Vec::new()),
            Course::Layered { remove, add, .. } => {
                (*remove, add.iter().map(NewLayer::letter).collect())
            }
        };
        let all = added.into_iter().rev().chain(arrived.iter().skip(remove));
        // Never more than a notation may hold: the plan was refused otherwise.
        Layers::new(all).unwrap_or_else(|_| arrived.clone())
    }

    /// Whether an E was opened for it, and none put around it again.
    #[must_use]
    pub fn is_decrypted(&self, arrived: &Layers) -> bool {
        let remove = match &self.course {
            Course::AsCame => 0,
            Course::Opened { remove } | Course::Layered { remove, .. } => *remove,
        };
        let mut removed = arrived.iter().take(remove);
        removed.any(|layer| layer == Layer::Enveloped) && !self.encrypts()
    }

    /// Whether an E of ours is around it.
    #[must_use]
    pub fn encrypts(&self) -> bool {
        match &self.course {
            Course::AsCame | Course::Opened { .. } => false,
            Course::Layered { add, .. } => encrypts(add),
        }
    }
}

fn encrypts(add: &[NewLayer<'_>]) -> bool {
    add.iter()
        .any(|one| matches!(one, NewLayer::Encrypted { .. }))
}

impl NewLayer<'_> {
    fn letter(&self) -> Layer {
        match self {
            Self::Empty => Layer::Signed(Brackets::EMPTY),
            Self::Encrypted { .. } => Layer::Enveloped,
            Self::Remembered { .. } => Layer::Signed(Brackets::ML),
            Self::Signed { kind, .. } => Layer::Signed(Brackets::of(*kind)),
        }
    }
}

/// An identity of ours and how it signs.
#[derive(Clone, Debug)]
pub struct Signer<'a> {
    /// Certificate and key.
    pub identity: &'a Identity,
    /// How.
    pub algorithm: SignatureAlgorithm,
}

/// The header of a message with the fields that are bound to its content in their place (RFC 9788 §4);
/// without those that describe the body.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    /// With those that the author had hidden.
    pub all: Vec<u8>,
    /// For delivery: without them where a bounce would carry them to somebody else.
    pub for_delivery: Vec<u8>,
    /// Whether that makes no difference: nothing stays hidden.
    pub shows_all: bool,
}

/// Makes editions of one message.
#[derive(Clone, Copy, Debug)]
pub struct Maker<'a> {
    /// Signs and encrypts.
    pub sealer: Sealer<'a>,
    /// signingTime.
    pub now: Time,
    /// Under which identifier SignatureType is written (DESIGN, decision 1).
    pub type_oid: SignatureTypeOid,
    /// The message as it came.
    pub message: &'a View,
    /// Its layers, outermost first.
    pub nodes: &'a [&'a Node],
    /// Its header as it leaves where layers are removed.
    pub restored: &'a Restored,
}

impl Maker<'_> {
    /// All octets of the edition. Fails as a whole; nothing half-made gets out.
    pub fn make(&self, plan: &EditionPlan<'_>) -> Result<View, SealError> {
        match &plan.course {
            Course::AsCame => self.as_came(&plan.marks),
            Course::Opened { remove } => self.opened(*remove, &plan.marks),
            Course::Layered {
                remove,
                header,
                add,
            } => self.layered(*remove, header, add, &plan.marks),
        }
    }

    /// The body is not touched: a signature over it must hold, and a reader of its own may exist.
    fn as_came(&self, marks: &Marks) -> Result<View, SealError> {
        let entity = Entity::parse(self.message, self.sealer.limits)?;
        let fields = marks.applied(entity.header.raw_fields(), self.sealer.limits)?;
        if fields == entity.header.raw_fields() {
            return Ok(self.message.clone());
        }
        let mut head = fields;
        head.extend_from_slice(entity.header.empty_line());
        if entity.header.empty_line().is_empty() && !entity.body.is_empty() {
            // A message that is all body: its first line must not become a part of our field.
            head.extend_from_slice(b"\r\n");
        }
        Ok(Chain::of([View::owned(head), entity.body]))
    }

    fn opened(&self, remove: usize, marks: &Marks) -> Result<View, SealError> {
        let inside = &self.node(remove)?.raw;
        // What was put in for readers who cannot restore the header is of no use to anybody now;
        // beneath a signature that stays it cannot be taken out.
        let is_content = remove + 1 >= self.nodes.len();
        let inside = if is_content && self.restored.shows_all {
            legacy_display::remove(inside, self.sealer.limits)?
        } else {
            inside.clone()
        };
        let entity = Entity::parse(&inside, self.sealer.limits)?;
        let mut fields = marks.applied(&self.restored.for_delivery, self.sealer.limits)?;
        let body = if is_entity(&entity) {
            fields.extend_from_slice(b"MIME-Version: 1.0\r\n");
            fields.extend(unmarked(&entity.header)?);
            entity.body
        } else {
            inside
        };
        fields.extend_from_slice(b"\r\n");
        let message = Chain::of([View::owned(fields), body]);
        let plan = SafePlan::of(&message, self.sealer.limits)?;
        if !plan.changes() {
            return Ok(message);
        }
        self.spooled(|sink| Ok(plan.write(sink)?))
    }

    fn layered(
        &self,
        remove: usize,
        header: &HeaderPlan,
        add: &[NewLayer<'_>],
        marks: &Marks,
    ) -> Result<View, SealError> {
        let encrypts = encrypts(add);
        let base = self.base(remove, encrypts || header.is_bound)?;
        let mut left = base.left;
        let (mut outer, mut inside) = (outside(&base.header), base.inside);
        if header.is_bound {
            let protection = if encrypts {
                Protection::Encrypted(&header.hide)
            } else {
                Protection::Signed
            };
            let is_content = remove + 1 >= self.nodes.len();
            (outer, inside) = self.bound(&base.header, &inside, protection, is_content)?;
        }
        for (at, layer) in add.iter().enumerate() {
            if let (NewLayer::Encrypted { .. }, false) = (layer, header.is_bound) {
                let protection = Protection::Encrypted(&header.hide);
                (outer, inside) = self.bound(&base.header, &inside, protection, false)?;
            }
            let payload = Payload {
                outside: Vec::new(),
                inside,
                left: left.take(),
            };
            let around = add.get(at + 1..).unwrap_or_default();
            inside = at_hand(self.wrap(&payload, layer, encoding_within(around))?)?;
        }
        let fields = marks.applied(&outer, self.sealer.limits)?;
        let head = [fields.as_slice(), b"MIME-Version: 1.0\r\n"].concat();
        Ok(Chain::of([View::owned(head), inside]))
    }

    /// The header outside, and what goes inside with it. What readers who do not know RFC 9788 need is
    /// written into content alone, never into a layer that is wrapped.
    fn bound(
        &self,
        header: &Header,
        inside: &View,
        protection: Protection<'_>,
        is_content: bool,
    ) -> Result<(Vec<u8>, View), SealError> {
        let limits = self.sealer.limits;
        let entity = Entity::parse(inside, limits)?;
        let composed = compose(header, &entity.header, protection, limits)?;
        let inside = Chain::of([View::owned(composed.inner), entity.body]);
        let inside = if is_content {
            legacy_display::add(&inside, &composed.hidden, limits)?
        } else {
            inside
        };
        Ok((composed.outer, inside))
    }

    fn wrap(
        &self,
        payload: &Payload,
        layer: &NewLayer<'_>,
        encoding: CmsEncoding,
    ) -> Result<View, SealError> {
        match layer {
            NewLayer::Empty => {
                let empty = SignedDataPlan {
                    signers: &[],
                    certificates: &[],
                    detached: false,
                };
                self.sealer.signed(payload, &empty, encoding)
            }
            NewLayer::Encrypted { envelope, .. } => {
                let inside = &payload.inside;
                self.sealer.encrypted(inside, envelope, encoding)
            }
            NewLayer::Remembered { attributes, signer } => {
                self.sign(payload, (signer, attributes), (&[], false), encoding)
            }
            NewLayer::Signed {
                kind,
                detached,
                attributes,
                signer,
            } => {
                let types = (&[*kind][..], *detached);
                self.sign(payload, (signer, attributes), types, encoding)
            }
        }
    }

    fn sign(
        &self,
        payload: &Payload,
        (signer, attributes): (&Signer<'_>, &[Vec<u8>]),
        (types, detached): (&[SignatureType], bool),
        encoding: CmsEncoding,
    ) -> Result<View, SealError> {
        let identity = signer.identity;
        let capabilities = capabilities();
        let plan = SignerPlan {
            certificate: identity.certificate(),
            key: identity.key(),
            algorithm: signer.algorithm.clone(),
            types,
            type_oid: self.type_oid,
            signing_time: Some(self.now),
            capabilities: &capabilities,
            attributes,
        };
        let chain = identity.chain().iter();
        let certificates: Vec<&[u8]> = std::iter::once(identity.certificate())
            .chain(chain)
            .map(|certificate| certificate.der())
            .collect();
        let plan = SignedDataPlan {
            signers: std::slice::from_ref(&plan),
            certificates: &certificates,
            detached,
        };
        self.sealer.signed(payload, &plan, encoding)
    }

    /// What stays, as the entity that new layers go around, and the header that is bound to it.
    /// Fields that the author hid come along only where they are `covered`: inside again, or signed.
    fn base(&self, remove: usize, covered: bool) -> Result<Base, SealError> {
        if remove == 0 {
            let entity = Entity::parse(self.message, self.sealer.limits)?;
            let header = entity.header.clone();
            let payload = self.sealer.payload_of(entity)?;
            return Ok(Base {
                header,
                inside: payload.inside,
                left: payload.left,
            });
        }
        let mut raw = self.node(remove)?.raw.clone();
        if !is_entity(&Entity::parse(&raw, self.sealer.limits)?) {
            // Octets that only look like fields must not be taken for a header (RFC 2045 §5.2).
            let text = b"Content-Type: text/plain; charset=us-ascii\r\n\r\n";
            raw = Chain::of([View::owned(text.to_vec()), raw]);
        }
        let plan = TransitPlan::of(&raw, self.sealer.limits)?;
        let inside = if plan.is_needless() {
            raw
        } else {
            self.spooled(|sink| Ok(plan.write(sink)?))?
        };
        let fields = if covered {
            &self.restored.all
        } else {
            &self.restored.for_delivery
        };
        let head = [fields, b"\r\n".as_slice()].concat();
        let (header, _) = Header::parse(&View::owned(head), self.sealer.limits)?;
        Ok(Base {
            header,
            inside,
            left: plan.left().first().cloned(),
        })
    }

    fn node(&self, index: usize) -> Result<&Node, SealError> {
        self.nodes
            .get(index)
            .copied()
            .ok_or(SealError::NoSuchLayer(index))
    }

    fn spooled(
        &self,
        write: impl FnOnce(&mut dyn Write) -> Result<(), SealError>,
    ) -> Result<View, SealError> {
        let mut spool = self.sealer.spool.start()?;
        write(&mut *spool)?;
        Ok(View::whole(spool.finish()?))
    }
}

/// How a layer is encoded that has these around it, the nearest first: what the readers of the nearest encryption take.
/// Without one it is exposed to mail systems, which take base64.
fn encoding_within(around: &[NewLayer<'_>]) -> CmsEncoding {
    let mut encryptions = around.iter().filter_map(|layer| match layer {
        NewLayer::Encrypted { inside, .. } => Some(*inside),
        NewLayer::Empty | NewLayer::Remembered { .. } | NewLayer::Signed { .. } => None,
    });
    encryptions.next().unwrap_or(CmsEncoding::Base64)
}

/// A layer as the next step reads it: what is short is made once, and lies in memory; what is long is
/// made again by each reader, which costs less than a file.
fn at_hand(layer: View) -> Result<View, SealError> {
    Ok(layer.to_vec(WINDOW)?.map_or(layer, View::owned))
}

/// What new layers go around.
struct Base {
    /// The header whose fields are bound to it.
    header: Header,
    inside: View,
    left: Option<crate::mime::transit::Left>,
}

/// All fields but those that describe the body, safe to hand on.
fn outside(header: &Header) -> Vec<u8> {
    let stays = |field: &Field<'_>| !field.is_content() && !field.is("MIME-Version");
    let mut fields = Vec::new();
    for field in header.fields().filter(stays) {
        fields.extend_from_slice(&safe::field(field.raw()));
    }
    fields
}

/// What can be read here, CBC first: what every reader of our mail can write (RFC 8551 §2.5.2). Last, that layers within
/// an encryption may be binary.
#[must_use]
pub fn capabilities() -> Vec<Capability<'static>> {
    let capabilities = [
        oids::AES_256_CBC,
        oids::AES_192_CBC,
        oids::AES_128_CBC,
        oids::AES_256_GCM,
        oids::AES_128_GCM,
        oids::PREFER_BINARY_INSIDE,
    ];
    capabilities
        .into_iter()
        .map(|oid| Capability {
            oid: Oid::from(oid),
            parameters: None,
        })
        .collect()
}
