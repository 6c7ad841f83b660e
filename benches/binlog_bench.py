#!/usr/bin/env python3
"""How fast `mysql-interceptor binlog` reads a binary log, beside mysqlbinlog.

The work is prepared once, on a throwaway MySQL: 400,000 rows inserted, 100,000 updated, 40,000 deleted, in statements of
1,000 rows. That is 540,000 rows in about 108 MB of binary log. Then every path reads all of it, in rotating order, several
times; figures are medians over the rounds.

paths:
  raw       mysqlbinlog --raw --read-from-remote-server to a folder: the pace of the server itself, nothing is decoded
  decode    mysqlbinlog -v on a local copy, to /dev/null
  ndjson    ours from the server to a file of NDJSON
  null      ours from the server to /dev/null
  file      ours from a local copy to /dev/null
  parquet   ours from the server to Parquet files
  kafka     ours from the server to a broker (--kafka HOST:PORT)
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
MYSQL = REPOSITORY / "integration" / "servers" / "mysql.sh"
SERVER_OPTIONS = ["--gtid-mode=ON", "--enforce-gtid-consistency=ON", "--binlog-row-metadata=FULL", "--max-binlog-size=1G",
                  "--innodb-flush-log-at-trx-commit=2", "--sync-binlog=0", "--innodb-buffer-pool-size=512M"]
USER, PASSWORD = "app", "app-secret"
INSERTS, UPDATES, DELETES, STATEMENT = 400_000, 100_000, 40_000, 1_000
PATHS = {"raw": "mysqlbinlog --raw, from the server", "decode": "mysqlbinlog -v, from a file, to /dev/null", "ndjson": "ours, from the server, to NDJSON",
         "null": "ours, from the server, to /dev/null", "file": "ours, from a file, to /dev/null", "parquet": "ours, from the server, to Parquet",
         "kafka": "ours, from the server, to Kafka"}

# A procedure, because a statement of 1,000 rows is wanted and not one of 400,000. The values depend on the number of the row only.
PREPARE = f"""
DROP DATABASE IF EXISTS bench;
CREATE DATABASE bench;
USE bench;
SET sql_log_bin = 0;
CREATE TABLE seq (n INT PRIMARY KEY);
INSERT INTO seq SELECT a.d + 10 * b.d + 100 * c.d FROM
  (SELECT 0 d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9) a,
  (SELECT 0 d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9) b,
  (SELECT 0 d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9) c;
DELIMITER //
CREATE PROCEDURE fill() BEGIN
  DECLARE i INT DEFAULT 0;
  WHILE i < {INSERTS} DO
    INSERT INTO orders SELECT i + n + 1, CONCAT('customer-', LPAD(i + n, 8, '0')), CONCAT('user', i + n, '@mail.example.org'), (i + n) * 37 % 100000,
      (i + n) * 1.2345, TIMESTAMP('2024-01-01 00:00:00.000001') + INTERVAL (i + n) * 7 SECOND,
      JSON_OBJECT('sku', CONCAT('S', i + n), 'qty', (i + n) % 9), (i + n) % 5,
      CONCAT('a note of some fifty characters for the order ', LPAD(i + n, 8, '0')) FROM seq ORDER BY n LIMIT {STATEMENT};
    SET i = i + {STATEMENT};
  END WHILE;
  SET i = 0;
  WHILE i < {UPDATES} DO
    UPDATE orders SET quantity = quantity + 1, state = 9, changed = changed + INTERVAL 1 DAY WHERE id BETWEEN i + 1 AND i + {STATEMENT};
    SET i = i + {STATEMENT};
  END WHILE;
  SET i = {INSERTS} - {DELETES};
  WHILE i < {INSERTS} DO
    DELETE FROM orders WHERE id BETWEEN i + 1 AND i + {STATEMENT};
    SET i = i + {STATEMENT};
  END WHILE;
END//
DELIMITER ;
SET sql_log_bin = 1;
FLUSH BINARY LOGS;
CREATE TABLE orders (id BIGINT PRIMARY KEY, customer VARCHAR(64), email VARCHAR(128), quantity INT, price DECIMAL(20,4), changed DATETIME(6),
  details JSON, state TINYINT, note TEXT) CHARACTER SET utf8mb4;
