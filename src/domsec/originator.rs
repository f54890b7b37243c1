//! Which signature speaks for the originator (draft §3.2 to §3.7; DESIGN, decision 8).
//!
//! Review, attributes and list signatures never do; they are looked through, when they verified.

use crate::notation::SignatureType;

/// One signed layer, as the search sees it. Layers that are encrypted and opened, or compressed, are
/// passed over and do not appear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedLayer {
    /// Its signature types; the same in all signers (draft §3.2).
    pub types: Vec<SignatureType>,
    /// Whether an mlExpansionHistory is there (RFC 2634 §4.4).
    pub ml: bool,
    /// Whether it has no signers (draft §2.5).
    pub empty: bool,
    /// Whether every signer verified, path and all.
    pub verified: bool,
}

/// What the search found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// Nobody speaks for the originator: no signature, or only such as never do.
    Nobody,
    /// The layer with this index does, in this role.
    Layer {
        /// Index into the layers searched.
        index: usize,
        /// In which role.
        role: Role,
    },
    /// A layer that hides the rest did not verify.
    Hidden {
        /// Index into the layers searched.
        index: usize,
    },
}

/// In which role a signature speaks for the originator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A delegated originator's (draft §3.7).
    Delegated,
    /// The originator's domain's (draft §3.3).
    Domain,
    /// The originator's own (draft §3.6), said or assumed.
    Originator,
}

/// Finds the signature that speaks for the originator among `layers`, outermost first.
#[must_use]
pub fn speaker(layers: &[SignedLayer]) -> Speaker {
    for (index, layer) in layers.iter().enumerate() {
        if layer.empty {
            continue;
        }
        if let Some(role) = role_of(layer, layers.get(index + 1..).unwrap_or_default()) {
            return Speaker::Layer { index, role };
        }
        if !layer.verified {
            return Speaker::Hidden { index };
        }
    }
    Speaker::Nobody
}

fn role_of(layer: &SignedLayer, beneath: &[SignedLayer]) -> Option<Role> {
    let is = |kind| layer.types.contains(&kind);
    if is(SignatureType::Domain) {
        Some(Role::Domain)
    } else if is(SignatureType::Delegated) {
        Some(Role::Delegated)
    } else if is(SignatureType::Originator) {
        Some(Role::Originator)
    } else {
        // Without a type it is the originator's, when nothing is encapsulated (draft §3.2) and no
        // list added it.
        let encapsulates = beneath.iter().any(|layer| !layer.empty);
        let assumed = layer.types.is_empty() && !layer.ml && !encapsulates;
        assumed.then_some(Role::Originator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notation::Layer;
    use crate::notation::Layers;
    use crate::notation::Marks;

    fn layers(notation: &str) -> Vec<SignedLayer> {
        let layers: Layers = notation.parse().unwrap();
        let signed = |layer: Layer| match layer {
            Layer::Signed(marks) => Some(SignedLayer {
                types: marks.signature_types().collect(),
                ml: marks.contains(Marks::ML),
                empty: marks.contains(Marks::EMPTY),
                verified: true,
            }),
            Layer::Compressed | Layer::Content | Layer::Enveloped => None,
        };
        layers.iter().filter_map(signed).collect()
    }

    #[test]
    fn the_outermost_that_can_speak_does() {
        for (notation, want) in [
            ("C", Speaker::Nobody),
            ("S[empty](C)", Speaker::Nobody),
            (
                "S(C)",
                Speaker::Layer {
                    index: 0,
                    role: Role::Originator,
                },
            ),
            (
                "S[originator](S(C))",
                Speaker::Layer {
                    index: 0,
                    role: Role::Originator,
                },
            ),
            (
                "S[domain](S[empty](C))",
                Speaker::Layer {
                    index: 0,
                    role: Role::Domain,
                },
            ),
            (
                "S[domain](S(C))",
                Speaker::Layer {
                    index: 0,
                    role: Role::Domain,
                },
            ),
            (
                "S[ml](S[domain](S(C)))",
                Speaker::Layer {
                    index: 1,
                    role: Role::Domain,
                },
            ),
            (
                "S[review](S(C))",
                Speaker::Layer {
                    index: 1,
                    role: Role::Originator,
                },
            ),
            ("S[review](S[empty](C))", Speaker::Nobody),
            ("S[attributes](S[empty](C))", Speaker::Nobody),
            ("S[ml](C)", Speaker::Nobody),
            (
                "S(E(S(C)))",
                Speaker::Layer {
                    index: 1,
                    role: Role::Originator,
                },
            ),
            (
                "S(S[empty](C))",
                Speaker::Layer {
                    index: 0,
                    role: Role::Originator,
                },
            ),
            (
                "S[delegated](S(C))",
                Speaker::Layer {
                    index: 0,
                    role: Role::Delegated,
                },
            ),
            (
                "S[domain,review](S(C))",
                Speaker::Layer {
                    index: 0,
                    role: Role::Domain,
                },
            ),
        ] {
            assert_eq!(speaker(&layers(notation)), want, "{notation}");
        }
    }

    #[test]
    fn a_layer_that_did_not_verify_is_not_looked_through() {
        let mut spoiled = layers("S[review](S(C))");
        spoiled[0].verified = false;
        assert_eq!(speaker(&spoiled), Speaker::Hidden { index: 0 });
    }
}
