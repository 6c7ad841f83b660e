"""The subcommand `binlog` when things change or break: streams that are cut, servers that go away, files that are gone, secrets."""

import contextlib
import json
import os
import re
import select
import socket
import threading
import time

import pytest
from harness import PATIENCE, within
from harness.binlog import at, execute, executed, file_path, identity, images_shown, numbers, parse, position, purge, source
from harness.servers import SqlServer

from conftest import BINLOG, SIZES

DB = "binlog_resume"
# Of one transaction: more than is held back until its end is known, and more than all queues and sockets take.
ROWS, BYTES = 15_000, 4_000


@pytest.fixture
def t(db, session):
    """A table `t`; the value is the position after its creation."""
    session.execute("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v INT, pad TEXT)")
    return position(db)


def large(cursor, rows=ROWS, first=0):
    """One transaction with rows of the values from `first` on."""
    cursor.execute("BEGIN")
    for begin in range(first, first + rows, 1000):
        chunk = range(begin, min(begin + 1000, first + rows))
        cursor.execute("INSERT INTO t (v, pad) VALUES " + ", ".join(f"({value}, REPEAT('x', {BYTES}))" for value in chunk))
    cursor.execute("COMMIT")


def values(rows):
    return [(row["after"] or row["before"])["v"] for row in rows]


def places(rows):
    return [(row["after"]["v"], row["rowIndex"]) for row in rows]


class Pipe:
    """Standard output that is read when the test wants it to be."""

    def __init__(self):
        self.reader, self.writer = os.pipe()
        # Not bytes: each piece would copy all before it, and there are 60 MB of them.
        self.read = bytearray()

    def started(self):
        os.close(self.writer)
        return self

    def more(self):
        """False at the end."""
        assert select.select([self.reader], [], [], PATIENCE)[0], f"nothing comes any more after {self.read[-2000:]!r}"
        got = os.read(self.reader, 1 << 20)
        self.read += got
        return got != b""

    def rows(self, count):
        lines = []
        while len(lines) < count:
            line, end, rest = self.read.partition(b"\n")
            if end:
                self.read = rest
                lines.append(line)
            elif not self.more():
                break
        return [parse(line.decode()) for line in lines]

    def rest(self):
        while self.more():
            pass
        return [parse(line.decode()) for line in self.read.splitlines()]

    def close(self):
        if self.reader is not None:
            os.close(self.reader)
        self.reader = None


@pytest.fixture
def piped(binlogs):
    """Starts `binlog` with a pipe that is not being read yet: it stops reading the source when all its queues are full."""
    pipes = []

    def start(*options, **more):
        pipe = Pipe()
        pipes.append(pipe)
        binlog = binlogs("--queue-bytes", "1MiB", *options, sinks=["stdout"], stdout=pipe.writer, **more)
        return binlog, pipe.started()

    yield start
    for pipe in pipes:
        pipe.close()


# --- Encrypted files ---

@pytest.mark.parametrize("release", ["mariadb", "mariadb-11.8"])
def test_encrypted_log(release, binlogs, tmp_path_factory):
    """MariaDB says in the stream that the file is encrypted, and sends what follows in clear."""
    folder = tmp_path_factory.mktemp("encrypted")
    (folder / "keys").write_text("1;" + "0123456789abcdef" * 4 + "\n")
    db = SqlServer(release, folder, *BINLOG["mariadb"], "--plugin-load-add=file_key_management",
                   f"--file-key-management-filename={folder / 'keys'}", "--encrypt-binlog=ON")
    try:
        db.sql("CREATE TABLE test.t (id INT PRIMARY KEY AUTO_INCREMENT, v INT)")
        start, before = position(db), executed(db)
        with db.root(database="test") as cursor:
            numbers(cursor, 1, 2)
            for place in ("oldest", at(start), before):
                rows = binlogs("--from", place, "--until", "now", server=db).finish().rows()
                assert values(rows) == [1, 2]
                begins = [event[1] for event in db.sql(f"SHOW BINLOG EVENTS IN '{start[0]}'") if event[2].startswith("Write_rows")]
                assert [row["position"]["offset"] for row in rows] == begins
        binlogs(files=[folder / "data" / start[0]]).refused("encrypted", "--source")
    finally:
        db.stop()


# --- Large transactions ---

class Link:
    """A connection to a server that is cut once, when this many bytes have come from it."""

    def __init__(self, server, cut_after):
        self.server, self.left, self.is_open = server, cut_after, True
        self.was_cut = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
                server = socket.create_connection((self.server.host, self.server.port))
            except OSError:
                return
            for way in ((client, server, False), (server, client, True)):
                threading.Thread(target=self.pump, args=way, daemon=True).start()

    def pump(self, source, target, counts):
        try:
            while read := source.recv(1 << 16):
                target.sendall(read)
                self.left -= len(read) if counts else 0
                if self.left < 0 and not self.was_cut.is_set():
                    self.was_cut.set()
                    if self.closes:
                        self.close()
                    break
        except OSError:
            pass
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    closes = False

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture
def links():
    made = []

    def link(server, cut_after):
        made.append(Link(server, cut_after))
        return made[-1]

    yield link
    for link_ in made:
        link_.close()


