"""The subcommand `binlog` and what becomes of transactions: rolled back, cut by files, prepared, without an end, without columns."""

import glob
import re

import pymysql
import pytest
from harness import within
from harness.binlog import at, execute, file_path, files, position
from harness.servers import SqlServer

from conftest import BINLOG, SIZES

DB = "binlog_transactions"
TABLES = ["CREATE TABLE i (a VARCHAR(40) PRIMARY KEY)", "CREATE TABLE j (a VARCHAR(40))", "CREATE TABLE m (a VARCHAR(40)) ENGINE=MyISAM",
          "CREATE TABLE h (a VARCHAR(40)) ENGINE=MEMORY", "CREATE TABLE u (a VARCHAR(40))",
          "CREATE TRIGGER tr AFTER INSERT ON u FOR EACH ROW INSERT INTO m VALUES (NEW.a)"]
TEMPORARY = ["CREATE TEMPORARY TABLE tt (a INT)", "DROP TEMPORARY TABLE IF EXISTS tt"]
# Without GTIDs MySQL lets tables with and without transactions take part in one transaction.
MIXING = ["--binlog-row-metadata=FULL", "--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"]


@pytest.fixture(scope="module", params=["mysql", "mariadb", "mariadb-11.8"])
def mixing(request, tmp_path_factory):
    options = MIXING if request.param == "mysql" else BINLOG["mariadb"]
    server = SqlServer(request.param, tmp_path_factory.mktemp(f"mixing-{request.param}"), *SIZES, *options)
    yield server
    server.stop()


def fresh(server, name=DB):
    """A database with a table of each kind."""
    server.fresh_databases(name)
    server.sql(f"USE {name}", *TABLES, *(["CREATE TABLE ar (a VARCHAR(40)) ENGINE=Aria"] if server.flavor == "mariadb" else []))


@pytest.fixture
def db(mixing):
    fresh(mixing)
    return mixing


def in_a_session(server, statements, binlog_format="ROW", database=DB):
    """As one connection does it; errors that belong to it are passed over."""
    with server.root(database=database) as cursor:
        cursor.execute(f"SET SESSION binlog_format = {binlog_format}")
        for statement in statements:
            try:
                cursor.execute(statement)
            except pymysql.MySQLError as error:
                assert "Duplicate entry" in str(error) or "doesn't exist" in str(error), error


def tables(server, database):
    names = [row[0] for row in server.sql(f"SHOW TABLES FROM {database}")]
    return {name: sorted(row[0] for row in server.sql(f"SELECT a FROM {database}.{name}")) for name in names}


def rebuilt(rows, names):
    """What the tables have by the rows; all of them were empty."""
    found = {name: [] for name in names}
    for row in rows:
        if row["before"]:
            found[row["table"]].remove(row["before"]["a"])
        if row["after"]:
            found[row["table"]].append(row["after"]["a"])
    return {name: sorted(values) for name, values in found.items()}


