#!/bin/bash
# The program, its module and the tests of backends are built
# time: 60 s, at most 300 s
. scripts/gpu-check/lib.sh
tests=$(printf '%s\n' tests/backends/test_*.c tests/gpu/*.c | sed 's,^,build/,; s,\.c$,,')
own_make() { run env -u MAKEFLAGS -u MAKELEVEL make --no-print-directory -j"$(env -u OMP_NUM_THREADS nproc)" "$@"; } # also when started by make
built() {
    own_make info
    own_make all || return 1
    [ -f cifar10_cudnn.so ] || { make info | grep 'backend *cudnn'; return 1; }
}
verify "program and module" built
[ $failed -eq 0 ] || finish
verify "tests of backends" own_make $tests $(size '' fakecuda)
for precision in fp32 tf32 bf16; do python3 scripts/gpu_expect.py csv $precision > "$RESULTS/expected-$precision.csv" & done
wait
tell '' '```' "$(own_make info | grep -v '^+')" '```'
finish
