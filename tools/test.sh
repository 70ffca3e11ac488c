#!/usr/bin/env bash
# Unit tests, then end-to-end tests, of build/dev. Both always run; one failure fails the whole.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

build=build/dev
results=$PWD/$build/results
status=0
mkdir -p "$results"
rm -f "$results"/*.xml

export ASAN_OPTIONS=abort_on_error=0:detect_leaks=1:strict_string_checks=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export SENDQ_BUILD=$build

echo "== unit tests"
ctest --test-dir "$build" --parallel "$(nproc)" --timeout 120 --no-tests=error \
    --output-on-failure --output-junit "$results/unit.xml" || status=1

# A stuck test prints where it hangs after 300 s; the limit around all only guards against a
# suite that never ends. Most of them wait most of the time: three files at a time, each with a Redis
# of its own.
echo "== end-to-end tests"
timeout --kill-after=30 4500 /usr/bin/python3 -m pytest tests/e2e tests/faults -p no:cacheprovider \
    -n 3 --dist loadfile \
    -o faulthandler_timeout=300 -o junit_family=xunit2 --junitxml="$results/e2e.xml" "$@" ||
    status=1

/usr/bin/python3 tools/test_summary.py "$results/unit.xml" "$results/e2e.xml" || status=1
exit "$status"
