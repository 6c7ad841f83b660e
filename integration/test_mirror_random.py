"""Random sessions of every command that can be done again elsewhere, mirrored with writes: the second server's general log has each command with
its text and its bound values as that server understood them, and must have what the first one's has. So must the tables, and the comparison must
have nothing to tell."""

import json
import random
import threading

import pytest
from harness import wire
from harness.breadth import LONG, seeds
from harness.random_client import PROCEDURE, TABLE, Client
from harness.wire import Raw

USER, PASSWORD = "randomly", "randomly-secret"
SESSIONS, STEPS = 4, 300 if LONG else 60
# Both of a pair, and whether they are of the same make: what they answer to odd values is the same only then.
PAIRS = {"mysql-mariadb": ("mysql", "mariadb"), "mysql-mysql": ("mysql", "binlog_mysql"), "mariadb-mysql": ("mariadb", "mysql"),
         "mariadb-mariadb": ("mariadb", "binlog_mariadb")}
TRIED = list(PAIRS) if LONG else list(PAIRS)[:2]
OUTCOMES = ("session", "error", "rows", "affected", "order")


def database(number):
    return f"randomly_{number}"


def mark(number):
    return f"SELECT 'session {number}'"


def prepare(server):
    server.fresh_user(USER, PASSWORD)
    server.fresh_databases(*map(database, range(SESSIONS)))
    for number in range(SESSIONS):
        server.sql(f"USE {database(number)}", TABLE, PROCEDURE, "INSERT INTO t (v) VALUES ('one'), ('two'), ('three')")
    with server.connect(user=USER, password=PASSWORD, database=database(0)):
        pass  # its password is in caching_sha2_password's cache from here on
    server.general_log_on()


def live(proxy, seed, number, is_alike):
    chance = random.Random(f"mirror {seed} {number}")
    optional = [wire.DEPRECATE_EOF, wire.SESSION_TRACK, wire.FOUND_ROWS]
    capabilities = wire.BASIC | wire.LOCAL_FILES | sum(flag for flag in optional if chance.random() < 0.5)
    with Raw(proxy.host, proxy.port) as raw:
        raw.login(USER, PASSWORD, database(number), capabilities)
        raw.query(mark(number))
        Client(chance, raw, (USER, PASSWORD), database(number), plain=not is_alike).live(STEPS)


def heard(server):
    """What each session said, by its number; how the connection was made differs."""
    by_thread = {}
    for entry in server.general_log_off(USER):
        if entry.command not in ("Connect", "Quit"):
            text = entry.argument.partition(" using ")[0] if entry.command == "Change user" else entry.argument
            by_thread.setdefault(entry.thread, []).append((entry.command, text))
    sessions = [(first[1], (first, *rest)) for first, *rest in by_thread.values()]
    assert len(dict(sessions)) == len(sessions), "a session came in pieces"
    return dict(sessions)


@pytest.mark.parametrize("both", TRIED)
@pytest.mark.parametrize("seed", seeds(1))
def test_a_second_server_hears_the_same(request, proxies, tmp_path, seed, both):
    source, target = (request.getfixturevalue(name) for name in PAIRS[both])
    is_alike = source.flavor == target.flavor
    prepare(source)
    prepare(target)
    proxy = proxies(source, "--mirror", f"mysql://{USER}:{PASSWORD}@{target.address}", "--mirror-allow-writes", "--mirror-report", tmp_path / "report")
    threads = [threading.Thread(target=live, args=(proxy, seed, number, is_alike)) for number in range(SESSIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    proxy.stop()
    expected, actual = heard(source), heard(target)
    assert "dropped=none" in proxy.log, proxy.log
    for number in range(SESSIONS):
        table = f"SELECT id, HEX(v) FROM {database(number)}.t ORDER BY id"
        assert source.sql(table) == target.sql(table)
        if is_alike:
            said, done = expected[mark(number)], actual[mark(number)]
            for place, (was, is_now) in enumerate(zip(said, done)):
                assert was == is_now, f"session {number}, entry {place}"
            assert len(said) == len(done), f"session {number}: {said[len(done):]} {done[len(said):]}"
            checksum = f"CHECKSUM TABLE {database(number)}.t"
            assert source.sql(checksum) == target.sql(checksum)
    differences = [json.loads(line) for line in (tmp_path / "report/diffs.ndjson").read_text().splitlines()]
    found = [difference for difference in differences if difference["class"] in OUTCOMES]
    assert not found, json.dumps(found, indent=1)
