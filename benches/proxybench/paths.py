"""The ways from sysbench to the server. Each starts its proxy again for every run, so that the memory is of that run."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from .kafka import Topic
from .mysql import Connection, MysqlError
from .processes import BenchError, Process, free_port, usage, wait_for
from .servers import REPOSITORY, Kafka, cache_folder

PROBE_USER = "bench_probe"
TOPIC = "MYSQL_EVENTS"
MAX_CONNECTIONS = 4096
# No new message for this long after the load has ended means that none will come.
# Longer than the producer's default linger of 1 s and than a broker's hiccup.
DRAIN_PATIENCE = 5.0


@dataclass
class Programs:
    """Where the programs are; None: not on this machine."""

    sysbench: str | None
    haproxy: str | None
    router: str | None
    interceptor: str | None

    @classmethod
    def find(cls, interceptor: Path) -> "Programs":
        unpacked = sorted(cache_folder().glob("*/bin/mysqlrouter"))
        return cls(
            sysbench=os.environ.get("SYSBENCH") or shutil.which("sysbench"),
            haproxy=os.environ.get("HAPROXY") or shutil.which("haproxy") or _existing("/usr/sbin/haproxy"),
            router=os.environ.get("MYSQLROUTER") or shutil.which("mysqlrouter") or (str(unpacked[0]) if unpacked else None),
            interceptor=_existing(str(interceptor)),
        )


def _existing(path: str) -> str | None:
    return path if os.access(path, os.X_OK) else None


def version(program: str | None, *arguments: str) -> str:
    if program is None:
        return "not found"
    run = subprocess.run([program, *(arguments or ("--version",))], capture_output=True, text=True)
    text = (run.stdout or run.stderr).strip()
    return text.splitlines()[0] if text else "?"


class Route:
    """One way to the server. Subclasses say how the proxy is started and how its messages are counted."""

    name = ""
    needs_kafka = False

    def __init__(self, programs: Programs, upstream: int):
        self.programs, self.upstream = programs, upstream
        self.process: Process | None = None
        self.port = upstream

    def missing(self) -> str | None:
        """Why this path cannot be measured here, or None."""
        return None

    def start(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.port = free_port()
        argv, env = self.command(folder)
        self.process = Process(argv, folder / "log", env, stdout_to_null=self.stdout_to_null)
        wait_for(self._lets_logins_through, f"{self.name}: no login through it\n{self.process.log_tail()}", 20)

    stdout_to_null = False

    def command(self, folder: Path) -> tuple[list[str], dict[str, str] | None]:
        raise NotImplementedError

    def _lets_logins_through(self) -> bool:
        self.process.check_alive()
        try:
            Connection(("127.0.0.1", self.port), PROBE_USER).close()
        except (OSError, MysqlError):
            return False
        return True

    def messages(self) -> int | None:
        """Messages delivered to the sink since the start; None for a path without one."""
        return None

    def drain(self, expected: int) -> int | None:
        """Waits for the sink to hold `expected` messages or for it to stand still; the number it then holds."""
        seen, since = self.messages(), time.monotonic()
        while seen is not None and seen < expected and time.monotonic() - since < DRAIN_PATIENCE:
            time.sleep(0.1)
            if (now := self.messages()) != seen:
                seen, since = now, time.monotonic()
        return seen

    def usage(self):
        return usage(self.process.pid) if self.process else None

    def stop(self) -> None:
        if self.process:
            self.process.stop()
            self.process = None


class Direct(Route):
    name = "direct"

    def start(self, folder: Path) -> None:
        self.port = self.upstream


class Haproxy(Route):
    name = "haproxy"

    def missing(self) -> str | None:
        return None if self.programs.haproxy else "haproxy is not installed"

    def command(self, folder: Path):
        # TCP_NODELAY needs no line: HAProxy sets it on every TCP connection. Threads: its default, one per CPU.
        config = folder / "haproxy.cfg"
        config.write_text(
            f"""global
    maxconn {MAX_CONNECTIONS}
defaults
    mode tcp
    timeout connect 5s
    timeout client 10m
    timeout server 10m
listen mysql
    bind 127.0.0.1:{self.port}
    server mysql 127.0.0.1:{self.upstream}
