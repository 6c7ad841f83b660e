//! Our own log, on standard error or in a file.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, OnceLock, PoisonError};

use tracing_subscriber::EnvFilter;

use super::log_file::LogFile;
use crate::pretty::bar;
use crate::settings::{ConfigError, LogConfig, LogFormat, Origins};

/// Where the log's lines go and what they look like, once that is known.
static LOG: OnceLock<Log> = OnceLock::new();

#[derive(Debug)]
struct Log {
    format: LogFormat,
    file: Option<Mutex<LogFile>>,
}

/// Starts logging for the rest of the process.
pub(super) fn start(config: &LogConfig, origins: &Origins) -> Result<(), ConfigError> {
    let file = match &config.file {
        Some(path) => Some(LogFile::open(path).map_err(|error| ConfigError::Refused {
            origin: origins.of("log_file"),
            message: format!("cannot write to {}: {error}", path.display()),
        })?),
        None => None,
    };
    let is_on_terminal = file.is_none() && io::stderr().is_terminal();
    let colours = is_on_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    // Fails only if a test has set it before.
    let _ = LOG.set(Log { format: config.format, file: file.map(Mutex::new) });
    // The filter was checked with the configuration.
    let filter = EnvFilter::builder().parse_lossy(&config.filter);
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
    Ok(())
}

/// What the lines of `complain` look like from now on.
pub(super) fn set_format(format: LogFormat) {
    // Fails only if it is known already.
    let _ = LOG.set(Log { format, file: None });
}

/// Says in one line why the program ends: on standard error whatever the log is, and in the log's file if there is one. A standard
/// error that cannot be written to is no reason to panic.
pub(super) fn complain(reason: impl std::fmt::Display) {
    let reason = reason.to_string();
    let line = match LOG.get().map(|log| log.format) {
        Some(LogFormat::Json) => {
            let timestamp = jiff::Timestamp::now().to_string();
            serde_json::json!({ "timestamp": timestamp, "level": "ERROR", "message": reason }).to_string()
        }
        Some(LogFormat::Text) | None => format!("error: {reason}"),
    };
    // In one write: other threads may be logging.
    let line = format!("{line}\n");
    let _ = to_standard_error(line.as_bytes());
    let _ = to_file(line.as_bytes());
}

/// Where the log's lines go; each comes in one piece.
struct Lines;

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match to_file(line) {
            Some(Ok(())) => Ok(line.len()),
            // On a full disk, for example: somebody may be looking at standard error.
            Some(Err(_)) | None => to_standard_error(line).map(|()| line.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// `None` if the log is not in a file.
fn to_file(line: &[u8]) -> Option<io::Result<()>> {
    let file = LOG.get()?.file.as_ref()?;
    Some(file.lock().unwrap_or_else(PoisonError::into_inner).write_line(line))
}

/// `binlog` or `replay` may be drawing a bar there: the line begins where the bar was.
fn to_standard_error(line: &[u8]) -> io::Result<()> {
    let mut out = io::stderr().lock();
    bar::clear(&mut out)?;
    out.write_all(line)
}
