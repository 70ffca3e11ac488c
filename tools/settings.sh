#!/usr/bin/env bash
# Writes docs/settings.md from the tables that load the settings, by the sendqd of BUILD (build/dev).
# A test fails when the file is older than the tables.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

{
    cat <<'TEXT'
# Settings

`sendqd --reference` printed this (`tools/settings.sh` writes it down); `man sendqd.yaml` has the same. [config/sendqd.yaml](../config/sendqd.yaml) is an example with
every setting in its place, `sendqd --check` tells every fault with its line, and `sendqd --print-config` what is in force.

TEXT
    "${1:-build/dev}/bin/sendqd" --reference | sed 's/^### /## /'
} >docs/settings.md
