"""What recordings cost, how fast and how punctually they are done again, and what a mirror costs its clients.

Two throwaway MySQL servers, the proxy, sysbench and the player on the same machine. Prints Markdown tables; the cases are:

  record  CPU of the proxy a statement, in pairs with and without --record
  max     replay --speed max beside sysbench directly on the target, 16 connections
  one     replay --speed 1: by how much statements were late, and by whose fault
  proof   32 connections recorded and done again on the second server: errors, tables, bytes on disk
  memory  the player's largest resident memory for a short and a long recording
  mirror  clients' latency without a mirror, with one, and with one whose target is stopped
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import proxy_bench
from proxybench.paths import PROBE_USER, Interceptor, Programs
from proxybench.processes import BenchError, usage
from proxybench.servers import ACCOUNT, SCRIPTS, Mysql
from proxybench.sysbench import LOADS, Load, Sysbench, Tables, parse

WARM_UP = 1
WRITES = {"text": Load("writes_text", "oltp_read_write", "disable", "transaction"), "prepared": LOADS["read_write"]}
POINTS = {"text": LOADS["point_select_text"], "prepared": LOADS["point_select_prepared"]}
TABLES = Tables(count=4, rows=10_000)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=proxy_bench.comma_list(str, list(CASES)), default=list(CASES), metavar="CASE,..", help="cases (all)")
    parser.add_argument("--rounds", type=int, default=5, help="pairs of the case record (%(default)s)")
    parser.add_argument("--seconds", type=int, default=10, help="of a run, but for the proof (%(default)s)")
    parser.add_argument("--proof-seconds", type=int, default=60, help="of the proof's and of the long recording (%(default)s)")
    parser.add_argument("--binary", type=Path, default=Path("target/release/mysql-interceptor"), help="the program (%(default)s)")
    return parser.parse_args()


class Proxy(Interceptor):
    """Messages to nowhere, and whatever else it is to do."""

    stdout_to_null = True

    def __init__(self, programs: Programs, upstream: int, *options: str):
        super().__init__(programs, upstream)
        self.options = options

    def sink_arguments(self, folder: Path) -> list[str]:
        return ["--sink", "stdout", *self.options]


class Bench:
    def __init__(self, args: argparse.Namespace):
        self.args, self.programs = args, Programs.find(args.binary)
        for name in ("sysbench", "interceptor"):
            if not getattr(self.programs, name):
                raise BenchError(f"{name} is missing: integration/servers/install.sh sysbench, cargo build --release")
        # Not below a deep folder: a server's socket has a path of at most 107 characters.
        self.scratch = Path(tempfile.mkdtemp(prefix="replay-bench-"))
        self.servers: list[Mysql] = []
        self.sysbench = Sysbench(self.programs.sysbench, ACCOUNT, TABLES)
        self.numbers = iter(range(1_000_000))

    def set_up(self) -> None:
        for name in ("a", "b"):
            self.servers.append(Mysql(self.scratch / name))
            self.servers[-1].create_probe_user(PROBE_USER)
            # Also the first login of the user: from here on the server's password cache is warm.
            self.sysbench.prepare(self.servers[-1].port)
        self.source, self.target = self.servers

    def close(self) -> None:
        for server in self.servers:
            os.kill(server.pid, signal.SIGCONT)
            server.stop()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def folder(self) -> Path:
        return self.scratch / f"run{next(self.numbers)}"

    def load(self, load: Load, port: int, threads: int, seconds: int, *options: str):
        client = self.sysbench.start(load, port, threads, WARM_UP, seconds, *options)
        printed, _ = client.communicate(timeout=seconds + 120)
        if client.returncode:
            raise BenchError(f"sysbench ended with code {client.returncode}:\n{printed[-1500:]}")
        return parse(printed)

    def through(self, load: Load, threads: int, seconds: int, *proxy_options: str, options: tuple[str, ...] = ()):
        """A load through a proxy: what sysbench says, and microseconds of the proxy's CPU a query."""
        proxy = Proxy(self.programs, self.source.port, *proxy_options)
        proxy.start(self.folder())
        try:
            before = usage(proxy.process.pid).cpu
            outcome = self.load(load, proxy.port, threads, seconds, *options)
            cpu = usage(proxy.process.pid).cpu - before
        finally:
            proxy.stop()
        return outcome, cpu * 1e6 / max(1, outcome.queries_whole_run)

    def recorded(self, load: Load, threads: int, seconds: int, *options: str) -> Path:
        recording = self.folder()
        self.through(load, threads, seconds, "--record", str(recording), options=options)
        return recording

    def replay(self, recording: Path, *options: str) -> tuple[dict, int, float]:
        """The report of a replay on the target, the player's largest resident memory in bytes, and its CPU in seconds."""
        report = self.folder()
        log = open(self.scratch / "replay.log", "w+")
        argv = [self.programs.interceptor, "replay", str(recording), "--target", f"mysql://{ACCOUNT.user}@127.0.0.1:{self.target.port}",
                "--tls-mode", "disabled", "--report", str(report), *options]
        player = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "MYSQL_PWD": ACCOUNT.password})
        peak, cpu = 0, 0.0
        while player.poll() is None:
            used = usage(player.pid)
            peak, cpu = max(peak, used.rss_peak), max(cpu, used.cpu)
            time.sleep(0.05)
        if player.returncode:
            log.seek(0)
            raise BenchError(f"replay ended with code {player.returncode}:\n{log.read()[-1500:]}")
        return json.loads((report / "report.json").read_text()), peak, cpu

    def same_tables(self) -> None:
        """The target has the source's tables."""
        tool = lambda server, *argv, **files: subprocess.run(
            [SCRIPTS / "mysql.sh", "tool", argv[0], "--no-defaults", f"--socket={server.env['SOCKET']}", "--user=root", *argv[1:]],
            check=True, stderr=subprocess.DEVNULL, **files)
        dump = self.scratch / "dump.sql"
        with open(dump, "wb") as file:
            tool(self.source, "mysqldump", "--single-transaction", "--databases", ACCOUNT.database, stdout=file)
        with open(dump, "rb") as file:
            tool(self.target, "mysql", stdin=file, stdout=subprocess.DEVNULL)

    def checksums(self, server: Mysql) -> str:
        names = ", ".join(f"{ACCOUNT.database}.sbtest{number + 1}" for number in range(TABLES.count))
        with server.admin() as connection:
            return str(connection.query(f"CHECKSUM TABLE {names}"))


