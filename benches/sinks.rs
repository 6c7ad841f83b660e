//! What a message costs on its way through the pipeline into each sink, in CPU time of every thread, librdkafka's included.
//!
//! ```text
//! cargo bench --bench sinks                                                  # no sink, a file
//! INTERCEPTOR_KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9092 cargo bench --bench sinks   # and Kafka
//! RATE=20000 SECONDS=5 WORKERS=2 cargo bench --bench sinks
//! ```

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use common::{MESSAGE_BYTES, Nothing, setting};
use mysql_interceptor::audit::Instance;
use mysql_interceptor::deliver::{
    Acks, AuditConfig, Backpressure, Compression, Fsync, KafkaConfig, NdjsonConfig, QueueConfig, SinkConfig,
};
use mysql_interceptor::deliver::{Ingest, Label, MessageKind, Pipeline, Seq, Sink, open_all, open_all_audited};
use mysql_interceptor::files::FileMode;
use mysql_interceptor::mysql::sql::{Digest, Lexis, StatementKind};

/// Of each worker.
const CONNECTIONS: usize = 8;

fn main() {
    let directory = std::env::temp_dir().join(format!("sinks-bench-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("a scratch directory");
    measure("nothing", vec![Box::new(Nothing::default())]);
    let ndjson = NdjsonConfig {
        path: directory.join("messages.ndjson"),
        rotate_size: 256 << 20,
        rotate_age: Duration::ZERO,
        compress: Compression::None,
        keep: 0,
        mode: FileMode::default(),
        fsync: Fsync::Never,
    };
    measure("ndjson", open_all(&[SinkConfig::Ndjson(ndjson.clone())]).expect("the file opens"));
    let audit = AuditConfig {
        instance: Instance::of("test@2026-01-31T12:00:00.000Z"),
        proxy: "test@2026-01-31T12:00:00.000Z".to_owned(),
        interval: Duration::from_secs(1),
        signer: None,
    };
    let audited = NdjsonConfig { path: directory.join("audited.ndjson"), ..ndjson };
    let audited = open_all_audited(&[SinkConfig::Ndjson(audited)], &audit).expect("both files open");
    measure("ndjson, markers", audited);
    if let Ok(bootstrap_servers) = std::env::var("INTERCEPTOR_KAFKA_BOOTSTRAP_SERVERS") {
        for (name, linger, batch_size) in
            [("kafka", 1000, 16_384), ("kafka, linger 5 ms", 5, 16_384), ("kafka, batch 1 MB", 1000, 1_000_000)]
        {
            let kafka = KafkaConfig {
                bootstrap_servers: bootstrap_servers.clone(),
                topic: "SINKS_BENCH".to_owned(),
                proxy: "test@2026-01-31T12:00:00.000Z".to_owned(),
                acks: Acks::All,
                retries: 3,
                linger: Duration::from_millis(linger),
                batch_size,
                buffer_memory: 33_554_432,
                options: Vec::new(),
            };
            measure(name, open_all(&[SinkConfig::Kafka(kafka.clone())]).expect("a Kafka client"));
            let audited = open_all_audited(&[SinkConfig::Kafka(kafka)], &audit).expect("two Kafka clients");
            measure(&format!("{name}, markers"), audited);
        }
    }
    let _ = fs::remove_dir_all(&directory);
}

fn measure(name: &str, sinks: Vec<Box<dyn Sink>>) {
    let (rate, seconds, workers) = (setting("RATE", 20_000), setting("SECONDS", 4), setting("WORKERS", 2));
    let config = QueueConfig { backpressure: Backpressure::Block, ..QueueConfig::default() };
    let sinks = sinks.into_iter().map(|sink| (0, sink)).collect();
    let mut pipeline = Pipeline::start(sinks, &config).expect("threads start");
    // The first second is for connections and warm caches.
    let warm_up = produce(&pipeline, rate, 1, workers);
    let before = cpu_by_thread();
    let start = Instant::now();
    let messages = produce(&pipeline, rate, seconds, workers);
    let elapsed = start.elapsed();
    // Unhurried, so that what lingers is counted too.
    thread::sleep(Duration::from_millis(1200));
    let after = cpu_by_thread();
    let report = pipeline.shutdown(Instant::now() + Duration::from_secs(30));

    let mut total = 0;
    let mut parts = Vec::new();
    for (thread, nanos) in &after {
        let nanos = nanos.saturating_sub(before.get(thread).copied().unwrap_or(0));
        if !thread.ends_with("worker") && thread != "main" {
            total += nanos;
            parts.push((nanos, thread.split_once(' ').map_or(thread.as_str(), |(_, name)| name).to_owned()));
        }
    }
    parts.sort_unstable_by(|a, b| b.cmp(a));
    let per_message = |nanos: u64| nanos as f64 / 1000.0 / messages as f64;
    let parts: Vec<_> = parts
        .iter()
        .filter(|(nanos, _)| per_message(*nanos) >= 0.01)
        .map(|(nanos, thread)| format!("{thread} {:.2}", per_message(*nanos)))
        .collect();
    println!(
        "{name:20} {:7.0} messages/s  {:5.2} us CPU/message ({})  delivered {} of {}, lost {}",
        messages as f64 / elapsed.as_secs_f64(),
        per_message(total),
        parts.join(", "),
        report.sinks[0].delivered,
        messages + warm_up,
        report.lost()
    );
}

/// Lets workers append at `rate` messages a second in all (0: as fast as the sink takes them), a few at a time as
/// statements come; returns how many.
fn produce(pipeline: &Pipeline, rate: u64, seconds: u64, workers: u64) -> u64 {
    let threads: Vec<_> = (0..workers)
        .map(|worker| {
            let ingest = pipeline.ingest().expect("a thread");
            let work = move || produce_one(&ingest, worker, rate / workers, seconds);
            thread::Builder::new().name("worker".to_owned()).spawn(work).expect("a thread")
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
}

fn produce_one(ingest: &Ingest, worker: u64, rate: u64, seconds: u64) -> u64 {
    let payload = format!("{{\"timestamp\":1795239646980,\"sql\":\"{}\"}}", "x".repeat(MESSAGE_BYTES - 38));
    let digest = Some(Digest::of(b"SELECT c FROM sbtest WHERE id = 1", Lexis::default()));
    let label = Label { kind: MessageKind::Statement(StatementKind::Select), digest };
    let mut seqs: [Seq; CONNECTIONS] =
        std::array::from_fn(|connection| Seq::of(worker * CONNECTIONS as u64 + connection as u64 + 1));
    let start = Instant::now();
    let mut messages = 0;
    while start.elapsed() < Duration::from_secs(seconds) {
        if ingest.is_full() || (rate > 0 && messages >= (start.elapsed().as_secs_f64() * rate as f64) as u64) {
            thread::sleep(Duration::from_micros(200));
            continue;
        }
        let connection = messages as usize % CONNECTIONS;
        let Some(seq) = seqs.get_mut(connection) else { break };
        let appended = ingest.append(|batch| {
            batch.push_numbered(worker * CONNECTIONS as u64 + connection as u64, seq, label, |out| {
                out.extend_from_slice(payload.as_bytes());
                Ok::<(), std::convert::Infallible>(())
            })
        });
        let Ok(()) = appended;
        messages += 1;
    }
    messages
}

/// Nanoseconds on a CPU of each thread of this process, by id and name (proc(5), /proc/pid/task/tid/schedstat).
fn cpu_by_thread() -> BTreeMap<String, u64> {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux");
    let tasks = tasks.filter_map(|task| {
        let path = task.ok()?.path();
        let name = fs::read_to_string(path.join("comm")).ok()?;
        let schedstat = fs::read_to_string(path.join("schedstat")).ok()?;
        let nanos = schedstat.split_whitespace().next()?.parse().ok()?;
        Some((format!("{} {}", path.file_name()?.to_str()?, name.trim()), nanos))
    });
    tasks.collect()
}
