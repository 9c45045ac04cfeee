#!/bin/bash
# Examples per second at batch 512 and 2048, with the whole step on the device
# time: 80 s, at most 240 s
. scripts/gpu-check/lib.sh
find_data
for batch in $(size "512 2048" "16"); do
    for precision in bf16 tf32 fp32; do verify "batch $batch, $precision" rate speed.csv "$batch" $precision "$(size 3000000 384)"; done
done
finish
