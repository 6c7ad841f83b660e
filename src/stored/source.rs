//! What messages are read from.

use std::io;

use rdkafka::error::KafkaError;

use super::block::Block;
use super::input::InputError;
use crate::deliver::SpoolError;

/// Where messages come from, one block after the other. Its methods may wait, but not for long: who reads looks whether it should stop.
pub trait Source {
    /// Puts the next messages into a block that is empty.
    fn read(&mut self, block: &mut Block) -> Result<Step, SourceError>;

    /// How far it is, if that is known.
    fn progress(&self) -> Option<Progress> {
        None
    }
}

/// What reading on has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Messages.
    Filled,
    /// None now, but there may be some later.
    Waiting,
    /// None, and there will be no more.
    End,
}

/// How much was read, of how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the files, or messages of a topic.
    pub done: u64,
    /// All of them.
    pub total: u64,
}

/// Why nothing (more) can be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The client could not be made.
    #[error("Kafka client: {0}")]
    Client(String),
    /// No broker answered.
    #[error("no answer from {servers} within {seconds} s: {reason}")]
    Unreachable {
        /// Who was asked.
        servers: String,
        /// For how long.
        seconds: u64,
        /// What librdkafka says.
        reason: String,
    },
    /// A topic is not there.
    #[error(
        "there is no topic {topic} yet: the first statement or row that is sent there makes it; there are: {known}"
    )]
    UnknownTopic {
        /// Which one.
        topic: String,
        /// Which ones are there.
        known: String,
    },
    /// No topic has such a name.
    #[error(
        "no topic matches {pattern} yet: the first statement or row that is sent there makes one; there are: {known}"
    )]
    NoMatch {
        /// The pattern.
        pattern: String,
        /// Which topics are there.
        known: String,
    },
    /// A topic's offsets cannot be asked for.
    #[error("topic {topic}: {source}")]
    Topic {
        /// Which one.
        topic: String,
        /// Why.
        source: KafkaError,
    },
    /// A topic cannot be read.
    #[error("cannot read: {0}")]
    Read(KafkaError),
    /// A file cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A spool cannot be read.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// A file is not what it was taken for.
    #[error("{name}: {reason}")]
    Foreign {
        /// The file.
        name: String,
        /// What is wrong, and what it should be.
        reason: String,
    },
}

impl SourceError {
    /// A file cannot be read.
    pub(crate) fn input(name: impl Into<String>, source: io::Error) -> Self {
        Self::Input(InputError { name: name.into(), source })
    }
}
