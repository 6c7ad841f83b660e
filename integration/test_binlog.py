"""The subcommand `binlog`: where it starts and stops, what it leaves out, what it follows, and how it fails."""

import base64
import json
import random
import re
import subprocess
import threading
import time
import zlib
from pathlib import Path

import pytest
from harness import parquet
from harness.binlog import at, execute, executed, file_path, identity, images_shown, numbers, parse, position, purge
from harness.breadth import KILLS

DB = "binlog_test"
SHOP = Path(__file__).parent.parent / "tests/data/binlog/shop.000001"


@pytest.fixture
def t(db, session):
    """A table `t`; the value is the position after its creation."""
    session.execute("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v INT)")
    return position(db)


def values(rows):
    return [(row["after"] or row["before"])["v"] for row in rows]


# --- The form of a row ---

@pytest.mark.newer_mariadb
def test_fields(db, session, t, binlogs):
    before = time.time()
    execute(session, "INSERT INTO t VALUES (5, 1)", "UPDATE t SET v = 2", "DELETE FROM t")
    thread, server_id = execute(session, "SELECT CONNECTION_ID(), @@server_id")[0]
    insert, update, delete = rows = binlogs("--from", at(t), "--until", "now", server=db).finish().rows()
    keys = {"type", "database", "table", "before", "after", "primaryKey", "timestamp", "gtid", "position", "serverId", "threadId", "xid",
            "rowIndex"}
    for row in rows:
        assert row.keys() - {"query"} == keys
        assert (row["database"], row["table"], row["primaryKey"]) == (DB, "t", {"id": 5})
        assert (row["serverId"], row["rowIndex"]) == (server_id, 0)
        # The log of MariaDB before 11.5 names the thread of statements only.
        assert row["threadId"] == (thread if db.logs_threads else None)
        # The log has whole seconds.
        assert before - 1.5 <= row["timestamp"] / 1000 <= time.time() + 1.5
        assert row["position"]["file"] == t[0] and row["position"]["offset"] >= t[1]
        assert isinstance(row["xid"], int) and isinstance(row["gtid"], str)
    assert len({row["gtid"] for row in rows}) == len({row["xid"] for row in rows}) == 3
    assert [(row["type"], row["before"], row["after"]) for row in rows] == [
        ("insert", None, {"id": 5, "v": 1}), ("update", {"id": 5, "v": 1}, {"id": 5, "v": 2}), ("delete", {"id": 5, "v": 2}, None)]
    origin = "@@server_uuid" if db.flavor == "mysql" else "CONCAT(@@gtid_domain_id, '-', @@server_id)"
    assert insert["gtid"].startswith(execute(session, f"SELECT {origin}")[0][0])


@pytest.mark.newer_mariadb
@pytest.mark.parametrize("metadata", ["FULL", "MINIMAL"])
def test_primary_key_of_several_columns_and_none(db, session, binlogs, metadata):
    db.sql(f"SET GLOBAL binlog_row_metadata = {metadata}")
    execute(session, "CREATE TABLE two (b INT, v INT, a VARCHAR(9), PRIMARY KEY (a, b))", "CREATE TABLE none (v INT)")
    start = position(db)
    execute(session, "INSERT INTO two VALUES (1, 2, 'x')", "UPDATE two SET b = 3", "INSERT INTO none VALUES (1)")
    insert, update, none = binlogs("--from", at(start), "--until", "now", server=db).finish().rows()
    assert list(insert["primaryKey"].items()) == [("a", "x"), ("b", 1)]
    assert update["primaryKey"] == {"a": "x", "b": 3} and update["before"]["b"] == 1
    assert not none["primaryKey"]


@pytest.mark.newer_mariadb
def test_generated_and_invisible_columns(db, session, binlogs):
    """Which of them are in an image is for the release to decide, and its own program tells; their values are those of SELECT."""
    session.execute("CREATE TABLE g (id INT PRIMARY KEY, a INT, s INT AS (a + 1) STORED, w INT AS (a * 2) VIRTUAL, h INT INVISIBLE DEFAULT 9)")
    db.sql("FLUSH BINARY LOGS")
    names, selected = ["id", "a", "s", "w", "h"], []
    for statement in ("INSERT INTO g (id, a) VALUES (1, 5)", "UPDATE g SET a = 6", "DELETE FROM g"):
        before = execute(session, "SELECT id, a, s, w, h FROM g")
        session.execute(statement)
        selected.append([dict(zip(names, row)) for row in (*before, *execute(session, "SELECT id, a, s, w, h FROM g"))])
    name = position(db)[0]
    db.sql("FLUSH BINARY LOGS")
    rows = binlogs("--from", f"{name}:4", "--until", "now", server=db).finish().rows()
    mine = [[row["type"], *(image for image in (row["before"], row["after"]) if image is not None)] for row in rows]
    shown = images_shown(db, file_path(db, name))
    assert mine == [[kind, *({names[at - 1]: values[names[at - 1]] for at in image} for image, values in zip(images, row, strict=True))]
                    for (kind, *images), row in zip(shown, selected, strict=True)]
    assert all("a" in image for _, *images in mine for image in images)


def test_odd_names(db, session, binlogs):
    db.fresh_databases("odd-db.é")
    session.execute('CREATE TABLE `odd-db.é`.`ta"ble 漢` (`id` INT PRIMARY KEY, `co"l\\` INT, `漢字` INT)')
    start = position(db)
    session.execute('INSERT INTO `odd-db.é`.`ta"ble 漢` VALUES (1, 2, 3)')
    row, = binlogs("--from", at(start), "--until", "now", server=db).finish().rows()
    assert (row["database"], row["table"], row["after"]) == ("odd-db.é", 'ta"ble 漢', {"id": 1, 'co"l\\': 2, "漢字": 3})
    db.sql("DROP DATABASE `odd-db.é`")


def test_bigint_as_string(db, session, binlogs):
    session.execute("CREATE TABLE b (id INT PRIMARY KEY, s BIGINT, u BIGINT UNSIGNED)")
    start = position(db)
    session.execute("INSERT INTO b VALUES (1, -9223372036854775808, 18446744073709551615)")
    for how, kind in (("number", int), ("string", str)):
        row, = binlogs("--from", at(start), "--until", "now", f"--bigint={how}", server=db).finish().rows()
        assert row["after"] == {"id": 1, "s": kind(-2**63), "u": kind(2**64 - 1)}


def test_standard_output_and_two_sinks(db, session, t, binlogs, tmp_path):
    numbers(session, 1, 2)
    options = ["--from", at(t), "--until", "now"]
    binlog = binlogs(*options, server=db, sinks=["stdout"]).finish()
    assert values(binlog.rows(path=binlog.printed)) == [1, 2]
    binlog = binlogs(*options, server=db, sinks=["stdout", f"ndjson:{tmp_path}/copy"]).finish()
    assert values(binlog.rows(path=binlog.printed)) == values(binlog.rows(path=tmp_path / "copy")) == [1, 2]


CUSTOMERS = """CREATE TABLE customers (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, first_name VARCHAR(255) NOT NULL,
    last_name VARCHAR(255) NOT NULL, email VARCHAR(255) NOT NULL UNIQUE KEY) AUTO_INCREMENT=1004"""


