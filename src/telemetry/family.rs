//! Metrics by their labels: each family is registered with all its label values at 0.
//!
//! A counter that appears only when something first fails has no rate for Prometheus to see. The help
//! text lists the values of each label, taken from the types, so that it cannot lag behind them.

use std::marker::PhantomData;
use std::time::Duration;

use prometheus::Error;
use prometheus::HistogramOpts;
use prometheus::HistogramVec;
use prometheus::IntCounterVec;
use prometheus::IntGauge;
use prometheus::IntGaugeVec;
use prometheus::Opts;
use prometheus::Registry;
use prometheus::core::Collector;

use crate::telemetry::labels::Label;

/// Several labels of one metric, in their order.
pub trait Labels: Copy + 'static {
    /// Every label with all its values.
    fn described() -> Vec<(&'static str, Vec<&'static str>)>;

    /// Every combination that there can be.
    fn all() -> Vec<Self>;

    /// The values of this combination.
    fn values(self) -> Vec<&'static str>;
}

/// What a family of metrics is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only ever grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size.
    Histogram,
}

impl Kind {
    /// Its name in Prometheus.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A family of metrics, for manuals and their tests.
#[derive(Clone, Debug)]
pub struct Described {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its labels, each with its values; none where they are no closed set (the version).
    pub labels: Vec<(&'static str, Vec<&'static str>)>,
}

/// Makes families and registers them.
#[derive(Debug)]
pub(super) struct Register<'r> {
    registry: &'r Registry,
    described: Vec<Described>,
}

/// Counters by their labels.
#[derive(Clone, Debug)]
pub(super) struct Counters<L>(IntCounterVec, PhantomData<L>);

/// Gauges by their labels.
#[derive(Clone, Debug)]
pub(super) struct Gauges<L>(IntGaugeVec, PhantomData<L>);

/// Histograms of seconds by their labels.
#[derive(Clone, Debug)]
pub(super) struct Durations<L>(HistogramVec, PhantomData<L>);

/// Something that goes on: counted in its gauge until this is dropped.
#[derive(Debug)]
#[must_use = "what is counted as open ends when this is dropped"]
pub struct Open(Option<IntGauge>);

impl<'r> Register<'r> {
    pub(super) const fn on(registry: &'r Registry) -> Self {
        Self {
            registry,
            described: Vec::new(),
        }
    }

    pub(super) fn described(self) -> Vec<Described> {
        self.described
    }

    pub(super) fn counters<L: Labels>(
        &mut self,
        name: &'static str,
        help: &str,
    ) -> Result<Counters<L>, Error> {
        let opts = self.describe::<L>(name, Kind::Counter, help);
        let vec = IntCounterVec::new(opts, &names::<L>())?;
        for labels in L::all() {
            let _at_zero = vec.get_metric_with_label_values(&labels.values())?;
        }
        self.register(&vec)?;
        Ok(Counters(vec, PhantomData))
    }

    pub(super) fn gauges<L: Labels>(
        &mut self,
        name: &'static str,
        help: &str,
    ) -> Result<Gauges<L>, Error> {
        let gauges = self.gauges_once_known(name, help)?;
        for labels in L::all() {
            let _at_zero = gauges.0.get_metric_with_label_values(&labels.values())?;
        }
        Ok(gauges)
    }

    /// Gauges that are not there before they are set: for them 0 would say something.
    pub(super) fn gauges_once_known<L: Labels>(
        &mut self,
        name: &'static str,
        help: &str,
    ) -> Result<Gauges<L>, Error> {
        let opts = self.describe::<L>(name, Kind::Gauge, help);
        let vec = IntGaugeVec::new(opts, &names::<L>())?;
        self.register(&vec)?;
        Ok(Gauges(vec, PhantomData))
    }

    pub(super) fn durations<L: Labels>(
        &mut self,
        name: &'static str,
        help: &str,
    ) -> Result<Durations<L>, Error> {
        let common_opts = self.describe::<L>(name, Kind::Histogram, help);
        let opts = HistogramOpts {
            common_opts,
            buckets: BUCKETS.to_vec(),
        };
        let vec = HistogramVec::new(opts, &names::<L>())?;
        for labels in L::all() {
            let _at_zero = vec.get_metric_with_label_values(&labels.values())?;
        }
        self.register(&vec)?;
        Ok(Durations(vec, PhantomData))
    }

