"""The golden workload through the proxy, compared with the reference messages field by field."""

import ast
import json
import re
import socket
import time

import pymysql
import pymysql.connections
import pytest

from golden import workload
from harness import INTEGRATION, within
from harness.proxy import FIELDS

REFERENCE = [json.loads(line) for line in (INTEGRATION / "golden/reference.ndjson").read_text().splitlines()]
NO_SERVER_TZ, NO_ISOLATION = 1 << 25, 1 << 26
STATES = {1064: "42000", 1054: "42S22", 1062: "23000"}


class Eof(pymysql.connections.EOFPacketWrapper):
    """PyMySQL forgets the status flags of an EOF."""

    last = None

    def __init__(self, packet):
        super().__init__(packet)
        Eof.last = self.server_status


class Recording(pymysql.connections.Connection):
    """Notes the status flags at the end of each command's answer: what the client sees is the oracle for `serverFlags`."""

    def __init__(self, *args, **options):
        self.flags = []
        super().__init__(*args, **options)

    def _execute_command(self, command, sql):
        if command == pymysql.constants.COMMAND.COM_QUERY:
            self.flags.append(self.server_status)
        super()._execute_command(command, sql)

    def _read_query_result(self, unbuffered=False):
        affected = super()._read_query_result(unbuffered)
        is_rows = self._result.field_count > 0
        self.flags[-1] = self.last_flags = Eof.last if is_rows else self._result.server_status
        return affected

    def query(self, sql, unbuffered=False):
        try:
            return super().query(sql, unbuffered)
        except pymysql.Error:
            # An error packet has no flags: those of the answer before it are still the last.
            self.flags[-1] = self.last_flags
            raise

    def close(self):
        before = self.proxy.sockets()
        super().close()
        # Until the proxy no longer counts it, for totalPoolCount.
        within(lambda: self.proxy.sockets() == before - 2, "the proxy has closed its two sockets of the session")


def literal(text):
    return "NULL" if text == "None" else text if text.isdigit() else f"'{text}'"


def with_literals(message):
    parts = message["sql"].split("%s")
    return "".join(part + literal(value) for part, value in zip(parts, message["queryParams"] + [None]) if value is not None) + parts[-1]


def statement(reference, sql, **changes):
    info = reference["serverInfo"]
    if info is not None:
        # The client-side program kept the length byte in front of the text, and Python's notation of bytes.
        info = ast.literal_eval(info).decode()[1:]
    error = reference["errorMessage"]
    if error is not None:
        code, text = ast.literal_eval(error)
        error = f"ERROR {code} ({STATES[code]}): {text}"
    return {**reference, "sql": sql, "queryParams": None, "serverInfo": info, "errorMessage": error, "user": "sb", "iFlags": 9, **changes}


MODES = {
    "default": [],
    "nothing redacted": ["--redact-keys="],
    "unbuffered": ["--buffer-until-commit=false"],
    "split": ["--split-values"],
    "changes": ["--capture-all=false", "--capture-callproc=false"],
    "changes, calls, DDL": ["--capture-all=false", "--capture-ddl"],
    "no text": ["--include-sql=false", "--split-values"],
    "no values": ["--include-params=false", "--split-values"],
    "masked": ["--redact-keys=name"],
    "masked and split": ["--redact-keys=name", "--redact-value=<hidden>", "--split-values"],
    "hashed and split": ["--redact-keys=name", "--redact-mode=hash", "--split-values", "--buffer-until-commit=false"],
}


