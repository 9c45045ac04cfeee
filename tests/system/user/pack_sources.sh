#!/bin/bash
# Packing unusual sources: archives in any order, links, folders without search permission.
# time limit: 200 s
. tests/lib.sh
export LC_ALL=C.UTF-8 no_proxy='*' TERM=dumb
pack() { timeout 60 ./cifar10_mpi pack "$@"; }
batch() { # FILE LABEL COUNT: writes records with that label and pixels that depend on it
    local record=$tmp/record
    { printf '%b' "\\x0$2"; head -c 3072 /dev/zero | tr '\0' "$2"; } > "$record"
    for _ in $(seq "$3"); do cat "$record"; done > "$1"
}
digest() { h5dump -a "/$2/sha256" "$1" | grep -o '"[0-9a-f]*"'; } # FILE train/images
same_data() { # FILE FILE: succeeds if their four data sets are equal
    for set in {train,test}/{images,labels}; do
        [ "$(digest "$1" $set)" = "$(digest "$2" $set)" ] || { echo "$set differs"; return 1; }
    done
    h5diff "$1" "$2" /train && h5diff "$1" "$2" /test
}
command -v h5dump > /dev/null || { skip "packing odd sources" "there is no h5dump (Debian: hdf5-tools)"; finish; exit; }

# ---- the archive's order does not matter
bin=$tmp/bin dir=$tmp/dir.h5 other=$tmp/other.h5
mkdir "$bin"
for n in 1 2 3; do batch "$bin/data_batch_$n.bin" $n $((130 * n)); done
batch "$bin/test_batch.bin" 4 70
pack --from "$bin" "$dir" > /dev/null
for order in "1 3 2" "3 2 1"; do
    members=(test_batch.bin)
    for n in $order; do members+=("data_batch_$n.bin"); done
    tar -C "$bin" -czf "$tmp/bin.tar.gz" "${members[@]}"
    pack --from "$tmp/bin.tar.gz" "$other" > /dev/null
    check "an archive in the order ${order// /, } gives the directory's data set" same_data "$dir" "$other"
done
data_digest() { h5dump -d "/$2" -b LE -o "$tmp/raw" "$1" > /dev/null && sha256sum < "$tmp/raw" | cut -d' ' -f1; }
check "whose digest is that of the images" test "\"$(data_digest "$other" train/images)\"" = "$(digest "$other" train/images)"

# ---- nothing is left out silently
pictures=$tmp/pictures
mkdir "$pictures"
tar -xf tests/data/cifar10-sample.tar.xz -C "$pictures" --wildcards '*/000[0-3].jpg'
says() { # LINE ARGUMENT...: packs to $other; succeeds if that prints such a line (grep -Ex)
    pack "${@:2}" "$other" > "$tmp/said" 2>&1 && grep -Exe "$1" "$tmp/said" || { cat "$tmp/said"; return 1; }
}
odd() { rm -rf "$tmp/odd" "$tmp/odd.tar"; cp -r "$pictures" "$tmp/odd"; } # makes a source that may be changed
odd; ln "$tmp/odd/train/cat/0000.jpg" "$tmp/odd/train/cat/copy.jpg"; tar -C "$tmp/odd" -cf "$tmp/odd.tar" train
refused "a hard link in an archive" "odd.tar: train/cat/.*jpg: is a link without content" pack --from "$tmp/odd.tar" "$other"
odd; ln -s 0000.jpg "$tmp/odd/train/cat/copy.jpg"; tar -C "$tmp/odd" -cf "$tmp/odd.tar" train
refused "a symbolic link in an archive" "odd.tar: train/cat/copy.jpg: is a link without content" pack --from "$tmp/odd.tar" "$other"
check "in a directory it is the image that it points to" pack --from "$tmp/odd" "$other"
check "as it is where tar followed it" eval 'tar -C "$tmp/odd" -chf "$tmp/odd.tar" --hard-dereference --sort=name train test && pack --from "$tmp/odd.tar" "$tmp/again.h5" && same_data "$other" "$tmp/again.h5"'
odd; mkdir "$tmp/odd/train/cat/more"; cp "$tmp/odd/train/cat/0000.jpg" "$tmp/odd/train/cat/more"
tar -C "$tmp/odd" -cf "$tmp/odd.tar" train
check "images deeper in a class folder belong to it" says "    3        5        4  cat" --from "$tmp/odd"
check "those of an archive too" says "    3        5        0  cat" --from "$tmp/odd.tar"
odd; chmod a-x "$tmp/odd/train/cat"
mortal=() # a command prefix: root may search any folder, so it must give up these rights
[ "$(id -u)" -ne 0 ] || mortal=(setpriv --bounding-set=-dac_override,-dac_read_search)
if "${mortal[@]}" ./cifar10_mpi --help > /dev/null 2> "$tmp/why"; then
    refused "a class folder that cannot be searched" "odd/train/cat/.*jpg: cannot be read: Permission denied" "${mortal[@]}" ./cifar10_mpi pack --from "$tmp/odd" "$other"
