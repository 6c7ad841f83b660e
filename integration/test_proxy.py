"""Bad input, protocol corners and the life of a proxy: what happens when something goes wrong must be clear, and stay where it happened."""

import json
import os
import random
import re
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time

import pymysql
import pymysql.cursors
import pytest
import zstandard

from harness import PATIENCE, wire, within
from harness.proxy import Messages, binary, environment, once
from harness.servers import SqlServer
from harness.tls import certificate, old_certificate, trusting
from harness.wire import Raw

MANY_ROWS = ("WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 1000) "
             "SELECT REPEAT('x', 1000) FROM s AS a, s AS b")


@pytest.fixture(scope="module")
def victim(tmp_path_factory):
    """A server of its own for tests that kill it or exhaust it."""
    server = SqlServer("mysql", tmp_path_factory.mktemp("victim"))
    yield server
    server.stop()


def listens(port):
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def alive(proxy):
    """The proxy still serves: a whole session works."""
    with proxy.connect() as db, db.cursor() as cursor:
        cursor.execute("SELECT 'alive'")
        assert cursor.fetchall() == (("alive",),)


def running(server, text):
    """Until the server has begun with the statement."""
    within(lambda: any(info and text in str(info) for _, _, info in server.connections("app")), f"{text} runs")


def warm(server):
    """So that the raw client's logins are caching_sha2_password's fast ones."""
    server.connect().close()


# ---------------------------------------------------------------- start-up

def refused(*options, env=None, names):
    done = once("proxy", *options, env=env)
    said = done.stdout + done.stderr
    assert done.returncode != 0, said
    assert "panicked" not in said, said
    for name in names:
        assert name in said, f"{name!r} is not in: {said}"


def test_wrong_flag():
    refused("--upstream", "127.0.0.1:3306", "--no-such-flag", names=["--no-such-flag"])


@pytest.mark.parametrize("flag,value", [("--tls", "sometimes"), ("--upstream-tls-verify", "maybe"), ("--backpressure", "push"),
                                        ("--publish-queue-maxsize", "many"), ("--drain-timeout", "soon"), ("--sink", "carrier-pigeon"),
                                        ("--listen", "nowhere"), ("--upstream", "127.0.0.1:port")])
def test_wrong_value(flag, value):
    options = {"--upstream": "127.0.0.1:3306", "--listen": "127.0.0.1:0", flag: value}
    refused(*(part for pair in options.items() for part in pair), names=[value])


@pytest.mark.parametrize("name,value", [
    ("INTERCEPTOR_PUBLISH_QUEUE_MAXSIZE", "abc"), ("INTERCEPTOR_BACKPRESSURE", "sometimes"), ("INTERCEPTOR_INCLUDE_SQL", "perhaps"),
    ("INTERCEPTOR_MAX_PARAM_LENGTH", "-1"), ("INTERCEPTOR_PUBLISH_FLUSH_INTERVAL_S", "soon"), ("INTERCEPTOR_KAFKA_RETRIES", "x"),
    ("INTERCEPTOR_KAFKA_ACKS", "most"), ("INTERCEPTOR_CAPTURE_ALL", "2"), ("DEBUGQUERYINTERCEPTOR_STATEMENTLOGGING", "nope")])
def test_invalid_variable_is_named(name, value):
    refused("--upstream", "127.0.0.1:3306", "--listen", "127.0.0.1:0", env={name: value}, names=[name])


def test_port_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused("--upstream", "127.0.0.1:3306", "--listen", f"127.0.0.1:{port}", names=[str(port), "in use"])


def test_unreadable_certificate(tmp_path):
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate\n")
    base = ["--upstream", "127.0.0.1:3306", "--listen", "127.0.0.1:0"]
    refused(*base, "--tls-cert", "/nonexistent/cert.pem", "--tls-key", "/nonexistent/key.pem", names=["/nonexistent/"])
    refused(*base, "--tls-cert", str(bad), "--tls-key", str(bad), names=[str(bad)])
    refused(*base, "--tls-cert", str(bad), names=["tls-key"])
    refused(*base, "--upstream-ca", "/nonexistent/ca.pem", "--upstream-tls-verify", "ca", names=["/nonexistent/ca.pem"])


def test_unwritable_file():
    refused("--upstream", "127.0.0.1:3306", "--listen", "127.0.0.1:0", "--sink", "ndjson:/nonexistent/messages.ndjson",
            names=["/nonexistent/messages.ndjson"])


# ---------------------------------------------------------------- upstream troubles

def test_unreachable_upstream(proxies):
    # A port where nothing listens, and which no other process can get meanwhile.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        upstream = f"127.0.0.1:{taken.getsockname()[1]}"
        proxy = proxies(upstream)
        for _ in range(3):
            with Raw(proxy.host, proxy.port) as raw, pytest.raises(wire.ServerError) as error:
                raw.greeting()
            assert error.value.code == 2003 and upstream in error.value.text, error.value
        proxy.stop()


