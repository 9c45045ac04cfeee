#!/bin/bash
# The first steps on the device have the losses of the openblas tower
# time: 40 s, at most 120 s
. scripts/gpu-check/lib.sh
find_data
steps="--batch-size $(size 128 16) --max-steps $(size 20 6) --log-frequency 1"
on_cpu() { run ./cifar10_mpi train --data "$data" --train-dir "$work/cpu" --tower openblas $steps; }
on_device() { train 1 "$1" --precision "$1" $steps && agree cpu "$1" "$2" | tee "$work/apart"; }
verify "the openblas tower" on_cpu
for case in fp32:1e-4 tf32:5e-3 bf16:3e-2; do
    verify "${case%:*}" on_device ${case/:/ }
    sed "s/^/${case%:*}: /" "$work/apart" >> "$work/all"
done
tell '' "Relative differences of the cross-entropy:" '' "$(sed 's/^/- /' "$work/all")"
finish
