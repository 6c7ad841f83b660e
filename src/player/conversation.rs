//! The connection to the target, watched by an observer of its own: a packet goes out, and what it was answered comes back.

use crate::client::{ClientError, Duplex, Endpoint, Exchange, LoginOptions, Tap};
use crate::mysql::wire::{CapabilityFlags, Framer, Keep, write_packet};
use crate::recording::{Admission, Event, Record, RecordSink, RecordedCommand, Recorder, SessionId};
use crate::session::{Interest, Now, Observer, ObserverConfig, SessionFacts};

use super::options::{PlayClock, PlayOptions};

/// A file's content is sent in packets of this size.
const FILE_PACKET: usize = 256 << 10;
/// The longest packet of an authentication.
const MAX_AUTHENTICATION_PACKET: usize = 1 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("the target closed the connection")]
    Closed,
    #[error("the target's answer is not understood: {0}")]
    OutOfSight(String),
    #[error("{0}")]
    Authentication(String),
}

/// Keeps the command that was answered last.
#[derive(Debug, Default)]
struct Latest(Option<Box<RecordedCommand>>);

impl RecordSink for Latest {
    fn record(&mut self, record: Record) -> Admission {
        if let Event::Command(command) = record.event {
            self.0 = Some(command);
        }
        Admission::Taken
    }
}

/// Follows both directions.
struct Watch {
    clock: PlayClock,
    observer: Observer,
    recorder: Recorder<Latest>,
}

impl Watch {
    fn new(options: &PlayOptions) -> Self {
        let config = ObserverConfig {
            max_statement_bytes: options.max_row_bytes,
            // A file's content is known: it is what we send.
            interest: Recorder::<Latest>::INTEREST.difference(Interest::FILES),
        };
        // The ids of results are those of the recorded session, which the caller knows.
        let recorder = Recorder::new(SessionId(0), None, Latest::default());
        Self { clock: options.clock, observer: Observer::new(config), recorder }
    }

    fn sent_at(&mut self, bytes: &[u8], now: Now) {
        self.observer.client_bytes(bytes, now, &mut self.recorder);
    }

    fn take(&mut self) -> Option<Box<RecordedCommand>> {
        self.recorder.sink_mut().0.take()
    }

    fn check(&self) -> Result<(), Broken> {
        match self.observer.out_of_sight() {
            Some(reason) => Err(Broken::OutOfSight(reason.message())),
            None => Ok(()),
        }
    }
}

impl Tap for Watch {
    fn sent(&mut self, bytes: &[u8]) {
        self.sent_at(bytes, self.clock.now());
    }

    fn received(&mut self, bytes: &[u8]) {
        let now = self.clock.now();
        self.observer.server_bytes(bytes, now, &mut self.recorder);
    }
}

/// One connection to the target.
pub(super) struct Conversation {
    connection: Duplex,
    watch: Watch,
}

impl Conversation {
    pub(super) async fn open(
        endpoint: &Endpoint,
        login: LoginOptions<'_>,
        options: &PlayOptions,
    ) -> Result<Self, ClientError> {
        let mut watch = Watch::new(options);
        let connection = Duplex::open(endpoint, login, &mut watch).await?;
        Ok(Self { connection, watch })
    }

    /// What is known of the target's session.
    pub(super) fn facts(&self) -> &SessionFacts {
        self.watch.observer.facts()
    }

    pub(super) fn capabilities(&self) -> CapabilityFlags {
        self.connection.capabilities()
    }

    pub(super) fn server_version(&self) -> &str {
        self.connection.server_version()
    }

    /// Sends a command, and reads its answer to the end. `files` are for what the target asks for in between.
    pub(super) async fn ask(&mut self, packet: &[u8], files: &[bytes::Bytes]) -> Result<Box<RecordedCommand>, Broken> {
        self.begin(packet).await?;
        let mut files = files.iter();
        loop {
            if let Some(command) = self.watch.take() {
                self.connection.shrink();
                return Ok(command);
            }
            self.watch.check()?;
            if self.watch.observer.awaits_file() {
                self.send_file(files.next().map_or(&[], |file| file)).await?;
                continue;
            }
            let received = self.connection.read().await?;
            if received.is_empty() {
                return Err(Broken::Closed);
            }
            self.watch.received(received);
        }
    }

    /// Sends a command that begins an authentication.
    pub(super) async fn authenticate(
        &mut self,
        packet: &[u8],
        exchange: &mut Exchange<'_>,
    ) -> Result<Box<RecordedCommand>, Broken> {
        self.begin(packet).await?;
        let mut framer = Framer::default();
        loop {
            self.watch.check()?;
            let received = self.connection.read().await?;
            if received.is_empty() {
                return Err(Broken::Closed);
            }
            self.watch.received(received);
            let mut answers = Vec::new();
            let mut rest = received;
            while let Some(answer) = framer.next(&mut rest, Keep::UpTo(MAX_AUTHENTICATION_PACKET), 0) {
                if matches!(answer.payload.first(), Some(0 | 0xff)) {
                    continue;
                }
                let next = exchange.next(answer.payload).map_err(Broken::Authentication)?;
                answers.extend(next.map(|payload| (payload, answer.next_sequence)));
            }
            if let Some(command) = self.watch.take() {
                return Ok(command);
            }
            for (payload, sequence) in answers {
                let mut packet = Vec::new();
                write_packet(&mut packet, &payload, sequence);
                self.connection.write(&packet).await?;
                self.watch.sent(&packet);
            }
        }
    }

    /// The packet goes out first: the target works while we look at it.
    async fn begin(&mut self, packet: &[u8]) -> Result<(), Broken> {
        self.watch.take();
        let now = self.watch.clock.now();
        let written = self.connection.write(packet).await;
        self.watch.sent_at(packet, now);
        // A target that says why it closes has said so before.
        match written {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        }
    }

    async fn send_file(&mut self, content: &[u8]) -> Result<(), Broken> {
        let mut sequence = self.watch.observer.continues_with();
        let mut packet = Vec::new();
        let last: &[u8] = &[];
        for part in content.chunks(FILE_PACKET).chain([last]) {
            packet.clear();
            sequence = write_packet(&mut packet, part, sequence);
            self.connection.write(&packet).await?;
            self.watch.sent(&packet);
        }
        Ok(())
    }

    /// Gives the command under way up: what is known of its outcome.
    pub(super) fn give_up(&mut self) -> Option<Box<RecordedCommand>> {
        let now = self.watch.clock.now();
        self.watch.observer.close(now, &mut self.watch.recorder);
        self.watch.take()
    }

    /// Leaves without a word.
    pub(super) fn abort(&mut self) {
        self.connection.abort();
    }

    /// Sends what gets no answer, and closes.
    pub(super) async fn close(&mut self, last_packet: &[u8]) {
        let _ = self.connection.write(last_packet).await;
        self.connection.close().await;
    }
}
