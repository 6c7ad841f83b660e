"""Markers, hash chains and `verify`: a clean run is complete; each fault that is planted is found as what it is, and nothing else."""

import collections
import json
import os
import pathlib
import signal
import subprocess
import threading
import time
import zlib

import confluent_kafka
import duckdb
import pyarrow
import pyarrow.dataset
import pyarrow.parquet
import pymysql
import pytest

from harness import PATIENCE, parquet, within
from harness.kafka import Topic, headers, load, settings
from harness.proxy import AS_SENT, once
from harness.wire import Raw
from test_sight import Nonsense

MARKERS = ["--markers", "300ms", *AS_SENT]


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """A private and a public key, as openssl makes them."""
    folder = tmp_path_factory.mktemp("keys")
    private, public = folder / "private.pem", folder / "public.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", private], check=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
    private.chmod(0o600)
    return private, public


def verify(*sources, key=None, env=None, options=()):
    """The exit code, and the verdict on each source."""
    options = [*options, *(["--key", key] if key else [])]
    ended = once("verify", "--format", "json", *map(str, options), *map(str, sources), env=env, timeout=PATIENCE)
    assert ended.returncode in (0, 1), ended
    return ended.returncode, [json.loads(line) for line in ended.stdout.splitlines()]


def found(report):
    return [(finding["kind"], finding.get("session"), finding.get("first"), finding.get("last")) for finding in report["findings"]]


def complete(report, at_least):
    assert report["complete"] and report["proven"] == report["messages"] >= at_least and not report["findings"], report


