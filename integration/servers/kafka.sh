#!/usr/bin/env bash
# A throwaway one-node Kafka broker (KRaft, no ZooKeeper) in a scratch folder. `kafka.sh help`.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "$0")/lib.sh"
LIB=$CACHE/kafka/lib

usage() {
  cat <<'END'
usage: kafka.sh start DIR [property=value...]   same port and data when DIR was used before
       kafka.sh stop DIR
       kafka.sh pause DIR | resume DIR           a broker that hangs (SIGSTOP, SIGCONT)
       kafka.sh tool CLASS [args...]             e.g. TopicCommand, ConsoleConsumer
END
}

java_() { "${JAVA_HOME:+$JAVA_HOME/bin/}java" -Xmx512m -XX:TieredStopAtLevel=1 -cp "$LIB/*" "$@"; }

# write_properties DIR PORT CONTROLLER_PORT
write_properties() {
  cat >"$1/server.properties" <<END
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$3
listeners=PLAINTEXT://127.0.0.1:$2,CONTROLLER://127.0.0.1:$3
advertised.listeners=PLAINTEXT://127.0.0.1:$2
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL
log.dirs=$1/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
# After kill -9 the controller takes no new registration until the old session has expired.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
END
  # The last mention of a property wins.
  cat "$1/extra.properties" >>"$1/server.properties"
}

# launch DIR PORT CONTROLLER_PORT: 0 when ready, 1 when a port was taken, else dies.
launch() {
  local dir=$1 pid tenths=$((${START_TIMEOUT:-90} * 10))
  write_properties "$@"
  if [[ ! -f $dir/data/meta.properties ]]; then
    # A fixed cluster id does no harm: each broker is a cluster of its own.
    java_ kafka.tools.StorageTool format --ignore-formatted -t bXlzcWwtaW50ZXJjZXB0bw \
      -c "$dir/server.properties" >"$dir/log" 2>&1 || { tail -n 20 "$dir/log" >&2; die "formatting failed"; }
  fi
  : >"$dir/log"
  # `exec java`, not the function: the pid must be that of Java itself.
  setsid "${JAVA_HOME:+$JAVA_HOME/bin/}java" -Xmx512m -XX:TieredStopAtLevel=1 -cp "$LIB/*" \
    kafka.Kafka "$dir/server.properties" </dev/null >>"$dir/log" 2>&1 &
  pid=$!
  printf '%s\n' "BOOTSTRAP=127.0.0.1:$2" "PID=$pid" "PORT=$2" >"$dir/env"
  until grep -q 'Kafka Server started' "$dir/log" && port_open "$2"; do
    if ! child_lives "$pid"; then
      rm -f "$dir/env"
      grep -q 'Address already in use' "$dir/log" && return 1
      tail -n 20 "$dir/log" >&2
      die "Kafka did not start, see $dir/log"
    fi
    ((tenths-- > 0)) || { stop "$dir"; die "Kafka does not get ready, see $dir/log"; }
    sleep 0.1
  done
  printf '%s\n' "$2 $3" >"$dir/ports"
}

start() {
  local dir ports try
  dir=$(absolute "$1")
  shift
  # Not for long when the process is dying of a SIGKILL just sent.
  if is_process "$(env_value "$dir/env" PID)" "$dir/server.properties" && sleep 0.2 &&
    is_process "$(env_value "$dir/env" PID)" "$dir/server.properties"; then
    cat "$dir/env"
    return 0
  fi
  [[ -d $LIB ]] || "$SERVERS_DIR/install.sh" kafka
  # Properties of the first start are kept for the following ones.
  if (($#)); then printf '%s\n' "$@" >"$dir/extra.properties"; else touch "$dir/extra.properties"; fi
  for try in 1 2 3; do
    # A node that was formatted keeps its controller port: it is part of its identity.
    ports=$(cat "$dir/ports" 2>/dev/null || echo "${PORT:-$(free_port)} $(free_port)")
    wait_port_closed "${ports% *}" 30 || true
    if launch "$dir" "${ports% *}" "${ports#* }"; then
      cat "$dir/env"
      return 0
    fi
    [[ ! -f $dir/ports ]] || die "one of the ports $ports is taken"
    [[ -z ${PORT:-} ]] || die "port $PORT is taken"
    note "port taken meanwhile (attempt $try)"
    rm -rf "$dir/data"
  done
  die "no free port for Kafka"
}

stop() {
  local dir
  [[ -d $1 ]] || return 0
  dir=$(absolute "$1")
  stop_process "$(env_value "$dir/env" PID)" "$dir/server.properties" 30
  rm -f "$dir/env"
}

# send SIGNAL DIR
send() {
  local dir pid
  dir=$(absolute "$2")
  pid=$(env_value "$dir/env" PID)
  is_process "$pid" "$dir/server.properties" || die "no Kafka runs in $dir"
  kill "-$1" "$pid"
}

action=${1:-}
shift || true
case $action in
  start | stop | pause | resume) (($#)) || die "$action needs a DIR" ;;
esac
case $action in
  start) start "$@" ;;
  stop) stop "$1" ;;
  pause) send STOP "$1" ;;
  resume) send CONT "$1" ;;
  tool)
    (($#)) || die "tool needs a class"
    [[ -d $LIB ]] || "$SERVERS_DIR/install.sh" kafka
    class=$1
    [[ $class == *.* ]] || class=org.apache.kafka.tools.$class
    java_ -Dorg.slf4j.simpleLogger.defaultLogLevel=warn "$class" "${@:2}"
    ;;
  help | -h | --help) usage ;;
  *) usage >&2; exit 2 ;;
esac
