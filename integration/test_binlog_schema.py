"""Columns' names where the binlog has none (binlog_row_metadata=MINIMAL): those of the row's time, or @1, @2, and never wrong ones."""

import json
import random
import threading

import pytest
from harness import within
from harness.binlog import at, position
from harness.breadth import seeds

DB = "schema_test"

# A name: statements that make the table, then a list of statements and rows. A row is what it must be, by name; a row whose names
# cannot be certain when everything is read late, from after the table's creation, is marked so.
MARK = "late: not known"
T = "CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(9), c DATE)"
DAY = "2024-02-29"
ROW = {"a": 1, "b": "x", "c": DAY}


def insert(row, mark=None, table="t"):
    return (table, row, mark)


CASES = {
    "rename column": [insert(ROW), "ALTER TABLE t RENAME COLUMN a TO z", insert({"z": 2, "b": "x", "c": DAY})],
    "swap names": ["ALTER TABLE t ADD d INT", insert({**ROW, "d": 4}), "ALTER TABLE t RENAME COLUMN a TO d, RENAME COLUMN d TO a",
                   insert({"d": 2, "b": "y", "c": DAY, "a": 9})],
    "add first and after": [insert(ROW), "ALTER TABLE t ADD n INT FIRST, ADD m INT AFTER a", insert({"n": 1, "a": 2, "m": 3, "b": "x", "c": DAY})],
    "add several": [insert(ROW), "ALTER TABLE t ADD COLUMN (d INT, e BIGINT UNSIGNED)", insert({"a": 2, "b": "x", "c": DAY, "d": 1, "e": 2**64 - 1})],
    "drop": [insert(ROW, MARK), "ALTER TABLE t DROP b", insert({"a": 2, "c": DAY})],
    "drop and add of the same type": [insert(ROW, MARK), "ALTER TABLE t DROP b, ADD bb VARCHAR(9) AFTER a", insert({"a": 2, "bb": "x", "c": DAY})],
    "modify to unsigned": [insert({**ROW, "a": -1}), "DELETE FROM t", "ALTER TABLE t MODIFY a INT UNSIGNED", insert({**ROW, "a": 2**32 - 1})],
    "change a date": [insert(ROW), "ALTER TABLE t CHANGE c cc DATETIME", insert({"a": 2, "b": "x", "cc": DAY + " 01:02:03"})],
    "move": [insert(ROW, MARK), "ALTER TABLE t MODIFY c DATE FIRST", insert({"c": DAY, "a": 2, "b": "x"})],
    "character set": [insert({**ROW, "b": "é"}), "ALTER TABLE t CONVERT TO CHARACTER SET latin1", insert({"a": 2, "b": "é", "c": DAY})],
    "default character set": [insert(ROW), "ALTER TABLE t CHARACTER SET latin1, ADD d VARCHAR(5)", insert({**ROW, "a": 2, "d": "é"})],
    "primary key": [insert(ROW), "ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (b)", insert({"a": 2, "b": "y", "c": DAY})],
    "rename table": [insert(ROW), "RENAME TABLE t TO u", insert({"a": 2, "b": "x", "c": DAY}, table="u"), "ALTER TABLE u RENAME TO t, ADD d INT",
                     insert({**ROW, "a": 3, "d": 5})],
    "swap tables": [insert(ROW), "CREATE TABLE s (p INT, q VARCHAR(9), r DATE)", "RENAME TABLE t TO x, s TO t, x TO s",
                    insert({"p": 1, "q": "x", "r": DAY}), insert({"a": 2, "b": "x", "c": DAY}, table="s")],
    "shadow copy": [insert(ROW, MARK), "CREATE TABLE _t LIKE t", "ALTER TABLE _t RENAME COLUMN a TO z", "RENAME TABLE t TO _old, _t TO t",
                    "DROP TABLE _old", insert({"z": 1, "b": "x", "c": DAY})],
    "drop and create": [insert(ROW, MARK), "DROP TABLE t", "CREATE TABLE t (x INT, y VARCHAR(9) CHARACTER SET latin1, z DATE)",
                        insert({"x": 1, "y": "é", "z": DAY})],
    "enum": [insert(ROW), "ALTER TABLE t ADD e ENUM('small','it''s 😀'), ADD s SET('p','q?')", insert({**ROW, "a": 2, "e": "it's 😀", "s": "p,q?"})],
    "create if not exists": [insert(ROW), "CREATE TABLE IF NOT EXISTS t (z INT, y VARCHAR(9), x DATE)", insert({**ROW, "a": 2})],
    "temporary": [insert(ROW), "CREATE TEMPORARY TABLE t (z INT, y VARCHAR(9), x DATE)", "DROP TEMPORARY TABLE t", insert({**ROW, "a": 2})],
    "truncate and keys": [insert(ROW), "TRUNCATE t", "CREATE INDEX i ON t (b)", "ALTER TABLE t ADD INDEX j (c), DROP INDEX i, FORCE", insert(ROW)],
    "views and programs": [insert(ROW), "CREATE VIEW v AS SELECT a AS z FROM t", "CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW SET NEW.a = 1",
                           "DROP VIEW v", insert({**ROW, "a": 2})],
    "create as select": ["CREATE TABLE k AS SELECT 7 AS seven, 'x' AS letter", ("k", {"seven": 7, "letter": "x"}, None, "logged")],
    "a comment that counts": [insert(ROW), "ALTER TABLE t /*!40000 RENAME COLUMN a TO z */", insert({"z": 2, "b": "x", "c": DAY})],
}


