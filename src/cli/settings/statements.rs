//! Everything about messages of statements that subcommands have in common.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Command};

use super::delivery::{BufferArgs, ProducerArgs, QueueArgs};
use super::files::{FileArgs, TempArgs, Writes, file_rules};
use super::kafka::KafkaArgs;
use super::messages::{FilterArgs, MessageArgs};
use super::output::{ColumnArgs, PrettyArgs, SinkName, check_distinct, specs, statement_sink};
use super::parquet::{ParquetFileArgs, parquet_rule};
use super::redaction::{RedactArgs, Redacts, redact_rules};
use super::table::change;
use crate::deliver::{Fsync, KafkaConfig, SinkConfig, StatementParquetConfig, StdoutConfig};
use crate::message::{CapturePolicy, MessageOptions};
use crate::publish::{BufferConfig, local_time_zone};
use crate::settings::Otherwise::{NoEffect, Refused};
use crate::settings::{ConfigError, Origins, Rule, SinkKind, SinkSpec};

/// From a statement to where its message is delivered.
#[derive(Debug, Args)]
pub(in crate::cli) struct StatementArgs {
    #[command(flatten)]
    pub(in crate::cli) messages: MessageArgs,

    #[command(flatten)]
    pub(in crate::cli) filter: FilterArgs,

    #[command(flatten)]
    pub(in crate::cli) redaction: RedactArgs,

    /// stdout, ndjson:PATH, kafka or parquet:DIR [default: stdout]
    ///
    /// Where messages go; repeatable or comma-separated. Without it: stdout, or Kafka if there are brokers. Kafka is added to the sinks given here as soon as there are brokers.
    #[arg(long, value_name = "SINK", value_delimiter = ',', value_parser = statement_sink, help_heading = "Output")]
    pub(in crate::cli) sink: Vec<SinkName>,

    #[command(flatten)]
    pub(in crate::cli) pretty: PrettyArgs,

    #[command(flatten)]
    pub(in crate::cli) columns: ColumnArgs,

    #[command(flatten)]
    pub(in crate::cli) files: FileArgs,

    #[command(flatten)]
    pub(in crate::cli) parquet: ParquetFileArgs,

    #[command(flatten)]
    pub(in crate::cli) kafka: KafkaArgs,

    #[command(flatten)]
    pub(in crate::cli) producer: ProducerArgs,

    #[command(flatten)]
    pub(in crate::cli) queues: QueueArgs,

    #[command(flatten)]
    pub(in crate::cli) buffer: BufferArgs,

    #[command(flatten)]
    pub(in crate::cli) temp: TempArgs,
}

/// Settings of a subcommand that publishes statements.
pub(in crate::cli) trait Publishes {
    /// What becomes of statements.
    fn statements(&self) -> &StatementArgs;

    /// Whether there is a spool.
    fn has_spool(&self) -> bool {
        false
    }

    /// Whether there are markers, which name the process.
    fn has_markers(&self) -> bool {
        false
    }
}

/// What differs from the defaults that subcommands share: statements are redacted unless told otherwise.
pub(in crate::cli) fn redacted_by_default(command: Command) -> Command {
    change(command, "redact_keys", |argument| argument.default_value("password,passwd,secret,token"))
}

impl<S: Publishes> Redacts for S {
    fn redaction(&self) -> &RedactArgs {
        &self.statements().redaction
    }
}

impl<S: Publishes> Writes for S {
    fn writes_to(&self, kind: SinkKind) -> bool {
        let settings = self.statements();
        let mut named = specs(&settings.sink).peekable();
        match kind {
            SinkKind::Kafka => settings.kafka.brokers().is_some(),
            SinkKind::Stdout if named.peek().is_none() => settings.kafka.brokers().is_none(),
            kind => named.any(|spec| spec.kind() == kind),
        }
    }

    fn files(&self) -> &FileArgs {
        &self.statements().files
    }
}

impl StatementArgs {
    /// What messages are like.
    pub(in crate::cli) fn message_options(&self, origins: &Origins) -> Result<MessageOptions, ConfigError> {
        let messages = &self.messages;
        Ok(MessageOptions {
            debug: messages.debug(),
            default_tz: messages.default_tz().or_else(local_time_zone),
            policy: CapturePolicy {
                enabled: true,
                all: messages.capture_all,
                ddl: messages.capture_ddl,
                callproc: messages.capture_callproc,
            },
            include_sql: messages.include_sql,
            include_params: messages.include_params,
            max_param_length: messages.max_param_length,
            redactor: self.redaction.redactor(origins)?,
            filter: self.filter.filter(),
        })
    }

