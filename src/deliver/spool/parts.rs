//! All that is in a spool's segments, for whoever verifies it.

use std::path::Path;

use super::error::SpoolError;
use super::folder;
use super::reader::preamble;
use super::record::Record;
use crate::deliver::batch::Batch;
use crate::segment::SegmentReader;

/// A part of a spool, in its order.
#[derive(Debug)]
pub(crate) enum Part<'a> {
    /// A segment begins.
    Segment {
        /// Its name, without the folder.
        name: &'a str,
        /// The position of its first message.
        first: u64,
        /// The process that has written it.
        run: &'a str,
    },
    /// It is not there any more: what it had is delivered.
    Delivered,
    /// A record of messages, of which the first has this position; as bytes, and read.
    Messages { first: u64, bytes: &'a [u8], batch: &'a Batch },
    /// A record of the marker stream.
    Manifest(&'a [u8]),
    /// What comes here cannot be read: bytes that are no record, at the end of a segment. `is_last`: of the one that may grow.
    Unreadable { bytes: u64, is_last: bool },
}

/// Calls `take` with all of a spool's parts, also while its process writes to it.
///
/// # Errors
///
/// It is no spool, of another version, or cannot be read.
pub(crate) fn each_part(folder: &Path, take: &mut dyn FnMut(Part<'_>)) -> Result<(), SpoolError> {
    let firsts = folder::segments(folder)?;
    let (mut buffer, mut batch) = (Vec::new(), Batch::new());
    for (index, first) in firsts.iter().enumerate() {
        let path = folder::segment(folder, *first);
        let is_last = index + 1 == firsts.len();
        let mut segment = match SegmentReader::open(&path) {
            Ok(Some(segment)) => segment,
            // It is being made.
            Ok(None) => continue,
            Err(error) if error.is_gone() => {
                take(Part::Delivered);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let name = folder::segment_name(*first);
        if !segment.next(&mut buffer)? {
            if segment.bytes_left() > 0 {
                take(Part::Segment { name: &name, first: *first, run: "" });
                take(Part::Unreadable { bytes: segment.bytes_left(), is_last });
            }
            continue;
        }
        let preamble = preamble(&buffer, &path)?;
        take(Part::Segment { name: &name, first: preamble.first, run: &preamble.run });
        while segment.next(&mut buffer)? {
            let Some(record) = Record::read(&buffer) else { return Err(segment.damaged().into()) };
            if record.messages == 0 {
                take(Part::Manifest(record.block()));
                continue;
            }
            batch.clear();
            if record.append_to(&mut batch, record.first).is_none() {
                return Err(segment.damaged().into());
            }
            take(Part::Messages { first: record.first, bytes: &buffer, batch: &batch });
        }
        if segment.bytes_left() > 0 {
            take(Part::Unreadable { bytes: segment.bytes_left(), is_last });
        }
    }
    Ok(())
}
