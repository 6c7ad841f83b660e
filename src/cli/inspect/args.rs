//! The command line of `inspect`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Command};
use regex::Regex;

use crate::cli::settings::{ColumnArgs, KafkaArgs, LogArgs, Moment, PrettyArgs, change, choice, moment};
use crate::inspect::{Form, TopSort};
use crate::message::Criterion;
use crate::rules::names::Patterns;
use crate::settings::Otherwise::{NoEffect, Refused};
use crate::settings::{Origin, Origins, Rule, boolean, duration, positive, topic};
use crate::stored::StoredAt;

/// The settings of `mysql-interceptor inspect`.
#[derive(Debug, Args)]
pub(in crate::cli) struct InspectArgs {
    /// Configuration file (TOML): its keys are the long flags with _ for -
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Files, Parquet folders, ndjson:PATH with its rotated files, spool:DIR, kafka:TOPIC, or - [default: Kafka]
    #[arg(value_name = "SOURCE", conflicts_with_all = ["topic", "pattern", "list_topics"])]
    pub(super) sources: Vec<StoredAt>,

    #[command(flatten)]
    pub(super) kafka: KafkaArgs,

    #[command(flatten)]
    pub(super) topics: TopicArgs,

    #[command(flatten)]
    pub(super) range: RangeArgs,

    #[command(flatten)]
    pub(super) filters: ChoiceArgs,

    #[command(flatten)]
    pub(super) form: FormArgs,

    #[command(flatten)]
    pub(super) pretty: PrettyArgs,

    #[command(flatten)]
    pub(super) columns: ColumnArgs,

    #[command(flatten)]
    pub(super) top: TopArgs,

    #[command(flatten)]
    pub(in crate::cli) log: LogArgs,
}

/// What is read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Kafka")]
pub(super) struct TopicArgs {
    /// Topic to read; repeatable [default: MYSQL_EVENTS]
    #[arg(long, env = "INTERCEPTOR_KAFKA_TOPIC", value_name = "TOPIC", value_parser = topic)]
    pub(super) topic: Vec<String>,

    /// Read all topics whose names match instead
    #[arg(long, value_name = "REGEX", conflicts_with = "topic")]
    pub(super) pattern: Option<Regex>,

    /// Print the names of the topics
    #[arg(long)]
    #[arg(conflicts_with_all = ["topic", "pattern", "debug", "follow", "from_beginning", "tail", "pretty", "color", "pretty_columns"])]
    #[arg(conflicts_with_all = ["only", "skip", "min_duration", "errors", "grep", "from", "to", "format", "top", "sort"])]
    pub(super) list_topics: bool,
}

/// Which of its messages.
#[derive(Debug, Args)]
#[command(next_help_heading = "Range")]
pub(super) struct RangeArgs {
    /// Start with the oldest message (the default)
    #[arg(long, conflicts_with = "tail")]
    pub(super) from_beginning: bool,

    /// Start with the last N messages of each partition
    #[arg(long, value_name = "N")]
    pub(super) tail: Option<u32>,

    /// Wait for further messages instead of stopping at the end
    ///
    /// Of several files the last one is followed, also when it is rotated.
    #[arg(long, short, value_name = "BOOL", default_value = "false", value_parser = boolean)]
    pub(super) follow: bool,

    /// Only statements that began then or later
    ///
    /// A time such as 2026-05-01T12:00:00Z or 2026-05-01 12:00:00, or how long ago, such as 90s or 10m.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub(super) from: Option<Moment>,

    /// Only statements that began before
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub(super) to: Option<Moment>,
}

/// Which messages are wanted.
#[derive(Debug, Args)]
#[command(next_help_heading = "Filters")]
pub(super) struct ChoiceArgs {
    /// Only statements of this user, database, client, kind, table..; repeatable
    ///
    /// As with proxy: user=NAME, database=NAME, client=ADDRESS[/BITS], kind=KIND (select, insert, ddl and so on: docs/messages.md), table=[DATABASE.]NAME or digest=DIGEST (docs/digest.md).
    /// In names * stands for any characters; a name with an asterisk or a comma stands in backticks. Of criteria with the same key one must hold, of different keys each.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) only: Vec<Patterns<Criterion>>,

    /// No statements of this user, database, client, kind, table..; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) skip: Vec<Patterns<Criterion>>,

    /// No statements that took less
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = duration)]
    pub(super) min_duration: Duration,

    /// Only statements that failed
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = boolean)]
    pub(super) errors: bool,

    /// Only statements whose text matches
    #[arg(long, value_name = "REGEX")]
    pub(super) grep: Option<Regex>,

    /// Only messages with this debug field
    #[arg(long, value_name = "VALUE")]
    pub(super) debug: Option<String>,
}

