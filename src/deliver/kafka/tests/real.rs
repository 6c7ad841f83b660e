//! What only a real broker can show: that committed rows are there once, that an older instance is ended, and how fast it is.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};

use crate::binlog::{Checkpoint, KafkaRows, RowsKafkaConfig};
use crate::deliver::batch::batch_of;
use crate::deliver::kafka::tests::*;

/// A name that no earlier test has used.
fn fresh(name: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    format!("{name}_{}_{}", std::process::id(), now.as_nanos())
}

fn broker() -> Option<String> {
    std::env::var("INTERCEPTOR_TEST_KAFKA").ok()
}

fn open(servers: &str, name: &str) -> Result<KafkaRows, SinkError> {
    let config = RowsKafkaConfig {
        bootstrap_servers: servers.to_owned(),
        topic: name.parse().unwrap(),
        transaction_topic: None,
        on_refused: OnRefused::Fail,
        exactly_once: Some(TransactionSettings {
            transactional_id: name.to_owned(),
            checkpoint_topic: format!("{name}_CP"),
        }),
        options: Vec::new(),
    };
    config.open()
}

/// These numbers as rows, one per source transaction, each with its checkpoint.
fn numbers(name: &str, range: std::ops::Range<u64>) -> Batch {
    let checkpoint_topic = format!("{name}_CP");
    let mut batch = Batch::new();
    for number in range {
        let checkpoint = Checkpoint { file: "f".into(), offset: number + 1, ..Checkpoint::default() };
        let checkpoint = serde_json::to_string(&checkpoint).unwrap();
        let messages =
            rows(&[(name, &(number % 7).to_string(), &number.to_string()), (&checkpoint_topic, name, &checkpoint)]);
        batch.extend_from(&messages, 0..2);
    }
    batch
}

