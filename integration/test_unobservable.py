"""--on-unobservable=close: what cannot be seen does not happen."""

import struct

import pymysql
import pytest

from harness import wire
from harness.fake import COLUMN, EOF, QUERY, packets
from harness.proxy import once
from harness.tls import trusting
from harness.wire import Raw

# The end of a result, and more that was not asked for.
NO_ANSWER = packets(5, EOF, b"more")
CLOSE = ["--on-unobservable", "close"]


def error(end):
    """The ERR packet that comes next: its sequence id and what it says."""
    header = b""
    while len(header) < 4:
        header += end.recv(4 - len(header))
    length, payload = int.from_bytes(header[:3], "little"), b""
    while len(payload) < length:
        payload += end.recv(length - len(payload))
    assert payload[0] == 0xFF, payload
    return header[3], wire.ServerError(payload)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_an_answer_that_is_not_understood_becomes_an_error(fake, proxies, tls):
    proxy = proxies(fake.address, *CLOSE)
    good = packets(1, b"\1", COLUMN, EOF, b"\1x")
    with fake.session(proxy.address, tls, "running") as (client, server):
        server.sendall(good)
        assert fake.expect(client, len(good)) == good
        server.sendall(NO_ANSWER)
        sequence, said = error(client)
        assert (sequence, said.code) == (5, 1290) and "--on-unobservable=close" in said.text, said
        assert client.endings()[-1] == "FIN" and client.data == b""
        client.close()
        assert server.endings()[-1] in ("FIN", "RST")
    # Inside a packet there is no place for an error.
    with fake.session(proxy.address, tls, "running") as (client, server):
        half = good[:-1]
        server.sendall(half)
        assert fake.expect(client, len(half)) == half
        server.sendall(b"x" + NO_ANSWER)
        assert client.endings()[-1] == "FIN" and client.data == b""
    told = proxy.messages.wait(2, lambda m: (m["errorMessage"] or "").startswith("observation lost"))
    assert all(m["sql"] is None for m in told)
    proxy.stop()
    assert proxy.counter("refused_sessions") == 2 and proxy.log.count("session ends because its statements cannot be seen") == 2


def test_without_it_the_session_goes_on(fake, proxies):
    proxy = proxies(fake.address)
    with fake.session(proxy.address, False, "running") as (client, server):
        strange = packets(1, b"\1", COLUMN, EOF, b"\1x") + NO_ANSWER
        server.sendall(strange)
        assert fake.expect(client, len(strange)) == strange
        client.sendall(QUERY)
        assert fake.expect(server, len(QUERY)) == QUERY
    proxy.stop()
    assert proxy.counter("refused_sessions") == 0


COMMANDS = {"BINLOG_DUMP": b"\x12" + struct.pack("<IHI", 4, 0, 99) + b"binlog.000001", "TABLE_DUMP": b"\x13\4test\1t",
            "BINLOG_DUMP_GTID": b"\x1e" + struct.pack("<HII", 0, 99, 0) + struct.pack("<QI", 4, 0), "CLONE": b"\x20\0"}


@pytest.mark.parametrize("command", COMMANDS)
def test_streams_are_refused_before_the_server_hears_of_them(fake, proxies, command):
    proxy = proxies(fake.address, *CLOSE)
    with fake.session(proxy.address, False, "idle") as (client, server):
        client.sendall(packets(0, COMMANDS[command]))
        sequence, said = error(client)
        assert (sequence, said.code) == (1, 1290), said
        client.close()
        assert server.endings()[-1] in ("FIN", "RST") and server.data == b""
    proxy.stop()


def test_a_replica_is_told_why(mysql, proxies):
    proxy = proxies(mysql, *CLOSE)
    mysql.sql("DROP USER IF EXISTS watcher", "CREATE USER watcher IDENTIFIED BY ''", "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO watcher")
    done = once("binlog", "--source", f"mysql://watcher@{proxy.address}", "--from", "oldest", "--until", "now")
    assert done.returncode != 0 and "--on-unobservable=close" in done.stderr, done.stderr
    proxy.stop()


def test_tls_that_is_passed_through_is_refused(mysql, proxies):
    proxy = proxies(mysql, *CLOSE, "--tls", "passthrough")
    with pytest.raises((pymysql.Error, OSError)):
        proxy.connect(ssl=trusting())
    with Raw(proxy.host, proxy.port) as raw:
        raw.greeting()
        raw.send(struct.pack("<IIB23x", wire.BASIC | wire.SSL, 1 << 24, 45), fresh=False)
        said = wire.ServerError(raw.packet())
        assert said.code == 1290 and "passed through" in said.text, said
    with proxy.connect() as db, db.cursor() as cursor:
        cursor.execute("SELECT 'plain'")
        assert cursor.fetchall() == (("plain",),)
    proxy.stop()
    assert proxy.counter("refused_sessions") == 2


def test_what_can_be_seen_works_as_ever(server, proxies):
    proxy = proxies(server, *CLOSE)
    for tls in (False, True):
        with proxy.connect(**({"ssl": trusting()} if tls else {}), local_infile=True) as db, db.cursor() as cursor:
            cursor.execute("SELECT REPEAT('x', 3000000), 1")
            assert len(cursor.fetchone()[0]) == 3000000
            cursor.execute("SELECT LENGTH('" + "y" * 3000000 + "')")
            assert cursor.fetchone() == (3000000,)
            with pytest.raises(pymysql.Error):
                cursor.execute("SELEC 1")
            cursor.execute("SELECT 'after the error'")
    proxy.stop()
    assert len(proxy.messages.sql("SELECT 'after the error'")) == 2 and proxy.counter("refused_sessions") == 0
