//! Asks for what is not in the message: the certificates of its recipients. Nothing else here waits.

use std::collections::HashMap;
use std::collections::HashSet;
use std::future::pending;
use std::future::poll_fn;
use std::future::ready;
use std::task::Poll;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::address::Domain;
use crate::address::Mailbox;
use crate::gateway::announced::Announced;
use crate::gateway::arrival::Arrival;
use crate::gateway::certificates::Answer;
use crate::gateway::certificates::Noted;
use crate::gateway::choice::Choice;
use crate::gateway::choice::Finding;
use crate::gateway::choice::Terms;
use crate::gateway::choose::Findings;
use crate::gateway::needed::Needed;
use crate::gateway::outcome::Outcome;
use crate::gateway::recipient::Early;
use crate::gateway::recipient::Unnoted;
use crate::gateway::record::RecipientRecord;
use crate::gateway::search::Search;
use crate::gateway::search::Subject;
use crate::gateway::site::Gateway;
use crate::gateway::transaction::Transaction;
use crate::limits::Budget;
use crate::octets::Spool;
use crate::policy::facts::LookupResult;
use crate::policy::partner::Partner;
use crate::x509::Certificate;
use crate::x509::Time;

/// How often a choice is made again that somebody else was faster with.
const ATTEMPTS: u32 = 4;

/// What was found for each recipient, in the order of the envelope.
#[derive(Debug)]
pub struct Gathered {
    /// What rules may ask.
    pub records: Vec<RecipientRecord>,
    /// What encryption needs.
    pub findings: Vec<Findings>,
}

impl Gateway {
    /// All five steps at once, in this thread.
    pub async fn process(
        &self,
        transaction: &Transaction,
        now: Time,
        spool: &dyn Spool,
    ) -> Outcome {
        let arrival = self.open(transaction, now, spool);
        let gathered = self.gather(&arrival).await;
        let decision = self.decide(&arrival, &gathered);
        self.seal(&arrival, decision, spool)
    }

    /// Looks for the certificates of every recipient for whom a rule could want one, all at once.
    pub async fn gather(&self, arrival: &Arrival<'_>) -> Gathered {
        let transaction = arrival.transaction;
        let mut records: Vec<RecipientRecord> = transaction
            .recipients
            .iter()
            .map(|mailbox| self.record(mailbox, transaction))
            .collect();
        let wanted: Vec<(&Mailbox, Needed)> = records
            .iter()
            .map(|record| (&record.mailbox, self.needed(record, arrival)))
            .collect();
        let findings = self.settled(&wanted, arrival.now).await;
        let findings: Vec<Findings> = records
            .iter()
            .map(|record| self.findings(&findings, &record.mailbox))
            .collect();
        for (record, found) in records.iter_mut().zip(&findings) {
            record.learn(found);
        }
        Gathered { records, findings }
    }

    /// Decides for the one recipient of a transaction whose message has not arrived, as far as that
    /// can be. A search without an answer when `patience` ends is one that is unavailable.
    ///
    /// `None` where the message has to be waited for, or goes on. Waits for no disk: what is to be noted comes with the
    /// answer, for [`Gateway::note`].
    pub async fn at_recipient(
        &self,
        transaction: &Transaction,
        now: Time,
        patience: Answer<'_, ()>,
    ) -> Option<Early> {
        let mailbox = transaction.recipients.first()?;
        let mut record = self.record(mailbox, transaction);
        let needed = self.needed_at_recipient(transaction, &record);
        if needed.any() {
            // Nothing is encrypted yet: what is chosen now is noted when the message is there.
            let found = self.found((mailbox, needed), now, patience).await;
            let mut chosen = Found::default();
            let mut unnoted = Unnoted {
                now,
                of: Vec::new(),
            };
            for (subject, search) in found {
                let choice = self.chosen(subject, &search, now);
                chosen.put(subject, choice.finding.clone());
                if choice.chosen.is_none() && !choice.pending.is_empty() {
                    unnoted.of.push((subject.into(), search, choice));
                }
            }
            let found = self.findings(&chosen, mailbox);
            record.learn(&found);
            let not_taken = self.not_taken(transaction, &record, &found)?;
            Some(Early { not_taken, unnoted })
        } else {
            None
        }
    }

    /// Notes which keys wait of a recipient who was not taken: no message will come with which it could be noted, and
    /// nobody could approve them.
    ///
    /// Fails where the store does not keep it, with the reason.
    pub async fn note(&self, unnoted: Unnoted) -> Result<(), String> {
        for (owner, search, choice) in unnoted.of {
            self.noted(owner.as_subject(), search, choice, unnoted.now)
                .await?;
        }
        Ok(())
    }

