#!/usr/bin/env python3
"""What a proxy in front of MySQL costs: throughput, latency, CPU and memory of several proxies, in turns.

Every round visits every path once, in rotating order and in short runs, so that the drift of a shared machine
hits all of them alike; ratios are taken within a round. benches/README.md explains the columns.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime, timezone
from pathlib import Path

from proxybench import report
from proxybench.kafka import KafkaError
from proxybench.mysql import MysqlError, statements_executed
from proxybench.paths import MORE_PATHS, PATHS, PROBE_USER, Programs, version
from proxybench.processes import BenchError, usage
from proxybench.servers import ACCOUNT, MYSQLD_OPTIONS, REPOSITORY, Kafka, Mysql
from proxybench.sysbench import CHECKPOINT, LOADS, Load, Sysbench, Tables, parse

WARM_UP = 1  # seconds; sysbench takes whole ones
CONNECTIONS = (1, 16, 256)
# What a transaction of oltp_read_write has sent at most when its commit is refused: all but that commit.
STATEMENTS_BEFORE_ROLLBACK = 19
# What ends one run but not the benchmark.
RUN_ERRORS = (BenchError, MysqlError, KafkaError, OSError)
RESULTS = Path(__file__).resolve().parent / "results" / "latest.json"


def say(text: str = "") -> None:
    print(text, flush=True)


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def comma_list(kind, known=None):
    def convert(text: str):
        values = [kind(word.strip()) for word in text.split(",") if word.strip()]
        for value in values:
            if known is not None and value not in known:
                raise argparse.ArgumentTypeError(f"{value!r} is not one of {', '.join(known)}")
        return values

    return convert


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=comma_list(str, PATHS | MORE_PATHS), default=list(PATHS), metavar="PATH,..", help=f"paths: {','.join(PATHS)}; and by name only: {','.join(MORE_PATHS)}")
    parser.add_argument("--loads", type=comma_list(str, LOADS), default=list(LOADS), metavar="LOAD,..", help=f"loads: {','.join(LOADS)}")
    parser.add_argument("--connections", type=comma_list(int), default=list(CONNECTIONS), metavar="N,..", help="sysbench threads (1,16,256)")
    parser.add_argument("--rounds", type=int, help="rounds per load and number of connections (3; 1 with --quick)")
    parser.add_argument("--seconds", type=int, help=f"measured seconds of a run, after {WARM_UP} s of warm-up (6; 2 with --quick)")
    parser.add_argument("--quick", action="store_true", help="1 round of 2 s: checks that all works, the figures mean little")
    parser.add_argument("--binary", type=Path, default=REPOSITORY / "target/release/mysql-interceptor", help="the proxy to measure as ours-*")
    parser.add_argument("--tables", type=int, default=4)
    parser.add_argument("--table-size", type=int, default=50_000, help="rows of a table")
    parser.add_argument("--during", metavar="COMMAND", help="shell command to start with each measured window; gets PROXY_PID (of mysqld for direct) and SECONDS_MEASURED")
    parser.add_argument("--around", metavar="COMMAND", help="the same, but started 1 s before sysbench and sent SIGINT after it")
    parser.add_argument("--output", type=Path, default=RESULTS, help="raw figures as JSON (%(default)s)")
    parser.add_argument("--keep", action="store_true", help="keep the scratch folder with all logs")
    args = parser.parse_args()
    args.rounds = args.rounds or (1 if args.quick else 3)
    args.seconds = args.seconds or (2 if args.quick else 6)
    return args


def first_line(command: list[str]) -> str:
    try:
        run = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    except OSError:
        return "?"
    text = (run.stdout or run.stderr).strip()
    return text.splitlines()[0] if text else "?"


def cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def describe(args: argparse.Namespace, programs: Programs, mysql: Mysql, kafka: Kafka | None) -> dict[str, str]:
    memory_kib = int(Path("/proc/meminfo").read_text().split()[1])
    facts = {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "command": "benches/run.sh " + " ".join(sys.argv[1:]),
        "CPU": f"{cpu_model()}, {os.cpu_count()} cores, shared by client, proxy, server and broker",
        "memory": f"{memory_kib / (1 << 20):.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "load average at the start": " ".join(f"{value:.2f}" for value in os.getloadavg()),
        "MySQL": f"{mysql.version}, {' '.join(MYSQLD_OPTIONS)}",
        "sysbench": f"{version(programs.sysbench)}, {args.tables} tables of {args.table_size} rows, uniform, --mysql-ssl=off",
    }
    if "haproxy" in args.only:
        facts["HAProxy"] = version(programs.haproxy, "-v")
    if "router" in args.only:
        facts["MySQL Router"] = version(programs.router)
    if any(name.startswith("ours") for name in args.only):
        commit = first_line(["git", "describe", "--always", "--dirty"])
        facts["mysql-interceptor"] = f"{version(programs.interceptor)}, checkout {commit}"
    if kafka:
        facts["Kafka"] = f"{kafka.version}, {first_line(['java', '-version'])}, one broker"
    facts["Python"] = platform.python_version()
    facts["rounds"] = f"{args.rounds} of {args.seconds} s each after {WARM_UP} s of warm-up, paths in rotating order"
    return facts


class Bench:
    """Everything that is running. `close` stops it, whatever state it is in."""

    def __init__(self, args: argparse.Namespace):
        self.args = args
        self.programs = Programs.find(args.binary)
        if not self.programs.sysbench:
            raise BenchError("sysbench is not installed: integration/servers/install.sh bench")
        # Not below a deep folder: the server's socket has a path of at most 107 characters.
        self.scratch = Path(tempfile.mkdtemp(prefix="proxy-bench-"))
        self.mysql: Mysql | None = None
        self.kafka: Kafka | None = None
        self.routes = []
        self.clients: list[subprocess.Popen] = []
        self.runs: list[dict] = []

    def set_up(self) -> None:
        progress("starting MySQL")
        self.mysql = Mysql(self.scratch / "mysql")
        self.mysql.create_probe_user(PROBE_USER)
        for name in self.args.only:
            route = (PATHS | MORE_PATHS)[name](self.programs, self.mysql.port)
            reason = route.missing()
            if reason is None and route.needs_kafka:
                try:
                    if self.kafka is None:
                        progress("starting Kafka")
                        self.kafka = Kafka(self.scratch / "kafka")
                    route.use(self.kafka)
                except BenchError as error:
                    reason = str(error)
            if reason:
                say(f"path {name} left out: {reason}")
            else:
                self.routes.append(route)
        if not self.routes:
            raise BenchError("no path is left to measure")
        self.sysbench = Sysbench(self.programs.sysbench, ACCOUNT, Tables(self.args.tables, self.args.table_size))
        progress("filling the tables")
        # It is also the first login of the user: from here on the server's password cache is warm.
        self.sysbench.prepare(self.mysql.port)

    def measure_all(self) -> None:
        facts = describe(self.args, self.programs, self.mysql, self.kafka)
        say("\n".join(f"- {name}: {value}" for name, value in facts.items()))
        for load_name in self.args.loads:
            for connections in self.args.connections:
                load = LOADS[load_name]
                for turn in range(self.args.rounds):
                    shift = turn % len(self.routes)
                    for route in self.routes[shift:] + self.routes[:shift]:
                        self.runs.append(self._measure_or_note(route, load, connections, turn))
                self._print_table(load, connections)
                self._save(facts)

    def _measure_or_note(self, route, load: Load, connections: int, turn: int) -> dict:
        run = {"load": load.name, "connections": connections, "round": turn, "path": route.name}
        try:
            run |= self._measure(route, load, connections)
            progress(
                f"{load.name} {connections} connections, round {turn + 1}, {route.name}: "
                f"{run['qps']:.0f} queries/s, p99 {run['p99']:.2f} ms"
                + (f", {run['cpu_us']:.1f} us/query" if run["cpu_us"] is not None else "")
                + (f", lost {run['lost']}" if run["lost"] is not None else "")
            )
        except RUN_ERRORS as error:
            run["error"] = str(error)
            say(f"{load.name} {connections} connections, round {turn + 1}, {route.name} FAILED: {error}")
        finally:
            self._stop(route)
        return run

    @staticmethod
    def _stop(route) -> None:
        try:
            route.stop()
        except RUN_ERRORS as error:  # the broker may be gone before its topic is truncated
            progress(f"warning: {route.name}: {error}")

    def _measure(self, route, load: Load, connections: int) -> dict:
        args = self.args
        route.start(self.scratch / "runs" / f"{len(self.runs)}-{route.name}")
        with self.mysql.admin() as admin:
            executed_before = statements_executed(admin)
            proxy_before, server_before = route.usage(), usage(self.mysql.pid)
            outcome = self._run_sysbench(route, load, connections)
            at_end = route.usage()  # memory while the last messages may still be queued
            executed = statements_executed(admin) - executed_before
            delivered = route.drain(executed)
            proxy_after, server_after = route.usage(), usage(self.mysql.pid)
        if route.process:
            route.process.check_alive()
        if outcome.reconnects:
            raise BenchError(f"{outcome.reconnects} connections were lost")

        def per_query(seconds: float) -> float:
            # CPU and statements both of the whole run: connecting, warm-up and delivery of the last message included.
            return seconds * 1e6 / executed

        return {
            "qps": outcome.queries_per_second,
            **outcome.percentiles_ms,
            "queries": outcome.queries,
            "queries_whole_run": outcome.queries_whole_run,
            "events": outcome.events,
            "statements": executed,
            "cpu_us": per_query(proxy_after.cpu - proxy_before.cpu) if proxy_after else None,
            "cpu_user_us": per_query(proxy_after.user - proxy_before.user) if proxy_after else None,
            "cpu_system_us": per_query(proxy_after.system - proxy_before.system) if proxy_after else None,
            "server_cpu_us": per_query(server_after.cpu - server_before.cpu),
            "rss": at_end.rss if at_end else None,
            "rss_peak": proxy_after.rss_peak if proxy_after else None,
            "delivered": delivered,
            "lost": executed - delivered if delivered is not None else None,
            "deadlocks": outcome.ignored_errors,
            "rolled_back_at_most": outcome.ignored_errors * STATEMENTS_BEFORE_ROLLBACK,
            "histogram": outcome.histogram,
        }

    def _start_hook(self, route, command: str) -> subprocess.Popen:
        pid = route.process.pid if route.process else self.mysql.pid
        env = os.environ | {"PROXY_PID": str(pid), "SECONDS_MEASURED": str(self.args.seconds)}
        # Not to the standard output, which holds the tables.
        hook = subprocess.Popen(command, shell=True, env=env, stdout=sys.stderr, start_new_session=True)
        self.clients.append(hook)
        return hook

    def _run_sysbench(self, route, load: Load, connections: int):
        args = self.args
        around = None
        if args.around:
            around = self._start_hook(route, args.around)
            time.sleep(1)
        client = self.sysbench.start(load, route.port, connections, WARM_UP, args.seconds)
        self.clients.append(client)
        # A server or proxy that hangs must not hang the benchmark.
        alarm = threading.Timer(WARM_UP + args.seconds + 60, client.kill)
        alarm.start()
        hook, lines = None, []
        try:
            for line in client.stdout:
                lines.append(line)
                if args.during and CHECKPOINT in line:
                    hook = self._start_hook(route, args.during)
            code = client.wait()
        finally:
            alarm.cancel()
        if code:
            raise BenchError(f"sysbench ended with code {code}:\n{''.join(lines)[-1500:]}")
        if hook:
            hook.wait(600)
        if around:
            os.killpg(around.pid, signal.SIGINT)
            around.wait(60)
        return parse("".join(lines))

    def _print_table(self, load: Load, connections: int) -> None:
        runs = [run for run in self.runs if run["load"] == load.name and run["connections"] == connections]
        rows = report.summarize(runs)
        order = [route.name for route in self.routes]
        rows.sort(key=lambda row: order.index(row["path"]))
        plural = "s" if connections > 1 else ""
        say(f"\n### {load.name}, {connections} connection{plural} (latency of a {load.unit})\n")
        say(report.table(rows))

    def _save(self, facts: dict[str, str]) -> None:
        """After each table, so that an interrupted run leaves what it has measured."""
        output = self.args.output
        output.parent.mkdir(parents=True, exist_ok=True)
        partial = output.with_suffix(".partial")
        partial.write_text(json.dumps({"facts": facts, "summary": report.summarize(self.runs), "runs": self.runs}))
        partial.replace(output)

    def close(self) -> None:
        for client in self.clients:
            if client.poll() is None:
                # Each is the leader of its own session: a hook's children go with it.
                os.killpg(client.pid, signal.SIGKILL)
                client.wait()
        for route in self.routes:
            self._stop(route)
        if self.kafka:
            self.kafka.stop()
        if self.mysql:
            self.mysql.stop()
        if self.args.keep:
            progress(f"logs are in {self.scratch}")
        else:
            shutil.rmtree(self.scratch, ignore_errors=True)


def main() -> int:
    args = arguments()
    # SIGTERM takes the same way out as Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    started = time.monotonic()
    bench = None
    try:
        bench = Bench(args)
        bench.set_up()
        bench.measure_all()
    except KeyboardInterrupt:
        progress("interrupted: stopping everything")
        return 130
    except BenchError as error:
        progress(f"error: {error}")
        return 1
    finally:
        if bench:
            # A second Ctrl-C must not leave servers running.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            bench.close()
    failed = sum("error" in run for run in bench.runs)
    say(f"\n{len(bench.runs)} runs, {failed} failed, in {time.monotonic() - started:.0f} s. Raw figures: {args.output}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
