#!/bin/bash
# Valgrind finds no uninitialised or invalid reads and no leaks in any command, except Open MPI's own at its start and end, which
# tests/valgrind.supp suppresses.
# time limit: 300 s
. tests/lib.sh
if ! command -v valgrind > /dev/null; then
    skip "commands under Valgrind" "valgrind is missing (Debian: valgrind)"
    finish
    exit
fi
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }

watched() { # COMMAND...
    valgrind -q --error-exitcode=9 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --num-callers=40 \
        --suppressions=tests/valgrind.supp ./cifar10_mpi "$@"
}
broken() { ! watched inspect tests/lib.sh > "$tmp/broken" 2>&1 && ! grep == "$tmp/broken"; } # what begins Valgrind's lines
# The commands that need no checkpoint run beside the others.
{
    watched pack --from tests/fuzz/seeds/archive/batches.tar "$tmp/packed.h5" && echo pack
    watched inspect "$data" && echo inspect
    broken && echo broken
} > "$tmp/beside" 2>&1 &
fast=openblas # not auto, which loads CUDA's libraries, and these leak memory
if grep -q HAVE_onednn build/flags; then fast=onednn; fi
train() { watched train --data "$data" --train-dir "$tmp/run" --batch-size 2 --slices 2 --checkpoint-steps 1 "$@"; }
check "train, openblas, in slices" train --tower openblas --max-steps 1
check "continue, $fast" train --tower $fast --max-steps 2
check "eval" watched eval --tower $fast --data "$data" --checkpoint-dir "$tmp/run" --run-once --verbose --keep-best --predictions "$tmp/rows.csv" \
    --batch-size 10 --num-examples 20
wait
passed() { grep -x "$1" "$tmp/beside" || { cat "$tmp/beside"; return 1; }; }
check "pack" passed pack
check "inspect" passed inspect
check "a file that is none" passed broken
finish
