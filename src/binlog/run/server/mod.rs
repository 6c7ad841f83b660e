//! Reading a server's stream, and how it goes on when it breaks.

mod begin;
mod compare;
mod stream;

use std::time::{Duration, Instant};

use crate::audit::Begins;
use crate::backoff::Backoff;
use crate::binlog::event::position::Position;
use crate::binlog::run::config::OnPurged;
use crate::binlog::run::error::RunError;
use crate::binlog::run::place::{Until, bytes_between, is_at_or_behind};
use crate::binlog::run::read::Reading;
use crate::binlog::run::server::stream::{Resume, Stream};
use crate::binlog::run::start_check;
use crate::binlog::source::{BinlogStart, ServerSchemas, ServerSource, SourceOptions};

const BACKOFF: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
/// How often a wait looks whether to stop.
const LOOK: Duration = Duration::from_millis(50);

/// Reads until the end that was asked for, from one server after the other where one fails.
pub(super) fn read(reading: &mut Reading<'_>, servers: &[SourceOptions]) -> Result<(), RunError> {
    if servers.is_empty() {
        return Err(RunError::Start("no `source` is given".into()));
    }
    reading.extent.set_connection(Err("connecting".to_owned()));
    let mut stream = Stream { resume: None, backoff: BACKOFF, from_oldest: false, has_history: false, server: None };
    let mut next_servers = servers.iter().cycle().peekable();
    let (mut failed_in_a_row, mut last_error) = (0, None);
    while let Some(options) = next_servers.peek() {
        let error = match stream.read(reading, options) {
            Ok(()) => return Ok(()),
            Err(RunError::Source(error)) => error,
            Err(error) => return Err(error),
        };
        reading.extent.set_connection(Err(error.to_string()));
        if reading.is_stopped() {
            return Ok(());
        }
        if error.is_purged() && reading.config.on_purged == OnPurged::Oldest && !stream.from_oldest {
            tracing::error!(%error, "what comes next has been purged; rows are missing from here to the oldest event that is there (--on-purged=oldest)");
            stream.from_oldest = true;
            continue;
        }
        // Before anything was read an error that will not go away is told at once, unless another server may do.
        failed_in_a_row = if stream.backoff.is_fresh() { 1 } else { failed_in_a_row + 1 };
        let may_go_on = error.is_transient() && stream.resume.is_some();
        let others_left = servers.len() > 1 && failed_in_a_row < servers.len();
        if !may_go_on && !others_left {
            return Err(last_error.filter(|_| !error.is_transient()).unwrap_or(error).into());
        }
        next_servers.next();
        let what = if stream.resume.is_some() { "the stream broke" } else { "this source cannot be read" };
        let pause = stream.backoff.pause();
        tracing::warn!(%error, seconds = pause.as_secs_f64(), "{what}; connecting {}", if servers.len() > 1 { "to the next" } else { "again" });
        wait(pause, reading);
        last_error = Some(error).filter(|error| !error.is_transient());
    }
    Ok(())
}

fn wait(time: Duration, reading: &Reading<'_>) {
    let end = Instant::now() + time;
    while Instant::now() < end && !reading.is_stopped() {
        std::thread::sleep(LOOK);
    }
}

impl Stream {
    /// Reads one server's stream until the end that was asked for.
    fn read(&mut self, reading: &mut Reading<'_>, options: &SourceOptions) -> Result<(), RunError> {
        let mut source = ServerSource::connect(options, reading.stop.clone())?;
        let server = source.identity()?;
        let start = self.start(reading, &mut source, options, server.as_ref())?;
        let origin = match &self.resume {
            None => "`from`",
            Some(resume) if resume.is_reconnect => "the place to go on",
            Some(_) => "the checkpoint",
        };
        let begins = self.begins(reading);
        let check = self.compare(reading, &start, server.as_ref(), &mut source)?;
        if start_check::check(origin, &start, &reading.until, reading.assembler.gtids(), &mut source)? {
            reading.opened(begins, &start, server.as_ref())?;
            if let BinlogStart::Position(position) = start {
                reading.assembler.restart(position);
            }
            return Ok(());
        }
        if self.prepare(reading, &mut source, options, server.as_ref(), &start)? {
            return reading.opened(begins, &start, server.as_ref());
        }
        self.begin_stream(reading, &mut source, options, &start, check)?;
        reading.opened(begins, &start, server.as_ref())?;
        tracing::info!(source = ?options.connect, version = source.server_version(), start = %start, "reading the binlog");
        reading.extent.set_connection(Ok(()));
        self.follow(reading, &mut source, server, &start)
    }

