//! Recordings in a Kafka topic: each record is a message, keyed by its session, so that a session's records are in one partition and in order.
//!
//! ```text
//!   wire      a record as JSON and back                writer   a recorder's records into the topic
//!   group     all of a topic, and a player's share of its sessions
//!   share     which of its records come next, and which sessions are not over
//!   reader, membership, common    the thread that reads, the consumer's partitions, what threads share
//!   progress  what of a partition has been played, as its group's committed offset has it
//! ```
//!
//! JSON, since a topic is read by others too (`docs/recordings.md` has the fields), one record a message, since that is the unit that is keyed,
//! repeated after a fault, and dropped by retention; what they have in common the producer's compression takes care of.

mod common;
mod group;
mod membership;
mod progress;
mod reader;
mod share;
#[cfg(test)]
mod tests;
mod wire;
mod wire_begin;
mod wire_command;
mod wire_content;
mod writer;

pub(crate) use common::GroupConfig;
pub(crate) use group::{Group, GroupWatch, Whole};
pub use wire::{WireError, decode, encode};
pub use writer::{TopicConfig, TopicWriter};
