"""Consumers: a Java program with Jackson, as strict as it can be, and a Python one; and the partition that Java's own producer chooses."""

import dataclasses
import json
import os
import random
import subprocess

import mysql.connector
import pytest

from harness import CACHE, INTEGRATION, missing, run
from harness.kafka import Topic, headers, partition_of, settings, whole
from harness.proxy import FIELDS

SOURCE = INTEGRATION / "readers/Reader.java"
PARTITIONS = 11


@dataclasses.dataclass
class SqlLogMessage:
    """The message as a Python program declares it. Any other field, or one that is missing, is a TypeError."""

    timestamp: int
    serverHost: str
    serverVersion: str | None
    user: str | None
    client: str
    dbName: str | None
    stmtDbName: str | None
    debug: str
    connectionId: int | None
    totalPoolCount: int
    executionCount: int
    serverFlags: int | None
    clientFlags: int | None
    iFlags: int
    defaultTZ: str | None
    serverTZ: str | None
    isolationLvl: int | None
    durationNs: int | None
    updateCount: int | None
    sql: str | None
    queryParams: list | None
    errorMessage: str | None
    serverInfo: str | None

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            assert isinstance(value, field.type) and not isinstance(value, bool), (field.name, value)
        assert all(value is None or isinstance(value, str) for value in self.queryParams or ()), self.queryParams


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """The Java program, compiled: its libraries are those of the broker, which has both Kafka's client and Jackson."""
    libraries, classes = CACHE.resolve() / "kafka/lib", tmp_path_factory.mktemp("classes")
    if not libraries.is_dir():
        missing("Kafka (integration/servers/install.sh kafka)")
    compiled = run(["javac", "-encoding", "UTF-8", "-cp", f"{libraries}/*", "-d", classes, SOURCE])
    assert compiled.returncode == 0, compiled.stderr

    def start(broker, *arguments, text=None):
        done = subprocess.run(["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", f"{libraries}/*:{classes}", "Reader", broker.bootstrap, *arguments],
                              input=text, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout.splitlines()

    return start


def work(proxy):
    """Statements that fill every field in every way: errors, parameters of each kind and none, batches, text beyond ASCII, lost sight."""
    connection = lambda **more: mysql.connector.connect(host=proxy.host, port=proxy.port, user="app", password="app-secret", autocommit=True,
                                                        use_pure=True, **more)
    for number in range(30):
        with connection(database=None if number % 3 == 0 else "test") as db, db.cursor() as cursor:
            cursor.execute(f"SELECT {number}")
            cursor.fetchall()
    with connection(database="test") as db:
        with db.cursor() as cursor:
            for statement in ("SET time_zone = '+02:00'", "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE", "DROP TABLE IF EXISTS readers",
                              "CREATE TABLE readers (id BIGINT PRIMARY KEY, v TEXT CHARACTER SET utf8mb4, b BLOB)", "INSERT INTO readers VALUES (1, 'a\\nb\\0\\'\"\\\\', NULL), (2, 'é😀', 'x')",
                              "UPDATE readers SET v = 'c'", "SELECT nothing FROM nowhere", "INSERT INTO readers VALUES (1, '', '')"):
                try:
                    cursor.execute(statement)
                    cursor.fetchall() if cursor.with_rows else None
                except mysql.connector.Error:
                    pass
        with db.cursor(prepared=True) as cursor:
            cursor.execute("INSERT INTO readers VALUES (?, ?, ?)", (2**63 - 1, "ü\u0001😀", b"\xff\x00"))
            cursor.execute("SELECT ?, ?, ?", (None, 1.5, "x"))
            cursor.fetchall()


def test_java_and_python_bind_every_field(server, kafka, proxies, reader):
    topic = Topic(kafka.bootstrap, f"READ_{server.flavor}_{os.getpid()}", PARTITIONS)
    proxy = proxies(server, sinks=["kafka", "ndjson:same.ndjson"], env=settings(kafka, topic))
    work(proxy)
    proxy.stop()
    lines = (proxy.log_path.parent / "same.ndjson").read_text(encoding="utf-8").splitlines()
    records = topic.read(len(lines))
    assert sorted(record.value().decode() for record in records) == sorted(lines) and whole(records)[0] == 0
    for record in records:
        message = json.loads(record.value())
        SqlLogMessage(**message)
        assert list(message) == FIELDS
    read = [json.loads(line) for line in reader(kafka, "read", topic.name, str(len(records)))]
    # Bound by Java and written again it is the same text, and the record has the same headers.
    assert sorted(one["message"] for one in read) == sorted(lines)
    known = {(record.partition(), record.offset()): record for record in records}
    assert len(read) == len(known)
    for one in read:
        record = known[one["partition"], one["offset"]]
        assert (one["key"], one["headers"], one["message"]) == (record.key().decode(), headers(record), record.value().decode())
    chosen = partitions_by_java(kafka, reader, {record.key().decode() for record in records})
    assert {(record.key().decode(), record.partition()) for record in records} == set(chosen.items()) and len(set(chosen.values())) > 3


def partitions_by_java(kafka, reader, keys):
    """Where Java's producer puts messages with these keys, with nothing but its default settings."""
    topic = Topic(kafka.bootstrap, f"SENT_{os.getpid()}_{random.getrandbits(40)}", PARTITIONS)
    sent = reader(kafka, "send", topic.name, text="".join(f"{key}\n" for key in keys))
    return {key: int(partition) for key, partition in map(str.split, sent)}


def test_every_key_is_where_java_puts_it(kafka, reader):
    """What the other tests compute is what Java's producer does, for connection ids of every length."""
    chance = random.Random(4)
    keys = {"0", *map(str, range(1, 2000)), *(str(chance.getrandbits(bits)) for bits in range(1, 33) for _ in range(40)), str(2**32 - 1)}
    chosen = partitions_by_java(kafka, reader, keys)
    assert chosen == {key: partition_of(key.encode(), PARTITIONS) for key in keys}
