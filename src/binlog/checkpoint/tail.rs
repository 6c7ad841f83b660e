//! What the last events before a place were: a binlog that was begun again, or is another server's or a restored one, has others there.

use serde::{Deserialize, Serialize};

use crate::binlog::event::event_type::EventType;
use crate::binlog::event::header::{CHECKSUM_LENGTH, EventHeader, HEADER_LENGTH};

/// So many bytes of events are compared at least, where there are as many.
const STRIDE: u64 = 64 * 1024;
/// Of each event its header counts, and this many bytes of its body: GTID, commit time and number are among them, and the first rows.
const BODY_BYTES: usize = 256;

/// The events of a file from one place up to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tail {
    /// Where the first of them begins.
    pub from: u64,
    /// What they are, and when the file was begun.
    pub digest: u32,
}

/// Follows the events of a stream, for the [`Tail`] of each place.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TailReader {
    /// When the file was begun, in seconds, as its format description says.
    begun: u32,
    /// That of the place, and one with fewer events, to replace it when it has become long. None before the first event, where nothing
    /// is known of what comes before.
    tails: Option<(Tail, Tail)>,
    /// The end of the last event.
    end: u64,
}

impl TailReader {
    /// Nothing is known of what came before.
    pub(crate) fn restart(&mut self) {
        self.tails = None;
    }

    /// Takes an event whose end is at `end`; `has_checksum` where it ends with one.
    pub(crate) fn event(&mut self, header: &EventHeader, event: &[u8], has_checksum: bool, end: u64) {
        use EventType as T;
        if header.event_type == T::FormatDescription {
            // Its flags, `created` and its position are not the same in the file and in the stream; its time is.
            self.begun = header.timestamp;
            return;
        }
        if !header.is_in_file() || is_heartbeat(header) {
            return;
        }
        let begin = end.saturating_sub(u64::from(header.length));
        if begin != self.end {
            // Another file, or events were left out: what is read from the file again would have them.
            self.tails = None;
        }
        self.end = end;
        let new = Tail { from: begin, digest: self.begun };
        let (long, short) = self.tails.get_or_insert((new, new));
        if begin.saturating_sub(short.from) >= STRIDE {
            *long = std::mem::replace(short, new);
        }
        let Some(hash) = hash(header, event, has_checksum) else { return };
        long.add(hash);
        short.add(hash);
    }

    /// What the events before the place are, if the last of them ends there.
    pub(crate) fn at(&self, place: u64) -> Option<Tail> {
        self.tails.map(|(long, _)| long).filter(|_| self.end == place)
    }
}

impl Tail {
    fn add(&mut self, hash: u32) {
        // FNV-1a's prime.
        self.digest = (self.digest ^ hash).wrapping_mul(0x0100_0193).rotate_left(5);
    }
}

/// Compares the events of a stream that begins where a [`Tail`] does with those it was made of.
#[derive(Debug)]
pub(crate) struct TailCheck {
    wanted: Tail,
    found: Tail,
    has_begun: bool,
    is_relay_log: bool,
    /// Where the tail ends.
    place: u64,
}

/// How the comparison stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compared {
    /// The place is not reached.
    Going,
    Same,
    Different,
}

impl TailCheck {
    pub(crate) fn new(wanted: Tail, place: u64) -> Self {
        Self { wanted, found: Tail { from: wanted.from, digest: 0 }, has_begun: false, is_relay_log: false, place }
    }

    /// Where the events that are compared begin.
    pub(crate) fn begins(&self) -> u64 {
        self.wanted.from
    }

    /// Where they end.
    pub(crate) fn place(&self) -> u64 {
        self.place
    }

    /// Takes an event whose end is at `end`.
    pub(crate) fn event(&mut self, header: &EventHeader, event: &[u8], has_checksum: bool, end: u64) -> Compared {
        if header.event_type == EventType::FormatDescription && !self.has_begun {
            self.found.digest = header.timestamp;
            self.is_relay_log = header.flags & EventHeader::RELAY_LOG != 0;
        }
        // Its positions are those of the log that it copies.
        if self.is_relay_log
            || is_heartbeat(header)
            || !header.is_in_file()
            || header.event_type == EventType::FormatDescription
        {
            return Compared::Going;
        }
        self.has_begun = true;
        if end.saturating_sub(u64::from(header.length)) < self.wanted.from {
            return Compared::Going;
        }
        if let Some(hash) = hash(header, event, has_checksum) {
            self.found.add(hash);
        }
        match end.cmp(&self.place) {
            std::cmp::Ordering::Less => Compared::Going,
            std::cmp::Ordering::Equal if self.found == self.wanted => Compared::Same,
            _ => Compared::Different,
        }
    }
}

/// It says where the server is, and is in no file itself.
fn is_heartbeat(header: &EventHeader) -> bool {
    matches!(header.event_type, EventType::Heartbeat | EventType::HeartbeatV2)
}

