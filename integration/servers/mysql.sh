#!/usr/bin/env bash
# A throwaway MySQL server in a scratch folder, and MySQL's client programs. `mysql.sh help`.
# Which server: $MYSQLD, else mysqld on the PATH (MySQL 8.0 or newer), else the unpacked
# packages of `install.sh mysql`.
set -euo pipefail
FLAVOR=mysql
# shellcheck source-path=SCRIPTDIR source=sql.sh
source "$(dirname "$0")/sql.sh"
# shellcheck source-path=SCRIPTDIR source=find.sh
source "$SERVERS_DIR/find.sh"

SERVER=$(find_mysqld) || { "$SERVERS_DIR/install.sh" mysql && SERVER=$(find_mysqld); } ||
  die "no MySQL server: run integration/servers/install.sh mysql"
TOOLS=$(find_tools "$SERVER" mysql)
CLIENT=$TOOLS/mysql

own=()
if [[ $SERVER == "$CACHE"/* ]]; then
  files=$CACHE/mysql/root/usr
  own=(--basedir="$files" --lc-messages-dir="$files/share/mysql"
    --character-sets-dir="$files/share/mysql/charsets" --plugin-dir="$files/lib/mysql/plugin")
fi
# The X protocol would open a second port. shellcheck cannot see that sql.sh reads this.
# shellcheck disable=SC2034
FLAVOR_OPTIONS=("${own[@]}" --mysqlx=OFF)

# shellcheck disable=SC2154 # `user` is set by start in sql.sh
initialise() {
  "$SERVER" --no-defaults --user="$user" --initialize-insecure --datadir="$1" "${own[@]}" \
    --innodb-buffer-pool-size=96M --innodb-flush-log-at-trx-commit=2
}

sql_main "$@"
