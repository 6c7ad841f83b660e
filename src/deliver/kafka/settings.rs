//! The sinks' settings as one description of a producer, and that as librdkafka's options.

use std::time::Duration;

use rdkafka::ClientConfig;

use crate::deliver::kafka::client::{GAPLESS, client_options};
use crate::deliver::kafka::option::KafkaOption;
use crate::deliver::kafka::oversize::Oversize;
use crate::deliver::kafka::pacing::Pacing;
use crate::deliver::kafka::window::CHUNK_MESSAGES;
use crate::deliver::{Acks, KafkaConfig};

/// The Java client's `max.request.size`; librdkafka's own default is a little lower.
const MAX_MESSAGE_BYTES: u32 = 1_048_576;
/// By default a topic accepts batches of up to 1,048,588 bytes.
const STREAM_BATCH_BYTES: u32 = 1_000_000;
const STREAM_BATCH_MESSAGES: usize = 100_000;
/// Holds a burst and what the protocol adds to each message.
const BURST_BATCH_BYTES: u32 = 2_000_000;
/// Batches that a broker finds too large are not made smaller than this.
pub(crate) const LEAST_BATCH_BYTES: u32 = 16_384;
/// Brokers abort a transaction that takes longer to be sent. If a killed instance is not started again, readers of committed messages
/// wait this long.
const TRANSACTION_TIMEOUT_MS: u32 = 300_000;
/// How long a write of rows waits for room: that the brokers are the slowest part is not worth logging.
const ROOM_PATIENCE: Duration = Duration::from_millis(500);

/// What the topic of a marker stream is called, after that of its messages.
pub(crate) const MARKERS: &str = "_MARKERS";

/// The settings of a sink for rows.
#[derive(Debug, Clone)]
pub struct RowsSinkConfig {
    /// `host:port`, comma-separated.
    pub bootstrap_servers: String,
    /// The topic of messages that name none.
    pub topic: String,
    /// Bytes of messages that may be in flight at a time.
    pub in_flight_bytes: usize,
    /// For exactly-once delivery.
    pub transactions: Option<TransactionSettings>,
    /// What happens to a message that Kafka will never accept.
    pub on_refused: OnRefused,
    /// Further properties of librdkafka; they override ours.
    pub options: Vec<KafkaOption>,
}

/// What happens to a message that Kafka will never accept, because it is too large or malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::EnumMessage, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum OnRefused {
    /// End with an error; reading begins with it again at the next start
    #[default]
    Fail,
    /// Leave it out, count it as lost, and say so
    Skip,
}

/// How rows and checkpoints are committed together.
#[derive(Debug, Clone)]
pub struct TransactionSettings {
    /// `transactional.id`: an instance that starts ends an older one with the same name.
    pub transactional_id: String,
    /// The topic of checkpoints: a transaction is committed only after one of its messages.
    pub checkpoint_topic: String,
}

/// A message's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    /// The number of its connection.
    Connections,
    /// What came with it.
    OfMessages,
}

/// How messages share requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// As many as fit into this many bytes.
    Bytes(u32),
    /// Each has a request of its own, so that an error belongs to it alone.
    Single,
}

