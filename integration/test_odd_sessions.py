"""Random sessions of every command, valid and odd, judged by the server's general log: each statement that it has, the messages have, in
order, and nothing else.

A few seeds a server by default; `INTERCEPTOR_SEEDS=N` runs N. A seed that fails is named, and `INTERCEPTOR_SEED=K` runs that one alone."""

import dataclasses
import random
import re
import socket
import struct
import zlib

import pytest
from harness import PATIENCE, wire
from harness.breadth import seeds
from harness.recording import Recording
from harness.wire import DEPRECATE_EOF, SESSION_TRACK, Raw

SESSIONS = 8
COMPRESS = 0x20
LAST = b"\xff\xff\xff\xff"
USER = "odd"


def lenenc(chance, number):
    """A length as no client library writes it: longer than needed, or with upper bytes that servers do not read."""
    kind = chance.randrange(8)
    if kind == 0:
        return b"\xfd" + number.to_bytes(3, "little")
    if kind == 1:
        return b"\xfe" + struct.pack("<II", number, chance.choice((0, 7)))
    if kind == 2 or number > 250:
        return b"\xfc" + struct.pack("<H", number)
    return bytes([number])


@dataclasses.dataclass
class Client:
    """One session's bytes: what is written goes out in one flight when it ends, or earlier."""

    chance: random.Random
    mariadb: bool
    label: str
    capabilities: int
    flight: bytearray = dataclasses.field(default_factory=bytearray)
    number: int = 0
    prepared: int = 0

    def packet(self, payload, sequence=0):
        self.flight += Raw.frame(payload, sequence)[0]

    def text(self):
        self.number += 1
        marker = f"{self.label}.q{self.number}"
        return self.chance.choice([f"SELECT '{marker}'", f"DO '{marker}'", f"SELECT '{marker}' FROM (SELECT 1) AS t WHERE 1 = 0",
                                   f"SELEC '{marker}'", f"SELECT '{marker}' UNION SELECT 2", f"SET @odd = '{marker}'", f"SELECT SLEEP(0), '{marker}'",
                                   f"INSERT INTO odd.t VALUES ('{marker}')", f"DELETE FROM odd.t WHERE a = '{marker}'"])

    def attribute_value(self):
        kind, value = self.chance.choice([(1, 1), (2, 2), (3, 4), (4, 4), (5, 8), (8, 8), (10, None), (12, None), (11, None), (253, -1), (254, -1), (6, -1), (9, -1),
                                          (13, -1), (100, -1), (15, -1), (252, -1), (246, -1), (200, -1)])
        if value is None:
            length = self.chance.choice({10: (0, 4), 12: (0, 4, 7, 11, 13), 11: (0, 8, 12)}[kind])
            return kind, lenenc(self.chance, length) + bytes([1] * length)
        if value < 0:
            # Digits, which are good for every type.
            length = self.chance.choice((0, 1, 5, 40, 300))
            return kind, lenenc(self.chance, length) + b"7" * length
        return kind, self.chance.randbytes(value)

    def attributes(self):
        if not self.capabilities & wire.QUERY_ATTRIBUTES:
            return b""
        count = self.chance.choice((0, 0, 1, 2, 9))
        head = lenenc(self.chance, count) + lenenc(self.chance, 1)
        if not count:
            return head
        nulls = [self.chance.random() < 0.2 for _ in range(count)]
        bitmap = bytes(sum(nulls[at + bit] << bit for bit in range(min(8, count - at))) for at in range(0, count, 8))
        kinds, values = zip(*(self.attribute_value() for _ in range(count)))
        types = b"".join(bytes([kind, self.chance.choice((0, 0x80))]) + lenenc(self.chance, 3) + b"key" for kind in kinds)
        return head + bitmap + bytes([self.chance.choice((1, 1, 2, 255))]) + types + b"".join(
            value for value, null in zip(values, nulls) if not null)

    def query(self):
        text = self.text()
        if self.chance.random() < 0.15 and self.capabilities & wire.MULTI_STATEMENTS:
            text = "; ".join(text if "SELEC " not in text else "DO 1" for text in (text, self.text(), self.text()))
        text += self.chance.choice(("", "", "", ";", " ", "\0", " ;\n"))
        self.packet(b"\x03" + self.attributes() + text.encode())

    def statement(self):
        """An id: guessed, of the statement prepared last, or of none."""
        kind = self.chance.randrange(8)
        if kind == 0:
            return struct.pack("<I", self.chance.choice((0, 77_777, 1 << 31)))
        if self.mariadb:
            return LAST  # MariaDB's ids run on over all sessions
        return LAST if kind == 1 else struct.pack("<I", self.chance.randrange(1, self.prepared + 2))

    def prepare(self):
        marks = self.chance.choice(("", ", ?", ", ?, ?"))
        self.number += 1
        name = f"{self.label}.p{self.number}"
        self.packet(b"\x16" + self.chance.choice((f"SELECT '{name}'{marks}", f"INSERT INTO odd.t VALUES (CONCAT('{name}', ?))", f"SELEC '{name}'{marks}",
                                                  "CALL odd.outs(?)", "CALL odd.rows_then_outs(?)")).encode())
        self.prepared += 1

    def execute(self):
        count = self.chance.randrange(3)
        params = bytes([0, self.chance.choice((1, 1, 1, 0))])
        if count == 2 and self.capabilities & wire.QUERY_ATTRIBUTES:
            params = b""
        else:
            named = b"\0" if self.capabilities & wire.QUERY_ATTRIBUTES else b""
            values = b"".join(lenenc(self.chance, 4) + b"text" for _ in range(count))
            params = (lenenc(self.chance, count) if named else b"") + params + (b"\xfd\0" + named) * count + values
        self.packet(b"\x17" + self.statement() + struct.pack("<BI", self.chance.choice((0, 0, 0, 1, 8)), 1) + params)

    def bulk(self):
        self.packet(b"\xfa" + self.statement() + b"\x80\0\xfd\0" + b"".join(b"\0" + lenenc(self.chance, 2) + b"bk" for _ in range(self.chance.randrange(1, 4))))

    def small(self):
        chance = self.chance
        self.packet(chance.choice([
            b"", b"\0", b"\x0e", b"\x0ejunk", b"\x09", b"\x0f", b"\x7e", b"\xfb\1\2", b"\x02odd", b"\x02mysql", b"\x02nowhere", b"\x1f", b"\x1b\0\0", b"\x1b\1\0", b"\x1b\7\0",
            b"\x0c\xff\xff\xff\x7f", b"\x04t\0", b"\x04nothing\0", b"\x05x", b"\x06x", b"\x14", b"\x1a" + self.statement(),
            b"\x19" + self.statement(), b"\x18" + self.statement() + b"\0\0long", b"\x18" + self.statement() + b"\x09\0long", b"\x1c" + self.statement() + b"\x02\0\0\0",
            b"\x18\1", b"\x19\1", b"\x1a", b"\x17\1\0\0"]))

    def change_user(self):
        # The answer to the new challenge is that of an account without a password.
        self.packet(b"\x11" + USER.encode() + b"\0\0odd\0\x2d\0" + (b"mysql_native_password" if self.mariadb else b"caching_sha2_password") + b"\0")
        self.packet(b"", 2)
        self.prepared = 0

    def pings(self):
        self.flight += Raw.frame(b"\x0e")[0] * self.chance.choice((1, 50, 1000))

    def step(self):
        self.chance.choices((self.query, self.prepare, self.execute, self.bulk, self.small, self.change_user, self.pings),
                            (10, 3, 6, 1 if self.mariadb else 0.2, 6, 0 if self.capabilities & COMPRESS else 0.4, 0.5))[0]()


