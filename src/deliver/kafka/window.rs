//! Messages that were taken and are not known to be delivered: kept to be sent again, and counted in order.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::time::Instant;

use crate::deliver::batch::{Batch, Routed};
use crate::deliver::counters::{LossReason, SinkCounter};
use crate::deliver::kafka::chain::{Chain, Chained};
use crate::deliver::kafka::cut::{Cut, cut};

/// A chunk is at most one request per partition, even if all its messages go to the same one (see `settings`): keys, record headers and
/// the protocol add about 160 bytes to a statement's message, which has 450 at least.
pub(crate) const CHUNK_BYTES: usize = 700_000;
pub(crate) const CHUNK_MESSAGES: usize = 10_000;
/// With hash chains headers take 230 bytes more.
const CHAINED_CHUNK_BYTES: usize = 500_000;
/// How many chunks' memory is kept for later ones.
const SPARES: usize = 8;

/// What is known of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing.
    Waiting,
    /// A broker has it.
    Delivered,
    /// Kafka will never accept it.
    Refused(LossReason),
}

#[derive(Debug)]
struct Chunk {
    batch: Batch,
    states: Vec<State>,
    /// Of chained messages, as they were handed over last.
    links: Vec<Option<Chained>>,
    waiting: usize,
    /// The number of its first message.
    first: usize,
    /// When its first message came.
    since: Instant,
    /// What is sent instead of messages that are too large, by their place.
    cuts: BTreeMap<usize, Cut>,
}

/// A message to hand over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Due<'a> {
    /// Its number.
    pub(crate) number: usize,
    pub(crate) message: Routed<'a>,
    /// What was cut of it, if anything.
    pub(crate) note: Option<&'a str>,
}

impl Chunk {
    fn due(&self, index: usize) -> Option<Due<'_>> {
        let mut message = self.batch.routed(index)?;
        let cut = self.cuts.get(&index);
        if let Some(cut) = cut {
            message.value = &cut.value;
        }
        Some(Due { number: self.first.wrapping_add(index), message, note: cut.map(|cut| &*cut.note) })
    }

    fn bytes_of(&self, index: usize) -> usize {
        self.batch.routed(index).map_or(0, |message| message.key.len() + message.value.len())
    }

    fn bytes_in(&self, range: Range<usize>) -> usize {
        range.map(|index| self.bytes_of(index)).sum()
    }

    /// How many of the messages of `range` still fit.
    fn room(&self, batch: &Batch, range: &Range<usize>, limit: usize) -> usize {
        let for_bytes = batch.messages_within(range.start, limit.saturating_sub(self.batch.byte_len()));
        for_bytes.min(CHUNK_MESSAGES.saturating_sub(self.batch.len())).min(range.len())
    }

    /// What became of a chained message.
    fn settled(&self, index: usize) -> Option<(Chained, Option<LossReason>)> {
        let lost = match self.states.get(index)? {
            State::Refused(reason) => Some(*reason),
            State::Delivered | State::Waiting => None,
        };
        Some(((*self.links.get(index)?)?, lost))
    }

    fn count_waiting(&mut self) {
        self.waiting = self.states.iter().filter(|state| **state == State::Waiting).count();
    }
}

/// How many messages are done, and how they ended.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settled {
    delivered: usize,
    cut: u64,
    lost: [u64; LossReason::ALL.len()],
}

impl Settled {
    fn add(&mut self, state: State) {
        match state {
            State::Refused(reason) => self.lost.iter_mut().skip(reason as usize).take(1).for_each(|lost| *lost += 1),
            State::Delivered | State::Waiting => self.delivered += 1,
        }
    }

    /// Adds messages that need not be sent.
    pub(crate) fn add_delivered(&mut self, messages: usize) {
        self.delivered += messages;
    }

    pub(crate) fn messages(&self) -> u64 {
        self.delivered as u64 + self.lost.iter().sum::<u64>()
    }

    /// Tells the counter what was lost, and starts again from zero. Returns how many messages there were.
    pub(crate) fn report(&mut self, counter: &SinkCounter) -> u64 {
        let settled = std::mem::take(self);
        counter.shorten(settled.cut);
        for (reason, lost) in LossReason::ALL.into_iter().zip(settled.lost) {
            if lost > 0 {
                counter.lose(reason, lost);
            }
        }
        settled.messages()
    }
}