    /// Looks for the certificates of one recipient and of its DCA, as far as they are needed, until `patience` ends.
    async fn found<'m>(
        &self,
        (mailbox, needed): (&'m Mailbox, Needed),
        now: Time,
        patience: Answer<'_, ()>,
    ) -> Vec<(Subject<'m>, Search)> {
        let own = needed.own.then_some(Subject::Recipient(mailbox));
        let dca = needed.dca.then_some(Subject::Dca(mailbox.domain()));
        let subjects: Vec<Subject<'m>> = own.into_iter().chain(dca).collect();
        let answers = subjects.iter().map(|subject| self.search(*subject, now));
        let answers = all(answers.collect(), patience).await;
        let late =
            || Search::unavailable("nothing was found before RCPT had to be answered".to_owned());
        let answers = answers
            .into_iter()
            .map(|answer| answer.unwrap_or_else(late));
        subjects.into_iter().zip(answers).collect()
    }

    /// What is found and chosen for each of `wanted` and for their DCAs. Each is judged and noted when its own answers
    /// are there: at a thousand of them that is work, and is done while others are waited for.
    async fn settled(&self, wanted: &[(&Mailbox, Needed)], now: Time) -> Found {
        let subjects = subjects(wanted);
        let each = subjects.iter().map(|subject| self.finding(*subject, now));
        let findings = all(each.collect(), Box::pin(pending())).await;
        let mut settled = Found::default();
        for (subject, finding) in subjects.into_iter().zip(findings.into_iter().flatten()) {
            settled.put(subject, finding);
        }
        settled
    }

    /// What is chosen for one subject, noted where it is another one than before: one that could not be noted is not
    /// used.
    fn finding<'a>(&'a self, subject: Subject<'a>, now: Time) -> Answer<'a, Finding> {
        Box::pin(async move {
            let search = self.search(subject, now).await;
            let choice = self.chosen(subject, &search, now);
            if choice.is_to_be_noted() && !search.by_policy {
                let noted = self.noted(subject, search, choice, now).await;
                noted.unwrap_or_else(Finding::Unavailable)
            } else {
                choice.finding
            }
        })
    }

    /// Notes one choice; makes it again where somebody else was first. Fails where it could not be noted, with the reason.
    async fn noted(
        &self,
        subject: Subject<'_>,
        mut search: Search,
        mut choice: Choice,
        now: Time,
    ) -> Result<Finding, String> {
        for _ in 0..ATTEMPTS {
            let noted = self.certificates.settle(subject, &search, &choice, now);
            match noted.await {
                Ok(Noted::Kept) => return Ok(choice.finding),
                Ok(Noted::Outdated(known)) => {
                    search.known = *known;
                    choice = self.chosen(subject, &search, now);
                    if !choice.is_to_be_noted() {
                        return Ok(choice.finding);
                    }
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        Err(format!(
            "its certificate was changed {ATTEMPTS} times while it was looked at"
        ))
    }

    pub(super) fn record(&self, mailbox: &Mailbox, transaction: &Transaction) -> RecipientRecord {
        RecipientRecord {
            mailbox: mailbox.clone(),
            direction: transaction.direction(
                mailbox,
                &self.domains,
                self.is_accountable(&transaction.session),
            ),
            partner: self.policy.partner(mailbox.domain()).is_some(),
            certificate: LookupResult::Absent,
            dca: LookupResult::Absent,
        }
    }

    /// Judges what was found for one subject.
    pub fn chosen(&self, subject: Subject<'_>, search: &Search, now: Time) -> Choice {
        let partner = self.policy.partner(subject.domain());
        let terms = Terms {
            partner,
            change_by: partner
                .and_then(|partner| partner.change_by.as_deref())
                .unwrap_or(&self.policy.lookup().change_by),
        };
        // One recipient's certificates do not use up what may be spent on another's.
        let mut budget = Budget::new(&self.limits);
        self.chooser(now)
            .choose(subject, search, terms, &mut budget)
    }

    /// Searches for one subject. What the policy itself names takes the place of whatever is published.
    pub fn search<'a>(&'a self, subject: Subject<'a>, now: Time) -> Answer<'a, Search> {
        let partner = match subject {
            Subject::Dca(domain) => self.policy.partner(domain),
            Subject::Recipient(_) => None,
        };
        match partner.and_then(|partner| self.partner_dca(partner)) {
            Some(named) => Box::pin(ready(Search::of_policy(named, now))),
            None => self.certificates.search(subject, now),
        }
    }
}

impl Gateway {
    /// What was found for one recipient, and what its software can read.
    fn findings(&self, found: &Found, mailbox: &Mailbox) -> Findings {
        let announced = self.certificates.announced(mailbox);
        found.of(mailbox, announced)
    }

    /// The DCA certificate that the policy names for a partner by file.
    fn partner_dca(&self, partner: &Partner) -> Option<&Certificate> {
        let mut known = self.partner_dcas.iter();
        known
            .find(|(domain, _)| *domain == partner.domain)
            .map(|(_, certificate)| certificate)
    }
}

/// What was found, of each subject.
#[derive(Default)]
struct Found {
    own: HashMap<Mailbox, Finding>,
    dca: HashMap<Domain, Finding>,
}

impl Found {
    fn put(&mut self, subject: Subject<'_>, finding: Finding) {
        match subject {
            Subject::Dca(domain) => self.dca.insert(domain.clone(), finding),
            Subject::Recipient(mailbox) => self.own.insert(mailbox.clone(), finding),
        };
    }

    /// For one recipient; who was not asked for has none.
    fn of(&self, mailbox: &Mailbox, announced: Option<Announced>) -> Findings {
        let known = |finding: Option<&Finding>| finding.cloned().unwrap_or(Finding::Absent);
        Findings {
            own: known(self.own.get(mailbox)),
            dca: known(self.dca.get(mailbox.domain())),
            announced,
        }
    }
}

/// All whose certificates are looked for: each of them as far as it is needed, and the DCA of each domain once.
fn subjects<'m>(wanted: &[(&'m Mailbox, Needed)]) -> Vec<Subject<'m>> {
    let mut subjects: Vec<Subject<'m>> = Vec::new();
    let mut domains: HashSet<&Domain> = HashSet::new();
    for (mailbox, needed) in wanted {
        if needed.own {
            subjects.push(Subject::Recipient(mailbox));
        }
        if needed.dca && domains.insert(mailbox.domain()) {
            subjects.push(Subject::Dca(mailbox.domain()));
        }
    }
    subjects
}

