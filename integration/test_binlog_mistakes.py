"""The subcommand `binlog` where something around it is wrong: a log that is not read, a slip in a command line."""

import json
import os
import re
import signal
import subprocess

import pytest
from harness.binlog import at, execute, executed, file_path, position

DB = "binlog_mistakes"


@pytest.fixture
def rows(writer):
    """A table with two rows; the value is the server and the place before them."""
    writer.fresh_databases(DB)
    with writer.root(database=DB) as cursor:
        cursor.execute("CREATE TABLE t (id INT PRIMARY KEY)")
        start = position(writer)
        execute(cursor, "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)")
    return writer, start


@pytest.mark.parametrize("where", ["closed pipe", "full disk"])
def test_a_log_that_cannot_be_written(rows, binlogs, where):
    """Its own log lines reach nobody; its work is done all the same."""
    server, start = rows
    if where == "full disk":
        log = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, log = os.pipe()
        os.close(reader)
    binlog = binlogs("--from", at(start), "--until", "now", "--log-level", "debug", server=server, stderr=log)
    os.close(log)
    assert [row["after"]["id"] for row in binlog.finish().rows("t")] == [1, 2]
    # Refusals are written another way.
    command = [binlog.command[0], "binlog", "--source", "mysql://app@127.0.0.1:1", "--from", "now"]
    with open("/dev/full", "wb") as full:
        assert subprocess.run(command, stderr=full, stdout=subprocess.DEVNULL, timeout=60).returncode == 1


@pytest.mark.parametrize("url", ["mysql://app:app-secret@127.0.0.1:3306/shop", "mysql://app:app-secret@127.0.0.1?ssl-mode=required",
                                 "app:app-secret@127.0.0.1", "mysql://app:app-secret@:3306", "mysql://app:app-secret@127.0.0.1:port"])
def test_a_password_in_a_wrong_url_is_not_repeated(binlogs, url):
    for options, env in ((["--source", url], None), ([], {"INTERCEPTOR_BINLOG_SOURCE": url})):
        binlog = binlogs(*options, "--from", "now", env=env).refused("--source|INTERCEPTOR_BINLOG_SOURCE", "mysql://USER")
        assert "secret" not in binlog.log


def test_gtids_of_the_other_kind_of_server(rows, binlogs, tmp_path):
    server, start = rows
    mysql, mariadb = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1", "0-1-1"
    wrong = mariadb if server.flavor == "mysql" else mysql
    kinds = ["GTIDs, but the source is " + ("MySQL" if server.flavor == "mysql" else "MariaDB")]
    binlogs("--from", wrong, "--until", "now", server=server).refused("--from has", *kinds)
    binlogs("--from", at(start), "--until", wrong, server=server).refused("--until has", *kinds)
    checkpoint = tmp_path / "checkpoint"
    options = ["--from", "checkpoint", "--checkpoint", checkpoint]
    binlogs("--from", "oldest", "--until", "now", "--checkpoint", checkpoint, server=server).finish()
    saved = checkpoint.read_text()
    assert executed(server) in saved
    checkpoint.write_text(re.sub(r'"server":"[^"]*"', '"server":"another"', saved.replace(executed(server), wrong)))
    binlogs(*options, "--until", "now", server=server).refused("the checkpoint has", *kinds)


@pytest.mark.parametrize("place", ["", " ", "3e11fa47-71ca-11e1-9e33-c80aa9429562:5-3"])
def test_an_empty_place_is_not_everything(binlogs, place):
    binlogs("--source", "mysql://app@127.0.0.1:1", "--from", place).refused("--from", "oldest")


def test_a_position_after_the_end_of_its_file(rows, binlogs):
    server, start = rows
    binlogs("--from", f"{start[0]}:5000000000", "--until", "now", server=server).refused(f"--from {start[0]}:5000000000: the file has only")


def test_files_that_do_not_follow_each_other(rows, binlogs):
    server, start = rows
    names = [start[0]]
    with server.root() as cursor:
        for _ in range(2):
            cursor.execute("FLUSH BINARY LOGS")
            names.append(position(server)[0])
        cursor.execute("FLUSH BINARY LOGS")
    first, second, third = (file_path(server, name) for name in names)
    warning = "files are missing here, or not in their order"
    assert warning not in binlogs(files=[first, second, third]).finish().log
    missing = binlogs(files=[first, third]).finish().log
    assert warning in missing and f"expected=\"{second.name}\"" in missing and third.name in missing
    assert binlogs(files=[second, first]).finish().log.count(warning) == 1


def test_a_file_that_is_not_given(rows, binlogs):
    server, start = rows
    with server.root() as cursor:
        cursor.execute("FLUSH BINARY LOGS")
    path = file_path(server, start[0])
    for place in ("nosuch.000001:500", "binlog.999999:4"):
        binlogs("--until", place, files=[path]).refused(f"--until {place}: no file of that name is given")
    binlogs("--from", "now", files=[path]).refused("--from: files have no now")
    binlogs("--from", at(start), "--until", "nosuch.000001:500", server=server).refused("--until nosuch.000001:500: the source's files")


