"""Binary logs as Parquet files, read back with pyarrow; the same rows as NDJSON say what must be in them."""

import random
import struct
import time

import pyarrow
import pyarrow.parquet
import pytest
from harness import parquet, types, within
from harness.binlog import at, execute, position
from harness.breadth import KILLS, seeds

DATABASE = "parquet"


@pytest.fixture
def db(writer):
    writer.fresh_databases(DATABASE)
    writer.sql(f"ALTER DATABASE {DATABASE} CHARACTER SET utf8mb4")
    writer.sql("SET GLOBAL binlog_row_metadata = FULL")
    return writer


@pytest.fixture
def session(db):
    with db.root(database=DATABASE) as cursor:
        cursor.execute("SET SESSION sql_mode = 'ALLOW_INVALID_DATES'")
        cursor.execute("SET SESSION time_zone = '+00:00'")
        yield cursor


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "parquet"
    made.mkdir()
    return made


def read(binlogs, db, start, folder, *options):
    """All from `start` on, to Parquet and again to NDJSON."""
    end = at(position(db))
    place = ("--from", at(start), "--until", end, "--include", f"{DATABASE}.*")
    binlogs(*place, *options, server=db, sinks=[f"parquet:{folder}"]).finish()
    return binlogs(*place, server=db).finish().rows()


@pytest.mark.newer_mariadb
@pytest.mark.parametrize("compression", ["zstd", "gzip", "none"])
def test_nine_columns(db, session, binlogs, folder, compression):
    execute(session, "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20), j JSON)")
    start = position(db)
    execute(session, "INSERT INTO t VALUES (1, 'a\"ü', '{\"x\": [1, 2.5]}'), (2, NULL, NULL)", "UPDATE t SET v = 'b' WHERE id = 1", "DELETE FROM t")
    wanted = read(binlogs, db, start, folder, "--parquet-compression", compression)
    path, = parquet.files(folder)
    assert path.name == f"{start[0]}-{wanted[0]['position']['offset']:010}.parquet"
    file = pyarrow.parquet.ParquetFile(path)
    columns = [(file.schema.column(index).name, file.schema.column(index).physical_type) for index in range(9)]
    assert columns == [("timestamp", "INT64"), ("server_id", "INT32"), ("log_pos", "INT64"), ("event_row_index", "INT64"),
                       ("database", "BYTE_ARRAY"), ("table_name", "BYTE_ARRAY"), ("dml_type", "BYTE_ARRAY"),
                       ("before_values", "BYTE_ARRAY"), ("after_values", "BYTE_ARRAY")]
    assert [file.schema.column(index).logical_type.type for index in (7, 8)] == ["JSON", "JSON"]
    codec = {"zstd": "ZSTD", "gzip": "GZIP", "none": "UNCOMPRESSED"}[compression]
    assert file.metadata.row_group(0).column(8).compression == codec
    rows = parquet.rows(folder)
    assert [(row["dml_type"], row["database"], row["table_name"], row["timestamp"], row["server_id"]) for row in rows] == [
        (row["type"], row["database"], row["table"], row["timestamp"], row["serverId"]) for row in wanted]
    assert [(parquet.from_json(row["before_values"]), parquet.from_json(row["after_values"])) for row in rows] == [
        (row["before"], row["after"]) for row in wanted]
    assert len({(row["log_pos"], row["event_row_index"]) for row in rows}) == len(rows) == 5


def same(wanted, actual, kind):
    if isinstance(wanted, float) and isinstance(actual, (int, float)):
        return struct.pack("<f", actual) == struct.pack("<f", wanted) if kind == pyarrow.float32() else actual == float(wanted)
    if pyarrow.types.is_list(kind) and wanted is not None:
        return [struct.pack("<f", value) for value in actual] == [struct.pack("<f", value) for value in wanted]
    return actual == wanted


def difference(image, ours, own, schema):
    invalid = parquet.from_json(ours["__invalid"]) or {}
    for name, wanted in image.items():
        kind = schema.field(name).type
        actual = invalid[name] if name in invalid else own[name]
        if name not in invalid:
            # A JSON column: text, or pyarrow's type of its own.
            is_json = isinstance(actual, str) and not isinstance(wanted, str) or "json" in str(kind)
            actual = parquet.from_json(actual) if is_json else parquet.like(actual, wanted)
        elif own[name] is not None:
            return f"{name} is invalid and {own[name]!r}"
        if not same(wanted, actual, kind):
            return f"{name} ({kind}): wanted {wanted!r:.100}, is {actual!r:.100}"
    return None


