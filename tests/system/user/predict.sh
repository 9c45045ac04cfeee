#!/bin/bash
# predict classifies image files as eval classifies the same images in a packed file.
# time limit: 300 s
. tests/lib.sh
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
check "a checkpoint" timeout 200 mpirun -np 2 ./cifar10_mpi train --data "$data" --train-dir "$tmp/run" \
    --batch-size 32 --max-steps 40
checkpoint=$tmp/run/checkpoint-00000040.h5
tar -xf tests/data/cifar10-sample.tar.xz -C "$tmp" --wildcards 'test/*/[0-9]*0.jpg'
predict() { ./cifar10_mpi predict --checkpoint "$checkpoint" "$@"; }

right() { # FLAG...: prints the number of images whose folder is the class that predict names first
    predict "$@" "$tmp"/test/*/*.jpg | awk -F: 'NR > 1 { n = split($1, part, "/"); split($2, word, " "); right += part[n - 1] == word[1] } END { print right, NR - 1 }'
}
counted() { # FLAG...
    mpirun -np 1 ./cifar10_mpi eval --data "$data" --checkpoint "$checkpoint" --run-once "$@" |
        sed -n 's/.*precision @ 1 = .*: \([0-9]*\) of \([0-9]*\)).*/\1 \2/p'
}
for flag in "" --no-ema; do
    got=$(right $flag) expected=$(counted $flag)
    if [ -n "$expected" ] && [ "$got" = "$expected" ]; then ok "as many right as eval counts ${flag:-with EMA}: $got"
    else not_ok "as many right as eval counts ${flag:-with EMA}" "$got, not $expected"; fi
done
check "it says that it used EMA parameters" grep -q 'step 40, EMA parameters' <(predict "$tmp"/test/cat/0000.jpg)
check "and raw ones with --no-ema" grep -q 'step 40, raw parameters' <(predict --no-ema "$tmp"/test/cat/0000.jpg)
check "five classes with five decimals, falling probabilities, at most 1 together" awk -F '[ ,]+' '
    { exit !(NF == 11 && $3 >= $5 && $5 >= $7 && $7 >= $9 && $9 >= $11 && $3 + $5 + $7 + $9 + $11 <= 1.000025 && length($3) == 7) }' <(predict "$tmp"/test/cat/0000.jpg | tail -n 1)
check "the help calls it softmax, the tutorial's exercise" grep -q softmax <(./cifar10_mpi predict --help)
check "the newest checkpoint of --checkpoint-dir" grep -q 'checkpoint-00000040.h5' \
    <(./cifar10_mpi predict --checkpoint-dir "$tmp/run" "$tmp"/test/cat/0000.jpg)

# Other file formats, which other libraries make from a test image: the same pixels give the same answer.
/usr/bin/python3 - "$data" "$tmp" 2> "$tmp/why" <<'END' || skip "other kinds of images" "$(tail -n 1 "$tmp/why")"
import sys
import h5py, numpy as np
from PIL import Image, ImageOps
data, directory = sys.argv[1:]
pixels = h5py.File(data)["test/images"][7]
image = Image.fromarray(pixels)
image.save(f"{directory}/same.png")
large = image.resize((75, 64), Image.BICUBIC)
large.save(f"{directory}/large.png")
ImageOps.fit(large, (32, 32), Image.BILINEAR).save(f"{directory}/resized.png")
Image.merge("RGBA", (*image.split(), Image.new("L", image.size, 255))).save(f"{directory}/alpha.png")
image.convert("L").save(f"{directory}/grey.png")
image.convert("L").save(f"{directory}/grey.jpg")
image.convert("P").save(f"{directory}/palette.png")
Image.fromarray(np.repeat(np.repeat(pixels, 9, 0), 3, 1)).save(f"{directory}/tall.jpg", quality=95)
END
if [ -s "$tmp/same.png" ]; then
    answer() { predict "$tmp/$1" | tail -n 1 | sed 's/^[^:]*: //'; }
    expected=$(answer same.png)
    [ "$(answer alpha.png)" = "$expected" ] && ok "alpha.png is told like same.png" || not_ok "alpha.png is told like same.png" "$(answer alpha.png), not $expected"
    # PIL rounds between its two passes, so a pixel may differ by one.
    near() { paste -d ' ' <(answer large.png) <(answer resized.png) | awk -F '[ ,]+' '{ print; d = $2 - $12; exit !($1 == $11 && d * d < 0.01 * 0.01) }'; }
    check "a large image is told like the one that PIL resized" near
    for file in grey.png grey.jpg palette.png tall.jpg; do check "$file is told" predict "$tmp/$file"; done