def frames(chance, data, mariadb):
    """The compressed protocol's, stored or packed. A flight is one frame, for the server counts frames by its own answers; but MariaDB writes its
    answers over what it has not read yet of a frame, and then runs what was never sent: there each packet has a frame of its own."""
    while data:
        length = 4 + int.from_bytes(data[:3], "little") if mariadb else len(data)
        part, data = data[:length], data[length:]
        packed = zlib.compress(part) if chance.random() < 0.7 else part
        yield len(packed).to_bytes(3, "little") + b"\0" + (len(part) if packed is not part else 0).to_bytes(3, "little") + packed


def drain(sock, quiet):
    """What the server says, until it has said nothing for a while or closes."""
    sock.settimeout(quiet)
    try:
        while sock.recv(1 << 20):
            pass
        return True
    except TimeoutError:
        return False
    except OSError:
        return True


def capabilities_of(chance, server, offered):
    capabilities = wire.BASIC
    for flag in (wire.DEPRECATE_EOF, wire.SESSION_TRACK, wire.QUERY_ATTRIBUTES):
        capabilities |= flag if chance.random() < 0.5 else 0
    for flag in (wire.MULTI_STATEMENTS, wire.PS_MULTI_RESULTS):
        capabilities &= ~(flag if chance.random() < 0.2 else 0)
    return (capabilities | (COMPRESS if chance.random() < 0.25 else 0)) & offered


