//! A run of messages: serialised in one buffer, or packed in the way of their own sink.

use std::any::Any;
use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use crate::deliver::label::Label;
use crate::deliver::seq::Seq;

/// Messages that are not lines but values of their producer's, which only the sink that belongs to it understands.
///
/// They go through delivery as they are: it counts them and bounds their memory.
pub trait Packed: Any + Debug + Send + Sync {
    /// The number of messages.
    fn messages(&self) -> usize;

    /// About how many bytes of memory they take.
    fn byte_len(&self) -> usize;
}

/// Messages in order: serialised ones, or [`Packed`] ones in their place.
///
/// The bytes hold one compact JSON object and a `\n` per message, so that a line-oriented sink writes a whole batch with
/// one call, while [`Batch::get`] still reaches each message alone.
#[derive(Debug, Default, Clone)]
pub struct Batch {
    /// The position of the first message; 0 until the batch enters delivery.
    first: u64,
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    /// The keys of routed messages, one after the other.
    keys: Vec<u8>,
    /// The topics that entries name by number.
    topics: Vec<Arc<str>>,
    /// The processes that entries name by number.
    origins: Vec<Arc<str>>,
    /// In place of all that: there are no entries then.
    packed: Option<Arc<dyn Packed>>,
}

/// Where one message ends, and the key that keeps its connection's messages in order.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Offset just past the message's newline.
    end: usize,
    key: u64,
    /// The message's number within its connection; 0 without one.
    seq: u64,
    /// The connection's number within this process.
    session: u64,
    /// What a numbered message says of itself.
    label: Label,
    /// Offset just past the message's key in `keys`.
    key_end: u32,
    /// Its number in `topics`, or [`NONE`].
    topic: u32,
    /// Its number in `origins`, or [`NONE`].
    origin: u32,
}

impl Entry {
    fn numbered(&self) -> Option<Numbered> {
        (self.seq > 0).then_some(Numbered { session: self.session, seq: self.seq, label: self.label })
    }
}

/// What goes with a message of a connection, beside its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbered {
    /// The connection's number within this process, from 1; 0 for one that has none.
    pub session: u64,
    /// Its number within the connection, from 1.
    pub seq: u64,
    /// What it says of itself.
    pub label: Label,
}

const NONE: u32 = u32::MAX;

/// A topic, or none, and the sequence of its messages up to the last that was numbered.
pub(crate) type NumberedTopic = (Option<Arc<str>>, Seq);

/// A message with what is needed to send it where it belongs.
#[derive(Debug, Clone, Copy)]
pub struct Routed<'a> {
    /// The connection that the message is of; 0 for messages with a key of their own.
    pub connection: u64,
    /// The topic; `None` for the sink's own.
    pub topic: Option<&'a Arc<str>>,
    /// The key; empty without one.
    pub key: &'a [u8],
    /// The message without its newline; empty for none, which is a tombstone.
    pub value: &'a [u8],
    /// Of a connection's messages: number and label.
    pub numbered: Option<Numbered>,
    /// The process that has observed it, as `--instance` and its start; `None`: this one.
    pub origin: Option<&'a Arc<str>>,
}

impl Batch {
    /// An empty batch that has not allocated anything yet.
    pub const fn new() -> Self {
        Self {
            first: 0,
            bytes: Vec::new(),
            entries: Vec::new(),
            keys: Vec::new(),
            topics: Vec::new(),
            origins: Vec::new(),
            packed: None,
        }
    }

    /// The position of message `index` (see `deliver::position`).
    pub const fn position(&self, index: usize) -> u64 {
        self.first.saturating_add(index as u64)
    }

    /// The batch enters delivery: its first message has the position `first`, and each further one the next.
    pub const fn set_position(&mut self, first: u64) {
        self.first = first;
    }

    /// The packed messages, to add to; `None` if the batch has serialised messages, or is shared.
    pub fn packed_mut<T: Packed + Default>(&mut self) -> Option<&mut T> {
        if !self.entries.is_empty() {
            return None;
        }
        let packed: &mut dyn Any = Arc::get_mut(self.packed.get_or_insert_with(|| Arc::new(T::default())))?;
        packed.downcast_mut()
    }

    /// The packed messages; `None` if the batch has none of this type.
    pub fn packed<T: Packed>(&self) -> Option<&T> {
        let packed: &dyn Any = self.packed.as_deref()?;
        packed.downcast_ref()
    }

