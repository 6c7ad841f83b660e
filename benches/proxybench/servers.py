"""The MySQL and the Kafka of the benchmark, through the project's own integration/servers scripts."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from .mysql import Connection
from .processes import BenchError
from .sysbench import Account

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = REPOSITORY / "integration" / "servers"
# The password makes each login the caching_sha2_password exchange that real clients do. The server's cache is warm
# after the first one, which sysbench's client library does over the server's RSA key: without TLS all along.
ACCOUNT = Account("app", "app-secret", "test")

# A benchmark of proxies, not of disks: what would make the server wait for its disk is eased. No more is tuned.
MYSQLD_OPTIONS = [
    "--max-connections=2000",
    "--disable-log-bin",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-buffer-pool-size=512M",
]


def cache_folder() -> Path:
    return Path(os.environ.get("INTERCEPTOR_CACHE") or REPOSITORY / ".cache")


def _script(name: str, *arguments: str) -> None:
    script = SCRIPTS / name
    if not script.exists():
        raise BenchError(f"{script} is missing")
    # Output goes to a file: the started server may hold a pipe open for as long as it lives.
    with tempfile.TemporaryFile("w+") as output:
        run = subprocess.Popen(
            [str(script), *arguments], stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        try:
            code = run.wait()
        except KeyboardInterrupt:
            # Half a start would leave a server with an unknown pid.
            run.wait()
            raise
        output.seek(0)
        if code:
            raise BenchError(f"{name} {' '.join(arguments)} failed:\n{output.read()}")


def _read_env(file: Path) -> dict[str, str]:
    """KEY=VALUE lines in shell quoting, with or without `export`."""
    values = {}
    for line in file.read_text().splitlines():
        for word in shlex.split(line, comments=True):
            key, found, value = word.partition("=")
            if found:
                values[key] = value
    return values


class Server:
    """A server that `script start FOLDER` starts and describes in FOLDER/env."""

    def __init__(self, script: str, folder: Path, *options: str):
        self._script, self._folder = script, folder
        self._running = True  # a start that was interrupted half-way has to be stopped too
        try:
            _script(script, "start", str(folder), *options)
            self.env = _read_env(folder / "env")
        except BaseException:
            self.stop()
            raise
        self.pid = int(self.env["PID"])

    def stop(self) -> None:
        if self._running:
            self._running = False
            try:
                _script(self._script, "stop", str(self._folder))
            except BenchError as error:
                print(f"warning: {error}")


class Mysql(Server):
    def __init__(self, folder: Path):
        super().__init__("mysql.sh", folder, *MYSQLD_OPTIONS)
        self.port = int(self.env["PORT"])

    @property
    def version(self) -> str:
        return self.env.get("VERSION", "?")

    def admin(self) -> Connection:
        return Connection(self.env["SOCKET"], "root")

    def create_probe_user(self, name: str) -> None:
        """A user without password and rights, to see whether a proxy lets logins through."""
        with self.admin() as connection:
            connection.query(f"CREATE USER IF NOT EXISTS '{name}'@'%' IDENTIFIED BY ''")


class Kafka(Server):
    def __init__(self, folder: Path):
        super().__init__("kafka.sh", folder)

    @property
    def bootstrap(self) -> str:
        return self.env["BOOTSTRAP"]

    @property
    def version(self) -> str:
        if "VERSION" in self.env:
            return self.env["VERSION"]
        try:
            command_line = Path(f"/proc/{self.pid}/cmdline").read_text().replace("\0", " ")
        except OSError:
            return "?"
        # The class path names kafka_2.13-4.2.0.jar or, as a wild card, the folder that holds it.
        for word in command_line.replace(":", " ").split():
            folder = Path(word).parent
            jars = [word] if "/kafka_2." in word else [str(jar) for jar in folder.glob("kafka_2.*.jar")] if word.endswith("*") else []
            for jar in jars:
                return Path(jar).stem.rpartition("-")[2]
        return "?"
