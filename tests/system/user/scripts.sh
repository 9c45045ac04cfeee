#!/bin/bash
# The scripts that users start: make bench's and the one that draws the learning curve (make run's: readme.sh).
# time limit: 300 s
. tests/lib.sh
sample=$(sample_data) && small=$(small_data) || { not_ok "packed data sets" "$sample"; finish; exit; }
sample=$PWD/$sample small=$PWD/$small

# Runs the scripts in a copy, since data/ and runs/ belong to the user, and without the settings of tests/lib.sh.
tree=$tmp/tree
mkdir -p "$tree/tests"
cp -r cifar10_mpi scripts "$tree"
cp -r tests/data "$tree/tests"
for setting in ${!OMPI_*} ${!PRTE_*} ${!PMIX_*} ${!HWLOC_*} OMP_NUM_THREADS CIFAR10_DIR PEERS; do unset "$setting"; done
run_script() { # NAME ARGUMENT...: runs the script from another directory
    (cd "$tmp" && timeout 200 "$tree/scripts/$1.sh" "${@:2}") > "$tmp/$1.out" 2>&1 && return
    tail -n 20 "$tmp/$1.out"
    return 1
}
said() { grep -E -- "$1" "$tmp/$2.out" || { tail -n 20 "$tmp/$2.out"; return 1; }; } # PATTERN SCRIPT

# ---- make bench
ROUNDS=1 STEPS=20 check "bench.sh" run_script bench
for row in "2 ranks x 64" "2 ranks x 64, --slices 8" "1 rank x 128, on one core" "2 ranks x 128"; do
    check "a rate of $row" said "^$row  +[1-9][0-9]*\.[0-9] " bench
done
check "a ratio" said "^2 ranks x 128 .* [0-9]+\.[0-9][0-9]  to one rank$" bench
check "where the time of a step goes" said "^whole step +[0-9.]+" bench

# ---- the learning curve
if command -v gnuplot > /dev/null; then
    curve=$tmp/curve
    BATCH=16 check "learning-curve.sh to steps 2 and 4" run_script learning-curve "$small" "$curve" 2 4
    rows() { # prints the steps of the rows that are correct
        awk -F, 'NR > 1 && NF == 5 && $2 >= $3 && $3 > 0 && $4 <= 1 && $5 <= 1 { print $1 }' "$curve/curve.csv" | xargs
    }
    check "a row of losses and precisions at each" test "$(rows)" = "2 4"
    check "a picture" test "$(head -c 4 "$curve/curve.png" | tail -c 3)" = PNG
    BATCH=16 check "on to step 10" run_script learning-curve "$small" "$curve" 2 4 10
    check "with a row more" test "$(rows)" = "2 4 10"
else
    skip "the learning curve" "there is no gnuplot (Debian: gnuplot-nox)"
fi
finish