def test_upstream_that_does_not_answer(proxies):
    """Its queue of connections is full: connecting hangs."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = []
        for _ in range(4):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
            waiting.append(sock)
        proxy = proxies(f"127.0.0.1:{full.getsockname()[1]}", "--connect-timeout", 1)
        with Raw(proxy.host, proxy.port) as raw, pytest.raises(wire.ServerError) as error:
            raw.greeting()
        assert error.value.code == 2003 and "no answer within 1 s" in error.value.text, error.value
        for sock in waiting:
            sock.close()
        proxy.stop()


def test_upstream_that_says_nothing(proxies):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        proxy = proxies(f"127.0.0.1:{silent.getsockname()[1]}", "--handshake-timeout", 1)
        with Raw(proxy.host, proxy.port) as raw, pytest.raises(wire.ServerError) as error:
            raw.greeting()
        assert error.value.code == 2003 and "no greeting within 1 s" in error.value.text, error.value
        proxy.stop()


def test_upstream_that_speaks_another_protocol(proxies):
    server = socket.create_server(("127.0.0.1", 0))

    def ssh():
        peer, _ = server.accept()
        peer.sendall(b"SSH-2.0-OpenSSH_9.2\r\n" * 20)
        time.sleep(0.5)
        peer.close()

    thread = threading.Thread(target=ssh)
    thread.start()
    proxy = proxies(f"127.0.0.1:{server.getsockname()[1]}", "--handshake-timeout", 2)
    with socket.create_connection((proxy.host, proxy.port), PATIENCE) as sock:
        while sock.recv(1000):
            pass
    thread.join()
    server.close()
    proxy.stop()


def test_server_killed_in_the_middle_of_a_result(victim, proxies):
    proxy = proxies(victim)
    db = proxy.connect(cursorclass=pymysql.cursors.SSCursor, read_timeout=30)
    cursor = db.cursor()
    cursor.execute(MANY_ROWS)
    for _ in range(1000):
        cursor.fetchone()
    os.kill(victim.pid, signal.SIGKILL)
    with pytest.raises(pymysql.Error):
        while cursor.fetchone():
            pass
    cursor._result.unbuffered_active = False  # or it reads on when it is collected
    message = proxy.messages.wait(1, lambda m: m["sql"] == MANY_ROWS)[0]
    assert message["errorMessage"] == "connection lost" and message["updateCount"] == 0 and message["durationNs"] > 0
    # Its connections may be closed slightly before its port is.
    within(lambda: not listens(victim.port), "the server is gone")
    with Raw(proxy.host, proxy.port) as raw, pytest.raises(wire.ServerError) as error:
        raw.greeting()
    assert error.value.code == 2003
    victim.start()
    assert victim.address == proxy.upstream, "the server did not come back on its port"
    alive(proxy)
    proxy.stop()


def test_too_many_connections(victim, proxies):
    """The server's first packet is an error, without a greeting."""
    proxy = proxies(victim)
    held = []
    # One connection for all of it: a new one could be one too many.
    with victim.root() as cursor:
        def alone():
            """The server has noticed the end of all others, also of those of tests before."""
            cursor.execute("SHOW GLOBAL STATUS LIKE 'Threads_connected'")
            return int(cursor.fetchone()[1]) == 1

        within(alone, "connections closed")
        cursor.execute("SET GLOBAL max_connections = 2")
        try:
            with pytest.raises(pymysql.Error) as direct:
                while len(held) < 5:
                    held.append(victim.connect())
            with pytest.raises(pymysql.Error) as through:
                held.append(proxy.connect())
            assert through.value.args == direct.value.args and through.value.args[0] == 1040
        finally:
            for db in held:
                db.close()
            cursor.execute("SET GLOBAL max_connections = 151")
    alive(proxy)
    proxy.stop()


@pytest.mark.newer_mariadb
def test_wrong_password(server, proxies):
    proxy = proxies(server)
    for options in ({"password": "wrong"}, {"user": "nobody"}, {"database": "nowhere"}):
        with pytest.raises(pymysql.Error) as direct:
            server.connect(**options)
        with pytest.raises(pymysql.Error) as through:
            proxy.connect(**options)
        assert through.value.args == direct.value.args
    alive(proxy)
    proxy.stop()


# ---------------------------------------------------------------- bad clients

@pytest.mark.parametrize("seed", range(6))
def test_client_that_sends_garbage(mysql, proxies, seed):
    proxy = proxies(mysql, "--handshake-timeout", 2)
    other = proxy.connect()
    noise = random.Random(seed)
    for kind in range(6):
        with socket.create_connection((proxy.host, proxy.port), PATIENCE) as sock:
            if kind % 2:
                sock.recv(4096)
            payload = [noise.randbytes(1000), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\xff\xff\xff\x01" + noise.randbytes(100),
                       b"\0\0\0\x01" * 50, struct.pack("<IB", 0x20, 1)[:3] + b"\x01" + struct.pack("<IIB23x", 0x800 | 0x200, 1 << 24, 45)
                       + noise.randbytes(300), b"\x01"][kind]
            try:
                sock.sendall(payload)
                while sock.recv(4096):
                    pass
            except TimeoutError:
                pytest.fail(f"kind {kind} is still connected after {PATIENCE} s")
            except ConnectionError:
                pass
    with other.cursor() as cursor:
        cursor.execute("SELECT 1")
    other.close()
    proxy.stop()


def test_garbage_after_the_login(mysql, proxies):
    """A protocol the observer cannot follow is the server's business: it answers, and other sessions continue."""
    warm(mysql)
    proxy = proxies(mysql)
    with Raw(proxy.host, proxy.port) as raw:
        raw.login("app", "app-secret")
        raw.command(0x7E, b"what is this")
        with pytest.raises((wire.ServerError, EOFError, ConnectionError)):
            raw.results()
    noise = random.Random(1)
    for _ in range(5):
        with Raw(proxy.host, proxy.port) as raw:
            raw.login("app", "app-secret")
            raw.sock.sendall(noise.randbytes(5000))
            raw.sock.shutdown(socket.SHUT_WR)
            try:
                while raw.sock.recv(65536):
                    pass
            except ConnectionError:
                pass
    alive(proxy)
    proxy.stop()


@pytest.mark.parametrize("start", ["nothing", "half a packet", "only the TLS request"])
def test_client_that_hangs_in_the_handshake(mysql, proxies, request, start):
    # The server has a limit of its own.
    patience, = mysql.sql("SELECT @@GLOBAL.connect_timeout")[0]
    mysql.sql("SET GLOBAL connect_timeout = 3600")
    request.addfinalizer(lambda: mysql.sql(f"SET GLOBAL connect_timeout = {patience}"))
    proxy = proxies(mysql, "--handshake-timeout", 3)
    other = proxy.connect()
    began, said = time.monotonic(), b""
    with Raw(proxy.host, proxy.port) as raw:
        raw.greeting()
        if start == "half a packet":
            raw.sock.sendall(b"\x50\0\0\x01" + struct.pack("<IIB", wire.BASIC, 1 << 24, 45))
        elif start == "only the TLS request":
            raw.send(struct.pack("<IIB23x", wire.BASIC | wire.SSL, 1 << 24, 45), fresh=False)
        try:
            while got := raw.sock.recv(4096):
                said += got
        except ConnectionError:
            pass
    assert time.monotonic() - began >= 3
    if start == "only the TLS request":
        proxy.wait_log("no TLS handshake within --handshake-timeout")
    else:
        assert b"no login within 3 s" in said
    with other.cursor() as cursor:  # a session past its login may be idle for as long as it likes
        cursor.execute("SELECT 1")
    within(lambda: not mysql.connections("unauthenticated user"), "the server's half of the handshake closed")
    proxy.stop()


