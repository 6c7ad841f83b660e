"""`replay`: a recording done again, judged by the tables that it leaves, by the target's general log and by what its report says."""

import os
import random
import signal
import time

import mysql.connector
import pytest

from harness import within
from harness.breadth import LONG, seeds
from harness.replay import Replay, at_once, recorded

DB = "replayed"
TABLE = f"CREATE TABLE {DB}.t (id INT PRIMARY KEY, s INT, v INT, text VARCHAR(50), KEY (s))"
COUNTER = f"CREATE TABLE {DB}.counter (id INT PRIMARY KEY, v BIGINT)"


@pytest.fixture
def other(server, request):
    """A server of the other kind."""
    return request.getfixturevalue("mariadb" if server.flavor == "mysql" else "mysql")


def prepare(*servers):
    for server in servers:
        server.fresh_databases(DB)
        server.sql(TABLE, COUNTER, f"INSERT INTO {DB}.counter VALUES (1, 1), (2, 1)")
        # The server knows the password from here on: not every driver has what a first login takes.
        server.connect().close()


def tables(server, database=DB):
    rows = {}
    for table in ("t", "counter"):
        rows[table] = server.sql(f"SELECT * FROM {database}.{table} ORDER BY id")
    return rows


class Session:
    """A random session of text and prepared statements, always the same for a seed."""

    def __init__(self, proxy, seed, number, steps=25):
        self.random, self.number, self.steps = random.Random(f"{seed} {number}"), number, steps
        self.proxy, self.next = proxy, number * 1_000_000

    def __call__(self):
        db = mysql.connector.connect(host=self.proxy.host, port=self.proxy.port, user="app", password="app-secret", database=DB,
                                     autocommit=True, ssl_disabled=True, use_pure=True, charset="utf8mb4", collation="utf8mb4_general_ci")
        self.plain, self.prepared = db.cursor(), db.cursor(prepared=True)
        # Gaps between rows are nobody's: no session gets in another's way.
        self.plain.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        for _ in range(self.steps):
            if self.random.random() < 0.3:
                db.start_transaction()
                for _ in range(self.random.randrange(1, 4)):
                    self.step()
                (db.commit if self.random.random() < 0.8 else db.rollback)()
            else:
                self.step()
            time.sleep(self.random.random() * 0.004)
        db.close()

    def step(self):
        cursor = self.random.choice([self.plain, self.prepared])
        kind = self.random.randrange(5)
        if kind <= 1:
            self.next += 1
            cursor.execute("INSERT INTO t (id, s, v, text) VALUES (%s, %s, %s, %s)",
                           (self.next, self.number, self.random.randrange(100), self.random.choice(["a", "ü€", "it's", None])))
        elif kind == 2:
            cursor.execute("UPDATE t SET v = v + %s WHERE s = %s", (self.random.randrange(5), self.number))
        elif kind == 3:
            cursor.execute("DELETE FROM t WHERE s = %s AND v > %s", (self.number, 95))
        else:
            cursor.execute("SELECT id, v, text FROM t WHERE s = %s ORDER BY id", (self.number,))
            cursor.fetchall()


@pytest.mark.parametrize("seed", seeds(1))
def test_a_random_workload_leaves_the_same_tables(proxies, server, other, tmp_path, seed):
    prepare(server, other)
    with recorded(proxies, server, tmp_path / "recording") as proxy:
        at_once([Session(proxy, seed, number) for number in range(6)])
    replay = Replay(tmp_path / "recording", other, tmp_path, "--allow-writes").wait()
    assert tables(other) == tables(server)
    classes = replay.classes
    assert not {"error", "rows", "affected", "session"} & set(classes), replay.report["differences"]
    assert replay.skipped == {}, replay.skipped
    assert replay.report["sessions"] == 6


def test_reads_give_the_same_results_at_any_speed(proxies, mysql, mariadb, tmp_path):
    prepare(mysql, mariadb)
    for server in (mysql, mariadb):
        server.sql(f"INSERT INTO {DB}.t VALUES {', '.join(f'({n}, {n % 7}, {n * n % 100}, NULL)' for n in range(200))}")

    def read(proxy, number):
        with proxy.connect(database=DB) as db, db.cursor() as cursor:
            for _ in range(30):
                cursor.execute(f"SELECT * FROM t WHERE s = {number} ORDER BY id")
                cursor.execute("SELECT COUNT(*), SUM(v), MAX(id) FROM t")

    with recorded(proxies, mysql, tmp_path / "recording") as proxy:
        at_once([lambda n=n: read(proxy, n) for n in range(5)])
    for speed in ("max", "10"):
        replay = Replay(tmp_path / "recording", mariadb, tmp_path / speed, "--speed", speed).wait()
        assert replay.report["statements"] >= 5 * 60
        assert not set(replay.classes) - {"time"}, replay.report["differences"]


