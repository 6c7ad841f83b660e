//! What observing costs: a select's bytes to its JSON message, text protocol and prepared; and what recording adds to that.
//!
//! `cargo bench --bench observer` prints nanoseconds of processor time a statement; under `valgrind --tool=callgrind` the same program
//! counts instructions, which do not depend on what else the machine does.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mysql_interceptor::deliver::Batch;
use mysql_interceptor::message::{MessageOptions, MessageWriter};
use mysql_interceptor::recording::disk::WriterOptions;
use mysql_interceptor::recording::{
    Recorder, RecordingConfig, RecordingSource, RecordingSwitch, SpoolOptions, SpoolSink,
};
use mysql_interceptor::session::{
    Interest, LoginAnswer, Now, Observer, ObserverConfig, SentCommand, SessionListener, SessionResult, Statement,
};

/// `PROTOCOL_41 | CONNECT_WITH_DB | SECURE_CONNECTION | PLUGIN_AUTH | DEPRECATE_EOF | LONG_PASSWORD | TRANSACTIONS`.
const CAPABILITIES: u32 = 1 | 1 << 3 | 1 << 9 | 1 << 13 | 1 << 15 | 1 << 19 | 1 << 24;

fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short packet").to_le_bytes();
    [&length[..3], &[sequence], payload].concat()
}

fn login(observer: &mut Observer, to: &mut dyn SessionListener) {
    let [lower0, lower1, upper0, upper1] = CAPABILITIES.to_le_bytes();
    let mut greeting = b"\x0a9.7.4\0\x08\0\0\x0012345678\0".to_vec();
    greeting.extend([lower0, lower1, 0xff, 2, 0, upper0, upper1, 21]);
    greeting.extend([0; 10]);
    greeting.extend(b"abcdefghijkl\0caching_sha2_password\0");
    let mut response = CAPABILITIES.to_le_bytes().to_vec();
    response.extend([0, 0, 0, 1, 45]);
    response.extend([0; 23]);
    response.extend(b"sbtest\0\x03\x01\x02\x03sbtest\0caching_sha2_password\0");
    let now = Now::default();
    observer.server_bytes(&packet(0, &greeting), now, to);
    observer.client_bytes(&packet(1, &response), now, to);
    observer.server_bytes(&packet(2, &[0, 0, 0, 2, 0, 0, 0]), now, to);
}

/// The response to a select of rows of one CHAR(120).
fn result(row: &[u8], rows: u8) -> Vec<u8> {
    let head = [
        packet(1, &[1]),
        packet(2, b"\x03def\x06sbtest\x07sbtest1\x07sbtest1\x01c\x01c\x0c\xff\x00\xe0\x01\0\0\xfe\x01\0\0\0\0"),
    ];
    let rows_and_end =
        (0..rows).map(|number| packet(3 + number, row)).chain([packet(3 + rows, &[0xfe, 0, 0, 2, 0, 0, 0])]);
    head.into_iter().chain(rows_and_end).flatten().collect()
}

/// Processor time of these threads, in nanoseconds.
fn processor_ns(threads: &[PathBuf]) -> f64 {
    let of = |path: &PathBuf| {
        let text = std::fs::read_to_string(path.join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|spent| spent.parse::<f64>().ok()).unwrap_or_default()
    };
    threads.iter().map(of).sum()
}

fn all_threads() -> Vec<PathBuf> {
    let folder = std::fs::read_dir("/proc/self/task").expect("Linux");
    folder.filter_map(Result::ok).map(|entry| entry.path()).collect()
}

/// Makes messages, and records if there is a recorder.
struct Heard<'a> {
    writer: &'a MessageWriter,
    batch: &'a mut Batch,
    recorder: Option<&'a mut Recorder<SpoolSink>>,
}

impl SessionListener for Heard<'_> {
    fn login(&mut self, login: &LoginAnswer<'_>) {
        if let Some(recorder) = &mut self.recorder {
            recorder.login(login);
        }
    }

    fn command(&mut self, command: &SentCommand<'_>) {
        if let Some(recorder) = &mut self.recorder {
            recorder.command(command);
        }
    }

    fn result(&mut self, result: &SessionResult<'_>) {
        if let Some(recorder) = &mut self.recorder {
            recorder.result(result);
        }
    }

    fn statement(&mut self, statement: &Statement<'_>) {
        if self.writer.wants(statement) {
            let redactions = self.writer.redactions(statement);
            let message = self.writer.message(statement, &redactions, 16);
            self.batch.push_with(8, |buffer| message.write_json(buffer)).expect("JSON into memory");
        }
    }
}

/// A recording into a folder that is gone afterwards.
struct Recording {
    switch: RecordingSwitch,
    folder: PathBuf,
}

impl Recording {
    fn begin() -> Self {
        let folder = std::env::temp_dir().join(format!("observer-bench-{}", std::process::id()));
        let switch = RecordingSwitch::default();
        let files = WriterOptions::default();
        let spool = SpoolOptions::default();
        let config = RecordingConfig { folder: folder.clone(), topic: None, files, spool, gtid_set: None };
        config.begin(RecordingSource::Proxy, None, &switch).expect("a folder for a recording");
        Self { switch, folder }
    }

