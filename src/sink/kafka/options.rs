//! The contract's settings as librdkafka's.

use rdkafka::ClientConfig;

use super::client::client_options;
use crate::config::{Acks, KafkaConfig};

/// The Java client's `max.request.size`; librdkafka's own default is a little lower.
const MAX_MESSAGE_BYTES: u32 = 1_048_576;

pub(super) fn producer_options(config: &KafkaConfig) -> ClientConfig {
    // An idempotent producer has to be allowed to retry, as in the Java client.
    let idempotent = config.acks == Acks::All && config.retries > 0;
    let acks = match config.acks {
        Acks::All => "all",
        Acks::None => "0",
        Acks::Leader => "1",
    };
    let defaults = [
        ("enable.idempotence", idempotent.to_string()),
        ("acks", acks.to_owned()),
        ("retries", config.retries.to_string()),
        ("linger.ms", config.linger.as_millis().to_string()),
        ("batch.size", config.batch_size.to_string()),
        ("queue.buffering.max.kbytes", (config.buffer_memory / 1024).clamp(1, 2_147_483_647).to_string()),
        // Bounded in bytes, as the Java client is.
        ("queue.buffering.max.messages", "0".to_owned()),
        ("message.max.bytes", MAX_MESSAGE_BYTES.to_string()),
        // What the Java client does with keys; a connection stays in its partition whichever client produces.
        ("partitioner", "murmur2_random".to_owned()),
        // A broker may be away for any time.
        ("message.timeout.ms", "0".to_owned()),
        // Successes are known from what is not in flight any more: no callback for each message.
        ("delivery.report.only.error", "true".to_owned()),
    ];
    client_options(&config.bootstrap_servers, &defaults, &config.options)
}
