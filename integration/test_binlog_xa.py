"""XA transactions in the binary log: rows come with XA COMMIT, go with XA ROLLBACK, and wait in between across everything that happens.

`INTERCEPTOR_SEEDS=N` tries the seeds 0 to N-1 on each server, of which the suite takes a few; `INTERCEPTOR_SEED=N` only that one."""

import os
import random
import re
import signal
import threading
import time

import pymysql
import pytest
from harness import parquet, within
from harness.binlog import at, dumps, execute, file_path, files, identity, kill, parse, position
from harness.breadth import KILLS, seeds
from harness.servers import SqlServer
from test_binlog_kafka import make, once, options, read, values, wait_for

from conftest import BINLOG, SIZES

DB = "binlog_xa"
STEPS = 80
# Of such rows not many fit into memory.
LARGE = 6_000_000


@pytest.fixture(scope="module", params=["mysql", "mariadb", "mariadb-11.8"])
def xa_server(request, tmp_path_factory):
    """One that may be killed."""
    # What a prepared transaction has locked is not waited for.
    options = [*BINLOG[request.param.partition("-")[0]], "--innodb-lock-wait-timeout=1", "--transaction-isolation=READ-COMMITTED"]
    server = SqlServer(request.param, tmp_path_factory.mktemp(f"xa-{request.param}"), *SIZES, *options)
    yield server
    server.stop()


@pytest.fixture
def db(xa_server):
    xa_server.fresh_databases(DB)
    xa_server.sql(f"CREATE TABLE {DB}.t (id INT PRIMARY KEY, v INT, s LONGTEXT) ENGINE=InnoDB")
    yield xa_server
    settle(xa_server)


def prepared(server):
    """The names of what is prepared, as the servers write them."""
    found = []
    for row in server.sql("XA RECOVER CONVERT XID" if server.flavor == "mysql" else "XA RECOVER FORMAT='SQL'"):
        data = row[3].decode() if isinstance(row[3], bytes) else row[3]
        if server.flavor == "mysql":
            digits = data.removeprefix("0x")
            data = f"X'{digits[:2 * row[1]]}',X'{digits[2 * row[1]:]}',{row[0]}"
        found.append(data)
    return found


def settle(server):
    """Nothing is prepared any more."""
    for name in prepared(server):
        within(lambda name=name: ended(server, f"XA ROLLBACK {name}"), f"{name} is rolled back")


def ended(server, statement):
    """A transaction belongs to its session until that has ended (MariaDB)."""
    try:
        server.sql(statement)
        return True
    except pymysql.MySQLError as error:
        assert error.args[0] in (1397, 1399, 1402, 3176), error
        # XA_RBROLLBACK: MariaDB has rolled it back by itself.
        return error.args[0] == 1402