"""
        )
        return [self.programs.haproxy, "-db", "-f", str(config)], None


class Router(Route):
    name = "router"

    def missing(self) -> str | None:
        return None if self.programs.router else "mysqlrouter is not installed (MYSQLROUTER=... names one)"

    def command(self, folder: Path):
        config = folder / "router.conf"
        lines = ["[DEFAULT]", f"logging_folder={folder}", f"runtime_folder={folder}", f"data_folder={folder}"]
        if plugins := self._plugin_folder():
            lines.append(f"plugin_folder={plugins}")
        lines += [
            f"max_total_connections={MAX_CONNECTIONS}",
            "[logger]",
            "level=WARNING",
            "[routing:mysql]",
            "bind_address=127.0.0.1",
            f"bind_port={self.port}",
            f"destinations=127.0.0.1:{self.upstream}",
            "routing_strategy=first-available",
            "protocol=classic",
            "client_ssl_mode=PASSTHROUGH",
            "server_ssl_mode=AS_CLIENT",
        ]
        config.write_text("\n".join(lines) + "\n")
        return [*self._program(), "-c", str(config)], None

    def _unpacked_root(self) -> Path:
        """Where a router unpacked beside the system by integration/servers/unpack.sh has its files."""
        return Path(self.programs.router).parent.parent / "root"

    def _program(self) -> list[str]:
        root = self._unpacked_root()
        loader = next(iter(root.glob("usr/lib*/ld-linux*.so.*")), None)
        if loader is None:
            return [self.programs.router]
        # The plug-ins' own libraries lie in a folder that is compiled in as an absolute path: name it to the loader.
        folders = {file.parent for pattern in ("libc.so.6", "libmysqlrouter*.so.*") for file in root.glob(f"usr/lib/**/{pattern}")}
        return [str(loader), "--library-path", ":".join(map(str, sorted(folders))), str(root / "usr/bin/mysqlrouter")]

    def _plugin_folder(self) -> Path | None:
        """Of an unpacked router: its compiled-in folder does not exist."""
        return next((plugin.parent for plugin in self._unpacked_root().glob("usr/lib/**/routing.so")), None)


class Interceptor(Route):
    """The proxy of this repository."""

    settings: dict[str, str] = {}

    def missing(self) -> str | None:
        return None if self.programs.interceptor else "the binary is missing: cargo build --release"

    def sink_arguments(self, folder: Path) -> list[str]:
        raise NotImplementedError

    def command(self, folder: Path):
        env = {
            key: value
            for key, value in os.environ.items()
            # What the user's shell sets would make the figures those of another configuration.
            if not key.startswith(("INTERCEPTOR_", "DEBUGQUERYINTERCEPTOR_"))
        }
        env.update(self.settings)
        argv = [
            self.programs.interceptor, "proxy", "--listen", f"127.0.0.1:{self.port}",
            "--upstream", f"127.0.0.1:{self.upstream}", *self.sink_arguments(folder),
        ]
        return argv, env


class OursOff(Interceptor):
    name = "ours-off"
    settings = {"DEBUGQUERYINTERCEPTOR_STATEMENTLOGGING": "false"}
    stdout_to_null = True

    def sink_arguments(self, folder: Path) -> list[str]:
        return ["--sink", "stdout"]


class OursFile(Interceptor):
    name = "ours-file"

    def sink_arguments(self, folder: Path) -> list[str]:
        self._folder = folder / "messages"
        self._folder.mkdir()
        self._counted: dict[int, tuple[int, int]] = {}  # by inode, which outlives a rotation: bytes read, lines seen
        return ["--sink", f"ndjson:{self._folder / 'messages.ndjson'}"]

    def messages(self) -> int:
        """Lines in the file and in those it was rotated to; reads only what has grown."""
        for file in self._folder.glob("*"):
            if file.suffix == ".audit":
                continue
            status = file.stat()
            at, lines = self._counted.get(status.st_ino, (0, 0))
            if status.st_size > at:
                with open(file, "rb") as stream:
                    stream.seek(at)
                    while chunk := stream.read(1 << 20):
                        at += len(chunk)
                        lines += chunk.count(b"\n")
                self._counted[status.st_ino] = (at, lines)
        return sum(lines for _, lines in self._counted.values())

    def stop(self) -> None:
        super().stop()
        if hasattr(self, "_folder"):
            # Hundreds of megabytes a run.
            shutil.rmtree(self._folder, ignore_errors=True)


class OursKafka(Interceptor):
    name = "ours-kafka"
    needs_kafka = True

    def use(self, kafka: Kafka) -> None:
        self._topic = Topic(kafka.bootstrap, TOPIC)
        self.settings = {"INTERCEPTOR_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap}
        wait_for(self._topic.partitions, f"the topic {TOPIC} does not appear", 20)

    def sink_arguments(self, folder: Path) -> list[str]:
        self._before = self._topic.end_offset()
        return []

    def messages(self) -> int:
        return self._topic.end_offset() - self._before

    def stop(self) -> None:
        super().stop()
        if hasattr(self, "_before"):
            self._topic.truncate()


class Spooled:
    """Beside a sink: the spool on the disk that $SPOOL_FOLDER names (the scratch folder's), at its default fsync."""

    spool: tuple[str, ...] = ()

    def sink_arguments(self, folder: Path) -> list[str]:
        self._spool = Path(os.environ.get("SPOOL_FOLDER") or folder) / f"spool-{os.getpid()}"
        return [*super().sink_arguments(folder), "--spool", str(self._spool), *self.spool]

    def stop(self) -> None:
        super().stop()
        if hasattr(self, "_spool"):
            shutil.rmtree(self._spool, ignore_errors=True)


class OursFileAsync(Spooled, OursFile):
    name = "ours-file-async"


class OursFileReply(Spooled, OursFile):
    name = "ours-file-reply"
    spool = ("--spool-mode", "reply")


class OursFileMarkers(OursFile):
    """A hash chain for each session; without a key, which costs something only for each marker."""

    name = "ours-file-markers"

    def sink_arguments(self, folder: Path) -> list[str]:
        return [*super().sink_arguments(folder), "--markers", "1s"]


class OursKafkaReply(Spooled, OursKafka):
    """What an audit has: nothing that a client knows is lost, and each statement's value is hidden."""

    name = "ours-kafka-reply"
    spool = ("--spool-mode", "reply", "--redact-keys", "id")


# What is measured where nothing is said; the others are asked for by name.
PATHS = {path.name: path for path in (Direct, Haproxy, Router, OursOff, OursFile, OursKafka)}
MORE_PATHS = {path.name: path for path in (OursFileAsync, OursFileReply, OursFileMarkers, OursKafkaReply)}

__all__ = ["MORE_PATHS", "PATHS", "PROBE_USER", "REPOSITORY", "BenchError", "Programs", "version"]