    /// Appends one message with its own key, for a topic or (`None`) the sink's own topic. `write` gets the message's bytes and
    /// the key's to append to.
    ///
    /// If `write` fails, the batch is as it was before.
    pub fn push_routed<E>(
        &mut self,
        topic: Option<&Arc<str>>,
        write: impl FnOnce(&mut Vec<u8>, &mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let (start, key_start) = (self.bytes.len(), self.keys.len());
        if let Err(error) = write(&mut self.bytes, &mut self.keys) {
            self.bytes.truncate(start);
            self.keys.truncate(key_start);
            return Err(error);
        }
        self.bytes.push(b'\n');
        let topic = topic.map_or(NONE, |topic| self.topic_number(topic));
        let key_end = offset(self.keys.len());
        let end = self.bytes.len();
        self.entries.push(Entry {
            end,
            key: 0,
            seq: 0,
            session: 0,
            label: Label::default(),
            key_end,
            topic,
            origin: NONE,
        });
        Ok(())
    }

    fn topic_number(&mut self, topic: &Arc<str>) -> u32 {
        number_in(&mut self.topics, topic)
    }

    /// Message `index` with its topic and key.
    pub fn routed(&self, index: usize) -> Option<Routed<'_>> {
        let entry = self.entries.get(index)?;
        let (connection, value) = self.get(index)?;
        let key = self.keys.get(self.key_start_of(index)..entry.key_end as usize).unwrap_or_default();
        Some(Routed {
            connection,
            topic: self.topics.get(entry.topic as usize),
            key,
            value,
            numbered: entry.numbered(),
            origin: self.origins.get(entry.origin as usize),
        })
    }

    /// All messages from number `from` on were observed by this process, and not by the one that sends them.
    pub(crate) fn set_origin(&mut self, from: usize, origin: &Arc<str>) {
        let number = number_in(&mut self.origins, origin);
        self.entries.iter_mut().skip(from).for_each(|entry| entry.origin = number);
    }

    /// Appends a message as it was in another batch: `line` with its newline. A number of 0 is none. `None`, and nothing is appended, for
    /// what is no line.
    pub(crate) fn push_line(&mut self, key: u64, numbered: Numbered, line: &[u8]) -> Option<()> {
        line.strip_suffix(b"\n")?;
        self.bytes.extend_from_slice(line);
        let (end, key_end) = (self.bytes.len(), offset(self.keys.len()));
        let Numbered { session, seq, label } = numbered;
        self.entries.push(Entry { end, key, seq, session, label, key_end, topic: NONE, origin: NONE });
        Some(())
    }

