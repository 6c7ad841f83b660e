"""One server, one look at each half of the program: what `make check` runs after every change. The other files try the same in depth."""

import json
import re

import mysql.connector
import pytest

from harness import run
from harness.binlog import at, execute, position
from harness.proxy import binary, environment
from harness.tls import trusting

pytestmark = pytest.mark.smoke
DB = "smoke"


@pytest.fixture
def db(binlog_mysql):
    binlog_mysql.sql("SET GLOBAL binlog_row_metadata = FULL")
    binlog_mysql.fresh_databases(DB)
    return binlog_mysql


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_statements_become_messages(db, proxies, tls):
    proxy = proxies(db)
    with proxy.connect(database=DB, **({"ssl": trusting()} if tls else {})) as client, client.cursor() as cursor:
        execute(cursor, "CREATE TABLE t (a INT, b TEXT)", "INSERT INTO t (a, b) VALUES (1, 'é'), (2, NULL)", "SELECT * FROM t")
        with pytest.raises(Exception, match="1064"):
            cursor.execute("SELEC 1")
    found = {message["sql"]: message for message in proxy.messages.wait(4)}
    assert found["INSERT INTO t (a, b) VALUES (1, 'é'), (2, NULL)"]["updateCount"] == 2
    assert found["SELECT * FROM t"]["updateCount"] == 2 and found["SELECT * FROM t"]["stmtDbName"] == DB
    assert found["SELEC 1"]["errorMessage"].startswith("ERROR 1064 (42000): ")
    proxy.stop()
    assert proxy.counter("dropped") == 0 and proxy.counter("observer_lost_sessions") == 0 and proxy.counter("tls_sessions") == int(tls)


def test_bound_values_are_in_the_message(db, proxies):
    db.connect().close()  # the server remembers the password, so that a login without TLS needs no key
    proxy = proxies(db)
    client = mysql.connector.connect(host=proxy.host, port=proxy.port, user="app", password="app-secret", database=DB, ssl_disabled=True,
                                     use_pure=True)
    cursor = client.cursor(prepared=True)
    cursor.execute("SELECT ?, ?", ("smoke", None))
    assert cursor.fetchall() == [("smoke", None)]
    client.close()
    message, = proxy.messages.wait(1, lambda message: message["sql"] == "SELECT ?, ?")
    assert message["queryParams"] == ["smoke", None]
    proxy.stop()


def test_rows_come_from_the_binlog(db, binlogs, tmp_path):
    start = position(db)
    with db.root(database=DB) as cursor:
        execute(cursor, "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(9))", "INSERT INTO t VALUES (1, 'new')",
                "UPDATE t SET v = 'paid'", "BEGIN", "INSERT INTO t VALUES (2, 'gone')", "ROLLBACK", "DELETE FROM t")
    binlog = binlogs("--from", at(start), "--until", "now", "--include", f"{DB}.*", "--checkpoint", tmp_path / "checkpoint", server=db).finish()
    assert [(row["type"], row["before"], row["after"]) for row in binlog.rows()] == [
        ("insert", None, {"id": 1, "v": "new"}), ("update", {"id": 1, "v": "new"}, {"id": 1, "v": "paid"}), ("delete", {"id": 1, "v": "paid"}, None)]
    shown = run([binary(), "inspect", "-", "--pretty"], env=environment(), input=binlog.ndjson.read_text())
    assert shown.returncode == 0 and re.search("'new' => 'paid'", shown.stdout), shown
    assert json.loads(binlog.ndjson.read_text().splitlines()[0])
