# shellcheck shell=bash
# Starting and stopping a throwaway MySQL or MariaDB. Sourced by mysql.sh and mariadb.sh, which set
#   FLAVOR          mysql or mariadb
#   CLIENT, SERVER  their programs
#   TOOLS           folder of the other client programs
#   FLAVOR_OPTIONS  what the server needs in any case
# and define `initialise DATA`, which fills an empty data folder.
#
# A DIR holds: data/ (the data folder), log, port (kept from run to run), tls/, and while
# the server runs env (KEY=VALUE lines).
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  cat <<END
usage: $FLAVOR.sh start DIR [--with-tls] [server options...]   (PORT= chooses the port)
       $FLAVOR.sh stop DIR
       $FLAVOR.sh cli [client options...]
       $FLAVOR.sh tool PROGRAM [options...]
END
}

# server_user DIR: whom a server started by root runs as. mysqld refuses to be root unless told
# to; the account mysql is better, provided that it exists and may enter DIR and the programs.
server_user() {
  if [[ $(id -u) != 0 ]]; then
    id -un
  elif id mysql >/dev/null 2>&1 && runuser -u mysql -- test -x "$1" -a -x "$SERVER"; then
    echo mysql
  else
    echo root
  fi
}

# make_certificates DIR: an authority and a certificate for this machine signed by it.
make_certificates() {
  [[ -f $1/server-cert.pem ]] && return 0
  rm -rf "$1.new" && mkdir "$1.new"
  (
    cd "$1.new"
    openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=mysql-interceptor test CA" \
      -keyout ca-key.pem -out ca.pem
    openssl req -newkey rsa:2048 -nodes -subj "/CN=localhost" -keyout server-key.pem -out server.csr
    openssl x509 -req -in server.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 3650 \
      -extfile <(echo "subjectAltName=DNS:localhost,IP:127.0.0.1") -out server-cert.pem
  ) 2>"$1.log" || { cat "$1.log" >&2; die "openssl could not make the certificates"; }
  rm "$1.log"
  mv "$1.new" "$1"
}

as_root() { "$CLIENT" --no-defaults --protocol=socket --socket="$1" --user=root -N -s "${@:2}"; }

# accounts SOCKET: idempotent, and kept out of the binary log so that tests find it empty of them.
accounts() {
  as_root "$1" -e "SET sql_log_bin=0; CREATE DATABASE IF NOT EXISTS test;
    CREATE USER IF NOT EXISTS 'app'@'%' IDENTIFIED BY 'app-secret';
    GRANT ALL PRIVILEGES ON *.* TO 'app'@'%' WITH GRANT OPTION;"
}

# launch DIR PORT OPTIONS...: one attempt; 0 when it answers, 1 when the port was taken, else dies.
launch() {
  local dir=$1 port=$2 socket pid version from
  shift 2
  # A short folder of its own: a socket path is limited to 107 characters.
  socket=$(mktemp -d /tmp/interceptor-XXXXXX)/sock
  # MariaDB removes at its start the temporary tables that it finds in its folder, another server's too.
  mkdir -p "$dir/tmp"
  chown "$user" "${socket%/*}" "$dir/tmp"
  touch "$dir/log"
  from=$(wc -l <"$dir/log")
  setsid "$SERVER" --no-defaults --user="$user" --datadir="$dir/data" --tmpdir="$dir/tmp" --port="$port" \
    --socket="$socket" --pid-file="$dir/data/server.pid" --bind-address=127.0.0.1 \
    --server-id="$port" --log-bin=binlog --binlog-format=ROW --secure-file-priv= \
    --innodb-buffer-pool-size=96M --innodb-flush-log-at-trx-commit=2 --sync-binlog=0 \
    "${FLAVOR_OPTIONS[@]}" "$@" </dev/null >>"$dir/log" 2>&1 &
  pid=$!
  # Written before the wait, so that `stop` also ends a server that hangs at its start.
  printf '%s\n' HOST=127.0.0.1 "PORT=$port" "SOCKET=$socket" "PID=$pid" "FLAVOR=$FLAVOR" >"$dir/env"
  local tenths=$((${START_TIMEOUT:-90} * 10))
  until version=$(as_root "$socket" -e 'SELECT VERSION()' 2>/dev/null); do
    if ! child_lives "$pid"; then
      rm -rf "${socket%/*}" "$dir/env"
      tail -n "+$((from + 1))" "$dir/log" | grep -qiE 'address already in use' && return 1
      tail -n 20 "$dir/log" >&2
      die "$FLAVOR did not start, see $dir/log"
    fi
    ((tenths-- > 0)) || { stop "$dir"; die "$FLAVOR does not answer, see $dir/log"; }
    sleep 0.1
  done
  if [[ ! -f $dir/data/.accounts ]]; then
    accounts "$socket"
    touch "$dir/data/.accounts"
  fi
  echo "$port" >"$dir/port"
  local ca=$dir/tls/ca.pem
  [[ -f $ca ]] || ca=$dir/data/ca.pem
  {
    printf '%s\n' HOST=127.0.0.1 "PORT=$port" "SOCKET=$socket" "PID=$pid" "VERSION=$version" "FLAVOR=$FLAVOR"
    [[ ! -f $ca ]] || printf 'TLS_CA=%q\n' "$ca"
  } >"$dir/env.new"
  mv "$dir/env.new" "$dir/env"
}

