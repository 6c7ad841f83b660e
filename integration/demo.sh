#!/usr/bin/env bash
# demo.sh: a throwaway MySQL, the proxy in front of it, a few statements, and the messages they
# become. Nothing stays behind but the downloads in .cache. INTERCEPTOR_BINARY= tries another binary.
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
  (cd "$REPO" && cargo build --release --locked)
  binary=${CARGO_TARGET_DIR:-$REPO/target}/release/mysql-interceptor
fi
if "$here/servers/install.sh" mysql; then
  server_script=$here/servers/mysql.sh
  # Without TLS this is how MySQL's default authentication hands over a password safely.
  client_options=(--get-server-public-key)
else
  note "MySQL cannot be had on this machine: the demonstration uses MariaDB instead"
  "$here/servers/install.sh" mariadb
  server_script=$here/servers/mariadb.sh
  client_options=()
fi
"$server_script" start "$scratch/server" >"$scratch/server.out"
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
# --force: go on after the statement that is meant to fail. --unbuffered: each one at once.
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

# settle: messages come a moment after the client's reply; wait until no more arrive.
settle() {
  local size=-1 now quiet=0 tenths=50
  while ((quiet < 4 && tenths-- > 0)); do
    sleep 0.1
    now=$(stat -c %s "$scratch/messages")
    if ((now == size && now > shown)); then quiet=$((quiet + 1)); else quiet=0; fi
    size=$now
  done
}

show() {
  settle
  (($(stat -c %s "$scratch/messages") > shown)) || echo "(nothing)"
  tail -c "+$((shown + 1))" "$scratch/messages"
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

# The proxy writes to a file here: only this script knows whether a terminal shows it.
color=never
[[ ! -t 1 ]] || color=always
start_proxy --pretty --color "$color"
echo "the proxy listens on $listen; a client only needs the other port"

headline "What the client itself asks for when it connects"
start_client
show
phase "A table and two rows" <<'SQL'
CREATE TABLE account (id INT PRIMARY KEY, owner VARCHAR(40), balance DECIMAL(10,2));
INSERT INTO account VALUES (1, 'Ada', 100.00), (2, 'Grace', 250.50);
SQL
phase "A prepared statement" <<'SQL'
PREPARE by_owner FROM 'SELECT id, balance FROM account WHERE owner = ?';
SET @owner = 'Grace';
EXECUTE by_owner USING @owner;
SQL
phase "An update and a select: rows matched, rows returned, time taken" <<'SQL'
UPDATE account SET balance = balance * 1.02 WHERE balance > 50;
SELECT owner, balance FROM account ORDER BY balance DESC;
SQL
phase "A mistake: the server's error is part of the message" <<'SQL'
SELEC owner FROM account;
SQL
phase "A transaction" <<'SQL'
START TRANSACTION;
UPDATE account SET balance = balance - 25 WHERE id = 2;
UPDATE account SET balance = balance + 25 WHERE id = 1;
COMMIT;
SQL
stop_client
stop_proxy

headline "The same as Kafka gets it: one line of JSON per statement"
start_proxy
start_client
run "SELECT SUM(balance) FROM account;"
settle
stop_client
grep -aF 'SUM(balance)' "$scratch/messages" || { cat "$scratch/proxy.log" >&2; die "no message arrived"; }
stop_proxy

headline "What next"
echo "make up               a set to develop with: MySQL, Kafka and the proxy (make ps shows the DSN)"
echo "make inspect-results  reads the messages back from that set's Kafka topic"
echo "$(realpath --relative-to="$PWD" "$binary") proxy --help   puts it in front of your own server"
