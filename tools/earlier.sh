#!/usr/bin/env bash
# earlier.sh: builds sendqd of an earlier revision, beside which today's must be able to run, and
# prints where its programs are. Says so and prints nothing where there is no history: in a package.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

revision=42c6b9f
source=build/earlier/$revision

if ! git cat-file -e "$revision^{commit}" 2>/dev/null; then
    echo "earlier: no history with $revision: two versions at once are not tested" >&2
    exit
fi
if [ ! -x "$source/build/release/bin/sendqd" ]; then
    rm -rf "$source"
    mkdir -p "$source"
    git archive "$revision" | tar -x -C "$source"
    (cd "$source" && cmake --preset release && cmake --build --preset release --target sendqd) >&2
fi
echo "$source/build/release"
