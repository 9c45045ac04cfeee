#!/bin/bash
# Examples per second at batch 128, with the whole step on the device; also with a log line every 10 steps (the default)
# time: 65 s, at most 150 s
. scripts/gpu-check/lib.sh
find_data
batch=$(size 128 8) images=$(size 3000000 384)
for precision in bf16 tf32 fp32; do verify "$precision" rate rates.csv "$batch" $precision "$images"; done
verify "bf16, log lines as by default" rate rates.csv "$batch" bf16 $((images / 2)) --log-frequency "$(size 10 2)"
finish
