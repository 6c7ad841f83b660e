"""Live sessions on a second server: what arrives there is judged by that server's general log and tables, what is compared by planted differences.

The client's server is MySQL, the mirror's target is MariaDB; a door between proxy and target makes it slow, dead and alive again."""

import json
import random
import re
import signal
import threading
import time

import mysql.connector
import pymysql
import pytest
from harness import within
from harness.breadth import seeds
from harness.mirror import counted
from harness.proxy import once

DB, USER, PASSWORD = "mirrored", "mirror", "mirror-secret"
# Sessions that were dropped come back at once.
SOON = ["--mirror-rejoin", "0.1s"]
STEPS = 40


def prepare(server):
    """The same rows on both servers."""
    server.fresh_databases(DB)
    server.fresh_user(USER, PASSWORD)
    server.sql(f"GRANT ALL ON {DB}.* TO app", f"CREATE TABLE {DB}.t (id INT PRIMARY KEY, n INT, s VARCHAR(40)) ENGINE=InnoDB",
               f"CREATE TABLE {DB}.log (id INT AUTO_INCREMENT PRIMARY KEY, n INT) ENGINE=InnoDB",
               f"INSERT INTO {DB}.t VALUES " + ", ".join(f"({n}, {n * n}, 'row {n}')" for n in range(100)))


def to(address, password=PASSWORD):
    return ["--mirror", f"mysql://{USER}:{password}@{address}"]


def connect(proxy, **more):
    return proxy.connect(database=DB, **more)


def statements(server, mark):
    """What arrived at the target of that user, by its connections, in order: only what has the mark."""
    by_thread = {}
    for entry in server.general_log_off(USER):
        if entry.command in ("Query", "Execute") and mark in entry.argument:
            by_thread.setdefault(entry.thread, []).append(entry.argument)
    return list(by_thread.values())


def read(choose, mark):
    """A statement that reads, and what else a session does that changes nothing but itself."""
    n = choose.randrange(100)
    return choose.choice([f"SELECT n FROM t WHERE id = {n} {mark}", f"SELECT s, n FROM t WHERE n > {n} ORDER BY id {mark}",
                          f"SELECT COUNT(*) {mark} FROM t", f"SET @v{n} = {n} {mark}", f"BEGIN {mark}", f"COMMIT {mark}",
                          f"SELECT nothing FROM nowhere {mark}", f"SHOW TABLES LIKE 't' {mark}"])


# ---------------------------------------------------------------- what arrives

