//! Whether the server can be reached, as far as is known.
//!
//! Clients find out all the time; only where none has lately is a connection opened for it. That must stay rare: a server counts a
//! connection that leaves without a login as a failed handshake of its host, and refuses the host after `max_connect_errors` of them in a
//! row (100 by default), a login in between not counting. So while no client comes, a server that was reached several times over is taken
//! to be still there.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::address::Upstream;
use crate::client::dial;
use crate::metrics::Verdict;

/// What is known is taken to be true for so long.
const FRESH: Duration = Duration::from_secs(5);
/// How long a connection that is opened to find out may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Connections that are opened to find out, and succeed, between those of clients.
const MOST_UNUSED: u32 = 20;

/// What is known of whether the server can be reached.
#[derive(Debug, Default)]
pub(super) struct Reach(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// When that was found out, and what.
    last: Option<(Instant, Verdict)>,
    /// How many connections were opened for that since a client had one.
    unused: u32,
}

impl Known {
    /// What is to be said without asking.
    fn verdict(&self, now: Instant) -> Option<Verdict> {
        let (when, verdict) = self.last.as_ref()?;
        let is_fresh = now.saturating_duration_since(*when) < FRESH;
        let is_enough = verdict.is_ok() && self.unused >= MOST_UNUSED;
        (is_fresh || is_enough).then(|| verdict.clone())
    }
}

impl Reach {
    /// A client has got, or has not got, its connection to the server.
    pub(super) fn note(&self, reached: Verdict) {
        let mut known = self.known();
        known.unused = if reached.is_ok() { 0 } else { known.unused };
        known.last = Some((Instant::now(), reached));
    }

    /// Whether the server can be reached; an error says why not.
    pub(super) async fn check(&self, upstream: &Upstream) -> Verdict {
        if let Some(verdict) = self.known().verdict(Instant::now()) {
            return verdict;
        }
        let dialled = dial(&upstream.host, upstream.port, PATIENCE).await;
        let verdict = dialled.map(drop).map_err(|error| error.to_string());
        let mut known = self.known();
        known.unused = known.unused.saturating_add(u32::from(verdict.is_ok()));
        known.last = Some((Instant::now(), verdict.clone()));
        verdict
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_not_asked_again_too_soon_or_too_often() {
        let start = Instant::now();
        let later = start + FRESH;
        let known = |verdict, unused| Known { last: Some((start, verdict)), unused };
        assert_eq!(Known::default().verdict(start), None);
        assert_eq!(known(Ok(()), 0).verdict(start), Some(Ok(())));
        assert_eq!(known(Ok(()), MOST_UNUSED - 1).verdict(later), None);
        assert_eq!(known(Ok(()), MOST_UNUSED).verdict(later), Some(Ok(())));
        // One that is refused costs the server nothing.
        assert_eq!(known(Err("refused".to_owned()), MOST_UNUSED).verdict(later), None);
        assert_eq!(known(Err("refused".to_owned()), 0).verdict(start), Some(Err("refused".to_owned())));
    }

    #[tokio::test]
    async fn a_client_that_fails_is_enough_to_know() {
        let reach = Reach::default();
        let nobody: Upstream = "127.0.0.1:1".parse().unwrap();
        reach.note(Ok(()));
        assert_eq!(reach.check(&nobody).await, Ok(()));
        reach.note(Err("gone".to_owned()));
        assert_eq!(reach.check(&nobody).await, Err("gone".to_owned()));
        assert!(Reach::default().check(&nobody).await.is_err());
    }
}
