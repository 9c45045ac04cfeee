# What the training jobs share:     . jobs/train.sh OPTION...
# Starts the ranks, has them save before Slurm ends the job, and puts the job into the queue again until STEPS are done. The job script
# has set the variables, and `told` where Slurm's signal came before this.

# Slurm starts the ranks and tells them who they are through PMIx (`srun --mpi=list` shows whether it can).
# Where it cannot:  LAUNCH=mpirun sbatch ...
LAUNCH=${LAUNCH:-srun --mpi=pmix --kill-on-bad-exit=1}
# mpirun binds a rank to one core unless it is told how many a rank has.
if [ "$LAUNCH" = mpirun ] && [ "$CPUS" -gt 1 ]; then LAUNCH="mpirun --map-by slot:PE=$CPUS"; fi

# The file reaches the ranks at any time; a signal would end a launcher or a rank that is just being started.
stop() {
    echo "Slurm's signal: the run is to stop"
    told=yes
    mkdir -p "$RUN" && echo "job $SLURM_JOB_ID" > "$RUN/stop"
}

# A node that is cut off keeps mpirun waiting for a quarter of an hour, though no rank is left. PATIENCE: seconds that it gets.
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
[ "$(cat "$RUN/stop" 2> /dev/null)" != "job $SLURM_JOB_ID" ] || rm "$RUN/stop" # this job was killed before that was obeyed
$LAUNCH "$PROGRAM" train --data "$DATA" --train-dir "$RUN" --batch-size "$BATCH" --max-steps "$STEPS" "$@" &
run=$!
trap stop USR1
[ -z "$told" ] || stop
watch=
if [[ $LAUNCH == mpirun* ]]; then
    end_mpirun > /dev/null 2>&1 &
    watch=$!
fi
# A signal that interrupts a `wait` may take the run's exit code with it: the wait comes when the run is over, and no signal any more.
while kill -0 $run 2> /dev/null; do sleep 0.5; done
trap '' USR1
wait $run
code=$?
[ -z "$watch" ] || kill $watch 2> /dev/null
[ -z "$told" ] || rm -f "$RUN/stop" # the run may have ended before it saw that

# A launcher may end well though no rank has run, as srun does where PMIx cannot be reached: the log has the last word.
last=$(last_line)
case $code in
    0) end=done ;;
    75 | 76) end=stopped ;; # saved, with work left; 76: by the file
    *) exit $code ;;
esac
if [ "$last" = "$before" ] || [[ $last != *": $end at step "* ]]; then
    echo "$LAUNCH ended with exit code $code, but $RUN/train.log does not end with '$end at step': this job did not train" >&2
    exit 1
fi
if [ $code -eq 76 ] && [ -n "$told" ]; then code=75; fi # the file was ours
if [ $code -eq 75 ]; then
    scontrol requeue "${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_}${SLURM_ARRAY_TASK_ID:-$SLURM_JOB_ID}"
fi
exit $code
