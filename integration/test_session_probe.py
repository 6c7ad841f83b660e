"""`--session-probe=inject`: the first message has time zone and isolation level, and the client cannot tell that the server was asked."""

import random
import socket
import ssl
import struct
import threading
import zlib

import pytest

from harness import PATIENCE, wire, within
from harness.breadth import seeds
from harness.endings import End
from harness.fake import EOF, OK, greeting, login, packets
from harness.wire import Raw, ServerError

PROBE = "--session-probe=inject"
COMPRESS, OPTIONAL_METADATA, ZSTD = 0x20, 0x2000000, 0x4000000
ERROR_SERVER_TZ, ERROR_ISOLATION = 1 << 25, 1 << 26
LEVELS = {"READ-UNCOMMITTED": 1, "READ-COMMITTED": 2, "REPEATABLE-READ": 4, "SERIALIZABLE": 8}


def values(message):
    return message["serverTZ"], message["isolationLvl"], message["iFlags"] & (ERROR_SERVER_TZ | ERROR_ISOLATION)


def as_the_server_has_them(server):
    name = "transaction_isolation" if server.flavor == "mysql" or "-11." in server.version or server.version.startswith("11.") else "tx_isolation"
    zone, level = server.sql(f"SELECT @@global.time_zone, @@global.{name}")[0]
    return zone, LEVELS[level], 0


@pytest.mark.newer_mariadb
@pytest.mark.smoke
def test_the_first_message_has_the_values(server, proxies):
    """And it is the first statement, by its count too."""
    proxy = proxies(server, PROBE)
    for options in ({}, {"ssl": {"check_hostname": False}, "ssl_disabled": False}):
        if options:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            options = {"ssl": context}
        with proxy.connect(**options) as db, db.cursor() as cursor:
            cursor.execute("SELECT 'hello'")
    plain, tls = [m for m in proxy.messages.wait(2, lambda m: "hello" in (m["sql"] or ""))]
    for message in (plain, tls):
        assert values(message) == as_the_server_has_them(server)
    with proxy.connect() as db, db.cursor() as cursor:
        cursor.execute("SET time_zone = '+03:00'")
        cursor.execute("DO 'set'")
    assert proxy.messages.wait(1, lambda m: m["sql"] == "DO 'set'")[0]["serverTZ"] == "+03:00"
    proxy.stop()
    messages = proxy.messages.all()
    assert not [m for m in messages if "isolation" in (m["sql"] or "")]
    assert min(m["executionCount"] for m in messages) == 1
    assert (proxy.counter("session_probes"), proxy.counter("session_probes_failed")) == (3, 0)


def test_without_it_they_are_unknown(mysql, proxies):
    proxy = proxies(mysql)
    with proxy.connect() as db, db.cursor() as cursor:
        cursor.execute("SELECT 'hello'")
    assert values(proxy.messages.wait(1, lambda m: m["sql"] == "SELECT 'hello'")[0]) == (None, None, ERROR_SERVER_TZ | ERROR_ISOLATION)
    proxy.stop()
    assert proxy.counter("session_probes") == 0


def compressed(data):
    return len(data).to_bytes(3, "little") + b"\0\0\0\0" + data


def heard(address, capabilities, extended, requests, ahead, chance):
    """All that a client hears after its login, for requests that it sends in pieces."""
    host, _, port = address.rpartition(":")
    with Raw(host, int(port)) as raw:
        raw.greeting()
        capabilities &= raw.server_capabilities
        if extended:
            capabilities &= ~wire.LONG_PASSWORD
        sent = Raw.frame(struct.pack("<IIB19xI", capabilities, 1 << 30, 45, extended) + b"probed\0\0test\0" + raw.plugin + b"\0"
                         + (b"\3" if capabilities & ZSTD else b""), 1)[0]
        flights = [Raw.frame(request)[0] for request in requests]
        if capabilities & (COMPRESS | ZSTD):
            flights = [compressed(flight) for flight in flights]
        elif ahead:
            sent += b"".join(flights)
            flights = []
        cuts = sorted(chance.randrange(len(sent)) for _ in range(3))
        for start, end in zip([0, *cuts], [*cuts, len(sent)]):
            raw.sock.sendall(sent[start:end])
        raw.sequence = 2
        data = [raw.packet()]
        for flight in flights:
            raw.sock.sendall(flight)
        raw.sock.shutdown(socket.SHUT_WR)
        rest = [raw.buffer]
        while part := raw.sock.recv(1 << 16):
            rest.append(part)
        return data, b"".join(rest)


