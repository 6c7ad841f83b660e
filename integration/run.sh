#!/usr/bin/env bash
# run.sh [--smoke] [pytest options]: the integration tests, with the servers and clients they need.
# A server or client that is unavailable is skipped by name, or is a failure with CI=true.
# --smoke: a few tests with MySQL only, a minute or so.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
# shellcheck source-path=SCRIPTDIR source=servers/lib.sh
source "$here/servers/lib.sh"
cd "$REPO"

wanted=(mysql mariadb java kafka debezium tcpdump sysbench prometheus go node)
# Tested as well where Debian has packages of it; its tests are skipped by name elsewhere.
optional=(mariadb-11.8 ruby perl browser)
if [[ ${1:-} == --smoke ]]; then
  shift
  wanted=(mysql) optional=()
  set -- -m smoke "$@"
fi

[[ ${CI:-} != true ]] || export REQUIRE_ALL=1
"$here/servers/install.sh" build python
for what in "${wanted[@]}"; do
  "$here/servers/install.sh" "$what" && continue
  [[ -z ${REQUIRE_ALL:-} ]] || die "CI=true wants $what"
  note "without $what: its tests are skipped"
done
for what in "${optional[@]}"; do
  "$here/servers/install.sh" "$what" || note "without $what: its tests are skipped"
done
# Where install.sh put a Go that is newer than the release's.
[[ ! -d $CACHE/go/path ]] || PATH=$CACHE/go/path:$PATH

# The debug build, with its overflow checks and assertions: `cargo test` has built most of it.
if [[ -z ${INTERCEPTOR_BINARY:-} ]]; then
  cargo build --locked
  export INTERCEPTOR_BINARY=${CARGO_TARGET_DIR:-$REPO/target}/debug/mysql-interceptor
fi

# One environment per set of requirements, renamed into place when it is complete.
sum=$({ cat "$here/requirements.txt"; python3 -VV; } | sha256sum | cut -c 1-12)
venv=$CACHE/venv-$sum
if [[ ! -x $venv/bin/pytest ]]; then
  note "making $venv with what integration/requirements.txt pins"
  rm -rf "$venv"
  python3 -m venv "$venv"
  retry 3 "$venv/bin/python" -m pip install -q --disable-pip-version-check -r "$here/requirements.txt" >&2 ||
    { rm -rf "$venv"; die "pip could not install integration/requirements.txt"; }
fi

((${#optional[@]} == 0)) || "$here/servers/versions.sh"

# The whole suite runs in two processes, a file at a time, each with servers of its own: much of a test is waiting. A chosen part of it runs
# in one, so that its output comes in order.
spread=()
(($#)) || spread=(-n "${TEST_WORKERS:-2}" --dist loadfile)

report=$(mktemp "$CACHE/.pytest-XXXXXX")
trap 'rm -f "$report"' EXIT
status=0
"$venv/bin/pytest" -p no:cacheprovider --junitxml="$report" "${spread[@]}" "$@" "$here" || status=$?

# One plain line at the end, whatever options pytest was given. An error in a fixture is a failure.
"$venv/bin/python" - "$report" <<'END' || true
import sys
import xml.etree.ElementTree as tree

try:
    suites = list(tree.parse(sys.argv[1]).iter("testsuite"))
except (tree.ParseError, OSError):
    sys.exit("pytest left no report")
count = lambda name: sum(int(suite.get(name, 0)) for suite in suites)
failed, skipped = count("failures") + count("errors"), count("skipped")
print(f"{count('tests') - failed - skipped} passed, {failed} failed, {skipped} skipped")
END
exit "$status"
