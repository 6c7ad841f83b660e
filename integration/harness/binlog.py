"""The subcommand `binlog` under test: what it printed or wrote, as rows."""

import decimal
import json
import re
import signal
import subprocess
import time

from .proxy import binary, environment

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

    def wait_rows(self, count, table=None, timeout=30):
        """At least that many rows, or a failure that shows what there is."""
        end = time.monotonic() + timeout
        while True:
            found = self.rows(table)
            if len(found) >= count:
                return found
            assert self.process.poll() is None, f"it ended with {self.process.returncode}, {len(found)} of {count} rows:\n{self.log}"
            assert time.monotonic() < end, f"{len(found)} of {count} rows after {timeout} s:\n{self.log}"
            time.sleep(0.05)

    def wait_dump(self, server, timeout=20):
        """Until the server sends it the binary log."""
        end = time.monotonic() + timeout
        while not server.sql("SELECT ID FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%'"):
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.log}"
            assert time.monotonic() < end, f"no dump after {timeout} s:\n{self.log}"
            time.sleep(0.05)
        return self

    def wait_log(self, text, timeout=60):
        """Until the log has this text."""
        end = time.monotonic() + timeout
        while text not in self.log:
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.log}"
            assert time.monotonic() < end, f"no {text!r} in the log after {timeout} s:\n{self.log}"
            time.sleep(0.05)
        return self

    def wait(self, timeout=60):
        return self.process.wait(timeout)

    def finish(self, code=0, timeout=120):
        """Waits for it to end by itself, with that exit code."""
        try:
            ended = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still running after {timeout} s:\n{self.log}") from None
        assert "panicked" not in self.log, self.log
        assert ended == code, f"exit code {ended}, {code} expected:\n{self.log}"
        return self

    def refused(self, *patterns, timeout=60):
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

    def stop(self, timeout=40):
        """SIGTERM; it must write what it has and exit with 0."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.finish(timeout=timeout)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
