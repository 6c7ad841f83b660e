//! What every source says, as text in Prometheus' format (version 0.0.4).

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::metric::{Kind, Metric};
use super::process;
use super::reading::{Readings, Source, Value};

pub(super) const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

const BUILD: Metric = Metric::gauge(
    "mysql_interceptor_build_info",
    "Always 1; which program this is, and which subcommand runs",
    &["version", "command"],
);

/// What the page itself adds.
#[cfg(test)]
pub(super) const PAGE_METRICS: &[Metric] = &[BUILD];

/// The page at `/metrics`.
#[derive(Debug)]
pub(super) struct Page(Registry);

impl Page {
    /// Of these sources; `command` is the subcommand that runs.
    pub(super) fn new(command: &'static str, sources: Vec<Arc<dyn Source>>) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Everything { command, sources }));
        Self(registry)
    }

    /// The text as it is now.
    pub(super) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_text::encode(&mut text, &self.0)?;
        Ok(text)
    }
}

#[derive(Debug)]
struct Everything {
    command: &'static str,
    sources: Vec<Arc<dyn Source>>,
}

impl Collector for Everything {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut readings = Readings::default();
        readings.whole(&BUILD, &[env!("CARGO_PKG_VERSION"), self.command], 1);
        process::tell(&mut readings);
        self.sources.iter().for_each(|source| source.tell(&mut readings));
        for family in readings.families() {
            let metric = &family.metric;
            let (name, kind) = match metric.kind {
                // The encoder adds it again.
                Kind::Counter => (metric.name.trim_end_matches("_total"), MetricType::Counter),
                Kind::Gauge => (metric.name, MetricType::Gauge),
                Kind::Histogram => (metric.name, MetricType::Histogram),
            };
            let mut encoder = encoder.encode_descriptor(name, metric.help, None, kind)?;
            for sample in &family.samples {
                let labels: Vec<_> =
                    metric.labels.iter().copied().zip(sample.labels.iter().map(String::as_str)).collect();
                encode(&sample.value, metric.kind, encoder.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

fn encode(value: &Value, kind: Kind, mut encoder: MetricEncoder<'_>) -> fmt::Result {
    match (value, kind) {
        (Value::Durations(total), _) => {
            encoder.encode_histogram::<NoLabelSet>(total.seconds(), total.count(), &total.buckets(), None)
        }
        (Value::Whole(value), Kind::Counter) => ConstCounter::new(*value).encode(encoder),
        (Value::Decimal(value), Kind::Counter) => ConstCounter::new(*value).encode(encoder),
        (Value::Whole(value), _) => ConstGauge::new(*value as f64).encode(encoder),
        (Value::Decimal(value), _) => ConstGauge::new(*value).encode(encoder),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Two;

    const LOST: Metric = Metric::counter("x_lost_total", "What is lost", &["sink", "reason"]);
    const SIZE: Metric = Metric::gauge("x_size_bytes", "A size", &[]);

    impl Source for Two {
        fn tell(&self, readings: &mut Readings) {
            readings.whole(&LOST, &["a\"b", "full"], 1 << 40);
            readings.whole(&SIZE, &[], 7);
            readings.whole(&LOST, &["c", "full"], 2);
        }
    }

    #[test]
    fn values_of_a_metric_stand_together_under_its_name() {
        let text = Page::new("proxy", vec![Arc::new(Two)]).text().unwrap();
        let wanted = "# HELP x_lost_total What is lost\n# TYPE x_lost_total counter\n\
                      x_lost_total{sink=\"a\\\"b\",reason=\"full\"} 1099511627776\nx_lost_total{sink=\"c\",reason=\"full\"} 2\n\
                      # HELP x_size_bytes A size\n# TYPE x_size_bytes gauge\nx_size_bytes 7";
        assert!(text.contains(wanted), "{text}");
        assert!(
            text.contains("mysql_interceptor_build_info{version=\"") && text.contains("process_resident_memory_bytes ")
        );
    }
}
