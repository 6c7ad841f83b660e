"""What goes wrong with a real broker: nothing of a connection is missing afterwards, and it is in order. The header `seq` is the judge."""

import json
import os
import signal
import time

import confluent_kafka.admin
import mysql.connector
import pytest

from conftest import STEADY
from harness import within
from harness.kafka import DRAIN, Topic, as_user, headers, load, of, scram_user, settings, until_it_arrives, whole
from harness.proxy import FIELDS
from harness.servers import Kafka


@pytest.fixture
def strict_topic(strict, request):
    return Topic(strict.bootstrap, f"T{os.getpid()}_{time.monotonic_ns()}", 3, client=strict.client, make=False)


def test_sasl_plain_over_tls(mysql, strict, strict_topic, proxies):
    strict_topic.make()
    proxy = proxies(mysql, *DRAIN, sinks=[], env=as_user(strict, strict_topic, "PLAIN", "app", "app-secret"))
    load(proxy, 4, 25)
    proxy.stop()
    records = strict_topic.read(100, where=of("load"))
    assert whole(records) == (0, 4) and len(records) == proxy.counter("statements") and proxy.counter("dropped") == 0


def test_a_wrong_password_until_it_is_right(mysql, strict, strict_topic, proxies):
    """It keeps trying, says why once, and loses nothing."""
    strict_topic.make()
    user = f"late{time.monotonic_ns()}"
    proxy = proxies(mysql, *DRAIN, sinks=[], env=as_user(strict, strict_topic, "SCRAM-SHA-256", user, "its-secret"))
    load(proxy, 2, 50)
    proxy.wait_log("(?i)authentication")
    assert "its-secret" not in proxy.log
    scram_user(strict_topic, user, "its-secret")
    load(proxy, 2, 50)
    proxy.wait_log("the sink takes messages again")
    proxy.stop()
    records = strict_topic.read(200, where=of("load"))
    assert whole(records) == (0, 4) and len(records) == proxy.counter("statements") and proxy.counter("dropped") == 0


def test_a_wrong_password_is_counted(mysql, strict, strict_topic, proxies):
    strict_topic.make()
    proxy = proxies(mysql, "--drain-timeout", 2, sinks=[], env=as_user(strict, strict_topic, "PLAIN", "app", "wrong-secret"))
    load(proxy, 2, 20)
    proxy.wait_log("(?i)authentication")
    proxy.stop()
    assert proxy.counter("dropped") == proxy.counter("statements") > 0 and "wrong-secret" not in proxy.log


def test_a_topic_that_is_missing_made_deleted_and_made_again(mysql, strict, strict_topic, proxies):
    proxy = proxies(mysql, "--publish-queue-maxsize", 100000, *DRAIN, sinks=[], env=as_user(strict, strict_topic, "PLAIN", "app", "app-secret"))
    load(proxy, 3, 100, "missing")
    proxy.wait_log("(?i)unknown topic|unknown partition")
    strict_topic.make()
    proxy.wait_log("the sink takes messages again")
    load(proxy, 3, 100, "there")
    records = strict_topic.read(600, where=lambda m: "'" in m["sql"])
    assert sum(of("missing")(json.loads(r.value())) for r in records) == 300
    assert whole(records)[0] == 0
    there = len(records)
    strict_topic.delete()
    load(proxy, 3, 100, "deleted")
    time.sleep(3)
    strict_topic.make()
    load(proxy, 3, 100, "again")
    proxy.stop()
    records = strict_topic.read(600, where=lambda m: "'" in m["sql"])
    for label in ("deleted", "again"):
        mine = {m["sql"] for m in map(lambda r: json.loads(r.value()), records) if of(label)(m)}
        assert len(mine) == 300, f"{label}: {len(mine)}"
    whole(records)
    assert proxy.counter("dropped") == 0 and there > 0


# ---------------------------------------------------------------- too large