    /// Why reading begins where it does.
    fn begins(&self, reading: &Reading<'_>) -> Begins {
        match &self.resume {
            _ if self.from_oldest => Begins::Purged,
            None => Begins::Asked,
            Some(resume) if resume.is_reconnect => Begins::Again,
            Some(_) => reading.begins_at_checkpoint(),
        }
    }

    /// Tells the schema history and the assembler where reading begins; true where the end that was asked for is there already.
    fn prepare(
        &mut self,
        reading: &mut Reading<'_>,
        source: &mut ServerSource,
        options: &SourceOptions,
        server: Option<&String>,
        start: &BinlogStart,
    ) -> Result<bool, RunError> {
        if reading.until == Until::Now {
            reading.until = Until::Position(source.current_position()?.0);
        }
        let is_first = self.resume.as_ref().is_none_or(|resume| !resume.is_reconnect);
        if is_first && !std::mem::replace(&mut self.has_history, true) {
            let resumes = self.resume.is_some();
            let schemas = ServerSchemas::new(options.clone(), reading.stop.clone());
            reading.assembler.history().set_source(Box::new(schemas));
            match start {
                BinlogStart::Position(position) => reading.begin_history(position, resumes)?,
                BinlogStart::Gtids(_) => reading.begin_history(&Position::default(), false)?,
            }
        } else if self.server.as_ref() != server {
            let schemas = ServerSchemas::new(options.clone(), reading.stop.clone());
            reading.assembler.history().source_changed(Box::new(schemas));
        }
        self.server = server.cloned();
        match start {
            BinlogStart::Position(position) => {
                reading.assembler.restart(position.clone());
                if let Until::Position(end) = &reading.until
                    && is_at_or_behind(position, end)
                {
                    return Ok(true);
                }
                self.announce_extent(reading, source, position);
            }
            BinlogStart::Gtids(set) => {
                reading.assembler.restart(Position::default());
                reading.assembler.set_gtids(Some(set.clone()));
            }
        }
        reading.assembler.set_server(server.cloned());
        reading.extent.set_source(options);
        if self.resume.is_none()
            && let BinlogStart::Position(position) = start
        {
            self.keep(reading, position.clone(), server.cloned());
        }
        if let BinlogStart::Gtids(set) = start {
            // The stream's first events say a position, but it is after a transaction that the server has skipped up to.
            let server = server.cloned();
            let gtids = Some(set.clone());
            self.resume = Some(Resume { position: Position::default(), gtids, server, tail: None, is_reconnect: true });
        }
        Ok(false)
    }

    /// Reads the stream until the end that was asked for.
    fn follow(
        &mut self,
        reading: &mut Reading<'_>,
        source: &mut ServerSource,
        server: Option<String>,
        start: &BinlogStart,
    ) -> Result<(), RunError> {
        let transactions_before = reading.assembler.counters().transactions;
        loop {
            if reading.is_stopped() {
                return Ok(());
            }
            if source.is_idle() {
                reading.flush()?;
                reading.extent.reached(reading.assembler.position());
            }
            let event = source.next().map_err(|error| reading.extent.why_interrupted().unwrap_or(error))?;
            let is_end = reading.event(event)?;
            let is_somewhere = matches!(start, BinlogStart::Position(_))
                || reading.assembler.counters().transactions > transactions_before;
            if is_somewhere && !reading.assembler.in_transaction() && !reading.assembler.position().file.is_empty() {
                self.keep(reading, reading.assembler.position().clone(), server.clone());
                self.backoff.reset();
                self.from_oldest = false;
            }
            if is_end {
                return Ok(());
            }
        }
    }

    fn announce_extent(&self, reading: &Reading<'_>, source: &mut ServerSource, start: &Position) {
        if let Until::Position(end) = &reading.until
            && self.resume.is_none()
            && let Ok(files) = source.files()
        {
            reading.extent.set_total(bytes_between(&files, start, Some(end)));
        }
    }
}
