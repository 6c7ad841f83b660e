//! From the command line to the sinks and the forms they take.

use std::sync::Arc;

use super::args::{
    BigInt, BigintUnsignedForm, Binlog, DecimalForm, Format, GeometryForm, ParquetCompression, ParquetLayout,
};
use crate::binlog::output::parquet;
use crate::binlog::output::parquet::config::{Layout, ParquetConfig};
use crate::binlog::{
    BigintUnsigned, Checkpoint, Connector, Debezium, DebeziumOptions, DecimalHandling, FormFactory, Geometry, Maxwell,
    MaxwellOptions, Native, Routing, RowForm, RowsKafkaConfig, Text, TextOptions, ValueOptions,
};
use crate::deliver::{Direct, NdjsonSink, Sink, SinkError, StdoutSink, TransactionSettings};
use crate::deliver::{KafkaOption, NdjsonConfig, StdoutConfig};

/// Where messages go, and in which forms.
pub(super) struct Outputs {
    pub(super) forms: Vec<FormFactory>,
    pub(super) sinks: Direct,
    /// Where an earlier run has ended, with --exactly-once.
    pub(super) checkpoint: Option<Checkpoint>,
}

/// A sink, and the form of what it takes.
struct Opened {
    sink: Box<dyn Sink>,
    form: Option<FormFactory>,
}

/// Opens the sinks.
pub(super) fn open(settings: &Binlog) -> Result<Outputs, String> {
    let stdout = vec!["stdout".to_owned()];
    let names = if settings.sink.is_empty() { &stdout } else { &settings.sink };
    check(settings, names)?;
    let (mut forms, mut sinks, mut checkpoint): (Vec<FormFactory>, _, _) = (Vec::new(), Vec::new(), None);
    // Sinks of JSON lines share one form.
    let mut lines = None;
    for name in names {
        let opened = sink(settings, name, &mut checkpoint)?;
        let form = match opened.form {
            Some(form) => {
                forms.push(form);
                forms.len() - 1
            }
            None => *lines.get_or_insert_with(|| {
                let settings = RowSettings::new(settings);
                forms.push(Arc::new(move || settings.form(Routing::default())));
                forms.len() - 1
            }),
        };
        sinks.push((form, opened.sink));
    }
    let queue_bytes = usize::try_from(settings.queue_bytes).unwrap_or(usize::MAX);
    let sinks = Direct::start(sinks, queue_bytes).map_err(|error| error.to_string())?;
    Ok(Outputs { forms, sinks, checkpoint })
}

/// What does not go together.
fn check(settings: &Binlog, names: &[String]) -> Result<(), String> {
    let named = |id: &str| settings.named(id);
    for (at, name) in names.iter().enumerate() {
        if names.iter().take(at).any(|before| before == name) {
            return Err(format!("{}: {name} is given twice", named("sink")));
        }
    }
    let has = |name: &str| names.iter().any(|given| given == name);
    if settings.exactly_once && names != ["kafka"] {
        return Err(format!(
            "{} needs --sink kafka, and no other sink: a kill would leave gaps in the others",
            named("exactly_once")
        ));
    }
    if settings.exactly_once && settings.checkpoint.is_some() {
        return Err(format!(
            "{} keeps the checkpoint in Kafka: leave {} out",
            named("exactly_once"),
            named("checkpoint")
        ));
    }
    if has("kafka") && settings.kafka_bootstrap_servers.is_none() {
        return Err(format!("{}: kafka needs --kafka-bootstrap-servers too", named("sink")));
    }
    if let Some(wrong) = settings.kafka_option.iter().find_map(KafkaOption::missing_file) {
        return Err(format!("{}: {wrong}", named("kafka_option")));
    }
    if settings.pretty && !has("stdout") {
        return Err(format!("{} is for --sink stdout", named("pretty")));
    }
    Ok(())
}

