//! The proxy's own question at the beginning of a session (`--session-probe=inject`).
//!
//! The client must not be able to tell. It has been told that its login is done, and may go on; what it sends is read only when the server has
//! answered the proxy. If that takes too long, the client's requests follow the question, as if the client had not waited for an answer; that
//! is kept from it all the same.
//!
//! An error may be the server's last word: where `init_connect` fails, servers answer a client's first request with error 1184 and close. That was
//! the proxy's request then, so the error is kept, and given to the client as the answer to its own.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use super::guard::LoginGuard;
use super::{Leg, Pause, Relay, SCRATCH, STEPS_PER_TURN, Step, Until};
use crate::proxy::pump::{Change, Deaf};
use crate::proxy::tap::Direction;
use crate::session::ProbeAnswer;

/// Longest refusal that is kept for the client: one error packet.
const REFUSAL_KEPT: usize = 64 * 1024;

/// The question, until it is answered.
pub(in crate::proxy) struct Probe {
    guard: LoginGuard,
    stage: Stage,
    /// The server's answer as it came.
    answer: Vec<u8>,
}

/// How far the question is.
enum Stage {
    /// Nothing of the client's is read. Until the server has taken too long.
    Holding(Pin<Box<Sleep>>),
    /// The client's requests are on their way.
    Passing,
    /// The answer was an error. Whether it was the server's last word shows when the client's first request is answered, or not.
    Refused,
    /// It was, and the client has not asked anything yet.
    LeftAlone,
    /// The client is told.
    Told,
}

