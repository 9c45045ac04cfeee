#!/bin/bash
# Stopping the cudnn tower, whose steps are enqueued ahead, on the referee.
# time limit: 120 s
. tests/lib.sh
. tests/referee.sh
referee_or_skip "stopping the cudnn tower"
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
cleanup() { [ -z "${job:-}" ] || kill -KILL "$job" 2> /dev/null; }
export LD_LIBRARY_PATH=$fakes CIFAR10_MODULES=$PWD FAKECUDA_SEED=1 FAKECUDA_DEVICES=2

arguments() { echo train --data "$data" --train-dir "$tmp/$1" --tower cudnn --deterministic --batch-size 4 --allreduce "$2"; } # RUN HOW
for how in tree nccl; do
    ranks_start 2 "$tmp/ranks" $(arguments $how $how) --log-frequency 3 --max-steps 100000
    check "a run by $how" wait_for 60 'step 3, loss' "$tmp/ranks/output"
    kill -USR1 "$(cat "$tmp/ranks/pid.1")"
    wait $job
    check "a signal to the second rank: exit code 75" test $? -eq 75
    step=$(sed -n 's/.*: stopped at step \([0-9]*\): SIGUSR1 on rank 1$/\1/p' "$tmp/$how/train.log")
    check "saved at step ${step:-none}" test -s "$tmp/$how/$(printf 'checkpoint-%08d.h5' "${step:-0}")"
    end=$((step + 4))
    check "it goes on" mpirun -np 2 ./cifar10_mpi $(arguments $how $how) --max-steps $end
    check "beside one that was not stopped" mpirun -np 2 ./cifar10_mpi $(arguments $how-unbroken $how) --max-steps $end
    same "by $how" $how $how-unbroken $end
done
check "--max-seconds" bash -c "mpirun -np 2 ./cifar10_mpi $(arguments timed tree) --max-steps 100000 --max-seconds 4; [ \$? -eq 75 ]"
check "is said" grep -qE ': stopped at step [0-9]+: --max-seconds 4$' "$tmp/timed/train.log"
finish
