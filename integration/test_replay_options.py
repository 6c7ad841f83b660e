"""What the options of `replay` promise, on the server that was recorded and on the other one: the target's tables and its general log tell."""

import io
import os
import re
import signal
import time

import mysql.connector
import pymysql
import pytest

from harness import within
from harness.breadth import LONG
from harness.recording import Recording, commands
from harness.replay import Replay, at_once, recorded
from harness.servers import SqlServer

DB = "options"
BOTH = ["mysql to mariadb", "mariadb to mysql"]
# Where it is our program's doing rather than the server's, and takes its time.
ONE = pytest.mark.parametrize("servers", BOTH if LONG else BOTH[:1], indirect=True)


@pytest.fixture(params=BOTH)
def servers(request):
    """The server that is recorded, and the target."""
    pair = [request.getfixturevalue(name) for name in request.param.split(" to ")]
    prepare(*pair)
    return pair


def prepare(*servers):
    for server in servers:
        server.fresh_databases(DB)
        server.sql(f"CREATE TABLE {DB}.t (id INT AUTO_INCREMENT PRIMARY KEY, s INT, v INT, KEY (s))")
        server.connect().close()


def count(server, of="t"):
    return server.sql(f"SELECT COUNT(*) FROM {DB}.{of}")[0][0]


def starts(replay):
    """When each session's commands began in the replay, in seconds, by their texts."""
    sessions = Recording(next(replay.dir.glob("*/*.arrows")).parent).sessions()
    found = [{row["sql"].decode(): row["started_ns"] / 1e9 for row in commands(rows) if row["sql"]} for rows in sessions.values()]
    return sorted(found, key=lambda times: min(times.values()))


def sleep_until(start, after):
    time.sleep(max(0, start + after - time.monotonic()))


def test_loops_and_what_is_kept_of_them(proxies, servers, tmp_path):
    source, target = servers
    with recorded(proxies, source, tmp_path / "recording") as proxy:
        for session in range(2):
            with proxy.connect(database=DB) as db, db.cursor() as cursor:
                for step in range(3):
                    cursor.execute(f"INSERT INTO t (s, v) VALUES ({session}, {step})")
    replay = Replay(tmp_path / "recording", target, tmp_path, "--allow-writes", "--speed=max", "--loops=3").wait()
    assert target.sql(f"SELECT s, v, COUNT(*) FROM {DB}.t GROUP BY s, v ORDER BY s, v") == tuple((s, v, 3) for s in range(2) for v in range(3))
    assert replay.report["sessions"] == 6
    # One loop after the other: each session's rows come in three groups.
    order = [s for s, in target.sql(f"SELECT s FROM {DB}.t ORDER BY id")]
    assert sum(one != other for one, other in zip(order, order[1:])) == 5
    # The results' recording holds the first loop.
    assert [len(times) for times in starts(replay)] == [len(times) for times in starts(replay)][:2]


def test_scales_override_the_speed(proxies, mysql, tmp_path):
    prepare(mysql)

    def session(proxy, number, start):
        sleep_until(start, number * 1.0)
        with proxy.connect(database=DB) as db, db.cursor() as cursor:
            for step in range(3):
                sleep_until(start, number * 1.0 + step * 0.8)
                cursor.execute(f"SELECT {number}{step}")

    with recorded(proxies, mysql, tmp_path / "recording") as proxy:
        start = time.monotonic() + 0.1
        at_once([lambda n=n: session(proxy, n, start) for n in range(3)])
    for options, between, pause in [(["--connect-scale=50"], 0.5, 0.08), (["--connect-scale=20", "--think-scale=30%"], 0.2, 0.24)]:
        replay = Replay(tmp_path / "recording", mysql, tmp_path / options[0][2:], "--speed=10", *options).wait()
        times = starts(replay)
        assert len(times) == 3
        firsts = [min(session.values()) for session in times]
        for one, other in zip(firsts, firsts[1:]):
            assert between - 0.05 <= other - one <= between + 0.3, (options, firsts)
        for session in times:
            steps = [at for sql, at in sorted(session.items()) if re.fullmatch(r"SELECT \d\d", sql)]
            assert len(steps) == 3 and 2 * pause - 0.05 <= steps[2] - steps[0] <= 2 * pause + 0.3, (options, steps)


