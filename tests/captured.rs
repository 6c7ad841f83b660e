//! Byte streams captured from real clients and servers, in the observer: the statements must be the ones that were sent,
//! however the bytes are cut.
//!
//! `tests/captured/NAME.bin` was made with `integration/harness/capture.py`; `NAME.txt` holds the expected statements, one
//! a line: rows or affected rows, text, parameters, error. After a new capture `UPDATE_CAPTURED=1 cargo test --test
//! captured` writes the `.txt` for a person to check.

use std::path::Path;

use mysql_interceptor::mysql::wire::CapabilityFlags;
use mysql_interceptor::session::{
    MidSession, Now, Observer, ObserverConfig, Outcome, Phase, SessionFacts, Side, SightLoss, Statement,
};

/// The records of a capture: whether the client sent it, and the bytes.
fn records(path: &Path) -> Vec<(bool, Vec<u8>)> {
    let bytes = std::fs::read(path).expect("a capture");
    let mut rest = bytes.as_slice();
    let mut records = Vec::new();
    while let Some((&[who, a, b, c, d], tail)) = rest.split_first_chunk::<5>() {
        let (data, tail) = tail.split_at(u32::from_le_bytes([a, b, c, d]) as usize);
        records.push((who == b'C', data.to_vec()));
        rest = tail;
    }
    records
}

fn line(statement: &Statement<'_>) -> String {
    let mut line =
        format!("{}\t{}", statement.outcome.update_count(), String::from_utf8_lossy(statement.sql.unwrap_or(b"?")));
    if !statement.params.is_none() {
        let params = statement.params.to_strings().expect("parameters that can be decoded");
        let params: Vec<_> = params.into_iter().map(|param| param.unwrap_or_else(|| "NULL".into())).collect();
        line += &format!("\t[{}]", params.join(", "));
    }
    if let Some(error) = statement.outcome.error() {
        line += &format!("\t{error}");
    }
    line.replace('\n', "\\n")
}

/// Plays a capture in pieces of at most `chunk` bytes.
fn play(records: &[(bool, Vec<u8>)], chunk: usize) -> (Vec<String>, Observer) {
    let mut observer = Observer::new(ObserverConfig::default());
    let mut lines = Vec::new();
    let mut emit = |statement: &Statement<'_>| lines.push(line(statement));
    let now = Now::default();
    for (from_client, bytes) in records {
        for piece in bytes.chunks(chunk) {
            if *from_client {
                observer.client_bytes(piece, now, &mut emit);
            } else {
                observer.server_bytes(piece, now, &mut emit);
            }
        }
    }
    observer.close(now, &mut emit);
    (lines, observer)
}

fn check(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captured");
    let records = records(&folder.join(name).with_extension("bin"));
    let (lines, observer) = play(&records, usize::MAX);
    assert_eq!(observer.out_of_sight(), None);
    let expected = folder.join(name).with_extension("txt");
    if std::env::var_os("UPDATE_CAPTURED").is_some() {
        std::fs::write(&expected, lines.join("\n") + "\n").expect("a writable checkout");
    }
    let expected = std::fs::read_to_string(&expected).expect("the expected statements");
    assert_eq!(lines, expected.lines().collect::<Vec<_>>());
    for chunk in (1..64).chain([1000, 1448]) {
        let (pieces, observer) = play(&records, chunk);
        assert_eq!((pieces, observer.out_of_sight()), (lines.clone(), None), "pieces of {chunk} bytes");
    }
}

#[test]
fn mysql_command_line() {
    check("mysql_cli");
}

#[test]
fn mariadb_command_line() {
    check("mariadb_cli");
}

#[test]
fn connector_python_with_prepared_cursors() {
    check("connector_python_prepared");
}

#[test]
fn node_mysql2_with_execute_and_a_refused_change_user() {
    check("node_mysql2");
}

#[test]
fn connector_python_with_change_user_and_reset() {
    check("connector_python_change_user");
}

