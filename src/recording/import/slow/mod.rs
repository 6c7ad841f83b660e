//! Slow query logs, as MySQL, MariaDB and Percona Server write them (`sql/log.cc` of each).
//!
//! An entry is a header of lines with `#`, maybe `use database;`, `SET timestamp=..;`, the text, and `;`. The text is written as it was sent: it
//! may have lines that look like another entry's header. So an entry ends only where its text does, as the lexer reads it.

mod header;

use super::counts::{Counts, Skipped};
use super::entry::{Entry, What, Who, is_about_prepared};
use super::lexes::Lexes;
use super::lines::{Lines, Text};
use super::table::{Fields, slow_row};
use super::when::{Clock, Stamp, WholeSeconds};
use crate::mysql::wire::Command;
use crate::stored::InputError;
use header::{Header, begins_entry};
pub(super) use header::{Outcome, has_one_result_set, is_banner, who};

/// Reads a slow log.
pub(super) struct SlowLog {
    lines: Lines,
    clock: Clock,
    /// The last `# Time:`, which MariaDB leaves out where it is the same.
    time: Option<Stamp>,
    seconds: WholeSeconds,
    /// The database of the log's last `use`: MySQL names it where it changes from one entry to the next.
    database: Option<String>,
    lexes: Lexes,
}

impl SlowLog {
    pub(super) fn new(lines: Lines, clock: Clock) -> Self {
        Self { lines, clock, time: None, seconds: WholeSeconds::default(), database: None, lexes: Lexes::new() }
    }

    /// The next entry; `None` at the log's end.
    pub(super) fn next(&mut self, counts: &mut Counts) -> Result<Option<Entry>, InputError> {
        while let Some(line) = self.lines.peek()? {
            if is_banner(&line.bytes) {
                self.skip_banner()?;
                return Ok(Some(self.restart()));
            }
            if !begins_entry(&line.bytes) {
                self.lines.advance();
                counts.skip(Skipped::Unreadable);
                continue;
            }
            let Some(header) = self.header()? else { continue };
            // The server adds a semicolon.
            let begins = |line: &[u8]| begins_entry(line) || is_banner(line);
            let lexis = header.thread.map(|thread| self.lexes.of(thread)).unwrap_or_default();
            let text = self.lines.text(Text::default(), b";\n", lexis, begins)?;
            if let Some(thread) = header.thread {
                self.lexes.follow(thread, &text.bytes);
            }
            match self.entry(header, text) {
                Ok(entry) => return Ok(Some(entry)),
                Err(why) => counts.skip(why),
            }
        }
        Ok(None)
    }

    fn restart(&self) -> Entry {
        Entry {
            thread: None,
            started_ns: self.time.map_or(0, |time| self.clock.ns(time)),
            duration_ns: None,
            who: Who::default(),
            database: None,
            what: What::Restart,
            is_cut: false,
            results: Vec::new(),
        }
    }

    /// The three lines that a server writes when it starts.
    fn skip_banner(&mut self) -> Result<(), InputError> {
        self.lines.advance();
        for front in [&b"Tcp port:"[..], b"Time"] {
            if self.lines.peek()?.is_some_and(|line| line.bytes.starts_with(front)) {
                self.lines.advance();
            }
        }
        Ok(())
    }

