#!/bin/bash
# Training of the cudnn tower on the referee: one trajectory on any number of ranks, resuming, little memory, launches.
# time limit: 300 s
. tests/lib.sh
. tests/referee.sh
referee_or_skip "training on the cudnn tower"
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
export FAKECUDA_DEVICES=4

says() { cat "$2" <(unwrapped "$2") | grep -E -- "$1" || { cat "$2"; return 1; }; }

# One trajectory: 4 slices on 1, 2 and 4 ranks, with one device per rank or one for all; with evaluations on 2 ranks.
seed=0
for ranks in 1 2 4; do
    check "6 steps of 4 slices on $ranks ranks" train $((++seed)) $ranks slices$ranks --slices 4 --batch-size $((32 / ranks)) \
        --max-steps 6 $([ $ranks -ne 2 ] || echo --eval-steps 3)
    [ $ranks -eq 1 ] || same "1 rank and $ranks ranks" slices1 slices$ranks 6
done
for ranks in 1 2; do # more slices per rank than the reducer has leaves
    check "4 steps of 16 slices on $ranks ranks" train $((++seed)) $ranks many$ranks --slices 16 --batch-size $((32 / ranks)) --max-steps 4
done
same "16 slices on 1 rank and 2 ranks" many1 many2 4
check "2 ranks that share a device" env FAKECUDA_DEVICES=1 bash -c "$(declare -f train on_referee); fakes=$fakes tmp=$tmp data=$data
    train 9 2 shared --slices 4 --batch-size 16 --max-steps 6 --share-devices > $tmp/shared.log 2>&1"
same "a device each and one for both" slices1 shared 6
check "which is warned of" says 'warning +ranks share a GPU: .*MPS' "$tmp/shared.log"
FAKECUDA_DEVICES=1 refused "ranks that share a device unasked" "ranks 0 and 1 on .* both have GPU 0000:10:00\.0, UUID 00aaaaaa(-aaaa){3}-aaaaaaaaaa00: .*--share-devices" \
    train 1 2 unasked --batch-size 8 --max-steps 2

refused "another workspace of a run with slices: it chooses other engines" "with --workspace-mib 0, not 16:" \
    train 1 1 slices1 --slices 4 --batch-size 32 --max-steps 8 --workspace-mib 16

# Results agree with the CPU's.
check "6 steps of the openblas tower" mpirun -np 2 ./cifar10_mpi train --data "$data" --train-dir "$tmp/cpu" --tower openblas --batch-size 16 \
    --max-steps 6 --log-frequency 2
timed() { on_referee 3 ./cifar10_mpi bench --tower cudnn --batch-size 4 --bench-steps 2 | awk '/^#/ { next } { print } /^conv2 .*[0-9]/ { found = 1 } END { exit !found }'; }
check "bench" timed
core=$(taskset -cp $$ | sed 's/.*: *\([0-9]*\).*/\1/')
engines() { # trains on one core without --deterministic; the log names the engines chosen for both convolutions
    on_referee 4 taskset -c "$core" ./cifar10_mpi train --data "$data" --train-dir "$tmp/chosen" --tower cudnn --verbose --batch-size 4 --max-steps 2 > "$tmp/chosen.log"
    grep -E 'conv[12]: forward engine [0-9]+.* ms, best of [0-9]+, [0-9]+ too large, 2 failed, 1 wrong\); .*weights engine' "$tmp/chosen.log" | wc -l | grep -x 2
}
check "the engines chosen are told, and their times" engines
passed_by() { FAKECUDA_FAIL=cudnnBackendExecute:1 on_referee 4 ./cifar10_mpi train --data "$data" --train-dir "$tmp/passed" --tower cudnn --verbose --batch-size 4 --max-steps 2 > "$tmp/passed.log"; }
check "an engine that was planned and cannot run is passed by" passed_by
if [ "$(env -u OMP_NUM_THREADS nproc)" -lt 2 ]; then skip "a rank that is bound to one core" "this process may use one core only"
else
    check "a rank that is bound to one core is warned of" says 'warning +a rank on .* may use 1 of [0-9]+ cores, .* mpirun --bind-to none' "$tmp/chosen.log"
    check "one that is not bound is not" test "$(grep -c 'warning' "$tmp/passed.log")" -eq 0
