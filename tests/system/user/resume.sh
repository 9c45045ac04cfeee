#!/bin/bash
# How a run in a train-dir may be continued, and that nothing in it is lost if something goes wrong.
# time limit: 400 s
. tests/lib.sh
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
run() { timeout 100 mpirun -np 2 ./cifar10_mpi "$@"; }
train() { run train --data "$data" --batch-size 8 --log-frequency 1 "$@"; }
state() { (cd "$1" && sha256sum -- * .[!.]* 2> /dev/null | grep -v ' lock$'); } # all files but the lock, which a killed run leaves
untouched() { # NAME DIRECTORY STATE
    if [ "$(state "$2")" = "$3" ]; then ok "$1"; else not_ok "$1" "$(state "$2")"$'\n'"was"$'\n'"$3"; fi
}
mounted=()
cleanup() {
    local at
    for at in "${mounted[@]}"; do umount "$at"; done
    [ -z "${group:-}" ] || rmdir "$group"
}
small_disk() { # NAME OPTIONS: mounts an empty tmpfs at $tmp/NAME
    mkdir "$tmp/$1" && mount -t tmpfs -o "$2" none "$tmp/$1" 2> /dev/null && mounted+=("$tmp/$1")
}

# --resume FILE.
check "a run" train --train-dir "$tmp/run" --max-steps 2
check "whose start block shows the table of layers" grep -qE '^ +conv2 +12x12x64 +102464 +14745600$' <(train --train-dir "$tmp/run" --max-steps 2 --verbose)
core=$(taskset -cp $$ | sed 's/.*: *\([0-9]*\).*/\1/')
bound() { taskset -c "$core" ./cifar10_mpi train --data "$data" --batch-size 16 --train-dir "$tmp/run" --max-steps 2 --loader-threads 2; }
if [ "$(env -u OMP_NUM_THREADS nproc)" -lt 2 ]; then skip "loaders that share a core" "this process may use one core only"
else check "and warns of loaders that share a core" grep -qE '^  warning +a rank on .* may use 1 core, not 2: .*slot:PE=2$' <(bound | unwrapped); fi
check "that goes on" train --train-dir "$tmp/run" --max-steps 4
first=$tmp/run/checkpoint-00000002.h5 last=$tmp/run/checkpoint-00000004.h5
before=$(state "$tmp/run")
refused "--resume FILE where later checkpoints are" "holds a run \(.*/run/checkpoint-00000004.h5\), .*leave --resume out .*another --train-dir" train --train-dir "$tmp/run" --max-steps 6 --resume "$first"
check "another run" train --train-dir "$tmp/other" --max-steps 1
other=$(state "$tmp/other")
refused "--resume FILE where another run is" "holds a run \(.*/other/checkpoint-00000001.h5\)" train --train-dir "$tmp/other" --max-steps 6 --resume "$first"
untouched "the run is as it was" "$tmp/run" "$before"
untouched "the other run is as it was" "$tmp/other" "$other"
check "--resume FILE into a new directory" train --train-dir "$tmp/branch" --max-steps 3 --resume "$first"
check "--resume with the newest checkpoint of the directory" train --train-dir "$tmp/branch" --max-steps 5 --resume "$tmp/branch/../branch/checkpoint-00000003.h5"
check "holds the log from there on" test "$(grep -o 'step [0-9]*, loss' "$tmp/branch/train.log" | tr -d '\n')" = "step 3, lossstep 4, lossstep 5, loss"

# The bits depend on the convolution algorithm, so a run keeps the one that it began with.
if ./cifar10_mpi bench --batch-size 2 --bench-steps 1 | grep -q "onednn tower"; then
    check "a run with direct convolutions" train --train-dir "$tmp/direct" --conv direct --max-steps 2
    check "goes on with them" train --train-dir "$tmp/direct" --max-steps 4
    check "as one that was not stopped" train --train-dir "$tmp/unbroken" --conv direct --max-steps 4
    check "to the same bits" h5diff "$tmp/direct/checkpoint-00000004.h5" "$tmp/unbroken/checkpoint-00000004.h5" /params
    check "and says so" grep -qx "  model  .*; conv2=direct" <(train --train-dir "$tmp/direct" --max-steps 5)
    check "with slices the shape decides, not a measurement" grep -qx "  model  .*; conv2=winograd" <(train --train-dir "$tmp/sliced" --slices 2 --max-steps 1)
fi

