//! A session as later files have it.

use bytes::Bytes;

use super::*;
use crate::mysql::wire::{Command, StatusFlags};
use crate::recording::disk::samples::{about, at, begin, query, record};
use crate::recording::{
    PreparedBefore, RecordedAnswer, RecordedCommand, RecordedError, RecordedResult, SessionBegin, SessionSettings,
    SessionState, UserChange,
};

fn state(commands: &[RecordedCommand]) -> SessionBegin {
    let Event::Begin(first) = begin() else { unreachable!() };
    let mut state = SessionState::new(&first);
    commands.iter().for_each(|command| state.apply(command));
    state.begin()
}

fn prepare(id: u32, sql: &str) -> RecordedCommand {
    let answer = RecordedAnswer::Prepared { params: 0, columns: 1 };
    let results = vec![RecordedResult { answer, status: None, warnings: None }];
    RecordedCommand { command: Command::StmtPrepare, statement: Some(id), results, ..query(sql) }
}

fn simple(command: Command, statement: Option<u32>) -> RecordedCommand {
    RecordedCommand { command, statement, sql: None, ..query("") }
}

fn failed(mut command: RecordedCommand) -> RecordedCommand {
    let error = RecordedError { code: 1049, state: None, message: String::new() };
    command.results = vec![RecordedResult { answer: RecordedAnswer::Error(error), status: None, warnings: None }];
    command
}

#[test]
fn a_state_follows_what_changes_it() {
    let begin = state(&[query("USE shop"), query("SET NAMES latin1, time_zone = '+02:00'")]);
    assert!(begin.began_before && begin.user.as_deref() == Some("app"));
    assert_eq!(begin.database.as_deref(), Some("shop"));
    assert_eq!(begin.settings.client_charset.as_deref(), Some("latin1"));
    assert_eq!(begin.settings.time_zone.as_deref(), Some("+02:00"));
    assert_eq!(state(&[query("USE shop"), failed(query("USE other"))]).database.as_deref(), Some("shop"));
    assert_eq!(state(&[query("USE shop"), query("DROP DATABASE shop")]).database, None);
    let init = RecordedCommand { argument: Some(Bytes::from_static(b"crm")), ..simple(Command::InitDb, None) };
    assert_eq!(state(&[init]).database.as_deref(), Some("crm"));
    let mut several = query("USE a; USE b; USE c");
    several.results = [several.results.clone(), several.results.clone(), failed(query("")).results].concat();
    assert_eq!(state(&[several]).database.as_deref(), Some("b"));
}

#[test]
fn a_state_knows_the_settings_that_statements_and_statuses_tell() {
    assert_eq!(
        state(&[query("SET sql_mode = 'ANSI,NO_ZERO_DATE'")]).settings.sql_mode.as_deref(),
        Some("ANSI,NO_ZERO_DATE")
    );
    assert_eq!(state(&[query("SET sql_mode = CONCAT(@@sql_mode, ',ANSI')")]).settings.sql_mode, None);
    assert_eq!(state(&[]).settings.autocommit, None);
    assert_eq!(state(&[query("DO 1")]).settings.autocommit, Some(true));
    let mut off = query("SET autocommit = 0");
    off.results[0].status = Some(StatusFlags::empty());
    assert_eq!(state(&[query("DO 1"), off]).settings.autocommit, Some(false));
}

