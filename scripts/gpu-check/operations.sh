#!/bin/bash
# The cudnn tower against TensorFlow's operations and steps, finite differences and the layers' formulas
# time: 100 s, at most 300 s
. scripts/gpu-check/lib.sh
backend_tests $(size "test_reference test_reference_step test_formulas test_gradients" "test_reference test_formulas")
finish
