//! Which recording, and which part of it.

use std::collections::HashMap;
use std::io::{self, BufWriter, StdoutLock, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::cli::exit::{Failure, at_once};
use crate::cli::settings::{Moment, moment};
use crate::lifecycle::{self, HangUp, Patience};
use crate::recording::disk::{Key, Recording};
use crate::recording::{Event, Record, SessionId};

/// How long the process may take to end when it is told to stop.
const STOP_PATIENCE: Duration = Duration::from_millis(500);

/// How recordings are read.
#[derive(Debug, Args)]
pub(super) struct KeyArgs {
    /// File with the key of an encrypted recording
    #[arg(long, value_name = "KEYFILE")]
    key_file: Option<PathBuf>,
}

impl KeyArgs {
    pub(super) fn open(&self, dir: &Path) -> Result<Recording, Failure> {
        let key = self.key_file.as_deref().map(Key::read).transpose().map_err(Failure::usage)?;
        Recording::open(dir, key.as_ref()).map_err(Failure::failed)
    }
}

/// Which part of a recording.
#[derive(Debug, Args)]
#[command(next_help_heading = "Part")]
pub(super) struct PartArgs {
    /// Leave out what started before: a time such as 2026-05-01T12:00:00Z, or how long after the beginning, such as 90s or 10m
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<Moment>,

    /// Leave out what started then or later
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to: Option<Moment>,

    /// Only this session, by its id of 16 hexadecimal digits; repeatable
    #[arg(long, value_name = "ID", value_parser = session)]
    session: Vec<SessionId>,

    /// Only sessions that begin with this user; repeatable
    #[arg(long, value_name = "NAME")]
    user: Vec<String>,

    /// Only sessions that begin in this database; repeatable
    #[arg(long, value_name = "NAME")]
    database: Vec<String>,
}

fn session(text: &str) -> Result<SessionId, String> {
    let is_id = text.len() == 16 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    let id = is_id.then(|| u64::from_str_radix(text, 16).ok()).flatten();
    id.map(SessionId).ok_or_else(|| "expected the 16 hexadecimal digits that `recording cat` shows".to_owned())
}

impl PartArgs {
    /// From when, and up to when, in nanoseconds from the recording's beginning.
    pub(super) fn range(&self, started_ms: u64) -> (u64, u64) {
        let ns = |point: Moment| match point {
            Moment::Relative(after) => u64::try_from(after.as_nanos()).unwrap_or(u64::MAX),
            Moment::At(time) => {
                let ms = u64::try_from(time.as_millisecond()).unwrap_or(0);
                ms.saturating_sub(started_ms).saturating_mul(1_000_000)
            }
        };
        (self.from.map_or(0, ns), self.to.map_or(u64::MAX, ns))
    }

    /// Decides which sessions are wanted.
    pub(super) fn sessions(&self) -> Sessions<'_> {
        Sessions { args: self, wanted: HashMap::new() }
    }
}

/// Which of the open sessions are wanted: a session is, or is not, as a whole.
pub(super) struct Sessions<'a> {
    args: &'a PartArgs,
    wanted: HashMap<SessionId, bool>,
}

impl Sessions<'_> {
    pub(super) fn wants(&mut self, record: &Record) -> bool {
        match &record.event {
            Event::Begin(begin) => {
                let is_among = |names: &[String], name: &Option<String>| {
                    names.is_empty() || name.as_ref().is_some_and(|name| names.contains(name))
                };
                let args = self.args;
                let wanted = (args.session.is_empty() || args.session.contains(&record.session))
                    && is_among(&args.user, &begin.user)
                    && is_among(&args.database, &begin.database);
                self.wanted.insert(record.session, wanted);
                wanted
            }
            Event::End(_) | Event::Lost(_) => self.wanted.remove(&record.session).unwrap_or(false),
            Event::Command(_) => self.wanted.get(&record.session).copied().unwrap_or(false),
        }
    }
}

/// Ends the process soon after it is told to stop.
pub(super) fn watch() -> Result<CancellationToken, Failure> {
    lifecycle::watch(Patience::Printer(STOP_PATIENCE), HangUp::Ignored, at_once).map_err(Failure::failed)
}

/// Standard output, for many lines.
pub(super) fn stdout() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(64 * 1024, io::stdout().lock())
}

/// What became of printing: a reader that goes away is no error.
pub(super) fn printed(result: io::Result<()>, output: &mut impl Write) -> Result<(), Failure> {
    match result.and_then(|()| output.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(format_args!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn a_point_is_a_time_or_an_offset() {
        assert_eq!(moment("90s"), Ok(Moment::Relative(Duration::from_secs(90))));
        assert_eq!(moment("2026-05-01T12:00:00+02:00"), Ok(Moment::At("2026-05-01T10:00:00Z".parse().unwrap())));
        assert!(moment("yesterday").unwrap_err().contains("90s"));
        let args = |from, to| PartArgs { from, to, session: vec![], user: vec![], database: vec![] };
        let time = Moment::At(Timestamp::from_millisecond(5_000).unwrap());
        assert_eq!(args(None, None).range(4_000), (0, u64::MAX));
        assert_eq!(args(Some(time), Some(time)).range(4_000), (1_000_000_000, 1_000_000_000));
        assert_eq!(args(Some(time), None).range(6_000), (0, u64::MAX));
    }

    #[test]
    fn a_session_is_named_as_it_is_shown() {
        assert_eq!(session("00000007000000ff"), Ok(SessionId(0x7_0000_00ff)));
        for wrong in ["", "7", "+0000007000000ff", "00000007000000fg"] {
            assert!(session(wrong).is_err(), "{wrong}");
        }
    }
}
