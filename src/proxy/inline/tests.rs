//! What goes to the server, for a session's bytes cut anywhere.

use std::io::Write;

use super::*;
use crate::mysql::wire::{Algorithm, Decompressor, Framer, Keep, MAX_PACKET_PAYLOAD, write_frame, write_packet};
use crate::session::SessionFacts;

/// A session whose state does not change: after the login, and no file is asked for.
struct Session {
    facts: SessionFacts,
    algorithm: Option<Algorithm>,
    awaits_file: bool,
}

impl Session {
    fn new(capabilities: CapabilityFlags) -> Self {
        let facts = SessionFacts {
            connection_id: Some(7),
            user: Some("app".into()),
            capabilities: Some(capabilities),
            ..SessionFacts::default()
        };
        Self { facts, algorithm: None, awaits_file: false }
    }

    fn view(&self) -> View<'_> {
        View {
            at_border: true,
            takes_requests: true,
            awaits_file: self.awaits_file,
            algorithm: self.algorithm,
            next_count: 1,
            session: &self.facts,
        }
    }

    /// What the server is sent, and how many texts went without a comment, for a stream in these pieces.
    fn sent<'a>(&self, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, u64) {
        let counters: Arc<Counters> = Arc::default();
        let mut annotator = Annotator::new("host".into(), "shop".into(), counters.clone());
        let mut out = Vec::new();
        for piece in pieces {
            annotator.annotate(piece, Some(&self.view()), &mut out);
        }
        (out, counters.uncommented_statements.load(Ordering::Relaxed))
    }
}

fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_packet(&mut bytes, payload, sequence);
    bytes
}

/// Number and payload of each packet.
fn packets(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut framer = Framer::default();
    let mut found = Vec::new();
    while let Some(packet) = framer.next(&mut bytes, Keep::UpTo(usize::MAX), 0) {
        found.push((packet.sequence, packet.payload.to_vec()));
    }
    assert!(!framer.is_mid_packet());
    found
}

/// The same with the comments taken out, and how many there were.
fn without_comments(bytes: &[u8]) -> (Vec<(u8, Vec<u8>)>, usize) {
    let mut count = 0;
    let mut found = packets(bytes);
    for (_, payload) in &mut found {
        if let Some(at) = memchr::memmem::find(payload, b"/* Id [7] User [app] Client [host] Count [") {
            let end = at + memchr::memmem::find(&payload[at..], b"] Debug [shop] */\n").unwrap() + 18;
            payload.drain(at..end);
            count += 1;
        }
    }
    (found, count)
}

/// Requests of all kinds, and how many of them are texts; with attributes in front of them or not.
fn conversation(attributes: bool) -> (Vec<u8>, usize) {
    let none: &[u8] = if attributes { b"\0\x01" } else { b"" };
    let some: &[u8] = if attributes { b"\x01\x01\0\x01\xfe\0\x05trace\x02id" } else { b"" };
    let requests = [
        packet(0, &[b"\x03", none, b"SELECT 1"].concat()),
        packet(0, b"\x0e"),
        packet(0, &[b"\x03", some, b"SELECT 'second' /* x */"].concat()),
        packet(0, b"\x16INSERT INTO t VALUES (?)"),
        packet(0, b"\x17\x01\0\0\0\0\x01\0\0\0\0\x01\x03\0\x05\0\0\0"),
        packet(0, b"\x18\x01\0\0\0\0\0\x03\x03\x16long data"),
        packet(0, b"\x02shop"),
        // What continues an exchange: a file's content, an answer to a challenge.
        packet(2, b"\x03no statement"),
        packet(3, b""),
        packet(0, &[b"\x03", none].concat()),
        // A long file: its number comes to 0 again.
        packet(255, b"\x03content"),
        packet(0, b"\x03content too"),
        packet(1, b""),
        packet(0, b""),
        packet(0, &[b"\x03", none, b"SELECT 'last'"].concat()),
    ];
    (requests.concat(), 4)
}

#[test]
fn texts_get_a_comment_and_nothing_else_changes_however_it_is_cut() {
    for attributes in [false, true] {
        let flags = if attributes { CapabilityFlags::QUERY_ATTRIBUTES } else { CapabilityFlags::empty() };
        let session = Session::new(flags);
        let (stream, texts) = conversation(attributes);
        let (whole, left_out) = session.sent([&stream[..]]);
        assert_eq!((without_comments(&whole), left_out), ((packets(&stream), texts), 0));
        let first = &packets(&whole)[0].1;
        let begin = if attributes { &b"\x03\0\x01/* Id"[..] } else { b"\x03/* Id" };
        assert!(first.starts_with(begin) && first.ends_with(b" */\nSELECT 1"), "{}", first.escape_ascii());
        for cut in 0..=stream.len() {
            let (sent, left_out) = session.sent([&stream[..cut], &stream[cut..]]);
            assert_eq!((without_comments(&sent), left_out), ((packets(&stream), texts), 0), "cut at {cut}");
        }
        let (sent, _) = session.sent(stream.chunks(1));
        assert_eq!(without_comments(&sent), (packets(&stream), texts));
    }
}

