//! The command line of `inspect`.

use std::path::PathBuf;

use clap::{Args, Command};
use regex::Regex;

use crate::cli::settings::{ColumnArgs, KafkaArgs, LogArgs, PrettyArgs, change};
use crate::settings::Otherwise::NoEffect;
use crate::settings::{Origins, Rule, boolean, topic};

/// The settings of `mysql-interceptor inspect`.
#[derive(Debug, Args)]
pub(in crate::cli) struct InspectArgs {
    /// Configuration file (TOML): its keys are the long flags with _ for -
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Read messages from standard input, one per line, instead of Kafka
    #[arg(value_name = "-", value_parser = ["-"], hide_possible_values = true)]
    #[arg(conflicts_with_all = [
        "kafka_bootstrap_servers", "topic", "pattern", "follow", "from_beginning", "tail", "list_topics", "kafka_option",
    ])]
    pub(super) input: Option<String>,

    #[command(flatten)]
    pub(super) kafka: KafkaArgs,

    #[command(flatten)]
    pub(super) topics: TopicArgs,

    #[command(flatten)]
    pub(super) range: RangeArgs,

    #[command(flatten)]
    pub(super) pretty: PrettyArgs,

    #[command(flatten)]
    pub(super) columns: ColumnArgs,

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
    #[arg(long, short, value_name = "BOOL", default_value = "false", value_parser = boolean)]
    pub(super) follow: bool,

    /// Only messages with this debug field
    #[arg(long, value_name = "VALUE")]
    pub(super) debug: Option<String>,
}

/// What differs here from other subcommands that have the same flags.
pub(in crate::cli) fn adapt(command: Command) -> Command {
    change(command, "kafka_bootstrap_servers", |argument| {
        argument.long("bootstrap-servers").alias("kafka-bootstrap-servers").default_value("127.0.0.1:9092")
    })
}

/// Settings that matter only together with others.
pub(in crate::cli) fn rules() -> Vec<Rule<InspectArgs>> {
    vec![Rule {
        settings: &["color", "pretty_columns"],
        needs: |args| args.pretty.pretty,
        otherwise: NoEffect("it is about --pretty"),
    }]
}

impl InspectArgs {
    /// The topics, whether there is a pattern for them, and how many messages of each.
    #[cfg(test)]
    pub(in crate::cli) fn chosen(&self) -> (Vec<String>, bool, Option<u32>) {
        (self.topics.topic.clone(), self.topics.pattern.is_some(), self.range.tail)
    }

    /// Leaves one of two settings that exclude each other where they came from different layers: the upper one counts.
    pub(in crate::cli) fn settle(&mut self, origins: &Origins) {
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
