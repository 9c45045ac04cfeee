#!/bin/bash
# eval during a training: it says what it waits for, evaluates each checkpoint once, ends when the training ends, and keeps the best
# checkpoint.
# time limit: 200 s
. tests/lib.sh
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
cleanup() { kill ${watch:-} ${job:-} 2> /dev/null; }
train() { # DIRECTORY MAX-STEPS OPTION...
    timeout 100 ./cifar10_mpi train --data "$data" --train-dir "$tmp/$1" --batch-size 32 --max-steps "${@:2}"
}
eval_of() { timeout 60 ./cifar10_mpi eval "$@"; }
once() { eval_of --train-dir "$tmp/$1" --run-once "${@:2}"; } # DIRECTORY OPTION...
times() { [ "$(grep -cE -- "$2" "$tmp/watch.log")" = "$1" ] || { cat "$tmp/watch.log"; return 1; }; } # COUNT PATTERN

# ---- one eval that starts before the first checkpoint and ends after the last
./cifar10_mpi eval --train-dir "$tmp/run" --eval-interval-secs 1 > "$tmp/watch.log" 2>&1 &
watch=$!
check "a directory that is not there yet is waited for" wait_for 30 \
    "waiting: there is no checkpoint in $tmp/run.*train --train-dir $tmp/run" "$tmp/watch.log"
check "the next look is said" wait_for 30 ": next look at [0-9]{2}:[0-9]{2}:[0-9]{2}, then every 1 s$" "$tmp/watch.log"
sleep 2.2
check "which is said once" times 1 "waiting"
mkdir "$tmp/new"
head -c 100000 /dev/zero > "$tmp/new/checkpoint-00000003.h5" && mv "$tmp/new" "$tmp/run"
check "a half-written checkpoint is waited for" wait_for 30 "waiting: .*checkpoint-00000003.h5" "$tmp/watch.log"
rm "$tmp/run/checkpoint-00000003.h5"
train run 100000 --checkpoint-steps 20 > "$tmp/train.log" 2>&1 &
job=$!
check "a checkpoint is evaluated on the run's own data" wait_for 30 "precision @ 1 = .* of 200\)$" "$tmp/watch.log"
check "which are named" times 1 "data: $data, as in training"
touch "$tmp/run/stop"
wait $job
check "the training was stopped early" test $? = 76
job='' reached=$(ls "$tmp/run" | sed -n 's/^checkpoint-0*\([0-9]*\).h5$/\1/p' | tail -n 1)
check "it waits on, and says why" wait_for 30 \
    "waiting: training stopped at step $reached of 100000$" "$tmp/watch.log"
check "every state is said once" test -z "$(sed -n 's/.*: \(waiting.*\)/\1/p' "$tmp/watch.log" | sort | uniq -d)"
end=$((reached + 25))
check "the training goes on to its end" train run $end --keep 1
check "and the eval ends with it" timeout 20 tail --pid=$watch -f /dev/null
wait $watch
check "well" test $? = 0
watch=
check "after the last checkpoint" test "$(tail -n 4 "$tmp/watch.log" | grep -cE "precision @ 1 = .*step $end:|training has ended at its last step, $end$")" = 2
check "each was evaluated once" test -z "$(grep -oE "precision @ 1 = .*step [0-9]+:" "$tmp/watch.log" | sort | uniq -d)"

# eval.csv has the numbers that eval printed. The data's SHA-256 is computed here independently (see src/data/dataset.c).
csv_is_log() {
    /usr/bin/python3 - "$tmp/run/eval.csv" "$tmp/watch.log" "$data" << 'END'
import csv, hashlib, re, sys
import h5py
with h5py.File(sys.argv[3]) as f:
    parts = [f["test/images"].attrs["sha256"], f["test/labels"].attrs["sha256"], *f.attrs["class_names"]]
texts = [p if isinstance(p, bytes) else p.encode() for p in parts]
sha256 = hashlib.sha256(b"".join(t + b"\0" for t in texts)).hexdigest()
said = re.findall(r"precision @ 1 = .*step (\d+): (\d+) of (\d+)\)\n.*cross-entropy ([\d.]+) \((\w+) images, (\w+)", open(sys.argv[2]).read())
with open(sys.argv[1]) as f:
    assert f.readline() == "time,step,split,images,precision_at_1,cross_entropy,parameters,data_sha256,precision_at_5\n"
    rows = list(csv.reader(f))
assert len(rows) == len(said) > 1, (len(rows), len(said))
for row, (step, right, images, entropy, split, parameters) in zip(rows, said):
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row[0]), row
    assert row[1:4] == [step, split, images] and row[6:8] == [parameters, sha256[:12]], (row, sha256)
    assert abs(float(row[4]) - int(right) / int(images)) < 1e-8 and f"{float(row[5]):.4f}" == entropy, row
