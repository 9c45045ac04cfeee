#!/bin/bash
# A loss or gradient that is not finite, on the cudnn tower and the referee: --on-nan stop, skip and rollback. Steps are enqueued before
# the results of earlier ones are read. A skipped step changes nothing, as on the CPU.
. tests/lib.sh
. tests/referee.sh
referee_or_skip "a loss that is NaN on the cudnn tower"
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
run() { # DIRECTORY OPTION...: the steps between two log lines are enqueued together
    on_referee 7 ./cifar10_mpi train --data "$data" --train-dir "$tmp/$1" --tower cudnn --deterministic --batch-size 4 --log-frequency 50 "${@:2}"
}
bad="loss, gradient or parameter not finite"
too_fast() { run run --learning-rate 1000 --max-steps "$@"; }
check "two steps of a far too high rate" too_fast 2
refused "a rate that sends the model to infinity" "step [0-9]+: $bad: the model has diverged; nothing was saved since step 2 \(.*/checkpoint-00000002.h5\)" \
    too_fast 12
refused "--on-nan skip, and it does not end" "$bad, as in the 3 steps before, which were skipped" too_fast 12 --on-nan skip
check "--on-nan rollback" too_fast 12 --on-nan rollback
once() { test "$(grep -A 1 "$bad$" "$tmp/$1/train.log" | grep -c "back to the parameters of step 2$")" -eq 1; }
check "goes back once, though more steps followed the first fault" once run
check "and has those of the checkpoint" same_bits "$tmp/run/checkpoint-00000002.h5" "$tmp/run/checkpoint-00000012.h5"

skips() { # NAME RANKS TOWER OPTION...: trains three steps
    cp -r "$tmp/huge" "$tmp/$1"
    on_referee 8 mpirun -np "$2" ./cifar10_mpi train --data "$data" --train-dir "$tmp/$1" --tower "$3" --on-nan skip --max-steps 5 \
        --batch-size $((4 / $2)) "${@:4}" || return 1
    [ "$(grep -c 'the update of this step is left out$' "$tmp/$1/train.log")" -eq 3 ] && same_bits "$tmp/$1/checkpoint-0000000"{2,5}.h5
}
export FAKECUDA_DEVICES=2
check "a checkpoint whose gradients' sum is infinite" huge_checkpoint "$tmp/huge"
check "--on-nan skip changes nothing on the CPU" skips cpu 2 openblas
check "nor on a device" skips one 1 cudnn --deterministic
for how in mpi nccl; do check "nor with two ranks by $how" skips $how 2 cudnn --deterministic --allreduce $how; done
# The fault is found in one block of steps when the next block has been enqueued already.
blocks() { run blocks --log-frequency 4 --learning-rate 1000 --on-nan rollback --max-steps "$@"; }
check "two steps, then two blocks" eval "blocks 2 && blocks 8"
check "goes back once, though the next block followed the first fault" once blocks
check "and has those of the checkpoint" same_bits "$tmp/blocks/checkpoint-00000002.h5" "$tmp/blocks/checkpoint-00000008.h5"
finish