@pytest.fixture
def db(writer):
    writer.sql("SET GLOBAL binlog_row_metadata = MINIMAL")
    writer.fresh_databases(DB)
    yield writer
    writer.sql("SET GLOBAL binlog_row_metadata = FULL")


def literal(value):
    return "NULL" if value is None else str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def play(cursor, steps):
    """Runs the steps; returns the rows to expect: table, columns, whether they are not known late."""
    expected = []
    for step in steps:
        if isinstance(step, str):
            if step.startswith("DELETE"):
                cursor.execute("TRUNCATE t")
            else:
                cursor.execute(step)
            continue
        table, row, mark, *logged = step
        if not logged:
            names = ", ".join(f"`{name}`" for name in row)
            cursor.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join(map(literal, row.values()))})")
        expected.append((table, row, mark))
    return expected


def numbered(row):
    return set(row["after"]) == {f"@{number}" for number in range(1, len(row["after"]) + 1)}


def check(found, expected, marked=False):
    """Names are right; where the case cannot be known there are none. Any other name is wrong whatever the case."""
    assert [row["table"] for row in found] == [table for table, *_ in expected]
    for row, (_, wanted, mark) in zip(found, expected):
        if marked and mark:
            assert numbered(row), row["after"]
        else:
            assert row["after"] == wanted and list(row["after"]) == list(wanted)


@pytest.mark.parametrize("case", CASES)
def test_read_live(db, binlogs, case):
    """Each statement is read before the next is made; the table is older than the reader."""
    with db.root(database=DB) as cursor:
        cursor.execute(T)
        reader = binlogs("--from", at(position(db)), server=db)
        expected = []
        for step in CASES[case]:
            expected += play(cursor, [step])
            reader.wait_rows(len(expected))
        check(reader.wait_rows(len(expected)), expected)


@pytest.mark.parametrize("case", CASES)
def test_read_late_from_before_the_table(db, binlogs, case):
    start = position(db)
    with db.root(database=DB) as cursor:
        cursor.execute(T)
        expected = play(cursor, CASES[case])
    check(binlogs("--from", at(start), "--until", "now", server=db).finish().rows(), expected)


@pytest.mark.newer_mariadb
@pytest.mark.parametrize("case", CASES)
def test_read_late_from_after_the_table(db, binlogs, case):
    """What the table was must be found from what it is now."""
    with db.root(database=DB) as cursor:
        cursor.execute(T)
        start = position(db)
        expected = play(cursor, CASES[case])
    check(binlogs("--from", at(start), "--until", "now", server=db).finish().rows(), expected, marked=True)


@pytest.mark.parametrize("case", CASES)
def test_restart_between(db, binlogs, tmp_path, case):
    """The first run learns the table; all the rest happens while nothing is being read."""
    checkpoint = tmp_path / "checkpoint"
    with db.root(database=DB) as cursor:
        cursor.execute(T)
        checkpoint.write_text(json.dumps(dict(zip(("file", "offset"), position(db)))))
        first = play(cursor, [insert({"a": 99, "b": "x", "c": DAY}), "TRUNCATE t"])
        run = lambda: binlogs("--checkpoint", checkpoint, "--until", "now", server=db).finish().rows()
        check(run(), first)
        expected = play(cursor, CASES[case])
        check(run(), expected)


