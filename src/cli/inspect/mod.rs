//! `mysql-interceptor inspect`: messages from Kafka or standard input, one JSON object per line or for people.

mod args;
mod error;
mod output;
mod topics;

use std::io::{self, BufRead};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use tokio_util::sync::CancellationToken;

use super::exit::{Failure, at_once};
use crate::lifecycle::{self, HangUp, Patience};
pub(super) use args::{InspectArgs, adapt, rules};
use error::{InspectError, is_passing};
use output::Output;
use topics::{Ends, Events, POLL, Topics};

/// How long the process may take to end when it is told to stop, whatever it is waiting for.
const STOP_PATIENCE: Duration = Duration::from_millis(500);
/// How often to look for a topic that is not there yet.
const TOPIC_POLL: Duration = Duration::from_secs(1);

pub(super) const EXAMPLES: &str = "\
Examples:
  mysql-interceptor inspect --bootstrap-servers kafka:9092 --tail 20 --pretty
  mysql-interceptor inspect --bootstrap-servers kafka:9092 --pattern '^cdc[.]shop[.]' --follow
  mysql-interceptor proxy --upstream db:3306 | tee sql.ndjson | mysql-interceptor inspect - --pretty
  zstdcat rows.ndjson.*.zst | mysql-interceptor inspect - --pretty

It joins no consumer group and commits nothing.";

/// Prints what was asked for.
pub(super) fn run(args: &InspectArgs) -> Result<(), Failure> {
    match args.print() {
        // `inspect | head` is no error.
        Err(InspectError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(Failure::failed),
    }
}

impl InspectArgs {
    fn connect(&self) -> Result<Topics, InspectError> {
        Topics::connect(self.kafka.brokers().unwrap_or_default(), &self.kafka.kafka_option)
    }

    fn print(&self) -> Result<(), InspectError> {
        let mut output = Output::new(self.pretty.pretty, self.pretty.color, &self.columns.pretty_columns);
        if self.input.is_some() {
            return self.copy(&mut output);
        }
        let stop = lifecycle::watch(Patience::Printer(STOP_PATIENCE), HangUp::Ignored, at_once)
            .map_err(InspectError::Signals)?;
        let topics = self.connect()?;
        if self.topics.list_topics {
            for topic in topics.names() {
                output.line(topic)?;
            }
            return Ok(output.flush()?);
        }
        let (topics, wanted) = self.wanted_topics(topics, &stop)?;
        let ends = topics.assign(&wanted, self.range.tail)?;
        self.read(topics.consumer(), ends, &mut output, &stop)
    }

    /// The topics to read; with `--follow` they are waited for.
    fn wanted_topics(
        &self,
        mut topics: Topics,
        stop: &CancellationToken,
    ) -> Result<(Topics, Vec<String>), InspectError> {
        let mut said = false;
        loop {
            let wanted = match &self.topics.pattern {
                Some(pattern) => topics.matching(pattern),
                None if self.topics.topic.is_empty() => topics.named(&["MYSQL_EVENTS".to_owned()]),
                None => topics.named(&self.topics.topic),
            };
            match wanted {
                Ok(wanted) => return Ok((topics, wanted)),
                Err(missing) if self.range.follow && !stop.is_cancelled() => {
                    if !std::mem::replace(&mut said, true) {
                        tracing::warn!("{missing}; waiting for it");
                    }
                }
                Err(missing) => return Err(missing),
            }
            std::thread::sleep(TOPIC_POLL);
            topics = self.connect()?;
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
            // Whoever watches a pipe sees each message as it comes.
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
        stop: &CancellationToken,
    ) -> Result<(), InspectError> {
        while (self.range.follow || !ends.is_empty()) && !stop.is_cancelled() {
            match consumer.poll(POLL) {
                Some(Ok(message)) => {
                    let before_end = ends.pass(message.topic(), message.partition(), message.offset());
                    // A tombstone has none.
                    let Some(payload) = message.payload() else { continue };
                    if (before_end || self.range.follow) && self.is_wanted(payload) {
                        output.message(payload)?;
                    }
                    continue;
                }
                Some(Err(KafkaError::PartitionEOF(_))) | None => {}
                // librdkafka keeps trying by itself.
                Some(Err(error)) if is_passing(&error) => {}
                Some(Err(error)) => return Err(InspectError::Read(error)),
            }
            output.flush()?;
            // Offsets without a message (compacted, or marks of transactions) pass unseen.
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
        let Some(wanted) = &self.range.debug else {
            return true;
        };
        serde_json::from_slice::<Debug<'_>>(payload).is_ok_and(|message| message.debug.as_deref() == Some(wanted))
    }
}