impl<C, S> Relay<C, S>
where
    C: Leg,
    S: Leg,
{
    /// As [`Self::until_logged_in`]; what the client sends ahead of the login's end is held back.
    /// `early`: what was read already.
    pub(in crate::proxy) async fn until_logged_in_guarded(&mut self, guard: &mut LoginGuard, early: &[u8]) -> Pause {
        let now = self.tap.now();
        let mut passed = Vec::new();
        guard.pass(early, now, &mut passed);
        self.tap.observe(Direction::ToServer, &passed, now);
        if self.tap.refusal().is_some() {
            return Pause::Refused;
        }
        self.to_server.push(&passed);
        std::future::poll_fn(|cx| self.poll_login(cx, guard)).await
    }

    fn poll_login(&mut self, cx: &mut Context<'_>, guard: &mut LoginGuard) -> Poll<Pause> {
        for _ in 0..STEPS_PER_TURN {
            let steps = self.poll_to_client(cx).and_then(|step| Ok((step, self.poll_login_to_server(cx, guard)?)));
            let (to_client, to_server) = match steps {
                Ok(steps) => steps,
                Err(pause) => return Poll::Ready(pause),
            };
            if self.tap.is_logged_in() {
                return Poll::Ready(Pause::LoggedIn);
            }
            if guard.holds() && self.tap.login_awaits_client() {
                // It took for granted that the login was done: the server is to see that, and will not like it.
                if let Err(pause) = self.release(guard) {
                    return Poll::Ready(pause);
                }
            }
            if to_client != Step::Moved && to_server != Step::Moved {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_login_to_server(&mut self, cx: &mut Context<'_>, guard: &mut LoginGuard) -> Result<Step, Pause> {
        if !self.listening.server() {
            return self.poll_to_server(cx);
        }
        let step = if guard.holds() {
            self.to_server.drain(cx, &mut self.server).map(|_| Step::Idle).map_err(|_| Deaf)
        } else {
            SCRATCH.with_borrow_mut(|scratch| {
                let (client, server, tap) = (&mut self.client, &mut self.server, &mut self.tap);
                self.to_server.step_changed(cx, client, server, scratch, tap, Direction::ToServer, guard)
            })
        };
        self.stepped_to_server(step)
    }

    /// What was held back goes its way.
    fn release(&mut self, guard: &mut LoginGuard) -> Result<(), Pause> {
        let (held, read_at) = guard.release();
        if held.is_empty() {
            return Ok(());
        }
        let mut annotated = Vec::new();
        if let Some(annotator) = &mut self.annotator {
            annotator.change(&held, read_at, &self.tap, &mut annotated);
        }
        self.tap.observe(Direction::ToServer, &held, read_at);
        if self.tap.refusal().is_some() {
            return Err(Pause::Refused);
        }
        self.to_server.push(if self.annotator.is_some() { &annotated } else { &held });
        Ok(())
    }

    /// Asks the server; `patience`: for how long the client's requests wait for the answer. `None`: there is nothing to ask, or nobody.
    pub(in crate::proxy) fn begin_probe(
        &mut self,
        mut guard: LoginGuard,
        patience: Duration,
    ) -> Result<Option<Probe>, Pause> {
        let Some(question) = self.tap.begin_probe() else {
            self.release(&mut guard)?;
            return Ok(None);
        };
        self.to_server.push(&question);
        Ok(Some(Probe { guard, stage: Stage::Holding(Box::pin(sleep(patience))), answer: Vec::new() }))
    }

    /// Forwards until the probe is answered ([`Pause::LoggedIn`]) or the session is over. It may be called again after [`Self::drain`].
    pub(in crate::proxy) async fn probe(&mut self, probe: &mut Probe) -> Pause {
        std::future::poll_fn(|cx| self.poll_probe(cx, probe)).await
    }

    fn poll_probe(&mut self, cx: &mut Context<'_>, probe: &mut Probe) -> Poll<Pause> {
        for _ in 0..STEPS_PER_TURN {
            let steps = self.poll_answer(cx, probe).and_then(|step| Ok((step, self.poll_probe_to_server(cx, probe)?)));
            let (to_client, to_server) = match steps {
                Ok(steps) => steps,
                Err(pause) => return Poll::Ready(pause),
            };
            if self.until == Until::AtRest && self.is_at_rest_but_for(probe) {
                return Poll::Ready(Pause::Drained);
            }
            if to_client != Step::Moved && to_server != Step::Moved {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether nothing of the client's is under way.
    fn is_at_rest_but_for(&self, probe: &Probe) -> bool {
        match probe.stage {
            Stage::Holding(_) => !probe.guard.holds() && self.to_client.is_clear(),
            Stage::Passing => false,
            Stage::Refused | Stage::LeftAlone => self.is_at_rest(),
            Stage::Told => false,
        }
    }

    fn poll_probe_to_server(&mut self, cx: &mut Context<'_>, probe: &mut Probe) -> Result<Step, Pause> {
        match &mut probe.stage {
            Stage::Holding(patience) => {
                if patience.as_mut().poll(cx).is_ready() {
                    self.release(&mut probe.guard)?;
                    probe.stage = Stage::Passing;
                    return Ok(Step::Moved);
                }
                let drained = self.to_server.drain(cx, &mut self.server);
                self.stepped_to_server(drained.map(|_| Step::Idle).map_err(|_| Deaf))
            }
            Stage::Passing | Stage::Refused => self.poll_to_server(cx),
            Stage::LeftAlone => self.poll_left_alone(cx, probe),
            Stage::Told => Ok(Step::Idle),
        }
    }

    /// The server has closed; its last word is the answer to the client's first request, whenever that comes.
    fn poll_left_alone(&mut self, cx: &mut Context<'_>, probe: &mut Probe) -> Result<Step, Pause> {
        if self.tap.awaits_answer() {
            let answer = std::mem::take(&mut probe.answer);
            self.tap.observe_now(Direction::ToClient, &answer);
            self.to_client.push(&answer);
            probe.stage = Stage::Told;
            return Ok(Step::Moved);
        }
        SCRATCH.with_borrow_mut(|scratch| match self.to_server.read_now(cx, &mut self.client, scratch) {
            Ok(bytes) => {
                self.tap.observe_now(Direction::ToServer, bytes);
                Ok(Step::Moved)
            }
            Err(Step::Idle) => Ok(Step::Idle),
            Err(_) => Err(Pause::Drained),
        })
    }

    /// Reads what the server says, of which the client is to see what comes after the answer.
    fn poll_answer(&mut self, cx: &mut Context<'_>, probe: &mut Probe) -> Result<Step, Pause> {
        if !self.listening.client() {
            return Err(Pause::LoggedIn);
        }
        if self.tap.poll_settled(cx).is_pending() {
            return Ok(Step::Idle);
        }
        match self.to_client.drain(cx, &mut self.client) {
            Ok(Poll::Ready(())) => {}
            Ok(Poll::Pending) => return Ok(Step::Idle),
            Err(_) => {
                // Nobody is left who could see the answer.
                self.client_is_deaf();
                self.release(&mut probe.guard)?;
                return Err(Pause::LoggedIn);
            }
        }
        match probe.stage {
            Stage::LeftAlone => return Ok(Step::Idle),
            Stage::Told => return Err(Pause::Drained),
            Stage::Holding(_) | Stage::Passing | Stage::Refused => {}
        }
        SCRATCH.with_borrow_mut(|scratch| match self.to_client.read_now(cx, &mut self.server, scratch) {
            Ok(bytes) => self.heard(bytes, probe),
            Err(Step::Idle) => Ok(Step::Idle),
            Err(_) => {
                if matches!(probe.stage, Stage::Refused) {
                    probe.stage = Stage::LeftAlone;
                    return Ok(Step::Moved);
                }
                self.release(&mut probe.guard)?;
                Err(Pause::LoggedIn)
            }
        })
    }

    fn heard(&mut self, bytes: &[u8], probe: &mut Probe) -> Result<Step, Pause> {
        if matches!(probe.stage, Stage::Refused) {
            self.forward_to_client(bytes)?;
            return Err(Pause::LoggedIn);
        }
        let Some((used, answer)) = self.tap.observe_probe(bytes) else {
            // Where the answer ends is not known: what would reach the client is not what it asked for.
            return Err(Pause::Drained);
        };
        let (ours, rest) = bytes.split_at_checked(used).unwrap_or((bytes, &[]));
        let room = REFUSAL_KEPT.saturating_sub(probe.answer.len());
        probe.answer.extend_from_slice(ours.get(..room).unwrap_or(ours));
        if answer == ProbeAnswer::Awaited {
            return Ok(Step::Moved);
        }
        self.release(&mut probe.guard)?;
        if !rest.is_empty() {
            self.forward_to_client(rest)?;
            return Err(Pause::LoggedIn);
        }
        if answer == ProbeAnswer::Complete {
            return Err(Pause::LoggedIn);
        }
        probe.stage = Stage::Refused;
        Ok(Step::Moved)
    }

    fn forward_to_client(&mut self, bytes: &[u8]) -> Result<(), Pause> {
        self.tap.observe_now(Direction::ToClient, bytes);
        if self.tap.refusal().is_some() {
            return Err(Pause::Refused);
        }
        // Whoever writes it asks whether it may be told.
        let _ = self.tap.must_settle();
        self.to_client.push(bytes);
        Ok(())
    }
}