class Writer:
    """Sessions with XA transactions and others, of one seed; what fails is part of it."""

    def __init__(self, server, seed, may_crash=True, large=LARGE):
        self.server, self.random, self.is_mysql, self.may_crash = server, random.Random(seed), server.flavor == "mysql", may_crash
        self.sessions, self.waiting, self.log, self.ids = [None] * 4, {}, [], iter(range(1, 10**9))
        self.large, self.crashed = large, False
        self.pool = [self.new_name() for _ in range(8)]

    def new_name(self):
        """Odd bytes, an empty branch, format numbers."""
        part = lambda least: bytes(self.random.choice([self.random.randrange(256), *b"'\"\\`\0,a"]) for _ in range(self.random.choice([least, 1, 5, 64])))
        name = f"X'{part(1).hex()}'"
        if self.random.random() < 0.6:
            name += f",X'{part(0).hex()}'"
            if self.random.random() < 0.6:
                name += f",{self.random.choice([0, 1, 7, 2**31 - 1])}"
        return name

    def session(self, index):
        if self.sessions[index] is None:
            self.sessions[index] = pymysql.connect(unix_socket=self.server.socket, user="root", autocommit=True, charset="utf8mb4",
                                                   database=DB).cursor()
            if self.is_mysql:
                self.sessions[index].execute(f"SET binlog_transaction_compression = {self.random.choice(['ON', 'OFF'])}")
        return self.sessions[index]

    def close(self, index):
        if self.sessions[index] is not None:
            self.sessions[index].connection.close()
            self.sessions[index] = None
            self.log.append(f"{index}: -- disconnected")

    def do(self, index, statement):
        self.log.append(f"{index}: {statement[:200]}")
        try:
            self.session(index).execute(statement)
            return True
        except pymysql.MySQLError as error:
            self.log.append(f"  -- {error.args}")
            return False

    def change(self, index):
        number = next(self.ids)
        text = f"REPEAT('x', {self.large})" if self.random.random() < 0.01 else f"'{self.random.randrange(10**6)}'"
        known = self.random.randrange(1, number + 1)
        statements = [f"INSERT INTO t VALUES ({number}, 0, {text})"] * 8 + [
            f"UPDATE t SET v = v + 1, s = UUID() WHERE id = {known}", f"DELETE FROM t WHERE id = {known}",
            f"UPDATE t SET id = {number}, v = v + 1 WHERE id = {known}", f"INSERT INTO t VALUES ({number}, 1, NULL), ({next(self.ids)}, 2, 'two')"]
        return self.do(index, self.random.choice(statements))

    def xa(self, index):
        """A transaction up to its end or XA PREPARE."""
        name = self.random.choice(self.pool)
        if not self.do(index, f"XA START {name}"):
            return
        for _ in range(self.random.randrange(0, 5)):
            kind = self.random.choices(["change", "savepoint", "back", "other"], [8, 1, 1, 1])[0]
            if kind == "change":
                self.change(index)
            elif kind == "savepoint":
                self.do(index, f"SAVEPOINT s{self.random.randrange(2)}")
            elif kind == "back":
                self.do(index, f"ROLLBACK TO SAVEPOINT s{self.random.randrange(2)}")
            else:
                self.do((index + 1) % len(self.sessions), f"INSERT INTO t VALUES ({next(self.ids)}, 3, 'between')")
        if not self.do(index, f"XA END {name}"):
            self.close(index)
            return
        match self.random.choices(["prepare", "one phase", "rollback", "vanish"], [8, 2, 2, 1])[0]:
            case "prepare":
                if self.do(index, f"XA PREPARE {name}"):
                    self.waiting[name] = index
                    if self.random.random() < 0.6:
                        self.close(index)
                else:
                    self.do(index, f"XA ROLLBACK {name}") or self.close(index)
            case "one phase":
                self.do(index, f"XA COMMIT {name} ONE PHASE") or self.do(index, f"XA ROLLBACK {name}") or self.close(index)
            case "rollback":
                self.do(index, f"XA ROLLBACK {name}") or self.close(index)
            case "vanish":
                self.close(index)

    def complete(self):
        if not self.waiting:
            return
        name = self.random.choice(sorted(self.waiting))
        word = self.random.choice(["COMMIT", "COMMIT", "ROLLBACK"])
        # MariaDB wants it of the session that has it, or of any once that has ended; MySQL of any.
        index = self.waiting[name] if self.sessions[self.waiting[name]] is not None else self.random.randrange(len(self.sessions))
        if self.do(index, f"XA {word} {name}"):
            del self.waiting[name]

    def step(self):
        # A session of MariaDB that has a prepared transaction can do nothing else.
        busy = {index for index in self.waiting.values() if self.sessions[index] is not None} if not self.is_mysql else set()
        free = [index for index in range(len(self.sessions)) if index not in busy]
        kind = self.random.choices(["normal", "xa", "complete", "rotate", "close", "crash"], [5, 6, 6, 0.7, 0.3, 0.1 if self.may_crash else 0])[0]
        if kind == "normal" and free:
            index = self.random.choice(free)
            if self.random.random() < 0.5:
                self.change(index)
            else:
                self.do(index, "BEGIN")
                for _ in range(self.random.randrange(1, 4)):
                    self.change(index)
                self.do(index, self.random.choice(["COMMIT", "COMMIT", "ROLLBACK"]))
        elif kind == "xa" and free:
            self.xa(self.random.choice(free))
        elif kind == "complete":
            self.complete()
        elif kind == "rotate":
            self.server.sql("FLUSH BINARY LOGS")
        elif kind == "close":
            self.close(self.random.randrange(len(self.sessions)))
        elif kind == "crash":
            self.crash()

    def crash(self):
        """The server is killed, and finds again what is prepared."""
        for index in range(len(self.sessions)):
            self.close(index)
        self.log.append("-- the server is killed")
        self.crashed = True
        os.kill(self.server.pid, signal.SIGKILL)
        within(lambda: not os.path.exists(f"/proc/{self.server.pid}") or "Z" in open(f"/proc/{self.server.pid}/stat").read().split()[2], "it is dead")
        self.server.start()

    def run(self, steps=STEPS):
        for _ in range(steps):
            self.step()
        return self

    def finish(self):
        """Everything ends."""
        for index in range(len(self.sessions)):
            self.close(index)
        for number, name in enumerate(prepared(self.server)):
            word = "COMMIT" if number % 2 else "ROLLBACK"
            within(lambda name=name, word=word: ended(self.server, f"XA {word} {name}"), f"{name} ends")

    def close_all(self):
        for index in range(len(self.sessions)):
            self.close(index)


