#!/bin/bash
# Installs Debian packages: `scripts/deps.sh build` those that building and running need, `build test` also those of the tests.
# Quick and silent where all are there. Without apt, or without the right to use it, it prints the list and fails.
set -euo pipefail
build="gcc libc6-dev make pkg-config libopenmpi-dev openmpi-bin libhdf5-dev hdf5-tools libopenblas-dev libdnnl-dev libxsmm-dev
    libcurl4-openssl-dev ca-certificates libarchive-dev libjpeg-dev libpng-dev libssl-dev librandom123-dev curl xz-utils"
test="libcmocka-dev libhdf5-dev python3-h5py python3-pil gnuplot-nox slurm-wlm munge iproute2"

wanted=
for group in "${@:-build}"; do
    case $group in
        build) wanted+=" $build" ;;
        test) wanted+=" $test" ;;
        *) echo "deps.sh: '$group' is no group of packages: build, test" >&2; exit 2 ;;
    esac
done

installed=$(dpkg-query -W -f '${Package}:${Status}\n' $wanted 2> /dev/null || true)
missing=
for package in $wanted; do
    grep -qx "$package:install ok installed" <<< "$installed" || missing+=" $package"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then as_root="sudo"; fi
if ! command -v apt-get > /dev/null || { [ -n "$as_root" ] && ! command -v sudo > /dev/null; }; then
    echo "These packages (Debian's names) are missing, and only root with apt-get can install them here:"
    echo " $missing"
    echo "Install them or their like, then run the same command again; plain 'make' builds with what is there."
    exit 1
fi >&2

echo "Installing$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt="$as_root env DEBIAN_FRONTEND=noninteractive apt-get -y"
{ $apt update && $apt install --no-install-recommends $missing; } > "$log" 2>&1 < /dev/null ||
    { grep -E '^[EW]: ' "$log" || tail -n 20 "$log"; echo "apt-get could not install them."; exit 1; } >&2
