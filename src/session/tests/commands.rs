//! Commands that are no statements, pipelining, and how sessions end.

use super::*;

#[test]
fn commands_without_a_message_keep_the_exchange_in_step() {
    for capabilities in [CLASSIC, MODERN] {
        let mut script = Script::new(capabilities);
        script.request(&[0x0e]).ok(0, "", AUTOCOMMIT);
        script.request(&[0x09]).server(b"Uptime: 1  Threads: 2");
        script
            .request(b"\x04t\0")
            .server(b"\x03def\0\0\0\x01a\0\x0c")
            .server(b"\x03def\0\0\0\x01b\0\x0c")
            .rows_end(AUTOCOMMIT);
        script.request(&[0x1b, 0, 0]).rows_end(AUTOCOMMIT);
        script.request(&[0x0a]).rows(&["1"], AUTOCOMMIT);
        script.request(&[0x0c, 1, 0, 0, 0]).err(1094, "Unknown thread id");
        script.request(&[0x77]).err(1047, "Unknown command");
        script.query("DO 1").ok(0, "", AUTOCOMMIT);
        assert_eq!(statements(&script), [Seen::sql("DO 1", 0, Some(""))]);
    }
}

#[test]
fn change_user_is_another_login() {
    let mut script = Script::new(MODERN);
    script.request(b"\x11bob\0\x02\xaa\xbbother\0\x2d\0caching_sha2_password\0");
    script
        .server(b"\xfeclient_ed25519\0nonce")
        .client(b"\x03not a query")
        .server(&[1, 4])
        .client(b"hidden")
        .ok(0, "", AUTOCOMMIT);
    script.query("DO 1").ok(0, "", AUTOCOMMIT);
    script.request(b"\x11eve\0\x02\xaa\xbbthird\0\x2d\0caching_sha2_password\0").err(1045, "Access denied");
    let mut player = Player::new();
    player.play(&script.said, usize::MAX);
    assert_eq!(player.seen.len(), 1);
    let facts = player.observer.facts();
    assert_eq!((facts.user.as_deref(), facts.login_database.as_deref()), (Some("bob"), Some("other")));
    assert!(!format!("{:?}", player.observer).contains("hidden"));
}

#[test]
fn requests_may_be_sent_before_their_answers() {
    let mut script = Script::new(MODERN);
    script.query("DO 1").query("SELECT 2").query("SELEC");
    script.ok(0, "", AUTOCOMMIT).rows(&["2"], AUTOCOMMIT).err(1064, "You have an error");
    assert_eq!(
        statements(&script),
        [
            Seen::sql("DO 1", 0, Some("")),
            Seen::sql("SELECT 2", 1, None),
            Seen::failed("SELEC", "ERROR 1064 (42000): You have an error"),
        ]
    );
}

#[test]
fn what_is_under_way_when_the_connection_ends_is_told() {
    let mut script = Script::new(MODERN);
    script.query("SELECT 1").query("SELECT 2");
    let mut player = Player::new();
    player.play(&script.said, usize::MAX);
    assert!(player.observer.is_busy());
    // Half a request more.
    player.hear(true, b"\x20\0\0\0\x03SELECT 3");
    player.close();
    player.close();
    let ends: Vec<_> =
        player.seen.iter().map(|seen| (seen.sql.as_deref().unwrap(), seen.error.as_deref().unwrap())).collect();
    assert_eq!(
        ends,
        [("SELECT 1", "connection lost"), ("SELECT 2", "connection lost"), ("SELECT 3", "connection lost")]
    );
    assert!(player.seen[2].truncated);
}

#[test]
fn the_servers_last_words_are_the_reason() {
    let script = Script::new(MODERN);
    let mut player = Player::new();
    player.play(&script.said, usize::MAX);
    player.hear(true, b"\xff\xff\xff\0\x03INSERT");
    player.hear(false, b"\x18\0\0\x01\xff\x81\x04#08S01Got a packet...");
    player.close();
    assert_eq!(player.observer.out_of_sight(), None);
    assert_eq!(player.seen[0].error.as_deref(), Some("ERROR 1153 (08S01): Got a packet..."));
}

#[test]
fn errors_in_place_of_a_greeting_and_a_failed_login() {
    let mut player = Player::new();
    player.hear(false, b"\x17\0\0\0\xff\x10\x04Too many connections");
    assert_eq!((player.observer.out_of_sight(), player.observer.is_busy()), (None, false));

    let mut script = Script::new(MODERN);
    script.said.truncate(3);
    script.err(1045, "Access denied for user");
    let mut player = Player::new();
    player.play(&script.said, usize::MAX);
    player.close();
    assert!(player.seen.is_empty());
    assert_eq!(player.observer.facts().user, None);
}