def selected(server):
    with server.root(database=DB) as cursor:
        cursor.execute("SELECT id, v, s FROM t")
        return {row[0]: row for row in cursor.fetchall()}


def rebuilt(rows):
    """The table as the rows leave it, each counted once."""
    seen, table = set(), {}
    for row in rows:
        if identity(row) in seen:
            continue
        seen.add(identity(row))
        before, after = row["before"], row["after"]
        if before is not None:
            assert table.pop(before["id"], None) == tuple(before.values()), f"does not fit: {short(row)}"
        if after is not None:
            assert after["id"] not in table, f"does not fit: {short(row)}"
            table[after["id"]] = tuple(after.values())
    return table


def short(row):
    return str(row)[:500]


def place(row):
    return row["position"]["file"], row["position"]["offset"], row["rowIndex"]


def counter(binlog, name):
    return int(re.findall(rf"\b{name}=(\d+)", binlog.log)[-1])


def segments(folder):
    return sorted(path.name for path in folder.glob("*.segment"))


@pytest.mark.parametrize("seed", seeds(2))
def test_tables_are_what_the_rows_say(db, binlogs, seed):
    start = position(db)
    writer = Writer(db, seed).run()
    writer.close_all()
    begins = ["--from", at(start), "--include", f"{DB}.*", "--only", "insert,update,delete"]

    def check(until, **given):
        binlog = binlogs(*begins, *until, **given).finish()
        rows = binlog.rows()
        assert len({identity(row) for row in rows}) == len(rows)
        assert [place(row) for row in rows] == sorted(place(row) for row in rows)
        assert rebuilt(rows) == selected(db)
        assert counter(binlog, "xa_unseen") == 0
        if not writer.crashed:
            assert counter(binlog, "unfinished") == 0
        return binlog

    try:
        check(["--until", "now"], server=db)
        writer.finish()
        names = files(db)
        binlog = check([], files=[file_path(db, name) for name in names[names.index(start[0]):]])
        # What a crash took of the server's is still there for whoever reads the log.
        assert counter(binlog, "xa_waiting") == 0 or writer.crashed
    except AssertionError as error:
        raise AssertionError(f"seed {seed}: {error}\n" + "\n".join(writer.log)) from error


@pytest.mark.timeout(600 + 60 * KILLS)
@pytest.mark.parametrize("seed", seeds(1))
def test_kills(db, binlogs, tmp_path, seed):
    """kill -9 of the program at any time, while the server is killed now and then too."""
    start, checkpoint, output = position(db), tmp_path / "checkpoint", tmp_path / "rows.ndjson"
    writer, chance, stop, problems = Writer(db, seed + 1000, may_crash=False), random.Random(seed), threading.Event(), []

    def write():
        try:
            while not stop.is_set():
                writer.step()
                # These threads and the readers share one interpreter.
                time.sleep(0.005)
        except Exception as problem:
            problems.append(problem)

    def begin(*more):
        begins = "checkpoint" if checkpoint.exists() else at(start)
        return binlogs("--from", begins, "--checkpoint", checkpoint, "--include", f"{DB}.*", "--only", "insert,update,delete", *more,
                       server=db, sinks=[f"ndjson:{output}"])

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(KILLS):
            binlog = begin()
            time.sleep(chance.uniform(0.2, 2.0))
            assert binlog.process.poll() is None, f"it ended by itself with {binlog.process.returncode}:\n{binlog.log}"
            binlog.kill()
    finally:
        stop.set()
        thread.join()
    assert not problems, problems
    writer.crash()
    begin("--until", "now").finish()
    rows = lambda: list(lines(output))
    assert rebuilt(rows()) == selected(db)
    writer.finish()
    binlog = begin("--until", "now").finish()
    assert rebuilt(rows()) == selected(db), "\n".join(writer.log)
    assert counter(binlog, "xa_unseen") == 0
    # What is left is what a crash took.
    assert len(segments(tmp_path / "checkpoint.xa")) <= counter(binlog, "xa_waiting")


