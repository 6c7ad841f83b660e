#!/usr/bin/env python3
"""Two builds of the program side by side: has a change made it faster or slower?

Every round runs both binaries, in alternating order, so that the drift of a shared machine hits both alike; the ratio is the median of the
ratios within a round. Prints a Markdown table: statements to a file and to Kafka beside HAProxy, 540,000 row images to several sinks, the
memory of idle sessions and, with --trees, how long a build takes. Servers are throwaway ones.

  benches/compare.py /tmp/before /tmp/after
  benches/compare.py --only rows --rounds 9 /tmp/before /tmp/after
  benches/compare.py --only builds --trees /tmp/old-checkout . /tmp/before /tmp/after
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import binlog_bench
import proxy_bench
from proxybench import report
from proxybench.mysql import Connection
from proxybench.paths import PROBE_USER, Haproxy, OursFile, OursKafka, Programs
from proxybench.processes import BenchError
from proxybench.servers import SCRIPTS, Kafka
from proxybench.sysbench import LOADS

PARTS = ("statements", "rows", "memory", "builds")
SIDES = ("before", "after")
ROW_PATHS = {"ndjson": "to NDJSON", "null": "to /dev/null", "file": "from a file, to /dev/null", "parquet": "to Parquet", "kafka": "to Kafka"}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, help="a binary")
    parser.add_argument("after", type=Path, help="the other one")
    parser.add_argument("--only", type=proxy_bench.comma_list(str, PARTS), default=["statements", "rows", "memory"], metavar="PART,..",
                        help=f"parts: {','.join(PARTS)} (all but builds)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each (%(default)s)")
    parser.add_argument("--seconds", type=int, default=5, help="measured seconds of a run of statements (%(default)s)")
    parser.add_argument("--connections", type=int, default=16, help="of sysbench (%(default)s)")
    parser.add_argument("--sessions", type=int, default=500, help="idle ones (%(default)s)")
    parser.add_argument("--trees", type=Path, nargs=2, metavar=SIDES, help="checkouts to build, for the part builds")
    parser.add_argument("--profiles", type=proxy_bench.comma_list(str), default=["release", "quick"], help="what to build (release,quick)")
    args = parser.parse_args()
    if "builds" in args.only and not args.trees:
        parser.error("the part builds needs --trees")
    return args


class Table:
    """Rows of figures, one for each side and round."""

    def __init__(self):
        self.lines = ["| what | before | after | after / before, least to most |", "|---|---:|---:|---:|"]

    def add(self, what: str, figures: dict[str, list[float]], layout: str) -> None:
        before, after = (figures[side] for side in SIDES)
        if not before or len(before) != len(after):
            self.lines.append(f"| {what} | failed | | |")
            return
        ratios = [new / old for old, new in zip(before, after) if old]
        spread = f"{statistics.median(ratios):.2f}, {min(ratios):.2f} - {max(ratios):.2f}" if ratios else "-"
        self.lines.append(f"| {what} | {statistics.median(before):{layout}} | {statistics.median(after):{layout}} | {spread} |")

    def show(self) -> None:
        print("\n".join(self.lines), flush=True)


def turns(rounds: int):
    """The sides in alternating order, for each round."""
    for number in range(rounds):
        yield number, SIDES if number % 2 == 0 else SIDES[::-1]


class Statements(proxy_bench.Bench):
    """The proxy benchmark with each of our paths twice, once for each binary."""

    def __init__(self, args: argparse.Namespace):
        super().__init__(argparse.Namespace(only=["haproxy"], binary=args.before, tables=4, table_size=50_000, seconds=args.seconds,
                                            rounds=args.rounds, during=None, around=None, keep=False))
        self.options = args

    def ours(self, kind: type, side: str):
        route = kind(Programs.find(getattr(self.options, side).resolve()), self.mysql.port)
        route.name = f"{kind.name}-{side}"
        if route.missing():
            raise BenchError(f"{getattr(self.options, side)}: {route.missing()}")
        if route.needs_kafka:
            route.use(self.kafka)
        return route

    def measure(self, table: Table) -> None:
        self.kafka = Kafka(self.scratch / "kafka")
        mine = {(kind.name, side): self.ours(kind, side) for kind in (OursFile, OursKafka) for side in SIDES}
        beside = [route for route in self.routes if isinstance(route, Haproxy)]
        self.routes += mine.values()
        for load in (LOADS["point_select_text"], LOADS["point_select_prepared"]):
            for number, sides in turns(self.options.rounds):
                for route in beside + [mine[kind.name, side] for kind in (OursFile, OursKafka) for side in sides]:
                    self.runs.append(self._measure_or_note(route, load, self.options.connections, number))
            runs = {route.name: [run for run in self.runs if run["path"] == route.name and run["load"] == load.name] for route in self.routes}
            for kind, sink in ((OursFile, "file"), (OursKafka, "Kafka")):
                self.add(table, f"{load.name}, to {'a ' if sink == 'file' else ''}{sink}", {side: runs[f"{kind.name}-{side}"] for side in SIDES},
                         runs.get("haproxy", []))

    @staticmethod
    def add(table: Table, what: str, runs: dict[str, list[dict]], haproxy: list[dict]) -> None:
        good = {side: [run for run in found if "error" not in run] for side, found in runs.items()}
        for key, name, layout in (("cpu_us", "CPU µs a query", ".1f"), ("qps", "queries/s", ",.0f"), ("p99", "p99 ms", ".2f")):
            table.add(f"{what}: {name}", {side: [run[key] for run in good[side]] for side in SIDES}, layout)
        for key, name in (("cpu_us", "CPU against HAProxy's"), ("qps", "queries/s against HAProxy's")):
            ratios = {side: report.ratios(good[side], haproxy, key) for side in SIDES}
            if all(ratios.values()):
                table.add(f"{what}: {name}", ratios, ".2f")

    def idle(self, table: Table) -> None:
        """What sessions cost that do nothing: memory of the proxy with them, less that before."""
        resident = {side: [] for side in SIDES}
        for number, sides in turns(self.options.rounds):
            for side in sides:
                route = self.ours(OursFile, side)
                route.start(self.scratch / "idle" / f"{number}-{side}")
                try:
                    empty = route.usage().rss
                    clients = [Connection(("127.0.0.1", route.port), PROBE_USER) for _ in range(self.options.sessions)]
                    for client in clients:
                        client.query("SELECT 1")
                    time.sleep(1)
                    resident[side].append((route.usage().rss - empty) / 1024 / self.options.sessions)
                    for client in clients:
                        client.close()
                finally:
                    route.stop()
        table.add(f"{self.options.sessions} idle sessions: KiB each", resident, ".1f")


class Rows(binlog_bench.Bench):
    """The binlog benchmark, with the binary of the side whose turn it is."""

    def __init__(self, args: argparse.Namespace, folder: Path, kafka: str):
        super().__init__(argparse.Namespace(binary=args.before, kafka=kafka, timeout=300), folder)
        self.binaries = {side: getattr(args, side).resolve() for side in SIDES}

    def compare(self, table: Table, rounds: int) -> None:
        self.prepare()
        for path, name in ROW_PATHS.items():
            runs = {side: [] for side in SIDES}
            for number, sides in turns(rounds):
                for side in sides:
                    self.args.binary = self.binaries[side]
                    try:
                        runs[side].append(self.measure(path))
                        proxy_bench.progress(f"{path}, round {number + 1}, {side}: {runs[side][-1]['wall']:.2f} s")
                    except RuntimeError as problem:
                        proxy_bench.progress(str(problem))
            what = f"{self.rows:,} row images {name}"
            table.add(f"{what}: rows/s", {side: [self.rows / run["wall"] for run in runs[side]] for side in SIDES}, ",.0f")
            table.add(f"{what}: CPU s", {side: [run["user"] + run["system"] for run in runs[side]] for side in SIDES}, ".2f")
            table.add(f"{what}: peak MiB", {side: [run["rss"] for run in runs[side]] for side in SIDES}, ".0f")


def builds(args: argparse.Namespace, table: Table) -> None:
    """From nothing, with the sources of all dependencies at hand."""
    for profile in args.profiles:
        seconds = {}
        for side, tree in zip(SIDES, args.trees):
            with tempfile.TemporaryDirectory(prefix="compare-build-") as target:
                subprocess.run(["cargo", "fetch", "--locked"], cwd=tree, check=True)
                began = time.monotonic()
                subprocess.run(["cargo", "build", "--locked", "--offline", "--profile", profile, "--target-dir", target], cwd=tree, check=True)
                seconds[side] = [time.monotonic() - began]
        table.add(f"build, profile {profile}: seconds", seconds, ".0f")


def main() -> int:
    args = arguments()
    subprocess.run([SCRIPTS / "install.sh", "mysql", "kafka", "bench"], check=True)
    # Two sockets for each session, here and in the proxies.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    table, statements, rows, kafka = Table(), None, None, None
    folder = Path(tempfile.mkdtemp(prefix="compare-rows-"))
    try:
        if {"statements", "memory"} & set(args.only):
            statements = Statements(args)
            statements.set_up()
            if "statements" in args.only:
                statements.measure(table)
            if "memory" in args.only:
                statements.idle(table)
        if "rows" in args.only:
            if not (statements and statements.kafka):
                kafka = Kafka(folder / "kafka")
            rows = Rows(args, folder, (kafka or statements.kafka).bootstrap)
            rows.compare(table, args.rounds)
        if "builds" in args.only:
            builds(args, table)
    except BenchError as error:
        proxy_bench.progress(f"error: {error}")
        return 1
    finally:
        if rows:
            rows.server.stop()
        if kafka:
            kafka.stop()
        if statements:
            statements.close()
        shutil.rmtree(folder, ignore_errors=True)
        table.show()
    return 0


if __name__ == "__main__":
    sys.exit(main())
