//! Memory follows what one client may reasonably have under way; and what a piece ends with does not matter.

use super::*;

const MIB: usize = 1 << 20;

/// A logged-in session.
fn session(capabilities: u64) -> Player {
    let mut player = Player::new();
    player.play(&Script::new(capabilities).said, usize::MAX);
    player
}

/// `payload` as one packet, for payloads of less than 16 MiB.
fn packet(sequence: u8, payload: &[&[u8]]) -> Vec<u8> {
    framed(sequence, &payload.concat())
}

fn ok() -> Vec<u8> {
    packet(1, &[&[0, 1, 0, 2, 0, 0, 0, 0]])
}

/// A stored frame of the compressed protocol.
fn stored(plain: &[u8]) -> Vec<u8> {
    [&framed(0, plain)[..4], &[0, 0, 0], plain].concat()
}

#[test]
fn compression_begins_right_behind_the_ok_packet_in_whatever_pieces() {
    let script = Script::new(MODERN | CapabilityFlags::COMPRESS.bits());
    let [said @ .., Said::Server(ok)] = script.said.as_slice() else { unreachable!() };
    // The server goes away at once, and says so.
    let last_words = stored(&packet(0, &[b"\xff\xbf\x0f#08S01idle"]));
    for joined in [false, true] {
        let mut player = Player::new();
        player.play(said, usize::MAX);
        if joined {
            player.hear(false, &[&ok[..], &last_words].concat());
        } else {
            player.hear(false, ok);
            player.hear(false, &last_words);
        }
        player.hear(true, &stored(&packet(0, &[b"\x03SELECT 1"])));
        player.close();
        assert_eq!(player.observer.out_of_sight(), None, "joined: {joined}");
        assert_eq!(player.seen[0].error.as_deref(), Some("ERROR 4031 (08S01): idle"), "joined: {joined}");
    }
}

#[test]
fn the_text_of_a_long_error_is_the_same_in_whatever_pieces() {
    let error = packet(3, &[b"\xff\x28\x04#42000", &vec![b'e'; 2 * MIB]]);
    let lengths = [usize::MAX, 4096].map(|chunk| {
        let mut script = Script::new(MODERN);
        script.query("SELECT 1").server(&[1]).definitions(1);
        let mut player = Player::new();
        player.play(&script.said, usize::MAX);
        error.chunks(chunk.min(error.len())).for_each(|piece| player.hear(false, piece));
        player.seen[0].error.as_ref().unwrap().len()
    });
    assert_eq!(lengths[0], lengths[1]);
}

#[test]
fn requests_that_wait_are_cut_before_they_fill_the_memory() {
    let mut player = session(MODERN);
    let query = packet(0, &[b"\x03SELECT '", &vec![b'x'; MIB], b"'"]);
    for _ in 0..100 {
        player.hear(true, &query);
    }
    assert!(player.observer.kept_bytes() < 66 * MIB, "{}", player.observer.kept_bytes());
    for _ in 0..100 {
        player.hear(false, &ok());
    }
    assert_eq!(player.observer.out_of_sight(), None);
    assert_eq!(player.seen.len(), 100);
    let lengths: Vec<_> = player.seen.iter().map(|seen| (seen.sql.as_ref().unwrap().len(), seen.truncated)).collect();
    assert!(lengths[..60].iter().all(|length| *length == (MIB + 9, false)));
    assert!(lengths[70..].iter().all(|length| *length == (1024, true)));
}

#[test]
fn one_large_request_is_kept_whole_however_long() {
    let mut player = session(MODERN);
    player.hear(true, &packet(0, &[b"\x03", &vec![b'x'; 15 * MIB]]));
    player.hear(false, &ok());
    assert_eq!((player.seen[0].sql.as_ref().unwrap().len(), player.seen[0].truncated), (15 * MIB, false));
}

/// Prepares statement `id` with this many parameters.
fn prepare(player: &mut Player, id: u32, params: u8, sql: &[u8]) {
    player.hear(true, &packet(0, &[b"\x16", sql]));
    player.hear(false, &packet(1, &[&[0], &id.to_le_bytes(), &[0, 0, params, 0, 0, 0, 0]]));
    for _ in 0..params {
        player.hear(false, &packet(2, &[b"\x03def\0\0\0\x01a\0\x0c\x3f\0\x01\0\0\0\x08\x81\0\0\0\0"]));
    }
}

