#!/usr/bin/env bash
# Checks the project's dependencies against the registries: licences, sources and bans of crates; withdrawn ("yanked")
# and deprecated versions of crates, Python and Node packages; and known vulnerabilities, where their databases are
# reachable. Exits with 1 if it finds anything wrong.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=0
say() { printf 'audit: %s\n' "$*"; }
fail() { printf 'audit: %s\n' "$*" >&2; failed=1; }

if ! command -v cargo-deny >/dev/null; then
    say "installing cargo-deny"
    cargo install cargo-deny --locked --quiet || exit 1
fi
cargo deny --log-level error check bans licenses sources || failed=1
report=$(mktemp)
trap 'rm -f "$report"' EXIT
if cargo deny --log-level error check advisories >"$report" 2>&1; then
    say "advisories of crates: none that are not answered in deny.toml"
elif grep -qiE 'fetch|clone|connect|resolve|network' "$report" && ! grep -q '^error\[' "$report"; then
    say "advisories of crates: the database is not reachable from here, NOT checked"
else
    cat "$report" >&2
    fail "advisories of crates"
fi

if yanked=$(.venv/bin/python -m pip install --dry-run --ignore-installed --no-deps --quiet -r tests/constraints.txt 2>&1 | grep -i yanked); then
    fail "withdrawn Python packages: $yanked"
else
    say "Python packages: none withdrawn"
fi

for lock in tests/*/package-lock.json clients/*/package-lock.json; do
    [ -e "$lock" ] || continue
    deprecated=$(node -e '
        const packages = require(require("path").resolve(process.argv[1])).packages;
        for (const [name, facts] of Object.entries(packages)) if (facts.deprecated) console.log(`${name}: ${facts.deprecated}`);
    ' "$lock")
    [ -z "$deprecated" ] || fail "deprecated in $lock: $deprecated"
    if npm audit --prefix "$(dirname "$lock")" --audit-level=low >"$report" 2>&1; then
        say "$lock: nothing known"
    elif grep -q 'audit endpoint returned an error' "$report"; then
        say "$lock: nothing deprecated; the registry answers no audit, NOT checked for weaknesses"
    else
        cat "$report" >&2
        fail "$lock"
    fi
done
exit "$failed"
