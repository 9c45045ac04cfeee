#!/bin/bash
# Convolutions on the cudnn tower, by the referee: against their definition, and with a pool behind them. More orders: make soak.
. tests/lib.sh
. tests/referee.sh
referee_or_skip "the cudnn tower's convolutions"
for test in convolutions convolution_ways; do check "test_$test, 20 orders" in_orders 1 20 build/tests/backends/test_$test; done
check "test_convolution_pool, 2 orders" in_orders 1 2 build/tests/backends/test_convolution_pool
finish