else
    skip "a class folder that cannot be searched" "root cannot give up its rights: $(tail -n 1 "$tmp/why")"
fi

# ---- folders such as users have
tree() { rm -rf "$tmp/odd"; cp -rs "$(realpath "$pictures")" "$tmp/odd"; } # makes a tree of links to the images
archive() { (cd "$tmp/odd" && tar -chf "$tmp/odd.tar" --hard-dereference --sort=name -- *); } # makes an archive of that tree
not_said() { ! grep -E -- "$1" "$tmp/said"; }
plain=$tmp/plain.h5
pack --from "$pictures" "$plain" > "$tmp/said"
check "equal counts are one line" test "$(sed -n 2p "$tmp/said")" = "Images of each class: 4 training, 4 test"
renamed() { # TRAIN TEST LINE: renames the split folders; packing then prints LINE, and the data are the same
    tree; mv "$tmp/odd/train" "$tmp/odd/x" && mv "$tmp/odd/x" "$tmp/odd/$1" && mv "$tmp/odd/test" "$tmp/odd/x" && mv "$tmp/odd/x" "$tmp/odd/$2"
    says "$3" --from "$tmp/odd" && same_data "$plain" "$other"
}
check "a tree of links" renamed train test "Packed odd: 40 training and 40 test images .*"
check "split folders in capital letters" renamed TRAIN Test "Packed odd: 40 training and 40 test images .*"
check "val is taken for the test" renamed train val "val/ serves as the test split"
check "so is Valid" renamed train Valid "valid/ serves as the test split"
check "and validation, and training for train" renamed training validation "training/ serves as the train split"
tree; cp -r "$tmp/odd/test" "$tmp/odd/val"; mkdir "$tmp/odd/val/other"; cp "$pictures/test/cat/0000.jpg" "$tmp/odd/val/other"
check "beside test val is left out, and said" says "Left out val/ \(41 images\): test/ is the test split" --from "$tmp/odd"
check "and adds no class" same_data "$plain" "$other"
tree; mv "$tmp/odd/test" "$tmp/odd/val"; mkdir "$tmp/odd/test"; cp "$pictures/test/cat/0000.jpg" "$tmp/odd/test/1.jpg"
check "a folder test without class folders is none" says "val/ serves as the test split" --from "$tmp/odd"
check "and its images are named" grep -qx "  test/1.jpg" "$tmp/said"
tree; rm -r "$tmp/odd/train/dog"; ln -s "$(realpath "$pictures")/train/dog" "$tmp/odd/train/dog"; ln -s .. "$tmp/odd/train/cat/loop"
check "a linked class folder, and a link in a circle" says "Packed .*" --from "$tmp/odd"
check "are read as folders" same_data "$plain" "$other"
tree; for split in train test; do mv "$tmp/odd/$split/cat" "$tmp/odd/$split/a \"cat's\" é"; done
for file in "$tmp/odd/train/dog"/*; do mv "$file" "${file%.jpg}.JPG"; done
check "blanks, quotes, UTF-8 and capital extensions" says "Images of each class: 4 training, 4 test" --from "$tmp/odd"
check "are kept" eval './cifar10_mpi inspect "$other" | grep -E "class_names +a \"cat.s\" é, airplane"'
made() { /usr/bin/python3 - "$pictures" "$tmp/mac.zip" << 'END'
import pathlib, sys, zipfile
source = pathlib.Path(sys.argv[1])
with zipfile.ZipFile(sys.argv[2], "w") as archive:
    for path in sorted(source.rglob("*")):
        name = "set/" + str(path.relative_to(source))
        archive.writestr(name + "/" if path.is_dir() else name, b"" if path.is_dir() else path.read_bytes())
        if path.is_dir():
            archive.writestr(name + "/.DS_Store", b"x")
            archive.writestr(name + "/Thumbs.db", b"x")
            archive.writestr("__MACOSX/" + name + "/", b"")
        else:
            archive.writestr("__MACOSX/" + str(pathlib.Path(name).with_name("._" + path.name)), b"x")
END
}
made
check "a zip file that macOS and Windows have added to" says "Packed .*" --from "$tmp/mac.zip"
check "is the directory's data set, of which nothing is left out" eval 'same_data "$plain" "$other" && not_said "Left out|without"'

# ---- class folders side by side: --test-share
flat=$tmp/odd
side_by_side() { rm -rf "$flat"; cp -r "$pictures/train" "$flat"; }
drawn() { # for each class, prints how many images have a digest of at least a quarter (read as a number in [0, 1)), and how many below
    local class
    for class in "$flat"/*/; do (cd "$class" && sha256sum -- *.jpg) | awk '/^[0-3]/ { below++ } END { print NR - below " " below + 0 }'; done
}
shared() { # packs with --test-share 0.25; the printed table must have the counts that sha256sum gives
    pack --from "${1:-$flat}" --test-share 0.25 --allow-missing-classes "$other" > "$tmp/said" 2>&1 &&
        diff <(awk '/^ +[0-9]+ +[0-9]+ +[0-9]+  / { print $2 " " $3 }' "$tmp/said") <(drawn)
}
side_by_side; archive
refused "class folders alone" "odd: its class folders are not in .*: --test-share 0.1 takes a tenth" pack --from "$flat" "$other"
refused "in an archive too" "odd.tar: its class folders .*--test-share" pack --from "$tmp/odd.tar" "$other"
check "a quarter for the test, by the content alone" shared
cp "$other" "$tmp/shared.h5"
check "the same of an archive" shared "$tmp/odd.tar"
check "is the same data set" same_data "$tmp/shared.h5" "$other"
rm "$flat"/*/*[13].jpg
check "with fewer images the others stay where they were" shared
side_by_side; for class in "$flat"/*/; do for n in 0 1 2 3; do cp "$flat/cat/000$n.jpg" "$class/copy$n.jpg"; done; done
check "copies are in the split of the original" eval 'shared && not_said "are also training"'
side_by_side; mv "$flat" "$tmp/moved"; mkdir "$flat"; mv "$tmp/moved" "$flat/train"
check "train without test is packed, with a hint" says "There are no test images; --test-share 0.1 takes a tenth of these" --from "$tmp/odd"
check "or can be split" eval 'flat=$tmp/odd/train shared "$tmp/odd"'
tree
refused "where there are test images" "odd: has test images of its own, in test/: leave --test-share out" pack --from "$tmp/odd" --test-share 0.1 "$other"
refused "binary files" "bin: CIFAR-10's binary files have .*: leave --test-share out" pack --from "$bin" --test-share 0.1 "$other"
refused "the published archive, before it is there" "--download: CIFAR-10's binary files have .*: leave --test-share out" pack --download --test-share 0.1 "$other"
side_by_side; rm "$flat"/*/000[1-3].jpg
refused "a class that has no image for the test" "odd: --test-share leaves classes without .*images: .*--allow-missing-classes" pack --from "$flat" --test-share 0.1 "$other"
rm -rf "$flat"; mkdir -p "$flat/train" "$flat/test"; cp "$pictures/train/cat"/*.jpg "$flat/train"; cp "$pictures/test/cat"/*.jpg "$flat/test"
refused "no class folders" "odd: its images are not in class folders \(test/0000.jpg\): train/CLASS" pack --from "$flat" --test-share 0.1 "$other"

# ---- classes: missing, counted, ordered
tree; mkdir "$tmp/odd/train/yak"; rm -r "$tmp/odd/test/dog"; archive
missing="has classes without training images: yak; without test images: dog, yak \(--allow-missing-classes"
refused "an empty class folder, and one in one split" "odd: $missing" pack --from "$tmp/odd" "$other"
refused "in an archive too" "odd.tar: $missing" pack --from "$tmp/odd.tar" "$other"
check "--allow-missing-classes says it" says "Classes without training images: yak; without test images: dog, yak" --from "$tmp/odd" --allow-missing-classes
check "and the folder is a class" grep -x "   10        0        0  yak" "$tmp/said"
check "one row a class, within 80 columns" eval '[ "$(grep -c "^ *[0-9]* *[0-9]* *[0-9]*  [a-z]*$" "$tmp/said")" = 11 ] && ! tail -n +3 "$tmp/said" | grep -E "^.{81}"'
tree; rm -r "$tmp/odd/train/dog"; ln -s nowhere "$tmp/odd/train/dog"
refused "a linked class folder that leads nowhere" "odd: has classes without training images: dog \(" pack --from "$tmp/odd" "$other"
odd; rm -r "$tmp"/odd/t*/dog; for split in train test; do ln -s ../elsewhere "$tmp/odd/$split/dog"; done; tar -C "$tmp/odd" -cf "$tmp/odd.tar" test train
refused "one in an archive, which lacks its content" "odd.tar: has classes without training images: dog; without test images: dog \(" pack --from "$tmp/odd.tar" "$other"
tree; for n in $(seq 250); do ln -s cat "$tmp/odd/train/c$n"; done
refused "more classes than labels" "begins class 257, but labels are bytes: at most 256 classes" pack --from "$tmp/odd" "$other"
rm "$tmp"/odd/train/c?? "$tmp"/odd/train/c???; for n in 3 4; do rm "$tmp/odd/train/c$n"; mkdir "$tmp/odd/train/c$n"; cp "$pictures/train/cat/0000.jpg" "$tmp/odd/train/c$n"; done
mkdir "$tmp/odd/train/"{k,l,m,n}; for c in k l m n; do ln -s ../dog/0000.jpg "$tmp/odd/train/$c/1.jpg"; done; cp "$pictures/train/cat/0001.jpg" "$tmp/odd/train/cat/x.jpg"
check "many classes are two lines" says "training images a class: 1 \(c3\) to 5 \(c1\)" --from "$tmp/odd" --allow-missing-classes
check "the other" grep -x "test     images a class: 0 (c1) to 4 (airplane)" "$tmp/said"
order() { printf '%s\r\n' "$@" > "$tmp/order"; }
tree; { printf '\xef\xbb\xbf  \r\n'; printf '%s \t\r\n' truck ship horse frog dog deer cat bird automobile airplane; } > "$tmp/order"
check "--classes is the order of labels" says "Labels follow the order of $tmp/order" --from "$tmp/odd" --classes "$tmp/order"
check "in the file" eval 'h5dump -a /class_names "$other" | grep -F "(0): \"truck\", \"ship\", \"horse\"" &&
    h5dump -y -d /train/labels "$other" | tr -d " \n" | grep -F "{9,9,9,9,8,8,8,8,7,7,7,7,"'
