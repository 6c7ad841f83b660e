//! XA transactions: what is prepared waits for its end, across pieces, the disk and restarts.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use crate::binlog::checkpoint::PreparedXa;
use crate::binlog::transaction::prepared::Keep;
use crate::binlog::transaction::prepared::folder::{Folder, remove};
use crate::files::FileMode;
use crate::fuzzing::mutations::Random;
use crate::rules::columns::ColumnRules;

impl Stream {
    fn prepare(&mut self, number: u64, name: &str, ids: Range<i32>) {
        self.gtid(number);
        self.query(&format!("XA START {}", spelled(name)));
        self.rows(ids);
        self.query(&format!("XA END {}", spelled(name)));
        self.xa_prepare(name.as_bytes(), false);
    }

    fn complete(&mut self, number: u64, name: &str, word: &str) {
        self.gtid(number);
        self.query(&format!("XA {word} {}", spelled(name)));
    }

    fn kept_in(folder: &Path) -> Self {
        let mut stream = Self::new();
        stream.assembler.keep_prepared(Keep::InFolder(Folder::new(folder.to_owned())));
        stream
    }

    /// As a new process that goes on at a checkpoint.
    fn resumed(folder: &Path, checkpoint: &Checkpoint) -> Self {
        let mut stream = Self::kept_in(folder);
        stream.assembler.restore_prepared(&checkpoint.prepared).unwrap();
        stream.reconnect(checkpoint.offset as u32);
        stream
    }
}

fn spelled(name: &str) -> String {
    let hex: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("X'{hex}',X'',1")
}

fn segments(folder: &Path) -> usize {
    let entries: Vec<_> =
        fs::read_dir(folder).map(|entries| entries.filter_map(Result::ok).collect()).unwrap_or_default();
    entries.iter().filter(|entry| entry.file_name().to_string_lossy().ends_with(".segment")).count()
}

#[test]
fn rows_come_at_the_commit_in_its_order() {
    let mut stream = Stream::new();
    stream.prepare(1, "a", 0..1);
    stream.prepare(2, "b", 1..3);
    stream.prepare(3, "c", 3..4);
    assert_eq!(stream.end(), []);
    stream.complete(4, "b", "COMMIT");
    stream.complete(5, "a", "ROLLBACK");
    stream.complete(6, "c", "COMMIT");
    assert_eq!(stream.end(), [(1, 0), (2, 1), (3, 0)]);
    let counters = stream.assembler.counters();
    assert_eq!((counters.transactions, counters.rolled_back, counters.xa_waiting, counters.xa_unseen), (3, 1, 0, 0));
}

#[test]
fn a_name_is_used_again() {
    let mut stream = Stream::new();
    for number in 0..3 {
        stream.prepare(2 * number + 1, "a", number as i32..number as i32 + 1);
        stream.complete(2 * number + 2, "a", if number == 1 { "ROLLBACK" } else { "COMMIT" });
    }
    // The server lost one.
    stream.prepare(7, "a", 7..8);
    stream.prepare(8, "a", 8..9);
    stream.complete(9, "a", "COMMIT");
    assert_eq!(stream.end(), [(0, 0), (2, 0), (8, 0)]);
    assert_eq!(stream.assembler.counters().unfinished, 1);
}

#[test]
fn what_was_prepared_before_is_counted() {
    let mut stream = Stream::new();
    stream.complete(1, "a", "COMMIT");
    stream.complete(2, "b", "ROLLBACK");
    stream.begin(3);
    stream.rows(0..1);
    stream.xid(3);
    assert_eq!(stream.end(), [(0, 0)]);
    assert_eq!(stream.assembler.counters().xa_unseen, 1);
}

#[test]
fn a_transaction_without_rows_is_known_all_the_same() {
    let mut stream = Stream::new();
    stream.prepare(1, "a", 0..1);
    stream.gtid(2);
    stream.query("XA START X'62',X'',1");
    stream.feed(EventType::WriteRows, Event::FilteredRows { ends_statement: true });
    stream.query("XA END X'62',X'',1");
    stream.xa_prepare(b"b", false);
    stream.flush();
    let prepared = stream.boundaries.last().unwrap().0.prepared.clone();
    assert_eq!(prepared.iter().map(|xa| xa.events).collect::<Vec<_>>(), [1, 0]);
    stream.complete(3, "b", "COMMIT");
    assert_eq!((stream.end(), stream.assembler.counters().xa_unseen), (vec![], 0));
}

