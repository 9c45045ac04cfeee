#!/bin/bash
# What the Makefile finds and rebuilds when libraries appear, disappear or change their version.
# time limit: 300 s
. tests/lib.sh

# These checks do not depend on what the sources contain: in this tree they are empty, which is quicker.
tree=$tmp/tree fakes=$tmp/fakes
mkdir "$tree" "$fakes"
copy() { tar -cf - Makefile README.md LICENSE include src 2> /dev/null | tar -xf - -C "$1"; }
copy "$tree"
find "$tree/src" -name '*.c' -exec truncate -s 0 {} +
echo 'int main(void) { return 0; }' > "$tree/src/main.c"
build() { (unset MAKEFLAGS MAKELEVEL BACKENDS BUILD; cd "$tree" && make --no-print-directory -j2 OPTIMISE=-O0 "$@"); }
small() { build BACKENDS=openblas "$@"; } # fewer files, and so quicker
says() { # PATTERN COMMAND...
    local pattern=$1 output
    output=$("${@:2}" 2>&1) && grep -qE -- "$pattern" <<< "$output" || { echo "$output"; return 1; }
}
fails() { # PATTERN COMMAND...: succeeds if the command fails and prints PATTERN
    local pattern=$1 output
    if output=$("${@:2}" 2>&1) || ! grep -qE -- "$pattern" <<< "$output"; then echo "$output"; return 1; fi
}
does() { [ "$(small "${@:2}" 2>&1 | awk '{ print $1 }' | sort -u | xargs)" = "$1" ]; } # WORDS OPTIONS...: kinds of steps

check "make" small
check "again has nothing to do" does ""
check "other LDFLAGS archive and link again, but compile nothing" does "archive link" LDFLAGS=-Wl,--as-needed
check "so do other LDLIBS" does "archive link" LDLIBS=-lrt
check "flags of one file compile again" does "archive compile link" flags_digest=-DOTHER

echo 'int extra_one(void); int extra_one(void) { return 1; }' > "$tree/src/base/extra.c"
symbols() { nm "$tree/build/libcifar10.a" 2> /dev/null | grep -c extra_one; }
small > /dev/null
check "a new source is built in" test "$(symbols)" -eq 1
rm "$tree/src/base/extra.c"
small > /dev/null
check "a deleted one is gone from archive and program" test "$(symbols)" -eq 0

cat > "$fakes/mpicc" <<END
#!/bin/sh
if [ "\$1" = -show ]; then echo "\$MPI_HERE"; else exec mpicc "\$@"; fi
END
chmod +x "$fakes/mpicc"
MPI_HERE=one small MPICC="$fakes/mpicc" > /dev/null
MPI_HERE=one check "the same MPI behind mpicc: nothing to do" does "" MPICC="$fakes/mpicc"
MPI_HERE=two check "another one compiles all again" does "archive compile link" MPICC="$fakes/mpicc"

# ---- installing, and information
check "make BUILD= install" small BUILD=build/other install DESTDIR="$tmp/stage" PREFIX=/p
check "installs that program" cmp "$tree/build/other/cifar10_mpi" "$tmp/stage/p/bin/cifar10_mpi"
build info > "$tmp/info" 2>&1
for library in HDF5 libarchive libcurl libcrypto libjpeg libpng Random123 libxsmm libconfig protobuf-c; do
    check "make info has a line about $library" grep -E "^$library +[^ ]" "$tmp/info"
done
cat > "$fakes/pkg-config" <<END
#!/bin/sh
echo asked >> "$tmp/asked"
case "\$*" in
    *\$HIDDEN*) exit 1 ;;
    *) exec $(command -v pkg-config) "\$@" ;;
esac
END
chmod +x "$fakes/pkg-config"
info_without() { PATH=$fakes:$PATH HIDDEN=$1 build info; }
rm "$fakes/mpicc"
check "a missing library is named with its package" says '^libpng +missing \(Debian: libpng-dev\)$' info_without libpng
check "and one that is not needed" says '^libconfig +not built in.*\(Debian: libconfig-dev\)$' info_without libconfig

