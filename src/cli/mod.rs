//! The command line: one file per subcommand.

mod binlog;
mod compare;
mod conclude;
mod decode;
mod effective;
mod exit;
mod generate;
mod inspect;
mod log_file;
mod logging;
mod memory;
mod proxy;
mod recording;
mod replay;
mod settings;
mod verify;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::settings::{LogConfig, LogFormat, Note, Origins, check};
use effective::{ConfigArgs, ConfigOf, Section};
use exit::Failure;
use settings::{CliError, Layered, Layers, LogArgs, complete};

const EXAMPLES: &str = "\
Examples:
  mysql-interceptor proxy --upstream db:3306 --pretty
  mysql-interceptor binlog --source mysql://repl@db --ask-password --pretty
  mysql-interceptor decode traffic.pcap --pretty
  mysql-interceptor inspect --bootstrap-servers kafka:9092 --tail 20 --pretty

`mysql-interceptor SUBCOMMAND -h` lists the options at a glance, `--help` in full.";

/// A transparent MySQL and MariaDB proxy: every SQL statement becomes one JSON message in Kafka, a file or on the terminal.
#[derive(Debug, Parser)]
#[command(name = "mysql-interceptor", version, arg_required_else_help = true)]
#[command(after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Forward clients to a server and turn their statements into messages
    #[command(after_help = proxy::EXAMPLES)]
    Proxy(Box<proxy::ProxyArgs>),
    /// Pass on each row that changed, from a server's binlog or from binlog files
    #[command(after_help = binlog::EXAMPLES)]
    Binlog(Box<binlog::BinlogArgs>),
    /// Do a recording again on another server
    #[command(after_help = replay::EXAMPLES)]
    Replay(Box<replay::ReplayArgs>),
    /// Turn the statements in captured packets (tcpdump) into messages
    #[command(after_help = decode::EXAMPLES)]
    Decode(Box<decode::DecodeArgs>),
    /// Print messages from Kafka, files or standard input, or count them
    #[command(after_help = inspect::EXAMPLES)]
    Inspect(Box<inspect::InspectArgs>),
    /// Prove that messages are complete and as they were delivered
    #[command(after_help = verify::EXAMPLES)]
    Verify(Box<verify::VerifyArgs>),
    /// Compare two executions of the same commands: two recordings, or two replays
    #[command(after_help = compare::EXAMPLES)]
    Compare(Box<compare::CompareArgs>),
    /// Look at recordings, join them, take parts of them, make them of logs
    Recording(recording::RecordingArgs),
    /// Print the effective configuration, with the source of each value
    #[command(after_help = effective::EXAMPLES)]
    Config(ConfigArgs),
    /// Print a completion script for a shell
    Completions(generate::Completions),
    /// Print the manual page (roff)
    Man,
    /// Print docs/options.md
    #[command(hide = true)]
    Options,
}

/// Runs the program with this process's arguments and environment.
pub fn run() -> ExitCode {
    let variables = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let layers = Layers { arguments: std::env::args_os().collect(), environment: variables.collect() };
    match parse(&layers) {
        Ok(call) => exit::end(call.run(layers)),
        Err(error) => {
            if wants_json(&layers) {
                logging::set_format(LogFormat::Json);
            }
            exit::end_before_start(error)
        }
    }
}

/// Whether errors are wanted as JSON, as far as a command line that could not be understood tells.
fn wants_json(layers: &Layers) -> bool {
    let is_json = |value: &std::ffi::OsString| value.eq_ignore_ascii_case("json");
    let mut words = layers.arguments.iter();
    let variable = layers.environment.get("INTERCEPTOR_LOG_FORMAT").is_some_and(is_json);
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("--log-format") => return words.next().is_some_and(is_json),
            Some(word) if word.starts_with("--log-format=") => return word.to_lowercase().ends_with("=json"),
            _ => {}
        }
    }
    variable
}

/// What was called, and what the log says about it first.
struct Call {
    parsed: Parsed,
    origins: Origins,
    log: LogConfig,
    notes: Vec<Note>,
}