/// What waits to be released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gathered {
    /// When its first message came.
    pub(crate) since: Instant,
    /// The size of the chunk that is released next.
    pub(crate) bytes: usize,
    /// That chunk has no room left.
    pub(crate) is_full: bool,
}

/// The messages, numbered in sequence (the numbers wrap around). They are handed over in order, once they are released.
#[derive(Debug, Default)]
pub(crate) struct Window {
    chunks: VecDeque<Chunk>,
    /// How many chunks are released, counted from the first. Nothing more is added to them.
    released: usize,
    /// The next message to hand over: its chunk, and its place in that.
    next: (usize, usize),
    next_number: usize,
    bytes: usize,
    waiting_bytes: usize,
    spares: Vec<Batch>,
    /// With hash chains, and who is told what became of messages.
    chain: Option<Chain>,
}

impl Window {
    /// One whose messages are chained.
    pub(crate) fn chained(chain: Chain) -> Self {
        Self { chain: Some(chain), ..Self::default() }
    }

    /// Copies messages to the end.
    pub(crate) fn add(&mut self, batch: &Batch, mut range: Range<usize>, now: Instant) {
        let limit = if self.chain.is_some() { CHAINED_CHUNK_BYTES } else { CHUNK_BYTES };
        while !range.is_empty() {
            let is_open = self.chunks.len() > self.released;
            let last = self.chunks.back_mut().filter(|_| is_open);
            let fitting = last.map_or(0, |chunk| chunk.room(batch, &range, limit));
            if fitting == 0 {
                self.chunks.push_back(Chunk {
                    batch: self.spares.pop().unwrap_or_default(),
                    states: Vec::new(),
                    links: Vec::new(),
                    waiting: 0,
                    first: self.next_number,
                    since: now,
                    cuts: BTreeMap::new(),
                });
            }
            let Some(chunk) = self.chunks.back_mut() else { return };
            // A message larger than a chunk has one of its own.
            let count = if fitting == 0 { chunk.room(batch, &range, limit).max(1) } else { fitting };
            let before = chunk.states.len();
            chunk.batch.extend_from(batch, range.start..range.start + count);
            chunk.states.resize(before + count, State::Waiting);
            if self.chain.is_some() {
                chunk.links.resize(before + count, None);
            }
            chunk.waiting += count;
            let bytes = chunk.bytes_in(before..before + count);
            self.bytes += bytes;
            self.waiting_bytes += bytes;
            self.next_number = self.next_number.wrapping_add(count);
            range.start += count;
        }
    }

    /// Releases everything.
    pub(crate) fn release_all(&mut self) {
        self.released = self.chunks.len();
    }

    /// Releases the next chunk.
    pub(crate) fn release_next(&mut self) {
        self.released = (self.released + 1).min(self.chunks.len());
    }

    /// Whether something is released and not settled.
    pub(crate) fn is_under_way(&self) -> bool {
        self.released > 0
    }

    /// What waits to be released, if anything does.
    pub(crate) fn gathered(&self) -> Option<Gathered> {
        let chunk = self.chunks.get(self.released)?;
        let is_full = self.chunks.len() > self.released + 1;
        Some(Gathered { since: chunk.since, bytes: chunk.batch.byte_len(), is_full })
    }

