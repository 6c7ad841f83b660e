//! Settings of `binlog` that matter only together with others.

use super::args::{Binlog, Format};
use crate::settings::{Origin, Rule};

pub(in crate::cli) const RULES: &[Rule<Binlog>] = &[
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
        matters: |settings| settings.file.is_empty(),
        otherwise: "files are read, not a server",
    },
    Rule {
        settings: &["password_file", "ask_password"],
        matters: |settings| settings.source.is_empty() || settings.source.iter().any(|url| url.password.is_none()),
        otherwise: "the password is in --source",
    },
    Rule {
        settings: &["tls_ca"],
        matters: |settings| settings.tls_mode.is_none_or(|mode| mode.verifies()),
        otherwise: "nothing is checked with this --tls-mode: leave that out, or set it to verify-ca or verify-identity",
    },
    Rule {
        settings: &["redact_value"],
        matters: |settings| !settings.redact_keys.is_empty(),
        otherwise: "nothing is redacted: set --redact-keys",
    },
    Rule { settings: &["color"], matters: Binlog::is_pretty, otherwise: "it is about --pretty" },
    Rule {
        settings: &["format"],
        matters: Binlog::has_format,
        otherwise: "no sink takes it: --pretty and Parquet have forms of their own",
    },
    Rule {
        settings: &["transactions"],
        matters: |settings| settings.is_pretty() || settings.format == Format::Debezium && settings.has_lines(),
        otherwise: "it is about --format debezium and --pretty; in Kafka it is --kafka-transaction-topic",
    },
    Rule {
        settings: &["bigint", "geometry"],
        matters: |settings| settings.format == Format::Native && settings.has_format() || settings.writes_to("parquet"),
        otherwise: "it is about --format native",
    },
    Rule {
        settings: &["server_name", "decimal", "bigint_unsigned", "schemas"],
        matters: |settings| settings.format == Format::Debezium && settings.has_format(),
        otherwise: "it is about --format debezium",
    },
    Rule {
        settings: &["debezium_tombstones"],
        matters: |settings| settings.format == Format::Debezium && settings.writes_to("kafka"),
        otherwise: "it is about --format debezium in Kafka: other sinks have no keys",
    },
    Rule {
        settings: &["ndjson_rotate_size", "ndjson_rotate_age", "ndjson_compress", "ndjson_keep"],
        matters: |settings| settings.writes_to("ndjson"),
        otherwise: "no sink is a file of lines: add --sink ndjson:PATH",
    },
    Rule {
        settings: &["ndjson_compress", "ndjson_keep"],
        matters: |settings| settings.ndjson_rotate_size > 0 || !settings.ndjson_rotate_age.is_zero(),
        otherwise: "the file is never rotated: set --ndjson-rotate-size or --ndjson-rotate-age",
    },
    Rule {
        settings: &["file_mode"],
        matters: |settings| {
            ["ndjson", "parquet"].iter().any(|kind| settings.writes_to(kind))
                || settings.checkpoint.is_some()
                || settings.schema_history.is_some()
        },
        otherwise: "no file is written",
    },
    Rule {
        settings: &["parquet_layout", "parquet_compression", "parquet_roll_size", "parquet_roll_age"],
        matters: |settings| settings.writes_to("parquet"),
        otherwise: "no sink is Parquet: add --sink parquet:DIR",
    },
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
        matters: |settings| settings.writes_to("kafka"),
        otherwise: "there is no Kafka sink: add --sink kafka",
    },
    Rule {
        settings: &["kafka_checkpoint_topic", "kafka_transactional_id"],
        matters: |settings| settings.exactly_once,
        otherwise: "it is about --exactly-once",
    },
];

impl Binlog {
    /// The flag, variable or key that set `id`.
    pub(super) fn named(&self, id: &str) -> String {
        match self.origins.of(id) {
            Origin::Default(flag) => flag,
            origin => origin.to_string(),
        }
    }

    /// Whether there is a sink of this kind: `stdout`, `ndjson`, `kafka` or `parquet`.
    pub(super) fn writes_to(&self, kind: &str) -> bool {
        match self.sink.as_slice() {
            [] => kind == "stdout",
            sinks => sinks.iter().any(|sink| sink.split(':').next() == Some(kind)),
        }
    }

    fn is_pretty(&self) -> bool {
        self.pretty && self.writes_to("stdout")
    }

    /// Whether a sink takes JSON lines.
    fn has_lines(&self) -> bool {
        self.writes_to("ndjson") || self.writes_to("stdout") && !self.pretty
    }

    /// Whether a sink takes rows in the form of `--format`.
    fn has_format(&self) -> bool {
        self.has_lines() || self.writes_to("kafka")
    }
}
