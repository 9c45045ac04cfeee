#!/bin/bash
# Packing: every kind of source, compared with the results of numpy and PIL; downloads, bad sources, a full disk, memory.
# time limit: 300 s
. tests/lib.sh
export LC_ALL=C.UTF-8 no_proxy='*' TERM=dumb # UTF-8, so that tar and Python do not change names
python() { /usr/bin/python3 tests/system/user/pack_check.py "$@"; }
pack() { timeout 100 ./cifar10_mpi pack "$@"; }
md5() { md5sum < "$1" | cut -d' ' -f1; }
cleanup() { exec 5>&-; } # the web server ends when its input does

if ! why=$(/usr/bin/python3 -c 'import h5py, numpy, PIL' 2>&1); then
    skip "packing" "${why##*$'\n'}"; finish; exit
fi
python make "$tmp" || { not_ok "sources to pack"; finish; exit; }
bin=$tmp/cifar/cifar-10-batches-bin pictures=$tmp/pictures a=$tmp/a.h5
batches=("$bin"/data_batch_{1,2}.bin "$bin/test_batch.bin")

# ---- CIFAR-10's binary files
check "a directory of binary files" pack --from "$bin" "$tmp/quite/new/b.h5"
check "reads as numpy reads the files" python binary "$tmp/quite/new/b.h5" "$bin" "${batches[@]}"
check "the directory above it" pack --from "$tmp/cifar" "$a"
check "gives the same file" cmp "$a" "$tmp/quite/new/b.h5"
tar -C "$tmp/cifar" -czf "$tmp/cifar.tar.gz" cifar-10-batches-bin/{data_batch_2.bin,batches.meta.txt,test_batch.bin,data_batch_1.bin}
check "its tar.gz" pack --from "$tmp/cifar.tar.gz" "$a"
check "reads the same" python binary "$a" "$bin" "$tmp/cifar.tar.gz"
tar -C "$bin" -cf "$tmp/flat.tar" ./data_batch_1.bin ./data_batch_2.bin ./test_batch.bin ./batches.meta.txt
check "a plain tar without a top folder" grep -x "CIFAR-10's data_batch_5.bin is missing" <(pack --from "$tmp/flat.tar" "$a" 2>&1)
check "reads the same too" python binary "$a" "$bin" "$tmp/flat.tar"

# ---- folders of images
check "a directory of images" pack --from "$pictures" "$a"
check "reads as PIL reads them" python images "$a" "$pictures" "$pictures" 32
tar -C "$tmp" -cJf "$tmp/pictures.tar.xz" --sort=name pictures
check "their tar.xz, with a top folder" pack --from "$tmp/pictures.tar.xz" --image-size 32 "$a"
tar -C "$pictures" -cf "$tmp/pictures.tar" --format=pax train test
check "and a plain tar without one, squashed to another size" pack --from "$tmp/pictures.tar" --image-size 48 --resize squash "$tmp/48.h5"
check "the first reads the same" python images "$a" "$tmp" "$tmp/pictures.tar.xz" 32 archive
check "the second reads as PIL resizes" python images "$tmp/48.h5" "$pictures" "$tmp/pictures.tar" 48 archive squash
pack --from "$pictures" "$a" > "$tmp/out" 2> "$tmp/said"
check "says once what was resized" test "$(grep -c '^Resized to 32x32: 3 images; 3 were not square and were cropped to the centre$' "$tmp/said")" -eq 1
check "says what was left out" grep -A1 '^Left out, not JPEG or PNG images in a class folder of a split: 1$' "$tmp/said"
check "one line says what was packed" grep -qxE \
    "Packed pictures: 310 training and 3 test images of 32x32x3, 3 classes, into $a \([0-9.]+ MB, [0-9.]+ s\)" "$tmp/out"
check "a table has the images of each class" diff <(sed -n '2,5p' "$tmp/out") <(printf '%s\n' "label training     test  class" \
    "    0        1        1  Zebra" "    1      303        1  owl" "    2        6        1  élan")
