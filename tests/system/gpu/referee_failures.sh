#!/bin/bash
# Makes every CUDA function that the module calls fail once: the run prints one sentence that names it, exits with 1 and leaks nothing.
# Also, the referee has exactly those functions.
# time limit: 300 s
. tests/lib.sh
. tests/referee.sh
referee_or_skip "failures of CUDA's functions"
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }

imports() { nm -D --undefined-only cifar10_cudnn.so | awk '{ print $NF }' | sed 's/@.*//' | grep -E '^(__cuda|cuda|cudnn|cublas|nccl)' | sort; }
exports() { for library in "$fakes"/lib*.so.*; do nm -D --defined-only "$library" | awk '{ print $NF }' | sed 's/@.*//'; done | grep -vE '^(fake_|twin_)' | sort; }
alike() { diff <(imports | grep -vx cudaLaunchKernel) <(exports | grep -vx cudaLaunchKernel); } # the referee's own tests call it
check "the referee has what the module calls, and nothing else" alike

# Left out: functions that only describe an error or release something, whose failure has no consequences; cudnnBackendGetAttribute,
# since if one heuristic fails another is tried; cudaDeviceSynchronize, since after its failure it is unknown what may be freed.
silent='cudnnBackendGetAttribute|cudaDeviceSynchronize|Error|StatusString|Destroy|^cudaFree|^__cuda|Unregister|LastErrorString|^cudnnGetVersion|^ncclGetVersion|cudaStreamIsCapturing|cudaProfilerStart'
train=(./cifar10_mpi train --data "$data" --tower cudnn --batch-size 8 --summary-frequency 0) # summaries make calls of their own
fails() { # FUNCTION COUNT SLICES ALLREDUCE [must]: the COUNT-th call fails; must: there have to be that many calls
    local said=$tmp/said rc
    on_referee 5 env FAKECUDA_FAIL="$1:$2" FAKECUDA_DEVICES=1 "${train[@]}" --train-dir "$tmp/run" --max-steps 4 --slices "$3" --resume never --allreduce "$4" > "$tmp/out" 2> "$said"
    rc=$?
    rm -rf "$tmp/run"
    grep -v '^-\|^MPI_ABORT\|^with errorcode\|^NOTE\|^You may\|^exactly\|^$\|mpirun\|^In: PMI_Abort\|ORTE_ERROR_LOG' "$said" > "$tmp/sentences"
    [ $rc -eq 0 ] && [ "$2" -gt 1 ] && [ -z "${5:-}" ] && return # there are fewer calls
    [ $rc -eq 1 ] && [ "$(wc -l < "$tmp/sentences")" -eq 1 ] && grep -q "${1%_v2}\|device has no\|are free" "$tmp/sentences" ||
        { echo "$1, call $2: exit code $rc"; cat "$said"; return 1; }
}
dropped() { # FUNCTION SLICES: an engine fails and is dropped, and the run succeeds
    rm -rf "$tmp/run"
    on_referee 5 env FAKECUDA_FAIL="$1:1" "${train[@]}" --train-dir "$tmp/run" --max-steps 1 --slices "$2" --resume never --verbose > "$tmp/out" 2>&1 && grep -q 'conv1: forward engine.*, [0-9] failed' "$tmp/out" || { cat "$tmp/out"; return 1; }
    rm -rf "$tmp/run"
}
uncaptured() { # FUNCTION: its calls fail from some call on, and the run succeeds without graphs
    rm -rf "$tmp/uncaptured"
    on_referee 5 env FAKECUDA_FAIL="$1:6+" "${train[@]}" --train-dir "$tmp/uncaptured" --max-steps 4 --slices 4 > "$tmp/out" 2>&1 && grep "the step cannot be captured as a graph (slower): CUDA: $1" "$tmp/out" &&
        same_bits "$tmp/eager/checkpoint-00000004.h5" "$tmp/uncaptured/checkpoint-00000004.h5" || { cat "$tmp/out"; return 1; }
}
broken() { # a capture fails, and then work that was enqueued before it fails: the run ends, and names both
    ! on_referee 5 env FAKECUDA_FAIL="cudaGraphInstantiate:6,run:kernel_update:2" "${train[@]}" --train-dir "$tmp/broken" \
        --deterministic --max-steps 4 > "$tmp/out" 2>&1 &&
        grep 'rank 0 .*: capturing the step: CUDA: cudaStreamSynchronize.*illegal memory access' "$tmp/out" || { cat "$tmp/out"; return 1; }
}
all_fail() {
    local function failed=
    for function in $(imports | grep -vE "$silent"); do
        case $function in
            nccl*) fails "$function" 1 0 nccl ;;
            cudaEventElapsedTime) dropped "$function" 0 ;;
            cudaHostRegister) fails "$function" 1 4 auto ;;
            # While engines are tried (for 5 passes), a failure only excludes one of them. Later the step runs without a graph.
            cudaStreamBeginCapture | cudaStreamEndCapture | cudaGraphInstantiate) dropped "$function" 4 && uncaptured "$function" ;;
            cudnnBackendExecute) dropped "$function" 4 && fails "$function" 50 4 auto must ;;
            cudaStreamSynchronize) dropped "$function" 4 ;;
            *) fails "$function" 1 4 auto ;;
        esac || failed=1
    done
    [ -z "$failed" ]
}
check "4 steps without graphs" on_referee 5 "${train[@]}" --train-dir "$tmp/eager" --max-steps 4 --slices 4 --no-graph
check "the first call of each fails" all_fail
check "a device that is broken when a capture fails ends the run" broken
later() {
    local function count
    for function in cudaMalloc cudaMemcpy cudaMemcpyAsync cudaLaunchKernelExC cudaStreamSynchronize cudaEventRecord cudnnBackendExecute cublasLtMatmul; do
        for count in 3 9; do
            [ "$(imports | grep -c "^${function}")" -gt 0 ] || continue
            fails "$(imports | grep -m1 "^${function}")" $count 4 auto || return 1
        done
    done
}
check "later ones fail" later
finish
