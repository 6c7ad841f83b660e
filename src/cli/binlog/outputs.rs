//! From the command line to the sinks and the forms they take.

use std::path::Path;
use std::sync::Arc;

use super::args::BinlogArgs;
use super::forms::{BigInt, BigintUnsignedForm, DecimalForm, Format, GeometryForm, ParquetLayout};
use crate::binlog::output::parquet;
use crate::binlog::output::parquet::config::{Layout, ParquetConfig};
use crate::binlog::{
    BigintUnsigned, Checkpoint, Connector, Debezium, DebeziumOptions, DecimalHandling, FormFactory, Geometry, Maxwell,
    MaxwellOptions, Native, Routing, RowForm, RowsKafkaConfig, Text, TextOptions, ValueOptions,
};
use crate::cli::settings::{check_distinct, running, specs};
use crate::deliver::{AuditConfig, Fsync, QueueConfig, StdoutConfig};
use crate::deliver::{NdjsonSink, Pipeline, Sink, SinkError, StdoutSink, TransactionSettings};
use crate::settings::{Origins, SinkSpec};

/// Where messages go, and in which forms.
pub(super) struct Outputs {
    pub(super) forms: Vec<FormFactory>,
    pub(super) sinks: Pipeline,
    /// Where an earlier run has ended, with --exactly-once.
    pub(super) checkpoint: Option<Checkpoint>,
}

/// Sinks that are open, before they have threads.
pub(super) struct Opened {
    forms: Vec<FormFactory>,
    /// With the number of the form that each takes.
    sinks: Vec<(usize, Box<dyn Sink>)>,
    checkpoint: Option<Checkpoint>,
    queue_bytes: usize,
}

impl Opened {
    /// Starts their threads; the calling one is to feed them.
    pub(super) fn start(self) -> Result<Outputs, String> {
        let queue = QueueConfig { max_messages: usize::MAX, max_bytes: self.queue_bytes, ..QueueConfig::default() };
        let sinks = Pipeline::start(self.sinks, &queue).map_err(|error| error.to_string())?;
        Ok(Outputs { forms: self.forms, sinks, checkpoint: self.checkpoint })
    }
}

/// A sink, and the form of what it takes.
struct OpenedSink {
    sink: Box<dyn Sink>,
    form: Option<FormFactory>,
}

/// Opens the sinks. Exactly-once waits for the brokers.
pub(super) fn open(args: &BinlogArgs, origins: &Origins) -> Result<Opened, String> {
    args.kafka.check(origins).map_err(|error| error.to_string())?;
    check_distinct(&args.sink, origins).map_err(|error| error.to_string())?;
    let mut named: Vec<_> = specs(&args.sink).cloned().collect();
    if named.is_empty() {
        named.push(SinkSpec::Stdout);
    }
    let run = running(args.instance.as_deref(), jiff::Timestamp::now());
    let audit = args.audit.config(&run, origins).map_err(|error| error.to_string())?;
    let (mut forms, mut sinks, mut checkpoint): (Vec<FormFactory>, _, _) = (Vec::new(), Vec::new(), None);
    // Sinks of JSON lines share one form.
    let mut lines = None;
    for spec in named {
        let explain = |error: SinkError| format!("{}: {spec}: {error}", origins.of("sink").name());
        let opened = sink(args, &spec, audit.as_ref(), &mut checkpoint).map_err(explain)?;
        let form = match opened.form {
            Some(form) => {
                forms.push(form);
                forms.len() - 1
            }
            None => *lines.get_or_insert_with(|| {
                let rows = RowSettings::new(args);
                forms.push(Arc::new(move || rows.form(Routing::default())));
                forms.len() - 1
            }),
        };
        sinks.push((form, opened.sink));
    }
    let queue_bytes = usize::try_from(args.rows.queue_bytes).unwrap_or(usize::MAX);
    Ok(Opened { forms, sinks, checkpoint, queue_bytes })
}

