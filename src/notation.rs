//! The notation of layers: `S[domain](E(S(C)))`, outermost first (draft §5.1).
//!
//! `S` signedData, `E` envelopedData or authEnvelopedData, `Z` compressedData, `C` content; what the
//! brackets may hold is in [`Marks`]. Digits after a letter, as the draft's `S3`, are read and dropped.

use std::fmt;
use std::str::FromStr;

/// The layers of a message, outermost first.
///
/// The last is [`Layer::Content`], or an [`Layer::Enveloped`] that no key opens; no other is content.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Layers(Vec<Layer>);

impl Layers {
    /// Layers that one notation may hold, the innermost counted.
    ///
    /// The bound on what we peel is `limits.layers`; this one only keeps a text finite.
    pub const MOST: usize = 64;

    /// Content without any layer around it: `C`.
    #[must_use]
    pub fn content() -> Self {
        Self(vec![Layer::Content])
    }

    /// An E that no key opens: `E`.
    #[must_use]
    pub fn closed() -> Self {
        Self(vec![Layer::Enveloped])
    }

    /// The layers in `layers`, outermost first.
    ///
    /// Fails when there are none or more than [`Layers::MOST`], when content stands anywhere but
    /// last, and when the last is neither content nor E.
    pub fn new(layers: impl IntoIterator<Item = Layer>) -> Result<Self, LayersError> {
        let layers: Vec<Layer> = layers.into_iter().take(Self::MOST + 1).collect();
        if layers.len() > Self::MOST {
            return Err(LayersError::TooMany);
        }
        if layers.iter().any(|layer| layer.contradicts_itself()) {
            return Err(LayersError::Empty);
        }
        match layers.split_last() {
            Some((Layer::Content | Layer::Enveloped, outer))
                if !outer.contains(&Layer::Content) =>
            {
                Ok(Self(layers))
            }
            _ => Err(LayersError::Order),
        }
    }

    /// The same with `layer` around it. Fails as [`Layers::new`] does.
    pub fn within(self, layer: Layer) -> Result<Self, LayersError> {
        Self::new(std::iter::once(layer).chain(self.0))
    }

    /// The layers, outermost first; never empty.
    #[must_use]
    pub fn as_slice(&self) -> &[Layer] {
        &self.0
    }

    /// The layers, outermost first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Layer> + ExactSizeIterator + '_ {
        self.0.iter().copied()
    }
}

/// One letter of the notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layer {
    /// `Z`: compressedData.
    Compressed,
    /// `C`: what is neither signed, enveloped nor compressed as a whole.
    Content,
    /// `E`: envelopedData or authEnvelopedData.
    Enveloped,
    /// `S`: signedData, detached or not.
    Signed(Marks),
}

impl Layer {
    /// An S without anything in brackets.
    pub const SIGNED: Self = Self::Signed(Marks::NONE);

    /// Without signerInfos there is no attribute that could give another mark.
    fn contradicts_itself(self) -> bool {
        matches!(self, Self::Signed(marks) if marks.contains(Marks::EMPTY) && marks != Marks::EMPTY)
    }
}

/// What stands in the brackets of an S, in the order in which it is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Marks(u8);

impl Marks {
    /// Nothing: no SignatureType, no mlExpansionHistory, at least one signer.
    pub const NONE: Self = Self(0);
    /// `empty`: no signerInfos (draft §2.5).
    pub const EMPTY: Self = Self(1 << 6);
    /// `ml`: a mlExpansionHistory attribute is present (RFC 2634 §4.4).
    pub const ML: Self = Self(1 << 5);

    /// One signature type.
    #[must_use]
    pub const fn of(signature_type: SignatureType) -> Self {
        // The bits are in the order of the notation, which is not the draft's.
        Self(match signature_type {
            SignatureType::Domain => 1,
            SignatureType::Review => 1 << 1,
            SignatureType::AdditionalAttributes => 1 << 2,
            SignatureType::Delegated => 1 << 3,
            SignatureType::Originator => 1 << 4,
        })
    }

