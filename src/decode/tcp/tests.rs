//! Connections that were captured badly: what is told of them is right, or a gap.

use super::{Connections, Ending, Limits, Opening, Servers, Streams};
use crate::decode::packet::Segment;
use crate::decode::traffic::{Sent, disturbed, ends, lossy, segments};
use crate::fuzzing::mutations::Random;
use crate::session::{Now, Side};

/// What was told, pieces of one side that follow each other joined.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    Bytes(Side, Vec<u8>),
    Gap(Side, u64),
    End(Ending),
}

#[derive(Debug, Default)]
struct Heard {
    told: Vec<Told>,
    openings: Vec<Opening>,
    /// Nothing is wanted of what comes after so many calls.
    wanted: Option<usize>,
}

impl Streams for Heard {
    type Stream = ();

    fn open(&mut self, opening: &Opening) {
        self.openings.push(*opening);
    }

    fn bytes(&mut self, (): &mut (), from: Side, bytes: &[u8], _: Now) -> bool {
        assert!(!bytes.is_empty());
        match self.told.last_mut() {
            Some(Told::Bytes(side, told)) if *side == from => told.extend_from_slice(bytes),
            _ => self.told.push(Told::Bytes(from, bytes.to_vec())),
        }
        self.wanted.is_none_or(|wanted| self.told.len() < wanted)
    }

    fn gap(&mut self, (): &mut (), from: Side, bytes: u64, _: Now) -> bool {
        self.told.push(Told::Gap(from, bytes));
        true
    }

    fn close(&mut self, (): (), ending: Ending, _: Now) {
        self.told.push(Told::End(ending));
    }
}

fn servers() -> Servers {
    Servers { ports: [3306].into(), others: false }
}

/// Time goes on by a millisecond with each segment.
fn play<'a>(sent: impl IntoIterator<Item = Segment<'a>>, limits: Limits) -> (Heard, Connections<Heard>) {
    let (mut heard, mut connections) = (Heard::default(), Connections::new(servers(), limits));
    let mut now = Now::default();
    for segment in sent {
        now.monotonic_ns += 1_000_000;
        connections.segment(&segment, now, &mut heard);
    }
    connections.finish(now, &mut heard);
    (heard, connections)
}

fn play_sent(sent: &[Sent]) -> Vec<Told> {
    play(sent.iter().map(Sent::segment), Limits::default()).0.told
}

/// A conversation: each side speaks in turn.
fn conversation(random: &mut Random) -> Vec<(Side, Vec<u8>)> {
    let turns = 1 + random.below(12);
    let said = (0..2 * turns).map(|turn| {
        let side = if turn % 2 == 0 { Side::Server } else { Side::Client };
        let most = if random.below(4) == 0 { 5000 } else { 50 };
        let length = 1 + random.below(most);
        (side, (0..length).map(|_| random.next() as u8).collect())
    });
    said.collect()
}

fn as_told(said: &[(Side, Vec<u8>)]) -> Vec<Told> {
    let mut told: Vec<_> = said.iter().map(|(side, bytes)| Told::Bytes(*side, bytes.clone())).collect();
    told.push(Told::End(Ending::Closed));
    told
}

#[test]
fn reordered_and_repeated_segments_tell_the_same() {
    for seed in 1..=400 {
        let random = &mut Random::new(seed);
        let said = conversation(random);
        let largest = 1 + random.below(1500);
        let sent = segments(&said, largest, random);
        assert_eq!(play_sent(&sent), as_told(&said), "seed {seed}");
        let window = 1 + random.below(6);
        let order = disturbed(&sent, window, random);
        let (heard, connections) = play(order.iter().map(Sent::segment), Limits::default());
        assert_eq!(heard.told, as_told(&said), "seed {seed}");
        assert_eq!((heard.openings.len(), connections.counters.begun_before), (1, 0), "seed {seed}");
    }
}

/// Bytes that are told are those that were said there, and what is not told is counted as a gap: never a wrong byte, and never an answer
/// before its question.
fn assert_true(told: &[Told], said: &[(Side, Vec<u8>)], what: &str) -> u64 {
    let whole = |wanted: Side| -> Vec<u8> {
        said.iter().filter(|(side, _)| *side == wanted).flat_map(|(_, bytes)| bytes.clone()).collect()
    };
    let (streams, mut at, mut lost) = ([whole(Side::Client), whole(Side::Server)], [0, 0], 0);
    for piece in told {
        match piece {
            Told::Bytes(side, bytes) => {
                let index = usize::from(*side == Side::Server);
                let range = at[index]..at[index] + bytes.len();
                assert_eq!(streams[index].get(range), Some(bytes.as_slice()), "{what}: {side} at {}", at[index]);
                at[index] += bytes.len();
            }
            Told::Gap(side, count) => {
                at[usize::from(*side == Side::Server)] += *count as usize;
                lost += count;
            }
            Told::End(_) => {}
        }
    }
    for (stream, at) in streams.iter().zip(at) {
        // A gap may take the end of the direction with it.
        assert!(at <= stream.len() + 1, "{what}: {at} of {}", stream.len());
    }
    lost
}

