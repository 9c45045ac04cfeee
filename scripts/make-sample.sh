#!/bin/bash
# Makes the repository's sample from an archive of all CIFAR-10 images as JPEG files (split/class/number.jpg).
#   scripts/make-sample.sh CIFAR10-JPEG.tar.xz     writes tests/data/cifar10-sample.tar.xz
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -eq 1 ] || { sed -n '2,3s/^# //p' "$0" >&2; exit 2; }

whole=$(mktemp -d)
trap 'rm -rf "$whole"' EXIT
tar -xf "$1" -C "$whole"
classes="airplane automobile bird cat deer dog frog horse ship truck"

list() { # SPLIT COUNT: prints file names, with alternating classes
    local number class
    for number in $(seq -f %04g 0 $(($2 - 1))); do
        for class in $classes; do echo "$1/$class/$number.jpg"; done
    done
}

{ list train 1000; list test 200; } > "$whole/list"
tar --format=ustar --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=644 -C "$whole" -T "$whole/list" -cf - |
    xz -9e -T1 > tests/data/cifar10-sample.tar.xz
ls -l tests/data/cifar10-sample.tar.xz
