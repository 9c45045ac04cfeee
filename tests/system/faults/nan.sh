#!/bin/bash
# A loss or gradient on one rank is NaN or infinite: all ranks notice it before the update, and it is never saved. Also the three
# choices of --on-nan: stop, skip, rollback.
. tests/lib.sh
. tests/spoil.sh
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
spoil_or_skip "a loss or gradient that is NaN"

train() { # DIRECTORY OPTION...
    timeout 60 mpirun -np 3 ./cifar10_mpi train --data "$data" --train-dir "$tmp/$1" --tower openblas --batch-size 4 --max-steps 12 --log-frequency 1 "${@:2}"
}
saved() { (cd "$tmp/$1" && echo checkpoint-*); } # DIRECTORY
said() { grep -E -- "$2" "$tmp/$1/train.log" || { cat "$tmp/$1/train.log"; return 1; }; } # DIRECTORY PATTERN
times() { test "$(grep -cE -- "$3" "$tmp/$1/train.log")" -eq "$2"; } # DIRECTORY N PATTERN
same_of() { same_bits "$tmp/$1/checkpoint-$(printf %08d "$2").h5" "$tmp/$1/checkpoint-$(printf %08d "$3").h5"; } # DIRECTORY STEP STEP
diverged="the model has diverged; nothing was saved since step"

# stop
refused "a gradient of rank 1 in step 6" "step 6: rank 1 on [^:]*: layer local3's gradient is not finite: $diverged 5 \(.*/checkpoint-00000005.h5\); " \
    spoilt gradient 1 6 train gradient --checkpoint-steps 5
check "no later checkpoint was saved" test "$(saved gradient)" = checkpoint-00000005.h5
check "the run goes on from it" train gradient
refused "a loss of rank 2 in step 1" "step 1: rank 2 on [^:]*: the loss is not finite: $diverged 0; try" spoilt loss 2 1 train loss
refused "with slices in the tree" "step 4: rank 1 on [^:]*: layer local3's gradient is" spoilt gradient 1 7 train sliced --slices 6
refused "one rank alone" "step 2: layer local3's gradient is" \
    spoilt gradient 0 2 ./cifar10_mpi train --data "$data" --train-dir "$tmp/alone" --tower openblas --batch-size 4 --max-steps 3

# skip
spoil_steps=2
check "--on-nan skip goes on" spoilt gradient 1 6 train skip --on-nan skip --checkpoint-steps 1 --keep 0 --parity-steps 1
check "and says so" said skip ": step 6: rank 1 on .*: layer local3's gradient is not finite$"
check "twice" times skip 2 'the update of this step is left out'
check "those steps change nothing" same_of skip 5 7
check "others do" test "$(same_of skip 7 8 2>&1 | grep -c differ)" -eq 1
check "log lines of the others are there" times skip 10 ' step [0-9]+, loss = [0-9.]+ '
spoil_steps=100
refused "4 in a row stop it" "step 9: rank 1 on .*, as in the 3 steps before, which were skipped: $diverged 8 " \
    spoilt gradient 1 6 train endless --on-nan skip --checkpoint-steps 4

# rollback
spoil_steps=1
check "--on-nan rollback goes on" spoilt loss 0 6 train back --on-nan rollback --checkpoint-steps 4 --max-steps 6 --parity-steps 1
check "and says so" said back ': step 6: rank 0 on .*: the loss is not finite$'
check "and what it does" said back ': back to the parameters of step 4$'
check "with its parameters and shadows" same_of back 4 6
spoil_steps=100
refused "3 times in a row, whatever is saved between" "step 9: .*, and going back 3 times did not help: $diverged 8" \
    spoilt loss 0 6 train round --on-nan rollback --checkpoint-steps 1
refused "there must be one" "step 2: .*, and there is no checkpoint to go back to: $diverged 0; " spoilt loss 0 2 train none --on-nan rollback

# A learning rate that makes the parameters infinite, on all ranks and in all later steps.
refused "a rate too high, --on-nan skip" "step [0-9]+: .*is not finite.*, as in the 3 steps before, which were skipped: $diverged" \
    train diverged --learning-rate 1000 --on-nan skip
finish
