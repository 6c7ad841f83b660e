#!/usr/bin/env bash
# Measures recordings, replays and the mirror: "Recordings and replays" in benches/README.md.
# All options go to replay_bench.py; --help lists them.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
case " $* " in
  *" --help "* | *" -h "*) ;;
  *) "$here/../integration/servers/install.sh" python mysql sysbench ;;
esac
exec python3 "$here/replay_bench.py" "$@"
