"""The subcommand `binlog` under test: what it printed or wrote, as rows."""

import decimal
import json
import re
import signal
import subprocess
import time

import pymysql

from . import PATIENCE, run, within
from .proxy import binary, environment
from .servers import SCRIPTS

USER, PASSWORD = "app", "app-secret"


class FloatText(float):
    """A number with a point or an exponent that remembers how it was written."""

    def __new__(cls, text):
        number = super().__new__(cls, text)
        number.text = text
        return number

    @property
    def decimal(self):
        return decimal.Decimal(self.text)


def parse(line):
    return json.loads(line, parse_float=FloatText)


def source(server, user=USER):
    return f"mysql://{user}@{server.address}"


def position(server):
    """FILE and offset of the end of the server's binary log."""
    statement = "SHOW BINARY LOG STATUS" if server.flavor == "mysql" else "SHOW MASTER STATUS"
    return server.sql(statement)[0][:2]


def at(place):
    return f"{place[0]}:{place[1]}"


def execute(cursor, *statements):
    for statement in statements:
        cursor.execute(statement)
    return cursor.fetchall()


def numbers(cursor, *values):
    """A transaction for each value, in the table `t`."""
    for value in values:
        cursor.execute(f"INSERT INTO t (v) VALUES ({value})")


def executed(server):
    """The set of GTIDs the server has executed (MariaDB: its last position)."""
    if server.flavor == "mysql":
        return server.sql("SELECT @@GLOBAL.gtid_executed")[0][0].replace("\n", "")
    return server.sql("SELECT @@GLOBAL.gtid_binlog_pos")[0][0]


def files(server):
    return [row[0] for row in server.sql("SHOW BINARY LOGS")]


def file_path(server, name):
    return server.folder / "data" / name


def images_shown(server, path, *options):
    """The row images of a file as the server's own program shows them: for each row its kind, then for each image {column's number: text}.
    What a release leaves out of an image is not there."""
    program = "mysqlbinlog" if server.flavor == "mysql" else "mariadb-binlog"
    done = run([SCRIPTS / f"{server.flavor}.sh", "tool", program, "-vv", "--base64-output=decode-rows", *options, path], env=server.env)
    assert done.returncode == 0, done.stderr
    rows = []
    for line in done.stdout.splitlines():
        if kind := re.match(r"### (INSERT|UPDATE|DELETE)", line):
            rows.append([kind[1].lower()])
        elif line in ("### SET", "### WHERE"):
            rows[-1].append({})
        elif value := re.match(r"###   @(\d+)=(.*?)(?: /\* .* \*/)?$", line):
            rows[-1][-1][int(value[1])] = value[2]
    return rows


def dumps(server):
    """The connections to which the server sends its binary log. Of a reader that was killed it keeps one until it has something to send."""
    return {row[0] for row in server.sql("SELECT ID FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%'")}


def kill(server, connections):
    """Ends them; one may have ended by itself."""
    for id_ in connections:
        try:
            server.sql(f"KILL {id_}")
        except pymysql.MySQLError as error:
            assert error.args[0] == pymysql.constants.ER.NO_SUCH_THREAD, error


def purge(server):
    """Leaves only the last file, of two new ones, and returns its name. Nobody may be reading the log."""
    server.sql("FLUSH BINARY LOGS", "FLUSH BINARY LOGS")
    last = position(server)[0]

    def purged():
        # A file stays as long as it is being sent to a reader, and MariaDB's until the storage engine has reported that its transactions are safe.
        kill(server, dumps(server))
        server.sql(f"PURGE BINARY LOGS TO '{last}'")
        return files(server) == [last]

    within(purged, f"only {last} is left")
    return last


def identity(row):
    """What tells a row delivered twice from two rows."""
    place = row["gtid"] or (row["position"]["file"], row["position"]["offset"])
    return place, row["rowIndex"]


