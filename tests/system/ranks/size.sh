#!/bin/bash
# The cost of a run: the resident memory of each rank, without the shared images, and the time to the first step.
. tests/lib.sh
data=$(sample_data) || { not_ok "a packed data set" "$data"; finish; exit; }
cleanup() { [ -z "${job:-}" ] || kill "$job" 2> /dev/null; }

start=$EPOCHREALTIME
ranks_start 2 "$tmp/ranks" train --data "$data" --train-dir "$tmp/run" --log-frequency 1 --checkpoint-secs 1
check "a run of 2 ranks, batch 128 each" wait_for 60 'step 1, loss' "$tmp/ranks/output"
first=$(sed -n 's/^\(.*\): step 1, loss.*/\1/p' "$tmp/ranks/output")
seconds=$(awk "BEGIN { printf \"%.2f\", $(date -d "$first" +%s.%N) - $start }")
check "its first step ends within 6 s of mpirun ($seconds s)" awk "BEGIN { exit !($seconds > 0 && $seconds < 6) }"

check "it saves a checkpoint" eventually 60 compgen -G "$tmp/run/checkpoint-*.h5"
# The peak resident memory, minus what the rank has touched of the shared images and labels (10,000 of 3073 bytes).
for rank in 0 1; do
    used=$(awk '/^VmHWM/ { most = $2 } /^RssShmem/ { shared = $2 * 1024 < 30730000 ? $2 : 30730000 / 1024 }
        END { printf "%.0f", (most - shared) / 1024 }' "/proc/$(cat "$tmp/ranks/pid.$rank")/status")
    check "rank $rank takes at most 300 MB beyond the shared images ($used MB)" \
        test "${used:-0}" -gt 10 -a "${used:-999}" -le 300
done
finish