# The steps for a decimal --epochs: in floating point, 16.1 * 1000 images is slightly more than 16,100.
check "16.1 epochs" train --train-dir "$tmp/epochs" --epochs 16.1 --batch-size 50
check "of 1000 images are 161 steps of 100" test -e "$tmp/epochs/checkpoint-00000161.h5"

# Other data in a file of the same name.
/usr/bin/python3 - "$data" "$tmp" 2> "$tmp/why" <<'END' || skip "other data" "$(tail -n 1 "$tmp/why")"
import shutil, sys
import h5py, numpy as np
data, directory = sys.argv[1:]
for name in ("labels", "names"):
    shutil.copy(data, f"{directory}/{name}.h5")
    with h5py.File(f"{directory}/{name}.h5", "r+") as f:
        if name == "labels":
            f["train/labels"].attrs["sha256"] = np.bytes_("0" * 64)
        else:
            f.attrs["class_names"] = f.attrs["class_names"][::-1]
END
if [ -s "$tmp/names.h5" ]; then
    refused "the same images under other labels" "was trained with the images, labels and classes of .*, not .*: to go on, train with --data $data; .*--force" train --train-dir "$tmp/run" --max-steps 6 --data "$tmp/labels.h5"
    refused "and classes of other names" "was trained with the images, labels and classes of .*, not .*--force" train --train-dir "$tmp/run" --max-steps 6 --data "$tmp/names.h5"
    cp -r "$tmp/run" "$tmp/forced"
    forced() { train --train-dir "$tmp/forced" --data "$tmp/labels.h5" "$@"; }
    check "--force goes on with them" forced --max-steps 5 --force
    check "and from then on they are the run's" forced --max-steps 6
    cp "$tmp/names.h5" "$tmp/labels.h5"
    refused "a data file that was replaced" "was trained with the images, .*\\): for a new run give another --train-dir; --force" forced --max-steps 7
    refused "which eval sees too" "classes in another order" run eval --run-once --checkpoint "$last" --data "$tmp/names.h5"
fi

# Damaged checkpoints are skipped; a checkpoint with other settings is not damaged.
mkdir "$tmp/torn"
cp "$last" "$tmp/torn"
head -c 3000000 "$last" > "$tmp/torn/checkpoint-00000007.h5"
head -c 30 "$last" > "$tmp/torn/checkpoint-00000008.h5"
for command in "eval --run-once --data $data" "predict $tmp/cat.jpg"; do
    tar -xOf tests/data/cifar10-sample.tar.xz test/cat/0000.jpg > "$tmp/cat.jpg"
    output=$(run $command --checkpoint-dir "$tmp/torn" 2>&1)
    rc=$?
    if [ $rc -eq 0 ] && [[ $output == *"skipping a damaged checkpoint: "*00000008.h5*00000007.h5*"step 4"* ]]; then ok "${command%% *} skips torn checkpoints"
    else not_ok "${command%% *} skips torn checkpoints" "$rc: $output"; fi
done
refused "another seed is no damage: it is said once, and nothing is skipped" "was trained with --seed 1" train --train-dir "$tmp/run" --max-steps 6 --seed 2
said=$(train --train-dir "$tmp/run" --max-steps 6 --seed 2 2>&1)
check "also not of the older ones" test "$(grep -c 'skipping' <<< "$said")" = 0
rm "$tmp/torn/checkpoint-00000004.h5"
refused "where all are torn" "no checkpoint there is whole" train --train-dir "$tmp/torn" --max-steps 9

# A run that was killed before its first checkpoint left a log.
./cifar10_mpi train --data "$data" --batch-size 8 --log-frequency 1 --train-dir "$tmp/killed" > "$tmp/killed.log" 2>&1 &
killed=$!
for _ in $(seq 100); do grep -q ' step 5, loss' "$tmp/killed/train.log" 2> /dev/null && break; sleep 0.2; done
kill -9 $killed
wait $killed 2> /dev/null
rows=$(grep -c ' step .*, loss' "$tmp/killed/train.log")
before=$(state "$tmp/killed")
refused "--resume never where a log is" "holds a run .*train.log" train --train-dir "$tmp/killed" --max-steps 2 --resume never
untouched "which changes nothing" "$tmp/killed" "$before"
check "a restart" train --train-dir "$tmp/killed" --max-steps 2
check "keeps the old rows aside" test "$(grep -c ' step .*, loss' "$tmp/killed/train.log.undone")" = "$rows"
check "begins the log anew" test "$(grep -c ' step .*, loss' "$tmp/killed/train.log")" = 2
check "and metrics.csv" test "$(wc -l < "$tmp/killed/metrics.csv")" = 3

