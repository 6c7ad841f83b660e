//! A question of the proxy's own, put to the server right after the login: what the session's time zone, isolation level and `sql_mode` are.
//!
//! The answer is read like that of a client's `SELECT @@..`, but it is no statement: nothing is told of it, and it counts as none.

use super::exchange::{Exchange, Footing, State};
use super::listener::SessionListener;
use super::observer::{Observer, PACKET_LIMIT};
use super::outcome::ProbeAnswer;
use super::request::{Request, RequestKind};
use super::sight::{Side, SightLoss, Trouble};
use super::time::Now;
use crate::mysql::sql::Flavor;
use crate::mysql::wire::{CapabilityFlags, Keep, write_frame, write_packet};

/// COM_QUERY.
const QUERY: u8 = 0x03;

/// The first MariaDB and the first MySQL that know `@@transaction_isolation`.
const MARIADB_SINCE: u32 = 11_01_01;
const MYSQL_SINCE: u32 = 5_07_20;

impl Observer {
    /// Begins the probe: returns the bytes that the server is to be sent before anything else of the client's.
    ///
    /// `None` if this is not a session's very beginning, or not one that is understood. From now on the server's bytes are for
    /// [`Self::probe_bytes`], until that says that the answer is there; the client's may come meanwhile.
    pub fn begin_probe(&mut self, now: Now) -> Option<Vec<u8>> {
        let is_beginning = matches!(self.exchange.state, State::Command(Footing::Firm))
            && self.exchange.commands == 0
            && !self.exchange.is_busy()
            && !self.client.is_mid_packet();
        if !is_beginning {
            return None;
        }
        let text = self.exchange.probe_text();
        let mut payload = vec![QUERY];
        if self.exchange.dialect.in_force().contains(CapabilityFlags::QUERY_ATTRIBUTES) {
            // No attributes, in one set.
            payload.extend([0, 1]);
        }
        payload.extend_from_slice(text.as_bytes());
        let mut packet = Vec::new();
        write_packet(&mut packet, &payload, 0);
        self.exchange.begin_probe(text, now);
        if !self.client.is_compressed() {
            return Some(packet);
        }
        let mut frame = Vec::new();
        write_frame(&mut frame, &packet, 0, 0);
        Some(frame)
    }

    /// Bytes that the server sent while the probe's answer is awaited: how many of them belong to the answer, and how far that is. The rest
    /// is what the client is to see.
    ///
    /// Without [`Self::is_following`] afterwards, where the answer ends is not known.
    pub fn probe_bytes(&mut self, mut bytes: &[u8], now: Now, to: &mut dyn SessionListener) -> (usize, ProbeAnswer) {
        let length = bytes.len();
        let (server, exchange) = (&mut self.server, &mut self.exchange);
        let keep = |_: &Exchange| Keep::UpTo(PACKET_LIMIT);
        let handled = server.packets(&mut bytes, now, exchange, keep, |exchange, packet| {
            exchange.server_packet(packet, now, to)?;
            Ok(exchange.is_following() && exchange.probe_answer() == ProbeAnswer::Awaited)
        });
        let result = match handled {
            Ok(left) if left > 0 => {
                Err(Trouble { loss: SightLoss::Compression, what: "more than one answer in a compressed frame" })
            }
            other => other.map(|_| ()),
        };
        let used = length - bytes.len();
        self.server.offset += used as u64;
        if let Err(trouble) = result {
            self.lose(trouble, Side::Server, None, now, to);
        }
        (used, self.exchange.probe_answer())
    }

    /// Whether the server, in the middle of the login, waits for the client: not so once it has its answer and has yet to say OK.
    pub fn login_awaits_client(&self) -> bool {
        matches!(self.exchange.state, State::Authentication { awaits_client: true, .. })
    }
}

impl Exchange {
    /// The variables' names are those of the server.
    fn probe_text(&self) -> &'static str {
        let since = if self.facts.flavor == Some(Flavor::MariaDb) { MARIADB_SINCE } else { MYSQL_SINCE };
        if self.facts.version.is_some_and(|version| version < since) {
            "SELECT @@session.time_zone, @@tx_isolation, @@sql_mode"
        } else {
            "SELECT @@session.time_zone, @@transaction_isolation, @@sql_mode"
        }
    }

    fn begin_probe(&mut self, text: &str, now: Now) {
        self.requests.answer(Request {
            kind: RequestKind::Probe,
            number: 0,
            code: QUERY,
            body: text.as_bytes().to_vec(),
            length: text.len() as u64 + 1,
            truncated: false,
            started: now,
            times: 1,
            reading: self.facts.reading(),
        });
        self.probe = Some(ProbeAnswer::Awaited);
    }

    /// The probe's only result.
    pub(super) fn probed(&mut self, error: Option<u16>) {
        self.probe = Some(error.map_or(ProbeAnswer::Complete, ProbeAnswer::Refused));
    }

    fn probe_answer(&self) -> ProbeAnswer {
        self.probe.unwrap_or(ProbeAnswer::Complete)
    }
}
