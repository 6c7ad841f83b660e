#!/usr/bin/env python3
"""Writes the seeds in tests/data/fuzz and the binlog in tests/data/binlog, with a MySQL and a MariaDB server as their authors.

Usage: make_seeds.py, with the Python of the integration tests (integration/run.sh makes it). What it writes is in git; it is to be run
again only where a server writes something new. No other file there is touched, so seeds of bugs that were found stay."""

import pathlib
import shutil
import struct
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "integration"))

from conftest import BINLOG  # noqa: E402
from harness import types  # noqa: E402
from harness.binlog import file_path, position  # noqa: E402
from harness.servers import SqlServer  # noqa: E402

SEEDS = ROOT / "tests/data/fuzz"
# Longer values are of no use to a mutator, only to time.
LONGEST_VALUE = 120
FAMILIES = {"integers", "decimals", "floating", "bits", "temporal", "binary_data", "enumerations_beyond", "json_documents", "shapes", "vectors", "addresses",
            "compressed_columns", "json_text", "charsets"}

TABLE_MAP, WRITE, UPDATE, DELETE = 19, {23, 30, 166, 169}, {24, 31, 39, 167, 170}, {25, 32, 168, 171}


def events(binlog):
    """(type, body without checksum) of a file whose events end in one."""
    at = 4
    while at < len(binlog):
        type_, length = binlog[at + 4], struct.unpack_from("<I", binlog, at + 9)[0]
        yield type_, binlog[at + 19:at + length - 4]
        at += length


def short(family):
    """Each column's first short values, at most eight of them."""
    columns = [(column, [value for value in column.values if len(value) <= LONGEST_VALUE and "REPEAT" not in value][:8]) for column in family.columns]
    columns = [(column, values) for column, values in columns if values and len(column.type) <= 300][:24]
    return [column for column, _ in columns], [values for _, values in columns]


class Writer:
    """A server whose statements go each to a binlog of its own."""

    def __init__(self, flavor, folder):
        self.server = SqlServer(flavor, folder, *BINLOG[flavor])
        self.server.fresh_databases("seeds")
        self.flavor = flavor

    def binlog(self, name, *statements, session=(), keep=True):
        with self.server.root(database="seeds") as cursor:
            for statement in ["SET sql_mode = 'ALLOW_INVALID_DATES'", *session]:
                cursor.execute(statement)
            cursor.execute("FLUSH BINARY LOGS")
            file = position(self.server)[0]
            for statement in statements:
                cursor.execute(statement)
            cursor.execute("FLUSH BINARY LOGS")
        content = file_path(self.server, file).read_bytes()
        if keep:
            (SEEDS / "event" / f"{self.flavor}_{name}").write_bytes(content)
        return content

    def family(self, family):
        columns, values = short(family)
        definition = ", ".join(f"`{column.name}` {column.type} NULL" for column in columns)
        count = max(map(len, values))
        rows = [", ".join(column[row % len(column)] for column in values) for row in range(count)] + [", ".join("NULL" for _ in columns)]
        changes = ", ".join(f"`{column.name}` = {column_values[-1]}" for column, column_values in zip(columns, values))
        table = f"`{family.name}`"
        self.server.sql(f"CREATE TABLE seeds.{table} (id INT PRIMARY KEY, {definition}) ROW_FORMAT=DYNAMIC")
        content = self.binlog(family.name, f"INSERT INTO {table} VALUES " + ", ".join(f"({id_}, {row})" for id_, row in enumerate(rows)),
                              f"UPDATE {table} SET {changes} WHERE id = 0", f"DELETE FROM {table} WHERE id = 1", keep=False)
        self.rows(family.name, content)

    def rows(self, name, content):
        """The first event of each kind with its table map, as the target `rows` wants them: the flavour and the length of the map, the map, the
        row event's type and body."""
        table_map = b""
        found = set()
        for type_, body in events(content):
            kind = next((kind for kind, codes in enumerate((WRITE, UPDATE, DELETE)) if type_ in codes), None)
            if type_ == TABLE_MAP:
                table_map = body
            elif kind is not None and kind not in found:
                found.add(kind)
                head = struct.pack("<BH", self.flavor == "mariadb", len(table_map))
                file = SEEDS / "rows" / f"{self.flavor}_{name}_{('write', 'update', 'delete')[kind]}"
                file.write_bytes(head + table_map + bytes([type_]) + body)


