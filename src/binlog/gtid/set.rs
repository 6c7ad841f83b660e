//! Sets of MySQL's GTIDs: what a replica has, what a binary log follows.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::intervals::{Interval, Intervals};
use super::text::{ParseGtidError, Scanner};
use super::{Gtid, Tag, Uuid, varlen};
use crate::mysql::wire::{Malformed, Reader};

/// A set of MySQL's GTIDs, as `@@gtid_executed` has it.
///
/// ```
/// use mysql_interceptor::binlog::gtid::GtidSet;
/// let mut set: GtidSet = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-3:5".parse()?;
/// set.add(&"3E11FA47-71CA-11E1-9E33-C80AA9429562:4".parse()?);
/// assert_eq!(set.to_string(), "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5");
/// # Ok::<(), mysql_interceptor::binlog::gtid::ParseGtidError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct GtidSet {
    /// By UUID and tag, in the server's order; none of the intervals is empty.
    sources: BTreeMap<(Uuid, Tag), Intervals>,
}

impl GtidSet {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Adds one transaction; in constant time per source if it is the one after the last.
    pub fn add(&mut self, gtid: &Gtid) {
        self.sources.entry((gtid.uuid(), gtid.tag())).or_default().add(gtid.sequence());
    }

    /// Whether the transaction is in it.
    pub fn contains(&self, gtid: &Gtid) -> bool {
        let intervals = self.sources.get(&(gtid.uuid(), gtid.tag()));
        intervals.is_some_and(|intervals| intervals.contains(gtid.sequence()))
    }

    /// Whether `other` has everything that is in here.
    pub fn is_subset_of(&self, other: &Self) -> bool {
        self.sources
            .iter()
            .all(|(source, intervals)| other.sources.get(source).is_some_and(|other| intervals.is_subset_of(other)))
    }

    /// Adds what is in `other`.
    pub fn union(&mut self, other: &Self) {
        for (source, intervals) in &other.sources {
            self.sources.entry(*source).or_default().union(intervals);
        }
    }

    /// Removes what is in `other`.
    pub fn subtract(&mut self, other: &Self) {
        self.sources.retain(|source, intervals| {
            if let Some(other) = other.sources.get(source) {
                intervals.subtract(other);
            }
            !intervals.is_empty()
        });
    }

    /// Appends the form that `COM_BINLOG_DUMP_GTID` and `PREVIOUS_GTIDS_LOG_EVENT` have (`Gtid_set::encode` in
    /// `sql/rpl_gtid_set.cc`): the one without tags, which every server knows, if there are none.
    ///
    /// All integers are little-endian: 8 bytes with the number of sources and the format; for each source its UUID, in the
    /// tagged format its tag (a length, then that many bytes), 8 bytes with the number of intervals, and for each
    /// interval 8 bytes of its start and 8 bytes of its end, exclusive.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let tagged = self.sources.keys().any(|(_, tag)| !tag.is_empty());
        let count = self.sources.len() as u64;
        out.extend_from_slice(&Format::of(tagged).header(count).to_le_bytes());
        for ((uuid, tag), intervals) in &self.sources {
            out.extend_from_slice(&uuid.0);
            if tagged {
                varlen::push_small(out, tag.as_bytes().len() as u8);
                out.extend_from_slice(tag.as_bytes());
            }
            out.extend_from_slice(&(intervals.len() as u64).to_le_bytes());
            for interval in intervals.iter() {
                out.extend_from_slice(&interval.start.to_le_bytes());
                out.extend_from_slice(&interval.end.to_le_bytes());
            }
        }
    }

    /// The set in the body of a `PREVIOUS_GTIDS_LOG_EVENT` (35), without the checksum: see [`GtidSet::encode`].
    pub fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body, "GTID set");
        let (format, count) = Format::parse(reader.u64()?).ok_or_else(|| reader.malformed())?;
        let mut set = Self::new();
        // Nothing is reserved: both counts come from the wire, but each turn needs further bytes.
        for _ in 0..count {
            let uuid = uuid(&mut reader)?;
            let tag = match format {
                Format::Tagged => tag(&mut reader)?,
                Format::Untagged => Tag::EMPTY,
            };
            let intervals = reader.u64()?;
            let mut last = 0;
            for _ in 0..intervals {
                let interval = Interval { start: reader.u64()?, end: reader.u64()? };
                // As the server checks it: ascending and with gaps. The end may be one more than the largest number.
                if interval.start <= last || interval.end <= interval.start || interval.end > Gtid::MAX_SEQUENCE + 1 {
                    return Err(reader.malformed());
                }
                last = interval.end;
                set.sources.entry((uuid, tag)).or_default().push(interval);
            }
        }
        if !reader.is_empty() {
            return Err(reader.malformed());
        }
        set.normalise();
        Ok(set)
    }

    /// After anything that pushed intervals.
    fn normalise(&mut self) {
        self.sources.values_mut().for_each(Intervals::normalise);
    }
}

