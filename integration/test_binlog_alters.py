"""ALTER TABLE and CREATE TABLE at random, where the binlog has no names (binlog_row_metadata=MINIMAL): the columns are called what SELECT
calls them. Read from the files alone every row has its names; read late, from the middle, it has them where what came after can be undone.

INTERCEPTOR_SEEDS=200 tries more seeds."""

import decimal
import random

import pymysql
import pytest
from harness.binlog import at, position
from harness.breadth import seeds

DB = "alter_test"

# Types, and what makes a value of a number: each column of a row gets one of its own, so that swapped names are seen.
TYPES = {"INT": str, "INT UNSIGNED": lambda n: str(2**32 - n), "BIGINT": lambda n: str(-n), "SMALLINT(3) ZEROFILL": str, "TINYINT": str,
         "VARCHAR(20)": "'v{}'".format, "CHAR(9)": "'c{}'".format, "VARCHAR(30) CHARACTER SET latin1": "'é{}'".format,
         "TEXT(2000) COLLATE utf8mb4_bin": "'t{}'".format, "TINYTEXT": "'tt{}'".format, "DATE": "'2024-02-{}'".format,
         "DATETIME(3)": "'2024-03-{} 01:02:03.004'".format, "DECIMAL(9,2)": "{}.25".format, "DOUBLE PRECISION": "{}.5".format,
         "REAL": "{}.5".format, "VARBINARY(9)": "'b{}'".format, "BLOB(70)": "'bl{}'".format, "NATIONAL VARCHAR(9)": "'n{}'".format,
         "ENUM('x','y, z) DROP') CHARACTER SET ascii": lambda n: str(n % 2 + 1), "SET('p','q')": lambda n: str(n % 4), "BOOL": str,
         "YEAR": lambda n: str(2000 + n), "BIT(9)": str, "LONG VARCHAR": "'l{}'".format, "JSON": "'[{}]'".format,
         "MEDIUMINT SIGNED": str, "CHARACTER VARYING(9)": "'cv{}'".format}
ATTRIBUTES = ["", "", "NULL", "NULL DEFAULT NULL", "COMMENT 'a, FIRST; it''s (\\'AFTER b'", "/*!50000 NULL */ /* DROP x, */", "-- a, b\n NULL", "CHECK (1 = 1)",
              "NULL COMMENT 'x' CHECK (1 > 0)"]
MYSQL_ATTRIBUTES = ["COLUMN_FORMAT DEFAULT", "STORAGE DEFAULT", "COLUMN_FORMAT DYNAMIC STORAGE DISK", "INVISIBLE", "VISIBLE COMMENT ''",
                    "ENGINE_ATTRIBUTE '{}'", "DEFAULT (NULL)", "CONSTRAINT CHECK (2 > 1) NOT ENFORCED", "/*!80023 INVISIBLE */"]
MARIADB_ATTRIBUTES = ["DEFAULT (1 + 1)", "INVISIBLE", "REFERENCES other (a) ON DELETE SET NULL", "REF_SYSTEM_ID=1", "/*M! NULL */",
                      "WITHOUT SYSTEM VERSIONING"]
# Their order is as good as any; names that are keywords elsewhere.
NAMES = ["a", "b", "c", "period", "system", "`key`", "`a.b`", "`x y`", "`ü`", "comment", "first", "`after`", "storage", "action", "`drop`", "n1", "n2", "n3", "n4"]


def plain(value):
    if isinstance(value, (decimal.Decimal, float)):
        return None
    return value.isoformat() if hasattr(value, "isoformat") else value if isinstance(value, (int, str)) else None


def unquoted(name):
    return name.strip("`")


