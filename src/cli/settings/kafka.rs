//! How Kafka is reached, the same for every subcommand.

use clap::Args;

use crate::deliver::KafkaOption;
use crate::settings::{ConfigError, Origins, brokers};

/// The brokers, and what librdkafka is told of them.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Kafka")]
pub(in crate::cli) struct KafkaArgs {
    /// Brokers, HOST:PORT, comma-separated
    #[arg(long, env = "INTERCEPTOR_KAFKA_BOOTSTRAP_SERVERS", value_name = "SERVERS", value_parser = brokers)]
    kafka_bootstrap_servers: Option<String>,

    /// Any librdkafka property; repeatable
    ///
    /// For example sasl.username=app or compression.type=zstd. In the variable one per line, in the file a table. It overrides what the program sets itself.
    #[arg(long, env = "INTERCEPTOR_KAFKA_OPTION", value_name = "KEY=VALUE")]
    pub(in crate::cli) kafka_option: Vec<KafkaOption>,
}

impl KafkaArgs {
    /// The brokers, if any are named.
    pub(in crate::cli) fn brokers(&self) -> Option<&str> {
        self.kafka_bootstrap_servers.as_deref().filter(|servers| !servers.trim().is_empty())
    }

    /// Refuses properties that name files which are not there: librdkafka would not say which.
    pub(in crate::cli) fn check(&self, origins: &Origins) -> Result<(), ConfigError> {
        match self.kafka_option.iter().find_map(KafkaOption::missing_file) {
            Some(message) => Err(ConfigError::Refused { origin: origins.of("kafka_option"), message }),
            None => Ok(()),
        }
    }
}