def test_history_is_not_taken_for_another_run(db, binlogs, tmp_path):
    """The checkpoint has gone on without the history: statements between are read again."""
    checkpoint, history = tmp_path / "checkpoint", tmp_path / "history"
    with db.root(database=DB) as cursor:
        cursor.execute(T)
        checkpoint.write_text(json.dumps(dict(zip(("file", "offset"), position(db)))))
        first = play(cursor, [insert(ROW)])
        run = lambda *more: binlogs("--checkpoint", checkpoint, "--until", "now", *more, server=db).finish().rows()
        check(run("--schema-history", history), first)
        play(cursor, ["ALTER TABLE t RENAME COLUMN a TO z"])
        assert run("--schema-history", tmp_path / "other") == []
        expected = play(cursor, [insert({"z": 2, "b": "x", "c": DAY})])
        play(cursor, ["ALTER TABLE t DROP b"])
        check(run("--schema-history", history), expected)


@pytest.mark.newer_mariadb
def test_no_rights_to_the_catalogue(db, binlogs):
    """Without rights to see the table there are no names, until a statement tells them."""
    db.sql("DROP USER IF EXISTS 'blind'@'%'", "CREATE USER 'blind'@'%' IDENTIFIED BY 'app-secret'",
           "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'blind'@'%'")
    if db.flavor == "mariadb":
        db.sql("GRANT BINLOG MONITOR ON *.* TO 'blind'@'%'")
    with db.root(database=DB) as cursor:
        cursor.execute(T)
        start = position(db)
        play(cursor, [insert(ROW), "CREATE TABLE u (x INT, y DATE)", insert({"x": 1, "y": DAY}, table="u")])
    old, new = binlogs("--from", at(start), "--until", "now", server=db, user="blind").finish().rows()
    assert numbered(old) and new["after"] == {"x": 1, "y": DAY}
    db.sql("DROP USER 'blind'@'%'")


@pytest.mark.newer_mariadb
def test_files_alone(db, binlogs, tmp_path):
    """Without a server, names come from the statements in the files."""
    db.sql("FLUSH BINARY LOGS", f"DROP DATABASE {DB}", f"CREATE DATABASE {DB} CHARACTER SET latin1")
    with db.root(database=DB) as cursor:
        cursor.execute(T)
        expected = play(cursor, CASES["rename column"]) + play(cursor, ["ALTER TABLE t ADD d TEXT", insert({"z": 7, "b": "é", "c": DAY, "d": "ü"})])
    path = db.folder / "data" / position(db)[0]
    check([row for row in binlogs(files=[path]).finish().rows() if row["database"] == DB], expected)


@pytest.mark.newer_mariadb
def test_files_alone_of_an_older_database(db, binlogs):
    """A table takes the default of its database, whose CREATE DATABASE is in an older file: the names are sure nevertheless. MySQL says
    the character set even with minimal metadata, and MariaDB does not with those it has by default."""
    if db.flavor == "mariadb":
        db.sql("SET GLOBAL binlog_row_metadata = NO_LOG")
    db.sql("FLUSH BINARY LOGS")
    says = db.flavor == "mysql"
    with db.root(database=DB) as cursor:
        cursor.execute("CREATE TABLE t (a INT, b VARCHAR(50), e ENUM('x','y'))")
        play(cursor, [insert({"a": 1, "b": "x", "e": "y"}), "ALTER TABLE t CONVERT TO CHARACTER SET latin1", insert({"a": 2, "b": "é", "e": "x"}),
                      "ALTER TABLE t ADD d TEXT CHARACTER SET latin1, DROP e", insert({"a": 3, "b": "ü", "d": "ö"})])
    rows = lambda *place, **more: [row["after"] for row in binlogs(*place, **more).finish().rows() if row["database"] == DB]
    path = db.folder / "data" / position(db)[0]
    expected = [{"a": 1, "b": "x" if says else "eA==", "e": "y"}, {"a": 2, "b": "é", "e": "x"}, {"a": 3, "b": "ü", "d": "ö"}]
    assert rows(files=[path]) == expected
    # Where the server can be asked, it is.
    expected[0]["b"] = "x"
    assert rows("--from", f"{path.name}:4", "--until", "now", server=db) == expected


@pytest.mark.newer_mariadb
def test_uuid_and_inet_with_full_metadata(db, binlogs):
    """MariaDB logs them as BINARY whatever the metadata; MySQL has none."""
    if db.flavor != "mariadb":
        pytest.skip("MySQL has no UUID type")
    db.sql("SET GLOBAL binlog_row_metadata = FULL")
    with db.root(database=DB) as cursor:
        cursor.execute("CREATE TABLE t (a INT PRIMARY KEY, u UUID, i INET6)")
        start = position(db)
        row = {"a": 1, "u": "123e4567-e89b-12d3-a456-426655440000", "i": "2001:db8::1"}
        expected = play(cursor, [insert(row), "ALTER TABLE t ADD z INT FIRST"])
    check(binlogs("--from", at(start), "--until", "now", server=db).finish().rows(), expected)


