"""Binary logs as Parquet files, read back with pyarrow; the same rows as NDJSON say what must be in them."""

import struct

import pyarrow
import pyarrow.parquet
import pytest
from harness import parquet, types, within
from harness.binlog import at, execute, position

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
