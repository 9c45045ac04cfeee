#!/bin/bash
# Checks on a GPU all that only a GPU can prove, and writes one report, build/gpu/report.md.
#
#   scripts/gpu-check.sh [--dry-run] [PART...]      make gpu-check runs all parts
#
#   --dry-run          where there is no GPU: on the referee (tests/fakecuda), with small sizes, into build/gpu-dry/report.md
#   CIFAR10_DIR=DIR    the files of CIFAR-10; else data/cifar10.h5, else the repository's sample
#   OUT=DIR            the report's folder
#
# A part takes at most its limit and keeps its whole output beside the report. Several calls may share the parts: each adds to
# the report what it ran. The last line is `N passed, N failed, N skipped` of this call; exit code 1 if a part failed.
# CUDA's libraries are found where the Makefile finds them, or in pip's packages. Without a network: scripts/gpu-stage.sh.
# The parts, each a script of scripts/gpu-check/:
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
parts=(build losses tests graph repeat ranks nccl sanitizer properties curve speed torch)
about() { sed -n '2s/^# //p' "scripts/gpu-check/$1.sh"; }
limit() { grep -om1 'time limit: [0-9]*' "scripts/gpu-check/$1.sh" | grep -o '[0-9]*'; }
usage() {
    sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
    for part in "${parts[@]}"; do printf '  %-11s %s (%s s)\n' "$part" "$(about "$part")" "$(limit "$part")"; done
}

export DRY=0
case ${1:-} in
    -h | --help) usage; exit ;;
    --dry-run) DRY=1; shift ;;
esac
wanted=("$@")
[ $# -gt 0 ] || wanted=("${parts[@]}")
for part in "${wanted[@]}"; do
    [[ " ${parts[*]} " == *" $part "* ]] || { echo "gpu-check.sh: there is no part '$part': ${parts[*]}" >&2; exit 2; }
done
if [ $DRY -eq 0 ] && [ ! -e /dev/nvidiactl ] && ! nvidia-smi -L > /dev/null 2>&1; then
    echo "gpu-check.sh: there is no NVIDIA driver here; --dry-run does what can be done without one" >&2
    exit 1
fi
export OUT=${OUT:-build/gpu$([ $DRY -eq 0 ] || echo -dry)}
mkdir -p "$OUT" || exit 1
. scripts/local_mpi.sh
. scripts/gpu-check/cuda.sh
export LC_ALL=C OMP_NUM_THREADS=1 OMPI_MCA_mpi_yield_when_idle=1
export CIFAR10_MODULES=$PWD

run_part() { # NAME: leaves "RESULT SECONDS WHY" in its .result
    local part=$1 began=$SECONDS rc result why=
    rm -f "$OUT/$part.md" "$OUT/$part.result"
    PART=$part timeout -k 10 "$(limit "$part")" bash "scripts/gpu-check/$part.sh" > "$OUT/$part.log" 2>&1 < /dev/null
    rc=$?
    case $rc in
        0) result=passed ;;
        77) result=skipped why=$(tail -n 1 "$OUT/$part.log") ;;
        124 | 137) result=failed why="still running after $(limit "$part") s" ;;
        *) result=failed why="exit code $rc: $(tail -n 1 "$OUT/$part.log" | cut -c 1-200)" ;;
    esac
    echo "$result $((SECONDS - began)) $why" > "$OUT/$part.result"
    printf '%-11s %s, %s s%s\n' "$part" "$result" $((SECONDS - began)) "${why:+: $why}"
}

count() { # PART...: "N passed, N failed, N skipped"
    local part
    for part; do cat "$OUT/$part.result" 2> /dev/null; done |
        awk '{ n[$1]++ } END { printf "%d passed, %d failed, %d skipped\n", n["passed"], n["failed"], n["skipped"] }'
}

cores() { env -u OMP_NUM_THREADS nproc; }
report() {
    local part result seconds why
    echo "# cifar10_mpi on a GPU"
    echo
    if [ $DRY -eq 1 ]; then echo "A dry run: no GPU, but the referee of \`tests/fakecuda\`, and small sizes. Its rates mean nothing."; echo
    else nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm,clocks.max.mem --format=csv,noheader | sed 's/^/- /'; fi
    echo "- $(date -u +%Y-%m-%dT%H:%MZ), $(cores) cores, $(nvcc_version), commit $(git rev-parse --short HEAD 2> /dev/null || echo unknown)"
    printf '\n| part | result | seconds | what |\n|---|---|---:|---|\n'
    for part in "${parts[@]}"; do
        read -r result seconds why 2> /dev/null < "$OUT/$part.result" || result="not run" seconds='' why=
        echo "| [$part]($part.log) | ${result/failed/**failed**} | $seconds | $(about "$part")${why:+: $why} |"
    done
    for part in "${parts[@]}"; do
        [ -s "$OUT/$part.md" ] || continue
        printf '\n## %s\n\n%s.\n\n' "$part" "$(about "$part")"
        cat "$OUT/$part.md"
    done
    printf '\n%s\n' "$(count "${parts[@]}")"
}

for part in "${wanted[@]}"; do
    run_part "$part"
    report > "$OUT/report.md.new" && mv "$OUT/report.md.new" "$OUT/report.md"
done
echo "report: $OUT/report.md"
counts=$(count "${wanted[@]}")
echo "$counts"
[[ $counts == *" 0 failed"* ]]
