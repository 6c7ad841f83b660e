//! What can be known before the start: the target, and what of the recording it has what it takes for.

use std::collections::{BTreeMap, BTreeSet};

use super::permit::refused;
use super::selection::Selection;
use super::source::{Flow, RecordSource};
use crate::client::{ClientError, ConnectOptions, Connection};
use crate::mysql::sql::{Flavor, Lexis, SqlMode, version_number};
use crate::mysql::wire::Command;
use crate::player::{Accounts, Judge, JudgedTexts, Permits, PlayOptions};
use crate::recording::{Event, Record, SessionId};

/// How the target is asked, and what is going to be done to it.
pub(crate) struct Check<'a> {
    /// Where, and as whom.
    pub(crate) connect: &'a ConnectOptions,
    /// As whom sessions log in.
    pub(crate) accounts: &'a Accounts,
    /// What is going to be refused.
    pub(crate) permits: Permits,
    /// What is chosen.
    pub(crate) selection: &'a Selection,
    /// How many copies of each session there are going to be.
    pub(crate) copies: u32,
    /// How many records are looked at; all of them without it.
    pub(crate) most_records: Option<u64>,
    /// How sessions are going to be played.
    pub(crate) play: &'a PlayOptions,
}

/// What was found out.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    /// Why the replay will fail.
    pub(crate) problems: Vec<String>,
    /// What its reader should know.
    pub(crate) notes: Vec<String>,
    /// The target's version.
    pub(crate) version: String,
    /// How texts are read there by a session that set nothing.
    pub(crate) lexis: Lexis,
    /// How many sessions and commands were looked at.
    pub(crate) sessions: u64,
    pub(crate) commands: u64,
    /// What will not be played, by reason.
    pub(crate) refused: BTreeMap<String, u64>,
    /// When the last record began.
    pub(crate) length_ns: u64,
}

/// Asks the target, and looks through the recording.
pub(crate) fn check(check: &Check<'_>, source: &mut dyn RecordSource) -> Result<Checked, String> {
    let mut target = Connection::open(check.connect).map_err(|error| error.to_string())?;
    let version = target.server_version().to_owned();
    let lexis = lexis_of(&version, target.is_mariadb(), &mut target).map_err(|error| error.to_string())?;
    let about = source.about().clone();
    let mut scan = Scan { check, lexis, seen: Seen::default(), judges: BTreeMap::new(), texts: JudgedTexts::default() };
    source.read(check.selection.from_ns, check.selection.to_ns, &mut |record| scan.record(&record))?;
    let seen = scan.seen;
    let mut checked = Checked {
        problems: Vec::new(),
        notes: Vec::new(),
        version,
        lexis,
        sessions: seen.sessions,
        commands: seen.commands,
        refused: seen.refused.clone(),
        length_ns: seen.last_ns,
    };
    compare_versions(about.server_version.as_deref(), &mut checked);
    compare_databases(check, &seen, &mut target, &mut checked).map_err(|error| error.to_string())?;
    try_accounts(check, &seen, &mut checked);
    if let Some(recorded) = about.gtid_set.as_deref().filter(|set| !set.is_empty()) {
        compare_gtids(recorded, &mut target, &mut checked);
    }
    compare_limits(check, &seen, &mut target, &mut checked).map_err(|error| error.to_string())?;
    if !about.lacks.is_empty() {
        let lacks: Vec<_> = about.lacks.iter().map(|lack| lack.to_string().replace('_', " ")).collect();
        checked.notes.push(format!("the recording was made from {} and lacks {}", about.source, lacks.join(", ")));
    }
    if about.redacted {
        checked.notes.push("the recording is redacted: statements find other rows than they did, or none".to_owned());
    }
    Ok(checked)
}