    fn wait_for_room(&self) {
        while self.switch.counts().queued_bytes > 8 << 20 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Returns its bytes.
    fn end(self) -> u64 {
        self.switch.turn_off().expect("it is on").expect("it is written");
        assert_eq!(self.switch.counts().refused, 0, "nothing was left out");
        let sizes = std::fs::read_dir(&self.folder).expect("its folder").filter_map(Result::ok);
        let bytes = sizes.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum();
        std::fs::remove_dir_all(&self.folder).expect("its folder");
        bytes
    }
}

struct Bench {
    observer: Observer,
    writer: MessageWriter,
    batch: Batch,
    recording: Option<(Recording, Recorder<SpoolSink>)>,
}

impl Bench {
    fn new(is_recorded: bool) -> Self {
        let options = MessageOptions {
            debug: "unknown-service".to_owned(),
            default_tz: Some("UTC".to_owned()),
            ..MessageOptions::default()
        };
        let mut recording = is_recorded.then(Recording::begin).map(|recording| {
            let recorder = recording.switch.active().expect("it is on").recorder(Some("127.0.0.1:40000".to_owned()));
            (recording, recorder)
        });
        let recorded = if is_recorded { Recorder::<SpoolSink>::INTEREST } else { Interest::empty() };
        let interest = ObserverConfig::default().interest | recorded;
        let mut observer = Observer::new(ObserverConfig { interest, ..ObserverConfig::default() });
        let writer = MessageWriter::new(Arc::new(options), "127.0.0.1:3306".into(), "host".into());
        let mut batch = Batch::default();
        let recorder = recording.as_mut().map(|(_, recorder)| recorder);
        login(&mut observer, &mut Heard { writer: &writer, batch: &mut batch, recorder });
        Self { observer, writer, batch, recording }
    }

    fn exchange(&mut self, request: &[u8], response: &[u8], now: Now) {
        let Self { observer, writer, batch, recording } = self;
        let recorder = recording.as_mut().map(|(_, recorder)| recorder);
        let mut heard = Heard { writer, batch, recorder };
        observer.client_bytes(request, now, &mut heard);
        observer.server_bytes(response, Now { monotonic_ns: now.monotonic_ns + 500_000, ..now }, &mut heard);
    }

    fn run(mut self, name: &str, count: u64, request: &[u8], response: &[u8]) {
        let here = [Path::new("/proc/thread-self").canonicalize().expect("Linux")];
        let (before, before_all) = (processor_ns(&here), processor_ns(&all_threads()));
        let mut bytes = 0;
        for index in 0..count {
            self.exchange(request, response, Now { monotonic_ns: index * 1_000_000, epoch_ms: 1_795_000_000_000 });
            if self.batch.len() == 500 {
                bytes += self.batch.byte_len();
                self.batch.clear();
                if let Some((recording, _)) = &self.recording {
                    recording.wait_for_room();
                }
            }
        }
        let each = |ns: f64| ns / count as f64;
        let took = each(processor_ns(&here) - before);
        let mut line = format!("{name}: {took:.0} ns a statement, {} bytes a message", bytes as u64 / count.max(1));
        if let Some((recording, _)) = self.recording.take() {
            // The thread that writes is there until it has written everything.
            while recording.switch.counts().queued_bytes > 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
            let in_all = each(processor_ns(&all_threads()) - before_all);
            let size = recording.end() as f64 / count as f64;
            line += &format!("; with the thread that writes {in_all:.0} ns, {size:.1} bytes on disk");
        }
        println!("{line}");
    }
}

fn main() {
    let count = std::env::var("STATEMENTS").ok().and_then(|count| count.parse().ok()).unwrap_or(1_000_000);
    let text = "x".repeat(119);
    let text_row = [&[119][..], text.as_bytes()].concat();
    let binary_row = [&[0, 0, 119][..], text.as_bytes()].concat();
    let query = packet(0, b"\x03SELECT c FROM sbtest1 WHERE id=24987");
    let definition = b"\x03def\0\0\0\x01?\0\x0c\x3f\0\0\0\0\0\x08\x80\0\0\0\0";
    let execute = [&[0x17, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 8, 0][..], &24_987u64.to_le_bytes()].concat();
    let prepared = |is_recorded| {
        let mut bench = Bench::new(is_recorded);
        bench.exchange(
            &packet(0, b"\x16SELECT c FROM sbtest1 WHERE id=?"),
            &[packet(1, &[0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0]), packet(2, definition), packet(3, definition)].concat(),
            Now::default(),
        );
        bench
    };
    for is_recorded in [false, true] {
        let recorded = if is_recorded { ", recorded" } else { "" };
        Bench::new(is_recorded).run(&format!("text protocol{recorded}"), count, &query, &result(&text_row, 1));
        let execute = packet(0, &execute);
        prepared(is_recorded).run(&format!("prepared{recorded}"), count, &execute, &result(&binary_row, 1));
        let range = format!("prepared, 100 rows{recorded}");
        prepared(is_recorded).run(&range, count / 10, &execute, &result(&binary_row, 100));
    }
}