# MariaDB's tables with columns that the catalogue does not list: the table, and steps. Of a row, row_start and row_end are looked at apart.
PERIODS = "s TIMESTAMP(6) GENERATED ALWAYS AS ROW START, e TIMESTAMP(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME(s, e)"
HIDDEN = {
    "long unique": ("CREATE TABLE t (a INT PRIMARY KEY, b TEXT, UNIQUE (b))", [insert({"a": 1, "b": "x"}), "ALTER TABLE t ADD c BIGINT UNSIGNED",
                    insert({"a": 2, "b": "y", "c": 3}), "ALTER TABLE t RENAME COLUMN b TO bb", insert({"a": 3, "bb": "z", "c": 3})]),
    "two hashes": ("CREATE TABLE t (a BIGINT, b BIGINT, UNIQUE (b) USING HASH, UNIQUE (a) USING HASH)", [insert({"a": 1, "b": 2}),
                   "ALTER TABLE t ADD c BIGINT UNSIGNED FIRST", insert({"c": 3, "a": 4, "b": 5})]),
    "a key comes": ("CREATE TABLE t (a INT PRIMARY KEY, b TEXT)", [insert({"a": 1, "b": "x"}), "ALTER TABLE t ADD UNIQUE (b)", insert({"a": 2, "b": "y"}),
                    "CREATE UNIQUE INDEX ba ON t (b, a)", insert({"a": 3, "b": "z"})]),
    "a key goes": ("CREATE TABLE t (a INT PRIMARY KEY, b TEXT, UNIQUE u (b))", [insert({"a": 1, "b": "x"}), "DROP INDEX u ON t", insert({"a": 2, "b": "x"})]),
    "versioned": ("CREATE TABLE t (a INT PRIMARY KEY, b INT) WITH SYSTEM VERSIONING", [insert({"a": 1, "b": 2}, "row_start row_end"), "SET system_versioning_alter_history = KEEP",
                  "ALTER TABLE t ADD c TIMESTAMP(6) NOT NULL DEFAULT '2024-02-29 00:00:00'", insert({"a": 2, "b": 3, "c": DAY + " 01:02:03.000004"}, "row_start row_end")]),
    "versioned with a hash": ("CREATE TABLE t (a INT PRIMARY KEY, b TEXT, UNIQUE (b)) WITH SYSTEM VERSIONING", [insert({"a": 1, "b": "x"}, "row_start row_end")]),
    "versioning comes and goes": ("CREATE TABLE t (a INT PRIMARY KEY, b TEXT UNIQUE)", [insert({"a": 1, "b": "x"}), "ALTER TABLE t ADD SYSTEM VERSIONING",
                                  insert({"a": 2, "b": "y"}, "row_start row_end"), "ALTER TABLE t DROP SYSTEM VERSIONING", insert({"a": 3, "b": "z"})]),
    "explicit periods": (f"CREATE TABLE t (a INT PRIMARY KEY, {PERIODS}, b TEXT, UNIQUE (b)) WITH SYSTEM VERSIONING", [insert({"a": 1, "b": "x"}, "s e")]),
    "explicit periods last": (f"CREATE TABLE t (a INT PRIMARY KEY, b TEXT, {PERIODS}) WITH SYSTEM VERSIONING", [insert({"a": 1, "b": "x"}, "s e")]),
    "uuid": ("CREATE TABLE t (u UUID PRIMARY KEY, i INET6, b TEXT, UNIQUE (b)) WITH SYSTEM VERSIONING",
             [insert({"u": "123e4567-e89b-12d3-a456-426655440000", "i": "2001:db8::1", "b": "x"}, "row_start row_end")]),
    "names of their own": ("CREATE TABLE t (DB_ROW_HASH_1 BIGINT UNSIGNED, b TEXT UNIQUE)", [insert({"DB_ROW_HASH_1": 7, "b": "x"})]),
}