# What one connection does; `T` stands for a statement about a temporary table, after which MariaDB logs a transaction that is rolled back.
ROLLED_BACK = {
    "temporary table": ["BEGIN", "INSERT INTO i VALUES (30)", "T", "INSERT INTO i VALUES (31)", "ROLLBACK"],
    "engines": ["BEGIN", "INSERT INTO m VALUES (1)", "INSERT INTO i VALUES (2)", "T", "INSERT INTO m VALUES (3)", "INSERT INTO h VALUES (4)",
                "INSERT INTO ar VALUES (5)", "INSERT INTO i VALUES (6)", "ROLLBACK"],
    "trigger": ["BEGIN", "INSERT INTO u VALUES (1)", "T", "INSERT INTO u VALUES (UUID())", "ROLLBACK"],
    "savepoint": ["BEGIN", "INSERT INTO i VALUES (1)", "SAVEPOINT `a``b é`", "INSERT INTO i VALUES (2)", "T", "INSERT INTO m VALUES (3)",
                  "ROLLBACK TO SAVEPOINT `A``B É`", "INSERT INTO i VALUES (4)", "COMMIT"],
    "savepoints": ["BEGIN", "T", "SAVEPOINT a", "INSERT INTO i VALUES (1)", "SAVEPOINT b", "INSERT INTO i VALUES (2)", "SAVEPOINT a",
                   "INSERT INTO i VALUES (3)", "ROLLBACK TO a", "INSERT INTO i VALUES (4)", "ROLLBACK TO b", "INSERT INTO i VALUES (5)", "COMMIT"],
    # One to MySQL and to MariaDB before 11.5, two to later ones.
    "accents": ["BEGIN", "T", "SAVEPOINT e", "INSERT INTO i VALUES (1)", "SAVEPOINT `É`", "INSERT INTO i VALUES (2)", "ROLLBACK TO E",
                "INSERT INTO i VALUES (3)", "COMMIT"],
    "everything back": ["BEGIN", "SAVEPOINT a", "INSERT INTO i VALUES (1)", "T", "INSERT INTO i VALUES (2)", "ROLLBACK TO a", "COMMIT"],
    "failed statement": ["BEGIN", "INSERT INTO i VALUES (5)", "T", "INSERT INTO i VALUES (6), (5)", "INSERT INTO m VALUES (7)", "COMMIT",
                         "BEGIN", TEMPORARY[1], "INSERT INTO i VALUES (8), (5)", "INSERT INTO i VALUES (9)", "ROLLBACK"],
    "one-phase XA": ["XA START 'a'", "INSERT INTO i VALUES (1)", "INSERT INTO m VALUES (1)", "XA END 'a'", "XA COMMIT 'a' ONE PHASE"],
    "XA before PREPARE": ["XA START 'a'", "INSERT INTO i VALUES (1)", "INSERT INTO m VALUES (1)", "T", "XA END 'a'", "XA ROLLBACK 'a'"],
    "disconnect": ["BEGIN", "INSERT INTO i VALUES (1)", "T"],
    "CREATE TABLE ... SELECT": ["CREATE TABLE c (a VARCHAR(40) PRIMARY KEY) SELECT '1' AS a UNION ALL SELECT '2' UNION ALL SELECT '1'",
                                "CREATE TABLE d (a VARCHAR(40) PRIMARY KEY) ENGINE=MyISAM SELECT '1' AS a UNION ALL SELECT '2' UNION ALL SELECT '1'",
                                "BEGIN", "INSERT INTO i VALUES (1)", "CREATE TEMPORARY TABLE tc SELECT a FROM i",
                                "INSERT INTO i SELECT CONCAT(a, 'x') FROM tc", "ROLLBACK",
                                "CREATE TABLE e (a VARCHAR(40)) SELECT '1' AS a", "CREATE TABLE f (a VARCHAR(40)) ENGINE=MyISAM SELECT '1' AS a"],
}


def test_rows_that_were_rolled_back_did_not_happen(mixing, binlogs):
    """Each case in a database of its own; then the log as a whole."""
    both = ("temporary table", "savepoint")
    cases = {f"{DB}_{number}_{kind}": (name, temporary) for number, name in enumerate(ROLLED_BACK)
             for kind, temporary in enumerate(TEMPORARY) if kind == 0 or name in both}
    for database in cases:
        fresh(mixing, database)
    start = position(mixing)
    # MySQL has no temporary tables in XA transactions that outlive their session.
    setup = ["SET SESSION xa_detach_on_prepare = OFF"] if mixing.flavor == "mysql" else []
    for database, (name, temporary) in cases.items():
        in_a_session(mixing, setup + [temporary if statement == "T" else statement for statement in ROLLED_BACK[name]], database=database)
    # Those that disconnected in the middle.
    within(lambda: len(mixing.sql(f"SELECT 1 FROM information_schema.PROCESSLIST WHERE DB LIKE '{DB}%'")) == 0, "the connections are closed")
    wanted = {database: tables(mixing, database) for database in cases}
    assert any(values for names in wanted.values() for values in names.values())
    for options in (["--until", "now"], None):
        more = {"files": [file_path(mixing, start[0])]} if options is None else {"server": mixing}
        rows = binlogs("--from", at(start), *(options or []), **more).finish().rows()
        found = {database: rebuilt([row for row in rows if row["database"] == database], wanted[database]) for database in cases}
        assert {cases[database]: values for database, values in found.items()} == {cases[database]: values for database, values in wanted.items()}
    mixing.sql(*(f"DROP DATABASE {database}" for database in cases))