#[test]
fn savepoints_and_texts_within() {
    let mut stream = Stream::new();
    for (number, word) in [(1, "COMMIT"), (3, "ROLLBACK")] {
        stream.gtid(number);
        stream.query("XA START X'61',X'',1");
        stream.rows(0..2);
        stream.query("SAVEPOINT `s`");
        stream.rows(2..4);
        stream.query("INSERT INTO i VALUES (1)");
        stream.query("ROLLBACK TO `s`");
        stream.query("INSERT INTO i VALUES (2)");
        stream.query("XA END X'61',X'',1");
        stream.xa_prepare(b"a", false);
        stream.complete(number + 1, "a", word);
    }
    stream.flush();
    let mut seen = stream.seen();
    seen.retain(|seen| !matches!(seen, Seen::Checkpoint(_)));
    let text =
        |number, is_rolled_back| Seen::Statement { sql: format!("INSERT INTO i VALUES ({number})"), is_rolled_back };
    let row = |id, index, is_last| Seen::Row { id, index, xid: None, gtid: Some(format!("{UUID}:2")), is_last };
    let committed = [Seen::Begin, row(0, 0, false), row(1, 1, true), text(1, true), text(2, false), Seen::End(2)];
    assert_eq!(seen, [&committed[..], &[text(1, true), text(2, true)]].concat());
}

/// MariaDB has no XA START; XA ROLLBACK of what was not prepared ends its own group.
#[test]
fn of_mariadb() {
    let event = |sequence, flags| MariaDbGtidEvent {
        gtid: MariaDbGtid { domain: 0, server: 1, sequence },
        flags,
        commit_id: None,
        xid: None,
        extra_flags: Default::default(),
        extra_engines: None,
        start_alter_sequence: None,
        thread_id: None,
    };
    let mut stream = Stream::new();
    let begin = |stream: &mut Stream, sequence| {
        let event = event(sequence, MariaDbGtidFlags::TRANSACTIONAL);
        stream.feed(EventType::MariaDbGtid, Event::MariaDbGtid(event));
    };
    for (number, word) in [(1, "COMMIT"), (3, "ROLLBACK")] {
        begin(&mut stream, number);
        stream.rows(number as i32..number as i32 + 1);
        stream.query("XA END X'61',X'',1");
        stream.xa_prepare(b"a", false);
        begin(&mut stream, number + 1);
        stream.query(&format!("XA {word} X'61',X'',1"));
    }
    begin(&mut stream, 5);
    stream.rows(5..6);
    stream.query("XA END X'61',X'',1");
    stream.query("XA ROLLBACK X'61',X'',1");
    assert_eq!(stream.end(), [(1, 0)]);
    let counters = stream.assembler.counters();
    assert_eq!((counters.rolled_back, counters.xa_waiting), (2, 0));
}

#[test]
fn large_ones_wait_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    for is_kept in [false, true] {
        let mut stream = if is_kept { Stream::kept_in(folder.path()) } else { Stream::new() };
        stream.begin(1);
        stream.rows(-2..-1);
        stream.xid(1);
        stream.gtid(2);
        stream.query("XA START X'61',X'',1");
        stream.large(0..MORE_THAN_HELD, 7);
        stream.query("SAVEPOINT `s`");
        stream.large(1000..1010, 7);
        stream.query("ROLLBACK TO `s`");
        stream.query("XA END X'61',X'',1");
        stream.xa_prepare(b"a", false);
        stream.prepare(3, "b", -3..-2);
        stream.begin(4);
        stream.rows(-1..0);
        stream.xid(4);
        assert_eq!(stream.end(), [(-2, 0), (-1, 0)]);
        assert_eq!(segments(folder.path()), if is_kept { 2 } else { 0 });
        stream.complete(5, "a", "COMMIT");
        stream.complete(6, "b", "COMMIT");
        stream.flush();
        let seen = stream.seen();
        assert_eq!(rows_of(&seen), [numbered((0..MORE_THAN_HELD).map(i64::from)), vec![(-3, 0)]].concat());
        assert_eq!(last_rows(&seen), [i64::from(MORE_THAN_HELD) - 1, -3]);
    }
}

