//! What a listener hears, by its interest.

use super::*;
use crate::session::{
    Answer, Columns, CommandBody, Gap, Interest, LoginAnswer, Outcome, Row, SentCommand, SessionFacts, SessionResult,
    TransactionState, UnknownOutcome,
};

/// Writes down what it hears, a line for each thing.
#[derive(Default)]
struct Recorder(Vec<String>);

impl Recorder {
    fn note(&mut self, line: String) {
        self.0.push(line);
    }
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

fn outcome(outcome: &Outcome<'_>) -> String {
    match outcome {
        Outcome::Ok(ok) => format!("ok {} id {} '{}'", ok.affected_rows, ok.last_insert_id, text(ok.info)),
        Outcome::Rows { count, end } => format!("{count} rows{}", if end.is_none() { ", closed" } else { "" }),
        Outcome::Error(error) => format!("error {} {}", error.code, text(error.message)),
        Outcome::Unknown(UnknownOutcome::ServerEnded(error)) => format!("unknown: {}", error.code),
        Outcome::Unknown(reason) => format!("unknown: {reason:?}"),
    }
}

impl SessionListener for Recorder {
    fn login(&mut self, login: &LoginAnswer<'_>) {
        let attributes: Vec<_> =
            login.attributes.clone().map(|(name, value)| format!("{}={}", text(name), text(value))).collect();
        let refused = login.refused.map(|error| error.code);
        let LoginAnswer { user, database, command, .. } = login;
        self.note(format!("login {user:?} {database:?} {attributes:?} refused {refused:?} command {command:?}"));
    }

    fn command(&mut self, command: &SentCommand<'_>) {
        let body = match command.body {
            CommandBody::Bytes(bytes) => text(bytes),
            CommandBody::ChangeUser(user) => format!("{user:?}"),
        };
        let params = match command.params.to_strings() {
            Ok(params) if params.is_empty() => String::new(),
            params => format!(" {params:?}"),
        };
        let sql = command.sql.map(|sql| format!(" sql {}", text(sql))).unwrap_or_default();
        let database = command.session.current_database.as_deref().unwrap_or("-");
        self.note(format!("{} {:?} in {database}: {body}{sql}{params}", command.number, command.command));
    }

    fn columns(&mut self, columns: &Columns<'_>) {
        let names: Option<Vec<_>> = columns.columns.map(|set| set.iter().map(|column| text(column.name)).collect());
        self.note(format!("{}/{} columns {:?} {names:?}", columns.command, columns.result, columns.of));
    }

    fn row(&mut self, row: &Row<'_>) {
        let values = row.values().map(|values| {
            values
                .map(|value| value.map_or_else(|error| error.to_string(), |value| value.to_string()))
                .collect::<Vec<_>>()
        });
        self.note(format!("{}/{} row {} {values:?}", row.command, row.result, row.index));
    }

    fn result(&mut self, result: &SessionResult<'_>) {
        let answer = match &result.answer {
            Answer::Outcome(of) => outcome(of),
            Answer::Prepared(prepare) => format!("prepared as {}", prepare.statement_id),
            Answer::Packet(packet) => format!("packet {}", text(packet)),
        };
        let checksum = if result.checksum.is_some() { ", checksum" } else { "" };
        let more = if result.more { ", more" } else { "" };
        self.note(format!("{}/{} {answer}{more}{checksum}", result.command, result.index));
    }

    fn statement(&mut self, statement: &Statement<'_>) {
        let sql = text(statement.sql.unwrap_or(b"?"));
        self.note(format!("{} statement {sql}: {}", statement.command, outcome(&statement.outcome)));
    }

    fn reset(&mut self, _: &SessionFacts) {
        self.note("began again".into());
    }

    fn gap(&mut self, gap: &Gap<'_>) {
        self.note(format!("gap of {:?} by {}, bridged: {}", gap.bytes, gap.from, gap.is_bridged));
    }

