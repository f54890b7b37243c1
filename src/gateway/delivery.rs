//! Which layers are removed for delivery to a recipient of ours, and what a list's layer leaves behind.

use crate::domsec::layering::remembered::History;
use crate::gateway::arrival::Arrival;
use crate::gateway::decide::Common;
use crate::gateway::open::Kind;
use crate::gateway::open::Node;
use crate::gateway::record::RecipientRecord;
use crate::gateway::shares::Draft;
use crate::gateway::shares::DraftCourse;
use crate::gateway::transaction::is_of;
use crate::policy::facts::Direction;
use crate::policy::rule::Delivery;
use crate::policy::rule::Rule;

/// The attributes of a list's layer that go into the new one, each as DER (DESIGN, decision 9).
pub(super) fn remembered(arrival: &Arrival<'_>, layer: usize) -> Vec<Vec<u8>> {
    let node = arrival.opened.root.chain().nth(layer);
    let Some(Kind::Signed(signed)) = node.map(|node| &node.kind) else {
        return Vec::new();
    };
    // Section 5 takes the layer only where all of its signers verify.
    let signers = signed.data.signers.iter();
    let attributes = signers.filter_map(|signer| signer.signed_attributes.as_ref());
    match History::of(attributes) {
        History::Agreed(attributes) => attributes.iter().map(|one| one.raw().to_vec()).collect(),
        History::Absent | History::Differing => Vec::new(),
    }
}

impl<'a> Common<'a> {
    /// Whether results and warnings are for this recipient to read: one of ours.
    pub(super) fn is_marked(&self, record: &RecipientRecord) -> bool {
        record.direction != Direction::Outbound && is_of(&record.mailbox, &self.gateway.domains)
    }

    /// What a recipient gets of a message that gets no layer from us.
    pub(super) fn delivery(
        &self,
        rule: &'a Rule,
        record: &RecipientRecord,
        reasons: &mut Vec<String>,
    ) -> Draft<'a> {
        let marked = self.is_marked(record);
        let as_came = Draft::as_came(rule, marked);
        if !marked || rule.deliver == Delivery::AsIs {
            return as_came;
        }
        match self.removable(rule) {
            Ok(0) => as_came,
            Ok(remove) => Draft {
                course: DraftCourse::Opened { remove },
                ..as_came
            },
            Err(reason) => {
                reasons.push(format!("delivered as it came: {reason}"));
                as_came
            }
        }
    }

    /// How many outermost layers are removed for delivery; why none can be.
    fn removable(&self, rule: &Rule) -> Result<usize, String> {
        let nodes = self.arrival.nodes();
        let is_opened = |node: &&Node| matches!(node.kind, Kind::Enveloped(_, Some(_)));
        let is_closed = |node: &&Node| matches!(node.kind, Kind::Enveloped(_, None));
        let beneath_opened = nodes
            .iter()
            .rposition(is_opened)
            .map_or(0, |index| index + 1);
        let has_enveloped = nodes.iter().any(|node| is_opened(node) || is_closed(node));
        if has_enveloped && !rule.decrypt {
            return Err("the rule does not decrypt".to_owned());
        }
        let content = nodes.len().saturating_sub(1);
        let to_content = nodes
            .last()
            .is_some_and(|node| matches!(node.kind, Kind::Content(_)));
        let remove = match rule.deliver {
            Delivery::AsIs => 0,
            // What no key opens stays, with all that stands around it.
            Delivery::Clear if to_content => content,
            Delivery::Clear | Delivery::Signed => beneath_opened,
        };
        let removed = nodes.iter().take(remove + 1);
        if let Some(error) = removed.filter_map(|node| node.error.as_ref()).next() {
            return Err(format!("a layer cannot be read: {error}"));
        }
        for (index, node) in nodes.iter().enumerate().take(remove) {
            self.check_cbc(index, node)?;
        }
        Ok(remove)
    }

    /// CBC content that no valid signature covers is what EFAIL and padding oracles live on
    /// (DESIGN, decision 4): the signature must stand right inside.
    fn check_cbc(&self, index: usize, node: &Node) -> Result<(), String> {
        let Kind::Enveloped(enveloped, Some(_)) = &node.kind else {
            return Ok(());
        };
        let from = self.arrival.facts.mailboxes();
        if enveloped.authenticated || self.gateway.trusts_cbc(from) {
            return Ok(());
        }
        let inside = self.arrival.opened.root.right_inside(index);
        let signed = inside.is_some_and(|layer| self.arrival.is_verified(layer));
        if signed && self.arrival.facts.defects.is_empty() {
            Ok(())
        } else {
            Err(
                "its encryption does not protect its integrity, and no valid signature covers the \
                 content"
                    .to_owned(),
            )
        }
    }
}
