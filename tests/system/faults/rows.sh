#!/bin/bash
# In a run that is killed repeatedly, train.log and metrics.csv have every step once, with the numbers of an undisturbed run.
. tests/lib.sh
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
steps=120 RANDOM=${SEED:-11}
arguments() { echo train --data "$data" --tower openblas --train-dir "$tmp/$1" --batch-size 4 --log-frequency 1 --max-steps $steps; }
rows() { tail -n +2 "$tmp/$1/metrics.csv" | cut -d, -f1,3-8; } # DIRECTORY: step, losses and learning rate, without rates and times
logged() { grep -o ' step [0-9]*, loss = [^ ]*' "$tmp/$1/train.log"; }
reached() { [ -s "$tmp/killed/metrics.csv" ] && [ "$(tail -n 1 "$tmp/killed/metrics.csv" | grep -oE '^[0-9]+')" -ge "$1" ]; }
cleanup() { [ -z "${job:-}" ] || kill "$job" 2> /dev/null; }

check "an unbroken run" timeout 60 mpirun -np 2 ./cifar10_mpi $(arguments unbroken)
kills=6
for ((i = 1; i <= kills; i++)); do
    ranks_start 2 "$tmp/ranks" $(arguments killed) --checkpoint-steps 7
    eventually 20 reached $((i * 16 + RANDOM % 10))
    kill -KILL $(cat "$tmp/ranks"/pid.*)
    wait $job 2> /dev/null
done
check "the run that was killed $kills times (SEED=${SEED:-11}) ends" timeout 60 mpirun -np 2 ./cifar10_mpi $(arguments killed) --checkpoint-steps 7
check "it was killed between checkpoints" test -s "$tmp/killed/metrics.csv.undone"
check "metrics.csv has every step once" test "$(rows killed | cut -d, -f1 | xargs)" = "$(seq $steps | xargs)"
check "with the unbroken run's numbers" diff <(rows unbroken) <(rows killed)
check "so has train.log" diff <(logged unbroken) <(logged killed)
check "and one header" test "$(grep -c step, "$tmp/killed/metrics.csv")" = 1
same "the last checkpoint" unbroken killed $steps
finish
