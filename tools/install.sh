#!/usr/bin/env bash
# install.sh GROUP...: installs the packages of these groups of packages.txt that are missing.
# Says nothing and starts nothing when all are there.
# shellcheck disable=SC2086 # package names are split at blanks on purpose
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# The packages of the groups, one a line.
wanted() {
    local groups=" $* "
    awk -v groups="$groups" '/^[a-z]/ && index(groups, " " $1 " ") { print $2 }' \
        "$here/packages.txt" | sort -u
}

# Those of the packages given that are not installed. dpkg-query fails for a name it has never
# heard of, and still answers for the others.
missing() {
    { dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "$@" 2>/dev/null || true; } |
        awk -v names="$*" '
            /^ii / { installed[$2] = 1 }
            END {
                count = split(names, name, " ")
                for (i = 1; i <= count; i++)
                    if (!(name[i] in installed))
                        print name[i]
            }'
}

# Silent unless it fails.
apt_get() {
    local -a as_root=()
    local output
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "install: needs root or sudo for: apt-get $*" >&2
            return 1
        fi
        as_root=(sudo)
    fi
    if ! output=$("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -qq \
        -o DPkg::Lock::Timeout=300 "$@" </dev/null 2>&1); then
        printf '%s\n' "$output" >&2
        return 1
    fi
}

main() {
    local names lacking
    names=$(wanted "$@")
    if [ -z "$names" ]; then
        echo "install: no such group in packages.txt: $*" >&2
        return 2
    fi
    if ! command -v dpkg-query >/dev/null; then
        echo "install: not a Debian system; needs what these packages have:" $names >&2
        return 0
    fi
    lacking=$(missing $names)
    [ -n "$lacking" ] || return 0
    echo "install:" $lacking >&2
    apt_get update
    apt_get install --no-install-recommends $lacking
}

main "$@"
