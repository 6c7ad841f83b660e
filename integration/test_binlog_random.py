"""Random transactions, statements that change definitions between them: tables rebuilt from the row images equal SELECT.

`INTERCEPTOR_SEEDS=N` tries the seeds 0 to N-1 on each server, of which the suite takes a few; `INTERCEPTOR_SEED=N` only that one."""

import collections
import random
import re

import pymysql
import pytest
from harness.binlog import at, file_path, files, position
from harness.breadth import seeds
from harness.servers import SqlServer

from conftest import BINLOG, SIZES

# Without GTIDs MySQL lets tables with and without transactions take part in one transaction.
MIXING = ["--binlog-row-metadata=FULL", "--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"]
STEPS = 60
NAMES = ["s", "S", "a b", "a`b", "é", "e", "ß", "漢", "savepoint", "1", 'q"q', "-- x", "/*c*/", "SP1", "Ж", "ж"]


@pytest.fixture(scope="module", params=["mysql", "mariadb", "mariadb-11.8"])
def db(request, tmp_path_factory):
    options = MIXING if request.param == "mysql" else BINLOG["mariadb"]
    server = SqlServer(request.param, tmp_path_factory.mktemp(f"random-{request.param}"), *SIZES, *options)
    yield server
    server.stop()


class Writer:
    """Statements of one seed, as sessions of a server run them; those that fail are part of it."""

    def __init__(self, server, seed):
        self.server, self.random, self.database = server, random.Random(seed), f"random_{seed}"
        self.is_mysql = server.flavor == "mysql"
        engines = {"k": "InnoDB", "m": "MyISAM", "h": "MEMORY", **({} if self.is_mysql else {"ar": "Aria"})}
        self.keyed, self.numbers = [*engines, "p"], iter(range(100, 10_000))
        self.creates = [f"CREATE TABLE {name} (id INT NOT NULL DEFAULT 0 PRIMARY KEY, a INT DEFAULT 7, s VARCHAR(40)) ENGINE={engine}"
                        for name, engine in engines.items()]
        self.creates += ["CREATE TABLE p (id INT NOT NULL DEFAULT 0 PRIMARY KEY, a INT DEFAULT 7, s VARCHAR(40)) ENGINE=InnoDB PARTITION BY RANGE (id) "
                         "(PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20), PARTITION p2 VALUES LESS THAN MAXVALUE)",
                         "CREATE TABLE n (id INT DEFAULT 0, a INT DEFAULT 7, s VARCHAR(40)) ENGINE=InnoDB",
                         "CREATE TABLE nm (id INT DEFAULT 0, a INT DEFAULT 7, s VARCHAR(40)) ENGINE=MyISAM"]
        self.tables, self.log = [*self.keyed, "n", "nm"], []
        # Columns that came with an ALTER, by table.
        self.extra = collections.defaultdict(list)

    def run(self):
        self.server.fresh_databases(self.database)
        self.connect()
        for create in self.creates:
            self.do(create)
        for _ in range(STEPS):
            step = self.random.choices([self.transaction, self.definition, self.statement, self.xa, self.settings, self.rotate],
                                       [10, 4, 3, 2, 2, 1])[0]
            step()
        self.session.connection.close()
        return self

    def connect(self):
        self.session = pymysql.connect(unix_socket=self.server.socket, user="root", autocommit=True, charset="utf8mb4",
                                       database=self.database).cursor()

    def do(self, statement):
        self.log.append(statement)
        try:
            self.session.execute(statement)
            return True
        except pymysql.MySQLError as error:
            self.log.append(f"  -- {error.args}")
            return False

    # Values that only the server knows: nothing may be logged as text in MIXED format.
    def row(self):
        return f"({self.random.randrange(30)}, {self.random.choice(['NULL', 'DEFAULT', self.random.randrange(5)])}, UUID())"

    def change(self):
        table, pick = self.random.choice(self.tables), self.random.randrange(30)
        rows = ", ".join(self.row() for _ in range(self.random.randrange(1, 4)))
        where = self.random.choice([f"id = {pick}", f"id < {pick}", f"a = {self.random.randrange(5)}"])
        statements = [f"INSERT INTO {table} (id, a, s) VALUES {rows}", f"REPLACE INTO {table} (id, a, s) VALUES {rows}",
                      f"INSERT INTO {table} (id, a, s) VALUES {rows} ON DUPLICATE KEY UPDATE s = UUID()",
                      f"INSERT IGNORE INTO {table} (id, a, s) VALUES {rows}",
                      f"INSERT INTO {table} (s) VALUES (UUID())", f"UPDATE {table} SET s = UUID() WHERE {where}",
                      f"UPDATE {table} SET a = NULL, s = UUID() WHERE {where}", f"UPDATE {table} SET id = id + 30, s = UUID() WHERE id = {pick}",
                      f"DELETE FROM {table} WHERE {where} AND s <> UUID()",
                      f"INSERT INTO {table} (id, s) SELECT id + 40, UUID() FROM {self.random.choice(self.tables)} WHERE {where}"]
        if self.format == "ROW":
            statements += [f"INSERT INTO {table} () VALUES ()"] * 2
        if self.extra[table]:
            statements.append(f"UPDATE {table} SET {self.random.choice(self.extra[table])} = {pick}, s = UUID() WHERE {where}")
        self.do(self.random.choice(statements))

    format = "ROW"

    def statement(self):
        self.change()

    def temporary(self):
        number = self.random.randrange(3)
        self.do(self.random.choice([f"CREATE TEMPORARY TABLE IF NOT EXISTS t{number} (a INT)", f"DROP TEMPORARY TABLE IF EXISTS t{number}",
                                    f"CREATE TEMPORARY TABLE IF NOT EXISTS t{number} ENGINE=MyISAM SELECT 1 AS a"]))

    def transaction(self):
        self.do("BEGIN")
        for _ in range(self.random.randrange(1, 9)):
            name = "`" + self.random.choice(NAMES).replace("`", "``") + "`"
            kind = self.random.choices(["change", "temporary", "savepoint", "back", "release"], [12, 2, 3, 3, 1])[0]
            match kind:
                case "change":
                    self.change()
                case "temporary":
                    self.temporary()
                case "savepoint":
                    self.do(f"SAVEPOINT {name}")
                case "back":
                    self.do(f"ROLLBACK TO SAVEPOINT {name}")
                case "release":
                    self.do(f"RELEASE SAVEPOINT {name}")
        end = self.random.choices(["COMMIT", "ROLLBACK", None], [6, 3, 1])[0]
        if end:
            self.do(end)
        else:
            self.log.append("-- disconnected")
            self.session.connection.close()
            self.connect()
            self.settings()

    def xa(self):
        name = f"'x{next(self.numbers)}'"
        self.do(f"XA START {name}")
        for _ in range(self.random.randrange(1, 4)):
            self.change()
        self.do(f"XA END {name}")
        match self.random.randrange(4):
            case 0:
                self.do(f"XA COMMIT {name} ONE PHASE") or self.do(f"XA ROLLBACK {name}")
            case 1:
                self.do(f"XA ROLLBACK {name}")
            case 2:
                self.do(f"XA PREPARE {name}")
                self.do(f"XA COMMIT {name}")
            case 3:
                self.do(f"XA PREPARE {name}")
                self.do(f"XA ROLLBACK {name}")

    def definition(self):
        table, column = self.random.choice(self.tables), f"c{next(self.numbers)}"
        statements = [(f"ALTER TABLE {table} ADD COLUMN {column} INT DEFAULT {self.random.randrange(9)}", lambda: self.extra[table].append(column)),
                      (f"TRUNCATE TABLE {table}", None), ("RENAME TABLE k TO tmp, p TO k, tmp TO p", self.swapped),
                      (f"ALTER TABLE {table} MODIFY a BIGINT DEFAULT 7", None), (f"ALTER TABLE {table} MODIFY s VARCHAR(60)", None)]
        if self.extra[table]:
            old = self.random.choice(self.extra[table])
            rest = [name for name in self.extra[table] if name != old]
            statements += [(f"ALTER TABLE {table} DROP COLUMN {old}", lambda: self.extra.update({table: rest})),
                           (f"ALTER TABLE {table} RENAME COLUMN {old} TO {column}", lambda: self.extra.update({table: [*rest, column]}))]
        if self.partitioned == table:
            statements += [(f"ALTER TABLE {table} TRUNCATE PARTITION p1", None), (f"ALTER TABLE {table} REBUILD PARTITION p0, p1", None),
                           (f"ALTER TABLE {table} REORGANIZE PARTITION p0, p1 INTO (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20))", None)]
        statement, then = self.random.choice(statements)
        if self.do(statement) and then:
            then()

    partitioned = "p"

    def swapped(self):
        self.partitioned = "k" if self.partitioned == "p" else "p"
        self.extra["k"], self.extra["p"] = self.extra["p"], self.extra["k"]

    def settings(self):
        self.format = self.random.choice(["ROW", "ROW", "MIXED"])
        # Refused while there are temporary tables.
        if not self.do(f"SET SESSION binlog_format = {self.format}"):
            self.session.execute("SELECT @@SESSION.binlog_format")
            self.format = self.session.fetchone()[0]
        self.do(f"SET SESSION binlog_row_image = {self.random.choice(['FULL', 'MINIMAL', 'NOBLOB'])}")
        self.do(f"SET GLOBAL binlog_row_metadata = {self.random.choice(['FULL', 'MINIMAL'])}")
        on = self.random.choice(["ON", "OFF"])
        self.do(f"SET SESSION binlog_transaction_compression = {on}" if self.is_mysql else f"SET GLOBAL log_bin_compress = {on}")

    def rotate(self):
        self.do("FLUSH BINARY LOGS")