#[test]
fn lost_segments_are_gaps_and_nothing_is_wrong() {
    let mut gaps = 0;
    for seed in 1..=400 {
        let random = &mut Random::new(seed);
        let said = conversation(random);
        let largest = 1 + random.below(1500);
        let sent = segments(&said, largest, random);
        let (window, one_in) = (random.below(4), 2 + random.below(20));
        let order = lossy(disturbed(&sent, window, random), one_in, random);
        let told = play_sent(&order);
        gaps += assert_true(&told, &said, &format!("seed {seed}"));
        assert_eq!(told.last(), Some(&Told::End(Ending::Closed)), "seed {seed}");
    }
    assert!(gaps > 10_000, "the losses are to be felt: {gaps}");
}

#[test]
fn what_the_capture_has_cut_off_is_a_gap() {
    let random = &mut Random::new(7);
    let said = vec![(Side::Client, vec![1; 100]), (Side::Server, vec![2; 300])];
    let mut sent = segments(&said, 1000, random);
    for segment in sent.iter_mut().filter(|segment| segment.payload.len() > 60) {
        segment.cut = segment.payload.len() as u32 - 60;
        segment.payload.truncate(60);
    }
    let expected = vec![
        Told::Bytes(Side::Client, vec![1; 60]),
        Told::Gap(Side::Client, 40),
        Told::Bytes(Side::Server, vec![2; 60]),
        Told::Gap(Side::Server, 240),
        Told::End(Ending::Closed),
    ];
    let (heard, connections) = play(sent.iter().map(Sent::segment), Limits::default());
    assert_eq!(heard.told, expected);
    assert_eq!((connections.counters.cut_bytes, connections.counters.lost_bytes), (280, 0));
}

#[test]
fn one_direction_alone_is_told_with_the_others_gaps() {
    let random = &mut Random::new(3);
    let said: Vec<_> = (0..6)
        .map(|turn| if turn % 2 == 0 { (Side::Client, vec![turn; 10]) } else { (Side::Server, vec![turn; 20]) })
        .collect();
    let sent: Vec<_> =
        segments(&said, 1000, random).into_iter().filter(|segment| segment.from == Side::Client).collect();
    let expected = [
        Told::Bytes(Side::Client, vec![0; 10]),
        Told::Gap(Side::Server, 20),
        Told::Bytes(Side::Client, vec![2; 10]),
        Told::Gap(Side::Server, 20),
        Told::Bytes(Side::Client, vec![4; 10]),
    ];
    assert_eq!(play_sent(&sent)[..5], expected);
}

fn data(from_client: bool, sequence: u32, acknowledged: u32, payload: &[u8]) -> Segment<'_> {
    let (client, server) = ends();
    let (from, to) = if from_client { (client, server) } else { (server, client) };
    Segment {
        from,
        to,
        sequence,
        acknowledged: Some(acknowledged),
        is_syn: false,
        is_fin: false,
        is_reset: false,
        payload,
        length: payload.len() as u32,
    }
}

fn syn(sequence: u32) -> Segment<'static> {
    Segment { acknowledged: None, is_syn: true, ..data(true, sequence, 0, b"") }
}

#[test]
fn ports_are_used_again_and_a_reset_ends() {
    let reset = Segment { is_reset: true, ..data(false, 501, 104, b"") };
    let (heard, _) = play(
        [
            syn(100),
            data(true, 101, 501, b"abc"),
            // The same again is no other connection.
            syn(100),
            // Its end was not seen.
            syn(9000),
            data(true, 9001, 1, b"def"),
            Segment { sequence: 1, acknowledged: Some(9004), ..reset },
            // What is late says nothing.
            data(true, 9001, 1, b"def"),
            syn(70_000),
            data(true, 70_001, 1, b"ghi"),
        ],
        Limits::default(),
    );
    let bytes = |bytes: &[u8]| Told::Bytes(Side::Client, bytes.to_vec());
    let expected = [
        bytes(b"abc"),
        Told::End(Ending::Replaced),
        bytes(b"def"),
        Told::End(Ending::Closed),
        bytes(b"ghi"),
        Told::End(Ending::CaptureEnded),
    ];
    assert_eq!(heard.told, expected);
    assert!(heard.openings.iter().all(|opening| opening.from_beginning && opening.is_known_server));
}

#[test]
fn keepalives_and_probes_of_a_zero_window_say_nothing() {
    let (heard, connections) = play(
        [
            data(true, 101, 501, b"abc"),
            data(true, 103, 501, b"c"),
            data(true, 103, 501, b""),
            data(false, 500, 104, b"\0"),
            data(true, 104, 501, b"d"),
            data(false, 501, 104, b""),
            data(true, 104, 501, b"def"),
        ],
        Limits::default(),
    );
    assert_eq!(heard.told, [Told::Bytes(Side::Client, b"abcdef".to_vec()), Told::End(Ending::CaptureEnded)]);
    assert_eq!((connections.counters.gaps, connections.counters.begun_before), (0, 1));
    assert!(!heard.openings[0].from_beginning);
}