def documented(form):
    """The examples of the other projects' documentation."""
    return json.loads((Path(__file__).parent.parent / "tests/data/forms" / f"{form}.json").read_text())


@pytest.mark.newer_mariadb
def test_debezium_events_of_its_documentation(db, session, binlogs):
    session.execute(CUSTOMERS)
    start = position(db)
    execute(session, "INSERT INTO customers (first_name, last_name, email) VALUES ('Anne', 'Kretchmar', 'annek@noanswer.org')",
            "UPDATE customers SET first_name='Anne Marie' WHERE id=1004", "DELETE FROM customers WHERE id=1004")
    before = time.time()
    found = binlogs("--from", at(start), "--until", "now", "--format", "debezium", server=db).finish().lines()
    examples = documented("debezium")
    for event, example in zip(found, [examples[name] for name in ("create", "update", "delete")], strict=True):
        assert [event[name] for name in ("op", "before", "after")] == [example[name] for name in ("op", "before", "after")]
        # Every field of the examples is there, with a value of the same kind where the examples have one.
        for name, value in example["source"].items():
            assert name in event["source"]
            if value is not None and name not in ("snapshot", "query"):
                assert type(event["source"][name]) is type(value) or (name == "thread" and not db.logs_threads), name
        source = event["source"]
        assert (source["connector"], source["db"], source["table"], source["snapshot"]) == (db.flavor, DB, "customers", "false")
        assert (source["file"], source["row"]) == (start[0], 0) and source["pos"] >= start[1]
        assert event["ts_ms"] / 1000 >= before - 1 and source["ts_ms"] <= event["ts_ms"]


def test_debezium_makes_two_of_a_changed_key(db, session, t, binlogs):
    execute(session, "INSERT INTO t VALUES (1, 1)", "UPDATE t SET id = 2")
    found = binlogs("--from", at(t), "--until", "now", "--format", "debezium", server=db).finish().lines()
    assert [(event["op"], event["before"], event["after"]) for event in found] == [
        ("c", None, {"id": 1, "v": 1}), ("d", {"id": 1, "v": 1}, None), ("c", None, {"id": 2, "v": 1})]


def test_debezium_values(db, session, binlogs):
    session.execute("CREATE TABLE typed (d DECIMAL(10,2), dt DATETIME(3), us DATETIME(6), ts TIMESTAMP(6) NULL, t TIME(2), b BIT(1), "
                    "bits BIT(9), seal VARBINARY(9), big BIGINT UNSIGNED, zero DATE, day DATE, s SET('a','b','c'))")
    start = position(db)
    execute(session, "SET time_zone = '+00:00', sql_mode = ''",
            "INSERT INTO typed VALUES (-123.45, '2018-06-20 06:37:03.123', '2018-06-20 06:37:03.123456', '2018-06-20 13:37:03.5', "
            "'-01:02:03.45', 1, 257, 0xcafe, 18446744073709551615, '0000-00-00', '2018-06-20', 'a,c')")
    [event] = binlogs("--from", at(start), "--until", "now", "--format", "debezium", server=db).finish().lines()
    assert event["after"] == {
        "d": base64.b64encode((-12345).to_bytes(2, "big", signed=True)).decode(), "dt": 1529476623123, "us": 1529476623123456,
        "ts": "2018-06-20T13:37:03.500000Z", "t": -3723450000, "b": True, "bits": "AQE=", "seal": "yv4=", "big": -1, "zero": None,
        "day": 17702, "s": "a,c"}


@pytest.mark.newer_mariadb
def test_maxwell_messages_of_its_documentation(db, session, binlogs):
    session.execute("CREATE TABLE e (id INT(10) NOT NULL PRIMARY KEY AUTO_INCREMENT, m DOUBLE, c TIMESTAMP(6), "
                    "comment VARCHAR(255) CHARSET latin1)")
    start = position(db)
    execute(session, "SET time_zone = '+00:00'",
            "INSERT INTO e SET m = 4.2341, c = '2016-10-21 05:33:37.523', comment = 'I am a creature of light.'",
            "UPDATE e SET m = 5.444, c = '2016-10-21 05:33:54.631' WHERE id = 1", "DELETE FROM e WHERE id = 1")
    found = binlogs("--from", at(start), "--until", "now", "--format", "maxwell", server=db).finish().lines()
    examples = documented("maxwell")
    for message, example in zip(found, [examples[name] for name in ("insert", "update", "delete")], strict=True):
        assert [message.get(name) for name in ("type", "data", "old")] == [example.get(name) for name in ("type", "data", "old")]
        assert (message["database"], message["table"], message["commit"]) == (DB, "e", True)
        assert message["position"].startswith(f"{start[0]}:") and isinstance(message["xid"], int)
    # The log of MariaDB before 11.5 names the thread of statements only.
    assert not db.logs_threads or found[0].keys() == examples["insert"].keys()


def test_maxwell_marks_the_last_row_of_a_transaction(db, session, t, binlogs):
    execute(session, "BEGIN", "INSERT INTO t (v) VALUES (1), (2)", "UPDATE t SET v = v + 1", "COMMIT", "DELETE FROM t WHERE v = 2")
    found = binlogs("--from", at(t), "--until", "now", "--format", "maxwell", server=db).finish().lines()
    assert [(message["type"], message.get("xoffset"), message.get("commit")) for message in found] == [
        ("insert", 0, None), ("insert", 1, None), ("update", 2, None), ("update", None, True), ("delete", None, True)]
    assert [message.get("old") for message in found] == [None, None, {"v": 1}, {"v": 2}, None]
    assert len({message["xid"] for message in found}) == 2


def test_rows_for_people(db, session, binlogs):
    session.execute("CREATE TABLE orders (id INT PRIMARY KEY, status VARCHAR(9), note TEXT, seal VARBINARY(300))")
    start = position(db)
    execute(session, "INSERT INTO orders VALUES (7, 'new', NULL, 0xcafe)",
            "UPDATE orders SET status = CONCAT('pa', CHAR(27), 'id'), note = 'NULL', seal = REPEAT(CHAR(0), 200)",
            "DELETE FROM orders")
    printed = binlogs("--from", at(start), "--until", "now", "--pretty", server=db, sinks=["stdout"]).finish().printed.read_text()
    assert "\x1b" not in printed, "standard output is not a terminal"
    blocks = [block.splitlines() for block in re.split(r"\n(?=\S)", printed.rstrip("\n"))]
    rows = [block for block in blocks if len(block) > 1]
    assert [block[0].split("  ")[1:4] for block in rows] == [[kind, f"{DB}.orders", "id=7"] for kind in ("insert", "update", "delete")]
    assert rows[0][1:] == ["    id: 7", "    status: 'new'", "    note: NULL", "    seal: 0xcafe"]
    assert rows[1][1:] == ["    status: 'new' => 'pa\\u{1b}id'", "    note: NULL => 'NULL'",
                           f"    seal: 0xcafe => 0x{'00' * 60}… (140 bytes more)"]


# --- Where it starts and stops ---

