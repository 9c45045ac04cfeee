# tests/lib.sh: functions that the script tests share. Source it from the repository root: `. tests/lib.sh`.
#
#   ok NAME | not_ok NAME [WHY] | skip NAME REASON     one result, as TAP
#   check NAME COMMAND...       ok if the command succeeds; if not, its output is shown
#   nothing COMMAND...          succeeds if the command prints nothing; otherwise shows what it printed
#   refused NAME PATTERN COMMAND...   ok if the command exits with 1 or 2 and prints one sentence with PATTERN (grep -E)
#   small_data                  prints the path of a small packed data set (1000 + 200 images), which is made once
#   sample_data                 the same for the whole sample (10,000 + 2,000 images)
#   same_bits FILE FILE         succeeds if two checkpoints hold the same parameters and shadows, bit for bit
#   same NAME DIRECTORY DIRECTORY STEP     checks that two runs below $tmp have the same bits in their checkpoints of that step
#   ranks_start N DIRECTORY ARGUMENT...   starts N ranks of the program in the background: $job is mpirun's process,
#                               DIRECTORY/pid.R holds the process number of rank R, DIRECTORY/output what the ranks print
#   eventually SECONDS COMMAND...     repeats the command until it succeeds
#   wait_for SECONDS PATTERN FILE     until FILE has a line with PATTERN (grep -E)
#   unwrapped [FILE]            prints the file with the wrapped lines of a start block joined again
#   terminals                   succeeds if `script` can run a command in a terminal
#   no_terminal | no_mount      print why there is no terminal, or why no file system can be mounted: the reason for a skip
#   finish                      prints the plan and fails if a result failed; the last command of a script
#   $tmp                        the script's temporary directory, removed when it ends
#
# A script that must clean up when it ends defines a function `cleanup`.

export LC_ALL=C OMP_NUM_THREADS=1
. scripts/local_mpi.sh
# TCP connects nodes that are network namespaces (system/ranks/nodes.sh). Ranks that share a core must not spin while they wait.
export OMPI_MCA_btl=self,vader,tcp OMPI_MCA_btl_tcp_if_include=lo OMPI_MCA_mpi_yield_when_idle=1
unset CDPATH

tmp=$(mktemp -d "${TMPDIR:-/tmp}/cifar10_test.XXXXXX") || exit 1
cleanup() { :; }
trap 'cleanup; rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM HUP

results=0 failures=0

ok() { results=$((results + 1)); echo "ok $results - $1"; }

not_ok() {
    results=$((results + 1)) failures=$((failures + 1))
    echo "not ok $results - $1"
    if [ -n "${2:-}" ]; then sed 's/^/# /' <<< "$2"; fi
}

skip() { results=$((results + 1)); echo "ok $results - $1 # SKIP $2"; }

check() {
    local name=$1 output rc
    shift
    output=$("$@" 2>&1 < /dev/null)
    rc=$?
    if [ $rc -eq 0 ]; then ok "$name"
    else not_ok "$name" "exit code $rc of: $(cut -c 1-200 <<< "$*")"$'\n'"$(tail -n 20 <<< "$output")"; fi
}

nothing() {
    local found
    found=$("$@")
    [ -z "$found" ] || { echo "$found"; return 1; }
}

# Prints the program's own standard error, without messages of mpirun (between lines of dashes, or beginning with [host:1234]) and of
# srun (beginning with its name).
sentences() { sed -E '/^-{20,}$/,/^-{20,}$/d; /^\[[^] ]+:[0-9]+\] /d; /^srun: /d' "$1"; }

refused() {
    local name=$1 pattern=$2 output rc said
    shift 2
    output=$("$@" 2> "$tmp/refused" < /dev/null)
    rc=$?
    said=$(sentences "$tmp/refused")
    if { [ $rc -eq 1 ] || [ $rc -eq 2 ]; } && [[ $said == "cifar10_mpi: "* && $said != *$'\n'* ]] &&
        grep -qE -- "$pattern" <<< "$said"; then
        ok "$name"
    else
        not_ok "$name" "exit code $rc (expected: 1 or 2, and one sentence with '$pattern') of: $*
$(tail -n 5 <<< "$output")"$'\n'"$(tail -n 20 "$tmp/refused")"
    fi
}

finish() { echo "1..$results"; [ $failures -eq 0 ]; }

unwrapped() { sed -E -z 's/( \\)?\n {17}/ /g' "$@"; }

# Some chroots have no /dev/pts, and so no terminals.
terminals() { script -qec true /dev/null > /dev/null 2>&1 < /dev/null; }
no_terminal() {
    command -v script > /dev/null || { echo "there is no script command"; return; }
    echo "no terminal can be had here: $(script -qec true /dev/null 2>&1 < /dev/null | tail -n 1)"
}
no_mount() {
    command -v mount > /dev/null || { echo "there is no mount (Debian: mount)"; return; }
    echo "no file system can be mounted here: $(unshare --mount mount -t tmpfs none "$tmp" 2>&1 | tail -n 1)"
}

# Data sets that scripts share are packed once, and again after the program has been rebuilt.
outdated() { [ ! -s "$1" ] || [ cifar10_mpi -nt "$1" ]; }

pack_for_all() { # FILE SOURCE
    mkdir -p "${1%/*}"
    ./cifar10_mpi pack --from "$2" "$1" > "$tmp/packed.log" 2>&1 || { cat "$tmp/packed.log" >&2; return 1; }
}

# Takes every tenth image, which keeps the classes balanced.
small_data() {
    local packed=build/tests/small.h5 from=$tmp/small
    if outdated $packed; then
        mkdir "$from"
        tar -xf tests/data/cifar10-sample.tar.xz -C "$from" --wildcards '*/*/[0-9]*0.jpg' || return 1
        pack_for_all $packed "$from" || return 1
    fi
    echo $packed
}

sample_data() {
    local packed=build/tests/sample.h5
    ! outdated $packed || pack_for_all $packed tests/data/cifar10-sample.tar.xz || return 1
    echo $packed
}

same_bits() {
    /usr/bin/python3 - "$@" << 'END'
import sys
import h5py

def arrays(file):
    with h5py.File(file) as f:
        found = {}
        for group in "params", "ema":
            f[group].visititems(lambda name, item: found.update({f"{group}/{name}": item[()].tobytes()})
                                if isinstance(item, h5py.Dataset) else None)
        return found

a, b = map(arrays, sys.argv[1:])
different = sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))
sys.exit(f"of {len(a)} data sets differ: {different}" if different or len(a) != 20 else 0)
END
}

same() { # NAME DIRECTORY DIRECTORY STEP
    local step=checkpoint-$(printf %08d "$4").h5
    check "$1: the same bits" same_bits "$tmp/$2/$step" "$tmp/$3/$step"
}

ranks_start() {
    local ranks=$1 directory=$2
    shift 2
    rm -rf "$directory" && mkdir -p "$directory" || return 1
    mpirun -np "$ranks" bash -c 'echo $$ > "$0/pid.$OMPI_COMM_WORLD_RANK" && exec ./cifar10_mpi "$@"' \
        "$directory" "$@" > "$directory/output" 2>&1 < /dev/null &
    job=$!
}

eventually() {
    local tries
    for ((tries = 10 * $1; tries > 0; tries--)); do
        if "${@:2}" > /dev/null 2>&1; then return 0; fi
        sleep 0.1
    done
    "${@:2}"
}

wait_for() { eventually "$1" grep -E -- "$2" "$3" || { tail -n 20 "$3"; return 1; }; }
