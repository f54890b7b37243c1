//! Where a domain signature goes among the layers of a message (draft §5).
//!
//! Knows layers, not bytes. What is taken away is always a prefix of the layers, so a plan is a
//! number and a list; [`crate::gateway::seal`] carries it out. Every example of §5.1 is a row of the
//! table in `tests/layering.rs`.

mod explain;
pub mod remembered;

use crate::domsec::conditions::MaySign;
use crate::notation::Layer;
use crate::notation::Layers;
use crate::notation::LayersError;
use crate::notation::Marks;
use crate::notation::SignatureType;

/// One layer of the message that arrived.
///
/// An E that is not the last layer has been opened; one that is the last, no key opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArrivedLayer {
    /// Its letter, and for an S what stands in its brackets.
    pub layer: Layer,
    /// Whether its signatures hold; `Verified` where it has none.
    pub standing: Standing,
    /// Whether its verified signers bring different mlExpansionHistory attributes
    /// ([`remembered::History`]).
    pub histories_differ: bool,
}

impl ArrivedLayer {
    /// A layer about which nothing is wrong and all is known.
    #[must_use]
    pub const fn sound(layer: Layer) -> Self {
        Self {
            layer,
            standing: Standing::Verified,
            histories_differ: false,
        }
    }

    /// Whether a mailing list's agent has signed it (RFC 2634 §4.4).
    #[must_use]
    pub fn is_ml(&self) -> bool {
        matches!(self.layer, Layer::Signed(marks) if marks.contains(Marks::ML))
    }

    fn is_enveloped(&self) -> bool {
        self.layer == Layer::Enveloped
    }

    fn is_signed(&self) -> bool {
        matches!(self.layer, Layer::Signed(_))
    }
}

/// Whether the signatures of one layer hold: every signer, path and all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// One of them does not.
    Spoiled,
    /// None is known not to, and not all is known.
    Unknown,
    /// All do.
    Verified,
}

/// What a rule of the policy asks for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The signatures to add, each a layer of its own, the first innermost (DESIGN, decision 10).
    pub signatures: &'a [SignatureType],
    /// Whether the message is to leave encrypted.
    pub encrypt: bool,
    /// The proof that a domain or delegated signature may be made over this message.
    pub may_sign: Option<&'a MaySign>,
}

/// What becomes of the layers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayerPlan {
    /// How many of the outermost layers of the arrival are taken away: each S among them stripped,
    /// each E opened, each Z decompressed. `arrived[removed..]` stays as it is.
    pub removed: usize,
    /// The layers that are added around what stays, innermost first.
    pub added: Vec<Added>,
}

/// One layer that is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// The empty signature, so that the next one encapsulates one (draft §2.5).
    Empty,
    /// An envelopedData for the recipients.
    Encrypted {
        /// Whether policy did not ask for it, and an E beneath the domain signature demands it.
        forced: bool,
    },
    /// An S with the attributes of an ml layer of the arrival, signed with the domain's key and
    /// without SignatureType (DESIGN, decision 9).
    Remembered {
        /// Index of that layer among the arrived ones.
        from: usize,
    },
    /// An S with one signature of this type, by the key of its role.
    Signed(SignatureType),
}

impl Added {
    /// Its letter in the notation.
    #[must_use]
    pub fn layer(self) -> Layer {
        match self {
            Self::Empty => Layer::Signed(Marks::EMPTY),
            Self::Encrypted { .. } => Layer::Enveloped,
            Self::Remembered { .. } => Layer::Signed(Marks::ML),
            Self::Signed(kind) => Layer::Signed(Marks::of(kind)),
        }
    }
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayeringError {
    /// DESIGN, decision 7.
    #[error(
        "no {kind} signature over what could not be checked: no key of ours opens the E at layer \
         {layer}"
    )]
    Closed {
        /// Which signature was asked for.
        kind: SignatureType,
        /// Index of the E among the arrived layers.
        layer: usize,
    },
    /// RFC 2634 §4.1: the message is not to be processed further.
    #[error("the signers of layer {layer} have different mlExpansionHistory attributes")]
    HistoriesDiffer {
        /// Index of the ml layer.
        layer: usize,
    },
    /// The arrived layers are none, or the message would have more than any may have.
    #[error(transparent)]
    Layers(#[from] LayersError),
    /// RFC 2634 §4.1: its attributes must not be processed.
    #[error("the mlExpansionHistory of layer {layer} is not to be trusted: its signature is wrong")]
    MlSpoiled {
        /// Index of the ml layer.
        layer: usize,
    },
    /// The same message may do later.
    #[error("the signature over the mlExpansionHistory of layer {layer} could not be checked")]
    MlUnknown {
        /// Index of the ml layer.
        layer: usize,
    },
    /// Only the originator's own key signs as the originator (draft §3.6).
    #[error("an originator signature was asked for, which no gateway can make")]
    Originator,
    /// Our own fault: [`Wanted::may_sign`] is missing.
    #[error("a {0} signature was asked for without proof that it may be made")]
    Unproven(SignatureType),
}

