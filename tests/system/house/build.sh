#!/bin/bash
# The build: rebuilds only what has changed, can have several variants at the same time, and names missing parts.
# time limit: 300 s
. tests/lib.sh

# Works in a copy of the sources, so that it may touch headers; with -O0, since only the building is tested.
tree=$tmp/tree
mkdir "$tree"
tar -cf - Makefile README.md LICENSE include src 2> /dev/null | tar -xf - -C "$tree"
build() { (unset MAKEFLAGS MAKELEVEL BACKENDS BUILD; cd "$tree" && make --no-print-directory -j2 OPTIMISE=-O0 "$@"); }
objects() { (cd "$tree" && find build -name '*.o' -newer "$1" | sort); }

check "make builds cifar10_mpi" build
check "which answers --help" "$tree/cifar10_mpi" --help
check "a second make has nothing to do" test -z "$(build 2>&1)"

sleep 1.1
touch "$tmp/before" "$tree/include/draws.h"
check "a touched header: make" build
users=$(cd "$tree" && grep -rl --include='*.c' '"draws.h"' src | sed 's,^src,build,; s,c$,o,' | sort)
rebuilt=$(objects "$tmp/before")
check "rebuilds every file that includes it" test -z "$(comm -23 <(echo "$users") <(echo "$rebuilt"))"
others=$(cd "$tree" && grep -rL --include='*.c' 'include "' src | sed 's,^src,build,; s,c$,o,'; echo build/base/digest.o)
check "and leaves others alone" test -z "$(comm -12 <(sort <<< "$others") <(echo "$rebuilt"))"

sleep 1.1
touch "$tmp/before"
check "other flags: make" build CFLAGS=-DOTHER_FLAGS
check "rebuild everything" test "$(objects "$tmp/before" | wc -l)" -eq "$(find "$tree/build" -name '*.o' | wc -l)"

says() { # PATTERN COMMAND...
    local pattern=$1 output
    output=$("${@:2}" 2>&1) && grep -qE -- "$pattern" <<< "$output" || { echo "$output"; return 1; }
}
check "make info names the backends" says 'backend +openblas: built in' build info
check "and why another is not there" says 'backend +cudnn: not built in: needs nvcc' build info CUDA_HOME=/nonexistent NVCC=no-nvcc
check "make help lists the targets" says '^make test .+' build help

check "BACKENDS=openblas builds beside it" build BACKENDS=openblas BUILD=build/plain
linked() { # NAME OTHER: the program is linked with a library called NAME, and with none called OTHER
    ldd "$tree/build/plain/cifar10_mpi" > "$tmp/linked" && grep -q "$1" "$tmp/linked" && ! grep "$2" "$tmp/linked"
}
check "with OpenBLAS, without oneDNN" linked openblas dnnl
check "make info says that it was left out" says 'onednn: not built in: left out by BACKENDS' \
    build info BACKENDS=openblas
refuses_cudnn() { ! build BACKENDS=cudnn CUDA_HOME=/nonexistent NVCC=no-nvcc > "$tmp/said" 2>&1 && grep -E "cudnn was asked for, but .+" "$tmp/said"; }
check "a backend that cannot be built is named" refuses_cudnn

reproduced() { /usr/bin/python3 scripts/winograd.py | diff - src/backends/onednn/winograd_transforms.h; }
check "scripts/winograd.py makes the transforms as they are" reproduced

check "make install" build CFLAGS=-DOTHER_FLAGS install PREFIX=/opt/cifar DESTDIR="$tmp/stage"
check "puts the program under DESTDIR and PREFIX" test -x "$tmp/stage/opt/cifar/bin/cifar10_mpi"
check "make clean" build clean
check "leaves nothing" test ! -e "$tree/build" -a ! -e "$tree/cifar10_mpi"

# If nothing is installed yet, the Makefile's probes must not fail, since `make run` installs packages first.
bare() { (cd "$tree" && env -i PATH="$tmp/bin" "$(command -v make)" --no-print-directory -n deps 2>&1); }
mkdir "$tmp/bin"
for tool in sh bash env printf echo cut grep sed awk; do ln -s "$(command -v $tool)" "$tmp/bin/$tool"; done
check "make deps without compiler and pkg-config prints no error" test "$(bare)" = "scripts/deps.sh build"
finish
