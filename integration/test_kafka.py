"""The Kafka sink against a real broker, also one that hangs or is gone; and sinks that fail must not be felt by clients."""

import concurrent.futures
import json
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

from conftest import STEADY
from harness import PATIENCE, within
from harness.fake import COLUMN, EOF, packets
from harness.kafka import DRAIN, Topic, headers, load, missing_numbers, murmur2, of, partition_of, settings, until_it_arrives, whole
from harness.proxy import FIELDS, once
from harness.servers import Kafka

def test_murmur2_itself():
    """The values in the Java client's own unit test (UtilsTest.testMurmur2)."""
    documented = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536,
                  b"a-little-bit-longer-string": -1486304829, b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
                  b"abc": 479470107}
    assert {text: murmur2(text) for text in documented} == documented


@pytest.fixture
def topic(kafka, request):
    return Topic(kafka.bootstrap, "T_" + "".join(c if c.isalnum() else "_" for c in request.node.name)[:60] + f"_{os.getpid()}_{time.monotonic_ns()}", 7)


def test_messages_arrive_by_connection(mysql, kafka, topic, proxies):
    # The variable alone switches Kafka on.
    proxy = proxies(mysql, "--instance", "one", sinks=[], env=settings(kafka, topic))
    ids = load(proxy, 12, 40)
    proxy.stop()
    records = topic.read(480, where=of("load"))
    by_key = {}
    for record in records:
        message = json.loads(record.value())
        assert list(message) == FIELDS
        assert record.key() == str(message["connectionId"]).encode()
        assert record.partition() == partition_of(record.key(), topic.partitions), record.key()
        by_key.setdefault(record.key(), []).append((record.partition(), record.offset(), message))
    assert set(by_key) == {str(n).encode() for n in ids}
    for records in by_key.values():
        in_order = [message for _, _, message in sorted(records, key=lambda r: r[:2])]
        assert [m["executionCount"] for m in in_order] == list(range(1, len(in_order) + 1))
        assert sum(of("load")(m) for m in in_order) == 40
    records = topic.read(480)
    assert len({record.partition() for record in records}) > 1
    assert whole(records) == (0, 12) and len(records) == proxy.counter("statements")
    assert len({headers(record)["proxy"] for record in records}) == 1
    said = [headers(record) for record in records if of("load")(json.loads(record.value()))]
    assert re.fullmatch(r"one@\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", said[0]["proxy"])
    # Alike but for their values.
    assert {(names["kind"], names["digest"]) for names in said} == {("select", said[0]["digest"])} and re.fullmatch("[0-9a-f]{32}", said[0]["digest"])
    assert proxy.counter("dropped") == 0
    assert not proxy.printed.lines(), "with Kafka configured nothing goes to stdout"


def test_sink_given_as_an_option(mysql, kafka, topic, proxies):
    proxy = proxies(mysql, sinks=["kafka", f"ndjson:{topic.name}.ndjson"], env=settings(kafka, topic))
    load(proxy, 2, 5)
    proxy.stop()
    values = sorted(record.value().decode() for record in topic.read(10, where=of("load")))
    assert values == sorted((proxy.log_path.parent / f"{topic.name}.ndjson").read_text().splitlines())


def test_the_loss_of_sight_has_a_kind_of_its_own(fake, kafka, topic, proxies):
    proxy = proxies(fake.address, sinks=[], env=settings(kafka, topic))
    with fake.session(proxy.address, False, "running") as (client, server):
        answer = packets(1, b"\1", COLUMN, EOF, b"\1x") + packets(5, EOF, b"more")
        server.sendall(answer)
        assert fake.expect(client, len(answer)) == answer
    proxy.stop()
    records = topic.read(2)
    assert whole(records) == (0, 1)
    assert [headers(r)["kind"] for r in records][-1] == "observation-lost" and "digest" not in headers(records[-1])


