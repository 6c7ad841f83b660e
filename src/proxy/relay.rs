//! Both directions of one session, and how it ends.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Sleep, sleep, timeout};

use super::client_error::ClientError;
use super::inline::Annotator;
use super::leg::{Leg, Socket, poll_ended, reset};
use super::pump::{Deaf, Pump, Step};
use super::tap::{Direction, Tap};

mod guard;
mod probe;
mod refuse;

pub(super) use guard::LoginGuard;

/// Enough for a read of a large result; a session at rest holds none of it.
const SCRATCH_BYTES: usize = 64 * 1024;

thread_local! {
    /// The worker's read buffer, lent to each of its sessions for the length of one step.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_BYTES].into_boxed_slice());
}

/// Steps per wake-up before other sessions get their turn.
const STEPS_PER_TURN: usize = 32;

/// How long a client may leave unread what a server said before it closed.
const LAST_WORDS: Duration = Duration::from_secs(60);

/// How long a client may go on sending to a server that has closed, so that it reads the server's last words.
const LINGER: Duration = Duration::from_secs(2);

/// Why the relay returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pause {
    /// The login is done.
    LoggedIn,
    /// Draining, and no statement is under way.
    Drained,
    /// The server closed, and the client has all it said.
    ServerEnded,
    /// The client's connection was reset, and what it sent before is on its way to the server.
    ClientReset,
    /// The server's connection was reset, and what it said before is on its way to the client.
    ServerReset,
    /// The session cannot be observed, or the spool is full: it is to end.
    Refused,
    /// The session is over: the client would not read what the server said before it closed.
    Over,
}

/// A session's two streams with all that passes between them.
pub(super) struct Relay<C, S> {
    client: C,
    server: S,
    to_server: Pump,
    to_client: Pump,
    listening: Listening,
    until: Until,
    /// Runs while the server has ended and the client has not read all it said.
    last_words: Option<Pin<Box<Sleep>>>,
    pub(super) tap: Tap,
    /// With `--inline-debug`.
    annotator: Option<Box<Annotator>>,
    gate: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// What has come of a request that is not to reach the server.
    refused: Vec<u8>,
    /// The session ends because of it; the client's error is on its way.
    ends_refused: bool,
}

/// Who still takes what is written to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listening {
    Both,
    /// The server takes nothing any more; it may have something to say yet.
    Client,
    /// The client takes nothing any more; it may have sent statements before it left, and those have to run.
    Server,
    Nobody,
}

impl Listening {
    fn client(self) -> bool {
        matches!(self, Self::Both | Self::Client)
    }

    fn server(self) -> bool {
        matches!(self, Self::Both | Self::Server)
    }

    fn without_client(self) -> Self {
        if self.server() { Self::Server } else { Self::Nobody }
    }

    fn without_server(self) -> Self {
        if self.client() { Self::Client } else { Self::Nobody }
    }
}

/// How far a relay forwards, if nothing ends the session before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// The login is done.
    LoggedIn,
    /// The session is over.
    Over,
    /// No statement is under way.
    AtRest,
}