REQUESTS = [b"\x0e", b"\x03SELECT 1, 'two' AS b", b"\x03SELECT nothing FROM nowhere", b"\x03SET @a = 1", b"\x03SELECT * FROM probed_t",
            b"\x03UPDATE probed_t SET a = a", b"\x16SELECT ?, 1", b"\x02test", b"\x1f", b"\x03SELECT 1 WHERE 1 = 0", b"\x03SELECT @@time_zone", b"\x03CALL probed_p()"]


@pytest.mark.newer_mariadb
def test_the_client_hears_the_same(server, proxies):
    """Byte for byte what it hears without a proxy, in every dialect, with requests sent before the login is answered or after."""
    server.sql("DROP USER IF EXISTS 'probed'@'%'", "CREATE USER 'probed'@'%' IDENTIFIED BY ''", "GRANT ALL ON *.* TO 'probed'@'%'",
               "DROP TABLE IF EXISTS test.probed_t", "CREATE TABLE test.probed_t (a INT)", "INSERT INTO test.probed_t VALUES (1), (2)",
               "DROP PROCEDURE IF EXISTS test.probed_p", "CREATE PROCEDURE test.probed_p() SELECT * FROM probed_t")
    proxy = proxies(server, PROBE)
    sessions, resets, extras = 0, 0, (wire.DEPRECATE_EOF, wire.SESSION_TRACK, wire.QUERY_ATTRIBUTES, OPTIONAL_METADATA)
    for seed in seeds(40):
        chance = random.Random(f"{server.release} {seed}")
        capabilities = wire.BASIC
        for flag in extras:
            capabilities |= flag if chance.random() < 0.5 else 0
        capabilities |= chance.choice((0, 0, 0, COMPRESS, ZSTD))
        # MariaDB's: progress, bulk, extended metadata, cached metadata.
        extended = chance.choice((0, 0b1, 0b1000, 0b11101)) if server.flavor == "mariadb" else 0
        # MariaDB's statement ids run on over all sessions.
        known = [r for r in REQUESTS if server.flavor == "mysql" or r[0] != 0x16]
        requests = [chance.choice(known) for _ in range(chance.randrange(1, 6))]
        # A session whose server needs query attributes gets them.
        if capabilities & wire.QUERY_ATTRIBUTES and server.flavor == "mysql":
            requests = [b"\x03\0\1" + r[1:] if r[0] == 3 else r for r in requests]
        arguments = capabilities, extended, requests + [b"\x01"], chance.random() < 0.4
        direct = heard(server.address, *arguments, random.Random(seed))
        through = heard(proxy.address, *arguments, random.Random(seed))
        assert through == direct, (seed, hex(capabilities), extended, requests)
        sessions, resets = sessions + 1, resets + (b"\x1f" in requests)
    proxy.stop()
    assert (proxy.counter("session_probes"), proxy.counter("session_probes_failed")) == (sessions, 0)
    assert proxy.counter("observer_lost_sessions") == 0
    first = [m for m in proxy.messages.all() if m["executionCount"] == 1]
    # COM_RESET_CONNECTION goes back to values that nobody has seen.
    assert len(first) > sessions / 2 and sum(m["serverTZ"] is None for m in first) <= resets


@pytest.mark.newer_mariadb
def test_an_expired_password(server, proxies):
    """The server refuses the question, not the session: the client sets a new one."""
    server.sql("DROP USER IF EXISTS 'expired'@'%'", "CREATE USER 'expired'@'%' IDENTIFIED BY 'old-1'", "ALTER USER 'expired'@'%' PASSWORD EXPIRE")
    proxy = proxies(server, PROBE)
    # The capability that lets such a client in.
    with Raw(proxy.host, proxy.port) as raw:
        server.sql("ALTER USER 'expired'@'%' IDENTIFIED BY ''", "ALTER USER 'expired'@'%' PASSWORD EXPIRE")
        raw.login("expired", "", capabilities=(wire.BASIC | 0x400000) & ~wire.CONNECT_WITH_DB)
        with pytest.raises(ServerError) as refused:
            raw.query("SELECT 1")
        assert refused.value.code == 1820
        raw.query("SET PASSWORD = 'new-2'" if server.flavor == "mysql" else "SET PASSWORD = PASSWORD('new-2')")
        raw.query("SELECT 2")
    first = proxy.messages.wait(3)[0]
    assert first["errorMessage"].startswith("ERROR 1820") and values(first) == (None, None, ERROR_SERVER_TZ | ERROR_ISOLATION)
    proxy.stop()
    assert (proxy.counter("session_probes"), proxy.counter("session_probes_failed")) == (1, 1)


