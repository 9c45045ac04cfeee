#!/bin/bash
# TensorFlow's operations and its whole steps on the cudnn tower, by the referee, in 20 orders of what the device may do at once.
. tests/lib.sh
. tests/referee.sh
referee_or_skip "the cudnn tower's operations"
for test in reference reference_step; do check "test_$test, 20 orders" in_orders 1 20 build/tests/backends/test_$test; done
finish
