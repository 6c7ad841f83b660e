"""The durable spool: whatever dies, what a client was told is delivered; what is full, torn or somebody else's is said."""

import collections
import json
import os
import random
import re
import threading
import time

import pymysql
import pytest

from harness import file_system, run, within
from harness.breadth import LONG
from harness.kafka import DRAIN, Topic, load, of, settings, whole
from harness.proxy import Messages, once

KILLS = int(os.environ.get("INTERCEPTOR_KILLS", "50" if LONG else "6"))
# Small segments, so that several are begun and removed.
SMALL = ["--spool-max-bytes=4MiB"]


class Client(threading.Thread):
    """Runs numbered statements, some of them in transactions, until the proxy is gone; knows which were answered."""

    def __init__(self, proxy, name, transactions=False):
        super().__init__(daemon=True)
        self.proxy, self.name, self.transactions = proxy, name, transactions
        self.answered, self.sent, self.stopping = [], 0, False
        self.errors = collections.Counter()

    def run(self):
        try:
            with self.proxy.connect() as connection:
                cursor = connection.cursor()
                while not self.stopping:
                    self.step(cursor)
        except pymysql.err.OperationalError as error:
            self.errors[error.args[0]] += 1
        except (pymysql.err.InterfaceError, OSError):
            self.errors["gone"] += 1

    def step(self, cursor):
        texts = [f"SELECT '{self.name}-{self.sent + number}'" for number in range(3 if self.transactions else 1)]
        self.sent += len(texts)
        if self.transactions:
            cursor.execute("BEGIN")
        for text in texts:
            cursor.execute(text)
        if self.transactions:
            cursor.execute("COMMIT")
        self.answered += texts


def clients(proxy, label, count=4):
    started = [Client(proxy, f"{label}-{number}", transactions=number % 2 == 1) for number in range(count)]
    for client in started:
        client.start()
    return started


def join(threads, patience=30):
    for thread in threads:
        thread.stopping = True
    for thread in threads:
        thread.join(patience)
        assert not thread.is_alive(), f"{thread.name} is stuck"


def texts_in(path, label):
    """The numbered statements in a file of messages, in order."""
    return [m["sql"] for m in Messages(path).all() if m["sql"] and m["sql"].startswith(f"SELECT '{label}")]


def compare(path, label, everybody):
    """How many answered statements are missing, are there more than once, and come in the wrong order."""
    found = texts_in(path, label)
    first = list(dict.fromkeys(found))
    missing = [text for client in everybody for text in client.answered if text not in set(first)]
    by_client = collections.defaultdict(list)
    for text in first:
        name, number = re.fullmatch(r"SELECT '(.*)-(\d+)'", text).groups()
        by_client[name].append(int(number))
    disorder = [name for name, numbers in by_client.items() if numbers != sorted(numbers)]
    return missing, len(found) - len(first), disorder


