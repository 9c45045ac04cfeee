#!/bin/bash
# Packing, of what is odd about sources: archives in any order, links, folders that cannot be searched.
# time limit: 200 s
. tests/lib.sh
export LC_ALL=C.UTF-8 no_proxy='*' TERM=dumb
pack() { timeout 60 ./cifar10_mpi pack "$@"; }
batch() { # FILE LABEL COUNT: records of that label, and of pixels that follow from it
    local record=$tmp/record
    { printf '%b' "\\x0$2"; head -c 3072 /dev/zero | tr '\0' "$2"; } > "$record"
    for _ in $(seq "$3"); do cat "$record"; done > "$1"
}
digest() { h5dump -a "/$2/sha256" "$1" | grep -o '"[0-9a-f]*"'; } # FILE train/images
same_data() { # FILE FILE: their four data sets are equal
    for set in {train,test}/{images,labels}; do
        [ "$(digest "$1" $set)" = "$(digest "$2" $set)" ] || { echo "$set differs"; return 1; }
    done
    h5diff "$1" "$2" /train && h5diff "$1" "$2" /test
}
command -v h5dump > /dev/null || { skip "packing odd sources" "there is no h5dump (Debian: hdf5-tools)"; finish; exit; }

# ---- one data set, whatever the order of the archive
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
leaves() { # NUMBER FROM: packs and says that so many were left out
    local said
    said=$(pack --from "$2" "$other" 2>&1) && [ "$(sed -n 's/^Left out .*: //p' <<< "$said")" = "$1" ] || { echo "$said"; return 1; }
}
odd() { rm -rf "$tmp/odd" "$tmp/odd.tar"; cp -r "$pictures" "$tmp/odd"; } # a source to spoil
odd; ln "$tmp/odd/train/cat/0000.jpg" "$tmp/odd/train/cat/copy.jpg"; tar -C "$tmp/odd" -cf "$tmp/odd.tar" train
refused "a hard link in an archive" "odd.tar: train/cat/.*jpg: is a link, without content" pack --from "$tmp/odd.tar" "$other"
odd; ln -s 0000.jpg "$tmp/odd/train/cat/copy.jpg"; tar -C "$tmp/odd" -cf "$tmp/odd.tar" train
refused "a symbolic link in an archive" "odd.tar: train/cat/copy.jpg: is a link, without content" pack --from "$tmp/odd.tar" "$other"
check "in a directory it is the image that it points to" pack --from "$tmp/odd" "$other"
check "as it is where tar followed it" eval 'tar -C "$tmp/odd" -chf "$tmp/odd.tar" --hard-dereference --sort=name train test && pack --from "$tmp/odd.tar" "$tmp/again.h5" && same_data "$other" "$tmp/again.h5"'
odd; mkdir "$tmp/odd/train/cat/more"; cp "$tmp/odd/train/cat/0000.jpg" "$tmp/odd/train/cat/more"
tar -C "$tmp/odd" -cf "$tmp/odd.tar" train
check "images below a class folder are counted as left out" leaves 1 "$tmp/odd"
check "those of an archive too" leaves 1 "$tmp/odd.tar"
odd; chmod a-x "$tmp/odd/train/cat"
mortal=() # root may search any folder, unless it gives up these rights
[ "$(id -u)" -ne 0 ] || mortal=(setpriv --bounding-set=-dac_override,-dac_read_search)
if "${mortal[@]}" ./cifar10_mpi --help > /dev/null 2> "$tmp/why"; then
    refused "a class folder that cannot be searched" "odd/train/cat/.*jpg: cannot be read: Permission denied" "${mortal[@]}" ./cifar10_mpi pack --from "$tmp/odd" "$other"
else
    skip "a class folder that cannot be searched" "root cannot give up its rights: $(tail -n 1 "$tmp/why")"
fi

# ---- what is wrong is named
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

# ---- nothing half-made stays, and nobody writes to another's file
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
stopped() { # SIGNAL FILES COMMAND...: sends the signal as soon as there are such files
    "${@:3}" > "$tmp/said" 2>&1 &
    local pid=$!
    until_there "$2" && kill -s "$1" $pid
    wait $pid
    [ $? -eq $((128 + $(kill -l "$1"))) ] || { cat "$tmp/said"; return 1; }
}
set -m # background jobs take SIGINT
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
two() { # packs that write the same file at the same time
    pack --from "$large" "$out/a.h5" > /dev/null &
    pack --from "$bin" "$out/a.h5" > /dev/null && wait $! && ./cifar10_mpi inspect "$out/a.h5"
}
check "two packs to one file both succeed" two
check "and leave it whole, and nothing else" left a.h5
finish
