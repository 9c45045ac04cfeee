# tests/spoil.sh: runs the program with a numerical fault put into it; source this file after tests/lib.sh.
#
#   spoil_or_skip NAME     builds the library that causes the fault (tests/system/faults/spoil.c); if that fails, skips NAME, prints
#                          the plan and ends the script
#   spoilt WHAT RANK STEP COMMAND...     runs the command with fault WHAT in that rank, in $spoil_steps (1) steps from STEP on

spoil_or_skip() {
    if ! mpirun -np 1 ./cifar10_mpi bench --tower openblas --bench-steps 1 --batch-size 1 > /dev/null 2> "$tmp/spoil.log"; then
        skip "$1" "no openblas tower: $(head -n 1 "$tmp/spoil.log")"
    elif ! ${CC:-cc} -shared -fPIC -O1 $(pkg-config --cflags openblas 2> /dev/null) -o "$tmp/spoil.so" tests/system/faults/spoil.c -ldl -lm 2> "$tmp/spoil.log"; then
        skip "$1" "its library cannot be built: $(head -n 1 "$tmp/spoil.log")"
    else
        return
    fi
    finish
    exit
}

spoilt() (
    export LD_PRELOAD="$tmp/spoil.so" SPOIL_WHAT="$1" SPOIL_RANK="$2" SPOIL_STEP="$3" SPOIL_STEPS="${spoil_steps:-1}"
    shift 3
    "$@"
)
