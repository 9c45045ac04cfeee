#!/bin/bash
# Examples a second, the whole step on the device, medians of windows
# time limit: 480 s
. scripts/gpu-check/lib.sh
find_data
rates=$OUT/speed.csv images=$(size 6000000 256)
echo "batch,precision,rate,least,most" > "$rates"
median_least_most() { sort -g | awk '{ x[NR] = $1 } END { if (!NR) exit 1; printf "%.0f,%.0f,%.0f\n", x[int((NR + 1) / 2)], x[1], x[NR] }'; }

# Twelve windows between log lines, of which the first two are dropped: there engines were chosen and the graph was captured.
measure() { # BATCH PRECISION
    local batch=$1 precision=$2 window=$((images / 12 / $1))
    window=$((window > 1 ? window : 1))
    train 1 run --batch-size "$batch" --precision "$precision" --max-steps $((12 * window)) --log-frequency $window --parity-steps 0 \
        > "$work/log" 2>&1 || { cat "$work/log"; return 1; }
    cat "$work/log"
    echo "$batch,$precision,$(sed -n 's,.*(\([0-9.]*\) examples/sec.*,\1,p' "$work/log" | tail -n +3 | median_least_most)" >> "$rates"
}
for batch in $(size "128 512 2048" "8 16"); do
    for precision in fp32 tf32 bf16; do verify "batch $batch, $precision" measure "$batch" $precision; done
done
tell '' "| batch | precision | examples/sec | least | most |" "|---:|---|---:|---:|---:|" \
    "$(tail -n +2 "$rates" | sed 's/,/ | /g; s/^/| /; s/$/ |/')"
finish
