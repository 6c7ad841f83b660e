//! Sessions that are seen from the middle, and sessions of which bytes are missing.

use super::chunks::varied;
use super::*;
use crate::session::{Interest, MidSession, SessionFacts, SessionResult};

/// What is told of the rest of a session from `said[from]` on; the capabilities are given or not.
fn resumed(script: &Script, from: usize, given: bool) -> Player {
    let capabilities = given.then(|| CapabilityFlags::from_bits_retain(script.capabilities));
    let facts = SessionFacts { capabilities, ..SessionFacts::default() };
    let mut player = Player::new();
    player.observer = Observer::resume(ObserverConfig::default(), MidSession { facts });
    player.play(&script.said[from..], usize::MAX);
    player
}

fn texts(player: &Player) -> Vec<(Option<&str>, u64)> {
    player.seen.iter().map(|seen| (seen.sql.as_deref(), seen.count)).collect()
}

#[test]
fn every_dialect_is_found_out() {
    let attributes = CapabilityFlags::QUERY_ATTRIBUTES.bits();
    let optional = CapabilityFlags::OPTIONAL_RESULTSET_METADATA.bits();
    for capabilities in [CLASSIC, MODERN, CLASSIC | attributes, MODERN | attributes, MODERN | optional | attributes] {
        let mut script = Script::new(capabilities);
        let from = script.said.len();
        let front: &[u8] = if capabilities & attributes != 0 { b"\x03\x00\x01" } else { b"\x03" };
        let query = |text: &str| [front, text.as_bytes()].concat();
        script.request(&query("SELECT 1")).server(if capabilities & optional != 0 { &[1, 1] } else { &[1] });
        script.definitions(1).server(b"\x011").rows_end(AUTOCOMMIT);
        script.request(&query("SELECT nothing")).server(&[1]).definitions(1).rows_end(AUTOCOMMIT);
        script.request(&query("DO 1; DO 2")).ok(0, "", AUTOCOMMIT | MORE).ok(0, "", AUTOCOMMIT);
        script.request(b"\x16UPDATE t SET a = ?").server(&[0, 7, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]).definitions(1);
        let with_count: &[u8] = if capabilities & attributes != 0 { &[8, 1, 0, 0, 0, 1] } else { &[0, 1, 0, 0, 0] };
        let name: &[u8] = if capabilities & attributes != 0 { &[0] } else { &[] };
        let execute = [&[0x17, 7, 0, 0, 0], with_count, &[0, 1, 253, 0], name, b"\x02hi"].concat();
        script.request(&execute).ok(3, "", AUTOCOMMIT);
        for given in [true, false] {
            let player = resumed(&script, from, given);
            assert_eq!(player.observer.out_of_sight(), None);
            assert_eq!(
                texts(&player),
                [
                    (Some("SELECT 1"), 1),
                    (Some("SELECT nothing"), 0),
                    (Some("DO 1"), 0),
                    (Some("DO 2"), 0),
                    (Some("UPDATE t SET a = ?"), 3)
                ],
                "{capabilities:x}, given: {given}"
            );
            assert_eq!(player.seen[4].params, Some(vec![Some("hi".into())]), "{capabilities:x}, given: {given}");
        }
    }
}

#[test]
fn a_prepare_as_the_first_command_is_complete_with_its_eof_or_without() {
    for capabilities in [CLASSIC, MODERN] {
        let mut script = Script::new(capabilities);
        let from = script.said.len();
        script.request(b"\x16DO ?").server(&[0, 7, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]).definitions(1);
        script.query("DO 1").ok(2, "", AUTOCOMMIT);
        script.request(&[0x17, 7, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 253, 0, 2, b'h', b'i']).ok(1, "", AUTOCOMMIT);
        let player = resumed(&script, from, false);
        assert_eq!(texts(&player), [(Some("DO 1"), 2), (Some("DO ?"), 1)]);
    }
}

