//! What a sink of rows is told, and that as librdkafka's options.

use rdkafka::ClientConfig;

use crate::deliver::KafkaOption;
use crate::deliver::kafka::client::client_options;

/// The Java client's `max.request.size`; librdkafka's own default is a little lower.
const MAX_MESSAGE_BYTES: u32 = 1_048_576;
/// The largest batch that a topic takes as brokers are set up by default is 1,048,588 bytes.
pub(crate) const BATCH_BYTES: u32 = 1_000_000;
/// A batch that a broker finds too large is not made smaller than this.
pub(crate) const LEAST_BATCH_BYTES: u32 = 16_384;
/// A transaction of the source that takes longer than this to be sent does not come through: brokers abort it.
/// While a killed instance does not come back, readers of committed messages wait for so long.
const TRANSACTION_TIMEOUT_MS: u32 = 300_000;

/// What a sink of rows is told.
#[derive(Debug, Clone)]
pub struct RowsSinkConfig {
    /// `host:port`, comma-separated.
    pub bootstrap_servers: String,
    /// The topic of messages that name none.
    pub topic: String,
    /// Bytes of messages that may be under way to the brokers at a time.
    pub in_flight_bytes: usize,
    /// For rows that are there once, whatever happens.
    pub transactions: Option<TransactionSettings>,
    /// What becomes of a message that Kafka will never take.
    pub on_refused: OnRefused,
    /// Further properties of librdkafka; they override ours.
    pub options: Vec<KafkaOption>,
}

/// What becomes of a message that Kafka will never take, because it is too large or of no allowed form.
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
    /// `transactional.id`: an instance that starts ends an older one of the same name.
    pub transactional_id: String,
    /// The topic of checkpoints: only behind one of its messages is a transaction committed.
    pub checkpoint_topic: String,
}

/// How messages share requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Batching {
    /// As many as fit so many bytes.
    Bytes(u32),
    /// Each has a request of its own, so that an error is its own too.
    Single,
}

pub(crate) fn producer_options(config: &RowsSinkConfig, batching: Batching) -> ClientConfig {
    let (bytes, messages) = match batching {
        Batching::Bytes(bytes) => (bytes, 100_000),
        Batching::Single => (BATCH_BYTES, 1),
    };
    let mut defaults = vec![
        ("enable.idempotence", "true".to_owned()),
        ("acks", "all".to_owned()),
        ("linger.ms", "5".to_owned()),
        ("batch.size", bytes.to_string()),
        ("batch.num.messages", messages.to_string()),
        // Less work for the brokers than it is for us, and together less than none: images repeat themselves.
        ("compression.type", "lz4".to_owned()),
        // The bound is in our window.
        ("queue.buffering.max.messages", "0".to_owned()),
        ("queue.buffering.max.kbytes", "1048576".to_owned()),
        ("message.max.bytes", MAX_MESSAGE_BYTES.to_string()),
        // What the Java client does with keys, so that its joins find a key's rows in the partition where they look.
        ("partitioner", "murmur2_random".to_owned()),
    ];
    match &config.transactions {
        Some(transactions) => {
            defaults.push(("transactional.id", transactions.transactional_id.clone()));
            defaults.push(("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS.to_string()));
        }
        None => {
            // A broker may be away for any time. Within transactions their own timeout is the limit.
            defaults.push(("message.timeout.ms", "0".to_owned()));
            // A request that fails for good must not be overtaken by those behind it: librdkafka then sends nothing more, and a
            // new producer begins with what failed.
            defaults.push(("enable.gapless.guarantee", "true".to_owned()));
        }
    }
    let mut options = client_options(&config.bootstrap_servers, &defaults, &config.options);
    // Ours again, whatever was given.
    match batching {
        Batching::Single => {
            options.set("batch.num.messages", "1");
        }
        Batching::Bytes(bytes) if bytes < BATCH_BYTES => {
            options.set("batch.size", bytes.to_string());
        }
        Batching::Bytes(_) => {}
    }
    options
}
