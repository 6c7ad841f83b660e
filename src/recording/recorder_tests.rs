//! Sessions in memory, and the records that are made of them.

use std::cell::RefCell;
use std::rc::Rc;

use super::model::{Event, ParamValue, Record, RecordedAnswer, RecordedCommand, SessionClose, SessionId};
use super::sink::{Admission, RecordSink};
use super::{Recorder, RecorderOptions, Redaction};
use crate::mysql::wire::Command;
use crate::rules::redaction::Redactor;
use crate::session::tests::{AUTOCOMMIT, CLASSIC, MODERN, MORE, Said, Script};
use crate::session::{Interest, Now, Observer, ObserverConfig, Side};

/// Keeps records, and refuses those that the test does not want.
#[derive(Clone, Default)]
struct Kept {
    records: Rc<RefCell<Vec<Record>>>,
    is_full: Rc<RefCell<bool>>,
}

impl RecordSink for Kept {
    fn record(&mut self, record: Record) -> Admission {
        if *self.is_full.borrow() {
            return Admission::Full;
        }
        self.records.borrow_mut().push(record);
        Admission::Taken
    }
}

/// A session under way, and its recorder.
struct Session {
    observer: Observer,
    recorder: Recorder<Kept>,
    kept: Kept,
}

impl Session {
    fn new(options: RecorderOptions) -> Self {
        let interest = Recorder::<Kept>::INTEREST;
        let kept = Kept::default();
        let recorder = Recorder::new(SessionId(7), Some("client:1".into()), kept.clone()).with_options(options);
        Self { observer: Observer::new(ObserverConfig { interest, ..ObserverConfig::default() }), recorder, kept }
    }

    fn hear(&mut self, said: &[Said], chunk: usize) {
        for one in said {
            let (Said::Client(bytes) | Said::Server(bytes)) = one;
            for piece in bytes.chunks(chunk) {
                match one {
                    Said::Client(_) => self.observer.client_bytes(piece, Now::default(), &mut self.recorder),
                    Said::Server(_) => self.observer.server_bytes(piece, Now::default(), &mut self.recorder),
                }
            }
        }
    }

    /// The records once the connection is closed. Their numbers have no gap.
    fn closed(mut self) -> Vec<Event> {
        self.observer.close(Now::default(), &mut self.recorder);
        let records = self.kept.records.take();
        let numbers: Vec<_> = records.iter().map(|record| record.number).collect();
        assert_eq!(numbers, (0..records.len() as u64).collect::<Vec<_>>());
        records.into_iter().map(|record| record.event).collect()
    }
}

fn recorded_with(script: &Script, options: RecorderOptions) -> Vec<Event> {
    let mut session = Session::new(options);
    session.hear(&script.said, usize::MAX);
    session.closed()
}

fn recorded(script: &Script) -> Vec<Event> {
    recorded_with(script, RecorderOptions::default())
}

fn commands(events: &[Event]) -> Vec<&RecordedCommand> {
    events
        .iter()
        .filter_map(|event| if let Event::Command(command) = event { Some(command.as_ref()) } else { None })
        .collect()
}

fn sql(command: &RecordedCommand) -> String {
    String::from_utf8_lossy(command.sql.as_deref().unwrap_or_default()).into_owned()
}

/// A prepared statement with one parameter, by the id 7.
fn prepare<'s>(script: &'s mut Script, sql: &str) -> &'s mut Script {
    script.request(&[b"\x16", sql.as_bytes()].concat());
    script.server(&[0, 7, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]).definitions(1)
}

