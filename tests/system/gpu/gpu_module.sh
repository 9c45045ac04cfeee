#!/bin/bash
# The program without a GPU: it is not linked with CUDA, and says what is missing.
. tests/lib.sh
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }

no_cuda_libraries() { ! ldd ./cifar10_mpi | grep -E 'libcud|libcublas|libnccl|nvidia'; }
check "the program is linked with nothing of CUDA's" no_cuda_libraries

# Runs a copy of the program in its own folder, where the tests put modules beside it.
mkdir -p "$tmp/bin"
cp cifar10_mpi "$tmp/bin"
module=$tmp/bin/cifar10_cudnn.so
lone() { env -u CIFAR10_MODULES "$tmp/bin/cifar10_mpi" "$@"; }
wants_cudnn() { lone train --data "$data" --train-dir "$tmp/run" --max-steps 1 --tower cudnn; }
stub() { gcc -shared -fPIC -o "$module" -x c - -x none "$@"; }

refused "no module" "--tower cudnn: there is no module cifar10_cudnn.so beside the program" wants_cudnn
echo 'not a module' > "$module"
refused "a file that is none" "--tower cudnn: the module cannot be opened: .*cifar10_cudnn.so" wants_cudnn
stub <<< 'int other;'
refused "a module of something else" "the module cannot be opened: .*cifar10_module" wants_cudnn
stub <<< 'const int cifar10_module[64] = {-1};'
other="cifar10_cudnn.so was built with other headers than this program: build it again .*, or remove it"
refused "a module of another build" "$other" wants_cudnn
gcc -shared -fPIC -o "$tmp/libgone.so.9" -Wl,-soname,libgone.so.9 -x c - <<< 'int gone(void) { return 1; }'
stub "$tmp/libgone.so.9" <<< 'int gone(void); const int cifar10_module[64] = {1}; int use(void) { return gone(); }'
refused "a library that is missing" "the module cannot be opened: libgone.so.9: cannot open shared object file" wants_cudnn
goes_on() {
    lone train --data "$data" --train-dir "$tmp/auto" --max-steps 1 --batch-size 8 > "$tmp/said" 2>&1 || { cat "$tmp/said"; return 1; }
    grep -E 'rank 0 .*: (onednn|openblas) tower' "$tmp/said"
}
check "auto goes on with the next backend" goes_on
check "and says why not cudnn" grep -E 'tower +no cudnn: .*libgone.so.9' <(unwrapped "$tmp/said")

if [ -f cifar10_cudnn.so ]; then
    cp cifar10_cudnn.so "$module"
    if [ -e /dev/nvidiactl ]; then skip "no driver" "there is one"
    else refused "no driver" "--tower cudnn: there is no NVIDIA driver here" wants_cudnn; fi
    exports() { [ "$(nm -D --defined-only cifar10_cudnn.so | awk '{ print $3 }')" = cifar10_module ] || nm -D --defined-only cifar10_cudnn.so; }
    check "the module exports one symbol" exports
    no_driver_linked() { ! readelf -d cifar10_cudnn.so | grep -E 'NEEDED.*libcuda\.so'; }
    check "the driver's library is not linked" no_driver_linked

    # Builds the module again with a header that differs in a comment (-o: does not rebuild its other objects, which would take long).
    tree=$tmp/tree
    mkdir -p "$tree/build"
    tar -cf - Makefile include src | tar -xf - -C "$tree"
    cp -a build/module build/flags "$tree/build/"
    rebuilt() {
        (unset MAKEFLAGS MAKELEVEL; make --no-print-directory -C "$tree" BUILD=build "$@" cifar10_cudnn.so) > "$tmp/made" 2>&1 ||
            { cat "$tmp/made"; return 1; }
    }
    takes_it() { cp "$tree/cifar10_cudnn.so" "$module" && ! grep 'other headers' <(wants_cudnn 2>&1); }
    check "the module is built in another place" rebuilt
    check "and fits this program" takes_it
    echo '/* changed */' >> "$tree/include/device.h"
    check "it is built again, one file of it" rebuilt -o include/device.h
    check "that one" grep -qx '  compile build/module/backends/cudnn/module.o' "$tmp/made"
    cp "$tree/cifar10_cudnn.so" "$module"
    refused "with a changed header it is refused" "$other" wants_cudnn
    declared() { make -pn info 2> /dev/null | sed -n 's/^ABI_HEADERS := //p' | tr ' ' '\n' | grep '^include/' | sort; }
    included() { grep -ohE '(^| )include/[a-z_]+\.h' build/module/backends/cudnn/*.d build/module/kernels.d | tr -d ' ' | sort -u; }
    check "every header of include/ that the module reads is one that must be alike" diff <(declared) <(included)
else
    skip "the module itself" "it was not built: $(make info 2> /dev/null | grep -o 'cudnn: not built in.*')"
fi
refused "nccl without GPUs" "--allreduce nccl is for GPUs" ./cifar10_mpi train --data "$data" --train-dir "$tmp/run" --tower openblas --allreduce nccl
refused "tf32 without GPUs" "the openblas tower computes in fp32 only" ./cifar10_mpi train --data "$data" --train-dir "$tmp/run" --tower openblas --precision tf32
finish
