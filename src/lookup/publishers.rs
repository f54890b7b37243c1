//! A source that is asked each time, before a store that knows which domains have ever published there.
//!
//! Where answers are kept, [`super::cache::Cached`] stands in its place, and knows that itself.

use std::sync::Arc;

use super::source::Question;
use super::source::Reply;
use super::source::Source;
use super::words::chain;
use crate::address::Domain;
use crate::gateway::certificates::Answer;
use crate::gateway::search::Subject;
use crate::policy::facts::LookupSource;
use crate::store::Store;
use crate::store::Told;
use crate::x509::Time;

/// A source, and what is remembered of it.
#[derive(Clone, Debug)]
pub struct Remembered {
    source: Arc<dyn Source>,
    store: Arc<dyn Store>,
}

impl Remembered {
    /// Puts `store` before `source`.
    #[must_use]
    pub const fn new(source: Arc<dyn Source>, store: Arc<dyn Store>) -> Self {
        Self { source, store }
    }

    async fn search(&self, question: &Question) -> Reply {
        let (source, domain) = (self.source.name(), question.subject.domain());
        let published = match self.store.published(domain, source).await {
            Ok(published) => published,
            Err(error) => return Reply::unavailable(chain(&error)),
        };
        let question = Question {
            expected: question.expected.or_found(published),
            ..question.clone()
        };
        let reply = self.source.ask(&question).await;
        // Before anything goes out: whoever keeps the source from answering next time must not pass for absence.
        if published.is_none()
            && reply.proves_publication()
            && let Err(error) = self.believed(domain, question.now).await
        {
            return Reply::unavailable(chain(&error));
        }
        reply
    }
}

impl Source for Remembered {
    fn name(&self) -> LookupSource {
        self.source.name()
    }

    fn covers(&self, subject: Subject<'_>) -> bool {
        self.source.covers(subject)
    }

    fn ask<'a>(&'a self, question: &'a Question) -> Answer<'a, Reply> {
        Box::pin(self.search(question))
    }

    fn believed<'a>(&'a self, domain: &'a Domain, now: Time) -> Told<'a, ()> {
        let source = self.source.name();
        Box::pin(async move {
            let noted = self.store.note_published(domain, source, now);
            noted.await.map(|_| ())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;
    use crate::gateway::search::Authentication;
    use crate::gateway::search::Said;
    use crate::lookup::source::Expected;
    use crate::lookup::source::Missing;
    use crate::store::memory::MemoryStore;
    use crate::store::tests::at;
    use crate::store::tests::bob;
    use crate::store::tests::candidate;
    use crate::store::tests::certificate;

    /// Finds something that is so sure, or is not there.
    #[derive(Debug)]
    struct Host(Mutex<Option<Authentication>>);

    impl Source for Host {
        fn name(&self) -> LookupSource {
            LookupSource::Mcek
        }

        fn covers(&self, _: Subject<'_>) -> bool {
            true
        }

        fn ask<'a>(&'a self, question: &'a Question) -> Answer<'a, Reply> {
            let reply = match *self.0.lock().unwrap() {
                Some(authentication) => {
                    let mut found = candidate(&certificate("bob"), 0);
                    found.provenance.authentication = authentication;
                    Reply {
                        candidates: vec![found],
                        ..Reply::without(Said::Found)
                    }
                }
                None => Reply::without(Missing::NoHost.said(question, "it is gone")),
            };
            Box::pin(std::future::ready(reply))
        }
    }

    #[tokio::test]
    async fn who_has_published_once_is_not_absent_for_want_of_a_host() {
        let host = Arc::new(Host(Mutex::default()));
        let source: Arc<dyn Source> = host.clone();
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let remembered = Remembered::new(source, Arc::clone(&store));
        let question = Question {
            subject: bob(),
            expected: Expected::No,
            deadline: Instant::now() + Duration::from_secs(10),
            now: at(0),
        };
        let said = async || remembered.ask(&question).await.said;
        let says = |authentication| *host.0.lock().unwrap() = authentication;
        let gone = Said::Absent("it is gone".to_owned());
        assert_eq!(said().await, gone);
        // What anybody on the way could say is not for ever, unless it turns out to be good.
        says(Some(Authentication::None));
        assert_eq!(said().await, Said::Found);
        says(None);
        assert_eq!(said().await, gone);
        let domain = question.subject.domain();
        remembered.believed(domain, at(0)).await.unwrap();
        assert!(matches!(said().await, Said::Unavailable(_)));
        store.forget_publisher(domain, None).await.unwrap();
        assert_eq!(said().await, gone);
        says(Some(Authentication::PublicTls));
        assert_eq!(said().await, Said::Found);
        says(None);
        let Said::Unavailable(reason) = said().await else {
            panic!("absent for want of a host");
        };
        let since = format!(
            "it is gone; and something was found there before, first at {}",
            at(0)
        );
        assert!(reason.starts_with(&since), "{reason}");
    }

    #[tokio::test]
    async fn a_store_that_does_not_answer_makes_nobody_absent() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("domsec.db");
        let store = crate::store::sqlite::Sqlite::open(&path).unwrap();
        let other = rusqlite::Connection::open(&path).unwrap();
        other.execute_batch("DROP TABLE published").unwrap();
        let source = Arc::new(Host(Mutex::new(Some(Authentication::Dnssec))));
        let remembered = Remembered::new(source, Arc::new(store));
        let question = Question {
            subject: bob(),
            expected: Expected::No,
            deadline: Instant::now() + Duration::from_secs(10),
            now: at(0),
        };
        let said = remembered.ask(&question).await.said;
        assert!(matches!(said, Said::Unavailable(_)), "{said:?}");
    }
}