@pytest.mark.parametrize("seed", seeds(2))
def test_each_session_arrives_whole_and_in_its_order(servers, proxies, seed):
    source, target = servers
    target.general_log_on()
    proxy, sent = proxies(source, *to(target.address)), {}

    def session(number):
        choose = random.Random(f"{seed} {number}")
        text, prepared = connect(proxy), mysql.connector.connect(host=proxy.host, port=proxy.port, user="app", password="app-secret",
                                                                 database=DB, ssl_disabled=True, use_pure=True, charset="utf8mb4", collation="utf8mb4_general_ci")
        sent[f"text-{number}"], sent[f"prepared-{number}"] = [], []
        cursor, statement = text.cursor(), prepared.cursor(prepared=True)
        for step in range(STEPS):
            mark = f"/* text-{number} {step} */"
            sql = read(choose, mark)
            sent[f"text-{number}"].append(mark)
            try:
                cursor.execute(sql)
            except pymysql.Error:
                pass
            if step % 4 == 0:
                # The log of an execution has the values in the text's place.
                n = number * 1000 + step
                statement.execute(f"SELECT s /* prepared-{number} */ FROM t WHERE n = %s", (n,))
                statement.fetchall()
                sent[f"prepared-{number}"].append(n)
        text.close()
        prepared.close()

    threads = [threading.Thread(target=session, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    proxy.stop()
    entries = target.general_log_off(USER)
    by_thread = {}
    for entry in entries:
        found = re.search(r"/\* (text|prepared)-(\d+)(?: (\d+))? \*/", entry.argument)
        if found and entry.command in ("Query", "Execute"):
            kind, number, step = found.groups()
            value = f"/* text-{number} {step} */" if kind == "text" else int(re.search(r"n = (\d+)", entry.argument).group(1))
            by_thread.setdefault((entry.thread, f"{kind}-{number}"), []).append(value)
    assert {name: values for (_, name), values in by_thread.items()} == sent
    assert len(by_thread) == len(sent), "a session came in pieces"
    assert "dropped=none" in proxy.log
    assert counted(proxy, "differences.rows") == counted(proxy, "differences.error") == 0, proxy.log


def test_nothing_is_changed_unless_that_is_allowed(servers, proxies):
    source, target = servers
    writes = ["INSERT INTO log (n) VALUES (1)", "UPDATE t SET n = -1 WHERE id = 1", "DELETE FROM t WHERE id = 2", "CREATE TABLE made (a INT)",
              "WITH x AS (SELECT 1 AS a) SELECT * FROM x INTO OUTFILE '/tmp/never'", "DROP TABLE made", "TRUNCATE log", "SET GLOBAL max_connections = 199",
              "SELECT 1; DELETE FROM t WHERE id = 3", "/*!50000 DELETE FROM t WHERE id = 4 */", "CALL nothing()"]
    proxy = proxies(source, *to(target.address))
    before = target.sql(f"CHECKSUM TABLE {DB}.t, {DB}.log")
    with connect(proxy, client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS) as db, db.cursor() as cursor:
        for sql in writes:
            try:
                cursor.execute(sql)
                while cursor.nextset():
                    pass
            except pymysql.Error:
                pass
        cursor.execute("SELECT 7")
    prepared = mysql.connector.connect(host=proxy.host, port=proxy.port, user="app", password="app-secret", database=DB, ssl_disabled=True, use_pure=True, charset="utf8mb4", collation="utf8mb4_general_ci")
    with prepared.cursor(prepared=True) as cursor:
        for n in (50, 51):
            cursor.execute("DELETE FROM t WHERE id = %s", (n,))
    prepared.commit()
    prepared.close()
    proxy.stop()
    assert target.sql(f"CHECKSUM TABLE {DB}.t, {DB}.log") == before
    assert not target.sql(f"SHOW TABLES IN {DB} LIKE 'made'")
    assert source.sql(f"SELECT COUNT(*) FROM {DB}.t") != target.sql(f"SELECT COUNT(*) FROM {DB}.t")
    # Each text, the preparation and its two executions.
    assert counted(proxy, "refused.writes") + counted(proxy, "refused.admin") == len(writes) + 3, proxy.log
    assert counted(proxy, "refused.admin") == 1
    source.sql("SET GLOBAL max_connections = DEFAULT")


@pytest.mark.parametrize("seed", seeds(1))
def test_with_writes_both_servers_have_the_same_rows(servers, proxies, seed):
    source, target = servers
    proxy = proxies(source, *to(target.address), "--mirror-allow-writes")

    def session(number):
        choose = random.Random(f"{seed} {number}")
        with connect(proxy, autocommit=False) as db, db.cursor() as cursor:
            for _ in range(STEPS):
                row = choose.randrange(number * 10, number * 10 + 10)
                cursor.execute(choose.choice([f"UPDATE t SET n = n + {row} WHERE id = {row}", f"DELETE FROM t WHERE id = {row}",
                                              f"REPLACE INTO t VALUES ({row}, {choose.randrange(9)}, 'ä{row}')", "SAVEPOINT a"]))
                if choose.random() < 0.3:
                    choose.choice([db.commit, db.rollback])()
            db.commit()

    threads = [threading.Thread(target=session, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    proxy.stop()
    rows = f"SELECT * FROM {DB}.t ORDER BY id"
    assert source.sql(rows) == target.sql(rows)
    assert counted(proxy, "differences.affected") == counted(proxy, "differences.error") == 0, proxy.log


@pytest.mark.parametrize("mode, text", [("NO_BACKSLASH_ESCAPES", r"SELECT '\'; DELETE FROM t; -- '"), ("ANSI_QUOTES", r'SELECT "\"; DELETE FROM t; -- "')])
def test_texts_are_judged_as_the_target_reads_them(servers, proxies, mode, text):
    """A string of the client's server hides a DELETE where strings end elsewhere."""
    source, target = servers
    before = target.sql("SELECT @@GLOBAL.sql_mode")[0][0]
    target.sql(f"SET GLOBAL sql_mode = '{before},{mode}'")
    try:
        proxy = proxies(source, *to(target.address))
        with connect(proxy, client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS) as db, db.cursor() as cursor:
            for _ in range(2):
                cursor.execute(text)
                assert len(cursor.fetchall()) == 1
        proxy.stop()
    finally:
        target.sql(f"SET GLOBAL sql_mode = '{before}'")
    assert source.sql(f"SELECT COUNT(*) FROM {DB}.t") == target.sql(f"SELECT COUNT(*) FROM {DB}.t") == ((100,),)
    assert counted(proxy, "refused.writes") == 2, proxy.log


def test_databases_have_other_names_there(servers, proxies):
    source, target = servers
    target.fresh_databases("elsewhere")
    target.sql("CREATE TABLE elsewhere.t LIKE mirrored.t", "INSERT INTO elsewhere.t SELECT * FROM mirrored.t", f"DROP DATABASE {DB}")
    proxy = proxies(source, *to(target.address), "--mirror-allow-writes", "--mirror-schema-map", f"{DB}=elsewhere", "--mirror-only", f"database={DB}")
    with connect(proxy) as db, db.cursor() as cursor:
        cursor.execute("UPDATE t SET n = 1 WHERE id = 1")
        cursor.execute("USE mysql")
        cursor.execute(f"USE {DB}")
        cursor.execute(f"UPDATE {DB}.t SET n = 2 WHERE id = 2")
        cursor.execute(f"UPDATE {DB}.t AS {DB} SET {DB}.n = 3 WHERE id = 3")
        db.select_db(DB)
        cursor.execute("UPDATE t SET n = 4 WHERE id = 4")
    proxy.stop()
    assert target.sql("SELECT n FROM elsewhere.t WHERE id BETWEEN 1 AND 4 ORDER BY id") == ((1,), (2,), (9,), (4,))
    # What may be an alias is not executed.
    assert counted(proxy, "unplayable") == 1 and counted(proxy, "differences.error") == 0, proxy.log


def test_locks_and_named_statements_are_executed(servers, proxies):
    source, target = servers
    target.general_log_on()
    proxy = proxies(source, *to(target.address))
    with connect(proxy, autocommit=False) as db, db.cursor() as cursor:
        for sql in ("SELECT n FROM t WHERE id = 1 FOR UPDATE /* x */", "PREPARE s FROM 'SELECT s FROM t WHERE id = ?'", "SET @a = 3", "EXECUTE s USING @a /* x */",
                    "PREPARE w FROM 'DELETE FROM t WHERE id = ?'", "EXECUTE w USING @a /* x */", "SELECT GET_LOCK('mirrored', 0) /* x */"):
            cursor.execute(sql)
        db.rollback()
    proxy.stop()
    # MariaDB's log has the text of a named statement in the place of EXECUTE.
    (arrived,) = statements(target, "")
    assert [text for text in arrived if "FOR UPDATE" in text or "GET_LOCK" in text] == ["SELECT n FROM t WHERE id = 1 FOR UPDATE /* x */", "SELECT GET_LOCK('mirrored', 0) /* x */"]
    assert any("SELECT s FROM t WHERE id = 3" in text for text in arrived) and not any(text.startswith("DELETE") for text in arrived), arrived
    assert counted(proxy, "refused.writes") == 1 and counted(proxy, "differences.rows") == counted(proxy, "differences.error") == 0, proxy.log


def test_what_outlives_a_transaction_without_its_beginning_is_executed(servers, proxies, tmp_path):
    """The mirror is switched on within transactions: it leaves them out, but not what counts after them."""
    source, target = servers
    proxy = proxies(source, "--config", configured(tmp_path))
    with proxy.connect(autocommit=False) as db, db.cursor() as cursor:
        cursor.execute(f"UPDATE {DB}.t SET n = -1 WHERE id = 1")
        configured(tmp_path, mirror=to(target.address)[1], mirror_allow_writes=True)
        hang_up(proxy, "the configuration was read again; changed: mirror in")
        for sql in (f"UPDATE {DB}.t SET n = -2 WHERE id = 2", f"USE {DB}", "SET NAMES latin1", "SET autocommit = 1", "UPDATE t SET s = 'caf\u00e9' WHERE id = 3",
                    "SET autocommit = 0", "SET NAMES utf8mb4", "UPDATE t SET n = -4 WHERE id = 4", "BEGIN", "UPDATE t SET n = -5 WHERE id = 5"):
            cursor.execute(sql.encode("latin1") if "caf" in sql else sql)
        db.commit()
    proxy.stop()
    changed = [row for row in target.sql(f"SELECT id, n, s FROM {DB}.t WHERE id BETWEEN 1 AND 5 ORDER BY id")]
    assert changed == [(1, 1, "row 1"), (2, 4, "row 2"), (3, 9, "caf\u00e9"), (4, -4, "row 4"), (5, -5, "row 5")]
    assert counted(proxy, "torn") == 1, proxy.log


def test_filters_and_samples_choose_sessions_and_statements(servers, proxies):
    source, target = servers
    source.fresh_user("other", "")
    target.general_log_on()
    options = ["--mirror-only", "user=app", "--mirror-skip", "kind=show", "--mirror-sample", 0.5, "--mirror-sample-seed", 3]
    proxy = proxies(source, *to(target.address), *options)
    ids = []
    for number in range(40):
        with connect(proxy) as db, db.cursor() as cursor:
            ids.append(db.thread_id())
            cursor.execute(f"SELECT {number} /* chosen */")
            cursor.execute("SHOW TABLES LIKE '/* chosen */'")
            cursor.execute(f"SELECT -{number} /* chosen */")
    with connect(proxy, user="other", password="") as db, db.cursor() as cursor:
        cursor.execute("SELECT 99 /* chosen */")
    proxy.stop()
    arrived = statements(target, "/* chosen */")
    # Whole sessions, about half of them, and of each all but what is left out.
    numbers = sorted(int(re.search(r"SELECT (\d+)", first).group(1)) for first, _ in arrived)
    assert all(re.search(r"SELECT -(\d+)", second).group(1) == re.search(r"SELECT (\d+)", first).group(1) for first, second in arrived)
    assert 8 <= len(numbers) <= 32 and 99 not in numbers
    assert counted(proxy, "left_out_sessions") == 41 - len(numbers) and counted(proxy, "left_out") == len(numbers)
    assert counted(proxy, "sessions") == len(numbers)


# ---------------------------------------------------------------- what is compared

def test_what_the_target_answers_differently_is_told_by_class(servers, proxies, tmp_path):
    source, target = servers
    target.sql(f"UPDATE {DB}.t SET s = 'other' WHERE id = 5", f"DELETE FROM {DB}.t WHERE id = 6", f"DROP TABLE {DB}.log")
    proxy = proxies(source, *to(target.address), "--mirror-allow-writes", "--mirror-report", tmp_path / "report")
    with connect(proxy) as db, db.cursor() as cursor:
        for n in range(4, 9):
            cursor.execute(f"SELECT s FROM t WHERE id = {n}")
        cursor.execute("SELECT n FROM log")
        cursor.execute("UPDATE t SET n = 0 WHERE id = 6")
        cursor.execute("UPDATE t SET n = 0 WHERE id = 7")
    proxy.stop()
    assert [counted(proxy, f"differences.{name}") for name in ("rows", "error", "affected", "order", "session")] == [2, 1, 1, 0, 0], proxy.log
    report = json.loads((tmp_path / "report/report.json").read_text())
    found = {name: of["count"] for name, of in report["classes"].items()}
    assert {name: found.get(name, 0) for name in ("rows", "error", "affected", "order", "session")} == {"rows": 2, "error": 1, "affected": 1, "order": 0, "session": 0}
    assert report["made_by"] == "mirror" and (tmp_path / "report/report.html").exists()
    assert "the mirror's target answered differently" in proxy.log


def test_the_report_is_written_while_the_mirror_runs(servers, proxies, tmp_path):
    source, target = servers
    proxy = proxies(source, *to(target.address), "--mirror-report", tmp_path / "report", "--mirror-report-every", "1s")
    with connect(proxy) as db, db.cursor() as cursor:
        def seen():
            cursor.execute("SELECT COUNT(*) FROM t")
            path = tmp_path / "report/report.json"
            return path.exists() and json.loads(path.read_text())["statements"] > 0
        within(seen, "a report with statements")
    proxy.stop()


# ---------------------------------------------------------------- targets that are slow, dead, restarted, closed

def quick(cursor, times=50):
    """The client's statements, which are never in the mirror's way: none may take as long as a mirror that waits."""
    slowest = 0
    for n in range(times):
        began = time.monotonic()
        cursor.execute("SELECT s FROM t WHERE id = %s", (n % 100,))
        cursor.fetchall()
        slowest = max(slowest, time.monotonic() - began)
    return slowest


def arrives(target, cursor, mark):
    """Until what the client says arrives at the target, whose general log is on."""
    def arrived():
        cursor.execute(f"SELECT '{mark}'")
        # Not this question itself.
        return target.sql(f"SELECT COUNT(*) FROM mysql.general_log WHERE user_host LIKE '{USER}[%' AND argument LIKE '%{mark}%'")[0][0]
    within(arrived, f"{mark} arrives")


def test_a_target_that_stalls_holds_up_nobody(servers, proxies, door):
    source, target = servers
    target.general_log_on()
    proxy = proxies(source, *to(door.address), "--mirror-queue-bytes", 400_000, *SOON)
    with connect(proxy) as db, db.cursor() as cursor:
        arrives(target, cursor, "at first")
        door.stall()
        # Far more than the queue holds. It would never end if it waited: the door stays shut until it is done.
        quick(cursor, 3000)
        proxy.wait_log("not mirrored any more: the target is too slow")
        door.flow()
        arrives(target, cursor, "and again")
    proxy.stop()
    assert counted(proxy, "dropped.behind") >= 1 and counted(proxy, "joined") >= 1
    assert counted(proxy, "queued_bytes") == counted(proxy, "open") == 0
    assert counted(proxy, "differences.rows") == counted(proxy, "differences.error") == 0, proxy.log


def test_a_target_that_dies_and_comes_back(servers, proxies, door):
    source, target = servers
    door.shut()
    proxy = proxies(source, *to(door.address), *SOON)
    target.general_log_on()
    with connect(proxy) as db, db.cursor() as cursor:
        quick(cursor)
        proxy.wait_log("not mirrored any more: the target cannot be reached")
        door.open()
        arrives(target, cursor, "at first")
        door.shut()
        within(lambda: quick(cursor, 5) is not None and "the connection to the target was lost" in proxy.log, "the loss is noticed")
        door.open()
        arrives(target, cursor, "and again")
    proxy.stop()
    assert counted(proxy, "dropped.unreachable") >= 1 and counted(proxy, "dropped.lost") >= 1 and counted(proxy, "joined") >= 2
    assert counted(proxy, "queued_bytes") == counted(proxy, "open") == 0


def test_a_target_that_does_not_let_it_in(servers, proxies):
    source, target = servers
    proxy = proxies(source, *to(target.address, "wrong"))
    with connect(proxy) as db, db.cursor() as cursor:
        quick(cursor)
        proxy.wait_log(r"not mirrored any more: the target does not let it in")
    proxy.stop()
    assert counted(proxy, "dropped.login") == 1 and "1045" in proxy.log and "wrong" not in proxy.log


def test_more_sessions_than_connections(servers, proxies):
    source, target = servers
    proxy = proxies(source, *to(target.address), "--mirror-connections", 3)
    held = [connect(proxy) for _ in range(8)]
    for db in held:
        with db.cursor() as cursor:
            quick(cursor, 3)
    proxy.wait_log("as many connections to the target are open as --mirror-connections allows")
    assert len(target.connections(USER)) <= 3
    for db in held:
        db.close()
    proxy.stop()
    assert counted(proxy, "sessions") == 3 and counted(proxy, "dropped.connections") == 5


def memory(proxy):
    with open(f"/proc/{proxy.process.pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1)) * 1024


@pytest.mark.parametrize("lag", ["drop", "queue"])
def test_sessions_by_the_hundred_leave_nothing_behind(servers, proxies, door, tmp_path, lag):
    source, _ = servers
    queue = ["--mirror-lag", "queue", "--mirror-queue-dir", tmp_path / "queue"] if lag == "queue" else []
    proxy = proxies(source, *to(door.address), "--mirror-queue-bytes", "2MiB", *SOON, *queue)
    begun, sizes = proxy.usage(), []
    for round_ in range(5):
        held = [connect(proxy) for _ in range(40)]
        for number, db in enumerate(held):
            with db.cursor() as cursor:
                quick(cursor, 5)
                if number == 20:
                    # Some of it is lost with its connection, in each round in another way.
                    [door.cut, door.stall, door.flow, door.cut, door.flow][round_]()
                cursor.execute("SELECT REPEAT('x', 100000)")
        door.flow()
        for db in held:
            db.close()
        within(lambda: proxy.usage() == begun, "all connections and files are closed, and no thread is left")
        sizes.append(memory(proxy))
    proxy.stop()
    assert counted(proxy, "sessions") >= 200 and counted(proxy, "open") == counted(proxy, "queued_bytes") == 0
    assert not queue or not list((tmp_path / "queue").iterdir())
    # Buffers of allocators settle in the first rounds.
    assert sizes[-1] < sizes[1] + (32 << 20), sizes


# ---------------------------------------------------------------- on and off

def configured(tmp_path, **settings):
    path = tmp_path / "proxy.toml"
    path.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items()))
    return path


def hang_up(proxy, expect):
    times = len(re.findall(expect, proxy.log))
    proxy.signal(signal.SIGHUP)
    within(lambda: len(re.findall(expect, proxy.log)) > times, expect)


def test_it_is_switched_on_and_off_while_sessions_are_open(servers, proxies, tmp_path):
    source, target = servers
    url = to(target.address)[1]
    target.general_log_on()
    proxy = proxies(source, "--config", configured(tmp_path))
    prepared = mysql.connector.connect(host=proxy.host, port=proxy.port, user="app", password="app-secret", database=DB, ssl_disabled=True, use_pure=True, charset="utf8mb4", collation="utf8mb4_general_ci", autocommit=True)
    statement = prepared.cursor(prepared=True)
    statement.execute("SELECT s /* known */ FROM t WHERE id = %s", (1,))
    statement.fetchall()
    with connect(proxy, autocommit=False) as db, db.cursor() as cursor:
        cursor.execute("SELECT n FROM t WHERE id = 1 /* before */")
        configured(tmp_path, mirror=url)
        hang_up(proxy, r"SIGHUP: the configuration was read again; changed: mirror in \S+proxy.toml")
        # Its transaction had begun before: it is mirrored from the next one on.
        cursor.execute("SELECT 1 /* torn */")
        db.commit()
        cursor.execute("SELECT n FROM t WHERE id = 2 /* after */")
        db.commit()
        statement.execute("SELECT s /* known */ FROM t WHERE id = %s", (2,))
        assert statement.fetchall() == [("row 2",)]
        configured(tmp_path)
        hang_up(proxy, r"SIGHUP: the configuration was read again; changed: --mirror")
        within(lambda: not target.connections(USER), "mirrored sessions are over")
        cursor.execute("SELECT n FROM t WHERE id = 3 /* off */")
        db.commit()
        configured(tmp_path, mirror=url, mirror_skip=["kind=show"])
        hang_up(proxy, r"SIGHUP: the configuration was read again; changed: mirror")
        cursor.execute("SELECT n FROM t WHERE id = 4 /* on */")
    prepared.close()
    proxy.stop()
    texts = [entry.argument for entry in target.general_log_off(USER) if entry.command in ("Query", "Execute")]
    assert [word for text in texts for word in re.findall(r"/\* (before|torn|after|off|on) \*/", text)] == ["after", "on"]
    assert [text for text in texts if "/* known */" in text] == ["SELECT s /* known */ FROM t WHERE id = 2"]
    assert counted(proxy, "torn") == 2 and counted(proxy, "joined") >= 3


def test_what_cannot_change_is_named_and_what_is_wrong_changes_nothing(servers, proxies, tmp_path):
    source, target = servers
    url = to(target.address)[1]
    proxy = proxies(source, "--config", configured(tmp_path, mirror=url))
    with connect(proxy) as db, db.cursor() as cursor:
        quick(cursor, 1)
        hang_up(proxy, "nothing changed that takes effect while the proxy runs")
        configured(tmp_path, mirror=url, workers=3, drain_timeout="7s")
        hang_up(proxy, r"needs a restart to take effect: workers in \S+proxy.toml, line 2, drain_timeout in \S+proxy.toml, line 3")
        for wrong, key in ((dict(mirror="nowhere"), "mirror in .*line 1"), (dict(mirror=url, mirror_sample=7), "mirror_sample in .*line 2"),
                           (dict(mirror=url, mirrors=1), "mirrors"), (dict(mirror=url, mirror_lag="queue"), "mirror_lag.*--mirror-queue-dir")):
            configured(tmp_path, **wrong)
            hang_up(proxy, f"SIGHUP: the configuration is wrong, everything stays as it is: .*{key}")
        (tmp_path / "proxy.toml").unlink()
        hang_up(proxy, "SIGHUP: the configuration is wrong, everything stays as it is: .*proxy.toml")
        quick(cursor, 10)
    proxy.stop()
    assert counted(proxy, "sessions") == 1 and counted(proxy, "commands") >= 11
    assert PASSWORD not in proxy.log


def test_another_content_of_a_file_takes_effect(servers, proxies, tmp_path):
    source, target = servers
    target.general_log_on()
    password, users, file = tmp_path / "password", tmp_path / "users.toml", tmp_path / "of-app"
    password.write_text("not it\n")
    users.write_text('[users.nobody]\npassword = "x"\n')
    settings = dict(mirror=f"mysql://{USER}@{target.address}", mirror_password_file=str(password), mirror_user_map=str(users), mirror_rejoin="0.1s")
    proxy = proxies(source, "--config", configured(tmp_path, **settings))
    with connect(proxy) as db, db.cursor() as cursor:
        cursor.execute("SELECT 1")
        proxy.wait_log("not mirrored any more: the target does not let it in")
        password.write_text(f"{PASSWORD}\n")
        hang_up(proxy, r"the configuration was read again; changed: what is in the file of mirror_password_file in \S+proxy.toml, line 2 ")
        arrives(target, cursor, "with the right password")
        hang_up(proxy, "nothing changed that takes effect while the proxy runs")
        # The map itself stays as it is: it is a file that it names.
        users.write_text(f'[users.app]\nuser = "{USER}"\npassword_file = "of-app"\n')
        file.write_text("not it")
        hang_up(proxy, "changed: what is in the file of mirror_user_map")
        within(lambda: cursor.execute("SELECT 2") and proxy.log.count("does not let it in") >= 2, "the map is used")
        file.write_text(PASSWORD)
        hang_up(proxy, "changed: what is in the file of mirror_user_map")
        arrives(target, cursor, "with the password of the map")
        file.unlink()
        hang_up(proxy, "the configuration is wrong, everything stays as it is: .*of-app")
        arrives(target, cursor, "as before")
    proxy.stop()
    assert PASSWORD not in proxy.log and "not it" not in proxy.log


def test_settings_that_make_no_sense_are_refused_at_the_start(servers):
    source, target = servers
    for options, expected in ((["--mirror", "db:3306"], "--mirror"), ([*to(target.address), "--mirror-lag", "queue"], "--mirror-queue-dir"),
                              ([*to(target.address), "--mirror-password-file", "/nowhere"], "leave one of them out"),
                              (["--mirror", f"mysql://{USER}@{target.address}", "--mirror-password-file", "/nowhere/at/all"], "cannot read /nowhere/at/all"),
                              ([*to(target.address), "--mirror-tls-mode", "verify-ca"], "--mirror-tls-ca"),
                              ([*to(target.address), "--mirror-user-map", "/nowhere"], "/nowhere")):
        done = once("proxy", "--upstream", source.address, "--listen", "127.0.0.1:0", *options)
        assert done.returncode == 2 and expected in done.stderr and PASSWORD not in done.stderr, (options, done.stderr)


# ---------------------------------------------------------------- sessions that wait on the disk

def test_with_a_queue_on_the_disk_everything_arrives_later_in_its_order(servers, proxies, door, tmp_path):
    """Far more than memory may hold, while the target is dead at first and stalls later: both servers have the same rows in the end."""
    source, target = servers
    target.general_log_on()
    folder = tmp_path / "queue"
    (folder / "waiting-0-00000001").mkdir(parents=True)
    door.shut()
    proxy = proxies(source, *to(door.address), "--mirror-allow-writes", "--mirror-lag", "queue", "--mirror-queue-dir", folder,
                    "--mirror-queue-bytes", "2MiB", "--mirror-connections", 20)
    assert "waited in" in proxy.log and not list(folder.iterdir())
    sent = {}

    def session(number):
        sent[number] = []
        with connect(proxy) as db, db.cursor() as cursor:
            for step in range(100):
                sent[number].append(f"/* {number} {step} */")
                cursor.execute(f"UPDATE t SET n = n * 3 % 1000003 + {step}, s = '{'x' * (step % 40)}' WHERE id = {number} /* {number} {step} */")
                cursor.execute(f"SELECT REPEAT('y', {step}), '{'z' * 3000}'")

    def everybody(numbers):
        threads = [threading.Thread(target=session, args=(number,)) for number in numbers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    everybody(range(8))
    proxy.wait_log("the mirror's target cannot be reached: sessions wait in --mirror-queue-dir")
    assert list(folder.iterdir())
    door.open()
    within(lambda: not list(folder.iterdir()), "what waited is done")
    door.stall()
    everybody(range(8, 16))
    within(lambda: list(folder.iterdir()), "what waits")
    door.flow()
    proxy.stop()
    rows = f"SELECT * FROM {DB}.t ORDER BY id"
    assert source.sql(rows) == target.sql(rows)
    by_thread = {}
    for entry in target.general_log_off(USER):
        if found := re.search(r"/\* (\d+) \d+ \*/", entry.argument):
            by_thread.setdefault((entry.thread, int(found.group(1))), []).append(found.group(0))
    assert {number: marks for (_, number), marks in by_thread.items()} == sent and len(by_thread) == len(sent)
    assert "dropped=none" in proxy.log and counted(proxy, "spooled") > 0, proxy.log
    assert counted(proxy, "disk_bytes") == counted(proxy, "queued_bytes") == counted(proxy, "open") == 0, proxy.log
    assert counted(proxy, "differences.rows") == counted(proxy, "differences.affected") == 0, proxy.log
    assert not list(folder.iterdir())


def test_a_queue_on_the_disk_is_bounded(servers, proxies, door, tmp_path):
    source, _ = servers
    door.shut()
    proxy = proxies(source, *to(door.address), "--mirror-lag", "queue", "--mirror-queue-dir", tmp_path / "queue", "--mirror-queue-bytes", 100_000,
                    "--mirror-queue-dir-bytes", 500_000)
    with connect(proxy) as db, db.cursor() as cursor:
        def is_full():
            cursor.execute(f"SELECT '{'z' * 30000}'")
            return "the folder of waiting sessions is full or broken" in proxy.log
        within(is_full, "the folder is full")
    proxy.stop()
    assert counted(proxy, "dropped.disk") >= 1 and counted(proxy, "disk_bytes") == counted(proxy, "queued_bytes") == 0
    assert not list((tmp_path / "queue").iterdir())


def test_a_disk_that_is_full_is_no_concern_of_the_clients(servers, proxies, door, small_disk):
    source, _ = servers
    door.shut()
    proxy = proxies(source, *to(door.address), "--mirror-lag", "queue", "--mirror-queue-dir", small_disk / "queue", "--mirror-queue-bytes", "8MiB")
    with connect(proxy) as db, db.cursor() as cursor:
        def is_full():
            text = "".join(random.Random(time.monotonic()).choices("0123456789abcdefghijklmnopqrstuvwxyz", k=100_000))
            cursor.execute(f"SELECT '{text}'")
            return "cannot be used (--mirror-queue-dir)" in proxy.log
        within(is_full, "the disk is full")
        quick(cursor)
    proxy.stop()
    assert counted(proxy, "disk_bytes") == counted(proxy, "queued_bytes") == 0, proxy.log