order truck ship horse frog dog deer cat bird automobile yak airplane
refused "a listed class without a folder" "has classes without training images: yak" pack --from "$tmp/odd" --classes "$tmp/order" "$other"
check "which may be allowed" says "Classes without training images: yak; without test images: yak" --from "$tmp/odd" --classes "$tmp/order" --allow-missing-classes
order truck ship horse frog dog deer cat bird automobile
refused "a folder that is not listed" "order: does not list the class folder 'airplane', which has 8 images" pack --from "$tmp/odd" --classes "$tmp/order" --allow-missing-classes "$other"
{ head -c 70000 /dev/zero | tr '\0' ' '; echo truck; } > "$tmp/order"
refused "a list of classes that is too long" "order: is larger than 65536 bytes" pack --from "$tmp/odd" --classes "$tmp/order" "$other"
order truck ship truck
refused "a class that is listed twice" "order: names class 'truck' twice" pack --from "$tmp/odd" --classes "$tmp/order" "$other"
refused "no such file" "nobody: cannot be opened: No such file" pack --from "$tmp/odd" --classes "$tmp/nobody" "$other"
refused "an order for binary files" "bin: CIFAR-10's binary files have .*: leave --classes out" pack --from "$bin" --classes "$tmp/order" "$other"

# ---- identical images
tree; { cat "$pictures/train/cat/0000.jpg"; echo; } > "$tmp/odd/test/dog/x.jpg"; cp "$tmp/odd/test/dog/x.jpg" "$tmp/odd/test/cat/y.jpg"
cp "$pictures/train/cat/0000.jpg" "$tmp/odd/train/cat/twice.jpg"
check "test images that are training images, in files that differ, are counted" says "2 of 42 test images are also training images \(same pixels\)" --from "$tmp/odd"
cp -r "$bin" "$tmp/same"; batch "$tmp/same/test_batch.bin" 2 70; head -c 3073 "$bin/test_batch.bin" >> "$tmp/same/test_batch.bin"
check "so are binary files' records" says "70 of 71 test images are also training images \(same pixels\)" --from "$tmp/same"

