//! What flags, variables and the file make of each other, and what does not go together.

use super::args::BinlogArgs;
use super::forms::{Format, Kind};
use super::{config, outputs};
use crate::binlog::TlsMode;
use crate::cli::{Parsed, parse_words};
use crate::settings::Origins;

fn settings(arguments: &[&str], environment: &[(&str, &str)]) -> Result<(BinlogArgs, Origins), String> {
    let arguments: Vec<_> = std::iter::once("binlog").chain(arguments.iter().copied()).collect();
    match parse_words(&arguments, environment).map(|call| (call.parsed, call.origins)) {
        Ok((Parsed::Binlog(args), origins)) => Ok((*args, origins)),
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
    let (found, _) = settings(
        &config,
        &[("INTERCEPTOR_BINLOG_SOURCE", "mysql://variable@db"), ("INTERCEPTOR_BINLOG_ONLY", "insert,ddl")],
    )
    .unwrap();
    assert_eq!(format!("{:?}", found.source.source), "[mysql://variable@db:3306]");
    assert_eq!((found.selection.include.len(), found.source.strict, found.rows.queue_bytes), (2, true, 4 << 20));
    assert_eq!((found.rows.format, found.selection.only), (Format::Debezium, vec![Kind::Insert, Kind::Ddl]));
}

#[test]
fn switches_can_be_switched_off() {
    let on = [("INTERCEPTOR_BINLOG_PRETTY", "yes")];
    let pretty = |arguments: &[&str], environment: &[(&str, &str)]| {
        let (args, _) = settings(arguments, environment).unwrap();
        args.pretty.pretty
    };
    assert!(pretty(&[], &on) && pretty(&["--pretty"], &[]));
    assert!(!pretty(&["--pretty=false"], &on));
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
        let open = |(args, origins): (BinlogArgs, Origins)| {
            config::config(&args, &origins)?;
            outputs::open(&args, &origins).map(drop)
        };
        let error = settings(arguments, &[]).and_then(open).unwrap_err();
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

/// The lines that are said at the start.
fn notes(arguments: &[&str], environment: &[(&str, &str)]) -> Vec<String> {
    let arguments: Vec<_> = ["binlog", "--source=mysql://u@db"].into_iter().chain(arguments.iter().copied()).collect();
    let call = parse_words(&arguments, environment).map_err(|error| error.to_string()).unwrap();
    call.notes.iter().map(ToString::to_string).collect()
}

#[test]
fn what_has_no_effect_is_said() {
    for (arguments, said) in [
        (&["--redact-value=x"][..], "--redact-value: no effect, nothing is redacted: set --redact-keys"),
        (&["--server-name=x", "--schemas"], "--server-name, --schemas: no effect, it is about --format debezium"),
        (&["--kafka-topic=x"], "--kafka-topic: no effect, there is no Kafka sink: add --sink kafka"),
        (&["--parquet-layout=table"], "--parquet-layout: no effect, no sink is Parquet: add --sink parquet:DIR"),
        (&["--sink=ndjson:/x", "--ndjson-keep=2"], "--ndjson-keep: no effect, the file is never rotated"),
        (&["--tls-ca=x", "--tls-mode=required"], "--tls-ca: no effect, nothing is checked with this --tls-mode"),
        (&["--pretty", "--format=maxwell"], "--format: no effect, no sink takes it"),
        (&["--transactions"], "--transactions: no effect, it is about --format debezium and --pretty"),
        (&["--file-mode=0600"], "--file-mode: no effect, no file is written"),
    ] {
        let notes = notes(arguments, &[]);
        assert!(matches!(&notes[..], [note] if note.starts_with(said)), "{arguments:?}: {notes:?}");
    }
    let variable = [("INTERCEPTOR_BINLOG_KAFKA_TRANSACTIONAL_ID", "me")];
    let kafka = ["--sink=kafka", "--kafka-bootstrap-servers=k:9092"];
    assert_eq!(
        notes(&kafka, &variable),
        ["INTERCEPTOR_BINLOG_KAFKA_TRANSACTIONAL_ID: no effect, it is about --exactly-once"]
    );
    assert!(notes(&["--format=debezium", "--server-name=x", "--transactions", "--sink=ndjson:/x"], &[]).is_empty());
}

#[test]
fn authorities_are_heeded_unless_told_otherwise() {
    let mode = |arguments: &[&str]| {
        let arguments: Vec<_> = ["--source=mysql://u:p@db"].into_iter().chain(arguments.iter().copied()).collect();
        let config = |(args, origins): (BinlogArgs, Origins)| config::config(&args, &origins);
        match settings(&arguments, &[]).and_then(config).map(|config| config.source) {
            Ok(crate::binlog::SourceConfig::Servers(servers)) => Ok(servers[0].connect.tls.mode),
            Ok(_) => Err("files".to_owned()),
            Err(error) => Err(error),
        }
    };
    assert_eq!(mode(&[]), Ok(TlsMode::Preferred));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
    std::fs::write(&path, certificate.pem()).unwrap();
    let ca = format!("--tls-ca={}", path.display());
    assert_eq!(mode(&[&ca]), Ok(TlsMode::VerifyCa));
    assert_eq!(mode(&[&ca, "--tls-mode=verify-identity"]), Ok(TlsMode::VerifyIdentity));
    assert_eq!(mode(&["--tls-ca=/nowhere", "--tls-mode=required"]), Ok(TlsMode::Required));
    assert!(mode(&["--tls-ca=/nowhere"]).unwrap_err().starts_with("--tls-ca: cannot use /nowhere: "));
    assert!(mode(&["--tls-mode=verify-ca"]).unwrap_err().contains("needs --tls-ca"));
}