#[test]
fn the_count_goes_on_within_what_was_read_at_once() {
    let session = Session::new(CapabilityFlags::empty());
    let stream = [packet(0, b"\x16SELECT ?"), packet(0, b"\x03DO 1"), packet(0, b"\x03DO 2")].concat();
    let (sent, _) = session.sent([&stream[..]]);
    let counts: Vec<_> = packets(&sent)
        .iter()
        .map(|(_, payload)| payload[memchr::memmem::find(payload, b"Count [").unwrap() + 7])
        .collect();
    assert_eq!(counts, *b"112");
}

#[test]
fn a_text_of_nothing_stays_one() {
    let session = Session::new(CapabilityFlags::empty());
    let stream =
        [packet(0, b"\x03"), packet(0, b"\x03 ;\n"), packet(0, b"\x16\0"), packet(0, b"\x03 \n ; DO 1")].concat();
    for cut in 0..=stream.len() {
        let (sent, left_out) = session.sent([&stream[..cut], &stream[cut..]]);
        assert_eq!((without_comments(&sent), left_out), ((packets(&stream), 1), 0), "cut at {cut}");
    }
}

#[test]
fn a_file_passes_until_its_end() {
    let session = Session { awaits_file: true, ..Session::new(CapabilityFlags::empty()) };
    // Whatever its number.
    let stream = [packet(0, b"\x03content"), packet(1, b""), packet(0, b"\x03SELECT 1")].concat();
    let (sent, _) = session.sent([&stream[..]]);
    let (found, comments) = without_comments(&sent);
    assert_eq!((found, comments), (packets(&stream), 1));
    assert_eq!(packets(&sent)[0].1, b"\x03content");
}

#[test]
fn what_would_be_too_long_or_cannot_be_read_goes_without_and_is_counted() {
    let plain = Session::new(CapabilityFlags::empty());
    for length in [MAX_PACKET_PAYLOAD - 1, MAX_PACKET_PAYLOAD, MAX_PACKET_PAYLOAD + 5] {
        let mut payload = vec![b'x'; length];
        payload[0] = 3;
        let stream = [packet(0, &payload), packet(0, b"\x03SELECT 1")].concat();
        let (sent, left_out) = plain.sent(stream.chunks(60_000));
        assert_eq!(left_out, 1);
        assert!(sent.starts_with(&stream[..stream.len() - 13]), "{length}");
        assert_eq!(without_comments(&sent).1, 1);
    }
    let with = Session::new(CapabilityFlags::QUERY_ATTRIBUTES);
    let stream = [packet(0, b"\x03\x05\x01\0"), packet(0, b"\x03\0\x01SELECT 1")].concat();
    let (sent, left_out) = with.sent([&stream[..]]);
    assert_eq!((without_comments(&sent), left_out), ((packets(&stream), 1), 1));
}

#[test]
fn what_nobody_understands_passes_and_so_does_what_was_kept() {
    let session = Session::new(CapabilityFlags::empty());
    let stream = [packet(0, b"\x03SELECT 1"), packet(0, b"\x03SELECT 2")].concat();
    for cut in 0..stream.len() {
        let mut annotator = Annotator::new("host".into(), "shop".into(), Arc::default());
        let mut out = Vec::new();
        annotator.annotate(&stream[..cut], Some(&session.view()), &mut out);
        annotator.annotate(&stream[cut..], None, &mut out);
        assert_eq!(without_comments(&out).0, packets(&stream), "cut at {cut}");
    }
}

#[test]
fn nothing_changes_before_the_login_is_done() {
    let session = Session::new(CapabilityFlags::empty());
    let mut annotator = Annotator::new("host".into(), "shop".into(), Arc::default());
    let mut out = Vec::new();
    let login = packet(1, b"\x03login");
    annotator.annotate(&login, Some(&View { takes_requests: false, ..session.view() }), &mut out);
    let half = packet(0, b"\x03SELECT 1");
    annotator.annotate(&half[..7], Some(&View { takes_requests: false, ..session.view() }), &mut out);
    // The login is done in the middle of a request that came ahead.
    annotator.annotate(&half[7..], Some(&View { at_border: false, ..session.view() }), &mut out);
    assert_eq!(out, [login, half].concat());
    annotator.annotate(&packet(0, b"\x03SELECT 2"), Some(&session.view()), &mut out);
    assert_eq!(without_comments(&out).1, 1);
}

fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// Number and content of each frame.
fn frames(algorithm: Algorithm, mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut found = Vec::new();
    while let Some([a, b, c, number]) = bytes.first_chunk() {
        let (frame, rest) = bytes.split_at(7 + u32::from_le_bytes([*a, *b, *c, 0]) as usize);
        let mut decompressor = Decompressor::new(algorithm);
        found.push((*number, decompressor.next(&mut &frame[..]).unwrap().unwrap_or_default().to_vec()));
        bytes = rest;
    }
    found
}

#[test]
fn compressed_frames_keep_their_number_and_gain_the_comments() {
    for algorithm in [Algorithm::Zlib, Algorithm::Zstd] {
        let session = Session { algorithm: Some(algorithm), ..Session::new(CapabilityFlags::empty()) };
        let pack = |plain: &[u8]| match algorithm {
            Algorithm::Zlib => zlib(plain),
            Algorithm::Zstd => zstd::bulk::compress(plain, 3).unwrap(),
        };
        let long = packet(0, &[b"\x03SELECT '", vec![b'y'; 5000].as_slice(), b"'"].concat());
        let (head, tail) = long.split_at(4000);
        // Of two requests in one frame, the second continues in the next; one whose header is cut; one that is no text; nothing at all.
        let (contents, texts) = (
            [
                [&packet(0, b"\x03DO 1")[..], head].concat(),
                tail.to_vec(),
                packet(0, b"\x03DO 2")[..2].to_vec(),
                packet(0, b"\x03DO 2")[2..].to_vec(),
                packet(0, b"\x0e"),
                packet(0, b"\x03DO 3"),
            ],
            3,
        );
        let mut stream = Vec::new();
        for (number, content) in contents.iter().enumerate() {
            if number % 2 == 0 {
                write_frame(&mut stream, &pack(content), number as u8, content.len());
            } else {
                write_frame(&mut stream, content, number as u8, 0);
            }
        }
        write_frame(&mut stream, b"", 9, 0);
        let plain = contents.concat();
        for cut in (0..=stream.len()).step_by(3) {
            let (sent, _) = session.sent([&stream[..cut], &stream[cut..]]);
            let frames = frames(algorithm, &sent);
            assert_eq!(frames.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 9]);
            let content = frames.into_iter().map(|(_, content)| content).collect::<Vec<_>>().concat();
            assert_eq!(without_comments(&content), (packets(&plain), texts), "{algorithm:?}, cut at {cut}");
        }
    }
}

#[test]
fn a_frame_that_is_none_passes_with_all_that_follows() {
    let session = Session { algorithm: Some(Algorithm::Zlib), ..Session::new(CapabilityFlags::empty()) };
    let mut stream = Vec::new();
    write_frame(&mut stream, b"garbage", 0, 100);
    write_frame(&mut stream, &packet(0, b"\x03DO 1"), 0, 0);
    for cut in 0..=stream.len() {
        assert_eq!(session.sent([&stream[..cut], &stream[cut..]]).0, stream, "cut at {cut}");
    }
}

/// Packets of any kind and size, and bytes that are none, from a seed: whatever is sent differs from what came by comments alone.
#[test]
fn random_streams() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    for round in 0..300 {
        let attributes = round % 2 == 0;
        let session =
            Session::new(if attributes { CapabilityFlags::QUERY_ATTRIBUTES } else { CapabilityFlags::empty() });
        let mut stream = Vec::new();
        for _ in 0..random(12) {
            let sequence = [0, 0, 0, 0, 1, 2, 255][random(7) as usize];
            let length = [0, 1, 2, 3, 20, 300, 70_000][random(7) as usize];
            let mut payload: Vec<u8> = (0..length).map(|_| random(256) as u8).collect();
            if let Some(first) = payload.first_mut() {
                *first = [3, 3, 0x16, 0x17, 0x18, 0x0e, 0xfa][random(7) as usize];
            }
            stream.extend(packet(sequence, &payload));
        }
        let whole = session.sent([&stream[..]]).0;
        assert_eq!(without_comments(&whole).0, packets(&stream));
        let mut pieces = Vec::new();
        let mut rest = &stream[..];
        while !rest.is_empty() {
            let (piece, later) = rest.split_at((1 + random(200) as usize).min(rest.len()));
            pieces.push(piece);
            rest = later;
        }
        assert_eq!(without_comments(&session.sent(pieces).0).0, packets(&stream), "round {round}");
    }
}
