"""Statements as Parquet: what pyarrow and DuckDB read, what comes back from it, and what a kill leaves."""

import collections
import datetime
import json
import random
import re
import subprocess
import threading
import time

import duckdb
import pyarrow.parquet
import pytest

from harness import PATIENCE, run, within
from harness.breadth import seeds
from harness.metrics import Pages
from harness.parquet import files, rows
from harness.proxy import FIELDS, binary, environment

ODD = ["plain", "", "it''s", "\\0", "\\\\", '"quoted"', "line\nbreak\ttab", "é漢字", "\U0001f600", "\u202e\ufeff", "%s {} $1", "x" * 70_000]
HEADERS = ["seq", "proxy", "kind", "digest"]


def inspected(*options):
    done = run([binary(), "inspect", *options], env=environment())
    assert done.returncode == 0, done
    return done.stdout


def shown(*options):
    return [json.loads(line) for line in inspected(*options).splitlines()]


def work(proxy, seed, statements=80):
    """Statements of all sorts on some connections, some of which fail."""
    chance = random.Random(seed)
    connections = [proxy.connect(autocommit=chance.random() < 0.5) for _ in range(3)]
    for _ in range(statements):
        connection = chance.choice(connections)
        text = chance.choice(ODD)
        with connection.cursor() as cursor:
            statement = chance.choice([f"SELECT '{text}' AS a, {chance.randrange(1000)}", f"SELEC '{text}'", "SELECT * FROM nowhere.at_all",
                                       f"DO '{text}'", "SET @a = -1", "BEGIN", "COMMIT", "SELECT ROW_COUNT()"])
            try:
                cursor.execute(statement)
                cursor.fetchall()
            except Exception as error:
                assert getattr(error, "args", [0])[0] in (1064, 1146, 1049), error
    for connection in connections:
        connection.close()


def prepared(server, proxy):
    """Parameters, which only the binary protocol has."""
    import mysql.connector
    connection = mysql.connector.connect(host=proxy.host, port=proxy.port, user="app", password="app-secret", ssl_disabled=True, use_pure=True)
    with connection.cursor(prepared=True) as cursor:
        for values in ((1, "é\0\"x\\", None), (-5, "", "z" * 3000), (2.5, "\U0001f600", "[1,2]")):
            cursor.execute("SELECT ?, ?, ?", values)
            cursor.fetchall()
    connection.close()


@pytest.mark.parametrize("seed", seeds(1))
def test_every_message_is_there_field_by_field(server, proxies, tmp_path, seed):
    lake = tmp_path / "lake"
    ndjson = tmp_path / "sql.ndjson"
    proxy = proxies(server, "--parquet-roll-size", "20000", sinks=[f"parquet:{lake}", f"ndjson:{ndjson}"])
    work(proxy, seed)
    prepared(server, proxy)
    proxy.stop()
    messages = [json.loads(line) for line in ndjson.read_text().splitlines()]
    assert len(messages) > 80 and any(one["errorMessage"] for one in messages) and any(one["queryParams"] for one in messages)
    assert int(re.search(r"sink closed sink=\"?parquet:\S* .*?delivered=(\d+)", proxy.log)[1]) == len(messages)

    # pyarrow: the columns are typed, and have what the fields have.
    table = rows(lake)
    assert list(table[0]) == FIELDS + HEADERS
    for row, message in zip(table, messages, strict=True):
        found = {name: row[name] for name in FIELDS}
        assert found["timestamp"].tzinfo is not None
        found["timestamp"] = round(found["timestamp"].timestamp() * 1000)
        found["queryParams"] = None if row["queryParams"] is None else json.loads(row["queryParams"])
        assert found == message
    by_connection = collections.defaultdict(list)
    for row in table:
        by_connection[row["connectionId"]].append(row["seq"])
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in by_connection.values())
    assert {row["kind"] for row in table} >= {"select", "other"} and len({row["proxy"] for row in table}) == 1
    schema = pyarrow.parquet.read_schema(files(lake)[0])
    assert str(schema.field("timestamp").type) == "timestamp[us, tz=UTC]"
    metadata = pyarrow.parquet.ParquetFile(files(lake)[0]).metadata
    assert metadata.row_group(0).column(19).compression == "ZSTD"

    # DuckDB, by name and type.
    lakes = f"'{lake}/*.parquet'"
    types = dict(duckdb.sql(f"SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM {lakes})").fetchall())
    assert types["timestamp"] == "TIMESTAMP WITH TIME ZONE" and types["durationNs"] == "BIGINT" and types["queryParams"] == "JSON", types
    assert types["updateCount"] == "UBIGINT" and types["sql"] == "VARCHAR"
    count, failed, total = duckdb.sql(f'SELECT count(*), count("errorMessage"), sum("durationNs") FROM {lakes}').fetchall()[0]
    assert (count, failed, total) == (len(messages), sum(one["errorMessage"] is not None for one in messages),
                                      sum(one["durationNs"] or 0 for one in messages))
    found = duckdb.sql(f"SELECT \"queryParams\"->>'$[1]' FROM {lakes} WHERE \"queryParams\" IS NOT NULL ORDER BY seq").fetchall()
    assert [text for (text,) in found] == [one["queryParams"][1] for one in messages if one["queryParams"]]

    # It is read back as it was, byte by byte, and counted alike: by the digest that the proxy has found.
    assert inspected(lake) == ndjson.read_text() == inspected(f"parquet:{lake}")
    assert inspected(*files(lake)) == ndjson.read_text()
    top = shown(lake, "--top=1000", "--format", "json")
    assert collections.Counter(row["digest"] for row in table if row["digest"]) == {one["digest"]: one["count"] for one in top if one["digest"][0] != "("}
    # A recording of it is that of the lines, but for what only columns tell.

    def recording(name, source):
        done = run([binary(), "recording", "import", "--from", "messages", "--out", tmp_path / name, source])
        assert done.returncode == 0, done
        return done.stderr.split(":", 1)[1], run([binary(), "recording", "cat", tmp_path / name]).stdout.count("\n")

    assert recording("one", lake) == recording("two", ndjson)


