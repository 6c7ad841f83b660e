//! Both directions of one session, and how it ends.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Sleep, sleep, timeout};

use super::pump::{Pump, PumpError, Step};
use super::tap::{Direction, Tap};

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
    /// The session is over.
    Over,
}

/// A session's two streams with all that passes between them.
pub(super) struct Relay<C, S> {
    client: C,
    server: S,
    to_server: Pump,
    to_client: Pump,
    /// The server no longer takes anything; it may have something to say yet.
    server_deaf: bool,
    /// The client no longer takes anything; it may have sent statements before it left, and those are to run.
    client_deaf: bool,
    /// Runs while the server is gone and the client has not read all it said.
    last_words: Option<Pin<Box<Sleep>>>,
    pub(super) tap: Tap,
    gate: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    report_login: bool,
    draining: bool,
}

impl<C, S> Relay<C, S>
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    /// `first_bytes` were read from the client (and shown to the observer) but not yet written to the server.
    pub(super) fn new(client: C, server: S, first_bytes: Vec<u8>, tap: Tap) -> Self {
        Self {
            client,
            server,
            to_server: Pump::with_first_bytes(first_bytes),
            to_client: Pump::default(),
            server_deaf: false,
            client_deaf: false,
            last_words: None,
            tap,
            gate: None,
            report_login: true,
            draining: false,
        }
    }

    /// Forwards until the login is done or the session is over.
    pub(super) async fn until_logged_in(&mut self) -> Pause {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    /// Forwards until the session is over.
    pub(super) async fn run(&mut self) -> Pause {
        self.report_login = false;
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    /// From now on the session ends as soon as no statement is under way.
    pub(super) fn drain(&mut self) {
        self.draining = true;
    }

    /// Tells the client something of the proxy's own, in place of a server.
    pub(super) async fn say_to_client(&mut self, packet: &[u8]) -> io::Result<()> {
        let said = async {
            self.client.write_all(packet).await?;
            self.client.flush().await
        };
        timeout(LINGER, said).await?
    }

    /// Lets the client read what it was sent before its connection is closed: closing with unread input would reset it.
    pub(super) async fn linger(&mut self) {
        let mut scratch = [0; 4096];
        let discard = async {
            let _ = self.client.shutdown().await;
            while self.client.read(&mut scratch).await.is_ok_and(|count| count > 0) {}
        };
        let _ = timeout(LINGER, discard).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Pause> {
        for _ in 0..STEPS_PER_TURN {
            let Some(to_client) = self.poll_to_client(cx) else { return Poll::Ready(Pause::Over) };
            if to_client == Step::Ended {
                return Poll::Ready(Pause::ServerEnded);
            }
            let to_server = if self.poll_gate(cx).is_pending() { Some(Step::Idle) } else { self.poll_to_server(cx) };
            let Some(to_server) = to_server else { return Poll::Ready(Pause::Over) };
            if self.client_deaf && (self.server_deaf || to_server == Step::Ended) {
                return Poll::Ready(Pause::Over);
            }
            if self.report_login && self.tap.is_logged_in() {
                return Poll::Ready(Pause::LoggedIn);
            }
            if self.draining && self.to_client.is_clear() && self.to_server.is_clear() && !self.tap.is_busy() {
                return Poll::Ready(Pause::Drained);
            }
            if to_client != Step::Moved && to_server != Step::Moved {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// `None`: there is nothing more to come from the server, or nobody to wait for.
    fn poll_to_client(&mut self, cx: &mut Context<'_>) -> Option<Step> {
        if self.client_deaf {
            return Some(Step::Idle);
        }
        let step = SCRATCH.with_borrow_mut(|scratch| {
            let (server, client, tap) = (&mut self.server, &mut self.client, &mut self.tap);
            self.to_client.step(cx, server, client, scratch, tap, Direction::ToClient)
        });
        match step {
            Ok(Step::Idle) if self.to_client.reader_has_ended() => {
                let last_words = self.last_words.get_or_insert_with(|| Box::pin(sleep(LAST_WORDS)));
                if last_words.as_mut().poll(cx).is_ready() { None } else { Some(Step::Idle) }
            }
            Ok(step) => Some(step),
            Err(PumpError::Reader) => None,
            Err(PumpError::Writer) => {
                self.client_deaf = true;
                Some(Step::Moved)
            }
        }
    }

    /// `None`: the client is gone, and nobody is left to answer.
    fn poll_to_server(&mut self, cx: &mut Context<'_>) -> Option<Step> {
        if self.server_deaf {
            return Some(Step::Ended);
        }
        let step = SCRATCH.with_borrow_mut(|scratch| {
            let (client, server, tap) = (&mut self.client, &mut self.server, &mut self.tap);
            self.to_server.step(cx, client, server, scratch, tap, Direction::ToServer)
        });
        match step {
            Ok(step) => Some(step),
            Err(PumpError::Reader) => None,
            // A server that is gone may have left an answer behind; its end will be read.
            Err(PumpError::Writer) => {
                self.server_deaf = true;
                Some(Step::Ended)
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
            let ingest = self.tap.ingest().clone();
            let mut gate: Pin<Box<dyn Future<Output = ()> + Send>> =
                Box::pin(async move { ingest.wait_for_space().await });
            if gate.as_mut().poll(cx).is_pending() {
                self.gate = Some(gate);
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }
}
