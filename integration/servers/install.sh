#!/usr/bin/env bash
# install.sh WHAT...: installs what is missing, and returns at once when nothing is.
#   build         what `cargo build` needs            python  interpreter, venv, pip
#   mysql         MySQL 9.7 server and clients        java    JDK 17 or newer, Maven
#   mariadb       MariaDB server and clients          go      Go 1.21 or newer
#   kafka         Kafka broker (brings java)          node    Node.js, npm
#   mariadb-11.8  a newer MariaDB beside that one     docker-check  buildah, debootstrap
#   bench         haproxy, sysbench, mysql-router     debezium      Debezium's engine (brings java)
#   ruby          Ruby's mysql2                       perl    DBD::mysql, DBD::MariaDB
#   browser       Chromium, which looks at reports
#   tcpdump       tcpdump                             sysbench      sysbench
#   prometheus    Prometheus and promtool
# MySQL, MariaDB, Kafka and Debezium are unpacked into $INTERCEPTOR_CACHE (default .cache) and change
# nothing of the system. The rest comes from apt, as root or through sudo.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=find.sh
source "$SERVERS_DIR/find.sh"

# Two installs at once would download twice and collide. `-o`: nothing that is started from
# here may keep the lock.
if [[ ${1:-} != --locked ]]; then
  have flock || exec "$BASH" "$0" --locked "$@"
  exec flock -o "$CACHE/.install.lock" "$BASH" "$0" --locked "$@"
fi
shift

# installed PACKAGE...: all of them are there.
installed() {
  local states
  states=$(dpkg-query -W -f '${db:Status-Status}\n' "$@" 2>/dev/null) || return 1
  ! grep -qv '^installed$' <<<"$states"
}