def test_from_oldest(db, session, t, binlogs):
    numbers(session, 1, 2)
    rows = binlogs("--from", "oldest", "--until", "now", "--include", f"{DB}.t", "--only", "insert", server=db).finish().rows()
    assert values(rows)[-2:] == [1, 2]


@pytest.mark.newer_mariadb
def test_until_position(db, session, t, binlogs):
    numbers(session, 1, 2)
    end = position(db)
    numbers(session, 3)
    assert values(binlogs("--from", at(t), "--until", at(end), server=db).finish().rows()) == [1, 2]


@pytest.mark.newer_mariadb
def test_positions_of_rows(db, session, t, binlogs):
    """Where the server says that the row events begin; MariaDB from 11.7 on writes no positions into them."""
    execute(session, "BEGIN", "INSERT INTO t (v) VALUES (1)", "INSERT INTO t (v) VALUES (2)", "SAVEPOINT s", "UPDATE t SET v = v + 1 ORDER BY id",
            "COMMIT", "DELETE FROM t")
    events = db.sql(f"SHOW BINLOG EVENTS IN '{t[0]}' FROM {t[1]}")
    wanted = [event[1] for event in events if "rows" in event[2].lower() and "query" not in event[2].lower() and "annotate" not in event[2].lower()]
    rows = binlogs("--from", at(t), "--until", "now", server=db).finish().rows()
    assert [row["position"]["offset"] for row in rows] == [place for place, count in zip(wanted, (1, 1, 2, 2), strict=True) for _ in range(count)]
    from_file = binlogs(files=[file_path(db, t[0])]).finish().rows("t")
    assert [row["position"] for row in from_file][-6:] == [row["position"] for row in rows]


@pytest.mark.newer_mariadb
def test_gtid_set(db, session, t, binlogs):
    numbers(session, 1)
    before = executed(db)
    numbers(session, 2, 3)
    assert values(binlogs("--from", before, "--until", "now", server=db).finish().rows()) == [2, 3]
    rows = binlogs("--from", at(t), "--until", "now", server=db).finish().rows()
    assert values(rows) == [1, 2, 3]
    # Up to and with the transaction named.
    assert values(binlogs("--from", before, "--until", rows[1]["gtid"], server=db).finish().rows()) == [2]


def test_moments(db, session, t, binlogs):
    numbers(session, 1)
    time.sleep(2.1)
    second = int(execute(session, "SELECT UNIX_TIMESTAMP()")[0][0])
    time.sleep(1.1)
    numbers(session, 2)
    for place in (second, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second))):
        assert values(binlogs("--from", place, "--until", "now", server=db).finish().rows("t")) == [2]
        assert values(binlogs("--from", at(t), "--until", place, server=db).finish().rows("t")) == [1]


@pytest.mark.newer_mariadb
def test_now_follows_live_writes(db, session, t, binlogs):
    numbers(session, 1)
    binlog = binlogs("--from", "now", "--heartbeat", 3600, server=db).wait_dump(db)
    numbers(session, 2, 3)
    assert values(binlog.wait_rows(2)) == [2, 3]
    # Nothing that comes later is needed to push a row out: not even a heartbeat comes.
    for value in range(4, 8):
        numbers(session, value)
        binlog.wait_rows(value - 1)
    binlog.stop()
    assert values(binlog.rows()) == [2, 3, 4, 5, 6, 7]


def test_now_with_nothing_new(db, t, binlogs):
    assert binlogs("--from", "now", "--until", "now", server=db).finish().lines() == []


def test_transaction_under_way_at_the_end(db, session, t, binlogs):
    """Only what is committed is there; the rest is not waited for."""
    numbers(session, 1)
    with db.root(database=DB) as other:
        execute(other, "BEGIN", "INSERT INTO t (v) VALUES (99)")
        assert values(binlogs("--from", at(t), "--until", "now", server=db).finish().rows()) == [1]
        other.execute("ROLLBACK")


def test_sigterm(db, session, t, binlogs):
    binlog = binlogs("--from", at(t), server=db).wait_dump(db)
    numbers(session, 1)
    binlog.wait_rows(1)
    binlog.stop()


@pytest.mark.newer_mariadb
def test_checkpoint(db, session, t, binlogs, tmp_path):
    options = ["--until", "now", "--checkpoint", tmp_path / "checkpoint"]
    numbers(session, 1, 2)
    assert values(binlogs("--from", at(t), *options, server=db).finish().rows()) == [1, 2]
    assert (tmp_path / "checkpoint").exists()
    numbers(session, 3)
    assert values(binlogs("--from", "checkpoint", *options, server=db).finish().rows()) == [3]
    assert binlogs("--from", "checkpoint", *options, server=db).finish().rows() == []


@pytest.mark.newer_mariadb
def test_rotation(db, session, t, binlogs):
    numbers(session, 1)
    session.execute("FLUSH BINARY LOGS")
    numbers(session, 2)
    live = binlogs("--from", at(t), server=db).wait_dump(db)
    live.wait_rows(2)
    execute(session, "FLUSH BINARY LOGS", "FLUSH BINARY LOGS")
    numbers(session, 3)
    rows = live.wait_rows(3)
    live.stop()
    assert values(rows) == [1, 2, 3]
    names = [row["position"]["file"] for row in rows]
    assert names[0] == t[0] and names == sorted(names) and len(set(names)) == 3
    assert binlogs("--from", at(t), "--until", "now", server=db).finish().rows() == rows


# --- Files ---

def log_file(db, session, *statements):
    """A binary log with just these statements in it."""
    session.execute("FLUSH BINARY LOGS")
    name = position(db)[0]
    execute(session, *statements)
    session.execute("FLUSH BINARY LOGS")
    return file_path(db, name)


@pytest.mark.newer_mariadb
def test_files_and_standard_input(db, session, t, binlogs):
    first = log_file(db, session, "INSERT INTO t (v) VALUES (1)", "INSERT INTO t (v) VALUES (2)")
    second = log_file(db, session, "INSERT INTO t (v) VALUES (3)")
    offline = binlogs(files=[first]).finish().rows()
    assert values(offline) == [1, 2]
    # Where the first transaction ends.
    end = next(row[4] for row in execute(session, f"SHOW BINLOG EVENTS IN '{first.name}'") if row[2] == "Xid")
    assert values(binlogs("--until", f"{first.name}:{end}", files=[first]).finish().rows()) == [1]
    assert values(binlogs("--from", f"{first.name}:{end}", files=[first]).finish().rows()) == [2]
    binlog = binlogs(files=[first, second]).finish()
    assert values(binlog.rows()) == [1, 2, 3]
    assert [row["position"]["file"] for row in binlog.rows()] == [first.name, first.name, second.name]
    with open(first, "rb") as file:
        assert values(binlogs(files=["-"], stdin=file).finish().rows()) == [1, 2]
    # A pipe can neither seek nor be asked for its size.
    with subprocess.Popen(["cat", str(first)], stdout=subprocess.PIPE) as pipe:
        assert values(binlogs(files=["-"], stdin=pipe.stdout).finish().rows()) == [1, 2]
    assert binlogs("--from", f"{first.name}:4", "--until", f"{second.name}:4", server=db).finish().rows() == offline