def test_a_kill_leaves_whole_files_only(mysql, proxies, tmp_path):
    lake = tmp_path / "lake"
    options = ["--parquet-roll-age", "300ms"]
    proxy = proxies(mysql, *options, sinks=[f"parquet:{lake}"])
    with proxy.connect() as connection, connection.cursor() as cursor:
        number, end = 0, time.monotonic() + 2
        while time.monotonic() < end:
            cursor.execute(f"DO {number}")
            number += 1
        # Something that no whole file has yet.
        within(lambda: list(lake.glob(".*.part")), "a file is being written")
        proxy.kill()
    assert len(list(lake.glob("*.parquet"))) >= 2
    # Every whole file can be read, and what is in them is a beginning of what was done, in order.
    found = [one["sql"] for one in shown(lake, "--grep", "^DO ")]
    assert found == [f"DO {n}" for n in range(len(found))] and number / 2 < len(found) <= number
    again = proxies(mysql, *options, sinks=[f"parquet:{lake}"])
    assert not list(lake.glob(".*.part"))
    done = run([binary(), "proxy", "--upstream", mysql.address, "--listen", "127.0.0.1:0", "--sink", f"parquet:{lake}"])
    assert done.returncode == 2 and "another process writes to it" in done.stderr
    with again.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DO 'again'")
    again.stop()
    assert [one["sql"] for one in shown(lake, "--grep", "^DO ")] == found + ["DO 'again'"]


def test_a_folder_is_followed(mysql, proxies, tmp_path):
    lake = tmp_path / "lake"
    proxy = proxies(mysql, "--parquet-roll-age", "200ms", sinks=[f"parquet:{lake}"])
    process = subprocess.Popen([binary(), "inspect", lake, "--follow", "--grep", "^DO "], stdout=subprocess.PIPE, text=True, env=environment())
    try:
        with proxy.connect() as connection, connection.cursor() as cursor:
            for number in range(3):
                cursor.execute(f"DO {number}")
                assert json.loads(process.stdout.readline())["sql"] == f"DO {number}"
    finally:
        process.terminate()
        assert process.wait(PATIENCE) == 0


def test_what_is_no_lake(tmp_path):
    def refused(path):
        done = run([binary(), "inspect", path], env=environment())
        assert done.returncode == 1 and str(path) in done.stderr, done
        return done.stderr

    assert "no file of Parquet" in refused(tmp_path)
    table = pyarrow.table({"a": [1, 2], "when": [datetime.datetime(2026, 1, 31)] * 2})
    pyarrow.parquet.write_table(table, tmp_path / "other.parquet")
    assert "its columns are a, when" in refused(tmp_path)
    whole = (tmp_path / "other.parquet").read_bytes()
    (tmp_path / "other.parquet").write_bytes(whole[:-10])
    assert "no whole file of Parquet" in refused(tmp_path / "other.parquet")


@pytest.mark.parametrize("backpressure", ["block", "drop"])
def test_a_full_disk(mysql, proxies, small_disk, backpressure):
    """It is said, in the log and by the counters; files that are whole stay so; with room it goes on, and all messages are in the files or counted."""
    lake = small_disk / "lake"
    proxy = proxies(mysql, "--parquet-roll-age", "300ms", "--backpressure", backpressure, "--publish-queue-bytes", "1MiB", "--metrics", "127.0.0.1:0",
                    "--buffer-until-commit=false", "--redact-keys=", sinks=[f"parquet:{lake}"])
    pages, chance = Pages(proxy), random.Random(5)
    dropped = lambda: pages.total("sink_dropped_messages_total")
    answered, stopping = [], threading.Event()

    def work():
        with proxy.connect(read_timeout=PATIENCE) as connection, connection.cursor() as cursor:
            while not stopping.is_set():
                cursor.execute(f"DO {len(answered)}, '{chance.randbytes(20_000).hex()}'")
                answered.append(len(answered))

    client = threading.Thread(target=work, daemon=True)
    client.start()
    proxy.wait_log(r"the sink takes nothing now.*No space left on device")
    full = (lambda: dropped() > 0) if backpressure == "drop" else (lambda: pages.total("clients_waiting") == 1)
    within(full, "the queue is full")
    assert pages.total("sink_failures_total") > 0
    # What has a name is whole.
    rows_then = sum(len(pyarrow.parquet.read_table(path)) for path in lake.glob("*.parquet"))
    assert pages.total("sink_delivered_messages_total") == rows_then
    run(["mount", "-o", "remount,size=64m", small_disk])
    before = len(answered)
    within(lambda: len(answered) > before + 5 and pages.total("sink_delivered_messages_total") > rows_then, "it goes on")
    stopping.set()
    client.join(PATIENCE)
    lost = within(lambda: dropped() + pages.total("sink_delivered_messages_total") == pages.total("statements_total") and dropped() + 1, "all is delivered or counted") - 1
    proxy.stop()
    found = [int(one["sql"].split()[1].strip(",")) for one in shown(lake, "--grep", "^DO ")]
    assert found == sorted(set(found)) and len(answered) - len(found) == lost
    assert (lost > 0) == (backpressure == "drop")
