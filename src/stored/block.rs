//! Many messages, one after the other.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::message::Message;
use crate::mysql::sql::Digest;

/// Messages that were read together: lines as they are in a file, or records with what came with each.
#[derive(Debug, Default)]
pub struct Block {
    bytes: Vec<u8>,
    /// Of records. Without any, the bytes are lines.
    records: Vec<Record>,
    /// Of lines: the file.
    name: Arc<str>,
    /// How many bytes of it are before these lines.
    offset: u64,
    /// Whether the last line may go on: what writes the file has not ended it.
    is_unfinished: bool,
}

/// What came with a record.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record {
    /// Where its bytes end.
    pub(crate) end: usize,
    /// What it was read from.
    pub(crate) name: Arc<str>,
    pub(crate) seq: Option<u64>,
    pub(crate) proxy: Option<Arc<str>>,
    pub(crate) digest: Option<Digest>,
    pub(crate) is_cut: bool,
    pub(crate) spot: Spot,
}

/// Where in its source something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spot {
    /// How many bytes are before it, decompressed.
    Byte(u64),
    /// The row, from 1 on.
    Row(u64),
    /// In a spool.
    Position(u64),
    /// In a topic.
    Offset { partition: i32, offset: i64 },
}

impl Default for Spot {
    fn default() -> Self {
        Self::Byte(0)
    }
}

/// Where a message is, in words: `sql.ndjson, byte 4711`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    name: Arc<str>,
    spot: Spot,
    /// Whether it is a line that has no end yet.
    pub is_unfinished: bool,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, ", self.name)?;
        match self.spot {
            Spot::Byte(byte) => write!(f, "byte {byte}"),
            Spot::Row(row) => write!(f, "row {row}"),
            Spot::Position(position) => write!(f, "position {position}"),
            Spot::Offset { partition, offset } => write!(f, "partition {partition}, offset {offset}"),
        }
    }
}

impl Block {
    /// Forgets its messages, and keeps their memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.records.clear();
        self.is_unfinished = false;
    }

    /// The lines of `name` from this byte on are to be appended to what this returns.
    pub(crate) fn lines_of(&mut self, name: &Arc<str>, offset: u64) -> &mut Vec<u8> {
        self.name = Arc::clone(name);
        self.offset = offset;
        &mut self.bytes
    }

    /// What writes the file has not ended the last line.
    pub(crate) fn mark_unfinished(&mut self) {
        self.is_unfinished = true;
    }

    /// Adds a record, whose JSON `write` appends.
    pub(crate) fn push(&mut self, record: Record, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.records.push(Record { end: self.bytes.len(), ..record });
    }

    /// How many bytes of messages there are.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Each message that is not blank, in order, with its place in the block, for [`Self::place`].
    pub fn messages(&self) -> Messages<'_> {
        Messages { block: self, at: 0, number: 0 }
    }

    /// Where a message is, by its place in the block.
    pub fn place(&self, at: Range<usize>) -> Place {
        let record = self.records.partition_point(|record| record.end < at.end);
        let (name, spot) = match self.records.get(record) {
            Some(record) => (&record.name, record.spot),
            None => (&self.name, Spot::Byte(self.offset + at.start as u64)),
        };
        let is_unfinished = self.is_unfinished && at.end == self.bytes.len();
        Place { name: Arc::clone(name), spot, is_unfinished }
    }
}

/// The messages of a block.
#[derive(Debug, Clone)]
pub struct Messages<'a> {
    block: &'a Block,
    at: usize,
    number: usize,
}

impl<'a> Messages<'a> {
    fn next_line(&mut self) -> Option<(Range<usize>, &'a [u8])> {
        let rest = self.block.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
        let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let range = self.at..self.at + length;
        self.at = range.end + 1;
        Some((range, rest.get(..length).unwrap_or_default()))
    }

    fn next_record(&mut self) -> Option<(Range<usize>, Message<'a>)> {
        let record = self.block.records.get(self.number)?;
        let range = self.at..record.end;
        (self.number, self.at) = (self.number + 1, record.end);
        let json = self.block.bytes.get(range.clone()).unwrap_or_default();
        let &Record { seq, digest, is_cut, .. } = record;
        Some((range, Message { json, seq, proxy: record.proxy.as_deref(), digest, is_cut }))
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = (Range<usize>, Message<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if !self.block.records.is_empty() {
            return self.next_record();
        }
        loop {
            let (range, line) = self.next_line()?;
            let line = line.trim_ascii();
            if !line.is_empty() {
                return Some((range, Message::line(line)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_where_they_are() {
        let mut block = Block::default();
        block.lines_of(&"f".into(), 100).extend_from_slice(b"{1}\n\n {22} \r\n{3");
        block.mark_unfinished();
        let all: Vec<_> = block.messages().map(|(at, message)| (message.json, block.place(at))).collect();
        let shown: Vec<_> =
            all.iter().map(|(json, place)| format!("{} {place}", String::from_utf8_lossy(json))).collect();
        assert_eq!(shown, ["{1} f, byte 100", "{22} f, byte 105", "{3 f, byte 113"]);
        assert_eq!(all.iter().map(|(_, place)| place.is_unfinished).collect::<Vec<_>>(), [false, false, true]);
    }

    #[test]
    fn records_and_where_they_are() {
        let mut block = Block::default();
        for offset in [7, 9] {
            let (name, spot) = ("T".into(), Spot::Offset { partition: 1, offset });
            block.push(Record { name, seq: Some(3), spot, ..Record::default() }, |out| out.extend_from_slice(b"{\n}"));
        }
        let shown: Vec<_> = block.messages().map(|(at, _)| block.place(at).to_string()).collect();
        assert_eq!(shown, ["T, partition 1, offset 7", "T, partition 1, offset 9"]);
        assert!(block.messages().all(|(_, message)| message.json == b"{\n}" && message.seq == Some(3)));
    }
}