def test_nothing_is_changed_without_permission(proxies, server, other, tmp_path):
    prepare(server, other)
    accounts = "SELECT COUNT(*) FROM mysql.user"
    before = tables(other), other.sql(accounts), other.sql("SELECT @@GLOBAL.long_query_time")
    with recorded(proxies, server, tmp_path / "recording") as proxy:
        with proxy.connect(database=DB) as db, db.cursor() as cursor:
            for statement in ["SELECT 1", "INSERT INTO t (id) VALUES (1)", "/*!50000 UPDATE counter SET v = 5 */", "SET @a = 1",
                              "CREATE TABLE new (a INT)", "DROP TABLE new", "SET GLOBAL long_query_time = 7",
                              "CREATE USER replayed_user", "DROP USER replayed_user", "FLUSH STATUS",
                              "PREPARE p FROM 'UPDATE counter SET v = 6'", "EXECUTE p", "SELECT @a"]:
                cursor.execute(statement)
    server.sql(f"SET GLOBAL long_query_time = {before[2][0][0]}")
    replay = Replay(tmp_path / "recording", other, tmp_path / "first").wait()
    assert (tables(other), other.sql(accounts), other.sql("SELECT @@GLOBAL.long_query_time")) == before
    refused = replay.skipped
    assert refused["insert (refused without --allow-writes)"] == 1
    assert refused["admin (refused without --allow-admin)"] == 1 and refused["account (refused without --allow-admin)"] == 2
    assert sum(refused.values()) == 9, refused
    # Data may be changed, the server not.
    replay = Replay(tmp_path / "recording", other, tmp_path / "second", "--allow-writes").wait()
    assert tables(other)["counter"] == ((1, 6), (2, 6))
    assert other.sql("SELECT @@GLOBAL.long_query_time") == before[2] and sum(replay.skipped.values()) == 4, replay.skipped


class Ordered:
    """Sessions whose rows depend on which of them comes first: each multiplies and adds, and no two of these commute."""

    def __init__(self, proxy, number, steps):
        self.proxy, self.number, self.steps = proxy, number, steps
        self.random = random.Random(number)

    def __call__(self):
        with self.proxy.connect(database=DB) as db, db.cursor() as cursor:
            for step in range(self.steps):
                row = self.random.choice([1, 2])
                # Of two statements that are transactions of their own, and under way at the same time, nobody outside can tell the order.
                db.begin()
                cursor.execute(f"UPDATE counter SET v = (v * {self.number + 2} + {step}) % 1000003 WHERE id = {row}")
                cursor.execute(f"INSERT INTO t (id, v) SELECT {self.number * 1000 + step}, v FROM counter WHERE id = {row}")
                db.commit()


def test_the_recorded_order_of_commits_is_kept(proxies, mysql, mariadb, tmp_path):
    prepare(mysql, mariadb)
    with recorded(proxies, mysql, tmp_path / "recording") as proxy:
        at_once([Ordered(proxy, number, 30 if LONG else 12) for number in range(5)])
    expected = tables(mysql)
    for order in ("strict", "tables"):
        prepare(mariadb)
        replay = Replay(tmp_path / "recording", mariadb, tmp_path / order, "--allow-writes", "--speed=max", f"--commit-order={order}").wait()
        assert tables(mariadb) == expected, (order, replay.log)
    # Without it sessions do what they do in whatever order: here each after the other.
    prepare(mariadb)
    Replay(tmp_path / "recording", mariadb, tmp_path / "off", "--allow-writes", "--speed=max").wait()
    assert tables(mariadb) != expected


def test_copies_have_databases_of_their_own(proxies, server, tmp_path):
    prepare(server)
    copies = [f"{DB}_{number}" for number in range(3)]
    server.fresh_databases(*copies)
    for copy in copies:
        server.sql(f"CREATE TABLE {copy}.t LIKE {DB}.t", f"CREATE TABLE {copy}.counter LIKE {DB}.counter",
                   f"INSERT INTO {copy}.counter SELECT * FROM {DB}.counter")
    with recorded(proxies, server, tmp_path / "recording") as proxy:
        at_once([Session(proxy, 7, number, steps=10) for number in range(3)])
    replay = Replay(tmp_path / "recording", server, tmp_path, "--allow-writes", "--amplify=3", f"--schema-map={DB}={DB}_{{n}}").wait()
    for copy in copies:
        assert tables(server, copy) == tables(server), copy
    assert replay.report["sessions"] == 9 and not {"error", "rows", "affected"} & set(replay.classes)