class Tables:
    """What the messages say that the tables have."""

    def __init__(self):
        self.columns, self.rows = {}, {}

    def take(self, message):
        if message["type"] == "ddl":
            self.define(re.sub(r"/\*.*?\*/", "", message["sql"]).strip())
        elif message["type"] in ("insert", "update", "delete"):
            self.change(message)
        else:
            raise AssertionError(f"logged as text: {message}")

    def define(self, sql):
        if found := re.match(r"CREATE TABLE (\w+)", sql):
            self.columns[found[1]], self.rows[found[1]] = {"id": 0, "a": 7, "s": None}, []
        elif found := re.match(r"TRUNCATE TABLE (\w+)", sql):
            self.rows[found[1]] = []
        elif sql.startswith("RENAME TABLE"):
            for known in (self.columns, self.rows):
                known["k"], known["p"] = known["p"], known["k"]
        elif found := re.match(r"ALTER TABLE (\w+) ADD COLUMN (\w+) INT DEFAULT (\d)", sql):
            self.columns[found[1]][found[2]] = int(found[3])
            for row in self.rows[found[1]]:
                row[found[2]] = int(found[3])
        elif found := re.match(r"ALTER TABLE (\w+) DROP COLUMN (\w+)", sql):
            for row in [self.columns[found[1]], *self.rows[found[1]]]:
                del row[found[2]]
        elif found := re.match(r"ALTER TABLE (\w+) RENAME COLUMN (\w+) TO (\w+)", sql):
            for row in [self.columns[found[1]], *self.rows[found[1]]]:
                row[found[3]] = row.pop(found[2])
        elif found := re.match(r"ALTER TABLE (\w+) TRUNCATE PARTITION", sql):
            self.rows[found[1]] = [row for row in self.rows[found[1]] if not 10 <= row["id"] < 20]

    def change(self, message):
        table, before, after = message["table"], message["before"], message["after"]
        rows, columns = self.rows[table], self.columns[table]
        assert {*(before or {}), *(after or {})} <= {*columns}, f"{message} in a table of {columns}"
        if before is None:
            rows.append({**columns, **after})
            return
        # A column that is not in the image is as it was.
        index = next(index for index, row in enumerate(rows) if before.items() <= row.items())
        if after is None:
            del rows[index]
        else:
            rows[index] = {**rows[index], **after}

    def content(self):
        return {table: comparable(rows) for table, rows in self.rows.items()}


