#!/usr/bin/env bash
# Installs what `make test` and `make up` need and is not there yet; does nothing, quickly, when all of it is.
#
# Expected: Debian or Ubuntu with Rust, Node and Python 3.11 or newer. Installed where missing: Redis, nginx, Chromium, iproute2,
# systemd's tools and Prometheus (for promtool, which checks the alert rules) from the distribution, the Python packages of the
# tests in .venv, their Node modules. No service is left running.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        die "this needs root, and there is no sudo: $*"
    fi
}

find_python() {
    local name
    for name in python3.11 python3.12 python3.13 python3; do
        if have "$name" && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    die "Python 3.11 or newer is needed"
}

# Debian starts and enables what it installs; here the tests start their own on ports of their own.
install_packages() {
    local policy=/usr/sbin/policy-rc.d made_policy='' package log
    have apt-get || die "please install by hand: $*"
    say "installing $*"
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
        made_policy=yes
        trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    log=$(mktemp)
    if ! { as_root apt-get update -qq &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        die "the packages could not be installed"
    fi
    rm -f "$log"
    if [ -n "$made_policy" ]; then
        as_root rm -f "$policy"
        trap - EXIT
    fi
    if [ -d /run/systemd/system ]; then
        for package in redis-server nginx prometheus; do
            case " $* " in *" $package "*) as_root systemctl disable --now --quiet "$package" || true ;; esac
        done
    fi
}

python=$(find_python)
packages=()
have redis-server || packages+=(redis-server)
have nginx || packages+=(nginx)
have ip || packages+=(iproute2)
have promtool || packages+=(prometheus)
have systemd-analyze || packages+=(systemd)
have chromium || have chromium-browser || have google-chrome || packages+=(chromium fonts-dejavu-core)
"$python" -c 'import ensurepip, venv' 2>/dev/null || packages+=("$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')")
[ ${#packages[@]} -eq 0 ] || install_packages "${packages[@]}"

have cargo || die "Rust is needed: https://rustup.rs"
for component in fmt clippy; do
    cargo "$component" --version >/dev/null 2>&1 && continue
    have rustup || die "cargo $component is missing"
    [ "$component" = fmt ] && component=rustfmt
    say "adding $component to the Rust toolchain"
    rustup component add "$component" >/dev/null
done

# A stamp of the pins, so that an unchanged environment costs one checksum.
pins=$(cat tests/django/requirements.txt tests/e2e/requirements.txt tests/e2e/emitters.txt tests/constraints.txt | sha256sum | cut -d' ' -f1)
if [ "$(cat .venv/pins 2>/dev/null)" != "$pins" ]; then
    say "installing the Python packages of the tests into .venv"
    [ -x .venv/bin/python ] || "$python" -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check \
        --constraint tests/constraints.txt --requirement tests/e2e/requirements.txt
    rm -rf .venv/emitters
    for package in $(grep -v '^#' tests/e2e/emitters.txt); do
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --target ".venv/emitters/${package##*==}" "$package"
    done
    echo "$pins" >.venv/pins
fi

for lock in tests/*/package-lock.json clients/*/package-lock.json; do
    [ -e "$lock" ] || continue
    folder=$(dirname "$lock")
    hash=$(sha256sum "$lock" | cut -d' ' -f1)
    [ "$(cat "$folder/node_modules/.lock-hash" 2>/dev/null)" != "$hash" ] || continue
    have npm || die "Node and npm are needed for $folder"
    say "installing the Node modules of $folder"
    npm ci --prefix "$folder" --silent --no-audit --no-fund
    echo "$hash" >"$folder/node_modules/.lock-hash"
done
