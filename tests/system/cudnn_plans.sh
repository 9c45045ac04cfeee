#!/bin/bash
# The real cuDNN plans every convolution of every model for devices that are not there: fp32 without tensor cores, tf32, bf16,
# deterministic or not, fused forward, within 32 MiB of workspace.
# time limit: 300 s
. tests/lib.sh
plans=build/tests/gpu/plans
[ -x $plans ] || { skip "cuDNN's plans" "the cudnn backend was not built (make info tells why)"; finish; exit; }

all_planned() { # DEVICE: each line a plan
    $plans tests/gpu/"$1"-device.json "$1" > "$tmp/$1" 2>&1 || { cat "$tmp/$1"; return 1; }
}
no_tensor_cores() { ! grep '| fp32 |.*tensor cores' "$tmp/$1"; }
as_asked() { ! grep '| yes | .*not deterministic' "$tmp/$1"; }
for device in h100 a100; do
    check "all of them for an $device" all_planned $device
    check "78 passes" test "$(grep -c '^| .* | [a-z]* | [a-z0-9]* | \(yes\|no\) |' "$tmp/$device")" -eq 78
    check "true fp32 without tensor cores" no_tensor_cores $device
    check "deterministic ones where asked" as_asked $device
    sed 's/^/# /' "$tmp/$device"
done
finish
