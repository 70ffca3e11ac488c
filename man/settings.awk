# The Markdown of `sendqd --reference` as scdoc: a heading per table, a list entry per row.
function plain(s) {
    gsub(/`/, "", s)
    gsub(/\\\|/, "|", s)
    gsub(/[_*\\\[\]<>#~]/, "\\\\&", s)
    return s
}
/^### / { gsub(/`/, ""); print "# " toupper(substr($0, 5)) "\n"; next }
/^\| `/ || /^\| [a-z]+ \| `/ {
    gsub(/\\\|/, "\001")
    n = split(substr($0, 3, length($0) - 4), cell, / \| /)
    for (i = 1; i <= n; i++) {
        gsub(/\001/, "|", cell[i])
        cell[i] = plain(cell[i])
    }
    if (cell[1] ~ /^[a-z]+$/ && $0 !~ /^\| `/)
        printf "%s: *%s* (%s)\n", cell[1], cell[2], cell[3]
    else
        printf "*%s* (%s; %s)\n", cell[1], cell[2], cell[3]
    printf "\t%s\n\n", cell[4] != "" ? cell[4] : "See the provider's documentation."
}
