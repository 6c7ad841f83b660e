"""Names in statements and options: the database of a definition, names in backticks, and what belongs to which statement."""

import pymysql
import pytest
from harness.binlog import at, position

DB, DOTTED = "names_test", "dot.names*"


@pytest.fixture
def names(writer):
    writer.sql("SET GLOBAL binlog_row_metadata = MINIMAL", "FLUSH BINARY LOGS", f"DROP DATABASE IF EXISTS `{DOTTED}`")
    writer.fresh_databases(DB)
    yield writer
    writer.sql("SET GLOBAL binlog_row_metadata = FULL", f"DROP DATABASE IF EXISTS {DB}", f"DROP DATABASE IF EXISTS `{DOTTED}`")


def since(binlogs, server, start, *options):
    return binlogs("--from", at(start), "--until", "now", *options, server=server).finish()


# Without a current database, and with another one.
@pytest.mark.newer_mariadb
@pytest.mark.parametrize("current", [None, "test"])
def test_definitions_have_the_database_they_name(names, binlogs, current):
    definitions = [("CREATE DATABASE `{0}`", DOTTED), ("ALTER DATABASE `{0}` CHARACTER SET latin1", DOTTED), (f"CREATE TABLE {DB}.t (a INT)", DB),
                   (f"ALTER TABLE {DB}.t ADD b INT", DB), (f"CREATE INDEX i ON {DB}.t (a)", DB), (f"TRUNCATE TABLE {DB}.t", DB),
                   (f"CREATE VIEW {DB}.v AS SELECT 1 AS a", DB), (f"DROP VIEW {DB}.v", DB), (f"CREATE TRIGGER {DB}.g BEFORE INSERT ON {DB}.t FOR EACH ROW SET @a = 1", DB),
                   (f"DROP TRIGGER {DB}.g", DB), (f"RENAME TABLE {DB}.t TO `{{0}}`.t", DB), ("CREATE TABLE `{0}`.u (a INT)", DOTTED),
                   ("DROP TABLE `{0}`.t, `{0}`.u", DOTTED), ("DROP DATABASE `{0}`", DOTTED)]
    start = position(names)
    with names.root(database=current) as cursor:
        for statement, _ in definitions:
            cursor.execute(statement.format(DOTTED))
    native = since(binlogs, names, start, "--only", "ddl").lines()
    assert [row["database"] for row in native] == [database for _, database in definitions]
    events = since(binlogs, names, start, "--only", "ddl", "--format", "debezium").lines()
    assert [event["databaseName"] for event in events] == [event["source"]["db"] for event in events] == [database for _, database in definitions]


@pytest.mark.newer_mariadb
def test_names_in_backticks(names, binlogs, tmp_path):
    start = position(names)
    with names.root() as cursor:
        cursor.execute(f"CREATE DATABASE `{DOTTED}`")
        for table in ("c*", "cc", "x,y"):
            cursor.execute(f"CREATE TABLE `{DOTTED}`.`{table}` (`a.b` INT, `c,d*` INT)")
            cursor.execute(f"INSERT INTO `{DOTTED}`.`{table}` VALUES (1, 2)")
        cursor.execute(f"CREATE TABLE {DB}.`c*` (a INT)")
        cursor.execute(f"INSERT INTO {DB}.`c*` VALUES (1)")
    tables = lambda *options: [(row["database"], row["table"]) for row in since(binlogs, names, start, *options).rows()]
    assert tables("--include", f"`{DOTTED}`.`c*`") == [(DOTTED, "c*")]
    assert tables("--include", f"*.`c*`,`{DOTTED}`.`x,y`") == [(DOTTED, "c*"), (DOTTED, "x,y"), (DB, "c*")]
    assert tables("--include", f"`{DOTTED}`.*", "--exclude", f"`{DOTTED}`.`c*`") == [(DOTTED, "cc"), (DOTTED, "x,y")]
    config = tmp_path / "binlog.toml"
    config.write_text(f'include = ["`{DOTTED}`.*"]\ndrop_columns = ["`{DOTTED}`.cc.`c,d*`", "`a.b`"]\n')
    rows = since(binlogs, names, start, "--config", config).rows()
    assert [row["after"] for row in rows] == [{"c,d*": 2}, {}, {"c,d*": 2}]
    binlogs("--include", "a.b*", files=["-"]).refused("backticks")