@pytest.mark.parametrize("options, patterns", [
    (["--sink", "stdout", "--sink", "stdout"], ["--sink: stdout is given twice"]),
    (["--sink", "ndjson:/tmp/a", "--sink", "ndjson:/tmp/a"], ["is given twice"]),
    (["--tls-mode", "verify-ca"], ["--tls-mode: verify-ca needs --tls-ca"]),
    (["--heartbeat", "99999999999"], ["below 86400"]),
    (["--checkpoint", "/tmp"], ["checkpoint /tmp: .*directory"]),
    (["--checkpoint", "/nowhere/checkpoint"], ["checkpoint /nowhere/checkpoint: "])], ids=lambda value: " ".join(value))
def test_slips_in_options(binlogs, options, patterns):
    """Before anything is read."""
    binlogs("--source", "mysql://app@127.0.0.1:1", "--from", "now", *options, sinks=[]).refused(*patterns)


def test_a_missing_right_is_not_a_wrong_password(rows, binlogs):
    server, start = rows
    may_look = "BINLOG MONITOR" if server.flavor == "mariadb" else "REPLICATION CLIENT"
    server.sql("DROP USER IF EXISTS looker", "CREATE USER looker IDENTIFIED BY 'app-secret'", f"GRANT {may_look} ON *.* TO looker")
    log = binlogs("--from", at(start), "--until", "now", server=server, user="looker").refused("GRANT REPLICATION SLAVE").log
    assert "check user and password" not in log
    server.sql("DROP USER looker")


def test_the_catalogue_is_that_of_the_source_that_is_read(rows, binlogs):
    """The first of two sources is down: names come from the second."""
    server, _ = rows
    server.sql("SET GLOBAL binlog_row_metadata = MINIMAL")
    with server.root(database=DB) as cursor:
        start = position(server)
        cursor.execute("INSERT INTO t VALUES (3)")
    good = f"mysql://app:app-secret@127.0.0.1:{server.port}"
    binlog = binlogs("--source", "mysql://app@127.0.0.1:1", "--source", good, "--from", at(start), "--until", "now")
    row, = binlog.finish().rows("t")
    server.sql("SET GLOBAL binlog_row_metadata = FULL")
    assert (row["after"], row["primaryKey"]) == ({"id": 3}, {"id": 3})
    assert "this source cannot be read; connecting to the next" in binlog.log


@pytest.mark.parametrize("sink", ["ndjson:/dev/full", "stdout"])
def test_a_stop_while_a_sink_takes_nothing(rows, binlogs, sink):
    """With more after it than its queue holds."""
    server, _ = rows
    with server.root(database=DB) as cursor:
        execute(cursor, "CREATE TABLE big (a LONGTEXT)", "INSERT INTO big VALUES (REPEAT('x', 1000000))")
        start = position(server)
        for _ in range(4):
            cursor.execute("INSERT INTO big SELECT * FROM big")
    with open("/dev/full", "wb") as full:
        binlog = binlogs("--from", at(start), "--queue-bytes", "1MiB", server=server, sinks=[sink], stdout=full if sink == "stdout" else None)
    binlog.wait_log("takes nothing now")
    binlog.signal(signal.SIGHUP)
    binlog.wait_log("SIGHUP is ignored")
    binlog.signal(signal.SIGTERM)
    binlog.finish(code=1)
    # There is no checkpoint.
    assert "told to stop" in binlog.log and "sink closed, rows were lost" in binlog.log


def test_a_second_signal_ends_at_once(rows, binlogs):
    server, start = rows
    binlog = binlogs("--from", at(start), "--queue-bytes", "1MiB", server=server, sinks=["ndjson:/dev/full"])
    binlog.wait_log("takes nothing now")
    binlog.signal(signal.SIGINT)
    binlog.wait_log("told to stop")
    binlog.signal(signal.SIGTERM)
    binlog.finish(code=1)
    assert "second signal: stopping at once" in binlog.log and "sink closed" not in binlog.log


def definitions(binlog):
    return [row["sql"] for row in binlog.finish().ddl()]


def test_definitions_of_tables_that_are_not_wanted(writer, binlogs):
    writer.fresh_databases("kept", "other")
    start = position(writer)
    wanted = ["CREATE TABLE kept.a (id INT)", "ALTER TABLE kept.a ADD b INT", "RENAME TABLE kept.b TO kept.c, kept.a TO kept.d"]
    with writer.root() as cursor:
        execute(cursor, wanted[0], "CREATE TABLE kept.b (id INT)", "CREATE TABLE other.a (id INT)", wanted[1], "CREATE DATABASE another",
                "CREATE USER somebody IDENTIFIED BY 'x'", wanted[2], "DROP DATABASE another", "DROP USER somebody")
    options = ["--from", at(start), "--until", "now", "--only", "ddl"]
    everything = definitions(binlogs(*options, server=writer))
    assert len(everything) == 9
    assert definitions(binlogs(*options, "--include", "kept.a", server=writer)) == wanted
    left = definitions(binlogs(*options, "--exclude", "kept.*", "--exclude", "other.a", server=writer))
    assert len(left) == 4 and not [sql for sql in left if "kept" in sql or "other." in sql]


