#!/bin/bash
# The parallel room on 1 to 8 ranks.
. tests/lib.sh
for ranks in 1 2 3 4 5 8; do
    check "world, parity and reducer on $ranks ranks" timeout 60 mpirun -np $ranks build/tests/mpi/test_parallel
done
finish