/// A statement with what it is compared by.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    sql: Option<Vec<u8>>,
    truncated: bool,
    /// Whether the outcome is known.
    is_known: bool,
    line: String,
}

impl Told {
    fn of(statement: &Statement<'_>) -> Self {
        Self {
            sql: statement.sql.map(<[u8]>::to_vec),
            truncated: statement.truncated,
            is_known: !matches!(statement.outcome, Outcome::Unknown(_)),
            line: statement.params.to_strings().map_or_else(|_| "undecodable".into(), |_| line(statement)),
        }
    }
}

fn show(observer: &mut Observer, (from_client, bytes): &(bool, Vec<u8>), told: &mut Vec<Told>) {
    let mut listener = |statement: &Statement<'_>| told.push(Told::of(statement));
    if *from_client {
        observer.client_bytes(bytes, Now::default(), &mut listener);
    } else {
        observer.server_bytes(bytes, Now::default(), &mut listener);
    }
}

fn close(observer: &mut Observer, told: &mut Vec<Told>) {
    observer.close(Now::default(), &mut |statement: &Statement<'_>| told.push(Told::of(statement)));
}

fn every_capture(mut check: impl FnMut(&str, &[(bool, Vec<u8>)])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captured");
    for entry in std::fs::read_dir(folder).expect("captures") {
        let path = entry.expect("a file").path();
        if path.extension().is_some_and(|extension| extension == "bin") {
            check(&path.file_stem().unwrap_or_default().to_string_lossy(), &records(&path));
        }
    }
}

/// From each of its commands on, a session gives the statements that it gives from its beginning; those prepared before have no text.
#[test]
fn from_the_middle_on() {
    every_capture(|name, records| {
        let (mut whole, mut told, mut starts) = (Observer::new(ObserverConfig::default()), Vec::new(), Vec::new());
        for (index, record) in records.iter().enumerate() {
            let is_command = record.0 && record.1.get(3) == Some(&0);
            if is_command && whole.phase() == Phase::Command && !whole.is_busy() {
                starts.push((index, told.len(), whole.facts().clone()));
            }
            show(&mut whole, record, &mut told);
        }
        close(&mut whole, &mut told);
        assert!(starts.len() > 3, "{name}");
        for (index, before, facts) in starts {
            for facts in [facts, SessionFacts::default()] {
                let given = facts.capabilities.is_some();
                let mut observer = Observer::resume(ObserverConfig::default(), MidSession { facts });
                // The rest of an answer that was asked for before does no harm.
                let tail = records[..index].iter().rfind(|(from_client, _)| !from_client).expect("an answer");
                let mut later = Vec::new();
                show(&mut observer, &(false, tail.1[tail.1.len() / 2..].to_vec()), &mut later);
                for record in &records[index..] {
                    show(&mut observer, record, &mut later);
                }
                close(&mut observer, &mut later);
                let what = format!("{name}, from record {index}, capabilities given: {given}");
                assert_eq!(observer.out_of_sight(), None, "{what}");
                assert_eq!(later.len(), told.len() - before, "{what}: {later:#?}");
                for (later, whole) in later.iter().zip(&told[before..]) {
                    assert_eq!(later.is_known, whole.is_known, "{what}");
                    // The text was prepared before, or how parameters are sent has not shown yet.
                    if later.sql.is_some() && later.line != "undecodable" {
                        assert_eq!(later.line, whole.line, "{what}");
                    }
                    assert!(later.line != "undecodable" || !given || later.sql.is_none(), "{what}");
                }
            }
        }
    });
}

/// Whatever is missing of a session: what is told is true, or says that it is not known.
#[test]
fn gaps_anywhere() {
    every_capture(|name, records| {
        let (mut whole, mut truth) = (Observer::new(ObserverConfig::default()), Vec::new());
        records.iter().for_each(|record| show(&mut whole, record, &mut truth));
        close(&mut whole, &mut truth);
        let (mut complete, mut resumed) = (0, 0);
        for (index, (from_client, bytes)) in records.iter().enumerate() {
            let places = (0..bytes.len()).flat_map(|start| [1, 2, 5, 16, 50, usize::MAX].map(|length| (start, length)));
            for (start, length) in places {
                let end = start.saturating_add(length).min(bytes.len());
                for is_known in [true, false] {
                    let mut observer = Observer::new(ObserverConfig::default());
                    let mut told = Vec::new();
                    records[..index].iter().for_each(|record| show(&mut observer, record, &mut told));
                    show(&mut observer, &(*from_client, bytes[..start].to_vec()), &mut told);
                    let side = if *from_client { Side::Client } else { Side::Server };
                    let missing = is_known.then_some((end - start) as u64);
                    let mut listener = |statement: &Statement<'_>| told.push(Told::of(statement));
                    observer.gap(side, missing, Now::default(), &mut listener);
                    show(&mut observer, &(*from_client, bytes[end..].to_vec()), &mut told);
                    records[index + 1..].iter().for_each(|record| show(&mut observer, record, &mut told));
                    resumed += u64::from(observer.phase() == Phase::Command);
                    close(&mut observer, &mut told);
                    complete += u64::from(told.iter().filter(|told| told.is_known).count() == truth.len());
                    let what = format!("{name}: {start}..{end} of record {index}, known: {is_known}");
                    check_against(&told, &truth, &what);
                }
            }
        }
        assert!(resumed > 100, "{name}: {resumed} times on, {complete} times all");
    });
}

/// Each statement is one of the true ones, in their order; or its outcome, its text or the end of that is not known.
fn check_against(told: &[Told], truth: &[Told], what: &str) {
    // What is left of a text of several statements is one, where its end is not known.
    let fits = |true_sql: &[u8], front: &[u8]| true_sql.starts_with(front) || front.starts_with(true_sql);
    let mut rest = truth.iter();
    for told in told {
        let Some(sql) = &told.sql else { continue };
        let found = rest.clone().position(|true_one| {
            let true_sql = true_one.sql.as_deref().unwrap_or_default();
            let same_text = if told.truncated || !told.is_known { fits(true_sql, sql) } else { true_sql == sql };
            same_text && (!told.is_known || told.truncated || told.line == true_one.line || told.line == "undecodable")
        });
        let found = found.unwrap_or_else(|| panic!("{what}: not true: {told:?}"));
        rest.nth(found);
    }
}

/// Frames of the compressed protocol are not taken for packets.
#[test]
fn a_compressed_session_from_the_middle_is_refused_unless_it_is_known_to_be_one() {
    let packet = |sequence: u8, payload: &[u8]| [&[payload.len() as u8, 0, 0, sequence], payload].concat();
    let frame = |sequence: u8, plain: &[u8]| [&[plain.len() as u8, 0, 0, sequence, 0, 0, 0], plain].concat();
    let request = frame(0, &packet(0, b"\x03DELETE FROM t"));
    let answer = frame(1, &packet(1, &[0, 3, 0, 2, 0, 0, 0]));
    let hear = |facts: SessionFacts| {
        let mut observer = Observer::resume(ObserverConfig::default(), MidSession { facts });
        let mut told = Vec::new();
        for _ in 0..2 {
            show(&mut observer, &(true, request.clone()), &mut told);
            show(&mut observer, &(false, answer.clone()), &mut told);
        }
        let lost = observer.out_of_sight().map(|end| end.loss);
        (told.len(), lost)
    };
    assert_eq!(hear(SessionFacts::default()), (0, Some(SightLoss::MidSession)));
    let mut facts = SessionFacts::default();
    facts.capabilities = Some(CapabilityFlags::PROTOCOL_41 | CapabilityFlags::COMPRESS);
    assert_eq!(hear(facts), (2, None));
}