fn lexis_of(version: &str, is_mariadb: bool, target: &mut Connection) -> Result<Lexis, ClientError> {
    let mode = target.query_one("SELECT @@GLOBAL.sql_mode")?.map(|mode| SqlMode::from_value(mode.as_bytes()));
    Ok(Lexis {
        flavor: Some(if is_mariadb { Flavor::MariaDb } else { Flavor::MySql }),
        version: version_number(version),
        ansi_quotes: mode.map(|mode| mode.ansi_quotes),
        backslash_escapes: mode.map(|mode| !mode.no_backslash_escapes),
        ..Lexis::default()
    })
}

/// What the recording needs.
#[derive(Debug, Default)]
struct Seen {
    records: u64,
    sessions: u64,
    commands: u64,
    last_ns: u64,
    open: BTreeSet<SessionId>,
    most_open: usize,
    users: BTreeSet<Option<String>>,
    databases: BTreeSet<String>,
    /// Those that the recording itself makes.
    made: bool,
    refused: BTreeMap<String, u64>,
}

struct Scan<'a> {
    check: &'a Check<'a>,
    lexis: Lexis,
    seen: Seen,
    judges: BTreeMap<SessionId, Judge>,
    texts: JudgedTexts,
}

impl Scan<'_> {
    fn record(&mut self, record: &Record) -> Flow {
        if self.check.most_records.is_some_and(|most| self.seen.records >= most) {
            return Flow::End;
        }
        self.seen.records += 1;
        self.seen.last_ns = self.seen.last_ns.max(record.started.monotonic_ns);
        match &record.event {
            Event::Begin(begin) => {
                if !self.check.selection.has_session(begin) || begin.refused.is_some() {
                    return Flow::On;
                }
                self.seen.sessions += u64::from(self.seen.open.insert(record.session));
                self.seen.most_open = self.seen.most_open.max(self.seen.open.len());
                self.seen.users.insert(begin.user.clone());
                self.seen.databases.extend(begin.database.clone().filter(|name| !name.is_empty()));
                self.judges.insert(record.session, Judge::of_session(begin, self.lexis).with_texts(&self.texts));
            }
            Event::Command(command) => {
                let Some(judge) = self.judges.get_mut(&record.session) else { return Flow::On };
                self.seen.commands += 1;
                if command.command == Command::InitDb
                    && command.error().is_none()
                    && let Some(name) = &command.argument
                {
                    self.seen.databases.insert(String::from_utf8_lossy(name).into_owned());
                }
                let judged = judge.judge(command);
                self.seen.made |= command.sql.as_deref().is_some_and(makes_database);
                if let Some(refusal) = refused(self.check.permits, judged, command) {
                    *self.seen.refused.entry(refusal.to_string()).or_default() += 1;
                }
            }
            Event::Lost(_) => {}
            Event::End(_) => {
                self.seen.open.remove(&record.session);
                self.judges.remove(&record.session);
            }
        }
        Flow::On
    }
}

fn makes_database(sql: &[u8]) -> bool {
    let word = |at: usize| sql.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).nth(at);
    word(0).is_some_and(|verb| verb.eq_ignore_ascii_case(b"create"))
        && word(1).is_some_and(|what| what.eq_ignore_ascii_case(b"database") || what.eq_ignore_ascii_case(b"schema"))
}

fn compare_versions(recorded: Option<&str>, checked: &mut Checked) {
    let Some(recorded) = recorded.filter(|recorded| *recorded != checked.version) else { return };
    checked.notes.push(format!("recorded on {recorded}, played on {}", checked.version));
}

