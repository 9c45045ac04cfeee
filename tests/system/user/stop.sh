#!/bin/bash
# How a run ends and how it continues: signals, a lost rank, a diverging model, checkpoints by time, the end by epochs.
# time limit: 300 s
. tests/lib.sh
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
steps=200
# Without --conv auto: on a busy machine the next run might find another algorithm faster.
arguments() { echo train --data "$data" --train-dir "$tmp/$1" --batch-size 8 --conv direct; } # RUN
train() { timeout 100 mpirun -np 3 ./cifar10_mpi $(arguments "$1") "${@:2}"; } # RUN OPTION...
train_all() { train "$1" --max-steps $steps "${@:2}"; }
checkpoints() { (cd "$tmp/$1" && echo checkpoint-*); } # RUN
cleanup() { [ -z "${job:-}" ] || kill "$job" 2> /dev/null; }

check "$steps steps of 3 ranks, unbroken" train_all unbroken
last=checkpoint-00000$steps.h5

for signal in TERM USR1; do
    run=after_$signal
    ranks_start 3 "$tmp/ranks" $(arguments $run) --max-steps $steps --log-frequency 5
    check "a run to send $signal" wait_for 60 'step 20, loss' "$tmp/ranks/output"
    kill -$signal "$(cat "$tmp/ranks/pid.2")"
    wait $job
    check "$signal to the last of 3 ranks: exit code 75" test $? -eq 75
    stopped=$(sed -n 's/.*: stopped at step \([0-9]*\): .*/\1/p' "$tmp/ranks/output")
    check "before the end, said once (step $stopped)" test "${stopped:-0}" -gt 0 -a "${stopped:-0}" -lt $steps
    check "with one checkpoint, of that step" test "$(checkpoints $run)" = "$(printf 'checkpoint-%08d.h5' "$stopped")"
    cp -r "$tmp/$run" "$tmp/stopped"
    check "the same command goes on" train_all $run
    check "and ends with the unbroken run's bits" same_bits "$tmp/unbroken/$last" "$tmp/$run/$last"
done
check "--resume FILE goes on in a directory of its own" train_all elsewhere --resume "$(ls "$tmp"/stopped/checkpoint-*)"
check "with the same bits at the end" same_bits "$tmp/unbroken/$last" "$tmp/elsewhere/$last"
check "and only those" test "$(checkpoints elsewhere)" = $last

ranks_start 3 "$tmp/ranks" $(arguments killed) --max-steps 100000 --log-frequency 5
check "a run that loses a rank" wait_for 60 'step 20, loss' "$tmp/ranks/output"
start=$SECONDS
kill -KILL "$(cat "$tmp/ranks/pid.1")"
wait $job
check "kill -9 of one rank ends the job with an error" test $? -ne 0
check "within 20 seconds ($((SECONDS - start)) s)" test $((SECONDS - start)) -le 20
left() { ls -d /proc/$(cat "$tmp/ranks/pid.0")/cwd/. /proc/$(cat "$tmp/ranks/pid.2")/cwd/. 2> /dev/null; } # no zombies
nobody_left() { [ -z "$(left)" ] || { left; return 1; }; }
check "and leaves no rank behind" eventually 5 nobody_left

# A learning rate with which all parameters become infinite in the fourth update, after finite losses.
diverged="step [0-9]+: .* ((is|are|parameter) not finite): the model has diverged; nothing was saved since step 0"
refused "a model that diverges" "$diverged" train_all diverged --learning-rate 1000
refused "one that diverges in the last update" "$diverged" train last_update --learning-rate 1000 --max-steps 4
check "no checkpoint of them was saved" \
    test "$(checkpoints diverged) $(checkpoints last_update)" = "checkpoint-* checkpoint-*"

check "--epochs 0.5 ends where half of 1000 images are seen" train epochs --epochs 0.5
check "after 21 steps of 24 images" test "$(checkpoints epochs)" = checkpoint-00000021.h5

ranks_start 3 "$tmp/ranks" $(arguments often) --max-steps 100000 --checkpoint-secs 1 --keep 2
check "--checkpoint-secs 1 saves under way" eventually 60 compgen -G "$tmp/often/checkpoint-*.h5"
early=$(checkpoints often)
sleep 3
kill "$(cat "$tmp/ranks/pid.0")"
wait $job
check "--keep 2 keeps two checkpoints" test "$(checkpoints often | wc -w)" -eq 2
check "and removes older ones" test ! -e "$tmp/often/${early%% *}"
finish
