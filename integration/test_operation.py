"""The program as something that is installed, started, asked and stopped: command lines, exit codes, files' rights, what the log says."""

import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time

import confluent_kafka
import pytest

from harness import PATIENCE, ROOT, within
from harness.binlog import at, execute, position
from harness.proxy import binary, environment, once

DB = "operation"
STATEMENT = {"timestamp": 1795239646980, "user": "app", "client": "web-1", "dbName": "shop", "stmtDbName": "shop", "connectionId": 42,
             "durationNs": 1240000, "updateCount": 3, "sql": "SELECT name FROM users WHERE id = ?", "queryParams": ["7"],
             "errorMessage": None}
ROW = {"type": "update", "database": "shop", "table": "orders", "before": {"id": 7, "state": "new"}, "after": {"id": 7, "state": "paid"},
       "primaryKey": {"id": 7}, "timestamp": 1795239646000, "gtid": "0-1-2", "position": {"file": "b.1", "offset": 4}}


@pytest.fixture
def rows(writer):
    """A table with some rows; the value is the server and the place before them."""
    writer.fresh_databases(DB)
    with writer.root(database=DB) as cursor:
        cursor.execute("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(100))")
        start = position(writer)
        execute(cursor, *(f"INSERT INTO t VALUES ({number}, REPEAT('x', 90))" for number in range(20)))
    return writer, start


# ---------------------------------------------------------------- start

def bad_starts(folder):
    """Options of each subcommand that cannot work, the exit code, and words of the error."""
    bad = folder / "bad.pem"
    bad.write_text("no certificate\n")
    none = folder / "none"
    proxy = ["proxy", "--listen", "127.0.0.1:0"]
    source = ["binlog", "--source", "mysql://app:app-secret@127.0.0.1:1"]
    return [
        (["proxy", "--listen", "192.0.2.1:3307"], 1, ["--listen", "192.0.2.1:3307"]),
        ([*proxy, "--upstream-ca", none], 1, ["--upstream-ca", str(none), "No such file"]),
        ([*proxy, "--upstream-ca", bad], 1, ["--upstream-ca", str(bad), "no PEM certificate"]),
        ([*proxy, "--tls-cert", none, "--tls-key", bad], 1, ["--tls-cert", str(none), "No such file"]),
        ([*proxy, "--sink", f"ndjson:{none}/x"], 2, [f"{none}/x", "No such file"]),
        ([*proxy, "--kafka-bootstrap-servers", "127.0.0.1:1", "--kafka-option", "no.such.option=1"], 2, ["no.such.option"]),
        ([*proxy, "--kafka-bootstrap-servers", "127.0.0.1:1", "--kafka-option", f"ssl.ca.location={none}"], 2, ["ssl.ca.location", str(none)]),
        ([*proxy, "--log-level", "verbose"], 2, ["--log-level", "verbose", "info"]),
        ([*proxy, "--config", none], 2, [str(none), "No such file"]),
        ([*source, "--tls-ca", none], 2, ["--tls-ca", str(none), "No such file"]),
        (["binlog", "--source", "mysql://app@127.0.0.1:1", "--password-file", none], 2, ["--password-file", str(none), "No such file"]),
        ([*source, "--log-level", "loud"], 2, ["--log-level", "loud"]),
        ([*source, "--sink", f"parquet:{none}/deeper"], 2, [f"{none}/deeper"]),
        (["binlog", "--file", none], 1, [str(none), "No such file"]),
        (["inspect", "--bootstrap-servers", "kafka"], 2, ["--bootstrap-servers", "no port"]),
        (["inspect", "--log-level", "loud"], 2, ["--log-level", "loud"]),
    ]


@pytest.mark.parametrize("form", ["text", "json"])
def test_start_errors_are_one_line(tmp_path, form):
    for options, code, words in bad_starts(tmp_path):
        done = once(*map(str, options), *(["--log-format", "json"] if form == "json" else []))
        assert done.returncode == code and done.stdout == "", (options, done)
        said = done.stderr.splitlines()
        assert len(said) == 1, (options, done.stderr)
        if form == "json":
            entry = json.loads(said[0])
            assert entry["level"] == "ERROR", entry
            said = [entry["message"]]
        else:
            assert said[0].startswith("error: "), (options, said)
        for word in words:
            assert word in said[0], (options, said)