def slow_view(source, target, seconds):
    """One that takes this long on the target, and no time where it is recorded."""
    source.sql(f"CREATE VIEW {DB}.slow AS SELECT 1 AS one")
    target.sql(f"CREATE VIEW {DB}.slow AS SELECT 1 + SLEEP({seconds}) AS one")


@ONE
def test_slower_answers_shorten_pauses_or_do_not(proxies, servers, tmp_path):
    source, target = servers
    slow_view(source, target, 0.3)
    with recorded(proxies, source, tmp_path / "recording") as proxy:
        with proxy.connect(database=DB) as db, db.cursor() as cursor:
            for step in range(4):
                cursor.execute(f"SELECT one, {step} FROM slow")
                time.sleep(0.5)
    span = {}
    for auto in ("true", "false"):
        times = starts(Replay(tmp_path / "recording", target, tmp_path / auto, f"--think-auto={auto}").wait())[0]
        reads = sorted(at for sql, at in times.items() if "FROM slow" in sql)
        span[auto] = reads[-1] - reads[0]
    assert 1.45 <= span["true"] <= 2.1 and 2.35 <= span["false"] <= 3.2, span


def test_recorded_users_have_accounts_of_their_own(proxies, servers, tmp_path):
    source, target = servers
    for name in ("one", "two"):
        source.fresh_user(name, "recorded-secret")
    target.fresh_user("one", "first-secret")
    target.fresh_user("other_two", "second-secret")
    target.sql("DROP USER IF EXISTS two")
    for server in servers:
        server.sql(f"CREATE TABLE {DB}.who (recorded VARCHAR(20), account VARCHAR(50))")
    with recorded(proxies, source, tmp_path / "recording") as proxy:
        for name, password in [("one", "recorded-secret"), ("two", "recorded-secret"), ("app", "app-secret")]:
            with proxy.connect(user=name, password=password, database=DB) as db, db.cursor() as cursor:
                cursor.execute(f"INSERT INTO who VALUES ('{name}', USER())")
    users = tmp_path / "users.toml"
    (tmp_path / "two.pass").write_text("second-secret\n")
    users.write_text('[users.one]\npassword = "first-secret"\n[users.two]\nuser = "other_two"\npassword_file = "two.pass"\n')
    Replay(tmp_path / "recording", target, tmp_path, "--allow-writes", "--user-map", users).wait()
    rows = target.sql(f"SELECT recorded, SUBSTRING_INDEX(account, '@', 1) FROM {DB}.who ORDER BY recorded")
    assert rows == (("app", "app"), ("one", "one"), ("two", "other_two"))
    # What is wrong with an account is said before the start, all of it.
    users.write_text('[users.one]\npassword = "wrong"\n[users.two]\npassword = "x"\n')
    check = Replay(tmp_path / "recording", target, tmp_path, "--allow-writes", "--user-map", users, "--check").wait(1)
    for name in ("one", "two"):
        assert re.search(rf"problem: the recorded user '{name}' cannot log in as '{name}': .*1045", check.out), check.out
    assert "recorded user 'app'" not in check.out
    refused = Replay(tmp_path / "recording", target, tmp_path / "refused", "--allow-writes", "--user-map", users).wait(1)
    assert "1045" in refused.log and count(target, "who") == 3
    # What can be played is, if that is wanted; the rest is counted.
    anyway = Replay(tmp_path / "recording", target, tmp_path / "anyway", "--allow-writes", "--user-map", users, "--start-anyway").wait()
    assert count(target, "who") == 4 and anyway.classes["session"] == 2, anyway.report["differences"]
    assert anyway.skipped["its session could not be opened on the target"] >= 2