def table(head: list[str], rows: list[list[object]]) -> None:
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    print(flush=True)


def record(bench: Bench) -> None:
    rows = []
    for name, load in {**POINTS, "read_write": WRITES["prepared"]}.items():
        plain, extra = [], []
        for number in range(bench.args.rounds):
            # In alternating order, so that the drift of a shared machine hits both alike.
            pair = {}
            for records in (number % 2 == 0, number % 2 == 1):
                options = ("--record", str(bench.folder())) if records else ()
                _, pair[records] = bench.through(load, 16, bench.args.seconds, *options)
            plain.append(pair[False])
            extra.append(pair[True] - pair[False])
        rows.append([name, f"{statistics.median(plain):.1f}", f"{statistics.median(extra):+.1f}", f"{min(extra):+.1f} .. {max(extra):+.1f}"])
    table(["load", "us of CPU a query", "more with `--record`", "range of the pairs"], rows)


@contextlib.contextmanager
def cores_apart(pid: int):
    """The server has one core to itself, and whoever asks it another: as if they were two machines."""
    mine = os.sched_getaffinity(0)
    threads = lambda cores: [os.sched_setaffinity(int(thread), cores) for thread in os.listdir(f"/proc/{pid}/task")]
    threads({max(mine)})
    os.sched_setaffinity(0, {min(mine)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, mine)
        threads(mine)


def speed_max(bench: Bench) -> None:
    rows = []
    bench.same_tables()
    for name, load in POINTS.items():
        recording = bench.recorded(load, 16, bench.args.seconds)
        for cores, around in (("shared", contextlib.nullcontext()), ("one each", cores_apart(bench.target.pid))):
            with around:
                direct = bench.load(load, bench.target.port, 16, bench.args.seconds).queries_per_second
                report, _, cpu = bench.replay(recording, "--speed", "max")
            rate = report["statements"] / (report["observed"]["duration_ns"] / 1e9)
            cpu_us = f"{cpu * 1e6 / report['statements']:.1f}"
            rows.append([name, cores, f"{direct:.0f}", f"{rate:.0f}", f"{rate / direct:.2f}", cpu_us])
    table(["`--speed max`", "cores", "sysbench, queries/s", "replay, commands/s", "ratio", "player's CPU, us a command"], rows)


def speed_one(bench: Bench) -> None:
    rows = []
    for rate in (10, 60):
        recording = bench.recorded(WRITES["prepared"], 16, bench.args.seconds, f"--rate={rate}")
        bench.same_tables()
        report, _, _ = bench.replay(recording, "--speed", "1", "--allow-writes")
        late = report["lateness"]
        share = lambda who: f"{late['late_by_' + who] / max(1, late['scheduled']):.2%}"
        rows.append([f"{rate}/s", late["scheduled"], share("player"), share("target"), share("order"), f"{late['player']['p99_ns'] / 1e6:.2f}"])
    table(["`--speed 1`, transactions", "commands", "late by the player", "by the target", "by order", "p99 of the player's, ms"], rows)


def proof(bench: Bench) -> None:
    rows = []
    for name, load in WRITES.items():
        bench.same_tables()
        recording = bench.recorded(load, 32, bench.args.proof_seconds)
        size = sum(file.stat().st_size for file in recording.iterdir())
        report, _, _ = bench.replay(recording, "--speed", "max", "--commit-order", "tables", "--allow-writes")
        count = {key: value["count"] for key, value in report["classes"].items()}
        same = "the same" if bench.checksums(bench.source) == bench.checksums(bench.target) else "**different**"
        rows.append([name, report["statements"], f"{size / report['statements']:.1f}", f"{report['observed']['duration_ns'] / 1e9:.1f}",
                     count.get("error", 0), count.get("rows", 0), same])
    table(["32 connections", "statements", "bytes on disk, each", "replayed in s", "errors", "other rows", "`CHECKSUM TABLE`"], rows)


def memory(bench: Bench) -> None:
    rows = []
    for seconds in (bench.args.seconds, bench.args.proof_seconds):
        recording = bench.recorded(POINTS["prepared"], 16, seconds)
        report, peak, _ = bench.replay(recording, "--speed", "max")
        rows.append([f"{seconds} s", report["statements"], f"{peak / (1 << 20):.0f}"])
    table(["recording of", "statements", "player's largest RSS, MiB"], rows)


def mirror(bench: Bench) -> None:
    rows = []
    bench.same_tables()
    secret = bench.scratch / "mirror.pass"
    secret.write_text(ACCOUNT.password)
    secret.chmod(0o600)
    options = ("--mirror", f"mysql://{ACCOUNT.user}@127.0.0.1:{bench.target.port}", "--mirror-password-file", str(secret))
    for name, more, is_stopped in (("none", (), False), ("running", options, False), ("its target stopped", options, True)):
        if is_stopped:
            os.kill(bench.target.pid, signal.SIGSTOP)
        try:
            outcome, cpu = bench.through(POINTS["text"], 8, bench.args.seconds, *more, options=("--rate=800",))
        finally:
            os.kill(bench.target.pid, signal.SIGCONT)
        values = outcome.percentiles_ms
        rows.append([name, *(f"{values[rank]:.2f}" for rank in ("p50", "p95", "p99")), f"{cpu:.1f}"])
    table(["mirror", "p50 ms", "p95 ms", "p99 ms", "proxy's CPU, us a query"], rows)


CASES = {"record": record, "max": speed_max, "one": speed_one, "proof": proof, "memory": memory, "mirror": mirror}


def main() -> None:
    args = arguments()
    # A caller's time limit must not leave servers behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    bench = Bench(args)
    try:
        bench.set_up()
        for name in args.only:
            CASES[name](bench)
    finally:
        bench.close()


if __name__ == "__main__":
    main()
