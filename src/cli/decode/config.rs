//! From the command line to what is decoded.

use std::path::Path;

use super::args::DecodeArgs;
use crate::decode::{DecodeConfig, Limits, Servers};
use crate::deliver::{QueueConfig, SinkConfig};
use crate::message::MessageOptions;
use crate::mirror::MirrorConfig;
use crate::publish::{BufferConfig, Publishing};
use crate::recording::RecordingConfig;
use crate::session::{Interest, ObserverConfig};
use crate::settings::{ConfigError, Origins};

/// MySQL's port.
const DEFAULT_PORT: u16 = 3306;

/// All that `mysql-interceptor decode` is to do.
#[derive(Debug)]
pub(in crate::cli) struct Plan {
    pub(super) decode: DecodeConfig,
    /// None where sessions are only recorded or mirrored.
    pub(super) messages: Option<MessageOptions>,
    pub(super) recording: Option<RecordingConfig>,
    pub(super) mirror: Option<MirrorConfig>,
    pub(super) buffer: Option<BufferConfig>,
    pub(super) sinks: Vec<SinkConfig>,
    pub(super) queue: QueueConfig,
}

/// Makes the plan from settings that the rules let pass.
pub(in crate::cli) fn plan(args: DecodeArgs, origins: &Origins) -> Result<Plan, ConfigError> {
    let Some(input) = args.input.clone() else {
        let message = "nothing to read: name a capture, or - for standard input".to_owned();
        return Err(ConfigError::Refused { origin: origins.of("input"), message });
    };
    let statements = &args.statements;
    statements.check(origins)?;
    let rows_of_inserts = if statements.messages.split_values { Interest::ROWS_OF_INSERTS } else { Interest::empty() };
    let has_messages = args.has_messages();
    let messages = statements.message_options(origins)?;
    let recording = args.recording.config(&messages.redactor, &statements.kafka, origins)?;
    let mut mirror = args.mirror.config(origins)?;
    if let Some(mirror) = mirror.as_mut().filter(|_| input != Path::new("-")) {
        // Nothing of a file is dropped because of its session's share: reading waits instead.
        mirror.session_bytes = mirror.queue_bytes;
    }
    let packets = args.packets;
    let servers = match packets.port.is_empty() {
        true => Servers { ports: [DEFAULT_PORT].into(), others: true },
        false => Servers { ports: packets.port.into_iter().collect(), others: false },
    };
    Ok(Plan {
        messages: has_messages.then_some(messages),
        recording,
        mirror,
        buffer: statements.buffer_config(origins)?,
        sinks: if has_messages { statements.sinks() } else { Vec::new() },
        queue: statements.queues.config(),
        decode: DecodeConfig {
            input,
            servers,
            limits: Limits { bytes_together: packets.reassembly_bytes, ..Limits::default() },
            observer: ObserverConfig {
                max_statement_bytes: statements.messages.max_statement_bytes,
                interest: Publishing::INTEREST | rows_of_inserts,
            },
        },
    })
}
