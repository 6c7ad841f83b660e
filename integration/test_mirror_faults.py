"""What happens to the mirror's target, and what a client notices of it: nothing. Also what is left of it afterwards: nothing."""

import json
import os
import random
import re
import signal
import threading

import pytest
from harness import within, wire
from harness.door import Door
from harness.mirror import counted
from harness.random_client import PROCEDURE, TABLE, Client
from harness.servers import SqlServer
from harness.wire import Raw

DB, USER, PASSWORD = "faults", "faults", "faults-secret"
SOON = ["--mirror-rejoin", "0.1s"]


def prepare(server):
    server.fresh_databases(DB)
    server.fresh_user(USER, PASSWORD)
    server.sql(f"USE {DB}", TABLE, PROCEDURE, "CREATE TABLE counted (id INT PRIMARY KEY, n INT)", "INSERT INTO counted VALUES (0, 0), (1, 0), (2, 0), (3, 0)")
    with server.connect(user=USER, password=PASSWORD, database=DB):
        pass  # its password is in caching_sha2_password's cache from here on


def to(address, password=PASSWORD):
    return ["--mirror", f"mysql://{USER}:{password}@{address}"]


def connect(proxy, **more):
    return proxy.connect(**{"user": USER, "password": PASSWORD, "database": DB, **more})


# ---------------------------------------------------------------- what a client is sent

class Hearing(Raw):
    """Keeps what it is sent, but for what differs each time: uptimes and the random numbers of a login."""

    def __init__(self, *args):
        super().__init__(*args)
        self.heard = []

    def packet(self):
        payload = super().packet()
        if not payload.startswith(b"Uptime") and b"_password\0" not in payload:
            self.heard.append(payload)
        return payload


def heard(source, proxy):
    source.sql(f"USE {DB}", "TRUNCATE t", "INSERT INTO t (v) VALUES ('one'), ('two')")
    with Hearing(proxy.host, proxy.port) as raw:
        raw.login(USER, PASSWORD, DB, wire.BASIC | wire.LOCAL_FILES)
        raw.heard.clear()
        Client(random.Random("bytes"), raw, (USER, PASSWORD), DB).live(80)
        return raw.heard


def test_a_client_is_sent_the_same_whatever_the_target_does(servers, proxies, door):
    source, target = servers
    expected = heard(source, proxies(source))
    assert len(expected) > 200
    for state in ("flow", "stall", "shut"):
        getattr(door, state)()
        proxy = proxies(source, *to(door.address), "--mirror-allow-writes", *SOON)
        assert heard(source, proxy) == expected, state
        door.flow()
        proxy.stop()
        assert counted(proxy, "sessions" if state != "shut" else "dropped.unreachable") >= 1, proxy.log


# ---------------------------------------------------------------- targets that fail

def test_a_target_that_breaks_off_within_a_result(servers, proxies, door):
    source, target = servers
    target.general_log_on()
    proxy = proxies(source, *to(door.address), *SOON)
    with connect(proxy) as db, db.cursor() as cursor:
        cursor.execute("SELECT 1")
        door.break_after = 300_000
        cursor.execute("SELECT REPEAT('x', 1000000)")
        assert len(cursor.fetchone()[0]) == 1000000
        proxy.wait_log("not mirrored any more: the connection to the target was lost")
        door.break_after = None

        def arrived():
            cursor.execute("SELECT 'back again'")
            return target.sql("SELECT COUNT(*) FROM mysql.general_log WHERE argument = 'SELECT ''back again'''")[0][0]
        within(arrived, "it is mirrored again")
    proxy.stop()
    assert counted(proxy, "dropped.lost") == 1 and counted(proxy, "joined") >= 1
    assert counted(proxy, "queued_bytes") == counted(proxy, "open") == counted(proxy, "differences.rows") == 0, proxy.log


