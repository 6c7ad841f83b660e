//! Slow query logs, as MySQL, MariaDB and Percona Server write them (`sql/log.cc` of each).
//!
//! An entry is a header of lines with `#`, maybe `use database;`, `SET timestamp=..;`, the text, and `;`. The text is written as it was sent: it
//! may have lines that look like another entry's header. So an entry ends only where its text does, as the lexer reads it.

mod header;

use super::counts::{Counts, Skipped};
use super::entry::{Entry, What, Who};
use super::input::InputError;
use super::lines::{Line, Lines};
use super::table::{Fields, slow_row};
use super::when::Clock;
use crate::mysql::sql::Lexis;
use crate::mysql::sql::Tokens;
use crate::mysql::wire::Command;
use header::Header;

/// A text that is not at its end where the next entry seems to begin goes on for so many bytes. After that the lexer must have been misled.
const OPEN_BYTES: usize = 4 << 20;

/// Whether the text's end is within a quote or a comment, so that what follows it may be more of it.
pub(super) fn is_open(text: &[u8]) -> bool {
    let mut tokens = Tokens::new(text, Lexis::default());
    tokens.by_ref().for_each(drop);
    tokens.is_cut_off()
}

/// Reads a slow log.
pub(super) struct SlowLog {
    lines: Lines,
    line: Line,
    /// Whether `line` has not been used yet.
    has_line: bool,
    clock: Clock,
    /// The last `# Time:`, which MariaDB leaves out where it is the same.
    time: Option<super::when::Stamp>,
    /// The database of the log's last `use`: MySQL names it where it changes from one entry to the next.
    database: Option<String>,
    text_limit: usize,
}

impl SlowLog {
    pub(super) fn new(lines: Lines, clock: Clock, text_limit: usize) -> Self {
        Self { lines, line: Line::default(), has_line: false, clock, time: None, database: None, text_limit }
    }

    fn peek(&mut self) -> Result<bool, InputError> {
        if !self.has_line {
            self.has_line = self.lines.next(&mut self.line)?;
        }
        Ok(self.has_line)
    }

    /// The next entry; `None` at the log's end.
    pub(super) fn next(&mut self, counts: &mut Counts) -> Result<Option<Entry>, InputError> {
        loop {
            if !self.peek()? {
                return Ok(None);
            }
            if header::is_banner(&self.line.bytes) {
                self.skip_banner()?;
                return Ok(Some(self.restart()));
            }
            if !header::begins_entry(&self.line.bytes) {
                self.has_line = false;
                counts.skip(Skipped::Unreadable);
                continue;
            }
            let Some(header) = self.header()? else { continue };
            let (text, is_cut) = self.text()?;
            match self.entry(header, text, is_cut) {
                Ok(entry) => return Ok(Some(entry)),
                Err(why) => counts.skip(why),
            }
        }
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
        self.has_line = false;
        for front in [&b"Tcp port:"[..], b"Time "] {
            let is_next = self.peek()? && (self.line.bytes.starts_with(front) || self.line.bytes.starts_with(b"Time\t"));
            if is_next {
                self.has_line = false;
            }
        }
        Ok(())
    }

    /// The lines in front of a text; `None` if none comes: the log ends, or a server was started.
    fn header(&mut self) -> Result<Option<Header>, InputError> {
        let mut header = Header::default();
        while self.peek()? {
            if header::is_banner(&self.line.bytes) {
                return Ok(None);
            }
            self.has_line = false;
            if header.read(&self.line.bytes) {
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    /// The text, without the semicolon that the server adds.
    fn text(&mut self) -> Result<(Vec<u8>, bool), InputError> {
        let mut text = Vec::new();
        let mut is_cut = false;
        let mut end_of_text = None;
        while self.peek()? {
            let begins = header::begins_entry(&self.line.bytes) || header::is_banner(&self.line.bytes);
            if begins && text.ends_with(b";\n") {
                let complete = text.get(..text.len() - 2).unwrap_or_default();
                if !is_open(complete) {
                    break;
                }
                let end = *end_of_text.get_or_insert(text.len());
                if text.len() - end > OPEN_BYTES {
                    break;
                }
            }
            let room = self.text_limit.saturating_sub(text.len());
            is_cut |= self.line.is_cut || self.line.bytes.len() >= room;
            text.extend_from_slice(self.line.bytes.get(..self.line.bytes.len().min(room)).unwrap_or_default());
            if self.line.is_ended && (room > self.line.bytes.len()) {
                text.push(b'\n');
            }
            self.has_line = false;
        }
        if text.ends_with(b"\n") {
            text.pop();
        }
        // A log that is being written may end anywhere.
        is_cut |= text.pop_if(|last| *last == b';').is_none();
        Ok((text, is_cut))
    }

    fn entry(&mut self, header: Header, text: Vec<u8>, is_cut: bool) -> Result<Entry, Skipped> {
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
            None => What::Text(text),
        };
        let timestamp_ns = header.timestamp.map_or(0, |epoch| u64::try_from(epoch).unwrap_or(0) * 1_000_000_000);
        let ended_ns = self.time.map_or(timestamp_ns, |time| self.clock.ns(time));
        Ok(Entry {
            thread: Some(thread),
            started_ns: ended_ns.saturating_sub(header.query_time_ns.unwrap_or(0)),
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
        "binlog dump" | "binlog dump gtid" | "table dump" | "register slave" | "register replica" | "connect out" | "daemon" => {
            Err(Skipped::ServerThread)
        }
        "field list" | "change user" | "kill" | "refresh" | "shutdown" | "set option" | "create db" | "drop db" | "debug"
        | "processlist" | "sleep" | "connect" => Err(Skipped::NoContent),
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
        b"Quit", b"Init DB", b"Ping", b"Statistics", b"Reset Connection", b"Prepare", b"Close stmt", b"Reset stmt", b"Fetch",
        b"Long Data",
    ];
    NAMES.contains(&text)
}

pub(super) use header::{Outcome, is_banner, who};
