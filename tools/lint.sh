#!/usr/bin/env bash
# Everything that reads the sources without running them. All parts run; one finding fails.
# shellcheck disable=SC2317 # step calls the functions by name
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

status=0
step() {
    local name=$1
    shift
    if "$@"; then
        echo "ok    $name"
    else
        echo "FAIL  $name"
        status=1
    fi
}

mapfile -t sources < <(git ls-files --cached --others --exclude-standard -- '*.c')
mapfile -t headers < <(git ls-files --cached --others --exclude-standard -- '*.h')
mapfile -t scripts < <(
    git ls-files --cached --others --exclude-standard -- '*.sh'
    printf '%s\n' run .ci/run packaging/postinst packaging/prerm packaging/postrm
)

# Only what the dev build compiles: clang-tidy needs the compile commands.
compiled() {
    local file
    for file in "${sources[@]}"; do
        grep -qF "/$file\"" build/dev/compile_commands.json && printf '%s\n' "$file"
    done
    return 0
}

run_tidy() {
    compiled | xargs -r -P "$(nproc)" -n 4 clang-tidy -p build/dev --quiet \
        --extra-arg=-Wno-unknown-warning-option 2>build/dev/clang-tidy.log ||
        { grep -v 'warnings\? generated' build/dev/clang-tidy.log; return 1; }
}

# uninitvar: it takes the address of an output parameter for a use; the compilers do not.
run_cppcheck() {
    cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr -j "$(nproc)" \
        --enable=warning,performance,portability --suppress=missingIncludeSystem --suppress=uninitvar \
        -D_GNU_SOURCE -I lib/base -I lib/model -I lib/io -I lib/store -I providers -I daemon -I tests/unit/support \
        "${sources[@]}"
}

# The floors that read what others wrote. No suppressions: tools/analyzer.h says what it cannot see.
run_analyzer() {
    local -a flags
    mapfile -t flags < <(pkg-config --cflags libcjson hiredis gmime-3.0 | sed 's/-I/-isystem/g' | tr -s ' ' '\n')
    git ls-files -- 'lib/*.c' 'providers/*.c' | xargs -P "$(nproc)" -I{} gcc -std=gnu11 -D_GNU_SOURCE -O1 \
        -fanalyzer -Werror -c -o /dev/null -include tools/analyzer.h -I lib/base -I lib/model -I lib/io -I lib/store \
        -I providers -I build/dev/generated "${flags[@]}" {}
}

# The gate of the hardening: 15 = an exposure of 1.5 out of 10.
run_units() {
    command -v systemd-analyze >/dev/null || return 0
    systemd-analyze security --offline=yes --threshold=15 --no-pager \
        "$PWD/build/dev/systemd/sendqd.service" "$PWD/build/dev/systemd/sendqd@.service" \
        >build/dev/systemd/security.log || { grep -E '✗|Overall' build/dev/systemd/security.log; return 1; }
}

step "rules of the floors (check_source.py)" /usr/bin/python3 tools/check_source.py
step "clang-format" clang-format --dry-run -Werror "${sources[@]}" "${headers[@]}"
step "shellcheck" shellcheck "${scripts[@]}"
step "cppcheck" run_cppcheck
step "gcc -fanalyzer" run_analyzer
step "systemd exposure" run_units
step "clang-tidy" run_tidy
exit "$status"
