#!/usr/bin/env bash
# unpack.sh NAME SUITE PACKAGE...: unpacks Debian or Ubuntu packages, with everything they
# depend on down to libc, into $INTERCEPTOR_CACHE/NAME. Nothing of the system changes, nothing
# is started and root is not needed, so a newer MySQL can run on a stable release.
#   SUITE   a release of Debian (`sid` is unstable) or `own`, what this machine's release offers
# Result:   NAME/root  the files     NAME/bin/PROGRAM  runs one with its own libraries
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "$0")/lib.sh"

(($# >= 3)) || die "usage: unpack.sh NAME SUITE PACKAGE..."
name=$1 suite=$2
shift 2
target=$CACHE/$name

keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The machine's own mirror, so that private mirrors and proxies keep working.
debian_mirror() {
  # shellcheck disable=SC2016 # the dollars are apt's, not the shell's
  apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
    awk '$3 == "main" && $1 ~ /\/debian\/?$/ && $2 !~ /security|updates|backports/ { print $1; exit }'
}

# What a killed run left; install.sh holds the lock, so it is not in use.
rm -rf "$CACHE/.unpack-$name-"*
work=$(mktemp -d "$CACHE/.unpack-$name-XXXXXX")
trap 'rm -rf "$work"' EXIT
# apt drops to the user _apt for downloads and complains when it cannot read the folder.
chmod 755 "$work"
mkdir -p "$work"/{lists/partial,archives/partial,root}
# An empty list of installed packages makes apt name every file wanted, libc included.
: >"$work/status"
options=(-o "Dir::State::status=$work/status" -o "Dir::State::Lists=$work/lists"
  -o "Dir::Cache=$work" -o "Dir::Cache::archives=$work/archives" -o Debug::NoLocking=1
  -o APT::Install-Recommends=0 -o Acquire::Languages=none -o Acquire::Retries=3
  -o Acquire::http::Timeout=60 -o Acquire::ForceHash=SHA256 -o APT::Sandbox::User=
  -o "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false"
  -o "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false")
if [[ $suite != own ]]; then
  mirror=$(debian_mirror)
  [[ -n $mirror && -r $keyring ]] || die "no Debian mirror among the apt sources, or no $keyring"
  echo "deb [signed-by=$keyring] $mirror $suite main" >"$work/sources.list"
  options+=(-o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null)
fi

# resolve PACKAGE: where the plain name is unknown, Ubuntu's with a version: mysql-server-core-8.0.
resolve() {
  local names
  names=$(apt-cache "${options[@]}" pkgnames "$1" | grep -xE "$1(-[0-9.]+)?" | sort -V)
  if [[ -z $names ]] || grep -qx -- "$1" <<<"$names"; then echo "$1"; else tail -n 1 <<<"$names"; fi
}

fetch() {
  local package packages=()
  apt-get "${options[@]}" -q update || return 1
  for package in "$@"; do packages+=("$(resolve "$package")"); done
  apt-get "${options[@]}" -qq -y --print-uris install "${packages[@]}" >"$work/uris" &&
    apt-get "${options[@]}" -q -y --download-only install "${packages[@]}"
}
# The index is renewed with each attempt: unstable may replace a file while we fetch it.
retry 3 fetch "$@" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; die "could not download: $*"; }

# apt checked each file against the signed index; check what lies on the disk once more.
sed -n "s/^'[^']*' \([^ ]*\) [0-9]* SHA256:\([0-9a-f]*\).*/\2  \1/p" "$work/uris" >"$work/sums"
[[ -s $work/sums && $(wc -l <"$work/sums") -eq $(wc -l <"$work/uris") ]] ||
  die "apt gave no SHA256 sum for some package"
(cd "$work/archives" && sha256sum --quiet --strict -c "$work/sums") || die "damaged download"

# Older packages still name /bin or /lib: with the links in place first, all land in usr/.
mkdir -p "$work"/root/usr/{bin,sbin,lib,lib64}
for folder in bin sbin lib lib64; do ln -s "usr/$folder" "$work/root/$folder"; done
for package in "$work"/archives/*.deb; do dpkg-deb --fsys-tarfile "$package" |
  tar -x -C "$work/root" --no-same-owner --keep-directory-symlink; done
rm -rf "$work"/root/usr/share/{doc,man,locale,perl,info,lintian,bug} "$work"/root/usr/lib/*-linux-gnu*/perl*
cp "$work/sums" "$work/root/packages.sha256"

# Its programs need their own, newer libc: this runs them through that libc's loader.
mkdir "$work/bin"
cat >"$work/bin/.run" <<'RUN'
#!/bin/sh
name=${0##*/}
root=$(dirname "$(readlink -f "$0")")/../root
for loader in "$root"/usr/lib*/ld-linux*.so.* "$root"/usr/lib/*-linux-gnu*/ld-linux*.so.*; do
  [ -e "$loader" ] && break
done
for libs in "$root"/usr/lib/*-linux-gnu*; do [ -e "$libs/libc.so.6" ] && break; done
program=$root/usr/sbin/$name
[ -e "$program" ] || program=$root/usr/bin/$name
LIBMYSQL_PLUGIN_DIR=${LIBMYSQL_PLUGIN_DIR:-$root/usr/lib/mysql/plugin}
export LIBMYSQL_PLUGIN_DIR
exec "$loader" --library-path "$libs:$root/usr/lib/mysql/private:$root/usr/lib/$name:$libs/$name/private" "$program" "$@"
RUN
chmod 755 "$work/bin/.run"
# Only ELF programs: scripts are of no use outside their own place. 7f454c46 is "\x7fELF".
for program in "$work"/root/usr/{bin,sbin}/*; do
  [[ -f $program && $(head -c 4 "$program" | od -An -tx1 | tr -d ' \n') == 7f454c46 ]] || continue
  ln -sf .run "$work/bin/${program##*/}"
done

# Renaming at the end: an interrupted run leaves no half installation.
chmod -R u+rwX,go+rX "$work/root"
mkdir "$work/done"
mv "$work/root" "$work/bin" "$work/done/"
rm -rf "$target"
mv "$work/done" "$target"