def test_truncated_file(db, session, t, binlogs, tmp_path):
    path = log_file(db, session, "INSERT INTO t (v) VALUES (1)", "INSERT INTO t (v) VALUES (2)")
    raw = path.read_bytes()
    # Inside the second row's event: in its header, and after it.
    offset = binlogs(files=[path]).finish().rows()[1]["position"]["offset"]
    for size in (offset + 10, offset + 25):
        cut = tmp_path / "cut.000001"
        cut.write_bytes(raw[:size])
        binlog = binlogs(files=[cut]).finish(code=1)
        assert "cut.000001" in binlog.log and str(offset) in binlog.log, binlog.log
        assert values(binlog.rows()) == [1]


def test_corrupted_file(db, session, t, binlogs, tmp_path):
    path = log_file(db, session, "INSERT INTO t (v) VALUES (1)", "INSERT INTO t (v) VALUES (2)")
    raw = bytearray(path.read_bytes())
    offset = binlogs(files=[path]).finish().rows()[1]["position"]["offset"]
    raw[offset + 25] ^= 1
    bad = tmp_path / "bad.000001"
    bad.write_bytes(raw)
    binlog = binlogs(files=[bad]).finish(code=1)
    assert "checksum" in binlog.log.lower() and "bad.000001" in binlog.log and str(offset) in binlog.log, binlog.log
    assert values(binlog.rows()) == [1]


# A row whose image cannot be read, with a checksum that is right: the offset of its event, the bytes in it, how many rows come before it,
# and where the last whole transaction before it ends.
BROKEN = {"second row": (773, b"\x05Grace", 1, 495), "update": (1176, b"\x03Ada", 2, 889), "delete": (1589, b"\x05Grace", 3, 1311)}


@pytest.mark.parametrize("options", [["--format", "native"], ["--format", "maxwell"], ["--format", "debezium"], ["--pretty"]],
                         ids=lambda options: options[-1].strip("-"))
@pytest.mark.parametrize("row", BROKEN)
def test_rows_before_one_that_cannot_be_read(binlogs, tmp_path, row, options):
    """They are delivered, and the checkpoint is after the whole transactions among them: they do not come again with each attempt."""
    offset, text, count, whole = BROKEN[row]
    raw = bytearray(SHOP.read_bytes())
    end = offset + int.from_bytes(raw[offset + 9:offset + 13], "little") - 4
    raw[raw.index(text, offset)] = 0xc8
    raw[end:end + 4] = zlib.crc32(raw[offset:end]).to_bytes(4, "little")
    bad, checkpoint = tmp_path / "bad.000001", tmp_path / "checkpoint"
    bad.write_bytes(raw)
    folder, lines = tmp_path / "parquet", tmp_path / "rows"
    sinks = ["stdout" if "--pretty" in options else f"ndjson:{lines}", f"parquet:{folder}"]
    delivered = []
    for _ in range(2):
        broken = binlogs("--checkpoint", checkpoint, *options, files=[bad], sinks=sinks).finish(code=1)
        assert f"bad.000001:{offset}" in broken.log, broken.log
        path = broken.printed if "--pretty" in options else lines
        kinds = re.compile(rb"^\S+ \S+  (insert|update|delete)  " if "--pretty" in options else rb'"(?:type|op)":"(insert|update|delete|c|u|d)"', re.M)
        delivered.append(len(kinds.findall(path.read_bytes())))
        assert json.loads(checkpoint.read_text())["offset"] == whole
    is_whole = {"second row": 0, "update": 2, "delete": 3}[row]
    first, second = delivered
    again = count - is_whole if "--pretty" in options else count + count - is_whole
    assert (first, second) == (count, again)
    # Parquet shows what the checkpoint covers.
    assert len(parquet.rows(folder)) == is_whole


def test_incident(binlogs, tmp_path):
    """The server has lost events: it is logged and counted, and with --strict it is an error before which the checkpoint stays."""
    raw = bytearray(SHOP.read_bytes())
    message = b"the disk was full"
    body = (1).to_bytes(2, "little") + bytes([len(message)]) + message
    place = 889
    event = bytearray(raw[place:place + 4] + bytes([26]) + raw[place + 5:place + 9] + (19 + len(body) + 4).to_bytes(4, "little") + bytes(6) + body)
    event += zlib.crc32(event).to_bytes(4, "little")
    damaged, checkpoint = tmp_path / "damaged.000001", tmp_path / "checkpoint"
    damaged.write_bytes(raw[:place] + event + raw[place:])
    binlog = binlogs(files=[damaged]).finish()
    assert [row["type"] for row in binlog.rows()] == ["insert", "insert", "update", "delete"]
    assert "reports an incident" in binlog.log and "the disk was full" in binlog.log and "incidents=1" in binlog.log
    for rows in (2, 0):
        binlog = binlogs("--strict", "--checkpoint", checkpoint, files=[damaged]).finish(code=1)
        assert "--strict" in binlog.log and json.loads(checkpoint.read_text())["offset"] == place
        assert len(binlog.rows()) == rows


@pytest.mark.parametrize("place", [277, 650, 889, 968], ids=["first GTID", "table map", "GTID", "BEGIN"])
def test_an_event_that_cannot_be_read_is_not_passed_over(binlogs, tmp_path, place):
    """The checkpoint stays before it, or before the transaction it is in, so that the next attempt meets it again."""
    raw = bytearray(SHOP.read_bytes())
    raw[place + 25] ^= 1
    bad, checkpoint = tmp_path / "bad.000001", tmp_path / "checkpoint"
    bad.write_bytes(raw)
    rows = []
    for _ in range(2):
        binlog = binlogs("--checkpoint", checkpoint, files=[bad]).finish(code=1)
        assert "checksum" in binlog.log and f"bad.000001:{place}" in binlog.log
        assert json.loads(checkpoint.read_text())["offset"] <= place
        rows += binlog.rows()
    bad.write_bytes(SHOP.read_bytes())
    rows += binlogs("--checkpoint", checkpoint, files=[bad]).finish().rows()
    assert [row["type"] for row in rows] == ["insert", "insert", "update", "delete"]


@pytest.mark.parametrize("seed", range(3))
def test_garbage(db, session, t, binlogs, tmp_path, seed):
    """Without checksums whatever is in the file gets decoded: an error, or rows that are wrong, but no crash and no hang."""
    db.sql("SET GLOBAL binlog_checksum = NONE")
    try:
        path = log_file(db, session, "CREATE TABLE g (a INT PRIMARY KEY, b VARCHAR(300), c JSON, d DECIMAL(30,9), e DATETIME(6), f BIT(9))",
                        "INSERT INTO g VALUES (1, 'x', '{\"a\": [1, 2.5, null]}', 1.5, NOW(6), 7), (2, 'y', '[]', -1, NOW(6), 0)")
    finally:
        db.sql("SET GLOBAL binlog_checksum = CRC32")
    raw = path.read_bytes()
    chance = random.Random(seed)
    for _ in range(20):
        bad = bytearray(raw)
        for _ in range(chance.choice([1, 3, 10])):
            bad[chance.randrange(4, len(bad))] = chance.randrange(256)
        file = tmp_path / "garbage.000001"
        file.write_bytes(bad)
        binlog = binlogs(files=[file])
        assert binlog.wait() in (0, 1), binlog.log
        assert "panicked" not in binlog.log, binlog.log


