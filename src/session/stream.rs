//! One direction's way from bytes to packets.

use super::sight::{SightLoss, Trouble};
use super::time::Now;
use crate::mysql::wire::{Algorithm, Decompressor, Framer, Keep, Malformed, Packet};

#[derive(Debug, Default)]
pub(super) struct Stream {
    framer: Framer,
    decompressor: Option<Box<Decompressor>>,
    pub(super) offset: u64,
    /// The sequence id that continues this direction's last packet.
    pub(super) next_sequence: u8,
}

impl Stream {
    /// From here on the bytes are compressed, or not.
    pub(super) fn compress(&mut self, algorithm: Option<Algorithm>) {
        self.decompressor = algorithm.map(|algorithm| Box::new(Decompressor::new(algorithm)));
    }

    /// The next byte begins a packet, whatever came before.
    pub(super) fn begin_again(&mut self) {
        self.framer = Framer::default();
        if let Some(decompressor) = &mut self.decompressor {
            **decompressor = Decompressor::new(decompressor.algorithm());
        }
    }

    pub(super) fn is_compressed(&self) -> bool {
        self.decompressor.is_some()
    }

    pub(super) fn is_mid_packet(&self) -> bool {
        self.framer.is_mid_packet()
    }

    /// What has been collected of the packet under way, and when it began.
    pub(super) fn partial(&self) -> Option<(&[u8], u64)> {
        self.framer.partial()
    }

    /// Bytes of the packet under way are missing; false if there are more of them than of that packet, or their content is not at all known.
    pub(super) fn skip(&mut self, count: u64) -> bool {
        !self.is_compressed() && self.framer.skip(count)
    }

    /// Memory is given back; what has been counted stays.
    pub(super) fn stop(&mut self) {
        *self = Self { offset: self.offset, ..Self::default() };
    }

    /// Bytes of memory in use, for tests.
    #[cfg(any(test, fuzzing))]
    pub(super) fn kept_bytes(&self) -> usize {
        self.framer.kept_bytes() + self.decompressor.as_ref().map_or(0, |decompressor| decompressor.kept_bytes())
    }

    /// Cuts `bytes` into packets until they are used up, or `handle` says that no more is wanted; then the rest is left in `bytes`.
    ///
    /// Returns how much of a compressed frame's content was not wanted: it is gone, because `bytes` can be cut between frames only.
    #[inline]
    pub(super) fn packets<S>(
        &mut self,
        bytes: &mut &[u8],
        now: Now,
        state: &mut S,
        keep: impl Fn(&S) -> Keep,
        mut handle: impl FnMut(&mut S, &Packet<'_>) -> Result<bool, Trouble>,
    ) -> Result<usize, Trouble> {
        let Self { framer, decompressor, next_sequence, .. } = self;
        let mut frames = |plain: &mut &[u8], state: &mut S| -> Result<bool, Trouble> {
            while let Some(packet) = framer.next(plain, keep(state), now.monotonic_ns) {
                *next_sequence = packet.next_sequence;
                if !handle(state, &packet)? {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        match decompressor {
            None => {
                frames(bytes, state)?;
            }
            Some(decompressor) => {
                let corrupt = |Malformed(what)| Trouble { loss: SightLoss::Compression, what };
                while let Some(mut plain) = decompressor.next(bytes).map_err(corrupt)? {
                    if !frames(&mut plain, state)? {
                        return Ok(plain.len());
                    }
                }
            }
        }
        Ok(0)
    }
}
