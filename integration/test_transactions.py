"""Messages wait for their transaction's end: in memory, on the disk, at a disk that is full, and however the end comes."""

import re
import signal
import socket
import struct

import confluent_kafka
import pymysql
import pytest

from harness import within
from harness.proxy import FIELDS, once

OUTCOME_UNKNOWN = 1 << 19
TINY = ["--buffer-messages", 20, "--buffer-bytes", "20KiB"]


@pytest.fixture
def table(server):
    """A table without rows, on each server."""
    server.sql("DROP TABLE IF EXISTS test.held", "CREATE TABLE test.held (id INT PRIMARY KEY, v LONGTEXT)")
    return server


def execute(cursor, *statements):
    for statement in statements:
        cursor.execute(statement)


def insert(*ids):
    return [f"INSERT INTO held (id, v) VALUES ({number}, 'v')" for number in ids]


def inserted(messages):
    """The ids that messages insert, in their order."""
    found = [re.match(r"INSERT INTO held \(id, v\) VALUES \((\d+)", message["sql"] or "") for message in messages]
    return [int(match.group(1)) for match in found if match]


def ids(server):
    return [row[0] for row in server.sql("SELECT id FROM test.held ORDER BY id")]


def unknown(message):
    return bool(message["iFlags"] & OUTCOME_UNKNOWN)


def reset(db):
    """Ends a client's connection as its death by SIGKILL may: with an RST."""
    db._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    db._force_close()


def peak(proxy):
    """The most memory it ever had, in MiB."""
    with open(f"/proc/{proxy.process.pid}/status", encoding="utf-8") as status:
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read()).group(1)) / 1024


def test_what_is_committed_comes_and_what_is_rolled_back_does_not(table, proxies):
    proxy = proxies(table)
    with proxy.connect() as db, db.cursor() as cursor:
        execute(cursor, "BEGIN", *insert(1, 2))
        with pytest.raises(pymysql.err.IntegrityError):
            cursor.execute(insert(1)[0])
        # It failed: nothing takes it back. What came before it waits.
        failed = proxy.messages.wait(1, lambda message: message["errorMessage"])
        assert "1062" in failed[0]["errorMessage"] and inserted(proxy.messages.all()) == [1]
        execute(cursor, "SAVEPOINT s", *insert(3), "ROLLBACK TO s", *insert(4), "COMMIT")
        proxy.messages.wait(4, lambda message: inserted([message]))
        execute(cursor, "BEGIN", *insert(5), "ROLLBACK", *insert(6))
        proxy.messages.wait(5, lambda message: inserted([message]))
    proxy.stop()
    good = proxy.messages.all(lambda message: not message["errorMessage"])
    assert inserted(good) == [1, 2, 4, 6] == ids(table)
    assert not any(map(unknown, proxy.messages.all())) and all(list(message) == FIELDS for message in good)
    # Their counts are those of the statements, not of the publication.
    assert [message["executionCount"] for message in good] == sorted(message["executionCount"] for message in good)
    assert proxy.counter("rolled_back") >= 2 and proxy.counter("held") == proxy.counter("held_bytes") == 0


def test_without_buffering_each_comes_when_its_statement_ends(table, proxies):
    proxy = proxies(table, env={"INTERCEPTOR_BUFFER_UNTIL_COMMIT": "false"})
    with proxy.connect() as db, db.cursor() as cursor:
        execute(cursor, "BEGIN", *insert(1))
        proxy.messages.wait(1, lambda message: inserted([message]))
        cursor.execute("ROLLBACK")
    proxy.stop()
    assert ids(table) == [] and proxy.counter("rolled_back") == 0


@pytest.mark.parametrize("sink", ["ndjson", "stdout", "pretty", "kafka"])
def test_every_sink(mysql, proxies, tmp_path, sink, request):
    mysql.sql("DROP TABLE IF EXISTS test.held", "CREATE TABLE test.held (id INT PRIMARY KEY, v LONGTEXT)")
    more = {"ndjson": {}, "stdout": {"sinks": ["stdout"]}, "pretty": {"sinks": ["stdout"]}, "kafka": {"sinks": ["kafka"]}}[sink]
    options = ["--pretty"] if sink == "pretty" else []
    if sink == "kafka":
        kafka = request.getfixturevalue("kafka")
        options = ["--kafka-bootstrap-servers", kafka.bootstrap, "--kafka-topic", "held", "--kafka-linger-ms", 10]
    proxy = proxies(mysql, *options, *TINY, "--temp-dir", tmp_path, **more)
    with proxy.connect() as db, db.cursor() as cursor:
        execute(cursor, "BEGIN", *insert(*range(100)), "ROLLBACK", "BEGIN", *insert(*range(100, 400)), "COMMIT", *insert(400))
    proxy.stop()
    assert proxy.counter("spilled_transactions") == 2 and proxy.counter("held_on_disk") == 0
    if sink == "kafka":
        consumer = confluent_kafka.Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "held", "auto.offset.reset": "earliest"})
        consumer.subscribe(["held"])
        records = []

        def all_there():
            records.extend(record for record in consumer.consume(1000, 0.2) if not record.error())
            return sum(b"VALUES (400" in record.value() for record in records)
        within(all_there, "the last message")
        consumer.close()
        texts = [record.value().decode() for record in records]
        # Numbered when they are published: what was rolled back leaves no gap.
        seqs = [int(dict(record.headers())["seq"]) for record in records]
        assert seqs == list(range(1, len(seqs) + 1))
        assert {record.key() for record in records} == {records[0].key()}
    else:
        texts = (proxy.messages if sink == "ndjson" else proxy.printed).lines()
    found = [int(match.group(1)) for match in (re.search(r"INSERT INTO held \(id, v\) VALUES \((\d+)", text) for text in texts) if match]
    assert found == list(range(100, 401))