#[test]
fn a_hole_that_nobody_acknowledges_is_waited_for_up_to_a_minute() {
    let (mut heard, mut connections) = (Heard::default(), Connections::new(servers(), Limits::default()));
    let at = |seconds: u64| Now { monotonic_ns: seconds * 1_000_000_000, epoch_ms: 0 };
    for (segment, seconds) in [(data(true, 1, 1, b"a"), 0), (data(true, 3, 1, b"c"), 1)] {
        connections.segment(&segment, at(seconds), &mut heard);
    }
    connections.advance(at(59), &mut heard);
    assert_eq!(heard.told, [Told::Bytes(Side::Client, b"a".to_vec())]);
    connections.advance(at(62), &mut heard);
    assert_eq!(heard.told.len(), 3, "{:?}", heard.told);
    // One that is acknowledged was received, and is not sent again: a second is enough.
    connections.segment(&data(true, 5, 1, b"e"), at(70), &mut heard);
    connections.segment(&data(false, 1, 6, b""), at(70), &mut heard);
    connections.advance(at(71), &mut heard);
    assert_eq!(heard.told[3..], [Told::Gap(Side::Client, 1), Told::Bytes(Side::Client, b"e".to_vec())]);
}

#[test]
fn what_waits_is_bounded() {
    let limits = Limits { connections: 3, bytes: 100_000, bytes_together: 150_000 };
    let (mut heard, mut connections) = (Heard::default(), Connections::new(servers(), limits));
    let payload = [7; 1000];
    for round in 0..500_u32 {
        for port in 0..5 {
            let from = std::net::SocketAddr::from(([10, 0, 0, 1], 1000 + port));
            // The first byte never comes.
            let segment = Segment { from, ..data(true, if round == 0 { 1 } else { 1 + round * 1000 }, 1, &payload) };
            let segment = if round == 0 { Segment { payload: &payload[..10], length: 10, ..segment } } else { segment };
            connections.segment(&segment, Now::default(), &mut heard);
            assert!(connections.waiting_bytes() <= limits.bytes_together, "{}", connections.waiting_bytes());
        }
    }
    // Only those that were there from the first segments on have something missing.
    assert!(connections.counters.forgotten > 0);
    assert_eq!((connections.counters.gaps, connections.counters.lost_bytes), (5, 5 * 990));
    let mut connections = Connections::new(servers(), limits);
    connections.segment(&data(true, 1, 1, &payload[..10]), Now::default(), &mut heard);
    for round in 1..500_u32 {
        connections.segment(&data(true, 1 + round * 1000, 1, &payload), Now::default(), &mut heard);
        assert!(connections.waiting_bytes() <= limits.bytes);
    }
    assert_eq!((connections.counters.gaps, connections.counters.lost_bytes), (1, 990));
}

#[test]
fn numbers_that_nobody_could_have_sent_neither_stop_nor_fill_anything() {
    for seed in 1..=200 {
        let random = &mut Random::new(seed);
        let (mut heard, mut connections) = (Heard::default(), Connections::new(servers(), Limits::default()));
        let mut now = Now::default();
        for _ in 0..300 {
            let payload = vec![0; random.below(50)];
            let mut segment = data(random.below(2) == 0, random.next() as u32 >> random.below(32), 0, &payload);
            segment.acknowledged = (random.below(4) > 0).then_some(random.next() as u32 >> random.below(32));
            segment.is_syn = random.below(30) == 0;
            segment.is_fin = random.below(30) == 0;
            segment.is_reset = random.below(100) == 0;
            segment.length += if random.below(10) == 0 { random.next() as u32 >> random.below(32) } else { 0 };
            segment.length = segment.length.max(payload.len() as u32);
            now.monotonic_ns += random.next() >> random.below(64).max(30);
            connections.segment(&segment, now, &mut heard);
        }
        connections.finish(now, &mut heard);
        assert_eq!(connections.waiting_bytes(), 0, "seed {seed}");
    }
}

#[test]
fn what_nobody_wants_is_not_kept() {
    let random = &mut Random::new(5);
    let said = vec![(Side::Server, vec![1; 10]), (Side::Client, vec![2; 10]), (Side::Server, vec![3; 10])];
    let sent = segments(&said, 1000, random);
    let (mut heard, mut connections) =
        (Heard { wanted: Some(1), ..Heard::default() }, Connections::new(servers(), Limits::default()));
    for segment in &sent {
        connections.segment(&segment.segment(), Now::default(), &mut heard);
    }
    assert_eq!(heard.told, [Told::Bytes(Side::Server, vec![1; 10]), Told::End(Ending::Closed)]);
}
