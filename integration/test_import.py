"""Recordings of logs that exist: what real servers log of odd texts, against what was sent."""

import json
import os
import pathlib
import random
import subprocess

import pyarrow
import pytest

from harness import PATIENCE, run
from harness.breadth import seeds
from harness.kafka import Topic, settings
from harness.proxy import AS_SENT, binary
from harness.replay import Replay
from harness.servers import SqlServer

DB = "imports"


@pytest.fixture(scope="module", params=["mysql", "mariadb", "mariadb-11.8"])
def logging(request, tmp_path_factory):
    """A server that logs everything, to files and tables."""
    folder = tmp_path_factory.mktemp(f"logging-{request.param}")
    more = ["--log-slow-extra=ON"] if request.param == "mysql" else [
        "--log-slow-verbosity=query_plan,innodb,explain,engine,warnings", "--log-slow-disabled-statements="]
    server = SqlServer(request.param, folder, "--max-allowed-packet=64M", "--log-output=FILE,TABLE", "--long-query-time=0",
                       "--slow-query-log=OFF", "--general-log=OFF", f"--slow-query-log-file={folder}/slow.log",
                       f"--general-log-file={folder}/general.log", "--log-slow-admin-statements=ON", "--secure-file-priv=", *more)
    yield server
    server.stop()


def recording_import(out, source, *inputs, stdin=None, **more):
    done = subprocess.run([binary(), "recording", "import", "--from", source, "--out", out, *inputs], stdin=stdin,
                          capture_output=True, timeout=PATIENCE, **more)
    assert done.returncode == 0, done.stderr.decode()
    return done.stderr.decode()


def rows_of(folder):
    """A recording's rows, in their order."""
    rows = []
    for path in sorted(pathlib.Path(folder).glob("*.arrows")):
        with pyarrow.ipc.open_stream(path) as reader:
            rows += reader.read_all().to_pylist()
    return rows


def texts(folder, user="app"):
    """The texts of each session of that user: a list of lists."""
    sessions, users = {}, {}
    for row in rows_of(folder):
        if row["event"] == "begin":
            users.setdefault(row["session"], json.loads(row["facts"]).get("user"))
            sessions.setdefault(row["session"], [])
        if row["event"] == "command" and row["sql"] is not None:
            sessions[row["session"]].append((row["sql"], row["truncated"]))
    assert not any(cut for session in sessions.values() for _, cut in session if b"<secret>" not in _)
    return [[text for text, _ in session] for key, session in sorted(sessions.items()) if users.get(key) == user]


FAKES = [
    "\n# Time: 2026-11-27T13:16:41.500000Z\n# User@Host: app[app] @ localhost [127.0.0.1]  Id:    12\n# Query_time: 0.1  Lock_time: 0.0 Rows_sent: 1  Rows_examined: 1\nSET timestamp=1795785401;\nselect 1;\n",
    ";\n# User@Host: app[app] @ localhost []\n# Thread_id: 4  Schema: x  QC_hit: No\n# Query_time: 0.1  Lock_time: 0.0\nSET timestamp=1;\ndrop table t;\n",
    ";\n# Time: 261127 13:17:06\n", "\n2026-11-27T13:16:41.559407Z\t    8 Query\tselect 2\n", "\n\t\t     4 Quit\t\n",
    "\n261127 13:17:06\t     4 Connect\troot@localhost on  using TCP/IP\n", ";\nx, Version: 9 (y). started with:\nTcp port: 1  Unix socket: /s\nTime   Id\n",
    "# administrator command: Quit;\n", "use other;\n", "--\n", "-- x\n", "# x\n", "/* x */", "\\", "\0", "\t", "\r\n", "`", '"', "é", "日本", "\x1a", ";", "\n\n",
]


def literal(pick):
    """Something in quotes that is hostile to whoever reads lines."""
    body = "".join(pick.choice(FAKES) if pick.random() < 0.5 else pick.choice(["a", "b c", "1", "%s"]) for _ in range(pick.randrange(5)))
    return "'" + body.replace("\\", "\\\\").replace("'", "''") + "'"


