//! What the command line, the environment and the file make of each other.

use std::collections::HashMap;
use std::time::Duration;

use super::*;
use crate::deliver::{Acks, Backpressure, SinkConfig};

fn plan(arguments: &[&str], environment: &[(&str, &str)]) -> Result<proxy::Plan, String> {
    let arguments: Vec<_> = std::iter::once("proxy").chain(arguments.iter().copied()).collect();
    match parse_words(&arguments, environment).map(|call| call.parsed) {
        Ok(Parsed::Proxy(plan, _)) => Ok(*plan),
        Ok(_) => Err("another subcommand".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn kafka_of(config: &proxy::Plan) -> &crate::deliver::KafkaConfig {
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
    command().debug_assert();
}

#[test]
fn nothing_set_gives_the_contracts_defaults() {
    let config = plan(&[], &[]).unwrap();
    assert!(matches!(config.sinks[..], [SinkConfig::Stdout(_)]));
    assert!(config.proxy.capture.all && !config.proxy.capture.ddl && config.proxy.capture.callproc);
    assert!(
        config.proxy.capture.statement_logging
            && config.proxy.capture.include_sql
            && config.proxy.capture.include_params
    );
    assert_eq!(config.proxy.capture.max_param_length, 2048);
    assert_eq!(config.proxy.capture.max_statement_bytes, 64 << 20);
    assert_eq!(config.proxy.capture.debug, "unknown-service");
    assert_eq!(config.queue.max_messages, 10_000);
    assert_eq!(config.queue.batch_size, 500);
    assert_eq!(config.queue.flush_interval, Duration::from_millis(500));
    assert_eq!(config.queue.backpressure, Backpressure::Block);
    assert_eq!(
        (config.listen[0].to_string(), config.proxy.upstream.to_string()),
        ("127.0.0.1:3307".into(), "127.0.0.1:3306".into())
    );
}

#[test]
fn bootstrap_servers_switch_kafka_on_with_the_contracts_defaults() {
    let config = plan(&[], &[("INTERCEPTOR_KAFKA_BOOTSTRAP_SERVERS", "k:9092")]).unwrap();
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
    let config = plan(&["--kafka-topic", "C", "--kafka-bootstrap-servers=k:9092"], &environment).unwrap();
    assert_eq!((kafka_of(&config).topic.as_str(), config.proxy.workers, config.proxy.capture.all), ("C", 2, false));
    assert_eq!(kafka_of(&config).acks, Acks::Leader);
}

#[test]
fn sinks_are_repeatable_and_comma_separated_in_every_layer() {
    let config =
        plan(&["--sink", "ndjson:/tmp/a,stdout", "--sink=ndjson:/tmp/b", "--kafka-bootstrap-servers=k:9092"], &[])
            .unwrap();
    assert_eq!(config.sinks.len(), 4);
    let config = plan(&[], &[("INTERCEPTOR_SINK", "ndjson:/tmp/a, stdout")]).unwrap();
    assert_eq!(config.sinks.len(), 2);
    let (_directory, path) =
        file("sink = ['ndjson:/tmp/a', 'stdout']\n[kafka_option]\n'client.id' = 'x'\n'socket.timeout.ms' = 5");
    let config = plan(&["--config", &path, "--kafka-bootstrap-servers=k:9092"], &[]).unwrap();
    assert_eq!(config.sinks.len(), 3);
    assert_eq!(kafka_of(&config).options.len(), 2);
    let options = ("INTERCEPTOR_KAFKA_OPTION", "sasl.username=a\nsasl.password=b,c\n");
    let config = plan(&["--kafka-bootstrap-servers=k:9092"], &[options]).unwrap();
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
        let error = plan(&[], &[(name, value)]).unwrap_err();
        assert!(error.starts_with(&format!("{name}: {value:?} is not allowed: ")), "{error}");
        assert!(error.contains(allowed), "{error}");
    }
    let error = plan(&["--kafka-acks=3"], &[("INTERCEPTOR_KAFKA_ACKS", "4")]).unwrap_err();
    assert!(error.starts_with("--kafka-acks: \"3\""), "{error}");
    let (_directory, path) = file("kafka_acks = 5");
    let error = plan(&["--config", &path], &[]).unwrap_err();
    assert!(
        error.starts_with(&format!("kafka_acks in {path}, line 1: expected all, 0, 1, got the integer 5")),
        "{error}"
    );
}

#[test]
fn empty_variables_count_as_not_set() {
    let environment =
        [("INTERCEPTOR_KAFKA_ACKS", ""), ("INTERCEPTOR_KAFKA_BOOTSTRAP_SERVERS", ""), ("INTERCEPTOR_REDACT_KEYS", "")];
    assert!(matches!(plan(&[], &environment).unwrap().sinks[..], [SinkConfig::Stdout(_)]));
}

#[test]
fn redaction_is_on_unless_told_otherwise() {
    let hides = |arguments: &[&str], environment: &[(&str, &str)], name: &str| {
        plan(arguments, environment).unwrap().proxy.capture.redactor.names(name)
    };
    for name in ["user_password", "PASSWD", "secret_1", "api_token"] {
        assert!(hides(&[], &[], name) && !hides(&["--redact-keys="], &[], name), "{name}");
    }
    let variable = [("INTERCEPTOR_REDACT_KEYS", "pin, Code")];
    assert!(hides(&[], &variable, "postcode") && hides(&[], &variable, "PIN") && !hides(&[], &variable, "password"));
    assert!(!hides(&[], &[("INTERCEPTOR_REDACT_KEYS", ",")], "password"));
    let (_directory, path) = file("redact_keys = [\"pin\"]\nredact_value = \"?\"");
    let redactor = plan(&["--config", &path], &[]).unwrap().proxy.capture.redactor;
    assert!(redactor.names("pin") && !redactor.names("password") && redactor.mask() == "?");
}

#[test]
fn keys_of_pseudonyms_are_secret() {
    use std::os::unix::fs::PermissionsExt;
    let (_directory, path) = file("0123456789abcde");
    let rights = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    let key_file = format!("--redact-key-file={path}");
    let hash = ["--redact-mode=hash", key_file.as_str()];
    let refused = |arguments: &[&str]| plan(arguments, &[]).unwrap_err();
    assert_eq!(refused(&hash[..1]), "--redact-mode: hash needs --redact-key-file too");
    let none = refused(&["--redact-mode=hash", "--redact-key-file=/nowhere"]);
    assert!(none.starts_with("--redact-key-file: cannot read /nowhere: "), "{none}");
    rights(0o644);
    let readable = refused(&hash);
    assert!(
        readable.starts_with(&format!("--redact-key-file: others may use {path} (rights 0644): chmod 600")),
        "{readable}"
    );
    rights(0o600);
    assert!(refused(&hash).starts_with(&format!("--redact-key-file: {path} has 15 bytes: a key has at least 16")));
    std::fs::write(&path, "").unwrap();
    assert!(refused(&hash).contains("has 0 bytes"));
    std::fs::write(&path, "0123456789abcdef").unwrap();
    let plan = plan(&hash, &[]).unwrap();
    assert!(plan.proxy.capture.redactor.has_pseudonyms() && !format!("{plan:?}").contains("0123456789abcdef"));
    assert_eq!(
        notes(&["proxy", &key_file], &[]),
        ["--redact-key-file: no effect, nothing becomes a pseudonym: set --redact-mode=hash"]
    );
    let unknown = refused(&["--redact-mode=rot13"]);
    assert_eq!(unknown, "--redact-mode: \"rot13\" is not allowed: expected mask, hash");
}

#[test]
fn settings_that_need_each_other() {
    for (arguments, message) in [
        (&["--tls-cert=a"][..], "--tls-cert: needs --tls-key too"),
        (&["--tls-key=a"], "--tls-key: needs --tls-cert too"),
        (
            &["--inline-debug=true", "--tls=passthrough"],
            "--inline-debug: sessions with TLS that is passed through would have no comments: --tls terminate or strip",
        ),
        (&["--upstream-tls-verify=full"], "--upstream-tls-verify: needs --upstream-ca too"),
        (
            &["--kafka-bootstrap-servers=k"],
            "--kafka-bootstrap-servers: \"k\" is not allowed: \"k\" has no port; expected HOST:PORT, comma-separated",
        ),
        (
            &["--log-level=verbose"],
            "--log-level: \"verbose\" is not allowed: expected error, warn, info, debug, trace, off, or a filter such as info,librdkafka=debug; \"verbose\" is not a level",
        ),
        (
            &["--file-mode=640x"],
            "--file-mode: \"640x\" is not allowed: expected rights as chmod takes them in octal, such as 0640",
        ),
        (&["--sink=kafka"], "--sink: kafka needs --kafka-bootstrap-servers too"),
        (&["--sink=ndjson:"], "--sink: \"ndjson:\" is not allowed: expected stdout, ndjson:PATH, kafka or parquet:DIR"),
        (&["--sink=stdout,stdout"], "--sink: stdout is given twice"),
    ] {
        assert_eq!(plan(arguments, &[]).unwrap_err(), message);
    }
}

#[test]
fn a_wrong_file_is_said_well() {
    let (_directory, path) = file("kafka_topics = 'X'");
    let error = plan(&["--config", &path], &[]).unwrap_err();
    assert!(
        error.ends_with("has the unknown key \"kafka_topics\" in line 1; did you mean \"kafka_topic\"?"),
        "{error}"
    );
    for (text, said) in [
        ("workers = 2\nupstream = 5", "upstream in PATH, line 2: expected a string (HOST[:PORT]), got the integer 5"),
        (
            "# a\n\nlisten = true",
            "listen in PATH, line 3: expected a string (ADDRESS:PORT), or a list of these, got the boolean true",
        ),
        ("capture_ddl = []", "capture_ddl in PATH, line 1: expected true or false, got a list"),
        ("workers = [1]", "workers in PATH, line 1: expected a number or a string (N), got a list"),
        ("workers = 'many'", "workers in PATH, line 1: \"many\" is not allowed: invalid digit found in string"),
        ("sink = { a = 1 }", "sink in PATH, line 1: expected a string (SINK), or a list of these, got a table"),
        // Octal in TOML is a number, and the rights 416 are none.
        ("file_mode = 0o640", "file_mode in PATH, line 1: expected a string (RIGHTS), got the integer 416"),
        ("tls_cert = 1979-05-27", "tls_cert in PATH, line 1: expected a string (FILE), got the date 1979-05-27"),
        (
            "[kafka_option]\nx = [1]",
            "kafka_option in PATH, line 1: expected a table, or a string (KEY=VALUE), or a list of these, got a list",
        ),
        ("[upstream]\nhost = 'db'", "upstream in PATH, line 1: expected a string (HOST[:PORT]), got a table"),
    ] {
        let (_directory, path) = file(text);
        assert_eq!(plan(&["--config", &path], &[]).unwrap_err(), said.replace("PATH", &path));
    }
    let (_directory, path) = file("kafka_option = 17");
    let error = plan(&["--config", &path], &[]).unwrap_err();
    // The file's own name is made at random.
    assert!(error.ends_with("got the integer") && !error.replace(&path, "").contains("17"), "{error}");
    let (_directory, path) = file("workers = 1\nkafka_option = [ 'sasl.password=hunter2'\nx");
    let error = plan(&["--config", &path], &[]).unwrap_err();
    assert!(error.contains("line ") && !error.contains("hunter2"), "{error}");
    let error = plan(&["--config=/nowhere.toml"], &[]).unwrap_err();
    assert!(error.starts_with("cannot read the configuration file /nowhere.toml: No such file"), "{error}");
}

#[test]
fn secrets_are_never_shown() {
    let error = plan(&["--kafka-option", "sasl.password:hunter2"], &[]).unwrap_err();
    assert!(error.starts_with("--kafka-option: expected KEY=VALUE") && !error.contains("hunter2"), "{error}");
    let config = plan(&["--kafka-option=sasl.password=hunter2", "--kafka-bootstrap-servers=k:9092"], &[]).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn booleans_may_stand_alone_on_the_command_line() {
    assert!(plan(&["--capture-ddl"], &[]).unwrap().proxy.capture.ddl);
    assert!(plan(&["--capture-ddl=on", "--listen", "[::]:1"], &[]).unwrap().proxy.capture.ddl);
}

#[test]
fn help_shows_the_defaults_not_the_environment() {
    let error = plan(&["--help"], &[("INTERCEPTOR_KAFKA_TOPIC", "MINE")]).unwrap_err();
    assert!(error.contains("[default: MYSQL_EVENTS]") && error.contains("[env: INTERCEPTOR_KAFKA_TOPIC"), "{error}");
    assert!(!error.contains("MINE"));
}

#[test]
fn every_setting_has_a_variable_and_a_group() {
    let command = command();
    let proxy = command.find_subcommand("proxy").unwrap();
    for argument in proxy.get_arguments().filter(|argument| !["help", "config"].contains(&argument.get_id().as_str())) {
        assert!(argument.get_env().is_some(), "{argument}");
        assert!(argument.get_help_heading().is_some(), "{argument}");
        assert_eq!(argument.get_long().unwrap().replace('-', "_"), argument.get_id().as_str());
    }
}

/// The lines that are said at the start.
fn notes(arguments: &[&str], environment: &[(&str, &str)]) -> Vec<String> {
    let call = parse_words(arguments, environment).map_err(|error| error.to_string()).unwrap();
    call.notes.iter().map(ToString::to_string).collect()
}

#[test]
fn what_has_no_effect_is_said() {
    for (arguments, said) in [
        (&["--kafka-topic=x"][..], "--kafka-topic: no effect, there is no Kafka sink: set --kafka-bootstrap-servers"),
        (&["--kafka-option=a=b", "--kafka-acks=1"], "--kafka-acks, --kafka-option: no effect, there is no Kafka sink"),
        (
            &["--tls=strip", "--tls-cert=c", "--tls-key=k"],
            "--tls-cert, --tls-key: no effect, the proxy takes part in TLS only",
        ),
        (&["--tls=passthrough", "--upstream-ca=c"], "--upstream-ca: no effect, the proxy takes part in TLS only"),
        (&["--upstream-ca=c", "--upstream-tls-verify=none"], "--upstream-ca: no effect, nothing is checked"),
        (&["--ndjson-keep=3"], "--ndjson-keep: no effect, no sink is a file"),
        (&["--file-mode=0600"], "--file-mode: no effect, no sink is a file"),
        (&["--instance=a", "--sink=ndjson:/x"], "--instance: no effect, there is no Kafka sink and none of Parquet"),
        (&["--color=always"], "--color: no effect, it is about --pretty"),
        (&["--pretty", "--sink=ndjson:/x"], "--pretty: no effect, no sink is stdout"),
        (&["--capture-ddl"], "--capture-ddl: no effect, every statement becomes a message"),
        (&["--statement-logging=false", "--capture-ddl"], "--capture-ddl: no effect, there are no messages"),
        (&["--debug-value=a", "--service-name=b"], "--service-name: no effect, the field debug is --debug-value"),
        (&["--enable-queueing-publisher=false"], "--enable-queueing-publisher: no effect, the proxy always queues"),
    ] {
        let notes = notes(&[&["proxy"], arguments].concat(), &[]);
        assert!(matches!(&notes[..], [note] if note.starts_with(said)), "{arguments:?}: {notes:?}");
    }
    let (_directory, path) = file("ndjson_compress = 'zstd'");
    let said =
        notes(&["proxy", "--config", &path], &[("INTERCEPTOR_KAFKA_TOPIC", "x"), ("INTERCEPTOR_KAFKA_TOPICS", "y")]);
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].contains("INTERCEPTOR_KAFKA_TOPICS") && said[0].ends_with("did you mean INTERCEPTOR_KAFKA_TOPIC?"));
    assert!(said[1].starts_with(&format!("ndjson_compress in {path}, line 1: no effect")), "{said:?}");
    assert!(said[2].starts_with("INTERCEPTOR_KAFKA_TOPIC: no effect"), "{said:?}");
    // A variable of another subcommand, and settings that do what they are for.
    let other = ("INTERCEPTOR_BINLOG_SOURCE", "mysql://u@db");
    let kafka = ["proxy", "--kafka-bootstrap-servers=k:9092", "--kafka-topic=x", "--sink=ndjson:/x", "--ndjson-keep=3"];
    assert!(notes(&kafka, &[other]).is_empty());
    assert!(notes(&["proxy", "--instance=a", "--sink=ndjson:/x", "--markers=1s"], &[]).is_empty());
    assert!(notes(&["proxy", "--upstream-ca=x", "--pretty", "--color=never"], &[]).is_empty());
    assert_eq!(
        notes(&["inspect", "--color=never"], &[]),
        ["--color: no effect, it is about --pretty, and --format table"]
    );
}

/// A setting that is new is to be thought about: does it matter on its own?
#[test]
fn rules_are_about_settings_that_exist_and_every_setting_was_thought_of() {
    let on_their_own: &[(&str, &str)] = &[
        (
            "proxy",
            "config listen upstream workers connect_timeout handshake_timeout drain_timeout tls statement_logging sink \
         kafka_bootstrap_servers backpressure publish_queue_maxsize publish_queue_bytes publish_batch_size \
         publish_flush_interval_s mirror record metrics \
         log_level log_format log_file",
        ),
        (
            "binlog",
            "source file from until checkpoint schema_history xa_dir temp_dir include exclude only drop_columns redact_keys sink pretty \
         queue_bytes exactly_once progress strict config metrics log_level log_format log_file",
        ),
        (
            "inspect",
            "sources config kafka_bootstrap_servers topic pattern debug list_topics kafka_option only skip min_duration errors grep \
         from to format top log_level log_format log_file",
        ),
        ("verify", "sources config key allow_unproven format log_level log_format log_file"),
        ("compare", "config folders merge report baseline fail_on color log_level log_format log_file"),
    ];
    let rules = |name: &str| -> Vec<&str> {
        let of_rules: Vec<&[&str]> = match name {
            "proxy" => proxy::rules().iter().map(|rule| rule.settings).collect(),
            "binlog" => binlog::rules().iter().map(|rule| rule.settings).collect(),
            "verify" => verify::rules().iter().map(|rule| rule.settings).collect(),
            "compare" => compare::rules().iter().map(|rule| rule.settings).collect(),
            _ => inspect::rules().iter().map(|rule| rule.settings).collect(),
        };
        of_rules.concat()
    };
    let command = command();
    for (name, free) in on_their_own {
        let (free, bound): (Vec<_>, _) = (free.split_whitespace().collect(), rules(name));
        let arguments = command.find_subcommand(name).unwrap().get_arguments();
        let ids: Vec<_> = arguments.map(|argument| argument.get_id().as_str()).filter(|id| *id != "help").collect();
        for id in &ids {
            assert!(free.contains(id) || bound.contains(id), "{name}: what does {id} need to have an effect?");
        }
        for id in bound.iter().chain(&free) {
            assert!(ids.contains(id), "{name}: there is no {id}");
        }
    }
}

#[test]
fn authorities_are_heeded_unless_told_otherwise() {
    use crate::proxy::UpstreamVerify;
    let verify = |arguments: &[&str]| plan(arguments, &[]).unwrap().proxy.tls.upstream_verify;
    assert_eq!(verify(&[]), UpstreamVerify::None);
    assert_eq!(verify(&["--upstream-ca=c"]), UpstreamVerify::Ca);
    assert_eq!(verify(&["--upstream-ca=c", "--upstream-tls-verify=none"]), UpstreamVerify::None);
    assert_eq!(verify(&["--upstream-ca=c", "--upstream-tls-verify=full"]), UpstreamVerify::Full);
}

/// Two screens of 50 lines and 100 columns; what is only there to be refused is not in it.
#[test]
fn the_short_help_fits_two_screens() {
    for name in ["proxy", "binlog", "decode", "inspect", "verify", "replay", "compare"] {
        let mut built = command().term_width(100);
        built.build();
        let help = parse_help(built, &[name, "-h"]);
        assert!(help.lines().count() <= 100, "{name}: {} lines\n{help}", help.lines().count());
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{name}: {help}");
        assert!(help.contains("Examples:") && !help.contains("[env:"), "{help}");
        let long = parse_help(command().term_width(100), &[name, "--help"]);
        assert!(long.contains("Examples:") && long.contains("[env: INTERCEPTOR_"), "{long}");
        assert!(!long.contains("Not built"), "{long}");
    }
}

fn parse_help(command: clap::Command, words: &[&str]) -> String {
    let arguments = std::iter::once("mysql-interceptor").chain(words.iter().copied()).map(Into::into).collect();
    match (Layers { arguments, environment: HashMap::new() }).parse(command) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("no help"),
    }
}

