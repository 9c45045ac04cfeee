#!/bin/bash
# Runs each fuzzing harness for 12 seconds (`make fuzz`: ten minutes each). Earlier findings are among the seeds and run first.
# time limit: 200 s
. tests/lib.sh
seeds=tests/fuzz/seeds
for file in $seeds/{packed,checkpoint}/latest.h5; do
    check "the seed ${file#$seeds/} is a whole file" ./cifar10_mpi inspect "$file"
done
for file in $seeds/archive/{pictures,batches}.tar* $seeds/archive/{stored,deflated}.zip; do
    check "the seed ${file#$seeds/} is a data set" ./cifar10_mpi pack --allow-missing-classes --from "$file" "$tmp/out.h5"
done
names() { for file in tests/fuzz/fuzz_*.c; do name=${file##*/fuzz_}; echo "${name%.c}"; done; }
for name in $(names); do
    [ -x build/fuzz/tests/fuzz/fuzz_"$name" ] && continue
    skip "fuzzing" "there is no harness for $name: make test builds it with clang and libFuzzer (Debian: clang libclang-rt-dev)"
    finish; exit
done
tests/fuzz/run 12 $(names) > "$tmp/said" 2>&1
for name in $(names); do
    said=$(grep "^$name " "$tmp/said" | xargs)
    places=$(grep -o '[0-9]* places' <<< "$said")
    if [[ $said == *": nothing found" ]] && [ "${places% *}" -ge 50 ]; then ok "$said"
    else not_ok "fuzzing $name finds nothing, in 50 places or more" "$said"; fi
done
finish