def test_large_message(mysql, kafka, topic, proxies):
    """A statement larger than what librdkafka takes by default is cut, and does not stop those after it."""
    proxy = proxies(mysql, sinks=[], env=settings(kafka, topic))
    sql = "SELECT LENGTH('" + "x" * 3_000_000 + "')"
    with proxy.connect() as db, db.cursor() as cursor:
        cursor.execute(sql)
    load(proxy, 1, 20)
    proxy.stop()
    records = topic.read(20, where=of("load"))
    assert sum(of("load")(json.loads(r.value())) for r in records) == 20 and whole(records) == (0, 2)
    [cut] = [r for r in records if "cut" in headers(r)]
    message = json.loads(cut.value())
    assert headers(cut)["cut"] == f"sql={len(sql)}" and list(message) == FIELDS and len(cut.value()) > 1_000_000
    assert message["sql"].endswith("x...") and sql.startswith(message["sql"][:-3]) and message["updateCount"] == 1
    assert proxy.counter("shortened") == 1 and proxy.counter("dropped") == 0 and "sent with its SQL or parameters cut" in proxy.log


def test_broker_hangs_with_drop(mysql, kafka, topic, proxies):
    """A queue of 100, a broker that answers nothing: no client waits for it, what does not fit is counted."""
    proxy = proxies(mysql, "--backpressure", "drop", "--publish-queue-maxsize", 100, *DRAIN, sinks=[],
                    env=settings(kafka, topic, INTERCEPTOR_KAFKA_BUFFER_MEMORY="65536"))
    load(proxy, 4, 300, "before")
    kafka.pause()
    try:
        load(proxy, 4, 3000, "during")
    finally:
        kafka.resume()
    until_it_arrives(proxy, lambda: any(of("probe")(json.loads(r.value())) for r in topic.read(0)))
    # With what else the clients say no more than the queue holds.
    load(proxy, 2, 40, "after")
    proxy.stop()
    found = topic.read(80, where=of("after"))
    # What was dropped is missing by number, and nothing else is.
    assert missing_numbers(found) <= proxy.counter("dropped")
    records = [json.loads(r.value()) for r in found]
    arrived = sum(of("before")(m) for m in records) + sum(of("during")(m) for m in records)
    assert sum(of("after")(m) for m in records) == 80, "after the broker is back everything arrives"
    assert proxy.counter("dropped") > 0
    assert proxy.counter("statements") == len(records) + proxy.counter("dropped"), (arrived, len(records))


def test_broker_hangs_with_block_and_a_large_queue(mysql, kafka, topic, proxies):
    """As long as the queue is not full, block loses nothing and delays no client."""
    proxy = proxies(mysql, "--backpressure", "block", "--publish-queue-maxsize", 100000, *DRAIN, sinks=[], env=settings(kafka, topic))
    load(proxy, 4, 50, "before")
    kafka.pause()
    try:
        load(proxy, 4, 1000, "during")
        time.sleep(2)
    finally:
        kafka.resume()
    load(proxy, 4, 50, "after")
    proxy.stop()
    found = topic.read(4400, where=lambda m: "'" in m["sql"])
    whole(found)
    records = [json.loads(r.value()) for r in found]
    for label, count in (("before", 200), ("during", 4000), ("after", 200)):
        mine = [m["sql"] for m in records if of(label)(m)]
        assert len(mine) == count and len(set(mine)) == count, f"{label}: {len(mine)} of {count}"
    assert proxy.counter("dropped") == 0


@pytest.fixture
def hasty(tmp_path):
    """A broker of its own that loses its session after three seconds."""
    broker = Kafka(tmp_path / "broker", "broker.session.timeout.ms=3000")
    yield broker
    broker.stop()


