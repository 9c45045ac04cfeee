#!/bin/bash
# The learning curve: trains to each mark in turn, continuing one run, evaluates there, and draws the picture.
#
#   scripts/learning-curve.sh DATA.h5 RUN-DIRECTORY [MARK...]     marks in steps (default: those in tensorflow.csv)
#
# RANKS=2 BATCH=64 (per rank) OPTIONS="--tower onednn": how to train. Writes RUN-DIRECTORY/curve.csv and curve.png.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }
cd "$(dirname "$0")/.."
. scripts/local_mpi.sh
data=$1 run=$2
shift 2
marks=("$@")
reference=scripts/learning-curve/tensorflow.csv
[ ${#marks[@]} -gt 0 ] || mapfile -t marks < <(awk -F, 'NR > 1 { print $1 }' $reference)
ranks=${RANKS:-2} batch=${BATCH:-64}
every=10 # steps between log lines; each mark must be a multiple
for mark in "${marks[@]}"; do if ((mark % every)); then every=1; fi; done
read -ra options <<< "${OPTIONS:-}"
mkdir -p "$run"
curve=$run/curve.csv
[ -f "$curve" ] || echo "step,total_loss,cross_entropy,precision_ema,precision_raw" > "$curve"

precision() { # OPTIONS...: prints the precision of the newest checkpoint
    mpirun -np "$ranks" ./cifar10_mpi eval --data "$data" --checkpoint-dir "$run" --run-once "$@" |
        sed -n 's/.*: \([0-9]*\) of \([0-9]*\)).*/\1 \2/p' | awk '{ printf "%.4f", $1 / $2 } END { exit !NR }'
}

means() { # FIRST LAST: prints the mean losses of steps FIRST+1 to LAST; each row is the mean of --log-frequency steps
    awk -F, -v first="$1" -v last="$2" 'NR > 1 && $1 > first && $1 <= last { t += $3; c += $4; n++ }
        END { printf "%.4f,%.4f", t / n, c / n }' "$run/metrics.csv"
}

before=0
for mark in "${marks[@]}"; do
    if ! grep -q "^$mark," "$curve"; then
        mpirun -np "$ranks" ./cifar10_mpi train --data "$data" --train-dir "$run" --batch-size "$batch" \
            --max-steps "$mark" --log-frequency $every "${options[@]}" >> "$run/output.log" 2>&1
        losses=$(means $before "$mark")
        ema=$(precision)
        raw=$(precision --no-ema)
        echo "$mark,$losses,$ema,$raw" >> "$curve"
        tail -n 1 "$curve"
    fi
    before=$mark
done
command -v gnuplot > /dev/null || { echo "no gnuplot: no picture" >&2; exit 0; }
gnuplot -e "curve='$curve'; reference='$reference'; output='$run/curve.png'" scripts/learning-curve/curve.gp
