//! Values of metrics at one time.

use std::fmt::Debug;

use super::durations::DurationsTotal;
use super::metric::Metric;

/// Somebody who counts.
pub(crate) trait Source: Debug + Send + Sync {
    /// Adds the values of now. Called at each scrape, on the thread that serves it.
    fn tell(&self, readings: &mut Readings);
}

/// One value of a metric.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Whole(u64),
    Decimal(f64),
    Durations(Box<DurationsTotal>),
}

/// A metric with its values, one for each set of labels.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) metric: Metric,
    pub(super) samples: Vec<Sample>,
}

/// A value, and the values of the metric's labels in their order.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) labels: Vec<String>,
    pub(super) value: Value,
}

/// What all sources say. The values of a metric stay together, whoever adds them.
#[derive(Debug, Default)]
pub(crate) struct Readings(Vec<Family>);

impl Readings {
    /// Adds a count or a size.
    pub(crate) fn whole(&mut self, metric: &Metric, labels: &[&str], value: u64) {
        self.add(metric, labels, Value::Whole(value));
    }

    /// Adds what may have a fraction.
    pub(crate) fn decimal(&mut self, metric: &Metric, labels: &[&str], value: f64) {
        self.add(metric, labels, Value::Decimal(value));
    }

    /// Adds a histogram.
    pub(crate) fn durations(&mut self, metric: &Metric, labels: &[&str], total: DurationsTotal) {
        self.add(metric, labels, Value::Durations(Box::new(total)));
    }

    fn add(&mut self, metric: &Metric, labels: &[&str], value: Value) {
        debug_assert_eq!(metric.labels.len(), labels.len(), "labels of {}", metric.name);
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        let sample = Sample { labels, value };
        match self.0.iter_mut().find(|family| family.metric.name == metric.name) {
            Some(family) => family.samples.push(sample),
            None => self.0.push(Family { metric: *metric, samples: vec![sample] }),
        }
    }

    pub(super) fn families(&self) -> &[Family] {
        &self.0
    }
}
