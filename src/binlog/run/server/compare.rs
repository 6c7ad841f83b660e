//! Whether the source's binlog is the one that was read before.

use std::time::{Duration, Instant};

use crate::binlog::checkpoint::tail::{Compared, TailCheck};
use crate::binlog::event::position::Position;
use crate::binlog::gtid::AnyGtidSet;
use crate::binlog::run::error::RunError;
use crate::binlog::run::read::Reading;
use crate::binlog::run::server::stream::Stream;
use crate::binlog::run::start_check;
use crate::binlog::source::{BinlogError, BinlogStart, ServerSource, SourceOptions};

/// How often a server is asked again.
const LOOK: Duration = Duration::from_millis(50);
/// How long a transaction that is in the binlog may take to be executed.
const SETTLE: Duration = Duration::from_secs(2);

impl Stream {
    /// Whether the source's binlog is the one that was read before: what is to be compared where reading goes on at a position. What can
    /// be compared without the stream is compared here.
    pub(super) fn compare(
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
    pub(super) fn begin_stream(
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
