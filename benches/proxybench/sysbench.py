"""One run of sysbench: a warm-up, then a measured window with its own counters and latency histogram."""

from __future__ import annotations

import math
import re
import subprocess
from dataclasses import dataclass

from .processes import BenchError

CHECKPOINT = "Checkpoint report:"


@dataclass(frozen=True)
class Load:
    name: str
    script: str
    ps_mode: str
    unit: str  # what one latency is of


LOADS = {
    load.name: load
    for load in (
        Load("point_select_text", "oltp_point_select", "disable", "query"),
        Load("point_select_prepared", "oltp_point_select", "auto", "query"),
        Load("read_write", "oltp_read_write", "auto", "transaction of 20 queries"),
    )
}


@dataclass(frozen=True)
class Account:
    user: str
    password: str
    database: str


@dataclass(frozen=True)
class Tables:
    count: int
    rows: int


@dataclass
class Outcome:
    queries_per_second: float
    queries: int  # in the measured window
    queries_whole_run: int  # warm-up included
    events: int
    ignored_errors: int  # whole run: deadlocks and lock wait timeouts that sysbench retries
    reconnects: int
    percentiles_ms: dict[str, float]
    histogram: list[tuple[float, int]]  # upper bound in ms, events


class Sysbench:
    def __init__(self, program: str, account: Account, tables: Tables):
        self._program, self._account, self._tables = program, account, tables

    def _argv(self, script: str, port: int, threads: int, *options: str) -> list[str]:
        account = self._account
        return [
            self._program, script, "--db-driver=mysql", "--mysql-host=127.0.0.1", f"--mysql-port={port}",
            f"--mysql-user={account.user}", f"--mysql-password={account.password}", f"--mysql-db={account.database}",
            "--mysql-ssl=off", f"--tables={self._tables.count}", f"--table-size={self._tables.rows}",
            f"--threads={threads}", *options,
        ]

    def prepare(self, port: int) -> None:
        threads = min(self._tables.count, 4)
        # Tables of an interrupted run would make `prepare` fail.
        for command in ("cleanup", "prepare"):
            run = subprocess.run(
                self._argv("oltp_read_write", port, threads) + [command], capture_output=True, text=True
            )
            if run.returncode:
                raise BenchError(f"sysbench {command} failed:\n{run.stdout}{run.stderr}")

    def start(self, load: Load, port: int, threads: int, warm_up: int, seconds: int, *options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self._argv(
                load.script, port, threads, f"--time={warm_up + seconds}", f"--report-checkpoints={warm_up}",
                "--histogram=on", "--rand-type=uniform", f"--db-ps-mode={load.ps_mode}", *options, "run",
            ),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        )


def parse(output: str) -> Outcome:
    """Reads what sysbench 1.0 prints: the checkpoint's report, the histogram since it, and the report since it."""
    before, found, after = output.partition(CHECKPOINT)
    if not found:
        raise BenchError(f"sysbench printed no checkpoint report:\n{output[-2000:]}")
    warm_up, histogram_text = after, ""
    if (split := re.search(r"^Latency histogram.*$", after, re.MULTILINE)) is None:
        raise BenchError(f"sysbench printed no histogram:\n{output[-2000:]}")
    warm_up, rest = after[: split.start()], after[split.end() :]
    histogram_text, found, measured = rest.partition("SQL statistics:")
    if not found:
        raise BenchError(f"sysbench printed no final report:\n{output[-2000:]}")
    histogram = [
        (float(value), int(count))
        for value, count in re.findall(r"^\s*([\d.]+) \|[* ]*\s(\d+)$", histogram_text, re.MULTILINE)
    ]
    queries, rate = _counter(measured, "queries")
    events, _ = _counter(measured, "transactions")
    return Outcome(
        queries_per_second=rate,
        queries=queries,
        queries_whole_run=queries + _counter(warm_up, "queries")[0],
        events=events,
        ignored_errors=_counter(measured, "ignored errors")[0] + _counter(warm_up, "ignored errors")[0],
        reconnects=_counter(measured, "reconnects")[0] + _counter(warm_up, "reconnects")[0],
        percentiles_ms={f"p{rank}": percentile(histogram, rank) for rank in (50, 95, 99)},
        histogram=histogram,
    )


def _counter(report: str, name: str) -> tuple[int, float]:
    match = re.search(rf"^ *{name}: +(\d+) +\(([\d.]+) per sec\.\)", report, re.MULTILINE)
    if match is None:
        raise BenchError(f"sysbench's report has no line `{name}`:\n{report[:2000]}")
    return int(match[1]), float(match[2])


def percentile(histogram: list[tuple[float, int]], rank: float) -> float:
    """The value below which `rank` percent of the events lie; sysbench's classes are 1.8 % wide."""
    total = sum(count for _, count in histogram)
    wanted, seen = math.ceil(total * rank / 100), 0
    for value, count in histogram:
        seen += count
        if seen >= wanted > 0:
            return value
    return math.nan
