//! Dumps of `mysql.general_log` and `mysql.slow_log`: what `SELECT .. INTO OUTFILE`, `mysqldump --tab` and `mysql --batch` write, and the
//! files of the CSV engine, in which the servers keep these tables.

use super::chain::Chain;
use super::entry::Who;
use super::slow::{Outcome, who};
use super::when::{Stamp, duration_ns, stamp};
use crate::stored::InputError;

/// A row's fields, with what was escaped as it is; `None` is NULL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) values: Vec<Option<Vec<u8>>>,
    /// Whether a field was longer than what is kept.
    pub(super) is_cut: bool,
}

impl Fields {
    fn bytes(&self, at: usize) -> Option<&[u8]> {
        self.values.get(at)?.as_deref()
    }

    fn text(&self, at: usize) -> Option<&str> {
        std::str::from_utf8(self.bytes(at)?).ok()
    }

    fn number(&self, at: usize) -> Option<u64> {
        self.text(at)?.parse().ok()
    }
}

/// How fields are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// Parted by tabs, escaped with backslashes.
    Tabs,
    /// Parted by commas, in quotes, escaped with backslashes.
    Quoted,
}

impl Layout {
    /// What the first bytes of a file show; `None`: it is no table's dump.
    pub(super) fn of(front: &[u8]) -> Option<Self> {
        let line = front.split(|byte| *byte == b'\n').next().unwrap_or_default();
        if line.starts_with(b"event_time\t") || line.starts_with(b"start_time\t") {
            return Some(Self::Tabs);
        }
        let is_time = |text: &[u8]| matches!(stamp(text), Some(Stamp::Local(_))) && text.get(4) == Some(&b'-');
        if let Some(rest) = line.strip_prefix(b"\"") {
            let time = rest.split(|byte| *byte == b'"').next().unwrap_or_default();
            return is_time(time).then_some(Self::Quoted);
        }
        let mut fields = line.split(|byte| *byte == b'\t');
        let time = fields.next().unwrap_or_default();
        (is_time(time) && fields.next().is_some()).then_some(Self::Tabs)
    }
}

/// The rows of a dump.
pub(super) struct Rows {
    input: Chain,
    layout: Layout,
    limit: usize,
}

/// Where in a row the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// In front of a field.
    Front,
    Plain,
    InQuotes,
    /// After a backslash; in quotes or not.
    Escape {
        quoted: bool,
    },
    /// After a quote within quotes: the field's end, or another quote.
    AfterQuote,
}

impl Rows {
    pub(super) fn new(input: Chain, layout: Layout, limit: usize) -> Self {
        Self { input, layout, limit }
    }

    /// The next row; false after the last. The line with the columns' names is passed over.
    pub(super) fn next(&mut self, fields: &mut Fields) -> Result<bool, InputError> {
        loop {
            if !self.row(fields)? {
                return Ok(false);
            }
            if !matches!(fields.bytes(0), Some(b"event_time" | b"start_time")) {
                return Ok(true);
            }
        }
    }

    fn row(&mut self, fields: &mut Fields) -> Result<bool, InputError> {
        *fields = Fields::default();
        let mut row =
            Row { fields, field: Vec::new(), is_null: false, at: At::Front, layout: self.layout, room: self.limit };
        let mut found = false;
        loop {
            let bytes = self.input.fill()?;
            if bytes.is_empty() {
                if found {
                    row.end_field();
                }
                return Ok(found);
            }
            found = true;
            let ended = bytes.iter().position(|byte| row.take(*byte));
            let used = ended.map_or(bytes.len(), |at| at + 1);
            self.input.consume(used);
            if ended.is_some() {
                return Ok(true);
            }
        }
    }
}

struct Row<'a> {
    fields: &'a mut Fields,
    field: Vec<u8>,
    is_null: bool,
    at: At,
    layout: Layout,
    room: usize,
}

impl Row<'_> {
    /// Takes another byte; true at the row's end.
    fn take(&mut self, byte: u8) -> bool {
        let separator = if self.layout == Layout::Tabs { b'\t' } else { b',' };
        match (self.at, byte) {
            (At::Escape { quoted }, _) => {
                self.unescape(byte);
                self.at = if quoted { At::InQuotes } else { At::Plain };
            }
            (At::Front, b'"') if self.layout == Layout::Quoted => self.at = At::InQuotes,
            (At::InQuotes, b'"') => self.at = At::AfterQuote,
            (At::AfterQuote, b'"') => {
                self.push(byte);
                self.at = At::InQuotes;
            }
            (At::InQuotes, b'\\') => self.at = At::Escape { quoted: true },
            (At::InQuotes, _) => self.push(byte),
            (_, b'\n') => {
                self.end_field();
                return true;
            }
            (_, _) if byte == separator => {
                self.end_field();
                self.at = At::Front;
            }
            (At::Front | At::Plain, b'\\') => self.at = At::Escape { quoted: false },
            (At::Front | At::Plain | At::AfterQuote, _) => {
                self.push(byte);
                self.at = At::Plain;
            }
        }
        false
    }

    fn unescape(&mut self, byte: u8) {
        let byte = match byte {
            b'N' if self.field.is_empty() && self.at == (At::Escape { quoted: false }) => {
                self.is_null = true;
                return;
            }
            b'0' => 0,
            b'b' => 8,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'Z' => 26,
            other => other,
        };
        self.push(byte);
    }

    fn push(&mut self, byte: u8) {
        if self.room == 0 {
            self.fields.is_cut = true;
            return;
        }
        self.room -= 1;
        self.field.push(byte);
    }

    fn end_field(&mut self) {
        let field = std::mem::take(&mut self.field);
        let is_null = std::mem::take(&mut self.is_null) && field.is_empty();
        self.fields.values.push((!is_null).then_some(field));
    }
}

