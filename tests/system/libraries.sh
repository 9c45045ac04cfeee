#!/bin/bash
# Where libraries are found otherwise than by pkg-config, and what is said where the compiler is not found at all.
# time limit: 300 s
. tests/lib.sh

tree=$tmp/tree
mkdir "$tree" "$tmp/bin"
tar -cf - Makefile include src | tar -xf - -C "$tree"
build() { (unset MAKEFLAGS MAKELEVEL BACKENDS BUILD; cd "$tree" && PATH=$tmp/bin:$PATH make --no-print-directory -j2 OPTIMISE=-O0 "$@"); }
says() { # PATTERN COMMAND...
    local pattern=$1 output
    output=$("${@:2}" 2>&1) && grep -qE -- "$pattern" <<< "$output" || { echo "$output"; return 1; }
}

check "make info says that mpicc is missing" says 'compiler +no-mpicc is missing \(Debian: libopenmpi-dev\)' build info MPICC=no-mpicc
check "and blames no library" says 'backend +openblas: not built in: no-mpicc is missing' build info MPICC=no-mpicc
without_mpicc() { ! build MPICC=no-mpicc; }
check "so does make" says 'no-mpicc is missing' without_mpicc

# A pkg-config that does not know HDF5.
printf '#!/bin/sh\ncase "$*" in *hdf5*) exit 1;; esac\nexec %s "$@"\n' "$(command -v pkg-config)" > "$tmp/bin/pkg-config"
chmod +x "$tmp/bin/pkg-config"
if command -v h5cc > /dev/null; then
    check "without a .pc file of HDF5 make asks h5cc" says 'HDF5 +by h5cc: -I.+' build info
    check "and builds" build BACKENDS=openblas
    check "a program that starts" "$tree/cifar10_mpi" --help
else
    skip "HDF5 by h5cc" "there is no h5cc"
fi
printf '#!/bin/sh\nexit 1\n' > "$tmp/bin/h5cc"
chmod +x "$tmp/bin/h5cc"
check "without either, HDF5 is missing" says 'HDF5 +missing \(Debian: libhdf5-dev\)' build info
finish
