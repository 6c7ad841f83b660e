"""What only MariaDB 11.8 has: vectors, large transactions that become a file of their own, the authentication plugin parsec."""

import base64
import struct

import pytest
from harness import run
from harness.binlog import at, execute, file_path, numbers, position
from harness.servers import NEWER_MARIADB

DB = "newer"
PASSWORD = "hush-é"


@pytest.fixture
def db(binlog_mariadb_11_8):
    binlog_mariadb_11_8.sql("SET GLOBAL binlog_row_metadata = FULL", "SET GLOBAL log_bin_compress = OFF")
    binlog_mariadb_11_8.fresh_databases(DB)
    return binlog_mariadb_11_8


# --- Vectors ---

def test_vectors_through_time(db, session, binlogs):
    """The log has VARBINARY; what is a vector comes from the definition of the row's time, whatever the metadata."""
    session.execute("CREATE TABLE v (id INT PRIMARY KEY, raw VARBINARY(8), e VECTOR(2))")
    start = position(db)
    for metadata in ("FULL", "MINIMAL"):
        db.sql(f"SET GLOBAL binlog_row_metadata = {metadata}")
        execute(session, "INSERT INTO v VALUES (1, 'eight by', VEC_FromText('[1.5,-0.1]')), (2, 'x', NULL)", "DELETE FROM v")
    execute(session, "ALTER TABLE v ADD f VECTOR(1) FIRST", "INSERT INTO v VALUES (VEC_FromText('[7]'), 1, NULL, NULL)")
    rows = binlogs("--from", at(start), "--until", "now", "--only", "insert", server=db).finish().rows()
    raw = [base64.b64encode(text).decode() for text in (b"eight by", b"x")]
    first, second = {"id": 1, "raw": raw[0], "e": [1.5, -0.1]}, {"id": 2, "raw": raw[1], "e": None}
    assert [row["after"] for row in rows] == [first, second, first, second, {"f": [7.0], "id": 1, "raw": None, "e": None}]


def test_vectors_in_files_alone(db, session, binlogs):
    """The statement that makes the table tells; without it the bytes are shown."""
    db.sql("FLUSH BINARY LOGS")
    execute(session, "CREATE TABLE v (id INT PRIMARY KEY, e VECTOR(2))", "INSERT INTO v VALUES (1, VEC_FromText('[1,2]'))")
    known = position(db)[0]
    db.sql("FLUSH BINARY LOGS")
    session.execute("INSERT INTO v VALUES (2, VEC_FromText('[1,2]'))")
    unknown = position(db)[0]
    row, = binlogs(files=[file_path(db, known)]).finish().rows()
    assert row["after"] == {"id": 1, "e": [1.0, 2.0]}
    row, = binlogs(files=[file_path(db, unknown)]).finish().rows()
    assert row["after"] == {"id": 2, "e": base64.b64encode(struct.pack("<2f", 1, 2)).decode()}


def test_no_table_is_taken_for_another(db, session, binlogs):
    """What was made for the table with a vector is not found again for a table that has its place in memory by then."""
    tables = [f"t{number}" for number in range(300)]
    execute(session, "CREATE TABLE v (id INT PRIMARY KEY, e VECTOR(2) NOT NULL)", *(f"CREATE TABLE {table} (a INT)" for table in tables))
    start = position(db)
    execute(session, "INSERT INTO v VALUES (1, VEC_FromText('[1,2]'))", *(f"INSERT INTO {table} VALUES ({table[1:]})" for table in tables))
    rows = binlogs("--from", at(start), "--until", "now", server=db).finish().rows()
    assert [(row["table"], row["after"]) for row in rows] == [
        ("v", {"id": 1, "e": [1.0, 2.0]}), *((table, {"a": int(table[1:])}) for table in tables)]


# --- Text ---

def test_collations_of_newer_releases(db, session, binlogs):
    session.execute("CREATE TABLE c (id INT PRIMARY KEY, a VARCHAR(9) COLLATE utf8mb4_general1400_as_ci, b ENUM('é') COLLATE utf8mb3_general1400_as_ci, "
                    "c TEXT COLLATE utf8mb4_uca1400_ai_ci)")
    start = position(db)
    session.execute("INSERT INTO c VALUES (1, 'é😀', 'é', 'ü')")
    row, = binlogs("--from", at(start), "--until", "now", server=db).finish().rows()
    assert row["after"] == {"id": 1, "a": "é😀", "b": "é", "c": "ü"}


