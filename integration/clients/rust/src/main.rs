//! The client script for mysql_async: mode "text" (literals) and "prepared".

use std::{collections::BTreeMap, fs::File, io::Write};

use mysql_async::{prelude::*, Conn, IsolationLevel, OptsBuilder, Params, Row, SslOpts, TxOpts, Value};
use serde_json::json;

const TABLE: &str = "CREATE TABLE all_types (id INT PRIMARY KEY AUTO_INCREMENT, ti TINYINT, tu TINYINT UNSIGNED, si SMALLINT, mi MEDIUMINT, \
 i INT, iu INT UNSIGNED, bi BIGINT, bu BIGINT UNSIGNED, de DECIMAL(20,6), fl FLOAT, db DOUBLE, da DATE, dt DATETIME(6), \
 tm TIME(6), ye YEAR, ch CHAR(10), vc VARCHAR(200), tx TEXT, bn BINARY(4), vb VARBINARY(50), bl BLOB, js JSON, \
 en ENUM('a','b','c'), se SET('x','y','z'), bt BIT(10)) DEFAULT CHARSET=utf8mb4";
const COLUMNS: &str = "ti,tu,si,mi,i,iu,bi,bu,de,fl,db,da,dt,tm,ye,ch,vc,tx,bn,vb,bl,js,en,se,bt";

fn rows() -> Vec<Vec<Value>> {
    let text = |text: &str| Value::Bytes(text.as_bytes().to_vec());
    vec![
        vec![
            Value::Int(127), Value::Int(255), Value::Int(32767), Value::Int(8388607), Value::Int(2147483647), Value::Int(4294967295),
            Value::Int(i64::MAX), Value::UInt(u64::MAX), text("99999999999999.999999"), Value::Float(1.5), Value::Double(3.141592653589793),
            Value::Date(2026, 1, 31, 0, 0, 0, 0), Value::Date(2026, 1, 31, 12, 0, 0, 123456), Value::Time(false, 4, 4, 59, 58, 999999),
            Value::Int(2155), text("char"), text("h\u{e9}llo \u{1f600} \"dq\" 'sq' \\ back\nnewline; -- no comment ?"), text(""),
            Value::Bytes(vec![0, 255, 16, 65]), Value::Bytes(vec![0, 255]), Value::Bytes((0..=255).collect()),
            text("{\"k\": [1, 2.5, null, \"\u{fc}\"]}"), text("b"), text("x,z"), Value::Int(513),
        ],
        vec![
            Value::Int(-128), Value::Int(0), Value::Int(-32768), Value::Int(-8388608), Value::Int(-2147483648), Value::Int(0),
            Value::Int(i64::MIN), Value::UInt(0), text("-0.000001"), Value::Float(-0.25), Value::Double(-1234.5678),
            Value::Date(1000, 1, 1, 0, 0, 0, 0), Value::Date(9999, 12, 31, 23, 59, 59, 0), Value::Time(true, 0, 12, 34, 56, 1),
            Value::Int(1901), text(""), text("''"), text(&"\u{1f680}".repeat(100)), Value::Bytes(vec![128, 0, 0, 0]),
            Value::Bytes(vec![255]), Value::Bytes(vec![0, 255, 0, 255]), text("[]"), text("a"), text(""), Value::Int(0),
        ],
        vec![Value::NULL; 25],
    ]
}

/// The text of a bound value as a message holds it.
fn contract(value: &Value) -> serde_json::Value {
    match value {
        Value::NULL => serde_json::Value::Null,
        Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if text.len() > 2048 => json!({"prefix": &text[..1000]}),
            Ok(text) => json!(text),
            Err(_) => json!(format!("<bytes:{}>", bytes.len())),
        },
        Value::Int(n) => json!(n.to_string()),
        Value::UInt(n) => json!(n.to_string()),
        Value::Float(n) => json!(n.to_string()),
        Value::Double(n) => json!(n.to_string()),
        Value::Date(y, m, d, 0, 0, 0, 0) => json!(format!("{y:04}-{m:02}-{d:02}")),
        Value::Date(y, m, d, h, i, s, 0) => json!(format!("{y:04}-{m:02}-{d:02} {h:02}:{i:02}:{s:02}")),
        Value::Date(y, m, d, h, i, s, us) => json!(format!("{y:04}-{m:02}-{d:02} {h:02}:{i:02}:{s:02}.{us:06}")),
        Value::Time(negative, d, h, i, s, us) => {
            json!(format!("{}{:02}:{i:02}:{s:02}.{us:06}", if *negative { "-" } else { "" }, d * 24 + u32::from(*h)))
        }
    }
}

