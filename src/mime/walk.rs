//! All entities of a message, outermost first, without recursion.
//!
//! Goes into multiparts and into message/rfc822 that is not encoded. Bounded in depth and in the
//! number of parts of the whole message.

use std::sync::Arc;

use super::MimeError;
use super::entity::Entity;
use super::header::TransferEncoding;
use super::multipart::Multipart;
use crate::limits::LimitError;
use crate::limits::Limits;
use crate::octets::Octets;
use crate::octets::View;

/// Gives every entity of a message, each before its parts.
#[derive(Debug)]
pub struct Walk<'a> {
    limits: &'a Limits,
    stack: Vec<Task>,
    parts: usize,
    /// What the last entity holds, to come next.
    inside: Vec<Task>,
}

/// An entity that is still to be read.
#[derive(Debug)]
struct Task {
    view: View,
    start: u64,
    depth: usize,
    parent: Option<Arc<Multipart>>,
}

/// An entity and where it stands.
#[derive(Debug)]
#[non_exhaustive]
pub struct Visit {
    /// The entity.
    pub entity: Entity,
    /// Where it starts in the message.
    pub start: u64,
    /// How many entities it is in.
    pub depth: usize,
    /// What it is made of.
    pub structure: Structure,
}

/// What an entity is made of.
#[derive(Debug)]
#[non_exhaustive]
pub enum Structure {
    /// A body without parts.
    Leaf,
    /// A message/rfc822; the entity that comes next is its content.
    Message,
    /// A multipart; its parts come next.
    Multipart(Arc<Multipart>),
    /// An entity whose type or boundary cannot be read, and that is a leaf for this reason.
    Unreadable(MimeError),
}

impl<'a> Walk<'a> {
    /// Walks over the message in `view`.
    #[must_use]
    pub fn new(view: &View, limits: &'a Limits) -> Self {
        let task = Task {
            view: view.clone(),
            start: 0,
            depth: 0,
            parent: None,
        };
        Self {
            limits,
            stack: vec![task],
            parts: 0,
            inside: Vec::new(),
        }
    }

    /// Does not go into the entity that was given last.
    pub fn skip_inside(&mut self) {
        self.inside.clear();
    }

    fn visit(&mut self, task: Task) -> Result<Visit, MimeError> {
        LimitError::check("nesting of parts", task.depth, self.limits.multipart_depth)?;
        let entity = match &task.parent {
            Some(multipart) => Entity::parse_part(&task.view, multipart, self.limits)?,
            None => Entity::parse(&task.view, self.limits)?,
        };
        let structure = self.structure(&entity)?;
        let body = task.start + (task.view.len() - entity.body.len());
        let depth = task.depth + 1;
        match &structure {
            Structure::Leaf | Structure::Unreadable(_) => {}
            Structure::Message => {
                self.count(1)?;
                let view = entity.body.clone();
                self.inside.push(Task {
                    view,
                    start: body,
                    depth,
                    parent: None,
                });
            }
            Structure::Multipart(multipart) => {
                self.count(multipart.parts.len())?;
                let mut start = body + multipart.preamble.len();
                for (delimiter, part) in multipart.delimiters.iter().zip(&multipart.parts) {
                    start += delimiter.len();
                    let parent = Some(Arc::clone(multipart));
                    self.inside.push(Task {
                        view: part.clone(),
                        start,
                        depth,
                        parent,
                    });
                    start += part.len();
                }
            }
        }
        Ok(Visit {
            entity,
            start: task.start,
            depth: task.depth,
            structure,
        })
    }

    /// Counts `more` parts or attached messages.
    fn count(&mut self, more: usize) -> Result<(), MimeError> {
        self.parts += more;
        LimitError::check("number of parts", self.parts, self.limits.parts)?;
        Ok(())
    }

