#!/bin/bash
# A short training on the cudnn tower, by the referee, in many orders of what the device may do at once: the same bits in all.
. tests/lib.sh
. tests/referee.sh
referee_or_skip "training in many orders"
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }

run() { # NAME SEED RANKS OPTIONS...: some steps one by one, then the capture, then replayed ones
    local log=$tmp/$1.$2.log
    train "$2" "$3" "$1.$2" --batch-size $((8 / $3)) --max-steps 5 "${@:4}" > "$log" 2>&1 || { echo "seed $2:"; cat "$log"; return 1; }
}
alike() { # as seed 1
    same_bits "$tmp/$1.1/checkpoint-00000005.h5" "$tmp/$1.$2/checkpoint-00000005.h5" || { echo "seed $2 differs from seed 1"; return 1; }
    rm -r "${tmp:?}/$1.$2"
}
orders() { # NAME LAST RANKS OPTIONS...: two at a time
    local name=$1 last=$2 first failed=0 jobs=()
    shift 2
    run "$name" 1 "$@" || return 1
    for first in 2 3; do
        for ((seed = first; seed <= last; seed += 2)); do run "$name" $seed "$@" && alike "$name" $seed || exit 1; done &
        jobs+=($!)
    done
    for job in "${jobs[@]}"; do wait "$job" || failed=1; done
    return $failed
}
others=${ORDERS:-4} # make soak: 20
check "one rank, 20 orders" orders one 20 1
check "two ranks that share a GPU, by MPI, $others orders" orders two "$others" 2 --share-devices --allreduce mpi
check "two ranks, four slices, $others orders" orders slices "$others" 2 --share-devices --slices 4
export FAKECUDA_DEVICES=2
check "two ranks with a GPU each, by NCCL, $others orders" orders nccl "$others" 2 --allreduce nccl
finish