@pytest.mark.parametrize("binlog_format", ["MIXED", "STATEMENT"])
def test_statements_that_were_rolled_back_are_marked(db, binlogs, binlog_format):
    """What they changed in `i` did not happen, what they changed in `m` did: the binlog does not say which is which."""
    statements = ["BEGIN", "INSERT INTO i VALUES ('gone')", TEMPORARY[0], "INSERT INTO m VALUES ('stays')", "ROLLBACK",
                  "BEGIN", "INSERT INTO i VALUES ('a')", "SAVEPOINT s", "INSERT INTO i VALUES ('back')", "INSERT INTO m VALUES ('too')",
                  "ROLLBACK TO s", "INSERT INTO i VALUES ('b')", "COMMIT"]
    start = position(db)
    in_a_session(db, statements, binlog_format)
    seen = binlogs("--from", at(start), "--until", "now", server=db).finish().lines()
    happened = [row["after"]["a"] for row in seen if row["type"] == "insert"]
    logged = {re.search(r"'(\w+)'", line["sql"])[1]: line["rolledBack"] for line in seen if line["type"] == "statement"}
    # What is neither in the log nor in a table is nowhere to be seen.
    assert {"gone": True, "back": True, "stays": True, "too": True, "a": False, "b": False}.items() >= logged.items()
    assert {value for value, is_rolled_back in logged.items() if not is_rolled_back} | set(happened) >= {"a", "b"}
    assert not {"gone", "back"} & set(happened)
    if binlog_format == "STATEMENT":
        assert logged.keys() == {"gone", "stays", "a", "back", "too", "b"}
    assert [line["sql"].split()[0] for line in seen if line["type"] == "ddl"] in ([], ["CREATE"], ["CREATE", "DROP"])


# --- Too large for memory ---

def large(cursor, first, rows=6000):
    """24 MB."""
    for begin in range(first, first + rows, 1000):
        cursor.execute("INSERT INTO big VALUES " + ", ".join(f"({value}, REPEAT('x', 4000))" for value in range(begin, begin + 1000)))


def test_large_transactions_that_are_rolled_back(db, binlogs, tmp_path):
    db.sql(f"CREATE TABLE {DB}.big (a INT PRIMARY KEY, pad TEXT)")
    start = position(db)
    with db.root(database=DB) as cursor:
        execute(cursor, "BEGIN", TEMPORARY[0])
        large(cursor, 0)
        execute(cursor, "ROLLBACK", "BEGIN", "INSERT INTO big VALUES (-1, '')", "DROP TEMPORARY TABLE IF EXISTS tt", "SAVEPOINT s")
        large(cursor, 10_000)
        execute(cursor, "ROLLBACK TO s", "INSERT INTO big VALUES (-2, '')")
        large(cursor, 20_000)
        cursor.execute("COMMIT")
    options = ["--from", at(start), "--until", "now"]
    checkpoint = tmp_path / "checkpoint"
    rows = binlogs(*options, "--checkpoint", checkpoint, server=db).finish().rows()
    assert [row["after"]["a"] for row in rows] == [-1, -2, *range(20_000, 26_000)]
    assert [row["rowIndex"] for row in rows] == [*range(6002)] and len({row["xid"] for row in rows}) == 1 and rows[0]["xid"] is not None
    # A file without a name.
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {"checkpoint", "checkpoint.lock", "checkpoint.schema"}
    binlog = binlogs(*options, "--temp-dir", tmp_path / "nowhere", server=db).finish(code=1)
    assert str(tmp_path / "nowhere") in binlog.log and "--temp-dir" in binlog.log and binlog.rows() == [], binlog.log


# --- Files that continue each other ---

