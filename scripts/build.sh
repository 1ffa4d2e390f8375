#!/usr/bin/env bash
# Builds the node in release mode and moves its debug information into a separate file:
#
#   target/release/channelgate         the program to start, measure and copy
#   target/release/channelgate.debug   beside the program, it gives backtraces, gdb and addr2line their line numbers
#
# cargo can strip or keep debug information, but not split it off on Linux, so objcopy does that.
set -euo pipefail
cd "$(dirname "$0")/.."
node=${CARGO_TARGET_DIR:-target}/release/channelgate

if [ ! -e "$node" ]; then
    echo "Building the node in release mode: about 5 minutes on two cores the first time, later only what changed."
fi
${CARGO:-cargo} build --release --locked
# Every call of cargo restores the program as it was linked.
if readelf --section-headers --wide "$node" | grep -q '\.debug_line'; then
    objcopy --only-keep-debug "$node" "$node.debug"
    objcopy --strip-all --add-gnu-debuglink="$node.debug" "$node" "$node.stripped"
    mv "$node.stripped" "$node"
fi
