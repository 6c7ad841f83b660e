//! From single settings to a configuration that holds together.

use crate::deliver::{KafkaConfig, KafkaOption, NdjsonConfig, QueueConfig, SinkConfig, StdoutConfig};
use crate::proxy::{CaptureConfig, ProxyConfig, TlsConfig, TlsMode, UpstreamVerify};
use crate::settings::error::{ConfigError, Origin};
use crate::settings::layers::Origins;
use crate::settings::notes::Rule;
use crate::settings::settings::ProxySettings;
use std::time::Duration;

const BUFFERING_NOT_BUILT: &str = "holding messages until the commit is not built yet, each message is published at once; unset it or set it to false to accept that";
const REDACTION_NOT_BUILT: &str =
    "redaction is not built yet, values would be published in clear; unset it to accept that";
const INLINE_DEBUG_NOT_BUILT: &str = "comments in front of statements are not built yet; unset it or set it to false";
const SPLIT_VALUES_NOT_BUILT: &str =
    "splitting multi-row INSERTs is not built yet, they are one message each; unset it or set it to false";
const PROBE_NOT_BUILT: &str = "asking the server for session values is not built yet; unset it or set it to off, then they are unknown until seen";

/// Settings that matter only together with others.
pub(crate) const RULES: &[Rule<ProxySettings>] = &[
    Rule {
        settings: &[
            "capture_all",
            "capture_ddl",
            "capture_callproc",
            "include_sql",
            "include_params",
            "max_param_length",
            "max_statement_bytes",
            "on_unobservable",
            "debug_value",
            "service_name",
            "default_tz",
        ],
        matters: |settings| settings.statement_logging,
        otherwise: "there are no messages with --statement-logging=false",
    },
    Rule {
        settings: &["capture_ddl", "capture_callproc"],
        matters: |settings| !settings.capture_all,
        otherwise: "every statement becomes a message unless --capture-all=false",
    },
    Rule {
        settings: &["max_param_length"],
        matters: |settings| settings.include_params,
        otherwise: "messages have no parameters with --include-params=false",
    },
    Rule {
        settings: &["service_name"],
        matters: |settings| settings.debug_value.as_deref().unwrap_or_default().is_empty(),
        otherwise: "the field debug is --debug-value",
    },
    Rule {
        settings: &["tls_cert", "tls_key", "upstream_ca", "upstream_tls_verify"],
        matters: |settings| settings.tls == TlsMode::Terminate,
        otherwise: "the proxy takes part in TLS only with --tls terminate",
    },
    Rule {
        settings: &["upstream_ca"],
        matters: |settings| settings.upstream_tls_verify != Some(UpstreamVerify::None),
        otherwise: "nothing is checked with --upstream-tls-verify none: leave that out, or set it to ca or full",
    },
    Rule {
        settings: &["pretty", "pretty_columns", "color"],
        matters: |settings| settings.writes_to("stdout"),
        otherwise: "no sink is stdout: add --sink stdout",
    },
    Rule {
        settings: &["pretty_columns", "color"],
        matters: |settings| settings.pretty,
        otherwise: "it is about --pretty",
    },
    Rule {
        settings: &["ndjson_rotate_size", "ndjson_rotate_age", "ndjson_compress", "ndjson_keep", "file_mode"],
        matters: |settings| settings.writes_to("ndjson"),
        otherwise: "no sink is a file: add --sink ndjson:PATH",
    },
    Rule {
        settings: &["ndjson_compress", "ndjson_keep"],
        matters: |settings| settings.ndjson_rotate_size > 0 || !settings.ndjson_rotate_age.is_zero(),
        otherwise: "the file is never rotated: set --ndjson-rotate-size or --ndjson-rotate-age",
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
        matters: |settings| settings.writes_to("kafka"),
        otherwise: "there is no Kafka sink: set --kafka-bootstrap-servers",
    },
    Rule {
        settings: &["kafka_adaptive_partitioning_enabled"],
        matters: |settings| !settings.kafka_adaptive_partitioning_enabled,
        otherwise: "every message has a key, which chooses the partition",
    },
    Rule {
        settings: &["enable_queueing_publisher"],
        matters: |settings| settings.enable_queueing_publisher,
        otherwise: "the proxy always queues",
    },
];

impl ProxySettings {
    /// Whether there is a sink of this kind: `stdout`, `ndjson` or `kafka`.
    fn writes_to(&self, kind: &str) -> bool {
        let has_kafka = self.kafka_bootstrap_servers.as_ref().is_some_and(|servers| !servers.trim().is_empty());
        let mut named = self.sink.iter().map(|name| name.trim()).filter(|name| !name.is_empty()).peekable();
        match kind {
            "kafka" => has_kafka,
            "stdout" if named.peek().is_none() => !has_kafka,
            kind => named.any(|name| name.split(':').next() == Some(kind)),
        }
    }
}

impl ProxyConfig {
    /// Builds the configuration from single settings.
    pub(crate) fn build(settings: ProxySettings, origins: &Origins) -> Result<Self, ConfigError> {
        let origin = |id: &str| origins.of(id);
        refuse_what_is_not_built(&settings, &origin)?;
        if let Some(message) = settings.kafka_option.iter().find_map(KafkaOption::missing_file) {
            return Err(ConfigError::Conflict { origin: origin("kafka_option"), message });
        }
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
                on_unobservable: settings.on_unobservable,
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
        })
    }
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
    // Who names authorities wants them to be heeded, as with the mysql client's --ssl-ca.
    let verify = match (settings.upstream_tls_verify, &settings.upstream_ca) {
        (Some(UpstreamVerify::Ca | UpstreamVerify::Full), None) => {
            return Err(lacks("upstream_tls_verify", "--upstream-ca"));
        }
        (Some(verify), _) => verify,
        (None, Some(_)) => UpstreamVerify::Ca,
        (None, None) => UpstreamVerify::None,
    };
    Ok(TlsConfig {
        mode: settings.tls,
        cert: settings.tls_cert.clone(),
        key: settings.tls_key.clone(),
        upstream_ca: settings.upstream_ca.clone(),
        upstream_verify: verify,
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
    StdoutConfig { pretty: settings.pretty, color: settings.color, columns: settings.pretty_columns.clone() }
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
