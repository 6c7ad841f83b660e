#!/usr/bin/env bash
# run.sh [SECONDS [TARGET...]]: runs each fuzz target (all of fuzz_targets/) for this many seconds, one after the other. It installs
# what is missing first. FUZZ_SECONDS and FUZZ_TARGETS are the same as the arguments; FUZZ_TOOLCHAIN names a toolchain.
#
# Each target begins with the seeds in tests/data/fuzz/TARGET and with what earlier runs left in fuzz/corpus/TARGET. What it finds is
# left in fuzz/artifacts/TARGET; put it into tests/data/fuzz/TARGET when it is fixed, and `cargo test` keeps it.
# The exit status is 1 if anything was found.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
# shellcheck source-path=SCRIPTDIR source=../integration/servers/lib.sh
source "$here/../integration/servers/lib.sh"
cd "$REPO"

CARGO_FUZZ_VERSION=0.13.2

seconds=${1:-${FUZZ_SECONDS:-60}}
shift || true
[[ $seconds =~ ^[1-9][0-9]*$ ]] || die "usage: fuzz/run.sh [SECONDS [TARGET...]]"
# shellcheck disable=SC2206
targets=("$@") && ((${#targets[@]})) || targets=(${FUZZ_TARGETS:-})
((${#targets[@]})) || for file in fuzz/fuzz_targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
for target in "${targets[@]}"; do
  [[ -f fuzz/fuzz_targets/$target.rs ]] || die "no fuzz target is called $target (fuzz/fuzz_targets has them)"
done

have cargo || PATH=$HOME/.cargo/bin:$PATH
have cargo || die "fuzzing needs Rust: rustup (https://rustup.rs), or a toolchain of the system"
"$SERVERS_DIR/install.sh" build

# AddressSanitizer is a nightly compiler's. A stable one fuzzes too, and finds all but what goes wrong in C libraries.
is_nightly() { [[ $(cargo ${1:+"+$1"} --version 2>/dev/null) == *-nightly* ]]; }
toolchain=${FUZZ_TOOLCHAIN:-}
if [[ -z $toolchain ]] && ! is_nightly "" && have rustup; then
  is_nightly nightly || {
    note "missing: a nightly toolchain (AddressSanitizer); installing it with rustup"
    rustup toolchain install nightly --profile minimal --no-self-update >&2 || note "rustup could not install it"
  }
  ! is_nightly nightly || toolchain=nightly
fi
rust=(cargo ${toolchain:+"+$toolchain"})
"${rust[@]}" --version >/dev/null || die "no such toolchain: $toolchain"
sanitizer=address
is_nightly "$toolchain" || { sanitizer=none; note "missing: a nightly toolchain. Fuzzing without AddressSanitizer."; }

PATH=$CACHE/cargo-fuzz/bin:$PATH
have cargo-fuzz || {
  note "missing: cargo-fuzz; installing $CARGO_FUZZ_VERSION into $CACHE/cargo-fuzz"
  retry 3 cargo install cargo-fuzz --version "$CARGO_FUZZ_VERSION" --locked --quiet --root "$CACHE/cargo-fuzz" >&2 ||
    die "cargo could not install cargo-fuzz"
}

# zstd's C sources are built with AddressSanitizer too; librdkafka's configure links programs with them to see what is there.
[[ $sanitizer == none ]] || export LDFLAGS="-fsanitize=address${LDFLAGS:+ $LDFLAGS}"
note "building ${#targets[@]} targets, sanitizer: $sanitizer"
one=()
((${#targets[@]} > 1)) || one=("${targets[0]}")
"${rust[@]}" fuzz build --dev -s "$sanitizer" "${one[@]}" >&2

# Freed memory is kept for a while to find uses of it, but not enough of it to count as a leak.
export ASAN_OPTIONS=quarantine_size_mb=16${ASAN_OPTIONS:+:$ASAN_OPTIONS}
# The last number that libFuzzer gave for a statistic.
statistic() { sed -n "s/^stat::$2: *//p" "$1" | tail -n 1; }
table=$(printf '%-10s %12s %9s %7s %9s  %s' target executions "a second" seconds "peak MiB" result)
failed=0
mkdir -p fuzz/logs
for target in "${targets[@]}"; do
  note "== $target, $seconds s; fuzz/logs/$target.log"
  log=fuzz/logs/$target.log began=$SECONDS result=clean
  mkdir -p "fuzz/corpus/$target" "tests/data/fuzz/$target"
  # Captured conversations are seeds too.
  seeds=("tests/data/fuzz/$target")
  [[ $target != session ]] || seeds+=(tests/captured)
  # Events may grow to a gigabyte where the bytes are there; a few kilobytes must not ask for more than this.
  "${rust[@]}" fuzz run --dev -s "$sanitizer" "$target" "fuzz/corpus/$target" "${seeds[@]}" -- \
    -max_total_time="$seconds" -max_len=8192 -timeout=20 -rss_limit_mb="${FUZZ_RSS_MB:-512}" -malloc_limit_mb=256 \
    -print_final_stats=1 >"$log" 2>&1 </dev/null || {
    failed=1
    result=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
    result="FOUND: ${result:-see $log}"
    grep -aE 'panicked at|ERROR: |SUMMARY: ' "$log" | head -n 5 >&2 || tail -n 20 "$log" >&2
    note "$result"
  }
  table+=$(printf '\n%-10s %12s %9s %7s %9s  %s' "$target" "$(statistic "$log" number_of_executed_units)" \
    "$(statistic "$log" average_exec_per_sec)" "$((SECONDS - began))" "$(statistic "$log" peak_rss_mb)" "$result")
done
echo "$table"
exit "$failed"