/// A value as a literal, as a program writes it that never binds.
fn literal(value: &Value) -> String {
    match value {
        Value::Bytes(bytes) if std::str::from_utf8(bytes).is_err() => {
            format!("x'{}'", bytes.iter().map(|b| format!("{b:02x}")).collect::<String>())
        }
        value => value.as_sql(false),
    }
}

fn shown(value: Value) -> String {
    match value {
        Value::Bytes(bytes) if bytes.len() > 3000 => {
            let sum = bytes.iter().fold(0xcbf29ce484222325u64, |hash, b| (hash ^ u64::from(*b)).wrapping_mul(0x100000001b3));
            format!("large:{}:{sum:016x}", bytes.len())
        }
        Value::Bytes(bytes) => format!("{:?}", String::from_utf8_lossy(&bytes)),
        value => value.as_sql(false),
    }
}

struct Client {
    conn: Conn,
    prepared: bool,
    expects: Option<File>,
}

impl Client {
    fn expect(&mut self, sql: &str, params: Option<&[Value]>, count: u64, error: Option<u16>) {
        let Some(file) = &mut self.expects else { return };
        let sql = if sql.len() > 1_000_000 { json!({"prefix": &sql[..1000]}) } else { json!(sql) };
        let params = params.map(|params| params.iter().map(contract).collect::<Vec<_>>());
        writeln!(file, "{}", json!({"sql": sql, "params": params, "count": count, "error": error})).unwrap();
    }

    async fn text(&mut self, label: &str, sql: &str) {
        self.several(label, sql, &[sql]).await;
    }

    async fn several(&mut self, label: &str, sql: &str, parts: &[&str]) {
        let mut counts = Vec::new();
        match self.conn.query_iter(sql).await {
            Err(mysql_async::Error::Server(error)) => {
                println!("{label}: error {error}");
                self.expect(sql, None, 0, Some(error.code));
                return;
            }
            Err(error) => panic!("{label}: {error}"),
            Ok(mut result) => {
                while !result.is_empty() {
                    let affected = result.affected_rows();
                    let is_rows = result.columns().is_some_and(|c| !c.is_empty());
                    let rows: Vec<Row> = result.collect().await.unwrap();
                    counts.push(if is_rows { rows.len() as u64 } else { affected });
                    show(label, rows);
                }
            }
        }
        println!("{label}: {counts:?}");
        if parts.len() == 1 && counts.is_empty() {
            counts.push(self.conn.affected_rows());
        }
        for (part, count) in parts.iter().zip(counts) {
            self.expect(part, None, count, None);
        }
    }

    async fn bound(&mut self, label: &str, sql: &str, params: &[Value]) {
        if !self.prepared {
            let (mut text, mut rest) = (String::new(), sql);
            for value in params {
                let (before, after) = rest.split_once('?').unwrap();
                text += before;
                text += &literal(value);
                rest = after;
            }
            return self.text(label, &(text + rest)).await;
        }
        let mut counts = Vec::new();
        match self.conn.exec_iter(sql, Params::Positional(params.to_vec())).await {
            Err(mysql_async::Error::Server(error)) => {
                println!("{label}: error {error}");
                self.expect(sql, None, 0, Some(error.code));
                return;
            }
            Err(error) => panic!("{label}: {error}"),
            Ok(mut result) => {
                while !result.is_empty() {
                    let affected = result.affected_rows();
                    let is_rows = result.columns().is_some_and(|c| !c.is_empty());
                    let rows: Vec<Row> = result.collect().await.unwrap();
                    counts.push(if is_rows { rows.len() as u64 } else { affected });
                    show(label, rows);
                }
            }
        }
        println!("{label}: {counts:?}");
        let count = counts.first().copied().unwrap_or(self.conn.affected_rows());
        self.expect(sql, Some(params), count, None);
    }
}

