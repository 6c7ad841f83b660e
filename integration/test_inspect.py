"""inspect: messages from files, standard input and topics, chosen, shown in each form, and counted by digest."""

import collections
import csv
import io
import json
import math
import os
import random
import signal
import subprocess
import threading
import time

import pytest
import zstandard

from harness import PATIENCE, within
from harness.kafka import Topic, headers, settings
from harness.proxy import binary, environment

NAMES = ["timestamp", "serverHost", "serverVersion", "user", "client", "dbName", "stmtDbName", "debug", "connectionId", "totalPoolCount",
         "executionCount", "serverFlags", "clientFlags", "iFlags", "defaultTZ", "serverTZ", "isolationLvl", "durationNs", "updateCount",
         "sql", "queryParams", "errorMessage", "serverInfo"]
START = 1_795_780_800_000
SHAPES = [("SELECT name FROM users WHERE id = {}", "select"), ("INSERT INTO orders VALUES ({}, 'x')", "insert"),
          ("UPDATE users SET seen = {} WHERE id = 7", "update"), ("COMMIT", "commit"), ("DROP TABLE t", "ddl")]


def message(number, shape=0, **fields):
    """A message of the proxy's, the `number`th of a stream of one a second."""
    values = {"timestamp": START + number * 1000, "serverHost": "db:3306", "serverVersion": "9.7.4", "user": "app", "client": "10.1.2.3",
              "dbName": "shop", "stmtDbName": "shop", "debug": "test", "connectionId": 42, "totalPoolCount": 1, "executionCount": number + 1,
              "serverFlags": 2, "clientFlags": 3842565, "iFlags": 9, "defaultTZ": "UTC", "serverTZ": "SYSTEM", "isolationLvl": 4,
              "durationNs": 1_000_000 + number * 1000, "updateCount": 1, "sql": SHAPES[shape][0].format(number), "queryParams": None,
              "errorMessage": None, "serverInfo": None}
    assert set(fields) <= set(values)
    return {**values, **fields}


def line(values):
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False) + "\n"


def random_messages(count, seed):
    """Messages of all shapes, by several users, some of them failed."""
    chance = random.Random(seed)
    made = []
    for number in range(count):
        fields = {"user": chance.choice(["app", "root", "app_2", None]), "client": chance.choice(["10.1.2.3", "192.0.2.7", "web-1"]),
                  "stmtDbName": chance.choice(["shop", "stock", None]), "durationNs": chance.choice([0, 999, 10 ** chance.randint(3, 10)]),
                  "updateCount": chance.randint(0, 5), "debug": chance.choice(["test", "other \"x\" é"])}
        if chance.random() < 0.1:
            fields |= {"errorMessage": "ERROR 1064 (42000): You have an error"}
        made.append(message(number, chance.randrange(len(SHAPES)), **fields))
    return made


def inspect(*options, given=None, code=0, **more):
    done = subprocess.run([binary(), "inspect", *map(str, options)], input=given, capture_output=True, text=True, timeout=PATIENCE,
                          env={**environment(), "TZ": "UTC"}, **more)
    assert done.returncode == code, done
    return done


def shown(*options, **more):
    return [json.loads(text) for text in inspect(*options, **more).stdout.splitlines()]


@pytest.fixture
def stream(tmp_path):
    """A file of messages and the messages."""
    made = random_messages(2000, seed=1)
    path = tmp_path / "sql.ndjson"
    path.write_text("".join(map(line, made)))
    return path, made


def test_filters_choose_what_the_fields_say(stream):
    path, made = stream
    kinds = {text.split("{")[0]: kind for text, kind in SHAPES}

    def kind(one):
        return next(name for front, name in kinds.items() if one["sql"].startswith(front))

    for options, wanted in (
        ([], lambda one: True),
        (["--only", "user=app"], lambda one: one["user"] == "app"),
        (["--only", "user=app*,user=root"], lambda one: one["user"] is not None),
        (["--only", "user="], lambda one: one["user"] is None),
        (["--skip", "database=shop"], lambda one: one["stmtDbName"] != "shop"),
        (["--only", "client=10.0.0.0/8"], lambda one: one["client"] == "10.1.2.3"),
        (["--only", "kind=insert,kind=ddl"], lambda one: kind(one) in ("insert", "ddl")),
        (["--only", "table=users"], lambda one: " users " in one["sql"]),
        (["--skip", "table=shop.o*,table=T"], lambda one: not (" orders " in one["sql"] and one["stmtDbName"] == "shop" or " t" == one["sql"][-2:])),
        (["--min-duration", "1ms"], lambda one: one["durationNs"] >= 1_000_000),
        (["--errors"], lambda one: one["errorMessage"] is not None),
        (["--grep", "^(UPDATE|DROP)"], lambda one: kind(one) in ("update", "ddl")),
        (["--debug", "other \"x\" é"], lambda one: one["debug"] != "test"),
        (["--from", "2026-11-27T12:10:00Z", "--to", "2026-11-27 12:20:00"], lambda one: 600 <= (one["timestamp"] - START) / 1000 < 1200),
        (["--only", "user=root", "--errors", "--skip", "kind=select"],
         lambda one: one["user"] == "root" and one["errorMessage"] and kind(one) != "select"),
    ):
        expected = list(filter(wanted, made))
        assert shown(path, *options) == expected, options
        assert not options or 0 < len(expected) < len(made), options
    digest = {one["example"]["sql"].split()[0]: one["digest"] for one in shown(path, "--top", "--format", "json")}["INSERT"]
    assert shown(path, "--only", f"digest={digest}") == [one for one in made if kind(one) == "insert"]