def comparable(rows):
    return collections.Counter(tuple(sorted(row.items())) for row in rows)


def selected(server, database, names):
    with server.root(database=database, cursorclass=pymysql.cursors.DictCursor) as cursor:
        found = {}
        for name in names:
            cursor.execute(f"SELECT * FROM {name}")
            found[name] = comparable(cursor.fetchall())
        return found


@pytest.mark.parametrize("seed", seeds(2))
def test_tables_are_what_the_rows_say(db, binlogs, seed):
    start = position(db)
    writer = Writer(db, seed).run()
    wanted = selected(db, writer.database, writer.tables)
    names = files(db)
    paths = [file_path(db, name) for name in names[names.index(start[0]):]]
    for options in ({"server": db}, {"files": paths}):
        until = ["--until", "now"] if "server" in options else []
        binlog = binlogs("--from", at(start), *until, "--include", f"{writer.database}.*", **options).finish()
        tables = Tables()
        for message in binlog.lines():
            try:
                tables.take(message)
            except Exception as error:
                raise AssertionError(f"seed {seed}, {list(options)}: {message}\n" + "\n".join(writer.log) + binlog.log) from error
        found = tables.content()
        for table in wanted:
            missing, more = wanted[table] - found[table], found[table] - wanted[table]
            assert not missing and not more, (f"seed {seed}, {list(options)}, {table}: missing {list(missing)[:3]}, too many {list(more)[:3]}\n"
                                              + "\n".join(writer.log) + binlog.log)
    db.sql(f"DROP DATABASE {writer.database}")