# ---- --skip-bad
spoilt() {
    tree; echo text > "$tmp/odd/train/cat/1.png"; : > "$tmp/odd/train/cat/2.png"; ln -s nowhere "$tmp/odd/train/dog/3.jpg"
    mkfifo "$tmp/odd/train/dog/4.jpg"; truncate -s 64M "$tmp/odd/test/cat/5.jpg"; head -c 500 "$pictures/train/cat/0000.jpg" > "$tmp/odd/test/cat/6.jpg"
}
tree; echo text > "$tmp/odd/test/cat/1.png"
refused "an image that is none names the way out" "cat/1.png: is neither .*\(--skip-bad leaves such images out\)" pack --from "$tmp/odd" "$other"
spoilt
check "--skip-bad leaves out what cannot be read or decoded" says "Left out by --skip-bad: 6" --from "$tmp/odd" --skip-bad
check "names five" test "$(grep -A6 '^Left out by' "$tmp/said" | cut -c 1-40)" = "Left out by --skip-bad: 6
  test/cat/5.jpg: is 64 MiB or larger: n
  test/cat/6.jpg: is a JPEG image that c
  train/cat/1.png: is neither a JPEG nor
  train/cat/2.png: is neither a JPEG nor
  train/dog/3.jpg: cannot be opened: No 
  and 1 more"
