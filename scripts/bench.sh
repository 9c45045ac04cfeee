#!/bin/bash
# `make bench`: measures training rates in alternating order, compares their medians, and prints a table.
#   CIFAR10_DIR=DIR      CIFAR-10's files (with cifar-10-batches-bin/); otherwise data/cifar10.h5 or the sample
#   PEERS=DIR            also run DIR/tf_tutorial.py and DIR/torch_tutorial.py, the same model in TensorFlow and PyTorch,
#   TF_PYTHON=, TORCH_PYTHON=   with these Python interpreters
#   ROUNDS=4 STEPS=200 TOWER=auto
# Absolute rates vary with the machine's load. Trust the ratios, each of which is a median over the rounds.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${ROUNDS:-4} steps=${STEPS:-200} tower=${TOWER:-auto} window=20

. scripts/local_mpi.sh
unset OMP_NUM_THREADS OMP_THREAD_LIMIT # they would limit nproc and the peers to fewer threads
pin="--bind-to core"
if [ "$(nproc)" -lt 2 ]; then pin="--bind-to none --oversubscribe"; fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

say() { echo "bench.sh: $*" >&2; }
# OpenBLAS settings made for other programs could slow the peers down.
clean() { env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE "$@"; }
median() {
    sort -g | awk '{ x[NR] = $1 } END { if (NR) printf "%.6g\n", (x[int((NR + 1) / 2)] + x[int(NR / 2) + 1]) / 2 }'
}

find_data() { # sets $data
    mkdir -p build/bench
    if [ -n "${CIFAR10_DIR:-}" ]; then
        data=build/bench/cifar10.h5 # packed each time: the variable may name different data
        ./cifar10_mpi pack --from "$CIFAR10_DIR" $data >&2
    elif [ -f data/cifar10.h5 ]; then
        data=data/cifar10.h5
    else
        data=build/bench/sample.h5
        [ -s $data ] || ./cifar10_mpi pack --from tests/data/cifar10-sample.tar.xz $data >&2
    fi
    say "data: $data"
}

train() { # NAME RANKS BATCH OPTIONS...: trains in $tmp/NAME, prints examples/sec: the median over windows of steps but the first two
    local run=$tmp/$1 ranks=$2 batch=$3
    shift 3
    rm -rf "$run"
    clean ${place:-} mpirun -np "$ranks" $pin ./cifar10_mpi train --data $data --train-dir "$run" --tower "$tower" \
        --batch-size "$batch" --log-frequency $window --max-steps $((steps + 2 * window)) "$@" > "$run.log" 2>&1 ||
        { cat "$run.log" >&2; return 1; }
    sed -n 's,.*(\([0-9.]*\) examples/sec.*,\1,p' "$run.log" | tail -n +3 | median
}

# Each function is one benchmark and prints examples/sec.
two_64() { train run 2 64; }
slices_8() { train run 2 64 --slices 8; }
two_128() { train run 2 128; }
one_128() { train run 1 128; }
apart_128() { # two independent runs: the rate of the machine with both cores busy
    local pin="--bind-to none" first
    place="taskset -c 0" train first 1 128 > "$tmp/first.rate" &
    first=$!
    place="taskset -c $(($(nproc) > 1))" train second 1 128 > "$tmp/second.rate"
    wait $first
    paste -d + "$tmp/first.rate" "$tmp/second.rate" | awk -F + '{ print $1 + $2 }'
}
peer() { # COMMAND...
    clean "$@" > "$tmp/log" 2>&1 || { tail -n 20 "$tmp/log" >&2; return 1; }
    sed -n 's,.*: \([0-9.]*\) examples/sec.*,\1,p' "$tmp/log" | tail -n 1
}
tensorflow() {
    CUDA_VISIBLE_DEVICES='' peer "$TF_PYTHON" "$PEERS/tf_tutorial.py" --data "$CIFAR10_DIR" --threads 2 --steps "$steps"
}
torch() { peer "$TORCH_PYTHON" "$PEERS/torch_tutorial.py" --threads 2 --steps 40; }

compare() { # NAME...: runs each benchmark once per round, in reverse order every other round; rates go to $tmp/NAME.rates
    local round name order
    for ((round = 1; round <= rounds; round++)); do
        order=$(printf '%s\n' "$@")
        if ((round % 2 == 0)); then order=$(tac <<< "$order"); fi
        for name in $order; do
            $name > "$tmp/rate"
            [ -s "$tmp/rate" ] || { say "$name reported no rate: is STEPS=$steps too small?"; return 1; }
            cat "$tmp/rate" >> "$tmp/$name.rates"
            say "round $round of $rounds: $name: $(cat "$tmp/rate") examples/sec"
        done
    done
}

ratio() { # NAME NAME: prints the median over the rounds of the first rate / the second
    paste "$tmp/$1.rates" "$tmp/$2.rates" | awk '{ print $1 / $2 }' | median | xargs printf '%.2f'
}

row() { # NAME TEXT [RATIO TO-WHAT]
    printf '%-52s %12.1f %10.1f %10.1f %8s  %s\n' "$2" "$(median < "$tmp/$1.rates")" \
        "$(sort -g "$tmp/$1.rates" | head -n 1)" "$(sort -g "$tmp/$1.rates" | tail -n 1)" "${3:--}" "${4:-}"
}

find_data
awk '{ exit $1 > 0.5 }' /proc/loadavg ||
    say "this machine is busy (load $(cut -d ' ' -f 1 /proc/loadavg)): expect low rates"
peers=
if [ -n "${PEERS:-}" ] && [ -n "${TF_PYTHON:-}" ] && [ -n "${CIFAR10_DIR:-}" ]; then peers+=" tensorflow"; fi
if [ -n "${PEERS:-}" ] && [ -n "${TORCH_PYTHON:-}" ]; then peers+=" torch"; fi
[ -n "$peers" ] || say "no peers: PEERS=, TF_PYTHON= (which also needs CIFAR10_DIR=) and TORCH_PYTHON= would name them"

compare two_64 slices_8 $peers
compare two_128 one_128 apart_128

printf '\n%-52s %12s %10s %10s %8s\n' "# training end to end, data pipeline included" "median" "least" "most" "ratio"
printf '%-52s %12s %10s %10s %8s\n' "# fp32; $(nproc) cores; medians over $rounds rounds" "examples/sec" "" "" ""
row two_64 "2 ranks x 64"
for peer in $peers; do
    case $peer in
        tensorflow) text="TensorFlow with its pipeline, 2 threads, batch 128" ;;
        torch) text="PyTorch, input in memory, 2 threads, batch 128" ;;
    esac
    row $peer "$text" "$(ratio two_64 $peer)" "2 x 64 to it"
done
row slices_8 "2 ranks x 64, --slices 8" "$(ratio two_64 slices_8)" "2 x 64 to it"
row one_128 "1 rank x 128, on one core"
row two_128 "2 ranks x 128" "$(ratio two_128 one_128)" "to one rank"
row apart_128 "2 runs apart of 1 rank x 128, at once" "$(ratio two_128 apart_128)" "2 x 128 to them"
echo
clean mpirun -np 2 $pin ./cifar10_mpi bench --tower "$tower" --batch-size 128
