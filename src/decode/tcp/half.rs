//! One direction of a connection: what has come of it, and what is missing.

use std::collections::BTreeMap;

use crate::session::Now;

/// Offsets count from here, so that what lies before the first byte that was seen has one too.
const ORIGIN: u64 = 1 << 32;
/// Sequence numbers further away than this are none of this connection.
const FARTHEST: u64 = 1 << 30;
/// What a piece costs besides its bytes.
const PIECE_OVERHEAD: usize = 128;

/// A direction.
#[derive(Debug, Default)]
pub(super) struct Half {
    /// Offset of the next byte that is told; `None` while nothing is known of the direction.
    next: Option<u64>,
    /// The sequence number of its SYN.
    initial: Option<u32>,
    /// How far the other side has acknowledged.
    acknowledged: u64,
    /// What came, and waits. Pieces do not overlap.
    waiting: BTreeMap<u64, Piece>,
    /// What they take of memory.
    waiting_bytes: usize,
    pub(super) is_finished: bool,
}

/// Something that waits.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) content: Content,
    /// How far the other direction must have been told before this.
    pub(super) after: u64,
    pub(super) now: Now,
    /// Its place in the order of arrival.
    pub(super) arrival: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    Bytes(Box<[u8]>),
    /// The capture has cut them off.
    Cut(u64),
    /// The end of the direction.
    Fin,
}

impl Content {
    fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Cut(count) => *count,
            Self::Fin => 1,
        }
    }

    fn memory(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len() + PIECE_OVERHEAD,
            Self::Cut(_) | Self::Fin => PIECE_OVERHEAD,
        }
    }
}

/// Where in its direction a segment is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) after: u64,
    pub(super) now: Now,
    pub(super) arrival: u64,
}

impl Half {
    /// Its SYN was seen.
    pub(super) fn begin(&mut self, initial: u32) {
        self.initial = Some(initial);
        // It may have been captured after what follows it.
        self.next.get_or_insert_with(|| ORIGIN + u64::from(initial) + 1);
    }

    /// Forgets what waits, but not how it began: its first packet may come again.
    pub(super) fn clear(&mut self) {
        *self = Self { initial: self.initial, ..Self::default() };
    }

    /// Whether this SYN is one that was seen before.
    pub(super) fn has_begun_with(&self, initial: u32) -> bool {
        self.initial == Some(initial)
    }

    /// Where a sequence number is. Without anything known, that is where the direction begins to be seen.
    pub(super) fn offset(&mut self, sequence: u32) -> Option<u64> {
        let next = *self.next.get_or_insert_with(|| ORIGIN + u64::from(sequence));
        #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "sequence numbers wrap")]
        let distance = i64::from(sequence.wrapping_sub(next as u32) as i32);
        let offset = next.checked_add_signed(distance)?;
        (distance.unsigned_abs() <= FARTHEST).then_some(offset)
    }

    /// The offset of the next byte that is told.
    pub(super) fn next(&self) -> u64 {
        self.next.unwrap_or(0)
    }

    /// The other side has everything up to there.
    pub(super) fn acknowledge(&mut self, offset: u64) {
        self.acknowledged = self.acknowledged.max(offset);
    }

    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// Whether bytes at this offset may be told at once, without waiting for any others of the direction.
    pub(super) fn is_next(&self, offset: u64) -> bool {
        self.waiting.is_empty() && self.next == Some(offset)
    }

    /// So many more are told.
    pub(super) fn advance(&mut self, count: u64) {
        self.next = Some(self.next().saturating_add(count));
    }

    /// Keeps what is not there yet. Returns how many bytes were.
    pub(super) fn keep(&mut self, offset: u64, bytes: &[u8], place: Place) -> u64 {
        let end = offset.saturating_add(bytes.len() as u64);
        let mut at = offset.max(self.next());
        let mut kept = 0;
        while at < end {
            let covered_to = self
                .waiting
                .range(..=at)
                .next_back()
                .map_or(0, |(start, piece)| start.saturating_add(piece.content.length()));
            if covered_to > at {
                at = covered_to;
                continue;
            }
            let free_to = self.waiting.range(at..end).next().map_or(end, |(start, _)| *start);
            let range = usize::try_from(at - offset).ok().zip(usize::try_from(free_to - offset).ok());
            let Some(part) = range.and_then(|(from, to)| bytes.get(from..to)) else { break };
            self.insert(at, Content::Bytes(part.into()), place);
            kept += part.len() as u64;
            at = free_to;
        }
        (bytes.len() as u64).saturating_sub(kept)
    }

    /// Keeps that so many bytes were cut off there.
    pub(super) fn keep_cut(&mut self, offset: u64, count: u64, place: Place) {
        let start = offset.max(self.next());
        let end = offset.saturating_add(count);
        if start >= end {
            return;
        }
        let free_to = self.waiting.range(start..end).next().map_or(end, |(start, _)| *start);
        let is_covered = self
            .waiting
            .range(..=start)
            .next_back()
            .is_some_and(|(at, piece)| at.saturating_add(piece.content.length()) > start);
        if start < free_to && !is_covered {
            self.insert(start, Content::Cut(free_to - start), place);
        }
    }

    /// Keeps the end of the direction.
    pub(super) fn keep_fin(&mut self, offset: u64, place: Place) {
        if offset >= self.next() && !self.is_finished && !self.waiting.contains_key(&offset) {
            self.insert(offset, Content::Fin, place);
        }
    }

    fn insert(&mut self, offset: u64, content: Content, Place { after, now, arrival }: Place) {
        self.waiting_bytes += content.memory();
        self.waiting.insert(offset, Piece { content, after, now, arrival });
    }

    /// What is to be told next, if it is there: how far the other direction must be for it, and its place in the order of arrival.
    pub(super) fn head(&self) -> Option<(u64, u64)> {
        let (offset, piece) = self.waiting.first_key_value()?;
        (*offset <= self.next()).then_some((piece.after, piece.arrival))
    }

    /// Takes it.
    pub(super) fn take(&mut self) -> Option<Piece> {
        let (_, piece) = self.waiting.pop_first()?;
        self.waiting_bytes -= piece.content.memory();
        self.advance(piece.content.length());
        Some(piece)
    }

    /// What is missing before what waits, or before `needed`, which the other direction's next segment has acknowledged: how many bytes,
    /// and whether it is certain that they came.
    pub(super) fn hole(&self, needed: Option<u64>) -> Option<Hole> {
        let next = self.next?;
        let first = self.waiting.first_key_value().map(|(offset, piece)| (*offset, piece.now));
        let end = match (first, needed.filter(|needed| *needed > next)) {
            (Some((first, _)), Some(needed)) => first.min(needed),
            (Some((first, _)), None) => first,
            (None, Some(needed)) => needed,
            (None, None) => return None,
        };
        let acknowledged = self.acknowledged.max(needed.unwrap_or(0)).min(end);
        if end <= next {
            return None;
        }
        let is_certain = acknowledged > next;
        let end = if is_certain { acknowledged } else { end };
        Some(Hole { bytes: end - next, is_certain, before: first.map(|(_, now)| now) })
    }
}

/// Missing bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hole {
    pub(super) bytes: u64,
    /// Whether their receiver has acknowledged them.
    pub(super) is_certain: bool,
    /// When what comes after them came.
    pub(super) before: Option<Now>,
}
