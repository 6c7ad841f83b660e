"""What `proxy --record` records: held against what the client sent, what the server answered, and the server's general log."""

import json
import os
import random
import signal
import struct
import subprocess
from collections import Counter

import pymysql
import pytest
from harness import within
from harness.breadth import seeds
from harness.proxy import once
from harness.recording import Recording, commands
from harness.wire import (BASIC, CURSOR_EXISTS, DEPRECATE_EOF, LOCAL_FILES, LONG_PASSWORD, MULTI_STATEMENTS, QUERY_ATTRIBUTES, Raw,
                          ServerError)

DB = "recorded"
USER, PASSWORD = "recorder", "never-to-be-recorded"
LONGLONG, DOUBLE, STRING, BLOB, DATETIME = 8, 5, 253, 252, 12
UNSIGNED = 0x8000
# MariaDB writes them into its general log as they are, which then is no text.
BYTES = {"mysql": b"\0\xff", "mariadb": b"\0\1"}
TABLES = ["CREATE TABLE t (id BIGINT UNSIGNED PRIMARY KEY, a VARCHAR(200), b BLOB, d DOUBLE, n INT DEFAULT 7)",
          "CREATE PROCEDURE two(IN x INT) BEGIN SELECT x; SELECT id FROM t WHERE id < x; END"]


def prepare(server):
    server.fresh_databases(DB)
    server.fresh_user(USER, PASSWORD)
    server.sql(f"USE {DB}", *TABLES)
    server.connect(user=USER, password=PASSWORD).close()


def value(param):
    """A parameter as the client bound it: its type, and the value or what stands instead."""
    return param["type"], param["instead"] if param["value"] is None else param["value"]


