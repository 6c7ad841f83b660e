//! Requests that wait for their answers.

use std::collections::VecDeque;

use super::SightLoss;
use super::request::{Request, RequestKind};
use super::sight::Trouble;

/// How much is kept of requests that wait for the answers to earlier ones, all together: compressed, a client may send gigabytes in
/// a few packets before the server reads the second. What is too much is cut, as if it were longer than the limit of one request.
const WAITING_KEPT: usize = 64 << 20;

/// So much of each is kept all the same, until all of them together are twice what may be kept: then the session is given up.
const FRONT_KEPT: usize = 1024;

/// Oldest first; more than one if the client does not wait for answers.
#[derive(Debug, Default)]
pub(super) struct RequestQueue {
    waiting: VecDeque<Request>,
    /// Bytes that they take.
    size: usize,
    /// What one of them asks for that has no end: see [`RequestKind::Stream`].
    stream: Option<Trouble>,
}

impl RequestQueue {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The request that the server answers now.
    pub(super) fn front(&self) -> Option<&Request> {
        self.waiting.front()
    }

    pub(super) fn front_mut(&mut self) -> Option<&mut Request> {
        self.waiting.front_mut()
    }

    pub(super) fn back_mut(&mut self) -> Option<&mut Request> {
        self.waiting.back_mut()
    }

    /// The stream that is asked for, and whether it is the only answer that is outstanding.
    pub(super) fn stream(&self) -> Option<(Trouble, bool)> {
        self.stream.map(|trouble| (trouble, self.waiting.len() == 1))
    }

    /// How much of the next one's body may be kept. The one that is answered at once is kept whole.
    pub(super) fn room(&self) -> usize {
        if self.waiting.is_empty() { usize::MAX } else { WAITING_KEPT.saturating_sub(self.size).max(FRONT_KEPT) }
    }

    pub(super) fn push(&mut self, mut request: Request) -> Result<(), Trouble> {
        if !self.waiting.is_empty() && self.size > 2 * WAITING_KEPT {
            return Err(Trouble { loss: SightLoss::Backlog, what: "too much sent ahead of its answers" });
        }
        request.counted_size = size_of::<Request>() + request.body.capacity();
        self.size += request.counted_size;
        if let RequestKind::Stream(trouble) = request.kind {
            self.stream = Some(trouble);
        }
        self.waiting.push_back(request);
        Ok(())
    }

    /// Where the last one is of the same kind and carries nothing, this one is only counted: twenty thousand pings cost what one does.
    pub(super) fn repeats_last(&mut self, kind: &RequestKind) -> bool {
        let Some(last) = self.waiting.back_mut() else { return false };
        let repeats = kind.is_bare() && last.kind.is_bare() && last.kind.same_as(kind);
        last.times += u64::from(repeats);
        repeats
    }

    /// Takes out what was sent of a file's content behind the oldest, and tells whether that was all of it.
    pub(super) fn take_early_content(&mut self) -> Option<bool> {
        let ended = match self.waiting.get(1)?.kind {
            RequestKind::EarlyContent { ended, .. } => ended,
            _ => return None,
        };
        let content = self.waiting.remove(1)?;
        self.size = self.size.saturating_sub(content.counted_size);
        Some(ended)
    }

    /// The oldest is done with. One that stands for several stays, and stands for one less.
    pub(super) fn pop(&mut self) -> Option<Request> {
        let oldest = self.waiting.front_mut()?;
        if oldest.times > 1 {
            oldest.times -= 1;
            return None;
        }
        let request = self.waiting.pop_front()?;
        self.size = self.size.saturating_sub(request.counted_size);
        if matches!(request.kind, RequestKind::Stream(_)) {
            self.stream = None;
        }
        Some(request)
    }

    /// Bytes of memory in use for what the client sent, for tests.
    #[cfg(any(test, fuzzing))]
    pub(super) fn kept_bytes(&self) -> usize {
        self.waiting.iter().map(Request::kept_bytes).sum()
    }
}