def play(chance, server, port, label):
    with Raw("127.0.0.1", port) as raw:
        raw.greeting()
        capabilities = capabilities_of(chance, server, raw.server_capabilities)
        client = Client(chance, server.flavor == "mariadb", label, capabilities)
        # A MariaDB's client leaves out MySQL's oldest capability; then bulk execution is among the extended ones.
        mysql_bit, extended = (wire.LONG_PASSWORD, 4) if client.mariadb else (0, 0)
        client.packet(struct.pack("<IIB19xI", capabilities & ~mysql_bit, 1 << 30, 45, extended) + USER.encode() + b"\0\0odd\0" + raw.plugin + b"\0", 1)

        def send():
            data = bytes(client.flight)
            client.flight.clear()
            if data:
                raw.sock.sendall(b"".join(frames(chance, data, client.mariadb)) if compressed else data)

        compressed, ahead = False, chance.random() < 0.3 and not capabilities & COMPRESS
        if not ahead:
            send()
            raw.sequence = 2
            assert raw.packet()[0] == 0
            compressed = bool(capabilities & COMPRESS)
        for _ in range(chance.randrange(1, 40)):
            client.step()
            if chance.random() < 0.15:
                send()
        end = chance.choice(("quit", "fin", "half a packet", "reset", "quit and more"))
        if end == "quit and more":
            # A server that closes with something unread resets, and what it said before may be lost on its way.
            send()
            drain(raw.sock, 0.3)
            client.packet(b"\x01")
            client.packet(b"\x03SELECT 'nobody reads this'")
        elif end == "quit":
            client.packet(b"\x01")
        elif end == "half a packet":
            client.flight += b"\x50\0\0\0\x03SELECT 'torn"
        try:
            send()
            if end == "reset":
                # What the server has not read yet it may not read at all: it is given the time.
                drain(raw.sock, 0.3)
                raw.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            raw.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the server has closed: a change of user was refused
        drain(raw.sock, PATIENCE)


def markers(text, kind):
    return re.findall(rf"'(s\d+\.{kind}\d+)'", text or "")


def by_connection(log, kind):
    """The markers of each command, in order: what the server was told to run."""
    found = {}
    for entry in log:
        if entry.command in ("Query", "Execute"):
            found.setdefault(entry.thread, []).append(markers(entry.argument, kind))
    return found


def check_texts(log, messages):
    """Each text has its messages in the log's order. After an error the rest of a text is not run, and what is refused is not logged."""
    left = [group for group in log if group]
    for message in messages:
        failed, matched = message["errorMessage"] is not None, False
        for mark in markers(message["sql"], "q"):
            if left and left[0][:1] == [mark]:
                left[0], matched = left[0][1:], True
            else:
                assert failed, f"{mark} is not in the log, which has {left[:3]}: {message}"
        if matched and (failed or not left[0]):
            left.pop(0)
    assert not left, f"no message for {left[:5]}; the last ones are {[m['sql'] for m in messages][-5:]}"


def check_executions(log, messages):
    """Each execution has its message: with a cursor, when that ends. What is not logged has failed."""
    left = [mark for group in log for mark in group]
    for message in messages:
        # The earlier parts of a bulk execution are of one command.
        if message["durationNs"] is None:
            continue
        for mark in markers(message["sql"], "p"):
            if mark in left and not message["errorMessage"]:
                left.remove(mark)
            else:
                assert message["errorMessage"], f"{mark} is not in the log: {message}"
    failed = [mark for message in messages if message["errorMessage"] for mark in markers(message["sql"], "p")]
    for mark in failed:
        if mark in left:
            left.remove(mark)
    if any(m["sql"] is None and m["errorMessage"] == "connection lost" for m in messages):
        return  # executions by a guessed id, whose prepare was not answered before the server closed
    assert not left, f"no message for executions of {left[:5]}"


def run_seed(server, proxies, seed, *options):
    chance = random.Random(f"{server.release} {seed}")
    # The markers are literals.
    proxy = proxies(server, "--redact-keys=", *options)
    server.general_log_on()
    for at in range(SESSIONS):
        play(chance, server, proxy.port, f"s{at}")
    log = server.general_log_off(USER)
    proxy.stop()
    assert proxy.counter("observer_lost_sessions") == 0, (seed, re.findall(r"reason=.*", proxy.log))
    texts, executions = by_connection(log, "q"), by_connection(log, "p")
    messages = proxy.messages.all()
    assert not [m for m in messages if m["sql"] is None and not m["errorMessage"]], f"seed {seed}: a statement without its text"
    for thread in texts.keys() | {m["connectionId"] for m in messages}:
        mine = [m for m in messages if m["connectionId"] == thread]
        try:
            check_texts(texts.get(thread, []), mine)
            check_executions(executions.get(thread, []), mine)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, connection {thread}: {error}") from None
    return log, proxy


def prepare(server):
    server.sql(f"DROP USER IF EXISTS '{USER}'@'%'", f"CREATE USER '{USER}'@'%' IDENTIFIED BY ''", f"GRANT ALL ON *.* TO '{USER}'@'%'",
               "DROP DATABASE IF EXISTS odd", "CREATE DATABASE odd", "CREATE TABLE odd.t (a VARCHAR(2000))",
               "CREATE PROCEDURE odd.outs(OUT x INT) SET x = 1", "CREATE PROCEDURE odd.rows_then_outs(OUT x INT) BEGIN SELECT 1; SET x = 1; END")