fn sink(settings: &Binlog, name: &str, checkpoint: &mut Option<Checkpoint>) -> Result<Opened, String> {
    let explain = |error: SinkError| format!("{}: {name}: {error}", settings.named("sink"));
    match name.split_once(':') {
        None if name == "stdout" => {
            let sink = StdoutSink::open(&StdoutConfig { pretty: false, color: settings.color, columns: Vec::new() })
                .map_err(explain)?;
            let options =
                TextOptions { color: settings.color, fit_terminal: true, transactions: settings.transactions };
            Ok(Opened { sink: Box::new(sink), form: settings.pretty.then(|| Text::factory(options)) })
        }
        None if name == "kafka" => {
            let kafka = kafka(settings);
            let opened = kafka.open().map_err(explain)?;
            *checkpoint = opened.checkpoint;
            let rows = RowSettings { transactions: false, ..RowSettings::new(settings) };
            Ok(Opened { sink: opened.sink, form: Some(kafka.forms(move |routing| rows.form(routing))) })
        }
        Some(("ndjson", path)) if !path.is_empty() => {
            let sink = NdjsonSink::open(NdjsonConfig {
                path: path.into(),
                rotate_size: settings.ndjson_rotate_size,
                rotate_age: settings.ndjson_rotate_age,
                compress: settings.ndjson_compress,
                keep: settings.ndjson_keep,
                mode: settings.file_mode.unwrap_or_default(),
            });
            Ok(Opened { sink: Box::new(sink.map_err(explain)?), form: None })
        }
        Some(("parquet", dir)) if !dir.is_empty() => {
            let config = ParquetConfig {
                layout: match settings.parquet_layout {
                    ParquetLayout::Events => Layout::Events,
                    ParquetLayout::Table => Layout::Tables,
                },
                compression: match settings.parquet_compression {
                    ParquetCompression::Zstd => parquet::Compression::Zstd,
                    ParquetCompression::Gzip => parquet::Compression::Gzip,
                    ParquetCompression::None => parquet::Compression::None,
                },
                roll_bytes: settings.parquet_roll_size,
                roll_age: settings.parquet_roll_age,
                mode: settings.file_mode.unwrap_or_default(),
                checkpoint: settings.checkpoint.clone(),
                ..ParquetConfig::new(dir.into())
            };
            let (sink, form) = parquet::open(config, RowSettings::new(settings).values).map_err(explain)?;
            Ok(Opened { sink, form: Some(form) })
        }
        _ => Err(format!(
            "{}: {name:?} is not allowed: expected stdout, ndjson:PATH, kafka or parquet:DIR",
            settings.named("sink")
        )),
    }
}

fn kafka(settings: &Binlog) -> RowsKafkaConfig {
    RowsKafkaConfig {
        bootstrap_servers: settings.kafka_bootstrap_servers.clone().unwrap_or_default(),
        topic: settings.kafka_topic.clone(),
        transaction_topic: settings.kafka_transaction_topic.clone(),
        exactly_once: settings.exactly_once.then(|| TransactionSettings {
            transactional_id: settings.kafka_transactional_id.clone(),
            checkpoint_topic: settings.kafka_checkpoint_topic.clone(),
        }),
        on_refused: settings.kafka_on_refused,
        options: settings.kafka_option.clone(),
    }
}

/// What rows look like.
#[derive(Debug, Clone)]
struct RowSettings {
    format: Format,
    values: ValueOptions,
    transactions: bool,
    debezium: DebeziumOptions,
}

impl RowSettings {
    fn new(settings: &Binlog) -> Self {
        Self {
            format: settings.format,
            values: ValueOptions {
                bigint_as_string: settings.bigint == BigInt::String,
                geometry: match settings.geometry {
                    GeometryForm::Wkb => Geometry::Wkb,
                    GeometryForm::Geojson => Geometry::GeoJson,
                },
            },
            transactions: settings.transactions,
            debezium: DebeziumOptions {
                name: settings.server_name.clone(),
                connector: Connector::OfServer,
                decimal: match settings.decimal {
                    DecimalForm::Precise => DecimalHandling::Precise,
                    DecimalForm::String => DecimalHandling::String,
                    DecimalForm::Double => DecimalHandling::Double,
                },
                bigint_unsigned: match settings.bigint_unsigned {
                    BigintUnsignedForm::Long => BigintUnsigned::Long,
                    BigintUnsignedForm::Precise => BigintUnsigned::Precise,
                },
                with_schema: settings.schemas,
                tombstones: settings.debezium_tombstones,
                ..DebeziumOptions::default()
            },
        }
    }

    fn form(&self, routing: Routing) -> Box<dyn RowForm> {
        match self.format {
            Format::Native => Box::new(Native::routed(self.values, routing)),
            Format::Maxwell => Box::new(Maxwell::new(MaxwellOptions { routing, ..MaxwellOptions::default() })),
            Format::Debezium => Box::new(Debezium::new(DebeziumOptions {
                transactions: self.transactions,
                routing,
                ..self.debezium.clone()
            })),
        }
    }
}