@pytest.mark.newer_mariadb
def test_a_query_is_that_of_its_statement(names, binlogs):
    setting = "binlog_rows_query_log_events" if names.flavor == "mysql" else "binlog_annotate_row_events"
    long = "INSERT INTO t (b) VALUES ('{}')"
    with names.root(database=DB) as cursor:
        cursor.execute("CREATE TABLE t (a INT PRIMARY KEY AUTO_INCREMENT, b TEXT CHARACTER SET utf8mb4)")
        cursor.execute("CREATE TABLE other (a INT)")
        start = position(names)
        expected = []
        # The text is cut at each place within a character.
        for shift in range(4):
            text = long.format("x" * shift + "😀" * 400)
            cursor.execute(f"SET SESSION {setting} = ON")
            cursor.execute(text)
            expected.append(text)
            cursor.execute(f"SET SESSION {setting} = OFF")
            cursor.execute(long.format("nothing"))
            expected.append(None)
        # Within a transaction, where the servers let it be changed; else of statements of another table.
        cursor.execute(f"SET SESSION {setting} = ON")
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO other VALUES (1)")
        try:
            cursor.execute(f"SET SESSION {setting} = OFF")
            expected.append(None)
        except pymysql.MySQLError:
            expected.append(long.format("last"))
        cursor.execute(long.format("last"))
        cursor.execute("COMMIT")
    rows = since(binlogs, names, start, "--include", f"{DB}.t").rows()
    assert len(rows) == len(expected)
    for row, text in zip(rows, expected):
        if text is None or len(text.encode()) < 1000:
            assert row.get("query") == text
        else:
            assert row["query"].endswith("...") and len(row["query"].encode()) > 1000, row["query"]
            assert text.startswith(row["query"][:-3])


@pytest.mark.newer_mariadb
def test_tables_made_if_they_are_not_there(names, binlogs):
    """In files alone; what was there before is not what the statement says."""
    with names.root(database=DB) as cursor:
        cursor.execute("CREATE TABLE old (a INT)")
        cursor.execute("FLUSH BINARY LOGS")
        for statement in ("CREATE TABLE IF NOT EXISTS t (a INT, b INT)", "INSERT INTO t VALUES (1, 2)", "CREATE TABLE IF NOT EXISTS old (z INT)", "INSERT INTO old VALUES (3)",
                          "CREATE TABLE IF NOT EXISTS u LIKE t", "CREATE TABLE IF NOT EXISTS t (y INT, z INT)", "INSERT INTO u VALUES (4, 5)", "INSERT INTO t VALUES (6, 7)",
                          "DROP TABLE IF EXISTS old", "CREATE TABLE IF NOT EXISTS old (c INT) ENGINE=MyISAM", "INSERT INTO old VALUES (8)"):
            cursor.execute(statement)
    rows = binlogs(files=[names.folder / "data" / position(names)[0]]).finish().rows()
    assert [row["after"] for row in rows if row["database"] == DB] == [{"a": 1, "b": 2}, {"@1": 3}, {"a": 4, "b": 5}, {"a": 6, "b": 7}, {"c": 8}]


@pytest.mark.newer_mariadb
def test_what_mariadb_alone_has(names, binlogs):
    """SET STATEMENT in front of what changes rows; sequences; both in files alone."""
    if names.flavor != "mariadb":
        pytest.skip("MySQL has neither")
    names.sql("FLUSH BINARY LOGS")
    with names.root(database=DB) as cursor:
        for statement in ("CREATE TABLE t (a INT, b INT)", "SET SESSION binlog_format = STATEMENT", "SET STATEMENT max_statement_time=9 FOR INSERT INTO t VALUES (1, 2)",
                          "SET SESSION binlog_format = ROW", "INSERT INTO t VALUES (3, 4)", "CREATE SEQUENCE q START WITH 7 CACHE 9"):
            cursor.execute(statement)
        cursor.execute("SELECT NEXTVAL(q)")
        cursor.execute("SELECT * FROM q")
        sequence = dict(zip((item[0] for item in cursor.description), cursor.fetchone()))
    rows = binlogs(files=[names.folder / "data" / position(names)[0]]).finish().rows()
    rows = [row["after"] for row in rows if row["database"] == DB]
    assert {"a": 3, "b": 4} in rows
    assert sequence in rows, rows
