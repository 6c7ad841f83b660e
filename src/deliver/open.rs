//! Makes the configured sinks.

use crate::deliver::SinkConfig;
use crate::deliver::{
    AuditConfig, AuditedKafkaSink, KafkaSink, NdjsonSink, Sink, SinkError, StatementParquetSink, StdoutSink,
};

/// Opens every configured sink, in order; fails if one cannot work at all (a missing directory, a wrong Kafka option).
///
/// A Kafka broker that cannot be reached is no error: the messages wait for it.
pub fn open_all(configs: &[SinkConfig]) -> Result<Vec<Box<dyn Sink>>, SinkError> {
    configs.iter().map(open).collect()
}

/// The same, each with a marker stream if it has a place for one: all but standard output have.
pub fn open_all_audited(configs: &[SinkConfig], audit: &AuditConfig) -> Result<Vec<Box<dyn Sink>>, SinkError> {
    let open = |config: &SinkConfig| {
        Ok(match config {
            SinkConfig::Ndjson(config) => Box::new(NdjsonSink::open_audited(config.clone(), audit)?) as Box<dyn Sink>,
            SinkConfig::Kafka(config) => Box::new(AuditedKafkaSink::open(config, audit)?),
            SinkConfig::Parquet(config) => Box::new(StatementParquetSink::open_audited(config, audit)?),
            SinkConfig::Stdout(_) => open(config)?,
        })
    };
    configs.iter().map(open).collect()
}

fn open(config: &SinkConfig) -> Result<Box<dyn Sink>, SinkError> {
    Ok(match config {
        SinkConfig::Stdout(config) => Box::new(StdoutSink::open(config)?) as Box<dyn Sink>,
        SinkConfig::Ndjson(config) => Box::new(NdjsonSink::open(config.clone())?),
        SinkConfig::Kafka(config) => Box::new(KafkaSink::open(config)?),
        SinkConfig::Parquet(config) => Box::new(StatementParquetSink::open(config)?),
    })
}