class Changes:
    """A table that changes at random, and each row of it as SELECT shows it."""

    def __init__(self, server, cursor, seed, exact):
        self.server, self.cursor, self.random, self.exact = server, cursor, random.Random(seed), exact
        self.table, self.rows, self.done, self.refused, self.number = "t", [], [], [], 10
        self.attributes = ATTRIBUTES + (MYSQL_ATTRIBUTES if server.flavor == "mysql" else MARIADB_ATTRIBUTES)
        self.create("CREATE TABLE")

    def run(self, statement):
        """What a server refuses is not in its log."""
        try:
            self.cursor.execute(statement)
        except pymysql.MySQLError as error:
            self.refused.append((statement, str(error)))
            return False
        self.done.append(statement)
        return True

    def choose(self, *some):
        return self.random.choice(some)

    def columns(self):
        self.cursor.execute(f"SELECT COLUMN_NAME, LOWER(COLUMN_TYPE), EXTRA FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = '{DB}' "
                            f"AND TABLE_NAME = '{self.table}' ORDER BY ORDINAL_POSITION")
        return self.cursor.fetchall()

    def old(self):
        return f"`{self.random.choice(self.columns())[0]}`"

    def new(self):
        taken = {name.lower() for name, *_ in self.columns()}
        return self.choose(*[name for name in NAMES if unquoted(name) not in taken])

    def kind(self):
        return f"{self.choose(*TYPES)} {self.choose(*self.attributes)}"

    def place(self):
        return self.choose("", "", "FIRST", f"AFTER {self.old()}")

    def create(self, how):
        """Until the server takes it."""
        while True:
            names = self.random.sample(NAMES, 4)
            columns = [f"{name} {self.kind()}" for name in names]
            key = self.choose(None, "PRIMARY KEY (`id`)", "CONSTRAINT k PRIMARY KEY USING BTREE (`id` DESC)", "KEY (`id`), CHECK (`id` IS NULL OR 1 = 1)")
            columns.insert(self.random.randrange(5), "`id` INT NOT NULL")
            options = self.choose("", "ENGINE=InnoDB ROW_FORMAT=DYNAMIC", "DEFAULT CHARSET=latin1 COMMENT='x, (y'", "COLLATE utf8mb4_bin",
                                  "PARTITION BY HASH (`id`) PARTITIONS 2", "CHARACTER SET = utf8mb3, MAX_ROWS 9")
            if self.run(f"{how} {self.table} ({', '.join([*columns, *filter(None, [key])])}) {options}"):
                return

    # What can be undone exactly, with signs and character sets in the table maps.
    def harmless(self):
        return self.choose("FORCE", "ALGORITHM=COPY", "LOCK=DEFAULT", f"ADD INDEX i{self.random.randrange(9)} (`id`)", f"DROP INDEX i{self.random.randrange(9)}",
                           "ENGINE=InnoDB STATS_PERSISTENT=DEFAULT", "COMMENT 'DROP a, ADD b INT'", "DISABLE KEYS", "DEFAULT CHARACTER SET latin1 COLLATE latin1_bin",
                           f"ALTER {self.old()} SET DEFAULT NULL", f"ALTER COLUMN {self.old()} DROP DEFAULT", f"ADD CONSTRAINT CHECK (`id` <> -{self.random.randrange(99)})",
                           "AVG_ROW_LENGTH 9 CHECKSUM=1", "STORAGE DISK", "TABLESPACE innodb_file_per_table", "INSERT_METHOD=NO", "ADD UNIQUE (`id`)",
                           "KEY_BLOCK_SIZE=0 PACK_KEYS=DEFAULT", f"ALTER INDEX i{self.random.randrange(9)} INVISIBLE", f"ALTER INDEX i{self.random.randrange(9)} NOT IGNORED",
                           "WITHOUT VALIDATION", "CHARACTER SET DEFAULT", "PAGE_CHECKSUM=0 TRANSACTIONAL=0", f"RENAME INDEX i1 TO i{self.random.randrange(9)}",
                           f"ALTER {self.old()} SET INVISIBLE", f"ALTER {self.old()} SET VISIBLE", f"ALTER {self.old()} SET DEFAULT (1 + 2)")

    def undoable(self):
        old, new, kind = self.old(), self.new(), self.kind()
        return self.choose(f"RENAME COLUMN {old} TO {new}", f"CHANGE COLUMN {old} {new} {kind}", f"MODIFY {old} {kind}", f"CHANGE {old} {old} {kind}",
                           f"ADD {new} {kind} {self.place()}", f"ADD COLUMN ({new} {kind}, KEY ({new}))", "CONVERT TO CHARACTER SET latin1",
                           "CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", f"RENAME COLUMN {old} TO {new}, {self.harmless()}",
                           f"ADD {new} INT AS (`id` + 1) VIRTUAL {self.place()}", f"ADD {new} VARCHAR(9) GENERATED ALWAYS AS (concat('a, ', `id`)) STORED COMMENT 'x'")

    def any(self):
        old, new, kind = self.old(), self.new(), self.kind()
        return self.choose(f"DROP {old}", f"DROP COLUMN {old}", f"MODIFY {old} {kind} {self.place()}", f"CHANGE {old} {new} {kind} {self.place()}",
                           "DROP PRIMARY KEY", f"ADD PRIMARY KEY (`id`)", f"DROP {old}, ADD {old} {kind}", f"DROP {old}, ADD {new} {kind} {self.place()}",
                           *([f"ADD COLUMN IF NOT EXISTS {new} {kind}", f"ADD COLUMN IF NOT EXISTS {old} {kind}", f"DROP COLUMN IF EXISTS {old}",
                              f"DROP IF EXISTS {new}", f"MODIFY IF EXISTS {old} {kind}", f"CHANGE IF EXISTS {new} zz {kind}", f"DROP {old} RESTRICT",
                              f"RENAME COLUMN IF EXISTS {old} TO {new}", f"RENAME COLUMN IF EXISTS {new} TO zz"] if self.server.flavor == "mariadb" else []))

    def alter(self):
        how = self.choose("ALTER TABLE", "ALTER TABLE", "alter table", "ALTER /* x */ TABLE", f"ALTER TABLE {DB}." if self.choose(0, 1) else "ALTER TABLE")
        if self.server.flavor == "mariadb":
            how = self.choose(how, "ALTER IGNORE TABLE", "ALTER ONLINE TABLE", "ALTER TABLE IF EXISTS", "SET STATEMENT lock_wait_timeout=9 FOR ALTER TABLE")
        wait = self.choose("", "NOWAIT", "WAIT 9") if self.server.flavor == "mariadb" else ""
        kinds = [self.harmless, self.undoable] if self.exact else [self.harmless, self.undoable, self.any]
        parts = [self.choose(*kinds)() for _ in range(self.choose(1, 1, 2, 3))]
        last = self.choose("", "", "", "PARTITION BY KEY (`id`) PARTITIONS 3", "REMOVE PARTITIONING", "PARTITION BY HASH (`id`)")
        self.run(f"{how} {'' if how.endswith('.') else ' '}{self.table} {wait} {', '.join(parts)} {last}")

    def whole(self):
        """Statements of their own."""
        table, old = self.table, self.old()
        if self.random.random() < 0.4:
            return self.partitions()
        if self.random.random() < 0.3:
            other = self.choose("t", "u", "`T 2`", f"{DB}.v")
            if self.run(self.choose(f"ALTER TABLE {table} RENAME {self.choose('', 'TO', 'AS', '=')} {other}", f"RENAME TABLE {table} TO {other}",
                                    f"ALTER TABLE {table} FORCE, RENAME TO {other}, {self.harmless()}")):
                self.table = unquoted(other).removeprefix(f"{DB}.")
                self.table = f"{self.table}" if " " not in self.table else self.table
                if " " in self.table:
                    self.run(f"RENAME TABLE `{self.table}` TO t")
                    self.table = "t"
            return None
        statements = [f"ALTER TABLE {table} ORDER BY {old}, {self.old()} DESC", f"TRUNCATE {table}", f"OPTIMIZE TABLE {table}", f"ANALYZE TABLE {table}",
                      f"CREATE INDEX i{self.random.randrange(9)} ON {table} (`id`)", f"DROP INDEX i{self.random.randrange(9)} ON {table}", f"ALTER TABLE {table}",
                      f"CREATE TEMPORARY TABLE {table} (x INT)", f"DROP TEMPORARY TABLE IF EXISTS {table}", f"CREATE OR REPLACE VIEW w AS SELECT 1 AS a"]
        if self.exact:
            return self.run(self.choose(*statements))
        kind = self.random.randrange(6)
        if kind == 0 and self.run(f"DROP TABLE {table}"):
            self.create(self.choose("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", "CREATE /*!50000 TABLE */"))
        elif kind == 1 and self.run(f"CREATE TABLE like_{table} {self.choose('LIKE {0}', '(LIKE {0})').format(table)}"):
            self.run(f"DROP TABLE IF EXISTS nothing, {table}")
            self.run(f"RENAME TABLE like_{table} TO {table}")
        elif kind == 2 and self.server.flavor == "mariadb":
            self.create("CREATE OR REPLACE TABLE")
        elif kind == 3:
            self.run(f"CREATE TABLE IF NOT EXISTS {table} (x INT, y INT)")
        elif kind == 4 and self.run(f"DROP TABLE {table}"):
            definition = self.choose("", "ENGINE=InnoDB AS", "(z INT)", "COMMENT='SELECT'")
            assert self.run(f"CREATE TABLE {table} {definition} SELECT 1 AS `id`, 'x' AS b, DATE'2024-02-29' AS c"), self.refused[-1]
            self.see(again=False)
        else:
            self.run(self.choose(*statements))
        return None

    def partitions(self):
        table = self.table
        self.run(f"ALTER TABLE {table} PARTITION BY RANGE (`id`) (PARTITION p0 VALUES LESS THAN (-9), PARTITION p1 VALUES LESS THAN (0), "
                 "PARTITION p2 VALUES LESS THAN MAXVALUE)")
        for _ in range(3):
            self.run(f"ALTER TABLE {table} " + self.choose(
                "DROP PARTITION p0, p1", "TRUNCATE PARTITION p0, p1", "ANALYZE PARTITION p0, p1", "CHECK PARTITION p1, p2", "OPTIMIZE PARTITION p1, p2",
                "REBUILD PARTITION p0, p1", "REPAIR PARTITION p0, p1", "REORGANIZE PARTITION p0, p1 INTO (PARTITION p1 VALUES LESS THAN (0))",
                "REBUILD PARTITION ALL", "REMOVE PARTITIONING"))
        if self.server.flavor == "mariadb" and not self.exact and self.run(f"ALTER TABLE {table} CONVERT PARTITION p1 TO TABLE part_{len(self.done)}"):
            part, self.table = self.done[-1].split()[-1], f"part_{len(self.done) - 1}"
            self.see()
            self.table = table
            self.run(f"DROP TABLE {part}")

    def step(self):
        self.random.choice([self.alter, self.alter, self.alter, self.whole])()
        self.see()

    def see(self, again=True):
        """Inserts a row and takes it out again; notes what SELECT shows of it, generated and invisible columns too."""
        columns = self.columns()
        if again:
            values = {}
            for name, kind, extra in columns:
                if "generated" in extra.lower() and "default_generated" not in extra.lower():
                    continue
                self.number = self.number % 27 + 1
                values[name] = self.value(kind, self.number)
            # A table of the session hides it.
            self.cursor.execute(f"DROP TEMPORARY TABLE IF EXISTS {self.table}")
            self.cursor.execute(f"DELETE FROM {self.table}")
            self.cursor.execute(f"INSERT INTO {self.table} ({', '.join(f'`{name}`' for name in values)}) VALUES ({', '.join(values.values())})")
        self.cursor.execute(f"SELECT {', '.join(f'`{name}`' for name, *_ in columns)} FROM {self.table}")
        shown, = self.cursor.fetchall()
        self.rows.append((self.table, [name for name, *_ in columns], [plain(value) for value in shown], len(self.done)))
        self.cursor.execute(f"DELETE FROM {self.table}")

    def value(self, kind, number):
        for start, made in {"enum": lambda n: str(n % 2 + 1), "set": lambda n: str(n % 4), "date": "'2024-02-{}'".format, "json": "'[{}]'".format,
                            "year": lambda n: str(2000 + n), "decimal": "{}.25".format, "double": "{}.5".format, "float": "{}.5".format,
                            "int unsigned": lambda n: str(2**32 - n), "int(10) unsigned": lambda n: str(2**32 - n)}.items():
            if kind.startswith(start):
                return made(number)
        # MariaDB's JSON is a LONGTEXT.
        return str(number) if "int" in kind or kind.startswith("bit") else f"'[{number}]'"


