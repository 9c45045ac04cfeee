# tests/referee.sh: functions that the tests of the cudnn tower share; source it after tests/lib.sh. Without a GPU the module runs on
# the referee, tests/fakecuda: libraries with the names of CUDA's that compute on the CPU and check every call.
#
#   referee_or_skip NAME        skips NAME, prints the plan and ends the script if the module or the referee was not built
#   on_referee SEED COMMAND...  runs the command on the referee; the seed decides the order of operations that have no fixed order
#   in_orders FROM TO PROGRAM   runs all of the program's tests of the cudnn tower with each seed from FROM to TO, two at a time
#   train SEED RANKS DIRECTORY OPTION...   deterministic training on $data, below $tmp, with a log line every second step
#   agree DIRECTORY DIRECTORY TOLERANCE    succeeds if the losses of all logged steps agree within this relative tolerance
#   huge_checkpoint DIRECTORY   makes a checkpoint of step 2, with four images a step; in the next step the sum of gradients is infinite
#   sanitized SEED PROGRAM      like in_orders with one seed, but program, module and referee have sanitizers (build/asan)

fakes=$PWD/build/fakecuda
referee_or_skip() {
    [ -f cifar10_cudnn.so ] && [ -f "$fakes/libcudart.so.13" ] && return
    skip "$1" "the cudnn module or its referee was not built (make info tells why)"
    finish
    exit
}

on_referee() {
    local seed=$1
    shift
    env LD_LIBRARY_PATH="$fakes" CIFAR10_MODULES="$PWD" FAKECUDA_SEED="$seed" "$@"
}

one_order() { # SEED PROGRAM
    local said=$tmp/order.$1
    on_referee "$1" "$2" 'cudnn: *' > "$said" 2>&1 && grep -q '^ok' "$said" && return
    echo "seed $1 of ${2##*/}:"
    grep -A5 '^not ok\|fakecuda' "$said" || tail -n 20 "$said"
    return 1
}
in_orders() {
    local from failed=0 jobs=()
    for from in "$1" $(($1 + 1)); do
        for ((seed = from; seed <= $2; seed += 2)); do one_order $seed "$3" || exit 1; done &
        jobs+=($!)
    done
    for job in "${jobs[@]}"; do wait "$job" || failed=1; done
    return $failed
}

# The sanitizer does not know the addresses of device memory, hence protect_shadow_gap=0. The referee reports leaks itself.
sanitized() {
    local said=$tmp/sanitized.$1
    env LD_LIBRARY_PATH="$PWD/build/asan/fakecuda" CIFAR10_MODULES="$PWD/build/asan" FAKECUDA_SEED="$1" \
        ASAN_OPTIONS=detect_leaks=0:protect_shadow_gap=0 "build/asan/tests/backends/$2" 'cudnn: *' > "$said" 2>&1 &&
        grep -q '^ok' "$said" && return
    tail -n 30 "$said"
    return 1
}

train() {
    local seed=$1 ranks=$2 directory=$3
    shift 3
    on_referee "$seed" mpirun -np "$ranks" ./cifar10_mpi train --data "$data" --train-dir "$tmp/$directory" --tower cudnn --log-frequency 2 \
        --verbose --deterministic "$@"
}
agree() {
    /usr/bin/python3 - "$tmp/$1/metrics.csv" "$tmp/$2/metrics.csv" "$3" << 'END_OF_PYTHON'
import csv, sys
a, b = ([float(row["total_loss"]) for row in csv.DictReader(open(name))] for name in sys.argv[1:3])
worst = max(abs(x - y) / abs(x) for x, y in zip(a, b))
print(worst, a, b)
sys.exit(len(a) != len(b) or not a or not worst <= float(sys.argv[3]))
END_OF_PYTHON
}

# With this checkpoint the loss and all gradients of two images are finite, but the sum over four images is not, and only in one layer:
# every output of local4 is 1.2e38, and softmax_linear, whose weights are 0, is certain of the first class.
huge_checkpoint() {
    ./cifar10_mpi train --data "$data" --train-dir "$1" --tower openblas --batch-size 4 --max-steps 2 || return 1
    /usr/bin/python3 - "$1/checkpoint-00000002.h5" << 'END'
import re, subprocess, sys
import h5py, numpy
with h5py.File(sys.argv[1], "r+") as f:
    f["params/local4/biases"][:] = 1.2e38
    f["params/softmax_linear/weights"][:] = 0
    f["params/softmax_linear/biases"][:] = [20] + 9 * [0]
said = subprocess.run(["./cifar10_mpi", "inspect", sys.argv[1]], capture_output=True, text=True).stderr
with h5py.File(sys.argv[1], "r+") as f:
    f.attrs["digest"] = numpy.bytes_(re.search("its content's is ([0-9a-f]+)", said)[1])
END
}