@pytest.mark.parametrize("charset", ["latin1", "gbk", "utf8mb4"])
def test_texts_of_sessions_in_other_character_sets(writer, binlogs, charset):
    text = "é" if charset == "latin1" else "昞"
    writer.fresh_databases(DB)
    with writer.root(database=DB, charset=charset) as cursor:
        cursor.execute("CREATE TABLE l (a VARCHAR(9)) CHARACTER SET utf8mb4")
        start = position(writer)
        execute(cursor, f"ALTER TABLE l COMMENT '{text}'", "SET binlog_rows_query_log_events = 1" if writer.flavor == "mysql" else "DO 1",
                f"INSERT INTO l VALUES ('{text}')", "SET binlog_format = STATEMENT", f"UPDATE l SET a = CONCAT(a, '{text}')")
    binlog = binlogs("--from", at(start), "--until", "now", server=writer).finish()
    assert definitions(binlog) == [f"ALTER TABLE l COMMENT '{text}'"]
    row, = binlog.rows("l")
    assert row["after"] == {"a": text}
    if writer.flavor == "mysql":
        # MariaDB's binlog does not say in which character set it is.
        assert row["query"] == f"INSERT INTO l VALUES ('{text}')"
    assert [line["sql"] for line in binlog.lines(lambda line: line["type"] == "statement")] == [f"UPDATE l SET a = CONCAT(a, '{text}')"]


def test_an_end_that_was_read_before(rows, binlogs, tmp_path):
    """`--until GTID`: nothing comes where it lies after the start, as at the second start of a bounded run."""
    server, start = rows
    first, second = binlogs("--from", at(start), "--until", "now", server=server).finish().rows("t")
    checkpoint = tmp_path / "checkpoint"
    with server.root(database=DB) as cursor:
        cursor.execute("INSERT INTO t VALUES (3)")
    after = executed(server)
    with server.root(database=DB) as cursor:
        cursor.execute("INSERT INTO t VALUES (4)")
    for gtid in (first["gtid"], second["gtid"]):
        for place in (after, "now"):
            assert binlogs("--from", place, "--until", gtid, server=server).finish().rows("t") == []
    bounded = ["--from", "checkpoint", "--checkpoint", checkpoint, "--until", second["gtid"], "--include", f"{DB}.*"]
    assert [row["after"]["id"] for row in binlogs(*bounded, server=server).finish().rows("t")][-2:] == [1, 2]
    assert binlogs(*bounded, server=server).finish().rows("t") == []


@pytest.mark.parametrize("place", ["binlog.999999:157", "{file}:5000000000"])
def test_a_checkpoint_that_the_log_does_not_have(rows, binlogs, tmp_path, place):
    """As after RESET BINARY LOGS: a bounded run must not take it for "nothing new" time and again."""
    server, start = rows
    checkpoint = tmp_path / "checkpoint"
    options = ["--from", "checkpoint", "--checkpoint", checkpoint, "--until", "now", "--include", f"{DB}.*"]
    binlogs("--from", at(start), "--until", "now", "--checkpoint", checkpoint, server=server).finish()
    file, offset = place.format(file=start[0]).split(":")
    saved = json.loads(checkpoint.read_text())
    checkpoint.write_text(json.dumps({**saved, "file": file, "offset": int(offset)}))
    binlogs(*options, server=server).refused(f"the checkpoint {file}:{offset}", "RESET", "--on-purged=oldest")
    kept = binlogs(*options, "--on-purged", "oldest", server=server).finish()
    assert "rows are missing" in kept.log and [row["after"]["id"] for row in kept.rows("t")][-2:] == [1, 2]


def test_one_checkpoint_for_two_readers(rows, binlogs, tmp_path):
    server, start = rows
    options = ["--from", at(start), "--checkpoint", tmp_path / "checkpoint"]
    first = binlogs(*options, server=server)
    first.wait_rows(2)
    binlogs(*options, "--until", "now", server=server).refused("another process uses it")
    first.stop()
    binlogs(*options, "--until", "now", server=server).finish()


@pytest.mark.parametrize("hidden", [["--redact-keys", "password"], ["--drop-columns", "card"]], ids=lambda value: value[0])
def test_values_that_are_hidden_are_not_in_the_log(rows, binlogs, hidden):
    server, start = rows
    with server.root(database=DB) as cursor:
        execute(cursor, "CREATE TABLE u (id INT, password TEXT, card TEXT)", "SET binlog_format = STATEMENT", "INSERT INTO u VALUES (1, 'hunter2', 'visa-4111')")
    options = ["--from", at(start), "--until", "now", "--log-level", "debug"]
    # The warning tells the statement's verb and place, whatever is hidden.
    for hiding in (hidden, []):
        log = binlogs(*options, *hiding, server=server).finish().log
        assert "logged as text" in log and "statement=INSERT" in log and "hunter2" not in log and "visa-4111" not in log
