//! What is known of other people's certificates, brought into the metrics when monitoring asks.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::timeout;

use super::site::now;
use crate::lookup::cache::Cache;
use crate::lookup::cache::CacheCounts;
use crate::lookup::harvest::Harvest;
use crate::store::Store;
use crate::telemetry::labels::CacheResult;
use crate::telemetry::metrics::Held;
use crate::telemetry::metrics::Metrics;

/// How long monitoring waits for the store. Prometheus gives up after 10 seconds by default, and would have nothing.
const STORE: Duration = Duration::from_secs(2);

/// What is known of other people's certificates.
#[derive(Debug)]
pub struct Holdings {
    metrics: Metrics,
    store: Arc<dyn Store>,
    cache: Arc<Cache>,
    harvest: Option<Arc<Harvest>>,
    /// What has been counted already.
    counted: Mutex<CacheCounts>,
}

impl Holdings {
    /// Those of a service.
    #[must_use]
    pub fn new(
        metrics: Metrics,
        store: Arc<dyn Store>,
        cache: Arc<Cache>,
        harvest: Option<Arc<Harvest>>,
    ) -> Self {
        Self {
            metrics,
            store,
            cache,
            harvest,
            counted: Mutex::default(),
        }
    }

    /// Brings them into the metrics, as they are now.
    pub async fn tell(&self) {
        // Where it does not answer nobody knows, and that is not 0.
        let pending = timeout(STORE, self.store.pending()).await;
        let counts = self.cache.counts();
        self.metrics.certificates_held(&Held {
            cached: counts.entries,
            cached_octets: counts.octets,
            searches: counts.under_way,
            resting: now().map_or(0, |now| self.cache.resting(now)),
            harvested: self.harvest.as_ref().map_or(0, |one| one.addresses()),
            pending: pending.ok().and_then(Result::ok),
        });
        self.count();
    }

    fn count(&self) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked at again, behind the lock: of two who ask at once the later one must not have looked earlier.
        let counts = self.cache.counts();
        let since = |now: u64, before: u64| now.saturating_sub(before);
        for (result, now, before) in [
            (CacheResult::Hit, counts.hits, counted.hits),
            (CacheResult::Joined, counts.joined, counted.joined),
            (CacheResult::Miss, counts.misses, counted.misses),
        ] {
            self.metrics.cache_answered(result, since(now, before));
        }
        let refreshed = since(counts.refreshed, counted.refreshed);
        self.metrics.answers_refreshed(refreshed);
        let failures = since(counts.store_failures, counted.store_failures);
        self.metrics.store_failed(failures);
        *counted = counts;
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use prometheus::Registry;
    use prometheus::TextEncoder;
    use rusqlite::Connection;
    use tempfile::TempDir;
    use tokio::time::Instant;

    use super::*;
    use crate::gateway::search::Known;
    use crate::lookup::cache::Bounds;
    use crate::lookup::cache::Cached;
    use crate::lookup::directory::Directory;
    use crate::lookup::source::Expected;
    use crate::lookup::source::Question;
    use crate::lookup::source::Source;
    use crate::store::Settled;
    use crate::store::Settlement;
    use crate::store::sqlite::Sqlite;
    use crate::store::tests::at;
    use crate::store::tests::bob;
    use crate::store::tests::candidate;
    use crate::store::tests::certificate;

    /// What Prometheus reads of these families.
    fn told(registry: &Registry, families: &[&str]) -> Vec<String> {
        let text = TextEncoder::new().encode_to_string(&registry.gather());
        let text = text.unwrap();
        let is_of = |line: &&str| {
            let name = line.split(['{', ' ']).next().unwrap_or_default();
            families.contains(&name)
        };
        text.lines().filter(is_of).map(str::to_owned).collect()
    }

    fn store(folder: &Path) -> Arc<dyn Store> {
        Arc::new(Sqlite::open(&folder.join("domsec.db")).unwrap())
    }

    #[tokio::test]
    async fn what_is_asked_is_counted_once_however_often_monitoring_looks() {
        let folder = TempDir::new().unwrap();
        let store = store(folder.path());
        let (registry, cache) = (
            Registry::new(),
            Cache::new(Arc::clone(&store), Bounds::default()),
        );
        let metrics = Metrics::new(&registry).unwrap();
        let source = Cached::new(Arc::new(Directory::default()), Arc::clone(&cache), 0);
        let holdings = Holdings::new(metrics, store, cache, None);
        let question = Question {
            subject: bob(),
            expected: Expected::No,
            deadline: Instant::now() + Duration::from_secs(10),
            now: at(0),
        };
        for _ in 0..3 {
            let _answer = source.ask(&question).await;
            holdings.tell().await;
            holdings.tell().await;
        }
        let answers = [
            "domsec_certificate_cache_answers_total",
            "domsec_certificate_cache_entries",
        ];
        assert_eq!(
            told(&registry, &answers),
            [
                "domsec_certificate_cache_answers_total{result=\"hit\"} 2",
                "domsec_certificate_cache_answers_total{result=\"joined\"} 0",
                "domsec_certificate_cache_answers_total{result=\"miss\"} 1",
                "domsec_certificate_cache_entries 1",
            ]
        );
    }

    #[tokio::test]
    async fn who_waits_is_told_and_nothing_where_the_store_does_not_answer() {
        let folder = TempDir::new().unwrap();
        let store = store(folder.path());
        let settlement = Settlement {
            known: Known::default(),
            in_use: None,
            reason: String::new(),
            pending: vec![(candidate(&certificate("bob"), 0), "waits".to_owned())],
            now: at(0),
        };
        let settled = store.settle(&bob(), settlement).await;
        assert_eq!(settled.unwrap(), Settled::Kept);
        let (registry, cache) = (
            Registry::new(),
            Cache::new(Arc::clone(&store), Bounds::default()),
        );
        let holdings = Holdings::new(Metrics::new(&registry).unwrap(), store, cache, None);
        let pending = ["domsec_certificates_pending"];
        assert!(told(&registry, &pending).is_empty());
        holdings.tell().await;
        assert_eq!(told(&registry, &pending), ["domsec_certificates_pending 1"]);
        let other = Connection::open(folder.path().join("domsec.db")).unwrap();
        other.execute_batch("DROP TABLE waiting").unwrap();
        holdings.tell().await;
        assert!(told(&registry, &pending).is_empty());
    }
}
