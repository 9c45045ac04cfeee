#!/bin/bash
# The backends' tests on the cudnn tower and the referee, with address and undefined-behaviour sanitizers in program, module and referee.
. tests/lib.sh
. tests/referee.sh
referee_or_skip "the cudnn tower under sanitizers"
[ -f build/asan/cifar10_cudnn.so ] || { skip "the cudnn tower under sanitizers" "the module was not built with them"; finish; exit; }

# The gradient tests take half of the time, so they run in parallel with the others.
sanitized 1 test_gradients > "$tmp/gradients" 2>&1 &
gradients=$!
seed=1
for test in reference reference_step properties convolutions convolution_ways convolution_pool guards; do
    check "test_$test" sanitized $((++seed)) test_$test
done
if wait $gradients; then ok "test_gradients"; else not_ok "test_gradients" "$(cat "$tmp/gradients")"; fi
finish
