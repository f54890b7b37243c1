//! The whole of a condition checked before any mail comes: names, types, words, and what it proves.
//!
//! Every branch is looked at, whatever the facts, so that no mail can be the first to meet a mistake.
//! Refused beside mistakes: what takes more than the square of [`Facts::MOST_VALUES`] steps.

use cel::common::ast::CallExpr;
use cel::common::ast::ComprehensionExpr;
use cel::common::ast::Expr;
use cel::common::ast::LiteralValue;
use cel::common::ast::SelectExpr;
use cel::common::ast::operators;
use cel::parser::Expression;
use regex::RegexBuilder;

use super::functions;
use super::functions::Type;
use super::values::Pattern;
use crate::address::Domain;
use crate::policy::facts::Direction;
use crate::policy::facts::Fact;
use crate::policy::facts::FactType;
#[cfg(doc)]
use crate::policy::facts::Facts;

/// What a condition was found to be.
#[derive(Debug)]
pub(super) struct Checked {
    /// The facts that it asks for, in the order of the table.
    pub(super) facts: Vec<&'static Fact>,
    /// Its regular expressions; the expression calls them [`PATTERN`] and their number.
    pub(super) patterns: Vec<Pattern>,
    /// The directions for all of whose mail it is true.
    pub(super) holds_for: Vec<Direction>,
}

/// A mistake, and the octet of the condition where it stands.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) offset: usize,
    pub(super) reason: String,
}

/// What names of patterns begin with; no identifier of CEL does.
pub(super) const PATTERN: &str = "@pattern";

/// Checks `expression`, and puts names in the place of its patterns.
///
/// `offset_of` gives the octet where the node of an id stands.
pub(super) fn check(
    expression: &mut Expression,
    offset_of: &dyn Fn(u64) -> usize,
) -> Result<Checked, Wrong> {
    let holds_for = holds_for(expression);
    let mut checker = Checker {
        offset_of,
        facts: Vec::new(),
        patterns: Vec::new(),
        locals: Vec::new(),
        comprehensions: 0,
        depth: 0,
    };
    let found = checker.type_of(expression)?;
    if found != Type::Bool {
        let reason = format!("it must be true or false, and is {}", found.describe());
        return Err(checker.wrong(expression.id, reason));
    }
    let mut facts = checker.facts;
    let place = |fact: &&'static Fact| Fact::all().iter().position(|one| one.name == fact.name);
    facts.sort_by_key(place);
    facts.dedup_by_key(|fact| fact.name);
    Ok(Checked {
        facts,
        patterns: checker.patterns,
        holds_for,
    })
}

/// The directions for all of whose mail `expression` is true, whatever the other facts are.
///
/// Only the plainest forms count: `true`, `direction == "x"`, `direction in ["x", "y"]`, and any of
/// these joined by `||`. An alternative that fails cannot spoil another that is true (CEL, "Logical
/// operators").
fn holds_for(expression: &Expression) -> Vec<Direction> {
    if let Expr::Literal(LiteralValue::Boolean(truth)) = &expression.expr {
        let all: &[Direction] = if *truth.inner() { &Direction::ALL } else { &[] };
        return all.to_vec();
    }
    let Expr::Call(call) = &expression.expr else {
        return Vec::new();
    };
    let is_direction =
        |one: &Expression| matches!(&one.expr, Expr::Ident(name) if name == "direction");
    match (call.func_name.as_str(), call.args.as_slice()) {
        (operators::LOGICAL_OR, [one, other]) => {
            let mut both = holds_for(one);
            both.extend(holds_for(other));
            both
        }
        (operators::EQUALS, [one, word] | [word, one]) if is_direction(one) => {
            directions(std::slice::from_ref(word))
        }
        (operators::IN, [one, list]) if is_direction(one) => directions(elements(list)),
        _ => Vec::new(),
    }
}

fn directions(words: &[Expression]) -> Vec<Direction> {
    let words: Vec<&str> = words.iter().filter_map(literal).collect();
    let mut directions = Direction::ALL.to_vec();
    directions.retain(|direction| words.contains(&direction.as_str()));
    directions
}