def check_hidden(found, expected):
    """Nothing but the columns that can be selected, and no others' names."""
    assert len(found) == len(expected)
    for row, (_, wanted, periods) in zip(found, expected):
        after = dict(row["after"])
        if periods:
            start, end = (after.pop(name) for name in periods.split())
            # The end is the last second there is: in 2038, with MariaDB 11.5 and later in 2106.
            assert "20" < start < end and end.endswith(":15.999999" if "2106" in end else ":07.999999"), row
        assert after == wanted and list(after) == list(wanted), row


@pytest.mark.newer_mariadb
@pytest.mark.parametrize("metadata", ["NO_LOG", "FULL"])
@pytest.mark.parametrize("case", HIDDEN)
def test_hidden_columns(db, binlogs, tmp_path, case, metadata):
    """Live, with a restart between, late from before the table and from after it, and from the file alone."""
    if db.flavor != "mariadb":
        pytest.skip("MySQL hides no columns in its row images")
    db.sql(f"SET GLOBAL binlog_row_metadata = {metadata}", "FLUSH BINARY LOGS", f"DROP DATABASE {DB}", f"CREATE DATABASE {DB}")
    create, steps = HIDDEN[case]
    before = position(db)
    checkpoint = tmp_path / "checkpoint"
    inserts = lambda *place, **more: binlogs("--only", "insert", *place, **more)
    with db.root(database=DB) as cursor:
        cursor.execute(create)
        after = position(db)
        checkpoint.write_text(json.dumps(dict(zip(("file", "offset"), after))))
        live = inserts("--from", at(after), server=db)
        expected = play(cursor, steps[:1])
        resumed = inserts("--checkpoint", checkpoint, "--until", "now", server=db).finish().rows()
        for step in steps[1:]:
            check_hidden(live.wait_rows(len(expected)), expected)
            expected += play(cursor, [step])
        check_hidden(live.wait_rows(len(expected)), expected)
    check_hidden(resumed + inserts("--checkpoint", checkpoint, "--until", "now", server=db).finish().rows(), expected)
    for start in (before, after):
        check_hidden(inserts("--from", at(start), "--until", "now", server=db).finish().rows(), expected)
    rows = inserts(files=[db.folder / "data" / before[0]]).finish().rows()
    check_hidden([row for row in rows if row["database"] == DB], expected)


class Wanderer:
    """Tables that change at random; remembers each row as it was inserted."""

    TYPES = ["INT", "INT UNSIGNED", "VARCHAR(9)", "DATE", "BIGINT", "VARCHAR(5) CHARACTER SET latin1", "ENUM('é','f')"]
    VALUES = {"INT": "7", "INT UNSIGNED": "4294967295", "VARCHAR(9)": "'ü'", "DATE": f"'{DAY}'", "BIGINT": "-8",
              "VARCHAR(5) CHARACTER SET latin1": "'ö'", "ENUM('é','f')": "'é'"}

    def __init__(self, cursor, seed):
        self.cursor, self.random, self.count = cursor, random.Random(seed), 0
        self.tables, self.expected = {}, []

    def name(self):
        # Few names, so that they come again.
        return self.random.choice("pqrstuvwxyz") + self.random.choice("123")

    def create(self, table):
        columns = {name: self.random.choice(self.TYPES) for name in {self.name() for _ in range(4)}}
        self.cursor.execute(f"CREATE TABLE {table} ({', '.join(f'{name} {kind}' for name, kind in columns.items())})")
        self.tables[table] = list(columns.items())

    def insert(self, table):
        columns = self.tables[table]
        self.cursor.execute(f"INSERT INTO {table} ({', '.join(n for n, _ in columns)}) VALUES ({', '.join(self.VALUES[k] for _, k in columns)})")
        self.cursor.execute(f"SELECT * FROM {table} LIMIT 1")
        plain = lambda value: value.isoformat() if hasattr(value, "isoformat") else value
        self.expected.append((table, dict(zip((item[0] for item in self.cursor.description), map(plain, self.cursor.fetchone())))))
        self.cursor.execute(f"DELETE FROM {table}")

    def step(self):
        choose = self.random.choice
        table = choose(sorted(self.tables))
        columns = self.tables[table]
        kind = self.random.randrange(12)
        at_, (old, old_kind) = choose(list(enumerate(columns)))
        new, new_kind = self.name(), choose(self.TYPES)
        taken = {name for name, _ in columns} - {old}
        if kind == 0 and len(columns) > 1:
            self.cursor.execute(f"ALTER TABLE {table} DROP {old}")
            del columns[at_]
        elif kind in (1, 2) and new not in taken:
            self.cursor.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")
            columns[at_] = (new, old_kind)
        elif kind == 3 and new not in taken | {old}:
            self.cursor.execute(f"ALTER TABLE {table} ADD {new} {new_kind} AFTER {old}")
            columns.insert(at_ + 1, (new, new_kind))
        elif kind == 4 and new not in taken:
            self.cursor.execute(f"ALTER TABLE {table} CHANGE {old} {new} {new_kind} FIRST")
            del columns[at_]
            columns.insert(0, (new, new_kind))
        elif kind == 5 and len(columns) > 1:
            (a, ka), (b, kb) = columns[:2]
            self.cursor.execute(f"ALTER TABLE {table} RENAME COLUMN {a} TO {b}, RENAME COLUMN {b} TO {a}")
            columns[:2] = [(b, ka), (a, kb)]
        elif kind == 6:
            other = choose(sorted(self.tables))
            if other != table:
                self.cursor.execute(f"RENAME TABLE {table} TO swap, {other} TO {table}, swap TO {other}")
                self.tables[table], self.tables[other] = self.tables[other], self.tables[table]
        elif kind == 7 and self.random.random() < 0.3:
            self.cursor.execute(f"DROP TABLE {table}")
            self.create(table)
        elif kind == 8:
            self.cursor.execute(f"ALTER TABLE {table} ADD INDEX ({old}), FORCE")
        self.insert(choose(sorted(self.tables)))


