//! All sources of one gateway behind one question: asked together, with one deadline, as the policy orders.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;
use tokio::time::Sleep;

use super::harvest::Harvest;
use super::harvest::LATER;
use super::harvest::Taken;
use super::source::Expected;
use super::source::Question;
use super::source::Reply;
use super::source::Source;
use crate::address::Domain;
use crate::address::Mailbox;
use crate::gateway::announced::Announced;
use crate::gateway::certificates::Answer;
use crate::gateway::certificates::Certificates;
use crate::gateway::certificates::Noted;
use crate::gateway::certificates::Unavailable;
use crate::gateway::choice::Choice;
use crate::gateway::choice::Event;
use crate::gateway::judge::chain;
use crate::gateway::learned::Learned;
use crate::gateway::search::Asked;
use crate::gateway::search::Candidate;
use crate::gateway::search::Owner;
use crate::gateway::search::Said;
use crate::gateway::search::Search;
use crate::gateway::search::Subject;
use crate::policy::Policy;
use crate::policy::facts::LookupSource;
use crate::store::Settled;
use crate::store::Settlement;
use crate::store::Store;
use crate::store::StoreError;
use crate::x509::Time;

/// Hears what searches come to: metrics and the log.
pub trait Watch: fmt::Debug + Send + Sync {
    /// A source was asked, and answered.
    fn asked(&self, asked: &Asked);

    /// Something happened that an administrator should hear of.
    fn happened(&self, owner: &Owner, event: &Event);
}

/// Nobody listens.
#[derive(Clone, Copy, Debug)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn asked(&self, _: &Asked) {}

    fn happened(&self, _: &Owner, _: &Event) {}
}

/// Which sources are asked for which domain, in which order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    everybody: Vec<LookupSource>,
    /// By domain: what its partner entry names, if it does.
    partners: BTreeMap<String, Option<Vec<LookupSource>>>,
}

impl Order {
    /// As `policy` has it.
    #[must_use]
    pub fn of(policy: &Policy) -> Self {
        let named = policy.partners().map(|partner| {
            let domain = partner.domain.as_str().to_owned();
            (domain, partner.sources.clone())
        });
        Self {
            everybody: policy.lookup().order.clone(),
            partners: named.collect(),
        }
    }

    /// The sources for `domain`, and whether an entry for it, or for a domain above it, names them.
    fn of_domain(&self, domain: &Domain) -> (&[LookupSource], bool) {
        let mut above = (!domain.is_literal()).then_some(domain.as_str());
        while let Some(name) = above {
            match self.partners.get(name) {
                Some(Some(named)) => return (named, true),
                // The nearest entry counts, as it does for all else.
                Some(None) => break,
                None => {}
            }
            above = name.split_once('.').map(|(_, rest)| rest);
        }
        (&self.everybody, false)
    }
}

/// All sources of one gateway.
#[derive(Debug)]
pub struct Ordered {
    /// Those that the configuration has, each once; of one kind there may be several. Those that ask servers know
    /// which domains have published there: [`super::cache::Cached`], or [`super::publishers::Remembered`].
    pub sources: Vec<Arc<dyn Source>>,
    /// Which of them are asked for whom.
    pub order: Order,
    /// What is remembered.
    pub store: Arc<dyn Store>,
    /// How long a search may take.
    pub patience: Duration,
    /// Who hears of it.
    pub watch: Arc<dyn Watch>,
    /// What learns from mail; it is one of the sources, where it is there.
    pub harvest: Option<Arc<Harvest>>,
}

