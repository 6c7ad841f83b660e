"""Several players share a topic's sessions; one is killed in the middle of them."""

import collections
import json
import os
import re
import signal
import subprocess
import time

import confluent_kafka
import pytest

from harness import PATIENCE, within
from harness.kafka import Topic
from harness.packets import Decoded, Dump
from harness.proxy import binary, environment

DB = "players"
AUTOCOMMIT = 2


def command(sql, affected=1):
    return {"command": {"command": 3, "sql": sql, "duration_ns": 1_000_000,
                        "results": [{"ok": {"affected_rows": affected, "last_insert_id": 0}, "status": AUTOCOMMIT, "warnings": 0}]}}


class Recorded:
    """A topic with sessions as `proxy --record kafka:` writes them (docs/recordings.md has the fields)."""

    def __init__(self, kafka, name, partitions, sessions, statements, apart_ms):
        self.topic = Topic(kafka.bootstrap, name, partitions)
        self.sessions, self.statements = sessions, statements
        # As the proxy's own: what a broker refuses at first and takes when it is sent again does not come after what followed it.
        producer = confluent_kafka.Producer({"bootstrap.servers": kafka.bootstrap, "partitioner": "murmur2_random", "enable.idempotence": True})
        refused = []
        start = 1_795_785_401_000
        about = {"recorder": 7, "program": "test", "source": "proxy", "started_ms": start, "server": "db:3306", "server_version": None,
                 "gtid_set": None, "redacted": False, "lacks": []}
        records = []
        for session in range(sessions):
            key = f"{7 << 32 | session:016x}"

            def add(at_ms, event, number, **more):
                records.append((at_ms, key, {"v": 1, "session": key, "number": number, "started_ns": at_ms * 1_000_000,
                                             "epoch_ms": start + at_ms, **more, "event": event}))

            first = session * 40
            add(first, {"begin": {"user": "app", "database": DB, "settings": {"client_charset": "utf8mb4"}}}, 0, recording=about)
            for number in range(1, statements + 1):
                add(first + number * apart_ms, command(f"INSERT INTO t VALUES ({session}, {number})"), number)
            add(first + (statements + 1) * apart_ms, {"end": "quit"}, statements + 1)
        for _, key, record in sorted(records, key=lambda entry: entry[0]):
            producer.produce(name, key=key, value=json.dumps(record), on_delivery=lambda error, _: refused.append(error) if error else None)
        assert producer.flush(PATIENCE) == 0 and not refused, refused


class Player:
    def __init__(self, folder, server, recorded, group, *options):
        folder.mkdir()
        self.folder, self.report = folder, folder / "report"
        self.log_path = folder / "log"
        topic = f"kafka:{recorded.topic.name}"
        # Both spellings, in turn.
        named = [topic] if folder.name.endswith("0") else ["--from", topic]
        words = [binary(), "replay", *named, "--group", group, "--kafka-bootstrap-servers", recorded.topic.bootstrap,
                 "--target", f"mysql://app:app-secret@{server.address}", "--allow-writes", "--report", self.report, *options]
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([str(word) for word in words], stdout=log, stderr=log, env=environment())

    @property
    def log(self):
        return re.sub(r"\x1b\[[0-9;]*m", "", self.log_path.read_text(errors="replace"))

    def end(self):
        code = self.process.wait(PATIENCE)
        assert code == 0, f"{code}: {self.log}"
        return json.loads((self.report / "report.json").read_text())

    def note(self, words):
        """The number in front of these words among the report's notes; 0 if they are not there."""
        found = re.search(rf"(\d+) {words}", self.log)
        return int(found[1]) if found else 0

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def players(tmp_path, mysql):
    mysql.fresh_databases(DB)
    mysql.sql("GRANT ALL ON *.* TO 'app'@'%'", f"CREATE TABLE {DB}.t (session INT, number INT)")
    started = []

    def start(*words, **more):
        started.append(Player(tmp_path / f"player{len(started)}", mysql, *words, **more))
        return started[-1]

    yield start
    for player in started:
        player.kill()
        assert "panicked" not in player.log, player.log


def played(server):
    """What each connection of the target's log did, in order: the session, and its statements' numbers; nothing of one that did none of them."""
    connections = collections.defaultdict(list)
    for entry in server.general_log_off("app"):
        connections[entry.thread] += []
        found = re.fullmatch(r"INSERT INTO t VALUES \((\d+), (\d+)\)", entry.argument)
        if found and entry.command == "Query":
            connections[entry.thread].append((int(found[1]), int(found[2])))
    return connections


def runs_of(connections):
    """Of each session the connections that played it, each as the numbers of its statements."""
    runs = collections.defaultdict(list)
    for _, statements in sorted((thread, statements) for thread, statements in connections.items() if statements):
        sessions = {session for session, _ in statements}
        assert len(sessions) == 1
        runs[sessions.pop()].append([number for _, number in statements])
    return runs