def test_client_gone_in_the_middle_of_a_statement(server, proxies):
    warm(server)
    proxy = proxies(server)
    raw = Raw(proxy.host, proxy.port).login("app", "app-secret")
    raw.command(3, b"SELECT SLEEP(600)")
    running(server, "SELECT SLEEP(600)")
    raw.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.close()  # RST
    message = proxy.messages.wait(1, lambda m: m["sql"] == "SELECT SLEEP(600)")[0]
    assert message["errorMessage"] == "connection lost" and message["updateCount"] == 0
    proxy.stop()


def test_killed_session(server, proxies):
    proxy = proxies(server)
    db = proxy.connect()

    def kill():
        running(server, "SELECT SLEEP(599)")
        server.sql(f"KILL {db.thread_id()}")

    thread = threading.Thread(target=kill)
    thread.start()
    with pytest.raises(pymysql.Error) as error:
        with db.cursor() as cursor:
            cursor.execute("SELECT SLEEP(599)")
            if cursor.fetchall():
                raise pymysql.err.OperationalError(0, "an interrupted SLEEP returned")
    thread.join()
    message = proxy.messages.wait(1, lambda m: m["sql"] == "SELECT SLEEP(599)")[0]
    if error.value.args[0] == 2013:
        assert message["errorMessage"] == "connection lost"
    elif error.value.args[0]:
        assert message["errorMessage"].startswith(f"ERROR {error.value.args[0]} (")
    idle = proxy.connect()
    server.sql(f"KILL {idle.thread_id()}")
    within(lambda: idle.thread_id() not in [row[0] for row in server.connections("app")], "the session is gone")
    with pytest.raises(pymysql.Error), idle.cursor() as cursor:
        cursor.execute("SELECT 'after the kill'")
    alive(proxy)
    proxy.stop()


# ---------------------------------------------------------------- stopping

def test_stop_lets_a_running_statement_finish(mysql, proxies):
    # The end is waited for less long: an idle session must not hold up the stop.
    proxy = proxies(mysql, "--drain-timeout", 3 * PATIENCE)
    db, idle = proxy.connect(), proxy.connect()
    statement, result = f"SELECT GET_LOCK('stop', {3 * PATIENCE}), 'done'", []

    def work():
        with db.cursor() as cursor:
            cursor.execute(statement)
            result.append(cursor.fetchall())

    def refuses():
        try:
            proxy.connect(read_timeout=PATIENCE).close()
        except (pymysql.Error, OSError):
            return True
        return False

    thread = threading.Thread(target=work)
    with mysql.root() as holder:
        holder.execute("DO GET_LOCK('stop', 0)")
        thread.start()
        running(mysql, statement)
        proxy.signal(signal.SIGTERM)
        within(refuses, "no new clients")
        assert proxy.process.poll() is None, proxy.log
        holder.execute("DO RELEASE_LOCK('stop')")
        assert proxy.wait() == 0, proxy.log
    thread.join()
    assert result == [((1, "done"),)]
    assert [m["updateCount"] for m in proxy.messages.sql(statement)] == [1]
    assert proxy.counter("statements") == len(proxy.messages.all())
    for connection in (db, idle):
        try:
            connection.close()
        except pymysql.Error:
            pass


def test_interrupt_stops_as_well(mysql, proxies):
    proxy = proxies(mysql)
    alive(proxy)
    proxy.signal(signal.SIGINT)
    assert proxy.wait() == 0


@pytest.mark.parametrize("mode", ["terminate", "passthrough"])
def test_a_connection_that_never_logs_in_does_not_hold_up_the_stop(mysql, proxies, mode):
    proxy = proxies(mysql, "--handshake-timeout", 10 * PATIENCE, "--drain-timeout", 10 * PATIENCE, "--tls", mode)
    silent = socket.create_server(("127.0.0.1", 0))
    deaf = proxies("127.0.0.1:{}".format(silent.getsockname()[1]), "--handshake-timeout", 10 * PATIENCE, "--drain-timeout", 10 * PATIENCE)
    waiting = Raw(deaf.host, deaf.port)
    kept = silent.accept()[0]
    held = [Raw(proxy.host, proxy.port).greeting() for _ in range(4)]
    held[1].sock.sendall(b"\x50\0\0\1half a login")
    for raw in held[2:]:
        raw.send(struct.pack("<IIB23x", wire.BASIC | wire.SSL, 1 << 24, 45), fresh=False)
    held[3].sock.sendall(b"\x16\x03\x01\x02\0half a hello")
    proxy.stop()
    deaf.stop()
    with pytest.raises(wire.ServerError) as error:
        waiting.greeting()
    assert error.value.code == 1053
    for raw in [waiting, kept, *held]:
        raw.close()
    silent.close()


def test_a_second_signal_ends_at_once(mysql, proxies):
    warm(mysql)
    proxy = proxies(mysql, "--drain-timeout", 10 * PATIENCE)
    raw = Raw(proxy.host, proxy.port).login("app", "app-secret")
    raw.command(3, b"SELECT SLEEP(597)")
    running(mysql, "SELECT SLEEP(597)")
    proxy.signal(signal.SIGTERM)
    proxy.wait_log("a second signal ends the program at once")
    assert proxy.process.poll() is None
    proxy.signal(signal.SIGINT)
    assert proxy.wait() == 1
    raw.close()


def test_a_hangup_is_not_a_kill(mysql, proxies):
    proxy = proxies(mysql)
    proxy.signal(signal.SIGHUP)
    proxy.wait_log("SIGHUP: the configuration was read again; nothing changed")
    alive(proxy)
    proxy.stop()


def test_drain_timeout(mysql, proxies):
    proxy = proxies(mysql, "--drain-timeout", 1)
    db = proxy.connect()

    def work():
        with pytest.raises(pymysql.Error), db.cursor() as cursor:
            cursor.execute("SELECT SLEEP(598)")

    thread = threading.Thread(target=work)
    thread.start()
    running(mysql, "SELECT SLEEP(598)")
    began = time.monotonic()
    proxy.stop()
    assert time.monotonic() - began >= 1 and "within --drain-timeout" in proxy.log
    thread.join()
    assert [m["errorMessage"] for m in proxy.messages.sql("SELECT SLEEP(598)")] == ["connection lost"]


