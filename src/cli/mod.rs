//! The command line: one file per subcommand.

mod binlog;
mod inspect;
mod logging;
mod proxy;

#[cfg(test)]
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::{ConfigError, Layers, ProxyConfig, ProxySettings};

/// The exit code for a wrong command line or configuration, as clap has it.
const USAGE: u8 = 2;
/// The exit code for everything that goes wrong later.
const FAILURE: u8 = 1;

/// A transparent MySQL and MariaDB proxy: every SQL statement becomes one JSON message in Kafka, a file or on the terminal.
#[derive(Debug, Parser)]
#[command(name = "mysql-interceptor", version, arg_required_else_help = true)]
#[command(after_help = "Each option can be set by its environment variable (shown as [env: NAME]) too. \
    Flags win over variables, variables over the configuration file, the file over the defaults.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Forward clients to a server and turn their statements into messages
    #[command(
        after_help = "Flags win over environment variables, variables over the configuration file, the file over the defaults. \
        An empty variable counts as not set. Sizes are bytes or 500MB, 256MiB, 1GiB; times are seconds or 500ms, 10m, 1h."
    )]
    Proxy(Box<ProxySettings>),
    /// Pass on each row that changed, from a server's binlog or from binlog files
    Binlog(Box<binlog::Binlog>),
    /// Print the messages in Kafka, one JSON object per line
    Inspect(inspect::Inspect),
}

/// Runs the program with this process's arguments and environment.
pub fn run() -> ExitCode {
    match dispatch() {
        Ok(code) => code,
        Err(ConfigError::Usage(error)) => {
            // Help and version go to standard output and are no error; a closed pipe is nobody's concern.
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(USAGE))
        }
        Err(error) => {
            logging::complain(error);
            ExitCode::from(USAGE)
        }
    }
}

fn dispatch() -> Result<ExitCode, ConfigError> {
    let layers = Layers { arguments: std::env::args_os().collect(), environment: &|name: &str| std::env::var_os(name) };
    Ok(match parse(&layers)? {
        Parsed::Proxy(config) => proxy::run(*config),
        Parsed::Binlog(binlog) => binlog::run(&binlog),
        Parsed::Inspect(inspect) => inspect::run(&inspect),
    })
}

/// The configuration of the subcommand that was called.
enum Parsed {
    Proxy(Box<ProxyConfig>),
    Binlog(Box<binlog::Binlog>),
    Inspect(inspect::Inspect),
}

fn parse(layers: &Layers<'_>) -> Result<Parsed, ConfigError> {
    let layered = layers.parse(Cli::command())?;
    if let Some(("proxy", matches)) = layered.matches.subcommand() {
        return Ok(Parsed::Proxy(Box::new(ProxyConfig::from_matches(&layered, matches)?)));
    }
    match Cli::from_arg_matches(&layered.matches)?.command {
        Command::Binlog(binlog) => Ok(Parsed::Binlog(binlog)),
        Command::Inspect(inspect) => Ok(Parsed::Inspect(inspect)),
        // Handled above.
        Command::Proxy(_) => Err(Cli::command().error(clap::error::ErrorKind::InvalidSubcommand, "proxy").into()),
    }
}

/// Sets the flag on SIGTERM and SIGINT; a second one ends the process at once.
fn stop_on_signals(stop: &Arc<AtomicBool>) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut terminate, mut interrupt) = {
        let _context = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
    };
    let stop = Arc::clone(stop);
    let watch = move || {
        for is_first in [true, false] {
            runtime.block_on(async {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            });
            stop.store(true, Ordering::Relaxed);
            if is_first {
                tracing::info!("told to stop; a second signal ends the program at once");
            } else {
                std::process::exit(FAILURE.into());
            }
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(watch).map(drop)
}

/// The words of an environment and a command line as `parse` understands them, for tests.
#[cfg(test)]
fn parse_words(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Parsed, ConfigError> {
    let lookup = |name: &str| {
        environment.iter().find(|(variable, _)| *variable == name).map(|(_, value)| OsString::from(*value))
    };
    let arguments = std::iter::once("mysql-interceptor").chain(arguments.iter().copied()).map(OsString::from).collect();
    parse(&Layers { arguments, environment: &lookup })
}

#[cfg(test)]
mod tests;