class Client:
    """Says things to the server and notes what should be recorded of them."""

    def __init__(self, raw, flavor, seed):
        self.raw, self.flavor, self.random = raw, flavor, random.Random(seed)
        self.next, self.said, self.prepared = 1, [], {}

    def note(self, command, outcome, **more):
        self.said.append({"command": command, "outcome": outcome, **more})

    def outcome(self, results):
        """Rows and affected rows of each result, or the error's number."""
        found = []
        try:
            for result in results():
                found.append(("rows", len(result)) if isinstance(result, list) else ("ok", result))
        except ServerError as error:
            found.append(("error", error.code))
        return found

    def query(self, text):
        self.note("COM_QUERY", self.outcome(lambda: self.raw.query(text)), sql=text.encode())

    def insert(self):
        rows = [f"({self.next + number}, 'row {self.next + number}', NULL, 0.5, 1)" for number in range(self.random.randint(1, 4))]
        self.next += len(rows)
        self.query(f"INSERT INTO t VALUES {', '.join(rows)}")

    def text(self):
        self.query(self.random.choice([
            "SELECT id, a, n FROM t ORDER BY id", "SELECT 1", "UPDATE t SET n = n + 1 WHERE id % 2 = 0", "DELETE FROM t WHERE id = 1",
            "SELECT", "SELECT * FROM nowhere", "INSERT INTO t (id) VALUES (NULL)", "BEGIN", "COMMIT", "DO 1", "CALL two(3)",
            "SELECT 'caf\u00e9' AS `\u00e9`", "SET @x = 1"]))

    def several(self):
        # Of several statements the first error is the last answer.
        texts = self.random.sample(["SELECT 1, 2", "UPDATE t SET n = 1 WHERE id = 2", "SELECT id FROM t", "DO 0"], 3)
        text = "; ".join(texts)
        outcome = []
        self.raw.command(3, (b"\0\1" if self.raw.capabilities & QUERY_ATTRIBUTES else b"") + text.encode())
        outcome = self.outcome(self.raw.results)
        self.note("COM_QUERY", outcome, sql=text.encode())

    def prepare(self):
        sql = self.random.choice(["INSERT INTO t (id, a, b, d) VALUES (?, ?, ?, ?)", "SELECT id, a FROM t WHERE id > ? ORDER BY id",
                                  "SELECT ?", "SELECT nothing FROM t"])
        self.raw.command(0x16, sql.encode())
        first = self.raw.packet()
        if first[0] == 0xFF:
            self.note("COM_STMT_PREPARE", [("error", ServerError(first).code)], sql=sql.encode())
            return
        statement, columns, params = struct.unpack_from("<IHH", first, 1)
        for count in (params, columns):
            for _ in range(count):
                self.raw.packet()
            if count and not self.raw.capabilities & DEPRECATE_EOF:
                self.raw.packet()
        self.prepared[statement] = (sql, params)
        self.note("COM_STMT_PREPARE", [("prepared", None)], sql=sql.encode(), statement=statement)

    def bound(self, sql, params):
        """Values for a statement: their types, their bytes on the wire, and what should be recorded."""
        if params == 4:
            number, text = self.next, f"text {self.next}"
            self.next += 1
            double = self.random.choice([0.1, -1e300, 2.5])
            return [(LONGLONG | UNSIGNED, struct.pack("<Q", number), str(number).encode()),
                    (STRING, bytes([len(text)]) + text.encode(), text.encode()),
                    self.random.choice([(BLOB, None, None), (BLOB, bytes([len(BYTES[self.flavor])]) + BYTES[self.flavor], BYTES[self.flavor])]),
                    (DOUBLE, struct.pack("<d", double), repr(double).replace("e+", "e").encode())]
        if sql == "SELECT ?":
            when = struct.pack("<BHBBBBBI", 11, 2026, 11, 27, 13, 59, 59, 7)
            return [self.random.choice([(DATETIME, when, b"2026-11-27 13:59:59.000007"), (LONGLONG, struct.pack("<q", -1), b"-1"),
                                        (STRING, b"\0", b"")])]
        return [(LONGLONG, struct.pack("<q", self.random.randint(0, 5)), None)]

    def execute(self):
        if not self.prepared:
            return self.prepare()
        statement = self.random.choice(sorted(self.prepared))
        sql, params = self.prepared[statement]
        values = self.bound(sql, params)
        if values[0][2] is None:
            values = [(values[0][0], values[0][1], str(struct.unpack("<q", values[0][1])[0]).encode())]
        long = set()
        if params == 4 and self.random.random() < 0.4:
            # In two pieces, of a length that no message keeps.
            data = os.urandom(50_000) if self.flavor == "mysql" else os.urandom(25_000).hex().encode()
            for piece in (data[:40_000], data[40_000:]):
                self.raw.command(0x18, struct.pack("<IH", statement, 2) + piece)
                self.note("COM_STMT_SEND_LONG_DATA", [], statement=statement, argument=struct.pack("<H", 2) + piece)
            values[2], long = (BLOB, b"", None), {2}
        cursor = sql.startswith("SELECT id") and self.random.random() < 0.5
        nulls = sum(1 << index for index, (_, sent, _) in enumerate(values) if sent is None)
        body = struct.pack("<IBI", statement, 1 if cursor else 0, 1)
        attributes = self.raw.capabilities & QUERY_ATTRIBUTES
        body += bytes([params]) if attributes else b""
        body += bytes([nulls, 1])
        for kind, _, _ in values:
            body += bytes([kind & 0xFF, 0x80 if kind & UNSIGNED else 0]) + (b"\0" if attributes else b"")
        body += b"".join(sent or b"" for _, sent, _ in values)
        self.raw.command(0x17, body)
        outcome = self.outcome(lambda: self.raw.results(cursor=cursor))
        recorded = [(kind, "long_data" if index in long else text) for index, (kind, _, text) in enumerate(values)]
        self.note("COM_STMT_EXECUTE", outcome, sql=sql.encode(), statement=statement, params=recorded, argument=b"\1" if cursor else None)
        if cursor and outcome == [("rows", 0)]:
            self.fetch(statement)

    def fetch(self, statement):
        self.raw.command(0x1C, struct.pack("<II", statement, 100))
        rows = []
        while True:
            packet = self.raw.packet()
            if packet[0] == 0xFF:
                return self.note("COM_STMT_FETCH", [("error", ServerError(packet).code)], statement=statement)
            if self.raw.is_end(packet):
                break
            rows.append(packet)
        self.note("COM_STMT_FETCH", [("rows", len(rows))], statement=statement, argument=struct.pack("<I", 100))

    def close(self):
        if self.prepared:
            statement = self.random.choice(sorted(self.prepared))
            del self.prepared[statement]
            self.raw.command(0x19, struct.pack("<I", statement))
            self.note("COM_STMT_CLOSE", [], statement=statement)

    def reset(self):
        if self.prepared:
            statement = self.random.choice(sorted(self.prepared))
            self.raw.command(0x1A, struct.pack("<I", statement))
            self.note("COM_STMT_RESET", self.outcome(self.raw.results), statement=statement)

    def load(self):
        first = self.next
        self.next += 3
        content = "".join(f"{first + row}\tloaded {row}\n" for row in range(3)).encode()
        text = "LOAD DATA LOCAL INFILE 'nothing' INTO TABLE t (id, a)"
        self.raw.command(3, (b"\0\1" if self.raw.capabilities & QUERY_ATTRIBUTES else b"") + text.encode())
        asked = self.raw.packet()
        assert asked[0] == 0xFB, asked
        for piece in (content[:7], content[7:], b""):
            self.raw.send(piece, fresh=False)
        self.note("COM_QUERY", self.outcome(self.raw.results), sql=text.encode(), files=[content])

    def attributes(self):
        if not self.raw.capabilities & QUERY_ATTRIBUTES:
            return
        text = "SELECT 3"
        sent = b"\1\1\0\1\xfe\0\5trace\2id"
        self.note("COM_QUERY", self.outcome(lambda: self.raw.query(text, sent)), sql=text.encode(),
                  attributes=[(b"trace", 254, b"id")])

    def other(self):
        code, name, body, argument = self.random.choice([
            (0x0E, "COM_PING", b"", None), (0x02, "COM_INIT_DB", DB.encode(), DB.encode()), (0x1B, "COM_SET_OPTION", b"\0\0", b"\0\0")])
        self.raw.command(code, body)
        first = self.raw.packet()
        assert first[0] in (0, 0xFE), first
        self.note(name, [("rows", 0)] if first[0] == 0xFE else [("ok", 0)], argument=argument)

    def begin_again(self):
        self.prepared.clear()
        if self.random.random() < 0.5:
            self.raw.command(0x1F)
            self.note("COM_RESET_CONNECTION", self.outcome(self.raw.results))
            if self.flavor == "mysql":
                return
            return
        token = self.raw.scrambled(self.raw.plugin, PASSWORD.encode(), self.raw.scramble)
        payload = USER.encode() + b"\0" + bytes([len(token)]) + token + DB.encode() + b"\0" + struct.pack("<H", 45) + self.raw.plugin + b"\0"
        self.raw.command(0x11, payload)
        while True:
            reply = self.raw.packet()
            if reply[0] == 0xFE:
                plugin, _, data = reply[1:].partition(b"\0")
                self.raw.send(self.raw.scrambled(plugin, PASSWORD.encode(), data.rstrip(b"\0")), fresh=False)
            elif reply[0] == 0xFF:
                raise ServerError(reply)
            elif reply[0] == 0:
                break
        self.note("COM_CHANGE_USER", [("ok", 0)], change=(USER, DB, 45))

    def run(self, count):
        acts = [self.insert, self.text, self.text, self.several, self.prepare, self.execute, self.execute, self.execute, self.close,
                self.reset, self.load, self.attributes, self.other]
        for number in range(count):
            self.random.choice(acts)()
            if number % 40 == 39:
                self.begin_again()


