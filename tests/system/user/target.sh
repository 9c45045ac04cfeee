#!/bin/bash
# A run that evaluates itself counts what eval counts, trains to the same bits as without, and stops at --target-precision.
. tests/lib.sh
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
train="train --data $data --batch-size 4 --conv direct --checkpoint-steps 8 --keep 0"
result='precision @ [15] = [0-9.]+ \([^)]*\)|cross-entropy [0-9.]+ .*'

mpirun -np 2 ./cifar10_mpi $train --max-steps 16 --eval-steps 8 --summary-frequency 8 --log-frequency 8 \
    --train-dir "$tmp/self" > "$tmp/out" 2>&1
mpirun -np 2 ./cifar10_mpi $train --max-steps 16 --train-dir "$tmp/plain" > /dev/null 2>&1
if ! ls "$tmp/self/events/eval/" > /dev/null 2>&1; then skip "TensorBoard shows the evaluations" "this program was built without event files"
elif python=$(tests/venv); then
    cat > "$tmp/shown.py" << 'END'
import csv, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

events = EventAccumulator(sys.argv[1] + "/events/eval").Reload()
rows = list(csv.DictReader(open(sys.argv[1] + "/eval.csv")))
for tag, column in ("Precision @ 1", "precision_at_1"), ("Precision @ 5", "precision_at_5"), ("cross_entropy", "cross_entropy"):
    shown = [(s.step, round(s.value, 5)) for s in events.Scalars(tag)]
    assert shown == [(int(row["step"]), round(float(row[column]), 5)) for row in rows] and len(shown) == 2, shown
steps = EventAccumulator(sys.argv[1] + "/events/train").Reload()
shares = [steps.Scalars(tag)[1].value for tag in steps.Tags()["scalars"] if tag.startswith("phase/")]
assert 0.9 < sum(shares) < 1.1, shares # of the steps after the first evaluation, without it
END
    check "TensorBoard shows the evaluations, and the phases of the steps without them" "$python" "$tmp/shown.py" "$tmp/self"
else skip "TensorBoard shows the evaluations" "$python"; fi
mpirun -np 3 ./cifar10_mpi eval --conv direct --run-once --train-dir "$tmp/self" 2>&1 | grep -oE "$result" > "$tmp/eval"
check "eval prints three results" test "$(wc -l < "$tmp/eval")" -eq 3
check "the run's own are the same" diff <(grep -oE "$result" "$tmp/out" | tail -n 3) "$tmp/eval"
check "eval.csv has a row of each evaluation" test "$(cut -d, -f 2-3,7 "$tmp/self/eval.csv" | xargs)" = \
    "step,split,parameters 8,test,EMA 16,test,EMA 16,test,EMA"
check "the last two, of the run and of eval, agree" test "$(tail -n 2 "$tmp/self/eval.csv" | cut -d, -f 4-5,8- | uniq | wc -l)" -eq 1
same "with and without evaluations" self plain 16

began=$EPOCHREALTIME
mpirun -np 2 ./cifar10_mpi $train --max-steps 900 --eval-steps 4 --target-precision 0.02 --train-dir "$tmp/target" > "$tmp/out" 2>&1
check "a run that reaches its target ends well" test $? -eq 0
check "after that step" grep -q ": done at step 4, checkpoint in" "$tmp/out"
check "it says where it reached it" grep -q -- ": --target-precision 0.02 reached at step 4, epoch 0.03$" "$tmp/out"
seconds=($(sed -nE 's/.*: time to accuracy ([0-9.]+) s, ([0-9.]+) s of it evaluations/\1 \2/p' "$tmp/out") 0 0)
check "and after what time (${seconds[0]} s, ${seconds[1]} s of it evaluations)" \
    awk "BEGIN { exit !(${seconds[0]} > ${seconds[1]} && ${seconds[0]} < $EPOCHREALTIME - $began) }"
check "an eval that follows the run ends there" timeout 20 ./cifar10_mpi eval --train-dir "$tmp/target"
./cifar10_mpi ${train/-size 4/-size 8} --max-steps 900 --eval-steps 4 --target-precision 0.02 --train-dir "$tmp/target" > "$tmp/out" 2>&1
check "the same command, on one rank, trains no further" grep -q ": done at step 4, checkpoint in" "$tmp/out"
check "and does not count the time again" eval 'grep -q "0.02 was reached at step 4" "$tmp/out" && ! grep -q "time to" "$tmp/out"'
./cifar10_mpi $train --max-steps 3 --target-precision 1 --train-dir "$tmp/missed" > "$tmp/out" 2>&1
check "without --eval-steps a target is looked for every epoch" grep -q "every 250 steps, on 200 test images, until precision 1" "$tmp/out"
check "and at the end, which says that it was missed" grep -q ": --target-precision 1 was not reached" "$tmp/out"

/usr/bin/python3 - "$data" "$tmp/untested.h5" << 'END'
import shutil, sys, h5py
shutil.copy(*sys.argv[1:])
with h5py.File(sys.argv[2], "a") as file:
    del file["test"]
END
refused "data without test images" "^cifar10_mpi: --eval-steps: .*untested.h5: .*/test/images" \
    ./cifar10_mpi train --data "$tmp/untested.h5" --eval-steps 8 --train-dir "$tmp/untested"
check "before the train-dir is made" test ! -e "$tmp/untested"
finish
