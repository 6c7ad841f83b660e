//! General query logs, as MySQL and MariaDB write them into files and tables (`sql/log.cc` of each).
//!
//! The log has each command when it begins: neither its outcome nor its duration. Texts are written as they came, also those of several lines; a
//! line that looks like another entry ends a text only where the lexer agrees.

use super::counts::{Counts, Skipped};
use super::entry::{Entry, What, Who, is_about_prepared};
use super::lexes::Lexes;
use super::lines::{Lines, Text};
use super::slow::is_banner;
use super::table::{Fields, Rows, general_row};
use super::when::{Clock, Stamp, WholeSeconds, stamp};
use crate::mysql::wire::Command;
use crate::stored::InputError;

/// The front of an entry's first line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Front<'a> {
    /// MariaDB leaves it out where it is the same second.
    time: Option<Stamp>,
    thread: u64,
    command: &'a str,
    argument: &'a [u8],
}

/// `2026-11-27T13:16:41.559407Z\t    8 Connect\troot@..`, `261127 13:17:06\t     4 Connect\t..`, `\t\t     4 Query\t..`
fn front(line: &[u8]) -> Option<Front<'_>> {
    let (time, rest) = match line.strip_prefix(b"\t\t") {
        Some(rest) => (None, rest),
        None => {
            let tab = memchr::memchr(b'\t', line.get(..40.min(line.len()))?)?;
            (Some(stamp(line.get(..tab)?)?), line.get(tab + 1..)?)
        }
    };
    let digits_at = rest.iter().position(|byte| *byte != b' ')?;
    let rest = rest.get(digits_at..)?;
    let blank = rest.iter().position(|byte| !byte.is_ascii_digit())?;
    let thread = std::str::from_utf8(rest.get(..blank)?).ok()?.parse().ok()?;
    let rest = rest.get(blank..)?.strip_prefix(b" ")?;
    let tab = memchr::memchr(b'\t', rest)?;
    let command = std::str::from_utf8(rest.get(..tab)?).ok()?;
    is_command(command).then_some(Front { time, thread, command, argument: rest.get(tab + 1..)? })
}

