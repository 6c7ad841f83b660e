//! Requests that wait for their answers.

use std::collections::VecDeque;

use super::progress::Progress;
use super::request::{Request, RequestKind};
use super::sight::{SightLoss, Trouble};

/// How much is kept of requests that wait for the answers to earlier ones, all together: compressed, a client may send gigabytes in
/// a few packets before the server reads the second. What is too much is cut, as if it were longer than the limit of one request.
const WAITING_KEPT: usize = 64 << 20;

/// Of each this much is kept in any case, until all of them together are twice what may be kept: then the session is given up.
const FRONT_KEPT: usize = 1024;

/// The request that the server answers now: what it does to the session's statements is done.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) request: Request,
    /// How much of the answer there is.
    pub(super) progress: Progress,
    counted_size: usize,
}

impl Current {
    pub(super) fn is_change_user(&self) -> bool {
        matches!(self.request.kind, RequestKind::ChangeUser(_))
    }
}

/// Oldest first; more than one if the client does not wait for answers.
#[derive(Debug, Default)]
pub(super) struct RequestQueue {
    pub(super) current: Option<Current>,
    /// Not begun yet.
    waiting: VecDeque<Request>,
    /// Bytes that all of them take.
    size: usize,
    /// What one of them asks for that has no end: see [`RequestKind::Stream`].
    stream: Option<Trouble>,
}

impl RequestQueue {
    pub(super) fn is_empty(&self) -> bool {
        self.current.is_none() && self.waiting.is_empty()
    }

    /// Whether none waits for another's answer.
    pub(super) fn is_alone(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The one that was sent last.
    pub(super) fn last_mut(&mut self) -> Option<&mut Request> {
        match self.waiting.back_mut() {
            Some(request) => Some(request),
            None => self.current.as_mut().map(|current| &mut current.request),
        }
    }

    /// Whether one of them is such a request.
    pub(super) fn has(&self, is_such: impl Fn(&RequestKind) -> bool) -> bool {
        let current = self.current.iter().map(|current| &current.request);
        current.chain(&self.waiting).any(|request| is_such(&request.kind))
    }

    /// How many of them are statements.
    pub(super) fn statements(&self) -> u64 {
        let current = self.current.iter().map(|current| &current.request);
        current.chain(&self.waiting).filter(|request| request.is_statement()).count() as u64
    }

    /// The stream that is asked for, and whether it is the only answer that is outstanding.
    pub(super) fn stream(&self) -> Option<(Trouble, bool)> {
        let outstanding = self.waiting.len() + usize::from(self.current.is_some());
        self.stream.map(|trouble| (trouble, outstanding == 1))
    }

    /// How much of the next one's body may be kept. The one that is answered at once is kept whole.
    pub(super) fn room(&self) -> usize {
        if self.is_empty() { usize::MAX } else { WAITING_KEPT.saturating_sub(self.size).max(FRONT_KEPT) }
    }

    pub(super) fn push(&mut self, request: Request) -> Result<(), Trouble> {
        if !self.is_empty() && self.size > 2 * WAITING_KEPT {
            return Err(Trouble { loss: SightLoss::Backlog, what: "too much sent ahead of its answers" });
        }
        self.count(&request);
        self.waiting.push_back(request);
        Ok(())
    }

    /// Where the last one is of the same kind and carries nothing, this one is only counted: twenty thousand pings cost what one does.
    pub(super) fn repeats_last(&mut self, kind: &RequestKind) -> bool {
        let Some(last) = self.last_mut() else { return false };
        let repeats = kind.is_bare() && last.kind.is_bare() && last.kind.same_as(kind);
        last.times += u64::from(repeats);
        repeats
    }

    /// Returns what the request is counted as.
    fn count(&mut self, request: &Request) -> usize {
        let counted_size = request.counted_size();
        self.size += counted_size;
        if let RequestKind::Stream(trouble) = request.kind {
            self.stream = Some(trouble);
        }
        counted_size
    }

    fn discount(&mut self, counted_size: usize, kind: &RequestKind) {
        self.size = self.size.saturating_sub(counted_size);
        if matches!(kind, RequestKind::Stream(_)) {
            self.stream = None;
        }
    }

    /// Takes out what was sent of a file's content after the current request, and tells whether that was all of it.
    pub(super) fn take_early_content(&mut self) -> Option<bool> {
        let RequestKind::EarlyContent { ended, .. } = self.waiting.front()?.kind else { return None };
        self.next()?;
        Some(ended)
    }

    /// The next one that waits, to be begun.
    pub(super) fn next(&mut self) -> Option<Request> {
        let request = self.waiting.pop_front()?;
        self.discount(request.counted_size(), &request.kind);
        Some(request)
    }

    /// The server answers this one now.
    #[inline]
    pub(super) fn answer(&mut self, request: Request) {
        let counted_size = self.count(&request);
        self.current = Some(Current { request, progress: Progress::default(), counted_size });
    }

    /// The current one is done with; its buffer may be used again. One that stands for several stays, and stands for one less.
    #[inline]
    pub(super) fn finish(&mut self) -> Option<Vec<u8>> {
        let current = self.current.as_mut()?;
        if current.request.times > 1 {
            current.request.times -= 1;
            current.request.number += 1;
            current.progress = Progress::default();
            return None;
        }
        let body = std::mem::take(&mut current.request.body);
        self.size = self.size.saturating_sub(current.counted_size);
        if matches!(current.request.kind, RequestKind::Stream(_)) {
            self.stream = None;
        }
        self.current = None;
        Some(body)
    }

    /// The current one is done with, but not its statement.
    pub(super) fn take(&mut self) -> Option<Request> {
        let Current { request, counted_size, .. } = self.current.take()?;
        self.discount(counted_size, &request.kind);
        Some(request)
    }

    /// Bytes of memory in use for what the client sent, for tests.
    #[cfg(any(test, fuzzing))]
    pub(super) fn kept_bytes(&self) -> usize {
        let current = self.current.as_ref().map_or(0, |current| {
            current.request.kept_bytes() + current.progress.watch.as_ref().map_or(0, |watch| watch.kept_bytes())
        });
        current + self.waiting.iter().map(Request::kept_bytes).sum::<usize>()
    }
}
