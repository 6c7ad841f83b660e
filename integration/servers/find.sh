# shellcheck shell=bash
# Which server programs to use: the user's, the machine's, or the unpacked ones. Sourced after lib.sh.

# `mysqld` is MySQL in one place and MariaDB in another; only its version tells.
is_mysql() {
  local version
  version=$("$1" --no-defaults --version 2>/dev/null) || return 1
  [[ $version != *MariaDB* && $version =~ Ver\ ([0-9]+)\. ]] && ((BASH_REMATCH[1] >= 8))
}
is_mariadb() { [[ $("$1" --no-defaults --version 2>/dev/null) == *MariaDB* ]]; }

# on_path PROGRAM: sbin is not on everybody's PATH.
on_path() { PATH=$PATH:/usr/local/sbin:/usr/sbin command -v "$1"; }

find_mysqld() {
  local program
  if [[ -n ${MYSQLD:-} ]]; then
    is_mysql "$MYSQLD" || { note "MYSQLD=$MYSQLD is not a MySQL server of version 8.0 or newer"; return 1; }
    echo "$MYSQLD"
  elif program=$(on_path mysqld) && is_mysql "$program"; then
    echo "$program"
  else
    program=$CACHE/mysql/bin/mysqld
    [[ -x $program ]] && echo "$program"
  fi
}

find_mariadbd() {
  local program
  if [[ -n ${MARIADBD:-} ]]; then
    is_mariadb "$MARIADBD" || { note "MARIADBD=$MARIADBD is not a MariaDB server"; return 1; }
    echo "$MARIADBD"
  elif program=$(on_path mariadbd) && is_mariadb "$program"; then
    echo "$program"
  else
    program=$CACHE/mariadb/bin/mariadbd
    [[ -x $program ]] && echo "$program"
  fi
}

# find_tools SERVER CLIENT: the folder with the client programs that belong to a server.
find_tools() {
  local folder
  for folder in "${1%/*}" "${1%/*}/../bin" /usr/bin; do
    [[ -x $folder/$2 ]] && { (cd "$folder" && pwd -P); return 0; }
  done
  note "no client program '$2' beside $1"
  return 1
}
