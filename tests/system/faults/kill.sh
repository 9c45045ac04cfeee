#!/bin/bash
# Kills one run after another in the same train-dir with SIGKILL; each next run continues, on 1, 2 or 4 ranks. At the end the
# parameters are those of an undisturbed run, bit for bit.
#   tests/system/faults/kill.sh [COUNT [SEED]]    COUNT kills (15), chosen at random from the seed
# A kill hits all ranks, one rank, or the whole group including mpirun. Half of the kills come within 10 ms after a checkpoint's
# temporary file appears, a quarter at any moment of the training, and a quarter at any moment of the run, start-up included.
# time limit: 1800 s
. tests/lib.sh
count=${1:-15} seed=${2:-$RANDOM}
RANDOM=$seed
echo "# seed $seed"
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
steps=400 last=checkpoint-00000400.h5
# Open MPI's temporary files go into $tmp, so that those of killed ranks are removed with it.
export OMPI_MCA_orte_tmpdir_base=$tmp/mpi OMPI_MCA_btl_vader_backing_directory=$tmp/mpi
mkdir "$tmp/mpi"
# mpirun gives each rank its own process group, but all are in the session that setsid starts, whose number is that of mpirun, $job.
everybody() { ps -o pid= -s "$job"; }
cleanup() { [ -z "${job:-}" ] || kill -KILL $(everybody) 2> /dev/null; }

# A global batch of 8 in 4 slices, on any number of ranks.
arguments() { # RANKS TRAIN-DIR
    echo train --data "$data" --train-dir "$2" --batch-size $((8 / $1)) --slices 4 --max-steps $steps --checkpoint-steps 4 --keep 3 --log-frequency 1
}
start() { # RANKS
    rm -f "$tmp"/pid.*
    setsid mpirun -np "$1" bash -c 'echo $$ > "$0/pid.$OMPI_COMM_WORLD_RANK" && exec ./cifar10_mpi "$@"' \
        "$tmp" $(arguments "$1" "$tmp/run") > "$tmp/out" 2>&1 < /dev/null &
    job=$!
}
check "a run of $steps steps that nothing disturbs" timeout 120 mpirun -np 2 ./cifar10_mpi $(arguments 2 "$tmp/good")

running() { kill -0 "$job" 2> /dev/null; }
pause() { sleep "$(awk -v ms="$1" -v r=$RANDOM 'BEGIN { printf "%.4f", ms / 1000 * r / 32768 }')"; } # MILLISECONDS: at most that long
until_training() { while running && ! grep -qs ': step ' "$tmp/out"; do sleep 0.02; done; }
until_writing() { while running && ! compgen -G "$tmp/run/.checkpoint-*.tmp" > /dev/null; do :; done; }

wait_for_moment() {
    case $((RANDOM % 4)) in
        0) moment="at any moment"; pause 1500 ;;
        1) moment="while training"; until_training; pause 300 ;;
        *) moment="while a checkpoint is written"; until_training; pause 200; until_writing; pause 10 ;;
    esac
}

kill_some() {
    local ranks=("$tmp"/pid.*)
    [ -e "${ranks[0]}" ] && whom=$((RANDOM % 3)) || whom=2
    case $whom in
        0) whom="all ranks"; kill -KILL $(cat "${ranks[@]}") ;;
        1) whom="one rank"; kill -KILL "$(cat "${ranks[RANDOM % ${#ranks[@]}]}")" ;;
        2) whom="the whole group"; kill -KILL $(everybody) ;;
    esac 2> /dev/null
}

# The next run starts when every process that may write to the train-dir has ended. mpirun sometimes hangs if a rank dies at start-up.
left() { ps -o pid=,stat= -s "$job" | grep -v Z; }
ranks_gone() { ! left | grep -qv "^ *$job "; }
all_gone() { [ -z "$(left)" ]; }

complain() { wrong+="kill $kills, $ranks ranks, $whom, $moment: $*"$'\n'; }

compare() { # compares the last checkpoint, when a chain of runs has reached its last step
    same_bits "$tmp/good/$last" "$tmp/run/$last" > "$tmp/differs" 2>&1 || complain "$(tail -n 1 "$tmp/differs")"
    rm -rf "$tmp/run"
    ends=$((ends + 1))
}

kills=0 ends=0 wrong="" torn=0 stuck=0
declare -A tally
while [ $kills -lt "$count" ] && [ -z "$wrong" ]; do
    ranks=$((1 << RANDOM % 3))
    start $ranks
    wait_for_moment
    kill_some
    eventually 20 ranks_gone || complain "ranks are left"
    eventually 5 all_gone || { stuck=$((stuck + 1)); kill -KILL $(everybody) 2> /dev/null; }
    wait "$job" 2> /dev/null
    rc=$?
    ! grep -q 'skipping a damaged' "$tmp/out" || complain "$(grep 'skipping a damaged' "$tmp/out")"
    if [ $rc -eq 0 ] && grep -q 'done at step' "$tmp/out"; then
        compare # the run ended before it was killed
        continue
    fi
    # If mpirun is slow, the other ranks have time to report the dead one; any other sentence is a failure.
    ! grep '^cifar10_mpi: ' "$tmp/out" | grep -v ') has died while ' || complain "$(tail -n 1 "$tmp/out")"
    kills=$((kills + 1)) torn=$((torn + $(ls -A "$tmp/run" 2> /dev/null | grep -c '\.tmp$')))
    tally[$whom]=$((${tally[$whom]:-0} + 1)) tally[$moment]=$((${tally[$moment]:-0} + 1))
done
for what in "${!tally[@]}"; do echo "# $what: ${tally[$what]}"; done
echo "# $torn of the kills left an unfinished file; $ends runs came to their end under way; mpirun hung $stuck times"
if [ -z "$wrong" ]; then ok "$kills of $count kills: each run goes on"; else not_ok "each run goes on" "$wrong"; fi
check "the last one goes on to its end" timeout 120 mpirun -np 4 ./cifar10_mpi $(arguments 4 "$tmp/run")
check "with the bits of the run that nothing disturbed" same_bits "$tmp/good/$last" "$tmp/run/$last"
check "and nothing unfinished is left" test "$(ls -A "$tmp/run" | grep -c '\.tmp$')" -eq 0
finish