    /// Only a bound that is passed is an error for the whole message.
    fn structure(&self, entity: &Entity) -> Result<Structure, MimeError> {
        match entity.multipart(self.limits) {
            Ok(Some(multipart)) => Ok(Structure::Multipart(Arc::new(multipart))),
            Ok(None) => {
                let message = entity.media_type()?.is_message();
                let plain = entity
                    .header
                    .transfer_encoding()
                    .is_ok_and(TransferEncoding::is_identity);
                Ok(if message && plain {
                    Structure::Message
                } else {
                    Structure::Leaf
                })
            }
            Err(error @ (MimeError::Limit(_) | MimeError::Io(_))) => Err(error),
            Err(error) => Ok(Structure::Unreadable(error)),
        }
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<Visit, MimeError>;

    /// The next entity. After an error there is none.
    fn next(&mut self) -> Option<Self::Item> {
        self.stack.extend(self.inside.drain(..).rev());
        let task = self.stack.pop()?;
        let visit = self.visit(task);
        if visit.is_err() {
            self.stack.clear();
            self.inside.clear();
        }
        Some(visit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(text: &[u8]) -> Result<usize, MimeError> {
        let view = View::owned(text.to_vec());
        let limits = Limits::default();
        let visits: Result<Vec<Visit>, MimeError> = Walk::new(&view, &limits).collect();
        visits.map(|visits| visits.iter().map(|visit| visit.depth).max().unwrap())
    }

    #[test]
    fn parts_are_found_where_they_start() {
        let text = b"Content-Type: multipart/digest; boundary=b\n\npre\n--b\n\nSubject: x\n\ny\n--b\nContent-Type: a/b\n\nz\n--b--\n";
        let view = View::owned(text.to_vec());
        let limits = Limits::default();
        let visits: Vec<Visit> = Walk::new(&view, &limits).map(Result::unwrap).collect();
        assert_eq!(
            visits.iter().map(|visit| visit.depth).collect::<Vec<_>>(),
            [0, 1, 2, 1]
        );
        for visit in &visits {
            let range = visit.start..visit.start + visit.entity.raw.len();
            assert_eq!(
                view.slice(range).contiguous(),
                visit.entity.raw.contiguous()
            );
        }
        assert_eq!(
            visits[2].entity.header.first("subject").unwrap().text(),
            "x"
        );
    }

    #[test]
    fn what_is_inside_can_be_passed_over() {
        let text = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n";
        let limits = Limits::default();
        let view = View::owned(text.to_vec());
        let mut walk = Walk::new(&view, &limits);
        assert!(walk.next().unwrap().is_ok());
        walk.skip_inside();
        assert!(walk.next().is_none());
    }

    #[test]
    fn deep_nesting_is_refused_by_bound() {
        let nested = |levels: usize| -> Vec<u8> {
            (0..levels)
                .flat_map(|n| {
                    format!("Content-Type: multipart/mixed; boundary=b{n}x\n\n--b{n}x\n")
                        .into_bytes()
                })
                .collect()
        };
        assert_eq!(depth(&nested(32)).unwrap(), 32);
        assert!(matches!(depth(&nested(33)), Err(MimeError::Limit(_))));
        assert!(matches!(depth(&nested(10_000)), Err(MimeError::Limit(_))));
        assert!(matches!(
            depth(&b"Content-Type: message/rfc822\n\n".repeat(10_000)),
            Err(MimeError::Limit(_))
        ));
    }

    #[test]
    fn parts_of_all_multiparts_are_counted_together() {
        let inner = format!(
            "Content-Type: multipart/mixed; boundary=i\n\n{}--i--\n",
            "--i\n\n".repeat(3_400)
        );
        let text = format!(
            "Content-Type: multipart/mixed; boundary=o\n\n{}--o--",
            format!("--o\n{inner}").repeat(3)
        );
        assert!(matches!(depth(text.as_bytes()), Err(MimeError::Limit(_))));
    }

    #[test]
    fn attached_messages_are_counted_as_parts() {
        let attached = |count: usize| {
            let parts = "--o\nContent-Type: message/rfc822\n\n\nx\n".repeat(count);
            format!("Content-Type: multipart/mixed; boundary=o\n\n{parts}--o--")
        };
        assert_eq!(depth(attached(5_000).as_bytes()).unwrap(), 2);
        assert!(matches!(
            depth(attached(5_001).as_bytes()),
            Err(MimeError::Limit(_))
        ));
    }
}