def test_top_is_what_a_plain_count_says(stream):
    path, made = stream
    groups = collections.defaultdict(list)
    for one in made:
        groups[one["sql"].split()[0]].append(one)
    top = shown(path, "--top=100", "--format", "json")
    assert len(top) == len(groups) and [one["rank"] for one in top] == [1, 2, 3, 4, 5]
    everything = sum(one["durationNs"] for one in made)
    for found in top:
        of = groups[found["example"]["sql"].split()[0]]
        durations = sorted(one["durationNs"] for one in of)
        assert found["count"] == len(of) and found["rows"] == sum(one["updateCount"] for one in of)
        assert found["errors"] == sum(one["errorMessage"] is not None for one in of)
        assert found["durationTotalNs"] == sum(durations) and found["durationMaxNs"] == durations[-1] == found["example"]["durationNs"]
        assert abs(found["durationShare"] - sum(durations) / everything) < 1e-9
        for name, share in (("P50", 0.5), ("P95", 0.95), ("P99", 0.99)):
            exact = durations[math.ceil(share * len(durations)) - 1]
            assert abs(found[f"duration{name}Ns"] - exact) <= exact / 60 + 1, (name, found, exact)
        assert [found["firstSeen"], found["lastSeen"]] == [iso(of[0]), iso(of[-1])]
        assert found["window"] == {"from": iso(made[0]), "to": iso(made[-1])}
    assert [one["durationTotalNs"] for one in top] == sorted((one["durationTotalNs"] for one in top), reverse=True)
    for sort, key in (("count", "count"), ("p95", "durationP95Ns"), ("max", "durationMaxNs"), ("rows", "rows"), ("errors", "errors"),
                      ("last", "lastSeen")):
        keys = [one[key] for one in shown(path, "--top=100", "--sort", sort, "--format", "json")]
        assert keys == sorted(keys, reverse=True), sort
    assert shown(path, "--top=2", "--format", "json") == top[:2]