def test_proxy_killed_leaves_the_server_clean(mysql, proxies):
    proxy = proxies(mysql)
    mysql.sql("DROP TABLE IF EXISTS test.locked", "CREATE TABLE test.locked (id INT PRIMARY KEY)", "INSERT INTO test.locked VALUES (1)")
    mysql.sql("DROP USER IF EXISTS doomed", "CREATE USER doomed IDENTIFIED BY ''", "GRANT ALL ON *.* TO doomed")
    open_ = [proxy.connect(user="doomed", password="") for _ in range(10)]
    open_[0].begin()
    open_[0].cursor().execute("DELETE FROM locked")
    proxy.process.kill()
    proxy.process.wait()
    within(lambda: not mysql.connections("doomed"), "the server dropped the sessions")
    assert mysql.sql(f"SET innodb_lock_wait_timeout = {PATIENCE}", "SELECT COUNT(*) FROM test.locked FOR UPDATE") == ((1,),)
    for line in proxy.messages.lines():
        assert line.startswith("{") and line.endswith("}")


def test_clients_that_leave_without_a_byte_are_spoken_of_once(mysql, proxies):
    proxy = proxies(mysql)
    for _ in range(5):
        with Raw(proxy.host, proxy.port) as raw:
            raw.greeting()
    proxy.wait_log("leave without a byte.*max_connect_errors")
    alive(proxy)
    proxy.stop()
    assert proxy.log.count("leave without a byte") == 1 and proxy.counter("left_without_login") == 5


def test_clients_that_are_kept_waiting_are_spoken_of(mysql, proxies, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    proxy = proxies(mysql, "--backpressure", "block", "--publish-queue-maxsize", 10, sinks=[f"ndjson:{pipe}"])
    db = proxy.connect()
    stop = threading.Event()

    def work():
        with db.cursor() as cursor:
            while not stop.is_set():
                cursor.execute("DO '" + "x" * 5000 + "'")

    thread = threading.Thread(target=work)
    thread.start()
    said = proxy.wait_log(r"kept waiting.*").group(0)
    assert "clients=1" in said and f"ndjson:{pipe}" in said, said
    stop.set()
    os.set_blocking(reader, True)
    drain = threading.Thread(target=lambda: [None for _ in iter(lambda: os.read(reader, 1 << 16), b"")])
    drain.start()
    thread.join()
    db.close()
    proxy.stop()
    drain.join()
    os.close(reader)
    assert proxy.counter("held_up") > 0 and proxy.counter("dropped") == 0


# ---------------------------------------------------------------- the wire

def without_id(payload):
    """A prepare response's statement id is the server's own count. It is the one packet of 12 or 13 bytes that begins with 0."""
    return b"\0id??" + payload[5:] if payload[0] == 0 and len(payload) in (12, 13) else payload


def conversation(raw):
    """Some of everything that looks different in the two EOF dialects; returns every payload received."""
    seen = []
    original = raw.packet

    def packet():
        seen.append(original())
        return seen[-1]

    raw.packet = packet
    raw.query("DO 1")
    assert len(raw.query("SELECT 1, NULL, 'x' UNION ALL SELECT 2, 'y', ''")[0]) == 2
    assert raw.query("SELECT 1 FROM (SELECT 1) AS t WHERE 1 = 0") == [[]]
    assert len(raw.query("SELECT 1; DO 2; SELECT 3")) == 3
    with pytest.raises(wire.ServerError):
        raw.query("SELECT 1; SELEC 2; SELECT 3")
    raw.command(0x09)
    raw.packet()  # STATISTICS: a bare string
    seen.pop()
    raw.command(0x0E)
    raw.results()  # PING
    raw.command(0x02, b"mysql")
    raw.results()  # INIT_DB
    deprecated = raw.capabilities & wire.DEPRECATE_EOF

    def prepare(text):
        raw.command(0x16, text)
        reply = raw.packet()
        if reply[0] == 0xFF:
            raise wire.ServerError(reply)
        statement, columns, params = struct.unpack_from("<IHH", reply, 1)
        for count in (params, columns):
            for _ in range(count):
                raw.packet()
            if count and not deprecated:
                assert raw.is_end(raw.packet())
        return statement

    def execute(statement, value, cursor=0):
        body = struct.pack("<IBI", statement, cursor, 1) + b"\0\x01\x08\0" + struct.pack("<q", value)
        raw.command(0x17, body)

    with pytest.raises(wire.ServerError):
        prepare(b"SELEC ?")
    statement = prepare(b"SELECT n, n * 2 FROM (SELECT 1 AS n UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4) AS t WHERE n > ?")
    for value in (0, 2, 9):
        execute(statement, value)
        raw.results()
    # Types as last bound.
    raw.command(0x17, struct.pack("<IBI", statement, 0, 1) + b"\0\0" + struct.pack("<q", 3))
    raw.results()
    # NULL
    raw.command(0x17, struct.pack("<IBI", statement, 0, 1) + b"\1\x01\x08\0")
    raw.results()
    # A cursor: definitions, then rows by FETCH.
    execute(statement, 1, cursor=1)
    columns = raw.packet()[0]
    for _ in range(columns):
        raw.packet()
    status = 0
    end = raw.packet()
    assert end[0] == 0xFE
    for _ in range(5):
        raw.command(0x1C, struct.pack("<II", statement, 2))
        while True:
            row = raw.packet()
            if raw.is_end(row):
                break
        status = struct.unpack_from("<H", row, 3)[0]
        if status & 0x80:
            break
    assert status & 0x80, "no last row"
    raw.command(0x1A, struct.pack("<I", statement))
    raw.results()  # RESET
    raw.command(0x19, struct.pack("<I", statement))  # CLOSE: no answer
    long = prepare(b"SELECT LENGTH(?)")
    for part in (b"a" * 1000, b"b" * 500):
        raw.command(0x18, struct.pack("<IH", long, 0) + part)  # LONG_DATA: no answer
    raw.command(0x17, struct.pack("<IBI", long, 0, 1) + b"\0\x01\xfc\0")
    raw.results()
    raw.command(0x1F)
    raw.results()  # RESET_CONNECTION
    raw.query("SELECT 'end'")
    raw.command(0x01)
    return seen


@pytest.mark.newer_mariadb
@pytest.mark.parametrize("dialect", ["EOF", "DEPRECATE_EOF", "session track"])
def test_dialects(server, proxies, dialect):
    """The same conversation with and without the proxy: the same packets, and messages for its statements."""
    warm(server)
    capabilities = wire.BASIC | {"EOF": 0, "DEPRECATE_EOF": wire.DEPRECATE_EOF,
                                 "session track": wire.DEPRECATE_EOF | wire.SESSION_TRACK}[dialect]
    proxy = proxies(server)
    seen = []
    for port in (server.port, proxy.port):
        with Raw("127.0.0.1", port) as raw:
            raw.login("app", "app-secret", capabilities=capabilities)
            seen.append(conversation(raw))
    # A column's definition and everything else: byte by byte, but for the statement ids, which MariaDB counts over all sessions.
    assert [without_id(payload) for payload in seen[1]] == [without_id(payload) for payload in seen[0]]
    proxy.stop()
    messages = [(m["sql"], m["queryParams"], m["updateCount"], m["errorMessage"] and m["errorMessage"][:10]) for m in proxy.messages.all()]
    select = "SELECT n, n * 2 FROM (SELECT 1 AS n UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4) AS t WHERE n > ?"
    assert messages == [
        ("DO 1", None, 0, None), ("SELECT 1, NULL, 'x' UNION ALL SELECT 2, 'y', ''", None, 2, None),
        ("SELECT 1 FROM (SELECT 1) AS t WHERE 1 = 0", None, 0, None), ("SELECT 1", None, 1, None), ("DO 2", None, 0, None),
        ("SELECT 3", None, 1, None), ("SELECT 1", None, 1, None), messages[7], ("SELEC ?", None, 0, "ERROR 1064"),
        (select, ["0"], 4, None), (select, ["2"], 2, None), (select, ["9"], 0, None), (select, ["3"], 1, None), (select, [None], 0, None),
        (select, ["1"], 3, None), ("SELECT LENGTH(?)", messages[15][1], 1, None), ("SELECT 'end'", None, 1, None)]
    # After an error the rest of a multi-statement is not run: a message for the failed one, none for the third.
    assert messages[7][0].startswith("SELEC 2") and messages[7][3] == "ERROR 1064"
    assert messages[15][1] in (["a" * 1000 + "b" * 500], ["<bytes:1500>"])
    databases = [m["stmtDbName"] for m in proxy.messages.all()]
    assert databases == ["test"] * 8 + ["mysql"] * 9
    assert proxy.counter("observer_lost_sessions") == 0


def test_query_attributes(mysql, proxies):
    warm(mysql)
    proxy = proxies(mysql)
    with Raw(proxy.host, proxy.port) as raw:
        raw.login("app", "app-secret", capabilities=wire.BASIC | wire.QUERY_ATTRIBUTES)
        assert raw.capabilities & wire.QUERY_ATTRIBUTES
        named = b"\x02\x01" + b"\0\x01" + b"\xfd\0\x0btraceparent" + b"\x08\0\x01n" + b"\x0500-ab" + struct.pack("<q", 7)
        raw.query("SELECT 'with attributes'", attributes=named)
        raw.query("SELECT 'without'")
    proxy.stop()
    assert [(m["sql"], m["queryParams"], m["updateCount"]) for m in proxy.messages.all()] == [
        ("SELECT 'with attributes'", None, 1), ("SELECT 'without'", None, 1)]
    assert proxy.counter("observer_lost_sessions") == 0


LIMIT = 0xFFFFFF


@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT, LIMIT + 1, 2 * LIMIT, 33 << 20])
def test_packets_around_16_mib(server, proxies, size):
    warm(server)
    proxy = proxies(server)
    with Raw(proxy.host, proxy.port) as raw:
        raw.login("app", "app-secret", capabilities=wire.BASIC | wire.DEPRECATE_EOF)
        # Up: the payload is the command byte and the text.
        head, tail = b"SELECT LENGTH('", b"')"
        body = size - 1 - len(head) - len(tail)
        rows = raw.query(head + b"q" * body + tail)[0]
        assert rows == [bytes([len(str(body))]) + str(body).encode()]
        # Down: the payload of the row is a length (4 bytes below 16 MiB, else 9) and the value.
        value = size - (4 if size - 4 <= LIMIT else 9)
        rows = raw.query(f"SELECT REPEAT('r', {value})")[0]
        assert len(rows) == 1 and len(rows[0]) == size
        assert rows[0].count(b"r", size - value) == value
        assert raw.query("SELECT 'after'")[0] == [b"\x05after"]
    proxy.stop()
    messages = proxy.messages.all()
    assert [m["updateCount"] for m in messages] == [1, 1, 1] and messages[2]["sql"] == "SELECT 'after'"
    assert messages[0]["sql"].startswith("SELECT LENGTH('qqqq")
    assert proxy.counter("observer_lost_sessions") == 0