/// What became of a session, and the last message.
fn end_of(player: &Player) -> (Phase, SightLoss, Option<u8>) {
    let end = player.observer.out_of_sight().unwrap();
    (player.observer.phase(), end.loss, end.error_sequence)
}

#[test]
fn a_replication_stream_is_not_followed_and_says_so() {
    for (request, loss) in [
        (&[0x12, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0][..], SightLoss::Replication),
        (&[0x1e, 0, 0, 1, 0, 0, 0], SightLoss::Replication),
        (&[0x20, 0, 0, 1, 0], SightLoss::Clone),
    ] {
        let mut script = Script::new(MODERN);
        script.request(request).server(b"\0event").server(b"\0event");
        let mut player = Player::new();
        player.play(&script.said, usize::MAX);
        assert_eq!(end_of(&player), (Phase::Blind, loss, Some(1)));
        let [told] = &player.seen[..] else { panic!("{:?}", player.seen) };
        assert_eq!((told.observation_lost, told.sql.as_deref()), (true, None));
        assert!(told.error.as_ref().unwrap().starts_with("observation lost: "), "{told:?}");
    }
    // Refused, it is a session like any other.
    let mut script = Script::new(MODERN);
    script
        .request(&[0x12, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0])
        .err(1227, "Access denied")
        .query("DO 1")
        .ok(0, "", AUTOCOMMIT);
    assert_eq!(statements(&script), [Seen::sql("DO 1", 0, Some(""))]);
}

#[test]
fn an_observer_that_loses_track_says_so_once() {
    let mut script = Script::new(MODERN);
    script.query("SELECT 1").server(&[]);
    let mut player = Player::new();
    player.play(&script.said, usize::MAX);
    let lost = player.observer.out_of_sight().unwrap();
    assert_eq!(lost.to_string(), "malformed column count, server stream, at or after byte 95");
    assert_eq!(end_of(&player), (Phase::Lost, SightLoss::Protocol, Some(1)));
    let [statement, told] = &player.seen[..] else { panic!("{:?}", player.seen) };
    assert!(statement.error.as_deref().unwrap().contains("lost track"));
    assert_eq!((told.observation_lost, told.sql.as_deref(), told.execution_count), (true, None, 1));
    assert_eq!(
        told.error.as_deref(),
        Some(
            "observation lost: malformed column count, server stream; \
             what this connection runs from here on is not seen"
        )
    );
    player.play(&script.said, usize::MAX);
    player.close();
    assert_eq!((player.seen.len(), player.observer.phase()), (2, Phase::Lost));
}

#[test]
fn where_an_error_can_be_put_in_is_known() {
    // In the middle of a result: after what the client has.
    let mut script = Script::new(MODERN);
    script.query("SELECT 1").server(&[1]).definitions(1).server(b"\x011").server(&[0xfe, 0xff, 0, 0, 0, 0]);
    let mut player = Player::new();
    player.play(&script.said, usize::MAX);
    assert_eq!(end_of(&player), (Phase::Lost, SightLoss::Protocol, Some(4)));
    // Inside a packet: nowhere.
    let mut player = Player::new();
    player.play(&script.said, 2);
    assert_eq!(end_of(&player), (Phase::Lost, SightLoss::Protocol, None));
}

