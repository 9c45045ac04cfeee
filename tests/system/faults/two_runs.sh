#!/bin/bash
# Two runs in one train-dir: the second is refused as long as the first is alive, and no longer, in whatever way the first ends.
. tests/lib.sh
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
arguments="train --data $data --tower openblas --train-dir $tmp/run --batch-size 8 --log-frequency 1"
second() { timeout 60 mpirun -np 2 ./cifar10_mpi $arguments "$@"; }
cleanup() { [ -z "${job:-}" ] || kill "$job" 2> /dev/null; }

ranks_start 2 "$tmp/ranks" $arguments --max-steps 100000
check "a run" wait_for 60 'step 2, loss' "$tmp/ranks/output"
master=$(cat "$tmp/ranks/pid.0")
refused "a second one is told of the first's process and host" "$tmp/run: is in use by process $master on $(uname -n): let it end" \
    second --max-steps 5
refused "also with --resume never" "is in use by process $master" second --max-steps 5 --resume never
kill -KILL "$master"
wait $job
check "the first is killed" test -e "$tmp/run/lock"
check "another one goes on" second --max-steps 3
check "and leaves no lock" test ! -e "$tmp/run/lock"

# Somebody removes the lock by hand: the first run notices at its next checkpoint, and leaves the directory to the second.
rm -r "$tmp/run"
ranks_start 2 "$tmp/ranks" $arguments --max-steps 100000 --checkpoint-steps 100
check "a run that saves" wait_for 60 "checkpoint [0-9]+ saved" "$tmp/ranks/output"
kill -STOP "$(cat "$tmp/ranks/pid.0")"
rm "$tmp/run/lock"
newest=$(ls "$tmp/run" | grep '^checkpoint' | tail -n 1 | grep -oE '[0-9]{8}')
check "its lock is removed, and a second one goes on from step $((10#$newest))" second --max-steps $((10#$newest + 5))
saved=$(sha256sum "$tmp"/run/*.h5)
kill -CONT "$(cat "$tmp/ranks/pid.0")"
wait $job
check "the first one then ends with an error" test $? -eq 1
check "that it tells once" test "$(grep -c '/run/lock: was removed while this run had it, and another one may train there' "$tmp/ranks/output")" = 1
check "and touches no checkpoint" test "$(sha256sum "$tmp"/run/*.h5)" = "$saved"

# Both start at the same time, in a directory that does not exist yet.
rm -r "$tmp/run"
for i in 1 2; do
    (second --max-steps 400 > "$tmp/both.$i" 2>&1; echo $? > "$tmp/code.$i") &
done
wait
check "of two that start at once one ends well" test "$(sort "$tmp"/code.? | xargs)" = "0 1"
check "the other is told" test "$(cat "$tmp"/both.? | grep -cE '^cifar10_mpi: .*(is in use by|has begun there meanwhile)')" = 1
check "and every step was done once" test "$(tail -n +2 "$tmp/run/metrics.csv" | cut -d, -f1 | xargs)" = "$(seq 400 | xargs)"
finish