    fn end(&mut self, end: &SessionEnd<'_>) {
        match end.reason {
            EndReason::Closed => self.note("closed".into()),
            EndReason::OutOfSight(reason) => self.note(format!("out of sight: {:?}", reason.loss)),
        }
    }
}

/// Plays what is said in pieces of `chunk` bytes, and closes.
fn heard_in_pieces(said: &[Said], interest: Interest, chunk: usize) -> Vec<String> {
    let mut observer = Observer::new(ObserverConfig { interest, ..ObserverConfig::default() });
    let (mut recorder, now) = (Recorder::default(), Now::default());
    for one in said {
        let (Said::Client(bytes) | Said::Server(bytes)) = one;
        for piece in bytes.chunks(chunk) {
            match one {
                Said::Client(_) => observer.client_bytes(piece, now, &mut recorder),
                Said::Server(_) => observer.server_bytes(piece, now, &mut recorder),
            }
        }
    }
    observer.close(now, &mut recorder);
    recorder.0
}

fn heard(script: &Script, interest: Interest) -> Vec<String> {
    heard_in_pieces(&script.said, interest, usize::MAX)
}

/// Two columns, an integer and a text.
fn two_columns(script: &mut Script) {
    script.server(&[2]);
    script.server(b"\x03def\0\0\0\x01a\0\x0c\x3f\0\x01\0\0\0\x03\x81\0\0\0\0");
    script.server(b"\x03def\0\0\0\x01b\0\x0c\x2d\0\x01\0\0\0\xfd\0\0\0\0\0");
    if script.capabilities == CLASSIC {
        script.eof(AUTOCOMMIT);
    }
}

/// A bit of everything.
fn varied(capabilities: u64) -> Script {
    let mut script = Script::new(capabilities);
    script.request(b"\x02other").ok(0, "", AUTOCOMMIT);
    script.query("SELECT a, b FROM t; UPDATE t SET a = 2");
    two_columns(&mut script);
    script.server(b"\x011\x02hi").server(b"\x012\xfb").rows_end(AUTOCOMMIT | MORE).ok(4, "Rows", AUTOCOMMIT);
    script.request(b"\x16SELECT a, b FROM t WHERE a = ?").server(&[0, 7, 0, 0, 0, 2, 0, 1, 0, 0, 0, 0]).definitions(1);
    script.server(b"\x03def\0\0\0\x01a\0\x0c\x3f\0\x01\0\0\0\x03\x81\0\0\0\0");
    script.server(b"\x03def\0\0\0\x01b\0\x0c\x2d\0\x01\0\0\0\xfd\0\0\0\0\0");
    if capabilities == CLASSIC {
        script.eof(AUTOCOMMIT);
    }
    script.request(&[0x17, 7, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 253, 0, 1, b'1']);
    two_columns(&mut script);
    script.server(b"\0\0\x01\0\0\0\x02hi").server(b"\0\x08\x02\0\0\0").rows_end(AUTOCOMMIT);
    script.request(b"\x19\x07\0\0\0");
    script.request(b"\x0e").ok(0, "", AUTOCOMMIT);
    script.request(b"\x09").server(b"Uptime: 1");
    script.request(b"\x1f").ok(0, "", AUTOCOMMIT);
    script.query("SELEC").err(1064, "no");
    script.request(b"\x01");
    script
}

#[test]
fn nothing_is_told_that_is_not_asked_for() {
    for capabilities in [CLASSIC, MODERN] {
        let script = varied(capabilities);
        assert_eq!(heard(&script, Interest::empty()), [] as [&str; 0]);
        let everything = heard(&script, Interest::all() - Interest::ROW_CHECKSUMS);
        let mut parts = 0;
        for interest in Interest::all().iter() {
            let part = heard(&script, interest);
            parts += part.len();
            assert!(part.iter().all(|line| everything.contains(line)), "{interest:?}");
        }
        // Checksums are a part of results.
        assert_eq!(parts, everything.len());
        assert_eq!(heard(&script, Interest::ROW_CHECKSUMS), [] as [&str; 0]);
    }
}

#[test]
fn statements_as_ever() {
    assert_eq!(
        heard(&varied(MODERN), Interest::default()),
        [
            "2 statement SELECT a, b FROM t: 2 rows",
            "2 statement UPDATE t SET a = 2: ok 4 id 0 'Rows'",
            "4 statement SELECT a, b FROM t WHERE a = ?: 2 rows",
            "9 statement SELEC: error 1064 no",
            "closed",
        ]
    );
}

#[test]
fn each_command_as_it_was_sent() {
    assert_eq!(
        heard(&varied(MODERN), Interest::COMMANDS),
        [
            "1 InitDb in shop: other",
            "2 Query in other: SELECT a, b FROM t; UPDATE t SET a = 2 sql SELECT a, b FROM t; UPDATE t SET a = 2",
            "3 StmtPrepare in other: SELECT a, b FROM t WHERE a = ? sql SELECT a, b FROM t WHERE a = ?",
            "4 StmtExecute in other: \\x07\\x00\\x00\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x01\\xfd\\x00\\x011 \
             sql SELECT a, b FROM t WHERE a = ? Ok([Some(\"1\")])",
            "5 StmtClose in other: \\x07\\x00\\x00\\x00",
            "6 Ping in other: ",
            "7 Statistics in other: ",
            "8 ResetConnection in other: ",
            "9 Query in other: SELEC sql SELEC",
            "10 Quit in other: ",
        ]
    );
}

#[test]
fn columns_rows_and_results_in_both_protocols() {
    for capabilities in [CLASSIC, MODERN] {
        let interest = Interest::COLUMNS | Interest::ROWS | Interest::RESULTS | Interest::ROW_CHECKSUMS;
        assert_eq!(
            heard(&varied(capabilities), interest),
            [
                "1/0 ok 0 id 0 ''",
                "2/0 columns Result Some([\"a\", \"b\"])",
                "2/0 row 0 Ok([\"1\", \"hi\"])",
                "2/0 row 1 Ok([\"2\", \"NULL\"])",
                "2/0 2 rows, more, checksum",
                "2/1 ok 4 id 0 'Rows'",
                "3/0 columns Params Some([\"a\"])",
                "3/0 columns Prepared Some([\"a\", \"b\"])",
                "3/0 prepared as 7",
                "4/0 columns Result Some([\"a\", \"b\"])",
                "4/0 row 0 Ok([\"1\", \"hi\"])",
                "4/0 row 1 Ok([\"2\", \"NULL\"])",
                "4/0 2 rows, checksum",
                "6/0 ok 0 id 0 ''",
                "7/0 packet Uptime: 1",
                "8/0 ok 0 id 0 ''",
                "9/0 error 1064 no",
            ]
        );
    }
}

#[test]
fn pieces_of_every_length_are_heard_alike() {
    for capabilities in [CLASSIC, MODERN] {
        let script = varied(capabilities);
        let whole = heard(&script, Interest::all());
        for chunk in 1..40 {
            assert_eq!(heard_in_pieces(&script.said, Interest::all(), chunk), whole, "pieces of {chunk} bytes");
        }
    }
}

#[test]
fn a_login_and_what_the_clients_library_says_of_itself() {
    let mut script = Script::new(MODERN | CapabilityFlags::CONNECT_ATTRS.bits());
    if let Said::Client(login) = &mut script.said[1] {
        let payload = [&login[4..], b"\x0a\x03_os\x05Linux"].concat();
        *login = framed(1, &payload);
    }
    assert_eq!(
        heard(&script, Interest::LOGIN | Interest::END),
        ["login Some(\"app\") Some(\"shop\") [\"_os=Linux\"] refused None command None", "closed"]
    );
    // Refused at the end.
    script.said.pop();
    script.said.push(Said::Server(framed(4, b"\xff\x15\x04#28000Access denied")));
    assert_eq!(
        heard(&script, Interest::LOGIN),
        ["login Some(\"app\") Some(\"shop\") [\"_os=Linux\"] refused Some(1045) command None"]
    );
}

#[test]
fn a_change_of_user_without_its_secret() {
    let mut script = Script::new(MODERN);
    script.request(b"\x11bob\0\x06secretshop2\0\x2d\0").server(b"\xfeplugin\0nonce").client(b"secret");
    script.ok(0, "", AUTOCOMMIT).query("SELECT 1").ok(0, "", AUTOCOMMIT);
    script.request(b"\x11eve\0\x06secret\0\x2d\0").err(1045, "denied");
    let heard = heard(&script, Interest::all() - Interest::RESULTS - Interest::RESETS);
    assert_eq!(
        heard[1..],
        [
            "1 ChangeUser in shop: Some(ChangedUser { user: \"bob\", database: Some(\"shop2\"), collation: Some(45) })",
            "login Some(\"bob\") Some(\"shop2\") [] refused None command Some(1)",
            "2 Query in shop2: SELECT 1 sql SELECT 1",
            "2 statement SELECT 1: ok 0 id 0 ''",
            "3 ChangeUser in shop2: Some(ChangedUser { user: \"eve\", database: None, collation: Some(45) })",
            "login Some(\"eve\") None [] refused Some(1045) command Some(3)",
            "closed",
        ]
    );
    assert!(!heard.concat().contains("secret"));
}

#[test]
fn commands_sent_ahead_are_told_when_the_server_gets_to_them() {
    let mut script = Script::new(MODERN);
    script.request(b"\x02one").request(b"\x0e").request(b"\x0e").request(b"\x18\x07\0\0\0\0\0long").request(b"\x01");
    for _ in 0..3 {
        script.server(&[0, 0, 0, 2, 0, 0, 0, 0]);
    }
    assert_eq!(
        heard(&script, Interest::COMMANDS | Interest::RESULTS),
        [
            "1 InitDb in shop: one",
            "1/0 ok 0 id 0 ''",
            "2 Ping in one: ",
            "2/0 ok 0 id 0 ''",
            "3 Ping in one: ",
            "3/0 ok 0 id 0 ''",
            "4 StmtSendLongData in one: \\x07\\x00\\x00\\x00\\x00\\x00long",
            "5 Quit in one: ",
        ]
    );
    // Those that it never got to are told at the end.
    script.said.truncate(script.said.len() - 3);
    assert_eq!(heard(&script, Interest::COMMANDS).len(), 5);
}

#[test]
fn a_cursor_s_rows_have_the_statements_columns() {
    let mut script = Script::new(CLASSIC);
    script.request(b"\x16SELECT a").server(&[0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]).definitions(1);
    script.request(&[0x17, 7, 0, 0, 0, 1, 1, 0, 0, 0]).server(&[1]);
    script.server(b"\x03def\0\0\0\x01a\0\x0c\x3f\0\x01\0\0\0\x03\x81\0\0\0\0").eof(0x42);
    script.request(&[0x1c, 7, 0, 0, 0, 1, 0, 0, 0]).server(b"\0\0\x05\0\0\0").eof(0x42);
    script.request(&[0x1c, 7, 0, 0, 0, 1, 0, 0, 0]).server(b"\0\0\x06\0\0\0").eof(0x82);
    let interest = Interest::ROWS | Interest::STATEMENTS;
    assert_eq!(
        heard(&script, interest),
        ["3/0 row 0 Ok([\"5\"])", "4/0 row 0 Ok([\"6\"])", "2 statement SELECT a: 2 rows"]
    );
    // Closed by the client.
    script.said.truncate(script.said.len() - 3);
    script.request(b"\x19\x07\0\0\0");
    assert_eq!(heard(&script, Interest::STATEMENTS), ["2 statement SELECT a: 1 rows, closed"]);
}

#[test]
fn rows_of_unknown_columns_are_bytes() {
    let optional = MODERN | CapabilityFlags::OPTIONAL_RESULTSET_METADATA.bits();
    let mut script = Script::new(optional);
    script.query("SELECT 1").server(&[1, 0]).server(b"\x011").rows_end(AUTOCOMMIT);
    let lines = heard(&script, Interest::ROWS | Interest::RESULTS | Interest::ROW_CHECKSUMS);
    assert_eq!(lines, ["1/0 row 0 Err(Malformed(\"row, or its columns are not known\"))", "1/0 1 rows, checksum"]);
}

/// The outcomes of a script's statements, and the transaction after each.
fn transactions(script: &Script) -> Vec<(TransactionState, Option<u16>)> {
    let mut seen = Vec::new();
    let mut observer = Observer::new(ObserverConfig::default());
    let mut listener = |statement: &Statement<'_>| {
        seen.push((statement.outcome.transaction(), statement.outcome.warnings()));
    };
    for said in &script.said {
        match said {
            Said::Client(bytes) => observer.client_bytes(bytes, Now::default(), &mut listener),
            Said::Server(bytes) => observer.server_bytes(bytes, Now::default(), &mut listener),
        }
    }
    observer.close(Now::default(), &mut listener);
    seen
}

