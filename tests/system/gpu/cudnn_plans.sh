#!/bin/bash
# The real cuDNN plans every convolution of every model (the tutorial's at three batch sizes) for devices that are not present: in fp32
# without tensor cores, in tf32 and bf16, deterministic or not, with fused forward passes, within the default workspace.
# With --table it prints the table of src/backends/cudnn/README.md instead.
# time limit: 300 s
. tests/lib.sh
plans=build/tests/gpu/plans readme=src/backends/cudnn/README.md
[ -x $plans ] || { skip "cuDNN's plans" "the cudnn backend was not built (make info tells why)"; finish; exit; }

all_planned() { # DEVICE: succeeds if every pass has a plan, and no generic engine comes before another one
    $plans tests/gpu/"$1"-device.json "$1" > "$tmp/$1" 2>&1 || { cat "$tmp/$1"; return 1; }
}
# The tutorial's plans, without the device's name: by layer, pass and precision, then by batch size.
table() {
    grep -E '^\| device' "$tmp/h100" | cut -d '|' -f 1,4-
    grep -m1 '^|---' "$tmp/h100" | cut -d '|' -f 1,4-
    grep -E '^\| h100 \| no \| conv[12] ' "$tmp/h100" | cut -d '|' -f 1,4- | sort -s -t '|' -k 2,4
}
[ "${1:-}" != --table ] || { all_planned h100 && table; exit; }

no_tensor_cores() { ! grep '| fp32 |.*tensor cores |' "$tmp/$1"; }
on_tensor_cores() { # DEVICE: every engine that is suggested first for bf16 uses tensor cores
    [ "$(grep -c '| bf16 |.*tensor cores |' "$tmp/$1")" -eq "$(grep -c '| bf16 |' "$tmp/$1")" ]
}
as_asked() { ! grep -E '^\| [a-z0-9]+ \| yes \|.*not deterministic' "$tmp/$1"; }
# The default workspace grows with the batch, so no plan is excluded (32 MiB would exclude some): conv2's forward pass in tf32 has 11
# engines at every batch, 7 of them on tensor cores, including those that no heuristic suggests.
grows() { [ "$(grep -cE '\| conv2 \| forward \| tf32 \| (128|512|2048) \| [0-9]+ \| 11 \| 7 \| 1 \|' "$tmp/h100")" -eq 6 ]; }
as_in_readme() { diff <(table) <(sed -n '/^| layer | pass/,/^$/p' $readme | grep '^|'); }
for device in h100 a100; do
    check "all of them for an $device" all_planned $device
    check "138 passes" test "$(grep -cE "^\| $device \| (yes|no) \|" "$tmp/$device")" -eq 138
    check "true fp32 without tensor cores" no_tensor_cores $device
    check "bf16 on them" on_tensor_cores $device
    check "deterministic ones where asked" as_asked $device
    sed 's/^/# /' "$tmp/$device"
done
if grep -q '^cuDNN 919' "$tmp/h100"; then
    check "the same engines fit at every batch" grows
    check "the table of $readme" as_in_readme
else
    skip "the table of $readme" "it is cuDNN 9.19's"
fi
finish