fi

# 500 test images as PNG files, their list on standard input, on 3 ranks: the classes and probabilities of eval --predictions, image
# by image, and as many labels among the five likeliest classes as its precision @ 5 counts.
if [ -s "$tmp/same.png" ]; then
    sample=$(sample_data)
    mkdir "$tmp/five_hundred"
    /usr/bin/python3 -c '
import sys, h5py
from PIL import Image
for i, pixels in enumerate(h5py.File(sys.argv[1])["test/images"][:500]):
    print(name := f"{sys.argv[2]}/{i:03}.png")
    Image.fromarray(pixels).save(name)' "$sample" "$tmp/five_hundred" > "$tmp/list"
    mpirun -np 2 ./cifar10_mpi eval --data "$sample" --checkpoint "$checkpoint" --num-examples 500 --batch-size 60 \
        --predictions "$tmp/rows.csv" > "$tmp/eval.log"
    { cat "$tmp/list"; echo; echo "$tmp/none.png"; } |
        mpirun -np 3 ./cifar10_mpi predict --checkpoint "$checkpoint" --json "$tmp/same.png" - "$tmp/grey.png" > "$tmp/told.json" 2> "$tmp/said"
    check "of which one that is not there fails" test $? = 1
    as_eval() {
        /usr/bin/python3 - "$tmp" "$sample" << 'END'
import csv, json, re, sys
import h5py
tmp = sys.argv[1]
rows = list(csv.DictReader(open(f"{tmp}/rows.csv")))
told = [json.loads(line) for line in open(f"{tmp}/told.json")]
files = [f"{tmp}/same.png", *open(f"{tmp}/list").read().split(), f"{tmp}/none.png", f"{tmp}/grey.png"]
assert [t["file"] for t in told] == files, [t["file"] for t in told]
assert "No such file" in told[-2]["error"] and "classes" not in told[-2] and len(told[-1]["classes"]) == 5
with h5py.File(sys.argv[2]) as f:
    names = [n if isinstance(n, str) else n.decode() for n in f.attrs["class_names"]]
    labels = [names[i] for i in f["test/labels"][:500]]
assert len(rows) == 500 and {t["step"] for t in told[1:501]} == {40} and {t["parameters"] for t in told[1:501]} == {"EMA"}
for i, (row, t) in enumerate(zip(rows, told[1:501])):
    best = t["classes"][0]
    assert row["image"] == str(i) and row["label"] == labels[i], row
    assert best["name"] == row["prediction"] and abs(best["probability"] - float(row["probability"])) < 2e-5, (row, best)
in_five = sum(label in [c["name"] for c in t["classes"]] for label, t in zip(labels, told[1:501]))
assert f"({in_five} of 500)" in re.search("precision @ 5 = .*", open(f"{tmp}/eval.log").read())[0], in_five
END
    }
    check "predict --json agrees with eval --predictions on 500 images" as_eval
    check "the failure is printed, too" test "$(grep -c "none.png" "$tmp/said")" = 1
    cp "$tmp/same.png" "$tmp/$(printf 'a"b\\c\377\303\274.png')"
    check "any file name becomes JSON" /usr/bin/python3 -c 'import json, sys; assert json.loads(sys.argv[1])["file"].endswith("/a\"b\\c\ufffd\u00fc.png")' \
        "$(predict --json "$tmp"/a*b*.png)"
fi

# Images of another size and shape: with only the checkpoint to go by, predict resizes them as `pack` did for eval. If the test split is
# a single image, its cross-entropy is -log of the probability of its class.
if [ -s "$tmp/same.png" ]; then
    shapes=$tmp/shapes large=$tmp/large.h5 wide=$tmp/shapes/test/cat/wide.png
    /usr/bin/python3 - "$data" "$shapes" <<'END'