CALL fill();
"""


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    def names(text: str) -> list[str]:
        chosen = [name.strip() for name in text.split(",") if name.strip()]
        for name in chosen:
            if name not in PATHS:
                raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(PATHS)}")
        return chosen

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=names, default=list(PATHS), metavar="PATH,..", help="paths to measure (all)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each path is measured (%(default)s)")
    parser.add_argument("--binary", type=Path, default=REPOSITORY / "target/release/mysql-interceptor", help="ours (%(default)s)")
    parser.add_argument("--kafka", metavar="HOST:PORT", help="a broker, for the path kafka")
    parser.add_argument("--timeout", type=int, default=300, help="seconds after which a run counts as hung (%(default)s)")
    parser.add_argument("--keep", action="store_true", help="keep the scratch folder")
    return parser.parse_args()


class Server:
    """A throwaway MySQL of its own, in the scratch folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        with open(folder / "server.out", "w+") as out:
            started = subprocess.run([MYSQL, "start", folder / "mysql", *SERVER_OPTIONS], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
            out.seek(0)
            if started.returncode:
                raise SystemExit(f"no server:\n{out.read()}")
        env = dict(line.split("=", 1) for line in (folder / "mysql/env").read_text().splitlines() if "=" in line)
        self.host, self.port, self.socket, self.version = env["HOST"], env["PORT"], env["SOCKET"], env["VERSION"]

    def sql(self, text: str) -> list[list[str]]:
        done = subprocess.run([MYSQL, "cli", "-u", "root", "-S", self.socket, "-N", "-B"], input=text, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"SQL failed: {done.stderr}")
        return [line.split("\t") for line in done.stdout.splitlines()]

    def stop(self) -> None:
        subprocess.run([MYSQL, "stop", self.folder / "mysql"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def mysqlbinlog(server: Server) -> list[str]:
    """The program itself: below the script that runs it there would be a process more to count."""
    for folder in ([Path(os.environ["MYSQLD"]).parent] if os.environ.get("MYSQLD") else []) + [
            Path(entry) for entry in os.environ.get("PATH", "").split(":")] + [Path(os.environ.get("INTERCEPTOR_CACHE") or REPOSITORY / ".cache") / "mysql/bin"]:
        program = folder / "mysqlbinlog"
        if os.access(program, os.X_OK):
            version = subprocess.run([program, "--no-defaults", "--version"], capture_output=True, text=True).stdout
            if "MariaDB" not in version and re.search(rf"Ver {re.escape(server.version.split('-')[0])}", version):
                return [str(program), "--no-defaults"]
    raise SystemExit(f"no mysqlbinlog of version {server.version}")


class Bench:
    def __init__(self, args: argparse.Namespace, folder: Path):
        self.args, self.folder = args, folder
        self.server = Server(folder)
        self.checked = set()

    def prepare(self) -> None:
        progress("writing the binary log ...")
        began = time.monotonic()
        self.server.sql(PREPARE)
        self.name = self.server.sql("SHOW BINARY LOG STATUS")[0][0]
        # The next file, so that the one measured is complete and `now` is its end.
        self.server.sql("FLUSH BINARY LOGS")
        source = self.folder / "mysql/data" / self.name
        self.copy = self.folder / self.name
        shutil.copy(source, self.copy)
        self.size = self.copy.stat().st_size
        self.rows = INSERTS + UPDATES + DELETES
        progress(f"{self.rows} rows, {self.size / 1e6:.1f} MB, in {time.monotonic() - began:.0f} s")

    def command(self, path: str, output: Path) -> list[str]:
        remote = ["--read-from-remote-server", f"--host={self.server.host}", f"--port={self.server.port}", f"--user={USER}"]
        if path == "raw":
            # The key of the server, because the connection has no TLS.
            return [*mysqlbinlog(self.server), *remote, "--get-server-public-key", "--raw", "--to-last-log", f"--result-file={output}/", self.name]
        if path == "decode":
            return [*mysqlbinlog(self.server), "-v", str(self.copy)]
        ours = [str(self.args.binary), "binlog"]
        if path == "file":
            return [*ours, "--file", str(self.copy), "--sink", "ndjson:/dev/null"]
        sink = {"ndjson": f"ndjson:{output}/rows.ndjson", "null": "ndjson:/dev/null", "parquet": f"parquet:{output}/parquet", "kafka": "kafka"}[path]
        return [*ours, "--source", f"mysql://{USER}@{self.server.host}:{self.server.port}", "--from", f"{self.name}:4", "--until", "now", "--sink", sink]

    def measure(self, path: str) -> dict[str, float]:
        with tempfile.TemporaryDirectory(dir=self.folder) as output:
            log = self.folder / f"log-{path}"
            environment = {**os.environ, "MYSQL_PWD": PASSWORD}
            (Path(output) / "parquet").mkdir()
            if self.args.kafka:
                environment["INTERCEPTOR_KAFKA_BOOTSTRAP_SERVERS"] = self.args.kafka
            with open(log, "wb") as err:
                began = time.perf_counter()
                process = subprocess.Popen(self.command(path, Path(output)), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err, env=environment)
                usage = self.wait(process, path, log)
                wall = time.perf_counter() - began
            written = sum(file.stat().st_size for file in Path(output).rglob("*") if file.is_file())
            if path in ("ndjson", "raw") and path not in self.checked:
                self.check(path, Path(output))
        return {"wall": wall, "user": usage.ru_utime, "system": usage.ru_stime, "rss": usage.ru_maxrss / 1024, "written": written / 1e6}

    def wait(self, process: subprocess.Popen, path: str, log: Path):
        """wait4 tells what this one process has used, getrusage only the greatest of all children."""
        end = time.monotonic() + self.args.timeout
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > end:
                process.kill()
                os.wait4(process.pid, 0)
                process.returncode = -9
                raise RuntimeError(f"{path}: not done after {self.args.timeout} s, see {log}:\n{log.read_text()[-1500:]}")
            time.sleep(0.005)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{path}: exit code {process.returncode}, see {log}:\n{log.read_text()[-1500:]}")
        return usage

    def check(self, path: str, output: Path) -> None:
        """Once: has it really read everything?"""
        if path == "raw":
            copied = (output / self.name).stat().st_size
            if copied != self.size:
                raise RuntimeError(f"raw: {copied} bytes of {self.size}")
        else:
            counts = {"insert": 0, "update": 0, "delete": 0}
            with open(output / "rows.ndjson", "rb") as file:
                for line in file:
                    kind = re.match(rb'\{"type":"(\w+)"', line)
                    if kind and kind[1].decode() in counts:
                        counts[kind[1].decode()] += 1
            if list(counts.values()) != [INSERTS, UPDATES, DELETES]:
                raise RuntimeError(f"{path}: {counts}")
        self.checked.add(path)


def first_line(*command: object) -> str:
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=REPOSITORY)
    except OSError:
        return "?"
    return (done.stdout or done.stderr).strip().partition("\n")[0] or "?"


def cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def report(bench: Bench, results: dict[str, list[dict[str, float]]]) -> None:
    args = bench.args
    print(f"- date: {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC")
    print(f"- machine: {cpu_model()}, {os.cpu_count()} cores, shared by server, reader and broker; load average at the end "
          f"{' '.join(f'{value:.2f}' for value in os.getloadavg())}")
    print(f"- MySQL: {bench.server.version}, {' '.join(SERVER_OPTIONS)}")
    print(f"- mysql-interceptor: {first_line(args.binary, '--version')}, checkout {first_line('git', 'describe', '--always', '--dirty')}")
    print(f"- work: {bench.rows:,} rows ({INSERTS:,} inserts, {UPDATES:,} updates, {DELETES:,} deletes, {STATEMENT:,} a statement), "
          f"{bench.size / 1e6:.1f} MB of binary log")
    print(f"- rounds: {args.rounds}, medians; paths in rotating order\n")
    print("| path | rows/s | MB/s of log | seconds | from - to | CPU s | user + system | CPU µs/row | peak MiB | written MB |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for path, runs in results.items():
        if not runs:
            continue

        def median(of) -> float:
            return statistics.median(of(run) for run in runs)

        wall, cpu = median(lambda run: run["wall"]), median(lambda run: run["user"] + run["system"])
        walls = [run["wall"] for run in runs]
        print(f"| {PATHS[path]} | {bench.rows / wall:,.0f} | {bench.size / 1e6 / wall:.1f} | {wall:.2f} | {min(walls):.2f} - {max(walls):.2f} | {cpu:.2f} | "
              f"{median(lambda run: run['user']):.2f} + {median(lambda run: run['system']):.2f} | {cpu / bench.rows * 1e6:.2f} | "
              f"{median(lambda run: run['rss']):.1f} | {median(lambda run: run['written']):.1f} |")


def main() -> None:
    args = arguments()
    paths = [path for path in PATHS if path in args.only]
    if "kafka" in paths and not args.kafka:
        progress("kafka is left out: no --kafka HOST:PORT")
        paths.remove("kafka")
    if any(path not in ("raw", "decode") for path in paths) and not os.access(args.binary, os.X_OK):
        raise SystemExit(f"{args.binary} is missing: cargo build --release, or --binary")
    folder = Path(tempfile.mkdtemp(prefix="binlog-bench-"))
    bench = None
    try:
        bench = Bench(args, folder)
        bench.prepare()
        results = {path: [] for path in paths}
        broken = set()
        for number in range(args.rounds):
            shift = number % len(paths)
            for path in paths[shift:] + paths[:shift]:
                if path in broken:
                    continue
                try:
                    results[path].append(bench.measure(path))
                    progress(f"round {number + 1}, {path}: {results[path][-1]['wall']:.2f} s")
                except RuntimeError as problem:
                    progress(str(problem))
                    broken.add(path)
        report(bench, results)
        sys.exit(1 if broken else 0)
    finally:
        if bench:
            bench.server.stop()
        if args.keep:
            progress(f"kept {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