impl<C, S> Relay<C, S>
where
    C: Leg,
    S: Leg,
{
    /// `first_bytes` were read from the client (and shown to the observer) but not yet written to the server.
    pub(super) fn new(client: C, server: S, first_bytes: Vec<u8>, tap: Tap) -> Self {
        Self {
            client,
            server,
            to_server: Pump::with_first_bytes(first_bytes),
            to_client: Pump::default(),
            listening: Listening::Both,
            until: Until::LoggedIn,
            last_words: None,
            tap,
            annotator: None,
            gate: None,
            refused: Vec::new(),
            ends_refused: false,
        }
    }

    /// From now on the client's statements get a comment in front.
    pub(super) fn annotate(&mut self, annotator: Annotator) {
        self.annotator = Some(Box::new(annotator));
    }

    /// Forwards until the login is done or the session is over.
    pub(super) async fn until_logged_in(&mut self) -> Pause {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    /// Forwards until the session is over.
    pub(super) async fn run(&mut self) -> Pause {
        if self.until == Until::LoggedIn {
            self.until = Until::Over;
        }
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    /// From now on the session ends as soon as no statement is under way.
    pub(super) fn drain(&mut self) {
        self.until = Until::AtRest;
    }

    /// Tells the client something of the proxy's own, in place of a server.
    pub(super) async fn say_to_client(&mut self, packet: &[u8]) -> io::Result<()> {
        say(&mut self.client, packet).await
    }

    /// Ends a client's session that cannot be observed or whose messages have no room, with an error if there is a place for one.
    pub(super) async fn refuse_client(&mut self) {
        let end = self.tap.refusal();
        if (end.is_none() && !self.ends_refused) || self.tap.is_settling() {
            return;
        }
        let (to_client, client) = (&mut self.to_client, &mut self.client);
        // What the server said before is the client's.
        let rest = timeout(
            LINGER,
            std::future::poll_fn(|cx| match to_client.drain(cx, client) {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(())) => Poll::Ready(true),
                Err(_) => Poll::Ready(false),
            }),
        );
        if rest.await != Ok(true) {
            return;
        }
        if let Some(end) = end
            && let Some(sequence) = end.error_sequence
            && self.say_to_client(&ClientError::unobservable(&end).packet(sequence, false)).await.is_err()
        {
            return;
        }
        self.dismiss_client().await;
    }

    /// Says goodbye to a client whose session ends here, and not by the server's or its own doing.
    pub(super) async fn dismiss_client(&mut self) {
        dismiss(&mut self.client).await;
    }

    /// Lets the client read what it was sent before its connection is closed.
    pub(super) async fn linger(&mut self) {
        linger(self.client.socket()).await;
    }

    /// Resets the server's connection, as the client's was.
    pub(super) async fn reset_server(&mut self) {
        reset(self.server.socket()).await;
    }

    /// Resets the client's connection, as the server's was.
    pub(super) async fn reset_client(&mut self) {
        reset(self.client.socket()).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Pause> {
        for _ in 0..STEPS_PER_TURN {
            let to_client = match self.poll_to_client(cx) {
                Ok(step) => step,
                Err(pause) => return Poll::Ready(pause),
            };
            let to_server = match self.poll_to_server(cx) {
                Ok(step) => step,
                Err(pause) => return Poll::Ready(pause),
            };
            match self.until {
                Until::Over => {}
                Until::LoggedIn if self.tap.is_logged_in() => return Poll::Ready(Pause::LoggedIn),
                Until::AtRest if self.is_at_rest() => return Poll::Ready(Pause::Drained),
                Until::LoggedIn | Until::AtRest => {}
            }
            if to_client != Step::Moved && to_server != Step::Moved {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether nothing is on its way, and no statement is running.
    fn is_at_rest(&self) -> bool {
        self.to_client.is_clear() && self.to_server.is_clear() && !self.tap.is_busy()
    }

    /// An error is the end of the session.
    fn poll_to_client(&mut self, cx: &mut Context<'_>) -> Result<Step, Pause> {
        if !self.listening.client() {
            return Ok(Step::Idle);
        }
        if self.tap.poll_settled(cx).is_pending() {
            return Ok(Step::Idle);
        }
        let step = SCRATCH.with_borrow_mut(|scratch| {
            let (server, client, tap) = (&mut self.server, &mut self.client, &mut self.tap);
            self.to_client.step(cx, server, client, scratch, tap, Direction::ToClient)
        });
        match step {
            Ok(Step::Idle) if self.to_client.has_last_words() => {
                let last_words = self.last_words.get_or_insert_with(|| Box::pin(sleep(LAST_WORDS)));
                if last_words.as_mut().poll(cx).is_ready() { Err(Pause::Over) } else { Ok(Step::Idle) }
            }
            Ok(Step::Finished) => Err(Pause::ServerEnded),
            Ok(Step::Reset) => Err(Pause::ServerReset),
            Ok(Step::Refused) => Err(Pause::Refused),
            Ok(step) => Ok(step),
            Err(Deaf) => {
                self.client_is_deaf();
                Ok(Step::Moved)
            }
        }
    }

    fn client_is_deaf(&mut self) {
        self.listening = self.listening.without_client();
        self.to_server.break_reader();
    }

    /// An error is the end of the session.
    fn poll_to_server(&mut self, cx: &mut Context<'_>) -> Result<Step, Pause> {
        if !self.listening.server() {
            // One that is gone may have left an answer behind; its end will be read, if there is somebody to read it.
            return if self.listening.client() { Ok(Step::Finished) } else { Err(Pause::ClientReset) };
        }
        // A client that is kept waiting may leave meanwhile.
        if self.poll_gate(cx).is_pending() && !poll_ended(&mut self.client, cx) {
            return Ok(Step::Idle);
        }
        if let Some(step) = self.poll_refused(cx) {
            return step;
        }
        let step = SCRATCH.with_borrow_mut(|scratch| {
            let (client, server, tap) = (&mut self.client, &mut self.server, &mut self.tap);
            match &mut self.annotator {
                None => self.to_server.step(cx, client, server, scratch, tap, Direction::ToServer),
                Some(annotator) => {
                    let direction = Direction::ToServer;
                    self.to_server.step_changed(cx, client, server, scratch, tap, direction, &mut **annotator)
                }
            }
        });
        self.stepped_to_server(step)
    }

    /// What a step towards the server means for the session.
    #[inline(always)]
    fn stepped_to_server(&mut self, step: Result<Step, Deaf>) -> Result<Step, Pause> {
        match step {
            Ok(Step::Finished) if !self.listening.client() => Err(Pause::ClientReset),
            Ok(Step::Reset) => Err(Pause::ClientReset),
            Ok(Step::Refused) => Err(Pause::Refused),
            Ok(step) => Ok(step),
            Err(Deaf) => {
                self.listening = self.listening.without_server();
                self.to_client.break_reader();
                Ok(Step::Moved)
            }
        }
    }

    /// With `--backpressure=block` no request is read while the queues are full.
    fn poll_gate(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(gate) = &mut self.gate {
            if gate.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.gate = None;
        }
        if self.tap.is_gated() && self.to_server.is_clear() {
            let mut gate: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(self.tap.gate().wait());
            if gate.as_mut().poll(cx).is_pending() {
                self.tap.count_held_up();
                self.gate = Some(gate);
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }
}

/// Tells a client something of the proxy's own, in place of a server.
pub(super) async fn say<C: Leg>(client: &mut C, packet: &[u8]) -> io::Result<()> {
    let said = async {
        client.write_all(packet).await?;
        client.flush().await
    };
    timeout(LINGER, said).await?
}

/// Ends a client's connection as a server would.
pub(super) async fn dismiss<C: Leg>(client: &mut C) {
    client.notify();
    let _ = timeout(LINGER, client.flush()).await;
    linger(client.socket()).await;
}

/// Says that nothing more comes, and waits for the peer's end: closing a connection with unread input would reset it.
async fn linger<S: Socket>(socket: &mut S) {
    let mut scratch = [0; 4096];
    let discard = async {
        let _ = socket.shutdown().await;
        while socket.read(&mut scratch).await.is_ok_and(|count| count > 0) {}
    };
    let _ = timeout(LINGER, discard).await;
}
