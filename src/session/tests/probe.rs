//! The proxy's own question after the login.

use super::super::ProbeAnswer;
use super::{AUTOCOMMIT, All, CLASSIC, MODERN, Player, Said, Script, framed};
use crate::mysql::wire::CapabilityFlags;

/// The server's answer to the probe: one row of two columns.
fn answer(capabilities: u64) -> Vec<u8> {
    let mut script = Script::new(capabilities);
    let begun = script.said.len();
    script
        .request(b"\x03SELECT")
        .server(&[2])
        .definitions(2)
        .server(b"\x06+02:00\x0eREAD-COMMITTED")
        .rows_end(AUTOCOMMIT);
    server_bytes(&script.said[begun..])
}

fn server_bytes(said: &[Said]) -> Vec<u8> {
    said.iter()
        .filter_map(|said| match said {
            Said::Server(bytes) => Some(bytes.as_slice()),
            Said::Client(_) => None,
        })
        .collect::<Vec<_>>()
        .concat()
}

impl Player {
    fn begin_probe(&mut self) -> Option<Vec<u8>> {
        self.observer.begin_probe(self.now)
    }

    fn hear_answer(&mut self, bytes: &[u8]) -> (usize, ProbeAnswer) {
        self.observer.probe_bytes(bytes, self.now, &mut All(&mut self.seen))
    }
}

#[test]
fn the_answer_is_taken_over_told_to_nobody_and_cut_off_exactly() {
    for capabilities in [CLASSIC, MODERN] {
        let answer = answer(capabilities);
        let after = framed(1, b"\xff\x1d\x04#08S01shutting down");
        for cut in 0..answer.len() {
            let mut player = Player::new();
            player.play(&Script::new(capabilities).said, usize::MAX);
            let question = player.begin_probe().unwrap();
            assert_eq!(&question[3..], b"\0\x03SELECT @@session.time_zone, @@transaction_isolation, @@sql_mode");
            assert!(player.observer.is_busy());
            assert_eq!(player.hear_answer(&answer[..cut]), (cut, ProbeAnswer::Awaited));
            let rest = [&answer[cut..], &after].concat();
            assert_eq!(player.hear_answer(&rest), (answer.len() - cut, ProbeAnswer::Complete), "cut at {cut}");
            let facts = player.observer.facts();
            assert_eq!(facts.time_zone.as_deref(), Some("+02:00"));
            assert_eq!(facts.isolation.map(|level| level as u8), Some(2));
            assert_eq!(facts.execution_count, 0);
            assert!(!player.observer.is_busy() && player.seen.is_empty());
            let mut script = Script::new(capabilities);
            script.said.clear();
            player.play(&script.query("DO 1").ok(0, "", AUTOCOMMIT).said, 3);
            let seen: Vec<_> = player.seen.iter().map(|seen| (seen.sql.as_deref(), seen.execution_count)).collect();
            assert_eq!(seen, [(Some("DO 1"), 1)]);
        }
    }
}

#[test]
fn a_client_that_goes_on_meanwhile_gets_its_own_answers() {
    let mut player = Player::new();
    player.play(&Script::new(MODERN).said, usize::MAX);
    player.begin_probe().unwrap();
    let mut script = Script::new(MODERN);
    script.said.clear();
    script.query("SELECT 'first'").rows(&["first"], AUTOCOMMIT);
    let Said::Client(request) = script.said.remove(0) else { unreachable!() };
    player.hear(true, &request);
    let answer = answer(MODERN);
    let both = [answer.clone(), server_bytes(&script.said)].concat();
    assert_eq!(player.hear_answer(&both), (answer.len(), ProbeAnswer::Complete));
    player.hear(false, &both[answer.len()..]);
    assert_eq!(player.seen.iter().map(|seen| seen.sql.as_deref()).collect::<Vec<_>>(), [Some("SELECT 'first'")]);
}

#[test]
fn an_error_leaves_the_values_unknown() {
    let mut player = Player::new();
    player.play(&Script::new(MODERN).said, usize::MAX);
    player.begin_probe().unwrap();
    let refusal = framed(1, b"\xff\x1c\x07#HY000You must reset your password");
    assert_eq!(player.hear_answer(&refusal), (refusal.len(), ProbeAnswer::Refused(1820)));
    assert!(player.seen.is_empty() && player.observer.facts().time_zone.is_none());
}

#[test]
fn with_query_attributes_there_are_none() {
    let mut player = Player::new();
    player.play(&Script::new(MODERN | CapabilityFlags::QUERY_ATTRIBUTES.bits()).said, usize::MAX);
    assert!(player.begin_probe().unwrap()[4..].starts_with(b"\x03\0\x01SELECT"));
}

#[test]
fn it_is_put_only_at_the_very_beginning() {
    let mut script = Script::new(MODERN);
    let (login, ok) = (script.said.len() - 1, script.said.len());
    script.request(b"\x0e").ok(0, "", AUTOCOMMIT);
    for played in [login, ok, script.said.len() - 1, script.said.len()] {
        let mut player = Player::new();
        player.play(&script.said[..played], usize::MAX);
        assert_eq!(player.begin_probe().is_some(), played == ok, "after {played} packets");
    }
}

#[test]
fn an_answer_that_is_none_is_a_loss_of_sight() {
    let mut player = Player::new();
    player.play(&Script::new(MODERN).said, usize::MAX);
    player.begin_probe().unwrap();
    player.hear_answer(&framed(1, &[2]));
    player.hear_answer(&[framed(2, b"\x03def"), framed(3, b"\x03def"), framed(4, b"\xfe\0")].concat());
    assert!(!player.observer.is_following());
    assert_eq!(player.seen.iter().map(|seen| seen.observation_lost).collect::<Vec<_>>(), [true]);
}