def answer(row):
    kind = row["answer"]
    return kind, {"ok": row["affected_rows"], "rows": row["rows"], "error": row["error"]}.get(kind)


def told(command):
    """What a recorded command says, in the words of [`Client.note`]."""
    facts = json.loads(command["facts"]) if command["facts"] else {}
    said = {
        "command": command["command"],
        "outcome": [answer(row) for row in command["answers"] if row["answer"] is not None],
        "sql": command["sql"],
        "statement": command["statement"],
        "params": [value(param) for param in command["params"] or []],
        "argument": command["argument"],
        "files": command["files"] or [],
        "attributes": [(one["name"], *value(one)) for one in command["attributes"] or []],
    }
    return said, facts


@pytest.mark.parametrize("seed", seeds(2))
def test_a_session_is_recorded_as_it_was(server, proxies, tmp_path, seed):
    prepare(server)
    proxy = proxies(server, "--record", tmp_path / "rec")
    server.general_log_on()
    more = random.Random(seed).choice([0, DEPRECATE_EOF, DEPRECATE_EOF | QUERY_ATTRIBUTES])
    with Raw(proxy.host, proxy.port) as raw:
        raw.login(USER, PASSWORD, database=DB, capabilities=BASIC | MULTI_STATEMENTS | LOCAL_FILES | more)
        client = Client(raw, server.flavor, seed)
        client.run(150)
        raw.command(1)
    log = server.general_log_off(USER)
    proxy.stop()
    rows = Recording(tmp_path / "rec").session()
    assert [row["number"] for row in rows if row["number"] is not None and row["event"] != "result"] == list(
        range(len([row for row in rows if row["event"] != "result"])))
    assert (rows[0]["event"], rows[-1]["event"], rows[-1]["close"]) == ("begin", "end", "quit")
    recorded = commands(rows)
    assert len(recorded) == len(client.said), [one["command"] for one in recorded]
    for number, (row, said) in enumerate(zip(recorded, client.said)):
        found, facts = told(row)
        change = said.pop("change", None)
        if change:
            assert (facts["user"], facts["database"], facts["collation"]) == change, facts
        wanted = {"sql": None, "statement": None, "params": [], "argument": None, "files": [], "attributes": [], **said}
        if wanted["outcome"] == [("prepared", None)]:
            assert found["outcome"] == [("prepared", None)] and row["prepared_params"] is not None
        assert found == wanted, f"command {number} of seed {seed}"
        assert not row["truncated"] and not row["undecodable"], found
    # The server's own words: what it logged was recorded, and what was recorded as one statement is in its log as often.
    logged = Counter(entry.argument for entry in log if entry.command in ("Query", "Prepare"))
    sent = [row["sql"].decode() for row in recorded if row["command"] in ("COM_QUERY", "COM_STMT_PREPARE")]
    assert not [text for text in logged if not any(text.strip(" ;") in one for one in sent)]
    # (MySQL does not log what it cannot prepare.)
    single = Counter(row["sql"].decode() for row in recorded if row["command"] == "COM_QUERY" and b";" not in row["sql"])
    assert not [text for text in single if logged[text] < single[text]]


