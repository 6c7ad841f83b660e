//! What can go wrong, and what goes away by itself.

use std::io;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Why nothing (more) can be printed.
#[derive(Debug, thiserror::Error)]
pub(super) enum InspectError {
    #[error("Kafka client: {0}")]
    Client(String),
    #[error("no answer from {servers} within {seconds} s: {reason}")]
    Unreachable { servers: String, seconds: u64, reason: String },
    #[error(
        "there is no topic {topic} yet: the first statement or row that is sent there makes it; there are: {known}"
    )]
    UnknownTopic { topic: String, known: String },
    #[error(
        "no topic matches {pattern} yet: the first statement or row that is sent there makes one; there are: {known}"
    )]
    NoMatch { pattern: String, known: String },
    #[error("topic {topic}: {source}")]
    Topic { topic: String, source: KafkaError },
    #[error("cannot read: {0}")]
    Read(KafkaError),
    #[error("cannot read standard input: {0}")]
    Input(io::Error),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
    #[error("cannot watch for signals: {0}")]
    Signals(io::Error),
}

/// Whether an error of the consumer goes away by itself.
pub(super) fn is_passing(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::NotLeaderForPartition
                | RDKafkaErrorCode::LeaderNotAvailable
        )
    )
}
