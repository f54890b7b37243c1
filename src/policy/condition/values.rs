//! Facts as values of the CEL interpreter: borrowed, and total.
//!
//! Departs from CEL: a header field that is not there has the empty list, so that no condition fails
//! for mail that lacks it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

use cel::ExecutionError;
use cel::common::traits::Container;
use cel::common::traits::Indexer;
use cel::common::traits::Iterable;
use cel::common::traits::Iterator as CelIterator;
use cel::common::traits::Sizer;
use cel::common::types::CelBool;
use cel::common::types::CelInt;
use cel::common::types::CelString;
use cel::common::types::LIST_TYPE;
use cel::common::types::MAP_TYPE;
use cel::common::types::Type;
use cel::common::value::CowVal;
use cel::common::value::StaticVal;
use cel::common::value::Val;
use regex::Regex;

use crate::policy::facts::FactValue;

/// Makes values of facts.
pub(super) struct Values;

impl Values {
    pub(super) fn of<'b, 'v>(value: FactValue<'v>) -> CowVal<'b, 'v> {
        match value {
            FactValue::Bool(flag) => CowVal::owned(CelBool::from(flag)),
            FactValue::Headers(fields) => CowVal::owned(Fields {
                fields,
                names: OnceLock::new(),
            }),
            FactValue::Int(number) => CowVal::owned(CelInt::from(number)),
            FactValue::Text(text) => CowVal::owned(CelString::from(text)),
            FactValue::Texts(texts) => CowVal::owned(Texts::of(texts)),
        }
    }
}

/// A list of texts.
#[derive(Clone, Debug)]
struct Texts<'v>(Vec<CelString<'v>>);

impl<'v> Texts<'v> {
    fn of(texts: &'v [String]) -> Self {
        Self(
            texts
                .iter()
                .map(|text| CelString::from(text.as_str()))
                .collect(),
        )
    }
}

impl Val for Texts<'_> {
    fn get_type(&self) -> &Type {
        &LIST_TYPE
    }

    fn cel_type() -> &'static Type {
        &LIST_TYPE
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_iterable<'b, 'w>(&'b self) -> Option<&'b (dyn Iterable + 'w)>
    where
        Self: 'w,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn clone_as_boxed<'w>(&self) -> Box<dyn Val + 'w>
    where
        Self: 'w,
    {
        Box::new(self.clone())
    }
}

impl Container for Texts<'_> {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(self.0.iter().any(|text| text.equals(value)))
    }
}

impl Iterable for Texts<'_> {
    fn iter<'b, 'w>(&'b self) -> Box<dyn CelIterator<'b, 'w> + 'b>
    where
        Self: 'w,
    {
        Box::new(Each(self.0.iter()))
    }
}

impl Sizer for Texts<'_> {
    fn size(&self) -> CelInt {
        size(self.0.len())
    }
}

/// Header fields by name.
#[derive(Clone)]
struct Fields<'v> {
    fields: &'v BTreeMap<String, Vec<String>>,
    /// Made when somebody goes through them.
    names: OnceLock<Vec<CelString<'v>>>,
}

impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is in them is the sender's, and stays out of messages.
        write!(f, "Fields({})", self.fields.len())
    }
}

impl<'v> Fields<'v> {
    fn list(&self, name: &dyn Val) -> Texts<'v> {
        let fields = self.fields;
        let name = name.downcast_ref::<CelString<'_>>().map(CelString::inner);
        let values = name.and_then(|name| fields.get(name));
        Texts::of(values.map(Vec::as_slice).unwrap_or_default())
    }
}

impl Val for Fields<'_> {
    fn get_type(&self) -> &Type {
        &MAP_TYPE
    }

    fn cel_type() -> &'static Type {
        &MAP_TYPE
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'w>(&'b self) -> Option<&'b (dyn Indexer + 'w)>
    where
        Self: 'w,
    {
        Some(self)
    }

    fn into_indexer<'w>(self: Box<Self>) -> Option<Box<dyn Indexer + 'w>>
    where
        Self: 'w,
    {
        Some(self)
    }

    fn as_iterable<'b, 'w>(&'b self) -> Option<&'b (dyn Iterable + 'w)>
    where
        Self: 'w,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn clone_as_boxed<'w>(&self) -> Box<dyn Val + 'w>
    where
        Self: 'w,
    {
        Box::new(self.clone())
    }
}

impl Container for Fields<'_> {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        let name = value.downcast_ref::<CelString<'_>>().map(CelString::inner);
        Ok(name.is_some_and(|name| self.fields.contains_key(name)))
    }
}

impl Indexer for Fields<'_> {
    fn get<'b, 'w>(&'b self, name: &dyn Val) -> Result<CowVal<'b, 'w>, ExecutionError>
    where
        Self: 'w,
    {
        Ok(CowVal::owned(self.list(name)))
    }

    fn steal<'w>(self: Box<Self>, name: &dyn Val) -> Result<Box<dyn Val + 'w>, ExecutionError>
    where
        Self: 'w,
    {
        Ok(Box::new(self.list(name)))
    }
}

impl Iterable for Fields<'_> {
    fn iter<'b, 'w>(&'b self) -> Box<dyn CelIterator<'b, 'w> + 'b>
    where
        Self: 'w,
    {
        let names = self.names.get_or_init(|| {
            let names = self.fields.keys();
            names.map(|name| CelString::from(name.as_str())).collect()
        });
        Box::new(Each(names.iter()))
    }
}

impl Sizer for Fields<'_> {
    fn size(&self) -> CelInt {
        size(self.fields.len())
    }
}

/// Texts one after the other.
struct Each<'b, 'v>(std::slice::Iter<'b, CelString<'v>>);

impl<'b, 'v: 'w, 'w> CelIterator<'b, 'w> for Each<'b, 'v> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'w)> {
        let next: &'b (dyn Val + 'w) = self.0.next()?;
        Some(next)
    }
}

fn size(length: usize) -> CelInt {
    CelInt::from(i64::try_from(length).unwrap_or(i64::MAX))
}

/// A regular expression, compiled when the policy was loaded.
#[derive(Clone, Debug)]
pub(super) struct Pattern(pub(super) Regex);

/// Its type, which no expression can name.
pub(super) const PATTERN_TYPE: Type = Type::new_unspecified_type("pattern");

impl Val for Pattern {
    fn get_type(&self) -> &Type {
        const { &PATTERN_TYPE }
    }

    fn cel_type() -> &'static Type {
        const { &PATTERN_TYPE }
    }

    fn clone_as_boxed<'w>(&self) -> Box<dyn Val + 'w>
    where
        Self: 'w,
    {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn std::any::Any> {
        Some(self)
    }
}

impl StaticVal for Pattern {}
