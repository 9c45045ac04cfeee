#!/bin/bash
# A bit flips in one rank's copy of the parameters: the run stops at the next parity check and names the rank.
. tests/lib.sh
. tests/spoil.sh
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
spoil_or_skip "a flipped bit"

train() { # RANKS DIRECTORY OPTION...
    timeout 60 mpirun -np "$1" ./cifar10_mpi train --data "$data" --train-dir "$tmp/$2" --tower openblas --batch-size 4 --max-steps 14 \
        --log-frequency 1 --parity-steps 5 "${@:3}"
}
hash='\(hash [0-9a-f]{16}\)'
check "without it nothing is found" train 3 unspoilt
for rank in 0 1 2; do
    refused "a flipped bit in rank $rank of 3, step 7" "step 10: the parameters of rank $rank $hash differ from those of most ranks $hash" \
        spoilt parameter $rank 7 train 3 odd$rank --checkpoint-steps 5
    check "nothing was saved since" test "$(cd "$tmp/odd$rank" && echo checkpoint-*)" = checkpoint-00000005.h5
done
refused "of 2 ranks both hashes are told" "step 10: the parameters of rank 0 $hash, rank 1 $hash differ, and none has a majority" \
    spoilt parameter 1 7 train 2 two
refused "in the last step" "step 14: the parameters of rank 2 " spoilt parameter 2 14 train 3 last
check "which is not saved" test ! -e "$tmp/last/checkpoint-00000014.h5"
refused "in the last step, when a checkpoint is due" "step 14: the parameters of rank 2 " spoilt parameter 2 14 train 3 due --checkpoint-steps 7
check "which is not saved either" test "$(cd "$tmp/due" && echo checkpoint-*)" = checkpoint-00000007.h5
check "--parity-steps 0 compares nothing, at the end neither" spoilt parameter 2 14 train 3 none --parity-steps 0
mkdir "$tmp/stopped" && touch "$tmp/stopped/stop"
refused "a run that is stopped between two checks compares before it saves" "step 1: the parameters of rank 1 " \
    spoilt parameter 1 1 train 3 stopped --checkpoint-steps 1
check "and saves nothing" test ! -e "$tmp/stopped/checkpoint-00000001.h5"
finish
