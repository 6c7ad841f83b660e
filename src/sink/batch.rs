//! A run of serialised messages in one buffer.

use std::ops::Range;

/// Serialised messages in order.
///
/// The bytes hold one compact JSON object and a `\n` per message, so that a line-oriented sink writes a whole batch with
/// one call, while [`Batch::get`] still reaches each message alone.
#[derive(Debug, Default, Clone)]
pub struct Batch {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

/// Where one message ends, and the key that keeps its connection's messages in order.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Offset just past the message's newline.
    end: usize,
    key: u64,
}

impl Batch {
    /// An empty batch that has not allocated anything yet.
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), entries: Vec::new() }
    }

    /// Appends what `write` wrote plus a newline, as one message of connection `key`.
    ///
    /// If `write` fails, the batch is as it was before.
    ///
    /// ```
    /// use mysql_interceptor::sink::Batch;
    ///
    /// let mut batch = Batch::new();
    /// batch.push_with(7, |out| { out.extend_from_slice(b"{}"); Ok::<(), ()>(()) }).unwrap();
    /// assert_eq!(batch.get(0), Some((7, &b"{}"[..])));
    /// assert_eq!(batch.lines(0..1), b"{}\n");
    /// ```
    pub fn push_with<E>(&mut self, key: u64, write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        let start = self.bytes.len();
        match write(&mut self.bytes) {
            Ok(()) => {
                self.bytes.push(b'\n');
                self.entries.push(Entry { end: self.bytes.len(), key });
                Ok(())
            }
            Err(error) => {
                self.bytes.truncate(start);
                Err(error)
            }
        }
    }

    /// The number of messages.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The number of bytes, newlines included.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is no message.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Message `index`: its connection id and its JSON without the newline.
    pub fn get(&self, index: usize) -> Option<(u64, &[u8])> {
        let entry = self.entries.get(index)?;
        let line = self.bytes.get(self.start_of(index)..entry.end)?;
        Some((entry.key, line.strip_suffix(b"\n").unwrap_or(line)))
    }

    /// The messages of `range` with their newlines; a range past the end is cut off at the end.
    pub fn lines(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(self.start_of(range.start)..self.start_of(range.end)).unwrap_or_default()
    }

    /// Each message: its connection id and its JSON without the newline.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &[u8])> {
        (0..self.len()).map_while(|index| self.get(index))
    }

    /// Removes all messages; the memory is kept for the next ones.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
    }

    /// Keeps the first `messages` messages.
    pub(super) fn truncate(&mut self, messages: usize) {
        self.bytes.truncate(self.start_of(messages));
        self.entries.truncate(messages);
    }

    /// A copy of the first `messages` messages.
    pub(super) fn prefix(&self, messages: usize) -> Self {
        Self {
            bytes: self.lines(0..messages).to_vec(),
            entries: self.entries.get(..messages).unwrap_or(&self.entries).to_vec(),
        }
    }

    /// How many messages from message `from` on end within the first `bytes` bytes after its start.
    pub(super) fn messages_within(&self, from: usize, bytes: usize) -> usize {
        let limit = self.start_of(from).saturating_add(bytes);
        let rest = self.entries.get(from..).unwrap_or_default();
        rest.partition_point(|entry| entry.end <= limit)
    }

    /// Gives memory back that a burst left behind, so that recycled batches stay small.
    pub(super) fn shrink_to(&mut self, bytes: usize, messages: usize) {
        self.bytes.shrink_to(bytes);
        self.entries.shrink_to(messages);
    }

    /// The offset at which message `index` starts, the end of the bytes for an index past the last message.
    fn start_of(&self, index: usize) -> usize {
        match index.checked_sub(1) {
            None => 0,
            Some(previous) => self.entries.get(previous).map_or(self.bytes.len(), |entry| entry.end),
        }
    }
}

#[cfg(test)]
pub(super) fn batch_of(messages: &[(u64, &str)]) -> Batch {
    let mut batch = Batch::new();
    for (key, json) in messages {
        let pushed = batch.push_with(*key, |out| {
            out.extend_from_slice(json.as_bytes());
            Ok::<(), std::convert::Infallible>(())
        });
        assert!(pushed.is_ok());
    }
    batch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_nothing() {
        let mut batch = batch_of(&[(1, "a")]);
        let result = batch.push_with(2, |out| {
            out.extend_from_slice(b"half");
            Err("no")
        });
        assert_eq!(result, Err("no"));
        assert_eq!((batch.len(), batch.byte_len()), (1, 2));
    }

    #[test]
    fn messages_are_found_by_index_and_range() {
        let batch = batch_of(&[(1, "a"), (2, "bb"), (3, "")]);
        assert_eq!(batch.get(1), Some((2, &b"bb"[..])));
        assert_eq!(batch.get(2), Some((3, &b""[..])));
        assert_eq!(batch.get(3), None);
        assert_eq!(batch.lines(1..3), b"bb\n\n");
        assert_eq!(batch.lines(0..99), b"a\nbb\n\n");
        assert_eq!(batch.lines(7..9), b"");
        assert_eq!(batch.iter().map(|(key, _)| key).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn prefix_truncate_and_byte_budget_agree() {
        let mut batch = batch_of(&[(1, "a"), (2, "bb"), (3, "ccc")]);
        assert_eq!(batch.messages_within(0, 4), 1);
        assert_eq!(batch.messages_within(0, 5), 2);
        assert_eq!(batch.messages_within(1, 3), 1);
        assert_eq!(batch.messages_within(3, 100), 0);
        assert_eq!(batch.prefix(2).lines(0..9), b"a\nbb\n");
        batch.truncate(1);
        assert_eq!((batch.len(), batch.byte_len()), (1, 2));
        batch.truncate(5);
        assert_eq!(batch.len(), 1);
    }
}
