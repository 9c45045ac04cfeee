#!/bin/bash
# Everything that asks a run to stop: signals at random moments, the file `stop`, --max-seconds, the end of a Slurm job, a closed pipe.
#   tests/system/faults/signals.sh [RUNS [SEED]]      RUNS interrupted runs (15), chosen at random from the seed
# time limit: 120 s
ignored=0x$(sed -n 's/^SigIgn:\t//p' /proc/$$/status)
[ $((ignored & 1)) -eq 0 ] || exec env --default-signal=HUP bash "$0" "$@" # nohup makes these tests ignore SIGHUP: undo that
. tests/lib.sh
runs=${1:-15} seed=${2:-$RANDOM}
RANDOM=$seed
echo "# $runs runs with seed $seed"
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
cleanup() { [ -z "${job:-}" ] || kill -KILL "$job" 2> /dev/null; }

# One trajectory on any number of ranks.
arguments() { echo train --data "$data" --train-dir "$tmp/$1" --slices 4 --batch-size $((8 / $2)) --log-frequency 5; } # RUN RANKS
train() { timeout 100 mpirun -np "$2" ./cifar10_mpi $(arguments "$1" "$2") "${@:3}"; } # RUN RANKS OPTION...
begin() { # RUN RANKS OPTION...: starts a run in the background and waits for its start block
    ranks_start "$2" "$tmp/ranks" $(arguments "$1" "$2") --max-steps 1000000 "${@:3}"
    wait_for 60 '^  options ' "$tmp/ranks/output"
}
newest() { # RUN [N]: prints the step of the newest checkpoint, or of the N-th newest; 0 if there is none
    local step
    step=$(ls -r "$tmp/$1" | sed -n 's/^checkpoint-0*\(.*\)\.h5$/\1/p' | sed -n "${2:-1}p")
    echo "${step:-0}"
}
# Succeeds if a run stopped as it should: exit code 75 (76 for the file `stop`), the cause in the last line of its log, and exactly one
# more checkpoint, that of its last step.
obeyed() { # RUN EXIT-CODE CAUSE STEP-BEFORE
    local last step code=75
    [[ $3 != "the file stop"* ]] || code=76
    last=$(tail -n 2 "$tmp/$1/train.log" | sed 's/^.\{26\}//' | tr -d '\n')
    step=$(sed -n "s|^: checkpoint in $tmp/$1: the same command goes on: stopped at step \([0-9]*\): $3$|\1|p" <<< "$last")
    if [ "$2" -eq $code ] && [ "${step:-0}" -gt "$4" ] && [ "$(newest "$1")" = "$step" ] && [ "$(newest "$1" 2)" = "$4" ] &&
        continued "$4"; then return; fi
    echo "exit code $2; $last; after step $4; $(ls "$tmp/$1" | xargs)"
    tail -n 5 "$tmp/ranks/output"
    return 1
}
continued() { [ "$1" -eq 0 ] || unwrapped "$tmp/ranks/output" | grep -q "^  continues .*, step $1 of "; } # STEP

# ---- every signal, to one rank, to all, to mpirun: a chain of runs on 1, 2 and 4 ranks, each of which continues the previous one
# mpirun does not pass on SIGINT, SIGTERM and SIGHUP: it sends SIGTERM a second later and SIGKILL one second after that, and ends with
# its own exit code. If a run cannot save in that time, the next one continues from the last checkpoint.
ended=0 in_time=0
mpirun_ended() { # EXIT-CODE STEP-BEFORE
    [ "$1" -ne 0 ] && { [ "$(newest chain)" -eq "$2" ] || obeyed chain 75 "SIGTERM on [a-z0-9 ]*" "$2"; }
}
cases=()
for signal in INT TERM USR1 USR2 HUP XCPU; do
    for target in one all mpirun; do
        for ranks in 1 2 4; do cases+=("$RANDOM $signal $target $ranks"); done
    done
