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
    mpirun -np "$ranks" ./cifar10_mpi eval --checkpoint "$checkpoint" --run-once --predictions "$tmp/rows-$ranks.csv" "$@" 2>> "$tmp/eval.err" |
        sed -n 's/.*precision @ 1 = .*: \([0-9]*\) of \([0-9]*\)).*/\1 \2/p'
}

# Whether both files have the same images, in order, each once, with the same predictions, and as many right ones as counted.
# A probability may differ by the rounding of another batch size.
same_rows() { # FILE FILE "RIGHT TOTAL"
    paste -d , "$1" "$2" | awk -F , -v counted="$3" '
        NR == 1 { wrong = $0 != "image,label,prediction,probability,image,label,prediction,probability"; next }
        { right += $2 == $3; d = $4 - $8; if ($1 != NR - 2 || $5 != $1 || $6 != $2 || $7 != $3 || d * d > 4e-12) { print; wrong = 1 } }
        END { print right + 0, NR - 1, counted; exit wrong || right + 0 " " NR - 1 != counted }'
}

same_counts() { # NAME TOTAL OPTIONS...
    local name=$1 total=$2 expected ranks got
    shift 2
    expected=$(counts 1 "$@")
    check "$name: all $total are counted" test "${expected#* }" = "$total"
    for ranks in $several; do
        got=$(counts $ranks "$@")
        check "$name: the same counts on $ranks ranks" test -n "$got" -a "$got" = "$expected"
        check "and the same --predictions" same_rows "$tmp/rows-1.csv" "$tmp/rows-$ranks.csv" "$expected"
    done
}

several=3
same_counts "10,000 images" 10000 --data "$sample" --split train --num-examples 10000
several="2 3 4 7"
same_counts "997 images" 997 --data "$sample" --split train --num-examples 997
several=3
same_counts "97 images in batches of 10" 97 --data "$data" --num-examples 97 --batch-size 10
several=4
same_counts "3 images, fewer than ranks" 3 --data "$data" --num-examples 3

eval_on() { timeout 60 mpirun -np "$1" ./cifar10_mpi eval --data "$data" --run-once "${@:2}"; } # RANKS OPTION...

