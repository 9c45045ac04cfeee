#!/bin/bash
# Checks the kernels as nvcc compiles them for A100, H100 and other devices: no spilled registers, no fused multiply-adds if the CPU code
# has none, no C++ library; kernels for the tutorial's shapes have few instructions and no divisions. Prints what each kernel uses.
. tests/lib.sh

if ! why=$(make --no-print-directory info 2>&1 | grep -o 'cudnn: not built in.*'); [ -n "$why" ]; then
    skip "the kernels compile" "$why"
    finish
    exit
fi

object=$tmp/module/kernels.o
compiles() {
    make --no-print-directory BUILD="$tmp" NVCC_FLAGS='-Xptxas -v' V=1 "$object" > "$tmp/said" 2>&1 && return
    tail -30 "$tmp/said"
    return 1
}
core_seconds() { times | awk -F'[ms]' 'NR == 2 { print int(60 * $1 + $2) }'; } # user time of all commands so far
began=$(core_seconds)
check "the kernels compile" compiles
check "in less than 30 s of a core" test $(($(core_seconds) - began)) -lt 30

# Lines "DEVICE KERNEL REGISTERS SHARED STACK", sizes in bytes. Spilled registers are on the stack or counted separately.
awk '/Compiling entry function/ { split($0, part, "\047"); kernel = part[2]; device = part[4] }
     / bytes stack frame/       { stack = $1 + $5 + $9 }
     /Used [0-9]+ registers/    { shared = /bytes smem/ ? $0 : 0; sub(/ bytes smem.*/, "", shared); sub(/.* /, "", shared)
                                  for (i = 1; i < NF; i++) if ($i == "Used") registers = $(i + 1)
                                  print device, kernel, registers, shared, stack }' "$tmp/said" | sort > "$tmp/used"
awk '{ printf "# %s %-24s %3d registers %6d bytes shared %4d bytes stack\n", $1, $2, $3, $4, $5 }' "$tmp/used"

instances=$(sed -n 's/^    INSTANCE_PAIR(INSTANCE, \([a-z_]*\), [a-z_]*, \([a-z0-9]*\)).*/\1_\2_float \1_\2_half/p' src/backends/cudnn/kernels.instances.inc)
kernels=$(($(grep -c '^    KERNEL(' src/backends/cudnn/kernels.h) + $(wc -w <<< "$instances")))
for device in sm_80 sm_90; do
    check "$device: all $kernels kernels are told of" test "$(grep -c "^$device " "$tmp/used")" -eq "$kernels"
done
none_on_stack() { ! awk '$5 > 0' "$tmp/used" | grep .; }
check "no registers are spilled, no kernel has a stack" none_on_stack
few_registers() { ! awk '$3 > 64' "$tmp/used" | grep .; }
check "four blocks of each fit a multiprocessor" few_registers

only_cuda() { ! nm -u "$object" | awk '{ print $2 }' | grep -vxE '__cuda[A-Za-z]*|atexit|_GLOBAL_OFFSET_TABLE_'; }
check "nothing of the C++ library is needed" only_cuda

# PTX, the intermediate code from which the H100's code is generated.
nvcc=$(make --no-print-directory -s -f - nvcc <<< $'include Makefile\nnvcc: ; @echo $(NVCC)')
to_ptx() { "$nvcc" -O3 --fmad=false -arch=compute_90 -ptx -Iinclude -o "$tmp/kernels.ptx" src/backends/cudnn/kernels.cu; }
check "the kernels compile to PTX" to_ptx
body() { awk "/\.entry kernel_$1\(/, /^}/" "$tmp/kernels.ptx"; }
not_fused() { # KERNEL: it has multiplications, none of them fused with an addition
    [ "$(body "$1" | grep -cE 'mul\.(rn\.)?f32')" -gt 0 ] && ! body "$1" | grep -E '(fma|mad)\.[a-z.]*f(32|64)'
}
for kernel in update distort; do check "$kernel fuses no multiply-add" not_fused $kernel; done
by_fours() { body "$1" | grep -qE 'ld\.global(\.nc)?\.v4\.' && body "$1" | grep -qE 'st\.global\.v4\.'; }
for kernel in update pool_forward pool_backward mask_bias bias_relu convert $(grep float <<< "${instances// /$'\n'}"); do
    check "$kernel reads and writes four floats at a time" by_fours $kernel
done
all_wait() { # every kernel waits for the previous one before it touches memory, which holds that one's results, and lets the next start
    awk '/\.entry kernel_/ { kernels++; name = $0; waits = 0 }
         /griddepcontrol\.wait;/ { waits = 1; waiting++ }
         /griddepcontrol\.launch_dependents;/ { let++ }
         /(ld|st|atom|red)\.(global|volatile)/ && !waits { print name; print; bad = 1; exit }
         END { print kernels " kernels, " waiting " wait, " let " let the next come"; exit bad || waiting != kernels || let != kernels }' "$tmp/kernels.ptx"
}
check "each kernel waits for the one before it" all_wait

# Kernels for one shape: counts their instructions if cuobjdump is found; otherwise only checks that their PTX has no division.
# Each limit is slightly above what nvcc 13.0 produces.
limit_of() {
    case $1 in
        pool_backward_*) echo 300 ;;
        norm_forward_*) echo 600 ;;
        norm_pool_forward_*) echo 700 ;;
        *) echo 1000 ;;
    esac
}
short() { # KERNEL
    local name static dynamic threads divisions spilled waits longest
    read -r name static dynamic threads divisions spilled waits longest <<< "$(grep "^$1 " "$tmp/counts")"
    echo "$name: $static instructions, $divisions of divisions, $spilled of spills; waits first: $waits; a thread executes $dynamic"
    [ "$static" -le "$(limit_of "$1")" ] && [ "$divisions" -eq 0 ] && [ "$spilled" -eq 0 ] && [ "$waits" = yes ] && [ "$dynamic" -gt 100 ]
}
# Kernels for all shapes, with the arguments that a step launches them with.
followed() { # KERNEL LIMIT
    local name static dynamic rest
    while read -r name static dynamic rest; do
        echo "$name: $static instructions; a thread executes $dynamic"
        [[ $dynamic =~ ^[0-9]+$ ]] && [ "$dynamic" -gt 100 ] && [ "$dynamic" -le "$2" ] || return 1
    done < <(grep "^$1@" "$tmp/counts")
    [ "$(grep -c "^$1@" "$tmp/counts")" -eq 2 ]
}
undivided() { ! body "$1" | grep -E '(div|rem)\.[us](32|64)'; }
if scripts/gpu_sass.py --tool > /dev/null 2>&1; then
    check "instructions are counted" eval 'scripts/gpu_sass.py "$object" > "$tmp/counts"'
    sed 's/^/# /' "$tmp/counts"
    for kernel in $instances; do check "$kernel has at most $(limit_of "$kernel") instructions, and divides no integers" short "$kernel"; done
    check "a thread executes at most 800 of the update" followed update 800
    check "700 of distort" followed distort 700
    check "400 of few_forward" followed few_forward 400
    check "1,600 of few_backward" followed few_backward 1600
    check "300 of finish" followed finish 300
else
    for kernel in $instances; do check "$kernel divides no integers" undivided "$kernel"; done
fi
finish
