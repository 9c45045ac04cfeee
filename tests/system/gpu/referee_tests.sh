#!/bin/bash
# TensorFlow's operations and whole steps on the cudnn tower and the referee, in 20 orders of concurrent device operations.
# time limit: 300 s
. tests/lib.sh
. tests/referee.sh
referee_or_skip "the cudnn tower's operations"
for test in reference reference_step; do check "test_$test, 20 orders" in_orders 1 20 build/tests/backends/test_$test; done
check "cublasLt's products, with and without epilogues" on_referee 1 build/tests/gpu/products

# If cublasLt does not offer all epilogues, our own kernels do their work.
less() { FAKECUDA_NO_EPILOGUES=$* in_orders 1 2 build/tests/backends/test_reference_step; }
check "without a ReLU's mask" less 134
check "without masking a gradient" less 136
check "without summing a bias's gradient" less 256
check "without any epilogue" less 4 6 134 136 256
finish
