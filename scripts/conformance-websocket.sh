#!/usr/bin/env bash
# Runs the Autobahn|Testsuite against a node and fails on every case with a result other than OK.
#
#   scripts/conformance-websocket.sh                     starts and tests target/release/channelgate, or
#                                                        $CHANNELGATE_BIN
#   scripts/conformance-websocket.sh ws://127.0.0.1:9001 tests a running node, which must use
#                                                        tests/conformance/websocket-echo.toml
#   CASES="6.* 12.1.*" scripts/conformance-websocket.sh  only these cases
#
# Needs `wstest` on PATH or in $WSTEST. It is a Python 2.7 program:
#   python2.7 -m virtualenv autobahn && autobahn/bin/pip install autobahntestsuite
#   WSTEST=autobahn/bin/wstest scripts/conformance-websocket.sh
# The report, with the bytes of each case, is written to target/conformance/index.html.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'conformance: %s\n' "$*"; }
die() { printf 'conformance: %s\n' "$*" >&2; exit 2; }

wstest=${WSTEST:-wstest}
command -v "$wstest" >/dev/null 2>&1 || die "wstest was not found. Install it for CPython 2.7 (python2.7 -m virtualenv" \
    "autobahn && autobahn/bin/pip install autobahntestsuite) and name it: WSTEST=autobahn/bin/wstest $0"
command -v python3 >/dev/null 2>&1 || die "python3 is needed to read the report"

cases=${CASES:-1.* 2.* 3.* 4.* 5.* 6.* 7.* 9.* 10.* 12.* 13.*}
out=$PWD/target/conformance
rm -rf "$out"
mkdir -p "$out"

url=${1:-}
if [ -z "$url" ]; then
    node=${CHANNELGATE_BIN:-target/release/channelgate}
    [ -x "$node" ] || die "$node does not exist: build it (cargo build --release), set CHANNELGATE_BIN, or give a URL"
    address=127.0.0.1:$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    url=ws://$address
    env -u REDIS_URL CHANNELGATE_LISTEN="$address" "$node" --config tests/conformance/websocket-echo.toml serve \
        2>"$out/node.log" &
    pid=$!
    trap 'kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null || true' EXIT
    python3 - "$address" "$pid" <<'PYTHON' || { cat "$out/node.log" >&2; die "the node did not start"; }
import os, sys, time, urllib.request

address, pid = sys.argv[1], int(sys.argv[2])
deadline = time.monotonic() + 30
while time.monotonic() < deadline:
    try:
        os.kill(pid, 0)
        urllib.request.urlopen(f"http://{address}/health/live", timeout=1).close()
        break
    except ProcessLookupError:
        sys.exit(1)
    except OSError:
        time.sleep(0.05)
else:
    sys.exit(1)
PYTHON
fi

python3 - "$url" "$out" $(set -f; printf '%s ' $cases) >"$out/spec.json" <<'PYTHON'
import json, sys

url, out, *cases = sys.argv[1:]
servers = [{"agent": "channelgate", "url": url}]
json.dump({"outdir": out, "servers": servers, "cases": cases, "exclude-cases": [], "exclude-agent-cases": {}}, sys.stdout)
PYTHON

say "testing $url with the cases $cases; this takes some minutes"
"$wstest" -m fuzzingclient -s "$out/spec.json" >"$out/wstest.log" 2>&1 || { tail -20 "$out/wstest.log" >&2; die "wstest failed"; }

python3 - "$out" <<'PYTHON'
import collections, json, pathlib, re, sys

out = pathlib.Path(sys.argv[1])
# The suite calls these cases informational, because RFC 6455 does not cover them.
INFORMATIONAL = {"7.1.6", "7.13.1", "7.13.2"}

planned = re.search(r"will run (\d+) test cases", (out / "wstest.log").read_text())
index = out / "index.json"
if not planned or not index.exists():
    sys.exit("conformance: no report was written; see " + str(out / "wstest.log"))
results = json.loads(index.read_text()).get("channelgate", {})
counts, bad = collections.Counter(), []
for case, result in results.items():
    verdict = {result["behavior"], result["behaviorClose"]}
    counts["/".join(sorted(verdict))] += 1
    if verdict != {"OK"} and not (case in INFORMATIONAL and verdict == {"INFORMATIONAL"}):
        bad.append((case, result["behavior"], result["behaviorClose"]))
print("conformance:", ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())))
for case, behavior, close in sorted(bad, key=lambda entry: [int(part) for part in entry[0].split(".")]):
    print(f"conformance: case {case}: {behavior}, close {close}")
if not results or len(results) != int(planned[1]):
    sys.exit(f"conformance: {len(results)} of {planned[1]} cases ran")
sys.exit(1 if bad else 0)
PYTHON
