//! What all our Kafka clients have in common.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::deliver::KafkaOption;
use crate::deliver::queue::lock;
use crate::deliver::rate_limit::RateLimit;

/// librdkafka repeats itself at every attempt to reconnect. What it says of an outage is logged once, and then this often.
const LOG_INTERVAL: Duration = Duration::from_secs(600);

/// Kinds of lines that a user can do nothing about, or hears of in another way: failed connections and requests are reported to the error
/// callback or with their messages; a producer id and a partition's leader are asked for until the brokers, which have just started or
/// are about to stop, have one.
const REPORTED_OTHERWISE: [&str; 4] = ["FAIL", "REQTMOUT", "GETPID", "METADATAUPDATE"];

/// An option of ours that librdkafka has called experimental since its first idempotent producer.
pub(crate) const GAPLESS: &str = "enable.gapless.guarantee";

/// A client's options: the brokers, defaults, and the user's options.
pub(crate) fn client_options(
    bootstrap_servers: &str,
    defaults: &[(&str, String)],
    given: &[KafkaOption],
) -> ClientConfig {
    let mut options = ClientConfig::new();
    options.set("bootstrap.servers", bootstrap_servers);
    options.set("client.id", "mysql-interceptor");
    // A broker that comes back is noticed sooner than after librdkafka's ten seconds.
    options.set("reconnect.backoff.max.ms", "2000");
    for (key, value) in defaults {
        options.set(*key, value);
    }
    for option in given {
        options.set(&option.key, &option.value);
    }
    // librdkafka logs what its property `debug` asks for only at the level of the same name.
    let debugging = given.iter().any(|option| option.key == "debug");
    options.set_log_level(if debugging { RDKafkaLogLevel::Debug } else { RDKafkaLogLevel::Info });
    options
}

/// The options of a client that reads partitions from offsets of its choice up to their current end.
pub(crate) fn reader_options(bootstrap_servers: &str, name: &str, given: &[KafkaOption]) -> ClientConfig {
    let defaults = [
        // librdkafka assigns partitions only with a group; it is not joined, and nothing is committed.
        ("group.id", format!("mysql-interceptor-{name}")),
        ("enable.auto.commit", "false".to_owned()),
        ("enable.partition.eof", "true".to_owned()),
        ("isolation.level", "read_committed".to_owned()),
        ("allow.auto.create.topics", "false".to_owned()),
        ("auto.offset.reset", "earliest".to_owned()),
    ];
    client_options(bootstrap_servers, &defaults, given)
}

/// Why a client could not be made, without the property's value, which may be secret.
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
        // A user need not know that one of our own options (see `settings`) is experimental.
        let is_ours = facility == "CONFWARN" && message.contains(GAPLESS);
        if quiet || is_ours || REPORTED_OTHERWISE.contains(&facility) {
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

    /// A global error of librdkafka, which recovers by itself from all but fatal ones. Returns whether it was logged.
    pub(crate) fn error(&self, error: &KafkaError, reason: &str) -> bool {
        // That all brokers are down follows from the error before it, which says why.
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            tracing::debug!(target: "librdkafka", %error, "{reason}");
            return false;
        }
        let Some(repeated) = self.admit(&error.to_string()) else {
            return false;
        };
        tracing::warn!(target: "librdkafka", repeated, %error, "{reason}");
        true
    }

    /// It works again: the next error is news.
    pub(crate) fn recovered(&self) {
        lock(&self.limits).clear();
    }

    /// What another client has logged need not be logged again.
    pub(crate) fn inherit(&self, other: &Self) {
        *lock(&self.limits) = std::mem::take(&mut *lock(&other.limits));
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
    fn an_outage_is_logged_once_until_it_is_over() {
        let log = ClientLog::default();
        let error = |code| KafkaError::Global(code);
        assert!(log.error(&error(RDKafkaErrorCode::BrokerTransportFailure), "refused"));
        assert!(!log.error(&error(RDKafkaErrorCode::BrokerTransportFailure), "refused"));
        assert!(!log.error(&error(RDKafkaErrorCode::AllBrokersDown), "1/1 brokers are down"));
        // Another kind is news, and so is the next outage. A new client knows what the old one has logged.
        assert!(log.error(&error(RDKafkaErrorCode::Authentication), "wrong password"));
        let next = ClientLog::default();
        next.inherit(&log);
        assert!(!next.error(&error(RDKafkaErrorCode::BrokerTransportFailure), "refused"));
        next.recovered();
        assert!(next.error(&error(RDKafkaErrorCode::BrokerTransportFailure), "refused"));
    }

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
