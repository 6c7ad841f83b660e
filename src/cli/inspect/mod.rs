//! `mysql-interceptor inspect`: messages from Kafka or standard input, one JSON object per line or for people.

mod output;
mod topics;

use std::io::{self, BufRead};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use regex::Regex;

use super::{FAILURE, logging};
use crate::deliver::KafkaOption;
use crate::lifecycle::{self, Patience};
use crate::pretty::{ColorChoice, PrettyColumn};
use crate::settings::{LogSettings, Rule, brokers, topic};
use output::Output;
use topics::{Ends, Events, Topics};

/// How long to wait for the next message before the signal flag is looked at.
const POLL: Duration = Duration::from_millis(100);
/// How often to look for a topic that is not there yet.
const TOPIC_POLL: Duration = Duration::from_secs(1);

pub(super) const EXAMPLES: &str = "\
Examples:
  mysql-interceptor inspect --bootstrap-servers kafka:9092 --tail 20 --pretty
  mysql-interceptor inspect --bootstrap-servers kafka:9092 --pattern '^cdc[.]shop[.]' --follow
  mysql-interceptor proxy --upstream db:3306 | tee sql.ndjson | mysql-interceptor inspect - --pretty
  zstdcat rows.ndjson.*.zst | mysql-interceptor inspect - --pretty

It joins no consumer group, commits nothing and reads no configuration file.";

/// Settings that matter only together with others.
pub(super) const RULES: &[Rule<Inspect>] = &[Rule {
    settings: &["color", "pretty_columns"],
    matters: |inspect| inspect.pretty,
    otherwise: "it is about --pretty",
}];

/// The command line of `inspect`.
#[derive(Debug, Args)]
pub(super) struct Inspect {
    /// Read messages from standard input, a line each, instead of Kafka
    #[arg(value_name = "-", value_parser = ["-"], hide_possible_values = true)]
    #[arg(conflicts_with_all = [
        "bootstrap_servers", "topic", "pattern", "follow", "from_beginning", "tail", "list_topics", "kafka_option",
    ])]
    input: Option<String>,

    /// Brokers, HOST:PORT comma-separated
    #[arg(long, env = "INTERCEPTOR_KAFKA_BOOTSTRAP_SERVERS", value_name = "SERVERS", default_value = "127.0.0.1:9092")]
    #[arg(value_parser = brokers, help_heading = "Kafka")]
    bootstrap_servers: String,

    /// Topic to read; repeatable [default: MYSQL_EVENTS]
    #[arg(long, env = "INTERCEPTOR_KAFKA_TOPIC", value_name = "TOPIC", value_parser = topic, help_heading = "Kafka")]
    topic: Vec<String>,

    /// Read all topics whose name matches instead
    #[arg(long, value_name = "REGEX", conflicts_with = "topic", help_heading = "Kafka")]
    pattern: Option<Regex>,

    /// Print the names of the topics
    #[arg(long, help_heading = "Kafka")]
    #[arg(conflicts_with_all = ["topic", "pattern", "debug", "follow", "from_beginning", "tail", "pretty", "color", "pretty_columns"])]
    list_topics: bool,

    /// Any librdkafka property, such as sasl.username=app; repeatable
    #[arg(long, env = "INTERCEPTOR_KAFKA_OPTION", value_name = "KEY=VALUE", help_heading = "Kafka")]
    kafka_option: Vec<KafkaOption>,

    /// Start with the oldest message (the default)
    #[arg(long, conflicts_with = "tail", help_heading = "Range")]
    from_beginning: bool,

    /// Start with the last N messages of each partition
    #[arg(long, value_name = "N", help_heading = "Range")]
    tail: Option<u32>,

    /// Wait for further messages instead of stopping at the end
    #[arg(long, short, help_heading = "Range")]
    follow: bool,

    /// Only messages with this debug field
    #[arg(long, value_name = "VALUE", help_heading = "Range")]
    debug: Option<String>,

    /// For people: a readable line per statement, rows with what changed
    #[arg(long, help_heading = "Output")]
    pretty: bool,

    /// Columns of --pretty, comma-separated [default: all]
    #[arg(long, env = "INTERCEPTOR_PRETTY_COLUMNS", value_name = "COLUMNS", value_delimiter = ',', ignore_case = true)]
    #[arg(help_heading = "Output")]
    pretty_columns: Vec<PrettyColumn>,

    /// Colours of --pretty
    #[arg(long, value_name = "WHEN", default_value = "auto", ignore_case = true, help_heading = "Output")]
    color: ColorChoice,

    #[command(flatten)]
    pub(super) log: LogSettings,
}

/// Why nothing (more) can be printed.
#[derive(Debug, thiserror::Error)]
enum InspectError {
    #[error("Kafka client: {0}")]
    Client(String),
    #[error("no answer from {servers} within {seconds} s: {reason}")]
    Unreachable { servers: String, seconds: u64, reason: String },
    #[error(
        "there is no topic {topic} yet: the first statement or row that is sent there makes it; there are: {known}"
    )]
    UnknownTopic { topic: String, known: String },
    #[error(
        "no topic matches {pattern} yet: the first statement or row that is sent there makes one; there are: {known}"
    )]
    NoMatch { pattern: String, known: String },
    #[error("topic {topic}: {source}")]
    Topic { topic: String, source: KafkaError },
    #[error("cannot read: {0}")]
    Read(KafkaError),
    #[error("cannot read standard input: {0}")]
    Input(io::Error),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
    #[error("cannot watch for signals: {0}")]
    Signals(io::Error),
}