/// What stands in double quotes is a name or a string, by what each server tells.
#[test]
fn a_state_reads_texts_as_its_session_does() {
    let Event::Begin(first) = begin() else { unreachable!() };
    let settings = |mode: Option<&str>| SessionSettings { sql_mode: mode.map(str::to_owned), ..first.settings.clone() };
    let of = |version: &str, mode: Option<&str>, status: Option<StatusFlags>| {
        let begin =
            SessionBegin { server_version: Some(version.to_owned()), settings: settings(mode), ..(*first).clone() };
        let mut state = SessionState::new(&begin);
        if let Some(status) = status {
            let mut answered = query("DO 1");
            answered.results[0].status = Some(status);
            state.apply(&answered);
        }
        (state.lexis().ansi_quotes, state.lexis().backslash_escapes)
    };
    let (none, ansi) = (StatusFlags::empty(), StatusFlags::ANSI_QUOTES);
    let (mysql, mariadb) = ("9.7.4", "11.8.9-MariaDB");
    assert_eq!(of(mysql, Some("ANSI_QUOTES"), Some(none)), (Some(true), Some(true)));
    assert_eq!(of(mysql, None, Some(none)), (None, Some(true)));
    assert_eq!(of(mariadb, Some("ANSI_QUOTES"), Some(none)), (Some(false), Some(true)));
    assert_eq!(of(mariadb, None, Some(ansi)), (Some(true), Some(true)));
    // Before the first answer.
    assert_eq!(of(mysql, Some("NO_BACKSLASH_ESCAPES"), None), (Some(false), Some(false)));
    let quoted = [query("SET sql_mode = 'ANSI_QUOTES'"), query("USE \"crm\"")];
    assert_eq!(state(&quoted).database.as_deref(), Some("crm"));
}

#[test]
fn a_state_has_the_statements_that_are_open() {
    let prepared = |commands: &[RecordedCommand]| state(commands).prepared.iter().map(|it| it.id).collect::<Vec<_>>();
    let both = [prepare(1, "SELECT 1"), prepare(2, "SELECT 2")];
    let with = |command: RecordedCommand| [&both[..], &[command]].concat();
    let second = PreparedBefore { id: 2, sql: Bytes::from_static(b"SELECT 2") };
    assert_eq!(state(&with(simple(Command::StmtClose, Some(1)))).prepared, [second]);
    assert_eq!(prepared(&with(failed(prepare(3, "SELEC")))), [1, 2]);
    assert!(prepared(&with(simple(Command::ResetConnection, None))).is_empty());
    let change = UserChange { user: "root".to_owned(), database: Some("x".to_owned()), collation: None };
    let change = RecordedCommand { change_user: Some(Box::new(change)), ..simple(Command::ChangeUser, None) };
    let begin = state(&with(change));
    assert!(begin.prepared.is_empty());
    assert_eq!((begin.user.as_deref(), begin.database.as_deref()), (Some("root"), Some("x")));
}

#[test]
fn a_state_knows_whether_a_transaction_is_open() {
    let mut start = query("BEGIN");
    start.results[0].status = Some(StatusFlags::IN_TRANS);
    assert!(state(&[start.clone()]).in_transaction);
    assert!(state(&[start.clone(), failed(query("SELECT 1"))]).in_transaction);
    assert!(!state(&[start, query("COMMIT")]).in_transaction);
}

#[test]
fn each_file_can_be_read_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = RecordingWriter::create(folder.path(), &about(), WriterOptions::default()).unwrap();
    writer.write(&record(1, 0, 0, begin())).unwrap();
    writer.write(&record(2, 0, 1, begin())).unwrap();
    writer.write(&record(1, 1, 2, Event::Command(Box::new(query("USE shop"))))).unwrap();
    writer.write(&record(1, 2, 3, Event::Command(Box::new(prepare(4, "SELECT ?"))))).unwrap();
    writer.write(&record(2, 1, 4, Event::End(SessionClose::Quit))).unwrap();
    let hour = 3_600_000_000_000;
    writer.flush_due(at(hour)).unwrap();
    writer.write(&record(1, 3, hour + 1, Event::Command(Box::new(query("SELECT 1"))))).unwrap();
    writer.finish().unwrap();
    assert_eq!(read(folder.path(), None).0.len(), 6);
    let files = files(folder.path());
    assert_eq!(files.len(), 2);
    fs::remove_file(&files[0]).unwrap();
    let (found, _) = read(folder.path(), None);
    let Event::Begin(begin) = &found[0].event else { panic!("{found:?}") };
    assert_eq!((begin.database.as_deref(), begin.prepared.len(), found[0].number), (Some("shop"), 1, 2));
    assert_eq!((found.len(), found[1].number), (2, 3));
}
