# `sendqctl NOUN --help` of all nouns as scdoc: usages and options, without those that all share.
function plain(s) {
    gsub(/[_*\\\[\]<>#~]/, "\\\\&", s)
    return s
}
/^usage:/ { part = "usage"; next }
/^options:/ { part = "options"; next }
part == "usage" && /^  sendqctl/ {
    at = match(substr($0, 3), /  +/)
    printf "*%s*\n\t%s\n\n", plain(substr($0, 3, at - 1)), plain(substr($0, 2 + at + RLENGTH))
}
/^  -c, --config/ { part = "" }
part == "options" && /^      --/ {
    at = match(substr($0, 7), / +[a-z0-9A-Z].*/)
    line = substr($0, 7)
    split(line, word, /  +/)
    name = word[1]
    help = substr(line, length(name) + 1)
    sub(/^ +/, "", help)
    printf "\t*%s*: %s\n\n", plain(name), plain(help)
}