#[test]
fn a_program_that_keeps_nothing_has_no_place_while_one_waits() {
    let mut stream = Stream::new();
    stream.assembler.keep_prepared(Keep::NoPlace);
    stream.begin(1);
    stream.rows(0..1);
    stream.xid(1);
    stream.flush();
    let before = stream.boundaries.len();
    stream.prepare(2, "a", 1..2);
    stream.flush();
    assert_eq!(stream.boundaries.len(), before);
    stream.complete(3, "a", "COMMIT");
    assert_eq!(stream.end(), [(0, 0), (1, 0)]);
    assert_eq!(stream.boundaries.len(), before + 1);
}

#[test]
fn what_a_checkpoint_names_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut stream = Stream::kept_in(folder.path());
    stream.prepare(1, "a", 0..1);
    stream.flush();
    let checkpoint = stream.boundaries.last().unwrap().0.clone();
    assert_eq!(segments(folder.path()), 1);
    drop(stream);
    assert_eq!(
        checkpoint.prepared,
        [PreparedXa {
            xid: spelled("a"),
            file: "binlog.000001".into(),
            offset: 4,
            events: 1,
            segment: Some(1),
            index: 0
        }]
    );
    let path = folder.path().join("1.segment");
    let whole = fs::read(&path).unwrap();
    let refused = |prepared: &[PreparedXa]| {
        let mut stream = Stream::kept_in(folder.path());
        stream.assembler.restore_prepared(prepared).unwrap_err().to_string()
    };
    for damage in [Some(whole.len() - 1), Some(whole.len() / 2), Some(0), None] {
        match damage {
            Some(length) => fs::write(&path, &whole[..length]).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let error = refused(&checkpoint.prepared);
        assert!(error.contains("X'61',X'',1") && error.contains("--from binlog.000001:4"), "{damage:?} {error}");
    }
    fs::write(&path, &whole).unwrap();
    let other = PreparedXa { offset: 5, ..checkpoint.prepared[0].clone() };
    assert!(refused(&[other]).contains("of another checkpoint"));
    let nowhere = PreparedXa { segment: None, ..checkpoint.prepared[0].clone() };
    assert!(refused(&[nowhere]).contains("no folder"));
    let mut stream = Stream::kept_in(folder.path());
    let lock = crate::files::lock(&folder.path().join("lock"), FileMode::default()).unwrap();
    let error = stream.assembler.restore_prepared(&checkpoint.prepared).unwrap_err().to_string();
    assert!(error.contains("another process"), "{error}");
    drop(lock);
    let mut stream = Stream::resumed(folder.path(), &checkpoint);
    stream.complete(2, "a", "COMMIT");
    assert_eq!(stream.end(), [(0, 0)]);
    let obsolete: Vec<_> = stream.boundaries.iter().flat_map(|(_, obsolete)| obsolete.clone()).collect();
    assert_eq!(obsolete, [path]);
}

/// A run that finds nothing to read has no boundary at which it could remove what a kill has left.
#[test]
fn what_no_checkpoint_names_goes_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut stream = Stream::kept_in(folder.path());
    stream.prepare(1, "a", 0..1);
    stream.flush();
    let waiting = stream.boundaries.last().unwrap().0.clone();
    stream.prepare(2, "b", 1..2);
    stream.flush();
    drop(stream);
    assert_eq!(segments(folder.path()), 2);
    // With a checkpoint that does not fit nothing is removed.
    let mut stream = Stream::kept_in(folder.path());
    let other = PreparedXa { offset: 5, ..waiting.prepared[0].clone() };
    stream.assembler.restore_prepared(&[other]).unwrap_err();
    drop(stream);
    assert_eq!(segments(folder.path()), 2);
    drop(Stream::resumed(folder.path(), &waiting));
    assert_eq!(segments(folder.path()), 1);
    drop(Stream::resumed(folder.path(), &Checkpoint { prepared: Vec::new(), ..waiting }));
    assert_eq!(segments(folder.path()), 0);
}

