//! S/MIME in the parts of an entity that is no layer itself, and what is S/MIME without saying so.
//!
//! Without recursion; each part is counted against the limits. What says that it is S/MIME and cannot
//! be read stays in the list, with its error.

use std::sync::Arc;

use crate::gateway::open::Kind;
use crate::gateway::open::Node;
use crate::gateway::open::OpenError;
use crate::gateway::open::Opener;
use crate::gateway::open::bare;
use crate::gateway::open::broken;
use crate::limits::Budget;
use crate::limits::LimitError;
use crate::limits::Limits;
use crate::mime::Entity;
use crate::mime::MimeError;
use crate::mime::Multipart;
use crate::mime::SmimeType;
use crate::octets::Octets;
use crate::octets::View;

/// A part that is still to be read.
struct Part {
    octets: View,
    /// How many multiparts and messages it is in.
    level: usize,
    /// The multipart that it is a part of; `None` for the message in a message/rfc822.
    parent: Option<Arc<Multipart>>,
}

impl Part {
    /// Parts of a multipart/digest are messages where they do not say what they are
    /// (RFC 2046 §5.1.5).
    fn entity(&self, limits: &Limits) -> Result<Entity, MimeError> {
        match &self.parent {
            Some(multipart) => Entity::parse_part(&self.octets, multipart, limits),
            None => Entity::parse(&self.octets, limits),
        }
    }
}

impl Opener<'_> {
    /// Peels the S/MIME among the parts of `entity`, which is content.
    pub(super) fn peel_parts(
        &self,
        entity: &Entity,
        depth: usize,
        budget: &mut Budget,
    ) -> Result<Node, OpenError> {
        let mut found = Vec::new();
        let mut open = parts_of(entity, 1, self.limits)?;
        let mut seen = open.len();
        while let Some(part) = open.pop() {
            let entity = part.entity(self.limits)?;
            match self.smime_type(&entity) {
                Ok(Some(SmimeType::MultipartSigned { .. } | SmimeType::Pkcs7Mime { .. })) => {
                    found.push(self.peel_entity(entity, depth + 1, budget));
                }
                Err(error) if error.is_unknown() => return Err(error),
                // What says so in no readable way is not "no S/MIME".
                Err(error) if SmimeType::is_claimed(&entity.header) => found.push(Node {
                    header: Some(entity.header),
                    ..broken(entity.raw, error)
                }),
                Ok(Some(SmimeType::Pkcs7Signature) | None) | Err(_) => {
                    let inner = parts_of(&entity, part.level + 1, self.limits)?;
                    seen += inner.len();
                    LimitError::check("number of parts", seen, self.limits.parts)?;
                    open.extend(inner);
                }
            }
        }
        let octets = entity.body.len();
        Ok(Node {
            octets,
            ..bare(Kind::Content(found), entity.raw.clone())
        })
    }

    /// What `entity` is of S/MIME: by its media type, or, for a multipart/signed whose protocol says
    /// nothing of S/MIME, because one of its parts is an S/MIME signature.
    ///
    /// RFC 1847 §2.1 demands the parameter. There are readers that do not, and show such a message
    /// as signed: so it is judged, with [`MultipartDefect::Protocol`].
    ///
    /// [`MultipartDefect::Protocol`]: crate::mime::multipart::MultipartDefect::Protocol
    pub(super) fn smime_type(&self, entity: &Entity) -> Result<Option<SmimeType>, OpenError> {
        let declared = SmimeType::of(entity)?;
        let media_type = entity.media_type()?;
        if declared.is_some() || media_type.essence() != "multipart/signed" {
            return Ok(declared);
        }
        let multipart = match entity.multipart(self.limits) {
            Err(error @ (MimeError::Limit(_) | MimeError::Io(_))) => return Err(error.into()),
            // Without a boundary it has no parts.
            multipart => multipart.ok().flatten(),
        };
        for part in multipart.iter().flat_map(|multipart| &multipart.parts) {
            let part = Entity::parse(part, self.limits)?;
            if let Ok(Some(SmimeType::Pkcs7Signature)) = SmimeType::of(&part) {
                let micalg = media_type.parameter("micalg");
                let micalg = micalg.map(str::to_ascii_lowercase);
                return Ok(Some(SmimeType::MultipartSigned { micalg }));
            }
        }
        Ok(None)
    }
}

/// The parts of a multipart, or the message inside a message/rfc822, one level down.
fn parts_of(entity: &Entity, level: usize, limits: &Limits) -> Result<Vec<Part>, OpenError> {
    let part = |octets: &View, parent: Option<&Arc<Multipart>>| Part {
        octets: octets.clone(),
        level,
        parent: parent.cloned(),
    };
    let parts: Vec<Part> = match entity.multipart(limits) {
        Ok(Some(multipart)) => {
            let multipart = Arc::new(multipart);
            // Popped from the end: the first part first.
            let parts = multipart.parts.iter().rev();
            parts.map(|octets| part(octets, Some(&multipart))).collect()
        }
        Ok(None) if entity.media_type()?.is_message() => vec![part(&entity.body, None)],
        Ok(None) => Vec::new(),
        Err(error @ (MimeError::Limit(_) | MimeError::Io(_))) => return Err(error.into()),
        // Without a boundary it has no parts.
        Err(_) => Vec::new(),
    };
    if !parts.is_empty() {
        LimitError::check("depth of multiparts", level, limits.multipart_depth)?;
    }
    LimitError::check("number of parts", parts.len(), limits.parts)?;
    Ok(parts)
}