    /// These and those of `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all marks of `other` are among these.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The signature types among the marks, in the order of the notation.
    pub fn signature_types(self) -> impl Iterator<Item = SignatureType> {
        NOTATION_ORDER
            .into_iter()
            .filter(move |signature_type| self.contains(Self::of(*signature_type)))
    }

    fn words(self) -> impl Iterator<Item = &'static str> {
        MARKS
            .iter()
            .filter(move |(mark, _)| self.contains(*mark))
            .map(|(_, word)| *word)
    }
}

impl FromIterator<SignatureType> for Marks {
    fn from_iter<I: IntoIterator<Item = SignatureType>>(types: I) -> Self {
        types
            .into_iter()
            .fold(Self::NONE, |marks, one| marks.with(Self::of(one)))
    }
}

const NOTATION_ORDER: [SignatureType; 5] = [
    SignatureType::Domain,
    SignatureType::Review,
    SignatureType::AdditionalAttributes,
    SignatureType::Delegated,
    SignatureType::Originator,
];

const MARKS: [(Marks, &str); 7] = [
    (
        Marks::of(SignatureType::Domain),
        SignatureType::Domain.as_str(),
    ),
    (
        Marks::of(SignatureType::Review),
        SignatureType::Review.as_str(),
    ),
    (
        Marks::of(SignatureType::AdditionalAttributes),
        SignatureType::AdditionalAttributes.as_str(),
    ),
    (
        Marks::of(SignatureType::Delegated),
        SignatureType::Delegated.as_str(),
    ),
    (
        Marks::of(SignatureType::Originator),
        SignatureType::Originator.as_str(),
    ),
    (Marks::ML, "ml"),
    (Marks::EMPTY, "empty"),
];

/// Who signs, and what for (draft §3.2). In the order of the draft's identifiers, id-sti 1 to 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SignatureType {
    /// The originator (draft §3.6).
    Originator,
    /// The originator's domain (draft §3.3).
    Domain,
    /// Somebody who adds attributes and vouches for nothing else (draft §3.4).
    AdditionalAttributes,
    /// A reviewer (draft §3.5).
    Review,
    /// The domain, with a key of the originator's own (draft §3.7).
    Delegated,
}

impl SignatureType {
    /// All of them, in the order of the draft's identifiers.
    pub const ALL: [Self; 5] = [
        Self::Originator,
        Self::Domain,
        Self::AdditionalAttributes,
        Self::Review,
        Self::Delegated,
    ];

    /// Its name in commands, reports, policies and the notation.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Originator => "originator",
            Self::Domain => "domain",
            Self::AdditionalAttributes => "attributes",
            Self::Review => "review",
            Self::Delegated => "delegated",
        }
    }

    /// Whether such a signature must encapsulate another one (draft §3.2).
    #[must_use]
    pub const fn must_encapsulate(self) -> bool {
        match self {
            Self::Originator | Self::Delegated => false,
            Self::Domain | Self::AdditionalAttributes | Self::Review => true,
        }
    }
}

impl fmt::Display for SignatureType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SignatureType {
    type Err = UnknownSignatureType;

    fn from_str(text: &str) -> Result<Self, UnknownSignatureType> {
        Self::ALL
            .into_iter()
            .find(|one| one.as_str() == text)
            .ok_or_else(|| UnknownSignatureType(text.to_owned()))
    }
}

/// A word that names no signature type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is no signature type; these are originator, domain, attributes, review and delegated"
)]
pub struct UnknownSignatureType(pub String);

/// Layers that make no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayersError {
    /// An S without signerInfos that has a signature type or a mlExpansionHistory.
    #[error("an S that is `empty` can have no other mark")]
    Empty,
    /// The notation is not what it must be at some place.
    #[error("expected {expected} at offset {offset} of the layers, found {found}")]
    Expected {
        /// Octets before that place.
        offset: usize,
        /// What may stand there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// Content stands outside another layer, or the last layer is neither C nor E.
    #[error("the last layer must be content or E, and no other may be content")]
    Order,
    /// More layers than one notation may hold.
    #[error("more than {} layers", Layers::MOST)]
    TooMany,
}