# --- Large transactions ---

def test_transaction_that_becomes_a_file(db, session, binlogs):
    """From binlog_large_commit_threshold on its temporary file is renamed to the next binlog, with a GTID that is padded."""
    db.sql("SET GLOBAL binlog_large_commit_threshold = 10485760")
    execute(session, "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v INT, pad LONGTEXT)")
    start = position(db)
    numbers(session, -1)
    execute(session, "BEGIN", "INSERT INTO t (v, pad) SELECT seq, REPEAT('x', 20000) FROM seq_1_to_1000", "COMMIT")
    numbers(session, -2)
    end = position(db)
    assert end[0] != start[0], "the transaction has not become a file"
    rows = binlogs("--from", at(start), "--until", "now", server=db).finish().rows()
    wanted = [-1, *range(1, 1001), -2]
    assert [row["after"]["v"] for row in rows] == wanted
    assert [row["rowIndex"] for row in rows] == [0, *range(1000), 0] and len({row["gtid"] for row in rows}) == 3
    assert {row["position"]["file"] for row in rows[1:]} == {end[0]}
    # Its rows have no positions in the log: they are counted, and end where the next transaction's begin.
    from_file = binlogs(files=[file_path(db, end[0])]).finish().rows()
    assert [(row["after"]["v"], row["position"]) for row in from_file] == [(row["after"]["v"], row["position"]) for row in rows[1:]]
    for row in (rows[1], rows[1000]):
        again = binlogs("--from", row["gtid"], "--until", "now", server=db).finish().rows()
        assert [row["after"]["v"] for row in again] == [-2]


# --- Logging in ---

@pytest.fixture
def parsec(db):
    """Accounts `signed`, with a password, and `bare`, without one."""
    if not db.sql("SELECT 1 FROM information_schema.PLUGINS WHERE PLUGIN_NAME = 'parsec'"):
        db.sql("INSTALL SONAME 'auth_parsec'")
    for name, password in (("signed", PASSWORD), ("bare", "")):
        db.sql(f"DROP USER IF EXISTS {name}", f"CREATE USER {name} IDENTIFIED VIA parsec USING PASSWORD('{password}')",
               f"GRANT SELECT, REPLICATION SLAVE, BINLOG MONITOR ON *.* TO {name}")
    return db


@pytest.mark.parametrize("tls", ["disabled", "required"])
def test_parsec(parsec, session, binlogs, tls):
    session.execute("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v INT)")
    start = position(parsec)
    numbers(session, 1)
    options = ["--from", at(start), "--until", "now", "--tls-mode", tls]
    for user, password in (("signed", PASSWORD), ("bare", "")):
        row, = binlogs(*options, server=parsec, user=user, password=password).finish().rows()
        assert row["after"]["v"] == 1
    binlogs(*options, server=parsec, user="signed", password="wrong").refused("1045", "Access denied")


def test_parsec_through_the_proxy(parsec, proxies):
    """MariaDB's own client signs; the proxy only passes it on."""
    plugins = next((NEWER_MARIADB.parents[1] / "root/usr/lib").glob("*/libmariadb3/plugin"))
    proxy = proxies(parsec)
    for option in ("--skip-ssl", "--skip-ssl-verify-server-cert"):
        done = run([NEWER_MARIADB.parent / "mariadb", "--no-defaults", option, f"--plugin-dir={plugins}", "-h", proxy.host, "-P", proxy.port,
                    "-u", "signed", f"-p{PASSWORD}", "-N", "-e", f"SELECT '{option}'"])
        assert (done.returncode, done.stdout) == (0, f"{option}\n"), done.stderr
    proxy.stop()
    messages = [(m["user"], m["sql"]) for m in proxy.messages.all()]
    assert [message for message in messages if "ssl" in message[1]] == [("signed", "SELECT '--skip-ssl'"), ("signed", "SELECT '--skip-ssl-verify-server-cert'")]
