#!/bin/bash
# A user's mistakes, under mpirun with 3 ranks: each gives one sentence and exit code 1 or 2, never hangs, and loses nothing.
# time limit: 400 s
. tests/lib.sh
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
run() { timeout 60 mpirun -np 3 ./cifar10_mpi "$@"; }
train() { run train --data "$data" --train-dir "$tmp/run" --batch-size 8 --max-steps 4 "$@"; }
with_data() { train --train-dir "$tmp/other" --data "$1"; }
into() { train --train-dir "$@"; } # DIRECTORY OPTION...

check "a run to keep" train
kept() { sha256sum "$data" "$tmp"/run/*; }
kept > "$tmp/kept"

refused "no data file" "missing.h5: there is no such data file .*cifar10_mpi pack --download" \
    with_data "$tmp/missing.h5"
refused "a directory as data file" "$tmp: is a directory" with_data "$tmp"
echo "this is a text" > "$tmp/text.h5"
refused "a file that is not HDF5" "text.h5: is not an HDF5 file" with_data "$tmp/text.h5"
: > "$tmp/empty.h5"
refused "an empty file" "empty.h5: is empty" with_data "$tmp/empty.h5"
head -c 1000000 "$data" > "$tmp/short.h5"
refused "a truncated file" "short.h5: is a damaged or truncated HDF5 file" with_data "$tmp/short.h5"
refused "a checkpoint as data file" "checkpoint-00000004.h5: is a 'cifar10_mpi checkpoint', not" \
    with_data "$tmp/run/checkpoint-00000004.h5"
refused "a data file as checkpoint" "small.h5: is an HDF5 file, but not a checkpoint" train --resume "$data"

# Files that are almost right, written by h5py.
variants() {
    /usr/bin/python3 - "$data" "$tmp" << 'END'
import shutil, sys
import h5py, numpy as np
source, directory = sys.argv[1:]
def variant(name, change):
    path = f"{directory}/{name}.h5"
    shutil.copy(source, path)
    with h5py.File(path, "r+") as f:
        change(f)
def replace(f, name, data):  # and keep the attributes
    attributes = {key: value for key, value in f[name].attrs.items() if not key.isupper()}
    del f[name]
    f[name] = data
    f[name].attrs.update(attributes)
variant("no_images", lambda f: f.__delitem__("train/images"))
variant("wrong_type", lambda f: replace(f, "train/images", np.zeros((1000, 32, 32, 3), "f4")))
variant("wrong_rank", lambda f: replace(f, "train/images", np.zeros((1000, 3072), "u1")))
variant("wrong_count", lambda f: replace(f, "train/labels", np.zeros(999, "u1")))
variant("empty_split", lambda f: (replace(f, "train/images", np.zeros((0, 32, 32, 3), "u1")),
                                  replace(f, "train/labels", np.zeros(0, "u1"))))
variant("wrong_channels", lambda f: replace(f, "train/images", np.zeros((1000, 32, 32, 7), "u1")))
variant("small_images", lambda f: replace(f, "train/images", np.zeros((1000, 16, 16, 3), "u1")))
def label(f):
    f["train/labels"][777] = 10
variant("wrong_label", label)
END
}
check "files that are nearly right" variants
refused "no images in the file" "no_images.h5: data set /train/images cannot be opened" with_data "$tmp/no_images.h5"
refused "images of the wrong type" "wrong_type.h5: /train/images is not uint8 .* another type of 4 dimensions" \
    with_data "$tmp/wrong_type.h5"
refused "images of the wrong rank" "wrong_rank.h5: /train/images is not .* uint8 of 2 dimensions" \
    with_data "$tmp/wrong_rank.h5"
refused "fewer labels than images" "wrong_count.h5: /train has 1000 images, but 999 labels" \
    with_data "$tmp/wrong_count.h5"
refused "an empty split" "empty_split.h5: has no images in /train" with_data "$tmp/empty_split.h5"
refused "seven channels" "wrong_channels.h5: /train/images are 32 x 32 of 7 channels, but" \
    with_data "$tmp/wrong_channels.h5"
refused "images smaller than the crop" "small_images.h5: images of 16x16 are smaller than the 24x24 .* pack --image-size 32" \
    with_data "$tmp/small_images.h5"
refused "a label that is no class" "wrong_label.h5: /train/labels: image 777 has label 10, but" \
    with_data "$tmp/wrong_label.h5"

refused "train-dir that is a file" "--train-dir .*text.h5: is a file: give" into "$tmp/text.h5"
refused "train-dir below a file" "text.h5/run: cannot be read: Not a directory" into "$tmp/text.h5/run"
refused "train-dir in /proc" "--train-dir .*/proc/run cannot be made: " into /proc/run
refused "a batch that no memory holds" "a batch of 65536000: .*memory for [0-9]+ MB" into "$tmp/other" \
    --batch-size 65536000
refused "batch 0" "--batch-size '0' is not a whole number from 1 to" train --batch-size 0
refused "a negative batch" "--batch-size '-4' is not a whole number from 1 to" train --batch-size -4
refused "no steps" "--max-steps '0' is not a whole number from 1 to" train --max-steps 0
refused "a rate that is no number" "--learning-rate 'fast' is not a number" train --learning-rate fast
refused "slices that do not fit" "--slices 4 does not fit 3 ranks" train --slices 4
refused "cudnn where there is no GPU" "--tower cudnn: (there is no module|there is no NVIDIA driver|the driver finds no GPU)" train --tower cudnn
refused "an unknown tower" "--tower 'abacus' is none of auto" train --tower abacus
refused "an unknown model" "--model other: there is no such model .*tutorial" train --model other
refused "an unknown flag" "train has no flag --frobnicate" train --frobnicate
refused "an unknown command" "there is no command 'tarin'" run tarin
refused "--resume never on a run" "run holds a run .*--resume never was asked for: give another --train-dir" train --resume never
refused "another seed on a run" "checkpoint-00000004.h5 was trained with --seed 1, not 2" train --seed 2 --max-steps 8
refused "a file to resume that is not there" "--resume .*nothing.h5: is neither auto nor never, and no checkpoint file: No such file" train --resume "$tmp/nothing.h5"

other_model() {
    /usr/bin/python3 - "$tmp" << 'END'
import shutil, sys
import h5py, numpy as np
path = f"{sys.argv[1]}/other_model.h5"
shutil.copy(f"{sys.argv[1]}/run/checkpoint-00000004.h5", path)
with h5py.File(path, "r+") as f:
    f.attrs["model"] = np.bytes_("some_other_net")
END
}
check "a checkpoint that names another model" other_model
refused "a checkpoint of another model" "other_model.h5: is of model some_other_net .* not of model tutorial" \
    into "$tmp/other" --resume "$tmp/other_model.h5"

# The newest checkpoint is damaged: the run names it and uses the previous one.
mkdir "$tmp/torn"
cp "$tmp/run/checkpoint-00000004.h5" "$tmp/torn/"
head -c 2000000 "$tmp/run/checkpoint-00000004.h5" > "$tmp/torn/checkpoint-00000009.h5"
into "$tmp/torn" --max-steps 6 > "$tmp/torn.log" 2>&1
check "a torn newest checkpoint is skipped" test $? -eq 0
check "and named" grep "^cifar10_mpi: skipping a damaged checkpoint: .*checkpoint-00000009.h5: .*truncated" "$tmp/torn.log"
check "the one before goes on" grep "continues .*checkpoint-00000004.h5" "$tmp/torn.log"

# A small disk that fills up.
mkdir "$tmp/disk"
if mount -t tmpfs -o size=12m none "$tmp/disk" 2> /dev/null; then
    cleanup() { umount "$tmp/disk"; }
    check "a first checkpoint fits the small disk" into "$tmp/disk/run" --max-steps 2
    first=$(sha256sum "$tmp/disk/run/checkpoint-00000002.h5")
    refused "a full disk is said once at the end of training" \
        "checkpoint-00000004.h5.*: cannot be written: No space left" into "$tmp/disk/run"
    check "the checkpoint before is as it was" test "$first" = "$(sha256sum "$tmp/disk/run/checkpoint-00000002.h5")"
    check "nothing half-made stays" \
        test "$(ls -A "$tmp/disk/run" | xargs)" = "checkpoint-00000002.h5 events metrics.csv train.log"
else
    skip "a full disk while checkpointing" "$(no_mount)"
fi
check "the data and the first run are as they were" diff "$tmp/kept" <(kept)
finish
