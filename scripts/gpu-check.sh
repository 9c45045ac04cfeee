#!/bin/bash
# Checks on a GPU what only a GPU can prove. Writes two files: report.md, and gpu-check.tar.gz with all logs and figures.
#
#   scripts/gpu-check.sh [OPTION...] [PART...]      make gpu-check runs all parts
#
#   --minutes M       run the parts that fit into M minutes, in the order below, except those that have passed already
#   --out DIR         where the two files go: build/gpu (a dry run: build/gpu-dry)
#   --continue FILE   continue from this archive of an earlier call instead of the one in DIR
#   --stage FILE      unpack and use an archive of scripts/gpu-stage.sh, on a machine with CUDA and gcc but no MPI or HDF5
#   --dry-run         without a GPU: on the referee (tests/fakecuda), with small sizes
#   CIFAR10_DIR=DIR   CIFAR-10's files; otherwise data/cifar10.h5 or the repository's sample
#
# On a bare machine, in two calls of 9 and 4 minutes (with --continue if the second runs on a different machine):
#   scripts/gpu-check.sh --minutes 9 --stage stage.tar.gz --out DIR
#   scripts/gpu-check.sh --minutes 4 --stage stage.tar.gz --out DIR
#
# A call adds its results to those in the archive. A result counts as passed only while src/, include/ and the Makefile are
# unchanged. The last line counts all results; the exit code is 1 if a requested part has failed.
# CUDA's libraries are found where the Makefile finds them, or in pip's packages. Figures for the repository:
#   scripts/gpu-check/measured.py build/gpu/gpu-check.tar.gz > src/backends/cudnn/MEASURED.md
# The parts, each a script in scripts/gpu-check/, with its usual and its maximum duration in seconds:
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
parts=(build losses graph rates ncu ranks properties operations workspace torch sanitizer curve tests speed repeat nccl)
reserve=10 # seconds kept free at the end of --minutes, for a part that is slow to stop and for packing
about() { sed -n '2s/^# //p' "scripts/gpu-check/$1.sh"; }
usual() { sed -n 's/^# time: \([0-9]*\) s, at most [0-9]* s$/\1/p' "scripts/gpu-check/$1.sh"; }
limit() { sed -n 's/^# time: [0-9]* s, at most \([0-9]*\) s$/\1/p' "scripts/gpu-check/$1.sh"; }
usage() {
    sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
    for part in "${parts[@]}"; do printf '  %-11s %s (%s s, %s s)\n' "$part" "$(about "$part")" "$(usual "$part")" "$(limit "$part")"; done
}
refuse() { echo "gpu-check.sh: $*" >&2; exit 2; }

export DRY=0
minutes='' out='' from='' stage=''
while [[ ${1:-} == -* ]]; do
    case $1 in
        -h | --help) usage; exit ;;
        --dry-run) DRY=1 ;;
        --minutes | --out | --continue | --stage)
            [ -n "${2:-}" ] || refuse "$1 wants a value"
            case $1 in --minutes) minutes=$2 ;; --out) out=$2 ;; --continue) from=$2 ;; --stage) stage=$2 ;; esac
            shift ;;
        *) refuse "there is no option $1 (--help lists them)" ;;
    esac
    shift