#[test]
fn a_folder_that_takes_nothing_ends_the_run_before_the_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let mut stream = Stream::kept_in(&file.join("xa"));
    stream.begin(1);
    stream.rows(0..1);
    stream.xid(1);
    stream.prepare(2, "a", 1..2);
    let error = stream.assembler.next_piece(true).unwrap_err().to_string();
    assert!(error.contains("--xa-dir") && error.contains("file/xa"), "{error}");
    // Nothing is given out that a checkpoint could lie after.
    assert!(stream.assembler.next_piece(true).is_err() && stream.boundaries.is_empty());
}

/// What cannot be read back is not passed over, however often it is tried.
#[test]
fn a_file_that_is_damaged_while_it_is_needed_ends_the_run_before_the_commit() {
    let folder = tempfile::tempdir().unwrap();
    let mut stream = Stream::kept_in(folder.path());
    stream.assembler.prepared().set_largest_in_memory(0);
    stream.prepare(1, "a", 0..1);
    stream.flush();
    let places = stream.boundaries.len();
    let path = folder.path().join("1.segment");
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(100).unwrap();
    stream.assembler.restart(Position { file: "binlog.000001".into(), offset: 500 });
    let xid = crate::mysql::sql::Xid::parse(spelled("a").as_bytes()).unwrap();
    stream.assembler.begin(None);
    assert_eq!(stream.assembler.xa_complete(&xid, true), Progress::Boundary);
    for _ in 0..3 {
        assert!(stream.assembler.next_piece(true).is_err());
    }
    assert_eq!(stream.boundaries.len(), places);
}

/// More may be hidden when it is read again.
#[test]
fn columns_are_hidden_as_the_rules_say_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut stream = Stream::kept_in(folder.path());
    stream.prepare(1, "a", 0..1);
    stream.flush();
    let rights = fs::metadata(folder.path().join("1.segment")).unwrap().permissions().mode();
    assert_eq!(rights & 0o777, 0o600, "what is to be hidden is in there");
    let checkpoint = stream.boundaries.last().unwrap().0.clone();
    drop(stream);
    let mut stream = Stream::kept_in(folder.path());
    let columns = ColumnRules {
        redactor: crate::rules::redaction::Redactor::new(&["text".into()], "***"),
        ..ColumnRules::default()
    };
    let options = AssemblerOptions { columns, ..AssemblerOptions::default() };
    let start = Position { file: "binlog.000001".into(), offset: checkpoint.offset };
    stream.assembler = Assembler::new(options, NoSource, start);
    stream.assembler.keep_prepared(Keep::InFolder(Folder::new(folder.path().to_owned())));
    stream.assembler.restore_prepared(&checkpoint.prepared).unwrap();
    stream.complete(2, "a", "COMMIT");
    assert_eq!(stream.end(), [(0, 0)]);
    assert!(stream.hides_columns);
}

/// What happens in a random stream.
#[derive(Debug, Clone)]
enum Step {
    Normal(Range<i32>, bool),
    Large(Range<i32>),
    Prepare(String, Range<i32>, bool),
    OnePhase(Range<i32>),
    Complete(String, bool),
    Rotate,
}

/// A random stream, and the rows that are committed in it, in order.
fn steps(random: &mut Random) -> (Vec<Step>, Vec<i64>) {
    let (mut steps, mut committed, mut next) = (Vec::new(), Vec::new(), 0);
    let mut waiting: BTreeMap<String, Range<i32>> = BTreeMap::new();
    for _ in 0..60 {
        let ids = next..next + 1 + random.below(4) as i32;
        next = ids.end;
        let name = format!("x{}", random.below(6));
        match random.below(12) {
            0..=2 => {
                let commits = random.below(4) > 0;
                committed.extend(ids.clone().filter(|_| commits).map(i64::from));
                steps.push(Step::Normal(ids, commits));
            }
            3 => {
                committed.extend(ids.clone().map(i64::from));
                steps.push(Step::Large(ids));
            }
            4 => {
                committed.extend(ids.clone().map(i64::from));
                steps.push(Step::OnePhase(ids));
            }
            5 => steps.push(Step::Rotate),
            6..=8 if !waiting.contains_key(&name) => {
                let is_large = random.below(4) == 0;
                waiting.insert(name.clone(), ids.clone());
                steps.push(Step::Prepare(name, ids, is_large));
            }
            _ => {
                let Some(ids) = waiting.remove(&name) else { continue };
                let commits = random.below(3) > 0;
                committed.extend(ids.filter(|_| commits).map(i64::from));
                steps.push(Step::Complete(name, commits));
            }
        }
    }
    (steps, committed)
}

