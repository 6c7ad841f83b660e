# shellcheck shell=bash
# What every script in this folder shares: messages, the cache, ports, processes.
# Sourced, never run.

# Paths handed to servers must not depend on how the checkout was reached (symlinks).
SERVERS_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
REPO=$(cd "$SERVERS_DIR/../.." && pwd -P)
# Everything downloaded or unpacked lands here, so a second run needs no network.
CACHE=${INTERCEPTOR_CACHE:-$REPO/.cache}
mkdir -p "$CACHE"
CACHE=$(cd "$CACHE" && pwd -P)
export INTERCEPTOR_CACHE=$CACHE

note() { printf '%s\n' "$*" >&2; }
die() { note "error: $*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# retry N COMMAND...: mirrors and proxies fail now and then; a short pause usually cures it.
retry() {
  local tries=$1 i
  shift
  for ((i = 1; ; i++)); do
    "$@" && return 0
    ((i >= tries)) && return 1
    note "attempt $i of $tries failed, once more in $((i * 2)) s: $1"
    sleep $((i * 2))
  done
}

port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# wait_port_closed PORT SECONDS: the port of a process that was killed stays open briefly.
wait_port_closed() {
  local tenths=$(($2 * 10))
  while port_open "$1"; do
    ((tenths-- > 0)) || return 1
    sleep 0.1
  done
}

# A free port below 32768, where the kernel starts handing out its own (ip_local_port_range):
# no outgoing connection can take it between this test and the server's bind.
free_port() {
  local port i
  for ((i = 0; i < 200; i++)); do
    port=$((20000 + (RANDOM << 15 | RANDOM) % 12000))
    port_open "$port" || { echo "$port"; return 0; }
  done
  die "no free port found between 20000 and 32000"
}

# is_process PID WORD: the process lives and WORD is part of its command line. Guards against
# a pid that was recycled since; a zombie has an empty command line and counts as dead.
is_process() {
  [[ ${1:-} =~ ^[0-9]+$ && -r /proc/$1/cmdline ]] || return 1
  tr '\0' '\n' 2>/dev/null <"/proc/$1/cmdline" | grep -qF -- "$2"
}

# child_lives PID: for a process this script has just started, which may still carry the script's
# own command line because it has not reached its exec yet.
child_lives() {
  local stat
  read -r stat 2>/dev/null <"/proc/$1/stat" && [[ ${stat##*) } != Z* ]]
}

# wait_gone PID WORD SECONDS
wait_gone() {
  local tenths=$(($3 * 10))
  while is_process "$1" "$2"; do
    ((tenths-- > 0)) || return 1
    sleep 0.1
  done
}

# stop_process PID WORD SECONDS: SIGTERM, then SIGKILL for one that does not listen.
stop_process() {
  is_process "$1" "$2" || return 0
  kill -TERM "$1" 2>/dev/null || true
  # A process that was paused (SIGSTOP) gets the SIGTERM only when it runs again.
  kill -CONT "$1" 2>/dev/null || true
  wait_gone "$1" "$2" "$3" && return 0
  note "process $1 ignored SIGTERM for $3 s: SIGKILL"
  kill -KILL "$1" 2>/dev/null || true
  wait_gone "$1" "$2" 10 || die "process $1 survives SIGKILL"
}

# env_value FILE KEY: one value of an env file, empty when there is none.
env_value() { [[ -f $1 ]] && sed -n "s/^$2=//p" "$1" | head -n 1 | sed "s/^'\(.*\)'\$/\1/"; return 0; }

# absolute DIR: created when missing.
absolute() { mkdir -p "$1" && (cd "$1" && pwd -P); }
