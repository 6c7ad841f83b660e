"""Markers of `binlog` and `verify`: runs are held against each other, and each fault that is planted is found as what it is."""

import json
import os
import pathlib
import threading
import time

import confluent_kafka
import pymysql
import pytest
from harness import PATIENCE, within
from harness.binlog import at, execute, identity, numbers, position
from harness.kafka import Topic, headers
from harness.proxy import once
from test_verify import found, keys, produced, reach, records, remove, swap, verify  # noqa: F401 (`keys` is a fixture)

DB = "binlog_verify"
MARKERS = ["--markers", "300ms"]


@pytest.fixture
def t(db, session):
    """A table `t`; the value is the position after its creation."""
    session.execute("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v INT)")
    return position(db)


@pytest.fixture
def read(db, t, binlogs, tmp_path, keys):
    """Reads what there is now into one file, with signed markers."""
    file = tmp_path / "rows.ndjson"

    def read(*options, place=at(t), markers=MARKERS, until=("--until", "now"), **more):
        start = [] if place is None else ["--from", place]
        return binlogs(*start, *until, *markers, "--sign-key", keys[0], "--include", f"{DB}.*", *options, server=db,
                       sinks=[f"ndjson:{file}"], **more)

    read.file, read.sidecar = file, pathlib.Path(f"{file}.audit")
    return read


def complete(report, streams, **counts):
    assert report["complete"] and report["proven"] + counts.pop("unclaimed", 0) == report["messages"], report
    assert report["streams"] == streams and not report["findings"], report
    for name, count in counts.items():
        assert report[name] == count, (name, report)


def test_a_run_is_complete(db, session, t, read, keys):
    numbers(session, *range(50))
    session.execute("UPDATE t SET v = v + 1")
    read().finish()
    code, [report] = verify(read.file, key=keys[1])
    assert code == 0, report
    complete(report, 1, messages=100, instances=1, redelivered=0, readAgain=0)
    told = records(read.sidecar)
    assert [record["n"] for record in told] == list(range(1, len(told) + 1))
    assert [record["event"] for record in told if record["event"] not in ("marker", "file_finished")] == [
        "instance_started", "stream_opened", "stream_closed", "instance_stopped"]
    opened = next(record for record in told if record["event"] == "stream_opened")
    assert opened["begins"] == "asked" and (opened["position"]["file"], opened["position"]["offset"]) == t and opened["position"]["server"]
    last = [record for record in told if record["event"] == "marker"][-1]
    # Everything to the end is delivered, what was of no interest too.
    end = position(db)
    assert (last["position"]["file"], last["position"]["offset"]) == end and last["totals"]["rows"] == last["totals"]["delivered"] == 100
    text = once("verify", str(read.file))
    assert text.returncode == 0 and ": complete: 100 messages of 1 runs, 100 proven" in text.stdout


def test_a_run_goes_on_where_the_one_before_has_ended(db, session, read, keys, tmp_path):
    options = ["--checkpoint", tmp_path / "checkpoint"]
    numbers(session, 1, 2, 3)
    read(*options).finish()
    numbers(session, 4, 5)
    read(*options, place=None).finish()
    # Nothing to do is a run, too.
    read(*options, place=None).finish()
    code, [report] = verify(read.file, key=keys[1])
    assert code == 0, report
    complete(report, 3, messages=5, seamless=2, overlapping=0, readAgain=0)


def test_rows_between_two_runs_are_missing(db, session, t, read, keys):
    numbers(session, 1, 2, 3)
    read().finish()
    numbers(session, 4)
    later = position(db)
    numbers(session, 5)
    read(place=at(later)).finish()
    code, [report] = verify(read.file, key=keys[1])
    assert code == 1 and [finding["kind"] for finding in report["findings"]] == ["gap"], report
    assert f"it begins at {at(later)}" in report["findings"][0]["text"]
    # It is no matter of time: even --allow-unproven makes it no success.
    assert verify(read.file, key=keys[1], options=["--allow-unproven"])[0] == 1