def expected_messages(sends_autocommit):
    """The reference with the differences that the contract states, each with the statement as it was sent, of which there may be several rows."""
    result, rows = [], []
    first = {}

    def add(message, *values):
        result.append((message, list(values)))

    for reference in REFERENCE:
        connection = reference["connectionId"]
        if connection not in first:
            first[connection] = True
            start = statement(reference, "SET NAMES utf8mb4", updateCount=0, serverInfo="", stmtDbName=reference["dbName"])
            add(start)
            if sends_autocommit:
                add({**start, "sql": "SET AUTOCOMMIT = 1"})
        sql = reference["sql"]
        if sql == "CALL p_add":
            add(statement(reference, "SET @`_p_add_0`=1,@`_p_add_1`=2", updateCount=0, serverInfo=""))
            add(statement(reference, "CALL `p_add`(@`_p_add_0`,@`_p_add_1`)"))
        elif sql.startswith("INSERT INTO t (name, v)") and (rows or reference["durationNs"] is None):
            rows.append(reference["queryParams"])
            if reference["durationNs"] is not None:  # the last of the batch: on the wire they are one statement
                texts = ["({})".format(", ".join(map(literal, row))) for row in rows]
                add(statement(reference, "INSERT INTO t (name, v) VALUES " + ",".join(texts)), *rows)
                rows = []
        elif sql == "UPDATE t SET v = %s WHERE name = %s":
            # executemany of an UPDATE is a statement each, with an answer each
            add(statement(reference, with_literals(reference), updateCount=1, durationNs=1,
                          serverInfo="Rows matched: 1  Changed: 1  Warnings: 0"))
        elif reference["queryParams"]:
            add(statement(reference, with_literals(reference)))
        else:
            add(statement(reference, sql))
    return result


def numbered(statements, splits):
    """Messages of statements, with the statement's number on its connection beside them."""
    messages, counts, numbers = [], {}, {}
    for message, rows in statements:
        connection = message["connectionId"]
        number = numbers[connection] = numbers.get(connection, -1) + 1
        parts = [message]
        if splits and len(rows) > 1:
            empty = {"updateCount": None, "serverInfo": None, "durationNs": None}
            parts = [{**message, **empty, "sql": "INSERT INTO t (name, v) VALUES (?, ?)",
                      "queryParams": [None if value == "None" else value for value in row]} for row in rows]
            parts[-1] = {**parts[-1], **{key: message[key] for key in empty}}
        for part in parts:
            counts[connection] = counts.get(connection, 0) + 1
            messages.append({**part, "executionCount": counts[connection], "statement": message["sql"], "number": number})
    return messages


def is_wanted(sql, mode):
    """The capture policy, for the workload's statements."""
    word = re.sub(r"^/\*.*?\*/ ", "", sql).split(" ")[0]
    if not mode.startswith("changes"):
        return True
    # What is no statement may be any.
    return word in ("INSERT", "UPDATE", "DELETE", "SELEC") or mode != "changes" and word in ("CREATE", "DROP", "CALL")


# What has a key in its name.
SHOWN_AS = {
    "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(32), v INT)": [],
    "INSERT INTO t (name, v) VALUES ('a', 1)": ["a"],
    "INSERT INTO t (name, v) VALUES ('b', 2),('c', 3),('d', NULL)": ["b", "c", "d"],
    "UPDATE t SET v = 20 WHERE name = 'b'": ["b"],
    "UPDATE t SET v = 30 WHERE name = 'c'": ["c"],
    "UPDATE t SET name = 'z' WHERE name = 'a'": ["z", "a"],
    "DELETE FROM t WHERE name = 'b'": ["b"],
}


def redacted(message, hide, by_name=True):
    """`hide`: what stands for a value. Of an INSERT that names no columns all of them are hidden, whatever the keys."""
    message = dict(message)
    unnamed = re.fullmatch(r"INSERT INTO s VALUES \((\d+)\)", message["sql"] or "")
    if unnamed:
        message["sql"] = f"INSERT INTO s VALUES ('{hide(unnamed[1])}')"
    elif not by_name:
        pass
    elif message["queryParams"] is not None:
        message["queryParams"] = [hide(message["queryParams"][0]), *message["queryParams"][1:]]
    elif message["sql"] in SHOWN_AS:
        for value in SHOWN_AS[message["sql"]]:
            message["sql"] = message["sql"].replace(f"'{value}'", f"'{hide(value)}'")
    return message