    /// The lines in front of a text; `None` if none comes: the log ends, or a server was started.
    fn header(&mut self) -> Result<Option<Header>, InputError> {
        let mut header = Header::default();
        while let Some(line) = self.lines.peek()? {
            if is_banner(&line.bytes) {
                return Ok(None);
            }
            let is_last = header.read(&line.bytes);
            self.lines.advance();
            if is_last {
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    fn entry(&mut self, header: Header, text: Text) -> Result<Entry, Skipped> {
        let Text { bytes: text, is_cut } = text;
        self.time = header.time.or(self.time);
        let Some(thread) = header.thread else { return Err(Skipped::Unreadable) };
        if let (Some(time), Some(epoch)) = (header.time, header.timestamp) {
            self.clock.compare(time, epoch);
        }
        if let Some(database) = &header.used {
            self.database = Some(database.clone());
        }
        let database = match header.schema {
            // MariaDB and Percona Server say it each time.
            Some(schema) => Some(schema).filter(|schema| !schema.is_empty()),
            None => self.database.clone(),
        };
        let what = match header::administrator_command(&text) {
            Some(name) => command(name)?,
            None if is_about_prepared(&text) => return Err(Skipped::Prepared),
            None => What::Text(text),
        };
        let timestamp_ns = header.timestamp.map_or(0, |epoch| u64::try_from(epoch).unwrap_or(0) * 1_000_000_000);
        let logged_ns = self.time.map_or(timestamp_ns, |time| self.clock.ns(time));
        let took_ns = header.query_time_ns.unwrap_or(0);
        Ok(Entry {
            thread: Some(thread),
            started_ns: self.seconds.end_ns(logged_ns, took_ns).saturating_sub(took_ns),
            duration_ns: header.query_time_ns,
            results: header.outcome.results(&what),
            who: header.who,
            database,
            what,
            is_cut,
        })
    }
}

/// What an administrator command stands for.
fn command(name: &[u8]) -> Result<What, Skipped> {
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    match name.as_str() {
        "quit" => Ok(What::Quit),
        "init db" => Ok(What::InitDb),
        "ping" => Ok(What::Command(Command::Ping, Vec::new())),
        "statistics" => Ok(What::Command(Command::Statistics, Vec::new())),
        "reset connection" => Ok(What::Command(Command::ResetConnection, Vec::new())),
        "prepare" | "close stmt" | "reset stmt" | "fetch" | "long data" | "execute" => Err(Skipped::StatementCommand),
        "binlog dump" | "binlog dump gtid" | "table dump" | "register slave" | "register replica" | "connect out"
        | "daemon" => Err(Skipped::ServerThread),
        "field list" | "change user" | "kill" | "refresh" | "shutdown" | "set option" | "create db" | "drop db"
        | "debug" | "processlist" | "sleep" | "connect" => Err(Skipped::NoContent),
        _ => Err(Skipped::UnknownCommand),
    }
}

/// Reads `mysql.slow_log`, as a table's dump.
pub(super) struct SlowTable {
    pub(super) rows: super::table::Rows,
    pub(super) clock: Clock,
}

impl SlowTable {
    pub(super) fn next(&mut self, counts: &mut Counts) -> Result<Option<Entry>, InputError> {
        let mut fields = Fields::default();
        while self.rows.next(&mut fields)? {
            let Some(row) = slow_row(&fields) else {
                counts.skip(Skipped::Unreadable);
                continue;
            };
            let what = match row.text.as_slice() {
                // The table has names of commands where other entries have texts.
                name if is_command_name(name) => match command(name) {
                    Ok(what) => what,
                    Err(why) => {
                        counts.skip(why);
                        continue;
                    }
                },
                text if is_about_prepared(text) => {
                    counts.skip(Skipped::Prepared);
                    continue;
                }
                _ => What::Text(row.text),
            };
            let ended_ns = self.clock.ns(row.time);
            let results = row.outcome.results(&what);
            return Ok(Some(Entry {
                thread: Some(row.thread),
                started_ns: ended_ns.saturating_sub(row.query_time_ns.unwrap_or(0)),
                duration_ns: row.query_time_ns,
                who: row.who,
                database: Some(row.database).filter(|name| !name.is_empty()),
                what,
                is_cut: fields.is_cut,
                results,
            }));
        }
        Ok(None)
    }
}

fn is_command_name(text: &[u8]) -> bool {
    const NAMES: [&[u8]; 10] = [
        b"Quit",
        b"Init DB",
        b"Ping",
        b"Statistics",
        b"Reset Connection",
        b"Prepare",
        b"Close stmt",
        b"Reset stmt",
        b"Fetch",
        b"Long Data",
    ];
    NAMES.contains(&text)
}
