//! Who hears what happens in a session: whoever makes messages of it, and whoever records it.

use std::net::SocketAddr;

use crate::publish::Publisher;
use crate::recording::{Recorder, RecordingSwitch, SpoolSink};
use crate::session::{
    FilePart, Gap, Interest, LoginAnswer, SentCommand, SessionEnd, SessionFacts, SessionListener, SessionResult,
    Statement,
};

/// The listeners of one session.
pub(super) struct SessionListeners {
    pub(super) publisher: Publisher,
    /// What the publisher hears; nothing if there are no messages.
    published: Interest,
    recorder: Option<Box<Recorder<SpoolSink>>>,
    recording: RecordingSwitch,
    /// The switch's position when it was last looked at.
    position: u64,
    client: SocketAddr,
}

impl SessionListeners {
    /// For a session of this client, of which the publisher hears `published`.
    pub(super) fn new(
        publisher: Publisher,
        published: Interest,
        recording: RecordingSwitch,
        client: SocketAddr,
    ) -> Self {
        let position = recording.position();
        let mut listeners = Self { publisher, published, recorder: None, recording, position, client };
        listeners.look_again();
        listeners
    }

    /// What all of them together need to hear.
    pub(super) fn interest(&self) -> Interest {
        match self.recorder {
            Some(_) => self.published | Recorder::<SpoolSink>::INTEREST,
            None => self.published,
        }
    }

    /// Whether somebody was switched on or off since the last look.
    #[inline]
    pub(super) fn are_stale(&self) -> bool {
        self.position != self.recording.position()
    }

    /// Looks who is switched on now. A session that is under way begins for its new listener with the next command.
    #[cold]
    pub(super) fn look_again(&mut self) {
        self.position = self.recording.position();
        let address = SocketAddr::new(self.client.ip().to_canonical(), self.client.port());
        let recorder = self.recording.active().map(|active| active.recorder(Some(address.to_string())));
        self.recorder = recorder.map(Box::new);
    }

    /// The observer is in disorder: nobody who relies on every command hears of the session any more.
    pub(super) fn give_up(&mut self) {
        self.recorder = None;
    }
}

impl SessionListener for SessionListeners {
    fn login(&mut self, login: &LoginAnswer<'_>) {
        if let Some(recorder) = &mut self.recorder {
            recorder.login(login);
        }
    }

    fn command(&mut self, command: &SentCommand<'_>) {
        if let Some(recorder) = &mut self.recorder {
            recorder.command(command);
        }
    }

    fn file(&mut self, part: &FilePart<'_>) {
        if let Some(recorder) = &mut self.recorder {
            recorder.file(part);
        }
    }

    fn result(&mut self, result: &SessionResult<'_>) {
        if let Some(recorder) = &mut self.recorder {
            recorder.result(result);
        }
    }

    #[inline]
    fn statement(&mut self, statement: &Statement<'_>) {
        self.publisher.statement(statement);
    }

    fn reset(&mut self, session: &SessionFacts) {
        self.publisher.reset(session);
    }

    fn gap(&mut self, gap: &Gap<'_>) {
        if let Some(recorder) = &mut self.recorder {
            recorder.gap(gap);
        }
    }

    fn end(&mut self, end: &SessionEnd<'_>) {
        if self.published.contains(Interest::END) {
            self.publisher.end(end);
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.end(end);
        }
    }
}
