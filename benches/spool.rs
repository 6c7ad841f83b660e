//! What the spool adds to a message's way from its session to a sink that does nothing: CPU time of the whole process, in turns with the same
//! without a spool.
//!
//! ```text
//! cargo bench --bench spool
//! FOLDER=/data/tmp MESSAGES=200000 ROUNDS=7 cargo bench --bench spool
//! ```

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use common::{MESSAGE_BYTES, Nothing, setting};
use mysql_interceptor::audit::Instance;
use mysql_interceptor::deliver::{
    AuditConfig, Fsync, Label, Line, MessageKind, Pipeline, QueueConfig, Spool, SpoolConfig, SpoolFull, SpoolMode,
};
use mysql_interceptor::files::FileMode;
use mysql_interceptor::mysql::sql::{Digest, Lexis, StatementKind};

/// As many statements a second as a busy proxy has: what comes with each round of the dispatcher is shared by so many.
const RATE: f64 = 20_000.0;

fn main() {
    let folder = std::env::var_os("FOLDER").map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = folder.join(format!("spool-bench-{}", std::process::id()));
    let (messages, rounds) = (setting("MESSAGES", 60_000), setting("ROUNDS", 5));
    let kinds = [
        ("no spool", None),
        ("async, interval", Some((SpoolMode::Async, Fsync::Interval, false))),
        ("reply, never", Some((SpoolMode::Reply, Fsync::Never, false))),
        ("reply, interval", Some((SpoolMode::Reply, Fsync::Interval, false))),
        ("with manifests", Some((SpoolMode::Reply, Fsync::Interval, true))),
    ];
    let mut costs = vec![Vec::new(); kinds.len()];
    for _ in 0..rounds {
        for ((_, kind), costs) in kinds.iter().zip(&mut costs) {
            costs.push(measure(*kind, &folder, messages));
            let _ = fs::remove_dir_all(&folder);
        }
    }
    let median = |costs: &[f64]| {
        let mut sorted = costs.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    };
    for ((name, _), kind) in kinds.iter().zip(&costs) {
        let more: Vec<_> = kind.iter().zip(&costs[0]).map(|(with, without)| with - without).collect();
        println!("{name:16} {:5.2} us CPU/message, {:+5.2} us by pairs", median(kind), median(&more));
    }
}

/// Microseconds on a CPU for each message, of all threads.
fn measure(kind: Option<(SpoolMode, Fsync, bool)>, folder: &Path, messages: u64) -> f64 {
    let mut pipeline = match kind {
        None => Pipeline::start(vec![(0, Box::<Nothing>::default())], &QueueConfig::default()),
        Some((mode, fsync, has_manifests)) => {
            let interval = Duration::from_secs(1);
            let audit =
                AuditConfig { instance: Instance([7; 16]), proxy: "bench@now".to_owned(), interval, signer: None };
            let config = SpoolConfig {
                folder: folder.to_owned(),
                mode,
                full: SpoolFull::Block,
                max_bytes: 10_000_000_000,
                fsync,
                file_mode: FileMode::default(),
                run: "bench@now".to_owned(),
                audit: has_manifests.then_some(audit),
            };
            let spool = Spool::open(config, &["nothing".to_owned()]).expect("a spool");
            Pipeline::start_spooled(vec![Box::<Nothing>::default()], &QueueConfig::default(), spool)
        }
    }
    .expect("threads start");
    let mut line = Line::new(pipeline.ingest().expect("a thread"));
    let payload = format!("{{\"timestamp\":1795239646980,\"sql\":\"{}\"}}", "x".repeat(MESSAGE_BYTES - 38));
    let digest = Some(Digest::of(b"SELECT c FROM sbtest WHERE id = 1", Lexis::default()));
    let label = Label { kind: MessageKind::Statement(StatementKind::Select), digest };
    let mut produce = |messages: u64| {
        let start = Instant::now();
        for number in 0..messages {
            // In small groups, so that the clock is not what is measured.
            if number % 20 == 0 {
                let due = Duration::from_secs_f64(number as f64 / RATE);
                thread::sleep(due.saturating_sub(start.elapsed()));
            }
            let written = line.publish(7, label, |out| {
                out.extend_from_slice(payload.as_bytes());
                Ok::<(), std::convert::Infallible>(())
            });
            let Ok(()) = written;
            assert!(line.settle().is_none(), "it would wait");
        }
    };
    produce(2_000);
    let before = cpu();
    produce(messages);
    thread::sleep(Duration::from_millis(50));
    let used = cpu() - before;
    let report = pipeline.shutdown(Instant::now() + Duration::from_secs(30));
    assert_eq!((report.sinks[0].delivered, report.lost()), (messages + 2_000, 0));
    used.as_secs_f64() * 1e6 / messages as f64
}

/// What this process has used (proc(5), /proc/pid/schedstat of each thread).
fn cpu() -> Duration {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux");
    let nanos = tasks.filter_map(|task| {
        let schedstat = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        schedstat.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}
