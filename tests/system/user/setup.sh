#!/bin/bash
# `make run`, `make bench` and their scripts if packages cannot be installed, the data change, or somebody presses Ctrl-C.
# time limit: 120 s
. tests/lib.sh

# A tree of stand-ins for the programs: only scripts/ and the Makefile are tested.
tree=$tmp/tree bin=$tmp/bin log=$tmp/log
mkdir -p "$tree" "$bin"
cp -r Makefile include src scripts "$tree"
fake() { printf '#!/bin/bash\n%s\n' "$2" > "$bin/$1"; chmod +x "$bin/$1"; }
in_tree() { (unset MAKEFLAGS MAKELEVEL BACKENDS BUILD; cd "$tree" && PATH=$bin:$PATH "$@"); }

# ---- packages: dpkg-query knows only those in $INSTALLED, and apt-get fails for those in $UNKNOWN
fake dpkg-query 'for p; do [[ " $INSTALLED " == *" $p "* ]] && echo "$p:install ok installed"; done'
fake sudo '[[ $1 == env ]] && exec "$@"'
fake apt-get 'echo "$*" >> "$LOG"; for p in $UNKNOWN; do [[ " $* " != *" $p "* ]] || { echo "E: Unable to locate package $p"; exit 100; }; done'
fake apt-cache '[[ " $UNKNOWN " != *" $2 "* ]]'
export LOG=$log
deps() { : > "$log"; in_tree scripts/deps.sh "$@" 2>&1; }
asked() { grep -q "install .*$1" "$log"; }
all=$(sed -n '/^build="/,/"$/p' scripts/deps.sh | tr -d '"' | sed 's/^build=//' | xargs)
INSTALLED="" UNKNOWN="" deps build > /dev/null
check "all packages are asked for" asked "gcc libc6-dev .*xz-utils"
check "libxsmm-dev by itself" asked "recommends libxsmm-dev$"
check "where the processor has none of it, the rest is installed" env INSTALLED= UNKNOWN=libxsmm-dev bash -c "$(declare -f deps in_tree); tree='$tree' bin='$bin' log='$log'; deps build"
check "and it is not asked for" eval '! asked libxsmm-dev'
quiet() { [ -z "$(INSTALLED=$all UNKNOWN=libxsmm-dev deps build)" ] && [ ! -s "$log" ]; }
check "where all is there but that, nothing happens" quiet
INSTALLED="" UNKNOWN=libpng-dev deps build > "$tmp/said"
check "a package that apt-get does not know is named" grep -q "Unable to locate package libpng-dev" "$tmp/said"

named=$(grep -rhoE '\(Debian: [a-z0-9 -]+\)' tests/lib.sh tests/system | sed 's/(Debian: //; s/)//' | xargs)
unlisted() { for package in $named; do grep -qwF -- "$package" scripts/deps.sh || echo "$package"; done; }
check "skips name packages: $named" test -n "$named"
check "deps.sh installs each" test -z "$(unlisted)"

