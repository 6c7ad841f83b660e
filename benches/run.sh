#!/usr/bin/env bash
# Measures this proxy beside HAProxy, MySQL Router and no proxy at all: benches/README.md.
# All options go to proxy_bench.py; --help lists them.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
servers=$here/../integration/servers

case " $* " in
  *" --help "* | *" -h "*) exec python3 "$here/proxy_bench.py" "$@" ;;
esac
"$servers/install.sh" python mysql bench
# Java only for those who measure the Kafka sink; without it that path is left out and said so.
case " $* " in
  *--only*) case "$*" in *ours-kafka*) kafka=wanted ;; *) kafka= ;; esac ;;
  *) kafka=wanted ;;
esac
if [[ $kafka ]]; then
  "$servers/install.sh" kafka || echo "Kafka could not be installed" >&2
fi
exec python3 "$here/proxy_bench.py" "$@"
