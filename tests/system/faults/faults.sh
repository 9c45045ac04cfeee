#!/bin/bash
# Makes each system call fail once. A run continues from a checkpoint and saves two more, while the k-th call of one kind fails: a call
# on a file of the train-dir, or one that allocates memory. Each time it must not hang or crash, must print one sentence, and must leave
# all checkpoints whole; and the same command then ends with the bits of an undisturbed run.
#   tests/system/faults/faults.sh [N [SEED]]    tries only N (8) of the many calls that read or allocate memory, chosen by the seed
# time limit: 600 s
. tests/lib.sh
many=${1:-8} seed=${2:-$RANDOM}
RANDOM=$seed
echo "# seed $seed"
shim=$PWD/build/tests/faults/faults.so
data=$(small_data) && [ -e "$shim" ] || { not_ok "a packed data set and $shim" "$data"; finish; exit; }
last=checkpoint-00000005.h5
train() { timeout -k 5 60 ./cifar10_mpi train --data "$data" --tower $tower --batch-size 4 --log-frequency 1 --train-dir "$@"; }

# Runs continue from step 2 of a good run, whose log is longer and must be cut. Several run at the same time; $run is one's train-dir.
undisturbed() { # TOWER
    tower=$1 good=$tmp/good-$1
    check "an undisturbed run of 5 steps, tower $tower" train "$good" --max-steps 5 --checkpoint-steps 1 --keep 0
}
prepare() {
    rm -rf "$run"
    mkdir "$run"
    cp "$good"/{checkpoint-00000001.h5,checkpoint-00000002.h5,train.log,metrics.csv} "$run"
}
go_on() { train "$run" --max-steps 5 --checkpoint-steps 2 --keep 1; }

checkpoints_whole() {
    local file whole=0
    for file in "$run"/checkpoint-*.h5; do
        if h5diff $tolerance "$file" "$good/${file##*/}" /params && h5diff $tolerance "$file" "$good/${file##*/}" /ema; then whole=$((whole + 1))
        else echo "${file##*/} is not as it should be"; fi
    done
    [ $whole -gt 0 ] || echo "no checkpoint is left"
} 2>&1

verdict() { # EXIT-CODE SENTENCE: prints what is wrong after a run; a run that failed must have printed SENTENCE (grep -E)
    local rc=$1 said
    [ "$rc" -ne 124 ] && [ "$rc" -ne 137 ] || echo "it hung"
    [ "$rc" -le 128 ] || [ -n "$may_crash" ] || echo "it crashed: $(tail -n 3 "$run-said" | xargs)"
    [ "$rc" -ne 1 ] || [ -n "$may_crash" ] || grep -qE "^cifar10_mpi: .*($2)" "$run-said" || echo "it failed without the sentence: $(cat "$run-said")"
    said=$(sentences "$run-said" | grep -v '^cifar10_mpi: ' | head -n 2)
    [ -z "$said" ] || [ -n "$may_crash" ] || echo "on standard error, no sentence: $said"
    [ "$rc" -ne 0 ] || [ -e "$run/$last" ] || echo "it ended well without its last checkpoint"
    [ "$rc" -ne 0 ] || grep -qE "checkpoint 4 saved|no checkpoint at step 4: .*($2)" "$run-out" || echo "of step 4 it said nothing"
    checkpoints_whole
}

recovers() { # the same command, without a fault
    go_on > "$run-out" 2>&1 || { echo "then: $(tail -n 2 "$run-out")"; return; }
    ! grep 'skipping a damaged' "$run-out" || echo "then: a torn file has a checkpoint's name"
    [ -e "$run/$last" ] && ! ls -A "$run" | grep -q '\.tmp$' || echo "then: there are $(ls -A "$run" | xargs)"
    checkpoints_whole
}

fault() { # SENTENCE VARIABLE=VALUE...: runs with this fault and prints what is wrong, each line after the name of the fault
    local sentence=$1 rc
    shift
    prepare
    (export LD_PRELOAD=$shim "$@"; go_on > "$run-out" 2> "$run-said")
    rc=$?
    { verdict $rc "$sentence"; [ $rc -eq 0 ] || recovers; } | while read -r line; do echo "$* (exit code $rc): $line"; done
}

workers=2 may_crash= tolerance=
faults() { # NAME SENTENCE NUMBERS VARIABLE=VALUE...: one run for each number in NUMBERS, in which the call of that number fails
    local name=$1 sentence=$2 numbers=($3) worker i wrong
    shift 3
    for ((worker = 0; worker < workers; worker++)); do
        for ((i = worker; i < ${#numbers[@]}; i += workers)); do
            run=$tmp/run$worker fault "$sentence" FAULT_AT="${numbers[i]}" "$@"
        done > "$tmp/wrong$worker" &
    done
    wait
    wrong=$(cat "$tmp"/wrong*)
    name+=": ${#numbers[@]} faults, nothing is lost"
    if [ -z "$wrong" ] && [ ${#numbers[@]} -gt 0 ]; then ok "$name"; else not_ok "$name" "$wrong"; fi
}

count() { # VARIABLE=VALUE...: prints the number of calls in a run without faults
    local run=$tmp/run
    prepare
    (export LD_PRELOAD=$shim FAULT_COUNT="$tmp/count" "$@"; go_on > "$run-out" 2>&1) && cat "$tmp/count"
}

sample() { # ALL: prints the numbers from 1 to ALL, or $many of them at equal distances
    awk -v many="$many" -v all="$1" -v first="$RANDOM" 'BEGIN {
        step = all > many ? all / many : 1
        for (at = step > 1 ? step * first / 32768 : 0; at < all; at += step) print int(at) + 1 }'
}

of_files() { # KIND ERRNO SENTENCE [VARIABLE=VALUE...]: failures of calls of this kind on files of the train-dir
    local all numbers
    all=$(count FAULT_CALL="$1" FAULT_PATH="$tmp/run")
    numbers=$(if [ "$1" = read ]; then sample "$all"; else seq "$all"; fi)
    faults "$1${4:+, $4}: $2 ${3:+($3)}, of $all calls" "$3" "$numbers" FAULT_CALL="$1" FAULT_PATH="$tmp/run" FAULT_ERRNO="$2" "${@:4}"
}

of_memory() { # KIND FROM [may_crash [TOLERANCE]]: failures of malloc called from FROM, or of mmap; TOLERANCE: an option of h5diff
    local all may_crash=${3:-} tolerance=${4:-}
    all=$(count FAULT_CALL="$1" FAULT_FROM="$2")
    faults "$1 ${2:+for $2}, of $all calls" "" "$(sample "$all")" FAULT_CALL="$1" FAULT_FROM="$2" FAULT_ERRNO=12
}

undisturbed openblas # which starts sooner than onednn
of_files write 28 "No space left"
of_files write 28 "No space left" FAULT_TIMES=1000000
of_files write SHORT "No space left"
of_files fsync 5 "Input/output error"
of_files rename 5 "Input/output error"
of_files open 24 "Too many open files"
of_files close 5 "Input/output error"
of_files truncate 5 "Input/output error"
of_files unlink 5 "Input/output error"
of_files read 5 "" # HDF5 does not always give the reason
of_memory malloc cifar10_mpi
# Without memory, these libraries may end the program, some with their own message: HDF5, Open MPI, oneDNN and what they use.
of_memory malloc libhdf5 may_crash
undisturbed auto
of_memory malloc /lib may_crash
# If oneDNN 3 gets no memory for generated code, it computes without it, and rounds differently.
of_memory mmap "" may_crash "-d 1e-3"
finish
