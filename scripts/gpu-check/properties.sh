#!/bin/bash
# The device's properties as cuDNN writes them down, kept in device.json, and what cuDNN plans from them
# time: 15 s, at most 60 s
. scripts/gpu-check/lib.sh
plans() { # FILE NAME
    run build/tests/gpu/plans "$1" "$2" > "$work/plans"
    local rc=$?
    cat "$work/plans"
    return $rc
}
if [ "$DRY" -eq 1 ]; then # the real cuDNN, for a device that is not there
    unset LD_LIBRARY_PATH
    verify "plans for an H100 that is not here" plans tests/gpu/h100-device.json h100
else
    serialised() { run build/tests/gpu/properties > "$RESULTS/device.json" && [ -s "$RESULTS/device.json" ]; }
    verify "properties" serialised
    verify "plans from them" plans "$RESULTS/device.json" "this device"
fi
tell '' "$(grep -E '^\|( device |---|.* \| conv[12] \| )' "$work/plans")"
finish
