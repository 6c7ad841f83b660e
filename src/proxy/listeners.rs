//! Who hears what happens in a session: whoever makes messages of it, whoever records it, and whoever does it again elsewhere.

use std::net::SocketAddr;

use crate::mirror::{MirrorSwitch, MirroredSession};
use crate::publish::Publisher;
use crate::recording::{Recorder, RecordingSwitch, SpoolSink};
use crate::session::{
    FilePart, Gap, Interest, LoginAnswer, SentCommand, SessionEnd, SessionFacts, SessionListener, SessionResult,
    Statement,
};

/// What may be switched on and off while sessions are open.
#[derive(Debug, Clone, Default)]
pub(super) struct Switches {
    pub(super) recording: RecordingSwitch,
    pub(super) mirror: MirrorSwitch,
}

impl Switches {
    /// Whether one of them is on.
    pub(super) fn are_on(&self) -> bool {
        self.recording.active().is_some() || self.mirror.is_on()
    }

    #[inline]
    fn positions(&self) -> (u64, u64) {
        (self.recording.position(), self.mirror.position())
    }
}

/// The listeners of one session.
pub(super) struct SessionListeners {
    pub(super) publisher: Publisher,
    /// What the publisher hears; nothing if there are no messages.
    published: Interest,
    recorder: Option<Box<Recorder<SpoolSink>>>,
    /// Apart from the one that records: it may come and go, and leave out what is recorded.
    mirror: Option<Box<Recorder<MirroredSession>>>,
    switches: Switches,
    /// The switches' positions when they were last looked at.
    positions: (Option<u64>, Option<u64>),
    client: SocketAddr,
}

impl SessionListeners {
    /// For a session of this client, of which the publisher hears `published`.
    pub(super) fn new(publisher: Publisher, published: Interest, switches: Switches, client: SocketAddr) -> Self {
        let client = SocketAddr::new(client.ip().to_canonical(), client.port());
        let (recorder, mirror, positions) = (None, None, (None, None));
        let mut listeners = Self { publisher, published, recorder, mirror, switches, positions, client };
        listeners.look_again();
        listeners
    }

    /// What all of them together need to hear.
    pub(super) fn interest(&self) -> Interest {
        if self.recorder.is_some() || self.mirror.is_some() {
            self.published | Recorder::<SpoolSink>::INTEREST
        } else {
            self.published
        }
    }

    /// Whether somebody was switched on or off since the last look.
    #[inline]
    pub(super) fn are_stale(&self) -> bool {
        let (recording, mirror) = self.switches.positions();
        self.positions != (Some(recording), Some(mirror))
    }

    /// Looks who is switched on now. A session that is under way begins for its new listener with the next command.
    #[cold]
    pub(super) fn look_again(&mut self) {
        let (recording, mirror) = self.switches.positions();
        if self.positions.0 != Some(recording) {
            let recorder =
                self.switches.recording.active().map(|active| active.recorder(Some(self.client.to_string())));
            self.recorder = recorder.map(Box::new);
        }
        if self.positions.1 != Some(mirror) {
            let mirrored = self.switches.mirror.session(self.client.ip());
            self.mirror =
                mirrored.map(|(id, session)| Box::new(Recorder::new(id, Some(self.client.to_string()), session)));
        }
        self.positions = (Some(recording), Some(mirror));
    }

    /// The observer is in disorder: nobody who relies on every command hears of the session any more.
    pub(super) fn give_up(&mut self) {
        self.recorder = None;
        self.mirror = None;
    }

    /// Those who make records.
    #[inline]
    fn each(&mut self, mut tell: impl FnMut(&mut dyn SessionListener)) {
        if let Some(recorder) = &mut self.recorder {
            tell(recorder.as_mut());
        }
        if let Some(mirror) = &mut self.mirror {
            tell(mirror.as_mut());
        }
    }
}

impl SessionListener for SessionListeners {
    fn login(&mut self, login: &LoginAnswer<'_>) {
        if self.published.contains(Interest::LOGIN) {
            self.publisher.login(login);
        }
        self.each(|listener| listener.login(login));
    }

    fn command(&mut self, command: &SentCommand<'_>) {
        self.each(|listener| listener.command(command));
    }

    fn file(&mut self, part: &FilePart<'_>) {
        self.each(|listener| listener.file(part));
    }

    fn result(&mut self, result: &SessionResult<'_>) {
        self.each(|listener| listener.result(result));
    }

    #[inline]
    fn statement(&mut self, statement: &Statement<'_>) {
        self.publisher.statement(statement);
    }

    fn reset(&mut self, session: &SessionFacts) {
        self.publisher.reset(session);
    }

    fn gap(&mut self, gap: &Gap<'_>) {
        self.each(|listener| listener.gap(gap));
    }

    fn end(&mut self, end: &SessionEnd<'_>) {
        if self.published.contains(Interest::END) {
            self.publisher.end(end);
        }
        self.each(|listener| listener.end(end));
    }
}