def test_not_a_binlog(binlogs, tmp_path):
    file = tmp_path / "text.000001"
    for content in ("this is no binary log at all\n" * 10, ""):
        file.write_text(content)
        binlogs(files=[file]).refused("text.000001")
    binlogs(files=[tmp_path / "nothing.000001"]).refused("nothing.000001")


# --- Filters ---

@pytest.fixture(scope="module")
def schemas(binlog_mysql):
    """Two schemas of two tables, a row in each; the value is the positions before and after the rows."""
    db = binlog_mysql
    db.fresh_databases("filter_a", "filter_b")
    names = [f"filter_{schema}.{table}" for schema in "ab" for table in ("one", "two")]
    db.sql(*(f"CREATE TABLE {name} (id INT PRIMARY KEY)" for name in names))
    start = position(db)
    db.sql(*(f"INSERT INTO {name} VALUES (1)" for name in names))
    return start, position(db)


@pytest.mark.parametrize("options, wanted", [
    ([], "a.one a.two b.one b.two"),
    (["--include", "filter_a.one"], "a.one"),
    (["--include", "filter_a.*"], "a.one a.two"),
    (["--include", "*.one"], "a.one b.one"),
    (["--exclude", "filter_a.*"], "b.one b.two"),
    (["--exclude", "*.two"], "a.one b.one"),
    (["--include", "filter_a.*", "--exclude", "filter_a.two"], "a.one"),
    (["--include", "filter_a.two", "--exclude", "filter_a.*"], "a.two"),
    (["--include", "*.one", "--exclude", "filter_a.*"], "a.one b.one"),
    (["--include", "filter_a.*", "--exclude", "*.one"], "a.two"),
    (["--include", "filter_a.one", "--exclude", "*.one"], "a.one"),
    (["--include", "filter_a.one", "--include", "*.two"], "a.one a.two b.two"),
    (["--include", "*.one", "--exclude", "filter_b.one"], "a.one"),
], ids=lambda value: (" ".join(value) or "all") if isinstance(value, list) else "")
def test_filters(binlog_mysql, schemas, binlogs, options, wanted):
    binlog = binlogs("--from", at(schemas[0]), "--until", at(schemas[1]), *options, server=binlog_mysql).finish()
    assert " ".join(f"{row['database']}.{row['table']}".removeprefix("filter_") for row in binlog.rows()) == wanted


@pytest.mark.parametrize("options", [
    ["--include", "*.*"], ["--exclude", "*.*"], ["--include", "a*.t"], ["--include", "a.t*"], ["--include", "plain"],
    ["--include", "a.t", "--exclude", "a.t"], ["--include", "a.*", "--exclude", "a.*"], ["--include", ""], ["--include", "a."],
    ["--include", ".t"], ["--exclude", "a.b*c"],
], ids=" ".join)
def test_refused_filters(binlog_mysql, binlogs, options):
    binlog = binlogs("--from", "oldest", "--until", "now", *options, server=binlog_mysql).refused()
    assert options[1] in binlog.log and binlog.lines() == [], binlog.log


@pytest.mark.parametrize("only", ["insert", "update,delete", "ddl", "insert,ddl"])
def test_only(db, session, binlogs, only):
    start = position(db)
    execute(session, "CREATE TABLE o (id INT PRIMARY KEY, v INT)", "INSERT INTO o VALUES (1, 1)", "UPDATE o SET v = 2", "DELETE FROM o")
    found = binlogs("--from", at(start), "--until", "now", "--only", only, server=db).finish().lines()
    assert [row["type"] for row in found] == [kind for kind in ("ddl", "insert", "update", "delete") if kind in only.split(",")]


# --- Definitions that change ---

@pytest.mark.newer_mariadb
@pytest.mark.parametrize("metadata", ["FULL", "MINIMAL"])
def test_alter_in_the_middle(db, session, binlogs, metadata):
    """Rows from before an ALTER have the columns they had then, however late they are read."""
    db.sql(f"SET GLOBAL binlog_row_metadata = {metadata}")
    start = position(db)
    execute(session, "CREATE TABLE d (id INT PRIMARY KEY, a INT UNSIGNED, b VARCHAR(10))",
            "INSERT INTO d VALUES (1, 4294967295, 'x')",
            "ALTER TABLE d ADD COLUMN first_one ENUM('7', 'q') FIRST", "INSERT INTO d VALUES ('q', 2, 2, 'y')", "UPDATE d SET first_one = '7'",
            "ALTER TABLE d DROP COLUMN a, CHANGE COLUMN b renamed VARCHAR(10) CHARACTER SET latin1", "INSERT INTO d VALUES ('7', 3, 'é')",
            "ALTER TABLE d MODIFY COLUMN first_one INT", "INSERT INTO d VALUES (7, 4, 'z')",
            "RENAME TABLE d TO e", "INSERT INTO e VALUES (8, 5, 'w')", "DROP TABLE e")
    binlog = binlogs("--from", at(start), "--until", "now", "--only", "insert,ddl", server=db).finish()
    wanted = [{"id": 1, "a": 4294967295, "b": "x"}, {"first_one": "q", "id": 2, "a": 2, "b": "y"}, {"first_one": "7", "id": 3, "renamed": "é"},
              {"first_one": 7, "id": 4, "renamed": "z"}, {"first_one": 8, "id": 5, "renamed": "w"}]
    found = [row["after"] for row in binlog.rows()]
    if metadata == "FULL":
        assert found == wanted
    # Without names in the log, the table is gone from the source by now: no names then, but never another column's.
    for row, expected in zip(found, wanted, strict=True):
        unnamed = [f"@{number}" for number in range(1, len(expected) + 1)]
        assert list(row) in (list(expected), unnamed), row
        # An ENUM without its names is a number, and the character set of a text is a guess.
        assert [value for value in row.values() if type(value) is int and value > 2] == [
            value for value in expected.values() if type(value) is int and value > 2], row
    assert [row["sql"].split()[0] for row in binlog.ddl()] == ["CREATE", "ALTER", "ALTER", "ALTER", "RENAME", "DROP"]
    assert {row["database"] for row in binlog.ddl()} == {DB}


@pytest.mark.parametrize("metadata", ["FULL", "MINIMAL"])
def test_alter_while_it_runs(db, session, t, binlogs, metadata):
    db.sql(f"SET GLOBAL binlog_row_metadata = {metadata}")
    binlog = binlogs("--from", "now", server=db).wait_dump(db)
    numbers(session, 1)
    binlog.wait_rows(1)
    session.execute("ALTER TABLE t ADD COLUMN w INT UNSIGNED DEFAULT 4000000000")
    numbers(session, 2)
    binlog.wait_rows(2)
    execute(session, "ALTER TABLE t CHANGE COLUMN v u INT", "INSERT INTO t (u) VALUES (3)")
    rows = binlog.wait_rows(3)
    binlog.stop()
    assert [row["after"] for row in rows] == [{"id": 1, "v": 1}, {"id": 2, "v": 2, "w": 4000000000}, {"id": 3, "u": 3, "w": 4000000000}]


