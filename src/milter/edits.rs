//! How one header becomes another by the few edits that milters have.
//!
//! The exact octets and order of the new header come out. Fields that stay are not touched, since other milters and DKIM
//! signatures rely on them, but where a new one stands between them: those below it are added again, as they were.

use super::Field;
use super::action;

/// One edit.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Edit<'a> {
    /// Adds at the end.
    Add(&'a Field),
    /// Changes the field that is the nth of its name, from 1.
    Change(u32, &'a Field),
    /// Inserts above all others.
    Insert(&'a Field),
    /// Removes the field that is the nth of its name, from 1.
    Remove(u32, &'a Field),
}

/// Aligning costs the product of what differs on both sides; above this, what differs is replaced
/// whole.
const MOST_CELLS: usize = 1_000_000;

/// Appends what turns the header `old` into `new`. `spaced` says that white space after the colon is
/// sent as it is; where it is not, the MTA adds one space.
pub fn write(output: &mut Vec<u8>, old: &[Field], new: &[Field], spaced: bool) {
    for edit in edits(old, new) {
        match edit {
            Edit::Add(field) => action::add_header(output, &field.name, value(field, spaced)),
            Edit::Change(index, field) => {
                action::change_header(output, index, &field.name, value(field, spaced));
            }
            Edit::Insert(field) => {
                action::insert_first(output, &field.name, value(field, spaced));
            }
            Edit::Remove(index, field) => action::change_header(output, index, &field.name, b""),
        }
    }
}

fn value(field: &Field, spaced: bool) -> &[u8] {
    if spaced {
        return &field.value;
    }
    field.value.strip_prefix(b" ").unwrap_or(&field.value)
}

fn edits<'a>(old: &'a [Field], new: &'a [Field]) -> Vec<Edit<'a>> {
    let pairs = aligned(old, new);
    let mut edits = Vec::new();
    // From the last to the first, since removing one shifts those of its name that follow.
    for (at, field) in old.iter().enumerate().rev() {
        let nth = || {
            let same = old
                .iter()
                .take(at + 1)
                .filter(|other| same_name(other, field));
            u32::try_from(same.count()).unwrap_or(u32::MAX)
        };
        let becomes = pairs.iter().find(|(from, _)| *from == at);
        match becomes.and_then(|(_, to)| new.get(*to)) {
            None => edits.push(Edit::Remove(nth(), field)),
            // An empty value would remove it: then it goes, and comes again.
            Some(into) if into != field => edits.push(Edit::Change(nth(), into)),
            Some(_) => {}
        }
    }
    let first = pairs.first().map_or(0, |(_, to)| *to);
    let (above, rest) = new.split_at_checked(first).unwrap_or_default();
    // From the last to the first: each becomes the first of all.
    edits.extend(above.iter().rev().map(Edit::Insert));
    edits.extend(rest.iter().skip(pairs.len()).map(Edit::Add));
    edits
}

/// Places in `old` and `new` of fields that are the same, or become one another; both ascend, and those in `new` without a
/// gap. What is inserted in a gap would not stand there: Postfix counts its own Received field with the others, and
/// Sendmail all that its configuration may add.
fn aligned(old: &[Field], new: &[Field]) -> Vec<(usize, usize)> {
    let front = common(old.iter(), new.iter());
    let (old_rest, new_rest) = (tail(old, front), tail(new, front));
    let above = match front {
        0 => best(old_rest, new_rest, Gaps::Anywhere)
            .first()
            .map(|(_, to)| *to),
        _ => Some(0),
    };
    let above = above.unwrap_or(new_rest.len());
    let run = best(old_rest, tail(new_rest, above), Gaps::InOld);
    let run = run
        .into_iter()
        .map(|(from, to)| (from + front, to + above + front));
    (0..front).map(|at| (at, at)).chain(run).collect()
}

fn tail(fields: &[Field], from: usize) -> &[Field] {
    fields.get(from..).unwrap_or_default()
}

fn common<'a>(old: impl Iterator<Item = &'a Field>, new: impl Iterator<Item = &'a Field>) -> usize {
    old.zip(new).take_while(|(old, new)| old == new).count()
}

/// Which fields may be without one that they are paired with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gaps {
    /// Any.
    Anywhere,
    /// Any old one, and new ones after the last pair.
    InOld,
}

/// The alignment that keeps most, and of those the one that changes most in place.
fn best(old: &[Field], new: &[Field], gaps: Gaps) -> Vec<(usize, usize)> {
    let width = new.len() + 1;
    if old.is_empty() || new.is_empty() || old.len().saturating_mul(width) > MOST_CELLS {
        return Vec::new();
    }
    // What the rest of both is worth, from the end.
    let mut worth = vec![0_u32; (old.len() + 1) * width];
    let at = |from: usize, to: usize| from * width + to;
    let read = |worth: &[u32], cell: usize| worth.get(cell).copied().unwrap_or_default();
    let without_new = |worth: &[u32], from: usize, to: usize| match gaps {
        Gaps::Anywhere => read(worth, at(from, to + 1)),
        Gaps::InOld => 0,
    };
    for (from, one) in old.iter().enumerate().rev() {
        for (to, other) in new.iter().enumerate().rev() {
            let paired = gain(one, other).map(|gain| gain + read(&worth, at(from + 1, to + 1)));
            let skipped = read(&worth, at(from + 1, to)).max(without_new(&worth, from, to));
            if let Some(cell) = worth.get_mut(at(from, to)) {
                *cell = paired.unwrap_or_default().max(skipped);
            }
        }
    }
    let mut pairs = Vec::new();
    let (mut from, mut to) = (0, 0);
    while let (Some(one), Some(other)) = (old.get(from), new.get(to)) {
        let here = read(&worth, at(from, to));
        if here == 0 {
            break;
        }
        let paired = gain(one, other).map(|gain| gain + read(&worth, at(from + 1, to + 1)));
        if paired == Some(here) {
            pairs.push((from, to));
            (from, to) = (from + 1, to + 1);
        } else if read(&worth, at(from + 1, to)) == here {
            from += 1;
        } else {
            to += 1;
        }
    }
    pairs
}

/// What it is worth that one field becomes the other; `None` when it cannot.
fn gain(old: &Field, new: &Field) -> Option<u32> {
    if old == new {
        // More than any number of changes in place that it could stand against.
        Some(3)
    } else if same_name(old, new) && old.name == new.name && !new.value.trim_ascii().is_empty() {
        Some(2)
    } else {
        None
    }
}

fn same_name(one: &Field, other: &Field) -> bool {
    one.name.eq_ignore_ascii_case(&other.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Vec<Field> {
        let field = |line: &str| {
            let (name, value) = line.split_once(':').unwrap();
            Field {
                name: name.as_bytes().to_vec(),
                value: value.as_bytes().to_vec(),
            }
        };
        text.lines().map(field).collect()
    }

    /// What an MTA makes of it.
    fn applied(old: &[Field], edits: &[Edit<'_>]) -> Vec<Field> {
        let mut header = old.to_vec();
        let nth = |header: &[Field], index: u32, name: &Field| {
            let mut same = header
                .iter()
                .enumerate()
                .filter(|(_, field)| same_name(field, name));
            same.nth(usize::try_from(index).unwrap() - 1).unwrap().0
        };
        for edit in edits {
            match edit {
                Edit::Add(field) => header.push((*field).clone()),
                Edit::Change(index, field) => {
                    let at = nth(&header, *index, field);
                    header[at] = (*field).clone();
                }
                Edit::Insert(field) => header.insert(0, (*field).clone()),
                Edit::Remove(index, field) => {
                    let at = nth(&header, *index, field);
                    header.remove(at);
                }
            }
        }
        header
    }

    #[test]
    fn a_changed_subject_is_one_edit() {
        let old = header("Received: x\nSubject: one\nTo: b");
        let new = header("Received: x\nSubject: two\nTo: b");
        assert_eq!(edits(&old, &new), [Edit::Change(1, &new[1])]);
    }

    #[test]
    fn results_are_inserted_above_those_of_others() {
        let old = header("Authentication-Results: other\nSubject: one");
        let new =
            header("Authentication-Results: ours\nAuthentication-Results: other\nSubject: one");
        assert_eq!(edits(&old, &new), [Edit::Insert(&new[0])]);
    }

    #[test]
    fn what_is_new_on_top_is_inserted_from_below() {
        let old = header("Received: x\nSubject: one");
        let new = header("A: 1\nB: 2\nReceived: x\nSubject: one");
        assert_eq!(
            edits(&old, &new),
            [Edit::Insert(&new[1]), Edit::Insert(&new[0])]
        );
    }

    #[test]
    fn what_is_new_between_others_makes_those_below_it_come_again() {
        let old = header("From: a\nType: text\nCoding: 7bit\nX-One: 1");
        let new = header("From: a\nX-One: 1\nType: mime\nCoding: base64");
        assert_eq!(
            edits(&old, &new),
            [
                Edit::Remove(1, &old[2]),
                Edit::Remove(1, &old[1]),
                Edit::Add(&new[2]),
                Edit::Add(&new[3]),
            ]
        );
        let old = header("From: a\nTo: b\nX-One: 1");
        let new = header("From: a\nX-Two: 2\nTo: b\nX-One: 1");
        assert_eq!(
            edits(&old, &new),
            [
                Edit::Remove(1, &old[2]),
                Edit::Remove(1, &old[1]),
                Edit::Add(&new[1]),
                Edit::Add(&new[2]),
                Edit::Add(&new[3]),
            ]
        );
    }

    #[test]
    fn of_several_fields_of_one_name_the_last_is_removed_first() {
        let old = header("A: 1\nB: 2\nA: 3\nA: 4");
        let new = header("B: 2\nA: 3");
        assert_eq!(
            edits(&old, &new),
            [Edit::Remove(3, &old[3]), Edit::Remove(1, &old[0])]
        );
    }

    #[test]
    fn the_new_header_comes_out_octet_for_octet() {
        // All headers of up to four fields over two names and two values, against each other.
        let letters = ["A: 1", "A: 2", "B: 1", "b:  2"];
        let mut headers: Vec<Vec<Field>> = vec![Vec::new()];
        let mut last = headers.clone();
        for _ in 0..4 {
            last = last
                .iter()
                .flat_map(|shorter| {
                    letters.map(|letter| {
                        let mut longer = shorter.clone();
                        longer.extend(header(letter));
                        longer
                    })
                })
                .collect();
            headers.extend(last.clone());
        }
        for old in &headers {
            for new in &headers {
                let edits = edits(old, new);
                assert_eq!(&applied(old, &edits), new, "{old:?} by {edits:?}");
            }
        }
    }

    #[test]
    fn what_differs_too_much_is_replaced_whole() {
        let old: Vec<Field> = (0..1_500)
            .flat_map(|n| header(&format!("A: {n}")))
            .collect();
        let new: Vec<Field> = (0..1_500)
            .flat_map(|n| header(&format!("B: {n}")))
            .collect();
        assert_eq!(applied(&old, &edits(&old, &new)), new);
    }

    #[test]
    fn a_space_is_left_to_the_mta_that_adds_one() {
        let new = header("A: 1");
        let mut output = Vec::new();
        write(&mut output, &[], &new, true);
        assert!(output.ends_with(b"A\0 1\0"));
        output.clear();
        write(&mut output, &[], &new, false);
        assert!(output.ends_with(b"A\x001\0"));
    }
}