def statement(pick):
    comment = pick.choice(["", "", "/* " + pick.choice(FAKES).replace("*/", "") + " */ ", "-- c\n", "# c\n"])
    match pick.randrange(9):
        case 0:
            return f"{comment}SELECT {literal(pick)}, {literal(pick)}"
        case 1:
            return f"{comment}UPDATE t SET b = {literal(pick)} WHERE a = {pick.randrange(9)}"
        case 2:
            return f"{comment}SELECT 1 AS `a;\n# Time: 261127 13:17:06\n`"
        case 3:
            return f"SELECT _binary'\\'{pick.choice('abc')}' -- {pick.choice('xyz')}"
        case 4:
            return "SELECT '" + "x" * pick.choice([100, 4096, 65536]) + "'"
        case _:
            return f"{comment}INSERT INTO t (b) VALUES ({literal(pick)}), ({literal(pick)})"


def trimmed(text):
    """As servers keep a text: without white space around it, and without semicolons at its end."""
    return text.strip(b" \t\r\n\x0b\x0c").rstrip(b"; \t\r\n\x0b\x0c")


ENCODINGS = {"gbk": "gbk", "latin1": "latin-1", "utf8mb4": "utf-8"}
CHARSETS = ["utf8mb4", "utf8mb4", "latin1", "gbk"]


def workload(server, seed, count=120, big=True):
    """Sends odd texts on several connections; what each sent, in order of their beginnings."""
    pick = random.Random(seed)
    connections, sent = [], []
    for charset in CHARSETS:
        connections.append(server.connect(database=DB, charset=charset))
        # The driver says SET NAMES, and SET AUTOCOMMIT.
        sent.append([])
    for _ in range(count):
        which = pick.randrange(len(connections))
        text = statement(pick)
        try:
            raw = text.encode(ENCODINGS[CHARSETS[which]])
        except UnicodeEncodeError:
            continue
        with connections[which].cursor() as cursor:
            cursor.execute(raw)
        # A statement is logged after its answer was sent, and ends then, for the slow log: without this, one of another session may
        # have ended before.
        connections[which].ping()
        sent[which].append(trimmed(raw))
    if big:
        large = b"SELECT '" + b"y" * (1 << 20) + b"'"
        with connections[0].cursor() as cursor:
            cursor.execute(large)
        sent[0].append(large)
    for connection in connections:
        connection.close()
    return sent


@pytest.fixture(scope="module")
def logged(logging):
    """What was sent with each seed, the tables before and after it, and the four logs of it."""
    server, folder = logging, logging.folder
    server.fresh_databases(DB)
    server.sql("GRANT ALL ON *.* TO 'app'@'%'", f"CREATE TABLE {DB}.t (a INT PRIMARY KEY AUTO_INCREMENT, b LONGBLOB)",
               f"INSERT INTO {DB}.t (b) VALUES ('x'), ('y')", "TRUNCATE mysql.general_log", "TRUNCATE mysql.slow_log")
    start = server.dump(DB)
    server.sql("SET GLOBAL slow_query_log = ON, GLOBAL general_log = ON")
    sent = [session for seed in seeds(1) for session in workload(server, seed)]
    end = tables(server)
    server.sql("SET GLOBAL slow_query_log = OFF, GLOBAL general_log = OFF",
               f"SELECT * FROM mysql.general_log INTO OUTFILE '{folder}/general.tsv'",
               f"SELECT * FROM mysql.slow_log INTO OUTFILE '{folder}/slow.csv' FIELDS TERMINATED BY ',' ENCLOSED BY '\"'")
    return server, sent, start, end


def tables(server):
    """How many rows there are, and a checksum of them."""
    return server.sql(f"SELECT COUNT(*) FROM {DB}.t"), server.sql(f"CHECKSUM TABLE {DB}.t")


def is_drivers(text):
    return text.upper().startswith((b"SET NAMES", b"SET AUTOCOMMIT"))


