#!/bin/bash
# Duration of each launch of a step at batch 128, measured by ncu, beside what scripts/gpu_expect.py expects
# time: 60 s, at most 150 s
. scripts/gpu-check/lib.sh
ncu=$(command -v ncu || ls /usr/local/cuda/bin/ncu /opt/nvidia/nsight-compute/*/ncu 2> /dev/null | tail -n 1)
[ "$DRY" -eq 1 ] || [ -n "$ncu" ] || skip "ncu is missing (CUDA's toolkit has it, as Nsight Compute)"
find_data

# ncu starts at cudaProfilerStart: before that the program times engines, which ncu would disturb. In a dry run the program
# runs without ncu, and the durations are made up.
profiled() { # FILE COMMAND...
    local file=$1
    shift
    if [ "$DRY" -eq 1 ]; then run "$@" && python3 scripts/gpu_expect.py made-up "$precision" > "$file"; return; fi
    run "$ncu" --target-processes application-only --profile-from-start off --metrics gpu__time_duration.sum --print-units base \
        --cache-control none --clock-control none --csv --log-file "$file" "$@"
}
launches() { # PRECISION
    local precision=$1 csv=$RESULTS/ncu-$1.csv rc
    rm -rf "$work/run"
    python3 scripts/gpu_expect.py csv "$precision" > "$RESULTS/expected-$precision.csv" || return 1
    profiled "$work/ncu" ./cifar10_mpi train --data "$data" --train-dir "$work/run" --tower cudnn --precision "$precision" \
        --batch-size "$(size 128 8)" --no-graph --max-steps 2 --log-frequency 1 --parity-steps 0
    rc=$?
    grep -v '^==PROF==' "$work/ncu" > "$csv"
    if grep -q ERR_NVGPUCTRPERM "$csv"; then skip "the driver allows only administrators to use the counters (ERR_NVGPUCTRPERM)"; fi
    grep '^==' "$csv"
    [ $rc -eq 0 ] && python3 scripts/gpu-check/measured.py --launches "$precision" "$RESULTS"
}
for precision in bf16 tf32; do verify "$precision" launches $precision; done
finish