def lines(path):
    for line in path.read_bytes().split(b"\n"):
        try:
            yield parse(line.decode())
        except ValueError:
            # Torn by a kill.
            pass


def purged_before(server, name):
    """Only this file is left."""
    def purged():
        # MariaDB's stay until the storage engine has reported that their transactions are safe.
        kill(server, dumps(server))
        server.sql(f"PURGE BINARY LOGS TO '{name}'")
        return files(server) == [name]

    within(purged, f"only {name} is left")


def prepare(server, name, *changes):
    """By a session that ends."""
    with server.root(database=DB) as cursor:
        execute(cursor, f"XA START {name}", *changes, f"XA END {name}", f"XA PREPARE {name}")


def complete(server, statement):
    within(lambda: ended(server, statement), statement)


def test_what_waits_outlives_purged_files_and_restarts(db, binlogs, tmp_path):
    """More than memory takes, and a little one; the files of the log are gone when they are committed."""
    checkpoint = tmp_path / "checkpoint"
    start = position(db)
    more_than_memory = [f"INSERT INTO t VALUES ({number}, 0, REPEAT('x', 1000000))" for number in range(20)]
    prepare(db, "'large'", *more_than_memory)
    prepare(db, "'small','b',7", "INSERT INTO t VALUES (100, 1, 'a')", "UPDATE t SET v = 2 WHERE id = 100")
    prepare(db, "'gone'", "INSERT INTO t VALUES (200, 1, 'b')")
    db.sql(f"INSERT INTO {DB}.t VALUES (300, 1, 'c')")
    keep = ["--checkpoint", checkpoint, "--include", f"{DB}.t", "--only", "insert,update,delete"]
    binlog = binlogs("--from", at(start), "--until", "now", *keep, server=db).finish()
    assert [row["after"]["id"] for row in binlog.rows()] == [300]
    assert counter(binlog, "xa_waiting") == 3 and segments(tmp_path / "checkpoint.xa")
    db.sql("FLUSH BINARY LOGS", f"INSERT INTO {DB}.t VALUES (301, 1, 'd')")
    assert [row["after"]["id"] for row in binlogs("--until", "now", *keep, server=db).finish().rows()] == [301]
    purged_before(db, position(db)[0])
    binlog = binlogs(*keep, server=db)
    complete(db, "XA COMMIT 'small','b',7")
    rows = binlog.wait_rows(2)
    assert [(row["type"], row["after"]["v"], row["rowIndex"]) for row in rows] == [("insert", 1, 0), ("update", 2, 1)]
    complete(db, "XA ROLLBACK 'gone'")
    binlog.stop()
    complete(db, "XA COMMIT 'large'")
    binlog = binlogs(*keep, "--until", "now", server=db).finish()
    assert [(row["after"]["id"], row["rowIndex"], len(row["after"]["s"])) for row in binlog.rows()] == [(n, n, 1000000) for n in range(20)]
    assert counter(binlog, "xa_waiting") == 0 and segments(tmp_path / "checkpoint.xa") == []


def test_a_file_that_is_missing_is_named(db, binlogs, tmp_path):
    checkpoint, start = tmp_path / "checkpoint", position(db)
    prepare(db, "'a'", "INSERT INTO t VALUES (1, 1, 'a')")
    keep = ["--checkpoint", checkpoint, "--until", "now", "--include", f"{DB}.t"]
    binlogs("--from", at(start), *keep, server=db).finish()
    [segment] = (tmp_path / "checkpoint.xa").glob("*.segment")
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-3])
    binlogs(*keep, server=db).refused("X'61',X'',1", re.escape(str(segment)), f"--from {at(start)}")
    segment.unlink()
    binlogs(*keep, server=db).refused("X'61',X'',1", re.escape(str(segment)), f"--from {at(start)}")
    complete(db, "XA COMMIT 'a'")
    # As the error says.
    assert [row["after"]["v"] for row in binlogs("--from", at(start), *keep, server=db).finish().rows()] == [1]
    assert segments(tmp_path / "checkpoint.xa") == []


def test_what_was_prepared_before_is_said(db, binlogs):
    prepare(db, "'a'", "INSERT INTO t VALUES (1, 1, 'a')")
    start = position(db)
    prepare(db, "'b'", "INSERT INTO t VALUES (2, 2, 'b')")
    end = position(db)
    complete(db, "XA COMMIT 'a'")
    complete(db, "XA COMMIT 'b'")
    binlog = binlogs("--from", at(start), "--until", "now", server=db).finish()
    assert [row["after"]["v"] for row in binlog.rows()] == [2]
    assert counter(binlog, "xa_unseen") == 1 and "X'61',X'',1" in binlog.log
    binlog = binlogs("--from", at(start), "--until", at(end), server=db).finish()
    assert binlog.rows() == [] and counter(binlog, "xa_waiting") == 1