/// A bit of everything.
fn varied(capabilities: u64) -> Script {
    let mut script = Script::new(capabilities);
    script.query("SELECT 1; UPDATE t SET a = 2").rows(&["1"], AUTOCOMMIT | MORE).ok(4, "", AUTOCOMMIT);
    prepare(&mut script, "INSERT INTO t VALUES (?)");
    script.request(b"\x18\x07\0\0\0\0\0some ").request(b"\x18\x07\0\0\0\0\0data");
    script.request(&[0x17, 7, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 252, 0]).ok(1, "", AUTOCOMMIT);
    script.request(&[0x17, 7, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0x80, 0xff]).err(1062, "Duplicate entry '255'");
    script.request(b"\x19\x07\0\0\0").request(b"\x02other").ok(0, "", AUTOCOMMIT);
    script.query("LOAD DATA LOCAL INFILE 'x' INTO TABLE t").server(b"\xfbx");
    script.client(b"first,").client(b"second").client(b"").ok(2, "", AUTOCOMMIT);
    script.request(b"\x11bob\0\x06secretshop2\0\x2d\0").server(b"\xfeplugin\0nonce").client(b"secret");
    script.ok(0, "", AUTOCOMMIT).request(b"\x1f").ok(0, "", AUTOCOMMIT).request(b"\x01");
    script
}

#[test]
fn everything_that_a_session_does() {
    let events = recorded(&varied(MODERN));
    let Event::Begin(begin) = &events[0] else { panic!("{events:?}") };
    assert!(!begin.began_before && begin.settings.autocommit == Some(true));
    assert_eq!((begin.user.as_deref(), begin.database.as_deref()), (Some("app"), Some("shop")));
    assert_eq!((begin.settings.login_collation, begin.settings.client_charset.as_deref()), (Some(45), Some("utf8mb4")));
    assert_eq!(events.last(), Some(&Event::End(SessionClose::Quit)));
    let commands = commands(&events);
    let told: Vec<_> = commands.iter().map(|command| (command.command, command.results.len())).collect();
    assert_eq!(
        told,
        [
            (Command::Query, 2),
            (Command::StmtPrepare, 1),
            (Command::StmtSendLongData, 0),
            (Command::StmtSendLongData, 0),
            (Command::StmtExecute, 1),
            (Command::StmtExecute, 1),
            (Command::StmtClose, 0),
            (Command::InitDb, 1),
            (Command::Query, 1),
            (Command::ChangeUser, 1),
            (Command::ResetConnection, 1),
        ]
    );
    assert!(commands[1..7].iter().all(|command| command.statement == Some(7)));
    assert_eq!(commands[3].argument.as_deref(), Some(&b"\0\0data"[..]));
    let param = |command: &RecordedCommand| (command.params[0].column_type, command.params[0].value.clone());
    assert_eq!(param(commands[4]), (252, ParamValue::LongData));
    assert_eq!(param(commands[5]), (0x8001, ParamValue::Given("255".into())));
    assert_eq!(commands[5].error().map(|error| (error.code, &*error.message)), Some((1062, "Duplicate entry '255'")));
    assert_eq!(commands[8].files, ["first,second"]);
    let change = commands[9].change_user.as_ref().unwrap();
    assert_eq!((&*change.user, change.database.as_deref(), change.collation), ("bob", Some("shop2"), Some(45)));
    assert!(!format!("{events:?}").contains("secret"));
}

#[test]
fn a_recording_does_not_depend_on_how_bytes_are_cut() {
    for capabilities in [CLASSIC, MODERN] {
        let script = varied(capabilities);
        let whole = recorded(&script);
        for chunk in 1..40 {
            let mut session = Session::new(RecorderOptions::default());
            session.hear(&script.said, chunk);
            assert_eq!(session.closed(), whole, "pieces of {chunk} bytes");
        }
    }
}

#[test]
fn answers_that_nobody_saw() {
    let unknown = |script: &Script| {
        let events = recorded(script);
        assert_eq!(events.last(), Some(&Event::End(SessionClose::Closed)));
        let answers = commands(&events).into_iter().map(|command| command.results.last().unwrap().answer.clone());
        answers.collect::<Vec<_>>()
    };
    let lost = RecordedAnswer::Unknown("connection lost".into());
    let mut script = Script::new(MODERN);
    script.query("SELECT 1").query("SELECT 2");
    assert_eq!(unknown(&script), [lost.clone(), lost.clone()]);
    // In the middle of its rows.
    let mut script = Script::new(MODERN);
    script
        .query("SELECT a")
        .server(&[1])
        .server(b"\x03def\0\0\0\x01a\0\x0c\x3f\0\x01\0\0\0\x03\x81\0\0\0\0")
        .server(b"\x011");
    assert_eq!(unknown(&script), [lost]);
    // The server says why.
    let mut script = Script::new(MODERN);
    script.query("SELECT 1").rows(&["1"], AUTOCOMMIT).server(b"\xff\xbf\x0f#08S01idle").query("COMMIT");
    assert!(
        matches!(&unknown(&script)[1], RecordedAnswer::Unknown(why) if why.contains("4031") && why.contains("idle"))
    );
}

