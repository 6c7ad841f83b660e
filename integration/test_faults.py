"""Faults under load: messages are held against what clients were answered and against the server's own log, in number and order.

`-s` prints the rows of the table in docs/faults.md. INTERCEPTOR_LONG=1: minutes of full load instead of seconds."""

import os
import random
import re
import signal
import threading
import time

import pytest

from harness import file_system, within
from harness.breadth import LONG, ONE_SEED
from harness.faults import judge, note, of_kafka, of_messages
from harness.kafka import DRAIN, Topic, as_user, scram_user, settings
from harness.load import PASSWORD, USER, Load
from harness.metrics import Pages
from harness.proxy import Messages
from harness.servers import Kafka

CLIENTS = 8
# Statements before, during and after a fault.
SOME = 100_000 if LONG else 400
# From one statement of a client to the next: 5,000 a second of all of them in a long run.
PAUSE = CLIENTS / 5_000 if LONG else 0.015
# Of one that lasts: longer than librdkafka takes to notice.
OUTAGE = 60 if LONG else 3
METRICS = ["--metrics", "127.0.0.1:0"]
# Of the proxy; of each second one the broker is killed, too, in a long run, and once in a short one.
KILLS = int(os.environ.get("INTERCEPTOR_KILLS", 50 if LONG else 4))
BETWEEN_KILLS, KILL_PAUSE = (2_000, CLIENTS / 2_000) if LONG else (SOME // 4, PAUSE)
# A small file system for a spool, and its bound, which is beyond that.
DISK_KILOBYTES, BOUND = (128 << 10, "512MiB") if LONG else (6 << 10, "16MiB")


def spools(*short):
    """Without a spool (None) and with one in either mode: all of them in a long run."""
    return pytest.mark.parametrize("spool", [spool for spool in (None, "reply", "async") if LONG or spool in short])


@pytest.fixture
def spooled(tmp_path):
    """The options of a spool in this mode; none without one."""
    return lambda mode: ["--spool", tmp_path / "spool", "--spool-mode", mode] if mode else []


def named(what, spool):
    return f"{what}, spool `{spool}`" if spool else what


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    """One that may be stopped and killed."""
    # After a kill it comes back when its former self is known to be gone.
    broker = Kafka(tmp_path_factory.mktemp("broker"), "broker.session.timeout.ms=6000")
    yield broker
    broker.stop()


@pytest.fixture
def logged(mysql):
    """The server logs what the clients of a load send."""
    mysql.fresh_user(USER, PASSWORD)
    mysql.general_log_on()
    yield mysql
    mysql.sql("SET GLOBAL general_log = OFF")


def topic_of(broker, name):
    return Topic(broker.bootstrap, f"FAULTS_{name}_{time.monotonic_ns()}", 3)


def caught_up(proxy):
    """The sink has got everything, and it was not stopped before."""
    within(lambda: Pages(proxy).total("sink_lag_messages") == 0, "everything is delivered")


def after(load, proxy, mysql, topic, what, earlier=()):
    """The load has ended: everything that was answered is in the topic in the end. `earlier`: what a topic that is gone had."""
    load.stop()
    caught_up(proxy)
    proxy.stop()
    assert not re.search(r"held_back=[1-9]", proxy.log)
    entries = mysql.general_log_off(USER)
    known = len(earlier)
    records = topic.read(load.count() - known, where=lambda message: (message["sql"] or "").startswith("SELECT 'load', "))
    verdict = judge(load, entries, of_kafka(earlier, records))
    note(what, verdict)
    assert verdict.missing == verdict.disordered == 0 and proxy.counter("dropped") == 0
    return verdict


def fault_stop(broker):
    broker.stop()
    time.sleep(OUTAGE)
    broker.start()


def fault_kill(broker):
    os.kill(broker.pid, signal.SIGKILL)
    time.sleep(OUTAGE)
    broker.start()


def fault_pause(broker):
    broker.pause()
    time.sleep(OUTAGE)
    broker.resume()


STOP, KILL, HANG = ("the broker stopped and started", fault_stop), ("kill -9 of the broker", fault_kill), ("the broker hangs (SIGSTOP)", fault_pause)


@pytest.mark.parametrize("what,fault,spool", [
    (*fault, spool) for fault in (STOP, KILL, HANG) for spool in (None, "reply", "async") if LONG or spool is None or (fault, spool) == (STOP, "reply")
])
def test_the_broker_fails_under_load(logged, broker, proxies, spooled, what, fault, spool):
    """Nothing of what clients were answered is missing, everything is in the server's order, and while it lasts the metrics say so."""
    topic = topic_of(broker, "BROKER")
    proxy = proxies(logged, *spooled(spool), *DRAIN, *METRICS, sinks=[], env=settings(broker, topic))
    pages = Pages(proxy)
    load = Load(proxy, CLIENTS, PAUSE)
    load.until(SOME)
    lag = []
    failing = threading.Thread(target=fault, args=(broker,))
    failing.start()
    while failing.is_alive():
        lag.append(pages.total("sink_lag_seconds"))
        time.sleep(0.2)
    failing.join()
    load.until(SOME)
    within(lambda: pages.total("sink_lag_seconds") < 2, "the sink has caught up")
    verdict = after(load, proxy, logged, topic, named(what, spool))
    assert max(lag) > OUTAGE / 2, lag
    assert verdict.answered >= 2 * SOME


def test_the_queue_is_full_and_messages_are_dropped(logged, broker, proxies):
    """With `drop` no client waits: what is missing is what is counted, by its reason, and the rest is in order."""
    topic = topic_of(broker, "DROP")
    proxy = proxies(logged, "--backpressure", "drop", "--publish-queue-maxsize", 100, "--kafka-buffer-memory", 20_000, *DRAIN, *METRICS,
                    sinks=[], env=settings(broker, topic))
    pages = Pages(proxy)
    load = Load(proxy, CLIENTS)
    load.until(SOME)
    broker.pause()
    load.until(2 * SOME)
    within(lambda: pages.total("sink_dropped_messages_total", 'reason="queue_full"') > 0, "messages are dropped")
    broker.resume()
    load.until(SOME)
    load.stop()
    within(lambda: pages.total("sink_lag_messages") == 0, "the rest is delivered")
    statements, dropped = pages.total("statements_total"), pages.total("sink_dropped_messages_total")
    delivered = pages.total("sink_delivered_messages_total")
    assert statements == dropped + delivered
    proxy.stop()
    entries = logged.general_log_off(USER)
    verdict = judge(load, entries, of_kafka(topic.read(0)))
    note("queue full, `drop`", verdict)
    assert 0 < verdict.missing <= dropped == proxy.counter("dropped") and verdict.disordered == verdict.twice == 0


@spools(None, "async")
def test_a_slow_consumer(logged, proxies, spooled, tmp_path, spool):
    """Standard output's reader takes 100 KB a second: with `block` clients go at its pace, with a spool they do not notice. Nothing is lost."""
    (tmp_path / "proxy0").mkdir()
    pipe, taken = tmp_path / "proxy0/stdout", tmp_path / "taken"
    os.mkfifo(pipe)
    hurry = threading.Event()

    def read():
        with open(pipe, "rb", buffering=0) as source, open(taken, "wb") as out:
            while part := source.read(65536 if hurry.is_set() else 10_000):
                out.write(part)
                out.flush()
                if not hurry.is_set():
                    time.sleep(0.1)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    proxy = proxies(logged, "--publish-queue-maxsize", 200, *spooled(spool), *DRAIN, *METRICS, sinks=["stdout"])
    pages = Pages(proxy)
    load = Load(proxy, CLIENTS)
    if spool:
        load.until(4 * SOME)
        within(lambda: pages.total("sink_lag_messages") > SOME, "the sink is behind")
    else:
        within(lambda: pages.total("clients_waiting") > 0, "clients wait")
        load.until(400)
    hurry.set()
    load.stop()
    proxy.stop()
    reader.join(60)
    verdict = judge(load, logged.general_log_off(USER), of_messages(Messages(taken).all()))
    note(named("a slow reader of standard output", spool), verdict)
    assert verdict.missing == verdict.disordered == verdict.twice == 0 and (proxy.counter("held_up") > 0) == (not spool)


@spools("reply")
def test_a_wrong_password_of_the_broker(logged, strict, proxies, spooled, spool):
    """The broker knows the user only after a while."""
    user = f"late{time.monotonic_ns()}"
    topic = Topic(strict.bootstrap, f"FAULTS_LATE_{time.monotonic_ns()}", 3, client=strict.client)
    proxy = proxies(logged, *spooled(spool), *DRAIN, *METRICS, sinks=[], env=as_user(strict, topic, "SCRAM-SHA-256", user, "its-secret"))
    load = Load(proxy, CLIENTS, PAUSE)
    load.until(SOME // 4)
    proxy.wait_log("(?i)authentication")
    time.sleep(OUTAGE)
    scram_user(topic, user, "its-secret")
    proxy.wait_log("the sink takes messages again")
    load.until(SOME // 4)
    within(lambda: Pages(proxy).total("sink_lag_seconds") < 2, "the sink has caught up")
    after(load, proxy, logged, topic, named("a wrong password until it is right", spool))


@spools()
def test_the_topic_is_deleted(logged, strict, proxies, spooled, spool):
    """It is away for a while, and is made again. What it had is read before, while the proxy stands still: nothing is acknowledged between that and
    the topic's end."""
    topic = Topic(strict.bootstrap, f"FAULTS_GONE_{time.monotonic_ns()}", 3, client=strict.client)
    proxy = proxies(logged, *spooled(spool), *DRAIN, *METRICS, sinks=[], env=as_user(strict, topic, "PLAIN", "app", "app-secret"))
    load = Load(proxy, CLIENTS, PAUSE)
    load.until(SOME // 4)
    proxy.signal(signal.SIGSTOP)
    # For what is under way to the broker.
    time.sleep(1)
    earlier = topic.read(0)
    topic.delete()
    proxy.signal(signal.SIGCONT)
    proxy.wait_log("(?i)unknown topic|unknown partition")
    time.sleep(OUTAGE)
    topic.make()
    within(lambda: Pages(proxy).total("sink_lag_seconds") < 2, "the sink has caught up")
    load.until(SOME // 4)
    verdict = after(load, proxy, logged, topic, named("the topic deleted and made again", spool), earlier)
    assert 0 < len(earlier) < verdict.delivered


@pytest.mark.parametrize("policy,mode", [
    (policy, mode) for policy in ("block", "drop", "error") for mode in ("reply", "async") if LONG or (policy, mode) in (("block", "reply"), ("error", "async"))
])
def test_the_disk_of_the_spool_is_full(logged, broker, proxies, tmp_path, policy, mode):
    """The broker hangs, and the spool takes all of a small file system; then the broker goes on, and so does the stream."""
    topic = topic_of(broker, f"DISK_{policy}_{mode}".upper())
    disks = file_system(tmp_path / "disk", DISK_KILOBYTES)
    spool = ["--spool", next(disks) / "spool", "--spool-max-bytes", BOUND, "--spool-mode", mode, "--spool-full", policy]
    try:
        proxy = proxies(logged, *spool, *DRAIN, *METRICS, sinks=[], env=settings(broker, topic))
        load = Load(proxy, CLIENTS)
        load.until(SOME)
        broker.pause()
        proxy.wait_log("the spool is full")
        time.sleep(OUTAGE)
        broker.resume()
        proxy.wait_log("the spool has room again")
        load.until(SOME)
        load.stop()
        caught_up(proxy)
        proxy.stop()
    finally:
        proxy.kill()
        next(disks, None)
    assert not re.search(r"held_back=[1-9]", proxy.log)
    verdict = judge(load, logged.general_log_off(USER), of_kafka(topic.read(0)))
    note(f"the spool's disk full, `{policy}`, spool `{mode}`" + (f", {load.refused:,} refused" if load.refused else ""), verdict)
    dropped = proxy.counter("dropped")
    assert verdict.disordered == 0 and verdict.missing <= dropped and (dropped > 0) == (policy == "drop")
    assert (load.refused > 0) == (policy == "error")


def test_the_proxy_is_killed(logged, broker, proxies):
    """kill -9 of the proxy without a spool: what was in memory is lost, up to the linger and the queues; the rest is in order."""
    topic = topic_of(broker, "PROXY")
    proxy = proxies(logged, *METRICS, sinks=[], env=settings(broker, topic, INTERCEPTOR_KAFKA_LINGER_MS="100"))
    pages = Pages(proxy)
    load = Load(proxy, CLIENTS)
    load.until(SOME)
    # A fast machine would be through before the producer knows its brokers.
    within(lambda: pages.total("sink_delivered_messages_total") > 0, "something has come")
    load.until(SOME)
    proxy.kill()
    load.stop()
    entries = logged.general_log_off(USER)
    verdict = judge(load, entries, of_kafka(topic.read(0)))
    note("kill -9 of the proxy, no spool", verdict)
    # Half a second of messages at most: linger, burst distance, and what was on its way.
    assert verdict.disordered == verdict.twice == 0 and verdict.missing < verdict.rate * 1.5


@pytest.mark.parametrize("mode", ["reply", "async"])
def test_kills_with_a_spool(logged, broker, proxies, tmp_path, mode):
    """kill -9 of the proxy, and of the broker, at random moments under load. `reply`: nothing that a client was answered is missing. `async`:
    of each connection only the last ones, some milliseconds of them. What comes twice came after a start."""
    topic = topic_of(broker, f"SPOOL_{mode}".upper())
    chance = random.Random(ONE_SEED or time.time_ns())
    options = ["--spool", tmp_path / "spool", "--spool-mode", mode, *DRAIN, *METRICS]
    start = lambda: proxies(logged, *options, sinks=[], env=settings(broker, topic))
    proxy = start()
    load = Load(proxy, CLIENTS, KILL_PAUSE)
    # How many kills the broker has been there for since it is back.
    restart, broker_kills, there = None, 0, 0
    try:
        for kill in range(KILLS):
            load.until(BETWEEN_KILLS)
            time.sleep(chance.uniform(0, 2 if LONG else 0.5))
            there = 0 if restart and restart.is_alive() else there + 1
            # In a long run some kills of the proxy find the broker away, and some find it there.
            both = kill == 1 or (LONG and there > 3)
            if both:
                os.kill(broker.pid, signal.SIGKILL)
                broker_kills += 1
                time.sleep(chance.uniform(0, 0.3))
            proxy.kill()
            proxy = load.proxy = start()
            if both:
                load.until(BETWEEN_KILLS)
                restart = threading.Thread(target=broker.start)
                restart.start()
        load.until(BETWEEN_KILLS)
    finally:
        load.stop()
    if restart:
        restart.join()
    caught_up(proxy)
    proxy.stop()
    assert "held_back=0" in proxy.log
    entries = logged.general_log_off(USER)
    delivered = of_kafka(topic.read(0))
    verdict = judge(load, entries, delivered)
    window = verdict.missing / verdict.rate / KILLS * 1000
    what = named(f"{KILLS} times `kill -9` of the proxy, {broker_kills} times of the broker", mode)
    note(what + (f"; {window:.1f} ms lost at each" if mode == "async" else ""), verdict)
    assert verdict.disordered == 0
    assert verdict.missing == 0 if mode == "reply" else window < 100
    for connection, answered in load.answered.items():
        came = {sql for sql, _ in delivered.get(connection, [])}
        gone = [sql for sql in answered if sql not in came]
        assert gone == answered[len(answered) - len(gone):], "only the last ones of a connection may be missing"