impl fmt::Display for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, layer) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("(")?;
            }
            layer.fmt(f)?;
        }
        (1..self.0.len()).try_for_each(|_| f.write_str(")"))
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compressed => f.write_str("Z"),
            Self::Content => f.write_str("C"),
            Self::Enveloped => f.write_str("E"),
            Self::Signed(Marks::NONE) => f.write_str("S"),
            Self::Signed(marks) => write!(f, "S{marks}"),
        }
    }
}

impl fmt::Display for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.words().enumerate() {
            f.write_str(if index == 0 { "[" } else { "," })?;
            f.write_str(word)?;
        }
        if *self == Self::NONE {
            return Ok(());
        }
        f.write_str("]")
    }
}

impl FromStr for Layers {
    type Err = LayersError;

    fn from_str(text: &str) -> Result<Self, LayersError> {
        let mut parser = Parser { text, offset: 0 };
        let mut layers = Vec::new();
        loop {
            if layers.len() == Self::MOST {
                return Err(LayersError::TooMany);
            }
            let layer = parser.layer()?;
            layers.push(layer);
            match layer {
                Layer::Content => break,
                Layer::Enveloped if !parser.rest().starts_with('(') => break,
                Layer::Compressed | Layer::Enveloped | Layer::Signed(_) => parser.expect('(')?,
            }
        }
        for _ in 1..layers.len() {
            parser.expect(')')?;
        }
        if parser.rest().is_empty() {
            Self::new(layers)
        } else {
            Err(parser.expected("the end"))
        }
    }
}

/// A place in the notation.
struct Parser<'a> {
    text: &'a str,
    offset: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.offset..).unwrap_or_default()
    }

    fn expect(&mut self, sign: char) -> Result<(), LayersError> {
        if self.rest().starts_with(sign) {
            self.offset += sign.len_utf8();
            Ok(())
        } else {
            Err(self.expected(format!("'{sign}'")))
        }
    }

    /// A letter, its digits, and the brackets of an S.
    fn layer(&mut self) -> Result<Layer, LayersError> {
        let layer = match self.rest().chars().next() {
            Some('C') => Layer::Content,
            Some('E') => Layer::Enveloped,
            Some('S') => Layer::SIGNED,
            Some('Z') => Layer::Compressed,
            _ => return Err(self.expected("S, E, Z or C")),
        };
        self.offset += 1;
        self.offset += self.rest().bytes().take_while(u8::is_ascii_digit).count();
        if layer == Layer::SIGNED && self.rest().starts_with('[') {
            self.offset += 1;
            return Ok(Layer::Signed(self.marks()?));
        }
        Ok(layer)
    }

    /// The words in brackets: each once, in the order of the notation, `empty` alone.
    fn marks(&mut self) -> Result<Marks, LayersError> {
        let mut marks = Marks::NONE;
        let mut left = MARKS.iter();
        loop {
            let rest = self.rest();
            let word = rest.split([',', ']']).next().unwrap_or_default();
            let later = left.clone().map(|(_, word)| *word);
            let Some((mark, _)) = left.find(|(_, known)| *known == word) else {
                return Err(self.expected_word(later));
            };
            if *mark == Marks::EMPTY && marks != Marks::NONE {
                return Err(self.expected("no `empty` beside another word"));
            }
            marks = marks.with(*mark);
            self.offset += word.len();
            match self.rest().chars().next() {
                Some(']') => {
                    self.offset += 1;
                    return Ok(marks);
                }
                Some(',') if left.len() > 0 => self.offset += 1,
                _ => return Err(self.expected("',' and a later word, or ']'")),
            }
        }
    }

    fn expected_word(&self, words: impl Iterator<Item = &'static str>) -> LayersError {
        self.expected(format!("one of {}", words.collect::<Vec<_>>().join(", ")))
    }

    fn expected(&self, expected: impl Into<String>) -> LayersError {
        let rest = self.rest();
        LayersError::Expected {
            offset: self.offset,
            expected: expected.into(),
            found: match rest.char_indices().nth(FOUND) {
                _ if rest.is_empty() => "the end".to_owned(),
                Some((end, _)) => format!("{:?}...", rest.get(..end).unwrap_or_default()),
                None => format!("{rest:?}"),
            },
        }
    }
}