check "and a line how labels come" test "$(sed -n '6,$p' "$tmp/out")" = "Labels follow the folders' sorted names; --classes FILE gives another order"
mkdir "$tmp/sample"
tar -xf tests/data/cifar10-sample.tar.xz -C "$tmp/sample" --wildcards '*/*/[0-9]*0.jpg'
check "a tenth of the sample" pack --from "$tmp/sample" "$a"
check "reads as PIL reads it" python images "$a" "$tmp/sample" "$tmp/sample" 32

# ---- downloads
exec 5> >(python serve "$tmp" > "$tmp/port")
for _ in $(seq 100); do [ -s "$tmp/port" ] && break; sleep 0.1; done
web=http://127.0.0.1:$(cat "$tmp/port") right=$(md5 "$tmp/cifar.tar.gz") half=$(($(stat -c %s "$tmp/cifar.tar.gz") / 2))
packed=$tmp/packed
mkdir "$packed"
download() { pack --download --md5 "$right" "$@" "$packed/out.h5"; }
requests() { cat "$tmp/requests" 2> /dev/null; rm -f "$tmp/requests"; }
only_output() { [ "$(ls -A "$packed")" = out.h5 ] || { ls -A "$packed"; return 1; }; }
check "from a file:// URL" download --url "file://$tmp/cifar.tar.gz"
check "reads as numpy reads it" python binary "$packed/out.h5" "$bin" "$tmp/cifar.tar.gz"
check "nothing but the packed file is left" only_output
before=$(sha256sum "$packed/out.h5")
refused "a wrong digest" "has md5 $right instead of 0{32}" pack --download --md5 "$(printf %032d 0)" \
    --url "file://$tmp/cifar.tar.gz" "$packed/out.h5"
refused "not the published digest" "md5 $right instead of c32a1d4ab5d03f1284b67883e8d87530" \
    pack --download --url "file://$tmp/cifar.tar.gz" "$packed/out.h5"
refused "a digest that is none" "md5 '123'" pack --download --md5 123 --url "file://$tmp/cifar.tar.gz" "$packed/out.h5"
refused "an archive that is not there" "404" download --url "$web/whole/missing"
refused "a local file that is not there" "missing" download --url "file://$tmp/missing"
refused "another protocol" "ftp://" download --url "ftp://127.0.0.1/x"
refused "a server that points to local files" "[Pp]rotocol" download --url "$web/local$tmp/cifar.tar.gz"
refused "nobody there" "cannot be downloaded" download --url "http://127.0.0.1:1/x"
check "nothing is left of them, and the output stays" eval 'only_output && [ "$(sha256sum "$packed/out.h5")" = "$before" ]'
check "without a digest" pack --download --md5 none --url "$web/redirect/whole/cifar.tar.gz" "$packed/out.h5"

refused "a transfer that breaks" "cannot be downloaded" download --url "$web/broken/cifar.tar.gz"
check "leaves its part" test "$(stat -c %s "$packed/out.h5.part")" -eq "$half"
requests > /dev/null
check "and is resumed" download --url "$web/ranges/cifar.tar.gz"
check "from where it broke" test "$(requests)" = "GET /ranges/cifar.tar.gz bytes=$half-"
head -c 1000 "$tmp/cifar.tar.gz" > "$packed/out.h5.part"
check "a server that cannot resume begins anew" download --url "$web/whole/cifar.tar.gz"
head -c 1000 /dev/urandom > "$packed/out.h5.part"
check "so does the part of another file" download --url "$web/ranges/cifar.tar.gz"
cat "$tmp/cifar.tar.gz" "$tmp/flat.tar" > "$packed/out.h5.part"
check "and one that is too long" download --url "$web/ranges/cifar.tar.gz"
cp "$tmp/cifar.tar.gz" "$packed/out.h5.part"
requests > /dev/null
check "what is complete is not fetched again" download --url "$web/ranges/cifar.tar.gz"
check "really not" test -z "$(requests)"
check "nothing but the packed file is left of all that" only_output

