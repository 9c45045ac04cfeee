#!/bin/bash
# One rank whose gradients go through NCCL, with and without a graph, gives the same bits as one without NCCL
# time: 30 s, at most 120 s
. scripts/gpu-check/lib.sh
make --no-print-directory info 2> /dev/null | grep -q '^NCCL *built into' || skip "NCCL is not built in (NCCL_INC, NCCL_LIB)"
find_data
steps="--deterministic --batch-size $(size 128 8) --max-steps $(size 50 6)"
verify "without NCCL" train 1 without $steps
through() { train 1 nccl --allreduce nccl $steps "$@" && same_bits without nccl; }
verify "NCCL in a graph" through
verify "NCCL without a graph" through --no-graph
tell "" "NCCL enqueues nothing for one rank: this proves that it is linked and called, not that it sums between GPUs."
finish