/// The text of a literal.
fn literal(expression: &Expression) -> Option<&str> {
    if let Expr::Literal(LiteralValue::String(text)) = &expression.expr {
        Some(text.inner())
    } else {
        None
    }
}

/// The elements of a list that is written out; none of anything else.
fn elements(expression: &Expression) -> &[Expression] {
    if let Expr::List(list) = &expression.expr {
        &list.elements
    } else {
        &[]
    }
}

struct Checker<'a> {
    offset_of: &'a dyn Fn(u64) -> usize,
    facts: Vec<&'static Fact>,
    patterns: Vec<Pattern>,
    /// The names that macros bind, and what they stand for.
    locals: Vec<(String, Type)>,
    /// Macros around what is looked at.
    comprehensions: usize,
    depth: usize,
}

impl Checker<'_> {
    fn wrong(&self, id: u64, reason: impl Into<String>) -> Wrong {
        Wrong {
            offset: (self.offset_of)(id),
            reason: reason.into(),
        }
    }

    fn type_of(&mut self, expression: &mut Expression) -> Result<Type, Wrong> {
        if self.depth == DEPTH {
            let reason = format!("it nests more than {DEPTH} deep; make it several rules");
            return Err(self.wrong(expression.id, reason));
        }
        self.depth += 1;
        let id = expression.id;
        let found = match &mut expression.expr {
            Expr::Call(call) => self.call(id, call),
            Expr::Comprehension(comprehension) => self.comprehension(id, comprehension),
            Expr::Ident(name) => self.name(id, name),
            Expr::List(list) => self.list(id, &mut list.elements),
            Expr::Literal(value) => self.literal(id, value),
            Expr::Select(select) => self.select(id, select),
            Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => {
                Err(self.wrong(id, "maps and messages have no use in a condition"))
            }
        };
        self.depth -= 1;
        found
    }

    fn literal(&self, id: u64, value: &LiteralValue) -> Result<Type, Wrong> {
        match value {
            LiteralValue::Boolean(_) => Ok(Type::Bool),
            LiteralValue::Int(_) => Ok(Type::Int),
            LiteralValue::String(_) => Ok(Type::Text),
            LiteralValue::UInt(_) | LiteralValue::Double(_) => {
                Err(self.wrong(id, "numbers are whole and written without `u` or a point"))
            }
            LiteralValue::Bytes(_) | LiteralValue::Null => {
                Err(self.wrong(id, "no fact is bytes or null; an absent text is \"\""))
            }
        }
    }

    fn list(&mut self, id: u64, elements: &mut [Expression]) -> Result<Type, Wrong> {
        let mut all: Option<Type> = None;
        for element in elements {
            let place = element.id;
            let found = self.type_of(element)?.plain();
            if all.is_some_and(|all| all != found) {
                return Err(self.wrong(place, "the elements of a list must be of one type"));
            }
            all = Some(found);
        }
        match all {
            None => Ok(Type::EmptyList),
            Some(Type::Text) => Ok(Type::Texts),
            Some(Type::Int) => Ok(Type::Ints),
            Some(other) => {
                let reason = format!("a list of what is {} has no use", other.describe());
                Err(self.wrong(id, reason))
            }
        }
    }

    fn name(&mut self, id: u64, name: &str) -> Result<Type, Wrong> {
        let bound = self.locals.iter().rev().find(|(local, _)| local == name);
        match bound {
            Some((_, bound)) => Ok(*bound),
            None => self.fact(id, name),
        }
    }

    fn fact(&mut self, id: u64, name: &str) -> Result<Type, Wrong> {
        let Some(fact) = Fact::named(name) else {
            let group = name.split('.').next().unwrap_or_default();
            let near: Vec<&str> = Fact::all()
                .iter()
                .map(|fact| fact.name)
                .filter(|known| known.split('.').next() == Some(group))
                .collect();
            let known = if near.is_empty() {
                "`domsec policy facts` lists them".to_owned()
            } else {
                format!("there are {}", near.join(", "))
            };
            let name = crate::policy::table::shortened(name);
            return Err(self.wrong(id, format!("there is no fact `{name}`; {known}")));
        };
        self.facts.push(fact);
        Ok(match fact.fact_type {
            FactType::Bool => Type::Bool,
            FactType::Domain => Type::Domain,
            FactType::Headers => Type::Headers,
            FactType::Int => Type::Int,
            FactType::Text => Type::Text,
            FactType::Texts => Type::Texts,
            FactType::Word(words) => Type::Word(words),
        })
    }

    /// `a.b.c`: a fact, or a header field of the fact that comes before it.
    fn select(&mut self, id: u64, select: &mut SelectExpr) -> Result<Type, Wrong> {
        if select.test {
            return Err(self.wrong(
                id,
                "every fact is there, so has() has no use; write `\"name\" in message.headers`",
            ));
        }
        let Some(path) = path(&select.operand) else {
            return Err(self.wrong(id, format!("nothing has a field `{}`", select.field)));
        };
        let local = path.split('.').next().unwrap_or_default();
        if self.locals.iter().any(|(name, _)| name == local) {
            return Err(self.wrong(id, format!("`{local}` is a text and has no fields")));
        }
        if path == HEADERS {
            self.check_field_name(id, &select.field)?;
            return self.fact(id, HEADERS).map(|_| Type::Texts);
        }
        self.fact(id, &format!("{path}.{}", select.field))
    }

    fn check_field_name(&self, id: u64, name: &str) -> Result<(), Wrong> {
        if name.bytes().any(|octet| octet.is_ascii_uppercase()) {
            let lower = name.to_ascii_lowercase();
            let reason = format!("names of header fields are in lower case; write {lower:?}");
            return Err(self.wrong(id, reason));
        }
        Ok(())
    }

    fn call(&mut self, id: u64, call: &mut CallExpr) -> Result<Type, Wrong> {
        let name = call.func_name.clone();
        if name == "matches" {
            return self.matches(id, call);
        }
        if !functions::is_known(&name) {
            let reason = format!(
                "there is no function `{name}`; there are {}",
                functions::FUNCTIONS.join(", ")
            );
            return Err(self.wrong(id, reason));
        }
        let mut types = Vec::new();
        for argument in call.target.as_deref_mut().into_iter().chain(&mut call.args) {
            types.push(self.type_of(argument)?);
        }
        self.check_words(call, &types)?;
        functions::result(&name, &types).ok_or_else(|| {
            let types: Vec<&str> = types.iter().map(|one| one.describe()).collect();
            let reason = format!(
                "`{}` does not apply to {}",
                functions::written(&name),
                types.join(" and ")
            );
            self.wrong(id, reason)
        })
    }

    /// A fact that has few values is compared with nothing else: a misspelt word would never match.
    fn check_words(&self, call: &CallExpr, types: &[Type]) -> Result<(), Wrong> {
        let arguments: Vec<&Expression> = call
            .target
            .as_deref()
            .into_iter()
            .chain(&call.args)
            .collect();
        let (&[one, other], &[first, second]) = (arguments.as_slice(), types) else {
            return Ok(());
        };
        match call.func_name.as_str() {
            operators::EQUALS | operators::NOT_EQUALS => {
                self.check_literal(other, first)?;
                self.check_literal(one, second)
            }
            operators::IN if second == Type::Headers => self.check_literal(one, Type::Headers),
            operators::IN => {
                let mut elements = elements(other).iter();
                elements.try_for_each(|element| self.check_literal(element, first))
            }
            operators::INDEX => self.check_literal(other, first),
            _ => Ok(()),
        }
    }

    /// Refuses a literal that nothing of `wanted` ever equals.
    fn check_literal(&self, expression: &Expression, wanted: Type) -> Result<(), Wrong> {
        let Some(text) = literal(expression) else {
            return Ok(());
        };
        match wanted {
            Type::Domain if !text.is_empty() => match Domain::parse(text) {
                Ok(domain) if domain.as_str() == text => Ok(()),
                Ok(domain) => {
                    let reason = format!("a domain is never {text:?}; write \"{domain}\"");
                    Err(self.wrong(expression.id, reason))
                }
                Err(error) => Err(self.wrong(expression.id, error.to_string())),
            },
            Type::Headers => self.check_field_name(expression.id, text),
            Type::Word(words) if !words.contains(&text) => {
                let reason = format!("it is never {text:?}; it is one of {}", words.join(", "));
                Err(self.wrong(expression.id, reason))
            }
            Type::Bool | Type::Domain | Type::EmptyList | Type::Int | Type::Ints => Ok(()),
            Type::Text | Type::Texts | Type::Word(_) => Ok(()),
        }
    }

    /// `text.matches("pattern")`: the pattern is compiled here, and a name put in its place.
    fn matches(&mut self, id: u64, call: &mut CallExpr) -> Result<Type, Wrong> {
        let (Some(target), [pattern]) = (call.target.as_deref_mut(), call.args.as_mut_slice())
        else {
            return Err(self.wrong(id, "write text.matches(\"pattern\")"));
        };
        let target = self.type_of(target)?.plain();
        if target != Type::Text {
            let reason = format!("`matches` does not apply to {}", target.describe());
            return Err(self.wrong(id, reason));
        }
        let Some(text) = literal(pattern) else {
            let reason = "the pattern must stand here in quotes: it is compiled with the policy";
            return Err(self.wrong(pattern.id, reason));
        };
        let compiled = RegexBuilder::new(text).size_limit(PATTERN_OCTETS).build();
        let compiled = compiled.map_err(|error| {
            let lines = error.to_string();
            let last = lines.lines().last().unwrap_or_default();
            let reason = format!("the pattern is no regular expression: {}", last.trim());
            self.wrong(pattern.id, reason)
        })?;
        let name = format!("{PATTERN}{}", self.patterns.len());
        self.patterns.push(Pattern(compiled));
        pattern.expr = Expr::Ident(name);
        Ok(Type::Bool)
    }

    /// What `exists`, `all`, `exists_one`, `filter` and `map` are expanded to.
    fn comprehension(&mut self, id: u64, all: &mut ComprehensionExpr) -> Result<Type, Wrong> {
        if self.comprehensions == COMPREHENSIONS {
            return Err(self.wrong(id, "no more than two lists within each other"));
        }
        let shadowed = |fact: &Fact| fact.name.split('.').next() == Some(all.iter_var.as_str());
        if all.iter_var2.is_some() || Fact::all().iter().any(shadowed) {
            let reason = format!("`{}` cannot be used as a name here", all.iter_var);
            return Err(self.wrong(id, reason));
        }
        let range = self.type_of(&mut all.iter_range)?;
        let Some(element) = range.element() else {
            let reason = format!("it goes through a list, and this is {}", range.describe());
            return Err(self.wrong(all.iter_range.id, reason));
        };
        let start = self.type_of(&mut all.accu_init)?;
        self.comprehensions += 1;
        self.locals.push((all.accu_var.clone(), start));
        self.locals.push((all.iter_var.clone(), element));
        self.type_of(&mut all.loop_cond)?;
        let step = self.step(&mut all.loop_step)?;
        self.locals.pop();
        self.locals.pop();
        let Some(end) = start.unify(step) else {
            let reason = "what is asked of each element must be true or false";
            return Err(self.wrong(id, reason));
        };
        self.locals.push((all.accu_var.clone(), end));
        let result = self.type_of(&mut all.result)?;
        self.locals.pop();
        self.comprehensions -= 1;
        Ok(result)
    }
}

