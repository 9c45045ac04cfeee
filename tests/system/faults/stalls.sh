#!/bin/bash
# Some ranks hang, or die while others wait for them: the job ends, names these ranks, and leaves no process behind.
. tests/lib.sh
. tests/spoil.sh
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
seconds=1
cleanup() { [ -z "${job:-}" ] || kill -KILL "$job" 2> /dev/null; }
arguments() { echo train --data "$data" --train-dir "$tmp/$1" --batch-size 8 --max-steps 1000000 --log-frequency 5 --stall-seconds $seconds; } # RUN

left() { # prints the processes of the last run that still exist, except zombies
    local file
    for file in "$tmp"/ranks/pid.*; do ls -d "/proc/$(cat "$file")/cwd/." 2> /dev/null; done
}
nobody_left() { [ -z "$(left)" ] || { left; return 1; }; }
ended() { # WHAT SECONDS CODE...: checks that the job ends within SECONDS, with one of the codes
    local what=$1 limit=$2 start=$EPOCHREALTIME watchdog rc taken
    shift 2
    { sleep 30; kill -KILL "$job" $(cat "$tmp"/ranks/pid.*); } 2> /dev/null &
    watchdog=$!
    wait "$job"
    rc=$?
    kill $watchdog 2> /dev/null
    taken=$(awk "BEGIN { printf \"%.1f\", $EPOCHREALTIME - $start }")
    check "$what: ends within $limit s ($taken s)" awk "BEGIN { exit !($taken <= $limit) }"
    check "with exit code $rc (expected: $*)" test -n "$(grep -ow -- "$rc" <<< "$*")"
    check "and leaves no rank behind" eventually 3 nobody_left
}
once() { [ "$(grep -cE -- "$1" "$tmp/ranks/output")" -eq 1 ] || { cat "$tmp/ranks/output"; return 1; }; }
named() { check "rank $1 is named, once" once "^cifar10_mpi: no step was finished for [0-9]+ s: rank $1 on $2"; } # RANK PATTERN

# A rank whose process is stopped with all its threads, its stall watch included.
for ranks in 2 4; do
    victim=$((ranks - 1))
    [ $ranks -eq 4 ] && victim=0
    ranks_start $ranks "$tmp/ranks" $(arguments stopped$ranks)
    check "$ranks ranks train" wait_for 30 'step 20, loss' "$tmp/ranks/output"
    kill -STOP "$(cat "$tmp/ranks/pid.$victim")"
    ended "rank $victim of $ranks stopped" $((seconds + 4)) 1
    named $victim ".* \(process $(cat "$tmp/ranks/pid.$victim"), stopped\) .*; $((ranks - 1)) others? of this node waits? for that$"
done

# The whole job is stopped for longer than --stall-seconds and then continued: no rank is to blame, so it must go on.
ranks_start 2 "$tmp/ranks" $(arguments suspended)
check "2 ranks train" wait_for 30 'step 20, loss' "$tmp/ranks/output"
kill -STOP $(cat "$tmp"/ranks/pid.*)
sleep $((seconds + 2))
kill -CONT $(cat "$tmp"/ranks/pid.*)
lines=$(wc -l < "$tmp/ranks/output")
goes_on() { [ "$(wc -l < "$tmp/ranks/output")" -gt $((lines + 20)) ]; }
check "suspended as a whole, and woken: it goes on" eventually 10 goes_on
kill -USR1 "$(cat "$tmp/ranks/pid.0")"
ended "and is then asked to stop" 10 75

# A rank is killed while others wait for it: they notice long before --stall-seconds.
seconds=60
for signal in KILL SEGV; do
    ranks_start 4 "$tmp/ranks" $(arguments killed$signal)
    check "4 ranks train" wait_for 30 'step 20, loss' "$tmp/ranks/output"
    kill -$signal "$(cat "$tmp/ranks/pid.2")"
    ended "SIG$signal of rank 2" 5 137 139
    # The other ranks name it, or mpirun does: Open MPI 5 may end them before they can.
    check "and names it" grep -E "^cifar10_mpi: rank 2 on .* has died while .*, step|process rank 2 .*exited on" "$tmp/ranks/output"
done
seconds=1

# Rank 0 is in a system call that does not return: it writes to a pipe that nobody reads.
mkfifo "$tmp/pipe"
sleep 100 < "$tmp/pipe" &
reader=$!
rm -rf "$tmp/ranks" && mkdir "$tmp/ranks"
bash -c 'echo $$ > "$0/pid.0" && exec ./cifar10_mpi "$@"' "$tmp/ranks" $(arguments printed) --log-frequency 1 --batch-size 1 > "$tmp/pipe" 2> "$tmp/ranks/output" &
job=$!
ended "log lines that nobody reads" $((seconds + 25)) 1
named 0 ".* is writing the log, step [0-9]+$"
kill $reader 2> /dev/null

# A run waits ten times --stall-seconds for a slow disk; a disk that never answers ends it.
spoil_or_skip "a slow disk"
slow_disk() { # SECONDS RUN OPTION...
    export SPOIL_SECONDS=$1
    spoilt disk 0 0 timeout 60 mpirun -np 2 ./cifar10_mpi $(arguments "$2") --checkpoint-steps 1 "${@:3}"
}
check "checkpoints that take 2 s each" slow_disk 1 slow --max-steps 3
never_written() { ! slow_disk 100 dead --max-steps 3 > "$tmp/ranks/output" 2>&1; }
check "one that is never written ends the run" never_written
named 0 ".* is saving a checkpoint, step [23]; 1 other of this node waits for that$"
finish
