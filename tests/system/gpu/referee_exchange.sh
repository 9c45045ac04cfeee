#!/bin/bash
# The cudnn tower on the referee: every way to sum gradients, with and without graphs, gives the same losses as the CPU.
. tests/lib.sh
. tests/referee.sh
referee_or_skip "how gradients of the cudnn tower meet"
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
export FAKECUDA_DEVICES=4
seed=0

check "6 steps of the openblas tower" mpirun -np 2 ./cifar10_mpi train --data "$data" --train-dir "$tmp/cpu" --tower openblas --batch-size 16 \
    --max-steps 6 --log-frequency 2
for how in mpi nccl tree; do
    for graph in "" --no-graph; do
        name=$how${graph:+-eager}
        check "by $how${graph:+, without a graph}" train $((++seed)) 2 "$name" --allreduce $how --batch-size 16 --max-steps 6 $graph
        check "losses as the CPU's" agree cpu "$name" 1e-4
    done
    same "$how with and without a graph" $how $how-eager 6
done
# Eight steps in one graph, enqueued before the losses of the previous block are read. A checkpoint that --checkpoint-secs asks for must
# still hold the parameters of the step in its name.
blocks() { train $((++seed)) 2 "$1" --allreduce nccl --batch-size 2 --max-steps 44 --log-frequency 11 --keep 9 "${@:2}"; }
check "blocks of 11 steps by nccl, saved by the clock" blocks clock --checkpoint-secs 1
check "without graphs, saved by steps" blocks steps --checkpoint-steps 11 --no-graph
all_alike() { for file in "$tmp"/clock/checkpoint-*.h5; do echo "$file" && same_bits "$file" "$tmp/steps/${file##*/}" || return 1; done; }
check "the same bits in all checkpoints" all_alike

direct() { # trains with an MPI that can read a device's memory
    on_referee $((++seed)) mpirun -np 2 -x LD_PRELOAD="$fakes/mpi_cuda.so" ./cifar10_mpi train --data "$data" --train-dir "$tmp/direct" --tower cudnn --log-frequency 2 \
        --deterministic --allreduce mpi-cuda --batch-size 16 --max-steps 6
}
check "by mpi-cuda" direct
check "losses as the CPU's" agree cpu direct 1e-4
refused "mpi-cuda where MPI cannot" "--allreduce mpi-cuda: .* cannot read a GPU's memory" train 1 2 none --allreduce mpi-cuda --batch-size 8 --max-steps 2
check "auto with a device each" train 3 2 auto --batch-size 16 --max-steps 2

# Two instances of one GPU (MIG) have the same PCI id, but different UUIDs.
short="--batch-size 4 --max-steps 2"
instances() { train 3 2 mig $short > "$tmp/block" 2>&1 || { cat "$tmp/block"; return 1; }; }
FAKECUDA_MIG=2 check "two instances of a GPU are two devices" instances
check "but one to NCCL" grep -q 'allreduce tree, in shared memory (ranks share a GPU' <(unwrapped "$tmp/block")
check "they do not take turns" test "$(grep -c 'take turns' "$tmp/block")" -eq 0
FAKECUDA_DEVICES=1 FAKECUDA_NODE=-1 refused "where a GPU tells no UUID its PCI id counts" "both have GPU 0000:10:00\.0: start one rank a GPU" train 3 2 unknown $short
FAKECUDA_DEVICES=1 refused "nccl where ranks share a GPU" "--allreduce nccl: NCCL wants a GPU for each rank" \
    train 1 2 none --allreduce nccl --share-devices --batch-size 8 --max-steps 2

# Only one rank fails: the other does not wait for it inside NCCL.
alone() { # FAILURE
    local train="train --data $data --train-dir $tmp/alone --tower cudnn --allreduce nccl --batch-size 8 --max-steps 2"
    FAKECUDA_PATIENCE=20 on_referee 5 timeout 60 mpirun -np 1 ./cifar10_mpi $train : -np 1 env FAKECUDA_FAIL="$1" ./cifar10_mpi $train
}
refused "the images of one rank, before it joins NCCL" "rank 1 on [^:]*: CUDA: cudaMemGetInfo" alone cudaMemGetInfo:2
refused "the join of one rank" "rank 1 on [^:]*: NCCL: ncclCommInitRank.*; --allreduce mpi does without NCCL" alone ncclCommInitRank:1

# If one rank cannot sum by NCCL inside a graph, no rank does.
lone() { # FAILURE: this happens on rank 1 only; the run gives the bits of one without graphs
    local train="train --data $data --train-dir $tmp/lone --tower cudnn --deterministic --allreduce nccl --batch-size 16 --max-steps 6"
    rm -rf "$tmp/lone"
    FAKECUDA_PATIENCE=20 on_referee 5 mpirun -np 1 ./cifar10_mpi $train : -np 1 env FAKECUDA_FAIL="$1" ./cifar10_mpi $train > "$tmp/said" 2>&1 &&
        same_bits "$tmp/nccl-eager/checkpoint-00000006.h5" "$tmp/lone/checkpoint-00000006.h5" || { cat "$tmp/said"; return 1; }
}
check "a graph that one rank cannot make" lone cudaGraphInstantiate:6+
check "is made by none" grep 'cannot be captured as a graph (slower): rank 1 on [^:]*: CUDA: cudaGraphInstantiate' "$tmp/said"
check "sums that cannot be captured" lone ncclAllReduce:5,ncclAllReduce:6
check "are made without a graph" grep 'cannot be captured as a graph (slower): rank 1 on .*: NCCL: ncclAllReduce' "$tmp/said"
finish