    /// A gauge that is always 1 and tells its label.
    pub(super) fn fact(
        &mut self,
        name: &'static str,
        help: &str,
        (label, value): (&'static str, &str),
    ) -> Result<(), Error> {
        let gauge = IntGauge::with_opts(Opts::new(name, help).const_label(label, value))?;
        gauge.set(1);
        self.described.push(Described {
            name,
            kind: Kind::Gauge,
            labels: vec![(label, Vec::new())],
        });
        self.register(&gauge)
    }

    fn register<C: Collector + Clone + 'static>(&self, family: &C) -> Result<(), Error> {
        self.registry.register(Box::new(family.clone()))
    }

    fn describe<L: Labels>(&mut self, name: &'static str, kind: Kind, help: &str) -> Opts {
        let labels = L::described();
        let mut help = help.to_owned();
        for (label, values) in &labels {
            help.push_str(&format!("; {label}: {}", values.join(", ")));
        }
        self.described.push(Described { name, kind, labels });
        Opts::new(name, help)
    }
}

// A combination outside of the family's labels cannot be made, so that none of these fails.

impl<L: Labels> Counters<L> {
    pub(super) fn count(&self, labels: L) {
        self.add(labels, 1);
    }

    pub(super) fn add(&self, labels: L, number: u64) {
        if let Ok(counter) = self.0.get_metric_with_label_values(&labels.values()) {
            counter.inc_by(number);
        }
    }
}

impl<L: Labels> Gauges<L> {
    pub(super) fn set(&self, labels: L, value: i64) {
        if let Ok(gauge) = self.0.get_metric_with_label_values(&labels.values()) {
            gauge.set(value);
        }
    }

    pub(super) fn grow(&self, labels: L, by: i64) {
        if let Ok(gauge) = self.0.get_metric_with_label_values(&labels.values()) {
            gauge.add(by);
        }
    }

    /// What is not there is not known: an error says only that it was not.
    pub(super) fn forget(&self, labels: L) {
        let _was_known = self.0.remove_label_values(&labels.values());
    }

    pub(super) fn open(&self, labels: L) -> Open {
        let gauge = self.0.get_metric_with_label_values(&labels.values()).ok();
        gauge.iter().for_each(IntGauge::inc);
        Open(gauge)
    }
}

impl<L: Labels> Durations<L> {
    pub(super) fn took(&self, labels: L, elapsed: Duration) {
        if let Ok(histogram) = self.0.get_metric_with_label_values(&labels.values()) {
            histogram.observe(elapsed.as_secs_f64());
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.iter().for_each(IntGauge::dec);
    }
}

impl Labels for () {
    fn described() -> Vec<(&'static str, Vec<&'static str>)> {
        Vec::new()
    }

    fn all() -> Vec<Self> {
        vec![()]
    }

    fn values(self) -> Vec<&'static str> {
        Vec::new()
    }
}

impl<A: Label> Labels for (A,) {
    fn described() -> Vec<(&'static str, Vec<&'static str>)> {
        vec![described::<A>()]
    }

    fn all() -> Vec<Self> {
        A::ALL.iter().map(|a| (*a,)).collect()
    }

    fn values(self) -> Vec<&'static str> {
        vec![self.0.as_str()]
    }
}

impl<A: Label, B: Label> Labels for (A, B) {
    fn described() -> Vec<(&'static str, Vec<&'static str>)> {
        vec![described::<A>(), described::<B>()]
    }

    fn all() -> Vec<Self> {
        let with = |a: &A| -> Vec<Self> { B::ALL.iter().map(|b| (*a, *b)).collect() };
        A::ALL.iter().flat_map(with).collect()
    }

    fn values(self) -> Vec<&'static str> {
        vec![self.0.as_str(), self.1.as_str()]
    }
}

impl<A: Label, B: Label, C: Label> Labels for (A, B, C) {
    fn described() -> Vec<(&'static str, Vec<&'static str>)> {
        vec![described::<A>(), described::<B>(), described::<C>()]
    }

    fn all() -> Vec<Self> {
        let with = |(a, b): (A, B)| C::ALL.iter().map(move |c| (a, b, *c));
        <(A, B)>::all().into_iter().flat_map(with).collect()
    }

    fn values(self) -> Vec<&'static str> {
        vec![self.0.as_str(), self.1.as_str(), self.2.as_str()]
    }
}

fn described<A: Label>() -> (&'static str, Vec<&'static str>) {
    (A::NAME, A::ALL.iter().map(|value| value.as_str()).collect())
}

fn names<L: Labels>() -> Vec<&'static str> {
    L::described().into_iter().map(|(name, _)| name).collect()
}

/// In seconds. A small message that is signed in memory takes some milliseconds, which is where the
/// lowest are; 10 s is as long as RCPT waits for lookups (DESIGN), 30 s as long as Postfix waits there
/// (milter_command_timeout). What takes more than 60 s is late, however late.
const BUCKETS: &[f64] = &[
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0,
];
