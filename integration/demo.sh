#!/usr/bin/env bash
# demo.sh: a throwaway MySQL, the proxy in front of it, a few statements and the messages they become,
# then the rows that changed, from the binlog, and the same statements again on a second server, with a report.
# Only the downloads in .cache remain, and the report.
# INTERCEPTOR_BINARY= tries another binary.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
# shellcheck source-path=SCRIPTDIR source=servers/lib.sh
source "$here/servers/lib.sh"

# The demonstration shows the defaults, whatever the caller has set for a proxy of their own.
binary=${INTERCEPTOR_BINARY:-}
for variable in "${!INTERCEPTOR_@}" "${!DEBUGQUERYINTERCEPTOR_@}"; do
  [[ $variable == INTERCEPTOR_CACHE ]] || unset "$variable"
done
unset RUST_LOG # its line "listening" is at the level info

if [[ -t 1 ]]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; else bold='' dim='' plain=''; fi
headline() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }

report=$CACHE/demo/report
scratch=$(mktemp -d /tmp/interceptor-demo-XXXXXX)
chmod 755 "$scratch" # the server may run as another user
proxy_pid='' client_pid='' listen='' server_script=''
stop_proxy() {
  [[ -z $proxy_pid ]] || stop_process "$proxy_pid" "$listen" 10
  proxy_pid=''
}
cleanup() {
  local status=$?
  trap - EXIT INT TERM
  [[ -z $client_pid ]] || kill "$client_pid" 2>/dev/null || true
  stop_proxy
  [[ -z $server_script ]] || "$server_script" stop "$scratch/server" || true
  [[ ! -d $scratch/target ]] || "$server_script" stop "$scratch/target" || true
  rm -rf "$scratch"
  exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

headline "Getting ready"
if [[ -z $binary ]]; then
  "$here/servers/install.sh" build
  have cargo || die "no cargo here: install a Rust toolchain first (https://rustup.rs)"
  # Neither optimised nor small, but built in a fraction of the time that a release takes; so are the libraries in C.
  (cd "$REPO" && CFLAGS=${CFLAGS:--O0} cargo build --profile quick --locked)
  binary=${CARGO_TARGET_DIR:-$REPO/target}/quick/mysql-interceptor
fi
if "$here/servers/install.sh" mysql; then
  server_script=$here/servers/mysql.sh
  # Without TLS this is how MySQL's default authentication hands over a password safely.
  client_options=(--get-server-public-key)
  server_options=(--binlog-row-metadata=FULL)
else
  note "MySQL is unavailable on this machine: the demonstration uses MariaDB instead"
  "$here/servers/install.sh" mariadb
  server_script=$here/servers/mariadb.sh
  client_options=()
  server_options=(--log-bin=binlog --server-id=1 --binlog-format=ROW --binlog-row-metadata=FULL)
fi
"$server_script" start "$scratch/server" "${server_options[@]}" >"$scratch/server.out"
upstream=127.0.0.1:$(env_value "$scratch/server/env" PORT)
echo "$(env_value "$scratch/server/env" FLAVOR) $(env_value "$scratch/server/env" VERSION) listens on $upstream"

# start_proxy OPTIONS...: messages go to $scratch/messages, its log to $scratch/proxy.log.
start_proxy() {
  local tenths=100 try
  for try in 1 2 3; do
    listen=127.0.0.1:$(free_port)
    : >"$scratch/messages" && : >"$scratch/proxy.log"
    "$binary" proxy --listen "$listen" --upstream "$upstream" --sink stdout "$@" \
      </dev/null >"$scratch/messages" 2>"$scratch/proxy.log" &
    proxy_pid=$!
    until grep -qi listening "$scratch/proxy.log" "$scratch/messages"; do
      if ! child_lives "$proxy_pid"; then
        grep -qi 'in use' "$scratch/proxy.log" && ((try < 3)) && continue 2
        cat "$scratch/proxy.log" >&2
        die "the proxy did not start"
      fi
      ((tenths-- > 0)) || { cat "$scratch/proxy.log" >&2; die "the proxy does not listen after 10 s"; }
      sleep 0.1
    done
    shown=$(stat -c %s "$scratch/messages")
    return 0
  done
}

# start_client: one connection for the whole demonstration; statements go to it through a pipe.
# The password is in the environment because the client warns about one on its command line.
# --force: continue after the statement that is meant to fail. --unbuffered: each one at once.
start_client() {
  rm -f "$scratch/statements"
  mkfifo "$scratch/statements"
  MYSQL_PWD=app-secret "$server_script" cli "${client_options[@]}" --host=127.0.0.1 \
    --port="${listen#*:}" --user=app --force --unbuffered test \
    <"$scratch/statements" >"$scratch/client.out" 2>"$scratch/client.err" &
  client_pid=$!
  exec 7>"$scratch/statements"
}
stop_client() {
  exec 7>&-
  wait "$client_pid" || true # it reports the mistake that was made on purpose
  client_pid=''
}
run() {
  # In a subshell, since writing to a client that has gone away is fatal (SIGPIPE).
  if ! kill -0 "$client_pid" 2>/dev/null || ! (printf '%s\n' "$1" >&7); then
    cat "$scratch/client.err" "$scratch/proxy.log" >&2
    die "the client could not work through the proxy"
  fi
}

# A driver that uses prepared statements of the protocol, which the mysql client does not: MySQL's own for
# Python, in an environment of its own. Without one the demonstration continues in SQL.
driver=''
prepare_driver() {
  local requirement venv
  requirement=$(grep '^mysql-connector-python==' "$here/requirements.txt") || return 1
  venv=$CACHE/venv-demo-${requirement#*==}
  if [[ ! -x $venv/bin/python ]]; then
    "$here/servers/install.sh" python && rm -rf "$venv" "$venv.new" && python3 -m venv "$venv.new" &&
      "$venv.new/bin/python" -m pip install -q --disable-pip-version-check "$requirement" >&2 &&
      mv "$venv.new" "$venv" || return 1
  fi
  driver=$venv/bin/python
}

# execute_prepared: one statement, two executions. Its values are not in its text.
execute_prepared() {
  MYSQL_PWD=app-secret "$driver" - "${listen#*:}" <<'END'
import os
import sys

import mysql.connector

connection = mysql.connector.connect(host="127.0.0.1", port=int(sys.argv[1]), user="app", password=os.environ["MYSQL_PWD"],
                                     database="test", autocommit=True)
cursor = connection.cursor(prepared=True)
for amount, owner in ((5, "Ada"), (7.5, "Grace")):
    cursor.execute("UPDATE account SET balance = balance - ? WHERE owner = ?", (amount, owner))
connection.close()
END
}

# settle: messages come slightly after the client's reply; wait until no more arrive.
settle() {
  local size=-1 now quiet=0 tenths=50
  while ((quiet < 4 && tenths-- > 0)); do
    sleep 0.1
    now=$(stat -c %s "$scratch/messages")
    if ((now == size && now > shown)); then quiet=$((quiet + 1)); else quiet=0; fi
    size=$now
  done
}

# show: what the proxy has written since, as `--pretty` shows it. (The proxy writes JSON here, and `inspect -`
# makes it readable, so that lines fit this terminal. `proxy --pretty` looks the same.)
show() {
  settle
  (($(stat -c %s "$scratch/messages") > shown)) || echo "(nothing)"
  tail -c "+$((shown + 1))" "$scratch/messages" | "$binary" inspect - --pretty
  shown=$(stat -c %s "$scratch/messages")
}

# phase TITLE: runs the statements of standard input through the proxy, then shows its messages.
phase() {
  headline "$1"
  local statements
  statements=$(cat)
  # shellcheck disable=SC2001 # one prefix for each line
  printf '%s%s%s\n\n' "$dim" "$(sed 's/^/  mysql> /' <<<"$statements")" "$plain"
  run "$statements"
  show
}

start_proxy --record "$scratch/recording"
echo "the proxy listens on $listen; a client only needs the other port"

headline "What the client itself asks for when it connects"
start_client
show
if grep -aq 'select \$\$' "$scratch/messages"; then
  echo "(No fault: this is how the mysql client asks whether \$\$ is a quote here.)"
fi
phase "A table and two rows" <<'SQL'
CREATE TABLE account (id INT PRIMARY KEY, owner VARCHAR(40), balance DECIMAL(10,2));
INSERT INTO account (id, owner, balance) VALUES (1, 'Ada', 100.00), (2, 'Grace', 250.50);
SQL
if prepare_driver; then
  headline "A prepared statement: a driver (of Python here) binds its values"
  # shellcheck disable=SC2016 # Python's text
  printf '%s  cursor.execute("UPDATE account SET ... WHERE owner = ?", (5, "Ada"))%s\n\n' "$dim" "$plain"
  execute_prepared || { cat "$scratch/proxy.log" >&2; die "the driver could not work through the proxy"; }
  show
else
  note "no driver for Python: the demonstration leaves the protocol's prepared statements out"
fi
phase "An update and a select: rows matched, rows returned, time taken" <<'SQL'
UPDATE account SET balance = balance * 1.02 WHERE balance > 50;
SELECT owner, balance FROM account ORDER BY balance DESC;
SQL
phase "A mistake: the server's error is part of the message" <<'SQL'
SELEC owner FROM account;
SQL
phase "A value that does not fit: this server is strict about it" <<'SQL'
INSERT INTO account (id, owner, balance) VALUES (3, 'a name of more than forty characters, which is too long', 1);
SQL
phase "Two transactions: nothing of the one that is rolled back, and the other's when it commits" <<'SQL'
START TRANSACTION;
DELETE FROM account;
ROLLBACK;
START TRANSACTION;
UPDATE account SET balance = balance - 25 WHERE id = 2;
UPDATE account SET balance = balance + 25, owner = 'Ada L.' WHERE id = 1;
COMMIT;
SQL
stop_client

headline "One of these as Kafka or a file gets it: a line of JSON"
grep -aF '["7.5","Grace"]' "$scratch/messages" || tail -n 1 "$scratch/messages"
stop_proxy

headline "Second act: what the updates did to rows (old => new), from the binlog"
printf '%s  mysql-interceptor binlog --source mysql://app@%s \\\n      --from oldest --until now --only update --pretty%s\n\n' \
  "$dim" "$upstream" "$plain"
MYSQL_PWD=app-secret "$binary" binlog --source "mysql://app@$upstream" --from oldest --until now --only update \
  --pretty --log-level warn

headline "Third act: the same again on a second server, which is less strict (sql_mode='')"
"$server_script" start "$scratch/target" --sql-mode= >"$scratch/target.out"
target=127.0.0.1:$(env_value "$scratch/target/env" PORT)
printf '%s  mysql-interceptor recording info RECORDING          (the proxy ran with --record RECORDING)%s\n\n' "$dim" "$plain"
"$binary" recording info "$scratch/recording"
printf '\n%s  mysql-interceptor replay RECORDING --target mysql://app@%s \\\n      --allow-writes --speed max --report REPORT%s\n\n' \
  "$dim" "$target" "$plain"
rm -rf "$report"
mkdir -p "$(dirname "$report")"
MYSQL_PWD=app-secret "$binary" replay "$scratch/recording" --target "mysql://app@$target" --allow-writes --speed max \
  --report "$report" --log-level error
echo
echo "The report for a browser: $(realpath --relative-to="$PWD" "$report")/report.html"

headline "What next"
echo "make up               MySQL, Kafka and the proxy, to develop with (DSN: make ps)"
echo "make inspect-results  reads the messages back from their Kafka topic"
echo "make build            the optimised binary (sudo make install: on the PATH)"
echo "In front of your own server:"
echo "  $(realpath --relative-to="$PWD" "$binary") proxy --help"