def test_result_of_more_than_256_packets(server, proxies):
    """Sequence ids wrap."""
    warm(server)
    proxy = proxies(server)
    with Raw(proxy.host, proxy.port) as raw:
        raw.login("app", "app-secret")
        rows = raw.query("WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 1000) SELECT n FROM s")[0]
        assert len(rows) == 1000
    proxy.stop()
    assert proxy.messages.all()[-1]["updateCount"] == 1000


def test_statements_byte_by_byte(mysql, proxies):
    """One packet in many reads, many packets in one read."""
    warm(mysql)
    proxy = proxies(mysql)
    with Raw(proxy.host, proxy.port) as raw:
        raw.login("app", "app-secret")
        packet, _ = raw.frame(b"\x03SELECT 'slowly'")
        for byte in packet:
            raw.sock.sendall(bytes([byte]))
            time.sleep(0.002)
        raw.sequence = 1
        assert raw.results()[0] == [b"\x06slowly"]
        packets = b"".join(raw.frame(b"\x03SELECT %d" % n)[0] for n in range(100))
        raw.sock.sendall(packets)
        for n in range(100):
            raw.sequence = 1
            assert raw.results()[0] == [bytes([len(str(n))]) + str(n).encode()]
    proxy.stop()
    assert [m["sql"] for m in proxy.messages.all()] == ["SELECT 'slowly'"] + [f"SELECT {n}" for n in range(100)]


def test_text_that_is_no_text(mysql, proxies):
    warm(mysql)
    proxy = proxies(mysql)
    with Raw(proxy.host, proxy.port) as raw:
        raw.login("app", "app-secret")
        raw.query(b"SELECT LENGTH(_binary'\xff\x01a\xfe')")
    proxy.stop()
    assert proxy.messages.all()[0]["sql"] == "SELECT LENGTH(_binary'\\xFF\x01a\\xFE')".replace("\\xFF", proxy_hex(proxy, 0xFF)).replace(
        "\\xFE", proxy_hex(proxy, 0xFE))