def test_rows_that_are_not_wanted(db, binlogs):
    db.sql(f"CREATE TABLE {DB}.other (id INT PRIMARY KEY)")
    start = position(db)
    prepare(db, "'a'", "INSERT INTO other VALUES (1)")
    prepare(db, "'b'", "INSERT INTO other VALUES (2)", "INSERT INTO t VALUES (1, 1, 'a')")
    complete(db, "XA COMMIT 'a'")
    complete(db, "XA COMMIT 'b'")
    binlog = binlogs("--from", at(start), "--until", "now", "--include", f"{DB}.t", server=db).finish()
    assert [(row["table"], row["rowIndex"]) for row in binlog.rows()] == [("t", 0)]
    assert counter(binlog, "xa_unseen") == 0


@pytest.mark.timeout(600 + 60 * KILLS)
def test_each_row_once_with_kafka(binlog_mysql, kafka, binlogs, tmp_path):
    """--exactly-once, with kills between XA PREPARE and XA COMMIT."""
    db, prefix = binlog_mysql, f"X{os.getpid()}_{time.monotonic_ns()}"
    db.sql("SET GLOBAL binlog_row_metadata = FULL", "SET GLOBAL transaction_isolation = 'READ-COMMITTED'")
    db.fresh_databases(DB)
    db.sql(f"CREATE TABLE {DB}.t (id INT PRIMARY KEY, v INT, s LONGTEXT) ENGINE=InnoDB", "SET GLOBAL innodb_lock_wait_timeout = 1")
    make(kafka, prefix, 1)
    start, stop, problems = position(db), threading.Event(), []
    writer, chance = Writer(db, 5, may_crash=False, large=500_000), random.Random(5)

    def write():
        try:
            while not stop.is_set():
                writer.step()
                time.sleep(0.01)
        except Exception as problem:
            problems.append(problem)

    begins, keep = ["--from", at(start)], ["--include", f"{DB}.t", "--only", "insert,update,delete", "--xa-dir", tmp_path / "xa"]
    kafka_options = options(kafka, prefix, *once(prefix))
    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(KILLS):
            binlog = binlogs(*begins, *keep, *kafka_options, server=db, sinks=["kafka"])
            if begins:
                wait_for(kafka, prefix, 1, enough=1)
                begins = []
            time.sleep(chance.uniform(0.1, 2.5))
            assert binlog.process.poll() is None, f"it ended with {binlog.process.returncode}:\n{binlog.log}"
            binlog.kill()
    finally:
        stop.set()
        thread.join()
        db.sql("SET GLOBAL innodb_lock_wait_timeout = DEFAULT", "SET GLOBAL transaction_isolation = DEFAULT")
    assert not problems, problems
    binlogs("--until", "now", *keep, *kafka_options, server=db, sinks=["kafka"]).finish()
    rows = values(read(kafka, prefix))
    assert len({identity(row) for row in rows}) == len(rows)
    assert rebuilt(rows) == selected(db)
    writer.finish()
    last = binlogs("--until", "now", *keep, *kafka_options, server=db, sinks=["kafka"]).finish()
    rows = values(read(kafka, prefix))
    assert len({identity(row) for row in rows}) == len(rows)
    assert rebuilt(rows) == selected(db)
    assert segments(tmp_path / "xa") == [] and counter(last, "xa_waiting") == 0, last.log


