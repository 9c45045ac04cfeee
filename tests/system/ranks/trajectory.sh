#!/bin/bash
# One trajectory: the same bits on any number of ranks with --slices, and after stopping and resuming.
#   tests/system/ranks/trajectory.sh [STEPS]    STEPS (100) on each number of ranks
# time limit: 600 s
. tests/lib.sh
steps=${1:-100}
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }

train() { # RANKS DIRECTORY OPTIONS...
    local ranks=$1 directory=$2
    shift 2
    mpirun -np "$ranks" ./cifar10_mpi train --data "$data" --train-dir "$tmp/$directory" --log-frequency 1 "$@"
}


# agree DIRECTORY DIRECTORY TOLERANCE: succeeds if the losses of the first ten steps, with and without weight decay, agree within this
# relative tolerance
agree() {
    /usr/bin/python3 - "$tmp/$1/metrics.csv" "$tmp/$2/metrics.csv" "$3" << 'END'
import csv, sys

def losses(name):
    return [(float(row["total_loss"]), float(row["cross_entropy"])) for row in csv.DictReader(open(name))][:10]

a, b = losses(sys.argv[1]), losses(sys.argv[2])
worst = max(abs(x - y) / x for p, q in zip(a, b) for x, y in zip(p, q))
print(worst, a, b)
sys.exit(len(a) != 10 or len(b) != 10 or not worst <= float(sys.argv[3]))
END
}

for ranks in 1 2 4 8; do
    check "$steps steps of 8 slices on $ranks ranks" \
        train $ranks slices$ranks --slices 8 --batch-size $((128 / ranks)) --max-steps "$steps"
    [ $ranks -eq 1 ] || same "1 rank and $ranks ranks" slices1 slices$ranks "$steps"
done

for ranks in 1 2 4 8; do
    check "10 steps by the fastest allreduce on $ranks ranks" \
        train $ranks fast$ranks --batch-size $((128 / ranks)) --max-steps 10
    [ $ranks -eq 1 ] || check "losses of 1 rank and $ranks ranks agree to 1e-5" agree fast1 fast$ranks 1e-5
done

# Other ways to compute the same values.
check "10 steps with two threads" train 1 threads --batch-size 128 --max-steps 10 --threads 2
check "losses agree to 1e-5" agree fast1 threads 1e-5
check "10 steps with direct convolutions" train 2 direct --batch-size 64 --max-steps 10 --conv direct
check "losses agree to 1e-5" agree fast1 direct 1e-5
check "10 steps of the openblas tower" train 2 openblas --batch-size 64 --max-steps 10 --tower openblas
check "losses agree to 1e-5" agree fast1 openblas 1e-5

for ranks in 1 2 4; do
    check "6 steps of 4 slices of the openblas tower on $ranks ranks" \
        train $ranks openblas$ranks --tower openblas --slices 4 --batch-size $((64 / ranks)) --max-steps 6
    [ $ranks -eq 1 ] || same "openblas, 1 rank and $ranks ranks" openblas1 openblas$ranks 6
done
check "3 steps" train 2 openblas_halves --tower openblas --slices 4 --batch-size 32 --max-steps 3
check "continued to 6 on 4 ranks" train 4 openblas_halves --tower openblas --slices 4 --batch-size 16 --max-steps 6
same "openblas, 6 and 3 + 3 steps" openblas1 openblas_halves 6

check "60 steps at once" train 2 whole --batch-size 16 --max-steps 60
check "30 steps" train 2 halves --batch-size 16 --max-steps 30
check "continued to 60" train 2 halves --batch-size 16 --max-steps 60
same "60 and 30 + 30 steps on 2 ranks" whole halves 60
check "60 steps of 4 slices at once" train 2 whole_slices --batch-size 16 --slices 4 --max-steps 60
check "30 steps of 4 slices on 1 rank" train 1 halves_slices --batch-size 32 --slices 4 --max-steps 30
check "continued to 60 on 4 ranks" train 4 halves_slices --batch-size 8 --slices 4 --max-steps 60
same "60 and 30 + 30 steps on other ranks" whole_slices halves_slices 60
finish