@pytest.mark.newer_mariadb
@pytest.mark.parametrize("when", ["waits", "at once", "ahead", "never"])
def test_a_failing_init_connect(server, proxies, when):
    """The server answers the first request with an error and closes: the client's own gets that answer."""
    server.sql("DROP USER IF EXISTS 'initial'@'%'", "CREATE USER 'initial'@'%' IDENTIFIED BY ''", "SET GLOBAL init_connect = 'SELEC nonsense'")
    proxy = proxies(server, PROBE)

    def session(host, port):
        with Raw(host, port) as raw:
            raw.greeting()
            sent = Raw.frame(struct.pack("<IIB23x", wire.BASIC & ~wire.CONNECT_WITH_DB, 1 << 30, 45) + b"initial\0\0" + raw.plugin + b"\0", 1)[0]
            question = Raw.frame(b"\x03SELECT 'first'")[0]
            raw.sock.sendall(sent + (question if when == "ahead" else b""))
            raw.sequence = 2
            assert raw.packet()[0] == 0
            if when == "waits":
                raw.sock.settimeout(0.5)
                with pytest.raises(TimeoutError):
                    raw.sock.recv(1)
                raw.sock.settimeout(PATIENCE)
            if when in ("waits", "at once"):
                raw.sock.sendall(question)
            if when == "never":
                return None
            raw.sequence = 1
            with pytest.raises(ServerError) as refused:
                raise ServerError(raw.packet())
            rest = raw.sock.recv(1)
            return refused.value.code, refused.value.state, rest

    try:
        direct = session(server.host, server.port)
        through = session(proxy.host, proxy.port)
    finally:
        server.sql("SET GLOBAL init_connect = ''")
    assert through == direct
    if when != "never":
        assert through[0] == 1184
        message = proxy.messages.wait(1)[0]
        assert message["sql"] == "SELECT 'first'" and message["errorMessage"].startswith("ERROR 1184")
    proxy.stop()
    assert len(proxy.messages.all()) == (0 if when == "never" else 1)


COLUMN = b"\3def\0\0\0\1n\0\x0c\x2d\0\xff\xff\0\0\xfd\0\0\0\0\0"
ANSWER = packets(1, b"\2", COLUMN, COLUMN, EOF, b"\6-05:30\x0cSERIALIZABLE", EOF)
QUESTION = b"\x03SELECT @@session.time_zone, @@transaction_isolation, @@sql_mode"


class Session:
    """Both ends of a session through the proxy, logged in, with the proxy's question read by the server."""

    def __init__(self, fake, proxy, with_login=b"", asked=True):
        self.client = End(socket.create_connection((proxy.host, proxy.port), PATIENCE))
        self.server = End(fake.listener.accept()[0])
        self.server.sendall(greeting(False))
        fake.expect(self.client, len(greeting(False)))
        sent = packets(1, login(False))
        self.client.sendall(sent + with_login)
        assert fake.expect(self.server, len(sent)) == sent
        self.server.sendall(packets(2, OK))
        fake.expect(self.client, len(packets(2, OK)))
        if asked:
            question = packets(0, QUESTION)
            assert fake.expect(self.server, len(question)) == question

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()
        self.server.close()


MINE, YOURS = packets(0, b"\3DO 'mine'"), packets(1, OK)


def exchange(fake, session, sent=True):
    if sent:
        session.client.sendall(MINE)
    assert fake.expect(session.server, len(MINE)) == MINE
    session.server.sendall(YOURS)
    assert fake.expect(session.client, len(YOURS)) == YOURS


