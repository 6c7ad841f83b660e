//! What the command line, the environment and the file make of each other.

use std::time::Duration;

use super::*;
use crate::config::{Acks, Backpressure, SinkConfig};

fn proxy(arguments: &[&str], environment: &[(&str, &str)]) -> Result<ProxyConfig, String> {
    let arguments: Vec<_> = std::iter::once("proxy").chain(arguments.iter().copied()).collect();
    match parse_words(&arguments, environment) {
        Ok(Parsed::Proxy(config)) => Ok(*config),
        Ok(Parsed::Inspect(_)) => Err("inspect".to_owned()),
        Ok(Parsed::Binlog(_)) => Err("binlog".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn kafka_of(config: &ProxyConfig) -> &crate::config::KafkaConfig {
    match config.sinks.last() {
        Some(SinkConfig::Kafka(kafka)) => kafka,
        other => panic!("no Kafka but {other:?}"),
    }
}

fn file(text: &str) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("interceptor.toml");
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (directory, path)
}

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn nothing_set_gives_the_contracts_defaults() {
    let config = proxy(&[], &[]).unwrap();
    assert!(matches!(config.sinks[..], [SinkConfig::Stdout(_)]));
    assert!(config.capture.all && !config.capture.ddl && config.capture.callproc);
    assert!(config.capture.statement_logging && config.capture.include_sql && config.capture.include_params);
    assert_eq!(config.capture.max_param_length, 2048);
    assert_eq!(config.capture.max_statement_bytes, 64 << 20);
    assert_eq!(config.capture.debug, "unknown-service");
    assert_eq!(config.queue.max_messages, 10_000);
    assert_eq!(config.queue.batch_size, 500);
    assert_eq!(config.queue.flush_interval, Duration::from_millis(500));
    assert_eq!(config.queue.backpressure, Backpressure::Block);
    assert_eq!(
        (config.listen.to_string(), config.upstream.to_string()),
        ("127.0.0.1:3307".into(), "127.0.0.1:3306".into())
    );
}

#[test]
fn bootstrap_servers_switch_kafka_on_with_the_contracts_defaults() {
    let config = proxy(&[], &[("INTERCEPTOR_KAFKA_BOOTSTRAP_SERVERS", "k:9092")]).unwrap();
    let kafka = kafka_of(&config);
    assert_eq!(config.sinks.len(), 1);
    assert_eq!((kafka.bootstrap_servers.as_str(), kafka.topic.as_str()), ("k:9092", "MYSQL_EVENTS"));
    assert_eq!((kafka.acks, kafka.retries, kafka.linger), (Acks::All, 3, Duration::from_secs(1)));
    assert_eq!((kafka.batch_size, kafka.buffer_memory), (16_384, 33_554_432));
}

#[test]
fn flags_win_over_variables_over_the_file_over_defaults() {
    let (_directory, path) = file("kafka_topic = 'F'\nworkers = 3\ncapture_all = false\nkafka_acks = 1\n");
    let environment =
        [("INTERCEPTOR_CONFIG", path.as_str()), ("INTERCEPTOR_KAFKA_TOPIC", "E"), ("INTERCEPTOR_WORKERS", "2")];
    let config = proxy(&["--kafka-topic", "C", "--kafka-bootstrap-servers=k"], &environment).unwrap();
    assert_eq!((kafka_of(&config).topic.as_str(), config.workers, config.capture.all), ("C", 2, false));
    assert_eq!(kafka_of(&config).acks, Acks::Leader);
}

#[test]
fn sinks_are_repeatable_and_comma_separated_in_every_layer() {
    let config =
        proxy(&["--sink", "ndjson:/tmp/a,stdout", "--sink=ndjson:/tmp/b", "--kafka-bootstrap-servers=k"], &[]).unwrap();
    assert_eq!(config.sinks.len(), 4);
    let config = proxy(&[], &[("INTERCEPTOR_SINK", "ndjson:/tmp/a, stdout")]).unwrap();
    assert_eq!(config.sinks.len(), 2);
    let (_directory, path) =
        file("sink = ['ndjson:/tmp/a', 'stdout']\n[kafka_option]\n'client.id' = 'x'\n'socket.timeout.ms' = 5");
    let config = proxy(&["--config", &path, "--kafka-bootstrap-servers=k"], &[]).unwrap();
    assert_eq!(config.sinks.len(), 3);
    assert_eq!(kafka_of(&config).options.len(), 2);
    let options = ("INTERCEPTOR_KAFKA_OPTION", "sasl.username=a\nsasl.password=b,c\n");
    let config = proxy(&["--kafka-bootstrap-servers=k"], &[options]).unwrap();
    assert_eq!(kafka_of(&config).options.len(), 2);
}

#[test]
fn a_wrong_value_is_said_with_its_origin_and_what_is_allowed() {
    for (name, value, allowed) in [
        ("INTERCEPTOR_KAFKA_ACKS", "2", "all, 0, 1"),
        ("INTERCEPTOR_KAFKA_RETRIES", "-1", "0..=2147483647"),
        ("INTERCEPTOR_CAPTURE_ALL", "maybe", "true or false"),
        ("INTERCEPTOR_BACKPRESSURE", "wait", "block, drop"),
        ("INTERCEPTOR_PUBLISH_QUEUE_MAXSIZE", "0", "at least 1"),
        ("INTERCEPTOR_PUBLISH_FLUSH_INTERVAL_S", "soon", "seconds"),
        ("INTERCEPTOR_KAFKA_TOPIC", "a b", "a-z"),
        ("DEBUGQUERYINTERCEPTOR_STATEMENTLOGGING", "2", "true or false"),
        ("INTERCEPTOR_KAFKA_ADAPTIVE_PARTITIONING_ENABLED", "x", "true or false"),
        ("INTERCEPTOR_ENABLE_QUEUEING_PUBLISHER", "x", "true or false"),
        ("INTERCEPTOR_LISTEN", "nowhere", "socket address"),
    ] {
        let error = proxy(&[], &[(name, value)]).unwrap_err();
        assert!(error.starts_with(&format!("{name}: {value:?} is not allowed: ")), "{error}");
        assert!(error.contains(allowed), "{error}");
    }
    let error = proxy(&["--kafka-acks=3"], &[("INTERCEPTOR_KAFKA_ACKS", "4")]).unwrap_err();
    assert!(error.starts_with("--kafka-acks: \"3\""), "{error}");
    let (_directory, path) = file("kafka_acks = 5");
    let error = proxy(&["--config", &path], &[]).unwrap_err();
    assert!(error.starts_with(&format!("kafka_acks in {path}: \"5\"")), "{error}");
}

#[test]
fn empty_variables_count_as_not_set() {
    let environment =
        [("INTERCEPTOR_KAFKA_ACKS", ""), ("INTERCEPTOR_KAFKA_BOOTSTRAP_SERVERS", ""), ("INTERCEPTOR_REDACT_KEYS", "")];
    assert!(matches!(proxy(&[], &environment).unwrap().sinks[..], [SinkConfig::Stdout(_)]));
}

#[test]
fn what_is_not_built_is_refused_by_the_name_it_was_set_with() {
    for (name, value) in [
        ("INTERCEPTOR_BUFFER_UNTIL_COMMIT", "true"),
        ("INTERCEPTOR_REDACT_KEYS", "password"),
        ("INTERCEPTOR_REDACT_VALUE", "***"),
        ("DEBUGQUERYINTERCEPTOR_INLINEDEBUG", "1"),
        ("INTERCEPTOR_SPLIT_VALUES", "yes"),
    ] {
        let error = proxy(&[], &[(name, value)]).unwrap_err();
        assert!(error.starts_with(&format!("{name}: ")) && error.contains("not built yet"), "{error}");
    }
    let error = proxy(&["--session-probe=inject"], &[]).unwrap_err();
    assert!(error.starts_with("--session-probe: "), "{error}");
    for allowed in ["--session-probe=off", "--buffer-until-commit=false", "--inline-debug=no", "--split-values=off"] {
        assert!(proxy(&[allowed], &[]).is_ok(), "{allowed}");
    }
}

#[test]
fn settings_that_need_each_other() {
    for (arguments, message) in [
        (&["--tls-cert=a"][..], "--tls-cert: needs --tls-key too"),
        (&["--tls-key=a"], "--tls-key: needs --tls-cert too"),
        (&["--upstream-tls-verify=full"], "--upstream-tls-verify: needs --upstream-ca too"),
        (&["--sink=kafka"], "--sink: kafka needs --kafka-bootstrap-servers too"),
        (&["--sink=ndjson:"], "--sink: \"ndjson:\" is not allowed: expected stdout, ndjson:PATH or kafka"),
        (&["--sink=stdout,stdout"], "--sink: stdout is given twice"),
    ] {
        assert_eq!(proxy(arguments, &[]).unwrap_err(), message);
    }
}

#[test]
fn a_wrong_file_is_said_well() {
    let (_directory, path) = file("kafka_topics = 'X'");
    let error = proxy(&["--config", &path], &[]).unwrap_err();
    assert!(error.ends_with("has the unknown key \"kafka_topics\"; did you mean \"kafka_topic\"?"), "{error}");
    let (_directory, path) = file("workers = 1\nkafka_option = [ 'sasl.password=hunter2'\nx");
    let error = proxy(&["--config", &path], &[]).unwrap_err();
    assert!(error.contains("line ") && !error.contains("hunter2"), "{error}");
    let error = proxy(&["--config=/nowhere.toml"], &[]).unwrap_err();
    assert!(error.starts_with("cannot read the configuration file /nowhere.toml: No such file"), "{error}");
}

#[test]
fn secrets_are_never_shown() {
    let error = proxy(&["--kafka-option", "sasl.password:hunter2"], &[]).unwrap_err();
    assert!(error.starts_with("--kafka-option: expected KEY=VALUE") && !error.contains("hunter2"), "{error}");
    let config = proxy(&["--kafka-option=sasl.password=hunter2", "--kafka-bootstrap-servers=k"], &[]).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn booleans_may_stand_alone_on_the_command_line() {
    assert!(proxy(&["--capture-ddl"], &[]).unwrap().capture.ddl);
    assert!(proxy(&["--capture-ddl=on", "--listen", "[::]:1"], &[]).unwrap().capture.ddl);
}

#[test]
fn help_shows_the_defaults_not_the_environment() {
    let error = proxy(&["--help"], &[("INTERCEPTOR_KAFKA_TOPIC", "MINE")]).unwrap_err();
    assert!(error.contains("[default: MYSQL_EVENTS]") && error.contains("[env: INTERCEPTOR_KAFKA_TOPIC"), "{error}");
    assert!(!error.contains("MINE"));
}

#[test]
fn every_setting_has_a_variable_and_a_group() {
    let command = Cli::command();
    let proxy = command.find_subcommand("proxy").unwrap();
    for argument in proxy.get_arguments().filter(|argument| !["help", "config"].contains(&argument.get_id().as_str())) {
        assert!(argument.get_env().is_some(), "{argument}");
        assert!(argument.get_help_heading().is_some(), "{argument}");
        assert_eq!(argument.get_long().unwrap().replace('-', "_"), argument.get_id().as_str());
    }
}