impl Ordered {
    async fn searched(&self, subject: Subject<'_>, now: Time) -> Search {
        let owner = Owner::from(subject);
        let known = match self.store.known(&owner.folded()).await {
            Ok(known) => known,
            // Without it another key would pass for the first one.
            Err(error) => return Search::unavailable(error.to_string()),
        };
        let deadline = Instant::now() + self.patience;
        let (wanted, named) = self.order.of_domain(owner.domain());
        let mut questions = Vec::new();
        for kind in wanted {
            let of_kind = self.sources.iter().filter(|source| source.name() == *kind);
            for source in of_kind.filter(|source| source.covers(subject)) {
                questions.push((
                    source,
                    Question {
                        subject: owner.clone(),
                        // Who was found there before is known to whoever asks the source.
                        expected: Expected::by_policy(named),
                        deadline,
                        now,
                    },
                ));
            }
        }
        let waiting = questions.iter().map(|(source, question)| Waiting {
            source: source.name(),
            answer: source.ask(question),
            since: Instant::now(),
            done: None,
        });
        let mut search = Search {
            known,
            ..Search::default()
        };
        for (asked, reply) in together(waiting.collect(), deadline, &*self.watch).await {
            search.asked.push(asked);
            search.candidates.extend(reply.candidates);
            search.associations.extend(reply.associations);
            search.keys.extend(reply.keys);
        }
        // What an administrator has pinned is used even where nobody shows it any more.
        if let (Some(pin), Some(kept)) = (&search.known.pinned, &search.known.kept)
            && pin.is_of(&kept.certificate)
            && !search
                .candidates
                .iter()
                .any(|one| pin.is_of(&one.certificate))
        {
            search.candidates.push((**kept).clone());
        }
        search
    }

    /// Tells each source that has found something good for the subject.
    async fn believe(
        &self,
        subject: Subject<'_>,
        search: &Search,
        choice: &Choice,
        now: Time,
    ) -> Result<(), StoreError> {
        let judged = search.candidates.iter().zip(&choice.refused);
        let good = judged.filter(|(_, refused)| refused.is_none());
        let from: BTreeSet<LookupSource> = good.map(|(one, _)| one.provenance.source).collect();
        for source in &self.sources {
            // What is pinned may be at hand from before.
            let has_found =
                |asked: &Asked| asked.source == source.name() && asked.said == Said::Found;
            if from.contains(&source.name())
                && source.covers(subject)
                && search.asked.iter().any(has_found)
            {
                source.believed(subject.domain(), now).await?;
            }
        }
        Ok(())
    }
}

fn unavailable(error: &StoreError) -> Unavailable {
    Unavailable {
        source_name: "the store of certificates".to_owned(),
        reason: error.to_string(),
    }
}

impl Certificates for Ordered {
    fn search<'a>(&'a self, subject: Subject<'a>, now: Time) -> Answer<'a, Search> {
        Box::pin(self.searched(subject, now))
    }

    fn settle<'a>(
        &'a self,
        subject: Subject<'a>,
        search: &'a Search,
        choice: &'a Choice,
        now: Time,
    ) -> Answer<'a, Result<Noted, Unavailable>> {
        Box::pin(async move {
            let owner = Owner::from(subject).folded();
            if let Err(error) = self.believe(subject, search, choice, now).await {
                return Err(unavailable(&error));
            }
            let at = |place: &usize| search.candidates.get(*place).cloned();
            let in_use = choice.chosen.as_ref().and_then(|(place, _)| at(place));
            // What waits already is not written again with every message.
            let waits = |one: &Candidate| {
                let mut pending = search.known.pending.iter();
                pending.any(|known| known.is_of(&one.certificate))
            };
            let pending = choice
                .pending
                .iter()
                .filter_map(|(place, reason)| Some((at(place)?, reason.clone())))
                .filter(|(one, _)| !waits(one));
            let settlement = Settlement {
                known: search.known.clone(),
                in_use,
                reason: choice
                    .chosen
                    .as_ref()
                    .map(|(_, reason)| reason.clone())
                    .unwrap_or_default(),
                pending: pending.collect(),
                now,
            };
            let noted = if settlement.in_use.is_none() && settlement.pending.is_empty() {
                Ok(Settled::Kept)
            } else {
                self.store.settle(&owner, settlement).await
            };
            match noted {
                Ok(Settled::Kept) => {
                    for event in &choice.events {
                        self.watch.happened(&owner, event);
                    }
                    Ok(Noted::Kept)
                }
                Ok(Settled::Outdated(known)) => Ok(Noted::Outdated(known)),
                Err(error) => Err(unavailable(&error)),
            }
        })
    }

    fn announced(&self, mailbox: &Mailbox) -> Option<Announced> {
        Announced::of(&self.harvest.as_ref()?.capabilities(mailbox)?)
    }

    fn learn(&self, learned: &Learned, now: Time) {
        let Some(harvest) = &self.harvest else {
            return;
        };
        let taken = harvest.learn(learned, now);
        if taken.changed > 0 || taken.again > 0 {
            tokio::spawn(keep(Arc::clone(harvest), taken));
        }
    }
}