/// A row of `mysql.general_log`.
pub(super) struct GeneralRow {
    pub(super) time: Stamp,
    pub(super) who: Who,
    pub(super) thread: u64,
    pub(super) command: String,
    pub(super) argument: Vec<u8>,
}

/// `event_time, user_host, thread_id, server_id, command_type, argument`
pub(super) fn general_row(fields: &Fields) -> Option<GeneralRow> {
    Some(GeneralRow {
        time: stamp(fields.bytes(0)?)?,
        who: who(&String::from_utf8_lossy(fields.bytes(1)?)).unwrap_or_default(),
        thread: fields.number(2)?,
        command: fields.text(4)?.to_owned(),
        argument: fields.bytes(5)?.to_vec(),
    })
}

/// A row of `mysql.slow_log`.
pub(super) struct SlowRow {
    pub(super) time: Stamp,
    pub(super) who: Who,
    pub(super) query_time_ns: Option<u64>,
    pub(super) outcome: Outcome,
    pub(super) database: String,
    pub(super) text: Vec<u8>,
    pub(super) thread: u64,
}

/// `start_time, user_host, query_time, lock_time, rows_sent, rows_examined, db, last_insert_id, insert_id, server_id, sql_text, thread_id`,
/// and MariaDB's `rows_affected`. What is called start_time is the statement's end.
pub(super) fn slow_row(fields: &Fields) -> Option<SlowRow> {
    Some(SlowRow {
        time: stamp(fields.bytes(0)?)?,
        who: who(&String::from_utf8_lossy(fields.bytes(1)?)).unwrap_or_default(),
        query_time_ns: duration_ns(fields.bytes(2)?),
        outcome: Outcome { rows_sent: fields.number(4), rows_affected: fields.number(12), ..Outcome::default() },
        database: fields.bytes(6).map(|name| String::from_utf8_lossy(name).into_owned()).unwrap_or_default(),
        text: fields.bytes(10)?.to_vec(),
        thread: fields.number(11)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &[u8], layout: Layout) -> Vec<Vec<Option<String>>> {
        let mut rows = Rows::new(Chain::of_bytes(text), layout, 100);
        let mut fields = Fields::default();
        let mut all = Vec::new();
        while rows.next(&mut fields).unwrap() {
            let text = |value: &Option<Vec<u8>>| value.as_ref().map(|value| String::from_utf8(value.clone()).unwrap());
            all.push(fields.values.iter().map(text).collect());
        }
        all
    }

    fn some(texts: &[&str]) -> Vec<Option<String>> {
        texts.iter().map(|text| Some((*text).to_owned())).collect()
    }

    #[test]
    fn tabs_backslashes_and_newlines_are_in_fields_again() {
        let text = b"event_time\tuser\na\tb\\tc\\\\\\n\\\n\\0\t\n\\N\t\\\\N";
        assert_eq!(rows(text, Layout::Tabs), [some(&["a", "b\tc\\\n\n\0", ""]), vec![None, Some("\\N".to_owned())]]);
    }

    #[test]
    fn quotes_are_doubled_or_escaped() {
        let text = b"\"2026\",7,\"a \\\"b\\\" \"\"c\"\", \\n\nd\"\n\"e\",\\N,\"\"\n";
        assert_eq!(
            rows(text, Layout::Quoted),
            [some(&["2026", "7", "a \"b\" \"c\", \n\nd"]), vec![Some("e".to_owned()), None, Some(String::new())]]
        );
    }

    #[test]
    fn a_row_that_is_too_long_is_cut_and_the_next_one_is_whole() {
        let mut rows = Rows::new(Chain::of_bytes(b"12345678\tx\nab\tcd\n"), Layout::Tabs, 5);
        let mut fields = Fields::default();
        assert!(rows.next(&mut fields).unwrap() && fields.is_cut);
        assert!(rows.next(&mut fields).unwrap() && !fields.is_cut);
        assert_eq!(fields.values, [Some(b"ab".to_vec()), Some(b"cd".to_vec())]);
    }

    #[test]
    fn a_dump_is_told_from_a_log() {
        for (front, layout) in [
            (&b"event_time\tuser_host\n"[..], Some(Layout::Tabs)),
            (b"2026-11-27 13:16:41.745664\tapp[app] @ localhost [127.0.0.1]\t12\n", Some(Layout::Tabs)),
            (b"\"2026-11-27 13:16:41.745664\",\"app[app] @ localhost [127.0.0.1]\",12\n", Some(Layout::Quoted)),
            (b"2026-11-27T13:16:41.508683Z\t    0 Execute\tselect 1\n", None),
            (b"261127 13:17:06\t     4 Connect\troot@localhost on  using SSL/TLS\n", None),
            (b"/usr/sbin/mysqld, Version: 9.7.4. started with:\n", None),
            (b"", None),
        ] {
            assert_eq!(Layout::of(front), layout, "{}", String::from_utf8_lossy(front));
        }
    }
}
