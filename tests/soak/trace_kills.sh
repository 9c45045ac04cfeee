#!/bin/bash
# A timeline is whole up to the last step at any moment: 50 runs are killed at random moments, and Perfetto's schema reads each file.
# time limit: 600 s
. tests/lib.sh
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
python=$(tests/venv) || { skip "timelines of killed runs" "$python"; finish; exit; }
trace=$tmp/killed.pftrace

killed_once() { # SECONDS
    rm -f "$trace.rank0"
    ./cifar10_mpi train --data "$data" --train-dir "$tmp/killed" --resume never --force --tower openblas --batch-size 1 --max-steps 10000000 \
        --trace "$trace" --trace-steps 2:10000000 > "$tmp/said" 2>&1 &
    local run=$!
    eventually 20 grep -aq 'step 3' "$trace.rank0" || { cat "$tmp/said"; kill $run; return 1; }
    sleep "$1"
    kill -9 $run
    wait $run 2> /dev/null
    rm -rf "$tmp/killed"
    "$python" tests/system/user/trace_check.py has "$trace.rank0" main "forward conv1" update
}
for i in {1..50}; do check "run $i, killed" killed_once 0.$((RANDOM % 900 + 100)); done
finish
