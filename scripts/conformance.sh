#!/usr/bin/env bash
# Runs the official suites of Engine.IO and Socket.IO against a node, and fails unless every test passes.
#
#   scripts/conformance.sh SUITES_DIR
#
# SUITES_DIR is the folder `docs` of a checkout of github.com/socketio/socket.io, or any folder with
#   engine.io-protocol/v4-test-suite    against tests/conformance/engineio-echo.toml
#   socket.io-protocol/v5-test-suite    against tests/conformance/socketio-echo.toml
# The suites are third-party code and stay where they are; their packages are installed there if they are missing.
# They speak to port 3000 of this machine. Set CHANNELGATE_BIN for another node than target/release/channelgate.
# The suite for plain WebSocket is Autobahn's: scripts/conformance-websocket.sh.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'conformance: %s\n' "$*"; }
die() { printf 'conformance: %s\n' "$*" >&2; exit 2; }

[ $# -eq 1 ] && [ -d "$1" ] || die "usage: $0 SUITES_DIR, the folder docs of a checkout of socketio/socket.io"
suites=$(cd "$1" && pwd)
node=${CHANNELGATE_BIN:-target/release/channelgate}
[ -x "$node" ] || die "$node is not there: build it (cargo build --release), or set CHANNELGATE_BIN"
out=$PWD/target/conformance
mkdir -p "$out"

pid=
stop() {
    [ -z "$pid" ] || { kill -INT "$pid" 2>/dev/null; wait "$pid" 2>/dev/null || true; }
    pid=
}
trap stop EXIT

run() { # suite, configuration, how many tests it has
    local suite=$suites/$1 config=$2 expected=$3 log=$out/$(basename "$2" .toml)
    [ -f "$suite/test-suite.js" ] || die "$suite/test-suite.js is not there"
    [ -d "$suite/node_modules" ] || npm ci --silent --prefix "$suite"
    if (exec 3<>/dev/tcp/127.0.0.1/3000) 2>/dev/null; then die "something else listens on port 3000"; fi
    env -u REDIS_URL "$node" --config "$config" serve 2>"$log.node.log" &
    pid=$!
    for _ in $(seq 200); do
        kill -0 "$pid" 2>/dev/null || { cat "$log.node.log" >&2; die "the node did not come up"; }
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
