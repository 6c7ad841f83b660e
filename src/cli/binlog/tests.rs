//! What flags, variables and the file make of each other, and what does not go together.

use super::args::{Binlog, Format, Kind};
use super::{config, outputs};
use crate::cli::{Parsed, parse_words};

fn settings(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Binlog, String> {
    let arguments: Vec<_> = std::iter::once("binlog").chain(arguments.iter().copied()).collect();
    match parse_words(&arguments, environment) {
        Ok(Parsed::Binlog(binlog)) => Ok(*binlog),
        Ok(_) => Err("another subcommand".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn flags_over_variables_over_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("binlog.toml");
    std::fs::write(
        &path,
        "source = \"mysql://file@db\"\ninclude = [\"a.b\", \"c.*\"]\nstrict = true\nformat = \"maxwell\"\nqueue_bytes = \"4MiB\"\n",
    )
    .unwrap();
    let config = ["--config", path.to_str().unwrap(), "--format", "debezium"];
    let found = settings(
        &config,
        &[("INTERCEPTOR_BINLOG_SOURCE", "mysql://variable@db"), ("INTERCEPTOR_BINLOG_ONLY", "insert,ddl")],
    )
    .unwrap();
    assert_eq!(format!("{:?}", found.source), "[mysql://variable@db:3306]");
    assert_eq!((found.include.len(), found.strict, found.queue_bytes), (2, true, 4 << 20));
    assert_eq!((found.format, found.only), (Format::Debezium, vec![Kind::Insert, Kind::Ddl]));
}

#[test]
fn switches_can_be_switched_off() {
    let on = [("INTERCEPTOR_BINLOG_PRETTY", "yes")];
    assert!(settings(&[], &on).unwrap().pretty && settings(&["--pretty"], &[]).unwrap().pretty);
    assert!(!settings(&["--pretty=false"], &on).unwrap().pretty);
}

#[test]
fn wrong_values_name_their_key() {
    for (key, value) in [
        ("INTERCEPTOR_BINLOG_FROM", "yesterday"),
        ("INTERCEPTOR_BINLOG_INCLUDE", "*.*"),
        ("INTERCEPTOR_BINLOG_KAFKA_TOPIC", "{schema}"),
        ("INTERCEPTOR_BINLOG_DROP_COLUMNS", "a.*"),
        ("INTERCEPTOR_BINLOG_PARQUET_ROLL_SIZE", "much"),
    ] {
        let error = settings(&[], &[(key, value)]).unwrap_err();
        assert!(error.contains(key), "{key}: {error}");
    }
}

#[test]
fn what_does_not_go_together_is_refused() {
    let refused = |arguments: &[&str], words: &str| {
        let settings = settings(arguments, &[]).unwrap();
        let error = config::config(&settings).map(drop).and_then(|()| outputs::open(&settings).map(drop)).unwrap_err();
        assert!(error.contains(words), "{arguments:?}: {error}");
    };
    let source = ["--source", "mysql://u:p@db"];
    let with = |more: &[&'static str]| [&source[..], more].concat();
    refused(&[], "--source");
    refused(&with(&["--sink", "kafka"]), "--kafka-bootstrap-servers");
    refused(&with(&["--sink", "stdout", "--exactly-once"]), "--sink kafka");
    refused(&with(&["--sink", "ndjson:/x", "--pretty"]), "--pretty");
    refused(&with(&["--sink", "file:/x"]), "parquet:DIR");
    refused(&with(&["--include", "a.b", "--exclude", "a.b"]), "a.b");
    refused(&with(&["--sink", "parquet:/nowhere/at/all"]), "/nowhere/at/all");
}