@pytest.fixture(scope="module", params=["mysql", "mariadb", "mariadb-11.8"])
def relay_logs(request, tmp_path_factory):
    """The source, and the relay logs of a replica that cuts them wherever they are large enough."""
    release, folder = request.param, tmp_path_factory.mktemp(f"relay-{request.param}")
    options = MIXING if release == "mysql" else BINLOG["mariadb"]
    source = SqlServer(release, folder / "source", *SIZES, *options, "--binlog-row-event-max-size=256")
    replica = SqlServer(release, folder / "replica", *SIZES, "--server-id=8", "--max-relay-log-size=4096", "--relay-log=relay",
                        "--relay-log-purge=OFF", "--relay-log-recovery=OFF", "--skip-log-bin", *(MIXING if release == "mysql" else []))
    try:
        start = position(source)
        source.fresh_user("replicator", "replicate")
        where = f"'{source.host}', {{}}_PORT={source.port}, {{}}_USER='replicator', {{}}_PASSWORD='replicate', {{}}_LOG_FILE='{start[0]}', {{}}_LOG_POS={start[1]}"
        if release == "mysql":
            replica.sql("CHANGE REPLICATION SOURCE TO SOURCE_HOST=" + where.replace("{}", "SOURCE") + ", GET_SOURCE_PUBLIC_KEY=1", "START REPLICA")
        else:
            replica.sql("CHANGE MASTER TO MASTER_HOST=" + where.replace("{}", "MASTER"), "START SLAVE")
        source.sql(f"CREATE DATABASE {DB}", f"CREATE TABLE {DB}.t (a INT PRIMARY KEY, pad VARCHAR(600))")
        with source.root(database=DB) as cursor:
            for first in range(0, 300, 30):
                rows = ", ".join(f"({value}, REPEAT('x', {value % 7 * 80}))" for value in range(first, first + 30))
                execute(cursor, "BEGIN", f"INSERT INTO t VALUES {rows}", "COMMIT", f"INSERT INTO t VALUES ({1000 + first}, '')")
        within(lambda: replica.sql(f"SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{DB}'")[0][0]
               and replica.sql(f"SELECT COUNT(*) FROM {DB}.t")[0][0] == 310, "the replica has all rows")
        replica.stop()
        paths = sorted(glob.glob(str(folder / "replica" / "data" / "relay.0*")))
        yield source, [path for path in paths if path.rpartition(".")[2].isdigit()]
    finally:
        replica.stop()
        source.stop()


WANTED = [value for first in range(0, 300, 30) for value in [*range(first, first + 30), 1000 + first]]


def test_relay_logs_continue_each_other(relay_logs, binlogs):
    source, paths = relay_logs
    assert len(paths) > 10
    rows = binlogs(files=paths).finish().rows()
    assert [row["after"]["a"] for row in rows] == WANTED
    # As the source's own files say it.
    direct = binlogs(files=[file_path(source, name) for name in files(source)]).finish().rows()
    same = lambda row: {**row, "position": None, "query": None}
    assert [same(row) for row in rows] == [same(row) for row in direct]
    assert {row["rowIndex"] for row in rows} == set(range(30))


def test_files_that_end_in_a_transaction(relay_logs, binlogs):
    """Each number of files from the first on: whole transactions only, and an error where one is cut."""
    source, paths = relay_logs
    codes = set()
    for count in range(1, len(paths) + 1):
        binlog = binlogs(files=paths[:count])
        code = binlog.process.wait(60)
        codes.add(code)
        found = [row["after"]["a"] for row in binlog.rows()]
        assert found == WANTED[:len(found)] and len(found) % 31 in (0, 30), binlog.log
        assert (code == 1) == ("in the middle of a transaction" in binlog.log), binlog.log
    # MySQL cuts between transactions today.
    assert codes == ({0} if source.flavor == "mysql" else {0, 1})


def test_a_file_between_is_missing(relay_logs, binlogs):
    _, paths = relay_logs
    for missing in range(2, len(paths) - 1):
        binlog = binlogs(files=paths[:missing] + paths[missing + 1:])
        code = binlog.process.wait(60)
        found = [row["after"]["a"] for row in binlog.rows()]
        # Nothing is taken for a part of another transaction, and what is left out is logged.
        assert [value for value in WANTED if value in set(found)] == found
        assert "is not passed on" in binlog.log or "files are missing here" in binlog.log or code == 1, binlog.log


# --- XA ---

