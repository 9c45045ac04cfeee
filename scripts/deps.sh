#!/bin/bash
# Installs Debian packages: `scripts/deps.sh build` those that building and running need, `build test` also those of the tests.
# Quick and silent where all are there. Without apt, or without the right to use it, it prints the command and fails.
set -euo pipefail
build="gcc libc6-dev make pkg-config libopenmpi-dev openmpi-bin libhdf5-dev hdf5-tools libopenblas-dev libdnnl-dev
    libcurl4-openssl-dev ca-certificates libarchive-dev libjpeg-dev libpng-dev libssl-dev librandom123-dev libconfig-dev curl xz-utils"
test="libcmocka-dev libhdf5-dev python3-h5py python3-pil gnuplot-nox slurm-wlm munge iproute2 procps mount valgrind
    clang libclang-rt-dev mpich libmpich-dev"

optional=libxsmm-dev # not for every processor; onednn is slower without it

wanted=
for group in "${@:-build}"; do
    case $group in
        build) wanted+=" $build" ;;
        test) wanted+=" $test" ;;
        *) echo "deps.sh: '$group' is no group of packages: build, test" >&2; exit 2 ;;
    esac
done

needed() { # PACKAGE...: those that are not installed
    local installed package
    installed=$(dpkg-query -W -f '${Package}:${Status}\n' "$@" 2> /dev/null || true)
    for package; do grep -qx "$package:install ok installed" <<< "$installed" || printf ' %s' "$package"; done
}
missing=$(needed $wanted) extra=$(needed $optional)
[ -n "$missing$extra" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then as_root="sudo"; fi
if ! command -v apt-get > /dev/null || { [ -n "$as_root" ] && ! command -v sudo > /dev/null; }; then
    [ -n "$missing" ] || exit 0
    apt-cache show $extra > /dev/null 2>&1 || extra=
    echo "Packages are missing, which only root can install. Debian's command for that:"
    echo "apt-get install -y --no-install-recommends$missing$extra"
    echo "Where they or their like are there under other names, go on: plain 'make' builds with what it finds."
    exit 1
fi >&2

log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt="$as_root env DEBIAN_FRONTEND=noninteractive apt-get -y"
install() { $apt install --no-install-recommends "$@"; }
if [ -n "$missing" ]; then
    echo "Installing$missing"
    { $apt update && install $missing; } > "$log" 2>&1 < /dev/null ||
        { grep -E '^[EW]: ' "$log" || tail -n 20 "$log"; echo "apt-get could not install them."; exit 1; } >&2
fi
# Nobody is asked for a password only for what is optional.
if [ -n "$extra" ] && [ -n "$missing" -o -z "$as_root" ] && apt-cache show $extra > /dev/null 2>&1; then
    echo "Installing$extra"
    install $extra > "$log" 2>&1 < /dev/null || echo "apt-get could not: going on without."
fi