fi
check "one rank" train 4 1 one --batch-size 32 --max-steps 6
check "losses as the CPU's" agree cpu one 1e-4

# Dense layers if cublasLt offers no epilogue (referee_tests.sh checks the results).
unfused() { FAKECUDA_NO_EPILOGUES="4 6 134 136 256" on_referee 4 ./cifar10_mpi train --data "$data" --train-dir "$tmp/unfused" --tower cudnn --verbose --batch-size 4 --max-steps 2 > "$tmp/unfused.log"; }
check "without any epilogue" unfused
check "the log says so" says 'local3: forward, bias by a kernel; weights, bias by a kernel; input$' "$tmp/unfused.log"

# A run that changes from one tower to another.
check "3 steps on the CPU" ./cifar10_mpi train --data "$data" --train-dir "$tmp/mixed" --tower openblas --batch-size 32 --max-steps 4 --log-frequency 2
check "continued on the device" train 5 1 mixed --batch-size 32 --max-steps 6
check "losses as all on one" agree cpu mixed 1e-4
check "evaluated on the device" on_referee 6 ./cifar10_mpi eval --data "$data" --checkpoint-dir "$tmp/mixed" --run-once --tower cudnn --batch-size 50 --verbose

# Too little memory for the images, and for the batch.
turns() { train 9 1 "$1" --workspace-mib 4 --batch-size 4 --max-steps 22 --log-frequency 11; } # more steps than the window's ring has slots
check "images on the device" turns all
check "images brought step by step" env FAKECUDA_MEMORY=$((100 << 20)) bash -c "$(declare -f turns train on_referee); fakes=$fakes tmp=$tmp data=$data
    turns window > $tmp/window.log 2>&1"
check "is said" says 'images +brought to the device step by step' "$tmp/window.log"
check "the epilogues of dense layers are in the log" says 'local3: forward with bias, ReLU and its mask; weights with the bias.s gradient; input' "$tmp/window.log"
same "images on the device or brought there" all window 22
FAKECUDA_MEMORY=$((300 << 20)) refused "a batch that does not fit" "a batch of 4096 images needs about .* a batch of [0-9]+ would fit" \
    train 1 1 large --batch-size 4096 --max-steps 2
would_fit() { # OPTION...: prints the batch size that the refusal suggests
    FAKECUDA_MEMORY=$((300 << 20)) train 1 1 large --batch-size 4096 --max-steps 2 "$@" 2>&1 | grep -oE 'a batch of [0-9]+ would' | tr -dc 0-9
}
workspace_counts() { # the default workspace, 3 * 24 * 24 * 64 floats per image, leaves room for a smaller batch than a fixed one
    local grows fixed
    grows=$(would_fit) && fixed=$(would_fit --workspace-mib 32) && echo "$grows $fixed" && [ "$grows" -gt 100 ] && [ "$fixed" -gt $((grows + 50)) ]
}
check "a workspace that grows with the batch is counted" workspace_counts