def test_two_players_share_the_sessions_and_one_is_killed(mysql, kafka, players, tmp_path):
    recorded = Recorded(kafka, f"REC_{os.getpid()}_{time.monotonic_ns()}", 6, sessions=60, statements=20, apart_ms=250)
    group = f"g{time.monotonic_ns()}"
    mysql.general_log_on()
    first, second = players(recorded, group), players(recorded, group)
    count = lambda: mysql.sql(f"SELECT COUNT(*) FROM {DB}.t")[0][0]
    # Both are at it, and sessions of both are in their middle.
    within(lambda: count() > 300, "statements were played")
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    report = second.end()
    whole = list(range(1, 21))
    connections = played(mysql)
    # Sessions that were killed before their first statement are begun again, too; players look at the target beforehand.
    without = sum(not statements for statements in connections.values())
    runs = runs_of(connections)
    assert set(runs) == set(range(60))
    again = 0
    for session, parts in runs.items():
        assert parts[-1] == whole, f"session {session}: {parts}, {count()} rows\n{first.log}\n{second.log}"
        # Once, or begun again from its start: what came before is a part of it, from its start too.
        for part in parts[:-1]:
            assert part == whole[:len(part)] and len(part) <= 20
        again += len(parts) > 1
    assert again > 0
    # What the player that was killed did in its last moments, nobody was told: at most the first statements of sessions.
    parts = sorted((part for all_parts in runs.values() for part in all_parts[:-1]), key=len)
    untold = again - second.note("sessions were begun again")
    assert -without <= untold < again and all(len(part) <= 2 for part in parts[:max(untold, 0)]), second.log
    # What the target had done of them before is what was done twice.
    assert count() == 60 * 20 + sum(map(len, parts))
    assert second.note("writes of these may have been committed") >= sum(map(len, parts[max(untold, 0):]))
    assert report["statements"] >= 20 * again


def test_players_that_end_in_peace_play_everything_once(mysql, kafka, players):
    recorded = Recorded(kafka, f"REC_{os.getpid()}_{time.monotonic_ns()}", 6, sessions=40, statements=5, apart_ms=20)
    group = f"g{time.monotonic_ns()}"
    mysql.general_log_on()
    all_players = [players(recorded, group) for _ in range(2)]
    sessions = [player.end()["sessions"] for player in all_players]
    assert sum(sessions) == 40 and min(sessions) > 0, sessions
    assert runs_of(played(mysql)) == {session: [list(range(1, 6))] for session in range(40)}
    # A group plays a topic once.
    late = players(recorded, group)
    assert late.end()["sessions"] == 0
    assert mysql.sql(f"SELECT COUNT(*) FROM {DB}.t")[0][0] == 200


def test_a_proxy_records_into_a_topic_and_a_player_does_it_again(mysql, kafka, players, proxies):
    topic = Topic(kafka.bootstrap, f"REC_{os.getpid()}_{time.monotonic_ns()}", 3)
    proxy = proxies(mysql, "--record", f"kafka:{topic.name}", "--kafka-bootstrap-servers", kafka.bootstrap)
    sent = []
    for number in range(5):
        with proxy.connect(database=DB) as db, db.cursor() as cursor:
            for row in range(20):
                cursor.execute("INSERT INTO t VALUES (%s, %s)", (number, row))
                sent.append((number, row))
            cursor.execute("UPDATE t SET number = number + 100 WHERE session = %s AND number < 5", [number])
            assert cursor.execute("SELECT * FROM t WHERE session = %s", [number]) == 20
    proxy.stop()
    assert f"records in topic {topic.name}" in proxy.log, proxy.log
    rows = mysql.sql(f"SELECT * FROM {DB}.t ORDER BY session, number")
    mysql.sql(f"TRUNCATE {DB}.t")
    report = players(type("Recorded", (), {"topic": topic})(), f"g{time.monotonic_ns()}").end()
    assert mysql.sql(f"SELECT * FROM {DB}.t ORDER BY session, number") == rows and len(rows) == 100
    # A busy machine is slow now and then; nothing else differs.
    assert report["sessions"] == 5 and set(report["classes"]) <= {"time"} and not report["skipped"], report


def test_what_is_no_recording_is_refused(mysql, kafka, players):
    topic = Topic(kafka.bootstrap, f"NONE_{os.getpid()}_{time.monotonic_ns()}", 1)
    empty = players(type("Recorded", (), {"topic": topic})(), "g")
    assert empty.process.wait(PATIENCE) == 1 and "there is no recording in it yet" in empty.log, empty.log


def test_a_capture_is_decoded_into_a_topic_and_a_player_does_it_again(mysql, kafka, players, tmp_path):
    topic = Topic(kafka.bootstrap, f"REC_{os.getpid()}_{time.monotonic_ns()}", 3)
    dump = Dump(tmp_path / "capture.pcap", mysql.port)
    try:
        for session in range(4):
            # Without TLS: the packets are all that there is.
            with mysql.connect(database=DB) as db, db.cursor() as cursor:
                for number in range(10):
                    cursor.execute("INSERT INTO t VALUES (%s, %s)", (session, number))
        capture = dump.stop()
    finally:
        dump.kill()
    decoded = Decoded(capture, tmp_path / "decoded", "--port", str(mysql.port), "--record", f"kafka:{topic.name}",
                      "--kafka-bootstrap-servers", kafka.bootstrap, sinks=False)
    assert "recorded" in decoded.log
    rows = mysql.sql(f"SELECT session, number FROM {DB}.t ORDER BY 1, 2")
    assert len(rows) == 40
    mysql.sql(f"DELETE FROM {DB}.t")
    report = players(type("Recorded", (), {"topic": topic})(), f"g{time.monotonic_ns()}").end()
    assert report["sessions"] == 4
    assert mysql.sql(f"SELECT session, number FROM {DB}.t ORDER BY 1, 2") == rows
