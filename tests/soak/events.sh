#!/bin/bash
# A run is killed 50 times at random moments while it writes summaries: TensorBoard reads its events after each kill, with rising steps,
# and at the end each step once. KILLS=N: another number of kills.
. tests/lib.sh
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
python=$(tests/venv) || { skip "events after kills" "$python"; finish; exit; }
RANDOM=${SEED:-11} kills=${KILLS:-50} every=20
options="train --data $data --tower openblas --train-dir $tmp/run --batch-size 4 --summary-frequency $every --checkpoint-steps 7"
cleanup() { [ -z "${job:-}" ] || kill -KILL "$job" 2> /dev/null; }

steps_of() { # prints the steps of a scalar and of a histogram; fails unless both rise
    "$python" - "$tmp/run/events/train" << 'END'
import logging, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
logging.disable()
events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "histograms": 0})
events.Reload()
shown = "total_loss" in events.Tags()["scalars"]  # not yet after a kill before the first summary
numbers = [value.step for value in events.Scalars("total_loss")] if shown else []
histograms = [value.step for value in events.Histograms("conv1/weights")] if shown else []
print(*numbers)
sys.exit(numbers != sorted(set(numbers)) or histograms != numbers)
END
}

for ((i = 1; i <= kills; i++)); do
    ./cifar10_mpi $options --max-steps 100000 > "$tmp/output" 2>&1 &
    job=$!
    eventually 20 grep -q "step [0-9]*, loss" "$tmp/output" || break
    sleep 0.$((RANDOM % 10))$((RANDOM % 10))
    kill -KILL $job
    wait $job 2> /dev/null
    job=
    steps_of > "$tmp/steps" 2> "$tmp/problem" || break
done
check "the events are read after each of $kills kills (SEED=${SEED:-11})" test $i -gt $kills
reached=$(tail -n 1 "$tmp/run/metrics.csv" | cut -d, -f1) last=$((reached / every * every + 3 * every))
check "the run ends" ./cifar10_mpi $options --max-steps $last
check "and has each step once" test "$(steps_of)" = "$(seq -s " " $every $every $last)"
finish