def test_large_transaction_that_is_cut(db, session, t, binlogs, links):
    """The link breaks in the middle of a transaction of which a part is on the disk: each row comes once."""
    numbers(session, -2, -1)
    large(session)
    numbers(session, ROWS)
    link = links(db, ROWS * BYTES // 2)
    binlog = binlogs("--from", at(t), "--until", "now", "--source", source(link)).finish()
    assert link.was_cut.is_set() and "connecting again" in binlog.log, binlog.log
    rows = binlog.rows()
    assert places(rows) == [(-2, 0), (-1, 0), *((value, value) for value in range(ROWS)), (ROWS, 0)]
    assert len({identity(row) for row in rows}) == len(rows) and len({row["gtid"] for row in rows}) == 4
    xids = {row["xid"] for row in rows[2:-1]}
    assert len(xids) == 1 and None not in xids


@pytest.mark.newer_mariadb
def test_from_a_moment_with_a_large_first_transaction(db, session, t, binlogs):
    large(session, 6000)
    time.sleep(2.1)
    second = int(execute(session, "SELECT UNIX_TIMESTAMP()")[0][0])
    large(session, 6000, first=10_000)
    numbers(session, 1)
    rows = binlogs("--from", second, "--until", "now", "--include", f"{DB}.*", server=db).finish().rows()
    assert places(rows) == [*((10_000 + index, index) for index in range(6000)), (1, 0)]


# --- Another server ---

@pytest.fixture(scope="module")
def pair(request, tmp_path_factory):
    """A server and its replica, which cuts rows into other events than the first."""
    release, flavor = request.param, request.param.partition("-")[0]
    own = {"mysql": [], "mariadb": ["--log-slave-updates=ON"]}[flavor]
    servers = []
    try:
        for number, size in ((21, 8192), (22, 65536)):
            options = [*SIZES, *BINLOG[flavor], *own, f"--server-id={number}", f"--binlog-row-event-max-size={size}"]
            servers.append(SqlServer(release, tmp_path_factory.mktemp(f"pair-{flavor}"), *options))
        first, second = servers
        follow(first, second)
        first.sql(f"CREATE DATABASE {DB}", f"CREATE TABLE {DB}.t (id INT PRIMARY KEY AUTO_INCREMENT, v INT, pad TEXT)")
        caught_up(first, second)
        yield first, second
    finally:
        for server in servers:
            server.stop()


def follow(first, second):
    where = f"HOST = '127.0.0.1', {{0}}_PORT = {first.port}, {{0}}_USER = 'app', {{0}}_PASSWORD = 'app-secret'"
    if first.flavor == "mysql":
        second.sql(f"CHANGE REPLICATION SOURCE TO SOURCE_{where.format('SOURCE')}, SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1",
                   "START REPLICA")
    else:
        second.sql(f"CHANGE MASTER TO MASTER_{where.format('MASTER')}, MASTER_USE_GTID = slave_pos", "START SLAVE")


def caught_up(first, second):
    wanted, end = executed(first), time.monotonic() + PATIENCE
    while True:
        if first.flavor == "mysql":
            there = second.sql(f"SELECT GTID_SUBSET('{wanted}', @@GLOBAL.gtid_executed)")[0][0]
        else:
            there = second.sql("SELECT @@GLOBAL.gtid_slave_pos")[0][0] == wanted
        if there:
            return
        status = "SHOW REPLICA STATUS" if first.flavor == "mysql" else "SHOW SLAVE STATUS"
        assert time.monotonic() < end, second.sql(status)
        time.sleep(0.1)


@pytest.mark.newer_mariadb
def test_checkpoint_of_one_server_at_another(pair, binlogs, tmp_path):
    first, second = pair
    checkpoint = tmp_path / "checkpoint"
    options = ["--checkpoint", checkpoint, "--until", "now", "--include", f"{DB}.*", "--only", "insert"]
    with first.root(database=DB) as cursor:
        cursor.execute("DELETE FROM t")
        numbers(cursor, 1, 2)
        assert values(binlogs("--from", "oldest", *options, server=first).finish().rows())[-2:] == [1, 2]
        # The files differ.
        second.sql("FLUSH BINARY LOGS")
        numbers(cursor, 3, 4)
    caught_up(first, second)
    saved = json.loads(checkpoint.read_text())
    uuid = "@@server_uuid" if first.flavor == "mysql" else "@@server_id"
    assert str(first.sql(f"SELECT {uuid}")[0][0]) in saved["server"] or first.flavor == "mariadb", saved
    binlog = binlogs("--from", "checkpoint", *options, server=second).finish()
    assert values(binlog.rows()) == [3, 4], binlog.log
    moved = json.loads(checkpoint.read_text())
    assert moved["server"] != saved["server"]
    # And back.
    assert binlogs("--from", "checkpoint", *options, server=first).finish().rows() == []
    # Without GTIDs the place means nothing there.
    del saved["gtidSet"]
    checkpoint.write_text(json.dumps(saved))
    binlogs("--from", "checkpoint", *options, server=second).refused("another server", "GTID", re.escape(f"{saved['file']}:{saved['offset']}"))


@pytest.mark.newer_mariadb
def test_failover_to_a_server_that_lacks_what_was_delivered(pair, binlogs, tmp_path):
    first, second = pair
    checkpoint = tmp_path / "checkpoint"
    options = ["--from", "checkpoint", "--checkpoint", checkpoint, "--until", "now", "--include", f"{DB}.*", "--only", "insert"]
    with first.root(database=DB) as cursor:
        cursor.execute("DELETE FROM t")
        numbers(cursor, 1)
        caught_up(first, second)
        second.sql("STOP REPLICA" if second.flavor == "mysql" else "STOP SLAVE")
        numbers(cursor, 2)
    try:
        assert values(binlogs("--from", "oldest", *options[2:], server=first).finish().rows())[-2:] == [1, 2]
        saved = checkpoint.read_text()
        lost = executed(first).rpartition(":" if first.flavor == "mysql" else ",")[2].rpartition("-")[2]
        binlog = binlogs(*options, "--strict", server=second).refused("has not executed", lost, "--strict")
        assert binlog.lines() == [] and checkpoint.read_text() == saved
        if second.flavor == "mysql":
            assert "has not executed" in binlogs(*options, server=second).finish().log
        else:
            # It refuses the place by itself.
            binlogs(*options, server=second).refused("has not executed", "does not have what was delivered")
    finally:
        second.sql("START REPLICA" if second.flavor == "mysql" else "START SLAVE")
        caught_up(first, second)


@pytest.mark.newer_mariadb
def test_source_that_is_shut_down(pair, binlogs):
    """A server that is stopped in the usual way ends the stream in good order: that does not end the run."""
    first, second = pair
    # What the second has alone is not in the first's way later.
    second.sql(f"CREATE TABLE IF NOT EXISTS {DB}.alone (v INT)")
    binlog = binlogs("--from", "now", "--include", f"{DB}.*", "--source", source(first), "--source", source(second)).wait_dump(first)
    try:
        first.sql(f"INSERT INTO {DB}.t (v) VALUES (-100)")
        caught_up(first, second)
        binlog.wait_rows(1)
        first.stop()
        binlog.wait_log("the stream broke; connecting to the next")
        second.sql("STOP REPLICA" if second.flavor == "mysql" else "STOP SLAVE", f"INSERT INTO {DB}.alone VALUES (-101)")
        assert values(binlog.wait_rows(2)) == [-100, -101]
        binlog.stop()
    finally:
        first.start()
        follow(first, second)


@pytest.mark.timeout(900)
def test_failover(pair, piped, links):
    """The server goes away in the middle of a transaction: its replica has the rest."""
    first, second = pair
    with first.root(database=DB) as cursor:
        cursor.execute("DELETE FROM t")
        start = executed(first)
        numbers(cursor, *range(-20, 0))
        large(cursor)
        numbers(cursor, *range(ROWS, ROWS + 20))
    caught_up(first, second)
    link = links(first, ROWS * BYTES // 2)
    link.closes = True
    binlog, pipe = piped("--from", start, "--include", f"{DB}.t", "--source", source(link), "--source", source(second))
    try:
        assert link.was_cut.wait(PATIENCE)
        first.stop()
        rows = pipe.rows(300)
        second.sql("STOP REPLICA" if second.flavor == "mysql" else "STOP SLAVE")
        with second.root(database=DB) as cursor:
            numbers(cursor, *range(ROWS + 20, ROWS + 30))
        rows += pipe.rows(ROWS + 50 - 300)
        # Cut again: from here on it is by the replica's own place.
        binlog.kill_dump(second)
        second.sql(f"INSERT INTO {DB}.t (v) VALUES ({ROWS + 30})")
        rows += pipe.rows(1)
        binlog.stop()
        rows += pipe.rest()
    finally:
        first.start()
    wanted = [*((value, 0) for value in range(-20, 0)), *((value, value) for value in range(ROWS)),
              *((value, 0) for value in range(ROWS, ROWS + 31))]
    assert places(rows) == wanted, binlog.log
    assert len({identity(row) for row in rows}) == len(rows)


@pytest.fixture
def anonymous(tmp_path_factory):
    """MySQL whose transactions have no GTIDs."""
    server = SqlServer("mysql", tmp_path_factory.mktemp("anonymous"), *SIZES, "--gtid-mode=OFF", "--enforce-gtid-consistency=OFF")
    yield server
    server.stop()


def test_other_server_without_gtids(anonymous, binlog_mysql, binlogs, tmp_path):
    """gtid_mode=OFF: there is nothing to continue by at another server, and reading all of it from its beginning would be wrong."""
    mysql = anonymous
    assert mysql.sql("SELECT @@gtid_mode")[0][0] == "OFF"
    mysql.fresh_databases(DB)
    mysql.sql(f"CREATE TABLE {DB}.t (v INT)", "FLUSH BINARY LOGS")
    start, checkpoint = position(mysql)[0], tmp_path / "checkpoint"
    mysql.sql(f"INSERT INTO {DB}.t VALUES (1)")
    options = ["--until", "now", "--checkpoint", checkpoint]
    for rotated in (False, True):
        if rotated:
            mysql.sql("FLUSH BINARY LOGS")
        binlogs("--from", f"{start}:4", *options, server=mysql).finish()
        assert "gtidSet" not in json.loads(checkpoint.read_text())
        binlog = binlogs("--from", "checkpoint", *options, server=binlog_mysql).refused("another server", "GTID")
        assert binlog.lines() == []


# --- What is gone ---

def reset(server):
    server.sql("RESET BINARY LOGS AND GTIDS" if server.flavor == "mysql" else "RESET MASTER")


@pytest.fixture(scope="module", params=["mysql", "mariadb", "mariadb-11.8"])
def own(request, tmp_path_factory):
    """A server of its own, whose log begins again."""
    release, flavor = request.param, request.param.partition("-")[0]
    server = SqlServer(release, tmp_path_factory.mktemp("own"), *SIZES, *BINLOG[flavor])
    server.sql(f"CREATE DATABASE {DB}", f"CREATE TABLE {DB}.t (id INT PRIMARY KEY AUTO_INCREMENT, v INT)")
    yield server
    server.stop()


def same_statements(server, *values, engine="InnoDB"):
    reset(server)
    with server.root(database=DB) as cursor:
        execute(cursor, "DROP TABLE IF EXISTS t", f"CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v INT) ENGINE = {engine}")
        numbers(cursor, *values)


@pytest.mark.parametrize("engine", ["InnoDB", "MyISAM"])
def test_log_that_was_begun_again(own, binlogs, tmp_path, engine):
    """The place is there again, and an event begins at it: what comes before it tells."""
    checkpoint = tmp_path / "checkpoint"
    options = ["--checkpoint", checkpoint, "--until", "now", "--only", "insert"]
    same_statements(own, *range(10, 15), engine=engine)
    assert values(binlogs("--from", "oldest", *options, server=own).finish().rows()) == [*range(10, 15)]
    saved = json.loads(checkpoint.read_text())
    # Heartbeats are no events of the log.
    idle = binlogs("--from", "checkpoint", *options[:2], "--heartbeat", "0.1", server=own).wait_dump(own)
    time.sleep(1)
    idle.stop()
    # It continues where nothing has happened, and from what an earlier version saved.
    assert binlogs("--from", "checkpoint", *options, server=own).finish().rows() == []
    old = tmp_path / "old"
    old.write_text(json.dumps({name: value for name, value in saved.items() if name != "tail"}))
    binlog = binlogs("--from", "checkpoint", "--checkpoint", old, *options[2:], server=own).finish()
    assert binlog.rows() == [] and "does not say which events come before it" in binlog.log
    same_statements(own, *range(20, 28), engine=engine)
    binlog = binlogs("--from", "checkpoint", *options, server=own).refused(re.escape(f"{saved['file']}:{saved['offset']}"), "RESET", "--from oldest")
    assert binlog.lines() == [] and json.loads(checkpoint.read_text()) == saved
    binlog = binlogs("--from", "checkpoint", "--on-purged", "oldest", *options, server=own).finish()
    assert values(binlog.rows()) == [*range(20, 28)]
    # Fewer than there were: what an earlier version has saved tells it by its GTIDs.
    saved = json.loads(checkpoint.read_text())
    same_statements(own, 30)
    own.sql(f"INSERT INTO {DB}.t (v) VALUES {', '.join(['(31)'] * 400)}")
    old.write_text(json.dumps({name: value for name, value in saved.items() if name != "tail"}))
    if "gtidSet" in saved:
        binlogs("--from", "checkpoint", "--checkpoint", old, *options[2:], server=own).refused("RESET", "has not executed")


def test_log_that_is_begun_again_while_it_is_read(own, binlogs, tmp_path):
    """The server reads on in the file that it has deleted, as if nothing happened any more."""
    with own.root(database=DB) as cursor:
        execute(cursor, "DROP TABLE IF EXISTS t", "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v INT)")
        binlog = binlogs("--from", "now", "--checkpoint", tmp_path / "checkpoint", server=own).wait_dump(own)
        numbers(cursor, *range(20))
        binlog.wait_rows(20)
        reset(own)
        numbers(cursor, 50)
        binlog.refused("RESET|purged|deleted")
    assert values(binlog.rows()) == [*range(20)]


def test_another_file_of_the_same_name(binlog_mysql, binlogs, tmp_path):
    copy, checkpoint = tmp_path / "copy.000001", tmp_path / "checkpoint"
    server, written = binlog_mysql, []
    server.fresh_databases(DB)
    for value in (1, 2):
        server.sql("FLUSH BINARY LOGS")
        with server.root(database=DB) as cursor:
            execute(cursor, "DROP TABLE IF EXISTS t", "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v INT)")
            numbers(cursor, *range(value * 10, value * 10 + 4))
        written.append(file_path(server, position(server)[0]).read_bytes())
    options = ["--checkpoint", checkpoint, "--only", "insert"]
    copy.write_bytes(written[0])
    assert values(binlogs(*options, files=[copy]).finish().rows()) == [10, 11, 12, 13]
    assert binlogs(*options, files=[copy]).finish().rows() == []
    place = json.loads(checkpoint.read_text())["offset"]
    for other in (written[1], written[0][:place // 2]):
        copy.write_bytes(other)
        binlogs(*options, files=[copy]).refused("of the same name|in the middle of an event", re.escape("copy.000001"))

@pytest.mark.newer_mariadb
def test_checkpoint_whose_file_is_purged(db, session, t, binlogs, tmp_path):
    checkpoint = tmp_path / "checkpoint"
    options = ["--from", "checkpoint", "--until", "now", "--checkpoint", checkpoint, "--include", f"{DB}.*"]
    numbers(session, 1)
    binlogs("--from", at(t), *options[2:], server=db).finish()
    saved = checkpoint.read_text()
    numbers(session, 2)
    purge(db)
    numbers(session, 3)
    file = json.loads(saved)["file"]
    for more in ([], ["--on-purged", "fail"]):
        binlog = binlogs(*options, *more, server=db).refused(re.escape(file), "purged", "--on-purged=oldest")
        assert binlog.lines() == [] and checkpoint.read_text() == saved
    binlog = binlogs(*options, "--on-purged", "oldest", server=db).finish()
    assert values(binlog.rows()) == [3]
    assert re.search(f"rows are missing.*{re.escape(file)}|{re.escape(file)}.*rows are missing|has been purged", binlog.log), binlog.log
    assert binlogs(*options, server=db).finish().rows() == []


@pytest.mark.newer_mariadb
def test_named_among_replicas(db, binlogs):
    binlogs("--from", "now", "--server-id", "4242", "--report-host", "reader.example", server=db).wait_dump(db)
    listed = db.sql("SHOW REPLICAS" if db.flavor == "mysql" else "SHOW SLAVE HOSTS")
    assert [row[:2] for row in listed if row[0] == 4242] == [(4242, "reader.example")], listed


@pytest.mark.parametrize("form", ["native", "pretty"])
def test_reader_that_goes_away(db, session, t, piped, binlogs, tmp_path, form):
    """What standard output has not taken comes again after the next start."""
    if form == "pretty":
        form_options, value = ["--pretty"], lambda text: [int(found) for found in re.findall(r"^    v: (\d+)$", text, re.M)]
    else:
        form_options, value = [], lambda text: [parse(line)["after"]["v"] for line in text.splitlines() if line.endswith("}")]
    checkpoint, count = tmp_path / "checkpoint", 3000
    options = ["--until", "now", "--checkpoint", checkpoint, *form_options]
    for first in range(0, count, 10):
        session.execute("INSERT INTO t (v, pad) VALUES " + ", ".join(f"({v}, REPEAT('y', 1000))" for v in range(first, first + 10)))
    binlog, pipe = piped("--from", at(t), *options, server=db)
    while pipe.read.count(b"\n") < 200:
        assert pipe.more()
    taken = pipe.read.decode()
    # Time for the checkpoint to be saved, which must not be ahead of what the pipe has taken.
    time.sleep(1.5)
    pipe.close()
    assert binlog.wait() in (0, 1, 141, -13), binlog.log
    place = "checkpoint" if checkpoint.exists() else at(t)
    again = binlogs("--from", place, *options, server=db, sinks=["stdout"]).finish().printed.read_text()
    first, second = value(taken), value(again)
    assert first == list(range(len(first))) and first
    # A pipe holds 64 KiB that were written and never read; the reader that closed it has not taken them, nor the row of which it had a part.
    lost, size = second[0] - len(first), len(again) / len(second)
    assert second == list(range(second[0], count))
    assert (lost - 1) * size <= 66_000, (len(first), second[0])


# --- Secrets ---

SECRET, PASSWORD = "hush-4711-value", "hush-4712-value"
FORMS = {"native": [], "debezium": ["--format", "debezium", "--schemas", "--transactions"], "maxwell": ["--format", "maxwell"],
         "pretty": ["--pretty", "--transactions"], "events": ["--parquet-layout", "events"], "table": ["--parquet-layout", "table"]}


def everything(binlogs, db, place, form, folder, *options):
    """All that is written, as bytes."""
    more = [*FORMS[form], *options]
    if form in ("events", "table"):
        folder.mkdir()
        binlogs("--from", at(place), "--until", "now", "--parquet-compression", "none", *more, server=db, sinks=[f"parquet:{folder}"]).finish()
        return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
    return binlogs("--from", at(place), "--until", "now", *more, server=db, sinks=["stdout"]).finish().printed.read_bytes()


@pytest.mark.newer_mariadb
@pytest.mark.parametrize("form", FORMS)
def test_hidden_columns(db, session, binlogs, tmp_path, form):
    variable = "binlog_rows_query_log_events" if db.flavor == "mysql" else "binlog_annotate_row_events"
    execute(session, "CREATE TABLE people (id INT PRIMARY KEY, ssn VARCHAR(99), user_password VARCHAR(99), name VARCHAR(9))",
            "CREATE TABLE keyed (ssn VARCHAR(99) PRIMARY KEY, name VARCHAR(9))")
    place = position(db)
    execute(session, f"SET SESSION {variable} = ON", f"INSERT INTO people VALUES (1, '{SECRET}', '{PASSWORD}', 'Anne')",
            f"UPDATE people SET ssn = '{SECRET}2', name = 'Bob' WHERE ssn = '{SECRET}'", f"UPDATE people SET user_password = '{PASSWORD}2'",
            "DELETE FROM people", f"INSERT INTO keyed VALUES ('{SECRET}', 'Carl')", f"UPDATE keyed SET ssn = '{SECRET}9'", "DELETE FROM keyed",
            f"SET SESSION {variable} = OFF")
    # The test can see them where they are not hidden.
    shown = everything(binlogs, db, place, form, tmp_path / "shown")
    assert SECRET.encode() in shown and PASSWORD.encode() in shown and b"Carl" in shown
    hidden = everything(binlogs, db, place, form, tmp_path / "hidden", "--drop-columns", "ssn", "--redact-keys", "passw", "--redact-value", "?#?")
    assert b"hush" not in hidden
    assert b"Anne" in hidden and b"Carl" in hidden and b"?#?" in hidden


ACCOUNTS = ["CREATE USER hushed IDENTIFIED BY 'hush-1-Secret'", "ALTER USER hushed IDENTIFIED BY 'hush-2-Secret'",
            "SET PASSWORD FOR hushed = {}('hush-3-Secret')", "DROP USER hushed"]


@pytest.mark.parametrize("form", ["native", "debezium", "maxwell", "pretty", "events"])
def test_passwords_of_accounts(db, session, binlogs, tmp_path, form):
    session.execute("DROP USER IF EXISTS hushed")
    place, hashes = position(db), []
    for statement in ACCOUNTS:
        text = statement.format("PASSWORD") if db.flavor == "mariadb" else statement.replace("{}('hush-3-Secret')", "'hush-3-Secret'")
        session.execute(text)
        found = execute(session, "SELECT authentication_string FROM mysql.user WHERE User = 'hushed'")
        hashes += [row[0].encode() if isinstance(row[0], str) else row[0] for row in found]
    assert len(hashes) == 3 and all(len(one) > 20 for one in hashes)
    written = everything(binlogs, db, place, form, tmp_path / "written")
    assert b"hush-" not in written
    # Shown as a text or in hexadecimal, MySQL's with the salt's bytes escaped: the end is always plain.
    for one in hashes:
        assert one[-20:] not in written and one.hex().encode() not in written.lower() and one[-20:].hex().encode() not in written.lower()
    if form in ("native", "pretty"):
        assert b"DROP USER" in written and written.count(b"***") >= 3


HIDDEN = ["CREATE USER hushed /* who */ IDENTIFIED BY /* it's */ -- this\n 'hush-1-Secret'",
          "CREATE PROCEDURE hush() BEGIN DO 'x'; IF 1 THEN ALTER USER hushed IDENTIFIED BY 'hush-2-Secret'; END IF; END",
          "CREATE EVENT hush_e ON SCHEDULE EVERY 1 DAY DISABLE DO ALTER USER hushed IDENTIFIED BY 'hush-3-Secret'",
          "CREATE PROCEDURE hush_p() BEGIN PREPARE s FROM 'ALTER USER hushed IDENTIFIED BY ''hush-4-Secret'''; EXECUTE s; END",
          "CREATE SERVER hush_s FOREIGN DATA WRAPPER mysql OPTIONS (HOST '127.0.0.1', USER 'u', PASSWORD 'hush-5-Secret')",
          "CREATE TABLE hush_t (a INT) CONNECTION = 'mysql://u:hush-6-Secret@127.0.0.1/test/t' COMMENT 'seen'"]
HIDDEN_BY_MARIADB = ["SET STATEMENT max_statement_time = 100 FOR ALTER USER hushed IDENTIFIED BY 'hush-7-Secret'",
                     "CREATE OR REPLACE USER hushed IDENTIFIED VIA mysql_native_password USING PASSWORD('hush-8-Secret')",
                     "SET STATEMENT max_statement_time = 100 FOR SET PASSWORD FOR hushed = PASSWORD('hush-9-Secret')"]


@pytest.mark.parametrize("form", ["native", "debezium", "maxwell", "pretty", "events"])
def test_passwords_within_other_statements(db, session, binlogs, tmp_path, form):
    execute(session, "DROP USER IF EXISTS hushed", "DROP SERVER IF EXISTS hush_s")
    place = position(db)
    execute(session, *HIDDEN, *(HIDDEN_BY_MARIADB if db.flavor == "mariadb" else []))
    execute(session, "DROP USER hushed", "DROP SERVER hush_s", "DROP PROCEDURE hush", "DROP PROCEDURE hush_p", "DROP EVENT hush_e", "DROP TABLE hush_t")
    written = everything(binlogs, db, place, form, tmp_path / "written")
    assert b"hush-" not in written
    if form in ("native", "pretty"):
        # MySQL does not log CREATE SERVER.
        assert b"seen" in written and written.count(b"***") >= 5


# --- Statements that are unlike others ---

@pytest.mark.newer_mariadb
def test_prepared_transactions(db, session, t, binlogs):
    """Rows come when a transaction is committed, after those of others that were committed before."""
    with db.root(database=DB) as preparing:
        execute(preparing, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", "XA START 'a'", "INSERT INTO t (v) VALUES (1), (2)",
                "UPDATE t SET v = v + 10", "XA END 'a'", "XA PREPARE 'a'")
        numbers(session, 3)
        thread, = execute(preparing, "SELECT CONNECTION_ID()")[0]
        # MySQL wants it of another connection once this one has ended, MariaDB of this one.
        if db.flavor == "mariadb":
            preparing.execute("XA COMMIT 'a'")
    if db.flavor == "mysql":
        within(lambda: not db.sql(f"SELECT ID FROM information_schema.PROCESSLIST WHERE ID = {thread}"), "the connection has ended")
        session.execute("XA COMMIT 'a'")
    numbers(session, 4)
    rows = binlogs("--from", at(t), "--until", "now", server=db).finish().rows()
    assert [(row["type"], row["after"]["v"]) for row in rows] == [
        ("insert", 3), ("insert", 1), ("insert", 2), ("update", 11), ("update", 12), ("insert", 4)]
    prepared = [row for row in rows if row["after"]["v"] in (1, 2, 11, 12)]
    assert [row["rowIndex"] for row in prepared] == [0, 1, 2, 3] and len({row["gtid"] for row in prepared}) == 1
    places = [(row["position"]["file"], row["position"]["offset"]) for row in rows]
    assert places == sorted(places) and len({*places}) == 3
    assert len({identity(row) for row in rows}) == 6


def test_savepoints_with_a_table_without_transactions(binlog_mariadb, binlogs):
    """MySQL refuses it with GTIDs. Then the log has SAVEPOINT and ROLLBACK TO with the rows between them."""
    db = binlog_mariadb
    db.fresh_databases(DB)
    with db.root(database=DB) as session:
        execute(session, "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v INT)", "CREATE TABLE m (v INT) ENGINE=MyISAM")
        t = position(db)
        execute(session, "BEGIN", "SAVEPOINT a", "INSERT INTO t (v) VALUES (1)", "ROLLBACK TO a", "INSERT INTO t (v) VALUES (2)", "SAVEPOINT b",
                "INSERT INTO t (v) VALUES (3)", "INSERT INTO m VALUES (4)", "ROLLBACK TO b", "INSERT INTO t (v) VALUES (5)", "COMMIT")
    rows = binlogs("--from", at(t), "--until", "now", "--include", f"{DB}.*", server=db).finish().rows("t")
    assert values(rows) == [2, 5]
    assert len({row["rowIndex"] for row in rows}) == 2


@pytest.mark.newer_mariadb
def test_table_without_a_key(db, session, binlogs):
    session.execute("CREATE TABLE bag (v INT, s TEXT)")
    place = position(db)
    execute(session, "INSERT INTO bag VALUES (1, 'x'), (1, 'x'), (NULL, NULL)", "UPDATE bag SET v = 2 WHERE v = 1 LIMIT 1", "DELETE FROM bag")
    rows = binlogs("--from", at(place), "--until", "now", server=db).finish().rows()
    assert [row["type"] for row in rows] == ["insert"] * 3 + ["update"] + ["delete"] * 3
    assert rows[3]["before"] == {"v": 1, "s": "x"} and rows[3]["after"] == {"v": 2, "s": "x"}
    assert not any(row["primaryKey"] for row in rows) and len({identity(row) for row in rows}) == 7


@pytest.mark.newer_mariadb
def test_statement_format(db, session, t, binlogs):
    """Said once and counted; INTVAR, RAND and USER_VAR events in front of such statements do no harm."""
    session.execute("CREATE TABLE u (id INT PRIMARY KEY AUTO_INCREMENT, v INT)")
    execute(session, "SET SESSION binlog_format = 'STATEMENT'", "SET @a = 7", "INSERT INTO t (v) VALUES (@a)",
            "INSERT INTO t (v) SELECT LAST_INSERT_ID()", "INSERT INTO u (v) VALUES (RAND() * 10)", "BEGIN", "INSERT INTO t (v) VALUES (1)",
            "UPDATE t SET v = v + 1", "COMMIT", "SET SESSION binlog_format = 'ROW'")
    numbers(session, 2)
    binlog = binlogs("--from", at(t), "--until", "now", server=db).finish()
    assert values(binlog.rows()) == [2]
    assert len(re.findall("logged as text", binlog.log)) == 1, binlog.log
    assert re.search(r"statements_without_rows\W+5", binlog.log), binlog.log


@pytest.mark.newer_mariadb
def test_load_data(db, session, t, binlogs, tmp_path):
    data = tmp_path / "data.csv"
    data.write_text("".join(f"{value}\n" for value in range(5000)))
    tmp_path.chmod(0o755)
    with db.root(database=DB, local_infile=True) as cursor:
        cursor.execute(f"LOAD DATA LOCAL INFILE '{data}' INTO TABLE t (v)")
    rows = binlogs("--from", at(t), "--until", "now", server=db).finish().rows()
    assert places(rows) == [(value, value) for value in range(5000)]


@pytest.mark.newer_mariadb
def test_table_made_of_rows(db, session, t, binlogs):
    numbers(session, *range(5))
    place, before = position(db), executed(db)
    execute(session, "CREATE TABLE copy (PRIMARY KEY (id)) SELECT id, v FROM t", "INSERT INTO copy VALUES (100, 100)")
    found = binlogs("--from", at(place), "--until", "now", server=db).finish().lines()
    assert [line["type"] for line in found] == ["ddl"] + ["insert"] * 6
    assert values(found[1:]) == [0, 1, 2, 3, 4, 100]
    assert [row["rowIndex"] for row in found[1:]] == [0, 1, 2, 3, 4, 0]
    assert len({row["gtid"] for row in found[1:6]}) == 1 and found[1]["gtid"] is not None
    # By GTIDs and up to a GTID: the statement is one transaction with its rows, or two whole ones.
    rows = binlogs("--from", before, "--until", found[1]["gtid"], server=db).finish().rows()
    assert values(rows) == [0, 1, 2, 3, 4]


# --- Beside the server's own program ---

COMMON = {"i": "INT", "big": "BIGINT", "tiny": "TINYINT", "amount": "DECIMAL(20,6)", "dbl": "DOUBLE", "s": "VARCHAR(40)", "c": "CHAR(10)",
          "tx": "TEXT", "d": "DATE", "dt": "DATETIME(3)", "ts": "TIMESTAMP(6) NULL", "tm": "TIME", "y": "YEAR", "b": "BIT(9)",
          "e": "ENUM('x','y','z')", "st": "SET('p','q','r')"}
CASES = ["(1, -9223372036854775808, -128, -12345.678900, 1.5, 'it''s', 'ab', 'text', '2021-02-03', '2021-02-03 04:05:06.789', "
         "'2021-02-03 04:05:06.000001', '-12:34:56', 1999, b'100000001', 'y', 'p,r')",
         "(2, 0, 127, 0, -0.25, '', '', '', '1000-01-01', '9999-12-31 23:59:59.999', '1970-01-02 00:00:01', '838:59:59', 2155, b'0', 'x', '')",
         "(3" + ", NULL" * (len(COMMON) - 1) + ")"]


def theirs(text, kind):
    """A value as `mysqlbinlog` shows it, as we show it."""
    if text == "NULL":
        return None
    plain = text[1:-1] if text.startswith("'") else text
    if kind in ("INT", "BIGINT", "TINYINT", "YEAR"):
        return int(plain.split(" ")[0])
    if kind == "DOUBLE":
        return float(plain)
    if kind == "DATE":
        return plain.replace(":", "-")
    if kind.startswith("BIT"):
        return int(plain[2:-1], 2)
    if kind.startswith("ENUM"):
        return ["x", "y", "z"][int(plain) - 1]
    if kind.startswith("SET"):
        bits = int(plain[2:-1], 2)
        return ",".join(name for number, name in enumerate("pqr") if bits >> number & 1)
    if kind.startswith("TIMESTAMP"):
        seconds, _, fraction = plain.partition(".")
        return time.strftime("%Y-%m-%d %H:%M:%S.", time.gmtime(int(seconds))) + f"{fraction:0<6}"
    return plain.replace("\\'", "'").replace("\\x27", "'")


def ours(value, kind):
    if value is None:
        return None
    if kind.startswith("TIMESTAMP"):
        return value.replace("T", " ").rstrip("Z")
    if kind.startswith("BIT"):
        return int(value, 2) if isinstance(value, str) else int(value)
    if kind.startswith("SET") and isinstance(value, list):
        return ",".join(value)
    return float(value) if kind == "DOUBLE" else value


def test_images_as_mysqlbinlog_shows_them(binlog_mysql, binlogs):
    db = binlog_mysql
    db.fresh_databases(DB)
    with db.root(database=DB) as cursor:
        columns = ", ".join(f"{name} {kind}" for name, kind in COMMON.items())
        execute(cursor, "SET time_zone = '+00:00'", f"CREATE TABLE common ({columns}, PRIMARY KEY (i))", "FLUSH BINARY LOGS")
        name = position(db)[0]
        execute(cursor, "INSERT INTO common VALUES " + ", ".join(CASES), "UPDATE common SET i = i + 10, s = CONCAT(s, '!'), amount = amount * 2",
                "DELETE FROM common WHERE i > 11", "FLUSH BINARY LOGS")
    path = file_path(db, name)
    kinds = list(COMMON.values())
    images = [[kind, *([theirs(text, kinds[number - 1]) for number, text in image.items()] for image in shown)]
              for kind, *shown in images_shown(db, path)]
    rows = binlogs(files=[path]).finish().rows()
    mine = [[row["type"], *([ours(image[column], kind) for column, kind in COMMON.items()]
                            for image in (row["before"], row["after"]) if image is not None)] for row in rows]
    assert len(mine) == 8
    for one, other in zip(mine, images, strict=True):
        assert one == other


# --- What is shown meanwhile ---

@pytest.mark.timeout(120)
def test_progress_bar(binlog_mysql, binlogs, tmp_path):
    """A share of the whole, drawn over itself, and log lines on lines of their own."""
    db = binlog_mysql
    db.fresh_databases(DB)
    with db.root(database=DB) as cursor:
        execute(cursor, "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v INT, pad TEXT)", "FLUSH BINARY LOGS")
        name = position(db)[0]
        for first in range(0, 20_000, 1000):
            large(cursor, 1000, first)
            if first == 10_000:
                execute(cursor, "SET SESSION binlog_format = 'STATEMENT'", "UPDATE t SET v = 0 LIMIT 1", "SET SESSION binlog_format = 'ROW'")
        cursor.execute("FLUSH BINARY LOGS")
    # A pipe that is read a little now and then: the run lasts as long as the test wants, on any machine.
    pipe = tmp_path / "rows"
    os.mkfifo(pipe)
    binlog = binlogs("--progress", "bar", files=[file_path(db, name)], sinks=[f"ndjson:{pipe}"])
    with open(pipe, "rb", buffering=0) as rows:
        while b"%" not in binlog.log_path.read_bytes() and rows.read(1 << 20):
            time.sleep(0.05)
        while rows.read(1 << 20):
            pass
    binlog.finish()
    raw = binlog.log_path.read_bytes().decode()
    drawn = re.findall(r"\r\[(#* *)\] +(\d+) %  (\S+)", raw)
    assert drawn, raw
    shares = [int(share) for _, share, _ in drawn]
    assert shares == sorted(shares) and 0 < shares[-1] <= 100
    assert all(len(bar) == 24 for bar, _, _ in drawn) and drawn[-1][2].startswith(name)
    # As a terminal shows it: \r goes back to the line's beginning, \x1b[K clears the rest of it.
    shown = []
    for line in raw.split("\n"):
        cells = ""
        for part in line.split("\r"):
            text, cleared, behind = part.partition("\x1b[K")
            text = re.sub(r"\x1b\[[0-9;]*m", "", text)
            cells = text + behind if cleared else text + cells[len(text):]
        shown.append(re.sub(r"\x1b\[[0-9;]*m", "", cells))
    said = [line for line in shown if "logged as text" in line]
    assert len(said) == 1, shown
    for line in filter(None, shown):
        assert re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z? +(INFO|WARN|ERROR)", line), line
