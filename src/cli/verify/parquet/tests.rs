//! Faults that are planted in a folder of Parquet files, each of which is found as what it is, and nothing else.

use fs::File;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::WriterProperties;

use super::*;
use crate::audit::Signer;
use crate::audit::key_tests::PRIVATE;
use crate::deliver::{
    AuditConfig, Batch, Fsync, Label, ParquetCompression, Seq, Sink, StatementParquetConfig, StatementParquetSink,
    Witness,
};
use crate::files::FileMode;
use crate::fuzzing::mutations::Random;

const SESSIONS: u64 = 4;

/// Where a message is: session and number.
type At = Option<(u64, u64)>;

fn signer() -> Arc<Signer> {
    Arc::new(Signer::from_pem(PRIVATE).unwrap())
}

fn open(dir: &Path, proxy: &str) -> StatementParquetSink {
    let config = StatementParquetConfig {
        dir: dir.to_owned(),
        compression: ParquetCompression::Zstd,
        roll_bytes: 0,
        roll_age: Duration::ZERO,
        mode: FileMode::default(),
        fsync: Fsync::Never,
        proxy: proxy.to_owned(),
    };
    let instance = Instance::of(proxy);
    let interval = Duration::from_secs(3600);
    let audit = AuditConfig { instance, proxy: proxy.to_owned(), interval, signer: Some(signer()) };
    StatementParquetSink::open_audited(&config, &audit).unwrap()
}

/// The messages of several sessions in turn.
struct Sessions {
    seqs: Vec<Seq>,
    position: u64,
}

impl Sessions {
    fn new() -> Self {
        Self { seqs: (0..=SESSIONS).map(Seq::of).collect(), position: 1 }
    }

    fn messages(&mut self, random: &mut Random, count: usize) -> Batch {
        let mut batch = Batch::new();
        for _ in 0..count {
            let session = 1 + random.below(SESSIONS as usize);
            let json = format!(
                "{{\"timestamp\":{},\"iFlags\":9,\"sql\":\"SELECT 'ä\\n{}'\"}}",
                self.position,
                random.below(9_999)
            );
            // As it comes back from the columns.
            let fields = crate::fields::Fields::parse(json.as_bytes()).unwrap();
            let text = serde_json::to_string(&fields.sql.unwrap().decode()).unwrap();
            let whole = crate::fields::Fields::NAMES.map(|name| match name {
                "timestamp" => format!("\"timestamp\":{}", fields.timestamp.unwrap()),
                "iFlags" => "\"iFlags\":9".to_owned(),
                "sql" => format!("\"sql\":{text}"),
                other => format!("\"{other}\":null"),
            });
            let message = format!("{{{}}}", whole.join(","));
            batch
                .push_numbered(7, &mut self.seqs[session], Label::default(), |out| {
                    out.extend_from_slice(message.as_bytes());
                    Ok::<(), ()>(())
                })
                .unwrap();
        }
        batch.set_position(self.position);
        self.position += count as u64;
        batch
    }
}

fn tell(sink: &StatementParquetSink, sessions: &Sessions, ends: bool) {
    let witness = Witness::new(sink.ledger().into_iter().collect());
    for session in 1..=SESSIONS {
        let messages = sessions.seqs[session as usize].last();
        let json = match ends {
            false => format!(
                "{{\"event\":\"session_opened\",\"session\":{session},\"address\":\"a:1\",\"attributes\":{{}}}}"
            ),
            true => format!(
                "{{\"event\":\"session_closed\",\"session\":{session},\"statements\":{messages},\"messages\":{messages}}}"
            ),
        };
        witness.tell(1, &serde_json::from_str::<Event>(&json).unwrap());
    }
}

/// A folder with three files of 40 messages.
fn written(random: &mut Random) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut sessions = Sessions::new();
    let mut sink = open(dir.path(), "web-1@1");
    tell(&sink, &sessions, false);
    sink.tick().unwrap();
    for file in 0..3 {
        let batch = sessions.messages(random, 40);
        assert_eq!(sink.write(&batch, 0).unwrap(), 40);
        if file < 2 {
            sink.end_file_now();
        }
    }
    tell(&sink, &sessions, true);
    sink.flush(Instant::now()).unwrap();
    dir
}

fn verified(path: &Path) -> Report {
    verify(path, Some(signer().public_key())).unwrap()
}

fn kinds(report: &Report) -> Vec<(Kind, At)> {
    report.findings.iter().map(|finding| (finding.kind, finding.span.map(|span| (span.session, span.first)))).collect()
}

/// The rows of a file, each a batch of its own.
fn rows(path: &Path) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().build().unwrap();
    let batches = reader.map(Result::unwrap);
    batches.flat_map(|batch| (0..batch.num_rows()).map(move |row| batch.slice(row, 1))).collect()
}

