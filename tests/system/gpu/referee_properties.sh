#!/bin/bash
# What every backend keeps to, of the cudnn tower, by the referee, in 20 orders; that it is found, and allocates nothing in a step.
. tests/lib.sh
. tests/referee.sh
referee_or_skip "the cudnn tower's properties"
for test in properties formulas; do check "test_$test, 20 orders" in_orders 1 20 build/tests/backends/test_$test; done
check "test_allocations" on_referee 1 build/tests/backends/test_allocations 'cudnn: *'
check "test_registry" on_referee 1 build/tests/backends/test_registry
finish