/// The configuration of the subcommand that was called.
enum Parsed {
    Proxy(Box<proxy::Plan>, proxy::Words),
    Binlog(Box<binlog::BinlogArgs>),
    Replay(Box<replay::ReplayArgs>),
    Decode(Box<decode::Plan>),
    Inspect(Box<inspect::InspectArgs>),
    Verify(Box<verify::VerifyArgs>),
    Compare(Box<compare::Plan>),
    Recording(recording::RecordingCommand),
    /// The text to print.
    Config(String),
    Completions(generate::Completions),
    Man,
    Options,
}

impl Call {
    fn run(self, layers: Layers) -> Result<(), Failure> {
        logging::start(&self.log, &self.origins)?;
        for note in &self.notes {
            tracing::warn!("{note}");
        }
        match self.parsed {
            Parsed::Proxy(plan, words) => {
                proxy::run(*plan, &self.origins, words, Box::new(move || reread_proxy(&layers)))
            }
            Parsed::Binlog(args) => binlog::run(args, self.origins),
            Parsed::Replay(args) => replay::run(&args, &self.origins),
            Parsed::Decode(plan) => decode::run(*plan, &self.origins),
            Parsed::Inspect(args) => inspect::run(&args),
            Parsed::Verify(args) => verify::run(&args, &self.origins),
            Parsed::Compare(plan) => compare::run(*plan),
            Parsed::Recording(command) => recording::run(&command),
            Parsed::Config(text) => generate::print(text.as_bytes()),
            Parsed::Completions(completions) => generate::completions(&completions, command()),
            Parsed::Man => generate::man(command()),
            Parsed::Options => generate::print_options(&command()),
        }
    }
}

/// The command line's definition, complete.
fn command() -> clap::Command {
    complete_all(Cli::command()).mut_subcommand("config", complete_all).mut_subcommand("recording", recording::adapt)
}

fn complete_all(command: clap::Command) -> clap::Command {
    command
        .mut_subcommand("proxy", |proxy| complete(proxy::adapt(proxy), "INTERCEPTOR_"))
        .mut_subcommand("binlog", |binlog| complete(binlog::adapt(binlog), "INTERCEPTOR_BINLOG_"))
        .mut_subcommand("replay", |replay| complete(replay::adapt(replay), "INTERCEPTOR_REPLAY_"))
        .mut_subcommand("decode", |decode| complete(decode::adapt(decode), "INTERCEPTOR_DECODE_"))
        .mut_subcommand("inspect", |inspect| complete(inspect::adapt(inspect), "INTERCEPTOR_INSPECT_"))
        .mut_subcommand("verify", |verify| complete(verify::adapt(verify), "INTERCEPTOR_VERIFY_"))
        .mut_subcommand("compare", |compare| complete(compare, "INTERCEPTOR_COMPARE_"))
}