#[test]
fn a_files_content_is_no_request_even_where_its_sequence_id_is_0() {
    let mut script = Script::new(MODERN);
    let from = script.said.len();
    let mut sequence = 250_u8;
    for _ in 0..10 {
        script.said.push(Said::Client(framed(sequence, b"\x03DELETE FROM t\n")));
        sequence = sequence.wrapping_add(1);
    }
    script.said.push(Said::Client(framed(sequence, b"")));
    script.said.push(Said::Server(framed(sequence.wrapping_add(1), &[0, 9, 0, 2, 0, 0, 0])));
    script.query("DO 1").ok(1, "", AUTOCOMMIT);
    assert_eq!(texts(&resumed(&script, from, true)), [(Some("DO 1"), 1)]);
}

#[test]
fn answers_to_what_nobody_saw_are_not_taken_for_others() {
    let mut script = Script::new(MODERN);
    let from = script.said.len();
    // Sent ahead, before somebody looked: their answers come first.
    script.query("DO 3");
    script.said.push(Said::Server(framed(2, &[0, 9, 0, 2, 0, 0, 0])));
    script.query("DO 4").query("DO 5");
    script.said.push(Said::Server(framed(1, &[0, 3, 0, 2, 0, 0, 0])));
    script.said.push(Said::Server(framed(1, &[0, 4, 0, 2, 0, 0, 0])));
    script.query("DO 6").ok(6, "", AUTOCOMMIT);
    let player = resumed(&script, from, true);
    let unknown = Some("outcome unknown: bytes of the session are missing");
    let seen: Vec<_> = player.seen.iter().map(|seen| (seen.sql.as_deref(), seen.error.as_deref())).collect();
    assert_eq!(seen, [(Some("DO 3"), unknown), (Some("DO 4"), unknown), (Some("DO 5"), unknown), (Some("DO 6"), None)]);
}

#[test]
fn a_gap_within_a_text_is_bridged() {
    let mut script = Script::new(MODERN);
    script.query("INSERT INTO t VALUES ('a long value')");
    let Some(Said::Client(bytes)) = script.said.pop() else { unreachable!() };
    let mut player = Player::new();
    player.play(&script.said, usize::MAX);
    player.hear(true, &bytes[..25]);
    player.gap(Side::Client, Some(bytes.len() as u64 - 25));
    player.hear(false, &framed(1, &[0, 1, 0, 2, 0, 0, 0]));
    assert_eq!((texts(&player), player.seen[0].truncated), (vec![(Some("INSERT INTO t VALUES"), 1)], true));
    assert_eq!(player.observer.out_of_sight(), None);
}

#[test]
fn a_gap_within_a_row_costs_its_checksum() {
    struct Checksums(Vec<(bool, u64)>);
    impl SessionListener for Checksums {
        fn result(&mut self, result: &SessionResult<'_>) {
            if let crate::session::Answer::Outcome(outcome) = result.answer {
                self.0.push((result.checksum.is_some(), outcome.update_count()));
            }
        }
    }
    let mut script = Script::new(MODERN);
    script.query("SELECT 1").rows(&["a long value", "another"], AUTOCOMMIT).query("SELECT 2").rows(&["2"], AUTOCOMMIT);
    let row = script.said.iter().position(|said| matches!(said, Said::Server(bytes) if bytes.ends_with(b"value")));
    let interest = Interest::ROW_CHECKSUMS | Interest::RESULTS;
    let mut observer = Observer::new(ObserverConfig { interest, ..ObserverConfig::default() });
    let (mut checksums, now) = (Checksums(Vec::new()), Now::default());
    for (index, said) in script.said.iter().enumerate() {
        match said {
            Said::Client(bytes) => observer.client_bytes(bytes, now, &mut checksums),
            Said::Server(bytes) if Some(index) == row => {
                observer.server_bytes(&bytes[..8], now, &mut checksums);
                observer.gap(Side::Server, Some(4), now, &mut checksums);
                observer.server_bytes(&bytes[12..], now, &mut checksums);
            }
            Said::Server(bytes) => observer.server_bytes(bytes, now, &mut checksums),
        }
    }
    assert_eq!(checksums.0, [(false, 2), (true, 1)]);
}