    /// The next message to hand over.
    pub(crate) fn next(&mut self) -> Option<Due<'_>> {
        loop {
            if self.next.0 >= self.released {
                return None;
            }
            let chunk = self.chunks.get(self.next.0)?;
            match chunk.states.get(self.next.1) {
                None => self.next = (self.next.0 + 1, 0),
                Some(State::Waiting) => break,
                Some(state) => {
                    // What comes after it goes on from it.
                    if *state == State::Delivered
                        && let (Some(chain), Some(Some(link))) = (&mut self.chain, chunk.links.get(self.next.1))
                    {
                        chain.pass(link);
                    }
                    self.next.1 += 1;
                }
            }
        }
        self.chunks.get(self.next.0)?.due(self.next.1)
    }

    /// The place in its chain of the message that [`Self::next`] gives.
    pub(crate) fn link_next(&mut self) -> Option<Chained> {
        self.chain.as_ref()?;
        self.next()?;
        let chain = self.chain.as_mut()?;
        let chunk = self.chunks.get_mut(self.next.0)?;
        let link = chain.link(&chunk.due(self.next.1)?.message);
        if let Some(known) = chunk.links.get_mut(self.next.1) {
            *known = link;
        }
        link
    }

    /// The message [`Self::next`] gave is handed over.
    pub(crate) fn advance(&mut self) {
        if let Some(chain) = &mut self.chain
            && let Some(chunk) = self.chunks.get(self.next.0)
            && let Some(Some(link)) = chunk.links.get(self.next.1)
        {
            chain.pass(link);
        }
        self.next.1 += 1;
    }

    /// Message `number`, if it is still here.
    pub(crate) fn get(&self, number: usize) -> Option<Due<'_>> {
        let (chunk, index) = self.place(number)?;
        self.chunks.get(chunk)?.due(index)
    }

    /// From now on message `number` is sent with so much of its texts cut that it has at most `limit` bytes. False if it cannot be, or has
    /// no more already.
    pub(crate) fn shorten(&mut self, number: usize, limit: usize) -> bool {
        let Some((chunk, index)) = self.place(number) else { return false };
        let Some(chunk) = self.chunks.get_mut(chunk) else { return false };
        let is_larger = chunk.due(index).is_some_and(|due| due.message.value.len() > limit);
        // What is cut again is made from the whole message, too.
        let whole = chunk.batch.routed(index).filter(|_| is_larger);
        let Some(cut) = whole.and_then(|whole| cut(whole.value, limit)) else { return false };
        chunk.cuts.insert(index, cut);
        true
    }

    /// Notes what became of message `number`.
    pub(crate) fn answer(&mut self, number: usize, state: State) {
        let Some((chunk, index)) = self.place(number) else { return };
        let Some(chunk) = self.chunks.get_mut(chunk) else { return };
        let bytes = chunk.bytes_of(index);
        let Some(known) = chunk.states.get_mut(index) else { return };
        if *known == State::Waiting && state != State::Waiting {
            *known = state;
            chunk.waiting -= 1;
            self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes);
        }
    }

    fn place(&self, number: usize) -> Option<(usize, usize)> {
        let base = self.chunks.front()?.first;
        let offset = number.wrapping_sub(base);
        // Numbers may have wrapped around; distances from the first have not.
        let chunk = self.chunks.partition_point(|chunk| chunk.first.wrapping_sub(base) <= offset).checked_sub(1)?;
        let index = number.wrapping_sub(self.chunks.get(chunk)?.first);
        (index < self.chunks.get(chunk)?.states.len()).then_some((chunk, index))
    }

    /// Takes out the messages that are done, up to the first chunk with one that is not.
    pub(crate) fn settle(&mut self, settled: &mut Settled) {
        while self.chunks.front().is_some_and(|chunk| chunk.waiting == 0) {
            let Some(chunk) = self.chunks.pop_front() else { return };
            self.released = self.released.saturating_sub(1);
            self.next = match self.next {
                (0, _) => (0, 0),
                (place, index) => (place - 1, index),
            };
            chunk.states.iter().for_each(|state| settled.add(*state));
            if let Some(chain) = &mut self.chain {
                chain.settle((0..chunk.states.len()).filter_map(|index| chunk.settled(index)));
            }
            let is_delivered = |index: &&usize| chunk.states.get(**index) == Some(&State::Delivered);
            settled.cut += chunk.cuts.keys().filter(is_delivered).count() as u64;
            self.bytes = self.bytes.saturating_sub(chunk.bytes_in(0..chunk.states.len()));
            self.recycle(chunk.batch);
        }
    }

    /// What was taken out is committed.
    pub(crate) fn committed(&self) {
        if let Some(chain) = &self.chain {
            chain.committed();
        }
    }

    /// Starts again with the messages that wait.
    pub(crate) fn again(&mut self) {
        self.next = (0, 0);
        if let Some(chain) = &mut self.chain {
            chain.again();
        }
    }

    /// Starts again with the messages that wait and those that were delivered in vain.
    pub(crate) fn undo(&mut self) {
        self.again();
        self.waiting_bytes = 0;
        for chunk in &mut self.chunks {
            for state in chunk.states.iter_mut().filter(|state| **state == State::Delivered) {
                *state = State::Waiting;
            }
            chunk.count_waiting();
            let waiting = chunk.states.iter().enumerate().filter(|(_, state)| **state == State::Waiting);
            self.waiting_bytes += waiting.map(|(index, _)| chunk.bytes_of(index)).sum::<usize>();
        }
    }

    /// Drops all but the first messages; returns how many were dropped. To be followed by [`Self::undo`].
    pub(crate) fn truncate(&mut self, messages: usize) -> usize {
        let mut dropped = 0;
        while let Some(surplus) = self.len().checked_sub(messages).filter(|surplus| *surplus > 0) {
            let Some(chunk) = self.chunks.back_mut() else { break };
            let kept = chunk.states.len().saturating_sub(surplus);
            dropped += chunk.states.len() - kept;
            self.bytes = self.bytes.saturating_sub(chunk.bytes_in(kept..chunk.states.len()));
            chunk.batch.truncate(kept);
            chunk.states.truncate(kept);
            chunk.links.truncate(kept);
            chunk.count_waiting();
            if kept == 0 {
                self.chunks.pop_back();
            }
        }
        self.released = self.released.min(self.chunks.len());
        dropped
    }

    fn recycle(&mut self, mut batch: Batch) {
        if self.spares.len() < SPARES {
            batch.clear();
            batch.shrink_to(CHUNK_BYTES, CHUNK_MESSAGES);
            self.spares.push(batch);
        }
    }

    /// How many messages are here.
    pub(crate) fn len(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.states.len()).sum()
    }

    /// How many of the released messages wait for an answer.
    pub(crate) fn waiting(&self) -> usize {
        self.chunks.iter().take(self.released).map(|chunk| chunk.waiting).sum()
    }

    /// Whether any message waits for an answer, released or not.
    pub(crate) fn is_waiting(&self) -> bool {
        self.chunks.iter().any(|chunk| chunk.waiting > 0)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Bytes of keys and values.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of keys and values of the messages that wait for an answer.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::batch::batch_of;

    fn window(chunks: &[&[&str]]) -> Window {
        // Numbers that wrap around in the middle.
        let mut window = Window { next_number: usize::MAX - 1, ..Window::default() };
        for texts in chunks {
            let messages: Vec<_> = texts.iter().map(|text| (0, *text)).collect();
            window.add(&batch_of(&messages), 0..messages.len(), Instant::now());
            window.release_all();
        }
        window
    }

    fn hand_over(window: &mut Window) -> Vec<(usize, String)> {
        let mut handed = Vec::new();
        while let Some(due) = window.next() {
            handed.push((due.number, String::from_utf8_lossy(due.message.value).into_owned()));
            window.advance();
        }
        handed
    }

    fn texts(handed: &[(usize, String)]) -> Vec<&str> {
        handed.iter().map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn only_an_unbroken_beginning_is_settled() {
        let mut window = window(&[&["a", "b"], &["c"], &["d"]]);
        let handed = hand_over(&mut window);
        assert_eq!(texts(&handed), ["a", "b", "c", "d"]);
        let mut settled = Settled::default();
        window.answer(handed[2].0, State::Delivered);
        window.answer(handed[0].0, State::Delivered);
        window.settle(&mut settled);
        assert_eq!((settled.messages(), window.len(), window.waiting_bytes()), (0, 4, 2));
        window.answer(handed[1].0, State::Refused(LossReason::TooLarge));
        // Answered twice: counted once.
        window.answer(handed[1].0, State::Delivered);
        window.settle(&mut settled);
        assert_eq!((settled.messages(), window.len(), window.bytes()), (3, 1, 1));
        let counter = SinkCounter::new("x".to_owned());
        assert_eq!((settled.report(&counter), counter.lost(LossReason::TooLarge)), (3, 1));
        assert!(window.next().is_none());
        assert!(window.get(handed[3].0).is_some() && window.get(handed[0].0).is_none());
    }

    #[test]
    fn what_waits_is_handed_over_again_in_order() {
        let mut window = window(&[&["a", "b"], &["c", "d"]]);
        let handed = hand_over(&mut window);
        window.answer(handed[1].0, State::Delivered);
        window.answer(handed[3].0, State::Refused(LossReason::Rejected));
        window.again();
        assert_eq!(texts(&hand_over(&mut window)), ["a", "c"]);
        // What was refused stays so; what was delivered in vain is not.
        window.undo();
        assert_eq!(window.waiting_bytes(), 3);
        assert_eq!(texts(&hand_over(&mut window)), ["a", "b", "c"]);
    }

    #[test]
    fn the_end_can_be_cut_off() {
        let mut window = window(&[&["a", "b"], &["c", "d"], &["e"]]);
        hand_over(&mut window);
        assert_eq!(window.truncate(3), 2);
        window.undo();
        assert_eq!((window.len(), window.bytes(), window.waiting_bytes()), (3, 3, 3));
        assert_eq!(texts(&hand_over(&mut window)), ["a", "b", "c"]);
        assert_eq!(window.truncate(0), 3);
        assert!(window.is_empty());
    }

    #[test]
    fn a_message_is_shortened_from_the_whole_again_and_again() {
        let whole = format!(r#"{{"connectionId":7,"sql":"{}"}}"#, "x".repeat(5000));
        let mut window = window(&[&["a", &whole], &["c"]]);
        let handed = hand_over(&mut window);
        let bytes = window.waiting_bytes();
        assert!(window.shorten(handed[1].0, 3000) && window.shorten(handed[1].0, 1000));
        // It has no more than that already; what is no statement cannot be cut.
        assert!(!window.shorten(handed[1].0, 1000) && !window.shorten(handed[2].0, 0));
        window.again();
        let lengths = |window: &mut Window| hand_over(window).iter().map(|(_, text)| text.len()).collect::<Vec<_>>();
        assert_eq!((lengths(&mut window), window.waiting_bytes()), (vec![1, 1000, 1], bytes));
        assert_eq!(window.get(handed[1].0).unwrap().note, Some("sql=5000"));
        for (number, _) in handed {
            window.answer(number, State::Delivered);
        }
        let mut settled = Settled::default();
        window.settle(&mut settled);
        let counter = SinkCounter::new("x".to_owned());
        assert_eq!((settled.report(&counter), counter.shortened(), window.bytes()), (3, 1, 0));
    }

    #[test]
    fn the_cursor_moves_with_what_is_settled() {
        let mut window = window(&[&["a"], &["b"]]);
        let first = window.next().unwrap().number;
        window.advance();
        window.answer(first, State::Delivered);
        window.settle(&mut Settled::default());
        assert_eq!(texts(&hand_over(&mut window)), ["b"]);
    }
    #[test]
    fn messages_share_a_chunk_until_it_is_released_or_full() {
        let mut window = Window::default();
        let (large, huge) = ("x".repeat(300_000), "x".repeat(2_000_000));
        let messages = [(1, large.as_str()), (2, &large), (3, &large), (4, &huge), (5, "a")];
        for (index, message) in messages.iter().enumerate() {
            window.add(&batch_of(&[(9, "-"), *message]), 1..2, Instant::now());
            assert_eq!(window.len(), index + 1);
        }
        assert!(window.gathered().unwrap().is_full);
        let mut lengths = Vec::new();
        while window.gathered().is_some() {
            assert!(window.next().is_none());
            window.release_next();
            lengths.push(hand_over(&mut window).len());
        }
        assert_eq!(lengths, [2, 1, 1, 1]);
        window.add(&batch_of(&[(6, "b")]), 0..1, Instant::now());
        window.add(&batch_of(&[(6, "c")]), 0..1, Instant::now());
        let gathered = window.gathered().unwrap();
        assert_eq!((gathered.bytes, gathered.is_full), (4, false));
        window.release_next();
        assert_eq!(texts(&hand_over(&mut window)), ["b", "c"]);
    }
}