@pytest.fixture
def slow_recording(proxies, mysql, tmp_path):
    """Ten seconds of four sessions."""
    prepare(mysql)

    def work(proxy, number):
        with proxy.connect(database=DB) as db, db.cursor() as cursor:
            for step in range(40):
                cursor.execute(f"INSERT INTO t (id, s) VALUES ({number * 1000 + step}, {number})")
                time.sleep(0.05)

    with recorded(proxies, mysql, tmp_path / "recording") as proxy:
        at_once([lambda n=n: work(proxy, n) for n in range(4)])
    prepare(mysql)
    return tmp_path / "recording"


def test_a_signal_ends_it_with_a_report(slow_recording, mysql, tmp_path):
    replay = Replay(slow_recording, mysql, tmp_path / "stopped", "--allow-writes", "--speed=0.1")
    within(lambda: mysql.sql(f"SELECT COUNT(*) FROM {DB}.t")[0][0] > 4, "some rows")
    replay.process.send_signal(signal.SIGINT)
    replay.wait()
    assert 0 < replay.report["statements"] < 160
    assert "the replay was stopped before its end" in replay.report["notes"]


def test_connections_that_are_lost_are_opened_again(slow_recording, mysql, tmp_path):
    replay = Replay(slow_recording, mysql, tmp_path / "killed", "--allow-writes", "--speed=0.5")
    within(lambda: mysql.sql(f"SELECT COUNT(*) FROM {DB}.t")[0][0] > 20, "some rows")
    for thread, _, _ in mysql.connections("app"):
        mysql.sql(f"KILL {thread}")
    replay.wait()
    rows = mysql.sql(f"SELECT COUNT(*) FROM {DB}.t")[0][0]
    lost = 160 - rows
    assert 0 <= lost <= 4 and replay.report["statements"] >= rows, (rows, replay.log)
    assert any("connections were opened again" in note for note in replay.report["notes"]), replay.report["notes"]
    assert replay.classes["session"] >= 1


def test_what_can_be_known_before_the_start(slow_recording, mysql, mariadb, tmp_path):
    mariadb.sql(f"DROP DATABASE IF EXISTS {DB}")
    missing = Replay(slow_recording, mariadb, tmp_path, "--check").wait(1)
    assert f"problem: the target has no database {DB}" in missing.out
    assert "160 x insert (refused without --allow-writes)" in missing.out
    refused = Replay(slow_recording, mariadb, tmp_path, "--allow-writes").wait(1)
    assert f"the target has no database {DB}" in refused.log and not (tmp_path / "report").exists()
    wrong = Replay(slow_recording, mysql, tmp_path, password="wrong").wait(1)
    assert "1045" in wrong.log and "check user and password" in wrong.log
    fine = Replay(slow_recording, mysql, tmp_path, "--check", "--allow-writes").wait()
    assert "nothing stands against it" in fine.out
    nobody = Replay(slow_recording, mysql, tmp_path, url="mysql://app:app-secret@127.0.0.1:1").wait(1)
    assert "cannot connect" in nobody.log
    foreign = Replay(tmp_path, mysql, tmp_path / "foreign").wait(1)
    assert str(tmp_path) in foreign.log
    usage = Replay(slow_recording, mysql, tmp_path, url="mysql://app@127.0.0.1/db").wait(2)
    assert "without a database" in usage.log


def test_a_torn_recording_is_played_as_far_as_it_goes(slow_recording, mysql, tmp_path):
    last = sorted(slow_recording.glob("*.arrows"))[-1]
    # In the batch with which a recording ends; what came a second before is in another.
    os.truncate(last, last.stat().st_size - 100)
    replay = Replay(slow_recording, mysql, tmp_path / "torn", "--allow-writes", "--speed=max").wait()
    assert 0 < mysql.sql(f"SELECT COUNT(*) FROM {DB}.t")[0][0] <= 160
    assert "error" not in replay.classes


def test_what_is_chosen(slow_recording, mysql, tmp_path):
    Replay(slow_recording, mysql, tmp_path / "a", "--allow-writes", "--speed=max", "--skip=kind=insert").wait()
    Replay(slow_recording, mysql, tmp_path / "b", "--allow-writes", "--speed=max", "--only=user=nobody").wait()
    assert mysql.sql(f"SELECT COUNT(*) FROM {DB}.t")[0][0] == 0
    part = Replay(slow_recording, mysql, tmp_path / "c", "--allow-writes", "--speed=max", "--from=1", "--to=1500ms").wait()
    rows = mysql.sql(f"SELECT COUNT(*) FROM {DB}.t")[0][0]
    assert 0 < rows < 100 and "error" not in part.classes and part.skipped == {}


def test_fail_on_has_an_exit_code_of_its_own(slow_recording, mysql, tmp_path):
    mysql.sql(f"DROP TABLE {DB}.t")
    replay = Replay(slow_recording, mysql, tmp_path, "--allow-writes", "--speed=max", "--fail-on=error").wait(3)
    assert replay.classes["error"] == 160