/// Characters of the text that a message quotes.
const FOUND: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// Every structure that draft §5.1 writes down, as it writes it, and as we do.
    #[rustfmt::skip]
    const SECTION_5_1: &[(u8, &str, &str)] = &[
        (1, "(S1 (Original Content))", "S(C)"),
        (1, "(S2 (S1 (Original Content)))", "S(S(C))"),
        (2, "(S3 (S2 (S1 (Original Content))))", "S(S(S(C)))"),
        (2, "(S4 (S3 (S2 (S1 (Original Content)))))", "S(S(S(S(C))))"),
        (3, "(E1 (S1 (Original Content)))", "E(S(C))"),
        (3, "(E2 (S2 (S1 (Original Content))))", "E(S(S(C)))"),
        (3, "(S2 (S1 (Original Content)))", "S(S(C))"),
        (4, "(S2 (E1 (S1 (Original Content))))", "S(E(S(C)))"),
        (4, "(S4 (E2 (S3 (S1 (Original Content)))))", "S(E(S(S(C))))"),
        (4, "(S4 (S3 (S1 (Original Content))))", "S(S(S(C)))"),
        (5, "(S3 (S2 (E1 (S1 (Original Content)))))", "S(S(E(S(C))))"),
        (5, "(E2 (S4 (S1 (Original Content))))", "E(S(S(C)))"),
        (5, "(S4 (S1 (Original Content)))", "S(S(C))"),
        (6, "(S5 (E2 (S4 (S1 (Original Content)))))", "S(E(S(S(C))))"),
        (6, "(S5 (S4 (S1 (Original Content))))", "S(S(S(C)))"),
        (7, "(S3 (E2 (S2 (E1 (S1 (Original Content))))))", "S(E(S(E(S(C)))))"),
        (7, "(E3 (S4 (S2 (E1 (S1 (Original Content))))))", "E(S(S(E(S(C)))))"),
    ];

    #[test]
    fn structures_of_section_5_1_are_read_and_printed() {
        for (number, draft, ours) in SECTION_5_1 {
            let inner = &draft[1..draft.len() - 1];
            let numbered = inner.replace(' ', "").replace("OriginalContent", "C");
            let layers: Layers = numbered.parse().unwrap();
            assert_eq!(layers.to_string(), *ours, "§5.1 example {number}");
            assert_eq!(layers, ours.parse().unwrap(), "§5.1 example {number}");
        }
    }

    #[test]
    fn what_is_printed_reads_as_the_same() {
        for text in [
            "C",
            "E",
            "S(E)",
            "Z(C)",
            "S[domain](S[empty](C))",
            "S[ml](E(S[domain](S(C))))",
            "S[domain,review,delegated,originator,ml](Z(E(C)))",
            "S[attributes](S[review](C))",
        ] {
            let layers: Layers = text.parse().unwrap();
            assert_eq!(layers.to_string(), text);
            assert_eq!(Layers::new(layers.iter()).unwrap(), layers);
        }
    }

    #[test]
    fn numbers_are_no_part_of_a_layer() {
        let numbered: Layers = "S4[ml](E2(S3[domain](S10(C))))".parse().unwrap();
        assert_eq!(numbered, "S[ml](E(S[domain](S(C))))".parse().unwrap());
    }

    #[test]
    fn errors_name_the_place_and_what_may_stand_there() {
        for (text, offset, expected) in [
            ("", 0, "S, E, Z or C"),
            ("s(C)", 0, "S, E, Z or C"),
            ("S", 1, "'('"),
            ("Z1", 2, "'('"),
            ("S(C", 3, "')'"),
            ("S(E", 3, "')'"),
            ("S(C))", 4, "the end"),
            ("C(C)", 1, "the end"),
            ("E()", 2, "S, E, Z or C"),
            ("E[ml](C)", 1, "the end"),
            (
                "S[](C)",
                2,
                "one of domain, review, attributes, delegated, originator, ml, empty",
            ),
            (
                "S[review,domain](C)",
                9,
                "one of attributes, delegated, originator, ml, empty",
            ),
            ("S[ml,ml](C)", 5, "one of empty"),
            ("S[empty,ml](C)", 7, "',' and a later word, or ']'"),
            ("S[ml,empty](C)", 5, "no `empty` beside another word"),
            ("S[domain", 8, "',' and a later word, or ']'"),
            ("S (C)", 1, "'('"),
            ("Sé", 1, "'('"),
        ] {
            let error = text.parse::<Layers>().unwrap_err();
            let LayersError::Expected {
                offset: at,
                expected: what,
                ..
            } = &error
            else {
                panic!("{text}: {error}");
            };
            assert_eq!((*at, what.as_str()), (offset, expected), "{text}: {error}");
        }
        assert_eq!(
            "S[domain](x)".parse::<Layers>().unwrap_err().to_string(),
            "expected S, E, Z or C at offset 10 of the layers, found \"x)\""
        );
    }

    #[test]
    fn depth_is_bounded() {
        let deep = |n: usize| format!("{}C{}", "S(".repeat(n), ")".repeat(n));
        assert!(deep(Layers::MOST - 1).parse::<Layers>().is_ok());
        assert_eq!(
            deep(Layers::MOST).parse::<Layers>(),
            Err(LayersError::TooMany)
        );
        assert_eq!(
            Layers::new(std::iter::repeat(Layer::SIGNED)),
            Err(LayersError::TooMany)
        );
        let most: Layers = deep(Layers::MOST - 1).parse().unwrap();
        assert_eq!(most.within(Layer::SIGNED), Err(LayersError::TooMany));
    }

    #[test]
    fn content_is_last_and_only_content_or_e_is() {
        let content = Layers::content();
        assert_eq!(
            content.clone().within(Layer::Content),
            Err(LayersError::Order)
        );
        assert_eq!(Layers::new([]), Err(LayersError::Order));
        let both = Layer::Signed(Marks::EMPTY.with(Marks::ML));
        assert_eq!(content.clone().within(both), Err(LayersError::Empty));
        assert_eq!(Layers::new([Layer::SIGNED]), Err(LayersError::Order));
        assert_eq!(Layers::new([Layer::Compressed]), Err(LayersError::Order));
        let marks = Marks::of(SignatureType::Domain).with(Marks::ML);
        assert_eq!(
            Layers::closed()
                .within(Layer::Signed(marks))
                .unwrap()
                .to_string(),
            "S[domain,ml](E)"
        );
        assert_eq!(
            content.within(Layer::Enveloped).unwrap().as_slice(),
            [Layer::Enveloped, Layer::Content]
        );
    }

    #[test]
    fn every_signature_type_has_its_own_mark_and_name() {
        for one in SignatureType::ALL {
            assert_eq!(one.as_str().parse::<SignatureType>().unwrap(), one);
            assert_eq!(Marks::of(one).signature_types().collect::<Vec<_>>(), [one]);
            assert_eq!(Marks::of(one).to_string(), format!("[{one}]"));
        }
        let all: Marks = SignatureType::ALL.into_iter().collect();
        assert_eq!(
            all.to_string(),
            "[domain,review,attributes,delegated,originator]"
        );
        assert!("Domain".parse::<SignatureType>().is_err());
    }

    #[test]
    fn mutilated_notation_never_panics() {
        let seed = "S4[domain,review,ml](E2(Z(S[empty](C))))é";
        for at in 0..seed.len() {
            for byte in 0..=0x7f {
                let mut octets = seed.as_bytes().to_vec();
                octets[at] = byte;
                let text = String::from_utf8_lossy(&octets);
                if let Ok(layers) = text.parse::<Layers>() {
                    assert_eq!(layers.to_string().parse::<Layers>().unwrap(), layers);
                }
            }
            if at < seed.len() - 'é'.len_utf8() {
                assert!(seed[..at].parse::<Layers>().is_err());
            }
        }
    }
}
