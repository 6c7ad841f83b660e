//! The contract's settings as librdkafka's.

use rdkafka::ClientConfig;

use crate::deliver::kafka::client::client_options;
use crate::deliver::kafka::gathering::BURST_MESSAGES;
use crate::deliver::{Acks, KafkaConfig};

/// The Java client's `max.request.size`; librdkafka's own default is a little lower.
const MAX_MESSAGE_BYTES: u32 = 1_048_576;

pub(crate) fn producer_options(config: &KafkaConfig) -> ClientConfig {
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
        // Long enough to hand a burst over: it is gathered already (see `gathering`).
        ("linger.ms", "5".to_owned()),
        // A burst fits, with what the protocol adds to each message.
        ("batch.size", "2000000".to_owned()),
        ("batch.num.messages", BURST_MESSAGES.to_string()),
        // The bound is in `gathering` too.
        ("queue.buffering.max.messages", "0".to_owned()),
        ("queue.buffering.max.kbytes", "1048576".to_owned()),
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
