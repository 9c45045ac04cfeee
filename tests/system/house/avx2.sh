#!/bin/bash
# The backends as on a CPU without AVX-512, by means of the libraries' own switches (our Winograd loops follow oneDNN's switch; loops
# that the compiler has cloned follow the CPU), and without libxsmm.
# time limit: 300 s
. tests/lib.sh

if ! grep -q HAVE_onednn build/flags; then
    skip "the backends on lesser machines" "this build has no onednn backend"
    finish
    exit
fi

# Limits all three libraries to AVX2.
lesser() { env ONEDNN_MAX_CPU_ISA=AVX2 LIBXSMM_TARGET=hsw OPENBLAS_CORETYPE=Haswell "$@"; }

passes() { # PROGRAM: succeeds if its tests pass; otherwise shows their failures
    "$@" > "$tmp/output" 2>&1 || { grep -A4 -E '^not ok [0-9]+ - |^ERROR' "$tmp/output"; return 1; }
}

for source in tests/backends/test_*.c; do
    name=$(basename "$source" .c)
    check "with AVX2 only: $name" passes lesser "build/tests/backends/$name"
done
sets() { lesser build/tests/backends/test_winograd 2>&1 | grep -E '^(# *)?(AVX-512|AVX2|generic)'; }
check "and minimal filtering has no AVX-512 then" test -z "$(sets | grep AVX-512)"
check "but AVX2, where the CPU has it" test -n "$(sets | grep AVX2)" -o -z "$(grep -w avx2 /proc/cpuinfo)"

plain() {
    (unset MAKEFLAGS MAKELEVEL BACKENDS BUILD
     make --no-print-directory -j2 BUILD="$tmp/plain" OPTIMISE=-O1 libxsmm_found= "$plain/test_winograd")
}
plain=$tmp/plain/tests/backends objects=$tmp/plain/backends/onednn
check "a build without libxsmm" plain
check "is one" test -e "$objects/products_none.o" -a ! -e "$objects/products_libxsmm.o"
check "without libxsmm: test_winograd" passes "$plain/test_winograd"
finish
