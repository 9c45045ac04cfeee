# tests/lib.sh: what the script tests share. Source it from the repository root: `. tests/lib.sh`.
#
#   ok NAME | not_ok NAME [WHY] | skip NAME REASON     one result, as TAP
#   check NAME COMMAND...       ok if the command succeeds; what it printed is shown if it does not
#   refused NAME PATTERN COMMAND...   ok if the command ends with 1 or 2 and says PATTERN (grep -E), on few lines
#   small_data                  prints the path of a small packed data set (1000 + 200 images), made once
#   finish                      prints the plan; the last command of a script
#   $tmp                        a directory of the script's own, removed when it ends
#
# A script that must stop something when it ends defines a function `cleanup`.

export LC_ALL=C OMP_NUM_THREADS=1
# The tests may run as root in a container, on more ranks than cores, and talk over the loopback only.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_MCA_btl=self,vader,tcp OMPI_MCA_btl_tcp_if_include=lo OMPI_MCA_oob_tcp_if_include=lo
# Ranks that share a core must not spin while they wait; containers often forbid reading another process's memory.
export OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_btl_vader_single_copy_mechanism=none
# hwloc, which Open MPI asks about the machine, need not look for X displays (seconds each where there is no /etc/hosts),
# nor complain where a chroot has no /sys.
export HWLOC_COMPONENTS=-gl HWLOC_HIDE_ERRORS=2
unset CDPATH

tmp=$(mktemp -d "${TMPDIR:-/tmp}/cifar10_test.XXXXXX") || exit 1
cleanup() { :; }
trap 'cleanup; rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM HUP

results=0

ok() { results=$((results + 1)); echo "ok $results - $1"; }

not_ok() {
    results=$((results + 1))
    echo "not ok $results - $1"
    if [ -n "${2:-}" ]; then sed 's/^/# /' <<< "$2"; fi
}

skip() { results=$((results + 1)); echo "ok $results - $1 # SKIP $2"; }

check() {
    local name=$1 output rc
    shift
    output=$("$@" 2>&1 < /dev/null)
    rc=$?
    if [ $rc -eq 0 ]; then ok "$name"; else not_ok "$name" "exit code $rc of: $(cut -c 1-200 <<< "$*")"$'\n'"$(tail -n 20 <<< "$output")"; fi
}

refused() {
    local name=$1 pattern=$2 output rc
    shift 2
    output=$("$@" 2>&1 < /dev/null)
    rc=$?
    if [ $rc -ne 1 ] && [ $rc -ne 2 ]; then
        not_ok "$name" "exit code $rc, not 1 or 2, of: $*"$'\n'"$(tail -n 20 <<< "$output")"
    elif [ "$(grep -cE -- "$pattern" <<< "$output")" -ne 1 ]; then
        not_ok "$name" "'$pattern' is not said exactly once by: $*"$'\n'"$(tail -n 20 <<< "$output")"
    else
        ok "$name"
    fi
}

finish() { echo "1..$results"; }

# Every tenth image: the classes stay balanced.
small_data() {
    local packed=build/tests/small.h5 from="$tmp/small"
    if [ ! -s $packed ] || [ cifar10_mpi -nt $packed ]; then
        mkdir -p build/tests "$from"
        tar -xf tests/data/cifar10-sample.tar.xz -C "$from" --wildcards '*/*/[0-9]*0.jpg' || return 1
        ./cifar10_mpi pack --from "$from" $packed > "$tmp/small.log" 2>&1 || { cat "$tmp/small.log" >&2; return 1; }
    fi
    echo $packed
}
