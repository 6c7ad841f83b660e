//! Messages that were taken and are not known to be delivered: kept to be sent again, and counted in their order.

use std::collections::VecDeque;
use std::ops::Range;

use crate::deliver::batch::{Batch, Routed};
use crate::deliver::counters::{LossReason, SinkCounter};

/// A batch that waits to be filled again keeps no more than this.
const SPARE_BYTES: usize = 2 << 20;
const SPARE_MESSAGES: usize = 8 * 1024;
const SPARES: usize = 8;

/// What is known of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing.
    Waiting,
    /// A broker has it.
    Delivered,
    /// Nobody will ever take it.
    Refused(LossReason),
}

#[derive(Debug)]
struct Chunk {
    batch: Batch,
    states: Vec<State>,
    waiting: usize,
    /// The number of its first message.
    first: usize,
}

impl Chunk {
    fn bytes_of(&self, index: usize) -> usize {
        self.batch.routed(index).map_or(0, |message| message.key.len() + message.value.len())
    }
}

/// How many messages have come to their end, and how.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settled {
    delivered: usize,
    lost: [u64; LossReason::ALL.len()],
}

impl Settled {
    fn add(&mut self, state: State) {
        match state {
            State::Refused(reason) => self.lost.iter_mut().skip(reason as usize).take(1).for_each(|lost| *lost += 1),
            State::Delivered | State::Waiting => self.delivered += 1,
        }
    }

    /// Messages that need no sending.
    pub(crate) fn add_delivered(&mut self, messages: usize) {
        self.delivered += messages;
    }

    pub(crate) fn messages(&self) -> u64 {
        self.delivered as u64 + self.lost.iter().sum::<u64>()
    }

    /// Tells the counter what was lost, and begins again. Returns how many messages there were.
    pub(crate) fn report(&mut self, counter: &SinkCounter) -> u64 {
        let settled = std::mem::take(self);
        for (reason, lost) in LossReason::ALL.into_iter().zip(settled.lost) {
            if lost > 0 {
                counter.lose(reason, lost);
            }
        }
        settled.messages()
    }
}

/// The messages, each with a number that goes up by one (and around, after the largest).
#[derive(Debug, Default)]
pub(crate) struct Window {
    chunks: VecDeque<Chunk>,
    /// The next message to hand over: its chunk, and its place in that.
    next: (usize, usize),
    next_number: usize,
    bytes: usize,
    waiting_bytes: usize,
    spares: Vec<Batch>,
}

impl Window {
    /// Copies messages to the end.
    pub(crate) fn add(&mut self, batch: &Batch, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        let mut copy = self.spares.pop().unwrap_or_default();
        copy.extend_from(batch, range);
        let messages = copy.len();
        let chunk =
            Chunk { batch: copy, states: vec![State::Waiting; messages], waiting: messages, first: self.next_number };
        let bytes: usize = (0..messages).map(|index| chunk.bytes_of(index)).sum();
        self.bytes += bytes;
        self.waiting_bytes += bytes;
        self.next_number = self.next_number.wrapping_add(messages);
        if messages > 0 {
            self.chunks.push_back(chunk);
        }
    }

    /// The next message to hand over, with its number.
    pub(crate) fn next(&mut self) -> Option<(usize, Routed<'_>)> {
        loop {
            let chunk = self.chunks.get(self.next.0)?;
            match chunk.states.get(self.next.1) {
                None => self.next = (self.next.0 + 1, 0),
                Some(State::Waiting) => break,
                Some(_) => self.next.1 += 1,
            }
        }
        let chunk = self.chunks.get(self.next.0)?;
        Some((chunk.first.wrapping_add(self.next.1), chunk.batch.routed(self.next.1)?))
    }

    /// The message [`Self::next`] gave is handed over.
    pub(crate) fn advance(&mut self) {
        self.next.1 += 1;
    }

