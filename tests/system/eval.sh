#!/bin/bash
# Evaluation counts every image exactly once, on any number of ranks.
# time limit: 300 s
. tests/lib.sh
data=$(small_data) && sample=$(sample_data) || { not_ok "packed data sets" "$data"; finish; exit; }
check "a checkpoint to evaluate" \
    mpirun -np 2 ./cifar10_mpi train --data "$data" --train-dir "$tmp/run" --batch-size 32 --max-steps 40
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
    check "$name: all $total are counted" test "${expected#* }" = "$total"
    for ranks in 2 3 4 7; do
        got=$(counts $ranks "$@")
        check "$name: the same counts on $ranks ranks" test -n "$got" -a "$got" = "$expected"
    done
}

same_counts "10,000 images" 10000 --data "$sample" --split train --num-examples 10000
same_counts "997 images" 997 --data "$sample" --split train --num-examples 997
same_counts "200 images" 200 --data "$data"
same_counts "97 images in batches of 10" 97 --data "$data" --num-examples 97 --batch-size 10
same_counts "3 images, fewer than ranks" 3 --data "$data" --num-examples 3

eval_on() { timeout 60 mpirun -np "$1" ./cifar10_mpi eval --data "$data" --run-once "${@:2}"; } # RANKS OPTION...
check "it says that it used the raw parameters" grep "raw parameters" <(eval_on 1 --checkpoint "$checkpoint" --no-ema)
refused "an empty directory is named" "no checkpoint in $tmp/nothing" eval_on 3 --checkpoint-dir "$tmp/nothing"
refused "more examples than there are" "--num-examples 201: the test split of .* holds 200" \
    eval_on 3 --checkpoint "$checkpoint" --num-examples 201
head -c 3000000 "$checkpoint" > "$tmp/torn.h5"
refused "a half-written checkpoint is named" "torn.h5: .*truncated" eval_on 3 --checkpoint "$tmp/torn.h5"

# Beside a run that keeps one checkpoint: what was found may be gone when it is opened.
mkdir "$tmp/moving"
cp "$checkpoint" "$tmp/moving/checkpoint-00000040.h5"
/usr/bin/python3 -c '
import os, sys, time
for step in range(40, 10000):
    time.sleep(0.25)
    os.rename(f"{sys.argv[1]}/checkpoint-{step:08}.h5", f"{sys.argv[1]}/checkpoint-{step + 1:08}.h5")' "$tmp/moving" &
moving=$!
cleanup() { kill $moving 2> /dev/null; }
for ranks in 1 2 2; do
    check "a checkpoint that is replaced meanwhile, $ranks ranks" eval_on $ranks --checkpoint-dir "$tmp/moving"
done
tar -xf tests/data/cifar10-sample.tar.xz -C "$tmp" --wildcards 'test/cat/0000.jpg'
for image in 1 2; do
    check "so does predict" timeout 60 ./cifar10_mpi predict --checkpoint-dir "$tmp/moving" "$tmp/test/cat/0000.jpg"
done
kill $moving

# Periodic mode: waits for a missing checkpoint, then a half-written one, then evaluates each new one once.
mkdir "$tmp/watched"
./cifar10_mpi eval --data "$data" --checkpoint-dir "$tmp/watched" --eval-interval-secs 1 > "$tmp/watch.log" 2>&1 &
watch=$!
cleanup() { kill $watch 2> /dev/null; }
check "periodic: a missing checkpoint is waited for" wait_for 30 "waiting: .*no checkpoint" "$tmp/watch.log"
cp "$tmp/torn.h5" "$tmp/watched/checkpoint-00000030.h5"
check "periodic: a half-written checkpoint is waited for" wait_for 30 "waiting: .*checkpoint-00000030.h5" \
    "$tmp/watch.log"
cp "$checkpoint" "$tmp/watched/.new" && mv "$tmp/watched/.new" "$tmp/watched/checkpoint-00000040.h5"
check "periodic: a new checkpoint is evaluated" wait_for 30 "precision @ 1 = .*step 40" "$tmp/watch.log"
sleep 2.5
check "periodic: once" test "$(grep -c "precision @ 1" "$tmp/watch.log")" = 1
kill $watch && wait $watch 2> /dev/null
finish