DEFAULTS = f"""CREATE TABLE {DB}.made (id INT AUTO_INCREMENT PRIMARY KEY, s INT, at DATETIME DEFAULT CURRENT_TIMESTAMP, day DATE, unix BIGINT, r DOUBLE, v INT)"""


def test_two_replays_agree(proxies, servers, tmp_path):
    source, target = servers
    for server in servers:
        server.sql(DEFAULTS)

    def session(proxy, number):
        with proxy.connect(database=DB) as db, db.cursor() as cursor:
            for step in range(6):
                cursor.execute(f"INSERT INTO made (s, day, unix, r) VALUES ({number}, CURDATE(), UNIX_TIMESTAMP(), RAND())")
                cursor.execute(f"INSERT INTO made (s, v) VALUES ({number}, 1), ({number}, 2)")
                cursor.execute("SELECT LAST_INSERT_ID()")
                cursor.execute(f"SELECT NOW(), {step} FROM DUAL")
                time.sleep(0.01)

    with recorded(proxies, source, tmp_path / "recording") as proxy:
        at_once([lambda n=n: session(proxy, n) for n in range(3)])
    was = source.sql(f"SELECT id, s, v, at, unix FROM {DB}.made ORDER BY id")
    # Rows of a replay that came a day later would tell the difference; so does a sequence that has gone on.
    target.sql(f"ALTER TABLE {DB}.made AUTO_INCREMENT = 5000")
    made = []
    for name in ("first", "second"):
        replay = Replay(tmp_path / "recording", target, tmp_path / name, "--allow-writes", "--deterministic", "--speed=max").wait()
        assert not {"error", "affected", "session"} & set(replay.classes), replay.report["differences"]
        made.append(target.sql(f"SELECT id, s, at, day, unix, r, v FROM {DB}.made ORDER BY id"))
        target.sql(f"DELETE FROM {DB}.made")
    assert made[0] == made[1]
    here = [(row[0], row[1], row[6]) for row in made[0]]
    assert here == [row[:3] for row in was]
    # The proxy saw the statements before the server took the time: of some a second had begun in between.
    assert sum(row[2] != other[3] for row, other in zip(made[0], was)) <= 3
    assert all(abs((row[2] - other[3]).total_seconds()) <= 1 for row, other in zip(made[0], was))


def test_what_differs_by_nature_is_called_so(proxies, servers, tmp_path):
    source, target = servers
    for server in servers:
        server.sql(f"CREATE TABLE {DB}.log (id INT AUTO_INCREMENT PRIMARY KEY, t INT)",
                   f"CREATE TRIGGER {DB}.logs AFTER INSERT ON {DB}.t FOR EACH ROW INSERT INTO {DB}.log (t) VALUES (NEW.id)")
    target.sql(f"ALTER TABLE {DB}.log AUTO_INCREMENT = 900")
    with recorded(proxies, source, tmp_path / "recording") as proxy:
        with proxy.connect(database=DB) as db, db.cursor() as cursor:
            for text in ["SELECT UUID()", "SELECT RAND()", "SELECT SYSDATE(6)", "SELECT CONNECTION_ID()", "INSERT INTO t (s) VALUES (1)",
                         "SELECT LAST_INSERT_ID()", "SELECT t FROM log", "SELECT id FROM log"]:
                cursor.execute(text)
                cursor.fetchall()
    replay = Replay(tmp_path / "recording", target, tmp_path, "--allow-writes", "--deterministic").wait()
    found = {entry["example"]["sql"]: entry["class"] for entry in replay.report["differences"] if entry["class"] != "time"}
    assert found.pop("SELECT id FROM log") in ("rows", "keys", "nature")
    assert set(found) == {"SELECT UUID()", "SELECT RAND()", "SELECT SYSDATE(6)", "SELECT CONNECTION_ID()"} and set(found.values()) == {"nature"}, found