# ---- the system is probed once
asks() { # many|none OPTIONS...: checks whether make calls pkg-config
    rm -f "$tmp/asked"
    PATH=$fakes:$PATH HIDDEN=none build -n "${@:2}" || return 1
    if [ "$1" = many ]; then [ -e "$tmp/asked" ]; else [ ! -e "$tmp/asked" ]; fi
}
mkdir "$tmp/pc"
check "make asks what there is" asks many PKG_CONFIG_PATH="$tmp/pc"
check "the next make asks nothing" asks none PKG_CONFIG_PATH="$tmp/pc"
check "nor does make help, in a new folder" asks none BUILD=build/new help
touch "$tmp/pc/new.pc"
check "a library that is installed: asked again" asks many PKG_CONFIG_PATH="$tmp/pc"
check "other CFLAGS: asked again" asks many PKG_CONFIG_PATH="$tmp/pc" CFLAGS=-DOTHER
check "make info always asks" asks many PKG_CONFIG_PATH="$tmp/pc" CFLAGS=-DOTHER info

# ---- other versions: headers found first that lack functions
header() { mkdir -p "$fakes/$1" "$(dirname "$fakes/$1/$2")"; echo "$3" > "$fakes/$1/$2"; } # SET NAME TEXT
does_not_compile() { build -n "${@:2}" > "$tmp/said" 2>&1 && grep -q openblas "$tmp/said" && ! grep "compile .*$1" "$tmp/said"; }
header dnnl dnnl.h 'typedef struct dnnl_engine *dnnl_engine_t;'
check "another oneDNN is told in a sentence" says 'onednn: not built in: needs oneDNN 2 or 3: ' build info CFLAGS="-I$fakes/dnnl"
check "and it is left out" does_not_compile onednn BUILD=build/dnnl CFLAGS="-I$fakes/dnnl"
header omp omp.h '#error there is none'
check "a compiler without OpenMP is told" says 'onednn: not built in: needs a compiler with OpenMP' build info CFLAGS="-I$fakes/omp"
header random Random123/philox.h '#error there is none'
check "without Random123 make says what it needs" fails 'Random123/philox.h is missing \(Debian: librandom123-dev\)' small CFLAGS="-I$fakes/random"
check "make info says so too" says '^Random123 +Random123/philox.h is missing' build info CFLAGS="-I$fakes/random"
header xsmm libxsmm.h ''
check "without libxsmm" says '^libxsmm +not built in' build info CFLAGS="-I$fakes/xsmm"
tree=$tmp/whole
mkdir "$tree"
copy "$tree"
old_curl() { PATH=$fakes:$PATH HIDDEN=--atleast-version small BUILD=build/curl; }
check "an older libcurl" old_curl
check "has its own options" test -f "$tree/build/curl/pack/curl_old.o" -a ! -e "$tree/build/curl/pack/curl_new.o"
fetch() { "$tree/build/curl/cifar10_mpi" pack --download --md5 none --url "$1" "$tmp/out.h5"; }
check "which do download" fetch "file://$PWD/tests/data/cifar10-sample.tar.xz"
check "and know which protocols there are" fails "cannot be downloaded" fetch "http://127.0.0.1:1/x"

# CUDA's headers include crt/*.h, which pip's package of them lacks.
folders() { (unset MAKEFLAGS MAKELEVEL; cd "$tree" && make -pn info CUDA_HOME=/nvcc CUDA_INC=/pip | sed -n 's/^cudnn_cflags := //p'); }
check "C finds CUDA's headers in pip's folder, and what is not there in nvcc's" test "$(folders)" = "-isystem /pip -idirafter /nvcc/include"

passed_on() { (unset MAKEFLAGS MAKELEVEL; cd "$tree" && CUDA_HOME=/nvcc make -pn run | grep -x 'CUDA_HOME = /nvcc'); }
check "make run passes the environment's CUDA_HOME on" passed_on

jobs() { (unset MAKEFLAGS MAKELEVEL; cd "$tree" && make -pn help | sed -n 's/^JOBS := //p'); }
check "OMP_NUM_THREADS does not say how many files to compile at once" test "$(OMP_NUM_THREADS=1 OMP_THREAD_LIMIT=1 jobs)" = "-j$(env -u OMP_NUM_THREADS nproc)"
finish
