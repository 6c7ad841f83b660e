//! Settings of `binlog` that matter only together with others, or are refused without them.

use super::args::BinlogArgs;
use super::forms::Format;
use crate::binlog::{From, TlsMode};
use crate::cli::settings::{Writes, audit_rules, file_rules, parquet_rule, redact_rules, specs};
use crate::settings::Otherwise::{NoEffect, Refused};
use crate::settings::{Rule, SinkKind};

/// Every rule.
pub(in crate::cli) fn rules() -> Vec<Rule<BinlogArgs>> {
    let mut rules = Vec::from(SOURCE);
    rules.extend(redact_rules());
    rules.extend(audit_rules());
    rules.extend(OUTPUT);
    rules.extend(FORMS);
    rules.extend(file_rules());
    rules.push(parquet_rule());
    rules.extend(FILES);
    rules.extend(KAFKA);
    rules
}

const SOURCE: [Rule<BinlogArgs>; 8] = [
    Rule {
        settings: &["source"],
        needs: |args| args.source.file.is_empty(),
        otherwise: Refused("a server and files (--file) do not go together"),
    },
    Rule {
        settings: &["from"],
        needs: |args| args.source.file.is_empty() || args.range.from.as_ref().is_none_or(|place| place.0 != From::Now),
        otherwise: Refused("files have no now; it is oldest, FILE:POS, a time or checkpoint"),
    },
    Rule {
        settings: &["tls_mode"],
        needs: |args| args.source.tls_mode != Some(TlsMode::VerifyCa) || args.source.tls_ca.is_some(),
        otherwise: Refused("verify-ca needs --tls-ca too"),
    },
    Rule {
        settings: &["tls_mode"],
        needs: |args| args.source.tls_mode != Some(TlsMode::VerifyIdentity) || args.source.tls_ca.is_some(),
        otherwise: Refused("verify-identity needs --tls-ca too"),
    },
    Rule {
        settings: &[
            "password_file",
            "ask_password",
            "tls_mode",
            "tls_ca",
            "server_id",
            "report_host",
            "heartbeat",
            "on_purged",
        ],
        needs: |args| args.source.file.is_empty(),
        otherwise: NoEffect("files are read, not a server"),
    },
    Rule {
        settings: &["password_file", "ask_password"],
        needs: |args| args.source.source.is_empty() || args.source.source.iter().any(|url| url.password.is_none()),
        otherwise: NoEffect("the password is in --source"),
    },
    Rule {
        settings: &["tls_ca"],
        needs: |args| args.source.tls_mode.is_none_or(TlsMode::verifies),
        otherwise: NoEffect(
            "nothing is checked with this --tls-mode: leave that out, or set it to verify-ca or verify-identity",
        ),
    },
    Rule {
        settings: &["redact_mode", "redact_value", "redact_key_file"],
        needs: |args| args.selection.redaction.has_keys(),
        otherwise: NoEffect("nothing is redacted: set --redact-keys"),
    },
];

const OUTPUT: [Rule<BinlogArgs>; 6] = [
    Rule {
        settings: &["instance"],
        needs: |args| args.audit.markers.is_some(),
        otherwise: NoEffect("it is about markers, and there are none without --markers"),
    },
    Rule {
        settings: &["exactly_once"],
        needs: |args| !args.topics.exactly_once || specs(&args.sink).all(|spec| spec.kind() == SinkKind::Kafka),
        otherwise: Refused("needs --sink kafka, and no other sink: a kill would leave gaps in the others"),
    },
    Rule {
        settings: &["exactly_once"],
        needs: |args| !args.topics.exactly_once || args.writes_to(SinkKind::Kafka),
        otherwise: Refused("needs --sink kafka"),
    },
    Rule {
        settings: &["exactly_once"],
        needs: |args| !args.topics.exactly_once || args.range.checkpoint.is_none(),
        otherwise: Refused("the checkpoint is kept in Kafka: leave --checkpoint out"),
    },
    Rule {
        settings: &["sink"],
        needs: |args| !args.writes_to(SinkKind::Kafka) || args.kafka.brokers().is_some(),
        otherwise: Refused("kafka needs --kafka-bootstrap-servers too"),
    },
    Rule {
        settings: &["pretty"],
        needs: |args| !args.pretty.pretty || args.writes_to(SinkKind::Stdout),
        otherwise: Refused("it is for --sink stdout"),
    },
];

