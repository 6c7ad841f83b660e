//! Rows in Kafka: topics, keys, markers of transactions, and checkpoints in Kafka itself.

mod checkpoint_topic;
mod markers;
pub(crate) mod topic;

use std::sync::Arc;

pub use topic::TopicTemplate;

use crate::binlog::checkpoint::Checkpoint;
use crate::binlog::output::form::{FormFactory, RowForm};
use crate::binlog::output::routing::Routing;
use crate::deliver::{AuditConfig, AuditedKafkaSink, KafkaOption};
use crate::deliver::{ExactlyOnceSink, KafkaSink, OnRefused, RowsSinkConfig, Sink, SinkError, TransactionSettings};
use markers::WithTransactions;

/// Bytes of messages that may be in flight at a time.
const IN_FLIGHT_BYTES: usize = 4 << 20;

/// How rows go to Kafka.
#[derive(Debug, Clone)]
pub struct RowsKafkaConfig {
    /// `host:port`, comma-separated.
    pub bootstrap_servers: String,
    /// The topics of rows.
    pub topic: TopicTemplate,
    /// The topic for the beginning and end of each transaction, if wanted.
    pub transaction_topic: Option<String>,
    /// Rows and checkpoint in one Kafka transaction.
    pub exactly_once: Option<TransactionSettings>,
    /// What happens to rows that Kafka will never accept.
    pub on_refused: OnRefused,
    /// Properties of librdkafka; they override ours.
    pub options: Vec<KafkaOption>,
}

/// An open sink for rows, and where to continue reading.
pub struct KafkaRows {
    /// For a [`Pipeline`](crate::deliver::Pipeline).
    pub sink: Box<dyn Sink>,
    /// The last checkpoint that was committed; `None` without `exactly_once`, and where there is none yet.
    pub checkpoint: Option<Checkpoint>,
}

impl RowsKafkaConfig {
    /// Opens the sink. Exactly-once waits for the brokers: an older instance with the same name is fenced first, then its last
    /// checkpoint is read, from a topic that is created if it is missing.
    ///
    /// # Errors
    ///
    /// An option that librdkafka refuses; with exactly-once also brokers that do not answer, or an unreadable checkpoint.
    pub fn open(&self) -> Result<KafkaRows, SinkError> {
        self.open_with(None)
    }

    /// The same, with a marker stream in a topic beside those of the rows if there is a configuration of it.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn open_with(&self, audit: Option<&AuditConfig>) -> Result<KafkaRows, SinkError> {
        let config = RowsSinkConfig {
            bootstrap_servers: self.bootstrap_servers.clone(),
            topic: self.topic.expand("", ""),
            in_flight_bytes: IN_FLIGHT_BYTES,
            transactions: self.exactly_once.clone(),
            on_refused: self.on_refused,
            options: self.options.clone(),
        };
        let markers = self.topic.markers();
        let Some(transactions) = &self.exactly_once else {
            let sink: Box<dyn Sink> = match audit {
                None => Box::new(KafkaSink::open_rows(&config)?),
                Some(audit) => Box::new(AuditedKafkaSink::open_rows(&config, &markers, audit)?),
            };
            return Ok(KafkaRows { sink, checkpoint: None });
        };
        checkpoint_topic::create(&self.bootstrap_servers, &self.options, &transactions.checkpoint_topic)?;
        let sink: Box<dyn Sink> = match audit {
            None => Box::new(ExactlyOnceSink::open(&config)?),
            Some(audit) => Box::new(AuditedKafkaSink::open_exactly_once(&config, &markers, audit)?),
        };
        let checkpoint = checkpoint_topic::load(&self.bootstrap_servers, &self.options, transactions)?;
        Ok(KafkaRows { sink, checkpoint })
    }

    /// Makes forms whose messages have topics and keys. `make` makes the form of the rows.
    pub fn forms(&self, make: impl Fn(Routing) -> Box<dyn RowForm> + Send + Sync + 'static) -> FormFactory {
        let routing = Routing::to(self.topic.clone());
        let transaction_topic: Option<Arc<str>> = self.transaction_topic.as_deref().map(Arc::from);
        let checkpoint: Option<(Arc<str>, Arc<str>)> = self
            .exactly_once
            .as_ref()
            .map(|settings| (settings.checkpoint_topic.as_str().into(), settings.transactional_id.as_str().into()));
        Arc::new(move || {
            Box::new(WithTransactions {
                form: make(routing.clone()),
                transaction_topic: transaction_topic.clone(),
                checkpoint: checkpoint.clone(),
            })
        })
    }
}
