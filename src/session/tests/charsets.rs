//! The character set that each text is read in.

use super::*;
use crate::mysql::charset::Charset;

/// Text, parameters and results of each statement, after `said`.
fn readings(script: &Script) -> Vec<(Charset, Charset, Charset)> {
    let mut found = Vec::new();
    let mut observer = Observer::new(ObserverConfig::default());
    let mut listener = |statement: &Statement<'_>| {
        let reading = statement.reading;
        found.push((reading.text, reading.params, reading.results));
    };
    for said in &script.said {
        match said {
            Said::Client(bytes) => observer.client_bytes(bytes, Now::default(), &mut listener),
            Said::Server(bytes) => observer.server_bytes(bytes, Now::default(), &mut listener),
        }
    }
    found
}

/// What the login says is utf8mb4 here.
const AT_LOGIN: (Charset, Charset, Charset) = (Charset::Utf8mb4, Charset::Utf8mb4, Charset::Utf8mb4);

fn all(charset: Charset) -> (Charset, Charset, Charset) {
    (charset, charset, charset)
}

#[test]
fn a_statement_is_read_as_it_was_sent() {
    let mut script = Script::new(MODERN);
    script.query("SET NAMES gbk").ok(0, "", AUTOCOMMIT);
    script.query("SET NAMES nothing").err(1115, "Unknown character set");
    script.query("SET character_set_results = NULL").ok(0, "", AUTOCOMMIT);
    // What session tracking says counts more than the text.
    script.query("SET NAMES DEFAULT").server(b"\0\0\0\x02\x40\0\0\0\x1f\0\x1d\x14character_set_client\x07utf8mb4");
    script.query("SET CHARACTER SET latin1; SELECT 2").ok(0, "", AUTOCOMMIT | MORE).rows(&["2"], AUTOCOMMIT);
    let (gbk, binary) = (Charset::Gbk, Charset::Binary);
    assert_eq!(
        readings(&script),
        [
            AT_LOGIN,
            all(gbk),
            all(gbk),
            (gbk, gbk, binary),
            (Charset::Utf8mb4, Charset::Utf8mb4, binary),
            all(Charset::Latin1)
        ]
    );
}

#[test]
fn pipelined_statements_are_read_as_the_server_reads_them() {
    let mut script = Script::new(MODERN);
    let mut second = Script::new(MODERN);
    script.query("SET NAMES sjis");
    second.said.clear();
    second.query("SELECT 1");
    script.said.append(&mut second.said);
    script.ok(0, "", AUTOCOMMIT).rows(&["1"], AUTOCOMMIT);
    assert_eq!(readings(&script), [AT_LOGIN, all(Charset::Sjis)]);
}

#[test]
fn a_prepared_text_keeps_its_own_and_its_values_do_not() {
    let mut script = Script::new(MODERN);
    script.query("SET NAMES gbk").ok(0, "", AUTOCOMMIT);
    script.request(b"\x16SELECT ?").server(&[0, 7, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0]).definitions(1).definitions(1);
    script.query("SET NAMES latin1").ok(0, "", AUTOCOMMIT);
    script.request(b"\x17\x07\0\0\0\0\x01\0\0\0\0\x01\xfd\0\x01\xe9").ok(0, "", AUTOCOMMIT);
    let seen = readings(&script);
    assert_eq!(seen[2], (Charset::Gbk, Charset::Latin1, Charset::Latin1));
}

#[test]
fn a_reset_goes_back_to_the_servers_own_or_to_the_logins() {
    for (capabilities, after) in [
        (MODERN, all(Charset::Binary)),
        // A MariaDB: without MySQL's oldest capability.
        (MODERN & !CapabilityFlags::LONG_PASSWORD.bits(), AT_LOGIN),
    ] {
        let mut script = Script::new(capabilities);
        script.query("SET NAMES greek").ok(0, "", AUTOCOMMIT);
        script.request(&[0x1f]).ok(0, "", AUTOCOMMIT);
        script.query("DO 1").ok(0, "", AUTOCOMMIT);
        assert_eq!(readings(&script)[1], after);
    }
}

#[test]
fn names_are_read_too() {
    let mut script = Script::new(CLASSIC);
    script.query("SET NAMES latin1").ok(0, "", AUTOCOMMIT);
    script.request(b"\x03USE `d\xe9`").ok(0, "", AUTOCOMMIT);
    let mut player = Player::new();
    player.play(&script.said, usize::MAX);
    assert_eq!(player.observer.facts().current_database.as_deref(), Some("dé"));
    script.request(b"\x02\xff\xe8").ok(0, "", AUTOCOMMIT);
    let mut player = Player::new();
    player.play(&script.said, usize::MAX);
    assert_eq!(player.observer.facts().current_database.as_deref(), Some("ÿè"));
    // Of a user who is no text in the login's character set nothing is lost.
    let mut script = Script::new(CLASSIC);
    script.request(b"\x11b\xf6b\0\0d\xe9\0\x08\0").ok(0, "", AUTOCOMMIT);
    script.request(b"\x11b\xf6b\0\0d\xe9\0\x2d\0").ok(0, "", AUTOCOMMIT);
    let mut users = Vec::new();
    let mut player = Player::new();
    for said in &script.said {
        player.play(std::slice::from_ref(said), usize::MAX);
        users.push(player.observer.facts().user.clone());
    }
    users.dedup();
    assert_eq!(users, [None, Some("app".into()), Some("böb".into()), Some("b\\xF6b".into())]);
}
