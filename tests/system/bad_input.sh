#!/bin/bash
# What a user can get wrong, under mpirun with 3 ranks: one sentence, exit code 1 or 2, no hang, nothing lost.
# time limit: 400 s
. tests/lib.sh
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
run() { timeout 60 mpirun -np 3 ./cifar10_mpi "$@"; }
train() { run train --data "$data" --train-dir "$tmp/run" --batch-size 8 --max-steps 4 "$@"; }
with_data() { run train --data "$1" --train-dir "$tmp/other" --batch-size 8 --max-steps 4; }

check "a run to keep" train
kept=$(sha256sum "$tmp/run/checkpoint-00000004.h5")

refused "no data file" "missing.h5" with_data "$tmp/missing.h5"
refused "a directory as data file" "$tmp" with_data "$tmp"
echo "this is a text" > "$tmp/text.h5"
refused "a file that is not HDF5" "text.h5.*HDF5" with_data "$tmp/text.h5"
: > "$tmp/empty.h5"
refused "an empty file" "empty.h5" with_data "$tmp/empty.h5"
head -c 1000000 "$data" > "$tmp/short.h5"
refused "a truncated file" "short.h5.*truncated" with_data "$tmp/short.h5"
refused "a checkpoint as data file" "checkpoint-00000004.h5" with_data "$tmp/run/checkpoint-00000004.h5"
refused "a data file as checkpoint" "small.h5" train --resume "$data"

# Files that are nearly right, by another HDF5 writer.
/usr/bin/python3 - "$data" "$tmp" <<'EOF'
import shutil, sys
import h5py, numpy as np
source, directory = sys.argv[1:]
def variant(name, change):
    path = f"{directory}/{name}.h5"
    shutil.copy(source, path)
    with h5py.File(path, "r+") as f:
        change(f)
def replace(f, name, data):
    del f[name]
    f[name] = data
variant("no_images", lambda f: f.__delitem__("train/images"))
variant("wrong_type", lambda f: replace(f, "train/images", np.zeros((1000, 32, 32, 3), "f4")))
variant("wrong_rank", lambda f: replace(f, "train/images", np.zeros((1000, 3072), "u1")))
variant("wrong_count", lambda f: replace(f, "train/labels", np.zeros(999, "u1")))
variant("empty_split", lambda f: (replace(f, "train/images", np.zeros((0, 32, 32, 3), "u1")), replace(f, "train/labels", np.zeros(0, "u1"))))
variant("wrong_channels", lambda f: replace(f, "train/images", np.zeros((1000, 32, 32, 7), "u1")))
variant("small_images", lambda f: replace(f, "train/images", np.zeros((1000, 16, 16, 3), "u1")))
def label(f):
    f["train/labels"][777] = 10
variant("wrong_label", label)
EOF
refused "no images in the file" "no_images.h5" with_data "$tmp/no_images.h5"
refused "images of the wrong type" "wrong_type.h5" with_data "$tmp/wrong_type.h5"
refused "images of the wrong rank" "wrong_rank.h5" with_data "$tmp/wrong_rank.h5"
refused "fewer labels than images" "wrong_count.h5" with_data "$tmp/wrong_count.h5"
refused "an empty split" "empty_split.h5" with_data "$tmp/empty_split.h5"
refused "seven channels" "wrong_channels.h5" with_data "$tmp/wrong_channels.h5"
refused "images smaller than the crop" "small_images.h5" with_data "$tmp/small_images.h5"
refused "a label that is no class" "wrong_label.h5.*777" with_data "$tmp/wrong_label.h5"

refused "train-dir below a file" "text.h5" run train --data "$data" --train-dir "$tmp/text.h5/run" --max-steps 1
refused "train-dir in /proc" "/proc" run train --data "$data" --train-dir /proc/run --max-steps 1
refused "a batch that no memory holds" "memory" run train --data "$data" --train-dir "$tmp/other" --batch-size 65536000 --max-steps 1
refused "batch 0" "batch-size" train --batch-size 0
refused "a negative batch" "batch-size" train --batch-size -4
refused "no steps" "max-steps" train --max-steps 0
refused "a rate that is no number" "learning-rate" train --learning-rate fast
refused "slices that do not fit" "slices 4" train --slices 4
refused "cudnn where it is not built" "cudnn" train --tower cudnn
refused "an unknown tower" "tower" train --tower abacus
refused "an unknown model" "model" train --model other
refused "an unknown flag" "frobnicate" train --frobnicate
refused "an unknown command" "tarin" run tarin
refused "--resume never on a run" "holds a run" train --resume never
refused "another seed on a run" "seed" train --seed 2 --max-steps 8
refused "a file to resume that is not there" "nothing.h5" train --resume "$tmp/nothing.h5"

/usr/bin/python3 - "$tmp" <<'EOF'
import shutil, sys
import h5py
path = f"{sys.argv[1]}/other_model.h5"
shutil.copy(f"{sys.argv[1]}/run/checkpoint-00000004.h5", path)
with h5py.File(path, "r+") as f:
    f.attrs["model"] = "some_other_net"
EOF
refused "a checkpoint of another model" "some_other_net" run train --data "$data" --train-dir "$tmp/other" --batch-size 8 --max-steps 8 --resume "$tmp/other_model.h5"

# The newest checkpoint torn: it is named and the one before it is used.
mkdir "$tmp/torn"
cp "$tmp/run/checkpoint-00000004.h5" "$tmp/torn/"
head -c 2000000 "$tmp/run/checkpoint-00000004.h5" > "$tmp/torn/checkpoint-00000009.h5"
output=$(run train --data "$data" --train-dir "$tmp/torn" --batch-size 8 --max-steps 6 2>&1)
rc=$?
[ $rc -eq 0 ] && [[ $output == *"passing by"*"checkpoint-00000009.h5"* && $output == *"continues"*"checkpoint-00000004.h5"* ]] &&
    ok "a torn newest checkpoint is named and passed by" || not_ok "a torn newest checkpoint is named and passed by" "$rc: $output"

# A small disk that fills up.
mkdir "$tmp/disk"
if mount -t tmpfs -o size=12m none "$tmp/disk" 2> /dev/null; then
    cleanup() { umount "$tmp/disk"; }
    check "a first checkpoint fits the small disk" run train --data "$data" --train-dir "$tmp/disk/run" --batch-size 8 --max-steps 2
    first=$(sha256sum "$tmp/disk/run/checkpoint-00000002.h5")
    refused "a full disk is said once at the end of training" "checkpoint-00000004.h5|No space left" run train --data "$data" --train-dir "$tmp/disk/run" --batch-size 8 --max-steps 4
    [ "$first" = "$(sha256sum "$tmp/disk/run/checkpoint-00000002.h5")" ] && ok "the checkpoint before is as it was" || not_ok "the checkpoint before is as it was"
    [ "$(ls -A "$tmp/disk/run" | grep -c checkpoint)" = 1 ] && ok "nothing half-made stays" || not_ok "nothing half-made stays" "$(ls -lA "$tmp/disk/run")"
else
    skip "a full disk while checkpointing" "mounting is not permitted here"
fi
[ "$kept" = "$(sha256sum "$tmp/run/checkpoint-00000004.h5")" ] && ok "the first run's checkpoint is as it was" || not_ok "the first run's checkpoint is as it was"
finish
