#!/bin/bash
# compute-sanitizer finds no wrong access (memcheck) and no race in shared memory (racecheck) in a short run
# time limit: 480 s
. scripts/gpu-check/lib.sh
sanitizer=$(command -v compute-sanitizer || ls "${CUDA_HOME:-/usr/local/cuda}"/bin/compute-sanitizer 2> /dev/null)
find_data
# Races are looked for in our own kernels: the libraries' would take long, and are others' to mend. Statuses of CUDA's calls are
# checked by ourselves; the libraries' calls may fail where they only try.
declare -A options=([memcheck]="--report-api-errors no" [racecheck]="--kernel-name kns=kernel_")
watched() { # TOOL OPTIONS...
    rm -rf "$work/run"
    run "${sanitizer:-compute-sanitizer}" --tool "$1" --error-exitcode 9 ${options[$1]} ./cifar10_mpi train --data "$data" \
        --train-dir "$work/run" --tower cudnn --batch-size 8 --max-steps 4 "${@:2}"
}
if [ "$DRY" -eq 1 ]; then
    run() { echo "+ $*"; }
    for tool in memcheck racecheck; do watched $tool --no-graph; done
    skip "it watches a GPU only"
fi
[ -n "$sanitizer" ] || skip "compute-sanitizer is not here (CUDA's toolkit has it)"
for tool in memcheck racecheck; do
    verify "$tool" watched $tool --no-graph
    verify "$tool, a graph" watched $tool --precision bf16
done
tell '' "$(grep -h 'SUMMARY' "$OUT/$PART.log" | sed 's/^=* */- /')"
finish