/// A producer of either kind.
#[derive(Debug, Clone)]
pub(crate) struct ProducerConfig {
    pub(crate) bootstrap_servers: String,
    /// The topic of messages that name none.
    pub(crate) topic: String,
    pub(crate) keys: Keys,
    /// Of messages with numbers: the record header that names this process.
    pub(crate) proxy: String,
    pub(crate) pacing: Pacing,
    /// Bytes of messages that may wait for their answer.
    pub(crate) waiting_bytes: usize,
    /// How long a write waits for room.
    pub(crate) room_patience: Duration,
    pub(crate) on_refused: OnRefused,
    /// Whether messages that are too large are made smaller, before `on_refused`.
    pub(crate) cuts: bool,
    /// Bytes of one partition's batch, as long as no broker finds it too large.
    pub(crate) batch_bytes: u32,
    batch_messages: usize,
    defaults: Vec<(&'static str, String)>,
    options: Vec<KafkaOption>,
}

impl ProducerConfig {
    /// Statements to one topic, in bursts.
    pub(crate) fn statements(config: &KafkaConfig) -> Self {
        let saturating = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let acks = match config.acks {
            Acks::All => "all",
            Acks::None => "0",
            Acks::Leader => "1",
        };
        // An idempotent producer has to be allowed to retry, as in the Java client.
        let idempotent = config.acks == Acks::All && config.retries > 0;
        Self {
            bootstrap_servers: config.bootstrap_servers.clone(),
            topic: config.topic.clone(),
            keys: Keys::Connections,
            proxy: config.proxy.clone(),
            pacing: Pacing::bursts(config.linger, saturating(config.batch_size.into())),
            waiting_bytes: saturating(config.buffer_memory),
            room_patience: Duration::ZERO,
            on_refused: OnRefused::Skip,
            cuts: true,
            batch_bytes: BURST_BATCH_BYTES,
            batch_messages: CHUNK_MESSAGES,
            defaults: vec![
                ("enable.idempotence", idempotent.to_string()),
                ("acks", acks.to_owned()),
                ("retries", config.retries.to_string()),
            ],
            options: config.options.clone(),
        }
    }

    /// The marker stream of the same messages, to a topic beside theirs.
    pub(crate) fn markers(config: &KafkaConfig) -> Self {
        let beside = KafkaConfig { topic: format!("{}{MARKERS}", config.topic), ..config.clone() };
        Self {
            keys: Keys::OfMessages,
            proxy: String::new(),
            pacing: Pacing::Stream,
            cuts: false,
            batch_bytes: STREAM_BATCH_BYTES,
            ..Self::statements(&beside)
        }
    }

    /// Rows, sent as they come.
    pub(crate) fn rows(config: &RowsSinkConfig) -> Self {
        Self {
            bootstrap_servers: config.bootstrap_servers.clone(),
            topic: config.topic.clone(),
            keys: Keys::OfMessages,
            proxy: String::new(),
            pacing: Pacing::Stream,
            waiting_bytes: config.in_flight_bytes,
            room_patience: ROOM_PATIENCE,
            on_refused: config.on_refused,
            cuts: false,
            batch_bytes: STREAM_BATCH_BYTES,
            batch_messages: STREAM_BATCH_MESSAGES,
            defaults: vec![
                ("enable.idempotence", "true".to_owned()),
                ("acks", "all".to_owned()),
                // Row images repeat themselves: the brokers save more work than compression costs us.
                ("compression.type", "lz4".to_owned()),
            ],
            options: config.options.clone(),
        }
    }

    /// The marker stream of rows.
    pub(crate) fn row_markers(config: &RowsSinkConfig, topic: &str) -> Self {
        Self { topic: topic.to_owned(), on_refused: OnRefused::Skip, ..Self::rows(config) }
    }

    /// The same, whose records name this process.
    pub(crate) fn named(self, proxy: &str) -> Self {
        Self { proxy: proxy.to_owned(), ..self }
    }

