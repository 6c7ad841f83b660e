//! Sessions against a server that a test plays.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Accounts, PlayError, PlayOptions, SchemaMap, Target, TargetSession, Unplayable};
use crate::client::{TlsMode, TlsOptions};
use crate::mysql::wire::{CapabilityFlags, Command, HandshakeResponse, write_packet};
use crate::recording::{
    Param, ParamValue, PreparedBefore, RecordedAnswer, RecordedCommand, RecordedResult, SessionBegin, SessionClose,
    SessionSettings,
};
use crate::session::Now;

const OK: &[u8] = b"\0\x01\x05\x02\0\0\0";
const ERROR: &[u8] = b"\xff\x28\x04#42000You have an error";

/// What the server does with a command.
enum Reply {
    /// These packets, with sequence ids from 1.
    Packets(Vec<Vec<u8>>),
    /// Nothing at all.
    Nothing,
    /// It closes.
    Close,
    /// It asks for a file, and answers after that.
    File,
}

fn packets(payloads: &[&[u8]]) -> Reply {
    Reply::Packets(payloads.iter().map(|payload| payload.to_vec()).collect())
}

/// A server: what it heard, and where it is.
struct Server {
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
    target: Target,
}

impl Server {
    /// Answers commands as `answer` says; those without an answer are not asked about.
    async fn start(answer: impl Fn(&[u8]) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&heard);
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            serve(&mut stream, &log, &answer).await;
        });
        let tls = TlsOptions { mode: TlsMode::Disabled, ca: None };
        let accounts = Accounts::one("target_user", "secret");
        let target = Target::new("127.0.0.1", port, tls, Duration::from_secs(10), accounts).unwrap();
        Self { heard, target }
    }

    async fn open(&self, begin: &SessionBegin, options: &PlayOptions) -> TargetSession {
        TargetSession::open(&self.target, begin, options).await.unwrap()
    }

    /// Commands so far; the login is the first.
    fn heard(&self) -> Vec<Vec<u8>> {
        self.heard.lock().unwrap().clone()
    }

    fn texts(&self) -> Vec<String> {
        let heard = self.heard();
        heard.iter().skip(1).map(|packet| String::from_utf8_lossy(&packet[1..]).into_owned()).collect()
    }
}

async fn read_packet(stream: &mut TcpStream) -> Option<(Vec<u8>, u8)> {
    let mut header = [0; 4];
    stream.read_exact(&mut header).await.ok()?;
    let mut payload = vec![0; u32::from_le_bytes([header[0], header[1], header[2], 0]) as usize];
    stream.read_exact(&mut payload).await.ok()?;
    Some((payload, header[3]))
}

async fn serve(stream: &mut TcpStream, log: &Mutex<Vec<Vec<u8>>>, answer: &(dyn Fn(&[u8]) -> Reply + Send + Sync)) {
    let send = async |stream: &mut TcpStream, payload: &[u8], sequence: u8| {
        let mut packet = Vec::new();
        write_packet(&mut packet, payload, sequence);
        let _ = stream.write_all(&packet).await;
    };
    let capabilities = !(CapabilityFlags::SSL | CapabilityFlags::QUERY_ATTRIBUTES).mysql_bits();
    let [a, b, c, d] = capabilities.to_le_bytes();
    let greeting = [&b"\x0a9.7.4\0\x08\0\0\x0012345678\0"[..], &[a, b, 45, 2, 0, c, d, 21], &[0; 10]].concat();
    let greeting = [&greeting[..], b"abcdefghijkl\0mysql_native_password\0"].concat();
    send(stream, &greeting, 0).await;
    let Some((login, _)) = read_packet(stream).await else { return };
    log.lock().unwrap().push(login);
    send(stream, b"\0\0\0\x02\0\0\0", 2).await;
    while let Some((command, _)) = read_packet(stream).await {
        log.lock().unwrap().push(command.clone());
        if matches!(Command::from_byte(command[0]), Command::StmtClose | Command::StmtSendLongData | Command::Quit) {
            continue;
        }
        match answer(&command) {
            Reply::Packets(payloads) => {
                for (payload, sequence) in payloads.iter().zip(1..) {
                    send(stream, payload, sequence).await;
                }
            }
            Reply::Nothing => {}
            Reply::Close => return,
            Reply::File => {
                send(stream, b"\xfbfile", 1).await;
                let mut last = 1;
                while let Some((content, sequence)) = read_packet(stream).await {
                    assert_eq!(sequence, last + 1);
                    last = sequence;
                    log.lock().unwrap().push(content.clone());
                    if content.is_empty() {
                        break;
                    }
                }
                send(stream, OK, last + 1).await;
            }
        }
    }
}

