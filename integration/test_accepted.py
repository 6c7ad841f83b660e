"""What servers accept although no client library sends it: each statement that runs has its message."""

import ssl
import struct

import pytest

from harness import wire
from harness.proxy import AS_SENT
from harness.wire import Raw

pytestmark = pytest.mark.newer_mariadb
LAST = b"\xff\xff\xff\xff"


def framed(*payloads):
    return b"".join(Raw.frame(payload)[0] for payload in payloads)


def logged_in(server, port, capabilities=wire.BASIC):
    server.connect().close()  # so that the raw client's login is a fast one
    return Raw("127.0.0.1", port).login("app", "app-secret", capabilities=capabilities)


def prepare(raw, text):
    raw.command(0x16, text.encode())
    return prepared(raw)


def prepared(raw):
    head = raw.packet()
    if head[0] == 0xFF:
        raise wire.ServerError(head)
    columns, params = struct.unpack_from("<HH", head, 5)
    for count in (params, columns):
        for _ in range(count + (count > 0 and not raw.capabilities & wire.DEPRECATE_EOF)):
            raw.packet()
    return head[1:5]


def execution(statement, cursor=0, params=b""):
    return b"\x17" + statement + struct.pack("<BI", cursor, 1) + params


def answered(raw, count, cursor=False):
    """The results of this many requests that were sent in one flight."""
    found = []
    for _ in range(count):
        raw.sequence = 1
        try:
            found.append(raw.results(cursor))
        except wire.ServerError as error:
            found.append(error.code)
    return found


def seen(proxy):
    return [(m["sql"], m["errorMessage"] and m["errorMessage"].split(" (")[0]) for m in proxy.messages.all()]


def followed(proxy):
    proxy.stop()
    assert proxy.counter("observer_lost_sessions") == 0, proxy.log


PROCEDURES = [
    ("one_out", "(OUT x INT) SET x = 1", "?", []),
    ("two_out", "(OUT x INT, OUT y VARCHAR(20)) BEGIN SET x = 1; SET y = 'two'; END", "?, ?", []),
    ("in_out", "(INOUT x INT) SET x = x + 1", "?", []),
    ("rows_then_out", "(OUT x INT) BEGIN SELECT 1 UNION SELECT 2; SELECT 3; SET x = 9; END", "?", []),
    ("empty_then_out", "(OUT x INT) BEGIN SELECT 1 FROM (SELECT 1) AS t WHERE 1 = 0; SET x = 9; END", "?", []),
    ("no_out", "(IN x INT) BEGIN SELECT x; SELECT 2; END", "?", []),
    ("out_then_error", "(OUT x INT) BEGIN SELECT 1; SET x = 1; SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 4711; END", "?", [4711]),
]


@pytest.mark.parametrize("dialect", [0, wire.DEPRECATE_EOF, wire.DEPRECATE_EOF | wire.SESSION_TRACK])
def test_out_parameters(server, proxies, dialect):
    """Cursors asked for or not, results before, errors after; and the text protocol, whose OUT parameters are variables."""
    server.fresh_databases("outs")
    for name, body, _, _ in PROCEDURES:
        server.sql("USE outs", f"CREATE PROCEDURE {name} {body}")
    proxy = proxies(server, *AS_SENT)
    expected, direct, through = [], [], []
    for port, found in ((server.port, direct), (proxy.port, through)):
        with logged_in(server, port, wire.BASIC | dialect) as raw:
            raw.query("USE outs")
            for name, _, marks, _ in PROCEDURES:
                for cursor in (0, 1):
                    statement = prepare(raw, f"CALL {name}({marks})")
                    count = marks.count("?")
                    raw.send(execution(statement, cursor, bytes([(1 << count) - 1, 1]) + b"\x03\0" * count))
                    found.extend(answered(raw, 1, cursor))
                    found.append(raw.query(f"SELECT '{name} {cursor}'"))
                found.append(raw.query(f"SET @x = 1; CALL {name}({', '.join(['@x', '@y'][:count])}); SELECT 'text'")
                             if name != "out_then_error" else None)
    assert through == direct
    followed(proxy)
    for name, _, marks, error in PROCEDURES:
        for cursor in (0, 1):
            expected += [(f"CALL {name}({marks})", f"ERROR {error[0]}" if error else None), (f"SELECT '{name} {cursor}'", None)]
        if name != "out_then_error":
            expected += [("SET @x = 1", None), (f"CALL {name}({', '.join(['@x', '@y'][:marks.count('?')])})", None), ("SELECT 'text'", None)]
    assert seen(proxy) == [("USE outs", None)] + expected


