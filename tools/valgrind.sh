#!/usr/bin/env bash
# valgrind.sh [PYTEST...]: the end-to-end smoke (tests/e2e/memcheck.py) with sendqd and sendqctl under
# valgrind. An error or a leak makes their exit code 99, and valgrind's words are printed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

build=build/valgrind
checked=$PWD/$build/checked
rm -rf "$checked"
mkdir -p "$checked/bin" "$checked/log"
ln -s "$PWD/$build/bin/sendq-sandbox" "$checked/bin/"
for program in sendqd sendqctl; do
    cat >"$checked/bin/$program" <<WRAPPER
#!/bin/sh
exec valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=definite,indirect,possible \\
    --errors-for-leak-kinds=definite,indirect,possible --num-callers=30 \\
    --log-file="$checked/log/$program-%p" "$PWD/$build/bin/$program" "\$@"
WRAPPER
    chmod +x "$checked/bin/$program"
done

status=0
SENDQ_BUILD=$build/checked /usr/bin/python3 -m pytest -q -p no:cacheprovider tests/e2e/memcheck.py "$@" ||
    status=1
find "$checked/log" -type f -size +0 -exec tail -n +1 {} + >"$checked/errors"
if [ -s "$checked/errors" ]; then
    cat "$checked/errors"
    status=1
fi
echo "valgrind: $(find "$checked/log" -type f | wc -l) processes, status $status"
exit "$status"