done
mapfile -t cases < <(printf '%s\n' "${cases[@]}" | sort -n)
before=0
for ((i = 0; i < runs; i++)); do
    read -r _ signal target ranks <<< "${cases[i % ${#cases[@]}]}"
    begin chain "$ranks" || { not_ok "a run of $ranks ranks to send SIG$signal"; continue; }
    case $target in
        one) pids=$(cat "$tmp/ranks/pid.$((RANDOM % ranks))") ;;
        all) pids=$(cat "$tmp"/ranks/pid.*) ;;
        mpirun) pids=$job ;;
    esac
    sleep "$(printf '0.%03d' $((RANDOM % 300)))"
    kill -$signal $pids
    wait $job
    code=$?
    case $target$signal in
        mpirunINT | mpirunTERM | mpirunHUP)
            check "SIG$signal to mpirun of $ranks" mpirun_ended $code "$before"
            [ "$(newest chain)" -eq "$before" ] || in_time=$((in_time + 1))
            ended=$((ended + 1))
            ;;
        *) check "SIG$signal to $target of $ranks" obeyed chain $code "SIG$signal on [a-z0-9 ]*" "$before" ;;
    esac
    before=$(newest chain)
done
[ $ended -eq 0 ] || echo "# SIGINT, SIGTERM or SIGHUP to mpirun: saved in time in $in_time of $ended runs"
end=$((before + 20))
check "the last of them goes on to step $end" train chain 2 --max-steps $end
check "beside a run that was not disturbed" train undisturbed 2 --max-steps $end
same "after $runs interruptions" chain undisturbed $end

# ---- a signal while the run is being set up: it stops after its first step
ranks_start 2 "$tmp/ranks" $(arguments early 2) --max-steps 1000000
hears() { [ $((0x$(sed -n 's/^SigCgt:\t//p' "/proc/$(cat "$tmp/ranks/pid.1")/status") >> 9 & 1)) -eq 1 ]; } 2> /dev/null # bit 9: SIGUSR1
for ((tries = 3000; tries > 0; tries--)); do hears && break; sleep 0.01; done
kill -USR1 "$(cat "$tmp/ranks/pid.1")"
wait $job
check "a signal while it is set up stops a run" obeyed early $? "SIGUSR1 on rank 1" 0
check "behind its first step" test "$(newest early)" = 1

# ---- a second signal ends the run at once, during a step of some seconds, while the first is still waiting for the step's end
rm -rf "$tmp/ranks" && mkdir "$tmp/ranks"
./cifar10_mpi train --data "$data" --train-dir "$tmp/twice" --batch-size 32768 --slices 512 > "$tmp/ranks/output" 2>&1 &
job=$!
check "a run of long steps" wait_for 60 '^  options ' "$tmp/ranks/output"
sleep 0.3
kill -TERM $job
sleep 0.5
check "goes on after SIGTERM" kill -0 $job
kill -USR2 $job
start=$EPOCHREALTIME
wait $job 2> /dev/null
check "and ends by a second signal, SIGUSR2" test $? -eq $((128 + $(kill -l USR2)))
check "at once" awk "BEGIN { exit !($EPOCHREALTIME - $start < 1) }"
job=

# ---- the file, the time limit, Slurm, a pipe
begin file 2
touch "$tmp/file/stop"
wait $job
check "the file stop" obeyed file $? "the file stop, now removed" 0
check "is removed" test ! -e "$tmp/file/stop"

timed() { start=$EPOCHREALTIME; "$@" > "$tmp/ranks/output" 2>&1; rc=$?; seconds=$(awk "BEGIN { print $EPOCHREALTIME - $start }"); }
timed train file 2 --max-steps 1000000 --max-seconds 4
check "--max-seconds 4" obeyed file $rc "--max-seconds 4" "$(newest file 2)"
check "is kept ($seconds s)" awk "BEGIN { exit !($seconds <= 4) }"
SLURM_JOB_END_TIME=$(($(date +%s) + 65)) timed train file 2 --max-steps 1000000
check "65 s before Slurm ends the job" obeyed file $rc "Slurm ends the job soon" "$(newest file 2)"
check "a run ends within 6 s ($seconds s)" awk "BEGIN { exit !($seconds <= 6) }"
./cifar10_mpi $(arguments file 1) --max-steps 1000000 2> "$tmp/said" | tee >(cat > "$tmp/ranks/output") | grep -q ', loss = '
codes=("${PIPESTATUS[@]}")
check "a pipe that nobody reads any more" obeyed file "${codes[0]}" "nobody reads the output" "$(newest file 2)"
check "nothing else is said of that" test ! -s "$tmp/said"
touch "$tmp/file/stop"
check "a run that is done as it is stopped" train file 2 --max-steps $(($(newest file) + 1))
check "removes the file too" test ! -e "$tmp/file/stop"
check "and says that it is done" grep -q "done at step $(newest file), " "$tmp/file/train.log"
finish