import os, sys
import h5py
from PIL import Image
data, directory = sys.argv[1:]
images = h5py.File(data)["train/images"]
for i in range(40):
    os.makedirs(folder := f"{directory}/train/{('cat', 'dog', 'owl')[i % 3]}", exist_ok=True)
    Image.fromarray(images[i]).resize((70, 64 + i)).save(f"{folder}/{i}.png")
os.makedirs(f"{directory}/test/cat")
Image.fromarray(images[77]).resize((150, 90), Image.BICUBIC).save(f"{directory}/test/cat/wide.png")
END
    pack() { ./cifar10_mpi pack --allow-missing-classes --from "$shapes" "$@"; }
    check "pictures of many shapes, cropped" pack --image-size 64 "$large"
    check "the same squashed" pack --image-size 64 --resize squash "$tmp/squashed.h5"
    train() { timeout 100 ./cifar10_mpi train --data "$large" --train-dir "$tmp/large" --batch-size 8 "$@"; }
    check "a run on 64 x 64" train --max-steps 10
    checkpoint=$tmp/large/checkpoint-00000010.h5
    same_answer() { # DATA FLAG...: predict's probability of cat is the one that eval's cross-entropy implies
        local entropy
        entropy=$(./cifar10_mpi eval --data "$1" --checkpoint "$checkpoint" --run-once | sed -n 's/.*cross-entropy \([0-9.]*\) .*/\1/p')
        predict "${@:2}" "$wide" | awk -v entropy="$entropy" -F '[ ,]+' '
            { print } NR > 1 { for (i = 2; i < NF; i += 2) if ($i == "cat") p = $(i + 1) }
            END { print "eval:", exp(-entropy); d = p - exp(-entropy); exit !(entropy != "" && d * d < 1e-4 * 1e-4) }'
    }
    check "predict crops to 64 x 64, by the checkpoint" same_answer "$large"
    check "and squashes by --resize" same_answer "$tmp/squashed.h5" --resize squash
    check "it says so" grep -q 'images 64 x 64, resize squash' <(predict --resize squash "$wide")
    pack "$tmp/small.h5" 2> /dev/null
    check "and takes 32 x 32 by --image-size" same_answer "$tmp/small.h5" --image-size 32
    eval_small() { ./cifar10_mpi eval --data "$tmp/small.h5" --checkpoint "$checkpoint" --run-once; }
    check "eval says that its images are of another size" grep -q \
        "warning: the checkpoint was trained on images of 64x64, those of $tmp/small.h5 are 32x32" <(eval_small)
    refused "a run does not go on with images of another size" "the images, labels and classes of" \
        train --max-steps 30 --data "$tmp/small.h5"
    # The checkpoint of an older program, without the three attributes.
    /usr/bin/python3 - "$checkpoint" "$tmp/older.h5" <<'END'
import hashlib, shutil, sys
import h5py, numpy as np
shutil.copy(*sys.argv[1:])
file, lines, sets = h5py.File(sys.argv[2], "r+"), [], []
for name in "image_height", "image_width", "resize":
    del file.attrs[name]

def text(value):
    if isinstance(value, float): return next(t for t in (f"{value:.{d}g}" for d in range(1, 18)) if float(t) == value)
    return ", ".join(map(text, value)) if isinstance(value, np.ndarray) else value.decode() if isinstance(value, bytes) else str(value)
for group in "/", "/provenance":
    lines += [f"{name}={text(file[group].attrs[name])}" for name in sorted(file[group].attrs) if name not in ("digest", "complete")]
file.visititems(lambda name, item: sets.append(item) if isinstance(item, h5py.Dataset) else None)
for item in sorted(sets, key=lambda item: item.name):
    lines.append(f"{item.name}={'x'.join(map(str, item.shape))} {hashlib.sha256(item[()].tobytes()).hexdigest()}")