#[test]
fn the_outcome_tells_the_transaction() {
    let mut script = Script::new(MODERN);
    script.query("START TRANSACTION READ ONLY").ok(0, "", 0x2001).query("SELECT 1").rows(&["1"], 0x2001);
    script.query("SELEC").err(1064, "no").query("COMMIT").server(&[0, 0, 0, 2, 0, 3, 0]).query("INSERT");
    let open = TransactionState::Open { read_only: true };
    assert_eq!(
        transactions(&script),
        [
            (open, Some(0)),
            (open, Some(0)),
            (TransactionState::Unknown, None),
            (TransactionState::Closed, Some(3)),
            (TransactionState::Unknown, None),
        ]
    );
}

#[test]
fn an_unknown_outcome_says_why() {
    let mut script = Script::new(MODERN);
    script.query("COMMIT");
    assert_eq!(heard(&script, Interest::STATEMENTS), ["1 statement COMMIT: unknown: ConnectionLost"]);
    let mut script = Script::new(MODERN);
    script.server(b"\xff\xbf\x0f#08S01idle").query("COMMIT");
    assert_eq!(heard(&script, Interest::STATEMENTS), ["1 statement COMMIT: unknown: 4031"]);
    let mut script = Script::new(MODERN);
    script.query("COMMIT").server(&[0, 1]);
    assert_eq!(
        heard(&script, Interest::default()),
        ["1 statement COMMIT: unknown: ObservationLost", "out of sight: Protocol"]
    );
}
