//! Listens to an observer, and makes records of what it hears.

use std::collections::HashSet;

use super::hearing;
use super::model::{
    Event, Record, RecordedAnswer, RecordedCommand, RecordedResult, SessionBegin, SessionClose, SessionId,
};
use super::redact::Redaction;
use super::sink::{Admission, RecordSink};
use crate::mysql::wire::Command;
use crate::session::{
    Answer, EndReason, FilePart, Gap, Interest, LoginAnswer, Now, Outcome, Reading, SentCommand, SessionEnd,
    SessionFacts, SessionListener, SessionResult, UnknownOutcome,
};

/// What of a session is recorded.
#[derive(Debug, Clone)]
pub struct RecorderOptions {
    /// How much of the files is kept that a client sends for one command (LOAD DATA LOCAL), in bytes. A longer one is recorded as truncated.
    pub max_file_bytes: usize,
    /// Whose values are not recorded; passwords never are.
    pub redaction: Redaction,
}

impl Default for RecorderOptions {
    /// 16 MiB of files, and nothing redacted but passwords.
    fn default() -> Self {
        Self { max_file_bytes: 16 << 20, redaction: Redaction::default() }
    }
}

/// Makes records of one session.
///
/// What it does not hear of the beginning, or of the middle, it says: a session that it comes to late begins with its first command and what is
/// known of it then, and so does one that goes on after a gap.
#[derive(Debug)]
pub struct Recorder<S> {
    session: SessionId,
    client: Option<String>,
    options: RecorderOptions,
    sink: S,
    /// The number of the next record.
    next: u64,
    stage: Stage,
    /// The command that is not answered yet.
    pending: Option<Pending>,
    has_quit: bool,
    /// Statements for which long data was sent before the recording began: what they are executed with is not known.
    stale_long_data: HashSet<u32>,
}

/// How far the recording of the session is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    /// There is no record yet.
    Waiting,
    /// Each command is recorded.
    Recording,
    /// Commands were missed, for this reason; what is recorded next is that, and then how the session goes on.
    Gap(String),
    /// Nothing more is recorded.
    Over,
}

/// A command that is not answered yet.
#[derive(Debug)]
struct Pending {
    /// Its number among the session's commands.
    number: u64,
    started: Now,
    command: Box<RecordedCommand>,
    /// How its text is read.
    reading: Reading,
    /// What has come of a file.
    file: Option<Vec<u8>>,
    /// How much of files may still be kept.
    file_room: usize,
}

impl Pending {
    fn file_ends(&mut self) {
        if let Some(file) = self.file.take() {
            self.command.files.push(file.into());
        }
    }

    fn answer(&mut self, answer: RecordedAnswer, now: Now) {
        self.command.duration_ns = Some(now.monotonic_ns.saturating_sub(self.started.monotonic_ns));
        self.command.results.push(RecordedResult { answer, status: None, warnings: None });
    }
}

/// Why a record did not fit.
const FULL: &str = "records came faster than they could be written";

/// Why commands may be missing after a gap.
const GAP: &str = "bytes of the session are missing";

impl<S: RecordSink> Recorder<S> {
    /// What a recorder needs to hear.
    pub const INTEREST: Interest = Interest::LOGIN
        .union(Interest::COMMANDS)
        .union(Interest::FILES)
        .union(Interest::RESULTS)
        .union(Interest::ROW_CHECKSUMS)
        .union(Interest::GAPS)
        .union(Interest::END);

    /// For one session of the client with this address.
    pub fn new(session: SessionId, client: Option<String>, sink: S) -> Self {
        Self {
            session,
            client,
            options: RecorderOptions::default(),
            sink,
            next: 0,
            stage: Stage::Waiting,
            pending: None,
            has_quit: false,
            stale_long_data: HashSet::new(),
        }
    }

    /// The same with other options.
    #[must_use]
    pub fn with_options(self, options: RecorderOptions) -> Self {
        Self { options, ..self }
    }

    /// Where the records go.
    pub fn sink_mut(&mut self) -> &mut S {
        &mut self.sink
    }

    /// The recording ends before the session: what is under way is recorded as it is, and nothing after it.
    pub fn recording_ends(&mut self, now: Now) {
        self.flush(now, "the recording ended before the answer");
        self.end_with(now, SessionClose::RecordingEnded);
    }

    /// Whether the record was taken.
    fn record(&mut self, started: Now, event: Event) -> bool {
        let record = Record { session: self.session, number: self.next, started, event };
        match self.sink.record(record) {
            Admission::Taken => {
                self.next += 1;
                return true;
            }
            Admission::Full => self.miss(FULL),
            Admission::Closed => self.stage = Stage::Over,
        }
        false
    }

    /// From here on something is missing.
    fn miss(&mut self, reason: &str) {
        if self.stage == Stage::Recording {
            self.stage = Stage::Gap(reason.to_owned());
        }
    }

    /// Says that something is missing, if so.
    fn tell_gap(&mut self, now: Now) -> bool {
        match &self.stage {
            Stage::Gap(reason) => {
                let reason = reason.clone();
                let told = self.record(now, Event::Lost(reason));
                if told {
                    self.stage = Stage::Waiting;
                }
                told
            }
            Stage::Waiting | Stage::Recording => true,
            Stage::Over => false,
        }
    }

