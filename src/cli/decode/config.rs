//! From the command line to what is decoded.

use super::args::DecodeArgs;
use crate::decode::{DecodeConfig, Limits, Servers};
use crate::deliver::{QueueConfig, SinkConfig};
use crate::message::MessageOptions;
use crate::publish::{BufferConfig, Publishing};
use crate::session::{Interest, ObserverConfig};
use crate::settings::{ConfigError, Origins};

/// MySQL's port.
const DEFAULT_PORT: u16 = 3306;

/// All that `mysql-interceptor decode` is to do.
#[derive(Debug)]
pub(in crate::cli) struct Plan {
    pub(super) decode: DecodeConfig,
    pub(super) messages: MessageOptions,
    pub(super) buffer: Option<BufferConfig>,
    pub(super) sinks: Vec<SinkConfig>,
    pub(super) queue: QueueConfig,
}

/// Makes the plan from settings that the rules let pass.
pub(in crate::cli) fn plan(args: DecodeArgs, origins: &Origins) -> Result<Plan, ConfigError> {
    let Some(input) = args.input else {
        let message = "nothing to read: name a capture, or - for standard input".to_owned();
        return Err(ConfigError::Refused { origin: origins.of("input"), message });
    };
    let statements = &args.statements;
    statements.check(origins)?;
    let rows_of_inserts = if statements.messages.split_values { Interest::ROWS_OF_INSERTS } else { Interest::empty() };
    let packets = args.packets;
    let servers = match packets.port.is_empty() {
        true => Servers { ports: [DEFAULT_PORT].into(), others: true },
        false => Servers { ports: packets.port.into_iter().collect(), others: false },
    };
    Ok(Plan {
        messages: statements.message_options(origins)?,
        buffer: statements.buffer_config(origins)?,
        sinks: statements.sinks(),
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