def test_gtid_sets_are_compared_before_the_start(proxies, writer, tmp_path):
    prepare(writer)
    variable = "gtid_executed" if writer.flavor == "mysql" else "gtid_current_pos"
    gtids = writer.sql(f"SELECT @@GLOBAL.{variable}")[0][0]
    assert gtids
    with recorded(proxies, writer, tmp_path / "recording", f"--record-gtid-set={gtids}") as proxy:
        with proxy.connect(database=DB) as db, db.cursor() as cursor:
            cursor.execute("SELECT 1")
    same = Replay(tmp_path / "recording", writer, tmp_path, "--check").wait()
    assert "GTID" not in same.out, same.out
    writer.sql(f"INSERT INTO {DB}.t (s) VALUES (1)")
    later = Replay(tmp_path / "recording", writer, tmp_path, "--check").wait()
    assert "note: the recording began at GTID set" in later.out and "may not be that of the recording's beginning" in later.out, later.out


@ONE
def test_a_database_of_a_copy_that_is_missing_is_said(proxies, servers, tmp_path):
    source, target = servers
    with recorded(proxies, source, tmp_path / "recording") as proxy:
        with proxy.connect(database=DB) as db, db.cursor() as cursor:
            cursor.execute("INSERT INTO t (s) VALUES (1)")
            cursor.execute(f"SELECT COUNT(*) FROM {DB}.t")
    target.fresh_databases(f"{DB}_0")
    target.sql(f"DROP DATABASE IF EXISTS {DB}_1", f"CREATE TABLE {DB}_0.t LIKE {DB}.t")
    options = ["--allow-writes", "--amplify=2", f"--schema-map={DB}={DB}_{{n}}"]
    check = Replay(tmp_path / "recording", target, tmp_path, "--check", *options).wait(1)
    assert f"problem: the target has no database {DB}_1" in check.out
    anyway = Replay(tmp_path / "recording", target, tmp_path, "--start-anyway", *options).wait()
    assert count(target) == 0 and target.sql(f"SELECT COUNT(*) FROM {DB}_0.t")[0][0] == 1
    assert anyway.classes.get("session") == 1, anyway.report["classes"]


def test_digests_and_what_goes_with_the_chosen(proxies, servers, tmp_path):
    source, target = servers
    for server in servers:
        server.fresh_databases(f"{DB}_b")
        server.sql(f"CREATE TABLE {DB}_b.u (a INT)")
    with recorded(proxies, source, tmp_path / "recording") as proxy:
        with proxy.connect(database=DB) as db, db.cursor() as cursor:
            for text in [f"USE {DB}_b", "BEGIN", "INSERT INTO u VALUES (1)", "SELECT a FROM u WHERE a = 1", "SELECT a FROM u WHERE a = 22", "COMMIT",
                         "SELECT COUNT(*) FROM u"]:
                cursor.execute(text)
    whole = Replay(tmp_path / "recording", target, tmp_path / "whole").wait()
    digest = next(entry["digest"] for entry in whole.report["digests"] if entry["pattern"].startswith("select a"))
    target.general_log_on()
    Replay(tmp_path / "recording", target, tmp_path / "only", f"--only=digest={digest.upper()}").wait()
    sent = [entry.argument for entry in target.general_log_off("app") if entry.command == "Query"]
    own = [f"USE {DB}_b", "BEGIN", "COMMIT"]
    chosen = ["SELECT a FROM u WHERE a = 1", "SELECT a FROM u WHERE a = 22"]
    assert [text for text in sent if not text.startswith("S")] == own
    assert [text for text in sent if text.startswith("SELECT a")] == chosen and "SELECT COUNT(*) FROM u" not in sent
    skipped = Replay(tmp_path / "recording", target, tmp_path / "skip", f"--skip=digest={digest}", "--allow-writes").wait()
    assert skipped.skipped["not chosen by --only and --skip"] == 2 and skipped.report["statements"] >= 4
    assert "error" not in skipped.classes and target.sql(f"SELECT a FROM {DB}_b.u") == ((1,),)
    wrong = Replay(tmp_path / "recording", target, tmp_path / "wrong", "--only=digest=select").wait(2)
    assert "32 hexadecimal digits" in wrong.log


