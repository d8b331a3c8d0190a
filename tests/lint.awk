# The rules that need to know where a function begins and ends, and who may include whom. Relies on the layout that clang-format gives.

function finding(line, what) { printf "%s:%d: %s\n", FILENAME, line, what }

function layer(path) { # the folder that a path belongs to, as the rules below call it
    sub(/^src\//, "", path)
    sub(/\/.*/, "", path)
    return path
}

BEGIN {
    FILE_LINES = 400
    FUNCTION_LINES = 60
    COLUMNS = 160
    # who may include whom, besides itself; tools, tests and bench may include all
    may["base"] = " "
    may["simd"] = " base "
    may["kernels"] = " base simd quant_formats "
    may["quant_formats"] = " base "
    may["file"] = " base quant_formats "
    may["text"] = " base quant_formats file "
    may["models"] = " base quant_formats file "
    may["quantize"] = " base kernels quant_formats file "
    may["engine"] = " base kernels quant_formats file text "
    may["evaluate"] = " base kernels quant_formats file text engine "
}

FNR == 1 {
    end_file()
    name = FILENAME
    sub(/.*\//, "", name)
    mine = layer(FILENAME)
    inside = 0
    if (name ~ /\.h$/ && index($0, "/* " name ": ") != 1) finding(1, "a header opens with /* " name ": what it owns and what it refuses")
}

{ lines = FNR; last = FILENAME }

length($0) > COLUMNS { finding(FNR, "longer than " COLUMNS " columns") }

/^#include "/ && (mine in may) {
    path = $0
    sub(/^#include "/, "", path)
    theirs = layer(path)
    if (theirs != mine && path ~ /\// && !index(may[mine], " " theirs " ")) finding(FNR, mine " may not include " theirs)
}

/##/ && !/^ *(\/\*|\*)/ && mine != "kernels" && mine != "simd" && /^(#define|.*\\$)/ { finding(FNR, "token pasting outside the kernels") }

# A block at the left margin: a function if its first line has a parenthesis and no '='.
!inside && /^[A-Za-z_]/ { first = FNR; head = $0 }
!inside && /\{$/ && !/^[#\/ ]*\*/ {
    inside = 1
    is_function = head ~ /\(/ && head !~ /=/
}
inside && is_function && /^ *# *(if|ifdef|ifndef)([^a-z]|$)/ { finding(FNR, "a conditional inside a function: make it two files or a row of data") }
inside && /^\}/ {
    if (is_function && FNR - first + 1 > FUNCTION_LINES) finding(first, "a function of " FNR - first + 1 " lines, more than " FUNCTION_LINES)
    inside = 0
}

function end_file() {
    if (lines > FILE_LINES) printf "%s:%d: more than %d lines\n", last, lines, FILE_LINES
    lines = 0
}
END { end_file() }