fn query(sql: &str) -> RecordedCommand {
    RecordedCommand { sql: Some(sql.as_bytes().into()), ..RecordedCommand::new(Command::Query) }
}

fn prepare(sql: &str, statement: Option<u32>) -> RecordedCommand {
    RecordedCommand { statement, ..RecordedCommand { command: Command::StmtPrepare, ..query(sql) } }
}

fn about(command: Command, statement: u32) -> RecordedCommand {
    RecordedCommand { statement: Some(statement), ..RecordedCommand::new(command) }
}

fn execute(statement: u32, value: &'static str) -> RecordedCommand {
    let param = Param { column_type: 1, value: ParamValue::Given(Bytes::from_static(value.as_bytes())) };
    RecordedCommand { params: vec![param], ..about(Command::StmtExecute, statement) }
}

/// The answer to a PREPARE of a statement with one parameter and no columns.
fn prepared(id: u8) -> Reply {
    let definition: &[u8] = b"\x03def\0\0\0\x01?\0\x0c?\0\0\0\0\0\x08\0\0\0\0\0";
    let eof: &[u8] = b"\xfe\0\0\x02\0";
    packets(&[&[0, id, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0], definition, eof])
}

async fn play(session: &mut TargetSession, command: &RecordedCommand) -> Result<RecordedCommand, PlayError> {
    session.play(command, Now::default()).await
}