fn sink(
    args: &BinlogArgs,
    spec: &SinkSpec,
    audit: Option<&AuditConfig>,
    checkpoint: &mut Option<Checkpoint>,
) -> Result<OpenedSink, SinkError> {
    match spec {
        SinkSpec::Stdout => {
            let color = args.pretty.color;
            let sink = StdoutSink::open(&StdoutConfig {
                pretty: false,
                color,
                columns: Vec::new(),
                fsync: args.files.fsync_or(default_fsync(args)),
            })?;
            let options = TextOptions { color, fit_terminal: true, transactions: args.rows.transactions };
            Ok(OpenedSink { sink: Box::new(sink), form: args.pretty.pretty.then(|| Text::factory(options)) })
        }
        SinkSpec::Kafka => {
            let kafka = kafka(args);
            let opened = kafka.open_with(audit)?;
            *checkpoint = opened.checkpoint;
            let rows = RowSettings { transactions: false, ..RowSettings::new(args) };
            Ok(OpenedSink { sink: opened.sink, form: Some(kafka.forms(move |routing| rows.form(routing))) })
        }
        SinkSpec::Ndjson(path) => {
            let config = args.files.ndjson(path.clone(), default_fsync(args));
            let sink = match audit {
                None => NdjsonSink::open(config),
                Some(audit) => NdjsonSink::open_audited(config, audit),
            }?;
            Ok(OpenedSink { sink: Box::new(sink), form: None })
        }
        SinkSpec::Parquet(folder) => {
            let (sink, form) = parquet::open(parquet(args, folder), RowSettings::new(args).values)?;
            Ok(OpenedSink { sink, form: Some(form) })
        }
    }
}

/// A checkpoint never moves past rows that are not on the disk, unless the operator wants it so.
fn default_fsync(args: &BinlogArgs) -> Fsync {
    if args.range.checkpoint.is_some() { Fsync::Interval } else { Fsync::Never }
}

fn parquet(args: &BinlogArgs, folder: &Path) -> ParquetConfig {
    ParquetConfig {
        layout: match args.parquet.parquet_layout {
            ParquetLayout::Events => Layout::Events,
            ParquetLayout::Table => Layout::Tables,
        },
        compression: args.parquet.files.parquet_compression,
        roll_bytes: args.parquet.files.parquet_roll_size,
        roll_age: args.parquet.files.parquet_roll_age,
        mode: args.files.mode(),
        fsync: args.files.fsync_or(Fsync::Interval),
        checkpoint: args.range.checkpoint.clone(),
        ..ParquetConfig::new(folder.to_owned())
    }
}

fn kafka(args: &BinlogArgs) -> RowsKafkaConfig {
    RowsKafkaConfig {
        bootstrap_servers: args.kafka.brokers().unwrap_or_default().to_owned(),
        topic: args.topics.kafka_topic.clone(),
        transaction_topic: args.topics.kafka_transaction_topic.clone(),
        exactly_once: args.topics.exactly_once.then(|| TransactionSettings {
            transactional_id: args.topics.kafka_transactional_id.clone(),
            checkpoint_topic: args.topics.kafka_checkpoint_topic.clone(),
        }),
        on_refused: args.topics.kafka_on_refused,
        options: args.kafka.kafka_option.clone(),
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
    fn new(args: &BinlogArgs) -> Self {
        let rows = &args.rows;
        Self {
            format: rows.format,
            values: ValueOptions {
                bigint_as_string: rows.bigint == BigInt::String,
                geometry: match rows.geometry {
                    GeometryForm::Wkb => Geometry::Wkb,
                    GeometryForm::Geojson => Geometry::GeoJson,
                },
            },
            transactions: rows.transactions,
            debezium: DebeziumOptions {
                name: rows.server_name.clone(),
                connector: Connector::OfServer,
                decimal: match rows.decimal {
                    DecimalForm::Precise => DecimalHandling::Precise,
                    DecimalForm::String => DecimalHandling::String,
                    DecimalForm::Double => DecimalHandling::Double,
                },
                bigint_unsigned: match rows.bigint_unsigned {
                    BigintUnsignedForm::Long => BigintUnsigned::Long,
                    BigintUnsignedForm::Precise => BigintUnsigned::Precise,
                },
                with_schema: rows.schemas,
                tombstones: rows.debezium_tombstones,
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