ORDERS = ["CREATE TABLE orders (id INT UNSIGNED PRIMARY KEY, customer VARCHAR(40), total DECIMAL(8,2), state ENUM('new','paid'), info {json})",
          "INSERT INTO orders VALUES (1, 'Ada', 19.90, 'new', '{{\"gift\": true}}'), (2, 'Grace', 5.00, 'new', NULL)",
          "UPDATE orders SET state = 'paid' WHERE id = 1", "DELETE FROM orders WHERE id = 2"]
ALTERED = ["CREATE TABLE altered (id INT PRIMARY KEY, a INT)", "INSERT INTO altered VALUES (1, 2)", "ALTER TABLE altered ADD COLUMN `b c` TEXT FIRST, DROP COLUMN a",
           "INSERT INTO altered VALUES ('x', 2)", "RENAME TABLE altered TO renamed", "DROP TABLE renamed", "CREATE DATABASE other CHARACTER SET latin1",
           "DROP DATABASE other"]
SAVEPOINTS = ["CREATE TABLE points (id INT PRIMARY KEY) ENGINE=InnoDB", "BEGIN", "INSERT INTO points VALUES (1)", "SAVEPOINT a", "INSERT INTO points VALUES (2)",
              "ROLLBACK TO a", "INSERT INTO points VALUES (3)", "COMMIT", "XA START 'x'", "INSERT INTO points VALUES (4)", "XA END 'x'", "XA PREPARE 'x'",
              "XA COMMIT 'x'"]


def write(flavor, folder):
    writer = Writer(flavor, folder)
    try:
        is_mysql = flavor == "mysql"
        orders = [statement.format(json="JSON") for statement in ORDERS]
        shop = writer.binlog("orders", *orders)
        if is_mysql:
            (ROOT / "tests/data/binlog").mkdir(parents=True, exist_ok=True)
            (ROOT / "tests/data/binlog/shop.000001").write_bytes(shop)
        many = f"INSERT INTO orders VALUES {', '.join(f'({id_}, NULL, 1.5, 2, NULL)' for id_ in range(10, 90))}"
        if is_mysql:
            minimal = ["SET binlog_row_image = MINIMAL", "SET binlog_row_value_options = PARTIAL_JSON", "SET binlog_rows_query_log_events = ON"]
            writer.rows("partial", writer.binlog("partial", "INSERT INTO orders VALUES (3, 'Joan', 1, 1, '{\"a\": [1, {\"b\": 2}], \"c\": \"long enough to be a diff\"}')",
                        "UPDATE orders SET info = JSON_SET(info, '$.a[1].b', 3) WHERE id = 3", "UPDATE orders SET info = JSON_REMOVE(info, '$.a[0]') WHERE id = 3",
                        session=minimal))
            writer.binlog("payload", many, "DELETE FROM orders WHERE id > 9", session=["SET binlog_transaction_compression = ON"])
            writer.binlog("tagged", "INSERT INTO orders VALUES (4, 'Lin', 1, 1, NULL)", session=["SET gtid_next = 'AUTOMATIC:seeds'"])
        else:
            writer.server.sql("SET GLOBAL log_bin_compress = ON", "SET GLOBAL log_bin_compress_min_len = 10")
            writer.rows("compressed", writer.binlog("compressed", many, "UPDATE orders SET total = 2 WHERE id > 9", "DELETE FROM orders WHERE id > 9"))
            writer.server.sql("SET GLOBAL log_bin_compress = OFF")
        writer.binlog("altered", *ALTERED)
        writer.server.sql("SET GLOBAL binlog_row_metadata = MINIMAL")
        writer.binlog("savepoints", *SAVEPOINTS, session=["SET binlog_row_image = MINIMAL"])
        writer.server.sql("SET GLOBAL binlog_row_metadata = FULL")
        writer.binlog("statement", "CREATE TABLE s (id INT PRIMARY KEY AUTO_INCREMENT, r DOUBLE)", "SET @a = 7", "INSERT INTO s (r) VALUES (RAND() + @a)",
                      session=["SET binlog_format = STATEMENT"])
        for family in types.families(flavor):
            if family.name in FAMILIES or family.name in ("text_latin1", "text_utf16"):
                writer.family(family)
    finally:
        writer.server.stop()


def main():
    for target in ("event", "rows"):
        (SEEDS / target).mkdir(parents=True, exist_ok=True)
    for flavor in ("mysql", "mariadb"):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="seeds"))
        try:
            write(flavor, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