def iso(one):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(one["timestamp"] // 1000)) + f".{one['timestamp'] % 1000:03}Z"


def test_every_column_of_top_says_what_it_is_of_which_time(stream):
    path, _ = stream
    heads, *rows = csv.reader(io.StringIO(inspect(path, "--top", "--format", "csv").stdout))
    window = "12:00:00-12:33:19"
    assert all(head.endswith(f", {window}") for head in heads), heads
    assert f"p95 of duration, ms, {window}" in heads and f"count of errors, {window}" in heads
    assert len(rows) == len(SHAPES) and all(len(row) == len(heads) for row in rows)
    table = inspect(path, "--top=3").stdout.splitlines()
    assert table[0].startswith("2000 statements, 5 digests, ") and "3 of them by total" in table[0]
    assert "p50 of" in table[1] and "duration, ms" in table[2] and window in table[3] and len(table) == 4 + 3 * 3


def test_each_form(stream):
    path, made = stream
    head, *rows = csv.reader(io.StringIO(inspect(path, "--format", "csv").stdout))
    assert head == NAMES and len(rows) == len(made)
    assert all(dict(zip(head, row)) == {name: "" if one[name] is None else str(one[name]) for name in NAMES} for row, one in zip(rows, made))
    table = inspect(path, "--format", "table", "--only", "user=app", "--grep", "^SELECT").stdout.splitlines()
    assert table[0].split() == ["TIME", "CONNECTION", "USER", "CLIENT", "DATABASE", "DURATION", "ms", "ROWS", "STATEMENT"]
    assert len(set(text.find("SELECT") for text in table[1:])) == 1 and len(table) > 10
    pretty = inspect(path, "--format", "pretty", "--only", "user=app").stdout
    assert pretty == inspect(path, "--pretty", "--only", "user=app").stdout != ""
    for options, words in ((["--pretty", "--format", "csv"], "--pretty"), (["--tail", "3"], "--tail"), (["--topic", "T"], "--topic"),
                           (["--grep", "("], "--grep"), (["--from", "yesterday"], "--from"), (["--top=0"], "--top"),
                           (["--only", "host=x"], "--only"), (["--sort", "x"], "--sort")):
        assert words in inspect(path, *options, code=2).stderr, options


def test_rotated_files_in_the_order_of_time(tmp_path):
    path = tmp_path / "sql.ndjson"
    parts = [[message(number) for number in range(part * 10, part * 10 + 10)] for part in range(4)]
    texts = ["".join(map(line, part)) for part in parts]
    compressed = zstandard.ZstdCompressor()
    (tmp_path / "sql.ndjson.20261127T120000Z-10.zst").write_bytes(compressed.compress(texts[1].encode()))
    (tmp_path / "sql.ndjson.20261127T120000Z-9.zst").write_bytes(compressed.compress(texts[0].encode()))
    (tmp_path / "sql.ndjson.20261127T120500Z-1").write_text(texts[2])
    # It is being compressed now.
    (tmp_path / "sql.ndjson.20261127T120500Z-1.zst.unfinished").write_bytes(compressed.compress(texts[2].encode())[:20])
    (tmp_path / "sql.ndjson.old").write_text("somebody else's")
    path.write_text(texts[3])
    assert shown(f"ndjson:{path}") == sum(parts, [])
    assert shown(path) == parts[3]
    assert shown(tmp_path / "sql.ndjson.20261127T120000Z-9.zst", path) == parts[0] + parts[3]
    assert sum(one["count"] for one in shown(f"ndjson:{path}", "--top", "--format", "json")) == 40
    path.unlink()
    assert shown(f"ndjson:{path}") == sum(parts[:3], [])


def test_what_is_no_message(tmp_path):
    """Broken lines are counted, the first is named; what another program wrote is left out of what is about statements; a line that is being
    written is no error."""
    path = tmp_path / "odd.ndjson"
    good, other = line(message(1)), '{"type":"insert","database":"d","table":"t","after":{"id":1}}\n'
    path.write_bytes((good + other + "\n" + "{broken\n" + good).encode() + b'"\xff"\n' + good[:100].encode())
    done = inspect(path, code=1)
    assert f"2 lines are no JSON, the first in {path}, byte {len(good + other) + 1}" in done.stderr
    assert done.stdout == good + other + good
    assert shown(path, "--only", "user=app", code=1) == [message(1)] * 2
    assert [one["count"] for one in shown(path, "--top", "--format", "json", code=1)] == [2]
    # A whole last line without its end counts.
    path.write_text(good + good.rstrip("\n"))
    assert shown(path) == [message(1)] * 2
    path.write_text("")
    assert shown(path) == [] and "0 statements" in inspect(path, "--top").stdout
    # A compressed file that ends too early.
    path.write_bytes(zstandard.ZstdCompressor().compress((good * 1000).encode())[:-20])
    assert str(path) in inspect(path, code=1).stderr
    for wrong in (tmp_path / "none.ndjson", f"ndjson:{tmp_path}/none.ndjson"):
        assert "No such file" in inspect(wrong, code=1).stderr
    assert "ndjson:PATH" in inspect("ndjson:", code=2).stderr


def test_a_reader_that_goes_away_is_no_error(stream):
    path, _ = stream
    big = path.with_name("big.ndjson")
    big.write_text(path.read_text() * 20)
    process = subprocess.Popen([binary(), "inspect", big], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(PATIENCE) == 0 and process.stderr.read() == b""


class Following:
    """inspect --follow, whose lines are gathered."""

    def __init__(self, *options):
        self.process = subprocess.Popen([binary(), "inspect", *map(str, options), "--follow"], stdout=subprocess.PIPE, text=True,
                                        env={**environment(), "TZ": "UTC"})
        self.lines = []
        self.thread = threading.Thread(target=lambda: self.lines.extend(iter(self.process.stdout.readline, "")))
        self.thread.start()

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(PATIENCE) == 0
        self.thread.join(PATIENCE)
        return self.lines


@pytest.mark.parametrize("compress", [False, True])
def test_a_file_is_followed_through_rotations(tmp_path, compress):
    path = tmp_path / "sql.ndjson"
    made = [message(number) for number in range(60)]
    path.write_text("".join(map(line, made[:5])))
    following = Following(f"ndjson:{path}")
    try:
        within(lambda: len(following.lines) == 5, "5 lines")
        with path.open("a") as file:
            # In two pieces.
            file.write(line(made[5])[:50])
            file.flush()
            time.sleep(0.2)
            file.write(line(made[5])[50:])
        within(lambda: len(following.lines) == 6, "6 lines")
        # Two rotations between two looks, the first one with something new.
        with path.open("a") as file:
            file.writelines(map(line, made[6:10]))
        for number, part in ((1, made[10:30]), (2, made[30:40])):
            target = tmp_path / f"sql.ndjson.20261127T120000Z-{number}"
            path.rename(target)
            if compress and number == 1:
                time.sleep(0.5)
            path.write_text("".join(map(line, part)))
            if compress and number == 1:
                within(lambda: len(following.lines) == 30, "30 lines")
                target.with_name(target.name + ".zst").write_bytes(zstandard.ZstdCompressor().compress(target.read_bytes()))
                target.unlink()
        within(lambda: len(following.lines) == 40, "40 lines")
        # Cut, as others rotate.
        path.write_text("")
        time.sleep(0.5)
        with path.open("a") as file:
            file.writelines(map(line, made[40:]))
        within(lambda: len(following.lines) == 60, "60 lines")
    finally:
        lines = following.stop()
    assert [json.loads(text) for text in lines] == made


def test_top_follows_until_it_is_stopped(tmp_path):
    path = tmp_path / "later.ndjson"
    path.write_text("")
    following = Following(path, "--top", "--format", "json")
    time.sleep(0.5)
    with path.open("a") as file:
        file.writelines(line(message(number)) for number in range(30))
    time.sleep(0.7)
    [found] = map(json.loads, following.stop())
    assert found["count"] == 30


def test_digests_are_those_of_kafkas_headers(server, kafka, proxies):
    """One string everywhere: what the proxy puts into headers, what --top shows of the topic, and what it finds in a file."""
    topic = Topic(kafka.bootstrap, f"INSPECT-{server.flavor}-{os.getpid()}", 2)
    proxy = proxies(server, sinks=["kafka"], env={"INTERCEPTOR_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap, "INTERCEPTOR_KAFKA_TOPIC": topic.name,
                                                  "INTERCEPTOR_KAFKA_LINGER_MS": "10", "INTERCEPTOR_BUFFER_UNTIL_COMMIT": "false"})
    texts = ["SELECT 'it\\'s', \"x\", N'n', 1.5e3 /* c */", "SELECT 1 FROM dual WHERE 1 IN (1, 2, 3)", "SELECT `id` FROM (SELECT 2 AS id) t",
             "DO 0 /*!50000 + 1 */", "SET @a = '\u00e9'"]
    with proxy.connect() as connection, connection.cursor() as cursor:
        for text in texts * 2:
            cursor.execute(text)
            cursor.fetchall()
    records = topic.read(2 * len(texts), lambda one: one["sql"] in texts)
    proxy.stop()
    by_digest = collections.Counter(headers(record)["digest"] for record in records)
    base = [f"kafka:{topic.name}", "--bootstrap-servers", kafka.bootstrap]
    assert {one["digest"]: one["count"] for one in shown(*base, "--top=100", "--format", "json")} == by_digest
    lines = inspect(*base).stdout
    found = shown("-", "--top=100", "--format", "json", given=lines)
    assert {one["digest"]: one["count"] for one in found} == by_digest
    by_kind = collections.Counter(headers(record)["kind"] for record in records)
    for kind, count in by_kind.items():
        assert len(shown(*base, "--only", f"kind={kind}")) == count, kind


def test_a_spool_is_read_while_its_proxy_runs(mysql, kafka, proxies, tmp_path):
    """What no broker has taken yet is in the spool; nothing of it is locked or changed."""
    spool = tmp_path / "spool"
    nowhere = {"INTERCEPTOR_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "INTERCEPTOR_BUFFER_UNTIL_COMMIT": "false"}
    proxy = proxies(mysql, "--spool", spool, "--drain-timeout", "1", sinks=[], env=nowhere)
    with proxy.connect() as connection, connection.cursor() as cursor:
        for number in range(20):
            cursor.execute(f"DO {number}")
    expected = [f"DO {number}" for number in range(20)]
    within(lambda: [one["sql"] for one in shown(f"spool:{spool}", "--grep", "^DO")] == expected, "the spool has all of it")
    [top] = shown(f"spool:{spool}", "--grep", "^DO", "--top", "--format", "json")
    assert top["count"] == 20 and len(top["digest"]) == 32
    assert "spool" in inspect(f"spool:{tmp_path}/none", code=1).stderr
    proxy.kill()
    assert [one["sql"] for one in shown(f"spool:{spool}", "--grep", "^DO")] == expected


def test_a_number_without_its_equals_sign_is_no_file(stream):
    path, _ = stream
    assert "--top=3" in inspect(path, "--top", "3", code=2).stderr