fn unplayable(result: Result<RecordedCommand, PlayError>) -> Unplayable {
    match result {
        Err(PlayError::Unplayable(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_login_is_the_recorded_one_with_the_targets_account() {
    let server = Server::start(|_| packets(&[OK])).await;
    let begin = SessionBegin {
        user: Some("app".into()),
        database: Some("shop".into()),
        capabilities: Some(CapabilityFlags::from_bits_retain(2) | CapabilityFlags::COMPRESS),
        attributes: vec![("program_name".into(), "web".into())],
        settings: SessionSettings { time_zone: Some("+01:00".into()), ..SessionSettings::default() },
        ..SessionBegin::default()
    };
    let options = PlayOptions {
        schema_map: Some(Arc::new("shop=shop_{n}".parse::<SchemaMap>().unwrap())),
        copy: 4,
        ..PlayOptions::default()
    };
    let mut session = server.open(&begin, &options).await;
    play(&mut session, &query("SELECT * FROM shop.t")).await.unwrap();
    session.close(SessionClose::Quit).await;
    let login = &server.heard()[0];
    let parsed = HandshakeResponse::parse(login, CapabilityFlags::all(), None).unwrap();
    assert!(parsed.capabilities.contains(CapabilityFlags::from_bits_retain(2)), "CLIENT_FOUND_ROWS changes results");
    assert!(!parsed.capabilities.contains(CapabilityFlags::COMPRESS));
    let named = parsed.login.unwrap();
    assert_eq!((named.user, named.database), (&b"target_user"[..], Some(&b"shop_4"[..])));
    for attribute in ["\x0cprogram_name\x03web", "\x0breplayed_by\x11mysql-interceptor"] {
        assert!(String::from_utf8_lossy(login).contains(attribute), "{attribute}");
    }
    assert_eq!(server.texts()[..2], ["SET time_zone = '+01:00'", "SELECT * FROM `shop_4`.t"]);
}

#[tokio::test]
async fn outcomes_are_what_the_target_answers() {
    let server = Server::start(|command| packets(&[if command.ends_with(b"bad") { ERROR } else { OK }])).await;
    let mut session = server.open(&SessionBegin::default(), &PlayOptions::default()).await;
    let observed = play(&mut session, &query("INSERT")).await.unwrap();
    let [RecordedResult { answer: RecordedAnswer::Ok { affected_rows: 1, last_insert_id: 5 }, .. }] =
        observed.results[..]
    else {
        panic!("{observed:?}");
    };
    assert!(observed.duration_ns.is_some());
    let observed = play(&mut session, &query("bad")).await.unwrap();
    assert_eq!(observed.error().map(|error| error.code), Some(1064));
    assert!(session.is_open() && !session.in_transaction());
    let truncated = RecordedCommand { truncated: true, ..query("x") };
    assert_eq!(unplayable(play(&mut session, &truncated).await), Unplayable::Truncated);
    assert_eq!(unplayable(play(&mut session, &RecordedCommand::new(Command::BinlogDump)).await), Unplayable::Stream);
    assert_eq!(unplayable(play(&mut session, &RecordedCommand::new(Command::Query)).await), Unplayable::NoText);
    assert!(session.is_open());
}

#[tokio::test]
async fn ids_of_prepared_statements_are_mapped() {
    let server = Server::start(|command| match command {
        [0x16, sql @ ..] if sql.starts_with(b"bad") => packets(&[ERROR]),
        [0x16, .., last] => prepared(*last),
        _ => packets(&[OK]),
    })
    .await;
    let begin = SessionBegin {
        prepared: vec![PreparedBefore { id: 90, sql: Bytes::from_static(b"before \x07") }],
        ..SessionBegin::default()
    };
    let mut session = server.open(&begin, &PlayOptions::default()).await;
    let observed = play(&mut session, &prepare("one \x05", Some(1))).await.unwrap();
    assert_eq!(observed.statement, Some(1), "the recorded id");
    assert_eq!(play(&mut session, &execute(1, "9")).await.unwrap().statement, Some(1));
    play(&mut session, &execute(90, "9")).await.unwrap();
    // Refused here: what is about it is not played.
    assert!(play(&mut session, &prepare("bad", Some(2))).await.unwrap().error().is_some());
    assert_eq!(unplayable(play(&mut session, &execute(2, "9")).await), Unplayable::NotPrepared);
    // Refused there: it is closed at once.
    play(&mut session, &prepare("good \x06", None)).await.unwrap();
    // Nobody has seen it prepared: with its text it is prepared now.
    assert_eq!(unplayable(play(&mut session, &execute(3, "9")).await), Unplayable::UnknownStatement);
    let known = RecordedCommand { sql: Some(b"late \x08".as_slice().into()), ..execute(3, "9") };
    play(&mut session, &known).await.unwrap();
    let two = RecordedCommand { params: [execute(1, "9").params, execute(1, "9").params].concat(), ..execute(1, "9") };
    assert_eq!(unplayable(play(&mut session, &two).await), Unplayable::ParamCount);
    play(&mut session, &about(Command::StmtClose, 1)).await.unwrap();
    assert_eq!(unplayable(play(&mut session, &execute(1, "9")).await), Unplayable::UnknownStatement);
    play(&mut session, &query("end")).await.unwrap();
    let ids: Vec<_> = server
        .heard()
        .iter()
        .filter(|packet| matches!(packet[0], 0x17 | 0x19))
        .map(|packet| (packet[0], packet[1]))
        .collect();
    assert_eq!(ids, [(0x17, 5), (0x17, 7), (0x19, 6), (0x17, 8), (0x19, 5)]);
}

#[tokio::test]
async fn files_are_sent_when_the_target_asks() {
    let server = Server::start(|command| if command.ends_with(b"LOAD") { Reply::File } else { packets(&[OK]) }).await;
    let mut session = server.open(&SessionBegin::default(), &PlayOptions::default()).await;
    let content = Bytes::from(vec![7; (256 << 10) + 1]);
    let load = RecordedCommand { files: vec![content.clone()], ..query("LOAD") };
    play(&mut session, &load).await.unwrap();
    assert_eq!(server.heard()[2..].concat(), content);
    // A client that refused sends nothing.
    play(&mut session, &query("LOAD")).await.unwrap();
    play(&mut session, &query("SELECT 1")).await.unwrap();
    assert_eq!(server.heard()[5..].iter().map(Vec::len).collect::<Vec<_>>(), [5, 0, 9]);
}

#[tokio::test]
async fn a_lost_connection_says_what_is_known() {
    let server = Server::start(|_| Reply::Close).await;
    let mut session = server.open(&SessionBegin::default(), &PlayOptions::default()).await;
    match play(&mut session, &query("SELECT 1")).await {
        Err(PlayError::Lost { observed: Some(observed), .. }) => {
            assert!(matches!(observed.results[0].answer, RecordedAnswer::Unknown(_)), "{observed:?}");
        }
        other => panic!("{other:?}"),
    }
    assert!(!session.is_open());
    assert!(matches!(play(&mut session, &query("SELECT 1")).await, Err(PlayError::Lost { observed: None, .. })));
}

#[tokio::test]
async fn a_target_that_does_not_answer_in_time_is_left() {
    let server = Server::start(|_| Reply::Nothing).await;
    let options = PlayOptions { statement_timeout: Some(Duration::from_millis(10)), ..PlayOptions::default() };
    let mut session = server.open(&SessionBegin::default(), &options).await;
    let result = play(&mut session, &query("SELECT SLEEP(100)")).await;
    assert!(matches!(result, Err(PlayError::TimedOut { observed: Some(_), .. })), "{result:?}");
    assert!(!session.is_open());
}

#[tokio::test]
async fn what_the_recorded_client_did_not_wait_for_is_left_here_too() {
    let server = Server::start(|_| Reply::Nothing).await;
    let mut session = server.open(&SessionBegin::default(), &PlayOptions::default()).await;
    let answer = RecordedAnswer::Unknown("connection lost".into());
    let results = vec![RecordedResult { answer, status: None, warnings: None }];
    let last = RecordedCommand { results, duration_ns: Some(1_000_000), ..query("SELECT SLEEP(100)") };
    let observed = play(&mut session, &last).await.unwrap();
    assert!(matches!(observed.results[0].answer, RecordedAnswer::Unknown(_)));
    assert!(!session.is_open());
    assert_eq!(server.texts(), ["SELECT SLEEP(100)"]);
}

#[tokio::test]
async fn statements_get_the_recorded_time_where_they_need_it() {
    let server = Server::start(|_| packets(&[b"\0\0\0\x03\0\0\0"])).await;
    let options = PlayOptions { deterministic: true, ..PlayOptions::default() };
    let mut session = server.open(&SessionBegin::default(), &options).await;
    let recorded = Now { monotonic_ns: 9, epoch_ms: 1_700_000_000_042 };
    for sql in ["SELECT 1", "SELECT NOW()"] {
        let observed = session.play(&query(sql), recorded).await.unwrap();
        assert_eq!(observed.sql.as_deref(), Some(sql.as_bytes()));
        assert_eq!(observed.results.last().and_then(|result| result.status).map(|status| status.bits()), Some(3));
    }
    assert!(session.in_transaction());
    assert_eq!(server.texts(), ["SELECT 1", "SET timestamp = 1700000000.042", "SELECT NOW()"]);
}

#[tokio::test]
async fn who_has_no_account_does_not_connect() {
    let tls = TlsOptions { mode: TlsMode::Disabled, ca: None };
    let target = Target::new("127.0.0.1", 1, tls, Duration::from_secs(1), Accounts::default()).unwrap();
    let begin = SessionBegin { user: Some("app".into()), ..SessionBegin::default() };
    let error = TargetSession::open(&target, &begin, &PlayOptions::default()).await.unwrap_err();
    assert!(matches!(&error, PlayError::NoAccount { user } if user == "app") && !error.is_transient());
    let target = Target::new(
        "127.0.0.1",
        1,
        TlsOptions { mode: TlsMode::Disabled, ca: None },
        Duration::from_secs(1),
        Accounts::one("x", ""),
    )
    .unwrap();
    let error = TargetSession::open(&target, &begin, &PlayOptions::default()).await.unwrap_err();
    assert!(error.is_transient(), "nobody listens there: {error}");
}
