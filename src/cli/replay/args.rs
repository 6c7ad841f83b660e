//! The command line of `replay`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Command};

use super::values::{From, FromOrTo, KAFKA, Speed, percent};
use crate::cli::settings::{KafkaArgs, LogArgs, ReportArgs, ServerUrl, choice};
use crate::client::TlsMode;
use crate::message::Criterion;
use crate::player::SchemaMap;
use crate::pretty::ColorChoice;
use crate::replay::CommitOrder;
use crate::rules::names::Patterns;
use crate::settings::{boolean, duration, memory_size};

/// The settings of `mysql-interceptor replay`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ReplayArgs {
    /// Configuration file (TOML): its keys are the long flags with _ for -
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// The recording's folder, or kafka:TOPIC
    #[arg(value_name = "DIR")]
    pub(super) recording: Option<PathBuf>,

    #[command(flatten)]
    pub(super) sharing: SharingArgs,

    /// Key file of an encrypted recording
    ///
    /// The results are encrypted with it, too.
    #[arg(long, value_name = "FILE")]
    pub(super) key_file: Option<PathBuf>,

    /// Only look whether the replay can succeed
    ///
    /// Asks the target and looks through the whole recording, and plays nothing. Without it, the beginning of the recording is looked through before the start.
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = boolean)]
    pub(super) check: bool,

    #[command(flatten)]
    pub(super) target: TargetArgs,

    #[command(flatten)]
    pub(super) pace: PaceArgs,

    #[command(flatten)]
    pub(super) selection: SelectionArgs,

    #[command(flatten)]
    pub(super) permits: PermitArgs,

    #[command(flatten)]
    pub(super) fidelity: FidelityArgs,

    #[command(flatten)]
    pub(in crate::cli) report: ReportArgs,

    /// Colours in the summary
    #[arg(long, value_name = "WHEN", default_value = "auto", value_parser = choice::<ColorChoice>())]
    #[arg(help_heading = "Report")]
    pub(super) color: ColorChoice,

    #[command(flatten)]
    pub(in crate::cli) log: LogArgs,
}

/// Where sessions are played, and as whom.
#[derive(Debug, Args)]
#[command(next_help_heading = "Target")]
pub(super) struct TargetArgs {
    /// The server: mysql://USER[:PASSWORD]@HOST[:PORT]
    ///
    /// All sessions log in with this account, except those of users in --user-map.
    #[arg(long, value_name = "URL", value_parser = server_without_database)]
    pub(super) target: Option<ServerUrl>,

    /// File whose first line is the password
    ///
    /// Without it: the URL's password, then the variable MYSQL_PWD.
    #[arg(long, value_name = "FILE")]
    pub(super) password_file: Option<PathBuf>,

    /// Ask for the password on the terminal
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = boolean, conflicts_with = "password_file")]
    pub(super) ask_password: bool,

    /// Accounts of recorded users on the target (TOML)
    ///
    /// For each user a table: [users.app] with user = ".." and password = ".." or password_file = "..".
    #[arg(long, value_name = "FILE")]
    pub(super) user_map: Option<PathBuf>,

    /// TLS to the server
    ///
    /// Without it: verify-ca with --tls-ca, else preferred.
    #[arg(long, value_name = "MODE", value_parser = choice::<TlsMode>())]
    pub(super) tls_mode: Option<TlsMode>,

    /// Authorities for the server's certificate (PEM)
    #[arg(long, value_name = "FILE")]
    pub(super) tls_ca: Option<PathBuf>,

    /// How long connecting and logging in may take
    #[arg(long, value_name = "TIME", default_value = "10", value_parser = duration)]
    pub(super) connect_timeout: Duration,

    /// How long a statement may take [default: as long as it does]
    ///
    /// One that takes longer is given up with its connection, and counted.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) statement_timeout: Option<Duration>,
}

/// A database is the recording's business.
fn server_without_database(text: &str) -> Result<ServerUrl, String> {
    let url: ServerUrl = text.parse()?;
    match url.database {
        None => Ok(url),
        Some(_) => {
            Err("expected mysql://USER[:PASSWORD]@HOST[:PORT] without a database: sessions choose theirs".into())
        }
    }
}

/// How fast, and how often.
#[derive(Debug, Args)]
#[command(next_help_heading = "Pace")]
pub(super) struct PaceArgs {
    /// How many times as fast as recorded, or max
    ///
    /// With max, statements follow each other at once, and a session begins when those have ended that had ended before it began.
    #[arg(long, value_name = "FACTOR", default_value = "1")]
    pub(super) speed: Speed,

    /// Times between sessions' beginnings, in percent
    ///
    /// Of the recorded ones; without it as --speed says.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub(super) connect_scale: Option<f64>,

    /// Times between a session's statements, in percent
    ///
    /// Of the recorded ones; without it as --speed says.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub(super) think_scale: Option<f64>,

    /// Let slower answers shorten the pauses after them
    ///
    /// Statements then keep their recorded times as long as the target keeps up. If false, each pause is as long as it was, and slower answers delay all that follows.
    #[arg(long, value_name = "BOOL", default_value = "true", value_parser = boolean)]
    pub(super) think_auto: bool,

