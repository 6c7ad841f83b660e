//! Recordings of sessions.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::choices::choice;
use super::kafka::KafkaArgs;
use crate::recording::disk::{Key, WhenFull, WriterOptions};
use crate::recording::kafka::TopicConfig;
use crate::recording::{RecorderOptions, RecordingConfig, Redaction, SpoolOptions};
use crate::rules::redaction::Redactor;
use crate::settings::{ConfigError, Origins, Otherwise, Rule, boolean, duration, memory_size, size};

/// Bytes of records that are on their way to the brokers.
const TOPIC_IN_FLIGHT: usize = 16 << 20;

/// Whether sessions are recorded, and how.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Recording")]
pub(in crate::cli) struct RecordArgs {
    /// Record sessions into this folder, or kafka:TOPIC, for replay
    ///
    /// Every session's commands with their parameters, times and outcomes, for mysql-interceptor replay. The folder is made, or is empty, or has a recording of the same server, which then goes on. A topic is at --kafka-bootstrap-servers (which has messages sent there, too, unless --sink says otherwise), and several players can share it. Messages go on as before; --statement-logging=false is without them. Passwords are never recorded. docs/recordings.md describes the files.
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    pub(in crate::cli) record: Option<PathBuf>,

    /// Redact recordings as messages are
    ///
    /// Values that --redact-keys hides are not recorded either: texts and parameters have what --redact-mode puts in their place, which is what a replay sends. Passwords in account statements are hidden in any case.
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = boolean, hide_short_help = true)]
    record_redact: bool,

    /// Encrypt recordings with the key in this file
    ///
    /// 64 hexadecimal digits, for example of openssl rand -hex 32. Nobody but its owner may read it. Whoever reads the recording needs it.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    record_encrypt: Option<PathBuf>,

    /// Begin another file of the recording at this size
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = size, hide_short_help = true)]
    record_rotate_size: u64,

    /// Begin another file of the recording at this age
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = duration, hide_short_help = true)]
    record_rotate_age: Duration,

    /// The largest size of the recording; 0: no limit
    ///
    /// Of all its files together. --record-when-full says what happens then.
    #[arg(long, value_name = "SIZE", default_value = "0", value_parser = size, hide_short_help = true)]
    record_max_size: u64,

    /// What happens at --record-max-size
    #[arg(long, value_name = "WHAT", default_value = "stop", value_parser = choice::<WhenFull>(), hide_short_help = true)]
    record_when_full: WhenFull,

    /// Memory for records that wait to be written
    ///
    /// When it is full, no client waits: the sessions' recordings have gaps, which are counted (recording_gaps) and recorded as such.
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = memory_size, hide_short_help = true)]
    record_queue_bytes: usize,

    /// How much of the files of a LOAD DATA LOCAL is recorded
    ///
    /// A statement with more is marked as truncated, and not replayed.
    #[arg(long, value_name = "SIZE", default_value = "16MiB", value_parser = memory_size, hide_short_help = true)]
    record_max_file_bytes: usize,

    /// The server's executed GTID set at the start
    ///
    /// As whoever copies the data for the replay knows it: replay --check compares it with the target's.
    #[arg(long, value_name = "SET", hide_short_help = true)]
    record_gtid_set: Option<String>,
}

/// Settings of a subcommand that records.
pub(in crate::cli) trait Records {
    /// Whether it records, and how.
    fn recording(&self) -> &RecordArgs;
}

impl RecordArgs {
    /// Whether there is a recording that redaction is about.
    pub(in crate::cli) fn is_redacted(&self) -> bool {
        self.record.is_some() && self.record_redact
    }

    /// Whether it is made in a topic.
    fn topic(&self) -> Option<&str> {
        self.record.as_deref().and_then(Path::to_str)?.strip_prefix("kafka:")
    }

    fn topic_config(&self, kafka: &KafkaArgs, origins: &Origins) -> Result<Option<TopicConfig>, ConfigError> {
        let Some(topic) = self.topic() else { return Ok(None) };
        let refused = |message: String| ConfigError::Refused { origin: origins.of("record"), message };
        let topic = crate::settings::topic(topic).map_err(refused)?;
        let Some(brokers) = kafka.brokers() else {
            return Err(refused("a topic needs --kafka-bootstrap-servers too".to_owned()));
        };
        Ok(Some(TopicConfig {
            brokers: brokers.to_owned(),
            topic,
            options: kafka.kafka_option.clone(),
            in_flight_bytes: TOPIC_IN_FLIGHT,
        }))
    }

    /// The recording that is to be made. Reads the file of the key if there is to be one.
    pub(in crate::cli) fn config(
        &self,
        redactor: &Redactor,
        kafka: &KafkaArgs,
        origins: &Origins,
    ) -> Result<Option<RecordingConfig>, ConfigError> {
        let Some(folder) = self.record.clone() else { return Ok(None) };
        let topic = self.topic_config(kafka, origins)?;
        let key = self.record_encrypt.as_deref().map(Key::read).transpose().map_err(|error| ConfigError::Refused {
            origin: origins.of("record_encrypt"),
            message: error.to_string(),
        })?;
        let redaction = if self.record_redact { Redaction::new(redactor.clone()) } else { Redaction::default() };
        Ok(Some(RecordingConfig {
            folder,
            topic,
            files: WriterOptions {
                rotate_bytes: self.record_rotate_size,
                rotate_after: self.record_rotate_age,
                max_bytes: Some(self.record_max_size).filter(|size| *size > 0),
                when_full: self.record_when_full,
                key,
            },
            spool: SpoolOptions {
                queue_bytes: self.record_queue_bytes,
                recorder: RecorderOptions { max_file_bytes: self.record_max_file_bytes, redaction },
            },
            gtid_set: self.record_gtid_set.clone().filter(|set| !set.is_empty()),
        }))
    }
}

/// When these settings matter.
pub(in crate::cli) fn record_rules<S: Records>() -> [Rule<S>; 3] {
    [
        Rule {
            settings: &[
                "record_redact",
                "record_encrypt",
                "record_rotate_size",
                "record_rotate_age",
                "record_max_size",
                "record_when_full",
                "record_queue_bytes",
                "record_max_file_bytes",
                "record_gtid_set",
            ],
            needs: |settings| settings.recording().record.is_some(),
            otherwise: Otherwise::NoEffect("nothing is recorded: set --record"),
        },
        Rule {
            settings: &[
                "record_encrypt",
                "record_rotate_size",
                "record_rotate_age",
                "record_max_size",
                "record_when_full",
            ],
            needs: |settings| settings.recording().topic().is_none(),
            otherwise: Otherwise::Refused("it is about the files of a folder, and --record names a topic"),
        },
        Rule {
            settings: &["record_when_full"],
            needs: |settings| settings.recording().record_max_size > 0,
            otherwise: Otherwise::NoEffect("a recording has no largest size: set --record-max-size"),
        },
    ]
}