# A model that diverges: the run stops at the step after which the parameters would overflow, although its loss is still finite.
diverge() { ./cifar10_mpi train --data "$data" --batch-size 8 --train-dir "$tmp/diverged" --learning-rate 1000 "$@"; }
check "two steps of a far too high rate" diverge --max-steps 2
refused "a gradient that is not finite makes no checkpoint" "step 4: layer [a-z0-9_]*'s gradient is not finite: .*since step 2" diverge --max-steps 4
check "the checkpoint before stays" test "$(ls "$tmp/diverged" | grep checkpoint)" = checkpoint-00000002.h5
check "a third step" diverge --max-steps 3
refused "a loss that is no number to add up" "checkpoint of step 3: the loss is .*diverged" run eval --data "$data" --checkpoint-dir "$tmp/diverged" --run-once --no-ema

# A control group with memory for one batch, but not for three: the run is refused before the system kills a rank.
for group in /sys/fs/cgroup{/memory,}/cifar10_test.$$; do mkdir "$group" 2> /dev/null && [ -w "$group/cgroup.procs" ] && break; done
limit=$(ls "$group/memory.limit_in_bytes" "$group/memory.max" 2> /dev/null)
if [ -n "$limit" ] && echo 1G > "$limit" 2> /dev/null; then
    confined() { (echo "$BASHPID" > "$group/cgroup.procs" && timeout 100 mpirun "$@"); }
    crowd() { confined -np "$1" ./cifar10_mpi train --data "$data" --batch-size 700 --max-steps 1 --train-dir "$tmp/crowd$1"; }
    check "a batch that fits in memory once" crowd 1
    refused "and not three times" "no memory for [0-9]+ MB \([0-9]+ MB are available\)" crowd 3
    check "leaves nothing behind" test ! -e "$tmp/crowd3"
else
    rmdir "$group" 2> /dev/null
    group=
    skip "a batch that does not fit three times" "no control group with a limit of memory can be made below /sys/fs/cgroup"
fi

# Full disks.
if small_disk readonly size=1m && mkdir "$tmp/readonly/run" && mount -o remount,ro "$tmp/readonly"; then
    refused "a directory on a read-only disk is found at the start" "readonly/run/lock: .*Read-only" train --train-dir "$tmp/readonly/run" --max-steps 2
    said=$(train --train-dir "$tmp/readonly/run" --max-steps 2 2>&1)
    check "before the first step" test "$(grep -c 'step 1' <<< "$said")" = 0
else
    skip "a read-only disk" "$(no_mount)"
fi
if small_disk full size=4k && mkdir "$tmp/log" && touch "$tmp"/{full,log}/train.log && mount --bind "$tmp"/{full,log}/train.log; then
    mounted=("$tmp/log/train.log" "${mounted[@]}")
    head -c 100000 /dev/zero > "$tmp/full/filler" 2> /dev/null
    to_said() { "$@" 2> "$tmp/said"; }
    check "a run whose log meets a full disk ends well all the same" to_said train --train-dir "$tmp/log" --max-steps 3
    check "and tells it once" test "$(grep -c 'log/train.log: a line cannot be written: No space left' "$tmp/said")" = 1
else
    skip "a log on a full disk" "$(no_mount)"
fi
if terminals && small_disk tiny size=4m; then
    TERM=xterm script -qec "./cifar10_mpi train --data $data --batch-size 8 --train-dir $tmp/tiny --max-steps 300 --log-frequency 1000" /dev/null < /dev/null > "$tmp/typescript" 2>&1
    check "a failure on a terminal takes the progress line away" grep -qP '\x1b\[Kcifar10_mpi: .*No space left' <(tail -n 1 "$tmp/typescript")
else
    skip "a failure on a terminal" "$(terminals && no_mount || no_terminal)"
fi
to_full() { ./cifar10_mpi "$@" > /dev/full; }
for command in "eval --data $data --checkpoint $last --run-once" "bench --batch-size 4 --bench-steps 1" "predict --checkpoint $last $tmp/cat.jpg" "inspect $last" --help; do
    refused "output that cannot be written: ${command%% *}" "standard output could not be written" to_full $command
done
silent() { to_full train --data "$data" --batch-size 8 --train-dir "$tmp/silent" --max-steps 3 --log-frequency 1 2> "$tmp/said"; }
check "of a training, which has a log of its own, it is none of its failures" silent
check "and told once" test "$(grep -c '^cifar10_mpi: standard output: a line cannot be written: No space left' "$tmp/said")" = 1
finish
