#!/bin/bash
# Runs the backends' tests of the cudnn tower on the referee in the rest of the 20 orders, and in 20 orders with sanitizers; and checks
# that the tests find every fault put into the backend. Takes minutes: make soak.
# time limit: 7200 s
. tests/lib.sh
. tests/referee.sh
referee_or_skip "the cudnn tower in many orders"
check "test_gradients, 18 orders more" in_orders 3 20 build/tests/backends/test_gradients
check "test_convolution_pool, 18 orders more" in_orders 3 20 build/tests/backends/test_convolution_pool
check "test_guards, 16 orders more" in_orders 5 20 build/tests/backends/test_guards
all_sanitized() { for ((seed = 1; seed <= 20; seed++)); do sanitized $seed "$1" || return 1; done; }
for test in reference reference_step properties convolutions; do
    if [ -f build/asan/cifar10_cudnn.so ]; then check "test_$test under sanitizers, 20 orders" all_sanitized test_$test
    else skip "test_$test under sanitizers" "the module was not built with them"; fi
done
check "training of several ranks, 20 orders" env ORDERS=20 tests/system/gpu/referee_orders.sh
check "every fault is caught" tests/fakecuda/mutations
finish
