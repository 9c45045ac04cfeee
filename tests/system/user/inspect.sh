#!/bin/bash
# inspect, and other tools on our files: h5dump reads the labels, and h5py the parameters by name, in TensorFlow's shapes.
# time limit: 200 s
. tests/lib.sh
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
python=/usr/bin/python3
train() { timeout 100 mpirun -np 1 ./cifar10_mpi train --data "$data" --train-dir "$tmp/run" --batch-size 8 --max-steps 3 "$@"; }
checkpoint=$tmp/run/checkpoint-00000003.h5
check "a run of 3 steps" train

# says PATTERN COMMAND...: succeeds if the command does and its output has PATTERN (grep -E).
says() { local pattern=$1; shift; "$@" > "$tmp/out" 2>&1 || return 1; grep -qE -- "$pattern" "$tmp/out" || { cat "$tmp/out"; return 1; }; }

check "a checkpoint is complete and its digest right" says 'checkpoint-00000003.h5: a checkpoint, complete, its digest is right$' \
    ./cifar10_mpi inspect "$checkpoint"
check "its step is told" says '^  step +3$' ./cifar10_mpi inspect "$checkpoint"
check "and how large the images are that it was trained on" says '^  image_width +32$' ./cifar10_mpi inspect "$checkpoint"
check "and how those became square" says '^  resize +crop$' ./cifar10_mpi inspect "$checkpoint"
check "its options are told" says '^  batch-size +8$' ./cifar10_mpi inspect "$checkpoint"
check "its parameters are told" says '^  local3/weights +2304x384 ' ./cifar10_mpi inspect "$checkpoint"
check "a packed file's digests are right" says 'a packed data set, the digests of 4 data sets are right$' \
    ./cifar10_mpi inspect "$data"
check "HDF5_DRIVER changes nothing" env HDF5_DRIVER=family ./cifar10_mpi inspect "$data"
check "its images are told" says '^  images +uint8 +1000x32x32x3$' ./cifar10_mpi inspect "$data"
check "and how they became square" says '^  resize +crop$' ./cifar10_mpi inspect "$data"
check "its classes are told" says '^  class_names +airplane, automobile, bird, ' ./cifar10_mpi inspect "$data"
check "and its images of each class" test "$(./cifar10_mpi inspect "$data" | grep -cE '^ +100 +20  [a-z]+$')" = 10
check "and all" says '^ +1000 +200  all 10 classes$' ./cifar10_mpi inspect "$data"
check "a table of 80 columns" test "$(./cifar10_mpi inspect "$checkpoint" | sed -n '/^\/ema/,$p' | wc -L)" -le 80
check "several ranks tell it once" says '^1$' \
    bash -c 'timeout 60 mpirun -np 3 ./cifar10_mpi inspect "$0" | grep -c "a packed data set"' "$data"

check "h5dump reads a checkpoint's label" says '"cifar10_mpi checkpoint"' h5dump -A "$checkpoint"
check "h5dump reads a packed file's label" says '"airplane", "automobile", "bird"' h5dump -A "$data"

if $python -c 'import h5py' 2> /dev/null; then
    ./cifar10_mpi inspect "$checkpoint" > "$tmp/table"
    cat > "$tmp/read.py" <<'EOF'
import hashlib, sys
import h5py, numpy as np

shapes = {"conv1": ((5, 5, 3, 64), "HWIO"), "conv2": ((5, 5, 64, 64), "HWIO"), "local3": ((2304, 384), ("in", "out")),
          "local4": ((384, 192), ("in", "out")), "softmax_linear": ((192, 10), ("in", "out"))}
def text(value):
    if isinstance(value, bytes): return value.decode()
    if isinstance(value, np.ndarray): return ", ".join(text(v) for v in value)
    return f"{value:.17g}" if isinstance(value, float) else str(value)

f, what = h5py.File(sys.argv[1]), sys.argv[2]
if what == "shapes":
    for group in "params", "ema":
        assert sorted(f[group]) == sorted(shapes), list(f[group])
        for layer, (shape, labels) in shapes.items():
            weights, biases = f[group][layer]["weights"], f[group][layer]["biases"]
            assert weights.shape == shape and weights.dtype == np.float32, weights
            assert biases.shape == shape[-1:] and biases.dtype == np.float32, biases
            assert [d.label for d in weights.dims] == list(labels), [d.label for d in weights.dims]
            assert np.isfinite(weights[()]).all() and weights[()].std() > 0