@pytest.mark.parametrize("fsync", ["interval", "always"])
def test_what_a_client_was_told_survives_kills(mysql, proxies, tmp_path, fsync):
    path, everybody, rate = tmp_path / "all.ndjson", [], 0
    chance = random.Random(KILLS)
    for kill in range(KILLS if fsync == "interval" else max(2, KILLS // 6)):
        proxy = proxies(mysql, "--spool", tmp_path / "spool", "--spool-mode=reply", f"--spool-fsync={fsync}", *SMALL, sinks=[f"ndjson:{path}"])
        started = clients(proxy, f"kill{kill}")
        time.sleep(chance.uniform(0.2, 0.8))
        proxy.kill()
        join(started)
        everybody += started
        rate = max(rate, sum(client.sent for client in started))
    proxy = proxies(mysql, "--spool", tmp_path / "spool", "--spool-mode=reply", *SMALL, sinks=[f"ndjson:{path}"])
    proxy.stop()
    answered = sum(len(client.answered) for client in everybody)
    missing, repeated, disorder = compare(path, "kill", everybody)
    assert answered > 100 * KILLS // 6 and not missing and not disorder, (answered, missing[:20], disorder)
    # How far a sink is, is written down every 100 ms: what it wrote since comes again.
    assert repeated <= KILLS * rate, (repeated, rate)
    print(f"fsync {fsync}: {answered} answered, {len(missing)} lost, {repeated} repeated")


def test_the_window_of_async(mysql, proxies, tmp_path):
    """Killed, it loses some milliseconds of what clients were told, and nothing else."""
    path, lost, answered = tmp_path / "all.ndjson", [], 0
    for kill in range(max(3, KILLS // 2)):
        proxy = proxies(mysql, "--spool", tmp_path / "spool", *SMALL, sinks=[f"ndjson:{path}"])
        started = clients(proxy, f"async{kill}", 2)
        time.sleep(0.4)
        proxy.kill()
        join(started)
        proxies(mysql, "--spool", tmp_path / "spool", *SMALL, sinks=[f"ndjson:{path}"]).stop()
        missing, _, disorder = compare(path, f"async{kill}", started)
        assert not disorder
        for client in started:
            gone = [text for text in client.answered if text in missing]
            assert gone == client.answered[len(client.answered) - len(gone):], "only the last ones"
        sent = sum(len(client.answered) for client in started)
        answered += sent
        # In milliseconds, at the rate of this run.
        lost.append(len(missing) / max(sent, 1) * 400)
    print(f"{answered} answered; lost of each run, in ms: {[round(ms, 1) for ms in lost]}")
    assert max(lost) < 100, lost


class Pipe:
    """A sink that takes nothing until somebody reads it: what is to be delivered waits in the spool."""

    def __init__(self, path):
        os.mkfifo(path)
        self.path, self.data = path, b""

    def read(self):
        """From now on it is read."""
        def work():
            with open(self.path, "rb") as pipe:
                while part := pipe.read(1 << 16):
                    self.data += part
        threading.Thread(target=work, daemon=True).start()

    def texts(self, label):
        found = [json.loads(line)["sql"] for line in self.data.decode().split("\n")[:-1]]
        return [sql.split(" /*")[0] for sql in found if sql and sql.startswith(f"SELECT '{label}")]


class Filler(threading.Thread):
    """Statements of 8 KiB in one session, until told to stop; an error of the proxy's own is noted, and the session goes on."""

    def __init__(self, proxy):
        super().__init__(daemon=True)
        self.proxy, self.answered, self.refused, self.stopping, self.connections = proxy, [], [], False, 0

    def run(self):
        with self.proxy.connect() as connection, connection.cursor() as cursor:
            while not self.stopping:
                text = f"SELECT 'fill-{len(self.answered) + len(self.refused)}'"
                try:
                    cursor.execute(f"{text} /* {'x' * 8000} */")
                    self.answered.append(text)
                except pymysql.err.Error as error:
                    self.refused.append((text, error.args))
                    time.sleep(0.02)


@pytest.fixture
def disk(tmp_path):
    """A file system of six megabytes."""
    yield from file_system(tmp_path / "disk", 6144)


FULL = {"bound": "4MiB", "disk": "16MiB"}


@pytest.fixture(params=FULL)
def filled(request, mysql, proxies, tmp_path):
    """Fills a spool whose sink takes nothing: up to its bound, or up to its disk's."""
    def fill(*options, before=lambda proxy: None):
        folder = (request.getfixturevalue("disk") if request.param == "disk" else tmp_path) / "spool"
        pipe = Pipe(tmp_path / "pipe")
        proxy = proxies(mysql, "--spool", folder, f"--spool-max-bytes={FULL[request.param]}", *options, sinks=[f"ndjson:{pipe.path}"])
        before(proxy)
        filler = Filler(proxy)
        filler.start()
        proxy.wait_log("the spool is full")
        return proxy, pipe, filler
    return fill


@pytest.mark.parametrize("mode", ["async", "reply"])
def test_full_and_clients_wait(filled, mode):
    proxy, pipe, filler = filled(f"--spool-mode={mode}")
    time.sleep(0.3)
    before = len(filler.answered)
    time.sleep(0.5)
    assert len(filler.answered) == before > 100, "it waits"
    pipe.read()
    proxy.wait_log("the spool has room again")
    within(lambda: len(filler.answered) > before + 20, "it goes on")
    filler.stopping = True
    filler.join(30)
    proxy.stop()
    within(lambda: len(pipe.texts("fill")) >= len(filler.answered), "everything arrives")
    assert pipe.texts("fill") == filler.answered and not filler.refused and proxy.counter("dropped") == 0


def test_full_and_messages_are_dropped(filled):
    proxy, pipe, filler = filled("--spool-full=drop")
    before = len(filler.answered)
    within(lambda: len(filler.answered) > before + 50, "nobody waits")
    filler.stopping = True
    filler.join(30)
    pipe.read()
    proxy.stop()
    dropped = proxy.counter("dropped")
    within(lambda: len(pipe.texts("fill")) + dropped >= len(filler.answered), "what was not dropped arrives")
    assert dropped > 0 and not filler.refused and len(pipe.texts("fill")) + dropped == len(filler.answered)


@pytest.mark.parametrize("mode", ["async", "reply"])
def test_markers_name_what_a_full_spool_dropped(mysql, proxies, small_disk, tmp_path, mode):
    """The sink's disk is full, so the spool fills; then there is room, and markers say what will never come."""
    file = small_disk / "sql.ndjson"
    proxy = proxies(mysql, "--spool", tmp_path / "spool", "--spool-max-bytes=4MiB", "--spool-full=drop", f"--spool-mode={mode}",
                    "--markers=100ms", sinks=[f"ndjson:{file}"])
    filler = Filler(proxy)
    filler.start()
    proxy.wait_log("the spool is full")
    before = len(filler.answered)
    within(lambda: len(filler.answered) > before + 20, "nobody waits")
    filler.stopping = True
    filler.join(30)
    run(["mount", "-o", "remount,size=64m", small_disk])
    proxy.stop()
    records = [json.loads(line) for line in (small_disk / "sql.ndjson.audit").read_text().splitlines()]
    sessions = [session for record in records if record.get("event") == "marker" for session in record["sessions"]]
    lost = [(one["last"] - one["first"] + 1, one["reason"]) for session in sessions for one in session.get("lost", [])]
    assert {reason for _, reason in lost} == {"spool_full"} and sum(count for count, _ in lost) == proxy.counter("dropped") > 0


@pytest.mark.parametrize("policy,mode,where", [("block", "async", "disk"), ("block", "reply", "bound"), ("drop", "reply", "disk"), ("error", "async", "bound")])
def test_markers_tell_of_a_full_spool(request, mysql, proxies, small_disk, tmp_path, policy, mode, where):
    """The sink's disk is full, so the spool fills up to its bound or its disk; then there is room. The marker stream has both, and what clients
    met with meanwhile; `verify` shows it and holds it against nobody."""
    file = small_disk / "sql.ndjson"
    folder = (request.getfixturevalue("disk") if where == "disk" else tmp_path) / "spool"
    began = time.time() * 1000
    proxy = proxies(mysql, "--spool", folder, f"--spool-max-bytes={FULL[where]}", f"--spool-full={policy}", f"--spool-mode={mode}", "--markers=100ms",
                    sinks=[f"ndjson:{file}"])
    filler = Filler(proxy)
    filler.start()
    proxy.wait_log("the spool is full")
    before = len(filler.answered)
    if policy == "drop":
        within(lambda: len(filler.answered) > before + 20, "nobody waits")
    elif policy == "error":
        within(lambda: len(filler.refused) > 5, "statements are refused")
    else:
        time.sleep(0.5)
    run(["mount", "-o", "remount,size=64m", small_disk])
    proxy.wait_log("the spool has room again")
    filler.stopping = True
    filler.join(30)
    proxy.stop()
    records = [json.loads(line) for line in (small_disk / "sql.ndjson.audit").read_text().splitlines()]
    full = [record for record in records if record.get("event") in ("spool_full", "spool_has_room")]
    assert [record["event"] for record in full] == ["spool_full", "spool_has_room"] * (len(full) // 2) and full
    for begin, end in zip(full[::2], full[1::2]):
        assert began < begin["time"] == begin["since"] == end["since"] <= end["time"] <= time.time() * 1000
        assert {begin["policy"], end["policy"]} == {policy} and begin["held"] == begin["dropped"] == begin["refused"] == 0
    meant = {what: sum(record[what] for record in full) for what in ("held", "dropped", "refused")}
    assert meant["dropped"] == proxy.counter("dropped") and meant["refused"] == proxy.counter("refused_requests") == len(filler.refused)
    assert [what for what, count in meant.items() if count] == [{"block": "held", "drop": "dropped", "error": "refused"}[policy]], meant
    ended = once("verify", "--format", "json", str(file))
    report = json.loads(ended.stdout)
    assert {finding["kind"] for finding in report["findings"]} == ({"dropped"} if policy == "drop" else set()), report
    assert ended.returncode == (policy == "drop") and len(report["spoolFull"]) == len(full) // 2
    assert [(one["policy"], one["since"], one["until"]) for one in report["spoolFull"]] == [(policy, end["since"], end["time"]) for end in full[1::2]]
    assert f"(--spool-full={policy})" in once("verify", str(file)).stdout


@pytest.mark.parametrize("mode", ["async", "reply"])
def test_full_and_statements_are_refused(filled, mode):
    sessions = []
    proxy, pipe, filler = filled("--spool-full=error", f"--spool-mode={mode}", before=lambda proxy: sessions.append(proxy.connect()))
    within(lambda: len(filler.refused) > 5, "statements are refused")
    for text, (code, said) in filler.refused:
        assert code == 1021 and "--spool-full=error" in said
    # What is no statement passes.
    with sessions.pop() as connection:
        connection.ping(reconnect=False)
        with pytest.raises(pymysql.err.OperationalError, match="the spool of messages is full"):
            connection.cursor().execute("SELECT 1")
        connection.ping(reconnect=False)
    refused = len(filler.refused)
    pipe.read()
    proxy.wait_log("the spool has room again")
    before = len(filler.answered)
    within(lambda: len(filler.answered) > before + 20, "the same session goes on")
    filler.stopping = True
    filler.join(30)
    proxy.stop()
    within(lambda: len(pipe.texts("fill")) >= len(filler.answered), "everything arrives")
    assert pipe.texts("fill") == filler.answered and proxy.counter("dropped") == 0 and proxy.counter("refused_requests") > refused


def test_brokers_that_are_away(mysql, kafka, proxies, tmp_path):
    """Killed while the brokers are away, started again, and nothing is missing when they are back; `proxy` tells of each process."""
    topic = Topic(kafka.bootstrap, f"T{os.getpid()}_{time.monotonic_ns()}", 2)
    options = ["--spool", tmp_path / "spool", "--spool-mode=reply", "--publish-queue-maxsize=100", *DRAIN]
    kafka.stop()
    try:
        for round in range(2):
            proxy = proxies(mysql, *options, sinks=[], env=settings(kafka, topic))
            load(proxy, 3, 200)
            proxy.kill()
    finally:
        kafka.start()
    proxy = proxies(mysql, *options, sinks=[], env=settings(kafka, topic))
    records = topic.read(1200, where=of("load"))
    assert whole(records) == (0, 6)
    proxy.stop()
    assert proxy.counter("dropped") == 0


def test_a_large_commit_is_answered_when_all_of_it_is_there(mysql, proxies, tmp_path):
    """What does not fit beside other messages, and comes from the disk; and what another session has prepared."""
    path, spool = tmp_path / "all.ndjson", tmp_path / "spool"
    options = ["--spool", spool, "--spool-mode=reply", "--buffer-messages=50", "--publish-queue-maxsize=400", "--workers=2"]
    proxy = proxies(mysql, *options, sinks=[f"ndjson:{path}"])
    with proxy.connect() as one, one.cursor() as cursor, proxy.connect() as two, two.cursor() as other:
        for rows, label in [(2000, "large"), (5, "small")]:
            cursor.execute("BEGIN")
            for number in range(rows):
                cursor.execute(f"SELECT '{label}-{number}'")
            cursor.execute("COMMIT")
        xid = f"'spool{time.monotonic_ns()}'"
        cursor.execute(f"XA START {xid}")
        for number in range(300):
            cursor.execute(f"SELECT 'xa-{number}'")
        for verb in ("END", "PREPARE"):
            cursor.execute(f"XA {verb} {xid}")
        other.execute(f"XA COMMIT {xid}")
        proxy.kill()
    proxies(mysql, *options, sinks=[f"ndjson:{path}"]).stop()
    for label, rows in [("large", 2000), ("small", 5), ("xa", 300)]:
        assert list(dict.fromkeys(texts_in(path, label))) == [f"SELECT '{label}-{number}'" for number in range(rows)]


def refused(mysql, *options):
    ended = once("proxy", "--upstream", mysql.address, "--listen", "127.0.0.1:0", *options)
    assert ended.returncode == 2, ended.stderr
    return ended.stderr


def test_what_is_wrong_at_the_start_is_said(mysql, proxies, tmp_path):
    folder = tmp_path / "spool"
    proxy = proxies(mysql, "--spool", folder)
    assert re.search(rf"--spool: another process uses the spool in .* \(process {proxy.process.pid}\)", refused(mysql, "--spool", folder))
    with proxy.connect() as connection:
        connection.cursor().execute("SELECT 'kept'")
    proxy.messages.wait(1, lambda message: message["sql"] == "SELECT 'kept'")
    proxy.kill()
    assert "--spool-max-bytes" in refused(mysql, "--spool", folder, "--spool-max-bytes=1MiB")
    assert "--spool: cannot create" in refused(mysql, "--spool", "/proc/none/spool")
    last = sorted(folder.glob("spool-*.seg"))[-1]
    bytes = last.read_bytes()
    last.write_bytes(bytes[:8] + b"\x09" + bytes[9:])
    assert "a segment file of version 9; this program knows version 1" in refused(mysql, "--spool", folder)
    # The tail is torn, where there was room for more: what is whole is delivered.
    last.write_bytes(bytes.rstrip(b"\0") + b"torn")
    (folder / "cursors").unlink(missing_ok=True)
    again = proxies(mysql, "--spool", folder)
    again.wait_log(r"cut off.*bytes=4|bytes=4.*cut off")
    within(lambda: again.messages.sql("SELECT 'kept'"), "what is whole is delivered")
    again.stop()


def test_a_disk_without_room_at_the_start(mysql, small_disk):
    assert "--spool" in (said := refused(mysql, "--spool", small_disk / "spool")) and "No space left" in said


def test_settings_that_have_no_effect_are_named(mysql, proxies, tmp_path):
    proxy = proxies(mysql, "--spool", tmp_path / "spool", "--backpressure=drop")
    assert "--backpressure: no effect, with --spool" in proxy.log
    proxy.stop()
    proxy = proxies(mysql, "--spool-mode=reply")
    assert "--spool-mode: no effect, there is no spool" in proxy.log
    proxy.stop()
