//! From single settings to a configuration that holds together.

use clap::{ArgMatches, FromArgMatches};

use super::error::{ConfigError, Origin};
use super::layers::Layered;
use super::settings::ProxySettings;
use super::{
    CaptureConfig, KafkaConfig, LogConfig, NdjsonConfig, ProxyConfig, QueueConfig, SinkConfig, StdoutConfig, TlsConfig,
    UpstreamVerify,
};
use std::time::Duration;

const BUFFERING_NOT_BUILT: &str = "holding messages until the commit is not built yet, each message is published at once; unset it or set it to false to accept that";
const REDACTION_NOT_BUILT: &str =
    "redaction is not built yet, values would be published in clear; unset it to accept that";
const INLINE_DEBUG_NOT_BUILT: &str = "comments in front of statements are not built yet; unset it or set it to false";
const SPLIT_VALUES_NOT_BUILT: &str =
    "splitting multi-row INSERTs is not built yet, they are one message each; unset it or set it to false";
const PROBE_NOT_BUILT: &str = "asking the server for session values is not built yet; unset it or set it to off, then they are unknown until seen";

impl ProxyConfig {
    /// Builds the configuration from the parsed arguments of the subcommand.
    pub(crate) fn from_matches(layered: &Layered, matches: &ArgMatches) -> Result<Self, ConfigError> {
        let settings = ProxySettings::from_arg_matches(matches)?;
        let origin = |id: &str| layered.origin(matches, id);
        refuse_what_is_not_built(&settings, &origin)?;
        let tls = tls(&settings, &origin)?;
        let sinks = sinks(&settings, &origin)?;
        let non_empty = |text: Option<String>| text.filter(|text| !text.is_empty());
        Ok(Self {
            listen: settings.listen,
            upstream: settings.upstream,
            workers: settings.workers,
            tls,
            connect_timeout: settings.connect_timeout,
            handshake_timeout: settings.handshake_timeout,
            drain_timeout: settings.drain_timeout,
            capture: CaptureConfig {
                statement_logging: settings.statement_logging,
                all: settings.capture_all,
                ddl: settings.capture_ddl,
                callproc: settings.capture_callproc,
                include_sql: settings.include_sql,
                include_params: settings.include_params,
                max_param_length: settings.max_param_length,
                max_statement_bytes: settings.max_statement_bytes,
                debug: non_empty(settings.debug_value).unwrap_or(settings.service_name),
                default_tz: non_empty(settings.default_tz),
            },
            sinks,
            queue: QueueConfig {
                max_messages: settings.publish_queue_maxsize,
                max_bytes: settings.publish_queue_bytes,
                batch_size: settings.publish_batch_size,
                flush_interval: settings.publish_flush_interval_s,
                backpressure: settings.backpressure,
            },
            log: LogConfig {
                filter: settings.log_level.unwrap_or_else(default_log_filter),
                format: settings.log_format,
            },
        })
    }
}

/// RUST_LOG if it is set and valid, else `info`.
fn default_log_filter() -> String {
    std::env::var("RUST_LOG")
        .ok()
        .filter(|filter| super::values::log_filter(filter).is_ok())
        .filter(|filter| !filter.is_empty())
        .unwrap_or_else(|| "info".to_owned())
}

fn refuse_what_is_not_built(settings: &ProxySettings, origin: &dyn Fn(&str) -> Origin) -> Result<(), ConfigError> {
    let given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    let probe = settings.session_probe.as_ref().is_some_and(|probe| !probe.eq_ignore_ascii_case("off"));
    for (refused, id, message) in [
        (settings.buffer_until_commit == Some(true), "buffer_until_commit", BUFFERING_NOT_BUILT),
        (given(&settings.redact_keys), "redact_keys", REDACTION_NOT_BUILT),
        (given(&settings.redact_value), "redact_value", REDACTION_NOT_BUILT),
        (settings.inline_debug == Some(true), "inline_debug", INLINE_DEBUG_NOT_BUILT),
        (settings.split_values == Some(true), "split_values", SPLIT_VALUES_NOT_BUILT),
        (probe, "session_probe", PROBE_NOT_BUILT),
    ] {
        if refused {
            return Err(ConfigError::NotBuilt { origin: origin(id), message });
        }
    }
    Ok(())
}

