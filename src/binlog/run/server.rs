//! Reading a server's stream: where it begins, and how it goes on when it breaks.

use std::time::{Duration, Instant};

use super::place::{From, Until, bytes_between, is_at_or_behind};
use super::read::Reading;
use super::{OnPurged, RunError, start_check};
use crate::backoff::Backoff;
use crate::binlog::checkpoint::tail::{Compared, Tail, TailCheck};
use crate::binlog::event::header::EventHeader;
use crate::binlog::event::position::Position;
use crate::binlog::gtid::AnyGtidSet;
use crate::binlog::source::{BinlogError, BinlogStart, ServerSchemas, ServerSource, SourceOptions};

const BACKOFF: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
const LOOK: Duration = Duration::from_millis(50);
/// How long a transaction that is in the binlog may take to be executed.
const SETTLE: Duration = Duration::from_secs(2);

/// Where to go on: at a position of one server, or behind these transactions on any.
#[derive(Debug, Clone)]
struct Resume {
    position: Position,
    gtids: Option<AnyGtidSet>,
    server: Option<String>,
    /// The events before the position.
    tail: Option<Tail>,
    /// In this process: a transaction may be under way.
    is_reconnect: bool,
}

struct Stream {
    resume: Option<Resume>,
    backoff: Backoff,
    /// What was purged is given up (`--on-purged=oldest`).
    from_oldest: bool,
    has_history: bool,
    /// The server that was read last.
    server: Option<String>,
}

