//! Logs as servers wrote them.

use super::chain::Chain;
use super::source::{Import, ImportOptions, SourceKind};
use super::when::LogZone;
use crate::recording::{Event, Record, RecordedAnswer};

fn options() -> ImportOptions {
    ImportOptions { recorder: 7, charset: None, zone: LogZone::Given(jiff::tz::TimeZone::UTC) }
}

fn records(kind: SourceKind, log: &[u8]) -> (Vec<Record>, super::Counts) {
    let mut import = Import::of_chain(kind, Chain::of_bytes(log), &options()).unwrap();
    let records = import.by_ref().map(Result::unwrap).collect();
    (records, import.counts().clone())
}

/// Each record on a line: session, number, milliseconds, and what it is.
fn told(records: &[Record]) -> Vec<String> {
    let one = |record: &Record| {
        let at = format!("{} {} {}", record.session.0 & 0xffff, record.number, record.started.monotonic_ns / 1_000_000);
        let what = match &record.event {
            Event::Begin(begin) => {
                let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
                let before = if begin.began_before { " before" } else { "" };
                let refused = if begin.refused.is_some() { " refused" } else { "" };
                format!(
                    "begin {}@{} {}{before}{refused}",
                    text(&begin.user),
                    text(&begin.client),
                    text(&begin.database)
                )
            }
            Event::Command(command) => {
                let content = command.sql.as_deref().or(command.argument.as_deref()).unwrap_or_default();
                let results: Vec<_> =
                    command.results.iter().map(|result| format!(" {}", short(&result.answer))).collect();
                let cut = if command.truncated { " cut" } else { "" };
                format!("{:?} {}{cut}{}", command.command, content.escape_ascii(), results.concat())
            }
            Event::Lost(reason) => format!("lost {reason}"),
            Event::End(close) => format!("{close:?}"),
        };
        format!("{at} {what}")
    };
    records.iter().map(one).collect()
}

