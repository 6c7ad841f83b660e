"""The subcommand `binlog` with Kafka as its sink: keys, topics, markers of transactions, and rows that are there exactly once."""

import json
import os
import random
import threading
import time

import confluent_kafka
import confluent_kafka.admin
import pymysql
import pytest
from harness import PATIENCE
from harness.binlog import at, position
from harness.breadth import KILLS
from harness.kafka import partition_of

DB = "binlog_kafka"


@pytest.fixture
def db(binlog_mysql):
    binlog_mysql.sql("SET GLOBAL binlog_row_metadata = FULL")
    binlog_mysql.fresh_databases(DB)
    return binlog_mysql


@pytest.fixture
def prefix():
    """Of the names of a test's topics."""
    return f"B{os.getpid()}_{time.monotonic_ns()}"


def make(kafka, name, partitions, **config):
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": kafka.bootstrap})
    for made in admin.create_topics([confluent_kafka.admin.NewTopic(name, partitions, 1, config=config)]).values():
        made.result(PATIENCE)


def describe(kafka, name):
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": kafka.bootstrap})
    resource = confluent_kafka.admin.ConfigResource("topic", name)
    return {key: entry.value for key, entry in admin.describe_configs([resource])[resource].result(PATIENCE).items()}


def read(kafka, name, isolation="read_committed", timeout=PATIENCE, enough=None):
    """All of a topic that can be read now, in the order of each partition, or as many messages as are enough: the end of a topic that is
    written to all the time may run away from a reader in Python. A topic that is not there is empty."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "reader", "enable.auto.commit": False,
                                         "enable.partition.eof": True, "isolation.level": isolation})
    try:
        partitions = consumer.list_topics(name, PATIENCE).topics[name].partitions
        consumer.assign([confluent_kafka.TopicPartition(name, n, confluent_kafka.OFFSET_BEGINNING) for n in partitions])
        found, ended, end = [], set(), time.monotonic() + timeout
        while len(ended) < len(partitions) and (enough is None or len(found) < enough):
            for message in consumer.consume(1000, 0.5):
                if message.error() is None:
                    found.append(message)
                elif message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
                    ended.add(message.partition())
            assert time.monotonic() < end, f"{name}: not read to its end in {timeout} s, {len(found)} messages, partitions {sorted(ended)} of {len(partitions)}"
        return found
    finally:
        consumer.close()


def wait_for(kafka, name, count, timeout=PATIENCE, enough=None):
    end = time.monotonic() + timeout
    while True:
        found = read(kafka, name, enough=enough)
        if len(found) >= count:
            return found
        assert time.monotonic() < end, f"{name}: {len(found)} of {count} messages after {timeout} s"
        time.sleep(0.2)


def options(kafka, topic, *more):
    return ["--kafka-bootstrap-servers", kafka.bootstrap, "--kafka-topic", topic, *more]


def once(prefix):
    return ["--exactly-once", "--kafka-checkpoint-topic", f"{prefix}_CP", "--kafka-transactional-id", prefix]


def values(messages):
    return [json.loads(message.value()) for message in messages]


def test_keys_are_primary_keys(db, session, kafka, prefix, binlogs):
    make(kafka, prefix, 5)
    session.execute("CREATE TABLE two (b INT, v INT, a VARCHAR(9), PRIMARY KEY (a, b))")
    session.execute("CREATE TABLE keyless (v INT)")
    start = position(db)
    for number in range(40):
        session.execute(f"INSERT INTO two VALUES ({number}, 0, 'ä')")
    for value in (1, 2, 3):
        session.execute(f"UPDATE two SET v = {value}")
    session.execute("INSERT INTO keyless VALUES (1)")
    binlogs("--from", at(start), "--until", "now", *options(kafka, prefix), server=db, sinks=["kafka"]).finish()
    messages = read(kafka, prefix)
    assert len(messages) == 40 * 4 + 1
    by_key = {}
    for message in messages:
        row = json.loads(message.value())
        if row["table"] == "keyless":
            assert message.key() is None
            continue
        assert json.loads(message.key()) == row["primaryKey"] == {"a": "ä", "b": row["after"]["b"]}
        # Where the Java client would put it.
        assert message.partition() == partition_of(message.key(), 5)
        by_key.setdefault(message.key(), []).append(row["after"]["v"])
    assert len(by_key) == 40 and all(found == [0, 1, 2, 3] for found in by_key.values()), by_key


@pytest.mark.parametrize("more", [[], ["--debezium-tombstones=false"], "once"], ids=["default", "off", "exactly once"])
def test_tombstones_after_deletes(db, session, kafka, prefix, binlogs, more):
    """As the connector has them: after each delete, one with the same key and no value, which compaction takes the key away by."""
    make(kafka, prefix, 1)
    session.execute("CREATE TABLE t (id INT PRIMARY KEY)")
    session.execute("CREATE TABLE keyless (id INT)")
    start = position(db)
    for statement in ("INSERT INTO t VALUES (1)", "UPDATE t SET id = 2", "DELETE FROM t", "INSERT INTO keyless VALUES (3)", "DELETE FROM keyless"):
        session.execute(statement)
    binlogs("--from", at(start), "--until", "now", "--format", "debezium", *options(kafka, prefix, *(once(prefix) if more == "once" else more)),
            server=db, sinks=["kafka"]).finish()
    key = lambda message: message.key() and json.loads(message.key())["id"]
    found = [(key(message), message.value() and json.loads(message.value())["op"]) for message in read(kafka, prefix)]
    tombstones = more != ["--debezium-tombstones=false"]
    wanted = [(1, "c"), (1, "d"), (1, None), (2, "c"), (2, "d"), (2, None), (None, "c"), (None, "d")]
    assert found == [message for message in wanted if tombstones or message[1]]


def test_a_topic_for_each_table(db, session, kafka, prefix, binlogs):
    session.execute("CREATE TABLE `odd name` (id INT PRIMARY KEY)")
    session.execute("CREATE TABLE t (id INT PRIMARY KEY)")
    start = position(db)
    session.execute("INSERT INTO `odd name` VALUES (1)")
    session.execute("INSERT INTO t VALUES (2)")
    binlogs("--from", at(start), "--until", "now", *options(kafka, prefix + ".{database}.{table}"), server=db, sinks=["kafka"]).finish()
    assert [row["after"] for row in values(wait_for(kafka, f"{prefix}.{DB}.odd_name", 1))] == [{"id": 1}]
    assert [row["after"] for row in values(wait_for(kafka, f"{prefix}.{DB}.t", 1))] == [{"id": 2}]


def test_markers_of_transactions(db, session, kafka, prefix, binlogs):
    make(kafka, f"{prefix}_TX", 1)
    session.execute("CREATE TABLE t (id INT PRIMARY KEY)")
    start = position(db)
    session.execute("INSERT INTO t VALUES (1), (2), (3)")
    session.execute("BEGIN")
    session.execute("INSERT INTO t VALUES (4)")
    session.execute("DELETE FROM t")
    session.execute("COMMIT")
    binlogs("--from", at(start), "--until", "now", *options(kafka, prefix, "--kafka-transaction-topic", f"{prefix}_TX"), server=db,
            sinks=["kafka"]).finish()
    rows, markers = values(wait_for(kafka, prefix, 8)), values(read(kafka, f"{prefix}_TX"))
    assert [(marker["type"], marker.get("rows")) for marker in markers] == [("begin", None), ("end", 3), ("begin", None), ("end", 5)]
    for marker in markers:
        assert marker.keys() - {"rows"} == {"type", "gtid", "position", "xid", "timestamp"}
    assert {marker["gtid"] for marker in markers} == {row["gtid"] for row in rows}


def test_an_unknown_place_in_the_topics_name(db, kafka, binlogs):
    binlogs("--from", "now", *options(kafka, "{schema}"), server=db, sinks=["kafka"]).refused("schema", r"\{database\}")


def test_the_checkpoint_topic_is_made_and_used(db, session, kafka, prefix, binlogs):
    session.execute("CREATE TABLE t (id INT PRIMARY KEY)")
    start = position(db)
    session.execute("INSERT INTO t VALUES (1)")
    binlogs("--from", at(start), "--until", "now", *options(kafka, prefix, *once(prefix)), server=db, sinks=["kafka"]).finish()
    assert describe(kafka, f"{prefix}_CP")["cleanup.policy"] == "compact"
    *_, last = read(kafka, f"{prefix}_CP")
    assert last.key() == prefix.encode()
    saved = json.loads(last.value())
    assert saved["file"] == start[0] and int(saved["offset"]) > int(start[1])
    session.execute("INSERT INTO t VALUES (2)")
    # It continues after it, without being told where.
    binlogs("--until", "now", *options(kafka, prefix, *once(prefix)), server=db, sinks=["kafka"]).finish()
    assert [row["after"]["id"] for row in values(read(kafka, prefix))] == [1, 2]


def test_a_second_instance_ends_the_first(db, session, kafka, prefix, binlogs):
    session.execute("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT)")
    start = position(db)
    command = ["--from", at(start), *options(kafka, prefix, *once(prefix))]
    first = binlogs(*command, server=db, sinks=["kafka"])
    session.execute("INSERT INTO t VALUES ()")
    wait_for(kafka, prefix, 1)
    second = binlogs(*command[2:], server=db, sinks=["kafka"])
    end = time.monotonic() + PATIENCE
    while first.process.poll() is None and time.monotonic() < end:
        session.execute("INSERT INTO t VALUES ()")
        time.sleep(0.1)
    first.refused("transactional.id")
    count = session.execute("SELECT id FROM t")
    wait_for(kafka, prefix, count)
    second.stop()
    assert sorted(row["after"]["id"] for row in values(read(kafka, prefix))) == list(range(1, count + 1))


@pytest.mark.timeout(900 + 30 * KILLS)
def test_each_row_once_across_kill_9(db, session, kafka, prefix, binlogs):
    make(kafka, prefix, 4)
    session.execute("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v INT, pad VARCHAR(200))")
    start = position(db)
    stop = threading.Event()

    def write(seed):
        choose = random.Random(seed)
        with db.root(database=DB) as cursor:
            while not stop.is_set():
                try:
                    cursor.execute("BEGIN")
                    for _ in range(choose.randrange(1, 40)):
                        cursor.execute(f"INSERT INTO t (v, pad) VALUES ({seed}, REPEAT('x', {choose.randrange(200)}))")
                    if choose.random() < 0.3:
                        cursor.execute(f"UPDATE t SET v = v + 10 WHERE v % 10 = {seed} ORDER BY id DESC LIMIT 5")
                    cursor.execute("COMMIT")
                except pymysql.err.OperationalError as error:
                    # A deadlock: rolled back by the server.
                    assert error.args[0] == 1213, error
                # These threads and the readers share one interpreter.
                time.sleep(0.01)

    writers = [threading.Thread(target=write, args=(seed,), daemon=True) for seed in range(3)]
    for writer in writers:
        writer.start()
    place = ["--from", at(start)]
    choose = random.Random(KILLS)
    try:
        for number in range(KILLS):
            binlog = binlogs(*place, *options(kafka, prefix, *once(prefix)), server=db, sinks=["kafka"])
            # Until something was committed the first time: the place is not given again.
            if place:
                wait_for(kafka, prefix, 1, enough=1)
                place = []
            time.sleep(choose.uniform(0.05, 2.5))
            assert binlog.process.poll() is None, f"it ended with {binlog.process.returncode}:\n{binlog.log}"
            binlog.kill()
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    expected = binlogs("--from", at(start), "--until", "now", server=db).finish(timeout=300).rows()
    binlogs("--until", "now", *options(kafka, prefix, *once(prefix)), server=db, sinks=["kafka"]).finish(timeout=300)
    messages = read(kafka, prefix, timeout=300)
    name = lambda row: (row["gtid"], row["rowIndex"])
    found = values(messages)
    assert sorted(map(name, found)) == sorted(map(name, expected)), f"{len(found)} rows, {len(expected)} expected"
    # A key's rows are in the order of the log.
    order = {name(row): number for number, row in enumerate(expected)}
    last = {}
    for message, row in zip(messages, found):
        assert order[name(row)] > last.get(message.key(), -1)
        last[message.key()] = order[name(row)]


@pytest.mark.parametrize("exactly_once", [False, True], ids=["at least once", "exactly once"])
def test_a_row_that_kafka_refuses(db, session, kafka, prefix, binlogs, tmp_path, exactly_once):
    """It ends the run, with the checkpoint before it; when it is let through, or left out by choice, the run continues."""
    make(kafka, prefix, 1, **{"max.message.bytes": "10000000"})
    session.execute("CREATE TABLE big (id INT PRIMARY KEY, v LONGTEXT)")
    start = position(db)
    checkpoint = once(prefix) if exactly_once else ["--checkpoint", tmp_path / "checkpoint"]
    run = options(kafka, prefix, *checkpoint, "--from", "checkpoint", "--include", f"{DB}.*", "--heartbeat", "1")
    session.execute("INSERT INTO big VALUES (1, 'small')")
    # The place to begin with.
    first = options(kafka, prefix, *checkpoint, "--from", at(start), "--include", f"{DB}.*", "--until", "now")
    binlogs(*first, server=db, sinks=["kafka"]).finish()
    session.execute("INSERT INTO big VALUES (2, REPEAT('b', 3000000)), (3, 'behind')")
    session.execute("INSERT INTO big VALUES (4, 'after')")
    for until in (["--until", "now"], []):
        binlog = binlogs(*run, *until, server=db, sinks=["kafka"]).refused('key {"id":2} for topic', "message.max.bytes", "--kafka-on-refused=skip")
    ids = [row["after"]["id"] for row in values(read(kafka, prefix)) if row["type"] == "insert"]
    assert ids == [1]
    larger = ["--kafka-option", "message.max.bytes=9000000"]
    binlogs(*run, *larger, "--until", "now", server=db, sinks=["kafka"]).finish()
    ids = [row["after"]["id"] for row in values(read(kafka, prefix)) if row["type"] == "insert"]
    assert ids == [1, 2, 3, 4]
    session.execute("INSERT INTO big VALUES (5, REPEAT('b', 3000000))")
    session.execute("INSERT INTO big VALUES (6, 'after')")
    # Rows were lost: the exit code says so.
    skipped = binlogs(*run, "--kafka-on-refused", "skip", "--until", "now", server=db, sinks=["kafka"]).finish(code=1)
    assert 'key={"id":5}' in skipped.log
    ids = [row["after"]["id"] for row in values(read(kafka, prefix)) if row["type"] == "insert"]
    assert ids == [1, 2, 3, 4, 6]