def test_a_transaction_larger_than_memory(table, proxies, tmp_path):
    """200 MB of messages, of which a megabyte may be in memory."""
    proxy = proxies(table, "--buffer-bytes", "1MiB", "--temp-dir", tmp_path, "--publish-queue-bytes", "8MiB")
    value = "x" * 500_000
    with proxy.connect() as db, db.cursor() as cursor:
        # The same load, before it is held.
        for number in range(20):
            cursor.execute(f"SELECT {number}, LENGTH('{value}')")
        proxy.messages.wait(20, lambda message: "LENGTH" in message["sql"])
        before = peak(proxy)
        cursor.execute("BEGIN")
        for number in range(400):
            cursor.execute(f"INSERT INTO held (id, v) VALUES ({number}, '{value}')")
        assert inserted(proxy.messages.all()) == []
        cursor.execute("COMMIT")
        # It comes behind.
        cursor.execute("SELECT 'behind'")
        proxy.messages.wait(1, lambda message: message["sql"] == "SELECT 'behind'")
        assert peak(proxy) < before + 60, f"{before} MiB, then {peak(proxy)} MiB"
    proxy.stop()
    messages = proxy.messages.all()
    assert inserted(messages) == list(range(400)) and not any(map(unknown, messages))
    assert messages[-1]["sql"] == "SELECT 'behind'"
    assert proxy.counter("spilled_transactions") == 1 and proxy.counter("dropped") == 0


@pytest.mark.parametrize("backpressure", ["block", "drop"])
def test_a_large_transaction_through_a_small_queue(mysql, proxies, tmp_path, backpressure):
    """It goes out as fast as the sink takes it: nothing of it is dropped, nor of what others do meanwhile."""
    mysql.sql("DROP TABLE IF EXISTS test.held", "CREATE TABLE test.held (id INT PRIMARY KEY, v LONGTEXT)")
    proxy = proxies(mysql, *TINY, "--temp-dir", tmp_path, "--backpressure", backpressure, "--publish-queue-maxsize", 100)
    with proxy.connect() as db, db.cursor() as cursor, proxy.connect() as other, other.cursor() as others:
        execute(cursor, "BEGIN", *insert(*range(5000)), "COMMIT")
        for number in range(30):
            others.execute(f"SELECT 'other', {number}")
        cursor.execute("SELECT 'behind'")
    proxy.stop()
    messages = proxy.messages.all()
    assert inserted(messages) == list(range(5000)) and proxy.counter("dropped") == 0
    assert sum("'other'" in message["sql"] for message in messages) == 30
    place = {message["sql"]: index for index, message in enumerate(messages)}
    assert place["SELECT 'behind'"] > place[insert(4999)[0]]


def test_a_disk_without_room(mysql, proxies, small_disk):
    """What cannot be held is published, marked, and the rest of its transaction too; then there is room again."""
    mysql.sql("DROP TABLE IF EXISTS test.held", "CREATE TABLE test.held (id INT PRIMARY KEY, v LONGTEXT)")
    proxy = proxies(mysql, *TINY, "--temp-dir", small_disk)
    value = "x" * 20_000
    with proxy.connect() as db, db.cursor() as cursor:
        cursor.execute("BEGIN")
        for number in range(100):
            cursor.execute(f"INSERT INTO held (id, v) VALUES ({number}, '{value}')")
        proxy.messages.wait(100, lambda message: inserted([message]))
        execute(cursor, "ROLLBACK", "BEGIN", *insert(200), "COMMIT", "BEGIN", *insert(201), "ROLLBACK")
    proxy.stop()
    messages = proxy.messages.all()
    # What the disk had is there in its place.
    assert inserted(filter(unknown, messages)) == list(range(100)), proxy.log
    assert inserted(message for message in messages if not unknown(message)) == [200]
    assert "No space left" in proxy.log and str(small_disk) in proxy.log and "--temp-dir" in proxy.log
    assert proxy.counter("outcome_unknown") >= 100 and proxy.counter("dropped") == 0


