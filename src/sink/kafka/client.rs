//! What every Kafka client of ours has in common.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;

use crate::config::KafkaOption;
use crate::sink::queue::lock;
use crate::sink::rate_limit::RateLimit;

/// librdkafka repeats itself at every attempt to reconnect.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// A client's options: the brokers and what the user gave.
pub(crate) fn client_options(
    bootstrap_servers: &str,
    defaults: &[(&str, String)],
    given: &[KafkaOption],
) -> ClientConfig {
    let mut options = ClientConfig::new();
    options.set("bootstrap.servers", bootstrap_servers);
    options.set("client.id", "mysql-interceptor");
    // A broker that comes back should not be found out only after librdkafka's ten seconds.
    options.set("reconnect.backoff.max.ms", "2000");
    for (key, value) in defaults {
        options.set(*key, value);
    }
    for option in given {
        options.set(&option.key, &option.value);
    }
    // librdkafka writes what its property `debug` asks for only on the level of the same name.
    let debugging = given.iter().any(|option| option.key == "debug");
    options.set_log_level(if debugging { RDKafkaLogLevel::Debug } else { RDKafkaLogLevel::Info });
    options
}

/// Why a client could not be made, without the value of the property, which may be a secret.
pub(crate) fn describe_client_error(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, description, key, value) => {
            let description = if value.is_empty() { description.clone() } else { description.replace(value, "***") };
            format!("property {key}: {description}")
        }
        error => error.to_string(),
    }
}

/// Passes librdkafka's log lines on to `tracing`, each kind at most once per interval.
#[derive(Debug, Default)]
pub(crate) struct ClientLog {
    limits: Mutex<HashMap<String, RateLimit>>,
}

impl ClientLog {
    /// A log line of librdkafka.
    pub(crate) fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        let quiet = matches!(level, RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug | RDKafkaLogLevel::Notice);
        // A failed connection is reported by the error callback too.
        if quiet || facility == "FAIL" {
            tracing::debug!(target: "librdkafka", facility, "{message}");
            return;
        }
        let Some(repeated) = self.admit(facility) else {
            return;
        };
        match level {
            RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", facility, repeated, "{message}"),
            _ => tracing::error!(target: "librdkafka", facility, repeated, "{message}"),
        };
    }

    /// A global error of librdkafka, which goes on by itself after all of them but the fatal ones.
    pub(crate) fn error(&self, error: &KafkaError, reason: &str) {
        if let Some(repeated) = self.admit(&error.to_string()) {
            tracing::warn!(target: "librdkafka", repeated, %error, "{reason}");
        }
    }

    fn admit(&self, kind: &str) -> Option<u64> {
        let mut limits = lock(&self.limits);
        let limit = limits.entry(kind.to_owned()).or_insert_with(|| RateLimit::new(LOG_INTERVAL));
        limit.add(1, Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_option_is_named_and_its_value_is_not() {
        let given = |text: &str| [text.parse::<KafkaOption>().unwrap()];
        let error = |text: &str| {
            let options = client_options("localhost:1", &[], &given(text));
            describe_client_error(&options.create_native_config().err().unwrap())
        };
        assert!(error("no.such.option=1").contains("property no.such.option: No such configuration property"));
        let shown = error("security.protocol=hunter2");
        assert!(shown.contains("security.protocol") && !shown.contains("hunter2"), "{shown}");
    }
}
