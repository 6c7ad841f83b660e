"""The proxy under test."""

import json
import os
import re
import signal
import subprocess
import time

import pymysql

from . import PATIENCE, ROOT, missing, run

FIELDS = ["timestamp", "serverHost", "serverVersion", "user", "client", "dbName", "stmtDbName", "debug", "connectionId", "totalPoolCount",
          "executionCount", "serverFlags", "clientFlags", "iFlags", "defaultTZ", "serverTZ", "isolationLvl", "durationNs", "updateCount",
          "sql", "queryParams", "errorMessage", "serverInfo"]


# For tests that hold messages against what was sent, or against the server's log: nothing is held back or hidden.
AS_SENT = ["--buffer-until-commit=false", "--redact-keys="]


def binary():
    path = os.environ.get("INTERCEPTOR_BINARY") or str(ROOT / "target/debug/mysql-interceptor")
    if not os.access(path, os.X_OK):
        missing(f"the proxy's binary {path} (build it, or set INTERCEPTOR_BINARY)")
    return path


def environment(extra=None):
    """This process's environment without any of the proxy's own variables."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("INTERCEPTOR_", "DEBUGQUERY", "SERVICE_NAME"))}
    return {**kept, **(extra or {})}


class Messages:
    """The messages in an NDJSON file or in what the proxy printed."""

    def __init__(self, path):
        self.path = path

    def lines(self):
        """Whole lines only: the last one may still be under way."""
        if not self.path.exists():
            return []
        return self.path.read_bytes().decode("utf-8").split("\n")[:-1]

    def all(self, where=None):
        found = [json.loads(line) for line in self.lines()]
        return [message for message in found if where is None or where(message)]

    def sql(self, text):
        return self.all(lambda message: message["sql"] == text)

    def wait(self, count, where=None, timeout=PATIENCE):
        """At least `count` messages (for which `where` holds), or a failure that shows what there is."""
        end = time.monotonic() + timeout
        while True:
            found = self.all(where)
            if len(found) >= count:
                return found
            assert time.monotonic() < end, f"{len(found)} of {count} messages after {timeout} s: {[m['sql'] for m in self.all()][-30:]}"
            time.sleep(0.05)


class Proxy:
    """A running proxy; `messages` are in an NDJSON file unless sinks are given."""

    def __init__(self, upstream, folder, *options, env=None, sinks=None, ready=True):
        folder.mkdir(parents=True, exist_ok=True)
        self.upstream = upstream if isinstance(upstream, str) else upstream.address
        self.messages = Messages(folder / "messages.ndjson")
        self.printed = Messages(folder / "stdout")
        self.log_path = folder / "log"
        sinks = [f"ndjson:{self.messages.path}"] if sinks is None else sinks
        command = [binary(), "proxy", "--upstream", self.upstream]
        if "--listen" not in options:
            command += ["--listen", "127.0.0.1:0"]
        for sink in sinks:
            command += ["--sink", sink]
        self.command = command + [str(option) for option in options]
        with open(self.printed.path, "wb") as out, open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=out, stderr=log, env=environment(env), cwd=folder)
        self.host, self.port = "127.0.0.1", None
        if ready:
            self.wait_ready()

    @property
    def log(self):
        return re.sub(r"\x1b\[[0-9;]*m", "", self.log_path.read_text(errors="replace"))

    def wait_log(self, pattern, timeout=PATIENCE):
        end = time.monotonic() + timeout
        while True:
            found = re.search(pattern, self.log)
            if found:
                return found
            assert self.process.poll() is None, f"the proxy ended with {self.process.returncode}:\n{self.log}"
            assert time.monotonic() < end, f"no {pattern!r} in the log after {timeout} s:\n{self.log}"
            time.sleep(0.02)

    def wait_ready(self):
        self.port = int(self.wait_log(r"listening on \S*:(\d+)").group(1))

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def connect(self, **options):
        options = {"user": "app", "password": "app-secret", "database": "test", "autocommit": True, "connect_timeout": PATIENCE, **options}
        if "ssl" not in options:
            options["ssl_disabled"] = True
        return pymysql.connect(host=self.host, port=self.port, **options)

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, timeout=PATIENCE):
        return self.process.wait(timeout)

    def stop(self, timeout=PATIENCE):
        """SIGTERM; the proxy must drain and exit with 0."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        code = self.wait(timeout)
        assert code == 0, f"exit code {code}:\n{self.log}"
        assert "panicked" not in self.log, self.log

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def sockets(self):
        """How many it has open: with each session there are two more."""
        folder, found = f"/proc/{self.process.pid}/fd", 0
        for name in os.listdir(folder):
            try:
                found += os.readlink(f"{folder}/{name}").startswith("socket:")
            except FileNotFoundError:
                pass  # closed since
        return found

    def usage(self):
        """How many open files and threads it has."""
        return [len(os.listdir(f"/proc/{self.process.pid}/{what}")) for what in ("fd", "task")]

    def counter(self, name):
        """A counter from the last log line, after the stop."""
        found = re.findall(rf"\b{name}=(\d+)", self.log)
        assert found, f"no counter {name} in the log:\n{self.log}"
        return int(found[-1])


def once(*options, env=None, timeout=PATIENCE):
    """Runs the program where it is expected to end by itself."""
    return run([binary(), *options], env=environment(env), timeout=timeout)
