"""Memory under a flood of large statements: bounded in bytes, whatever becomes of the messages."""

import base64
import json
import random
import re
import resource
import threading

import pytest

from harness import PATIENCE, run, within
from harness.breadth import LONG
from harness.metrics import Pages
from harness.proxy import binary, environment

MB = 1 << 20
# What a statement has, how many clients there are, and how many statements of each.
SIZE, CLIENTS, EACH = 10 * MB, 6 if LONG else 2, 40 if LONG else 6
# Of a queue, a worker's batch, what waits for Kafka, what is held until commit.
BOUND = 16 * MB if LONG else 2 * MB


def memory(proxy, name):
    return int(re.search(rf"{name}:\s+(\d+) kB", open(f"/proc/{proxy.process.pid}/status").read()).group(1)) << 10


def peak(proxy):
    """The most memory that it ever had, in bytes."""
    return memory(proxy, "VmHWM")


def limit(proxy, more):
    """From now on it gets so much more than it has: an allocation beyond that fails, which ends the process."""
    most = memory(proxy, "VmData") + more
    resource.prlimit(proxy.process.pid, resource.RLIMIT_DATA, (most, most))


def stages(count, size=SIZE):
    """Of each client a statement that is executed, as text and as message; and so many stages, each with one message more than its bound."""
    return 2 * CLIENTS * size + count * (BOUND + size)


def random_text(size):
    """What no compression makes much smaller."""
    return base64.b64encode(random.Random(size).randbytes(size * 3 // 4)).decode()


def flood(proxy, statement, done, failures, each=EACH):
    """Clients that send until they are done or cut off."""
    def work():
        try:
            with proxy.connect(read_timeout=PATIENCE) as db, db.cursor() as cursor:
                for number in range(each):
                    cursor.execute(f"{statement} + {number}")
                    done.append(cursor.fetchall())
        except Exception as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    return threads


@pytest.mark.parametrize("backpressure,buffered", [("drop", False), ("block", False), ("block", True), *([("drop", True)] if LONG else [])])
def test_large_statements_and_a_sink_that_takes_nothing(mysql, proxies, backpressure, buffered):
    """No broker answers. With `drop` all statements are served, and what has no room is counted by its reason; with `block` clients wait."""
    options = ["--backpressure", backpressure, "--workers", 2, "--publish-queue-bytes", BOUND, "--buffer-bytes", BOUND, "--metrics", "127.0.0.1:0",
               "--kafka-buffer-memory", BOUND, f"--buffer-until-commit={str(buffered).lower()}", "--drain-timeout", 1]
    proxy = proxies(mysql, *options, sinks=[], env={"INTERCEPTOR_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"})
    pages, done, failures = Pages(proxy), [], []
    with proxy.connect() as db, db.cursor() as cursor:
        cursor.execute("SELECT 1")
    before = peak(proxy)
    threads = flood(proxy, "SELECT LENGTH('" + "x" * SIZE + "')", done, failures)
    if backpressure == "block":
        within(lambda: pages.total("clients_waiting") == CLIENTS, "all clients wait")
        assert pages.total("sink_dropped_messages_total") == 0 and len(done) < CLIENTS * EACH
    else:
        for thread in threads:
            thread.join(PATIENCE)
        assert not failures and len(done) == CLIENTS * EACH
        account = lambda: pages.total("sink_dropped_messages_total") + pages.total("sink_lag_messages") == pages.total("statements_total")
        within(account, "each message is accounted for")
        full = sum(pages.total("sink_dropped_messages_total", f'reason="{reason}"') for reason in ("queue_full", "ingest_full"))
        assert full == pages.total("sink_dropped_messages_total") > CLIENTS * EACH / 2
    # Two workers' batches, the one that the dispatcher has, the queue, what waits for Kafka, what is held.
    most = before + stages(6 if buffered else 5)
    assert peak(proxy) < most, f"{peak(proxy) / MB:.0f} MiB of {most / MB:.0f}"
    print(f"{backpressure}, {buffered}: peak {peak(proxy) / MB:.0f} MiB of {most / MB:.0f}, {len(done)} statements")
    proxy.kill()



# Each way out of the proxy, and how many stages it has: as above, with Parquet the file instead of Kafka, with a recording the records that wait and
# those that the writer has.
WAYS = {"drop": 5, "block": 5, "spool-async": 5, "spool-reply": 5, "parquet": 5, "record": 6}
# What a row group of Parquet has, which no option says.
GROUP = 32 * MB


@pytest.mark.parametrize("way", WAYS)
def test_a_limit_of_memory(mysql, proxies, tmp_path, way):
    """The system gives it no more than twice what the stages may have (the allocator keeps some of what was freed): it goes on, and each statement
    that was answered is accounted for."""
    options = ["--workers", 2, "--publish-queue-bytes", BOUND, "--buffer-until-commit=false", "--redact-keys=", "--metrics", "127.0.0.1:0"]
    spool, folder = tmp_path / "spool", tmp_path / "folder"
    if way == "parquet":
        sinks, env = [f"parquet:{folder}"], None
    elif way == "record":
        sinks, env, options = None, None, [*options, "--record", folder, "--record-queue-bytes", BOUND + SIZE]
    else:
        sinks, env = [], {"INTERCEPTOR_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
        options += ["--kafka-buffer-memory", BOUND, "--drain-timeout", 1, "--backpressure", way if way in ("drop", "block") else "block"]
        options += ["--spool", spool, "--spool-mode", way.removeprefix("spool-")] if way.startswith("spool") else []
    proxy = proxies(mysql, *options, sinks=sinks, env=env)
    pages, done, failures = Pages(proxy), [], []
    with proxy.connect() as db, db.cursor() as cursor:
        cursor.execute("SELECT 1")
    # More than the limit, so that a stage without a bound would exceed it. Parquet's encoder has each value several times while it is at it.
    size, each = (1 * MB, 75) if way == "parquet" else (SIZE, EACH if LONG else 12)
    limit(proxy, 2 * stages(WAYS[way], size) + (GROUP if way == "parquet" else 0))
    threads = flood(proxy, "SELECT LENGTH('" + random_text(size) + "')", done, failures, each)
    if way == "block":
        within(lambda: pages.total("clients_waiting") == CLIENTS, "all clients wait")
        assert pages.total("sink_dropped_messages_total") == 0
        proxy.kill()
        return
    for thread in threads:
        thread.join(PATIENCE)
    assert not failures and len(done) == CLIENTS * each, (len(done), failures, proxy.log)
    kept = lambda: sum(pages.total(f"sink_{what}_messages_total") for what in ("dropped", "delivered")) + pages.total("sink_lag_messages")
    within(lambda: kept() == pages.total("statements_total"), "each message is accounted for")
    assert (pages.total("sink_dropped_messages_total") > 0) == (way == "drop")
    if way == "drop":
        proxy.kill()
        return
    gaps = pages.total("recording_gaps_total")
    proxy.stop()
    if way == "record":
        info = json.loads(run([binary(), "recording", "info", folder, "--json"], env=environment()).stdout)
        # Where a record found no room there is a gap, which is counted and recorded.
        selects = info["kinds"]["select"] - 1
        assert info["complete"] and info["gaps"] == gaps and (selects == len(done) if gaps == 0 else len(done) - selects >= gaps), (info, gaps)
        return
    source = folder if way == "parquet" else f"spool:{spool}"
    lines = run([binary(), "inspect", source, "--grep", "^SELECT LENGTH", "--format", "csv"], env=environment()).stdout.splitlines()
    assert len(lines) - 1 == len(done)
