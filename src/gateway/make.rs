//! The last step: every edition that was decided upon is made, or its recipients get another fate.

use crate::address::Mailbox;
use crate::gateway::arrival::Arrival;
use crate::gateway::decide::Decision;
use crate::gateway::decide::otherwise;
use crate::gateway::edition::Course;
use crate::gateway::edition::EditionPlan;
use crate::gateway::edition::Maker;
use crate::gateway::edition::Restored;
use crate::gateway::flags;
use crate::gateway::judge::chain;
use crate::gateway::learned::Learned;
use crate::gateway::outcome::Edition;
use crate::gateway::outcome::Fate;
use crate::gateway::outcome::Outcome;
use crate::gateway::outcome::Share;
use crate::gateway::seal::SealError;
use crate::gateway::site::Gateway;
use crate::gateway::transaction::is_of;
use crate::gateway::unmet::SealBlame;
use crate::gateway::unmet::Unmet;
use crate::mime::protected::Restoration;
use crate::mime::protected::restore;
use crate::octets::Octets;
use crate::octets::Spool;
use crate::policy::rule::Rule;

impl Gateway {
    /// Makes what was decided.
    #[must_use]
    pub fn seal(
        &self,
        arrival: &Arrival<'_>,
        decision: Decision<'_>,
        spool: &dyn Spool,
    ) -> Outcome {
        let nodes = arrival.nodes();
        let restored = restored(arrival);
        let maker = Maker {
            sealer: self.sealer(spool),
            now: arrival.now,
            type_oid: self.signature_type_oid,
            message: &arrival.transaction.message,
            nodes: &nodes,
            restored: &restored,
        };
        let mut shares = Vec::with_capacity(decision.shares.len());
        let mut is_good = true;
        for share in decision.shares {
            let mut reasons = share.reasons;
            is_good &= matches!(share.fate, Fate::Deliver(_));
            let fate = if self.monitor {
                reasons.push(format!(
                    "monitored alone: it would be \"{}\"",
                    share.fate.as_str()
                ));
                Fate::Deliver(untouched(arrival))
            } else {
                self.carried_out(
                    &maker,
                    arrival,
                    (share.fate, share.rule.as_deref()),
                    &mut reasons,
                )
            };
            if matches!(fate, Fate::Deliver(_)) {
                self.remember(arrival, &share.recipients);
            }
            let encrypted = matches!(&fate, Fate::Deliver(edition) if edition.encrypted);
            shares.push(Share {
                recipients: share.recipients,
                rule: share.rule,
                fate,
                reasons,
                warnings: share.warnings,
                encrypted_to: if encrypted {
                    share.encrypted_to
                } else {
                    Vec::new()
                },
            });
        }
        Outcome {
            shares,
            record: decision.record,
            // A gateway that monitors learns, or what it tells of the messages to come would not be what it will do. But
            // not from what it would have refused, held or deferred.
            learned: if self.monitor && !is_good {
                Learned::default()
            } else {
                arrival.learned.clone()
            },
        }
    }

    fn carried_out(
        &self,
        maker: &Maker<'_>,
        arrival: &Arrival<'_>,
        (fate, rule): (Fate<EditionPlan<'_>>, Option<&str>),
        reasons: &mut Vec<String>,
    ) -> Fate<Edition> {
        let plan = match fate {
            Fate::Defer(reply) => return Fate::Defer(reply),
            Fate::Hold(reason) => return Fate::Hold(reason),
            Fate::Refuse(reply) => return Fate::Refuse(reply),
            Fate::Deliver(plan) => plan,
        };
        let error = match made(maker, arrival, &plan) {
            Ok(edition) => return Fate::Deliver(edition),
            Err(error) => error,
        };
        let unmet = Unmet::Seal(chain(&error), SealBlame::from(&error));
        reasons.push(unmet.to_string());
        let as_came = EditionPlan {
            course: Course::AsCame,
            marks: plan.marks,
        };
        let fate = match (&plan.course, self.rule(rule)) {
            (Course::Layered { .. }, Some(rule)) => {
                otherwise(rule, arrival.transaction.waited, &unmet, || as_came)
            }
            // What cannot be opened for its reader is delivered as it came (DESIGN, decision 4).
            (Course::Opened { .. }, _) => Fate::Deliver(as_came),
            (Course::Layered { .. }, None) => return Fate::Hold(unmet.to_string()),
            // Not even its header can be read, and so nothing forged be taken out of it.
            (Course::AsCame, _) => return Fate::Hold(unmet.to_string()),
        };
        match fate {
            Fate::Defer(reply) => Fate::Defer(reply),
            Fate::Hold(reason) => Fate::Hold(reason),
            Fate::Refuse(reply) => Fate::Refuse(reply),
            Fate::Deliver(plan) => made(maker, arrival, &plan)
                .map_or_else(|error| Fate::Hold(chain(&error)), Fate::Deliver),
        }
    }

    fn rule(&self, name: Option<&str>) -> Option<&Rule> {
        let mut rules = self.policy.rules().iter();
        rules.find(|rule| Some(rule.name.as_str()) == name)
    }

    /// Remembers what is delivered to recipients of ours, so that it is known when it comes again.
    fn remember(&self, arrival: &Arrival<'_>, recipients: &[Mailbox]) {
        for recipient in recipients.iter().filter(|one| is_of(one, &self.domains)) {
            if let Some(delivery) = flags::delivery(self, arrival, recipient) {
                self.deliveries.remember(&delivery);
            }
        }
    }
}

/// The header of the message with the fields that are bound to its content in their place.
fn restored(arrival: &Arrival<'_>) -> Restored {
    let Some(outer) = &arrival.opened.header else {
        return Restored::default();
    };
    let Some(protected) = &arrival.protected else {
        let all = outer.raw_of(|field| !field.is_content() && !field.is("MIME-Version"));
        return Restored {
            for_delivery: all.clone(),
            all,
            shows_all: false,
        };
    };
    let from = protected.fields().from_addresses().from;
    let mut from = from.into_iter().filter_map(Result::ok).flatten();
    let sender = arrival.transaction.mail_from.as_ref();
    // A bounce would carry them to whoever sent the message (DESIGN, decision 5).
    let hidden = sender.is_some_and(|sender| from.any(|one| one.mailbox == *sender));
    // The protected From takes the place of none outside: where a signature covers it and they differ,
    // the verdict says so; and where none does, anybody wrote it.
    let bound = false;
    let with = |hidden| restore(outer, protected, Restoration { hidden, bound });
    Restored {
        all: with(true),
        for_delivery: with(hidden),
        shows_all: hidden && protected.is_encrypted(),
    }
}

fn untouched(arrival: &Arrival<'_>) -> Edition {
    Edition {
        message: arrival.transaction.message.clone(),
        layers: arrival.layers_in.clone(),
        changed: false,
        decrypted: false,
        encrypted: false,
    }
}

fn made(
    maker: &Maker<'_>,
    arrival: &Arrival<'_>,
    plan: &EditionPlan<'_>,
) -> Result<Edition, SealError> {
    let message = maker.make(plan)?;
    let as_came = matches!(plan.course, Course::AsCame);
    Ok(Edition {
        changed: !as_came
            || message.len() != arrival.transaction.message.len()
            || !plan.marks.is_silent(),
        layers: plan.layers(&arrival.layers_in),
        encrypted: plan.encrypts(),
        decrypted: plan.is_decrypted(&arrival.content.layers),
        message,
    })
}