fn parse(layers: &Layers) -> Result<Call, CliError> {
    let layered = layers.parse(command())?;
    let origins = layered.origins.clone();
    let rust_log = layers.environment.get("RUST_LOG").and_then(|filter| filter.to_str());
    let log = |args: &LogArgs, default| args.config(rust_log, default);
    let mut notes = layered.notes.clone();
    let (parsed, log) = match Cli::from_arg_matches(&layered.matches)?.command {
        Command::Proxy(args) => {
            notes.extend(check(&proxy::rules(), &*args, &origins)?);
            let log = log(&args.log, "info")?;
            (Parsed::Proxy(Box::new(proxy::plan(*args, &origins)?), layered.words()), log)
        }
        Command::Binlog(args) => {
            notes.extend(check(&binlog::rules(), &*args, &origins)?);
            let log = log(&args.log, "info")?;
            (Parsed::Binlog(args), log)
        }
        Command::Replay(args) => {
            notes.extend(check(&replay::rules(), &*args, &origins)?);
            let log = log(&args.log, "info")?;
            (Parsed::Replay(args), log)
        }
        Command::Decode(args) => {
            notes.extend(check(&decode::rules(), &*args, &origins)?);
            let log = log(&args.log, "info")?;
            (Parsed::Decode(Box::new(decode::plan(*args, &origins)?)), log)
        }
        Command::Inspect(mut args) => {
            args.settle(&origins);
            notes.extend(check(&inspect::rules(), &*args, &origins)?);
            // librdkafka's errors come back as our own, in words that say what to do.
            let log = log(&args.log, "warn,librdkafka=off")?;
            (Parsed::Inspect(args), log)
        }
        Command::Verify(args) => {
            notes.extend(check(&verify::rules(), &*args, &origins)?);
            let log = log(&args.log, "warn,librdkafka=off")?;
            (Parsed::Verify(args), log)
        }
        Command::Compare(args) => {
            notes.extend(check(&compare::rules(), &*args, &origins)?);
            let log = log(&args.log, "info")?;
            let baseline = args.report.baseline(&origins)?;
            (Parsed::Compare(Box::new(compare::Plan { args: *args, baseline })), log)
        }
        Command::Recording(args) => {
            let log = log(args.of.log(), "info")?;
            (Parsed::Recording(args.of), log)
        }
        Command::Config(args) => {
            let text = effective_configuration(&args, layers, &layered, &mut notes)?;
            (Parsed::Config(text), LogConfig::default())
        }
        Command::Completions(completions) => (Parsed::Completions(completions), LogConfig::default()),
        Command::Man => (Parsed::Man, LogConfig::default()),
        Command::Options => (Parsed::Options, LogConfig::default()),
    };
    Ok(Call { parsed, origins, log, notes })
}

/// What the same command line and environment, and the configuration file as it is now, make of `proxy`.
fn reread_proxy(layers: &Layers) -> Result<Option<proxy::Reread>, CliError> {
    let Call { parsed, origins, notes, .. } = parse(layers)?;
    Ok(match parsed {
        Parsed::Proxy(plan, words) => Some(proxy::Reread { plan: *plan, words, origins, notes }),
        _ => None,
    })
}

/// The configuration of the subcommand that is named, or of each of them.
fn effective_configuration(
    args: &ConfigArgs,
    layers: &Layers,
    layered: &Layered,
    notes: &mut Vec<Note>,
) -> Result<String, CliError> {
    let origins = &layered.origins;
    let (name, found) = match &args.of {
        Some(ConfigOf::Proxy(args)) => ("proxy", check(&proxy::rules(), &**args, origins)?),
        Some(ConfigOf::Binlog(args)) => ("binlog", check(&binlog::rules(), &**args, origins)?),
        Some(ConfigOf::Replay(args)) => ("replay", check(&replay::rules(), &**args, origins)?),
        Some(ConfigOf::Decode(args)) => ("decode", check(&decode::rules(), &**args, origins)?),
        Some(ConfigOf::Inspect(args)) => ("inspect", check(&inspect::rules(), &**args, origins)?),
        Some(ConfigOf::Verify(args)) => ("verify", check(&verify::rules(), &**args, origins)?),
        Some(ConfigOf::Compare(args)) => ("compare", check(&compare::rules(), &**args, origins)?),
        None => {
            let section = |name: &str| {
                let arguments = ["mysql-interceptor", name].map(Into::into).to_vec();
                let layers = Layers { arguments, environment: layers.environment.clone() };
                Ok(Section::new(name, &layers.parse(command())?))
            };
            let sections: Result<Vec<_>, CliError> =
                ["proxy", "binlog", "decode", "inspect", "verify", "replay", "compare"]
                    .into_iter()
                    .map(section)
                    .collect();
            return Ok(effective::render(args.format, &sections?));
        }
    };
    notes.extend(found);
    Ok(effective::render(args.format, &[Section::new(name, layered)]))
}

/// What `parse` makes of an environment and a command line, for tests.
#[cfg(test)]
fn parse_words(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Call, CliError> {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), value.into())).collect();
    let arguments = std::iter::once("mysql-interceptor").chain(arguments.iter().copied()).map(Into::into).collect();
    parse(&Layers { arguments, environment })
}

#[cfg(test)]
mod metrics_document;
#[cfg(test)]
mod tests;