elif what == "values":  # the values of every data set in inspect's table
    rows, group = {}, ""
    for line in open(sys.argv[3]):
        if line.startswith(("/ema ", "/params ")): group = line.split()[0]
        elif group and line.startswith("  "): rows[f"{group}/{line.split()[0]}"] = line.split()[1:]
    assert len(rows) == 20, len(rows)
    for name, (shape, *told) in rows.items():
        v = f[name][()].astype(np.float64)
        assert shape == "x".join(map(str, v.shape))
        for text, true in zip(told, (v.mean(), v.std(), v.min(), v.max(), np.linalg.norm(v), 100 * (v == 0).mean()), strict=True):
            number = float(text.rstrip("%"))
            assert number in (float(f"{true:.{digits}g}") for digits in (3, 2, 1)) or abs(number - true) < 1e-9, (name, text, true)
elif what == "digest":  # by the recipe in include/store.h
    digest = hashlib.sha256()
    def shortest(value):
        return next(t for t in (f"{value:.{d}g}" for d in range(1, 18)) if float(t) == value)
    def add(name, value): digest.update(f"{name}={value}\n".encode())
    for group in "/", "/provenance":
        for name in sorted(f[group].attrs):
            if name not in ("digest", "complete"):
                value = f[group].attrs[name]
                add(name, shortest(value) if isinstance(value, float) else text(value))
    names = []
    f.visititems(lambda name, item: names.append("/" + name) if isinstance(item, h5py.Dataset) else None)
    for name in sorted(names):
        add(name, "x".join(map(str, f[name].shape)) + " " + hashlib.sha256(f[name][()].tobytes()).hexdigest())
    assert text(f.attrs["digest"]) == digest.hexdigest()
    assert f.attrs["complete"] == 1
EOF
    check "h5py: parameters by name, TensorFlow's shapes" $python "$tmp/read.py" "$checkpoint" shapes
    check "h5py: the values that inspect sums up" $python "$tmp/read.py" "$checkpoint" values "$tmp/table"
    check "h5py: the digest by its recipe" $python "$tmp/read.py" "$checkpoint" digest
    # Two checkpoints, then a picture each.
    check "a longer run" train --train-dir "$tmp/longer" --max-steps 4
    longer=$tmp/longer/checkpoint-00000004.h5
    ./cifar10_mpi inspect --diff "$checkpoint" "$longer" > "$tmp/diff"
    cat > "$tmp/diff.py" <<'EOF'
import re, sys
import h5py, numpy as np
a, b, diff = h5py.File(sys.argv[1]), h5py.File(sys.argv[2]), open(sys.argv[3]).read()
assert re.search(r"^  step +3 -> 4$", diff, re.M) and re.search(r"^  max-steps +3 -> 4$", diff, re.M), diff
assert "batch-size" not in diff and "digest" not in diff
rows = re.findall(r"^  (/\S+) +([\d.]+)% +(\S+) +(\S+) +(\S+)%$", diff, re.M)
different = [n for n, *_ in rows]
every = [f"/{g}/{l}/{w}" for g in ("ema", "params") for l in a["ema"] for w in ("biases", "weights")]
assert different == [n for n in every if (a[n][()] != b[n][()]).any()] and len(different) > 10, different
assert f"  {20 - len(different)} of 20 data sets are equal\n" in diff
for name, *told in rows:
    x, y = (f[name][()].astype(np.float64) for f in (a, b))
    d = y - x
    norm = np.linalg.norm(x)
    for text, true in zip(told, (100 * (d != 0).mean(), abs(d).max(), np.sqrt((d * d).mean()),
                                 100 * np.linalg.norm(d) / norm if norm else np.inf), strict=True):
        assert float(text) == true or abs(float(text) - true) <= 0.006 * abs(true) + 5e-3 * (text == told[0]), (name, text, true)
EOF
    check "--diff tells what numpy computes" $python "$tmp/diff.py" "$checkpoint" "$longer" "$tmp/diff"
    check "a file is equal to itself" test "$(./cifar10_mpi inspect --diff "$data" "$data" | tail -n 1)" = "  4 of 4 data sets are equal"
    refused "--diff of two kinds" "one is a checkpoint" ./cifar10_mpi inspect --diff "$data" "$checkpoint"
    refused "two files without --diff" "inspect --diff $data $checkpoint" ./cifar10_mpi inspect "$data" "$checkpoint"
    refused "--images of a checkpoint" "holds no images; --filters" ./cifar10_mpi inspect "$checkpoint" --images "$tmp/no.png"
    refused "a picture that cannot be written" "none/no.png" ./cifar10_mpi inspect "$data" --images "$tmp/none/no.png"
    if $python -c 'import PIL' 2> /dev/null; then
        check "the first filters" ./cifar10_mpi inspect "$checkpoint" --filters "$tmp/filters.png"
        check "images of each class" ./cifar10_mpi inspect "$data" --images "$tmp/sheet.png"
        cat > "$tmp/pictures.py" <<'EOF'