def test_a_wrong_rust_log_is_named():
    for command in (["proxy", "--listen", "127.0.0.1:0"], ["binlog", "--file", "x"], ["inspect"]):
        done = once(*command, env={"RUST_LOG": "verbose"})
        assert done.returncode == 2 and done.stderr.startswith("error: RUST_LOG: \"verbose\" is not allowed"), done


def test_what_has_no_effect_is_said(mysql, proxies):
    proxy = proxies(mysql, "--tls", "strip", "--upstream-tls-verify", "none",
                    env={"INTERCEPTOR_KAFKA_TOPIC": "T", "INTERCEPTOR_UPSTRAEM": "db:3306", "INTERCEPTOR_SERVICE_HOST": "10.0.0.1"})
    proxy.stop()
    warnings = [line for line in proxy.log.splitlines() if "no effect" in line]
    assert len(warnings) == 3, proxy.log
    assert any("INTERCEPTOR_UPSTRAEM" in line and "did you mean INTERCEPTOR_UPSTREAM?" in line for line in warnings)
    assert any("INTERCEPTOR_KAFKA_TOPIC" in line and "--kafka-bootstrap-servers" in line for line in warnings)
    assert any("--upstream-tls-verify" in line and "--tls terminate" in line for line in warnings)


def test_the_log_says_who_listens_for_whom(mysql, proxies, tmp_path):
    other = tmp_path / "other.ndjson"
    proxy = proxies(mysql, "--backpressure", "drop", sinks=["stdout", f"ndjson:{other}"])
    line = proxy.wait_log(r".*listening on.*").group(0)
    proxy.stop()
    version = once("--version").stdout.split()[-1]
    for word in (f'version="{version}"', f"upstream={mysql.address}", "tls=terminate", f'sinks="stdout, ndjson:{other}"', "backpressure=drop"):
        assert word in line, line


# ---------------------------------------------------------------- help

def test_completions_and_manual(tmp_path):
    for shell in ("bash", "zsh", "fish"):
        done = once("completions", shell)
        assert done.returncode == 0 and "kafka-bootstrap-servers" in done.stdout, done
    script = tmp_path / "completions"
    script.write_text(once("completions", "bash").stdout)
    words = ["mysql-interceptor", "binlog", "--parquet-r"]
    ask = f'. {script}; COMP_WORDS=({" ".join(words)}); COMP_CWORD=2; _mysql__interceptor mysql-interceptor {words[2]} binlog; echo "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout.split() == ["--parquet-roll-size", "--parquet-roll-age"], done
    page = once("man").stdout
    assert page.startswith((".TH", ".ie")) and "INTERCEPTOR_BINLOG_SOURCE" in page.replace("\\", "")
    assert once("completions", "tcsh").returncode == 2


# ---------------------------------------------------------------- files

def test_every_file_has_the_rights_that_were_asked_for(rows, binlogs, tmp_path):
    """However open the umask is."""
    server, start = rows
    for options, expected in (([], 0o640), (["--file-mode", "0604"], 0o604)):
        folder = tmp_path / f"{expected:o}"
        folder.mkdir()
        # Rows, a place, the tables' columns; the file of lines is rotated and compressed.
        command = [binary(), "binlog", "--source", f"mysql://app:app-secret@{server.address}", "--from", at(start), "--until", "now",
                   "--include", f"{DB}.*", "--sink", f"ndjson:{folder}/rows.ndjson", "--sink", f"parquet:{folder}/lake",
                   "--ndjson-rotate-size", "2kB", "--ndjson-compress", "zstd", "--parquet-layout", "table",
                   "--checkpoint", folder / "checkpoint", *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env=environment(), umask=0)
        assert done.returncode == 0, done.stderr
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert {"checkpoint", "checkpoint.schema", "rows.ndjson"} <= {path.name for path in files}, files
        assert {".zst", ".parquet"} <= {path.suffix for path in files}, files
        assert {(path.name, oct(stat.S_IMODE(path.stat().st_mode))) for path in files} == {(path.name, oct(expected)) for path in files}
        for inner in (path for path in folder.rglob("*") if path.is_dir()):
            assert stat.S_IMODE(inner.stat().st_mode) & ~(expected | (expected & 0o444) >> 2) == 0, inner