@pytest.mark.newer_mariadb
@pytest.mark.timeout(600)
def test_every_type_in_its_column(db, session, binlogs, folder):
    families = [family for family in types.families(db.release) if not family.once]
    session.execute("SET SESSION sql_mode = ''")
    for family in families:
        session.execute(family.ddl())
    session.execute("SET SESSION sql_mode = 'ALLOW_INVALID_DATES'")
    start = position(db)
    for family in families:
        rows = ", ".join("({}, 0, {})".format(id_, ", ".join(row)) for id_, row in enumerate(family.value_rows(), 1))
        execute(session, f"INSERT INTO `{family.name}` VALUES {rows}", f"UPDATE `{family.name}` SET touched = 7", f"DELETE FROM `{family.name}`")
    wanted = {}
    for row in read(binlogs, db, start, folder, "--parquet-layout", "table"):
        wanted.setdefault(row["table"], []).append(row)
    problems = []
    for family in families:
        path, = parquet.files(folder / DATABASE / family.name)
        rows = list(parquet.typed(path))
        assert len(rows) == len(wanted[family.name])
        for row, (ours, own, schema) in zip(wanted[family.name], rows):
            assert (ours["__op"], ours["__gtid"], ours["__row_index"]) == (row["type"], row["gtid"], row["rowIndex"])
            assert (ours["__file"], ours["__offset"]) == (row["position"]["file"], row["position"]["offset"])
            before = row["before"] if row["type"] == "update" else None
            assert parquet.from_json(ours["__before"]) == before
            problem = difference(row["after"] or row["before"], ours, own, schema)
            if problem:
                problems.append(f"{family.name}: {problem}")
    assert not problems, "\n".join(problems[:20])


def test_a_table_that_is_altered(db, session, binlogs, folder):
    session.execute("CREATE TABLE t (id INT PRIMARY KEY, v INT)")
    start = position(db)
    execute(session, "INSERT INTO t VALUES (1, 2)", "ALTER TABLE t ADD w DECIMAL(10,2), MODIFY v BIGINT UNSIGNED", "INSERT INTO t VALUES (3, 4, 5.5)")
    read(binlogs, db, start, folder, "--parquet-layout", "table")
    old, new = [pyarrow.parquet.ParquetFile(path).read() for path in parquet.files(folder / DATABASE / "t")]
    assert (old.schema.field("v").type, "w" in old.schema.names) == (pyarrow.int32(), False)
    assert (new.schema.field("v").type, new.schema.field("w").type) == (pyarrow.uint64(), pyarrow.decimal128(10, 2))
    assert [str(row["w"]) for row in new.to_pylist()] == ["5.50"]


def test_minimal_images(db, session, binlogs, folder):
    execute(session, "CREATE TABLE t (id INT PRIMARY KEY, v INT, w INT)", "INSERT INTO t VALUES (1, 2, 3)", "SET SESSION binlog_row_image = MINIMAL")
    start = position(db)
    execute(session, "UPDATE t SET v = 5")
    read(binlogs, db, start, folder, "--parquet-layout", "table")
    row, = parquet.rows(folder)
    assert (row["id"], row["v"], row["w"], parquet.from_json(row["__absent"])) == (1, 5, None, ["w"])


@pytest.mark.newer_mariadb
def test_files_roll_and_none_is_lost_or_doubled_by_a_kill(db, session, binlogs, folder, tmp_path):
    session.execute("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(100))")
    start = position(db)
    options = ["--from", at(start), "--include", f"{DATABASE}.*", "--parquet-roll-size", "16KiB", "--checkpoint", tmp_path / "checkpoint"]
    running = binlogs(*options, server=db, sinks=[f"parquet:{folder}"]).wait_dump(db)
    for first in range(0, 3000, 10):
        rows = ", ".join(f"({id_}, HEX(RANDOM_BYTES(50)))" for id_ in range(first, first + 10))
        session.execute(f"INSERT INTO t VALUES {rows}")
        if first == 2000:
            within(lambda: len(list(folder.glob("*.parquet"))) >= 3, "files have been ended")
            running.kill()
    options[1] = "checkpoint" if (tmp_path / "checkpoint").exists() else at(start)
    binlogs(*options, "--until", "now", server=db, sinks=[f"parquet:{folder}"]).finish()
    assert len(parquet.files(folder)) > 5
    ids = [parquet.from_json(row["after_values"])["id"] for row in parquet.rows(folder)]
    assert sorted(ids) == list(range(3000))


def resume(binlogs, db, start, folder, checkpoint, *options):
    """From the checkpoint, or from the start while there is none."""
    place = "checkpoint" if checkpoint.exists() else at(start)
    return binlogs("--from", place, "--checkpoint", checkpoint, "--include", f"{DATABASE}.*", *options, server=db, sinks=[f"parquet:{folder}"])


def shown(folder):
    """What readers see: the rows of all files that have their names, by table and key, each only once."""
    found = [(row.get("table_name") or path.parent.name, parquet.from_json(row["after_values"])["id"] if "after_values" in row else row["id"])
             for path in folder.rglob("[!.]*.parquet") for row in pyarrow.parquet.ParquetFile(path).read().to_pylist()]
    assert len(found) == len(set(found)), f"{len(found) - len(set(found))} of {len(found)} rows are there twice"
    return set(found)


