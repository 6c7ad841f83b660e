//! From the middle of a session, or from a gap in it, to the next request whose answer is certain.
//!
//! The client's stream is at a border of packets: a packet of it that has sequence id 0, does not continue a file, and has a known command is
//! a request. What the server says before is of no interest. What it says next must answer the request, packet by packet with the sequence
//! ids that follow; and the client must not send another request meanwhile, for then it could be a client that does not wait for answers, and
//! what comes could still be the answer to an earlier request that nobody saw. If it does not fit, the request's outcome is unknown, and the
//! next one is tried.

use super::exchange::{ClientSide, Exchange, Footing, State};
use super::listener::Listener;
use super::outcome::UnknownOutcome;
use super::progress::Expect;
use super::request::RequestKind;
use super::sight::Trouble;
use super::time::Now;
use crate::mysql::wire::{CapabilityFlags, Command, Packet};

impl Exchange {
    /// A client's packet, of a session whose state is not known.
    pub(super) fn seek(&mut self, packet: &Packet<'_>, now: Now, to: &mut Listener<'_>) -> Result<(), Trouble> {
        let State::Seeking { continues_with } = &mut self.state else { return Ok(()) };
        let continues = *continues_with == Some(packet.sequence);
        *continues_with = Some(packet.next_sequence);
        if self.dialect.has_sequence() && (packet.sequence != 0 || continues) {
            return Ok(());
        }
        match packet.payload.first().map(|code| Command::from_byte(*code)) {
            // No client sends the first of these, and a compressed frame that holds its packets as they are looks like one.
            None | Some(Command::Sleep | Command::Unknown(_)) => return Ok(()),
            Some(_) => {}
        }
        self.state = State::Command(Footing::Trial { next_sequence: packet.next_sequence });
        self.request(packet, now, to)
    }

    /// A client's packet, while the first answer is awaited.
    pub(super) fn request_on_trial(
        &mut self,
        packet: &Packet<'_>,
        now: Now,
        to: &mut Listener<'_>,
    ) -> Result<(), Trouble> {
        let belongs_to_answer = self.awaits_file_content() || self.is_authenticating();
        let is_request = !self.dialect.has_sequence() || packet.sequence == 0;
        match self.expect() {
            // Nothing is under way.
            None if is_request => {
                self.state = State::Command(Footing::Trial { next_sequence: packet.next_sequence });
                self.request(packet, now, to)
            }
            Some(_) if belongs_to_answer => {
                self.state = State::Command(Footing::Trial { next_sequence: packet.next_sequence });
                self.request(packet, now, to)
            }
            // That answer is complete unless an EOF follows, and the client knows.
            Some(Expect::PerhapsEof { then }) if is_request && then.is_nothing() => {
                self.state = State::Command(Footing::Firm);
                self.request(packet, now, to)
            }
            _ => {
                if is_request {
                    self.request(packet, now, to)?;
                }
                self.seek_again(Some(packet.next_sequence), UnknownOutcome::Gap, now, to);
                Ok(())
            }
        }
    }

    /// A server's packet, which may be the first answer's.
    pub(super) fn response_on_trial(
        &mut self,
        packet: &Packet<'_>,
        now: Now,
        to: &mut Listener<'_>,
    ) -> Result<(), Trouble> {
        let State::Command(Footing::Trial { next_sequence }) = &mut self.state else { return Ok(()) };
        if self.requests.current.is_none() || (self.dialect.has_sequence() && packet.sequence != *next_sequence) {
            // Of no request that was seen, or an error that answers none.
            let continues_with = Some(*next_sequence);
            self.seek_again(continues_with, UnknownOutcome::Gap, now, to);
            return Ok(());
        }
        *next_sequence = packet.next_sequence;
        self.response(packet, now, to)?;
        if self.requests.current.is_none() {
            self.dialect.found_out(CapabilityFlags::COMPRESS, self.dialect.algorithm().is_some());
            self.state = match self.state {
                State::Command(_) => State::Command(Footing::Firm),
                _ => return Ok(()),
            };
        }
        Ok(())
    }

    /// What is under way has an unknown outcome, and what it may have changed is not known any more.
    pub(super) fn seek_again(
        &mut self,
        continues_with: Option<u8>,
        reason: UnknownOutcome<'static>,
        now: Now,
        to: &mut Listener<'_>,
    ) {
        if self.requests.has(|kind| matches!(kind, RequestKind::ChangeUser(_))) {
            self.facts.user = None;
            self.facts.login_database = None;
        }
        self.end_all(reason, now, to);
        self.facts.forget_what_changes();
        self.multi_statements = None;
        if self.client == ClientSide::RefusedFile {
            self.client = ClientSide::Requests;
        }
        self.state = State::Seeking { continues_with };
    }
}
