//! Where reading begins.

use crate::binlog::event::header::EventHeader;
use crate::binlog::event::position::Position;
use crate::binlog::run::error::RunError;
use crate::binlog::run::place::From;
use crate::binlog::run::read::Reading;
use crate::binlog::run::server::stream::{Resume, Stream};
use crate::binlog::source::{BinlogStart, ServerSource, SourceOptions};

impl Stream {
    pub(super) fn start(
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
        resume.go_on(server)
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
                    let start = resume.go_on(server);
                    self.resume = Some(resume);
                    start
                }
                None => {
                    tracing::warn!("there is no checkpoint yet: beginning with the oldest event");
                    oldest(source)
                }
            },
            From::Timestamp(time) => {
                // The last file that began before the time.
                for (file, _) in source.files()?.into_iter().rev() {
                    let position = Position { file, offset: 4 };
                    if began_before(&position, *time, options, reading)? {
                        return Ok(BinlogStart::Position(position));
                    }
                }
                oldest(source)
            }
        }
    }
}

fn oldest(source: &mut ServerSource) -> Result<BinlogStart, RunError> {
    let files = source.files()?;
    let (file, _) = files.into_iter().next().ok_or_else(|| RunError::Start("the source has no binlog files".into()))?;
    Ok(BinlogStart::Position(Position { file, offset: 4 }))
}

/// Whether a file's first event is older than a time.
fn began_before(
    position: &Position,
    time: u32,
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
            return Ok(header.timestamp < time);
        }
    }
    Ok(false)
}
