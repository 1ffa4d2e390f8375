#!/usr/bin/env bash
# Formatting and lints of Rust, Python and JavaScript; all are run, even after one fails. LOAD_TARGET is the build
# directory of the load generator, a separate cargo package.
set -uo pipefail
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo} load=benches/load/Cargo.toml passed=0 failed=0

check() {
    printf 'lint: %s\n' "$*"
    if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

check "$cargo" fmt --all --check
check "$cargo" clippy --all-targets --locked -- -D warnings
check "$cargo" fmt --manifest-path $load --check
CARGO_TARGET_DIR=${LOAD_TARGET:-$PWD/benches/.work/target} check "$cargo" clippy --manifest-path $load --all-targets --locked -- -D warnings
check .venv/bin/ruff check tests scripts benches clients
check .venv/bin/ruff format --check tests scripts benches clients
check .venv/bin/mypy --config-file clients/django/pyproject.toml --strict clients/django/src
for package in tests/*/package.json clients/package.json; do
    [ -e "$package" ] || continue
    for script in types lint; do
        grep -q "\"$script\":" "$package" && check npm run --silent --prefix "$(dirname "$package")" "$script"
    done
done
echo "lint: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