/// Brings to the disk what was learned.
async fn keep(harvest: Arc<Harvest>, taken: Taken) {
    let kept = match taken.changed {
        0 => harvest.keep_later(LATER).await,
        _ => harvest.keep().await,
    };
    if let Err(error) = kept {
        tracing::warn!(
            error = chain(&error),
            "what mail has taught is not in the store yet; it is tried again with the next lesson"
        );
    }
}

/// One source that is being asked.
struct Waiting<'a> {
    source: LookupSource,
    answer: Answer<'a, Reply>,
    since: Instant,
    done: Option<(Asked, Reply)>,
}

impl Waiting<'_> {
    fn told(&self, reply: Reply, watch: &dyn Watch) -> (Asked, Reply) {
        let asked = Asked {
            source: self.source,
            said: reply.said.clone(),
            authentic: reply.authentic,
            elapsed: self.since.elapsed(),
            cached: reply.cached,
        };
        watch.asked(&asked);
        (asked, reply)
    }
}

/// All answers, in the order of the questions; *unavailable* in the place of those that are not there in time. `watch`
/// hears each when it comes.
async fn together(
    mut waiting: Vec<Waiting<'_>>,
    deadline: Instant,
    watch: &dyn Watch,
) -> Vec<(Asked, Reply)> {
    // Made when somebody has to be waited for: sources that answer at once need no runtime.
    let mut timer: Option<Pin<Box<Sleep>>> = None;
    poll_fn(|context| {
        let mut open = false;
        for one in waiting.iter_mut().filter(|one| one.done.is_none()) {
            match one.answer.as_mut().poll(context) {
                Poll::Pending => open = true,
                Poll::Ready(reply) => one.done = Some(one.told(reply, watch)),
            }
        }
        if !open {
            return Poll::Ready(());
        }
        let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        timer.as_mut().poll(context)
    })
    .await;
    waiting
        .into_iter()
        .map(|mut one| {
            one.done.take().unwrap_or_else(|| {
                let late = Reply::unavailable("it took longer than a search may");
                one.told(late, watch)
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::choice::Finding;
    use crate::gateway::search::Authentication;
    use crate::lookup::publishers::Remembered;
    use crate::store::memory::MemoryStore;
    use crate::store::tests::at;
    use crate::store::tests::bob;
    use crate::store::tests::candidate;
    use crate::store::tests::certificate;

    /// Has what anybody could have put there.
    #[derive(Debug)]
    struct Open;

    impl Source for Open {
        fn name(&self) -> LookupSource {
            LookupSource::Mcek
        }

        fn covers(&self, _: Subject<'_>) -> bool {
            true
        }

        fn ask<'a>(&'a self, _: &'a Question) -> Answer<'a, Reply> {
            let mut found = candidate(&certificate("bob"), 0);
            found.provenance.authentication = Authentication::None;
            Box::pin(std::future::ready(Reply {
                candidates: vec![found],
                ..Reply::without(Said::Found)
            }))
        }
    }

    #[tokio::test]
    async fn who_is_judged_good_publishes_where_it_was_found_now() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let ordered = Ordered {
            sources: vec![Arc::new(Remembered::new(
                Arc::new(Open),
                Arc::clone(&store),
            ))],
            order: Order {
                everybody: vec![LookupSource::Mcek],
                partners: BTreeMap::new(),
            },
            store: Arc::clone(&store),
            patience: Duration::from_secs(10),
            watch: Arc::new(Unwatched),
            harvest: None,
        };
        let owner = bob();
        let subject = owner.as_subject();
        let search = ordered.search(subject, at(0)).await;
        let choice = |refused: Option<&str>| Choice {
            finding: Finding::Absent,
            chosen: None,
            refused: vec![refused.map(str::to_owned)],
            pending: Vec::new(),
            events: Vec::new(),
        };
        let silent = Search {
            asked: Vec::new(),
            ..search.clone()
        };
        for (search, choice, published) in [
            (&search, choice(Some("its path leads nowhere")), None),
            // It is at hand from before.
            (&silent, choice(None), None),
            (&search, choice(None), Some(at(0))),
        ] {
            let noted = ordered.settle(subject, search, &choice, at(0)).await;
            assert_eq!(noted, Ok(Noted::Kept));
            let of_domain = store.published(owner.domain(), LookupSource::Mcek);
            assert_eq!(of_domain.await.unwrap(), published);
        }
    }
}
