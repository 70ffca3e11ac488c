#!/usr/bin/env bash
# fuzz.sh [SECONDS [TARGET...]]: every fuzz target of build/fuzz, or these, for SECONDS each. Seeds
# come from tests/fuzz/corpus/<target>/; what is found new stays in build/fuzz/corpus/<target>/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${1:-60}
targets=("${@:2}")
case $seconds in
'' | *[!0-9]*)
    echo "fuzz: SECONDS must be a whole number, not '$seconds'" >&2
    exit 2
    ;;
esac

fuzz_one() {
    local program=$1 name
    name=$(basename "$program")
    local grown=build/fuzz/corpus/$name seeds=tests/fuzz/corpus/$name
    mkdir -p "$grown" build/fuzz/artifacts
    local -a dirs=("$grown")
    [ ! -d "$seeds" ] || dirs+=("$seeds")
    echo "== $name: $seconds s"
    if ! "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -verbosity=0 \
        -print_final_stats=1 -artifact_prefix="build/fuzz/artifacts/$name-" "${dirs[@]}" \
        </dev/null >"build/fuzz/$name.log" 2>&1; then
        tail -n 60 "build/fuzz/$name.log"
        return 1
    fi
    grep -E '^stat::(number_of_executed_units|new_units_added|peak_rss_mb)' "build/fuzz/$name.log"
}

programs=("${targets[@]/#/build/fuzz/bin/}")
[ ${#targets[@]} -gt 0 ] || programs=(build/fuzz/bin/fuzz_*)
status=0 count=0
for program in "${programs[@]}"; do
    [ -x "$program" ] || continue
    count=$((count + 1))
    fuzz_one "$program" || {
        echo "== $(basename "$program"): FAILED, see build/fuzz/artifacts" >&2
        status=1
    }
done
if [ "$count" -eq 0 ]; then
    echo "fuzz: no target in build/fuzz/bin" >&2
    exit 1
fi
echo "$count fuzz targets, $((count * seconds)) s, status $status"
exit "$status"
