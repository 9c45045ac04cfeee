#!/bin/bash
# Installs Debian packages: `scripts/deps.sh build` those needed to build and run, `build test` also those that the tests need. Fast
# and silent if all are installed. If apt is missing or may not be used, prints the command and fails.
set -euo pipefail
build="gcc libc6-dev make pkg-config libopenmpi-dev openmpi-bin libhdf5-dev hdf5-tools libopenblas-dev libdnnl-dev
    libcurl4-openssl-dev ca-certificates libarchive-dev libjpeg-dev libpng-dev libssl-dev libconfig-dev librandom123-dev
    libprotobuf-c-dev protobuf-c-compiler libisal-dev curl xz-utils"
test="libcmocka-dev libhdf5-dev python3-h5py python3-pil python3-venv gnuplot-nox slurm-wlm munge iproute2 procps mount valgrind
    clang libclang-rt-dev mpich libmpich-dev universal-ctags"

optional=libxsmm-dev # not available for every processor; onednn is slower without it

wanted=
for group in "${@:-build}"; do
    case $group in
        build) wanted+=" $build" ;;
        test) wanted+=" $test" ;;
        *) echo "deps.sh: '$group' is no group of packages: build, test" >&2; exit 2 ;;
    esac
done

needed() { # PACKAGE...: prints those that are not installed
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
    echo "Packages are missing, and only root can install them. The command on Debian:"
    echo "apt-get install -y --no-install-recommends$missing$extra"
    echo "If equivalents are installed under other names, continue: plain 'make' builds with what it finds."
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
# If only an optional package is missing, do not ask for a password.
if [ -n "$extra" ] && [ -n "$missing" -o -z "$as_root" ] && apt-cache show $extra > /dev/null 2>&1; then
    echo "Installing$extra"
    install $extra > "$log" 2>&1 < /dev/null || echo "apt-get could not install it: continuing without."
fi