file.attrs.modify("digest", np.bytes_(hashlib.sha256("".join(line + "\n" for line in lines).encode()).hexdigest()))
END
    older() { diff <(./cifar10_mpi predict --checkpoint "$tmp/older.h5" "$wide" | sed 's|older.h5|large/checkpoint-00000010.h5|') \
        <(predict --image-size 32 --resize squash "$wide") && predict --image-size 32 --resize squash "$wide" | grep -q 'images 32 x 32'; }
    check "an older checkpoint counts as trained on 32 x 32, squashed" older
    checkpoint=$tmp/run/checkpoint-00000040.h5
fi

head -c 300 "$tmp/test/cat/0000.jpg" > "$tmp/torn.jpg"
echo "no image" > "$tmp/text.png"
refused "a text is no image" "text.png" predict "$tmp/text.png"
refused "a torn image" "torn.jpg" predict "$tmp/torn.jpg"
refused "a missing image" "none.png" predict "$tmp/none.png"
refused "a directory" "is not a file" predict "$tmp"
refused "a device without end" "/dev/zero is not a file" timeout 20 ./cifar10_mpi predict --checkpoint "$checkpoint" /dev/zero
mkfifo "$tmp/pipe.png"
refused "a pipe" "pipe.png is not a file" timeout 20 ./cifar10_mpi predict --checkpoint "$checkpoint" "$tmp/pipe.png"
refused "a missing checkpoint" "none.h5" ./cifar10_mpi predict --checkpoint "$tmp/none.h5" "$tmp/text.png"
refused "a directory without checkpoints" "no checkpoint in $tmp/empty" \
    ./cifar10_mpi predict --checkpoint-dir "$tmp/empty" "$tmp/text.png"
refused "a packed file as checkpoint" "small.h5" ./cifar10_mpi predict --checkpoint "$data" "$tmp/test/cat/0000.jpg"
refused "images smaller than the crop" "16 x 16 pixels .--image-size. are smaller" predict --image-size 16 "$tmp/test/cat/0000.jpg"
refused "3 ranks say it once" "none.png" mpirun -np 3 ./cifar10_mpi predict --checkpoint "$checkpoint" "$tmp/none.png"
mixed=$(predict "$tmp/torn.jpg" "$tmp/test/cat/0000.jpg" "$tmp/none.png" 2> "$tmp/said")
rc=$?
if [ $rc -eq 1 ] && [[ $mixed == *cat/0000.jpg:* ]] && [ "$(grep -c torn.jpg "$tmp/said")/$(grep -c none.png "$tmp/said")" = 1/1 ]; then
    ok "bad images do not keep the others from being told"
else
    not_ok "bad images do not keep the others from being told" "$rc: $mixed $(cat "$tmp/said")"
fi

# A phone stores a picture as its sensor saw it; an EXIF entry gives the orientation.
turned_pictures() { # makes one picture in all eight orientations, as PNG and as JPEG
    /usr/bin/python3 - "$tmp" <<'END'
import sys
from PIL import Image
upright = Image.open(f"{sys.argv[1]}/test/cat/0000.jpg").resize((128, 96), Image.BICUBIC)
how_stored = [None, 0, 3, 1, 5, 2, 6, 4]  # Pillow's Transpose.* numbers: the inverse of the transformation for EXIF's 1 to 8
for orientation, method in enumerate(how_stored, 1):
    exif = Image.Exif()
    exif[0x112] = orientation
    stored = upright if method is None else upright.transpose(method)
    stored.save(f"{sys.argv[1]}/turned-{orientation}.png", exif=exif)
    stored.save(f"{sys.argv[1]}/turned-{orientation}.jpg", exif=exif, quality=100, subsampling=0)
END
}
classified_alike() { # SUFFIX MOST: all eight get the same class, with probabilities that differ by at most MOST
    predict "$tmp"/turned-?."$1" | awk -F '[ ,]+' -v most="$2" 'NR == 1 { next }
        { print; shown++ } shown == 1 { name = $2; p = $3 } $2 != name || $3 - p > most || p - $3 > most { wrong = 1 }
        END { exit wrong || shown != 8 }'
}
if turned_pictures; then
    check "turned PNG pictures are classified as the upright one" classified_alike png 0
    check "so are JPEG pictures" classified_alike jpg 0.002
else
    skip "turned pictures" "python3 with PIL is missing"
fi
finish