def test_a_folder_that_is_gone(mysql, proxies, tmp_path):
    mysql.sql("DROP TABLE IF EXISTS test.held", "CREATE TABLE test.held (id INT PRIMARY KEY, v LONGTEXT)")
    folder = tmp_path / "gone"
    folder.mkdir()
    proxy = proxies(mysql, *TINY, "--temp-dir", folder)
    folder.rmdir()
    with proxy.connect() as db, db.cursor() as cursor:
        execute(cursor, "BEGIN", *insert(*range(30)), "COMMIT")
    proxy.stop()
    assert inserted(filter(unknown, proxy.messages.all())) == list(range(30))
    assert str(folder) in proxy.log and "--temp-dir" in proxy.log


@pytest.mark.parametrize("end", ["quit", "close", "reset", "kill"])
def test_a_connection_that_ends_rolls_back(table, proxies, end):
    proxy = proxies(table)
    before = proxy.sockets()
    db = proxy.connect()
    execute(db.cursor(), "BEGIN", *insert(1))
    if end == "quit":
        db.close()
    elif end == "close":
        db._force_close()
    elif end == "reset":
        reset(db)
    else:
        table.sql(f"KILL {db.thread_id()}")
    within(lambda: proxy.sockets() == before, "the session's end")
    proxy.stop()
    assert inserted(proxy.messages.all()) == [] == ids(table)
    assert proxy.counter("rolled_back") >= 1


def test_a_connection_that_is_lost_while_it_commits(table, proxies):
    """COMMIT waits for a lock when the client dies: nobody on the wire learns how it ended."""
    proxy = proxies(table)
    db = proxy.connect()
    execute(db.cursor(), "BEGIN", *insert(1))
    with table.root() as locker:
        locker.execute("FLUSH TABLES WITH READ LOCK")
        db._execute_command(pymysql.constants.COMMAND.COM_QUERY, "COMMIT")
        within(lambda: any(row[2] == "COMMIT" for row in table.connections("app")), "COMMIT waits")
        reset(db)
        found = proxy.messages.wait(1, lambda message: inserted([message]))
        locker.execute("UNLOCK TABLES")
    assert unknown(found[0])
    proxy.stop()
    assert proxy.counter("outcome_unknown") >= 1


def test_the_proxys_stop_rolls_back(table, proxies):
    proxy = proxies(table)
    db = proxy.connect()
    execute(db.cursor(), "BEGIN", *insert(1))
    proxy.stop()
    assert inserted(proxy.messages.all()) == [] and proxy.counter("rolled_back") >= 1


def test_xa_waits_for_its_end_from_whatever_connection(table, proxies):
    proxy = proxies(table, *TINY)

    def prepare(name, *numbers):
        with proxy.connect() as db, db.cursor() as cursor:
            execute(cursor, f"XA START '{name}'", *insert(*numbers), f"XA END '{name}'", f"XA PREPARE '{name}'")
            return db.thread_id()
    of_a = prepare("a", *range(100))
    prepare("b", 200)
    prepare("c", 300)
    with proxy.connect() as db, db.cursor() as cursor:
        cursor.execute("SELECT 'here'")
        proxy.messages.wait(1, lambda message: message["sql"] == "SELECT 'here'")
        assert inserted(proxy.messages.all()) == []
        execute(cursor, "XA COMMIT 'a'", "XA ROLLBACK 'b'")
    committed = proxy.messages.wait(100, lambda message: inserted([message]))
    assert inserted(committed) == list(range(100)) and {message["connectionId"] for message in committed} == {of_a}
    assert not any(map(unknown, committed))
    # Nobody decides about the third before the proxy stops.
    proxy.stop()
    messages = proxy.messages.all()
    assert inserted(filter(unknown, messages)) == [300] and inserted(messages) == [*range(100), 300]
    assert "XA transactions are prepared" in proxy.log and proxy.counter("held") == 0
    table.sql("XA ROLLBACK 'c'")
    assert ids(table) == list(range(100))


def test_sigkill_loses_what_is_held(mysql, proxies):
    mysql.sql("DROP TABLE IF EXISTS test.held", "CREATE TABLE test.held (id INT PRIMARY KEY, v LONGTEXT)")
    proxy = proxies(mysql)
    db = proxy.connect()
    execute(db.cursor(), *insert(1), "BEGIN", *insert(2))
    proxy.messages.wait(1, lambda message: inserted([message]))
    proxy.signal(signal.SIGKILL)
    proxy.wait()
    assert inserted(proxy.messages.all()) == [1]


@pytest.mark.parametrize("option,value", [("--buffer-messages", 0), ("--buffer-bytes", "much"), ("--temp-dir", "/nowhere/at/all")])
def test_what_cannot_be_is_refused_at_the_start(option, value):
    done = once("proxy", "--listen", "127.0.0.1:0", option, str(value))
    assert done.returncode == 2 and option in done.stderr and str(value) in done.stderr, done.stderr
