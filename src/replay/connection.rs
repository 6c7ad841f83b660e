//! A session's connection to the target: it is opened when it is needed, breaks, and is opened again.

use std::time::{Duration, Instant};

use super::shared::Shared;
use crate::backoff::Backoff;
use crate::mysql::sql::Lexis;
use crate::player::{PlayError, TargetSession};
use crate::recording::{RecordedCommand, SessionBegin, SessionClose};
use crate::session::Now;

/// How long a session tries to open its connection again.
const PATIENCE: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A session's connection.
#[derive(Debug)]
pub(super) enum Connection {
    /// There is none, or none any more.
    None,
    Open(Box<TargetSession>),
    /// There will be none.
    Failed,
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum NoConnection {
    /// The replay was stopped.
    Stopped,
    /// This is why.
    Error(PlayError),
}

impl Connection {
    /// Opens it as `begin` says; if it breaks off while a login is under way, or nobody listens, again and again for a while.
    pub(super) async fn open(shared: &Shared, begin: &SessionBegin, copy: u32) -> Result<Self, NoConnection> {
        let options = shared.play_options(copy);
        let begun = Instant::now();
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let opened = {
                let Ok(_share) = shared.connecting.acquire().await else { return Err(NoConnection::Stopped) };
                tokio::select! {
                    opened = TargetSession::open(&shared.config.target, begin, &options) => opened,
                    () = shared.abandon.cancelled() => return Err(NoConnection::Stopped),
                }
            };
            match opened {
                Ok(session) => return Ok(Self::Open(Box::new(session))),
                // A pool that is exhausted is a result.
                Err(error)
                    if error.is_transient() && error.refused_with() != Some(1040) && begun.elapsed() < PATIENCE =>
                {
                    if !shared.pause(backoff.pause()).await {
                        return Err(NoConnection::Stopped);
                    }
                }
                Err(error) => return Err(NoConnection::Error(error)),
            }
        }
    }

    /// Plays a command; `None` if the replay is stopped before there is an answer.
    pub(super) async fn play(
        &mut self,
        shared: &Shared,
        command: &RecordedCommand,
        recorded: Now,
    ) -> Option<Result<RecordedCommand, PlayError>> {
        let Self::Open(session) = self else {
            return Some(Err(PlayError::Lost { reason: "it is not open".to_owned(), observed: None }));
        };
        tokio::select! {
            played = session.play(command, recorded) => Some(played),
            () = shared.abandon.cancelled() => None,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }

    /// How the target reads the session's next text, if it is open.
    pub(super) fn lexis(&self) -> Option<Lexis> {
        let Self::Open(session) = self else { return None };
        Some(session.facts().lexis())
    }

    /// Whether a transaction is open on the target.
    pub(super) fn in_transaction(&self) -> bool {
        matches!(self, Self::Open(session) if session.in_transaction())
    }

    /// Closes it as the recorded session was.
    pub(super) async fn close(&mut self, how: SessionClose) {
        if let Self::Open(session) = std::mem::replace(self, Self::None) {
            // A target that does not take the farewell does not hold up the replay.
            let _ = tokio::time::timeout(Duration::from_secs(1), session.close(how)).await;
        }
    }
}