# A network that loses packets: a virtual cable whose other end does not answer.
deaf='ip link add c0 type veth peer name c1 && ip addr add 10.1.0.1/8 dev c0 && ip link set c0 up && ip link set c1 up &&
    ip neigh add 10.9.9.9 lladdr 00:11:22:33:44:55 dev c0 && ip link set lo up'
if unshare -n bash -c "$deaf" 2> "$tmp/why"; then
    start=$SECONDS
    refused "an unreachable network" "cannot be downloaded" \
        unshare -n bash -c "$deaf; timeout 60 ./cifar10_mpi pack --download --url http://10.9.9.9/x $packed/out.h5"
    check "is given up within 30 seconds ($((SECONDS - start)) s)" test $((SECONDS - start)) -le 30
else
    skip "an unreachable network" "no network of its own can be made here: $(tail -n 1 "$tmp/why")"
fi

echo mine > "$tmp/README.md"
refused "an output that is another file" "README.md: exists and is not a packed data set" pack --from "$tmp/sample" "$tmp/README.md"
check "which stays" test "$(cat "$tmp/README.md")" = mine

# ---- bad sources give one sentence, and the previous output stays
before=$(sha256sum "$packed/out.h5")
bad() { refused "$1" "$2" pack --from "$3" "$packed/out.h5"; }
variant() { rm -rf "$tmp/bad"; cp -r "$1" "$tmp/bad"; } # SOURCE: copies a good source to $tmp/bad, to be spoilt there
bad "no source" "missing: No such file" "$tmp/missing"
mkdir "$tmp/empty"
bad "an empty directory" "empty: holds neither" "$tmp/empty"
variant "$pictures"; cp "$bin/data_batch_1.bin" "$tmp/bad"
bad "a source of two kinds" "binary files and folders of images" "$tmp/bad"
bad "a file that is no archive" "README: cannot be read as an archive" "$pictures/README"
bad "a device" "neither a directory nor an archive" /dev/zero
variant "$bin"; printf '\x0a' | dd of="$tmp/bad/data_batch_2.bin" bs=1 seek=$((299 * 3073)) conv=notrunc status=none
bad "a label above 9" "bad/data_batch_2.bin: record 299 .* label 10" "$tmp/bad"
tar -C "$tmp/bad" -czf "$tmp/bad.tar.gz" .
bad "the same in an archive" "bad.tar.gz: ./data_batch_2.bin: record 299 .* label 10" "$tmp/bad.tar.gz"
variant "$bin"; truncate -s -1 "$tmp/bad/test_batch.bin"
bad "a file that is cut" "test_batch.bin: record 119 .* 3072 of its 3073 bytes" "$tmp/bad"
variant "$bin"; rm "$tmp/bad"/data*
bad "test images only" "bad: holds only test images" "$tmp/bad"
head -c "$half" "$tmp/cifar.tar.gz" > "$tmp/cut.tar.gz"
bad "an archive that is cut" "cut.tar.gz: .*Truncated" "$tmp/cut.tar.gz"
variant "$pictures"; echo "no image" > "$tmp/bad/train/owl/3.jpg"
bad "a text as image" "bad/train/owl/3.jpg: is neither a JPEG nor a PNG" "$tmp/bad"
head -c 500 "$pictures/train/owl/2.jpg" > "$tmp/bad/train/owl/3.jpg"
bad "an image that is cut" "owl/3.jpg: is a JPEG image that cannot be decoded: Premature end" "$tmp/bad"
truncate -s 64M "$tmp/bad/train/owl/3.jpg"
tar -C "$tmp" -czf "$tmp/bad.tar.gz" bad
bad "a huge image" "bad.tar.gz: bad/train/owl/3.jpg: is 64 MiB or larger" "$tmp/bad.tar.gz"
to() { refused "$1" "$2" pack --from "$bin" "$3"; }
to "output in a directory that cannot be made" "new.h5: /proc/no cannot be made: No such file" /proc/no/such/new.h5
to "output where nobody can write" "/proc/" /proc/new.h5
to "output that is a directory" "not a file that can be replaced" "$tmp/empty"
refused "several ranks say it once" "missing: No such file" \
    timeout 60 mpirun -np 3 ./cifar10_mpi pack --from "$tmp/missing" "$packed/out.h5"