def test_long_data_goes_with_its_statement(proxies, servers, tmp_path):
    source, target = servers
    for server in servers:
        server.sql(f"CREATE TABLE {DB}.b (a LONGBLOB)")
    with recorded(proxies, source, tmp_path / "recording") as proxy:
        db = mysql.connector.connect(host=proxy.host, port=proxy.port, user="app", password="app-secret", database=DB, autocommit=True,
                                     ssl_disabled=True, use_pure=True, charset="utf8mb4", collation="utf8mb4_general_ci")
        db.cursor(prepared=True).execute("INSERT INTO b VALUES (%s)", (io.BytesIO(b"long" * 5000),))
        db.close()
    assert any(row["command"] == "COM_STMT_SEND_LONG_DATA" for row in Recording(tmp_path / "recording").rows())
    replay = Replay(tmp_path / "recording", target, tmp_path, "--allow-writes", "--only=kind=insert").wait()
    assert target.sql(f"SELECT a FROM {DB}.b") == ((b"long" * 5000,),) and "error" not in replay.classes


@pytest.mark.parametrize("servers, order", [(BOTH[0], "strict"), (BOTH[1], "tables"), *([(BOTH[1], "strict"), (BOTH[0], "tables")] if LONG else [])],
                         indirect=["servers"])
def test_sessions_that_wait_for_each_other_are_released(proxies, servers, tmp_path, order):
    """The target has no index: the first session's lock is on all rows, and the second waits for it while the first waits for its turn."""
    source, target = servers
    for server in servers:
        server.sql(f"INSERT INTO {DB}.t (s, v) VALUES (1, 0), (2, 0)", "SET GLOBAL innodb_lock_wait_timeout = 20")
    target.sql(f"ALTER TABLE {DB}.t DROP KEY s")
    try:
        with recorded(proxies, source, tmp_path / "recording") as proxy:
            with proxy.connect(database=DB) as one, proxy.connect(database=DB) as two:
                first, second = one.cursor(), two.cursor()
                one.begin()
                first.execute("UPDATE t SET v = v + 1 WHERE s = 1")
                two.begin()
                second.execute("UPDATE t SET v = v + 10 WHERE s = 2")
                first.execute("UPDATE t SET v = v * 5 WHERE s = 1")
                one.commit()
                two.commit()
        replay = Replay(tmp_path / "recording", target, tmp_path / "report", "--allow-writes", f"--commit-order={order}").wait()
    finally:
        for server in servers:
            server.sql("SET GLOBAL innodb_lock_wait_timeout = 50")
    assert target.sql(f"SELECT v FROM {DB}.t ORDER BY s") == ((5,), (10,))
    assert "error" not in replay.classes, replay.report["differences"]
    assert any("did not keep the recorded order: locks stood against it" in note for note in replay.report["notes"]), replay.report["notes"]
    assert re.search(r"gone on out of the recorded order.*session=\w+.*waits_for=\w+", re.sub(r"\x1b\[[0-9;]*m", "", replay.log)), replay.log


