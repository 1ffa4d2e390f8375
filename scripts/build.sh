#!/usr/bin/env bash
# Builds the node, optimised, and moves its debug information into a file of its own:
#
#   target/release/channelgate         what is started, measured and copied
#   target/release/channelgate.debug   where it lies beside the other, backtraces, gdb and addr2line find lines in it
#
# cargo can strip or keep, but not both (on Linux split-debuginfo leaves the tables of lines in the program), so objcopy does it.
set -euo pipefail
cd "$(dirname "$0")/.."
node=${CARGO_TARGET_DIR:-target}/release/channelgate

if [ ! -e "$node" ]; then
    echo "Building the node, optimised: about 5 minutes on two cores this first time, later only what changed."
fi
${CARGO:-cargo} build --release --locked
# cargo puts the program that it linked back with each call.
if readelf --section-headers --wide "$node" | grep -q '\.debug_line'; then
    objcopy --only-keep-debug "$node" "$node.debug"
    objcopy --strip-all --add-gnu-debuglink="$node.debug" "$node" "$node.stripped"
    mv "$node.stripped" "$node"
fi
