#!/bin/bash
# Untrusted input: archives, downloads, images and HDF5 files. Also the security options that the program is linked with.
# time limit: 200 s
. tests/lib.sh
export no_proxy='*' TERM=dumb
make_files() { /usr/bin/python3 tests/system/faults/security_files.py "$tmp"; }
check "hostile files to begin with" make_files
pack() { ./cifar10_mpi pack --from "$tmp/$1" "$tmp/out.h5"; }

# Runs a command and reports if it takes more than 10 seconds or 300 MB.
frugal() {
    /usr/bin/python3 -c '
import resource, subprocess, sys, time
start = time.time()
try:
    code = subprocess.call(sys.argv[1:], timeout=30)
except subprocess.TimeoutExpired:
    code = 124
seconds, mb = time.time() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
if seconds > 10 or mb > 300:
    print(f"and took {seconds:.1f} s and {mb:.0f} MB", file=sys.stderr)
sys.exit(code)' "$@"
}
thrifty() { frugal ./cifar10_mpi pack --from "$tmp/$1" "$tmp/out.h5"; }

# ---- members of archives are never written to disk
mkdir -p "$tmp/deep/er"
echo untouched > "$tmp/victim"
kept() { find "$tmp" ! -name refused ! -name out.h5 ! -path "$tmp" -printf '%p %s %T@ %l\n' | sort; }
before=$(kept)
for archive in upwards absolute; do
    check "an archive whose names lead $archive is read as any other" pack $archive.tar
done
refused "one with a symbolic link to a file outside" "train/cat/link.png: is a link" pack link.tar
refused "one with a link to a folder outside, and a file below it" "/x/1.png: lies beside" pack folder.tar
refused "one with a device" "train/cat/1.png: is no regular file" pack device.tar
refused "a name that would begin a line and colour it" "train/cat/\?\[31m.2.png: is neither a JPEG nor a PNG" pack escape.tar
check "and nothing was written but the packed file" diff <(echo "$before") <(kept)

# ---- a small file that unpacks to a huge one
for bomb in image.tar.gz image.tar.xz batch.tar.xz many.tar.gz sparse.tar batch.zip; do
    refused "zeros in $(($(stat -c %s "$tmp/bomb-$bomb") / 1000)) kB, $bomb" "unpacks to more than [0-9]+ MB" thrifty "bomb-$bomb"
done
refused "zeros in a zip file that does not say how many" "is damaged: the archive library gives no reason|is 64 MiB or larger" thrifty bomb-cut.zip
refused "gzip in gzip with a name that never ends" "cannot be read as an archive" thrifty bomb-nested.gz
refused "a small PNG file of a billion pixels" "is 30000 x 30000 pixels" thrifty wide
refused "one within the sides of too many" "is 8192 x 8192 pixels, but at most" thrifty square
modest() { thrifty "$1" 2> "$tmp/said" && ! grep 'and took' "$tmp/said"; }
check "a PNG file with 200 texts of 8 MB, of which a few are read" modest texts
check "a JPEG file with 400,000 empty blocks where EXIF may be" modest segments

# ---- HDF5
inspect() { frugal ./cifar10_mpi inspect "$tmp/$1.h5"; }
train() { frugal ./cifar10_mpi train --data "$tmp/$1.h5" --train-dir "$tmp/run" --batch-size 8 --max-steps 1; }
check "a file like those that follow, with nothing wrong" inspect good
refused "a link to another file" "external.h5: data set /train/images cannot be opened" train external
refused "data in another file" "raw.h5: /train/images: its data are in other files" inspect raw
refused "a view of another file" "virtual.h5: /train/images: its data are in other files" inspect virtual
refused "compressed zeros" "deflated.h5: /train/images: is compressed" inspect deflated
refused "2^60 rows that are not there" "huge.h5: /train/images: claims [0-9-]+ bytes" inspect huge
refused "2^60 rows of no bytes" "nothing.h5: /train/images: claims rows of no bytes" inspect nothing
refused "an attribute of 2^20 texts" "texts.h5: attribute class_names of / is not a text, or too long" inspect texts
refused "groups in groups in groups" "nested.h5: holds a name that is too long" inspect nested
coloured() { ./cifar10_mpi inspect "$tmp/coloured.h5" > "$tmp/said" && grep -q 'name  *?\[31mred?' "$tmp/said" && ! grep -q $'\033' "$tmp/said"; }
check "an attribute that would steer the terminal is shown harmless" coloured

