#!/usr/bin/env bash
# Installs build/package/sendq_*.deb in a clean Debian of its own, as apt does; runs the demo there
# with the installed programs as the installed account; boots it, where systemd-nspawn can, to run
# the service under a real systemd (package_booted.py); purges the package again. Needs root and
# some minutes: debootstrap gets a whole Debian. Says why, and succeeds, where it is not permitted.
# shellcheck disable=SC2016 # what is quoted is for the shell in there
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

skip() {
    echo "package test: SKIPPED: $*" >&2
    exit 0
}

fail() {
    echo "package test: FAILED: $*" >&2
    exit 1
}

step() {
    echo "== $*"
}

# quiet COMMAND...: its output only if it fails.
quiet() {
    local log=$root/.log
    "$@" >"$log" 2>&1 </dev/null || {
        tail -n 40 "$log" >&2
        fail "$*"
    }
}

inside() {
    chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive "$@"
}

# check WHAT COMMAND...: inside, it must succeed.
check() {
    local what=$1
    shift
    inside "$@" >"$root/.log" 2>&1 </dev/null || {
        cat "$root/.log" >&2
        fail "$what"
    }
    echo "ok    $what"
}

mount_in() {
    mount --bind /dev "$root/dev"
    mount -t proc proc "$root/proc"
}

make_root() {
    local codename
    codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    chmod 755 "$root" # as / is
    step "a clean Debian ($codename) in $root"
    debootstrap --variant=minbase "$codename" "$root" >"$root.log" 2>&1 || {
        tail -n 5 "$root.log" >&2
        skip "debootstrap could not make one"
    }
    mount_in
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    # Nothing is started by an installation: there is no init in here.
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod +x "$root/usr/sbin/policy-rc.d"
}

install_package() {
    step "apt-get install ./${deb##*/}"
    cp "$deb" "$root/tmp/"
    quiet inside apt-get -qq update
    quiet inside apt-get -y -qq --no-install-recommends install "/tmp/${deb##*/}"
    check "all of its files are there, untouched" dpkg --verify sendq
    check "the account" getent passwd sendq
    check "the programs run" sh -c 'sendqd --version && sendqctl --version'
    check "the configuration is the group's to read, and nobody else's" \
        sh -c '[ "$(stat -c "%U:%G %a" /etc/sendq/sendqd.yaml)" = "root:sendq 640" ]'
    check "the credentials' directory is root's" \
        sh -c '[ "$(stat -c "%U %a" /etc/sendq/credentials)" = "root 700" ]'
    check "only credentials are missing in it" sh -c '
        sendqd --check --config /etc/sendq/sendqd.yaml 2>&1 | tee /tmp/faults
        ! grep -v "credentials\\." /tmp/faults | grep -q "error\\|expected"'
}

# The demo's programs, and in the place of the build the installed ones.
run_demo() {
    local at=$root/srv/sendq
    step "the demo, by the installed programs, as the account sendq"
    quiet inside apt-get -y -qq --no-install-recommends install \
        redis-server python3 python3-redis python3-aiosmtpd
    mkdir -p "$at/build/release/bin"
    cp -r demo tools "$at/"
    cp build/release/bin/sendq-sandbox "$at/build/release/bin/"
    ln -s /usr/sbin/sendqd /usr/bin/sendqctl "$at/build/release/bin/"
    check "the demo's jobs end as they must" setpriv --reuid=sendq --regid=sendq --clear-groups \
        env HOME=/tmp python3 /srv/sendq/tools/demo.py
    tail -n 1 "$root/.log"
}

# The service, as systemd runs it; the machine in there ends with the test.
run_service() {
    local units=$root/etc/systemd/system
    step "the service, under a systemd of its own"
    if ! command -v systemd-nspawn >/dev/null; then
        echo "skipped: systemd-nspawn is not installed (systemd-container)"
        return
    fi
    quiet inside apt-get -y -qq --no-install-recommends install systemd-sysv dbus
    sed -i 's|^# *unixsocket /|unixsocket /|; s|^# *unixsocketperm .*|unixsocketperm 770|' \
        "$root/etc/redis/redis.conf"
    cp tools/package_booted.py "$root/srv/sendq/"
    cat >"$units/sendq-sandbox.service" <<'UNIT'
[Service]
ExecStart=/srv/sendq/build/release/bin/sendq-sandbox --quiet --listen 127.0.0.1:8081
UNIT
    cat >"$units/sendq-test.service" <<'UNIT'
[Unit]
Wants=redis-server.service sendq-sandbox.service
After=redis-server.service sendq-sandbox.service
SuccessAction=exit
FailureAction=exit
[Service]
Type=oneshot
ExecStart=/usr/bin/python3 /srv/sendq/package_booted.py
StandardOutput=file:/srv/sendq/result
StandardError=inherit
TimeoutStartSec=300
UNIT
    umount "$root/dev" "$root/proc"
    timeout --kill-after=10 400 systemd-nspawn --quiet --register=no --keep-unit --private-network \
        --directory="$root" --boot systemd.unit=sendq-test.service \
        >"$root.log" 2>&1 </dev/null || true
    mount_in
    if [ ! -e "$root/srv/sendq/result" ]; then
        tail -n 3 "$root.log"
        echo "skipped: a systemd does not boot here"
        return
    fi
    cat "$root/srv/sendq/result"
    grep -q "was sent once" "$root/srv/sendq/result" || fail "the service under systemd"
    rm -r "$units"/sendq* "$root/etc/sendq/eu.yaml" "$root/etc/sendq/credentials/"*
}

upgrade_and_purge() {
    step "installed again, and purged"
    echo "# mine" >>"$root/etc/sendq/sendqd.yaml"
    quiet inside apt-get -y -qq --reinstall install "/tmp/${deb##*/}"
    check "a changed configuration stays" grep -q "^# mine" /etc/sendq/sendqd.yaml
    quiet inside apt-get -y -qq purge sendq
    check "nothing of it is left" sh -c '
        left=$(find / -xdev -name "*sendq*" ! -path "/srv/*" ! -path "/tmp/*" ! -path "/proc/*" \
            ! -path "/var/cache/*" ! -path "/var/lib/dpkg/*")
        echo "$left"
        [ -z "$left" ]'
}

main() {
    [ "$(id -u)" -eq 0 ] || skip "it needs root"
    command -v debootstrap >/dev/null || skip "debootstrap is not installed"
    deb=$(find build/package -maxdepth 1 -name 'sendq_*.deb' | sort | tail -n 1)
    [ -n "$deb" ] || fail "no package: ./run package makes it"
    if [ "${1:-}" != --private ]; then
        unshare --mount --pid --mount-proc --fork true 2>/dev/null || skip "namespaces are not permitted"
        root=$(mktemp -d /tmp/sendq-root.XXXXXX)
        # Mounts and processes of the clean Debian end with this one.
        trap 'rm -rf --one-file-system "$root" "$root.log"' EXIT
        unshare --mount --pid --mount-proc --fork --kill-child tools/package_test.sh --private "$root"
        return
    fi
    root=$2
    make_root
    install_package
    run_demo
    run_service
    upgrade_and_purge
    echo "package test: all is well"
}

main "$@"
