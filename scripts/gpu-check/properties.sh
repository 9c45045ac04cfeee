#!/bin/bash
# What cublasLt offers and computes for dense layers; the device's properties as cuDNN serialises them, and its plans for them
# time: 15 s, at most 60 s
. scripts/gpu-check/lib.sh
plans() { # FILE NAME
    run build/tests/gpu/plans "$1" "$2" > "$work/plans"
    local rc=$?
    cat "$work/plans"
    return $rc
}
products() {
    run build/tests/gpu/products > "$work/products"
    local rc=$?
    cat "$work/products"
    return $rc
}
verify "products of cublasLt" products
if [ "$DRY" -eq 1 ]; then # the real cuDNN, for an absent device
    unset LD_LIBRARY_PATH
    verify "plans for an H100 that is not here" plans tests/gpu/h100-device.json h100
else
    serialised() { run build/tests/gpu/properties > "$RESULTS/device.json" && [ -s "$RESULTS/device.json" ]; }
    verify "properties" serialised
    verify "plans from them" plans "$RESULTS/device.json" "this device"
fi
tell '' "$(grep '^|' "$work/products")" '' "$(grep -E '^\|( device |---|.* \| conv[12] \| )' "$work/plans")"
finish