@pytest.mark.newer_mariadb
@pytest.mark.timeout(3600)
def test_odd_sessions(server, proxies):
    prepare(server)
    for seed in seeds(3):
        run_seed(server, proxies, seed)


@pytest.mark.newer_mariadb
@pytest.mark.timeout(3600)
def test_odd_sessions_with_the_proxys_own_words(server, proxies):
    """The same with a question of the proxy's at the beginning and a comment in front of each text."""
    prepare(server)
    for seed in seeds(1, first=1000):
        log, proxy = run_seed(server, proxies, seed, "--session-probe=inject", "--inline-debug=true")
        assert proxy.counter("session_probes") == SESSIONS and proxy.counter("session_probes_failed") == 0
        texts = [entry for entry in log if entry.command == "Query" and markers(entry.argument, "q")]
        commented = [entry for entry in texts if entry.argument.startswith(f"/* Id [{entry.thread}] User [{USER}] Client [")]
        # What follows within a text of several statements has none, where the server logs each by itself.
        assert len(commented) > len(texts) / 3
        assert not [m for m in proxy.messages.all() if "/* Id" in (m["sql"] or "")]


def prepared(raw, text):
    """A statement's id, its definitions read."""
    raw.command(0x16, text)
    head = raw.packet()
    assert head[0] == 0, head
    columns, params = struct.unpack_from("<HH", head, 5)
    for count in filter(None, (params, columns)):
        for _ in range(count + (not raw.capabilities & DEPRECATE_EOF)):
            raw.packet()
    return struct.unpack_from("<I", head, 1)[0]


def answer_before_ping(raw):
    """The packets of the answer under way: up to the ping's, which begins with sequence id 1 again."""
    raw.command(0x0E)
    found = []
    while True:
        header = raw.read_exactly(4)
        payload = raw.read_exactly(int.from_bytes(header[:3], "little"))
        if found and header[3] == 1:
            return found
        found.append(payload)


@pytest.mark.parametrize("more", [0, DEPRECATE_EOF, DEPRECATE_EOF | SESSION_TRACK], ids=["eof", "no eof", "tracked"])
def test_plain_executions_after_a_cursor(server, proxies, tmp_path, more):
    """MySQL answers a plain execution without rows if the statement's first one had a cursor: definitions and an OK, which could be a row. Whatever comes,
    nothing that follows is mistaken for it."""
    prepare(server)
    server.sql("DROP TABLE IF EXISTS odd.five", "CREATE TABLE odd.five (a TINYINT, b TINYINT, c TINYINT, d TINYINT, e TINYINT)",
               "INSERT INTO odd.five VALUES (0, 2, 0, 0, 0), (0, 2, 0, 0, 0)")
    server.general_log_on()
    proxy = proxies(server, "--redact-keys=", "--record", tmp_path / "rec")
    with Raw(proxy.host, proxy.port) as raw:
        raw.login(USER, "", database="odd", capabilities=wire.BASIC | more)
        if more & SESSION_TRACK and server.flavor == "mysql":
            raw.query("SET session_track_transaction_info = 'STATE'")
        for turn, order in enumerate(((1, 0, 0), (0, 1, 0), (1, "alter", 0), (1, 1, 0, 0))):
            statement = prepared(raw, f"SELECT a, b, c, d, e FROM odd.five /* s0.p{turn} */".encode())
            expected = []
            for number, step in enumerate(order):
                if step == "alter":
                    server.sql("ALTER TABLE odd.five COMMENT = 'so that it is prepared again'")
                    continue
                raw.command(0x17, struct.pack("<IBI", statement, step, 1))
                packets = answer_before_ping(raw)
                has_rows = step == 0 and packets[-1][0] == 0xFE
                if server.flavor == "mysql" and step == 0:
                    assert has_rows == (order[0] == 0 or "alter" in order), packets
                expected.append(2 if has_rows else 0)
                raw.query(f"DO 's0.q{turn}.{number}'")
            raw.command(0x19, struct.pack("<I", statement))
            raw.query("DO 's0.end'")
            messages = proxy.messages.wait(len(expected), lambda message: f"s0.p{turn} " in (message["sql"] or ""))
            assert [message["updateCount"] for message in messages] == expected
    server.general_log_off(USER)
    proxy.stop()
    assert proxy.counter("observer_lost_sessions") == 0
    assert not [message for message in proxy.messages.all() if message["errorMessage"]]
    assert not [row for row in Recording(tmp_path / "rec").rows() if row["answer"] == "unknown"]
