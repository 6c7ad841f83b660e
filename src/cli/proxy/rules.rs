//! Settings of `proxy` that matter only together with others, or are refused without them.

use super::args::ProxyArgs;
use crate::cli::settings::{Writes, file_rules, redact_rules};
use crate::proxy::{TlsMode, UpstreamVerify};
use crate::settings::Otherwise::{NoEffect, Refused};
use crate::settings::{Rule, SinkKind};

/// Every rule.
pub(in crate::cli) fn rules() -> Vec<Rule<ProxyArgs>> {
    let mut rules = Vec::from(CAPTURE);
    rules.extend(FILTERS);
    rules.extend(BUFFER);
    rules.extend(redact_rules());
    rules.extend(TLS);
    rules.extend(OUTPUT);
    rules.extend(file_rules());
    rules.extend(KAFKA);
    rules
}

const CAPTURE: [Rule<ProxyArgs>; 5] = [
    Rule {
        settings: &[
            "capture_all",
            "capture_ddl",
            "capture_callproc",
            "include_sql",
            "include_params",
            "split_values",
            "max_param_length",
            "max_statement_bytes",
            "on_unobservable",
            "session_probe",
            "default_tz",
            "redact_keys",
            "redact_mode",
            "redact_value",
            "redact_key_file",
        ],
        needs: |args| args.capture.statement_logging,
        otherwise: NoEffect("there are no messages with --statement-logging=false"),
    },
    Rule {
        settings: &["debug_value", "service_name"],
        needs: |args| args.capture.statement_logging || args.capture.inline_debug,
        otherwise: NoEffect("there are neither messages nor comments with --statement-logging=false"),
    },
    Rule {
        settings: &["capture_ddl", "capture_callproc"],
        needs: |args| !args.capture.capture_all,
        otherwise: NoEffect("every statement becomes a message unless --capture-all=false"),
    },
    Rule {
        settings: &["max_param_length"],
        needs: |args| args.capture.include_params,
        otherwise: NoEffect("messages have no parameters with --include-params=false"),
    },
    Rule {
        settings: &["service_name"],
        needs: |args| args.capture.debug_value.as_deref().unwrap_or_default().is_empty(),
        otherwise: NoEffect("the field debug is --debug-value"),
    },
];

const FILTERS: [Rule<ProxyArgs>; 3] = [
    Rule {
        settings: &["only", "skip", "min_duration", "sample", "sample_seed", "keep_errors"],
        needs: |args| args.capture.statement_logging,
        otherwise: NoEffect("there are no messages with --statement-logging=false"),
    },
    Rule {
        settings: &["sample_seed"],
        needs: |args| args.filter.sample < 1.0,
        otherwise: NoEffect("all sessions are looked at unless --sample is below 1"),
    },
    Rule {
        settings: &["keep_errors"],
        needs: |args| args.filter.is_given(),
        otherwise: NoEffect("nothing is left out without --only, --skip, --min-duration or --sample"),
    },
];

const BUFFER: [Rule<ProxyArgs>; 2] = [
    Rule {
        settings: &["buffer_until_commit", "buffer_messages", "buffer_bytes", "temp_dir"],
        needs: |args| args.capture.statement_logging,
        otherwise: NoEffect("there are no messages with --statement-logging=false"),
    },
    Rule {
        settings: &["buffer_messages", "buffer_bytes", "temp_dir"],
        needs: |args| args.buffer.buffer_until_commit,
        otherwise: NoEffect("no message waits for its transaction's end with --buffer-until-commit=false"),
    },
];

const TLS: [Rule<ProxyArgs>; 6] = [
    Rule {
        settings: &["inline_debug"],
        needs: |args| !args.capture.inline_debug || args.tls.tls != TlsMode::Passthrough,
        otherwise: Refused("sessions with TLS that is passed through would have no comments: --tls terminate or strip"),
    },
    Rule {
        settings: &["tls_cert"],
        needs: |args| args.tls.tls_key.is_some(),
        otherwise: Refused("needs --tls-key too"),
    },
    Rule {
        settings: &["tls_key"],
        needs: |args| args.tls.tls_cert.is_some(),
        otherwise: Refused("needs --tls-cert too"),
    },
    Rule {
        settings: &["upstream_tls_verify"],
        needs: |args| {
            args.tls.upstream_ca.is_some() || args.tls.upstream_tls_verify.is_none_or(|how| how == UpstreamVerify::None)
        },
        otherwise: Refused("needs --upstream-ca too"),
    },
    Rule {
        settings: &["tls_cert", "tls_key", "upstream_ca", "upstream_tls_verify"],
        needs: |args| args.tls.tls == TlsMode::Terminate,
        otherwise: NoEffect("the proxy takes part in TLS only with --tls terminate"),
    },
    Rule {
        settings: &["upstream_ca"],
        needs: |args| args.tls.upstream_tls_verify != Some(UpstreamVerify::None),
        otherwise: NoEffect(
            "nothing is checked with --upstream-tls-verify none: leave that out, or set it to ca or full",
        ),
    },
];

const OUTPUT: [Rule<ProxyArgs>; 4] = [
    Rule {
        settings: &["sink"],
        needs: |args| !args.names(SinkKind::Kafka) || args.kafka.brokers().is_some(),
        otherwise: Refused("kafka needs --kafka-bootstrap-servers too"),
    },
    Rule {
        settings: &["pretty", "pretty_columns", "color"],
        needs: |args| args.writes_to(SinkKind::Stdout),
        otherwise: NoEffect("no sink is stdout: add --sink stdout"),
    },
    Rule {
        settings: &["pretty_columns", "color"],
        needs: |args| args.pretty.pretty,
        otherwise: NoEffect("it is about --pretty"),
    },
    Rule {
        settings: &["file_mode"],
        needs: |args| args.writes_to(SinkKind::Ndjson),
        otherwise: NoEffect("no sink is a file: add --sink ndjson:PATH"),
    },
];

const KAFKA: [Rule<ProxyArgs>; 3] = [
    Rule {
        settings: &[
            "kafka_topic",
            "instance",
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
        needs: |args| !args.producer.kafka_adaptive_partitioning_enabled,
        otherwise: NoEffect("every message has a key, which chooses the partition"),
    },
    Rule {
        settings: &["enable_queueing_publisher"],
        needs: |args| args.queues.enable_queueing_publisher,
        otherwise: NoEffect("the proxy always queues"),
    },
];
