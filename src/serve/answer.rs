//! What the MTA is answered, from the fates of all recipients (DESIGN, "Outcome").
//!
//! A milter changes one message and answers it as a whole: one edition stays with the MTA, the others
//! are submitted before the answer, and where any recipient must wait nothing goes out.

use crate::address::Mailbox;
use crate::gateway::outcome::Edition;
use crate::gateway::outcome::Fate;
use crate::gateway::outcome::Share;
use crate::reply::Reply;

/// What the front can do with a message beside answering it.
#[derive(Clone, Copy, Debug)]
pub struct Means {
    /// It may remove recipients.
    pub removes_recipients: bool,
    /// It may replace the envelope sender, and with it what bounces return.
    pub changes_sender: bool,
    /// There is somewhere to submit further editions to.
    pub submits: bool,
    /// A bounce of the message has somebody to go to.
    pub has_sender: bool,
    /// The sender may be told by a report that somebody is refused.
    pub reports: bool,
}

/// The answer.
#[derive(Debug)]
pub enum Answer {
    /// The message is answered with this reply, and nothing goes out.
    Reply(Reply),
    /// It goes on.
    Take(Box<Taken>),
}

/// A message that goes on.
#[derive(Debug)]
pub struct Taken {
    /// The edition that stays with the MTA.
    pub edition: Edition,
    /// The recipients who get another one, or none.
    pub removed: Vec<Mailbox>,
    /// What they get: submitted before the MTA is answered.
    pub others: Vec<(Vec<Mailbox>, Edition)>,
    /// Who is refused, of which the sender is told before the MTA is answered.
    pub refused: Vec<(Mailbox, Reply)>,
}

/// The text for a held message: until there is a desk where somebody releases it, it waits with the MTA.
const HELD: &str = "held by policy, try again later";

impl Answer {
    /// Answers for all of `shares`.
    ///
    /// `Err` says what is missing in the configuration, or in the MTA, for what has to be done: then
    /// the message must be deferred.
    pub fn of(shares: Vec<Share<Edition>>, means: Means) -> Result<Self, &'static str> {
        let mut editions: Vec<(Vec<Mailbox>, Edition)> = Vec::new();
        let mut refused: Vec<(Mailbox, Reply)> = Vec::new();
        let mut wait: Option<Reply> = None;
        for share in shares {
            match share.fate {
                Fate::Defer(reply) => wait = wait.or(Some(reply)),
                Fate::Deliver(edition) => add(&mut editions, share.recipients, edition),
                Fate::Hold(_) => wait = wait.or_else(|| Some(Reply::deferred(1, HELD))),
                Fate::Refuse(reply) => {
                    let recipients = share.recipients.into_iter();
                    refused.extend(recipients.map(|mailbox| (mailbox, reply.clone())));
                }
            }
        }
        // A temporary reply goes before a permanent one: the message comes again, and is then refused
        // for good.
        if let Some(reply) = wait {
            return Ok(Self::Reply(reply));
        }
        let tells = means.reports && means.removes_recipients && means.submits;
        if let Some((_, reply)) = refused.first()
            && (editions.is_empty() || !tells)
        {
            return Ok(Self::Reply(reply.clone()));
        }
        let most = editions
            .iter()
            .enumerate()
            // Of equals the first.
            .max_by_key(|(at, (recipients, _))| (recipients.len(), usize::MAX - at))
            .map(|(at, _)| at);
        let Some(most) = most else {
            return Err("a message without recipients has no answer");
        };
        let (_, edition) = editions.remove(most);
        if edition.decrypted && means.has_sender && !means.changes_sender {
            return Err(
                "the MTA does not let milters change the sender (SMFIF_CHGFROM), without which \
                 bounces could return what was decrypted",
            );
        }
        if !editions.is_empty() && !means.removes_recipients {
            return Err(
                "its recipients need different editions, and the MTA does not let milters remove \
                 recipients (SMFIF_DELRCPT)",
            );
        }
        if !editions.is_empty() && !means.submits {
            return Err(
                "its recipients need different editions, and [reinject] to is not set: say there \
                 where further editions are submitted",
            );
        }
        let removed = editions
            .iter()
            .flat_map(|(recipients, _)| recipients)
            .chain(refused.iter().map(|(mailbox, _)| mailbox))
            .cloned()
            .collect();
        Ok(Self::Take(Box::new(Taken {
            edition,
            removed,
            others: editions,
            refused,
        })))
    }
}