def test_the_statement_prepared_last(server, proxies):
    """0xffffffff is that statement to MariaDB, in every command, and in one flight with its prepare; to MySQL it is none."""
    proxy = proxies(server, *AS_SENT)
    text = "SELECT LENGTH(?), 'last'"
    with logged_in(server, proxy.port) as raw:
        raw.sock.sendall(framed(b"\x16" + text.encode(), b"\x18" + LAST + b"\0\0" + b"str", b"\x18" + LAST + b"\0\0" + b"eam",
                                execution(LAST, 0, b"\0\x01\xfd\0")))
        raw.sequence = 1
        prepared(raw)
        flight = answered(raw, 1)
        # Reset, executed with a value, a cursor fetched, closed, and executed once more.
        raw.sock.sendall(framed(b"\x1a" + LAST, execution(LAST, 0, b"\0\x01\xfd\0\x02hi"), execution(LAST, 1, b"\0\x01\xfd\0\x03abc")))
        later = answered(raw, 3, cursor=True)
        raw.sock.sendall(framed(b"\x1c" + LAST + b"\x05\0\0\0"))
        raw.sequence = 1
        head = raw.packet()
        while head[0] != 0xFF and not raw.is_end(head):
            head = raw.packet()
        raw.sock.sendall(framed(b"\x19" + LAST, execution(LAST, 0, b"\0\x01\xfd\0\x02no")))
        closed = answered(raw, 1)
        # A prepare that fails leaves none.
        raw.sock.sendall(framed(b"\x16SELEC ?", b"\x18" + LAST + b"\0\0lost", execution(LAST, 0, b"\0\x01\xfd\0")))
        failed = answered(raw, 2)
        raw.query("SELECT 'end'")
    followed(proxy)
    messages = [(m["sql"], m["queryParams"]) for m in proxy.messages.all(lambda m: not m["errorMessage"])]
    assert failed[0] == 1064 and failed[1] in (1243, 1295) and closed[0] == 1243
    if server.flavor == "mysql":
        assert flight == [1243] and later == [1243] * 3
        assert messages == [("SELECT 'end'", None)]
    else:
        assert len(flight[0][0]) == 1 and later[0] == [0] and len(later[1][0]) == 1
        assert messages == [(text, ["stream"]), (text, ["hi"]), (text, ["abc"]), ("SELECT 'end'", None)]


def test_packets_that_are_refused(server, proxies):
    """Of no bytes, of commands that do not exist, too short, of statements that do not exist: the server carries on, and so do we."""
    proxy = proxies(server, *AS_SENT)
    with logged_in(server, proxy.port) as raw:
        refused = [b"", b"\0", b"\x0f", b"\x10", b"\x14", b"\x1d", b"\x05x", b"\x06x", b"\x7e", b"\xfb", b"\xfe", b"\xff", b"\x1a\x63\0\0\0", b"\x1c\x63\0\0\0\1\0\0\0"]
        silent = [b"\x18\x63\0\0\0\0\0data", b"\x19\x63\0\0\0"]
        for at, payload in enumerate(refused + silent):
            raw.sock.sendall(framed(payload, b"\x03DO %d" % at))
            answers = answered(raw, 2 if at < len(refused) else 1)
            assert answers[-1] == [0] and (at >= len(refused) or isinstance(answers[0], int)), (payload, answers)
        for short in (b"\x18\x01\0", b"\x19\x01"):
            raw.sock.sendall(framed(short, b"\x03SELECT 'short'"))
            if server.flavor == "mysql":
                assert answered(raw, 1) == [1835]
            assert len(answered(raw, 1)[0][0]) == 1
        raw.sock.sendall(framed(b"\x17\x63\0\0\0\0\x01\0\0\0", b"\x03SELECT 'end'"))
        assert answered(raw, 2)[0] == 1243
    followed(proxy)
    assert seen(proxy) == [(f"DO {at}", None) for at in range(len(refused + silent))] + [("SELECT 'short'", None)] * 2 + [
        (None, "ERROR 1243"), ("SELECT 'end'", None)]


