#!/bin/bash
# It learns what the reference learns: TensorFlow on CIFAR-10, in 5,000 steps; on other data the openblas tower, in 1,000
# time limit: 540 s
. scripts/gpu-check/lib.sh
find_data
images=$(./cifar10_mpi inspect "$data" | sed -n 's,.*/train/images *uint8 *\([0-9]*\)x.*,\1,p')

curve() { # DIRECTORY RANKS BATCH OPTIONS MARK...: of the batch that is all ranks' together
    RANKS=$2 BATCH=$(($3 / $2)) OPTIONS=$4 run scripts/learning-curve.sh "$data" "$work/$1" "${@:5}"
}
if [ "$images" = 50000 ] && [ "$DRY" -eq 0 ]; then
    reference=scripts/learning-curve/tensorflow.csv batch=128 marks=$(awk -F, 'NR > 1 { print $1 }' scripts/learning-curve/tensorflow.csv)
else
    reference=$work/cpu/curve.csv batch=$(size 128 8) marks=$(size "100 200 500 1000" "2 4")
    verify "the openblas tower" curve cpu "$(size 8 1)" "$batch" "--tower openblas" $marks
fi
bands="0.03 0.03 0.03" # of total loss, cross-entropy, precision

learns() { curve "$1" 1 "$batch" "--tower cudnn --precision $1" $marks && within "$1"; }
within() { # PRECISION: rows for the report; fails where a number is outside its band
    awk -F, -v bands="$bands" -v precision="$1" '
        function judged(i,    apart) {
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
        END { exit !rows || bad }' "$reference" "$work/$1/curve.csv" | tee -a "$work/rows"
}
for precision in fp32 $(size "tf32 bf16" ""); do verify "$precision" learns "$precision"; done
tell '' "In brackets the reference; bands: ${bands// /, }." '' \
    "| precision | step | total loss | cross-entropy | precision @ 1, EMA |" "|---|---:|---:|---:|---:|" "$(cat "$work/rows")"
finish