END
}
check "eval.csv has what was printed" csv_is_log
check "of a run that has ended it evaluates the last checkpoint and ends" eval_of --train-dir "$tmp/run"
cp "$tmp/run/checkpoint-$(printf %08d $end).h5" "$tmp/end.h5"
printf 'process %d on %s\n' $$ "$(uname -n)" > "$tmp/run/lock" # as a crashed run leaves it; another process has that number by now
check "where a lock was left behind, too" eval_of --train-dir "$tmp/run"
printf 'process 7 on elsewhere\n' > "$tmp/run/lock"
flock --no-fork "$tmp/run/lock" sleep 100 &
job=$!
./cifar10_mpi eval --train-dir "$tmp/run" > "$tmp/watch.log" 2>&1 &
watch=$!
check "where another run has the lock it waits on, 300 s at a time" wait_for 30 "next look.*every 300 s" "$tmp/watch.log"
check "and says where the lock is" times 1 ": waiting for the run that has $tmp/run/lock to end$"
kill -TERM $job
job=
check "soon after that run has ended it ends" timeout 20 tail --pid=$watch -f /dev/null
check "having evaluated the last checkpoint" grep "training has ended at its last step, $end$" "$tmp/watch.log"
./cifar10_mpi eval --train-dir "$tmp/none" > "$tmp/watch.log" 2>&1 &
watch=$!
wait_for 30 "next look" "$tmp/watch.log" > /dev/null
kill -TERM $watch
check "a signal ends it at once" timeout 5 tail --pid=$watch -f /dev/null
watch=
rm "$tmp/run/lock"

if terminals; then
    TERM=xterm script -qec "timeout 4 ./cifar10_mpi eval --train-dir $tmp/none --eval-interval-secs 1" /dev/null < /dev/null > "$tmp/typescript" 2>&1
    check "a terminal shows each next look in one line" grep -E $'next look at [0-9:]{8}\x1b\\[K\rnext look at [0-9:]{8}' "$tmp/typescript"
else
    skip "each next look on a terminal" "no terminal can be had here (script, /dev/pts)"
fi

# ---- the best checkpoint
check "a run with three checkpoints" train three 45 --checkpoint-steps 15 --keep 0
check "and a worse one of another run" train one 1
mkdir "$tmp/best"
right() { eval_of "$@" 2> /dev/null | sed -n 's/.*precision @ 1 = .* \([0-9]*\) of 200).*/\1/p'; }
best=-1 best_step=
for step in 15 30 45 50; do
    from=$tmp/three/checkpoint-000000$step.h5
    [ $step = 50 ] && from=$tmp/one/checkpoint-00000001.h5
    cp "$from" "$tmp/best/checkpoint-000000$step.h5"
    now=$(right --checkpoint "$from")
    [ "$now" -le $best ] || best=$now best_step=$step
    check "--keep-best at step $step" once best --keep-best
    check "keeps the one of step $best_step, $best right" same_bits "$tmp/best/best.h5" "$tmp/three/checkpoint-000000$best_step.h5"
done
check "the worst was not kept" test "$now" -lt "$best"
cp "$tmp/best/best.h5" "$tmp/best/checkpoint-00000060.h5"
check "of equals" once best --keep-best
check "the first stays, as a second name and no copy" test "$tmp/best/best.h5" -ef "$tmp/best/checkpoint-000000$best_step.h5"
rm "$tmp"/best/checkpoint-*
refused "best.h5 is not taken for the newest" "no checkpoint in $tmp/best" once best
cp "$tmp/end.h5" "$tmp/best/checkpoint-000$(printf %05d $end).h5"
check "the training goes on there" train best $((end + 3)) --keep 1
check "and leaves it" test "$(right --checkpoint "$tmp/best/best.h5")" = "$best"
tar -xf tests/data/cifar10-sample.tar.xz -C "$tmp" --wildcards 'test/cat/0000.jpg'
check "predict takes it" grep "best.h5: model tutorial, step $best_step" <(./cifar10_mpi predict --checkpoint "$tmp/best/best.h5" "$tmp/test/cat/0000.jpg")
check "inspect too" grep "best.h5: a checkpoint, complete" <(./cifar10_mpi inspect "$tmp/best/best.h5")
echo mine > "$tmp/one/best.h5"
refused "somebody's own best.h5 is not replaced" "one/best.h5: .*remove it first" once one --keep-best
check "and is as it was" grep -x mine "$tmp/one/best.h5"
rm "$tmp/one/best.h5"

# ---- a directory that eval may not write to
ln -s "$tmp/target" "$tmp/one/eval.csv.link" && rm -f "$tmp/one/eval.csv" && mv "$tmp/one/eval.csv.link" "$tmp/one/eval.csv"
check "a link is no eval.csv, which is no error" grep "no row in eval.csv: .*eval.csv: is a symbolic link" <(once one 2>&1)
check "nothing was written through it" test ! -e "$tmp/target"
rm "$tmp/one/eval.csv" && chmod a-w "$tmp/one"
mortal=() # a command prefix: root may write anywhere, so it must give up that right
[ "$(id -u)" -ne 0 ] || mortal=(setpriv --bounding-set=-dac_override)
if "${mortal[@]}" ./cifar10_mpi --help > /dev/null 2>&1; then
    read_only() { "${mortal[@]}" ./cifar10_mpi eval --train-dir "$tmp/one" --run-once "$@"; }
    check "nor is a read-only directory" grep "no row in eval.csv: .*Permission denied" <(read_only 2>&1)
    check "the precision is printed all the same" read_only
    check "which --keep-best needs" grep "best.h5.*Permission denied" <(read_only --keep-best 2>&1)
else
    skip "a read-only directory" "there is no setpriv"
fi
finish