# --- Statements and transactions ---

def test_multi_row_statements(db, session, t, binlogs):
    count = 3000
    execute(session, "INSERT INTO t (v) VALUES " + ", ".join(f"({value})" for value in range(count)), "UPDATE t SET v = v + 1 ORDER BY id",
            "DELETE FROM t ORDER BY id")
    rows = binlogs("--from", at(t), "--until", "now", server=db).finish().rows()
    assert values(rows) == [*range(count), *range(1, count + 1), *range(1, count + 1)]
    for kind in ("insert", "update", "delete"):
        assert [row["rowIndex"] for row in rows if row["type"] == kind] == list(range(count))
    assert len({identity(row) for row in rows}) == len(rows)


def test_multi_table_statements(db, session, binlogs):
    execute(session, "CREATE TABLE a (id INT PRIMARY KEY, v INT)", "CREATE TABLE b (id INT PRIMARY KEY, w VARCHAR(9))",
            "INSERT INTO a VALUES (1, 1), (2, 2)", "INSERT INTO b VALUES (1, 'x'), (2, 'y')")
    start = position(db)
    execute(session, "UPDATE a JOIN b USING (id) SET a.v = a.v + 10, b.w = CONCAT(b.w, '!')", "DELETE a, b FROM a JOIN b USING (id)")
    rows = binlogs("--from", at(start), "--until", "now", server=db).finish().rows()
    found = {(row["type"], row["table"], row["primaryKey"]["id"]): row for row in rows}
    assert len(rows) == len(found) == len({identity(row) for row in rows}) == 8
    assert found["update", "a", 2]["after"] == {"id": 2, "v": 12} and found["update", "b", 1]["after"] == {"id": 1, "w": "x!"}
    assert found["delete", "b", 2]["before"] == {"id": 2, "w": "y!"}


def test_trigger(db, session, binlogs):
    execute(session, "CREATE TABLE p (id INT PRIMARY KEY)", "CREATE TABLE audit (n INT PRIMARY KEY AUTO_INCREMENT, what INT)",
            "CREATE TRIGGER tr AFTER INSERT ON p FOR EACH ROW INSERT INTO audit (what) VALUES (NEW.id)")
    start = position(db)
    session.execute("INSERT INTO p VALUES (1), (2)")
    rows = binlogs("--from", at(start), "--until", "now", server=db).finish().rows()
    assert sorted((row["table"], *row["after"].values()) for row in rows) == [("audit", 1, 1), ("audit", 2, 2), ("p", 1), ("p", 2)]
    assert len({identity(row) for row in rows}) == 4 and len({row["gtid"] for row in rows}) == 1


@pytest.mark.newer_mariadb
def test_savepoints(db, session, t, binlogs):
    execute(session, "BEGIN", "INSERT INTO t (v) VALUES (1)", "SAVEPOINT s", "INSERT INTO t (v) VALUES (2)", "ROLLBACK TO SAVEPOINT s",
            "INSERT INTO t (v) VALUES (3)", "COMMIT", "BEGIN", "INSERT INTO t (v) VALUES (4)", "ROLLBACK", "INSERT INTO t (v) VALUES (5)")
    rows = binlogs("--from", at(t), "--until", "now", server=db).finish().rows()
    assert values(rows) == [1, 3, 5]
    assert rows[0]["gtid"] == rows[1]["gtid"] != rows[2]["gtid"] and rows[0]["xid"] == rows[1]["xid"] != rows[2]["xid"]
    assert len({identity(row) for row in rows}) == 3


@pytest.mark.newer_mariadb
def test_tables_without_transactions(db, session, binlogs):
    session.execute("CREATE TABLE m (id INT PRIMARY KEY) ENGINE=MyISAM")
    start = position(db)
    execute(session, "INSERT INTO m VALUES (1), (2)", "DELETE FROM m WHERE id = 1")
    rows = binlogs("--from", at(start), "--until", "now", server=db).finish().rows()
    assert [(row["type"], row["primaryKey"]["id"]) for row in rows] == [("insert", 1), ("insert", 2), ("delete", 1)]


@pytest.mark.newer_mariadb
def test_xa(db, session, t, binlogs):
    execute(session, "XA START 'x'", "INSERT INTO t (v) VALUES (1)", "XA END 'x'", "XA PREPARE 'x'", "XA COMMIT 'x'",
            "XA START 'y'", "INSERT INTO t (v) VALUES (2)", "XA END 'y'", "XA COMMIT 'y' ONE PHASE", "INSERT INTO t (v) VALUES (3)")
    assert values(binlogs("--from", at(t), "--until", "now", server=db).finish().rows()) == [1, 2, 3]


def compress(db, session, on):
    if db.flavor == "mysql":
        session.execute(f"SET SESSION binlog_transaction_compression = {on}")
    else:
        db.sql(f"SET GLOBAL log_bin_compress = {on}", "SET GLOBAL log_bin_compress_min_len = 10")


@pytest.mark.newer_mariadb
def test_compression(db, session, t, binlogs):
    compress(db, session, True)
    numbers(session, 1)
    session.execute("INSERT INTO t (v) VALUES " + ", ".join(f"({value})" for value in range(2, 1500)))
    execute(session, "BEGIN", "UPDATE t SET v = -1 WHERE id = 1", "UPDATE t SET v = -2 WHERE id = 2", "COMMIT")
    compress(db, session, False)
    numbers(session, 9999)
    rows = binlogs("--from", at(t), "--until", "now", server=db).finish().rows()
    assert values(rows) == [*range(1, 1500), -1, -2, 9999]
    assert len({identity(row) for row in rows}) == len(rows)
    # From the file as well: a payload's events have no position of their own.
    session.execute("FLUSH BINARY LOGS")
    assert binlogs("--from", at(t), files=[file_path(db, t[0])]).finish().rows() == rows


PARTIAL = ["JSON_SET(doc, '$.a', 2)", "JSON_REPLACE(doc, '$.c.d', 'x')", "JSON_REMOVE(doc, '$.b[1]')",
           "JSON_SET(doc, '$.a', CAST(1.50 AS DECIMAL(5,2)))", "JSON_SET(doc, '$.new', JSON_ARRAY(1, NULL, TRUE), '$.a', 3)",
           "JSON_SET(doc, '$.b[5]', 'end')", "JSON_SET(doc, '$.\"odd key\"', 1)", "JSON_REMOVE(doc, '$.a', '$.c')", "NULL"]