    /// The session as it is now is where its recording begins, or goes on after a gap.
    fn begin(&mut self, begin: SessionBegin, now: Now) -> bool {
        let begun = self.tell_gap(now) && self.record(now, Event::Begin(Box::new(begin)));
        if begun {
            self.stage = Stage::Recording;
        }
        begun
    }

    /// The session goes on, or is noticed, with this command.
    fn begin_with(&mut self, sent: &SentCommand<'_>) -> bool {
        if !self.sink.has_room() {
            return false;
        }
        self.stale_long_data.clear();
        let open = sent.open_statements.list();
        self.stale_long_data
            .extend(open.iter().map(|(id, ..)| *id).filter(|id| sent.open_statements.has_long_data(*id)));
        let begin = SessionBegin {
            began_before: true,
            prepared: hearing::prepared_before(&open, &self.options.redaction, sent.session.reading()),
            ..hearing::session(sent.session, self.client.clone())
        };
        self.begin(begin, sent.started)
    }

    /// Records the command that has no answer yet, for this reason.
    fn flush(&mut self, now: Now, unanswered: &str) {
        let Some(mut pending) = self.pending.take() else { return };
        if hearing::has_answer(pending.command.command) {
            pending.answer(RecordedAnswer::Unknown(unanswered.to_owned()), now);
        }
        self.record_command(pending);
    }

    fn record_command(&mut self, mut pending: Pending) {
        pending.file_ends();
        if self.stage == Stage::Recording {
            self.options.redaction.apply(&mut pending.command, pending.reading);
            self.record(pending.started, Event::Command(pending.command));
        }
    }

    fn end_with(&mut self, now: Now, close: SessionClose) {
        // There is nothing to say of a session that never began.
        if self.next > 0 && self.tell_gap(now) {
            self.record(now, Event::End(close));
        }
        self.stage = Stage::Over;
    }
}

impl<S: RecordSink> SessionListener for Recorder<S> {
    fn login(&mut self, login: &LoginAnswer<'_>) {
        // A change of user is a command; and who has come late knows only what is left of the login.
        if login.command.is_some() || self.stage != Stage::Waiting || self.next > 0 {
            return;
        }
        self.begin(hearing::login(login, self.client.clone()), login.now);
    }

    fn command(&mut self, sent: &SentCommand<'_>) {
        self.flush(sent.started, "no answer was seen");
        let goes_on = match self.stage {
            Stage::Recording => true,
            Stage::Waiting | Stage::Gap(_) => self.begin_with(sent),
            Stage::Over => false,
        };
        if sent.command == Command::Quit {
            self.has_quit = true;
            return;
        }
        if !goes_on {
            return;
        }
        let mut command = Box::new(hearing::command(sent));
        if let Some(id) = sent.statement
            && matches!(sent.command, Command::StmtExecute | Command::StmtReset | Command::StmtClose)
            && self.stale_long_data.remove(&id)
            && hearing::uses_long_data(&command)
        {
            command.undecodable = true;
        }
        self.pending = Some(Pending {
            number: sent.number,
            started: sent.started,
            command,
            reading: sent.session.reading(),
            file: None,
            file_room: self.options.max_file_bytes,
        });
        if !hearing::has_answer(sent.command) {
            self.flush(sent.started, "");
        }
    }

    fn file(&mut self, part: &FilePart<'_>) {
        let Some(pending) = self.pending.as_mut().filter(|pending| pending.number == part.command) else { return };
        let file = pending.file.get_or_insert_default();
        let kept = part.bytes.get(..pending.file_room).unwrap_or(part.bytes);
        file.extend_from_slice(kept);
        pending.file_room -= kept.len();
        pending.command.truncated |= part.truncated || kept.len() < part.bytes.len();
        if part.is_last {
            pending.file_ends();
        }
    }

    fn result(&mut self, result: &SessionResult<'_>) {
        let Some(mut pending) = self.pending.take_if(|pending| pending.number == result.command) else { return };
        let command = &mut pending.command;
        let (answer, status, warnings) = hearing::answer(result);
        if let Answer::Prepared(prepared) = &result.answer {
            command.statement = Some(prepared.statement_id);
        }
        command.results.push(RecordedResult { answer, status, warnings });
        if result.more {
            self.pending = Some(pending);
            return;
        }
        command.duration_ns = Some(result.now.monotonic_ns.saturating_sub(pending.started.monotonic_ns));
        self.record_command(pending);
        if let Answer::Outcome(Outcome::Unknown(UnknownOutcome::Gap)) = result.answer {
            self.miss(GAP);
        }
    }

    fn gap(&mut self, gap: &Gap<'_>) {
        if !gap.is_bridged {
            self.flush(gap.now, GAP);
            self.miss(GAP);
        } else if let Some(pending) = self.pending.as_mut().filter(|pending| pending.file.is_some()) {
            pending.command.truncated = true;
        }
    }

    fn reset(&mut self, _: &SessionFacts) {
        self.stale_long_data.clear();
    }

    fn end(&mut self, end: &SessionEnd<'_>) {
        match &end.reason {
            EndReason::Closed => {
                self.flush(end.now, "connection lost");
                self.end_with(end.now, if self.has_quit { SessionClose::Quit } else { SessionClose::Closed });
            }
            EndReason::OutOfSight(reason) => {
                self.flush(end.now, "the observer lost track of the session");
                if self.next > 0 {
                    self.miss(&reason.message());
                    self.tell_gap(end.now);
                }
                self.stage = Stage::Over;
            }
        }
    }
}
