//! Who hears what happens in a session: whoever makes messages of it, whoever records it, and whoever does it again elsewhere.

use super::recording::RecordingSink;
use crate::mirror::MirroredSession;
use crate::publish::Publisher;
use crate::recording::Recorder;
use crate::session::{
    EndReason, FilePart, Gap, LoginAnswer, Now, SentCommand, SessionEnd, SessionFacts, SessionListener, SessionResult,
    Side, SightLoss, Statement,
};

/// Those of one session.
#[derive(Default)]
pub(super) struct Listeners {
    pub(super) publisher: Option<Publisher>,
    pub(super) recorder: Option<Box<Recorder<RecordingSink>>>,
    /// Apart from the one that records: it may leave out what is recorded.
    pub(super) mirror: Option<Box<Recorder<MirroredSession>>>,
    /// Whether anything was told of: the session can be read.
    pub(super) has_heard: bool,
}

/// Whether a session that got out of sight in this way is taken up again at a later request.
pub(super) const fn is_taken_up_again(loss: SightLoss) -> bool {
    match loss {
        SightLoss::Gap | SightLoss::Protocol | SightLoss::Compression | SightLoss::Backlog | SightLoss::Panic => true,
        SightLoss::MidSession
        | SightLoss::Passthrough
        | SightLoss::Replication
        | SightLoss::Clone
        | SightLoss::NoSession => false,
    }
}

impl Listeners {
    /// Those who make records.
    fn each(&mut self, mut tell: impl FnMut(&mut dyn SessionListener)) {
        if let Some(recorder) = &mut self.recorder {
            tell(recorder.as_mut());
        }
        if let Some(mirror) = &mut self.mirror {
            tell(mirror.as_mut());
        }
    }

    /// The session was closed while nobody could follow it.
    pub(super) fn closed_unseen(&mut self, now: Now) {
        let session = SessionFacts::default();
        self.each(|listener| listener.end(&SessionEnd { reason: EndReason::Closed, session: &session, now }));
        self.end_messages(false);
    }

    /// The session goes on, but nobody sees how.
    pub(super) fn capture_ends(&mut self, now: Now) {
        if let Some(recorder) = &mut self.recorder {
            recorder.recording_ends(now);
        }
        if let Some(mirror) = &mut self.mirror {
            mirror.recording_ends(now);
        }
        self.end_messages(false);
    }

    /// No more messages come. `is_outcome_known`: whether it was seen what became of the transaction that was open.
    pub(super) fn end_messages(&mut self, is_outcome_known: bool) {
        if let Some(publisher) = &mut self.publisher
            && !is_outcome_known
        {
            publisher.outcome_unknown();
        }
    }
}

impl SessionListener for Listeners {
    fn login(&mut self, login: &LoginAnswer<'_>) {
        self.each(|listener| listener.login(login));
    }

    fn command(&mut self, command: &SentCommand<'_>) {
        self.has_heard = true;
        self.each(|listener| listener.command(command));
    }

    fn file(&mut self, part: &FilePart<'_>) {
        self.each(|listener| listener.file(part));
    }

    fn result(&mut self, result: &SessionResult<'_>) {
        self.each(|listener| listener.result(result));
    }

    fn statement(&mut self, statement: &Statement<'_>) {
        self.has_heard = true;
        if let Some(publisher) = &mut self.publisher {
            publisher.statement(statement);
        }
    }

    fn reset(&mut self, session: &SessionFacts) {
        if let Some(publisher) = &mut self.publisher {
            publisher.reset(session);
        }
        self.each(|listener| listener.reset(session));
    }

    fn gap(&mut self, gap: &Gap<'_>) {
        self.each(|listener| listener.gap(gap));
    }

    fn end(&mut self, end: &SessionEnd<'_>) {
        let (session, now) = (end.session, end.now);
        match &end.reason {
            EndReason::OutOfSight(reason) if is_taken_up_again(reason.loss) => {
                if let Some(publisher) = &mut self.publisher {
                    publisher.observation_interrupted(session, reason, now);
                }
                // For a recording that is a gap: it goes on in the same session.
                let gap = Gap { from: Side::Client, bytes: None, is_bridged: false, session, now };
                self.each(|listener| listener.gap(&gap));
            }
            _ => {
                if let Some(publisher) = &mut self.publisher {
                    publisher.end(end);
                }
                self.each(|listener| listener.end(end));
            }
        }
    }
}