def test_broker_hangs_with_block_and_a_full_queue(mysql, hasty, proxies):
    """Then clients wait, until the broker is back; and nothing is lost. The pause is longer than the broker's session lasts, so
    in some runs its first answer is that there are no brokers (src/deliver/kafka/stall.rs)."""
    kafka, topic = hasty, Topic(hasty.bootstrap, "FULL", 7)
    proxy = proxies(mysql, "--backpressure", "block", "--publish-queue-maxsize", 50, *DRAIN, sinks=[],
                    env=settings(kafka, topic, INTERCEPTOR_KAFKA_BUFFER_MEMORY="65536"))
    load(proxy, 1, 10, "before")
    kafka.pause()
    done, looked = [], []

    def stands_still():
        """No answer for four seconds, which the broker's session does not last."""
        looked.append((len(done), time.monotonic()))
        return looked[-1][1] - next(at for count, at in looked if count == len(done)) > 4

    with concurrent.futures.ThreadPoolExecutor() as pool:
        loading = pool.submit(load, proxy, 4, 500, "during", 2 * PATIENCE, done)
        try:
            within(stands_still, "the clients wait")
            assert len(done) < 2000, "no client waited although the queue holds 50 messages"
        finally:
            kafka.resume()
        loading.result()
    proxy.stop()
    found = topic.read(2000, where=of("during"))
    whole(found)
    records = [json.loads(r.value()) for r in found]
    mine = [m["sql"] for m in records if of("during")(m)]
    assert len(mine) == 2000 == len(set(mine)) and proxy.counter("dropped") == 0


@pytest.fixture
def broker(tmp_path):
    """A broker of its own, to be stopped."""
    broker = Kafka(tmp_path / "broker", STEADY)
    yield broker
    broker.stop()


def test_broker_stopped_and_started_again(mysql, broker, proxies):
    topic = Topic(broker.bootstrap, "RESTARTED", 3)
    proxy = proxies(mysql, "--backpressure", "block", "--publish-queue-maxsize", 100000, *DRAIN, sinks=[], env=settings(broker, topic))
    load(proxy, 2, 50, "before")
    broker.stop()
    load(proxy, 2, 500, "during")
    bootstrap = broker.bootstrap
    broker.start()
    assert broker.bootstrap == bootstrap
    load(proxy, 2, 50, "after")
    # The outage is logged once, and its end; not what librdkafka does about it meanwhile.
    proxy.wait_log("the sink takes messages again", timeout=60)
    said = [line for line in proxy.log.splitlines() if "librdkafka" in line]
    assert len(said) <= 2 and all("Connect" in line or "Disconnect" in line for line in said), proxy.log
    proxy.stop()
    found = topic.read(1200, where=lambda m: "'" in m["sql"])
    whole(found)
    records = [json.loads(r.value()) for r in found]
    for label, count in (("before", 100), ("during", 1000), ("after", 100)):
        mine = [m["sql"] for m in records if of(label)(m)]
        assert len(mine) == count == len(set(mine)), f"{label}: {len(mine)} of {count}"


