#!/usr/bin/env bash
# Runs the official suites of Engine.IO and Socket.IO against a node, and fails unless every test passes.
#
#   scripts/conformance.sh SUITES_DIR
#
# SUITES_DIR is the folder `docs` of a checkout of github.com/socketio/socket.io, or any folder with
#   engine.io-protocol/v4-test-suite    against tests/conformance/engineio-echo.toml
#   socket.io-protocol/v5-test-suite    against tests/conformance/socketio-echo.toml
# The suites are third-party code and stay in SUITES_DIR; the script installs their packages there if they are missing.
# They connect to port 3000 of this machine. Set CHANNELGATE_BIN to test a node other than target/release/channelgate.
# For plain WebSocket use the Autobahn suite: scripts/conformance-websocket.sh.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'conformance: %s\n' "$*"; }
die() { printf 'conformance: %s\n' "$*" >&2; exit 2; }

[ $# -eq 1 ] && [ -d "$1" ] || die "usage: $0 SUITES_DIR, the folder docs of a checkout of socketio/socket.io"
suites=$(cd "$1" && pwd)
node=${CHANNELGATE_BIN:-target/release/channelgate}
[ -x "$node" ] || die "$node does not exist: build it (cargo build --release), or set CHANNELGATE_BIN"
out=$PWD/target/conformance
mkdir -p "$out"

pid=
stop() {
    [ -z "$pid" ] || { kill -INT "$pid" 2>/dev/null; wait "$pid" 2>/dev/null || true; }
    pid=
}
trap stop EXIT

run() { # suite, configuration, number of tests
    local suite=$suites/$1 config=$2 expected=$3 log=$out/$(basename "$2" .toml)
    [ -f "$suite/test-suite.js" ] || die "$suite/test-suite.js does not exist"
    [ -d "$suite/node_modules" ] || npm ci --silent --prefix "$suite"
    if (exec 3<>/dev/tcp/127.0.0.1/3000) 2>/dev/null; then die "another program listens on port 3000"; fi
    env -u REDIS_URL "$node" --config "$config" serve 2>"$log.node.log" &
    pid=$!
    for _ in $(seq 200); do
        kill -0 "$pid" 2>/dev/null || { cat "$log.node.log" >&2; die "the node did not start"; }
        if (exec 3<>/dev/tcp/127.0.0.1/3000) 2>/dev/null; then break; fi
        sleep 0.05
    done
    say "$1 against $config"
    local passed=0
    (cd "$suite" && npx --no-install mocha test-suite.js) | tee "$log.log" || passed=1
    grep -q "^  $expected passing" "$log.log" || passed=1
    stop
    [ "$passed" -eq 0 ] || { say "not all of the $expected tests of $1 passed; see $log.log and $log.node.log"; return 1; }
}

failed=0
run engine.io-protocol/v4-test-suite tests/conformance/engineio-echo.toml 25 || failed=1
run socket.io-protocol/v5-test-suite tests/conformance/socketio-echo.toml 32 || failed=1
[ "$failed" -eq 0 ] && say "all 57 tests passed"
exit "$failed"
