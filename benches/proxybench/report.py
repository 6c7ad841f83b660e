"""From raw runs to medians, ratios and Markdown."""

from __future__ import annotations

import statistics
from collections import defaultdict

MIB = 1 << 20


def _median(values) -> float | None:
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def ratios(runs: list[dict], others: list[dict], key: str) -> list[float]:
    """The ratios to the other path in the same round: both saw the same state of the machine."""
    by_round = {run["round"]: run[key] for run in others if "error" not in run}
    return [run[key] / by_round[run["round"]] for run in runs if run[key] is not None and by_round.get(run["round"])]


def summarize(runs: list[dict]) -> list[dict]:
    """One row per load, number of connections and path; failed runs are left out and counted."""
    cells: dict[tuple, list[dict]] = defaultdict(list)
    for run in runs:
        cells[run["load"], run["connections"], run["path"]].append(run)
    rows = []
    for (load, connections, path), all_runs in cells.items():
        good = [run for run in all_runs if "error" not in run]
        row = {"load": load, "connections": connections, "path": path, "rounds": len(good), "failed": len(all_runs) - len(good)}
        for key in ("qps", "p50", "p95", "p99", "cpu_us", "cpu_user_us", "cpu_system_us", "rss", "rss_peak"):
            row[key] = _median(run[key] for run in good)
        for other in ("direct", "haproxy"):
            reference = [run for run in cells.get((load, connections, other), []) if "error" not in run]
            row[f"qps_vs_{other}"] = _median(ratios(good, reference, "qps"))
            row[f"cpu_vs_{other}"] = _median(ratios(good, reference, "cpu_us"))
        losses = [run["lost"] for run in good if run["lost"] is not None]
        row["lost"] = sum(losses) if losses else None
        row["rolled_back_at_most"] = sum(run["rolled_back_at_most"] for run in good)
        row["statements"] = sum(run["statements"] for run in good)
        rows.append(row)
    return rows


def _number(value: float | None, layout: str) -> str:
    return "-" if value is None else format(value, layout)


def _lost(row: dict) -> str:
    lost, rolled_back = row["lost"], row["rolled_back_at_most"]
    if lost is None:
        return "-"
    if 0 < lost <= rolled_back:
        return f"lost 0 ({lost} rolled back)"
    return f"lost {lost}" if lost >= 0 else f"lost 0 ({-lost} extra)"


HEADINGS = [
    "path", "queries/s", "vs direct", "vs haproxy", "p50 ms", "p95 ms", "p99 ms",
    "CPU µs/query", "user + kernel", "CPU vs haproxy", "RSS MiB", "peak MiB", "messages",
]


def table(rows: list[dict]) -> str:
    """The Markdown table of one load and number of connections."""
    lines = ["| " + " | ".join(HEADINGS) + " |", "|---" + "|---:" * (len(HEADINGS) - 1) + "|"]
    for row in rows:
        if not row["rounds"]:
            lines.append(f"| {row['path']} | failed |" + " |" * (len(HEADINGS) - 2))
            continue
        split = "-" if row["cpu_us"] is None else f"{row['cpu_user_us']:.1f} + {row['cpu_system_us']:.1f}"
        name = row["path"] + (f" ({row['failed']} failed)" if row["failed"] else "")
        lines.append(
            "| "
            + " | ".join(
                [
                    name,
                    _number(row["qps"], ".0f"),
                    _number(row["qps_vs_direct"], ".2f"),
                    _number(row["qps_vs_haproxy"], ".2f"),
                    *(_number(row[key], ".2f") for key in ("p50", "p95", "p99")),
                    _number(row["cpu_us"], ".1f"),
                    split,
                    _number(row["cpu_vs_haproxy"], ".2f"),
                    _number(row["rss"] and row["rss"] / MIB, ".1f"),
                    _number(row["rss_peak"] and row["rss_peak"] / MIB, ".1f"),
                    _lost(row),
                ]
            )
            + " |"
        )
    return "\n".join(lines)
