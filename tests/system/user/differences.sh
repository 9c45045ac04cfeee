#!/bin/bash
# With which settings a run may be continued: every setting that changes its trajectory is named, and refused without --force.
. tests/lib.sh
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
on() { # RANKS OPTION...: trains with the openblas tower, which starts quickly
    timeout 60 mpirun -np "$1" ./cifar10_mpi train --data "$data" --tower openblas --train-dir "$tmp/run" --log-frequency 1 "${@:2}"
}
usual() { on 2 --batch-size 8 --max-steps 4 "$@"; }
says() { grep -qE -- "$1" "$2" || { cat "$2"; return 1; }; }

check "a run" on 2 --batch-size 8 --max-steps 2
before=$(cd "$tmp/run" && sha256sum *)
refused "another seed and rate" "checkpoint-00000002.h5 was trained with --seed 1, not 7; --learning-rate 0.1, not 0.05: to go on, train with --seed 1 --learning-rate 0.1; for a new run give another --train-dir; --force" \
    usual --seed 7 --learning-rate 0.05
refused "another decay" "with --lr-decay-factor 0.1, not 0.5; --lr-decay-epochs 350, not 100; --ema-decay 0.9999, not 0.99:" \
    usual --lr-decay-factor 0.5 --lr-decay-epochs 100 --ema-decay 0.99
refused "slices" "with --slices 0, not 4:" usual --slices 4
refused "the same batch on more ranks" "with a global batch of 16, not 32 \(4 ranks x 8\): to go on, train with --batch-size 4; for a new run give another --train-dir" \
    on 4 --batch-size 8 --max-steps 4
refused "on ranks that cannot share it" "not 24 \(3 ranks x 8\): to go on, train with --seed 1 --batch-size 8 on 2 ranks \(mpirun -np 2\);" \
    on 3 --batch-size 8 --max-steps 4 --seed 2
refused "--deterministic" "with --deterministic no, not yes: to go on, train without --deterministic;" usual --deterministic
refused "both at once: flags first, then ranks" "to go on, train with --batch-size 8 without --deterministic on 2 ranks \(mpirun -np 2\);" \
    on 3 --batch-size 8 --max-steps 4 --deterministic
check "nothing was changed" test "$before" = "$(cd "$tmp/run" && sha256sum *)"
check "more ranks with the same global batch go on" on 4 --batch-size 4 --max-steps 3
check "and what is no part of the trajectory may change" usual --keep 3 --checkpoint-steps 1 --loader-threads 2 --parity-steps 1 --threads 2
usual --max-steps 5 --seed 7 --learning-rate 0.05 --force > "$tmp/forced" 2>&1
check "--force goes on" test $? -eq 0
check "and tells what differs" says "going on by --force: .*with --seed 1, not 7; --learning-rate 0.1, not 0.05$" "$tmp/forced"
check "from then on it is the run's own" usual --max-steps 6 --seed 7 --learning-rate 0.05

# --slices promises the same bits. Another convolution algorithm, number of threads or tower rounds differently.
if ./cifar10_mpi bench --batch-size 2 --bench-steps 1 | grep -q "onednn tower"; then
    sliced() { on 1 --train-dir "$tmp/sliced" --slices 2 --batch-size 8 --tower onednn "$@"; }
    check "a run with slices" sliced --max-steps 1
    refused "another way of convolutions" "with --conv conv2=winograd, not direct:" sliced --max-steps 2 --conv direct
    refused "another number of threads" "with --threads 1, not 2:" sliced --max-steps 2 --threads 2
    check "on another tower it goes on" sliced --max-steps 2 --tower openblas --conv direct --threads 2
else
    skip "another way of convolutions" "there is no onednn tower here"
fi

# Data with another number of classes, in a file whose name must be quoted.
mkdir "$tmp/own"
tar -xf tests/data/cifar10-sample.tar.xz -C "$tmp/own" --wildcards "*/[cd][ao][tg]/[0-9]*00.jpg"
check "data of two classes" ./cifar10_mpi pack --from "$tmp/own" "$tmp/two classes.h5"
two() { timeout 60 ./cifar10_mpi train --tower openblas --train-dir "$tmp/two" --batch-size 8 "$@"; }
check "a run on them" two --data "$tmp/two classes.h5" --max-steps 1
refused "other classes" "the images, labels and classes of .*: to go on, train with --data '$tmp/two classes.h5'; for a new run" \
    two --data "$data" --max-steps 2
refused "which --force cannot go on with" "is of model tutorial for 3 channels and 2 classes .*, not .* 10 classes" \
    two --data "$data" --max-steps 2 --force

# --resume FILE in a directory with a newer checkpoint that is damaged.
mkdir "$tmp/torn"
cp "$tmp/run/checkpoint-00000006.h5" "$tmp/torn"
head -c 3000000 "$tmp/torn/checkpoint-00000006.h5" > "$tmp/torn/checkpoint-00000008.h5"
echo text > "$tmp/torn/checkpoint-00000009.h5"
again() { usual --seed 7 --learning-rate 0.05 --train-dir "$tmp/torn" --resume "$@"; }
again "$tmp/torn/checkpoint-00000006.h5" --max-steps 7 > "$tmp/given" 2>&1
check "--resume FILE, the newest that is whole" test $? -eq 0
check "the others are named" says "skipping a damaged checkpoint: .*/checkpoint-00000009.h5: is not an HDF5 file; checkpoint-00000008.h5: .*truncated" "$tmp/given"
again auto --max-steps 10 > "$tmp/auto" 2>&1
check "--resume auto goes on from there" says "continues .*checkpoint-00000007.h5, step 7 of 10" <(unwrapped "$tmp/auto")
check "and names them too" says "skipping a damaged checkpoint: .*00000009.h5: .*00000008.h5: " "$tmp/auto"
cp "$tmp/torn/checkpoint-00000010.h5" "$tmp/copy.h5"
for torn in "$tmp"/torn/*.h5; do echo text > "$torn"; done
refused "where all are torn" "no checkpoint there is whole" again auto --max-steps 11
check "a copy from elsewhere goes on" again "$tmp/copy.h5" --max-steps 11
finish
