#!/usr/bin/env bash
# install.sh GROUP...: installs the packages of these groups of packages.txt that are missing.
# Says nothing and starts nothing when all are there.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

wanted() {
    local group
    for group in "$@"; do
        awk -v group="$group" '$1 == group { print $2 }' "$here/packages.txt"
    done | sort -u
}

# One query for all: dpkg-query fails when it knows one of the names not at all, and still prints
# the others.
missing() {
    local -a names=("$@")
    local installed
    installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "${names[@]}" 2>/dev/null |
        awk '/^ii / { print $2 }' || true)
    comm -23 <(printf '%s\n' "${names[@]}" | sort -u) <(sort -u <<<"$installed")
}

become_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "install: needs root or sudo to run: $*" >&2
        return 1
    fi
}

apt() {
    become_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq -y \
        "$@" </dev/null
}

apt_logged() {
    local log=$1
    shift
    if ! apt "$@" >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}

main() {
    local -a names lacking
    mapfile -t names < <(wanted "$@")
    if [ ${#names[@]} -eq 0 ]; then
        echo "install: no such group in packages.txt: $*" >&2
        return 2
    fi
    if ! command -v dpkg-query >/dev/null; then
        echo "install: not a Debian system; these packages are expected: ${names[*]}" >&2
        return 0
    fi
    mapfile -t lacking < <(missing "${names[@]}")
    [ ${#lacking[@]} -gt 0 ] || return 0
    echo "install: ${lacking[*]}" >&2
    local log
    log=$(mktemp)
    apt_logged "$log" update
    apt_logged "$log" install --no-install-recommends "${lacking[@]}"
}

main "$@"