check "the rest is the data set" same_data "$plain" "$other"
odd; ln "$tmp/odd/train/cat/0000.jpg" "$tmp/odd/train/cat/copy.jpg"; ln -s 0000.jpg "$tmp/odd/train/cat/link.jpg"; tar -C "$tmp/odd" -cf "$tmp/odd.tar" train
check "links in an archive too" says "Left out by --skip-bad: 2" --from "$tmp/odd.tar" --skip-bad
odd; for file in "$tmp"/odd/train/cat/*; do echo text > "$file"; done
refused "a class of which nothing is left" "odd: has classes without training images: cat \(--allow" pack --from "$tmp/odd" --skip-bad "$other"
for file in "$tmp"/odd/train/*/*; do echo text > "$file"; done
refused "no training image is left" "no training images are left; left out: train/airplane/0000.jpg: is neither" pack --from "$tmp/odd" --skip-bad --allow-missing-classes "$other"

# ---- ignored files are named, and unsupported data sets are recognised
tree; for n in 1.webp 2.gif 3.BMP 4.tif notes.txt; do : > "$tmp/odd/train/cat/$n"; done; : > "$tmp/odd/train/dog/7.avif"; : > "$tmp/odd/README"; : > "$tmp/odd/train/cat/.hidden"
cp "$pictures/train/cat/0000.jpg" "$tmp/odd/logo.jpg"
check "files that are no images are left out" says "Left out, not JPEG or PNG images in a class folder( of a split)?: 7" --from "$tmp/odd"
check "five by name" test "$(grep -A6 '^Left out' "$tmp/said" | tail -n +2)" = "  logo.jpg
  train/cat/1.webp
  train/cat/2.gif
  train/cat/3.BMP
  train/cat/4.tif
  and 2 more"
recognised() { # PATTERN FILE...: packing a directory of empty files with these names fails with PATTERN
    rm -rf "$tmp/odd"
    for file in "${@:2}"; do mkdir -p "$tmp/odd/$(dirname "$file")"; : > "$tmp/odd/$file"; done
    refused "a directory of $2" "odd: $1" pack --from "$tmp/odd" "$other"
}
recognised "is CIFAR-10 for Python, but the binary version is needed, cifar-10-binary.tar.gz: .*pack --download" cifar-10-batches-py/{data_batch_1,test_batch,batches.meta}
tar -C "$tmp/odd" -czf "$tmp/odd.tar" cifar-10-batches-py
refused "the same in an archive" "odd.tar: is CIFAR-10 for Python" pack --from "$tmp/odd.tar" "$other"
recognised "is CIFAR-10 for Matlab, .*pack --download" data_batch_1.mat
recognised "is CIFAR-100, .*pack --download" cifar-100-python/train
recognised "is CIFAR-10 for Python, .*pack --download" cifar-10-python.tar.gz
recognised "holds only images in formats other than JPEG and PNG \(train/cat/1.webp\): convert" train/cat/1.webp
recognised "holds no images, but an archive \(a/set.tar.gz\)" a/set.tar.gz
mkdir -p "$tmp/odd/set/seg_"{train,test}/cat; cp "$pictures/train/cat/0000.jpg" "$tmp/odd/set/seg_train/cat"; cp "$pictures/train/cat/0000.jpg" "$tmp/odd/set/seg_test/cat"
refused "split folders of other names" "seg_train/cat/0000.jpg: lies beside the class folders in 'set/seg_test/': if those are a split, call the folder train or test" pack --from "$tmp/odd" "$other"
rm -r "$tmp/odd/set"; truncate -s $((3 * 3074)) "$tmp/odd/train.bin"
refused "a file of CIFAR-100's records" "odd: is CIFAR-100" pack --from "$tmp/odd" "$other"

