#!/bin/bash
# Checks rules for the source text; names.sh checks those about names.
. tests/lib.sh

c_files() { find "$@" -name '*.[ch]'; }

included_outside() { # HEADERS ROOM
    grep -rnE "#include *[<\"]($1)[>\"]" include src --include='*.[ch]' | grep -v "^src/$2/"
}

check "mpi.h only in parallel" nothing included_outside 'mpi(-ext)?\.h' parallel
check "hdf5.h only in store" nothing included_outside 'H5.*\.h|hdf5.*\.h' store
check "dnnl.h only in backends/onednn" nothing included_outside '(oneapi/dnnl/)?dnnl.*\.h' backends/onednn
check "cblas.h only in backends/openblas" nothing included_outside 'cblas.*\.h' backends/openblas
check "CUDA only in backends/cudnn" nothing included_outside 'cuda.*\.h|cudnn.*\.h|cublas.*\.h' backends/cudnn
check "curl and archives only in pack" nothing included_outside 'curl/.*|archive.*\.h' pack
check "JPEG and PNG only in image" nothing included_outside 'jpeglib\.h|png\.h' image
check "libconfig only in options" nothing included_outside 'libconfig\.h' options
check "protobuf-c only in formats" nothing included_outside '.*(protobuf-c|pb-c|isa-l).*\.h' formats
check "Random123 only in base" nothing included_outside 'Random123/.*' base

# A function begins one line before the opening brace in the first column, and ends with the closing one.
functions() { c_files src | xargs awk '/^\{/ { first = FNR - 1 } /^\}$/ && first { print FILENAME ":" first, FNR - first + 1; first = 0 }'; }
long_functions() { functions | awk '$2 > 40 { print $1 ": a function of " $2 " lines" }'; }
many_long_ones() { functions | awk '{ all++ } $2 >= 25 { long++ } END { if (long * 10 > all) print long " of " all }'; }
long_files() { find src include tests scripts jobs -name '*.[ch]' -o -name '*.sh' -o -name '*.py' | xargs awk 'FNR == 501 { print FILENAME }'; }
check "functions are found at all" test "$(functions | wc -l)" -gt 1000
check "no function is longer than 40 lines" nothing long_functions
check "nine of ten functions are under 25 lines" nothing many_long_ones
check "no file is longer than 500 lines" nothing long_files
check "no line of C is longer than 132 characters" nothing grep -nE '^.{133}' $(c_files src include tests)
check "no tabs and no spaces at line ends in C" nothing grep -nP '\t| $' $(c_files src include tests)

conditionals() { grep -rnE '^ *# *(if|ifdef|ifndef)\b' src --include='*.c' | grep -v '^src/backends/registry.c:'; }
check "no conditional compilation but in the registry of backends" nothing conditionals
exits() { grep -rnE '^[^*]*\bexit\(' src --include='*.c' | grep -vE '^src/(main\.c|commands/)'; }
check "no exit() outside the commands" nothing exits
shells() { grep -rnE '^[^*]*\b(system|popen|exec[lv]p?e?|posix_spawnp?|fork|vfork)\(' src --include='*.c'; }
check "no shell and no other program is started" nothing shells
finalizes() { grep -rlE '^[^*]*MPI_Finalize\(' src; }
worlds() { grep -rlwE 'MPI_COMM_(WORLD|SELF)' src --include='*.c'; }
check "MPI_COMM_WORLD in one file: all others take the world's communicators" test "$(worlds)" = src/parallel/world.c
check "MPI_Finalize in one file, for the way out that is no error" test "$(finalizes)" = src/parallel/world.c

# All objects but those of the tests, and those from nvcc, whose stubs keep handles in variables.
rooms_objects() {
    find build -name '*.o' ! -path 'build/?san/*' ! -path 'build/fuzz/*' ! -path 'build/commands/*' ! -path build/train/stop.o ! -path build/main.o \
        ! -path 'build/fakecuda/*' ! -path 'build/arm64/*' ! -path build/module/kernels.o
}
mutable_state() { # variables in .data, .bss and the like; constants that contain addresses are in .data.rel.ro
    for object in $(rooms_objects); do
        objdump -t "$object" |
            awk -v file="$object" '/ [gl] +O \.(t?bss|t?data)/ && !/ \.data\.rel\.ro/ { print file ": " $NF }'
    done
}
check "compiled rooms are found at all" test "$(rooms_objects | wc -l)" -gt 40
check "no mutable state outside the commands, but for what a signal handler writes" nothing mutable_state
finish
