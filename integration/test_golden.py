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


def expected_messages():
    """The reference with the differences that the contract states."""
    result, rows = [], []
    first = {}
    for reference in REFERENCE:
        connection = reference["connectionId"]
        if connection not in first:
            first[connection] = True
            start = statement(reference, "SET NAMES utf8mb4", updateCount=0, serverInfo="", stmtDbName=reference["dbName"])
            result += [start, {**start, "sql": "SET AUTOCOMMIT = 1"}]
        sql = reference["sql"]
        if sql == "CALL p_add":
            result.append(statement(reference, "SET @`_p_add_0`=1,@`_p_add_1`=2", updateCount=0, serverInfo=""))
            result.append(statement(reference, "CALL `p_add`(@`_p_add_0`,@`_p_add_1`)"))
        elif sql.startswith("INSERT INTO t (name, v)") and (rows or reference["durationNs"] is None):
            rows.append("({})".format(", ".join(literal(value) for value in reference["queryParams"])))
            if reference["durationNs"] is not None:  # the last of the batch: on the wire they are one statement
                result.append(statement(reference, "INSERT INTO t (name, v) VALUES " + ",".join(rows)))
                rows = []
        elif sql == "UPDATE t SET v = %s WHERE name = %s":
            # executemany of an UPDATE is a statement each, with an answer each
            result.append(statement(reference, with_literals(reference), updateCount=1,
                                    serverInfo="Rows matched: 1  Changed: 1  Warnings: 0"))
        elif reference["queryParams"]:
            result.append(statement(reference, with_literals(reference)))
        else:
            result.append(statement(reference, sql))
    counts = {}
    for message in result:
        connection = message["connectionId"]
        counts[connection] = message["executionCount"] = counts.get(connection, 0) + 1
    return result


@pytest.fixture(scope="module", params=["each statement", "until commit"])
def run(mysql, tmp_path_factory, request):
    """Each message when its statement ends, and held until commit."""
    from harness.proxy import Proxy
    mysql.sql("DROP USER IF EXISTS sb", "CREATE USER sb IDENTIFIED BY ''", "GRANT ALL ON *.* TO sb",
              "DROP DATABASE IF EXISTS golden_a", "DROP DATABASE IF EXISTS golden_b")
    proxy = Proxy(mysql, tmp_path_factory.mktemp("golden"), env={"DEBUGQUERYINTERCEPTOR_DEBUG": "golden", "INTERCEPTOR_DEFAULT_TZ": "UTC",
                                                                    "INTERCEPTOR_BUFFER_UNTIL_COMMIT": str(request.param == "until commit")})
    proxy.buffers = request.param == "until commit"
    connections = []

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
    """Pairs of a message and what is expected; the client's SET AUTOCOMMIT only if it was sent."""
    proxy, connections, _, _ = run
    messages, wanted = proxy.messages.all(), expected_messages()
    assert len(connections) == 2
    if not any(m["sql"] == "SET AUTOCOMMIT = 1" for m in messages):
        wanted = [m for m in wanted if m["sql"] != "SET AUTOCOMMIT = 1"]
        for connection in {m["connectionId"] for m in wanted}:
            for count, message in enumerate((m for m in wanted if m["connectionId"] == connection), 1):
                message["executionCount"] = count
    if proxy.buffers:
        # Its only transaction that is rolled back.
        wanted = [m for m in wanted if m["sql"] not in ("START TRANSACTION", "INSERT INTO s VALUES (8)", "ROLLBACK")]
    ids = dict(zip(sorted({m["connectionId"] for m in REFERENCE}), (c.id for c in connections)))
    pairs = []
    for old, new in ids.items():
        mine, theirs = [m for m in messages if m["connectionId"] == new], [m for m in wanted if m["connectionId"] == old]
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
        assert seen == wanted[field], f"{field} of {message['sql']!r}"


def test_statement_database(compared):
    for message, wanted in compared:
        allowed = [wanted["stmtDbName"]]
        if message["sql"] == "DROP DATABASE golden_a":
            allowed.append(None)  # the current database has just been dropped; the client-side program did not notice
        assert message["stmtDbName"] in allowed, message["sql"]


def test_server_flags(compared, run):
    for connection in run[1]:
        mine = [m for m, _ in compared if m["connectionId"] == connection.id]
        assert mine[-1]["executionCount"] == len(connection.flags)
        flags = [(m["sql"], connection.flags[m["executionCount"] - 1]) for m in mine]
        assert [(m["sql"], m["serverFlags"]) for m in mine] == flags


def test_client_flags_are_those_of_the_client(compared, run):
    for connection in run[1]:
        assert {m["clientFlags"] for m, _ in compared if m["connectionId"] == connection.id} == {connection.client_flag}


def test_time_zone_and_isolation(compared):
    tz = isolation = None
    for message, wanted in sorted(compared, key=lambda pair: (pair[0]["connectionId"], pair[0]["executionCount"])):
        if message["executionCount"] == 1:
            tz = isolation = None
        # A SET is true from its own message on, as USE is.
        if message["sql"] == "SET time_zone = '+02:00'":
            tz = "+02:00"
        if "ISOLATION LEVEL SERIALIZABLE" in message["sql"]:
            isolation = 8
        assert message["serverTZ"] == tz, message["sql"]
        assert message["isolationLvl"] == isolation, message["sql"]
        assert bool(message["iFlags"] & NO_SERVER_TZ) == (tz is None), message["sql"]
        assert bool(message["iFlags"] & NO_ISOLATION) == (isolation is None), message["sql"]


def test_server(compared, mysql):
    for message, _ in compared:
        assert message["serverHost"] == mysql.address and message["serverVersion"] == mysql.greeting_version
        assert re.match(r"\d+\.\d+\.\d+", message["serverVersion"])


def test_client_host(compared):
    # A client on the proxy's own host: that host's name.
    assert {message["client"] for message, _ in compared} == {socket.gethostname()}


def test_times(compared, run):
    _, connections, began, took = run
    for message, _ in compared:
        assert isinstance(message["durationNs"], int) and 0 < message["durationNs"] < took * 1e9, message["sql"]
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
