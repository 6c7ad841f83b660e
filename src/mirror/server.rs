//! The second server, as far as the mirror needs to know it: tests have one without a network.

use crate::mysql::sql::Lexis;
use crate::player::{PlayError, PlayOptions, Target, TargetSession};
use crate::recording::{RecordedCommand, SessionBegin, SessionClose};
use crate::session::Now;

/// Where sessions are opened.
pub(super) trait Server: 'static {
    type Session: ServerSession;

    /// Logs in, and restores what is known of the session.
    async fn open(&self, begin: &SessionBegin) -> Result<Self::Session, PlayError>;
}

/// A session there.
pub(super) trait ServerSession {
    /// How it reads the next text.
    fn lexis(&self) -> Lexis;

    /// Executes a command, and tells how it went.
    async fn play(&mut self, command: &RecordedCommand, started: Now) -> Result<RecordedCommand, PlayError>;

    /// Ends as the client did.
    async fn close(self, how: SessionClose);
}

/// A real one.
#[derive(Debug)]
pub(super) struct RealServer {
    pub(super) target: Target,
    pub(super) options: PlayOptions,
}

impl Server for RealServer {
    type Session = TargetSession;

    async fn open(&self, begin: &SessionBegin) -> Result<TargetSession, PlayError> {
        TargetSession::open(&self.target, begin, &self.options).await
    }
}

impl ServerSession for TargetSession {
    fn lexis(&self) -> Lexis {
        self.facts().lexis()
    }

    async fn play(&mut self, command: &RecordedCommand, started: Now) -> Result<RecordedCommand, PlayError> {
        Self::play(self, command, started).await
    }

    async fn close(self, how: SessionClose) {
        Self::close(self, how).await;
    }
}
