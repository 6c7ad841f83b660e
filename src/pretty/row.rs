//! Messages of rows (native, Debezium's, Maxwell's) as `binlog --pretty` shows rows: a line for each, and below it what changed.

use jiff::Timestamp;

use crate::pretty::line::Line;
use crate::pretty::members::Json;
use crate::pretty::palette::Style;
use crate::pretty::{MOST_LINES, Pretty, highlight};

const KIND_WIDTH: usize = "update".len();
const INDENT: usize = 4;

/// What is shown of a row, in whatever form its message is.
#[derive(Debug, Default)]
struct Shown<'a> {
    kind: &'static str,
    milliseconds: Option<i64>,
    database: &'a str,
    table: &'a str,
    key: &'a [(String, Json)],
    place: String,
    before: Option<&'a [(String, Json)]>,
    after: Option<&'a [(String, Json)]>,
    /// The members of `before` are those that changed.
    only_changes: bool,
    sql: Option<&'a str>,
    note: Option<String>,
}

impl Pretty {
    /// False if this is not a row's message.
    pub(crate) fn render_row(&self, json: &[u8], out: &mut Vec<u8>) -> bool {
        let Ok(message) = serde_json::from_slice::<Json>(json) else {
            return false;
        };
        // With its schema, or without.
        let message = message.get("payload").unwrap_or(&message);
        let Some(shown) = native(message).or_else(|| debezium(message)).or_else(|| maxwell(message)) else {
            return false;
        };
        self.write_row(&shown, out);
        true
    }

    fn write_row(&self, shown: &Shown<'_>, out: &mut Vec<u8>) {
        let time = shown.milliseconds.and_then(|time| Timestamp::from_millisecond(time).ok());
        let format = if shown.milliseconds.is_some_and(|time| time % 1000 != 0) { "%F %T%.3f" } else { "%F %T" };
        let time = time.map(|time| time.to_zoned(self.zone.clone()).strftime(format).to_string()).unwrap_or_default();
        let style = match shown.kind {
            "insert" => Style::Reads,
            "update" => Style::Changes,
            "delete" => Style::Destroys,
            "begin" | "commit" => Style::Transaction,
            _ => Style::Defines,
        };
        let mut line = Line::new(out, self.palette, self.width);
        line.text(Style::Dim, &time);
        line.gap();
        line.cell(style, shown.kind, KIND_WIDTH);
        line.gap();
        line.text(Style::Database, shown.database);
        if !shown.table.is_empty() {
            line.text(Style::Plain, ".");
            line.text(Style::Plain, shown.table);
        }
        line.gap();
        for (place, (name, value)) in shown.key.iter().enumerate() {
            line.text(Style::Dim, if place > 0 { ", " } else { "" });
            line.text(Style::Dim, &format!("{name}="));
            line.text(Style::Literal, &value.to_string());
        }
        if !shown.key.is_empty() {
            line.gap();
        }
        if let Some(note) = &shown.note {
            line.text(Style::Plain, note);
            line.gap();
        }
        match shown.sql {
            Some(sql) => {
                line.wrap_here(MOST_LINES - 1);
                highlight(sql, &mut line);
            }
            None => line.text_from_its_end(Style::Dim, &shown.place),
        }
        line.end();
        match (shown.before, shown.after) {
            (Some(before), Some(after)) => self.write_changes(before, after, shown.only_changes, out),
            (Some(image), None) | (None, Some(image)) => {
                for (name, value) in image {
                    self.write_member(name, &[(Style::Literal, value.to_string())], out);
                }
            }
            (None, None) => {}
        }
    }

    fn write_changes(
        &self,
        before: &[(String, Json)],
        after: &[(String, Json)],
        only_changes: bool,
        out: &mut Vec<u8>,
    ) {
        let mut changed = false;
        for (name, value) in after {
            let old = before.iter().find(|(column, _)| column == name).map(|(_, value)| value);
            if old == Some(value) || old.is_none() && only_changes {
                continue;
            }
            changed = true;
            let old = match old {
                Some(old) => (Style::Error, old.to_string()),
                None => (Style::Dim, "(not in the log)".to_owned()),
            };
            self.write_member(name, &[old, (Style::Dim, " => ".to_owned()), (Style::Literal, value.to_string())], out);
        }
        if !changed {
            self.write_member("", &[(Style::Dim, "(no column changed)".to_owned())], out);
        }
    }