def test_bulk_executions_keep_their_indicators(mariadb, proxies, tmp_path):
    prepare(mariadb)
    proxy = proxies(mariadb, "--record", tmp_path / "rec")
    with Raw(proxy.host, proxy.port) as raw:
        raw.login(USER, PASSWORD, database=DB, capabilities=BASIC & ~LONG_PASSWORD, extended=4)
        # MariaDB's clients execute what they have just prepared by an id of its own, before they know the real one.
        prepare_packet, _ = raw.frame(b"\x16INSERT INTO t (id, a, n) VALUES (?, ?, ?)")
        rows = [b"\0" + struct.pack("<q", 1) + b"\0\3one" + b"\0" + struct.pack("<q", 5),
                b"\0" + struct.pack("<q", 2) + b"\1" + b"\2"]
        body = b"\xff\xff\xff\xff\x80\0" + b"\x08\0\xfd\0\x08\0" + b"".join(rows)
        bulk_packet, _ = raw.frame(b"\xfa" + body)
        raw.sock.sendall(prepare_packet + bulk_packet)
        raw.sequence = 1
        first = raw.packet()
        assert first[0] == 0, first
        statement = struct.unpack_from("<I", first, 1)[0]
        for _ in range(4):
            raw.packet()
        raw.sequence = 1
        assert raw.results() == [2]
        raw.command(1)
    proxy.stop()
    assert mariadb.sql(f"SELECT id, a, n FROM {DB}.t ORDER BY id") == ((1, "one", 5), (2, None, 7))
    prepared, bulk = commands(Recording(tmp_path / "rec").session())
    assert prepared["statement"] == bulk["statement"] == statement
    assert bulk["param_rows"] == 2 and bulk["argument"] == b"\x80\0"
    given = [(LONGLONG, b"1"), (STRING, b"one"), (LONGLONG, b"5"), (LONGLONG, b"2")]
    assert [value(param) for param in bulk["params"]][:4] == given
    assert [value(param)[1] for param in bulk["params"]][4:] == [None, "default"]
    assert answer(bulk["answers"][0]) == ("ok", 2)


