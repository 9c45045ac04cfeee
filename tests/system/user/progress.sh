#!/bin/bash
# On a terminal, even through mpirun, a progress line shows how far the run is; a file gets only log lines.
. tests/lib.sh
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
train="./cifar10_mpi train --data $data --batch-size 4 --max-steps 20 --train-dir $tmp"

# The parts of a line, and the lines made of them on 50 columns.
times='[0-9]+:[0-9]{2}<[0-9]+:[0-9]{2}' items=', loss [0-9]+\.[0-9]{2}(, precision [0-9]\.[0-9]{2}(, [0-9]+ images/s)?)?'
whole="(epoch 1/1 )?( {0,2}[0-9]+%( |\|[# ]+\| ))?[0-9]+/20 \[$times$items\]"
if terminals; then
    for launcher in "" "mpirun -np 2 "; do
        where=${launcher:+"behind mpirun "}
        TERM=xterm script -qec "stty cols 50; $launcher$train/tty${launcher:0:1}" /dev/null < /dev/null > "$tmp/typescript" 2>&1
        tr '\r' '\n' < "$tmp/typescript" | sed 's/\x1b\[K//g' | grep -E '[0-9]/20 ' > "$tmp/progress"
        check "a terminal ${where}shows progress" grep -qxE "$whole" "$tmp/progress"
        check "never wider than the terminal ${where}" test -s "$tmp/progress" -a "$(wc -L < "$tmp/progress")" -le 49
        check "in whole items ${where}, without colours" nothing grep -vxE "$whole" "$tmp/progress"
        TERM=dumb script -qec "$launcher$train/dumb${launcher:0:1}" /dev/null < /dev/null > "$tmp/typescript" 2>&1
        check "a run on a dumb terminal ${where}" grep "done at step 20" "$tmp/typescript"
        check "shows none" test "$(grep -c '/20 \[' "$tmp/typescript")" -eq 0
    done
    TERM=xterm LC_ALL=C.UTF-8 script -qec "stty cols 120; $train/half > $tmp/out" /dev/null < /dev/null > "$tmp/typescript" 2>&1
    check "where only standard error is a terminal, progress is there" grep -qE 'epoch 1/1 .*[0-9]%\|.*█.* \| [0-9]+/20 \[.*, loss [0-9.]+' "$tmp/typescript"
    check "and the log is in the file, without it" eval 'grep -q ": done at step 20" "$tmp/out" && ! grep -q "/20 " "$tmp/out"'
    check "and what comes next is said to the person" grep -qE "evaluate it: ./cifar10_mpi eval --run-once --train-dir $tmp/half" "$tmp/typescript"
    TERM=xterm script -qec "$train/never --progress never" /dev/null < /dev/null > "$tmp/typescript" 2>&1
    check "--progress never shows none" eval 'grep -q ": done at step 20" "$tmp/typescript" && ! grep -q "/20 " "$tmp/typescript"'
    TERM=xterm script -qec "mpirun -np 2 ./cifar10_mpi eval --run-once --split train --batch-size 1 --train-dir $tmp/half" /dev/null < /dev/null > "$tmp/typescript" 2>&1
    check "an evaluation behind mpirun shows its own" grep -qE "evaluating +[0-9]+%\|[# ]*\| [0-9]+/1000 \[$times, [0-9]+ images/s\]" "$tmp/typescript"
else
    skip "progress on a terminal" "$(no_terminal)"
fi
mpirun -np 2 $train/always --progress always > "$tmp/out" 2> "$tmp/errors"
check "--progress always prints whole lines to a file" grep -qxE "epoch 1/1 +[0-9]+% [0-9]+/20 \[$times$items\]" "$tmp/errors"
check "without control characters" nothing grep -nP '[^\n\x20-\x7e]' "$tmp/errors" "$tmp/out" "$tmp/always/train.log"
mpirun -np 2 $train/file > "$tmp/out" 2>&1
check "a file gets log lines" grep -qE 'step 20, loss = [0-9.]+ \([0-9.]+ examples/sec; [0-9.]+ sec/batch\)$' "$tmp/out"
check "and no progress" test "$(grep -c $'\r' "$tmp/out")" -eq 0
check "train.log holds the same log lines" test "$(grep -c ' step .*examples/sec' "$tmp/file/train.log")" -eq 2
finish
