//! What comes after column and parameter definitions, an EOF in front of it or not.

use super::exchange::Exchange;
use super::listener::Listener;
use super::outcome::Outcome;
use super::progress::{AfterDefinitions, Expect};
use super::sight::Trouble;
use super::time::Now;
use crate::mysql::wire::{CapabilityFlags, EofPacket, Malformed, OkPacket, Packet, RowEnd, StatusFlags};

impl Exchange {
    /// What comes after definitions, an EOF in front of it or not.
    pub(super) fn definitions_end(
        &mut self,
        then: AfterDefinitions,
        now: Now,
        to: &mut Listener<'_>,
    ) -> Result<(), Trouble> {
        let is_open = self.dialect.is_unknown(CapabilityFlags::DEPRECATE_EOF);
        if !is_open && self.dialect.in_force().contains(CapabilityFlags::DEPRECATE_EOF) {
            return self.after_definitions(then, now, to);
        }
        if let Some(current) = self.requests.current.as_mut() {
            current.progress.expect =
                if is_open { Expect::PerhapsEof { then } } else { Expect::DefinitionsEof { then } };
        }
        Ok(())
    }

    pub(super) fn definitions_eof(
        &mut self,
        packet: &Packet<'_>,
        then: AfterDefinitions,
        now: Now,
        to: &mut Listener<'_>,
    ) -> Result<(), Trouble> {
        let eof = match packet.payload {
            [0xfe, ..] if packet.length < EofPacket::BELOW => EofPacket::parse(packet.payload)?,
            // See `PerhapsOk`: without `CLIENT_DEPRECATE_EOF` there is no doubt.
            [0x00, ..] if then == AfterDefinitions::Rows => {
                let end = RowEnd::Ok(OkPacket::parse(packet.payload, self.dialect.in_force())?);
                return self.result(Outcome::Rows { count: 0, end: Some(end) }, now, to);
            }
            _ => return Err(Malformed("packet after column definitions, where an EOF is due").into()),
        };
        let Some(current) = self.requests.current.as_mut() else { return Ok(()) };
        if then == AfterDefinitions::Rows && eof.status.contains(StatusFlags::PS_OUT_PARAMS) {
            // MySQL says it here and not after the row (`Protocol_binary::send_parameters`); an OK of the CALL follows.
            current.progress.more_announced = eof.status.contains(StatusFlags::MORE_RESULTS_EXISTS);
        }
        if then == AfterDefinitions::Rows && current.request.opens_cursor(eof.status) {
            return self.result(Outcome::Rows { count: 0, end: Some(RowEnd::Eof(eof)) }, now, to);
        }
        self.after_definitions(then, now, to)
    }

    /// Whether what is answered is an execution that asks for a cursor.
    fn wants_cursor(&self) -> bool {
        self.requests.current.as_ref().is_some_and(|current| current.request.wants_cursor())
    }

    /// What comes after definitions shows which dialect it is.
    pub(super) fn perhaps_eof(
        &mut self,
        packet: &Packet<'_>,
        then: AfterDefinitions,
        now: Now,
        to: &mut Listener<'_>,
    ) -> Result<(), Trouble> {
        // An OK packet has seven bytes or more, and so has a definition; a row that begins so is longer than 16 MiB.
        const EOF_LENGTH: u64 = 5;
        if packet.payload.first() == Some(&0xfe) && packet.length == EOF_LENGTH {
            // One that opens a cursor is the same in both.
            if !self.wants_cursor() {
                self.dialect.found_out(CapabilityFlags::DEPRECATE_EOF, false);
            }
            return self.definitions_eof(packet, then, now, to);
        }
        if then == AfterDefinitions::Rows && self.holds_perhaps_ok(packet, now) {
            return Ok(());
        }
        self.dialect.found_out(CapabilityFlags::DEPRECATE_EOF, true);
        self.after_definitions(then, now, to)?;
        self.begin_waiting(to);
        self.response_packet(packet, now, to)
    }

    pub(super) fn after_definitions(
        &mut self,
        then: AfterDefinitions,
        now: Now,
        to: &mut Listener<'_>,
    ) -> Result<(), Trouble> {
        let had_eof = !self.dialect.in_force().contains(CapabilityFlags::DEPRECATE_EOF);
        let expect = match then {
            // Where an EOF has ended the definitions, an OK cannot follow any more.
            AfterDefinitions::Rows if !had_eof && self.may_be_ok_for_rows() => Expect::RowsOrOk,
            AfterDefinitions::Rows => Expect::Rows,
            AfterDefinitions::Prepared(prepare) => return self.prepared(prepare, now, to),
            AfterDefinitions::PreparedColumns(prepare) if prepare.columns == 0 => {
                return self.prepared(prepare, now, to);
            }
            AfterDefinitions::PreparedColumns(prepare) => {
                let left = u64::from(prepare.columns);
                Expect::Definitions { left, then: AfterDefinitions::Prepared(prepare) }
            }
            AfterDefinitions::SecondEof(prepare) => {
                return self.definitions_end(AfterDefinitions::Prepared(prepare), now, to);
            }
        };
        if let Some(current) = self.requests.current.as_mut() {
            current.progress.expect = expect;
        }
        Ok(())
    }
}
