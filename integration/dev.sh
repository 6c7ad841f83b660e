#!/usr/bin/env bash
# dev.sh up | ps | logs [NAME] | down | inspect: a development set of MySQL, Kafka and the proxy in
# front of MySQL. With Docker compose when an engine answers (DEV=local prevents that), else as
# processes of this machine with their state in .cache/dev.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
# shellcheck source-path=SCRIPTDIR source=servers/lib.sh
source "$here/servers/lib.sh"
dev=$CACHE/dev
proxy=$dev/proxy
binary=${INTERCEPTOR_BINARY:-${CARGO_TARGET_DIR:-$REPO/target}/release/mysql-interceptor}
compose=(docker compose -p mysql-interceptor-dev -f "$REPO/docker/compose.yaml")

docker_answers() {
  # A client without an engine waits long for some of the addresses it may be given.
  have docker && [[ -f $REPO/docker/compose.yaml ]] && timeout 5 docker info >/dev/null 2>&1 &&
    docker compose version >/dev/null 2>&1
}
mode() { cat "$dev/mode" 2>/dev/null || true; }

# A name that is on the proxy's command line only.
proxy_mark() { echo "127.0.0.1:$(cat "$proxy/port")"; }
proxy_runs() { [[ -f $proxy/port ]] && is_process "$(env_value "$proxy/env" PID)" "$(proxy_mark)"; }

start_proxy() {
  local port pid tenths=150 mysql_port
  proxy_runs && return 0
  mkdir -p "$proxy"
  mysql_port=$(env_value "$dev/mysql/env" PORT)
  port=$(cat "$proxy/port" 2>/dev/null || echo 3307)
  wait_port_closed "$port" 3 || port=$(free_port)
  echo "$port" >"$proxy/port"
  INTERCEPTOR_KAFKA_BOOTSTRAP_SERVERS=$(env_value "$dev/kafka/env" BOOTSTRAP) \
    setsid "$binary" proxy --listen "127.0.0.1:$port" --upstream "127.0.0.1:$mysql_port" --sink kafka \
    </dev/null >"$proxy/log" 2>&1 &
  pid=$!
  printf '%s\n' "PORT=$port" "PID=$pid" >"$proxy/env"
  until port_open "$port"; do
    if ! child_lives "$pid" || ((tenths-- == 0)); then
      tail -n 20 "$proxy/log" >&2
      die "the proxy did not start, see $proxy/log"
    fi
    sleep 0.1
  done
}

up() {
  mkdir -p "$dev"
  if [[ $(mode) != local && ${DEV:-} != local ]] && docker_answers; then
    echo docker >"$dev/mode"
    "${compose[@]}" up -d --build --wait
  else
    echo local >"$dev/mode"
    "$here/servers/install.sh" build mysql kafka
    [[ -n ${INTERCEPTOR_BINARY:-} ]] || (cd "$REPO" && cargo build --release --locked)
    note "starting MySQL, Kafka and the proxy"
    "$here/servers/mysql.sh" start "$dev/mysql" >/dev/null
    "$here/servers/kafka.sh" start "$dev/kafka" >/dev/null
    start_proxy
  fi
  ps_
}

row() { printf '%-8s %-8s %-7s %-20s %s\n' "$@"; }
ps_row() { # NAME PID PORT MARK DSN
  if is_process "$2" "$4"; then
    # Its env file was written when it started; ps itself is missing from small images.
    row "$1" "$2" "$3" "$(date -r "$dev/$1/env" '+%F %T')" "$5"
  else
    row "$1" - - stopped -
  fi
}
ps_() {
  if [[ $(mode) == docker ]]; then
    "${compose[@]}" ps
    return
  fi
  local port
  row NAME PID PORT "UP SINCE" "USE IT WITH"
  port=$(env_value "$proxy/env" PORT)
  ps_row proxy "$(env_value "$proxy/env" PID)" "$port" "127.0.0.1:$port" "mysql://app:app-secret@127.0.0.1:$port/test"
  port=$(env_value "$dev/mysql/env" PORT)
  ps_row mysql "$(env_value "$dev/mysql/env" PID)" "$port" "$dev/mysql/data" "mysql://app:app-secret@127.0.0.1:$port/test (not seen by the proxy)"
  port=$(env_value "$dev/kafka/env" PORT)
  ps_row kafka "$(env_value "$dev/kafka/env" PID)" "$port" "$dev/kafka/server.properties" "127.0.0.1:$port, topic MYSQL_EVENTS"
}

logs() {
  if [[ $(mode) == docker ]]; then
    "${compose[@]}" logs --tail 50 ${1:+"$1"}
    return
  fi
  local files=() name
  for name in ${1:-proxy mysql kafka}; do
    [[ -f $dev/$name/log ]] || die "no log of '$name': run make up first (names: proxy mysql kafka)"
    files+=("$dev/$name/log")
  done
  # Following makes sense for a person only; a script wants an end.
  if [[ -t 1 ]]; then exec tail -n 30 -F "${files[@]}"; else exec tail -n 50 "${files[@]}"; fi
}

down() {
  if [[ $(mode) == docker ]]; then
    "${compose[@]}" down
  elif [[ -d $dev ]]; then
    # The proxy first: it has messages to deliver.
    [[ ! -f $proxy/port ]] || stop_process "$(env_value "$proxy/env" PID)" "$(proxy_mark)" 30
    rm -f "$proxy/env"
    [[ ! -f $dev/kafka/env ]] || "$here/servers/kafka.sh" stop "$dev/kafka"
    [[ ! -f $dev/mysql/env ]] || "$here/servers/mysql.sh" stop "$dev/mysql"
  fi
  rm -f "$dev/mode"
}

inspect() {
  local options=(${TOPIC:+--topic "$TOPIC"} ${PATTERN:+--pattern "$PATTERN"} ${DEBUG:+--debug "$DEBUG"} ${FOLLOW:+--follow})
  if [[ $(mode) == docker ]]; then
    # Inside, the broker is known by the name that its container gives it.
    exec "${compose[@]}" exec interceptor mysql-interceptor inspect --bootstrap-servers kafka:9092 "${options[@]}"
  fi
  local bootstrap
  bootstrap=$(env_value "$dev/kafka/env" BOOTSTRAP)
  [[ -n $bootstrap ]] || die "no development set runs: make up"
  exec "$binary" inspect --bootstrap-servers "$bootstrap" "${options[@]}"
}

case ${1:-} in
  up) up ;;
  ps) ps_ ;;
  logs) logs "${2:-}" ;;
  down) down ;;
  inspect) inspect ;;
  *) die "usage: dev.sh up | ps | logs [NAME] | down | inspect" ;;
esac
