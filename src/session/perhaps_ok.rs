//! An OK in place of rows: see [`PerhapsOk`].

use super::exchange::Exchange;
use super::listener::Listener;
use super::outcome::Outcome;
use super::progress::{Expect, PerhapsOk};
use super::request::RequestKind;
use super::sight::Trouble;
use super::time::Now;
use crate::mysql::wire::{CapabilityFlags, OkPacket, Packet, RowEnd};

impl Exchange {
    /// Whether what is answered is an execution that an OK may answer where rows are due.
    pub(super) fn may_be_ok_for_rows(&self) -> bool {
        self.requests.current.as_ref().is_some_and(
            |current| matches!(&current.request.kind, RequestKind::Execute(execution) if execution.had_cursor),
        )
    }

    /// Keeps the packet until the next one tells what it is, if it may be either.
    pub(super) fn holds_perhaps_ok(&mut self, packet: &Packet<'_>, now: Now) -> bool {
        if !self.may_be_ok_for_rows() || OkPacket::parse(packet.payload, self.dialect.in_force()).is_err() {
            return false;
        }
        let (Some(held), Some(current)) = (PerhapsOk::new(packet, now), self.requests.current.as_mut()) else {
            return false;
        };
        current.progress.perhaps_ok = Some(Box::new(held));
        current.progress.expect = Expect::AfterPerhapsOk;
        true
    }

    /// The first packet after definitions.
    pub(super) fn row_or_ok(&mut self, packet: &Packet<'_>, now: Now, to: &mut Listener<'_>) -> Result<(), Trouble> {
        if self.holds_perhaps_ok(packet, now) {
            return Ok(());
        }
        self.expect_rows();
        self.response_packet(packet, now, to)
    }

    /// The packet after one that was a row or an OK.
    pub(super) fn after_perhaps_ok(
        &mut self,
        packet: &Packet<'_>,
        now: Now,
        to: &mut Listener<'_>,
    ) -> Result<(), Trouble> {
        let Some(current) = self.requests.current.as_mut() else { return Ok(()) };
        let Some(held) = current.progress.perhaps_ok.take() else { return Ok(()) };
        if held.is_row_before(packet, self.dialect.has_sequence()) {
            if self.dialect.is_unknown(CapabilityFlags::DEPRECATE_EOF) {
                self.dialect.found_out(CapabilityFlags::DEPRECATE_EOF, true);
            }
            self.expect_rows();
            self.row(&held.as_packet(), to);
        } else {
            self.end_with_ok(&held, to)?;
            self.begin_waiting(to);
        }
        self.response_packet(packet, now, to)
    }

    /// Nothing came after a packet that was a row or an OK, and nothing will.
    pub(super) fn settle_perhaps_ok(&mut self, to: &mut Listener<'_>) {
        let held = self.requests.current.as_mut().and_then(|current| current.progress.perhaps_ok.take());
        if let Some(held) = held
            && self.end_with_ok(&held, to).is_ok()
        {
            self.begin_waiting(to);
        }
    }

    fn end_with_ok(&mut self, held: &PerhapsOk, to: &mut Listener<'_>) -> Result<(), Trouble> {
        let end = RowEnd::Ok(OkPacket::parse(&held.payload, self.dialect.in_force())?);
        self.result(Outcome::Rows { count: 0, end: Some(end) }, held.now, to)
    }

    fn expect_rows(&mut self) {
        if let Some(current) = self.requests.current.as_mut() {
            current.progress.expect = Expect::Rows;
        }
    }
}