const FORMS: [Rule<BinlogArgs>; 6] = [
    Rule { settings: &["color"], needs: BinlogArgs::is_pretty, otherwise: NoEffect("it is about --pretty") },
    Rule {
        settings: &["format"],
        needs: BinlogArgs::has_format,
        otherwise: NoEffect("no sink takes it: --pretty and Parquet have forms of their own"),
    },
    Rule {
        settings: &["transactions"],
        needs: |args| args.is_pretty() || args.is_debezium() && args.has_lines(),
        otherwise: NoEffect("it is about --format debezium and --pretty; in Kafka it is --kafka-transaction-topic"),
    },
    Rule {
        settings: &["bigint", "geometry"],
        needs: |args| args.rows.format == Format::Native && args.has_format() || args.writes_to(SinkKind::Parquet),
        otherwise: NoEffect("it is about --format native"),
    },
    Rule {
        settings: &["server_name", "decimal", "bigint_unsigned", "schemas"],
        needs: |args| args.is_debezium() && args.has_format(),
        otherwise: NoEffect("it is about --format debezium"),
    },
    Rule {
        settings: &["debezium_tombstones"],
        needs: |args| args.is_debezium() && args.writes_to(SinkKind::Kafka),
        otherwise: NoEffect("it is about --format debezium in Kafka: other sinks have no keys"),
    },
];

const FILES: [Rule<BinlogArgs>; 3] = [
    Rule {
        settings: &["xa_dir"],
        needs: |args| args.range.checkpoint.is_some() || args.topics.exactly_once,
        otherwise: NoEffect("no checkpoint is kept: add --checkpoint or --exactly-once"),
    },
    Rule {
        settings: &["file_mode"],
        needs: |args| {
            let keeps = args.range.checkpoint.is_some() || args.range.schema_history.is_some();
            keeps || args.writes_to(SinkKind::Ndjson) || args.writes_to(SinkKind::Parquet)
        },
        otherwise: NoEffect("no file is written"),
    },
    Rule {
        settings: &["parquet_layout"],
        needs: |args| args.writes_to(SinkKind::Parquet),
        otherwise: NoEffect("no sink is Parquet: add --sink parquet:DIR"),
    },
];

const KAFKA: [Rule<BinlogArgs>; 2] = [
    Rule {
        settings: &[
            "kafka_bootstrap_servers",
            "kafka_topic",
            "kafka_transaction_topic",
            "kafka_on_refused",
            "kafka_option",
            "kafka_checkpoint_topic",
            "kafka_transactional_id",
        ],
        needs: |args| args.writes_to(SinkKind::Kafka),
        otherwise: NoEffect("there is no Kafka sink: add --sink kafka"),
    },
    Rule {
        settings: &["kafka_checkpoint_topic", "kafka_transactional_id"],
        needs: |args| args.topics.exactly_once,
        otherwise: NoEffect("it is about --exactly-once"),
    },
];

impl BinlogArgs {
    fn is_pretty(&self) -> bool {
        self.pretty.pretty && self.writes_to(SinkKind::Stdout)
    }

    /// Whether a sink takes JSON lines.
    fn has_lines(&self) -> bool {
        self.writes_to(SinkKind::Ndjson) || self.writes_to(SinkKind::Stdout) && !self.pretty.pretty
    }

    /// Whether a sink takes rows in the form of `--format`.
    fn has_format(&self) -> bool {
        self.has_lines() || self.writes_to(SinkKind::Kafka)
    }

    fn is_debezium(&self) -> bool {
        self.rows.format == Format::Debezium
    }
}