/// The names of commands (`command_name` in `sql/sql_parse.cc` of both servers, and those of MariaDB's threads).
fn is_command(name: &str) -> bool {
    const NAMES: [&str; 41] = [
        "Sleep",
        "Quit",
        "Init DB",
        "Query",
        "Field List",
        "Create DB",
        "Drop DB",
        "Refresh",
        "Shutdown",
        "Statistics",
        "Processlist",
        "Connect",
        "Kill",
        "Debug",
        "Ping",
        "Time",
        "Delayed insert",
        "Change user",
        "Binlog Dump",
        "Table Dump",
        "Connect Out",
        "Register Slave",
        "Register Replica",
        "Prepare",
        "Execute",
        "Long Data",
        "Close stmt",
        "Reset stmt",
        "Set option",
        "Fetch",
        "Daemon",
        "Binlog Dump GTID",
        "Reset Connection",
        "clone",
        "Group Replication Data Stream subscription",
        "Bulk_execute",
        "Slave_worker",
        "Slave_IO",
        "Slave_SQL",
        "Com_multi",
        "Error",
    ];
    NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Reads a general log's file.
pub(super) struct GeneralLog {
    lines: Lines,
    clock: Clock,
    time: Option<Stamp>,
    seconds: WholeSeconds,
    lexes: Lexes,
}

/// A command as the log has it.
struct Logged {
    time_ns: u64,
    thread: u64,
    command: String,
    argument: Text,
    /// Tables have it with each row.
    who: Who,
}

impl GeneralLog {
    pub(super) fn new(lines: Lines, clock: Clock) -> Self {
        Self { lines, clock, time: None, seconds: WholeSeconds::default(), lexes: Lexes::new() }
    }

    pub(super) fn next(&mut self, counts: &mut Counts) -> Result<Option<Entry>, InputError> {
        while let Some(line) = self.lines.peek()? {
            if is_banner(&line.bytes) {
                self.lines.advance();
                let started_ns = self.time.map_or(0, |time| self.clock.ns(time));
                return Ok(Some(restart(started_ns)));
            }
            let Some(front) = front(&line.bytes) else {
                if !is_heading(&line.bytes) {
                    counts.skip(Skipped::Unreadable);
                }
                self.lines.advance();
                continue;
            };
            self.time = front.time.or(self.time);
            let (thread, command) = (front.thread, front.command.to_owned());
            if command.eq_ignore_ascii_case("connect") {
                self.lexes.forget(thread);
            }
            let time_ns = self.time.map_or(0, |time| self.clock.ns(time));
            let logged = Logged {
                time_ns: self.seconds.end_ns(time_ns, 0),
                thread,
                command,
                argument: self.argument(thread)?,
                who: Who::default(),
            };
            match entry(logged) {
                Ok(entry) => return Ok(Some(entry)),
                Err(why) => counts.skip(why),
            }
        }
        Ok(None)
    }

    /// The rest of the line that was looked at, and the text's other lines.
    fn argument(&mut self, thread: u64) -> Result<Text, InputError> {
        let Some(line) = self.lines.peek()? else { return Ok(Text::default()) };
        let mut bytes = front(&line.bytes).map(|front| front.argument.to_vec()).unwrap_or_default();
        if line.is_ended && !line.is_cut {
            bytes.push(b'\n');
        }
        let text = Text { bytes, is_cut: line.is_cut };
        self.lines.advance();
        let lexis = self.lexes.of(thread);
        let text = self.lines.text(text, b"\n", lexis, |line| front(line).is_some() || is_banner(line))?;
        self.lexes.follow(thread, &text.bytes);
        Ok(text)
    }
}

/// The second and third line that a server writes when it starts.
fn is_heading(line: &[u8]) -> bool {
    line.starts_with(b"Tcp port:") || line.starts_with(b"Time  ") || line.starts_with(b"Time\t")
}

fn restart(started_ns: u64) -> Entry {
    Entry {
        thread: None,
        started_ns,
        duration_ns: None,
        who: Who::default(),
        database: None,
        what: What::Restart,
        is_cut: false,
        results: Vec::new(),
    }
}

/// Reads `mysql.general_log`, as a table's dump.
pub(super) struct GeneralTable {
    pub(super) rows: Rows,
    pub(super) clock: Clock,
}

impl GeneralTable {
    pub(super) fn next(&mut self, counts: &mut Counts) -> Result<Option<Entry>, InputError> {
        let mut fields = Fields::default();
        while self.rows.next(&mut fields)? {
            let Some(row) = general_row(&fields) else {
                counts.skip(Skipped::Unreadable);
                continue;
            };
            let logged = Logged {
                time_ns: self.clock.ns(row.time),
                thread: row.thread,
                command: row.command,
                argument: Text { bytes: row.argument, is_cut: fields.is_cut },
                who: row.who,
            };
            match entry(logged) {
                Ok(entry) => return Ok(Some(entry)),
                Err(why) => counts.skip(why),
            }
        }
        Ok(None)
    }
}

/// What a command of the log is.
fn entry(logged: Logged) -> Result<Entry, Skipped> {
    if logged.thread == 0 {
        return Err(Skipped::ServerThread);
    }
    let mut entry = Entry {
        thread: Some(logged.thread),
        started_ns: logged.time_ns,
        duration_ns: None,
        who: logged.who,
        database: None,
        what: What::Quit,
        is_cut: logged.argument.is_cut,
        results: Vec::new(),
    };
    let name = logged.command.to_ascii_lowercase();
    let argument = logged.argument.bytes;
    entry.what = match name.as_str() {
        "query" if is_about_prepared(&argument) => return Err(Skipped::Prepared),
        "query" | "execute" | "bulk_execute" => What::Text(argument),
        "connect" => return connect(entry, &argument),
        "init db" => {
            entry.database = Some(String::from_utf8_lossy(&argument).into_owned());
            What::InitDb
        }
        "quit" => What::Quit,
        "ping" => What::Command(Command::Ping, Vec::new()),
        "statistics" => What::Command(Command::Statistics, Vec::new()),
        "reset connection" => What::Command(Command::ResetConnection, Vec::new()),
        "field list" => {
            // The log has a blank where the packet has a NUL byte, and the pattern after it.
            let mut argument = argument;
            let end = argument.iter().position(|byte| *byte == b' ').unwrap_or(argument.len());
            argument.truncate(end);
            argument.push(0);
            What::Command(Command::FieldList, argument)
        }
        "prepare" | "close stmt" | "reset stmt" | "fetch" | "long data" => return Err(Skipped::StatementCommand),
        "binlog dump" | "binlog dump gtid" | "table dump" | "register slave" | "register replica" | "connect out"
        | "daemon" | "delayed insert" | "slave_worker" | "slave_io" | "slave_sql" | "clone" => {
            return Err(Skipped::ServerThread);
        }
        "shutdown" | "kill" | "refresh" | "debug" | "processlist" | "set option" | "create db" | "drop db"
        | "sleep" | "time" | "change user" => return Err(Skipped::NoContent),
        _ => return Err(Skipped::UnknownCommand),
    };
    Ok(entry)
}

/// `app@localhost on shop using TCP/IP`, or the words of a refusal.
fn connect(mut entry: Entry, argument: &[u8]) -> Result<Entry, Skipped> {
    let text = String::from_utf8_lossy(argument);
    let Some((account, rest)) = text.rsplit_once(" on ").filter(|_| !text.starts_with("Access denied")) else {
        entry.what = What::Refused(text.into_owned());
        return Ok(entry);
    };
    let Some((user, host)) = account.rsplit_once('@') else { return Err(Skipped::NoContent) };
    let database = rest.rsplit_once(" using ").map_or(rest, |(database, _)| database).trim_end();
    // A table's row has the client's address too.
    let client = entry.who.client.take().unwrap_or_else(|| host.trim().to_owned());
    entry.who = Who { user: Some(user.trim().to_owned()).filter(|user| !user.is_empty()), client: Some(client) };
    entry.database = Some(database.to_owned()).filter(|database| !database.is_empty());
    entry.what = What::Connect;
    Ok(entry)
}