/// What becomes of the layers `arrived`, outermost first, when `wanted` is asked.
///
/// Fails when a signature that is asked for must not be made over them, and when there are too
/// many layers. Draft §5, with DESIGN, decisions 7 and 9 to 11.
pub fn plan(arrived: &[ArrivedLayer], wanted: &Wanted<'_>) -> Result<LayerPlan, LayeringError> {
    Layers::new(arrived.iter().map(|one| one.layer))?;
    if wanted.signatures.contains(&SignatureType::Originator) {
        return Err(LayeringError::Originator);
    }
    // Section 5 is for these two (draft §3.3, §3.7). A review or attributes signature alone
    // encapsulates the message as it came: it vouches for no originator (draft §3.4, §3.5), so it
    // could not stand in for the signatures that section 5 strips, and it may cover encrypted data
    // that its signer cannot read (the example in draft §2.5). A list may strip it, as any other S
    // that is no domain's: the draft demands nothing else, and offers no key to put ml back with.
    let survives =
        |kind: &&SignatureType| matches!(kind, SignatureType::Delegated | SignatureType::Domain);
    let opening = match wanted.signatures.iter().find(survives) {
        Some(kind) => {
            check(arrived, *kind, wanted)?;
            Opening::of(arrived, wanted.encrypt)?
        }
        None => Opening::default(),
    };
    let plan = opening.close(arrived, wanted);
    plan.layers(arrived)?;
    Ok(plan)
}

/// Whether section 5 may be begun for a signature of type `kind`.
fn check(
    arrived: &[ArrivedLayer],
    kind: SignatureType,
    wanted: &Wanted<'_>,
) -> Result<(), LayeringError> {
    // An E that no key opens is the last layer, as nothing is known below it.
    if arrived.last().is_some_and(ArrivedLayer::is_enveloped) {
        let layer = arrived.len().saturating_sub(1);
        return Err(LayeringError::Closed { kind, layer });
    }
    // Where signers contradict each other the message is invalid, be the layer remembered or not
    // (RFC 2634 §4.1; DESIGN, decision 9).
    if let Some(layer) = arrived.iter().position(|one| one.histories_differ) {
        return Err(LayeringError::HistoriesDiffer { layer });
    }
    match wanted.may_sign {
        Some(_) => Ok(()),
        None => Err(LayeringError::Unproven(kind)),
    }
}

/// What section 5 takes away and remembers.
#[derive(Debug, Default)]
struct Opening {
    removed: usize,
    /// The ml layers whose attributes are remembered, outermost first.
    remembered: Vec<usize>,
    /// Whether a domain or delegated signature comes between what stays and the outside.
    protects: bool,
}

impl Opening {
    fn of(arrived: &[ArrivedLayer], encrypt: bool) -> Result<Self, LayeringError> {
        let mut opening = Self {
            protects: true,
            ..Self::default()
        };
        // "The search is complete when one of the following is found": an ml layer, an E, the
        // original content. Nothing is stripped where only content is found: the last branch of
        // the draft's section 5 is a misprint (DESIGN, decision 11).
        opening.strip_to_ml(arrived)?;
        if !opening.strip_to_enveloped(arrived) {
            return Ok(opening);
        }
        // The result leaves unencrypted, and a list would find an ml layer in what was decrypted,
        // and strip the domain signature with all that covers it (DESIGN, decision 10). No E is
        // below, since that one would be a reason to encrypt.
        if !encrypt && !opening.has_enveloped_below(arrived) {
            opening.strip_to_ml(arrived)?;
        }
        Ok(opening)
    }