# ---- a train-dir in which other users have put links or pipes: the program writes through none of them, and waits for no pipe
data=$(small_data) || not_ok "a packed data set" "$data"
into() { timeout -k 1 10 ./cifar10_mpi train --data "$data" --batch-size 4 --max-steps 2 --train-dir "$@"; }
mkdir "$tmp/planted"
echo precious > "$tmp/victim"
for name in lock train.log metrics.csv; do
    ln -s "$tmp/victim" "$tmp/planted/$name"
    refused "$name is a link" "planted/$name: is a symbolic link, which is not followed" into "$tmp/planted"
    ln -sf "$tmp/nobody" "$tmp/planted/$name"
    refused "and leads nowhere" "planted/$name: is a symbolic link, which is not followed" into "$tmp/planted"
    ln -f "$tmp/victim" "$tmp/planted/$name"
    refused "is the name of another file too" "planted/$name: has a second name" into "$tmp/planted"
    rm "$tmp/planted/$name"
    mkfifo "$tmp/planted/$name"
    refused "is a pipe" "planted/$name: is no regular file" into "$tmp/planted"
    rm "$tmp/planted/$name"
done
ln -s "$tmp/victim" "$tmp/planted/.checkpoint-00000002.h5.tmp"
ln -s "$tmp/nobody" "$tmp/planted/.checkpoint-00000001.h5.tmp"
mkfifo "$tmp/planted/.checkpoint-00000004.h5.tmp"
check "links and a pipe with the names of checkpoints are replaced" into "$tmp/planted" --checkpoint-steps 1
check "and what they led to is as it was" test "$(cat "$tmp/victim")$(ls "$tmp/nobody" 2>&1 | grep -c 'No such file')" = precious1
check "the run is whole" ./cifar10_mpi inspect "$tmp/planted/checkpoint-00000002.h5"
odd=$tmp/odd$'\n2026-11-24 12:00:00.123456: done at step 2\033[31m'
check "a run in a directory whose name would begin a line and colour it" into "$odd"
plain() { ! grep -q $'\033' "$@" && ! grep -q '^2026-11-24 12:00' "$@"; }
prints_plainly() { "$@" > "$tmp/said" 2>&1; plain "$tmp/said"; }
check "logs it harmless" plain "$odd/train.log"
check "says it harmless" prints_plainly into "$odd" --force --seed 2
check "and is evaluated so" prints_plainly ./cifar10_mpi eval --data "$data" --checkpoint-dir "$odd" --run-once
check "and inspected" prints_plainly ./cifar10_mpi inspect "$odd/checkpoint-00000002.h5"

# ---- downloads
serve() { # KIND FILE: starts an HTTP server of that kind; FILE then has its port
    /usr/bin/python3 tests/system/faults/security_server.py "$1" "$tmp" > "$2" 2> /dev/null &
    servers+=($!)
    eventually 5 test -s "$2"
}
servers=()
cleanup() { kill "${servers[@]}" 2> /dev/null; }
fetch() { ./cifar10_mpi pack --download --url "$@" "$tmp/down.h5"; }
serve endless "$tmp/port"
refused "a server that sends more than was published" "sends more than the expected 170052171 bytes" \
    fetch "http://localhost:$(cat "$tmp/port")/x"