/// Prints what was asked for.
pub(super) fn run(inspect: &Inspect) -> ExitCode {
    match inspect.print() {
        Ok(()) => ExitCode::SUCCESS,
        // `inspect | head` is no error.
        Err(InspectError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            logging::complain(error);
            ExitCode::from(FAILURE)
        }
    }
}

impl Inspect {
    fn print(&self) -> Result<(), InspectError> {
        let mut output = Output::new(self.pretty, self.color, &self.pretty_columns);
        if self.input.is_some() {
            return self.copy(&mut output);
        }
        let stop = stop_flag()?;
        let topics = Topics::connect(&self.bootstrap_servers, &self.kafka_option)?;
        if self.list_topics {
            for topic in topics.names() {
                output.line(topic)?;
            }
            return Ok(output.flush()?);
        }
        let (topics, wanted) = self.wanted_topics(topics, &stop)?;
        let ends = topics.assign(&wanted, self.tail)?;
        self.read(topics.consumer(), ends, &mut output, &stop)
    }

    /// The topics to read; with `--follow` they are waited for.
    fn wanted_topics(&self, mut topics: Topics, stop: &AtomicBool) -> Result<(Topics, Vec<String>), InspectError> {
        let mut said = false;
        loop {
            let wanted = match &self.pattern {
                Some(pattern) => topics.matching(pattern),
                None if self.topic.is_empty() => topics.named(&["MYSQL_EVENTS".to_owned()]),
                None => topics.named(&self.topic),
            };
            match wanted {
                Ok(wanted) => return Ok((topics, wanted)),
                Err(missing) if self.follow && !stop.load(Ordering::Relaxed) => {
                    if !std::mem::replace(&mut said, true) {
                        tracing::warn!("{missing}; waiting for it");
                    }
                }
                Err(missing) => return Err(missing),
            }
            std::thread::sleep(TOPIC_POLL);
            topics = Topics::connect(&self.bootstrap_servers, &self.kafka_option)?;
        }
    }

    /// From standard input.
    fn copy(&self, output: &mut Output) -> Result<(), InspectError> {
        let mut input = io::BufReader::new(io::stdin().lock());
        let mut line = Vec::new();
        while input.read_until(b'\n', &mut line).map_err(InspectError::Input)? > 0 {
            let message = line.trim_ascii();
            if !message.is_empty() && self.is_wanted(message) {
                output.message(message)?;
            }
            line.clear();
            // Who looks at a pipe sees each message when it comes.
            if input.buffer().is_empty() {
                output.flush()?;
            }
        }
        Ok(output.flush()?)
    }

    fn read(
        &self,
        consumer: &BaseConsumer<Events>,
        mut ends: Ends,
        output: &mut Output,
        stop: &AtomicBool,
    ) -> Result<(), InspectError> {
        while (self.follow || !ends.is_empty()) && !stop.load(Ordering::Relaxed) {
            match consumer.poll(POLL) {
                Some(Ok(message)) => {
                    let before_end = ends.pass(message.topic(), message.partition(), message.offset());
                    // A tombstone has none.
                    let Some(payload) = message.payload() else { continue };
                    if (before_end || self.follow) && self.is_wanted(payload) {
                        output.message(payload)?;
                    }
                    continue;
                }
                Some(Err(KafkaError::PartitionEOF(_))) | None => {}
                // librdkafka goes on trying by itself.
                Some(Err(error)) if is_passing(&error) => {}
                Some(Err(error)) => return Err(InspectError::Read(error)),
            }
            output.flush()?;
            // Offsets without a message (compacted, or marks of transactions) are passed without our seeing them.
            if let Ok(positions) = consumer.position() {
                ends.pass_positions(&positions);
            }
        }
        Ok(output.flush()?)
    }

    fn is_wanted(&self, payload: &[u8]) -> bool {
        #[derive(serde::Deserialize)]
        struct Debug<'a> {
            #[serde(borrow)]
            debug: Option<std::borrow::Cow<'a, str>>,
        }
        let Some(wanted) = &self.debug else {
            return true;
        };
        serde_json::from_slice::<Debug<'_>>(payload).is_ok_and(|message| message.debug.as_deref() == Some(wanted))
    }
}

fn is_passing(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::NotLeaderForPartition
                | RDKafkaErrorCode::LeaderNotAvailable
        )
    )
}

/// A flag that SIGTERM and Ctrl-C set. A moment later the process ends in any case, whatever it is waiting for.
fn stop_flag() -> Result<Arc<AtomicBool>, InspectError> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    lifecycle::watch(Patience::Printer(Duration::from_millis(500)), move || flag.store(true, Ordering::Relaxed))
        .map_err(InspectError::Signals)?;
    Ok(stop)
}