fn show(label: &str, rows: Vec<Row>) {
    for row in rows {
        let values: Vec<_> = row.unwrap().into_iter().map(shown).collect();
        println!("{label}: {}", values.join(" | "));
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    let options: BTreeMap<&str, &str> = args[6..].iter().map(|a| a.trim_start_matches("--").split_once('=').unwrap_or((&a[2..], ""))).collect();
    let tls = options.contains_key("tls").then(|| {
        SslOpts::default().with_danger_accept_invalid_certs(true).with_danger_skip_domain_validation(true)
    });
    let opts = OptsBuilder::default()
        .ip_or_hostname(&args[1])
        .tcp_port(args[2].parse().unwrap())
        .user(Some(&args[3]))
        .pass(Some(&args[4]))
        .db_name(Some(&args[5]))
        .prefer_socket(false)
        .ssl_opts(tls);
    let conn = Conn::new(opts).await.expect("connect");
    let mut c = Client {
        conn,
        prepared: options.get("mode") == Some(&"prepared"),
        expects: options.get("expect").map(|path| File::create(path).unwrap()),
    };
    c.text("drop", "DROP TABLE IF EXISTS all_types").await;
    c.text("create", TABLE).await;
    let insert = format!("INSERT INTO all_types ({COLUMNS}) VALUES ({}?)", "?,".repeat(24));
    for row in rows() {
        c.bound("insert", &insert, &row).await;
    }
    for n in 1..=3 {
        c.bound("select", "SELECT * FROM all_types WHERE id = ?", &[Value::Int(n)]).await;
    }
    let update = [Value::Bytes("it's \u{1f600}".into()), Value::Bytes("12.5".into()), Value::Int(2)];
    c.bound("update", "UPDATE all_types SET vc = ?, de = ? WHERE id = ?", &update).await;
    c.bound("update null", "UPDATE all_types SET vc = ? WHERE id = ?", &[Value::NULL, Value::Int(1)]).await;
    c.bound("delete", "DELETE FROM all_types WHERE id = ?", &[Value::Int(3)]).await;
    c.text("syntax", "SELEC 1").await;
    c.bound("bound syntax", "SELEC ?", &[Value::Int(1)]).await;
    c.text("duplicate", "INSERT INTO all_types (id) VALUES (1)").await;
    c.text("drop mt", "DROP TABLE IF EXISTS mt").await;
    c.text("create mt", "CREATE TABLE mt (v INT)").await;
    let parts = [
        "INSERT INTO mt VALUES (1)", "INSERT INTO mt VALUES (2),(3)", "SELECT v FROM mt ORDER BY v", "UPDATE mt SET v = v + 10",
        "SELECT 'a;b' AS s, \"c;d\" AS t /* e;f */",
    ];
    c.several("multi", &parts.join("; "), &parts).await;
    c.text("drop proc", "DROP PROCEDURE IF EXISTS two_results").await;
    c.text("create proc", "CREATE PROCEDURE two_results(IN a INT, IN b INT) BEGIN \
        SELECT a + b AS inner_s UNION ALL SELECT a * b; SELECT a - b AS inner_d; END").await;
    c.bound("call", "CALL two_results(?, ?)", &[Value::Int(7), Value::Int(3)]).await;
    for commit in [false, true] {
        let mut options = TxOpts::new();
        options.with_isolation_level(IsolationLevel::ReadCommitted);
        let mut transaction = c.conn.start_transaction(options).await.unwrap();
        transaction.query_drop("INSERT INTO mt VALUES (99)").await.unwrap();
        if commit { transaction.commit().await } else { transaction.rollback().await }.unwrap();
        c.expect("SET TRANSACTION ISOLATION LEVEL READ COMMITTED", None, 0, None);
        c.expect("START TRANSACTION", None, 0, None);
        c.expect("INSERT INTO mt VALUES (99)", None, 1, None);
        c.expect(if commit { "COMMIT" } else { "ROLLBACK" }, None, 0, None);
        c.text("after", "SELECT COUNT(*) FROM mt").await;
    }
    c.text("use", "USE ct2").await;
    c.text("other", "CREATE TABLE other (v VARCHAR(20))").await;
    c.bound("other insert", "INSERT INTO other VALUES (?)", &[Value::Bytes("elsewhere".into())]).await;
    c.text("where", "SELECT DATABASE(), v FROM other").await;
    c.text("use back", "USE ct").await;
    c.text("drop big", "DROP TABLE IF EXISTS big").await;
    c.text("create big", "CREATE TABLE big (v LONGTEXT)").await;
    let large: String = (0..20 * 1024 * 1024 / 8).map(|n| format!("{n:08}")).collect();
    c.bound("big insert", "INSERT INTO big VALUES (?)", &[Value::Bytes(large.into_bytes())]).await;
    c.text("big select", "SELECT LENGTH(v), CRC32(v), v FROM big").await;
    c.text("tls", "SHOW SESSION STATUS LIKE 'Ssl_version'").await;
    c.conn.disconnect().await.unwrap();
    println!("done");
}
