//! How fast the player drives a server: sessions that do nothing but prepared point selects, as `sysbench oltp_point_select` does.
//!
//! `cargo bench --bench player -- HOST:PORT USER PASSWORD [SESSIONS] [SECONDS] [text]` prints statements a second and the process's CPU time a
//! statement; the tables are sysbench's (`sysbench oltp_point_select --tables=1 --table-size=10000 prepare`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mysql_interceptor::binlog::TlsOptions;
use mysql_interceptor::mysql::wire::{CapabilityFlags, Command};
use mysql_interceptor::player::{Accounts, PlayOptions, Target, TargetSession};
use mysql_interceptor::recording::{Param, ParamValue, RecordedAnswer, RecordedCommand, SessionBegin, SessionClose};
use mysql_interceptor::session::Now;

const ROWS: u64 = 10_000;

/// What sysbench's client library agrees on.
fn begin() -> SessionBegin {
    SessionBegin {
        database: Some("sbtest".into()),
        capabilities: Some(
            CapabilityFlags::MULTI_STATEMENTS
                | CapabilityFlags::MULTI_RESULTS
                | CapabilityFlags::PS_MULTI_RESULTS
                | CapabilityFlags::DEPRECATE_EOF,
        ),
        ..SessionBegin::default()
    }
}

fn prepare() -> RecordedCommand {
    let sql = Some(Arc::from(&b"SELECT c FROM sbtest1 WHERE id=?"[..]));
    RecordedCommand { sql, statement: Some(1), ..RecordedCommand::new(Command::StmtPrepare) }
}

fn select(id: u64, is_text: bool) -> RecordedCommand {
    if is_text {
        let sql = Some(Arc::from(format!("SELECT c FROM sbtest1 WHERE id={id}").into_bytes()));
        return RecordedCommand { sql, ..RecordedCommand::new(Command::Query) };
    }
    let param = Param { column_type: 8, value: ParamValue::Given(Bytes::from(id.to_string())) };
    RecordedCommand { statement: Some(1), params: vec![param], ..RecordedCommand::new(Command::StmtExecute) }
}

async fn run(target: Target, seed: u64, until: Instant, is_text: bool, done: Arc<AtomicU64>) {
    let mut session = TargetSession::open(&target, &begin(), &PlayOptions::default()).await.expect("a session");
    session.play(&prepare(), Now::default()).await.expect("a prepared statement");
    let commands: Vec<_> = (0..64).map(|index| select((seed * 7919 + index * 131) % ROWS + 1, is_text)).collect();
    'all: loop {
        for command in &commands {
            let observed = session.play(command, Now::default()).await.expect("an answer");
            assert!(
                matches!(observed.results[..], [ref one] if matches!(one.answer, RecordedAnswer::Rows { count: 1, .. }))
            );
            done.fetch_add(1, Ordering::Relaxed);
            if Instant::now() >= until {
                break 'all;
            }
        }
    }
    session.close(SessionClose::Quit).await;
}

/// User and system time of this process.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<_> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).unwrap_or_default();
    // A tick is 10 ms wherever this runs.
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

fn main() {
    let args: Vec<_> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let [address, user, password, rest @ ..] = &args[..] else {
        return println!("usage: cargo bench --bench player -- HOST:PORT USER PASSWORD [SESSIONS] [SECONDS] [text]");
    };
    let (host, port) = address.split_once(':').expect("HOST:PORT");
    let number = |index: usize, default: u64| rest.get(index).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (sessions, seconds) = (number(0, 16), number(1, 10));
    let is_text = rest.iter().any(|arg| arg == "text");
    let accounts = Accounts::one(user, password);
    let target = Target::new(
        host,
        port.parse().expect("a port"),
        TlsOptions { mode: mysql_interceptor::binlog::TlsMode::Disabled, ca: None },
        Duration::from_secs(10),
        accounts,
    )
    .expect("a target");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let done = Arc::new(AtomicU64::new(0));
    let (started, used) = (Instant::now(), cpu());
    let until = started + Duration::from_secs(seconds);
    runtime.block_on(async {
        let tasks: Vec<_> = (0..sessions)
            .map(|seed| tokio::spawn(run(target.clone(), seed, until, is_text, Arc::clone(&done))))
            .collect();
        for task in tasks {
            task.await.expect("a session to its end");
        }
    });
    let (statements, elapsed, used) = (done.load(Ordering::Relaxed), started.elapsed(), cpu() - used);
    println!(
        "{sessions} sessions: {:.0} statements/s, {:.1} us of CPU a statement",
        statements as f64 / elapsed.as_secs_f64(),
        used.as_secs_f64() * 1e6 / statements as f64
    );
}
