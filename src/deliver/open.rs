//! Makes the configured sinks.

use crate::deliver::SinkConfig;
use crate::deliver::{KafkaSink, NdjsonSink, Sink, SinkError, StdoutSink};

/// Opens every configured sink, in order; fails if one cannot work at all (a missing directory, a wrong Kafka option).
///
/// A Kafka broker that cannot be reached is no error: the messages wait for it.
pub fn open_all(configs: &[SinkConfig]) -> Result<Vec<Box<dyn Sink>>, SinkError> {
    configs
        .iter()
        .map(|config| {
            Ok(match config {
                SinkConfig::Stdout(config) => Box::new(StdoutSink::open(config)?) as Box<dyn Sink>,
                SinkConfig::Ndjson(config) => Box::new(NdjsonSink::open(config.clone())?),
                SinkConfig::Kafka(config) => Box::new(KafkaSink::open(config)?),
            })
        })
        .collect()
}