def test_rows_that_are_read_again_are_counted_and_must_be_the_same(db, session, t, read, keys):
    numbers(session, *range(10))
    middle = position(db)
    numbers(session, *range(10, 30))
    read().finish()
    numbers(session, 30)
    read(place=at(middle)).finish()
    code, [report] = verify(read.file, key=keys[1])
    assert code == 0, report
    complete(report, 2, messages=51, overlapping=1, seamless=0, readAgain=20)
    # Other settings make other messages of the same rows.
    read("--drop-columns", "v", place=at(middle)).finish()
    code, [report] = verify(read.file, key=keys[1])
    assert code == 1 and {finding["kind"] for finding in report["findings"]} == {"conflict"} and len(report["findings"]) == 21, report


def edit(lines, n):
    lines[n] = lines[n].replace(b'"v":', b'"w":')


@pytest.mark.parametrize("fault, kind", [(edit, "edited"), (remove, "removed"), (swap, "swapped")])
def test_a_fault_in_a_file(db, session, t, read, keys, fault, kind):
    numbers(session, *range(40))
    read().finish()
    # Half of the rows are there again, which covers up nothing.
    middle = json.loads(read.file.read_bytes().splitlines()[20])["position"]
    read(place=f"{middle['file']}:{t[1]}").finish()
    lines = read.file.read_bytes().splitlines(keepends=True)
    fault(lines, 25)
    read.file.write_bytes(b"".join(lines))
    code, [report] = verify(read.file, key=keys[1])
    place = 26 + (kind == "swapped")
    assert code == 1 and found(report) == [(kind, 1, place, place)], report


def test_the_end_of_a_run_that_was_taken_away_shows_in_the_next_one(db, session, t, read, keys, tmp_path):
    """Its last rows, with the markers over them: the next run has begun where these say that it was."""
    options = ["--checkpoint", tmp_path / "checkpoint"]
    numbers(session, *range(20))
    read(*options).finish()
    numbers(session, *range(20, 25))
    read(*options, place=None).finish()
    whole = read.sidecar.read_text().splitlines(keepends=True)
    told = [json.loads(line) for line in whole]
    second = next(n for n, line in enumerate(told) if line.get("event") == "instance_started" and n > 0)
    kept = [line for line, what in zip(whole[:second], told) if what.get("event") not in ("marker", "file_finished", "stream_closed", "instance_stopped")
            and what.get("seq", 0) <= 10]
    read.sidecar.write_text("".join(kept + whole[second:]))
    lines = read.file.read_bytes().splitlines(keepends=True)
    read.file.write_bytes(b"".join(lines[:10] + lines[20:]))
    code, [report] = verify(read.file, key=keys[1])
    assert code == 1 and "gap" in {finding["kind"] for finding in report["findings"]}, report


def test_kills_under_load_leave_no_gap(db, session, t, read, keys, tmp_path):
    """The checkpoint does not pass the last marker: what a killed run has delivered after that is read again, and proven then."""
    options = ["--checkpoint", tmp_path / "checkpoint"]
    over = threading.Event()

    def work():
        with db.root(database=DB) as cursor:
            while not over.is_set():
                cursor.execute("INSERT INTO t (v) VALUES (1), (2)")

    def place():
        return None if (tmp_path / "checkpoint").exists() else at(t)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for number in range(4):
            run = read(*options, place=place(), until=())
            before = read.sidecar.stat().st_size if read.sidecar.exists() else 0
            within(lambda: read.sidecar.exists() and b'"event":"marker"' in read.sidecar.read_bytes()[before:], "a marker")
            time.sleep(0.5 + 0.53 * number)
            run.kill()
    finally:
        over.set()
        worker.join()
    read(*options, place=place()).finish()
    code, [report] = verify(read.file, key=keys[1])
    assert code == 0 and report["complete"], json.dumps({**report, "findings": report["findings"][:8]}, indent=1)
    assert report["streams"] == 5 and report["seamless"] + report["overlapping"] == 4
    lines = [json.loads(line) for line in read.file.read_bytes().splitlines()]
    rows = {identity(row) for row in lines if row["type"] == "insert"}
    assert len(rows) == db.sql(f"SELECT COUNT(*) FROM {DB}.t")[0][0]
    assert report["readAgain"] == len(lines) - len(rows)