def test_too_large_for_the_topic(mysql, kafka, proxies):
    """Among others on the same connection and on more: SQL is cut first, then parameters, everything is in its place."""
    topic = Topic(kafka.bootstrap, f"SMALL_{os.getpid()}", 2, config={"max.message.bytes": "20000"})
    proxy = proxies(mysql, "--max-param-length", 1_000_000, *DRAIN, sinks=[], env=settings(kafka, topic))
    sql, value = "SELECT LENGTH('é" + "x" * 60_000 + "')", "ü" * 40_000
    expected = []
    with mysql_connector(proxy) as db:
        with db.cursor() as cursor:
            for n in range(6):
                # One that is nearly too large between those that are.
                for text in (f"SELECT 'small', {n}", f"SELECT '{'y' * 19_000}'" if n == 4 else sql):
                    cursor.execute(text)
                    cursor.fetchall()
                    expected.append(text)
                if n == 1:
                    load(proxy, 3, 30, "others")
        with db.cursor(prepared=True) as cursor:
            text = "SELECT CHAR_LENGTH(?), ?, ? /* " + "z" * 300 + " */"
            cursor.execute(text, (value, "short", 7))
            assert cursor.fetchall()[0][0] == 40_000
            expected.append(text)
        connection = db.connection_id
    load(proxy, 1, 20, "after")
    proxy.stop()
    records = topic.read(20, where=of("after"))
    assert whole(records)[0] == 0 and len(records) == proxy.counter("statements") and proxy.counter("dropped") == 0
    mine = [r for r in sorted(records, key=lambda r: r.offset()) if r.key() == str(connection).encode()]
    messages = [(json.loads(r.value()), headers(r)) for r in mine]
    assert all(list(message) == FIELDS for message, _ in messages)
    shown = [(message, said) for message, said in messages if any(message["sql"][:40] == text[:40] for text in expected)]
    assert len(shown) == len(expected)
    for (message, said), text in zip(shown, expected):
        if text == sql:
            assert said["cut"] == f"sql={len(sql.encode())}" and message["sql"].endswith("x...") and message["sql"].startswith("SELECT LENGTH('éx")
        elif text.startswith("SELECT CHAR"):
            assert said["cut"] in (f"sql={len(text)} queryParams={len(value.encode()) + 6}", f"queryParams={len(value.encode()) + 6}")
            cut, short, seven = message["queryParams"]
            assert cut.endswith("ü...") and value.startswith(cut[:-3]) and (short, seven) == ("short", "7")
        else:
            assert "cut" not in said and message["sql"] == text
    assert len({said["digest"] for (_, said), text in zip(shown, expected) if text == sql}) == 1
    assert proxy.counter("shortened") == sum("cut" in said for _, said in messages)


def mysql_connector(proxy):
    return mysql.connector.connect(host=proxy.host, port=proxy.port, user="app", password="app-secret", database="test", autocommit=True, use_pure=True)


# ---------------------------------------------------------------- two brokers

@pytest.fixture
def two(tmp_path):
    """A broker that is the controller too, and one beside it."""
    first = Kafka(tmp_path / "first", STEADY, "offsets.topic.replication.factor=1")
    controller = (tmp_path / "first/ports").read_text().split()[1]
    second = Kafka.beside(tmp_path / "second", controller)
    first.second = second
    yield first
    second.stop()
    first.stop()


def test_leaders_change(mysql, two, proxies):
    """One of two brokers is stopped and comes back, is killed and comes back, while clients work."""
    within(lambda: len(Topic(two.bootstrap, "X", 1, make=False).admin.list_topics(timeout=10).brokers) == 2, "both brokers are there")
    topic = Topic(two.bootstrap, "REPLICATED", 6, replicas=2)
    proxy = proxies(mysql, "--publish-queue-maxsize", 100000, *DRAIN, sinks=[], env=settings(two, topic))
    leaders = lambda: {part.leader for part in topic.admin.list_topics("REPLICATED", timeout=10).topics["REPLICATED"].partitions.values()}
    assert leaders() == {1, 2}
    load(proxy, 6, 200, "both")
    two.second.stop()
    within(lambda: leaders() == {1}, "the first leads all")
    load(proxy, 6, 200, "stopped")
    two.second.start()
    # Leaders go back to where they were by preference.
    within(lambda: all(len(part.isrs) == 2 for part in topic.admin.list_topics("REPLICATED", timeout=10).topics["REPLICATED"].partitions.values()), "both are in sync")
    for done in topic.admin.elect_leaders(confluent_kafka.ElectionType.PREFERRED).result().values():
        assert done is None or done.code() == confluent_kafka.KafkaError.ELECTION_NOT_NEEDED, done
    load(proxy, 6, 200, "back")
    os.kill(two.second.pid, signal.SIGKILL)
    load(proxy, 6, 200, "killed")
    within(lambda: leaders() == {1}, "the first leads all again")
    load(proxy, 6, 200, "after")
    until_it_arrives(proxy, lambda: any(of("probe")(json.loads(r.value())) for r in topic.read(0)))
    proxy.stop()
    records = topic.read(6000, where=lambda m: "'" in m["sql"])
    twice, _ = whole(records)
    assert len(records) - twice == proxy.counter("statements") and proxy.counter("dropped") == 0