/// Writes these rows instead of those that a file has.
fn rewrite(path: &Path, rows: &[RecordBatch]) {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let notes = builder.metadata().file_metadata().key_value_metadata().cloned();
    let schema = Arc::clone(builder.schema());
    let properties = WriterProperties::builder().set_key_value_metadata(notes).build();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), schema, Some(properties)).unwrap();
    rows.iter().for_each(|row| writer.write(row).unwrap());
    writer.close().unwrap();
}

fn at(row: &RecordBatch) -> At {
    let number =
        |name: &str| row.column_by_name(name).unwrap().as_primitive::<arrow_array::types::UInt64Type>().value(0);
    Some((number("session"), number("seq")))
}

fn with(row: &RecordBatch, column: &str, text: &str) -> RecordBatch {
    let index = row.schema().index_of(column).unwrap();
    let mut columns: Vec<ArrayRef> = row.columns().to_vec();
    columns[index] = Arc::new(StringArray::from(vec![text]));
    RecordBatch::try_new(row.schema(), columns).unwrap()
}

/// Plants a fault in a file of many folders: what is found is what the planter says.
fn each(plant: impl Fn(&Path, &mut Vec<RecordBatch>, &mut Random) -> Vec<(Kind, At)>) {
    for seed in 1..=10 {
        let mut random = Random::new(seed * 7919);
        let dir = written(&mut random);
        let files = files_of(dir.path()).unwrap();
        let file = &files[random.below(files.len())];
        let mut of_file = rows(file);
        let expected = plant(file, &mut of_file, &mut random);
        if file.exists() && !of_file.is_empty() {
            rewrite(file, &of_file);
        }
        let report = verified(dir.path());
        assert_eq!(kinds(&report), expected, "seed {seed}: {report:#?}");
        assert_eq!(report.complete, expected.is_empty());
    }
}

#[test]
fn what_is_whole_is_complete() {
    // Written again by another writer, in one row group a row: what counts is what is in it.
    each(|_, _, _| Vec::new());
    let dir = written(&mut Random::new(1));
    let report = verified(dir.path());
    assert_eq!((report.messages, report.proven, report.sessions, report.markers), (120, 120, 4, 4), "{report:#?}");
    // Each file is proven by its own sidecar.
    for file in files_of(dir.path()).unwrap() {
        let report = verified(&file);
        assert_eq!((kinds(&report), report.proven), (vec![], 40), "{report:#?}");
    }
}

#[test]
fn a_row_that_was_edited_removed_or_moved() {
    each(|_, rows, random| {
        let place = random.below(rows.len());
        rows[place] = with(&rows[place], "sql", "SELECT 'other'");
        vec![(Kind::Edited, at(&rows[place]))]
    });
    each(|_, rows, random| {
        let place = random.below(rows.len());
        rows[place] = with(&rows[place], "hash", &"ab".repeat(32));
        vec![(Kind::Edited, at(&rows[place]))]
    });
    each(|_, rows, random| {
        let removed = rows.remove(random.below(rows.len()));
        vec![(Kind::Removed, at(&removed))]
    });
    each(|_, rows, random| {
        let session = at(&rows[random.below(rows.len())]).unwrap().0;
        let of: Vec<_> = (0..rows.len()).filter(|place| at(&rows[*place]).unwrap().0 == session).collect();
        if of.len() < 2 {
            return Vec::new();
        }
        let first = random.below(of.len() - 1);
        rows.swap(of[first], of[first + 1]);
        vec![(Kind::Swapped, at(&rows[of[first + 1]]))]
    });
    // Between sessions no number tells of it; the manifest does.
    each(|_, rows, _| {
        let session = |row: &RecordBatch| at(row).unwrap().0;
        let place = (0..rows.len() - 1).find(|place| session(&rows[*place]) != session(&rows[place + 1])).unwrap();
        rows.swap(place, place + 1);
        vec![(Kind::Manifest, None)]
    });
}

#[test]
fn a_row_that_is_there_again_and_one_that_only_claims_to_be() {
    each(|_, rows, random| {
        let again = with(&rows[random.below(rows.len())], "sql", "SELECT 'other'");
        rows.push(again.clone());
        vec![(Kind::Conflict, at(&again))]
    });
    // Nobody adds a row to a file that is finished.
    each(|_, rows, random| {
        rows.push(rows[random.below(rows.len())].clone());
        vec![(Kind::Manifest, None)]
    });
}

