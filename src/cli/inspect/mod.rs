//! `mysql-interceptor inspect`: messages from Kafka, files or standard input, in a form for programs or for people, or the statements that
//! take the time.

mod args;

use std::io;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::exit::{Failure, at_once};
use super::settings::Moment;
use crate::inspect::{Choice, Counts, InspectError, Inspection, OutputConfig, TopConfig};
use crate::lifecycle::{self, HangUp, Patience};
use crate::message::Criteria;
use crate::rules::names::Patterns;
use crate::stored::{Source, SourceError, StoredAt, TopicSource, Topics};
pub(super) use args::{InspectArgs, adapt, rules};

/// How long the process may take to end when it is told to stop, whatever it is waiting for.
const STOP_PATIENCE: Duration = Duration::from_millis(500);
/// How often to look for a topic that is not there yet.
const TOPIC_POLL: Duration = Duration::from_secs(1);

pub(super) const EXAMPLES: &str = "\
Examples:
  mysql-interceptor inspect --bootstrap-servers kafka:9092 --tail 20 --pretty
  mysql-interceptor inspect --bootstrap-servers kafka:9092 --pattern '^cdc[.]shop[.]' --follow
  mysql-interceptor inspect ndjson:/data/sql.ndjson --top=20 --from 10m
  mysql-interceptor inspect sql.ndjson --only user=app --min-duration 100ms --format csv
  mysql-interceptor proxy --upstream db:3306 | tee sql.ndjson | mysql-interceptor inspect - --pretty

It joins no consumer group and commits nothing.";

/// Prints what was asked for.
pub(super) fn run(args: &InspectArgs) -> Result<(), Failure> {
    if let Some(number) = args.detached_number() {
        let text = format!("--top: the number follows an equals sign: --top={number} (and there is no file {number})");
        return Err(Failure::usage(text));
    }
    match args.print() {
        Ok(counts) => said(&counts),
        // `inspect | head` is no error.
        Err(InspectError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::failed(error)),
    }
}

/// Says what was left out; what is no JSON is a failure.
fn said(counts: &Counts) -> Result<(), Failure> {
    let Some(place) = counts.first_broken.as_ref().filter(|_| counts.broken > 0) else { return Ok(()) };
    let lines = if counts.broken == 1 { "1 line is" } else { &format!("{} lines are", counts.broken) };
    Err(Failure::failed(format!("{lines} no JSON, the first in {place}: left out")))
}

impl InspectArgs {
    /// The number of `--top 3`, which was taken for a file.
    fn detached_number(&self) -> Option<u32> {
        self.top.top?;
        self.sources.iter().find_map(|source| match source {
            StoredAt::Path(path) if !path.exists() => path.to_str()?.parse().ok(),
            _ => None,
        })
    }

    fn print(&self) -> Result<Counts, InspectError> {
        let stop = lifecycle::watch(Patience::Printer(STOP_PATIENCE), HangUp::Ignored, at_once)
            .map_err(InspectError::Signals)?;
        if self.topics.list_topics {
            return self.list_topics().map(|()| Counts::default());
        }
        let inspection = self.inspection();
        let mut source = self.open(&stop)?;
        crate::inspect::run(&inspection, &mut *source, &stop)
    }

    fn list_topics(&self) -> Result<(), InspectError> {
        let names: String = self.connect()?.names().map(|name| format!("{name}\n")).collect();
        let mut stdout = io::stdout().lock();
        Ok(io::Write::write_all(&mut stdout, names.as_bytes())?)
    }

    fn inspection(&self) -> Inspection {
        let now = jiff::Timestamp::now();
        let ms = |moment: Moment| match moment {
            Moment::Relative(ago) => {
                now.as_millisecond().saturating_sub(i64::try_from(ago.as_millis()).unwrap_or(i64::MAX))
            }
            Moment::At(time) => time.as_millisecond(),
        };
        let ms = |moment: Moment| u64::try_from(ms(moment)).unwrap_or(0);
        let filters = &self.filters;
        Inspection {
            choice: Choice {
                criteria: Criteria { only: Patterns::flat(&filters.only), skip: Patterns::flat(&filters.skip) },
                min_duration_ns: u64::try_from(filters.min_duration.as_nanos()).unwrap_or(u64::MAX),
                errors: filters.errors,
                grep: filters.grep.clone(),
                debug: filters.debug.clone(),
                from_ms: self.range.from.map_or(0, ms),
                to_ms: self.range.to.map(ms),
            },
            output: OutputConfig {
                form: self.form(),
                color: self.pretty.color,
                columns: self.columns.pretty_columns.clone(),
            },
            top: self.top.top.map(|count| TopConfig { count, sort: self.top.sort }),
            follows: self.range.follow,
        }
    }

    fn open(&self, stop: &CancellationToken) -> Result<Box<dyn Source + Send>, SourceError> {
        if !self.reads_topics() {
            return StoredAt::open_all(&self.sources, self.range.follow);
        }
        let mut named = Vec::new();
        for source in &self.sources {
            match source {
                StoredAt::Topic(topic) => named.push(topic.clone()),
                // It says that topics are read alone.
                _ => return StoredAt::open_all(&self.sources, self.range.follow),
            }
        }
        let (topics, wanted) = self.wanted_topics(&named, stop)?;
        Ok(Box::new(TopicSource::new(topics, &wanted, self.range.tail, self.range.follow)?))
    }

    fn connect(&self) -> Result<Topics, SourceError> {
        Topics::connect(self.kafka.brokers().unwrap_or_default(), "inspect", &self.kafka.kafka_option)
    }

    /// The topics to read; with `--follow` they are waited for.
    fn wanted_topics(&self, named: &[String], stop: &CancellationToken) -> Result<(Topics, Vec<String>), SourceError> {
        let mut topics = self.connect()?;
        let mut said = false;
        loop {
            let wanted = match &self.topics.pattern {
                Some(pattern) => topics.matching(pattern),
                None if !named.is_empty() => topics.named(named),
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
}
