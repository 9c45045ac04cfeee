#!/bin/bash
# Builds with libraries that pkg-config does not find, and without a compiler.
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

# A second HDF5 next to the system's.
own=$tmp/own
mkdir "$own"
printf '%s\n' "Name: own" "Description: own" "Version: 9.9" "Cflags: -I$own" "Libs: -L$own -lhdf5" | tee "$own/hdf5.pc" > "$own/hdf5-own.pc"
printf '#!/bin/sh\necho gcc -I%s -L%s -lhdf5\n' "$own/cc" "$own/cc" > "$own/h5cc"
chmod +x "$own/h5cc"
own_path() { PKG_CONFIG_PATH=/none:$own build "$@"; }
check "an HDF5 in PKG_CONFIG_PATH goes before the system's" says '^HDF5 +hdf5 9.9$' own_path info
check "in make's too" says '^HDF5 +hdf5 9.9$' build info PKG_CONFIG_PATH="$own"
check "its library is found when the program starts" says "^LIBS := .*-L$own -lhdf5 +-Wl,-rpath,$own " own_path -pn info
check "HDF5_PC names another" says '^HDF5 +hdf5-own 9.9$' own_path info HDF5_PC=hdf5-own
check "one that is not there is told" says '^HDF5 +hdf5-none is missing$' build info HDF5_PC=hdf5-none
check "H5CC names a compiler wrapper" says "^HDF5 +by $own/h5cc: -I$own/cc -L$own/cc$" build info H5CC="$own/h5cc"

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
