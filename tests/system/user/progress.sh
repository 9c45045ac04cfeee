#!/bin/bash
# On a terminal, even through mpirun, a progress line shows how far the run is; a file gets only log lines.
. tests/lib.sh
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
train="./cifar10_mpi train --data $data --batch-size 4 --max-steps 20 --train-dir $tmp"

if terminals; then
    for launcher in "" "mpirun -np 2 "; do
        where=${launcher:+"behind mpirun "}
        TERM=xterm script -qec "stty cols 50; $launcher$train/tty${launcher:0:1}" /dev/null < /dev/null > "$tmp/typescript" 2>&1
        check "a terminal ${where}shows progress" grep -qE 'step [0-9]+/20, loss [0-9.]+' "$tmp/typescript"
        tr '\r' '\n' < "$tmp/typescript" | sed 's/\x1b\[K//g' | grep -E '^step [0-9]+/20' > "$tmp/progress"
        check "never wider than the terminal ${where}" test -s "$tmp/progress" -a "$(wc -L < "$tmp/progress")" -le 49
        check "in whole items ${where}" test -z "$(grep -vxE 'step [0-9]+/20(, loss [0-9]+\.[0-9]{3}(, [0-9]+ examples/sec)?(, [0-9]+s left)?(, epoch 0\.[0-9]{2})?)?' "$tmp/progress")"
        TERM=dumb script -qec "$launcher$train/dumb${launcher:0:1}" /dev/null < /dev/null > "$tmp/typescript" 2>&1
        check "a run on a dumb terminal ${where}" grep "done at step 20" "$tmp/typescript"
        check "shows none" test "$(grep -c '/20, loss' "$tmp/typescript")" -eq 0
    done
    TERM=xterm script -qec "$train/half > $tmp/out" /dev/null < /dev/null > "$tmp/typescript" 2>&1
    check "where only standard error is a terminal, progress is there" grep -qE 'step [0-9]+/20, loss [0-9.]+, .*s left, epoch 0\.' "$tmp/typescript"
    check "and the log is in the file, without it" eval 'grep -q ": done at step 20" "$tmp/out" && ! grep -q /20, "$tmp/out"'
    check "and what comes next is said to the person" grep -qE "evaluate it: ./cifar10_mpi eval --run-once --train-dir $tmp/half" "$tmp/typescript"
    TERM=xterm script -qec "mpirun -np 2 ./cifar10_mpi eval --run-once --split train --batch-size 1 --train-dir $tmp/half" /dev/null < /dev/null > "$tmp/typescript" 2>&1
    check "so does an evaluation behind mpirun" grep -qE 'evaluating [0-9]+/[0-9]+ images, [0-9]+ images/s, [0-9]+s left' "$tmp/typescript"
else
    skip "progress on a terminal" "$(no_terminal)"
fi
mpirun -np 2 $train/file > "$tmp/out" 2>&1
check "a file gets log lines" grep -qE 'step 20, loss = [0-9.]+ \([0-9.]+ examples/sec; [0-9.]+ sec/batch\)$' "$tmp/out"
check "and no progress" test "$(grep -c $'\r' "$tmp/out")" -eq 0
check "train.log holds the same log lines" test "$(grep -c ' step .*examples/sec' "$tmp/file/train.log")" -eq 2
finish