@pytest.mark.parametrize("seed", seeds(3))
def test_at_random(db, binlogs, tmp_path, seed):
    """Whatever the statements and wherever reading begins: the row as it was, or no names. Read from before all of it, every row
    has its names; later starts depend on how much of it can be undone."""
    first = position(db)
    with db.root(database=DB) as cursor:
        wanderer = Wanderer(cursor, f"{db.flavor}{seed}")
        for table in ("one", "two", "three"):
            wanderer.create(table)
        starts = [(0, first)]
        early = binlogs("--from", at(first), server=db)
        for count in range(120):
            if count in (30, 90):
                starts.append((len(wanderer.expected), position(db)))
                late = binlogs("--from", at(starts[-1][1]), server=db)
            wanderer.step()
    wanted = [(skip, binlogs("--from", at(start), "--until", "now", server=db).finish()) for skip, start in starts]
    expected = wanderer.expected
    wanted += [(0, early), (starts[-1][0], late)]
    named = []
    for skip, reader in wanted:
        rows = [row for row in reader.wait_rows(2 * (len(expected) - skip)) if row["type"] == "insert"] \
            if reader.process.poll() is None else [row for row in reader.rows() if row["type"] == "insert"]
        assert len(rows) == len(expected) - skip
        right = 0
        for row, (table, row_then) in zip(rows, expected[skip:]):
            assert row["table"] == table
            if not numbered(row):
                assert row["after"] == row_then and list(row["after"]) == list(row_then), row
                right += 1
        named.append(right / len(rows))
    assert named[0] == named[3] == 1, named


@pytest.mark.newer_mariadb
@pytest.mark.parametrize("after", [False, True], ids=["from before the table", "from after the table"])
def test_alter_in_two_phases(db, binlogs, after):
    """MariaDB logs where it begins and where it ends; rows between are of the old table."""
    if db.flavor != "mariadb":
        pytest.skip("MariaDB's binlog_alter_two_phase")
    start = position(db)
    with db.root(database=DB) as cursor, db.root(database=DB) as other:
        cursor.execute(T)
        start = position(db) if after else start
        expected = play(cursor, [insert(ROW), "SET binlog_alter_two_phase = ON"])
        # A transaction that has read the table keeps the statement from its end.
        other.execute("BEGIN")
        expected += play(other, [insert({**ROW, "a": 2})])
        statement = "ALTER TABLE t RENAME COLUMN b TO bb, ADD d INT, ALGORITHM=COPY"
        alter = threading.Thread(target=cursor.execute, args=[statement])
        alter.start()
        waiting = f"SELECT ID FROM information_schema.PROCESSLIST WHERE INFO = '{statement}' AND STATE LIKE 'Waiting%'"
        within(lambda: db.sql(waiting), "the statement waits for the transaction")
        other.execute("COMMIT")
        alter.join()
        expected += play(cursor, [insert({"a": 3, "bb": "y", "c": DAY, "d": 4}), "SET STATEMENT lock_wait_timeout=9 FOR ALTER TABLE t RENAME COLUMN a TO z",
                                  insert({"z": 4, "bb": "y", "c": DAY, "d": 5})])
    check(binlogs("--from", at(start), "--until", "now", server=db).finish().rows(), expected)