# Text that both servers write alike; the rest differs by nature (JSON, spatial types).
TYPES = {
    "TINYINT": ["-128", "127", "NULL"], "TINYINT UNSIGNED": ["0", "255"], "SMALLINT": ["-32768", "32767"], "MEDIUMINT": ["-8388608", "8388607"],
    "INT": ["-2147483648", "2147483647", "0"], "INT UNSIGNED": ["4294967295", "NULL"], "BIGINT": ["-9223372036854775808", "9223372036854775807"],
    "BIGINT UNSIGNED": ["18446744073709551615"], "DECIMAL(30,10)": ["-1.5", "12345678901234567890.0123456789"], "FLOAT": ["0.1", "-2.5", "1e30"],
    "DOUBLE": ["0.1", "-2.5", "1e300", "1e-300"], "BIT(10)": ["b'1010101010'", "b'0'"], "DATE": ["'2026-11-27'", "'0001-01-01'", "NULL"],
    "DATETIME": ["'2026-11-27 13:59:59'", "'2026-01-01 00:00:00'"], "DATETIME(3)": ["'2026-11-27 13:59:59.120'", "'2026-11-27 00:00:00.000'"],
    "DATETIME(6)": ["'2026-11-27 13:59:59.000001'"], "TIMESTAMP(2) NULL": ["'2026-11-27 13:59:59.50'", "NULL"],
    "TIME": ["'-838:59:59'", "'00:00:00'", "'23:59:59'"], "TIME(6)": ["'-01:02:03.000400'"], "YEAR": ["2026", "1901"],
    "CHAR(20)": ["'caf\u00e9'", "''"], "VARCHAR(300)": ["REPEAT('x', 300)", "NULL"], "BINARY(4)": ["x'00ff'"], "VARBINARY(20)": ["x'00ff00'", "''"],
    "TEXT": ["REPEAT('y', 60000)"], "BLOB": ["REPEAT(x'00', 1000)"], "ENUM('a','b')": ["'b'", "NULL"], "SET('a','b','c')": ["'a,c'", "''"],
}
EXPRESSIONS = ["1", "-1", "18446744073709551615", "1 + 1", "LENGTH('abc')", "1 = 1", "NULL", "'text'", "1.5", "COUNT(*)", "IF(1, 2, 3)",
               "CAST(5 AS UNSIGNED)", "CAST('2026-11-27' AS DATE)", "DATE_ADD('2026-11-27 10:00:00', INTERVAL 1 SECOND)", "0.1e0", "x'4142'",
               "MAX(c0)", "SUM(c0)", "ASCII('a')", "CRC32('a')", "CONCAT('a', 1)", "FIND_IN_SET('b', 'a,b')", "UNHEX('FF')"]


def checksums(server, proxies, folder, name):
    """Each statement's checksums in the text protocol and in the binary one."""
    columns = ", ".join(f"c{number} {of}" for number, of in enumerate(TYPES))
    server.sql(f"USE {DB}", f"CREATE TABLE v (id INT PRIMARY KEY, {columns}) CHARACTER SET utf8mb4", "SET time_zone = '+00:00'",
               *[f"INSERT INTO v SET id = {row}, {', '.join(f'c{n} = {values[row % len(values)]}' for n, values in enumerate(TYPES.values()))}"
                 for row in range(6)])
    statements = [f"SELECT c{number} FROM v ORDER BY id" for number in range(len(TYPES))]
    statements += ["SELECT * FROM v ORDER BY id", *(f"SELECT {expression} FROM v" for expression in EXPRESSIONS)]
    proxy = proxies(server, "--record", folder / name)
    with Raw(proxy.host, proxy.port) as raw:
        raw.login(USER, PASSWORD, database=DB)
        raw.query("SET NAMES utf8mb4")
        raw.query("SET time_zone = '+00:00'")
        raw.query("SET sql_mode = ''")
        for sql in statements:
            raw.query(sql)
            raw.command(0x16, sql.encode())
            first = raw.packet()
            assert first[0] == 0, (sql, first)
            for _ in range(struct.unpack_from("<H", first, 5)[0] + 1):
                raw.packet()
            raw.command(0x17, first[1:5] + b"\0\1\0\0\0")
            raw.results()
    proxy.stop()
    found = {}
    for command in commands(Recording(folder / name).session(lambda row: row["sql"] == b"SELECT 1 FROM v")):
        if command["answer"] == "rows" and command["sql"] and command["sql"].startswith(b"SELECT"):
            assert command["checksum"] is not None, command
            found.setdefault(command["sql"].decode(), {})[command["command"]] = (command["rows"], command["checksum"], command["checksum_ordered"])
    assert len(found) == len(set(statements))
    return found


