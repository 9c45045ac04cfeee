#!/bin/bash
# Runs README's two commands on bare Debian 12 and 13, and the unit tests on ARM under qemu.
# time limit: 14400 s
. tests/lib.sh
if ! command -v mmdebstrap > /dev/null || [ "$(id -u)" -ne 0 ]; then
    skip "bare systems" "they need mmdebstrap and root"
    finish
    exit
fi
for platform in bookworm trixie arm64; do
    check "$platform" scripts/platforms.sh $platform
done
finish
