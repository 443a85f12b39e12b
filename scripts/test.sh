#!/usr/bin/env bash
# Everything that can be checked on this machine. Where it may (Linux, root, apt) it installs what is
# missing; elsewhere it goes on without and names at the end what was left out. With CI=true nothing
# may be left out.
set -uo pipefail
cd "$(dirname "$0")/.."

left_out=()
failed=()

missing() { # name: what is not checked without it
  if [ "${CI:-}" = true ]; then failed+=("$1 (missing, and CI leaves nothing out)"); else left_out+=("$1"); fi
}

step() { # name command...
  local name=$1
  shift
  printf '\n== %s\n' "$name"
  "$@" || failed+=("$name")
}

install() { # program package...: by apt, where that is allowed
  local program=$1
  shift
  command -v "$program" >/dev/null && return 0
  [ "$(uname -s)" = Linux ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
  printf 'installing %s\n' "$*"
  if [ -z "${apt_updated:-}" ]; then
    apt-get update -qq >/dev/null || return 1
    apt_updated=yes
  fi
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

command -v go >/dev/null || { echo "make test needs Go: https://go.dev/doc/install" >&2; exit 1; }
install git git ca-certificates || { echo "make test needs git" >&2; exit 1; }

if install npm nodejs npm && ./scripts/npm-assets.sh; then
  export HITRATE_NPM_ASSETS="$PWD/.cache/npm"
else
  missing "GitHub's own descriptions and payloads (npm): requests and webhooks are not checked against them"
fi
if install chromium chromium fonts-dejavu-core; then
  HITRATE_CHROMIUM=$(command -v chromium)
  export HITRATE_CHROMIUM
else
  missing "the page in a real browser (chromium)"
fi

# The race detector needs cgo and a C compiler.
race=()
if command -v "${CC:-gcc}" >/dev/null || install gcc gcc libc6-dev; then race=(-race); else missing "the race detector (gcc)"; fi

step "go build" go build -o /dev/null ./...
step "go test ${race[*]}" go test "${race[@]}" -timeout 20m ./...
if [ "$(uname -s)" = Linux ] && [ "$(id -u)" = 0 ]; then
  step "the build cache against BuildKit" sh -c 'cd lab && go test -count=1 -timeout 20m .'
else
  missing "the build cache against a real BuildKit daemon (Linux and root)"
fi
step "lint" ./scripts/lint.sh
step "generated files are current" ./scripts/generated.sh

echo
if [ ${#left_out[@]} -gt 0 ]; then
  echo "Left out on this machine:"
  printf -- '- %s\n' "${left_out[@]}"
fi
if [ ${#failed[@]} -gt 0 ]; then
  echo "Failed:"
  printf -- '- %s\n' "${failed[@]}"
  exit 1
fi
echo "All checks passed."