def records(path):
    """The marker stream in a sidecar."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line for line in lines if "event" in line]


@pytest.fixture
def written(mysql, proxies, keys):
    """A file of messages, its sidecar, and the proxy that has written both."""
    proxy = proxies(mysql, *MARKERS, "--sign-key", keys[0])
    load(proxy, 3, 20)
    # So that not one marker has it all.
    time.sleep(0.4)
    load(proxy, 3, 20)
    proxy.stop()
    return proxy.messages.path


def test_a_file_is_complete(written, keys):
    code, [report] = verify(written, key=keys[1])
    assert code == 0, report
    complete(report, 120)
    assert (report["sessions"], report["instances"], report["unproven"]) == (6, 1, 0) and report["markers"] >= 2
    text = once("verify", str(written))
    assert text.returncode == 0 and ": complete: " in text.stdout and "signatures not verified (--key)" in text.stdout
    told = records(pathlib.Path(f"{written}.audit"))
    assert [record["n"] for record in told] == list(range(1, len(told) + 1))
    assert told[0]["event"] == "instance_started" and told[-1]["event"] == "instance_stopped"
    opened = [record for record in told if record["event"] == "session_opened"]
    assert {record["user"] for record in opened} == {"app"} and all(record["attributes"]["_client_name"] == "pymysql" for record in opened)
    closed = [record for record in told if record["event"] == "session_closed"]
    assert sum(record["messages"] for record in closed) == report["messages"] == len(written.read_text().splitlines())
    assert any(record["event"] == "file_finished" and record["file"] == written.name for record in told)


def edit(lines, n):
    lines[n] = lines[n].replace(b"SELECT", b"SELEKT")


def remove(lines, n):
    del lines[n]


def swap(lines, n):
    lines[n], lines[n + 1] = lines[n + 1], lines[n]


def twice(lines, n):
    lines.insert(n + 1, lines[n])


@pytest.mark.parametrize("fault, kind", [(edit, "edited"), (remove, "removed"), (swap, "swapped"), (twice, "added")])
def test_a_fault_in_a_file(written, keys, fault, kind):
    lines = written.read_bytes().splitlines(keepends=True)
    n = next(n for n in range(40, len(lines)) if b"SELECT 'load'" in lines[n])
    fault(lines, n)
    written.write_bytes(b"".join(lines))
    code, [report] = verify(written, key=keys[1])
    assert code == 1 and [finding["kind"] for finding in report["findings"]] == [kind], report
    sidecar = [json.loads(line) for line in pathlib.Path(f"{written}.audit").read_text().splitlines()]
    place = [line for line in sidecar if "event" not in line][n + (kind == "swapped")]
    if kind != "added":
        assert found(report) == [(kind, place["session"], place["seq"], place["seq"])]


def test_a_fault_that_is_covered_up_needs_the_key(written, keys):
    """Whoever changes a marker can give it a hash, and not a signature."""
    sidecar = pathlib.Path(f"{written}.audit")
    whole = sidecar.read_text()
    sidecar.write_text(whole.replace('"opened":6', '"opened":5'))
    code, [report] = verify(written, key=keys[1])
    # What such a marker says counts for nothing, so what only it covers is not proven.
    assert code == 1 and {kind for kind, *_ in found(report)} == {"marker_edited", "unproven"}, report
    lines = whole.splitlines(keepends=True)
    marker = next(n for n, line in enumerate(lines) if '"event":"marker"' in line and '"sessions":[{' in line)
    sidecar.write_text("".join(lines[:marker] + lines[marker + 1:]))
    code, [report] = verify(written, key=keys[1])
    kinds = [kind for kind, *_ in found(report)]
    assert code == 1 and kinds.count("marker_missing") == 1 and set(kinds) <= {"marker_missing", "unproven"}, report
    sidecar.write_text(whole)
    other = keys[0].with_name("other.pem")
    made = subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519"], check=True, capture_output=True).stdout
    subprocess.run(["openssl", "pkey", "-pubout", "-out", other], input=made, check=True)
    code, [report] = verify(written, key=other)
    assert code == 1 and [finding["kind"] for finding in report["findings"]] == ["wrong_key"]


def test_rotated_and_compressed_files(mysql, proxies, keys):
    proxy = proxies(mysql, *MARKERS, "--sign-key", keys[0], "--ndjson-rotate-size", "20kB", "--ndjson-compress", "zstd")
    load(proxy, 2, 100)
    proxy.stop()
    folder, name = proxy.messages.path.parent, proxy.messages.path.name
    parts = sorted(path for path in folder.glob(f"{name}.2*") if path.suffix == ".zst")
    assert len(parts) >= 3
    code, [report] = verify(proxy.messages.path, key=keys[1])
    assert code == 0, report
    complete(report, 200)
    # What is kept for a while and then removed has expired; what is taken from the middle has been removed.
    first, middle = parts[0], parts[1]
    middle_kept, sidecar = middle.read_bytes(), pathlib.Path(str(middle).removesuffix(".zst") + ".audit")
    middle.unlink()
    code, [report] = verify(proxy.messages.path, key=keys[1])
    assert code == 1 and {kind for kind, *_ in found(report)} == {"removed"}, report
    middle.write_bytes(middle_kept)
    assert sidecar.exists()
    first.unlink()
    pathlib.Path(str(first).removesuffix(".zst") + ".audit").unlink()
    code, [report] = verify(proxy.messages.path, key=keys[1])
    assert code == 0 and {kind for kind, *_ in found(report)} == {"expired"} and report["expired"] > 0, report


def test_what_was_written_after_the_last_marker_is_unproven(mysql, proxies):
    proxy = proxies(mysql, "--markers", "300ms", *AS_SENT)
    load(proxy, 1, 20)
    sidecar = pathlib.Path(f"{proxy.messages.path}.audit")
    within(lambda: any(record["event"] == "session_closed" for record in records(sidecar)), "the session's end")
    time.sleep(0.5)
    proxy.kill()
    code, [report] = verify(proxy.messages.path)
    assert code == 0, report
    # Another begins where that one was killed, and is killed before it could write a marker.
    again = proxies(mysql, "--markers", "1h", *AS_SENT, sinks=[f"ndjson:{proxy.messages.path}"])
    load(again, 1, 20)
    within(lambda: len(proxy.messages.lines()) >= report["messages"] + 20, "the messages")
    again.kill()
    code, [report] = verify(proxy.messages.path)
    assert code == 1 and {kind for kind, *_ in found(report)} == {"unproven"} and report["unproven"] >= 20, report
    assert verify(proxy.messages.path, options=["--allow-unproven"])[0] == 0


def test_sessions_that_are_denied_killed_and_lost_sight_of(mysql, proxies):
    proxy = proxies(mysql, *MARKERS)
    with pytest.raises(pymysql.err.OperationalError):
        proxy.connect(password="wrong")
    with proxy.connect() as db, db.cursor() as cursor:
        cursor.execute("SELECT 1")
        mysql.sql(f"KILL {db.thread_id()}")
        with pytest.raises(pymysql.err.MySQLError):
            cursor.execute("SELECT 2")
    proxy.stop()
    told = records(pathlib.Path(f"{proxy.messages.path}.audit"))
    [denied] = [record for record in told if record["event"] == "session_denied"]
    assert (denied["user"], denied["code"]) == ("app", 1045) and "Access denied" in denied["message"]
    assert denied["address"].startswith("127.0.0.1:")
    assert [record["event"] for record in told].count("session_closed") == 1
    code, [report] = verify(proxy.messages.path)
    assert code == 0 and report["denied"] == 1, report
    server = Nonsense()
    blind = proxies(server.address, *MARKERS)
    with Raw(blind.host, blind.port) as raw:
        raw.login("somebody", "secret")
        raw.query("DO 1")
        raw.command(3, b"DO 2")
        assert raw.packet() == b"\xfd\x01"
    blind.stop()
    code, [report] = verify(blind.messages.path)
    assert code == 1 and [finding["kind"] for finding in report["findings"]] == ["sight_lost"], report
    assert "observation lost" in report["findings"][0]["text"]


def test_tls_is_told(mysql, proxies):
    proxy = proxies(mysql, *MARKERS)
    with proxy.connect(ssl={"check_hostname": False}, ssl_disabled=False) as db, db.cursor() as cursor:
        cursor.execute("SELECT 1")
    proxy.stop()
    [opened] = [record for record in records(pathlib.Path(f"{proxy.messages.path}.audit")) if record["event"] == "session_opened"]
    assert opened["tls"]["version"] == "TLSv1_3" and opened["tls"]["cipher"].startswith("TLS13_"), opened


def test_what_a_full_queue_dropped(mysql, kafka, topic, proxies):
    """The brokers are there, and the queue takes ten messages at a time."""
    queue = ["--publish-queue-maxsize", "10", "--backpressure", "drop"]
    proxy = proxies(mysql, *MARKERS, *queue, sinks=["kafka"], env=settings(kafka, topic))
    load(proxy, 4, 300)
    proxy.stop()
    code, [report] = verify(f"kafka:{topic.name}", env=reach(kafka))
    assert code == 1 and {finding["kind"] for finding in report["findings"]} == {"dropped"}, report
    assert set(report["dropped"]) <= {"queue_full", "ingest_full"}
    assert sum(report["dropped"].values()) == proxy.counter("dropped") and report["proven"] == report["messages"]


@pytest.fixture
def topic(kafka, request):
    topic = Topic(kafka.bootstrap, f"V_{os.getpid()}_{time.monotonic_ns()}", 3)
    Topic(kafka.bootstrap, f"{topic.name}_MARKERS", 1)
    return topic


def reach(kafka):
    return {"INTERCEPTOR_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap}


def produced(kafka, topic, record, value=None, head=None):
    """A record as it is there, or with another content."""
    producer = confluent_kafka.Producer({"bootstrap.servers": kafka.bootstrap})
    producer.produce(topic.name, record.value() if value is None else value, record.key(), partition=record.partition(),
                     headers=list((head or headers(record)).items()))
    assert producer.flush(PATIENCE) == 0


def test_a_topic(mysql, kafka, topic, proxies, keys):
    proxy = proxies(mysql, *MARKERS, "--sign-key", keys[0], sinks=["kafka"], env=settings(kafka, topic))
    load(proxy, 4, 30)
    proxy.stop()
    source, env = f"kafka:{topic.name}", reach(kafka)
    code, [report] = verify(source, key=keys[1], env=env)
    assert code == 0, report
    complete(report, 120)
    messages = topic.read(120)
    said = headers(messages[0])
    assert {"instance", "session", "previous", "hash", "seq", "proxy", "kind"} <= set(said)
    # The same again is a redelivery, counted.
    produced(kafka, topic, messages[7])
    code, [report] = verify(source, key=keys[1], env=env)
    assert (code, report["redelivered"]) == (0, 1), report
    # The same number with another content is not. (What clients say when they connect is among the messages, too.)
    other = next(message for message in messages[9:] if b"SELECT 'load'" in message.value())
    produced(kafka, topic, other, value=other.value().replace(b"SELECT", b"DELETE"))
    place = headers(other)
    code, [report] = verify(source, key=keys[1], env=env)
    assert code == 1 and found(report) == [("conflict", int(place["session"]), int(place["seq"]), int(place["seq"]))], report


def test_retention_of_a_topic(mysql, kafka, topic, proxies):
    proxy = proxies(mysql, *MARKERS, sinks=["kafka"], env=settings(kafka, topic))
    load(proxy, 4, 30)
    proxy.stop()
    part = max(range(topic.partitions), key=lambda n: sum(record.partition() == n for record in topic.read(120)))
    place = confluent_kafka.TopicPartition(topic.name, part, 11)
    [gone] = topic.admin.delete_records([place]).values()
    gone.result(PATIENCE)
    code, [report] = verify(f"kafka:{topic.name}", env=reach(kafka))
    assert code == 0 and report["expired"] == 11 and {kind for kind, *_ in found(report)} == {"expired"}, report


def test_a_message_that_was_too_large_keeps_the_chain(mysql, kafka, proxies, keys):
    topic = Topic(kafka.bootstrap, f"V_{os.getpid()}_{time.monotonic_ns()}", 3, {"max.message.bytes": "20000"})
    Topic(kafka.bootstrap, f"{topic.name}_MARKERS", 1)
    proxy = proxies(mysql, *MARKERS, "--sign-key", keys[0], sinks=["kafka"], env=settings(kafka, topic))
    with proxy.connect() as db, db.cursor() as cursor:
        for n in range(5):
            cursor.execute(f"SELECT {n}")
            cursor.execute(f"SELECT '{'x' * 40_000}'")
    proxy.stop()
    assert sum("cut" in headers(record) for record in topic.read(10)) == 5
    code, [report] = verify(f"kafka:{topic.name}", key=keys[1], env=reach(kafka))
    assert code == 0, report
    complete(report, 10)
    # The whole chain, as a consumer without markers sees it.
    chain = sorted((headers(record) for record in topic.read(10)), key=lambda said: int(said["seq"]))
    assert all(later["previous"] == earlier["hash"] for earlier, later in zip(chain, chain[1:]))


def test_what_cannot_be(mysql, tmp_path, keys):
    def refused(*options):
        ended = once("proxy", "--upstream", mysql.address, "--listen", "127.0.0.1:0", *map(str, options))
        assert ended.returncode == 2, ended
        return ended.stderr

    assert "--markers: stdout has no place for markers" in refused("--markers", "10s")
    assert "--sign-key" in refused("--sign-key", keys[0], "--sink", f"ndjson:{tmp_path}/f")
    file = ["--sink", f"ndjson:{tmp_path}/f", "--markers", "10s"]
    assert "expected 100ms or more" in refused(*file[:2], "--markers", "0")
    open_to_all = tmp_path / "open.pem"
    open_to_all.write_bytes(keys[0].read_bytes())
    open_to_all.chmod(0o644)
    assert "others may use" in refused(*file, "--sign-key", open_to_all)
    public = tmp_path / "public.pem"
    public.write_bytes(keys[1].read_bytes())
    public.chmod(0o600)
    assert "no Ed25519 private key" in refused(*file, "--sign-key", public)
    assert "no regular file" in refused("--sink", "ndjson:/dev/null", "--markers", "10s")
    for arguments, code, words in [((), 2, "SOURCE"), (("kafka:a b",), 2, "kafka:a b"), ((str(tmp_path / "none"),), 1, "no marker stream"),
                                   (("--key", str(keys[0]), str(tmp_path / "none")), 2, "no Ed25519 public key")]:
        ended = once("verify", *arguments)
        assert ended.returncode == code and words in ended.stderr, ended


def test_what_a_killed_process_left_in_its_spool_is_proven_as_its_own(mysql, kafka, topic, proxies, keys, tmp_path):
    """The first process sends nothing: it lingers for a minute, and is killed. The second sends it, and its markers cover it."""
    options = [*MARKERS, "--sign-key", keys[0], "--spool", tmp_path / "spool", "--spool-mode", "reply"]
    slow = settings(kafka, topic, INTERCEPTOR_KAFKA_LINGER_MS="60000", INTERCEPTOR_KAFKA_BATCH_SIZE="10000000")
    killed = proxies(mysql, *options, sinks=["kafka"], env=slow)
    load(killed, 2, 20)
    killed.kill()
    proxy = proxies(mysql, *options, sinks=["kafka"], env=settings(kafka, topic))
    load(proxy, 2, 20)
    proxy.stop()
    code, [report] = verify(f"kafka:{topic.name}", key=keys[1], env=reach(kafka))
    assert code == 0, report
    complete(report, 80)
    assert report["instances"] == 2 and len({headers(record)["instance"] for record in topic.read(80)}) == 2


def rewritten(segment, change):
    """A spool's segment with a byte of a message changed, and with the checksum that its record then has (docs/spool.md)."""
    data = bytearray(segment)
    key, at = data[12:20], 24
    while at < len(data):
        length = int.from_bytes(data[at:at + 4], "little")
        record = data[at + 8:at + 8 + length]
        if (place := change(record)) is not None:
            data[at + 8 + place] ^= 1
            checked = key + at.to_bytes(8, "little") + data[at:at + 4] + data[at + 8:at + 8 + length]
            data[at + 4:at + 8] = zlib.crc32(checked).to_bytes(4, "little")
            return bytes(data)
        at += 8 + length
    raise AssertionError("nothing was changed")


