#!/bin/bash
# compute-sanitizer finds no wrong access (memcheck) and no race in shared memory (racecheck) in our own kernels
# time: 40 s, at most 180 s
. scripts/gpu-check/lib.sh
sanitizer=$(command -v compute-sanitizer || ls "${CUDA_HOME:-/usr/local/cuda}"/bin/compute-sanitizer 2> /dev/null)
find_data
# Only our own kernels: the libraries' kernels would take long. API errors are not reported, since the program checks them itself
# and a library may make a call just to see whether it works. --deterministic avoids timing the engines.
watched() { # TOOL OPTIONS...
    rm -rf "$work/run"
    run "${sanitizer:-compute-sanitizer}" --tool "$1" --kernel-name kns=kernel_ --report-api-errors no --error-exitcode 9 \
        ./cifar10_mpi train --data "$data" --train-dir "$work/run" --tower cudnn --batch-size 8 --max-steps 4 --deterministic "${@:2}"
}
if [ "$DRY" -eq 1 ]; then
    run() { echo "+ $*"; while [ "$1" != ./cifar10_mpi ]; do shift; done; "$@"; }
    watched memcheck --precision bf16 && watched racecheck --no-graph || exit 1
    skip "compute-sanitizer watches a GPU only; its command line ran without it"
fi
[ -n "$sanitizer" ] || skip "compute-sanitizer is not here (CUDA's toolkit has it)"
verify "memcheck, bf16, a graph" watched memcheck --precision bf16
verify "racecheck, fp32, single launches" watched racecheck --no-graph
tell '' "$(grep -h 'SUMMARY' "$RESULTS/$PART.log" | sed 's/^=* */- /')"
finish