/// Reads until the end that was asked for, from one server after the other where one fails.
pub(super) fn read(reading: &mut Reading<'_>, servers: &[SourceOptions]) -> Result<(), RunError> {
    if servers.is_empty() {
        return Err(RunError::Start("no --source is given".into()));
    }
    let mut stream = Stream { resume: None, backoff: BACKOFF, from_oldest: false, has_history: false, server: None };
    let mut next_servers = servers.iter().cycle().peekable();
    let (mut failed_in_a_row, mut last_error) = (0, None);
    while let Some(options) = next_servers.peek() {
        let error = match stream.read(reading, options) {
            Ok(()) => return Ok(()),
            Err(RunError::Source(error)) => error,
            Err(error) => return Err(error),
        };
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
            None => "--from",
            Some(resume) if resume.is_reconnect => "the place to go on",
            Some(_) => "the checkpoint",
        };
        let check = self.compare(reading, &start, server.as_ref(), &mut source)?;
        if start_check::check(origin, &start, &reading.until, reading.assembler.gtids(), &mut source)? {
            if let BinlogStart::Position(position) = start {
                reading.assembler.restart(position);
            }
            return Ok(());
        }
        if reading.until == Until::Now {
            reading.until = Until::Position(source.current_position()?.0);
        }
        let is_first = self.resume.as_ref().is_none_or(|resume| !resume.is_reconnect);
        if is_first && !std::mem::replace(&mut self.has_history, true) {
            let resumes = self.resume.is_some();
            let schemas = ServerSchemas::new(options.clone(), reading.stop.clone());
            reading.assembler.history().set_source(Box::new(schemas));
            match &start {
                BinlogStart::Position(position) => reading.begin_history(position, resumes)?,
                BinlogStart::Gtids(_) => reading.begin_history(&Position::default(), false)?,
            }
        } else if self.server != server {
            let schemas = ServerSchemas::new(options.clone(), reading.stop.clone());
            reading.assembler.history().source_changed(Box::new(schemas));
        }
        self.server.clone_from(&server);
        match &start {
            BinlogStart::Position(position) => {
                reading.assembler.restart(position.clone());
                if let Until::Position(end) = &reading.until
                    && is_at_or_behind(position, end)
                {
                    return Ok(());
                }
                self.announce_extent(reading, &mut source, position);
            }
            BinlogStart::Gtids(set) => {
                reading.assembler.restart(Position::default());
                reading.assembler.set_gtids(Some(set.clone()));
            }
        }
        reading.assembler.set_server(server.clone());
        reading.extent.set_source(options);
        if self.resume.is_none()
            && let BinlogStart::Position(position) = &start
        {
            self.keep(reading, position.clone(), server.clone());
        }
        if let BinlogStart::Gtids(set) = &start {
            // The stream's first events say a position, but it is behind a transaction that the server has skipped up to.
            let server = server.clone();
            let gtids = Some(set.clone());
            self.resume = Some(Resume { position: Position::default(), gtids, server, tail: None, is_reconnect: true });
        }
        let transactions_before = reading.assembler.counters().transactions;
        self.begin_stream(reading, &mut source, options, &start, check)?;
        tracing::info!(source = ?options.connect, version = source.server_version(), start = %start, "reading the binlog");
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

    /// Whether the source's binlog is the one that was read before: what is to be compared where reading goes on at a position. What can
    /// be compared without the stream is compared here.
    fn compare(
        &self,
        reading: &Reading<'_>,
        start: &BinlogStart,
        server: Option<&String>,
        source: &mut ServerSource,
    ) -> Result<Option<TailCheck>, RunError> {
        let Some(resume) = self.resume.as_ref().filter(|_| !self.from_oldest) else {
            // By GTIDs that were given.
            if let BinlogStart::Gtids(set) = start {
                warn_of_lacking("--from", set, reading.config.strict, source)?;
            }
            return Ok(None);
        };
        match start {
            BinlogStart::Gtids(set) => {
                warn_of_lacking("what was delivered", set, reading.config.strict, source)?;
                Ok(None)
            }
            BinlogStart::Position(position) => {
                if let Some(tail) = resume.tail.filter(|tail| tail.from < position.offset) {
                    return Ok(Some(TailCheck::new(tail, position.offset)));
                }
                let lacking = resume.gtids.as_ref().map(|set| still_lacking(set, source)).transpose()?.flatten();
                if let Some(lacking) = lacking {
                    return Err(start_check::begun_again(
                        position,
                        &format!("it has not executed {lacking}, which was read"),
                    )
                    .into());
                }
                if !resume.is_reconnect {
                    tracing::info!(
                        %position,
                        server = resume.server.is_some() && server.is_some(),
                        gtids = resume.gtids.is_some(),
                        "the checkpoint does not say which events come before it: whether the binlog is still the same was only checked by the \
                         file's name and size and what else is true here"
                    );
                }
                Ok(None)
            }
        }
    }

    /// Asks for the stream, and reads it up to the place where reading goes on.
    fn begin_stream(
        &self,
        reading: &mut Reading<'_>,
        source: &mut ServerSource,
        options: &SourceOptions,
        start: &BinlogStart,
        mut check: Option<TailCheck>,
    ) -> Result<(), RunError> {
        let BinlogStart::Position(place) = start else {
            let checksums = source.start(options, start)?;
            reading.decoder.begin_stream(checksums);
            source.interrupt_with(reading.extent.interrupts());
            return Ok(());
        };
        let tail_begins = check.as_ref().map_or(place.offset, TailCheck::begins);
        let begin = source.reachable(&Position { offset: tail_begins, ..place.clone() })?;
        let checksums = source.start(options, &BinlogStart::Position(begin.clone()))?;
        reading.decoder.begin_stream(checksums);
        source.interrupt_with(reading.extent.interrupts());
        if begin == *place {
            return Ok(());
        }
        reading.assembler.pass_over_from(begin.offset);
        loop {
            if reading.is_stopped() {
                return Ok(());
            }
            let compared = source
                .next()
                .map_err(RunError::from)
                .and_then(|event| reading.pass_over(event, check.as_mut()))
                .map_err(|error| if check.is_some() { other_log(place, error) } else { error })?;
            let offset = reading.assembler.position().offset;
            if compared == Compared::Different || offset > place.offset {
                return Err(
                    start_check::begun_again(place, "other events come before it than those that were read").into()
                );
            }
            if offset == place.offset {
                return Ok(());
            }
        }
    }

    /// Takes note of where to go on.
    fn keep(&mut self, reading: &Reading<'_>, position: Position, server: Option<String>) {
        match &mut self.resume {
            // Called for every transaction: the set of GTIDs is the assembler's, and copied when it is needed.
            Some(resume) => {
                resume.position = position;
                resume.tail = reading.assembler.tail();
                resume.is_reconnect = true;
                if resume.server != server {
                    resume.server = server;
                }
            }
            None => {
                let gtids = reading.assembler.gtids().cloned();
                self.resume = Some(Resume { position, gtids, server, tail: None, is_reconnect: true });
            }
        }
    }

    fn start(
        &mut self,
        reading: &mut Reading<'_>,
        source: &mut ServerSource,
        options: &SourceOptions,
        server: Option<&String>,
    ) -> Result<BinlogStart, RunError> {
        if self.from_oldest {
            return oldest(source);
        }
        let Some(resume) = &mut self.resume else {
            return self.first_start(reading, source, options, server);
        };
        if resume.is_reconnect && reading.assembler.gtids().is_some() {
            resume.gtids = reading.assembler.gtids().cloned();
        }
        go_on(resume, server)
    }

    fn first_start(
        &mut self,
        reading: &mut Reading<'_>,
        source: &mut ServerSource,
        options: &SourceOptions,
        server: Option<&String>,
    ) -> Result<BinlogStart, RunError> {
        match &reading.config.from {
            From::Now => {
                let (position, gtids) = source.current_position()?;
                reading.assembler.set_gtids(gtids);
                Ok(BinlogStart::Position(position))
            }
            From::Oldest => oldest(source),
            From::Position(position) => {
                reading.assembler.set_gtids(source.gtids_at(position)?);
                Ok(BinlogStart::Position(position.clone()))
            }
            From::Gtids(set) => Ok(BinlogStart::Gtids(set.clone())),
            From::Checkpoint => match reading.checkpoint()? {
                Some(checkpoint) => {
                    let gtids = checkpoint.gtid_set.as_ref().and_then(|text| text.parse().ok());
                    reading.assembler.set_gtids(gtids.clone());
                    let resume = Resume {
                        position: checkpoint.position(),
                        gtids,
                        server: checkpoint.server,
                        tail: checkpoint.tail,
                        is_reconnect: false,
                    };
                    let start = go_on(&resume, server);
                    self.resume = Some(resume);
                    start
                }
                None => {
                    tracing::warn!("there is no checkpoint yet: beginning with the oldest event");
                    oldest(source)
                }
            },
            From::Timestamp(moment) => {
                // The last file that began before the moment.
                for (file, _) in source.files()?.into_iter().rev() {
                    let position = Position { file, offset: 4 };
                    if began_before(&position, *moment, options, reading)? {
                        return Ok(BinlogStart::Position(position));
                    }
                }
                oldest(source)
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

/// At the position if it is of this server, else behind the GTIDs.
fn go_on(resume: &Resume, server: Option<&String>) -> Result<BinlogStart, RunError> {
    match (&resume.server, server, &resume.gtids) {
        // Nothing has come since reading began by GTIDs.
        (_, _, Some(gtids)) if resume.position.file.is_empty() => Ok(BinlogStart::Gtids(gtids.clone())),
        // Not known of which it is: from before servers were kept.
        (None, _, _) => Ok(BinlogStart::Position(resume.position.clone())),
        (Some(before), Some(now), _) if before == now => Ok(BinlogStart::Position(resume.position.clone())),
        (_, _, Some(gtids)) => {
            tracing::info!(%gtids, "this is another server than the one that was read before: going on by GTIDs");
            Ok(BinlogStart::Gtids(gtids.clone()))
        }
        (Some(before), now, None) => Err(RunError::Start(format!(
            "the source is another server ({}) than the one that was read before ({before}), and it is not known which GTIDs were read up to {} \
             (its transactions have none, or reading began in the middle of a file); go on with the server from before, or say where with --from",
            now.map_or("unknown", String::as_str),
            resume.position
        ))),
    }
}

/// Where no event begins the server says so, or sends what cannot be read.
fn other_log(place: &Position, error: RunError) -> RunError {
    match error {
        RunError::Source(BinlogError::Refused(reason)) => start_check::begun_again(place, &reason).into(),
        RunError::Source(BinlogError::Event { source, .. }) => {
            start_check::begun_again(place, &source.to_string()).into()
        }
        error => error,
    }
}

/// Says what a source does not have of these transactions, which will not come from it: an error with --strict.
fn warn_of_lacking(what: &str, gtids: &AnyGtidSet, strict: bool, source: &mut ServerSource) -> Result<(), RunError> {
    let Some(lacking) = source.lacking(gtids)? else { return Ok(()) };
    if strict {
        return Err(RunError::Start(format!(
            "the source has not executed {lacking}, part of {what} (--strict): these transactions were lost by it, or have not reached it yet; \
             compare its tables with what was delivered"
        )));
    }
    tracing::error!(
        %lacking,
        "the source has not executed all of {what}: these transactions were lost by it, or have not reached it yet; what was delivered of them \
         may not be in its tables"
    );
    Ok(())
}

/// A transaction is in the binlog before it counts as executed.
fn still_lacking(gtids: &AnyGtidSet, source: &mut ServerSource) -> Result<Option<String>, RunError> {
    let end = Instant::now() + SETTLE;
    loop {
        let lacking = source.lacking(gtids)?;
        if lacking.is_none() || Instant::now() >= end {
            return Ok(lacking);
        }
        std::thread::sleep(LOOK);
    }
}

fn oldest(source: &mut ServerSource) -> Result<BinlogStart, RunError> {
    let files = source.files()?;
    let (file, _) = files.into_iter().next().ok_or_else(|| RunError::Start("the source has no binlog files".into()))?;
    Ok(BinlogStart::Position(Position { file, offset: 4 }))
}

/// Whether a file's first event is older than a moment.
fn began_before(
    position: &Position,
    moment: u32,
    options: &SourceOptions,
    reading: &Reading<'_>,
) -> Result<bool, RunError> {
    let mut source = ServerSource::connect(options, reading.stop.clone())?;
    source.start(options, &BinlogStart::Position(position.clone()))?;
    for _ in 0..4 {
        if reading.is_stopped() {
            break;
        }
        let event = source.next()?;
        if let Ok(header) = EventHeader::parse(event)
            && header.timestamp > 0
        {
            return Ok(header.timestamp < moment);
        }
    }
    Ok(false)
}
