#!/usr/bin/env bash
# check.sh: builds the image of docker/Dockerfile, runs what is in it as the sidecar would run, and
# checks compose.yaml. With Docker where an engine answers (CHECK=buildah prevents that), else, as
# root, with buildah: from registry images where a registry is reachable, or else from a base that
# debootstrap makes and this machine's Rust toolchain. BASE_IMAGE and BUILD_IMAGE choose others.
# Everything that it makes is removed again, except for what Docker caches of a build.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
# shellcheck source-path=SCRIPTDIR source=../integration/servers/lib.sh
source "$here/../integration/servers/lib.sh"
dockerfile=$here/Dockerfile
program=/usr/local/bin/mysql-interceptor
tag=mysql-interceptor:check-$$
work=$(mktemp -d "$CACHE/.docker-check-XXXXXX")
running='' running_is='' # the process that stop_running ends: a `timeout`, or `unshare` with the proxy
container=''

stop_running() {
  local tenths=350
  [[ -n $running ]] || return 0
  kill -TERM "$running" 2>/dev/null || true
  # timeout passes it on, and kills what does not listen after 30 s. unshare does not listen
  # itself, and what runs under it dies with it.
  [[ $running_is != unshare ]] || kill -KILL "$running" 2>/dev/null || true
  while child_lives "$running" && ((tenths-- > 0)); do sleep 0.1; done
  kill -KILL "$running" 2>/dev/null || true
  wait "$running" 2>/dev/null || true
  running=''
}
cleanup() {
  local mounted
  stop_running
  [[ -z $container ]] || timeout 60 docker rm -f "$container" >/dev/null 2>&1 || true
  [[ ! -e $work/tagged ]] || timeout 60 docker image rm -f "$tag" >/dev/null 2>&1 || true
  # What debootstrap and buildah mounted, the innermost first. Nothing may be removed through one.
  while read -r mounted; do umount "$mounted" || umount -l "$mounted" || true; done \
    < <(awk -v under="$work/" 'index($5, under) == 1 { print $5 }' /proc/self/mountinfo | sort -r)
  rm -rf --one-file-system "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# within MINUTES COMMAND...: in the background, because a trap has to wait for what runs in front.
within() {
  local minutes=$1 status=0
  shift
  timeout --kill-after=30 "${minutes}m" "$@" &
  running=$! running_is=timeout
  wait "$running" || status=$?
  running=''
  ((status != 124)) || note "over after $minutes minutes: $1 $2"
  return "$status"
}
began=$SECONDS
step() { echo "== $((SECONDS - began)) s: $*"; }
fail() { die "check failed: $*"; }
expect() { # WHAT WANTED FOUND
  [[ $2 == "$3" ]] || fail "$1 is '$3', not '$2'"
  echo "$1: $3"
}
megabytes() { awk '{ printf "%.1f MB", $1 / 1000000 }' <<<"$1"; }

default_of() { sed -n "s/^ARG $1=//p" "$dockerfile"; }
epoch=$(git -C "$REPO" log -1 --format=%ct 2>/dev/null || date -r "$REPO/Cargo.lock" +%s)
build_args=(
  --build-arg "VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' "$REPO/Cargo.toml" | head -n 1)"
  --build-arg "REVISION=$(git -C "$REPO" rev-parse HEAD 2>/dev/null || echo unknown)"
)

## With Docker

with_docker() {
  local name status tries=30
  for name in BASE_IMAGE BUILD_IMAGE; do
    [[ -z ${!name:-} ]] || build_args+=(--build-arg "$name=${!name}")
  done
  step "docker build"
  touch "$work/tagged"
  within 45 docker build -f "$dockerfile" -t "$tag" --build-arg "SOURCE_DATE_EPOCH=$epoch" "${build_args[@]}" "$REPO"

  step "what it is"
  config() { timeout 60 docker image inspect -f "$1" "$tag"; }
  check_config .Config
  confined=(docker run --rm --network none --read-only --cap-drop ALL --security-opt no-new-privileges)
  expect "user id inside" 10001 "$(timeout 60 "${confined[@]}" --entrypoint id "$tag" -u)"
  run_program timeout 60 "${confined[@]}" "$tag"
  echo "size: $(megabytes "$(config '{{.Size}}')"), its layers:"
  timeout 60 docker history --format '{{.Size}}  {{.CreatedBy}}' "$tag" | grep -v '^0B' | cut -c 1-100

  step "the proxy as process 1, confined as in compose.yaml"
  container=$(timeout 60 docker run -d "${confined[@]:3}" -e INTERCEPTOR_UPSTREAM=127.0.0.1:1 "$tag")
  until timeout 20 docker logs "$container" 2>&1 | grep 'listening on'; do
    if [[ $(timeout 20 docker inspect -f '{{.State.Running}}' "$container") != true ]] || ((tries-- == 0)); then
      timeout 20 docker logs "$container" >&2
      fail "the proxy does not start"
    fi
    sleep 0.5
  done
  timeout 60 docker stop -t 30 "$container" >/dev/null
  status=$(timeout 20 docker inspect -f '{{.State.ExitCode}}' "$container")
  expect "exit code after SIGTERM" 0 "$status"
}

## With buildah

buildah_() { timeout --kill-after=30 "${minutes:-5}m" "${buildah[@]}" "$@"; }

with_buildah() {
  local base build id
  [[ $(id -u) == 0 ]] || die "no Docker engine answers, and building without one is for root only"
  "$REPO/integration/servers/install.sh" docker-check
  # A storage of its own, and no privileges that a container or a small virtual machine lacks.
  mkdir "$work"/{storage,run,tmp}
  export BUILDAH_ISOLATION=chroot TMPDIR=$work/tmp
  buildah=(buildah --storage-driver vfs --root "$work/storage" --runroot "$work/run")

  base=${BASE_IMAGE:-$(default_of BASE_IMAGE)}
  build=${BUILD_IMAGE:-$(default_of BUILD_IMAGE)}
  step "base images: $base, $build"
  if within 5 "${buildah[@]}" pull --quiet "$base" >"$work/pull.log" 2>&1; then
    within 15 "${buildah[@]}" pull --quiet "$build"
  elif [[ -n ${BASE_IMAGE:-}${BUILD_IMAGE:-} ]]; then
    cat "$work/pull.log" >&2
    die "cannot have the image that BASE_IMAGE names"
  else
    echo "no registry is reachable: $(tail -n 1 "$work/pull.log" | grep -o '[^:]*$' || true)"
    make_base "$base"
    make_build_base
    base=localhost/interceptor-base build=localhost/interceptor-build
  fi

  step "buildah build"
  within 45 "${buildah[@]}" build --pull=false --timestamp "$epoch" --iidfile "$work/id" \
    --build-arg "BASE_IMAGE=$base" --build-arg "BUILD_IMAGE=$build" "${build_args[@]}" -f "$dockerfile" "$REPO"
  id=$(<"$work/id")

  step "what it is"
  config() { buildah_ inspect --type image --format "$1" "$id"; }
  check_config .OCIv1.Config
  image=$(buildah_ from --pull=false "$id")
  root=$(buildah_ mount "$image")
  expect "user id inside" 10001 "$(buildah_ run "$image" -- id -u)"
  run_program buildah_ run "$image" -- "$program"
  show_size "$id"
  run_confined
}

# Debian's own mirror as this machine knows it, for the release that the base image's tag names.
make_base() { # IMAGE:RELEASE-...
  local release container root mirror include=()
  release=${1##*:} release=${release%%-*}
  step "debootstrap of $release"
  # shellcheck disable=SC2016 # the dollars are apt's, not the shell's
  apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT) $(ORIGIN)' 'Created-By: Packages' |
    awk -v release="$release" '$3 == "main" && $4 == "Debian" {
      suffix = $2; sub(/^[^-]*/, "", suffix)
      if (suffix ~ /^(|-updates|-security)$/ && !seen[suffix]++) print "deb", $1, release suffix, "main"
    }' >"$work/sources"
  # Without one, debootstrap knows where Debian is. The suite alone is what has no suffix.
  mirror=$(awk -v release="$release" '$3 == release { print $2 }' "$work/sources")
  [[ $mirror != https:* ]] || include=(--include=ca-certificates)
  container=$(buildah_ from scratch)
  root=$(buildah_ mount "$container")
  within 10 debootstrap --variant=minbase --force-check-gpg "${include[@]}" "$release" "$root" ${mirror:+"$mirror"} \
    >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; die "debootstrap failed"; }
  [[ -z $mirror ]] || cp "$work/sources" "$root/etc/apt/sources.list"
  # As in Debian's slim images: no documentation, neither now nor with later packages.
  printf 'path-exclude /usr/share/%s/*\n' doc info locale man lintian >"$root/etc/dpkg/dpkg.cfg.d/slim"
  rm -rf "$root"/usr/share/{doc,info,locale,man,lintian}/* "$root"/var/{lib/apt/lists,cache/apt,log}/*
  unmount_below "$root"
  buildah_ config --cmd '["bash"]' "$container"
  minutes=10 buildah_ commit --quiet "$container" localhost/interceptor-base >/dev/null
  buildah_ rm "$container" >/dev/null
}

# This machine's toolchain, without what serves only people, on top of that.
make_build_base() {
  local sysroot host container root
  sysroot=$(rustc --print sysroot)
  host=$(rustc -vV | sed -n 's/^host: //p')
  [[ -d $sysroot/lib/rustlib/$host/lib && $sysroot != /usr* ]] ||
    die "the Rust toolchain in $sysroot cannot be copied: install one with rustup, or name an image with BUILD_IMAGE"
  step "the toolchain of this machine, $(rustc --version)"
  container=$(buildah_ from --pull=false localhost/interceptor-base)
  root=$(buildah_ mount "$container")
  mkdir -p "$root/usr/local/rust"
  (cd "$sysroot" && tar -c bin/{cargo,rustc} lib/*.so* "lib/rustlib/$host") | tar -x --no-same-owner -C "$root/usr/local/rust"
  # Authorities that this machine trusts beside Debian's, for a network that shows its own
  # certificates. They stay out of the image.
  mkdir -p "$root/usr/local/share/ca-certificates"
  find -L /usr/local/share/ca-certificates -maxdepth 1 -name '*.crt' -exec cp {} "$root/usr/local/share/ca-certificates/" \; 2>/dev/null || true
  buildah_ config --env PATH=/usr/local/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
  minutes=10 buildah_ commit --quiet "$container" localhost/interceptor-build >/dev/null
  buildah_ rm "$container" >/dev/null
}

unmount_below() {
  local mounted
  while read -r mounted; do umount "$mounted"; done \
    < <(awk -v under="$1/" 'index($5, under) == 1 { print $5 }' /proc/self/mountinfo | sort -r)
}

show_size() {
  local packed
  minutes=10 buildah_ push --quiet "$1" "oci:$work/packed"
  packed=$(du -sb "$work/packed" | cut -f 1)
  echo "size: $(megabytes "$(du -sxb "$root" | cut -f 1)") unpacked, $(megabytes "$packed") to pull; the largest parts:"
  (cd "$root" && du -axb -d 4 usr var etc opt | sort -rn | awk '$1 > 3000000' | head -n 20 |
    awk '{ printf "%8.1f MB  %s\n", $1 / 1000000, $2 }')
  echo "sha256 of $program: $(sha256sum "$root$program" | cut -d ' ' -f 1)"
}

# As compose.yaml runs it, without an engine: process 1, read-only, no capabilities.
run_confined() {
  local port pid tenths=150 answer status=0
  step "the proxy as process 1, confined as in compose.yaml"
  port=$(free_port)
  # shellcheck disable=SC2016 # expanded by the inner shell
  env -i PATH="$PATH" INTERCEPTOR_LISTEN="127.0.0.1:$port" INTERCEPTOR_UPSTREAM=127.0.0.1:1 \
    unshare --mount --pid --fork --kill-child sh -euc '
      mount --bind "$1" "$1"
      mount -t proc proc "$1/proc"
      mount -o remount,bind,ro "$1"
      exec chroot "$1" setpriv --reuid=10001 --regid=10001 --clear-groups --no-new-privs \
        --inh-caps=-all --bounding-set=-all "$2" proxy' sh "$root" "$program" >"$work/log" 2>&1 &
  running=$! running_is=unshare
  until port_open "$port"; do
    if ! child_lives "$running" || ((tenths-- == 0)); then cat "$work/log" >&2; fail "the proxy does not start"; fi
    sleep 0.1
  done
  # One line without an end, which read takes for a failure.
  read -r pid <"/proc/$running/task/$running/children" || [[ -n $pid ]]
  expect "process id inside" 1 "$(awk '/^NSpid:/ { print $NF }' "/proc/$pid/status")"
  expect "user and group ids" "10001 10001" "$(awk '/^[UG]id:/ { printf "%s%s", n++ ? " " : "", $3 }' "/proc/$pid/status")"
  expect "capabilities" "0000000000000000 0000000000000000" "$(awk '/^Cap(Eff|Bnd):/ { printf "%s%s", n++ ? " " : "", $2 }' "/proc/$pid/status")"
  expect "its file system" ro "$(awk '$5 == "/" { split($6, options, ","); print options[1]; exit }' "/proc/$pid/mountinfo")"
  # shellcheck disable=SC2016 # expanded by the inner shell
  answer=$(timeout 20 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1"; head -c 400 <&3' bash "$port" | tr -cd '[:print:]')
  [[ $answer == *"Can't connect to MySQL server"* ]] || fail "a client is told '$answer'"
  echo "a client is told: ${answer#*mysql-interceptor: }"
  kill -TERM "$pid"
  wait_gone "$pid" "$program" 30 || fail "SIGTERM does not end it"
  wait "$running" || status=$?
  running=''
  expect "exit code after SIGTERM" 0 "$status"
}

## With both

check_config() { # WHERE: the place of the configuration, as templates name it
  expect "user" 10001:10001 "$(config "{{$1.User}}")"
  expect "command" "[$program] [proxy]" "$(config "{{$1.Entrypoint}} {{$1.Cmd}}")"
  expect "ports" "map[3307/tcp:{}]" "$(config "{{$1.ExposedPorts}}")"
}

run_program() { # COMMAND...: runs the program with the arguments that follow
  expect "version" "mysql-interceptor $(sed -n 's/^version = "\(.*\)"/\1/p' "$REPO/Cargo.toml" | head -n 1)" "$("$@" --version)"
  "$@" proxy --help >"$work/help"
  echo "variables that proxy --help names: $(grep -c '\[env: ' "$work/help")"
}

check_compose() {
  local python=python3
  step "compose.yaml"
  if have docker && timeout 20 docker compose version >/dev/null 2>&1; then
    timeout 60 docker compose -f "$here/compose.yaml" config --quiet
    echo "docker compose config: good"
  fi
  if ! python3 -c 'import yaml' 2>/dev/null; then
    "$REPO/integration/servers/install.sh" python
    python3 -m venv "$work/venv"
    python=$work/venv/bin/python
    within 5 "$python" -m pip install -q pyyaml
  fi
  timeout 60 "$python" "$here/check_compose.py" "$here/compose.yaml" "$work/help"
  echo "check_compose.py: good"
}

if [[ ${CHECK:-} != buildah ]] && have docker && timeout 10 docker info >/dev/null 2>&1; then
  with_docker
else
  with_buildah
fi
check_compose
step "all good"
