"""Start, meter and stop processes, each by its own pid."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """A failure whose text tells the person at the terminal what to do."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Usage:
    """What a process and its descendants used so far, in seconds, and hold now, in bytes."""

    user: float
    system: float
    rss: int
    rss_peak: int

    @property
    def cpu(self) -> float:
        return self.user + self.system


def _stat_fields(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name in parentheses may hold blanks; what follows it starts at field 3 of proc(5).
    return text.rpartition(")")[2].split()


def _with_descendants(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (fields := _stat_fields(int(entry))):
            children.setdefault(int(fields[1]), []).append(int(entry))
    family, queue = [], [root]
    while queue:
        pid = queue.pop()
        family.append(pid)
        queue.extend(children.get(pid, []))
    return family


def usage(root: int) -> Usage:
    """CPU (all threads, living descendants, and children already waited for) and memory of `root`."""
    total = Usage(0.0, 0.0, 0, 0)
    for pid in _with_descendants(root):
        fields = _stat_fields(pid)
        if not fields:
            continue
        utime, stime, cutime, cstime = (int(value) for value in fields[11:15])
        total.user += (utime + cutime) / TICKS
        total.system += (stime + cstime) / TICKS
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        for line in status.splitlines():
            if line.startswith("VmRSS:"):
                total.rss += int(line.split()[1]) * 1024
            elif line.startswith("VmHWM:"):
                total.rss_peak += int(line.split()[1]) * 1024
    return total


class Process:
    """A started program that is stopped by its pid."""

    def __init__(self, argv: list[str], log: Path, env: dict[str, str] | None = None, stdout_to_null: bool = False):
        self.argv = argv
        self.log = log
        with open(log, "ab") as sink:
            self.popen = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL if stdout_to_null else sink,
                stderr=sink,
                env=env,
                # Ctrl-C reaches only the harness, which then stops everything in order.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.popen.pid

    def log_tail(self, lines: int = 15) -> str:
        try:
            text = self.log.read_text(errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def check_alive(self) -> None:
        if (code := self.popen.poll()) is not None:
            raise BenchError(f"{self.argv[0]} ended with code {code}:\n{self.log_tail()}")

    def stop(self, patience: float = 15.0) -> None:
        if self.popen.poll() is not None:
            return
        self.popen.send_signal(signal.SIGTERM)
        try:
            self.popen.wait(patience)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


def wait_for(condition, what: str, patience: float, pause: float = 0.05) -> None:
    """Polls `condition` until it is true; a `BenchError` that names `what` after `patience` seconds."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise BenchError(f"{what}: nothing after {patience:.0f} s")
        time.sleep(pause)