def test_what_waits_in_a_spool(mysql, kafka, topic, proxies, keys, tmp_path):
    """Manifests cover it while the process runs; what was changed since is found, whatever its checksum says."""
    spool = tmp_path / "spool"
    options = [*MARKERS, "--sign-key", keys[0], "--spool", spool, "--spool-mode", "reply"]
    slow = settings(kafka, topic, INTERCEPTOR_KAFKA_LINGER_MS="60000", INTERCEPTOR_KAFKA_BATCH_SIZE="10000000")
    proxy = proxies(mysql, *options, sinks=["kafka"], env=slow)
    load(proxy, 2, 20)
    within(lambda: verify(f"spool:{spool}", key=keys[1])[0] == 0, "manifests cover all of it")
    _, [report] = verify(f"spool:{spool}", key=keys[1])
    complete(report, 40)
    assert (report["sessions"], report["instances"]) == (2, 1) and report["markers"] >= 1
    load(proxy, 2, 20)
    proxy.kill()
    code, [report] = verify(f"spool:{spool}", key=keys[1], options=["--allow-unproven"])
    assert code == 0 and report["messages"] == report["proven"] + report["unproven"] >= 80, report
    [segment] = spool.glob("*.seg")
    whole = segment.read_bytes()
    segment.write_bytes(rewritten(whole, lambda record: record.find(b"'load'") + 1 if b"'load'" in record else None))
    code, [report] = verify(f"spool:{spool}", key=keys[1], options=["--allow-unproven"])
    assert code == 1 and {kind for kind, *_ in found(report)} - {"unproven"} == {"manifest"}, report
    segment.write_bytes(whole[:60] + b"?" + whole[61:])
    code, [report] = verify(f"spool:{spool}", key=keys[1])
    assert code == 1 and report["messages"] < 80, report
    nothing = once("verify", "spool:" + str(tmp_path / "none"))
    assert nothing.returncode == 1 and "none" in nothing.stderr, nothing