#[test]
fn a_file_that_was_removed_renamed_or_truncated() {
    for seed in 1..=5 {
        let mut random = Random::new(seed * 104_729);
        let dir = written(&mut random);
        let files = files_of(dir.path()).unwrap();
        let file = &files[random.below(3)];
        let bytes = fs::read(file).unwrap();
        let sessions: BTreeSet<_> = rows(file).iter().filter_map(at).map(|(session, _)| session).collect();
        fs::remove_file(file).unwrap();
        let report = verified(dir.path());
        assert_eq!(report.messages, 80);
        assert!(kinds(&report).iter().all(|(kind, _)| *kind == Kind::Removed), "{report:#?}");
        let of: BTreeSet<_> = kinds(&report).into_iter().filter_map(|(_, at)| at).map(|(session, _)| session).collect();
        assert_eq!(of, sessions);
        // With half of it nothing of it can be read.
        fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
        let report = verified(dir.path());
        let found: BTreeSet<_> = kinds(&report).into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(found, BTreeSet::from([Kind::Removed, Kind::Manifest]), "{report:#?}");
        // Under another name, wherever that sorts.
        fs::remove_file(file).unwrap();
        for name in ["a.parquet", "z.parquet"] {
            fs::write(file.with_file_name(name), &bytes).unwrap();
            let report = verified(dir.path());
            assert_eq!(kinds(&report), [(Kind::Manifest, None)], "{report:#?}");
            assert!(report.findings[0].text.contains(name), "{report:#?}");
            fs::remove_file(file.with_file_name(name)).unwrap();
        }
        fs::write(file, &bytes).unwrap();
        // Two that have each other's names.
        let other = &files[(files.iter().position(|other| other == file).unwrap() + 1) % 3];
        fs::rename(other, file.with_file_name("x")).unwrap();
        fs::rename(file, other).unwrap();
        fs::rename(file.with_file_name("x"), file).unwrap();
        let report = verified(dir.path());
        assert_eq!(kinds(&report), [(Kind::Manifest, None); 2], "{report:#?}");
    }
}

#[test]
fn markers_that_were_changed_and_files_that_retention_removed() {
    let dir = written(&mut Random::new(3));
    let files = files_of(dir.path()).unwrap();
    let sidecar = names::sidecar_of(&files[1]);
    let whole = fs::read_to_string(&sidecar).unwrap();
    let changed = whole.replacen("\"delivered\":80", "\"delivered\":81", 1);
    assert_ne!(changed, whole);
    fs::write(&sidecar, changed).unwrap();
    let report = verified(dir.path());
    let found: BTreeSet<_> = kinds(&report).into_iter().map(|(kind, _)| kind).collect();
    // What it covers is bound to the markers after it as well.
    assert_eq!(found, BTreeSet::from([Kind::MarkerEdited]), "{report:#?}");
    fs::remove_file(&sidecar).unwrap();
    let report = verified(dir.path());
    let found: BTreeSet<_> = kinds(&report).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(found, BTreeSet::from([Kind::MarkerMissing]), "{report:#?}");
    fs::write(&sidecar, whole).unwrap();
    // The oldest files go with their sidecars.
    for file in &files[..2] {
        fs::remove_file(file).unwrap();
        fs::remove_file(names::sidecar_of(file)).unwrap();
        let report = verified(dir.path());
        assert!(report.complete && report.expired == 120 - report.messages, "{report:#?}");
        assert!(kinds(&report).iter().all(|(kind, _)| *kind == Kind::Expired), "{report:#?}");
    }
}

#[test]
fn what_a_killed_process_left_is_sent_again_and_proven() {
    let dir = tempfile::tempdir().unwrap();
    let (mut random, mut sessions) = (Random::new(9), Sessions::new());
    let mut killed = open(dir.path(), "web-1@1");
    tell(&killed, &sessions, false);
    let first = sessions.messages(&mut random, 30);
    killed.write(&first, 0).unwrap();
    killed.end_file_now();
    // Between the name of the file and that of its sidecar.
    let files = files_of(dir.path()).unwrap();
    fs::rename(names::sidecar_of(&files[0]), dir.path().join(names::STREAM)).unwrap();
    let second = sessions.messages(&mut random, 30);
    killed.write(&second, 0).unwrap();
    drop(killed);
    let report = verified(dir.path());
    assert_eq!((kinds(&report), report.proven), (vec![], 30), "{report:#?}");
    // Another one has both from the spool of the first, which did not get to writing down that one file was whole.
    let mut next = open(dir.path(), "web-1@2");
    assert!(names::sidecar_of(&files[0]).exists());
    let origin: Arc<str> = "web-1@1".into();
    let mut sent = Batch::new();
    for batch in [first, second] {
        sent.extend_from(&batch, 0..batch.len());
    }
    sent.set_origin(0, &origin);
    sent.set_position(1);
    next.write(&sent, 0).unwrap();
    next.flush(Instant::now()).unwrap();
    let report = verified(dir.path());
    assert_eq!((kinds(&report), report.proven, report.redelivered), (vec![], 60, 30), "{report:#?}");
}

#[test]
fn what_was_written_without_markers_and_what_is_no_file_of_ours() {
    let dir = written(&mut Random::new(5));
    fs::write(dir.path().join("other.parquet"), b"PAR1 and no end").unwrap();
    assert_eq!(kinds(&verified(dir.path())), [(Kind::Added, None)]);
    fs::remove_file(dir.path().join("other.parquet")).unwrap();
    for path in fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()) {
        if path.extension().is_some_and(|extension| extension == "audit") {
            fs::remove_file(path).unwrap();
        }
    }
    assert!(verify(dir.path(), None).unwrap_err().to_string().contains("no marker stream"));
}