# packages WHY PACKAGE...: installs those that are missing.
packages() {
  local why=$1 package missing=() run=()
  shift
  for package in "$@"; do installed "$package" || missing+=("$package"); done
  ((${#missing[@]})) || return 0
  have apt-get || die "this is not Debian or Ubuntu: install the equivalents of: ${missing[*]}"
  if [[ $(id -u) != 0 ]]; then
    if have sudo && { sudo -n true 2>/dev/null || [[ -t 0 ]]; }; then
      run=(sudo)
    else
      note "missing ($why): ${missing[*]}"
      note "run this as root, then try again:"
      note "  apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
      exit 1
    fi
  fi
  note "installing ${missing[*]} ($why)"
  run+=(env DEBIAN_FRONTEND=noninteractive apt-get -y -qq -o DPkg::Lock::Timeout=300
    -o Acquire::Retries=3 -o Dpkg::Use-Pty=0)
  # Older indexes name files that the mirror has replaced since.
  retry 3 packages_attempt || die "apt-get could not install ${missing[*]}"
}
packages_attempt() {
  if "${run[@]}" update >&2 </dev/null &&
    "${run[@]}" install --no-install-recommends "${missing[@]}" >"$CACHE/apt.log" 2>&1 </dev/null; then
    return 0
  fi
  tail -n 15 "$CACHE/apt.log" >&2
  return 1
}

# need_index PACKAGE: a new machine has no package index yet, so that nothing would be known.
need_index() {
  apt-cache show "$1" >/dev/null 2>&1 || [[ $(id -u) != 0 ]] || apt-get -qq update >&2 </dev/null || true
}

# first_available PACKAGE...: the first one that apt can install, or else the last.
first_available() {
  local package
  need_index "${*: -1}"
  for package in "$@"; do
    apt-cache show --no-all-versions "$package" >/dev/null 2>&1 && break
  done
  echo "$package"
}

unpacked() { note "unpacking $3... into $CACHE/$1 ($4)"; "$SERVERS_DIR/unpack.sh" "$1" "$2" "${@:5}"; }

install_build() {
  # zstd and SASL are what librdkafka links when it is built with them.
  packages "to build with cargo" gcc g++ make pkg-config cmake perl git curl ca-certificates \
    libssl-dev zlib1g-dev libzstd-dev
}

install_mysql() {
  find_mysqld >/dev/null && return 0
  [[ -z ${MYSQLD:-} ]] || exit 1
  unpack_mysql mysql mysql-server-core mysql-client-core "to test against MySQL, 300 MB on disk"
}
# unpack_mysql NAME PACKAGE... WHY: Debian unstable has current MySQL packages, Debian stable none;
# Ubuntu has its own.
unpack_mysql() {
  local name=$1 why=${*: -1} packages=("${@:2:$#-2}") suite=own
  have apt-get || die "no MySQL 8.0 or newer here: name one with MYSQLD=/path/to/mysqld"
  # shellcheck disable=SC1091
  if [[ $(. /etc/os-release && echo "${ID:-}") == debian ]]; then suite=sid; fi
  unpacked "$name" "$suite" "${packages[*]}" "$why" "${packages[@]}"
}

install_tcpdump() { have tcpdump || packages "to capture packets for decode" tcpdump; }

install_sysbench() { have sysbench || packages "for a known load" sysbench; }

install_mariadb() {
  find_mariadbd >/dev/null && return 0
  [[ -z ${MARIADBD:-} ]] || exit 1
  # Unpacked, not installed: an installed package would start an instance of its own.
  unpacked mariadb own mariadb-server "to test against MariaDB, 230 MB on disk" \
    mariadb-server mariadb-server-core mariadb-client mariadb-client-core
}

# MariaDB's long-term release after 10.11, from Debian 13, whose version it stays.
install_mariadb-11.8() {
  [[ -x $CACHE/mariadb-11.8/bin/mariadbd ]] && return 0
  have apt-get || die "no MariaDB 11.8 here: unpack one into $CACHE/mariadb-11.8"
  unpacked mariadb-11.8 trixie mariadb-server "to test against MariaDB 11.8, 300 MB on disk" \
    mariadb-server mariadb-server-core mariadb-client mariadb-client-core
}

java_major() { java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p'; }
install_java() {
  have java && have javac && have mvn && (($(java_major) >= 17)) && return 0
  local jdk
  jdk=$(first_available openjdk-21-jdk-headless openjdk-17-jdk-headless default-jdk-headless)
  packages "Kafka and the Java clients" "$jdk" maven
}

# maven_copy NAME LOG OPTIONS...: copies what a pom depends on to the folder that an option names.
maven_copy() {
  local name=$1 log=$2
  shift 2
  # Maven reports its errors on standard output.
  retry 3 mvn -q -B dependency:copy-dependencies -DincludeScope=runtime "$@" </dev/null >"$log" 2>&1 ||
    { tail -n 20 "$log" >&2; die "Maven could not fetch $name"; }
}

# work_folder NAME: an empty one, to be renamed into place when it is complete; what a killed run left goes.
work_folder() {
  local work
  rm -rf "$CACHE/.$1-"*
  work=$(mktemp -d "$CACHE/.$1-XXXXXX")
  chmod 755 "$work"
  echo "$work"
}

install_kafka() {
  [[ -d $CACHE/kafka/lib ]] && return 0
  install_java
  note "fetching Kafka with Maven into $CACHE/kafka (a broker for the tests, 60 MB)"
  local work
  work=$(work_folder kafka)
  maven_copy Kafka "$work/log" -f "$SERVERS_DIR/kafka-pom.xml" -DoutputDirectory="$work/lib"
  rm -rf "$CACHE/kafka"
  mv "$work" "$CACHE/kafka"
}

# The engine with its MySQL connector, and with the newest of its MariaDB connectors that Maven Central has.
install_debezium() {
  [[ -d $CACHE/debezium/mariadb ]] && return 0
  install_java
  note "fetching Debezium with Maven into $CACHE/debezium (to compare with, 130 MB)"
  local work
  work=$(work_folder debezium)
  debezium_connector "$work" mysql 3.6.1.Final
  debezium_connector "$work" mariadb 3.5.0.Final
  rm -rf "$CACHE/debezium"
  mv "$work" "$CACHE/debezium"
}
# debezium_connector FOLDER CONNECTOR RELEASE
debezium_connector() {
  maven_copy "Debezium's connector for $2" "$1/log" -f "$REPO/integration/debezium/pom.xml" \
    -Dconnector="$2" -Ddebezium="$3" -DoutputDirectory="$1/$2"
}

install_python() {
  # A python3 that can make a virtual environment is enough.
  have python3 && python3 -c 'import venv, ensurepip' 2>/dev/null && return 0
  packages "the integration tests" python3 python3-venv python3-pip
}

# From 1.21 on, Go fetches by itself the newer one that a go.mod asks for.
go_is_new() { [[ $("$1" env GOVERSION 2>/dev/null) =~ ^go1\.([0-9]+) ]] && ((BASH_REMATCH[1] >= 21)); }
install_go() {
  have go && go_is_new go && return 0
  [[ -x $CACHE/go/path/go ]] && return 0
  local offered
  need_index golang-go
  offered=$(LC_ALL=C apt-cache policy golang-go 2>/dev/null | sed -n 's/.*Candidate: 2:1\.\([0-9]*\).*/\1/p')
  if ((${offered:-0} >= 21)); then
    packages "the Go client" golang-go
    return
  fi
  unpacked go sid golang-go "the Go client; this release has none from 1.21 on; 300 MB on disk" golang-go
  # Go finds its tree by itself, and needs no newer libc: a plain link, in a folder for the PATH.
  mkdir "$CACHE/go/path"
  ln -s "$(readlink -f "$CACHE/go/root/usr/bin/go")" "$CACHE/go/path/go"
}

install_node() {
  have node && have npm && return 0
  packages "the Node.js clients" nodejs npm
}

# Their drivers are libraries of Debian's, built for its own interpreters.
install_ruby() {
  have ruby && ruby -e 'require "mysql2"' 2>/dev/null && return 0
  packages "the Ruby client" ruby ruby-mysql2
}

install_perl() {
  have perl && perl -e 'use DBD::mysql; use DBD::MariaDB; use JSON::PP' 2>/dev/null && return 0
  packages "the Perl clients" libdbd-mysql-perl libdbd-mariadb-perl
}

install_browser() {
  local name
  for name in chromium chromium-browser google-chrome chrome; do
    [[ -z $(on_path "$name") ]] || return 0
  done
  packages "to look at reports" chromium
}

# One package of programs that need nothing but libc. An installed one would start an instance of its own.
install_prometheus() {
  { have prometheus && have promtool; } || [[ -x $CACHE/prometheus/usr/bin/promtool ]] && return 0
  have apt-get || die "no Prometheus here: put prometheus and promtool on the PATH"
  local work
  need_index prometheus
  note "unpacking prometheus into $CACHE/prometheus (to see what it scrapes, 95 MB on disk)"
  work=$(work_folder prometheus)
  (cd "$work" && retry 3 apt-get download -q -o APT::Sandbox::User= prometheus) >"$CACHE/apt.log" 2>&1 </dev/null ||
    { tail -n 15 "$CACHE/apt.log" >&2; die "apt-get could not download prometheus"; }
  dpkg-deb --fsys-tarfile "$work"/prometheus_*.deb | tar -x -C "$work" ./usr/bin
  rm "$work"/prometheus_*.deb
  rm -rf "$CACHE/prometheus"
  mv "$work" "$CACHE/prometheus"
}

install_bench() {
  { have sysbench && [[ -n $(on_path haproxy) ]]; } || packages "to compare with" haproxy sysbench
  have mysqlrouter || [[ -x $CACHE/mysql-router/bin/mysqlrouter ]] ||
    unpack_mysql mysql-router mysql-router "to compare with"
}

install_docker-check() {
  { have buildah && [[ -n $(on_path debootstrap) ]]; } || packages "to build the image without Docker" buildah debootstrap
}

(($#)) || die "usage: install.sh WHAT...   (build mysql mariadb mariadb-11.8 kafka debezium python java go node ruby perl browser prometheus bench sysbench tcpdump docker-check)"
for what in "$@"; do
  declare -F "install_$what" >/dev/null || die "install.sh does not know '$what'"
done
for what in "$@"; do "install_$what"; done