# --- Kafka ---

@pytest.fixture
def topics(kafka):
    """A template of topics, and those that it makes of the tables a and b; each has several partitions."""
    name = f"VB_{os.getpid()}_{time.monotonic_ns()}"
    made = [Topic(kafka.bootstrap, f"{name}.{table}", 3) for table in ("a", "b")]
    Topic(kafka.bootstrap, f"{name}.table_MARKERS", 1)
    return f"{name}.{{table}}", *made


@pytest.fixture
def tables(db, session):
    execute(session, *(f"CREATE TABLE {name} (id INT PRIMARY KEY, v INT)" for name in "ab"))
    place = position(db)
    for n in range(60):
        session.execute(f"INSERT INTO {'aab'[n % 3]} VALUES ({n}, 0)")
    return place


def into(kafka, template, place, keys, *options):
    start = [] if place is None else ["--from", at(place)]
    return [*start, "--until", "now", *MARKERS, "--sign-key", keys[0], "--include", f"{DB}.*", "--kafka-bootstrap-servers", kafka.bootstrap,
            "--kafka-topic", template, *options]


def test_a_topic_for_each_table(db, session, kafka, topics, tables, binlogs, keys):
    template, a, b = topics
    binlogs(*into(kafka, template, tables, keys), server=db, sinks=["kafka"]).finish()
    source, env = f"kafka:{template}", reach(kafka)
    code, [report] = verify(source, key=keys[1], env=env)
    assert code == 0, report
    complete(report, 1, messages=60, sessions=2)
    messages = a.read(40)
    said = headers(messages[0])
    assert {"instance", "session", "seq", "previous", "hash", "proxy"} == set(said)
    # The numbers of each topic have no gap.
    for topic, count in ((a, 40), (b, 20)):
        assert sorted(int(headers(record)["seq"]) for record in topic.read(count)) == list(range(1, count + 1))
    # The same again is a redelivery, counted; the same number with another content is not.
    produced(kafka, a, messages[7])
    code, [report] = verify(source, key=keys[1], env=env)
    assert (code, report["redelivered"]) == (0, 1), report
    produced(kafka, a, messages[9], value=messages[9].value().replace(b'"v":0', b'"v":1'))
    place = headers(messages[9])
    code, [report] = verify(source, key=keys[1], env=env)
    assert code == 1 and found(report) == [("conflict", int(place["session"]), int(place["seq"]), int(place["seq"]))], report


def test_a_row_that_is_missing_from_a_topic(db, kafka, topics, tables, binlogs, keys):
    """What is copied to new topics of the same names without one row, as nobody can take a row out of a topic."""
    template, a, b = topics
    binlogs(*into(kafka, template, tables, keys), server=db, sinks=["kafka"]).finish()
    messages = a.read(40)
    a.delete()
    within(lambda: a.name not in a.admin.list_topics(timeout=PATIENCE).topics, "the topic is gone")
    again = Topic(kafka.bootstrap, a.name, 3)
    gone, *rest = sorted(messages, key=lambda record: int(headers(record)["seq"]))[20:21] + messages
    [produced(kafka, again, record) for record in rest if headers(record)["seq"] != headers(gone)["seq"]]
    code, [report] = verify(f"kafka:{template}", key=keys[1], env=reach(kafka))
    place = headers(gone)
    assert code == 1 and found(report) == [("removed", int(place["session"]), 21, 21)], report