    /// Message `number`, if it is still here.
    pub(crate) fn get(&self, number: usize) -> Option<Routed<'_>> {
        let (chunk, index) = self.place(number)?;
        self.chunks.get(chunk)?.batch.routed(index)
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
        // Numbers may have gone around: distances from the first have not.
        let chunk = self.chunks.partition_point(|chunk| chunk.first.wrapping_sub(base) <= offset).checked_sub(1)?;
        let index = number.wrapping_sub(self.chunks.get(chunk)?.first);
        (index < self.chunks.get(chunk)?.states.len()).then_some((chunk, index))
    }

    /// Takes the first messages out whose end is known, together with all before them.
    pub(crate) fn settle(&mut self, settled: &mut Settled) {
        while self.chunks.front().is_some_and(|chunk| chunk.waiting == 0) {
            let Some(chunk) = self.chunks.pop_front() else { return };
            self.next = match self.next {
                (0, _) => (0, 0),
                (place, index) => (place - 1, index),
            };
            chunk.states.iter().for_each(|state| settled.add(*state));
            self.bytes = self.bytes.saturating_sub((0..chunk.states.len()).map(|index| chunk.bytes_of(index)).sum());
            self.recycle(chunk.batch);
        }
    }

    /// Begins anew with what waits; with `undo`, also with what was delivered.
    pub(crate) fn again(&mut self, undo: bool) {
        self.next = (0, 0);
        if !undo {
            return;
        }
        for chunk in &mut self.chunks {
            for state in chunk.states.iter_mut().filter(|state| **state == State::Delivered) {
                *state = State::Waiting;
            }
            chunk.waiting = chunk.states.iter().filter(|state| **state == State::Waiting).count();
        }
        let waiting = self.chunks.iter().map(|chunk| {
            let of_chunk = chunk.states.iter().enumerate().filter(|(_, state)| **state == State::Waiting);
            of_chunk.map(|(index, _)| chunk.bytes_of(index)).sum::<usize>()
        });
        self.waiting_bytes = waiting.sum();
    }

    /// Drops all but the first messages; returns how many were dropped. To be followed by [`Self::again`].
    pub(crate) fn truncate(&mut self, messages: usize) -> usize {
        let mut dropped = 0;
        while let Some(surplus) = self.len().checked_sub(messages).filter(|surplus| *surplus > 0) {
            let Some(chunk) = self.chunks.back_mut() else { break };
            let kept = chunk.states.len().saturating_sub(surplus);
            dropped += chunk.states.len() - kept;
            let bytes: usize = (kept..chunk.states.len()).map(|index| chunk.bytes_of(index)).sum();
            self.bytes = self.bytes.saturating_sub(bytes);
            chunk.batch.truncate(kept);
            chunk.states.truncate(kept);
            chunk.waiting = chunk.states.iter().filter(|state| **state == State::Waiting).count();
            if kept == 0 {
                self.chunks.pop_back();
            }
        }
        dropped
    }

    fn recycle(&mut self, mut batch: Batch) {
        if self.spares.len() < SPARES {
            batch.clear();
            batch.shrink_to(SPARE_BYTES, SPARE_MESSAGES);
            self.spares.push(batch);
        }
    }

    /// How many messages are here.
    pub(crate) fn len(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.states.len()).sum()
    }

    /// How many of them nothing is known of.
    pub(crate) fn waiting(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.waiting).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Bytes of keys and values.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of those that nothing is known of.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::batch::batch_of;

    fn window(chunks: &[&[&str]]) -> Window {
        // Numbers that go around in the middle.
        let mut window = Window { next_number: usize::MAX - 1, ..Window::default() };
        for texts in chunks {
            let messages: Vec<_> = texts.iter().map(|text| (0, *text)).collect();
            window.add(&batch_of(&messages), 0..messages.len());
        }
        window
    }

    fn hand_over(window: &mut Window) -> Vec<(usize, String)> {
        let mut handed = Vec::new();
        while let Some((number, message)) = window.next() {
            handed.push((number, String::from_utf8_lossy(message.value).into_owned()));
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
        window.again(false);
        assert_eq!(texts(&hand_over(&mut window)), ["a", "c"]);
        // What was refused stays so; what was delivered in vain is not.
        window.again(true);
        assert_eq!(window.waiting_bytes(), 3);
        assert_eq!(texts(&hand_over(&mut window)), ["a", "b", "c"]);
    }

    #[test]
    fn the_end_can_be_cut_off() {
        let mut window = window(&[&["a", "b"], &["c", "d"], &["e"]]);
        hand_over(&mut window);
        assert_eq!(window.truncate(3), 2);
        window.again(true);
        assert_eq!((window.len(), window.bytes(), window.waiting_bytes()), (3, 3, 3));
        assert_eq!(texts(&hand_over(&mut window)), ["a", "b", "c"]);
        assert_eq!(window.truncate(0), 3);
        assert!(window.is_empty());
    }

    #[test]
    fn the_cursor_moves_with_what_is_settled() {
        let mut window = window(&[&["a"], &["b"]]);
        let (first, _) = window.next().unwrap();
        window.advance();
        window.answer(first, State::Delivered);
        window.settle(&mut Settled::default());
        assert_eq!(texts(&hand_over(&mut window)), ["b"]);
    }
}