def test_twenty_thousand_pings_in_one_flight(server, proxies):
    proxy = proxies(server, *AS_SENT)
    with logged_in(server, proxy.port) as raw:
        raw.sock.sendall(framed(b"\x0e") * 20_000 + framed(b"\x03SELECT 'after the pings'"))
        assert all(answer == [0] for answer in answered(raw, 20_000))
        assert len(answered(raw, 1)[0][0]) == 1
    followed(proxy)
    assert seen(proxy) == [("SELECT 'after the pings'", None)]


ATTRIBUTES = {
    "not minimal": b"\xfd\0\0\0\xfc\x01\0", "the upper four bytes of a count": b"\xfe\0\0\0\0\x01\0\0\0\x01",
    "0xff for eight bytes": b"\xff\0\0\0\0\0\0\0\0\x01",
    "the upper four bytes of a value's length": b"\x01\x01\0\x01\xfd\0\x01a\xfe\x02\0\0\0\x07\0\0\0hi",
    "the upper four bytes of a name's length": b"\x01\x01\0\x01\xfd\0\xfe\x01\0\0\0\x07\0\0\0a\x02hi",
    "a bind flag of 2": b"\x01\x01\0\x02\xfd\0\x01a\x02hi", "an unsigned string": b"\x01\x01\0\x01\xfd\x80\x01a\x02hi",
    "an unknown type": b"\x01\x01\0\x01\x64\0\x01a\x02hi", "a number's type with a further bit": b"\x01\x01\0\x01\x08\x01\x01a\x02hi",
    "YEAR": b"\x01\x01\0\x01\x0d\0\x01a\x02hi", "NULL that has a value": b"\x01\x01\0\x01\x06\0\x01a\x02hi", "INT24": b"\x01\x01\0\x01\x09\0\x01a\x02hi",
    "a date with its length in three bytes": b"\x01\x01\0\x01\x0a\0\x01d\xfc\x04\0\xea\x07\x01\x1f",
}


@pytest.mark.parametrize("odd", ATTRIBUTES)
def test_odd_query_attributes(mysql, proxies, odd):
    proxy = proxies(mysql, *AS_SENT)
    with logged_in(mysql, proxy.port, wire.BASIC | wire.QUERY_ATTRIBUTES) as raw:
        raw.query("CREATE TEMPORARY TABLE t AS SELECT 1 AS a")
        assert raw.query("delete from t", attributes=ATTRIBUTES[odd]) == [1]
    followed(proxy)
    assert seen(proxy)[1:] == [("delete from t", None)]


def test_requests_ahead_of_the_login(server, proxies):
    """A client that knows its login to be right sends what it wants in the same flight."""
    server.sql("DROP USER IF EXISTS 'open'@'%'", "CREATE USER 'open'@'%' IDENTIFIED BY ''", "GRANT ALL ON test.* TO 'open'@'%'")
    proxy = proxies(server, *AS_SENT)
    with Raw(proxy.host, proxy.port) as raw:
        raw.greeting()
        login = struct.pack("<IIB23x", wire.BASIC, 1 << 30, 45) + b"open\0\0test\0" + raw.plugin + b"\0"
        change = b"\x11open\0\0test\0\x2d\0" + raw.plugin + b"\0"
        # To a change of user the server answers with a new challenge, to which an empty answer means no password.
        flight = framed(b"\x03SELECT 'ahead'", change) + raw.frame(b"", 2)[0] + framed(b"\x03SELECT 'ahead again'")
        raw.sock.sendall(raw.frame(login, 1)[0] + flight)
        raw.capabilities, raw.sequence = wire.BASIC, 2
        assert raw.packet()[0] == 0
        assert len(answered(raw, 1)[0][0]) == 1
        raw.sequence = 1
        assert raw.packet()[0] == 0xFE
        raw.sequence = 3
        assert raw.packet()[0] == 0
        assert len(answered(raw, 1)[0][0]) == 1
    followed(proxy)
    assert seen(proxy) == [("SELECT 'ahead'", None), ("SELECT 'ahead again'", None)]