def proxy_hex(proxy, byte):
    """`\\xHH`, in upper or lower case."""
    upper = f"\\x{byte:02X}"
    return upper if upper in proxy.messages.all()[0]["sql"] else f"\\x{byte:02x}"


def test_many_clients_at_once(server, proxies):
    proxy = proxies(server)
    failures, all_there = [], threading.Barrier(40)

    def work(number):
        try:
            with proxy.connect() as db, db.cursor() as cursor:
                all_there.wait(PATIENCE)
                for n in range(20):
                    cursor.execute(f"SELECT {number} * 1000 + {n}")
                    assert cursor.fetchall() == ((number * 1000 + n,),)
        except Exception as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[:3]
    proxy.stop()
    messages = proxy.messages.all(lambda m: " * 1000 + " in m["sql"])
    assert len(messages) == 800 and len({m["sql"] for m in messages}) == 800
    assert len({m["connectionId"] for m in messages}) == 40 == max(m["totalPoolCount"] for m in messages)
    for connection in {m["connectionId"] for m in messages}:
        mine = [m for m in messages if m["connectionId"] == connection]
        assert [m["sql"].rsplit(" ", 1)[1] for m in mine] == [str(n) for n in range(20)]


@pytest.mark.newer_mariadb
def test_change_user_and_reset(server, proxies):
    server.fresh_user("second", "second-secret")
    server.fresh_databases("second_db")
    mysqlconnector = pytest.importorskip("mysql.connector")
    tls = {"ssl_verify_cert": False, "ssl_disabled": False}
    proxy = proxies(server)
    db = mysqlconnector.connect(host=proxy.host, port=proxy.port, user="app", password="app-secret", database="test", use_pure=True,
                                charset="utf8mb4", collation="utf8mb4_general_ci", **tls)
    cursor = db.cursor()
    cursor.execute("SELECT 'first'")
    cursor.fetchall()
    db.cmd_change_user("second", "second-secret", "second_db")
    cursor = db.cursor()
    cursor.execute("SELECT CURRENT_USER(), DATABASE(), 'second'")
    assert cursor.fetchall()[0][:2] == ("second@%", "second_db")
    db.cmd_reset_connection()
    cursor = db.cursor()
    cursor.execute("SELECT 'third'")
    cursor.fetchall()
    db.close()
    proxy.stop()
    by_text = {m["sql"].split("'")[1]: m for m in proxy.messages.all() if m["sql"].endswith("'") and m["sql"].startswith("SELECT")}
    assert {name: (by_text[name]["user"], by_text[name]["dbName"], by_text[name]["stmtDbName"]) for name in ("first", "second", "third")} == {
        "first": ("app", "test", "test"), "second": ("second", "second_db", "second_db"), "third": ("second", "second_db", "second_db")}


# ---------------------------------------------------------------- TLS

def tls_version_of_the_server_leg(db):
    with db.cursor() as cursor:
        cursor.execute("SHOW SESSION STATUS LIKE 'Ssl_version'")
        return cursor.fetchone()[1]


@pytest.fixture
def presents(tmp_path):
    """Makes a server show another certificate for the length of a test."""
    changed = []

    def show(server, folder, **settings):
        names = {"mysql": ["ssl_ca", "ssl_cert", "ssl_key"], "mariadb": []}[server.flavor]
        before = {name: server.sql(f"SELECT @@GLOBAL.{name}")[0][0] for name in [*names, *settings]}
        changed.append((server, before))
        apply(server, {"ssl_ca": f"{folder}/cert.pem", "ssl_cert": f"{folder}/cert.pem", "ssl_key": f"{folder}/key.pem", **settings})

    def apply(server, settings):
        server.sql(*(f"SET GLOBAL {name} = '{value}'" if value is not None else f"SET GLOBAL {name} = DEFAULT"
                     for name, value in settings.items()), "ALTER INSTANCE RELOAD TLS")

    yield show
    for server, before in changed:
        apply(server, before)