#[test]
fn after_a_gap_of_the_servers_the_next_command_is_followed() {
    let mut script = Script::new(MODERN);
    script.query("USE other").ok(0, "", AUTOCOMMIT).query("DO 1");
    let mut player = Player::new();
    player.play(&script.said, usize::MAX);
    player.gap(Side::Server, None);
    assert_eq!(player.observer.phase(), Phase::Seeking);
    // The rest of the answer that was torn.
    player.hear(false, b"\x02\0\0\0");
    player.hear(true, &framed(0, b"\x03DO 2"));
    player.hear(false, &framed(1, &[0, 5, 0, 2, 0, 0, 0]));
    let last = &player.seen[player.seen.len() - 1];
    assert_eq!((last.sql.as_deref(), last.count, last.database.as_deref()), (Some("DO 2"), 5, None));
    assert_eq!(player.seen[1].error.as_deref(), Some("outcome unknown: bytes of the session are missing"));
    assert_eq!(player.observer.facts().user.as_deref(), Some("app"));
}

#[test]
fn after_a_gap_of_the_clients_no_border_is_certain() {
    let mut script = Script::new(MODERN);
    script.query("DO 1");
    let mut player = Player::new();
    player.play(&script.said, usize::MAX);
    player.gap(Side::Client, Some(100));
    assert_eq!(player.observer.out_of_sight().map(|end| end.loss), Some(SightLoss::Gap));
    assert_eq!(player.seen[0].error.as_deref(), Some("outcome unknown: bytes of the session are missing"));
}

/// Whatever is missing, and however much: a statement with a known outcome is one of the true ones.
#[test]
fn nothing_untrue_is_told_whatever_is_missing() {
    for capabilities in [CLASSIC, MODERN] {
        let script = varied(capabilities);
        let mut whole = Player::new();
        whole.play(&script.said, usize::MAX);
        whole.close();
        let truth: Vec<_> = whole.seen.iter().map(|seen| (seen.sql.clone(), seen.count, seen.error.clone())).collect();
        for index in 0..script.said.len() {
            let (Said::Client(bytes) | Said::Server(bytes)) = &script.said[index];
            let from_client = matches!(script.said[index], Said::Client(_));
            // What is missing goes on for up to 3 packets of the same side.
            for (start, more) in (0..bytes.len()).flat_map(|start| (0..4).map(move |more| (start, more))) {
                let mut player = Player::new();
                player.play(&script.said[..index], usize::MAX);
                player.hear(from_client, &bytes[..start]);
                let mut missing = more;
                let mut told = false;
                for said in &script.said[index + 1..] {
                    let is_same_side = matches!(said, Said::Client(_)) == from_client;
                    if is_same_side && missing > 0 {
                        missing -= 1;
                        continue;
                    }
                    if is_same_side && !told {
                        told = true;
                        player.gap(if from_client { Side::Client } else { Side::Server }, None);
                    }
                    player.play(std::slice::from_ref(said), usize::MAX);
                }
                player.close();
                for seen in &player.seen {
                    // Of what never came whole the server's error is the last word, not the answer.
                    let is_known = !seen.truncated
                        && !seen.error.as_ref().is_some_and(|error| {
                            error.starts_with("outcome unknown") || error == "connection lost" || seen.observation_lost
                        });
                    let as_told = (seen.sql.clone(), seen.count, seen.error.clone());
                    let is_true = truth.contains(&as_told) || (seen.sql.is_none() && seen.params.is_some());
                    assert!(is_true || !is_known, "{start} of packet {index} and {more} more: {seen:?}");
                }
            }
        }
    }
}
