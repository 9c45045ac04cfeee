# The common part of the training jobs:     . jobs/train.sh OPTION...
# Starts the ranks, makes them save before Slurm ends the job, and requeues the job until STEPS are done. The job script must have set
# the variables, and `signalled` if Slurm's signal has already arrived.

# Slurm starts the ranks and numbers them through PMIx (`srun --mpi=list` shows whether it can).
# If it cannot:  LAUNCH=mpirun sbatch ...
LAUNCH=${LAUNCH:-srun --mpi=pmix --kill-on-bad-exit=1}
# mpirun binds a rank to one core unless given the number of cores per rank.
if [ "$LAUNCH" = mpirun ] && [ "$CPUS" -gt 1 ]; then LAUNCH="mpirun --map-by slot:PE=$CPUS"; fi

# Asks the run to stop by the file `stop`, which works at any time; a signal would kill a launcher or a rank that is just starting.
stop() {
    echo "Slurm's signal: stopping the run"
    signalled=yes
    mkdir -p "$RUN" && echo "job $SLURM_JOB_ID" > "$RUN/stop"
}

# If a node is cut off, mpirun waits for a quarter of an hour although no rank is left. PATIENCE: seconds to wait before killing it.
end_mpirun() {
    local name=${PROGRAM##*/}
    until pgrep -P $run -x "${name:0:15}"; do sleep 2; done
    while pgrep -P $run -x "${name:0:15}"; do sleep 2; done
    sleep "${PATIENCE:-30}"
    kill $run
    sleep 5
    kill -KILL $run
}

last_line() { tail -n 1 "$RUN/train.log" 2> /dev/null; }

before=$(last_line)
[ "$(cat "$RUN/stop" 2> /dev/null)" != "job $SLURM_JOB_ID" ] || rm "$RUN/stop" # left by this job's last start, which was killed
$LAUNCH "$PROGRAM" train --data "$DATA" --train-dir "$RUN" --batch-size "$BATCH" --max-steps "$STEPS" "$@" &
run=$!
trap stop USR1
[ -z "$signalled" ] || stop
watch=
if [[ $LAUNCH == mpirun* ]]; then
    end_mpirun > /dev/null 2>&1 &
    watch=$!
fi
# A signal that interrupts `wait` may lose the run's exit code, so wait only after the run has ended, with the signal ignored.
while kill -0 $run 2> /dev/null; do sleep 0.5; done
trap '' USR1
wait $run
code=$?
[ -z "$watch" ] || kill $watch 2> /dev/null
[ -z "$signalled" ] || rm -f "$RUN/stop" # the run may have ended before it saw the file

# A launcher may succeed although no rank has run, as srun does if PMIx is not reachable: only the log counts.
last=$(last_line)
case $code in
    0) end=done ;;
    75 | 76) end=stopped ;; # saved before STEPS were done; 76: because of the file `stop`
    *) exit $code ;;
esac
if [ "$last" = "$before" ] || [[ $last != *": $end at step "* ]]; then
    echo "$LAUNCH ended with exit code $code, but $RUN/train.log does not end with '$end at step': this job did not train" >&2
    exit 1
fi
if [ $code -eq 76 ] && [ -n "$signalled" ]; then code=75; fi # this script wrote the file
if [ $code -eq 75 ]; then
    scontrol requeue "${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_}${SLURM_ARRAY_TASK_ID:-$SLURM_JOB_ID}"
fi
exit $code