# A key that the TLS library itself does not know is of no concern either where nothing is verified.
@pytest.mark.parametrize("key", [["-newkey", "rsa:2048"], ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp521r1"]], ids=["rsa", "p521"])
def test_an_old_certificate_is_not_judged_where_nothing_is_verified(mysql, proxies, presents, tmp_path, key):
    folder = old_certificate(tmp_path / "old", *key)
    presents(mysql, folder)
    proxy = proxies(mysql)
    with proxy.connect(ssl=trusting()) as db:
        assert tls_version_of_the_server_leg(db).startswith("TLS")
    proxy.stop()
    read = read_binlog(mysql)
    assert read.returncode == 0, read.stderr


def read_binlog(server):
    server.sql("DROP USER IF EXISTS watcher", "CREATE USER watcher IDENTIFIED BY ''",
               "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO watcher")
    return once("binlog", "--source", f"mysql://watcher@{server.address}", "--tls-mode", "required", "--from", "now", "--until", "now")


def test_an_old_certificate_that_is_to_be_verified_is_explained(mysql, proxies, presents, tmp_path):
    folder = old_certificate(tmp_path / "old")
    presents(mysql, folder)
    proxy = proxies(mysql, "--upstream-ca", folder / "cert.pem", "--upstream-tls-verify", "ca")
    with pytest.raises(pymysql.Error) as error:
        proxy.connect(ssl=trusting())
    assert "X.509 version 1" in str(error.value) and "issue it again with extensions" in str(error.value)
    proxy.wait_log("X.509 version 1.*issue it again with extensions")
    proxy.stop()


def test_an_old_certificate_can_be_shown_to_clients(mysql, proxies, tmp_path):
    folder = old_certificate(tmp_path / "old")
    proxy = proxies(mysql, "--tls-cert", folder / "cert.pem", "--tls-key", folder / "key.pem")
    with proxy.connect(ssl=trusting()) as db:
        assert tls_version_of_the_server_leg(db).startswith("TLS")
    proxy.stop()
    other = old_certificate(tmp_path / "other")
    refused("--upstream", "127.0.0.1:3306", "--listen", "127.0.0.1:0", "--tls-cert", str(folder / "cert.pem"),
            "--tls-key", str(other / "key.pem"), names=["--tls-cert", str(folder / "cert.pem")])


def test_a_server_without_a_common_cipher_is_explained(mysql, proxies, presents, tmp_path):
    folder = old_certificate(tmp_path / "old")
    presents(mysql, folder, tls_version="TLSv1.2", ssl_cipher="DHE-RSA-AES256-GCM-SHA384")
    proxy = proxies(mysql)
    with pytest.raises(pymysql.Error) as error:
        proxy.connect(ssl=trusting())
    assert error.value.args[0] == 2026 and "DHE or RSA key exchange" in str(error.value), error.value
    proxy.wait_log("TLS with the server failed: .*DHE or RSA key exchange")
    proxy.stop()
    read = read_binlog(mysql)
    assert read.returncode != 0 and "DHE or RSA key exchange" in read.stderr, read.stderr


def test_a_client_without_a_common_cipher_is_explained(mysql, proxies):
    proxy = proxies(mysql)
    context = trusting()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA:@SECLEVEL=0")
    with pytest.raises((pymysql.Error, ssl.SSLError)):
        proxy.connect(ssl=context)
    proxy.wait_log("TLS handshake with the client failed: .*DHE or RSA key exchange")
    proxy.stop()


@pytest.mark.newer_mariadb
def test_tls_is_terminated_and_used_upstream_when_the_client_used_it(server, proxies):
    proxy = proxies(server)
    with proxy.connect(ssl=trusting()) as db:
        assert tls_version_of_the_server_leg(db).startswith("TLS")
    with proxy.connect() as db:
        assert tls_version_of_the_server_leg(db) == ""
    proxy.stop()
    assert len(proxy.messages.sql("SHOW SESSION STATUS LIKE 'Ssl_version'")) == 2
    assert proxy.counter("passthrough_sessions") == 0


def test_own_certificate(mysql, proxies, tmp_path):
    made = certificate(tmp_path / "tls")
    proxy = proxies(mysql, "--tls-cert", made / "cert.pem", "--tls-key", made / "key.pem")
    with proxy.connect(ssl=trusting(made / "ca.pem", check_name=True)) as db:
        assert tls_version_of_the_server_leg(db)
    with pytest.raises(pymysql.Error):
        proxy.connect(ssl=trusting(certificate(tmp_path / "other") / "ca.pem"))
    alive(proxy)
    proxy.stop()


def test_upstream_certificate_is_verified(server, proxies, tmp_path):
    proxy = proxies(server, "--upstream-ca", server.ca, "--upstream-tls-verify", "ca")
    with proxy.connect(ssl=trusting()) as db:
        assert tls_version_of_the_server_leg(db)
    proxy.stop()


def test_wrong_upstream_authority_is_a_mysql_error(server, proxies, tmp_path):
    proxy = proxies(server, "--upstream-ca", certificate(tmp_path / "other") / "ca.pem", "--upstream-tls-verify", "ca")
    with pytest.raises(pymysql.Error) as error:
        proxy.connect(ssl=trusting())
    assert error.value.args[0] not in (2013, 2006) and "certificate" in str(error.value.args[1]).lower(), error.value.args
    alive(proxy)  # without TLS there is nothing to verify
    proxy.stop()


def test_upstream_name_is_verified(mysql, mariadb, proxies):
    """MySQL's own certificate names no host; MariaDB's here is made for 127.0.0.1."""
    proxy = proxies(mysql, "--upstream-ca", mysql.ca, "--upstream-tls-verify", "full")
    with pytest.raises(pymysql.Error) as error:
        proxy.connect(ssl=trusting())
    assert error.value.args[0] not in (2013, 2006), error.value.args
    proxy.stop()
    proxy = proxies(mariadb, "--upstream-ca", mariadb.ca, "--upstream-tls-verify", "full")
    proxy.connect(ssl=trusting()).close()
    proxy.stop()


@pytest.mark.newer_mariadb
def test_strip(server, proxies):
    server.fresh_user("stripped", "")
    server.sql("ALTER USER stripped IDENTIFIED BY ''")
    proxy = proxies(server, "--tls=strip")
    with Raw(proxy.host, proxy.port) as raw:
        raw.greeting()
        assert not raw.server_capabilities & wire.SSL
    with proxy.connect() as db:
        assert tls_version_of_the_server_leg(db) == ""
    with pytest.raises(pymysql.Error):  # a client that insists
        proxy.connect(ssl=trusting())
    proxy.stop()
    assert proxy.messages.sql("SHOW SESSION STATUS LIKE 'Ssl_version'")


@pytest.mark.newer_mariadb
def test_passthrough(server, proxies):
    proxy = proxies(server, "--tls=passthrough")
    # The client sees the server's own certificate.
    with proxy.connect(ssl=trusting(server.ca)) as db:
        assert tls_version_of_the_server_leg(db).startswith("TLS")
    with proxy.connect() as db, db.cursor() as cursor:
        cursor.execute("SELECT 'in the clear'")
    proxy.stop()
    assert proxy.counter("passthrough_sessions") == 1 and proxy.counter("observer_lost_sessions") == 0
    # An auditor learns of the session, not of what it ran.
    blind, = proxy.messages.all(lambda m: m["iFlags"] & 1 << 20)
    assert blind["sql"] is None and "--tls passthrough" in blind["errorMessage"] and blind["connectionId"] > 0
    assert not proxy.messages.sql("SHOW SESSION STATUS LIKE 'Ssl_version'") and proxy.messages.sql("SELECT 'in the clear'")


# ---------------------------------------------------------------- sinks and settings

def three(proxy):
    with proxy.connect() as db, db.cursor() as cursor:
        for text in ("SELECT 1", "SELECT 'zwei \U0001f600'", "SELECT 3"):
            cursor.execute(text)


def test_standard_output_is_the_default(mysql, proxies):
    proxy = proxies(mysql, sinks=[])
    three(proxy)
    proxy.printed.wait(3)
    proxy.stop()
    assert [m["sql"] for m in proxy.printed.all()][-3:] == ["SELECT 1", "SELECT 'zwei \U0001f600'", "SELECT 3"]


def test_several_sinks(mysql, proxies, tmp_path):
    proxy = proxies(mysql, sinks=["stdout", f"ndjson:{tmp_path}/a.ndjson", f"ndjson:{tmp_path}/b.ndjson"])
    three(proxy)
    proxy.stop()
    printed = proxy.printed.lines()
    assert len(printed) >= 3
    assert printed == (tmp_path / "a.ndjson").read_text().splitlines() == (tmp_path / "b.ndjson").read_text().splitlines()


def test_pretty(mysql, proxies):
    proxy = proxies(mysql, "--pretty", sinks=["stdout"])
    three(proxy)
    proxy.stop()
    text = proxy.printed.path.read_text()
    assert "SELECT 1" in text and "SELECT 3" in text and not text.startswith("{")


@pytest.mark.parametrize("compress", ["none", "zstd"])
def test_rotation_by_size(mysql, proxies, tmp_path, compress):
    proxy = proxies(mysql, "--ndjson-rotate-size", 20000, "--ndjson-compress", compress, sinks=[f"ndjson:{tmp_path}/out.ndjson"])
    with proxy.connect() as db, db.cursor() as cursor:
        for n in range(500):
            cursor.execute(f"SELECT {n} AS rotated")
    proxy.stop()
    files = [path for path in tmp_path.iterdir() if path.is_file()]
    assert len(files) > 3
    lines = []
    for path in files:
        raw = path.read_bytes()
        if raw[:4] == b"\x28\xb5\x2f\xfd":
            raw = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True).read()
        elif compress == "zstd":
            assert path.name == "out.ndjson", f"{path.name} is not compressed"
        assert raw.endswith(b"\n") or not raw
        lines += raw.decode().splitlines()
    seen = [m["sql"] for m in map(json.loads, lines) if "rotated" in m["sql"]]
    assert sorted(seen) == sorted(f"SELECT {n} AS rotated" for n in range(500))


def test_rotation_by_age(mysql, proxies, tmp_path):
    proxy = proxies(mysql, "--ndjson-rotate-age", 1, sinks=[f"ndjson:{tmp_path}/out.ndjson"])
    with proxy.connect() as db, db.cursor() as cursor:
        for n in range(5):
            cursor.execute(f"SELECT {n} AS aged")
            time.sleep(0.7)
    proxy.stop()
    files = [path for path in tmp_path.iterdir() if path.is_file()]
    assert len(files) > 1
    assert sum(path.read_text().count(" AS aged") for path in files) == 5


@pytest.mark.parametrize("env,check", [
    ({"DEBUGQUERYINTERCEPTOR_STATEMENTLOGGING": "false"}, lambda ms: ms == []),
    ({"INTERCEPTOR_INCLUDE_SQL": "false"}, lambda ms: ms and all(m["sql"] is None for m in ms)),
    ({"INTERCEPTOR_INCLUDE_PARAMS": "false"}, lambda ms: [m["queryParams"] for m in ms if "LENGTH" in m["sql"]] == [None]),
    ({"INTERCEPTOR_MAX_PARAM_LENGTH": "10"}, lambda ms: [m["queryParams"][0][:7] for m in ms if "LENGTH" in m["sql"]] == ["aaaaaaa"]
     and all(len(m["queryParams"][0]) <= 13 and m["queryParams"][0].endswith("...") for m in ms if "LENGTH" in m["sql"])),
    ({"SERVICE_NAME": "shop"}, lambda ms: {m["debug"] for m in ms} == {"shop"}),
    ({"SERVICE_NAME": "shop", "DEBUGQUERYINTERCEPTOR_DEBUG": "mine"}, lambda ms: {m["debug"] for m in ms} == {"mine"}),
    ({}, lambda ms: {m["debug"] for m in ms} == {"unknown-service"}),
    ({"INTERCEPTOR_DEFAULT_TZ": "Asia/Tokyo"}, lambda ms: {m["defaultTZ"] for m in ms} == {"Asia/Tokyo"}),
    ({"INTERCEPTOR_CAPTURE_ALL": "false"}, lambda ms: [m["sql"].split()[0] for m in ms] == ["INSERT", "CALL"]),
    ({"INTERCEPTOR_CAPTURE_ALL": "false", "INTERCEPTOR_CAPTURE_DDL": "true", "INTERCEPTOR_CAPTURE_CALLPROC": "false"},
     lambda ms: [m["sql"].split()[0] for m in ms] == ["DROP", "CREATE", "INSERT", "DROP", "CREATE"]),
], ids=lambda value: " ".join(f"{k.split('_', 1)[-1]}={v}" for k, v in value.items()) or "defaults" if isinstance(value, dict) else "")
def test_settings(mysql, proxies, env, check):
    mysqlconnector = pytest.importorskip("mysql.connector")
    proxy = proxies(mysql, env=env)
    db = mysqlconnector.connect(host=proxy.host, port=proxy.port, user="app", password="app-secret", database="test", use_pure=True,
                                autocommit=True)
    cursor = db.cursor()
    for text in ("DROP TABLE IF EXISTS settings", "CREATE TABLE settings (v INT)", "INSERT INTO settings VALUES (1)",
                 "DROP PROCEDURE IF EXISTS settle", "CREATE PROCEDURE settle() DO 1", "CALL settle()"):
        cursor.execute(text)
    cursor = db.cursor(prepared=True)
    cursor.execute("SELECT LENGTH(%s)", ("a" * 100,))
    cursor.fetchall()
    db.close()
    proxy.stop()
    messages = proxy.messages.all()
    assert check(messages), [(m["sql"], m["queryParams"], m["debug"], m["defaultTZ"]) for m in messages]


def test_a_log_that_is_no_longer_read(mysql, tmp_path):
    """Its log's reader goes away, as in `2>&1 | head`: the proxy serves on."""
    reader, writer = os.pipe()
    messages = Messages(tmp_path / "messages.ndjson")
    command = [binary(), "proxy", "--upstream", mysql.address, "--listen", "127.0.0.1:0", "--sink", f"ndjson:{messages.path}", "--log-level", "debug"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=writer, env=environment()) as proxy:
        os.close(writer)
        said, listening = b"", None
        while listening is None:
            said += os.read(reader, 65536)
            assert proxy.poll() is None, said
            listening = re.search(rb"listening on \S*:(\d+)", re.sub(rb"\x1b\[[0-9;]*m", b"", said))
        os.close(reader)
        port = int(listening.group(1))
        for number in range(3):
            db = pymysql.connect(host="127.0.0.1", port=port, user="app", password="app-secret", ssl_disabled=True)
            with db, db.cursor() as cursor:
                cursor.execute(f"SELECT {number}")
        proxy.terminate()
        assert proxy.wait(PATIENCE) == 0
    # Of several sessions, in whatever order.
    assert sorted(message["sql"] for message in messages.all() if "SELECT" in message["sql"]) == ["SELECT 0", "SELECT 1", "SELECT 2"]
