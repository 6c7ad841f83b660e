//! The command line: one file per subcommand.

mod inspect;
mod logging;
mod proxy;

#[cfg(test)]
use std::ffi::OsString;
use std::process::ExitCode;

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
            eprintln!("error: {error}");
            ExitCode::from(USAGE)
        }
    }
}

fn dispatch() -> Result<ExitCode, ConfigError> {
    let layers = Layers { arguments: std::env::args_os().collect(), environment: &|name: &str| std::env::var_os(name) };
    Ok(match parse(&layers)? {
        Parsed::Proxy(config) => proxy::run(*config),
        Parsed::Inspect(inspect) => inspect::run(&inspect),
    })
}

/// The configuration of the subcommand that was called.
enum Parsed {
    Proxy(Box<ProxyConfig>),
    Inspect(inspect::Inspect),
}

fn parse(layers: &Layers<'_>) -> Result<Parsed, ConfigError> {
    let layered = layers.parse(Cli::command())?;
    if let Some(("proxy", matches)) = layered.matches.subcommand() {
        return Ok(Parsed::Proxy(Box::new(ProxyConfig::from_matches(&layered, matches)?)));
    }
    match Cli::from_arg_matches(&layered.matches)?.command {
        Command::Inspect(inspect) => Ok(Parsed::Inspect(inspect)),
        // Handled above.
        Command::Proxy(_) => Err(Cli::command().error(clap::error::ErrorKind::InvalidSubcommand, "proxy").into()),
    }
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