fn short(answer: &RecordedAnswer) -> String {
    match answer {
        RecordedAnswer::Ok { affected_rows, .. } => format!("ok {affected_rows}"),
        RecordedAnswer::Rows { count, .. } => format!("rows {count}"),
        RecordedAnswer::Error(error) => format!("error {} {}", error.code, error.message),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_slow_log_of_mysql() {
    let log = b"/usr/sbin/mysqld, Version: 9.7.4 (x). started with:\nTcp port: 3306  Unix socket: /s\nTime                 Id Command    Argument\n\
# Time: 2026-11-27T13:16:41.500000Z\n# User@Host: app[app] @ localhost [127.0.0.1]  Id:    12\n\
# Query_time: 0.250000  Lock_time: 0.000000 Rows_sent: 1  Rows_examined: 1 Thread_id: 12 Errno: 0 Killed: 0\n\
use shop;\nSET timestamp=1795785401;\nselect 'x;\n# Time: 2026-11-27T13:16:41.600000Z\n# User@Host: b[b] @ h []  Id: 9\nSET timestamp=1;\nb;\n';\n\
# Time: 2026-11-27T13:16:41.700000Z\n# User@Host: app[app] @ localhost [127.0.0.1]  Id:    12\n\
# Query_time: 0.100000  Lock_time: 0.000000 Rows_sent: 0  Rows_examined: 1 Thread_id: 12 Errno: 1062 Killed: 0\n\
SET timestamp=1795785401;\n# a comment of the client's\ninsert into t values (1);\n\
# Time: 2026-11-27T13:16:41.800000Z\n# User@Host: root[root] @ localhost []  Id:    13\n\
# Query_time: 0.700000  Lock_time: 0.000000 Rows_sent: 0  Rows_examined: 1\n\
use `od``d`;\nSET timestamp=1795785401;\nselect 1;\n\
# Time: 2026-11-27T13:16:41.900000Z\n# User@Host: app[app] @ localhost [127.0.0.1]  Id:    12\n\
# Query_time: 0.000010  Lock_time: 0.000000 Rows_sent: 0  Rows_examined: 1\n\
use shop;\nSET timestamp=1795785401;\n# administrator command: Prepare;\n\
# Time: 2026-11-27T13:16:42.000000Z\n# User@Host: app[app] @ localhost [127.0.0.1]  Id:    12\n\
# Query_time: 0.000000  Lock_time: 0.000000 Rows_sent: 0  Rows_examined: 1\n\
use other;\nSET timestamp=1795785401;\n# administrator command: Init DB;\n\
# Time: 2026-11-27T13:16:42.100000Z\n# User@Host: app[app] @ localhost [127.0.0.1]  Id:    12\n\
# Query_time: 0.000000  Lock_time: 0.000000 Rows_sent: 0  Rows_examined: 1\n\
SET timestamp=1795785401;\n# administrator command: Quit;\n\
# Time: 2026-11-27T13:16:42.200000Z\n# User@Host: app[app] @ localhost [127.0.0.1]  Id:    14\n\
# Query_time: 0.000000  Lock_time: 0.000000 Rows_sent: 0  Rows_examined: 1\n\
SET timestamp=1795785401;\nselect 'torn";
    let (records, counts) = records(SourceKind::SlowLog, log);
    assert_eq!(
        told(&records),
        [
            "0 0 150 begin app@127.0.0.1 shop before",
            "0 1 150 Query select \\'x;\\n# Time: 2026-11-27T13:16:41.600000Z\\n# User@Host: b[b] @ h []  Id: 9\\nSET timestamp=1;\\nb;\\n\\' rows 1",
            "0 2 500 Query # a comment of the client\\'s\\ninsert into t values (1) error 1062 ",
            "1 0 0 begin root@localhost od`d before",
            "1 1 0 Query select 1",
            "0 3 900 InitDb other",
            "0 4 1000 Quit",
            "2 0 1100 begin app@127.0.0.1 other before",
            "2 1 1100 Query select \\'torn cut",
            "1 2 700 RecordingEnded",
            "2 2 1100 RecordingEnded",
        ]
    );
    assert_eq!((counts.sessions, counts.commands, counts.unplayable, counts.began_before), (3, 5, 1, 3));
    assert_eq!(counts.skipped.into_iter().collect::<Vec<_>>(), [(super::Skipped::StatementCommand, 1)]);
}

#[test]
fn a_slow_log_of_mariadb() {
    let log = b"/usr/sbin/mariadbd, Version: 10.11.19-MariaDB (Debian 12). started with:\nTcp port: 3306  Unix socket: /s\nTime\t\t    Id Command\tArgument\n\
# Time: 261127 14:17:06\n# User@Host: app[app] @ localhost [127.0.0.1]\n# Thread_id: 8  Schema:   QC_hit: No\n\
# Query_time: 2.000000  Lock_time: 0.000000  Rows_sent: 1  Rows_examined: 0\n# Rows_affected: 0  Bytes_sent: 95\n#\n\
# explain: id\tselect_type\n# explain: 1\tSIMPLE\n#\nSET timestamp=1795785424;\nselect 1;\n\
# User@Host: app[app] @ localhost [127.0.0.1]\n# Thread_id: 8  Schema: shop  QC_hit: No\n\
# Query_time: 0.100000  Lock_time: 0.000000  Rows_sent: 0  Rows_examined: 0\n# Rows_affected: 3  Bytes_sent: 95\n\
use `shop`;\nSET timestamp=1795785426;\nupdate t set a = 'open;\n\
# User@Host: app[app] @ localhost [127.0.0.1]\n# Thread_id: 8  Schema: shop  QC_hit: No\n\
# Query_time: 0.000000  Lock_time: 0.000000  Rows_sent: 0  Rows_examined: 0\n# Rows_affected: 2  Bytes_sent: 95\n\
# Warnings\n# Error 1366 Incorrect string value\nSET timestamp=1795785426;\ninsert into t values ('x'),('y');\n\
# User@Host: app[app] @ localhost [127.0.0.1]\n# Thread_id: 8  Schema: shop  QC_hit: No\n\
# Query_time: 0.000000  Lock_time: 0.000000  Rows_sent: 0  Rows_examined: 0\n# Rows_affected: 2  Bytes_sent: 95\n\
SET timestamp=1795785426;\nprepare s from 'select ?';\n\
# User@Host: app[app] @ localhost [127.0.0.1]\n# Thread_id: 8  Schema: other  QC_hit: No\n\
# Query_time: 0.000000  Lock_time: 0.000000  Rows_sent: 0  Rows_examined: 0\n# Rows_affected: 2  Bytes_sent: 95\n\
SET timestamp=1795785426;\nuse other;\n";
    let mut import = Import::of_chain(SourceKind::SlowLog, Chain::of_bytes(log), &ImportOptions::default()).unwrap();
    let records: Vec<_> = import.by_ref().map(Result::unwrap).collect();
    // The log's zone is an hour ahead: its own timestamps say so.
    assert_eq!(records[0].started.epoch_ms, 1_795_785_424_000);
    assert_eq!(
        told(&records),
        [
            "0 0 0 begin app@127.0.0.1 - before",
            "0 1 0 Query select 1 rows 1",
            "0 2 2000 InitDb shop",
            // A quote that no later line closes does not swallow the rest of the log for good.
            "0 3 2000 Query update t set a = \\'open ok 3",
            "0 4 2100 Query insert into t values (\\'x\\'),(\\'y\\') error 1366 Incorrect string value",
            "0 5 2100 Query use other",
            "0 6 2100 RecordingEnded",
        ]
    );
    assert_eq!(import.counts().skipped.clone().into_iter().collect::<Vec<_>>(), [(super::Skipped::Prepared, 1)]);
}

/// From the documentation of Percona Server (`log_slow_verbosity=full`, `log_slow_rate_limit`).
#[test]
fn a_slow_log_of_percona_server() {
    let log = b"# Time: 130601  8:01:06.058915\n# User@Host: root[root] @ localhost []  Id:    42\n\
# Schema: imdb  Last_errno: 0  Killed: 0\n\
# Query_time: 7.725616  Lock_time: 0.000328  Rows_sent: 4  Rows_examined: 1543720  Rows_affected: 0\n\
# Bytes_sent: 272  Tmp_tables: 0  Tmp_disk_tables: 0  Tmp_table_sizes: 0\n\
# QC_Hit: No  Full_scan: Yes  Full_join: No  Tmp_table: No  Tmp_table_on_disk: No\n\
# Filesort: No  Filesort_on_disk: No  Merge_passes: 0\n\
#   InnoDB_IO_r_ops: 9  InnoDB_IO_r_bytes: 147456  InnoDB_IO_r_wait: 0.000031\n\
#   InnoDB_rec_lock_wait: 0.000000  InnoDB_queue_wait: 0.000000\n#   InnoDB_pages_distinct: 1543\n\
# Log_slow_rate_type: query  Log_slow_rate_limit: 2\n\
SET timestamp=1370073666;\nSELECT id,title,production_year FROM title WHERE title = 'Bambi';\n\
# User@Host: root[root] @ localhost []  Id:    42\n# Schema: imdb  Last_errno: 1146  Killed: 0\n\
# Query_time: 0.000100  Lock_time: 0.000000  Rows_sent: 0  Rows_examined: 0  Rows_affected: 0\n# Bytes_sent: 0\n\
# Stored_routine: imdb.p\n# No InnoDB statistics available for this query\n\
SET timestamp=1370073667;\nSELECT * FROM nothing;\n";
    let (records, counts) = records(SourceKind::SlowLog, log);
    assert_eq!(records[0].started.epoch_ms, 1_370_073_658_333);
    assert_eq!(
        told(&records)[..3],
        [
            "0 0 0 begin root@localhost imdb before",
            "0 1 0 Query SELECT id,title,production_year FROM title WHERE title = \\'Bambi\\' rows 4",
            "0 2 7725 Query SELECT * FROM nothing error 1146 ",
        ]
    );
    assert!(counts.skipped.is_empty(), "{:?}", counts.skipped);
}

#[test]
fn general_logs_of_both_servers() {
    let mysql = b"/usr/sbin/mysqld, Version: 9.7.4 (x). started with:\nTcp port: 3306  Unix socket: /s\nTime                 Id Command    Argument\n\
2026-11-27T13:16:41.000000Z\t    0 Execute\tCREATE TABLE x(\n`FILE_ID` BIGINT)\n\
2026-11-27T13:16:41.100000Z\t   12 Connect\tapp@localhost on shop using TCP/IP\n\
2026-11-27T13:16:41.200000Z\t   12 Query\tinsert into t values ('x\n2026-11-27T13:16:41.200000Z\t   12 Quit\t\n')\n\
2026-11-27T13:16:41.300000Z\t   12 Prepare\tinsert into t(b) values(?)\n\
2026-11-27T13:16:41.400000Z\t   12 Execute\tinsert into t(b) values('it\\'s')\n\
2026-11-27T13:16:41.500000Z\t   12 Query\texecute s using @a\n\
2026-11-27T13:16:41.600000Z\t   12 Query\tCREATE USER 'u'@'%' IDENTIFIED BY <secret>\n\
2026-11-27T13:16:41.700000Z\t   12 Init DB\tmysql\n\
2026-11-27T13:16:41.750000Z\t   12 Field List\tt \n\
2026-11-27T13:16:41.800000Z\t   14 Connect\tnobody@localhost on  using SSL/TLS\n\
2026-11-27T13:16:41.810000Z\t   14 Connect\tAccess denied for user 'nobody'@'localhost' (using password: YES)\n\
2026-11-27T13:16:41.900000Z\t   12 Quit\t\n";
    let expected = [
        "0 0 0 begin app@localhost shop",
        "0 1 100 Query insert into t values (\\'x\\n2026-11-27T13:16:41.200000Z\\t   12 Quit\\t\\n\\')",
        "0 2 300 Query insert into t(b) values(\\'it\\\\\\'s\\')",
        "0 3 500 Query CREATE USER \\'u\\'@\\'%\\' IDENTIFIED BY <secret> cut",
        "0 4 600 InitDb mysql",
        "0 5 650 FieldList t\\x00",
        "1 0 700 begin nobody@localhost - refused",
        "1 1 700 Closed",
        "0 6 800 Quit",
    ];
    let (from_mysql, counts) = records(SourceKind::GeneralLog, mysql);
    assert_eq!(told(&from_mysql), expected);
    let skipped: Vec<_> = counts.skipped.into_iter().collect();
    use super::Skipped::{Prepared, ServerThread, StatementCommand};
    assert_eq!(skipped, [(Prepared, 1), (StatementCommand, 1), (ServerThread, 1)]);

    let mariadb = b"/usr/sbin/mariadbd, Version: 10.11.19-MariaDB (x). started with:\nTcp port: 3306  Unix socket: /s\nTime\t\t    Id Command\tArgument\n\
261127  3:17:06\t     4 Connect\troot@localhost on  using SSL/TLS\n\t\t     4 Query\tselect 'a\n\t\t     4 Query\tb' /* x\n*/\n\
261127  3:17:07\t     4 Query\tselect 'open\n\t\t     5 Connect\ta@b@10.1.2.3 on my shop using TCP/IP\n\t\t     4 Quit\t\n\
/usr/sbin/mariadbd, Version: 10.11.19-MariaDB (x). started with:\nTcp port: 3306  Unix socket: /s\nTime\t\t    Id Command\tArgument\n\
261127  3:18:06\t     5 Query\tselect 2\n";
    let (from_mariadb, _) = records(SourceKind::GeneralLog, mariadb);
    assert_eq!(
        told(&from_mariadb),
        [
            "0 0 0 begin root@localhost -",
            "0 1 0 Query select \\'a\\n\\t\\t     4 Query\\tb\\' /* x\\n*/",
            "0 2 1000 Query select \\'open",
            "0 3 1000 Quit",
            "1 0 1000 begin a@b@10.1.2.3 my shop",
            "1 1 1000 Closed",
            "2 0 60000 begin -@- - before",
            "2 1 60000 Query select 2",
            "2 2 60000 RecordingEnded",
        ]
    );
}

#[test]
fn dumps_of_the_tables() {
    let general = b"2026-11-27 13:16:41.100000\t[app] @ localhost [127.0.0.1]\t13\t26740\tConnect\tapp@localhost on shop using TCP/IP\n\
2026-11-27 13:16:41.200000\tapp[app] @ localhost [127.0.0.1]\t13\t26740\tQuery\tselect 'tab\\\there\\\n\\\\n' /* \\0 */\n\
2026-11-27 13:16:41.300000\tapp[app] @ localhost [127.0.0.1]\t13\t26740\tQuit\t\n";
    assert_eq!(
        told(&records(SourceKind::GeneralLog, general).0),
        ["0 0 0 begin app@127.0.0.1 shop", "0 1 100 Query select \\'tab\\there\\n\\\\n\\' /* \\x00 */", "0 2 200 Quit",]
    );
    let slow = b"2026-11-27 13:16:41.500000\tapp[app] @ localhost [127.0.0.1]\t00:00:00.250000\t00:00:00.000001\t2\t0\tshop\t0\t0\t26740\tselect a from t\t15\n\
2026-11-27 13:16:41.600000\tapp[app] @ localhost [127.0.0.1]\t00:00:00.000000\t00:00:00.000001\t0\t0\tshop\t0\t0\t26740\tinsert into t values(1),(2)\t15\t2\n\
2026-11-27 13:16:41.700000\tapp[app] @ localhost [127.0.0.1]\t00:00:00.000000\t00:00:00.000001\t0\t0\tshop\t0\t0\t26740\tQuit\t15\t2\n";
    assert_eq!(
        told(&records(SourceKind::SlowLog, slow).0),
        [
            "0 0 0 begin app@127.0.0.1 shop before",
            "0 1 0 Query select a from t rows 2",
            "0 2 350 Query insert into t values(1),(2) ok 2",
            "0 3 450 Quit",
        ]
    );
}

/// Whatever the bytes are: no panic, and numbers without gaps.
#[test]
fn broken_logs_are_read_to_their_end() {
    use proptest::prelude::*;
    let pieces = prop::collection::vec(
        prop_oneof![
            Just(&b"# Time: 2026-11-27T13:16:41.500000Z\n"[..]),
            Just(&b"# Time: 261127 13:17:06\n"[..]),
            Just(&b"# User@Host: app[app] @ localhost [127.0.0.1]  Id:    12\n"[..]),
            Just(&b"# Thread_id: 8  Schema: shop  QC_hit: No\n"[..]),
            Just(&b"SET timestamp=1795785401;\n"[..]),
            Just(&b"use `a;\n"[..]),
            Just(&b"select 'x;\n"[..]),
            Just(&b"';\n"[..]),
            Just(&b"x, Version: 1 started with:\n"[..]),
            Just(&b"2026-11-27T13:16:41.2Z\t   12 Query\tselect 1\n"[..]),
            Just(&b"\t\t   12 Connect\ta@b on c using d\n"[..]),
            Just(&b"\t\t   13 Connect\tAccess denied\n"[..]),
            Just(&b"\t\t   12 Quit\t\n"[..]),
            Just(&b"\xff\x00\\\"\t"[..]),
        ],
        0..40,
    );
    proptest!(|(pieces in pieces, slow in any::<bool>())| {
        let kind = if slow { SourceKind::SlowLog } else { SourceKind::GeneralLog };
        let (records, _) = records(kind, &pieces.concat());
        let mut next = std::collections::BTreeMap::new();
        for record in &records {
            let number = next.entry(record.session).or_insert(0);
            prop_assert_eq!(record.number, *number);
            prop_assert_eq!(*number == 0, matches!(record.event, Event::Begin(_)));
            *number += 1;
        }
        let ends = records.iter().filter(|record| matches!(record.event, Event::End(_))).count();
        prop_assert_eq!(ends, next.len());
    });
}

/// A message with what the tests are about; `fields` overrides.
fn message(fields: &serde_json::Value) -> Vec<u8> {
    let mut all = serde_json::json!({
        "timestamp": 1_795_785_401_000_u64, "serverHost": "db:3306", "serverVersion": "9.7.4", "user": "app", "client": "10.0.0.7",
        "dbName": "shop", "stmtDbName": "shop", "debug": "x", "connectionId": 12, "totalPoolCount": 1, "executionCount": 1,
        "serverFlags": 2, "clientFlags": 8, "iFlags": 9, "defaultTZ": "UTC", "serverTZ": "+02:00", "isolationLvl": 2,
        "durationNs": 1_000_000, "updateCount": 0, "sql": "SELECT 1", "queryParams": null, "errorMessage": null, "serverInfo": null,
    });
    if let (Some(all), Some(fields)) = (all.as_object_mut(), fields.as_object()) {
        all.extend(fields.clone());
    }
    serde_json::to_vec(&all).unwrap()
}

fn imported(messages: &[serde_json::Value]) -> (Vec<Record>, super::Counts) {
    let mut import = super::MessageImport::new(7);
    let mut out = std::collections::VecDeque::new();
    for fields in messages {
        import.add(crate::stored::Message::line(&message(fields)), &mut out);
    }
    import.finish(&mut out);
    (out.into(), import.counts().clone())
}

#[test]
fn messages_of_a_transaction_are_in_the_order_in_which_they_were_sent() {
    use serde_json::json;
    let (records, counts) = imported(&[
        json!({"executionCount": 1, "sql": "SET NAMES latin1"}),
        // It failed, and so it was published before what came before it.
        json!({"executionCount": 4, "sql": "INSERT 2", "serverFlags": 3, "errorMessage": "ERROR 1062 (23000): Duplicate entry"}),
        json!({"executionCount": 2, "sql": "BEGIN", "serverFlags": 3}),
        json!({"executionCount": 3, "sql": "INSERT INTO t VALUES (1)", "serverFlags": 3, "updateCount": 1}),
        json!({"executionCount": 5, "sql": "COMMIT"}),
        json!({"executionCount": 5, "sql": "COMMIT"}),
        // The server was started again, and gives the number to another.
        json!({"executionCount": 1, "sql": "USE other", "stmtDbName": "other", "timestamp": 1_795_785_402_000_u64}),
        json!({"executionCount": 2, "sql": "SELECT 'caf\u{e9}' \\xFF", "stmtDbName": "third", "timestamp": 1_795_785_402_500_u64, "updateCount": 1}),
    ]);
    assert_eq!(
        told(&records),
        [
            "0 0 0 begin app@10.0.0.7 shop",
            "0 1 0 Query SET NAMES latin1",
            "0 2 1 Query SET character_set_client = utf8mb4",
            "0 3 1 Query BEGIN",
            "0 4 2 Query INSERT INTO t VALUES (1) ok 1",
            "0 5 3 Query INSERT 2 error 1062 Duplicate entry",
            "0 6 4 Query COMMIT",
            "0 7 5 Closed",
            "1 0 1000 begin app@10.0.0.7 shop",
            "1 1 1000 Query USE other",
            "1 2 1500 InitDb third",
            "1 3 1500 Query SELECT \\'caf\\xc3\\xa9\\' \\xff rows 1",
            "1 4 1501 RecordingEnded",
        ]
    );
    assert_eq!(counts.skipped.into_iter().collect::<Vec<_>>(), [(super::Skipped::Repeated, 1)]);
}

#[test]
fn parameters_are_bound_as_strings_to_a_statement_that_is_prepared_once() {
    use serde_json::json;
    let insert = "INSERT INTO t VALUES (?, ?)";
    let (records, counts) = imported(&[
        json!({"executionCount": 1, "sql": insert, "queryParams": ["5", null], "updateCount": 1}),
        json!({"executionCount": 2, "sql": insert, "queryParams": ["6", "<bytes:17>"], "updateCount": 1}),
        json!({"executionCount": 3, "sql": "SELECT 'long...", "queryParams": null}),
        json!({"executionCount": 4, "sql": null}),
        json!({"executionCount": 5, "iFlags": 1 << 20 | 9, "sql": null, "errorMessage": "TLS"}),
    ]);
    let commands: Vec<_> = records
        .iter()
        .filter_map(|record| match &record.event {
            Event::Command(command) => {
                Some((command.command, command.statement, command.params.len(), command.undecodable))
            }
            _ => None,
        })
        .collect();
    use crate::mysql::wire::Command::{Query, StmtExecute, StmtPrepare};
    assert_eq!(
        commands,
        [
            (StmtPrepare, Some(1), 0, false),
            (StmtExecute, Some(1), 2, false),
            // A value that the message does not have.
            (StmtExecute, Some(1), 1, true),
            (Query, None, 0, false),
        ]
    );
    assert_eq!((counts.commands, counts.unplayable), (4, 2));
    assert!(matches!(&records[5].event, Event::Lost(reason) if reason == "TLS"), "{:?}", records[5]);
    assert_eq!(records.len(), 6);
}