# As on a cluster: without dpkg and apt-get, but with all other programs of the machine.
mkdir "$tmp/cluster"
ln -sf -t "$tmp/cluster" /usr/local/bin/* /usr/bin/* /usr/sbin/* 2> /dev/null
rm -f "$tmp"/cluster/{dpkg,apt}*
[ "$(id -u)" -eq 0 ] || rm -f "$tmp/cluster/sudo"
echo 'echo trained here' > "$tree/scripts/run.sh"
on_cluster() { (unset MAKEFLAGS MAKELEVEL BACKENDS BUILD; cd "$tree" && PATH=$tmp/cluster make --no-print-directory OPTIMISE=-O0 "$@"); }
on_cluster BACKENDS=openblas run > "$tmp/said" 2>&1
check "make run without apt-get prints a command for root" grep -qx 'apt-get install -y --no-install-recommends gcc libc6-dev .*librandom123-dev .*curl xz-utils' "$tmp/said"
check "and goes on" grep -q '^trained here' "$tmp/said"
deps_fails() { ! on_cluster deps; }
check "make deps fails there" deps_fails

# ---- make run, with an mpirun that only records its arguments
cp scripts/run.sh "$tree/scripts/run.sh"
ln -sf "$PWD/cifar10_mpi" "$tree/cifar10_mpi"
fake mpirun 'echo "$*" >> "$LOG"'
for set in one two; do
    mkdir "$tmp/$set"
    { printf "\\$([ $set = one ] && echo 1 || echo 2)"; head -c 3072 /dev/zero; } > "$tmp/$set/data_batch_1.bin"
done
run_on() { : > "$log"; CIFAR10_DIR=$tmp/$1 in_tree scripts/run.sh; grep -o -- '--data.*--train-dir [^ ]*' "$log" | sort -u; }
check "make run with CIFAR10_DIR" run_on one
first=$(run_on one | tail -n 1)
check "again trains on the same data in the same directory" test "$(run_on one | tail -n 1)" = "$first"
second=$(run_on two | tail -n 1)
check "with another one in another" eval '[ -n "$second" ] && [ "${second##* }" != "${first##* }" ] && [ "${second%% --train*}" != "${first%% --train*}" ]'
check "on as many ranks whatever OMP_NUM_THREADS" grep -q -- "-np $(($(env -u OMP_NUM_THREADS nproc) > 1 ? 2 : 1)) " "$log"

bench_on() { CIFAR10_DIR=$tmp/$1 in_tree scripts/bench.sh > /dev/null 2>&1; sha256sum < "$tree/build/bench/cifar10.h5"; }
first=$(bench_on one) second=$(bench_on two)
check "make bench measures on the data of now, too" test -n "$first" -a "$second" != "$first"

# ---- job scripts: the options for ranks with several cores
job() { : > "$log"; PATH=$bin:$PATH SLURM_CPUS_PER_TASK=$2 LAUNCH=$3 bash "jobs/$1.sbatch"; cat "$log"; }
fake srun 'echo "$* cores $SRUN_CPUS_PER_TASK $OMP_NUM_THREADS" >> "$LOG"'
for script in train-cpu eval; do
    check "$script: mpirun binds as many cores as a rank has" eval "job $script 2 mpirun | grep -qE '^--map-by slot:PE=2 ./cifar10_mpi .* --threads 2( |$)'"
    check "$script: nothing to say where that is one" eval "job $script 1 mpirun | grep -qE '^./cifar10_mpi .* --threads 1( |$)'"
    check "$script: srun is told too" eval "job $script 2 srun | grep -qE ' --threads 2 +cores 2 2$'"
done

# ---- tests/system/ranks/slurm.sh if slurmd does not start
for program in munged slurmctld sbatch sinfo scancel getent; do fake $program true; done
fake id 'echo 0'
fake slurmd 'case $1 in -V) echo "slurm-wlm 24.11.5" ;; *) echo "[now] $SAYS" >> "$(sed -n s/^SlurmdLogFile=//p "$SLURM_CONF")"; exit 1 ;; esac'
without_slurmd() { SAYS=$1 PATH=$bin:$PATH bash tests/system/ranks/slurm.sh > "$tmp/said" 2>&1; }
without_slurmd "error: no such node"
check "what slurmd says is shown" grep -q '^# \[now\] error: no such node' "$tmp/said"
without_slurmd "fatal: cannot create cgroup plugin for cgroup/v2"
check "no control groups are a reason to skip" grep -q '^ok 1 - jobs under Slurm # SKIP .*: fatal: cannot create cgroup plugin' "$tmp/said"

rm "$tree/cifar10_mpi"
printf '#!/bin/bash\nif [ "$2" = --download ]; then touch downloading; exec sleep 50; fi\n' > "$tree/cifar10_mpi"
chmod +x "$tree/cifar10_mpi"
set -m # the script gets its own process group, as on a terminal
(cd "$tree" && PATH=$bin:$PATH exec scripts/run.sh > "$tmp/said" 2>&1) &
for _ in $(seq 100); do [ -e "$tree/downloading" ] && break; sleep 0.1; done
kill -INT -- -$!
for _ in $(seq 100); do kill -0 $! 2> /dev/null || break; sleep 0.1; done
check "Ctrl-C during the download ends make run" eval '! kill -0 $! 2> /dev/null'
check "which did not go on" eval '! grep -q "no download" "$tmp/said"'
kill -KILL -- -$! 2> /dev/null
finish
