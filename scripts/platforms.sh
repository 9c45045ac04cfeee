#!/bin/bash
# Builds and tests the committed sources on a bare Debian of another release, or for another processor:
#   scripts/platforms.sh [bookworm|trixie|RELEASE|arm64]...     default: bookworm trixie arm64
# For a release it uses mmdebstrap to make a system with only git and make, and runs README's two commands there, `make run` and
# `make test`. For arm64 it cross-compiles with OpenBLAS and runs the unit tests and the backends' tests under qemu. Prints a table;
# the commands' output is in build/platforms/RELEASE.*.log.
#   TARGETS="run test"     the make targets to run there
#   MIRROR=URL             instead of http://deb.debian.org/debian
# Run as root (in a container only if mounting is allowed). A release takes about 3 GB and half an hour on 2 cores.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
targets=${TARGETS:-run test}
mirror=${MIRROR:-http://deb.debian.org/debian}
logs=$PWD/build/platforms
mkdir -p "$logs" || exit 1
[ $# -gt 0 ] || set -- bookworm trixie arm64

say() { echo "platforms.sh: $*" >&2; }
command -v mmdebstrap > /dev/null || { say "mmdebstrap is missing (Debian: mmdebstrap)"; exit 1; }
[ "$(id -u)" -eq 0 ] || { say "this must be run as root"; exit 1; }
tmp=$(mktemp -d) || exit 1
trap 'rm -rf --one-file-system "$tmp"' EXIT
trap 'exit 130' INT TERM HUP

bootstrap() { # RELEASE DIRECTORY OPTION...: makes the system, with apt configured as it is on this one
    apt-config dump | grep '^Acquire::' > "$tmp/apt.conf"
    mmdebstrap --quiet --aptopt="$tmp/apt.conf" "${@:3}" "$1" "$2" "$mirror"
}

# ---- a release ----

# Runs a command in the system. Its processes and mounts are in namespaces of their own, and end with these.
inside() { # DIRECTORY COMMAND
    unshare --mount --pid --fork --kill-child bash -c '
        mount --bind "$0" "$0" && mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && mount --rbind /sys "$0/sys" &&
        cd "$0" && mount --make-rprivate . && exec env -i HOME=/root TERM=dumb PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            ${OPENBLAS_CORETYPE:+OPENBLAS_CORETYPE="$OPENBLAS_CORETYPE"} chroot . bash -c "$1"' "$@" < /dev/null
}

last() { # PATTERN FILE: prints the last match of the pattern, or -
    grep -oE -- "$1" "$2" 2> /dev/null | tail -n 1 | grep . || echo -
}

rate() { # LOG: prints the median of its rates
    sed -n 's,.*(\([0-9.]*\) examples/sec.*,\1,p' "$1" 2> /dev/null | sort -g | awk '{ x[NR] = $1 } END { printf "%.0f", x[int((NR + 1) / 2)] }'
}

try_release() { # RELEASE: tries it and prints its row of the table
    local release=$1 root=$tmp/$1 log=$logs/$1 target
    say "$release: a bare system"
    bootstrap "$release" "$root" --variant=apt --include=git,make,ca-certificates > "$log.system.log" 2>&1 ||
        { say "$release: $(tail -n 1 "$log.system.log")"; return 1; }
    cp /etc/hosts /etc/resolv.conf "$root/etc/"
    git clone --quiet . "$root/root/cifar10_mpi" || return 1
    for target in $targets; do
        say "$release: make $target ($log.$target.log)"
        inside "$root" "cd /root/cifar10_mpi && make $target" > "$log.$target.log" 2>&1 || say "$release: make $target failed"
    done
    inside "$root" 'cd /root/cifar10_mpi && make info && dpkg-query -W -f "\${Version}\n" libdnnl-dev' > "$log.info.log" 2>&1
    echo "| Debian ${release} | $(last '\([0-9.]+\)' "$log.info.log" | tr -d '()') | $(last 'Open MPI\) [0-9.]+' "$log.info.log" | tr -d ')') |" \
        "$(sed -n 's/^HDF5 .* //p' "$log.info.log") | $(last '^[0-9.]+' "$log.info.log") |" \
        "$(rate "$log.run.log") examples/sec, $(last 'precision @ 1 = [0-9.]+' "$log.run.log") |" \
        "$(last '^[0-9]+ passed, .*' "$log.test.log") | $(date +%F) |"
}

# ---- another processor ----

arm_root=$tmp/arm64
# GCC 12's vectoriser has an internal error on one of the tests.
arm_make() { # builds for ARM with the libraries in $arm_root, whose packages' install scripts have not run
    local lib=$arm_root/usr/lib/aarch64-linux-gnu
    PKG_CONFIG_SYSROOT_DIR=$arm_root PKG_CONFIG_LIBDIR=$lib/pkgconfig:$arm_root/usr/share/pkgconfig \
        make --no-print-directory -j"$(nproc)" BUILD=build/arm64 BACKENDS=openblas MPICC=aarch64-linux-gnu-gcc \
        OPTIMISE="-O2 -fno-tree-vectorize" \
        CFLAGS="--sysroot=$arm_root -isystem $lib/openmpi/include -isystem $arm_root/usr/include/aarch64-linux-gnu/openblas-pthread" \
        LDFLAGS="--sysroot=$arm_root -L$lib/openblas-pthread $(printf -- "-Wl,-rpath-link,$lib/%s " openblas-pthread blas lapack)" \
        LDLIBS="-L$lib/openmpi/lib -lmpi" "$@"
}
arm_run() { # PROGRAM ARGUMENT...
    local lib=$arm_root/usr/lib/aarch64-linux-gnu
    timeout 900 qemu-aarch64-static -L "$arm_root" -E LD_LIBRARY_PATH="$lib:$lib/openmpi/lib:$lib/openblas-pthread" -E OMP_NUM_THREADS=1 "$@"
}

try_arm64() { # tries ARM and prints its row of the table
    local tool program tests target link log=$logs/arm64 packages=libopenmpi-dev,libhdf5-dev,libopenblas-dev,libarchive-dev,libcurl4-openssl-dev,libssl-dev
    local formats=libprotobuf-c-dev,libisal-dev
    for tool in aarch64-linux-gnu-gcc qemu-aarch64-static; do
        command -v $tool > /dev/null || { say "$tool is missing (Debian: gcc-aarch64-linux-gnu, qemu-user-static)"; return 1; }
    done
    say "arm64: its libraries"
    bootstrap bookworm "$arm_root" --architectures=arm64 --variant=extract \
        --include=$packages,libjpeg-dev,libpng-dev,librandom123-dev,libconfig-dev,$formats,libcmocka-dev,libc6-dev > "$log.system.log" 2>&1 ||
        { say "arm64: $(tail -n 1 "$log.system.log")"; return 1; }
    # Absolute links in $arm_root lead into this system: redirect them.
    find "$arm_root/usr/lib/aarch64-linux-gnu" -lname '/*' -printf '%l %p\n' |
        while read -r target link; do ln -sfn "$arm_root$target" "$link"; done
    tests=$(ls tests/unit/test_*.c tests/backends/test_*.c | sed 's,^,build/arm64/,; s,\.c$,,')
    say "arm64: the build ($log.build.log)"
    arm_make build/arm64/cifar10_mpi $tests > "$log.build.log" 2>&1 || { say "arm64: $(tail -n 1 "$log.build.log")"; return 1; }
    say "arm64: its tests ($log.test.log)"
    for program in $tests; do echo "# $program"; arm_run "$program" || echo "# exit code $?"; done > "$log.test.log" 2>&1
    echo "| Debian bookworm, arm64 under qemu | $(aarch64-linux-gnu-gcc -dumpversion) | | | none (openblas) | |" \
        "$(grep -c '^ok [0-9]' "$log.test.log") passed, $(grep '^not ok [0-9]\|^# exit code' "$log.test.log" | grep -vc '# SKIP') failed | $(date +%F) |"
}

echo "| | gcc | MPI | HDF5 | oneDNN | make run | make test | tried |"
echo "|---|---|---|---|---|---|---|---|"
failed=0
for platform; do
    if [ "$platform" = arm64 ]; then try_arm64; else try_release "$platform"; fi > "$tmp/row" || failed=1
    cat "$tmp/row"
    grep -q ' 0 failed' "$tmp/row" || failed=1
done
exit $failed