@pytest.mark.parametrize("mode", ["async", "reply"])
def test_kills_under_load_leave_messages_unproven_and_nothing_else(mysql, proxies, keys, tmp_path, mode):
    """Each process sends again what the one before had not written down as delivered, in chains of its own, with manifests of its own."""
    file = tmp_path / "sql.ndjson"
    options = ["--markers", "200ms", "--sign-key", keys[0], "--spool", tmp_path / "spool", "--spool-mode", mode]
    over = threading.Event()

    def work(proxy):
        try:
            with proxy.connect() as connection, connection.cursor() as cursor:
                while not over.is_set():
                    cursor.execute("SELECT 1")
        except pymysql.Error:
            pass

    for number in range(3):
        proxy = proxies(mysql, *options, sinks=[f"ndjson:{file}"])
        threads = [threading.Thread(target=work, args=(proxy,)) for _ in range(3)]
        [thread.start() for thread in threads]
        time.sleep(0.7 + 0.05 * number)
        proxy.kill()
        [thread.join() for thread in threads]
    last = proxies(mysql, *options, sinks=[f"ndjson:{file}"])
    load(last, 1, 5)
    last.stop()
    code, [report] = verify(file, key=keys[1])
    assert {finding["kind"] for finding in report["findings"]} <= {"unproven"}, report
    assert report["instances"] == 4 and report["proven"] > 0 and code in (0, 1)