impl Checker<'_> {
    /// One step of a macro; what it asks of an element is looked at by itself, since the operators
    /// around it are not the officer's.
    fn step(&mut self, step: &mut Expression) -> Result<Type, Wrong> {
        let Expr::Call(call) = &mut step.expr else {
            return self.type_of(step);
        };
        match (call.func_name.as_str(), call.args.as_mut_slice()) {
            (operators::LOGICAL_OR | operators::LOGICAL_AND, [_, asked]) => {
                self.asked(asked)?;
                Ok(Type::Bool)
            }
            (operators::CONDITIONAL, [asked, taken, left]) => {
                self.asked(asked)?;
                let (taken_type, left_type) = (self.type_of(taken)?, self.type_of(left)?);
                let both = taken_type.unify(left_type);
                both.ok_or_else(|| self.wrong(taken.id, "it makes no list of one type"))
            }
            _ => self.type_of(step),
        }
    }

    fn asked(&mut self, asked: &mut Expression) -> Result<(), Wrong> {
        let found = self.type_of(asked)?;
        if found == Type::Bool {
            return Ok(());
        }
        let reason = format!(
            "what is asked of each element must be true or false, and is {}",
            found.describe()
        );
        Err(self.wrong(asked.id, reason))
    }
}

/// `a.b`, where an expression is names and points alone.
fn path(expression: &Expression) -> Option<String> {
    let mut names = Vec::new();
    let mut here = expression;
    while let Expr::Select(select) = &here.expr {
        if select.test {
            return None;
        }
        names.push(select.field.as_str());
        here = &select.operand;
    }
    let Expr::Ident(first) = &here.expr else {
        return None;
    };
    names.push(first);
    names.reverse();
    Some(names.join("."))
}