#[test]
fn what_never_was_a_session_is_not_lost() {
    let greeting = &Script::new(MODERN).said[..1];
    for bytes in
        [&b"\x16\x03\x01\x02\0\x01\0\x01\xfc"[..], b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\x01", b"\x03\0\0\x01abc"]
    {
        let mut player = Player::new();
        player.play(greeting, usize::MAX);
        player.hear(true, bytes);
        player.hear(false, b"\x15\0\0\x02\xff\x13\x04#08S01Bad handshake");
        player.close();
        assert_eq!(player.observer.out_of_sight().map(|end| end.loss), Some(SightLoss::NoSession), "{bytes:?}");
        assert_eq!(player.seen, []);
    }
    // Another protocol's server.
    let mut player = Player::new();
    player.hear(false, b"\x14\0\0\0SSH-2.0-OpenSSH_9.2\r");
    assert_eq!((end_of(&player).1, player.seen.len()), (SightLoss::NoSession, 0));
    // A client that says nothing is no matter at all.
    let mut player = Player::new();
    player.play(greeting, usize::MAX);
    player.close();
    assert_eq!(player.observer.out_of_sight(), None);
}

#[test]
fn a_login_that_the_server_alone_understands_is_a_session_out_of_sight() {
    let mut player = Player::new();
    player.play(&Script::new(MODERN).said[..1], usize::MAX);
    player.hear(true, b"\x03\0\0\x01abc");
    player.hear(false, b"\x07\0\0\x02\0\0\0\x02\0\0\0");
    assert_eq!(end_of(&player).1, SightLoss::Protocol);
    assert!(player.seen[0].observation_lost);
}

#[test]
fn authentication_data_torn_by_the_end_is_no_statement() {
    let mut script = Script::new(MODERN);
    script
        .request(b"\x11bob\0\x02\xaa\xbbother\0\x2d\0caching_sha2_password\0")
        .server(b"\xfecaching_sha2_password\0nonce");
    let mut player = Player::new();
    player.play(&script.said, usize::MAX);
    // A scramble may begin with the byte of COM_QUERY, and the connection may end within it.
    player.hear(true, b"\x20\0\0\x02\x03hidden");
    assert!(!format!("{:?}", player.observer).contains("hidden"));
    player.close();
    assert!(player.seen.is_empty());
}

#[test]
fn what_servers_refuse_and_go_on_from_is_no_end() {
    for is_mariadb in [false, true] {
        let mut script = Script::new(if is_mariadb { MODERN & !1 } else { MODERN });
        // COM_SLEEP, as both take a packet of no bytes.
        script.request(b"").err(1047, "Unknown command").query("DO 1").ok(0, "", AUTOCOMMIT);
        // Of statements that do not exist, and too short.
        script.request(b"\x18\x63\0\0\0\0\0data").request(b"\x19\x63\0\0\0");
        for short in [&b"\x18\x01\0"[..], b"\x19\x01"] {
            script.request(short);
            if !is_mariadb {
                script.err(1835, "Malformed communication packet");
            }
        }
        for short in [&b"\x1a\x01"[..], b"\x1c\x01", b"\x1b", b"\x0c", b"\x15", b"\x04", b"\x11", b"\x02"] {
            script.request(short).err(1835, "Malformed communication packet");
        }
        script.query("DO 2").ok(0, "", AUTOCOMMIT);
        assert_eq!(statements(&script), [Seen::sql("DO 1", 0, Some("")), Seen::sql("DO 2", 0, Some(""))]);
    }
}

#[test]
fn any_number_of_cheap_requests_may_wait() {
    const MANY: usize = 200_000;
    let mut player = Player::new();
    player.play(&Script::new(MODERN).said, usize::MAX);
    let kept = player.observer.kept_bytes();
    player.hear(true, &framed(0, &[0x0e]).repeat(MANY));
    player.hear(true, &framed(0, b"").repeat(MANY));
    player.hear(true, &framed(0, b"\x03DO 1"));
    assert!(player.observer.kept_bytes() < kept + 4096, "{}", player.observer.kept_bytes());
    player.hear(false, &framed(1, &[0, 0, 0, 2, 0, 0, 0, 0]).repeat(MANY));
    player.hear(false, &framed(1, b"\xff\x17\x04#08S01Unknown command").repeat(MANY));
    player.hear(false, &framed(1, &[0, 0, 0, 2, 0, 0, 0, 0]));
    assert_eq!((player.observer.out_of_sight(), player.observer.is_busy()), (None, false));
    assert_eq!(player.seen.iter().map(|seen| seen.sql.as_deref()).collect::<Vec<_>>(), [Some("DO 1")]);
}

#[test]
fn more_than_can_be_kept_is_said_to_be_too_much() {
    let mut player = Player::new();
    player.play(&Script::new(MODERN).said, usize::MAX);
    let queries = framed(0, b"\x03DO 1").repeat(10_000);
    let mut flights = 0;
    while player.observer.is_following() {
        player.hear(true, &queries);
        flights += 1;
        assert!(flights < 1_000);
    }
    assert!(flights > 20, "{flights}");
    assert_eq!(end_of(&player).1, SightLoss::Backlog);
    assert!(player.seen.last().unwrap().observation_lost);
}

#[test]
fn a_client_may_go_on_before_its_login_is_answered() {
    let login = Script::new(MODERN).said;
    let [greeting, response, .., Said::Server(ok)] = &login[..] else { unreachable!() };
    let mut player = Player::new();
    player.play(&[greeting.clone(), response.clone()], usize::MAX);
    player.hear(true, &[framed(0, b"\x03DO 1"), framed(0, b"\x0e"), framed(0, b"\x03DO 2")].concat());
    player.hear(false, ok);
    let answer = framed(1, &[0, 0, 0, 2, 0, 0, 0, 0]);
    player.hear(false, &[&answer[..], &answer, &answer].concat());
    assert_eq!((player.observer.out_of_sight(), player.observer.is_busy()), (None, false));
    assert_eq!(player.seen.iter().map(|seen| seen.sql.as_deref().unwrap()).collect::<Vec<_>>(), ["DO 1", "DO 2"]);
    // Refused, nothing of it runs.
    let mut player = Player::new();
    player.play(&[greeting.clone(), response.clone()], usize::MAX);
    player.hear(true, &framed(0, b"\x03DO 1"));
    player.hear(false, &framed(2, b"\xff\x15\x04#28000Access denied"));
    player.close();
    assert_eq!(player.seen, []);
}

#[test]
fn a_client_may_go_on_before_its_change_of_user_is_answered() {
    let mut script = Script::new(MODERN);
    script.request(b"\x11bob\0\x02\xaa\xbbother\0\x2d\0mysql_native_password\0").query("DO 1");
    script.request(b"\x11eve\0\x02\xaa\xbbthird\0\x2d\0mysql_native_password\0").query("DO 2");
    for _ in 0..4 {
        script.ok(0, "", AUTOCOMMIT);
    }
    let databases: Vec<_> = statements(&script).into_iter().map(|seen| (seen.sql, seen.database)).collect();
    let expected = [("DO 1", "other"), ("DO 2", "third")];
    assert_eq!(databases, expected.map(|(sql, database)| (Some(sql.into()), Some(database.into()))));
}

#[test]
fn nothing_is_read_behind_a_quit() {
    let mut script = Script::new(MODERN);
    script.query("DO 1").request(&[1]).query("DO 2");
    script.ok(0, "", AUTOCOMMIT);
    let mut player = Player::new();
    player.play(&script.said, usize::MAX);
    player.close();
    assert_eq!(player.seen.iter().map(|seen| seen.sql.as_deref().unwrap()).collect::<Vec<_>>(), ["DO 1"]);
}

#[test]
fn a_file_may_be_sent_before_it_is_asked_for() {
    for ended in [true, false] {
        let mut script = Script::new(MODERN);
        script.query("LOAD DATA LOCAL INFILE 'x' INTO TABLE t");
        // Its packets continue the sequence, which may begin again from 0; what they hold is no request.
        script.said.extend((2..=300_u16).map(|id| Said::Client(framed(id as u8, b"\x03DELETE FROM t"))));
        if ended {
            script.said.push(Said::Client(framed(45, b"")));
        }
        script.server(b"\xfbx");
        if !ended {
            script.said.push(Said::Client(framed(45, b"more")));
            script.said.push(Said::Client(framed(46, b"")));
        }
        script.ok(3, "Records: 3", AUTOCOMMIT).query("DO 1").ok(0, "", AUTOCOMMIT);
        assert_eq!(
            statements(&script),
            [
                Seen::sql("LOAD DATA LOCAL INFILE 'x' INTO TABLE t", 3, Some("Records: 3")),
                Seen::sql("DO 1", 0, Some(""))
            ]
        );
    }
}

#[test]
fn what_is_out_of_order_is_refused_and_runs_nothing() {
    let mut script = Script::new(MODERN);
    script.said.push(Said::Client(framed(5, b"\x03DO 1")));
    script.server(b"\xff\x84\x04#08S01Got packets out of order");
    let mut player = Player::new();
    player.play(&script.said, usize::MAX);
    player.close();
    assert_eq!((player.seen.len(), player.observer.out_of_sight()), (0, None));
}

#[test]
fn a_request_for_tls_says_what_the_session_can_do() {
    let script = Script::new(MODERN | CapabilityFlags::SSL.bits());
    let [greeting, Said::Client(login), rest @ ..] = &script.said[..] else { unreachable!() };
    // The dialect is that of the request, be it longer than clients make it or not; the login's own says another.
    let mut request = login[4..].to_vec();
    request[3] &= !1; // CLIENT_DEPRECATE_EOF
    for length in [32, request.len()] {
        let mut player = Player::new();
        player.play(std::slice::from_ref(greeting), usize::MAX);
        player.hear(true, &framed(1, &request[..length]));
        player.hear(true, login);
        player.play(rest, usize::MAX);
        let mut classic = Script::new(CLASSIC);
        classic.said.clear();
        classic.query("SELECT 1").rows(&["1"], AUTOCOMMIT);
        player.play(&classic.said, usize::MAX);
        assert_eq!((player.observer.out_of_sight(), player.seen.len(), player.seen[0].count), (None, 1, 1));
        assert_eq!(player.observer.facts().user.as_deref(), Some("app"));
    }
}
