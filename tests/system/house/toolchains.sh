#!/bin/bash
# Other compilers and another MPI: clang builds without a warning, a build with MPICH trains and evaluates, and a compiler for another
# processor gets no x86 flags.
# time limit: 300 s
. tests/lib.sh
data=$(small_data) || { not_ok "a packed data set" "$data"; finish; exit; }

tree=$tmp/tree
mkdir "$tree"
cp -r Makefile include src "$tree"
build() { (unset MAKEFLAGS MAKELEVEL BACKENDS BUILD; cd "$tree" && make --no-print-directory -j2 CUDA_HOME=/nonexistent NVCC=no-nvcc "$@"); }

if command -v clang > /dev/null; then
    check "clang, without a warning" env OMPI_CC=clang MPICH_CC=clang make -C "$tree" --no-print-directory -j2 BUILD=clang \
        OPTIMISE=-O0 CFLAGS=-Werror CUDA_HOME=/nonexistent NVCC=no-nvcc clang/cifar10_mpi
    check "its program answers --help" "$tree/clang/cifar10_mpi" --help
else
    skip "clang" "it is not installed (Debian: clang)"
fi

# A compiler that claims to compile for ARM.
printf '#!/bin/sh\n[ "$1" = -dumpmachine ] && echo aarch64-linux-gnu || exec mpicc "$@"\n' > "$tmp/armcc"
chmod +x "$tmp/armcc"
flags_of() { build -n BUILD=arm MPICC="$1" arm/cifar10_mpi; }
check "this processor's vectors have flags of their own" eval '[ "$(uname -m)" != x86_64 ] || flags_of mpicc | grep -q -- -mavx512f'
check "another's have none" eval 'flags_of "$tmp/armcc" > "$tmp/commands" && grep -q vectors_generic "$tmp/commands" && ! grep -- " -m" "$tmp/commands"'

mpich=$(command -v mpicc.mpich || { mpichversion > /dev/null 2>&1 && command -v mpicc; })
launcher=$(command -v mpiexec.mpich || command -v mpiexec.hydra)
if [ -n "$mpich" ] && [ -n "$launcher" ]; then
    with_mpich() { "$launcher" -np 2 "$tree/mpich/cifar10_mpi" "$@"; }
    check "MPICH: the build" build BUILD=mpich OPTIMISE=-O1 MPICC="$mpich" mpich/cifar10_mpi
    check "training on 2 ranks" with_mpich train --data "$data" --train-dir "$tmp/run" --max-steps 10 --slices 2 --conv direct
    check "says that it is MPICH" grep -q "MPICH" <(h5dump -a /provenance/mpi_library "$tmp/run/checkpoint-00000010.h5")
    check "evaluation on 2 ranks counts every image once" grep -q ' of 200)' \
        <(with_mpich eval --data "$data" --checkpoint-dir "$tmp/run" --run-once)
    check "Open MPI trains the same steps" mpirun -np 2 ./cifar10_mpi train --data "$data" --train-dir "$tmp/open" --max-steps 10 --slices 2 --conv direct
    check "with the same bits" same_bits "$tmp/run/checkpoint-00000010.h5" "$tmp/open/checkpoint-00000010.h5"
    refused "an error is one sentence there too" "there is no tower 'abacus'|--tower 'abacus' is none of" with_mpich train --data "$data" --tower abacus
else
    skip "MPICH" "it is not installed (Debian: mpich libmpich-dev)"
fi
finish
