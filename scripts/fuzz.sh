#!/usr/bin/env bash
# Fuzzes every target of fuzz/, two at a time, starting from the repository's corpus; FUZZ_SECONDS (180) each.
#
#   scripts/fuzz.sh                  all
#   scripts/fuzz.sh msgpack frames   these
#
# Needs a nightly toolchain and cargo-fuzz; without them it prints why and exits with 0. New inputs are kept in
# target/fuzz/corpus, failing inputs in fuzz/artifacts.
set -uo pipefail
cd "$(dirname "$0")/.."
export FUZZ_SECONDS=${FUZZ_SECONDS:-180}

skip() { printf 'fuzz: skipped, %s\n' "$*"; exit 0; }
cargo +nightly --version >/dev/null 2>&1 || skip "no nightly toolchain is installed: rustup toolchain install nightly"
cargo +nightly fuzz --version >/dev/null 2>&1 || skip "cargo-fuzz is not installed: cargo install cargo-fuzz"

[ $# -gt 0 ] || set -- $(cd fuzz/fuzz_targets && basename --suffix=.rs -- *.rs)
cargo +nightly fuzz build || exit 1

fuzz() {
    local found=target/fuzz/corpus/$1 log=target/fuzz/$1.log
    mkdir -p "$found"
    if cargo +nightly fuzz run "$1" "$found" "fuzz/corpus/$1" -- -max_total_time="$FUZZ_SECONDS" -print_final_stats=1 >"$log" 2>&1; then
        echo "fuzz: $1: $(grep -o 'number_of_executed_units: *[0-9]*' "$log" | grep -o '[0-9]*') inputs, none failed"
    else
        tail -n 40 "$log"
        echo "fuzz: $1: FAILED"
        return 1
    fi
}
export -f fuzz
echo "fuzz: $# targets, two at a time, $FUZZ_SECONDS s each"
printf '%s\n' "$@" | xargs --max-args=1 --max-procs=2 bash -c 'fuzz "$0"'