done
wanted=("$@")
[ $# -gt 0 ] || wanted=("${parts[@]}")
for part in "${wanted[@]}"; do
    [[ " ${parts[*]} " == *" $part "* ]] || refuse "there is no part '$part': ${parts[*]}"
done
[[ -z $minutes || $minutes =~ ^[0-9]+(\.[0-9]+)?$ ]] || refuse "--minutes wants a number, not '$minutes'"
for file in ${stage:+"$stage"} ${from:+"$from"}; do [ -f "$file" ] || refuse "there is no file $file"; done
if [ $DRY -eq 0 ] && [ ! -e /dev/nvidiactl ] && ! nvidia-smi -L > /dev/null 2>&1; then
    echo "gpu-check.sh: there is no NVIDIA driver here; --dry-run does what can be done without one" >&2
    exit 1
fi

# ---- the common environment of the parts
out=${out:-build/gpu$([ $DRY -eq 0 ] || echo -dry)}
mkdir -p "$out" build || exit 1
device=$(ls /dev/nvidia[0-9]* 2> /dev/null | head -n 1)
if [ -r "$device" ]; then exec 9< "$device"; fi # an open device keeps the driver loaded between two programs
if [ -n "$stage" ]; then
    unpacked=build/stage/$(tar -tzf "$stage" | head -n 1 | cut -d / -f 1)
    if [ ! -f "$unpacked/env.sh" ]; then mkdir -p build/stage && tar -xzf "$stage" -C build/stage || exit 1; fi
    . "$unpacked/env.sh"
fi
. scripts/local_mpi.sh
. scripts/gpu-check/cuda.sh
export LC_ALL=C OMP_NUM_THREADS=1 OMPI_MCA_mpi_yield_when_idle=1
export CIFAR10_MODULES=$PWD

rm -f build/gpu-check.h5 # packed in each call: CIFAR10_DIR may name different data

# ---- results: files PART.log, PART.md, PART.result and tables of figures, unpacked from the archive and packed into it again
RESULTS=$(mktemp -d "${TMPDIR:-/tmp}/gpu-check.XXXXXX") || exit 1
export RESULTS
trap 'rm -rf "$RESULTS"' EXIT
archive=$out/gpu-check.tar.gz
from=${from:-$archive}
if [ -f "$from" ]; then tar -xzf "$from" -C "$RESULTS" --strip-components=1 || exit 1; fi
referee="the referee, no GPU"
if [ -f "$RESULTS/machine.csv" ]; then
    dry=$(grep -c "^card,$referee" "$RESULTS/machine.csv")
    [ "$dry" -eq $DRY ] || refuse "$from comes from $([ $DRY -eq 1 ] && echo "a GPU, and this is a dry run" || echo "a dry run")"
fi

sources() { find src include Makefile -type f | sort | xargs cat | sha256sum | cut -c 1-10; }
asked() { nvidia-smi --query-gpu="$1" --format=csv,noheader | head -n 1; }
card() { if [ $DRY -eq 1 ]; then echo "$referee"; else asked name; fi; }
sources=$(sources) card=$(card)

describe() { # prints lines "NAME,VALUE" about this machine
    local name
    echo "card,$card"
    [ $DRY -eq 1 ] || for name in driver:driver_version memory:memory.total "clock:clocks.max.sm" "memory clock:clocks.max.memory"; do
        echo "${name%:*},$(asked "${name#*:}")"
    done
    echo "compiler,$(nvcc_version)"
    echo "cores,$(env -u OMP_NUM_THREADS nproc)"
    echo "date,$(date -u +%Y-%m-%dT%H:%MZ)"
    echo "commit,$(git describe --always --dirty 2> /dev/null || echo unknown)"
    echo "sources,$sources"
}

# A result is one line, separated by tabs: passed|failed|skipped|not-run, seconds, sources, card, why.
note() { printf '%s\t%s\t%s\t%s\t%s\n' "$2" "$3" "$sources" "$card" "$4" > "$RESULTS/$1.result"; }
result() { cut -f "$2" "$RESULTS/$1.result" 2> /dev/null; }
has_passed() { [ "$(result "$1" 1)" = passed ] && [ "$(result "$1" 3)" = "$sources" ] && [ "$1" != build ]; }

left() { if [ -n "$minutes" ]; then awk "BEGIN { print int($minutes * 60 - $reserve - $SECONDS) }"; else echo 1000000; fi; }
shorter() { echo $(($1 < $2 ? $1 : $2)); }

room=10000 # characters left for excerpts of failing logs and for tables, which keeps the output readable
excerpt() { # PART
    local lines
    lines=$(tail -n 12 "$RESULTS/$1.log" | cut -c 1-150 | sed 's/^/    | /')
    room=$((room - ${#lines}))
    if [ $room -gt 0 ]; then echo "$lines"; else echo "    (its log is in the archive: $1.log)"; fi
}

run_part() { # NAME SECONDS
    local part=$1 began=$SECONDS rc took
    rm -f "$RESULTS/$part".*
    PART=$part timeout -k 5 "$2" bash "scripts/gpu-check/$part.sh" > "$RESULTS/$part.log" 2>&1 < /dev/null
    rc=$? took=$((SECONDS - began))
    case $rc in
        0) note "$part" passed $took "" ;;
        77) note "$part" skipped $took "$(tail -n 1 "$RESULTS/$part.log")" ;;
        124 | 137)
            if [ "$2" -lt "$(limit "$part")" ]; then note "$part" not-run $took "it was stopped because the $minutes minutes were over"
            else note "$part" failed $took "it was still running after $2 s"; fi ;;
        *) note "$part" failed $took "exit code $rc: $(tail -n 1 "$RESULTS/$part.log" | tr '\t' ' ' | cut -c 1-200)" ;;
    esac
}

show() { # PART
    local result why
    result=$(result "$1" 1) why=$(result "$1" 5)
    printf '%-11s %s, %s s%s\n' "$1" "${result/-/ }" "$(result "$1" 2)" "${why:+: $why}"
    [ "$result" != failed ] || excerpt "$1"
}

count() { # PART...: "N passed, N failed, N skipped, N not run"
    for part; do if [ -f "$RESULTS/$part.result" ]; then cat "$RESULTS/$part.result"; else echo not-run; fi; done | cut -f 1 |
        awk '{ n[$1]++ } END { printf "%d passed, %d failed, %d skipped, %d not run\n", n["passed"], n["failed"], n["skipped"], n["not-run"] }'
}

report() {
    local result why
    echo "# cifar10_mpi on a GPU: what was checked"
    echo
    if [ $DRY -eq 1 ]; then echo "**A dry run**: no GPU, but the referee of \`tests/fakecuda\`, and small sizes. Its times and rates mean nothing."; echo; fi
    echo "$(count "${parts[@]}"). The last call ran here:"
    echo
    sed 's/^/- /; s/,/: /' "$RESULTS/machine.csv"
    printf '\nThe next call with `--minutes` runs the parts that have not run yet, failed or were skipped.\n'
    printf '\n| part | what it checks | result | seconds | on | why |\n|---|---|---|---:|---|---|\n'
    for part in "${parts[@]}"; do
        result=$(result "$part" 1) why=$(result "$part" 5)
        result=${result:-not run}
        [ "$result" != failed ] || result="**failed**"
        echo "| $part | $(about "$part") | ${result/-/ } | $(result "$part" 2) | $(result "$part" 4) | ${why//|//} |"
    done
    python3 scripts/gpu-check/measured.py --tables "$RESULTS" || printf '\nThe tables of figures are missing: they need python3.\n'
    for part in "${parts[@]}"; do
        [ -s "$RESULTS/$part.md" ] || continue
        printf '\n## Details: %s\n\n%s. The whole output is in the archive, `%s.log`.\n\n' "$part" "$(about "$part")" "$part"
        cat "$RESULTS/$part.md"
    done
}

# Writes both files after every part, so that they are complete even if the call is killed.
keep() {
    report > "$out/report.md.new" && mv "$out/report.md.new" "$out/report.md"
    cp "$out/report.md" "$RESULTS" &&
        tar -czf "$archive.new" -C "${RESULTS%/*}" --transform "s,^${RESULTS##*/},gpu-check," "${RESULTS##*/}" && mv "$archive.new" "$archive"
}

describe > "$RESULTS/machine.csv"
for part in "${wanted[@]}"; do
    if [ -n "$minutes" ] && has_passed "$part"; then
        printf '%-11s passed in an earlier call\n' "$part"
    elif [ "$part" != build ] && [[ " ${wanted[*]} " == *" build "* ]] && [ "$(result build 1)" = failed ]; then
        note "$part" not-run 0 "the build failed"
    elif [ "$(left)" -lt "$(usual "$part")" ]; then
        [ "$(result "$part" 1)" = failed ] || note "$part" not-run 0 "it takes about $(usual "$part") s, and $(left) s were left"
        printf '%-11s not run: it takes about %s s, and %s s are left\n' "$part" "$(usual "$part")" "$(left)"
    else
        run_part "$part" "$(shorter "$(limit "$part")" "$(left)")"
        show "$part"
    fi
    keep
done
tables=$(python3 scripts/gpu-check/measured.py --tables "$RESULTS")
if [ ${#tables} -gt 0 ] && [ ${#tables} -lt $room ]; then echo "$tables"; fi
echo "report: $out/report.md; logs and figures: $archive"
count "${parts[@]}"
[[ $(count "${wanted[@]}") == *" 0 failed"* ]]