    /// Appends what `write` wrote plus a newline, as one message of connection `key`.
    ///
    /// If `write` fails, the batch is as it was before.
    ///
    /// ```
    /// use mysql_interceptor::deliver::Batch;
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
                let key_end = offset(self.keys.len());
                let (end, label) = (self.bytes.len(), Label::default());
                self.entries.push(Entry { end, key, seq: 0, session: 0, label, key_end, topic: NONE, origin: NONE });
                Ok(())
            }
            Err(error) => {
                self.bytes.truncate(start);
                Err(error)
            }
        }
    }

    /// Appends a message of a connection, as [`Self::push_with`] does, with the next number of `seq` and what the message says of itself.
    /// If `write` fails no number is used.
    pub fn push_numbered<E>(
        &mut self,
        key: u64,
        seq: &mut Seq,
        label: Label,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.push_with(key, write)?;
        if let Some(entry) = self.entries.last_mut() {
            entry.seq = seq.advance();
            entry.session = seq.session();
            entry.label = label;
        }
        Ok(())
    }

    /// The number of message `index` within its connection, and what it says of itself; `None` for one that was added without a number.
    pub fn numbered(&self, index: usize) -> Option<Numbered> {
        self.entries.get(index).and_then(Entry::numbered)
    }

    /// The number of messages.
    pub fn len(&self) -> usize {
        self.packed.as_ref().map_or(self.entries.len(), |packed| packed.messages())
    }

    /// The number of bytes, newlines included.
    pub fn byte_len(&self) -> usize {
        self.packed.as_ref().map_or(self.bytes.len(), |packed| packed.byte_len())
    }

    /// Whether there is no message.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many of [`Self::byte_len`] the messages of `range` take: packed ones an equal share each.
    pub(crate) fn bytes_of(&self, range: Range<usize>) -> usize {
        let end_of = |index: usize| match &self.packed {
            None => self.start_of(index),
            Some(packed) => {
                let share = packed.byte_len() as u128 * index as u128 / packed.messages().max(1) as u128;
                usize::try_from(share).unwrap_or(usize::MAX)
            }
        };
        end_of(range.end) - end_of(range.start)
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
        self.first = 0;
        self.bytes.clear();
        self.entries.clear();
        self.keys.clear();
        self.topics.clear();
        self.origins.clear();
        self.packed = None;
    }

    /// Keeps the first `messages` messages.
    pub(crate) fn truncate(&mut self, messages: usize) {
        self.bytes.truncate(self.start_of(messages));
        self.keys.truncate(self.key_start_of(messages));
        self.entries.truncate(messages);
    }

    /// Appends the messages of `range` of another batch. Positions are taken over by an empty batch only.
    pub(crate) fn extend_from(&mut self, other: &Self, range: Range<usize>) {
        if self.is_empty() {
            self.first = other.position(range.start);
        }
        let (start, base) = (other.start_of(range.start), self.bytes.len());
        let (key_start, key_end) = (other.key_start_of(range.start), other.key_start_of(range.end));
        let key_base = self.keys.len();
        self.bytes.extend_from_slice(other.lines(range.clone()));
        self.keys.extend_from_slice(other.keys.get(key_start..key_end).unwrap_or_default());
        for entry in other.entries.get(range).unwrap_or_default() {
            let topic = other.topics.get(entry.topic as usize).map_or(NONE, |topic| self.topic_number(topic));
            let origin = other.origins.get(entry.origin as usize);
            let origin = origin.map_or(NONE, |origin| number_in(&mut self.origins, origin));
            let key_end = offset(entry.key_end as usize - key_start + key_base);
            self.entries.push(Entry { end: entry.end - start + base, key_end, topic, origin, ..*entry });
        }
    }

    /// Appends the messages of `range` of another batch, with the next numbers of `seq`.
    pub(crate) fn extend_numbered(&mut self, other: &Self, range: Range<usize>, seq: &mut Seq) {
        let before = self.entries.len();
        self.extend_from(other, range);
        for entry in self.entries.iter_mut().skip(before) {
            entry.seq = seq.advance();
            entry.session = seq.session();
        }
    }

    /// Gives each message the next number of its topic's sequence, or of that of all messages without a topic. `seq_of` has the sequence of a
    /// topic, or none for one whose messages have no numbers.
    pub(crate) fn number(&mut self, mut seq_of: impl FnMut(Option<&Arc<str>>) -> Option<Seq>) -> Vec<NumberedTopic> {
        let mut topics: Vec<Option<(u32, Option<Seq>)>> = vec![None; self.topics.len() + 1];
        for entry in &mut self.entries {
            // The last one is that of messages without a topic.
            let place = (entry.topic as usize).min(self.topics.len());
            let Some(known) = topics.get_mut(place) else { continue };
            let (_, seq) = known.get_or_insert_with(|| (entry.topic, seq_of(self.topics.get(place))));
            if let Some(seq) = seq {
                entry.seq = seq.advance();
                entry.session = seq.session();
            }
        }
        let numbered = topics.into_iter().flatten();
        numbered.filter_map(|(topic, seq)| Some((self.topics.get(topic as usize).cloned(), seq?))).collect()
    }

    /// A copy of the first `messages` messages.
    pub(crate) fn prefix(&self, messages: usize) -> Self {
        Self {
            first: self.first,
            bytes: self.lines(0..messages).to_vec(),
            entries: self.entries.get(..messages).unwrap_or(&self.entries).to_vec(),
            keys: self.keys.get(..self.key_start_of(messages)).unwrap_or_default().to_vec(),
            topics: self.topics.clone(),
            origins: self.origins.clone(),
            packed: None,
        }
    }

    /// How many messages from message `from` on end within the first `bytes` bytes after its start.
    pub(crate) fn messages_within(&self, from: usize, bytes: usize) -> usize {
        let limit = self.start_of(from).saturating_add(bytes);
        let rest = self.entries.get(from..).unwrap_or_default();
        rest.partition_point(|entry| entry.end <= limit)
    }

    /// Gives memory back that a burst left behind, so that recycled batches stay small.
    pub(crate) fn shrink_to(&mut self, bytes: usize, messages: usize) {
        self.bytes.shrink_to(bytes);
        self.entries.shrink_to(messages);
        self.keys.shrink_to(bytes / 8);
    }

    /// The offset at which message `index` starts, the end of the bytes for an index past the last message.
    fn start_of(&self, index: usize) -> usize {
        match index.checked_sub(1) {
            None => 0,
            Some(previous) => self.entries.get(previous).map_or(self.bytes.len(), |entry| entry.end),
        }
    }

    /// The offset at which the key of message `index` starts.
    fn key_start_of(&self, index: usize) -> usize {
        match index.checked_sub(1) {
            None => 0,
            Some(previous) => self.entries.get(previous).map_or(self.keys.len(), |entry| entry.key_end as usize),
        }
    }
}

/// The number of a name in a list, to which it is added where it is not there.
fn number_in(names: &mut Vec<Arc<str>>, name: &Arc<str>) -> u32 {
    let known = names.iter().rposition(|known| Arc::ptr_eq(known, name) || known == name);
    let number = known.unwrap_or_else(|| {
        names.push(Arc::clone(name));
        names.len() - 1
    });
    offset(number)
}

/// A batch ends long before its keys reach 4 GiB.
fn offset(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Gives a test's batch the positions after those of the batches that the test numbered before.
#[cfg(test)]
pub(crate) fn numbered(mut batch: Batch) -> Batch {
    thread_local!(static NEXT: std::cell::Cell<u64> = const { std::cell::Cell::new(1) });
    batch.set_position(NEXT.get());
    NEXT.set(NEXT.get() + batch.len() as u64);
    batch
}

#[cfg(test)]
pub(crate) fn batch_of(messages: &[(u64, &str)]) -> Batch {
    let mut batch = Batch::new();
    for (key, json) in messages {
        let pushed = batch.push_with(*key, |out| {
            out.extend_from_slice(json.as_bytes());
            Ok::<(), std::convert::Infallible>(())
        });
        assert!(pushed.is_ok());
    }
    numbered(batch)
}

#[cfg(test)]
mod tests;
