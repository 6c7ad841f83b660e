"""Random sessions of every command that can be replayed, recorded and played on the same server again. Its general log is the judge: it has
each command with its text and its bound values as the server understood them, and must have the same twice. So must the tables."""

import json
import random

import pytest
from harness import run, wire
from harness.breadth import seeds
from harness.proxy import binary, environment
from harness.random_client import PROCEDURE, TABLE, Client
from harness.wire import Raw

USER, PASSWORD = "player", "player-secret"
BULK = 1 << 2  # MARIADB_CLIENT_STMT_BULK_OPERATIONS


def live(proxy, chance, is_mariadb):
    optional = [wire.DEPRECATE_EOF, wire.SESSION_TRACK, wire.FOUND_ROWS] + ([] if is_mariadb else [wire.QUERY_ATTRIBUTES])
    bulk = is_mariadb and chance.random() < 0.6
    capabilities = wire.BASIC | wire.LOCAL_FILES | sum(flag for flag in optional if chance.random() < 0.5)
    if bulk:
        capabilities &= ~wire.LONG_PASSWORD
    with Raw(proxy.host, proxy.port) as raw:
        raw.login(USER, PASSWORD, "player", capabilities, BULK if bulk else 0)
        Client(chance, raw, (USER, PASSWORD), "player", bulk).live()


def begin_again(server):
    server.sql("USE player", "DROP TABLE IF EXISTS t", TABLE, "INSERT INTO t (v) VALUES ('one'), ('two'), ('three')")
    server.general_log_on()


def log(server):
    """The session's commands; how the connection was made differs."""
    entries = server.general_log_off(USER)
    cut = lambda entry: entry.argument.partition(" using ")[0] if entry.command == "Change user" else entry.argument
    return [(entry.command, cut(entry)) for entry in entries if entry.command not in ("Connect", "Quit")]


def rows(server):
    return server.sql("SELECT id, HEX(v) FROM player.t ORDER BY id")


@pytest.mark.newer_mariadb
@pytest.mark.parametrize("seed", seeds(3))
def test_a_server_hears_the_same_again(server, proxies, tmp_path, seed):
    is_mariadb = server.flavor == "mariadb"
    chance = random.Random(f"player {seed}")
    server.fresh_databases("player")
    server.fresh_user(USER, PASSWORD)
    server.sql("USE player", PROCEDURE)
    with server.connect(user=USER, password=PASSWORD, database="player"):
        pass  # its password is in caching_sha2_password's cache from here on
    proxy = proxies(server, "--record", tmp_path / "recording")
    begin_again(server)
    live(proxy, chance, is_mariadb)
    expected, table = log(server), rows(server)
    proxy.stop()
    begin_again(server)
    # What is asked before the start is another account's, and not in this one's log.
    (tmp_path / "users.toml").write_text(f'[users.{USER}]\npassword = "{PASSWORD}"\n')
    played = run([binary(), "replay", tmp_path / "recording", "--target", f"mysql://app:app-secret@{server.address}", "--user-map", tmp_path / "users.toml",
                  "--speed", "max", "--allow-writes", "--allow-admin", "--report", tmp_path / "report"], env=environment())
    assert played.returncode == 0, played.stderr
    actual = log(server)
    for place, (was, is_now) in enumerate(zip(expected, actual)):
        assert was == is_now, f"seed {seed}, entry {place}"
    assert len(expected) == len(actual), f"seed {seed}: {expected[len(actual):]} {actual[len(expected):]}"
    assert rows(server) == table
    # The report agrees: but for times there is no difference.
    differences = [json.loads(line) for line in (tmp_path / "report/diffs.ndjson").read_text().splitlines()]
    assert [difference for difference in differences if difference["class"] != "time"] == []
