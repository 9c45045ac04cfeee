#!/bin/bash
# predict tells of image files what eval counts of the same images in a packed file.
# time limit: 300 s
. tests/lib.sh
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
check "a checkpoint" timeout 200 mpirun -np 2 ./cifar10_mpi train --data "$data" --train-dir "$tmp/run" \
    --batch-size 32 --max-steps 40
checkpoint=$tmp/run/checkpoint-00000040.h5
tar -xf tests/data/cifar10-sample.tar.xz -C "$tmp" --wildcards 'test/*/[0-9]*0.jpg'
predict() { ./cifar10_mpi predict --checkpoint "$checkpoint" "$@"; }

right() { # FLAG...: images whose folder is the first class named
    predict "$@" "$tmp"/test/*/*.jpg | awk -F: 'NR > 1 { n = split($1, part, "/"); split($2, word, " "); right += part[n - 1] == word[1] } END { print right, NR - 1 }'
}
counted() { # FLAG...
    mpirun -np 1 ./cifar10_mpi eval --data "$data" --checkpoint "$checkpoint" --run-once "$@" |
        sed -n 's/.*precision @ 1 = .*: \([0-9]*\) of \([0-9]*\) .*/\1 \2/p'
}
for flag in "" --no-ema; do
    got=$(right $flag) expected=$(counted $flag)
    if [ -n "$expected" ] && [ "$got" = "$expected" ]; then ok "as many right as eval counts ${flag:-with EMA}: $got"
    else not_ok "as many right as eval counts ${flag:-with EMA}" "$got, not $expected"; fi
done
check "it says that it used EMA parameters" grep -q 'step 40, EMA parameters' <(predict "$tmp"/test/cat/0000.jpg)
check "and raw ones with --no-ema" grep -q 'step 40, raw parameters' <(predict --no-ema "$tmp"/test/cat/0000.jpg)
check "three classes with five decimals, falling probabilities, at most 1 together" awk -F '[ ,]+' '
    { exit !(NF == 7 && $3 >= $5 && $5 >= $7 && $3 + $5 + $7 <= 1.000015 && length($3) == 7) }' <(predict "$tmp"/test/cat/0000.jpg | tail -n 1)
check "the newest checkpoint of --checkpoint-dir" grep -q 'checkpoint-00000040.h5' \
    <(./cifar10_mpi predict --checkpoint-dir "$tmp/run" "$tmp"/test/cat/0000.jpg)

# Other kinds of files, made from a test image by other libraries: what has the same pixels gets the same answer.
/usr/bin/python3 - "$data" "$tmp" <<'END' || skip "other kinds of images" "python3 with h5py and PIL is missing"
import sys
import h5py, numpy as np
from PIL import Image
data, directory = sys.argv[1:]
pixels = h5py.File(data)["test/images"][7]
image = Image.fromarray(pixels)
image.save(f"{directory}/same.png")
large = image.resize((75, 64), Image.BICUBIC)
large.save(f"{directory}/large.png")
large.resize((32, 32), Image.BILINEAR).save(f"{directory}/resized.png")
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
    near() { paste -d ' ' <(answer large.png) <(answer resized.png) | awk -F '[ ,]+' '{ print; d = $2 - $8; exit !($1 == $7 && d * d < 0.01 * 0.01) }'; }
    check "a large image is told like the one that PIL resized" near
    for file in grey.png grey.jpg palette.png tall.jpg; do check "$file is told" predict "$tmp/$file"; done
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
refused "images smaller than the crop" "--image-size 16" predict --image-size 16 "$tmp/test/cat/0000.jpg"
refused "3 ranks say it once" "none.png" mpirun -np 3 ./cifar10_mpi predict --checkpoint "$checkpoint" "$tmp/none.png"
mixed=$(predict "$tmp/torn.jpg" "$tmp/test/cat/0000.jpg" "$tmp/none.png" 2> "$tmp/said")
rc=$?
if [ $rc -eq 1 ] && [[ $mixed == *cat/0000.jpg:* ]] && [ "$(grep -c torn.jpg "$tmp/said")/$(grep -c none.png "$tmp/said")" = 1/1 ]; then
    ok "bad images do not keep the others from being told"
else
    not_ok "bad images do not keep the others from being told" "$rc: $mixed $(cat "$tmp/said")"
fi
finish