# ---- errors are named
one=$tmp/one
mkdir "$one"
batch "$one/data_batch_1.bin" 1 1
truncate -s 3000 "$one/data_batch_1.bin"
refused "a file shorter than a record" "one/data_batch_1.bin: record 0 .* has 3000 of its 3073 bytes" pack --from "$one" "$other"
truncate -s 0 "$one/data_batch_1.bin"
refused "an empty one" "one/data_batch_1.bin: is empty" pack --from "$one" "$other"
odd; seq 10 | sed 's/^/kind /' > "$tmp/odd/batches.meta.txt"
classes() { pack --from "$1" "$other" && h5dump -a /class_names "$other" | grep -q 'SIMPLE { ( 10 )'; }
check "batches.meta.txt beside images adds no classes" classes "$tmp/odd"

# ---- no unfinished file stays, and other users' files are not written to
out=$tmp/out
mkdir "$out"
left() { [ "$(ls -A "$out")" = "$1" ] || { ls -A "$out"; return 1; }; }
head -c 3000 "$tmp/bin.tar.gz" > "$tmp/cut.tar.gz"
fetch() { pack --download --md5 none --url "file://$tmp/$1" "$out/a.h5"; }
cut() { ! fetch cut.tar.gz; }
check "an unverified archive that is cut is refused" cut
check "leaves nothing" left ""
head -c 1000 "$tmp/bin.tar.gz" > "$out/a.h5.part"
check "an unverified download goes on from nothing that is there" fetch bin.tar.gz
rm -f "$out/a.h5.part"
check "and gives the same data set" same_data "$dir" "$out/a.h5"
check "which others may read, as umask has it" test "$(stat -c %a "$out/a.h5")" = "$(printf %o $((0666 & ~$(umask))))"
rm -f "$out"/*

large=$tmp/large
mkdir "$large"
for n in 1 2 3 4 5; do truncate -s $((10000 * 3073)) "$large/data_batch_$n.bin"; done
until_there() { for _ in $(seq 200); do compgen -G "$1" > /dev/null && return; sleep 0.02; done; echo "no $1"; return 1; }
stopped() { # SIGNAL FILES COMMAND...: sends the signal as soon as files that match FILES exist
    "${@:3}" > "$tmp/said" 2>&1 &
    local pid=$!
    until_there "$2" && kill -s "$1" $pid
    wait $pid
    [ $? -eq $((128 + $(kill -l "$1"))) ] || { cat "$tmp/said"; return 1; }
}
set -m # so that background jobs do not ignore SIGINT
for signal in INT TERM; do
    check "SIG$signal ends packing" stopped $signal "$out/.a.h5.*.tmp" ./cifar10_mpi pack --from "$large" "$out/a.h5"
    check "and leaves nothing" left ""
done
stall='import socket
s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1], flush=True)
c = s.accept()[0]; c.recv(4096); c.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 99999\r\n\r\n" + bytes(5000)); c.recv(1)'
/usr/bin/python3 -c "$stall" > "$tmp/port" &
until_there "$tmp/port" && sleep 0.5
check "SIGINT ends an unverified download" stopped INT "$out/.a.h5.*.tmp" ./cifar10_mpi pack --download --md5 none --url "http://127.0.0.1:$(cat "$tmp/port")/x" "$out/a.h5"
check "and leaves nothing" left ""
two() { # two packs write the same file at the same time
    pack --from "$large" "$out/a.h5" > /dev/null &
    pack --from "$bin" "$out/a.h5" > /dev/null && wait $! && ./cifar10_mpi inspect "$out/a.h5"
}
check "two packs to one file both succeed" two
check "and leave it whole, and nothing else" left a.h5
finish
