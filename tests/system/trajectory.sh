#!/bin/bash
# One trajectory: the same bits on any number of ranks with --slices, and after a stop and a resume.
# time limit: 600 s
. tests/lib.sh
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }

train() { # RANKS DIRECTORY OPTIONS...
    local ranks=$1 directory=$2
    shift 2
    mpirun -np "$ranks" ./cifar10_mpi train --data "$data" --train-dir "$tmp/$directory" --log-frequency 1 "$@" > "$tmp/$directory.log" 2>&1 ||
        { tail -n 5 "$tmp/$directory.log" >&2; return 1; }
}

same() { # NAME DIRECTORY DIRECTORY STEP: parameters and shadows, bit for bit
    local step=checkpoint-$(printf %08d "$4").h5
    check "$1: parameters" h5diff "$tmp/$2/$step" "$tmp/$3/$step" /params
    check "$1: EMA" h5diff "$tmp/$2/$step" "$tmp/$3/$step" /ema
}

losses() { # DIRECTORY: the total losses of the first ten steps
    /usr/bin/python3 - "$tmp/$1/metrics.csv" <<'EOF'
import csv, sys
print(*[row["total_loss"] for row in list(csv.DictReader(open(sys.argv[1])))[:10]])
EOF
}

for ranks in 1 2 4 8; do
    check "200 steps of 8 slices on $ranks ranks" train $ranks slices$ranks --slices 8 --batch-size $((128 / ranks)) --max-steps 200
    [ $ranks -eq 1 ] || same "1 rank and $ranks ranks" slices1 slices$ranks 200
done

for ranks in 1 2 4; do
    check "10 steps by the fastest allreduce on $ranks ranks" train $ranks fast$ranks --batch-size $((128 / ranks)) --max-steps 10
    [ $ranks -eq 1 ] || check "losses of 1 rank and $ranks ranks agree to 1e-5" /usr/bin/python3 -c '
import sys
a, b = (list(map(float, t.split())) for t in sys.argv[1:])
worst = max(abs(x - y) / abs(x) for x, y in zip(a, b))
print(worst, a, b)
sys.exit(len(a) != 10 or len(b) != 10 or worst > 1e-5)' "$(losses fast1)" "$(losses fast$ranks)"
done

check "60 steps at once" train 2 whole --batch-size 16 --max-steps 60
check "30 steps" train 2 halves --batch-size 16 --max-steps 30
check "continued to 60" train 2 halves --batch-size 16 --max-steps 60
same "60 and 30 + 30 steps on 2 ranks" whole halves 60
check "60 steps of 4 slices at once" train 2 whole_slices --batch-size 16 --slices 4 --max-steps 60
check "30 steps of 4 slices on 1 rank" train 1 halves_slices --batch-size 32 --slices 4 --max-steps 30
check "continued to 60 on 4 ranks" train 4 halves_slices --batch-size 8 --slices 4 --max-steps 60
same "60 and 30 + 30 steps on other ranks" whole_slices halves_slices 60
finish