#[test]
fn a_session_that_never_began_is_no_record() {
    let mut script = Script::new(MODERN);
    script.said.truncate(1);
    assert_eq!(recorded(&script), []);
}

#[test]
fn bytes_that_are_missing_are_told() {
    let mut script = Script::new(MODERN);
    prepare(&mut script, "SELECT ?");
    script.query("SELECT 1");
    let mut session = Session::new(RecorderOptions::default());
    session.hear(&script.said, usize::MAX);
    session.observer.gap(Side::Server, None, Now::default(), &mut session.recorder);
    let mut later = Script::new(MODERN);
    let before = later.said.len();
    later.query("SELECT 2").rows(&["2"], AUTOCOMMIT).request(b"\x01");
    session.hear(&later.said[before..], usize::MAX);
    let events = session.closed();
    let kinds: Vec<_> = events
        .iter()
        .map(|event| match event {
            Event::Begin(begin) => format!("begin {}", begin.began_before),
            Event::Command(command) => sql(command),
            Event::Lost(_) => "lost".into(),
            Event::End(close) => format!("{close:?}"),
        })
        .collect();
    assert_eq!(kinds, ["begin false", "SELECT ?", "SELECT 1", "lost", "begin true", "SELECT 2", "Quit"]);
    assert!(matches!(commands(&events)[1].results[0].answer, RecordedAnswer::Unknown(_)));
}