# ---------------------------------------------------------------- the end of `binlog`

def test_an_end_without_rows_has_a_place(rows, binlogs):
    server, _ = rows
    place = at(position(server))
    log = binlogs("--from", "now", "--until", "now", server=server).finish().log
    assert f"done position={place} rows=0" in log, log


def test_a_standard_output_that_is_not_read_is_a_failure(rows):
    """The rows were read but not delivered."""
    server, start = rows
    with server.root(database=DB) as cursor:
        cursor.execute("CREATE TABLE long_ (v LONGTEXT)")
        # More than a pipe holds.
        execute(cursor, *(["INSERT INTO long_ VALUES (REPEAT('y', 60000))"] * 4))
    command = [binary(), "binlog", "--source", f"mysql://app:app-secret@{server.address}", "--from", at(start)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
    try:
        waits = re.compile(r"pipe|write")
        within(lambda: any(waits.search((task / "wchan").read_text()) for task in threads(process)), "a thread waits for the pipe")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 1, process.stderr.read()
    finally:
        process.kill()
    assert b"rows were lost" in process.stderr.read()


def test_a_stop_is_heeded_while_brokers_do_not_answer(tmp_path):
    """`--exactly-once` waits for them before it reads anything: there is nothing to lose yet."""
    command = [binary(), "binlog", "--file", ROOT / "tests/data/binlog/shop.000001", "--exactly-once", "--sink", "kafka",
               "--kafka-bootstrap-servers", "127.0.0.1:1", "--log-level", "debug", "--log-file", tmp_path / "log"]
    process = subprocess.Popen(command, env=environment())
    try:
        within(lambda: (tmp_path / "log").exists() and "opening the sinks" in (tmp_path / "log").read_text(), "it opens the sinks")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
    assert "stopped before anything was read" in (tmp_path / "log").read_text()


def test_several_listeners_and_a_log_in_a_file(mysql, tmp_path):
    log = tmp_path / "log"
    command = [binary(), "proxy", "--listen", "127.0.0.1:0,127.0.0.2:0", "--upstream", mysql.address, "--log-file", log]
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        said = re.compile(r"listening on (127\.0\.0\.1:\d+), (127\.0\.0\.2:\d+)")
        within(lambda: log.exists() and said.search(log.read_text()), "it listens")
        for address in said.search(log.read_text()).groups():
            host, port = address.split(":")
            with socket.create_connection((host, int(port)), PATIENCE) as client:
                # The server's greeting: protocol 10.
                assert client.recv(5)[4] == 10
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
    assert process.stderr.read() == "" and "sink closed" in log.read_text()
    done = once("proxy", "--listen", "127.0.0.1:0", "--log-file", tmp_path / "none/log")
    assert done.returncode == 2 and "--log-file: cannot write to" in done.stderr, done


def test_files_of_an_earlier_version_are_read(tmp_path):
    """A checkpoint and a schema history that the version before positions has saved: reading continues after three of four rows."""
    for name in ("checkpoint", "checkpoint.schema"):
        shutil.copy(ROOT / "tests/data/earlier" / name, tmp_path)
    done = once("binlog", "--file", ROOT / "tests/data/binlog/shop.000001", "--checkpoint", tmp_path / "checkpoint")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and [(row["type"], row["before"]["customer"]) for row in rows] == [("delete", "Grace")], done
    # As of today's version.
    saved = json.loads((tmp_path / "checkpoint").read_text())
    assert (saved["file"], saved["offset"]) == ("binlog.000003", 4)


def test_a_pipe_that_stalls_is_no_success_and_its_rows_come_again(rows, tmp_path):
    """The account at the end is that of the destination, not of what was read; the checkpoint stays before what nobody has."""
    server, start = rows
    with server.root(database=DB) as cursor:
        cursor.execute("CREATE TABLE long_ (v LONGTEXT)")
        execute(cursor, *(["INSERT INTO long_ VALUES (REPEAT('y', 60000))"] * 4))
    pipe, checkpoint = tmp_path / "pipe", tmp_path / "checkpoint"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    command = [binary(), "binlog", "--source", f"mysql://app:app-secret@{server.address}", "--from", at(start), "--until", "now",
               "--include", f"{DB}.*", "--sink", f"ndjson:{pipe}", "--checkpoint", checkpoint]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment())
    try:
        within(lambda: any("pipe" in (task / "wchan").read_text() for task in threads(process)), "the sink waits for the pipe")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 1, process.stderr.read()
    finally:
        process.kill()
    log = process.stderr.read().decode()
    assert "finished=false" in log and "they come again at the next start" in log, log
    # What the pipe still has is whole lines and a torn one.
    first = [json.loads(line) for line in os.read(reader, 1 << 20).split(b"\n")[:-1]]
    os.set_blocking(reader, True)
    read = bytearray()
    drain = threading.Thread(target=lambda: [read.extend(piece) for piece in iter(lambda: os.read(reader, 1 << 16), b"")])
    if checkpoint.exists():
        command.remove("--from")
        command.remove(at(start))
    # A writer of our own: the pipe is not at its end before the program has opened it.
    writer = os.open(pipe, os.O_WRONLY)
    drain.start()
    try:
        process = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment())
        assert process.wait(PATIENCE) == 0, process.stderr.read()
    finally:
        os.close(writer)
    drain.join(PATIENCE)
    os.close(reader)
    again = [json.loads(line) for line in bytes(read).splitlines()]
    seen = {json.dumps(row["position"]) for row in first + again if row["type"] == "insert"}
    assert len(seen) == 24, (len(first), len(again))


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace shows in which order files get to the disk")
@pytest.mark.parametrize("fsync", [None, "always", "never"])
def test_rows_are_on_the_disk_before_the_checkpoint_says_so(rows, tmp_path, fsync):
    server, start = rows
    folder = tmp_path / "files"
    folder.mkdir()
    trace = tmp_path / "trace"
    command = ["strace", "-f", "-y", "-o", trace, "-e", "trace=write,fsync,fdatasync,rename",
               binary(), "binlog", "--source", f"mysql://app:app-secret@{server.address}", "--from", at(start), "--until", "now",
               "--include", f"{DB}.*", "--sink", f"ndjson:{folder}/rows.ndjson", "--checkpoint", folder / "checkpoint"]
    done = subprocess.run(command + (["--fsync", fsync] if fsync else []), capture_output=True, text=True, timeout=PATIENCE, env=environment())
    assert done.returncode == 0, done.stderr
    calls = []
    for line in trace.read_text().splitlines():
        if call := re.search(r"(write|fsync|fdatasync)\(\d+<[^>]*/rows.ndjson>", line):
            calls.append("write" if call[1] == "write" else "sync")
        elif "rename(" in line and "/checkpoint.new" in line:
            calls.append("checkpoint")
    assert "write" in calls and calls[-1] == "checkpoint", calls
    if fsync == "never":
        assert "sync" not in calls, calls
    else:
        before = calls[:calls.index("checkpoint")] if fsync == "always" else calls
        assert "sync" in calls and before[::-1].index("sync") < before[::-1].index("write"), calls


