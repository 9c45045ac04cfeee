#!/bin/bash
# A long run on 4 ranks with a checkpoint every 5 s. Every 40 to 120 s one rank gets a signal (USR1, TERM or KILL), and the same command
# then continues the run. Rank 0's memory and file descriptors do not grow, no process is left over, and at the end the parameters are
# those of an undisturbed run, bit for bit.
#   MINUTES=20 SEED=N tests/soak/soak.sh
# time limit: 10800 s
. tests/lib.sh
minutes=${MINUTES:-20}
RANDOM=${SEED:=$RANDOM}
echo "# $minutes minutes, seed $SEED"
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }
export OMPI_MCA_orte_tmpdir_base=$tmp/mpi OMPI_MCA_btl_vader_backing_directory=$tmp/mpi
mkdir "$tmp/mpi"
cleanup() { [ -z "${job:-}" ] || kill "$job" 2> /dev/null; }

options() { echo train --data "$data" --slices 4 --log-frequency 50 "$@"; }
running() { kill -0 "$job" 2> /dev/null; }
pid() { cat "$tmp/ranks/pid.$1"; }

# Records lines "LIFE SECOND KiB DESCRIPTORS" for rank 0; a life is the time from one start to the next. Only private memory counts,
# since the system keeps and drops pages of files. The first seconds do not count, since the second checkpoint allocates memory once.
watch_until() { # SECONDS
    local process memory descriptors
    process=$(pid 0)
    while running && [ $SECONDS -lt "$1" ]; do
        sleep 1
        memory=$(awk '/^RssAnon/ { print $2 }' "/proc/$process/status" 2> /dev/null)
        descriptors=$(ls "/proc/$process/fd" 2> /dev/null | wc -l)
        [ -z "$memory" ] || [ $((SECONDS - born)) -lt 30 ] || echo "$lives $SECONDS $memory $descriptors" >> "$tmp/samples"
    done
}

# A life ends with code 75 after a signal that asks the run to stop, and with another one after a rank was killed; no process is left.
left() { ls -d /proc/[0-9]*/cwd 2> /dev/null | while read -r cwd; do # zombies have none
    [ "$(tr '\0' '\n' < "${cwd%cwd}cmdline" 2> /dev/null | grep -c "^$tmp/run$")" -eq 0 ] || echo "$cwd"; done; }
nobody_left() { [ -z "$(left)" ]; }
end_life() {
    local signal=$1 rank=$((RANDOM % 4)) rc
    kill -"$signal" "$(pid $rank)"
    wait "$job"
    rc=$?
    [ "$signal" = KILL ] || [ $rc -eq 75 ] || wrong+="life $lives, $signal to rank $rank: exit code $rc, not 75: $(tail -n 1 "$tmp/ranks/output")"$'\n'
    [ "$signal" != KILL ] || [ $rc -ne 0 ] || wrong+="life $lives, KILL of rank $rank: exit code 0"$'\n'
    eventually 10 nobody_left || wrong+="life $lives, $signal to rank $rank: left are $(left)"$'\n'
    ! grep -q 'skipping a damaged' "$tmp/ranks/output" || wrong+="life $lives: $(grep 'skipping a damaged' "$tmp/ranks/output")"$'\n'
    tally[$signal]=$((${tally[$signal]:-0} + 1))
}

lives=0 wrong="" finishing=$((SECONDS + 60 * minutes)) signals=(USR1 TERM KILL)
declare -A tally
while [ $SECONDS -lt $finishing ]; do
    lives=$((lives + 1)) born=$SECONDS
    ranks_start 4 "$tmp/ranks" $(options --train-dir "$tmp/run" --batch-size 4 --max-steps 1000000000 --checkpoint-secs 5)
    if ! eventually 60 grep -q ': step ' "$tmp/ranks/output"; then
        wrong+="life $lives did not begin: $(tail -n 3 "$tmp/ranks/output")"$'\n'
        break
    fi
    life=$((SECONDS + 40 + RANDOM % 81))
    watch_until $((life < finishing ? life : finishing))
    if ! running; then wrong+="life $lives ended by itself: $(tail -n 3 "$tmp/ranks/output")"$'\n'; break; fi
    signal=${signals[RANDOM % 3]}
    [ $SECONDS -lt $finishing ] || signal=USR1
    end_life $signal
done
for what in "${!tally[@]}"; do echo "# $what: ${tally[$what]}"; done
if [ -z "$wrong" ]; then ok "$lives lives"; else not_ok "$lives lives" "$wrong"; fi

# The common slope of all lives, by least squares. At the end of a life a checkpoint file may be open.
awk '{ life[NR] = $1; t[NR] = $2; m[NR] = $3; n[$1]++; st[$1] += $2; sm[$1] += $3
       least = NR == 1 || $4 < least ? $4 : least; most = $4 > most ? $4 : most }
    END { for (i = 1; i <= NR; i++) { dt = t[i] - st[life[i]] / n[life[i]]; dm = m[i] - sm[life[i]] / n[life[i]]; a += dt * dm; b += dt * dt }
        printf "%d %.1f %d %d\n", NR, b ? 60 * a / b : 1e9, least, most }' "$tmp/samples" > "$tmp/slope"
read -r samples slope least most < "$tmp/slope"
check "memory of rank 0 is flat: $slope KB a minute over $samples samples" awk "BEGIN { exit !($slope < 100) }"
check "so are its file descriptors: $least to $most" test $((most - least)) -le 4

step=$(ls "$tmp/run" | sed -n 's/^checkpoint-0*\([0-9]*\)\.h5$/\1/p' | sort -n | tail -n 1)
check "$step steps that nothing disturbs" mpirun -np 2 ./cifar10_mpi $(options --train-dir "$tmp/good" --batch-size 8 --max-steps "${step:-1}")
same "in the end" good run "${step:-1}"
finish
