#!/bin/bash
# Gradients of the cudnn tower on the referee, compared with finite differences; odd shapes next to forbidden memory. make soak tries
# more orders.
. tests/lib.sh
. tests/referee.sh
referee_or_skip "the cudnn tower's gradients"
check "test_gradients, 2 orders" in_orders 1 2 build/tests/backends/test_gradients
check "test_guards, 4 orders" in_orders 1 4 build/tests/backends/test_guards
finish
