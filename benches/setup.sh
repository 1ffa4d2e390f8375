#!/usr/bin/env bash
# Builds and installs what the benchmarks measure, into benches/.work and benches/rivals/node/node_modules. It does not
# change the system, and keeps what is already installed. A rival that cannot be installed is left out and named here
# and in the results.
#
#   benches/setup.sh          everything
#   benches/setup.sh ours     the node, the generator and the raw writer
set -euo pipefail
cd "$(dirname "$0")/.."
work=$PWD/benches/.work
mkdir -p "$work"

say() { printf '\033[1m%s\033[0m\n' "$*"; }
skipped() { printf 'left out: %s\n' "$*" >&2; }
have() { PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1; }

say "the node, the generator and the raw writer"
scripts/build.sh
CARGO_TARGET_DIR=$work/target cargo build --release --locked --manifest-path benches/load/Cargo.toml
[ "${1:-all}" = ours ] && exit 0

say "Django Channels under Daphne and uvicorn, the bridge's servers, and the library of uWebSockets"
# Only a program that runs: a version manager may list a name without a program behind it.
for python in python3.13 python3.12 python3.11 python3; do "$python" --version >/dev/null 2>&1 && break; done
[ -x "$work/venv/bin/python" ] || "$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    --constraint tests/constraints.txt --requirement benches/rivals/channels/requirements.txt ||
    skipped "Django Channels"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    --constraint tests/constraints.txt --requirement benches/rivals/bridge/requirements.txt ||
    skipped "gunicorn and the profiler of the bridge"

say "Socket.IO and ws on Node"
if have npm; then
    npm ci --prefix benches/rivals/node --silent --no-audit --no-fund || skipped "Socket.IO and ws on Node"
else
    skipped "Socket.IO and ws on Node: npm is missing"
fi

# Unpacks a Debian package outside the system's directories.
unpack() {
    local folder=$work/$1 package=$2
    [ -d "$folder/usr" ] && return
    have apt-get && mkdir -p "$folder" && (cd "$folder" && apt-get download -qq "$package" && dpkg -x "$package"_*.deb .)
}

say "Nchan"
unpack nchan libnginx-mod-nchan || skipped "Nchan: the Debian package libnginx-mod-nchan is not available"

say "socketioxide"
CARGO_TARGET_DIR=$work/target cargo build --release --locked --manifest-path benches/rivals/socketioxide/Cargo.toml ||
    skipped "socketioxide"

say "uWebSockets"
# uWebSockets.js is not on npm. The package socketify of PyPI brings uWebSockets as a library with a C interface.
if "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check socketify==0.0.31 &&
    unpack libuv libuv1 && have gcc; then
    library=$(echo "$work"/venv/lib/python3*/site-packages/socketify)
    # The old kind of run path (RPATH), which also applies to the library's own dependencies.
    gcc -O2 -Wall -Wextra -o "$work/target/release/uwebsockets-server" benches/rivals/uwebsockets/server.c -pthread \
        "$library/libsocketify_linux_amd64.so" -Wl,--allow-shlib-undefined,--disable-new-dtags \
        -Wl,-rpath,"$library" -Wl,-rpath,"$(echo "$work"/libuv/usr/lib/*-linux-gnu)"
else
    skipped "uWebSockets: socketify, libuv1 or gcc is not available"
fi