# ---- each class: the expected counts come from predict, which reads image files
classes() { # RANKS OPTION...: "name right images"
    mpirun -np "$1" ./cifar10_mpi eval --checkpoint "$checkpoint" --run-once --verbose "${@:2}" |
        sed -nE 's/^ +[0-9.-]+ +([0-9]+) of +([0-9]+)  (.*)$/\3 \1 \2/p'
}
tar -xf tests/data/cifar10-sample.tar.xz -C "$tmp" --wildcards 'test/*/[0-9]*0.jpg'
expected=$(./cifar10_mpi predict --checkpoint "$checkpoint" "$tmp"/test/*/*.jpg | awk -F: '
    NR > 1 { n = split($1, part, "/"); split($2, word, " "); images[part[n - 1]]++; right[part[n - 1]] += part[n - 1] == word[1] }
    END { for (name in images) print name, right[name] + 0, images[name] }' | sort)
check "--verbose tells each class's right images, as predict finds them" diff <(echo "$expected") <(classes 1 --data "$data" | sort)
check "and the same on 3 ranks" diff <(echo "$expected") <(classes 3 --data "$data" --batch-size 30 | sort)
check "a class without images has no precision" grep -x "      -  0 of 0  truck" \
    <(mpirun -np 3 ./cifar10_mpi eval --data "$data" --checkpoint "$checkpoint" --run-once --verbose --num-examples 3)
long=$(printf 'ü%.0s' {1..31}) # 62 bytes
for split in train test; do mkdir -p "$tmp/long/$split" && cp -r "$tmp/test/cat" "$tmp/long/$split/a$long" && cp -r "$tmp/test/dog" "$tmp/long/$split/b$long"; done
long_names() {
    ./cifar10_mpi pack --from "$tmp/long" "$tmp/long.h5" &&
        ./cifar10_mpi train --data "$tmp/long.h5" --train-dir "$tmp/long/run" --batch-size 8 --max-steps 1 &&
        ./cifar10_mpi eval --train-dir "$tmp/long/run" --verbose > "$tmp/long.log" && cat "$tmp/long.log" &&
        [ "$(grep -cE " of 20  [ab](ü){30}$" "$tmp/long.log")" = 2 ] && ! grep -E '^ .{80}' "$tmp/long.log"
}
check "long names end before column 80, with a whole character" long_names

check "it says that it used the raw parameters" grep "raw parameters" <(eval_on 1 --checkpoint "$checkpoint" --no-ema)
refused "predictions that cannot be written" "$tmp/none/.rows.csv.tmp: cannot be written: No such file" \
    eval_on 3 --checkpoint "$checkpoint" --predictions "$tmp/none/rows.csv"
full() { # the limit is for files of this size; MPI's own, which are larger, are there before
    mpirun -np 1 bash -c 'ulimit -f 8; exec ./cifar10_mpi eval --checkpoint "$0" --data "$1" --predictions "$2"' "$checkpoint" "$sample" "$tmp/full.csv"
}
refused "or only in part" "$tmp/full.csv: cannot be written: File too large" full
check "of which nothing stays" test -z "$(find "$tmp" -name '*full.csv*')"
refused "an empty directory is named" "no checkpoint in $tmp/nothing" eval_on 3 --checkpoint-dir "$tmp/nothing"
refused "and what to do" "which is no directory yet: train first, with cifar10_mpi train --train-dir $tmp/nothing" \
    eval_on 1 --train-dir "$tmp/nothing"
refused "a file as --train-dir is not waited on" "is a file.*--checkpoint $checkpoint" timeout 20 ./cifar10_mpi eval --train-dir "$checkpoint"
refused "a directory as --checkpoint" "is a directory.*--train-dir $tmp/run" eval_on 1 --checkpoint "$tmp/run"
refused "more examples than there are" "--num-examples 201: the test split of .* holds 200" \
    eval_on 3 --checkpoint "$checkpoint" --num-examples 201
head -c 3000000 "$checkpoint" > "$tmp/torn.h5"
refused "a half-written checkpoint is named" "torn.h5: .*truncated" eval_on 3 --checkpoint "$tmp/torn.h5"

# ---- the run's own data, and other data
check "the data are those of the run" grep "data: $data, as in training" <(./cifar10_mpi eval --train-dir "$tmp/run")
said() { grep -c "data: " <(eval_on 1 --checkpoint "$checkpoint" "$@"); }
check "which need no word where they are given" test "$(said)" = 0
check "others are said" grep "data: $sample, other than the run was trained on (.*, SHA-256 " \
    <(mpirun -np 2 ./cifar10_mpi eval --data "$sample" --checkpoint-dir "$tmp/run" --run-once)
mkdir -p "$tmp/elsewhere/data" && cp "$tmp/long.h5" "$tmp/elsewhere/data/cifar10.h5" # data that must not be used
refused "where they are not there they are asked for" "^cifar10_mpi: $data, the data that the run was trained on, is not there: .*--data" \
    env -C "$tmp/elsewhere" "$PWD/cifar10_mpi" eval --checkpoint "$checkpoint"

# ---- events, in the run's directory only
check "no events of a single checkpoint" test ! -e "$tmp/run/events/eval-train"
counted=$(mpirun -np 3 ./cifar10_mpi eval --train-dir "$tmp/run" --run-once --predictions "$tmp/events.csv" |
    sed -n 's/.*precision @ 1 = .*: \([0-9]*\) of \([0-9]*\)).*/\1 \2/p')
no_events() { # the directory is a file: one sentence, and the evaluation itself succeeds
    rm -r "$tmp/run/events" && touch "$tmp/run/events"
    ./cifar10_mpi eval --train-dir "$tmp/run" > "$tmp/out" 2> "$tmp/err" && grep -q "precision @ 5" "$tmp/out" &&
        grep -qx "cifar10_mpi: no events of this evaluation: $tmp/run/events/eval cannot be made: Not a directory" "$tmp/err" && [ "$(wc -l < "$tmp/err")" = 1 ]
}
if [ ! -d "$tmp/run/events/eval" ]; then skip "eval's events" "this program was built without protobuf-c"
elif python=$(tests/venv); then
    mkdir "$tmp/newest" && mv "$(find "$tmp/run/events/eval" -type f | sort | tail -n 1)" "$tmp/newest"
    while read -r verdict name; do
        if [ "$verdict" = good ]; then ok "$name"; else not_ok "$name" "$(cat "$tmp/log")"; fi
    done < <("$python" tests/system/user/eval_events.py "$tmp/newest" "$tmp/events.csv" "$data" "$counted" 2> "$tmp/log" || echo "bad all events were read")
else skip "eval's events" "$python"; fi
if [ -d "$tmp/run/events/eval" ]; then check "events that cannot be written do not end eval" no_events; fi

# While a run keeps only one checkpoint: the one that eval has found may be gone when eval opens it.
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
    check "so does predict" timeout 60 ./cifar10_mpi predict --train-dir "$tmp/moving" "$tmp/test/cat/0000.jpg"
done
kill $moving

finish
