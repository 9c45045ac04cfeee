#!/bin/bash
# In src, each function and struct has a name of its own and no files depend on each other in a circle; README stays short.
. tests/lib.sh

# The files of this build: of two files for the same purpose only one is built in.
left_out=$(make -pn info 2> /dev/null | sed -n 's/^LEFT_OUT := //p')
sources() { find src -name '*.[ch]' | grep -vxFf <(xargs -n 1 <<< "$left_out") | sort; }
check "make says which files are left out" test "$(wc -w <<< "$left_out")" -ge 3

twice() { # KIND: functions (f) or structs (s), as ctags finds them; a name in capitals is a macro's
    sources | xargs ctags -x "--c-kinds=$1" |
        awk '$1 !~ /^[A-Z_]+$/ { files[$1] = files[$1] " " $4; count[$1]++ }
            END { for (name in count) if (count[name] > 1) print name ":" files[name] }' | sort
}
if command -v ctags > /dev/null; then
    check "no two functions have one name" nothing twice f
    check "no two structs have one name" nothing twice s
else
    skip "no name twice" "there is no ctags (Debian: universal-ctags)"
fi

objects() { # FOLDER PATTERN: the compiled files of those sources
    local source
    for source in $(sources | grep "$2"); do if [ -f "$1/${source:4:-2}.o" ]; then echo "$1/${source:4:-2}.o"; fi; done
}
program=$(objects build '\.c$') module=$(objects build/module '/cudnn/.*\.c$')

# Prints pairs of files, of which the first uses a symbol that the second defines. tsort reports the files of a circle.
needs() {
    nm -A "$@" | awk '{ file = $1; sub(/:[^:]*$/, "", file) }
        $(NF - 1) == "U" { uses[file, $NF]; next } $(NF - 1) ~ /[A-TV-Z]/ { defined[$NF] = file }
        END { for (use in uses) { split(use, part, SUBSEP); if (part[2] in defined) print part[1], defined[part[2]] } }'
}
circles() { needs "$@" | tsort 2>&1 > /dev/null | sed 's/^tsort: //'; }
check "files that need others are found" test "$(needs $program | wc -l)" -gt 300
check "no two files need each other" nothing circles $program
if [ -n "$module" ]; then check "nor do those of the cudnn module" nothing circles $module; fi

check "README has at most 200 lines" test "$(wc -l < README.md)" -le 200
check "and none above 120 columns outside tables" nothing grep -nE '^[^|].{120}' README.md
finish