    /// Refuses what is wrong by itself.
    pub(in crate::cli) fn check(&self, origins: &Origins) -> Result<(), ConfigError> {
        self.kafka.check(origins)?;
        check_distinct(&self.sink, origins)
    }

    /// Whether a sink of this kind is named.
    pub(in crate::cli) fn names(&self, kind: SinkKind) -> bool {
        specs(&self.sink).any(|spec| spec.kind() == kind)
    }

    /// Where messages wait for their transaction's end; `None`: they do not.
    pub(in crate::cli) fn buffer_config(&self, origins: &Origins) -> Result<Option<BufferConfig>, ConfigError> {
        if !self.buffer.buffer_until_commit {
            return Ok(None);
        }
        let folder = match &self.temp.temp_dir {
            Some(folder) if !folder.is_dir() => {
                // Quoted: it may have characters that do something to a terminal.
                let message = format!("{folder:?} is no folder");
                return Err(ConfigError::Refused { origin: origins.of("temp_dir"), message });
            }
            Some(folder) => folder.clone(),
            None => std::env::temp_dir(),
        };
        Ok(Some(BufferConfig { messages: self.buffer.buffer_messages, bytes: self.buffer.buffer_bytes, folder }))
    }

    /// Which process this is, as these sinks say it.
    pub(in crate::cli) fn run_of(&self, sinks: &[SinkConfig]) -> String {
        let said = sinks.iter().find_map(|sink| match sink {
            SinkConfig::Kafka(kafka) => Some(kafka.proxy.clone()),
            SinkConfig::Parquet(parquet) => Some(parquet.proxy.clone()),
            SinkConfig::Stdout(_) | SinkConfig::Ndjson(_) => None,
        });
        said.unwrap_or_else(|| running(self.producer.instance.as_deref(), jiff::Timestamp::now()))
    }

    /// Where messages go; never empty.
    pub(in crate::cli) fn sinks(&self) -> Vec<SinkConfig> {
        let proxy = running(self.producer.instance.as_deref(), jiff::Timestamp::now());
        let kafka = || self.kafka_config(&proxy).map(SinkConfig::Kafka);
        let open = |spec: &SinkSpec| match spec {
            SinkSpec::Stdout => Some(SinkConfig::Stdout(self.stdout_config())),
            SinkSpec::Ndjson(path) => Some(SinkConfig::Ndjson(self.files.ndjson(path.clone(), Fsync::Never))),
            SinkSpec::Kafka => kafka(),
            SinkSpec::Parquet(dir) => Some(SinkConfig::Parquet(self.parquet_config(dir.clone(), &proxy))),
        };
        let mut sinks: Vec<_> = specs(&self.sink).filter_map(open).collect();
        if !self.names(SinkKind::Kafka) {
            sinks.extend(kafka());
        }
        if sinks.is_empty() {
            sinks.push(SinkConfig::Stdout(self.stdout_config()));
        }
        sinks
    }

    fn stdout_config(&self) -> StdoutConfig {
        StdoutConfig {
            pretty: self.pretty.pretty,
            color: self.pretty.color,
            columns: self.columns.pretty_columns.clone(),
            fsync: self.files.fsync_or(Fsync::Never),
        }
    }

    fn parquet_config(&self, dir: PathBuf, proxy: &str) -> StatementParquetConfig {
        StatementParquetConfig {
            dir,
            compression: self.parquet.parquet_compression,
            roll_bytes: self.parquet.parquet_roll_size,
            roll_age: self.parquet.parquet_roll_age,
            mode: self.files.mode(),
            fsync: self.files.fsync_or(Fsync::Interval),
            proxy: proxy.to_owned(),
        }
    }

    fn kafka_config(&self, proxy: &str) -> Option<KafkaConfig> {
        let producer = &self.producer;
        Some(KafkaConfig {
            bootstrap_servers: self.kafka.brokers()?.to_owned(),
            topic: producer.kafka_topic.clone(),
            proxy: proxy.to_owned(),
            acks: producer.kafka_acks,
            retries: producer.kafka_retries,
            linger: Duration::from_millis(producer.kafka_linger_ms.into()),
            batch_size: producer.kafka_batch_size,
            buffer_memory: producer.kafka_buffer_memory,
            options: self.kafka.kafka_option.clone(),
        })
    }
}

/// When these settings matter, but for whether there are messages at all.
pub(in crate::cli) fn statement_rules<S: Publishes>() -> Vec<Rule<S>> {
    let mut rules = message_rules();
    rules.extend(redact_rules());
    rules.extend(output_rules());
    rules.extend(file_rules());
    rules.push(parquet_rule());
    rules.extend(kafka_rules());
    rules
}