@ONE
def test_a_stop_does_not_wait_for_a_long_statement(proxies, servers, tmp_path):
    source, target = servers
    slow_view(source, target, 100)
    with recorded(proxies, source, tmp_path / "recording") as proxy:
        with proxy.connect(database=DB) as db, db.cursor() as cursor:
            for text in ["SELECT 1", "SELECT one FROM slow", "SELECT 2"]:
                cursor.execute(text)
    replay = Replay(tmp_path / "recording", target, tmp_path)
    within(lambda: any("slow" in str(info) for _, _, info in target.connections("app")), "the slow statement runs")
    begun = time.monotonic()
    replay.process.send_signal(signal.SIGINT)
    replay.wait()
    assert time.monotonic() - begun < 10
    assert "the replay was stopped before its end" in replay.report["notes"] and replay.report["statements"] >= 1
    # The target does not go on with it for nobody.
    for thread, _, _ in target.connections("app"):
        target.sql(f"KILL {thread}")


@ONE
def test_what_follows_a_lost_connection_is_judged_as_the_target_reads_it(proxies, servers, tmp_path):
    """Here a string hides a DELETE, on the target the string ends before it."""
    source, target = servers
    slow_view(source, target, 100)
    with recorded(proxies, source, tmp_path / "recording") as proxy:
        with proxy.connect(database=DB, client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS) as db, db.cursor() as cursor:
            for text in ["SELECT one FROM slow", r"SELECT '\'; DELETE FROM t; -- '", "SELECT 2"]:
                cursor.execute(text)
    before = target.sql("SELECT @@GLOBAL.sql_mode")[0][0]
    target.sql(f"INSERT INTO {DB}.t (s, v) VALUES (1, 1), (2, 2)", f"SET GLOBAL sql_mode = '{before},NO_BACKSLASH_ESCAPES'")
    try:
        replay = Replay(tmp_path / "recording", target, tmp_path, "--speed=max")
        slow = lambda: [thread for thread, _, info in target.connections("app") if "slow" in str(info)]
        within(slow, "the slow statement runs")
        target.sql(f"KILL {slow()[0]}")
        replay.wait()
    finally:
        target.sql(f"SET GLOBAL sql_mode = '{before}'")
    assert count(target) == 2
    assert sum(times for reason, times in replay.skipped.items() if "refused without --allow-writes" in reason) == 1, replay.skipped
    assert replay.report["sessions"] == 1 and any("opened again" in note for note in replay.report["notes"]), replay.report["notes"]


@pytest.mark.skipif(not LONG, reason="takes a server of its own and its time")
@pytest.mark.parametrize("release", ["mariadb", "mysql"])
def test_a_target_that_is_killed_and_restarted(proxies, mysql, tmp_path, release):
    prepare(mysql)
    sessions, steps = 4, 20

    def session(proxy, number):
        with proxy.connect(database=DB) as db, db.cursor() as cursor:
            for step in range(steps):
                db.begin()
                cursor.execute(f"INSERT INTO t (s, v) VALUES ({number}, {step})")
                cursor.execute(f"INSERT INTO t (s, v) VALUES ({number}, {step + 1000})")
                db.commit()
                time.sleep(0.1)

    with recorded(proxies, mysql, tmp_path / "recording") as proxy:
        at_once([lambda n=n: session(proxy, n) for n in range(sessions)])
    target = SqlServer(release, tmp_path / "target")
    try:
        prepare(target)
        replay = Replay(tmp_path / "recording", target, tmp_path, "--allow-writes", "--speed=0.5")
        within(lambda: count(target) > 20, "some rows")
        os.kill(target.pid, signal.SIGKILL)
        time.sleep(1)
        target.start()
        replay.wait()
        rows = target.sql(f"SELECT s, v FROM {DB}.t")
        whole = {(s, v) for s, v in rows if v < 1000}
        # Transactions are there whole or not at all, and none of them twice.
        assert {(s, v - 1000) for s, v in rows if v >= 1000} == whole and len(rows) == 2 * len(whole)
        missing = sessions * steps - len(whole)
        assert missing <= sessions, missing
        assert replay.classes["session"] >= 1 and any("connections were opened again" in note for note in replay.report["notes"])
        assert sum(replay.skipped.values()) >= missing, replay.skipped
    finally:
        target.stop()