#[test]
fn pages_and_completions_are_made_of_the_same_table() {
    let page = generate::page(command()).unwrap();
    let page = String::from_utf8(page).unwrap();
    for words in ["upstream\\-tls\\-verify", "INTERCEPTOR_KAFKA_TOPIC", "BINLOG", "Examples"] {
        assert!(page.contains(words), "{words}");
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(matches!(parse_words(&["completions", shell], &[]).unwrap().parsed, Parsed::Completions(_)), "{shell}");
    }
}

/// Whatever is given to an option, wherever: it is accepted, or the error is one line that begins with the name it was given by.
#[test]
fn nonsense_is_named_where_it_was_given() {
    let nonsense = ["☃", "-1", "0", "99999999999999999999999", "a\u{1b}[2J\u{202e},b", "==:{"];
    let typed = ["5", "true", "[[1]]", "{ a = { b = 1 } }", "1979-05-27T07:32:00Z", "-0.5", "''"];
    let mut wrong = Vec::new();
    let mut check = |words: &[&str], environment: &[(&str, &str)], named: &str| {
        let Err(error) = parse_words(words, environment) else { return };
        let error = error.to_string();
        let is_harmless = !error.chars().any(|c| c.is_control() || c == '\u{202e}');
        if !(error.starts_with(named) && is_harmless) {
            wrong.push(format!("{words:?} {environment:?}: {error:?}"));
        }
    };
    let command = command();
    for name in ["proxy", "binlog", "inspect", "verify", "replay"] {
        for argument in command.find_subcommand(name).unwrap().get_arguments() {
            let id = argument.get_id().as_str();
            let Some(long) = argument.get_long().filter(|_| id != "config" && argument.get_action().takes_values())
            else {
                continue;
            };
            for value in nonsense {
                check(&[name, &format!("--{long}={value}")], &[], &format!("--{long}"));
                if let Some(variable) = argument.get_env().and_then(|variable| variable.to_str()) {
                    check(&[name], &[(variable, value)], variable);
                }
            }
            for value in typed.iter().filter(|_| !["inspect", "verify"].contains(&name)) {
                let (_directory, path) = file(&format!("{id} = {value}"));
                check(&[name, "--config", &path], &[], &format!("{id} in {path}, line 1"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `INTERCEPTOR_BLESS=1 cargo test options_md` writes it.
#[test]
fn options_md_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/options.md");
    let wanted = generate::options(&command());
    if std::env::var_os("INTERCEPTOR_BLESS").is_some() {
        std::fs::write(path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(found == wanted, "docs/options.md is out of date: INTERCEPTOR_BLESS=1 cargo test options_md writes it");
}

fn configuration(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    match parse_words(arguments, environment).map(|call| call.parsed) {
        Ok(Parsed::Config(text)) => text,
        Ok(_) => panic!("another subcommand"),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn the_effective_configuration_names_the_source_of_each_value() {
    let (_directory, path) = file("workers = 3\nkafka_topic = 'FILE'\nsink = ['stdout', 'ndjson:/tmp/a']");
    let arguments =
        ["config", "proxy", "--config", &path, "--capture-ddl", "--capture-all=no", "--kafka-bootstrap-servers=k:9092"];
    let secret = ("INTERCEPTOR_KAFKA_OPTION", "sasl.password=hunter2\nlinger.ms=7");
    let text = configuration(&arguments, &[("INTERCEPTOR_KAFKA_TOPIC", "E"), secret]);
    for line in [
        &format!("# --config {path}  (--config)"),
        "listen = [\"127.0.0.1:3307\"]  # default",
        &format!("workers = 3  # {path}, line 1"),
        "kafka_topic = \"E\"  # INTERCEPTOR_KAFKA_TOPIC",
        "capture_ddl = true  # --capture-ddl",
        "capture_all = false  # --capture-all",
        "kafka_option = [\"sasl.password=***\", \"linger.ms=7\"]  # INTERCEPTOR_KAFKA_OPTION",
        &format!("sink = [\"stdout\", \"ndjson:/tmp/a\"]  # {path}, line 3"),
        "# tls_cert is not set",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(!text.contains("hunter2"), "{text}");
    // It is a configuration file that says the same.
    let (_directory, copy) = file(&text);
    let words = |text: &str| -> Vec<_> {
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split("  #").next().map(str::to_owned))
            .collect()
    };
    assert_eq!(words(&configuration(&["config", "proxy", "--config", &copy], &[])), words(&text));
}

#[test]
fn the_effective_configuration_of_every_subcommand_is_json_too() {
    let source = ("INTERCEPTOR_BINLOG_SOURCE", "mysql://repl:p@ss/word@db:3306");
    let text = configuration(&["config", "--format", "json"], &[source]);
    let all: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(all["binlog"]["source"]["value"], serde_json::json!(["mysql://repl:***@db:3306"]));
    assert_eq!(all["binlog"]["source"]["source"], serde_json::json!({"layer": "variable", "name": source.0}));
    assert_eq!(all["proxy"]["workers"]["value"], 0);
    assert_eq!(all["proxy"]["tls_cert"]["value"], serde_json::Value::Null);
    assert_eq!(all["inspect"]["bootstrap_servers"]["value"], "127.0.0.1:9092");
    let text = configuration(&["config", "--format=json", "binlog", "--format", "maxwell"], &[]);
    let binlog: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(binlog["binlog"]["format"]["source"], serde_json::json!({"layer": "flag", "name": "--format"}));
}

/// Files of the version before keys were derived from the table.
#[test]
fn configuration_files_of_an_earlier_version_are_read() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/config");
    for name in ["proxy", "binlog"] {
        let path = format!("{folder}/{name}-0.1.toml");
        let call = parse_words(&[name, "--config", &path], &[]).map_err(|error| error.to_string()).unwrap();
        assert!(call.notes.is_empty(), "{:?}", call.notes);
        // Every key of the file is known, and says what it said.
        let text = std::fs::read_to_string(&path).unwrap();
        let keys: toml::Table = text.parse().unwrap();
        let effective = configuration(&["config", name, "--config", &path], &[]);
        for key in keys.keys() {
            assert!(effective.contains(&format!("\n{key} = ")), "{name}: {key}\n{effective}");
        }
    }
}

#[test]
fn inspect_reads_a_configuration_file_and_the_upper_layer_counts() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/config/inspect.toml");
    let text = configuration(&["config", "inspect", "--config", path], &[]);
    for line in
        ["bootstrap_servers = \"kafka:9092\"", "pattern = \"^cdc[.]\"", "tail = 20", "pretty = true", "follow = true"]
    {
        assert!(text.contains(&format!("{line}  # {path}, line ")), "{line}\n{text}");
    }
    let inspect = |arguments: &[&str]| {
        let arguments = [&["inspect", "--config", path], arguments].concat();
        match parse_words(&arguments, &[]).map(|call| call.parsed) {
            Ok(Parsed::Inspect(args)) => args.chosen(),
            _ => panic!("not inspect"),
        }
    };
    assert_eq!(inspect(&[]), (Vec::new(), true, Some(20)));
    assert_eq!(inspect(&["--topic=T", "--from-beginning"]), (vec!["T".to_owned()], false, None));
}

/// What README says of options is true of some subcommand.
#[test]
fn readme_names_options_that_exist() {
    let readme = include_str!("../../README.md");
    let command = command();
    for line in readme.lines().filter(|line| line.starts_with("| `--") && line.contains("INTERCEPTOR_")) {
        let flag = line.trim_start_matches("| `--").split('`').next().unwrap();
        assert!(
            command
                .get_subcommands()
                .any(|subcommand| subcommand.get_arguments().any(|argument| argument.get_long() == Some(flag))),
            "README has --{flag}, which does not exist"
        );
    }
}
