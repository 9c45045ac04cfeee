#!/bin/bash
# The command line as a user sees it: help, version, and for each mistake one sentence and exit code 2.
. tests/lib.sh

for command in "" train eval pack predict inspect bench report compare; do
    help=$(./cifar10_mpi help $command 2>&1)
    rc=$?
    [ $rc -eq 0 ] && [ "$(wc -l <<< "$help")" -le 50 ] && [ "$(wc -L <<< "$help")" -le 80 ] && [[ $help == *Usage:* ]] &&
        ok "'help $command' fits a screen" || not_ok "'help $command' fits a screen" "$rc: $help"
done
# The flags that README and the scripts use must exist, with the tutorial's values as defaults.
check "--help shows the tutorial's batch" grep -qE -- '--batch-size N .*\[128\]' <(./cifar10_mpi --help)
check "and its averages' decay" grep -qE -- '--ema-decay X .*\[0.9999\]' <(./cifar10_mpi train --help)
check "--version" grep -qE '^cifar10_mpi [0-9]+\.[0-9]+' <(./cifar10_mpi --version)

wrong() { # PATTERN WORD...: exit code 2, one line on standard error, nothing on standard output
    local pattern=$1 rc out line
    shift
    line="$*"
    out=$(timeout 20 ./cifar10_mpi "$@" 2> "$tmp/said" < /dev/null)
    rc=$?
    if [ $rc -eq 2 ] && [ -z "$out" ] && [ "$(wc -l < "$tmp/said")" -eq 1 ] && grep -qE -- "$pattern" "$tmp/said"; then
        ok "refused: ${line:0:60}"
    else
        not_ok "refused: ${line:0:60}" "exit code $rc; $out$(cat "$tmp/said")"
    fi
}
cd_before=$(ls -A)
wrong "--batch-size '0'.* 1 to" --batch-size=0
wrong "--batch-size '-5'.* 1 to" train --batch-size -5
wrong "--max-steps '-5'.* 1 to" --max-steps -5
wrong "--learning-rate 'nan'" --learning-rate nan
wrong "--slices '3x'.*whole number" --slices 3x
wrong "--seed '18446744073709551616'" --seed 18446744073709551616
wrong "--run-once 'False' is neither yes nor no" eval --run-once=False
wrong "--tower 'abacus'.*onednn" --tower abacus
wrong "--max-steps needs a value" --max-steps
wrong "--max-steps and --epochs" --max-steps 5 --epochs 1
wrong "did you mean --batch-size" --batch_size 128
wrong "did you mean train" trian
wrong "no command 'dance'" dance
wrong "no use for the word 'dance'" train dance
wrong "did you mean --learning-rate" --lr 0.1
wrong "pack needs a file.*OUT.h5" pack --from somewhere
wrong "--from .*--download" pack out.h5
wrong "--from and --download" pack --from a --download out.h5
wrong "inspect needs a file" inspect
wrong "predict needs a file" predict --no-ema
wrong "--data: its value is [0-9]+ bytes" --data "$(printf 'x%.0s' {1..2000})"
[ "$cd_before" = "$(ls -A)" ] && ok "none of them left a file" || not_ok "none of them left a file"

said_once() { # NAME EXIT-CODE PATTERN WORD...: under mpirun with 3 ranks
    local name=$1 expected=$2 pattern=$3 rc
    shift 3
    timeout 60 mpirun -np 3 ./cifar10_mpi "$@" > "$tmp/said" 2>&1 < /dev/null
    rc=$?
    if [ $rc -eq "$expected" ] && [ "$(grep -cE -- "$pattern" "$tmp/said")" -eq 1 ]; then
        ok "$name"
    else
        not_ok "$name" "exit code $rc, not $expected; $(cat "$tmp/said")"
    fi
}
said_once "3 ranks say it once" 2 "--batch-size '0'" --batch-size=0
said_once "3 ranks print help once" 0 "^Usage:" --help
said_once "3 ranks print the version once" 0 "^cifar10_mpi [0-9]" --version

# If all ranks agree to end, the sentence is the only output, and mpirun passes on the exit code.
data=$(small_data) || not_ok "a packed data set" "$data"
alone() { # NAME EXIT-CODE PATTERN WORD...
    said_once "$@"
    check "and no page of mpirun's stands below" grep -qE -- "$3" <(tail -n 1 "$tmp/said")
}
alone "a flag that is not there" 2 "^cifar10_mpi: train has no flag --bad" --bad
alone "data that are not there" 1 "^cifar10_mpi: nowhere.h5: there is no such data file" --data nowhere.h5

# A file of options: all ranks use them, the start block shows them, and the checkpoint stores them.
if grep -q "^libconfig .*[0-9]$" <(make info); then
    printf 'batch-size = 2; max-steps = 3; seed = 5; tower = "openblas"\neval: { num-examples = 4; }\n' > "$tmp/own.cfg"
    config() { timeout 60 mpirun -np 2 ./cifar10_mpi train --data "$data" --train-dir "$tmp/config" --config "$tmp/own.cfg" --max-steps 1; }
    config > "$tmp/said" 2>&1
    check "a run with --config" grep -q "done at step 1" "$tmp/said"
    check "its start block shows the values, the command line's before the file's" \
        grep -q -- "--train-dir $tmp/config --batch-size 2 --max-steps 1 --tower openblas --seed 5" <(tr -s ' \\\n' ' ' < "$tmp/said")
    check "and its checkpoint keeps them" grep -q "batch-size *2" <(./cifar10_mpi inspect "$tmp/config/checkpoint-00000001.h5")
    printf 'seed = 5\nbatch-size = 0\n' > "$tmp/own.cfg"
    wrong "own.cfg: line 2: --batch-size '0'" --config "$tmp/own.cfg"
    printf 'seed = 5\n@include "/tmp"\n' > "$tmp/own.cfg"
    wrong "own.cfg: line 2: @include is not allowed" --config "$tmp/own.cfg"
    mkfifo "$tmp/pipe"
    wrong "pipe: not a regular file" --config "$tmp/pipe"
    printf 'batch-size = 2; max-steps = 1; seed = 5000000000; deterministic = true; force = true' > "$tmp/own.cfg"
    ./cifar10_mpi --data "$data" --train-dir "$tmp/off" --config "$tmp/own.cfg" --force=no > "$tmp/said" 2>&1 < /dev/null
    check "a run has the file's seed of 64 bits, and a switch of the file turned off" \
        grep -qE -- '--max-steps 1 --deterministic --seed 5000000000$' <(unwrapped "$tmp/said")
else
    skip "--config" "this program was built without libconfig"
fi
mkdir "$tmp/stopped" && touch "$tmp/stopped/stop"
alone "a run that is stopped" 76 "stopped at step 1: the file stop" --data "$data" --batch-size 2 --train-dir "$tmp/stopped"
finish