impl Stream {
    fn step(&mut self, number: u64, step: &Step) {
        match step.clone() {
            Step::Normal(ids, commits) => {
                self.begin(number);
                self.rows(ids);
                if commits { self.xid(number) } else { self.query("ROLLBACK") }
            }
            Step::Large(ids) => {
                self.begin(number);
                self.large(ids, 1);
                self.xid(number);
            }
            Step::Prepare(name, ids, is_large) if is_large => {
                self.gtid(number);
                self.query(&format!("XA START {}", spelled(&name)));
                self.large(ids, 1);
                self.query(&format!("XA END {}", spelled(&name)));
                self.xa_prepare(name.as_bytes(), false);
            }
            Step::Prepare(name, ids, _) => self.prepare(number, &name, ids),
            Step::OnePhase(ids) => {
                self.gtid(number);
                self.query("XA START X'7a',X'',1");
                self.rows(ids);
                self.query("XA END X'7a',X'',1");
                self.xa_prepare(b"z", true);
            }
            Step::Complete(name, commits) => self.complete(number, &name, if commits { "COMMIT" } else { "ROLLBACK" }),
            Step::Rotate => self.feed(
                EventType::Rotate,
                Event::Rotate(Rotate { position: u64::from(self.offset), file: b"binlog.000001" }),
            ),
        }
    }
}

/// A process that is killed at any step, with checkpoints saved at some of the boundaries, and files removed only after one.
#[test]
fn random_streams_with_kills_between() {
    for seed in 1..=40 {
        let mut random = Random::new(seed);
        let (steps, committed) = steps(&mut random);
        let folder = tempfile::tempdir().unwrap();
        let bound = random.below(4) * LARGE;
        let (mut at, mut saved): (usize, Option<(usize, Checkpoint)>) = (0, None);
        // What came before each checkpoint stays; what came after it comes again.
        let (mut delivered, mut since): (Vec<i64>, Vec<i64>) = (Vec::new(), Vec::new());
        let mut stream = Stream::kept_in(folder.path());
        stream.assembler.prepared().set_largest_in_memory(bound);
        let mut obsolete = Vec::new();
        while at < steps.len() {
            stream.step(at as u64 + 1, &steps[at]);
            at += 1;
            if random.below(3) == 0 {
                stream.flush();
                since.extend(rows_of(&stream.seen()).into_iter().map(|(id, _)| id));
                let boundaries = std::mem::take(&mut stream.boundaries);
                obsolete.extend(boundaries.iter().flat_map(|(_, obsolete)| obsolete.clone()));
                if let Some((boundary, _)) = boundaries.last().filter(|_| random.below(2) == 0) {
                    saved = Some((at, boundary.clone()));
                    remove(&std::mem::take(&mut obsolete));
                    delivered.append(&mut since);
                }
            }
            if random.below(8) == 0
                && let Some((place, checkpoint)) = &saved
            {
                drop(stream);
                (at, obsolete) = (*place, Vec::new());
                since.clear();
                stream = Stream::resumed(folder.path(), checkpoint);
                stream.assembler.prepared().set_largest_in_memory(bound);
            }
        }
        stream.flush();
        since.extend(rows_of(&stream.seen()).into_iter().map(|(id, _)| id));
        delivered.append(&mut since);
        assert_eq!(delivered, committed, "seed {seed}");
        obsolete.extend(stream.boundaries.iter().flat_map(|(_, obsolete)| obsolete.clone()));
        remove(&obsolete);
        let last = stream.boundaries.last().map(|(boundary, _)| boundary.clone());
        if let Some(boundary) = last {
            let mut needed: Vec<_> = boundary.prepared.iter().filter_map(|xa| xa.segment).collect();
            needed.sort_unstable();
            needed.dedup();
            assert_eq!(segments(folder.path()), needed.len(), "seed {seed}");
        }
    }
}