check "several ranks pack once" \
    test "$(timeout 60 mpirun -np 3 ./cifar10_mpi pack --from "$bin" "$tmp/ranks.h5" | grep -c '^Packed')" -eq 1
check "after all that the output is as it was" eval 'only_output && [ "$(sha256sum "$packed/out.h5")" = "$before" ]'

mkdir "$tmp/small"
if unshare -m mount -t tmpfs -o size=2m tmpfs "$tmp/small" 2> /dev/null; then
    full="mount -t tmpfs -o size=2m tmpfs $tmp/small && printf '\211HDF before' > $tmp/small/out.h5 &&"
    refused "a full disk" "small/.*No space left" \
        unshare -m bash -c "$full timeout 60 ./cifar10_mpi pack --from $tmp/sample $tmp/small/out.h5"
    check "leaves what was there" unshare -m bash -c "$full ! timeout 60 ./cifar10_mpi pack --from $tmp/sample $tmp/small/out.h5 && [ \$(ls -A $tmp/small) = out.h5 ] && [ \$(tail -c 6 $tmp/small/out.h5) = before ]"
    refused "a disk too full for the download" "small/out.h5.part: cannot be written: No space left" unshare -m bash -c "$full timeout 60 ./cifar10_mpi pack --download --url $web/whole/flat.tar --md5 $(md5 "$tmp/flat.tar") $tmp/small/out.h5"
else
    skip "a full disk" "$(no_mount)"
fi

# ---- memory and terminal
mkdir "$tmp/large"
for batch in data_batch_{1..5} test_batch; do truncate -s $((10000 * 3073)) "$tmp/large/$batch.bin"; done
used=$(python memory ./cifar10_mpi pack --from "$tmp/large" "$tmp/large.h5" | tail -n 1)
check "60,000 images are packed in less than 70 MB of memory (${used:-?} MB)" test "${used:-999}" -lt 70
if terminals; then
    TERM=xterm script -qec "./cifar10_mpi pack --from $tmp/large $tmp/large.h5" /dev/null < /dev/null > "$tmp/typescript" 2>&1
    check "a terminal shows progress" grep -qE 'packing .*[0-9]+/60000 \[[0-9:]+<[0-9:]+, [0-9]+ images/s\]' \
        "$tmp/typescript"
    TERM=xterm script -qec "stty cols 40; ./cifar10_mpi pack --from $tmp/large $tmp/large.h5" /dev/null < /dev/null > "$tmp/typescript" 2>&1
    check "of 40 columns, too" test "$(tr '\r' '\n' < "$tmp/typescript" | sed 's/\x1b.*//' | grep '^packing' | wc -L)" -lt 40
    TERM=dumb script -qec "./cifar10_mpi pack --from $tmp/sample $tmp/large.h5" /dev/null < /dev/null > "$tmp/typescript" 2>&1
    check "on a dumb terminal" grep '^Packed ' "$tmp/typescript"
    check "there is none" test "$(grep -c 'packing' "$tmp/typescript")" -eq 0
else
    skip "progress on a terminal" "$(no_terminal)"
fi

# ---- the real CIFAR-10
if [ -n "${CIFAR10_DIR:-}" ]; then
    real=$CIFAR10_DIR
    [ -d "$real/cifar-10-batches-bin" ] && real=$real/cifar-10-batches-bin
    check "CIFAR-10 itself" pack --from "$CIFAR10_DIR" "$tmp/large.h5"
    check "reads as numpy reads it" python binary "$tmp/large.h5" "$real" \
        "$real"/data_batch_{1..5}.bin "$real/test_batch.bin"
else
    skip "CIFAR-10 itself" "CIFAR10_DIR is not set"
fi
finish