def test_what_a_kill_has_left_goes_though_nothing_more_comes(binlog_mysql, kafka, binlogs, tmp_path):
    """The rows are in Kafka, with the place after them; the file that had them is still there."""
    db, prefix, folder = binlog_mysql, f"L{os.getpid()}_{time.monotonic_ns()}", tmp_path / "xa"
    db.fresh_databases(DB)
    db.sql(f"CREATE TABLE {DB}.t (id INT PRIMARY KEY, v INT, s LONGTEXT) ENGINE=InnoDB")
    make(kafka, prefix, 1)
    keep = ["--include", f"{DB}.t", "--xa-dir", folder, *options(kafka, prefix, *once(prefix))]
    begins = ["--from", at(position(db))]
    for number in range(1, 20):
        prepare(db, f"'kill{number}'", f"INSERT INTO t VALUES ({number}, 1, 'a')")
        binlogs(*begins, "--until", "now", *keep, server=db, sinks=["kafka"]).finish()
        begins = []
        assert len(segments(folder)) == 1
        binlog = binlogs(*keep, server=db, sinks=["kafka"])
        complete(db, f"XA COMMIT 'kill{number}'")
        wait_for(kafka, prefix, 1, enough=number)
        binlog.kill()
        if segments(folder):
            break
    assert segments(folder), "never killed in time"
    binlogs("--until", "now", *keep, server=db, sinks=["kafka"]).finish()
    assert [row["after"]["id"] for row in values(read(kafka, prefix))] == list(range(1, number + 1))
    assert segments(folder) == []


def test_without_a_folder_kafka_says_so(binlog_mysql, kafka, binlogs):
    db, prefix = binlog_mysql, f"Y{os.getpid()}_{time.monotonic_ns()}"
    db.fresh_databases(DB)
    db.sql(f"CREATE TABLE {DB}.t (id INT PRIMARY KEY, v INT, s LONGTEXT) ENGINE=InnoDB")
    make(kafka, prefix, 1)
    start = position(db)
    db.sql(f"INSERT INTO {DB}.t VALUES (1, 1, '')")
    prepare(db, "'a'", "INSERT INTO t VALUES (2, 2, 'a')")
    try:
        keep = ["--include", f"{DB}.t", *options(kafka, prefix, *once(prefix)), "--until", "now"]
        binlog = binlogs("--from", at(start), *keep, server=db, sinks=["kafka"]).finish()
        assert "--xa-dir" in binlog.log
        binlogs(*keep, server=db, sinks=["kafka"]).refused("X'61',X'',1", "--xa-dir", f"--from {re.escape(start[0])}")
    finally:
        complete(db, "XA COMMIT 'a'")
    # Exactly once is not to be had any more: the first row comes again.
    binlogs("--from", at(start), *keep, server=db, sinks=["kafka"]).finish()
    assert sorted(row["after"]["v"] for row in values(read(kafka, prefix))) == [1, 1, 2]


@pytest.mark.parametrize("form", ["debezium", "maxwell", "pretty", "events", "table"])
def test_every_form_has_the_commits_place(db, binlogs, tmp_path, form):
    db.sql("FLUSH BINARY LOGS")
    start = position(db)
    for name, number in (("'a'", 1), ("'b'", 2)):
        prepare(db, name, f"INSERT INTO t VALUES ({number}0, {number}, 'x')", f"INSERT INTO t VALUES ({number}1, {number}, 'y'), ({number}2, 3, 'z')")
    place_ = ["--from", at(start), "--until", "now", "--include", f"{DB}.t"]
    complete(db, "XA COMMIT 'b'")
    complete(db, "XA COMMIT 'a'")
    wanted = binlogs(*place_, server=db).finish().rows()
    assert [row["after"]["id"] for row in wanted] == [20, 21, 22, 10, 11, 12]
    places = [row["position"]["offset"] for row in wanted]
    if form in ("events", "table"):
        folder = tmp_path / "parquet"
        folder.mkdir()
        binlogs(*place_, "--parquet-layout", form, "--checkpoint", tmp_path / "checkpoint", server=db, sinks=[f"parquet:{folder}"]).finish()
        rows = parquet.rows(folder)
        names = ("log_pos", "event_row_index") if form == "events" else ("__offset", "__row_index")
        assert [tuple(row[name] for name in names) for row in rows] == [*zip(places, [0, 1, 2] * 2)]
    elif form == "pretty":
        binlog = binlogs(*place_, "--pretty", server=db, sinks=["stdout"]).finish()
        assert re.findall(r"id=(\d+)", binlog.printed.read_text()) == ["20", "21", "22", "10", "11", "12"]
    else:
        lines_ = binlogs(*place_, "--format", form, server=db).finish().lines()
        if form == "debezium":
            found = [(row["after"]["id"], row["source"]["pos"], row["source"]["gtid"]) for row in lines_]
            assert found == [(row["after"]["id"], row["position"]["offset"], row["gtid"]) for row in wanted]
        else:
            found = [(row["data"]["id"], row.get("xoffset"), row.get("commit", False)) for row in lines_]
            assert found == [(20, 0, False), (21, 1, False), (22, None, True), (10, 0, False), (11, 1, False), (12, None, True)]
