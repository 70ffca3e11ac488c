#!/bin/sh
# build.sh DIR PAGE SENDQD SENDQCTL: one man page on standard output.
set -eu
dir=$1 page=$2 sendqd=$3 sendqctl=$4

nouns() {
    "$sendqctl" --help | awk '/^nouns:/ { on = 1; next } /^$/ { on = 0 } on { print $1 }' |
        while read -r noun; do
            "$sendqctl" "$noun" --help
        done | awk -f "$dir/nouns.awk"
}

# Each line @NAME@ becomes what that command prints.
while IFS= read -r line; do
    case $line in
    @SETTINGS@) "$sendqd" --reference | awk -f "$dir/settings.awk" ;;
    @NOUNS@) nouns ;;
    *) printf '%s\n' "$line" ;;
    esac
done <"$dir/$page.scd" | scdoc
