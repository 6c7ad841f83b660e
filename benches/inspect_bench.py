#!/usr/bin/env python3
"""How fast `inspect` reads messages: it makes a file of them, as sysbench's statements would be, and measures `--top` and others over it.

Prints a Markdown table: messages and bytes a second, and CPU. Needs nothing but Python's standard library."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PREPARED = ["SELECT c FROM sbtest1 WHERE id=?", "SELECT c FROM sbtest1 WHERE id BETWEEN ? AND ?", "SELECT SUM(k) FROM sbtest1 WHERE id BETWEEN ? AND ?",
            "SELECT DISTINCT c FROM sbtest1 WHERE id BETWEEN ? AND ? ORDER BY c", "UPDATE sbtest1 SET k=k+1 WHERE id=?",
            "DELETE FROM sbtest1 WHERE id=?", "INSERT INTO sbtest1 (id, k, c, pad) VALUES (?, ?, ?, ?)", "BEGIN", "COMMIT"]


def message(number: int, chance: random.Random, literals: bool) -> str:
    """One of a text protocol's (with literals), or of prepared statements (with parameters)."""
    sql = PREPARED[number % len(PREPARED)]
    values = [str(chance.randrange(1_000_000)) for _ in range(sql.count("?"))]
    if literals:
        for value in values:
            sql = sql.replace("?", value, 1)
    params = "null" if literals or not values else "[" + ",".join(f'"{value}"' for value in values) + "]"
    return (f'{{"timestamp":{1795780800000 + number},"serverHost":"db.example:3306","serverVersion":"9.7.4","user":"app","client":"10.1.2.3","dbName":"sbtest",'
            f'"stmtDbName":"sbtest","debug":"shop","connectionId":{40 + number % 64},"totalPoolCount":64,"executionCount":{number // 64 + 1},"serverFlags":2,'
            f'"clientFlags":406563341,"iFlags":100663305,"defaultTZ":"UTC","serverTZ":null,"isolationLvl":null,"durationNs":{chance.randrange(50_000, 5_000_000)},'
            f'"updateCount":{number % 3},"sql":"{sql}","queryParams":{params},"errorMessage":null,"serverInfo":null}}\n')


def generate(path: Path, count: int, literals: bool) -> None:
    """A hundred thousand different ones, again and again: making them takes longer than reading them."""
    chance = random.Random(1)
    part = "".join(message(number, chance, literals) for number in range(min(count, 100_000)))
    with path.open("w") as file:
        for _ in range(max(1, count // 100_000)):
            file.write(part)


def measure(binary: Path, options: list[str], source: Path) -> tuple[float, float]:
    """Seconds and seconds of CPU of the best of three runs."""
    runs = []
    for _ in range(3):
        began = time.monotonic()
        process = subprocess.Popen([binary, "inspect", source, *options], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        if status != 0:
            sys.exit(f"inspect ended with {status}")
        seconds = time.monotonic() - began
        runs.append((seconds, usage.ru_utime + usage.ru_stime))
    return min(runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=Path, default=Path("target/release/mysql-interceptor"), help="the program (%(default)s)")
    parser.add_argument("--messages", type=int, default=2_000_000, help="of the file (%(default)s)")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="inspect-bench-"))
    try:
        print("| messages | options | messages/s | MB/s | CPU a message |\n|---|---|---:|---:|---:|")
        for name, literals in (("prepared statements", False), ("statements with literals", True)):
            path = folder / "sql.ndjson"
            generate(path, arguments.messages, literals)
            for options in (["--top"], ["--top", "--only", "user=app"], ["--only", "kind=insert", "--format", "csv"], ["--min-duration", "4ms"]):
                seconds, cpu = measure(arguments.binary, options, path)
                size = path.stat().st_size
                print(f"| {name} | `{' '.join(options)}` | {arguments.messages / seconds:,.0f} | {size / seconds / 1e6:,.0f} | "
                      f"{cpu / arguments.messages * 1e6:.2f} µs |", flush=True)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
