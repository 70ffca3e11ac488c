#!/usr/bin/env bash
# faults.sh [soak [SECONDS [SEED]]]: the whole fault matrix on build/dev (beside an earlier version, and
# on build/release where sanitizers need too much), which writes docs/faults.md;
# or random faults from a seed on build/release, for whose memory no sanitizer answers.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=/usr/bin/python3
results=$PWD/build/dev/results
mkdir -p "$results"

if [ "${1:-}" = soak ]; then
    shift
    SENDQ_BUILD=build/release SENDQ_TEST_SOAK=$results/soak.json "$python" tests/faults/soak.py "$@"
    exit
fi

export ASAN_OPTIONS=abort_on_error=0:detect_leaks=1:strict_string_checks=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export SENDQ_BUILD=build/dev SENDQ_TEST_FAULTS=long SENDQ_TEST_FSCK=1
SENDQ_TEST_EARLIER=$(tools/earlier.sh)
export SENDQ_TEST_EARLIER
status=0
mapfile -t tests < <("$python" tests/faults/report.py --tests)
timeout --kill-after=30 4500 "$python" -m pytest "${tests[@]}" -p no:cacheprovider -q \
    -n 2 --dist loadfile \
    -o faulthandler_timeout=600 -o junit_family=xunit1 --junitxml="$results/faults.xml" || status=$?
"$python" tests/faults/report.py "$results/faults.xml" "$results/soak.json" >"$results/faults.md"
mv "$results/faults.md" docs/faults.md
exit "$status"