@pytest.mark.parametrize("image", ["FULL", "MINIMAL", "NOBLOB"])
def test_partial_json(binlog_mysql, binlogs, image):
    """Updates by difference: the document after them must be whole where the one before is known, and never invented."""
    db = binlog_mysql
    db.fresh_databases(DB)
    with db.root(database=DB) as cursor:
        execute(cursor, "CREATE TABLE j (id INT PRIMARY KEY, doc JSON, other JSON, n INT)",
                "INSERT INTO j VALUES (1, JSON_OBJECT('a', 1, 'b', JSON_ARRAY(1, 2, 3), 'c', JSON_OBJECT('d', REPEAT('long', 100))), '[1]', 1)",
                f"SET SESSION binlog_row_value_options = 'PARTIAL_JSON', SESSION binlog_row_image = {image}")

        def document():
            text = execute(cursor, "SELECT CAST(doc AS CHAR) FROM j")[0][0]
            return text and parse(text)

        start, states = position(db), [document()]
        for update in PARTIAL:
            cursor.execute(f"UPDATE j SET doc = {update}, n = n + 1")
            states.append(document())
    rows = binlogs("--from", at(start), "--until", "now", server=db).finish().rows()
    assert len(rows) == len(PARTIAL)
    for number, row in enumerate(rows):
        if "doc" in row["before"]:
            assert row["before"]["doc"] == states[number], PARTIAL[number]
            assert row["after"] == {"id": 1, "doc": states[number + 1], "other": [1], "n": number + 2}, PARTIAL[number]
        else:
            assert image == "MINIMAL"
            # Without the document before there is nothing to apply a difference to: it is told as such.
            document = row["after"].get("doc", states[number + 1])
            assert document == states[number + 1] or list(document) == ["$diff"], PARTIAL[number]
            assert row["after"]["n"] == number + 2


@pytest.mark.newer_mariadb
def test_rows_query(db, session, t, binlogs):
    variable = "binlog_rows_query_log_events" if db.flavor == "mysql" else "binlog_annotate_row_events"
    execute(session, f"SET SESSION {variable} = ON", "INSERT INTO t (v) VALUES (1), (2) /* é */", f"SET SESSION {variable} = OFF")
    numbers(session, 3)
    rows = binlogs("--from", at(t), "--until", "now", server=db).finish().rows()
    assert [row.get("query") for row in rows] == ["INSERT INTO t (v) VALUES (1), (2) /* é */"] * 2 + [None]


def test_statement_format(db, session, t, binlogs):
    """Statements have no rows: the user is told, and what comes after them is not lost."""
    execute(session, "SET SESSION binlog_format = 'STATEMENT'", "INSERT INTO t (v) VALUES (1)", "SET SESSION binlog_format = 'ROW'")
    numbers(session, 2)
    binlog = binlogs("--from", at(t), "--until", "now", server=db).finish()
    assert values(binlog.rows()) == [2]
    assert "binlog_format" in binlog.log, binlog.log