def test_a_database_that_is_dropped_under_the_session(server, proxies):
    """With and without session tracking the current database is what the server says."""
    proxy = proxies(server, *AS_SENT)
    current = []
    for tracking in (0, wire.SESSION_TRACK):
        with logged_in(server, proxy.port, wire.BASIC | wire.DEPRECATE_EOF | tracking) as raw:
            for text in ("CREATE DATABASE IF NOT EXISTS dropped", "USE dropped", "DROP DATABASE IF EXISTS dropped_too", "DROP SCHEMA dropped", "USE Information_Schema"):
                raw.query(text)
                current.append(raw.query("SELECT DATABASE()")[0][0])
            # MySQL takes the NUL of a client that ends its names so for a part of the name, and says so.
            raw.command(2, b"mysql\0" if server.flavor == "mysql" else b"mysql")
            assert answered(raw, 1) == [[0]]
            current.append(raw.query("SELECT DATABASE()")[0][0])
    followed(proxy)
    names = [None if row == b"\xfb" else row[1:].decode() for row in current]
    assert [m["stmtDbName"] for m in proxy.messages.sql("SELECT DATABASE()")] == names
    assert [name and name.rstrip("\0") for name in names] == ["test", "dropped", "dropped", None, "information_schema", "mysql"] * 2


def test_a_bulk_execution_that_fails(mariadb, proxies):
    """None of its parts looks as if it had gone well; and what the server says of bytes is shown as statements show them."""
    mariadb.sql("DROP TABLE IF EXISTS test.bulk", "CREATE TABLE test.bulk (a VARBINARY(20) PRIMARY KEY)")
    proxy = proxies(mariadb, *AS_SENT)
    with Raw(proxy.host, proxy.port) as raw:
        mariadb.connect().close()
        raw.login("app", "app-secret", capabilities=wire.BASIC & ~wire.LONG_PASSWORD, extended=4)
        raw.command(0x16, b"INSERT INTO bulk VALUES (?)")
        statement = prepared(raw)
        row = lambda value: b"\0" + bytes([len(value)]) + value
        raw.command(0xFA, statement + b"\x80\0\xfc\0" + row(b"one") + row(b"\xff\xfe") + row(b"\xff\xfe"))
        with pytest.raises(wire.ServerError) as error:
            raw.results()
        assert error.value.code == 1062
    followed(proxy)
    parts = proxy.messages.all()
    assert [m["sql"] for m in parts] == ["INSERT INTO bulk VALUES (?)"] * 3
    assert all(m["errorMessage"].startswith("ERROR 1062 (23000): Duplicate entry '\\x") for m in parts), parts


def ask_for_tls(raw, capabilities, login=None):
    """As clients do, or with more in the packet than the servers read."""
    head = struct.pack("<IIB23x", capabilities | wire.SSL, 1 << 30, 45)
    raw.send(head + (login or b""), fresh=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    raw.sock = context.wrap_socket(raw.sock)


@pytest.mark.parametrize("longer", [False, True])
def test_a_request_for_tls_that_no_client_makes(server, proxies, longer):
    """Longer than its fixed part; and the login after it has other capabilities, of which the servers take no notice."""
    server.fresh_user("opentls", "")
    proxy = proxies(server, *AS_SENT)
    with Raw(proxy.host, proxy.port) as raw:
        raw.greeting()
        login = b"opentls\0\0test\0" + raw.plugin + b"\0"
        ask_for_tls(raw, wire.BASIC, login if longer else None)
        raw.send(struct.pack("<IIB23x", wire.BASIC | wire.DEPRECATE_EOF | wire.SSL, 1 << 30, 45) + login, fresh=False)
        assert raw.packet()[0] == 0
        raw.capabilities = wire.BASIC
        for n in range(3):
            assert len(raw.query(f"SELECT {n} UNION SELECT 'seen'")[0]) == 2
    followed(proxy)
    assert [(m["sql"], m["updateCount"]) for m in proxy.messages.all()] == [(f"SELECT {n} UNION SELECT 'seen'", 2) for n in range(3)]
    assert proxy.counter("tls_sessions") == 1


def test_a_client_that_insists_on_tls_that_is_stripped(server, proxies):
    """The server would begin TLS with it, out of sight: it is treated as a server without TLS treats it, and its login is one in the clear."""
    server.fresh_user("opentls", "")
    proxy = proxies(server, "--tls", "strip")
    with Raw(proxy.host, proxy.port) as raw:
        raw.greeting()
        assert not raw.server_capabilities & wire.SSL
        raw.send(struct.pack("<IIB23x", wire.BASIC | wire.SSL, 1 << 30, 45) + b"opentls\0\0test\0" + raw.plugin + b"\0", fresh=False)
        assert raw.packet()[0] == 0
        raw.capabilities = wire.BASIC
        assert len(raw.query("SELECT 'in the clear'")[0]) == 1
    followed(proxy)
    assert seen(proxy) == [("SELECT 'in the clear'", None)]