def in_mode(messages, mode):
    """What of the messages is published, and how."""
    options, shown = MODES[mode], []
    for message in messages:
        rolled_back = message["statement"] in ("START TRANSACTION", "INSERT INTO s VALUES (8)", "ROLLBACK")
        if rolled_back and "--buffer-until-commit=false" not in options:
            continue
        if not is_wanted(message["statement"], mode):
            continue
        if mode not in ("nothing redacted", "hashed and split"):
            mask = "<hidden>" if mode == "masked and split" else "***"
            message = redacted(message, lambda _: mask, mode.startswith("masked"))
        if mode == "no text":
            message = {**message, "sql": None}
        if mode == "no values":
            message = {**message, "queryParams": None}
        shown.append(message)
    return shown


class Hashed(dict):
    """A pseudonym of each value, as it comes up first; no two values have the same."""

    def replace(self, message, shown):
        wanted = redacted(message, lambda value: f"<{value}>")
        for value in re.findall(r"<(\w+)>", f"{wanted['sql']} {wanted['queryParams']}"):
            if value not in self:
                found = [new for new in re.findall(r"h:[0-9a-f]{32}", f"{shown['sql']} {shown['queryParams']}") if new not in self.values()]
                assert found, shown["sql"]
                self[value] = found[0]
        return redacted(message, lambda value: self[value])


@pytest.fixture(scope="module", params=MODES)
def run(mysql, tmp_path_factory, request):
    from harness.proxy import Proxy
    mysql.sql("DROP USER IF EXISTS sb", "CREATE USER sb IDENTIFIED BY ''", "GRANT ALL ON *.* TO sb",
              "DROP DATABASE IF EXISTS golden_a", "DROP DATABASE IF EXISTS golden_b")
    folder, options = tmp_path_factory.mktemp("golden"), list(MODES[request.param])
    if "--redact-mode=hash" in options:
        key = folder / "key"
        key.touch(mode=0o600)
        key.write_bytes(bytes(range(32)))
        options.append(f"--redact-key-file={key}")
    proxy = Proxy(mysql, folder, *options, env={"DEBUGQUERYINTERCEPTOR_DEBUG": "golden", "INTERCEPTOR_DEFAULT_TZ": "UTC"})
    proxy.mode, connections = request.param, []

    def connect(**options):
        connections.append(Recording(host=proxy.host, port=proxy.port, user="sb", password="", autocommit=True, ssl_disabled=True, **options))
        connections[-1].id, connections[-1].proxy = connections[-1].thread_id(), proxy
        return connections[-1]

    original = pymysql.connections.EOFPacketWrapper
    pymysql.connections.EOFPacketWrapper = Eof
    began = time.time()
    try:
        workload.run(connect)
        took = time.time() - began
        proxy.stop()
    finally:
        pymysql.connections.EOFPacketWrapper = original
        proxy.kill()
    return proxy, connections, began, took


@pytest.fixture(scope="module")
def compared(run):
    """Pairs of a message and what is expected."""
    proxy, connections, _, _ = run
    assert len(connections) == 2
    # The client sets autocommit only where the server has it off.
    statements = expected_messages(False)
    sent = sum(len(connection.flags) for connection in connections)
    if len(statements) != sent:
        statements = expected_messages(True)
    assert len(statements) == sent
    messages = proxy.messages.all()
    wanted = in_mode(numbered(statements, "--split-values" in MODES[proxy.mode]), proxy.mode)
    ids = dict(zip(sorted({m["connectionId"] for m in REFERENCE}), (c.id for c in connections)))
    pairs, pseudonyms = [], Hashed()
    for old, new in ids.items():
        mine, theirs = [m for m in messages if m["connectionId"] == new], [m for m in wanted if m["connectionId"] == old]
        assert [m["executionCount"] for m in mine] == [m["executionCount"] for m in theirs]
        if proxy.mode.startswith("hashed"):
            theirs = [pseudonyms.replace(their, my) for my, their in zip(mine, theirs)]
        assert [m["sql"] for m in mine] == [m["sql"] for m in theirs]
        pairs += [(m, {**w, "connectionId": new}) for m, w in zip(mine, theirs)]
    assert len(pairs) == len(messages)
    return pairs


EXACT = ["user", "dbName", "debug", "connectionId", "executionCount", "iFlags", "defaultTZ", "updateCount", "sql", "queryParams",
         "errorMessage", "serverInfo", "totalPoolCount", "clientFlags"]


