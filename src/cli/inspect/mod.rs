//! `mysql-interceptor inspect`: the messages in Kafka, one JSON object per line.

mod output;
mod topics;

use std::io;
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use clap::Args;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use regex::Regex;

use super::{FAILURE, logging};
use crate::config::{ColorChoice, KafkaOption, LogConfig, LogFormat};
use output::Output;
use topics::{Ends, Events, Topics};

/// How long to wait for the next message before the signal flag is looked at.
const POLL: Duration = Duration::from_millis(100);

/// The command line of `inspect`.
#[derive(Debug, Args)]
pub(super) struct Inspect {
    /// Brokers, host:port comma-separated
    #[arg(long, env = "INTERCEPTOR_KAFKA_BOOTSTRAP_SERVERS", value_name = "SERVERS", default_value = "127.0.0.1:9092")]
    bootstrap_servers: String,

    /// Topic to read; repeatable [default: MYSQL_EVENTS]
    #[arg(long, env = "INTERCEPTOR_KAFKA_TOPIC", value_name = "TOPIC")]
    topic: Vec<String>,

    /// Read all topics whose name matches instead
    #[arg(long, value_name = "REGEX")]
    pattern: Option<Regex>,

    /// Only messages with this debug field
    #[arg(long, value_name = "VALUE")]
    debug: Option<String>,

    /// Wait for further messages instead of stopping at the end
    #[arg(long, short)]
    follow: bool,

    /// Start with the oldest message (the default)
    #[arg(long, conflicts_with = "tail")]
    from_beginning: bool,

    /// Start N messages before the end of each partition
    #[arg(long, value_name = "N")]
    tail: Option<u32>,

    /// Print the names of the topics
    #[arg(long)]
    list_topics: bool,

    /// For people, one statement per line
    #[arg(long)]
    pretty: bool,

    /// Colours of --pretty
    #[arg(long, value_name = "WHEN", default_value = "auto", ignore_case = true)]
    color: ColorChoice,

    /// Any property of librdkafka, for example sasl.username=app; repeatable, in the variable one per line
    #[arg(long, env = "INTERCEPTOR_KAFKA_OPTION", value_name = "KEY=VALUE")]
    kafka_option: Vec<KafkaOption>,
}

/// Why nothing (more) can be printed.
#[derive(Debug, thiserror::Error)]
enum InspectError {
    #[error("Kafka client: {0}")]
    Client(String),
    #[error("no answer from {servers} within {seconds} s: {reason}")]
    Unreachable { servers: String, seconds: u64, reason: String },
    #[error("there is no topic {topic}; there are: {known}")]
    UnknownTopic { topic: String, known: String },
    #[error("no topic matches {pattern}; there are: {known}")]
    NoMatch { pattern: String, known: String },
    #[error("topic {topic}: {source}")]
    Topic { topic: String, source: KafkaError },
    #[error("cannot read: {0}")]
    Read(KafkaError),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
    #[error("cannot watch for signals: {0}")]
    Signals(io::Error),
}

/// Prints what was asked for.
pub(super) fn run(inspect: &Inspect) -> ExitCode {
    let filter = std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty());
    // librdkafka's errors come back as our own, in words that say what to do.
    let filter = filter.unwrap_or_else(|| "warn,librdkafka=off".to_owned());
    logging::start(&LogConfig { filter, format: LogFormat::Text });
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
        let stop = stop_flag()?;
        let topics = Topics::connect(&self.bootstrap_servers, &self.kafka_option)?;
        let mut output = Output::new(self.pretty, self.color);
        if self.list_topics {
            for topic in topics.names() {
                output.line(topic)?;
            }
            return Ok(output.flush()?);
        }
        let wanted = match &self.pattern {
            Some(pattern) => topics.matching(pattern)?,
            None if self.topic.is_empty() => topics.named(&["MYSQL_EVENTS".to_owned()])?,
            None => topics.named(&self.topic)?,
        };
        let ends = topics.assign(&wanted, self.tail)?;
        self.read(topics.consumer(), ends, &mut output, &stop)
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
                    let payload = message.payload().unwrap_or_default();
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

/// A flag that Ctrl-C sets. A moment later the process ends in any case, whatever it is waiting for.
fn stop_flag() -> Result<Arc<AtomicBool>, InspectError> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(InspectError::Signals)?;
    let watch = move || {
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            flag.store(true, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(500));
            process::exit(0);
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(watch).map_err(InspectError::Signals)?;
    Ok(stop)
}
