#!/usr/bin/env bash
# versions.sh: what the tests run against, a line each. A failure that only a new release explains is then seen as one.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=find.sh
source "$SERVERS_DIR/find.sh"
[[ ! -d $CACHE/go/path ]] || PATH=$CACHE/go/path:$PATH

# line NAME COMMAND...: the first line that the command prints, whatever it is.
line() {
  local name=$1 said
  shift
  said=$("$@" 2>&1 </dev/null | grep -m 1 . || true)
  printf '  %-14s %s\n' "$name" "${said:-missing}"
}

# of PROGRAM...: its version, where it is installed.
of() { ! have "$1" || "$@"; }
server() { local program; program=$("$1" 2>/dev/null) && "$program" --no-defaults --version | sed 's/^.*Ver //; s/ for .*//; s/ from .*//'; }
newer_mariadb() { local program=$CACHE/mariadb-11.8/bin/mariadbd; [[ ! -x $program ]] || "$program" --no-defaults --version | sed 's/^.*Ver //; s/ for .*//; s/ from .*//'; }
kafka() { find "$CACHE/kafka/lib" -name 'kafka_2.13-*.jar' -printf '%f\n' 2>/dev/null; }
system() { (. /etc/os-release && echo "$PRETTY_NAME, $(uname -sr)"); }
# Those that the project's own files name: their versions are pinned there.
pinned() { sed -n 's/^\([A-Za-z][^#]*\)$/\1/p' "$REPO/integration/requirements.txt" | paste -sd ' '; }
jars() { sed "1,/<dependencies>/d" "$REPO/integration/clients/java/pom.xml" | tr -d "\n" | grep -oE "<artifactId>[^<]*</artifactId> *<version>[^<]*" | sed "s/<artifactId>//; s/<.*>/ /" | paste -sd "," | sed "s/,/, /g"; }

echo "Servers and clients of this run:"
line system system
line MySQL server find_mysqld
line MariaDB server find_mariadbd
line "MariaDB 11.8" newer_mariadb
line Kafka kafka
line Rust of rustc --version
line Python python3 --version
line "  its packages" pinned
line Java of java -version
line "  its drivers" jars
line Go of go version
line Node.js of node --version
line PHP of php --version
line Ruby of ruby --version
line Perl of perl -e 'print "$^V\n"'