def check(changes, rows, start=0):
    """Never a wrong name; returns the rows without any."""
    expected = changes.rows[start:]
    assert [row["table"] for row in rows] == [table for table, *_ in expected], changes.done
    nameless = []
    for row, (_, names, values, done) in zip(rows, expected):
        said = list(row["after"])
        if said == [f"@{number}" for number in range(1, len(names) + 1)]:
            nameless.append(changes.done[:done])
            continue
        context = "\n".join(changes.done[max(done - 12, 0):done])
        assert said == names, context
        for name, value in zip(names, values):
            # Of an ENUM or SET only the number may be known, and a JSON document is not text.
            if value is not None and isinstance(row["after"][name], type(value)) and ":" not in str(value):
                assert row["after"][name] == value, (name, context)
    return nameless


@pytest.fixture
def alters(writer):
    before = writer.sql("SELECT @@GLOBAL.binlog_row_metadata, @@GLOBAL.sql_mode")[0]
    writer.sql("SET GLOBAL binlog_row_metadata = MINIMAL", "SET GLOBAL sql_mode = ''", "FLUSH BINARY LOGS", f"DROP DATABASE IF EXISTS {DB}",
               f"CREATE DATABASE {DB} CHARACTER SET utf8mb4")
    yield writer
    writer.sql(f"SET GLOBAL binlog_row_metadata = '{before[0]}', GLOBAL sql_mode = '{before[1]}'", f"DROP DATABASE {DB}")