@pytest.mark.newer_mariadb
def test_xa_has_its_thread(writer, binlogs):
    writer.fresh_databases(DB)
    with writer.root(database=DB) as cursor:
        execute(cursor, "CREATE TABLE x (a INT PRIMARY KEY)")
        start, thread = position(writer), execute(cursor, "SELECT CONNECTION_ID()")[0][0]
        execute(cursor, "XA START 'a'", "INSERT INTO x VALUES (1)", "XA END 'a'", "XA COMMIT 'a' ONE PHASE",
                "XA START 'b'", "INSERT INTO x VALUES (2)", "XA END 'b'", "XA PREPARE 'b'", "XA COMMIT 'b'",
                "XA START 'c'", "INSERT INTO x VALUES (3), (4)", "XA END 'c'", "XA PREPARE 'c'", "XA COMMIT 'c'")
    binlog = binlogs("--from", at(start), "--until", "now", server=writer).finish()
    assert [row["after"]["a"] for row in binlog.rows()] == [1, 2, 3, 4]
    assert [row["threadId"] for row in binlog.rows()[1:]] == [thread] * 3
    assert "WARN" not in binlog.log, binlog.log


# --- Rows of which no column is logged ---

@pytest.mark.newer_mariadb
def test_a_row_without_columns(writer, binlogs):
    writer.fresh_databases(DB)
    with writer.root(database=DB) as cursor:
        execute(cursor, "CREATE TABLE e (id INT PRIMARY KEY DEFAULT 3, b INT)", "CREATE TABLE f (a INT DEFAULT 1, b INT)",
                "CREATE TABLE g (id INT PRIMARY KEY AUTO_INCREMENT, b INT)")
        start = position(writer)
        execute(cursor, "SET SESSION binlog_row_image = 'MINIMAL'", "INSERT INTO e () VALUES ()", "INSERT INTO f () VALUES ()",
                "INSERT INTO g () VALUES (), ()", "INSERT INTO f () VALUES ()", "UPDATE e SET id = 4", "DELETE FROM f LIMIT 1", "DELETE FROM e")
    for options in ({"server": writer}, {"files": [file_path(writer, start[0])]}):
        until = ["--until", "now"] if "server" in options else []
        rows = binlogs("--from", at(start), *until, **options).finish().rows()
        # Of a table without a key MariaDB logs all columns.
        f = {} if writer.flavor == "mysql" else {"a": 1, "b": None}
        assert [(row["table"], row["type"], row["before"], row["after"]) for row in rows] == [
            ("e", "insert", None, {}), ("f", "insert", None, f), ("g", "insert", None, {"id": 1}), ("g", "insert", None, {"id": 2}),
            ("f", "insert", None, f), ("e", "update", {"id": 3}, {"id": 4}), ("f", "delete", {"a": 1, "b": None}, None),
            ("e", "delete", {"id": 4}, None)]


# --- How far behind ---

@pytest.mark.newer_mariadb
@pytest.mark.parametrize("rights", ["all", "replica"])
def test_who_has_caught_up_has_no_lag(writer, binlogs, rights):
    """Whatever the time since the last event, and also without the right to ask how large the log is."""
    writer.fresh_databases(DB)
    user, password = ("app", "app-secret") if rights == "all" else ("lagging", "secret")
    if rights == "replica":
        writer.sql("DROP USER IF EXISTS lagging", "CREATE USER lagging IDENTIFIED BY 'secret'", "GRANT REPLICATION SLAVE, SELECT ON *.* TO lagging")
    start = position(writer)
    writer.sql(f"CREATE TABLE {DB}.l (a INT PRIMARY KEY)", "SET timestamp = UNIX_TIMESTAMP() - 7200", f"INSERT INTO {DB}.l VALUES (1)")
    binlog = binlogs("--from", at(start), "--progress", "bar", "--heartbeat", "0.3", server=writer, user=user, password=password)
    binlog.wait_rows(1)
    binlog.wait_log("  0 s behind")
    writer.sql("SET timestamp = UNIX_TIMESTAMP() - 7200", f"INSERT INTO {DB}.l VALUES (2)")
    binlog.wait_rows(2)
    shown = len(binlog.log)
    within(lambda: "  0 s behind" in binlog.log[shown:], "it has caught up again")