    fn write_member(&self, name: &str, parts: &[(Style, String)], out: &mut Vec<u8>) {
        let mut line = Line::new(out, self.palette, self.width);
        line.spaces(INDENT);
        if !name.is_empty() {
            line.text(Style::Plain, name);
            line.text(Style::Dim, ": ");
        }
        line.wrap_here(MOST_LINES - 1);
        for (style, text) in parts {
            line.text(*style, text);
        }
        line.end();
    }
}

fn text<'a>(message: &'a Json, name: &str) -> &'a str {
    message.get(name).and_then(Json::text).unwrap_or_default()
}

fn kind_of(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "insert" | "bootstrap-insert" | "c" | "r" => "insert",
        "update" | "u" => "update",
        "delete" | "d" => "delete",
        "ddl" => "ddl",
        "statement" => "text",
        _ => return None,
    })
}

/// `{"type":"update","database":..,"table":..,"before":{..},"after":{..},"primaryKey":{..},"timestamp":..,"gtid":..,"position":{..}}`
fn native(message: &Json) -> Option<Shown<'_>> {
    let kind = kind_of(message.get("type")?.text()?)?;
    let milliseconds = message.get("timestamp")?.integer();
    let place = message.get("gtid").and_then(Json::text).map(str::to_owned).or_else(|| {
        let position = message.get("position")?;
        Some(format!("{}:{}", text(position, "file"), position.get("offset")?.integer()?))
    });
    Some(Shown {
        kind,
        milliseconds,
        database: text(message, "database"),
        table: text(message, "table"),
        key: message.get("primaryKey").map(Json::members).unwrap_or_default(),
        place: place.unwrap_or_default(),
        before: message.get("before").map(Json::members),
        after: message.get("after").map(Json::members),
        sql: message.get("sql").and_then(Json::text),
        ..Shown::default()
    })
}

/// `{"before":{..},"after":{..},"source":{"db":..,"table":..,"gtid":..},"op":"u"}`, a statement's `ddl`, a transaction's `status`
fn debezium(message: &Json) -> Option<Shown<'_>> {
    if let Some(status) = message.get("status").and_then(Json::text) {
        let events = message.get("event_count").and_then(Json::integer);
        return Some(Shown {
            kind: if status == "BEGIN" { "begin" } else { "commit" },
            milliseconds: message.get("ts_ms").and_then(Json::integer),
            place: message.get("id")?.text()?.to_owned(),
            note: events.map(|events| if events == 1 { "1 row".to_owned() } else { format!("{events} rows") }),
            ..Shown::default()
        });
    }
    let source = message.get("source")?;
    let sql = message.get("ddl").and_then(Json::text);
    let kind = match (message.get("op"), sql) {
        (Some(op), _) => kind_of(op.text()?)?,
        (None, Some(_)) => "ddl",
        (None, None) => return None,
    };
    let position = || Some(format!("{}:{}", text(source, "file"), source.get("pos")?.integer()?));
    Some(Shown {
        kind,
        milliseconds: source.get("ts_ms").and_then(Json::integer),
        database: text(source, "db"),
        table: if sql.is_some() { "" } else { text(source, "table") },
        place: source.get("gtid").and_then(Json::text).map(str::to_owned).or_else(position).unwrap_or_default(),
        before: message.get("before").map(Json::members),
        after: message.get("after").map(Json::members),
        sql,
        ..Shown::default()
    })
}

/// `{"database":..,"table":..,"type":"update","ts":..,"data":{..},"old":{..}}`, where `old` has what changed
fn maxwell(message: &Json) -> Option<Shown<'_>> {
    let kind = kind_of(message.get("type")?.text()?)?;
    let data = message.get("data").map(Json::members);
    Some(Shown {
        kind,
        milliseconds: message.get("ts").and_then(Json::integer).map(|seconds| seconds.saturating_mul(1000)),
        database: text(message, "database"),
        table: text(message, "table"),
        place: message
            .get("gtid")
            .or_else(|| message.get("position"))
            .and_then(Json::text)
            .unwrap_or_default()
            .to_owned(),
        before: if kind == "delete" { data } else { message.get("old").map(Json::members) },
        after: if kind == "delete" { None } else { data },
        only_changes: true,
        sql: message.get("sql").and_then(Json::text),
        ..Shown::default()
    })
}
