#!/bin/bash
# Learns as the reference does: as TensorFlow in 5,000 steps on CIFAR-10, or as the openblas tower in 500 on other data
# time: 50 s, at most 240 s
. scripts/gpu-check/lib.sh
find_data
images=$(./cifar10_mpi inspect "$data" | sed -n 's,.*/train/images *uint8 *\([0-9]*\)x.*,\1,p')
every=$(size 10 1) batch=$(size 128 8)

means() { # FIRST LAST FILE: prints the mean losses of steps FIRST+1 to LAST; every row is the mean of the same number of steps
    awk -F, -v first="$1" -v last="$2" 'NR > 1 && $1 > first && $1 <= last { t += $3; c += $4; n++ }
        END { if (!n) exit 1; printf "%.4f,%.4f", t / n, c / n }' "$3"
}
precision() { # DIRECTORY: prints the precision of the last checkpoint
    run ./cifar10_mpi eval --data "$data" --checkpoint-dir "$work/$1" --run-once > "$work/said"
    cat "$work/said" >&2
    sed -n 's/.*: \([0-9]*\) of \([0-9]*\)).*/\1 \2/p' "$work/said" | awk '{ printf "%.4f", $1 / $2 } END { exit !NR }'
}
curve() { # NAME RANKS OPTIONS...: one run through all marks; precision only at the end
    local before=0 name=$1 ranks=$2 csv=$RESULTS/learned-$1.csv mark losses
    shift 2
    run mpirun -np "$ranks" ./cifar10_mpi train --data "$data" --train-dir "$work/$name" --batch-size $((batch / ranks)) \
        --max-steps "${marks##* }" --log-frequency "$every" "$@" > "$work/said" 2>&1 || { tail -n 20 "$work/said"; return 1; }
    echo "step,total_loss,cross_entropy,precision_ema" > "$csv"
    for mark in $marks; do
        losses=$(means $before "$mark" "$work/$name/metrics.csv") || return 1
        echo "$mark,$losses,$([ "$mark" != "${marks##* }" ] || precision "$name")" >> "$csv"
        before=$mark
    done
    cat "$csv"
}
if [ "$images" = 50000 ] && [ "$DRY" -eq 0 ]; then
    reference=scripts/learning-curve/tensorflow.csv marks=$(awk -F, 'NR > 1 { print $1 }' scripts/learning-curve/tensorflow.csv | xargs)
else
    reference=$RESULTS/learned-cpu.csv marks=$(size "100 200 500" "2 4")
    verify "the openblas tower" curve cpu "$(size 8 1)" --tower openblas
fi
bands="0.03 0.03 0.03" # of total loss, cross-entropy, precision

learns() { curve "$1" 1 --tower cudnn --precision "$1" && within "$1"; }
within() { # PRECISION: rows for the report; fails if a number is outside its band
    awk -F, -v bands="$bands" -v precision="$1" '
        function judged(i,    apart) {
            if ($i == "") return ""
            apart = $i - reference[$1, i]
            if (apart < 0) apart = -apart
            if (apart <= band[i - 1]) return sprintf("%.3f (%.3f)", $i, reference[$1, i])
            bad++
            return sprintf("**%.3f** (%.3f)", $i, reference[$1, i])
        }
        BEGIN { split(bands, band, " ") }
        FNR == 1 { next }
        FILENAME == ARGV[1] { for (i = 2; i <= 4; i++) reference[$1, i] = $i; next }
        { rows++; printf "| %s | %d | %s | %s | %s |\n", precision, $1, judged(2), judged(3), judged(4) }
        END { exit !rows || bad }' "$reference" "$RESULTS/learned-$1.csv" | tee -a "$work/rows"
}
for precision in $(size "bf16 tf32 fp32" "fp32"); do verify "$precision" learns "$precision"; done
tell '' "In brackets the reference; bands: ${bands// /, }. The precision is measured after the last step." '' \
    "| precision | step | total loss | cross-entropy | precision @ 1, EMA |" "|---|---:|---:|---:|---:|" "$(cat "$work/rows")"
finish
