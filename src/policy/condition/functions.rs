//! The functions and operators that conditions can use: CEL's own, and how each types its arguments.
//!
//! Refused: everything else of CEL. Numbers are whole, texts are compared for equality only, and
//! `matches` takes a pattern that stands in the policy, so that it is compiled once.

use std::sync::Arc;
use std::sync::LazyLock;

use cel::Env;
use cel::ExecutionError;
use cel::common::ast::operators;
use cel::common::types::CelBool;
use cel::common::types::CelString;
use cel::common::types::STRING_TYPE;
use cel::common::value::CowVal;

use super::values::PATTERN_TYPE;
use super::values::Pattern;

/// The interpreter's environment. Making one takes some 25 microseconds, so there is one for all.
pub(super) static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut environment = Env::stdlib().with_optional_support(false);
    // Either fails only where the name is taken; the tests call both.
    let _declared = environment.add_member_overload(
        "matches",
        "matches_pattern",
        STRING_TYPE,
        vec![PATTERN_TYPE],
        matches,
    );
    let _declared = environment.add_member_overload(
        "lowerAscii",
        "lower_ascii",
        STRING_TYPE,
        Vec::new(),
        lower_ascii,
    );
    Arc::new(environment)
});

/// Linear in the text (crate `regex`).
fn matches<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    match arguments.as_slice() {
        [text, pattern] => {
            let text = text.downcast_ref::<CelString<'_>>().map(CelString::inner);
            let pattern = pattern.downcast_ref::<Pattern>();
            let (Some(text), Some(pattern)) = (text, pattern) else {
                return Err(ExecutionError::missing_argument_or_target());
            };
            Ok(CowVal::owned(CelBool::from(pattern.0.is_match(text))))
        }
        _ => Err(ExecutionError::missing_argument_or_target()),
    }
}

/// As CEL's strings extension has it: A to Z alone.
fn lower_ascii<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let text = arguments
        .first()
        .and_then(|text| text.downcast_ref::<CelString<'_>>());
    let lower = text.map(|text| CelString::from(text.inner().to_ascii_lowercase()));
    lower
        .map(CowVal::owned)
        .ok_or_else(ExecutionError::missing_argument_or_target)
}

/// What an expression can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Bool,
    /// A fact that is a domain as [`crate::address::Domain`] writes it.
    Domain,
    /// A list without elements, of whatever they would be.
    EmptyList,
    Headers,
    Int,
    Ints,
    Text,
    Texts,
    /// A fact that is always one of these.
    Word(&'static [&'static str]),
}

impl Type {
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::Bool => "true or false",
            Self::EmptyList => "an empty list",
            Self::Headers => "the header fields",
            Self::Int => "a number",
            Self::Ints => "a list of numbers",
            Self::Domain | Self::Text | Self::Word(_) => "a text",
            Self::Texts => "a list of texts",
        }
    }

    /// The same with every word and domain a text, where its values do not matter.
    pub(super) fn plain(self) -> Self {
        match self {
            Self::Domain | Self::Word(_) => Self::Text,
            Self::Bool | Self::EmptyList | Self::Headers | Self::Int => self,
            Self::Ints | Self::Text | Self::Texts => self,
        }
    }

    /// What an element of it is.
    pub(super) fn element(self) -> Option<Self> {
        match self {
            Self::Headers | Self::Texts => Some(Self::Text),
            Self::Ints => Some(Self::Int),
            Self::Bool | Self::Domain | Self::EmptyList | Self::Int => None,
            Self::Text | Self::Word(_) => None,
        }
    }

    /// What both are, if they are the same.
    pub(super) fn unify(self, other: Self) -> Option<Self> {
        match (self.plain(), other.plain()) {
            (one, two) if one == two => Some(one),
            (Self::EmptyList, list @ (Self::Ints | Self::Texts))
            | (list @ (Self::Ints | Self::Texts), Self::EmptyList) => Some(list),
            _ => None,
        }
    }
}

/// How a function or operator is written, for messages.
pub(super) fn written(name: &str) -> &str {
    match name {
        operators::CONDITIONAL => "? :",
        operators::IN => "in",
        operators::INDEX => "[ ]",
        operators::LOGICAL_NOT => "!",
        operators::NEGATE => "-",
        _ => name.trim_matches('_'),
    }
}

/// What `name` makes of arguments of these types, the target of a method first; `None` where it does
/// not take them.
pub(super) fn result(name: &str, arguments: &[Type]) -> Option<Type> {
    use Type::Bool;
    use Type::Int;
    use Type::Text;
    let plain: Vec<Type> = arguments.iter().map(|one| one.plain()).collect();
    match (name, plain.as_slice()) {
        (operators::LOGICAL_AND | operators::LOGICAL_OR, [Bool, Bool])
        | (operators::LOGICAL_NOT | operators::NOT_STRICTLY_FALSE, [Bool])
        | (operators::EQUALS | operators::NOT_EQUALS, [Bool, Bool] | [Int, Int] | [Text, Text])
        | (
            operators::LESS
            | operators::LESS_EQUALS
            | operators::GREATER
            | operators::GREATER_EQUALS,
            [Int, Int],
        )
        | (operators::IN, [Text, Type::Texts | Type::Headers] | [Int, Type::Ints])
        | ("contains" | "startsWith" | "endsWith", [Text, Text]) => Some(Bool),
        (
            operators::ADD
            | operators::SUBSTRACT
            | operators::MULTIPLY
            | operators::DIVIDE
            | operators::MODULO,
            [Int, Int],
        )
        | (operators::NEGATE, [Int])
        | ("size", [Text | Type::Texts | Type::Ints | Type::Headers]) => Some(Int),
        (operators::ADD, [Text, Text]) | ("lowerAscii", [Text]) => Some(Text),
        (operators::ADD, [one @ (Type::EmptyList | Type::Texts | Type::Ints), two]) => {
            one.unify(*two)
        }
        (operators::CONDITIONAL, [Bool, one, two]) => one.unify(*two),
        (operators::INDEX, [Type::Headers, Text]) => Some(Type::Texts),
        _ => None,
    }
}

/// Whether there is such a function or operator at all.
pub(super) fn is_known(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_alphabetic()) || FUNCTIONS.contains(&name)
}

/// The functions by name, for messages; macros among them.
pub(super) const FUNCTIONS: &[&str] = &[
    "all",
    "contains",
    "endsWith",
    "exists",
    "exists_one",
    "filter",
    "lowerAscii",
    "map",
    "matches",
    "size",
    "startsWith",
];
