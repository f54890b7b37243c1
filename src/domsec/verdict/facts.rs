//! What was found in a message, as the verdict and the conditions before a signature look at it.

use crate::address::Mailbox;
use crate::domsec::naming::Names;
use crate::domsec::originator::SignedLayer;
use crate::notation::SignatureType;

/// What was found in a message.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The signed layers around the whole content, outermost first.
    pub layers: Vec<LayerFacts>,
    /// Whether an E that no key opened ends the layers: what is inside is not known.
    pub closed: bool,
    /// Whether S/MIME with signers stands in parts of the content, beside what nobody signed.
    pub signed_parts: bool,
    /// Defects of structure, each of which makes a reader see something other than what was signed.
    pub defects: Vec<String>,
    /// Who the message says that it is from.
    pub from: From,
}

/// One signed layer.
#[derive(Clone, Debug, Default)]
pub struct LayerFacts {
    /// Which layer of the notation it is; 0 is the outermost.
    pub layer: usize,
    /// Whether an mlExpansionHistory is there.
    pub ml: bool,
    /// Whether what it covers is not at hand: a detached signature alone. It covers nothing that a
    /// reader is shown, and speaks for nobody.
    pub content_elsewhere: bool,
    /// What is wrong with the layer as a whole.
    pub error: Option<String>,
    /// Its signers; none in the empty signature.
    pub signers: Vec<SignerFacts>,
}

/// One signer.
#[derive(Clone, Debug)]
pub struct SignerFacts {
    /// Whether digest, attributes and signature are right; else why not.
    pub signature: Result<(), SignatureFault>,
    /// Whether the certificate's path is valid.
    pub path: PathFacts,
    /// Signature types, as far as they could be read.
    pub types: Vec<SignatureType>,
    /// The names in the certificate; `None` when it was not found.
    pub names: Option<Names>,
}

/// Why a signature is not known to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureFault {
    /// The signer's certificate or the content is not at hand.
    Unknown(String),
    /// It does not hold.
    Wrong(String),
}

impl SignatureFault {
    /// The reason, for people.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Unknown(reason) | Self::Wrong(reason) => reason,
        }
    }
}

/// What is known of a certificate's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathFacts {
    /// Something is missing: an issuer, a certificate, revocation.
    Indeterminate(String),
    /// It is wrong.
    Invalid(String),
    /// It leads to an anchor, and nothing is wrong with it.
    Valid,
}

/// Who the message says that it is from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum From {
    /// No From, and none was given: binding is waived.
    #[default]
    Absent,
    /// Readers would differ about it; why.
    Ambiguous(String),
    /// From: one address, seldom several.
    Mailboxes(Vec<Mailbox>),
}

impl Facts {
    /// The addresses of From, where there is one that reads in one way only.
    #[must_use]
    pub fn mailboxes(&self) -> &[Mailbox] {
        match &self.from {
            From::Mailboxes(mailboxes) => mailboxes,
            From::Absent | From::Ambiguous(_) => &[],
        }
    }
}

impl LayerFacts {
    /// The layer as the search for the originator sees it.
    pub(super) fn as_searched(&self) -> SignedLayer {
        let verified =
            |signer: &SignerFacts| signer.signature.is_ok() && signer.path == PathFacts::Valid;
        SignedLayer {
            types: self
                .signers
                .first()
                .map(|signer| signer.types.clone())
                .unwrap_or_default(),
            ml: self.ml,
            empty: self.signers.is_empty() && self.error.is_none(),
            verified: self.error.is_none() && self.signers.iter().all(verified),
        }
    }
}

impl SignerFacts {
    /// Whether it is of that type.
    pub(in crate::domsec) fn is(&self, kind: SignatureType) -> bool {
        self.types.contains(&kind)
    }
}
