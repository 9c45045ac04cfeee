#!/bin/bash
# A short training of the cudnn tower on the referee gives the same bits in any order of concurrent device operations.
. tests/lib.sh
. tests/referee.sh
referee_or_skip "training in many orders"
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }

run() { # NAME SEED RANKS STEPS OPTIONS...: some steps are launched one by one, then one is captured, and the rest are replayed
    local log=$tmp/$1.$2.log
    train "$2" "$3" "$1.$2" --batch-size $((8 / $3)) --max-steps "$4" "${@:5}" > "$log" 2>&1 || { echo "seed $2:"; cat "$log"; return 1; }
}
alike() { # NAME SEED STEPS: the run has the same bits as with seed 1
    local last=checkpoint-000000$3.h5
    same_bits "$tmp/$1.1/$last" "$tmp/$1.$2/$last" || { echo "seed $2 differs from seed 1"; return 1; }
    rm -r "${tmp:?}/$1.$2"
}
orders() { # NAME LAST RANKS STEPS OPTIONS...: runs seeds up to LAST, two at a time
    local name=$1 last=$2 first failed=0 jobs=()
    shift 2
    run "$name" 1 "$@" || return 1
    for first in 2 3; do
        for ((seed = first; seed <= last; seed += 2)); do run "$name" $seed "$@" && alike "$name" $seed "$2" || exit 1; done &
        jobs+=($!)
    done
    for job in "${jobs[@]}"; do wait "$job" || failed=1; done
    return $failed
}
others=${ORDERS:-4} # make soak: 20
ahead="--log-frequency 10 --batch-size 2" # two steps, then eight in one graph; three more are enqueued before their results are read
check "one rank, 20 orders" orders one 20 1 13 $ahead
check "two ranks that share a GPU, by MPI, $others orders" orders two "$others" 2 05 --share-devices --allreduce mpi
check "two ranks, four slices, $others orders" orders slices "$others" 2 05 --share-devices --slices 4
export FAKECUDA_DEVICES=2
check "two ranks with a GPU each, by NCCL, $others orders" orders nccl "$others" 2 13 $ahead --allreduce nccl
finish