    /// Strips down to the first ml layer before an E, and that too, "after remembering the included
    /// signedAttributes". What covers it is lost with it, as ESS says (RFC 2634 §4.2).
    fn strip_to_ml(&mut self, arrived: &[ArrivedLayer]) -> Result<(), LayeringError> {
        let ends = |one: &&ArrivedLayer| one.is_ml() || one.is_enveloped();
        let Some((layer, found)) = self.find(arrived, ends).filter(|(_, one)| one.is_ml()) else {
            return Ok(());
        };
        // "MUST NOT process the mlExpansionHistory attribute unless the signature over it has been
        // verified" (RFC 2634 §4.1): a valid domain signature outside of it does not replace that.
        match found.standing {
            Standing::Spoiled => Err(LayeringError::MlSpoiled { layer }),
            Standing::Unknown => Err(LayeringError::MlUnknown { layer }),
            Standing::Verified => {
                self.remembered.push(layer);
                self.removed = layer + 1;
                Ok(())
            }
        }
    }

    /// Strips "all the signedData layers down to the envelopedData layer", ml layers among them,
    /// and opens it. False when there is none.
    fn strip_to_enveloped(&mut self, arrived: &[ArrivedLayer]) -> bool {
        match self.find(arrived, |one| one.is_enveloped()) {
            Some((layer, _)) => {
                self.removed = layer + 1;
                true
            }
            None => false,
        }
    }

    /// The outermost layer of those that are left for which `ends` holds.
    ///
    /// Departs from draft §5, for which the search ends at compressedData, that being "neither
    /// envelopedData nor signedData": a Z is passed like an S without attributes. An E for our DCA
    /// or an ml layer inside it would otherwise leave beneath the domain signature, and list agents
    /// that do look into a Z would strip it. For those that do not, nothing changes.
    fn find<'a>(
        &self,
        arrived: &'a [ArrivedLayer],
        ends: impl Fn(&&ArrivedLayer) -> bool,
    ) -> Option<(usize, &'a ArrivedLayer)> {
        let mut left = arrived.iter().enumerate().skip(self.removed);
        left.find(|(_, one)| ends(one))
    }

    fn has_enveloped_below(&self, arrived: &[ArrivedLayer]) -> bool {
        self.find(arrived, |one| one.is_enveloped()).is_some()
    }

    /// Adds what is asked for around what stays.
    fn close(&self, arrived: &[ArrivedLayer], wanted: &Wanted<'_>) -> LayerPlan {
        let mut added = Vec::new();
        // The innermost must encapsulate another signature (draft §3.2), be it empty (draft §2.5).
        // One inside an E that we do not open again counts (DESIGN, decision 12); one in a part of
        // a multipart does not, since the message as a whole is unsigned.
        let is_signed = arrived
            .iter()
            .skip(self.removed)
            .any(ArrivedLayer::is_signed);
        let innermost = wanted.signatures.first();
        if !is_signed && innermost.is_some_and(|kind| kind.must_encapsulate()) {
            added.push(Added::Empty);
        }
        added.extend(wanted.signatures.iter().copied().map(Added::Signed));
        // "There is an envelopedData at a lower level within the message": then the domain
        // signature MUST be encapsulated by one, even where policy does not ask for it. One in a
        // part of a multipart is none: the search of a list ends at the content around it.
        let forced = self.protects && !wanted.encrypt && self.has_enveloped_below(arrived);
        if forced || wanted.encrypt {
            added.push(Added::Encrypted { forced });
        }
        // "Encapsulate the new message in a signedData layer, adding the signedAttributes" (draft
        // §5, step 4), around the E also where none was opened (DESIGN, decision 10).
        let remembered = self.remembered.iter().rev();
        added.extend(remembered.map(|from| Added::Remembered { from: *from }));
        LayerPlan {
            removed: self.removed,
            added,
        }
    }
}

impl LayerPlan {
    /// The layers of the message that leaves. Fails when there are more than a notation may hold.
    pub fn layers(&self, arrived: &[ArrivedLayer]) -> Result<Layers, LayersError> {
        let around = self.added.iter().rev().map(|one| one.layer());
        let stays = arrived.iter().skip(self.removed).map(|one| one.layer);
        Layers::new(around.chain(stays))
    }

    /// Whether an E is added that policy did not ask for: there must be recipients for it.
    #[must_use]
    pub fn forces_encryption(&self) -> bool {
        self.added.contains(&Added::Encrypted { forced: true })
    }
}