def test_checksums_are_those_of_the_values_whatever_the_server(mysql, mariadb, mariadb_11_8, proxies, tmp_path):
    servers = {"mysql": mysql, "mariadb": mariadb, "mariadb-11.8": mariadb_11_8}
    for server in servers.values():
        prepare(server)
    found = {name: checksums(server, proxies, tmp_path, name) for name, server in servers.items()}
    differs = [(name, sql, protocol)
               for name in servers for sql, of in found["mysql"].items() for protocol in ("COM_QUERY", "COM_STMT_EXECUTE")
               if found[name][sql][protocol] != of[protocol]]
    assert not differs, differs
    # Different rows have different ones, and an order shows.
    of = found["mysql"]
    assert len({of[sql]["COM_QUERY"][1] for sql in of if sql.startswith("SELECT c")}) == len(TYPES)
    # Both protocols agree but where the text has more than the value: the fraction's zeros, floats.
    same = [sql for sql in of if of[sql]["COM_QUERY"] == of[sql]["COM_STMT_EXECUTE"]]
    assert len(same) > len(of) * 3 // 4, set(of) - set(same)


def test_no_password_is_recorded(server, proxies, tmp_path):
    prepare(server)
    secrets = [PASSWORD, "grammar-Secret-1", "grammar-Secret-2", "grammar-Secret-3"]
    proxy = proxies(server, "--record", tmp_path / "rec", "--redact-keys=")
    # Over TLS a password is sent in clear.
    for ssl in (None, {"check_hostname": False, "verify_mode": False}):
        options = {"ssl": ssl} if ssl else {}
        db = proxy.connect(user=USER, password=PASSWORD, database=DB, **options)
        with db.cursor() as cursor:
            cursor.execute("DROP USER IF EXISTS recorded_other")
            cursor.execute(f"CREATE USER recorded_other IDENTIFIED BY '{secrets[1]}'")
            cursor.execute(f"ALTER USER recorded_other IDENTIFIED BY '{secrets[2]}'")
            with pytest.raises(pymysql.err.Error):
                cursor.execute(f"CREATE USER nobody IDENTIFIED BY '{secrets[3]}' NONSENSE")
        db.close()
    with pytest.raises(pymysql.err.OperationalError):
        proxy.connect(user=USER, password=secrets[1])
    proxy.stop()
    recording = Recording(tmp_path / "rec")
    rows = repr(recording.rows())
    assert "CREATE USER recorded_other" in rows and "Access denied" in rows
    for secret in secrets:
        assert secret not in rows and secret.encode() not in recording.bytes(), secret


def test_sessions_end_with_the_recording(server, proxies, tmp_path):
    prepare(server)
    proxy = proxies(server, "--record", tmp_path / "rec")
    open_one, closed = (proxy.connect(user=USER, password=PASSWORD, database=DB) for _ in range(2))
    for db in (open_one, closed):
        with db.cursor() as cursor:
            cursor.execute(f"SELECT '{'open' if db is open_one else 'closed'}'")
    closed.close()
    within(lambda: len(server.connections(USER)) == 1, "one session closed")
    proxy.stop()
    ends = {b"SELECT 'open'": "recording_ended", b"SELECT 'closed'": "quit"}
    sessions = Recording(tmp_path / "rec").sessions().values()
    for sql, close in ends.items():
        rows = next(rows for rows in sessions if any(row["sql"] == sql for row in rows))
        assert (rows[-1]["event"], rows[-1]["close"]) == ("end", close)
    assert proxy.counter("recorded_sessions") == 2 and proxy.counter("recording_gaps") == 0


def test_a_full_disk_stops_the_recording_and_not_the_traffic(mysql, proxies, small_disk):
    prepare(mysql)
    proxy = proxies(mysql, "--record", small_disk / "rec")
    db = proxy.connect(user=USER, password=PASSWORD, database=DB)
    with db.cursor() as cursor:
        for number in range(1, 60):
            cursor.execute("INSERT INTO t (id, b) VALUES (%s, %s)", (number, os.urandom(60_000)))
        proxy.wait_log("the recording stops here: .*`record`")
        cursor.execute("SELECT COUNT(*) FROM t")
        assert cursor.fetchone() == (59,)
        assert "No space left" in proxy.log
        # It goes on in the same folder as soon as there is room and somebody says so.
        subprocess.run(["mount", "-o", "remount,size=8m", small_disk], check=True)
        proxy.signal(signal.SIGHUP)
        proxy.wait_log("SIGHUP: .*recording=.?on")
        cursor.execute("SELECT 'there is room'")
    db.close()
    within(lambda: not mysql.connections(USER), "closed")
    proxy.stop()
    assert proxy.counter("recordings_stopped") == 1
    assert "SELECT 'there is room'" in once("recording", "cat", small_disk / "rec").stdout
    info = json.loads(once("recording", "info", small_disk / "rec", "--json").stdout)
    assert info["complete"] and info["runs"] == 2 and 1 <= info["commands"] < 60, info