@pytest.mark.parametrize("size", [1, 7, 50, 1000])
def test_an_answer_in_pieces(fake, proxies, size):
    proxy = proxies(fake.address, PROBE)
    with Session(fake, proxy) as session:
        for at in range(0, len(ANSWER), size):
            session.server.sendall(ANSWER[at:at + size])
        exchange(fake, session)
    assert values(proxy.messages.wait(1)[0]) == ("-05:30", 8, 0)
    proxy.stop()


def test_a_request_that_came_with_the_login_waits(fake, proxies):
    proxy = proxies(fake.address, PROBE)
    with Session(fake, proxy, with_login=MINE) as session:
        session.server.sendall(ANSWER)
        exchange(fake, session, sent=False)
    assert values(proxy.messages.wait(1)[0]) == ("-05:30", 8, 0)
    proxy.stop()


def test_a_server_that_takes_its_time(fake, proxies):
    """After --handshake-timeout the client's request follows the question; its answer is still the client's, and the other is not."""
    proxy = proxies(fake.address, PROBE, "--handshake-timeout", "1s")
    with Session(fake, proxy) as session:
        session.client.sendall(MINE)
        assert fake.expect(session.server, len(MINE)) == MINE
        session.server.sendall(ANSWER + YOURS)
        assert fake.expect(session.client, len(YOURS)) == YOURS
        exchange(fake, session)
    messages = proxy.messages.wait(2)
    assert [values(m) for m in messages] == [("-05:30", 8, 0)] * 2 and [m["sql"] for m in messages] == ["DO 'mine'"] * 2
    proxy.stop()


def test_a_server_that_closes_without_an_answer(fake, proxies):
    proxy = proxies(fake.address, PROBE)
    with Session(fake, proxy) as session:
        session.server.sendall(ANSWER[:20])
        session.server.close()
        assert session.client.recv(100) == b""
    proxy.stop()
    assert proxy.messages.all() == []


def test_what_the_server_says_unasked_is_the_clients(fake, proxies):
    """Right behind the answer, in the same write."""
    proxy = proxies(fake.address, PROBE)
    words = packets(0, b"\xff\xbf\x0f#HY000idle for too long")
    with Session(fake, proxy) as session:
        session.server.sendall(ANSWER + words)
        session.server.close()
        assert fake.expect(session.client, len(words)) == words
        assert session.client.recv(100) == b""
    proxy.stop()


def test_an_answer_that_is_none_ends_the_session(fake, proxies):
    proxy = proxies(fake.address, PROBE)
    with Session(fake, proxy) as session:
        session.server.sendall(packets(1, b"\2", COLUMN, COLUMN, COLUMN))
        assert session.client.recv(100) == b""
    proxy.wait_log("the answer to the session probe is not understood")
    proxy.stop()
    assert proxy.counter("session_probes_failed") == 1


def test_a_stop_does_not_wait_for_it(fake, proxies):
    proxy = proxies(fake.address, PROBE)
    with Session(fake, proxy) as session:
        proxy.stop()
        assert session.client.recv(100) == b""


def test_a_login_that_asks_for_more_gets_it(fake, proxies):
    """A client that took the login for done sees what it sees without a proxy: its request is read as its answer."""
    proxy = proxies(fake.address, PROBE)
    client = End(socket.create_connection((proxy.host, proxy.port), PATIENCE))
    server = End(fake.listener.accept()[0])
    server.sendall(greeting(False))
    fake.expect(client, len(greeting(False)))
    sent = packets(1, login(False))
    client.sendall(sent + MINE)
    assert fake.expect(server, len(sent)) == sent
    more = packets(2, b"\xfemysql_native_password\0abc\0")
    server.sendall(more)
    assert fake.expect(client, len(more)) == more
    assert fake.expect(server, len(MINE)) == MINE
    client.close()
    server.close()
    proxy.stop()


def test_without_messages_nobody_is_asked(mysql, proxies):
    proxy = proxies(mysql, PROBE, "--statement-logging=false")
    with proxy.connect() as db, db.cursor() as cursor:
        cursor.execute("SHOW SESSION STATUS LIKE 'Com_select'")
        assert cursor.fetchall() == (("Com_select", "0"),)
    assert "--session-probe: no effect" in proxy.log
    proxy.stop()
