# Prints the comment that opens a header, as a section of docs/format.md: make docs
FNR == 1 { printf "\n## %s\n\n```\n", FILENAME }
FNR == 1, /\*\// {
    last = /\*\//
    sub(/^\/\* [a-z_]*\.h: /, "")
    sub(/^ \* ?/, "")
    sub(/ *\*\/$/, "")
    if (!last || $0 != "") print
    if (last) {
        print "```"
        nextfile
    }
}
