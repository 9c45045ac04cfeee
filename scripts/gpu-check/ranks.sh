#!/bin/bash
# 1, 2 and 4 ranks sharing the device, with 4 slices per batch, over MPI, give the same bits
# time: 60 s, at most 150 s
. scripts/gpu-check/lib.sh
find_data
batch=$(size 128 16)
sliced() { # RANKS
    train "$1" "ranks$1" --share-devices --allreduce mpi --slices 4 --batch-size $((batch / $1)) --deterministic --max-steps "$(size 50 4)"
}
for ranks in 1 2 4; do verify "on $ranks" sliced $ranks; done
for ranks in 2 4; do verify "the bits of 1 on $ranks" same_bits ranks1 ranks$ranks; done
whole() { train 2 whole --share-devices --allreduce mpi --batch-size $((batch / 2)) --max-steps "$(size 50 4)"; }
verify "on 2, without slices, in buckets" whole
finish
