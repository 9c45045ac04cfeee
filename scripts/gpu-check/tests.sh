#!/bin/bash
# Every other backend test on the cudnn tower: properties of all backends, all convolutions, memory
# time: 200 s, at most 540 s
. scripts/gpu-check/lib.sh
others=$(printf '%s\n' tests/backends/test_*.c | sed 's,.*/,,; s,\.c$,,' | grep -vxE 'test_(reference|reference_step|formulas|gradients)')
backend_tests $(size "$others" test_properties)
finish