@pytest.mark.newer_mariadb
def test_whole_files_beside_one_that_stays_open(db, session, binlogs, folder, tmp_path):
    """Killed when files are whole that no checkpoint covers, stopped while it catches up: their rows are not there twice."""
    execute(session, "CREATE TABLE small (id INT PRIMARY KEY)", "CREATE TABLE large (id INT PRIMARY KEY, v BLOB)")
    start, checkpoint = position(db), tmp_path / "checkpoint"
    options = ["--parquet-layout", "table", "--parquet-roll-size", "300KB"]
    running = resume(binlogs, db, start, folder, checkpoint, *options).wait_dump(db)
    session.execute("INSERT INTO small VALUES (1)")
    for first in range(0, 8000, 100):
        session.execute(f"INSERT INTO large VALUES {', '.join(f'({id_}, RANDOM_BYTES(800))' for id_ in range(first, first + 100))}")
        if first == 2500:
            within(lambda: list(folder.rglob("*.whole")), "files are whole")
            running.kill()
            shown(folder)
    # Caught by the signal while it has some megabytes to read.
    resume(binlogs, db, start, folder, checkpoint, *options).wait_log("reading the binlog").stop()
    shown(folder)
    resume(binlogs, db, start, folder, checkpoint, "--until", "now", *options).finish()
    assert shown(folder) == {("small", 1), *(("large", id_) for id_ in range(8000))}
    assert not list(folder.rglob("*.whole"))


class Inserts:
    """Transactions on several tables, each row with a key of its own."""

    def __init__(self, session, chance):
        self.session, self.chance, self.next, self.wanted = session, chance, 0, set()

    def transaction(self):
        self.session.execute("BEGIN")
        made = set()
        for _ in range(self.chance.choice([1, 1, 2, 3])):
            table = self.chance.choice(["idle"] + 3 * ["t0"] + 6 * ["t1"])
            count = 1 if table == "idle" else self.chance.choice([1, 1, 10, 100, 1000])
            ids = range(self.next, self.next + count)
            self.next += count
            self.session.execute(f"INSERT INTO {table} VALUES {', '.join(f'({id_}, RANDOM_BYTES(500))' for id_ in ids)}")
            made |= {(table, id_) for id_ in ids}
        if self.chance.random() < 0.1:
            self.session.execute("ROLLBACK")
        else:
            self.session.execute("COMMIT")
            self.wanted |= made


@pytest.mark.timeout(600 + 30 * KILLS)
@pytest.mark.parametrize("layout", ["events", "table"])
def test_each_row_once_whatever_is_killed_when(db, session, binlogs, folder, tmp_path, layout):
    seed = seeds(1, first=1)[0]
    chance = random.Random(seed)
    print(f"seed {seed}, {KILLS} times")
    execute(session, *(f"CREATE TABLE {table} (id INT PRIMARY KEY, v BLOB)" for table in ("idle", "t0", "t1")))
    start, checkpoint, inserts, seen = position(db), tmp_path / "checkpoint", Inserts(session, chance), set()
    for _ in range(KILLS):
        options = ["--parquet-layout", layout, "--parquet-roll-size", chance.choice(["16KiB", "100KiB", "1MiB", "0"]),
                   "--parquet-roll-age", chance.choice(["200ms", "1s", "5m"])]
        running = resume(binlogs, db, start, folder, checkpoint, *options)
        end = time.monotonic() + chance.uniform(0.1, 1.5)
        while time.monotonic() < end:
            inserts.transaction()
            if chance.random() < 0.02:
                db.sql("FLUSH BINARY LOGS")
        if chance.random() < 0.7:
            running.kill()
        else:
            running.wait_log("reading the binlog").stop()
        # What readers have seen stays.
        before, seen = seen, shown(folder)
        assert before <= seen <= inserts.wanted
    resume(binlogs, db, start, folder, checkpoint, "--until", "now", "--parquet-layout", layout).finish()
    assert shown(folder) == inserts.wanted
    assert not list(folder.rglob("*.whole")) + list(folder.rglob("*.part"))


def test_two_processes_in_one_directory(db, binlogs, folder):
    running = binlogs("--from", "now", server=db, sinks=[f"parquet:{folder}"]).wait_dump(db)
    binlogs("--from", "now", server=db, sinks=[f"parquet:{folder}"]).refused("another process")
    running.stop()


def test_a_file_that_is_old_enough_is_ended(db, session, binlogs, folder):
    session.execute("CREATE TABLE t (id INT PRIMARY KEY)")
    start = position(db)
    running = binlogs("--from", at(start), "--parquet-roll-age", "1s", server=db, sinks=[f"parquet:{folder}"]).wait_dump(db)
    session.execute("INSERT INTO t VALUES (1)")
    within(lambda: list(folder.glob("*.parquet")), "the file has been ended")
    assert len(parquet.rows(folder)) == 1
    running.stop()


def test_a_directory_is_made_in_one_that_is_there(db, binlogs, tmp_path):
    binlogs("--from", "now", server=db, sinks=[f"parquet:{tmp_path / 'missing' / 'deeper'}"]).refused("missing")
    binlogs("--from", "now", "--until", "now", server=db, sinks=[f"parquet:{tmp_path / 'new'}"]).finish()
    assert (tmp_path / "new").is_dir()