#[test]
fn a_sink_without_room_makes_a_gap() {
    let mut script = Script::new(MODERN);
    prepare(&mut script, "SELECT ?");
    let mut session = Session::new(RecorderOptions::default());
    session.hear(&script.said, usize::MAX);
    let mut say = |session: &mut Session, query: &str| {
        let from = script.said.len();
        script.query(query).ok(0, "", 1);
        session.hear(&script.said[from..], usize::MAX);
    };
    *session.kept.is_full.borrow_mut() = true;
    say(&mut session, "BEGIN");
    say(&mut session, "SET time_zone = '+03:00'");
    *session.kept.is_full.borrow_mut() = false;
    say(&mut session, "DO 1");
    let events = session.closed();
    let [
        Event::Begin(_),
        Event::Command(_),
        Event::Lost(reason),
        Event::Begin(again),
        Event::Command(last),
        Event::End(_),
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert!(reason.contains("faster") && sql(last) == "DO 1");
    assert!(again.began_before && again.in_transaction && again.settings.time_zone.as_deref() == Some("+03:00"));
    assert_eq!(again.prepared.iter().map(|one| (one.id, &one.sql[..])).collect::<Vec<_>>(), [(7, &b"SELECT ?"[..])]);
}

#[test]
fn a_recorder_that_comes_late_knows_what_is_open() {
    let mut script = Script::new(MODERN);
    prepare(&mut script, "INSERT INTO t VALUES (?)");
    script.request(b"\x18\x07\0\0\0\0\0unseen");
    let mut session = Session::new(RecorderOptions::default());
    let mut nobody = |_: &crate::session::Statement<'_>| {};
    session.observer.set_interest(Interest::STATEMENTS);
    for said in &script.said {
        match said {
            Said::Client(bytes) => session.observer.client_bytes(bytes, Now::default(), &mut nobody),
            Said::Server(bytes) => session.observer.server_bytes(bytes, Now::default(), &mut nobody),
        }
    }
    session.observer.set_interest(Recorder::<Kept>::INTEREST);
    let from = script.said.len();
    // One whose parameter was sent before, one whose was not.
    script.request(b"\x0e").ok(0, "", AUTOCOMMIT);
    script.request(&[0x17, 7, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 252, 0]).ok(1, "", AUTOCOMMIT);
    script.request(b"\x18\x07\0\0\0\0\0seen");
    script.request(&[0x17, 7, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 252, 0]).ok(1, "", AUTOCOMMIT);
    session.hear(&script.said[from..], usize::MAX);
    let events = session.closed();
    let Event::Begin(begin) = &events[0] else { panic!("{events:?}") };
    assert!(begin.began_before && begin.prepared.len() == 1 && begin.user.as_deref() == Some("app"));
    let undecodable: Vec<_> = commands(&events).iter().map(|command| command.undecodable).collect();
    assert_eq!(undecodable, [false, true, false, false]);
}

#[test]
fn a_file_that_is_too_long_is_marked() {
    let mut script = Script::new(MODERN);
    script.query("LOAD DATA LOCAL INFILE 'x' INTO TABLE t").server(b"\xfbx");
    script.client(b"first,").client(b"second").client(b"").ok(2, "", AUTOCOMMIT);
    let of = |max_file_bytes| {
        let events = recorded_with(&script, RecorderOptions { max_file_bytes, ..RecorderOptions::default() });
        let command = commands(&events)[0];
        (command.files.clone(), command.truncated)
    };
    assert_eq!(of(12), (vec!["first,second".into()], false));
    assert_eq!(of(11), (vec!["first,secon".into()], true));
    assert_eq!(of(0), (vec!["".into()], true));
}

#[test]
fn errors_are_read_in_the_sessions_character_set() {
    let mut script = Script::new(MODERN);
    script.query("SET NAMES latin1").ok(0, "", AUTOCOMMIT).query("SELECT x");
    script.server(b"\xff\x28\x04#42000caf\xe9");
    let events = recorded(&script);
    assert_eq!(commands(&events)[1].error().map(|error| &*error.message), Some("caf\u{e9}"));
}

#[test]
fn passwords_are_never_recorded_and_other_values_if_asked() {
    let mut script = Script::new(MODERN);
    script.query("CREATE USER u IDENTIFIED BY 'hunter2'").err(1396, "Operation failed for 'hunter2'");
    script.query("UPDATE t SET api_token = 'hunter3', name = 'shown' WHERE id = 1").ok(1, "", AUTOCOMMIT);
    prepare(&mut script, "UPDATE t SET api_token = ?");
    script
        .request(&[&[0x17, 7, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 253, 0, 7][..], b"hunter4"].concat())
        .ok(1, "", AUTOCOMMIT);
    script.request(b"\x18\x07\0\0\0\0\0hunter5");
    let plain = recorded(&script);
    let text = |events: &[Event]| format!("{:?}", commands(events).iter().map(|one| sql(one)).collect::<Vec<_>>());
    assert!(!format!("{plain:?} {}", text(&plain)).contains("hunter2"), "{plain:?}");
    assert!(text(&plain).contains("hunter3") && text(&plain).contains("IDENTIFIED BY '***'"));
    let redactor = Redactor::new(&["token".into()], "***");
    let redaction = |redactor| RecorderOptions { redaction: Redaction::new(redactor), ..RecorderOptions::default() };
    let masked = recorded_with(&script, redaction(redactor.clone()));
    assert!(!format!("{masked:?} {}", text(&masked)).contains("hunter"), "{masked:?}");
    assert!(text(&masked).contains("api_token = '***', name = 'shown'"), "{}", text(&masked));
    let hashed = recorded_with(&script, redaction(redactor.with_pseudonyms(&[7; 32])));
    let execute = commands(&hashed)[3];
    let ParamValue::Given(pseudonym) = &execute.params[0].value else { panic!("{execute:?}") };
    assert!(execute.params[0].column_type == 253 && pseudonym.starts_with(b"h:") && pseudonym.len() == 34);
}
