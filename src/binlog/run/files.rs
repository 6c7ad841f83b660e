//! Reading binlog files.

use std::path::PathBuf;

use super::place::{From, Until};
use super::read::Reading;
use crate::audit::Begins;
use crate::binlog::checkpoint::Checkpoint;
use crate::binlog::checkpoint::tail::{Compared, TailCheck};
use crate::binlog::event::position::Position;
use crate::binlog::run::error::RunError;
use crate::binlog::source::{BinlogStart, FileSource};

/// The name of a file before it was compressed.
fn uncompressed(name: &str) -> &str {
    [".gz", ".zst"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name)
}

/// Whether `name` and `expected` are of one binlog, but not the same. A relay log also names the files of the log it copies.
fn is_another_of_its_log(name: &str, expected: &str) -> bool {
    let name = uncompressed(name);
    name != expected && Position::is_of_one_log(name, expected)
}

/// Reads the files in order.
pub(super) fn read(reading: &mut Reading<'_>, files: &[PathBuf]) -> Result<(), RunError> {
    let (start, tail) = match &reading.config.from {
        From::Position(position) => (Some(position.clone()), None),
        From::Checkpoint => {
            let checkpoint = reading.checkpoint()?;
            (checkpoint.as_ref().map(Checkpoint::position), checkpoint.and_then(|checkpoint| checkpoint.tail))
        }
        From::Timestamp(_) | From::Oldest | From::Now => (None, None),
        From::Gtids(_) => return Err(RunError::Start("`from` with GTIDs needs a server (`source`)".into())),
    };
    if let Until::Position(end) = &reading.until
        && !files.iter().any(|path| FileSource::name_of(path) == end.file)
    {
        return Err(RunError::Start(format!("`until` {end}: no file of that name is given")));
    }
    let sizes: Option<u64> = files.iter().map(|path| FileSource::plain_size(path)).sum();
    if let Some(sizes) = sizes {
        reading.extent.set_total(sizes);
    }
    let resumes = start.is_some() && reading.config.from == From::Checkpoint;
    reading.begin_history(&start.clone().unwrap_or_default(), resumes)?;
    let begins = if resumes { reading.begins_at_checkpoint() } else { Begins::Asked };
    let first = || files.first().map(|path| uncompressed(&FileSource::name_of(path)).to_owned()).unwrap_or_default();
    let first = || Position { file: first(), offset: 4 };
    reading.opened(begins, &BinlogStart::Position(start.clone().unwrap_or_else(first)), None)?;
    let mut check = start.as_ref().zip(tail).map(|(start, tail)| TailCheck::new(tail, start.offset));
    let mut reached_start = start.is_none();
    let (mut previous, mut expected): (Option<String>, Option<String>) = (None, None);
    for path in files {
        let mut source = FileSource::open(path)?;
        let name = source.name().to_owned();
        if let Some(start) = &start {
            if !reached_start && name != start.file {
                continue;
            }
            reached_start = true;
        }
        let continues = previous
            .take()
            .is_some_and(|previous: String| FileSource::continues(&name, &previous, expected.as_deref()));
        if let Some(expected) = expected.take().filter(|expected| is_another_of_its_log(&name, expected)) {
            tracing::warn!(
                file = name,
                expected,
                "the file before this one ends with another's name: files are missing here, or not in their order"
            );
        }
        let goes_on = continues && reading.assembler.in_transaction();
        reading.assembler.next_file(Position { file: name.clone(), offset: 4 }, continues);
        if !goes_on {
            reading.decoder.begin_file();
        }
        loop {
            if reading.is_stopped() {
                return Ok(());
            }
            let begin = source.offset();
            let Some(event) = source.next()? else { break };
            let is_before_start = start.as_ref().is_some_and(|start| start.file == name && begin < start.offset);
            if is_before_start {
                if reading.pass_over(event, check.as_mut())? == Compared::Different {
                    return Err(RunError::Start(format!(
                        "the checkpoint is at {name}:{}, but the events before that are not those that were read: this is another file of the \
                         same name; remove the checkpoint to read it from its beginning",
                        check.as_ref().map_or(0, TailCheck::place)
                    )));
                }
                continue;
            }
            check = None;
            if reading.event(event)? {
                return Ok(());
            }
        }
        if let Some(start) = start.as_ref().filter(|start| start.file == name && source.offset() < start.offset) {
            return Err(RunError::Start(format!(
                "reading is to begin at {start}, but the file has only {} bytes: it is another file of the same name, or was cut off",
                source.offset()
            )));
        }
        reading.flush()?;
        // As the rotation at the end of the file has it; it is of another name only if there was one.
        expected = Some(reading.assembler.position().file.clone()).filter(|next| *next != name);
        previous = Some(name);
    }
    if !reached_start {
        let wanted = start.map(|start| start.to_string()).unwrap_or_default();
        return Err(RunError::Start(format!("`from` {wanted}: no file of that name is given")));
    }
    if let Some(row_events) = reading.assembler.unfinished_row_events() {
        return Err(RunError::Unfinished { position: reading.assembler.position().clone(), row_events });
    }
    Ok(())
}
