#!/bin/bash
# The cudnn tower on the referee has the properties that every backend must have, in 20 orders; it is found in the registry, and its
# steps allocate nothing.
. tests/lib.sh
. tests/referee.sh
referee_or_skip "the cudnn tower's properties"
for test in properties formulas; do check "test_$test, 20 orders" in_orders 1 20 build/tests/backends/test_$test; done
check "test_allocations" on_referee 1 build/tests/backends/test_allocations 'cudnn: *'
check "test_registry" on_referee 1 build/tests/backends/test_registry
finish