@pytest.fixture
def lake(mysql, proxies, keys, tmp_path):
    """A folder of Parquet files, ended by size, by age, and by the stop of the proxy."""
    folder = tmp_path / "lake"
    sinks = [f"parquet:{folder}", f"ndjson:{tmp_path}/sql.ndjson"]
    proxy = proxies(mysql, *MARKERS, "--sign-key", keys[0], "--parquet-roll-size", "20kB", "--parquet-roll-age", "700ms", sinks=sinks)
    load(proxy, 3, 60)
    within(lambda: len(list(folder.glob("*.parquet"))) >= 1, "a file of some age")
    load(proxy, 3, 60)
    proxy.stop()
    return folder


def sidecar_of(path):
    return path.with_name(f"_{path.name}.audit")


def test_parquet_is_complete_and_read_by_others(lake, keys, tmp_path):
    paths = parquet.files(lake)
    assert len(paths) >= 2
    code, [report] = verify(f"parquet:{lake}", key=keys[1])
    assert code == 0, report
    complete(report, 360)
    assert verify(lake, key=keys[1])[0] == 0
    code, reports = verify(*paths, key=keys[1])
    assert code == 0 and sum(each["proven"] for each in reports) == report["proven"], reports
    # The same messages are in the file beside it, in the same chain: the same hashes.
    audit = [json.loads(line) for line in pathlib.Path(f"{tmp_path}/sql.ndjson.audit").read_text().splitlines()]
    chain = sorted((line["session"], line["seq"], line["previous"], line["hash"], line["instance"]) for line in audit if "event" not in line)
    query = f"SELECT session, seq, previous, hash, instance FROM '{lake}/*.parquet' ORDER BY session, seq"
    assert duckdb.sql(query).fetchall() == chain
    table = pyarrow.dataset.dataset(lake, format="parquet").to_table(columns=["session", "seq", "hash"])
    assert table.num_rows == len(chain) and table.schema.field("session").type == pyarrow.uint64()
    manifests = [record["file"] for path in paths for record in records(sidecar_of(path)) if record["event"] == "file_finished"]
    assert manifests == [path.name for path in paths]
    # Another compression is no other content.
    for path in paths:
        pyarrow.parquet.write_table(pyarrow.parquet.read_table(path), path, compression="gzip")
    code, [report] = verify(lake, key=keys[1])
    assert code == 0 and report["complete"], report