@pytest.mark.parametrize("compression", [False, True], ids=["plain", "compressed"])
def test_events_above_16_mib(db, session, binlogs, compression):
    """Longer than a packet of the protocol can be."""
    session.execute("CREATE TABLE big (id INT PRIMARY KEY, b LONGBLOB)")
    compress(db, session, compression)
    start = position(db)
    # Also those of about 16 MiB: a packet that ends on the limit is followed by an empty one.
    lengths = [20_000_000, *range((1 << 24) - 80, (1 << 24) - 40, 8)]
    for id_, length in enumerate(lengths, 1):
        session.execute(f"INSERT INTO big VALUES ({id_}, REPEAT(x'00ff41', {length} DIV 3))")
    session.execute("DELETE FROM big WHERE id = 1")
    rows = binlogs("--from", at(start), "--until", "now", server=db).finish().rows()
    assert [row["type"] for row in rows] == ["insert"] * len(lengths) + ["delete"]
    for row, length in zip(rows, lengths + lengths[:1]):
        # Compared outside of the assert: pytest would print both.
        equal = (row["after"] or row["before"])["b"] == "AP9B" * (length // 3)
        assert equal, (row["type"], length)
    session.execute("DROP TABLE big")


# --- What goes wrong ---

def test_wrong_password(db, binlogs):
    binlog = binlogs("--from", "oldest", "--until", "now", server=db, password="wrong-secret").refused("denied|password")
    assert "wrong-secret" not in binlog.log


def test_password_file_and_url(db, session, t, binlogs, tmp_path):
    numbers(session, 1)
    secret = tmp_path / "secret"
    secret.write_text("app-secret\n")
    options = ["--from", at(t), "--until", "now"]
    assert values(binlogs(*options, "--password-file", secret, server=db, password=None).finish().rows()) == [1]
    assert values(binlogs(*options, server=db, user="app:app-secret", password=None).finish().rows()) == [1]
    db.fresh_user("odd@user", "p@ss:w/rd%#?")
    binlog = binlogs(*options, server=db, user="odd%40user:p%40ss%3Aw%2Frd%25%23%3F", password=None).finish()
    assert values(binlog.rows("t")) == [1]
    assert "p@ss" not in binlog.log and "p%40ss" not in binlog.log


def test_missing_privilege(db, t, binlogs):
    db.sql("DROP USER IF EXISTS poor", "CREATE USER poor IDENTIFIED BY 'app-secret'", f"GRANT SELECT ON {DB}.* TO poor")
    for place in ("now", at(t)):
        binlogs("--from", place, "--until", "now", server=db, user="poor").refused("GRANT.*REPLICATION (SLAVE|REPLICA)")
    db.sql("DROP USER poor")


@pytest.mark.newer_mariadb
@pytest.mark.parametrize("metadata", ["FULL", "MINIMAL"])
def test_privileges_that_do(db, session, t, binlogs, metadata):
    more = "BINLOG MONITOR" if db.flavor == "mariadb" else "REPLICATION CLIENT"
    db.sql("DROP USER IF EXISTS reader", "CREATE USER reader IDENTIFIED BY 'app-secret'", f"GRANT REPLICATION SLAVE, {more}, SELECT ON *.* TO reader",
           f"SET GLOBAL binlog_row_metadata = {metadata}")
    numbers(session, 1)
    rows = binlogs("--from", at(t), "--until", "now", server=db, user="reader").finish().rows("t")
    assert [row["after"] for row in rows] == [{"id": 1, "v": 1}]
    db.sql("DROP USER reader")


@pytest.mark.newer_mariadb
def test_purged(db, session, t, binlogs):
    numbers(session, 1)
    place, before = position(db), executed(db)
    numbers(session, 2)
    purge(db)
    numbers(session, 3)
    # By a file that is gone, and by transactions that are.
    binlogs("--from", at(place), "--until", "now", server=db).refused(place[0].replace(".", r"\."))
    binlog = binlogs("--from", before, "--until", "now", server=db).refused("purged|no longer|missing|not have")
    missing = before.split(":")[0] if db.flavor == "mysql" else before
    assert missing in binlog.log, binlog.log
    assert values(binlogs("--from", "oldest", "--until", "now", server=db).finish().rows("t")) == [3]


def test_unknown_file(db, binlogs):
    binlogs("--from", "binlog.999999:4", "--until", "now", server=db).refused("binlog.999999")


def test_position_inside_an_event(db, session, t, binlogs):
    numbers(session, 1)
    binlogs("--from", f"{t[0]}:{t[1] + 7}", "--until", "now", server=db).refused(str(t[1] + 7))


def test_no_server(binlogs):
    binlogs("--from", "now", "--until", "now", "--source", "mysql://app@127.0.0.1:1").refused("127.0.0.1:1")


@pytest.mark.parametrize("options", [
    [], ["--source", "http://x"], ["--source", "mysql://app@127.0.0.1:1", "--file", "x"], ["--file", "x", "--from", "nonsense::"],
    ["--file", "x", "--only", "select"], ["--file", "x", "--bigint", "float"], ["--file", "x", "--format", "xml"],
    ["--source", "mysql://app@127.0.0.1:1", "--from", "checkpoint"], ["--file", "x", "--sink", "nowhere:x"]],
    ids=lambda value: " ".join(value) or "nothing")
def test_refused_options(binlogs, options):
    binlogs(*options).refused()


@pytest.mark.newer_mariadb
def test_connection_that_breaks(db, session, t, binlogs):
    """The server ends the dump: it connects again and continues where it was."""
    binlog = binlogs("--from", at(t), server=db).wait_dump(db)
    numbers(session, 1)
    binlog.wait_rows(1)
    for value in (2, 3):
        binlog.kill_dump(db)
        numbers(session, value)
        binlog.wait_rows(value)
    binlog.stop()
    found = {identity(row): row["after"]["v"] for row in binlog.rows()}
    assert list(found.values()) == [1, 2, 3]


# --- Killed in the middle ---

class Load(threading.Thread):
    """Transactions on a table of few rows, until told to stop; each leaves its number in another table."""

    CHANGES = ["REPLACE INTO state VALUES ({a}, {n}, REPEAT('x', {n} % 300)), ({b}, {n}, NULL)",
               "UPDATE state SET v = v + 1 WHERE id BETWEEN {a} AND {a} + 20", "DELETE FROM state WHERE id BETWEEN {a} AND {a} + 3",
               "UPDATE IGNORE state SET id = {b} WHERE id = {a}"]

    def __init__(self, server, seed):
        super().__init__()
        self.server, self.chance = server, random.Random(seed)
        self.ending, self.problem = threading.Event(), None

    def run(self):
        chance = self.chance
        try:
            with self.server.root(database=DB) as cursor:
                while not self.ending.is_set():
                    cursor.execute("BEGIN")
                    for _ in range(chance.choice([1, 1, 2, 5])):
                        change = chance.choice(self.CHANGES)
                        cursor.execute(change.format(a=chance.randrange(200), b=chance.randrange(200) + 200, n=chance.randrange(10**6)))
                    cursor.execute("INSERT INTO numbers (v) VALUES (0)")
                    cursor.execute("ROLLBACK" if chance.random() < 0.05 else "COMMIT")
        except Exception as problem:
            self.problem = problem

    def stop(self):
        self.ending.set()
        self.join(120)
        assert not self.is_alive() and self.problem is None, self.problem


def rebuild(rows):
    """The tables as the rows leave them, each row counted once, and how many came again."""
    seen, tables, again = set(), {"state": {}, "numbers": {}}, 0
    for row in rows:
        if identity(row) in seen:
            again += 1
            continue
        seen.add(identity(row))
        table = tables[row["table"]]
        if row["before"] is not None:
            assert table.pop(row["before"]["id"], None) == row["before"], f"does not fit: {row}"
        if row["after"] is not None:
            assert row["after"]["id"] not in table, f"does not fit: {row}"
            table[row["after"]["id"]] = row["after"]
    return tables, again


@pytest.mark.newer_mariadb
@pytest.mark.timeout(900 + 30 * KILLS)
@pytest.mark.parametrize("compression", [False, True], ids=["plain", "compressed"])
def test_kill(db, session, binlogs, tmp_path, compression):
    """kill -9 at any time: with the checkpoint nothing is lost, and what comes again can be recognised by its identity."""
    execute(session, "CREATE TABLE state (id INT PRIMARY KEY, v INT, s TEXT)", "CREATE TABLE numbers (id INT PRIMARY KEY AUTO_INCREMENT, v INT)")
    if db.flavor == "mysql":
        db.sql(f"SET GLOBAL binlog_transaction_compression = {compression}")
    else:
        compress(db, session, compression)
    start, checkpoint, output = position(db), tmp_path / "checkpoint", tmp_path / "rows.ndjson"
    chance, load = random.Random(7), Load(db, 1)
    load.start()

    def begin(*options):
        place = "checkpoint" if checkpoint.exists() else at(start)
        return binlogs("--from", place, "--checkpoint", checkpoint, "--include", f"{DB}.*", "--only", "insert,update,delete", *options,
                       server=db, sinks=[f"ndjson:{output}"])

    try:
        for number in range(KILLS):
            binlog = begin()
            time.sleep(chance.uniform(0.2, 2.5))
            assert binlog.process.poll() is None, f"it ended by itself with {binlog.process.returncode}:\n{binlog.log}"
            binlog.kill()
            if number % 10 == 2:
                db.sql("FLUSH BINARY LOGS")
    finally:
        load.stop()
        if db.flavor == "mysql":
            db.sql("SET GLOBAL binlog_transaction_compression = OFF")
    begin("--until", "now").finish()
    rows, torn = [], 0
    for line in output.read_bytes().split(b"\n"):
        try:
            rows.append(parse(line.decode()))
        except ValueError:
            torn += bool(line)
    tables, again = rebuild(rows)
    wanted = {}
    for table, columns in (("state", ("id", "v", "s")), ("numbers", ("id", "v"))):
        wanted[table] = {row[0]: dict(zip(columns, row)) for row in execute(session, f"SELECT * FROM {table}")}
    print(f"{KILLS} kills, {len(wanted['numbers'])} transactions, {len(rows)} rows, {again} of them again, {torn} torn lines")
    missing = sorted(wanted["numbers"].keys() - tables["numbers"].keys())
    assert not missing, f"{len(missing)} transactions are missing: {missing[:20]}"
    assert tables == wanted
    assert torn <= KILLS


@pytest.mark.newer_mariadb
def test_statement_format_is_shown(db, session, t, binlogs):
    execute(session, "ALTER TABLE t MODIFY v TEXT", "SET SESSION binlog_format=STATEMENT", "SET @name='O\\'Hara', @n=5")
    start = position(db)
    execute(session, "INSERT INTO t (id, v) VALUES (900, @name)", "UPDATE t SET v=CONCAT(v, RAND()) WHERE id=900 AND @n=5",
            "SET SESSION binlog_format=ROW", "DELETE FROM t WHERE id=900")
    place = ["--from", at(start), "--until", "now"]
    binlog = binlogs(*place, server=db).finish()
    inserted, updated, deleted = binlog.lines()
    assert [message["type"] for message in (inserted, updated, deleted)] == ["statement", "statement", "delete"]
    assert inserted["sql"].startswith("INSERT INTO t") and inserted["variables"] == {"@name": "O'Hara"}
    assert updated["variables"]["@n"] == 5 and len(updated["variables"]["randSeeds"]) == 2
    assert "there are no rows" in binlog.log
    assert [message["type"] for message in binlogs(*place, "--only", "insert,update,delete", server=db).finish().lines()] == ["delete"]
    # The texts have the values that are not to be seen.
    assert [message["type"] for message in binlogs(*place, "--redact-keys", "v", server=db).finish().lines()] == ["delete"]