def test_a_full_queue_makes_a_gap_that_is_told(mysql, proxies, tmp_path):
    prepare(mysql)
    proxy = proxies(mysql, "--record", tmp_path / "rec", "--record-queue-bytes=100000")
    with Raw(proxy.host, proxy.port) as raw:
        raw.login(USER, PASSWORD, database=DB)
        raw.command(0x16, b"SELECT 5")
        first = raw.packet()
        raw.packet(), raw.packet()
        raw.query(f"DO '{'x' * 200_000}'")
        raw.query("SELECT 'after'")
        raw.command(1)
    within(lambda: not mysql.connections(USER), "closed")
    proxy.stop()
    rows = Recording(tmp_path / "rec").session()
    events = [(row["event"], row["number"]) for row in rows if row["event"] not in ("prepared", "result")]
    assert events == [("begin", 0), ("command", 1), ("lost", 2), ("begin", 3), ("command", 4), ("end", 5)]
    again = json.loads(next(row["facts"] for row in rows if row["number"] == 3))
    assert again["began_before"] and again["database"] == DB and again["user"] == USER
    prepared = next(row for row in rows if row["event"] == "prepared")
    assert (prepared["statement"], prepared["sql"]) == (struct.unpack_from("<I", first, 1)[0], b"SELECT 5")
    assert proxy.counter("recording_gaps") == 1 and proxy.counter("recorded_commands") == 2


def test_a_recording_that_begins_and_ends_while_sessions_go_on(server, proxies, tmp_path):
    prepare(server)
    config = tmp_path / "config.toml"
    config.write_text("")
    proxy = proxies(server, "--config", config)
    with Raw(proxy.host, proxy.port) as raw:
        raw.login(USER, PASSWORD, database="test", capabilities=BASIC | DEPRECATE_EOF)
        raw.command(0x02, DB.encode())
        raw.packet()
        raw.command(0x16, b"SELECT id FROM t WHERE id > ?")
        first = raw.packet()
        raw.packet(), raw.packet()
        statement = first[1:5]
        raw.query("SET time_zone = '+03:00', sql_mode = 'ANSI_QUOTES'")
        raw.query("BEGIN")
        raw.query("INSERT INTO t (id) VALUES (1), (2)")
        config.write_text(f"record = '{tmp_path}/rec'\n")
        proxy.signal(signal.SIGHUP)
        proxy.wait_log("SIGHUP: .*record")
        raw.command(0x17, statement + b"\0\1\0\0\0\0\1\x08\0" + struct.pack("<q", 1))
        assert len(raw.results()[0]) == 1
        raw.query("COMMIT")
        config.write_text("")
        proxy.signal(signal.SIGHUP)
        proxy.wait_log("recorded: 2 commands")
        raw.query("SELECT 'not recorded'")
        raw.command(1)
    proxy.stop()
    rows = Recording(tmp_path / "rec").session()
    facts = json.loads(rows[0]["facts"])
    assert facts["began_before"] and facts["in_transaction"] and (facts["user"], facts["database"]) == (USER, DB)
    assert (facts["time_zone"], facts["sql_mode"], facts["client_charset"]) == ("+03:00", "ANSI_QUOTES", "utf8mb4")
    prepared = [(row["statement"], row["sql"]) for row in rows if row["event"] == "prepared"]
    assert prepared == [(struct.unpack("<I", statement)[0], b"SELECT id FROM t WHERE id > ?")]
    execute, commit = commands(rows)
    assert [value(param) for param in execute["params"]] == [(LONGLONG, b"1")] and answer(execute) == ("rows", 1)
    assert execute["checksum"] is not None and commit["sql"] == b"COMMIT"
    assert (rows[-1]["event"], rows[-1]["close"]) == ("end", "recording_ended")