    /// Play each session N times at once
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) amplify: u32,

    /// How much later each copy begins than the one before
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = duration)]
    pub(super) amplify_offset: Duration,

    /// Other databases for recorded ones: app=app_{n}
    ///
    /// Several with commas between. {n} is the copy's number, from 0: copies that write do not meet.
    #[arg(long, value_name = "DB=NAME")]
    pub(super) schema_map: Option<SchemaMap>,

    /// Play the whole N times, one after the other
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) loops: u32,

    /// How much of the recording may wait to be played, in memory
    #[arg(long, hide_short_help = true, value_name = "SIZE", default_value = "64MiB", value_parser = memory_size)]
    pub(super) read_ahead: usize,
}

impl ReplayArgs {
    /// The topic that is played, if it is not a folder.
    pub(super) fn topic(&self) -> Option<&str> {
        let named = || self.recording.as_deref()?.to_str()?.strip_prefix(KAFKA);
        match &self.selection.from {
            Some(From::Topic(topic)) => Some(topic),
            _ => named(),
        }
    }

    /// How the recording is called.
    pub(super) fn recording_name(&self) -> Option<String> {
        let folder = || self.recording.as_ref().map(|folder| folder.display().to_string());
        self.topic().map(|topic| format!("{KAFKA}{topic}")).or_else(folder)
    }
}

/// How several players share a topic.
#[derive(Debug, Args)]
#[command(next_help_heading = "Several players")]
pub(super) struct SharingArgs {
    /// Consumer group of the players that share the topic's sessions
    ///
    /// Each plays the sessions of its partitions. When a player is gone, the others begin the sessions again that it did not come to the end of. A group plays a topic once: another name plays it again.
    #[arg(long, value_name = "NAME")]
    pub(super) group: Option<String>,

    /// The topic is being written: end when nothing came for so long
    ///
    /// Without it the replay ends where the topic ended at its start.
    #[arg(long, hide_short_help = true, value_name = "TIME", value_parser = duration)]
    pub(super) until_idle: Option<Duration>,

    #[command(flatten)]
    pub(super) kafka: KafkaArgs,
}

/// What of the recording.
#[derive(Debug, Args)]
#[command(next_help_heading = "Selection")]
pub(super) struct SelectionArgs {
    /// Only user=, database=, client=, kind=, table= or digest=
    ///
    /// Repeatable: user=NAME, database=NAME (* stands for any characters), client=ADDRESS[/BITS], kind=KIND, table=[DATABASE.]NAME or digest=DIGEST (as the report has it). Of one key one value has to fit, of several keys each. SET, USE, BEGIN and COMMIT are played with their sessions.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) only: Vec<Patterns<Criterion>>,

    /// Nothing of this user, database, client, kind, digest
    ///
    /// As --only. SET, USE, BEGIN and COMMIT are only left out by their kind or digest.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) skip: Vec<Patterns<Criterion>>,

    /// Begin here: a time from the start (10m), or of day
    ///
    /// A time from the recording's beginning (90, 10m, 1h) or a date and time (2026-11-27T13:00:00Z). Sessions get the state that they had there. --from kafka:TOPIC is another way to name the topic that is played.
    #[arg(long, value_name = "TIME")]
    pub(super) from: Option<From>,

    /// End here
    ///
    /// As --from.
    #[arg(long, value_name = "TIME")]
    pub(super) to: Option<FromOrTo>,
}

/// What may be done to the target.
#[derive(Debug, Args)]
#[command(next_help_heading = "Permission")]
pub(super) struct PermitArgs {
    /// Play statements that change data or definitions
    ///
    /// Without it they are skipped and counted: by what they do, not by their first word.
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = boolean)]
    pub(super) allow_writes: bool,

    /// Play SHUTDOWN, KILL, SET GLOBAL, GRANT and the like
    ///
    /// Statements that manage the server, its accounts or its replication.
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = boolean)]
    pub(super) allow_admin: bool,

    /// Start although databases or accounts are missing
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = boolean)]
    pub(super) start_anyway: bool,
}

/// How true to the recording.
#[derive(Debug, Args)]
#[command(next_help_heading = "Order")]
pub(super) struct FidelityArgs {
    /// Keep the recorded order across sessions: off, tables or strict
    ///
    /// strict: what writes, locks or ends a transaction is done in the order in which it was answered, and all else after what was answered before it. tables: only where the same tables are touched.
    #[arg(long, value_name = "ORDER", default_value = "off", value_parser = choice::<CommitOrder>())]
    pub(super) commit_order: CommitOrder,

    /// Give statements their recorded time and generated keys
    ///
    /// And fixed seeds: NOW() and AUTO_INCREMENT give what they gave, and RAND() the same in every replay. UUID(), SYSDATE() and keys that triggers generate differ by nature.
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = boolean)]
    pub(super) deterministic: bool,
}

/// What differs here from other subcommands that have the same flags.
pub(in crate::cli) fn adapt(command: Command) -> Command {
    command
}
