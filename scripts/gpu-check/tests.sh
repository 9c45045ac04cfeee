#!/bin/bash
# Every test of a backend on the cudnn tower: TensorFlow's operations and steps, finite differences, the openblas tower
# time: 120 s, at most 300 s
. scripts/gpu-check/lib.sh
one() { # TEST: it prints TAP, and a pattern chooses the tower's own
    run "build/tests/backends/$1" 'cudnn: *' > "$work/tap" 2>&1
    local rc=$?
    cat "$work/tap"
    ran=$((ran + $(grep -c '^ok' "$work/tap")))
    [ $rc -eq 0 ]
}
ran=0
tests=$(printf '%s\n' tests/backends/test_*.c | sed 's,.*/,,; s,\.c$,,')
for test in $(size "$tests" "test_reference test_reference_step test_properties test_formulas"); do verify "$test" one "$test"; done
tell '' "$ran tests passed."
[ $ran -gt 0 ] || { echo "no test ran: there is no cudnn tower here"; exit 1; }
finish