fn tls(settings: &ProxySettings, origin: &dyn Fn(&str) -> Origin) -> Result<TlsConfig, ConfigError> {
    let lacks =
        |id: &str, other: &str| ConfigError::Conflict { origin: origin(id), message: format!("needs {other} too") };
    match (&settings.tls_cert, &settings.tls_key) {
        (Some(_), None) => return Err(lacks("tls_cert", "--tls-key")),
        (None, Some(_)) => return Err(lacks("tls_key", "--tls-cert")),
        (Some(_), Some(_)) | (None, None) => {}
    }
    if settings.upstream_tls_verify != UpstreamVerify::None && settings.upstream_ca.is_none() {
        return Err(lacks("upstream_tls_verify", "--upstream-ca"));
    }
    Ok(TlsConfig {
        mode: settings.tls,
        cert: settings.tls_cert.clone(),
        key: settings.tls_key.clone(),
        upstream_ca: settings.upstream_ca.clone(),
        upstream_verify: settings.upstream_tls_verify,
    })
}

fn sinks(settings: &ProxySettings, origin: &dyn Fn(&str) -> Origin) -> Result<Vec<SinkConfig>, ConfigError> {
    let mut sinks = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for name in settings.sink.iter().map(|name| name.trim()).filter(|name| !name.is_empty()) {
        if seen.contains(&name) {
            return Err(ConfigError::Conflict { origin: origin("sink"), message: format!("{name} is given twice") });
        }
        seen.push(name);
        match name.split_once(':') {
            None if name == "stdout" => sinks.push(SinkConfig::Stdout(stdout(settings))),
            None if name == "kafka" => {
                let kafka = kafka(settings).ok_or_else(|| ConfigError::Conflict {
                    origin: origin("sink"),
                    message: "kafka needs --kafka-bootstrap-servers too".to_owned(),
                })?;
                sinks.push(SinkConfig::Kafka(kafka));
            }
            Some(("ndjson", path)) if !path.is_empty() => sinks.push(SinkConfig::Ndjson(NdjsonConfig {
                path: path.into(),
                rotate_size: settings.ndjson_rotate_size,
                rotate_age: settings.ndjson_rotate_age,
                compress: settings.ndjson_compress,
                keep: settings.ndjson_keep,
                mode: settings.file_mode.unwrap_or_default(),
            })),
            _ => {
                return Err(ConfigError::Invalid {
                    origin: origin("sink"),
                    given: name.to_owned(),
                    allowed: "expected stdout, ndjson:PATH or kafka".to_owned(),
                });
            }
        }
    }
    if !seen.contains(&"kafka") {
        sinks.extend(kafka(settings).map(SinkConfig::Kafka));
    }
    if sinks.is_empty() {
        sinks.push(SinkConfig::Stdout(stdout(settings)));
    }
    Ok(sinks)
}

fn stdout(settings: &ProxySettings) -> StdoutConfig {
    StdoutConfig { pretty: settings.pretty, color: settings.color }
}

fn kafka(settings: &ProxySettings) -> Option<KafkaConfig> {
    let bootstrap_servers = settings.kafka_bootstrap_servers.clone().filter(|servers| !servers.trim().is_empty())?;
    Some(KafkaConfig {
        bootstrap_servers,
        topic: settings.kafka_topic.clone(),
        acks: settings.kafka_acks,
        retries: settings.kafka_retries,
        linger: Duration::from_millis(settings.kafka_linger_ms.into()),
        batch_size: settings.kafka_batch_size,
        buffer_memory: settings.kafka_buffer_memory,
        options: settings.kafka_option.clone(),
    })
}