def test_retention_of_a_topic(db, kafka, topics, tables, binlogs, keys):
    template, a, b = topics
    binlogs(*into(kafka, template, tables, keys), server=db, sinks=["kafka"]).finish()
    part = max(range(3), key=lambda n: sum(record.partition() == n for record in a.read(40)))
    [gone] = a.admin.delete_records([confluent_kafka.TopicPartition(a.name, part, 5)]).values()
    gone.result(PATIENCE)
    code, [report] = verify(f"kafka:{template}", key=keys[1], env=reach(kafka))
    assert code == 0 and report["expired"] == 5 and {kind for kind, *_ in found(report)} == {"expired"}, report


@pytest.mark.parametrize("form", ["debezium", "maxwell"])
def test_other_forms(db, session, kafka, binlogs, tables, keys, form):
    """Tombstones have hashes, too."""
    topic = Topic(kafka.bootstrap, f"VB_{os.getpid()}_{time.monotonic_ns()}", 3)
    Topic(kafka.bootstrap, f"{topic.name}_MARKERS", 1)
    session.execute("DELETE FROM a")
    options = ["--format", form, "--kafka-transaction-topic", f"{topic.name}_TX"]
    binlogs(*into(kafka, topic.name, tables, keys, *options), server=db, sinks=["kafka"]).finish()
    code, [report] = verify(f"kafka:{topic.name}", key=keys[1], env=reach(kafka))
    assert code == 0, report
    complete(report, 1, sessions=2)
    assert report["messages"] > 100


def test_exactly_once(db, session, kafka, topics, tables, binlogs, keys):
    """What is committed with a checkpoint after the last marker is in no marker when the process is killed; an orderly end leaves nothing."""
    template, a, b = topics
    name = f"{template.split('.')[0]}_tx"
    options = ["--exactly-once", "--kafka-transactional-id", name, "--kafka-checkpoint-topic", f"{name}_CP"]
    binlogs(*into(kafka, template, tables, keys, *options), server=db, sinks=["kafka"]).finish()
    session.execute("UPDATE a SET v = 1")
    binlogs(*into(kafka, template, None, keys, *options), server=db, sinks=["kafka"]).finish()
    code, [report] = verify(f"kafka:{template}", key=keys[1], env=reach(kafka))
    assert code == 0, report
    complete(report, 2, messages=100, seamless=1, readAgain=0)
    options += ["--markers", "1h"]
    killed = binlogs(*[option for option in into(kafka, template, None, keys) if option not in ("--until", "now", *MARKERS)], *options, server=db,
                     sinks=["kafka"])
    session.execute("UPDATE b SET v = 2")
    within(lambda: len(b.read(20)) == 40, "the rows are committed")
    killed.kill()
    session.execute("UPDATE a SET v = 3")
    binlogs(*into(kafka, template, None, keys, *options[:-2]), server=db, sinks=["kafka"]).finish()
    code, [report] = verify(f"kafka:{template}", key=keys[1], env=reach(kafka))
    assert code == 1 and {finding["kind"] for finding in report["findings"]} == {"unproven"}, report
    assert report["messages"] == 160 and report["proven"] == 140
    assert verify(f"kafka:{template}", key=keys[1], env=reach(kafka), options=["--allow-unproven"])[0] == 0


def test_what_cannot_be(db, tmp_path):
    def refused(*options):
        ended = once("binlog", "--source", f"mysql://app@{db.address}", *map(str, options), env={"MYSQL_PWD": "app-secret"})
        assert ended.returncode == 2, ended
        return ended.stderr

    assert "--markers: " in refused("--markers", "10s")
    assert "--markers: " in refused("--markers", "10s", "--sink", f"parquet:{tmp_path}/p")
    assert "--sign-key" in refused("--sign-key", tmp_path / "key", "--sink", f"ndjson:{tmp_path}/f")
    assert "expected 100ms or more" in refused("--markers", "1ms", "--sink", f"ndjson:{tmp_path}/f")
