//! A mailing list agent over the notation of layers, as RFC 2634 §4.2 describes it.
//!
//! Written from that text, twice where the text is twice: its prose, and the steps of §4.2.3.2,
//! which look at the outermost layer alone. Knows nothing of domain signatures.

use domsec::notation::Layer;
use domsec::notation::Layers;
use domsec::notation::Marks;

/// How an agent reads the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Agent {
    /// "The MLA's search for the "outer" signedData layer" (§4.2).
    Prose,
    /// The same, by an agent that looks into compressedData, which the text does not know.
    ProseThroughCompression,
    /// §4.2.3.1 to §4.2.3.3.
    Steps,
}

impl Agent {
    pub(crate) const ALL: [Self; 3] = [Self::Prose, Self::ProseThroughCompression, Self::Steps];

    /// What the members of the list receive.
    pub(crate) fn expand(self, arrived: &Layers) -> Layers {
        let layers = arrived.as_slice();
        let (marks, inside) = match self {
            Self::Steps => by_steps(layers),
            Self::Prose | Self::ProseThroughCompression => self.by_prose(layers),
        };
        // "The MLA-created outer signedData layer MUST include each signed attribute present in the
        // original", its SignatureType too, "and MUST add or update an mlExpansionHistory".
        let marks: Marks = marks.signature_types().collect();
        let signed = Layer::Signed(marks.with(Marks::ML));
        Layers::new(std::iter::once(signed).chain(inside.iter().copied())).unwrap()
    }

    fn by_prose(self, layers: &[Layer]) -> (Marks, &[Layer]) {
        let Some(outer) = self.outer(layers) else {
            // "MUST sign the original, received message", or the expanded envelopedData.
            return (Marks::NONE, layers);
        };
        let Layer::Signed(marks) = layers[outer] else {
            panic!("the outer signedData layer is one");
        };
        // Strip what encapsulates it, and itself; "AND the MLA subsequently finds an envelopedData
        // layer buried deeper": "strip off all of the signedData layers down to" that.
        let rest = &layers[outer + 1..];
        let found = rest.iter().position(|layer| !self.is_passed(*layer));
        let deeper = found.filter(|at| rest[*at] == Layer::Enveloped);
        (marks, &rest[deeper.unwrap_or(0)..])
    }

    /// "To determine if any of them either include an mlExpansionHistory attribute or encapsulate
    /// an envelopedData object", from the outside in.
    fn outer(self, layers: &[Layer]) -> Option<usize> {
        for (index, layer) in layers.iter().enumerate() {
            let mut inside = layers[index + 1..].iter();
            let inside = inside.find(|one| !self.looks_through(**one));
            let encapsulates = inside == Some(&Layer::Enveloped);
            match layer {
                Layer::Signed(marks) if marks.contains(Marks::ML) || encapsulates => {
                    return Some(index);
                }
                Layer::Signed(_) => {}
                other if self.looks_through(*other) => {}
                Layer::Compressed | Layer::Content | Layer::Enveloped => return None,
            }
        }
        None
    }

    fn is_passed(self, layer: Layer) -> bool {
        self.looks_through(layer) || matches!(layer, Layer::Signed(_))
    }

    fn looks_through(self, layer: Layer) -> bool {
        self == Self::ProseThroughCompression && layer == Layer::Compressed
    }
}

fn by_steps(layers: &[Layer]) -> (Marks, &[Layer]) {
    match layers {
        // Steps 2, 3.1 and 3.2: strip the outermost, keep its attributes.
        [Layer::Signed(marks), rest @ ..] if marks.contains(Marks::ML) => match rest.first() {
            Some(Layer::Enveloped | Layer::Signed(_)) => (*marks, rest),
            // Step 3.3: "encapsulates the received signedData object in an outer SignedData".
            _ => (Marks::NONE, layers),
        },
        // Step 2: "signs the whole message", and so with the other types.
        _ => (Marks::NONE, layers),
    }
}
