#!/usr/bin/env bash
# run.sh [SECONDS [TARGET...]]: runs each fuzz target (all of fuzz_targets/) for so many seconds, 20 unless told.
# What it finds is left in fuzz/artifacts/TARGET/; put it into tests/data/fuzz/TARGET/ when it is mended, and `cargo test` has it for ever.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-20}
shift || true
if [[ $# -eq 0 ]]; then
  for file in fuzz/fuzz_targets/*.rs; do set -- "$@" "$(basename "$file" .rs)"; done
fi

cargo +nightly --version >/dev/null 2>&1 || {
  echo "fuzzing needs a nightly compiler: rustup toolchain install nightly --profile minimal" >&2
  exit 1
}
cargo fuzz --version >/dev/null 2>&1 || {
  echo "fuzzing needs cargo-fuzz: cargo install cargo-fuzz --locked" >&2
  exit 1
}

# Freed memory is kept for a while to find uses of it; not so much of it that it counts as a leak.
export ASAN_OPTIONS=quarantine_size_mb=16${ASAN_OPTIONS:+:$ASAN_OPTIONS}
for target in "$@"; do
  echo "== $target, $seconds s"
  mkdir -p "fuzz/corpus/$target"
  # Events may grow to a gigabyte where the bytes are there; a few kilobytes must not ask for more than this.
  cargo +nightly fuzz run --dev "$target" "fuzz/corpus/$target" "tests/data/fuzz/$target" -- \
    -max_total_time="$seconds" -max_len=8192 -timeout=20 -rss_limit_mb=512 -malloc_limit_mb=256 -print_final_stats=1
done