# already_running DIR: waits as long as there is a process, because it may be on its way up, or
# dying of a SIGKILL just sent.
already_running() {
  local pid socket tenths=$((${START_TIMEOUT:-90} * 10))
  pid=$(env_value "$1/env" PID)
  socket=$(env_value "$1/env" SOCKET)
  while is_process "$pid" "--datadir=$1/data"; do
    as_root "$socket" -e 'SELECT 1' >/dev/null 2>&1 && return 0
    ((tenths-- > 0)) || die "the $FLAVOR of process $pid does not answer, see $1/log"
    sleep 0.1
  done
  return 1
}

start() {
  local dir extra=() port try
  dir=$(absolute "$1")
  shift
  if already_running "$dir"; then
    cat "$dir/env"
    return 0
  fi
  # Left by a server that was killed.
  local stale
  stale=$(env_value "$dir/env" SOCKET)
  [[ -z $stale ]] || rm -rf "${stale%/*}"
  user=$(server_user "$dir")
  if [[ ${1:-} == --with-tls ]]; then
    shift
    make_certificates "$dir/tls"
    chown -R "$user" "$dir/tls"
    extra=(--ssl-ca="$dir/tls/ca.pem" --ssl-cert="$dir/tls/server-cert.pem" --ssl-key="$dir/tls/server-key.pem")
  fi
  if [[ ! -d $dir/data ]]; then
    # Renamed when complete: an interrupted run must not leave half a data folder.
    rm -rf "$dir/data.new"
    mkdir "$dir/data.new"
    chown "$user" "$dir/data.new"
    initialise "$dir/data.new" >"$dir/log" 2>&1 || { tail -n 20 "$dir/log" >&2; die "initialising failed, see $dir/log"; }
    mv "$dir/data.new" "$dir/data"
  fi
  # The old port again, so that clients find the server after a restart.
  port=${PORT:-$(cat "$dir/port" 2>/dev/null || true)}
  for try in 1 2 3 4 5; do
    if [[ -z $port ]] || { [[ -z ${PORT:-} ]] && ! wait_port_closed "$port" 30; }; then port=$(free_port); fi
    if launch "$dir" "$port" "${extra[@]}" "$@"; then
      cat "$dir/env"
      return 0
    fi
    [[ -z ${PORT:-} ]] || die "port $PORT is taken"
    note "port $port was taken meanwhile (attempt $try)"
    port=
  done
  die "no free port for $FLAVOR"
}

stop() {
  local dir socket
  [[ -d $1 ]] || return 0
  dir=$(absolute "$1")
  stop_process "$(env_value "$dir/env" PID)" "--datadir=$dir/data" 30
  socket=$(env_value "$dir/env" SOCKET)
  # Only ever the folder that launch made.
  [[ $socket != /tmp/interceptor-*/sock ]] || rm -rf "${socket%/*}"
  rm -f "$dir/env"
}

# run_client PROGRAM ARGS...: without the user's own ~/.my.cnf, unless the caller names one.
run_client() {
  local program=$1
  shift
  case ${1:-} in
    --defaults-file=* | --defaults-extra-file=* | --no-defaults | --print-defaults | --login-path=*)
      exec "$program" "$@" ;;
    *) exec "$program" --no-defaults "$@" ;;
  esac
}

sql_main() {
  local action=${1:-}
  shift || true
  case $action in
    start) (($#)) || die "start needs a DIR"; start "$@" ;;
    stop) (($#)) || die "stop needs a DIR"; stop "$@" ;;
    cli) run_client "$CLIENT" "$@" ;;
    tool)
      [[ -x $TOOLS/${1:-/} ]] || die "no program '${1:-}' in $TOOLS"
      run_client "$TOOLS/$1" "${@:2}"
      ;;
    help | -h | --help) usage ;;
    *) usage >&2; exit 2 ;;
  esac
}