fn compare_databases(
    check: &Check<'_>,
    seen: &Seen,
    target: &mut Connection,
    checked: &mut Checked,
) -> Result<(), ClientError> {
    let rows = target.query("SHOW DATABASES")?;
    let there: BTreeSet<_> = rows.into_iter().flat_map(|row| row.into_iter().flatten()).collect();
    let names = |copy| {
        let options = PlayOptions { copy, ..check.play.clone() };
        seen.databases.iter().map(move |name| options.database(name))
    };
    let missing: BTreeSet<_> = (0..check.copies).flat_map(names).filter(|name| !there.contains(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.into_iter().collect::<Vec<_>>().join(", ");
    if seen.made {
        checked.notes.push(format!("the target has no database {names}; the recording makes databases itself"));
    } else {
        checked.problems.push(format!("the target has no database {names}: sessions begin in it, or choose it"));
    }
    Ok(())
}

fn try_accounts(check: &Check<'_>, seen: &Seen, checked: &mut Checked) {
    let mut tried = BTreeMap::new();
    for user in &seen.users {
        let name = user.as_deref().unwrap_or_default();
        let Some(account) = check.accounts.of(user.as_deref()) else {
            checked.problems.push(format!(
                "no account on the target is given for the recorded user '{name}': add it to --user-map"
            ));
            continue;
        };
        let failure = tried.entry(account.user.clone()).or_insert_with(|| {
            let options = ConnectOptions {
                user: account.user.clone(),
                password: account.password.clone(),
                ..check.connect.clone()
            };
            Connection::open(&options).err().map(|error| error.to_string())
        });
        if let Some(reason) = failure {
            checked.problems.push(format!("the recorded user '{name}' cannot log in as '{}': {reason}", account.user));
        }
    }
}

/// Two sets are compared by the target itself, which knows their form.
fn compare_gtids(recorded: &str, target: &mut Connection, checked: &mut Checked) {
    let is_mariadb = target.is_mariadb();
    let variable = if is_mariadb { "@@GLOBAL.gtid_current_pos" } else { "@@GLOBAL.gtid_executed" };
    let here = target.query_one(&format!("SELECT {variable}")).ok().flatten().unwrap_or_default();
    let plain = |set: &str| {
        let mut parts: Vec<_> = set.split(',').map(|part| part.trim().to_lowercase()).collect();
        parts.sort();
        parts
    };
    let is_same = plain(recorded) == plain(&here) || {
        let safe = |set: &str| set.chars().all(|c| c.is_ascii_alphanumeric() || "-:,_ \n".contains(c));
        let both =
            |one: &str, two: &str| format!("SELECT GTID_SUBSET('{one}', '{two}') AND GTID_SUBSET('{two}', '{one}')");
        let same = |answer: Option<String>| answer.as_deref() == Some("1");
        !is_mariadb && safe(recorded) && safe(&here) && target.query_one(&both(recorded, &here)).is_ok_and(same)
    };
    if !is_same {
        let shown = if here.is_empty() { "empty" } else { &here };
        checked.notes.push(format!(
            "the recording began at GTID set {recorded}, the target's is {shown}: its data may not be that of the recording's beginning"
        ));
    }
}

fn compare_limits(
    check: &Check<'_>,
    seen: &Seen,
    target: &mut Connection,
    checked: &mut Checked,
) -> Result<(), ClientError> {
    let needed = seen.most_open as u64 * u64::from(check.copies);
    let limit = target.query_one("SELECT @@GLOBAL.max_connections")?.and_then(|limit| limit.parse::<u64>().ok());
    if let Some(limit) = limit.filter(|limit| *limit < needed) {
        checked.notes.push(format!(
            "{needed} sessions are open at once, and the target's max_connections is {limit}: some will be refused"
        ));
    }
    if let Some(limit) = open_files_limit().filter(|limit| *limit < needed + FILES_OF_OUR_OWN) {
        checked.problems.push(format!(
            "{needed} sessions are open at once, and this process may have {limit} open files: raise it (ulimit -n)"
        ));
    }
    Ok(())
}

/// Files, pipes and sockets besides those to the target.
const FILES_OF_OUR_OWN: u64 = 64;

/// The soft limit of this process, where the system tells.
fn open_files_limit() -> Option<u64> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_are_made_by_their_own_statements() {
        assert!(makes_database(b"CREATE  DATABASE x") && makes_database(b"create schema x"));
        assert!(!makes_database(b"CREATE TABLE x (a INT)") && !makes_database(b"") && !makes_database(b"DATABASE"));
    }

    #[test]
    fn the_limit_of_open_files_is_known_on_linux() {
        assert!(open_files_limit().is_none_or(|limit| limit > 0));
    }
}