import sys
import h5py, numpy as np
from PIL import Image
checkpoint, data, tmp = sys.argv[1:]
w = h5py.File(checkpoint)["ema/conv1/weights"][()].astype(np.float64)
picture = np.asarray(Image.open(f"{tmp}/filters.png"))
assert picture.shape == (338, 338, 3), picture.shape
wanted = 127.5 + 127.5 * w / abs(w).max()
for i in range(64):
    top, left = 2 + i // 8 * 42, 2 + i % 8 * 42
    cell = picture[top:top + 40, left:left + 40].reshape(5, 8, 5, 8, 3)
    assert (cell == cell[:, :1, :, :1]).all() and abs(cell[:, 0, :, 0] - wanted[..., i]).max() < 0.51, i
f = h5py.File(data)
images, labels = f["train/images"][()], f["train/labels"][()]
picture = np.asarray(Image.open(f"{tmp}/sheet.png"))
assert picture.shape == (10 * 66, 124 + 12 * 66, 3), picture.shape
for c in range(10):
    of_class = images[labels == c]
    for i in range(12):
        cell = picture[c * 66:c * 66 + 64, 124 + i * 66:188 + i * 66]
        assert (cell == of_class[len(of_class) * i // 12].repeat(2, 0).repeat(2, 1)).all(), (c, i)
    name, words = f.attrs["class_names"][c], picture[c * 66 + 2:c * 66 + 28, :124, 0]  # the name, and "100" below it
    assert set(np.unique(words)) == {0, 255} and (words[:13, 2 + 6 * len(name):] == 255).all() and (words[13:, 20:] == 255).all()
    assert all((words[:13, 2 + 6 * k:8 + 6 * k] == 0).any() for k in range(len(name))), name
EOF
        check "both are as PIL and numpy draw them" $python "$tmp/pictures.py" "$checkpoint" "$data" "$tmp"
    else
        skip "pictures" "python3 with PIL is missing"
    fi
    cat > "$tmp/anew.py" <<'EOF'
import h5py, sys

def labels(old, new):
    for name in old.attrs:
        if name != "DIMENSION_LABELS": # these texts are of variable length
            new.attrs.create(name, old.attrs[name], dtype=old.attrs.get_id(name).dtype)

def write(name, item):
    if isinstance(item, h5py.Dataset): g.create_dataset(name, data=item[()], chunks=item.chunks, maxshape=item.maxshape, fletcher32=True)
    labels(item, g.require_group(name) if isinstance(item, h5py.Group) else g[name])

with h5py.File(sys.argv[1]) as f, h5py.File(sys.argv[2], "w", libver=("v110", "v110")) as g:
    labels(f, g)
    f.visititems(write)
EOF
    for file in "$checkpoint" "$data"; do
        check "h5py writes $(basename "$file") anew" $python "$tmp/anew.py" "$file" "$tmp/anew-$(basename "$file")"
    done
    check "the checkpoint's digest is still right" says 'a checkpoint, complete, its digest is right$' \
        ./cifar10_mpi inspect "$tmp/anew-$(basename "$checkpoint")"
    check "and those of the packed file" says 'the digests of 4 data sets are right$' ./cifar10_mpi inspect "$tmp/anew-$(basename "$data")"
    cp "$checkpoint" "$tmp/changed.h5"
    $python -c 'import h5py, sys; h5py.File(sys.argv[1], "r+")["params/conv1/biases"][7] = 0.5' "$tmp/changed.h5"
    refused "a parameter that was changed" "changed.h5: is damaged: its digest" ./cifar10_mpi inspect "$tmp/changed.h5"
    cp "$checkpoint" "$tmp/torn.h5"
    $python -c 'import h5py, sys; del h5py.File(sys.argv[1], "r+").attrs["complete"]' "$tmp/torn.h5"
    refused "a checkpoint without its last word" "torn.h5: .*not written to its end" \
        ./cifar10_mpi inspect "$tmp/torn.h5"
    cp "$data" "$tmp/pixel.h5"
    $python -c 'import h5py, sys; d = h5py.File(sys.argv[1], "r+")["test/images"]; d[5, 0, 0, 0] ^= 1' "$tmp/pixel.h5"
    refused "a pixel that was changed" "pixel.h5: /test/images: is damaged" ./cifar10_mpi inspect "$tmp/pixel.h5"
    $python -c 'import h5py, sys; h5py.File(sys.argv[1], "w", libver="latest")["x"] = [1.0]' "$tmp/foreign.h5"
    refused "a foreign HDF5 file" "foreign.h5: .*neither" ./cifar10_mpi inspect "$tmp/foreign.h5"
else
    skip "what h5py reads" "python3-h5py is not installed"
fi
head -c 3000000 "$checkpoint" > "$tmp/short.h5"
refused "a truncated file" "short.h5: .*truncated" ./cifar10_mpi inspect "$tmp/short.h5"
refused "no file" "absent.h5: No such file" ./cifar10_mpi inspect "$tmp/absent.h5"
refused "no HDF5 file" "lib.sh: is not an HDF5 file" ./cifar10_mpi inspect tests/lib.sh
finish
