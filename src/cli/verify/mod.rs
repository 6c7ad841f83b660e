//! `mysql-interceptor verify`: whether all that was to be delivered is there, as it was delivered.

mod args;
mod error;
mod files;
mod parquet;
mod spool;
mod topic;

use std::io::{self, Write};

use super::exit::Failure;
use crate::audit::PublicKey;
use crate::audit::verify::Report;
use crate::settings::Origins;
use args::{Format, Stored};
pub(super) use args::{VerifyArgs, adapt, rules};
use error::VerifyError;

pub(super) const EXAMPLES: &str = "\
Examples:
  mysql-interceptor verify --bootstrap-servers kafka:9092 kafka:MYSQL_EVENTS
  mysql-interceptor verify --key audit.pub /data/sql.ndjson
  mysql-interceptor verify --key audit.pub parquet:/data/lake spool:/data/spool
  mysql-interceptor verify --key audit.pub --format json --allow-unproven kafka:MYSQL_EVENTS /data/sql.ndjson

It needs what `--markers` of `proxy` and `binlog` writes. Exit code 0: complete. 1: something is missing, not proven, or not as it was delivered, or a source cannot
be read. 2: the command line is wrong. docs/audit.md says what is proven, and what is not.";

/// Verifies each source.
pub(super) fn run(args: &VerifyArgs, origins: &Origins) -> Result<(), Failure> {
    if args.sources.is_empty() {
        return Err(Failure::usage(
            "nothing to verify: give SOURCE, which is kafka:TOPIC, a file, parquet:DIR, or spool:DIR",
        ));
    }
    let key = args.public_key(origins)?;
    let mut is_complete = true;
    for source in &args.sources {
        let report = verify(args, source, key.clone()).map_err(Failure::failed)?;
        is_complete &= report.complete || args.allow_unproven && report.is_complete_so_far();
        match print(&report, args.format) {
            // `verify | head` is no error.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            result => result.map_err(|error| Failure::failed(format_args!("cannot write the verdict: {error}")))?,
        }
    }
    if is_complete { Ok(()) } else { Err(Failure::Incomplete) }
}

fn verify(args: &VerifyArgs, source: &Stored, key: Option<PublicKey>) -> Result<Report, VerifyError> {
    match source {
        Stored::File(path) => files::verify(path, key),
        Stored::Parquet(path) => parquet::verify(path, key),
        Stored::Spool(path) => spool::verify(path, key),
        Stored::Topic(topic) => {
            topic::verify(args.kafka.brokers().unwrap_or_default(), topic, &args.kafka.kafka_option, key)
        }
    }
}

fn print(report: &Report, format: Format) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match format {
        Format::Json => {
            serde_json::to_writer(&mut out, report)?;
            writeln!(out)?;
        }
        Format::Text => {
            writeln!(out, "{}", report.summary())?;
            for finding in &report.findings {
                writeln!(out, "  {finding}")?;
            }
            for full in &report.spool_full {
                writeln!(out, "  {full}")?;
            }
        }
    }
    out.flush()
}
