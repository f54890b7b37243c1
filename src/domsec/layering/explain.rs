//! A plan in words: what is done to each layer, and why.

use crate::notation::Layer;

use super::Added;
use super::ArrivedLayer;
use super::LayerPlan;

impl LayerPlan {
    /// One line for each step, in the order in which they are taken. `arrived` is what the plan was
    /// made for.
    #[must_use]
    pub fn explain(&self, arrived: &[ArrivedLayer]) -> Vec<String> {
        let removed = arrived.iter().take(self.removed).enumerate();
        let removed = removed.map(|(index, one)| self.explain_removed(index, one.layer));
        let added = self.added.iter().map(|one| explain_added(*one));
        removed.chain(added).collect()
    }

    fn explain_removed(&self, index: usize, layer: Layer) -> String {
        let is_remembered = self.added.contains(&Added::Remembered { from: index });
        match layer {
            Layer::Enveloped => format!("layer {index}, E: open it with a key of ours"),
            Layer::Compressed => format!("layer {index}, Z: decompress it"),
            Layer::Signed(_) if is_remembered => format!(
                "layer {index}, {layer}: strip it, and remember its signed attributes, since a \
                 list would look for it"
            ),
            Layer::Signed(_) | Layer::Content => format!(
                "layer {index}, {layer}: strip it, since it covers a layer that is taken away"
            ),
        }
    }
}

fn explain_added(added: Added) -> String {
    let layer = added.layer();
    match added {
        Added::Empty => format!(
            "{layer}: add the empty signature, since there is none that could be encapsulated"
        ),
        Added::Encrypted { forced: false } => format!("{layer}: encrypt, as the rule asks"),
        Added::Encrypted { forced: true } => format!(
            "{layer}: encrypt, although the rule does not ask for it, since an E lies beneath the \
             domain signature"
        ),
        Added::Remembered { from } => format!(
            "{layer}: sign with the domain's key, adding the attributes remembered from layer {from}"
        ),
        Added::Signed(kind) => format!("{layer}: add the {kind} signature"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notation::Layers;
    use crate::notation::SignatureType;

    #[test]
    fn every_step_is_told_with_its_layer_and_reason() {
        let layers: Layers = "S(S[ml](Z(E(S(C)))))".parse().unwrap();
        let arrived: Vec<ArrivedLayer> = layers.iter().map(ArrivedLayer::sound).collect();
        let plan = LayerPlan {
            removed: 4,
            added: vec![
                Added::Empty,
                Added::Signed(SignatureType::Domain),
                Added::Encrypted { forced: true },
                Added::Remembered { from: 1 },
            ],
        };
        assert_eq!(
            plan.explain(&arrived),
            [
                "layer 0, S: strip it, since it covers a layer that is taken away",
                "layer 1, S[ml]: strip it, and remember its signed attributes, since a list would \
                 look for it",
                "layer 2, Z: decompress it",
                "layer 3, E: open it with a key of ours",
                "S[empty]: add the empty signature, since there is none that could be encapsulated",
                "S[domain]: add the domain signature",
                "E: encrypt, although the rule does not ask for it, since an E lies beneath the \
                 domain signature",
                "S[ml]: sign with the domain's key, adding the attributes remembered from layer 1",
            ]
        );
        let asked = LayerPlan {
            removed: 0,
            added: vec![Added::Encrypted { forced: false }],
        };
        assert_eq!(asked.explain(&arrived), ["E: encrypt, as the rule asks"]);
    }
}