def edit_row(rows, n):
    rows[n] = {**rows[n], "sql": rows[n]["sql"] + " "}


def conflicting_row(rows, n):
    rows.append({**rows[n], "sql": "SELECT 'never'"})


@pytest.mark.parametrize("fault, kind", [(edit_row, "edited"), (remove, "removed"), (swap, "swapped"), (conflicting_row, "conflict"), (twice, "manifest")])
def test_a_fault_in_parquet(lake, keys, fault, kind):
    path = max(parquet.files(lake), key=lambda path: pyarrow.parquet.read_metadata(path).num_rows)
    table = pyarrow.parquet.read_table(path)
    rows = table.to_pylist()
    session = collections.Counter(row["session"] for row in rows).most_common(1)[0][0]
    n = next(n for n in range(len(rows) - 1) if rows[n]["session"] == rows[n + 1]["session"] == session and rows[n]["sql"])
    place = rows[n]["session"], rows[n]["seq"]
    fault(rows, n)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema=table.schema), path, compression="zstd")
    code, [report] = verify(lake, key=keys[1])
    assert code == 1 and [finding["kind"] for finding in report["findings"]] == [kind], report
    if kind not in ("swapped", "manifest"):
        assert found(report) == [(kind, *place, place[1])]


def test_files_of_parquet_that_are_removed_renamed_or_truncated(lake, keys):
    paths = parquet.files(lake)
    path = paths[len(paths) // 2]
    content = path.read_bytes()
    path.unlink()
    code, [report] = verify(lake, key=keys[1])
    assert code == 1 and {kind for kind, *_ in found(report)} == {"removed"}, report
    path.write_bytes(content[:len(content) // 2])
    code, [report] = verify(lake, key=keys[1])
    kinds = [kind for kind, *_ in found(report)]
    assert code == 1 and set(kinds) == {"removed", "manifest"} and kinds.count("manifest") == 1, report
    path.rename(lake / "other.parquet").write_bytes(content)
    code, [report] = verify(lake, key=keys[1])
    assert code == 1 and [kind for kind, *_ in found(report)] == ["manifest"] and "other.parquet" in report["findings"][0]["text"], report
    # What retention removes, sidecar and all, has expired.
    (lake / "other.parquet").rename(path)
    assert verify(lake, key=keys[1])[0] == 0
    for old in paths[:1]:
        old.unlink()
        sidecar_of(old).unlink()
    code, [report] = verify(lake, key=keys[1])
    assert code == 0 and {kind for kind, *_ in found(report)} == {"expired"}, report


def test_kills_leave_whole_files_of_parquet_and_what_the_spool_sends_again_is_proven(mysql, proxies, keys, tmp_path):
    folder, over = tmp_path / "lake", threading.Event()
    options = [*MARKERS, "--sign-key", keys[0], "--parquet-roll-age", "300ms", "--spool", tmp_path / "spool", "--spool-mode", "reply"]
    answered = []

    def work(proxy, name):
        try:
            with proxy.connect() as connection, connection.cursor() as cursor:
                for n in range(100_000):
                    if over.is_set():
                        return
                    cursor.execute(f"SELECT '{name}', {n}")
                    answered.append(f"SELECT '{name}', {n}")
        except pymysql.Error:
            pass

    for number in range(3):
        proxy = proxies(mysql, *options, sinks=[f"parquet:{folder}"])
        threads = [threading.Thread(target=work, args=(proxy, f"{number}-{n}")) for n in range(2)]
        [thread.start() for thread in threads]
        time.sleep(0.9 + 0.07 * number)
        proxy.kill()
        [thread.join() for thread in threads]
        assert {kind for kind, *_ in found(verify(folder, key=keys[1])[1][0])} <= {"unproven"}
    last = proxies(mysql, *options, sinks=[f"parquet:{folder}"])
    load(last, 1, 5)
    last.stop()
    code, [report] = verify(folder, key=keys[1])
    assert {finding["kind"] for finding in report["findings"]} <= {"unproven"}, report
    assert report["instances"] == 4 and report["proven"] >= len(answered), report
    rows = parquet.rows(folder)
    assert set(answered) <= {row["sql"] for row in rows} and len(answered) > 100