#[test]
fn texts_of_prepared_statements_are_cut_before_they_fill_the_memory() {
    let mut player = session(MODERN);
    for id in 0..100 {
        prepare(&mut player, id, 0, &[b"SELECT '", &vec![b'x'; MIB][..], b"'"].concat());
    }
    assert!(player.observer.kept_bytes() < 66 * MIB, "{}", player.observer.kept_bytes());
    for id in [0_u32, 99] {
        player.hear(true, &packet(0, &[b"\x17", &id.to_le_bytes(), &[0, 1, 0, 0, 0]]));
        player.hear(false, &ok());
    }
    let lengths: Vec<_> = player.seen.iter().map(|seen| (seen.sql.as_ref().unwrap().len(), seen.truncated)).collect();
    assert_eq!(lengths, [(MIB + 9, false), (1024, true)]);
    // What is closed makes room.
    for id in 0..50_u32 {
        player.hear(true, &packet(0, &[b"\x19", &id.to_le_bytes()]));
    }
    prepare(&mut player, 100, 0, &vec![b' '; MIB]);
    player.hear(true, &packet(0, &[b"\x17", &100_u32.to_le_bytes(), &[0, 1, 0, 0, 0]]));
    player.hear(false, &ok());
    assert!(!player.seen[2].truncated);
}

#[test]
fn long_data_of_all_statements_together_is_limited() {
    let mut player = session(MODERN);
    let data = vec![b'x'; 64 << 10];
    for id in 0..40_u32 {
        prepare(&mut player, id, 40, b"INSERT INTO t VALUES (?)");
        for param in 0..40_u8 {
            player.hear(true, &packet(0, &[b"\x18", &id.to_le_bytes(), &[param, 0], &data]));
        }
    }
    assert!(player.observer.kept_bytes() < 66 * MIB, "{}", player.observer.kept_bytes());
}

#[test]
fn executions_whose_cursors_are_open_are_limited() {
    let mut player = session(MODERN);
    for id in 0..100_u32 {
        prepare(&mut player, id, 1, b"SELECT ?");
        // With a cursor, one long parameter.
        let front = [&id.to_le_bytes()[..], &[1, 1, 0, 0, 0, 0, 1, 253, 0, 0xfd, 0, 0, 0x10]].concat();
        player.hear(true, &packet(0, &[b"\x17", &front, &vec![b'x'; MIB]]));
        player.hear(false, &packet(1, &[&[1]]));
        player.hear(false, &packet(2, &[b"\x03def\0\0\0\x01a\0\x0c\x3f\0\x01\0\0\0\x08\x81\0\0\0\0"]));
        player.hear(false, &packet(3, &[&[0xfe, 0, 0, 0x42, 0]]));
    }
    assert!(player.observer.kept_bytes() < 66 * MIB, "{}", player.observer.kept_bytes());
    player.close();
    assert_eq!((player.observer.out_of_sight(), player.seen.len()), (None, 100));
    let shown = |seen: &Seen| seen.params.as_ref().and_then(|params| params[0].clone()).unwrap().len();
    assert_eq!((shown(&player.seen[0]), shown(&player.seen[99])), (MIB, "undecodable".len()));
    assert_eq!(player.seen[99].sql.as_deref(), Some("SELECT ?"));
}

#[test]
fn an_execution_that_waits_does_not_make_much_of_a_small_bitmap() {
    let mut player = session(MODERN);
    let params = u16::MAX;
    player.hear(true, &packet(0, &[b"\x16INSERT"]));
    player.hear(false, &packet(1, &[&[0, 7, 0, 0, 0, 0, 0], &params.to_le_bytes(), &[0, 0, 0]]));
    for _ in 0..params {
        player.hear(false, &packet(2, &[b"\x03def"]));
    }
    // All are NULL, and no types were ever bound.
    let execution = packet(0, &[b"\x17\x07\0\0\0\0\x01\0\0\0", &[0xff; 8192], &[0]]);
    for _ in 0..2_000 {
        player.hear(true, &execution);
    }
    assert!(player.observer.kept_bytes() < 70 * MIB, "{}", player.observer.kept_bytes());
}
