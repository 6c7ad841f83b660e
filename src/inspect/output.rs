//! What is printed of messages, gathered into few writes.

use std::io::{self, IsTerminal, Stdout, Write};

use super::table::Table;
use crate::pretty::{ColorChoice, Palette, Pretty, PrettyColumn};
use crate::stored::Fields;

/// Output is written when this many bytes have gathered, at the latest.
const GATHER: usize = 64 * 1024;

/// How messages look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::EnumMessage, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum Form {
    /// A JSON object per line: the message as it is
    #[default]
    Json,
    /// A line per statement for people, and each row with what changed
    Pretty,
    /// RFC 4180, with a line of names; queryParams is a JSON array
    Csv,
    /// A line per statement under column heads
    Table,
}

/// How messages are printed.
#[derive(Debug, Clone)]
pub(crate) struct OutputConfig {
    pub(crate) form: Form,
    pub(crate) color: ColorChoice,
    /// Of the form for people; none: all of them.
    pub(crate) columns: Vec<PrettyColumn>,
}

enum Writer {
    Json,
    Pretty(Box<Pretty>),
    Csv { has_head: bool },
    Table(Box<Table>),
}

/// Standard output.
pub(crate) struct Output {
    stdout: Stdout,
    writer: Writer,
    gathered: Vec<u8>,
}

impl Output {
    pub(crate) fn new(config: &OutputConfig) -> Self {
        let stdout = io::stdout();
        let palette = Palette::choose(config.color, stdout.is_terminal());
        let writer = match config.form {
            Form::Json => Writer::Json,
            Form::Pretty => Writer::Pretty(Box::new(Pretty::new(palette, &config.columns, jiff::Timestamp::now()))),
            Form::Csv => Writer::Csv { has_head: false },
            Form::Table => Writer::Table(Box::new(Table::new(palette))),
        };
        Self { stdout, writer, gathered: Vec::new() }
    }

    /// Whether the form has a place for what is no statement.
    pub(crate) fn shows_others(&self) -> bool {
        matches!(self.writer, Writer::Json | Writer::Pretty(_))
    }

    /// Whether the form shows what is not even JSON.
    pub(crate) fn shows_anything(&self) -> bool {
        matches!(self.writer, Writer::Pretty(_))
    }

    /// Prints a message; `fields` if it is a statement's.
    pub(crate) fn message(&mut self, json: &[u8], fields: Option<&Fields<'_>>) -> io::Result<()> {
        match (&mut self.writer, fields) {
            (Writer::Json, _) => {
                self.gathered.extend_from_slice(json);
                self.gathered.push(b'\n');
            }
            (Writer::Pretty(pretty), _) => {
                if self.gathered.is_empty() {
                    pretty.start_batch();
                }
                pretty.render(json, &mut self.gathered);
            }
            (Writer::Csv { has_head }, Some(fields)) => {
                if !std::mem::replace(has_head, true) {
                    csv_line(&mut self.gathered, Fields::NAMES)?;
                }
                csv_line(&mut self.gathered, csv_values(fields))?;
            }
            (Writer::Table(table), Some(fields)) => table.write(fields, &mut self.gathered),
            (Writer::Csv { .. } | Writer::Table(_), None) => {}
        }
        if self.gathered.len() >= GATHER { self.flush() } else { Ok(()) }
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let result = self.stdout.write_all(&self.gathered).and_then(|()| self.stdout.flush());
        self.gathered.clear();
        result
    }
}

/// Appends a line of values.
pub(super) fn csv_line<T: AsRef<[u8]>>(out: &mut Vec<u8>, values: impl IntoIterator<Item = T>) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(values)?;
    writer.flush()
}

fn csv_values(fields: &Fields<'_>) -> Vec<String> {
    let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
    let text = |text: Option<crate::stored::Text<'_>>| text.map(|text| text.decode().into_owned()).unwrap_or_default();
    vec![
        number(fields.timestamp),
        text(fields.server_host),
        text(fields.server_version),
        text(fields.user),
        text(fields.client),
        text(fields.db_name),
        text(fields.stmt_db_name),
        text(fields.debug),
        number(fields.connection_id),
        number(fields.total_pool_count),
        number(fields.execution_count),
        number(fields.server_flags),
        number(fields.client_flags),
        number(fields.i_flags),
        text(fields.default_tz),
        text(fields.server_tz),
        number(fields.isolation_lvl),
        number(fields.duration_ns),
        number(fields.update_count),
        text(fields.sql),
        fields.query_params.unwrap_or_default().to_owned(),
        text(fields.error_message),
        text(fields.server_info),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_has_each_field_in_its_column() {
        let json = concat!(
            r#"{"timestamp":1,"user":"a,\"b\"","iFlags":9,"durationNs":5,"sql":"SELECT\n1","queryParams":["x",null],"#,
            r#""errorMessage":null}"#
        );
        let mut out = Vec::new();
        csv_line(&mut out, csv_values(&Fields::parse(json.as_bytes()).unwrap())).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "1,,,\"a,\"\"b\"\"\",,,,,,,,,,9,,,,5,,\"SELECT\n1\",\"[\"\"x\"\",null]\",,\n");
        assert_eq!(csv_values(&Fields::parse(json.as_bytes()).unwrap()).len(), Fields::NAMES.len());
    }
}