/// Those who get the message as it came get one edition, whichever rules say so.
fn add(editions: &mut Vec<(Vec<Mailbox>, Edition)>, recipients: Vec<Mailbox>, edition: Edition) {
    let same = |other: &Edition| !edition.changed && !other.changed;
    match editions.iter_mut().find(|(_, other)| same(other)) {
        Some((known, _)) => known.extend(recipients),
        None => editions.push((recipients, edition)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::octets::Octets;
    use crate::octets::View;
    use crate::reply::Class;

    const ALL: Means = Means {
        removes_recipients: true,
        changes_sender: true,
        submits: true,
        has_sender: true,
        reports: false,
    };

    fn share(recipients: &[&str], fate: Fate<Edition>) -> Share<Edition> {
        Share {
            recipients: recipients
                .iter()
                .map(|text| text.parse().unwrap())
                .collect(),
            rule: None,
            fate,
            reasons: Vec::new(),
            warnings: Vec::new(),
            encrypted_to: Vec::new(),
        }
    }

    fn edition(octets: &str, changed: bool) -> Edition {
        Edition {
            message: View::owned(octets.as_bytes().to_vec()),
            layers: "C".parse().unwrap(),
            changed,
            encrypted: false,
            decrypted: false,
        }
    }

    fn changed(octets: &str) -> Fate<Edition> {
        Fate::Deliver(edition(octets, true))
    }

    #[test]
    fn the_largest_group_stays_with_the_mta() {
        let shares = vec![
            share(&["a@x.example"], changed("1")),
            share(&["b@x.example", "c@x.example"], changed("2")),
        ];
        let Ok(Answer::Take(taken)) = Answer::of(shares, ALL) else {
            panic!("not taken");
        };
        assert_eq!(taken.edition.message.len(), 1);
        assert_eq!(taken.removed, ["a@x.example".parse().unwrap()]);
        assert_eq!(taken.others.len(), 1);
    }

    #[test]
    fn who_gets_what_came_gets_one_edition() {
        let as_is = || Fate::Deliver(edition("1", false));
        let shares = vec![
            share(&["a@x.example"], as_is()),
            share(&["b@x.example"], as_is()),
        ];
        let Ok(Answer::Take(taken)) = Answer::of(shares, ALL) else {
            panic!("not taken");
        };
        assert!(taken.removed.is_empty() && taken.others.is_empty());
    }

    #[test]
    fn one_who_must_wait_holds_back_all() {
        for fate in [
            Fate::Defer(Reply::unavailable()),
            Fate::Hold("look".to_owned()),
        ] {
            let shares = vec![
                share(&["a@x.example"], changed("1")),
                share(&["b@x.example"], Fate::Refuse(Reply::refused(1, "no"))),
                share(&["c@x.example"], fate),
            ];
            let Ok(Answer::Reply(reply)) = Answer::of(shares, ALL) else {
                panic!("taken");
            };
            assert_eq!(reply.class(), Class::Temporary);
        }
    }

    #[test]
    fn one_who_is_refused_refuses_all_before_anything_is_submitted() {
        let shares = vec![
            share(&["a@x.example"], changed("1")),
            share(&["b@x.example"], Fate::Refuse(Reply::refused(1, "no"))),
        ];
        let Ok(Answer::Reply(reply)) = Answer::of(shares, ALL) else {
            panic!("taken");
        };
        assert_eq!(reply, Reply::refused(1, "no"));
    }

    #[test]
    fn one_who_is_refused_leaves_the_message_where_the_sender_may_be_told() {
        let means = Means {
            reports: true,
            ..ALL
        };
        let refusal = || share(&["b@x.example"], Fate::Refuse(Reply::refused(1, "no")));
        let shares = || vec![share(&["a@x.example"], changed("1")), refusal()];
        let Ok(Answer::Take(taken)) = Answer::of(shares(), means) else {
            panic!("not taken");
        };
        let refused: Mailbox = "b@x.example".parse().unwrap();
        assert_eq!(taken.removed, std::slice::from_ref(&refused));
        assert_eq!(taken.refused, [(refused, Reply::refused(1, "no"))]);
        assert!(taken.others.is_empty());
        // Nobody is left, or nothing can be told.
        let without = [
            Means {
                removes_recipients: false,
                ..means
            },
            Means {
                submits: false,
                ..means
            },
        ];
        let answers = without.map(|means| Answer::of(shares(), means));
        for answer in answers
            .into_iter()
            .chain([Answer::of(vec![refusal()], means)])
        {
            let Ok(Answer::Reply(reply)) = answer else {
                panic!("taken");
            };
            assert_eq!(reply, Reply::refused(1, "no"));
        }
    }

    #[test]
    fn what_cannot_be_done_is_no_answer() {
        let two = || {
            vec![
                share(&["a@x.example"], changed("1")),
                share(&["b@x.example"], changed("2")),
            ]
        };
        let without = |means| Answer::of(two(), means).unwrap_err();
        let says = without(Means {
            submits: false,
            ..ALL
        });
        assert!(says.contains("[reinject]"), "{says}");
        let says = without(Means {
            removes_recipients: false,
            ..ALL
        });
        assert!(says.contains("DELRCPT"), "{says}");
        let mut opened = edition("1", true);
        opened.decrypted = true;
        let shares =
            |edition: &Edition| vec![share(&["a@x.example"], Fate::Deliver(edition.clone()))];
        let means = Means {
            changes_sender: false,
            ..ALL
        };
        assert!(
            Answer::of(shares(&opened), means)
                .unwrap_err()
                .contains("CHGFROM")
        );
        // A bounce of a bounce there is none.
        let means = Means {
            has_sender: false,
            ..means
        };
        assert!(Answer::of(shares(&opened), means).is_ok());
    }
}