#[test]
fn the_last_checkpoint_is_found_and_an_older_instance_is_ended() {
    let Some(servers) = broker() else { return };
    let name = fresh("FENCE");
    let first = open(&servers, &name).unwrap();
    assert_eq!(first.checkpoint, None);
    let (mut old, mut counter) = (first.sink, Arc::new(SinkCounter::new("kafka".to_owned())));
    old.attach(&counter);
    write_all(&mut *old, &numbers(&name, 0..10));
    old.flush(in_a_minute()).unwrap();
    assert_eq!(delivered(&*old, &counter), 20);
    // Started, but never committed.
    write_all(&mut *old, &rows(&[(&name, "1", "half")]));
    let second = open(&servers, &name).unwrap();
    assert_eq!(second.checkpoint, Some(Checkpoint { file: "f".into(), offset: 10, ..Checkpoint::default() }));
    // The older one notices at the next attempt.
    let deadline = in_a_minute();
    let error = loop {
        assert!(Instant::now() < deadline);
        match old.write(&numbers(&name, 10..11), 0) {
            Err(error) if error.ends_sink() => break error.to_string(),
            _ => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    assert!(error.contains("each needs one of its own"), "{error}");
    let mut new = second.sink;
    counter = Arc::new(SinkCounter::new("kafka".to_owned()));
    new.attach(&counter);
    write_all(&mut *new, &numbers(&name, 10..12));
    new.flush(in_a_minute()).unwrap();
    let found = consume(&servers, &name, 1);
    assert_eq!(values(&found), (0..12).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_failed_transaction_leaves_no_trace() {
    let Some(servers) = broker() else { return };
    let name = fresh("ABORT");
    let mut sink = open(&servers, &name).unwrap().sink;
    let counter = Arc::new(SinkCounter::new("kafka".to_owned()));
    sink.attach(&counter);
    // The part without an end is aborted; what comes before it is there.
    let mut batch = numbers(&name, 0..5);
    batch.extend_from(&rows(&[(&name, "1", "half")]), 0..1);
    write_all(&mut *sink, &batch);
    assert!(matches!(
        sink.flush(Instant::now() + Duration::from_secs(20)),
        Err(SinkError::Undelivered { messages: 1, .. })
    ));
    assert_eq!(values(&consume(&servers, &name, 1)), ["0", "1", "2", "3", "4"]);
    assert_eq!(open(&servers, &name).unwrap().checkpoint.map(|checkpoint| checkpoint.offset), Some(5));
}

/// Run by the test below as a process of its own: writes numbers, starting at the checkpoint, until it is killed.
#[test]
fn writer() {
    let (Ok(servers), Ok(name)) = (std::env::var("WRITER_SERVERS"), std::env::var("WRITER_NAME")) else { return };
    let last: u64 = std::env::var("WRITER_LAST").unwrap().parse().unwrap();
    let KafkaRows { mut sink, checkpoint } = open(&servers, &name).unwrap();
    let mut next = checkpoint.map_or(0, |checkpoint| checkpoint.offset);
    eprintln!("\nbegins with {next}");
    while next < last {
        let end = (next + 200).min(last);
        write_all(&mut *sink, &numbers(&name, next..end));
        next = end;
    }
    sink.flush(in_a_minute()).unwrap();
    eprintln!("\nwritten");
}

#[test]
fn rows_of_a_writer_that_is_killed_again_and_again_are_there_once() {
    let Some(servers) = broker() else { return };
    let name = fresh("KILL");
    let kills: u64 = std::env::var("INTERCEPTOR_TEST_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(8);
    let last = 1_000_000;
    let spawn = |last: u64| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "deliver::kafka::tests::real::writer", "--nocapture", "--test-threads=1"])
            .envs([("WRITER_SERVERS", &servers), ("WRITER_NAME", &name)])
            .env("WRITER_LAST", last.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let mut starts = Vec::new();
    let mut seed = u64::from(std::process::id());
    for _ in 0..kills {
        let mut child = spawn(last);
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let begins = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("begins with ").map(str::to_owned));
        starts.push(begins.expect("a start").parse::<u64>().unwrap());
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_millis(seed >> 33 & 1023));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let KafkaRows { sink, checkpoint } = open(&servers, &name).unwrap();
    drop(sink);
    let last = checkpoint.map_or(0, |checkpoint| checkpoint.offset) + 500;
    assert!(spawn(last).wait_with_output().unwrap().status.success());
    assert!(starts.is_sorted() && starts.last() > starts.first(), "nothing was committed: {starts:?}");
    let found = consume(&servers, &name, 1);
    let expected: Vec<String> = (0..last).map(|number| number.to_string()).collect();
    assert!(values(&found) == expected, "{} rows, {last} expected; starts {starts:?}", found.len());
}

/// Prints rows a second; run with INTERCEPTOR_TEST_ROWS=540000 and `--nocapture`.
#[test]
fn speed() {
    let (Some(servers), Ok(count)) = (broker(), std::env::var("INTERCEPTOR_TEST_ROWS")) else { return };
    let count: usize = count.parse().unwrap();
    let partitions: i32 = std::env::var("INTERCEPTOR_TEST_PARTITIONS").map_or(1, |text| text.parse().unwrap());
    let in_flight = std::env::var("INTERCEPTOR_TEST_IN_FLIGHT").map_or(4 << 20, |text| text.parse().unwrap());
    let options = std::env::var("INTERCEPTOR_TEST_OPTIONS").unwrap_or_default();
    let options = options.split_whitespace().map(|option| option.parse().unwrap()).collect();
    let once = std::env::var("INTERCEPTOR_TEST_ONCE").is_ok();
    let name = fresh("SPEED");
    make_topic(&servers, &name, partitions);
    let config = RowsSinkConfig {
        bootstrap_servers: servers,
        topic: name.clone(),
        in_flight_bytes: in_flight,
        transactions: once
            .then(|| TransactionSettings { transactional_id: name.clone(), checkpoint_topic: format!("{name}_CP") }),
        on_refused: OnRefused::Fail,
        options,
    };
    let (topic, checkpoints): (Arc<str>, Arc<str>) = (name.as_str().into(), format!("{name}_CP").into());
    // Rows with about the entropy of real ones.
    let mut batches = Vec::new();
    for number in 0..4_u64 {
        let mut batch = Batch::new();
        for row in 0..1400_u64 {
            let id = (number * 1400 + row).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let image = format!(
                r#"{{"id":{row},"customer":{},"name":"customer {:x}","price":"{}.{:02}","at":"2026-11-21 12:{:02}:{:02}","note":"{:016x}{:016x}","state":"paid"}}"#,
                id % 100_000,
                id >> 20,
                id % 997,
                id % 100,
                id % 60,
                id % 59,
                id,
                !id
            );
            let message = format!(
                r#"{{"type":"update","database":"shop","table":"orders","before":{image},"after":{image},"primaryKey":{{"id":{row}}},"timestamp":1795260000000,"gtid":"3E11FA47-71CA-11E1-9E33-C80AA9429562:{number}","position":{{"file":"binlog.000002","offset":1234}},"serverId":1,"threadId":8,"xid":77,"rowIndex":{row}}}"#
            );
            let pushed = batch.push_routed(Some(&topic), |value, key| {
                value.extend_from_slice(message.as_bytes());
                key.extend_from_slice(format!(r#"{{"id":{row}}}"#).as_bytes());
                Ok::<(), ()>(())
            });
            pushed.unwrap();
        }
        if once {
            batch.extend_from(&rows(&[(&checkpoints, "me", "{}")]), 0..1);
        }
        batches.push(batch);
    }
    let (mut sink, counter): (Box<dyn Sink>, _) = {
        let counter = Arc::new(SinkCounter::new("kafka".to_owned()));
        let mut sink: Box<dyn Sink> = if once {
            Box::new(ExactlyOnceSink::open(&config).unwrap())
        } else {
            Box::new(KafkaSink::open_rows(&config).unwrap())
        };
        sink.attach(&counter);
        (sink, counter)
    };
    let (began, before) = (Instant::now(), cpu_ticks());
    let (mut written, mut bytes) = (0, 0);
    while written < count {
        for batch in &batches {
            write_all(&mut *sink, batch);
            written += batch.len();
            bytes += batch.byte_len();
        }
    }
    sink.flush(Instant::now() + Duration::from_secs(60)).unwrap();
    let seconds = began.elapsed().as_secs_f64();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    assert_eq!(delivered(&*sink, &counter), written as u64);
    println!(
        "{written} rows of {} bytes in {seconds:.2} s: {:.0} rows/s, our CPU {:.2} s, {peak}",
        bytes / written,
        written as f64 / seconds,
        (cpu_ticks() - before) as f64 / 100.0
    );
}

fn make_topic(servers: &str, name: &str, partitions: i32) {
    let client: AdminClient<_> = client_options(servers, &[], &[]).create().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    runtime.block_on(client.create_topics([&topic], &AdminOptions::new())).unwrap();
}

/// Prints the CPU that each sink uses while the broker hangs; with INTERCEPTOR_TEST_KAFKA_PID and `--nocapture`.
#[test]
fn a_broker_that_hangs() {
    let (Some(servers), Ok(pid)) = (broker(), std::env::var("INTERCEPTOR_TEST_KAFKA_PID")) else { return };
    for kind in ["rows", "exactly once", "statements"] {
        let name = fresh("HANG");
        make_topic(&servers, &name, 1);
        let (mut sink, counter) = opened(kind, &servers, &name);
        let large = "x".repeat(1000);
        let checkpoints = format!("{name}_CP");
        let mut batch = match kind {
            "statements" => batch_of(&[(1, large.as_str()); 1000]),
            "rows" => rows(&[(name.as_str(), "k", large.as_str()); 1000]),
            _ => {
                let mut messages = vec![(name.as_str(), "k", large.as_str()); 999];
                messages.push((&checkpoints, "me", "{}"));
                rows(&messages)
            }
        };
        batch.set_position(1);
        write_all(&mut *sink, &batch);
        while sink.delivered_through() < 1000 {
            let _ = sink.tick();
        }
        let paused = Paused::new(&pid);
        let mut taken = 1000;
        for _ in 0..3 {
            let mut again = batch.clone();
            again.set_position(taken as u64 + 1);
            taken += sink.write(&again, 0).unwrap_or(0);
            std::thread::sleep(Duration::from_millis(20));
        }
        for second in 1..=8 {
            let (began, before) = (Instant::now(), cpu_ticks());
            while began.elapsed() < Duration::from_secs(1) {
                let _ = sink.tick();
                std::thread::sleep(sink.until_tick().min(Duration::from_millis(100)));
            }
            println!("{kind}: second {second}: {} ms of CPU, {taken} taken", (cpu_ticks() - before) * 10);
        }
        assert_eq!(sink.delivered_through(), 1000);
        drop(paused);
        let flushed = sink.flush(in_a_minute());
        assert_eq!((sink.delivered_through(), counter.lost_total()), (taken as u64, 0), "{kind}: {flushed:?}");
        let found = consume(&servers, &name, 1).len();
        println!("{kind}: {found} in the topic");
        assert!(found == taken || (kind == "exactly once" && found < taken), "{kind}: {found} of {taken}");
    }
}

/// A process that is stopped for as long as this lives.
struct Paused<'a>(&'a str);

impl<'a> Paused<'a> {
    fn new(pid: &'a str) -> Self {
        assert!(Command::new("kill").args(["-STOP", pid]).status().unwrap().success());
        Self(pid)
    }
}

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-CONT", self.0]).status();
    }
}

fn opened(kind: &str, servers: &str, name: &str) -> (Box<dyn Sink>, Arc<SinkCounter>) {
    let mut sink: Box<dyn Sink> = if kind == "statements" {
        Box::new(KafkaSink::open(&statements::config(servers.to_owned(), name)).unwrap())
    } else {
        let transactions =
            TransactionSettings { transactional_id: name.to_owned(), checkpoint_topic: format!("{name}_CP") };
        let config = RowsSinkConfig {
            bootstrap_servers: servers.to_owned(),
            topic: name.to_owned(),
            in_flight_bytes: 4 << 20,
            transactions: (kind == "exactly once").then_some(transactions),
            on_refused: OnRefused::Fail,
            options: Vec::new(),
        };
        if kind == "rows" {
            Box::new(KafkaSink::open_rows(&config).unwrap())
        } else {
            Box::new(ExactlyOnceSink::open(&config).unwrap())
        }
    };
    let counter = Arc::new(SinkCounter::new("kafka".to_owned()));
    sink.attach(&counter);
    (sink, counter)
}

/// Hundredths of a second of CPU that this process has used.
fn cpu_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
