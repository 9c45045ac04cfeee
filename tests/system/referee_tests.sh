#!/bin/bash
# Every test of a backend on the cudnn tower, by the referee, in many orders of what the device may do at once.
# time limit: 600 s
. tests/lib.sh
. tests/referee.sh
referee_or_skip "the cudnn tower's operations"

SEEDS=${SEEDS:-20}
in_orders() { # COUNT PROGRAM
    local seed count=$1
    shift
    for ((seed = 1; seed <= count; seed++)); do
        on_referee $seed "$1" 'cudnn: *' > "$tmp/said" 2>&1 || { echo "seed $seed:"; grep -A5 '^not ok\|fakecuda' "$tmp/said"; return 1; }
        grep -q '^ok' "$tmp/said" || { echo "seed $seed: no test ran"; return 1; }
    done
}
for test in reference reference_step properties; do
    check "test_$test, $SEEDS orders" in_orders "$SEEDS" build/tests/backends/test_$test
done
for test in gradients convolutions; do check "test_$test" in_orders 1 build/tests/backends/test_$test; done

# The same under the sanitizers: the module and the referee too.
sanitized() {
    env LD_LIBRARY_PATH="$PWD/build/asan/fakecuda" CIFAR10_MODULES="$PWD/build/asan" FAKECUDA_SEED=7 ASAN_OPTIONS=detect_leaks=0:protect_shadow_gap=0 \
        "build/asan/tests/backends/$1" 'cudnn: *' > "$tmp/said" 2>&1 && grep '^ok' "$tmp/said" || { tail -30 "$tmp/said"; return 1; }
}
for test in reference_step properties; do
    if [ -f build/asan/cifar10_cudnn.so ]; then check "test_$test with sanitizers" sanitized test_$test
    else skip "test_$test with sanitizers" "the module was not built with them"; fi
done
finish
