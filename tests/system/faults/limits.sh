#!/bin/bash
# System limits, and a train-dir that disappears during a run and returns: the run goes on, or ends with one sentence, and no checkpoint
# is lost.
# time limit: 240 s
. tests/lib.sh
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
arguments() { echo train --data "$data" --train-dir "$tmp/$1" --batch-size 4 --log-frequency 1 "${@:2}"; } # RUN OPTION...
train() { timeout 60 ./cifar10_mpi $(arguments "$@"); }
mounted=
cleanup() {
    [ -z "${holder:-}" ] || kill "$holder" 2> /dev/null
    [ -z "${job:-}" ] || kill "$job" 2> /dev/null
    [ -z "$mounted" ] || umount "$mounted"
}

# Other users may lock any file that they can open.
(flock 9 && exec sleep 60) 9< /proc/meminfo &
holder=$!
held() { ! flock -n /proc/meminfo true; }
eventually 10 held
check "a lock that others hold on a file of the system's stops nobody" timeout 20 ./cifar10_mpi inspect "$data"
kill $holder
holder=

# No file may exceed 6 MB, which is less than a checkpoint. The program ignores the signal for that (SIGXFSZ).
check "two steps, saved" train run --max-steps 2
before=$(sha256sum "$tmp"/run/*.h5)
limited_files() { (ulimit -f 6000; train run --max-steps 6 --checkpoint-steps 3 --keep 1); }
refused "a limit of the size of files ends in a sentence" "checkpoint-00000006.h5.*: cannot be written: File too large" limited_files
check "which the log has of the one under way" grep -q "no checkpoint at step 3: .*File too large; training goes on" "$tmp/run/train.log"
check "the checkpoint before is as it was" test "$before" = "$(sha256sum "$tmp"/run/*.h5)"

# Limits on open files and on the address space, from the lowest with which MPI itself can start (below it, Open MPI 5 may hang). If
# memory is short, Open MPI and oneDNN sometimes crash: then there must be a message and no damaged file.
mpi_starts() { timeout 10 ./cifar10_mpi --version > /dev/null 2>&1; }
starts_with() { (ulimit -"$1" "$2" && mpi_starts) 2> /dev/null; }
least() { # LETTER NUMBER STEP: prints the lowest of NUMBER, NUMBER + STEP, ... with which MPI starts, found by bisection
    local below=-1 enough=31 middle
    while [ $((enough - below)) -gt 1 ]; do
        middle=$(((below + enough) / 2))
        if starts_with "$1" $(($2 + middle * $3)); then enough=$middle; else below=$middle; fi
    done
    echo $(($2 + enough * $3))
}
limited() { # NAME LETTER FIRST STEP COUNT: runs with COUNT limits, from the first with which MPI starts
    local at rc good=0 sentences=0 crashes=0 wrong=""
    at=$(least "$2" "$3" "$4")
    for _ in $(seq "$5"); do
        rm -rf "$tmp/limited"
        (ulimit -"$2" "$at"; train limited --max-steps 2 --checkpoint-steps 1) > "$tmp/out" 2> "$tmp/said" < /dev/null
        rc=$?
        if [ $rc -eq 0 ]; then good=$((good + 1))
        elif [ $rc -eq 1 ] && grep -q '^cifar10_mpi: ' "$tmp/said"; then sentences=$((sentences + 1))
        elif [ "$2" = v ] && [ $rc -ne 124 ] && [ -s "$tmp/said" ]; then crashes=$((crashes + 1))
        else wrong+="limit $at: exit code $rc: $(tail -n 2 "$tmp/said")"$'\n'; fi
        for file in "$tmp"/limited/checkpoint-*.h5; do
            [ ! -e "$file" ] || ./cifar10_mpi inspect "$file" > /dev/null || wrong+="limit $at: ${file##*/} is not whole"$'\n'
        done
        at=$((at + $4))
    done
    if [ -z "$wrong" ]; then ok "$1: $sentences sentences, $good good runs, $crashes crashes of libraries"; else not_ok "$1" "$wrong"; fi
}
limited "numbers of open files" n 8 1 12
limited "sizes of the address space" v 100000 40000 8

# A train-dir that is moved away during a run and moved back; then removed.
ranks_start 2 "$tmp/ranks" $(arguments moved --max-steps 100000 --checkpoint-secs 1 --log-frequency 50)
check "a run that saves" eventually 30 compgen -G "$tmp/moved/checkpoint-*.h5"
mv "$tmp/moved" "$tmp/away"
check "goes on where its directory is moved away, and tells" wait_for 30 "no checkpoint at step [0-9]+: .*No such file" "$tmp/ranks/output"
first=$(ls "$tmp/away" | grep checkpoint | tail -n 1)
mv "$tmp/away" "$tmp/moved"
saves_again() { [ "$(ls "$tmp/moved" | grep checkpoint | tail -n 1)" != "$first" ]; }
check "and saves again once it is back" eventually 30 saves_again
losses() { grep -c 'no checkpoint at step' "$tmp/ranks/output"; }
lost=$(losses)
another_loss() { [ "$(losses)" -gt "$lost" ]; }
rm -rf "$tmp/moved"
check "goes on where it is removed" eventually 30 another_loss
kill "$(cat "$tmp/ranks/pid.1")"
wait $job
check "and ends with an error" test $? -eq 1
check "that it tells once" test "$(grep -c '^cifar10_mpi: .*No such file' "$tmp/ranks/output")" -eq 1

# A disk of 2 MB: at first it has room for the log only, later not even for that, and then it is enlarged during the run.
mkdir "$tmp/disk"
if mount -t tmpfs -o size=2m none "$tmp/disk" 2> /dev/null; then
    mounted=$tmp/disk
    ranks_start 2 "$tmp/ranks" $(arguments disk/run --max-steps 100000 --checkpoint-secs 1 --log-frequency 5)
    check "a disk of 2 MB: no checkpoint" wait_for 30 "no checkpoint at step [0-9]+: .*No space left" "$tmp/ranks/output"
    check "nothing half-made stays" test "$(ls -A "$tmp/disk/run" | xargs)" = "events lock metrics.csv train.log"
    head -c 3M /dev/zero > "$tmp/disk/filler" 2> /dev/null
    check "a row of the log is lost" wait_for 60 "(train.log|metrics.csv): a line cannot be written: No space left.*; training goes on" "$tmp/ranks/output"
    sleep 1
    mount -o remount,size=40m "$tmp/disk"
    check "with more room one is saved" wait_for 30 "checkpoint [0-9]+ saved" "$tmp/ranks/output"
    kill "$(cat "$tmp/ranks/pid.0")"
    wait $job
    check "and the run ends as it should" test $? -eq 75
    check "that a row was lost is told once" test "$(grep -c 'a line cannot be written: No space left' "$tmp/ranks/output")" -eq 1
    check "every row is whole" eval '! tail -n +2 "$tmp/disk/run/metrics.csv" | grep -vE "^[0-9]+(,[0-9.e+-]+){11},[-0-9T:]+Z(,[0-9.e+-]+){12}$"'
    check "and so is every line of the log" eval '! grep -vE "^[-0-9 :.]{26}: [a-z]" "$tmp/disk/run/train.log"'
else
    skip "a disk of 2 MB" "$(no_mount)"
fi
finish
