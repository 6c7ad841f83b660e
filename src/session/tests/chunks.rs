//! However the bytes are cut, and whatever they are.

use proptest::prelude::*;

use super::*;

/// A conversation with a bit of everything.
pub(super) fn varied(capabilities: u64) -> Script {
    let mut script = Script::new(capabilities);
    script.query("SELECT 1; UPDATE t SET a = 2").rows(&["1"], AUTOCOMMIT | MORE).ok(4, "", AUTOCOMMIT);
    script.request(b"\x16INSERT INTO t VALUES (?)").server(&[0, 7, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]).definitions(1);
    script.request(&[0x17, 7, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 253, 0, 2, b'h', b'i']).ok(1, "", AUTOCOMMIT);
    script.request(b"\x18\x07\0\0\0\0\0long");
    script.request(&[0x17, 7, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 253, 0]).ok(1, "", AUTOCOMMIT);
    script
        .query("LOAD DATA LOCAL INFILE 'f' INTO TABLE t")
        .server(b"\xfbf")
        .client(b"1\n")
        .client(b"")
        .ok(1, "", AUTOCOMMIT);
    script.query("SELECT @@time_zone").rows(&["+02:00"], AUTOCOMMIT);
    script.query("SELEC").err(1064, "You have an error");
    script
}

/// All that an observer made of a conversation, times left out.
fn outcome(player: &mut Player) -> (Vec<Seen>, crate::session::SessionFacts, bool) {
    player.close();
    let seen = player.seen.iter().map(|seen| Seen { duration_ns: 0, ..seen.clone() }).collect();
    (seen, player.observer.facts().clone(), player.observer.out_of_sight().is_some())
}

#[test]
fn pieces_of_every_length_give_the_same_statements() {
    for capabilities in [CLASSIC, MODERN] {
        let script = varied(capabilities);
        let mut whole = Player::new();
        whole.play(&script.said, usize::MAX);
        let whole = outcome(&mut whole);
        assert_eq!((whole.0.len(), whole.2), (7, false));
        for chunk in 1..40 {
            let mut player = Player::new();
            player.play(&script.said, chunk);
            assert_eq!(outcome(&mut player), whole, "pieces of {chunk} bytes");
        }
    }
}

#[test]
fn the_servers_bytes_in_one_read_give_the_same_statements() {
    let script = varied(MODERN);
    let mut whole = Player::new();
    whole.play(&script.said, usize::MAX);
    // Consecutive packets of one side become one read.
    let mut joined: Vec<Said> = Vec::new();
    for said in &script.said {
        match (joined.last_mut(), said) {
            (Some(Said::Server(bytes)), Said::Server(more)) | (Some(Said::Client(bytes)), Said::Client(more)) => {
                bytes.extend_from_slice(more);
            }
            _ => joined.push(said.clone()),
        }
    }
    let mut player = Player::new();
    player.play(&joined, usize::MAX);
    assert_eq!(outcome(&mut player), outcome(&mut whole));
}

/// Bytes of either side: true for the client's.
fn conversation() -> impl Strategy<Value = Vec<(bool, Vec<u8>)>> {
    let byte = prop_oneof![Just(0u8), Just(1), Just(0xfb), Just(0xfe), Just(0xff), 0..=40u8, any::<u8>()];
    let payload = prop::collection::vec(byte, 0..60);
    let framed_payload = (0..3u8, payload.clone()).prop_map(|(sequence, payload)| framed(sequence, &payload));
    prop::collection::vec((any::<bool>(), prop_oneof![4 => framed_payload, 1 => payload]), 0..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn nothing_makes_the_observer_panic(said in conversation(), logged_in in any::<bool>(), modern in any::<bool>()) {
        let mut player = Player::new();
        if logged_in {
            player.play(&Script::new(if modern { MODERN } else { CLASSIC }).said, usize::MAX);
        }
        for (from_client, bytes) in said {
            player.hear(from_client, &bytes);
        }
        player.close();
        prop_assert!(!player.observer.is_following());
    }

    #[test]
    fn damage_anywhere_is_survived_and_cuts_do_not_matter(
        at in any::<prop::sample::Index>(), inside in any::<prop::sample::Index>(), byte in any::<u8>(), chunk in 1..50usize, modern in any::<bool>()
    ) {
        let mut script = varied(if modern { MODERN } else { CLASSIC });
        let index = at.index(script.said.len());
        let (Said::Client(bytes) | Said::Server(bytes)) = &mut script.said[index];
        let inside = inside.index(bytes.len());
        bytes[inside] = byte;
        let mut whole = Player::new();
        whole.play(&script.said, usize::MAX);
        let mut pieces = Player::new();
        pieces.play(&script.said, chunk);
        prop_assert_eq!(outcome(&mut pieces), outcome(&mut whole));
    }
}
