#!/usr/bin/env bash
# Builds the application of the demonstration, and the npm packages that it uses, unless nothing has changed since.
#
#   scripts/app.sh            after scripts/setup.sh demo
#   scripts/app.sh optional   installs what is needed, too; what fails says so, and this succeeds
set -euo pipefail
cd "$(dirname "$0")/.."

need=${1:-}
# What failed has said why.
fail() {
    [ "$need" = optional ] || exit 1
    echo "The pages of the demonstration were not built; everything else works without them."
    exit 0
}

[ "$need" != optional ] || scripts/setup.sh demo || fail
cd clients
built=demo/dist/.sources
sources=$(find package.json package-lock.json tsconfig.base.json core react demo \( -name node_modules -o -name dist -o -name tests \) -prune -o -type f -print0 |
    LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1)
# A build by hand leaves no such file behind.
if [ "$(cat "$built" 2>/dev/null)" = "$sources" ] && [ -e demo/dist/index.html ]; then
    exit 0
fi
echo "Building the pages of the demonstration."
npm run build --silent || fail
echo "$sources" >"$built"
