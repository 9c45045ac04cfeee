#!/bin/bash
# bench prints a table whose columns agree with each other and with the tutorial's shapes.
# time limit: 200 s
. tests/lib.sh

table=$tmp/table
measure() { mpirun -np 2 ./cifar10_mpi bench --tower openblas --batch-size 8 --bench-steps 5 > "$table"; }
check "bench on 2 ranks" measure
for layer in conv1 pool1 norm1 conv2 norm2 pool2 local3 local4 softmax_linear loss update "whole step"; do
    check "a row of $layer" grep -qE "^$layer +[0-9]" "$table"
done
# Milliseconds x GFLOP/s = operations (2 per multiply-add). Expected: 12 x 12 positions x 64 x 64 channels x 5 x 5, and 2304 x 384.
check "conv2's rate is its operations by its time" awk '$1 == "conv2" {
    expected = 8 * 2 * 12 * 12 * 64 * 64 * 25 * 1e-6; found = 1; print
    exit !($2 * $3 > 0.98 * expected && $2 * $3 < 1.02 * expected && $4 * $5 > 1.96 * expected && $4 * $5 < 2.04 * expected) }
    END { if (!found) exit 1 }' "$table"
check "local3's too" awk '$1 == "local3" {
    expected = 8 * 2 * 2304 * 384 * 1e-6; found = 1; print
    exit !($2 * $3 > 0.9 * expected && $2 * $3 < 1.1 * expected) } END { if (!found) exit 1 }' "$table"
# Does not check measured times: on a busy machine the measured peak may be too low.
check "a row a rank, with its rate and the core's peak" \
    awk '/^# rank/ { ranks = 1 } ranks && /^[0-9]/ { rows++; bad += !($5 > 0 && $6 > 0) }
    END { exit !(rows == 2 && !bad) }' "$table"
check "with slices" ./cifar10_mpi bench --tower openblas --batch-size 8 --bench-steps 2 --slices 4
refused "slices that do not fit" "--slices 3" mpirun -np 2 ./cifar10_mpi bench --batch-size 8 --slices 3
finish
