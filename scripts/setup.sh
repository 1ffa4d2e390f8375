#!/usr/bin/env bash
# Installs whatever is missing for one of these; if nothing is missing, it returns quickly.
#
#   scripts/setup.sh run    one node: a C compiler, make and binutils, which cargo needs to build jemalloc and ring
#   scripts/setup.sh up     a whole system: also Redis, nginx, and the demo project's Python packages in .venv
#   scripts/setup.sh demo   the demonstration: also the Node modules of its pages
#   scripts/setup.sh test   every test: also Chromium, Prometheus (for promtool), iproute2, systemd's tools, rustfmt and
#                           clippy, the Python packages of the tests in .venv, and Node modules
#   scripts/setup.sh wheel  what packs a wheel: maturin, zig and auditwheel in .venv
#
# Requires Debian or Ubuntu with Rust; the demonstration and the tests also need Node with npm. No service is left running.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin

need=${1:-}
case $need in
    run) level=1 ;;
    up | demo) level=2 ;;
    test) level=3 ;;
    wheel) level=1 ;;
    *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2 ;;
esac

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        die "this needs root, and sudo is missing: $*"
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
    return 1
}

# Debian starts and enables installed services; the tests start their own on separate ports.
install_packages() {
    local policy=/usr/sbin/policy-rc.d made_policy='' package log
    have apt-get || die "apt-get is missing; install by hand: $*"
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

# Installs requirements into .venv. The pins' checksum is stored, so that an unchanged environment costs only a
# checksum. Those of the tests include those of a system.
python_packages() {
    local pins stamp=.venv/pins.${need/demo/up} known
    pins=$(cat tests/constraints.txt tests/*/requirements.txt tests/wheel/*.txt tests/e2e/emitters.txt clients/django/pyproject.toml | sha256sum | cut -d' ' -f1)
    for known in "$stamp" ${wider:+.venv/pins.$wider}; do
        [ "$(cat "$known" 2>/dev/null)" != "$pins" ] || return 0
    done
    say "installing the Python packages of $1 into .venv"
    [ -x .venv/bin/python ] || "$(find_python)" -m venv .venv
    # The package's build backend, too, has the constrained version.
    PIP_CONSTRAINT=$PWD/tests/constraints.txt .venv/bin/python -m pip install --quiet --disable-pip-version-check \
        --editable clients/django --constraint tests/constraints.txt --requirement "$1"
    [ "$need" != test ] || { emitters; wheels; }
    echo "$pins" >"$stamp"
}

# Each version of the emitters has its own folder.
emitters() {
    local package
    rm -rf .venv/emitters
    for package in $(grep -v '^#' tests/e2e/emitters.txt); do
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --target ".venv/emitters/${package##*==}" "$package"
    done
}

# What tests install into empty environments, so that they ask no registry.
wheels() {
    rm -rf .venv/wheels
    .venv/bin/python -m pip wheel --quiet --disable-pip-version-check --constraint tests/constraints.txt \
        --wheel-dir .venv/wheels --requirement tests/wheel/installs.txt
}

# Vite needs this Node.
has_new_node() {
    local new='const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 22 && b >= 12) || (a === 20 && b >= 19) ? 0 : 1)'
    have npm && have node && node -e "$new"
}

node_modules() {
    local lock folder hash
    for lock in "$@"; do
        [ -e "$lock" ] || continue
        folder=$(dirname "$lock")
        hash=$(sha256sum "$lock" | cut -d' ' -f1)
        [ "$(cat "$folder/node_modules/.lock-hash" 2>/dev/null)" != "$hash" ] || continue
        have npm || die "Node and npm are needed for $folder"
        say "installing the Node modules of $folder"
        npm ci --prefix "$folder" --silent --no-audit --no-fund
        echo "$hash" >"$folder/node_modules/.lock-hash"
    done
}

rust_components() {
    local component
    for component in rustfmt clippy; do
        ! cargo "${component/rustfmt/fmt}" --version >/dev/null 2>&1 || continue
        have rustup || die "$component is missing"
        say "adding $component to the Rust toolchain"
        rustup component add "$component" >/dev/null
    done
}

[ "$need" != demo ] || has_new_node || die "the pages of the demonstration need Node 20.19, 22.12 or newer, with npm: https://nodejs.org"
have cargo || die "Rust is needed: https://rustup.rs"
packages=()
have cc || packages+=(gcc libc6-dev)
have make || packages+=(make)
have objcopy || packages+=(binutils)
if [ "$level" -ge 2 ]; then
    have redis-server || packages+=(redis-server)
    have nginx || packages+=(nginx)
fi
if [ "$level" -ge 2 ] || [ "$need" = wheel ]; then
    if ! python=$(find_python); then
        packages+=(python3 python3-venv)
    elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        packages+=("$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')")
    fi
fi
if [ "$level" -ge 3 ]; then
    have ip || packages+=(iproute2)
    have promtool || packages+=(prometheus)
    have systemd-analyze || packages+=(systemd)
    have chromium || have chromium-browser || have google-chrome || packages+=(chromium fonts-dejavu-core)
fi
[ ${#packages[@]} -eq 0 ] || install_packages "${packages[@]}"
[ "$need" = run ] || find_python >/dev/null || die "Python 3.11 or newer is needed"
[ "$need" != wheel ] || python_packages tests/wheel/release.txt
# maturin reads the crates of every system, of which cargo builds a part; it asks no registry then.
[ "$level" -lt 3 ] && [ "$need" != wheel ] || cargo fetch --locked --quiet
[ "$level" -ne 2 ] || wider=test python_packages tests/django/requirements.txt
[ "$need" != demo ] || node_modules clients/package-lock.json
[ "$level" -lt 3 ] || {
    rust_components
    python_packages tests/e2e/requirements.txt
    node_modules tests/*/package-lock.json clients/package-lock.json clients/tests/*/package-lock.json clients/tests/*/*/package-lock.json
}
