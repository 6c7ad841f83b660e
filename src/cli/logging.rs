//! Our own log, on standard error.

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

use tracing_subscriber::EnvFilter;

use crate::binlog::clear_bar;
use crate::settings::{LogConfig, LogFormat};

/// What the log's lines look like, once that is known.
static FORMAT: OnceLock<LogFormat> = OnceLock::new();

/// Starts logging for the rest of the process.
pub(super) fn start(config: &LogConfig) {
    set_format(config.format);
    // The filter was checked with the configuration.
    let filter = EnvFilter::builder().parse_lossy(&config.filter);
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Lines)
        .with_ansi(colours)
        // It would panic where standard error cannot be written to, be it a full disk or a pipe without a reader.
        .log_internal_errors(false);
    // Fails only if a test has started it before.
    let _ = match config.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}

/// What the lines of `complain` look like from now on.
pub(super) fn set_format(format: LogFormat) {
    // Fails only if a test has set it before.
    let _ = FORMAT.set(format);
}

/// Says in one line why the program does not go on. A standard error that cannot be written to is no reason to panic.
pub(super) fn complain(reason: impl std::fmt::Display) {
    let reason = reason.to_string();
    let line = match FORMAT.get() {
        Some(LogFormat::Json) => {
            let timestamp = jiff::Timestamp::now().to_string();
            serde_json::json!({ "timestamp": timestamp, "level": "ERROR", "message": reason }).to_string()
        }
        Some(LogFormat::Text) | None => format!("error: {reason}"),
    };
    // In one write: other threads may be logging.
    let _ = Lines.write_all(format!("{line}\n").as_bytes());
}

/// Standard error, where `binlog` may be drawing a bar: a line of the log begins where the bar was.
struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut out = io::stderr().lock();
        clear_bar(&mut out)?;
        out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
