//! How a session's packets are read: what both sides agreed on, or as much of it as is known.

use super::sight::SightLoss;
use super::sight::Trouble;
use crate::mysql::wire::{Algorithm, CapabilityFlags, ExecuteFlags, ExecutePacket, Malformed, query_text_at};

/// The capabilities in force. In a session that is seen from its middle some may have to be found out from what passes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Dialect {
    /// What packets are read by. Of what is not known, the reading that is right in both cases.
    in_force: CapabilityFlags,
    /// Which of [`Self::FOUND_OUT`] are not known yet.
    unknown: CapabilityFlags,
}

impl Dialect {
    /// What makes a difference, and shows in what passes.
    const FOUND_OUT: CapabilityFlags = CapabilityFlags::DEPRECATE_EOF
        .union(CapabilityFlags::QUERY_ATTRIBUTES)
        .union(CapabilityFlags::MULTI_STATEMENTS)
        .union(CapabilityFlags::COMPRESS);

    pub(super) fn known(in_force: CapabilityFlags) -> Self {
        Self { in_force, unknown: CapabilityFlags::empty() }
    }

    /// Nothing is known but that both sides are newer than MySQL 4.1.
    ///
    /// With optional metadata a packet has one byte more, which is read if it is there. With session tracking an OK packet has more at
    /// its end if its status says so, which without it never does. With `DEPRECATE_EOF` what is no row is an OK packet unless it is as
    /// short as an EOF packet, and without it those are the only ones there are.
    pub(super) fn unknown() -> Self {
        let read_by = CapabilityFlags::PROTOCOL_41
            | CapabilityFlags::SECURE_CONNECTION
            | CapabilityFlags::PLUGIN_AUTH
            | CapabilityFlags::SESSION_TRACK
            | CapabilityFlags::OPTIONAL_RESULTSET_METADATA
            | CapabilityFlags::MARIADB_CACHE_METADATA
            | CapabilityFlags::DEPRECATE_EOF;
        Self { in_force: read_by, unknown: Self::FOUND_OUT }
    }

    #[inline]
    pub(super) fn in_force(&self) -> CapabilityFlags {
        self.in_force
    }

    pub(super) fn is_unknown(&self, capability: CapabilityFlags) -> bool {
        self.unknown.intersects(capability)
    }

    /// What passed shows whether a capability is in force.
    pub(super) fn found_out(&mut self, capability: CapabilityFlags, is_in_force: bool) {
        self.unknown.remove(capability);
        self.in_force.set(capability, is_in_force);
    }

    /// Whether packets are told apart by their sequence ids: what does not begin with 0 is no request. In compressed sessions servers look at
    /// the frames' ids alone.
    pub(super) fn has_sequence(&self) -> bool {
        self.algorithm().is_none()
    }

    pub(super) fn algorithm(&self) -> Option<Algorithm> {
        Algorithm::negotiated(self.in_force)
    }

    /// Where the text begins in the body of a COM_QUERY.
    pub(super) fn query_text_at(&mut self, body: &[u8]) -> Result<usize, Malformed> {
        if self.is_unknown(CapabilityFlags::QUERY_ATTRIBUTES) {
            // In front of a text there is a number of attributes, mostly 0, and then always 1.
            match body {
                [0..b' ', 1, ..] => self.found_out(CapabilityFlags::QUERY_ATTRIBUTES, true),
                [_, 1, ..] => return Err(Malformed("text, or a number of query attributes")),
                _ => self.found_out(CapabilityFlags::QUERY_ATTRIBUTES, false),
            }
        }
        query_text_at(body, self.in_force)
    }

    /// Parameters of a COM_STMT_EXECUTE.
    pub(super) fn execute_packet(&mut self, body: &[u8], params: usize) -> Result<ExecutePacket, Malformed> {
        if self.is_unknown(CapabilityFlags::QUERY_ATTRIBUTES) {
            let (_, flags) = ExecutePacket::statement_id(body)?;
            if flags.contains(ExecuteFlags::PARAMETER_COUNT_AVAILABLE) {
                self.found_out(CapabilityFlags::QUERY_ATTRIBUTES, true);
            } else if params > 0 {
                return Err(Malformed("parameters, with query attributes or without"));
            }
        }
        ExecutePacket::parse(body, params, self.in_force)
    }

    /// Whether a text may be several statements. `several`: it was answered as only several are, or a CALL.
    pub(super) fn allows_several(&mut self, several: bool) -> bool {
        if several && self.is_unknown(CapabilityFlags::MULTI_STATEMENTS) {
            self.found_out(CapabilityFlags::MULTI_STATEMENTS, true);
        }
        self.in_force.contains(CapabilityFlags::MULTI_STATEMENTS)
    }

    /// The server answers a request. Until a request and its answer were packets of their own, one may take compressed frames for packets:
    /// those are longer than they look, so that the request would seem to go on.
    #[inline]
    pub(super) fn answered(&mut self, is_client_mid_packet: bool) -> Result<(), Trouble> {
        if !self.is_unknown(CapabilityFlags::COMPRESS) {
            return Ok(());
        }
        if is_client_mid_packet {
            let what =
                "seen from the middle, it does not consist of plain packets: compressed, encrypted, or not MySQL";
            return Err(Trouble { loss: SightLoss::MidSession, what });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_found_out_by_what_no_text_begins_with() {
        let mut with = Dialect::unknown();
        assert_eq!(with.query_text_at(b"\x00\x01SELECT 1"), Ok(2));
        assert_eq!(with.query_text_at(b"\x01\x01\x00\x01\xfe\x00\x05trace\x02idSELECT 1"), Ok(15));
        let mut without = Dialect::unknown();
        assert_eq!(without.query_text_at(b"SELECT 1"), Ok(0));
        assert!(!without.is_unknown(CapabilityFlags::QUERY_ATTRIBUTES));
        let mut unclear = Dialect::unknown();
        assert!(unclear.query_text_at(b"S\x01").is_err() && unclear.is_unknown(CapabilityFlags::QUERY_ATTRIBUTES));
    }

    #[test]
    fn parameters_wait_until_it_is_known_how_they_are_sent() {
        let body = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0b1, 0];
        assert!(Dialect::unknown().execute_packet(&body, 1).is_err());
        let mut without = Dialect::unknown();
        without.query_text_at(b"SELECT 1").unwrap();
        assert!(without.execute_packet(&body, 1).is_ok());
        let with = [1, 0, 0, 0, 8, 1, 0, 0, 0, 1, 0b1, 0];
        let mut dialect = Dialect::unknown();
        assert!(dialect.execute_packet(&with, 1).is_ok() && !dialect.is_unknown(CapabilityFlags::QUERY_ATTRIBUTES));
    }
}