def threads(process):
    from pathlib import Path
    return list(Path(f"/proc/{process.pid}/task").iterdir())


# ---------------------------------------------------------------- inspect

def inspect(*options, given=""):
    return subprocess.run([binary(), "inspect", *options], input=given, capture_output=True, text=True, timeout=PATIENCE,
                          env={**environment(), "TZ": "UTC"})


def test_inspect_reads_standard_input():
    given = "".join(json.dumps(message) + "\n" for message in (STATEMENT, ROW)) + "\n" + json.dumps(STATEMENT)
    plain = inspect("-", given=given)
    assert plain.returncode == 0 and [json.loads(line) for line in plain.stdout.splitlines()] == [STATEMENT, ROW, STATEMENT], plain
    pretty = inspect("-", "--pretty", "--pretty-columns", "duration,rows", given=given).stdout.splitlines()
    assert pretty == [" 1.24 ms     3 rows  SELECT name FROM users WHERE id = ?  [7]",
                      "2026-11-21 05:40:46  update  shop.orders  id=7  0-1-2",
                      "    state: 'new' => 'paid'",
                      " 1.24 ms     3 rows  SELECT name FROM users WHERE id = ?  [7]"]
    # A message comes through as soon as it is there.
    process = subprocess.Popen([binary(), "inspect", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment())
    process.stdin.write(json.dumps(ROW) + "\n")
    process.stdin.flush()
    assert json.loads(process.stdout.readline()) == ROW
    process.stdin.close()
    assert process.wait(PATIENCE) == 0
    for options in (["--tail", "1"], ["--topic", "T"], ["--follow"]):
        done = inspect("-", *options)
        assert done.returncode == 2 and options[0] in done.stderr, done


def test_tail_counts_messages(kafka):
    """Not the marks of transactions, which have offsets too."""
    producer = confluent_kafka.Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": "test-tail"})
    producer.init_transactions(PATIENCE)
    topic = f"TAIL-{os.getpid()}"
    for number in range(6):
        producer.begin_transaction()
        producer.produce(topic, json.dumps({"debug": "tail", "number": number}), partition=0)
        if number == 4:
            # Nobody is to see it, and it is not to be counted.
            producer.abort_transaction(PATIENCE)
        else:
            producer.commit_transaction(PATIENCE)
    base = ["--bootstrap-servers", kafka.bootstrap, "--topic", topic]
    for tail, expected in ((0, []), (1, [5]), (3, [2, 3, 5]), (5, [0, 1, 2, 3, 5]), (100, [0, 1, 2, 3, 5])):
        done = inspect(*base, "--tail", str(tail))
        assert done.returncode == 0, done
        assert [json.loads(line)["number"] for line in done.stdout.splitlines()] == expected, (tail, done)


def test_a_topic_that_is_not_there_yet(kafka):
    topic = f"LATER-{os.getpid()}"
    base = ["--bootstrap-servers", kafka.bootstrap, "--topic", topic]
    done = inspect(*base)
    assert done.returncode == 1 and f"there is no topic {topic} yet: the first statement" in done.stderr, done
    process = subprocess.Popen([binary(), "inspect", *base, "--follow"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env=environment())
    try:
        assert "waiting for it" in process.stderr.readline()
        producer = confluent_kafka.Producer({"bootstrap.servers": kafka.bootstrap})
        producer.produce(topic, json.dumps(STATEMENT))
        assert producer.flush(PATIENCE) == 0
        assert json.loads(process.stdout.readline()) == STATEMENT
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0


def test_rows_of_a_topic_are_shown_as_rows(rows, binlogs, kafka):
    server, start = rows
    with server.root(database=DB) as cursor:
        cursor.execute("UPDATE t SET v = 'new' WHERE id = 3")
    for form in ("native", "debezium", "maxwell"):
        topic = f"SHOWN-{server.flavor}-{form}-{os.getpid()}"
        binlogs("--from", at(start), "--until", "now", "--include", f"{DB}.t", "--format", form, "--kafka-bootstrap-servers",
                kafka.bootstrap, "--kafka-topic", topic, server=server, sinks=["kafka"]).finish()
        done = inspect("--bootstrap-servers", kafka.bootstrap, "--topic", topic, "--pretty", "--tail", "1")
        assert f"update  {DB}.t" in done.stdout and f"    v: '{'x' * 90}' => 'new'" in done.stdout, (form, done)
