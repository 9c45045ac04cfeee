#!/bin/bash
# Evaluation counts every image exactly once, on any number of ranks.
# time limit: 300 s
. tests/lib.sh
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
directory=${CIFAR10_DIR:-}
check "a checkpoint to evaluate" mpirun -np 2 ./cifar10_mpi train --data "$data" --train-dir "$tmp/run" --batch-size 32 --max-steps 40
checkpoint=$tmp/run/checkpoint-00000040.h5

counts() { # RANKS OPTIONS...: "right total"
    local ranks=$1
    shift
    mpirun -np "$ranks" ./cifar10_mpi eval --checkpoint "$checkpoint" --run-once "$@" 2>> "$tmp/eval.err" |
        sed -n 's/.*precision @ 1 = .*: \([0-9]*\) of \([0-9]*\) .*/\1 \2/p'
}

same_counts() { # NAME TOTAL OPTIONS...
    local name=$1 total=$2 expected ranks got
    shift 2
    expected=$(counts 1 "$@")
    [ "${expected#* }" = "$total" ] && ok "$name: all $total are counted" || not_ok "$name: all $total are counted" "$expected $(tail -n 3 "$tmp/eval.err")"
    for ranks in 2 3 4 7; do
        got=$(counts $ranks "$@")
        [ "$got" = "$expected" ] && ok "$name: the same counts on $ranks ranks" || not_ok "$name: the same counts on $ranks ranks" "$got, not $expected"
    done
}

if [ -n "$directory" ]; then
    check "the full set is packed" ./cifar10_mpi pack --from "$directory" "$tmp/full.h5"
    same_counts "10,000 images" 10000 --data "$tmp/full.h5" --num-examples 10000
    same_counts "997 images" 997 --data "$tmp/full.h5" --num-examples 997
else
    skip "10,000 and 997 images" "CIFAR10_DIR is not set"
fi
same_counts "200 images" 200 --data "$data"
same_counts "97 images in batches of 10" 97 --data "$data" --num-examples 97 --batch-size 10
same_counts "3 images, fewer than ranks" 3 --data "$data" --num-examples 3

raw=$(mpirun -np 1 ./cifar10_mpi eval --checkpoint "$checkpoint" --run-once --no-ema --data "$data")
[[ $raw == *"raw parameters"* ]] && ok "it says that it used the raw parameters" || not_ok "it says that it used the raw parameters" "$raw"
refused "an empty directory is named" "no checkpoint in $tmp/nothing" mpirun -np 3 ./cifar10_mpi eval --data "$data" --checkpoint-dir "$tmp/nothing" --run-once
refused "more examples than there are" "num-examples 201" mpirun -np 3 ./cifar10_mpi eval --data "$data" --checkpoint "$checkpoint" --run-once --num-examples 201
head -c 3000000 "$checkpoint" > "$tmp/torn.h5"
refused "a half-written checkpoint is named" "torn.h5" mpirun -np 3 ./cifar10_mpi eval --data "$data" --checkpoint "$tmp/torn.h5" --run-once

# Periodic mode: waits for a missing checkpoint, then a half-written one, then evaluates each new one once.
mkdir "$tmp/watched"
./cifar10_mpi eval --data "$data" --checkpoint-dir "$tmp/watched" --eval-interval-secs 1 > "$tmp/watch.log" 2>&1 &
watch=$!
cleanup() { kill $watch 2> /dev/null; }
wait_for() { for _ in $(seq 40); do grep -qE "$1" "$tmp/watch.log" && return 0; sleep 0.5; done; cat "$tmp/watch.log"; return 1; }
check "periodic: a missing checkpoint is waited for" wait_for "waiting: .*no checkpoint"
cp "$tmp/torn.h5" "$tmp/watched/checkpoint-00000030.h5"
check "periodic: a half-written checkpoint is waited for" wait_for "waiting: .*checkpoint-00000030.h5"
cp "$checkpoint" "$tmp/watched/.new" && mv "$tmp/watched/.new" "$tmp/watched/checkpoint-00000040.h5"
check "periodic: a new checkpoint is evaluated" wait_for "precision @ 1 = .*step 40"
sleep 2.5
[ "$(grep -c "precision @ 1" "$tmp/watch.log")" = 1 ] && ok "periodic: once" || not_ok "periodic: once" "$(cat "$tmp/watch.log")"
kill $watch && wait $watch 2> /dev/null
finish
