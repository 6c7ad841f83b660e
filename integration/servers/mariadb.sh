#!/usr/bin/env bash
# A throwaway MariaDB server in a scratch folder, and MariaDB's client programs. `mariadb.sh help`.
# Which server: $MARIADBD, else mariadbd on the PATH, else the unpacked packages of
# `install.sh mariadb`.
set -euo pipefail
FLAVOR=mariadb
# shellcheck source-path=SCRIPTDIR source=sql.sh
source "$(dirname "$0")/sql.sh"
# shellcheck source-path=SCRIPTDIR source=find.sh
source "$SERVERS_DIR/find.sh"

SERVER=$(find_mariadbd) || { "$SERVERS_DIR/install.sh" mariadb && SERVER=$(find_mariadbd); } ||
  die "no MariaDB server: run integration/servers/install.sh mariadb"
TOOLS=$(find_tools "$SERVER" mariadb)
CLIENT=$TOOLS/mariadb

own=()
share=/usr/share/mysql
if [[ $SERVER == "$CACHE"/* ]]; then
  files=${SERVER%/bin/*}/root/usr
  share=$files/share/mysql
  # Debian's newer packages moved to share/mariadb.
  [[ -d $share/charsets ]] || share=$files/share/mariadb
  own=(--basedir="$files" --lc-messages-dir="$share"
    --character-sets-dir="$share/charsets" --plugin-dir="$files/lib/mysql/plugin")
elif [[ ! -d $share/charsets ]]; then
  share=/usr/share/mariadb
fi
# shellcheck disable=SC2034 # read by sql.sh
FLAVOR_OPTIONS=("${own[@]}")

# What mariadb-install-db does. That script itself wants an installed tree, and changes the
# owner of the PAM helper in it.
# shellcheck disable=SC2154 # `user` is set by start in sql.sh
initialise() {
  {
    # Left NULL, root@localhost gets an empty password instead of socket authentication.
    # One statement per line: that is all the bootstrap parser understands.
    printf '%s\n' "CREATE DATABASE IF NOT EXISTS mysql;" "USE mysql;" "SET @auth_root_socket=NULL;"
    local part
    for part in system_tables performance_tables system_tables_data; do
      cat "$share/mariadb_$part.sql" 2>/dev/null || cat "$share/mysql_$part.sql"
    done
    cat "$share/fill_help_tables.sql" "$share/maria_add_gis_sp_bootstrap.sql"
    cat "$share"/m*_sys_schema.sql
    # An anonymous account would take precedence over 'app'@'%' for clients on this machine.
    echo "DELETE FROM mysql.global_priv WHERE User='';"
  # Temporary tables in a folder of its own: two servers that are initialised at once call theirs the same.
  } | "$SERVER" --no-defaults --user="$user" --bootstrap --datadir="$1" --tmpdir="$1" "${own[@]}" \
    --log-warnings=0 --enforce-storage-engine= --max-allowed-packet=8M --net-buffer-length=16K
}

sql_main "$@"