fn message_rules<S: Publishes>() -> Vec<Rule<S>> {
    vec![
        Rule {
            settings: &["capture_ddl", "capture_callproc"],
            needs: |args| !args.statements().messages.capture_all,
            otherwise: NoEffect("every statement becomes a message unless --capture-all=false"),
        },
        Rule {
            settings: &["max_param_length"],
            needs: |args| args.statements().messages.include_params,
            otherwise: NoEffect("messages have no parameters with --include-params=false"),
        },
        Rule {
            settings: &["service_name"],
            needs: |args| args.statements().messages.debug_value.as_deref().unwrap_or_default().is_empty(),
            otherwise: NoEffect("the field debug is --debug-value"),
        },
        Rule {
            settings: &["sample_seed"],
            needs: |args| args.statements().filter.sample < 1.0,
            otherwise: NoEffect("all sessions are looked at unless --sample is below 1"),
        },
        Rule {
            settings: &["keep_errors"],
            needs: |args| args.statements().filter.is_given(),
            otherwise: NoEffect("nothing is left out without --only, --skip, --min-duration or --sample"),
        },
        Rule {
            settings: &["buffer_messages", "buffer_bytes", "temp_dir"],
            needs: |args| args.statements().buffer.buffer_until_commit,
            otherwise: NoEffect("no message waits for its transaction's end with --buffer-until-commit=false"),
        },
    ]
}

fn output_rules<S: Publishes>() -> [Rule<S>; 4] {
    [
        Rule {
            settings: &["sink"],
            needs: |args| !args.statements().names(SinkKind::Kafka) || args.statements().kafka.brokers().is_some(),
            otherwise: Refused("kafka needs --kafka-bootstrap-servers too"),
        },
        Rule {
            settings: &["pretty", "pretty_columns", "color"],
            needs: |args| args.writes_to(SinkKind::Stdout),
            otherwise: NoEffect("no sink is stdout: add --sink stdout"),
        },
        Rule {
            settings: &["pretty_columns", "color"],
            needs: |args| args.statements().pretty.pretty,
            otherwise: NoEffect("it is about --pretty"),
        },
        Rule {
            settings: &["file_mode"],
            needs: |args| args.writes_to(SinkKind::Ndjson) || args.writes_to(SinkKind::Parquet),
            otherwise: NoEffect("no sink is a file: add --sink ndjson:PATH"),
        },
    ]
}

fn kafka_rules<S: Publishes>() -> [Rule<S>; 4] {
    [
        Rule {
            settings: &["instance"],
            needs: |args| {
                let is_in_messages = args.writes_to(SinkKind::Kafka) || args.writes_to(SinkKind::Parquet);
                is_in_messages || args.has_spool() || args.has_markers()
            },
            otherwise: NoEffect(
                "there is no Kafka sink and none of Parquet, no spool and no markers: set --kafka-bootstrap-servers, --sink, --spool or --markers",
            ),
        },
        Rule {
            settings: &[
                "kafka_topic",
                "kafka_acks",
                "kafka_retries",
                "kafka_linger_ms",
                "kafka_batch_size",
                "kafka_buffer_memory",
                "kafka_adaptive_partitioning_enabled",
                "kafka_option",
            ],
            needs: |args| args.writes_to(SinkKind::Kafka),
            otherwise: NoEffect("there is no Kafka sink: set --kafka-bootstrap-servers"),
        },
        Rule {
            settings: &["kafka_adaptive_partitioning_enabled"],
            needs: |args| !args.statements().producer.kafka_adaptive_partitioning_enabled,
            otherwise: NoEffect("every message has a key, which chooses the partition"),
        },
        Rule {
            settings: &["enable_queueing_publisher"],
            needs: |args| args.statements().queues.enable_queueing_publisher,
            otherwise: NoEffect("the proxy always queues"),
        },
    ]
}

/// Which process this is: the instance, by default this host, and when it started, in UTC.
pub(in crate::cli) fn running(instance: Option<&str>, started: jiff::Timestamp) -> String {
    let instance = instance.map_or_else(|| gethostname::gethostname().to_string_lossy().into_owned(), str::to_owned);
    format!("{instance}@{started:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_its_instance_and_its_start() {
        let started = jiff::Timestamp::from_millisecond(1_795_239_646_900).unwrap();
        assert_eq!(running(Some("web-1"), started), "web-1@2026-11-21T05:40:46.900Z");
        assert!(running(None, started).ends_with("@2026-11-21T05:40:46.900Z"));
    }
}