/// `mysql::gtid::Gtid_format` in `libs/mysql/gtid/gtid_format.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// 0: what MySQL has had since 5.6.
    Untagged,
    /// 1: since 8.3.
    Tagged,
}

impl Format {
    fn of(tagged: bool) -> Self {
        if tagged { Self::Tagged } else { Self::Untagged }
    }

    /// The first eight bytes (`encode_nsids_format`): the highest byte is the format, which old servers take for an
    /// impossible number of sources. A tagged set has it in the lowest byte too, and the number of sources in between.
    fn header(self, count: u64) -> u64 {
        match self {
            Self::Untagged => count,
            Self::Tagged => 1 << 56 | count << 8 | 1,
        }
    }

    fn parse(header: u64) -> Option<(Self, u64)> {
        match header >> 56 {
            0 => Some((Self::Untagged, header)),
            1 => Some((Self::Tagged, (header & 0x00ff_ffff_ffff_ffff) >> 8)),
            _ => None,
        }
    }
}

pub(super) fn uuid(reader: &mut Reader<'_>) -> Result<Uuid, Malformed> {
    let bytes = reader.bytes(16)?;
    bytes.try_into().map(Uuid).map_err(|_| reader.malformed())
}

/// A string of the serialization library that is a tag, perhaps the empty one.
pub(super) fn tag(reader: &mut Reader<'_>) -> Result<Tag, Malformed> {
    let length = varlen::unsigned(reader)?;
    let text = reader.bytes(usize::try_from(length).map_err(|_| reader.malformed())?)?;
    Tag::new(text).ok_or_else(|| reader.malformed())
}

impl fmt::Display for GtidSet {
    /// As `@@gtid_executed` is printed: tags after the UUID's own intervals, a comma and a newline between UUIDs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut previous = None;
        for ((uuid, tag), intervals) in &self.sources {
            if previous != Some(uuid) {
                write!(f, "{}{uuid}", if previous.is_some() { ",\n" } else { "" })?;
                previous = Some(uuid);
            }
            if !tag.is_empty() {
                write!(f, ":{tag}")?;
            }
            for Interval { start, end } in intervals.iter() {
                match end - start {
                    1 => write!(f, ":{start}")?,
                    _ => write!(f, ":{start}-{}", end - 1)?,
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string(), f)
    }
}

impl FromStr for GtidSet {
    type Err = ParseGtidError;

    /// What the server takes: either case, any order, white space around every part, superfluous commas.
    fn from_str(text: &str) -> Result<Self, ParseGtidError> {
        let mut set = Self::new();
        let mut scanner = Scanner::new(text);
        loop {
            scanner.skip_space();
            match scanner.peek() {
                None => break,
                Some(b',') => scanner.skip(1),
                Some(_) => set.scan_uuid(&mut scanner)?,
            }
        }
        set.normalise();
        Ok(set)
    }
}

impl GtidSet {
    /// One UUID with its tags and intervals, up to a comma or the end.
    fn scan_uuid(&mut self, scanner: &mut Scanner<'_>) -> Result<(), ParseGtidError> {
        let mut source = (Uuid::scan(scanner)?, Tag::EMPTY);
        scanner.skip_space();
        while scanner.take(b':') {
            scanner.skip_space();
            // A tag is for what follows it, up to the next tag.
            if let Some(tag) = Tag::scan(scanner)? {
                source.1 = tag;
            } else if let Some(interval) = scan_interval(scanner)? {
                self.sources.entry(source).or_default().push(interval);
            }
            scanner.skip_space();
        }
        match scanner.peek() {
            None | Some(b',') => Ok(()),
            Some(_) => Err(scanner.error("expected ':' or ','")),
        }
    }
}

/// `n` or `n-m`; an `m` below `n` means nothing, as it does for the server.
fn scan_interval(scanner: &mut Scanner<'_>) -> Result<Option<Interval>, ParseGtidError> {
    let zero = scanner.error("a number of zero");
    let start = scanner.number(Gtid::MAX_SEQUENCE)?;
    if start == 0 {
        return Err(zero);
    }
    scanner.skip_space();
    let mut last = start;
    if scanner.take(b'-') {
        scanner.skip_space();
        last = scanner.number(Gtid::MAX_SEQUENCE)?;
    }
    Ok((last >= start).then_some(Interval { start, end: last + 1 }))
}

#[cfg(test)]
#[path = "set_tests.rs"]
mod tests;