def test_no_broker_at_the_start(mysql, proxies):
    """The proxy serves, says what is wrong, and stops in time."""
    proxy = proxies(mysql, "--backpressure", "drop", "--drain-timeout", 2, sinks=[],
                    env={"INTERCEPTOR_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "INTERCEPTOR_KAFKA_TOPIC": "NOWHERE"})
    load(proxy, 2, 20)
    proxy.signal(signal.SIGTERM)
    proxy.wait()
    assert "127.0.0.1:1" in proxy.log
    assert proxy.counter("dropped") > 0


# ---------------------------------------------------------------- inspect

@pytest.fixture
def inspected(mysql, kafka, topic, proxies):
    for label, debug in (("one", "shop"), ("two", "bank")):
        proxy = proxies(mysql, sinks=[], env=settings(kafka, topic, DEBUGQUERYINTERCEPTOR_DEBUG=debug))
        load(proxy, 2, 10, label)
        proxy.stop()
    return topic


def lines(done):
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_inspect(kafka, inspected):
    base = ["inspect", "--bootstrap-servers", kafka.bootstrap]
    everything = lines(once(*base, "--topic", inspected.name))
    assert sum(map(of("one"), everything)) == 20 == sum(map(of("two"), everything))
    assert list(everything[0]) == FIELDS
    shop = lines(once(*base, "--topic", inspected.name, "--debug", "shop"))
    assert {m["debug"] for m in shop} == {"shop"} and sum(map(of("one"), shop)) == 20
    by_pattern = lines(once(*base, "--pattern", f"^{inspected.name[:-1]}.$"))
    assert len(by_pattern) == len(everything)
    listed = once(*base, "--list-topics")
    assert listed.returncode == 0 and inspected.name in listed.stdout.split()


def test_inspect_follows(mysql, kafka, inspected, proxies, tmp_path):
    from harness.proxy import binary
    out = tmp_path / "followed"
    with open(out, "wb") as file:
        process = subprocess.Popen([binary(), "inspect", "--bootstrap-servers", kafka.bootstrap, "--topic", inspected.name, "--follow"],
                                   stdout=file, stderr=subprocess.DEVNULL)
    try:
        proxy = proxies(mysql, sinks=[], env=settings(kafka, inspected))
        there = len(inspected.read(40))
        within(lambda: out.read_text().count("\n") == there, "it has shown all there was")
        load(proxy, 1, 10, "followed")
        within(lambda: out.read_text().count("SELECT 'followed', ") == 10, "it shows what came since")
        # Not a kill: nothing it prints on has hung up.
        process.send_signal(signal.SIGHUP)
        load(proxy, 1, 10, "after the hangup")
        within(lambda: out.read_text().count("SELECT 'after the hangup', ") == 10, "it continues")
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()


def test_inspect_without_a_broker():
    done = once("inspect", "--bootstrap-servers", "127.0.0.1:1", "--topic", "T")
    assert done.returncode != 0 and "127.0.0.1:1" in done.stderr and "panicked" not in done.stderr


# ---------------------------------------------------------------- a full disk

@pytest.mark.parametrize("backpressure", ["drop", "block"])
def test_full_disk(mysql, proxies, small_disk, backpressure):
    """Clients do not notice; when there is space again the file continues with whole lines."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * 960 * 1024)
    path = pathlib.Path(small_disk / "out.ndjson")
    proxy = proxies(mysql, "--backpressure", backpressure, "--publish-queue-maxsize", 200 if backpressure == "drop" else 100000,
                    *DRAIN, sinks=[f"ndjson:{path}"])
    load(proxy, 2, 300, "full")
    proxy.wait_log("No space left")
    path_before = path.stat().st_size
    ballast.unlink()
    until_it_arrives(proxy, lambda: b"SELECT 'probe', " in path.read_bytes())
    load(proxy, 1, 20, "space")
    proxy.stop()
    text = path.read_bytes().decode()
    assert len(text) > path_before and text.endswith("\n")
    messages = [json.loads(line) for line in text.splitlines()]
    assert all(list(m) == FIELDS for m in messages)
    if backpressure == "drop":
        assert proxy.counter("dropped") > 0
        assert sum(map(of("space"), messages)) == 20
    else:
        assert proxy.counter("dropped") == 0
        assert sum(map(of("full"), messages)) == 600 and sum(map(of("space"), messages)) == 20


def test_server_is_untouched_by_a_failing_sink(mysql, proxies, small_disk):
    (small_disk / "ballast").write_bytes(b"\0" * 1024 * 1024)
    proxy = proxies(mysql, "--backpressure", "drop", "--publish-queue-maxsize", 10, "--drain-timeout", 1,
                    sinks=[f"ndjson:{small_disk}/out.ndjson"])
    with proxy.connect() as db, db.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS untouched")
        cursor.execute("CREATE TABLE untouched (v INT)")
        for n in range(200):
            cursor.execute(f"INSERT INTO untouched VALUES ({n})")
    assert mysql.sql("SELECT COUNT(*), SUM(v) FROM test.untouched") == ((200, 19900),)
    proxy.signal(signal.SIGTERM)
    proxy.wait()
    assert "out.ndjson" in proxy.log
