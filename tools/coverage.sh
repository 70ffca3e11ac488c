#!/usr/bin/env bash
# How much of lib/ and providers/ the unit tests and some end-to-end tests reach: prints lines and
# branches, and writes build/coverage/report.txt. Fails below 90 % of lines or 75 % of branches.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

build=build/coverage
export SENDQ_BUILD=$build E2E_GENTLE_END=1
find "$build" -name '*.gcda' -delete

status=0
ctest --test-dir "$build" --parallel "$(nproc)" --timeout 120 --quiet || status=1
/usr/bin/python3 -m pytest -q -p no:cacheprovider tests/e2e/test_{flow,admin,answers,attachments}.py \
    tests/e2e/test_{bulk,smtp,sendqctl,ctl_leads,redis_tls,redis_cluster,redis_sentinel}.py || status=1

gcovr --root . --filter '(lib|providers)/' --gcov-ignore-parse-errors --exclude-unreachable-branches \
    --fail-under-line 90 --fail-under-branch 75 --print-summary --output "$build/report.txt" \
    "$build" || status=1
exit "$status"