/// What of an event is the same whenever and however it is read: not its length and position, which depend on whether the server sends
/// checksums, nor its flags.
fn hash(header: &EventHeader, event: &[u8], has_checksum: bool) -> Option<u32> {
    use EventType as T;
    if matches!(header.event_type, T::PreviousGtids | T::GtidList | T::StartEncryption | T::Rotate) {
        // A stream may have them in another form.
        return None;
    }
    const TIME_TYPE_SERVER: usize = 9;
    let end = if has_checksum { event.len().saturating_sub(CHECKSUM_LENGTH) } else { event.len() };
    let body = event.get(HEADER_LENGTH..end).unwrap_or_default();
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(event.get(..TIME_TYPE_SERVER).unwrap_or_default());
    hasher.update(&(body.len() as u64).to_le_bytes());
    hasher.update(body.get(..BODY_BYTES).unwrap_or(body));
    Some(hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Log {
        reader: TailReader,
        at: u64,
        events: Vec<(u64, Vec<u8>, bool)>,
    }

    impl Log {
        fn begun(seconds: u32) -> Self {
            Self { reader: TailReader { begun: seconds, ..TailReader::default() }, at: 4, events: Vec::new() }
        }

        fn query(&mut self, body: &[u8], checksum: Option<[u8; 4]>) {
            let length = (HEADER_LENGTH + body.len() + checksum.map_or(0, |_| 4)) as u32;
            let begin = self.at;
            self.at += u64::from(length);
            let mut event = vec![1, 0, 0, 0, 2, 7, 0, 0, 0];
            event.extend(length.to_le_bytes());
            event.extend((self.at as u32).to_le_bytes());
            event.extend([0; 2]);
            event.extend(body);
            event.extend(checksum.iter().flatten());
            let header = EventHeader::parse(&event).unwrap();
            self.reader.event(&header, &event, checksum.is_some(), self.at);
            self.events.push((begin, event, checksum.is_some()));
        }

        fn tail(&self) -> Tail {
            self.reader.at(self.at).unwrap()
        }

        /// What this log's events are to one who looks for that tail.
        fn compare(&self, tail: Tail, place: u64) -> Compared {
            let mut check = TailCheck::new(tail, place);
            let format = EventHeader {
                timestamp: self.reader.begun,
                event_type: EventType::FormatDescription,
                server_id: 1,
                length: 100,
                next_position: 0,
                flags: 0,
            };
            check.event(&format, &[], false, 4);
            for (_, event, has_checksum) in self.events.iter().filter(|(begin, _, _)| *begin >= tail.from) {
                let header = EventHeader::parse(event).unwrap();
                let end = u64::from(header.next_position);
                match check.event(&header, event, *has_checksum, end) {
                    Compared::Going => {}
                    compared => return compared,
                }
            }
            Compared::Going
        }
    }

    fn log(seconds: u32, bodies: &[&[u8]]) -> Log {
        let mut log = Log::begun(seconds);
        bodies.iter().for_each(|body| log.query(body, None));
        log
    }

    #[test]
    fn other_events_in_the_same_places_are_different() {
        let known = log(9, &[b"one", b"two", b"six"]);
        let (tail, place) = (known.tail(), known.at);
        assert_eq!(known.compare(tail, place), Compared::Same);
        for (seconds, bodies, compared) in [
            (9, &[&b"one"[..], b"two", b"six", b"ten"][..], Compared::Same),
            (9, &[b"one", b"ten", b"six"], Compared::Different),
            (8, &[b"one", b"two", b"six"], Compared::Different),
            (9, &[b"one", b"two", b"seven"], Compared::Different),
            (9, &[b"one", b"two"], Compared::Going),
        ] {
            assert_eq!(log(seconds, bodies).compare(tail, place), compared, "{seconds} {bodies:?}");
        }
    }

    #[test]
    fn checksums_that_are_sent_or_not_make_no_difference() {
        let digest = |checksum| {
            let mut log = Log::begun(1);
            log.query(b"one", checksum);
            log.tail().digest
        };
        assert_eq!(digest(None), digest(Some(*b"1234")));
    }

    #[test]
    fn it_is_compared_from_where_it_begins() {
        let mut log = Log::begun(1);
        for number in 0..2000_u64 {
            log.query(&[number as u8; 200], None);
            let (tail, at) = (log.tail(), log.at);
            assert!(at - tail.from >= STRIDE || tail.from == 4);
            assert!(at - tail.from <= 3 * STRIDE);
            if number % 97 == 0 {
                assert_eq!(log.compare(tail, at), Compared::Same, "{number}");
            }
        }
        assert_eq!(log.reader.at(log.at + 1), None);
    }

    #[test]
    fn heartbeats_change_nothing() {
        let mut log = log(9, &[b"one", b"two"]);
        let tail = log.tail();
        let heartbeat = EventHeader {
            timestamp: 0,
            event_type: EventType::HeartbeatV2,
            server_id: 7,
            length: 50,
            next_position: log.at as u32,
            flags: 0,
        };
        log.reader.event(&heartbeat, &[0; 50], false, log.at);
        assert_eq!(log.tail(), tail);
        assert_eq!(TailCheck::new(tail, log.at).event(&heartbeat, &[0; 50], false, log.at), Compared::Going);
    }

    #[test]
    fn events_that_are_left_out_begin_another() {
        let mut log = Log::begun(1);
        log.query(b"one", None);
        log.at += 1000;
        let begin = log.at;
        log.query(b"two", None);
        assert_eq!(log.tail().from, begin);
    }
}
