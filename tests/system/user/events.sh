#!/bin/bash
# What TensorBoard shows of a run: the same numbers as metrics.csv and the checkpoints; a run that was resumed shows each step once;
# summaries change no bit of the training; without their directory the training goes on.
. tests/lib.sh
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
options="train --data $data --tower openblas --batch-size 4 --log-frequency 3 --train-dir"
train() { timeout 60 ./cifar10_mpi $options "$tmp/$@"; } # DIRECTORY OPTION...
cleanup() { [ -z "${job:-}" ] || kill "$job" 2> /dev/null; }

check "a run with summaries" train shown --summary-frequency 2 --checkpoint-steps 1 --max-steps 4
check "and one without" train plain --summary-frequency 0 --max-steps 4
same "both" shown plain 4
check "without summaries there are no events" test ! -e "$tmp/plain/events"
check "rows of summaries have no log lines" test "$(grep -c ' step [0-9]*, loss' "$tmp/shown/train.log")" = 1 -a \
    "$(tail -n +2 "$tmp/shown/metrics.csv" | cut -d, -f1 | xargs)" = "2 3 4"

rm "$tmp"/shown/checkpoint-0000000[34].h5
check "it goes on from step 2" train shown --summary-frequency 2 --checkpoint-steps 1 --max-steps 4
if python=$(tests/venv); then
    check "TensorBoard reads steps 2 and 4 once, with the numbers of metrics.csv and the checkpoints" \
        "$python" tests/system/user/events_check.py "$tmp/shown" 2 4
    rm "$tmp"/shown/checkpoint-*
    check "a run that lost all checkpoints begins anew" train shown --summary-frequency 2 --checkpoint-steps 1 --max-steps 4
    check "TensorBoard reads each step once again" "$python" tests/system/user/events_check.py "$tmp/shown" 2 4
else
    skip "TensorBoard reads the events" "$python"
fi

./cifar10_mpi $options "$tmp/removed" --summary-frequency 1 --max-steps 100000 > "$tmp/removed.log" 2>&1 &
job=$!
check "a run whose events are removed" wait_for 20 "step 3, loss" "$tmp/removed.log"
rm -r "$tmp/removed/events"
check "says so" wait_for 20 "events.out.tfevents.*: cannot be written: it was removed; training goes on" "$tmp/removed.log"
kill -TERM $job
wait $job
check "and ends as it should" test $? -eq 75
check "it said so once" test "$(grep -c 'it was removed' "$tmp/removed.log")" = 1
check "and how many summaries failed" grep -E ": summaries: [0-9]+ written, [0-9]+ dropped, [1-9][0-9]* failed$" "$tmp/removed.log"
finish
