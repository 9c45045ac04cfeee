# The common functions of gpu-check.sh's parts, to be sourced first. gpu-check.sh starts each part in the repository's root with
# its name in PART, a folder RESULTS for files that go into the archive, and DRY=1 if the referee replaces the GPU. A part
# prints what it does, and may write tables of figures (read by scripts/gpu-check/measured.py).
#
#   tell LINE...                   adds lines to this part's section of the report
#   verify NAME COMMAND...         a row of the report: ok if the command succeeds; otherwise the part fails, but continues
#   skip REASON                    ends the part
#   finish                         ends the part, which has failed if a row has; must be its last command
#   run COMMAND...                 prints the command, then runs it
#   size GPU REFEREE               prints the first argument on a GPU, the second on the referee
#   backend_tests TEST...          a row for each of these tests of tests/backends, on the cudnn tower
#   find_data                      sets $data to a packed file
#   train RANKS DIRECTORY OPTIONS...    trains on the device in $work/DIRECTORY, from the beginning
#   same_bits DIRECTORY DIRECTORY  succeeds if the last checkpoints of the two runs have the same bits
#   rate FILE BATCH PRECISION IMAGES OPTIONS...    trains on about IMAGES images, and adds a line with examples/sec to FILE
#   agree DIRECTORY DIRECTORY BAND prints the largest relative difference of cross-entropies at log lines; fails beyond the band
#   $work                          a folder for this part, removed when it ends
set -uo pipefail
work=$(mktemp -d "${TMPDIR:-/tmp}/gpu-check.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
report=$RESULTS/$PART.md failed=0 rows=0
[ "$DRY" -eq 0 ] || export LD_LIBRARY_PATH=$PWD/build/fakecuda

tell() { printf '%s\n' "$@" | tee -a "$report"; }
skip() { echo "$1"; exit 77; }
run() { echo "+ $*" >&2; "$@"; }
size() { if [ "$DRY" -eq 0 ]; then echo "$1"; else echo "$2"; fi; }

verify() {
    local name=$1 began=$SECONDS
    shift
    [ $((rows++)) -gt 0 ] || tell "| check | result | seconds |" "|---|---|---:|" > /dev/null
    if "$@"; then tell "| $name | ok | $((SECONDS - began)) |"
    else tell "| $name | **failed** | $((SECONDS - began)) |"; failed=1; fi
}

finish() {
    [ $failed -eq 0 ] || echo "$(grep -c '| \*\*failed\*\* |' "$report") checks failed"
    exit $failed
}

find_data() {
    local from=${CIFAR10_DIR:-tests/data/cifar10-sample.tar.xz}
    data=build/gpu-check.h5
    if [ -z "${CIFAR10_DIR:-}" ] && [ -f data/cifar10.h5 ]; then data=data/cifar10.h5
    elif [ ! -s "$data" ]; then run ./cifar10_mpi pack --from "$from" "$data" || exit 1; fi
}

train() {
    local ranks=$1 directory=$2
    shift 2
    rm -rf "${work:?}/$directory"
    run mpirun -np "$ranks" ./cifar10_mpi train --data "$data" --train-dir "$work/$directory" --tower cudnn --verbose "$@"
}

# Prints the median, lowest and highest rate of ten windows, from the times of log lines. The first two windows are left out, since
# engines are chosen and the graph is captured then.
window_rates() { # BATCH
    sed -n 's/^[-0-9]* \([0-9:.]*\): step \([0-9]*\), .*/\1 \2/p' | awk -v batch="$1" '
        { split($1, part, ":"); time[NR] = (part[1] * 60 + part[2]) * 60 + part[3]; step[NR] = $2 }
        END {
            for (window = 2; window < 12; window++) {
                from = int(NR * window / 12); to = int(NR * (window + 1) / 12)
                if (from < 1 || to <= from) continue
                took = time[to] - time[from]
                if (took < 0) took += 86400
                if (took > 0) print batch * (step[to] - step[from]) / took
            }
        }' | sort -g | awk '{ x[NR] = $1 } END { if (!NR) exit 1; printf "%.0f,%.0f,%.0f\n", x[int((NR + 1) / 2)], x[1], x[NR] }'
}

rate() {
    local file=$RESULTS/$1 batch=$2 precision=$3 steps=$(($4 / $2)) lines=() rates rc
    shift 4
    steps=$((steps < 24 ? 24 : steps))
    [[ " $* " == *" --log-frequency "* ]] || lines=(--log-frequency $((steps / 24)))
    [ -f "$file" ] || echo "batch,precision,options,rate,least,most" > "$file"
    train 1 run --batch-size "$batch" --precision "$precision" --max-steps $steps --parity-steps 0 ${lines[@]+"${lines[@]}"} "$@" > "$work/log" 2>&1
    rc=$?
    awk '!/: step [0-9]+, / || ++lines <= 30' "$work/log"
    [ $rc -eq 0 ] && rates=$(window_rates "$batch" < "$work/log") && echo "$batch,$precision,$*,$rates" | tee -a "$file"
}

last_checkpoint() { ls "$work/$1"/checkpoint-*.h5 | tail -n 1; }
same_bits() {
    local one other
    one=$(last_checkpoint "$1") && other=$(last_checkpoint "$2") &&
        run h5diff "$one" "$other" /params && run h5diff "$one" "$other" /ema
}

agree() {
    paste -d , "$work/$1/metrics.csv" "$work/$2/metrics.csv" | awk -F, -v band="$3" '
        NR == 1 { for (i = NF / 2; i > 0; i--) if ($i == "cross_entropy") c = i; next }
        { apart = ($(c + NF / 2) - $c) / $c; if (apart < 0) apart = -apart; if (!(apart <= worst)) worst = apart; n++ }
        END { printf "%d losses, apart by %.2g at most, band %g\n", n, worst, band; exit !(n && worst <= band) }'
}

backend_tests() {
    local test ran=0
    for test; do
        verify "$test" backend_test "$test"
        ran=$((ran + $(grep -c '^ok' "$work/tap")))
    done
    tell '' "$ran tests passed."
    [ $ran -gt 0 ] || { echo "no test ran: the cudnn tower is not available"; exit 1; }
}
backend_test() { # prints TAP; the pattern selects the cudnn tower's tests
    run "build/tests/backends/$1" 'cudnn: *' > "$work/tap" 2>&1
    local rc=$?
    cat "$work/tap"
    return $rc
}
