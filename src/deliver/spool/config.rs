//! What a spool is told.

use std::path::PathBuf;

use crate::deliver::fsync::Fsync;
use crate::deliver::ledger::AuditConfig;
use crate::files::FileMode;

/// A spool and what it means.
#[derive(Debug, Clone)]
pub struct SpoolConfig {
    /// Where its files are; made if it is not there.
    pub folder: PathBuf,
    /// When a message must be in it.
    pub mode: SpoolMode,
    /// What becomes of messages when it is full.
    pub full: SpoolFull,
    /// Bytes that it may take of the disk.
    pub max_bytes: u64,
    /// When what is in it is on the disk.
    pub fsync: Fsync,
    /// The rights of its files.
    pub file_mode: FileMode,
    /// Which process this is: what Kafka's header `proxy` says.
    pub run: String,
    /// With it segments have manifests.
    pub audit: Option<AuditConfig>,
}

impl SpoolConfig {
    /// The least that `max_bytes` may be.
    pub const LEAST_BYTES: u64 = 4 << 20;

    /// A segment is closed when it has this many bytes.
    pub(super) fn segment_bytes(&self) -> u64 {
        (self.max_bytes / 16).clamp(LEAST_SEGMENT, LARGEST_SEGMENT)
    }
}

// Tests have small ones, so that there are many.
const LEAST_SEGMENT: u64 = if cfg!(test) { 4 << 10 } else { 1 << 20 };
const LARGEST_SEGMENT: u64 = 64 << 20;

/// When a message must be in the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::Display, strum::EnumMessage, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum SpoolMode {
    /// Some milliseconds after its statement's end: the process can lose these if it is killed
    #[default]
    Async,
    /// Before the client gets the end of its statement's result
    Reply,
}

/// What a full spool means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::Display, strum::EnumMessage, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum SpoolFull {
    /// Clients' next requests wait; no message is lost
    #[default]
    Block,
    /// Messages are dropped and counted; no client waits
    Drop,
    /// Clients' next requests are answered with an error and not forwarded
    Error,
}