class Binlog:
    """The subcommand, running; its rows go to an NDJSON file unless sinks are given."""

    def __init__(self, folder, *options, server=None, files=(), sinks=None, env=None, stdin=None, user=USER, password=PASSWORD,
                 stdout=None, stderr=None):
        folder.mkdir(parents=True, exist_ok=True)
        self.ndjson = folder / "rows.ndjson"
        self.printed = folder / "stdout"
        self.log_path = folder / "log"
        command = [binary(), "binlog"]
        if server is not None:
            command += ["--source", source(server, user)]
        for name in files:
            command += ["--file", str(name)]
        for sink in [f"ndjson:{self.ndjson}"] if sinks is None else sinks:
            command += ["--sink", sink]
        self.command = command + [str(option) for option in options]
        # Connections of readers before this one.
        self.others = dumps(server) if server is not None else set()
        variables = {**({"MYSQL_PWD": password} if password is not None else {}), **(env or {})}
        out = open(self.printed, "wb") if stdout is None else stdout
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(self.command, stdin=stdin or subprocess.DEVNULL, stdout=out, stderr=log if stderr is None else stderr,
                                            env=environment(variables), cwd=folder)
        if stdout is None:
            out.close()

    @property
    def log(self):
        return re.sub(r"\x1b\[[0-9;]*m", "", self.log_path.read_text(errors="replace"))

    def lines(self, where=None, path=None):
        """Whole lines only: the last one may still be under way."""
        path = path or self.ndjson
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        found = [parse(line.decode("utf-8")) for line in lines]
        return [row for row in found if where is None or where(row)]

    def rows(self, table=None, path=None):
        return self.lines(lambda row: row["type"] in ("insert", "update", "delete") and table in (None, row["table"]), path)

    def ddl(self):
        return self.lines(lambda row: row["type"] == "ddl")

    def wait_rows(self, count, table=None, timeout=PATIENCE):
        """At least that many rows, or a failure that shows what there is."""
        end = time.monotonic() + timeout
        while True:
            found = self.rows(table)
            if len(found) >= count:
                return found
            assert self.process.poll() is None, f"it ended with {self.process.returncode}, {len(found)} of {count} rows:\n{self.log}"
            assert time.monotonic() < end, f"{len(found)} of {count} rows after {timeout} s:\n{self.log}"
            time.sleep(0.05)

    def own_dumps(self, server):
        assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.log}"
        return dumps(server) - self.others

    def wait_dump(self, server):
        """Until the server sends it the binary log."""
        within(lambda: self.own_dumps(server), "the server sends the binary log")
        return self

    def wait_log(self, text, timeout=PATIENCE):
        """Until the log has this text."""
        end = time.monotonic() + timeout
        while text not in self.log:
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.log}"
            assert time.monotonic() < end, f"no {text!r} in the log after {timeout} s:\n{self.log}"
            time.sleep(0.05)
        return self

    def kill_dump(self, server):
        """The server ends the connection over which it sends the binary log."""
        own = within(lambda: self.own_dumps(server), "the server sends the binary log")
        kill(server, own)
        self.others |= own

    def wait(self, timeout=PATIENCE):
        return self.process.wait(timeout)

    def finish(self, code=0, timeout=2 * PATIENCE):
        """Waits for it to end by itself, with that exit code."""
        try:
            ended = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still running after {timeout} s:\n{self.log}") from None
        assert "panicked" not in self.log, self.log
        assert ended == code, f"exit code {ended}, {code} expected:\n{self.log}"
        return self

    def refused(self, *patterns, timeout=PATIENCE):
        """It must end with an error that matches each of the patterns."""
        try:
            ended = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"no error after {timeout} s:\n{self.log}") from None
        assert "panicked" not in self.log, self.log
        assert ended in (1, 2), f"exit code {ended}:\n{self.log}"
        for pattern in patterns:
            assert re.search(pattern, self.log, re.I), f"no {pattern!r} in:\n{self.log}"
        return self

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, timeout=PATIENCE):
        """SIGTERM; it must write what it has and exit with 0."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.finish(timeout=timeout)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
