//! Where a client's login ends and its first request begins, where something has to be put in between.

use crate::mysql::wire::PacketHeader;
use crate::proxy::pump::{Change, Shown};
use crate::proxy::tap::Tap;
use crate::session::Now;

/// Lets a login pass and holds back from the first request on: that is the first packet with sequence id 0, a compressed frame too.
#[derive(Debug)]
pub(in crate::proxy) struct LoginGuard {
    header: [u8; PacketHeader::LENGTH],
    header_length: usize,
    /// Bytes of the packet under way that are still to come.
    missing: usize,
    /// The login itself is no request, whatever its sequence id.
    awaits_login: bool,
    /// Bytes that were read, and belong after the probe.
    held: Vec<u8>,
    held_since: Now,
}

impl LoginGuard {
    /// `login_passed`: the client's login was read and let pass before.
    pub(in crate::proxy) fn new(login_passed: bool) -> Self {
        Self {
            header: [0; PacketHeader::LENGTH],
            header_length: 0,
            missing: 0,
            awaits_login: !login_passed,
            held: Vec::new(),
            held_since: Now::default(),
        }
    }

    /// Whether a request is held back. Nothing more is to be read then.
    pub(super) fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// What was held back, and when it was read.
    pub(super) fn release(&mut self) -> (Vec<u8>, Now) {
        let mut held = std::mem::take(&mut self.held);
        held.extend_from_slice(self.header.get(..self.header_length).unwrap_or_default());
        self.header_length = 0;
        (held, self.held_since)
    }

    /// Appends to `out` what is the login's of `bytes`, which were read at `now`. A header that is cut waits for its rest.
    pub(super) fn pass(&mut self, mut bytes: &[u8], now: Now, out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            if self.missing > 0 {
                let (payload, rest) = bytes.split_at(self.missing.min(bytes.len()));
                self.missing -= payload.len();
                out.extend_from_slice(payload);
                bytes = rest;
                continue;
            }
            let (head, rest) = bytes.split_at((PacketHeader::LENGTH - self.header_length).min(bytes.len()));
            if self.header_length == 0 {
                self.held_since = now;
            }
            self.header[self.header_length..][..head.len()].copy_from_slice(head);
            self.header_length += head.len();
            bytes = rest;
            if self.header_length < PacketHeader::LENGTH {
                return;
            }
            self.header_length = 0;
            let header = PacketHeader::parse(self.header);
            if header.sequence == 0 && !self.awaits_login {
                self.held.extend_from_slice(&self.header);
                self.held.extend_from_slice(bytes);
                return;
            }
            self.awaits_login = false;
            self.missing = header.length;
            out.extend_from_slice(&self.header);
        }
    }
}

impl Change for LoginGuard {
    fn change(&mut self, bytes: &[u8], now: Now, _: &Tap, out: &mut Vec<u8>) -> Shown {
        self.pass(bytes, now, out);
        Shown::Written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_passes_and_requests_wait_however_they_are_cut() {
        let login = [&b"\x03\0\0\x01abc"[..], b"\0\0\0\x03", b"\x01\0\0\x05x"].concat();
        let ahead = b"\x01\0\0\0\x0e\x01\0\0\x07\x0e";
        let stream = [&login[..], ahead].concat();
        for cut in 0..=stream.len() {
            let mut guard = LoginGuard::new(false);
            let mut passed = Vec::new();
            guard.pass(&stream[..cut], Now::default(), &mut passed);
            // Nothing more is read once something is held.
            let later = if guard.holds() { &stream[cut..] } else { &[] };
            if !guard.holds() {
                guard.pass(&stream[cut..], Now::default(), &mut passed);
            }
            assert!(guard.holds(), "cut at {cut}");
            let (held, _) = guard.release();
            assert_eq!((passed, [&held, later].concat()), (login.clone(), ahead.to_vec()), "cut at {cut}");
        }
    }

    #[test]
    fn a_login_of_any_number_passes_and_half_a_header_is_given_back() {
        let mut guard = LoginGuard::new(false);
        let mut passed = Vec::new();
        guard.pass(b"\x01\0\0\0a\x01\0", Now::default(), &mut passed);
        assert_eq!(passed, b"\x01\0\0\0a");
        assert!(!guard.holds());
        assert_eq!(guard.release().0, b"\x01\0");
    }
}