check "of which nothing stays" eval '! ls "$tmp" | grep -q "down.h5"'
# Local files too are refused if they are devices or pipes, which may never end.
mkfifo "$tmp/pipe.tar"
truncate -s 17G "$tmp/sparse.bin"
endless() { timeout -k 1 5 ./cifar10_mpi pack --download --md5 none --url "file://$1" "$tmp/down.h5" 2>&1 | grep -v "not verified" >&2; return "${PIPESTATUS[0]}"; }
refused "a device" "file:///dev/%7Aero: is no regular file" endless /dev/%7Aero
refused "a device with a query" "is no regular file" endless "/dev/zero?x"
refused "a pipe" "pipe.tar: is no regular file" endless "$tmp/pipe.tar"
refused "a file that is too large" "sparse.bin: has 18253611008 bytes, more than the" endless "$tmp/sparse.bin"
rm "$tmp/sparse.bin"
verified() { timeout -k 1 5 ./cifar10_mpi pack --download --md5 c32a1d4ab5d03f1284b67883e8d87530 --url "file://$tmp/good.h5" "$tmp/down.h5"; }
ln -s /dev/zero "$tmp/down.h5.part"
refused "a link where the download is to go" "down.h5.part: is a symbolic link" verified
ln -sf "$tmp/made" "$tmp/down.h5.part"
refused "one that leads nowhere" "down.h5.part: is a symbolic link" verified
check "where nothing is made" test ! -e "$tmp/made"
rm "$tmp/down.h5.part"
ln "$tmp/good.h5" "$tmp/down.h5.part"
refused "a file that has this name and another" "down.h5.part: has a second name" verified
check "which is as it was" ./cifar10_mpi inspect "$tmp/good.h5"
rm "$tmp/down.h5.part"
mkfifo "$tmp/down.h5.part"
refused "a pipe there" "down.h5.part: is no regular file" verified
rm "$tmp/down.h5.part"
openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
    -keyout "$tmp/key.pem" -out "$tmp/cert.pem" 2> /dev/null
serve plain "$tmp/plain"
cp "$tmp/plain" "$tmp/target"
serve secure "$tmp/tls"
url=https://localhost:$(cat "$tmp/tls")
refused "a server that nobody vouches for" "cannot be downloaded: .*certificate" fetch "$url/data.tar.gz" --md5 c32a1d4ab5d03f1284b67883e8d87530
trusting() { # COMMAND...: runs the command in a mount namespace where only this server's certificate is trusted
    unshare -m bash -c 'mount --bind "$0/cert.pem" /etc/ssl/certs/ca-certificates.crt && "$@"' "$tmp" "$@"
}
if trusting true 2> /dev/null; then
    check "one that is vouched for" trusting ./cifar10_mpi pack --download --md5 none --url "$url/data.tar.gz" "$tmp/down.h5"
    refused "which leads on without encryption" "cannot be downloaded: .*[Pp]rotocol" \
        trusting ./cifar10_mpi pack --download --md5 c32a1d4ab5d03f1284b67883e8d87530 --url "$url/plain" "$tmp/down.h5"
else
    skip "a server that leads from https to http" "$(no_mount)"
fi

# ---- the binaries
has() { "${@:3}" "$1" 2> /dev/null | grep -qE -- "$2"; } # FILE PATTERN COMMAND...
for file in cifar10_mpi cifar10_cudnn.so; do
    if [ ! -f $file ]; then skip "how $file is linked" "it is not built"; continue; fi
    check "$file can lie anywhere in memory" has $file 'Type: +DYN' readelf -hW
    check "$file has read-only relocations" has $file GNU_RELRO readelf -lW
    check "which are all bound at start" has $file 'BIND_NOW|FLAGS_1.*NOW' readelf -dW
    check "$file has no stack that is executed" has $file 'GNU_STACK .*RW ' readelf -lW
    check "$file checks its stack" has $file __stack_chk_fail readelf -W --dyn-syms
    check "$file checks what it copies" has $file '__(mem|str|snprintf|vsnprintf|fprintf|printf)[a-z]*_chk' readelf -W --dyn-syms
    check "$file starts no shell" eval '! has '$file' " (system|popen|exec[lv]p?e?)(@|$)" readelf -W --dyn-syms'
done
finish
