# SPDX-License-Identifier: BSL-1.0
# What the shell tools share: messages, the cache folder, installing packages, counting results.
# Sourced, never run. Expects bash with `set -u`.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/cokafka
JOBS=${COKAFKA_JOBS:-$(nproc)}
PROGRAM=tools/$(basename "$0")

say() { printf '%s: %s\n' "$PROGRAM" "$*" >&2; }
die() { say "error: $*"; exit 1; }

# The text between the first line of '#' and the first line that is none, after the SPDX line: the tool's --help.
print_help() { sed -n '3,/^[^#]/{/^#/{s/^# \{0,1\}//;p}}' "$0"; }

is_there() {  # a probe: /a/path, or the name of a command, or deb:package
  case $1 in
    /*) [ -e "$1" ] ;;
    deb:*) [ "$(dpkg-query -W -f='${db:Status-Status}' "${1#deb:}" 2>/dev/null)" = installed ] ;;
    *) command -v "$1" >/dev/null 2>&1 ;;
  esac
}

# need PROBE=PACKAGE...: installs the packages whose probe finds nothing.
need() {
  local missing=() entry sudo=
  for entry in "$@"; do
    is_there "${entry%%=*}" || missing+=("${entry#*=}")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  command -v apt-get >/dev/null 2>&1 ||
    die "these packages are missing and there is no apt-get to install them with: ${missing[*]}"
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 ||
      die "these packages are missing: ${missing[*]}; run as root, install sudo, or install them yourself"
    sudo=sudo
  fi
  say "installing with apt: ${missing[*]}"
  local log
  log=$(mktemp)
  if ! { $sudo apt-get -q update && $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q install -y \
      --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 </dev/null; then
    tail -n 15 "$log" >&2
    rm -f "$log"
    die "apt could not install: ${missing[*]}"
  fi
  rm -f "$log"
  hash -r
}

need_build_tools() {
  need g++=g++ meson=meson ninja=ninja-build pkg-config=pkg-config python3=python3 ccache=ccache \
    /usr/include/boost/version.hpp=libboost1.81-dev
}

need_feature_libraries() {
  need deb:libzstd-dev=libzstd-dev deb:liblz4-dev=liblz4-dev deb:libsnappy-dev=libsnappy-dev \
    deb:zlib1g-dev=zlib1g-dev deb:libssl-dev=libssl-dev
}

# RESULTS is a file of lines `pass NAME`, `fail NAME`, `skip NAME: why`.
record() { printf '%s\n' "$*" >>"$RESULTS"; }

# check NAME COMMAND...: one check that passes when the command does; its output is shown when it does not.
check() {
  local name=$1 log
  shift
  log=$(mktemp)
  if "$@" >"$log" 2>&1 </dev/null; then
    record "pass $name"
    printf '  ok    %s\n' "$name"
  else
    record "fail $name"
    printf '  FAIL  %s\n' "$name"
    tail -n 40 "$log" | sed 's/^/        /'
  fi
  rm -f "$log"
}

skip() {  # skip NAME WHY
  record "skip $1: $2"
  printf '  skip  %s: %s\n' "$1" "$2"
}
