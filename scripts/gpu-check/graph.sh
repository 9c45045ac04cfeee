#!/bin/bash
# A step replayed as a graph gives the same bits as one launched piece by piece
# time: 45 s, at most 120 s
. scripts/gpu-check/lib.sh
find_data
steps="--deterministic --batch-size $(size 128 8) --max-steps $(size 50 12)"
both() { # PRECISION
    train 1 graph --precision "$1" $steps && train 1 pieces --precision "$1" $steps --no-graph && same_bits graph pieces
}
for precision in fp32 tf32 bf16; do verify "$precision" both $precision; done
finish