    /// The same, in transactions.
    pub(crate) fn transactional(mut self, transactional_id: &str) -> Self {
        self.defaults.push(("transactional.id", transactional_id.to_owned()));
        self.defaults.push(("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS.to_string()));
        self
    }

    /// What is known beforehand of messages that are too large.
    pub(crate) fn oversize(&self) -> Oversize {
        let options = self.client_options(Sharing::Single);
        let most = options.get("message.max.bytes").and_then(|bytes| bytes.trim().parse().ok());
        let compression = ["compression.type", "compression.codec"].into_iter().find_map(|key| options.get(key));
        Oversize::new(
            most.unwrap_or(MAX_MESSAGE_BYTES as usize),
            compression.is_some_and(|codec| codec.trim() != "none"),
        )
    }

    /// librdkafka's options.
    pub(crate) fn client_options(&self, sharing: Sharing) -> ClientConfig {
        let (bytes, messages) = match sharing {
            Sharing::Bytes(bytes) => (bytes, self.batch_messages),
            Sharing::Single => (self.batch_bytes, 1),
        };
        let mut defaults = vec![
            // Long enough to hand over a burst; in a stream more comes anyway.
            ("linger.ms", "5".to_owned()),
            ("batch.size", bytes.to_string()),
            ("batch.num.messages", messages.to_string()),
            // Our window has the limit.
            ("queue.buffering.max.messages", "0".to_owned()),
            ("queue.buffering.max.kbytes", "1048576".to_owned()),
            ("message.max.bytes", MAX_MESSAGE_BYTES.to_string()),
            // As the Java client does it, so that a key is in the same partition whichever client produces it: its joins depend on that.
            ("partitioner", "murmur2_random".to_owned()),
        ];
        defaults.extend_from_slice(&self.defaults);
        let mut options = client_options(&self.bootstrap_servers, &defaults, &self.options);
        if options.get("transactional.id").is_none() {
            // A broker may be away for any length of time. In a transaction, the transaction's own timeout is the limit.
            set_default(&mut options, "message.timeout.ms", "0");
            if options.get("enable.idempotence") == Some("true") {
                // Later requests must not overtake one that failed for good: librdkafka then sends nothing more, and a new
                // producer starts with what failed.
                set_default(&mut options, GAPLESS, "true");
            }
        }
        // These win over the user's options.
        match sharing {
            Sharing::Single => {
                options.set("batch.num.messages", "1");
            }
            Sharing::Bytes(bytes) if bytes < self.batch_bytes => {
                options.set("batch.size", bytes.to_string());
            }
            Sharing::Bytes(_) => {}
        }
        options
    }
}

fn set_default(options: &mut ClientConfig, key: &str, value: &str) {
    if options.get(key).is_none() {
        options.set(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_are_given_win_and_what_needs_idempotence_goes_with_it() {
        let config = |options: &[&str]| RowsSinkConfig {
            bootstrap_servers: "a:1".to_owned(),
            topic: "T".to_owned(),
            in_flight_bytes: 1,
            transactions: None,
            on_refused: OnRefused::Fail,
            options: options.iter().map(|option| option.parse().unwrap()).collect(),
        };
        let get = |options: &ClientConfig, key: &str| options.get(key).map(str::to_owned);
        let whole = Sharing::Bytes(STREAM_BATCH_BYTES);
        let rows = ProducerConfig::rows(&config(&[]));
        let options = rows.client_options(whole);
        assert_eq!(get(&options, "enable.gapless.guarantee").as_deref(), Some("true"));
        assert_eq!(get(&options, "message.timeout.ms").as_deref(), Some("0"));
        assert_eq!(get(&rows.client_options(Sharing::Bytes(20_000)), "batch.size").as_deref(), Some("20000"));
        let options = rows.transactional("me").client_options(whole);
        assert_eq!((get(&options, "enable.gapless.guarantee"), get(&options, "message.timeout.ms")), (None, None));
        let given = ["enable.idempotence=false", "message.timeout.ms=7", "batch.num.messages=9", "batch.size=5"];
        let rows = ProducerConfig::rows(&config(&given));
        let options = rows.client_options(whole);
        assert_eq!(
            (get(&options, "enable.gapless.guarantee"), get(&options, "batch.size")),
            (None, Some("5".to_owned()))
        );
        assert_eq!(get(&options, "message.timeout.ms").as_deref(), Some("7"));
        assert_eq!(get(&rows.client_options(Sharing::Single), "batch.num.messages").as_deref(), Some("1"));
        assert!(options.create::<rdkafka::producer::BaseProducer>().is_ok());
    }
}