/// Waits for all answers, each of which goes on while others wait; nothing in the place of those that
/// are not there when `patience` ends. In the order of `answers`.
///
/// Each has a waker of its own: of a thousand, the one that can go on is polled, and not all of them.
async fn all<T>(answers: Vec<Answer<'_, T>>, mut patience: Answer<'_, ()>) -> Vec<Option<T>> {
    let mut done: Vec<Option<T>> = answers.iter().map(|_| None).collect();
    let numbered = answers.into_iter().enumerate();
    let mut waiting: FuturesUnordered<_> = numbered
        .map(|(place, answer)| async move { (place, answer.await) })
        .collect();
    poll_fn(|context| {
        loop {
            match waiting.poll_next_unpin(context) {
                Poll::Pending => return patience.as_mut().poll(context),
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Ready(Some((place, value))) => {
                    if let Some(slot) = done.get_mut(place) {
                        *slot = Some(value);
                    }
                }
            }
        }
    })
    .await;
    done
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::Mutex;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering;
    use std::task::Context;
    use std::task::Waker;

    use super::*;

    /// Answers that wait until they are told to go on, and how often one of them was polled.
    #[derive(Default)]
    struct Told {
        wakers: Mutex<Vec<(usize, Waker)>>,
        polled: AtomicUsize,
    }

    impl Told {
        /// One that is ready at its second poll.
        fn answer(self: &Arc<Self>, number: usize) -> Answer<'static, usize> {
            let told = Arc::clone(self);
            let mut asked = false;
            Box::pin(poll_fn(move |context| {
                told.polled.fetch_add(1, Ordering::Relaxed);
                if asked {
                    return Poll::Ready(number);
                }
                asked = true;
                let mut wakers = told.wakers.lock().unwrap();
                wakers.push((number, context.waker().clone()));
                Poll::Pending
            }))
        }
    }

    fn poll<T>(work: std::pin::Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        work.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn of_a_thousand_answers_the_one_that_can_go_on_is_polled() {
        let told = Arc::new(Told::default());
        let answers = (0..1000).map(|number| told.answer(number)).collect();
        let mut work = pin!(all(answers, Box::pin(pending())));
        // It may take a breath in between, and wake itself.
        while told.polled.load(Ordering::Relaxed) < 1000 {
            assert!(poll(work.as_mut()).is_pending());
        }
        let wakers = std::mem::take(&mut *told.wakers.lock().unwrap());
        for (number, waker) in wakers.iter().rev() {
            waker.wake_by_ref();
            let polled = poll(work.as_mut());
            assert_eq!(told.polled.load(Ordering::Relaxed), 2000 - number);
            match polled {
                Poll::Pending => assert_ne!(*number, 0),
                // In the order in which they were asked for, not in that in which they came.
                Poll::Ready(done) => assert!(done.into_iter().eq((0..1000).map(Some))),
            }
        }
    }

    #[test]
    fn who_has_not_answered_when_patience_ends_has_nothing_in_its_place() {
        let ready: Answer<'_, u8> = Box::pin(ready(1));
        let never: Answer<'_, u8> = Box::pin(pending());
        let mut work = pin!(all(vec![never, ready], Box::pin(std::future::ready(()))));
        assert_eq!(poll(work.as_mut()), Poll::Ready(vec![None, Some(1)]));
    }
}
