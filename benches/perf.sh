#!/usr/bin/env bash
# Where one proxy's CPU goes under one load: the costliest functions of the kernel and of the program,
# and the system calls a query. Two runs, because counting system calls slows the proxy down.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

usage() {
  cat <<'END'
usage: perf.sh [--path P] [--load L] [--connections N] [--seconds S] [--top N] [--record FILE] [--binary FILE]
  --path         direct (then mysqld is watched), haproxy, router, ours-off, ours-file, ours-kafka (ours-kafka)
  --load         point_select_text, point_select_prepared, read_write (point_select_text)
  --connections  sysbench threads (16)
  --seconds      how long to watch (10)
  --top          functions to list of each half (25)
  --record       keep the samples in FILE, for `perf report -i FILE`
  --binary       the proxy to measure (target/release/mysql-interceptor)
END
}

path=ours-kafka load=point_select_text connections=16 seconds=10 top=25 record='' binary=()
while (($#)); do
  case $1 in
    -h | --help) usage; exit 0 ;;
  esac
  (($# >= 2)) || { usage >&2; exit 2; }
  case $1 in
    --path) path=$2 ;;
    --load) load=$2 ;;
    --connections) connections=$2 ;;
    --seconds) seconds=$2 ;;
    --top) top=$2 ;;
    --record) record=$2 ;;
    --binary) binary=(--binary "$2") ;;
    *) usage >&2; exit 2 ;;
  esac
  shift 2
done

command -v perf >/dev/null || { echo "perf is not installed (Debian: linux-perf)" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
samples=${record:-$work/perf.data}

# watch --during|--around COMMAND: one run of the load with COMMAND beside it.
watch() {
  "$here/run.sh" --only "$path" --loads "$load" --connections "$connections" --rounds 1 \
    --seconds "$seconds" "${binary[@]}" --output "$work/run.json" "$1" "$2"
}

echo "## $path, $load, $connections connections: samples of $seconds s"
# Without a hardware counter (virtual machines) perf samples by the clock instead.
watch --during "exec perf record -q -g -F 999 -p \$PROXY_PID -o '$samples' -- sleep \$SECONDS_MEASURED >'$work/record.log' 2>&1"
perf report -i "$samples" --stdio --no-children -g none --sort symbol,dso -t '|' >"$work/report" 2>"$work/report.log" ||
  { cat "$work/record.log" "$work/report.log" >&2; exit 1; }
# half MARK NAME: the functions of one half, [k] kernel or [.] program, by the time spent in themselves.
half() {
  awk -F'|' -v mark="$1" -v name="$2" -v top="$top" '
    /^#/ || NF < 3 { next }
    index($2, "[" mark "]") == 1 {
      sum += $1; sub(/^\[.\] /, "", $2); gsub(/^ +| +$/, "", $2); gsub(/ +$/, "", $3)
      if (listed++ < top) lines = lines sprintf("%7s  %s  (%s)\n", $1, $2, $3)
    }
    END { printf "\n%s: %.1f %%\n%s", name, sum, lines }' "$work/report"
}
half k "Kernel"
half . "Program and its libraries"

echo
echo "## System calls a query"
# Counters in the kernel disturb least and lose nothing; strace works where the kernel shows no tracepoints.
counters=(-e raw_syscalls:sys_enter -e 'syscalls:sys_enter_*')
if perf stat "${counters[@]}" -- true >/dev/null 2>&1; then
  tool="perf stat"
  around="exec perf stat -x, ${counters[0]} ${counters[1]} ${counters[2]} '${counters[3]}' -p \$PROXY_PID -o '$work/syscalls'"
elif command -v strace >/dev/null; then
  tool=strace
  around="exec strace -qq -c -f -p \$PROXY_PID -o '$work/syscalls'"
else
  echo "neither perf's system call counters nor strace work here" >&2
  exit 1
fi
watch --around "$around" >"$work/run.out" || { cat "$work/run.out" >&2; exit 1; }
python3 - "$work/run.json" "$work/syscalls" "$tool" <<'PYTHON'
import json, sys

results, counts, tool = sys.argv[1:]
run = json.load(open(results))["runs"][0]
calls = {}
for line in open(counts):
    if tool == "strace":
        # % time, seconds, usecs/call, calls, [errors,] name
        words = line.split()
        if len(words) >= 5 and words[3].isdigit():
            calls[words[-1].replace("total", "all")] = int(words[3])
    else:
        # count, unit, event, ...
        words = line.split(",")
        if len(words) > 2 and words[0].isdigit():
            event = words[2].rpartition(":")[2].removeprefix("sys_enter_").replace("sys_enter", "all")
            calls[event] = int(words[0])
everything = calls.pop("all", sum(calls.values()))
print(f"counted with {tool} over {run['statements']} queries of the whole run ({run['qps']:.0f} a second while counting)\n")
for name, count in sorted(calls.items(), key=lambda item: -item[1])[:15]:
    if count:
        print(f"{count / run['statements']:9.3f}  {name}")
print(f"{everything / run['statements']:9.3f}  all")
PYTHON