/// Refuses a text that would make the parser or the interpreter recurse too deeply.
///
/// Brackets nest, and so does every operator of a chain such as `1 + 1 + 1`; what `||`, `&&` and
/// commas join does not. What stands in quotes does not count.
pub(super) fn depth(text: &str) -> Result<(), Wrong> {
    let mut outer: Vec<Level> = Vec::new();
    let mut here = Level::default();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let offset = text.len() - rest.len();
        let after = rest.get(character.len_utf8()..).unwrap_or_default();
        rest = after;
        match character {
            '"' | '\'' => {
                let raw = text
                    .get(..offset)
                    .is_some_and(|before| before.ends_with(['r', 'R']));
                rest = after_string(after, character, raw);
            }
            '(' | '[' | '{' => outer.push(std::mem::take(&mut here)),
            ')' | ']' | '}' => {
                let inner = here.deepest() + 1;
                here = outer.pop().unwrap_or_default();
                here.brackets = here.brackets.max(inner);
            }
            ',' | '|' | '&' => {
                here = Level {
                    before: here.deepest(),
                    ..Level::default()
                };
            }
            '.' | '+' | '-' | '*' | '/' | '%' | '!' | '?' | '<' | '=' | '>' => here.chain += 1,
            _ => {}
        }
        if outer.len() + here.deepest() > NESTING {
            let reason = "it nests too deeply; make it several rules".to_owned();
            return Err(Wrong { offset, reason });
        }
    }
    Ok(())
}