/// What messages look like.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct FormArgs {
    /// What is printed: json, pretty, csv or table [default: json; table with --top]
    #[arg(long, value_name = "FORM", value_parser = choice::<Form>())]
    pub(super) format: Option<Form>,
}

/// Which statements take the time.
#[derive(Debug, Args)]
#[command(next_help_heading = "Top")]
pub(super) struct TopArgs {
    /// Show the N digests that take most time, and no messages [without =N: 10]
    ///
    /// For each how many there were, their total time, p50, p95, p99 and longest, rows, errors, when the first and the last began, and the longest one as an
    /// example (docs/inspect.md). With --follow on a terminal the table is drawn again every second.
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "10", value_parser = positive)]
    pub(super) top: Option<usize>,

    /// What the digests of --top are sorted by, the largest first
    #[arg(long, value_name = "KEY", default_value = "total", value_parser = choice::<TopSort>())]
    pub(super) sort: TopSort,
}

/// What differs here from other subcommands that have the same flags.
pub(in crate::cli) fn adapt(command: Command) -> Command {
    change(command, "kafka_bootstrap_servers", |argument| {
        argument.long("bootstrap-servers").alias("kafka-bootstrap-servers").default_value("127.0.0.1:9092")
    })
}

/// Settings that matter only together with others.
pub(in crate::cli) fn rules() -> Vec<Rule<InspectArgs>> {
    vec![
        Rule {
            settings: &["pretty"],
            needs: |args| !args.pretty.pretty || args.form.format.is_none_or(|form| form == Form::Pretty),
            otherwise: Refused("it is --format pretty, and --format says something else"),
        },
        Rule {
            settings: &["color"],
            needs: |args| matches!(args.form(), Form::Pretty | Form::Table),
            otherwise: NoEffect("it is about --pretty, and --format table"),
        },
        Rule {
            settings: &["pretty_columns"],
            needs: |args| args.form() == Form::Pretty && args.top.top.is_none(),
            otherwise: NoEffect("it is about --pretty"),
        },
        Rule {
            settings: &["tail", "from_beginning"],
            needs: |args| args.reads_topics() || (args.range.tail.is_none() && !args.range.from_beginning),
            otherwise: Refused("it is about topics, and files are read"),
        },
        Rule {
            settings: &["follow"],
            needs: |args| !args.range.follow || !args.ends_with_standard_input(),
            otherwise: Refused("standard input is read to its end anyway"),
        },
        Rule { settings: &["sort"], needs: |args| args.top.top.is_some(), otherwise: NoEffect("it is about --top") },
    ]
}

impl InspectArgs {
    /// Whether Kafka is asked.
    pub(super) fn reads_topics(&self) -> bool {
        self.sources.is_empty() || self.sources.iter().any(|source| matches!(source, StoredAt::Topic(_)))
    }

    /// What is printed.
    pub(super) fn form(&self) -> Form {
        match (self.form.format, self.pretty.pretty, self.top.top) {
            (Some(form), _, _) => form,
            (None, true, _) => Form::Pretty,
            (None, false, Some(_)) => Form::Table,
            (None, false, None) => Form::Json,
        }
    }

    /// The topics, whether there is a pattern for them, and how many messages of each.
    #[cfg(test)]
    pub(in crate::cli) fn chosen(&self) -> (Vec<String>, bool, Option<u32>) {
        (self.topics.topic.clone(), self.topics.pattern.is_some(), self.range.tail)
    }

    fn ends_with_standard_input(&self) -> bool {
        matches!(self.sources.last(), Some(StoredAt::Standard))
    }

    /// Leaves one of two settings that exclude each other where they came from different layers: the upper one counts.
    pub(in crate::cli) fn settle(&mut self, origins: &Origins) {
        let is_flag = |id| matches!(origins.of(id), Origin::Flag(_));
        if !self.reads_topics() {
            self.range.tail = self.range.tail.filter(|_| is_flag("tail"));
            self.range.from_beginning &= is_flag("from_beginning");
        }
        if self.ends_with_standard_input() {
            self.range.follow &= is_flag("follow");
        }
        if self.range.from_beginning {
            self.range.tail = None;
        }
        if self.topics.pattern.is_some() && !self.topics.topic.is_empty() {
            match origins.of("pattern").layer() >= origins.of("topic").layer() {
                true => self.topics.topic.clear(),
                false => self.topics.pattern = None,
            }
        }
    }
}