@pytest.mark.parametrize("field", EXACT)
def test_field(compared, field):
    for message, wanted in compared:
        seen = message[field]
        if field == "iFlags":
            seen &= ~(NO_SERVER_TZ | NO_ISOLATION)  # compared with the fields themselves below
        if field == "totalPoolCount" and wanted["statement"].startswith("CALL"):
            seen = min(seen, wanted[field])  # its answer is on its way before it is told of: the client may have connected again
        assert seen == wanted[field], f"{field} of {message['sql']!r}"


def test_statement_database(compared):
    for message, wanted in compared:
        allowed = [wanted["stmtDbName"]]
        if wanted["statement"] == "DROP DATABASE golden_a":
            allowed.append(None)  # the current database has just been dropped; the client-side program did not notice
        assert message["stmtDbName"] in allowed, message["sql"]


def test_server_flags(compared, run):
    for connection in run[1]:
        mine = [(message, wanted) for message, wanted in compared if message["connectionId"] == connection.id]
        flags = [(wanted["statement"], connection.flags[wanted["number"]]) for _, wanted in mine]
        assert [(wanted["statement"], message["serverFlags"]) for message, wanted in mine] == flags


def test_client_flags_are_those_of_the_client(compared, run):
    for connection in run[1]:
        assert {m["clientFlags"] for m, _ in compared if m["connectionId"] == connection.id} == {connection.client_flag}


def test_time_zone_and_isolation(compared):
    # A SET is true from its own message on, as USE is.
    set_at = {"SET time_zone = '+02:00'": None, "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE": None}
    second = max(message["connectionId"] for message, _ in compared)
    for message, wanted in compared:
        if message["connectionId"] == second and wanted["statement"] in set_at:
            set_at[wanted["statement"]] = wanted["number"]
    if None in set_at.values():
        # Not captured, but followed all the same: what comes after them on this connection is a SELECT, which is not captured either.
        assert all(message["serverTZ"] is None and message["isolationLvl"] is None for message, _ in compared)
        return
    for message, wanted in compared:
        followed = {sql: message["connectionId"] == second and wanted["number"] >= at for sql, at in set_at.items()}
        tz = "+02:00" if followed["SET time_zone = '+02:00'"] else None
        isolation = 8 if followed["SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE"] else None
        assert (message["serverTZ"], message["isolationLvl"]) == (tz, isolation), wanted["statement"]
        assert bool(message["iFlags"] & NO_SERVER_TZ) == (tz is None), wanted["statement"]
        assert bool(message["iFlags"] & NO_ISOLATION) == (isolation is None), wanted["statement"]


def test_server(compared, mysql):
    for message, _ in compared:
        assert message["serverHost"] == mysql.address and message["serverVersion"] == mysql.greeting_version
        assert re.match(r"\d+\.\d+\.\d+", message["serverVersion"])


def test_client_host(compared):
    # A client on the proxy's own host: that host's name.
    assert {message["client"] for message, _ in compared} == {socket.gethostname()}


def test_times(compared, run):
    _, connections, began, took = run
    for message, wanted in compared:
        is_earlier = wanted["durationNs"] is None
        assert is_earlier == (message["durationNs"] is None), wanted["statement"]
        assert is_earlier or 0 < message["durationNs"] < took * 1e9, wanted["statement"]
        assert began * 1000 - 50 <= message["timestamp"] <= (began + took) * 1000 + 50, message["sql"]
    for connection in connections:
        stamps = [m["timestamp"] for m, _ in compared if m["connectionId"] == connection.id]
        # Milliseconds are cut, and a start is reckoned from an end: neighbours may touch.
        assert all(after >= before - 1 for before, after in zip(stamps, stamps[1:]))


def test_text_of_the_messages(run):
    """Exactly the 23 fields, in the contract's order, compact, one object a line."""
    for line in run[0].messages.lines():
        message = json.loads(line, object_pairs_hook=list)
        assert [key for key, _ in message] == FIELDS
        assert len(FIELDS) == 23 == len(REFERENCE[0]) and FIELDS == list(REFERENCE[0])
        assert line == json.dumps(dict(message), ensure_ascii=False, separators=(",", ":"))
