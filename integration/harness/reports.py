"""Reports made here rather than by a replay: of any size, and with texts that nobody should send."""

import json
import math
import random

HOSTILE = "SELECT '</script><script>window.hacked = 1</script><img src=x onerror=\"window.hacked = 2\">' /* &lt;b&gt; <!-- ]]> */ FROM `t<svg onload=alert(1)>`"


def bucket(ns, bits=5):
    """The number of a duration's bucket, as docs/report.md has it."""
    parts = 1 << bits
    if ns < parts:
        return ns
    shift = ns.bit_length() - 1 - bits
    return (shift + 1) * parts + (ns >> shift) - parts


def histogram(durations, bits=5):
    """A histogram as report.json has it."""
    counts = {}
    for ns in durations:
        counts[bucket(ns, bits)] = counts.get(bucket(ns, bits), 0) + 1
    ordered = sorted(durations) or [0]
    at = lambda share: ordered[max(0, math.ceil(share * len(ordered)) - 1)]
    return {"count": len(durations), "sum_ns": sum(durations), "max_ns": ordered[-1], "mean_ns": sum(durations) // len(ordered),
            "p50_ns": at(0.5), "p95_ns": at(0.95), "p99_ns": at(0.99), "buckets": sorted(counts.items())}


def report(patterns, seed=7, statements_of=60, intervals=90, hostile=False, untrusted=False):
    """A report of this many patterns of statements."""
    chance = random.Random(seed)
    tables = ["orders", "customers", "line_items", "stock", "sessions", "payments"]
    pair = lambda expected, observed: {"expected": expected, "observed": observed}
    digests, differences, everything = [], [], ([], [])
    for number in range(patterns):
        scale = 10 ** chance.uniform(5, 7.5)
        change = chance.choice([0.7, 0.95, 1.0, 1.0, 1.05, 1.1, 1.6, 3.5])
        count = max(1, int(statements_of * chance.paretovariate(1.3)))
        before = [int(scale * chance.lognormvariate(0, 0.5)) for _ in range(min(count, 400))]
        now = [int(scale * change * chance.lognormvariate(0, 0.55)) for _ in before]
        everything[0].extend(before)
        everything[1].extend(now)
        table, errors = chance.choice(tables), chance.choice([0, 0, 0, 0, 0, 0, 0, 3])
        pattern = HOSTILE if hostile and number == 0 else f"select a{number} , b from {table} where id = ? and state in ( ? )"
        classes = {"error": errors} if errors else {}
        if chance.random() < 0.08:
            classes["rows"] = chance.randint(1, 9)
        digest = f"{chance.getrandbits(128):032x}"
        explain = pair({"plan": f"-> Index lookup on {table} using PRIMARY (id=42)  (cost=0.35 rows=1)", "error": None},
                       {"plan": f"id\tselect_type\ttable\ttype\tkey\trows\n1\tSIMPLE\t{table}\tALL\tNULL\t{chance.randint(10**3, 10**6)}", "error": None})
        digests.append({"digest": digest, "pattern": pattern, "kind": "select", "count": count, "errors": pair(0, errors), "classes": classes,
                        "latency": pair(histogram(before), histogram(now)), "baseline": None, "nature": [], "impact": 0.0,
                        "sample": pattern.replace("?", "42"), "sample_is_cut": False, "explain": explain if number % 3 == 0 else None})
        for name, amount in classes.items():
            observed = "error 1146 (42S02)" if name == "error" else "fewer rows"
            example = {"session": f"{chance.getrandbits(64):016x}", "number": chance.randint(1, 500), "sql": pattern.replace("?", "42"), "sql_is_cut": False,
                       "expected": "3 rows, checksum 5d1b2a3c4e5f6071",
                       "observed": f"error 1146 (42S02): Table 'shop.{table}' doesn't exist" if name == "error" else "2 rows, checksum 91b2a3c4e5f60718"}
            differences.append({"class": name, "digest": digest, "expected": "success" if name == "error" else "rows", "observed": observed,
                                "count": amount, "noise": 0, "time_ns": amount * int(scale), "impact": 0.0, "example": example})
    return _whole(digests, differences, everything, chance, intervals, untrusted)


def _whole(digests, differences, everything, chance, intervals, untrusted):
    pair = lambda expected, observed: {"expected": expected, "observed": observed}
    classes = {}
    for difference in differences:
        total = classes.setdefault(difference["class"], {"count": 0, "noise": 0})
        total["count"] += difference["count"]
    statements = sum(digest["count"] for digest in digests)
    if statements:
        classes |= {"nature": {"count": 31, "noise": 0}, "time": {"count": 12, "noise": 0}}
    series = {"interval_ns": 800_000_000, "expected": [], "observed": []}
    for side, durations in zip(("expected", "observed"), everything):
        for at in range(intervals if durations else 0):
            load = 1 + 0.5 * math.sin(at / 9) + chance.uniform(0, 0.25)
            some = chance.choices(durations, k=int(60 * load))
            series[side].append({"count": int(800 * load), "errors": chance.choice([0, 0, 0, 2]) if side == "observed" else 0,
                                 "latency": histogram([int(ns * (1 + (at > 60) * (side == "observed"))) for ns in some], bits=2)})
    late = histogram([chance.randint(10_000, 400_000) for _ in range(500)]) if digests else histogram([])
    lateness = {"scheduled": statements, "late_by_player": statements // 20 if untrusted else statements // 2000, "late_by_target": statements // 40,
                "late_by_order": 0, "player": late, "target": late, "order": histogram([]), "trusted": not untrusted}
    side = lambda name, version: {"name": name, "server_version": version, "started_epoch_ms": 1_780_000_000_000, "duration_ns": intervals * 800_000_000}
    return {"version": 1, "program": "0.1.0", "made_by": "replay", "expected": side("shop.recording", "MySQL 9.7.0"),
            "observed": side("mysql://replay@db2:3306", "MariaDB 11.8.3"), "time_factor": 2.0, "time_floor_ns": 10_000_000, "sessions": 32 if digests else 0,
            "statements": statements, "equal": max(0, statements - 60), "not_compared": {"the recording has no answer": 12} if digests else {},
            "skipped": {"changes data": 1830, "administers the server": 4} if digests else {}, "notes": [], "classes": classes,
            "latency": pair(*map(histogram, everything)), "time_ns": pair(*map(sum, everything)), "series": series, "lateness": lateness if digests else None,
            "digests": digests, "other_digests": None, "differences": differences, "other_differences": {}, "baseline": None}


def write(folder, content):
    """Into a folder, as a report that `compare --merge` reads."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(content))
    return folder