def test_a_database_that_is_missing(servers, proxies, tmp_path):
    source, target = servers
    target.sql(f"DROP DATABASE {DB}")
    proxy = proxies(source, *to(target.address), "--mirror-report", tmp_path / "report")
    with connect(proxy) as db, db.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM counted")
        assert cursor.fetchone() == (4,)
        proxy.wait_log("not mirrored any more: the target does not let it in")
    proxy.stop()
    assert counted(proxy, "dropped.login") == 1 and re.search(rf"1049.*Unknown database '{DB}'", proxy.log)
    assert json.loads((tmp_path / "report/report.json").read_text())["classes"]["session"]["count"] == 1


@pytest.mark.parametrize("lag", ["drop", "queue"])
def test_a_target_that_is_killed_and_started_again_under_load(servers, proxies, tmp_path, lag):
    source, _ = servers
    target = SqlServer("mariadb", tmp_path / "target")
    try:
        prepare(target)
        door = Door(target.address)
        queue = ["--mirror-lag", "queue", "--mirror-queue-dir", tmp_path / "queue"] if lag == "queue" else []
        proxy = proxies(source, *to(door.address), "--mirror-allow-writes", *SOON, *queue)
        counts, is_over = [0] * 4, threading.Event()

        def work(number):
            with connect(proxy) as db, db.cursor() as cursor:
                while not is_over.is_set():
                    cursor.execute(f"UPDATE counted SET n = n + 1 WHERE id = {number}")
                    counts[number] += 1
                    is_over.wait(0.002)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        mirrored = lambda: [n for n, in target.sql(f"SELECT n FROM {DB}.counted ORDER BY id")]
        within(lambda: min(mirrored()) > 5, "what is mirrored at first")
        os.kill(target.pid, signal.SIGKILL)
        proxy.wait_log("not mirrored any more: the connection to the target was lost")
        before = list(counts)
        within(lambda: min(now - then for now, then in zip(counts, before)) > 20, "clients go on")
        target.start()
        door.to = target.address
        at_start = mirrored()
        within(lambda: min(now - then for now, then in zip(mirrored(), at_start)) > 5, "what is mirrored afterwards")
        is_over.set()
        for thread in threads:
            thread.join()
        proxy.stop()
        assert source.sql(f"SELECT n FROM {DB}.counted ORDER BY id") == tuple((count,) for count in counts)
        assert counted(proxy, "dropped.lost") >= 4 and counted(proxy, "joined") >= 4, proxy.log
        assert counted(proxy, "queued_bytes") == counted(proxy, "disk_bytes") == counted(proxy, "open") == 0, proxy.log
        assert not queue or not list((tmp_path / "queue").iterdir())
    finally:
        target.stop()


# ---------------------------------------------------------------- what is left

def test_switching_on_and_off_leaves_nothing_behind(servers, proxies, tmp_path):
    source, target = servers
    path = tmp_path / "proxy.toml"
    path.write_text("")
    proxy = proxies(source, "--config", path)
    with connect(proxy) as db, db.cursor() as cursor:
        def switch(text):
            times = proxy.log.count("the configuration was read again")
            path.write_text(text)
            proxy.signal(signal.SIGHUP)
            within(lambda: proxy.log.count("the configuration was read again") > times, "it is switched")
            for _ in range(20):
                cursor.execute("SELECT COUNT(*) FROM counted")

        begun = proxy.usage()
        for number in range(10):
            more = f'mirror_lag = "queue"\nmirror_queue_dir = "{tmp_path}/queue"\n' if number % 2 else ""
            switch(f'mirror = "mysql://{USER}:{PASSWORD}@{target.address}"\n{more}')
            switch("")
        within(lambda: proxy.usage() == begun, "files and threads are what they were")
    proxy.stop()
    assert counted(proxy, "sessions") >= 10 and counted(proxy, "commands") >= 100 and "dropped=none" in proxy.log, proxy.log
    assert not list((tmp_path / "queue").iterdir())