LOGS = [("slowlog", "slow.log"), ("generallog", "general.log"), ("generallog", "general.tsv"), ("slowlog", "slow.csv")]


@pytest.mark.parametrize("source, name", LOGS)
def test_texts_are_what_was_sent(logged, tmp_path, source, name):
    server, sent, *_ = logged
    recording_import(tmp_path / "rec", source, server.folder / name)
    found = texts(tmp_path / "rec")
    # Tables of MariaDB are text in UTF-8: of what was sent in another character set they have bytes as `\\xE9`.
    lossy = server.flavor == "mariadb" and not name.endswith(".log")
    assert len(found) == len(sent)
    for session, (there, here) in enumerate(zip(sent, found)):
        here = [trimmed(text) for text in here if not is_drivers(text)]
        assert len(here) == len(there)
        for number, (expected, got) in enumerate(zip(there, here)):
            if not lossy or expected.isascii():
                assert got == expected, f"session {session}, statement {number}"


@pytest.mark.parametrize("source, name", LOGS)
def test_a_replay_leaves_the_tables_of_the_workload(logged, tmp_path, source, name):
    server, _, start, end = logged
    recording_import(tmp_path / "rec", source, server.folder / name)
    server.load(DB, start)
    server.connect().close()
    replay = Replay(tmp_path / "rec", server, tmp_path, "--allow-writes", "--speed=max", "--commit-order=strict").wait()
    assert not set(replay.classes) & {"error", "rows", "affected", "session"}, replay.report["differences"]
    # In MariaDB's tables what was no UTF-8 is `\xE9`. Its slow log's file has ends in whole seconds: what began first is not certain.
    is_lossy = server.flavor == "mariadb" and name != "general.log"
    assert tables(server)[:1 if is_lossy else 2] == end[:1 if is_lossy else 2]


def compare_messages(folder, sent):
    ours = b"SET character_set_client = utf8mb4"
    found = [[trimmed(text) for text in session if not is_drivers(text) and text != ours] for session in texts(folder)]
    # Messages are UTF-8, whatever was sent. Sessions come in whatever order their first messages did: that of partitions, in a topic.
    expected = [[text.decode(ENCODINGS[charset]).encode("utf-8") for text in session] for charset, session in zip(CHARSETS, sent)]
    assert sorted(found) == sorted(expected)


def test_texts_of_messages_from_a_file_and_from_a_topic(mysql, kafka, proxies, tmp_path):
    mysql.fresh_databases(DB)
    mysql.sql(f"CREATE TABLE {DB}.t (a INT PRIMARY KEY AUTO_INCREMENT, b LONGBLOB)")
    topic = Topic(kafka.bootstrap, f"IMPORT_{os.getpid()}_{tmp_path.name}", 3)
    proxy = proxies(mysql, *AS_SENT, sinks=[f"ndjson:{tmp_path}/messages.ndjson", "kafka"], env=settings(kafka, topic))
    sent = workload(proxy, seeds(1)[0], count=60, big=False)
    proxy.stop()
    recording_import(tmp_path / "file", "messages", tmp_path / "messages.ndjson")
    compare_messages(tmp_path / "file", sent)
    recording_import(tmp_path / "topic", "messages", f"kafka:{topic.name}", "--kafka-bootstrap-servers", kafka.bootstrap)
    compare_messages(tmp_path / "topic", sent)


def test_what_is_no_log_is_refused(tmp_path):
    (tmp_path / "x").write_text("nothing of the kind\n")
    for source, words in (("slowlog", "has no entry of a slow log"), ("generallog", "has no entry of a general log"), ("messages", "none of our messages")):
        done = run([binary(), "recording", "import", "--from", source, "--out", tmp_path / source, tmp_path / "x"])
        assert done.returncode == 1 and words in done.stderr and not (tmp_path / source).exists(), done.stderr
    done = run([binary(), "recording", "import", "--from", "slowlog", "--out", tmp_path / "y", tmp_path / "none"])
    assert done.returncode == 1 and "none: No such file" in done.stderr, done.stderr