/// How deep what stands between two brackets is.
#[derive(Clone, Copy, Default)]
struct Level {
    /// The deepest of what was joined to this before.
    before: usize,
    /// Operators since then.
    chain: usize,
    /// The deepest bracket since then.
    brackets: usize,
}

impl Level {
    fn deepest(self) -> usize {
        self.before.max(self.chain + self.brackets)
    }
}

/// What follows a string whose opening quote, the first of them, has been read.
fn after_string(rest: &str, quote: char, raw: bool) -> &str {
    let triple: String = [quote; 2].iter().collect();
    let end: &str = if rest.starts_with(&triple) {
        &[quote; 3].iter().collect::<String>()
    } else {
        &quote.to_string()
    };
    let mut rest = rest
        .strip_prefix(&triple)
        .filter(|_| end.len() == 3)
        .unwrap_or(rest);
    while let Some(character) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix(end) {
            return after;
        }
        let mut characters = rest.chars();
        characters.next();
        if character == '\\' && !raw {
            characters.next();
        }
        rest = characters.as_str();
    }
    rest
}

/// The fact that has fields of its own.
const HEADERS: &str = "message.headers";
/// Nodes above each other: a macro takes some five.
const DEPTH: usize = 64;
/// Brackets and operators within each other. What people can read has about eight; the parser takes up
/// to 50 KB of stack for each, and a thread has 2 MiB.
const NESTING: usize = 24;
/// Lists gone through within each other.
const COMPREHENSIONS: usize = 2;
/// Memory of one compiled pattern; the default of `regex` is ten times as much.
const PATTERN_OCTETS: usize = 1024 * 1024;