@pytest.mark.newer_mariadb
@pytest.mark.parametrize("seed", seeds(2))
@pytest.mark.parametrize("exact", [True, False], ids=["what can be undone", "anything"])
def test_alters_at_random(alters, binlogs, exact, seed):
    first = position(alters)
    with alters.root(database=DB) as cursor:
        changes = Changes(alters, cursor, f"{alters.flavor} {exact} {seed}", exact)
        changes.see()
        for count in range(60):
            changes.step()
            if count == 29:
                middle, seen = position(alters), len(changes.rows)
    inserts = lambda *place, **more: [row for row in binlogs("--only", "insert", *place, **more).finish().rows() if row["database"] == DB]
    assert position(alters)[0] == first[0]
    files = check(changes, inserts(files=[alters.folder / "data" / first[0]]))
    assert not files, f"{len(files)} rows have no names in the file alone; the first after:\n" + "\n".join(files[0][-6:])
    assert not check(changes, inserts("--from", at(first), "--until", "now", server=alters))
    late = check(changes, inserts("--from", at(middle), "--until", "now", server=alters), seen)
    if exact:
        assert not late, f"{len(late)} rows have no names when they are read late; the first after:\n" + "\n".join(late[0][-3:])
    # Most of what is generated must be something that the server accepts.
    assert len(changes.done) > len(changes.refused) / 3, changes.refused