# Each step launches our own kernels and calls cuDNN and cuBLAS. Eight steps are one graph and one copy of their samples. For each log
# line the host waits once, for a block of steps; the next block has been enqueued by then.
counted() { # RUN PRECISION STEPS LOG-FREQUENCY: counts a run's calls, and the operations that ran, in counts-RUN
    rm -rf "$tmp/counted"
    on_referee 3 env FAKECUDA_COUNT="$tmp/counts-$1" ./cifar10_mpi train --data "$data" --train-dir "$tmp/counted" --tower cudnn --deterministic \
        --precision "$2" --batch-size 4 --max-steps "$3" --log-frequency "$4" > /dev/null
}
count() { awk -v what="$2 $3" '$1 " " $2 == what { n = $3 } END { print n + 0 }' "$tmp/counts-$1"; } # RUN call|run NAME
more() { # N RUN RUN call|run NAME...: succeeds if the second run has N more of each
    local name
    for name in "${@:5}"; do
        echo "$name: $(count "$2" $4 $name), $(count "$3" $4 $name)"
        [ $(($(count "$3" $4 $name) - $(count "$2" $4 $name))) -eq "$1" ] || return 1
    done
}
sum() { awk '/^run / { sum += $NF } END { print sum }' "$tmp/counts-$1"; }
launches() { echo "$(sum "$2") $(sum "$3")" && [ $(($(sum "$3") - $(sum "$2"))) -eq "$1" ]; }
waits="cudaStreamSynchronize cudaDeviceSynchronize cudaMemcpy"
# The model's pools and norms use the kernels made for their shapes. In the graph, our kernels may start before the previous kernel has
# ended.
instances() {
    local type=float
    [ "$1" = fp32 ] || type=half
    awk -v type="_$type\$" '/^run kernel_(pool|norm)/ { print; n++; if ($2 !~ type || $3 != 18) bad = 1 } END { exit n != 4 || bad }' "$tmp/counts-$1-18"
}
early() { awk '/^call early launch/ { print; n = $NF } END { exit !(n > 0) }' "$tmp/counts-$1-18"; }
taken() { grep -E '^call cuda(Malloc|HostAlloc) ' "$tmp/counts-$1"; }
for precision in fp32 bf16; do
    check "10 and 18 steps, counted, in $precision" eval "counted $precision-10 $precision 10 10 && counted $precision-18 $precision 18 18"
    check "20 launches a step, and a copy for all eight" launches $((8 * 20 + 1)) $precision-10 $precision-18
    check "and no memory taken" diff <(taken $precision-10) <(taken $precision-18)
    check "instances of pools and norms" instances $precision
    check "early launches" early $precision
    check "those that scripts/gpu_expect.py tells of" scripts/gpu_expect.py counted "$tmp/counts-$precision-10" "$tmp/counts-$precision-18" 8
done
check "one graph more" more 1 fp32-10 fp32-18 call cudaGraphLaunch
check "the host waits for nothing between two log lines" more 0 fp32-10 fp32-18 call $waits cudaEventSynchronize
check "18 steps with a log line in the middle, counted" counted lines fp32 18 9
check "for which the host waits once" more 1 fp32-18 lines call cudaEventSynchronize
check "but not for all work, nor by a copy from pageable memory" more 0 fp32-18 lines call $waits
check "its results are added up by one launch" more 1 fp32-18 lines run kernel_results
ahead() { # enqueuing the second block of steps fails, before the losses of the first have been read
    rm -rf "$tmp/counted"
    FAKECUDA_FAIL=cudaGraphLaunch:8 on_referee 3 ./cifar10_mpi train --data "$data" --train-dir "$tmp/counted" --tower cudnn --deterministic \
        --batch-size 4 --max-steps 18 --log-frequency 9 > "$tmp/ahead.log" 2>&1
    [ $? -eq 1 ] && grep 'cudaGraphLaunch' "$tmp/ahead.log" && ! grep 'step 9, loss' "$tmp/ahead.log"
}
check "a block of steps is given before the results of the last one are read" ahead

# A step whose capture fails runs without a graph: graphs and early launches only save time.
refusing() { # NAME FAILURE OPTION...: two steps are launched one by one, then one by a graph, then eight at once
    FAKECUDA_FAIL=$2 FAKECUDA_COUNT="$tmp/counts-$1" train 3 1 "$1" --batch-size 4 --max-steps 18 --log-frequency 9 "${@:3}"
}
told_once() { [ "$(grep -cE "$1" "$tmp/$2/train.log")" -eq 1 ] && [ "$(grep -c 'captured' "$tmp/$2/train.log")" -eq 1 ]; }
check "18 steps without graphs" refusing pieces "" --no-graph
check "a device that refuses early launches" refusing late "early launch:1+"
check "the log says so" told_once 'step captured without early launches \(slower\): .*: CUDA: cudaLaunchKernelExC.*not supported' late
check "has graphs without them" more 0 lines late call cudaGraphLaunch
same "with graphs without early launches, and without graphs" pieces late 18
check "a graph of eight steps that cannot be made" refusing eight cudaGraphInstantiate:7+
check "the log says so" told_once 'the step cannot be captured as a graph \(slower\): CUDA: cudaGraphInstantiate' eight
same "with graphs that fail, and without graphs" pieces eight 18
finish
